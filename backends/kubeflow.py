"""Kubeflow Pipelines: typed components, the pipeline that wires them, and its compiled form, written without kfp."""

from __future__ import annotations

import ast
import builtins
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlspec import render
from mlspec.bundle import Bundle, lock
from mlspec.diagnostic import Finding, Severity, dotted
from mlspec.ir import Artifact, Pipeline, Step

NAME = "kfp"
TITLE = "Kubeflow Pipelines"
REQUIRES = ("kfp",)
REALISES = {
    "steps": "one lightweight component (`@dsl.component`) a step, with typed `Input[…]` and `Output[…]`; its body calls "
    "`mlspec.runtime`. The image is yours: `PIPELINE_IMAGE` when you compile",
    "parameters": "parameters of the pipeline (`STRING`). A step's own params are literals in `params.py`; they travel as JSON "
    "text, because KFP turns integers inside lists and dicts into floats",
    "artifacts": "`Dataset`, `Model`, `Metrics`, `HTML` and plain `Artifact`; a step's facts are the artifact's metadata",
    "metrics": "scalar metrics with `log_metric`; for a classifier a `ClassificationMetrics` with ROC curve and confusion "
    "matrix; the verdicts as `Markdown`; the report as `HTML`",
    "gate": "a task that fails. What takes its output does not start, the report does, and the run has failed. A `dsl.If` on NaN "
    "would run neither branch and succeed",
    "retries": "`set_retry`, 5 s, doubling, at most 300 s; never for a gate",
    "timeout": "mlspec's runtime: the work runs in a child process that is killed when the time is up; then retries apply",
    "caching": "KFP's own cache. It knows an artifact by its address, not its bytes; so `ingest`, `register` and your own steps "
    "are never cached, and what follows a step that ran again runs again",
    "resources": "`set_cpu_*`, `set_memory_*` (request and limit are the same), `set_accelerator_type` and "
    "`set_accelerator_limit(1)`",
    "schedule": "the README's `kfp recurring-run create` with the cron expression in KFP's six fields (seconds first), in UTC",
    "user_code": "`src/`, copied into the image and put on `PYTHONPATH`; steps of your own are components like the others",
    "local_run": "`run.py`: `pipeline.yaml` on `kfp.local`, one process a task, no container and no cluster. Branches run one "
    "after the other",
    "verified": "`kfp.local` 2.17 runs the gallery, failing gates, retries and time limits; `pipeline.yaml` is compared with "
    "what kfp's compiler makes of `pipeline.py`, and its references are checked. No cluster was there: the image, the cache, "
    "the schedule and limits of cpu and memory were never run",
}
"""How each notion of a pipeline is realised (`mlspec.backend.NOTIONS`)."""

SDK = "2.17.0"  # what `requirements/kfp.txt` locks, and what pipeline.yaml says it was compiled by

TYPES = {
    Artifact.TABLE: "Dataset",
    Artifact.REPORT: "Artifact",
    Artifact.METRICS: "Metrics",
    Artifact.TRANSFORMER: "Artifact",
    Artifact.MODEL: "Model",
    Artifact.HTML: "HTML",
    Artifact.PACKAGE: "Model",
    Artifact.FILE: "Artifact",
}
"""What an artifact is in KFP's own types, which decide how its interface shows it."""

NEVER_CACHED = ("ingest", "register", "python")
"""Ops that read or change something outside their inputs: KFP would answer them from its cache, which sees inputs only."""

UTC = frozenset({"UTC", "Etc/UTC", "Etc/Zulu", "Zulu", "GMT", "Etc/GMT"})

_MODULE_NAMES = frozenset(dir(builtins)) | {"compiler", "dsl", "json", "kfp", "os", "params", "pipeline", "text"}
_BODY_NAMES = frozenset(dir(builtins)) | {
    *(
        "artifact",
        "decided",
        "drawn",
        "facts",
        "file",
        "json",
        "name",
        "one",
        "params",
        "roc",
        "rows",
        "runtime",
        "shown",
        "value",
    ),
    *("plots", "summary"),
}
_FIXED = ("run.py", "Dockerfile", ".dockerignore", "wheels/README.md")
_COMMAND = (
    "program_path=$(mktemp -d)\n\n"
    'printf "%s" "$0" > "$program_path/ephemeral_component.py"\n'
    "_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main                         --component_module_path"
    '                         "$program_path/ephemeral_component.py"                         "$@"\n'
)


@dataclass(frozen=True, slots=True)
class Task:
    """A step with the names it has in KFP: function and variable in pipeline.py, task in pipeline.yaml, port -> argument."""

    step: Step
    function: str
    variable: str
    task: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    shows: Mapping[str, str]  # artifacts beyond the step's ports, for KFP's interface: argument -> type
    bindings: Mapping[str, str]  # name in params -> argument

    @property
    def artifacts_in(self) -> dict[str, str]:
        """Argument -> KFP type, for the inputs that are given."""
        types = {port.name: TYPES[port.artifact] for port in self.step.input_ports}
        return {argument: types[port] for port, argument in self.inputs.items()}

    @property
    def artifacts_out(self) -> dict[str, str]:
        types = {port.name: TYPES[port.artifact] for port in self.step.output_ports}
        return {argument: types[port] for port, argument in self.outputs.items()} | dict(self.shows)


def emit(pipeline: Pipeline) -> Bundle:
    """Write the project: `pipeline.py`, its `params.py`, the `pipeline.yaml` they compile to, `run.py`, image, README, code."""
    tasks = _tasks(pipeline)
    context = _context(pipeline, tasks)
    source = render.render("kubeflow/pipeline.py.j2", **context)
    bundle = Bundle()
    bundle.add("pipeline.py", source)
    bundle.add("params.py", render.render("kubeflow/params.py.j2", **context))
    bundle.add("pipeline.yaml", _HEADER + render.yaml(_sorted(compiled(pipeline, tasks, source))))
    bundle.add("trace.json", render.json(_trace(pipeline, tasks)))
    bundle.add("README.md", render.render("kubeflow/README.md.j2", **context))
    for path in _FIXED:
        bundle.add(path, render.render(f"kubeflow/{path}.j2"))
    bundle.add("requirements.txt", lock("kfp"))
    bundle.add("src/.keep", "")
    for path, text in sorted(pipeline.code.items()):
        bundle.add(f"src/{path}", text)
    return bundle


def lacks(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what Kubeflow Pipelines cannot honour: a schedule in a time zone of its own."""
    if pipeline.schedule and pipeline.schedule.timezone not in UTC:
        yield Finding(
            "schedule-time-zone",
            f"a recurring run of Kubeflow Pipelines keeps UTC, not {pipeline.schedule.timezone}",
            ("pipeline", "timezone"),
            Severity.WARNING,
            help="write it in UTC, or set CRON_SCHEDULE_TIMEZONE of ml-pipeline-scheduledworkflow for the whole installation",
        )


def cron(expression: str) -> str:
    """Return a five-field cron expression as KFP reads it: six fields, seconds first, Sunday only as 0."""
    fields = expression.split()
    if len(fields) == 5:
        fields[4] = ",".join(_weekdays(part) for part in fields[4].split(","))
    return " ".join(["0", *fields])


def _weekdays(part: str) -> str:
    span = re.fullmatch(r"([0-7])(?:-([0-7]))?(?:/([1-9]\d*))?", part)
    if not span or "7" not in (span[1], span[2]):
        return part
    first, last, step = int(span[1]), int(span[2] or span[1]), int(span[3] or 1)
    return ",".join(str(day % 7) for day in range(first, last + 1, step))


# -- names


def _tasks(pipeline: Pipeline) -> tuple[Task, ...]:
    parameters = {parameter.name for parameter in pipeline.parameters}
    functions: dict[str, str] = {}
    for step in pipeline.steps:
        name = render.identifier(step.id, _MODULE_NAMES | parameters)
        while _kebab(name) in map(_kebab, functions.values()):
            name += "_2"
        functions[step.id] = name
    taken = {*_MODULE_NAMES, *parameters, *functions.values()}
    tasks = []
    for step in pipeline.steps:
        variable = render.identifier(f"{functions[step.id]}_task", taken)
        taken.add(variable)
        tasks.append(_task(step, functions[step.id], variable))
    return tuple(tasks)


def _task(step: Step, function: str, variable: str) -> Task:
    taken = set(_BODY_NAMES)

    def argument(wanted: str, otherwise: str) -> str:
        found = render.identifier(_plain(wanted if wanted not in taken else otherwise), taken)
        taken.add(found)
        return found

    bindings = {key: argument(parameter, parameter) for key, parameter in sorted(step.bindings.items())}
    inputs = {port.name: argument(port.name, f"{port.name}_in") for port in step.input_ports if port.name in step.inputs}
    outputs = {port.name: argument(port.name, f"{port.name}_out") for port in step.output_ports}
    return Task(step, function, variable, _kebab(function), inputs, outputs, _shows(step), bindings)


def _plain(port: str) -> str:
    """Name an argument as KFP allows it: a letter first."""
    return re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9_]", "_", port.lower())) or "port"


def _shows(step: Step) -> dict[str, str]:
    if step.op.name == "evaluate" and (step.params.get("task") or {}).get("kind") == "classification":
        return {"plots": "ClassificationMetrics"}
    return {"summary": "Markdown"} if step.op.name == "decide" else {}


def _kebab(name: str) -> str:
    """Name a task as kfp's compiler does (`kfp.dsl.utils.maybe_rename_for_k8s`)."""
    return re.sub("-+", "-", re.sub("[^-0-9a-z]+", "-", name)).strip("-")


# -- what the templates need


def _context(pipeline: Pipeline, tasks: tuple[Task, ...]) -> dict[str, Any]:
    by_id = {task.step.id: task for task in tasks}
    types = {kind for task in tasks for kind in (*task.artifacts_in.values(), *task.artifacts_out.values())}
    types |= {"Input"} if any(task.inputs for task in tasks) else set()
    types |= {"Output"} if any(task.artifacts_out for task in tasks) else set()
    return {
        "pipeline": pipeline,
        "slug": render.slug(pipeline.name),
        "image": _image(pipeline),
        "description": _description(pipeline),
        "types": sorted(types, key=lambda name: (not name.isupper(), name)),
        "tasks": [_task_context(task, by_id, pipeline) for task in tasks],
        "cron": cron(pipeline.schedule.cron) if pipeline.schedule else None,
        "lacks": list(lacks(pipeline)),
        "sdk": SDK,
    }


def _task_context(task: Task, by_id: Mapping[str, Task], pipeline: Pipeline) -> dict[str, Any]:
    step = task.step
    sources = {
        task.inputs[port]: (
            by_id[step.inputs[port].step].variable,
            by_id[step.inputs[port].step].outputs[step.inputs[port].output],
        )
        for port in task.inputs
    }
    after = [by_id[one].variable for one in sorted(set(step.after))]
    settings = {
        "retries": _retries(step),
        "cached": _cached(step),
        "cpu": _cpu(step),
        "memory": _memory(step),
        "accelerator": step.resources.accelerator or None,
        "after": after,
    }
    plain: dict[str, Any] = {"retries": 0, "cached": True, "cpu": None, "memory": None, "accelerator": None, "after": []}
    used = any(step.id in (ref.step for ref in other.inputs.values()) or step.id in other.after for other in pipeline.steps)
    return {
        "task": task,
        "step": step,
        "routes": ", ".join(dotted(route) for route in step.routes).replace(
            "{{", "{ {"
        ),  # KFP fills `{{…}}` in, even in a docstring
        "arguments": {argument: sources[argument] for argument in sources},
        "named": used or settings != plain,
        "metrics": [
            argument for argument, kind in task.artifacts_out.items() if kind == "Metrics" and argument in task.outputs.values()
        ],
        "described": [argument for port, argument in task.outputs.items() if task.artifacts_out[argument] != "Metrics"],
        **settings,
    }


def _description(pipeline: Pipeline) -> str:
    # Without one, kfp would take the function's docstring. It repeats the text in a YAML comment, where control characters and
    # other ends of lines than "\n" would break the file that it compiles.
    return "\n".join(map(render.visible, (pipeline.description or pipeline.name).splitlines())) or "A pipeline written by mlspec."


def _image(pipeline: Pipeline) -> str:
    return f"{render.slug(pipeline.name)}:latest"


def _cached(step: Step) -> bool:
    return step.op.name not in NEVER_CACHED


def _retries(step: Step) -> int:
    """A verdict stays what it is, and KFP cannot tell it from a fault that may pass."""
    return 0 if step.op.name == "gate" else step.retries


def _cpu(step: Step) -> str | None:
    return None if step.resources.cpu is None else f"{step.resources.cpu:.3f}".rstrip("0").rstrip(".")


def _memory(step: Step) -> str | None:
    if step.resources.memory is None:
        return None
    for unit, size in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if step.resources.memory % size == 0:
            return f"{step.resources.memory // size}{unit}"
    return str(step.resources.memory)


def _trace(pipeline: Pipeline, tasks: tuple[Task, ...]) -> dict[str, Any]:
    """Say which part of the spec each task comes from; `run.py` also finds states and files by it."""
    steps = {
        task.step.id: {
            "op": task.step.op.name,
            "stage": task.step.stage.value,
            "routes": [dotted(route) for route in task.step.routes],
            "needs": list(task.step.needs),
            "task": task.task,
            "outputs": dict(task.outputs),
        }
        for task in tasks
    }
    return {
        "backend": NAME,
        "order": [task.step.id for task in tasks],
        "parameters": [one.name for one in pipeline.parameters],
        "steps": steps,
    }


# -- the compiled pipeline

_HEADER = """\
# The pipeline as Kubeflow Pipelines runs it: the same as `python pipeline.py` compiles (a test of mlspec holds them equal).
"""


def text(params: Mapping[str, Any]) -> str:
    """Write params as the text that a task takes. The emitted `text` is this function: see there why."""
    return json.dumps(params, sort_keys=True).replace("{{", "{\\u007b")


def compiled(pipeline: Pipeline, tasks: tuple[Task, ...], source: str) -> dict[str, Any]:
    """Return the PipelineSpec (IR of KFP v2) that kfp's compiler makes of `pipeline.py`, whose text is `source`."""
    functions = _functions(source)
    by_id = {task.step.id: task for task in tasks}
    root: dict[str, Any] = {"dag": {"tasks": {task.task: _task_spec(task, by_id) for task in tasks}}}
    if pipeline.parameters:
        root["inputDefinitions"] = {
            "parameters": {
                one.name: {"defaultValue": one.default, "isOptional": True, "parameterType": "STRING"}
                for one in pipeline.parameters
            }
        }
    return {
        "components": {f"comp-{task.task}": _component_spec(task) for task in tasks},
        "deploymentSpec": {
            "executors": {
                f"exec-{task.task}": {"container": _container(task, functions[task.function], _image(pipeline))} for task in tasks
            }
        },
        "pipelineInfo": _info(pipeline),
        "root": root,
        "schemaVersion": "2.1.0",
        "sdkVersion": f"kfp-{SDK}",
    }


def _info(pipeline: Pipeline) -> dict[str, str]:
    info = {"description": _description(pipeline), "name": render.slug(pipeline.name)}
    return {**info, "displayName": pipeline.name} if pipeline.name else info


def _functions(source: str) -> dict[str, str]:
    """Return each component's text as kfp ships it: from ``def`` to the end, without decorators."""
    lines = source.splitlines(keepends=True)
    return {
        node.name: "".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }


def _component_spec(task: Task) -> dict[str, Any]:
    parameters = {name: {"parameterType": "STRING"} for name in (*task.bindings.values(), "params")}
    spec: dict[str, Any] = {"executorLabel": f"exec-{task.task}", "inputDefinitions": {"parameters": parameters}}
    if task.artifacts_in:
        spec["inputDefinitions"]["artifacts"] = {name: _type(kind) for name, kind in task.artifacts_in.items()}
    if task.artifacts_out:
        spec["outputDefinitions"] = {"artifacts": {name: _type(kind) for name, kind in task.artifacts_out.items()}}
    return spec


def _type(kind: str) -> dict[str, Any]:
    return {"artifactType": {"schemaTitle": f"system.{kind}", "schemaVersion": "0.0.1"}}


def _container(task: Task, function: str, image: str) -> dict[str, Any]:
    imports = "import kfp\nfrom kfp import dsl\nfrom kfp.dsl import *\nfrom typing import *"
    container: dict[str, Any] = {
        "args": ["--executor_input", "{{$}}", "--function_to_execute", task.function],
        "command": ["sh", "-ec", _COMMAND, f"\n{imports}\n\n{function}\n"],
        "image": image,
    }
    return {**container, "resources": resources} if (resources := _resources(task.step)) else container


def _resources(step: Step) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    cpu, memory, accelerator = _cpu(step), _memory(step), step.resources.accelerator
    for bound in ("Limit", "Request"):
        if cpu is not None:
            asked |= {f"cpu{bound}": float(cpu), f"resourceCpu{bound}": cpu}
        if memory is not None and step.resources.memory is not None:
            asked |= {f"memory{bound}": step.resources.memory / 1e9, f"resourceMemory{bound}": memory}
    if accelerator:
        asked["accelerator"] = {"count": "1", "resourceCount": "1", "resourceType": accelerator, "type": accelerator}
    return asked


def _task_spec(task: Task, by_id: Mapping[str, Task]) -> dict[str, Any]:
    step = task.step
    inputs: dict[str, Any] = {
        "parameters": {
            **{argument: {"componentInputParameter": step.bindings[key]} for key, argument in task.bindings.items()},
            "params": {"runtimeValue": {"constant": text(step.params)}},
        }
    }
    if task.inputs:
        inputs["artifacts"] = {
            argument: _produced(step.inputs[port].step, step.inputs[port].output, by_id) for port, argument in task.inputs.items()
        }
    spec: dict[str, Any] = {
        "cachingOptions": {"enableCache": True} if _cached(step) else {},
        "componentRef": {"name": f"comp-{task.task}"},
        "inputs": inputs,
        "taskInfo": {"name": task.task},
    }
    if step.needs:
        spec["dependentTasks"] = sorted(by_id[need].task for need in step.needs)
    if _retries(step):
        spec["retryPolicy"] = {
            "backoffDuration": "5s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": "300s",
            "maxRetryCount": _retries(step),
        }
    return spec


def _produced(step: str, output: str, by_id: Mapping[str, Task]) -> dict[str, Any]:
    return {"taskOutputArtifact": {"outputArtifactKey": by_id[step].outputs[output], "producerTask": by_id[step].task}}


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(item) for key, item in sorted(value.items())}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
