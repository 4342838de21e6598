"""What a run asks of a machine, in the words of Prefect's work pools: the most that any of its steps asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlspec import render
from mlspec.diagnostic import Finding, Route, Severity
from mlspec.ir import Pipeline, Resources, Step

KINDS = {"gpu": "nvidia.com/gpu", "cuda": "nvidia.com/gpu", "nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}
"""The accelerators that people name without their vendor, as Kubernetes calls the resource."""

SPOT = (
    {"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
    {"key": "kubernetes.azure.com/scalesetpriority", "operator": "Equal", "value": "spot", "effect": "NoSchedule"},
)
"""The taints of spot machines on Google's and Azure's clusters; Amazon's have none unless somebody gives them one."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the one job of a run asks for: enough for its heaviest step."""

    cpu: float | None
    memory: int | None
    accelerators: tuple[tuple[str, int], ...]
    spot: bool
    node: tuple[tuple[str, str], ...]


def machine(pipeline: Pipeline) -> Machine:
    """Return the machine that every step of a pipeline finds enough. Spot, where each step that asks for a machine allows it."""
    asked = [step.resources for step in pipeline.steps if step.resources != Resources()]
    accelerators: dict[str, int] = {}
    for one in asked:
        if one.accelerator:
            kind = resource(one.accelerator)
            accelerators[kind] = max(one.accelerators, accelerators.get(kind, 0))
    node = {name: value for one in reversed(asked) for name, value in one.node}  # where two differ, the first counts
    return Machine(
        max((one.cpu for one in asked if one.cpu is not None), default=None),
        max((one.memory for one in asked if one.memory is not None), default=None),
        tuple(sorted(accelerators.items())),
        bool(asked) and all(one.spot for one in asked),
        tuple(sorted(node.items())),
    )


def resource(accelerator: str) -> str:
    """Return what Kubernetes calls an accelerator."""
    return KINDS.get(accelerator.lower(), accelerator)


def variable(kind: str) -> str:
    """Return the job variable that says how many of a kind of accelerator a job asks for."""
    return "accelerator_" + render.slug(kind, "kind").replace("-", "_")


def docker_variables(one: Machine) -> dict[str, Any]:
    """Return the job variables of a docker work pool: it knows a limit of memory, and nothing else of these."""
    return {} if one.memory is None else {"mem_limit": f"{one.memory}b"}


def kubernetes_variables(one: Machine) -> dict[str, Any]:
    """Return the job variables of a Kubernetes work pool that `deploy.py` has made."""
    told: dict[str, Any] = {}
    if one.cpu is not None:
        told["cpu_request"] = f"{one.cpu:.3f}".rstrip("0").rstrip(".")
    if one.memory is not None:
        told |= {"memory_request": str(one.memory), "memory_limit": str(one.memory)}
    told |= {variable(kind): str(count) for kind, count in one.accelerators}
    if one.node:
        told["node_selector"] = dict(one.node)
    if one.spot:
        told["tolerations"] = [dict(taint) for taint in SPOT]
    return told


def lacks(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what cannot be had because all steps of a run share one job."""
    asked: dict[Resources, list[Step]] = {}
    for step in pipeline.steps:
        if step.resources != Resources():
            asked.setdefault(step.resources, []).append(step)
    everybody = len(asked) == 1 and sum(map(len, asked.values())) == len(pipeline.steps)
    for resources, steps in asked.items():
        if not everybody:
            yield Finding(
                "resources-not-per-step",
                f"Prefect cannot give {_named(steps)} {_words(resources)} of their own: the steps share one job",
                _route(steps[0]),
                Severity.WARNING,
                "the job asks for what its heaviest step needs; in a process pool it is the worker's machine that counts",
            )
    yield from _different_nodes(asked)


def _different_nodes(asked: dict[Resources, list[Step]]) -> Iterator[Finding]:
    wanted: dict[str, str] = {}
    for resources, steps in asked.items():
        for name, value in resources.node:
            if wanted.setdefault(name, value) != value:
                message = f"{_named(steps)} want a machine with {name}: {value}, others one with {name}: {wanted[name]}"
                yield Finding("nodes-differ", message, _route(steps[0], "node"), Severity.WARNING, f"the run gets {wanted[name]}")


def _route(step: Step, *more: str) -> Route:
    own = ("steps", step.id)
    return (*own, "resources", *more) if own in step.routes else ("hardware", "training", *more)


def _named(steps: list[Step]) -> str:
    names = [step.id for step in steps]
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:5])} and {len(names) - 5} more"


def _words(resources: Resources) -> str:
    parts = [f"{resources.cpu:g} cores"] if resources.cpu is not None else []
    parts += [f"{resources.memory:,} bytes of memory"] if resources.memory is not None else []
    parts += [f"{resources.accelerators} of the accelerator {resources.accelerator}"] if resources.accelerator else []
    parts += ["spot machines"] if resources.spot else []
    parts += [f"machines with {', '.join(f'{name}: {value}' for name, value in resources.node)}"] if resources.node else []
    return " and ".join(parts)
