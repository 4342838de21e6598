"""From a spec on disk to a checked project, its pipeline, and the bundle of a backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspec import lint
from mlspec.diagnostic import Diagnostic, Finding, Problem, Route
from mlspec.ir import Place
from mlspec.lint import Opened

if TYPE_CHECKING:
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
        return lower(project, config, code, places(opened))
    except Problem as problem:
        raise Problem(*(placed(opened, fault) for fault in problem.faults)) from None


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
    from mlspec.backend import load

    return load(backend).emit(pipeline)


def lacks(opened: Opened, pipeline: Pipeline, backend: str) -> list[Diagnostic]:
    """Say, on the spec's lines, what of this pipeline a backend cannot honour."""
    from mlspec.backend import load

    return [placed(opened, finding) for finding in load(backend).lacks(pipeline)]


def config_text(config: Mapping[str, Any]) -> str:
    """Write a resolved spec as YAML."""
    from mlspec.render import yaml

    return yaml(dict(config))
