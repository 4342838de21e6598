"""Data sources: an open union; a member that works today finds its files and gives them as one lazy Polars table."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Finding, Problem
from mlspec.sources._source import Source

Columns = Mapping[str, Mapping[str, Any]]
"""What is declared of columns, by name; sources look at ``type`` only."""


class Readable(Source):
    """A source that `ingest` can read. Routes of the Problems it raises are relative to the source."""

    def files(self, root: Path) -> list[Path]:
        """Return the files it reads, in the order in which it reads them; raise Problem where one is missing."""
        raise NotImplementedError

    def scan(self, root: Path, columns: Columns) -> Any:
        """Return a ``polars.LazyFrame``. Raises Problem for what can be seen without reading every row.

        A column that is declared an integer, a number or a boolean (true, false) is read as such where the source holds text;
        a value that is none raises a Polars error when rows are read, and `text` gives the same rows without that.
        """
        raise NotImplementedError

    def text(self, root: Path) -> Any | None:
        """Return the same rows as a lazy table in which every value is its text; None for a source whose values have types."""
        return None

    def explain(self, error: Exception, root: Path) -> Finding | None:
        """Say in the user's terms what a Polars error that came up while rows were read means; None where that is not known."""
        return None

    def fingerprint(self, root: Path) -> str:
        """Return the SHA-256, in hex, of the content: of the file, or of the digests of several in order."""
        import hashlib

        digests = []
        for path in self.files(root):
            with path.open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def find(root: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files that paths and patterns relative to `root` name, each pattern's in sorted order.

    Raises Problem at ``path`` for one that names nothing, a folder, or an address on a network.
    """
    found: list[Path] = []
    for pattern in patterns:
        if "://" in pattern:
            help_text = "fetch the file first, or write a source of `kind: custom`"
            raise Problem(Finding("remote-path", f"`{pattern}` is not a path on this machine", ("path",), help=help_text))
        exact = root / pattern
        if exact.is_dir():
            help_text = f"name a file in it, or all of them: `{pattern.rstrip('/')}/*{exact.suffix or '.csv'}`"
            raise Problem(Finding("path-is-folder", f"`{pattern}` is a folder", ("path",), help=help_text))
        matches = [exact] if exact.is_file() else sorted(Path(one) for one in glob.glob(str(exact), recursive=True))  # noqa: PTH207  # `..` and absolute patterns, too
        matches = [path for path in matches if path.is_file()]
        if not matches:
            raise Problem(_missing(root, pattern))
        found += matches
    return list(dict.fromkeys(found))


def _missing(root: Path, pattern: str) -> Finding:
    folder = (root / pattern).parent
    if any(sign in pattern for sign in "*?["):
        return Finding("missing-file", f"no file matches `{pattern}`", ("path",), help="paths are relative to the data root")
    if not folder.is_dir():
        help_text = "paths are relative to the data root, which is the spec's folder unless a run is given another"
        return Finding("missing-file", f"there is no `{pattern}`: its folder does not exist", ("path",), help=help_text)
    here = sorted(path.name for path in folder.iterdir() if path.is_file())
    from difflib import get_close_matches

    close = get_close_matches(Path(pattern).name, here, n=1)
    parent = Path(pattern).parent.as_posix()
    close_path = close[0] if close and parent == "." else f"{parent}/{close[0]}" if close else ""
    help_text = f"did you mean `{close_path}`?" if close else "paths are relative to the data root"
    return Finding("missing-file", f"there is no file `{pattern}`", ("path",), help=help_text)
