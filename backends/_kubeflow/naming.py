"""The names that steps have in KFP, what each takes and gives there, and the order in which they are called."""

from __future__ import annotations

import builtins
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mlspec import ops, render
from mlspec.ir import Artifact, Pipeline, Step

from . import asking
from .text import entrypoints, kebab

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

LOOK = "look"
"""The component of ours that says what lies behind a step which nothing of the pipeline comes before."""

_MODULE_NAMES = frozenset(dir(builtins)) | {
    *("accelerate", "base64", "bz2", "cluster", "code", "compiler", "dsl", "fill", "hashlib", "json", "key", "kfp", "made"),
    *("name", "other", "params", "pipeline", "place", "seen", "step", "steps", "tasks", "text", "waits", "wires", LOOK),
}  # fmt: skip
_BODY_NAMES = frozenset(dir(builtins)) | {
    *("argument", "artifact", "code", "content", "decided", "drawn", "ended", "facts", "failed", "file", "json", "name", "one"),
    *("os", "params", "plots", "roc", "rows", "runtime", "seen", "shown", "step", "summary", "told", "value"),
}


@dataclass(frozen=True, slots=True)
class Task:
    """A step with the names it has in KFP: function and variable in pipeline.py, task in pipeline.yaml, port -> argument.

    Steps of one family share a function. `look` is the name of the task that looks at the world for it.
    """

    step: Step
    function: str
    variable: str
    task: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    shows: Mapping[str, str]  # artifacts beyond the step's ports, for KFP's interface: argument -> type
    bindings: Mapping[str, str]  # name in params -> argument
    look: str | None = None
    cached: bool = False

    @property
    def artifacts_in(self) -> dict[str, str]:
        """Argument -> KFP type, for the inputs that are given."""
        types = {port.name: TYPES[port.artifact] for port in self.step.input_ports}
        return {argument: types[port] for port, argument in self.inputs.items()}

    @property
    def artifacts_out(self) -> dict[str, str]:
        types = {port.name: TYPES[port.artifact] for port in self.step.output_ports}
        return {argument: types[port] for port, argument in self.outputs.items()} | dict(self.shows)

    @property
    def contained(self) -> bool:
        """Whether it is a container of the user's, which takes no parameters: its command is written into the pipeline."""
        return self.step.op is ops.CONTAINER

    @property
    def coded(self) -> bool:
        """Whether it calls the user's code, and so takes a digest of it."""
        return not self.contained and any(entrypoints(self.step.params))

    @property
    def parameters(self) -> list[str]:
        """The parameters of its component, in the order in which pipeline.py declares them."""
        if self.contained:
            return []
        extra = [("code", self.coded), ("seen", self.look is not None), ("step", self.family), ("params", True)]
        return [*self.bindings.values(), *(name for name, takes in extra if takes)]

    @property
    def family(self) -> bool:
        """Whether it is one call of a function that several steps share."""
        return _is_family(self.step)


@dataclass(frozen=True, slots=True)
class Tasks:
    """All tasks of a pipeline: its steps in the order in which pipeline.py calls them, and what runs at its end."""

    steps: tuple[Task, ...]
    exit: Task | None

    @property
    def looked(self) -> list[str]:
        """The names in params that the component `look` takes besides, because a step that it looks for binds them."""
        return sorted({name for task in self.steps if task.look for name in task.step.bindings})

    @property
    def by_id(self) -> dict[str, Task]:
        return {task.step.id: task for task in self.steps}


def tasks(pipeline: Pipeline) -> Tasks:
    """Name everything. The same pipeline gives the same names."""
    ordered = list(_ordered(pipeline))
    names = _Names(pipeline)
    calls: dict[str, int] = {}
    for step in ordered:
        calls[_shared(step)] = calls.get(_shared(step), 0) + 1
    functions = {name: names.function(name, count) for name, count in calls.items()}
    looks, stale = _looks(pipeline)
    called: dict[str, int] = {}
    made: list[Task] = []
    looking = 0
    for step in ordered:
        function = functions[_shared(step)]
        nth = called[function] = called.get(function, 0) + 1
        looking += step.id in looks
        variable = "" if _is_family(step) else names.variable(f"{function}_task")
        task = _task(step, function, variable, _nth(kebab(function), nth))
        look = _nth(LOOK, looking) if step.id in looks else None
        made.append(replace(task, look=look, cached=asking.cached(step) and step.id not in stale))
    return Tasks(tuple(made), _at_exit(pipeline, names))


def _at_exit(pipeline: Pipeline, names: _Names) -> Task | None:
    """The exit step, or one task that does all of them in their order: KFP has one only."""
    if not pipeline.exit:
        return None
    function = names.function(pipeline.exit[0].id if len(pipeline.exit) == 1 else "at_exit", 1)
    return _task(pipeline.exit[0], function, names.variable(f"{function}_task"), kebab(function))


def _nth(name: str, count: int) -> str:
    """Name the nth call of a function as kfp does."""
    return name if count == 1 else f"{name}-{count}"


class _Names:
    """Gives names that nothing else has: kfp counts the calls of a function up (`trial`, `trial-2`), which takes names too."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.reserved = _MODULE_NAMES | {parameter.name for parameter in pipeline.parameters}
        self.taken: set[str] = set()
        self.tasks = {LOOK, *(f"{LOOK}-{count}" for count in range(2, len(pipeline.steps) + 1)), "exit-handler-1"}

    def function(self, wanted: str, calls: int) -> str:
        name = render.identifier(re.sub(r"[^a-z0-9_]", "_", wanted.lower()), self.reserved | self.taken)
        while self._names(name, calls) & self.tasks:
            name += "_2"
        self.tasks |= self._names(name, calls)
        self.taken.add(name)
        return name

    def variable(self, wanted: str) -> str:
        name = render.identifier(wanted, self.reserved | self.taken)
        self.taken.add(name)
        return name

    @staticmethod
    def _names(name: str, calls: int) -> set[str]:
        return {_nth(kebab(name), count) for count in range(1, calls + 1)}


def _is_family(step: Step) -> bool:
    return bool(step.family) and step.op is not ops.CONTAINER


def _shared(step: Step) -> str:
    """What a step's component is named after: its family, where it is one call of many (a container's command is no argument)."""
    return step.family if _is_family(step) else step.id


def _ordered(pipeline: Pipeline) -> Iterator[Step]:
    """Yield the steps so that what is called in one loop stands together, and each after what it needs."""
    if not any(map(_is_family, pipeline.steps)):
        yield from pipeline.steps
        return
    depth: dict[str, int] = {}
    first: dict[tuple[int, str], int] = {}
    for index, step in enumerate(pipeline.steps):
        depth[step.id] = 1 + max((depth[need] for need in step.needs), default=0)
        first.setdefault((depth[step.id], _shared(step)), index)
    yield from sorted(pipeline.steps, key=lambda step: (depth[step.id], first[depth[step.id], _shared(step)]))


def _looks(pipeline: Pipeline) -> tuple[frozenset[str], frozenset[str]]:
    """The steps of which KFP's cache must be told more than it sees, and those that it must not cache because it cannot be told.

    A look tells what a step reads, and counts how old a result may be. An age is counted once, at the first step of a chain that
    has it: what follows it runs again when it does. A container takes no parameter that could tell its age.
    """
    looks: set[str] = set()
    stale: set[str] = set()
    counted: dict[str, float] = {}
    for step in pipeline.steps:
        if not asking.cached(step):
            continue
        age = min((counted[ref.step] for ref in step.inputs.values() if ref.step in counted), default=math.inf)
        younger = step.max_age is not None and step.max_age < age
        counted[step.id] = min(age, math.inf if step.max_age is None else step.max_age)
        if younger and step.op is ops.CONTAINER:
            stale.add(step.id)
        elif younger or step.op.name in asking.READS:
            looks.add(step.id)
    return frozenset(looks), frozenset(stale)


def _task(step: Step, function: str, variable: str, task: str) -> Task:
    taken = set(_BODY_NAMES)

    def argument(wanted: str, otherwise: str) -> str:
        found = render.identifier(_plain(wanted if wanted not in taken else otherwise), taken)
        taken.add(found)
        return found

    bindings = {key: argument(parameter, parameter) for key, parameter in sorted(step.bindings.items())}
    inputs = {port.name: argument(port.name, f"{port.name}_in") for port in step.input_ports if port.name in step.inputs}
    outputs = {port.name: argument(port.name, f"{port.name}_out") for port in step.output_ports}
    return Task(step, function, variable, task, inputs, outputs, _shows(step), bindings)


def _plain(port: str) -> str:
    """Name an argument as KFP allows it: a letter first."""
    return re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9_]", "_", port.lower())) or "port"


def _shows(step: Step) -> dict[str, str]:
    if step.op.name == "evaluate" and (step.params.get("task") or {}).get("kind") == "classification":
        return {"plots": "ClassificationMetrics"}
    return {"summary": "Markdown"} if step.op.name == "decide" else {}
