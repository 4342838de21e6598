"""Fit the feature transforms on the training rows and apply them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from mlspec import families
from mlspec.families import Needs
from mlspec.runtime import pickled
from mlspec.runtime.featurizer import Featurizer
from mlspec.runtime.fitting import one_blas_thread
from mlspec.runtime.hyperparameters import settled
from mlspec.runtime.labels import target

MOST_NAMED = 50


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write the fitted `transformer` (joblib) and the `features` of the training rows (Parquet: float64 columns and the target).

    `model` among the parameters says what the features are for; without it they suit any family: numbers without gaps. What a
    search has chosen (`chosen`) is laid over its parameters.
    """
    params = settled(inputs, params)
    rows = pl.read_parquet(inputs["train"])
    task = params["task"]
    featurizer = unfitted(params)
    answers = target(rows, task)
    with one_blas_thread():
        features = featurizer.fit_transform(rows, answers)
    pickled.write(outputs["transformer"], featurizer)
    table = pl.from_numpy(features, schema=featurizer.feature_names_)
    table.with_columns(pl.Series(_target_name(task, featurizer), answers)).write_parquet(outputs["features"])
    return {"rows": rows.height, "columns": len(featurizer.fields_), "features": features.shape[1], **_told(featurizer)}


def unfitted(params: Mapping[str, Any]) -> Featurizer:
    """Return the unfitted transformer that a step's parameters describe.

    They go through JSON first: a parameter that came as text from an orchestrator and one that never left the process are then
    the same objects to pickle, and the artifact has the same bytes.
    """
    model, task = params.get("model"), params["task"]
    needs = families.load(model, task["kind"]).needs() if model else Needs()
    kept = {"transforms": params["transforms"], "columns": params["columns"], "task": task, "needs": asdict(needs)}
    return Featurizer(**json.loads(json.dumps(kept, sort_keys=True)), seed=int(params["seed"]))


def _told(featurizer: Featurizer) -> dict[str, Any]:
    """Name what nobody wrote: transforms that were added, and columns that were left out."""
    added = [f"{step.kind}{_way(step.how)}: {_few(step.takes)}" for step in featurizer.steps_ if step.added]
    left_out = [f"{name} ({reason})" for name, reason in featurizer.left_out_.items()]
    return {"added": "; ".join(added) or "nothing", "left_out": "; ".join(left_out) or "nothing"}


def _way(how: Mapping[str, Any]) -> str:
    return f" ({how['with']})" if "with" in how else ""


def _few(names: Sequence[str]) -> str:
    """Name columns; of more than fifty, as arrays give, the first and the last."""
    return ", ".join(names) if len(names) <= MOST_NAMED else f"{names[0]} … {names[-1]} ({len(names)})"


def _target_name(task: Mapping[str, Any], featurizer: Featurizer) -> str:
    """The target's own name; no feature can have it unless a transform made one, which is refused."""
    name = str(task["target"])
    if name in featurizer.feature_names_:
        from mlspec.diagnostic import Finding, Problem

        raise Problem(
            Finding("duplicate-feature", f"a transform made a feature called {name!r}, which is the target", ("features",))
        )
    return name
