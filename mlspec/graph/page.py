"""A picture as a page of its own that opens offline: the drawing, which can be moved and enlarged, and its steps as a table."""

from __future__ import annotations

from mlspec import render
from mlspec.graph import svg
from mlspec.graph.picture import EXIT, Picture


def text(picture: Picture) -> str:
    """Return the page; the same picture gives the same bytes. Nothing is fetched."""
    rows = [
        {
            "name": node.name,
            "stage": "at the end" if node.stage == EXIT else node.stage,
            "summary": node.summary,
            "asked": ", ".join(node.asked),
            "needs": ", ".join(node.needs) or "–",
        }
        for node in picture.nodes
    ]
    boxes = "1 box" if len(rows) == 1 else f"{len(rows)} boxes"
    count = boxes if picture.steps == len(rows) else f"{boxes} for {picture.steps} steps"
    return render.render("graph/page.html.j2", name=picture.name, count=count, svg=svg.text(picture).strip(), rows=rows)
