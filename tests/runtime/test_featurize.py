"""Featurizing: what is added, what is left out, what rows may look like when they are served, and the same bytes everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlspec.diagnostic import Problem
from mlspec.runtime import pickled
from mlspec.runtime.featurizer import Featurizer
from tests.runtime.training_data import CLASSIFY, featurized, params, table

RAW = ["tenure", "plan", "level", "cost", "paperless", "city"]


def featurizer(place: Path, frame: pl.DataFrame | None = None, **given: Any) -> Featurizer:
    featurized(place, params(**given), frame)
    found = pickled.read(place / "transformer")
    assert isinstance(found, Featurizer)
    return found


def steps(found: Featurizer) -> list[tuple[str, list[str]]]:
    return [(f"{step.kind} {step.how.get('with', '')}".strip(), step.takes) for step in found.steps_]


def test_without_transforms_a_linear_model_gets_numbers_without_gaps_on_one_scale(tmp_path: Path) -> None:
    facts = featurized(tmp_path, params())
    found, matrix = pickled.read(tmp_path / "transformer"), pl.read_parquet(tmp_path / "features")
    assert list(found.fields_) == RAW
    assert steps(found) == [
        ("impute most_frequent", ["paperless"]),
        ("impute median", ["tenure", "cost"]),
        ("scale standard", ["tenure", "cost"]),
        ("encode one_hot", ["plan", "level", "city"]),
    ]
    assert all(step.added for step in found.steps_)
    assert facts["added"].startswith("impute (most_frequent): paperless; impute (median): tenure, cost; scale (standard)")
    assert matrix.columns == [
        "tenure", "cost", "paperless", "plan=monthly", "plan=yearly", "level=1", "level=2", "level=3",
        "city=Bergen", "city=Oslo", "city=Paris", "city=(missing)", "churn",
    ]  # fmt: skip
    features = matrix.drop("churn")
    assert set(features.dtypes) == {pl.Float64}
    assert features.null_count().sum_horizontal()[0] == 0
    assert not features.select(pl.all().is_nan().any()).row(0).count(True)
    assert features["tenure"].mean() == pytest.approx(0, abs=1e-12)
    assert facts["rows"] == 240
    assert facts["features"] == features.width


def test_a_column_that_says_nothing_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    facts = featurized(tmp_path, params())
    assert facts["left_out"] == (
        "constant (one value in the training rows); empty (no value in the training rows); "
        "nickname (240 values in 240 training rows, none in 5 of them)"
    )


def test_boosting_gets_gaps_and_codes_and_forests_get_gaps(tmp_path: Path) -> None:
    boosting = featurizer(tmp_path, model="sklearn.hist_gradient_boosting")
    assert steps(boosting) == [("encode ordinal", ["plan", "level", "city"])]
    assert [boosting.feature_names_[index] for index in boosting.codes_] == ["plan", "level", "city"]
    assert np.isnan(boosting.transform(table())).any()
    assert steps(featurizer(tmp_path, model="sklearn.random_forest")) == [("encode one_hot", ["plan", "level", "city"])]
    assert [one for one, _ in steps(featurizer(tmp_path, model="sklearn.naive_bayes"))] == [
        "impute most_frequent", "impute median", "encode one_hot",
    ]  # fmt: skip


def test_without_a_model_features_suit_any_family(tmp_path: Path) -> None:
    given = params()
    del given["model"]
    featurized(tmp_path, given)
    assert not np.isnan(pickled.read(tmp_path / "transformer").transform(table())).any()


def test_what_is_written_comes_first_and_only_what_is_missing_is_added(tmp_path: Path) -> None:
    written = [
        {"kind": "impute", "with": "mean", "columns": ["cost"]},
        {"kind": "interact", "columns": ["tenure", "cost"]},
        {"kind": "scale", "with": "minmax"},
        {"kind": "encode", "with": "ordinal", "columns": ["city"]},
        {"kind": "drop", "columns": ["level"]},
    ]
    found = featurizer(tmp_path, transforms=written)
    assert steps(found)[:4] == [
        ("impute mean", ["cost"]), ("interact", ["tenure", "cost"]), ("scale minmax", ["tenure", "cost", "tenure*cost"]),
        ("encode ordinal", ["city"]),
    ]  # fmt: skip
    assert [(kind, takes) for kind, takes in steps(found) if kind != "drop"][4:] == [
        ("impute most_frequent", ["paperless"]),
        ("impute median", ["tenure", "city", "tenure*cost"]),  # cost was filled; a code of an unseen city is missing
        ("encode one_hot", ["plan"]),
    ]
    assert "level" not in found.fields_


def test_a_dropped_column_is_not_needed_at_serving_and_select_keeps_the_rest_away(tmp_path: Path) -> None:
    found = featurizer(tmp_path, transforms=[{"kind": "select", "columns": ["tenure", "plan"]}])
    assert list(found.fields_) == ["tenure", "plan"]
    assert found.transform([{"tenure": 3, "plan": "yearly"}]).shape == (1, 3)
    late = featurizer(tmp_path, transforms=[{"kind": "impute"}, {"kind": "drop", "columns": ["cost"]}])
    assert "cost" not in late.feature_names_
    assert late.transform(table()).shape[1] == len(late.feature_names_)


def test_a_time_column_is_a_feature_only_through_dates(tmp_path: Path) -> None:
    assert "seen" not in featurizer(tmp_path).fields_
    found = featurizer(tmp_path, transforms=[{"kind": "dates", "parts": ["elapsed"]}])
    assert "seen" in found.fields_
    assert found.feature_names_[-1] != "seen"
    assert "seen.elapsed" in found.feature_names_


def test_a_date_without_a_transform_is_refused_with_what_to_write(tmp_path: Path) -> None:
    frame = table().with_columns(pl.col("seen").alias("joined"))
    with pytest.raises(Problem, match=r"joined: a date") as caught:
        featurizer(tmp_path, frame)
    assert "{kind: dates, columns: [joined]}" in caught.value.faults[0].help  # type: ignore[union-attr]


def test_fitted_on_train_only(tmp_path: Path) -> None:
    found = featurizer(tmp_path)
    shifted = table().with_columns(pl.col("tenure") + 1000)
    difference = found.transform(shifted)[:, 0] - found.transform(table())[:, 0]
    assert difference == pytest.approx(1000 / table()["tenure"].to_numpy().std())


ROW = {"tenure": 12, "plan": "yearly", "level": 2, "cost": 20.5, "paperless": True, "city": "Oslo"}


def test_rows_come_in_any_shape(tmp_path: Path) -> None:
    found = featurizer(tmp_path)
    expected = found.transform(pl.DataFrame([ROW]))
    shapes: list[Any] = [
        ROW,
        [ROW],
        [{**ROW, "extra": object()}],
        [{**ROW, "tenure": 12.0, "level": 2.0, "cost": np.float32(20.5), "paperless": 1}],
        [{**ROW, "level": "2"}],
        pl.DataFrame([ROW]).lazy(),
        pl.DataFrame([ROW]).select(reversed(list(ROW))),
        pl.DataFrame([ROW]).cast({"tenure": pl.Float64, "level": pl.Float64, "paperless": pl.Int8, "city": pl.Categorical}),
        pl.DataFrame([ROW]).cast({"tenure": pl.String, "cost": pl.String, "paperless": pl.String}),
    ]
    for rows in shapes:
        np.testing.assert_array_equal(found.transform(rows), expected)


def test_a_pandas_frame_is_read_like_any_other(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    found = featurizer(tmp_path)
    rows = [ROW, {**ROW, "cost": None, "city": None, "paperless": None}]
    np.testing.assert_array_equal(found.transform(pandas.DataFrame(rows)), found.transform(rows))


def test_missing_values_and_unseen_categories_are_served(tmp_path: Path) -> None:
    for model in ("sklearn.logistic_regression", "sklearn.hist_gradient_boosting"):
        found = featurizer(tmp_path, model=model)
        rows = [dict.fromkeys(ROW), {**ROW, "city": "Atlantis", "plan": "weekly", "cost": float("nan")}]
        made = found.transform(rows)
        assert made.shape == (2, len(found.feature_names_))
        assert np.isnan(made).any() == (model == "sklearn.hist_gradient_boosting")
        np.testing.assert_array_equal(made, found.transform(pl.DataFrame(rows, infer_schema_length=None)))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{name: value for name, value in ROW.items() if name != "cost"}], "row 0 has no 'cost'"),
        (pl.DataFrame([ROW]).drop("cost"), "the rows have no 'cost'"),
        ([ROW, {**ROW, "tenure": "twelve"}], "row 1, 'tenure': 'twelve' is not of type integer"),
        ([{**ROW, "tenure": True}], "row 0, 'tenure': True"),
        ([{**ROW, "paperless": "maybe"}], "'paperless': 'maybe' is not of type boolean"),
        ([{**ROW, "city": ["Oslo"]}], "'city': ['Oslo'] is not of type category"),
        (pl.DataFrame([ROW]).with_columns(pl.lit("twelve").alias("tenure")), "row 0, 'tenure': 'twelve'"),
        (pl.DataFrame([ROW]).with_columns(pl.lit(date(2024, 1, 1)).alias("tenure")), "'tenure' holds Date"),
        (pl.DataFrame([ROW]).with_columns(pl.lit("maybe").alias("paperless")), "'paperless': 'maybe'"),
        ([ROW, 7], "row 1 is int"),
        ([{**ROW, "cost": float("inf")}], "infinite"),
    ],
)
def test_rows_that_cannot_be_read_are_named(tmp_path: Path, rows: Any, said: str) -> None:
    found = featurizer(tmp_path)
    with pytest.raises(Problem) as caught:
        found.transform(rows)
    assert said in str(caught.value)


def test_dates_are_read_from_text_and_zones_are_kept(tmp_path: Path) -> None:
    stamps = pl.Series("at", [datetime(2024, 1, 1 + row % 28, row % 24) for row in range(240)]).dt.replace_time_zone(
        "Europe/Paris"
    )
    found = featurizer(
        tmp_path,
        table().with_columns(stamps),
        transforms=[{"kind": "dates", "parts": ["hour"], "harmonics": 0, "columns": ["at"]}],
    )
    place = found.feature_names_.index("at.hour")
    scaler = next(step for step in found.steps_ if step.kind == "scale").fitted.transformer  # type: ignore[attr-defined]

    def hour(value: Any) -> float:
        column = found.transform([{**ROW, "at": value}])[0, place]
        index = next(step for step in found.steps_ if step.kind == "scale").takes.index("at.hour")
        return float(column * scaler.scale_[index] + scaler.mean_[index])

    assert hour("2024-01-05T06:30:00") == pytest.approx(6.5)  # without a zone: the data's own
    assert hour("2024-01-05T06:30:00+00:00") == pytest.approx(7.5)
    assert hour(datetime(2024, 1, 5, 6, 30, tzinfo=UTC)) == pytest.approx(7.5)
    with pytest.raises(Problem, match="is not of type datetime"):
        hour("yesterday")


@pytest.mark.parametrize(
    ("frame", "given", "said"),
    [
        (table().head(0), {}, "no training rows"),
        (table().with_columns(pl.lit(None).cast(pl.String).alias("churn")), {}, "240 of 240 rows have no 'churn'"),
        (table().drop("churn"), {}, "no column 'churn'"),
        (table().with_columns(pl.Series("list", [[1]] * 240)), {}, "'list' holds List"),
        (table(), {"transforms": [{"kind": "scale", "columns": ["id"]}]}, "no feature column 'id'"),
        (
            table(),
            {"transforms": [{"kind": "drop", "columns": RAW}, {"kind": "drop", "columns": ["nickname"]}]},
            "no column is left",
        ),
        (
            table(),
            {"task": {"kind": "regression", "target": "churn", "positive": None}, "model": None},
            "regression learns a number",
        ),
        (table().with_columns((pl.col("cost") / (pl.col("tenure") * 0)).alias("ratio")), {}, "'ratio' is infinite"),
    ],
)
def test_training_rows_that_cannot_be_learned_from(tmp_path: Path, frame: pl.DataFrame, given: dict[str, Any], said: str) -> None:
    with pytest.raises(Problem) as caught:
        featurized(tmp_path, {**params(), **given}, frame)
    assert said in str(caught.value)


def test_a_fault_in_the_list_points_at_its_entry(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        featurizer(tmp_path, transforms=[{"kind": "impute"}, {"kind": "scale", "columns": ["tenure", "cots"]}])
    assert caught.value.faults[0].route == ("features", 1, "columns", 1)  # type: ignore[union-attr]


def test_two_features_of_one_name_are_refused(tmp_path: Path) -> None:
    frame = table().with_columns(pl.lit(1.0).alias("tenure*cost") + pl.col("tenure"))
    with pytest.raises(Problem, match=r"two features are called 'tenure\*cost'"):
        featurizer(tmp_path, frame, transforms=[{"kind": "interact", "columns": ["tenure", "cost"]}])


def test_the_manifest_is_plain_and_says_what_was_added(tmp_path: Path) -> None:
    told = json.loads(json.dumps(featurizer(tmp_path, transforms=[{"kind": "impute"}]).manifest(), allow_nan=False))
    assert [(one["kind"], one["added"]) for one in told["steps"]] == [
        ("impute", False),
        ("impute", True),
        ("scale", True),
        ("encode", True),
    ]
    assert set(told["left_out"]) == {"constant", "empty", "nickname"}


def test_a_high_number_of_categories_stays_within_what_boosting_takes(tmp_path: Path) -> None:
    rows = 4000
    frame = table(rows).with_columns(pl.Series("zip", [f"z{row % 400}" for row in range(rows)]))
    found = featurizer(tmp_path, frame, model="sklearn.hist_gradient_boosting")
    codes = found.transform(frame)[:, found.feature_names_.index("zip")]
    assert np.unique(codes).size == 255


SCRIPT = """
import hashlib, sys
from pathlib import Path
from tests.runtime.training_data import params, trained
transforms = [
    {"kind": "dates", "parts": ["month", "elapsed"]},
    {"kind": "encode", "with": "target", "columns": ["city"]},
    {"kind": "impute", "add_indicator": True},
    {"kind": "bin", "columns": ["tenure"]},
]
place = Path(sys.argv[1])
place.mkdir()
for model in sys.argv[2:]:
    trained(place, params(model=model, transforms=transforms))
    print(model, *(hashlib.sha256((place / name).read_bytes()).hexdigest() for name in ("transformer", "features", "model")))
"""
STABLE = [
    "logistic_regression",
    "hist_gradient_boosting",
    "random_forest",
    "extra_trees",
    "svm",
    "k_neighbors",
    "naive_bayes",
    "ridge",
]


@pytest.mark.slow
def test_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    """Under another hash seed, and with other numbers of threads."""
    told = []
    for seed, threads in (("1", "1"), ("2", "4")):
        command = [sys.executable, "-c", SCRIPT, tmp_path / seed, *(f"sklearn.{one}" for one in STABLE)]
        settings = {
            "PYTHONHASHSEED": seed,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "POLARS_MAX_THREADS": threads,
        }
        done = subprocess.run(
            command, check=True, env={**os.environ, **settings}, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
        )
        told.append(done.stdout)
    assert told[0].count("\n") == len(STABLE)
    assert told[0] == told[1]


def test_parameters_that_share_objects_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    shared = {"kind": "impute", "columns": ["cost"]}
    for place, transforms in ((one, [shared, shared]), (other, json.loads(json.dumps([shared, shared])))):
        place.mkdir()
        featurized(place, {**params(), "transforms": transforms, "task": dict(CLASSIFY)})
    assert (one / "transformer").read_bytes() == (other / "transformer").read_bytes()
