"""Estimates side by side with their uncertainty: slices as a forest plot, importance of columns, folds of cross-validation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mlspec.runtime.figure.canvas import (
    BLUE,
    GREY,
    INK,
    MUTED,
    ORANGE,
    Drawing,
    Labels,
    axes_in,
    draw,
    number,
)  # fmt: skip

WIDTH = 380
_ROW = 40  # a line of words above a line of marks: names need the whole width of a phone
_MOST = 16
_FOOT = 44


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval, over a number of rows; `small` where the rows are too few to trust it."""

    name: str
    rows: int
    value: float
    low: float | None
    high: float | None
    small: bool = False


def forest(slices: Sequence[Estimate], overall: Estimate, metric: str) -> Drawing:
    """Draw each slice's score with its interval against the score of all rows. The caller sorts, worst first."""
    shown = slices[:_MOST]

    def paint(figure: Figure, labels: Labels) -> None:
        axes = _rows_in(figure, len(shown), top=22)
        axes.axvline(overall.value, color=INK, linewidth=1.2)
        if overall.low is not None and overall.high is not None:
            axes.axvspan(overall.low, overall.high, color=INK, alpha=0.07, linewidth=0)
        for place, one in enumerate(shown):
            colour = GREY if one.small else BLUE
            if one.low is not None and one.high is not None:
                axes.plot([one.low, one.high], [place, place], color=colour, linewidth=1.5 if one.small else 2.2)
            face = "none" if one.small else colour
            axes.plot([one.value], [place], marker="o", markersize=6.5, color=colour, markerfacecolor=face, linestyle="none")
            _words(axes, labels, place, one.name, number(one.value), GREY if one.small else INK, _rows(one.rows))
        axes.set_xlabel(labels.stand_in(metric, 30))
        axes.annotate(
            "all rows", (overall.value, 1), (0, 6), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center"
        )

    hidden = f" The first {_MOST} of {len(slices)} are drawn." if len(slices) > _MOST else ""
    worst = shown[0]
    return Drawing(
        f"{metric} by slice",
        draw("slices", WIDTH, 22 + _FOOT + _ROW * len(shown), paint),
        f"{metric} of {len(slices)} slices, worst first: {worst.name} reaches {number(worst.value)}, "
        f"all rows {number(overall.value)}." + hidden,
        "A dot is the score, its line the range it may truly lie in. The vertical line is the score over all rows. "
        "Hollow grey dots have too few rows to judge.",
        ("slice", "rows", metric, "interval"),
        tuple((one.name, number(one.rows), number(one.value), span(one.low, one.high)) for one in slices),
    )


def importance(columns: Sequence[tuple[str, float, float]], metric: str) -> Drawing:
    """Draw how much the score falls when a column is shuffled: (name, mean, standard deviation), largest first."""
    shown = columns[:_MOST]
    largest = max(abs(mean) for _, mean, _ in columns) or 1.0
    digits = max(0, 3 - math.ceil(math.log10(largest)))  # three figures of the largest, as many decimals of the others

    def paint(figure: Figure, labels: Labels) -> None:
        axes = _rows_in(figure, len(shown), top=4)
        places = range(len(shown))
        axes.barh(places, [mean for _, mean, _ in shown], height=0.3, color=BLUE, alpha=0.6)
        axes.errorbar(
            [mean for _, mean, _ in shown], places, xerr=[spread for *_, spread in shown], fmt="none", ecolor=INK, elinewidth=1.3
        )
        axes.axvline(0, color=MUTED, linewidth=1)
        for place, (name, mean, _) in enumerate(shown):
            _words(axes, labels, place, name, _fixed(mean, digits), INK)
        axes.set_xlabel(labels.stand_in(f"loss of {metric} when shuffled", 40))

    said = ", ".join(f"{name} {_fixed(mean, digits)}" for name, mean, _ in shown[:3])
    return Drawing(
        "What the model relies on",
        draw("importance", WIDTH, 4 + _FOOT + _ROW * len(shown), paint),
        f"Permutation importance of {len(columns)} columns, largest first: {said}.",
        f"How much {metric} gets worse when a column's values are shuffled. The thin line is the spread over repeats; "
        "a bar that its line carries across zero may be chance. Columns that say the same thing share their importance.",
        ("column", "loss when shuffled", "spread"),
        tuple((name, _fixed(mean, digits), _fixed(spread, digits)) for name, mean, spread in columns),
    )


def folds(metrics: Mapping[str, Sequence[float]], test: Mapping[str, float | None]) -> Drawing:
    """Draw the score of every fold, their mean and spread, and the score on the test rows, one strip for each metric."""
    names = list(metrics)[:8]
    tall = 76

    def paint(figure: Figure, labels: Labels) -> None:
        for place, name in enumerate(names):
            values = list(metrics[name])
            axes = axes_in(figure, left=16, right=96, top=tall * place + 22, bottom=tall * (len(names) - place) - 46)
            axes.grid(False, axis="y")
            axes.set_yticks([])
            axes.set_ylim(-1, 1)
            mean, spread = _mean_spread(values)
            axes.axvspan(mean - spread, mean + spread, color=BLUE, alpha=0.14, linewidth=0)
            axes.axvline(mean, color=BLUE, linewidth=1.6)
            axes.plot(
                values, [0] * len(values), linestyle="none", marker="o", markersize=7.5, color=BLUE, alpha=0.65, markeredgewidth=0
            )
            if test.get(name) is not None:
                shape = {"marker": "D", "markersize": 7, "markerfacecolor": "none", "markeredgewidth": 2}
                axes.plot([test[name]], [0], linestyle="none", color=ORANGE, clip_on=False, **shape)
            axes.margins(x=0.08)
            axes.spines["left"].set_visible(False)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.text(0, 1.2, labels.stand_in(name, 44), transform=axes.transAxes, fontsize=11.5, color=INK)
            axes.text(1.03, 0.36, f"{number(mean)} ± {number(spread)}", transform=axes.transAxes, fontsize=11, color=INK)

    said = "; ".join(
        f"{name} {number(_mean_spread(metrics[name])[0])} ± {number(_mean_spread(metrics[name])[1])}" for name in names
    )
    return Drawing(
        "Scores of the folds",
        draw("folds", WIDTH, tall * len(names), paint),
        f"Cross-validation: {said}.",
        "Each dot is the score of a model trained without that part of the training rows. The line and band are their mean and "
        "spread; the orange diamond is the score on the test rows. Dots far apart mean that the score depends on which rows the "
        "model saw.",
        ("metric", "mean", "spread", "folds", "test"),
        tuple(
            (
                name,
                number(_mean_spread(values)[0]),
                number(_mean_spread(values)[1]),
                ", ".join(number(value) for value in values),
                number(test.get(name)),
            )
            for name, values in metrics.items()
        ),
    )


def span(low: float | None, high: float | None) -> str:
    """Write an interval as people do."""
    return f"{number(low)} to {number(high)}" if low is not None and high is not None else "–"


def _rows_in(figure: Figure, rows: int, top: float) -> Any:
    """Return axes with a row for each name: words in its upper half, marks at whole numbers in its lower half."""
    axes = axes_in(figure, left=16, right=88, top=top, bottom=_FOOT)
    axes.grid(False, axis="y")
    axes.set_ylim(rows - 0.7, -0.7)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return axes


def _words(axes: Any, labels: Labels, place: int, above: str, beside: str, colour: str, corner: str = "") -> None:
    """Write a name above a row's marks, its number beside them, right of the axes, and a word in the corner over that."""
    across = axes.get_yaxis_transform()
    axes.text(0, place - 0.28, labels.stand_in(above, 44), transform=across, fontsize=11.5, color=colour)
    axes.text(1.04, place + 0.08, beside, transform=across, fontsize=11.5, color=colour)
    if corner:
        axes.text(1.04, place - 0.28, corner, transform=across, fontsize=10.5, color=MUTED)


def _fixed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _rows(count: int) -> str:
    return f"{count:,} rows" if count < 100_000 else f"{count / 1e6:.1f} M rows"


def _mean_spread(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0
