"""What a spec is compared with: a run's folder, the newest of them, a compiled project, or another spec; only read."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspec import build, layers
from mlspec.diagnostic import Finding, Problem, Severity
from mlspec.lower import slug

if TYPE_CHECKING:
    from mlspec.layers import Layered

LOOKED_AT = 50  # run folders that are asked how long a step took

CONFIG = "config.yaml"
"""The resolved spec in a run's folder, and in a compiled project."""

WORDS = ("last", "succeeded")
"""What stands for the newest run that has ended, and for the newest that succeeded."""


@dataclass(frozen=True, slots=True)
class Past:
    """What was run before. `config` is the resolved spec, None where there is nothing to compare with.

    `steps` are the steps of that run as its `run.json` tells them, of a spec those that it implies, of which nothing is known
    but their names; `seconds` how long each step took when it last ran here.
    """

    kind: str = "none"  # run | compiled | spec | none
    path: str = ""
    state: str = ""
    config: Mapping[str, Any] | None = None
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


def find(name: str, runs: Path, against: str | None, project: Path | None = None) -> Past:
    """Return what to compare the spec called `name` with: `last`, `succeeded`, a run's name, a folder, or a spec's file; by
    default what was compiled into the folder `project`, else the last run.

    Raises Problem for a folder or file that is named and not there; where there is no run yet, the past is empty.
    """
    place = runs / slug(name)
    seconds = durations(place)
    if against is None and project is not None and (project / CONFIG).is_file():
        return Past("compiled", str(project), "", read(project), {}, seconds)
    if against is None or against in WORDS:
        against = against or WORDS[0]
        found = next((one for one in _ended(place) if against == "last" or _told(one)["state"] == "succeeded"), None)
        return _run(found, seconds) if found else Past(seconds=seconds)
    for path in (Path(against), place / against):
        if (path / "run.json").is_file():
            return _run(path, seconds | durations(path.parent))
        if (path / CONFIG).is_file():
            return Past("compiled", str(path), "", read(path), {}, seconds)
        if path.is_file():
            return Past("spec", str(path), "", read(path), {}, seconds)
    if Path(against).is_dir():
        raise Problem(_bare(Path(against)))
    message = f"there is no run {against!r}: neither a folder of a run, nor a spec"
    known = ", ".join(one.name for one in _folders(place)[:5])
    raise Problem(
        Finding("unknown-run", message, help=f"write {' or '.join(WORDS)}, a spec" + (f", or {known}" if known else ""))
    )


def read(path: Path, *, env: str | None = None) -> dict[str, Any]:
    """Return the resolved spec of a file, or of a run's folder; raise Problem where it is not one.

    Rules do not matter here, and what an older mlspec wrote is taken as it stands where it is no spec of today.
    """
    from mlspec.spec.project import inspect

    found = layered(path, env=env)
    inspection = inspect(found.data, found.damaged)
    broken = [one for one in found.problems if one.finding.severity is Severity.ERROR]
    if inspection.project is not None and not broken:
        return build.resolve(inspection.project)
    if Path(found.name).name == CONFIG and not broken:
        return dict(found.data)
    raise Problem(*broken, *map(found.place_finding, inspection.findings))


def layered(path: Path, *, env: str | None = None) -> Layered:
    """Read a spec's file, or the one in the folder of a run or of a compiled project, with its layers."""
    if path.is_dir() and not (path / CONFIG).is_file():
        raise Problem(_bare(path))
    return layers.load(path / CONFIG if path.is_dir() else path, env=env)


def _bare(folder: Path) -> Finding:
    message = f"{folder} holds no {CONFIG}: it is neither the folder of a run nor a compiled project"
    return Finding("unknown-run", message, help="name a spec's file, or such a folder")


def durations(place: Path) -> dict[str, float]:
    """Return how many seconds each step took when it last ran, from the runs below a folder."""
    found: dict[str, float] = {}
    for folder in _folders(place)[:LOOKED_AT]:
        for step, told in (_told(folder).get("steps") or {}).items():
            if told.get("state") in ("succeeded", "failed"):
                found.setdefault(step, float(told.get("seconds") or 0.0))
    return found


def _run(folder: Path, seconds: Mapping[str, float]) -> Past:
    told = _told(folder)
    return Past("run", str(folder), str(told.get("state", "")), read(folder), told.get("steps") or {}, seconds)


def _ended(place: Path) -> Iterator[Path]:
    """Yield the folders of runs that have ended and left their spec, the newest first."""
    for folder in _folders(place):
        if "steps" in _told(folder) and (folder / CONFIG).is_file():
            yield folder


def _folders(place: Path) -> list[Path]:
    found = (path for path in place.glob("run_*") if path.name[4:].isdigit())
    return sorted(found, key=lambda path: int(path.name[4:]), reverse=True)


def _told(folder: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        told = json.loads((folder / "run.json").read_bytes())
        if isinstance(told, dict):
            return told
    return {}
