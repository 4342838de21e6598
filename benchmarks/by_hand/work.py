"""What a step does, the same in every project: read a number, add one, write it; with `fits`, fit a model that often besides."""


def step(inputs, outputs, fits=0, nonce=None):
    number = int(inputs["number"].read_text()) if inputs else 0
    if fits:
        from sklearn.datasets import load_breast_cancer
        from sklearn.linear_model import LogisticRegression

        rows, target = load_breast_cancer(return_X_y=True)
        for _ in range(fits):
            LogisticRegression(max_iter=10_000).fit(rows, target)
    outputs["number"].write_text(str(number + 1))
    return {"number": number + 1}
