"""Fail the run unless the verdict is a pass; what follows takes the gate's report, so it cannot start without one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime.artifact import digest, read_json, write_json


class GateFailed(Problem):
    """A verdict that is not a pass: the faults are the requirements, or the checks, that failed."""


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write the gate's report where the verdict is a pass; else raise GateFailed, one finding a failed requirement or check.

    Subject "model" reads a decision and lets "pass" through, if no requirement in it says otherwise; subject "data" reads a
    validation report and lets "pass" and "warn" through; subject "group" reads the outcome of a group of steps, whose faults are
    those of its own gates. Everything else fails: another word, no verdict, no JSON.
    """
    subject = params["subject"]
    found = _read(inputs["decision"], subject)
    faults, warnings = _judged(found, subject)
    if faults:
        raise GateFailed(*faults)
    report = {"verdict": "pass", "subject": subject, "decision_digest": digest(inputs["decision"]), "warnings": warnings}
    write_json(outputs["report"], report)
    return {"verdict": "pass", "subject": subject, "warnings": len(warnings)}


def missed(found: Mapping[str, Any], subject: str) -> list[Finding]:
    """Say what a gate finds wrong with a verdict: of a run on an orchestrator, whose gate told it elsewhere."""
    return _judged(found, subject)[0]


def _judged(found: Mapping[str, Any], subject: str) -> tuple[list[Finding], list[str]]:
    if subject == "data":
        return _of_data(found)
    return (_of_group(found) if subject == "group" else _of_model(found)), []


def _read(path: Path, subject: str) -> Mapping[str, Any]:
    try:
        found = read_json(path)
    except (OSError, ValueError) as error:
        raise GateFailed(Finding("gate-failed", f"the verdict on the {subject} cannot be read: {error}")) from None
    if not isinstance(found, Mapping):
        raise GateFailed(Finding("gate-failed", f"the verdict on the {subject} is not a mapping"))
    return found


def _parts(found: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    parts = found.get(name)
    if not isinstance(parts, list) or not all(isinstance(one, Mapping) for one in parts):
        raise GateFailed(Finding("gate-failed", f"the verdict comes without its {name}"))
    return parts


def _of_model(decision: Mapping[str, Any]) -> list[Finding]:
    failed = [one for one in _parts(decision, "requirements") if one.get("verdict") != "pass"]
    faults = [Finding("gate-failed", _message(one), tuple(one.get("route") or ())) for one in failed]
    return faults or _wrong_verdict(decision, ("pass",))


def _of_group(outcome: Mapping[str, Any]) -> list[Finding]:
    told = _parts(outcome, "faults")
    faults = [Finding("gate-failed", str(one.get("message")), tuple(one.get("route") or ())) for one in told]
    return faults or _wrong_verdict(outcome, ("pass",))


def _message(one: Mapping[str, Any]) -> str:
    """Say it as ``roc_auc is 0.81 (0.78 to 0.84), the requirement is >= 0.84``."""
    name, target, reason = str(one.get("name")), str(one.get("target")), one.get("reason")
    wanted = target.removeprefix(name).strip() or target
    value, ends = one.get("value"), (one.get("low"), one.get("high"))
    if not isinstance(value, int | float):
        return f"{reason or f'{name} is not a number'}; the requirement is {wanted}"
    told = f": {reason}" if reason else ""
    if not target.startswith(name):
        return f"it is required that {target}{told}"
    span = f" ({ends[0]:.4g} to {ends[1]:.4g})" if all(isinstance(end, int | float) for end in ends) else ""
    return f"{name} is {value:.4g}{span}, the requirement is {wanted}{told}"


def _of_data(report: Mapping[str, Any]) -> tuple[list[Finding], list[str]]:
    failed = [one for one in _parts(report, "checks") if one.get("verdict") != "pass"]
    told = [
        f"{one.get('description') or one.get('id')}: {one.get('failing')} of {report.get('rows')} rows fail" for one in failed
    ]
    wrong = _wrong_verdict(report, ("pass", "warn"), ("data",))
    if not wrong:
        return [], told
    faults = [
        Finding("gate-failed", f"{text} ({_share(one)}, allowed {_share(one, 'allowed')})", tuple(one.get("route") or ("data",)))
        for text, one in zip(told, failed, strict=True)
    ]
    return faults or wrong, []


def _share(check: Mapping[str, Any], key: str = "share") -> str:
    share = check.get(key)
    return f"{100 * share:.3g} %" if isinstance(share, int | float) else "an unknown share"


def _wrong_verdict(found: Mapping[str, Any], right: tuple[str, ...], route: tuple[str, ...] = ()) -> list[Finding]:
    verdict = found.get("verdict")
    if isinstance(verdict, str) and verdict in right:
        return []
    return [Finding("gate-failed", f"the verdict is {verdict!r}, not {right[0]!r}", route)]
