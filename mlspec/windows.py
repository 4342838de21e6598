"""Windows of a series as columns: what they are called, and what is known of them before the data is seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def name(value: str, back: int) -> str:
    """Return the name of the column that holds a value so many steps ago: ``Temp[-1]``; 0 is the present."""
    return f"{value}[{-back}]"


def names(window: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """Return the columns of a window and what each holds (value, steps ago): the oldest step first, its values side by side."""
    return {
        name(value, back): (value, back)
        for back in reversed(range(int(window["size"])))
        for value in dict.fromkeys(window["values"])
    }


def columns(declared: Mapping[str, Any], window: Mapping[str, Any] | None, target: str) -> dict[str, Any]:
    """Return what is declared of a table's columns once it has windows: each holds what its value holds, as a feature.

    The values themselves are gone, but for the target, which holds what is to be predicted.
    """
    if window is None:
        return dict(declared)
    kept = {name: column for name, column in declared.items() if name == target or name not in window["values"]}
    held = {made: {**declared[value], "role": "feature"} for made, (value, _) in names(window).items() if value in declared}
    return {**kept, **held}
