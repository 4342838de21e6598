"""One change of a YAML text, by route: the text is cut where the change is, all else stays as it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from mlspec.concrete import Entry, Part, UnusualError, read
from mlspec.diagnostic import Change, Route, Severity
from mlspec.document import Document, parse
from mlspec.syntax import SyntaxFaultError

Cut = tuple[int, int, str]
"""``(start, end, text)``: what stands between two offsets gives way to a text."""


class CannotError(ValueError):
    """A change cannot be made in the text with certainty."""


def amended(text: str, changes: Sequence[Change]) -> str:
    """Return the text with changes made one after the other, by routes of the document itself.

    Raises CannotError unless the new text's data is the old data with the changes made, and nothing new is wrong with it.
    """
    for change in changes:
        text = _amended(text, change)
    return text


# The fixes of a file are all placed in the same text: to read it once halves their cost (measured). Nothing changes what is kept.
@lru_cache(maxsize=4)
def _parsed(text: str) -> Document:
    return parse(text, "", mend=False)


@lru_cache(maxsize=4)
def _parts(text: str) -> Part | None:
    return read(text)


def _amended(text: str, change: Change) -> str:
    before = _parsed(text)
    try:
        root = _parts(text)
        if root is None:
            raise CannotError("the text is empty")
        start, end, put = _ACTIONS[change.action](_Site(text, root), change.route, change.value)
    except (SyntaxFaultError, UnusualError) as error:
        raise CannotError(str(error)) from None
    new = text[:start] + put + text[end:]
    after = _parsed(new)
    wrong = [sum(one.finding.severity is Severity.ERROR for one in document.problems) for document in (before, after)]
    if wrong[1] > wrong[0] or not same(after.data, changed(before.data, change)):
        raise CannotError("the change would do something else, too")
    return new


def changed(data: Any, change: Change) -> Any:
    """Return plain data with a change made, and the parents it lacks. Raises CannotError where it cannot be made."""
    data = _copied(data)
    here: Any = data
    *way, last = change.route
    for depth, step in enumerate(way):
        if change.action == "set" and (_get(here, step) is None):
            _put(here, step, {} if isinstance(change.route[depth + 1], str) else [])
        here = _get(here, step)
    if change.action == "set":
        _put(here, last, _copied(change.value))
    elif _get(here, last, _MISSING) is _MISSING:
        raise CannotError("there is no such key")
    elif change.action == "remove":
        del here[last]
    else:
        items = [(change.value if key == last else key, value) for key, value in here.items()]
        here.clear()
        here.update(items)
    return data


_MISSING = object()


def _get(here: Any, step: str | int, default: Any = None) -> Any:
    if isinstance(here, dict) and isinstance(step, str):
        return here.get(step, default)
    if isinstance(here, list) and isinstance(step, int):
        return here[step] if 0 <= step < len(here) else default
    return default


def _put(here: Any, step: str | int, value: Any) -> None:
    if isinstance(here, list) and step == len(here):
        here.append(value)
    elif (isinstance(here, dict) and isinstance(step, str)) or (
        isinstance(here, list) and isinstance(step, int) and 0 <= step < len(here)
    ):
        here[step] = value  # type: ignore[index]
    else:
        raise CannotError("the route leads through a value that is neither mapping nor list")


def _copied(value: Any) -> Any:
    """Copy plain data. Aliases become values of their own, which `deepcopy` would keep as one."""
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list | tuple) else value


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, types included; the order of keys does not count."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


def refined(old: Any, route: Route, new: Any) -> Iterator[Change]:
    """Yield small changes that together set a value, so that as little as possible of what is written gives way."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() & new.keys():
        for key, value in new.items():
            if key not in old:
                yield Change("set", (*route, key), value)
            elif not same(old[key], value):
                yield from refined(old[key], (*route, key), value)
        yield from (Change("remove", (*route, key)) for key in old if key not in new)
    elif isinstance(old, list) and isinstance(new, list) and old and new and (steps := _list_steps(old, route, new)) is not None:
        yield from steps
    else:
        yield Change("set", route, new)


def _list_steps(old: list[Any], route: Route, new: list[Any]) -> list[Change] | None:
    if len(old) == len(new):
        pairs = [index for index in range(len(old)) if not same(old[index], new[index])]
        if len(pairs) < len(old):
            return [step for index in pairs for step in refined(old[index], (*route, index), new[index])]
        return None
    if same(old, new[: len(old)]):
        return [Change("set", (*route, index), new[index]) for index in range(len(old), len(new))]
    kept, gone = 0, []
    for index, one in enumerate(old):
        if kept < len(new) and same(one, new[kept]):
            kept += 1
        else:
            gone.append(index)
    return [Change("remove", (*route, index)) for index in reversed(gone)] if kept == len(new) else None


# values as text


def written(value: Any, *, flow: bool, style: str = "") -> str:
    """Return plain data as YAML of one line; a text in the style wanted, unless it would mean something else in it."""
    if isinstance(value, dict):
        inner = (f"{written(key, flow=True)}: {written(one, flow=True)}" for key, one in value.items())
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(written(one, flow=True) for one in value) + "]"
    if isinstance(value, str):
        return _text(value, flow, style)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and value - value != 0:
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    return repr(value) if isinstance(value, int | float) else _text(str(value), flow, style)


def _text(value: str, flow: bool, style: str) -> str:
    if re.search("[\0\ud800-\udfff]", value):
        raise CannotError("the text holds a character that YAML cannot write")
    plain = not style and _is_plain(value, flow)
    if plain:
        return value
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return double_quoted(value)


def double_quoted(value: str) -> str:
    """Return a text as YAML in double quotes."""
    return re.sub(
        "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]",
        lambda found: f"\\u{ord(found.group()):04x}",
        json.dumps(value, ensure_ascii=False),
    )


@lru_cache(maxsize=256)
def _is_plain(value: str, flow: bool) -> bool:
    if not value.isprintable() or value != value.strip():
        return False
    document = parse(f"{{k: [{value}, 1], {value}: 1}}\n" if flow else f"k: {value}\n{value}: 1\n", "", mend=False)
    if document.problems or not isinstance(document.data, dict):
        return False
    wanted: Any = {"k": [value, 1] if flow else value, value: 1}
    return same(document.data, wanted)


# where to cut


class _Site:
    """A text, its parts, and what stands around them."""

    def __init__(self, text: str, root: Part) -> None:
        self.text = text
        self.root = root
        self.newline = "\r\n" if "\r\n" in text else "\n"

    def line_start(self, at: int) -> int:
        return max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1

    def line_end(self, at: int) -> int:
        found = re.compile(r"[^\r\n]*").match(self.text, at)
        return found.end() if found else at

    def after_break(self, at: int) -> int:
        found = re.compile(r"\r\n|\r|\n|").match(self.text, at)
        return found.end() if found else at

    def is_first(self, at: int) -> bool:
        return not self.text[self.line_start(at) : at].strip()

    def line_above(self, start: int) -> tuple[int, int]:
        """Return where the line begins and ends that is above the one that begins at an offset."""
        end = start - 2 if self.text[max(start - 2, 0) : start] == "\r\n" else start - 1
        return self.line_start(end), end

    def is_blank_above(self, start: int) -> bool:
        begin, end = self.line_above(start)
        return not self.text[begin:end].strip()

    def is_blank_between(self, begin: int, stop: int) -> bool:
        """Whether two blank lines would meet if the lines between two offsets went."""
        blank = stop < len(self.text) and not self.text[stop : self.line_end(stop)].strip()
        return blank and (not begin or self.is_blank_above(begin))

    def has_comment(self, start: int, end: int) -> bool:
        """Whether a comment stands between two offsets, outside of every scalar."""
        at = start
        for part in self.root.below():
            if part.sort in ("scalar", "alias") and start <= part.start < end:
                if "#" in self.text[at : part.body]:
                    return True
                at = max(at, part.end)
        return "#" in self.text[at:end]

    def walk(self, route: Route) -> tuple[list[Part], int]:
        """Return the parts on the way, as far as the text writes them, and how many steps of the route that is."""
        path = [self.root]
        for step in route:
            part = path[-1].part(step)
            if part is None:
                break
            path.append(part)
        return path, len(path) - 1

    def behind(self, route: Route) -> int:
        """Return the offset behind the `:` or dash that a block value belongs to."""
        if not route:
            return self.root.start
        holder = self.walk(route[:-1])[0][-1]
        step = route[-1]
        if isinstance(step, str):
            entry = holder.entry(step)
            assert entry is not None
            return entry.colon + 1
        return holder.dashes[step] + 1


def _set(site: _Site, route: Route, value: Any) -> Cut:
    path, found = site.walk(route)
    part = path[-1]
    flow = any(one.flow for one in path[:-1])
    if found == len(route):
        return _replaced(site, route, part, value, flow)
    for step in reversed(route[found + 1 :]):
        value = {step: value} if isinstance(step, str) else [value]
    step = route[found]
    if part.sort == "mapping" and isinstance(step, str):
        return _key_added(site, part, step, value, flow or part.flow)
    if part.sort == "list" and step == len(part.items):
        return _item_added(site, part, value, flow or part.flow)
    if part.sort == "scalar" and not part.style:  # null, or the data will tell
        return _replaced(site, route[:found], part, {step: value} if isinstance(step, str) else [value], flow)
    raise CannotError("the route leads through a value that is neither mapping nor list, or an alias")


def _replaced(site: _Site, route: Route, part: Part, value: Any, flow: bool) -> Cut:
    if part.anchor or part.tag:
        raise CannotError("the value has an anchor or a tag")
    if part.style in ("|", ">"):
        raise CannotError("the value is a block of text")
    put = written(value, flow=flow, style=part.style)
    if part.block:
        start = site.behind(route)
        if site.has_comment(start, part.end):
            raise CannotError("comments stand in the value")
        return start, part.end, f" {put}" if route else put
    if part.flow and site.has_comment(part.start, part.end):
        raise CannotError("comments stand in the value")
    if part.start == part.end and route:
        before = site.text[part.start - 1 : part.start]
        return part.start, part.end, f" {put}" if before in (":", "-") else f": {put}"
    return part.start, part.end, put


def _key_added(site: _Site, part: Part, key: str, value: Any, flow: bool) -> Cut:
    put = f"{written(key, flow=flow)}: {written(value, flow=flow)}"
    spans = [(one.key.start, one.value.end) for one in part.entries]
    if part.flow:
        return _into_flow(site, part, spans, put)
    first = part.entries[0].key.start
    indent = " " * (first - site.line_start(first))
    apart = ""
    if part is site.root and any(site.is_blank_above(site.line_start(at)) for at, _ in spans[1:]):
        apart = site.newline  # sections stand apart here
    at = site.line_end(part.end)
    return at, at, f"{site.newline}{apart}{indent}{put}"


def _item_added(site: _Site, part: Part, value: Any, flow: bool) -> Cut:
    put = written(value, flow=flow)
    if part.flow:
        return _into_flow(site, part, [(one.start, one.end) for one in part.items], put)
    dash = part.dashes[-1]
    indent = " " * (dash - site.line_start(dash))
    at = site.line_end(part.end)
    return at, at, f"{site.newline}{indent}- {put}"


def _into_flow(site: _Site, part: Part, spans: list[tuple[int, int]], put: str) -> Cut:
    if not spans:
        return part.body + 1, part.end - 1, put
    end = spans[-1][1]
    comma = re.compile(r"\s*,").match(site.text, end)
    start = spans[-1][0]
    own_line = site.is_first(start) and site.line_start(start) > part.body
    apart = f"{site.newline}{' ' * (start - site.line_start(start))}" if own_line else " "
    return (comma.end(), comma.end(), f"{apart}{put},") if comma else (end, end, f",{apart}{put}")


def _rename(site: _Site, route: Route, value: Any) -> Cut:
    path, found = site.walk(route)
    step = route[-1]
    entry = path[-2].entry(step) if found == len(route) and isinstance(step, str) else None
    if entry is None or entry.key.sort != "scalar" or entry.key.anchor or entry.key.tag or not isinstance(value, str):
        raise CannotError("the key is not written here itself")
    return entry.key.start, entry.key.end, written(value, flow=True, style=entry.key.style)


def _remove(site: _Site, route: Route, value: Any) -> Cut:
    path, found = site.walk(route)
    if found < len(route):
        raise CannotError("the key is not written here itself")
    parent, step = path[-2], route[-1]
    if isinstance(step, str):
        index = next(index for index, one in enumerate(parent.entries) if one.key.text == step)
        return _entry_removed(site, parent, index, route[:-1])
    starts = parent.dashes or [one.start for one in parent.items]
    spans = [(start, one.end) for start, one in zip(starts, parent.items, strict=True)]
    return _cut_out(site, parent, spans, step, route[:-1])


def _entry_removed(site: _Site, parent: Part, index: int, route: Route) -> Cut:
    return _cut_out(site, parent, [(one.key.start, one.value.end) for one in parent.entries], index, route)


def _cut_out(site: _Site, parent: Part, spans: list[tuple[int, int]], index: int, route: Route) -> Cut:
    start, end = spans[index]
    if parent.flow:
        return _cut_from_flow(site, parent, spans, index)
    if len(spans) == 1:
        return _replaced(site, route, parent, {} if parent.sort == "mapping" else [], False)
    if not site.is_first(start):
        return _cut_from_dash(site, spans, index)
    begin, stop = site.line_start(start), site.after_break(site.line_end(end))
    if stop == site.line_end(end) and begin:  # the last line, and nothing ends it
        begin = site.line_above(begin)[1]
    elif site.is_blank_between(begin, stop):
        stop = site.after_break(site.line_end(stop))  # of the blank lines above and below, one is left
    return begin, stop, ""


def _cut_from_dash(site: _Site, spans: list[tuple[int, int]], index: int) -> Cut:
    """Take away what shares its line with the dash above it: what comes next moves there."""
    start, end = spans[index]
    if index + 1 == len(spans):
        raise CannotError("the line begins with something else")
    following = spans[index + 1][0]
    if site.has_comment(site.line_end(end), following):
        raise CannotError("a comment stands between")
    return start, following, ""


def _cut_from_flow(site: _Site, parent: Part, spans: list[tuple[int, int]], index: int) -> Cut:
    start, end = spans[index]
    if len(spans) == 1:
        start, end = parent.body + 1, parent.end - 1
    elif index + 1 < len(spans):
        end = spans[index + 1][0]
    else:
        start = spans[index - 1][1]
    if site.has_comment(start, end):
        raise CannotError("a comment stands between")
    return start, end, ""


def duplicate_removed(text: str, at: int) -> Cut:
    """Return the cut of the key that begins at an offset, where an equal key before it has an equal value."""
    try:
        root = read(text)
    except (SyntaxFaultError, UnusualError) as error:
        raise CannotError(str(error)) from None
    for part in root.below() if root else ():
        for index, entry in enumerate(part.entries):
            if entry.key.start == at and _is_repeated(part.entries[:index], entry):
                assert root is not None
                return _entry_removed(_Site(text, root), part, index, ())
    raise CannotError("the two differ")


def _is_repeated(before: list[Entry], entry: Entry) -> bool:
    first = next((one for one in before if one.key.text == entry.key.text), None)
    return first is not None and first.value.meaning() == entry.value.meaning()


_ACTIONS = {"set": _set, "rename": _rename, "remove": _remove}
