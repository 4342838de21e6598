"""Measures what becomes of each family of models in each format and each way to shorten its numbers: docs/data/edge.json.

    python -m docs.edge_matrix            # all of it, two to three minutes; `make edge-matrix` writes docs/edge.md as well
    python -m docs.edge_matrix torch.cnn  # some families only: their rows are measured anew, the others stay

A family is fitted once and lowered once. Each cell is written as an export writes it, read back from its directory by the
`runner.py` that ships with it, and run on every test row. All this is in one process; `mlspec run` starts one for each export.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

# a thread of BLAS or OpenMP that waits for another changes the time of a row, and no answer
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl

from benchmarks.measure import blocks_in_turn, ratio
from mlspec import families, kinds
from mlspec.diagnostic import Problem
from mlspec.exports._export import Export, Quantize
from mlspec.lowering import Lowered, lowered
from mlspec.runtime import evaluate, fitting
from mlspec.runtime import export as exporting
from mlspec.runtime.edge import bundle, proof, verdicts
from mlspec.runtime.edge.device import runner
from mlspec.runtime.edge.metadata import device_rows, metadata
from mlspec.runtime.featurizer import Featurizer
from mlspec.runtime.metric import Answers
from mlspec.tensor import c
from mlspec.tensor.cost import macs

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "docs" / "data" / "edge.json"
Array = np.ndarray[Any, Any]
Json = dict[str, Any]

SEED = 7
CALIBRATION = 500
"""Training rows that find ranges: what an export takes unless the spec says otherwise."""

MAX_DROP = 0.01
"""The share of the metric that a cell may lose and still pass."""

LIBRARIES = (
    "ai-edge-litert",
    "ai-edge-quantizer",
    "nncf",
    "numpy",
    "onnx",
    "onnxruntime",
    "openvino",
    "scikit-learn",
    "torch",
    "keras",
    "lightgbm",
)


@dataclass(frozen=True)
class Data:
    """Rows to learn from and rows that nothing but the figures sees, with what a spec says of them."""

    train: pl.DataFrame
    test: pl.DataFrame
    task: Json
    columns: Json
    metric: str
    about: str


def _split(table: pl.DataFrame, train: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    order = np.random.default_rng(SEED).permutation(table.height)
    return table[order[:train]], table[order[train:]]


@cache
def data(name: str) -> Data:
    """Return one of the tables."""
    if name == "digits":
        member: Any = kinds.load("mlspec.sources", "sklearn")
        train, test = _split(member(kind="sklearn", dataset="digits")._table(), 1200)
        task = {"kind": "classification", "target": "target", "positive": None}
        return Data(
            train, test, task, {"target": {"role": "target"}}, "accuracy", "scikit-learn's digits, 8 × 8 pixels, 10 classes"
        )
    if name == "temperatures":
        from mlspec.runtime.window import windowed

        days = pl.read_csv(ROOT / "specs" / "data" / "daily-min-temperatures.csv", try_parse_dates=True)
        wanted = {"time": "Date", "values": ["Temp"], "size": 28, "ahead": 1, "every": 86_400, "by": None, "target": "Temp"}
        table = windowed(days.lazy(), wanted)[0].collect()
        task = {"kind": "regression", "target": "Temp", "positive": None}
        about = "the nights of `specs/temperatures.yaml`, 28 days each, in their order"
        return Data(table[:2500], table[2500:], task, {"Date": {"role": "time"}, "Temp": {"role": "target"}}, "r2", about)
    table = pl.read_csv(ROOT / "specs" / "data" / "telco-customer-churn.csv", null_values=[" "])
    columns = {"customerID": {"role": "id"}, "SeniorCitizen": {"type": "category"}}
    if name == "churn":
        train, test = _split(table, 5000)
        task = {"kind": "classification", "target": "Churn", "positive": "Yes"}
        about = "the customers of `specs/churn.yaml`, 19 raw columns, 2 classes"
        return Data(train, test, task, {**columns, "Churn": {"role": "target"}}, "roc_auc", about)
    # what a customer has paid in all is the charge times the months: too easy
    train, test = _split(table.drop("TotalCharges", "Churn"), 5000)
    task = {"kind": "regression", "target": "MonthlyCharges", "positive": None}
    return Data(train, test, task, {**columns, "MonthlyCharges": {"role": "target"}}, "r2", "the same customers' monthly charge")


TABLE = (
    {"kind": "impute", "columns": {"type": "number"}, "with": "median"},
    {"kind": "scale"},
    {"kind": "encode", "with": "one_hot"},
)
"""The features of `specs/churn.yaml`: they are part of the exported model."""


@dataclass(frozen=True)
class Case:
    """A family with its parameters, on one of the tables."""

    data: str
    model: Json
    transforms: Sequence[Json] = ()


def _trees(kind: str, task: str = "churn", **params: Any) -> Case:
    return Case(task, {"kind": kind, "params": params}, TABLE)


def _network(kind: str, **params: Any) -> Case:
    return Case("digits", {"kind": kind, "params": params})


def _deep(library: str, own: str, shape: Sequence[int]) -> Iterator[tuple[str, Case]]:
    """The networks of a library, the last one by a function of this file that is told of rows in a shape."""
    how = {"device": "cpu", "learning_rate": 0.003}
    yield f"{library}.mlp", _network(f"{library}.mlp", epochs=30, **how)
    yield f"{library}.cnn", _network(f"{library}.cnn", epochs=20, shape=[8, 8, 1], **how)
    yield f"{library}.rnn, lstm", _network(f"{library}.rnn", epochs=20, shape=[8, 8], **how)
    yield f"{library}.rnn, gru", _network(f"{library}.rnn", epochs=20, shape=[8, 8], cell="gru", **how)
    yield f"{library}.transformer", _network(f"{library}.transformer", epochs=20, shape=[8, 8], **how)
    place = {"kind": f"{library}.custom", "entrypoint": f"docs.edge_matrix:{own}", "shape": [*shape]}
    yield f"{library}.custom", Case("digits", {**place, "fit": {"epochs": 20, **how}})


FOREST = {"n_estimators": 50, "min_samples_leaf": 5}
CASES: Mapping[str, Case] = {
    "sklearn.dummy": Case("churn", {"kind": "sklearn.dummy"}, TABLE),
    "persistence": Case("temperatures", {"kind": "persistence", "params": {"column": "Temp[0]"}}),
    "sklearn.logistic_regression": Case("churn", {"kind": "sklearn.logistic_regression", "params": {"max_iter": 1000}}, TABLE),
    "sklearn.linear_regression": Case("charges", {"kind": "sklearn.linear_regression"}, TABLE),
    "sklearn.ridge": Case("charges", {"kind": "sklearn.ridge"}, TABLE),
    "sklearn.naive_bayes": Case("churn", {"kind": "sklearn.naive_bayes"}, TABLE),
    "sklearn.svm": Case("churn", {"kind": "sklearn.svm"}, TABLE),
    "sklearn.k_neighbors": Case("churn", {"kind": "sklearn.k_neighbors"}, TABLE),
    "sklearn.random_forest": _trees("sklearn.random_forest", **FOREST),
    "sklearn.random_forest, a number": _trees("sklearn.random_forest", "charges", **FOREST),
    "sklearn.extra_trees": _trees("sklearn.extra_trees", **FOREST),
    # it has its own way with categories, so its features are the raw columns
    "sklearn.hist_gradient_boosting": Case("churn", {"kind": "sklearn.hist_gradient_boosting"}),
    "xgboost": _trees("xgboost", n_estimators=100),
    "xgboost, a number": _trees("xgboost", "charges", n_estimators=100),
    "lightgbm": _trees("lightgbm", n_estimators=100),
    "sklearn.mlp": _network("sklearn.mlp"),
    **dict(_deep("torch", "own_module", [8, 8, 1])),
    **dict(_deep("keras", "own_model", [8, 8])),
    "custom": Case("digits", {"kind": "custom", "entrypoint": "docs.edge_matrix:own_estimator"}),
}  # fmt: skip


def own_module(task: str, inputs: tuple[int, int, int], outputs: int) -> Any:
    """A module as a user may write one: convolutions with batch norm, channels first, around which a connection leads."""
    import torch
    from torch.nn import functional

    class Residual(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.start = torch.nn.Conv2d(inputs[2], channels, 3, padding=1)
            self.inner = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.norm = torch.nn.BatchNorm2d(channels)
            self.end = torch.nn.Linear(channels * 16, outputs)

        def forward(self, rows: Any) -> Any:
            x = functional.relu(self.start(rows.permute(0, 3, 1, 2)))
            x = functional.relu(x + self.norm(self.inner(x)))
            return self.end(functional.max_pool2d(x, 2).flatten(1))

    return Residual(16)


def own_model(task: str, inputs: tuple[int, int], outputs: int) -> Any:
    """A model of Keras as a user may write one: windows over rows of pixels, a norm, and a connection around a part."""
    import keras

    start = keras.Input(inputs)
    x = keras.layers.Conv1D(32, 3, activation="relu", padding="same")(start)
    x = keras.layers.LayerNormalization()(x + keras.layers.Dense(32, activation="gelu")(x))
    return keras.Model(start, keras.layers.Dense(outputs)(keras.layers.Flatten()(x)))


def own_estimator(task: str, seed: int) -> Any:
    """An estimator of the user's choice that is none of our families."""
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

    return QuadraticDiscriminantAnalysis(reg_param=0.5)


def formats() -> dict[str, type[Export]]:
    """Return the formats that are written and run here, in the order of the page."""
    found: dict[str, Any] = {kind: kinds.load("mlspec.exports", kind) for kind in kinds.names("mlspec.exports")}
    order = {kind: place for place, kind in enumerate(("tflite", "openvino", "onnx", "c"))}
    return {
        kind: found[kind]
        for kind in sorted(found, key=lambda one: order.get(one, len(order)))
        if found[kind].realised and found[kind].anywhere
    }


def ways(export: type[Export]) -> tuple[str, ...]:
    """Return the ways of `quantize` that a format has."""
    return ("none", *export.quantizes)


def lacks(kind: str, export: type[Export]) -> dict[str, str]:
    """Return the ways that a format has not, with what is said of them."""
    known = ", ".join(export.quantizes) or "nothing else"
    absent = [way for way in get_args(Quantize) if way.removesuffix("_aware") not in ways(export)]
    return {way: f"`{kind}` has no `quantize: {way}`; besides `none` it has {known}" for way in absent}


@dataclass
class Prepared:
    """A fitted family as a program, what it is fed and what the source answers."""

    case: Case
    model: Any
    made: Lowered
    answers: Answers
    params: Json
    rows: list[Json]
    calibration: list[Json]


def fitted(case: Case) -> Any:
    """Fit a family, as the op `train` does."""
    told = data(case.data)
    family = families.load(case.model, told.task["kind"])
    featurizer = Featurizer(list(case.transforms), told.columns, told.task, asdict(family.needs()), SEED)
    target = told.train[told.task["target"]]
    truth = target.to_numpy() if told.task["kind"] == "regression" else np.array(target.cast(pl.String).to_list(), dtype=np.str_)
    return fitting.fit(family, told.task, SEED, featurizer, featurizer.fit_transform(told.train, truth), truth)


def prepared(case: Case) -> Prepared:
    """Fit and lower a family once for all of its cells. Raises Problem where it has no form in tensor operations."""
    told = data(case.data)
    model = fitted(case)
    made = lowered(model)
    params = {
        "task": told.task,
        "columns": told.columns,
        "transforms": list(case.transforms),
        "model": case.model,
        "about": {"name": "matrix"},
        "limits": {"max_size": None, "max_drop": MAX_DROP},
        "route": ["exports", 0],
    }
    return Prepared(
        case,
        model,
        made,
        evaluate.answer(model, told.test, told.task),
        params,
        device_rows(model, made, told.test),
        device_rows(model, made, exporting.spread(told.train, CALIBRATION)),
    )


@dataclass
class Written:
    """A cell: its figures, and how to run what was written."""

    figures: Json
    run: Callable[[Array], Array]
    fed: Array


def written(one: Prepared, kind: str, quantize: str, place: Path) -> Written:
    """Write an export into an empty directory, read it back and hold it against the source on every test row."""
    export: Any = formats()[kind].model_validate({"kind": kind, "quantize": quantize, "calibration_rows": CALIBRATION})
    told = data(one.case.data)
    asked = {**one.params, "export": {"kind": kind, "quantize": quantize}}
    about = metadata(one.model, one.made, export, asked, {"metrics": {}, "positive": told.task["positive"], "threshold": 0.5})
    exporting.write(export, one.made, place, about, runner.feed(one.calibration, about))
    shipped = runner.Model(place)
    fed = runner.feed(one.rows, shipped.about)
    return Written(_figures(one, kind, quantize, export, place, about, shipped.run(fed)), shipped.run, fed)


def _figures(one: Prepared, kind: str, quantize: str, export: Export, place: Path, about: Json, found: Array) -> Json:
    told = data(one.case.data)
    exported = proof.answers(found, one.answers, about)
    parity = proof.parity(one.answers, exported, found, None)
    judge = evaluate.Judge([told.metric], {"seed": SEED})
    size = sum(file.stat().st_size for file in bundle.model_files(place))
    proved = {
        "parity": parity,
        "quantize": quantize,
        "primary": told.metric,
        "size": size,
        "numbers": dict(sorted(export.shortened(place).items())),
        **proof.compared(judge, one.answers, exported, ()),
    }
    entries = list(verdicts.of_proof(proved, one.params["limits"], one.params["route"]))
    missed = [
        f"{entry['name']}: {_short(entry['value'])}, wanted {entry['target']}" for entry in entries if entry["verdict"] != "pass"
    ]
    figures = {
        "size": size,
        "agreement": _short(parity.get("agreement"), 6),
        "max_difference": _short(parity["max_difference"]),
        "rows_off": parity["rows_off"],
        "not_finite": parity["not_finite"],
        "drop": _short(proved["metrics"][told.metric]["drop"]),
        "numbers": proved["numbers"],
        "verdict": verdicts.verdict(entries),
    }
    if kind == "c":
        flash = c.estimated(one.made.program)
        figures |= {"flash": flash.flash, "ram": flash.ram}
    return figures | ({"missed": missed} if missed else {})


def _short(number: Any, digits: int = 3) -> Any:
    """A number in as many digits as are the same tomorrow."""
    return float(f"{number:.{digits}g}") if isinstance(number, float) else number


def cells(one: Prepared, kind: str, place: Path, *, timed: bool = True) -> dict[str, Json]:
    """Return the cells of a family in one format: figures, or why there are none."""
    told: dict[str, Json] = {}
    runs: dict[str, Callable[[], Any]] = {}
    for quantize in ways(formats()[kind]):
        folder = place / f"{kind}-{quantize}"
        folder.mkdir()
        try:
            cell = written(one, kind, quantize, folder)
        except Problem as problem:
            told[quantize] = {"refused": str(problem.faults[0].message)}
            continue
        told[quantize] = cell.figures
        runs[quantize] = _one_row(cell)
    for quantize, took in (_timed(runs) if timed else {}).items():
        told[quantize] |= took
    return told


def _one_row(cell: Written) -> Callable[[], Any]:
    row = np.ascontiguousarray(cell.fed[:1])
    return lambda: cell.run(row)


def _timed(runs: Mapping[str, Callable[[], Any]]) -> dict[str, Json]:
    blocks = blocks_in_turn(runs, rounds=7, seconds=0.02) if runs else {}
    told = {way: {"p50_us": _short(1e6 * statistics.median(took))} for way, took in blocks.items()}
    for way in blocks.keys() - {"none"}:
        told[way]["to_float"] = _short(ratio(blocks[way], blocks["none"]))
    return told


def family(name: str, place: Path) -> tuple[Json, dict[str, dict[str, Json]]]:
    """Return what is told of a family, and its cells by format and way."""
    case, told = CASES[name], data(CASES[name].data)
    about = {"kind": case.model["kind"], "data": case.data, "params": case.model.get("params", {}), "metric": told.metric}
    try:
        one = prepared(case)
    except Problem as problem:
        refused = {"refused": str(problem.faults[0].message)}
        return about, {kind: dict.fromkeys(ways(export), refused) for kind, export in formats().items()}
    judge = evaluate.Judge([told.metric], {"seed": SEED})
    about |= {"value": _short(judge.values(one.answers)[told.metric], 4), "macs": macs(one.made.program)}
    return about, {kind: cells(one, kind, place) for kind in formats()}


def machine() -> Json:
    """Return what the figures were measured on, and with."""
    from mlspec.runtime.edge.device.bench import processor

    versions = {name: version(name) for name in LIBRARIES} | {"xgboost": import_module("xgboost").__version__}
    here = {"processor": processor(), "cores": os.cpu_count(), "machine": platform.machine(), "system": platform.system()}
    return {**here, "python": platform.python_version(), "versions": versions}


def main(names: Sequence[str] = ()) -> Json:
    """Measure, and return what docs/data/edge.json is to hold; with names, all else stays as it is."""
    told: Json = json.loads(PLACE.read_text(encoding="utf-8")) if names else {"families": {}, "cells": {}}
    told["machine"] = machine()
    told["data"] = {name: _rows(name) for name in ("digits", "churn", "charges", "temperatures")}
    told["max_drop"] = MAX_DROP
    told["lacks"] = {kind: lacks(kind, export) for kind, export in formats().items()}
    for name in names or CASES:
        with tempfile.TemporaryDirectory(prefix="mlspec-") as folder:
            told["families"][name], found = family(name, Path(folder))
        for kind, row in found.items():
            told["cells"].setdefault(kind, {})[name] = row
        sys.stderr.write(f"{name}\n")
    return told


def _rows(name: str) -> Json:
    one = data(name)
    return {"about": one.about, "train": one.train.height, "test": one.test.height, "calibration": CALIBRATION}


def dumped(value: Any, deep: int = 4, indent: int = 0) -> str:
    """Return JSON with a cell a line, so that a diff shows what has changed."""
    if not deep or not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    lines = [f"{' ' * indent} {json.dumps(key)}: {dumped(one, deep - 1, indent + 1)}" for key, one in value.items()]
    return "{\n" + ",\n".join(lines) + f"\n{' ' * indent}}}"


if __name__ == "__main__":
    PLACE.write_text(dumped(main(sys.argv[1:])) + "\n", encoding="utf-8")
