"""Refit transforms and model on folds of the training rows to see how much a score moves."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from mlspec import families
from mlspec.runtime import fitting
from mlspec.runtime.artifact import write_json
from mlspec.runtime.evaluate import Judge, answer
from mlspec.runtime.featurize import unfitted
from mlspec.runtime.folds import folds
from mlspec.runtime.labels import target


@fitting.one_blas_thread()  # held once: to look for the libraries anew takes as long as to score a model
def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `report` (JSON): for each metric its value on every held-back fold, their mean and sample standard deviation.

    Everything that is learned (transforms as well as the model) is learned again on the other folds. A metric that is not a
    number on a fold has null there, and no mean. Metrics are measured as `mlspec.runtime.evaluate` measures them.
    """
    rows = pl.read_parquet(inputs["train"])
    task = params["task"]
    answers = target(rows, task)
    strategy, parts = folds(rows, answers, params)
    judge = Judge(params["metrics"], params)
    scores: dict[str, list[float | None]] = {}
    sizes = []
    for learned_on, held_back in parts:
        model = _fitted(rows[learned_on], answers[learned_on], params)
        sizes.append({"train": len(learned_on), "held_back": len(held_back)})
        for name, value in judge.values(answer(model, rows[held_back], task, params.get("threshold"))).items():
            scores.setdefault(name, []).append(value)
    summaries = {name: _summary(values) for name, values in scores.items()}
    write_json(outputs["report"], {"folds": len(sizes), "strategy": strategy, "rows": sizes, "metrics": summaries})
    return {"folds": len(sizes), "strategy": strategy, **_told(summaries)}


def _fitted(rows: pl.DataFrame, answers: Any, params: Mapping[str, Any]) -> Any:
    task = params["task"]
    featurizer = unfitted(params)
    with fitting.one_blas_thread():
        features = featurizer.fit_transform(rows, answers)
    family = families.load(params["model"], task["kind"])
    return fitting.fit(family, task, int(params["seed"]), featurizer, features, answers)


def _summary(values: Sequence[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        reason = f"not a number on {len(values) - len(known)} of {len(values)} folds"
        return {"values": list(values), "mean": None, "std": None, "reason": reason}
    return {"values": known, "mean": statistics.fmean(known), "std": statistics.stdev(known) if len(known) > 1 else None}


def _told(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{name} (mean)": summary["mean"] for name, summary in metrics.items()}
