"""Choose the hyperparameters of the best trial."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime.artifact import read_json, write_json


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `chosen` (JSON: the best trial's number, params and score; method, metric, what it was measured on, all trials).

    Of equal scores the earlier trial counts. Raises Problem where no trial has a score.
    """
    trials = sorted((read_json(place) for place in inputs.values()), key=lambda one: one["trial"])
    scored = [one for one in trials if one["score"] is not None]
    if not scored:
        reasons = "; ".join(dict.fromkeys(str(one["reason"]) for one in trials))
        raise Problem(
            Finding("no-trial-succeeded", f"none of {len(trials)} trials has a score: {reasons}", ("training", "tuning", "space"))
        )
    sign = 1 if params["greater_is_better"] else -1
    best = max(scored, key=lambda one: (sign * one["score"], -one["trial"]))
    told = {name: params[name] for name in ("method", "metric", "greater_is_better", "measured_on")}
    listed = [{name: one[name] for name in ("trial", "params", "score", "reason")} for one in trials]
    write_json(outputs["chosen"], {**{name: best[name] for name in ("trial", "params", "score")}, **told, "trials": listed})
    failed = {"without_score": len(trials) - len(scored)} if len(scored) < len(trials) else {}
    chosen = {name: value for name, value in best["params"].items() if isinstance(value, str | int | float)}
    return {params["metric"]: best["score"], "trial": best["trial"], **chosen, **failed}
