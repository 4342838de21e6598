"""`mlspec run --backend`: compile for an orchestrator, run that project here, and lay its evidence out as any run's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mlspec import backend as backends
from mlspec import build, folder, ops
from mlspec.diagnostic import Diagnostic, Finding, Problem
from mlspec.lower import slug
from mlspec.runtime.artifact import read_json
from mlspec.store import HOME, REGISTRY

if TYPE_CHECKING:
    from mlspec.backend import Outcome
    from mlspec.ir import Pipeline
    from mlspec.lint import Opened


@dataclass(frozen=True, slots=True)
class Told:
    """A finished run on an orchestrator: how it ended, its folder, what that shows, and the gates it missed."""

    outcome: Outcome
    folder: Path
    shown: Mapping[str, Path]
    faults: tuple[Diagnostic, ...]


def run(opened: Opened, pipeline: Pipeline, name: str, *, runs: Path) -> Told:
    """Compile into the run folder's `project`, run it there with the orchestrator's own state under `workspace`."""
    chosen = backends.load(name)
    missing = [module for module in chosen.REQUIRES if find_spec(module) is None]
    if missing:
        raise Problem(Finding("missing-extra", f"{name} needs {', '.join(missing)}", help=f"pip install 'mlspec[{name}]'"))
    config = build.config_text(build.resolve(opened.checked()))
    mark = hashlib.sha256(f"{name}\n{config}{json.dumps(dict(pipeline.code), sort_keys=True)}".encode()).hexdigest()
    place = folder.start(runs / slug(pipeline.name), mark)
    try:
        place.config(config)
        place.note({"state": "running", "mark": mark, "backend": name})
        project = place.path / "project"
        build.project_of(opened, name).bundle.write(project)
        asks = any(step.op is ops.APPROVE for step in pipeline.steps)
        outcome = backends.execute(
            project,
            workspace=(place.path / "workspace").resolve(),
            data_root=opened.folder,
            registry_root=REGISTRY.resolve(),
            approvals_root=(HOME / "approvals" / slug(pipeline.name)).resolve() if asks else None,
        )
        shown = place.show(outcome.artifacts)
        steps = {step: {"state": state} for step, state in outcome.steps.items()}
        place.note({"state": outcome.state, "mark": mark, "backend": name, "steps": steps})
    finally:
        place.close()
    faults = tuple(build.placed(opened, fault) for fault in _missed(outcome, pipeline))
    return Told(outcome, place.path, shown, faults)


def _missed(outcome: Outcome, pipeline: Pipeline) -> list[Finding]:
    """The gates that failed, told as the local runner tells them: from the very reports the gates read."""
    from mlspec.runtime import gate

    found: list[Finding] = []
    for step in pipeline.steps:
        if step.op is not ops.GATE or outcome.steps.get(step.id) != "failed":
            continue
        ref = step.inputs["decision"]
        verdict = outcome.artifacts.get(f"{ref.step}.{ref.output}")
        if verdict is not None:
            told = f"{step.label}: " if step.label else ""
            missed = gate.missed(read_json(verdict), step.params["subject"])
            found += [replace(one, message=f"{told}{one.message}", route=one.route or step.routes[0]) for one in missed]
    return found
