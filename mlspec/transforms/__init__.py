"""Feature transforms: one file a member; each is fitted on training rows and turns columns of a Polars frame into others.

A frame between transforms holds Float64 (number), String (category), Boolean (boolean), Date or Datetime (date) and Array (array)
columns, missing values as null; of arrays none is missing, and all numbers are finite. A member takes the columns it chooses and
gives those that stand in their place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

from pydantic import ConfigDict, Field, ValidationError

from mlspec import kinds
from mlspec.diagnostic import Finding, Problem, Route
from mlspec.kinds import Kind, Section

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

Type = Literal["number", "category", "boolean", "date", "array"]
TYPES: tuple[Type, ...] = ("number", "category", "boolean", "date", "array")
Names = Annotated[list[str], Field(min_length=1)]


class Selector(Section):
    """All columns of a type. Integers are numbers, strings are categories, datetimes are dates."""

    type: Type


@dataclass(frozen=True, slots=True)
class Context:
    """What a fit may look at besides the rows: task, seed, the declared order of categories, and the spec's route to it."""

    task: str
    seed: int
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    route: Route = ()


class Fitted(Protocol):
    """A fitted transform: picklable, and the same frame in gives the same frame out."""

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Turn the chosen columns into the ones that take their place, row for row."""


class Transform(Kind):
    """A feature transform. A member says which types it takes and fits itself."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    accepts: ClassVar[frozenset[str]] = frozenset(TYPES)
    """Types of columns that it can be given; without `columns` it takes all of them."""

    after: ClassVar[Literal["whole", "same", "unknown"]] = "unknown"
    """Missing values in what it gives: none, none if there were none, or who knows."""

    columns: Names | Selector | None = Field(None, description="Names, or {type: …}; without it, every column of the right type.")

    def chosen(self, types: Mapping[str, Type], route: Route = ()) -> list[str]:
        """Return the columns to work on, given the type of each there is; raise Problem for one that is not there or unfit."""
        if isinstance(self.columns, list):
            faults = [*self._faults(self.columns, types, route)]
            if faults:
                raise Problem(*faults)
            return list(dict.fromkeys(self.columns))
        taken = self.takes()
        if self.columns and self.columns.type not in taken:
            message = f"`{self.kind}` takes a {' or '.join(sorted(taken))}, not a {self.columns.type}"
            raise Problem(Finding("column-type", message, (*route, "columns", "type")))
        return [name for name, kind in types.items() if kind in taken and (self.columns is None or kind == self.columns.type)]

    def leaves(self) -> str:
        """Return what is known of missing values in the result: `after`, unless the parameters decide."""
        return self.after

    def on_one_scale(self) -> bool:
        """Tell whether the numbers it gives are on one scale as they are, so that no family has them standardised."""
        return False

    def takes(self) -> frozenset[str]:
        """Return the types that this member can be given: `accepts`, unless its parameters narrow that."""
        return self.accepts

    def _faults(self, names: Sequence[str], types: Mapping[str, Type], route: Route) -> list[Finding]:
        faults = []
        for index, name in enumerate(names):
            place = (*route, "columns", index)
            if name not in types:
                from difflib import get_close_matches

                close = get_close_matches(name, types, n=1)
                help_text = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(types)}"
                faults.append(
                    Finding("unknown-column", f"there is no feature column {name!r} at this point", place, help=help_text)
                )
            elif types[name] not in self.takes():
                wanted = " or ".join(sorted(self.takes()))
                faults.append(Finding("column-type", f"`{self.kind}` takes a {wanted}; {name!r} is a {types[name]}", place))
        return faults

    def fit_transform(self, frame: pl.DataFrame, target: np.ndarray[Any, Any], context: Context) -> tuple[Fitted, pl.DataFrame]:
        """Fit on the chosen columns of the training rows; return what was fitted and what it makes of these rows."""
        raise NotImplementedError


def load(dump: Mapping[str, Any], route: Route = ()) -> Transform:
    """Return the transform that plain JSON describes; raise Problem for one that is unknown or wrong."""
    try:
        member = kinds.load(__name__, str(dump.get("kind")))
    except KeyError:
        known = ", ".join(kinds.names(__name__))
        raise Problem(
            Finding("unknown-kind", f"there is no transform {dump.get('kind')!r}", route, help=f"one of {known}")
        ) from None
    try:
        transform = member.model_validate(dict(dump))
    except ValidationError as error:
        raise Problem(
            *(Finding("bad-value", one["msg"], (*route, *one["loc"])) for one in error.errors(include_url=False))
        ) from None
    assert isinstance(transform, Transform), member
    return transform


def type_of(dtype: Any) -> Type | None:
    """Return the type of a Polars dtype between transforms, or None for one that no feature can have."""
    import polars as pl

    if dtype.is_numeric() or dtype == pl.Null:
        return "number"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "category"
    if isinstance(dtype, pl.Array):
        return "array"
    return "date" if dtype in (pl.Date, pl.Datetime) else None


def types_of(frame: pl.DataFrame) -> dict[str, Type]:
    """Return the type of each column of a frame between transforms."""
    return {name: kind for name, dtype in frame.schema.items() if (kind := type_of(dtype)) is not None}
