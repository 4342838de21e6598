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
from mlspec.runtime.folds import Rows, folds
from mlspec.runtime.hyperparameters import settled
from mlspec.runtime.labels import target


@fitting.one_blas_thread()  # held once: to look for the libraries anew takes as long as to score a model
def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `report` (JSON): for each metric its value on every held-back fold, their mean and sample standard deviation.

    Everything that is learned (transforms as well as the model) is learned again on the other folds. A metric that is not a
    number on a fold has null there, and no mean. Metrics are measured as `mlspec.runtime.evaluate` measures them. What a search
    has chosen (`chosen`) is laid over the model's parameters.
    """
    params = settled(inputs, params)
    rows = pl.read_parquet(inputs["train"])
    answers = target(rows, params["task"])
    strategy, parts = folds(rows, answers, params)
    judge = Judge(params["metrics"], params)
    return written(outputs["report"], strategy, [(sizes(part), held_back(rows, answers, part, judge, params)) for part in parts])


def sizes(part: tuple[Rows, Rows]) -> dict[str, int]:
    """Return how many rows of a fold are learned from, and how many are held back."""
    return {"train": len(part[0]), "held_back": len(part[1])}


def held_back(
    rows: pl.DataFrame, answers: Any, part: tuple[Rows, Rows], judge: Judge, params: Mapping[str, Any]
) -> dict[str, float | None]:
    """Return the metrics on the rows that a fold holds back, of a model that has learned from the others."""
    learned_on, kept = part
    model = fitted(rows[learned_on], answers[learned_on], params)
    return judge.values(answer(model, rows[kept], params["task"], params.get("threshold")))


def fitted(rows: pl.DataFrame, answers: Any, params: Mapping[str, Any]) -> Any:
    """Return transforms and model that have learned from these rows, as one scikit-learn pipeline."""
    task = params["task"]
    family = families.load(params["model"], task["kind"])
    featurizer = unfitted(params)
    with fitting.one_blas_thread():
        features = featurizer.fit_transform(rows, answers)
    return fitting.fit(family, task, int(params["seed"]), featurizer, features, answers, params)


def written(place: Path, strategy: str, found: Sequence[tuple[Mapping[str, int], Mapping[str, float | None]]]) -> dict[str, Any]:
    """Write the report of all folds, each by its sizes and metrics, and return its facts."""
    names = list(dict.fromkeys(name for _, values in found for name in values))
    summaries = {name: _summary([values[name] for _, values in found]) for name in names}
    rows = [dict(one) for one, _ in found]
    write_json(place, {"folds": len(found), "strategy": strategy, "rows": rows, "metrics": summaries})
    return {"folds": len(found), "strategy": strategy, **_told(summaries)}


def _summary(values: Sequence[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        reason = f"not a number on {len(values) - len(known)} of {len(values)} folds"
        return {"values": list(values), "mean": None, "std": None, "reason": reason}
    return {"values": known, "mean": statistics.fmean(known), "std": statistics.stdev(known) if len(known) > 1 else None}


def _told(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{name} (mean)": summary["mean"] for name, summary in metrics.items()}
