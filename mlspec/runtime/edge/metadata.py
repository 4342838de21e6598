"""What a model at the edge says of itself: what to feed it, what it answers, where it comes from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import polars as pl

from mlspec.exports._export import Export
from mlspec.lowering import Input, Lowered
from mlspec.runtime.rows import read

Json = dict[str, Any]


def metadata(model: Any, lowered: Lowered, export: Export, params: Mapping[str, Any], metrics: Mapping[str, Any]) -> Json:
    """Return what `metadata.json` holds, and the model file with it.

    `spec_hash` is that of the parts of the spec that make the model: the task, the columns, the features, the family with its
    parameters and this export.
    """
    fields = model.named_steps["features"].fields_
    made_of = {name: params[name] for name in ("task", "columns", "transforms", "model", "export")}
    return {
        "format": export.kind,
        "quantize": export.quantize,
        "name": params["about"]["name"],
        "version": params["about"].get("version", ""),
        "spec_hash": hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest(),
        "task": dict(params["task"]),
        "classes": list(lowered.classes),
        "positive": metrics.get("positive"),
        "threshold": None if metrics.get("threshold") == 0.5 else metrics.get("threshold"),  # 0.5 is what the model does anyway
        "inputs": [told(one) for one in lowered.inputs],
        "computed": [_computed(asdict(one), fields) for one in lowered.computed],
        "metrics": {name: _rounded(one["value"]) for name, one in metrics["metrics"].items()},
        "device": export.device,
        "limits": dict(params["limits"]),
        "route": list(params["route"]),
        "runtime": {"package": export.runtime, "version": version(export.runtime) if export.runtime else ""},
    }


MANY = 100
"""From how many columns on that are counted it pays to count them."""


def inside(about: Json) -> str:
    """Return what of the metadata travels in the model file, as JSON: all of it, and many columns that are counted as one entry.

    Thousands of pixels would outweigh the model. Inputs of one type whose names differ in a number alone, one more each time, are
    the first of them and a `count`: x0 to x783 are {"name": "x0", "type": "number", "values": [], "count": 784}.
    """
    runs: list[list[Json]] = []
    for one in about["inputs"]:
        if runs and one == {**_counted(runs[-1][0], len(runs[-1])), "values": []}:
            runs[-1].append(one)
        else:
            runs.append([one])
    told = [one for run in runs for one in ([{**run[0], "count": len(run)}] if len(run) >= MANY else run)]
    return json.dumps({**about, "inputs": told}, sort_keys=True)


def _counted(one: Json, more: int) -> Json:
    """The input so many places behind another one, by its name; itself where its name ends in no number."""
    word = one["name"].rstrip("0123456789")
    digits = one["name"][len(word) :]
    name = f"{word}{int(digits) + more:0{len(digits)}}" if digits.isascii() and digits else None
    return {"name": name, "type": one["type"]}


def told(one: Input) -> Json:
    """Return what `metadata.json` says of an input; only one that is more than a number has a size and a shape."""
    plain = {"name": one.name, "type": one.type, "values": list(one.values)}
    return {**plain, "size": one.size, "shape": list(one.shape)} if one.shape else plain


def _rounded(number: Any) -> Any:
    """A metric in as many digits as anybody reads."""
    return round(number, 6) if isinstance(number, float) else number


def _computed(one: Json, fields: Mapping[str, Any]) -> Json:
    how = dict(one["how"])
    if one["kind"] == "dates":
        how["zones"] = {name: fields[name].zone for name in one["takes"] if name in fields}
    return {"kind": one["kind"], "takes": list(one["takes"]), "gives": list(one["gives"]), "how": how}


def device_rows(model: Any, lowered: Lowered, table: pl.DataFrame) -> list[Json]:
    """Return raw rows as a device has them: JSON, dates as text; with what the user's own steps compute already in them."""
    featurizer = model.named_steps["features"]
    frame = read(table, featurizer.fields_)
    made: dict[str, pl.Series] = {}
    now = frame
    if any(one.kind == "custom" for one in lowered.computed):
        for step in featurizer.steps_:
            now = step.apply(now)
            if step.kind == "custom":
                made |= {name: now[name] for name in step.gives}
    dates = [name for name, dtype in frame.schema.items() if dtype.is_temporal()]
    told = frame.with_columns(*made.values()).with_columns(
        pl.col(name).dt.to_string("iso:strict") if frame.schema[name] == pl.Date else _moment(frame[name]) for name in dates
    )
    return [{name: value for name, value in row.items() if value == value} for row in told.to_dicts()]


def _moment(column: pl.Series) -> pl.Series:
    return pl.Series(column.name, [None if one is None else one.isoformat() for one in column.to_list()], dtype=pl.String)
