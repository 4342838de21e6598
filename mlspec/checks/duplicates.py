"""At most a share of the rows repeats an earlier row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from mlspec.checks import Check, Rule, Share, known
from mlspec.diagnostic import Finding, Problem
from mlspec.quantity import Percent


class Duplicates(Check):
    """At most the share `max` of the rows has the same values, in every column but those in `ignore`, as an earlier row.

    Unlike in `unique`, missing values are values here: two rows that both lack one are the same.
    """

    kind: Literal["duplicates"] = "duplicates"
    ignore: tuple[str, ...] = ()
    max: Share = Percent(0)

    def rules(self, schema: Mapping[str, Any]) -> Iterable[Rule]:
        ignored = known(self.ignore, schema, "ignore")
        names = tuple(name for name in schema if name not in ignored)
        if not names:
            raise Problem(Finding("nothing-to-check", "every column is ignored", ("ignore",), help="leave at least one column"))
        yield Rule(
            kind=self.kind, description=f"at most {self.max} of the rows repeats an earlier row", repeats=names,
            missing_repeats=True, allowed=float(self.max), shows=names[:3], route=("max",),
        )  # fmt: skip


MEMBER = Duplicates
