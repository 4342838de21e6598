"""What a backend is: a module that writes a pipeline down as a project for one orchestrator; and how that is run here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from mlspec.diagnostic import Finding, Problem

if TYPE_CHECKING:
    from mlspec.bundle import Bundle
    from mlspec.ir import Pipeline

GROUP = "mlspec.backends"

NOTIONS = {
    "steps": "a step",
    "parameters": "parameters of a run",
    "artifacts": "artifacts",
    "metrics": "metrics and plots in its interface",
    "gate": "a gate",
    "branches": "branches side by side",
    "fan_out": "trials, folds, machines",
    "retries": "retries",
    "timeout": "a time limit",
    "caching": "caching by content",
    "max_age": "the age of a result",
    "resources": "cores and memory",
    "accelerators": "accelerators",
    "placement": "node and spot machines",
    "schedule": "a schedule",
    "secrets": "secrets by reference",
    "environment": "variables of a step",
    "image": "the image",
    "containers": "steps in a container",
    "approval": "a person's yes",
    "exit": "what runs at the end in any case",
    "granularity": "several steps as one",
    "distribution": "a Dask or Ray cluster",
    "triggers": "runs that an event starts",
    "logging": "logs",
    "user_code": "your own code",
    "local_run": "a run on this machine",
    "verified": "what was run, and what not",
}
"""What a pipeline asks of an orchestrator, in the words of docs/backends.md."""


class Backend(Protocol):
    """A plug-in is a module with these names (`mlspec.backends.*`, or an entry point in the group `mlspec.backends`).

    Emission is pure: the same pipeline gives the same bytes anywhere, with the orchestrator not installed.
    Every project it emits holds `run.py`, which takes ``--data-root DIR --registry-root DIR --workspace DIR``, runs the
    pipeline on this machine and leaves ``outcome.json`` in the workspace (layout: `Outcome`), exit code 0 or 1.
    """

    NAME: str
    TITLE: str
    REQUIRES: tuple[str, ...]  # importable modules that `run.py` needs
    REALISES: Mapping[str, str]  # notion -> by which of the orchestrator's own means; Markdown
    LACKS: Mapping[str, str]  # notion -> what of it is not realised, and why; each of NOTIONS is in one of the two, or in both

    def emit(self, pipeline: Pipeline) -> Bundle: ...

    def lacks(self, pipeline: Pipeline) -> Iterator[Finding]:
        """Yield a finding, at the spec's route, for each thing of this pipeline that the orchestrator cannot honour."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: the whole, each step (succeeded, failed, skipped, cached), and where each ``step.output`` lies."""

    state: str
    steps: Mapping[str, str]
    artifacts: Mapping[str, Path]


def names() -> tuple[str, ...]:
    """Return the backends that can be named on the command line: ours, then installed plug-ins."""
    package = import_module(GROUP)
    ours = {file.stem for place in package.__path__ for file in Path(place).glob("*.py") if not file.stem.startswith("_")}
    return tuple(sorted(cast(str, import_module(f"{GROUP}.{name}").NAME) for name in ours)) + tuple(
        sorted(point.name for point in entry_points(group=GROUP))
    )


def load(name: str) -> Backend:
    """Return the backend called `name`; raise Problem, with a list, where there is none."""
    for file in sorted(file.stem for place in import_module(GROUP).__path__ for file in Path(place).glob("*.py")):
        module: Any = import_module(f"{GROUP}.{file}") if not file.startswith("_") else None
        if module is not None and name == module.NAME:
            return cast(Backend, module)
    for point in entry_points(group=GROUP, name=name):
        return cast(Backend, point.load())
    raise Problem(Finding("unknown-backend", f"there is no backend {name!r}", help=f"choose one of {', '.join(names())}"))


def execute(project: Path, *, workspace: Path, data_root: Path, registry_root: Path, python: str = sys.executable) -> Outcome:
    """Run an emitted project's `run.py` with an interpreter and read how it ended; what it says goes to standard error."""
    command = [
        python,
        "run.py",
        "--workspace",
        str(workspace),
        "--data-root",
        str(data_root),
        "--registry-root",
        str(registry_root),
    ]
    workspace.mkdir(parents=True, exist_ok=True)
    place = workspace / "outcome.json"
    place.unlink(missing_ok=True)
    ended = subprocess.run(command, cwd=project, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdout=2, check=False)
    if not place.exists():
        raise Problem(
            Finding("backend-crashed", f"run.py ended with exit code {ended.returncode} before it could say how the run went")
        )
    told = json.loads(place.read_text(encoding="utf-8"))
    return Outcome(told["state"], told["steps"], {name: Path(path) for name, path in told["artifacts"].items()})
