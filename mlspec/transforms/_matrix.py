"""Fitted scikit-learn transformers between two Polars frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlspec.diagnostic import Finding, Problem

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


@dataclass
class Matrix:
    """A fitted `transformer` of the matrix of `columns`; what it gives is called `names`, and holds truth values if `truth`.

    With `nan`, missing texts are NaN: OrdinalEncoder takes None for a value like any other.
    """

    columns: list[str]
    transformer: Any
    names: list[str]
    truth: bool = False
    nan: bool = False

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        values = matrix(frame.select(self.columns), nan=self.nan)
        return framed(self.transformer.transform(values), self.names, truth=self.truth)


class Same:
    """Leaves columns as they are."""

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame


@dataclass
class Parts:
    """Several matrices side by side, each on its own columns of the frame."""

    parts: list[Matrix]

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        made = [part.transform(frame) for part in self.parts]
        return pl.concat(made, how="horizontal") if made else pl.DataFrame()


def matrix(frame: pl.DataFrame, *, nan: bool = False) -> np.ndarray[Any, Any]:
    """Return texts as objects with None (or NaN) where missing, anything else as float64 with NaN; rows lie together.

    Raises Problem for an infinite number, naming the column.
    """
    import numpy as np
    import polars as pl

    if all(dtype == pl.String for dtype in frame.dtypes):
        texts = frame.to_numpy(order="c", writable=True)
        if nan:
            texts[frame.select(pl.all().is_null()).to_numpy()] = np.nan
        return texts
    numbers = frame.cast(pl.Float64).to_numpy(order="c")
    infinite = np.isinf(numbers)
    if infinite.any():
        row, column = (int(one) for one in np.argwhere(infinite)[0])
        message = f"{frame.columns[column]!r} is infinite in the row at position {row}"
        raise Problem(
            Finding("not-finite", message, ("features",), help="a division by 0, or a number beyond what a float64 holds")
        )
    return numbers


def framed(values: Any, names: list[str], *, truth: bool = False) -> pl.DataFrame:
    """Return the columns of a matrix as a frame: truth values, texts, or numbers with null for NaN."""
    import numpy as np
    import polars as pl

    if truth:
        return pl.from_numpy(np.asarray(values, dtype=bool), schema=names)
    if values.dtype == object:
        return pl.DataFrame([pl.Series(name, values[:, index].tolist(), dtype=pl.String) for index, name in enumerate(names)])
    return pl.from_numpy(np.asarray(values, dtype=np.float64), schema=names).fill_nan(None)
