"""What the templates are told of tasks and of the calls of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlspec import ops, render
from mlspec.ir import Artifact, Pipeline, Secret, Step

from .naming import Group, Names, take
from .order import Batch, batches

LONGEST_PAUSE = 60.0
"""Seconds: retries wait 1, 2, 4 … up to this, as under mlspec's own runner."""

NEVER = 10 * 365 * 86_400.0
"""Seconds: an approval without a limit, for Prefect, which wants one."""

SUFFIXES = {
    Artifact.TABLE: ".parquet",
    Artifact.REPORT: ".json",
    Artifact.METRICS: ".json",
    Artifact.TRANSFORMER: ".joblib",
    Artifact.MODEL: ".joblib",
    Artifact.HTML: ".html",
    Artifact.PACKAGE: "",
    Artifact.FILE: "",
}

_VIEWS = {("decide", "decision"): "decision", ("validate", "report"): "checks"}


def task(group: Group) -> dict[str, Any]:
    """Return what the task of a group is made of."""
    step = group.first
    used = {"workspace", "step", "state", "failed", "made", "params", "variables", "perform", "show", "answer"}
    bindings = [
        {"param": param, "parameter": parameter, "argument": take(param, used)}
        for param, parameter in sorted(step.bindings.items())
    ]
    inputs = [
        {"port": port.name, "argument": take(port.name, used), "output": step.inputs[port.name].output}
        for port in step.input_ports
        if port.name in step.inputs
    ]
    return {
        "id": step.id,
        "name": group.name,
        "many": group.many,
        "exit": group.exit,
        "op": step.op.name,
        "stage": step.stage.value,
        "function": group.function,
        "constant": group.constant,
        "summary": step.summary,
        "count": len(group.steps),
        "origin": f"From the spec's {', '.join(step.asked_by)}.",
        "bindings": bindings,
        "bound": {one["param"]: one["argument"] for one in bindings},
        "inputs": inputs,
        "outputs": {port.name: f"{port.name}{SUFFIXES[port.artifact]}" for port in step.output_ports},
        "retries": step.retries,
        "delays": [min(2.0**attempt, LONGEST_PAUSE) for attempt in range(min(step.retries, 7))],
        "timeout": None if step.op is ops.APPROVE else step.timeout,
        "max_age": step.max_age,
        "asks": step.op is ops.APPROVE,
        "seconds": step.params.get("seconds") if step.op is ops.APPROVE else None,
        "variables": bool(step.environment or step.secrets),
        "shows": list(_shows(step)) if not group.exit else [],
    }


def params(group: Group) -> Any:
    """Return the params of a group's steps as plain data: of a family by step."""
    return {step.id: dict(step.params) for step in group.steps} if group.many else dict(group.first.params)


def variables(group: Group, blocks: dict[Secret, str]) -> dict[str, Any]:
    """Return the variables that a group's steps have: texts, and references to secrets."""
    step = group.first
    secrets = {name: reference(one, blocks) for name, one in sorted(step.secrets.items())}
    return {"plain": dict(sorted(step.environment.items())), "secrets": secrets}


def reference(secret: Secret, blocks: dict[Secret, str]) -> dict[str, str | None]:
    """Return a secret as data: where it stands, and the Secret block that holds it in Prefect; a variable is in no block."""
    return {"store": secret.store, "name": secret.name, "key": secret.key, "block": blocks.get(secret)}


def variable(secret: Secret) -> str:
    """Return the variable that gives a secret on one's own machine (`mlspec.runtime.secret`)."""
    if secret.store == "env":
        return secret.name
    return re.sub(r"[^A-Z0-9]+", "_", f"MLSPEC_SECRET_{secret.name}_{secret.key}".upper()).rstrip("_")


def calls(pipeline: Pipeline, names: Names) -> list[dict[str, Any]]:
    """Return the calls of the flow in their order; those of a family are rows of a table that it goes through."""
    found = []
    used: set[str] = set()
    tasks = {group.constant: task(group) for group in names.groups}
    for batch in batches(pipeline, names.group_of):
        told = tasks[batch.group.constant]
        found.append(_loop(batch, told, used) if batch.group.many else _call(batch.steps[0], told))
    return found


def _call(step: Step, told: dict[str, Any]) -> dict[str, Any]:
    inputs = []
    for one in told["inputs"]:
        ref = step.inputs[one["port"]]
        line = f"        {one['argument']}=Output(runs[{render.py(ref.step)}], {render.py(ref.output)}),"
        inputs.append({"argument": one["argument"], "step": ref.step, "output": ref.output, "short": _fits(line)})
    return {
        "step": step.id,
        "task": told,
        "inputs": inputs,
        "after": list(dict.fromkeys(step.after)),
        "short": _fits(f"    runs[{render.py(step.id)}] = {told['function']}.submit("),
        "rows": None,
    }


def _loop(batch: Batch, told: dict[str, Any], used: set[str]) -> dict[str, Any]:
    rows = {}
    for step in batch.steps:
        name = f"{step.id} ({render.visible(step.label)})" if step.label and step.label != step.id else step.id
        row: dict[str, Any] = {"name": name.replace("{", "{{").replace("}", "}}")}
        row |= {"inputs": {one["argument"]: step.inputs[one["port"]].step for one in told["inputs"]}} if told["inputs"] else {}
        row |= {"after": list(dict.fromkeys(step.after))} if step.after else {}
        rows[step.id] = row
    table = next(name for name in _numbered(batch.group.constant) if name not in used)
    used.add(table)
    return {"table": table, "task": told, "rows": rows, "after": bool(batch.steps[0].after)}


def _numbered(wanted: str) -> Iterator[str]:
    yield wanted
    number = 2
    while True:
        yield f"{wanted}_{number}"
        number += 1


def _fits(line: str) -> bool:
    """Say whether `ruff format` leaves a line as it is."""
    return len(line) <= render.WIDTH


def _shows(step: Step) -> Iterator[dict[str, Any]]:
    """What a task shows in the UI: the views that fit its outputs, else the facts about them."""
    views: list[tuple[str | None, str]] = [*_views(step)]
    if not views and step.op not in (ops.GATE, ops.APPROVE):
        views = [(None, "facts")]
    for port, function in views:
        yield {"function": function, "port": port}


def _views(step: Step) -> Iterator[tuple[str, str]]:
    for port in step.output_ports:
        if function := _VIEWS.get((step.op.name, port.name)) or _view(step, port.artifact):
            yield port.name, function


def _view(step: Step, artifact: Artifact) -> str | None:
    if artifact is Artifact.METRICS and not step.op.open:
        return "metrics"
    return "page" if artifact is Artifact.HTML else None
