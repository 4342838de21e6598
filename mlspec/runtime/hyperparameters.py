"""The parameters of a model family as a search changes them: what may be drawn, and what is laid over the spec's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlspec.runtime.artifact import read_json

Json = Mapping[str, Any]
MANY = 10**12


def settled(inputs: Mapping[str, Path], params: Json) -> Json:
    """Return a step's params with what a search has chosen (the input `chosen`, if it is given) laid over the model's."""
    return laid_over(params, read_json(inputs["chosen"])["params"]) if "chosen" in inputs else params


def laid_over(params: Json, chosen: Json) -> Json:
    """Return a step's params with other parameters of the model."""
    model = params["model"]
    return {**params, "model": {**model, "params": {**(model.get("params") or {}), **chosen}}}


def size(one: Json) -> int | None:
    """Return how many values a range has, at most `MANY`; None where they cannot be counted."""
    if one.get("values") is not None:
        return len(one["values"])
    if one.get("step") is None:
        return None
    return math.floor(min((float(one["high"]) - float(one["low"])) / float(one["step"]), MANY - 1) + 1e-9) + 1


def at(one: Json, place: int) -> Any:
    """Return a value of a range that can be counted."""
    return one["values"][place] if one.get("values") is not None else number(float(one["low"]) + place * float(one["step"]), one)


def place_of(one: Json, value: Any) -> int:
    """Return which of its values a range that can be counted has given."""
    if one.get("values") is not None:
        return int(one["values"].index(value))
    return round((float(value) - float(one["low"])) / float(one["step"]))


def combinations(space: Mapping[str, Json], most: int) -> int:
    """Return how many trials a search can have, at most `most`."""
    counts = [size(one) for one in space.values()]
    return min(most, math.prod(count for count in counts if count is not None)) if None not in counts else most


def number(value: float, one: Json) -> int | float:
    """Return a drawn number as a range has it: whole where the range is, else with at most 12 digits."""
    return round(value) if one.get("whole") else float(f"{value:.12g}")
