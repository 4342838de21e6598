"""Fitted objects on disk: joblib files with the same bytes for the same object, written whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import joblib
from joblib.numpy_pickle import NumpyPickler

PROTOCOL = 5  # fixed, so that the interpreter's default does not decide the bytes


class _Pickler(NumpyPickler):  # type: ignore[misc]
    """joblib's pickler, to which equal strings are one string: which of them share an object differs from process to process."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, protocol=PROTOCOL)
        self._texts: dict[str, str] = {}

    def save(self, value: Any) -> Any:
        return super().save(self._texts.setdefault(value, value) if type(value) is str else value)


def write(path: Path, value: Any) -> None:
    """Write an object so that a reader sees all of it or nothing."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            _Pickler(file).dump(value)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink()
        raise


def read(path: Path) -> Any:
    """Read a fitted object. Only ever from a source that may run code here: unpickling does."""
    return joblib.load(path)
