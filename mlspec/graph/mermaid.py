"""A picture as Mermaid text, as GitHub, GitLab and many wikis draw it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlspec.graph.picture import STAGES, Node, Picture
from mlspec.render import visible

_SHAPES = {"step": ("[", "]"), "gate": ("{{", "}}"), "approval": ("([", "])"), "exit": ("[[", "]]")}
_STROKES = {"data": "#2f7fd1", "modeling": "#b0579f", "deployment": "#1f9d78", "exit": "#8b95a2"}
"""Lines that stand out on white and on black; fill and text are the theme's."""
_KNOWN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _.,:/()×-")


def text(picture: Picture) -> str:
    """Return the flowchart; the same picture gives the same text. No text of the spec can be read as Mermaid or HTML."""
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    yield f"%% The pipeline of {_escaped(picture.name)}: hexagons are gates, rounded boxes wait for a person."
    yield "flowchart TD"
    for stage in STAGES:
        mine = [node for node in picture.nodes if node.stage == stage]
        if mine:
            yield f'  subgraph stage_{stage}["{"at the end, in any case" if stage == "exit" else stage}"]'
            yield from (f"    {_node(node)}" for node in mine)
            yield "  end"
    yield from (f"  step_{a} --> step_{b}" for a, b in picture.edges)
    yield from (f"  step_{a} -.-> step_{b}" for a, b in picture.turns)
    for stage, stroke in _STROKES.items():
        named = ",".join(f"step_{node.id}" for node in picture.nodes if node.stage == stage)
        if named:
            yield f"  classDef {stage} stroke:{stroke},stroke-width:2px"
            yield f"  class {named} {stage}"


def _node(node: Node) -> str:
    opening, closing = _SHAPES[node.shape]
    words = "<br/>".join(map(_escaped, (node.name, *node.asked)))
    return f'step_{node.id}{opening}"{words}"{closing}'


def _escaped(words: str) -> str:
    """Write text so that Mermaid shows it: every sign that could mean something as its number, and two dollars never together,
    for these begin a formula even so.
    """
    apart = re.sub(r"(?<=\$)(?=\$)", "\u2060", visible(words))
    return "".join(one if one in _KNOWN else f"#{ord(one)};" for one in apart)
