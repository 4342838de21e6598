"""No combination of values comes twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from mlspec.checks import Check, Rule, Share, known
from mlspec.quantity import Percent


class Unique(Check):
    """The columns, taken together, identify a row: later rows with the same values fail."""

    kind: Literal["unique"] = "unique"
    columns: tuple[str, ...]
    max_failing: Share = Percent(0)

    def rules(self, schema: Mapping[str, Any]) -> Iterable[Rule]:
        names = known(self.columns, schema)
        description = f"{', '.join(f'`{name}`' for name in names)} identifies a row"
        column = names[0] if len(names) == 1 else None
        yield Rule(
            kind=self.kind, description=description, column=column, repeats=names, allowed=float(self.max_failing), shows=names,
            route=("columns",),
        )  # fmt: skip


MEMBER = Unique
