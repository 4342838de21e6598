"""A picture as SVG, laid out as the report lays it out: readable on light and dark, without a script, a font or a link."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from mlspec.graph.picture import EXIT, STAGES, Node, Picture
from mlspec.render import visible
from mlspec.runtime.figure.graph import BOX, TALL, Band, Box, Graph, layout
from mlspec.runtime.figure.words import shorten

EDGE = 18  # around everything
CUT = 14  # what a gate's corners lose

STYLE = """
.mlspec { --card: #ffffff; --ink: #14171c; --muted: #5a6472; --rule: #c3cad3; --band: #f1f4f8;
  --data: #0b62b5; --modeling: #8a3f86; --deployment: #00785a; --exit: #77808c; }
@media (prefers-color-scheme: dark) { .mlspec { --card: #161a21; --ink: #e7eaef; --muted: #a4aebb; --rule: #414b58;
  --band: #0d1015; --data: #62b2f5; --modeling: #d79ad3; --deployment: #41c9a2; --exit: #8b95a2; } }
.mlspec text { font: 10.5px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; fill: var(--muted); }
.mlspec .id { font: 600 12.5px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink); }
.mlspec .band { fill: var(--band); }
.mlspec .stage { font-size: 12px; font-weight: 600; }
.mlspec .edge { fill: none; stroke: var(--muted); stroke-width: 1.4; }
.mlspec .head { fill: var(--muted); }
.mlspec .body { fill: var(--card); stroke: var(--rule); }
.mlspec .gate .body, .mlspec .approval .body { stroke: var(--hue); stroke-width: 1.8; }
.mlspec .exit .body { stroke: var(--hue); stroke-dasharray: 5 3; }
.mlspec .bar { fill: var(--hue); }
.mlspec .data { --hue: var(--data); } .mlspec .modeling { --hue: var(--modeling); }
.mlspec .deployment { --hue: var(--deployment); } .mlspec .exit { --hue: var(--exit); }
"""


def text(picture: Picture) -> str:
    """Return the drawing; the same picture gives the same bytes. Hovering over a step shows what asked for it."""
    graph = _laid(picture)
    width, height = graph.width + 2 * EDGE, graph.height + 2 * EDGE
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "mlspec",
            "viewBox": f"0 0 {width:g} {height:g}",
            "width": f"{width:g}",
            "height": f"{height:g}",
            "role": "img",
            "aria-label": visible(f"Pipeline {picture.name}: {', '.join(node.name for node in picture.nodes)}"),
        },
    )
    ET.SubElement(root, "style").text = STYLE
    marker = ET.SubElement(
        ET.SubElement(root, "defs"),
        "marker",
        {"id": "head", "viewBox": "0 0 8 8", "refX": "4", "refY": "4", "markerWidth": "6", "markerHeight": "6", "orient": "auto"},
    )
    ET.SubElement(marker, "path", {"class": "head", "d": "M0 0L8 4L0 8z"})
    body = ET.SubElement(root, "g", {"transform": f"translate({EDGE} {EDGE})"})
    for band in graph.bands:
        _band(body, band, graph.width)
    for arrow in graph.arrows:
        ET.SubElement(body, "path", {"class": "edge", "d": arrow, "marker-end": "url(#head)"})
    nodes = {node.id: node for node in picture.nodes}
    for box in graph.boxes:
        _box(body, box, nodes[box.id])
    return ET.tostring(root, encoding="unicode") + "\n"


def _laid(picture: Picture) -> Graph:
    bands = _banded(picture)
    steps = [{"id": node.id, "op": node.op, "stage": bands[node.id], "summary": node.summary} for node in picture.nodes]
    return layout(steps, picture.edges, STAGES)


def _banded(picture: Picture) -> dict[str, str]:
    """Return the band that each step is drawn in: its stage's, or a later one where it waits for a step of that; it keeps its
    colour. So there are bands for every pipeline, and an arrow never goes up.
    """
    rank = {node.id: STAGES.index(node.stage) for node in picture.nodes}
    before: dict[str, list[str]] = {}
    for a, b in picture.edges:
        before.setdefault(b, []).append(a)
    for node in picture.nodes:
        rank[node.id] = max(rank[node.id], *(rank[one] for one in before.get(node.id, ())), 0)
    return {name: STAGES[place] for name, place in rank.items()}


def _band(parent: ET.Element, band: Band, width: float) -> None:
    place = {"x": f"{-EDGE / 2:g}", "width": f"{width + EDGE:g}", "y": f"{band.y:g}", "height": f"{band.height + EDGE / 2:g}"}
    ET.SubElement(parent, "rect", {"class": "band", "rx": "12", **place})
    name = ET.SubElement(parent, "text", {"class": "stage", "x": "4", "y": f"{band.y + 19:g}"})
    name.text = "at the end, in any case" if band.stage == EXIT else band.stage


def _box(parent: ET.Element, box: Box, node: Node) -> None:
    kinds = " ".join(dict.fromkeys(("node", node.stage, node.shape)))
    group = ET.SubElement(parent, "g", {"class": kinds, "transform": f"translate({box.x:g} {box.y:g})"})
    told = (node.name, node.summary, *(f"asked by {one}" for one in node.asked))
    ET.SubElement(group, "title").text = "\n".join(map(visible, told))
    inset = 15.0
    if node.shape == "gate":
        side, low = BOX - CUT, TALL - CUT
        corners = f"M{CUT} 0H{side}L{BOX} {CUT}V{low}L{side} {TALL}H{CUT}L0 {low}V{CUT}z"
        ET.SubElement(group, "path", {"class": "body", "d": corners})
        inset = 22.0
    else:
        round_ = TALL / 2 if node.shape == "approval" else 9
        ET.SubElement(group, "rect", {"class": "body", "width": str(BOX), "height": str(TALL), "rx": f"{round_:g}"})
        inset = 30.0 if node.shape == "approval" else inset
    if node.shape == "step":
        ET.SubElement(group, "rect", {"class": "bar", "x": "0", "y": "12", "width": "4", "height": str(TALL - 24), "rx": "2"})
    ET.SubElement(group, "text", {"class": "id", "x": f"{inset:g}", "y": "22"}).text = visible(shorten(node.name, 25))
    for index, words in enumerate(box.lines):
        ET.SubElement(group, "text", {"x": f"{inset:g}", "y": f"{39 + 14 * index}"}).text = visible(words)
