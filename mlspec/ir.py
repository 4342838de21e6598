"""The neutral pipeline: steps with typed ports, edges derived from references, laws checked on construction."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any

from mlspec.diagnostic import Route, dotted

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")


class Artifact(StrEnum):
    """What a file (or, for PACKAGE, a directory) between steps holds."""

    TABLE = "table"  # Parquet
    REPORT = "report"  # JSON
    METRICS = "metrics"  # JSON in the layout of `mlspec.runtime.evaluate`
    TRANSFORMER = "transformer"  # joblib: a fitted scikit-learn transformer of raw rows
    MODEL = "model"  # joblib: a fitted scikit-learn pipeline that takes raw rows
    HTML = "html"  # one self-contained page
    PACKAGE = "package"  # a directory: model, schema, environment, spec
    FILE = "file"  # whatever a user's own step writes


class Stage(StrEnum):
    """The guide's phase of the lifecycle that a step belongs to."""

    DATA = "data"
    MODELING = "modeling"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True)
class Port:
    """A named input or output of an op and what it carries."""

    name: str
    artifact: Artifact
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Op:
    """An instruction. An op that is `open` takes the ports its step declares."""

    name: str
    summary: str
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    open: bool = False


@dataclass(frozen=True, slots=True)
class Ref:
    """An output of a step, used as an input of another."""

    step: str
    output: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that is chosen when a run starts; a step uses it by name in `Step.bindings`."""

    name: str
    default: str
    summary: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the pipeline starts by itself: five-field cron in a time zone."""

    cron: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Resources:
    """What a step asks of a machine: cores, bytes, accelerators. None leaves it to the backend.

    `spot` allows a machine that may be taken away; `node` are labels (name, value) that the machine must have.
    """

    cpu: float | None = None
    memory: int | None = None
    accelerator: str | None = None
    accelerators: int = 1  # how many, where `accelerator` names a kind
    spot: bool = False
    node: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret by reference: a key of a stored secret, or (`store` is "env", `key` is empty) a variable of the environment."""

    store: str
    name: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Distribution:
    """What runs the steps side by side, where the orchestrator itself does not: dask, ray, threads or processes."""

    engine: str
    workers: int
    address: Secret | str | None = None  # of a cluster that is there already; without it one is started for the run


@dataclass(frozen=True, slots=True)
class Trigger:
    """An event (`mlspec.data_drift` …) that starts a run by itself, at most once in `cooldown` seconds; a person's yes first?"""

    event: str
    cooldown: float
    approve: bool
    route: Route


@dataclass(frozen=True, slots=True)
class Place:
    """Where a route stands in the spec: the file as the spec names it, and the line from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One use of an op: where its inputs come from, its parameters, and the spec routes that asked for it.

    `params` is plain JSON. `bindings` maps a name in `params` to the pipeline parameter that sets it when a run starts.
    `timeout` and `max_age` (of a result that is used again) are in seconds. `after` orders without passing anything.
    `environment` and `secrets` are variables that the step's process has; a secret's value is in no param, file or key.
    Steps of one `family` were made from one part of the spec (trials, folds, machines): they differ in id, label, params and the
    producers of their inputs only, so that a backend may write them as one function that is called many times.
    """

    id: str
    op: Op
    stage: Stage
    routes: tuple[Route, ...]
    inputs: Mapping[str, Ref] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    bindings: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    retries: int = 0
    timeout: float | None = None
    max_age: float | None = None
    resources: Resources = Resources()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    family: str = ""
    label: str = ""  # what tells the step from others of its family, for people
    takes: tuple[Port, ...] = ()  # the inputs of a step whose op is open
    gives: tuple[Port, ...] = ()  # the outputs of a step whose op is open

    @property
    def input_ports(self) -> tuple[Port, ...]:
        return self.takes if self.op.open else self.op.inputs

    @property
    def output_ports(self) -> tuple[Port, ...]:
        return self.gives if self.op.open else self.op.outputs

    @property
    def needs(self) -> tuple[str, ...]:
        """The ids of the steps that must finish first, sorted."""
        return tuple(sorted({ref.step for ref in self.inputs.values()} | set(self.after)))

    @property
    def summary(self) -> str:
        """What the step does, in a sentence."""
        return f"{self.op.summary.rstrip('.')}, {self.params.get('entrypoint', self.id)}." if self.op.open else self.op.summary

    @property
    def asked_by(self) -> list[str]:
        """The spec's routes that asked for the step, as people write them."""
        return [dotted(route) or "spec" for route in self.routes]

    def output(self, name: str) -> Port:
        return next(port for port in self.output_ports if port.name == name)


class LawBroken(ValueError):
    """A pipeline that no backend could run: a bug in the lowering, or a user's step that refers to nothing."""

    def __init__(self, message: str, routes: tuple[Route, ...] = ()) -> None:
        super().__init__(message)
        self.routes = routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Steps in an order in which they can run, with everything a backend needs to write them down.

    `code` holds the user's own modules, path relative to the spec -> text. `about` holds the project's words (problem, owner…).
    `exit` are steps that run when all others have ended, however they have; they take no input, and `{"state": "succeeded" or
    "failed", "failed": [ids of steps]}` is added to their params. A run whose exit step fails has failed only if it had already.
    `places` says where a route of `Step.routes` stands. `image` is the container image of the steps, where the spec names one.
    """

    name: str
    description: str
    steps: tuple[Step, ...]
    parameters: tuple[Parameter, ...] = ()
    schedule: Schedule | None = None
    code: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    exit: tuple[Step, ...] = ()
    places: Mapping[Route, Place] = field(default_factory=dict)
    image: str | None = None
    distribution: Distribution | None = None
    triggers: tuple[Trigger, ...] = ()
    _by_id: Mapping[str, Step] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for message, routes in broken_laws(self):
            raise LawBroken(message, routes)
        by_id = {step.id: step for step in self.steps}
        place = {step.id: index for index, step in enumerate(self.steps)}
        order: list[str] = []
        sorter = TopologicalSorter({step.id: step.needs for step in self.steps})
        sorter.prepare()
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=place.__getitem__)
            order += ready
            sorter.done(*ready)
        object.__setattr__(self, "steps", tuple(by_id[one] for one in order))
        object.__setattr__(self, "_by_id", by_id)

    def __getitem__(self, step_id: str) -> Step:
        return self._by_id[step_id]

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """(producer, consumer) pairs, without doubles, in the order of the steps."""
        return tuple((need, step.id) for step in self.steps for need in step.needs)


def broken_laws(pipeline: Pipeline) -> Iterator[tuple[str, tuple[Route, ...]]]:
    """Yield each law that a pipeline breaks, with the routes of the step that breaks it."""
    by_id = {step.id: step for step in pipeline.steps}
    if len(by_id | {step.id: step for step in pipeline.exit}) != len(pipeline.steps) + len(pipeline.exit):
        yield "two steps share an id", ()
    parameters = {parameter.name for parameter in pipeline.parameters}
    for step in (*pipeline.steps, *pipeline.exit):
        yield from _step_laws(step, parameters)
        yield from _wiring_laws(step, by_id)
    for step in pipeline.exit:
        if step.needs or step.output_ports:
            yield f"step {step.id} runs at the exit: it can neither take nor give anything", step.routes
    yield from _family_laws(pipeline)
    try:
        TopologicalSorter({step.id: step.needs for step in pipeline.steps}).prepare()
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
        yield f"steps wait for each other: {' -> '.join(cycle)}", by_id[cycle[0]].routes if cycle[0] in by_id else ()


def _family_laws(pipeline: Pipeline) -> Iterator[tuple[str, tuple[Route, ...]]]:
    """Steps of a family are equal in everything that a function's text would hold."""
    first: dict[str, Step] = {}
    for step in pipeline.steps:
        if step.family and _shape(first.setdefault(step.family, step)) != _shape(step):
            yield f"steps {first[step.family].id} and {step.id} are one family and not of one shape", step.routes
    for step in (*pipeline.steps, *pipeline.exit):
        if step.id in first and step.family != step.id:
            yield f"step {step.id} has the name of a family of steps", step.routes


def _shape(step: Step) -> tuple[Any, ...]:
    given = tuple(port for port in step.input_ports if port.name in step.inputs)
    same = (step.op.name, step.stage, given, step.output_ports, dict(step.bindings), step.retries, step.timeout, step.max_age)
    return (*same, step.resources, dict(step.environment), dict(step.secrets), bool(step.after))


def _step_laws(step: Step, parameters: Collection[str]) -> Iterator[tuple[str, tuple[Route, ...]]]:
    if not IDENTIFIER.fullmatch(step.id):
        yield f"step id {step.id!r} is not a lower-case identifier", step.routes
    if not step.routes:
        yield f"step {step.id} does not say which part of the spec asked for it", ()
    for parameter in sorted(set(step.bindings.values()) - set(parameters)):
        yield f"step {step.id} uses the parameter {parameter!r}, which is not declared", step.routes
    try:
        json.dumps(dict(step.params), allow_nan=False)
    except (TypeError, ValueError) as error:
        yield f"the params of step {step.id} are not plain finite JSON: {error}", step.routes


def _wiring_laws(step: Step, by_id: Mapping[str, Step]) -> Iterator[tuple[str, tuple[Route, ...]]]:
    for name in sorted(step.inputs.keys() - {port.name for port in step.input_ports}):
        yield f"step {step.id} has no input {name!r}", step.routes
    for port in step.input_ports:
        if port.name in step.inputs:
            yield from _bad_reference(step, port, by_id)
        elif not port.optional:
            yield f"step {step.id} lacks its input {port.name!r}", step.routes
    for need in step.after:
        if need not in by_id:
            yield f"step {step.id} comes after {need!r}, which does not exist", step.routes


def _bad_reference(step: Step, port: Port, by_id: Mapping[str, Step]) -> Iterator[tuple[str, tuple[Route, ...]]]:
    ref = step.inputs[port.name]
    producer = by_id.get(ref.step)
    if producer is None:
        yield f"step {step.id} takes {port.name!r} from {ref.step!r}, which does not exist", step.routes
        return
    outputs = {out.name: out for out in producer.output_ports}
    if ref.output not in outputs:
        yield f"step {ref.step} has no output {ref.output!r}; it gives {', '.join(outputs) or 'nothing'}", step.routes
    elif port.artifact not in (outputs[ref.output].artifact, Artifact.FILE):
        given = outputs[ref.output].artifact
        yield f"step {step.id} wants a {port.artifact} as {port.name!r}; {ref.step}.{ref.output} is a {given}", step.routes
