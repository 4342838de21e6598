"""Cross-validation: honest folds, and the same numbers as scikit-learn's own."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score

from mlspec import runtime
from mlspec.diagnostic import Problem
from mlspec.runtime import fitting
from mlspec.runtime.folds import folds
from tests.runtime.training_data import CLASSIFY, REGRESS, params, table, trained

MORE: dict[str, Any] = {"folds": 5, "metrics": ["roc_auc", "f1"], "strategy": "stratified", "group_by": None, "time": None}
WITHOUT_GROUPS = params()["columns"] | {"shop": {"role": "ignore"}}


def report(place: Path, given: dict[str, Any], frame: pl.DataFrame | None = None) -> dict[str, Any]:
    (table() if frame is None else frame).write_parquet(place / "train")
    facts = runtime.run("cross_validate", inputs={"train": place / "train"}, outputs={"report": place / "report"}, params=given)
    told: dict[str, Any] = json.loads((place / "report").read_text())
    assert facts["folds"] == told["folds"]
    return told


def test_the_values_are_those_of_refitting_the_pipeline_on_scikit_learns_folds(tmp_path: Path) -> None:
    told = report(tmp_path, params(**MORE, columns=WITHOUT_GROUPS))
    pipeline = clone(trained(tmp_path, params(columns=WITHOUT_GROUPS))[0])
    answers = table()["churn"].to_numpy().astype(np.str_)
    auc = make_scorer(lambda truth, proba: roc_auc_score(truth == "yes", proba), response_method="predict_proba")
    scores = []
    with fitting.one_blas_thread():
        for learned_on, held_back in StratifiedKFold(5, shuffle=True, random_state=7).split(np.zeros(240), answers):
            model = clone(pipeline).fit(table()[learned_on], answers[learned_on])
            scores.append(auc(model, table()[held_back], answers[held_back]))
    values = told["metrics"]["roc_auc"]["values"]
    assert values == pytest.approx(scores, abs=1e-12)
    assert told["metrics"]["roc_auc"]["mean"] == pytest.approx(np.mean(scores))
    assert told["metrics"]["roc_auc"]["std"] == pytest.approx(np.std(scores, ddof=1))
    assert told["strategy"] == "stratified"


def test_transforms_are_fitted_again_on_each_fold(tmp_path: Path) -> None:
    """A target encoding of noise is worth nothing out of sample; fitted on all rows it would look like a good model."""
    random = np.random.default_rng(5)
    rows = 300
    noise = pl.DataFrame({"who": [f"w{row % 60}" for row in range(rows)], "churn": random.choice(["no", "yes"], rows)})
    given = params(**MORE, transforms=[{"kind": "encode", "with": "target"}], columns={"churn": {"role": "target"}})
    told = report(tmp_path, given, noise)
    assert abs(told["metrics"]["roc_auc"]["mean"] - 0.5) < 0.1
    answers = noise["churn"].to_numpy().astype(np.str_)
    leaky = trained(tmp_path, given, noise)[0][0].transform(noise)
    assert cross_val_score(LogisticRegression(), leaky, answers, cv=5, scoring="roc_auc").mean() > 0.65


def test_regression_scores_numbers(tmp_path: Path) -> None:
    given = params(REGRESS, "sklearn.random_forest", **{**MORE, "metrics": ["rmse", "r2"], "strategy": "random", "folds": 3})
    given["columns"]["shop"] = {"role": "ignore"}
    told = report(tmp_path, given)
    assert told["strategy"] == "random"
    assert told["metrics"]["r2"]["mean"] > 0.5


def test_a_metric_without_a_value_has_no_mean(tmp_path: Path) -> None:
    rare = table().with_columns(pl.when(pl.col("__row__") < 2).then(pl.lit("yes")).otherwise(pl.lit("no")).alias("churn"))
    with pytest.warns(UserWarning, match="least populated class"):
        told = report(tmp_path, params(**MORE, model="sklearn.dummy", columns=WITHOUT_GROUPS), rare)
    one = told["metrics"]["roc_auc"]
    assert one["mean"] is None
    assert one["values"].count(None) == 3
    assert "3 of 5 folds" in one["reason"]


def split(strategy: str, frame: pl.DataFrame | None = None, **more: Any) -> tuple[str, list[tuple[np.ndarray, np.ndarray]]]:
    rows = table() if frame is None else frame
    given = {**params(columns=WITHOUT_GROUPS), **MORE, "strategy": strategy, **more}
    used, parts = folds(rows, rows["churn"].to_numpy(), given)
    return used, list(parts)


@pytest.mark.parametrize("strategy", ["random", "stratified", "auto"])
def test_every_row_is_held_back_once(strategy: str) -> None:
    _, parts = split(strategy)
    assert sorted(np.concatenate([held_back for _, held_back in parts])) == list(range(240))
    for learned_on, held_back in parts:
        assert not set(learned_on) & set(held_back)
        if strategy != "random":
            assert (table()[held_back]["churn"] == "yes").mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("group_by", ["shop", ["shop"], ["shop", "plan"]])
def test_a_group_is_never_on_both_sides(group_by: str | list[str]) -> None:
    used, parts = split("group", group_by=group_by)
    assert used == "group"
    names = [group_by] if isinstance(group_by, str) else group_by
    for learned_on, held_back in parts:
        both = table()[learned_on].select(names).unique().join(table()[held_back].select(names).unique(), on=names)
        assert both.is_empty()


def test_rows_of_one_identity_stay_together_whatever_the_strategy_says() -> None:
    frame = table().with_columns((pl.col("__row__") // 3).cast(pl.String).alias("id"))
    used, parts = split("stratified", frame)
    assert used == "stratified"
    for learned_on, held_back in parts:
        assert not set(frame[learned_on]["id"]) & set(frame[held_back]["id"])


def test_copies_of_a_row_stay_together() -> None:
    frame = pl.concat([table(), table()]).with_columns(
        pl.int_range(480, dtype=pl.UInt64).alias("__row__"), pl.int_range(480).cast(pl.String).alias("id")
    )
    used, parts = split("stratified", frame)
    assert used == "stratified"
    assert sorted(np.concatenate([held_back for _, held_back in parts])) == list(range(480))
    for learned_on, held_back in parts:
        assert not set(frame[learned_on]["nickname"]) & set(frame[held_back]["nickname"])
        assert (frame[held_back]["churn"] == "yes").mean() == pytest.approx(0.5, abs=0.03)


def test_time_only_goes_forward_and_an_instant_is_never_cut() -> None:
    random = np.random.default_rng(0)
    days = pl.Series("seen", [date(2024, 1, 1) + timedelta(days=int(one)) for one in random.integers(0, 40, 240)])
    frame = table().with_columns(days)
    used, parts = split("temporal", frame, time="seen")
    assert used == "temporal"
    assert split("auto", frame, time="seen")[0] == "temporal"
    assert len(parts) == 5
    for learned_on, held_back in parts:
        assert frame[learned_on]["seen"].max() < frame[held_back]["seen"].min()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("given", "frame", "said"),
    [
        ({}, table().head(9), "9 training rows are too few for 5 folds"),
        ({"group_by": "plan", "strategy": "group"}, table(), "2 groups cannot be cut into 5 parts"),
        (
            {"time": "seen", "strategy": "temporal"},
            table().with_columns(pl.lit(1).alias("seen")),
            "1 different times cannot be cut into 6 parts",
        ),
    ],
)
def test_too_little_to_fold(given: dict[str, Any], frame: pl.DataFrame, said: str) -> None:
    with pytest.raises(Problem, match=said):
        split(**{"strategy": "stratified", **given}, frame=frame)


def test_the_same_seed_gives_the_same_report(tmp_path: Path) -> None:
    given = {**params(CLASSIFY, "sklearn.random_forest"), **MORE, "folds": 3}
    given["model"]["params"] = {"n_estimators": 5}
    one, other = report(tmp_path, given), report(tmp_path, given)
    assert one == other
    assert report(tmp_path, {**given, "seed": 8}) != one
