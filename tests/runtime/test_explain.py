"""Permutation importance of raw columns, against scikit-learn's own on the same model and against what is known of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.inspection import permutation_importance

from mlspec.diagnostic import Problem
from mlspec.runtime import explain, pickled, run
from mlspec.runtime.artifact import read_json

TASK = {"kind": "regression", "target": "y", "positive": None}


def table(rows: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    strong, weak, noise = rng.normal(size=(3, rows))
    colour = rng.choice(["red", "green"], rows)
    y = 3 * strong + weak + 2 * (colour == "red") + rng.normal(0, 0.3, rows)
    ids = [f"k{row}" for row in range(rows)]
    return pl.DataFrame(
        {"__row__": np.arange(rows), "key": ids, "strong": strong, "weak": weak, "noise": noise, "colour": colour, "y": y}
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    table(300, 1).write_parquet(folder / "train")
    table(200, 2).write_parquet(folder / "test")
    common = {
        "task": TASK,
        "columns": {"key": {"role": "id"}},
        "seed": 7,
        "model": {"kind": "sklearn.ridge", "params": {}},
        "transforms": [],
    }
    made = {"transformer": folder / "transformer", "features": folder / "features"}
    run("featurize", inputs={"train": folder / "train"}, outputs=made, params=common)
    run("train", inputs=made, outputs={"model": folder / "model"}, params=common)
    return folder


def importance(place: Path, **params: Any) -> dict[str, Any]:
    given = {"task": TASK, "columns": {}, "metric": "rmse", "repeats": 5, "seed": 7}
    inputs = {"model": place / "model", "test": place / "test"}
    run("explain", inputs=inputs, outputs={"importance": place / "importance"}, params=given | params)
    found: dict[str, Any] = read_json(place / "importance")
    return found


def test_order_is_that_of_the_coefficients(place: Path) -> None:
    found = importance(place)
    assert [one["name"] for one in found["columns"]] == ["strong", "weak", "colour", "noise"] or [
        one["name"] for one in found["columns"]
    ] == ["strong", "colour", "weak", "noise"]
    by_name = {one["name"]: one for one in found["columns"]}
    assert by_name["strong"]["mean"] > 1
    assert abs(by_name["noise"]["mean"]) < 0.05
    assert (found["metric"], found["repeats"], found["rows"]) == ("rmse", 5, 200)


@pytest.mark.parametrize(("name", "scoring"), [("r2", "r2"), ("rmse", "neg_root_mean_squared_error")])
def test_agrees_with_scikit_learn(place: Path, name: str, scoring: str) -> None:
    """Numeric columns through scikit-learn itself, on a model of the matrix; 40 shuffles each, so equal within their noise."""
    model, test = pickled.read(place / "model"), pl.read_parquet(place / "test")
    features = pd_like = model[:-1].transform(test)
    names = list(model[:-1].get_feature_names_out())
    theirs = permutation_importance(model[-1], features, test["y"].to_numpy(), scoring=scoring, n_repeats=40, random_state=0)
    ours = {one["name"]: one for one in importance(place, metric=name, repeats=40)["columns"]}
    assert pd_like.shape == (200, len(names))
    for column in ("strong", "weak", "noise"):
        at = names.index(column)
        noise = 4 * np.hypot(theirs.importances_std[at], ours[column]["std"]) / np.sqrt(40)
        assert ours[column]["mean"] == pytest.approx(theirs.importances_mean[at], abs=noise)
        assert ours[column]["std"] == pytest.approx(theirs.importances_std[at], rel=0.6)


def test_one_column_by_hand(place: Path) -> None:
    model, test = pickled.read(place / "model"), pl.read_parquet(place / "test")
    shuffle = np.random.default_rng(7).permuted(np.arange(200)[None, :], axis=1)[0]

    def rmse(rows: pl.DataFrame) -> float:
        return float(np.sqrt(np.mean((model.predict(rows) - rows["y"].to_numpy()) ** 2)))

    found = {one["name"]: one for one in importance(place, repeats=1)["columns"]}
    for column in ("strong", "colour"):
        loss = rmse(test.with_columns(test[column].gather(shuffle))) - rmse(test)
        assert found[column] == {"name": column, "mean": pytest.approx(loss), "std": 0.0}


def test_same_seed_same_answer_in_any_batch(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = importance(place)
    before = (place / "importance").read_bytes()
    monkeypatch.setattr(explain, "_ROWS_AT_ONCE", 1)
    again = importance(place)
    assert again["columns"] == [
        one | {"mean": pytest.approx(one["mean"]), "std": pytest.approx(one["std"])} for one in first["columns"]
    ]
    monkeypatch.undo()
    importance(place)
    assert (place / "importance").read_bytes() == before
    assert importance(place, seed=8)["columns"] != first["columns"]


def test_many_rows_are_sampled(place: Path, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes((place / "model").read_bytes())
    table(explain.MOST_ROWS + 500, 3).write_parquet(tmp_path / "test")
    assert importance(tmp_path, repeats=1)["rows"] == explain.MOST_ROWS


def test_nothing_to_explain_is_a_problem(place: Path, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes((place / "model").read_bytes())
    table(10, 3).clear().write_parquet(tmp_path / "test")
    with pytest.raises(Problem, match="the test split is empty"):
        importance(tmp_path)
    table(10, 3).with_columns(y=pl.lit(1.0)).write_parquet(tmp_path / "test")
    with pytest.raises(Problem, match="no column can be explained by r2: every actual value is 1"):
        importance(tmp_path, metric="r2")
