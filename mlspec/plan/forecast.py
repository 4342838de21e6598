"""Which steps a run would make anew, and why: the local runner's own look into the store, without running or writing anything."""

from __future__ import annotations

import contextvars
import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspec import local
from mlspec.diagnostic import Finding, Problem
from mlspec.plan.difference import Change
from mlspec.runner import Ended, Run, differences
from mlspec.runtime import content
from mlspec.runtime.artifact import digest
from mlspec.store import HOME, Store

if TYPE_CHECKING:
    from mlspec.ir import Pipeline, Step
    from mlspec.lint import Opened
    from mlspec.plan.past import Past

UNKNOWN = "unknown"
"""Stands for the digest of what a step will make anew."""


class Fate(StrEnum):
    """What a run would do with a step."""

    RUNS = "runs"
    MAY = "may run"
    STORED = "stored"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run would do with a step, why, and which changes of the spec are to blame.

    `because` are the steps whose outputs are made anew, so that nobody knows yet whether they stay equal. `seconds` is how long
    it took when it last ran, None where it never did.
    """

    step: str
    fate: Fate
    why: tuple[str, ...] = ()
    causes: tuple[Change, ...] = ()
    because: tuple[str, ...] = ()
    seconds: float | None = None
    new: bool = False
    family: str = ""


class _Reading(Store):
    """A store that is only read: a file's digest that nobody knows yet is found out, and not written down."""

    def file_digest(self, path: Path) -> str:
        known, stat = self._files(), path.stat()
        mark = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        name = str(path.resolve())
        if known.get(name, [None])[:3] != mark:
            known[name] = [*mark, digest(path)]
        return str(known[name][3])


class _Look(Run):
    """The runner, asked for each step what it would find, and never told to go."""

    def __init__(self, pipeline: Pipeline, store: Store, arguments: Mapping[str, str], before: Mapping[str, str]) -> None:
        chosen = {parameter.name: parameter.default for parameter in pipeline.parameters} | dict(arguments)
        super().__init__(pipeline, store, chosen, lambda event: None, (), _context, wait_approvals=False)
        self.before = before  # the key with which each step ended in the run that is compared with
        self._older: dict[str, set[str]] | None = None

    def step(self, step: Step) -> Outlook:
        """Say what a run would do with a step, once that is known of all that it needs."""
        anew = tuple(need for need in step.needs if need not in self.ended)
        params = self._params(step)
        parts = self._parts(step, params)
        unknown = sorted({ref.step for ref in step.inputs.values() if ref.step not in self.ended})
        if not unknown:
            inputs = {name: self._input(step, name) for name in step.inputs}
            record, why = self._found(step, inputs, params, parts)
            if record:
                self.ended[step.id] = Ended("cached", record=record)
                return Outlook(step.id, Fate.STORED)
            return Outlook(step.id, Fate.RUNS, tuple(self._changes(step, parts)) or (why,))
        changed = list(self._changes(step, parts))
        if parts is None:
            return Outlook(step.id, Fate.RUNS, (self._found(step, {}, params, parts)[1],), because=anew)
        if self._made_before(parts):
            return Outlook(step.id, Fate.MAY, tuple(changed), because=tuple(unknown))
        return Outlook(step.id, Fate.RUNS, tuple(changed) or ("first run",), because=tuple(unknown))

    def _changes(self, step: Step, parts: Mapping[str, Any] | None) -> Iterator[str]:
        """Say in the runner's words what of a step's own has changed; what its inputs are is another matter."""
        before = self._previous(step)
        if parts is None or before is None:
            return
        yield from differences(_own(before), _own(parts))

    def _previous(self, step: Step) -> Mapping[str, Any] | None:
        key = self.before.get(step.id)
        record = self.store.find(key) if key else None
        return record.parts if record else self.store.previous(self.pipeline.name, step.id)

    def _input_digest(self, step: Step, name: str) -> str:
        ref = step.inputs[name]
        return super()._input_digest(step, name) if ref.step in self.ended else UNKNOWN

    def _made_before(self, parts: Mapping[str, Any]) -> bool:
        """Whether a step equal in all but its inputs has run before, so that these may be found to be the same again."""
        if self._older is None:
            self._older = {}
            for file in (self.store.root / "steps").glob("*.json"):
                try:
                    told = json.loads(file.read_bytes())["parts"]
                except (OSError, ValueError, KeyError):
                    continue
                self._older.setdefault(str(told.get("op")), set()).add(content.key(_own(told)))
        return content.key(_own(parts)) in self._older.get(str(parts["op"]), ())


def _context(step: str) -> contextvars.Context:
    return contextvars.copy_context()


def _own(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if name != "inputs"}


def forecast(opened: Opened, pipeline: Pipeline, past: Past, causes: Mapping[str, Sequence[Change]]) -> list[Outlook]:
    """Say of each step what `mlspec run` would do with it now, in the pipeline's order, then of steps that are gone.

    `causes` are the changes of the spec that change a step's parameters, by step. Where the data is not there, as on a machine
    that only reviews, nobody can say whether the step that reads it would run: it may.
    """
    if str(opened.folder) not in sys.path:
        sys.path.insert(0, str(opened.folder))  # a source of the user's own is known by its module's file
    before = {step: str(told["key"]) for step, told in past.steps.items() if told.get("key")}
    look = _Look(pipeline, _Reading(HOME), local.arguments(opened, pipeline), before)
    found = []
    for step in pipeline.steps:
        try:
            one = look.step(step)
        except (Problem, OSError) as error:
            one = Outlook(step.id, Fate.MAY, (f"cannot be told here: {_message(error)}",))
        new = past.kind == "none" or (bool(past.steps) and step.id not in past.steps)
        mine = tuple(causes.get(step.id, ())) if one.fate is not Fate.STORED else ()
        found.append(replace(one, new=new, causes=mine, seconds=past.seconds.get(step.id), family=step.family))
    return [*found, *gone(pipeline, past)]


def gone(pipeline: Pipeline, past: Past) -> list[Outlook]:
    """Return the steps of before that are no longer there."""
    known = {step.id for step in (*pipeline.steps, *pipeline.exit)}
    return [Outlook(name, Fate.REMOVED) for name in past.steps if name not in known]


def _message(error: Problem | OSError) -> str:
    if isinstance(error, Problem):
        return "; ".join(fault.message if isinstance(fault, Finding) else fault.finding.message for fault in error.faults)
    return str(error)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run would take: at least (what runs for certain) and at most; `unknown` are steps that have never run here."""

    seconds: tuple[float, float]
    core_hours: tuple[float, float]
    accelerator_hours: tuple[float, float]
    unknown: tuple[str, ...]

    def money(self, price: float) -> tuple[float, float]:
        """Return what machines cost at a price per hour of a step."""
        return (self.seconds[0] * price / 3600, self.seconds[1] * price / 3600)


def cost(pipeline: Pipeline, outlooks: Collection[Outlook]) -> Cost:
    """Add up what steps took when they last ran, with the cores and accelerators that they ask for."""
    least: list[tuple[float, float, float]] = []
    most: list[tuple[float, float, float]] = []
    unknown = []
    for one in outlooks:
        if one.fate in (Fate.STORED, Fate.REMOVED):
            continue
        if one.seconds is None:
            unknown.append(one.step)
            continue
        asked = pipeline[one.step].resources
        hours = one.seconds / 3600
        taken = (one.seconds, hours * (asked.cpu or 0), hours * (asked.accelerators if asked.accelerator else 0))
        most.append(taken)
        if one.fate is Fate.RUNS:
            least.append(taken)
    low, high = ([sum(column) for column in zip(*rows, strict=True)] or [0.0] * 3 for rows in (least, most))
    return Cost((low[0], high[0]), (low[1], high[1]), (low[2], high[2]), tuple(unknown))
