"""Checks of data beyond the schema of its columns: an open union; each member turns itself into rules that `validate` counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from mlspec.diagnostic import Finding, Problem, Route
from mlspec.kinds import Kind
from mlspec.quantity import Percent

PLAIN = {"plain": True}
"""The context for `model_validate` of a check whose quantities are numbers in base units, as they are in a step's params."""


def _plain(value: Any, info: ValidationInfo) -> Any:
    return Percent(value) if info.context == PLAIN and isinstance(value, int | float) else value


Share = Annotated[Percent, BeforeValidator(_plain)]
"""A share of the rows: written ``5 %`` in a spec, 0.05 in a step's params."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing to hold the table against. Exactly one of `failing`, `condition`, `repeats` and `holds` is set.

    `failing` is a Polars expression, true in each row that fails (null counts as false). `condition` is a text in the language
    of `mlspec.expression` that is false in each row that fails. `repeats` names columns: a row fails that has the same values
    there as an earlier row; rows with a missing value among them never do, unless `missing_repeats`. `holds` is a Polars
    aggregate, true if the table as a whole passes. A rule passes while at most the share `allowed` of the rows fails.
    """

    kind: str
    description: str
    column: str | None = None
    failing: Any = None
    condition: str | None = None
    repeats: tuple[str, ...] = ()
    missing_repeats: bool = False
    holds: Any = None
    allowed: float = 0.0
    shows: tuple[str, ...] = ()  # the columns whose values explain a failing row
    route: Route = ()


class Check(Kind):
    """A check of the table. Its `max`, where it has one, is the share of rows that may fail."""

    def rules(self, schema: Mapping[str, Any]) -> Iterable[Rule]:
        """Yield rules for a table of this schema (column name -> Polars type, bookkeeping columns left out).

        Routes are relative to the check. Raises Problem for a check that does not fit the table.
        """
        raise NotImplementedError


def known(columns: Sequence[str] | None, schema: Mapping[str, Any], key: str = "columns") -> tuple[str, ...]:
    """Return the columns a check names, or all of them where it names none; raise Problem for one that does not exist."""
    faults = []
    for index, name in enumerate(columns or ()):
        if name not in schema:
            from difflib import get_close_matches

            close = get_close_matches(name, schema, n=1)
            help_text = f"did you mean `{close[0]}`?" if close else f"the columns are {', '.join(schema)}"
            faults.append(Finding("unknown-column", f"the data has no column `{name}`", (key, index), help=help_text))
    if faults:
        raise Problem(*faults)
    return tuple(columns) if columns is not None else tuple(schema)
