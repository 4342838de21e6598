"""The proof that an export still is the model: the shipped files are run on every test row, by the shipped runner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlspec.diagnostic import Finding, Problem
from mlspec.exports._answers import AGREEING, EQUAL, classes_of
from mlspec.runtime import metric
from mlspec.runtime.artifact import finite
from mlspec.runtime.evaluate import Judge
from mlspec.runtime.metric import Answers
from mlspec.runtime.slices import Slice

Array = np.ndarray[Any, Any]
Json = dict[str, Any]

TIME_LIMIT = 600.0
"""Seconds that a runtime may take for the test rows: what hangs is stopped, and is a fault of the export."""

OFF = 1e-4
"""A row is off where a probability (or a number, as a share of the largest one) differs by more."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What is asked of an export by how its numbers are shortened: label agreement, and the largest difference."""

    agreement: float
    difference: float | None


TOLERANCES = {
    "none": Tolerance(0.999, 1e-4),
    "float16": Tolerance(AGREEING, 5e-3),
    "weights": Tolerance(AGREEING, None),
    "dynamic": Tolerance(AGREEING, None),
    "int16x8": Tolerance(AGREEING, None),
    "int8": Tolerance(AGREEING, None),
    "int8_aware": Tolerance(AGREEING, None),
}
"""For float32: half of a unit in the last place of a probability, many times over, is far below 1e-4; a difference above it is
another model. Eight bits hold 256 steps, so that no bound on a probability holds for all: there labels and metrics decide."""


def scores(place: Path, rows: Sequence[Json], precision: str = "f32") -> Array:
    """Run the bundle in a directory on rows, in a process of its own; raise Problem where that fails."""
    with tempfile.TemporaryDirectory(prefix="mlspec-") as name:
        asked, told = Path(name, "rows.jsonl"), Path(name, "scores.npy")
        asked.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        _run(place, ["runner.py", str(asked), "--scores", str(told), "--precision", precision])
        found: Array = np.load(told)
        return found


def timing(place: Path, seconds: float, precision: str = "f32") -> Json:
    """Measure the bundle in a directory on this machine, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="mlspec-") as name:
        told = Path(name, "result.json")
        _run(place, ["bench.py", "--seconds", str(seconds), "--precision", precision, "--out", str(told)])
        found: Json = json.loads(told.read_text(encoding="utf-8"))
        return found


def _run(place: Path, words: Sequence[str]) -> None:
    ended = started(place / words[0], words[1:])
    if ended is None:
        raise Problem(Finding("export-does-not-run", f"{words[0]} took longer than {TIME_LIMIT:g} s and was stopped"))
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip().splitlines()
        reason = said[-1] if said else f"exit code {ended.returncode}"
        message = f"the exported model does not run: {reason}"
        raise Problem(Finding("export-does-not-run", message, help=f"{words[0]} ended with exit code {ended.returncode}"))


def started(script: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    """Run a script of `device/` in a process of its own, and wait for its end; None where it took too long and was stopped."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # the bundle is what was written into it
    command = [sys.executable, str(script), *words]
    try:
        return subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIME_LIMIT,
            env=environment,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return None


def answers(found: Array, source: Answers, about: Mapping[str, Any]) -> Answers:
    """Return an export's scores as answers to the rows that the source model answered, judged by the same threshold."""
    classes = about["classes"]
    if not classes:
        return metric.measured(source.truth, found[:, 0].astype(float))
    labels = np.asarray(classes)
    guess = labels[classes_of(found, about)]
    truth = np.asarray(source.labels)[source.truth]
    # sums of float32 may end a digit above 1, which metrics refuse; how far they really are off is parity's to say
    return metric.classified(truth, guess, np.clip(found.astype(float), 0.0, 1.0), list(classes), about["positive"])


def parity(source: Answers, exported: Answers, found: Array, threshold: float | None) -> Json:
    """Compare row by row `found`, the bare scores that `exported` was made of, with what the source model says.

    Numbers of a regression are compared as shares of the largest one of the source's. Classes agree as `agreement` says.
    """
    expected = stated(source)
    scale = 1.0 if source.labels else max(1.0, float(np.abs(expected).max(initial=0.0)))
    apart = np.abs(found.astype(float) - expected) / scale
    apart = np.where(np.isfinite(found), apart, np.inf)
    worst = apart.max(axis=1) if len(apart) else np.zeros(0)
    told = {
        "rows": len(expected),
        "not_finite": int((~np.isfinite(found)).any(axis=1).sum()),
        "max_difference": finite(worst.max(initial=0.0)),
        "mean_difference": finite(worst.mean() if len(worst) else 0.0),
        "rows_off": int((worst > OFF).sum()),
    }
    return told | ({"agreement": agreement(source, exported, threshold)} if source.labels else {})


def stated(source: Answers) -> Array:
    """Return what a model says as an export says it: a probability for each class it knows, or one number, for each row."""
    if source.labels:
        assert source.proba is not None, "what is exported gives probabilities"
        return source.proba
    numbers: Array = source.guess.reshape(-1, 1)
    return numbers


def agreement(source: Answers, exported: Answers, threshold: float | None) -> float:
    """Return the share of rows with the same label. Where the source itself is undecided (a forest whose trees are split in
    halves, a probability that is the threshold), either label is the same.
    """
    expected, same = stated(source), source.guess == exported.guess
    if not len(expected):
        return 1.0
    if threshold is None or source.positive is None:
        undecided = expected[np.arange(len(expected)), exported.guess] >= expected.max(axis=1) - EQUAL
    else:
        undecided = np.abs(expected[:, source.positive] - threshold) <= EQUAL
    return float((same | undecided).mean())


def uncompared(judge: Judge, source: Answers, slices: Sequence[Slice]) -> Json:
    """Return what `parity` and `compared` would, of an export that cannot be run here: only the source's part is known."""
    names = ("not_finite", "max_difference", "mean_difference", "rows_off", *(("agreement",) if source.labels else ()))
    told = compared(judge, source, source, slices)
    for one in (told["metrics"], *(part["metrics"] for part in told["slices"])):
        for pair in one.values():
            pair |= {"exported": dict.fromkeys(pair["source"]), "drop": None}
    return {"parity": {"rows": len(source.guess), **dict.fromkeys(names)}, **told}


def compared(judge: Judge, source: Answers, exported: Answers, slices: Sequence[Slice]) -> Json:
    """Measure source and export on the same rows: each metric with its interval, over all and in each slice."""
    said = {"source": judge.estimates(source), "exported": judge.estimates(exported)}
    parts = []
    for one in slices:
        mine, theirs = judge.estimates(source, one.rows), judge.estimates(exported, one.rows)
        parts.append({"name": one.name, "rows": int(one.rows.sum()), "metrics": _pairs(mine, theirs)})
    return {"metrics": _pairs(said["source"], said["exported"]), "slices": parts}


def _pairs(source: Mapping[str, Any], exported: Mapping[str, Any]) -> Json:
    kept = ("value", "low", "high")
    return {
        name: {
            "source": {key: one[key] for key in kept},
            "exported": {key: exported[name][key] for key in kept},
            "drop": drop(one, exported[name]),
        }
        for name, one in source.items()
    }


def drop(source: Mapping[str, Any], exported: Mapping[str, Any]) -> float | None:
    """How much worse, as a share of the source's score; below 0 where it is better."""
    before, after = source["value"], exported["value"]
    if before is None or after is None:
        return None
    if before == after:
        return 0.0
    sign = 1 if source["greater_is_better"] else -1
    return finite(round(sign * (before - after) / abs(before), 12)) if before else None
