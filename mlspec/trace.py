"""Which part of the spec each step and each file of a generated project comes from, as data: `trace.json` of every bundle."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mlspec.diagnostic import Route, dotted
from mlspec.ir import Pipeline, Place, Ref, Step
from mlspec.ops import GROUP

NAME = "trace.json"

ASIDE: Mapping[str, tuple[Any, tuple[Route, ...]]] = {
    "description": ("", (("project",),)),
    "about": ({}, (("project",),)),
    "schedule": (None, (("pipeline", "schedule"), ("retraining", "schedule"))),
    "image": (None, (("pipeline", "image"),)),
    "distribution": (None, (("pipeline", "parallelism"),)),
    "triggers": ((), (("retraining", "on"),)),
}
"""What a pipeline holds besides steps: its value where the spec says nothing of it, and the routes that may have."""

Emit = Callable[[Pipeline], Mapping[str, str]]
"""A backend: the texts by path that it writes for a pipeline."""


def document(pipeline: Pipeline, backend: str, more: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """Return what `trace.json` holds. `more` is what the backend says of a step besides, by step id.

    `steps` says of each step its op, stage, the spec's routes that asked for it and where they stand (`file:line`), what it
    needs, its outputs, and where it is a group the steps it is made of; `order` is an order in which they can run, `exit` are the
    steps that run at the end in any case.
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
    found = [place(pipeline.places, route) for route in step.routes]
    return list(dict.fromkeys(str(one) for one in found if one))


def place(known: Mapping[Route, Place], route: Route) -> Place | None:
    """Return where a route stands, or its nearest parent that the spec writes."""
    return next((known[route[:size]] for size in range(len(route), 0, -1) if route[:size] in known), None)


def _step(pipeline: Pipeline, step: Step) -> dict[str, Any]:
    told: dict[str, Any] = {
        "op": step.op.name,
        "stage": step.stage.value,
        "routes": step.asked_by,
        "places": places(pipeline, step),
        "needs": list(step.needs),
        "outputs": [port.name for port in step.output_ports],
    }
    if step.op is GROUP:
        told["members"] = [one["id"] for one in step.params["steps"]]
    return told


# -- files


def with_files(pipeline: Pipeline, found: Mapping[str, str], emit: Emit) -> str:
    """Return the text of `trace.json` with what is said of each file of a project as `files`."""
    told = json.loads(found[NAME]) | {"files": files(pipeline, found, emit)}
    return json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def files(pipeline: Pipeline, found: Mapping[str, str], emit: Emit) -> dict[str, dict[str, list[str]]]:
    """Return which steps each file holds something of, the routes that asked for what it holds, and where they stand.

    A file without any is the same for every spec, but for names. Nobody declares this: a backend is a function, so it is asked
    what it writes for the same pipeline with other ids, and without a schedule, an image and so on. A file that is no backend's
    tells of the whole spec.
    """
    named = _renamed(pipeline)
    marked = emit(named)
    told = {path: _held(pipeline, named, marked.get(path, "")) for path in found}
    routes: dict[str, list[Route]] = {path: list(_code(pipeline, path)) if path in marked else [()] for path in found}
    for name, (nothing, asking) in ASIDE.items():
        if getattr(pipeline, name) == nothing:
            continue
        without = emit(replace(pipeline, **{name: nothing}))
        asked = next((route for route in asking if route in pipeline.places), asking[0])
        for path in marked.keys() & found.keys() - {NAME}:
            if without.get(path) != found[path]:
                routes[path].append(asked)
    by_id = {step.id: step for step in (*pipeline.steps, *pipeline.exit)}
    for path, ids in told.items():
        routes[path] += [route for one in ids for route in by_id[one].routes]
    return {path: {"steps": told[path], **_asked(pipeline, routes[path])} for path in sorted(found)}


def _asked(pipeline: Pipeline, routes: list[Route]) -> dict[str, list[str]]:
    stand = [place(pipeline.places, route) for route in routes]
    return {
        "routes": list(dict.fromkeys(dotted(route) or "spec" for route in routes)),
        "places": list(dict.fromkeys(str(one) for one in stand if one)),
    }


def _renamed(pipeline: Pipeline) -> Pipeline:
    """Return a pipeline with ids, and families, that stand in no text by chance and outlive any spelling."""
    everything = (*pipeline.steps, *pipeline.exit)
    ids = {step.id: f"zqz{index}zqz" for index, step in enumerate(everything)}
    families = {name: f"zqf{index}zqf" for index, name in enumerate(dict.fromkeys(step.family for step in everything)) if name}

    def other(step: Step) -> Step:
        inputs = {name: Ref(ids[ref.step], ref.output) for name, ref in step.inputs.items()}
        after, family = tuple(ids[one] for one in step.after), families.get(step.family, "")
        return replace(step, id=ids[step.id], inputs=inputs, after=after, family=family)

    return replace(pipeline, steps=tuple(map(other, pipeline.steps)), exit=tuple(map(other, pipeline.exit)))


def _held(pipeline: Pipeline, named: Pipeline, text: str) -> list[str]:
    """Return the ids of the steps whose other name, or whose family's, a text holds, in the pipeline's order."""
    marks = set(re.findall(r"zq[zf]\d+zq[zf]", text.casefold()))
    pairs = zip((*pipeline.steps, *pipeline.exit), (*named.steps, *named.exit), strict=True)
    return [step.id for step, other in pairs if marks & {other.id, other.family}]


def _code(pipeline: Pipeline, path: str) -> Iterator[Route]:
    """Yield the routes of the steps that call the user's module at a path; his modules lie below `src/`."""
    if path.removeprefix("src/") not in pipeline.code:
        return
    top = path.removeprefix("src/").partition("/")[0].removesuffix(".py")
    for step in (*pipeline.steps, *pipeline.exit):
        if any(re.fullmatch(rf"{re.escape(top)}[\w.]*:[\w.]+", text) for text in _texts(step.params)):
            yield from step.routes


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)
