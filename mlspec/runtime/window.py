"""A table in time as windows: each row holds the last values of a series, and what comes some steps later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import polars as pl

from mlspec import windows
from mlspec.diagnostic import Finding, Problem, Route
from mlspec.runtime import cast, table

Params = Mapping[str, Any]
WHERE: Route = ("data", "window")
RUN = "__run__"


def windowed(data: pl.LazyFrame, window: Params) -> tuple[pl.LazyFrame, dict[str, int]]:
    """Return the table with its windows (see `mlspec.spec.window`), and how many rows it had, has and lost, and why.

    Rows come out by series, in the order of time. A row is left out where a step of its window or the step of its target is not
    there ("no_full_window"), and then where one of the numbers or the target is missing ("missing_value"). Raises Problem for
    columns that are not there or hold no numbers, for a time that is missing or comes twice, and where no row is left.
    """
    time, by, target = window["time"], window.get("by"), window["target"]
    _refuse(data.collect_schema(), window)
    series = [by] if by else []
    frame = table.stream(data).sort([*series, time], maintain_order=True)
    _in_order(frame, series, time)
    held = windows.names(window)
    made = frame.lazy().with_columns(_run(frame.schema[time], window).alias(RUN))
    run, ahead = pl.col(RUN), int(window["ahead"])
    made = made.with_columns(
        (_over(run.shift(int(window["size"]) - 1), series) == run).fill_null(False).alias("__full__")
        & (_over(run.shift(-ahead), series) == run).fill_null(False),
        *(_over(pl.col(value).shift(back), series).alias(name) for name, (value, back) in held.items()),
        _over(pl.col(target).shift(-ahead), series).alias("__target__"),
    )
    gone = [value for value in dict.fromkeys(window["values"]) if value != target]
    full = made.filter(pl.col("__full__")).drop("__full__", RUN).collect()
    kept = full.drop_nulls([*held, "__target__"])
    if not kept.height:
        raise Problem(
            Finding("no-window", _why_none(frame, window), (*WHERE, "size"), help="a smaller `size`, or another `every`")
        )
    told = {
        "rows": frame.height,
        "windows": kept.height,
        "no_full_window": frame.height - full.height,
        "missing_value": full.height - kept.height,
    }
    return kept.with_columns(pl.col("__target__").alias(target)).drop("__target__", *gone).lazy(), told


def _over(expression: pl.Expr, series: list[str]) -> pl.Expr:
    """Look at the rows of one series only."""
    return expression.over(series) if series else expression


def _run(dtype: Any, window: Params) -> pl.Expr:
    """Number the runs of rows between which no step is missing: where the number differs, there is a gap."""
    if window.get("every") is None:
        return pl.lit(0)
    step = float(window["every"]) * cast.per_second(dtype)
    apart = cast.moments(window["time"], dtype).cast(pl.Float64).diff()
    return _over((apart != step).fill_null(True).cum_sum(), [window["by"]] if window.get("by") else [])


def _refuse(schema: pl.Schema, window: Params) -> None:
    """Raise Problem for columns that are not there, or of the wrong type, or whose names are taken."""
    faults = [*_absent(schema, window)]
    if faults:
        raise Problem(*faults)
    for index, name in enumerate(window["values"]):
        if not schema[name].is_numeric():
            message = f"`{name}` holds {cast.name_of(schema[name])}, and a window is of numbers"
            faults.append(Finding("column-type", message, (*WHERE, "values", index), help="declare its type, or leave it out"))
    time = schema[window["time"]]
    if not (time.is_numeric() or time in (pl.Date, pl.Datetime)):
        message = f"`{window['time']}` holds {cast.name_of(time)}, not times"
        help_text = f"declare it: `data.columns.{window['time']}: {{type: datetime}}`; texts must be ISO"
        faults.append(Finding("not-a-time", message, (*WHERE, "time"), help=help_text))
    taken = [name for name in windows.names(window) if name in schema]
    if taken:
        message = f"the sources have a column `{taken[0]}` already, which a window would make"
        faults.append(Finding("window-column-taken", message, (*WHERE, "values"), help="rename it in the source"))
    if faults:
        raise Problem(*faults)


def _absent(schema: pl.Schema, window: Params) -> Iterator[Finding]:
    named: list[tuple[str, Route]] = [(window["time"], (*WHERE, "time")), (window["target"], ("task", "target"))]
    named += [(window["by"], (*WHERE, "by"))] if window.get("by") else []
    named += [(name, (*WHERE, "values", index)) for index, name in enumerate(window["values"])]
    for name, route in named:
        if name not in schema:
            close = get_close_matches(name, schema.names(), n=1)
            help_text = f"did you mean `{close[0]}`?" if close else f"the sources have {', '.join(schema.names()[:30])}"
            yield Finding("unknown-column", f"no source has a column `{name}`", route, help=help_text)


def _in_order(frame: pl.DataFrame, series: list[str], time: str) -> None:
    """Raise Problem where rows have no time, or two rows of a series have the same: which comes first would be chance."""
    missing = frame[time].null_count()
    if missing:
        help_text = "give each row its time, or leave such rows out of the source"
        raise Problem(Finding("missing-time", f"{missing} rows have no `{time}`", (*WHERE, "time"), help=help_text))
    twice = frame.select(pl.struct([*series, time]).is_duplicated().alias("twice"))["twice"]
    if twice.any():
        row = frame.select([*series, time]).row(int(twice.arg_max() or 0), named=True)
        shown = ", ".join(f"{name} = {value}" for name, value in row.items())
        message = f"{int(twice.sum())} rows share their time with another: {shown} comes more than once"
        help_text = "name the column that tells the series apart in `by`, or make one row of each time"
        raise Problem(Finding("time-twice", message, (*WHERE, "time"), help=help_text))


def _why_none(frame: pl.DataFrame, window: Params) -> str:
    steps = int(window["size"]) + int(window["ahead"])
    every = f", each {float(window['every']):g} s after the one before" if window.get("every") is not None else ""
    return (
        f"a window and its target take {steps} rows that follow each other{every}, and none of the {frame.height} rows has these"
    )
