"""The Python names of a flow, of its tasks and of their constants: each one different, none of them taken."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass

from mlspec import render
from mlspec.diagnostic import Finding, Problem
from mlspec.ir import Pipeline, Secret, Step

WORKSPACE = ("workspace", "workspace", "Directory of the steps' files and of what is cached.")
"""The parameter that every flow has besides those of the pipeline."""

_USED_IN_FLOW = frozenset(
    (
        "approval",
        "ask_first",
        "crash",
        "ending",
        "field",
        "flow",
        "get_run_logger",
        "made",
        "news",
        "os",
        "output",
        "params",
        "path",
        "perform",
        "row",
        "run",
        "runs",
        "show",
        "step",
        "sys",
        "task",
        "timedelta",
        "variables",
        "wiring",
        "worth_another_try",
    )
) | {*dir(builtins)}


@dataclass(frozen=True, slots=True)
class Group:
    """The steps that one task runs: one step, or those of a family that take the same outputs."""

    name: str
    steps: tuple[Step, ...]
    many: bool  # a family: the task is called for each of its steps, with the step's id
    exit: bool
    function: str
    constant: str

    @property
    def first(self) -> Step:
        return self.steps[0]


class Names:
    """The names of the project's package, flow, tasks, constants and blocks."""

    def __init__(self, pipeline: Pipeline) -> None:
        label = render.slug(pipeline.name, longest=30).replace("-", "_")
        taken = {path.split("/")[0].removesuffix(".py") for path in pipeline.code}
        self.slug = render.slug(pipeline.name)
        self.package = render.identifier(f"{label}_flow", taken)
        self.flow = self.package
        self.groups = tuple(_groups(pipeline, {*_USED_IN_FLOW, self.flow, *(row[0] for row in parameter_rows(pipeline))}))
        self.group_of = {step.id: group for group in self.groups for step in group.steps}
        self.blocks = _blocks(pipeline)


def parameter_rows(pipeline: Pipeline) -> list[tuple[str, str, str]]:
    """Return name, default and summary of each parameter of the flow; raise Problem where one of ours is taken."""
    rows = [(one.name, one.default, one.summary) for one in pipeline.parameters]
    for name, _, _ in rows:
        if name in (WORKSPACE[0], "ask_first"):
            message = f"a parameter cannot be called {name!r}: Prefect projects have one of that name"
            raise Problem(Finding("parameter-taken", message))
    return [*rows, WORKSPACE]


def take(wanted: str, used: set[str]) -> str:
    """Return a name like `wanted` that is not among `used`, and add it."""
    name = render.identifier(wanted, used)
    used.add(name)
    return name


def secrets_of(pipeline: Pipeline) -> list[Secret]:
    """Return each secret that a step or the cluster refers to, once."""
    found = [secret for step in (*pipeline.steps, *pipeline.exit) for _, secret in sorted(step.secrets.items())]
    address = pipeline.distribution.address if pipeline.distribution else None
    return list(dict.fromkeys([*found, *([address] if isinstance(address, Secret) else [])]))


def _groups(pipeline: Pipeline, used: set[str]) -> Iterator[Group]:
    constants: set[str] = set()
    members: dict[tuple[object, ...], list[Step]] = {}
    for step in pipeline.steps:
        members.setdefault(_alike(step), []).append(step)
    for key, steps in members.items():
        many = key[0] == "family"
        wanted = steps[0].family if many else steps[0].id
        yield Group(wanted, tuple(steps), many, False, take(wanted, used), _free(wanted, constants, "_"))
    for step in pipeline.exit:
        yield Group(step.id, (step,), False, True, take(step.id, used), _free(step.id, constants, "_"))


def _alike(step: Step) -> tuple[object, ...]:
    """What the text of a task depends on, of a step that has a family; steps are alike where it is equal."""
    if not step.family:
        return ("step", step.id)
    return ("family", step.family, tuple(sorted((port, ref.output) for port, ref in step.inputs.items())))


def _blocks(pipeline: Pipeline) -> dict[Secret, str]:
    """Name the Secret block of each stored secret: `orders-dsn` for the key dsn of orders."""
    used: set[str] = set()
    found: dict[Secret, str] = {}
    for secret in secrets_of(pipeline):
        if secret.store != "env":
            found[secret] = _free(render.slug(f"{secret.name}-{secret.key}", "secret"), used)
    return found


def _free(wanted: str, used: set[str], before: str = "-") -> str:
    name, number = wanted, 1
    while name in used:
        number += 1
        name = f"{wanted}{before}{number}"
    used.add(name)
    return name
