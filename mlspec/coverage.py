"""What becomes of every value of a spec on a backend: realised, kept, checked, later or lacking; `coverage.json` of a project."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mlspec.diagnostic import Finding, Route, dotted
from mlspec.fields import Later
from mlspec.ir import Pipeline, Place, Resources, Step
from mlspec.kinds import Kind
from mlspec.lower import approved
from mlspec.spec.shape import element, key, place, union

if TYPE_CHECKING:
    from mlspec.backend import Backend
    from mlspec.spec.project import Project

NAME = "coverage.json"
STATES = ("realised", "lacking", "later", "checked", "kept", "silent")
"""`silent` would be a value of which nobody says what becomes of it: a bug of ours, and tests/test_coverage.py finds none."""

CHECKED = {
    "mlspec": "it says which language the file is written in",
    "requirements.interpretability": "lint holds `evaluation.explain` and the family of the model against it",
    "requirements.criticality": "lint asks for what such a decision needs",
    "requirements.volume": "lint asks for what so many decisions need",
    "requirements.error_cost": "lint asks for what so costly a mistake needs",
    "requirements.regulation": "lint asks for what such a regulation needs",
    "task.modality": "lint asks for other splits of a series; sources and features decide what is read",
    "project.stakeholders": "`mlspec plan` asks for their yes to a risky change",
}
"""What only lint or plan uses, with the reason; `*` stands for one name or position."""

KEPT = {
    "data.sources.*.origin": "it says where the rows come from, for who reads the packaged spec",
    "data.sources.*.license": "it says what may be done with the rows, for who reads the packaged spec",
    "data.sources.*.description": "it is a line of the data dictionary",
    "data.sources.*.refresh": "it says how often the source changes; nothing polls it",
    "data.sources.*.growth": "it says how fast the source grows; lint plans with it",
    "data.engine": "Polars reads every table, whether it is named or not",
    "splits.rationale": "it says why, for who reads the packaged spec",
    "steps.*.description": "it is for who reads the spec",
}
"""What is in the packaged spec, and nothing else is meant to use it, with the reason."""

NOTIONS = {
    "pipeline.schedule": "schedule",
    "pipeline.timezone": "schedule",
    "pipeline.retries": "retries",
    "pipeline.timeout": "timeout",
    "pipeline.cache": "max_age",
    "pipeline.granularity": "granularity",
    "pipeline.fan_out": "fan_out",
    "pipeline.image": "image",
    "pipeline.notify": "exit",
    "pipeline.parallelism": "distribution",
    "hardware.training": "resources",
    "hardware.training.cpu": "resources",
    "hardware.training.memory": "resources",
    "hardware.training.accelerator": "accelerators",
    "hardware.training.accelerators": "accelerators",
    "hardware.training.spot": "placement",
    "hardware.training.node": "placement",
    "training.checkpoint": "checkpoints",
    "retraining.on": "triggers",
    "retraining.cooldown": "triggers",
    "retraining.approve": "approval",
    "retraining.schedule": "schedule",
    "steps": "user_code",
    "steps.*.retries": "retries",
    "steps.*.timeout": "timeout",
    "steps.*.resources": "resources",
    "steps.*.resources.accelerator": "accelerators",
    "steps.*.resources.accelerators": "accelerators",
    "steps.*.resources.spot": "placement",
    "steps.*.resources.node": "placement",
    "steps.*.environment": "environment",
}
"""What a backend does by its own means (`mlspec.backend.NOTIONS`), by pattern; the longest pattern counts."""

COMPILE = {
    "pipeline.patches": "`mlspec compile` makes it anew",
    "pipeline.owned": "`mlspec compile` writes it once",
}
"""What is done when a project is written."""

FLOWS = {
    "task": "task",
    "data.columns": "columns",
    "training.seed": "seed",
    "splits.group_by": "group_by",
    "splits.time": "time",
    "evaluation.threshold": "threshold",
    "evaluation.metrics": "custom_metrics",
}
"""What many steps take, by the name that it has in their params; of the rest a step's own routes tell."""

TRAINED = (
    "splits",
    "features",
    "baseline",
    "training",
    "evaluation",
    "requirements",
    "registry",
    "hardware",
    "task",
    "data",
    "model",
)
"""Sections that count where a model is trained."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value of the resolved spec that holds no others, or an empty list or mapping; what its models say of it."""

    route: Route
    value: Any
    today: str = ""  # of a `Later` mark or a kind that is not realised: what happens meanwhile
    partly: str = ""  # of a `Later` mark that means other values of the field
    family: str = ""  # the kind of the model, by which some marks count and some do not


def leaves(project: Project) -> Iterator[Leaf]:
    """Yield every value of a resolved spec, with what the models say of it. Layers are merged and left out."""
    kind = project.model.kind if project.model else ""
    for leaf in _model(project, Leaf((), None, family=kind)):
        if leaf.route[0] not in ("extends", "environments") and (len(leaf.route) > 1 or leaf.value is not None):
            yield leaf


def document(
    project: Project, pipeline: Pipeline, backend: Backend, found: Sequence[Finding], written: Mapping[Route, Place]
) -> dict[str, Any]:
    """Return what coverage.json holds. `found` is what the backend says it lacks, `written` where the spec's values stand."""
    told = _Told(project, pipeline, backend, found)
    entries = []
    for leaf in leaves(project):
        at = written.get(leaf.route)
        entries.append({"route": dotted(leaf.route), "place": str(at) if at else None, **told.of(leaf)})
    counts = {state: sum(one["state"] == state for one in entries) for state in STATES}
    return {
        "backend": backend.NAME,
        "pipeline": pipeline.name,
        "counts": {state: count for state, count in counts.items() if count},
        "leaves": entries,
    }


def text(*given: Any) -> str:
    """Return coverage.json as text (see `document`)."""
    from mlspec.render import json

    return json(document(*given))


class _Told:
    """What becomes of the leaves of one pipeline on one backend."""

    def __init__(self, project: Project, pipeline: Pipeline, backend: Backend, found: Sequence[Finding]) -> None:
        self.project, self.pipeline, self.backend = project, pipeline, backend
        self.found: dict[Route, str] = {}
        for one in found:
            self.found.setdefault(one.route, one.message)
        self.at: dict[Route, dict[str, None]] = {}
        self.below: dict[Route, dict[str, None]] = {}
        self.taking: dict[str, dict[str, None]] = {}
        for step in (*pipeline.steps, *pipeline.exit):
            self._enter(step)

    def _enter(self, step: Step) -> None:
        name = _shown(step)
        for route in step.routes:
            self.at.setdefault(route, {})[name] = None
            for size in range(1, len(route)):
                self.below.setdefault(route[:size], {})[name] = None
        for param in step.params:
            self.taking.setdefault(param, {})[name] = None

    def of(self, leaf: Leaf) -> dict[str, Any]:
        """Return the state of a leaf with what explains it."""
        if leaf.today:
            return {"state": "later", "today": leaf.today}
        if reason := self._lacking(leaf):
            return {"state": "lacking", "reason": reason}
        for state, table in (("checked", CHECKED), ("kept", KEPT)):
            if reason := _longest(leaf.route, table):
                return {"state": state, "reason": reason}
        if reason := self._idle(leaf.route):
            return {"state": "kept", "reason": reason}
        return self._realised(leaf)

    def _realised(self, leaf: Leaf) -> dict[str, Any]:
        if reason := _longest(leaf.route, COMPILE):
            return {"state": "realised", "by": reason, "steps": []}
        if notion := _longest(leaf.route, NOTIONS):
            lacks: Mapping[str, str] = getattr(self.backend, "LACKS", {})  # a plug-in of before had none
            if notion in lacks and notion not in self.backend.REALISES:
                return {"state": "lacking", "reason": lacks[notion]}
            return {"state": "realised", "by": notion, "steps": self._of_notion(notion, leaf.route)}
        steps = self._steps(leaf.route)
        if steps:
            return {"state": "realised", "steps": steps}
        return {"state": "later", "today": leaf.partly} if leaf.partly else {"state": "silent"}

    def _lacking(self, leaf: Leaf) -> str:
        known = (self.found.get(leaf.route[:size]) for size in range(len(leaf.route), 0, -1))
        return next((one for one in known if one), "") if leaf.value is not None else ""

    def _idle(self, route: Route) -> str:
        """Say why nothing asks for a value here, or nothing."""
        project = self.project
        if project.model is None and route[0] in TRAINED:
            return "there are only steps of your own: nothing is trained"
        if dotted(route) == "pipeline.timezone" and self.pipeline.schedule is None:
            return "it counts with a schedule"
        if dotted(route) == "retraining.schedule" and project.pipeline.schedule:
            return "`pipeline.schedule` counts before it"
        if dotted(route) == "retraining.approve" and approved(project):
            return "a step of your own asks before `register`"
        if dotted(route) == "retraining.cooldown" and not self.pipeline.triggers:
            return "it counts with `retraining.on`"
        if route[:2] == ("hardware", "edge") and not any(one.realised for one in project.exports):
            return "it counts with `exports`"
        if route[-1] == "accelerators" and _above(project, route, "accelerator") is None:
            return "it counts with `accelerator`"
        return ""

    def _steps(self, route: Route) -> list[str]:
        found: dict[str, None] = dict(self.below.get(route, {}))
        for size in range(1, len(route) + 1):
            found |= self.at.get(route[:size], {})
        if param := _longest(route, FLOWS):
            found |= self.taking.get(param, {})
        return list(found)

    def _of_notion(self, notion: str, route: Route) -> list[str]:
        if route[0] == "steps":
            return [str(part) for part in route[1:2]]
        asks = _ASKS.get(notion)
        if asks is None:
            return []
        steps = self.pipeline.exit if notion == "exit" else self.pipeline.steps
        return list(dict.fromkeys(_shown(step) for step in steps if asks(step)))


_ASKS: dict[str, Callable[[Step], Any]] = {
    "retries": lambda step: step.retries > 0,
    "timeout": lambda step: step.timeout is not None,
    "max_age": lambda step: step.max_age is not None,
    "resources": lambda step: step.resources != Resources(),
    "accelerators": lambda step: step.resources.accelerator is not None,
    "placement": lambda step: step.resources.spot or step.resources.node,
    "approval": lambda step: step.op.name == "approve",
    "exit": lambda step: True,
    "granularity": lambda step: step.op.name == "group",
}
"""Which steps show a notion."""


def _shown(step: Step) -> str:
    """Name a step, or its whole family at once: a family of 500 is one entry."""
    return f"{step.family} (all)" if step.family else step.id


def _longest(route: Route, table: Mapping[str, str]) -> str:
    """Return the entry of a table with the longest pattern that a route is at or below."""
    for size in range(len(route), 0, -1):
        for pattern in _patterns(route[:size]):
            if pattern in table:
                return table[pattern]
    return ""


def _patterns(route: Route) -> Iterator[str]:
    parts = [str(part) for part in route]
    yield ".".join(parts)
    if len(parts) > 2:
        yield ".".join([*parts[:1], "*", *parts[2:]])
    if len(parts) > 3:
        yield ".".join([*parts[:2], "*", *parts[3:]])


def _above(value: Any, route: Route, beside: str) -> Any:
    for part in route[:-1]:
        value = getattr(value, str(part)) if isinstance(value, BaseModel) else value[part]
    return getattr(value, beside, None)


# -- what the models say


def _model(value: BaseModel, above: Leaf) -> Iterator[Leaf]:
    if isinstance(value, Kind) and not value.realised:
        above = replace(above, today=value.today)
    for name, field in type(value).model_fields.items():
        inner, route = getattr(value, name), (*above.route, key(name, field))
        yield from _value(inner, _marked(field, inner, replace(above, route=route)))


def _marked(field: FieldInfo, value: Any, leaf: Leaf) -> Leaf:
    later = next((one for one in field.metadata if isinstance(one, Later)), None)
    if leaf.today:
        return leaf
    if later is not None and later.works_for(leaf.family):
        return leaf
    if later is not None and (not later.only or value in later.only):
        return replace(leaf, today=later.today)
    if later is not None:
        return replace(leaf, partly=later.today)
    if not value and value is not False and _unrealised(field):
        return replace(leaf, today=Kind.today)
    return leaf


def _unrealised(field: FieldInfo) -> bool:
    """Whether a field takes members of a union of which nothing realises any."""
    where = place(field)
    among = union(where) or (union(inner) if (inner := element(where)) else None)
    return among is not None and not any(among.load(name).realised for name in among.names())


def _value(value: Any, leaf: Leaf) -> Iterator[Leaf]:
    if isinstance(value, BaseModel):
        yield from _model(value, leaf)
    elif isinstance(value, Mapping) and value:
        for name in sorted(value, key=str):
            yield from _value(value[name], replace(leaf, route=(*leaf.route, str(name))))
    elif isinstance(value, list | tuple) and value:
        for index, inner in enumerate(value):
            yield from _value(inner, replace(leaf, route=(*leaf.route, index)))
    else:
        yield replace(leaf, value=value)
