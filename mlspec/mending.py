"""What certainly mends a fault of the text itself: tabs, quotes that are missing, a key written twice alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mlspec.amend import CannotError, Cut, double_quoted, duplicate_removed, same, written
from mlspec.diagnostic import Diagnostic, Patch, Replacement, Severity
from mlspec.document import Document, parse
from mlspec.lines import Lines
from mlspec.scalar import TooLargeError, resolve


class _Spot(NamedTuple):
    """A fault's place in a text, by offsets."""

    text: str
    start: int
    end: int

    @property
    def words(self) -> str:
        return self.text[self.start : self.end]


class _Remedy(NamedTuple):
    """A title, and each way to mend a fault, the best first; `safe` where it can only have been meant so."""

    title: str
    ways: Callable[[_Spot], Iterator[tuple[Cut, ...]]]
    safe: bool = True
    alike: bool = False  # whether all ways that mend the text have to mean the same


def mended(diagnostic: Diagnostic, text: str) -> Patch | None:
    """Return what mends a fault of a text; None where that is not certain: the fault is gone then, and nothing else is wrong."""
    remedy = _REMEDIES.get(diagnostic.finding.code)
    if remedy is None or diagnostic.span is None:
        return None
    lines = Lines(text)
    span = diagnostic.span
    spot = _Spot(text, lines.offset(span.line, span.column), lines.offset(span.end_line, span.end_column))
    before = parse(text, "")
    good: list[tuple[tuple[Cut, ...], Document]] = []
    try:
        for cuts in remedy.ways(spot):
            after = parse(_cut(text, cuts), "")
            if _is_better(before, after, diagnostic.finding.code):
                good.append((cuts, after))
                if not remedy.alike:
                    break
    except CannotError:
        return None
    if not good or not all(same(good[0][1].data, after.data) for _, after in good):
        return None
    replacements = tuple(Replacement(diagnostic.file, *cut) for cut in good[0][0])
    return Patch(remedy.title, replacements, remedy.safe)


def _cut(text: str, cuts: tuple[Cut, ...]) -> str:
    for start, end, put in sorted(cuts, reverse=True):
        text = text[:start] + put + text[end:]
    return text


def _is_better(before: Document, after: Document, code: str) -> bool:
    wrong = [[one.finding for one in document.problems] for document in (before, after)]
    own = [sum(one.code == code for one in found) for found in wrong]
    errors = [sum(one.severity is Severity.ERROR for one in found) for found in wrong]
    return own[1] < own[0] and errors[1] <= errors[0] and not {one.code for one in wrong[1]} - {one.code for one in wrong[0]}


def _tabs(spot: _Spot) -> Iterator[tuple[Cut, ...]]:
    """All tabs that indent, at once: each level is as wide as the next."""
    for width in (2, 4, 8):
        cuts = []
        for found in re.finditer(r"^[ ]*\t[ \t]*", spot.text, re.MULTILINE):
            cuts.append((found.start(), found.end(), found.group().replace("\t", " " * width)))
        yield tuple(cuts)


def _quoted(spot: _Spot) -> Iterator[tuple[Cut, ...]]:
    yield ((spot.start, spot.end, double_quoted(spot.words)),)


def _quoted_whole(spot: _Spot) -> Iterator[tuple[Cut, ...]]:
    """The value from its beginning: the fault may be told in its midst."""
    yield from _quoted(spot)
    before = re.search(r"(?:[,\[{]|:[ ]|^[ ]*-[ ])[ ]*([^,\[\]{}:\r\n]*)\Z", spot.text[max(spot.start - 200, 0) : spot.start])
    if before and before.group(1):
        start = spot.start - len(before.group(1))
        end = re.compile(r"[^,\]}\r\n]*").match(spot.text, spot.end)
        stop = spot.end + len(end.group().rstrip()) if end else spot.end
        yield ((start, stop, double_quoted(spot.text[start:stop])),)


def _number(spot: _Spot) -> Iterator[tuple[Cut, ...]]:
    """A number keeps its value, a text stays one."""
    try:
        value = resolve(spot.words)
    except TooLargeError:
        return
    put = double_quoted(value) if isinstance(value, str) else written(value, flow=True)
    yield ((spot.start, spot.end, put),)


def _spaced(spot: _Spot) -> Iterator[tuple[Cut, ...]]:
    """`name:churn` is `name: churn`; `https://…` is not."""
    found = re.match(r"(?:-[ ]+)?[A-Za-z_][\w-]*:(?=[^\s/:])", spot.words)
    if found:
        at = spot.start + found.end()
        yield ((at, at, " "),)


def _rest_quoted(spot: _Spot) -> Iterator[tuple[Cut, ...]]:
    """`problem: churn: it costs money` is a key and a text with a colon."""
    start = max(spot.text.rfind("\n", 0, spot.start), spot.text.rfind("\r", 0, spot.start)) + 1
    line = re.split(r"[\r\n]", spot.text[start : start + 2000], maxsplit=1)[0]
    found = re.match(r"(\s*(?:-[ ]+)*[A-Za-z_][\w.-]*:[ ]+)([^\"'\[\]{}&*!|>#\s].*?)(?:\s+#.*)?\s*\Z", line)
    if found and start + found.end(1) <= spot.start:
        yield ((start + found.end(1), start + found.end(2), double_quoted(found.group(2))),)


def _comma(spot: _Spot) -> Iterator[tuple[Cut, ...]]:
    at = len(spot.text[: spot.start].rstrip())
    if spot.words not in ("]", "}"):
        yield ((at, at, "," if at < spot.start else ", "),)


def _once(spot: _Spot) -> Iterator[tuple[Cut, ...]]:
    yield (duplicate_removed(spot.text, spot.start),)


_REMEDIES = {
    "tab-indent": _Remedy("indent with spaces", _tabs, alike=True),
    "yaml-1-1-boolean": _Remedy("quote it", _quoted),
    "yaml-1-1-number": _Remedy("write it so that every reader of YAML reads the same", _number),
    "unquoted-value": _Remedy("quote it", _quoted_whole),
    "key-not-text": _Remedy("quote the key", _quoted),
    "duplicate-key": _Remedy("remove the second, which says the same", _once),
    "missing-colon": _Remedy("put a space after the colon", _spaced),
    "unexpected-colon": _Remedy("quote the whole value", _rest_quoted, safe=False),
    "missing-comma": _Remedy("put a comma between the two", _comma),
}
