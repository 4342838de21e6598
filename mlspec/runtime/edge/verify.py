"""Hold what a device measured against what the bundle promises: the same files, the same answers, the limits of the spec."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime.edge.proof import TOLERANCES
from mlspec.runtime.edge.verdicts import entry

Json = Mapping[str, Any]

METADATA = "metadata.json"

ROUNDED = 0.05
"""How far the answers to the samples may be off where numbers are whole, which processors may round apart; else as in a proof."""


class Latency(BaseModel):
    """Milliseconds of single predictions."""

    p50: float
    p95: float


class Result(BaseModel, extra="allow"):
    """What is needed of a result of bench.py."""

    model: str
    version: str
    digest: str
    files_as_shipped: bool
    max_difference: float
    latency_ms: Latency
    memory_mib: float


class Bundle(BaseModel, extra="allow"):
    """What is needed of the metadata of an export."""

    name: str
    version: str
    digest: str
    format: str
    quantize: str
    route: list[str | int]
    limits: dict[str, float | None]


def result_of(path: Path) -> dict[str, Any]:
    """Read what bench.py wrote; raise Problem where it is something else."""
    return _read(path, Result, "not-a-result", "no result of bench.py", "run `python bench.py` in the bundle, on the device")


def bundle_of(path: Path) -> dict[str, Any]:
    """Read the metadata of an export's directory; raise Problem where it is none."""
    if not (path / METADATA).is_file():
        inside = sorted(one.parent.name for one in path.glob(f"*/{METADATA}"))
        help_text = f"name one of its exports: {', '.join(inside)}" if inside else "it is in the package, under edge/"
        raise Problem(Finding("not-a-bundle", f"{path} is no bundle of an export", help=help_text))
    return _read(path / METADATA, Bundle, "not-a-bundle", "no metadata of an export", "take the bundle from the package again")


def _read(path: Path, model: type[BaseModel], code: str, what: str, help_text: str) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Problem(Finding("missing-file", f"{path}: {error.strerror}", help=help_text)) from None
    except ValueError as error:
        raise Problem(Finding(code, f"{path} is {what}: {error}", help=help_text)) from None
    try:
        return model.model_validate_json(text).model_dump()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Problem(Finding(code, f"{path} is {what}: {where}{': ' if where else ''}{first['msg']}", help=help_text)) from None


def verified(about: Json, result: Json) -> list[dict[str, Any]]:
    """Return the verdicts on a measurement: on whose files it is, on its answers, and on each limit of the spec."""
    route = list(about["route"])
    same = result["digest"] == about["digest"]
    entries = [
        entry(
            "the model that was measured", f"is {about['digest'][:12]}", None, same, route, "" if same else _other(about, result)
        ),
        entry("files are those that were shipped", "all", None, bool(result["files_as_shipped"]), route),
    ]
    most, off = TOLERANCES[about["quantize"]].difference or ROUNDED, result["max_difference"]
    entries.append(entry("largest difference on the samples", f"<= {most:g}", off, _at_most(off, most), route))
    limits, latency = about["limits"], result["latency_ms"]["p95"]
    if limits["max_latency_p95"] is not None:
        limit = 1e3 * limits["max_latency_p95"]
        passed = _at_most(latency, limit)
        entries.append(
            entry(
                "95th percentile of latency in ms", f"<= {limit:g}", latency, passed, [*route, "max_latency_p95"], _where(result)
            )
        )
    if limits["memory"] is not None:
        used = result["memory_mib"] * 2**20
        entries.append(
            entry(
                "memory in bytes",
                f"<= {limits['memory']}",
                used,
                _at_most(used, limits["memory"]),
                ["hardware", "edge", "memory"],
            )
        )
    return entries


def _at_most(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value <= most


def _other(about: Json, result: Json) -> str:
    return f"the result is of {result['model']} {result['version']}, the bundle is {about['name']} {about['version']}"


def _where(result: Json) -> str:
    where = result.get("processor") or result.get("machine")
    return f"{where}, {result.get('threads')} thread(s), {result.get('predictions')} predictions"
