"""Delimited text files."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, field_validator

from mlspec.diagnostic import Finding, Problem
from mlspec.fields import Many, fault
from mlspec.sources import Columns, Readable, find

BLANK = " "  # besides the empty cell
SNIFFED = 10_000  # rows
SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
MAGIC = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a ZIP archive or a spreadsheet",
    b"\x1f\x8b": "a gzip archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
}


class Csv(Readable):
    """One text file, or several with the same header that follow each other as one table.

    Cells that are empty, hold one space or stand in `null_values` are missing. Lines without any value are left out.
    """

    kind: Literal["csv"] = "csv"
    path: Annotated[tuple[str, ...], Many()] = Field(
        description="The file or files, relative to the data root; `*` stands for any text.", min_length=1
    )
    separator: str = Field(",", description="The character between cells.", min_length=1, max_length=1)
    header: StrictBool = Field(True, description="Whether the first line names the columns.")
    names: tuple[str, ...] | None = Field(None, description="The columns' names, where no line has them.")
    null_values: Annotated[tuple[str, ...], Many()] = Field(
        (), description="Texts that stand for a missing value, besides empty cells."
    )
    encoding: str = Field("utf8", description="`utf8`, or `utf8-lossy` to replace what is not UTF-8.")
    decimal_comma: StrictBool = Field(False, description="Whether numbers are written 1,5.")
    quote_char: str | None = Field(
        '"', description="The character around cells that hold separators; null for none.", max_length=1
    )
    comment: str | None = Field(None, description="What lines to skip begin with.", min_length=1)

    @field_validator("encoding")
    @classmethod
    def _utf8(cls, encoding: str) -> str:
        if encoding not in ("utf8", "utf8-lossy"):
            help_text = f"convert the file once: `iconv -f {encoding} -t utf-8 old.csv > new.csv`; or `encoding: utf8-lossy`"
            raise fault("unknown-encoding", f"`{encoding}` cannot be read; utf8 and utf8-lossy can", help_text)
        return encoding

    @field_validator("separator")
    @classmethod
    def _one_byte(cls, separator: str) -> str:
        if not separator.isascii() or separator in "\n\r":
            raise fault("malformed", f"{separator!r} cannot separate cells", "use an ASCII character, such as , ; | or a tab")
        return separator

    def files(self, root: Path) -> list[Path]:
        return find(root, self.path)

    def scan(self, root: Path, columns: Columns) -> Any:
        import polars as pl

        names = self._names(root)
        dtypes = {"integer": pl.Int64, "number": pl.Float64, "boolean": pl.Boolean}
        known = {name: dtypes.get(columns[name].get("type") or "", pl.String) for name in names if name in columns}
        return self._scan(root, names, schema_overrides=known, infer_schema_length=SNIFFED)

    def text(self, root: Path) -> Any:
        return self._scan(root, self._names(root), infer_schema=False)

    def _scan(self, root: Path, names: list[str], **how: Any) -> Any:
        import polars as pl

        encoding: Any = self.encoding  # checked above
        frame = pl.scan_csv(
            self.files(root), separator=self.separator, has_header=self.header, new_columns=None if self.header else names,
            null_values=sorted({BLANK, *self.null_values}), encoding=encoding, decimal_comma=self.decimal_comma,
            quote_char=self.quote_char, comment_prefix=self.comment, glob=False, **how,
        )  # fmt: skip
        # Polars reads a blank line as a row without values; such a row says nothing.
        return frame.filter(~pl.all_horizontal(pl.all().is_null())) if len(names) > 1 else frame

    def _names(self, root: Path) -> list[str]:
        """Return the columns' names after a look at the start of every file; raise Problem for one that is no such table."""
        first: list[str] | None = None
        for path in self.files(root):
            cells = self._first_row(path)
            names = self._named(path, cells)
            if first is not None and names != first:
                differ = sorted({*names} ^ {*first}) or names
                message = f"`{path.name}` has other columns than the first file: {', '.join(differ)}"
                raise Problem(
                    Finding("headers-differ", message, ("path",), help="read files of another layout as a source of their own")
                )
            first = names
        assert first is not None
        return first

    def _named(self, path: Path, cells: list[str]) -> list[str]:
        if self.names is not None and len(self.names) != len(cells):
            message = f"`names` lists {len(self.names)} columns, `{path.name}` has {len(cells)}"
            raise Problem(
                Finding("wrong-names", message, ("names",), help=f"its first line begins {self.separator.join(cells)[:60]}")
            )
        if not self.header:
            return list(self.names) if self.names is not None else [f"column_{index + 1}" for index in range(len(cells))]
        if self.names is not None:
            help_text = "drop `names`, or say `header: false`"
            raise Problem(
                Finding("wrong-names", "the file has a header, and `names` names the columns again", ("names",), help=help_text)
            )
        doubled = sorted({name for name in cells if cells.count(name) > 1})
        if doubled or "" in cells:
            fault_text = (
                f"the header of `{path.name}` has {', '.join(doubled)} twice"
                if doubled
                else f"a column of `{path.name}` has no name"
            )
            help_text = "name every column once in the file's first line, or say `header: false` and list `names`"
            raise Problem(Finding("bad-header", fault_text, ("path",), help=help_text))
        return cells

    def _first_row(self, path: Path) -> list[str]:
        with path.open("rb") as file:
            start = file.read(65_536)
        what = next((name for magic, name in MAGIC.items() if start.startswith(magic)), "binary" if b"\0" in start else "")
        if what:
            help_text = "use `kind: parquet`" if "Parquet" in what else "unpack or convert it to text in UTF-8"
            raise Problem(Finding("not-text", f"`{path.name}` is {what}, not delimited text", ("path",), help=help_text))
        cells = next(islice(self._rows(path), 1), None)
        if cells is None:
            raise Problem(
                Finding("empty-file", f"`{path.name}` is empty", ("path",), help="a table needs a header line and rows")
            )
        if len(cells) == 1 and self.names != tuple(cells):
            other = max(SEPARATORS, key=cells[0].count)
            if cells[0].count(other):
                message = (
                    f"the first line of `{path.name}` has one cell between `{self.separator}`, and {SEPARATORS[other]} in it"
                )
                shown = "\\t" if other == "\t" else other
                raise Problem(Finding("wrong-separator", message, ("separator",), help=f'write `separator: "{shown}"`'))
        return cells

    def _rows(self, path: Path) -> Iterator[list[str]]:
        """Yield rows with Python's own reader: slow, for the first row and for finding the line of a fault."""
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            lines = (line for line in file if not (self.comment and line.startswith(self.comment)))
            quoting: Any = csv.QUOTE_MINIMAL if self.quote_char else csv.QUOTE_NONE
            for cells in csv.reader(lines, delimiter=self.separator, quotechar=self.quote_char or None, quoting=quoting):
                if cells:
                    yield cells

    def explain(self, error: Exception, root: Path) -> Finding | None:
        words = str(error)
        if "utf-8" in words or "utf8" in words:
            return self._undecodable(root)
        if "more fields" in words:
            return self.ragged(root)
        if "could not parse" in words or "not properly escaped" in words:
            help_text = "close every quotation mark, or say `quote_char: null` where they are ordinary characters"
            return Finding(
                "malformed-csv", f"the file cannot be read as cells: {words.splitlines()[0]}", ("path",), help=help_text
            )
        return None

    def short_row(self, root: Path, missing: Collection[str]) -> Finding | None:
        """Return the first row with fewer cells than the header, where the columns with `missing` values leave room for one."""
        names = self._names(root)
        if (
            len(names) == 1
            or names[-1] not in missing
            or not any(self._has_short_lines(path, len(names)) for path in self.files(root))
        ):
            return None
        return self.ragged(root)

    def _has_short_lines(self, path: Path, width: int) -> bool:
        """Tell, fast, whether lines have too few separators outside quotation marks; a cell of two lines may be why."""
        import polars as pl

        line, quote = pl.col("line"), self.quote_char
        bare = line.str.replace_all(rf"{quote}[^{quote}]*{quote}", "") if quote else line
        lines = pl.scan_lines(path).filter(line.str.strip_chars().str.len_bytes() > 0)
        if self.comment:
            lines = lines.filter(~line.str.starts_with(self.comment))
        short = bare.str.count_matches(self.separator, literal=True) < width - 1
        return bool(lines.select(short.any()).collect(engine="streaming").item())

    def ragged(self, root: Path) -> Finding | None:
        """Return the first line that has more or fewer cells than the first line; None where every line has as many."""
        for path in self.files(root):
            rows = self._rows(path)
            width = len(next(rows, []))
            for number, cells in enumerate(rows, start=2):
                if len(cells) != width:
                    message = f"row {number} of `{path.name}` has {len(cells)} cells, the first row has {width}"
                    return Finding("ragged-row", message, ("path",), help=f"it begins: {self.separator.join(cells)[:60]}")
        return None

    def _undecodable(self, root: Path) -> Finding | None:
        for path in self.files(root):
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    try:
                        line.decode("utf-8")
                    except UnicodeDecodeError:
                        message = f"line {number} of `{path.name}` is not UTF-8"
                        help_text = (
                            "convert the file once: `iconv -f latin1 -t utf-8 old.csv > new.csv`; or `encoding: utf8-lossy`"
                        )
                        return Finding("bad-encoding", message, ("encoding",), help=help_text)
        return None


MEMBER = Csv
