"""A bundle is a project's files in memory: text by relative path, written so that what a person edited is never lost."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import mlspec
from mlspec.diagnostic import Finding, Problem

MANIFEST = ".mlspec-bundle.json"
_FORBIDDEN = re.compile(r"""[\x00-\x1f\x7f-\x9f\\:*?"<>|\u2028\u2029\ud800-\udfff]""")


@dataclass(frozen=True, slots=True)
class Changes:
    """What `Bundle.write` did, as sorted relative paths.

    `kept` are files that hold somebody's edits and were left alone: where we still emit them, our text lies beside them as
    ``NAME.new``. `removed` are files that we wrote before, nobody edited, and we no longer emit. `moved` are the user's own
    files (`Bundle.own`) that are left as they are, and whose generated text is another than when it was last told.
    """

    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Differences:
    """What of a directory is not as `Bundle.write` would leave it, as sorted relative paths."""

    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()  # the text that we wrote is not the text that we would write
    edited: tuple[str, ...] = ()  # the text is not one that we wrote
    removed: tuple[str, ...] = ()  # we wrote it, and would no longer
    unsettled: tuple[str, ...] = ()  # NAME.new, which waits to be merged into an edited file

    def __bool__(self) -> bool:
        return any((self.missing, self.stale, self.edited, self.removed, self.unsettled))


@dataclass(frozen=True, slots=True)
class _Manifest:
    """What we wrote into a directory before: digests by path; `owned` of the text that was generated when it was last told."""

    files: Mapping[str, str]
    owned: Mapping[str, str]


class Bundle:
    """Files by relative POSIX path. The same files give the same `digest`, whatever the order in which they were added."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._owned: set[str] = set()
        self._patched: dict[str, list[str]] = {}

    def add(self, path: str, text: str) -> None:
        """Add a file; raise Problem for a path that is not plainly below the bundle, or that is taken (whatever its case)."""
        if reason := _unsafe(path) or self._clash(path):
            raise Problem(Finding("unsafe-path", f"cannot put a file at {path!r}: {reason}"))
        self._files[path] = text

    def mount(self, prefix: str, other: Bundle) -> None:
        """Add every file of another bundle under a directory."""
        for path, text in other.files.items():
            self.add(f"{prefix}/{path}", text)

    def replace(self, path: str, text: str, *, patch: str | None = None) -> None:
        """Give a file another text; `patch` names what changed it, for the manifest. KeyError where there is no such file."""
        if path not in self._files:
            raise KeyError(path)
        self._files[path] = text
        if patch is not None:
            self._patched.setdefault(path, []).append(patch)

    def remove(self, path: str) -> None:
        """Take a file out; KeyError where there is none."""
        del self._files[path]

    def own(self, path: str) -> None:
        """Leave a file to the user: it is written once and never again. KeyError where there is none."""
        if path not in self._files:
            raise KeyError(path)
        self._owned.add(path)

    @property
    def owned(self) -> frozenset[str]:
        """The files that are the user's."""
        return frozenset(self._owned)

    @property
    def patched(self) -> Mapping[str, tuple[str, ...]]:
        """What changed a file after it was generated, by path."""
        return {path: tuple(names) for path, names in sorted(self._patched.items())}

    @property
    def files(self) -> Mapping[str, str]:
        """Text by path, sorted by path; read-only."""
        return MappingProxyType(dict(sorted(self._files.items())))

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the paths and texts."""
        return hashlib.sha256(
            "".join(f"{path}\0{_sha256(text.encode())}\n" for path, text in self.files.items()).encode()
        ).hexdigest()

    def write(self, directory: Path) -> Changes:
        """Bring a directory up to date. Files whose bytes match are not touched; edited files are kept (see `Changes`).

        A file counts as edited when its bytes are not the ones that the manifest says we wrote. Each file is replaced in one
        step, the manifest last. Raises Problem where a path leads through a link out of the directory.
        """
        known = _read_manifest(directory)
        ours = known.files
        done: dict[str, list[str]] = {"written": [], "unchanged": [], "kept": []}
        manifest: dict[str, str] = {}
        for path, text in self.files.items():
            if path in self._owned:
                continue
            place, wanted = _inside(directory, path), text.encode()
            found = place.read_bytes() if place.is_file() else None
            if found == wanted:
                done["unchanged"].append(path)
            elif found is None or _sha256(found) == ours.get(path):
                _replace(place, wanted)
                done["written"].append(path)
            else:
                self._lay_beside(directory, path, wanted, manifest)
                done["kept"].append(path)
                continue
            manifest[path] = _sha256(wanted)
        owned, moved = self._write_owned(directory, known, done)
        gone = {path: sha for path, sha in ours.items() if path not in manifest and path not in self._files}
        removed, edited = _remove(directory, gone)
        # The base of an edited file stays known: undoing the edit makes the file ours again.
        manifest |= {path: ours[path] for path in done["kept"] if path in ours}
        told = {"files": manifest} | ({"owned": owned} if owned else {}) | ({"patched": self.patched} if self._patched else {})
        _replace(directory / MANIFEST, (json.dumps(told, indent=1, sort_keys=True) + "\n").encode())
        kept = sorted([*done["kept"], *edited])
        return Changes(
            tuple(sorted(done["written"])), tuple(sorted(done["unchanged"])), tuple(kept), tuple(removed), tuple(moved)
        )

    def _write_owned(self, directory: Path, known: _Manifest, done: dict[str, list[str]]) -> tuple[dict[str, str], list[str]]:
        """Write the user's files that were never written; return the digests for the manifest, and whose text has moved on."""
        owned, moved = dict(known.owned), []
        for path in sorted(self._owned):
            place, wanted = _inside(directory, path), self._files[path].encode()
            if path not in known.owned and path not in known.files and not place.exists():
                _replace(place, wanted)
                done["written"].append(path)
            else:
                done["unchanged"].append(path)
                if (known.owned.get(path) or known.files.get(path) or _sha256(wanted)) != _sha256(wanted):
                    moved.append(path)
            owned[path] = _sha256(wanted)
        return {path: sha for path, sha in owned.items() if path in self._owned}, moved

    def compare(self, directory: Path) -> Differences:
        """Say what of a directory is not as `write` would leave it; nothing is written. The user's own files never count, once
        they were written.
        """
        known = _read_manifest(directory)
        found: dict[str, list[str]] = {name: [] for name in ("missing", "stale", "edited", "removed", "unsettled")}
        for path, text in self.files.items():
            place = _inside(directory, path)
            if path in self._owned and (place.exists() or path in known.owned or path in known.files):
                continue
            state = _state(place, text.encode(), known.files.get(path))
            if state:
                found[state].append(path)
        for path, sha in sorted(known.files.items()):
            place = _inside(directory, path)
            if path not in self._files and place.is_file():
                waits = path.endswith(".new") and path.removesuffix(".new") in self._files
                if not waits and _sha256(place.read_bytes()) == sha:
                    found["removed"].append(path)
                elif waits:
                    found["unsettled"].append(path)
        return Differences(**{name: tuple(paths) for name, paths in found.items()})

    def _lay_beside(self, directory: Path, path: str, wanted: bytes, manifest: dict[str, str]) -> None:
        beside = _inside(directory, f"{path}.new")
        if not beside.is_file() or beside.read_bytes() != wanted:
            _replace(beside, wanted)
        manifest[f"{path}.new"] = _sha256(wanted)

    def _clash(self, path: str) -> str | None:
        folded = path.casefold()
        for taken in self._files:
            other = taken.casefold()
            if folded == other:
                return "the path is taken"
            if folded.startswith(f"{other}/") or other.startswith(f"{folded}/"):
                return f"{taken!r} needs one of its parts to be something else"
        return None


def lock(name: str, *parts: str) -> str:
    """Return the text of ``requirements/<name>.txt``, from the checkout or the wheel; raise KeyError where there is none.

    `parts` are locks whose distributions are added to it. All locks are resolved as one set (docs/adr/0005), and where two of
    them hold a distribution in different versions, that of `name` stands.
    """
    text = _lock(name)
    if not parts:
        return text
    lines = text.splitlines()
    known = {_distribution(line) for line in lines}
    added = [line for part in parts for line in _lock(part).splitlines() if _distribution(line) not in {*known, ""}]
    head = [line for line in lines if not _distribution(line)]
    return "".join(f"{line}\n" for line in (*head, *sorted({*added, *(line for line in lines if _distribution(line))})))


def _lock(name: str) -> str:
    for place in mlspec.__path__:
        file = Path(place) / "requirements" / f"{name}.txt"
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise KeyError(name)


def _distribution(line: str) -> str:
    """The name in a line of a lock, or nothing where the line is a comment."""
    return "" if line.startswith(("#", " ", "-")) else line.partition("==")[0].strip()


def _unsafe(path: str) -> str | None:
    """Say why a path cannot name a file below any directory on any system, or None."""
    parts = path.split("/")
    if _FORBIDDEN.search(path):
        return "it holds a character that some file systems cannot store"
    if any(part in ("", ".", "..") or part != part.strip() or part.endswith(".") for part in parts):
        return "it is not a plain path below the directory"
    if parts[0] == MANIFEST:
        return "the name is taken by the manifest"
    return None


def _inside(directory: Path, path: str) -> Path:
    place = directory.joinpath(*PurePosixPath(path).parts)
    if place.is_symlink() or not place.parent.resolve().is_relative_to(directory.resolve()):
        raise Problem(Finding("unsafe-path", f"will not write {path!r}: a link leads out of {directory}"))
    return place


def _read_manifest(directory: Path) -> _Manifest:
    """Return what we wrote before. A manifest that cannot be read claims nothing, so nothing is overwritten or removed."""
    try:
        told = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = None
    return _Manifest(_digests(told, "files"), _digests(told, "owned"))


def _digests(told: Any, name: str) -> dict[str, str]:
    found = told.get(name) if isinstance(told, dict) else None
    entries = found.items() if isinstance(found, dict) else ()
    return {path: sha for path, sha in entries if isinstance(sha, str) and not _unsafe(path)}


def _state(place: Path, wanted: bytes, ours: str | None) -> str | None:
    """Say in which way a file is not as wanted (a list of `Differences`), or None."""
    if not place.is_file():
        return "missing"
    found = place.read_bytes()
    if found == wanted:
        return None
    return "stale" if _sha256(found) == ours else "edited"


def _remove(directory: Path, ours: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Remove files that we wrote and nobody edited, and the directories that this empties; return (removed, edited)."""
    removed: list[str] = []
    edited: list[str] = []
    for path, sha in sorted(ours.items()):
        place = _inside(directory, path)
        if not place.is_file():
            continue
        if _sha256(place.read_bytes()) != sha:
            edited.append(path)
            continue
        place.unlink()
        removed.append(path)
        for parent in place.parents:
            if parent == directory or any(parent.iterdir()):
                break
            parent.rmdir()
    return removed, edited


def _replace(place: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never half of them."""
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(place)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
