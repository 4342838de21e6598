"""A thousand single faults: each is told at its line and column, typing errors with the right word, and hardly anything beside."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from mlspec import lint
from mlspec.amend import amended
from mlspec.diagnostic import Diagnostic, Fix, Severity
from tests.faulty import SORTS, TYPED, Fault, generated

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SAME = (
    "wine-by-colour",
    "digits",
)  # its data section is that of wine-quality; its exports are a list that a fault lifts out of line
FILES = [
    *sorted(path for path in (ROOT / "specs").glob("*.yaml") if path.stem not in SAME),
    ROOT / "tests" / "data" / "spec" / "whole.yaml",
]
MOST = {"key": 280, "word": 140, "kind": 80, "metric": 70, "column": 80, "reference": 60, "type": 110, "dangling": 40}
MOST |= {"duplicate": 70, "unit": 80, "range": 60, "indent": 80, "missing": 70}
SEED = 3


@dataclass(frozen=True)
class Told:
    """What lint said of one fault, beyond what it says of the good spec."""

    fault: Fault
    new: list[Diagnostic]

    @property
    def at_place(self) -> list[Diagnostic]:
        """What is told at the fault's place."""
        place = (self.fault.line, self.fault.column)
        told = [one for one in self.new if one.span and one.finding.severity != Severity.INFO]
        return [one for one in told if one.span and (one.span.line, one.span.column) == place]

    @property
    def suggested(self) -> str | None:
        """The word that is suggested first."""
        for one in self.at_place:
            if found := re.search(r"did you mean `([^`]+)`", one.finding.help):
                return found[1]
        return None

    @property
    def fixes(self) -> Iterator[Fix]:
        yield from (one.finding.fix for one in self.at_place if one.finding.fix is not None)


def identity(one: Diagnostic) -> tuple[object, ...]:
    return one.finding.code, one.finding.message, one.finding.route


@cache
def before(file: Path) -> frozenset[tuple[object, ...]]:
    return frozenset(map(identity, lint.check(file).diagnostics))


@pytest.fixture(scope="module")
def told() -> list[Told]:
    faults, _ = generated(FILES, MOST, SEED)
    found = []
    for fault in faults:
        opened = lint.check(fault.file, text=fault.text)
        found.append(Told(fault, [one for one in opened.diagnostics if identity(one) not in before(fault.file)]))
    return found


def table(told: list[Told]) -> str:
    """Count by sort of fault: how many there are, are told where they are, have the right word first, and what is told beside."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for one in told:
        row = rows[one.fault.sort]
        row["all"] += 1
        row["placed"] += bool(one.at_place)
        row["right"] += one.suggested == one.fault.right
        row["beside"] += max(len(one.new) - 1, 0)
    lines = [f"{'sort':12}{'faults':>8}{'placed':>8}{'right':>8}{'beside':>8}"]
    for sort in SORTS:
        row = rows[sort]
        right = str(row["right"]) if sort in TYPED else "-"
        lines.append(f"{sort:12}{row['all']:>8}{row['placed']:>8}{right:>8}{row['beside']:>8}")
    return "\n".join(lines)


def shown(one: Told) -> str:
    name, what = one.fault.file.name, one.fault.what
    return f"{name}:{one.fault.line}:{one.fault.column} {one.fault.sort} {what}\n    " + "\n    ".join(
        str(new) for new in one.new
    )


def test_there_are_a_thousand(told: list[Told]) -> None:
    faults = [one.fault for one in told]
    assert len(faults) >= 1000
    assert len({one.text for one in faults}) > 0.95 * len(faults)
    assert {one.sort for one in faults} == set(SORTS)
    again, discarded = generated(FILES, MOST, SEED)
    assert again == faults, "the generator depends on its seed alone"
    print(table(told), f"\ndiscarded, for they are no faults: {dict(discarded)}")


def test_each_is_told_where_it_is(told: list[Told]) -> None:
    lost = [one for one in told if not one.at_place]
    assert not lost, table(told) + "\n" + "\n".join(map(shown, lost[:40]))


def test_typing_errors_have_the_right_word_first(told: list[Told]) -> None:
    typed = [one for one in told if one.fault.right is not None]
    wrong = [one for one in typed if one.suggested != one.fault.right]
    assert len(wrong) <= 0.03 * len(typed), table(told) + f"\n{len(wrong)} of {len(typed)}\n" + "\n".join(map(shown, wrong[:60]))


def writes(fix: Fix, word: str | None) -> bool:
    """Whether a fix writes a word, perhaps as a part of a value such as a condition."""
    return bool(re.search(rf"(?<!\w){re.escape(word or '')}(?!\w)", str(fix.changes[0].value)))


def test_fixes_write_the_right_word(told: list[Told]) -> None:
    """A fix that is called safe is never wrong; one that is not so called hardly ever."""
    typed = [(one, fix) for one in told if one.fault.right is not None for fix in one.fixes]
    wrong = [(one, fix) for one, fix in typed if not writes(fix, one.fault.right)]
    assert len(typed) > 500
    assert not [shown(one) for one, fix in wrong if fix.safe]
    assert len(wrong) <= 0.01 * len(typed), "\n".join(shown(one) for one, _ in wrong)


def test_hardly_anything_is_told_beside(told: list[Told]) -> None:
    beside = sum(max(len(one.new) - 1, 0) for one in told)
    worst = sorted(told, key=lambda one: -len(one.new))[:25]
    assert beside <= 0.3 * len(told), table(told) + f"\n{beside / len(told):.2f} a fault\n" + "\n".join(map(shown, worst))


def test_a_fix_gives_the_good_spec_back(told: list[Told]) -> None:
    """What a typing error has cost is put back byte for byte, wherever there is a fix."""
    typed = [(one, fix) for one in told if one.fault.right is not None for fix in one.fixes]
    for one, fix in typed[:: max(len(typed) // 150, 1)]:
        mended = amended(one.fault.text, fix.changes)
        assert mended == one.fault.file.read_text(encoding="utf-8") or (
            one.fault.sort == "word" and lint_is_clean(one, mended)
        ), shown(one)


def lint_is_clean(one: Told, text: str) -> bool:
    """Whether a mended spec has no finding that the good one has not: `Yes` for a quoted "yes" may lose its quotes."""
    return not {identity(new) for new in lint.check(one.fault.file, text=text).diagnostics} - before(one.fault.file)
