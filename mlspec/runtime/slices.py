"""Parts of the rows that are scored on their own: the values of a column, ranges of a number, or what a condition holds for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlspec.diagnostic import Finding, Problem, Route
from mlspec.runtime import labels

MOST_VALUES = 50  # values of a column that are listed one by one; the rest is one slice
_FEW_NUMBERS = 12  # distinct numbers up to which a numeric column is a set of codes, not a range


@dataclass(frozen=True, slots=True)
class Slice:
    """A name, the column it is by (None for a condition), and a mask of the rows."""

    name: str
    column: str | None
    rows: NDArray[Any]
    value: str = ""  # the name without the column's


def slices(frame: pl.DataFrame, wanted: Sequence[Mapping[str, Any]], route: Route = ("evaluation", "slices")) -> list[Slice]:
    """Return every slice with at least one row, in the order asked for, columns by value.

    Each wish is {"column"} (values; a number of more than 12 values by its quartiles), {"column", "bins": [edges]} ([a, b)
    between edges, and what lies outside), or {"name", "where": condition}. Raises Problem for a column that is not there.
    """
    found: list[Slice] = []
    for index, wish in enumerate(wanted):
        if wish.get("where"):
            found.append(_where(frame, str(wish["where"]), wish.get("name"), (*route, index)))
        else:
            found += by_column(frame, str(wish["column"]), wish.get("bins"), (*route, index))
    return [one for one in found if one.rows.any()]


def by_column(frame: pl.DataFrame, column: str, bins: Sequence[float] | None = None, route: Route = ()) -> list[Slice]:
    """Return one slice for each value, or range of values, of a column; rows without a value are a slice of their own."""
    if column not in frame.columns:
        raise Problem(
            Finding(
                "unknown-column", f"there is no column {column!r} to slice by", route, help=f"one of {', '.join(frame.columns)}"
            )
        )
    values = frame[column]
    if values.dtype.is_nested():
        message = f"{column!r} holds arrays, which are no values to slice by"
        raise Problem(Finding("wrong-type", message, route, help="slice by another column"))
    if values.dtype.is_float():
        values = values.fill_nan(None)
    if bins or (values.dtype.is_numeric() and values.n_unique() > _FEW_NUMBERS):
        parts = _ranges(values, sorted(bins) if bins else _quartiles(values), route)
    else:
        parts = _values(values)
    named = [(text, f"{column} {'' if text[0] in '<>[' else '= '}{text}", mask) for text, mask in parts]
    if values.null_count():
        named.append(("(missing)", f"{column} is missing", values.is_null()))
    return [Slice(name, column, mask.fill_null(False).to_numpy(), text) for text, name, mask in named]


def _values(values: pl.Series) -> Iterator[tuple[str, pl.Series]]:
    """Yield the values in sorted order; where there are more than 50, the 50 most frequent and the rest together."""
    present = values.drop_nulls()
    counts = present.value_counts(sort=False).sort(["count", values.name], descending=[True, False])
    kept = counts.head(MOST_VALUES)[values.name].sort()
    for value in kept:
        yield labels.text_of_value(value) or "(empty)", values == value
    if len(counts) > MOST_VALUES:
        yield f"(one of {len(counts) - MOST_VALUES} others)", ~values.is_in(kept.implode())


def _quartiles(values: pl.Series) -> list[float]:
    cuts = np.unique(np.quantile(values.drop_nulls().to_numpy().astype(float), [0, 0.25, 0.5, 0.75]))
    return [float(cut) for cut in cuts]


def _ranges(values: pl.Series, edges: Sequence[float], route: Route) -> Iterator[tuple[str, pl.Series]]:
    if not values.dtype.is_numeric():
        message = f"bins need a numeric column; {values.name!r} holds {values.dtype}"
        raise Problem(Finding("wrong-type", message, (*route, "bins"), help="leave `bins` out to slice by value"))
    yield f"< {edges[0]:g}", values < edges[0]
    for low, high in pairwise(edges):
        yield f"[{low:g}, {high:g})", (values >= low) & (values < high)
    yield f">= {edges[-1]:g}", values >= edges[-1]


def _where(frame: pl.DataFrame, text: str, name: str | None, route: Route) -> Slice:
    from mlspec.runtime.predicate import predicate

    mask = frame.select(predicate(text, frame.schema, (*route, "where")).alias("matched"))["matched"]
    return Slice(name or text, None, mask.fill_null(False).to_numpy(), name or text)
