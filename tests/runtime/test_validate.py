"""Validate: schema, checks, what happens to failing rows, and the fitted schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec import runtime
from mlspec.checks import PLAIN
from mlspec.diagnostic import Finding, Problem
from mlspec.expression import FUNCTIONS
from mlspec.kinds import load, names
from mlspec.runtime.artifact import digest, read_json
from mlspec.runtime.predicate import predicate

ROWS = {
    "id": ["a", "b", "c", "d", "b", None],
    "n": [1, 2, None, 4, 5, 6],
    "x": [0.5, 2.5, 1.0, float("inf"), 9.0, 6.0],
    "word": ["red", "blue", "red", "Red", None, "red"],
    "y": ["p", "q", "p", "q", "p", None],
}
TASK = {"kind": "classification", "target": "y"}


CLEAN = {**ROWS, "x": [0.5, 2.5, 1.0, 7.0, 9.0, 6.0]}


def validate(
    folder: Path, rows: dict[str, Any], columns: dict[str, Any] | None = None, **more: Any
) -> tuple[Any, pl.DataFrame, pl.DataFrame]:
    frame = pl.DataFrame(rows).with_row_index("__row__").with_columns(pl.col("__row__").cast(pl.UInt64))
    frame.write_parquet(folder / "in")
    params = {"columns": columns or {}, "checks": [], "on_failure": "stop", "task": None, **more}
    outputs = {name: folder / name for name in ("data", "quarantine", "report")}
    runtime.run("validate", inputs={"data": folder / "in"}, outputs=outputs, params=params)
    report = read_json(folder / "report")
    kept, aside = pl.read_parquet(folder / "data"), pl.read_parquet(folder / "quarantine")
    assert report["rows"] == report["kept"] + report["quarantined"] == frame.height
    assert (report["kept"], report["quarantined"]) == (kept.height, aside.height)
    assert sorted([*kept["__row__"], *aside["__row__"]]) == list(range(frame.height)), "no row is lost or doubled"
    return report, kept, aside


def check(report: Any, name: str) -> Any:
    return next(one for one in report["checks"] if one["id"] == name)


@pytest.mark.parametrize(
    ("declared", "name", "rows", "values"),
    [
        ({"n": {"nullable": False}}, "present.n", [2], [None]),
        ({"n": {"min": 2}}, "min.n", [0], ["1"]),
        ({"n": {"max": 4}}, "max.n", [4, 5], ["5", "6"]),
        ({"word": {"values": ["red", "blue"]}}, "values.word", [3], ["Red"]),
        ({"n": {"values": [1, 2, 4.0, 5]}}, "values.n", [5], ["6"]),
        ({"word": {"pattern": "[a-z]+"}}, "pattern.word", [3], ["Red"]),
        ({"id": {"unique": True}}, "unique.id", [4], ["b"]),
        ({"id": {"role": "id"}}, "present.id", [5], [None]),
        ({"word": {"type": "number"}}, "type.word", [0, 1, 2, 3, 5], ["red", "blue", "red", "Red", "red"]),
        ({"x": {"type": "integer"}}, "type.x", [0, 1], ["0.5", "2.5"]),
        ({"word": {"type": "date"}}, "type.word", [0, 1, 2, 3, 5], ["red", "blue", "red", "Red", "red"]),
        ({"word": {"pii": True, "values": ["red", "blue"]}}, "values.word", [3], ["(personal)"]),
    ],
)
def test_schema(tmp_path: Path, declared: dict[str, Any], name: str, rows: list[int], values: list[Any]) -> None:
    report, _, aside = validate(tmp_path, CLEAN, declared)
    found = check(report, name)
    assert found["verdict"] == report["verdict"] == "fail"
    assert found["failing"] == len(rows)
    assert [(one["row"], one["value"]) for one in found["examples"]] == list(zip(rows, values, strict=True))
    assert found["route"][:3] == ["data", "columns", name.split(".")[1]]
    assert aside["__row__"].to_list() == rows
    assert aside["__reason__"].str.contains(found["description"], literal=True).all()


@pytest.mark.parametrize(
    ("wanted", "failing", "verdict"),
    [
        ({"kind": "missing", "columns": ["n"], "max": 0.1}, 1, "fail"),
        ({"kind": "missing", "columns": ["n"], "max": 0.2}, 1, "pass"),
        ({"kind": "expression", "that": "x >= n"}, 1, "fail"),
        ({"kind": "expression", "that": "x >= n", "max_failing": 0.5}, 1, "pass"),
        ({"kind": "expression", "that": "n is not None and word in ['red', 'blue']"}, 2, "fail"),
        ({"kind": "unique", "columns": ["id"]}, 1, "fail"),
        ({"kind": "unique", "columns": ["id", "n"]}, 0, "pass"),
        ({"kind": "range", "columns": ["n"], "min": 1, "max": 5}, 1, "fail"),
        ({"kind": "values", "columns": ["word"], "values": ["red", "Red", "blue"]}, 0, "pass"),
        ({"kind": "row_count", "min": 6, "max": 6}, 0, "pass"),
        ({"kind": "row_count", "min": 7}, 6, "fail"),
        ({"kind": "duplicates", "ignore": ["id", "n", "x", "word"], "max": 0.4}, 3, "fail"),
        ({"kind": "duplicates", "max": 0.0}, 0, "pass"),
    ],
)
def test_checks(tmp_path: Path, wanted: dict[str, Any], failing: int, verdict: str) -> None:
    report, _, _ = validate(tmp_path, ROWS, checks=[wanted])
    found = report["checks"][1]
    assert (found["kind"], found["failing"], found["verdict"]) == (wanted["kind"], failing, verdict)
    assert found["route"][:3] == ["data", "checks", 0]


def test_numbers_must_be_finite(tmp_path: Path) -> None:
    report, _, aside = validate(tmp_path, ROWS)
    found = check(report, "finite.x")
    assert (found["failing"], found["examples"], found["route"]) == (1, [{"row": 3, "value": "inf"}], ["data", "columns"])
    assert aside["__row__"].to_list() == [3]


def test_custom_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "its_checks.py").write_text(
        "import polars as pl\ndef small(schema, top): return pl.col('n') < top\ndef mean(schema): return pl.col('n').mean() > 100\ndef odd(schema): return 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    rows = {"kind": "custom", "entrypoint": "its_checks:small", "params": {"top": 5}}
    report, _, aside = validate(tmp_path, ROWS, checks=[rows, {"kind": "custom", "entrypoint": "its_checks:mean"}])
    assert [(one["failing"], one["verdict"]) for one in report["checks"][1:]] == [(2, "fail"), (6, "fail")]
    assert aside["__row__"].to_list() == [3, 4, 5]
    with pytest.raises(Problem, match="returned int"):
        validate(tmp_path, ROWS, checks=[{"kind": "custom", "entrypoint": "its_checks:odd"}])


@pytest.mark.parametrize(
    ("mode", "kept", "verdict"),
    [("stop", [0, 1, 2, 3], "fail"), ("quarantine", [0, 1, 2, 3], "warn"), ("warn", [0, 1, 2, 3, 4, 5], "warn")],
)
def test_on_failure(tmp_path: Path, mode: str, kept: list[int], verdict: str) -> None:
    report, data, _ = validate(tmp_path, CLEAN, {"n": {"max": 4}}, on_failure=mode)
    assert data["__row__"].to_list() == kept
    assert report["verdict"] == verdict


@pytest.mark.parametrize("mode", ["stop", "quarantine", "warn"])
def test_rows_without_a_target_are_always_set_aside(tmp_path: Path, mode: str) -> None:
    report, data, aside = validate(tmp_path, CLEAN, on_failure=mode, task=TASK)
    assert (report["verdict"], aside["__row__"].to_list()) == ("warn", [5])
    assert data["y"].null_count() == 0
    report, data, _ = validate(tmp_path, {"y": [None, None], "a": [1, 2]}, on_failure=mode, task=TASK)
    assert (report["verdict"], data.height) == ("fail", 0)


@pytest.mark.parametrize(("mode", "verdict"), [("stop", "fail"), ("quarantine", "fail"), ("warn", "warn")])
def test_a_table_that_fails_as_a_whole_cannot_be_quarantined(tmp_path: Path, mode: str, verdict: str) -> None:
    report, data, _ = validate(tmp_path, CLEAN, on_failure=mode, checks=[{"kind": "row_count", "min": 100}])
    assert (report["verdict"], data.height) == (verdict, 6)


def test_kept_columns_have_their_declared_types_and_the_quarantine_the_original(tmp_path: Path) -> None:
    rows = {"v": ["1", " ", "oops", "3"], "b": ["Yes", "no", "T", "0"], "c": [1.0, 2.0, 2.5, None]}
    declared = {"v": {"type": "number"}, "b": {"type": "boolean"}, "c": {"type": "category"}}
    report, data, aside = validate(tmp_path, rows, declared, on_failure="quarantine")
    assert data.drop("__row__").rows() == [(1.0, True, "1"), (None, False, "2"), (3.0, False, None)]
    assert aside["v"].to_list() == ["oops"]
    _, data, _ = validate(tmp_path, rows, declared, on_failure="warn")
    assert data["v"].to_list() == [1.0, None, None, 3.0]
    assert report["schema"]["v"]["type"] == "number"


def test_a_clean_table_is_passed_on_byte_by_byte(tmp_path: Path) -> None:
    report, _, _ = validate(tmp_path, CLEAN)
    assert report["verdict"] == "pass"
    assert digest(tmp_path / "in") == digest(tmp_path / "data")


def test_the_schema_is_fitted_on_what_is_kept(tmp_path: Path) -> None:
    declared = {"n": {"min": 0, "max": 4}, "word": {"type": "category"}, "id": {"role": "id"}}
    report, _, _ = validate(tmp_path, ROWS, declared, task=TASK, on_failure="quarantine")
    schema = report["schema"]
    expected = {
        "type": "integer",
        "role": "feature",
        "values": None,
        "min": 0,
        "max": 4,
        "nullable": True,
        "fitted": ["nullable"],
    }
    assert schema["n"] == expected
    assert (schema["word"]["values"], schema["word"]["type"]) == (["blue", "red"], "category")
    assert (schema["x"]["min"], schema["x"]["max"]) == (0.5, 2.5)
    assert (schema["id"]["values"], schema["id"]["role"], schema["y"]["role"]) == (None, "id", "target")
    assert "__row__" not in schema


@pytest.mark.parametrize(
    ("columns", "checks", "code", "route"),
    [
        ({"wrod": {}}, [], "unknown-column", ("data", "columns", "wrod")),
        ({"word": {"min": 3}}, [], "bound-of-another-type", ("data", "columns", "word", "min")),
        ({"n": {"max": "five"}}, [], "bound-of-another-type", ("data", "columns", "n", "max")),
        ({"n": {"pattern": "a"}}, [], "pattern-of-another-type", ("data", "columns", "n", "pattern")),
        ({"word": {"pattern": "(?=a)"}}, [], "bad-pattern", ("data", "columns", "word", "pattern")),
        ({"n": {"values": ["red"]}}, [], "values-of-another-type", ("data", "columns", "n", "values")),
        ({}, [{"kind": "missing", "columns": ["nn"]}], "unknown-column", ("data", "checks", 0, "columns", 0)),
        ({}, [{"kind": "range", "columns": ["word"], "min": 1}], "not-a-number", ("data", "checks", 0, "columns", 0)),
        ({}, [{"kind": "expression", "that": "nn > 1"}], "unknown-column", ("data", "checks", 0, "that")),
        ({}, [{"kind": "expression", "that": "word > 1"}], "bad-expression", ("data", "checks", 0, "that")),
        ({}, [{"kind": "nothing"}], "kind-unknown", ("data", "checks", 0, "kind")),
    ],
)
def test_declarations_that_do_not_fit_are_told(tmp_path: Path, columns: Any, checks: Any, code: str, route: Any) -> None:
    with pytest.raises(Problem) as problem:
        validate(tmp_path, ROWS, columns, checks=checks)
    found = problem.value.faults[0]
    assert isinstance(found, Finding)
    assert (found.code, found.route) == (code, route)
    assert found.help


def test_every_check_reads_its_own_dump() -> None:
    """What a spec says (5 %) and what a step's params say (0.05) make the same check."""
    written = {
        "missing": {"max": "5 %"}, "unique": {"columns": ["a"]}, "duplicates": {"max": "1 %"}, "row_count": {"min": 3},
        "range": {"columns": ["a"], "min": 0, "max_failing": "2 %"}, "values": {"columns": ["a"], "values": [1]},
        "expression": {"that": "a > 1", "max_failing": "2 %"}, "custom": {"entrypoint": "a:b", "params": {"k": 1}},
    }  # fmt: skip
    assert set(written) == set(names("mlspec.checks"))
    for kind, fields in written.items():
        member = load("mlspec.checks", kind)
        made = member.model_validate({"kind": kind, **fields})
        assert member.model_validate(made.model_dump(mode="json"), context=PLAIN) == made


FRAME = pl.DataFrame(
    {
        "a": [1, 2, None, -4],
        "b": [1.5, None, 2.5, 0.1],
        "s": ["x", "Y", None, "z z"],
        "d d": [1, 2, 3, 4],
        "k": [True, False, None, True],
    }
)
DATED = FRAME.with_columns(t=pl.Series(["2020-01-01", "2021-06-01", None, "2022-05-05"]).str.to_date())


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("a >= b", [False, None, None, False]),
        ("0 <= a < 2", [True, False, None, False]),
        ("s in ['x', 'Y']", [True, True, None, False]),
        ("s not in ('x',)", [False, True, None, True]),
        ("`d d` > 2", [False, False, True, True]),
        ("t >= '2021-01-01'", [False, True, None, True]),
        ("year(t) == 2020", [True, False, None, False]),
        ("a is None", [False, False, True, False]),
        ("not a > 1", [True, False, None, True]),
        ("abs(a) > 1 and k", [False, False, None, True]),
        ("a in [-1, -4] or lower(s) == 'y'", [False, True, None, True]),
        ("missing(a) or\n a % 2 == 0", [False, True, True, True]),
        ('s == "it\'s `d d`"', [False, False, None, False]),
    ],
)
def test_conditions(text: str, answers: list[bool | None]) -> None:
    assert DATED.select(predicate(text, DATED.schema).alias("r"))["r"].to_list() == answers


@pytest.mark.parametrize(
    "text",
    [
        "", "true", "a", "a + b", "a = 1", "a == 1 AND b == 2", "__import__('os').system('x')", "a.b == 1", "(lambda: 1)() == a", "[x for x in a]",
        "f'{a}' == s", "a == 1; import os", "read_csv('/etc/passwd') == a", "col('a') == 1", "a == 'x'", "s > 3", "zz > 1", "(" * 300 + "a" + ")" * 300,
        "-" * 900 + "a > 1", "a" * 3000 + " > 1", "1 == 1", "a == None", "a is 3", "a in s", "'a' in s", "a == 10 ** 10", "a == 99999999999999999999", "a << 2 > 1",
        "t > 'hello'", "(a := 3) > 1", "b if k else a", "{a} == 1", "a @ b > 1", "... == a", "b'x' == s", "1j == a", "a[0] == 1", "select a from t", "count(*) > 1",
        "`` > 1", "`a", "a > 1 )", "lower(a) == 'x'", "year(s) == 1", "length() > 1", "abs(a, b) > 1", "__column_0__ > 1", "await a", "a == yield",
    ],
)  # fmt: skip
def test_hostile_and_wrong_conditions_are_findings(text: str) -> None:
    with pytest.raises(Problem) as problem:
        predicate(text, DATED.schema, ("data", "checks", 0, "that"))
    found = problem.value.faults[0]
    assert isinstance(found, Finding)
    assert found.route == ("data", "checks", 0, "that")


WORDS = [
    "a",
    "b",
    "s",
    "k",
    "t",
    "`d d`",
    "1",
    "2.5",
    "'x'",
    "(",
    ")",
    "[",
    "]",
    ",",
    "and",
    "or",
    "not",
    "in",
    "is",
    "None",
    "<",
    "==",
    "+",
    "/",
    "%",
    "-",
    ".",
    "=",
    *(f"{name}(" for name in FUNCTIONS),
]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)))
def test_any_text_is_a_boolean_per_row_or_a_problem(text: str) -> None:
    try:
        expr = predicate(text, DATED.schema)
    except Problem:
        return
    answer = DATED.select(expr.alias("r"))["r"]
    assert answer.dtype == pl.Boolean
    assert len(answer) == DATED.height
