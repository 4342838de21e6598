"""The table has a number of rows between two bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from mlspec.checks import Check, Rule
from mlspec.fields import fault


class RowCount(Check):
    """The table has at least `min` and at most `max` rows."""

    kind: Literal["row_count"] = "row_count"
    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.min is None and self.max is None:
            raise fault("missing-key", "a row count needs `min`, `max` or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise fault("empty-range", f"min {self.min} is above max {self.max}")
        return self

    def rules(self, schema: Mapping[str, Any]) -> Iterable[Rule]:
        import polars as pl

        if self.min is not None:
            yield Rule(kind=self.kind, description=f"at least {self.min:,} rows", holds=pl.len() >= self.min, route=("min",))
        if self.max is not None:
            yield Rule(kind=self.kind, description=f"at most {self.max:,} rows", holds=pl.len() <= self.max, route=("max",))


MEMBER = RowCount
