"""Values lie between two bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import model_validator

from mlspec.checks import Check, Rule, Share, known
from mlspec.diagnostic import Finding, Problem
from mlspec.fields import fault
from mlspec.quantity import Percent


class Range(Check):
    """Each of the number columns stays within `min` and `max`, both included; missing values are not looked at."""

    kind: Literal["range"] = "range"
    columns: tuple[str, ...]
    min: float | None = None
    max: float | None = None
    max_failing: Share = Percent(0)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.min is None and self.max is None:
            raise fault("missing-key", "a range needs `min`, `max` or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise fault("empty-range", f"min {self.min:g} is above max {self.max:g}")
        return self

    def rules(self, schema: Mapping[str, Any]) -> Iterable[Rule]:
        import polars as pl

        low = "" if self.min is None else f" >= {self.min:g}"
        high = "" if self.max is None else f" <= {self.max:g}"
        for index, name in enumerate(known(self.columns, schema)):
            if not schema[name].is_numeric():
                message = f"`{name}` holds {schema[name]}, not numbers"
                raise Problem(
                    Finding("not-a-number", message, ("columns", index), help="leave it out, or declare `type: number`")
                )
            value = pl.col(name)
            below = pl.lit(False) if self.min is None else value < self.min
            above = pl.lit(False) if self.max is None else value > self.max
            yield Rule(
                kind=self.kind, description=f"`{name}`{low}{' and' if low and high else ''}{high}", column=name,
                failing=below | above, allowed=float(self.max_failing), shows=(name,),
            )  # fmt: skip


MEMBER = Range
