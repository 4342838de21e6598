"""Naive Bayes: a logarithm of a probability for each class, which softmax brings to a sum of 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlspec.lowering.columns import Columns
from mlspec.tensor.program import Value


def gaussian(columns: Columns, estimator: Any) -> Value:
    """Distances are measured from each class's mean in units of its deviation before they are squared: that keeps digits."""
    program, x = columns.program, columns.features
    classes, features = estimator.theta_.shape
    each = program.columns(x, np.tile(np.arange(features), classes))
    distance = program.affine(each, estimator.theta_.reshape(-1), 1 / np.sqrt(2 * estimator.var_.reshape(-1)))
    squares = program.add("mul", distance, distance)
    summed = np.kron(np.eye(classes), -np.ones((1, features)))
    prior = np.log(estimator.class_prior_) - 0.5 * np.log(2 * np.pi * estimator.var_).sum(axis=1)
    return program.add("softmax", program.dense(squares, summed, prior))


def multinomial(columns: Columns, estimator: Any) -> Value:
    """Counts times the logarithms of the shares of features."""
    return columns.program.add(
        "softmax", columns.program.dense(columns.features, estimator.feature_log_prob_, estimator.class_log_prior_)
    )


def complement(columns: Columns, estimator: Any) -> Value:
    """As multinomial; the shares are those of all other classes, and frequent classes have no advantage."""
    prior = estimator.class_log_prior_ if len(estimator.classes_) == 1 else 0.0
    return columns.program.add("softmax", columns.program.dense(columns.features, estimator.feature_log_prob_, prior))


def bernoulli(columns: Columns, estimator: Any) -> Value:
    """Ones count with the logarithm of their share, zeros with that of the rest."""
    program, x = columns.program, columns.features
    if estimator.binarize is not None:
        x = program.number(program.add("greater", x, program.row([estimator.binarize])))
    without = np.log(1 - np.exp(estimator.feature_log_prob_))
    prior = estimator.class_log_prior_ + without.sum(axis=1)
    return program.add("softmax", program.dense(x, estimator.feature_log_prob_ - without, prior))


ESTIMATORS = {"GaussianNB": gaussian, "MultinomialNB": multinomial, "ComplementNB": complement, "BernoulliNB": bernoulli}
