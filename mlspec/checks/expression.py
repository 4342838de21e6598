"""A condition holds in every row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import field_validator

from mlspec.checks import Check, Rule, Share
from mlspec.expression import BadExpression, parse
from mlspec.fields import fault
from mlspec.quantity import Percent


class Expression(Check):
    """The condition `that` is true in every row but the share `max_failing`.

    A row in which a missing value leaves the condition open does not fail. `mlspec.expression` fixes the language.
    """

    kind: Literal["expression"] = "expression"
    that: str
    max_failing: Share = Percent(0)

    @field_validator("that")
    @classmethod
    def _readable(cls, text: str) -> str:
        try:
            parse(text)
        except BadExpression as bad:
            raise fault("bad-expression", bad.message, bad.help) from None
        return text

    def rules(self, schema: Mapping[str, Any]) -> Iterable[Rule]:
        yield Rule(
            kind=self.kind, description=self.that, condition=self.that, allowed=float(self.max_failing),
            shows=parse(self.that).columns, route=("that",),
        )  # fmt: skip


MEMBER = Expression
