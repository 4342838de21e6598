"""Raw rows, from wherever they come, as one Polars frame of the types that training saw."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime.labels import row_name, text_of, text_of_value
from mlspec.transforms import Type, type_of

NEVER = frozenset({"id", "target", "ignore", "group", "time"})
"""Roles of columns that no model sees. (A time column can still be taken by a `dates` transform, under the type date.)"""

ROW = "__row__"


@dataclass(frozen=True)
class Field:
    """A raw column: its type between transforms, what it is in the data, its datetimes' zone, its arrays' shape."""

    type: Type
    held: str  # integer, number, string, boolean, date, datetime, array
    zone: str | None = None
    shape: tuple[int, ...] = ()

    @property
    def dtype(self) -> Any:
        """The Polars dtype between transforms."""
        if self.type == "date":
            return pl.Date if self.held == "date" else pl.Datetime("us", self.zone)
        if self.type == "array":
            return pl.Array(pl.Float32, self.shape)
        return {"number": pl.Float64, "boolean": pl.Boolean, "category": pl.String}[self.type]


def fields_of(frame: pl.DataFrame, columns: Mapping[str, Mapping[str, Any]], target: str) -> dict[str, Field]:
    """Return the raw columns of a training table that may become features, in the table's order.

    Raises Problem for a column of a type that no feature can have.
    """
    fields = {}
    for name, dtype in frame.schema.items():
        role = columns.get(name, {}).get("role", "feature")
        if name in (ROW, target) or (role in NEVER and role != "time"):
            continue
        field = _field(dtype, columns.get(name, {}).get("type"))
        if role == "time":
            if field and field.type == "date":
                fields[name] = field
        elif field is None:
            help_text = "give it `role: ignore`, or turn it into numbers or text in a step of your own"
            raise Problem(
                Finding("column-type", f"{name!r} holds {dtype}, which no feature can", ("data", "columns", name), help=help_text)
            )
        else:
            fields[name] = field
    return fields


def _field(dtype: Any, declared: str | None) -> Field | None:
    kind = type_of(dtype)
    if kind is None:
        return None
    if kind == "date":
        return Field("date", "date") if dtype == pl.Date else Field("date", "datetime", dtype.time_zone)
    if kind == "array":
        return Field("array", "array", shape=tuple(dtype.shape))
    held = "string" if kind == "category" else kind if kind == "boolean" else "integer" if dtype.is_integer() else "number"
    if declared in ("category", "string"):
        return Field("category", held)
    if declared == "boolean" and kind == "number":
        return Field("boolean", held)
    return Field(kind, held)


def read(rows: Any, fields: Mapping[str, Field]) -> pl.DataFrame:
    """Return the fields' columns of raw rows: a Polars or pandas frame, or mappings, one a row. Other columns are left alone.

    Raises Problem for a column that is not there, for a value that is not of its field's type, and for an array that is missing
    or holds a number that is not finite, naming row and column.
    """
    if isinstance(rows, Mapping):
        rows = [rows]
    if not isinstance(rows, pl.DataFrame | pl.LazyFrame):
        made = numbered = _of_python(rows, fields)
    else:
        numbered = rows.lazy().collect() if isinstance(rows, pl.LazyFrame) else rows
        here = frozenset(numbered.columns)  # a list that is made anew at each look
        missing = [name for name in fields if name not in here]
        if missing:
            raise _absent(missing)
        made = numbered.select(_column(numbered, name, field) for name, field in fields.items())
    for name in (name for name, field in fields.items() if field.type == "array"):
        _whole(made[name], numbered)
    return made


def _whole(arrays: pl.Series, frame: pl.DataFrame) -> None:
    """Raise Problem for the first array that is missing or has a gap: nothing here fills one in."""
    numbers = arrays.to_numpy()
    bad = ~np.isfinite(numbers).all(axis=tuple(range(1, numbers.ndim)))
    if not bad.any():
        return
    place = int(bad.argmax())
    what = "is missing" if arrays[place] is None else "holds a number that is not finite"
    message = f"row {row_name(frame, place)}, {arrays.name!r}: the array {what}, and `impute` is not for arrays"
    help_text = "set such rows aside: `nullable: false` on the column with `on_failure: quarantine`"
    raise Problem(Finding("missing-array", message, ("data", "columns", arrays.name), help=help_text))


def _absent(names: Sequence[str], row: int | None = None) -> Problem:
    where = "the rows have" if row is None else f"row {row} has"
    help_text = "send null where a value is not known"
    return Problem(
        *(Finding("missing-column", f"{where} no {name!r}, which the model was trained on", help=help_text) for name in names)
    )


def _column(frame: pl.DataFrame, name: str, field: Field) -> pl.Series:
    column = frame[name]
    try:
        made = CASTS[field.type](column, field)
    except (pl.exceptions.PolarsError, TypeError) as error:
        message = f"{name!r} holds {column.dtype} and is not of type {field.type}: {error}"
        raise Problem(Finding("bad-value", message)) from None
    lost = made.is_null() & column.is_not_null()
    if column.dtype.is_float():
        lost &= column.is_not_nan()
    if lost.any():
        first = int(lost.arg_max() or 0)
        raise _bad(row_name(frame, first), name, column[first], field)
    return made.rename(name)


def _bad(row: int, name: str, value: Any, field: Field) -> Problem:
    if field.type == "array":
        shape = " × ".join(map(str, field.shape))
        return Problem(Finding("bad-value", f"row {row}, {name!r} is no array of {shape} numbers"))
    wanted = field.held if field.type in ("date", "number") else field.type
    return Problem(Finding("bad-value", f"row {row}, {name!r}: {value!r} is not of type {wanted}"))


def _number(column: pl.Series, field: Field) -> pl.Series:
    if type_of(column.dtype) == "date":
        raise TypeError("a date is no number")
    return column.cast(pl.Float64, strict=False).fill_nan(None)


def _boolean(column: pl.Series, field: Field) -> pl.Series:
    if column.dtype == pl.Boolean or column.dtype == pl.Null:
        return column.cast(pl.Boolean)
    if column.dtype.is_numeric():
        return column.replace_strict({0: False, 1: True}, default=None, return_dtype=pl.Boolean)
    words = column.cast(pl.String).str.to_lowercase()
    return words.replace_strict({"false": False, "true": True, "0": False, "1": True}, default=None, return_dtype=pl.Boolean)


def _date(column: pl.Series, field: Field) -> pl.Series:
    if column.dtype == pl.Null:
        return column.cast(field.dtype)
    if column.dtype == pl.String:
        parsed = (
            column.str.to_date(strict=False) if field.held == "date" else column.str.to_datetime(time_unit="us", strict=False)
        )
        return _zoned(parsed, field)
    if column.dtype not in (pl.Date, pl.Datetime):
        raise TypeError("neither a date nor text")
    return _zoned(column, field)


def _zoned(column: pl.Series, field: Field) -> pl.Series:
    """Bring datetimes to the zone of the training data; those without a zone are taken to be in it."""
    if field.held == "date":
        return column.cast(pl.Date)
    there = column.cast(pl.Datetime("us", getattr(column.dtype, "time_zone", None)))
    if field.zone is None:
        return there.dt.replace_time_zone(None)
    has_zone = getattr(there.dtype, "time_zone", None) is not None
    return there.dt.convert_time_zone(field.zone) if has_zone else there.dt.replace_time_zone(field.zone)


def _category(column: pl.Series, field: Field) -> pl.Series:
    """Numbers that are categories are written alike whether they come as 2 or as 2.0."""
    if field.held == "number" and column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_nan(None).cast(pl.String)
    return text_of(column)


def _array(column: pl.Series, field: Field) -> pl.Series:
    """Arrays in the shape of training; lists, and texts that are JSON lists, of as many numbers."""
    if column.dtype == pl.Null:
        return column.cast(field.dtype)
    if column.dtype == field.dtype:
        return column
    if isinstance(column.dtype, pl.Array | pl.List):
        values = column.to_list()
    elif column.dtype == pl.String:
        values = [_listed(text) for text in column]
    else:
        raise TypeError("neither an array nor a list")
    return pl.Series(column.name, [_one_array(value, field) for value in values], dtype=field.dtype)


def _listed(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


CASTS: dict[str, Callable[[pl.Series, Field], pl.Series]] = {
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "category": _category,
    "array": _array,
}


def _of_python(rows: Any, fields: Mapping[str, Field]) -> pl.DataFrame:
    """Read mappings, or a pandas frame (told by its `to_dict`), value by value."""
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        missing = [name for name in fields if name not in rows.columns]
        if missing:
            raise _absent(missing)
        values = {name: rows[name].astype(object).where(rows[name].notna(), None).tolist() for name in fields}
    else:
        values = _values(list(rows), fields)
    return pl.DataFrame(
        [
            pl.Series(name, [_one(row, name, value, field) for row, value in enumerate(values[name])], dtype=field.dtype)
            for name, field in fields.items()
        ]
    )


def _values(rows: Sequence[Any], fields: Iterable[str]) -> dict[str, list[Any]]:
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise Problem(Finding("bad-row", f"row {number} is {type(row).__name__}, not a mapping of column names to values"))
        missing = [name for name in fields if name not in row]
        if missing:
            raise _absent(missing, number)
    return {name: [row[name] for row in rows] for name in fields}


def _one(row: int, name: str, value: Any, field: Field) -> Any:
    """Return one value as its field's type, or None where it is missing; raise Problem where it is of another type."""
    if value is None or (isinstance(value, float | np.floating) and value != value):
        return None
    made = ONES[field.type](value, field)
    if made is None:
        raise _bad(row, name, value, field)
    return made


def _one_number(value: Any, field: Field) -> float | None:
    whole = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return float(value) if whole else None


def _one_boolean(value: Any, field: Field) -> bool | None:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    return bool(value) if isinstance(value, int | float | np.number) and value in (0, 1) else None


def _one_date(value: Any, field: Field) -> date | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, date):
        return None
    made: pl.Series = _zoned(pl.Series([value]), field)
    found: date = made[0]
    return found


def _one_category(value: Any, field: Field) -> str | None:
    if not isinstance(value, str | int | float | np.number | np.bool_):
        return None
    if field.held == "number" and not isinstance(value, str | bool | np.bool_):
        return str(_category(pl.Series([float(value)]), field)[0])
    return text_of_value(value)


def _one_array(value: Any, field: Field) -> list[Any] | None:
    """As many numbers, in one list or in lists of the field's shape."""
    try:
        numbers = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        return None
    if numbers.size != math.prod(field.shape) or numbers.shape not in ((numbers.size,), field.shape):
        return None
    made: list[Any] = numbers.reshape(field.shape).tolist()
    return made


ONES: dict[str, Callable[[Any, Field], Any]] = {
    "number": _one_number,
    "boolean": _one_boolean,
    "date": _one_date,
    "category": _one_category,
    "array": _one_array,
}
