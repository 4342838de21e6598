"""Models in tensor operations: real models on real rows, features and all, answer in every runtime as they do in scikit-learn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
import polars as pl
import pytest
from ai_edge_litert.interpreter import Interpreter

from mlspec import families, kinds
from mlspec.diagnostic import Problem
from mlspec.exports._export import INPUT, OUTPUT
from mlspec.lowering import Lowered, lowered
from mlspec.runtime import fitting
from mlspec.runtime.edge.device import runner
from mlspec.runtime.edge.metadata import device_rows
from mlspec.runtime.featurizer import Featurizer
from mlspec.tensor import onnx, tflite
from mlspec.tensor import program as tensor
from mlspec.tensor.trees import walked

ROOT = Path(__file__).parent.parent
Array = np.ndarray[Any, Any]
Json = dict[str, Any]


@cache
def churn() -> pl.DataFrame:
    """Customers: words, numbers and blanks, of which 53.45 and 29.85 are no float32 numbers."""
    table = pl.read_csv(ROOT / "specs" / "data" / "telco-customer-churn.csv", null_values=[" "])
    return table.with_columns(
        (pl.col("tenure") > 12).alias("long"),
        pl.date(2024, 1, 1).dt.offset_by(pl.format("{}d", pl.col("tenure") * 30)).alias("since"),
    )


COLUMNS = {"customerID": {"role": "id"}, "Churn": {"role": "target"}, "SeniorCitizen": {"type": "category"}}


def fitted(model: Json, transforms: Sequence[Json], target: str, rows: int = 1000) -> tuple[Any, pl.DataFrame]:
    """A fitted pipeline, and rows that it has not seen."""
    table = churn()
    if target == "MonthlyCharges":
        table = table.drop("TotalCharges")
    kind = "classification" if table[target].dtype == pl.String else "regression"
    columns = {name: one for name, one in COLUMNS.items() if name != target} | (
        {"Churn": {"role": "ignore"}} if target != "Churn" else {}
    )
    task = {"kind": kind, "target": target}
    family = families.load(model, kind)
    featurizer = Featurizer(list(transforms), columns, task, asdict(family.needs()), 0)
    seen, rest = table[:rows], table[rows : rows + 1500]
    answers = seen[target].to_numpy() if kind == "regression" else np.array(seen[target].to_list(), dtype=np.str_)
    features = featurizer.fit_transform(seen, answers)
    return fitting.fit(family, task, 0, featurizer, features, answers), rest


def about(made: Lowered, model: Any) -> Json:
    zones = {"since": None}
    return {
        "inputs": [{"name": one.name, "type": one.type, "values": list(one.values)} for one in made.inputs],
        "computed": [{**asdict(one), "how": {**one.how, "zones": zones}} for one in made.computed],
    }


def expected(model: Any, rows: pl.DataFrame) -> Array:
    if hasattr(model, "classes_"):
        return np.asarray(model.predict_proba(rows))
    return np.asarray(model.predict(rows), dtype=float).reshape(-1, 1)


def in_onnx(made: Lowered, fed: Array) -> Array:
    return np.asarray(onnxruntime.InferenceSession(onnx.written(made.program, "m", {}, INPUT, OUTPUT)).run(None, {INPUT: fed})[0])


def in_openvino(made: Lowered, fed: Array) -> Array:
    model = openvino.Core().read_model(onnx.written(walked(made.program), "m", {}, INPUT, OUTPUT))
    found = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(fed)
    return np.asarray(found[0])


def in_litert(made: Lowered, fed: Array) -> Array:
    interpreter = Interpreter(model_content=tflite.written(walked(made.program), "m", {}, INPUT, OUTPUT), num_threads=1)
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, fed.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, fed)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


RUNTIMES = {"onnx": in_onnx, "openvino": in_openvino, "tflite": in_litert}

SCALED, LOG = {"kind": "scale"}, {"kind": "log"}
FEATURES: Mapping[str, Sequence[Json]] = {
    "as they are": [],
    "scaled": [SCALED],
    "minmax": [{"kind": "scale", "with": "minmax"}],
    "robust": [{"kind": "scale", "with": "robust"}],
    "log and scaled": [LOG, SCALED],
    "ordinal": [{"kind": "encode", "with": "ordinal"}],
    "target means": [{"kind": "encode", "with": "target"}],
    "ranges": [{"kind": "bin", "columns": ["tenure", "MonthlyCharges"]}],
    "indicators": [{"kind": "impute", "add_indicator": True}],
    "constants": [{"kind": "impute", "with": "constant", "value": -1}, {"kind": "impute", "with": "constant", "value": "none"}],
    "dates": [{"kind": "dates", "columns": ["since"], "parts": ["year", "month", "elapsed"]}],
    "rare words": [{"kind": "encode", "min_frequency": 400}],
}
"""What is done to the columns before the model; `since` is dropped where no transform takes it."""

FAMILIES: Mapping[str, Json] = {
    "logistic regression": {"kind": "sklearn.logistic_regression"},
    "liblinear": {"kind": "sklearn.logistic_regression", "params": {"solver": "liblinear"}},
    "mlp": {"kind": "sklearn.mlp", "params": {"hidden_layer_sizes": [16, 8], "max_iter": 30}},
    "tanh mlp": {"kind": "sklearn.mlp", "params": {"hidden_layer_sizes": [8], "activation": "tanh", "max_iter": 30}},
    "forest": {"kind": "sklearn.random_forest", "params": {"n_estimators": 20}},
    "extra trees": {"kind": "sklearn.extra_trees", "params": {"n_estimators": 20}},
    "hist gradient boosting": {"kind": "sklearn.hist_gradient_boosting", "params": {"max_iter": 20}},
    "xgboost": {"kind": "xgboost", "params": {"n_estimators": 20}},
    "lightgbm": {"kind": "lightgbm", "params": {"n_estimators": 20}},
    "ridge": {"kind": "sklearn.ridge"},
    "svm": {"kind": "sklearn.svm"},
    "polynomial svm": {"kind": "sklearn.svm", "params": {"kernel": "poly"}},
    "gaussian naive bayes": {"kind": "sklearn.naive_bayes"},
    "bernoulli naive bayes": {"kind": "sklearn.naive_bayes", "params": {"distribution": "bernoulli"}},
    "dummy": {"kind": "sklearn.dummy"},
}
TREES = ("forest", "extra trees", "hist gradient boosting", "xgboost", "lightgbm")
WHOLE = ("logistic regression", "mlp", *TREES)
TWO = [(family, features, "Churn") for family in FAMILIES for features in FEATURES if family in WHOLE or features == "scaled"]
"""Two classes: the usual families with every sort of feature, the others with one."""

MORE = [(family, "as they are", "Contract") for family in FAMILIES if family not in ("dummy", "liblinear")]
NUMBERS = [
    (family, features, "MonthlyCharges")
    for family in ("mlp", "forest", "extra trees", "hist gradient boosting", "xgboost", "lightgbm", "ridge", "svm")
    for features in ("as they are", "scaled")
]


def compared(family: str, features: str, target: str, model: Json | None = None) -> None:
    transforms = list(FEATURES[features])
    if features != "dates":
        transforms = [{"kind": "drop", "columns": ["since"]}, *transforms]
    fit, rows = fitted(model or FAMILIES[family], transforms, target)
    made, wanted = lowered(fit), expected(fit, rows)
    fed = runner.feed(device_rows(fit, made, rows), about(made, fit))
    scale = 1.0 if made.classes else max(1.0, float(np.abs(wanted).max()))
    # Gaussian densities are differences of large numbers
    most = 2e-6 if family in TREES else 1e-4 if family == "gaussian naive bayes" else 1e-5
    for name, run in RUNTIMES.items():
        found = run(made, fed)
        apart = np.abs(found - wanted) / scale
        assert np.isfinite(found).all(), name
        assert apart.max() <= most, f"{name}: {apart.max():.2g} off, {(apart.max(axis=1) > 1e-4).sum()} rows"
        if made.classes:
            undecided = np.take_along_axis(wanted, found.argmax(axis=1)[:, None], axis=1)[:, 0] >= wanted.max(axis=1) - 1e-6
            assert ((found.argmax(axis=1) == wanted.argmax(axis=1)) | undecided).mean() >= 0.999


@pytest.mark.slow
@pytest.mark.parametrize(("family", "features", "target"), [*TWO, *MORE, *NUMBERS])
def test_every_runtime_answers_as_the_model_does(family: str, features: str, target: str) -> None:
    compared(family, features, target)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "features"),
    [("logistic regression", "scaled"), ("xgboost", "log and scaled"), ("hist gradient boosting", "as they are")],
)
def test_a_few_at_once(family: str, features: str) -> None:
    compared(family, features, "Churn")


BOOSTERS: list[Json] = [
    {"kind": "xgboost", "params": {"n_estimators": 10, "objective": "count:poisson"}},
    {"kind": "lightgbm", "params": {"n_estimators": 10, "objective": "poisson"}},
    {"kind": "sklearn.hist_gradient_boosting", "params": {"max_iter": 10, "loss": "gamma"}},
    {"kind": "xgboost", "params": {"n_estimators": 50, "early_stopping_rounds": 3}},
    {"kind": "lightgbm", "params": {"n_estimators": 50, "early_stopping_rounds": 3}},
]


@pytest.mark.slow
@pytest.mark.parametrize("model", BOOSTERS, ids=json.dumps)
def test_losses_and_early_stops(model: Json) -> None:
    compared("xgboost", "as they are", "MonthlyCharges", model)


def test_what_has_no_form_says_so() -> None:
    fit, _ = fitted({"kind": "sklearn.k_neighbors"}, [{"kind": "drop", "columns": ["since"]}], "Churn", rows=200)
    with pytest.raises(Problem, match="KNeighborsClassifier has no form"):
        lowered(fit)


def test_the_program_means_the_same_in_numpy() -> None:
    fit, rows = fitted(FAMILIES["forest"], [{"kind": "drop", "columns": ["since"]}, SCALED], "Contract")
    made = lowered(fit)
    fed = runner.feed(device_rows(fit, made, rows), about(made, fit))
    wanted = expected(fit, rows)
    assert np.abs(tensor.run(made.program, fed) - wanted).max() < 1e-6
    assert np.abs(tensor.run(walked(made.program), fed) - wanted).max() < 1e-6


WORDS = [2, 2.0, 2.5, True, "true", "Two year", None, float("nan")]


def test_words_are_written_as_in_training() -> None:
    from mlspec.runtime.labels import text_of_value

    for word in WORDS:
        if text_of_value(word) is not None:
            assert runner.text(word) == text_of_value(word)


@pytest.mark.parametrize("kind", kinds.names("mlspec.exports"))
def test_an_export_says_how_it_shortens_numbers(kind: str) -> None:
    member: Any = kinds.load("mlspec.exports", kind)
    if member.realised:
        ways = set(member.model_fields["quantize"].annotation.__args__)
        assert set(member.quantizes) < ways
