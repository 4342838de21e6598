"""Fit an estimator so that the same rows give the same bytes, on any number of cores."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import threadpoolctl
from sklearn.pipeline import Pipeline

from mlspec.diagnostic import Finding, Problem
from mlspec.entrypoint import blame
from mlspec.families import CLASSIFICATION, Family
from mlspec.runtime import checkpoints
from mlspec.runtime.featurizer import Featurizer

Matrix = np.ndarray[Any, Any]

_lock = threading.Lock()
_users = 0
_limits: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread: how it splits a sum over threads decides the last bits of a linear model.

    The limit is the process's, so that it stays until the last of several fits at the same time has ended.
    """
    global _users, _limits
    with _lock:
        _users += 1
        if _users == 1:
            _take_control()
            _limits = threadpoolctl.threadpool_limits(1, user_api="blas")
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _take_control()
                _limits.restore_original_limits()


def _take_control() -> None:
    """Let this thread set the limit: threadpoolctl, from 3.8 on, lets only the first thread that ever did, and ignores others."""
    openblas: Any = getattr(threadpoolctl, "OpenBLASController", None)
    if hasattr(openblas, "clear_controlling_thread"):
        openblas.clear_controlling_thread(force=True)


def fit(
    family: Family,
    task: Mapping[str, Any],
    seed: int,
    featurizer: Featurizer,
    features: Matrix,
    target: Matrix,
    params: Mapping[str, Any] | None = None,
    lessons: Matrix | None = None,
) -> Pipeline:
    """Fit a family's estimator on features; return the scikit-learn pipeline from raw rows to predictions.

    `params` are those of the step: `training`, what the spec's section of that name says to families that are trained in rounds
    of ours, and `checkpoints`, a place for states to go on from after a break, which are gone once all is learned. `lessons` are
    what a teacher says of the rows.
    Raises Problem where the family and the data do not go together.
    """
    if task["kind"] == CLASSIFICATION and np.unique(target).size < 2:
        message = f"all training rows are of the class {str(target[0])!r}"
        raise Problem(Finding("one-class", message, ("task", "target"), help="a model of one class has nothing to tell apart"))
    estimator = family.estimator(task["kind"], seed)
    if family.needs().categories == "codes":
        estimator.set_params(categorical_features=featurizer.codes_ or None)
    family.inform(estimator, featurizer)
    states = checkpoints.opened(family, params or {}, features, target, *(() if lessons is None else (lessons,)))
    family.instruct(estimator, (params or {}).get("training") or {}, states)
    if lessons is not None:
        estimator.lessons = lessons
    with one_blas_thread():
        _fit(family, estimator, features, target)
    family.settle(estimator)
    if states is not None:
        states.clear()
    _check_neighbours(estimator, len(features))
    return Pipeline([("features", featurizer), ("model", estimator)])


def _fit(family: Family, estimator: Any, features: Matrix, target: Matrix) -> None:
    if family.own:
        with blame(getattr(family, "entrypoint", family.kind)):
            estimator.fit(features, target)
        return
    try:
        estimator.fit(features, target)
    except ValueError as error:
        message = f"{family.kind} cannot be fitted to {features.shape[0]} rows of {features.shape[1]} features: {error}"
        raise Problem(Finding("cannot-fit", message, ("model",))) from error


def _check_neighbours(estimator: Any, rows: int) -> None:
    wanted = getattr(estimator, "n_neighbors", None)
    if isinstance(wanted, int) and wanted > rows:
        message = f"{wanted} neighbours are asked for and there are {rows} training rows"
        raise Problem(Finding("too-few-rows", message, ("model", "params", "n_neighbors")))


def facts(pipeline: Pipeline, task: Mapping[str, Any]) -> dict[str, Any]:
    """Say what was fitted: features, classes, and whether an iterative method stopped because it was done."""
    featurizer, estimator = pipeline.named_steps["features"], pipeline.named_steps["model"]
    told: dict[str, Any] = {"features": len(featurizer.feature_names_), "estimator": type(estimator).__name__}
    if task["kind"] == CLASSIFICATION:
        told["classes"] = len(estimator.classes_)
    if pruned := getattr(estimator, "pruned_", None):
        told |= {name: pruned[name] for name in ("weights_before", "weights_after", "zeros")}
    limit = getattr(estimator, "max_iter", None) or getattr(estimator, "n_estimators", None)  # as the library calls its rounds
    iterations = getattr(estimator, "n_iter_", None)
    if iterations is not None and isinstance(limit, int) and limit > 0:
        most = int(np.max(iterations))
        told["iterations"] = most
        if hasattr(estimator, "coef_") or hasattr(estimator, "coefs_"):  # boosting does all its rounds by design
            told["converged"] = most < limit
    return told
