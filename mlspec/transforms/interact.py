"""Products of pairs of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, StrictBool

from mlspec.diagnostic import Finding, Problem
from mlspec.transforms import Context, Fitted, Transform

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

MOST = 2000


@dataclass
class Products:
    """The columns as they were, and the product of each pair."""

    pairs: list[tuple[str, str]]

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        made = [
            (pl.col(one).cast(pl.Float64) * pl.col(other).cast(pl.Float64)).alias(f"{one}*{other}") for one, other in self.pairs
        ]
        return frame.with_columns(made)


class Interact(Transform):
    """Add the product of every pair of the columns."""

    accepts: ClassVar = frozenset({"number", "boolean"})
    after: ClassVar = "same"
    kind: Literal["interact"] = "interact"
    squares: StrictBool = Field(False, description="Also add each column's square.")

    def fit_transform(self, frame: pl.DataFrame, target: np.ndarray[Any, Any], context: Context) -> tuple[Fitted, pl.DataFrame]:
        pairs = [*((name, name) for name in frame.columns if self.squares), *combinations(frame.columns, 2)]
        if len(pairs) > MOST:
            message = f"{frame.width} columns have {len(pairs)} products; {MOST} is the most"
            raise Problem(
                Finding("too-many-interactions", message, (*context.route, "columns"), help="name the columns that matter")
            )
        fitted = Products(pairs)
        return fitted, fitted.transform(frame)


MEMBER = Interact
