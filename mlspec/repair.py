"""Applies fixes: places them in the files that set the values, makes them, and takes back what does not mend its fault."""

from __future__ import annotations

import codecs
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspec.amend import CannotError, amended, refined
from mlspec.diagnostic import Change, Diagnostic, Finding, Patch, Problem, Replacement, Route, Severity
from mlspec.mending import mended

if TYPE_CHECKING:
    from mlspec.layers import Layered
    from mlspec.lint import Opened

ROUNDS = 10
MAX_CHECKS = 200
CHAIN = 3
UNREALISED = "not-realised-yet"

Check = Callable[[Mapping[str, str]], "Opened"]
"""Checks a spec, with texts that stand in for what files say, by their real paths."""


@dataclass(frozen=True)
class Repaired:
    """What came of a repair: the check of the new texts, and old and new text of each file that changes, by its name."""

    opened: Opened
    texts: Mapping[str, tuple[str, str]]
    applied: tuple[tuple[Diagnostic, Patch], ...]
    withheld: tuple[tuple[Diagnostic, Patch], ...] = ()  # fixes that are not safe, and were not asked for

    def diff(self) -> str:
        """Return the changes as a unified diff."""
        return "".join(unified(name, old, new) for name, (old, new) in self.texts.items())

    def write(self) -> None:
        """Write the files that change. Raises Problem where one cannot be written, or is not any more what was checked."""
        for name, (old, new) in self.texts.items():
            write(name, old, new)


# placing


def placed(diagnostic: Diagnostic, layered: Layered, *, editable: Collection[str] | None = None) -> Patch | None:
    """Return a diagnostic's fix as replacements of text in the files that set the values; None where it has none that is certain.

    With `editable`, names of files, what another file lacks is added in the spec itself, and nothing else is changed elsewhere.
    """
    if diagnostic.patch is not None:
        return diagnostic.patch
    fix = diagnostic.finding.fix
    if fix is None:
        text = layered.texts.get(diagnostic.file)
        return mended(diagnostic, text) if text is not None else None
    steps = [step for change in fix.changes for step in _refined(change, layered)]
    for order in (_ordered(steps), steps):
        with suppress(CannotError):
            return Patch(fix.title, tuple(_replacements(order, diagnostic, layered, editable)), fix.safe)
    return None


def _refined(change: Change, layered: Layered) -> Iterator[Change]:
    if change.action != "set" or change.route[:1] in (("environments",), ("extends",)):
        yield change
        return
    piece: Any = layered.root
    for step in change.route:
        piece = piece.part(step) if piece is not None else None
    yield from refined(piece.data, change.route, change.value) if piece is not None else [change]


def _ordered(steps: Sequence[Change]) -> list[Change]:
    """Put first what leaves all other routes as they are; positions in lists go from the last to the first."""
    rank = {"set": 0, "rename": 1, "remove": 2}
    removed = [one for one in steps if one.action == "remove"]
    removed.sort(key=lambda one: [(isinstance(step, int), step) for step in one.route], reverse=True)
    return sorted([one for one in steps if one.action != "remove"], key=lambda one: rank[one.action]) + removed


def _replacements(
    steps: Iterable[Change], diagnostic: Diagnostic, layered: Layered, editable: Collection[str] | None
) -> Iterator[Replacement]:
    changes: dict[str, list[Change]] = {}
    for step in steps:
        name, route = _target(step, diagnostic, layered, editable)
        changes.setdefault(name, []).append(Change(step.action, route, step.value))
    for name, own in changes.items():
        if name not in layered.texts or name.startswith("--"):
            raise CannotError("no file sets the value")
        text = layered.texts[name]
        for start, end, put in hunks(text, amended(text, own)):
            yield Replacement(name, start, end, put)


def _target(change: Change, diagnostic: Diagnostic, layered: Layered, editable: Collection[str] | None) -> tuple[str, Route]:
    """Return the file that a change is made in, and its route there."""
    route = change.route
    if route[:1] in (("environments",), ("extends",)):  # not part of the merged spec: told where they are written
        return diagnostic.file, route
    piece = layered.root
    for depth, step in enumerate(route):
        below = piece.part(step)
        if below is None:
            if change.action != "set":
                raise CannotError("there is nothing at the route")
            name = piece.layer.document.name
            if name not in layered.files or (editable is not None and name not in editable):
                return layered.name, route
            return name, (*piece.route, *route[depth:])
        piece = below
    return piece.layer.document.name, piece.route


def hunks(old: str, new: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, text) of the old text that make it the new one, cut as small as lines and their ends allow."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    for tag, low, high, into, stop in _steps(before[head : len(before) - tail], after[head : len(after) - tail]):
        if tag == "equal":
            continue
        start, end = starts[head + low], starts[head + high]
        text, put = old[start:end], "".join(after[head + into : head + stop])
        first = _common(text, put)
        last = _common(text[first:][::-1], put[first:][::-1])
        yield start + first, end - last, put[first : len(put) - last]


def _steps(before: Sequence[str], after: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    """Return what makes one list of lines the other; most changes only add lines, and difflib is heavy to import."""
    if not before:
        return [("insert", 0, 0, 0, len(after))] if after else []
    from difflib import SequenceMatcher

    return SequenceMatcher(None, before, after, autojunk=False).get_opcodes()


def _common(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Return how many items the beginnings of two sequences share."""
    return next((index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


# repairing


def repair(path: Path, *, unsafe: bool, check: Check, files: Collection[Path | str] | None = None) -> Repaired:
    """Apply the fixes of a spec, round by round, until none is left. Only `files` change, by default the spec itself.

    A fix is taken back where it does not mend its fault, or where a fault appears that was not there: but what a broken section
    or a syntax error had kept from being checked may appear. Raises Problem where the spec cannot be read.
    """
    session = _Session(check, {os.path.realpath(one) for one in files or (path,)}, unsafe)
    for _ in range(ROUNDS):
        if not session.round():
            break
    return session.ended()


class _Session:
    """A spec under repair: its texts as they are by now, what has been applied, and what was tried in vain."""

    def __init__(self, check: Check, files: Collection[str], unsafe: bool) -> None:
        self.check = check
        self.unsafe = unsafe
        self.texts: dict[str, str] = {}
        self.opened = check({})
        self.first = dict(self.opened.layered.texts)
        broken = {one.file for one in self.opened.diagnostics if one.finding.code == "not-utf-8"}  # bytes would be lost
        self.names = {name for name in self.first if os.path.realpath(name) in files} - broken
        self.applied: list[tuple[Diagnostic, Patch]] = []
        self.refused: set[tuple[Any, ...]] = set()
        self.checks = 0

    def round(self) -> bool:
        """Apply what can be applied at once, of the deepest faults only; whether that was anything."""
        wanted = self.wanted()
        if not wanted:
            return False
        depth = min(_depth(one, self.opened) for one, _ in wanted)
        chosen = _apart([pair for pair in wanted if _depth(pair[0], self.opened) == depth])
        if self.tried(chosen):
            return True
        good = [pair for pair in chosen if len(chosen) > 1 and self.tried([pair], keep=False)]
        self.refused |= {_identity(one) for one, _ in chosen if one not in [diagnostic for diagnostic, _ in good]}
        if good and not self.tried(good):
            self.tried(good[:1])
        return True

    def wanted(self) -> list[tuple[Diagnostic, Patch]]:
        fixes = self.fixes(self.opened)
        return [pair for pair in fixes if (pair[1].safe or self.unsafe) and _identity(pair[0]) not in self.refused]

    def fixes(self, opened: Opened) -> Iterator[tuple[Diagnostic, Patch]]:
        """Yield what can be fixed in the files that may change, errors first."""
        for one in sorted(opened.diagnostics, key=lambda one: one.finding.severity is not Severity.ERROR):
            patch = placed(one, opened.layered, editable=self.names)
            if patch is not None and patch.replacements and {each.file for each in patch.replacements} <= self.names:
                yield one, patch

    def tried(self, pairs: Sequence[tuple[Diagnostic, Patch]], *, keep: bool = True) -> bool:
        """Apply patches and check; whether they mend their faults and do no harm. If so, and if wanted, they are kept.

        Where one patch brings another fault to light that has a fix of its own, the two may do together what one cannot.
        """
        opened, texts, made = self.opened, self.texts, list(pairs)
        coming = made
        for _ in range(CHAIN):
            try:
                opened, texts = self.applying(opened, texts, coming)
            except Problem:
                return False
            added = _added(self.opened, opened, [diagnostic for diagnostic, _ in pairs])
            if not added:
                break
            fixes = self.fixes(opened) if len(pairs) == 1 else ()
            coming = [pair for pair in fixes if pair[0].finding.code in added and (pair[1].safe or self.unsafe)][:1]
            if not coming:
                return False
            made += coming
        else:
            return False
        if keep:
            self.texts, self.opened = texts, opened
            self.applied += made
        return True

    def applying(
        self, opened: Opened, texts: dict[str, str], pairs: Sequence[tuple[Diagnostic, Patch]]
    ) -> tuple[Opened, dict[str, str]]:
        """Return the check, and the texts, after patches were made in the texts of a check."""
        self.checks += 1
        if self.checks > MAX_CHECKS:
            raise Problem
        now = opened.layered.texts
        edited = {name: apply(now[name], name, [patch for _, patch in pairs]) for name in self.names}
        texts = {**texts, **{os.path.realpath(name): text for name, text in edited.items() if text != now[name]}}
        return self.check(texts), texts

    def ended(self) -> Repaired:
        now = self.opened.layered.texts
        changed = {
            name: (self.first[name], now[name]) for name in self.first if now.get(name, self.first[name]) != self.first[name]
        }
        withheld = () if self.unsafe else tuple(pair for pair in self.fixes(self.opened) if not pair[1].safe)
        return Repaired(self.opened, changed, tuple(self.applied), withheld)


def apply(text: str, name: str, patches: Iterable[Patch]) -> str:
    """Return a file's text with the patches' replacements in it made; they do not overlap."""
    cuts = sorted(
        ((one.start, one.end, one.text) for patch in patches for one in patch.replacements if one.file == name), reverse=True
    )
    for start, end, put in cuts:
        text = text[:start] + put + text[end:]
    return text


def _identity(diagnostic: Diagnostic) -> tuple[Any, ...]:
    return diagnostic.finding.code, diagnostic.finding.message, diagnostic.finding.route, diagnostic.file


def _apart(pairs: Iterable[tuple[Diagnostic, Patch]]) -> list[tuple[Diagnostic, Patch]]:
    """Return the patches that touch no text that one before them touches."""
    taken: list[Replacement] = []
    kept = []
    for diagnostic, patch in pairs:
        if not any(_touch(one, other) for one in patch.replacements for other in taken):
            taken += patch.replacements
            kept.append((diagnostic, patch))
    return kept


def _touch(one: Replacement, other: Replacement) -> bool:
    return one.file == other.file and one.start <= other.end and other.start <= one.end


def _depth(diagnostic: Diagnostic, opened: Opened) -> int:
    """Return 0 for a fault of the text or its layers, 1 for an error of the language, 2 for what a rule finds."""
    from mlspec.rules import halts

    if any(_identity(diagnostic) == _identity(one) for one in opened.layered.problems):
        return 0
    return 1 if halts(diagnostic.finding) else 2


def _added(before: Opened, after: Opened, faults: Sequence[Diagnostic]) -> set[str]:
    """Return the codes of faults that there are more of than there may be: the mended ones have to be gone."""
    depth = max(_depth(one, before) for one in faults)
    had, has = (Counter(one.finding.code for one in opened.diagnostics) for opened in (before, after))
    own = Counter(one.finding.code for one in faults)
    added = {code for code, count in own.items() if has[code] > had[code] - count}
    told = (one for one in after.diagnostics if one.finding.severity is not Severity.INFO and _depth(one, after) <= depth)
    return added | {one.finding.code for one in told if has[one.finding.code] > had[one.finding.code]} - {UNREALISED}


# writing


def unified(name: str, old: str, new: str) -> str:
    """Return a unified diff of a file's two texts."""
    from difflib import unified_diff

    lines = unified_diff(_lines(old), _lines(new), name, name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    return [f"{line}\n" for line in text.split("\n")[:-1]] + ([text.split("\n")[-1]] if not text.endswith("\n") and text else [])


def write(name: str, old: str, new: str) -> None:
    """Put a new text in the place of an old one, whole or not at all; byte order mark, rights and links stay.

    Raises Problem where the file does not say the old text any more, or cannot be written.
    """
    import shutil
    import tempfile

    target = Path(os.path.realpath(name))
    try:
        raw = target.read_bytes()
        mark = codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""
        if raw[len(mark) :] != old.encode("utf-8"):
            raise Problem(Finding("file-changed", f"{name} has changed since it was checked", help="run it again"))
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(mark + new.encode("utf-8"))
            shutil.copymode(target, temporary)
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise Problem(Finding("unwritable-file", f"{name} cannot be written: {error.strerror or error}")) from None
