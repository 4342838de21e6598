"""Keep the rows of one item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import profiling, table
from mlspec.runtime.artifact import read_json, write_json
from mlspec.runtime.labels import text_of, text_of_value


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `data`, the rows whose `column` holds `value`, in their order, and their `profile`, which keeps the whole's sources.

    Values are compared as texts, so that 7, 7.0 and "7" are one. Raises Problem where no row is left.
    """
    column, value, route = params["column"], params["value"], tuple(params["route"])
    rows = table.scan(inputs["data"])
    schema = rows.collect_schema()
    if column not in schema:
        known = ", ".join(table.columns_of(schema.names()))
        raise Problem(
            Finding("unknown-column", f"there is no column `{column}`", ("for_each", "column"), help=f"there are {known}")
        )
    there = table.stream(rows.select(pl.col(column).unique())).sort(column)[column].drop_nulls()
    same = there.filter(text_of(there) == text_of_value(value))
    if not len(same):
        message = f"no row has {text_of_value(value)!r} in `{column}`"
        raise Problem(Finding("no-rows", message, route, help=f"it holds {_listed(text_of(there).to_list())}"))
    table.write(rows.filter(pl.col(column).is_in(same.implode())), outputs["data"])
    told = profiling.profile(table.scan(outputs["data"]), params["columns"])
    write_json(outputs["profile"], {**told, "sources": read_json(inputs["profile"])["sources"]})
    return {column: text_of_value(value), "rows": told["rows"], "of": table.stream(rows.select(pl.len())).item()}


def _listed(values: Sequence[str], most: int = 5) -> str:
    return ", ".join(values[:most]) + (f" and {len(values) - most} more values" if len(values) > most else "")
