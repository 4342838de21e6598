"""What a step asks of KFP and of the cluster, in their words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlspec import ops, render
from mlspec.ir import Pipeline, Resources, Secret, Step

READS = (ops.INGEST.name,)
"""Ops that read what lies behind their bindings: a task before them looks at it, and KFP's cache sees what it saw."""

KINDS = {"gpu": "nvidia.com/gpu", "cuda": "nvidia.com/gpu", "nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}
"""The accelerators that people name without their vendor, as Kubernetes calls the resource."""

SPOT_LABEL = ("cloud.google.com/gke-spot", "true")
"""The label of a spot machine, and on Google's clusters its taint too. cluster.py of the project says otherwise where it must."""


def cached(step: Step) -> bool:
    """Whether KFP may use an earlier result: not where a step changes the world, or reads what no task looks at before."""
    if step.op in (ops.REGISTER, ops.APPROVE, ops.NOTIFY):
        return False
    return not step.bindings or step.op.name in READS


def retries(step: Step) -> int:
    """A verdict stays what it is, and KFP cannot tell it from a fault that may pass."""
    return 0 if step.op in (ops.GATE, ops.APPROVE) else step.retries


def deadline(step: Step) -> int | None:
    """The seconds after which Kubernetes ends the pod: of a container of the user's, which mlspec's runtime does not watch."""
    return max(1, round(step.timeout)) if step.op is ops.CONTAINER and step.timeout else None


def cpu(step: Step) -> str | None:
    return None if step.resources.cpu is None else f"{step.resources.cpu:.3f}".rstrip("0").rstrip(".")


def memory(step: Step) -> str | None:
    if step.resources.memory is None:
        return None
    for unit, size in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if step.resources.memory % size == 0:
            return f"{step.resources.memory // size}{unit}"
    return str(step.resources.memory)


def accelerator(step: Step) -> str | None:
    """Return the resource that Kubernetes counts for the accelerators that a step asks for."""
    kind = step.resources.accelerator
    return KINDS.get(kind.lower(), kind) if kind else None


def resources(step: Step) -> dict[str, Any]:
    """Return the `resources` of the step's executor in the compiled pipeline."""
    asked: dict[str, Any] = {}
    for bound in ("Limit", "Request"):
        if (cores := cpu(step)) is not None:
            asked |= {f"cpu{bound}": float(cores), f"resourceCpu{bound}": cores}
        if (size := memory(step)) is not None and step.resources.memory is not None:
            asked |= {f"memory{bound}": step.resources.memory / 1e9, f"resourceMemory{bound}": size}
    if kind := accelerator(step):
        count = str(step.resources.accelerators)
        asked["accelerator"] = {"count": count, "resourceCount": count, "resourceType": kind, "type": kind}
    return asked


# -- Kubernetes


def environment_secret(pipeline: Pipeline) -> str:
    """The Kubernetes secret that stands for the environment where a run starts, which a cluster does not have."""
    return render.slug(f"{render.slug(pipeline.name, longest=50)}-environment")


def secrets(step: Step) -> list[list[str | None]]:
    """Return (Kubernetes secret, key, variable) of each secret of a step; without a secret's name it is the environment's."""
    return [_secret(one, variable) for variable, one in sorted(step.secrets.items())]


def _secret(one: Secret, variable: str) -> list[str | None]:
    return [None, one.name, variable] if one.store == "env" else [one.name, one.key, variable]


def asks_kubernetes(step: Step) -> bool:
    """Whether a step needs what only kfp-kubernetes can say."""
    return bool(step.secrets or step.resources.spot or step.resources.node or deadline(step))


def kubernetes(step: Step, environment: str) -> dict[str, Any]:
    """Return what kfp-kubernetes writes into the platform's document for a step; empty where there is nothing to say."""
    told: dict[str, Any] = {}
    if step.secrets:
        told["secretAsEnv"] = [_as_env(name or environment, key, variable) for name, key, variable in secrets(step)]
    told |= _place(step.resources)
    if (seconds := deadline(step)) is not None:
        told["activeDeadlineSeconds"] = str(seconds)  # an int64 is text in protocol buffers' JSON
    return told


def _as_env(name: str, key: str | None, variable: str | None) -> dict[str, Any]:
    return {
        "keyToEnv": [{"envVar": variable, "secretKey": key}],
        "optional": False,
        "secretName": name,
        "secretNameParameter": {"runtimeValue": {"constant": name}},
    }


def _place(asked: Resources) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if asked.node:
        told["nodeSelector"] = {"labels": dict(asked.node)}
    if asked.spot:
        label, value = SPOT_LABEL
        told["tolerations"] = [{"effect": "NoSchedule", "key": label, "operator": "Equal", "value": value}]
        term = {"key": label, "operator": "In", "values": [value]}
        told["nodeAffinity"] = [{"matchExpressions": [term], "weight": 100.0}]
    return told


def accelerators(pipeline: Pipeline) -> Mapping[str, str]:
    """Return the kinds of accelerator that the spec names, as Kubernetes calls them."""
    asked = {
        step.resources.accelerator: accelerator(step) for step in (*pipeline.steps, *pipeline.exit) if step.resources.accelerator
    }
    return {str(kind): str(resource) for kind, resource in sorted(asked.items())}
