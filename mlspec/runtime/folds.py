"""Folds of the training rows, dealt as the split deals rows: by class, by group, or in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from mlspec.diagnostic import Finding, Problem

Rows = np.ndarray[Any, Any]


def folds(frame: pl.DataFrame, target: Rows, params: Mapping[str, Any]) -> tuple[str, Iterator[tuple[Rows, Rows]]]:
    """Return the strategy that is used, and (training rows, held-back rows) of each fold as positions.

    Rows that share a group, or an identity (a column of role id), never stand on both sides. In time, a fold is trained on what
    came before the rows it is scored on.
    """
    count, seed = int(params["folds"]), int(params["seed"])
    if frame.height < 2 * count:
        message = f"{frame.height} training rows are too few for {count} folds"
        raise Problem(Finding("too-few-rows", message, ("training", "cross_validation")))
    time, groups = params.get("time"), _groups(frame, params)
    strategy = params.get("strategy") or "auto"
    if strategy == "temporal" or (strategy == "auto" and time):
        return "temporal", _in_time(frame, str(time), count)
    if groups is not None:
        return "group", _grouped(groups, count, seed)
    from sklearn.model_selection import KFold, StratifiedKFold

    stratified = params["task"]["kind"] == "classification" and strategy in ("auto", "stratified")
    splitter = (StratifiedKFold if stratified else KFold)(count, shuffle=True, random_state=seed)
    return "stratified" if stratified else "random", iter(splitter.split(np.zeros(frame.height), target))


def _groups(frame: pl.DataFrame, params: Mapping[str, Any]) -> Rows | None:
    """Return a number for each row's group: the columns named by `group_by`, else ids that occur more than once, else None."""
    named: str | Sequence[str] | None = params.get("group_by")
    names = [named] if isinstance(named, str) else list(named or ())
    if not names:
        ids = [name for name, column in params["columns"].items() if column.get("role") == "id" and name in frame.columns]
        if not ids or frame.select(ids).n_unique() == frame.height:
            return None
        names = ids
    return frame.select(pl.struct(names).rank("dense").alias("group"))["group"].to_numpy()


def _grouped(groups: Rows, count: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    from sklearn.model_selection import GroupKFold

    distinct = np.unique(groups).size
    if distinct < count:
        message = f"{distinct} groups cannot be dealt to {count} folds"
        raise Problem(Finding("too-few-groups", message, ("training", "cross_validation")))
    return iter(GroupKFold(count, shuffle=True, random_state=seed).split(np.zeros(len(groups)), groups=groups))


def _in_time(frame: pl.DataFrame, time: str, count: int) -> Iterator[tuple[Rows, Rows]]:
    """Cut the rows in order of time into one part more than there are folds; rows of one instant stay in one part."""
    from sklearn.model_selection import TimeSeriesSplit

    instants = frame[time].rank("dense").to_numpy()
    distinct = np.unique(instants)
    if distinct.size <= count:
        message = f"{distinct.size} different times cannot be cut into {count + 1} parts"
        raise Problem(Finding("too-few-times", message, ("training", "cross_validation")))
    for before, after in TimeSeriesSplit(count).split(distinct):
        yield np.flatnonzero(np.isin(instants, distinct[before])), np.flatnonzero(np.isin(instants, distinct[after]))
