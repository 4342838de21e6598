"""Leave features out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from mlspec.transforms import Context, Fitted, Names, Selector, Transform

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


@dataclass
class Nothing:
    """Gives no columns."""

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select()


class Drop(Transform):
    """Leave columns out: they are no features from here on."""

    kind: Literal["drop"] = "drop"
    columns: Names | Selector = Field(description="Names, or {type: …}.")

    def fit_transform(self, frame: pl.DataFrame, target: np.ndarray[Any, Any], context: Context) -> tuple[Fitted, pl.DataFrame]:
        return Nothing(), frame.select()


MEMBER = Drop
