"""What a table looks like: of each column its type, gaps, extremes, shape and most frequent values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from mlspec.runtime import cast, table
from mlspec.runtime.artifact import finite

BINS = 20
TOP = 10
EXACT_ROWS = 1_000_000
"""Up to so many rows a profile is exact; beyond, parts of it are estimates."""

_TOGETHER = 16  # number columns whose values are held at a time: at most a million of each
_LOOKED_AT, _LISTED = 50_000, 10_000  # a text column's values are counted if its first rows have at most so many


def profile(
    data: pl.LazyFrame, columns: Mapping[str, Mapping[str, Any]], notes: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return {"rows", "columns": [{"name", "type", "role", "missing", "distinct", "min", "max", "mean", "std", "median",
    "histogram", "top"}]}, streaming, in the same numbers on every machine.

    Numbers have a histogram of 20 equal bins from min to max; texts and truth values their 10 most frequent values, ties in
    order. `std` divides by n - 1; means, medians and `std` have nine digits. Above a million rows, `median` and `histogram`
    are those of every k-th row, about a million, and `distinct` of numbers is a HyperLogLog estimate (about 1 % off): the keys
    so made are listed under "estimated". Personal columns (`pii`) show no value. A column of arrays is described by all of its
    numbers, without median and histogram, and has its "shape".
    """
    schema = data.collect_schema()
    names = table.columns_of(schema.names())
    rows = int(table.stream(data.select(pl.len())).item())
    numbers = [name for name in names if schema[name].is_numeric()]
    tops = {name: top for name in names if not _is_measured(schema[name]) and (top := _listed(data, name, rows)) is not None}
    found = _summary(data, schema, names, tops, exact=rows <= EXACT_ROWS)
    shapes = _shapes(data, numbers, found, rows)
    described = []
    for name in names:
        one = _column(name, schema[name], found, columns.get(name, {}), shapes.get(name), tops.get(name))
        if rows > EXACT_ROWS and name not in tops:
            one["estimated"] = ["distinct", "histogram", "median"] if name in shapes else ["distinct"]
        if cast.is_array(schema[name]):
            one["shape"] = list(schema[name].shape)  # type: ignore[attr-defined]
        if notes and name in notes:
            one["note"] = notes[name]
        described.append(one)
    return {"rows": rows, "columns": described}


def _is_measured(dtype: Any) -> bool:
    return bool(dtype.is_numeric() or dtype.is_temporal() or cast.is_array(dtype))


def measured(name: str, dtype: Any) -> pl.Expr:
    """Return what a column's extremes and mean are of: its values, or all numbers of its arrays."""
    return cast.numbers(name, dtype) if cast.is_array(dtype) else pl.col(name)


def _summary(data: pl.LazyFrame, schema: Any, names: Sequence[str], tops: Collection[str], *, exact: bool) -> dict[str, Any]:
    def aggregates() -> Iterator[pl.Expr]:
        for name in names:
            value = pl.col(name)
            yield value.null_count().alias(f"{name}\0missing")
            if name not in tops:
                hashed = value.hash() if cast.is_array(schema[name]) else value
                yield (value.drop_nulls().n_unique() if exact else hashed.approx_n_unique()).alias(f"{name}\0distinct")
            if _is_measured(schema[name]):
                found = measured(name, schema[name])
                yield found.min().alias(f"{name}\0min")
                yield found.max().alias(f"{name}\0max")
                if not schema[name].is_temporal():
                    yield found.cast(pl.Float64).mean().alias(f"{name}\0mean")
                    yield found.cast(pl.Float64).std().alias(f"{name}\0std")

    return table.stream(data.select(aggregates())).row(0, named=True)


def _shapes(data: pl.LazyFrame, numbers: Sequence[str], found: dict[str, Any], rows: int) -> dict[str, dict[str, Any]]:
    """Add medians to `found` and return histograms, from all rows or from every k-th."""
    step = -(-rows // EXACT_ROWS)
    looked_at = data.filter(pl.col(table.ROW) % step == 0) if step > 1 else data
    shapes = {}
    for start in range(0, len(numbers), _TOGETHER):
        for values in table.stream(looked_at.select(numbers[start : start + _TOGETHER])):
            name = values.name
            found[f"{name}\0median"] = values.median()
            low, high = finite(found[f"{name}\0min"]), finite(found[f"{name}\0max"])
            if low is not None and high is not None and finite(high - low) is not None:
                shapes[name] = _histogram(values.drop_nulls().cast(pl.Float64).to_numpy(), low, high)
    return shapes


def _histogram(values: Any, low: float, high: float) -> dict[str, Any]:
    """Count values in equal bins from low to high, the last one closed: one bin where there is one value."""
    edges = [low + (high - low) * i / BINS for i in range(BINS)] + [high] if high > low else [low, high]
    bins = np.searchsorted(np.asarray(edges[1:-1]), values, side="right")
    return {"edges": edges, "counts": np.bincount(bins, minlength=len(edges) - 1).tolist()}


def _listed(data: pl.LazyFrame, name: str, rows: int) -> pl.DataFrame | None:
    """Return how often each value occurs; None for a column with so many values that a list would say nothing."""
    first = data.select(pl.col(name)).head(_LOOKED_AT).unique()
    return counts(data, name) if rows <= _LISTED or table.stream(first).height <= _LISTED else None


def counts(data: pl.LazyFrame, name: str) -> pl.DataFrame:
    """Return the values of a column and how often each occurs, the most frequent first, ties in order of the value."""
    found = table.stream(data.select(pl.col(name).alias("value")).drop_nulls().group_by("value").len("count"))
    return found.sort(["count", "value"], descending=[True, False])


def _column(
    name: str,
    dtype: Any,
    found: Mapping[str, Any],
    declared: Mapping[str, Any],
    histogram: dict[str, Any] | None,
    top: pl.DataFrame | None,
) -> dict[str, Any]:
    distinct = int(top.height if top is not None else found[f"{name}\0distinct"])
    hidden = bool(declared.get("pii"))
    repeats = top is not None and top.height > 0 and top["count"][0] > 1  # a list of things seen once tells nothing
    return {
        "name": name,
        "type": type_of(dtype, declared.get("type"), distinct),
        "role": declared.get("role") or "feature",
        "missing": int(found[f"{name}\0missing"]),
        "distinct": distinct,
        **{key: None if hidden else shown(found.get(f"{name}\0{key}")) for key in ("min", "max")},
        **{key: None if hidden else _nine_digits(found.get(f"{name}\0{key}")) for key in ("mean", "std", "median")},
        "histogram": None if hidden else histogram,
        "top": None if hidden or top is None or not repeats else [[shown(value), count] for value, count in top.head(TOP).rows()],
    }


def _nine_digits(number: float | None) -> float | None:
    """Round: the last digits of a streaming sum depend on how rows fell to threads (measured: the 15th)."""
    number = finite(number)
    return None if number is None else float(f"{number:.9g}")


def type_of(dtype: Any, declared: str | None, distinct: int) -> str:
    """Return a column's type: the declared one, else what it holds; a text with at most 100 distinct values is a category."""
    if declared is not None:
        return declared
    held = cast.name_of(dtype)
    return "category" if held == "string" and distinct <= table.SOME_VALUES else held


def shown(value: Any) -> Any:
    """Return a value as JSON has it: dates in ISO form, a number that is not finite as null."""
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    return finite(value) if isinstance(value, float) else value
