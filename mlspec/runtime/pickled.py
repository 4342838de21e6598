"""Fitted objects on disk: joblib files with the same bytes for the same object, written whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import joblib

PROTOCOL = 5  # fixed, so that the interpreter's default does not decide the bytes


def write(path: Path, value: Any) -> None:
    """Write an object so that a reader sees all of it or nothing."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            joblib.dump(value, file, compress=0, protocol=PROTOCOL)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink()
        raise


def read(path: Path) -> Any:
    """Read a fitted object. Only ever from a source that may run code here: unpickling does."""
    return joblib.load(path)
