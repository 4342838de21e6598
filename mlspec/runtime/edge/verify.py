"""Hold what a device measured against what the bundle promises: the same files, the same answers, the limits of the spec."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime.artifact import read_json
from mlspec.runtime.edge.verdicts import entry

Json = Mapping[str, Any]

ANSWERS = {"none": 1e-4, "float16": 5e-3}
"""How far the answers to the samples may be off by how numbers are shortened; in whole numbers, processors may round apart."""
ROUNDED = 0.05

NEEDED = {"model", "version", "digest", "files_as_shipped", "max_difference", "latency_ms", "memory_mib"}


def result_of(path: Path) -> dict[str, Any]:
    """Read what bench.py wrote; raise Problem where it is something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        help_text = "run `python bench.py` in the bundle, on the device"
        raise Problem(Finding("missing-file", f"{path}: {error.strerror}", help=help_text)) from None
    except ValueError as error:
        raise Problem(Finding("not-a-result", f"{path} is no JSON: {error}")) from None
    lacks = sorted(NEEDED - found.keys()) if isinstance(found, dict) else ["everything"]
    if lacks:
        raise Problem(Finding("not-a-result", f"{path} is no result of bench.py: it lacks {', '.join(lacks)}"))
    return dict(found)


def bundle_of(path: Path) -> dict[str, Any]:
    """Read the metadata of an export's directory; raise Problem where it is none."""
    if not (path / "metadata.json").is_file():
        inside = sorted(one.parent.name for one in path.glob("*/metadata.json"))
        help_text = f"name one of its exports: {', '.join(inside)}" if inside else "it is in the package, under edge/"
        raise Problem(Finding("not-a-bundle", f"{path} is no bundle of an export", help=help_text))
    return dict(read_json(path / "metadata.json"))


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
    most, off = ANSWERS.get(about["quantize"], ROUNDED), result["max_difference"]
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
