"""Sources that make a row of each file: what images and sounds share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from mlspec.diagnostic import Finding, Problem
from mlspec.fields import fault
from mlspec.sources import Columns, Readable, find

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FIELD = re.compile(r"\{([A-Za-z_]\w*)\}")
FILE = "file"


class Unreadable(Exception):
    """Says of a file why it cannot be read."""


class Files(Readable):
    """A source that makes a row of each file. A member says what is read of it; all rows are held in memory."""

    gives: ClassVar[str]
    """The column of arrays."""

    path: str = Field(description="The folder, relative to the data root.", min_length=1)
    pattern: str = Field(
        description="What files are called below the folder: `{name}` stands for a text that becomes a column, `*` for any text.",
        min_length=1,
    )

    @field_validator("pattern")
    @classmethod
    def _names_columns_once(cls, pattern: str) -> str:
        names = FIELD.findall(pattern)
        if re.search(r"[{}]", FIELD.sub("", pattern)):
            raise fault("malformed", f"`{pattern}` has a brace that names no column", "write it like `{label}/{name}.png`")
        for name in names:
            if names.count(name) > 1 or name in (FILE, cls.gives):
                taken = "names two columns" if names.count(name) > 1 else "is a column already"
                raise fault("malformed", f"`{{{name}}}` {taken}", "give it another name")
        if re.search(r"\}\{", pattern):
            raise fault("malformed", f"nothing stands between two names in `{pattern}`", "put what is between them there")
        return pattern

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that it gives."""
        return (*FIELD.findall(self.pattern), self.gives, FILE)

    def shape(self) -> tuple[int, ...]:
        """Return the shape of each array."""
        raise NotImplementedError

    def read(self, path: Path) -> Array:
        """Return what a file holds, as float32 in `shape`; raise Unreadable."""
        raise NotImplementedError

    def files(self, root: Path) -> list[Path]:
        import glob

        if not (root / self.path).is_dir():
            help_text = "paths are relative to the data root, which is the spec's folder unless a run is given another"
            raise Problem(Finding("missing-folder", f"there is no folder `{self.path}`", ("path",), help=help_text))
        plain = "".join(
            "*" if at % 2 else glob.escape(part).replace("[*]", "*") for at, part in enumerate(FIELD.split(self.pattern))
        )
        try:
            return find(root / glob.escape(self.path), [plain])
        except Problem:
            message = f"no file in `{self.path}` is called `{self.pattern}`"
            raise Problem(Finding("missing-file", message, ("pattern",), help="the pattern goes on below the folder")) from None

    def scan(self, root: Path, columns: Columns) -> Any:
        """The table: the pattern's names as texts, the array, and `file`, the path below the folder."""
        import numpy as np
        import polars as pl

        files = self.files(root)
        names = [path.relative_to(root / self.path).as_posix() for path in files]
        told = [self._told(name) for name in names]
        arrays = np.empty((len(files), *self.shape()), dtype=np.float32)
        for at, path in enumerate(files):
            try:
                arrays[at] = self.read(path)
            except (Unreadable, OSError) as error:
                message = f"`{names[at]}` cannot be read: {error}"
                raise Problem(
                    Finding("unreadable-file", message, ("path",), help="mend it, or take it out of the folder")
                ) from None
        labels = {name: pl.Series([one[name] for one in told], dtype=pl.String) for name in FIELD.findall(self.pattern)}
        return pl.DataFrame({**labels, self.gives: pl.Series(arrays), FILE: pl.Series(names, dtype=pl.String)}).lazy()

    def _told(self, name: str) -> Mapping[str, str]:
        """Return what a file's name says; the text of a field has no slash, and is as short as can be."""
        try:
            name.encode()
        except UnicodeEncodeError:
            shown = name.encode(errors="replace").decode()
            raise Problem(Finding("malformed-name", f"`{shown}` is not UTF-8", ("path",), help="rename the file")) from None
        parts = FIELD.split(self.pattern)
        between = (re.escape(part).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*") for part in parts[::2])
        fields = (f"(?P<{part}>[^/]+?)" for part in parts[1::2])
        found = re.fullmatch("".join(one for pair in zip(between, [*fields, ""], strict=True) for one in pair), name)
        if found is None:
            message = f"`{name}` is not called `{self.pattern}`"
            raise Problem(
                Finding("malformed-name", message, ("pattern",), help="a name in braces stands for one character or more")
            )
        return found.groupdict()
