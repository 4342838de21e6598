"""Project -> Pipeline: the only place that knows which steps a spec implies."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspec import fan_out, ops, unroll, windows
from mlspec.diagnostic import Finding, Problem, Route
from mlspec.fan_out import MARK, Item, items_of
from mlspec.fields import NETWORKS
from mlspec.ir import (
    Artifact,
    Distribution,
    LawBroken,
    Parameter,
    Pipeline,
    Place,
    Port,
    Ref,
    Resources,
    Schedule,
    Secret,
    Stage,
    Step,
    Trigger,
)
from mlspec.secret import REFERENCE, Reference

if TYPE_CHECKING:
    from mlspec.spec.project import Project

DATA_ROOT = Parameter("data_root", ".", "Directory that the paths of the data sources are relative to.")
REGISTRY_ROOT = Parameter("registry_root", "registry", "Directory of the model registry.")
APPROVALS_ROOT = Parameter("approvals_root", "approvals", "Directory of the answers to what a person must approve.")

CADENCES = {"hourly": "0 * * * *", "daily": "0 3 * * *", "weekly": "0 3 * * 1", "monthly": "0 3 1 * *"}
"""What the words for a schedule mean: three in the morning, when data of the day before is in and few are at work."""


def lower(
    project: Project,
    resolved: Mapping[str, Any],
    code: Mapping[str, str] | None = None,
    places: Mapping[Route, Place] | None = None,
    folder: Path | None = None,
) -> Pipeline:
    """Return the pipeline that a project implies.

    `resolved` is the spec with every default written out (plain JSON): it goes into the package and the report. `code` holds
    the user's modules by path, `places` where routes of the spec stand. In `folder` lies the table that lists the items, where
    there is one. Raises Problem where the user's own steps cannot be wired, or the items cannot be told.
    """
    items = items_of(project.for_each, folder) if project.for_each and project.model else ()
    steps = [*(_model_steps(project, resolved, items) if project.model else ()), *_own_steps(project)]
    steps = _wired([_with_defaults(step, project) for step in steps], project)
    steps = list(_with_graphs(steps, items))
    used = {name for step in steps for name in step.bindings.values()}
    try:
        return Pipeline(
            name=project.project.name,
            description=project.project.problem or "",
            steps=tuple(steps),
            parameters=tuple(one for one in (DATA_ROOT, REGISTRY_ROOT, APPROVALS_ROOT) if one.name in used),
            schedule=_schedule(project),
            code=dict(code or {}),
            about=_about(project),
            exit=tuple(_exit_steps(project)),
            places=dict(places or {}),
            image=project.pipeline.image,
            distribution=_distribution(project),
            triggers=_triggers(project),
        )
    except LawBroken as broken:
        routes = broken.routes or (("steps",),)
        raise Problem(Finding("steps-not-wired", str(broken), routes[0])) from None


def _about(project: Project) -> dict[str, str]:
    about = project.project
    words = {"name": about.name, "version": about.version, "phase": about.phase, "problem": about.problem, "owner": about.owner}
    return {name: str(word) for name, word in words.items() if word}


def _distribution(project: Project) -> Distribution | None:
    asked = project.pipeline.parallelism
    if asked is None:
        return None
    references = asked.address.references if asked.address else ()
    address = Secret(*references[0]) if references and str(references[0]) == asked.address else asked.address
    return Distribution(asked.engine, asked.workers, address)


def _triggers(project: Project) -> tuple[Trigger, ...]:
    asked = project.retraining
    if asked is None:
        return ()
    return tuple(
        Trigger(f"mlspec.{event}", asked.cooldown.seconds, asked.approve == "human", ("retraining", "on", index))
        for index, event in enumerate(asked.on)
    )


def _schedule(project: Project) -> Schedule | None:
    text = project.pipeline.schedule or (project.retraining.schedule if project.retraining else None)
    return Schedule(CADENCES.get(text, text), project.pipeline.timezone) if text else None


def data_params(project: Project) -> dict[str, dict[str, Any]]:
    """Return the params of the steps that read, check and split the data, by step, for a look at the rows without a run."""
    shared = _Shared(project, {})
    return {step.id: dict(step.params) for step in (*_data_steps(shared), _split(shared))}


def _model_steps(project: Project, resolved: Mapping[str, Any], items: Sequence[Item]) -> Iterator[Step]:
    """The guide's lifecycle, in order: data, modeling, deployment; from the split on for each item, where there are items."""
    shared = _Shared(project, resolved)
    yield from _data_steps(shared)
    if not items:
        yield from _from_the_split_on(project, shared)
        return
    assert project.for_each is not None
    column = project.for_each.column
    for item in items:
        own = shared.of(item, column)
        yield from unroll.of_item((unroll.pick(item, column, shared.columns), *_from_the_split_on(project, own)), item)
    yield unroll.summary(items, {"about": shared.about, "task": shared.task, "column": column})


def _from_the_split_on(project: Project, shared: _Shared) -> Iterator[Step]:
    yield _split(shared)
    if project.training.tuning:
        yield from _search_steps(project, shared)
    yield from _training_steps(project, shared)
    yield from _evidence_steps(project, shared)
    yield from _release_steps(project, shared)


class _Shared:
    """The plain-data parts that several steps take."""

    def __init__(self, project: Project, resolved: Mapping[str, Any]) -> None:
        dump = project.model_dump(mode="json")
        assert project.task is not None
        assert project.data is not None
        task = dump["task"]
        self.task = {"kind": task["kind"], "target": task["target"], "positive": task.get("positive")}
        self.read = _columns(dump["data"]["columns"], self.task["target"], project)
        self.window = _window(project, dump["data"]["window"])
        self.columns = windows.columns(self.read, self.window, self.task["target"])
        self.seed = project.training.seed
        self.transforms = dump["features"]
        self.model = dump["model"]
        self.baseline = dump["baseline"] or default_baseline(self.task["kind"])
        self.data = dump["data"]
        self.splits = dump["splits"]
        self.evaluation = dump["evaluation"]
        self.requirements = list(requirements(project))
        self.metrics = sorted({one["metric"] for one in self.requirements if one.get("metric")})
        self.headline = headline(project)
        self.custom_metrics = {
            name: {"entrypoint": one["entrypoint"], "greater_is_better": one["greater_is_better"]}
            for name, one in (self.evaluation.get("metrics") or {}).items()
        }
        self.group_by = self.splits["group_by"]
        self.about = _about(project)
        self.spec = dict(resolved)
        self.registered = project.registry.name or slug(project.project.name)
        self.training = _training(project, dump["training"])
        self.distill = _distill(project)
        self.exports = tuple(exports_of(project, dump["exports"]))
        self.judging = {
            "task": self.task,
            "columns": self.columns,
            "metrics": self.metrics,
            "slices": [
                *self.evaluation["slices"],
                *({"name": one.name, "where": one.where} for one in project.requirements.coverage),
            ],
            "fairness": self.evaluation["fairness"],
            "seed": self.seed,
            "confidence": self.evaluation["confidence"],
            "threshold": self.evaluation["threshold"],
            "group_by": self.group_by,
            "time": self.splits["time"],
            "custom_metrics": self.custom_metrics,
        }
        self.item: Item | None = None
        self.chosen = {"chosen": Ref("choose", "chosen")} if project.training.tuning else {}

    def of(self, item: Item, column: str) -> _Shared:
        """Return the parts as the steps of an item take them. Its spec names no other item: who adds one makes no model anew."""
        own = copy.copy(self)
        own.item = item
        own.about = {**self.about, "name": f"{self.about['name']}: {item.text}"}
        own.spec = {**self.spec, "for_each": {"column": column, "values": [item.text]}}
        own.registered = f"{self.registered[: NAME_LENGTH - 1 - len(item.slug)].rstrip('-._')}-{item.dashed}"
        return own


def _training(project: Project, dump: Mapping[str, Any]) -> dict[str, Any]:
    """What the training of a network is told besides its parameters; other families have no use for it."""
    if project.model is None or not project.model.kind.startswith(NETWORKS):
        return {}
    told = {name: dump[name] for name in ("early_stopping", "checkpoint", "mixed_precision")}
    if project.compress or project.exports:
        from mlspec.spec.compress import aware, pruned

        found = {"prune": pruned(project), "quantize_aware": aware(project)}
        told |= {name: one.model_dump(mode="json") for name, one in found.items() if one}
    return {"training": told}


def _distill(project: Project) -> dict[str, Any] | None:
    """Whom the model learns from, and how; None where it learns from labels alone."""
    if not project.compress:
        return None
    from mlspec.spec.compress import distilled

    distill = distilled(project)
    return distill.model_dump(mode="json") if distill else None


def _columns(declared: Mapping[str, Any], target: str, project: Project) -> dict[str, Any]:
    """The declared columns; the target, the group and the time column gain their roles where the spec names them elsewhere."""
    columns = {name: dict(column) for name, column in declared.items()}
    group_by = project.splits.group_by
    groups = [group_by] if isinstance(group_by, str) else list(group_by or ())
    roles = [(target, "target"), (project.splits.time, "time"), *((name, "group") for name in groups)]
    for name, role in roles:
        if name and (name not in columns or columns[name]["role"] == "feature"):
            columns[name] = {**columns.get(name, EMPTY_COLUMN), "role": role}
    return columns


def _window(project: Project, dump: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The windows to make, and the column of time that they go by; None where the spec makes none."""
    if dump is None:
        return None
    from mlspec.spec.window import time_of

    return {**dump, "time": time_of(project)}


EMPTY_COLUMN: dict[str, Any] = {
    "type": None,
    "unit": None,
    "min": None,
    "max": None,
    "values": None,
    "unique": False,
    "pii": False,
    "nullable": None,
    "pattern": None,
}


def default_baseline(task: str) -> dict[str, Any]:
    """The guide's "start with a simple baseline": what always answers the most frequent class, or the mean."""
    return {"kind": "sklearn.dummy", "params": {"strategy": "prior" if task == "classification" else "mean"}}


def headline(project: Project) -> str:
    """The metric that baselines, folds and slices are compared by: the primary one, else the first, else the guide's first."""
    wanted = project.requirements.metrics
    chosen = [one.metric for one in wanted if one.primary] or [one.metric for one in wanted]
    assert project.task is not None
    return chosen[0] if chosen else {"classification": "f1", "regression": "rmse"}.get(project.task.kind, "rmse")


def requirements(project: Project) -> Iterator[dict[str, Any]]:
    """Every demand of the spec as plain data, each with the route that makes it: the gates."""
    for index, wanted in enumerate(project.requirements.metrics):
        yield {
            "id": wanted.metric,
            "kind": "metric",
            "metric": wanted.metric,
            "op": wanted.target.op,
            "value": wanted.target.value,
            "route": ["requirements", "metrics", index, "target"],
            "supports": wanted.supports,
            "primary": wanted.primary,
        }
    evaluation, metric = project.evaluation, headline(project)
    if evaluation.beat_baseline_by is not None:
        route: list[str | int] = ["evaluation", "beat_baseline_by"]
        yield {
            "id": "beat_baseline",
            "kind": "beat_baseline",
            "metric": metric,
            "by": evaluation.beat_baseline_by,
            "route": route,
        }
    if evaluation.overfitting is not None:
        route = ["evaluation", "overfitting", "max_gap"]
        yield {
            "id": "overfitting",
            "kind": "overfitting",
            "metric": metric,
            "max_gap": evaluation.overfitting.max_gap,
            "route": route,
        }
    if evaluation.worst_slice is not None:
        route, worst = ["evaluation", "worst_slice", "max_drop"], evaluation.worst_slice.model_dump(mode="json")
        yield {
            "id": "worst_slice",
            "kind": "worst_slice",
            "metric": metric,
            "min_rows": worst["min_rows"],
            "max_drop": worst["max_drop"],
            "route": route,
        }
    if evaluation.fairness is not None:
        fair, route = evaluation.fairness.model_dump(mode="json"), ["evaluation", "fairness", "max"]
        yield {"id": "fairness", "kind": "fairness", "metric": fair["metric"], "max": fair["max"], "route": route}
    yield {"id": "data", "kind": "data", "route": ["data"]}
    yield {"id": "split", "kind": "split", "route": ["splits"]}


def _data_steps(shared: _Shared) -> Iterator[Step]:
    data = shared.data
    yield Step(
        id="ingest",
        op=ops.INGEST,
        stage=Stage.DATA,
        routes=(("data", "sources"), *((("data", key)) for key in ("join", "union", "window") if data[key])),
        params={
            "sources": data["sources"],
            "join": data["join"],
            "union": data["union"],
            "columns": shared.read,
            "data_root": ".",
            **({"window": {**shared.window, "target": shared.task["target"]}} if shared.window else {}),
        },
        bindings={"data_root": DATA_ROOT.name},
    )
    yield Step(
        id="validate",
        op=ops.VALIDATE,
        stage=Stage.DATA,
        routes=(("data", "columns"), ("data", "checks")),
        inputs={"data": Ref("ingest", "data")},
        params={"columns": shared.columns, "checks": data["checks"], "on_failure": data["on_failure"], "task": shared.task},
    )
    yield Step(
        id="check_data",
        op=ops.GATE,
        stage=Stage.DATA,
        routes=(("data", "on_failure"),),
        inputs={"decision": Ref("validate", "report")},
        params={"subject": "data"},
    )


def _split(shared: _Shared) -> Step:
    splits = shared.splits
    whole = {"data": Ref("validate", "data"), "gate": Ref("check_data", "report")}
    return Step(
        id="split",
        op=ops.SPLIT,
        stage=Stage.DATA,
        routes=(("splits",),),
        inputs={"data": Ref("pick", "data")} if shared.item else whole,
        params={name: splits[name] for name in ("strategy", "ratios", "group_by", "time", "gap", "seed", "exact")}
        | {"columns": shared.columns, "task": shared.task},
    )


def _search_steps(project: Project, shared: _Shared) -> Iterator[Step]:
    tuning = project.training.tuning
    assert tuning is not None
    assert project.model is not None
    common = {
        "transforms": shared.transforms,
        "model": shared.model,
        "threshold": shared.evaluation["threshold"],
        "custom_metrics": shared.custom_metrics,
        "columns": shared.columns,
        "task": shared.task,
        "seed": shared.seed,
        **shared.training,
    }
    if project.training.cross_validation:
        common |= _dealt(project, shared)
    metric = tuning.metric or shared.headline
    yield from unroll.search(tuning, project.model, common, seed=shared.seed, metric=metric, resources=_resources(project))


def _dealt(project: Project, shared: _Shared) -> dict[str, Any]:
    """How the training rows are dealt to folds."""
    return {
        "folds": project.training.cross_validation,
        "strategy": shared.splits["strategy"],
        "group_by": shared.group_by,
        "time": shared.splits["time"],
    }


def _training_steps(project: Project, shared: _Shared) -> Iterator[Step]:
    resources = _resources(project)
    common = {"columns": shared.columns, "task": shared.task, "seed": shared.seed}
    yield Step(
        id="featurize",
        op=ops.FEATURIZE,
        stage=Stage.MODELING,
        routes=(("features",), ("data", "columns")),
        inputs={"train": Ref("split", "train"), **shared.chosen},
        params={"transforms": shared.transforms, "model": shared.model, **common},
        resources=resources,
    )
    features = {"features": Ref("featurize", "features"), "transformer": Ref("featurize", "transformer")}
    teacher, learning = {}, shared.training
    if shared.distill:
        yield from _teacher_steps(shared, common, resources)
        teacher = {"teacher": Ref("train_teacher", "model"), "train": Ref("split", "train")}
        how = {name: shared.distill[name] for name in ("temperature", "labels")}
        learning = {"training": {**shared.training["training"], "distill": how}}
    yield Step(
        id="train",
        op=ops.TRAIN,
        stage=Stage.MODELING,
        routes=(("model",), ("training",), *((("compress",),) if project.compress and shared.training else ())),
        inputs={**features, **shared.chosen, **teacher},
        params={"model": shared.model, **common, **learning},
        resources=resources,
    )
    if shared.baseline["kind"] != "sklearn.dummy":  # a dummy looks at no feature; any other baseline needs features that suit it
        yield Step(
            id="featurize_baseline",
            op=ops.FEATURIZE,
            stage=Stage.MODELING,
            routes=(("baseline",), ("features",)),
            inputs={"train": Ref("split", "train")},
            params={"transforms": shared.transforms, "model": shared.baseline, **common},
            resources=resources,
        )
        features = {"features": Ref("featurize_baseline", "features"), "transformer": Ref("featurize_baseline", "transformer")}
    yield Step(
        id="train_baseline",
        op=ops.TRAIN,
        stage=Stage.MODELING,
        routes=(("baseline",),),
        inputs=features,
        params={"model": shared.baseline, **common},
        resources=resources,
    )
    if project.training.cross_validation:
        whole = Step(
            id="cross_validate",
            op=ops.CROSS_VALIDATE,
            stage=Stage.MODELING,
            routes=(("training", "cross_validation"),),
            inputs={"train": Ref("split", "train"), **shared.chosen},
            params={
                "transforms": shared.transforms,
                "model": shared.model,
                "metrics": shared.metrics or [shared.headline],
                "threshold": shared.evaluation["threshold"],
                "custom_metrics": shared.custom_metrics,
                **shared.training,
                **_dealt(project, shared),
                **common,
            },
            resources=resources,
        )
        yield from unroll.folds(whole) if "folds" in project.pipeline.fan_out else (whole,)


def _teacher_steps(shared: _Shared, common: Mapping[str, Any], resources: Resources) -> Iterator[Step]:
    """The large model that the small one learns from: any family, with the features that it needs."""
    assert shared.distill is not None
    route: Route = ("compress", "distill", "teacher")
    model = shared.distill["teacher"]
    yield Step(
        id="featurize_teacher",
        op=ops.FEATURIZE,
        stage=Stage.MODELING,
        routes=(route, ("features",)),
        inputs={"train": Ref("split", "train")},
        params={"transforms": shared.transforms, "model": model, **common},
        resources=resources,
    )
    yield Step(
        id="train_teacher",
        op=ops.TRAIN,
        stage=Stage.MODELING,
        routes=(route,),
        inputs={name: Ref("featurize_teacher", name) for name in ("features", "transformer")},
        params={"model": model, **common},
        resources=resources,
    )


def _evidence_steps(project: Project, shared: _Shared) -> Iterator[Step]:
    evaluation = shared.evaluation
    scored = {"train": Ref("split", "train"), "dev": Ref("split", "dev"), "test": Ref("split", "test")}
    params = dict(shared.judging)
    yield Step(
        id="evaluate",
        op=ops.EVALUATE,
        stage=Stage.MODELING,
        routes=(("evaluation",), ("requirements",)),
        inputs={"model": Ref("train", "model"), **scored},
        params=params,
    )
    yield Step(
        id="evaluate_baseline",
        op=ops.EVALUATE,
        stage=Stage.MODELING,
        routes=(("baseline",), ("evaluation", "beat_baseline_by")),
        inputs={"model": Ref("train_baseline", "model"), **scored},
        params=params | {"slices": [], "fairness": None},
    )
    evidence = {
        "metrics": Ref("evaluate", "metrics"),
        "baseline": Ref("evaluate_baseline", "metrics"),
        "validation": Ref("validate", "report"),
        "manifest": Ref("split", "manifest"),
    }
    if project.training.cross_validation:
        evidence["cross_validation"] = Ref("cross_validate", "report")
    yield Step(
        id="decide",
        op=ops.DECIDE,
        stage=Stage.MODELING,
        routes=tuple(tuple(one["route"]) for one in shared.requirements),
        inputs=evidence,
        params={
            "requirements": shared.requirements,
            "names": {port: f"{ref.step}.{ref.output}" for port, ref in evidence.items()},
            **({"headline": shared.headline} if shared.item else {}),
        },
    )
    teacher = {}
    if shared.distill:
        yield Step(
            id="evaluate_teacher",
            op=ops.EVALUATE,
            stage=Stage.MODELING,
            routes=(("compress", "distill", "teacher"),),
            inputs={"model": Ref("train_teacher", "model"), **scored},
            params=params | {"slices": [], "fairness": None},
        )
        teacher = {"teacher": Ref("evaluate_teacher", "metrics")}
    drawn = {
        "profile": Ref("pick" if shared.item else "ingest", "profile"),
        "curves": Ref("evaluate", "curves"),
        "predictions": Ref("evaluate", "predictions"),
        "decision": Ref("decide", "decision"),
    }
    if evaluation["explain"] == "permutation":
        yield Step(
            id="explain",
            op=ops.EXPLAIN,
            stage=Stage.MODELING,
            routes=(("evaluation", "explain"),),
            inputs={"model": Ref("train", "model"), "test": Ref("split", "test")},
            params={
                "task": shared.task,
                "columns": shared.columns,
                "metric": shared.headline,
                "repeats": 5,
                "seed": shared.seed,
                "threshold": evaluation["threshold"],
                "custom_metrics": shared.custom_metrics,
            },
        )
        drawn["importance"] = Ref("explain", "importance")
    yield Step(
        id="report",
        op=ops.REPORT_OP,
        stage=Stage.MODELING,
        routes=(("project",),),
        inputs={**evidence, **drawn, **teacher, **shared.chosen},
        params={"about": shared.about, "task": shared.task, "spec": shared.spec},
    )


def _release_steps(project: Project, shared: _Shared) -> Iterator[Step]:
    yield Step(
        id="gate",
        op=ops.GATE,
        stage=Stage.MODELING,
        routes=tuple(tuple(one["route"]) for one in shared.requirements),
        inputs={"decision": Ref("decide", "decision")},
        params={"subject": "model"},
    )
    yield from _export_steps(project, shared)
    shipped = {"edge": Ref("ship", "bundle"), "gate_exports": Ref("gate_exports", "report")} if shared.exports else {}
    yield Step(
        id="package",
        op=ops.PACKAGE_OP,
        stage=Stage.DEPLOYMENT,
        routes=(("project",), ("model",)),
        inputs={
            "model": Ref("train", "model"),
            "validation": Ref("validate", "report"),
            "metrics": Ref("evaluate", "metrics"),
            "decision": Ref("decide", "decision"),
            "gate": Ref("gate", "report"),
            **shared.chosen,
            **shipped,
        },
        params={
            "about": shared.about,
            "task": shared.task,
            "columns": shared.columns,
            "spec": shared.spec,
            "transforms": shared.transforms,
            "model": shared.model,
            "entrypoints": sorted(entrypoints([shared.transforms, shared.model, shared.custom_metrics])),
        },
    )
    asked = project.retraining
    asks = asked is not None and asked.approve == "human" and not approved(project, shared.item)
    if asks:
        yield approval(
            "approve_release",
            f"May the new {shared.about['name']} go into the registry?",
            [one.role for one in project.project.stakeholders if {"production", "model"} & set(one.approves)],
            {"decision": Ref("decide", "decision"), "page": Ref("report", "page")},
            routes=(("retraining", "approve"),),
            after=("package",),
        )
    yield Step(
        id="register",
        op=ops.REGISTER,
        stage=Stage.DEPLOYMENT,
        after=("approve_release",) if asks else (),
        routes=(("registry",),),
        inputs={"package": Ref("package", "package")},
        params={"name": shared.registered, "registry_root": "registry"},
        bindings={"registry_root": REGISTRY_ROOT.name},
    )


def _export_steps(project: Project, shared: _Shared) -> Iterator[Step]:
    """Only what has passed its gates is exported; each export is proven by itself, and all are gated together."""
    if not shared.exports:
        return
    common = _judged_as(shared)
    for name, route, export in shared.exports:
        yield Step(
            id=f"export_{name}",
            op=ops.EXPORT,
            stage=Stage.DEPLOYMENT,
            routes=(route,),
            inputs={
                "model": Ref("train", "model"),
                "train": Ref("split", "train"),
                "test": Ref("split", "test"),
                "metrics": Ref("evaluate", "metrics"),
                "gate": Ref("gate", "report"),
            },
            params={
                "name": name,
                **export,
                "route": list(route),
                **common,
            },
            family="export",
            label=name,
        )
    ports = {"": ("bundle", Artifact.PACKAGE), "_proof": ("proof", Artifact.REPORT), "_timing": ("timing", Artifact.REPORT)}
    inputs = {
        f"{name}{ending}": Ref(f"export_{name}", port) for name, _, _ in shared.exports for ending, (port, _) in ports.items()
    }
    takes = (Port(f"{name}{ending}", kind) for name, _, _ in shared.exports for ending, (_, kind) in ports.items())
    yield Step(
        id="ship",
        op=ops.SHIP,
        stage=Stage.DEPLOYMENT,
        routes=(("exports",),),
        inputs=inputs,
        takes=tuple(takes),
        gives=(Port("bundle", Artifact.PACKAGE), Port("decision", Artifact.REPORT), Port("page", Artifact.HTML)),
        params={
            "exports": [{"name": name, "route": list(route), **export} for name, route, export in shared.exports],
            "about": shared.about,
            "registered": shared.registered,
        },
    )
    yield Step(
        id="gate_exports",
        op=ops.GATE,
        stage=Stage.DEPLOYMENT,
        routes=(("exports",),),
        inputs={"decision": Ref("ship", "decision")},
        params={"subject": "model"},
    )


def _judged_as(shared: _Shared) -> dict[str, Any]:
    """What every export is told of the model that it has to be."""
    return {
        "about": {key: shared.about[key] for key in ("name", "version") if key in shared.about},
        "primary": shared.headline,
        "transforms": shared.transforms,
        "model": shared.model,
        **{name: shared.judging[name] for name in JUDGED_BY},
    }


def export_params(project: Project, item: Item | None = None) -> dict[str, Any]:
    """Return what the step of an export is told besides the export: `mlspec optimize` tries some that the spec does not name."""
    shared = _Shared(project, {})
    return _judged_as(shared.of(item, project.for_each.column) if item and project.for_each else shared)


def exports_of(project: Project, dumps: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Route, dict[str, Any]]]:
    """Name the exports that are realised, such as `tflite_int8`; one without a device is for that of `hardware.edge`.

    `limits` are the export's limits as plain numbers: bytes, seconds, a share.
    """
    edge, wanted = project.hardware.edge, list[Any](project.exports)
    for index, name in fan_out.exports(wanted):
        one, dump = wanted[index], dumps[index]
        limits = {
            "max_size": None if one.max_size is None else int(one.max_size.bytes),
            "max_latency_p95": None if one.max_latency_p95 is None else one.max_latency_p95.seconds,
            "max_drop": None if one.max_drop is None else float(one.max_drop),
            "memory": int(edge.memory.bytes) if edge and edge.memory and one.device in (None, edge.device) else None,
        }
        device = one.device or (edge.device if edge else None)
        kept = {key: value for key, value in dump.items() if key not in limits}
        yield name, ("exports", index), {"export": {**kept, "device": device}, "limits": limits}


def approved(project: Project, item: Item | None = None) -> bool:
    """Whether a step of the user's own asks a person before the model (of an item) is registered."""
    names = {"register"} | ({item.step("register")} if item else set())
    return any(own.kind == "approval" and names & {*own.before} for own in project.steps.values())


def _own_steps(project: Project) -> Iterator[Step]:
    """The user's steps. What they give can be taken by any other; what they take may come from any step of ours."""
    for name, own in project.steps.items():
        route: Route = ("steps", name)
        inputs = {port: _reference(text, (*route, "inputs", port)) for port, text in own.inputs.items()}
        shared: dict[str, Any] = {
            "id": name,
            "stage": Stage.MODELING,
            "routes": (route,),
            "after": tuple(sorted(own.after)),
            "timeout": own.timeout.seconds if own.timeout else None,
            "takes": tuple(Port(port, Artifact.FILE) for port in inputs),
        }
        if own.kind == "gate":
            verdict = _reference(own.verdict, (*route, "verdict"))
            after = tuple(sorted({*own.after, *(ref.step for ref in inputs.values())}))
            params = {"subject": "model"}
            yield Step(
                **{**shared, "op": ops.GATE, "inputs": {"decision": verdict}, "after": after, "takes": (), "params": params}
            )
        elif own.kind == "approval":
            yield approval(name, own.message, own.approvers, inputs, **{**shared, "timeout": None}, seconds=shared["timeout"])
        else:
            yield _work_step(own, inputs, shared)


def _work_step(own: Any, inputs: Mapping[str, Ref], shared: Mapping[str, Any]) -> Step:
    gives = tuple(Port(port, Artifact(artifact)) for port, artifact in own.outputs.items())
    params: dict[str, Any] = {"inputs": list(inputs), "outputs": [port.name for port in gives]}
    if own.kind == "python":
        params |= {"entrypoint": own.entrypoint, "params": dict(own.params)}
    else:
        params |= {"image": own.image, "command": list(own.command)}
    environment, secrets = variables(own.environment)
    return Step(
        **shared,
        op=ops.PYTHON if own.kind == "python" else ops.CONTAINER,
        inputs=inputs,
        gives=gives,
        params=params,
        retries=own.retries or 0,
        resources=_machine(own.resources),
        environment=environment,
        secrets=secrets,
    )


def approval(
    name: str, message: str, approvers: Sequence[str], inputs: Mapping[str, Ref], *, seconds: float | None = None, **shared: Any
) -> Step:
    """Return a step that waits for a person's yes, at most `seconds`; the answer lies in `approvals_root` or the orchestrator."""
    return Step(
        **{"id": name, "stage": Stage.DEPLOYMENT, "takes": tuple(Port(port, Artifact.FILE) for port in inputs)} | shared,
        op=ops.APPROVE,
        inputs=inputs,
        gives=(Port("report", Artifact.REPORT),),
        params={
            "step": name,
            "message": message,
            "approvers": list(approvers),
            "inputs": list(inputs),
            "seconds": seconds,
            "approvals_root": APPROVALS_ROOT.default,
        },
        bindings={"approvals_root": APPROVALS_ROOT.name},
    )


def variables(given: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Secret]]:
    """Part variables of an environment into plain texts and references to secrets. Raises Problem for a mixture of both."""
    plain: dict[str, str] = {}
    secrets: dict[str, Secret] = {}
    for name, text in given.items():
        references = text.references
        if not references:
            plain[name] = str(text)
        elif str(references[0]) == text:
            secrets[name] = Secret(*references[0])
        else:
            message = f"{name} is a reference with text around it"
            raise Problem(
                Finding("mixed-secret", message, help="a variable is a text or a reference; put them together in your code")
            )
    return plain, secrets


def variable_of(one: Reference) -> str:
    """Return the variable that holds a secret which has no name of its own: `MLSPEC_SECRET_ORDERS_DSN` for orders/dsn."""
    return re.sub(r"[^A-Z0-9]+", "_", f"MLSPEC_SECRET_{one.name}_{one.key}".upper()).rstrip("_") if one.key else one.name


def _exit_steps(project: Project) -> Iterator[Step]:
    """Who is told how a run ended. Each reference in a channel becomes a variable of the step's environment."""
    channels = [one.model_dump(mode="json") for one in project.pipeline.notify]
    if channels:
        found = [Reference.read(text) for text in REFERENCE.findall(json.dumps(channels))]
        yield Step(
            id="notify",
            op=ops.NOTIFY,
            stage=Stage.DEPLOYMENT,
            routes=(("pipeline", "notify"),),
            params={"channels": channels, "about": _about(project)},
            secrets={variable_of(one): Secret(*one) for one in found},
        )


def _wired(steps: list[Step], project: Project) -> list[Step]:
    """Let steps wait for those of the user's that are to stand before them, and these for those they come after.

    The name of a family stands for all its steps: `register` for those of all items.
    """
    meant: dict[str, list[str]] = {}
    for step in steps:
        meant.setdefault(step.family or step.id, []).append(step.id)
    meant |= {step.id: [step.id] for step in steps}
    waits: dict[str, set[str]] = {}
    for name, own in project.steps.items():
        for index, other in enumerate(own.before):
            if other not in meant:
                route: Route = ("steps", name, "before", index)
                raise Problem(Finding("unknown-step", f"there is no step {other!r} that {name} could stand before", route))
            for one in meant[other]:
                waits.setdefault(one, set()).add(name)
    return [_after(step, waits.get(step.id, set()), meant if step.id in project.steps else {}) for step in steps]


def _after(step: Step, waits: Collection[str], meant: Mapping[str, Sequence[str]]) -> Step:
    named = {one for name in step.after for one in meant.get(name, (name,))}
    return replace(step, after=tuple(sorted(named.union(waits))))


def _reference(text: str, route: Route) -> Ref:
    step, dot, output = text.partition(".")
    if not (step and dot and output):
        raise Problem(
            Finding("bad-reference", f"{text!r} names no output", route, help="write it as step.output, such as split.train")
        )
    return Ref(step, output)


def entrypoints(value: Any) -> Iterator[str]:
    """Yield each entrypoint that plain data of a spec names, at any depth."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "entrypoint" and isinstance(inner, str):
                yield inner
            else:
                yield from entrypoints(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from entrypoints(inner)


JUDGED_BY = ("task", "columns", "metrics", "slices", "seed", "confidence", "threshold", "group_by", "custom_metrics")
"""What an export is judged by, of what the model is."""

NAME_LENGTH = 63
"""Names that files, registries and orchestrators take have at most so many signs."""


def slug(text: str) -> str:
    """Turn words into a name that files, registries and orchestrators take: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:NAME_LENGTH].rstrip("-") or "project"


def _resources(project: Project) -> Resources:
    return _machine(project.hardware.training)


def _machine(asked: Any) -> Resources:
    if asked is None:
        return Resources()
    memory = int(asked.memory.bytes) if asked.memory else None
    return Resources(asked.cpu, memory, asked.accelerator, asked.accelerators, asked.spot, tuple(sorted(asked.node.items())))


def _with_defaults(step: Step, project: Project) -> Step:
    retries, limit, cache = project.pipeline.retries, project.pipeline.timeout, project.pipeline.cache
    timeout = limit.seconds if limit and step.op is not ops.APPROVE else None
    own = project.steps.get(step.id)
    return replace(
        step,
        retries=retries if getattr(own, "retries", None) is None and step.op not in (ops.GATE, ops.APPROVE) else step.retries,
        timeout=timeout if step.timeout is None else step.timeout,
        max_age=cache.max_age.seconds if cache and cache.max_age else None,
    )


def _with_graphs(steps: Sequence[Step], items: Sequence[Item]) -> Iterator[Step]:
    """A report draws the pipeline it is part of: that of an item what is for it and for all, without the other items."""
    if not items:
        graph = unroll.drawn(steps, {})
        yield from (replace(one, params={**one.params, "graph": graph}) if one.op is ops.REPORT_OP else one for one in steps)
        return
    shared = [step for step in steps if step.op in (ops.INGEST, ops.VALIDATE) or step.id == "check_data"]
    mine: dict[str, list[Step]] = {}
    for step in steps:
        if step.family:
            mine.setdefault(step.id.rpartition(MARK)[2], []).append(step)
    graphs = {}
    for item in items:
        own = [*shared, *mine[item.slug]]
        graphs[item.step("report")] = unroll.drawn(own, {step.id: step.id.rpartition(MARK)[0] for step in mine[item.slug]})
    yield from (replace(one, params={**one.params, "graph": graphs[one.id]}) if one.id in graphs else one for one in steps)
