"""The search for hyperparameters: what is drawn, what a trial is worth, which is chosen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.model_selection import ParameterGrid

from mlspec import runtime
from mlspec.diagnostic import Problem
from mlspec.runtime.hyperparameters import at, combinations, place_of, size
from mlspec.runtime.suggest import _drawn
from tests.runtime.training_data import REGRESS, params, table

SPACE: dict[str, Any] = {
    "C": {"low": 0.01, "high": 10.0, "log": True, "step": None, "values": None, "whole": False},
    "max_iter": {"low": 100.0, "high": 400.0, "log": False, "step": None, "values": None, "whole": True},
    "tol": {"low": 0.001, "high": 0.01, "log": False, "step": 0.001, "values": None, "whole": False},
    "solver": {"low": None, "high": None, "log": False, "step": None, "values": ["lbfgs", "saga"], "whole": False},
}
LISTED = {"C": {"values": [0.1, 1.0, 10.0]}, "solver": {"values": ["lbfgs", "saga"]}}


def drawn(method: str, space: Any = SPACE, count: int = 12, seed: int = 7, before: Sequence[Any] = ()) -> list[dict[str, Any]]:
    return _drawn(method, space, 1 + len(before), count, seed, list(before), greater=True)


@pytest.mark.parametrize("method", ["random", "bayesian"])
def test_what_is_drawn_lies_in_the_space_and_depends_on_the_seed_alone(method: str) -> None:
    trials = drawn(method)
    assert trials == drawn(method)
    assert trials != drawn(method, seed=8)
    assert trials == json.loads(json.dumps(trials)), "plain data"
    for one in trials:
        assert 0.01 <= one["C"] <= 10
        assert type(one["max_iter"]) is int
        assert 100 <= one["max_iter"] <= 400
        assert one["tol"] in [at(SPACE["tol"], place) for place in range(10)]
        assert one["solver"] in ("lbfgs", "saga")
    assert len({json.dumps(one) for one in trials}) == 12


def test_a_logarithmic_range_is_drawn_evenly_over_orders_of_magnitude() -> None:
    small = np.mean([one["C"] < 0.1 for one in drawn("random", {"C": SPACE["C"]}, count=3000)])
    assert small == pytest.approx(1 / 3, abs=0.03)


def test_each_whole_number_is_as_likely_as_the_others() -> None:
    one = {"low": 1.0, "high": 3.0, "log": False, "step": None, "values": None, "whole": True}
    counts = np.bincount([trial["n"] for trial in drawn("random", {"n": one}, count=3000)], minlength=4)[1:]
    assert counts == pytest.approx([1000, 1000, 1000], abs=100)


def test_a_grid_has_each_combination_once_in_scikit_learns_order() -> None:
    grid = ParameterGrid({name: one["values"] for name, one in LISTED.items()})
    assert drawn("grid", LISTED, count=6) == list(grid)
    assert drawn("grid", LISTED, count=4) == list(grid)[:4]


def test_a_random_search_of_lists_tries_nothing_twice() -> None:
    assert len({json.dumps(one) for one in drawn("random", LISTED, count=6)}) == 6


def test_a_grid_without_steps_is_a_fault_at_the_parameter() -> None:
    with pytest.raises(Problem) as caught:
        drawn("grid", {"C": SPACE["C"]}, count=3)
    assert caught.value.faults[0].code == "grid-without-steps"
    assert caught.value.faults[0].route[-1] == "C"


def test_a_bayesian_search_learns_from_trials_before() -> None:
    """A peak at C = 1: after forty trials those drawn are nearer to it than at first, where nothing is known."""
    before: list[dict[str, Any]] = []
    for _ in range(40):
        [one] = drawn("bayesian", {"C": SPACE["C"]}, count=1, before=before)
        before.append({"trial": len(before) + 1, "params": one, "score": -abs(np.log10(one["C"]))})
    off = [-one["score"] for one in before]
    assert np.mean(off[-20:]) < 0.6 * np.mean(off[:10])


def test_trials_without_a_score_and_values_of_any_type_are_no_hindrance() -> None:
    space = {"depth": {"values": [True, "auto", 3, 0.5]}}
    before = [{"trial": 1, "params": {"depth": "auto"}, "score": None}, {"trial": 2, "params": {"depth": True}, "score": 0.4}]
    assert all(one["depth"] in space["depth"]["values"] for one in drawn("bayesian", space, count=5, before=before))


@settings(max_examples=200, deadline=None)
@given(
    low=some.floats(-1e300, 1e300), wide=some.floats(1e-300, 1e300), step=some.floats(1e-300, 1e300), place=some.integers(0, 5)
)
def test_any_range_with_steps_can_be_counted(low: float, wide: float, step: float, place: int) -> None:
    one = {"low": low, "high": low + wide, "step": step, "values": None, "whole": False}
    count = size(one)
    assert count is not None
    assert 1 <= count <= 10**12
    assert combinations({"a": one, "b": one}, 30) == min(count * count, 30)
    if place < count and low + step > low and abs(low) < 1e6 * step and step > 1e-6:
        assert place_of(one, at(one, place)) == place


def suggested(place: Path, trials: list[dict[str, Any]]) -> None:
    (place / "trials").write_text(json.dumps({"trials": [{"trial": 4 + n, "params": one} for n, one in enumerate(trials)]}))


def score(place: Path, trial: dict[str, Any], *, dev: bool = True, **more: Any) -> dict[str, Any]:
    frame = table()
    frame[:160].write_parquet(place / "train")
    frame[160:].write_parquet(place / "dev")
    suggested(place, [{}, trial])
    given = params(
        **{"metric": "roc_auc", "index": 1, "limit": None, "strategy": "stratified", "group_by": None, "time": None} | more
    )
    inputs = {"train": place / "train", "trials": place / "trials"} | ({"dev": place / "dev"} if dev else {})
    runtime.run("trial", inputs=inputs, outputs={"score": place / "score"}, params=given)
    told: dict[str, Any] = json.loads((place / "score").read_text())
    return told


def test_a_trial_is_scored_on_the_dev_rows_with_its_own_parameters(tmp_path: Path) -> None:
    strong = score(tmp_path, {"C": 1e-6})
    assert strong["trial"] == 5
    assert strong["params"] == {"C": 1e-6}
    assert score(tmp_path, {"C": 1.0})["score"] > strong["score"] + 0.005


def test_without_dev_rows_a_trial_has_the_mean_of_cross_validation(tmp_path: Path) -> None:
    told = score(tmp_path, {"C": 0.3}, dev=False, folds=3)
    given = params(metrics=["roc_auc"], folds=3, strategy="stratified", group_by=None, time=None)
    given["model"] = {**given["model"], "params": {**given["model"]["params"], "C": 0.3}}
    runtime.run("cross_validate", inputs={"train": tmp_path / "train"}, outputs={"report": tmp_path / "report"}, params=given)
    assert told["score"] == json.loads((tmp_path / "report").read_text())["metrics"]["roc_auc"]["mean"]


@pytest.mark.parametrize(
    ("trial", "more", "part"),
    [
        ({"C": -1.0}, {}, "greater than 0"),
        ({"l1_ratio": 0.5}, {}, "solver"),
        ({"C": 1.0}, {"limit": 0.05}, "longer than its share"),
    ],
)
def test_a_trial_that_fails_has_no_score_and_says_why(tmp_path: Path, trial: dict[str, Any], more: Any, part: str) -> None:
    told = score(tmp_path, trial, **more)
    assert told["score"] is None
    assert part in told["reason"]


def chosen(place: Path, scores: Sequence[float | None], *, greater: bool) -> dict[str, Any]:
    inputs = {}
    for number, one in enumerate(scores, 1):
        inputs[f"score_{number}"] = place / f"score_{number}"
        told = {"trial": number, "params": {"C": float(number)}, "metric": "rmse", "score": one, "reason": None if one else "no"}
        inputs[f"score_{number}"].write_text(json.dumps(told))
    given = {"method": "random", "metric": "rmse", "greater_is_better": greater, "measured_on": "the dev rows"}
    runtime.run("choose", inputs=inputs, outputs={"chosen": place / "chosen"}, params=given)
    told: dict[str, Any] = json.loads((place / "chosen").read_text())
    return told


@pytest.mark.parametrize(
    ("scores", "greater", "best"), [([2.0, 1.0, 3.0], True, 3), ([2.0, 1.0, 3.0], False, 2), ([2.0, None, 2.0], True, 1)]
)
def test_the_best_trial_is_chosen(tmp_path: Path, scores: list[float | None], greater: bool, best: int) -> None:
    told = chosen(tmp_path, scores, greater=greater)
    assert (told["trial"], told["params"], told["score"]) == (best, {"C": float(best)}, scores[best - 1])
    assert [one["trial"] for one in told["trials"]] == [1, 2, 3]


def test_where_no_trial_has_a_score_nothing_is_chosen(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="none of 2 trials"):
        chosen(tmp_path, [None, None], greater=True)


def test_what_is_chosen_is_laid_over_the_model(tmp_path: Path) -> None:
    table().write_parquet(tmp_path / "train")
    (tmp_path / "chosen").write_text(json.dumps({"params": {"alpha": 123.0}}))
    given = params(task=REGRESS, model="sklearn.ridge")
    made = {name: tmp_path / name for name in ("transformer", "features", "model")}
    asked = {"chosen": tmp_path / "chosen"}
    runtime.run(
        "featurize",
        inputs={"train": tmp_path / "train", **asked},
        outputs={name: made[name] for name in ("transformer", "features")},
        params=given,
    )
    runtime.run(
        "train",
        inputs={"features": made["features"], "transformer": made["transformer"], **asked},
        outputs={"model": made["model"]},
        params=given,
    )
    from mlspec.runtime import pickled

    assert pickled.read(made["model"]).named_steps["model"].alpha == 123.0


def test_folds_one_by_one_are_the_report_of_all(tmp_path: Path) -> None:
    table().write_parquet(tmp_path / "train")
    given = params(metrics=["roc_auc", "f1"], folds=4, strategy="group", group_by="shop", time=None)
    rows = {"train": tmp_path / "train"}
    runtime.run("cross_validate", inputs=rows, outputs={"report": tmp_path / "whole"}, params=given)
    for index in range(4):
        runtime.run("fold", inputs=rows, outputs={"score": tmp_path / f"score_{index}"}, params={**given, "index": index})
    scores = {f"score_{index}": tmp_path / f"score_{index}" for index in (2, 0, 3, 1)}
    runtime.run("collect", inputs=scores, outputs={"report": tmp_path / "together"}, params={})
    assert (tmp_path / "together").read_bytes() == (tmp_path / "whole").read_bytes()
