"""Put the scores of all folds together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlspec.runtime.artifact import read_json
from mlspec.runtime.cross_validate import written


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `report`, the same bytes that `mlspec.runtime.cross_validate` writes of the same folds."""
    found = sorted((read_json(place) for place in inputs.values()), key=lambda one: one["fold"])
    return written(outputs["report"], found[0]["strategy"], [(one["rows"], one["metrics"]) for one in found])
