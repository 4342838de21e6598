"""Tables between steps: Parquet that is written the same way everywhere, its bookkeeping columns, and the roles of the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

ROW = "__row__"
REASON = "__reason__"
SOME_VALUES = 100
"""A text column with at most this many values is a category where nothing else is declared."""

ROWS_A_GROUP = 1 << 18
"""Fixed, so that the bytes of a table do not depend on how many threads wrote it."""


def scan(path: Path) -> pl.LazyFrame:
    """Open a table lazily."""
    return pl.scan_parquet(path, glob=False)


def write(table: pl.LazyFrame, path: Path) -> None:
    """Write a lazy table as Parquet, streaming. Statistics, which nothing here reads, would cost a twentieth more (measured)."""
    table.sink_parquet(path, compression="lz4", row_group_size=ROWS_A_GROUP, statistics=False)


def stream(table: pl.LazyFrame) -> pl.DataFrame:
    """Compute a small result of a large table in bounded memory."""
    return table.collect(engine="streaming")


def columns_of(schema: Iterable[str]) -> list[str]:
    """Return the columns that came from the user's data, in order."""
    return [name for name in schema if not is_reserved(name)]


def is_reserved(name: str) -> bool:
    """Tell whether a name is one of our own bookkeeping columns."""
    return len(name) > 4 and name.startswith("__") and name.endswith("__")


def role_of(name: str, columns: Mapping[str, Mapping[str, Any]], task: Mapping[str, Any] | None = None) -> str:
    """Return a column's role: the task's target, what is declared, else feature."""
    if task and name == task.get("target"):
        return "target"
    return str(columns.get(name, {}).get("role") or "feature")


def with_role(
    role: str, names: Iterable[str], columns: Mapping[str, Mapping[str, Any]], task: Mapping[str, Any] | None = None
) -> list[str]:
    """Return the columns of a role, in order."""
    return [name for name in names if role_of(name, columns, task) == role]
