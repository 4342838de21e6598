"""XGBoost and LightGBM: classes as text, rows held back to stop early, equal bytes in every process, silence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from mlspec import families
from mlspec.diagnostic import Problem
from mlspec.runtime import pickled, predictor
from tests.runtime.training_data import CLASSIFY, REGRESS, packaged, params, trained

KINDS = ("lightgbm", "xgboost")
ROOT = Path(__file__).parents[2]
DRAWING = {
    "lightgbm": {"subsample": 0.7, "subsample_freq": 1, "colsample_bytree": 0.6, "colsample_bynode": 0.8},
    "xgboost": {"subsample": 0.7, "colsample_bytree": 0.6, "colsample_bynode": 0.8},
}
DATA = {
    "two": (load_breast_cancer, ["malignant", "benign"]),
    "three": (load_wine, ["gamma", "alpha", "beta"]),
    "numbers": (load_diabetes, None),
}


def rows(name: str) -> tuple[Any, Any, str]:
    load, names = DATA[name]
    features, target = load(return_X_y=True)
    features = features.copy()
    features[::11, 2] = np.nan
    return features, target if names is None else np.array(names)[target], "classification" if names else "regression"


def build(kind: str, task: str, seed: int = 7, **more: Any) -> Any:
    return families.load({"kind": kind, "params": more}, task).estimator(task, seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "least"), [("two", 0.9), ("three", 0.9), ("numbers", 0.3)])
@pytest.mark.parametrize("more", [{}, {"n_estimators": 400, "learning_rate": 0.1, "early_stopping_rounds": 10}])
def test_it_learns_what_rows_it_has_not_seen_show(kind: str, name: str, least: float, more: dict[str, Any]) -> None:
    features, target, task = rows(name)
    if name == "numbers" and not more:
        more = {"n_estimators": 40, "learning_rate": 0.1, "max_depth": 3}
    seen, unseen, known, truth = train_test_split(features, target, random_state=3)
    model = build(kind, task, **more).fit(seen, known)
    if task == "regression":
        told = 1 - np.var(truth - model.predict(unseen)) / np.var(truth)
    else:
        assert model.classes_.tolist() == sorted(set(target))
        told = np.mean(model.predict(unseen) == truth)
        proba = model.predict_proba(unseen)
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-15)
        assert (model.classes_[proba.argmax(axis=1)] == model.predict(unseen)).all()
    assert told > least
    assert model.n_iter_ < 400
    assert is_classifier(model) == (task == "classification") != is_regressor(model)


FIT = """
import sys
from pathlib import Path
from sklearn.datasets import make_classification, make_regression
import numpy as np
from mlspec import families
from mlspec.runtime import pickled
import json

kind, task, params, target = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), Path(sys.argv[4])
made = make_classification(9000, 12, n_informative=6, n_classes=3, random_state=1) if task == "classification" else make_regression(9000, 12, noise=9, random_state=1)
answers = np.array(["b", "c", "a"])[made[1]] if task == "classification" else made[1]
family = families.load({"kind": kind, "params": params}, task)
estimator = family.estimator(task, 2**32 - 1).fit(made[0], answers)
family.settle(estimator)
pickled.write(target, estimator)
estimator.predict(made[0][:9])
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_process_leaves_the_same_bytes_and_says_nothing(tmp_path: Path, kind: str, task: str) -> None:
    more = json.dumps({"n_estimators": 12, "early_stopping_rounds": 3, **DRAWING[kind]})
    for threads, seed in (("1", "0"), ("4", "4321")):
        command = [sys.executable, "-c", FIT, kind, task, more, str(tmp_path / threads)]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "4").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["two", "three", "numbers"])
def test_rows_held_back_stop_it_early(kind: str, name: str) -> None:
    features, target, task = rows(name)
    stopping = {"n_estimators": 500, "early_stopping_rounds": 5, "validation_fraction": 0.2}
    model = build(kind, task, **stopping).fit(features, target)
    assert 1 <= model.n_iter_ < 500
    fewer = build(kind, task, **{**stopping, "n_estimators": model.n_iter_}).fit(features, target)
    np.testing.assert_array_equal(model.predict(features), fewer.predict(features), "what came after the best round counts")
    kept, held = model._split(model._rows(features, target))
    assert len(held.answers) == -(-len(target) // 5)
    assert len(kept.answers) + len(held.answers) == len(target)
    if task == "classification":
        shares = [np.bincount(one.answers) / len(one.answers) for one in (kept, held)]
        np.testing.assert_allclose(*shares, atol=0.02)
    other = build(kind, task, seed=8, **stopping)
    assert (other._split(other._rows(features, target))[1].features[:, 0] != held.features[:, 0]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_round_is_a_fact(tmp_path: Path, kind: str) -> None:
    for task in (CLASSIFY, REGRESS):
        given = params(task, model=kind)
        given["model"]["params"] = {"n_estimators": 300, "early_stopping_rounds": 5}
        model, facts = trained(tmp_path, given)
        assert facts["iterations"] == model[-1].n_iter_ < 300
        assert "converged" not in facts
        assert facts["estimator"] == type(model[-1]).__name__


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_weighed(kind: str) -> None:
    features, target, task = rows("two")

    def share(**more: Any) -> float:
        return float(build(kind, task, n_estimators=5, **more).fit(features, target).predict_proba(features)[:, 1].mean())

    malignant = np.mean(target == "malignant")
    assert share() < share(class_weight={"benign": 1.0, "malignant": 5.0})
    assert abs(share(class_weight="balanced") - 0.5) < abs(share() - 0.5)
    if kind == "xgboost":  # the class that comes last
        assert share() < share(scale_pos_weight=5.0)
    assert malignant < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_an_estimator_as_scikit_learn_asks(kind: str) -> None:
    features, target, task = rows("three")
    model = build(kind, task, n_estimators=5, class_weight={"alpha": 2.0, "beta": 1.0, "gamma": 1.0})
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    again = clone(model.fit(features, target))
    assert not hasattr(again, "model_")
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.fit(features, target).predict_proba(features), model.predict_proba(features))
    assert again.set_params(n_estimators=2).fit(features, target).n_iter_ == 2


def test_what_xgboost_has_left_out_of_its_model_is_no_tree(tmp_path: Path) -> None:
    """The trees after the best round are gone, for whoever exports the model."""
    features, target, task = rows("two")
    model = build("xgboost", task, n_estimators=300, early_stopping_rounds=5).fit(features, target)
    pickled.write(tmp_path / "model", model)
    again = pickled.read(tmp_path / "model")
    assert again.model_.get_booster().num_boosted_rounds() == again.n_iter_ == model.n_iter_
    assert build("lightgbm", task).fit(features, target).model_.booster_.num_trees() == 100


@pytest.mark.parametrize(
    ("kind", "name", "more", "said"),
    [
        ("xgboost", "three", {"objective": "binary:logistic"}, "is for two classes, and there are 3"),
        ("xgboost", "two", {"objective": "multi:softprob"}, "is for more than two classes, and there are 2"),
        ("xgboost", "three", {"scale_pos_weight": 2.0}, "write `class_weight`"),
        ("xgboost", "three", {"class_weight": {"alpha": 2.0, "delta": 1.0}}, "class_weight"),
        ("xgboost", "below", {"objective": "count:poisson"}, "of 0 or more, and one is -5"),
        ("xgboost", "below", {"objective": "reg:gamma"}, "above 0, and one is -5"),
        ("xgboost", "huge", {}, "Input data contains `inf` or a value too large"),
        ("lightgbm", "three", {"objective": "binary"}, "is for two classes, and there are 3"),
        ("lightgbm", "two", {"objective": "multiclass"}, "is for more than two classes, and there are 2"),
        ("lightgbm", "below", {"objective": "tweedie"}, "of 0 or more, and one is -5"),
        ("lightgbm", "single", {"early_stopping_rounds": 3}, "least populated class"),
    ],
)
def test_what_cannot_be_fitted_is_said_in_a_line_and_printed_nowhere(
    capfd: pytest.CaptureFixture[str], kind: str, name: str, more: dict[str, Any], said: str
) -> None:
    features, target, task = rows(name if name in DATA else "two" if name == "single" else "numbers")
    if name == "below":
        target = target - target.min() - 5
    elif name == "huge":
        features[3, 0] = 1e300
    elif name == "single":
        target[target == "benign"] = "malignant"
        target[0] = "benign"
    with pytest.raises(ValueError) as caught:
        build(kind, task, **more).fit(features, target)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "/" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_library_that_is_not_installed_is_named_with_its_extra(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = families.load({"kind": kind}, "regression")
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(Problem) as caught:
        family.estimator("regression", 7)
    fault: Any = caught.value.faults[0]
    assert (fault.code, fault.route, fault.help) == ("missing-library", ("model", "kind"), f"pip install 'mlspec[{kind}]'")


@pytest.mark.slow
def test_a_package_names_the_library_that_its_model_needs_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = {"lightgbm", "xgboost", "xgboost-cpu"}
    for kind, needed in (("lightgbm", {"lightgbm"}), ("xgboost", {"xgboost-cpu"}), ("sklearn.logistic_regression", set())):
        (tmp_path / kind).mkdir()
        package = packaged(tmp_path / kind, params(model=kind))
        packages = json.loads((package / "environment.json").read_text())["packages"]
        assert set(packages) & others == needed
        pins = (package / "requirements.txt").read_text().splitlines()
        assert {f"{name}=={packages[name]}" for name in needed} <= set(pins)
    assert predictor.load(tmp_path / "xgboost" / "package").predict([]).height == 0
    gone = [name for name in sys.modules if name.partition(".")[0] == "xgboost"]
    for name in gone:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Problem, match=r"cannot be loaded here: .*xgboost"):
        predictor.load(tmp_path / "xgboost" / "package")
