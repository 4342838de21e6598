"""Fit transforms and model with the hyperparameters of one trial, and score them on rows that are no test rows."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import child, fitting
from mlspec.runtime.artifact import read_json, write_json
from mlspec.runtime.cross_validate import fitted, held_back
from mlspec.runtime.evaluate import Judge, answer
from mlspec.runtime.folds import folds
from mlspec.runtime.hyperparameters import laid_over
from mlspec.runtime.labels import target


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `score` (JSON: trial, params, metric, score, and where there is no score the reason).

    The trial is the one at `index` of the report `trials`. Its score is the metric on the rows of `dev`, or without them its
    mean over `folds` of the training rows. A trial whose parameters cannot be fitted, or that takes longer than `limit` seconds,
    has no score and says why: the search goes on without it.
    """
    if params.get("limit") is not None:
        return _in_time(inputs, outputs, params)
    asked = read_json(inputs["trials"])["trials"][int(params["index"])]
    try:
        score, reason = _score(inputs, laid_over(params, asked["params"])), None
    except Problem as problem:
        score, reason = None, "; ".join(one.message for one in problem.faults if isinstance(one, Finding))
    if score is None:
        reason = reason or f"{params['metric']} is not a number"
    write_json(outputs["score"], {**asked, "metric": params["metric"], "score": score, "reason": reason})
    told = {name: value for name, value in asked["params"].items() if isinstance(value, str | int | float)}
    return {params["metric"]: score if score is not None else reason, **told}


def _in_time(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Run in a process of its own that can be stopped."""
    limit = float(params["limit"])
    try:
        return child.run("trial", inputs, outputs, {**params, "limit": None}, limit, {})
    except child.TimedOut:
        asked = read_json(inputs["trials"])["trials"][int(params["index"])]
        reason = f"it took longer than its share of the search's time, {limit:g} s"
        write_json(outputs["score"], {**asked, "metric": params["metric"], "score": None, "reason": reason})
        return {params["metric"]: reason}


@fitting.one_blas_thread()
def _score(inputs: Mapping[str, Path], params: Mapping[str, Any]) -> float | None:
    rows, task = pl.read_parquet(inputs["train"]), params["task"]
    answers = target(rows, task)
    judge = Judge([params["metric"]], params)
    if "dev" in inputs:
        model = fitted(rows, answers, params)
        return judge.values(answer(model, pl.read_parquet(inputs["dev"]), task, params.get("threshold")))[params["metric"]]
    _, parts = folds(rows, answers, params)
    scores = [held_back(rows, answers, part, judge, params)[params["metric"]] for part in parts]
    known = [one for one in scores if one is not None]
    return statistics.fmean(known) if len(known) == len(scores) else None
