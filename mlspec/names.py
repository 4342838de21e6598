"""The names that a spec defines and refers to: columns, sources, steps, metrics of its own, business targets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mlspec.composer import Node
from mlspec.diagnostic import Route
from mlspec.document import Document

ANY, EACH = "*", "#"  # any key, any position
Pattern = tuple[str, ...]

DEFINED: tuple[tuple[Pattern, str], ...] = (
    (("data", "columns", ANY), "column"),
    (("data", "sources", ANY), "source"),
    (("evaluation", "metrics", ANY), "metric"),
    (("steps", ANY), "step"),
)
"""Keys that define a name, and of what sort."""

REFERRED: tuple[tuple[Pattern, str], ...] = (
    (("task", "target"), "column"),
    (("task", "user"), "column"),
    (("task", "item"), "column"),
    (("for_each", "column"), "column"),
    (("splits", "group_by"), "column"),
    (("splits", "time"), "column"),
    (("features", EACH, "columns"), "column"),
    (("features", EACH, "columns", EACH), "column"),
    (("data", "checks", EACH, "columns", EACH), "column"),
    (("data", "checks", EACH, "column"), "column"),
    (("data", "window", "time"), "column"),
    (("data", "window", "by"), "column"),
    (("data", "window", "values"), "column"),
    (("data", "window", "values", EACH), "column"),
    (("data", "join", EACH, "on"), "column"),
    (("data", "join", EACH, "on", EACH), "column"),
    (("evaluation", "slices", EACH), "column"),
    (("evaluation", "slices", EACH, "column"), "column"),
    (("evaluation", "fairness", "sensitive"), "column"),
    (("evaluation", "fairness", "sensitive", EACH), "column"),
    (("monitoring", "data_drift", "columns"), "column"),
    (("monitoring", "data_drift", "columns", EACH), "column"),
    (("data", "join", EACH, "left"), "source"),
    (("data", "join", EACH, "right"), "source"),
    (("requirements", "metrics", EACH, "metric"), "metric"),
    (("training", "tuning", "metric"), "metric"),
    (("monitoring", "concept_drift", "metric"), "metric"),
    (("retraining", "ab_test", "metric"), "metric"),
    (("requirements", "metrics", EACH, "supports"), "business"),
    (("steps", ANY, "after"), "step"),
    (("steps", ANY, "after", EACH), "step"),
    (("steps", ANY, "inputs", ANY), "step"),  # `step.output`
)
"""Values that refer to a name, and of what sort."""

CONDITIONS: tuple[Pattern, ...] = (
    ("requirements", "coverage", EACH, "where"),
    ("evaluation", "slices", EACH, "where"),
    ("data", "checks", EACH, "that"),
)
"""Values that are conditions on columns."""

BUSINESS: Pattern = ("requirements", "business", EACH, "name")
_WORD = re.compile(r"'[^']*'|\"[^\"]*\"|`([^`]+)`|([A-Za-z_]\w*)")


class Occurrence(NamedTuple):
    """A name where it stands in a text, by offsets."""

    sort: str
    name: str
    start: int
    end: int
    defines: bool
    route: Route


def sort_at(route: Route) -> str | None:
    """Return which sort of name the value at a route refers to."""
    return next((sort for pattern, sort in REFERRED if _fits(pattern, route)), None)


def occurrences(document: Document) -> Iterator[Occurrence]:
    """Yield every name that a document defines or refers to, in no particular order."""
    if document.root is None:
        return
    waiting: list[tuple[Route, Node]] = [((), document.root)]
    while waiting:
        route, node = waiting.pop()
        if isinstance(node.children, dict):
            for key, (start, end, inner) in node.children.items():
                below = (*route, key)
                yield from (Occurrence(sort, key, start, end, True, below) for pattern, sort in DEFINED if _fits(pattern, below))
                waiting.append((below, inner))
        elif isinstance(node.children, list):
            waiting += [((*route, index), inner) for index, inner in enumerate(node.children)]
        elif isinstance(node.value, str):
            yield from _at_text(document, route, node)


def _at_text(document: Document, route: Route, node: Node) -> Iterator[Occurrence]:
    start, end = node.start, node.end
    written = document.text[start:end]
    if len(written) > 1 and written[0] in "'\"" and written[-1] == written[0]:
        start, end = start + 1, end - 1
    if _fits(BUSINESS, route):
        yield Occurrence("business", node.value, start, end, True, route)
    sort = sort_at(route)
    if sort is not None:
        name = node.value.partition(".")[0] if sort == "step" else node.value
        if document.text.startswith(name, start):
            yield Occurrence(sort, name, start, start + len(name), False, route)
    if any(_fits(pattern, route) for pattern in CONDITIONS):
        for word in _WORD.finditer(document.text, start, end):
            group = 1 if word.group(1) else 2
            if word.group(group):
                yield Occurrence("column", word.group(group), *word.span(group), False, route)


def _fits(pattern: Pattern, route: Route) -> bool:
    return len(pattern) == len(route) and all(
        isinstance(part, int) if one == EACH else one in (ANY, part) and isinstance(part, str)
        for one, part in zip(pattern, route, strict=True)
    )
