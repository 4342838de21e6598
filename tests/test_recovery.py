"""A syntax error does not hide the rest: it is told on its line, its echoes are not, and another fault elsewhere still is."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from mlspec import layers, lint
from mlspec.diagnostic import Diagnostic, Severity
from mlspec.document import parse
from mlspec.recovery import MAX_TEXT
from tests.test_document import BOTH, check, codes

ROOT = Path(__file__).parent.parent
# a line of a list that is lifted out of it (digits) is told at the line before it or after it, and both are right
SPECS = [
    *sorted(one for one in (ROOT / "specs").glob("*.yaml") if one.stem != "digits"),
    ROOT / "tests" / "data" / "spec" / "whole.yaml",
]
SYNTAX = {
    "tab-indent", "unquoted-value", "key-too-long", "unexpected-colon", "missing-colon", "unexpected-dash", "unclosed-quote", "bad-escape",
    "unexpected-question-mark", "missing-comma", "unclosed-bracket", "missing-value", "unexpected-text", "bad-indentation", "yaml-syntax",
    "unsupported-tag",
}  # fmt: skip


# faults, each made on one line


def open_quote(line: str, rng: random.Random) -> str | None:
    """Leave out a closing quote."""
    found = list(re.finditer(r'"[^"]*(")', line))
    return _without(line, rng.choice(found).start(1)) if found else None


def open_bracket(line: str, rng: random.Random) -> str | None:
    """Leave out a closing bracket."""
    found = [at for at, char in enumerate(line) if char in "]}" and line[max(at - 12, 0) : at].count("${") == 0]
    return _without(line, rng.choice(found)) if found and "{" in line + "[" else None


def tab(line: str, rng: random.Random) -> str | None:
    """Indent with a tab."""
    indent = len(line) - len(line.lstrip(" "))
    return "\t" * (indent // 2) + line.lstrip(" ") if indent else None


def indented(line: str, rng: random.Random) -> str | None:
    """Indent by one or three spaces more, or by one less."""
    by = rng.choice([1, 3, -1])
    return line[1:] if by < 0 and line.startswith(" ") else " " * abs(by) + line


def no_colon(line: str, rng: random.Random) -> str | None:
    """Leave out the colon behind the key."""
    found = re.match(r"\s*[\w.]+(:)(?=\s|$)", line)
    return _without(line, found.start(1)) if found else None


def no_space(line: str, rng: random.Random) -> str | None:
    """Leave out the space behind the colon."""
    found = re.match(r"\s*[\w.]+:( )", line)
    return _without(line, found.start(1)) if found else None


def stray(line: str, rng: random.Random) -> str | None:
    """Write something behind a value, or after it."""
    return line + rng.choice([" }", " ]", " : x", "]]", " '", ' "', ": :"])


def second_colon(line: str, rng: random.Random) -> str | None:
    """Write a plain value with a colon in it."""
    found = re.match(r"\s*[\w.]+: \w", line)
    return line[: found.end()] + ": " + line[found.end() :] if found else None


def _without(line: str, at: int) -> str:
    return line[:at] + line[at + 1 :]


FAULTS: list[Callable[[str, random.Random], str | None]] = [
    open_quote, open_bracket, tab, indented, no_colon, no_space, stray, second_colon,
]  # fmt: skip


class Case(NamedTuple):
    fault: str
    file: Path
    text: str
    line: int  # from 1


@cache
def clean(file: Path) -> frozenset[tuple[str, str, str]]:
    """What is told of a spec as it is."""
    return frozenset(told(one) for one in lint.check(file).diagnostics)


def told(one: Diagnostic) -> tuple[str, str, str]:
    return one.finding.code, str(one.finding.route), one.finding.message


def loaded(text: str) -> bool:
    return not any(code in SYNTAX for code in codes(parse(text, "x", mend=False)))


def cases(count: int, seed: int) -> Iterator[Case]:
    """Yield specs with one line that is not YAML."""
    rng = random.Random(seed)
    while count:
        file, fault = rng.choice(SPECS), rng.choice(FAULTS)
        lines = file.read_text(encoding="utf-8").split("\n")
        number = rng.randrange(len(lines))
        if not lines[number].strip() or lines[number].lstrip().startswith("#"):
            continue
        changed = fault(lines[number], rng)
        if changed is None:
            continue
        lines[number] = changed
        text = "\n".join(lines)
        if not loaded(text):  # else it is YAML, and the language's to judge
            count -= 1
            yield Case(fault.__name__, file, text, number + 1)


def judged(case: Case, text: str | None = None) -> tuple[bool, list[Diagnostic]]:
    """Return whether the fault is told on its line, and what is told besides that the spec alone does not have."""
    found = lint.check(case.file, text=text or case.text).diagnostics
    exact = [one for one in found if one.finding.code in SYNTAX and one.span and one.span.line == case.line]
    return bool(exact), [one for one in found if one not in exact[:1] and told(one) not in clean(case.file)]


@pytest.mark.slow
def test_faults_are_told_on_their_line_without_echoes() -> None:
    count, exact, spurious = 400, 0, 0
    for case in cases(count, seed=11):
        right, rest = judged(case)
        exact += right
        spurious += len(rest)
    assert exact / count >= 0.995
    assert spurious / count <= 0.05


def section(lines: list[str], number: int) -> int:
    return max(at for at in range(number + 1) if at == 0 or re.match(r"\w", lines[at]))


@cache
def typos(file: Path) -> tuple[tuple[int, str], ...]:
    """Lines (from 0) with a misspelt key, each of which the language refuses as the only fault of its spec."""
    lines = file.read_text(encoding="utf-8").split("\n")
    found = []
    for number, line in enumerate(lines):
        if re.match(r"  \w+: ?", line):
            wrong = re.sub(r"^  (\w+):", r"  \1zz:", line)
            text = "\n".join([*lines[:number], wrong, *lines[number + 1 :]])
            if any(
                one.finding.code == "unknown-key" and "zz" in one.finding.message
                for one in lint.check(file, text=text).diagnostics
            ):
                found.append((number, wrong))
    return tuple(found)


@pytest.mark.slow
def test_another_fault_elsewhere_is_still_told() -> None:
    rng = random.Random(3)
    count = 0
    for case in cases(200, seed=12):
        lines = case.text.split("\n")
        elsewhere = [one for one in typos(case.file) if section(lines, one[0]) != section(lines, case.line - 1)]
        if not elsewhere:
            continue
        number, wrong = rng.choice(elsewhere)
        lines[number] = wrong
        found = lint.check(case.file, text="\n".join(lines)).diagnostics
        assert any(one.finding.code == "unknown-key" and one.span and one.span.line == number + 1 for one in found), (
            case,
            number,
        )
        count += 1
    assert count > 150


@pytest.mark.slow
def test_two_syntax_faults_are_told_each_on_its_line() -> None:
    rng = random.Random(4)
    both = total = 0
    for case in cases(150, seed=13):
        lines = case.text.split("\n")
        number = rng.randrange(len(lines))
        changed = no_colon(lines[number], rng) if abs(number + 1 - case.line) > 6 else None
        if changed is None or section(lines, number) == section(lines, case.line - 1):
            continue
        alone = case.file.read_text(encoding="utf-8").split("\n")
        alone[number] = changed
        if not loaded("\n".join(alone)):
            lines[number] = changed
            told_at = {one.span.line for one in parse("\n".join(lines), "x").problems if one.span}
            both += {case.line, number + 1} <= told_at
            total += 1
    assert total > 20
    assert both / total >= 0.9


# by hand


@BOTH
@pytest.mark.parametrize(
    ("text", "data", "damaged", "told_at"),
    [
        ('a: 1\nb: "x\nc: 3\n', {"a": 1, "b": None, "c": 3}, (("b",),), [(2, "unclosed-quote")]),
        ('a: "x\nb: "y"\nc: 3\n', {"a": None, "b": "y", "c": 3}, (("a",),), [(1, "unclosed-quote")]),
        ("a:\n  b: [1, 2\n  c: 3\nd: 4\n", {"a": {"b": None, "c": 3}, "d": 4}, (("a", "b"),), [(2, "unclosed-bracket")]),
        ("a:\n  b: 1\n   c: 3\n  d: 4\n", {"a": {"b": 1, "d": 4}}, None, [(3, "unexpected-colon")]),
        ("a:\n b: 1\n  c: 3\n  d: 4\n", {"a": {"c": 3, "d": 4}}, None, [(2, "bad-indentation")]),
        ("a: {b: 1}\n\n  c:\n    d: 4\n", {"a": {"c": {"d": 4}}}, (("a",),), [(3, "bad-indentation")]),
        ("a:\n  - x: 1\n    y: 2\n  - x: [\n    y: 3\n", {"a": [{"x": 1, "y": 2}, {"x": None, "y": 3}]}, (("a", 1, "x"),), [(4, "unclosed-bracket")]),
        ("a\n  b: 1\nc: 2\n", {"c": 2}, ((), ("a",)), [(1, "missing-colon")]),
        ("a: 1\nb: ]\nc: }\nd: 4\n", {"a": 1, "b": None, "c": None, "d": 4}, (("b",), ("c",)), [(2, "missing-value"), (3, "missing-value")]),
        ("a: &x\n  b: [1\nc: *x\n", {"a": {"b": None}, "c": {"b": None}}, (("a", "b"), ("c", "b")), [(2, "unclosed-bracket")]),
        ("a: &x [1\nc: *x\n", {"a": None, "c": None}, (("a",),), [(1, "unclosed-bracket")]),
        ("a: 1\n\tb: 2\nc: 3", {"a": 1, "c": 3}, None, [(2, "tab-indent")]),
    ],
)  # fmt: skip
def test_what_remains(
    text: str, data: object, damaged: tuple[object, ...] | None, told_at: list[tuple[int, str]], pure: bool
) -> None:
    for breaks in ("\n", "\r\n"):
        document = parse(text.replace("\n", breaks), "x", pure=pure)
        assert document.data == data
        if damaged is not None:
            assert set(document.damaged) == set(damaged)
        else:
            assert document.damaged
        assert [(one.span.line, one.finding.code) for one in document.problems if one.span] == told_at
        check(document)


@BOTH
def test_recovery_is_bounded(pure: bool) -> None:
    document = parse("".join(f"k{number}: ]\n" for number in range(60)), "x", pure=pure)
    assert 5 <= len(document.problems) <= 14
    check(document)
    large = "a: 1\nb: [1\nc: 3\n" + "d: 4 # comment\n".replace("d", "x" * 50) * (MAX_TEXT // 60)
    document = parse(large, "x", pure=pure)
    assert codes(document)[0] == "unclosed-bracket"
    assert document.data["a"] == 1
    assert () in document.damaged


def test_damage_of_layers(tmp_path: Path) -> None:
    """What a file that is extended, or an overlay, has lost is not missed in the merged spec."""
    base = (Path(__file__).parent / "data" / "rules" / "base.yaml").read_text(encoding="utf-8")
    (tmp_path / "base.yaml").write_text(base.replace("task: {", "task: ["), encoding="utf-8")
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "extends: base.yaml\nenvironments:\n  prod:\n    splits: {seed: [1}\n    training: {seeed: 1}\n", encoding="utf-8"
    )
    layered = layers.load(spec, env="prod")
    assert ("task",) in layered.damaged
    assert ("splits",) in layered.damaged
    errors = [one.finding.code for one in lint.check(spec, env="prod").diagnostics if one.finding.severity is Severity.ERROR]
    assert sorted(set(errors) - SYNTAX) == ["unknown-key"]
    assert len(errors) == 3
    spec.write_text("extends: 'base.yaml\nsplits: {sed: 1}\n", encoding="utf-8")
    errors = [one.finding.code for one in lint.check(spec).diagnostics if one.finding.severity is Severity.ERROR]
    assert errors == ["unclosed-quote", "unknown-key"]


@pytest.mark.parametrize("text", ["[1, 2", "]", "a", "'", "\t", "- a\nb: [", "{", "!!python/object:os.system x", '"', "mlspec 1"])
def test_a_text_that_is_no_spec_at_all_is_one_fault(text: str, tmp_path: Path) -> None:
    found = lint.check(tmp_path / "x.yaml", text=text).diagnostics
    assert [one.finding.code for one in found if one.finding.code in ("missing-key", "wrong-type")] == []
    assert 1 <= len(found) <= 2
