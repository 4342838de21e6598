"""The user's own function says which rows are good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import Field

from mlspec.checks import Check, Rule, Share
from mlspec.diagnostic import Finding, Problem
from mlspec.entrypoint import blame, load
from mlspec.quantity import Percent


class Custom(Check):
    """`entrypoint` is called with the schema (column name -> Polars type) and `params`.

    It returns a Polars expression that is true in each good row, such as ``pl.col("end") > pl.col("start")``, or an aggregate
    that is true for a good table, such as ``pl.col("price").mean() < 100``.
    """

    kind: Literal["custom"] = "custom"
    entrypoint: str
    params: dict[str, Any] = Field(default_factory=dict)
    max_failing: Share = Percent(0)

    def rules(self, schema: Mapping[str, Any]) -> Iterable[Rule]:
        import polars as pl

        function = load(self.entrypoint)
        with blame(self.entrypoint):
            answer = function(dict(schema), **self.params)
        if not isinstance(answer, pl.Expr):
            message = f"{self.entrypoint} returned {type(answer).__name__}"
            raise Problem(
                Finding("bad-check", message, ("entrypoint",), help="return a Polars expression that is true where all is well")
            )
        try:
            probe = pl.LazyFrame(schema=dict(schema)).select(pl.lit(0).alias("row"), answer.alias("good")).collect_schema()
            rows = pl.DataFrame({name: [None, None] for name in schema}, schema=dict(schema)).select(answer.alias("good")).height
        except pl.exceptions.PolarsError as error:
            message = f"{self.entrypoint} cannot be computed: {str(error).splitlines()[0]}"
            raise Problem(Finding("bad-check", message, ("entrypoint",), help="use the columns the function is given")) from None
        if probe["good"] != pl.Boolean:
            message = f"{self.entrypoint} gives {probe['good']}, not true or false"
            raise Problem(Finding("bad-check", message, ("entrypoint",), help="compare the value with something"))
        made: dict[str, Any] = {"kind": self.kind, "description": self.entrypoint, "route": ("entrypoint",)}
        shows = tuple(name for name in schema if name in answer.meta.root_names())
        if rows == 1:
            yield Rule(holds=answer, **made)
        else:
            yield Rule(failing=~answer, allowed=float(self.max_failing), shows=shows, **made)


MEMBER = Custom
