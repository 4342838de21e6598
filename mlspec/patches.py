"""Changes of the user's to generated files: unified diffs that are made anew at each compile, or refuse by name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspec.diagnostic import Finding, Problem, Route, Severity

if TYPE_CHECKING:
    from mlspec.bundle import Bundle
    from mlspec.spec.project import Project


def route(index: int, key: str = "patch") -> Route:
    """Return where the spec declares a patch."""
    return ("pipeline", "patches", index, key)


def missing(project: Project, folder: Path) -> Iterator[Finding]:
    """Yield a finding for each diff that the spec names and that does not lie beside it."""
    for index, one in enumerate(project.pipeline.patches):
        if not (folder / one.patch).is_file():
            yield Finding("patch-missing", f"there is no file `{one.patch}`", route(index), help="it is relative to the spec")


def apply(bundle: Bundle, project: Project, folder: Path, backend: str) -> list[Finding]:
    """Patch the files of a bundle, in the order of the spec, and give the user those that are to be his.

    Returns what a reader should know: a file that this backend has not. Raises Problem, on the spec's line, for a diff that
    cannot be read, a hunk that does not fit, and a file that the very backend the patch is for has not.
    """
    told: list[Finding] = []
    for index, one in enumerate(project.pipeline.patches):
        if one.backend not in (None, backend):
            continue
        if one.file not in bundle.files:
            found = _not_generated(one.file, backend, route(index, "file"))
            if one.backend:
                raise Problem(found)
            told.append(found)
            continue
        text = _read(folder, one.patch, route(index))
        patched = patch(bundle.files[one.file], text, one.patch, one.file, route(index))
        bundle.replace(one.file, patched, patch=f"{one.patch} sha256:{hashlib.sha256(text.encode()).hexdigest()}")
    for index, path in enumerate(project.pipeline.owned):
        if path in bundle.files:
            bundle.own(path)
        else:
            told.append(_not_generated(path, backend, ("pipeline", "owned", index)))
    return told


def patch(text: str, diff: str, name: str, file: str, where: Route = ()) -> str:
    """Return a text with a unified diff of one file made. A hunk whose lines have moved is made where they are now, if they
    are there once. Raises Problem, with the hunk's number, where that cannot be, and for what is no such diff.
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    drift = 0
    for number, hunk in enumerate(_hunks(diff, name, where), 1):
        old, new = _side(hunk, " -"), _side(hunk, " +")
        at = _position(lines, old, hunk.source_start - (1 if old else 0) + drift)
        if at is None:
            message = f"hunk {number} of {name} (line {hunk.source_start}) does not fit {file} any more"
            help_text = f"compile without this patch, change {file} as you want it, and make the diff anew: diff -u"
            raise Problem(Finding("patch-does-not-fit", message, where, help=help_text))
        lines[at : at + len(old)] = new
        drift = at - (hunk.source_start - (1 if old else 0)) + len(new) - len(old)
    return "".join(lines)


def _hunks(diff: str, name: str, where: Route) -> Sequence[Any]:
    from unidiff.errors import UnidiffParseError  # only specs with patches need it
    from unidiff.patch import PatchSet

    try:
        files = PatchSet(diff)
    except UnidiffParseError as error:
        raise Problem(
            Finding("patch-malformed", f"{name} is no unified diff: {error}", where, help="make it with diff -u")
        ) from None
    if len(files) != 1 or not files[0]:
        message = f"{name} changes {len(files)} files, not one" if files else f"{name} holds no change"
        raise Problem(Finding("patch-malformed", message, where, help="write a patch for each file, with diff -u"))
    hunks: Sequence[Any] = files[0]
    return hunks


def _side(hunk: Any, types: str) -> list[str]:
    """Return the lines of one side of a hunk; a marker says that the line before it has no end."""
    lines: list[str] = []
    before = False
    for line in hunk:
        if line.line_type in types:
            lines.append(line.value)
        elif line.line_type == "\\" and before:
            lines[-1] = lines[-1].rstrip("\n")
        before = line.line_type in types
    return lines


def _position(lines: list[str], old: list[str], expected: int) -> int | None:
    """Return where the old lines stand: where they are expected, else the one other place."""
    if lines[expected : expected + len(old)] == old and 0 <= expected <= len(lines):
        return expected
    places = [at for at in range(len(lines) - len(old) + 1) if lines[at : at + len(old)] == old] if old else []
    return places[0] if len(places) == 1 else None


def _read(folder: Path, name: str, where: Route) -> str:
    try:
        return (folder / name).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Problem(
            Finding("patch-missing", f"cannot read `{name}`: {reason}", where, help="it is relative to the spec")
        ) from None


def _not_generated(path: str, backend: str, where: Route) -> Finding:
    return Finding(
        "not-generated", f"{backend} writes no file `{path}`", where, Severity.WARNING, "docs/backends.md tells the files"
    )
