"""Validate: hold every row against the schema and the checks, set failing rows aside, and fit the schema that serving checks."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import polars as pl

from mlspec import kinds
from mlspec.checks import PLAIN, Check, Rule
from mlspec.checks.values import listed
from mlspec.diagnostic import Finding, Problem, Route
from mlspec.runtime import cast, identity, profiling, table
from mlspec.runtime.artifact import write_json
from mlspec.runtime.predicate import predicate

Params = Mapping[str, Any]
EXAMPLES = 20
TARGET = "target"
_ORIGINAL = "__original__{}__"


@dataclass(frozen=True)
class Held:
    """A rule and what it found. `rows` are the failing rows' numbers where they cannot be told by looking at one row."""

    rule: Rule
    failing: int
    rows: int
    which: pl.Expr | None

    @property
    def share(self) -> float:
        return self.failing / self.rows if self.rows else 0.0

    @property
    def passes(self) -> bool:
        return self.failing == 0 or (self.which is not None and self.share <= self.rule.allowed)


@dataclass(frozen=True)
class Table:
    """The rows under test: declared columns in their types, with the original of what is not of its type kept beside it."""

    stored: pl.LazyFrame
    params: Params

    @cached_property
    def stored_schema(self) -> pl.Schema:
        return self.stored.collect_schema()

    @property
    def columns(self) -> Mapping[str, Params]:
        return self.params["columns"] or {}

    @property
    def task(self) -> Params:
        return self.params.get("task") or {}

    @cached_property
    def retyped(self) -> dict[str, str]:
        """The declared columns that are stored in another type, and the declared one."""
        wanted = {name: one["type"] for name, one in self.columns.items() if one.get("type") and name in self.stored_schema}
        kept = {name: self.stored_schema[name] if type_ == cast.ARRAY else cast.DTYPES[type_] for name, type_ in wanted.items()}
        return {name: type_ for name, type_ in wanted.items() if kept[name] != self.stored_schema[name]}

    @cached_property
    def doubtful(self) -> list[str]:
        """The retyped columns that may hold values that are not of the type."""
        return [name for name, type_ in self.retyped.items() if not cast.fits(self.stored_schema[name], type_)]

    @cached_property
    def rows(self) -> pl.LazyFrame:
        originals = [pl.col(name).alias(_ORIGINAL.format(name)) for name in self.doubtful]
        typed = [cast.converted(name, self.stored_schema[name], type_).alias(name) for name, type_ in self.retyped.items()]
        return self.stored.with_columns(originals).with_columns(typed) if typed else self.stored

    @cached_property
    def schema(self) -> dict[str, Any]:
        return {name: dtype for name, dtype in self.rows.collect_schema().items() if not table.is_reserved(name)}


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Params) -> dict[str, Any]:
    """Write `data` (the rows kept, in their declared types), `quarantine` (the rows set aside, with ``__reason__``) and `report`.

    A check fails when more than the share it allows of the rows fails. on_failure says what happens to the failing rows of a
    failed check: `stop` and `quarantine` set them aside (verdict fail, warn), `warn` keeps them (verdict warn), with null for
    a value that is not of its type. A failed check of the table as a whole (its number of rows) fails the verdict but for
    `warn`, as nothing can be set aside. A row without a target is always set aside; that alone makes the verdict warn, and
    fail where no row is left. Nothing is raised for bad data: a gate reads the verdict. Raises Problem for a check or a
    declaration that does not fit the table.
    """
    whole = Table(table.scan(inputs["data"]), params)
    _check_names(whole)
    rules = [*_schema_rules(whole), *_checks(whole)]
    held, summary = _hold(whole, rules)
    mode = params.get("on_failure") or "stop"
    aside = [one for one in held if one.which is not None and not one.passes and (mode != "warn" or one.rule.kind == TARGET)]
    _write(whole, aside, inputs["data"], outputs)
    kept, quarantined = (table.stream(table.scan(outputs[name]).select(pl.len())).item() for name in ("data", "quarantine"))
    verdict = _verdict(held, mode, kept)
    report = {
        "verdict": verdict,
        "rows": kept + quarantined,
        "kept": kept,
        "quarantined": quarantined,
        "on_failure": mode,
        "checks": list(_told(whole, held)),
        "schema": fitted(table.scan(outputs["data"]), params, summary if kept == summary["rows"] else None),
    }
    write_json(outputs["report"], report)
    failed = sum(not one.passes for one in held)
    return {
        "verdict": verdict,
        "rows": kept + quarantined,
        "kept": kept,
        "quarantined": quarantined,
        "checks": len(held),
        "failed": failed,
    }


def _check_names(whole: Table) -> None:
    wanted: list[tuple[str, Route, str]] = [(name, ("data", "columns", name), "a column") for name in whole.columns]
    if whole.task.get("target"):
        wanted.append((whole.task["target"], ("task", "target"), "the target"))
    faults = []
    for name, route, what in wanted:
        if name not in whole.stored_schema:
            close = difflib.get_close_matches(name, whole.stored_schema, n=1)
            help_text = f"did you mean `{close[0]}`?" if close else f"it has {', '.join(whole.stored_schema)}"
            faults.append(Finding("unknown-column", f"the data has no `{name}`, {what} of the spec", route, help=help_text))
    if faults:
        raise Problem(*faults)


def _schema_rules(whole: Table) -> Iterator[Rule]:
    """Yield the rules that the declared columns and the task imply."""
    target = whole.task.get("target")
    if target:
        if cast.is_array(whole.schema[target]):
            message = f"`{target}` holds arrays, and what is to be learnt is one value a row"
            raise Problem(Finding("target-is-array", message, ("task", "target"), help="another column is the target"))
        description = f"every row has `{target}`, which is to be learnt"
        yield Rule(
            kind=TARGET,
            description=description,
            column=target,
            failing=pl.col(target).is_null(),
            shows=(target,),
            route=("task", "target"),
        )
    for name, dtype in whole.schema.items():
        if dtype.is_float() or cast.is_array(dtype):
            route: Route = ("data", "columns", name) if name in whole.columns else ("data", "columns")
            failing = pl.col(name).is_infinite() if dtype.is_float() else cast.any_number(name, lambda x: ~np.isfinite(x))
            yield Rule(kind="finite", description=f"`{name}` is finite", column=name, failing=failing, shows=(name,), route=route)
    for name, declared in whole.columns.items():
        for rule in _column_rules(name, declared, whole.schema[name], name in whole.doubtful):
            yield replace(rule, route=("data", "columns", name, *rule.route), column=name, shows=rule.shows or (name,))


def _column_rules(name: str, declared: Params, dtype: Any, doubtful: bool) -> Iterator[Rule]:
    value = pl.col(name)
    if doubtful:
        original, wanted = _ORIGINAL.format(name), cast.WANTED[declared["type"]]
        is_text = cast.present(pl.col(original).cast(pl.String))
        failing = is_text.is_not_null() & (is_text.str.to_lowercase() != "nan") & value.is_null()
        yield Rule(kind="type", description=f"`{name}` is {wanted}", failing=failing, shows=(original,), route=("type",))
    if declared.get("nullable") is False or (declared.get("role") == "id" and declared.get("nullable") is None):
        route: Route = ("nullable",) if declared.get("nullable") is False else ("role",)
        yield Rule(kind="present", description=f"`{name}` is never missing", failing=value.is_null(), route=route)
    yield from _bounds(name, declared, dtype)
    if declared.get("values") is not None:
        allowed = _allowed(name, declared["values"], dtype)
        shown = ", ".join(map(str, declared["values"][:6])) + (", …" if len(declared["values"]) > 6 else "")
        yield Rule(
            kind="values", description=f"`{name}` is one of {shown}", failing=~value.is_in(allowed.implode()), route=("values",)
        )
    if declared.get("pattern"):
        yield _pattern(name, declared["pattern"], dtype)
    if declared.get("unique"):
        yield Rule(kind="unique", description=f"no `{name}` comes twice", repeats=(name,), route=("unique",))


def _bounds(name: str, declared: Params, dtype: Any) -> Iterator[Rule]:
    for key, sign in (("min", ">="), ("max", "<=")):
        bound = declared.get(key)
        if bound is None:
            continue
        measured = dtype.is_numeric() or cast.is_array(dtype)
        if not (measured or dtype.is_temporal()):
            message = f"`{name}` holds {cast.name_of(dtype)}, which has no {key}"
            help_text = "drop the bound, or declare the column a number, a date or a datetime"
            raise Problem(Finding("bound-of-another-type", message, ("data", "columns", name, key), help=help_text))
        if measured and (isinstance(bound, bool) or not isinstance(bound, int | float)):
            message = f"`{name}` holds numbers, and its {key} is {bound!r}"
            raise Problem(
                Finding("bound-of-another-type", message, ("data", "columns", name, key), help="write a number without quotes")
            )
        if cast.is_array(dtype):
            failing = cast.any_number(name, _beyond(key, bound))
        else:
            limit = pl.lit(bound) if measured else _moment(name, key, bound, dtype)
            failing = pl.col(name) < limit if key == "min" else pl.col(name) > limit
        yield Rule(kind=key, description=f"`{name}` {sign} {bound}", failing=failing, route=(key,))


def _beyond(key: str, bound: float) -> Callable[[Any], Any]:
    """Return which numbers are beyond a bound."""
    limit = np.float32(bound)  # as an array holds it
    return lambda numbers: numbers < limit if key == "min" else numbers > limit


def _moment(name: str, key: str, bound: Any, dtype: Any) -> pl.Expr:
    made = pl.select(cast.parsed(pl.lit(str(bound)), "date" if dtype == pl.Date else "datetime")).item()
    if made is None:
        help_text = "write it like 2026-11-30"
        raise Problem(
            Finding("bound-of-another-type", f"{bound!r} is not a date", ("data", "columns", name, key), help=help_text)
        )
    return pl.lit(made)


def _allowed(name: str, values: Sequence[Any], dtype: Any) -> pl.Series:
    try:
        found: pl.Series = listed(values, dtype)
    except Problem as problem:
        raise _at(problem, ("data", "columns", name)) from None
    return found


def _pattern(name: str, pattern: str, dtype: Any) -> Rule:
    route = ("data", "columns", name, "pattern")
    if dtype != pl.String:
        raise Problem(
            Finding(
                "pattern-of-another-type", f"`{name}` holds {cast.name_of(dtype)}, not text", route, help="declare `type: string`"
            )
        )
    failing = ~pl.col(name).str.contains(f"^(?:{pattern})$")
    try:
        pl.select(pl.lit("").alias(name)).select(failing)
    except pl.exceptions.PolarsError as error:
        message = f"`{pattern}` cannot be read: {str(error).splitlines()[0]}"
        help_text = "patterns are Rust regular expressions: without look-around and back-references"
        raise Problem(Finding("bad-pattern", message, route, help=help_text)) from None
    return Rule(kind="pattern", description=f"`{name}` matches {pattern}", failing=failing, route=("pattern",))


def _checks(whole: Table) -> Iterator[Rule]:
    """Yield the rules of the checks that the spec lists."""
    for index, params in enumerate(whole.params.get("checks") or ()):
        route = ("data", "checks", index)
        try:
            member = kinds.load("mlspec.checks", params["kind"])
        except KeyError:
            known = ", ".join(kinds.names("mlspec.checks"))
            raise Problem(
                Finding("kind-unknown", f"there is no check `{params['kind']}`", (*route, "kind"), help=f"one of {known}")
            ) from None
        check = member.model_validate(params, context=PLAIN)
        assert isinstance(check, Check)
        try:
            for rule in check.rules(whole.schema):
                if rule.condition is not None:
                    rule = replace(rule, failing=~predicate(rule.condition, whole.schema, rule.route))
                yield replace(rule, route=(*route, *rule.route))
        except Problem as problem:
            raise _at(problem, route) from None


def _at(problem: Problem, route: Route) -> Problem:
    return Problem(*(replace(one, route=(*route, *one.route)) if isinstance(one, Finding) else one for one in problem.faults))


def _hold(whole: Table, rules: Sequence[Rule]) -> tuple[list[Held], dict[str, Any]]:
    """Count the failing rows of every rule: all that look at one row, or at aggregates, in one pass; with a `_summary`."""
    counts = [pl.len().alias("rows"), *_summary(whole.schema)]
    for index, rule in enumerate(rules):
        if rule.failing is not None:
            counts.append(rule.failing.fill_null(False).sum().alias(str(index)))
        elif rule.holds is not None:
            counts.append(rule.holds.fill_null(False).alias(str(index)))
    found = table.stream(whole.rows.select(counts)).row(0, named=True)
    rows = int(found["rows"])
    held = []
    for index, rule in enumerate(rules):
        if rule.repeats:
            numbers = _repeats(whole, rule)
            held.append(Held(rule, len(numbers), rows, pl.col(table.ROW).is_in(numbers.implode())))
        elif rule.holds is not None:
            held.append(Held(rule, 0 if found[str(index)] else rows, rows, None))
        else:
            held.append(Held(rule, int(found[str(index)]), rows, rule.failing.fill_null(False)))
    return held, found


def _repeats(whole: Table, rule: Rule) -> pl.Series:
    """Return the numbers of the rows that repeat an earlier one: by hash first (8 bytes a row), then for certain."""
    names = list(rule.repeats)
    hashed = identity.prints(names)
    if not rule.missing_repeats:
        hashed = pl.when(pl.all_horizontal(pl.col(name).is_not_null() for name in names)).then(hashed)
    prints = table.stream(whole.rows.select(hashed.alias("hash")))
    present = prints["hash"].drop_nulls().sort()
    doubled = present.filter(present == present.shift(1)).unique()
    if doubled.len() == 0:
        return pl.Series(table.ROW, [], dtype=pl.UInt64)
    suspects = pl.concat([whole.rows.select(table.ROW, *names), prints.lazy()], how="horizontal").filter(
        pl.col("hash").is_in(doubled.implode())
    )
    found = table.stream(suspects).sort(table.ROW)
    return found.filter(~found.select(names).select(pl.struct(names).is_first_distinct()).to_series())[table.ROW]


def _write(whole: Table, aside: Sequence[Held], source: Path, outputs: Mapping[str, Path]) -> None:
    """Write the rows kept and the rows set aside; a table that stays as it is is copied byte by byte."""
    original = [pl.col(_ORIGINAL.format(name)).alias(name) for name in whole.doubtful]
    hidden = [_ORIGINAL.format(name) for name in whole.doubtful]
    bad = reduce(lambda left, right: left | right, (one.which for one in aside if one.which is not None), pl.lit(False))
    reasons = [pl.when(one.which).then(pl.lit(one.rule.description)) for one in aside if one.which is not None]
    reason = pl.concat_str(reasons, separator="; ", ignore_nulls=True) if reasons else pl.lit(None, dtype=pl.String)
    failing = whole.rows.filter(bad).with_columns(reason.alias(table.REASON)).with_columns(original).drop(hidden)
    table.write(failing, outputs["quarantine"])
    if aside or whole.retyped:
        table.write(whole.rows.filter(~bad).drop(hidden), outputs["data"])
    else:
        copyfile(source, outputs["data"])


def _verdict(held: Sequence[Held], mode: str, kept: int) -> str:
    failed = [one for one in held if not one.passes]
    whole = [one for one in failed if one.which is None]
    if kept == 0 or (mode != "warn" and whole) or (mode == "stop" and any(one.rule.kind != TARGET for one in failed)):
        return "fail"
    return "warn" if failed else "pass"


def _told(whole: Table, held: Sequence[Held]) -> Iterator[dict[str, Any]]:
    ids: dict[str, int] = {}
    for one in held:
        rule = one.rule
        name = f"{rule.kind}.{rule.column}" if rule.column else rule.kind
        ids[name] = ids.get(name, 0) + 1
        yield {
            "id": name if ids[name] == 1 else f"{name}#{ids[name]}",
            "kind": rule.kind,
            "column": rule.column,
            "description": rule.description,
            "failing": one.failing,
            "share": one.share,
            "allowed": rule.allowed,
            "verdict": "pass" if one.passes else "fail",
            "route": list(rule.route),
            "examples": _examples(whole, one),
        }


def _examples(whole: Table, one: Held) -> list[dict[str, Any]]:
    """Return the first failing rows and their values; a personal column's values are not told."""
    if one.which is None or one.failing == 0:
        return []
    shows = list(one.rule.shows)
    found = table.stream(whole.rows.filter(one.which).select(table.ROW, *shows).head(EXAMPLES)).rows()
    told = []
    for row, *values in found:
        parts = [_shown(whole, name, value) for name, value in zip(shows, values, strict=True)]
        text = parts[0] if len(parts) == 1 else ", ".join(f"{name}={part}" for name, part in zip(shows, parts, strict=True))
        told.append({"row": row, "value": text})
    return told


def _shown(whole: Table, name: str, value: Any) -> str | None:
    plain = name.removeprefix("__original__").removesuffix("__") if table.is_reserved(name) else name
    if whole.columns.get(plain, {}).get("pii"):
        return "(personal)"
    if isinstance(value, list):
        return "an array"  # thousands of numbers say nothing to a reader
    return None if value is None else str(profiling.shown(value) if not isinstance(value, float) else value)


def _summary(schema: Mapping[str, Any]) -> Iterator[pl.Expr]:
    """Yield what a fitted schema needs of each column."""
    for name, dtype in schema.items():
        yield pl.col(name).null_count().alias(f"{name}\0missing")
        if dtype.is_numeric() or dtype.is_temporal() or cast.is_array(dtype):
            yield profiling.measured(name, dtype).min().alias(f"{name}\0min")
            yield profiling.measured(name, dtype).max().alias(f"{name}\0max")


def fitted(data: pl.LazyFrame, params: Params, summary: Params | None = None) -> dict[str, dict[str, Any]]:
    """Return the schema as these rows have it: {column: {"type", "role", "values", "min", "max", "nullable", "fitted"}}; that of
    a column of arrays has its "shape", too.

    What is declared stands; the rest is seen in the data and named in "fitted", so that serving can tell a rule from an
    observation. Texts with at most 100 distinct values list them. Personal columns list nothing. `summary` is what `_summary`
    computes, where that is known already.
    """
    columns, task = params["columns"] or {}, params.get("task") or {}
    schema = data.collect_schema()
    names = table.columns_of(schema.names())
    found = summary or table.stream(data.select(_summary({name: schema[name] for name in names}))).row(0, named=True)
    return {
        name: _fit(data, name, schema[name], found, columns.get(name, {}), table.role_of(name, columns, task)) for name in names
    }


def _fit(data: pl.LazyFrame, name: str, dtype: Any, found: Params, declared: Params, role: str) -> dict[str, Any]:
    hidden = bool(declared.get("pii"))
    seen: dict[str, Any] = {end: None if hidden else profiling.shown(found.get(f"{name}\0{end}")) for end in ("min", "max")}
    seen["values"] = (
        None if hidden or role == "id" or dtype != pl.String else _values(data, name, declared.get("type") == "category")
    )
    seen["nullable"] = found[f"{name}\0missing"] > 0
    told = {key: declared[key] if declared.get(key) is not None else value for key, value in seen.items()}
    type_ = profiling.type_of(
        dtype, declared.get("type"), table.SOME_VALUES + 1 if seen["values"] is None else len(seen["values"])
    )
    return {
        "type": type_,
        "role": role,
        **({"shape": list(dtype.shape)} if cast.is_array(dtype) else {}),
        **told,
        "fitted": sorted(key for key in seen if declared.get(key) is None and told[key] is not None),
    }


def _values(data: pl.LazyFrame, name: str, all_of_them: bool) -> list[str] | None:
    """Return the distinct texts of a column, sorted; None where there are more than 100, unless all are wanted."""
    column = data.select(pl.col(name).drop_nulls())
    if not all_of_them and table.stream(column.head(100_000).unique()).height > table.SOME_VALUES:
        return None
    values = table.stream(column.unique())[name].sort().to_list()
    return values if all_of_them or len(values) <= table.SOME_VALUES else None
