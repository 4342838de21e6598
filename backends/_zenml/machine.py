"""Machines and images: what of them is asked for in code, and what in the run configuration."""

from __future__ import annotations

import math
from typing import Any

from mlspec.ir import Pipeline, Resources, Step

TOLERATIONS = (
    {"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
    {"key": "kubernetes.azure.com/scalesetpriority", "operator": "Equal", "value": "spot", "effect": "NoSchedule"},
)
"""What lets a pod onto spot machines. A toleration of a taint that no machine has does nothing."""


def resources(asked: Resources) -> list[tuple[str, Any]]:
    """Return what is asked of a machine as arguments of `ResourceSettings`."""
    told: list[tuple[str, Any]] = []
    if asked.cpu is not None:
        told.append(("cpu_count", asked.cpu))
    if asked.accelerator is not None:
        told.append(("gpu_count", asked.accelerators))
    if asked.memory is not None:
        told.append(("memory", f"{math.ceil(asked.memory / 2**20)}MiB"))
    return told


def configuration(pipeline: Pipeline) -> dict[str, Any]:
    """Return the run configuration: the image, and where the Kubernetes orchestrator puts each step."""
    docker: dict[str, Any] = {"dockerfile": "Dockerfile", "build_context_root": "."}
    if pipeline.image:
        docker = {"parent_image": _inert(pipeline.image), "skip_build": True}
    told: dict[str, Any] = {"settings": {"docker": docker}}
    placed = {step.id: _pod(step) for step in pipeline.steps if step.resources.node or step.resources.spot}
    if placed:
        told["steps"] = {name: {"settings": {"orchestrator.kubernetes": {"pod_settings": pod}}} for name, pod in placed.items()}
    return told


def _pod(step: Step) -> dict[str, Any]:
    pod: dict[str, Any] = {}
    if step.resources.node:
        pod["node_selectors"] = {name: _inert(value) for name, value in step.resources.node}
    if step.resources.spot:
        pod["tolerations"] = [dict(one) for one in TOLERATIONS]
    return pod


def _inert(text: str) -> str:
    """Text in which ZenML finds no variable to fill in; neither an image nor a label can hold one."""
    return text.replace("${", "$ {")
