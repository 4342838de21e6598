"""Ingest: read every source, combine them, write one typed table, and describe it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from mlspec import kinds, windows
from mlspec.diagnostic import Finding, Problem, Route
from mlspec.runtime import cast, profiling, table
from mlspec.runtime.artifact import write_json
from mlspec.runtime.window import windowed
from mlspec.sources import Readable
from mlspec.sources._source import Source

Params = Mapping[str, Any]
HEAD = 10_000
"""So many rows of a text source are looked at for its types; where a later row contradicts them, all rows are."""


@dataclass(frozen=True)
class Reader:
    """A source, where its paths start, and what is declared of columns."""

    name: str
    source: Readable
    root: Path
    columns: Mapping[str, Params]
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def route(self) -> Route:
        return ("data", "sources", self.name)

    def read(self, careful: bool) -> pl.LazyFrame:
        """Return the source's rows, typed.

        Where `careful` is not set, reading may stop with a Polars error at a value that is not of its column's type. Careful
        reading looks at every value first; a declared column with values that are not of its type stays text, for `validate`.
        """
        texts = self.source.text(self.root)
        if texts is None:
            return self._typed(self.source.scan(self.root, self.columns))
        self._arrays_as_declared(dict.fromkeys(texts.collect_schema().names(), pl.String))
        comma = bool(getattr(self.source, "decimal_comma", False))
        if not careful:
            head = texts.head(HEAD).collect(engine="streaming")
            found = cast.survey(head.lazy(), self.columns, comma)
            quick = self._quick(head, found)
            if quick is not None:
                return quick
        found = cast.survey(texts, self.columns, comma)
        self._remember(found)
        made: pl.LazyFrame = texts.with_columns(
            cast.parsed(pl.col(name), one.type, comma).alias(name)
            for name, one in found.items()
            if one.type is not None and not one.broken
        )
        return made

    def _quick(self, head: pl.DataFrame, found: Mapping[str, cast.Survey]) -> pl.LazyFrame | None:
        """Read typed columns straight from the text; None where the first rows already call for care."""
        if any(one.broken or (one.type is None and head.height == HEAD) for one in found.values()):
            return None
        types = {name: {"type": one.type or "string"} for name, one in found.items()}
        words = [name for name, one in found.items() if one.type == "boolean" and not head[name].is_in(["true", "false"]).all()]
        types |= {name: {"type": "string"} for name in words}
        later = {name: str(one.type) for name, one in found.items() if one.type in ("date", "datetime") or name in words}
        strict = {name: cast.strictly(name, type_, head[name]) for name, type_ in later.items()}
        if not all(expr is not None for expr in strict.values()):
            return None
        self._remember(found)
        frame: pl.LazyFrame = self.source.scan(self.root, types)
        numbers = [name for name, one in found.items() if one.type == "number"]
        return frame.with_columns(*(expr for expr in strict.values() if expr is not None), pl.col(numbers).fill_nan(None))

    def _remember(self, found: Mapping[str, cast.Survey]) -> None:
        self.notes.clear()
        self.notes.update({name: one.note for name, one in found.items() if one.note})

    def _typed(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Bring a table that has types of its own to the types of tables between steps, and to the declared ones."""
        schema = frame.collect_schema()
        made: dict[str, pl.Expr] = {}
        for name, dtype in schema.items():
            flat = cast.plain(name, dtype)
            if flat is None:
                flat = self._array(frame, name, dtype)
            made[name] = flat
        frame = frame.select(expr.alias(name) for name, expr in made.items())
        schema = frame.collect_schema()
        self._arrays_as_declared(schema)
        wanted = {name: self.columns[name]["type"] for name in schema if name in self.columns and self.columns[name].get("type")}
        wanted = {name: type_ for name, type_ in wanted.items() if type_ != cast.ARRAY}
        unsure = {name: type_ for name, type_ in wanted.items() if not cast.fits(schema[name], type_)}
        lost = {
            name: cast.converted(name, schema[name], type_).is_null() & pl.col(name).is_not_null()
            for name, type_ in unsure.items()
        }
        broken = (
            table.stream(frame.select(expr.sum().alias(name) for name, expr in lost.items())).row(0, named=True) if lost else {}
        )
        return frame.with_columns(
            cast.converted(name, schema[name], type_) if not broken.get(name) else cast.converted(name, schema[name], "string")
            for name, type_ in wanted.items()
        )

    def _array(self, frame: pl.LazyFrame, name: str, dtype: Any) -> pl.Expr:
        """Return lists of numbers that are all of one length as arrays; raise Problem for anything else that is nested."""
        if not (isinstance(dtype, pl.List) and dtype.inner.is_numeric()):
            help_text = "take it apart into columns of numbers and texts, or leave it out"
            raise Problem(Finding("nested-column", f"`{name}` holds {dtype}", (), help=help_text))
        length = pl.col(name).list.len()
        shortest, longest = table.stream(frame.select(length.min().alias("min"), length.max().alias("max"))).row(0)
        if shortest is None or shortest != longest:
            message = f"`{name}` holds lists of {shortest or 0} to {longest or 0} numbers, and an array has as many in each row"
            raise Problem(Finding("nested-column", message, (), help="fill the short ones up, or cut the long ones"))
        return pl.col(name).cast(pl.List(pl.Float32)).list.to_array(longest)

    def _arrays_as_declared(self, schema: Mapping[str, Any]) -> None:
        """Raise Problem where a column that is declared an array holds something else, or one of another type an array."""
        for name, dtype in schema.items():
            declared, held = self.columns.get(name, {}).get("type"), cast.name_of(dtype)
            if declared is not None and (declared == cast.ARRAY) != (held == cast.ARRAY):
                help_text = "arrays come from `kind: images`, `kind: audio`, and lists of one length in Parquet"
                message = f"`{name}` is declared {declared}, and `{self.source.kind}` gives {held}"
                raise Problem(Finding("array-or-not", message, ("kind",), help=help_text))


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Params) -> dict[str, Any]:
    """Write `data` (the table, with ``__row__``) and `profile`; see `profiling.profile` for its layout.

    params: sources {name: {"kind", …}}, join [{"left", "right", "on", "how"}], union {"source_column"} or null, columns,
    data_root, and window (see `window.windowed`) where rows are to hold windows of a series. Raises Problem for a source that
    cannot be read, for sources that cannot be combined, and for a table of which no windows can be made.
    """
    readers = _readers(params)
    try:
        windows_made = _write(readers, params, outputs["data"], careful=False)
    except pl.exceptions.PolarsError:
        windows_made = _carefully(readers, params, outputs["data"])
    data = table.scan(outputs["data"])
    rows = table.stream(data.select(pl.len())).item()
    if rows == 0:
        raise Problem(
            Finding(
                "no-rows", "the sources give a table without rows", ("data", "sources"), help="look at the files, or at the join"
            )
        )
    notes = {name: note for reader in readers.values() for name, note in reader.notes.items()}
    window = params.get("window")
    if window is not None:
        notes[window["target"]] = _of_windows(window, windows_made)
        described = profiling.profile(data, windows.columns(params["columns"], window, window["target"]), notes)
        described["windows"] = windows_made
    else:
        described = profiling.profile(data, params["columns"], notes)
    _no_short_rows(readers, described)
    alone = len(readers) == 1 and window is None
    described["sources"] = [_told(reader, rows if alone else None) for reader in readers.values()]
    write_json(outputs["profile"], described)
    missing = sum(column["missing"] for column in described["columns"])
    told = {"rows": rows, "columns": len(described["columns"]), "missing_values": missing, "sources": len(readers)}
    return told if window is None else {**told, "left_out": windows_made["rows"] - windows_made["windows"]}


def _of_windows(window: Params, made: Mapping[str, int]) -> str:
    """Say what the target's column holds, and which rows are not there."""
    steps = "1 step" if window["ahead"] == 1 else f"{window['ahead']} steps"
    return (
        f"its value {steps} later; of {made['rows']:,} rows {made['no_full_window']:,} have no full window and "
        f"{made['missing_value']:,} lack a value of it, and were left out"
    )


def external(params: Params, file_digest: Callable[[Path], str]) -> dict[str, Any]:
    """Return what lies behind the sources, by content, for cache keys; `file_digest` gives the SHA-256 of a file."""
    told: dict[str, Any] = {}
    for name, reader in _readers(params).items():
        try:
            files = reader.source.files(reader.root)
            told[name] = [file_digest(path) for path in files] if files else reader.source.fingerprint(reader.root)
        except Problem as problem:
            raise _at(problem, reader.route) from None
    return told


def _readers(params: Params) -> dict[str, Reader]:
    root = Path(params.get("data_root") or ".")
    readers = {}
    for name, wanted in params["sources"].items():
        route = ("data", "sources", name, "kind")
        try:
            member = kinds.load("mlspec.sources", wanted["kind"])
        except KeyError:
            raise Problem(Finding("kind-unknown", f"there is no kind `{wanted['kind']}` of source", route)) from None
        if not issubclass(member, Readable):
            known = [kind for kind in kinds.names("mlspec.sources") if issubclass(kinds.load("mlspec.sources", kind), Readable)]
            help_text = f"kinds that can be read: {', '.join(known)}; `custom` calls your own function"
            raise Problem(
                Finding("not-realised", f"nothing reads a source of kind `{wanted['kind']}` yet", route, help=help_text)
            )
        words = Source.model_fields.keys() - {"kind"}  # what a source says about itself does not matter here
        source = member.model_validate({key: value for key, value in wanted.items() if key not in words})
        readers[name] = Reader(name, source, root, params["columns"])
    return readers


def _write(readers: Mapping[str, Reader], params: Params, path: Path, *, careful: bool) -> dict[str, int]:
    """Write the table; return how many rows became windows, where any are made."""
    frames = {name: _read(reader, careful) for name, reader in readers.items()}
    data = _combined(frames, params)
    _check_columns(data.collect_schema().names(), params["columns"])
    made: dict[str, int] = {}
    if params.get("window") is not None:
        data, made = windowed(data, params["window"])
    table.write(data.with_row_index(table.ROW).with_columns(pl.col(table.ROW).cast(pl.UInt64)), path)
    return made


def _read(reader: Reader, careful: bool) -> pl.LazyFrame:
    try:
        frame = reader.read(careful)
        reserved = [name for name in frame.collect_schema().names() if table.is_reserved(name)]
    except Problem as problem:
        raise _at(problem, reader.route) from None
    if reserved:
        message = f"the column {', '.join(reserved)} has a name of the form __name__, which is kept for bookkeeping"
        raise Problem(Finding("reserved-name", message, (*reader.route, "path"), help="rename it in the file"))
    return frame


def _at(problem: Problem, route: Route) -> Problem:
    return Problem(*(replace(one, route=(*route, *one.route)) if isinstance(one, Finding) else one for one in problem.faults))


def _carefully(readers: Mapping[str, Reader], params: Params, path: Path) -> dict[str, int]:
    """Read again, every value looked at first; what still goes wrong is the file's fault and is said in the source's words."""
    try:
        return _write(readers, params, path, careful=True)
    except pl.exceptions.PolarsError as error:
        for reader in readers.values():
            finding = reader.source.explain(error, reader.root)
            if finding is not None:
                raise _at(Problem(finding), reader.route) from error
        first = str(error).splitlines()[0]
        route = next(iter(readers.values())).route if len(readers) == 1 else ("data", "sources")
        raise Problem(
            Finding("unreadable-source", f"reading stopped: {first}", route, help="look at the source near that value")
        ) from error


def _check_columns(names: Sequence[str], columns: Mapping[str, Params]) -> None:
    faults = []
    for name in columns:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            help_text = f"did you mean `{close[0]}`?" if close else f"the sources have {', '.join(names[:30])}"
            faults.append(
                Finding("unknown-column", f"no source has a column `{name}`", ("data", "columns", name), help=help_text, on="key")
            )
    if faults:
        raise Problem(*faults)


def _combined(frames: Mapping[str, pl.LazyFrame], params: Params) -> pl.LazyFrame:
    if params.get("union") is not None:
        return _stacked(frames, params["union"].get("source_column"))
    joins = params.get("join") or []
    left_over = [name for name in frames if not any(name in (join["left"], join["right"]) for join in joins)]
    if len(frames) > 1 and left_over:
        message = f"nothing says how {', '.join(left_over)} belongs to the other sources"
        raise Problem(
            Finding("sources-not-combined", message, ("data", "sources"), help="add a `join`, or `union` to stack them")
        )
    if not joins:
        return next(iter(frames.values()))
    whole, inside = frames[joins[0]["left"]], {joins[0]["left"]}
    for index, join in enumerate(joins):
        if join["left"] not in inside or join["right"] in inside:
            help_text = "a join's `left` is the first source or one that a join above it added; its `right` is a new one"
            message = f"{join['left']} and {join['right']} cannot be joined here"
            raise Problem(Finding("join-out-of-order", message, ("data", "join", index), help=help_text))
        whole = _joined(whole, frames[join["right"]], join, ("data", "join", index))
        inside.add(join["right"])
    return whole


def _stacked(frames: Mapping[str, pl.LazyFrame], source_column: str | None) -> pl.LazyFrame:
    """Stack tables that have the same columns; a column of numbers in one and of text in another becomes text."""
    schemas = {name: frame.collect_schema() for name, frame in frames.items()}
    first, *others = schemas
    names = schemas[first].names()
    for other in others:
        differ = sorted({*names} ^ {*schemas[other].names()})
        if differ:
            message = f"{first} and {other} do not have the same columns: {', '.join(differ)} is in one only"
            raise Problem(
                Finding("union-columns-differ", message, ("data", "union"), help="stack tables with the same columns, or `join`")
            )
    if source_column in names:
        message = f"the sources have a column `{source_column}` already"
        raise Problem(Finding("union-column-taken", message, ("data", "union", "source_column"), help="choose another name"))
    common = {name: _common(name, [schemas[source][name] for source in schemas]) for name in names}
    parts = []
    for source, frame in frames.items():
        part = frame.select(cast.converted(name, schemas[source][name], common[name]).alias(name) for name in names)
        parts.append(part.with_columns(pl.lit(source).alias(source_column)) if source_column else part)
    return pl.concat(parts)


def _common(name: str, dtypes: Sequence[Any]) -> str:
    types = {cast.name_of(dtype) for dtype in dtypes}
    if cast.ARRAY in types and len({*dtypes}) > 1:
        shapes = " and ".join(str(dtype) for dtype in dict.fromkeys(dtypes))
        message = f"`{name}` holds {shapes}, which do not go into one column"
        raise Problem(Finding("union-columns-differ", message, ("data", "union"), help="arrays of one shape can be stacked"))
    if len(types) == 1:
        return types.pop()
    return "number" if types <= {"integer", "number"} else "string"


def _joined(left: pl.LazyFrame, right: pl.LazyFrame, join: Params, route: Route) -> pl.LazyFrame:
    on = [join["on"]] if isinstance(join["on"], str) else list(join["on"])
    how: Any = join.get("how") or "left"
    left_schema, right_schema = left.collect_schema(), right.collect_schema()
    faults = list(_join_faults(join, on, left_schema, right_schema, route))
    if faults:
        raise Problem(*faults)
    if how not in ("semi", "anti"):
        _not_multiplied(left, right, join, on, route)
    order: Any = "left_right" if how == "full" else "right" if how == "right" else "left"
    return left.join(right, on=on, how=how, coalesce=True if how in ("left", "full", "right") else None, maintain_order=order)


def _join_faults(join: Params, on: Sequence[str], left: Any, right: Any, route: Route) -> Iterator[Finding]:
    for index, name in enumerate(on):
        for side, schema in ((join["left"], left), (join["right"], right)):
            if name not in schema:
                close = difflib.get_close_matches(name, schema.names(), n=1)
                help_text = f"did you mean `{close[0]}`?" if close else f"it has {', '.join(schema.names()[:30])}"
                yield Finding("unknown-column", f"{side} has no column `{name}`", (*route, "on", index), help=help_text)
        if name in left and name in right and left[name] != right[name]:
            message = (
                f"`{name}` is {cast.name_of(left[name])} in {join['left']} and {cast.name_of(right[name])} in {join['right']}"
            )
            help_text = f"declare its type: `data.columns.{name}: {{type: string}}`"
            yield Finding("join-types-differ", message, (*route, "on", index), help=help_text)
    if (join.get("how") or "left") in ("semi", "anti"):
        return
    both = [name for name in right if name in left and name not in on]
    if both:
        message = f"{', '.join(both)} is a column of both {join['left']} and {join['right']}"
        yield Finding("join-column-twice", message, route, help="rename one of them, or join on it, too")


def _not_multiplied(left: pl.LazyFrame, right: pl.LazyFrame, join: Params, on: Sequence[str], route: Route) -> None:
    """Raise Problem where a row on the left would meet several on the right: the join would make copies of it."""
    repeated = right.drop_nulls(list(on)).group_by(on).len("copies").filter(pl.col("copies") > 1)
    met = table.stream(left.select(on).join(repeated, on=on, how="inner"))
    if met.height == 0:
        return
    example = met.sort(["copies", *on], descending=[True, *(False for _ in on)]).row(0, named=True)
    extra = int(met["copies"].sum()) - met.height
    shown = ", ".join(f"{name} = {example[name]!r}" for name in on)
    message = (
        f"the join copies rows: {met.height:,} rows of {join['left']} meet several rows of {join['right']} ({shown} meets "
        f"{example['copies']}); the table would gain {extra:,} rows"
    )
    help_text = f"reduce {join['right']} to one row for each {' and '.join(on)} first, or join on more columns"
    raise Problem(Finding("join-multiplies-rows", message, (*route, "on"), help=help_text))


def _no_short_rows(readers: Mapping[str, Reader], described: Params) -> None:
    """Raise Problem where a row of a text file lacks cells: Polars reads them as missing values, the last column's among them."""
    missing = {column["name"] for column in described["columns"] if column["missing"]}
    for reader in readers.values():
        short = getattr(reader.source, "short_row", None)
        finding = short(reader.root, missing) if short is not None else None
        if finding is not None:
            raise _at(Problem(finding), reader.route)


def _told(reader: Reader, rows: int | None) -> dict[str, Any]:
    files = reader.source.files(reader.root)
    if rows is None:
        rows = table.stream(reader.source.scan(reader.root, {}).select(pl.len())).item()
    return {
        "name": reader.name,
        "kind": reader.source.kind,
        "rows": rows,
        "bytes": sum(path.stat().st_size for path in files) if files else None,
        "sha256": reader.source.fingerprint(reader.root),
    }
