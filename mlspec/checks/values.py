"""Values come from a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from mlspec.checks import Check, Rule, Share, known
from mlspec.diagnostic import Finding, Problem
from mlspec.fields import Scalar
from mlspec.quantity import Percent


class Values(Check):
    """Each of the columns holds only the listed values; missing values are not looked at."""

    kind: Literal["values"] = "values"
    columns: tuple[str, ...]
    values: tuple[Annotated[Any, Scalar()], ...]
    max_failing: Share = Percent(0)

    def rules(self, schema: Mapping[str, Any]) -> Iterable[Rule]:
        import polars as pl

        shown = ", ".join(str(value) for value in self.values[:6]) + (", …" if len(self.values) > 6 else "")
        for name in known(self.columns, schema):
            allowed = listed(self.values, schema[name]).implode()
            yield Rule(
                kind=self.kind, description=f"`{name}` is one of {shown}", column=name, failing=~pl.col(name).is_in(allowed),
                allowed=float(self.max_failing), shows=(name,), route=("values",),
            )  # fmt: skip


def listed(values: Iterable[Any], dtype: Any) -> Any:
    """Return the values as a Polars series of a column's type: 1 is "1" in a column of text, 1.0 in one of numbers.

    Raises Problem at ``values`` where one cannot be a value of that type.
    """
    import polars as pl

    texts = [_text(value) for value in values]
    try:
        return (
            pl.Series(texts, dtype=pl.String).cast(dtype) if dtype != pl.Boolean else pl.Series(_truths(texts), dtype=pl.Boolean)
        )
    except (pl.exceptions.PolarsError, KeyError):
        message = f"the values {', '.join(texts)} do not fit a column of {dtype}"
        raise Problem(Finding("values-of-another-type", message, ("values",), help="list values of the column's type")) from None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _truths(texts: list[str]) -> list[bool]:
    return [{"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()] for text in texts]


MEMBER = Values
