"""The target as models see it: classes as text, quantities as float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from mlspec.diagnostic import Finding, Problem

Vector = np.ndarray[Any, Any]


def text_of(column: pl.Series) -> pl.Series:
    """Return categories as text, whatever type they came in: `true`, `7` for 7 and 7.0 alike, and null for missing."""
    if column.dtype.is_float():
        column = column.fill_nan(None)
        whole = column.round() == column
        return column.cast(pl.Int64, strict=False).cast(pl.String) if whole.all() else column.cast(pl.String)
    return column.cast(pl.String)


def text_of_value(value: Any) -> str | None:
    """Write one category as `text_of` writes a column of them."""
    if value is None or value != value:
        return None
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def target(frame: pl.DataFrame, task: dict[str, Any]) -> Vector:
    """Return the target of each row: unicode text for classification, float64 for regression.

    Raises Problem where the column is not there, a row has no target, a quantity is not a number, or there is one class only.
    """
    name = task["target"]
    if name not in frame.columns:
        raise Problem(Finding("unknown-column", f"there is no column {name!r}, the target", ("task", "target")))
    column = frame[name]
    values = text_of(column) if task["kind"] == "classification" else _numbers(column)
    missing = values.null_count()
    if missing:
        first = values.is_null().arg_true()[0]
        message = (
            f"{missing} of {len(values)} rows have no {name!r}, which the model learns; the first is row {row_name(frame, first)}"
        )
        help_text = "leave such rows out with a check and `data.on_failure: quarantine`"
        raise Problem(Finding("missing-target", message, ("task", "target"), help=help_text))
    return np.array(values.to_list(), dtype=np.str_) if task["kind"] == "classification" else values.to_numpy()


def row_name(frame: pl.DataFrame, position: int) -> int:
    """Return the number by which people know a row: its `__row__`, else its position."""
    return int(frame["__row__"][position]) if "__row__" in frame.columns else position


def _numbers(column: pl.Series) -> pl.Series:
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        message = f"{column.name!r} holds {column.dtype}, and regression learns a number"
        raise Problem(
            Finding("target-not-a-number", message, ("task", "target"), help="`kind: classification`, or declare its type")
        )
    return column.cast(pl.Float64).fill_nan(None)
