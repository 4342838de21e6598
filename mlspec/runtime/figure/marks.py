"""A value, its interval and a target as marks on a short line: the geometry that the template turns into a few SVG shapes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, EDGE = 168.0, 8.0
_TARGET = re.compile(r"(>=|<=|==|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(%?)")

Mark = tuple[float, float | None, float | None]
"""Value, low, high."""


@dataclass(frozen=True, slots=True)
class Line:
    """Positions in pixels from the left: marks as (value, low, high), the target, and start and length of the good side."""

    marks: tuple[Mark, ...]
    target: float | None
    good: tuple[float, float] | None
    low_end: float
    high_end: float


def target_of(text: str) -> tuple[str, float] | None:
    """Read ``roc_auc >= 0.84`` or ``share <= 5 %``: the comparison and the number, or None where there is none."""
    found = _TARGET.search(text)
    if not found:
        return None
    return found[1], float(found[2]) / (100 if found[3] else 1)


def line(marks: Sequence[Mark], target: tuple[str, float] | None = None, beside: Sequence[Mark] = ()) -> Line | None:
    """Place marks and a target on one scale with a little room at both ends; None where there is nothing to place.

    `beside` are marks of other lines that have the same scale.
    """
    numbers = [one for mark in (*marks, *beside) for one in mark if one is not None] + ([target[1]] if target else [])
    if not marks or not numbers:
        return None
    low, high = min(numbers), max(numbers)
    room = (high - low) * 0.18 or abs(high) * 0.05 or 1.0
    within = low >= 0 and high <= 1
    low, high = low - room, high + room
    if within:
        low, high = max(low, 0.0), min(high, 1.0)

    def at(value: float) -> float:
        return round(EDGE + (value - low) / (high - low) * (WIDTH - 2 * EDGE), 1)

    good = None
    if target and target[0] != "==":
        good = (at(target[1]), round(WIDTH - at(target[1]), 1)) if target[0].startswith(">") else (0.0, at(target[1]))
    placed = tuple((at(value), at(lo) if lo is not None else None, at(hi) if hi is not None else None) for value, lo, hi in marks)
    return Line(placed, at(target[1]) if target else None, good, low, high)
