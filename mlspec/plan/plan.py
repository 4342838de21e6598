"""Puts a plan together: what changed, what that means, which steps run again, which files change, who must agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspec import build
from mlspec.diagnostic import Finding, Route
from mlspec.plan import approval, elsewhere
from mlspec.plan.approval import Need
from mlspec.plan.blame import blame, lowered
from mlspec.plan.difference import Change, differences
from mlspec.plan.forecast import Cost, Fate, Outlook, cost, forecast
from mlspec.plan.past import Past
from mlspec.plan.risk import RELEASE, Judgement, judge, without_release

if TYPE_CHECKING:
    from mlspec.bundle import Differences
    from mlspec.ir import Pipeline
    from mlspec.layers import Layered
    from mlspec.lint import Opened

SCHEDULES = (("pipeline", "schedule"), ("retraining", "schedule"))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What differs between two specs, what that means, and who must agree."""

    changes: tuple[Change, ...]
    judgements: tuple[Judgement, ...]
    needs: tuple[Need, ...]

    @property
    def level(self) -> str:
        return self.judgements[0].level.value if self.judgements else "safe"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run or a compilation would do. `stored` says whether the steps were looked for in this machine's store; else they
    are compared with those of the spec before.
    """

    name: str
    past: Past
    meaning: Meaning
    steps: tuple[Outlook, ...]
    exit: tuple[str, ...]
    cost: Cost
    files: Differences | None
    directory: Path | None
    backend: str | None
    stored: bool = True

    @property
    def changes(self) -> bool:
        """Whether anything would be done, or the spec says something else than before."""
        runs = any(one.fate is not Fate.STORED for one in self.steps)
        return runs or bool(self.meaning.changes) or bool(self.files)


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Meaning:
    """Say what differs between two resolved specs and what that means."""
    changes = differences(_same_words(old), _same_words(new))
    judgements = judge(changes, old, new)
    return Meaning(tuple(changes), tuple(judgements), tuple(approval.needs(judgements, old, new)))


def make(opened: Opened, pipeline: Pipeline, past: Past, *, backend: str | None = None, directory: Path | None = None) -> Plan:
    """Say what `mlspec run` would do now and, with a backend and a directory, what `mlspec compile` would write."""
    new = build.resolve(opened.checked())
    meaning = compare(past.config, new) if past.config is not None else Meaning((), (), ())
    causes = blame(meaning.changes, past.config, new, opened.folder) if past.config is not None else {}
    built = build.project_of(opened, backend).bundle if backend and directory else None
    files = built.compare(directory) if built and directory else None
    before = lowered(past.config, opened.folder) if past.config is not None and not past.steps else None
    if before is not None:
        past = replace(past, steps={step.id: {} for step in (*before.steps, *before.exit)})
    stored = before is None or (past.kind == "spec" and elsewhere.ran_here(pipeline))
    if before is None or stored:
        steps = forecast(opened, pipeline, past, causes)
    else:
        steps = elsewhere.foresee(pipeline, before, past, causes, _changed_code(pipeline, files))
    meaning = _released(meaning, steps, past, new)
    exits = tuple(step.id for step in pipeline.exit)
    return Plan(pipeline.name, past, meaning, tuple(steps), exits, cost(pipeline, steps), files, directory, backend, stored)


def _released(meaning: Meaning, steps: Sequence[Outlook], past: Past, new: Mapping[str, Any]) -> Meaning:
    """Add that nobody is asked any more before a model is registered, where the step that asked is gone."""
    if past.config is None or not any(one.step == RELEASE and one.fate is Fate.REMOVED for one in steps):
        return meaning
    judgements = (without_release(("retraining", "approve")), *meaning.judgements)
    return Meaning(meaning.changes, judgements, tuple(approval.needs(judgements, past.config, new)))


def _changed_code(pipeline: Pipeline, files: Differences | None) -> list[str]:
    """Return the user's own modules whose text in a compiled project is another."""
    written = (*files.missing, *files.stale, *files.edited) if files else ()
    return [module for module in pipeline.code if any(file == module or file.endswith(f"/{module}") for file in written)]


def unapproved(meaning: Meaning, names: Sequence[str]) -> list[Finding]:
    """Return what nobody of those named may approve."""
    return approval.lacking(meaning.needs, names)


def _same_words(config: Mapping[str, Any]) -> dict[str, Any]:
    """Write what has two spellings in one: `daily` is a schedule's short word."""
    from mlspec.lower import CADENCES

    plain = dict(config)
    for section, key in SCHEDULES:
        inside = plain.get(section)
        if isinstance(inside, Mapping) and inside.get(key) in CADENCES:
            plain[section] = {**inside, key: CADENCES[inside[key]]}
    return plain


def line_of(layered: Layered, route: Route) -> str:
    """Return where a route stands in the spec, `file:line`; the nearest part that is written there, else the file."""
    for size in range(len(route), 0, -1):
        if _written(layered.data, route[:size]):
            name, span, _ = layered.place(route[:size], on="key")
            return f"{name}:{span.line}"
    return layered.name


def _written(data: Any, route: Route) -> bool:
    for part in route:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True
