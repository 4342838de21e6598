"""Arrays as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mlspec.transforms import Context, Fitted, Transform

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


@dataclass
class Flat:
    """The numbers of each column of arrays in their order, the last axis first, under its name and their place."""

    sizes: dict[str, int]

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        import numpy as np
        import polars as pl

        parts = []
        for name, size in self.sizes.items():
            numbers = frame[name].to_numpy().reshape(frame.height, size).astype(np.float64)
            parts.append(pl.from_numpy(numbers, schema=self.names(name)))
        return pl.concat(parts, how="horizontal") if parts else pl.DataFrame()

    def names(self, name: str) -> list[str]:
        """Return what the numbers of a column are called."""
        return [f"{name}[{place}]" for place in range(self.sizes[name])]


class Flatten(Transform):
    """Replace an array by its numbers, `name[0]`, `name[1]` …: done at the end to each array that is left."""

    accepts: ClassVar = frozenset({"array"})
    after: ClassVar = "whole"
    kind: Literal["flatten"] = "flatten"

    def fit_transform(self, frame: pl.DataFrame, target: np.ndarray[Any, Any], context: Context) -> tuple[Fitted, pl.DataFrame]:
        from math import prod

        fitted = Flat({name: prod(dtype.shape) for name, dtype in frame.schema.items()})  # type: ignore[attr-defined]
        return fitted, fitted.transform(frame)


MEMBER = Flatten
