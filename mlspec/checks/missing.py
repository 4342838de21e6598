"""At most a share of a column's values is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from mlspec.checks import Check, Rule, Share, known
from mlspec.quantity import Percent


class Missing(Check):
    """Each of the columns (all, by default) lacks at most the share `max` of its values."""

    kind: Literal["missing"] = "missing"
    columns: tuple[str, ...] | None = None
    max: Share = Percent(0)

    def rules(self, schema: Mapping[str, Any]) -> Iterable[Rule]:
        import polars as pl

        for name in known(self.columns, schema):
            yield Rule(
                kind=self.kind, description=f"at most {self.max} of `{name}` is missing", column=name,
                failing=pl.col(name).is_null(), allowed=float(self.max), shows=(name,), route=("max",),
            )  # fmt: skip


MEMBER = Missing
