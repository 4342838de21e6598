"""The Python names of a ZenML project, and what decides which steps are one function or one cache policy."""

from __future__ import annotations

import builtins
import math

from mlspec import render
from mlspec.ir import Pipeline, Port, Step

OUTSIDE = frozenset({"approve", "gate", "ingest", "notify", "register"})
"""Ops that ZenML must not cache: they read or change what is not an input, or are the verdict itself."""

_USED_IN_STEPS = frozenset(
    ("Annotated", "Any", "ArtifactConfig", "ArtifactType", "CachePolicy", "File", "ResourceSettings", "StepRetryConfig")
) | {
    "approved",
    "at_failure",
    "code_version",
    "every",
    "finish",
    "inert",
    "made",
    "params",
    "perform",
    "promoted",
    "restored",
    "step",
}
_USED_IN_PIPELINE = frozenset(("Any", "ExecutionMode", "Model", "inert", "name", "one", "params", "pipeline", "steps"))
_OF_A_CALL = ("after", "id", "self", "start_after")
"""ZenML's own arguments of a step's call."""

LONGEST_CONSTANT, LONGEST_TABLE = 20, 40
"""Characters of names that stand beside others on a line of a loop."""


class Names:
    """The Python names of package, pipeline, steps, constants and variables: each one different, none of them taken."""

    def __init__(self, pipeline: Pipeline) -> None:
        label = render.slug(pipeline.name, longest=30).replace("-", "_")
        modules = {path.split("/")[0].removesuffix(".py") for path in pipeline.code}
        self.slug = render.slug(pipeline.name)
        self.package = render.identifier(f"{label}_pipeline", modules)
        self.function = self.package
        self._name_functions(pipeline)
        self._name_variables(pipeline)

    def _name_functions(self, pipeline: Pipeline) -> None:
        """A step has its id, the steps of a family share the family's name."""
        used = {*_USED_IN_STEPS, *dir(builtins)}
        used |= {f"version_{one}" for one in ages(pipeline)}
        every = (*pipeline.steps, *pipeline.exit)
        shared = {of_family(step): "" for step in every}
        self.functions = {name: _take(name, used) for name in shared}
        self.constants = {step.id: step.id for step in every if not step.family}
        taken = set(self.constants)
        families = list(dict.fromkeys(step.family for step in every if step.family))
        self.constants |= {name: _take(name[:LONGEST_CONSTANT], taken) for name in families}
        self.shared = {name: _take(f"{self.constants[name]}_shared", taken) for name in families}

    def _name_variables(self, pipeline: Pipeline) -> None:
        """An output is a variable, or an entry of the family's table; what nobody takes starts with an underscore."""
        parameters = {one.name for one in pipeline.parameters}
        used = {*_USED_IN_PIPELINE, *dir(builtins), self.function, *parameters}
        self.taken = {(ref.step, ref.output) for step in pipeline.steps for ref in step.inputs.values()}
        of = {step.id: step.family for step in pipeline.steps}
        wanted = {(of[step], port) for step, port in self.taken}
        self.variables: dict[tuple[str, str], dict[str, str]] = {}
        tables: dict[tuple[str, str], str] = {}
        for step in pipeline.steps:
            for port in step.output_ports:
                if step.family:
                    table = (step.family, port.name)
                    if table not in tables:
                        name = f"{'' if table in wanted else '_'}{step.family}_{port.name}"
                        tables[table] = _take(name[:LONGEST_TABLE], used)
                    self.variables[(step.id, port.name)] = {"variable": tables[table], "key": step.id}
                else:
                    name = f"{'' if (step.id, port.name) in self.taken else '_'}{step.id}_{port.name}"
                    self.variables[(step.id, port.name)] = {"variable": _take(name, used), "key": ""}
        self._used, self._columns = used, dict[str, str]()

    def column(self, argument: str) -> str:
        """Return the loop variable for an argument; loops share them."""
        if argument not in self._columns:
            self._columns[argument] = _take(argument, self._used)
        return self._columns[argument]

    def artifact(self, step: Step, port: str) -> str:
        """Return the name of an artifact in ZenML."""
        return f"{self.slug}_{step.id}_{port}"


def of_family(step: Step) -> str:
    """Return the name of the function that a step is a call of."""
    return step.family or step.id


def ages(pipeline: Pipeline) -> list[int]:
    """Return the ages in whole seconds at which results no longer count; 0 stands for results that always do."""
    return sorted({age(step) for step in pipeline.steps if cached(step)})


def age(step: Step) -> int:
    """Return a step's greatest age of a result in whole seconds, never more than is asked for; 0 without one."""
    return 0 if step.max_age is None else max(1, math.floor(step.max_age))


def cached(step: Step) -> bool:
    """What a step reads at a place that is chosen when a run starts, no cache key can know."""
    return step.op.name not in OUTSIDE and not step.bindings


def _take(wanted: str, used: set[str]) -> str:
    name = render.identifier(wanted, used)
    used.add(name)
    return name


def given(step: Step) -> list[Port]:
    """Return the ports that have something to take, in the op's order."""
    return [port for port in step.input_ports if port.name in step.inputs]


def arguments(step: Step) -> dict[str, str]:
    """Return the names of the arguments of a step's function, by what they are for."""
    used = {*_USED_IN_STEPS, *dir(builtins), *_OF_A_CALL} - {"params"}
    found = {f"bound {param}": _take(param, used) for param in sorted(step.bindings)}
    found |= {f"input {port.name}": _take(port.name, used) for port in given(step)}
    found["params"] = _take("params", used)
    if step.family:
        found["id"] = _take("step_id", used)
    return found
