"""Fit the model on the training features and join it to the transformer that makes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from mlspec import families
from mlspec.runtime import fitting, pickled, teaching
from mlspec.runtime.hyperparameters import settled
from mlspec.runtime.labels import target


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `model` (joblib): a scikit-learn pipeline of the steps "features" and "model" that takes raw rows.

    A classifier's `classes_` are the labels as text, sorted; `predict_proba` has its columns in that order. What a search
    has chosen (`chosen`) is laid over the model's parameters. With a `teacher` the model learns from what that says of the raw
    training rows (`train`), too.
    """
    params = settled(inputs, params)
    task = params["task"]
    family = families.load(params["model"], task["kind"])
    featurizer = pickled.read(inputs["transformer"])
    table = pl.read_parquet(inputs["features"])
    features = table.select(featurizer.feature_names_).to_numpy(order="c")
    truth = target(table, task)
    lessons = teaching.lessons(inputs, task, truth) if "teacher" in inputs else None
    model = fitting.fit(family, task, int(params["seed"]), featurizer, features, truth, params, lessons)
    pickled.write(outputs["model"], model)
    return {"family": family.kind, "rows": table.height, **fitting.facts(model, task)}
