"""The proof that nothing has changed since a run succeeded, so that the next one can end at once.

This module is on the path of every `mlspec run`: it imports the standard library's lightest parts only.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

FILE = "receipts.json"


def _name(arguments: list[str]) -> str:
    return "\0".join([os.getcwd(), sys.executable, *arguments])


def _mark(path: str) -> list[int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _own_files() -> list[str]:
    """Everything whose change can change what a run means though no spec says so: our own code and the installed libraries."""
    here = os.path.dirname(os.path.abspath(__file__))
    found = [os.path.dirname(os.__file__) + "/site-packages"]
    for folder, folders, files in os.walk(here):
        folders[:] = [one for one in folders if one != "__pycache__"]
        found += [os.path.join(folder, one) for one in files if one.endswith(".py")]
    return found


def show(store: str, arguments: list[str]) -> str | None:
    """Return what the last successful run with these arguments said, if nothing it depended on has changed; else None."""
    try:
        with open(os.path.join(store, FILE), encoding="utf-8") as file:
            receipt: dict[str, Any] = json.load(file)[_name(arguments)]
    except (OSError, ValueError, KeyError):
        return None
    if any(os.environ.get(name) != value for name, value in receipt["environment"].items()):
        return None
    if any(_mark(path) != mark for path, mark in receipt["files"].items()):
        return None
    said: str = receipt["said"]
    return said


def write(store: str, arguments: list[str], files: list[str], environment: dict[str, str | None], said: str) -> None:
    """Note a success: the files it read and left, the environment variables it used, and what to say next time."""
    place = os.path.join(store, FILE)
    try:
        with open(place, encoding="utf-8") as file:
            receipts = json.load(file)
    except (OSError, ValueError):
        receipts = {}
    marks = {path: _mark(path) for path in sorted({*files, *_own_files()})}
    receipts[_name(arguments)] = {"environment": environment, "files": marks, "said": said}
    staged = f"{place}.{os.getpid()}"
    with open(staged, "w", encoding="utf-8") as file:
        json.dump(receipts, file)
    os.replace(staged, place)
