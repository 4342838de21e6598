"""What one part of a spec asks for many times, as steps of one family each: trials, folds, items (ADR 9)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from mlspec import metrics, ops
from mlspec.fan_out import Item, numbered, rounds, suggestions
from mlspec.ir import Artifact, Port, Ref, Resources, Stage, Step

if TYPE_CHECKING:
    from mlspec.families import Family
    from mlspec.spec.tuning import Tuning

TUNING = ("training", "tuning")


def search(
    tuning: Tuning, family: Family, common: Mapping[str, Any], *, seed: int, metric: str, resources: Resources
) -> Iterator[Step]:
    """Yield the steps of a search for hyperparameters: those that draw trials, the trials, and the one that chooses.

    `common` are the params that every trial takes; with `folds` among them trials are compared on folds of the training rows,
    else on the dev rows. What runs at the same time, and how long a trial may take, follows from `parallel` and `timeout`.
    """
    own = common["custom_metrics"].get(metric)
    greater = bool(own["greater_is_better"]) if own else metrics.CATALOGUE[metric].greater_is_better
    sizes = rounds(tuning.method, tuning.count, tuning.together)
    trials = numbered("trial", tuning.count)
    drawn = {"method": tuning.method, "space": _space(tuning, family), "seed": seed, "greater_is_better": greater}
    scored = {"train": Ref("split", "train")} | ({} if "folds" in common else {"dev": Ref("split", "dev")})
    first, before = 0, ""
    for name, size in zip(suggestions(sizes), sizes, strict=True):
        earlier = {
            f"score_{place + 1}": Ref(one, "score")
            for place, one in enumerate(trials[first - sizes[0] : first] if before else ())
        }
        inputs = ({"history": Ref(before, "trials")} if before else {}) | earlier
        yield Step(
            id=name,
            op=ops.SUGGEST,
            stage=Stage.MODELING,
            routes=(TUNING,),
            inputs=inputs,
            params=drawn | {"first": first + 1, "count": size},
            family="suggest" if before else "",
            label=f"trials {first + 1} to {first + size}" if before else "",
            takes=tuple(Port(port, Artifact.REPORT) for port in inputs),
            gives=(Port("trials", Artifact.REPORT),),
        )
        for index in range(size):
            yield Step(
                id=trials[first + index],
                op=ops.TRIAL,
                stage=Stage.MODELING,
                routes=(TUNING, ("model",)),
                inputs={**scored, "trials": Ref(name, "trials")},
                params={**common, "index": index, "metric": metric, "limit": _limit(tuning)},
                after=_lane(tuning, trials, first + index, name),
                resources=resources,
                family="trial",
                label=f"trial {first + index + 1}",
            )
        first, before = first + size, name
    scores = {f"score_{place + 1}": Ref(one, "score") for place, one in enumerate(trials)}
    measured = f"{common['folds']} folds of the training rows" if "folds" in common else "the dev rows"
    yield Step(
        id="choose",
        op=ops.CHOOSE,
        stage=Stage.MODELING,
        routes=(TUNING,),
        inputs=scores,
        params={"method": tuning.method, "metric": metric, "greater_is_better": greater, "measured_on": measured},
        takes=tuple(Port(port, Artifact.REPORT) for port in scores),
        gives=(Port("chosen", Artifact.REPORT),),
    )


def _lane(tuning: Tuning, trials: Sequence[str], place: int, suggested_by: str) -> tuple[str, ...]:
    """Return the trial that one waits for, so that no more run at once than `parallel` allows; rounds do so by themselves.

    The first ones wait for what they take from anyhow: steps of a family are alike in whether they wait.
    """
    if tuning.method == "bayesian" or tuning.parallel is None or tuning.parallel >= len(trials):
        return ()
    return (trials[place - tuning.parallel],) if place >= tuning.parallel else (suggested_by,)


def _limit(tuning: Tuning) -> float | None:
    """Return a trial's share of the time: the trials one after the other, or `parallel` at a time, end in time."""
    if tuning.timeout is None:
        return None
    return float(f"{tuning.timeout.seconds / math.ceil(tuning.count / (tuning.parallel or 1)):.6g}")


def _space(tuning: Tuning, family: Family) -> dict[str, dict[str, Any]]:
    """Return the ranges as plain data, each with whether only whole numbers are meant."""
    return {
        name: {**one.model_dump(mode="json"), "whole": _whole(one, name, family)} for name, one in sorted(tuning.space.items())
    }


def _whole(one: Any, name: str, family: Family) -> bool:
    """Tell whether a range of numbers has whole ones only: its ends and steps are, and the family takes no others.

    A family of the user's own says so by a whole `step`.
    """
    if one.values is not None:
        return False
    ends = [end for end in (one.low, one.high, one.step) if end is not None]
    if not all(float(end).is_integer() for end in ends):
        return False
    return one.step is not None or not _takes(family, name, one.low + 0.5 * min(1.0, one.high - one.low))


def _takes(family: Family, name: str, value: float) -> bool:
    if family.own:
        return True
    try:
        type(family.params).model_validate({name: value})
    except ValidationError:
        return False
    return True


def folds(whole: Step) -> Iterator[Step]:
    """Yield a step for each fold in the place of one that goes through all, and one that puts them together under its name."""
    names = numbered("fold", int(whole.params["folds"]))
    for index, name in enumerate(names):
        params = {**whole.params, "index": index}
        yield replace(whole, id=name, op=ops.FOLD, params=params, family="fold", label=f"fold {index + 1}")
    scores = {name.replace("fold", "score"): Ref(name, "score") for name in names}
    yield Step(
        id=whole.id,
        op=ops.COLLECT,
        stage=whole.stage,
        routes=(*whole.routes, ("pipeline", "fan_out")),
        inputs=scores,
        takes=tuple(Port(port, Artifact.REPORT) for port in scores),
        gives=(Port("report", Artifact.REPORT),),
    )


def pick(item: Item, column: str, columns: Mapping[str, Any]) -> Step:
    """Return the step that keeps the rows of an item."""
    return Step(
        id="pick",
        op=ops.PICK,
        stage=Stage.DATA,
        routes=(item.route, ("for_each",)),
        inputs={"data": Ref("validate", "data"), "profile": Ref("ingest", "profile"), "gate": Ref("check_data", "report")},
        params={"column": column, "value": item.text, "columns": columns, "route": list(item.route)},
    )


def of_item(steps: Iterable[Step], item: Item) -> list[Step]:
    """Return steps under the names that they have for an item, as members of the families they are of."""
    steps = list(steps)
    names = {step.id: item.step(step.id) for step in steps}
    return [_renamed(step, names, item) for step in steps]


def _renamed(step: Step, names: Mapping[str, str], item: Item) -> Step:
    params = step.params
    if step.op is ops.APPROVE:
        params = {**params, "step": names[step.id]}
    elif step.op is ops.DECIDE:
        told = (one.partition(".") for one in params["names"].values())
        renamed = [f"{names.get(producer, producer)}.{output}" for producer, _, output in told]
        params = {**params, "names": dict(zip(params["names"], renamed, strict=True))}
    return replace(
        step,
        id=names[step.id],
        inputs={port: Ref(names.get(ref.step, ref.step), ref.output) for port, ref in step.inputs.items()},
        after=tuple(names.get(one, one) for one in step.after),
        params=params,
        family=step.family or step.id,
        label=f"{item.text}, {step.label}" if step.label else item.text,
    )


def summary(items: Sequence[Item], params: Mapping[str, Any]) -> Step:
    """Return the step that puts the verdicts on all items together."""
    ports = {f"decision_{item.slug}": item for item in items}
    return Step(
        id="summary",
        op=ops.SUMMARIZE,
        stage=Stage.MODELING,
        routes=(("for_each",),),
        inputs={port: Ref(item.step("decide"), "decision") for port, item in ports.items()},
        params={
            **params,
            "items": {port: {"item": item.text, "folder": item.slug} for port, item in ports.items()},
            "order": [item.text for item in items],
        },
        takes=tuple(Port(port, Artifact.REPORT) for port in ports),
        gives=(Port("summary", Artifact.REPORT), Port("page", Artifact.HTML)),
    )


def drawn(steps: Sequence[Step], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the graph of steps as a page draws it: a family is one box, and steps have the names that `names` gives them.

    Where trials learn from trials before, the arrow back is left out.
    """
    boxes: dict[str, list[Step]] = {}
    box = {}
    for step in steps:
        box[step.id] = name = step.family if step.op in UNROLLED and step.family else names.get(step.id, step.id)
        boxes.setdefault(name, []).append(step)
    place = {name: index for index, name in enumerate(boxes)}
    edges = [[box[need], box[step.id]] for step in steps for need in step.needs if need in box]
    back = {(a, b) for a, b in edges if len(boxes[a]) > 1 and len(boxes[b]) > 1 and place[a] >= place[b]}
    seen = dict.fromkeys((a, b) for a, b in edges if (a, b) not in back)
    told = [
        {"id": name, "op": one[0].op.name, "stage": one[0].stage.value, "summary": _times(one)} for name, one in boxes.items()
    ]
    return {"steps": told, "edges": [list(edge) for edge in seen]}


UNROLLED = (ops.SUGGEST, ops.TRIAL, ops.FOLD)


def _times(steps: Sequence[Step]) -> str:
    words = steps[0].op.summary
    return words if len(steps) == 1 else f"{len(steps)} times: {words[0].lower()}{words[1:]}"
