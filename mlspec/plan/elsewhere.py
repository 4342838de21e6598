"""Which steps an orchestrator would run anew, where this machine's store does not count: the pipeline against the one before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from mlspec import ops
from mlspec.plan.blame import shape
from mlspec.plan.difference import Change
from mlspec.plan.forecast import Fate, Outlook, gone
from mlspec.runtime.content import entrypoints
from mlspec.store import HOME, Store

if TYPE_CHECKING:
    from mlspec.ir import Pipeline, Step
    from mlspec.plan.past import Past


def ran_here(pipeline: Pipeline) -> bool:
    """Whether this machine's store knows anything of a pipeline."""
    store = Store(HOME)
    return any(store.previous(pipeline.name, step.id) is not None for step in pipeline.steps)


def foresee(
    pipeline: Pipeline, before: Pipeline, past: Past, causes: Mapping[str, Sequence[Change]], code: Collection[str] = ()
) -> list[Outlook]:
    """Say of each step whether it does the same as in the pipeline `before`, in their order, then of steps that are gone.

    A step of which nothing changed counts as stored: whether the data behind it is the same is for the orchestrator to find out.
    `code` are the user's own modules that have changed; their steps run again.
    """
    known = {step.id: step for step in before.steps}
    fates: dict[str, Fate] = {}
    found = []
    for step in pipeline.steps:
        mine = tuple(causes.get(step.id, ()))
        why = _why(step, known.get(step.id), code, bool(mine))
        because = tuple(sorted({ref.step for ref in step.inputs.values() if fates[ref.step] is not Fate.STORED}))
        fates[step.id] = fate = Fate.RUNS if why or mine else Fate.MAY if because else Fate.STORED
        seconds, new = past.seconds.get(step.id), step.id not in known
        found.append(Outlook(step.id, fate, why, mine, because, seconds, new, step.family))
    return [*found, *gone(pipeline, past)]


def _why(step: Step, before: Step | None, code: Collection[str], explained: bool) -> tuple[str, ...]:
    if before is None:
        return ("first run",)
    if step.op is ops.APPROVE:
        return ("it is asked anew each time",)
    told = [f"your code {', '.join(sorted(code))} changed"] if code and any(entrypoints(step.params)) else []
    if dict(step.inputs) != dict(before.inputs):
        told.append("it takes what other steps make")
    elif shape(step) != shape(before) and not explained:
        told.append("its parameters changed")
    return tuple(told)
