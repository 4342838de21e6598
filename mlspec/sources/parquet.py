"""Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from mlspec.diagnostic import Finding, Problem
from mlspec.fields import Many
from mlspec.sources import Columns, Readable, find


class Parquet(Readable):
    """One Parquet file, or several of the same schema that follow each other as one table."""

    kind: Literal["parquet"] = "parquet"
    path: Annotated[tuple[str, ...], Many()] = Field(
        description="The file or files, relative to the data root; `*` stands for any text.", min_length=1
    )

    def files(self, root: Path) -> list[Path]:
        return find(root, self.path)

    def scan(self, root: Path, columns: Columns) -> Any:
        import polars as pl

        schemas = []
        for path in self.files(root):
            try:
                schemas.append(pl.read_parquet_schema(path))
            except (pl.exceptions.PolarsError, OSError):
                message = f"`{path.name}` is not a Parquet file, or it is cut off"
                raise Problem(Finding("not-parquet", message, ("path",), help="a text file is `kind: csv`")) from None
            if schemas[-1] != schemas[0]:
                message = f"`{path.name}` has other columns or types than the first file"
                raise Problem(
                    Finding("headers-differ", message, ("path",), help="read files of another layout as a source of their own")
                )
        return pl.scan_parquet(self.files(root), glob=False)


MEMBER = Parquet
