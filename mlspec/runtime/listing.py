"""A resolved spec as lines of YAML that the report can link to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlspec.diagnostic import Route


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the resolved spec: what stands before it (blanks and dashes), key, value, and the route that it holds."""

    lead: str
    key: str
    value: str
    route: Route


SECTIONS = (
    "mlspec",
    "project",
    "requirements",
    "task",
    "data",
    "splits",
    "features",
    "augmentation",
    "model",
    "baseline",
    "training",
    "evaluation",
    "exports",
    "compress",
    "deployment",
    "hardware",
    "monitoring",
    "retraining",
    "feedback",
    "pipeline",
    "tracking",
    "registry",
    "steps",
)
"""The order in which the language tells its sections."""


def ordered(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec with its sections in the language's order, whatever order they come in."""
    place = {name: index for index, name in enumerate(SECTIONS)}
    return dict(sorted(spec.items(), key=lambda item: (place.get(item[0], len(place)), item[0])))


def lines(spec: Any, route: Route = (), indent: int = 0, lead: str = "") -> Iterator[Line]:
    """Yield a spec as lines of YAML, which read back as the same data."""
    items = spec.items() if isinstance(spec, Mapping) else enumerate(spec)
    for place, (name, value) in enumerate(items):
        before = lead if lead and place == 0 else " " * indent
        key = f"{_scalar(name)}:" if isinstance(spec, Mapping) else ""
        nested = isinstance(value, Mapping | list) and bool(value)
        if key or not nested:
            yield Line(before if key else f"{before}- ", key, "" if nested else _scalar(value), (*route, name))
        if nested:
            yield from lines(value, (*route, name), indent + 2, "" if key else f"{before}- ")


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./()-]+)*")
_NOT_TEXT = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"}


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    return json.dumps(value, ensure_ascii=False)


def anchors(listed: Sequence[Line]) -> dict[Route, str]:
    """Return the name of each line that can be linked to."""
    return {line.route: f"spec-{place}" for place, line in enumerate(listed)}


def anchor(route: Route, anchors: Mapping[Route, str]) -> str | None:
    """Return the name of the line that a route leads to, or of the nearest one above it."""
    for end in range(len(route), 0, -1):
        if route[:end] in anchors:
            return anchors[route[:end]]
    return None
