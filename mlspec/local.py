"""`mlspec run` on this machine: the runner, with a run folder that shows what it made and a receipt when all is well."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspec import build, folder, runner
from mlspec.lower import slug
from mlspec.store import HOME, REGISTRY, Store

if TYPE_CHECKING:
    from mlspec.diagnostic import Diagnostic
    from mlspec.ir import Pipeline
    from mlspec.lint import Opened
    from mlspec.progress import Progress
    from mlspec.runner import Ended, Result


@dataclass(frozen=True, slots=True)
class Told:
    """A finished run: how it ended, its folder, and what that shows. `folder` is None where nothing had to run."""

    result: Result
    folder: Path
    shown: Mapping[str, Path]


def run(
    opened: Opened,
    pipeline: Pipeline,
    progress: Progress,
    *,
    runs: Path,
    force: Collection[str] = (),
    workers: int | None = None,
    wait_approvals: bool = False,
) -> Told:
    """Run a pipeline in the store `.mlspec`, leaving a folder below `runs`. The spec's own folder is where data and code lie."""
    store = Store(HOME)
    config = build.config_text(build.resolve(opened.checked()))
    mark = hashlib.sha256((config + json.dumps(dict(pipeline.code), sort_keys=True)).encode()).hexdigest()
    place = folder.start(runs / slug(pipeline.name), mark)
    place.config(config)
    place.note({"state": "running", "mark": mark})
    if str(opened.folder) not in sys.path:
        sys.path.insert(0, str(opened.folder))  # the user's own modules lie beside the spec
    try:
        with folder.captured():
            result = runner.run(
                pipeline,
                store,
                arguments(opened, pipeline),
                listen=progress,
                force=force,
                workers=workers,
                capture=place.capture,
                wait_approvals=wait_approvals,
            )
    except BaseException:
        place.note({"state": "interrupted", "mark": mark})
        raise
    finally:
        progress.close()
        place.close()
    shown = place.show(dict(artifacts(store, result)))
    place.note(
        {
            "state": "succeeded" if result.succeeded else "failed",
            "mark": mark,
            "steps": {name: _told(one) for name, one in result.steps.items()},
        }
    )
    return Told(result, place.path, shown)


def arguments(opened: Opened, pipeline: Pipeline) -> dict[str, str]:
    """Return the values of the pipeline's parameters on this machine."""
    return {
        "data_root": str(opened.folder),
        "registry_root": str(REGISTRY.resolve()),
        "approvals_root": str(approvals_root(pipeline).resolve()),
    }


def approvals_root(pipeline: Pipeline) -> Path:
    """Return where the answers lie that people give to a project's steps; runs on every orchestrator of this folder share it."""
    return HOME / "approvals" / slug(pipeline.name)


def faults(opened: Opened, result: Result) -> list[Diagnostic]:
    """Return what went wrong in a run, placed in the spec."""
    told = [build.placed(opened, fault) for fault in result.faults]
    spec = os.path.relpath(opened.path)
    return [
        replace(one, finding=replace(one.finding, help=one.finding.help.replace("approve SPEC", f"approve {spec}")))
        for one in told
    ]


def stale_at(pipeline: Pipeline, told: Told) -> float | None:
    """Return when the first result gets too old to be used again, in seconds since the epoch; None where none ever does."""
    limits = {step.id: step.max_age for step in pipeline.steps if step.max_age is not None}
    made = {name: ended.record.made for name, ended in told.result.steps.items() if ended.record}
    return min((made[name] + limit for name, limit in limits.items() if name in made), default=None)


def artifacts(store: Store, result: Result) -> Iterator[tuple[str, Path]]:
    """Yield ("step.output", where it lies) for everything that a run made or found."""
    for step, ended in result.steps.items():
        if ended.record:
            for name, digest in ended.record.outputs.items():
                yield f"{step}.{name}", store.object(digest)


def _told(ended: Ended) -> dict[str, Any]:
    told: dict[str, Any] = {"state": ended.state, "why": ended.why, "seconds": round(ended.seconds, 3)}
    if ended.record:
        told |= {"key": ended.record.key, "outputs": dict(ended.record.outputs), "facts": dict(ended.record.facts)}
    return told


def watched(opened: Opened, pipeline: Pipeline, told: Told) -> tuple[list[str], list[str], list[str]]:
    """Return what "nothing to do" depends on: paths that the run read, paths that it left, and environment variables."""
    from mlspec import settings
    from mlspec.sources import Readable

    settled = map(str, settings.candidates(opened.path))  # one that is written later counts, too
    read = [*opened.layered.files, *settled, *(str(opened.folder / path) for path in _code(pipeline))]
    project = opened.checked()
    read += [str(opened.folder / project.for_each.table)] if project.for_each and project.for_each.table else []
    for source in project.data.sources.values() if project.data else ():
        assert isinstance(source, Readable)  # a run that succeeded has read it
        read += [str(file) for file in source.files(opened.folder)]
        for pattern in getattr(source, "path", ()):
            read += _folders(opened.folder, pattern)
    left = [path for _, path in artifacts(Store(HOME), told.result)]
    left += [told.folder / "config.yaml", told.folder / "run.json", *told.shown.values()]
    left += [REGISTRY / slug(step.params["name"]) for step in pipeline.steps if step.op.name == "register"]
    variables = sorted(set(re.findall(r"\$\{env:(\w+)\}", "\n".join(opened.layered.texts.values()))))
    return read, [str(one) for one in left], variables


def _code(pipeline: Pipeline) -> Iterator[str]:
    """Yield the user's modules and the folders of his packages, where a new module would count as well."""
    yield from pipeline.code
    yield from {str(folder) for path in pipeline.code for folder in Path(path).parents if folder.name}


def _folders(root: Path, pattern: str) -> list[str]:
    """Return the folders in which a file that comes would match a pattern: their times tell of it."""
    parts = Path(pattern).parts
    fixed = list(takewhile(lambda part: not any(sign in part for sign in "*?["), parts))
    rest = parts[len(fixed) :]
    if not rest:
        return []
    top = str(root.joinpath(*fixed))
    return [folder for folder, _, _ in os.walk(top)] if len(rest) > 1 or "**" in rest else [top]
