"""What stands at a place of a spec that is being written: the key or value there, and what could be written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from mlspec import metrics, names
from mlspec.composer import Node
from mlspec.diagnostic import Route
from mlspec.document import Document, parse
from mlspec.reference import describe, words
from mlspec.spec.project import Project
from mlspec.spec.shape import Place, choices, element, fields, models, place, union

HERE = "mlspec_cursor_here"


@dataclass(frozen=True, slots=True)
class Standing:
    """A key or value of the document, with the offsets it stands between."""

    route: Route
    on: Literal["key", "value"]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that may be written: a key, or a value."""

    word: str
    sort: Literal["key", "value", "kind", "name"]
    detail: str
    explanation: str


def at(document: Document, offset: int) -> Standing | None:
    """Return the innermost key or scalar that an offset lies in or right behind."""
    node: Node | None = document.root
    route: Route = ()
    while node is not None:
        inside: tuple[Node, Route] | None = None
        if isinstance(node.children, dict):
            for key, (start, end, inner) in node.children.items():
                if start <= offset <= end:
                    return Standing((*route, key), "key", start, end)
                if inner.start <= offset <= inner.end:
                    inside = inner, (*route, key)
        elif isinstance(node.children, list):
            for index, inner in enumerate(node.children):
                if inner.start <= offset <= inner.end:
                    inside = inner, (*route, index)
        else:
            return Standing(route, "value", node.start, node.end)
        if inside is None:
            return None
        node, route = inside
    return None


def standing(data: Any, route: Route) -> list[tuple[Place, FieldInfo | None]]:
    """Return what the language says may stand at a route of a spec, given the kinds that the spec chooses on the way."""
    where: list[tuple[Place, FieldInfo | None]] = [(Place(Project), None)]
    for part in route:
        where = [found for one, _ in where for found in _below(_chosen(one, data), part)]
        data = data.get(part) if isinstance(data, dict) else _item(data, part)
    return where


def _item(data: Any, part: str | int) -> Any:
    return data[part] if isinstance(data, list) and isinstance(part, int) and part < len(data) else None


def _chosen(where: Place, data: Any) -> Place:
    """Where a kind is chosen, return its place alone."""
    found = union(where)
    kind = data.get("kind") if isinstance(data, dict) else None
    if found is not None and isinstance(kind, str) and kind in found.names():
        return Place(found.load(kind))
    return where


def _below(where: Place, part: str | int) -> Iterator[tuple[Place, FieldInfo | None]]:
    for model in models(where):
        if part in (known := fields(model)):
            yield place(known[str(part)]), known[str(part)]
    if (inner := element(where)) is not None:
        yield inner, None


def explained(document: Document, offset: int) -> tuple[str, Standing] | None:
    """Return what the language says of the key (or of the key of the value) at an offset, as lines of text."""
    found = at(document, offset)
    if found is None:
        return None
    route = found.route
    if found.on == "value" and route and route[-1] == "kind":
        chosen = [_chosen(one, _data(document, route[:-1])) for one, _ in standing(document.data, route[:-1])]
        told = [line for one in chosen for line in describe(one, None)]
    else:
        told = [line for one, field in standing(document.data, route) for line in describe(one, field)]
    return ("\n".join(dict.fromkeys(told)), found) if told else None


def _data(document: Document, route: Route) -> Any:
    data = document.data
    for part in route:
        data = data.get(part) if isinstance(data, dict) else _item(data, part)
    return data


def completions(text: str, offset: int, name: str) -> list[Choice]:
    """Return what may be written at an offset, each word once: keys that are not there yet, values, kinds, names."""
    begin, end = offset, offset
    while begin and _in_word(text[begin - 1]):
        begin -= 1
    while end < len(text) and _in_word(text[end]):
        end += 1
    before = text[text.rfind("\n", 0, begin) + 1 : begin]
    as_key, as_value = f"{HERE}: 0", HERE
    likely_key = re.fullmatch(r"\s*(- +)*", before) or re.search(r"[{,]\s*$", before)
    colon = text[end : end + 1] == ":"
    collected: dict[str, Choice] = {}
    for put in (as_key, as_value) if likely_key else (as_value,):
        if put is as_key and colon:
            put = HERE
        document = parse(text[:begin] + put + text[end:], name)
        found = _find(document, HERE)
        if found is None:
            continue
        route, is_key = found
        for one in _keys(document, route[:-1]) if is_key else _values(document, route):
            collected.setdefault(one.word, one)
    return list(collected.values())


def _in_word(char: str) -> bool:
    return char.isalnum() or char in "_-."


def _find(document: Document, word: str) -> tuple[Route, bool] | None:
    """Return the route of the key or value that is a word, and whether it is a key."""
    waiting: list[tuple[Route, Any]] = [((), document.data)]
    while waiting:
        route, value = waiting.pop()
        if value == word:
            return route, False
        if isinstance(value, dict):
            if word in value:
                return (*route, word), True
            waiting += [((*route, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            waiting += [((*route, index), inner) for index, inner in enumerate(value)]
    return None


def _keys(document: Document, route: Route) -> Iterator[Choice]:
    """Yield the keys that a mapping may still have."""
    data = _data(document, route)
    taken = set(data) if isinstance(data, dict) else set()
    seen: set[str] = set()
    for one, _ in standing(document.data, route):
        chosen = _chosen(one, data)
        if union(chosen) is not None and "kind" not in taken:
            yield Choice("kind", "key", "which of them", "")
            continue
        for model in models(chosen):
            for key, field in fields(model).items():
                if key not in taken and key not in seen:
                    seen.add(key)
                    yield Choice(key, "key", words(place(field)).replace("\\|", "|"), field.description or "")


def _values(document: Document, route: Route) -> Iterator[Choice]:
    """Yield the values that may stand at a route."""
    if route and route[-1] == "kind":
        for one, _ in standing(document.data, route[:-1]):
            found = union(one)
            for kind in found.names() if found is not None else ():
                yield Choice(kind, "kind", "kind", (found.load(kind).__doc__ or "") if found else "")
    for one, _ in standing(document.data, route):
        for branch in choices(one):
            if get_origin(branch.annotation) is Literal:
                for value in get_args(branch.annotation):
                    yield Choice(str(value), "value", "value", "")
            elif branch.annotation is bool:
                yield from (Choice(word, "value", "truth value", "") for word in ("true", "false"))
        if any(True for _ in models(one)) and isinstance(route[-1] if route else None, int):
            yield from _keys(document, route)
    yield from _names(document, route)


def _names(document: Document, route: Route) -> Iterator[Choice]:
    sort = names.sort_at(route)
    if sort is None:
        return
    defined = {one.name: one for one in names.occurrences(document) if one.sort == sort and one.defines}
    yield from (Choice(name, "name", sort, "") for name in defined if name != HERE)
    if sort == "metric":
        kind = (document.data.get("task") or {}).get("kind") if isinstance(document.data, dict) else None
        for metric in metrics.CATALOGUE.values():
            if kind is None or kind in metric.tasks:
                yield Choice(metric.name, "value", "metric", metric.summary)
