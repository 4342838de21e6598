"""A content-addressed store of step outputs: objects named by their SHA-256, and for each step key the outputs it gave.

Everything appears by rename, so a process killed at any moment leaves whole objects and whole records or none.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlspec.runtime.artifact import digest, write_json, write_text

HOME = Path(".mlspec")
"""Where the runs of a folder keep their state: the store, the receipts, the registry."""

REGISTRY = HOME / "registry"


@dataclass(frozen=True, slots=True)
class Record:
    """What a finished step left: the digest of each output, its facts, the parts its key was made of, and when it was made.

    `made` is in seconds since the epoch; a record without a key is in no file, and no later run finds it.
    """

    key: str
    outputs: Mapping[str, str]
    facts: Mapping[str, Any]
    parts: Mapping[str, Any]
    made: float = math.inf


class Store:
    """Objects and records under one directory. Several runs may share it at the same time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known_files: dict[str, list[Any]] | None = None

    def object(self, digest_: str) -> Path:
        return self.root / "objects" / digest_[:2] / digest_

    def find(self, key: str) -> Record | None:
        """Return the record of a key if it exists and every output of it is still here."""
        try:
            with (self.root / "steps" / f"{key}.json").open("rb") as file:
                told = json.loads(file.read())
                made = os.fstat(file.fileno()).st_mtime
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        record = Record(key, told["outputs"], dict(told["facts"]), told["parts"], made)
        return record if all(self.object(one).exists() for one in record.outputs.values()) else None

    def keep(self, key: str, made: Mapping[str, Path], facts: Mapping[str, Any], parts: Mapping[str, Any]) -> Record:
        """Move a step's outputs into the store, then write its record: the record never names what is not there.

        An empty key stands for a step whose result is not to be found again: its record is not written.
        """
        outputs = {name: self._adopt(path) for name, path in made.items()}
        record = Record(key, outputs, dict(facts), dict(parts), time.time())
        if not key:
            return record
        told = {"outputs": outputs, "facts": list(record.facts.items()), "parts": record.parts}
        write_text(self.root / "steps" / f"{key}.json", json.dumps(told, sort_keys=True, allow_nan=False))
        return record

    def _adopt(self, made: Path) -> str:
        name = digest(made)
        place = self.object(name)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                made.replace(place)
            except OSError:
                if not place.exists():  # else another run has put the same directory there: theirs is as good as ours
                    raise
        return name

    def previous(self, pipeline: str, step: str) -> Mapping[str, Any] | None:
        """Return the key parts with which a step of a pipeline last ran, to say what has changed since."""
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            key = self._last(pipeline, step).read_text(encoding="utf-8")
            parts: dict[str, Any] = json.loads((self.root / "steps" / f"{key}.json").read_bytes())["parts"]
            return parts
        return None

    def remember(self, pipeline: str, step: str, key: str) -> None:
        write_text(self._last(pipeline, step), key)

    def _last(self, pipeline: str, step: str) -> Path:
        return self.root / "last" / pipeline / step

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """A directory for outputs in the making, on the store's file system; what dead processes left is cleared."""
        top = self.root / "tmp"
        top.mkdir(parents=True, exist_ok=True)
        for left in top.iterdir():
            if left.name.isdigit() and not _alive(int(left.name)):
                shutil.rmtree(left, ignore_errors=True)
        place = top / str(os.getpid())
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def file_digest(self, path: Path) -> str:
        """Return a file's SHA-256, read again only when its size, time or inode has changed since it was last read."""
        known = self._files()
        stat = path.stat()
        mark = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        name = str(path.resolve())
        if known.get(name, [None])[:3] != mark:
            known[name] = [*mark, digest(path)]
            write_json(self.root / "files.json", known)
        return str(known[name][3])

    def _files(self) -> dict[str, list[Any]]:
        if self._known_files is None:
            self._known_files = {}
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                self._known_files = json.loads((self.root / "files.json").read_bytes())
        return self._known_files


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
