"""Refit transforms and model without one fold of the training rows, and score them on it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from mlspec.runtime import fitting
from mlspec.runtime.artifact import write_json
from mlspec.runtime.cross_validate import held_back, sizes
from mlspec.runtime.evaluate import Judge
from mlspec.runtime.folds import folds
from mlspec.runtime.hyperparameters import settled
from mlspec.runtime.labels import target


@fitting.one_blas_thread()
def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `score` (JSON: fold, strategy, rows, metrics) of the fold at `index`; see `mlspec.runtime.cross_validate`."""
    params = settled(inputs, params)
    rows = pl.read_parquet(inputs["train"])
    answers = target(rows, params["task"])
    strategy, parts = folds(rows, answers, params)
    index = int(params["index"])
    part = next(islice(parts, index, None))
    values = held_back(rows, answers, part, Judge(params["metrics"], params), params)
    write_json(outputs["score"], {"fold": index + 1, "strategy": strategy, "rows": sizes(part), "metrics": values})
    return {"fold": index + 1, **values}
