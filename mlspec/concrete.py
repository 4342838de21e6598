"""A YAML text as it is written: each mapping, list and scalar with its place, style, anchor and comments left where they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from mlspec.diagnostic import Route
from mlspec.scalar import TooLargeError, resolve
from mlspec.syntax import events

_BLANK = re.compile(r"(?:[ \t\r\n]|(?:(?<=[ \t\r\n])|^)#[^\r\n]*)*", re.MULTILINE)
_PROPERTY = re.compile(r"[&!][^\s,\[\]{}]*")


class UnusualError(ValueError):
    """The text is YAML, but written in a way that nothing here edits: `? key`, a pair inside a list, an alias as a key."""


@dataclass(eq=False, slots=True)
class Entry:
    """A key, its `:` and its value. Where nothing stands after the key, `colon` is the end of the key less one."""

    key: Part
    colon: int
    value: Part


@dataclass(eq=False, slots=True)
class Part:
    """A value as written between `start` and `end`; its anchor and tag stand before `body`.

    A block ends where its last value ends: comments and blank lines behind that are nobody's yet. What is empty has no length.
    """

    sort: Literal["scalar", "mapping", "list", "alias"]
    start: int
    body: int
    end: int
    style: str = ""  # of a scalar: "", "'", '"', "|" or ">"
    flow: bool = False
    anchor: str | None = None
    tag: str | None = None
    text: str = ""  # what a scalar says, the name of an alias
    entries: list[Entry] = field(default_factory=list)
    items: list[Part] = field(default_factory=list)
    dashes: list[int] = field(default_factory=list)

    @property
    def block(self) -> bool:
        return self.sort in ("mapping", "list") and not self.flow

    def entry(self, key: str) -> Entry | None:
        return next((one for one in self.entries if one.key.text == key), None)

    def part(self, step: str | int) -> Part | None:
        if isinstance(step, str):
            found = self.entry(step)
            return found.value if found else None
        return self.items[step] if 0 <= step < len(self.items) else None

    def at(self, route: Route) -> Part | None:
        """Return the part at a route; None where none is written there itself, as behind an alias."""
        here: Part | None = self
        for step in route:
            here = here.part(step) if here else None
        return here

    def below(self) -> Iterator[Part]:
        """Yield this part and all in it, keys too, in the order of the text."""
        waiting = [self]
        while waiting:
            here = waiting.pop()
            yield here
            for entry in reversed(here.entries):
                waiting += [entry.value, entry.key]
            waiting += reversed(here.items)

    def meaning(self) -> Any:
        """Return something that is equal for values that mean the same, and hardly ever else."""
        if self.sort == "mapping":
            return {one.key.text: one.value.meaning() for one in self.entries}, self.tag
        if self.sort == "list":
            return [one.meaning() for one in self.items], self.tag
        if self.sort == "alias":
            return "alias", self.text
        if self.style or self.tag:
            return "scalar", self.text, self.tag
        try:
            value = resolve(self.text)
        except TooLargeError:
            value = self.text
        return "scalar", str(value) if isinstance(value, str) else (type(value).__name__, repr(value)), None


def read(text: str) -> Part | None:
    """Return the text's first document; None where it is empty. Raises SyntaxFaultError, or UnusualError."""
    reader = _Reader(text)
    for event in events(text):
        name = type(event).__name__
        if name == "DocumentEndEvent":
            break
        if name in ("ScalarEvent", "AliasEvent"):
            reader.leaf(event, name == "AliasEvent")
        elif name in ("MappingStartEvent", "SequenceStartEvent"):
            reader.open(event, name == "MappingStartEvent")
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            reader.close(event)
    return reader.root


def skip(text: str, at: int) -> int:
    """Return the offset of the next character that is neither blank nor in a comment."""
    found = _BLANK.match(text, at)
    return found.end() if found else at


class _Reader:
    """Builds parts from events with a stack of its own."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.stack: list[tuple[Part, list[tuple[Part, int]]]] = []  # with the key that waits for its value, and its colon
        self.root: Part | None = None

    def leaf(self, event: Any, alias: bool) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        if alias:
            return self._place(Part("alias", start, start, end, text=event.anchor))
        style = event.style or ""
        if style in ("|", ">"):
            end = start + len(self.text[start:end].rstrip())
        part = Part("scalar", start, start, end, style, False, event.anchor, event.tag, event.value)
        self._properties(part)
        return self._place(part)

    def open(self, event: Any, mapping: bool) -> None:
        start = event.start_mark.index
        flow = bool(event.flow_style)
        part = Part("mapping" if mapping else "list", start, start, start, "", flow, event.anchor, event.tag)
        self._properties(part)
        if part.flow and self.text[part.body : part.body + 1] != ("{" if mapping else "["):
            raise UnusualError("a pair stands inside a list")
        if self.stack and self.stack[-1][0].sort == "mapping" and not self.stack[-1][1]:
            raise UnusualError("a key is a list or a mapping")
        self._dash(part)
        self.stack.append((part, []))

    def close(self, event: Any) -> None:
        part, _ = self.stack.pop()
        if part.flow:
            part.end = event.end_mark.index
        else:
            last = part.items[-1] if part.items else part.entries[-1].value if part.entries else None
            part.end = last.end if last else part.body
        self._attach(part)

    def _properties(self, part: Part) -> None:
        at = part.start
        while (part.anchor or part.tag) and (found := _PROPERTY.match(self.text, at)):
            at = found.end()
            if part.sort == "scalar" and at >= part.end:
                break
            at = skip(self.text, at)
        part.body = at

    def _place(self, part: Part) -> None:
        self._dash(part)
        self._attach(part)

    def _dash(self, part: Part) -> None:
        """Note the dash before an item of a block list."""
        if not self.stack or self.stack[-1][0].sort != "list" or self.stack[-1][0].flow:
            return
        parent = self.stack[-1][0]
        dash = skip(self.text, parent.items[-1].end if parent.items else parent.body)
        if self.text[dash : dash + 1] != "-":
            raise UnusualError("an item of a list has no dash")
        parent.dashes.append(dash)
        if _is_empty(part):
            part.start = part.body = part.end = dash + 1

    def _attach(self, part: Part) -> None:
        if not self.stack:
            self.root = part
            return
        parent, waiting = self.stack[-1]
        if parent.sort == "list":
            parent.items.append(part)
        elif not waiting:
            waiting.append((part, self._colon(part, parent)))
        else:
            key, colon = waiting.pop()
            if _is_empty(part):
                part.start = part.body = part.end = colon + 1
            parent.entries.append(Entry(key, colon, part))

    def _colon(self, key: Part, parent: Part) -> int:
        before = self.text[: key.start].rstrip(" \t")[-1:] if key.sort == "scalar" else "?"
        if before == "?" or (key.start == key.end):
            raise UnusualError("a key is written in an unusual way")
        at = skip(self.text, key.end)
        if self.text[at : at + 1] == ":":
            return at
        if parent.flow:
            return key.end - 1
        raise UnusualError("a key has no colon")


def _is_empty(part: Part) -> bool:
    return part.sort == "scalar" and part.start == part.end
