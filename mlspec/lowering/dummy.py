"""What always says the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlspec.lowering import cannot
from mlspec.lowering.columns import Columns
from mlspec.tensor.program import Value


def always(columns: Columns, estimator: Any) -> Value:
    """The same answer to every row, however it is found."""
    if getattr(estimator, "strategy", "") in ("stratified", "uniform"):
        raise cannot(f"`strategy: {estimator.strategy}` draws its answers", ("model", "params", "strategy"))
    row = np.zeros((1, max(1, len(columns.featurizer.feature_names_))))
    said = estimator.predict_proba(row) if hasattr(estimator, "predict_proba") else estimator.predict(row).reshape(1, -1)
    x = columns.program.columns(columns.program.input, [0])
    known = columns.program.add("where", columns.program.missing(x), columns.program.row([0.0]), x)
    nothing = columns.program.add("mul", known, columns.program.row([0.0]))
    return columns.program.add("add", nothing, columns.program.row(said))


ESTIMATORS = {"DummyClassifier": always, "DummyRegressor": always}
