"""How differently groups are treated: the rates of each group and the distance between the extremes, as Fairlearn defines it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlspec.runtime.metric import Answers
from mlspec.runtime.slices import Slice

SELECTION, HITS, ALARMS = "selection_rate", "true_positive_rate", "false_positive_rate"
RATES_OF = {
    "demographic_parity": (SELECTION,),
    "equalized_odds": (HITS, ALARMS),
    "equal_opportunity": (HITS,),
}
"""The rates whose distance between groups a metric takes; where there are two, the worse of both distances."""


def rates(answers: Answers) -> dict[str, float | int | None]:
    """Return the rates of one group's rows; None for a rate over no rows."""
    table, yes = answers.confusion, answers.positive
    assert yes is not None
    rows, hits, true, said = int(table.sum()), int(table[yes, yes]), int(table[yes].sum()), int(table[:, yes].sum())
    return {
        "rows": rows,
        SELECTION: said / rows if rows else None,
        HITS: hits / true if true else None,
        ALARMS: (said - hits) / (rows - true) if rows > true else None,
        "accuracy": int(table.trace()) / rows if rows else None,
    }


def unfairness(metric: str, groups: Mapping[str, Mapping[str, Any]]) -> tuple[float | None, str | None]:
    """Return a fairness metric over the rates of groups and None, or None and the reason why it is not a number.

    ``…_difference`` is largest minus smallest rate, ``…_ratio`` smallest over largest (1 where both are 0). A rate that a group
    lacks, because it has no positive or no negative rows, leaves the metric undefined: a gap that nobody measured is not 0.
    """
    kind, _, form = metric.rpartition("_")
    if kind not in RATES_OF or form not in ("difference", "ratio"):
        return None, f"there is no fairness metric {metric!r}"
    if len(groups) < 2:
        return None, "there are fewer than two groups"
    found = []
    for rate in RATES_OF[kind]:
        lacking = sorted(name for name, group in groups.items() if group[rate] is None)
        if lacking:
            rows = "negative" if rate == ALARMS else "positive"
            return None, f"the group {lacking[0]!r} has no {rows} rows, so no {rate.replace('_', ' ')}"
        values = [float(group[rate]) for group in groups.values()]
        found.append(max(values) - min(values) if form == "difference" else min(values) / max(values) if max(values) else 1.0)
    return (max(found) if form == "difference" else min(found)), None


def fairness(answers: Answers, sensitive: str, metric: str, parts: Sequence[Slice]) -> dict[str, Any]:
    """Return {"sensitive", "metric", "value", "reason", "groups"} for the parts that a sensitive column deals the rows to."""
    entry: dict[str, Any] = {"sensitive": sensitive, "metric": metric, "value": None, "groups": {}}
    if answers.positive is None:
        return entry | {"reason": "the rates of groups need a task with two classes"}
    groups = {part.value: rates(answers.take(part.rows)) for part in parts if part.rows.any()}
    value, reason = unfairness(metric, groups)
    return entry | {"value": value, "reason": reason, "groups": groups}
