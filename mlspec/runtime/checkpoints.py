"""States of a training that are kept, so that it goes on after a break: files in a place that outlives the process."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlspec.families import Family
from mlspec.runtime import content

LOG = logging.getLogger("mlspec.run")

PLACE = "MLSPEC_CHECKPOINTS"
"""The variable that names the place, where the runner gives none: a volume that the next try of a step finds again."""

FORGOTTEN = 30 * 86_400
"""After so many seconds nobody goes on with a training: its rows or its code have changed since."""

DIGEST = hashlib.sha256().digest_size


class States:
    """The states of one training: the newest `keep` of them, each written whole, with its digest before it."""

    def __init__(self, place: Path, every: float, keep: int, resume: bool) -> None:
        self.place, self.every, self.keep, self.resume = place, every, keep, resume
        self._last = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self._last >= self.every

    def write(self, count: int, state: bytes) -> None:
        """Keep a state; `count` tells how far training is."""
        self.place.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.place, prefix=".writing-")
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(state).digest() + state)
        os.replace(temporary, self.place / f"{count:012d}.state")
        for old in self._files()[self.keep :]:
            old.unlink(missing_ok=True)
        self._last = time.monotonic()

    def newest(self) -> Iterator[bytes]:
        """Yield the states that are whole, the newest first."""
        for file in self._files() if self.resume else ():
            with contextlib.suppress(FileNotFoundError):
                data = file.read_bytes()
                if hashlib.sha256(data[DIGEST:]).digest() == data[:DIGEST]:
                    yield data[DIGEST:]

    def clear(self) -> None:
        """Remove all states: the training has come to its end."""
        shutil.rmtree(self.place, ignore_errors=True)

    def _files(self) -> list[Path]:
        return sorted(self.place.glob("*.state"), reverse=True)


def opened(family: Family, params: Mapping[str, Any], *rows: Any) -> States | None:
    """Return where a training keeps its states; None where the spec asks for none, or there is no place for them.

    The folder is named after all that decides what is learned, so that no other training ever goes on from them.
    """
    asked = (params.get("training") or {}).get("checkpoint")
    if not asked:
        return None
    place = params.get("checkpoints") or os.environ.get(PLACE)
    if not place:
        LOG.warning("no state of training is kept: set %s to a directory that outlives this machine", PLACE)
        return None
    parts = {
        "family": family.model_dump(mode="json"),
        "training": {name: value for name, value in params["training"].items() if name != "checkpoint"},
        "task": params.get("task"),
        "seed": params.get("seed"),
        "mlspec": content.code_digest(),
        "libraries": content.libraries(),
        "code": content.modules_beside(content.entrypoints(family.model_dump(mode="json"))),
    }
    whole = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    for one in rows:
        whole.update(f"{one.dtype.str}{one.shape}".encode())
        whole.update(one.tobytes())
    top = Path(place)
    _forget(top)
    return States(top / whole.hexdigest(), float(asked["every"]), int(asked["keep"]), bool(asked["resume"]))


def _forget(top: Path) -> None:
    for left in top.glob("*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(left)
