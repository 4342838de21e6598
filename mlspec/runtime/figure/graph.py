"""The pipeline as a layered drawing: longest path for the layers, barycentres for the order, boxes and curves."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mlspec.runtime.figure.canvas import columns, shorten

BOX, GAP, TALL, DROP = 212, 22, 66, 40
"""Width of a step and of the space beside it, height of a step and of the space under it, in pixels."""
_LANE = 26


@dataclass(frozen=True, slots=True)
class Box:
    """A step in its place: the top left corner, and its words cut to what the box can hold."""

    id: str
    name: str
    op: str
    stage: str
    lines: tuple[str, ...]
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes and the SVG paths of the arrows between them, inside `width` by `height`."""

    boxes: tuple[Box, ...]
    arrows: tuple[str, ...]
    width: float
    height: float
    hidden: int


def layout(steps: Sequence[Mapping[str, Any]], edges: Sequence[Sequence[str]]) -> Graph:
    """Place steps (`id`, `op`, `stage`, `summary`) under the steps they wait for.

    An arrow that follows from others is left out (transitive reduction) and counted in `hidden`; a long arrow gets a lane of
    its own through the layers it crosses, so that none runs through a box.
    """
    by_id = {str(step["id"]): step for step in steps}
    known = sorted({(a, b) for a, b in edges if a in by_id and b in by_id and a != b}, key=lambda edge: _order(edge, by_id))
    layer = _layers(list(by_id), known)
    shown = _reduced(sorted(by_id, key=layer.__getitem__), known)
    rows, chains = _with_lanes(list(by_id), shown, layer)
    _settle(rows, chains)
    widths = [sum(_width(node, by_id) for node in row) + GAP * (len(row) - 1) for row in rows]
    whole = max(widths, default=0)
    place: dict[str, tuple[float, float]] = {}
    for down, (row, wide) in enumerate(zip(rows, widths, strict=True)):
        x = (whole - wide) / 2
        for node in row:
            place[node] = (x, down * (TALL + DROP))
            x += _width(node, by_id) + GAP
    boxes = tuple(_box(by_id[node], *place[node]) for node in by_id)
    arrows = tuple(_arrow([(*place[node], _width(node, by_id), node in by_id) for node in chain]) for chain in chains)
    return Graph(boxes, arrows, whole, max(len(rows) * (TALL + DROP) - DROP, 0), len(known) - len(shown))


def _order(edge: tuple[str, str], by_id: Mapping[str, Any]) -> tuple[int, int]:
    places = {name: place for place, name in enumerate(by_id)}
    return places[edge[0]], places[edge[1]]


def _reduced(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Drop an edge a -> c where a reaches c by way of another; `nodes` are in an order in which they can run."""
    after: dict[str, set[str]] = {node: set() for node in nodes}
    reach: dict[str, set[str]] = {}
    for a, b in edges:
        after[a].add(b)
    for node in reversed(nodes):
        reach[node] = after[node].union(*(reach.get(one, set()) for one in after[node]))
    return [(a, b) for a, b in edges if not any(b in reach.get(other, set()) for other in after[a] if other != b)]


def _layers(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    layer = dict.fromkeys(nodes, 0)
    for _ in nodes:  # as many rounds as steps are enough, and a cycle cannot hang us
        changed = False
        for a, b in edges:
            if layer[b] < layer[a] + 1 <= len(nodes):
                layer[b], changed = layer[a] + 1, True
        if not changed:
            break
    return layer


def _with_lanes(
    nodes: Sequence[str], edges: Sequence[tuple[str, str]], layer: Mapping[str, int]
) -> tuple[list[list[str]], list[list[str]]]:
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for node in nodes:
        rows[layer[node]].append(node)
    chains = []
    for a, b in edges:
        lanes = [f"{a} {b} {between}" for between in range(layer[a] + 1, layer[b])]  # a blank: never a step's id
        for between, lane in zip(range(layer[a] + 1, layer[b]), lanes, strict=True):
            rows[between].append(lane)
        chains.append([a, *lanes, b])
    return rows, chains


def _settle(rows: list[list[str]], chains: Sequence[Sequence[str]]) -> None:
    """Order every row by the mean place of its neighbours, downwards and upwards in turn."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for chain in chains:
        for a, b in pairwise(chain):
            above.setdefault(b, []).append(a)
            below.setdefault(a, []).append(b)
    for sweep in range(6):
        neighbours = above if sweep % 2 == 0 else below
        place = {node: (index + 0.5) / len(row) for row in rows for index, node in enumerate(row)}
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = {
                node: sum(place[one] for one in neighbours[node]) / len(neighbours[node]) if neighbours.get(node) else place[node]
                for node in row
            }
            row.sort(key=wanted.__getitem__)
            place.update({node: (index + 0.5) / len(row) for index, node in enumerate(row)})


def _width(node: str, by_id: Mapping[str, Any]) -> float:
    return BOX if node in by_id else _LANE


def _box(step: Mapping[str, Any], x: float, y: float) -> Box:
    name = str(step["id"])
    words = shorten(str(step.get("summary") or ""), 90)
    lines = textwrap.wrap(words, 30 if columns(words) == len(words) else 15, max_lines=2, placeholder=" …")
    return Box(name, shorten(name, 25), str(step.get("op") or ""), str(step.get("stage") or ""), tuple(lines), x, y)


def _arrow(stops: Sequence[tuple[float, float, float, bool]]) -> str:
    """Return the path through a box, lanes, and a box: curves between layers, straight lines within a lane."""
    (x, y, wide, _), *others = stops
    at = (x + wide / 2, y + TALL)
    path = f"M{at[0]:g} {at[1]:g}"
    for x, y, wide, is_box in others:
        to = (x + wide / 2, y - (5 if is_box else 0))
        half = (at[1] + to[1]) / 2
        path += f"C{at[0]:g} {half:g} {to[0]:g} {half:g} {to[0]:g} {to[1]:g}"
        at = to
        if not is_box:
            at = (to[0], y + TALL)
            path += f"V{at[1]:g}"
    return path
