"""A baseline knows its findings again when lines move, and says which are gone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec import baseline
from mlspec.diagnostic import Diagnostic, Finding, Problem, Route, Severity, Span

RULE = "unique-column-as-feature"


def diagnostic(
    message: str = "`a` is unique", line: int = 3, route: Route = ("data", "columns", "a"), code: str = RULE, file: str = "s.yaml"
) -> Diagnostic:
    return Diagnostic(Finding(code, message, route, Severity.WARNING), file, Span(line, 1, line, 2))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def agreed(home: Path, found: list[Diagnostic]) -> baseline.Baseline:
    path = home / "base.json"
    path.write_text(baseline.written(found, path), encoding="utf-8")
    return baseline.read(path)


def test_what_it_holds_is_left_out(home: Path) -> None:
    known = agreed(home, [diagnostic(), diagnostic(route=("data", "columns", "b"))])
    assert baseline.settle([diagnostic()], known, ["s.yaml"])[0] == []
    fresh = diagnostic(route=("data", "columns", "c"))
    assert baseline.settle([diagnostic(), fresh], known, ["s.yaml"])[0] == [fresh]


@pytest.mark.parametrize(
    ("moved", "same"),
    [
        (diagnostic(line=99), True),
        (diagnostic(message="`a`  is\nunique"), True),
        (diagnostic(message="`a` is unique 3 times", line=4), False),
        (diagnostic(route=("data", "columns", "b")), False),
        (diagnostic(code="id-as-feature"), False),
        (diagnostic(file="other.yaml"), False),
        (diagnostic(file="./s.yaml"), True),
    ],
)
def test_what_it_is_known_by(home: Path, moved: Diagnostic, same: bool) -> None:
    known = agreed(home, [diagnostic()])
    assert (baseline.settle([moved], known, [])[0] == []) is same


def test_numbers_and_places_in_lists_do_not_count(home: Path) -> None:
    old = diagnostic("312 of 1,000 rows", route=("features", 2, "kind"))
    new = diagnostic("340 of 1,024 rows", route=("features", 5, "kind"))
    assert baseline.settle([new], agreed(home, [old]), [])[0] == []


def test_it_counts(home: Path) -> None:
    one, two, three = (diagnostic(route=("features", number)) for number in range(3))
    known = agreed(home, [one, two])
    assert list(known.counts.values()) == [2]
    assert baseline.settle([one, two, three], known, [])[0] == [three]
    (gone,) = baseline.settle([one], known, ["s.yaml"])[1]
    assert gone.finding.severity is Severity.INFO
    assert gone.finding.message == f"{RULE} is no longer found in s.yaml at `features[]`"


def test_what_is_gone_is_told_of_the_files_looked_at(home: Path) -> None:
    known = agreed(home, [diagnostic(), diagnostic(file="t.yaml")])
    (gone,) = baseline.settle([], known, ["t.yaml"])[1]
    assert "t.yaml" in gone.finding.message
    assert gone.file == str(home / "base.json")
    assert gone.span is not None
    assert '"t.yaml"' in (home / "base.json").read_text(encoding="utf-8").splitlines()[gone.span.line - 1]


def test_writing_anew_drops_what_is_gone_and_keeps_other_files(home: Path) -> None:
    known = agreed(home, [diagnostic(), diagnostic(route=("x",)), diagnostic(file="t.yaml")])
    text = baseline.written([diagnostic()], known.path, known, ["s.yaml"])
    assert [(entry["file"], entry["route"]) for entry in json.loads(text)["entries"]] == [
        ("s.yaml", "data.columns.a"),
        ("t.yaml", "data.columns.a"),
    ]


def test_the_file_is_sorted_and_stable(home: Path) -> None:
    found = [diagnostic(file=name, route=(key,)) for name in "ba" for key in "zy"]
    text = baseline.written(found, home / "b.json")
    assert text == baseline.written(found[::-1], home / "b.json")
    assert [(entry["file"], entry["route"]) for entry in json.loads(text)["entries"]] == [
        ("a", "y"),
        ("a", "z"),
        ("b", "y"),
        ("b", "z"),
    ]
    assert json.loads(baseline.written([], home / "b.json")) == {"mlspec-baseline": 1, "entries": []}


def test_it_is_found_from_any_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = agreed(home, [diagnostic(file="specs/s.yaml")])
    (home / "specs").mkdir()
    monkeypatch.chdir(home / "specs")
    known = replace(known, path=Path("../base.json"))
    assert baseline.settle([diagnostic(file="s.yaml")], known, [])[0] == []


def test_one_cannot_live_with_an_error_of_the_language(home: Path) -> None:
    error = Diagnostic(Finding("unknown-key", "no key `a`", ("a",)), "s.yaml", Span(1, 1, 1, 2))
    assert json.loads(baseline.written([error], home / "b.json"))["entries"] == []
    entry = baseline.key(error, home)
    known = baseline.Baseline(home / "b.json", Counter({entry: 1}), {entry: 1})
    assert baseline.settle([error], known, [])[0] == [error]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"mlspec-baseline": 2, "entries": []}',
        '{"mlspec-baseline": 1, "entries": [{}]}',
        '{"mlspec-baseline": 1, "entries": [1]}',
        "[" * 100_000,
        "\x00",
    ],
)
def test_what_is_no_baseline(home: Path, text: str) -> None:
    path = home / "b.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Problem, match="bad-baseline"):
        baseline.read(path)
    with pytest.raises(Problem, match="bad-baseline"):
        baseline.read(home / "missing.json")


TEXT = st.text(st.characters(), max_size=12)


@given(
    st.lists(st.builds(lambda message, key, line: diagnostic(message, line, (key,)), TEXT, TEXT, st.integers(1, 9)), max_size=8)
)
@settings(max_examples=100, deadline=None)
def test_fingerprints_are_unique_and_stay(found: list[Diagnostic]) -> None:
    prints = baseline.fingerprints(found, Path())
    assert len(set(prints)) == len(found)
    moved = [replace(one, span=Span(77, 1, 77, 2)) for one in found]
    assert baseline.fingerprints(moved, Path()) == prints
