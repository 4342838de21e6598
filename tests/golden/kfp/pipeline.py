"""breast-cancer

Radiologists want a second reading of fine-needle samples, ranked by risk.

Written by mlspec for Kubeflow Pipelines 2.17.0. `python pipeline.py` compiles it to pipeline.yaml.
A component sees nothing of this module or of params.py: KFP ships the text of its
function alone, and its parameters as text.
"""

import json
import os

from kfp import compiler, dsl
from kfp.dsl import (
    HTML,
    Artifact,
    ClassificationMetrics,
    Dataset,
    Input,
    Markdown,
    Metrics,
    Model,
    Output,
)

# isort: split
import params

IMAGE = os.environ.get(
    "PIPELINE_IMAGE",
    "breast-cancer:latest",
)


def text(params):
    """Write a step's parameters as the text that its task takes.

    As text, because integers inside a dict or list would reach the task as floats;
    without two braces in a row, because KFP would take them for a placeholder.
    """
    return json.dumps(params, sort_keys=True).replace("{{", "{\\u007b")


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ingest(
    data: Output[Dataset],
    profile: Output[Artifact],
    data_root: str,
    params: str,
):
    """Read every source, combine them, and write one typed table.

    Spec: data.sources
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "ingest",
        inputs={},
        outputs={
            "data": data.path,
            "profile": profile.path,
        },
        params={
            **json.loads(params),
            "data_root": data_root,
        },
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    data.metadata.update(shown)
    profile.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate(
    data: Input[Dataset],
    data_out: Output[Dataset],
    quarantine: Output[Dataset],
    report: Output[Artifact],
    params: str,
):
    """Check every row against the schema and the checks; set failing rows aside.

    Spec: data.columns, data.checks
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "validate",
        inputs={
            "data": data.path,
        },
        outputs={
            "data": data_out.path,
            "quarantine": quarantine.path,
            "report": report.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    data_out.metadata.update(shown)
    quarantine.metadata.update(shown)
    report.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def check_data(
    decision: Input[Artifact],
    report: Output[Artifact],
    params: str,
):
    """Fail the run unless the verdict it is given is a pass.

    Spec: data.on_failure
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "gate",
        inputs={
            "decision": decision.path,
        },
        outputs={
            "report": report.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    report.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def split(
    data: Input[Dataset],
    gate: Input[Artifact],
    train: Output[Dataset],
    dev: Output[Dataset],
    test: Output[Dataset],
    manifest: Output[Artifact],
    params: str,
):
    """Deal the rows to train, dev and test by identity, and prove that nothing leaks
    between them.

    Spec: splits
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "split",
        inputs={
            "data": data.path,
            "gate": gate.path,
        },
        outputs={
            "train": train.path,
            "dev": dev.path,
            "test": test.path,
            "manifest": manifest.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    train.metadata.update(shown)
    dev.metadata.update(shown)
    test.metadata.update(shown)
    manifest.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def featurize(
    train: Input[Dataset],
    transformer: Output[Artifact],
    features: Output[Dataset],
    params: str,
):
    """Fit the feature transforms on the training rows and apply them.

    Spec: features, data.columns
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "featurize",
        inputs={
            "train": train.path,
        },
        outputs={
            "transformer": transformer.path,
            "features": features.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    transformer.metadata.update(shown)
    features.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def cross_validate(
    train: Input[Dataset],
    report: Output[Artifact],
    params: str,
):
    """Refit transforms and model on folds of the training rows to see how much a score
    moves.

    Spec: training.cross_validation
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "cross_validate",
        inputs={
            "train": train.path,
        },
        outputs={
            "report": report.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    report.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    features: Input[Dataset],
    transformer: Input[Artifact],
    model: Output[Model],
    params: str,
):
    """Fit the model on the training features and join it to the transformer that makes
    them.

    Spec: model, training
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "train",
        inputs={
            "features": features.path,
            "transformer": transformer.path,
        },
        outputs={
            "model": model.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    model.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_baseline(
    features: Input[Dataset],
    transformer: Input[Artifact],
    model: Output[Model],
    params: str,
):
    """Fit the model on the training features and join it to the transformer that makes
    them.

    Spec: baseline
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "train",
        inputs={
            "features": features.path,
            "transformer": transformer.path,
        },
        outputs={
            "model": model.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    model.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    model: Input[Model],
    train: Input[Dataset],
    dev: Input[Dataset],
    test: Input[Dataset],
    metrics: Output[Metrics],
    predictions: Output[Dataset],
    curves: Output[Artifact],
    plots: Output[ClassificationMetrics],
    params: str,
):
    """Score the model on raw rows of every split, with confidence intervals, slices and
    curves.

    Spec: evaluation, requirements
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "evaluate",
        inputs={
            "model": model.path,
            "train": train.path,
            "dev": dev.path,
            "test": test.path,
        },
        outputs={
            "metrics": metrics.path,
            "predictions": predictions.path,
            "curves": curves.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    predictions.metadata.update(shown)
    curves.metadata.update(shown)
    for name, value in shown.items():
        if isinstance(value, (int, float)):
            metrics.log_metric(name, value)
    with open(curves.path, encoding="utf-8") as file:
        drawn = json.load(file)
    if drawn.get("confusion"):
        plots.log_confusion_matrix(
            [str(one) for one in drawn["confusion"]["labels"]],
            drawn["confusion"]["matrix"],
        )
    roc = drawn.get("roc") or {}
    if roc.get("thresholds"):
        rows = zip(roc["fpr"], roc["tpr"], roc["thresholds"])
        rows = [one for one in rows if None not in one]
        plots.log_roc_curve(*(list(column) for column in zip(*rows)))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate_baseline(
    model: Input[Model],
    train: Input[Dataset],
    dev: Input[Dataset],
    test: Input[Dataset],
    metrics: Output[Metrics],
    predictions: Output[Dataset],
    curves: Output[Artifact],
    plots: Output[ClassificationMetrics],
    params: str,
):
    """Score the model on raw rows of every split, with confidence intervals, slices and
    curves.

    Spec: baseline, evaluation.beat_baseline_by
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "evaluate",
        inputs={
            "model": model.path,
            "train": train.path,
            "dev": dev.path,
            "test": test.path,
        },
        outputs={
            "metrics": metrics.path,
            "predictions": predictions.path,
            "curves": curves.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    predictions.metadata.update(shown)
    curves.metadata.update(shown)
    for name, value in shown.items():
        if isinstance(value, (int, float)):
            metrics.log_metric(name, value)
    with open(curves.path, encoding="utf-8") as file:
        drawn = json.load(file)
    if drawn.get("confusion"):
        plots.log_confusion_matrix(
            [str(one) for one in drawn["confusion"]["labels"]],
            drawn["confusion"]["matrix"],
        )
    roc = drawn.get("roc") or {}
    if roc.get("thresholds"):
        rows = zip(roc["fpr"], roc["tpr"], roc["thresholds"])
        rows = [one for one in rows if None not in one]
        plots.log_roc_curve(*(list(column) for column in zip(*rows)))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def explain(
    model: Input[Model],
    test: Input[Dataset],
    importance: Output[Artifact],
    params: str,
):
    """Measure how much each raw column matters to the model's score.

    Spec: evaluation.explain
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "explain",
        inputs={
            "model": model.path,
            "test": test.path,
        },
        outputs={
            "importance": importance.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    importance.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def decide(
    metrics: Input[Metrics],
    baseline: Input[Metrics],
    validation: Input[Artifact],
    manifest: Input[Artifact],
    cross_validation: Input[Artifact],
    decision: Output[Artifact],
    summary: Output[Markdown],
    params: str,
):
    """Hold every requirement against the evidence and write the verdicts down.

    Spec: requirements.metrics[0].target, requirements.metrics[1].target, data, splits
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "decide",
        inputs={
            "metrics": metrics.path,
            "baseline": baseline.path,
            "validation": validation.path,
            "manifest": manifest.path,
            "cross_validation": cross_validation.path,
        },
        outputs={
            "decision": decision.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    decision.metadata.update(shown)
    with open(decision.path, encoding="utf-8") as file:
        decided = json.load(file)
    rows = [
        ["Requirement", "Target", "Value", "Verdict", "Reason"],
        ["---"] * 5,
    ]
    for one in decided["requirements"]:
        rows.append(
            [one["name"], one["target"], one["value"], one["verdict"], one["reason"]]
        )
    with open(summary.path, "w", encoding="utf-8") as file:
        print("#", decided["verdict"], end="\n\n", file=file)
        for one in rows:
            cells = [" ".join(str(cell).split()).replace("|", "\\|") for cell in one]
            print("|", " | ".join(cells), "|", file=file)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def report(
    profile: Input[Artifact],
    validation: Input[Artifact],
    manifest: Input[Artifact],
    metrics: Input[Metrics],
    curves: Input[Artifact],
    predictions: Input[Dataset],
    decision: Input[Artifact],
    baseline: Input[Metrics],
    cross_validation: Input[Artifact],
    importance: Input[Artifact],
    page: Output[HTML],
    params: str,
):
    """Draw the evidence as one page that opens offline.

    Spec: project
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "report",
        inputs={
            "profile": profile.path,
            "validation": validation.path,
            "manifest": manifest.path,
            "metrics": metrics.path,
            "curves": curves.path,
            "predictions": predictions.path,
            "decision": decision.path,
            "baseline": baseline.path,
            "cross_validation": cross_validation.path,
            "importance": importance.path,
        },
        outputs={
            "page": page.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    page.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate(
    decision: Input[Artifact],
    report: Output[Artifact],
    params: str,
):
    """Fail the run unless the verdict it is given is a pass.

    Spec: requirements.metrics[0].target, requirements.metrics[1].target, data, splits
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "gate",
        inputs={
            "decision": decision.path,
        },
        outputs={
            "report": report.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    report.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def package(
    model: Input[Model],
    validation: Input[Artifact],
    metrics: Input[Metrics],
    decision: Input[Artifact],
    gate: Input[Artifact],
    package: Output[Model],
    params: str,
):
    """Put model, input schema, environment, spec and evidence into one directory.

    Spec: project, model
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "package",
        inputs={
            "model": model.path,
            "validation": validation.path,
            "metrics": metrics.path,
            "decision": decision.path,
            "gate": gate.path,
        },
        outputs={
            "package": package.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    package.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    package: Input[Model],
    entry: Output[Artifact],
    registry_root: str,
    params: str,
):
    """Enter the package in the model registry as a new version.

    Spec: registry
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "register",
        inputs={
            "package": package.path,
        },
        outputs={
            "entry": entry.path,
        },
        params={
            **json.loads(params),
            "registry_root": registry_root,
        },
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    entry.metadata.update(shown)


@dsl.pipeline(
    name="breast-cancer",
    display_name="breast-cancer",
    description="Radiologists want a second reading of fine-needle samples, ranked by risk.",
)
def pipeline(
    # Directory that the paths of the data sources are relative to.
    data_root: str = ".",
    # Directory of the model registry.
    registry_root: str = "registry",
):
    ingest_task = ingest(
        data_root=data_root,
        params=text(params.INGEST),
    )
    ingest_task.set_caching_options(False)
    validate_task = validate(
        data=ingest_task.outputs["data"],
        params=text(params.VALIDATE),
    )
    check_data_task = check_data(
        decision=validate_task.outputs["report"],
        params=text(params.CHECK_DATA),
    )
    split_task = split(
        data=validate_task.outputs["data_out"],
        gate=check_data_task.outputs["report"],
        params=text(params.SPLIT),
    )
    featurize_task = featurize(
        train=split_task.outputs["train"],
        params=text(params.FEATURIZE),
    )
    cross_validate_task = cross_validate(
        train=split_task.outputs["train"],
        params=text(params.CROSS_VALIDATE),
    )
    train_task = train(
        features=featurize_task.outputs["features"],
        transformer=featurize_task.outputs["transformer"],
        params=text(params.TRAIN),
    )
    train_baseline_task = train_baseline(
        features=featurize_task.outputs["features"],
        transformer=featurize_task.outputs["transformer"],
        params=text(params.TRAIN_BASELINE),
    )
    evaluate_task = evaluate(
        model=train_task.outputs["model"],
        train=split_task.outputs["train"],
        dev=split_task.outputs["dev"],
        test=split_task.outputs["test"],
        params=text(params.EVALUATE),
    )
    evaluate_baseline_task = evaluate_baseline(
        model=train_baseline_task.outputs["model"],
        train=split_task.outputs["train"],
        dev=split_task.outputs["dev"],
        test=split_task.outputs["test"],
        params=text(params.EVALUATE_BASELINE),
    )
    explain_task = explain(
        model=train_task.outputs["model"],
        test=split_task.outputs["test"],
        params=text(params.EXPLAIN),
    )
    decide_task = decide(
        metrics=evaluate_task.outputs["metrics"],
        baseline=evaluate_baseline_task.outputs["metrics"],
        validation=validate_task.outputs["report"],
        manifest=split_task.outputs["manifest"],
        cross_validation=cross_validate_task.outputs["report"],
        params=text(params.DECIDE),
    )
    report(
        profile=ingest_task.outputs["profile"],
        validation=validate_task.outputs["report"],
        manifest=split_task.outputs["manifest"],
        metrics=evaluate_task.outputs["metrics"],
        curves=evaluate_task.outputs["curves"],
        predictions=evaluate_task.outputs["predictions"],
        decision=decide_task.outputs["decision"],
        baseline=evaluate_baseline_task.outputs["metrics"],
        cross_validation=cross_validate_task.outputs["report"],
        importance=explain_task.outputs["importance"],
        params=text(params.REPORT),
    )
    gate_task = gate(
        decision=decide_task.outputs["decision"],
        params=text(params.GATE),
    )
    package_task = package(
        model=train_task.outputs["model"],
        validation=validate_task.outputs["report"],
        metrics=evaluate_task.outputs["metrics"],
        decision=decide_task.outputs["decision"],
        gate=gate_task.outputs["report"],
        params=text(params.PACKAGE),
    )
    register_task = register(
        package=package_task.outputs["package"],
        registry_root=registry_root,
        params=text(params.REGISTER),
    )
    register_task.set_caching_options(False)


if __name__ == "__main__":
    compiler.Compiler().compile(pipeline, "pipeline.yaml")
