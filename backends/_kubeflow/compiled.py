"""The pipeline as KFP runs it, written without kfp: the documents that its compiler makes of pipeline.py."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mlspec import ops, render
from mlspec.ir import Pipeline, Step

from . import asking
from .naming import LOOK, Task, Tasks
from .text import code, description, text

SDK = "2.17.0"  # what `requirements/kfp.txt` locks, and what pipeline.yaml says it was compiled by
EXIT = "exit-handler-1"
CHANNEL = "pipelinechannel--"

BACKOFF = {"backoffDuration": "5s", "backoffFactor": 2.0, "backoffMaxDuration": "300s"}

_COMMAND = (
    "program_path=$(mktemp -d)\n\n"
    'printf "%s" "$0" > "$program_path/ephemeral_component.py"\n'
    "_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main                         --component_module_path"
    '                         "$program_path/ephemeral_component.py"                         "$@"\n'
)
_IMPORTS = "import kfp\nfrom kfp import dsl\nfrom kfp.dsl import *\nfrom typing import *"

Document = dict[str, Any]


def image(pipeline: Pipeline) -> str:
    return pipeline.image or f"{render.slug(pipeline.name)}:latest"


def documents(pipeline: Pipeline, named: Tasks, source: str) -> tuple[Document, Document]:
    """Return the PipelineSpec (IR of KFP v2) that kfp's compiler makes of `pipeline.py`, whose text is `source`, and what
    kfp-kubernetes adds as a second document, which is empty where no step asks the cluster for anything.
    """
    writer = _Writer(pipeline, named, functions(source))
    return _sorted(writer.spec()), _sorted(writer.platform())


def functions(source: str) -> dict[str, str]:
    """Return each component's text as kfp ships it: from ``def`` to the end, without decorators."""
    lines = source.splitlines(keepends=True)
    return {
        node.name: "".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }


def version(pipeline: Pipeline, spec: Document, platform: Document) -> str:
    """Name a version of the pipeline by what it holds, so that the same pipeline is never uploaded twice."""
    told = json.dumps([spec, *([platform] if platform else [])], sort_keys=True)
    return f"{render.slug(pipeline.name, longest=50)}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


class _Writer:
    """Writes one pipeline; holds what all its tasks share."""

    def __init__(self, pipeline: Pipeline, named: Tasks, texts: Mapping[str, str]) -> None:
        self.pipeline, self.named, self.texts = pipeline, named, texts
        self.by_id = named.by_id
        self.image = image(pipeline)
        self.code = code(pipeline)
        self.environment = asking.environment_secret(pipeline)
        self.prefix = CHANNEL if named.exit else ""

    def spec(self) -> Document:
        dag = {"tasks": self._tasks()}
        components = {f"comp-{name}": one for name, one in self._components().items()}
        root: Document = {"dag": dag}
        if self.named.exit:
            inner: Document = {"dag": dag}
            if used := self._used():
                inner["inputDefinitions"] = {"parameters": {CHANNEL + name: {"parameterType": "STRING"} for name in used}}
            components[f"comp-{EXIT}"] = inner
            root = {"dag": {"tasks": self._outer(self.named.exit)}}
        if self.pipeline.parameters:
            root["inputDefinitions"] = {
                "parameters": {
                    one.name: {"defaultValue": one.default, "isOptional": True, "parameterType": "STRING"}
                    for one in self.pipeline.parameters
                }
            }
        return {
            "components": components,
            "deploymentSpec": {"executors": {f"exec-{name}": {"container": one} for name, one in self._containers().items()}},
            "pipelineInfo": self._info(),
            "root": root,
            "schemaVersion": "2.1.0",
            "sdkVersion": f"kfp-{SDK}",
        }

    def platform(self) -> Document:
        """What kfp-kubernetes writes; a task that runs at the end has the secrets of every step that it does."""
        asked = {task.task: asking.kubernetes(task.step, self.environment) for task in self.named.steps}
        if self.named.exit:
            asked[self.named.exit.task] = asking.kubernetes(at_exit(self.pipeline), self.environment)
        executors = {f"exec-{name}": one for name, one in asked.items() if one}
        return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}} if executors else {}

    def _info(self) -> Document:
        info = {"description": description(self.pipeline), "name": render.slug(self.pipeline.name)}
        return {**info, "displayName": self.pipeline.name} if self.pipeline.name else info

    def _used(self) -> list[str]:
        """The pipeline's parameters that any step takes."""
        return sorted({name for task in self.named.steps for name in task.step.bindings.values()})

    # -- tasks

    def _tasks(self) -> Document:
        told: Document = {}
        for task in self.named.steps:
            if task.look:
                told[task.look] = self._look(task)
            told[task.task] = self._task(task)
        return told

    def _outer(self, task: Task) -> Document:
        """The handler around the steps, and what runs when it has ended."""
        handler: Document = {"componentRef": {"name": f"comp-{EXIT}"}, "taskInfo": {"name": "steps"}}
        if used := self._used():
            handler["inputs"] = {"parameters": {CHANNEL + name: {"componentInputParameter": name} for name in used}}
        parameters: Document = {
            "ended": {"taskFinalStatus": {"producerTask": EXIT}},
            "params": {"runtimeValue": {"constant": text(exit_params(self.pipeline))}},
        }
        for key, argument in task.bindings.items():
            parameters[argument] = {"componentInputParameter": task.step.bindings[key]}
        last: Document = {
            "cachingOptions": {},
            "componentRef": {"name": f"comp-{task.task}"},
            "dependentTasks": [EXIT],
            "inputs": {"parameters": parameters},
            "taskInfo": {"name": task.task},
            "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
        }
        return {EXIT: handler, task.task: _with_retries(last, at_exit(self.pipeline))}

    def _task(self, task: Task) -> Document:
        step = task.step
        spec: Document = {
            "cachingOptions": {"enableCache": True} if task.cached else {},
            "componentRef": {"name": f"comp-{task.task}"},
            "taskInfo": {"name": (step.label or step.id) if task.family else task.task},
        }
        if inputs := self._inputs(task):
            spec["inputs"] = inputs
        if needs := sorted({self.by_id[need].task for need in step.needs} | ({task.look} if task.look else set())):
            spec["dependentTasks"] = needs
        return _with_retries(spec, step)

    def _inputs(self, task: Task) -> Document:
        step, told = task.step, {}
        if task.inputs:
            told["artifacts"] = {
                argument: self._produced(step.inputs[port].step, step.inputs[port].output)
                for port, argument in task.inputs.items()
            }
        if not task.contained:
            given: Document = {argument: self._bound(step, key) for key, argument in task.bindings.items()}
            constants = {"params": text(step.params)}
            constants |= {"code": self.code} if task.coded else {}
            constants |= {"step": step.id} if task.family else {}
            given |= {name: {"runtimeValue": {"constant": value}} for name, value in constants.items()}
            if task.look:
                given["seen"] = {"taskOutputParameter": {"outputParameterKey": "seen", "producerTask": task.look}}
            told["parameters"] = given
        return told

    def _bound(self, step: Step, key: str) -> Document:
        return {"componentInputParameter": self.prefix + step.bindings[key]}

    def _produced(self, step: str, output: str) -> Document:
        made = self.by_id[step]
        return {"taskOutputArtifact": {"outputArtifactKey": made.outputs[output], "producerTask": made.task}}

    def _look(self, task: Task) -> Document:
        step = task.step
        given: Document = {
            name: self._bound(step, name) if name in step.bindings else {"runtimeValue": {"constant": ""}}
            for name in self.named.looked
        }
        constants = look_arguments(step)
        given |= {name: {"runtimeValue": {"constant": value}} for name, value in constants.items()}
        told: Document = {
            "cachingOptions": {},
            "componentRef": {"name": f"comp-{task.look}"},
            "inputs": {"parameters": given},
            "taskInfo": {"name": task.look},
        }
        if after := sorted({self.by_id[need].task for need in step.after}):
            told["dependentTasks"] = after
        return told

    # -- components and executors

    def _components(self) -> Document:
        told: Document = {}
        for task in self.named.steps:
            if task.look:
                told[task.look] = _component(
                    task.look, [*self.named.looked, "op", "params", "seconds"], outputs={"parameters": {"seen": _STRING}}
                )
            told[task.task] = _component(
                task.task, task.parameters, artifacts=_types(task.artifacts_in), outputs=_artifacts(_types(task.artifacts_out))
            )
        if last := self.named.exit:
            told[last.task] = _component(last.task, [*last.bindings.values(), "params"])
            told[last.task]["inputDefinitions"]["parameters"]["ended"] = {
                "isOptional": True,
                "parameterType": "TASK_FINAL_STATUS",
            }
        return told

    def _containers(self) -> Document:
        told: Document = {}
        for task in self.named.steps:
            if task.look:
                told[task.look] = self._python(LOOK)
            told[task.task] = self._container(task)
        if last := self.named.exit:
            told[last.task] = self._python(last.function, at_exit(self.pipeline))
        return told

    def _container(self, task: Task) -> Document:
        if not task.contained:
            return self._python(task.function, task.step)
        places = placeholders(task)
        command = [fill(word, places) for word in task.step.params["command"]]
        return {"command": command, "image": task.step.params["image"], **_asked(task.step)}

    def _python(self, function: str, step: Step | None = None) -> Document:
        return {
            "args": ["--executor_input", "{{$}}", "--function_to_execute", function],
            "command": ["sh", "-ec", _COMMAND, f"\n{_IMPORTS}\n\n{self.texts[function]}\n"],
            "image": self.image,
            **(_asked(step) if step else {}),
        }


_STRING = {"parameterType": "STRING"}


def _component(task: str, parameters: list[str], artifacts: Document | None = None, outputs: Document | None = None) -> Document:
    told: Document = {"executorLabel": f"exec-{task}"}
    inputs: Document = {}
    if parameters:
        inputs["parameters"] = {name: dict(_STRING) for name in parameters}
    if artifacts:
        inputs["artifacts"] = artifacts
    if inputs:
        told["inputDefinitions"] = inputs
    if outputs:
        told["outputDefinitions"] = outputs
    return told


def _types(artifacts: Mapping[str, str]) -> Document:
    return {
        name: {"artifactType": {"schemaTitle": f"system.{kind}", "schemaVersion": "0.0.1"}} for name, kind in artifacts.items()
    }


def _artifacts(types: Document) -> Document:
    return {"artifacts": types} if types else {}


def _asked(step: Step) -> Document:
    """What a step asks of its machine, and its plain variables."""
    told: Document = {}
    if resources := asking.resources(step):
        told["resources"] = resources
    if step.environment:
        # A text that is empty is what protocol buffers leave out.
        told["env"] = [{"name": name, **({"value": value} if value else {})} for name, value in sorted(step.environment.items())]
    return told


def _with_retries(spec: Document, step: Step) -> Document:
    count = asking.retries(step)
    return {**spec, "retryPolicy": {**BACKOFF, "maxRetryCount": count}} if count else spec


def look_arguments(step: Step) -> dict[str, str]:
    """The arguments of the task that looks at the world for a step, besides what the step binds."""
    return {"op": step.op.name, "params": text(step.params), "seconds": f"{step.max_age or 0:g}"}


def placeholders(task: Task) -> dict[str, str]:
    """Return what stands for each path in a container's command, in KFP's own words."""
    told = {f"{{inputs.{port}}}": f"{{{{$.inputs.artifacts['{name}'].path}}}}" for port, name in task.inputs.items()}
    return told | {f"{{outputs.{port}}}": f"{{{{$.outputs.artifacts['{name}'].path}}}}" for port, name in task.outputs.items()}


def fill(word: str, places: Mapping[str, str]) -> str:
    """Put paths into a word of a command; the emitted `fill` does the same."""
    for name, place in places.items():
        word = word.replace(name, place)
    return word


def at_exit(pipeline: Pipeline) -> Step:
    """Return a step that asks for all that the exit steps ask for: one task does all of them."""
    first, *others = pipeline.exit
    if not others:
        return first
    environment = {name: value for step in pipeline.exit for name, value in step.environment.items()}
    secrets = {name: value for step in pipeline.exit for name, value in step.secrets.items()}
    retries = max(step.retries for step in pipeline.exit)
    return Step(
        id="at_exit", op=ops.NOTIFY, stage=first.stage, routes=tuple(route for step in pipeline.exit for route in step.routes),
        retries=retries, resources=first.resources, environment=environment, secrets=secrets,
    )  # fmt: skip


def exit_params(pipeline: Pipeline) -> Any:
    """The params of the exit task: those of its one step, or of each step with its id, op and time limit."""
    if len(pipeline.exit) == 1:
        return dict(pipeline.exit[0].params)
    return {
        "steps": [
            {"op": step.op.name, "params": dict(step.params), "step": step.id, "timeout": step.timeout} for step in pipeline.exit
        ]
    }


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(item) for key, item in sorted(value.items())}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
