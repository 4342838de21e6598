"""Where a text stops being YAML: which of its lines to leave out, so that the rest can be read, and what that costs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from mlspec.composer import MAX_PROBLEMS, Node
from mlspec.diagnostic import Route, Severity
from mlspec.lines import Lines
from mlspec.syntax import Fault, SyntaxFaultError, events, missing_colon

MAX_TEXT = 256 * 1024  # characters: in a larger text, what follows a syntax error is not read
MAX_CUTS = 12
WINDOW = 8_000  # characters behind a fault that decide which cut is the best
MAX_ECHOES = 5_000  # values that are looked at for copies of what is damaged
WORK = 1_500_000  # characters that may be parsed to find the cuts of one text

_KEY = re.compile(r"""([ ]*(?:-[ ]+)*)([\w.$-]+|"[^"]*"|'[^']*')[ ]*:(?=\s|$)""")
_DASHES = re.compile(r"[ ]*(?:-[ ]+)+")
_TOP = re.compile(r"""^(?:[\w.$-]+|"[^"]*"|'[^']*')[ ]*:(?=\s|$)""", re.MULTILINE)
_STEP = re.compile(r"""^([ ]*)[\w.$"'-]+:[ ]*\n([ ]+)[\w"']""", re.MULTILINE)
_WORD = re.compile(r"""\s*["']?([A-Za-z_][\w-]*)""")
# quoted texts, comments, apostrophes inside words, and what opens or closes
_MARKS = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|(?<=\w)'(?=\w)|(?:^|\s)#.*|["'\[\]{}]""")


# the faults that another indentation, maybe of another line, would mend
_INDENTED = ("bad-indentation", "unexpected-colon", "missing-colon", "unexpected-text", "unexpected-dash")


class Cut(NamedTuple):
    """A stretch that is read as blank: from inside its first line to the end of its last one."""

    start: int
    end: int
    line: int  # from 0, of its first line
    way: str  # "key": the key is kept; "dash": the dashes are; else whole lines go: "line", "block" or "section"


class Mender:
    """Leaves out of a text, fault by fault, what keeps it from being YAML. Offsets stay what they are."""

    def __init__(self, text: str, *, pure: bool) -> None:
        self.text = text
        self.original = text
        self.pure = pure
        self.faults: list[Fault] = []
        self.cuts: list[Cut] = []
        self.whole = True  # whether the text is read to its end
        self.again = False  # whether the text is worth another reading
        self._lines = Lines(text)
        self._work = WORK
        self._left = min(MAX_CUTS, 2_000_000 // max(len(text), 1))
        self._last = -1

    def mend(self, error: SyntaxFaultError) -> None:
        """Leave out what the error is about."""
        cut = self._best(error) if len(self.text) <= MAX_TEXT and self._left and error.at >= self._last else None
        if cut is None:
            self.whole = False
            if not self._follows(self._number(error.fault.start)):
                self.faults.append(error.fault)
            return
        self._left -= 1
        self._last = error.at
        if not self._follows(cut.line):
            self.faults.append(self._told(error.fault, cut))
        self.cuts.append(cut)
        self.text = _blanked(self.text, cut)
        self.again = True

    def joined(self, found: list[tuple[Fault, Severity]]) -> list[tuple[Fault, Severity]]:
        """Return the faults of the text and those found in what is left of it, in order, without what the cuts explain."""
        last = found[MAX_PROBLEMS:]
        rest = [(fault, severity) for fault, severity in found[:MAX_PROBLEMS] if not self._explains(fault)]
        return sorted([*rest, *((fault, Severity.ERROR) for fault in self.faults)], key=lambda one: one[0].start) + last

    def _explains(self, fault: Fault) -> bool:
        """Return whether a fault may be there only because of what was left out."""
        if fault.code == "undefined-alias":
            name = re.escape(self.original[fault.start + 1 : fault.end])
            return any(re.search(rf"&{name}(?![^\s,\]}}])", self.original[cut.start : cut.end]) for cut in self.cuts)
        if fault.code == "duplicate-key" and fault.related:
            return any(fault.related[1] < cut.start < fault.start for cut in self.cuts)
        return fault.code == "empty-file" and bool(self.faults)

    # which cut

    def _best(self, error: SyntaxFaultError) -> Cut | None:
        """Return the cut that lets the parser get furthest for what it costs; None where none helps."""
        numbers = self._suspects(error)
        tops = [found.start() for found in _TOP.finditer(self.text)]
        first = self._start(min(numbers))
        begin = max((top for top in tops if top <= first), default=0)
        end = min((top for top in tops if top > error.at + WINDOW), default=len(self.text))
        stuck = self._number(error.at)
        best: tuple[float, Cut | None] = (0.0, None)
        for number in numbers:
            for cut, cost in self._ways(number, tops):
                if cut.start < begin or self._work < 0:
                    continue
                reached = self._reach(cut, begin, end)
                gain = reached - stuck - self._price(cut, cost, number, numbers[0], error.fault)
                if reached > stuck and (best[1] is None or gain > best[0]):
                    best = gain, cut
        return best[1]

    def _price(self, cut: Cut, cost: float, number: int, here: int, fault: Fault) -> float:
        """Return what a cut costs, in lines: an odd indentation draws suspicion, where it is that which does not fit."""
        if number == here:
            return cost
        odd, odd_here = self._column(number) % self.step != 0, self._column(here) % self.step != 0
        if odd_here and fault.code in _INDENTED:
            return cost + 1000
        if odd and fault.code in _INDENTED and cut.way in ("line", "block"):
            return 0.1 + min(cost, 2) / 10
        return cost + 0.5

    def _suspects(self, error: SyntaxFaultError) -> list[int]:
        """Return the lines that may be at fault, the likeliest first."""
        fault = error.fault
        here = self._number(min(fault.start, len(self.text) - 1))
        places = [fault.start, error.at, error.start, *error.near]
        if fault.related:
            places.append(fault.related[1])
        found = [here, *(self._number(min(place, len(self.text) - 1)) for place in places)]
        before = [number for number in range(here - 1, max(here - 8, -1), -1) if self._content(number)]
        after = [number for number in range(here + 1, here + 4) if self._content(number)]
        found += before[:2] + after[:1]
        # a quote or bracket that is not closed on its own line, where the parser read on over some lines
        low = min(min(found), max(here - 12, 0))
        found += [number for number in range(here, low - 1, -1) if _unbalanced(self._line(number))][:4]
        if fault.code in _INDENTED:
            found += self._odd(here)[:2]
        return [number for number in dict.fromkeys(found) if number >= 0 and self._content(number)] or [max(here, 0)]

    def _odd(self, here: int) -> list[int]:
        """Return the lines of the same section, upwards, whose indentation is none that the text uses."""
        found = []
        for number in range(here - 1, max(here - 200, -1), -1):
            if not self._content(number):
                continue
            column = self._column(number)
            if column % self.step:
                found.append(number)
            elif not column:
                break
        return found

    def _ways(self, number: int, tops: list[int]) -> Iterator[tuple[Cut, float]]:
        """Yield the cuts that a line suggests, each with its cost in lines."""
        start, end, line = self._start(number), self._end(number), self._line(number)
        key, dashes = _KEY.match(line), _DASHES.match(line)
        column = self._column(number)
        last = self._block_end(number, column)
        below = last > number
        header = below and (not key or not line[key.end() :].strip()) and not self._after_header(number, column)
        regular = column % self.step == 0
        if key and line[key.end() :].strip() and (regular or not below):
            yield Cut(start + key.end(), end, number, "key"), 1.0
        if dashes and below and line[dashes.end() :].strip():
            yield Cut(start + dashes.end(), end, number, "dash"), 1.1
        yield Cut(start, end, number, "line"), 1.2 + (last - number + 1 if header else 0)
        if below:
            yield Cut(start, self._end(last), number, "block"), last - number + (1.3 if header else 2.5)
        top = max((one for one in tops if one <= start), default=-1)
        if top >= 0:
            until = min((one for one in tops if one > start), default=len(self.text))
            first = self._number(top)
            yield Cut(top, until, first, "section"), self._number(until) - first + 4.0

    def _reach(self, cut: Cut, begin: int, end: int) -> int:
        """Return the line up to which the text is YAML without a cut."""
        text = _blanked(self.text[:end], cut)[begin:]
        self._work -= len(text)
        try:
            for _ in events(text, pure=self.pure):
                pass
        except SyntaxFaultError as error:
            return self._number(begin + error.at)
        return self._number(end) + 1

    # what to say

    def _follows(self, number: int) -> bool:
        """Return whether a line is the rest of something that began on a line which was left out."""
        for cut in self.cuts:
            last = self._number(max(cut.end - 1, cut.start))
            between = any(self._content(one) for one in range(last + 1, number))
            opened = _unbalanced("\n".join(self._line(one, before=True) for one in range(cut.line, last + 1)))
            if cut.line <= number <= last or (last < number and not between and opened):
                return True
        return False

    def _told(self, fault: Fault, cut: Cut) -> Fault:
        """Return the fault at the line that was at fault, where the parser noticed it only later."""
        last = self._number(max(cut.end - 1, cut.start))
        at = self._number(fault.start)
        start, line = self._start(cut.line), self._line(cut.line)
        column = len(line) - len(line.lstrip())
        keyless = not re.search(r":(\s|$)", line) and not line.lstrip().startswith("- ")
        if cut.way == "section" or cut.line >= at or (at <= last and not keyless and column % self.step == 0):
            return fault
        end = start + len(re.split(r"\s#", line, maxsplit=1)[0].rstrip())
        mark = _unbalanced(line)
        if mark and mark.group() in "\"'":
            quote, at = mark.group(), start + mark.start()
            return Fault("unclosed-quote", f"`{quote}` opens a text that is never closed", at, end, f"close it with `{quote}`")
        if mark and mark.group() in "[{":
            close, at = "]}"["[{".index(mark.group())], start + mark.start()
            return Fault("unclosed-bracket", f"`{mark.group()}` is never closed", at, at + 1, f"close it with `{close}`")
        if fault.code not in _INDENTED:
            return fault
        if keyless:
            return missing_colon(self.original, start + column, end)
        noticed = ("these lines do not fit it", fault.start, fault.end)
        follows = not any(self._content(one) for one in range(cut.line + 1, self._number(fault.start)))
        if cut.way == "key" and column % self.step == 0 and follows:
            key = _KEY.match(line)
            value = start + key.end() if key else start + column
            value += len(self.original[value:end]) - len(self.original[value:end].lstrip())
            return fault._replace(related=("this value, or the deeper indentation, is one too many", value, end))
        message = "the indentation of this line does not fit the lines below it"
        instead = "give it the same indentation as the lines that it belongs with"
        return Fault("bad-indentation", message, start + column, end, instead, noticed)

    # lines, from 0

    @cached_property
    def step(self) -> int:
        found = [len(deeper) - len(indent) for indent, deeper in _STEP.findall(self.original[:20_000])]
        return max((one for one in set(found) if one > 1), key=found.count, default=2)

    def _number(self, offset: int) -> int:
        return self._lines.place(max(offset, 0))[0] - 1

    def _start(self, number: int) -> int:
        return self._lines.offset(number + 1, 1)

    def _end(self, number: int) -> int:
        return self._start(number) + len(self._lines.line(number + 1))

    def _line(self, number: int, *, before: bool = False) -> str:
        return (self.original if before else self.text)[self._start(number) : self._end(number)] if self._has(number) else ""

    def _column(self, number: int) -> int:
        """Return how deep a line is indented; with a tab, as deep as the lines below it tell."""
        line = self._line(number)
        if "\t" not in line[: len(line) - len(line.lstrip())]:
            return len(line) - len(line.lstrip(" "))
        following = next((one for one in range(number + 1, number + 9) if self._content(one)), number)
        below = self._line(following)
        return max(len(below) - len(below.lstrip()) - self._content(number).endswith(":"), 0)

    def _has(self, number: int) -> bool:
        return 0 <= number <= self._number(len(self.text))

    def _content(self, number: int) -> str:
        line = self._line(number).strip()
        return "" if line.startswith("#") else line

    def _block_end(self, number: int, column: int) -> int:
        """Return the last line of what is indented deeper below a line, or as deep as the next line where the line is odd."""
        last = one = number
        if "\t" not in self._line(number) and column % self.step and self._content(number).endswith(":"):
            following = next((one for one in range(number + 1, number + 9) if self._content(one)), number)
            column = max(self._column(following) - 1, 0)
        while self._has(one := one + 1):
            line = self._line(one)
            if not self._content(one):
                continue
            if len(line) - len(line.lstrip(" ")) <= column:
                break
            last = one
        return last

    def _after_header(self, number: int, column: int) -> bool:
        """Return whether the line above is a key that waits for a block: then this line has lost nothing below it."""
        one = number - 1
        while one >= 0 and not self._content(one):
            one -= 1
        line = self._line(one) if one >= 0 else ""
        return self._content(one).endswith(":") and len(line) - len(line.lstrip(" ")) >= column if line else False


def _blanked(text: str, cut: Cut) -> str:
    return text[: cut.start] + re.sub(r"[^\r\n]", " ", text[cut.start : cut.end]) + text[cut.end :]


def _unbalanced(text: str) -> re.Match[str] | None:
    """Return the quote or bracket that opens something which is not closed in the same text."""
    opened: list[re.Match[str]] = []
    for mark in _MARKS.finditer(text):
        sign = mark.group()
        if sign in ("[", "{"):
            opened.append(mark)
        elif sign in ("]", "}"):
            if opened:
                opened.pop()
        elif sign in ('"', "'") and not (sign == "'" and text[mark.start() - 1 : mark.start()].isalnum()):
            return mark
    return opened[0] if opened else None


# what the cuts cost


def damage(root: Node | None, mender: Mender) -> tuple[Route, ...]:
    """Return the routes of the mappings and lists that lost a part to the cuts, or to the end of what could be read."""
    found: dict[Route, None] = {}
    if root is None:
        return ((),)
    if not mender.whole:
        found.update(dict.fromkeys(_last(root)))
        lost = mender.faults[-1].start if mender.faults else 0
        found.update(dict.fromkeys((name,) for name in _names(mender.original[lost:])))
    for cut in mender.cuts:
        found.update(dict.fromkeys(_lost(root, cut, mender)))
    return tuple(dict.fromkeys([*found, *_echoed(root, list(found))]))


def _echoed(root: Node, routes: list[Route]) -> Iterator[Route]:
    """Yield where aliases repeat what is damaged."""
    shared: dict[int, list[Route]] = {}
    waiting: list[tuple[Route, Node]] = [((), root)]
    for _ in range(MAX_ECHOES):
        if not waiting:
            break
        route, node = waiting.pop()
        if node.children:
            shared.setdefault(id(node.children), []).append(route)
        entries = node.children.items() if isinstance(node.children, dict) else ()
        waiting += [((*route, key), child) for key, (_, _, child) in entries]
        waiting += [((*route, at), child) for at, child in enumerate(node.children if isinstance(node.children, list) else ())]
    for copies in shared.values():
        for route in routes if len(copies) > 1 else ():
            for copy in copies:
                if route[: len(copy)] == copy:
                    yield from ((*other, *route[len(copy) :]) for other in copies)


def _names(text: str) -> Iterator[str]:
    for found in _TOP.finditer(text):
        yield found.group().rstrip(" :").strip("\"'")


def _children(node: Node) -> list[tuple[str | int, int, Node]]:
    """Return (part, start, node) of what stands inside a node itself, not behind an alias or a merge."""
    if isinstance(node.children, dict):
        every: list[tuple[str | int, int, Node]] = [(key, start, child) for key, (start, _, child) in node.children.items()]
    else:
        every = [(index, child.start, child) for index, child in enumerate(node.children or [])]
    return [one for one in every if one[1] >= node.start]


def _last(root: Node) -> Iterator[Route]:
    route: Route = ()
    yield route
    while children := _children(root):
        part, _, root = children[-1]
        route = (*route, part)
        yield route


def _lost(root: Node, cut: Cut, mender: Mender) -> Iterator[Route]:
    """Yield the routes that one cut has cost a part: where its first line stands, or would if indented as its neighbours."""
    lines = Lines(mender.original)
    line = lines.line(cut.line + 1)
    indent = len(line) - len(line.lstrip())
    columns = {10**9 if cut.way == "key" else indent}
    if cut.way != "key" and (indent % mender.step or "\t" in line[:indent]):
        for step in (1, -1):
            one = cut.line + 1 + step
            while (near := lines.line(one)) and (not near.strip() or near.lstrip().startswith("#")):
                one += step
            columns.add(len(near) - len(near.lstrip()))
    for column in sorted(columns):
        yield from _lost_at(root, cut, mender.original, column)
    if cut.way in ("section", "block", "line"):
        yield from _named(mender.original[cut.start : cut.end], indent)


def _lost_at(root: Node, cut: Cut, text: str, column: int) -> Iterator[Route]:
    lines = Lines(text)
    dash = lines.line(cut.line + 1).lstrip().startswith("- ")
    route: Route = ()
    node = root
    while True:
        before = [one for one in _children(node) if one[1] < cut.start]
        if not before:
            break
        part, start, child = before[-1]
        place = lines.place(start)[1] - 1
        flow = child.start <= cut.start < child.end and text[child.start : child.start + 1] in ("[", "{")
        listed = isinstance(child.children, list) and dash and column == place and isinstance(part, str)
        if not (flow or listed or column > place or (column == place and isinstance(part, int) and not dash)):
            if child.value is None:
                yield (*route, part)  # its value may have been what is gone
            if place != column and isinstance(part, str) and route:
                yield route[:-1]
            break
        route, node = (*route, part), child
    yield route
    if node.children is None and route and cut.way != "key":
        yield route[:-1]
    if cut.way == "dash" and isinstance(node.children, list):
        later = [part for part, start, _ in _children(node) if start >= cut.start]
        yield (*route, *later[:1])


def _named(text: str, indent: int) -> Iterator[Route]:
    """Yield the sections whose first line may be among lines that went."""
    for line in text.splitlines():
        word = _WORD.match(line)
        if word and len(line) - len(line.lstrip()) <= min(indent, 1):
            yield (word.group(1),)
            yield ()
