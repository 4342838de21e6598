"""Confidence intervals for every metric of the catalogue at a cost that grows with the rows, not with resamples of them.

Wilson (scipy.stats) where a metric is a share of rows: accuracy; with two classes precision, recall, specificity, and F1, which
is 2J/(1+J) of the share J = TP/(TP+FP+FN). Balanced accuracy and macro recall join the Wilson intervals of the classes' recalls
(MOVER). DeLong for ROC AUC. An order statistic (scipy.stats) for the median absolute error.
Everything else, and every metric where rows come in groups, by linearisation (the delta method, or infinitesimal jackknife): the
derivative of the metric with respect to the weight of each row gives the variance, summed within groups, and a transform keeps
the interval inside the metric's range (Student's t on the logit, Fisher z or log scale). No draw of random numbers, so the order
of rows does not matter, and a million rows cost what sorting them costs. Bootstrap only for the user's own metrics.
Sources: Wilson 1927; Zou & Donner 2008 (MOVER); DeLong 1988; Efron 1981 (infinitesimal jackknife); Liang & Zeger 1986 (groups).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mlspec.runtime.artifact import finite
from mlspec.runtime.metric import Answers

Array = NDArray[Any]
_REPLICATES = 200
_NO_ERROR = 1e-14
_MOST_ROWS_TO_RESAMPLE = 100_000


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the metric may truly lie; None for both ends where the rows do not tell."""

    low: float | None
    high: float | None
    method: str


NONE = Interval(None, None, "none")


def interval(name: str, answers: Answers, value: float, confidence: float = 0.95, groups: Array | None = None) -> Interval:
    """Return the two-sided interval of a metric that is `value` on these rows; `groups` names each row's group by an integer.

    The interval always contains `value`. `max_error` has none: the largest error of a sample says nothing of the next.
    """
    if name == "max_error":
        return NONE
    if name == "median_absolute_error":
        return _median(answers, confidence) if groups is None else NONE
    share = None if groups is not None else _share(name, answers)
    if share is not None:
        right, total = share
        low, high = wilson(right, total, confidence)
        if name == "f1":
            low, high = 2 * low / (1 + low), 2 * high / (1 + high)
        return _around(value, low, high, "wilson")
    if groups is None and (name == "balanced_accuracy" or (name == "recall" and answers.positive is None)):
        return _mean_of_recalls(name, answers, value, confidence)
    return _linear(name, answers, value, confidence, groups)


def wilson(count: int, total: int, confidence: float) -> tuple[float, float]:
    """Return Wilson's score interval of `count` out of `total` > 0."""
    found = stats.binomtest(count, total).proportion_ci(confidence_level=confidence, method="wilson")
    return float(found.low), float(found.high)


def _around(value: float, low: float, high: float, method: str) -> Interval:
    """Build an interval; rounding must not leave the value outside of it."""
    if finite(low) is None or finite(high) is None:
        return Interval(None, None, "none")
    return Interval(min(float(low), value), max(float(high), value), method)


def _share(name: str, answers: Answers) -> tuple[int, int] | None:
    """Return (count, total) of a metric that is a share of rows, or one-to-one with such a share."""
    if name not in ("accuracy", "precision", "recall", "specificity", "f1"):
        return None
    table = answers.confusion
    if name == "accuracy":
        return int(np.trace(table)), int(table.sum())
    if answers.positive is None:
        return None
    yes = answers.positive
    hits, true, said, total = int(table[yes, yes]), int(table[yes].sum()), int(table[:, yes].sum()), int(table.sum())
    return {
        "precision": (hits, said),
        "recall": (hits, true),
        "specificity": (total - true - said + hits, total - true),
        "f1": (hits, true + said - hits),
    }[name]


def _mean_of_recalls(name: str, answers: Answers, value: float, confidence: float) -> Interval:
    """Join the intervals of independent shares into that of their mean: the distances to the ends add up in squares."""
    table = answers.confusion
    true = table.sum(axis=1)
    present = np.flatnonzero(true)
    classes = len(present) if name == "balanced_accuracy" else int((true + table.sum(axis=0) > 0).sum())
    ends = [wilson(int(table[label, label]), int(true[label]), confidence) for label in present]
    shares = [table[label, label] / true[label] for label in present]
    down = math.hypot(*(share - low for share, (low, _) in zip(shares, ends, strict=True))) / classes
    up = math.hypot(*(high - share for share, (_, high) in zip(shares, ends, strict=True))) / classes
    return _around(value, max(value - down, 0.0), min(value + up, 1.0), "mover")


def _median(answers: Answers, confidence: float) -> Interval:
    errors = np.abs(answers.truth - answers.guess)
    found = stats.quantile_test(errors, p=0.5).confidence_interval(confidence_level=confidence)
    return _around(float(np.median(errors)), float(found.low), float(found.high), "order statistics")


def _linear(name: str, answers: Answers, value: float, confidence: float, groups: Array | None) -> Interval:
    per_row = influence(name, answers, value)
    per_unit = per_row if groups is None else np.bincount(groups, weights=per_row)[np.unique(groups)]
    units = len(per_unit)
    if units < 2:
        return NONE
    error = math.sqrt(float(per_unit @ per_unit) * units / (units - 1))
    scale = _SCALES[name]
    if scale.at_edge(value):
        return _perfect(name, answers, value, confidence, groups)
    if error < _NO_ERROR and name != "roc_auc":
        return NONE  # such as kappa where every prediction is the same: not certain, only out of reach of a linear variance
    reach = float(stats.t.ppf((1 + confidence) / 2, units - 1)) * error * scale.slope(value)
    middle = scale.to(value)
    with np.errstate(over="ignore"):
        ends = sorted((float(scale.back(middle - reach)), float(scale.back(middle + reach))))
    return _around(value, ends[0], ends[1], "delong" if name == "roc_auc" and groups is None else "linearisation")


def _perfect(name: str, answers: Answers, value: float, confidence: float, groups: Array | None) -> Interval:
    """At the edge of its range a metric's linear variance is zero, which no one should take for certainty.

    For a metric between 0 and 1, Wilson's interval as if it were a share of the rows (or groups) of the scarcest class: no
    less than the doubt that remains. For the others nothing is claimed.
    """
    if _SCALES[name] is not _LOGIT:
        return NONE
    present = np.unique(answers.truth)
    units = np.arange(len(answers)) if groups is None else groups
    total = min(len(np.unique(units[answers.truth == label])) for label in present)
    low, high = wilson(total if value >= 0.5 else 0, total, confidence)
    return _around(value, low, high, "wilson")


@dataclass(frozen=True, slots=True)
class _Scale:
    """A scale on which the metric has no edges, its slope there, and the way back."""

    to: Callable[[float], float]
    slope: Callable[[float], float]
    back: Callable[[float], float]
    edges: tuple[float, ...]

    def at_edge(self, value: float) -> bool:
        return any(abs(value - edge) < 1e-12 for edge in self.edges)


_LOGIT = _Scale(lambda x: math.log(x / (1 - x)), lambda x: 1 / (x * (1 - x)), lambda z: 1 / (1 + np.exp(-z)), (0.0, 1.0))
_FISHER = _Scale(math.atanh, lambda x: 1 / (1 - x * x), math.tanh, (-1.0, 1.0))
_LOG = _Scale(math.log, lambda x: 1 / x, np.exp, (0.0,))
_LOG_OF_REST = _Scale(lambda x: math.log(1 - x), lambda x: 1 / (1 - x), lambda z: 1 - np.exp(z), (1.0,))
_SCALES = {
    **dict.fromkeys(("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1"), _LOGIT),
    **dict.fromkeys(("roc_auc", "average_precision"), _LOGIT),
    **dict.fromkeys(("matthews_corrcoef", "cohen_kappa"), _FISHER),
    **dict.fromkeys(("log_loss", "brier_score", "rmse", "mse", "mae", "mape"), _LOG),
    **dict.fromkeys(("r2", "explained_variance"), _LOG_OF_REST),
}


def influence(name: str, answers: Answers, value: float) -> Array:
    """Return for each row the derivative of the metric with respect to that row's weight, at weight 1; they sum to 0."""
    if name in _GRADIENTS:
        gradient = _GRADIENTS[name](answers.confusion.astype(float), answers.positive)
        return np.asarray(gradient[answers.truth, answers.guess])
    if name in _RANKED:
        if answers.positive is not None:
            return np.asarray(_RANKED[name](answers.truth == answers.positive, answers.score))
        assert answers.proba is not None
        each = [_RANKED[name](answers.truth == label, answers.proba[:, label]) for label in range(answers.known)]
        return np.asarray(np.mean(each, axis=0))
    if name in ("r2", "explained_variance"):
        return _of_variance(answers, value, centred=name == "explained_variance")
    losses = _losses(name, answers)
    slope = 1 / (2 * value) if name == "rmse" and value else 1.0
    return np.asarray((losses - losses.mean()) / len(losses) * slope)


def _losses(name: str, answers: Answers) -> Array:
    """Return the loss of each row, of which the metric (for rmse: its square) is the mean."""
    if answers.proba is not None:
        if name == "log_loss":
            chosen = answers.proba[np.arange(len(answers)), answers.truth]
            return np.asarray(-np.log(np.clip(chosen, np.finfo(float).eps, 1)))
        if answers.positive is not None:
            return np.asarray((answers.score - (answers.truth == answers.positive)) ** 2)
        return np.asarray(((answers.proba - np.eye(answers.known)[answers.truth]) ** 2).sum(axis=1))
    errors = np.abs(answers.truth - answers.guess)
    if name == "mape":
        return np.asarray(errors / np.abs(answers.truth))
    return np.asarray(errors if name == "mae" else errors**2)


def _of_variance(answers: Answers, value: float, centred: bool) -> Array:
    errors = answers.truth - answers.guess
    errors = errors - errors.mean() if centred else errors
    spread = (answers.truth - answers.truth.mean()) ** 2
    return np.asarray(-(errors**2 - (1 - value) * spread) / spread.sum())


def _auc_influence(positive: Array, score: Array) -> Array:
    """DeLong's structural components: for each row the share of the other class that it is ranked rightly against."""
    place, hits, misses = _ranked(positive, score)
    below = np.cumsum(misses) - misses / 2
    above = hits.sum() - np.cumsum(hits) + hits / 2
    right = np.where(positive, below[place] / misses.sum(), above[place] / hits.sum())
    area = right[positive].mean()
    return np.asarray((right - area) / np.where(positive, hits.sum(), misses.sum()))


def _precision_influence(positive: Array, score: Array) -> Array:
    """The derivative of AP = sum of d(k) TP(k) / N(k) / P over thresholds k, where d = new hits, N = rows at or above k."""
    place, hits, misses = _ranked(positive, score)
    new = hits[::-1]
    found, called = np.cumsum(new), np.cumsum(new + misses[::-1])
    area = float((new * found / called).sum() / found[-1])
    gain = np.cumsum((new / called)[::-1])[::-1]
    loss = np.cumsum((new * found / called**2)[::-1])[::-1]
    where = len(new) - 1 - place
    return np.asarray((positive * ((found / called)[where] - area + gain[where]) - loss[where]) / found[-1])


def _ranked(positive: Array, score: Array) -> tuple[Array, Array, Array]:
    """Return each row's place among the distinct scores, and the positives and negatives at each of them, ascending."""
    _, place = np.unique(score, return_inverse=True)
    hits = np.bincount(place, weights=positive)
    return place, hits, np.bincount(place) - hits


_RANKED: dict[str, Callable[[Array, Array], Array]] = {"roc_auc": _auc_influence, "average_precision": _precision_influence}


# The derivatives of metrics with respect to the counts of the confusion matrix (truth x guess). A metric of one class against
# the rest is weighed over the classes: all on the positive one, or evenly on those that occur. tests/runtime/test_interval.py
# compares each with the differences that scikit-learn shows when a count moves.


def _weights(table: Array, positive: int | None) -> Array:
    if positive is not None:
        return np.asarray(np.eye(len(table))[positive])
    occurs = table.sum(axis=0) + table.sum(axis=1) > 0
    return np.asarray(occurs / occurs.sum())


def _divide(top: Array, bottom: Array) -> Array:
    """Divide, 0 by 0 being 0: a class without rows moves nothing."""
    return np.asarray(np.divide(top, bottom, out=np.zeros(len(bottom)), where=bottom > 0))


def _accuracy(table: Array, positive: int | None) -> Array:
    return np.asarray((np.eye(len(table)) - np.trace(table) / table.sum()) / table.sum())


def _recalls(table: Array, weights: Array) -> Array:
    total = table.sum(axis=1)
    return np.asarray((np.eye(len(table)) - _divide(np.diag(table), total)[:, None]) * _divide(weights, total)[:, None])


def _recall(table: Array, positive: int | None) -> Array:
    return _recalls(table, _weights(table, positive))


def _precision(table: Array, positive: int | None) -> Array:
    return np.asarray(_recalls(table.T, _weights(table, positive)).T)


def _specificity(table: Array, positive: int | None) -> Array:
    true, said, total = table.sum(axis=1), table.sum(axis=0), table.sum()
    quiet = _divide(total - true - said + np.diag(table), total - true)
    per_row = _divide(_weights(table, positive), total - true)
    rest = per_row * (1 - quiet)
    return np.asarray(rest.sum() - rest[:, None] - per_row[None, :] + np.diag(per_row))


def _f1(table: Array, positive: int | None) -> Array:
    both = table.sum(axis=1) + table.sum(axis=0)
    per_row = _divide(_weights(table, positive), both)
    part = per_row * _divide(2 * np.diag(table), both)
    return np.asarray(2 * np.diag(per_row) - part[:, None] - part[None, :])


def _balanced(table: Array, positive: int | None) -> Array:
    present = table.sum(axis=1) > 0
    return _recalls(table, present / present.sum())


def _kappa(table: Array, positive: int | None) -> Array:
    total, true, said = table.sum(), table.sum(axis=1), table.sum(axis=0)
    seen, chance = np.trace(table) / total, true @ said / total**2
    d_seen = (np.eye(len(table)) - seen) / total
    d_chance = (said[:, None] + true[None, :]) / total**2 - 2 * chance / total
    return np.asarray(d_seen / (1 - chance) - (1 - seen) / (1 - chance) ** 2 * d_chance)


def _matthews(table: Array, positive: int | None) -> Array:
    total, true, said = table.sum(), table.sum(axis=1), table.sum(axis=0)
    top = np.trace(table) * total - true @ said
    left, right = total**2 - true @ true, total**2 - said @ said
    if left * right == 0:
        return np.zeros_like(table)  # a constant prediction: 0 whatever the rows
    d_top = np.eye(len(table)) * total + np.trace(table) - said[:, None] - true[None, :]
    d_log = (total - true[:, None]) / left + (total - said[None, :]) / right
    return np.asarray((d_top - top * d_log) / math.sqrt(left * right))


_GRADIENTS: dict[str, Callable[[Array, int | None], Array]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    "precision": _precision,
    "recall": _recall,
    "specificity": _specificity,
    "f1": _f1,
    "matthews_corrcoef": _matthews,
    "cohen_kappa": _kappa,
}


def bootstrap(
    statistic: Callable[[Array], float | None], rows: int, value: float, confidence: float, seed: int, groups: Array | None = None
) -> Interval:
    """Return the percentile interval of a statistic of row positions over 200 resamples of the rows, or of whole groups.

    Nothing is claimed where a resample has no number, where all resamples agree, or above 100,000 rows, where 200 calls of
    code that we do not know could take hours.
    """
    units = rows if groups is None else len(np.unique(groups))
    if units < 2 or rows > _MOST_ROWS_TO_RESAMPLE:
        return NONE
    members = None if groups is None else [np.flatnonzero(groups == group) for group in np.unique(groups)]
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(_REPLICATES):
        picked = draw.integers(0, units, units)
        number = statistic(picked if members is None else np.concatenate([members[unit] for unit in picked]))
        if number is None:
            return NONE
        found.append(number)
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return NONE if low == high else _around(value, float(low), float(high), "bootstrap")
