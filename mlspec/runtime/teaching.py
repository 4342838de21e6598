"""What a large model says of the training rows, for a small one to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import evaluate, labels, pickled

ROUTE = ("compress", "distill", "teacher")


def lessons(inputs: Mapping[str, Path], task: Mapping[str, Any], truth: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the teacher's probabilities of the raw rows, a column for each class of `truth`, or its predictions in one column.

    The rows are those that the teacher was fitted to, so that it is surer of them than of others; the temperature makes up for
    some of that. Raises Problem where it gives no probabilities.
    """
    teacher, rows = pickled.read(inputs["teacher"]), pl.read_parquet(inputs["train"])
    if not np.array_equal(labels.target(rows, dict(task)), truth):
        raise RuntimeError("the teacher's rows are not those of the features")
    guess, shares = evaluate.predict(teacher, rows, probabilities=task["kind"] == "classification")
    if task["kind"] != "classification":
        return np.asarray(guess, dtype=np.float64).reshape(-1, 1)
    if shares is None:
        message = "the teacher gives labels and no probabilities: there is nothing in them that the labels do not say"
        raise Problem(Finding("no-probabilities", message, ROUTE))
    known = [str(one) for one in teacher.classes_]
    return shares[:, [known.index(str(one)) for one in np.unique(truth)]]
