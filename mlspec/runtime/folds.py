"""Folds of the training rows, dealt as the split deals rows: by class, by group or in time; never through an identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime.identity import prints
from mlspec.runtime.rows import ROW

Rows = np.ndarray[Any, Any]
Parts = Iterator[tuple[Rows, Rows]]
WHERE = ("training", "cross_validation")


def folds(frame: pl.DataFrame, target: Rows, params: Mapping[str, Any]) -> tuple[str, Parts]:
    """Return the strategy that is used, and (training rows, held-back rows) of each fold as positions.

    Rows of one group never stand on both sides; nor do rows with the same id, or, where ids do not repeat, with the same
    content (a copy of a row is no test of a model that has learned it). In time, a fold is trained on what came before the
    rows it is scored on.
    """
    count, seed = int(params["folds"]), int(params["seed"])
    if frame.height < 2 * count:
        raise Problem(Finding("too-few-rows", f"{frame.height} training rows are too few for {count} folds", WHERE))
    strategy = params.get("strategy") or "auto"
    if strategy == "temporal" or (strategy == "auto" and params.get("time")):
        return "temporal", _in_time(frame, _time(frame, params), count)
    groups = _groups(frame, params)
    if groups:
        return "group", _grouped(_numbered(frame, groups), count, seed)
    stratified = params["task"]["kind"] == "classification" and strategy in ("auto", "stratified", "group")
    return "stratified" if stratified else "random", _dealt(
        _identities(frame, params), target, count, seed, stratified=stratified
    )


def _with_role(frame: pl.DataFrame, params: Mapping[str, Any], role: str) -> list[str]:
    return [name for name, column in params["columns"].items() if column.get("role") == role and name in frame.columns]


def _groups(frame: pl.DataFrame, params: Mapping[str, Any]) -> list[str]:
    named: str | Sequence[str] | None = params.get("group_by")
    return [named] if isinstance(named, str) else list(named or _with_role(frame, params, "group"))


def _identities(frame: pl.DataFrame, params: Mapping[str, Any]) -> Rows:
    """Return a number for each row that equal ids share; where ids are no use, one that rows of equal features share."""
    ids = _with_role(frame, params, "id")
    if ids:
        numbers = _numbered(frame, ids)
        if numbers.max() + 1 < frame.height:
            return numbers
    other = {name for name, column in params["columns"].items() if column.get("role", "feature") != "feature"}
    features = [name for name in frame.columns if name not in other | {ROW, params["task"]["target"]}]
    return _numbered(frame, features) if features else np.arange(frame.height)


def _numbered(frame: pl.DataFrame, names: Sequence[str]) -> Rows:
    """Number the distinct values of some columns in the order in which they first occur: the hash itself decides nothing."""
    _, first, place = np.unique(frame.select(prints(names)).to_series().to_numpy(), return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[place]


def _dealt(identities: Rows, target: Rows, count: int, seed: int, *, stratified: bool) -> Parts:
    """Deal identities, each by the class of its first row, and with an identity all its rows."""
    from sklearn.model_selection import KFold, StratifiedKFold

    distinct, first = np.unique(identities, return_index=True)
    _enough(distinct.size, count, "different rows")
    splitter = (StratifiedKFold if stratified else KFold)(count, shuffle=True, random_state=seed)
    for _, held_back in splitter.split(distinct, target[first]):
        mask = np.isin(identities, distinct[held_back])
        yield np.flatnonzero(~mask), np.flatnonzero(mask)


def _grouped(groups: Rows, count: int, seed: int) -> Parts:
    from sklearn.model_selection import GroupKFold

    _enough(np.unique(groups).size, count, "groups")
    yield from GroupKFold(count, shuffle=True, random_state=seed).split(np.zeros(len(groups)), groups=groups)


def _time(frame: pl.DataFrame, params: Mapping[str, Any]) -> str:
    """Return the column of time: the one named, else the one whose role it is."""
    names = [params["time"]] if params.get("time") else _with_role(frame, params, "time")
    if not names or names[0] not in frame.columns:
        raise Problem(Finding("no-time", "a temporal split needs a column of time", ("splits", "time")))
    return str(names[0])


def _in_time(frame: pl.DataFrame, time: str, count: int) -> Parts:
    """Cut the rows in order of time into one part more than there are folds; rows of one instant stay in one part."""
    from sklearn.model_selection import TimeSeriesSplit

    instants = frame[time].rank("dense").to_numpy()
    distinct = np.unique(instants)
    _enough(distinct.size, count + 1, "different times")
    for before, after in TimeSeriesSplit(count).split(distinct):
        yield np.flatnonzero(np.isin(instants, distinct[before])), np.flatnonzero(np.isin(instants, distinct[after]))


def _enough(there: int, wanted: int, what: str) -> None:
    if there < wanted:
        message = f"{there} {what} cannot be cut into {wanted} parts"
        raise Problem(Finding("too-few-rows", message, WHERE, help="fewer folds, or `cross_validation: null`"))
