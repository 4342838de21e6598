"""A table in time as windows of a series: which rows come of it, what is refused, and the forecast that has to be beaten."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec import build, families, runtime, windows
from mlspec.diagnostic import Finding, Problem
from mlspec.lowering import lowered
from mlspec.runtime import fitting
from mlspec.runtime.artifact import read_json
from mlspec.runtime.edge.device import runner
from mlspec.runtime.edge.metadata import device_rows
from mlspec.runtime.featurizer import Featurizer
from mlspec.runtime.window import windowed
from mlspec.tensor.program import run
from tests.test_lowering import about

ROOT = Path(__file__).parent.parent
DAYS = 86_400.0


def window(**more: Any) -> dict[str, Any]:
    return {"time": "day", "values": ["x"], "size": 3, "ahead": 1, "every": None, "by": None, "target": "x", **more}


def days(*numbers: int) -> list[date]:
    return [date(2024, 1, 1) + timedelta(days=number) for number in numbers]


def made(frame: pl.DataFrame, **more: Any) -> tuple[pl.DataFrame, dict[str, int]]:
    table, told = windowed(frame.lazy(), window(**more))
    return table.collect(), told


def test_a_row_holds_the_last_values_and_what_comes_next() -> None:
    frame = pl.DataFrame({"day": days(2, 0, 1, 3, 4), "x": [3.0, 1.0, 2.0, 4.0, 5.0], "sky": ["c", "a", "b", "d", "e"]})
    found, told = made(frame)
    assert found.to_dict(as_series=False) == {
        "day": days(2, 3),
        "x": [4.0, 5.0],  # the target: a step later
        "sky": ["c", "d"],  # as it is now
        "x[-2]": [1.0, 2.0],
        "x[-1]": [2.0, 3.0],
        "x[0]": [3.0, 4.0],
    }
    assert told == {"rows": 5, "windows": 2, "no_full_window": 3, "missing_value": 0}


def test_other_values_look_back_too_and_the_oldest_step_stands_first() -> None:
    frame = pl.DataFrame({"day": days(0, 1, 2, 3), "x": [1.0, 2.0, 3.0, 4.0], "y": [5.0, 6.0, 7.0, 8.0]})
    found, _ = made(frame, values=["x", "y"], size=2, ahead=2)
    assert found.columns == ["day", "x", "x[-1]", "y[-1]", "x[0]", "y[0]"]
    assert found.rows() == [(days(1)[0], 4.0, 1.0, 5.0, 2.0, 6.0)]


def test_no_window_reaches_over_a_gap_from_series_to_series_or_over_a_missing_value() -> None:
    gap = pl.DataFrame({"day": days(0, 1, 2, 4, 5, 6, 7), "x": [float(one) for one in range(7)]})
    assert made(gap, every=DAYS)[0]["day"].to_list() == days(6)
    assert made(gap)[0].height == 4, "without `every` the next row is the next step"
    two = pl.DataFrame({"day": days(0, 1, 2, 3) * 2, "x": [float(one) for one in range(8)], "shop": ["b"] * 4 + ["a"] * 4})
    assert made(two, by="shop")[0].select("shop", "x").rows() == [("a", 7.0), ("b", 3.0)]
    lacking = pl.DataFrame({"day": days(0, 1, 2, 3, 4, 5), "x": [0.0, None, 2.0, 3.0, 4.0, 5.0]})
    found, told = made(lacking)
    assert found["x[0]"].to_list() == [4.0]
    assert told == {"rows": 6, "windows": 1, "no_full_window": 3, "missing_value": 2}
    hours = [datetime(2024, 1, 1, hour) for hour in (0, 1, 2, 3, 5)]
    assert made(pl.DataFrame({"day": hours, "x": [1.0] * 5}), every=3600.0)[0].height == 1
    assert made(pl.DataFrame({"day": [0, 10, 20, 30, 50], "x": [1.0] * 5}), every=10.0)[0].height == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from("ab"), st.none() | st.integers(0, 9)), unique_by=lambda one: one[:2]),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_windows_are_those_that_one_finds_by_looking(rows: list[tuple[int, str, int | None]], size: int, ahead: int) -> None:
    frame = pl.DataFrame(rows, schema={"day": pl.Int64, "by": pl.String, "x": pl.Float64}, orient="row")
    known = {(by, day): x for day, by, x in rows}
    expected = []
    for day, by, _ in sorted(rows, key=lambda one: (one[1], one[0])):
        steps = range(day - size + 1, day + ahead + 1)
        if all((by, step) in known for step in steps):
            values = [known[by, step] for step in (day + ahead, *steps[:size])]
            if None not in values:
                expected.append((day, by, *values))
    if not expected:
        with pytest.raises(Problem, match="none of the"):
            made(frame, size=size, ahead=ahead, by="by", every=1.0)
        return
    found, told = made(frame, size=size, ahead=ahead, by="by", every=1.0)
    assert found.select("day", "by", "x", *windows.names(window(size=size))).rows() == expected
    assert told["windows"] == len(expected)


FRAME = pl.DataFrame({"day": days(0, 1, 2, 3), "x": [1.0, 2.0, 3.0, 4.0], "word": list("abcd"), "late": [None, *days(1, 2, 3)]})


@pytest.mark.parametrize(
    ("more", "code", "route"),
    [
        ({"time": "dya"}, "unknown-column", "time"),
        ({"values": ["z"]}, "unknown-column", "values"),
        ({"by": "shop"}, "unknown-column", "by"),
        ({"target": "y"}, "unknown-column", "target"),
        ({"values": ["word"]}, "column-type", "values"),
        ({"time": "word"}, "not-a-time", "time"),
        ({"time": "late"}, "missing-time", "time"),
        ({"by": None, "twice": True}, "time-twice", "time"),
        ({"taken": True}, "window-column-taken", "values"),
        ({"size": 4}, "no-window", "size"),
        ({"every": 30 * DAYS}, "no-window", "size"),
    ],
)
def test_what_is_no_series_is_refused(more: dict[str, Any], code: str, route: str) -> None:
    frame = pl.concat([FRAME, FRAME]) if more.pop("twice", False) else FRAME
    frame = frame.with_columns(pl.col("x").alias("x[0]")) if more.pop("taken", False) else frame
    with pytest.raises(Problem) as caught:
        made(frame, **more)
    fault = caught.value.faults[0]
    assert isinstance(fault, Finding)
    assert fault.code == code
    assert fault.help
    assert route in fault.route


SPEC = """
mlspec: 1
project: {name: cold}
task: {kind: regression, target: Temp, modality: timeseries}
data:
  sources: {days: {kind: csv, path: specs/data/daily-min-temperatures.csv}}
  columns: {Date: {role: time, type: date}, Temp: {type: number, min: -10, max: 40, pii: true}}
  window: {values: Temp, size: 7, every: 1 d}
splits: {strategy: temporal}
model: {kind: sklearn.ridge}
"""


def steps(folder: Path, text: str = SPEC) -> dict[str, Any]:
    (folder / "spec.yaml").write_text(text)
    pipeline = build.open_spec(folder / "spec.yaml")
    from mlspec.lower import lower
    from mlspec.spec.project import resolved

    project = pipeline.checked()
    return {one.id: one for one in lower(project, resolved(project)).steps}


def test_what_is_declared_of_a_value_holds_for_all_of_its_window(tmp_path: Path) -> None:
    found = steps(tmp_path)
    assert found["ingest"].params["window"]["time"] == "Date"
    assert list(found["ingest"].params["columns"]) == ["Date", "Temp"]
    columns = found["validate"].params["columns"]
    assert list(columns) == ["Date", "Temp", *windows.names({"values": ["Temp"], "size": 7})]
    assert columns["Temp"]["role"] == "target"
    assert (columns["Temp[-6]"]["role"], columns["Temp[-6]"]["max"], columns["Temp[-6]"]["pii"]) == ("feature", 40, True)
    assert ("data", "window") in found["ingest"].routes


def test_rows_that_are_left_out_are_counted_in_the_evidence(tmp_path: Path) -> None:
    params = {**steps(tmp_path)["ingest"].params, "data_root": str(ROOT)}
    outputs = {name: tmp_path / name for name in ("data", "profile")}
    facts = runtime.run("ingest", inputs={}, outputs=outputs, params=params)
    profile = read_json(outputs["profile"])
    assert profile["windows"] == {"rows": 3650, "windows": 3629, "no_full_window": 21, "missing_value": 0}, (
        "two gaps, 1984 and 1988"
    )
    assert facts["rows"] + facts["left_out"] == 3650
    assert profile["sources"][0]["rows"] == 3650
    described = {one["name"]: one for one in profile["columns"]}
    assert "1 step later" in described["Temp"]["note"]
    assert described["Temp[0]"]["min"] is None, "what is personal shows no value"


@pytest.mark.parametrize(
    ("old", "new", "code", "route"),
    [
        ("role: time, ", "", "missing-key", ("data", "window")),
        ("values: Temp", "values: [Temp, Date]", "contradiction", ("data", "window", "values", 1)),
        ("values: Temp", "values: [Temp, shop], by: shop", "contradiction", ("data", "window", "values", 1)),
        ("size: 7", "size: 0", "out-of-range", ("data", "window", "size")),
        ("kind: regression", "kind: forecasting", "contradiction", ("task", "kind")),
        ("kind: regression", "kind: clustering", "contradiction", ("data", "window")),
    ],
)
def test_a_window_that_cannot_be_is_a_fault_of_the_spec(tmp_path: Path, old: str, new: str, code: str, route: Any) -> None:
    assert old in SPEC
    (tmp_path / "spec.yaml").write_text(SPEC.replace(old, new).replace("strategy: temporal", "strategy: random"))
    faults = {(one.finding.code, one.finding.route) for one in build.open_spec(tmp_path / "spec.yaml").diagnostics}
    assert (code, route) in faults


def series() -> pl.DataFrame:
    table = pl.read_csv(ROOT / "specs" / "data" / "daily-min-temperatures.csv", try_parse_dates=True)
    wanted = window(time="Date", values=["Temp"], size=28, every=DAYS, target="Temp")
    return windowed(table.lazy(), wanted)[0].collect()


TASK = {"kind": "regression", "target": "Temp"}
COLUMNS = {"Date": {"role": "time"}, "Temp": {"role": "target"}}


def fit(model: dict[str, Any], transforms: Any = (), rows: int = 2500) -> tuple[Any, pl.DataFrame]:
    """A model of the first days, and the other days."""
    table = series()
    family = families.load(model, "regression")
    featurizer = Featurizer(list(transforms), COLUMNS, TASK, asdict(family.needs()), 7)
    answers = table["Temp"][:rows].to_numpy()
    features = featurizer.fit_transform(table[:rows], answers)
    return fitting.fit(family, TASK, 7, featurizer, features, answers), table[rows:]


def rmse(model: Any, rows: pl.DataFrame) -> float:
    return float(np.sqrt(np.mean((model.predict(rows) - rows["Temp"].to_numpy()) ** 2)))


def test_persistence_says_that_tomorrow_is_as_today() -> None:
    model, rows = fit({"kind": "persistence", "params": {"column": "Temp[0]"}})
    assert (model.predict(rows) == rows["Temp[0]"].to_numpy()).all()
    assert rmse(model, rows) == pytest.approx(2.49, abs=0.1)
    program = lowered(model)
    fed = runner.feed(device_rows(model, program, rows), json.loads(json.dumps(about(program, model))))
    assert np.abs(run(program.program, fed)[:, 0] - model.predict(rows)).max() < 1e-5
    week, _ = fit({"kind": "persistence", "params": {"column": "Temp[-6]"}})
    assert (week.predict(rows) == rows["Temp[-6]"].to_numpy()).all()


@pytest.mark.parametrize(
    ("column", "transforms", "said"),
    [("Temp[1]", [], "did you mean 'Temp"), ("Temp[0]", [{"kind": "scale"}], "`scale` changes 'Temp")],
)
def test_persistence_of_nothing_or_of_something_else_is_refused(column: str, transforms: Any, said: str) -> None:
    with pytest.raises(Problem) as caught:
        fit({"kind": "persistence", "params": {"column": column}}, transforms)
    fault = caught.value.faults[0]
    assert isinstance(fault, Finding)
    assert said in f"{fault.message} {fault.help}"


def test_persistence_is_of_a_number() -> None:
    with pytest.raises(Problem, match="not for classification"):
        families.load({"kind": "persistence", "params": {"column": "x"}}, "classification")


@pytest.mark.slow
def test_a_recurrent_network_reads_a_window_step_by_step() -> None:
    """It beats that tomorrow is as today, and its program says the same."""
    params = {"cell": "gru", "units": 8, "epochs": 8, "learning_rate": 0.01, "device": "cpu", "shape": [28, 1]}
    model, rows = fit({"kind": "torch.rnn", "params": params})
    assert model.named_steps["features"].feature_names_ == [*windows.names({"values": ["Temp"], "size": 28})]
    assert rmse(model, rows) < 2.3
    program = lowered(model)
    fed = runner.feed(device_rows(model, program, rows), json.loads(json.dumps(about(program, model))))
    assert np.abs(run(program.program, fed)[:, 0] - model.predict(rows)).max() < 1e-3
