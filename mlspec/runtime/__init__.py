"""What each op does. `run` is the one door: the local runner and every orchestrator call it with paths and plain JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlspec.entrypoint import imported
from mlspec.ops import ALL
from mlspec.runtime.trouble import told

Place = str | os.PathLike[str]

APART = {"container": None, "export": 7200.0}
"""Ops that always run in a process of their own, and the seconds they have where nobody says: a container must not outlive us,
however we end; a converter that crashes must not take us with it, and one that hangs must end.
"""

FINAL = ("approval-refused", "approval-missing", "approval-pending", "secret-missing", "missing-engine")
"""Faults that another try meets again."""


@told
def run(
    op: str,
    *,
    inputs: Mapping[str, Place] | None = None,
    outputs: Mapping[str, Place] | None = None,
    params: Mapping[str, Any] | None = None,
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
    step: str | None = None,
) -> dict[str, Any]:
    """Run an op on files and return its facts: small, flat, finite JSON about what it made.

    `step` is the id of the step that this is, to say of a fault which lines of the spec it came from. With an `environment` the
    op runs in a process of its own that has these variables besides ours: how secrets reach it where the platform does not set
    them itself.

    `inputs` and `outputs` map port names to paths; the parents of outputs are made here. With a `timeout` in seconds the op
    runs in a process of its own that is killed when its time is up, the same way under every orchestrator. Raises Problem
    for a fault of the user's data or code, `gate.GateFailed` (a Problem) for a verdict that is not a pass,
    `child.TimedOut` (a Problem), and RuntimeError where an op did not write an output it promised.
    """
    places = {name: Path(path) for name, path in (outputs or {}).items()}
    for place in places.values():
        place.parent.mkdir(parents=True, exist_ok=True)
    # Every runner's params go through JSON: the order of keys, and which equal strings are one object, would show in a pickle.
    plain = json.loads(json.dumps(params or {}, sort_keys=True))
    sources = {name: Path(path) for name, path in (inputs or {}).items()}
    if timeout is not None or environment or op in APART:
        from mlspec.runtime import child

        limit = APART.get(op) if timeout is None else timeout
        return child.run(op, sources, places, plain, limit, environment or {})
    return perform(op, sources, places, plain)


def perform(op: str, inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Run an op in this process. `run` is the door; this is what is behind it, and what a child process does."""
    facts = imported(f"mlspec.runtime.{ALL[op].name}").run(inputs, outputs, params)
    missing = sorted(name for name, place in outputs.items() if not place.exists())
    if missing:
        raise RuntimeError(f"{op} did not write {', '.join(missing)}")
    return dict(facts or {})


def worth_another_try(error: BaseException) -> bool:
    """Say whether a step that ended so may succeed when it is tried again: a verdict and a person's no do not change by asking
    again, and a secret does not come by itself.
    """
    faults = getattr(error, "faults", ())
    return type(error).__name__ != "GateFailed" and not any(getattr(one, "code", "") in FINAL for one in faults)
