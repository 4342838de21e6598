"""scikit-learn's fully connected networks."""

from __future__ import annotations

from typing import Any

from mlspec.lowering import cannot
from mlspec.lowering.columns import Columns
from mlspec.lowering.linear import probabilities
from mlspec.tensor.program import Value

HIDDEN = {"identity": None, "relu": None, "tanh": "tanh", "logistic": "sigmoid"}
OUTPUT = {"identity": None, "exp": "exp"}


def mlp(columns: Columns, estimator: Any) -> Value:
    """Layer after layer; the last has its own activation."""
    program, value = columns.program, columns.features
    last = len(estimator.coefs_) - 1
    for layer, (weights, bias) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
        relu = layer < last and estimator.activation == "relu"
        value = program.dense(value, weights.T, bias, "relu" if relu else None)
        operation = HIDDEN[estimator.activation] if layer < last else None
        value = program.add(operation, value) if operation else value
    if estimator.out_activation_ in ("softmax", "logistic"):
        return probabilities(program, value)
    if estimator.out_activation_ not in OUTPUT:
        raise cannot(f"the output activation {estimator.out_activation_} has no form in tensor operations")
    operation = OUTPUT[estimator.out_activation_]
    return program.add(operation, value) if operation else value


ESTIMATORS = {"MLPClassifier": mlp, "MLPRegressor": mlp}
