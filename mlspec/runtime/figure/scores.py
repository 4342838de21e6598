"""How well a classifier ranks and how honest its probabilities are: ROC, precision-recall, calibration, scores, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mlspec.runtime.figure.canvas import (
    BLUE,
    DASHES,
    INK,
    MUTED,
    SERIES,
    Drawing,
    Labels,
    axes_in,
    draw,
    name_axes,
    number,
    percent,
    thin,
)  # fmt: skip

WIDTH, HEIGHT = 380, 300
_MOST_CLASSES = 6
_MOST_CELLS = 12
_POINTS = 300

Curves = Mapping[str, Mapping[str, Any]]
"""A curve for each class; a single one under the empty name where there are two classes."""


def roc(curves: Curves, areas: Mapping[str, float | None]) -> Drawing:
    """Draw true positive rate against false positive rate."""

    def paint(figure: Figure, labels: Labels) -> None:
        axes = _unit_square(figure, "false alarms among the negatives", "hits among the positives")
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=DASHES[1])
        axes.annotate("guessing", (0.62, 0.57), rotation=0, fontsize=11, color=MUTED)
        _curves(axes, labels, curves, "fpr", "tpr")

    said = _areas(areas, "area under the curve")
    return Drawing(
        "ROC curve",
        draw("roc", WIDTH, HEIGHT, paint),
        f"ROC curve, {said}. The diagonal is guessing.",
        "Each point is one way to set the threshold. "
        "The closer the curve comes to the top left corner, the better the model ranks.",
        ("class", "false alarms", "hits") if len(curves) > 1 else ("false alarms", "hits"),
        _points(curves, "fpr", "tpr"),
    )


def precision_recall(curves: Curves, areas: Mapping[str, float | None], prevalence: float | None) -> Drawing:
    """Draw precision against recall; `prevalence` is what guessing reaches."""

    def paint(figure: Figure, labels: Labels) -> None:
        axes = _unit_square(figure, "recall: share of positives found", "precision: share of alarms that are right")
        if prevalence is not None:
            axes.axhline(prevalence, color=MUTED, linewidth=1, linestyle=DASHES[1])
            axes.annotate("guessing", (0.03, prevalence + 0.02), fontsize=11, color=MUTED)
        _curves(axes, labels, curves, "recall", "precision")

    said = _areas(areas, "average precision")
    guess = f" Guessing reaches {percent(prevalence)}." if prevalence is not None else ""
    return Drawing(
        "Precision and recall",
        draw("pr", WIDTH, HEIGHT, paint),
        f"Precision against recall, {said}.{guess}",
        "Going right finds more of the positives; going up means fewer false alarms among what is flagged.",
        ("class", "recall", "precision") if len(curves) > 1 else ("recall", "precision"),
        _points(curves, "recall", "precision"),
    )


def calibration(curves: Curves) -> Drawing:
    """Draw how often it happened against how often the model said it would."""

    def paint(figure: Figure, labels: Labels) -> None:
        axes = _unit_square(figure, "probability the model gave", "how often it happened")
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=DASHES[1])
        _curves(axes, labels, curves, "predicted", "observed")
        for place, curve in enumerate(list(curves.values())[:_MOST_CLASSES]):
            most = max(curve["count"], default=1) or 1
            sizes = [12 + 60 * count / most for count in curve["count"]]
            axes.scatter(curve["predicted"], curve["observed"], s=sizes, color=SERIES[place], linewidths=0, zorder=3)

    off = _calibration_error(curves)
    rows = [
        (*((name,) if len(curves) > 1 else ()), number(said), number(seen), number(count))
        for name, curve in curves.items()
        for said, seen, count in zip(curve["predicted"], curve["observed"], curve["count"], strict=True)
    ]
    return Drawing(
        "Calibration",
        draw("calibration", WIDTH, HEIGHT, paint),
        f"Calibration curve: on average a probability is {percent(off)} away from what happened. The diagonal is perfect.",
        "When the model says 70 %, it should happen 7 times in 10. Under the diagonal it claims too much, over it too little. "
        "Larger dots stand for more rows.",
        (*(("class",) if len(curves) > 1 else ()), "probability given", "happened", "rows"),
        tuple(rows),
    )


def score_histogram(
    edges: Sequence[float], counts: Mapping[str, Sequence[int]], threshold: float | None, positive: str
) -> Drawing:
    """Draw how the scores of each actual class are spread, as shares of the class, so that a rare class can be seen."""
    totals = {name: sum(values) or 1 for name, values in counts.items()}

    def paint(figure: Figure, labels: Labels) -> None:
        axes = axes_in(figure, left=50, top=52)
        axes.grid(False, axis="x")
        for place, (name, values) in enumerate(list(counts.items())[:_MOST_CLASSES]):
            shares = [100 * value / totals[name] for value in values]
            label = labels.stand_in(name, 12)
            axes.stairs(shares, edges, color=SERIES[place], linewidth=2, linestyle=DASHES[place], label=label)
            axes.stairs(shares, edges, color=SERIES[place], alpha=0.16, fill=True)
        if threshold is not None:
            axes.axvline(threshold, color=INK, linewidth=1.2)
            axes.annotate(
                "threshold", (threshold, 1), (4, -12), xycoords=("data", "axes fraction"), textcoords="offset points", color=INK
            )
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(bottom=0)
        name_axes(axes, "score the model gave", "% of the class")
        axes.legend(loc="lower right", bbox_to_anchor=(1.02, 1.0), ncols=2, handlelength=1.6, columnspacing=1, fontsize=11)

    rows = tuple(
        (f"{number(low)} to {number(high)}", *(number(values[place]) for values in counts.values()))
        for place, (low, high) in enumerate(pairwise(edges))
    )
    return Drawing(
        "Scores by actual class",
        draw("scores", WIDTH, HEIGHT, paint),
        f"Histogram of the score for {positive}, for each actual class, as a share of the class.",
        "The less the shapes overlap, the better the model tells the classes apart. "
        "Everything right of the threshold is called positive.",
        ("score", *(f"actual {name}" for name in counts)),
        rows,
    )


def confusion(names: Sequence[str], matrix: Sequence[Sequence[int]]) -> Drawing:
    """Draw the counts of actual against predicted classes, shaded by the share of the actual class."""
    size = len(names)
    totals = [sum(row) for row in matrix]
    side = 380

    def paint(figure: Figure, labels: Labels) -> None:
        axes = axes_in(figure, left=96, right=8, top=58, bottom=8)
        axes.grid(False)
        for across in range(size):
            for down in range(size):
                share = matrix[down][across] / totals[down] if totals[down] else 0
                axes.add_patch(Rectangle((across, down), 1, 1, facecolor=BLUE, alpha=0.04 + 0.5 * share, linewidth=0))
                if size <= _MOST_CELLS:
                    _cell(axes, across, down, matrix[down][across], share if totals[down] else None, size)
        axes.set_xlim(0, size)
        axes.set_ylim(size, 0)
        shown = [labels.stand_in(name, 13 if size <= 6 else 8) for name in names[:40]]
        room = 11.5 if size <= 8 else 9 if size <= 16 else 6
        axes.set_yticks([place + 0.5 for place in range(len(shown))], shown, color=INK, fontsize=room)
        across_too = shown if size <= 4 else [labels.stand_in(name, 5) for name in names[:40]]
        axes.set_xticks([place + 0.5 for place in range(len(shown))], across_too, color=INK, fontsize=room)
        axes.xaxis.tick_top()
        for spine in axes.spines.values():
            spine.set_visible(False)
        figure.text((96 + (side - 104) / 2) / side, 0.945, "predicted", ha="center", fontsize=11.5, color=MUTED)
        figure.text(0.0, 0.86, "actual", fontsize=11.5, color=MUTED)

    right = sum(matrix[place][place] for place in range(size))
    rows: list[tuple[str, ...]]
    if size <= _MOST_CELLS:
        head: tuple[str, ...] = ("actual \\ predicted", *names)
        rows = [(name, *(number(count) for count in row)) for name, row in zip(names, matrix, strict=True)]
    else:
        head = ("actual", "predicted as", "rows")
        worst = sorted(
            ((matrix[a][b], a, b) for a in range(size) for b in range(size) if a != b), key=lambda one: (-one[0], one[1:])
        )
        rows = [(names[a], names[b], number(count)) for count, a, b in worst[:30] if count]
    return Drawing(
        "Confusion matrix",
        draw("confusion", side, side - 40, paint),
        f"Confusion matrix of {size} classes: {right:,} of {sum(totals):,} rows are on the diagonal, that is predicted rightly.",
        "A row is what was true, a column what the model said. The diagonal is right; everything else is a mistake of that kind.",
        head,
        tuple(rows),
    )


def _cell(axes: Any, across: int, down: int, count: int, share: float | None, size: int) -> None:
    large = size <= 4
    weight = "bold" if across == down else "normal"
    if large and share is not None:
        axes.text(across + 0.5, down + 0.46, number(count), ha="center", va="center", fontsize=15, fontweight=weight, color=INK)
        axes.text(across + 0.5, down + 0.66, percent(share), ha="center", va="center", fontsize=10.5, color=INK)
    else:
        axes.text(
            across + 0.5,
            down + 0.5,
            number(count),
            ha="center",
            va="center",
            fontsize=11 if size <= 8 else 9,
            fontweight=weight,
            color=INK,
        )


def _unit_square(figure: Figure, x: str, y: str) -> Any:
    axes = axes_in(figure)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(0, 1.02)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    name_axes(axes, x, y)
    return axes


def _curves(axes: Any, labels: Labels, curves: Curves, x: str, y: str) -> None:
    for place, (name, curve) in enumerate(list(curves.items())[:_MOST_CLASSES]):
        label = labels.stand_in(name, 16) if name else None
        axes.plot(thin(curve[x], _POINTS), thin(curve[y], _POINTS), color=SERIES[place], linestyle=DASHES[place], label=label)
    if len(curves) > 1:
        axes.legend(loc="best", fontsize=11, handlelength=2.2)


def _points(curves: Curves, x: str, y: str) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (*((name,) if len(curves) > 1 else ()), number(across), number(up))
        for name, curve in curves.items()
        for across, up in zip(thin(curve[x], 11), thin(curve[y], 11), strict=True)
    )


def _areas(areas: Mapping[str, float | None], what: str) -> str:
    return f"{what} " + ", ".join(f"{number(area)}{f' for {name}' if name else ''}" for name, area in areas.items())


def _calibration_error(curves: Curves) -> float:
    """Return the mean distance of said and seen, weighted by rows (expected calibration error)."""
    gaps = [
        (abs(said - seen) * count, count)
        for curve in curves.values()
        for said, seen, count in zip(curve["predicted"], curve["observed"], curve["count"], strict=True)
    ]
    return float(sum(gap for gap, _ in gaps) / (sum(count for _, count in gaps) or 1))
