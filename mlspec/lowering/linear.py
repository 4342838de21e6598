"""Linear models."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlspec.lowering.columns import Columns
from mlspec.tensor.program import Program, Value


def two(program: Program, positive: Value) -> Value:
    """The probabilities of both classes, from that of the second."""
    return program.concat([program.add("sub", program.row([1.0]), positive), positive])


def probabilities(program: Program, margins: Value) -> Value:
    """What margins (log-odds) mean: one is that of the second of two classes, several are those of as many classes."""
    return two(program, program.add("sigmoid", margins)) if margins.width == 1 else program.add("softmax", margins)


def margins(columns: Columns, estimator: Any) -> Value:
    """`coef_` and `intercept_` applied to the features."""
    return columns.program.dense(columns.features, np.atleast_2d(estimator.coef_), np.atleast_1d(estimator.intercept_))


def logistic(columns: Columns, estimator: Any) -> Value:
    """The margins, as probabilities."""
    return probabilities(columns.program, margins(columns, estimator))


ESTIMATORS = {"LogisticRegression": logistic, "LinearRegression": margins, "Ridge": margins, "RidgeClassifier": margins}
