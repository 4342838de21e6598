"""Enter the package in the model registry as a new version."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime.artifact import digest, read_json, write_json, write_text

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the package to `<registry_root>/<name>/<version>`; write `entry` (JSON: name, version, digest, path below the root).

    The version is the first 12 hex digits of the package's digest: the same package is the same version, entered once.
    `versions.json` lists versions in the order they were first entered; `latest` names the one entered last. Registering at the
    same time, from processes or threads, loses nothing.
    """
    name, root = str(params["name"]), Path(params["registry_root"])
    if not NAME.fullmatch(name):
        raise Problem(
            Finding("bad-name", f"{name!r} is no name for a model: letters, digits, dots, dashes", ("registry", "name"))
        )
    whole = digest(inputs["package"])
    version = whole[:12]
    model = root / name
    model.mkdir(parents=True, exist_ok=True)
    with _alone(model):
        new = _enter(inputs["package"], model / version, whole)
        listed = [one for one in _versions(model) if one["version"] != version or one["digest"] == whole]
        if all(one["version"] != version for one in listed):
            write_json(model / "versions.json", [*listed, {"version": version, "digest": whole}])
        write_text(model / "latest", f"{version}\n")
    entry = {"name": name, "version": version, "digest": whole, "path": f"{name}/{version}"}
    write_json(outputs["entry"], entry)
    return {"name": name, "version": version, "new": new, "versions": len(_versions(model))}


def fresh(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> bool:
    """Say whether what an earlier run entered is still there: the version's directory and its line in the index."""
    entry = read_json(outputs["entry"])
    place = Path(params["registry_root"]) / entry["path"]
    listed = {"version": entry["version"], "digest": entry["digest"]} in _versions(place.parent)
    return listed and (place / "package.json").is_file() and _latest(place.parent) == entry["version"]


def _enter(package: Path, place: Path, whole: str) -> bool:
    """Copy the package under a temporary name, then rename it: it is there whole or not at all. Return whether it is new."""
    if place.is_dir():
        if digest(place) == whole:
            return False
        shutil.rmtree(place)  # somebody has changed or damaged what was entered
    temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=".writing-"))
    try:
        shutil.copytree(package, temporary, dirs_exist_ok=True, copy_function=shutil.copyfile)
        temporary.chmod(0o755)
        os.replace(temporary, place)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return True


@contextlib.contextmanager
def _alone(model: Path) -> Iterator[None]:
    """Hold the model's lock; the system lets go of it when the process ends, however it ends."""
    with (model / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _versions(model: Path) -> list[dict[str, str]]:
    try:
        listed: list[dict[str, str]] = read_json(model / "versions.json")
    except FileNotFoundError:
        return []
    return listed


def _latest(model: Path) -> str:
    try:
        return (model / "latest").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
