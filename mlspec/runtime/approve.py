"""Wait for a person's yes: an answer in a file, or one that the orchestrator has asked for by its own means."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime.artifact import digest, write_json

LOG = logging.getLogger("mlspec.run")
PAUSE = 0.5  # seconds between two looks for an answer


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `report`, {"approved": true, "by", "note"}, when a person has said yes to what stands at `inputs`.

    The answer is `params["answer"]` where the orchestrator has asked by its own means; else it is awaited, for at most
    `params["seconds"]`, in `<approvals_root>/<step>.json`: {"approved": bool, "by": str, "note": str}, and "evidence" where it
    counts for these inputs only. Whoever answers finds what is asked in `<step>.asked.json` beside it. With "wait" false nothing
    is awaited. Raises Problem "approval-refused", "approval-missing" (no answer in time) or "approval-pending" (not awaited).
    """
    step, wanted = str(params["step"]), evidence(inputs)
    answer = _checked(params["answer"], step) if params.get("answer") is not None else None
    if answer is None:
        answer = _awaited(Path(params["approvals_root"]), wanted, params)
    elif answer.get("evidence", wanted) != wanted:
        raise Problem(Finding("approval-missing", f"{step}: the answer is for what an earlier run has made", help=_help(step)))
    by, note = answer["by"], answer["note"]
    if not answer["approved"]:
        told = f"{step} was refused by {by or 'somebody'}" + (f": {note}" if note else "")
        raise Problem(Finding("approval-refused", told, help=f"mend what was found wanting; {_help(step)}"))
    write_json(outputs["report"], {"approved": True, "by": by, "note": note})
    return {"approved": True, "by": by, "evidence": wanted[:12]}


def external(params: Mapping[str, Any], file_digest: Callable[[Path], str]) -> dict[str, Any] | None:
    """Return what decides besides the params: the answer that is there. Without one nobody can know how it ends."""
    if params.get("answer") is not None:
        return {}
    place = Path(params["approvals_root"], f"{params['step']}.json")
    return {"answer": digest(place)} if place.is_file() else None


def evidence(inputs: Mapping[str, Path]) -> str:
    """Return the digest of what a person is asked to approve, of all inputs of the step: an answer can be for this alone."""
    found = {port: digest(place) for port, place in inputs.items()}
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def answer(root: Path, step: str, *, approved: bool, by: str = "", note: str = "", evidence: str | None = None) -> Path:
    """Write a person's answer to where the step looks for it, and return that place."""
    place = root / f"{step}.json"
    told: dict[str, Any] = {"approved": approved, "by": by, "note": note}
    write_json(place, told if evidence is None else {**told, "evidence": evidence})
    return place


def asked(root: Path) -> dict[str, dict[str, Any]]:
    """Return what steps have asked below a root: step -> {"step", "message", "approvers", "evidence", "inputs"}, sorted."""
    found = {}
    for file in sorted(root.glob("*.asked.json")):
        told = _read(file)
        if told is not None and isinstance(told.get("step"), str):
            found[told["step"]] = told
    return found


def answered(root: Path, step: str) -> dict[str, Any] | None:
    """Return the answer that is there for a step; None without one. Raises Problem for a file that is no answer."""
    told = _read(root / f"{step}.json")
    return None if told is None else _checked(told, step)


def _awaited(root: Path, wanted: str, params: Mapping[str, Any]) -> dict[str, Any]:
    step, seconds = str(params["step"]), params.get("seconds")
    deadline = None if seconds is None else time.monotonic() + seconds
    _ask(root, step, wanted, params)
    while True:
        found = answered(root, step)
        if found is not None and found.get("evidence", wanted) == wanted:
            return found
        if not params.get("wait", True):
            raise Problem(Finding("approval-pending", f"{step} waits for a yes: {params['message']}", help=_help(step)))
        if deadline is not None and time.monotonic() >= deadline:
            told = f"{step} had no answer within {seconds:g} s: {params['message']}"
            raise Problem(Finding("approval-missing", told, help=_help(step)))
        time.sleep(PAUSE if deadline is None else max(0.0, min(PAUSE, deadline - time.monotonic())))


def _ask(root: Path, step: str, wanted: str, params: Mapping[str, Any]) -> None:
    approvers = list(params.get("approvers") or ())
    LOG.info("%s waits for a yes from %s: %s", step, ", ".join(approvers) or "anybody", params["message"])
    question = {"step": step, "message": params["message"], "approvers": approvers, "evidence": wanted}
    write_json(root / f"{step}.asked.json", question)


def _help(step: str) -> str:
    return f"`mlspec approve SPEC {step}` (or --refuse), then run again"


def _read(place: Path) -> dict[str, Any] | None:
    """Return what a file of an answer or a question holds; None where it is not there, or is still being written by hand."""
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Problem(Finding("bad-approval", f"{place.name} cannot be read: {error}", help=LAYOUT)) from None
    if not isinstance(told, dict):
        raise Problem(Finding("bad-approval", f"{place.name} is not a mapping", help=LAYOUT))
    return told


LAYOUT = 'an answer is {"approved": true or false, "by": "who", "note": "why"}'


def _checked(told: Mapping[str, Any], step: str) -> dict[str, Any]:
    """An answer with all its parts. Only a plain true is a yes."""
    found: dict[str, Any] = {"by": "", "note": "", **told}
    if not isinstance(found.get("approved"), bool) or not all(isinstance(found[part], str) for part in ("by", "note")):
        raise Problem(Finding("bad-approval", f"the answer to {step} is not one", help=LAYOUT))
    return found
