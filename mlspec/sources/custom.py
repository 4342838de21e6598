"""The user's own function gives the table."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from mlspec.diagnostic import Finding, Problem
from mlspec.entrypoint import blame, load
from mlspec.sources import Columns, Readable


class Custom(Readable):
    """`entrypoint` is called with ``root=`` (the data root, a Path) and `params`; it returns a Polars or pandas table.

    What it reads is known to it alone: a cached result is used again until its module or its params change.
    """

    kind: Literal["custom"] = "custom"
    entrypoint: str = Field(description="The function, `package.module:name`.", pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    params: dict[str, Any] = Field(default_factory=dict, description="What it is called with.")

    def files(self, root: Path) -> list[Path]:
        load(self.entrypoint)
        spec = find_spec(self.entrypoint.partition(":")[0])
        return [Path(spec.origin)] if spec is not None and spec.origin is not None else []

    def fingerprint(self, root: Path) -> str:
        return hashlib.sha256(f"{super().fingerprint(root)}{self.entrypoint}{sorted(self.params.items())}".encode()).hexdigest()

    def scan(self, root: Path, columns: Columns) -> Any:
        import polars as pl

        function = load(self.entrypoint)
        with blame(self.entrypoint):
            table = function(root=root, **self.params)
        if isinstance(table, pl.LazyFrame):
            return table
        if isinstance(table, pl.DataFrame):
            return table.lazy()
        if type(table).__module__.startswith("pandas"):
            return _from_pandas(table).lazy()
        message = f"{self.entrypoint} returned {type(table).__name__}, not a table"
        raise Problem(
            Finding("not-a-table", message, ("entrypoint",), help="return a polars or pandas DataFrame, or a polars LazyFrame")
        )


def _from_pandas(table: Any) -> Any:
    """Convert without pyarrow: pandas' several signs of a missing value all become null."""
    import polars as pl

    missing = table.isna()
    return pl.DataFrame(
        {
            str(name): [None if gone else value for value, gone in zip(table[name].tolist(), missing[name], strict=True)]
            for name in table
        },
        infer_schema_length=None,
    )


MEMBER = Custom
