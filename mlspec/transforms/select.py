"""Keep some features only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from mlspec.diagnostic import Route
from mlspec.transforms import Context, Fitted, Names, Selector, Transform, Type
from mlspec.transforms.drop import Nothing

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


class Select(Transform):
    """Keep the named columns; no other is a feature from here on."""

    kind: Literal["select"] = "select"
    columns: Names | Selector = Field(description="Names, or {type: …}.")

    def chosen(self, types: Mapping[str, Type], route: Route = ()) -> list[str]:
        """Return the columns that are *not* kept."""
        kept = super().chosen(types, route)
        return [name for name in types if name not in kept]

    def fit_transform(self, frame: pl.DataFrame, target: np.ndarray[Any, Any], context: Context) -> tuple[Fitted, pl.DataFrame]:
        return Nothing(), frame.select()


MEMBER = Select
