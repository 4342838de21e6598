"""Content keys: what decides what a step makes, so that a result is used again exactly where it would be made again equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import mlspec
from mlspec import __version__
from mlspec.entrypoint import imported

LIBRARIES = ("joblib", "keras", "lightgbm", "numpy", "polars", "scikit-learn", "scipy", "torch", "xgboost", "xgboost-cpu")
"""Libraries whose version can change what a step of ours makes; a change of version runs the steps again."""

USERS = ("python", "container")
"""Ops whose meaning is the user's code; of ours counts only what calls it."""

CALLING = ("entrypoint.py", "runtime/__init__.py", "runtime/python.py", "runtime/container.py")
MEANING = ("checks", "families", "runtime", "sources", "transforms")
SHARED = ("expression.py", "fields.py", "kinds.py", "metrics.py")
"""Where the code of every other step lies, and what it reads of the floors below; the report has templates, too."""


def parts(
    op: str,
    params: Mapping[str, Any],
    *,
    bound: Collection[str] = (),
    inputs: Mapping[str, str],
    outputs: Sequence[str],
    code: Mapping[str, str] | None = None,
    file_digest: Callable[[Path], str],
    environment: Mapping[str, str] | None = None,
    secrets: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any] | None:
    """Return everything that decides what a step makes, by name, as plain JSON; None where that cannot be known beforehand.

    `params` are complete: those named in `bound` were set when the run started, and count by what lies behind them (the bytes of
    the files below `data_root`, read by `file_digest`), not by their text. `inputs` maps ports to digests of content. `code` maps
    the user's own modules to digests; they count where the step names an entrypoint. `environment` counts by value, `secrets`
    (variable -> store, name, key) by reference only. Raises what reading the files raises.
    """
    module = imported(f"mlspec.runtime.{op}")
    external = getattr(module, "external", None)
    if bound and external is None and not hasattr(module, "fresh"):
        return None
    told: dict[str, Any] = {
        "op": op,
        "params": {name: value for name, value in params.items() if name not in bound},
        "inputs": dict(inputs),
        "outputs": sorted(outputs),
        "mlspec": code_digest(own=op not in USERS),
    }
    if external is not None:
        told["external"] = external(params, file_digest)
        if told["external"] is None:
            return None
    if op not in USERS:
        told["libraries"] = libraries()
    if code and any(entrypoints(params)):
        told["code"] = dict(code)
    if environment:
        told["environment"] = dict(environment)
    if secrets:
        told["secrets"] = {variable: list(reference) for variable, reference in secrets.items()}
    return told


def key(parts: Mapping[str, Any]) -> str:
    """Return the content key of a step: the SHA-256, in hex, of its parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def entrypoints(value: Any) -> Iterator[str]:
    """Yield each entrypoint that params name, at any depth."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "entrypoint" and isinstance(inner, str):
                yield inner
            else:
                yield from entrypoints(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from entrypoints(inner)


def code_digests(code: Mapping[str, str]) -> dict[str, str]:
    """Return the digest of each of the user's modules, path -> text as a pipeline holds them."""
    return {path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(code.items())}


def tree_digests(folder: Path) -> dict[str, str]:
    """Return the digests of the user's modules below a folder, as `code_digests` has them: for a project that carries them."""
    from mlspec.runtime.artifact import digest

    files = sorted(file for file in folder.rglob("*.py") if file.is_file())
    return {file.relative_to(folder).as_posix(): digest(file) for file in files}


def modules_beside(entrypoints: Iterable[str]) -> dict[str, str]:
    """Return the digests of the user's modules where entrypoints are loaded from: their own file, or all of their package."""
    from importlib.util import find_spec

    found: dict[str, str] = {}
    for name in sorted({text.partition(":")[0].partition(".")[0] for text in entrypoints}):
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            package = tree_digests(Path(next(iter(spec.submodule_search_locations))))
            found |= {f"{name}/{path}": one for path, one in package.items()}
        elif spec is not None and spec.origin:
            found[name] = hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
    return found


@cache
def code_digest(*, own: bool = True) -> str:
    """The digest of the code that gives steps their meaning: an edited runtime must not be served old results.

    The meaning of a step of the user's (`own` is False) is his code, and the little of ours that calls it.
    """
    whole = hashlib.sha256(__version__.encode())
    top = Path(__file__).parents[1]
    files = [file for folder in MEANING for file in sorted((top / folder).rglob("*.py"))] if own else []
    files += [top / file for file in (*CALLING, *(SHARED if own else ()))]
    files += sorted(file for place in mlspec.__path__ for file in Path(place, "templates", "report").glob("*")) if own else []
    for file in files:
        whole.update(file.name.encode())
        whole.update(file.read_bytes())
    return whole.hexdigest()


@cache
def libraries() -> dict[str, str]:
    """The versions of the installed libraries that can change what a step makes."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
