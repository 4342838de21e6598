"""The whole spec: `validate` turns plain data into a frozen `Project` or into findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from mlspec.diagnostic import Finding, Route
from mlspec.fields import Frozen, Later, Many, nothing
from mlspec.kinds import Among, OneOf, Section, flatten, part, untouched
from mlspec.spec.shape import key
from mlspec.spec.text import Identifier, Text

if TYPE_CHECKING:
    from mlspec.families import Family
    from mlspec.kinds import Kind
    from mlspec.registries.local import Local as Registry
    from mlspec.spec.about import About
    from mlspec.spec.augmentation import Augmentation
    from mlspec.spec.compress import Compress
    from mlspec.spec.data import Data
    from mlspec.spec.deployment import Deployment
    from mlspec.spec.evaluation import Evaluation
    from mlspec.spec.for_each import ForEach
    from mlspec.spec.hardware import Hardware
    from mlspec.spec.monitoring import Monitoring
    from mlspec.spec.requirements import Requirements
    from mlspec.spec.retraining import Feedback, Retraining
    from mlspec.spec.schedule import Schedule
    from mlspec.spec.splits import Splits
    from mlspec.spec.step import ApprovalStep, ContainerStep, GateStep, PythonStep
    from mlspec.spec.task import Task
    from mlspec.spec.training import Training
    from mlspec.transforms import Transform

    Export = Kind
    Tracker = Kind

    Step = PythonStep | ContainerStep | GateStep | ApprovalStep
else:
    About, Requirements, Task = (
        part("mlspec.spec.about:About"),
        part("mlspec.spec.requirements:Requirements"),
        part("mlspec.spec.task:Task"),
    )
    Data, Splits = part("mlspec.spec.data:Data"), part("mlspec.spec.splits:Splits")
    Augmentation, Training = part("mlspec.spec.augmentation:Augmentation"), part("mlspec.spec.training:Training")
    Evaluation, Compress = part("mlspec.spec.evaluation:Evaluation"), part("mlspec.spec.compress:Compress")
    Deployment, Hardware = part("mlspec.spec.deployment:Deployment"), part("mlspec.spec.hardware:Hardware")
    Monitoring, Retraining = part("mlspec.spec.monitoring:Monitoring"), part("mlspec.spec.retraining:Retraining")
    Feedback, Schedule = part("mlspec.spec.retraining:Feedback"), part("mlspec.spec.schedule:Schedule")
    ForEach = part("mlspec.spec.for_each:ForEach")
    Step = Annotated[
        Any,
        Among(
            {
                "approval": "mlspec.spec.step:ApprovalStep",
                "container": "mlspec.spec.step:ContainerStep",
                "gate": "mlspec.spec.step:GateStep",
                "python": "mlspec.spec.step:PythonStep",
            },
            default="python",
        ),
    ]
    Transform, Family = Annotated[Any, OneOf("mlspec.transforms")], Annotated[Any, OneOf("mlspec.families")]
    Export, Tracker = Annotated[Any, OneOf("mlspec.exports")], Annotated[Any, OneOf("mlspec.trackers")]
    Registry = Annotated[Any, OneOf("mlspec.registries")]

NOT_SERVED = Later("no service is written; it is checked and kept in the packaged spec")
NOT_WATCHED = Later("nothing is watched; it is checked and kept in the packaged spec")


class Project(Section):
    """One machine-learning project, from what it is for to how it is watched."""

    mlspec: Literal[1] = Field(description="The version of this language.")
    extends: Annotated[tuple[Text, ...], Many()] = Field(
        (), description="Specs that this one is laid over; they are merged before anything is checked."
    )
    environments: Annotated[Mapping[Text, dict[str, Any]], Frozen()] = Field(
        default_factory=nothing, description="What is laid over this spec by name, with `--env`."
    )
    project: About = Field(description="What the project is for and who stands behind it.")
    requirements: Requirements = Field(
        default_factory=untouched("mlspec.spec.requirements:Requirements"),
        description="What the model and the service must achieve.",
    )
    task: Task | None = Field(None, description="What is predicted. Required, unless there are only `steps` of your own.")
    data: Data | None = Field(
        None, description="Where the data comes from, and what must hold of it. Required, unless there are only `steps`."
    )
    for_each: ForEach | None = Field(None, description="What gets a model of its own each, such as machines or sites.")
    splits: Splits = Field(
        default_factory=untouched("mlspec.spec.splits:Splits"), description="How rows are dealt to train, dev and test."
    )
    features: tuple[Transform, ...] = Field(
        (), description="Transforms in order, fitted on training rows; the family adds what it needs."
    )
    augmentation: Annotated[tuple[Augmentation, ...], Later("training rows are used as they are")] = Field(
        (), description="Rows made from training rows."
    )
    model: Family | None = Field(None, description="What is trained. Required, unless there are only `steps`.")
    baseline: Family | None = Field(
        None, description="The simple model to beat; without it, one that always gives the most frequent class or the mean."
    )
    training: Training = Field(default_factory=untouched("mlspec.spec.training:Training"), description="How the model is fitted.")
    evaluation: Evaluation = Field(
        default_factory=untouched("mlspec.spec.evaluation:Evaluation"), description="How the model is judged."
    )
    exports: tuple[Export, ...] = Field((), description="Other formats, for serving and the edge; each is gated.")
    compress: Compress | None = Field(None, description="How the model is made smaller.")
    deployment: Annotated[Deployment | None, NOT_SERVED] = Field(None, description="Where and how the model answers.")
    hardware: Hardware = Field(
        default_factory=untouched("mlspec.spec.hardware:Hardware"), description="What machines are asked for."
    )
    monitoring: Annotated[Monitoring | None, NOT_WATCHED] = Field(None, description="What is watched when the model is in use.")
    retraining: Retraining | None = Field(None, description="When the model is trained anew, and how.")
    feedback: Annotated[Feedback | None, NOT_WATCHED] = Field(
        None, description="What is done about the model's influence on its own data."
    )
    pipeline: Schedule = Field(
        default_factory=untouched("mlspec.spec.schedule:Schedule"), description="When the pipeline runs, and how it meets faults."
    )
    tracking: Tracker | None = Field(None, description="Where runs are recorded beside this machine.")
    registry: Registry = Field(
        default_factory=untouched("mlspec.registries.local:Local"),
        description="Where versions of the model are kept.",
    )
    steps: Annotated[Mapping[Identifier, Step], Frozen()] = Field(
        default_factory=nothing, description="Steps of your own and where they stand."
    )


REQUIRED = ("task", "data", "model")
"""The sections of a spec that trains a model; one that only has steps of its own needs none."""

PLACEHOLDERS: dict[str, Any] = {"mlspec": 1, "project": {"name": "unnamed"}}


@dataclass(frozen=True, slots=True)
class Inspection:
    """What came of reading plain data: the project where it has no error, the best that can be said of it, and every fault.

    ``best`` is the project, or what remains when the sections in ``broken`` are taken out; None where nothing remains.
    """

    project: Project | None
    best: Project | None
    broken: frozenset[str]
    findings: list[Finding]


def inspect(data: Any, damaged: Sequence[Route] = ()) -> Inspection:
    """Return the project that plain data describes, and every fault of it at its route.

    Faults of one section do not hide those of another: checks across sections are made of all sections that are well-formed.
    `damaged` are the routes of mappings and lists that a syntax error has cost a part: what they lack is not held against them,
    nor anything against the sections they are in that only the whole could answer.
    """
    from mlspec.spec.across import contradictions
    from mlspec.spec.faults import findings, reasoned, unharmed

    hurt = frozenset(str(route[0]) for route in damaged if route)
    if () in damaged:  # what is not there may have been on the lines that are lost
        hurt |= {name for name in Project.model_fields if name not in data}
    project: Project | None = None
    try:
        project = Project.model_validate(data)
        found: list[Finding] = []
    except ValidationError as error:
        found = findings(flatten(error.errors(include_url=False), Project), data)  # type: ignore[arg-type]
    if project is not None and not damaged:
        found = reasoned(contradictions(project, frozenset()))
        settled = _settled(project)
        lacking = frozenset(one for one in REQUIRED if getattr(project, one) is None)
        if project.steps and len(lacking) == len(REQUIRED):
            lacking = frozenset()
        return Inspection(None if any(one.severity == "error" for one in found) else settled, settled, lacking, found)
    found = unharmed(found, damaged)
    rest, broken = _rest(data, found, hurt)
    if rest is None:
        return Inspection(None, None, broken, reasoned(found))
    return Inspection(None, _settled(rest), broken, reasoned([*found, *unharmed(list(contradictions(rest, broken)), damaged)]))


def validate(layered: Any) -> tuple[Project | None, list[Finding]]:
    """Return the project that plain data describes, and every fault of it; with an error there is no project.

    `layered` is the data itself, or an object that has it as `data`.
    """
    data = layered if isinstance(layered, Mapping) else getattr(layered, "data", layered)
    inspection = inspect(data)
    return inspection.project, inspection.findings


def _rest(data: Any, found: list[Finding], hurt: frozenset[str]) -> tuple[Project | None, frozenset[str]]:
    """Return the project without its broken sections, and which those are."""
    if not isinstance(data, dict):
        return None, frozenset()
    broken = {str(one.route[0]) for one in found if one.route} | hurt
    broken |= {name for one in found if one.code == "unknown-key" and one.route for name in _elsewhere(one.route, data)}
    rest = {key: value for key, value in data.items() if key not in broken}
    missing = {name for name in PLACEHOLDERS if name not in rest}
    try:
        return Project.model_validate(PLACEHOLDERS | rest), frozenset(broken | missing)
    except ValidationError:
        return None, frozenset(broken)


def _elsewhere(route: Route, data: Any) -> set[str]:
    """Return the sections that an unknown key belongs to, or was to be: what they lack may be what stands there."""
    from mlspec.spec.faults import meant_key
    from mlspec.spec.shape import homes

    word = str(route[-1])
    if word in Project.model_fields:
        return {word}
    if len(route) > 1:
        return set()
    meant = meant_key(route, Project, data, [])
    return {meant.word} if meant else {place.partition(".")[0] for place in homes(word, Project, ())}


def _settled(project: Project) -> Project:
    """Replace what follows from the rest of the spec by what it means; what the user set stays marked as set."""
    if project.task is None:
        return project
    splits, columns = project.splits, project.data.columns if project.data else {}
    by_role = {column.role: name for name, column in columns.items()}
    time, group_by = splits.time or by_role.get("time"), splits.group_by or by_role.get("group")
    strategy: str = splits.strategy
    if strategy == "auto":
        spread = "stratified" if project.task.kind == "classification" else "random"
        strategy = "temporal" if time else "group" if group_by else spread
    meant = {"strategy": strategy, "time": time if strategy == "temporal" else splits.time}
    meant["group_by"] = group_by if strategy == "group" else splits.group_by
    settled = type(splits).model_construct(_fields_set=splits.model_fields_set, **{**dict(splits), **meant})
    return project.model_construct(_fields_set=project.model_fields_set, **{**dict(project), "splits": settled})


def resolved(project: Project) -> dict[str, Any]:
    """Return the spec with every default written out, plain data in a fixed order that `validate` reads back to an equal project.

    Quantities keep their units. Sections that are absent stay absent; layers have been merged and are left out.
    """
    plain: dict[str, Any] = _plain(project)
    return {name: value for name, value in plain.items() if value is not None and name not in ("extends", "environments")}


def _plain(value: Any) -> Any:
    """Write a value as a spec holds it. (`model_dump` would write quantities in base units, and costs more.)"""
    if isinstance(value, BaseModel):
        own = {key(name, field): getattr(value, name) for name, field in type(value).model_fields.items()}
        return {name: _plain(inner) for name, inner in {**own, **(value.model_extra or {})}.items()}
    if isinstance(value, Mapping):
        return {str(name): _plain(value[name]) for name in sorted(value, key=str)}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if value is None or type(value) in (bool, int, float, str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def unrealised(project: Project) -> list[Finding]:
    """Return a warning for each field the spec sets, and each kind it chooses, that nothing realises yet."""
    from mlspec.spec.later import unrealised as walk

    return list(walk(project, family=project.model.kind if project.model else ""))
