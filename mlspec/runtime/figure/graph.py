"""The pipeline as a layered drawing: longest path for the layers, barycentres for the order, boxes and curves."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mlspec.runtime.figure.words import columns, shorten

BOX, GAP, TALL, DROP = 212, 22, 66, 40
"""Width of a step and of the space beside it, height of a step and of the space under it, in pixels."""
_LANE = 26
_HEAD = 30  # above the first row of a band, for its name


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
class Band:
    """The rows of one stage, from `y` on, with a strip above them for its name."""

    stage: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes and the SVG paths of the arrows between them, inside `width` by `height`, and the bands of the stages."""

    boxes: tuple[Box, ...]
    arrows: tuple[str, ...]
    width: float
    height: float
    hidden: int
    bands: tuple[Band, ...] = ()


def layout(steps: Sequence[Mapping[str, Any]], edges: Sequence[Sequence[str]], stages: Sequence[str] = ()) -> Graph:
    """Place steps (`id`, `op`, `stage`, `summary`) under the steps they wait for.

    An arrow that follows from others is left out (transitive reduction) and counted in `hidden`; a long arrow gets a lane of
    its own through the layers it crosses, so that none runs through a box. With `stages`, the steps of a stage stand in rows of
    their own, a band, in that order; there are no bands where a step of one waits for a step of a later one.
    """
    by_id = {str(step["id"]): step for step in steps}
    places = {name: place for place, name in enumerate(by_id)}
    known = sorted(
        {(a, b) for a, b in edges if a in by_id and b in by_id and a != b}, key=lambda edge: (places[edge[0]], places[edge[1]])
    )
    layer = _layers(list(by_id), known)
    stage_of = {name: str(step.get("stage") or "") for name, step in by_id.items()}
    starts = _into_bands(layer, known, stage_of, stages)
    shown = reduced(sorted(by_id, key=layer.__getitem__), known)
    rows, chains = _with_lanes(list(by_id), shown, layer)
    _settle(rows, chains)
    widths = [sum(_width(node, by_id) for node in row) + GAP * (len(row) - 1) for row in rows]
    whole = max(widths, default=0)
    place: dict[str, tuple[float, float]] = {}
    tops, height = _tops(len(rows), starts)
    for top, row, wide in zip(tops, rows, widths, strict=True):
        x = (whole - wide) / 2
        for node in row:
            place[node] = (x, top)
            x += _width(node, by_id) + GAP
    boxes = tuple(_box(by_id[node], *place[node]) for node in by_id)
    arrows = tuple(_arrow([(*place[node], _width(node, by_id), node in by_id) for node in chain]) for chain in chains)
    return Graph(boxes, arrows, whole, height, len(known) - len(shown), _bands(starts, tops))


def _into_bands(
    layer: dict[str, int], edges: Sequence[tuple[str, str]], stage_of: Mapping[str, str], stages: Sequence[str]
) -> dict[str, int]:
    """Move layers down so that each stage has its own; return the layer at which each begins, nothing where that cannot be."""
    rank = {stage: place for place, stage in enumerate(stages)}
    if not set(stage_of.values()) <= rank.keys() or any(rank[stage_of[a]] > rank[stage_of[b]] for a, b in edges):
        return {}
    starts, first = {}, 0
    for stage in stages:
        mine = [node for node in layer if stage_of[node] == stage]
        if mine:
            depth = _layers(mine, [(a, b) for a, b in edges if stage_of[a] == stage_of[b] == stage])
            layer.update({node: first + depth[node] for node in mine})
            starts[stage] = first
            first += max(depth.values()) + 1
    return starts


def _tops(rows: int, starts: Mapping[str, int]) -> tuple[list[float], float]:
    """Return where each row begins, and where the last one ends."""
    tops, at = [], 0.0
    for row in range(rows):
        at += _HEAD if row in starts.values() else 0
        tops.append(at)
        at += TALL + DROP
    return tops, max(at - DROP, 0.0)


def _bands(starts: Mapping[str, int], tops: Sequence[float]) -> tuple[Band, ...]:
    if not starts:
        return ()
    ends = [*list(starts.values())[1:], len(tops)]
    return tuple(
        Band(stage, tops[start] - _HEAD, tops[end - 1] + TALL - tops[start] + _HEAD)
        for (stage, start), end in zip(starts.items(), ends, strict=True)
    )


def reduced(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
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
