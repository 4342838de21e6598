"""Prefect: a flow with one task a step, a deployment, and a runner with a server of its own."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

from mlspec import render
from mlspec.bundle import Bundle, lock
from mlspec.diagnostic import Finding, Problem, Severity, dotted
from mlspec.ir import Artifact, Pipeline, Port, Resources, Step

NAME = "prefect"
TITLE = "Prefect 3"
REQUIRES = ("prefect",)

REALISES = {
    "steps": "one `@task` a step, submitted by one `@flow` with a thread for each; its body calls `mlspec.runtime`. The flow "
    "returns every state, so a task that fails cannot be overlooked",
    "parameters": "parameters of the flow with a JSON schema, which the deployment enforces; `workspace` is one more. A step's "
    "params are literals in `params.py`",
    "artifacts": "files under `workspace/artifacts/<step>/<task run>`; tasks pass their paths on, as persisted results in JSON",
    "metrics": "table artifacts for metrics and facts, Markdown artifacts for verdicts and checks, a link artifact for the "
    "report",
    "gate": "a task that fails. What takes its output is `NotReady`, the report runs, and the flow run is `Failed`",
    "retries": "`retries` and `retry_delay_seconds`, 1 s, doubling, at most 60 s; `retry_condition_fn` leaves a gate's verdict "
    "alone",
    "timeout": "mlspec's runtime: a child process that is killed when the time is up; the task's state is `TimedOut`. Prefect's "
    "`timeout_seconds` does not stop a submitted task",
    "caching": "a `CachePolicy` on content: op, params, bytes read, mlspec, libraries, `src/`. A result counts only while its "
    "files are there, unchanged",
    "resources": "none for a task: the steps of a run share one process or container, which the work pool gives",
    "schedule": "`prefect.yaml`: cron and time zone, one run at a time (`concurrency_limit`, `ENQUEUE`)",
    "user_code": "`src/`, put on `sys.path` by the flow's module; steps of your own are tasks like the others",
    "local_run": "`run.py`: a Prefect server of its own on a free local port, one flow run, and the server is stopped; or the "
    "server of `PREFECT_API_URL`",
    "verified": "a real server 3.8.8 runs the gallery, failing gates, retries, time limits, caching and signals; a real process "
    "worker ran a deployment from `prefect.yaml`. Docker and Kubernetes work pools were never run, nor was the image built",
}
"""How each notion of a pipeline is realised (`mlspec.backend.NOTIONS`)."""

DEPLOYMENT = "production"
LONGEST_PAUSE = 60.0
"""Seconds: retries wait 1, 2, 4 … up to this, as under mlspec's own runner."""

WORKSPACE = ("workspace", "workspace", "Directory of the steps' files and of what is cached.")

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

_USED_IN_FLOW = frozenset(
    ("flow", "future", "futures", "get_run_logger", "log", "made", "params", "perform", "show", "step", "sys", "task", "wait")
) | {"worth_another_try", *dir(builtins)}


def emit(pipeline: Pipeline) -> Bundle:
    """Write the project for a pipeline. The same pipeline gives the same bytes; Prefect need not be installed."""
    names = _Names(pipeline)
    steps = [_step(pipeline, step, names) for step in pipeline.steps]
    parameters = _parameters(pipeline)
    shared: dict[str, Any] = {"package": names.package, "function": names.flow, "steps": steps, "parameters": parameters}
    top = names.package
    bundle = Bundle()
    bundle.add("README.md", render.render("prefect/README.md.j2", **shared, **_readme(pipeline, names)))
    bundle.add("Dockerfile", render.render("prefect/Dockerfile.j2"))
    bundle.add(".dockerignore", "**/__pycache__\n.git\nregistry\nworkspace\n")
    bundle.add("requirements.txt", lock("prefect"))
    bundle.add("wheels/README.md", "mlspec's own wheel lies here: `mlspec wheel -o wheels`\n")
    bundle.add("prefect.yaml", render.yaml(_deployment(pipeline, names)))
    bundle.add("trace.json", render.json(_trace(pipeline)))
    bundle.add("run.py", render.render("prefect/run.py.j2", **_runner(parameters, names)))
    bundle.add(f"{top}/__init__.py", '"""A flow that mlspec has written."""\n')
    bundle.add(f"{top}/flow.py", render.render("prefect/flow.py.j2", **shared, **_flow(pipeline, names, steps)))
    bundle.add(f"{top}/params.py", render.render("prefect/params.py.j2", steps=steps))
    bundle.add(f"{top}/storage.py", render.render("prefect/storage.py.j2"))
    bundle.add(f"{top}/show.py", render.render("prefect/show.py.j2", package=names.package))
    listed = {"names": [one["name"] for one in parameters], "ids": [step.id for step in pipeline.steps]}
    bundle.add(f"{top}/local.py", render.render("prefect/local.py.j2", package=top, function=names.flow, **listed))
    for path, text in sorted(pipeline.code.items()):
        bundle.add(f"src/{path}", text)
    return bundle


def lacks(pipeline: Pipeline) -> Iterator[Finding]:
    """Prefect gives cores, memory and accelerators to a whole run, by its work pool, not to a task."""
    asked: dict[Resources, list[str]] = {}
    for step in pipeline.steps:
        asked.setdefault(step.resources, []).append(step.id)
    for resources, steps in asked.items():
        if resources != Resources():
            yield Finding(
                "resources-not-per-step",
                f"Prefect cannot give {', '.join(steps)} {_asked(resources)} of their own: the steps share one job",
                ("hardware", "training"),
                Severity.WARNING,
                "set what the whole run needs in the deployment's job_variables",
            )


class _Names:
    """The Python names of the flow, of its tasks and of their futures: each one different, none of them taken."""

    def __init__(self, pipeline: Pipeline) -> None:
        label = render.slug(pipeline.name, longest=30).replace("-", "_")
        taken = {path.split("/")[0].removesuffix(".py") for path in pipeline.code}
        self.slug = render.slug(pipeline.name)
        self.package = render.identifier(f"{label}_flow", taken)
        self.flow = self.package
        used = set(_USED_IN_FLOW) | {self.flow}
        used |= {name for name, _, _ in _parameter_rows(pipeline)}
        self.functions = {step.id: _take(step.id, used) for step in pipeline.steps}
        self.futures = {step.id: _take(_future(step.id, index), used) for index, step in enumerate(pipeline.steps, 1)}


def _future(step: str, index: int) -> str:
    """Name a step's future; a long id stands on one line with its task's only if the future's name is short."""
    return f"{step}_run" if len(step) <= 34 else f"run_{index}"


def _take(wanted: str, used: set[str]) -> str:
    name = render.identifier(wanted, used)
    used.add(name)
    return name


def _step(pipeline: Pipeline, step: Step, names: _Names) -> dict[str, Any]:
    used = {"workspace", "made", "params", "perform", "show"}
    bindings = [
        {"param": param, "parameter": parameter, "argument": _take(param, used)}
        for param, parameter in sorted(step.bindings.items())
    ]
    inputs = [_input(port.name, step, names, used) for port in step.input_ports if port.name in step.inputs]
    return {
        "id": step.id,
        "op": step.op.name,
        "function": names.functions[step.id],
        "future": names.futures[step.id],
        "constant": step.id.upper(),
        "short": _fits(f'    cache_policy=ContentKey(op="{step.op.name}", params=params.{step.id}),'),
        "summary": step.summary,
        "origin": f"From the spec's {', '.join(step.asked_by)}.",
        "routes": step.asked_by,
        "needs": step.needs,
        "limits": _limits(step),
        "bindings": bindings,
        "inputs": inputs,
        "outputs": {port.name: f"{port.name}{SUFFIXES[port.artifact]}" for port in step.output_ports},
        "params": dict(step.params),
        "after": [names.futures[one] for one in dict.fromkeys(step.after)],
        "retries": step.retries,
        "delays": [min(2.0**attempt, LONGEST_PAUSE) for attempt in range(min(step.retries, 7))],
        "timeout": step.timeout,
        "show": list(_shows(step, names.slug)),
    }


def _input(port: str, step: Step, names: _Names, used: set[str]) -> dict[str, Any]:
    ref, argument = step.inputs[port], _take(port, used)
    future = names.futures[ref.step]
    short = _fits(f"        {argument}=Output({future}, {render.py(ref.output)}),")
    return {"port": port, "argument": argument, "future": future, "output": ref.output, "short": short}


def _fits(line: str) -> bool:
    """Say whether `ruff format` leaves a call on one line."""
    return len(line) <= render.WIDTH


def _shows(step: Step, pipeline: str) -> Iterator[dict[str, Any]]:
    """What a task shows in the UI: the views that fit its outputs, else the facts about them."""
    views: list[tuple[str | None, str]] = [*_views(step)]
    if not views and step.op.name != "gate":
        views = [(None, "facts")]
    for port, function in views:
        key = render.slug("-".join(filter(None, (pipeline, step.id, port))), longest=200)
        what = "made" if port is None else f"made.files[{render.py(port)}]"
        yield {"function": function, "key": key, "port": port, "short": _fits(f'    show.{function}("{key}", {what})')}


def _views(step: Step) -> Iterator[tuple[str, str]]:
    known = {("decide", "decision"): "decision", ("validate", "report"): "checks"}
    for port in step.output_ports:
        if function := known.get((step.op.name, port.name)) or _view(step, port):
            yield port.name, function


def _view(step: Step, port: Port) -> str | None:
    if port.artifact is Artifact.METRICS and not step.op.open:
        return "metrics"
    return "page" if port.artifact is Artifact.HTML else None


def _flow(pipeline: Pipeline, names: _Names, steps: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "title": f"{pipeline.name}: the flow, and one task for each of its steps.",
        "headline": pipeline.description or pipeline.name,
        "flow_name": names.slug,
        "description": pipeline.description,
        "shows": any(step["show"] for step in steps),
        "wired": any(step["inputs"] for step in steps),
        "retried": any(step["retries"] for step in steps),
    }


def _runner(parameters: list[dict[str, Any]], names: _Names) -> dict[str, Any]:
    extra = [
        _parameter(name, default, "Not used by this flow.")
        for name, default in (("data_root", "."), ("registry_root", "registry"))
        if all(one["name"] != name for one in parameters)
    ]
    return {
        "parameters": [one["name"] for one in parameters],
        "options": parameters + extra,
        "local": f"{names.package}.local",
    }


def _deployment(pipeline: Pipeline, names: _Names) -> dict[str, Any]:
    """`prefect.yaml` as data. Prefect fills in ``{{ … }}``, from the environment too: none of the spec's text may hold that."""
    deployment: dict[str, Any] = {
        "name": DEPLOYMENT,
        "description": _inert(pipeline.description or pipeline.name),
        "tags": ["mlspec"],
        "entrypoint": f"{names.package}/flow.py:{names.flow}",
        "parameters": {one["name"]: _inert(one["default"]) for one in _parameters(pipeline)},
        "enforce_parameter_schema": True,
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
        "work_pool": {"name": names.slug},
    }
    if pipeline.about.get("version"):
        deployment["version"] = _inert(pipeline.about["version"])
    if pipeline.schedule:
        schedule = {"cron": _inert(pipeline.schedule.cron), "timezone": _inert(pipeline.schedule.timezone), "active": True}
        deployment["schedules"] = [schedule]
    return {"name": names.slug, "deployments": [deployment]}


def _inert(text: str) -> str:
    return text.replace("{{", "{ {").replace("}}", "} }")


def _readme(pipeline: Pipeline, names: _Names) -> dict[str, Any]:
    return {
        "title": pipeline.name or "Pipeline",
        "description": pipeline.description or "No description.",
        "deployment": DEPLOYMENT,
        "pool": names.slug,
        "image": f"{names.slug}:latest",
        "run_name": f"{names.slug}/{DEPLOYMENT}",
        "schedule": {"cron": pipeline.schedule.cron, "timezone": pipeline.schedule.timezone} if pipeline.schedule else None,
        "lacks": [f"{dotted(one.route)}: {one.message}; {one.help}." for one in lacks(pipeline)],
    }


def _trace(pipeline: Pipeline) -> dict[str, Any]:
    """Say which part of the spec each step comes from."""
    steps = {
        step.id: {
            "op": step.op.name,
            "stage": step.stage.value,
            "routes": step.asked_by,
            "needs": list(step.needs),
            "outputs": [port.name for port in step.output_ports],
        }
        for step in pipeline.steps
    }
    parameters = [one.name for one in pipeline.parameters]
    return {"backend": NAME, "order": [step.id for step in pipeline.steps], "parameters": parameters, "steps": steps}


def _parameters(pipeline: Pipeline) -> list[dict[str, Any]]:
    return [_parameter(*row) for row in _parameter_rows(pipeline)]


def _parameter_rows(pipeline: Pipeline) -> list[tuple[str, str, str]]:
    rows = [(one.name, one.default, one.summary) for one in pipeline.parameters]
    if any(name == WORKSPACE[0] for name, _, _ in rows):
        raise Problem(
            Finding("parameter-taken", f"a parameter cannot be called {WORKSPACE[0]!r}: Prefect projects have one of that name")
        )
    return [*rows, WORKSPACE]


def _parameter(name: str, default: str, summary: str) -> dict[str, Any]:
    # argparse fills %-formats in help texts
    return {
        "name": name,
        "default": default,
        "summary": summary,
        "flag": f"--{name.replace('_', '-')}",
        "help": summary.replace("%", "%%"),
    }


def _limits(step: Step) -> str:
    told = [f"Tried {step.retries + 1} times at most."] if step.retries else []
    if step.timeout:
        told.append(f"Stopped after {step.timeout:g} s.")
    return " ".join(told)


def _asked(resources: Resources) -> str:
    parts = [f"{resources.cpu:g} cores"] if resources.cpu is not None else []
    parts += [f"{resources.memory:,} bytes of memory"] if resources.memory is not None else []
    parts += [f"the accelerator {resources.accelerator}"] if resources.accelerator is not None else []
    return " and ".join(parts)
