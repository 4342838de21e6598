"""Apache Airflow: a DAG with one task a step, and a runner with a database of its own."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlspec import ops, render, trace
from mlspec.bundle import Bundle, lock
from mlspec.diagnostic import Finding, Problem, Severity
from mlspec.ir import Artifact, Pipeline, Resources, Stage, Step

NAME = "airflow"
TITLE = "Apache Airflow 3"
REQUIRES = ("airflow",)

REALISES = {
    "steps": "one TaskFlow `@task` a step, its id the step's; its body calls `mlspec.runtime`",
    "parameters": "`params` of the DAG with a JSON schema, which the trigger form and the API enforce; `workspace` is one more. "
    "A step's own are literals in `params.py`",
    "artifacts": "files under `workspace/runs/<run>/<step>`; XComs pass their paths on, one for each output",
    "metrics": "the XCom `mlspec.facts` of each task, and the `extra` of the assets that metrics, decision, package and registry "
    "entry update; the task's log says where the files lie",
    "gate": "a task that fails and is not tried again. What needs it is `upstream_failed`, the report runs, the DAG run is "
    "`failed`",
    "branches": "tasks without an edge between them; the executor runs them side by side. `airflow dags test` and `run.py` run "
    "one after the other",
    "fan_out": "one task function, called with `.override(task_id=…)` for each trial, fold or machine",
    "retries": "`retries`, `retry_delay` 1 s, doubling (`retry_exponential_backoff`), at most 60 s; what another try would meet "
    "again (`runtime.worth_another_try`) raises `AirflowFailException`",
    "timeout": "mlspec's runtime: a child process that is killed when the time is up",
    "caching": "by content: `mlspec.runtime.content`, with notes under `workspace/keys`. The task succeeds at once and the XCom "
    "`mlspec.cached` says which run made the files",
    "max_age": "a note that is older does not count",
    "resources": "`executor_config` with a `pod_override` that requests cores and memory, for the Kubernetes executor",
    "accelerators": "limits in the `pod_override`: `nvidia.com/gpu` for `gpu`, `cuda` and `nvidia`, `amd.com/gpu` for `amd`, "
    "else the name as it is",
    "placement": "the `node_selector` of the `pod_override`",
    "schedule": "`CronTriggerTimetable` with its time zone, no catch-up, one run at a time",
    "secrets": "an Airflow Variable `<name>_<key>`, thus whatever secrets backend Airflow has; without one, as on any machine: "
    "`MLSPEC_SECRET_<NAME>_<KEY>`. Masked in logs, handed to the step's process alone",
    "environment": "variables of the step's process",
    "image": "the container of the `pod_override`, for the Kubernetes executor; and the `Dockerfile`",
    "containers": "`mlspec.runtime`: docker or podman on the worker",
    "approval": "a task that waits in `awaiting_input` (Airflow's human-in-the-loop operator), with a form: Approve or Reject, "
    "and a note; `response_timeout`. It takes no worker while it waits",
    "exit": "teardown tasks (`as_teardown(on_failure_fail_dagrun=False)`) after all others: they run in any case, and change "
    "neither a failed run to a success nor the other way round",
    "granularity": "a task that runs several steps",
    "distribution": "`max_active_tasks`: how many tasks of a run at the same time",
    "triggers": "`AssetOrTimeSchedule`: an event of an asset called like the trigger (`mlspec.data_drift`) starts a run",
    "checkpoints": "files in the folder that `MLSPEC_CHECKPOINTS` names: a volume that the next try of the step finds again",
    "logging": "what a step prints and logs is in the task's log",
    "user_code": "`src/`, put on `sys.path` by the DAG's module",
    "local_run": "`run.py`: a private `AIRFLOW_HOME` with SQLite under the workspace, one run by `dag.test()`; or the home "
    "of `MLSPEC_AIRFLOW_HOME`",
    "verified": "Airflow 3.3.2 runs the conformance cases, two specs of the gallery and `airflow dags test`: retries, time "
    "limits, gates, teardown, approvals given, refused and unanswered. The `pod_override` is checked with the Kubernetes client; "
    "the Celery and Kubernetes executors were never run, nor was the image built",
}
"""How each notion of a pipeline is realised (`mlspec.backend.NOTIONS`)."""

LACKS = {
    "checkpoints": "such a folder by itself: without the variable training starts afresh after a break",
    "metrics": "plots: Airflow's interface shows none. The report's path is the XCom `page`",
    "timeout": "the time in which a task waits for a worker does not count",
    "caching": "Airflow has no state for a result that was used again: the task is a success",
    "resources": "nothing for the Local and Celery executors: the worker's own. Give pools or queues with `default_args`",
    "placement": "spot machines: which taint or label means one differs by cloud; name it with `node`",
    "containers": "`DockerOperator` and `KubernetesPodOperator`: their providers are not in the lock",
    "approval": "who may answer: Airflow knows users, the spec roles. They are named in the request; the report says who it was",
    "distribution": "Dask and Ray: the executor distributes the tasks of all DAGs alike",
    "triggers": "a cooldown, and a person's yes before such a run: Airflow starts one for each event (one at a time)",
}

TEMPLATES = Path(__file__).parent / "templates"
WORKSPACE = ("workspace", "workspace", "Directory of the steps' files and of what is used again.")
LONGEST_PAUSE = 60.0
"""Seconds: retries wait 1, 2, 4 … up to this, as under mlspec's own runner."""

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

GROUPS = {Stage.DATA: "Data", Stage.MODELING: "Modeling", Stage.DEPLOYMENT: "Deployment"}
"""Task groups by stage: their ids are not lower case, so that no step can have one of them."""

ASSETS = {("evaluate", "metrics"), ("decide", "decision"), ("package", "package"), ("register", "entry")}
"""Outputs that others wait for or look at: by op and port."""

_USED = frozenset(dir(builtins)) | {
    *("dag", "data_stage", "deployment_stage", "everything", "machine", "modeling_stage", "pendulum", "perform", "place", "sys"),
    *("task", "timedelta"),
}
"""Names that the DAG's module uses itself, besides those that are not lower case."""


def emit(pipeline: Pipeline) -> Bundle:
    """Write the project for a pipeline. The same pipeline gives the same bytes; Airflow need not be installed."""
    names = _Names(pipeline)
    steps = [_step(pipeline, step, names) for step in (*pipeline.steps, *pipeline.exit)]
    parameters = _parameters(pipeline)
    shared: dict[str, Any] = {"package": names.package, "dag": names.slug, "steps": steps, "parameters": parameters}
    bundle = Bundle()
    bundle.add("README.md", _render("README.md.j2", **shared, **_readme(pipeline, names)))
    bundle.add("Dockerfile", _render("Dockerfile.j2"))
    bundle.add(".dockerignore", "**/__pycache__\n.git\nregistry\nworkspace\n")
    bundle.add("requirements.txt", lock("airflow", *ops.extras(pipeline)))
    bundle.add("wheels/README.md", "mlspec's own wheel lies here: `mlspec wheel -o wheels`\n")
    bundle.add("trace.json", render.json(trace.document(pipeline, NAME)))
    bundle.add("run.py", _render("run.py.j2", **_runner(pipeline, parameters, names)))
    bundle.add("dags/.airflowignore", f"{names.package}/\n")
    bundle.add(f"dags/{names.module}.py", _render("dag.py.j2", **shared, **_dag(pipeline, names, steps)))
    bundle.add(f"dags/{names.package}/__init__.py", '"""What the tasks of a DAG that mlspec has written share."""\n')
    bundle.add(f"dags/{names.package}/params.py", _render("params.py.j2", steps=[*pipeline.steps, *pipeline.exit]))
    bundle.add(f"dags/{names.package}/storage.py", _render("storage.py.j2", package=names.package))
    if any(step["approves"] for step in steps):
        bundle.add(f"dags/{names.package}/approval.py", _render("approval.py.j2", package=names.package))
    if any(step["machine"] for step in steps):
        bundle.add(f"dags/{names.package}/machine.py", _render("machine.py.j2"))
    for path, text in sorted(pipeline.code.items()):
        bundle.add(f"src/{path}", text)
    return bundle


def lacks(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what of this pipeline Airflow cannot honour, at the spec's route that asked for it."""
    yield from ops.unkept(pipeline)
    for step in pipeline.steps:
        if step.resources.spot:
            told = f"Airflow cannot ask for a spot machine for {step.id}: which label means one differs by cloud"
            yield _finding("no-spot-machines", told, step, "name the label of spot machines with `node`")
        if step.op.name == "container":
            told = f"{step.id} is started with docker or podman on Airflow's worker, not by an operator of Airflow"
            yield _finding("container-on-worker", told, step, "see that workers have docker or podman")
        if step.op.name == "approve" and step.params.get("approvers"):
            told = f"Airflow names those who may answer {step.id}, and lets any of its users do so"
            yield _finding("approvers-not-enforced", told, step, "restrict who may edit the DAG's runs in Airflow's auth manager")
    if pipeline.distribution and pipeline.distribution.engine in ("dask", "ray"):
        told = f"Airflow does not distribute a run's steps over {pipeline.distribution.engine}: its executor distributes tasks"
        route = ("pipeline", "parallelism")
        yield Finding("no-task-runner", told, route, Severity.WARNING, "choose the executor in Airflow's configuration")
    yield from _untriggered(pipeline)


def _untriggered(pipeline: Pipeline) -> Iterator[Finding]:
    """What triggers ask for besides the event; each is asked for once, whatever the number of events."""
    for trigger in pipeline.triggers[:1]:
        section = trigger.route[:1]
        if trigger.cooldown:
            told = f"Airflow starts a run for each event, such as {trigger.event}: it knows no cooldown"
            yield Finding(
                "trigger-at-once", told, (*section, "cooldown"), Severity.WARNING, "let what sends the event wait as long"
            )
        if trigger.approve and not any(step.op.name == "approve" for step in pipeline.steps):
            told = f"Airflow starts a run at an event, such as {trigger.event}, without a person's yes"
            yield Finding(
                "trigger-unasked",
                told,
                (*section, "approve"),
                Severity.WARNING,
                "put a step of kind approval before the training",
            )


def _finding(code: str, told: str, step: Step, help_text: str) -> Finding:
    return Finding(code, told, step.routes[0], Severity.WARNING, help_text)


def _render(template: str, **context: Any) -> str:
    return render.render(template, TEMPLATES, **context)


class _Names:
    """The Python names in the DAG's module: each one different, none of them taken."""

    def __init__(self, pipeline: Pipeline) -> None:
        label = render.slug(pipeline.name, longest=30).replace("-", "_")
        taken = {path.split("/")[0].removesuffix(".py") for path in pipeline.code}
        self.slug = render.slug(pipeline.name)
        self.module = render.identifier(f"{label}_dag", taken)
        self.package = render.identifier(f"{label}_tasks", taken)
        used = {*_USED, self.module, self.package}
        everything = (*pipeline.steps, *pipeline.exit)
        self.functions: dict[str, str] = {}
        families: dict[str, str] = {}
        for step in everything:
            if not step.family:
                self.functions[step.id] = _take(step.id, used)
            else:
                if step.family not in families:
                    families[step.family] = _take(render.identifier(step.family), used)
                self.functions[step.id] = families[step.family]
        self.results = {step.id: _take(_result(step.id, index), used) for index, step in enumerate(everything, 1)}


def _result(step: str, index: int) -> str:
    """Name what a call gives; a long id stands on one line with its task's only if this name is short."""
    return f"{step}_run" if len(step) <= 30 else f"run_{index}"


def _take(wanted: str, used: set[str]) -> str:
    name = render.identifier(wanted, used)
    used.add(name)
    return name


def _step(pipeline: Pipeline, step: Step, names: _Names) -> dict[str, Any]:
    used = {"perform", "Files"}
    inputs = [_input(port.name, step, names, used) for port in step.input_ports if port.name in step.inputs]
    if taken := [port for port in step.output_ports if port.name == "return_value"]:
        told = f"an output cannot be called {taken[0].name!r}: Airflow calls the result of a task so"
        raise Problem(Finding("output-taken", told, step.routes[0]))
    return {
        "id": step.id,
        "op": step.op.name,
        "function": names.functions[step.id],
        "result": names.results[step.id],
        "family": step.family,
        "summary": step.summary,
        "label": step.label,
        "origin": f"From the spec's {', '.join(step.asked_by)}.",
        "routes": step.asked_by,
        "needs": step.needs,
        "limits": _limits(step),
        "stage": step.stage.value,
        "exit": step in pipeline.exit,
        "approves": step.op.name == "approve",
        "inputs": inputs,
        "outputs": {port.name: f"{port.name}{SUFFIXES[port.artifact]}" for port in step.output_ports},
        "bindings": dict(step.bindings),
        "after": [names.results[one] for one in dict.fromkeys(step.after)],
        "retries": step.retries,
        "longest": LONGEST_PAUSE,
        "timeout": step.timeout,
        "seconds": step.params.get("seconds"),
        "max_age": step.max_age,
        "environment": dict(step.environment),
        "secrets": {variable: [one.store, one.name, one.key] for variable, one in step.secrets.items()},
        "machine": _machine(pipeline, step),
        "assets": [f"{names.slug}.{step.id}.{port.name}" for port in step.output_ports if (step.op.name, port.name) in ASSETS],
    }


def _input(port: str, step: Step, names: _Names, used: set[str]) -> dict[str, Any]:
    ref = step.inputs[port]
    return {"port": port, "argument": _take(port, used), "result": names.results[ref.step], "output": ref.output}


def _machine(pipeline: Pipeline, step: Step) -> dict[str, Any]:
    """The arguments of `machine`, in the project; none where the step asks for nothing of its own."""
    asked = step.resources
    told: dict[str, Any] = {}
    if pipeline.image is not None:
        told["image"] = pipeline.image
    if asked != Resources():
        told |= {"cpu": asked.cpu, "memory": asked.memory, "node": dict(asked.node)}
        told |= {"accelerator": asked.accelerator, "accelerators": asked.accelerators} if asked.accelerator else {}
    return {name: value for name, value in told.items() if value not in (None, {})}


def _dag(pipeline: Pipeline, names: _Names, steps: list[dict[str, Any]]) -> dict[str, Any]:
    asked = pipeline.distribution
    seen: set[str] = set()
    every = (*pipeline.steps, *pipeline.exit)
    named = {step.id for step in every} if pipeline.exit else {need for step in every for need in (*step.needs, *_waiting(step))}
    for one in steps:
        one["target"] = f"{render.name(one['result'])} = " if one["id"] in named else ""
    functions = []
    for one in steps:
        if not one["approves"] and one["function"] not in seen:
            seen.add(one["function"])
            functions.append(one)
    return {
        "title": f"{pipeline.name}: the DAG, and one task for each of its steps.",
        "headline": pipeline.description or pipeline.name,
        "function": names.module,
        "description": pipeline.description or pipeline.name,
        "owner": pipeline.about.get("owner") or "mlspec",
        "functions": functions,
        "blocks": list(_blocks(steps)),
        "stages": [stage.value for stage in Stage if any(one["stage"] == stage.value for one in steps)],
        "groups": {stage.value: group for stage, group in GROUPS.items()},
        "schedule": pipeline.schedule,
        "timezone": pipeline.schedule.timezone if pipeline.schedule else "UTC",
        "events": [one.event for one in pipeline.triggers],
        "workers": asked.workers if asked else None,
        "retried": any(one["retries"] for one in functions),
        "waits": any(one["seconds"] is not None for one in steps if one["approves"]),
        "ending": [one for one in steps if one["exit"]],
        "assets": any(one["assets"] for one in steps),
        "approves": any(one["approves"] for one in steps),
        "machines": any(one["machine"] for one in functions),
    }


def _waiting(step: Step) -> tuple[str, ...]:
    """The step itself, where it comes after others of which it takes nothing."""
    return (step.id,) if step.after else ()


def _blocks(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Calls of one stage that follow each other."""
    block: dict[str, Any] = {"stage": None}
    for step in steps:
        if step["stage"] != block["stage"]:
            if block["stage"] is not None:
                yield block
            block = {"stage": step["stage"], "steps": []}
        block["steps"].append(step)
    yield block


def _runner(pipeline: Pipeline, parameters: list[dict[str, Any]], names: _Names) -> dict[str, Any]:
    known = {one["name"] for one in parameters}
    extra = [("data_root", "."), ("registry_root", "registry"), ("approvals_root", "approvals")]
    unused = [_parameter(name, default, "Not used by this DAG.") for name, default in extra if name not in known]
    ids = [step.id for step in (*pipeline.steps, *pipeline.exit)]
    return {"parameters": [one["name"] for one in parameters], "options": parameters + unused, "dag": names.slug, "ids": ids} | {
        "module": names.module,
        "function": names.module,
        "asks": any(step.op.name == "approve" for step in pipeline.steps),
    }


def _readme(pipeline: Pipeline, names: _Names) -> dict[str, Any]:
    return {
        "title": pipeline.name or "Pipeline",
        "description": pipeline.description or "No description.",
        "module": names.module,
        "image": f"{names.slug}:latest",
        "schedule": {"cron": pipeline.schedule.cron, "timezone": pipeline.schedule.timezone} if pipeline.schedule else None,
        "events": [one.event for one in pipeline.triggers],
        "secrets": sorted({f"{one.name}_{one.key}" for step in pipeline.steps for one in step.secrets.values() if one.key}),
        "lacks": [f"{one.message}; {one.help}." for one in lacks(pipeline)],
    }


def _parameters(pipeline: Pipeline) -> list[dict[str, Any]]:
    rows = [(one.name, one.default, one.summary) for one in pipeline.parameters]
    if any(name == WORKSPACE[0] for name, _, _ in rows):
        told = f"a parameter cannot be called {WORKSPACE[0]!r}: Airflow projects have one of that name"
        raise Problem(Finding("parameter-taken", told))
    return [_parameter(*row) for row in (*rows, WORKSPACE)]


def _parameter(name: str, default: str, summary: str) -> dict[str, Any]:
    # argparse fills %-formats in help texts
    flag, told = f"--{name.replace('_', '-')}", summary.replace("%", "%%")
    return {"name": name, "default": default, "summary": summary, "flag": flag, "help": told}


def _limits(step: Step) -> str:
    told = [f"Tried {step.retries + 1} times at most."] if step.retries else []
    if step.timeout:
        told.append(f"Stopped after {step.timeout:g} s.")
    if step.max_age:
        told.append(f"Done again when older than {step.max_age:g} s.")
    return " ".join(told)
