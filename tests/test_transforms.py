"""Each feature transform against numbers worked out by hand, and what it says where it cannot work."""

from __future__ import annotations

import math
import pickle
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec import kinds
from mlspec.diagnostic import Problem
from mlspec.transforms import Context, Selector, Transform, load, types_of
from mlspec.transforms.bin import labels as bin_labels

TARGET = np.array(["n", "n", "y", "y", "y", "n"])
FRAME = pl.DataFrame(
    {
        "a": [1.0, 2.0, None, 4.0, 5.0, 100.0],
        "b": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        "c": ["x", "x", None, "y", "x", "y"],
        "f": [True, None, True, False, True, True],
        "d": [date(2024, 1, 1), date(2024, 2, 29), None, date(2024, 12, 31), date(2025, 1, 1), date(2025, 7, 2)],
    }
)


def fit(dump: dict[str, Any], frame: pl.DataFrame = FRAME, target: Any = TARGET, **context: Any) -> tuple[Any, pl.DataFrame]:
    transform = load(dump)
    takes = transform.chosen(types_of(frame))
    fitted, made = transform.fit_transform(frame.select(takes), target[: frame.height], Context("classification", 7, **context))
    again = pickle.loads(pickle.dumps(fitted)).transform(frame.select(takes))
    if dump.get("with") != "target":  # cross-fitted: training rows are encoded without their own target
        assert again.equals(made)
    return fitted, made


def test_every_member_says_what_it_does_and_which_columns_it_takes() -> None:
    for kind in kinds.names("mlspec.transforms"):
        member = kinds.load("mlspec.transforms", kind)
        assert issubclass(member, Transform)
        assert member.__doc__
        schema = member.model_json_schema()
        missing = [name for name, one in schema["properties"].items() if name != "kind" and not one.get("description")]
        assert not missing, (kind, missing)


@pytest.mark.parametrize(
    ("dump", "column", "expected"),
    [
        ({"kind": "impute"}, "a", [1, 2, 4, 4, 5, 100]),
        ({"kind": "impute", "with": "mean"}, "a", [1, 2, 22.4, 4, 5, 100]),
        ({"kind": "impute", "with": "constant", "value": -1}, "a", [1, 2, -1, 4, 5, 100]),
        ({"kind": "impute", "with": "constant", "value": "none"}, "c", ["x", "x", "none", "y", "x", "y"]),
        ({"kind": "impute", "with": "constant", "value": False}, "f", [True, False, True, False, True, True]),
        ({"kind": "impute", "with": "most_frequent"}, "c", ["x", "x", "x", "y", "x", "y"]),
        ({"kind": "impute", "with": "most_frequent"}, "f", [True, True, True, False, True, True]),
        ({"kind": "impute", "add_indicator": True}, "a is missing", [False, False, True, False, False, False]),
        ({"kind": "scale", "with": "minmax"}, "b", [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ({"kind": "scale", "with": "robust", "columns": ["b"]}, "b", [-1, -0.6, -0.2, 0.2, 0.6, 1]),
        ({"kind": "scale", "with": "none"}, "a", [1, 2, None, 4, 5, 100]),
        ({"kind": "encode", "min_frequency": 1}, "c=x", [True, True, False, False, True, False]),
        ({"kind": "encode", "min_frequency": 1}, "c=(missing)", [False, False, True, False, False, False]),
        ({"kind": "encode", "min_frequency": 2}, "c=(rare)", [False, False, True, False, False, False]),
        ({"kind": "encode", "min_frequency": 3}, "c=(rare)", [False, False, True, True, False, True]),
        ({"kind": "encode", "with": "ordinal", "min_frequency": 1}, "c", [0, 0, None, 1, 0, 1]),
        ({"kind": "interact", "columns": ["a", "b"]}, "a*b", [0, 2, None, 12, 20, 500]),
        ({"kind": "interact", "columns": ["b"], "squares": True}, "b*b", [0, 1, 4, 9, 16, 25]),
        ({"kind": "interact", "columns": ["b", "f"]}, "b*f", [0, None, 2, 0, 4, 5]),
        ({"kind": "log", "columns": ["b"]}, "b", [math.log(n) for n in range(1, 7)]),
        (
            {"kind": "bin", "edges": [2, 5], "columns": ["a"]},
            "a",
            ["below 2", "2 to 5", None, "2 to 5", "5 or more", "5 or more"],
        ),
        ({"kind": "bin", "bins": 2, "with": "uniform", "columns": ["b"]}, "b", ["below 2.5"] * 3 + ["2.5 or more"] * 3),
        ({"kind": "bin", "bins": 2, "columns": ["a"]}, "a", ["below 4", "below 4", None, "4 or more", "4 or more", "4 or more"]),
        ({"kind": "dates", "parts": ["year"]}, "d.year", [2024, 2024, None, 2024, 2025, 2025]),
        ({"kind": "dates", "parts": ["elapsed"]}, "d.elapsed", [0, 59, None, 365, 366, 548]),
        ({"kind": "dates", "parts": ["day_of_week"], "harmonics": 0}, "d.day_of_week", [1, 4, None, 2, 3, 3]),
        ({"kind": "dates", "parts": ["day_of_year"], "harmonics": 0}, "d.day_of_year", [1, 60, None, 366, 1, 183]),
        ({"kind": "dates", "parts": ["month"]}, "d.month.sin1", [0.5, round(math.sqrt(3) / 2, 9), None, 0, 0.5, -0.5]),
        ({"kind": "dates", "parts": ["month"], "harmonics": 2}, "d.month.cos2", [0.5, -0.5, None, 1, 0.5, 0.5]),
    ],
)
def test_values(dump: dict[str, Any], column: str, expected: list[Any]) -> None:
    made = fit(dump)[1][column].to_list()
    assert made == [
        pytest.approx(one, abs=1e-12) if isinstance(one, float | int) and not isinstance(one, bool) else one for one in expected
    ]


def test_standard_scaling_ignores_what_is_missing() -> None:
    made = fit({"kind": "scale"})[1]["a"].to_list()
    known = np.array([one for one in made if one is not None])
    assert made[2] is None
    assert known.mean() == pytest.approx(0)
    assert known.std() == pytest.approx(1)


def test_declared_values_are_the_order_of_an_ordinal_code() -> None:
    fitted, made = fit({"kind": "encode", "with": "ordinal"}, values={"c": ["y", "x"]})
    assert made["c"].to_list() == [1, 1, None, 0, 1, 0]
    assert fitted.transform(pl.DataFrame({"c": ["y", "never seen"]}))["c"].to_list() == [0, None]


def test_unseen_categories_have_an_answer() -> None:
    unseen = pl.DataFrame({"c": ["never seen"]})
    assert fit({"kind": "encode", "min_frequency": 1})[0].transform(unseen).row(0) == (False, False, False)
    with_rare = fit({"kind": "encode", "min_frequency": 2})[0].transform(unseen)
    assert with_rare.row(0, named=True) == {"c=x": False, "c=y": False, "c=(rare)": True}
    assert fit({"kind": "encode", "with": "ordinal", "min_frequency": 1})[0].transform(unseen)["c"].to_list() == [None]
    assert fit({"kind": "encode", "with": "target"}, long(), long_target())[0].transform(unseen)["c"][0] == pytest.approx(0.5)


def long() -> pl.DataFrame:
    return pl.DataFrame({"c": ["x", "y", "x", "y"] * 30})


def long_target() -> np.ndarray:
    return np.array(["n", "y", "n", "y"] * 30)


def test_target_encoding_is_cross_fitted_in_training() -> None:
    frame, noise = pl.DataFrame({"c": [f"id{row}" for row in range(60)]}), np.array(["n", "y"] * 30)
    fitted, made = fit({"kind": "encode", "with": "target"}, frame, noise)
    in_sample = fitted.transform(frame)["c"].to_numpy()
    right = (noise == "y").astype(float)
    assert abs(np.corrcoef(in_sample, right)[0, 1]) > 0.9  # what would leak
    assert made["c"].n_unique() <= 5  # what the model learns from: a value never seen in the other folds is the folds' mean
    seen = fit({"kind": "encode", "with": "target"}, long(), long_target())[1]["c"].to_numpy()
    assert (seen[long()["c"].to_numpy() == "x"] < 0.1).all()


def test_rare_values_are_grouped_to_the_limit_of_columns() -> None:
    frame = pl.DataFrame({"c": [f"v{row % 40}" for row in range(400)]})
    made = fit({"kind": "encode", "max_categories": 10}, frame, np.array(["n", "y"] * 200))[1]
    assert made.width == 10
    assert "c=(rare)" in made.columns


def test_columns_that_would_be_written_alike_are_told_apart() -> None:
    frame = pl.DataFrame({"a": ["b=c", "(rare)", None, "x"], "a=b": ["c", "(missing)", "c", "c"]})
    made = fit({"kind": "encode", "min_frequency": 1}, frame)[1]
    assert len(set(made.columns)) == made.width == 6
    assert {"a=b=c", "a=b=c (2)", "a=(missing)", "a=(rare)"} <= set(made.columns)


def test_dates_with_a_time_and_a_zone() -> None:
    frame = pl.DataFrame({"t": [datetime(2024, 1, 1, 6, 30), datetime(2024, 1, 2, 18, 0)]})
    frame = frame.with_columns(pl.col("t").dt.replace_time_zone("Europe/Paris"))
    made = fit({"kind": "dates", "parts": ["hour", "elapsed"], "harmonics": 0}, frame)[1]
    assert made["t.hour"].to_list() == [6.5, 18.0]
    assert made["t.elapsed"].to_list() == [0, pytest.approx(1 + 11.5 / 24)]


def test_an_empty_column_is_filled_with_something_and_nothing_breaks() -> None:
    empty = pl.DataFrame({"a": [None, None], "c": [None, None]}, schema={"a": pl.Float64, "c": pl.String})
    assert fit({"kind": "impute"}, empty)[1]["a"].to_list() == [0, 0]
    assert fit({"kind": "impute", "with": "most_frequent"}, empty)[1]["c"].null_count() == 0
    assert fit({"kind": "bin"}, empty)[1]["a"].to_list() == [None, None]


@pytest.mark.parametrize(
    ("dump", "code", "said"),
    [
        ({"kind": "scale", "columns": ["tenur"]}, "unknown-column", "tenur"),
        ({"kind": "scale", "columns": ["c"]}, "column-type", "'c' is a category"),
        ({"kind": "scale", "columns": {"type": "date"}}, "column-type", "not a date"),
        ({"kind": "dates", "columns": ["a"]}, "column-type", "takes a date"),
        ({"kind": "impute", "with": "constant"}, "bad-value", "go together"),
        ({"kind": "impute", "value": 3}, "bad-value", "go together"),
        ({"kind": "impute", "wiht": "mean"}, "bad-value", "Extra inputs"),
        ({"kind": "bin", "edges": [3, 2]}, "bad-value", "must rise"),
        ({"kind": "encode", "with": "hash"}, "bad-value", "one_hot"),
        ({"kind": "drop"}, "bad-value", "required"),
        ({"kind": "pca"}, "unknown-kind", "impute"),
        ({"kind": "log", "columns": ["b"], "frame": "low"}, "log-domain", "-1"),
    ],
)
def test_what_is_wrong_is_said(dump: dict[str, Any], code: str, said: str) -> None:
    frame = FRAME.with_columns(pl.col("b") - 1) if dump.pop("frame", None) else FRAME
    with pytest.raises(Problem) as caught:
        fit(dump, frame)
    assert {fault.code for fault in caught.value.faults} == {code}  # type: ignore[union-attr]
    assert said in str(caught.value)


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(Problem, match="did you mean 'tenure'"):
        load({"kind": "scale", "columns": ["tenur"]}).chosen({"tenure": "number", "zip": "category"})


def test_selectors_and_defaults_choose_columns() -> None:
    types = types_of(FRAME)
    assert types == {"a": "number", "b": "number", "c": "category", "f": "boolean", "d": "date"}
    assert load({"kind": "scale"}).chosen(types) == ["a", "b"]
    assert load({"kind": "interact"}).chosen(types) == ["a", "b", "f"]
    assert load({"kind": "impute", "with": "most_frequent"}).chosen(types) == ["a", "b", "c", "f"]
    assert load({"kind": "impute", "with": "most_frequent", "columns": {"type": "category"}}).chosen(types) == ["c"]
    assert load({"kind": "drop", "columns": {"type": "date"}}).chosen(types) == ["d"]
    assert load({"kind": "select", "columns": ["a", "c"]}).chosen(types) == ["b", "f", "d"]


@pytest.mark.parametrize("kind", [one for one in kinds.names("mlspec.transforms") if one != "custom"])
def test_a_dump_through_json_makes_the_same_transform(kind: str) -> None:
    more: dict[str, Any] = {"columns": ["a"]} if kind in ("drop", "select", "tfidf") else {}
    transform = load({"kind": kind, **more, **({"rate": 8000} if kind in ("mel_spectrogram", "mfcc") else {})})
    assert load(transform.model_dump(mode="json")) == transform
    assert "with_" not in transform.model_dump(mode="json")


def test_a_selector_is_plain_data() -> None:
    assert load({"kind": "scale", "columns": {"type": "number"}}).columns == Selector(type="number")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=2, max_size=30),
    st.integers(2, 9),
    st.sampled_from(["quantile", "uniform"]),
)
def test_every_number_lies_in_one_range_and_ranges_keep_order(values: list[float | None], bins: int, how: str) -> None:
    frame = pl.DataFrame({"a": values}, schema={"a": pl.Float64})
    fitted, made = fit({"kind": "bin", "bins": bins, "with": how}, frame, np.zeros(len(values)))
    edges = fitted.edges["a"]
    assert edges == sorted(set(edges))
    assert len(edges) < bins
    for value, label in zip(values, made["a"].to_list(), strict=True):
        assert (label is None) == (value is None)
        if value is not None:
            assert label == bin_labels(edges)[sum(edge <= value for edge in edges)]


CODE = """
import polars as pl

def ratio(frame, *, over="b"):
    return frame.with_columns((pl.col("a") / (pl.col(over) + 1)).alias("ratio"))

def centred(frame):
    return frame.select(pl.col("a") - pl.col("a").mean())

def broken(frame):
    return frame["no such column"]

def shorter(frame):
    return frame.head(1)

def numbers(frame):
    return [1, 2, 3]

class Centre:
    def __init__(self, scale=1.0):
        self.scale = scale

    def fit(self, frame, target):
        self.mean = frame["a"].mean()

    def transform(self, frame):
        return frame.select(((pl.col("a") - self.mean) * self.scale).alias("centred"))
"""


@pytest.fixture
def own(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_transforms_for_test.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)


def custom(name: str, **more: Any) -> dict[str, Any]:
    return {"kind": "custom", "entrypoint": f"own_transforms_for_test:{name}", "columns": ["a", "b"], **more}


@pytest.mark.usefixtures("own")
def test_a_custom_function_makes_columns_row_by_row() -> None:
    made = fit(custom("ratio", params={"over": "b"}))[1]
    assert made.columns == ["a", "b", "ratio"]
    assert made["ratio"].to_list() == [1.0, 1.0, None, 1.0, 1.0, pytest.approx(100 / 6)]


@pytest.mark.usefixtures("own")
def test_a_custom_class_learns_from_training_rows_only() -> None:
    fitted, made = fit(custom("Centre", params={"scale": 2.0}))
    assert made["centred"][0] == pytest.approx((1 - 22.4) * 2)
    assert fitted.transform(FRAME.select("a", "b").head(1))["centred"][0] == pytest.approx((1 - 22.4) * 2)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("centred", "not-row-by-row", "looks at other rows"),
        ("broken", "user-code-failed", 'own_transforms_for_test.py:11: return frame["no such column"]'),
        ("shorter", "rows-changed", "1 rows for 6"),
        ("numbers", "not-a-frame", "list"),
        ("absent", "entrypoint-not-found", "ratio"),
    ],
)
def test_what_is_wrong_with_custom_code_is_said(name: str, code: str, said: str) -> None:
    with pytest.raises(Problem) as caught:
        fit(custom(name))
    assert caught.value.faults[0].code == code  # type: ignore[union-attr]
    assert said in str(caught.value)
