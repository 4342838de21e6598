"""What a function of `steps.py` is: one a step, one a family of steps; caching, retries, promotion of the model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlspec.ir import Artifact, Pipeline, Step

from . import machine
from .naming import Names, age, arguments, cached, given, of_family

TYPES = {
    Artifact.TABLE: "data",
    Artifact.REPORT: "data",
    Artifact.METRICS: "data_analysis",
    Artifact.TRANSFORMER: "model",
    Artifact.MODEL: "model",
    Artifact.HTML: "data_analysis",
    Artifact.PACKAGE: "model",
    Artifact.FILE: "data",
}
"""ZenML's artifact type for each of ours."""

FINAL = frozenset({"approve", "gate"})
"""Ops whose answer does not change by asking again."""

DOUBLINGS, LONG_PAUSE = 6, 30
"""Tries that wait 1, 2, 4 … s; ZenML cannot end the doubling, so that more of them wait the same long time each."""


def functions(pipeline: Pipeline, names: Names) -> list[dict[str, Any]]:
    """Describe each function of `steps.py`: one a step, one a family."""
    first: dict[str, Step] = {}
    for step in pipeline.steps:
        first.setdefault(of_family(step), step)
    return [_function(pipeline, step, names) for step in first.values()]


def _function(pipeline: Pipeline, step: Step, names: Names) -> dict[str, Any]:
    argument = arguments(step)
    retries = 0 if step.op.name in FINAL else step.retries
    title = f"{names.slug}_{{step}}" if step.family else f"{names.slug}_{step.id}"
    outputs = [
        {"port": port.name, "artifact": f"{title}_{port.name}", "type": TYPES[port.artifact]} for port in step.output_ports
    ]
    return {
        "id": step.id,
        "name": of_family(step),
        "op": step.op.name,
        "call": "approved" if step.op.name == "approve" else "perform",
        "function": names.functions[of_family(step)],
        "identity": argument["id"] if step.family else "",
        "argument": argument["params"],
        "summary": step.summary,
        "origin": _origin(step, pipeline),
        "cached": cached(step),
        "cache": f"CACHE_{age(step)}" if age(step) else "CACHE",
        "retries": retries,
        "delay": 1 if retries <= DOUBLINGS else LONG_PAUSE,
        "backoff": 2 if retries <= DOUBLINGS else 1,
        "resources": machine.resources(step.resources),
        "environment": safe_environment(step),
        "secrets": secrets_of(step),
        "timeout": step.timeout,
        "bindings": [{"param": param, "argument": argument[f"bound {param}"]} for param in sorted(step.bindings)],
        "inputs": [{"port": port.name, "argument": argument[f"input {port.name}"]} for port in given(step)],
        "outputs": outputs,
        "kinds": {port.name: port.artifact.value for port in step.output_ports},
        "promotion": promotion(pipeline, step, argument),
    }


def _origin(step: Step, pipeline: Pipeline) -> str:
    if not step.family:
        return f"From the spec's {', '.join(step.asked_by)}."
    asked = dict.fromkeys(route for one in pipeline.steps if one.family == step.family for route in one.asked_by)
    first = list(asked)[:3]
    return f"From the spec's {', '.join(first)}{' …' if len(asked) > len(first) else ''}."


def promotion(pipeline: Pipeline, step: Step, argument: Mapping[str, str]) -> dict[str, str]:
    """Describe what the step that registers a package does for the version of the model: its stage, and where it reads of it."""
    if step.op.name == "register":
        return {"stage": stage(pipeline, step), "entry": "entry", "package": argument["input package"]}
    members = step.params["steps"] if step.op.name == "group" else []
    inner = next((one for one in members if one["op"] == "register"), None)
    if inner is None:
        return {}
    told = {"stage": stage(pipeline, step), "entry": "files", "entry_below": f"{inner['id']}/entry"}
    source = inner["inputs"]["package"]
    if "group" in source:
        return {**told, "package": argument[f"input {source['group']}"]}
    return {**told, "package": "", "package_below": f"{source['step']}/{source['output']}"}


def stage(pipeline: Pipeline, step: Step) -> str:
    """Return the stage of ZenML's model control plane that a registered version comes to: production is a person's to give."""
    before: set[str] = set()
    waiting = [step.id]
    while waiting:
        one = pipeline[waiting.pop()]
        waiting += [need for need in one.needs if need not in before]
        before |= set(one.needs)
    every = [pipeline[one] for one in (*before, step.id)]
    members = [inner["op"] for one in every if one.op.name == "group" for inner in one.params["steps"]]
    return "production" if "approve" in [*members, *(one.op.name for one in every)] else "staging"


def secrets_of(step: Step) -> dict[str, list[str]]:
    """Return references by variable: store, name, key."""
    return {variable: [one.store, one.name, one.key] for variable, one in sorted(step.secrets.items())}


def safe_environment(step: Step) -> dict[str, str]:
    """Return a step's variables so that ZenML fills in nothing: what `files.inert` does, and `files.restored` undoes."""
    return {name: re.sub(r"\$(\\*)\{", r"$\1\\{", value) for name, value in sorted(step.environment.items())}
