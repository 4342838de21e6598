"""Classifiers whose scores a second model turns into probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlspec.lowering import cannot, handler
from mlspec.lowering.columns import Columns
from mlspec.lowering.linear import two
from mlspec.tensor.program import Program, Value


def calibrated(columns: Columns, estimator: Any) -> Value:
    """One calibrated model (`ensemble=False`); several classes are calibrated one by one and brought to a sum of 1."""
    if len(estimator.calibrated_classifiers_) != 1:
        raise cannot("a model calibrated by an ensemble is several models", help_text="one that is calibrated on folds only")
    (found,) = estimator.calibrated_classifiers_
    program, scores = columns.program, handler(found.estimator)(columns, found.estimator)
    made = [_probability(program, program.columns(scores, [place]), one) for place, one in enumerate(found.calibrators)]
    if len(made) == 1:
        return two(program, made[0])
    each = program.concat(made)
    total = program.add("sum", each)
    nothing = program.add("equal", total, program.row([0.0]))
    share = program.add("div", each, program.add("where", nothing, program.row([1.0]), total))
    return program.add("where", nothing, program.row(np.full(len(made), 1 / len(made))), share)


def _probability(program: Program, score: Value, one: Any) -> Value:
    if type(one).__name__ == "_SigmoidCalibration":
        return program.add("sigmoid", program.dense(score, [[-one.a_]], [-one.b_]))
    xs, ys = np.asarray(one.X_thresholds_, dtype=float), np.asarray(one.y_thresholds_, dtype=float)
    if len(xs) < 2:
        return program.add("add", program.add("mul", score, program.row([0.0])), program.row([ys[0]]))
    # a line from each threshold to the next: how much of each step lies below the score, times its slope
    rises = np.diff(xs) > 0
    low, high, slopes = xs[:-1][rises], xs[1:][rises], (np.diff(ys)[rises] / np.diff(xs)[rises])
    repeated = program.columns(score, [0] * len(low))
    inside = program.add("max", program.add("min", repeated, program.row(high)), program.row(low))
    return program.dense(program.affine(inside, low, 1.0), [slopes], [ys[0]])


ESTIMATORS = {"CalibratedClassifierCV": calibrated}
