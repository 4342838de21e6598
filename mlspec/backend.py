"""What a backend is: a module that writes a pipeline down as a project for one orchestrator; and how that is run here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

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
    "checkpoints": "states of a training",
    "logging": "logs",
    "user_code": "your own code",
    "local_run": "a run on this machine",
    "verified": "what was run, and what not",
}
"""What a pipeline asks of an orchestrator, in the words of docs/backends.md."""


PARTS = ("NAME", "TITLE", "REQUIRES", "REALISES", "LACKS", "emit", "lacks")
"""What a backend holds."""


class Backend(Protocol):
    """A plug-in is a module with these names (`mlspec.backends.*`, or an entry point in the group `mlspec.backends`).

    Emission is pure: the same pipeline gives the same bytes anywhere, with the orchestrator not installed.
    Every project it emits holds `run.py`, which takes ``--data-root DIR --registry-root DIR --approvals-root DIR --workspace
    DIR``, runs the pipeline on this machine and leaves ``outcome.json`` in the workspace (layout: `Outcome`), exit code 0 or 1
    (2: nothing was run). Where run.py has a context manager ``server(workspace, environment)``, what it yields are variables
    with which other runs of that workspace use what it has started: the conformance kit runs many projects that way.
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
    """Return the backends that can be named on the command line: ours, then installed plug-ins, which are not imported."""
    ours = sorted(module.NAME for module in _ours())
    return (*ours, *sorted({point.name for point in entry_points(group=GROUP)} - set(ours)))


def origin(name: str) -> str:
    """Say where a backend comes from: "mlspec", or a plug-in's distribution with its version."""
    if any(name == module.NAME for module in _ours()):
        return "mlspec"
    found = next((point for point in entry_points(group=GROUP, name=name)), None)
    return _origin(found) if found else ""


def load(name: str) -> Backend:
    """Return the backend called `name`; raise Problem, with a list, where there is none, and where a plug-in is broken."""
    for module in _ours():
        if name == module.NAME:
            return module
    for point in entry_points(group=GROUP, name=name):
        return _plugged(point)
    raise Problem(Finding("unknown-backend", f"there is no backend {name!r}", help=f"choose one of {', '.join(names())}"))


def _ours() -> Iterator[Backend]:
    package = import_module(GROUP)
    for file in sorted(file.stem for place in package.__path__ for file in Path(place).glob("*.py")):
        if not file.startswith("_"):
            yield cast(Backend, import_module(f"{GROUP}.{file}"))


def _plugged(point: EntryPoint) -> Backend:
    """Load a plug-in and look whether it is a backend at all; whatever is wrong with it is told as its fault."""
    try:
        found = point.load()
    except Exception as error:
        told = f"the backend {point.name} of {_origin(point)} cannot be loaded: {type(error).__name__}: {error}"
        raise Problem(Finding("broken-backend", told, help=f"mend or remove what {point.value} needs")) from None
    missing = [part for part in PARTS if not hasattr(found, part)]
    if missing:
        told = f"the backend {point.name} of {_origin(point)} lacks {', '.join(missing)}"
        raise Problem(Finding("broken-backend", told, help="docs/extending.md says what a backend holds"))
    if point.name != found.NAME:
        told = f"the backend {point.name} of {_origin(point)} calls itself {found.NAME!r}"
        raise Problem(Finding("broken-backend", told, help="give its entry point and its NAME the same name"))
    return cast(Backend, found)


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def execute(
    project: Path,
    *,
    workspace: Path,
    data_root: Path,
    registry_root: Path,
    approvals_root: Path | None = None,
    python: str = sys.executable,
) -> Outcome:
    """Run an emitted project's `run.py` with an interpreter and read how it ended; what it says goes to standard error.

    Groups of steps (`mlspec.fuse`) are told as the steps they are made of. `approvals_root` is where the answers of people lie,
    for a pipeline that asks them.
    """
    command = [
        python,
        "run.py",
        "--workspace",
        str(workspace),
        "--data-root",
        str(data_root),
        "--registry-root",
        str(registry_root),
        *([] if approvals_root is None else ["--approvals-root", str(approvals_root)]),
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
    outcome = Outcome(told["state"], told["steps"], {name: Path(path) for name, path in told["artifacts"].items()})
    return expanded(outcome, project / "trace.json")


def expanded(outcome: Outcome, trace: Path) -> Outcome:
    """Return the outcome with the steps of groups in the place of the groups and of the gates behind them.

    Of a group that crashed nothing is known but that: it stays as it is.
    """
    steps, artifacts = dict(outcome.steps), dict(outcome.artifacts)
    traced = json.loads(trace.read_text(encoding="utf-8"))["steps"] if trace.exists() else {}
    for group in [name for name, told in traced.items() if "members" in told]:
        state = steps.get(group)
        members = _members(state, group, traced[group]["members"], artifacts)
        if members is None:
            continue
        steps.pop(group, None)
        artifacts = {name: path for name, path in artifacts.items() if name.partition(".")[0] != group}
        artifacts.update(members.artifacts)
        behind = [name for name, told in traced.items() if told["op"] == "gate" and told["needs"] == [group]]
        for gate in behind:
            if steps.get(gate) != "failed" or members.state == "failed":  # it told again what the group's own gate had found
                steps.pop(gate, None)
                artifacts.pop(f"{gate}.report", None)
        steps |= members.steps
    return Outcome(outcome.state, steps, artifacts)


def _members(state: str | None, group: str, names: list[str], artifacts: Mapping[str, Path]) -> Outcome | None:
    """How the steps of a group ended, and where what they made lies; None where nobody knows."""
    from mlspec.runtime.group import expanded as inside

    if state in (None, "skipped"):
        return Outcome("skipped", dict.fromkeys(names, "skipped"), {})
    files, told = artifacts.get(f"{group}.files"), artifacts.get(f"{group}.outcome")
    if files is None or told is None:
        return None
    found = json.loads(told.read_text(encoding="utf-8"))
    steps: dict[str, str] = {}
    made: dict[str, Path] = {}
    for name, ended, outputs in inside(files, found):
        steps[name] = "cached" if state == "cached" and ended == "succeeded" else ended
        made |= {f"{name}.{port}": path for port, path in outputs.items()}
    return Outcome("failed" if found["verdict"] != "pass" else "succeeded", steps, made)
