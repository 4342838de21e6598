"""What a picture of a pipeline shows: its steps, families as one, with their shapes, and where the spec asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mlspec import trace
from mlspec.diagnostic import dotted
from mlspec.ir import Pipeline, Stage, Step
from mlspec.runtime.figure.graph import reduced

EXIT = "exit"
STAGES = (*(stage.value for stage in Stage), EXIT)
"""The groups of a picture, in their order; the last is for what runs at the end in any case."""

ROUTES = 4  # routes of a step that a picture names

Shape = Literal["step", "gate", "approval", "exit"]
SHAPES: Mapping[str, Shape] = {"gate": "gate", "approve": "approval"}


@dataclass(frozen=True, slots=True)
class Node:
    """A step, or the steps of one family. `asked` says which parts of the spec asked for it, with their places."""

    id: str
    name: str
    op: str
    stage: str
    shape: Shape
    summary: str
    asked: tuple[str, ...]
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Nodes in an order in which they can run, what runs at the exit last, and the edges that do not follow from others.

    `steps` counts the steps that the nodes stand for. `turns` are edges that lead back: between families whose steps take turns,
    such as trials and what draws them.
    """

    name: str
    steps: int
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    turns: tuple[tuple[str, str], ...]


def picture(pipeline: Pipeline, *, whole: bool = False) -> Picture:
    """Return what to draw of a pipeline; `whole` shows each step of a family."""
    families: dict[str, list[Step]] = {}
    for step in pipeline.steps:
        families.setdefault(step.id if whole or not step.family else step.family, []).append(step)
    node_of = {step.id: name for name, steps in families.items() for step in steps}
    place = {name: index for index, name in enumerate(families)}
    pairs = dict.fromkeys((node_of[a], node_of[b]) for a, b in pipeline.edges if node_of[a] != node_of[b])
    forth = tuple((a, b) for a, b in pairs if place[a] < place[b])
    back = tuple((a, b) for a, b in pairs if place[a] > place[b])
    needs: dict[str, list[str]] = {}
    for a, b in pairs:
        needs.setdefault(b, []).append(a)
    nodes = [_node(pipeline, name, steps, needs) for name, steps in families.items()]
    nodes += [_node(pipeline, step.id, [step], {}, at_exit=True) for step in pipeline.exit]
    count = len(pipeline.steps) + len(pipeline.exit)
    return Picture(pipeline.name, count, tuple(nodes), tuple(reduced(list(families), forth)), back)


def _node(pipeline: Pipeline, name: str, steps: list[Step], needs: Mapping[str, list[str]], *, at_exit: bool = False) -> Node:
    first = steps[0]
    shape: Shape = "exit" if at_exit else SHAPES.get(first.op.name, "step")
    return Node(
        name,
        f"{name} × {len(steps)}" if len(steps) > 1 else name,
        first.op.name,
        EXIT if at_exit else first.stage.value,
        shape,
        first.summary if len(steps) == 1 else first.summary.replace(f", {first.id}.", "."),  # it may name itself
        tuple(_asked(pipeline, first)),
        tuple(needs.get(name, ())),
    )


def _asked(pipeline: Pipeline, step: Step) -> list[str]:
    """Return the routes that asked for a step, each with its place; a route that the spec leaves out has its parent's."""
    told = []
    for route in step.routes[:ROUTES]:
        place = trace.place(pipeline.places, route)
        told.append(f"{dotted(route) or 'spec'} ({place})" if place else dotted(route) or "spec")
    more = len(step.routes) - ROUTES
    return [*told, f"and {more} more"] if more > 0 else told
