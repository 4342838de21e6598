"""The files of the user's own modules, so that a package can be served where the project is not."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from mlspec.diagnostic import Finding, Problem
from mlspec.entrypoint import LIBRARIES


def copy(entrypoints: Iterable[str], target: Path) -> dict[str, str]:
    """Copy the Python files of the modules (whole top-level packages) that entrypoints name to a directory.

    What is installed is not copied; its distribution's name and version are returned instead.
    """
    installed: dict[str, str] = {}
    for name in sorted({text.partition(":")[0].partition(".")[0] for text in entrypoints}):
        place = _place(name)
        if any(place.is_relative_to(one) for one in LIBRARIES):
            installed |= {one: version(one) for one in packages_distributions().get(name, ())}
            continue
        target.mkdir(parents=True, exist_ok=True)
        if place.is_file():
            shutil.copyfile(place, target / place.name)
            continue
        for file in sorted(place.rglob("*.py")):
            copied = target / name / file.relative_to(place)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copied)
    return installed


def _place(name: str) -> Path:
    """Return the file of a module, or the directory of a package."""
    found = find_spec(name)
    if found is None:
        raise Problem(Finding("entrypoint-not-found", f"cannot import {name!r}"))
    if found.submodule_search_locations:
        return Path(next(iter(found.submodule_search_locations))).resolve()
    return Path(str(found.origin)).resolve()
