"""How the flow is deployed: one `prefect.yaml` for each sort of work pool, and the events that start a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlspec import ops
from mlspec.ir import Pipeline

from .machine import docker_variables, kubernetes_variables, machine
from .naming import Names, parameter_rows

DEPLOYMENT = "production"
HOME = "/opt/prefect"
"""Where the project lies in its image."""

POOLS = ("process", "docker", "kubernetes")


def file_of(pool: str) -> str:
    """Return the file that deploys to a sort of work pool; `prefect deploy` reads that of the first by itself."""
    return "prefect.yaml" if pool == "process" else f"prefect.{pool}.yaml"


def pool_name(names: Names, pool: str) -> str:
    """Return what the work pool is called."""
    return names.slug if pool == "process" else f"{names.slug}-{pool}"


def image(pipeline: Pipeline, names: Names) -> str:
    """Return the image of the containers."""
    return pipeline.image or f"{names.slug}:latest"


def documents(pipeline: Pipeline, names: Names) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each file and what it says. All of them describe the same deployment: the last that is applied counts, so that
    nothing runs twice.
    """
    for pool in POOLS:
        yield file_of(pool), _document(pipeline, names, pool)


def job_variables(pipeline: Pipeline, names: Names, pool: str) -> dict[str, Any]:
    """Return what the jobs of a work pool are told."""
    if pool == "process":
        return {}
    asked = machine(pipeline)
    told: dict[str, Any] = {"image": image(pipeline, names)}
    if pool == "docker":
        return told | {"volumes": [f"{names.slug}-workspace:{HOME}/workspace"]} | docker_variables(asked)
    return told | {"workspace_claim": f"{names.slug}-workspace"} | kubernetes_variables(asked)


def events(pipeline: Pipeline, names: Names) -> list[dict[str, Any]]:
    """Return the automations of a deployment, one for the events that have a cooldown in common.

    Prefect counts events in windows of `within`: it acts on the first of a window, and then not before the window is over.
    """
    together: dict[float, list[str]] = {}
    for trigger in pipeline.triggers:
        together.setdefault(trigger.cooldown, []).append(trigger.event)
    return [
        {
            "name": f"{names.slug}: retraining" if len(together) == 1 else f"{names.slug}: retraining {number}",
            "type": "event",
            "enabled": True,
            "posture": "Reactive",
            "match": {"prefect.resource.id": resource(names)},
            "expect": expected,
            "threshold": 1,
            "within": cooldown,
        }
        | ({"parameters": {"ask_first": True}} if asks_first(pipeline) else {})
        for number, (cooldown, expected) in enumerate(together.items(), 1)
    ]


def asks_first(pipeline: Pipeline) -> bool:
    """Whether a run that an event starts asks a person before it begins: somebody has to agree, and no step of it asks."""
    return any(one.approve for one in pipeline.triggers) and all(step.op is not ops.APPROVE for step in pipeline.steps)


def resource(names: Names) -> str:
    """Return what the events are about: this project, and no other."""
    return f"mlspec.project.{names.slug}"


def _document(pipeline: Pipeline, names: Names, pool: str) -> dict[str, Any]:
    """A `prefect.yaml` as data. Prefect fills in ``{{ … }}``, from the environment too: none of the spec's text may hold that."""
    deployment: dict[str, Any] = {
        "name": DEPLOYMENT,
        "description": _inert(pipeline.description or pipeline.name),
        "tags": ["mlspec"],
        "entrypoint": f"{names.package}/flow.py:{names.flow}",
        "parameters": {name: _inert(default) for name, default, _ in parameter_rows(pipeline)},
        "enforce_parameter_schema": True,
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
        "work_pool": {"name": pool_name(names, pool)},
    }
    if variables := job_variables(pipeline, names, pool):
        deployment["work_pool"]["job_variables"] = _inert_all(variables)
    if pipeline.about.get("version"):
        deployment["version"] = _inert(pipeline.about["version"])
    if pipeline.schedule:
        schedule = {"cron": _inert(pipeline.schedule.cron), "timezone": _inert(pipeline.schedule.timezone), "active": True}
        deployment["schedules"] = [schedule]
    if pipeline.triggers:
        deployment["triggers"] = _inert_all(events(pipeline, names))
    told: dict[str, Any] = {"name": names.slug}
    if pool != "process":  # the image holds the code; in a process pool Prefect notes the directory that is deployed
        told["pull"] = [{"prefect.deployments.steps.set_working_directory": {"directory": HOME}}]
    return told | {"deployments": [deployment]}


def _inert(text: str) -> str:
    return text.replace("{{", "{ {").replace("}}", "} }")


def _inert_all(value: Any) -> Any:
    if isinstance(value, str):
        return _inert(value)
    if isinstance(value, dict):
        return {_inert(key): _inert_all(item) for key, item in value.items()}
    return [_inert_all(item) for item in value] if isinstance(value, list) else value
