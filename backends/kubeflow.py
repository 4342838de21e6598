"""Kubeflow Pipelines: typed components, the pipeline that wires them, and its compiled forms, written without kfp."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlspec import ops, render, trace
from mlspec.bundle import Bundle, lock
from mlspec.diagnostic import Finding, Severity
from mlspec.ir import Pipeline, Ref, Secret, Step

from ._kubeflow import asking, compiled, limits
from ._kubeflow.naming import LOOK, Task, Tasks, tasks
from ._kubeflow.text import PACKED, cron, description

NAME = "kfp"
TITLE = "Kubeflow Pipelines"
REQUIRES = ("kfp", "kfp.kubernetes")
REALISES = {
    "steps": "one lightweight component (`@dsl.component`) a step, with typed `Input[…]` and `Output[…]`; its body calls "
    "`mlspec.runtime`, and installs nothing when a pod starts",
    "parameters": "parameters of the pipeline (`STRING`). A step's own params are literals in `params.py`; they travel as JSON "
    "text, because KFP turns integers inside lists and dicts into floats, and packed (bz2) where they are longer than 32 KiB",
    "artifacts": "`Dataset`, `Model`, `Metrics`, `HTML` and plain `Artifact`; a step's facts are the artifact's metadata",
    "metrics": "scalar metrics with `log_metric`; for a classifier a `ClassificationMetrics` with ROC curve and confusion "
    "matrix; the verdicts as `Markdown`; the report as `HTML`",
    "gate": "a task that fails. What takes its output does not start, the report does, and the run has failed. A `dsl.If` on NaN "
    "would run neither branch and succeed",
    "branches": "pods run side by side as soon as what they need is there",
    "fan_out": "one component for a family of steps, called in a loop over `params.py`",
    "retries": "`set_retry`, 5 s, doubling, at most 300 s; never for a gate or an approval",
    "timeout": "mlspec's runtime: the work runs in a child process that is killed when the time is up; then retries apply. A "
    "container of yours: `kubernetes.set_timeout`, the deadline of its pod",
    "caching": "KFP's own cache, told what it does not see: a task `look` before `ingest` hands it a digest of the sources, of "
    "the image's libraries and of mlspec, and steps that call your code take a digest of `src/`. So data that are read anew and "
    "are unchanged cost one short task, and a change in `monitoring` runs `report` and `package` again, no training",
    "max_age": "`look` also hands over which span of that length it is: no result is used that is older, and every result is "
    "made anew when a span ends",
    "resources": "`set_cpu_*`, `set_memory_*` (request and limit are the same)",
    "accelerators": "`set_accelerator_type` and `set_accelerator_limit`; `cluster.py` says which resource of a node a kind is",
    "placement": "`kubernetes.add_node_selector`; for spot machines a toleration and a preference for their label "
    "(`cluster.py`: Google's, unless you say otherwise)",
    "schedule": "`python deploy.py schedule`: one recurring run with the cron expression in KFP's six fields (seconds first), "
    "`max_concurrency` 1, no catching up",
    "secrets": "`kubernetes.use_secret_as_env`: `${secret:name/key}` is a key of a Kubernetes secret, `${env:NAME}` the key NAME "
    "of one secret that stands for the environment (`cluster.py`)",
    "environment": "`set_env_variable`",
    "image": "`pipeline.image`, or `PIPELINE_IMAGE` when you compile; the Dockerfile puts mlspec, the lock and `src/` into it",
    "containers": "`@dsl.container_component`: image and command as they are, paths filled in by KFP",
    "approval": "a task that waits for an answer in `approvals_root`, never cached and never tried again",
    "exit": "`dsl.ExitHandler` around all steps, with `PipelineTaskFinalStatus`",
    "granularity": "fused steps are a component like any other",
    "checkpoints": "files in the folder that `MLSPEC_CHECKPOINTS` names: a volume that the next try of the step finds again",
    "logging": "what a task prints is its pod's log, shown with the task; a failure names the lines of the spec (`MLSPEC_TRACE`)",
    "user_code": "`src/`, copied into the image and put on `PYTHONPATH`; steps of your own are components like the others",
    "local_run": "`run.py`: `pipeline.yaml` on `kfp.local`, one process a task, with its cache. Branches run one after the "
    "other; steps in a container run by docker or podman",
    "verified": "`kfp.local` 2.17 runs the gallery, failing gates, retries, time limits, families, exit steps, approvals and the "
    "cache; all documents are compared with what kfp's and kfp-kubernetes' compilers make of `pipeline.py`, and their references "
    "are checked; `deploy.py` talks to a stub of KFP's API through the real client",
}
"""How each notion of a pipeline is realised (`mlspec.backend.NOTIONS`)."""

LACKS = {
    "checkpoints": "such a folder by itself: without the variable training starts afresh after a break",
    "verified": "no cluster was there: the image, its cache, secrets, volumes, spot machines, the schedule and limits "
    "of cpu and memory were never run, and nothing was run on Vertex AI",
    "caching": "KFP knows an artifact by its address: what follows a step that ran again runs again, even where that made the "
    "same. The image's name counts too: a tag for each commit makes everything anew, a tag for what is in it does not",
    "max_age": "the span is counted by the clock, so a result may be made anew earlier than it must; a container of yours that "
    "nothing comes before is never cached where the spec sets an age",
    "schedule": "a time zone of its own: KFP keeps UTC, or one zone for a whole installation",
    "exit": "KFP says that something failed and not what: the message names no step. Several exit steps are one task. Where it "
    "fails, KFP counts the run as failed",
    "approval": "a form for the answer: KFP has none, so who may write to `approvals_root` may answer, and a pod waits meanwhile",
    "timeout": "of a container of yours, less than a second; the time that its pod waits for its image counts",
    "distribution": "a Dask or Ray cluster: pods run side by side by themselves, and `pipeline.parallelism` is not used",
    "triggers": "runs that an event starts: KFP has none. `python deploy.py run` is what your alert can call",
    "containers": "on Vertex AI and elsewhere alike: `{{$` in a command, which KFP would fill in",
}
"""What is not realised, and why."""

SDK = compiled.SDK
UTC = frozenset({"UTC", "Etc/UTC", "Etc/Zulu", "Zulu", "GMT", "Etc/GMT"})
_FIXED = ("run.py", "Dockerfile", ".dockerignore", "wheels/README.md")
_ROUTES = 6  # so many routes a docstring names; trace.json has all


def emit(pipeline: Pipeline) -> Bundle:
    """Write the project: `pipeline.py` with `params.py` and `cluster.py`, the documents they compile to, scripts, image, code."""
    named = tasks(pipeline)
    context = _context(pipeline, named)
    source = render.render("kubeflow/pipeline.py.j2", **context)
    bundle = Bundle()
    bundle.add("pipeline.py", source)
    for path in ("params.py", "cluster.py", "deploy.py"):
        bundle.add(path, render.render(f"kubeflow/{path}.j2", **context))
    spec, platform = compiled.documents(pipeline, named, source)
    for path, text in documents(pipeline, spec, platform).items():
        bundle.add(path, text)
    bundle.add("trace.json", render.json(trace.document(pipeline, NAME, more=_more(pipeline, named))))
    bundle.add("README.md", render.render("kubeflow/README.md.j2", **context))
    for path in _FIXED:
        bundle.add(path, render.render(f"kubeflow/{path}.j2"))
    bundle.add("requirements.txt", lock("kfp", *ops.extras(pipeline)))
    bundle.add("src/.keep", "")
    for path, text in sorted(pipeline.code.items()):
        bundle.add(f"src/{path}", text)
    return bundle


def documents(pipeline: Pipeline, spec: compiled.Document, platform: compiled.Document) -> dict[str, str]:
    """Return the compiled pipeline in its forms: for KFP, for Kubernetes itself, and for Vertex AI where that is another."""
    written = render.yaml(spec)
    also = f"---\n{render.yaml(platform)}" if platform else ""
    told = {"pipeline.yaml": f"{_HEADER}{written}{also}", "kubernetes.yaml": _manifest(pipeline, spec, platform, written)}
    return told | ({"pipeline.vertex.yaml": f"{_HEADER_VERTEX}{written}"} if platform else {})


def lacks(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what Kubeflow Pipelines cannot honour of this pipeline, and what a cluster would refuse of it."""
    yield from _missing(pipeline)
    yield from ops.unkept(pipeline)
    named = tasks(pipeline)
    source = render.render("kubeflow/pipeline.py.j2", **_context(pipeline, named))
    spec, _ = compiled.documents(pipeline, named, source)
    yield from limits.findings(pipeline, named, spec)


def _missing(pipeline: Pipeline) -> Iterator[Finding]:
    if _shifted(pipeline) and pipeline.schedule:
        yield Finding(
            "schedule-time-zone",
            f"a recurring run of Kubeflow Pipelines keeps UTC, not {pipeline.schedule.timezone}",
            ("pipeline", "timezone"),
            Severity.WARNING,
            help="write it in UTC, or set CRON_SCHEDULE_TIMEZONE of ml-pipeline-scheduledworkflow for the whole installation",
        )
    if pipeline.distribution and pipeline.distribution.engine in ("dask", "ray"):
        yield Finding(
            "no-cluster-of-workers",
            f"Kubeflow Pipelines runs each step in a pod of its own; no {pipeline.distribution.engine} cluster is used",
            ("pipeline", "parallelism"),
            Severity.WARNING,
            help="leave pipeline.parallelism out: steps that do not need each other run side by side",
        )
    for trigger in pipeline.triggers:
        yield Finding(
            "no-triggers",
            f"nothing in Kubeflow Pipelines starts a run at {trigger.event}",
            trigger.route,
            Severity.WARNING,
            help="let the alert call `python deploy.py run`, or set a schedule",
        )
    if pipeline.exit:
        message = "Kubeflow Pipelines does not say which steps failed, so a message from a cluster names none"
        yield Finding("exit-names-no-step", message, pipeline.exit[0].routes[0], Severity.INFO, help="the run's page shows them")
    secret = asking.environment_secret(pipeline)
    for step in (*pipeline.steps, *pipeline.exit):
        wanted = sorted({one.name for one in step.secrets.values() if one.store == "env"})
        if wanted:
            yield Finding(
                "environment-is-a-secret",
                f"a cluster has no environment where a run starts: {', '.join(wanted)} is read from the secret {secret}",
                step.routes[0],
                Severity.INFO,
                help=f"kubectl create secret generic {secret} --from-literal={wanted[0]}=…",
            )


def _shifted(pipeline: Pipeline) -> bool:
    return bool(pipeline.schedule and pipeline.schedule.timezone not in UTC)


# -- what the templates need


def _context(pipeline: Pipeline, named: Tasks) -> dict[str, Any]:
    units = list(_units(pipeline, named))
    kinds = {kind for task in named.steps for kind in (*task.artifacts_in.values(), *task.artifacts_out.values())}
    kinds |= {"Input"} if any(task.inputs for task in named.steps) else set()
    kinds |= {"Output"} if any(task.artifacts_out for task in named.steps) else set()
    kinds |= {"OutputPath"} if any(task.look for task in named.steps) else set()
    kinds |= {"PipelineTaskFinalStatus"} if named.exit else set()
    written: dict[str, dict[str, Any]] = {}
    for unit in units:
        written.setdefault(unit["task"].function, unit)
    return {
        "pipeline": pipeline,
        "slug": render.slug(pipeline.name),
        "image": compiled.image(pipeline),
        "description": description(pipeline),
        "types": sorted(kinds, key=lambda name: (not name.isupper(), name)),
        "components": list(written.values()),
        "units": units,
        "params": _params(pipeline, named),
        "labels": {task.step.id: task.step.label for task in named.steps if task.family and task.step.label},
        "looked": named.looked,
        "look": LOOK if any(task.look for task in named.steps) else None,
        "coded": any(task.coded for task in named.steps),
        "contained": any(task.contained for task in named.steps),
        "families": any(task.family for task in named.steps),
        "exit": _exit(pipeline, named),
        "all": [*pipeline.steps, *pipeline.exit],
        "fresh": [task.step.id for task in named.steps if not task.cached],
        "approvals": [step.id for step in pipeline.steps if step.op is ops.APPROVE],
        "missing": list(_missing(pipeline)),
        "secrets": list(_secrets(pipeline)),
        "packed": PACKED,
        "cron": cron(pipeline.schedule.cron) if pipeline.schedule else None,
        "shifted": _shifted(pipeline),
        "environment": asking.environment_secret(pipeline),
        "accelerators": asking.accelerators(pipeline),
        "spot": {"label": asking.SPOT_LABEL[0], "value": asking.SPOT_LABEL[1]},
        "vertex": any(map(asking.asks_kubernetes, (*pipeline.steps, *pipeline.exit))),
        "sdk": SDK,
    }


def _secrets(pipeline: Pipeline) -> Iterator[dict[str, str]]:
    for step in (*pipeline.steps, *pipeline.exit):
        for secret, key, variable in asking.secrets(step):
            name = secret or asking.environment_secret(pipeline)
            yield {"step": step.id, "variable": str(variable), "secret": name, "key": str(key)}


def _params(pipeline: Pipeline, named: Tasks) -> dict[str, Any]:
    """What params.py holds: constant -> the params of a step, or of a family's steps by their ids."""
    told: dict[str, Any] = {}
    for task in named.steps:
        if task.family:
            told.setdefault(task.function, {})[task.step.id] = dict(task.step.params)
        else:
            told[task.function] = dict(task.step.params)
    if named.exit:
        told[named.exit.function] = compiled.exit_params(pipeline)
    return told


def _units(pipeline: Pipeline, named: Tasks) -> Iterator[dict[str, Any]]:
    """Yield what pipeline.py calls at a time: a step, or the steps of a family that follow each other, in one loop."""
    by_id = named.by_id
    wired = {need for task in named.steps if task.family for need in task.step.needs}
    at = 0
    while at < len(named.steps):
        first = named.steps[at]
        end = at + 1
        while first.family and end < len(named.steps) and named.steps[end].function == first.function:
            end += 1
        members = named.steps[at:end]
        at = end
        yield _loop(members, by_id) if first.family else _single(first, by_id, first.step.id in wired)


def _single(task: Task, by_id: dict[str, Task], wired: bool) -> dict[str, Any]:
    step = task.step
    return {
        **_shared(task),
        "routes": _routes([step]),
        "wired": wired,
        "arguments": {name: _source(by_id, step.inputs[port]) for port, name in task.inputs.items()},
        "after": [_task(by_id[one]) for one in sorted(set(step.after))],
        "loop": None,
    }


def _loop(members: tuple[Task, ...], by_id: dict[str, Task]) -> dict[str, Any]:
    """Wires that are the same for all stand in the call, the others in a table."""
    first = members[0]
    wires: dict[str, dict[str, list[str]]] = {}
    for task in members:
        refs = {task.inputs[port]: task.step.inputs[port] for port in task.inputs}
        wires[task.step.id] = {name: [ref.step, by_id[ref.step].outputs[ref.output]] for name, ref in refs.items()}
    alike = {name for name, wire in wires[first.step.id].items() if all(one[name] == wire for one in wires.values())}
    common = {name: _source(by_id, first.step.inputs[port]) for port, name in first.inputs.items() if name in alike}
    varying = {one: {name: wire for name, wire in told.items() if name not in alike} for one, told in wires.items()}
    waits = {task.step.id: sorted(set(task.step.after)) for task in members}
    return {
        **_shared(first),
        "routes": _routes([task.step for task in members]),
        "wired": False,
        "arguments": common,
        "after": [],
        "loop": {
            # a list, for KFP numbers the calls of a component in their order: trial, trial-2 …
            "steps": [list(one) for one in varying.items()] if len(alike) < len(first.inputs) else list(varying),
            "varies": len(alike) < len(first.inputs),
            "waits": waits if any(waits.values()) else None,
        },
    }


def _source(by_id: dict[str, Task], ref: Ref) -> dict[str, Any]:
    return {**_task(by_id[ref.step]), "output": by_id[ref.step].outputs[ref.output]}


def _task(task: Task) -> dict[str, Any]:
    """How pipeline.py names a task: a variable, or for a family an entry of `tasks`."""
    return {"variable": task.variable, "step": task.step.id}


def _shared(task: Task) -> dict[str, Any]:
    """What steps of one family have in common."""
    step = task.step
    return {
        "task": task,
        "step": step,
        "metrics": [
            argument for argument, kind in task.artifacts_out.items() if kind == "Metrics" and argument in task.outputs.values()
        ],
        "described": [argument for argument in task.outputs.values() if task.artifacts_out[argument] != "Metrics"],
        "look": compiled.look_arguments(step) if task.look else None,
        "places": [(f"{{inputs.{port}}}", argument) for port, argument in task.inputs.items()]
        + [(f"{{outputs.{port}}}", argument) for port, argument in task.outputs.items()],
        **_settings(step),
        "cached": task.cached,
    }


def _settings(step: Step) -> dict[str, Any]:
    """What pipeline.py tells KFP and Kubernetes of a task besides its arguments."""
    return {
        "retries": asking.retries(step),
        "cpu": asking.cpu(step),
        "memory": asking.memory(step),
        "accelerator": step.resources.accelerator or None,
        "environment": dict(sorted(step.environment.items())),
        "secrets": {variable: _reference(one) for variable, one in sorted(step.secrets.items())},
        "node": dict(step.resources.node),
        "spot": step.resources.spot,
        "seconds": asking.deadline(step),
    }


def _reference(one: Secret) -> str:
    return f"env:{one.name}" if one.store == "env" else f"secret:{one.name}/{one.key}"


def _exit(pipeline: Pipeline, named: Tasks) -> dict[str, Any] | None:
    if named.exit is None:
        return None
    step = compiled.at_exit(pipeline)
    return {
        "task": named.exit,
        "step": step,
        "routes": _routes(list(pipeline.exit)),
        "params": compiled.exit_params(pipeline),
        "several": len(pipeline.exit) > 1,
        "cached": False,
        **_settings(step),
    }


def _routes(steps: list[Step]) -> str:
    told = list(dict.fromkeys(route for step in steps for route in step.asked_by))
    shown = ", ".join(told[:_ROUTES]) + (f" and {len(told) - _ROUTES} more" if len(told) > _ROUTES else "")
    return shown.replace("{{", "{ {")  # KFP fills `{{…}}` in, even in a docstring


def _more(pipeline: Pipeline, named: Tasks) -> dict[str, dict[str, Any]]:
    """What run.py must know of a step: its task, the names of its artifacts, and what kfp.local does not do for it."""
    told: dict[str, dict[str, Any]] = {}
    for task in named.steps:
        told[task.step.id] = {"task": task.task, "artifacts": dict(task.outputs), **_by_hand(task.step)}
        if task.look:
            told[task.step.id]["look"] = task.look
        if task.step.op is ops.CONTAINER:
            about = {"params": dict(task.step.params), "timeout": task.step.timeout, "inputs": dict(task.inputs)}
            told[task.step.id]["container"] = about
    for step in pipeline.exit:
        assert named.exit is not None
        told[step.id] = {"task": named.exit.task, "artifacts": {}, **_by_hand(step)}
    return told


def _by_hand(step: Step) -> dict[str, Any]:
    references = {variable: [one.store, one.name, one.key] for variable, one in sorted(step.secrets.items())}
    return {"secrets": references} if references else {}


# -- the compiled pipeline in its forms

_HEADER = """\
# The pipeline as Kubeflow Pipelines runs it: the same as `python pipeline.py` compiles (a test of mlspec holds them equal).
"""
_HEADER_VERTEX = """\
# pipeline.yaml without its second document, which Vertex AI Pipelines does not read: see README.md for what that leaves out.
"""
_HEADER_KUBERNETES = """\
# The pipeline as objects of Kubernetes, for an installation of Kubeflow Pipelines that keeps them there (kubectl apply -f).
"""


def _manifest(pipeline: Pipeline, spec: compiled.Document, platform: compiled.Document, written: str) -> str:
    """Write what kfp's compiler makes with `kubernetes_manifest_format`; `written` is the spec as YAML already."""
    slug, about = render.slug(pipeline.name), description(pipeline)
    kind = {"apiVersion": "pipelines.kubeflow.org/v2beta1"}
    name = compiled.version(pipeline, spec, platform)
    head = {**kind, "kind": "Pipeline", "metadata": {"name": slug}, "spec": {"description": about, "displayName": slug}}
    told = {"description": about, "displayName": name, "pipelineName": slug}
    version = {
        **kind,
        "kind": "PipelineVersion",
        "metadata": {"name": name},
        "spec": {**told, **({"platformSpec": platform} if platform else {})},
    }
    inner = "".join(f"    {line}\n" if line else "\n" for line in written.split("\n")[:-1])
    return f"{_HEADER_KUBERNETES}{render.yaml(head)}---\n{render.yaml(version)}  pipelineSpec:\n{inner}"
