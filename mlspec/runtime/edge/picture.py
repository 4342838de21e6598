"""What the pages of exports draw: each model file as a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlspec.runtime.figure import tradeoff
from mlspec.runtime.figure.canvas import Drawing
from mlspec.runtime.figure.tradeoff import Point

Json = Mapping[str, Any]


def of_exports(exports: Sequence[Json]) -> Drawing | None:
    """Draw the exports of a run, as `mlspec.runtime.ship` tells of them."""
    return tradeoff.latency(
        [
            Point(one["name"], one["proof"]["size"], one["timing"]["exported"]["latency_ms"]["p50"], None, one["verdict"])
            for one in exports
            if "exported" in one["timing"]
        ]
    )


def of_search(found: Json) -> list[Drawing]:
    """Draw what `mlspec.runtime.edge.search` has tried: size against latency, and against what is lost."""
    words: dict[str, list[str]] = {}
    for word, name in found["chosen"].items():
        words.setdefault(name, []).append(word)
    points = [
        Point(
            one["name"], one["size"], one["latency_ms"]["p50"], one["drop"], one["verdict"], ", ".join(words.get(one["name"], ()))
        )
        for one in found["variants"]
        if "latency_ms" in one
    ]
    drawn = tradeoff.latency(points), tradeoff.loss(points, found["primary"], found["max_drop"])
    return [one for one in drawn if one is not None]
