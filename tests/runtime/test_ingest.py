"""Ingest: types, gaps, faults of files, joins and unions, and the profile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlspec import runtime
from mlspec.diagnostic import Finding, Problem
from mlspec.runtime.artifact import read_json

TYPED = "id,n,x,flag,day,at,word\n" + "".join(
    f"c{i},{i},{i}.5,{'true' if i % 2 else 'false'},2024-01-{i + 1:02d},2024-01-01T10:00:{i:02d},w{i % 3}\n" for i in range(9)
)


def ingest(folder: Path, sources: dict[str, Any], columns: dict[str, Any] | None = None, **more: Any) -> tuple[pl.DataFrame, Any]:
    params = {"sources": sources, "columns": columns or {}, "join": [], "union": None, "data_root": str(folder), **more}
    out = folder / "out"
    runtime.run("ingest", outputs={"data": out / "data", "profile": out / "profile"}, params=params)
    return pl.read_parquet(out / "data"), read_json(out / "profile")


def csv(folder: Path, text: str | bytes, name: str = "t.csv", **more: Any) -> dict[str, Any]:
    content = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(content)
    return {"t": {"kind": "csv", "path": [name], **more}}


def fault(problem: pytest.ExceptionInfo[Problem]) -> Finding:
    found = problem.value.faults[0]
    assert isinstance(found, Finding)
    assert found.help, "every fault says what to do"
    return found


def column(profile: Any, name: str) -> Any:
    return next(one for one in profile["columns"] if one["name"] == name)


def test_types_are_told_from_the_texts(tmp_path: Path) -> None:
    data, profile = ingest(tmp_path, csv(tmp_path, TYPED))
    held = [pl.UInt64, pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Date, pl.Datetime("us"), pl.String]
    assert list(data.schema.values()) == held
    assert data["__row__"].to_list() == list(range(9))
    assert [one["type"] for one in profile["columns"]] == [
        "category",
        "integer",
        "number",
        "boolean",
        "date",
        "datetime",
        "category",
    ]


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", " ", "3"], pl.Int64, [1, None, 3]),
        (["1", "   ", "3"], pl.Int64, [1, None, 3]),
        (["1", "", "2.5"], pl.Float64, [1.0, None, 2.5]),
        (["1", "nan", "2.5"], pl.Float64, [1.0, None, 2.5]),
        (["007", "1", "2"], pl.String, ["007", "1", "2"]),
        (["12345678901234567890", "1", "2"], pl.String, ["12345678901234567890", "1", "2"]),
        (["TRUE", "false", "True"], pl.Boolean, [True, False, True]),
        (["Yes", "No", " "], pl.String, ["Yes", "No", None]),
        (["2024-01-01", "2024-13-01", "x"], pl.String, ["2024-01-01", "2024-13-01", "x"]),
    ],
)
def test_each_kind_of_cell(tmp_path: Path, cells: list[str], dtype: Any, values: list[Any]) -> None:
    data, _ = ingest(tmp_path, csv(tmp_path, "k,v\n" + "".join(f"a,{cell}\n" for cell in cells)))
    assert data["v"].dtype == dtype
    assert data["v"].to_list() == values


def test_a_late_contradiction_changes_the_type_and_loses_nothing(tmp_path: Path) -> None:
    cells = [str(i) for i in range(10_500)] + ["2.5"]
    data, _ = ingest(tmp_path, csv(tmp_path, "k,v\n" + "".join(f"a,{cell}\n" for cell in cells)))
    assert data["v"].dtype == pl.Float64
    assert data["v"][-1] == 2.5
    late = [""] * 10_500 + ["7", "8"]
    data, _ = ingest(tmp_path, csv(tmp_path, "k,v\n" + "".join(f"a,{cell}\n" for cell in late)))
    assert data["v"].dtype == pl.Int64, "a column whose first ten thousand cells are empty is read to its end"


def test_a_declared_number_with_words_in_it_stays_text(tmp_path: Path) -> None:
    text = "k,v,w\n" + "a,1,1\n" * 10_200 + "b,oops,2\n"
    data, profile = ingest(tmp_path, csv(tmp_path, text), {"v": {"type": "number"}, "w": {"type": "integer"}})
    assert data["v"].dtype == pl.String
    assert data["v"][-1] == "oops"
    assert data["w"].dtype == pl.Int64
    _, profile = ingest(tmp_path, csv(tmp_path, text))
    assert "'oops'" in column(profile, "v")["note"]


@pytest.mark.parametrize(
    ("more", "text", "names", "row"),
    [
        ({"separator": ";", "decimal_comma": True}, "a;b\n1,5;x\n2,5;y\n", ["a", "b"], (1.5, "x")),
        ({"separator": "\t", "header": False, "names": ["a", "b"], "quote_char": None}, '1\t"x\n2\ty\n', ["a", "b"], (1, '"x')),
        ({"header": False}, "1,x\n2,y\n", ["column_1", "column_2"], (1, "x")),
        ({"comment": "#"}, "# said\na,b\n1,x\n# more\n2,y\n", ["a", "b"], (1, "x")),
        ({"null_values": ["NA", "?"]}, "a,b\n1,?\nNA,y\n", ["a", "b"], (1, None)),
        ({}, "\ufeffa,b\n1,x\n\n2,y\n\n", ["a", "b"], (1, "x")),
        ({}, 'a,b\n1,"x,\nz"\n2,\n', ["a", "b"], (1, "x,\nz")),
        ({"encoding": "utf8-lossy"}, b"a,b\n1,caf\xe9\n2,y\n", ["a", "b"], (1, "caf\ufffd")),
    ],
)
def test_dialects(tmp_path: Path, more: dict[str, Any], text: str | bytes, names: list[str], row: tuple[Any, ...]) -> None:
    data, _ = ingest(tmp_path, csv(tmp_path, text, **more))
    assert data.columns == ["__row__", *names]
    assert data.row(0)[1:] == row
    assert data.height == 2


@pytest.mark.parametrize(
    ("text", "more", "code", "key", "told"),
    [
        ("", {}, "empty-file", "path", "t.csv"),
        ("a,b\n", {}, "no-rows", None, ""),
        ("a,a,b\n1,2,3\n", {}, "bad-header", "path", "a twice"),
        (",a\n1,2\n", {}, "bad-header", "path", "no name"),
        ("a;b\n1;2\n", {}, "wrong-separator", "separator", "a semicolon"),
        ("a,b,c\n1,2,3\n4,5\n7,8,9\n", {}, "ragged-row", "path", "row 3 of `t.csv` has 2 cells"),
        ("a,b\n1,2\n4,5,6\n", {}, "ragged-row", "path", "row 3 of `t.csv` has 3 cells"),
        ('a,b\n1,"x,y"\n"4"\n', {}, "ragged-row", "path", "row 3 of `t.csv` has 1 cells"),
        (b"PK\x03\x04\x00\x00", {}, "not-text", "path", "ZIP"),
        (b"a,b\n\x00\x01,2\n", {}, "not-text", "path", "binary"),
        (b"a,b\n1,caf\xe9\n", {}, "bad-encoding", "encoding", "line 2"),
        ("a,b\n1,2\n", {"names": ["x", "y"]}, "wrong-names", "names", "header"),
        ("1,2\n", {"names": ["x"], "header": False}, "wrong-names", "names", "1 columns"),
        ("a,__row__\n1,2\n", {}, "reserved-name", "path", "__row__"),
    ],
)
def test_faulty_files_are_told(
    tmp_path: Path, text: str | bytes, more: dict[str, Any], code: str, key: str | None, told: str
) -> None:
    with pytest.raises(Problem) as problem:
        ingest(tmp_path, csv(tmp_path, text, **more))
    found = fault(problem)
    assert found.code == code
    assert told in found.message
    assert found.route == (("data", "sources", "t", key) if key else ("data", "sources"))


def test_a_missing_file_and_a_missing_column_suggest_the_right_name(tmp_path: Path) -> None:
    sources = csv(tmp_path, TYPED, "customers.csv")
    with pytest.raises(Problem) as problem:
        ingest(tmp_path, {"t": {"kind": "csv", "path": ["custmers.csv"]}})
    assert fault(problem).help == "did you mean `customers.csv`?"
    with pytest.raises(Problem) as problem:
        ingest(tmp_path, sources, {"word": {}, "flg": {}})
    assert (fault(problem).help, fault(problem).route) == ("did you mean `flag`?", ("data", "columns", "flg"))


def test_a_kind_that_nothing_reads_yet_is_told(tmp_path: Path) -> None:
    with pytest.raises(Problem) as problem:
        ingest(tmp_path, {"t": {"kind": "json_lines", "path": "x"}})
    assert fault(problem).code == "not-realised"


def test_parquet_types_are_brought_in_line(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": pl.Series([1, 2], dtype=pl.Int8), "b": [1.0, float("nan")], "c": ["1", "x"], "d": ["1", "0"]})
    frame.with_columns(e=pl.Series(["u", "v"], dtype=pl.Categorical)).write_parquet(tmp_path / "p")
    declared = {"c": {"type": "number"}, "d": {"type": "boolean"}}
    data, _ = ingest(tmp_path, {"t": {"kind": "parquet", "path": "p"}}, declared)
    assert data["a"].dtype == pl.Int64
    assert data["b"].to_list() == [1.0, None]
    assert data["c"].to_list() == ["1", "x"], "what is no number is kept for validate to show"
    assert data["d"].to_list() == [True, False]
    assert data["e"].dtype == pl.String


def test_nested_columns_and_other_files_are_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": [{"b": 1}, {"b": 2}]}).write_parquet(tmp_path / "p")
    with pytest.raises(Problem) as problem:
        ingest(tmp_path, {"t": {"kind": "parquet", "path": "p"}})
    assert fault(problem).code == "nested-column"
    (tmp_path / "q").write_text("a,b\n")
    with pytest.raises(Problem) as problem:
        ingest(tmp_path, {"t": {"kind": "parquet", "path": "q"}})
    assert fault(problem).code == "not-parquet"


@pytest.mark.parametrize(("name", "rows", "columns"), [("iris", 150, 5), ("diabetes", 442, 11), ("wine", 178, 14)])
def test_bundled_data(tmp_path: Path, name: str, rows: int, columns: int) -> None:
    data, _ = ingest(tmp_path, {"t": {"kind": "sklearn", "dataset": name}})
    assert data.shape == (rows, columns + 1)
    assert data["target"].dtype == (pl.Float64 if name == "diabetes" else pl.String)


def test_custom_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import polars as pl\ndef table(root, size):\n    return pl.LazyFrame({'a': range(size)})\ndef odd(root):\n    return 3\n"
    )
    (tmp_path / "its_source.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    data, profile = ingest(tmp_path, {"t": {"kind": "custom", "entrypoint": "its_source:table", "params": {"size": 4}}})
    assert data["a"].to_list() == [0, 1, 2, 3]
    assert len(profile["sources"][0]["sha256"]) == 64
    with pytest.raises(Problem) as problem:
        ingest(tmp_path, {"t": {"kind": "custom", "entrypoint": "its_source:odd"}})
    assert fault(problem).code == "not-a-table"


def two(folder: Path, left: str, right: str) -> dict[str, Any]:
    (folder / "l.csv").write_text(left)
    (folder / "r.csv").write_text(right)
    return {"l": {"kind": "csv", "path": "l.csv"}, "r": {"kind": "csv", "path": "r.csv"}}


@pytest.mark.parametrize(
    ("how", "rows"),
    [
        ("left", [(1, "a", 10), (2, "b", None), (1, "c", 10)]),
        ("inner", [(1, "a", 10), (1, "c", 10)]),
        ("full", [(1, "a", 10), (2, "b", None), (1, "c", 10), (3, None, 30)]),
        ("semi", [(1, "a"), (1, "c")]),
        ("anti", [(2, "b")]),
    ],
)
def test_joins(tmp_path: Path, how: str, rows: list[Any]) -> None:
    sources = two(tmp_path, "k,v\n1,a\n2,b\n1,c\n", "k,w\n1,10\n3,30\n")
    data, profile = ingest(tmp_path, sources, join=[{"left": "l", "right": "r", "on": ["k"], "how": how}])
    assert data.drop("__row__").rows() == rows
    assert [one["rows"] for one in profile["sources"]] == [3, 2]


@pytest.mark.parametrize(
    ("left", "right", "join", "code", "told"),
    [
        ("k,v\n1,a\n2,b\n", "k,w\n1,10\n1,11\n1,12\n", {}, "join-multiplies-rows", "would gain 2 rows"),
        ("k,v\n1,a\n", "k,v\n1,10\n", {}, "join-column-twice", "v is a column of both"),
        ("k,v\n1,a\n", "k,w\nx,10\n", {}, "join-types-differ", "integer in l and string in r"),
        ("k,v\n1,a\n", "kk,w\n1,10\n", {}, "unknown-column", "r has no column `k`"),
        ("k,v\n1,a\n", "k,w\n1,10\n", {"left": "r", "right": "r"}, "sources-not-combined", "how l belongs"),
    ],
)
def test_joins_that_would_go_wrong(tmp_path: Path, left: str, right: str, join: dict[str, Any], code: str, told: str) -> None:
    with pytest.raises(Problem) as problem:
        ingest(tmp_path, two(tmp_path, left, right), join=[{"left": "l", "right": "r", "on": ["k"], "how": "left", **join}])
    assert fault(problem).code == code
    assert told in fault(problem).message


def test_repeated_keys_that_meet_nothing_are_harmless(tmp_path: Path) -> None:
    sources = two(tmp_path, "k,v\n1,a\n", "k,w\n1,10\n9,1\n9,2\n,3\n,4\n")
    data, _ = ingest(tmp_path, sources, join=[{"left": "l", "right": "r", "on": ["k"], "how": "left"}])
    assert data.height == 1


def test_union(tmp_path: Path) -> None:
    sources = two(tmp_path, "a,b\n1,x\n", "b,a\ny,2.5\n")
    data, _ = ingest(tmp_path, sources, union={"source_column": "from"})
    assert data.drop("__row__").rows() == [(1.0, "x", "l"), (2.5, "y", "r")]
    with pytest.raises(Problem) as problem:
        ingest(tmp_path, two(tmp_path, "a,b\n1,x\n", "a,c\n1,x\n"), union={"source_column": None})
    assert fault(problem).code == "union-columns-differ"


def test_several_files_are_one_table(tmp_path: Path) -> None:
    for number in (2, 1):
        (tmp_path / f"part-{number}.csv").write_text(f"a,b\n{number},x\n")
    data, profile = ingest(tmp_path, {"t": {"kind": "csv", "path": "part-*.csv"}})
    assert data["a"].to_list() == [1, 2]
    assert profile["sources"][0]["bytes"] == 16
    (tmp_path / "part-3.csv").write_text("a,c\n3,x\n")
    with pytest.raises(Problem) as problem:
        ingest(tmp_path, {"t": {"kind": "csv", "path": "part-*.csv"}})
    assert fault(problem).code == "headers-differ"


def test_profile_agrees_with_polars(tmp_path: Path) -> None:
    text = "x,word,mail\n" + "".join(f"{i * i % 97 / 4},w{i % 13},m{i}@x\n" for i in range(500)) + ",,\n1,,z\n"
    data, profile = ingest(tmp_path, csv(tmp_path, text), {"mail": {"pii": True, "role": "ignore"}})
    x, one = data["x"], column(profile, "x")
    assert profile["rows"] == data.height == 501
    assert (one["missing"], one["distinct"], one["min"], one["max"]) == (0, x.n_unique(), x.min(), x.max())
    assert one["mean"] == pytest.approx(x.mean(), rel=1e-8)
    assert one["std"] == pytest.approx(x.std(), rel=1e-8)
    assert one["median"] == pytest.approx(x.median())
    edges, counts = one["histogram"]["edges"], one["histogram"]["counts"]
    assert len(counts) == 20
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        assert count == ((x >= low) & ((x < high) | (high == edges[-1]))).sum()
    word = column(profile, "word")
    assert (word["missing"], word["distinct"], word["type"]) == (1, 13, "category")
    assert word["top"] == [
        list(row)
        for row in data["word"].drop_nulls().value_counts().sort(["count", "word"], descending=[True, False]).head(10).rows()
    ]
    mail = column(profile, "mail")
    assert (mail["top"], mail["role"], mail["distinct"]) == (None, "ignore", 501)


def test_profile_of_columns_without_a_shape(tmp_path: Path) -> None:
    _, profile = ingest(tmp_path, csv(tmp_path, "k,same,none,inf\na,3,,1\nb,3,,inf\n"))
    assert column(profile, "same")["histogram"] == {"edges": [3.0, 3.0], "counts": [2]}
    assert column(profile, "none")["distinct"] == 0
    assert (column(profile, "inf")["max"], column(profile, "inf")["histogram"]) == (None, None)
    json.dumps(profile, allow_nan=False)


def test_large_tables_say_what_is_estimated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlspec.runtime import profiling

    monkeypatch.setattr(profiling, "EXACT_ROWS", 1000)
    monkeypatch.setattr(profiling, "_LISTED", 50)
    text = "k,x,word\n" + "".join(f"c{i},{(i * 7919) % 5000},w{i % 7}\n" for i in range(5000))
    _, profile = ingest(tmp_path, csv(tmp_path, text))
    x = column(profile, "x")
    assert x["estimated"] == ["distinct", "histogram", "median"]
    assert x["distinct"] == pytest.approx(5000, rel=0.05)
    assert x["median"] == pytest.approx(2500, rel=0.1)
    assert sum(x["histogram"]["counts"]) == 1000
    assert column(profile, "k")["estimated"] == ["distinct"]
    assert "estimated" not in column(profile, "word")


def test_the_bytes_do_not_depend_on_the_threads(tmp_path: Path) -> None:
    csv(tmp_path, "k,x,word\n" + "".join(f"c{i},{i / 7},w{i % 7}\n" for i in range(60_000)))
    script = (
        "import sys; from mlspec import runtime; from mlspec.runtime.artifact import digest; from pathlib import Path\n"
        "o = Path(sys.argv[1]) / sys.argv[2]\n"
        "p = {'sources': {'t': {'kind': 'csv', 'path': 't.csv'}}, 'columns': {}, 'join': [], 'union': None, 'data_root': sys.argv[1]}\n"
        "runtime.run('ingest', outputs={'data': o / 'd', 'profile': o / 'p'}, params=p); print(digest(o))"
    )
    found = set()
    for threads in ("1", "3"):
        environment = {**os.environ, "POLARS_MAX_THREADS": threads}
        command = [sys.executable, "-c", script, str(tmp_path), threads]
        found.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(found) == 1
