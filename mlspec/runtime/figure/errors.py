"""Where a regression errs: predicted against actual, the spread of its residuals, and its errors over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mlspec.runtime.figure.canvas import (
    BLUE,
    DASHES,
    INK,
    MUTED,
    ORANGE,
    Drawing,
    Labels,
    axes_in,
    draw,
    name_axes,
    number,
    thin,
)  # fmt: skip

WIDTH, HEIGHT = 380, 300
_DOTS = 700


def predicted_actual(predicted: Sequence[float], actual: Sequence[float], target: str) -> Drawing:
    """Draw each row's prediction against its truth."""
    low, high = _range([*predicted, *actual])

    def paint(figure: Figure, labels: Labels) -> None:
        axes = axes_in(figure, left=56)
        axes.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle=DASHES[1])
        _dots(axes, predicted, actual)
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        _few_ticks(axes)
        name_axes(axes, labels.stand_in(f"predicted {target}", 38), labels.stand_in(f"actual {target}", 38))

    pairs = sorted(zip(predicted, actual, strict=True))
    return Drawing(
        "Predicted and actual",
        draw("predicted", WIDTH, HEIGHT, paint),
        f"Scatter of {len(predicted):,} rows: actual {target} against predicted {target}. The diagonal is perfect.",
        "A dot on the diagonal was predicted exactly. The farther from it, the larger the error.",
        ("predicted", "actual"),
        tuple((number(said), number(seen)) for said, seen in thin(pairs, 15)),
    )


def residuals(edges: Sequence[float], counts: Sequence[int]) -> Drawing:
    """Draw the histogram of actual minus predicted."""

    def paint(figure: Figure, labels: Labels) -> None:
        axes = axes_in(figure, left=50)
        axes.grid(False, axis="x")
        axes.stairs(counts, edges, color=BLUE, fill=True, alpha=0.35)
        axes.stairs(counts, edges, color=BLUE, linewidth=1.5)
        axes.axvline(0, color=INK, linewidth=1.2)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_locator(MaxNLocator(6))
        name_axes(axes, "actual minus predicted", "rows")

    rows = tuple(
        (f"{number(low)} to {number(high)}", number(count))
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )
    return Drawing(
        "Errors",
        draw("residuals", WIDTH, HEIGHT, paint),
        f"Histogram of the residuals, from {number(edges[0])} to {number(edges[-1])}.",
        "It should stand on zero and fall evenly to both sides. A shift means the model is always too high or too low.",
        ("actual minus predicted", "rows"),
        rows,
    )


def by_prediction(predicted: Sequence[float], actual: Sequence[float]) -> Drawing:
    """Draw the residual against the prediction."""
    left = [seen - said for said, seen in zip(predicted, actual, strict=True)]

    def paint(figure: Figure, labels: Labels) -> None:
        axes = axes_in(figure, left=56)
        axes.axhline(0, color=INK, linewidth=1.2)
        _dots(axes, predicted, left)
        _few_ticks(axes)
        name_axes(axes, "predicted", "actual minus predicted")

    bands = _bands(predicted, left)
    return Drawing(
        "Errors by prediction",
        draw("by-prediction", WIDTH, HEIGHT, paint),
        "Residuals against predictions. " + "; ".join(f"{band}: typical error {size}" for band, _, size in bands) + ".",
        "Look for a fan or a bend: a fan means the error grows with the value, a bend that a shape is missed.",
        ("predicted", "mean error", "mean absolute error"),
        tuple(bands),
    )


def over_time(time: Sequence[str], actual: Sequence[float], predicted: Sequence[float], target: str) -> Drawing:
    """Draw truth and prediction along time; `time` is ISO 8601, in order."""
    moments = [datetime.fromisoformat(one) for one in time]

    def paint(figure: Figure, labels: Labels) -> None:
        axes = axes_in(figure, left=56, top=46)
        axes.plot(thin(moments, 400), thin(actual, 400), color=MUTED, linewidth=1.3, label="actual")
        axes.plot(thin(moments, 400), thin(predicted, 400), color=ORANGE, linewidth=1.8, linestyle=DASHES[1], label="predicted")
        axes.set_xticks([moments[0], moments[-1]], [time[0][:10], time[-1][:10]])
        for tick, side in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
            tick.set_horizontalalignment(side)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        name_axes(axes, "", labels.stand_in(target, 20))
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, handlelength=1.8, columnspacing=1, fontsize=11)

    rows = tuple(
        (when[:10], number(seen), number(said))
        for when, seen, said in zip(thin(time, 15), thin(actual, 15), thin(predicted, 15), strict=True)
    )
    return Drawing(
        "Over time",
        draw("over-time", WIDTH, HEIGHT, paint),
        f"Actual and predicted {target} from {time[0][:10]} to {time[-1][:10]}.",
        "The dashed line should follow the solid one. A gap that grows to the right means the world has moved on.",
        ("time", "actual", "predicted"),
        rows,
    )


def _dots(axes: Any, x: Sequence[float], y: Sequence[float]) -> None:
    axes.plot(
        thin(x, _DOTS), thin(y, _DOTS), linestyle="none", marker="o", markersize=4, color=BLUE, alpha=0.5, markeredgewidth=0
    )


def _few_ticks(axes: Any) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.04 or 1.0
    return low - room, high + room


def _bands(predicted: Sequence[float], left: Sequence[float]) -> list[tuple[str, str, str]]:
    """Return (range of predictions, mean residual, mean absolute residual) of four bands with equally many rows."""
    pairs = sorted(zip(predicted, left, strict=True))
    bands = []
    for place in range(4):
        part = pairs[place * len(pairs) // 4 : (place + 1) * len(pairs) // 4]
        if part:
            mean = sum(one for _, one in part) / len(part)
            size = sum(abs(one) for _, one in part) / len(part)
            bands.append((f"{number(float(part[0][0]))} to {number(float(part[-1][0]))}", number(mean), number(size)))
    return bands
