"""Artifacts on disk: JSON that is always finite and written whole, and the digest of a file or a directory."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def finite(number: float | None) -> float | None:
    """Return a plain float, or None for what is not a finite number: JSON has no NaN, and a NaN must not pass a gate."""
    return float(number) if number is not None and math.isfinite(number) else None


def write_json(path: Path, value: Any) -> None:
    """Write sorted, indented JSON so that a reader sees the old file or the new one, never half of one. NaN is a ValueError."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text through a temporary file in the same directory and a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".writing-{os.getpid()}-{threading.get_ident()}")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any:
    """Read a JSON artifact."""
    return json.loads(path.read_text(encoding="utf-8"))


def digest(path: Path) -> str:
    """Return the SHA-256, in hex, of a file's bytes; of a directory, of its files' relative names and digests in order."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    whole = hashlib.sha256()
    for file_path in sorted(one for one in path.rglob("*") if one.is_file()):
        whole.update(f"{file_path.relative_to(path).as_posix()}\0{digest(file_path)}\n".encode())
    return whole.hexdigest()


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Give a directory to write into, which is put in the target's place when all is written, and is gone where it is not."""
    place = Path(tempfile.mkdtemp(dir=target.parent, prefix=".writing-"))
    try:
        yield place
        place.chmod(0o755)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        elif target.exists():
            target.unlink()
        place.rename(target)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
