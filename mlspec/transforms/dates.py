"""Numbers out of dates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, StrictInt

from mlspec.transforms import Context, Fitted, Transform

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

Part = Literal["year", "month", "day", "day_of_week", "day_of_year", "hour", "elapsed"]

PERIODS = {"month": 12.0, "day_of_week": 7.0, "day_of_year": 365.2425, "hour": 24.0}
"""Parts that come round again, and after how many of their unit."""


DIGITS = 9


@dataclass
class Calendar:
    """Parts of each date. `origins` holds each column's first date in training, which `elapsed` counts days from."""

    parts: list[str]
    harmonics: int
    origins: dict[str, datetime]

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(one for name in frame.columns for one in self._of(name, frame.schema[name]))

    def _of(self, name: str, dtype: Any) -> Iterator[pl.Expr]:
        import polars as pl

        column = pl.col(name).cast(pl.Datetime("us")) if dtype == pl.Date else pl.col(name)
        for part in self.parts:
            number = self._number(column, name, part).cast(pl.Float64)
            if part not in PERIODS or not self.harmonics:
                yield number.alias(f"{name}.{part}")
                continue
            for turn in range(1, self.harmonics + 1):
                angle = number * (2 * math.pi * turn / PERIODS[part])
                # sine is 0.49999999999999994 a month after the turn and 0.5000000000000001 five after: no tree is to split there
                yield angle.sin().round(DIGITS).alias(f"{name}.{part}.sin{turn}")
                yield angle.cos().round(DIGITS).alias(f"{name}.{part}.cos{turn}")

    def _number(self, column: pl.Expr, name: str, part: str) -> pl.Expr:
        parts = {
            "year": lambda: column.dt.year(),
            "month": lambda: column.dt.month(),
            "day": lambda: column.dt.day(),
            "day_of_week": lambda: column.dt.weekday(),
            "day_of_year": lambda: column.dt.ordinal_day(),
            "hour": lambda: column.dt.hour() + column.dt.minute() / 60,
            "elapsed": lambda: (column.dt.replace_time_zone(None) - self.origins[name]).dt.total_microseconds() / 86_400e6,
        }
        return parts[part]()


class Dates(Transform):
    """Turn dates into numbers: the year as it is, what comes round again as sine and cosine, and days since the first date."""

    accepts: ClassVar = frozenset({"date"})
    after: ClassVar = "same"
    kind: Literal["dates"] = "dates"
    parts: list[Part] = Field(
        ["year", "month", "day_of_week", "day_of_year"],
        min_length=1,
        description="Parts to take; elapsed is days since the first training date.",
    )
    harmonics: StrictInt = Field(
        1, ge=0, le=12, description="Sine and cosine pairs for month, day_of_week, day_of_year and hour; 0 gives plain numbers."
    )

    def fit_transform(self, frame: pl.DataFrame, target: np.ndarray[Any, Any], context: Context) -> tuple[Fitted, pl.DataFrame]:
        import polars as pl

        local = (
            pl.col(name) if dtype == pl.Date else pl.col(name).dt.replace_time_zone(None) for name, dtype in frame.schema.items()
        )
        firsts = frame.select(one.cast(pl.Datetime("us")).min() for one in local)
        origins = {name: firsts[name][0] or datetime(1970, 1, 1) for name in frame.columns}
        fitted = Calendar(list(self.parts), self.harmonics, origins)
        return fitted, fitted.transform(frame)


MEMBER = Dates
