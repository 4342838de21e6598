"""Run several steps as one, in their order: what a spec asks for with `granularity: stage` or `single`."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime.artifact import read_json, write_json

LOG = logging.getLogger("mlspec.run")

FILES, OUTCOME = "files", "outcome"
"""The outputs of every group: a directory `STEP/PORT` of all that its steps made, and how each of them ended."""

FACTS = 100  # facts are small: those of more steps are in their artifacts


@dataclass(slots=True)
class _Progress:
    """How each step has ended so far, the faults of gates, and those of everything else."""

    steps: dict[str, dict[str, str]] = field(default_factory=dict)
    missed: list[Finding] = field(default_factory=list)
    requirements: list[Any] = field(default_factory=list)
    faults: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def ended(self, step: str, state: str, reason: str = "") -> None:
        self.steps[step] = {"state": state, "reason": reason}


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Run `params["steps"]` in their order, with their own retries and limits; a step whose needs did not succeed is skipped.

    A step is {"id", "op", "inputs", "outputs", "params", "bindings", "after", "elsewhere", "retries", "timeout", "environment",
    "route", "label"}; an input is {"step", "output"} of another, or {"group": port} of ours; `elsewhere` are steps of other
    groups, {"outcome": port of ours, "step"}, that must have succeeded. `params["gives"]` maps a port of ours to an output of
    a step.

    `outcome` is {"verdict", "steps": {id: {"state", "reason"}}, "faults", "requirements" that were missed}. A gate that fails
    makes its verdict "fail" and lets the group succeed, so that its evidence is kept; the gate that stands behind the group
    fails the run. Any other failure is raised, as one Problem of all faults, after all that could run has run; `files` and
    `outcome` are written in any case.
    """
    place = outputs[FILES]
    place.mkdir(parents=True)
    progress = _Progress()
    for step in params["steps"]:
        lacking = [need for need in _needs(step) if progress.steps[need]["state"] != "succeeded"]
        lacking += [one["step"] for one in step["elsewhere"] if _undone(inputs[one["outcome"]], one["step"])]
        if lacking:
            progress.ended(step["id"], "skipped", f"{', '.join(lacking)} did not succeed")
        else:
            _step(step, place, inputs, params, progress)
    write_json(outputs[OUTCOME], _outcome(progress))
    if progress.faults:
        raise Problem(*progress.faults, *progress.missed)
    for port, source in params.get("gives", {}).items():
        _give(place / source["step"] / source["output"], outputs[port])
    return {"verdict": "fail" if progress.missed else "pass", **(progress.facts if len(progress.facts) <= FACTS else {})}


def external(params: Mapping[str, Any], file_digest: Callable[[Path], str]) -> dict[str, Any] | None:
    """Return what decides besides the params: what counts for each step; None where that cannot be known for one of them."""
    told: dict[str, Any] = {}
    for step in params["steps"]:
        module = import_module(f"mlspec.runtime.{step['op']}")
        found = getattr(module, "external", None)
        if found is not None:
            told[step["id"]] = found(_params(step, params), file_digest)
            if told[step["id"]] is None:
                return None
        elif step["bindings"] and not hasattr(module, "fresh"):
            return None
    return told


def fresh(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> bool:
    """Say whether what the steps did outside (in the registry) is still there."""
    for step in params["steps"]:
        still = getattr(import_module(f"mlspec.runtime.{step['op']}"), "fresh", None)
        made = {port: outputs[FILES] / step["id"] / port for port in step["outputs"]}
        ran = all(place.exists() for place in made.values())
        if still and ran and not still(_inputs(step, outputs[FILES], inputs), made, _params(step, params)):
            return False
    return True


def expanded(files: Path, outcome: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Path]]]:
    """Yield each step of a group that ran: its id, its state, and where each of its outputs lies."""
    for step, told in outcome["steps"].items():
        there = sorted((files / step).iterdir()) if told["state"] == "succeeded" and (files / step).is_dir() else []
        yield step, told["state"], {place.name: place for place in there}


def _step(step: Mapping[str, Any], place: Path, given: Mapping[str, Path], whole: Mapping[str, Any], progress: _Progress) -> None:
    name, started = step["id"], time.perf_counter()
    LOG.info("%s starts", name)
    try:
        facts = _tried(step, _inputs(step, place, given), place / name, _params(step, whole))
    except Exception as error:
        shutil.rmtree(place / name, ignore_errors=True)  # half of what it makes is not what it makes
        faults = _faults(step, error)
        if type(error).__name__ == "GateFailed":
            progress.missed += faults
            progress.requirements += _requirements(_inputs(step, place, given)["decision"])
        else:
            progress.faults += faults
        progress.ended(name, "failed", "; ".join(one.message for one in faults))
        LOG.error("%s failed: %s", name, error)
        return
    progress.ended(name, "succeeded")
    progress.facts |= {f"{name}_{fact}": value for fact, value in facts.items()}
    LOG.info("%s succeeded in %.2f s", name, time.perf_counter() - started)


def _tried(step: Mapping[str, Any], inputs: Mapping[str, Path], place: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    from mlspec import runtime

    for attempt in range(step["retries"] + 1):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        outputs = {port: place / port for port in step["outputs"]}
        try:
            return runtime.run(
                step["op"],
                inputs=inputs,
                outputs=outputs,
                params=params,
                timeout=step["timeout"],
                environment=step["environment"] or None,
                step=step["id"],
            )
        except Exception as error:
            if attempt == step["retries"] or not runtime.worth_another_try(error):
                raise
            pause = min(2.0**attempt, 60.0)
            LOG.warning("%s: %s (try %d of %d in %g s)", step["id"], error, attempt + 2, step["retries"] + 1, pause)
            time.sleep(pause)
    raise AssertionError("a step has at least one try")


def _needs(step: Mapping[str, Any]) -> list[str]:
    return sorted({one["step"] for one in step["inputs"].values() if "step" in one} | set(step["after"]))


def _undone(outcome: Path, step: str) -> bool:
    return bool(read_json(outcome)["steps"][step]["state"] != "succeeded")


def _inputs(step: Mapping[str, Any], place: Path, given: Mapping[str, Path]) -> dict[str, Path]:
    return {
        port: given[one["group"]] if "group" in one else place / one["step"] / one["output"]
        for port, one in step["inputs"].items()
    }


def _params(step: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """A step's params, with what was chosen when the run started: the group has that under the parameter's own name."""
    return dict(step["params"]) | {name: whole[parameter] for name, parameter in step["bindings"].items()}


def _faults(step: Mapping[str, Any], error: Exception) -> Sequence[Finding]:
    """What went wrong in a step, with its label, at the spec's route that asked for it where the fault names none."""
    route, label = tuple(step["route"]), f"{step['label']}: " if step.get("label") else ""
    if isinstance(error, Problem):
        found = [one if isinstance(one, Finding) else one.finding for one in error.faults]
        return [Finding(one.code, label + one.message, one.route or route, one.severity, one.help) for one in found]
    return [Finding("step-crashed", f"{label}step {step['id']} crashed: {type(error).__name__}: {error}", route)]


def _requirements(decision: Path) -> list[Any]:
    """What a gate found missed, as the decision tells it: what to do about it is told from that."""
    try:
        told = read_json(decision).get("requirements", [])
    except (OSError, ValueError, AttributeError):
        return []
    return [one for one in told if isinstance(one, dict) and one.get("verdict") != "pass"]


def _outcome(progress: _Progress) -> dict[str, Any]:
    faults = [{"code": one.code, "message": one.message, "route": list(one.route)} for one in progress.missed]
    told = {"verdict": "fail" if faults else "pass", "steps": progress.steps, "faults": faults}
    return told | ({"requirements": progress.requirements} if progress.requirements else {})


def _give(source: Path, target: Path) -> None:
    """Hand an output on. What a gate has kept from being made is handed on empty: who takes it waits for the gate."""
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copyfile(source, target)
    else:
        target.touch()
