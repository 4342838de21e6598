"""Training: every family on a real table, and a model that takes raw rows as the features were made."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import threadpoolctl
from sklearn.pipeline import Pipeline

from mlspec import kinds, runtime
from mlspec.diagnostic import Problem
from mlspec.families import Family
from mlspec.runtime import fitting, pickled
from tests.runtime.training_data import CLASSIFY, REGRESS, params, table, trained

FAMILIES = [
    kind
    for kind in kinds.names("mlspec.families")
    if kind not in ("custom", "torch.custom", "persistence") and not kind.startswith("keras.")
]
"""What learns; that tomorrow is as today is in tests/test_windows.py, what Keras trains in tests/test_families_keras.py."""

QUICK: dict[str, Any] = {
    "sklearn.mlp": {"solver": "lbfgs", "hidden_layer_sizes": [4], "max_iter": 5000, "alpha": 1.0},
    "sklearn.random_forest": {"n_estimators": 10},
    # a table is no image and no series: what they are good at is in tests/test_families_torch.py
    "torch.cnn": {"shape": [1, 1, 13], "pool": "none", "learning_rate": 0.01},
    "torch.rnn": {"shape": [1, 13], "learning_rate": 0.01},
}


def cases() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for kind in FAMILIES:
        member = kinds.load("mlspec.families", kind)
        assert issubclass(member, Family)
        found += [(kind, task) for task in (CLASSIFY, REGRESS) if task["kind"] in member.tasks]
    return found


@pytest.mark.parametrize(("kind", "task"), cases(), ids=lambda one: one["kind"] if isinstance(one, dict) else one)
def test_every_family_learns_and_answers_raw_rows(tmp_path: Path, kind: str, task: dict[str, Any]) -> None:
    given = params(task, model=kind)
    given["model"]["params"] = QUICK.get(kind, {})
    frame = table(400)
    model, facts = trained(tmp_path, given, frame.head(300))
    assert isinstance(model, Pipeline)
    assert facts["rows"] == 300
    assert facts["family"] == kind
    held_back = frame.tail(100)
    predicted = model.predict(held_back)
    if task is CLASSIFY:
        assert model.classes_.tolist() == ["no", "yes"]
        assert facts["classes"] == 2
        proba = model.predict_proba(held_back)
        assert proba.shape == (100, 2)
        right = np.mean(predicted == held_back["churn"].to_numpy())
        assert right > (0.3 if kind == "sklearn.dummy" else 0.75)
    else:
        assert predicted.dtype == np.float64
        truth = held_back["spend"].to_numpy()
        explained = 1 - np.var(truth - predicted) / np.var(truth)
        assert explained > {"sklearn.dummy": -0.1, "sklearn.svm": 0.05}.get(kind, 0.6)
    one = held_back.row(0, named=True)
    assert model.predict([one])[0] == pytest.approx(predicted[0]) if task is REGRESS else model.predict([one])[0] == predicted[0]


def test_the_model_is_what_scikit_learns_own_fit_of_the_pipeline_gives(tmp_path: Path) -> None:
    from sklearn.base import clone

    model, _ = trained(tmp_path, params())
    with fitting.one_blas_thread():
        again = clone(model).fit(table(), table()["churn"].to_numpy().astype(np.str_))
    np.testing.assert_array_equal(model.predict_proba(table()), again.predict_proba(table()))
    np.testing.assert_array_equal(model[-1].coef_, again[-1].coef_)


def test_blas_has_one_thread_whichever_thread_asks_for_it() -> None:
    """threadpoolctl lets only the first thread that ever set a limit set another: steps at the same time computed otherwise."""

    def limit() -> list[int]:
        with fitting.one_blas_thread():
            return [one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]

    assert set(limit()) == {1}
    with ThreadPoolExecutor(1) as other, ThreadPoolExecutor(1) as third:
        assert set(other.submit(limit).result()) == {1}
        assert set(third.submit(limit).result()) == {1}
        assert set(limit()) == {1}


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([True, False], ["false", "true"]),
        ([1, 0], ["0", "1"]),
        ([1.0, 0.0], ["0", "1"]),
        ([10, 2], ["10", "2"]),
        (["b", "ä"], ["b", "ä"]),
    ],
)
def test_classes_are_text_in_order_of_text(tmp_path: Path, labels: list[Any], classes: list[str]) -> None:
    frame = table().with_columns(pl.Series("churn", [labels[one == "no"] for one in table()["churn"]]))
    model, _ = trained(tmp_path, params(), frame)
    assert model.classes_.tolist() == classes
    assert set(model.predict(frame)) <= set(classes)


def test_three_classes(tmp_path: Path) -> None:
    frame = table().with_columns(pl.Series("churn", [f"k{int(one) // 25}" for one in table()["tenure"]]))
    for kind in ("sklearn.svm", "sklearn.hist_gradient_boosting", "sklearn.ridge"):
        model, facts = trained(tmp_path, params(model=kind), frame)
        assert facts["classes"] == 3
        np.testing.assert_allclose(model.predict_proba(frame).sum(axis=1), 1)


def test_boosting_is_told_which_features_are_codes(tmp_path: Path) -> None:
    model, _ = trained(tmp_path, params(model="sklearn.hist_gradient_boosting"))
    names = model[0].feature_names_
    assert [names[index] for index in model[-1].get_params()["categorical_features"]] == ["plan", "level", "city"]
    assert model[-1].is_categorical_.sum() == 3


def test_any_family_takes_the_features_made_for_another_if_they_suit_it(tmp_path: Path) -> None:
    """What lowering does with the dummy baseline: it shares the features of the main model, gaps and all."""
    given = params(model="sklearn.hist_gradient_boosting")
    trained(tmp_path, given)
    given["model"] = {"kind": "sklearn.dummy", "params": {"strategy": "prior"}}
    inputs = {"features": tmp_path / "features", "transformer": tmp_path / "transformer"}
    facts = runtime.run("train", inputs=inputs, outputs={"model": tmp_path / "baseline"}, params=given)
    assert facts["estimator"] == "DummyClassifier"
    assert pickled.read(tmp_path / "baseline").predict_proba(table())[0] == pytest.approx([0.5, 0.5])


def test_whether_it_converged_is_a_fact(tmp_path: Path) -> None:
    assert trained(tmp_path, params())[1]["converged"] is True
    given = params()
    given["model"]["params"] = {"max_iter": 1}
    with pytest.warns(UserWarning, match="converge"):
        assert trained(tmp_path, given)[1]["converged"] is False


@pytest.mark.parametrize(
    ("given", "frame", "code", "said"),
    [
        ({}, table().with_columns(pl.lit("yes").alias("churn")), "one-class", "all training rows"),
        ({"model": {"kind": "sklearn.linear_regression"}}, None, "family-not-for-task", "not for classification"),
        ({"model": {"kind": "sklearn.k_neighbors", "params": {"n_neighbors": 500}}}, None, "too-few-rows", "500 neighbours"),
        ({"model": {"kind": "sklearn.svm"}}, table().filter((pl.col("churn") == "no") | (pl.col("__row__") < 5)), "cannot-fit", "sklearn.svm"),
        ({"model": {"kind": "sklearn.naive_bayes", "params": {"distribution": "multinomial"}},
          "transforms": [{"kind": "scale"}]}, None, "cannot-fit", "Negative values"),
        ({"model": {"kind": "sklearn.random_forest", "params": {"class_weight": {"yes": 2.0, "maybe": 1.0}}}}, None, "cannot-fit", "class_weight"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_a_problem(
    tmp_path: Path, given: dict[str, Any], frame: pl.DataFrame | None, code: str, said: str
) -> None:
    with pytest.raises(Problem) as caught:
        trained(tmp_path, {**params(), **given}, frame)
    assert caught.value.faults[0].code == code  # type: ignore[union-attr]
    assert said in str(caught.value)


CODE = """
from sklearn.linear_model import LogisticRegression

class Mine(LogisticRegression):
    def fit(self, X, y):
        if self.max_iter == 13:
            raise RuntimeError("unlucky")
        return super().fit(X, y)

def build(task, seed, max_iter=200):
    return Mine(max_iter=max_iter)
"""


def test_a_custom_family_trains_and_blames_its_own_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_model_for_test.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    given = params()
    given["model"] = {"kind": "custom", "entrypoint": "own_model_for_test:build", "params": {}, "scale": True}
    model, facts = trained(tmp_path, given)
    assert facts["estimator"] == "Mine"
    assert model.predict_proba(table()).shape == (240, 2)
    given["model"]["params"] = {"max_iter": 13}
    with pytest.raises(Problem, match=r"own_model_for_test.py:7: raise RuntimeError"):
        trained(tmp_path, given)


def test_the_limit_on_blas_lasts_until_the_last_fit_ends() -> None:
    script = (
        "import threadpoolctl, numpy\n"
        "from mlspec.runtime.fitting import one_blas_thread\n"
        "def threads(): return {one['num_threads'] for one in threadpoolctl.threadpool_info() if one['user_api'] == 'blas'}\n"
        "before, one, other = threads(), one_blas_thread(), one_blas_thread()\n"
        "one.__enter__(); other.__enter__(); one.__exit__(None, None, None)\n"
        "assert threads() == {1}, threads()\n"
        "other.__exit__(None, None, None)\n"
        "assert threads() == before, (threads(), before)\n"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        env={"OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
