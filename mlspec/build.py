"""From a spec on disk to a checked project, its pipeline, and the bundle of a backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspec import lint
from mlspec.diagnostic import Diagnostic, Finding, Problem, Route
from mlspec.ir import Place
from mlspec.lint import Opened

if TYPE_CHECKING:
    from mlspec.backend import Backend
    from mlspec.bundle import Bundle
    from mlspec.ir import Pipeline
    from mlspec.spec.project import Project


def open_spec(path: Path, *, env: str | None = None, sets: Sequence[str] = ()) -> Opened:
    """Read a spec with its layers and check it. Faults are in `diagnostics`; only a file that is not there is a Problem."""
    from mlspec import settings

    return lint.check(path, env=env, sets=sets, policy=settings.policy(path))


def resolve(project: Project) -> dict[str, Any]:
    """Return the spec with every default written out, as `config.yaml` shows it."""
    from mlspec.spec.project import resolved

    return resolved(project)


def pipeline_of(opened: Opened) -> Pipeline:
    """Lower a checked spec, with the user's own modules that it names read from beside it."""
    from mlspec.lower import entrypoints, lower

    project = opened.checked()
    config = resolve(project)
    code = dict(_modules(opened.folder, sorted(set(entrypoints(config)))))
    try:
        return lower(project, config, code, places(opened), opened.folder)
    except Problem as problem:
        raise Problem(*(placed(opened, fault) for fault in problem.faults)) from None


def compiled(opened: Opened) -> Pipeline:
    """Return the pipeline as an orchestrator gets it: its steps joined as the spec's granularity says."""
    pipeline, granularity = pipeline_of(opened), opened.checked().pipeline.granularity
    if granularity == "step":
        return pipeline
    from mlspec import fuse

    return fuse.fused(pipeline, granularity)


def places(opened: Opened) -> dict[Route, Place]:
    """Return where each section and each part of one stands: the file's name, not its path, and the line."""
    found = {}
    for route in routes(opened.layered.data):
        at = opened.layered.place_finding(Finding("place", "", route, on="key"))
        if at.span is not None:
            found[route] = Place(Path(at.file).name, at.span.line)
    return found


def routes(data: Any, route: Route = ()) -> Iterator[Route]:
    """Yield the route of every value of plain data, parents first."""
    yield route
    children = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    for key, inner in children:
        yield from routes(inner, (*route, key))


def placed(opened: Opened, fault: Finding | Diagnostic) -> Diagnostic:
    """Give a finding its place in the spec's files."""
    return fault if isinstance(fault, Diagnostic) else opened.layered.place_finding(fault)


def _modules(folder: Path, named: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of each module that entrypoints name and that lies beside the spec; a package comes whole."""
    for top in sorted({entrypoint.partition(":")[0].partition(".")[0] for entrypoint in named}):
        single = folder / f"{top}.py"
        files = [single] if single.is_file() else sorted((folder / top).rglob("*.py")) if (folder / top).is_dir() else []
        for file in files:
            yield file.relative_to(folder).as_posix(), file.read_text(encoding="utf-8")


def bundle_of(pipeline: Pipeline, backend: str) -> Bundle:
    """Write a pipeline down as a project for a backend, in memory. Pure: the same pipeline gives the same bytes anywhere."""
    return chosen(backend).emit(pipeline)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A project for a backend, in memory, with what a reader should know of it, placed in the spec."""

    pipeline: Pipeline
    bundle: Bundle
    told: tuple[Diagnostic, ...]


def project_of(opened: Opened, backend: str, *, eject: bool = False) -> Compiled:
    """Return the whole project that a spec compiles to: the backend's files, coverage.json, the spec's patches made, the user's
    own files marked; with `eject` the code of ours that it needs. Raises Problem where a patch does not fit.
    """
    from mlspec import coverage, patches, trace
    from mlspec import eject as ejection
    from mlspec.render import json

    project, pipeline = opened.checked(), compiled(opened)
    bundle = bundle_of(pipeline, backend)
    found = list(chosen(backend).lacks(pipeline))
    bundle.add(coverage.NAME, coverage.text(project, pipeline, chosen(backend), found, written(opened)))
    bundle.add("config.yaml", config_text(resolve(project)))  # what `mlspec plan` compares with
    if trace.NAME not in bundle.files:  # a plug-in need not write it
        bundle.add(trace.NAME, json(trace.document(pipeline, backend)))
    bundle.replace(trace.NAME, trace.with_files(pipeline, bundle.files, lambda other: bundle_of(other, backend).files))
    if eject:
        ejection.vendor(bundle)
    try:
        found += patches.apply(bundle, project, opened.folder, backend)
    except Problem as problem:
        raise Problem(*(placed(opened, fault) for fault in problem.faults)) from None
    return Compiled(pipeline, bundle, tuple(placed(opened, finding) for finding in found))


def written(opened: Opened) -> dict[Route, Place]:
    """Return where each value that the spec writes stands, as `places` does, with a text that stands for a list of one."""
    found = places(opened)
    return {**{(*route, 0): at for route, at in found.items() if not _parted(opened.layered.data, route)}, **found}


def _parted(data: Any, route: Route) -> bool:
    for part in route:
        data = data[part]
    return isinstance(data, Mapping | list)


def chosen(backend: str) -> Backend:
    """Return the backend of a name; raise Problem, with a list, where there is none."""
    from mlspec.backend import load

    return load(backend)


def lacks(opened: Opened, pipeline: Pipeline, backend: str) -> list[Diagnostic]:
    """Say, on the spec's lines, what of this pipeline a backend cannot honour."""
    return [placed(opened, finding) for finding in chosen(backend).lacks(pipeline)]


def config_text(config: Mapping[str, Any]) -> str:
    """Write a resolved spec as YAML."""
    from mlspec.render import yaml

    return yaml(dict(config))
