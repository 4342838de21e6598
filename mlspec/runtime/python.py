"""Call the user's own function."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Finding, Problem
from mlspec.entrypoint import blame, load


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Call `function(inputs={name: Path}, outputs={name: Path}, **params)`; what it returns (a mapping, or nothing) are facts.

    Raises Problem where the function is not there, does not take these arguments, raises anything, leaves an output unwritten,
    or returns what is no small plain JSON.
    """
    entrypoint = params["entrypoint"]
    function = load(entrypoint)
    given = {"inputs": dict(inputs), "outputs": dict(outputs), **params.get("params", {})}
    _check_signature(entrypoint, function, given)
    with blame(entrypoint):
        facts = function(**given)
    missing = sorted(name for name, place in outputs.items() if not place.exists())
    if missing:
        message = f"{entrypoint} did not write its output {', '.join(missing)}"
        raise Problem(Finding("output-not-written", message, help=f"write a file at outputs[{missing[0]!r}]"))
    return _plain(entrypoint, facts)


def _check_signature(entrypoint: str, function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    if not callable(function):
        raise Problem(Finding("not-a-function", f"{entrypoint} is {type(function).__name__}, which cannot be called"))
    try:
        inspect.signature(function).bind(**given)
    except TypeError as error:
        help_text = f"it is called as {entrypoint.partition(':')[2]}({', '.join(f'{name}=…' for name in given)})"
        raise Problem(
            Finding("wrong-arguments", f"{entrypoint} does not take these arguments: {error}", help=help_text)
        ) from None
    except ValueError:
        return  # a callable without a signature: the call itself will tell


def _plain(entrypoint: str, facts: Any) -> dict[str, Any]:
    if facts is None:
        return {}
    help_text = "return nothing, or a flat dictionary of text, finite numbers and truth values"
    if not isinstance(facts, Mapping):
        raise Problem(Finding("bad-facts", f"{entrypoint} returned {type(facts).__name__}, not a dictionary", help=help_text))
    for name, value in facts.items():
        if not isinstance(name, str) or not isinstance(value, str | int | float | bool | None):
            raise Problem(Finding("bad-facts", f"{entrypoint} returned {name!r}: {type(value).__name__}", help=help_text))
    try:
        json.dumps(dict(facts), allow_nan=False)
    except ValueError:
        raise Problem(Finding("bad-facts", f"{entrypoint} returned a number that is not finite", help=help_text)) from None
    return dict(facts)
