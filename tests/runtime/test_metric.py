"""Each metric against scikit-learn called directly on labels, or a number worked out by hand; every undefined case has a reason."""

from __future__ import annotations

import math
import sys
import types
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mlspec import metrics
from mlspec.diagnostic import Problem
from mlspec.runtime import metric

RNG = np.random.default_rng(3)
ROWS = 200
TWO = RNG.choice(["No", "Yes"], ROWS, p=[0.7, 0.3])
SCORE = np.clip(np.where(TWO == "Yes", 0.6, 0.35) + RNG.normal(0, 0.2, ROWS), 0.01, 0.99)
SAID = np.where(SCORE > 0.5, "Yes", "No")
PROBA = np.column_stack([1 - SCORE, SCORE])

THREE = RNG.choice(["a", "b", "c"], ROWS)
WEIGHT = RNG.random((ROWS, 3)) + 0.7 * (THREE[:, None] == np.array(["a", "b", "c"]))
PROBA3 = WEIGHT / WEIGHT.sum(axis=1, keepdims=True)
SAID3 = np.array(["a", "b", "c"])[PROBA3.argmax(axis=1)]

TRUE = RNG.normal(10, 3, ROWS)
GUESS = TRUE + RNG.normal(0, 1, ROWS)

BINARY = {
    "accuracy": sk.accuracy_score(TWO, SAID),
    "balanced_accuracy": sk.balanced_accuracy_score(TWO, SAID),
    "precision": sk.precision_score(TWO, SAID, pos_label="Yes"),
    "recall": sk.recall_score(TWO, SAID, pos_label="Yes"),
    "specificity": sk.recall_score(TWO, SAID, pos_label="No"),
    "f1": sk.f1_score(TWO, SAID, pos_label="Yes"),
    "roc_auc": sk.roc_auc_score(TWO == "Yes", SCORE),
    "average_precision": sk.average_precision_score(TWO == "Yes", SCORE),
    "log_loss": sk.log_loss(TWO, PROBA),
    "brier_score": np.mean((SCORE - (TWO == "Yes")) ** 2),
    "matthews_corrcoef": np.corrcoef(TWO == "Yes", SAID == "Yes")[0, 1],
    "cohen_kappa": sk.cohen_kappa_score(TWO, SAID),
}
MANY = {
    "accuracy": sk.accuracy_score(THREE, SAID3),
    "balanced_accuracy": sk.balanced_accuracy_score(THREE, SAID3),
    "precision": sk.precision_score(THREE, SAID3, average="macro"),
    "recall": sk.recall_score(THREE, SAID3, average="macro"),
    "specificity": np.mean([sk.recall_score(c != THREE, c != SAID3) for c in "abc"]),
    "f1": sk.f1_score(THREE, SAID3, average="macro"),
    "roc_auc": sk.roc_auc_score(THREE, PROBA3, multi_class="ovr", average="macro"),
    "average_precision": np.mean([sk.average_precision_score(c == THREE, PROBA3[:, i]) for i, c in enumerate("abc")]),
    "log_loss": sk.log_loss(THREE, PROBA3),
    "brier_score": np.mean(((PROBA3 - (THREE[:, None] == np.array(["a", "b", "c"]))) ** 2).sum(axis=1)),
    "matthews_corrcoef": sk.matthews_corrcoef(THREE, SAID3),
    "cohen_kappa": sk.cohen_kappa_score(THREE, SAID3),
}
ERRORS = TRUE - GUESS
NUMBERS = {
    "rmse": math.sqrt(np.mean(ERRORS**2)),
    "mse": np.mean(ERRORS**2),
    "mae": np.mean(np.abs(ERRORS)),
    "r2": 1 - np.sum(ERRORS**2) / np.sum((TRUE - TRUE.mean()) ** 2),
    "mape": np.mean(np.abs(ERRORS / TRUE)),
    "median_absolute_error": np.median(np.abs(ERRORS)),
    "max_error": np.max(np.abs(ERRORS)),
    "explained_variance": 1 - np.var(ERRORS) / np.var(TRUE),
}


@pytest.mark.parametrize("name", BINARY)
def test_two_classes(name: str) -> None:
    found = metric.score([name], "classification", TWO, SAID, PROBA, ["No", "Yes"])
    assert found == {name: pytest.approx(BINARY[name], rel=1e-12)}


@pytest.mark.parametrize("name", MANY)
def test_many_classes(name: str) -> None:
    found = metric.score([name], "classification", THREE, SAID3, PROBA3, ["a", "b", "c"])
    assert found == {name: pytest.approx(MANY[name], rel=1e-12)}


@pytest.mark.parametrize("name", NUMBERS)
def test_regression(name: str) -> None:
    assert metric.score([name], "regression", TRUE, GUESS) == {name: pytest.approx(NUMBERS[name], rel=1e-12)}


def test_catalogue_and_computation_agree() -> None:
    """Whatever a spec may name for these tasks is computed, and nothing else; a custom metric has its own direction."""
    for task, computed in (("classification", metric.CLASSIFICATION), ("regression", metric.REGRESSION)):
        assert {name for name, one in metrics.CATALOGUE.items() if one.realised and task in one.tasks} == set(computed)
        assert set(metric.DEFAULTS[task]) <= set(computed)
    assert metric.greater_is_better("f1")
    assert not metric.greater_is_better("rmse")
    assert not metric.greater_is_better("cost", {"cost": {"entrypoint": "x:y", "greater_is_better": False}})


def test_positive_class_is_the_named_one_else_the_last() -> None:
    swapped = metric.score(["recall", "average_precision"], "classification", TWO, SAID, PROBA, ["No", "Yes"], positive="No")
    assert swapped["recall"] == pytest.approx(sk.recall_score(TWO, SAID, pos_label="No"))
    assert swapped["average_precision"] == pytest.approx(sk.average_precision_score(TWO == "No", 1 - SCORE))
    assert metric.positive_class(["0", "1"], None) == "1"
    assert metric.positive_class(["a", "b", "c"], "a") is None
    with pytest.raises(Problem, match="positive class 'yes' is not among the classes"):
        metric.score(["recall"], "classification", TWO, SAID, PROBA, ["No", "Yes"], positive="yes")


def test_labels_of_other_types_are_text() -> None:
    truth, said = [True, False, True, True], [True, True, False, True]
    assert metric.score(["precision"], "classification", truth, said, None, ["false", "true"]) == {
        "precision": pytest.approx(2 / 3)
    }
    assert metric.score(["accuracy"], "classification", [1.0, 0.0], ["1", "1"], None, ["0", "1"], positive=1) == {"accuracy": 0.5}


UNDEFINED = [
    ("precision", ["No", "Yes"], ["No", "No"], None, "no row is predicted 'Yes'"),
    ("recall", ["No", "No"], ["No", "Yes"], None, "no row is 'Yes'"),
    ("f1", ["No", "No"], ["No", "No"], None, "no row is 'Yes'"),
    ("specificity", ["Yes", "Yes"], ["No", "Yes"], None, "every row is 'Yes'"),
    ("balanced_accuracy", ["Yes", "Yes"], ["No", "Yes"], None, "every row is 'Yes'"),
    ("matthews_corrcoef", ["Yes", "Yes"], ["No", "Yes"], None, "every row is 'Yes'"),
    ("cohen_kappa", ["No", "No"], ["No", "No"], None, "every row is 'No'"),
    ("roc_auc", ["No", "No"], ["No", "Yes"], [0.2, 0.7], "no row is 'Yes'"),
    ("roc_auc", ["Yes", "Yes"], ["No", "Yes"], [0.2, 0.7], "every row is 'Yes'"),
    ("average_precision", ["No", "No"], ["No", "Yes"], [0.2, 0.7], "no row is 'Yes'"),
    ("roc_auc", ["No", "Yes"], ["No", "Yes"], None, "the model gives no probabilities"),
    ("log_loss", ["No", "Yes"], ["No", "Yes"], [0.2, math.nan], "some probabilities are not finite numbers"),
    ("accuracy", [], [], None, "there are no rows"),
]


@pytest.mark.parametrize(("name", "truth", "said", "score", "reason"), UNDEFINED)
def test_undefined_is_none_with_a_reason(
    name: str, truth: list[str], said: list[str], score: list[float] | None, reason: str
) -> None:
    proba = None if score is None else np.column_stack([1 - np.array(score), score])
    answers = metric.classified(truth, said, proba, ["No", "Yes"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metric.explained(name, answers) == (None, reason)
        assert metric.value(name, answers) is None


def test_undefined_with_many_classes() -> None:
    absent = metric.classified(["a", "b"], ["a", "c"], np.full((2, 3), 1 / 3), ["a", "b", "c"])
    assert metric.explained("roc_auc", absent) == (None, "no row is 'c'")
    assert metric.value("f1", absent) == pytest.approx(1 / 3)  # a: 1, b: 0, c: 0
    unseen = metric.classified(["a", "d"], ["a", "c"], np.full((2, 3), 1 / 3), ["a", "b", "c"])
    assert metric.value("accuracy", unseen) == 0.5
    assert metric.explained("log_loss", unseen) == (None, "the model was never trained on the class 'd'")


@pytest.mark.parametrize(
    ("name", "truth", "said", "reason"),
    [
        ("r2", [1.0], [1.0], "there is one row; it takes two"),
        ("r2", [2.0, 2.0], [1.0, 3.0], "every actual value is 2"),
        ("explained_variance", [2.0, 2.0], [1.0, 3.0], "every actual value is 2"),
        ("mape", [0.0, 2.0], [1.0, 3.0], "1 actual values are zero, and there is no percentage of zero"),
        ("rmse", [1.0, 2.0], [1.0, math.inf], "1 predictions are not finite numbers"),
        ("mae", [], [], "there are no rows"),
    ],
)
def test_undefined_regression(name: str, truth: list[float], said: list[float], reason: str) -> None:
    assert metric.explained(name, metric.measured(truth, said)) == (None, reason)


def test_constant_predictions_have_no_correlation() -> None:
    answers = metric.classified(["No", "Yes", "No"], ["No"] * 3, None, ["No", "Yes"])
    assert metric.value("matthews_corrcoef", answers) == 0.0
    assert metric.value("f1", answers) == 0.0


def test_faults_of_the_input_are_problems() -> None:
    with pytest.raises(Problem, match="1 of 2 rows to score have no target"):
        metric.classified(["No", None], ["No", "No"], None, ["No", "Yes"])
    with pytest.raises(Problem, match="hold the class 'Maybe'"):
        metric.classified(["No", "Maybe"], ["No", "No"], None, ["No", "Yes"])
    with pytest.raises(Problem, match="1 of 2 rows"):
        metric.measured([1.0, math.nan], [1.0, 1.0])
    with pytest.raises(Problem, match="numeric target"):
        metric.measured(["low", "high"], [1.0, 1.0])
    with pytest.raises(Problem, match="there is no metric 'auc_of_doom'"):
        metric.score(["auc_of_doom"], "regression", TRUE, GUESS)
    with pytest.raises(Problem, match="f1 does not fit a regression task"):
        metric.score(["f1"], "regression", TRUE, GUESS)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("own_metrics")
    module.cost = lambda truth, said, proba: float(
        np.sum((truth == "Yes") & (said == "No")) * 5 + np.sum((truth == "No") & (said == "Yes"))
    )  # type: ignore[attr-defined]
    module.nan = lambda truth, said, proba: math.nan  # type: ignore[attr-defined]
    module.word = lambda truth, said, proba: "high"  # type: ignore[attr-defined]
    module.broken = lambda truth, said, proba: proba["x"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_metrics", module)
    return module


def test_custom_metric(own: types.ModuleType) -> None:
    answers = metric.classified(TWO, SAID, PROBA, ["No", "Yes"])
    missed, alarms = np.sum((TWO == "Yes") & (SAID == "No")), np.sum((TWO == "No") & (SAID == "Yes"))
    assert metric.custom("cost", "own_metrics:cost", answers) == (5 * missed + alarms, None)
    given = {"cost": {"entrypoint": "own_metrics:cost", "greater_is_better": False}}
    found = metric.score(["cost", "f1"], "classification", TWO, SAID, PROBA, ["No", "Yes"], custom_metrics=given)
    assert found == {"cost": 5 * missed + alarms, "f1": pytest.approx(BINARY["f1"])}
    assert metric.custom("nan", "own_metrics:nan", answers) == (None, "own_metrics:nan returned nan")
    with pytest.raises(Problem, match="returned 'high'"):
        metric.custom("word", "own_metrics:word", answers)
    with pytest.raises(Problem, match="own_metrics:broken raised IndexError"):
        metric.custom("broken", "own_metrics:broken", answers)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("ab"), st.floats(0, 1)), min_size=1, max_size=12), st.randoms())
def test_never_nan_and_order_does_not_matter(rows: list[tuple[str, str, float]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = []
    for each in (rows, shuffled):
        truth, said, score = zip(*each, strict=True)
        proba = np.column_stack([1 - np.array(score), score])
        found.append(metric.score(list(metric.CLASSIFICATION), "classification", truth, said, proba, ["a", "b"]))
    assert all(value is None or math.isfinite(value) for value in found[0].values())
    assert found[0] == {name: None if value is None else pytest.approx(value, abs=1e-12) for name, value in found[1].items()}
