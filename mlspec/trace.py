"""Which part of the spec each step of a generated project comes from, as data: `trace.json` of every bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlspec.diagnostic import Route
from mlspec.ir import Pipeline, Place, Step


def document(pipeline: Pipeline, backend: str, more: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """Return what `trace.json` holds. `more` is what the backend says of a step besides, by step id.

    `steps` says of each step its op, stage, the spec's routes that asked for it and where they stand (`file:line`), what it
    needs, and its outputs; `order` is an order in which they can run, `exit` are the steps that run at the end in any case.
    """
    told = {step.id: _step(pipeline, step) | dict((more or {}).get(step.id, {})) for step in (*pipeline.steps, *pipeline.exit)}
    return {
        "backend": backend,
        "pipeline": pipeline.name,
        "order": [step.id for step in pipeline.steps],
        "exit": [step.id for step in pipeline.exit],
        "parameters": [one.name for one in pipeline.parameters],
        "steps": told,
    }


def places(pipeline: Pipeline, step: Step) -> list[str]:
    """Return where the routes that asked for a step stand, `file:line`, without doubles; a route that the spec leaves out is
    where its nearest parent stands that is written there.
    """
    found = [_place(pipeline.places, route) for route in step.routes]
    return list(dict.fromkeys(str(one) for one in found if one))


def _place(known: Mapping[Route, Place], route: Route) -> Place | None:
    return next((known[route[:size]] for size in range(len(route), 0, -1) if route[:size] in known), None)


def _step(pipeline: Pipeline, step: Step) -> dict[str, Any]:
    return {
        "op": step.op.name,
        "stage": step.stage.value,
        "routes": step.asked_by,
        "places": places(pipeline, step),
        "needs": list(step.needs),
        "outputs": [port.name for port in step.output_ports],
    }
