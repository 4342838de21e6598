"""The user's own code, named as `package.module:attribute`: found, called, and blamed for its own faults only."""

from __future__ import annotations

import sysconfig
import traceback
from _thread import RLock
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Finding, Problem

OURS = Path(__file__).resolve().parent
LIBRARIES = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib"))


_importing = RLock()


def imported(module: str) -> Any:
    """Import a module, one at a time in this process: steps start side by side in threads, and two that import NumPy for the
    first time can each meet a half of it.
    """
    with _importing:
        return import_module(module)


def load(text: str) -> Any:
    """Import what an entrypoint names; raise Problem where the module or the attribute is not there, or importing it fails.

    The module must be importable: the runner puts the spec's folder on ``sys.path``, a generated project its ``src``.
    """
    module, _, attribute = text.partition(":")
    try:
        with blame(text, letting=ModuleNotFoundError):
            found = imported(module)
    except ModuleNotFoundError as error:
        help_text = f"put {module.replace('.', '/')}.py beside the spec, or install the package that holds it"
        raise Problem(Finding("entrypoint-not-found", f"cannot import {module!r}: {error}", help=help_text)) from None
    try:
        return getattr(found, attribute)
    except AttributeError:
        known = ", ".join(name for name in dir(found) if not name.startswith("_"))
        raise Problem(Finding("entrypoint-not-found", f"{module!r} has no {attribute!r}", help=f"it has {known}")) from None


@contextmanager
def blame(what: str, letting: type[Exception] = Problem) -> Iterator[None]:
    """Turn whatever the user's code raises into a Problem that quotes the lines of that code, not ours and not a library's.

    A Problem passes as it is, and so does an exception of the type `letting`.
    """
    try:
        yield
    except (Problem, letting):
        raise
    except (Exception, SystemExit) as error:
        lines = "".join(f"\n  {place}: {code}" for place, code in _lines(error))
        message = f"{what} raised {type(error).__name__}: {error}{lines}"
        raise Problem(Finding("user-code-failed", message, help="mend the code at the last line shown")) from error


def _lines(error: BaseException) -> list[tuple[str, str]]:
    """Return ``file:line`` and the source of each frame in the user's files; of the last frame of all where there is none."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(Path(frame.filename))]
    if isinstance(error, SyntaxError) and error.filename:
        return [(f"{shown(Path(error.filename))}:{error.lineno}", (error.text or "").strip())]
    theirs = [frame for frame in frames if not _is_library(Path(frame.filename))] or frames[-1:]
    return [(f"{shown(Path(frame.filename))}:{frame.lineno}", frame.line or "") for frame in theirs]


def shown(path: Path) -> str:
    """Write a path as seen from here where it lies below here, else by its name alone."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.name


def _is_ours(path: Path) -> bool:
    return path.is_relative_to(OURS) or path == Path(__file__)


def _is_library(path: Path) -> bool:
    return path.name.startswith("<frozen") or any(path.is_relative_to(place) for place in LIBRARIES)
