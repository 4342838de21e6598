"""Ranges of numbers as categories."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StrictFloat, StrictInt, field_validator

from mlspec.transforms import Context, Fitted, Transform

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


@dataclass
class Cuts:
    """Each number as the range it lies in: at least the lower end, less than the upper. Missing stays missing."""

    edges: dict[str, list[float]]

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        return pl.DataFrame([self._ranges(frame[name], edges) for name, edges in self.edges.items()])

    def _ranges(self, column: pl.Series, edges: list[float]) -> pl.Series:
        import numpy as np
        import polars as pl

        place = np.searchsorted(edges, column.fill_null(0.0).to_numpy(), side="right")
        named = pl.Series(column.name, labels(edges), dtype=pl.String).gather(pl.Series(place, dtype=pl.UInt32))
        return named.set(column.is_null(), None)


def labels(edges: list[float]) -> list[str]:
    """Name the ranges that edges make."""
    if not edges:
        return ["any value"]
    middle = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    return [f"below {edges[0]:g}", *middle, f"{edges[-1]:g} or more"]


class Bin(Transform):
    """Turn numbers into ranges, as a category: at given edges, or at quantiles of the training rows."""

    accepts: ClassVar = frozenset({"number"})
    kind: Literal["bin"] = "bin"
    edges: Annotated[list[StrictFloat], Field(min_length=1)] | None = Field(
        None, description="Inner edges, rising; the outer ranges are open."
    )
    bins: StrictInt = Field(5, ge=2, le=255, description="Number of ranges, where no edges are given.")
    with_: Literal["quantile", "uniform"] = Field("quantile", alias="with", description="How edges are found.")

    @field_validator("edges")
    @classmethod
    def _rising(cls, edges: list[float] | None) -> list[float] | None:
        if edges and any(low >= high for low, high in pairwise(edges)):
            raise ValueError("edges must rise")
        return edges

    def fit_transform(self, frame: pl.DataFrame, target: np.ndarray[Any, Any], context: Context) -> tuple[Fitted, pl.DataFrame]:
        fitted = Cuts({name: self.edges or self._found(frame[name]) for name in frame.columns})
        return fitted, fitted.transform(frame)

    def _found(self, column: pl.Series) -> list[float]:
        """Return the inner edges of ranges of equal count or equal width; fewer where values are equal, none where all are."""
        import numpy as np

        known = column.drop_nulls().to_numpy()
        if not known.size:
            return []
        steps = np.linspace(0, 1, self.bins + 1)[1:-1]
        low, high = known.min(), known.max()
        equal_width = self.with_ == "uniform"
        edges = low + steps * (high - low) if equal_width else np.quantile(known, steps, method="averaged_inverted_cdf")
        return sorted({float(edge) for edge in edges if edge > low})


MEMBER = Bin
