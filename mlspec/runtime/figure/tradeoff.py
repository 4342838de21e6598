"""Models for devices side by side: size against latency, and size against what is lost, coloured by verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mlspec.runtime.figure.canvas import (
    GREEN,
    GREY,
    INK,
    MUTED,
    ORANGE,
    Drawing,
    Labels,
    axes_in,
    draw,
    name_axes,
    number,
    percent,
)  # fmt: skip

WIDTH, HEIGHT = 380, 320
LOOKS = {"pass": (GREEN, "o", GREEN), "unproven": (GREY, "s", "none"), "fail": (ORANGE, "X", ORANGE)}
"""Colour, shape and filling by verdict: the shape says it to who does not see the colour."""
_NAMED = 6
"""With more points than these only those that were chosen are named: the table has the others."""


@dataclass(frozen=True, slots=True)
class Point:
    """A model file: bytes, milliseconds of a prediction, what is lost of the primary metric, the verdict, why it was chosen."""

    name: str
    size: float
    latency: float | None
    drop: float | None
    verdict: str
    chosen: str = ""


def latency(points: Sequence[Point]) -> Drawing | None:
    """Draw size against latency; None where nothing was measured."""
    there = [one for one in points if one.latency is not None and one.size > 0 and one.latency > 0]
    if not there:
        return None

    def paint(figure: Figure, labels: Labels) -> None:
        axes = _axes(figure, there, "ms of a prediction")
        axes.set_yscale("log")
        _dots(axes, labels, there, lambda one: one.latency)
        _plain(axes.yaxis, [one.latency or 0.0 for one in there])

    least = min(there, key=lambda one: one.latency or 0.0)
    smallest = min(there, key=lambda one: one.size)
    return Drawing(
        "Size and latency",
        draw("latency", WIDTH, HEIGHT, paint),
        f"Size against latency of {len(there)} models: the smallest is {smallest.name} with {_kilobytes(smallest.size)} kB, the "
        f"fastest {least.name} with {number(least.latency)} ms.",
        "Further left is smaller, further down is faster; both scales are logarithmic. Green dots pass, orange crosses fail, "
        "hollow grey squares cannot be judged here." + _told(there),
        ("model", "kB", "ms", "verdict"),
        tuple((one.name, _kilobytes(one.size), number(one.latency), one.verdict) for one in there),
    )


def loss(points: Sequence[Point], metric: str, most: float) -> Drawing | None:
    """Draw size against the share of the primary metric that is lost; `most` is what may be."""
    there = [one for one in points if one.drop is not None and one.size > 0]
    if not there:
        return None

    def paint(figure: Figure, labels: Labels) -> None:
        axes = _axes(figure, there, "% lost")
        axes.axhline(100 * most, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
        axes.annotate(
            "may be lost", (0, 100 * most), (4, 4), xycoords=("axes fraction", "data"), textcoords="offset points", color=INK
        )
        _dots(axes, labels, there, lambda one: 100 * (one.drop or 0.0))
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, -0.1), max(high, 140 * most))

    return Drawing(
        f"Size and loss of {metric}",
        draw("loss", WIDTH, HEIGHT, paint),
        f"Size against the share of {metric} that {len(there)} models lose; {percent(most)} may be lost.",
        f"Above the dashed line more of {metric} is lost than is allowed; below 0 the file scores better than the model, by "
        "chance." + _told(there),
        ("model", "kB", "lost", "verdict"),
        tuple((one.name, _kilobytes(one.size), percent(one.drop, 2), one.verdict) for one in there),
    )


def _axes(figure: Figure, points: Sequence[Point], y: str) -> Any:
    axes = axes_in(figure, left=52)
    axes.set_xscale("log")
    _plain(axes.xaxis, [one.size for one in points])
    name_axes(axes, "size in kB", y)
    return axes


def _plain(axis: Any, values: Sequence[float]) -> None:
    """Numbers in place of powers, at 1, 2 and 5, and at more where all lie close together: there is to be one on both sides."""
    close = max(values) < 3 * min(values)
    axis.set_major_locator(LogLocator(subs=(1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0) if close else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _dots(axes: Any, labels: Labels, points: Sequence[Point], height: Callable[[Point], float | None]) -> None:
    for verdict, (colour, marker, face) in LOOKS.items():
        mine = [one for one in points if one.verdict == verdict]
        places = [one.size / 1000 for one in mine], [height(one) for one in mine]
        if mine:
            axes.plot(*places, linestyle="none", marker=marker, markersize=7, color=colour, markerfacecolor=face, alpha=0.85)
    named = [one for one in points if one.chosen or len(points) <= _NAMED]
    for place, one in enumerate(sorted(named, key=lambda one: one.size)):
        at = one.size / 1000, height(one)
        if one.chosen:
            axes.plot(*([part] for part in at), marker="o", markersize=13, markerfacecolor="none", color=INK, linewidth=0)
        # neighbours are named above and below, so that their names do not meet
        words, side = labels.stand_in(one.chosen or one.name, 24), (0, -22 if place % 2 else 12)
        axes.annotate(words, at, side, textcoords="offset points", ha="center", fontsize=10.5, color=MUTED)
    axes.margins(0.18, 0.18)


def _told(points: Sequence[Point]) -> str:
    return " What was chosen has a ring." if any(one.chosen for one in points) else ""


def _kilobytes(size: float) -> str:
    return number(size / 1000)
