"""The types of columns: told from texts, given to texts and to other types, and named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from numpy.typing import NDArray

DTYPES: dict[str, Any] = {
    "integer": pl.Int64,
    "number": pl.Float64,
    "string": pl.String,
    "category": pl.String,
    "boolean": pl.Boolean,
    "date": pl.Date,
    "datetime": pl.Datetime("us"),
}
"""How a declared type is held. Points in time are in UTC; a text without an offset is taken to be in UTC."""

TRUE, FALSE = ("true", "yes", "y", "t", "1"), ("false", "no", "n", "f", "0")
WANTED = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date such as 2026-11-30",
    "datetime": "a point in time such as 2026-11-30T12:00:00",
}
ARRAY = "array"
"""A type without a dtype of its own: as many numbers in each row, float32, in a shape that the data has."""

_INSTANTS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.f%#z")
_MOSTLY = 0.9


@dataclass(frozen=True, slots=True)
class Survey:
    """What the texts of a column are: its type (None where every value is missing), how many values are not of it, and a note."""

    type: str | None
    broken: int = 0
    note: str = ""


def present(text: pl.Expr) -> pl.Expr:
    """Strip spaces; what is then empty is missing."""
    stripped = text.str.strip_chars()
    return pl.when(stripped.str.len_bytes() > 0).then(stripped)


def parsed(text: pl.Expr, type_: str, comma: bool = False) -> pl.Expr:
    """Return texts as values of a type, null where a text is none. `comma`: numbers are written 1,5."""
    if type_ in ("string", "category"):
        return text
    bare = present(text)
    if type_ == "boolean":
        word = bare.str.to_lowercase()
        return pl.when(word.is_in(TRUE)).then(True).when(word.is_in(FALSE)).then(False)
    if type_ == "date":
        return bare.str.to_date("%Y-%m-%d", strict=False)
    if type_ == "datetime":
        return pl.coalesce(_instant(bare, form, strict=False) for form in _INSTANTS)
    number = (bare.str.replace_all(",", ".", literal=True) if comma else bare).cast(pl.Float64, strict=False).fill_nan(None)
    if type_ == "number":
        return number
    return pl.coalesce(bare.cast(pl.Int64, strict=False), whole(number))


def whole(number: pl.Expr) -> pl.Expr:
    """Return numbers without a fraction as Int64, null for the others."""
    return pl.when(number == number.floor()).then(number.cast(pl.Int64, strict=False))


def _instant(text: pl.Expr, form: str, *, strict: bool) -> pl.Expr:
    made = text.str.replace(" ", "T", literal=True).str.to_datetime(form, strict=strict, time_unit="us")
    return made.dt.replace_time_zone(None) if form.endswith("z") else made


def strictly(name: str, type_: str, head: pl.Series) -> pl.Expr | None:
    """Return an expression for a column of texts that raises a Polars error at a value that is not of the type.

    None where there is no such expression: the values must be looked at first (`survey`). `head` holds the first texts.
    """
    text = pl.col(name)
    if type_ == "boolean":
        word = text.str.to_lowercase()  # `replace_strict` would be the plain way; it holds the whole column (3 GB, measured)
        digit = pl.when(word.is_in(TRUE)).then(pl.lit("1")).when(word.is_in(FALSE)).then(pl.lit("0")).otherwise(word)
        return digit.cast(pl.Int8).cast(pl.Boolean).alias(name)
    if type_ == "date":
        return text.str.to_date("%Y-%m-%d").alias(name)
    texts = head.to_frame(name).lazy()
    for form in _INSTANTS:
        if texts.select(_instant(text, form, strict=False).is_not_null().eq(text.is_not_null()).all()).collect().item():
            return _instant(text, form, strict=True).alias(name)
    return None


def survey(texts: pl.LazyFrame, columns: Mapping[str, Mapping[str, Any]], comma: bool = False) -> dict[str, Survey]:
    """Read a table of texts, streaming, and say what each column holds.

    A declared type stands; `broken` counts the values that are not of it. The type of other columns is the first of boolean
    (true, false), integer, number, date and datetime (ISO) that every value is of; else string. Numbers with leading zeros
    (007) and whole numbers of more than 63 bits are strings: they are codes. Only a table with dates is read twice.
    """
    names = texts.collect_schema().names()
    declared = {name: columns.get(name, {}).get("type") for name in names}
    found = _count(texts, (one for name in names for one in _counts(name, declared[name], comma)))
    dated = [name for name in names if declared[name] is None and found[name]["present"] == found[name]["dated"] > 0]
    if dated:
        types = ("date", "datetime")
        moments = (parsed(pl.col(name), one).is_not_null().sum().alias(f"{name}\0{one}") for name in dated for one in types)
        for name, counts in _count(texts, moments).items():
            found[name] |= counts
    return {name: _surveyed(declared[name], found[name]) for name in names}


def _count(texts: pl.LazyFrame, aggregates: Iterable[pl.Expr]) -> dict[str, dict[str, Any]]:
    """Compute aggregates called "column\\0what" and return them by column."""
    counted: dict[str, dict[str, Any]] = {}
    for key, value in texts.select(list(aggregates)).collect(engine="streaming").row(0, named=True).items():
        name, what = key.rsplit("\0", 1)
        counted.setdefault(name, {})[what] = value
    return counted


def _counts(name: str, type_: str | None, comma: bool) -> Iterator[pl.Expr]:
    """Yield what must be counted to tell a column's type, or to count the values that are not of its declared type."""
    bare = present(pl.col(name))
    yield (bare.is_not_null() & (bare.str.to_lowercase() != "nan")).sum().alias(f"{name}\0present")
    if type_ is not None:
        if DTYPES[type_] != pl.String:
            yield parsed(pl.col(name), type_, comma).is_not_null().sum().alias(f"{name}\0{type_}")
        return
    number = parsed(pl.col(name), "number", comma)
    yield number.is_not_null().sum().alias(f"{name}\0number")
    yield bare.cast(pl.Int64, strict=False).is_not_null().sum().alias(f"{name}\0integer")
    yield bare.str.to_lowercase().is_in(["true", "false"]).sum().alias(f"{name}\0boolean")
    yield bare.str.contains(r"^[+-]?[0-9]+$").sum().alias(f"{name}\0digits")
    yield bare.str.contains(r"^[+-]?0[0-9]").sum().alias(f"{name}\0zeros")
    yield bare.str.contains(r"^[0-9]{4}-").sum().alias(f"{name}\0dated")
    yield bare.filter(number.is_null()).min().alias(f"{name}\0other")


def _surveyed(declared: str | None, found: Mapping[str, Any]) -> Survey:
    here = found["present"]
    if declared is not None:
        return Survey(declared, max(0, here - found.get(declared, here)))
    if here == 0:
        return Survey(None)
    if found["number"] == here and (found["zeros"] or found["digits"] == here > found["integer"]):
        return Survey("string")
    if found["digits"] == here:
        return Survey("integer")
    for type_ in ("boolean", "number", "date", "datetime"):
        if found.get(type_) == here:
            return Survey(type_)
    if found["number"] >= _MOSTLY * here:
        share = found["number"] / here
        return Survey("string", note=f"{share:.1%} of the values are numbers, others are not, such as {found['other']!r}")
    return Survey("string")


def converted(name: str, dtype: Any, type_: str) -> pl.Expr:
    """Return a column of any flat type as a declared type, null where a value is none of it. An array stays what it is."""
    if type_ == ARRAY:
        return pl.col(name)
    value, wanted = pl.col(name), DTYPES[type_]
    if dtype == wanted:
        return value
    if wanted == pl.String:
        return _written(value, dtype).alias(name)
    if dtype == pl.String:
        return parsed(value, type_).alias(name)
    if type_ == "integer":
        return (
            value.cast(pl.Int64, strict=False) if dtype == pl.Boolean or dtype.is_integer() else whole(value.cast(pl.Float64))
        ).alias(name)
    if type_ == "boolean":
        return pl.when(value == 1).then(True).when(value == 0).then(False).alias(name)
    return value.cast(wanted, strict=False).alias(name)


def _written(value: pl.Expr, dtype: Any) -> pl.Expr:
    """Write values as text; a number without a fraction is written without one, so that 1 and 1.0 are one category."""
    if not dtype.is_float():
        return value.cast(pl.String)
    return pl.coalesce(whole(value.cast(pl.Float64)).cast(pl.String), value.cast(pl.String))


def fits(dtype: Any, type_: str) -> bool:
    """Tell whether every value of a Polars type has a counterpart in a declared type, or must be looked at."""
    wanted = DTYPES[type_]
    if dtype in (wanted, pl.Null) or wanted == pl.String:
        return True
    if type_ in ("integer", "number"):
        return bool(dtype.is_integer() or dtype == pl.Boolean or (type_ == "number" and dtype.is_numeric()))
    return type_ in ("date", "datetime") and dtype in (pl.Date, pl.Datetime)


def is_array(dtype: Any) -> bool:
    """Tell whether a Polars type is an array: as many numbers in each row, in one axis or several."""
    return isinstance(dtype, pl.Array) and _innermost(dtype).is_numeric()


def _innermost(dtype: Any) -> Any:
    while isinstance(dtype, pl.Array | pl.List):
        dtype = dtype.inner
    return dtype


def numbers(name: str, dtype: pl.Array) -> pl.Expr:
    """Return all numbers of a column of arrays, row by row; one null for an array that is missing."""
    made = pl.col(name)
    for _ in dtype.shape:
        made = made.explode()
    return made


def any_number(name: str, holds: Callable[[NDArray[Any]], NDArray[Any]]) -> pl.Expr:
    """Return whether something holds for any number of each row of a column of arrays; a missing array has none."""

    def found(arrays: pl.Series) -> pl.Series:
        told = holds(arrays.to_numpy())
        return pl.Series(told.any(axis=tuple(range(1, told.ndim)))) & arrays.is_not_null()

    return pl.col(name).map_batches(found, return_dtype=pl.Boolean, is_elementwise=True)


def plain(name: str, dtype: Any) -> pl.Expr | None:
    """Return a column as one of the eight types tables hold between steps; None for one that holds lists, records or bytes.

    Numbers that are not a number (NaN) become missing: a missing value has one form. Those of an array stay, for `validate`.
    """
    value = pl.col(name)
    if is_array(dtype):
        return value.cast(pl.Array(pl.Float32, dtype.shape))
    if dtype.is_float():
        return value.cast(pl.Float64).fill_nan(None)
    if dtype.is_integer() or dtype == pl.Boolean or dtype in (pl.String, pl.Date):
        return value.cast(pl.Int64) if dtype.is_integer() and dtype != pl.UInt64 else value
    if dtype == pl.Datetime:
        return (value.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else value).cast(
            pl.Datetime("us")
        )
    if dtype.is_decimal():
        return value.cast(pl.Float64)
    return value.cast(pl.String) if dtype in (pl.Categorical, pl.Enum, pl.Null, pl.Time) else None


def moments(name: str, dtype: Any) -> pl.Expr:
    """Return a column of time as numbers: days since 1970, microseconds since then, or its own numbers, which count seconds."""
    if dtype.is_numeric():
        return pl.col(name)
    return (pl.col(name).dt.cast_time_unit("us") if dtype == pl.Datetime else pl.col(name)).cast(pl.Int64)


def per_second(dtype: Any) -> float:
    """Return how many steps of `moments` make a second."""
    return 1 / 86_400 if dtype == pl.Date else 1e6 if dtype == pl.Datetime else 1.0


def name_of(dtype: Any) -> str:
    """Return the type's name in a spec; text is a string here, `table.described` says which strings are categories."""
    if dtype.is_integer():
        return "integer"
    if is_array(dtype):
        return ARRAY
    names = {pl.Boolean: "boolean", pl.Date: "date", pl.Datetime: "datetime"}
    return "number" if dtype.is_numeric() else names.get(dtype.base_type(), "string")
