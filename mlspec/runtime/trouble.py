"""What went wrong in a step, in the guide's words: which lines of the spec it came from, what is likely, what to change."""

from __future__ import annotations

import builtins
import functools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from mlspec.diagnostic import Finding, Problem, dotted

TRACE = "MLSPEC_TRACE"
"""Names the project's trace.json at run time; without it the one in the working directory counts."""

TROUBLESHOOTING, PITFALLS, OURS = "guide: troubleshooting", "guide: common pitfalls", ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the guide's tables: the problem, how it shows, what to do; and the keys of the spec where one does it.

    `{step}` in a key stands for the section of a step of the user's own (`steps.name`).
    """

    title: str
    symptoms: str
    do: tuple[str, ...]
    source: str = TROUBLESHOOTING
    keys: tuple[str, ...] = ()
    own: tuple[str, ...] = ()  # the keys where the step is the user's own


ROWS: dict[str, Row] = {
    "overfitting": Row(
        "Overfitting",
        "high train, low validation score",
        ("More data", "Regularization", "A simpler model"),
        keys=("data.sources", "model.params", "model.kind"),
    ),
    "underfitting": Row(
        "Underfitting",
        "low train and validation score",
        ("A more complex model", "Feature engineering"),
        keys=("model.kind", "features"),
    ),
    "data_drift": Row(
        "Data drift",
        "gradual performance decline",
        ("Retrain the model", "Update the features"),
        keys=("retraining.on", "features"),
    ),
    "concept_drift": Row(
        "Concept drift",
        "sudden performance drop",
        ("Emergency retraining", "Human review"),
        keys=("retraining.on", "retraining.approve"),
    ),
    "latency": Row(
        "High latency",
        "slow predictions",
        ("Model optimization", "Caching", "Scaling"),
        keys=("model.kind", "compress", "deployment.scale"),
    ),
    "memory": Row(
        "Memory issues",
        "out of memory errors",
        ("Batch size reduction", "Model pruning", "A machine with more memory"),
        keys=("hardware.training.memory", "model.params", "data.sources"),
        own=("{step}.resources.memory",),
    ),
    "integration": Row(
        "Integration failures",
        "API errors, timeouts",
        ("Better error handling", "Monitoring", "More tries, or more time"),
        keys=("pipeline.retries", "pipeline.timeout"),
        own=("{step}.retries", "{step}.timeout"),
    ),
    "leakage": Row(
        "Data leakage",
        "future information in training",
        (
            "Split by the id or group that repeats",
            "Split by time, with a gap",
            "Audit the features: which are known when it counts?",
        ),
        PITFALLS,
        keys=("splits.group_by", "splits.strategy", "splits.gap"),
    ),
    "quality": Row(
        "Data quality",
        "poor model due to bad data",
        (
            "Look at the failing rows",
            "Repair the source, or set the rows aside",
            "Loosen the check only if it asks too much",
        ),
        PITFALLS,
        keys=("data.sources", "data.checks", "data.columns", "data.on_failure"),
    ),
    "baseline": Row(
        "No better than the baseline",
        "starting with complicated models",
        ("Ship the simpler model", "Work on the features before the model", "Check that both saw the same rows"),
        PITFALLS,
        keys=("baseline", "features", "evaluation.beat_baseline_by"),
    ),
    "too_good": Row(
        "Too good to be true?",
        "future information in training",
        ("Look for a feature that is made from the target", "Audit what is known when a prediction is made"),
        PITFALLS,
        keys=("features", "data.columns"),
    ),
    "slice": Row(
        "A part of the rows is served badly",
        "one slice scores far below the whole",
        (
            "See the slices, worst first",
            "Collect more rows of that part",
            "Add features that tell its rows apart",
            "Check its labels",
        ),
        OURS,
        keys=("evaluation.slices", "data.sources", "features"),
    ),
    "fairness": Row(
        "Groups are treated differently",
        "rates differ between groups",
        (
            "Compare the rates of the groups",
            "Balance or reweight the training rows",
            "Choose thresholds with the people concerned",
        ),
        OURS,
        keys=("evaluation.fairness", "evaluation.threshold", "data.sources"),
    ),
}
"""Each trouble we can tell apart. The report page's advice (`mlspec.runtime.advice`) reads the same rows."""

KINDS = {
    "overfitting": "overfitting",
    "beat_baseline": "baseline",
    "worst_slice": "slice",
    "fairness": "fairness",
    "data": "quality",
    "split": "leakage",
    "data_drift": "data_drift",
    "concept_drift": "concept_drift",
    "latency": "latency",
}
"""What a missed requirement points to; a metric's target is looked at (`fit`). A verdict of the user's own may name one."""

CODES = {"step-timed-out": "integration", "step-killed": "memory"}
"""What a finding of the runtime points to, by its code."""

RAISED = {
    "MemoryError": "memory",
    "_ArrayMemoryError": "memory",
    "ConnectionError": "integration",
    "TimeoutError": "integration",
    "HTTPError": "integration",
    "URLError": "integration",
    "gaierror": "integration",
}
"""What an exception points to, by its name or that of a class above it."""

USERS = ("python", "container")
"""The ops of steps that the spec's `steps` declare."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


def fit(train: float, held: float, better: int, allowed: float, target: float | None) -> str | None:
    """Return "overfitting" where the score falls off from the rows that were learned to others, "underfitting" where even the
    former miss the target, None where neither shows. `better` is 1 where more is better, -1 where less is.
    """
    if better * (train - held) > allowed:
        return "overfitting"
    return "underfitting" if target is not None and better * (train - target) < 0 else None


def told(run: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let `runtime.run` say of what a step raises where in the spec it comes from and what to change.

    The exception is the same one: a Problem has the text in the help of its last fault, any other as a note, which
    tracebacks show.
    """

    @functools.wraps(run)
    def runs(*given: _P.args, **named: _P.kwargs) -> _R:
        try:
            return run(*given, **named)
        except Exception as error:
            step: Any = named.get("step")
            if step is not None:
                options: Mapping[str, Any] = named
                op = str(given[0] if given else options["op"])
                _tell(error, "\n  ".join(explain(error, op, str(step), options.get("inputs") or {})))
            raise

    return runs


def explain(error: Exception, op: str, step: str, inputs: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about a failure: the step and its lines of the spec, the guide's row, the keys to change."""
    traced = _traced(step, op)
    routes = list(traced.get("routes", ()))
    if traced:
        places = f" ({', '.join(traced['places'])})" if traced.get("places") else ""
        yield f"step {step} comes from {', '.join(routes)}{places}"
    names = list(_rows(error, op, inputs))
    for name in names:
        row = ROWS[name]
        yield f"{row.title} ({row.symptoms}): {'; '.join(row.do)}" + (f" [{row.source}]" if row.source else "")
    # The local runner shows the spec's lines itself and has no trace.json: a step of the user's own is known by its op.
    mine = f"steps.{step}" in routes if traced else op in USERS
    keys = dict.fromkeys(_keys(error, f"steps.{step}" if mine else "", names))
    if keys:
        yield f"to change: {', '.join(keys)}"


def _tell(error: Exception, text: str) -> None:
    if not text:
        return
    if not isinstance(error, Problem):
        error.add_note(text)
        return
    *first, last = error.faults
    if isinstance(last, Finding):
        last = replace(last, help="\n  ".join(part for part in (last.help, text) if part))
        error.faults = (*first, last)
        error.args = ("\n".join(str(fault) for fault in error.faults),)


def _traced(step: str, op: str) -> Mapping[str, Any]:
    """Return what trace.json says of a step; empty where there is none, or it is of another project."""
    try:
        found = json.loads(Path(os.environ.get(TRACE) or "trace.json").read_text(encoding="utf-8"))["steps"][step]
        routes, places = list(map(str, found["routes"])), list(map(str, found.get("places", ())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {"routes": routes, "places": places} if found.get("op") == op else {}


def _rows(error: Exception, op: str, inputs: Mapping[str, Any]) -> Iterator[str]:
    found = dict.fromkeys(name for name in _suspects(error, inputs) if name in ROWS)
    yield from found or (("quality",) if op == "validate" and isinstance(error, Problem) else ())


def _suspects(error: Exception, inputs: Mapping[str, Any]) -> Iterator[str]:
    for name in _names(error):
        if name in RAISED:
            yield RAISED[name]
    if not isinstance(error, Problem):
        return
    yield from (CODES[fault.code] for fault in error.faults if isinstance(fault, Finding) and fault.code in CODES)
    if any(isinstance(fault, Finding) and fault.code == "gate-failed" for fault in error.faults):
        yield from _missed(_json(inputs.get("decision")))


def _names(error: BaseException) -> Iterator[str]:
    """Yield the names of an exception's classes, of what caused it, and of what its text says was raised."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        yield from (one.__name__ for one in type(cause).__mro__)
        cause = cause.__cause__ or cause.__context__
    # Of a child process, and of the user's own code, the text names what was raised.
    for name in re.findall(r"^(?:.* raised )?(?:\w+\.)*(\w+)(?::|$)", str(error), re.M):
        known = getattr(builtins, name, None)
        yield from (one.__name__ for one in known.__mro__) if isinstance(known, type) else (name,)


def _missed(verdict: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the requirements that a verdict finds missed point to; without requirements it is one on the data."""
    requirements = verdict.get("requirements")
    if not isinstance(requirements, list):
        yield "quality"
        return
    for one in requirements:
        if isinstance(one, Mapping) and one.get("verdict") != "pass":
            yield KINDS.get(str(one.get("kind")), "") or _fit(one) or ""


def _fit(one: Mapping[str, Any]) -> str | None:
    wanted = re.search(r"(>=|<=|>|<)\s*(\S+)$", str(one.get("target")))
    train, held = one.get("train"), one.get("held")
    if not wanted or not isinstance(train, int | float) or not isinstance(held, int | float):
        return None
    better, target = 1 if wanted[1].startswith(">") else -1, float(wanted[2])
    return fit(train, held, better, gap(train, better), target)


def gap(train: float, better: int) -> float:
    """Return how far a score may fall off where the spec says nothing: 0.05 of a share, a tenth of an error."""
    return 0.05 if abs(train) <= 1 and better == 1 else 0.1 * abs(train)


def _json(place: Any) -> Mapping[str, Any]:
    try:
        found = json.loads(Path(place).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _keys(error: Exception, own: str, names: list[str]) -> Iterator[str]:
    """Yield the keys of the spec that a failure points to; `own` is the section of a step of the user's own, else empty."""
    for name in names:
        row = ROWS[name]
        yield from (key.format(step=own) for key in row.own) if own and row.own else row.keys
    if isinstance(error, Problem):
        yield from (dotted(fault.route) for fault in error.faults if isinstance(fault, Finding) and fault.route)
    if own and not names:
        yield own
