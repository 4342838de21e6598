"""Measure how much each raw column matters: how much worse the test score gets when the column's values are shuffled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import metric, pickled
from mlspec.runtime.artifact import write_json
from mlspec.runtime.evaluate import Judge, answer
from mlspec.runtime.fitting import one_blas_thread

Array = NDArray[Any]
MOST_ROWS = 5000
"""Test rows that are used: the cost is columns x repeats x rows, and a score of 5,000 rows is good to about a point."""

_ROWS_AT_ONCE = 50_000  # without arrays: a row with one counts as many as it has numbers for a hundred


@one_blas_thread()  # held once: to look for the libraries anew takes as long as to score a model
def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write the importance of each raw column that the model takes, largest first: mean and standard deviation over repeats.

    Permutation importance (Breiman 2001; scikit-learn's `permutation_importance`, which takes no Polars frame) of raw columns:
    the loss of the metric in its own unit, positive where the column helps, whichever direction of the metric is better.
    """
    name, repeats, seed = params["metric"], int(params.get("repeats") or 5), int(params.get("seed") or 0)
    model = pickled.read(inputs["model"])
    table = _sample(pl.read_parquet(inputs["test"]), seed)
    columns = _columns(model, table, params["task"]["target"])
    score = _Score(model, name, params)
    (whole,) = score(table, 1)
    shuffles = np.random.default_rng(seed).permuted(np.tile(np.arange(len(table)), (repeats, 1)), axis=1)
    losses = {
        column: (whole - np.asarray(shuffled)) * score.sign
        for batch in _batches(columns, repeats * len(table) * _size(table))
        for column, shuffled in _shuffled(score, table, batch, shuffles)
    }
    rows = [{"name": column, "mean": float(loss.mean()), "std": float(loss.std())} for column, loss in losses.items()]
    rows.sort(key=lambda row: (-float(str(row["mean"])), str(row["name"])))
    write_json(outputs["importance"], {"metric": name, "repeats": repeats, "rows": len(table), "columns": rows})
    return {"rows": len(table), "columns": len(rows), "most_important": rows[0]["name"] if rows else ""}


class _Score:
    """The metric of a model on raw rows."""

    def __init__(self, model: Any, name: str, params: Mapping[str, Any]) -> None:
        self.model, self.name, self.params = model, name, params
        self.judge = Judge([name], params)
        self.sign = 1 if metric.greater_is_better(name, self.judge.custom) else -1

    def __call__(self, rows: pl.DataFrame, parts: int) -> list[float]:
        """Return the metric of each of `parts` equal parts of the rows, predicted in one go: a call costs more than a row."""
        answers = answer(self.model, rows, self.params["task"], self.params.get("threshold"))
        return [self._number(answers.take(part)) for part in np.split(np.arange(len(rows)), parts)]

    def _number(self, answers: metric.Answers) -> float:
        value, reason = self.judge.explained(self.name, answers)
        if value is None:
            raise Problem(
                Finding("not-a-number", f"no column can be explained by {self.name}: {reason}", ("evaluation", "explain"))
            )
        return value


def _shuffled(score: _Score, table: pl.DataFrame, columns: Sequence[str], shuffles: Array) -> Iterator[tuple[str, list[float]]]:
    """Yield for each column the metric under each shuffle of its values."""
    frames = [table.with_columns(table[column].gather(shuffle)) for column in columns for shuffle in shuffles]
    values = score(pl.concat(frames), len(frames))
    for place, column in enumerate(columns):
        yield column, values[place * len(shuffles) : (place + 1) * len(shuffles)]


def _batches(columns: Sequence[str], rows_each: int) -> Iterator[Sequence[str]]:
    size = max(1, _ROWS_AT_ONCE // rows_each)
    for start in range(0, len(columns), size):
        yield columns[start : start + size]


def _size(table: pl.DataFrame) -> int:
    """How many rows without arrays a row is as large as."""
    numbers = sum(prod(dtype.shape) for dtype in table.dtypes if isinstance(dtype, pl.Array))
    return 1 + numbers // 100


def _sample(table: pl.DataFrame, seed: int) -> pl.DataFrame:
    if not len(table):
        raise Problem(Finding("no-test-rows", "the test split is empty, so nothing can be explained", ("splits",)))
    return table if len(table) <= MOST_ROWS else table.sample(MOST_ROWS, seed=seed)


def _columns(model: Any, table: pl.DataFrame, target: str) -> list[str]:
    """Return the raw columns that the model takes: its `feature_names_in_`, in the order of the table."""
    takes = getattr(model, "feature_names_in_", None)
    known = set(table.columns) - {target, "__row__"} if takes is None else {str(name) for name in takes}
    return [name for name in table.columns if name in known]
