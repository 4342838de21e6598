"""What exported models gain over the library they come from, in time and size: python -m benchmarks.edge

The source is the library's own prediction, as cheap as it comes: scikit-learn's and XGBoost's on rows that are features already,
PyTorch's on tensors of a plain module without gradients; what the export does besides (scaling, its share of the features) is not
taken off. The churn pipeline is compared from raw rows to probabilities, against scikit-learn's own pipeline of the same steps.
Exports are written and run as a bundle's `runner.py` runs them. Everything has one thread, and contestants run block after block
in one process; speed is the median of the ratios of a round.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Promise, blocks_in_turn, ratio

BATCH = 1000
LARGE = "PyTorch CNN, 67,000 weights"
SLOWER = 1.05
"""Times the float model: beyond it int8 is said to be slower."""

Call = Callable[[], object]


@dataclass(frozen=True)
class Source:
    """How the library itself predicts one row and a thousand, and how many bytes its model has on disk."""

    one: Call
    many: Call
    size: int


def pickled(model: Any) -> int:
    """Return the bytes of a model as joblib keeps it."""
    import joblib

    kept = io.BytesIO()
    joblib.dump(model, kept)
    return len(kept.getvalue())


def batch(rows: Any) -> Any:
    """A thousand rows, the first ones again where there are fewer."""
    import numpy as np

    return rows[np.arange(BATCH) % len(rows)]


def of_estimator(one: Any) -> Source:
    """scikit-learn's estimator on features."""
    features, estimator = one.model.named_steps["features"], one.model.named_steps["model"]
    rows = batch(features.transform(_test(one)))
    return Source(lambda: estimator.predict_proba(rows[:1]), lambda: estimator.predict_proba(rows), pickled(estimator))


def of_booster(one: Any) -> Source:
    """XGBoost's own quickest way: a booster on a NumPy array in place."""
    import numpy as np

    features, booster = one.model.named_steps["features"], one.model.named_steps["model"].model_.get_booster()
    booster.set_param({"nthread": 1})
    rows = batch(features.transform(_test(one))).astype(np.float32)
    return Source(lambda: booster.inplace_predict(rows[:1]), lambda: booster.inplace_predict(rows), len(booster.save_raw("ubj")))


def of_pipeline(one: Any) -> Source:
    """scikit-learn's own pipeline of the churn spec's steps, fitted on the same rows; raw rows are an array of objects."""
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from docs import edge_matrix
    from mlspec.runtime.edge import proof

    told = edge_matrix.data(one.case.data)
    numbers = ["tenure", "MonthlyCharges", "TotalCharges"]
    words = [name for name in told.train.columns if name not in (*numbers, "customerID", "Churn")]

    def raw(table: Any) -> Any:
        return table.select(*numbers, *words).fill_null(float("nan")).to_numpy().astype(object)

    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), [0, 1, 2]),
            ("words", OneHotEncoder(handle_unknown="ignore"), list(range(3, 3 + len(words)))),
        ]
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(raw(told.train), told.train["Churn"].to_list())
    rows = raw(told.test)
    assert np.abs(model.predict_proba(rows) - proof.stated(one.answers)).max() < 0.01, "this is another model"
    many = batch(rows)
    return Source(lambda: model.predict_proba(many[:1]), lambda: model.predict_proba(many), pickled(model))


def of_torch(build: Callable[[Any], Any], shape: tuple[int, ...]) -> Callable[[Any], Source]:
    """A plain module of PyTorch with the layers of the family; what its weights are does not count in time."""

    def source(one: Any) -> Source:
        import torch

        torch.set_num_threads(1)
        module = build(torch).eval()
        rows = torch.from_numpy(batch(_test(one).drop("target").to_numpy().astype("float32"))).reshape(BATCH, *shape)
        first, kept = rows[:1].clone(), io.BytesIO()
        torch.save(module.state_dict(), kept)

        def call(numbers: Any) -> Call:
            def predict() -> object:
                with torch.inference_mode():
                    return module(numbers).softmax(dim=1)

            return predict

        return Source(call(first), call(rows), len(kept.getvalue()))

    return source


def _mlp(torch: Any) -> Any:
    nn = torch.nn
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def _cnn(channels: tuple[int, ...], convolutions: int) -> Callable[[Any], Any]:
    def build(torch: Any) -> Any:
        nn, layers, before = torch.nn, [], 1
        for after in channels:
            for place in range(convolutions):
                layers += [nn.Conv2d(after if place else before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
            before = after
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * before, 10))

    return build


def _gru(torch: Any) -> Any:
    class Gru(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.end = torch.nn.GRU(8, 64, batch_first=True), torch.nn.Linear(64, 10)

        def forward(self, rows: Any) -> Any:
            return self.end(self.cell(rows)[0][:, -1])

    return Gru()


def _transformer(torch: Any) -> Any:
    class Transformer(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            nn = torch.nn
            layer = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True, norm_first=True)
            self.start, self.place = nn.Linear(8, 32), nn.Parameter(torch.zeros(1, 8, 32))
            self.body = nn.TransformerEncoder(layer, 2, nn.LayerNorm(32), enable_nested_tensor=False)
            self.end = nn.Linear(32, 10)

        def forward(self, rows: Any) -> Any:
            return self.end(self.body(self.start(rows) + self.place).mean(dim=1))

    return Transformer()


def _test(one: Any) -> Any:
    from docs import edge_matrix

    return edge_matrix.data(one.case.data).test


def contests() -> dict[str, tuple[Any, Callable[[Any], Source]]]:
    """Return the models that are compared: as the matrix of docs/edge.md fits them, and how their library runs them."""
    from docs.edge_matrix import CASES, Case

    regression = Case("digits", {"kind": "sklearn.logistic_regression", "params": {"max_iter": 1000}})
    params = {"epochs": 4, "shape": [8, 8, 1], "channels": [32, 64], "convolutions": 2, "device": "cpu"}
    return {
        "logistic regression": (regression, of_estimator),
        "MLP": (CASES["sklearn.mlp"], of_estimator),
        "random forest, 50 trees": (CASES["sklearn.random_forest"], of_estimator),
        "hist gradient boosting": (CASES["sklearn.hist_gradient_boosting"], of_estimator),
        "XGBoost, 100 trees": (CASES["xgboost"], of_booster),
        "churn pipeline, raw rows": (CASES["sklearn.logistic_regression"], of_pipeline),
        "PyTorch MLP": (CASES["torch.mlp"], of_torch(_mlp, (64,))),
        "PyTorch CNN, 6,000 weights": (CASES["torch.cnn"], of_torch(_cnn((16, 32), 1), (1, 8, 8))),
        LARGE: (Case("digits", {"kind": "torch.cnn", "params": params}), of_torch(_cnn((32, 64), 2), (1, 8, 8))),
        "PyTorch GRU": (CASES["torch.rnn, gru"], of_torch(_gru, (8, 8))),
        "PyTorch transformer": (CASES["torch.transformer"], of_torch(_transformer, (8, 8))),
    }


def exports(one: Any, place: Path) -> Iterator[tuple[str, Any]]:
    """Yield each export that there is of a model, as float and in int8: its name, and what was written."""
    from docs import edge_matrix
    from mlspec.diagnostic import Problem

    for kind, export in edge_matrix.formats().items():
        for way in ("none", "int8"):
            if way in edge_matrix.ways(export):
                folder = place / f"{kind}-{way}"
                folder.mkdir()
                try:
                    yield kind if way == "none" else f"{kind} {way}", edge_matrix.written(one, kind, way, folder)
                except Problem:  # trees have nothing to shorten
                    continue


def compared(case: Any, source_of: Callable[[Any], Source], place: Path) -> dict[str, Any]:
    """Return times of the source, and of each export how many times faster it is and which share of the bytes it has."""
    from docs import edge_matrix
    from mlspec.runtime.edge.device import runner

    one = edge_matrix.prepared(case)
    source, written = source_of(one), dict(exports(one, place))
    raw = source_of is of_pipeline  # then an export starts with a row as a device has it, too
    rows = [one.rows[at % len(one.rows)] for at in range(BATCH)]
    about = json.loads(next(place.glob("*/metadata.json")).read_text(encoding="utf-8"))

    def call(cell: Any, count: int) -> Call:
        run, fed, asked = cell.run, batch(cell.fed)[:count].copy(), rows[:count]
        return (lambda: run(runner.feed(asked, about))) if raw else (lambda: run(fed))

    first = blocks_in_turn({"source": source.one, **{name: call(cell, 1) for name, cell in written.items()}}, 9, 0.05)
    whole = blocks_in_turn(
        {"source": source.many, **{name: call(cell, BATCH) for name, cell in written.items()}}, 5, 0.1, least=3
    )
    told: dict[str, Any] = {
        "source": {"row_us": _us(first["source"]), "batch_us": _us(whole["source"]), "bytes": source.size},
        "exports": {
            name: {
                "row_us": _us(first[name]),
                "row_speedup": ratio(first["source"], first[name]),
                "batch_speedup": ratio(whole["source"], whole[name]),
                "size_ratio": cell.figures["size"] / source.size,
            }
            for name, cell in written.items()
        },
    }
    told["int8"] = {name: _int8(first, written, name) for name in written if f"{name} int8" in written}
    return told


def _us(took: list[float]) -> float:
    return 1e6 * statistics.median(took)


def _int8(first: Mapping[str, list[float]], written: Mapping[str, Any], name: str) -> dict[str, Any]:
    time = ratio(first[f"{name} int8"], first[name])
    size = written[f"{name} int8"].figures["size"] / written[name].figures["size"]
    return {"time_to_float": time, "size_to_float": size, "slower": time > SLOWER}


PROMISES = {
    "PyTorch MLP": 10,
    "PyTorch CNN, 6,000 weights": 10,
    LARGE: 10,
    "logistic regression": 20,
    "MLP": 20,
    "random forest, 50 trees": 100,
    "churn pipeline, raw rows": 100,
}
"""Times that one row is faster in TensorFlow Lite than in the library."""


def promises(told: Mapping[str, Any]) -> list[Promise]:
    """Return what is promised of the figures."""
    kept = [
        Promise(f"{name}, one row: TensorFlow Lite / the library", 1 / told[name]["exports"]["tflite"]["row_speedup"], 1 / most)
        for name, most in PROMISES.items()
    ]
    time = told[LARGE]["int8"]["tflite"]["time_to_float"]
    return [*kept, Promise(f"{LARGE}, TensorFlow Lite: int8 / float", time, 1 / 1.5)]


def main(names: list[str] | None = None) -> dict[str, Any]:
    """Measure, and return figures and promises."""
    told: dict[str, Any] = {}
    for name, (case, source_of) in contests().items():
        if not names or name in names:
            with tempfile.TemporaryDirectory(prefix="mlspec-bench-") as place:
                told[name] = compared(case, source_of, Path(place))
            sys.stderr.write(f"{name}\n")
    return {"edge": told, "promises": [] if names else [asdict(one) for one in promises(told)]}


TITLES = {"tflite": "TensorFlow Lite", "openvino": "OpenVINO", "onnx": "ONNX", "c": "C"}


def tables(told: Mapping[str, Any]) -> str:
    """Return the figures as the README shows them."""
    one = [["one row", "library", *TITLES.values(), "size, TensorFlow Lite / library"]]
    many = [["a thousand rows", "library, a row", *TITLES.values()]]
    fewer = [["int8 / float", *(word for kind in list(TITLES)[:3] for word in (f"{TITLES[kind]}: time", "size"))]]
    for name, found in told.items():
        source, exports = found["source"], [found["exports"][kind] for kind in TITLES]
        size = f"{exports[0]['size_ratio']:.2f}"
        one.append([name, f"{_round(source['row_us'], 3)} µs", *(_times(cell["row_speedup"]) for cell in exports), size])
        each = f"{_round(source['batch_us'] / BATCH, 2)} µs"
        many.append([name, each, *(_times(cell["batch_speedup"]) for cell in exports)])
        if found["int8"]:
            fewer.append([name, *(word for cell in found["int8"].values() for word in _fewer(cell))])
    return "\n\n".join(_table(rows) for rows in (one, many, fewer))


def _table(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def _round(number: float, digits: int) -> str:
    return f"{float(f'{number:.{digits}g}'):g}"


def _times(speedup: float) -> str:
    return f"{_round(speedup, 2 if speedup < 100 else 3)} ×"


def _fewer(cell: Mapping[str, Any]) -> tuple[str, str]:
    return f"{cell['time_to_float']:.2f}{', **slower**' if cell['slower'] else ''}", f"{cell['size_to_float']:.2f}"


if __name__ == "__main__":
    found = main(sys.argv[1:])
    print(json.dumps(found, indent=1))
    sys.stderr.write(tables(found["edge"]) + "\n")
