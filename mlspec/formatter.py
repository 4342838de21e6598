"""One way to write a spec: keys in the language's order, even spacing, comments kept. Values stay as they were written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mlspec.amend import same
from mlspec.concrete import Entry, Part, UnusualError, read
from mlspec.diagnostic import Problem, Severity
from mlspec.document import parse

if TYPE_CHECKING:
    from pydantic import BaseModel

    from mlspec.spec.shape import Place

WIDTH = 130
STEP = 2

# Sections that stand together without a blank line; any other begins after one.
_TOGETHER = (
    {"mlspec", "extends", "project"},
    {"features", "augmentation"},
    {"model", "baseline", "training"},
    {"exports", "compress"},
    {"monitoring", "retraining", "feedback"},
    {"pipeline", "tracking", "registry", "steps"},
)
_TO_TOOLS = re.compile(r"#!|#\s*(?:yaml-language-server:|vim?:|-\*-)")  # comments that have to stay at the top of the file

_FIRST = ("kind", "columns")  # which of a union, and what of the data it is about

Margin = list[tuple[int, str] | None]
"""The lines between two values: each the column and the text of a comment, or None where it is blank."""


def format_text(text: str, name: str) -> str:
    """Return a spec's text in the one format; as it is where it is written in a way that nothing here can keep.

    Raises Problem where the text is not YAML: there is nothing to go by.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    old = text.removeprefix("\ufeff")
    document = parse(old, name)
    errors = [one for one in document.problems if one.finding.severity is Severity.ERROR]
    if errors:
        raise Problem(*errors)
    plain = old.replace("\r\n", "\n")
    if "\r" in plain:
        return text
    try:
        root = read(plain)
        if root is None or root.sort != "mapping" or root.flow:
            return text
        new = _Writer(plain, root).whole()
    except UnusualError:
        return text
    if not _is_faithful(plain, root, new, document.data):
        return text
    return mark + (new.replace("\n", "\r\n") if "\r\n" in old else new)


def _is_faithful(old: str, root: Part, new: str, data: Any) -> bool:
    """Whether a new text says the same, comments included. What fails this is a bug, and nobody's file should suffer from it."""
    again = parse(new, "")
    if any(one.finding.severity is Severity.ERROR for one in again.problems) or not same(again.data, data):
        return False
    other = read(new)
    return other is not None and Counter(comments(old, root)) == Counter(comments(new, other))


def comments(text: str, root: Part) -> Iterator[str]:
    """Yield each comment of a text, without the blanks around it."""
    at = 0
    for part in root.below():
        if part.sort not in ("scalar", "alias") or part.end < at:
            continue
        yield from _in_gap(text[at : part.body])
        at = part.end
        if part.style in ("|", ">"):
            header = text[part.body :].split("\n", 1)[0]
            yield from _in_gap(header)
    yield from _in_gap(text[at:])


def _in_gap(text: str) -> Iterator[str]:
    yield from (found.group(1).strip() for found in re.finditer(r"(?:^|(?<=\s))(#[^\n]*)", text, re.MULTILINE))


class _Writer:
    """Writes the parts of a text anew, each value cut from the text as it stands."""

    def __init__(self, text: str, root: Part) -> None:
        self.text = text
        self.root = root
        self.linked = any(part.anchor or part.sort == "alias" for part in root.below())

    def whole(self) -> str:
        from mlspec.spec.project import Project
        from mlspec.spec.shape import Place

        text = self.text
        first = text.rfind("\n", 0, self.root.entries[0].key.start) + 1 if self.root.entries else 0
        if self.root.anchor or self.root.tag:
            raise UnusualError("the whole spec has an anchor or a tag")
        head = text[:first].split("\n")[:-1]
        above = self.margin(head)
        after = self.between(self.root.end, len(text))
        marked = max((index for index, line in enumerate(head) if re.match(r"---|%", line)), default=-1) + 1
        top, above = [line.rstrip() for line in head[:marked]], above[marked:]
        while above and (above[0] is None or _TO_TOOLS.match(above[0][1])):
            top += [above[0][1]] if above[0] else []
            above = above[1:]
        if None in above and above[0] is not None:  # a comment on the file as a whole
            top += [*(one[1] for one in above[: above.index(None)] if one), ""]
            above = above[above.index(None) + 1 :]
        lines = self.mapping(self.root, 0, [Place(Project)], above, after)
        return "\n".join([*top, *lines]).rstrip("\n") + "\n"

    # what stands between values

    def margin(self, lines: Iterable[str]) -> Margin:
        return [(len(line) - len(line.lstrip()), line.strip()) if line.strip() else None for line in lines]

    def between(self, end: int, start: int) -> Margin:
        """Return the lines behind the one that ends a value, up to the one that begins the next."""
        lines = self.text[end:start].split("\n")[1:]
        lines = lines if start == len(self.text) and lines and lines[-1].strip() else lines[:-1]
        if any(line.strip() and not line.lstrip().startswith("#") for line in lines):
            raise UnusualError("something else than comments stands between two values")
        return self.margin(lines)

    def trailing(self, end: int) -> str:
        """Return the comment behind a value on its line, with one blank before it."""
        found = re.compile(r"[ \t]+(#[^\n]*)").match(self.text, end)
        return f" {found.group(1).rstrip()}" if found else ""

    def column(self, at: int) -> int:
        return at - (self.text.rfind("\n", 0, at) + 1)

    @staticmethod
    def comment_lines(margin: Margin, indent: int, *, first: bool) -> list[str]:
        """Return comments at an indentation, of blank lines that follow one another only one, and none where nothing is above."""
        lines: list[str] = []
        for one in margin:
            if one is not None:
                lines.append(" " * indent + one[1])
            elif (lines and lines[-1]) or (not lines and not first):
                lines.append("")
        return lines

    # blocks

    def mapping(
        self, part: Part, indent: int, places: Sequence[Place], above: Margin, below: Margin, *, ordered: bool = True
    ) -> list[str]:
        """Return the lines of a block mapping; `above` belongs to its first key, `below` stands behind its last value."""
        model, inner = _model(part, places), _inner(places)
        blocks: list[tuple[Margin, list[str]]] = []
        column = self.column(part.entries[0].key.start)
        for index, entry in enumerate(part.entries):
            last = index + 1 == len(part.entries)
            behind = below if last else self.between(entry.value.end, part.entries[index + 1].key.start)
            own, behind = _shared(behind, column, entry.value)
            lead = " " * indent + self.text[entry.key.start : entry.key.end] + ":"
            blocks.append(
                (above, self.value(lead, indent, entry.colon + 1, entry.value, _below(model, inner, entry.key.text), own))
            )
            above = behind
        order = self.order(part, model) if ordered else list(range(len(blocks)))
        lines: list[str] = []
        for place, index in enumerate(order):
            margin, body = blocks[index]
            if part is self.root:
                margin = _trimmed(margin)
                keys = {part.entries[each].key.text for each in order[max(place - 1, 0) : place + 1]}
                lines += [""] if place and not any(keys <= group for group in _TOGETHER) else []
                lines += self.comment_lines(margin, indent, first=True)
            else:
                lines += self.comment_lines(margin, indent, first=place == 0)
            lines += body
        feet = self.feet(above, indent)
        return [*lines, *([""] if part is self.root and feet and feet[0] else []), *feet]

    def feet(self, margin: Margin, indent: int) -> list[str]:
        """Return the comments that stand behind the last value of a block."""
        while margin and margin[-1] is None:
            margin = margin[:-1]
        return self.comment_lines(margin, indent, first=False)

    def listing(self, part: Part, indent: int, places: Sequence[Place], above: Margin, below: Margin) -> list[str]:
        lines: list[str] = []
        inner = _inner(places)
        column = self.column(part.dashes[0])
        for index, item in enumerate(part.items):
            behind = below if index + 1 == len(part.items) else self.between(item.end, part.dashes[index + 1])
            own, behind = _shared(behind, column, item)
            lines += self.comment_lines(above, indent, first=index == 0)
            lines += self.item(item, part.dashes[index], indent, inner, own)
            above = behind
        return lines + self.feet(above, indent)

    def item(self, part: Part, dash: int, indent: int, places: Sequence[Place], below: Margin) -> list[str]:
        lead = " " * indent + "-"
        if not part.block or part.start != part.body or self.trailing(dash + 1) or any(self.between(dash, part.body)):
            return self.value(lead, indent, dash + 1, part, places, below)
        for ordered in (True, False):
            lines = self.block(part, indent + STEP, places, [], below, ordered=ordered)
            if not lines[0].lstrip().startswith("#"):  # a comment cannot follow the dash
                break
        return [f"{lead} {lines[0].lstrip()}", *lines[1:]]

    def block(
        self, part: Part, indent: int, places: Sequence[Place], above: Margin, below: Margin, *, ordered: bool = True
    ) -> list[str]:
        if part.sort == "list":
            return self.listing(part, indent, places, above, below)
        return self.mapping(part, indent, places, above, below, ordered=ordered)

    def value(self, lead: str, indent: int, after: int, part: Part, places: Sequence[Place], below: Margin) -> list[str]:
        """Return the lines of a key or dash with its value; `after` is the offset behind it."""
        for found in re.finditer(r"(?:^|(?<=\s))[&!]\S*", re.sub(r"#[^\n]*", "", self.text[part.start : part.body])):
            lead += f" {found.group()}"
            after = self.text.index(found.group(), after) + len(found.group())
        if part.block:
            begin = part.dashes[0] if part.sort == "list" else part.entries[0].key.start
            above = self.between(after, begin)
            return [lead + self.trailing(after), *self.block(part, indent + STEP, places, above, below)]
        if part.start == part.end or part.body == part.end:
            return [lead + self.trailing(part.end)]
        if part.style in ("|", ">"):
            return self.literal(lead, indent, part)
        return self.inline(lead, indent, after, part, places)

    def inline(self, lead: str, indent: int, after: int, part: Part, places: Sequence[Place]) -> list[str]:
        gap = self.text[after : part.body]
        head = self.trailing(after) if "#" in gap else ""
        if any(self.between(after, part.body)) or (head and not part.flow):
            raise UnusualError("a comment stands between a key and its value")
        behind = self.trailing(part.end)
        if part.flow:
            below = "\n" in gap
            lines = self.flow(part, places, indent + STEP * below)
            joined = f"{lead} {lines[0]}"
            if below and (head or len(joined) + len(behind) > WIDTH or len(lines) > 1):
                lines = [lead + head, " " * (indent + STEP) + lines[0], *lines[1:]]
            else:
                lines = [joined, *lines[1:]]
        else:
            lines = self.text[part.body : part.end].split("\n")
            rest = [" " * (indent + STEP) + line.strip(" \t") if line.strip() else "" for line in lines[1:]]
            lines = [f"{lead} {lines[0].rstrip() if rest else lines[0]}", *rest]
        return [*lines[:-1], lines[-1] + behind]

    def literal(self, lead: str, indent: int, part: Part) -> list[str]:
        header, *lines = self.text[part.body : part.end].split("\n")
        indicator, _, comment = header.partition(" ")
        if "+" in indicator or re.search(r"\d", indicator):
            raise UnusualError("a block of text says how it is cut")
        if not lines:  # its end was taken with the header's line
            comment = comment or self.trailing(part.end)
        deep = next((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), 0)
        shifted = [" " * (indent + STEP) + line[deep:] if len(line) > deep else "" for line in lines]
        return [f"{lead} {indicator}" + (f" {comment.strip()}" if comment.strip() else ""), *shifted]

    # flow

    def flow(self, part: Part, places: Sequence[Place], indent: int) -> list[str]:
        """Return the lines of `{…}` or `[…]`, the first without indentation: line breaks stay where they were."""
        raw = self.text[part.body : part.end]
        if "\n" not in raw:
            return [self.flat(part, places)]
        if any(one.sort == "scalar" and "\n" in self.text[one.start : one.end] for one in part.below()):
            raise UnusualError("a text of several lines stands inside brackets")
        if any(True for _ in comments(raw, _moved(part))):
            return self.shifted(part, indent)
        spans = [(one.key.start, one.value.end) for one in part.entries] or [(one.start, one.end) for one in part.items]
        breaks = ["\n" in self.text[end:start] for (_, end), (start, _) in pairwise([(0, part.body + 1), *spans])]
        closing = "\n" in self.text[spans[-1][1] : part.end] if spans else False
        lines = [raw[0]]
        pieces = self.pieces(part, places, indent + STEP)
        for number, (piece, is_broken) in enumerate(zip(pieces, breaks, strict=True)):
            comma = "," if number + 1 < len(pieces) or (closing and "," in self.text[spans[-1][1] : part.end]) else ""
            first = " " * (indent + STEP) + piece[0] if is_broken else piece[0]
            if is_broken:
                lines.append(first)
            else:
                lines[-1] += (" " if number else "") + first
            lines += piece[1:]
            lines[-1] += comma
        if closing:
            lines.append(" " * indent + raw[-1])
        else:
            lines[-1] += raw[-1]
        return lines

    def shifted(self, part: Part, indent: int) -> list[str]:
        """Return lines with comments among them as they are, moved as a whole."""
        first, *rest = self.text[part.body : part.end].split("\n")
        begin = self.text.rfind("\n", 0, part.body) + 1
        before = len(self.text[begin:]) - len(self.text[begin:].lstrip(" "))
        moved = []
        for line in rest:
            deep = len(line) - len(line.lstrip(" "))
            moved.append(" " * max(deep - before + indent, 0) + line.strip() if line.strip() else "")
        return [first.rstrip(), *moved]

    def pieces(self, part: Part, places: Sequence[Place], indent: int) -> list[list[str]]:
        inner = _inner(places)
        if part.sort == "list":
            return [self.piece("", one, inner, indent) for one in part.items]
        model = _model(part, places)
        return [
            self.piece(
                self.key(part.entries[index]),
                part.entries[index].value,
                _below(model, inner, part.entries[index].key.text),
                indent,
            )
            for index in self.order(part, model)
        ]

    def key(self, entry: Entry) -> str:
        text = self.text[entry.key.start : entry.key.end]
        return f"{text}:" if self.text[entry.colon : entry.colon + 1] == ":" and entry.colon >= entry.key.end else text

    def piece(self, key: str, part: Part, places: Sequence[Place], indent: int) -> list[str]:
        lead = f"{key} " if key and part.start != part.end else key
        if part.flow:
            props = " ".join(self.text[part.start : part.body].split())
            lines = self.flow(part, places, indent)
            return [f"{lead}{props}{' ' if props else ''}{lines[0]}", *lines[1:]]
        return [lead + self.text[part.start : part.end]]

    def flat(self, part: Part, places: Sequence[Place]) -> str:
        ends = "{}" if part.sort == "mapping" else "[]"
        return ends[0] + ", ".join(piece[0] for piece in self.pieces(part, places, 0)) + ends[1]

    # order

    def order(self, part: Part, model: type[BaseModel] | None) -> list[int]:
        """Return the positions of a mapping's keys in the order of the language; as they are where that would part an alias."""
        old = list(range(len(part.entries)))
        if model is None:
            return old
        known = {key: rank for rank, key in enumerate(ranked(model))}

        def rank(index: int) -> tuple[int, int]:
            key = part.entries[index].key.text
            if key == "<<":
                return -1, 0
            return (0, known[key]) if key in known else (2 if key.startswith("x-") else 1, 0)

        new = sorted(old, key=rank)
        return new if new == old or not self.linked or _links(part, new) == _links(part, old) else old


def _links(part: Part, order: Iterable[int]) -> tuple[dict[int, int | None], dict[str, int]]:
    """Return which anchor each alias stands for, and which anchors hold at the end, with a mapping's keys in some order."""
    anchors: dict[str, int] = {}
    aliases: dict[int, int | None] = {}
    for index in order:
        entry = part.entries[index]
        for one in (entry.key, *entry.value.below()):
            if one.sort == "alias":
                aliases[id(one)] = anchors.get(one.text)
            elif one.anchor:
                anchors[one.anchor] = id(one)
    return aliases, anchors


def _moved(part: Part) -> Part:
    """Return a part as if its text began with it."""
    by = part.body
    return Part(
        part.sort,
        0,
        0,
        part.end - by,
        items=[
            Part(one.sort, max(one.start - by, 0), max(one.body - by, 0), one.end - by, one.style)
            for one in part.below()
            if one.sort in ("scalar", "alias")
        ],
    )


def _shared(margin: Margin, column: int, value: Part) -> tuple[Margin, Margin]:
    """Return the lines behind a value that belong to its block, for they are indented deeper, and the others."""
    if not value.block:
        return [], margin
    count = 0
    for index, one in enumerate(margin):
        if one is not None and one[0] <= column:
            break
        if one is not None:
            count = index + 1
    return margin[:count], margin[count:]


def _trimmed(margin: Margin) -> Margin:
    while margin and margin[0] is None:
        margin = margin[1:]
    return margin


# what the language says


def ranked(model: type[BaseModel]) -> list[str]:
    """Return a model's keys in the order to write them. A kind's own fields come before those that all of its union have."""
    from inspect import get_annotations

    from mlspec.kinds import Kind
    from mlspec.spec.shape import key

    fields = model.model_fields
    names = list(fields)
    if issubclass(model, Kind):
        own = [name for base in model.__mro__ for name in get_annotations(base) if name in fields]
        names = [*dict.fromkeys([*(name for name in _FIRST if name in fields), *own, *fields])]
    return [key(name, fields[name]) for name in names]


def _models(part: Part, where: Place) -> Iterator[type[BaseModel]]:
    """Yield the models that a mapping may be meant as at a place; of a union's members, the one that it names."""
    from pydantic import BaseModel

    from mlspec.kinds import Among
    from mlspec.kinds import Part as Lazy
    from mlspec.spec.shape import choices

    for one in choices(where):
        union, lazy = one.marker(Among), one.marker(Lazy)
        if union is not None:
            kind = part.part("kind")
            try:
                yield union.load(kind.text if kind else union._default or "")
            except KeyError:
                continue
        elif lazy is not None:
            yield lazy.model
        elif isinstance(one.annotation, type) and issubclass(one.annotation, BaseModel):
            yield one.annotation


def _model(part: Part, places: Sequence[Place]) -> type[BaseModel] | None:
    """Return the model that a mapping is meant as: of several, the one that knows most of its keys."""
    from mlspec.spec.shape import fields

    keys = {entry.key.text for entry in part.entries}
    found = [model for where in places for model in _models(part, where)]
    return max(found, key=lambda model: len(keys & fields(model).keys()), default=None)


def _inner(places: Sequence[Place]) -> list[Place]:
    from mlspec.spec.shape import element

    return [inner for where in places if (inner := element(where)) is not None]


def _below(model: type[BaseModel] | None, inner: list[Place], key: str) -> list[Place]:
    """Return the places that a key of a mapping leads to."""
    from mlspec.spec.project import Project
    from mlspec.spec.shape import Place, fields, place

    if model is None:
        return inner
    field = fields(model).get(key)
    if model is Project and key == "environments":
        return [Place(dict[str, Project])]  # an overlay has the sections of a spec
    return [place(field)] if field else []
