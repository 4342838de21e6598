"""What the figures of a report are drawn from: curves, counts and quantiles of the test rows, thinned to what an eye can see."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn import metrics as sk

from mlspec.runtime.artifact import finite
from mlspec.runtime.metric import Answers

Array = NDArray[Any]
_POINTS = 400  # of a curve
_DOTS = 2000  # of a scatter plot
_CLASSES = 20  # with a curve of their own, the most frequent first
_BINS = 20
_BUCKETS = 10  # of a calibration curve
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def curves(answers: Answers, time: pl.Series | None = None) -> dict[str, Any]:
    """Return the curves of a classifier or a regressor; `time` orders a regressor's rows."""
    return _of_classes(answers) if answers.labels else _of_numbers(answers, time)


def _of_classes(answers: Answers) -> dict[str, Any]:
    found: dict[str, Any] = {"confusion": {"labels": list(answers.labels), "matrix": answers.confusion.tolist()}}
    if answers.proba is None or not len(answers) or not np.isfinite(answers.proba).all():
        return found
    if answers.positive is not None:
        return found | _against_rest(answers, answers.positive) | {"score_histogram": _score_histogram(answers)}
    frequent = np.argsort(-answers.confusion.sum(axis=1)[: answers.known], kind="stable")[:_CLASSES]
    return found | {"classes": {answers.labels[label]: _against_rest(answers, label) for label in sorted(map(int, frequent))}}


def _against_rest(answers: Answers, label: int) -> dict[str, Any]:
    """Return ROC, precision-recall and calibration of one class against the others; without both, the ranks have no curve."""
    assert answers.proba is not None
    positive, score = answers.truth == label, answers.proba[:, label]
    found: dict[str, Any] = {"calibration": _calibration(positive, score)}
    if 0 < positive.sum() < len(positive):
        false_alarms, hits, thresholds = sk.roc_curve(positive, score)
        found["roc"] = {"fpr": _thin(false_alarms), "tpr": _thin(hits), "area": float(sk.auc(false_alarms, hits))}
        # scikit-learn starts the curve at an infinite threshold, which JSON cannot say.
        found["roc"]["thresholds"] = [finite(threshold) for threshold in _thin(thresholds)]
        precision, recall, _ = sk.precision_recall_curve(positive, score)
        area = float(sk.average_precision_score(positive, score))
        found["pr"] = {"recall": _thin(recall[::-1]), "precision": _thin(precision[::-1]), "area": area}
    return found


def _calibration(positive: Array, score: Array) -> dict[str, Any]:
    """Mean probability and share of positives in ten ranges of the probability, of equal width; empty ones are left out."""
    bucket = np.minimum((score * _BUCKETS).astype(int), _BUCKETS - 1)
    count = np.bincount(bucket, minlength=_BUCKETS)
    filled = count > 0
    said = np.bincount(bucket, weights=score, minlength=_BUCKETS)[filled] / count[filled]
    seen = np.bincount(bucket, weights=positive, minlength=_BUCKETS)[filled] / count[filled]
    return {"predicted": said.tolist(), "observed": seen.tolist(), "count": count[filled].tolist()}


def _score_histogram(answers: Answers) -> dict[str, Any]:
    edges = np.linspace(0, 1, _BINS + 1)
    counts = {
        label: np.histogram(answers.score[answers.truth == place], edges)[0].tolist()
        for place, label in enumerate(answers.labels)
    }
    return {"edges": edges.tolist(), "counts": counts}


def _of_numbers(answers: Answers, time: pl.Series | None) -> dict[str, Any]:
    """Residuals are actual minus predicted."""
    if not len(answers) or not np.isfinite(answers.guess).all():
        return {
            "predicted_actual": {"predicted": [], "actual": []},
            "residuals": None,
            "residual_quantiles": {},
            "over_time": None,
        }
    left = answers.truth - answers.guess
    order = np.lexsort((answers.guess, answers.truth))
    order = order[_places(len(order), _DOTS)]
    counts, edges = np.histogram(left, _BINS)
    return {
        "predicted_actual": {"predicted": answers.guess[order].tolist(), "actual": answers.truth[order].tolist()},
        "residuals": {"edges": edges.tolist(), "counts": counts.tolist()},
        "residual_quantiles": {
            f"{share:g}": float(value) for share, value in zip(_QUANTILES, np.quantile(left, _QUANTILES), strict=True)
        },
        "over_time": _over_time(answers, time),
    }


def _over_time(answers: Answers, time: pl.Series | None) -> dict[str, Any] | None:
    """Mean actual and predicted value at each moment, in order; a sample of the moments where they are very many."""
    if time is None or not time.dtype.is_temporal() or time.dtype in (pl.Time, pl.Duration):
        return None
    rows = pl.DataFrame({"time": time, "actual": answers.truth, "predicted": answers.guess}).drop_nulls("time")
    means = rows.group_by("time").agg(pl.col("actual").mean(), pl.col("predicted").mean()).sort("time")
    kept = means[_places(len(means), _DOTS).tolist()]
    return {
        "time": [moment.isoformat() for moment in kept["time"]],
        "actual": kept["actual"].to_list(),
        "predicted": kept["predicted"].to_list(),
    }


def _thin(values: Array) -> list[float]:
    return [float(value) for value in values[_places(len(values), _POINTS)]]


def _places(total: int, most: int) -> Array:
    """Return at most `most` evenly spread positions, first and last included."""
    return np.arange(total) if total <= most else np.linspace(0, total - 1, most).round().astype(int)
