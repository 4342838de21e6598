"""A baseline: the findings that a project has agreed to live with, known again when lines move."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlspec.diagnostic import Diagnostic, Finding, Problem, Severity, Span, dotted

if TYPE_CHECKING:
    pass

LAYOUT = 1
_KEYS = {"file": str, "code": str, "route": str, "hash": str, "count": int}


class Key(NamedTuple):
    """What a finding is known by: not its line, nor the numbers in its message, nor its place in a list."""

    file: str
    code: str
    route: str
    hash: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline that has been read. ``lines`` are where the entries stand in the file."""

    path: Path
    counts: Counter[Key]
    lines: dict[Key, int]


def key(one: Diagnostic, home: Path) -> Key:
    """Return what a finding is known by; `home` is the folder that its file is named from."""
    route = re.sub(r"\[\d+\]", "[]", dotted(one.finding.route))
    said = re.sub(r"\d+", "#", " ".join(one.finding.message.split()))
    return Key(_relative(one.file, home), one.finding.code, route, _digest(said))


def _relative(file: str, home: Path) -> str:
    if file.startswith("--"):
        return file  # a value of the command line
    return os.path.relpath(file, home).replace(os.sep, "/")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def fingerprints(diagnostics: Sequence[Diagnostic], home: Path) -> list[str]:
    """Return a text for each finding that stays when lines move and that no other finding of the run has."""
    seen: Counter[Key] = Counter()
    found = []
    for one in diagnostics:
        known = key(one, home)
        found.append(hashlib.sha256("\0".join([*known, str(seen[known])]).encode("utf-8", "surrogatepass")).hexdigest()[:32])
        seen[known] += 1
    return found


def read(path: Path) -> Baseline:
    """Read a baseline. Raises Problem where the file is none."""
    name = str(path)
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        span = Span(error.lineno, error.colno, error.lineno, error.colno + 1) if isinstance(error, json.JSONDecodeError) else None
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise _bad(name, f"the baseline cannot be read: {said}", span) from None
    entries = data.get("entries") if isinstance(data, dict) and data.get("mlspec-baseline") == LAYOUT else None
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise _bad(name, f"this is no baseline of layout {LAYOUT}", Span(1, 1, 1, 1))
    counts: Counter[Key] = Counter()
    lines: dict[Key, int] = {}
    starts = [number for number, line in enumerate(text.split("\n"), 1) if line.lstrip().startswith('{"file"')]
    for place, entry in enumerate(entries):
        known = Key(entry["file"], entry["code"], entry["route"], entry["hash"])
        counts[known] += entry["count"]
        lines[known] = starts[place] if len(starts) == len(entries) else 1
    return Baseline(path, counts, lines)


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and all(type(entry.get(name)) is sort for name, sort in _KEYS.items()) and entry["count"] > 0


def _bad(name: str, message: str, span: Span | None) -> Problem:
    return Problem(Diagnostic(Finding("bad-baseline", message, (), help="write it with --write-baseline"), name, span))


def settle(found: Sequence[Diagnostic], known: Baseline, files: Iterable[str]) -> tuple[list[Diagnostic], list[Diagnostic]]:
    """Return the findings that a baseline does not hold, and one for each of its entries that is no longer found in `files`."""
    from mlspec.rules import halts

    home = known.path.parent
    left = Counter(known.counts)
    fresh = []
    for one in found:
        name = key(one, home)
        if left[name] > 0 and not halts(one.finding):
            left[name] -= 1
        else:
            fresh.append(one)
    looked = {_relative(file, home) for file in files}
    gone = [_gone(known, name, count) for name, count in sorted(left.items()) if count > 0 and name.file in looked]
    return fresh, gone


def _gone(known: Baseline, name: Key, count: int) -> Diagnostic:
    times = f", {count} times" if count > 1 else ""
    where = f" at `{name.route}`" if name.route else ""
    message = f"{name.code} is no longer found in {name.file}{where}{times}"
    line = known.lines[name]
    finding = Finding("baseline-entry-gone", message, (), Severity.INFO, "write the baseline anew with --write-baseline")
    return Diagnostic(finding, str(known.path), Span(line, 1, line, 1))


def written(found: Iterable[Diagnostic], path: Path, before: Baseline | None = None, files: Iterable[str] = ()) -> str:
    """Return the text of a baseline of these findings. Entries of `before` on other files than `files` stay."""
    from mlspec.rules import halts

    counts = Counter(key(one, path.parent) for one in found if not halts(one.finding))
    if before is not None:
        looked = {_relative(file, path.parent) for file in files}
        for name, count in before.counts.items():
            if name.file not in looked:
                counts[name] = count
    lines = [json.dumps({**name._asdict(), "count": count}) for name, count in sorted(counts.items())]
    body = ",\n".join(f"  {line}" for line in lines)
    return (
        f'{{\n "mlspec-baseline": {LAYOUT},\n "entries": [\n{body}\n ]\n}}\n'
        if lines
        else (f'{{\n "mlspec-baseline": {LAYOUT},\n "entries": []\n}}\n')
    )
