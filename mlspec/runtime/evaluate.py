"""Score a model on raw rows of every split: values, confidence intervals, slices, fairness and curves of the test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlspec import metrics as catalogue
from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import labels, metric, pickled
from mlspec.runtime.artifact import write_json
from mlspec.runtime.curves import curves
from mlspec.runtime.entrypoint import blame
from mlspec.runtime.fairness import fairness
from mlspec.runtime.fitting import one_blas_thread
from mlspec.runtime.interval import NONE, Interval, bootstrap, interval
from mlspec.runtime.metric import Answers
from mlspec.runtime.slices import Slice, by_column, slices

Array = NDArray[Any]
SPLITS = ("train", "dev", "test")


@one_blas_thread()  # held once: to look for the libraries anew takes as long as to score a model
def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write metrics, predictions and curves; return the number of test rows and each test metric that is a number.

    Classes are predicted as the model's `predict` does, or, with a `threshold` in a two-class task, as positive where the
    probability of the positive class is at least that.
    """
    task = params["task"]
    model = pickled.read(inputs["model"])
    tables = {split: pl.read_parquet(inputs[split]) for split in SPLITS}
    answers = {split: answer(model, table, task, params.get("threshold")) for split, table in tables.items()}
    test, table = answers["test"], tables["test"]
    if not len(test):
        raise Problem(Finding("no-test-rows", "the test split is empty, so nothing can be said of the model", ("splits",)))
    judge = Judge(wanted(params), params, groups(table, params.get("group_by")))
    measured = judge.estimates(test)
    report = {
        "task": dict(task),
        "classes": list(test.labels[: test.known]) or None,
        "positive": test.name_of_positive or None,
        "threshold": _threshold(test, params.get("threshold")),
        "confidence": judge.confidence,
        "splits": {split: {"rows": len(one), "metrics": judge.values(one)} for split, one in answers.items()},
        "metrics": measured,
        "slices": [judge.part(test, one) for one in slices(table, params.get("slices") or ())],
        "fairness": _fairness(test, table, params.get("fairness")),
    }
    write_json(outputs["metrics"], report)
    write_json(outputs["curves"], curves(test, _time(params, table)))
    _predictions(test, table).write_parquet(outputs["predictions"])
    numbers = {name: one["value"] for name, one in measured.items() if one["value"] is not None}
    return {"rows": len(test), **numbers}


def wanted(params: Mapping[str, Any]) -> list[str]:
    """Return the metrics to measure, each once: those asked for, the user's own, and the usual ones of the task."""
    names = [*(params.get("metrics") or ()), *(params.get("custom_metrics") or {}), *metric.DEFAULTS[params["task"]["kind"]]]
    return list(dict.fromkeys(names))


def answer(model: Any, table: pl.DataFrame, task: Mapping[str, Any], threshold: float | None = None) -> Answers:
    """Return what is true and what the model says of raw rows. Raises Problem for a target, or a row, that cannot be read."""
    truth = labels.target(table, dict(task))
    if task["kind"] == "regression":
        predicted, _ = predict(model, table, probabilities=False)
        return metric.measured(truth, predicted)
    classes = [str(label) for label in model.classes_]
    guess, proba = predict(model, table, probabilities=True)
    positive = metric.positive_class(classes, labels.text_of_value(task.get("positive")))
    if threshold is not None and proba is not None and positive in classes:
        place = classes.index(positive)
        guess = np.asarray(classes)[np.where(proba[:, place] >= threshold, place, 1 - place)]
    return metric.classified(truth, guess, proba, classes, positive)


def predict(model: Any, rows: Any, *, probabilities: bool) -> tuple[Array, Array | None]:
    """Return predictions and, where they are asked for and the model has them, probabilities; features are made only once."""
    if not len(rows):
        return np.zeros(0, dtype=np.str_), None
    steps = getattr(model, "steps", None)
    estimator = steps[-1][1] if steps else model
    with one_blas_thread(), blame(type(estimator).__name__):
        features = model[:-1].transform(rows) if steps and len(steps) > 1 else rows
        guess = np.asarray(estimator.predict(features))
        if not probabilities:
            return guess, None
        proba = np.asarray(estimator.predict_proba(features), dtype=float) if hasattr(estimator, "predict_proba") else None
        return guess.astype(np.str_), proba


@dataclass(frozen=True, slots=True)
class Judge:
    """The metrics to measure, how to find them, and the group of each test row."""

    names: Sequence[str]
    params: Mapping[str, Any]
    groups: Array | None = None

    @property
    def confidence(self) -> float:
        return float(self.params.get("confidence") or 0.95)

    @property
    def custom(self) -> Mapping[str, Any]:
        return self.params.get("custom_metrics") or {}

    def explained(self, name: str, answers: Answers) -> tuple[float | None, str | None]:
        """Return a metric and None, or None and why it is not a number."""
        if name in self.custom:
            return metric.custom(name, self.custom[name]["entrypoint"], answers) if len(answers) else (None, "there are no rows")
        return metric.explained(name, answers)

    def values(self, answers: Answers) -> dict[str, float | None]:
        return {name: self.explained(name, answers)[0] for name in self.names}

    def estimates(self, answers: Answers, rows: Array | None = None) -> dict[str, Any]:
        """Return each metric of the test rows, or of a mask of them, with its interval."""
        groups = self.groups if rows is None or self.groups is None else self.groups[rows]
        chosen = answers if rows is None else answers.take(rows)
        return {name: self._estimate(name, chosen, groups) for name in self.names}

    def _estimate(self, name: str, answers: Answers, groups: Array | None) -> dict[str, Any]:
        value, reason = self.explained(name, answers)
        found = NONE if value is None else self._interval(name, answers, value, groups)
        return {
            "value": value,
            "low": found.low,
            "high": found.high,
            "method": found.method,
            "rows": len(answers),
            "reason": reason,
            "greater_is_better": metric.greater_is_better(name, self.custom),
        }

    def _interval(self, name: str, answers: Answers, value: float, groups: Array | None) -> Interval:
        if name not in self.custom:
            return interval(name, answers, value, self.confidence, groups)

        def statistic(rows: Array) -> float | None:
            return self.explained(name, answers.take(rows))[0]

        return bootstrap(statistic, len(answers), value, self.confidence, int(self.params.get("seed") or 0), groups)

    def part(self, answers: Answers, one: Slice) -> dict[str, Any]:
        return {
            "name": one.name,
            "column": one.column,
            "rows": int(one.rows.sum()),
            "metrics": self.estimates(answers, one.rows),
        }


def groups(table: pl.DataFrame, group_by: str | Sequence[str] | None) -> Array | None:
    """Return the group of each row as an integer: rows of one group are not independent, so intervals count groups."""
    names = [group_by] if isinstance(group_by, str) else list(group_by or ())
    if not names:
        return None
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise Problem(Finding("unknown-column", f"there is no column {missing[0]!r} to group by", ("splits", "group_by")))
    ranked = table.select(pl.struct(names).rank("dense").alias("group"))["group"]
    return np.asarray(ranked.to_numpy()).astype(np.int64)


def _threshold(answers: Answers, given: float | None) -> float | None:
    if answers.positive is None or answers.proba is None:
        return None
    return 0.5 if given is None else float(given)


def _fairness(answers: Answers, table: pl.DataFrame, wish: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if not wish:
        return []
    if not answers.labels:
        raise Problem(Finding("wrong-metric", "fairness compares rates of classes, not of numbers", ("evaluation", "fairness")))
    if wish["metric"] not in catalogue.FAIRNESS:
        help_text = f"one of {', '.join(catalogue.FAIRNESS)}"
        raise Problem(
            Finding(
                "unknown-metric",
                f"there is no fairness metric {wish['metric']!r}",
                ("evaluation", "fairness", "metric"),
                help=help_text,
            )
        )
    route = ("evaluation", "fairness", "sensitive")
    return [
        fairness(answers, name, wish["metric"], by_column(table, name, route=(*route, place)))
        for place, name in enumerate(wish["sensitive"])
    ]


def _time(params: Mapping[str, Any], table: pl.DataFrame) -> pl.Series | None:
    """Return the column that orders the rows in time, if there is one."""
    columns = params.get("columns") or {}
    named = [params.get("time"), *(name for name, one in columns.items() if one.get("role") == "time")]
    return next((table[name] for name in named if name in table.columns), None)


def _predictions(answers: Answers, table: pl.DataFrame) -> pl.DataFrame:
    """Return the test rows in their order: __row__, actual, predicted, and the probability of each class."""
    row = table["__row__"] if "__row__" in table.columns else pl.Series(range(len(table)), dtype=pl.UInt64)
    if not answers.labels:
        return pl.DataFrame({"__row__": row, "actual": answers.truth, "predicted": answers.guess})
    names = pl.Series(list(answers.labels), dtype=pl.String)
    said = {"actual": names.gather(answers.truth), "predicted": names.gather(answers.guess)}
    proba = (
        {}
        if answers.proba is None
        else {f"proba_{answers.labels[place]}": answers.proba[:, place] for place in range(answers.known)}
    )
    return pl.DataFrame({"__row__": row, **said, **proba})
