"""Prefect: a flow with one task a step or a family of steps, deployments, and a runner with a server of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlspec import ops, render
from mlspec.bundle import Bundle, lock
from mlspec.diagnostic import Finding, dotted
from mlspec.ir import Pipeline, Secret, Step
from mlspec.trace import document

from ._prefect import deployment, machine, tasks
from ._prefect.naming import Group, Names, parameter_rows, secrets_of

NAME = "prefect"
TITLE = "Prefect 3"
REQUIRES = ("prefect",)

REALISES = {
    "steps": "one `@task` a step, tagged with its stage and submitted by one `@flow`; its body calls `mlspec.runtime`. The flow "
    "returns every state, so a task that fails cannot be overlooked",
    "parameters": "parameters of the flow with a JSON schema, which the deployment enforces; `workspace` is one more. A step's "
    "params are literals in `params.py`",
    "artifacts": "files under `workspace/artifacts/<step>/<task run>`; tasks pass their paths on, as persisted results in JSON",
    "metrics": "table artifacts for metrics and facts, Markdown artifacts for verdicts and checks, a link artifact for the "
    "report, a progress artifact for each family of steps",
    "gate": "a task that fails. What takes its output is `NotReady`, the report runs, and the flow run is `Failed`",
    "branches": "every task is submitted at once and waits for what it takes; as many work as the machine has cores, or as "
    "`pipeline.parallelism` says",
    "fan_out": "one task for a family, called for each of its steps `with_options(name=…, task_run_name=…)` from a table",
    "retries": "`retries` and `retry_delay_seconds`, 1 s, doubling, at most 60 s; `retry_condition_fn` leaves alone what another "
    "try meets again: a verdict, a person's no, a secret that is missing",
    "timeout": "mlspec's runtime: a child process that is killed when the time is up; the task's state is `TimedOut`. Prefect's "
    "`timeout_seconds` does not stop a submitted task",
    "caching": "a `CachePolicy` on content: op, params, bytes read, mlspec, libraries, `src/`. A result counts only while its "
    "files are there, unchanged",
    "max_age": "`cache_expiration`, and the cache policy looks at the age itself, so that a new limit counts for old results too",
    "resources": "job variables of the docker (memory) and Kubernetes work pools, for the heaviest step; `deploy.py` makes the "
    "pools",
    "accelerators": "a job variable of the Kubernetes pool that `deploy.py` makes: Prefect's own template has none",
    "placement": "`node_selector` and tolerations of the Kubernetes pool that `deploy.py` makes; spot machines where each step "
    "that asks for a machine allows them",
    "schedule": "`prefect.yaml`: cron and time zone, one run at a time (`concurrency_limit`, `ENQUEUE`)",
    "secrets": "Secret blocks, loaded in the task that needs them and handed to the step's own process; `deploy.py secrets` "
    "makes them. `${env:…}` is a variable of the run's environment",
    "environment": "variables of the step's own process",
    "image": "`image` of the job variables; a `Dockerfile`",
    "containers": "a task whose step calls docker or podman on the worker's machine, with its retries and time limit",
    "approval": "a flow run of its own, paused for input (`pause_flow_run`): a form in the UI, with the message and who may "
    "answer. What needs the answer waits, other branches go on",
    "exit": "tasks that the flow calls last, with their own states; `on_crashed` and `on_cancellation` hooks for a run that did "
    "not get that far",
    "granularity": "fused steps are tasks like the others",
    "distribution": "`ThreadPoolTaskRunner`, `ProcessPoolTaskRunner`, `DaskTaskRunner` (prefect-dask) or `RayTaskRunner` "
    "(prefect-ray), with a cluster of the run's own or at an address, which may be a secret",
    "triggers": "`triggers` in `prefect.yaml`: `prefect deploy` makes the automation, which runs the deployment at the first "
    "event and then not before the cooldown is over; where a person has to agree, the run asks first",
    "checkpoints": "files in the folder that `MLSPEC_CHECKPOINTS` names: a volume that the next try of the step finds again",
    "logging": "`log_prints`: what a step prints, and its facts, are in the run's log",
    "user_code": "`src/`, put on `sys.path` by the flow's module; steps of your own are tasks like the others",
    "local_run": "`run.py`: a Prefect server of its own on a free local port, one flow run, and the server is stopped; or the "
    "server of `PREFECT_API_URL`. Secrets become blocks of that server while it runs; answers to approvals come from files",
    "verified": "a real server 3.8.8 with a process worker runs the gallery, failing gates, retries, time limits, caching, "
    "signals, a killed run, approvals, secrets, a scheduled run, an event that starts one, and Dask on this machine. Job "
    "variables are checked with the pools' own schemas, and the Kubernetes job with the client's model. Docker and Kubernetes "
    "pools, Ray and clusters of several machines were never run, nor was the image built",
}
"""How each notion of a pipeline is realised (`mlspec.backend.NOTIONS`)."""

LACKS = {
    "checkpoints": "such a folder by itself: without the variable training starts afresh after a break",
    "resources": "a task has no machine of its own: the steps of a run share one job, as large as the heaviest step needs. "
    "A process pool gives what the worker's machine has, a docker pool knows no number of cores",
    "accelerators": "as resources; and a docker pool gives none",
    "placement": "as resources; steps that want different machines get one",
    "containers": "on Kubernetes the job's image would have to hold podman: Prefect starts one container a run, not one a step",
    "approval": "the run's process stays while it waits; where it is killed, the next run asks again",
    "environment": "variables are not set for the flow's process: a step that has some runs in a process of its own",
}
"""What is not realised, and why."""

SAID_OF_RUNNERS = {
    "threads": "In threads of the flow's process, {workers} at a time.",
    "processes": "In {workers} processes of the flow's machine.",
    "dask": "On {workers} workers of a Dask cluster that is started for the run, on the flow's machine.",
    "ray": "On {workers} cores of a Ray cluster that is started for the run, on the flow's machine.",
}

SAID_OF_CLUSTERS = (
    "On the cluster at the address that the spec gives. Its workers want what the flow's process has: the requirements, this "
    "project on PYTHONPATH, PREFECT_API_URL, and workspace and data at the same paths."
)


def emit(pipeline: Pipeline) -> Bundle:
    """Write the project for a pipeline. The same pipeline gives the same bytes; Prefect need not be installed."""
    names = Names(pipeline)
    told = _told(pipeline, names)
    top = names.package
    bundle = Bundle()
    bundle.add("README.md", render.render("prefect/README.md.j2", **(told | _readme(pipeline, names, told))))
    bundle.add("Dockerfile", render.render("prefect/Dockerfile.j2", **told))
    bundle.add(".dockerignore", "**/__pycache__\n.git\nregistry\nworkspace\n")
    for file, text in _locks(pipeline):
        bundle.add(file, text)
    bundle.add("wheels/README.md", "mlspec's own wheel lies here: `mlspec wheel -o wheels`\n")
    for file, data in deployment.documents(pipeline, names):
        bundle.add(file, render.yaml(data))
    bundle.add("trace.json", render.json(document(pipeline, NAME)))
    bundle.add("run.py", render.render("prefect/run.py.j2", **told))
    bundle.add("deploy.py", render.render("prefect/deploy.py.j2", **_deploy(pipeline, names)))
    bundle.add(f"{top}/__init__.py", '"""A flow that mlspec has written."""\n')
    for module in _modules(told):
        bundle.add(f"{top}/{module}.py", render.render(f"prefect/{module}.py.j2", **told))
    for module, title, rows in _constants(pipeline, names, told):
        bundle.add(f"{top}/{module}.py", render.render("prefect/constants.py.j2", title=title, rows=rows))
    for path, text in sorted(pipeline.code.items()):
        bundle.add(f"src/{path}", text)
    return bundle


def lacks(pipeline: Pipeline) -> Iterator[Finding]:
    """Prefect gives machines to a whole run, by its work pool, not to a task."""
    yield from machine.lacks(pipeline)
    yield from ops.unkept(pipeline)


def _told(pipeline: Pipeline, names: Names) -> dict[str, Any]:
    """What the templates of the project's modules are told."""
    every = [tasks.task(group) for group in names.groups]
    calls = tasks.calls(pipeline, names)
    inner, exits = [one for one in every if not one["exit"]], [one for one in every if one["exit"]]
    told: dict[str, Any] = {
        "title": f"{pipeline.name}: the flow, and one task for each of its steps.",
        "headline": pipeline.description or pipeline.name,
        "description": pipeline.description,
        "package": names.package,
        "function": names.flow,
        "flow_name": names.slug,
        "approval": f"{names.slug}-approval",
        "pipeline": names.slug,
        "tasks": every,
        "calls": calls,
        "exits": exits,
        "aged": any(one["max_age"] is not None for one in inner),
        "wired": any(one["inputs"] for one in inner),
        "retried": any(one["retries"] for one in every),
        "asks": any(one["asks"] for one in inner),
        "asks_first": "ask_first" if deployment.asks_first(pipeline) else None,
        "variables": any(one["variables"] for one in every),
        "exit_variables": any(one["variables"] for one in exits),
        "families": _families(calls),
        "parameters": _parameters(pipeline),
        "options": _options(pipeline),
        "names": [name for name, _, _ in parameter_rows(pipeline)],
        "ids": [step.id for step in pipeline.steps],
        "exit_ids": [step.id for step in pipeline.exit],
        "blocks": _by_block(pipeline, names),
        "local": f"{names.package}.local",
        "requirements": [file for file, _ in _locks(pipeline)],
        "never": tasks.NEVER,
        "begin": f"An event asks for a run of {names.slug}. May it begin?",
    }
    return told | _runner(pipeline, names) | {"modules": _imports(told, every)}


def _imports(told: dict[str, Any], every: list[dict[str, Any]]) -> list[str]:
    wanted = {
        "approval": told["asks"] or told["asks_first"],
        "crash": told["exits"],
        "ending": True,
        "params": True,
        "show": any(one["shows"] for one in every),
        "variables": told["variables"],
        "wiring": told["families"],
    }
    return [module for module, used in wanted.items() if used]


def _modules(told: dict[str, Any]) -> list[str]:
    """The modules of the project that have a template of their own."""
    wanted = {
        "approval": told["asks"] or told["asks_first"],
        "cluster": told["looked_up"],
        "crash": told["exits"],
        "ending": True,
        "flow": True,
        "local": True,
        "secret": told["variables"] or told["reference"],
        "show": True,
        "storage": True,
    }
    return [module for module, used in wanted.items() if used]


def _constants(pipeline: Pipeline, names: Names, told: dict[str, Any]) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    rows = [{"constant": group.constant.upper(), "value": tasks.params(group)} for group in names.groups]
    yield "params", "What each step does, as plain values: the parameters that the spec gave it.", rows
    if told["variables"]:
        having = [group for group in names.groups if group.first.environment or group.first.secrets]
        rows = [{"constant": group.constant.upper(), "value": tasks.variables(group, names.blocks)} for group in having]
        yield "variables", "The variables that steps have: texts, and secrets by reference.", rows
    if told["families"]:
        loops = [call for call in told["calls"] if call["rows"] is not None]
        rows = [{"constant": call["table"].upper(), "value": call["rows"]} for call in loops]
        yield "wiring", "The steps of each family, and which step each of them takes its inputs from.", rows


def _families(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    tables: dict[str, list[str]] = {}
    for call in calls:
        if call["rows"] is not None:
            tables.setdefault(call["task"]["name"], []).append(call["table"])
    return [{"name": name, "tables": found} for name, found in tables.items()]


def _runner(pipeline: Pipeline, names: Names) -> dict[str, Any]:
    asked = pipeline.distribution
    waiting = sum(step.op is ops.APPROVE for step in pipeline.steps)
    told: dict[str, Any] = {
        "runner": asked.engine if asked else "threads",
        "workers": asked.workers if asked else None,
        "threads": max(1, min(len(pipeline.steps), THREADS + waiting)),
        "address": None,
        "reference": None,
        "template": None,
        "looked_up": False,
        "engine": asked.engine if asked else None,
    }
    address = asked.address if asked else None
    if asked is None or asked.engine not in ("dask", "ray") or address is None:
        return told
    if isinstance(address, Secret):
        return told | {"reference": tasks.reference(address, names.blocks), "looked_up": True}
    if "${" in address:
        return told | {"template": address, "looked_up": True}
    return told | {"address": address}


def _locks(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    engine = pipeline.distribution.engine if pipeline.distribution else ""
    yield "requirements.txt", lock(f"prefect-{engine}" if engine in ("dask", "ray") else "prefect", *ops.extras(pipeline))


def _by_block(pipeline: Pipeline, names: Names) -> dict[str, dict[str, str]]:
    return {block: {"store": one.store, "name": one.name, "key": one.key} for one, block in names.blocks.items()}


def _deploy(pipeline: Pipeline, names: Names) -> dict[str, Any]:
    kinds = [kind for kind, _ in machine.machine(pipeline).accelerators]
    return {
        "names": {pool: deployment.pool_name(names, pool) for pool in deployment.POOLS},
        "files": {pool: deployment.file_of(pool) for pool in deployment.POOLS},
        "blocks": _by_block(pipeline, names),
        "variables": sorted({one.name for one in secrets_of(pipeline) if one.store == "env"}),
        "accelerators": {kind: machine.variable(kind) for kind in kinds},
        "workspace": f"{deployment.HOME}/workspace",
    }


def _options(pipeline: Pipeline) -> list[dict[str, Any]]:
    """What `run.py` takes: the same of every project, whether its flow uses it or not."""
    parameters = _parameters(pipeline)
    usual = (("data_root", "."), ("registry_root", "registry"), ("approvals_root", "approvals"))
    known = {one["name"] for one in parameters}
    return [*parameters, *(_parameter(name, default, "Not used by this flow.") for name, default in usual if name not in known)]


def _parameters(pipeline: Pipeline) -> list[dict[str, Any]]:
    return [_parameter(*row) for row in parameter_rows(pipeline)]


def _parameter(name: str, default: str, summary: str) -> dict[str, Any]:
    # argparse fills %-formats in help texts
    told = {"name": name, "default": default, "summary": summary, "flag": f"--{name.replace('_', '-')}"}
    return told | {"help": summary.replace("%", "%%")}


def _readme(pipeline: Pipeline, names: Names, told: dict[str, Any]) -> dict[str, Any]:
    asked = pipeline.distribution
    said = SAID_OF_RUNNERS[asked.engine].format(workers=asked.workers) if asked else ""
    return {
        "title": pipeline.name or "Pipeline",
        "description": pipeline.description or "No description.",
        "deployment": deployment.DEPLOYMENT,
        "pool": names.slug,
        "pools": [_pool(names, sort) for sort in deployment.POOLS],
        "volume": f"{names.slug}-workspace",
        "image": render.visible(deployment.image(pipeline, names)),
        "run_name": f"{names.slug}/{deployment.DEPLOYMENT}",
        "schedule": {"cron": pipeline.schedule.cron, "timezone": pipeline.schedule.timezone} if pipeline.schedule else None,
        "rows": [_row(group) for group in names.groups],
        "secrets": [_secret(one, names) for one in secrets_of(pipeline)],
        "events": [
            {"expect": one["expect"], "within": f"{one['within']:g}", "asked": told["asks_first"]}
            for one in deployment.events(pipeline, names)
        ],
        "emitted": render.visible(pipeline.triggers[0].event) if pipeline.triggers else "",
        "resource": deployment.resource(names),
        "distribution": SAID_OF_CLUSTERS if asked and asked.address else said,
        "lacks": [f"{dotted(one.route)}: {one.message}; {one.help}." for one in lacks(pipeline)],
    }


def _pool(names: Names, sort: str) -> dict[str, str]:
    return {
        "sort": sort,
        "name": deployment.pool_name(names, sort),
        "file": deployment.file_of(sort),
        "command": f"python deploy.py {sort}",
    }


def _row(group: Group) -> dict[str, Any]:
    step = group.first
    return {
        "id": group.name,
        "count": len(group.steps),
        "summary": step.summary,
        "limits": _limits(step),
        "needs": step.needs,
        "routes": step.asked_by,
        "exit": group.exit,
    }


def _secret(one: Secret, names: Names) -> dict[str, str | None]:
    name = f"{one.name}/{one.key}" if one.key else one.name
    return {"name": name, "block": names.blocks.get(one), "variable": tasks.variable(one)}


def _limits(step: Step) -> str:
    told = [f"Tried {step.retries + 1} times at most."] if step.retries else []
    if step.timeout:
        told.append(f"Stopped after {step.timeout:g} s.")
    return " ".join(told)


THREADS = 64
"""Threads of a flow: steps are submitted after what they need, so that fewer threads than steps never wait for each other."""
