"""An op in a process of its own: what a step with a time limit needs, because a thread cannot be stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Finding, Problem, Severity

VARIABLES = "MLSPEC_STEP_VARIABLES"
"""Names the variables that are the step's own, for an op that hands them on (container)."""

GRACE = 10.0  # seconds that a child has to put away what it started


START = """\
import json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    sys.path[:] = json.load(file)["path"]
from mlspec.runtime.child import main
main(*sys.argv[1:])
"""
"""What the child runs: it takes our path first, as mlspec itself may lie in a directory that only we know."""


class TimedOut(Problem):
    """A step that was stopped because its time was up."""


def run(
    op: str,
    inputs: Mapping[str, Path],
    outputs: Mapping[str, Path],
    params: Mapping[str, Any],
    limit: float | None,
    environment: Mapping[str, str],
) -> dict[str, Any]:
    """Run an op in a child interpreter for at most `limit` seconds; the child and all it started are killed after that.

    `environment` is added to ours; it is handed to the child alone and written nowhere.

    Raises TimedOut, or what the op raised.
    """
    with tempfile.TemporaryDirectory(prefix="mlspec-") as place:
        request, answer = Path(place, "request.json"), Path(place, "answer.json")
        asked = {
            "op": op,
            "inputs": _texts(inputs),
            "outputs": _texts(outputs),
            "params": dict(params),
            "path": [p for p in sys.path if p],
            "parent": os.getpid(),
        }
        request.write_text(json.dumps(asked), encoding="utf-8")
        process = subprocess.Popen(  # our own interpreter on our own module
            [sys.executable, "-c", START, str(request), str(answer)],
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment, VARIABLES: ",".join(environment)},
        )
        try:
            said, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            _kill(process, op)
            raise TimedOut(Finding("step-timed-out", f"{op} ran longer than its limit of {limit:g} s and was stopped")) from None
        except BaseException:
            _kill(process, op)
            raise
        if said:
            print(said, end="")  # noqa: T201 - an orchestrator that logs what a step prints (Prefect) listens to `print`
        if not answer.exists() and process.returncode < 0:
            raise Problem(_killed(op, -process.returncode))
        if not answer.exists():
            raise RuntimeError(f"{op} ended with exit code {process.returncode} and no answer:\n{said}")
        told = json.loads(answer.read_text(encoding="utf-8"))
    if "faults" in told:
        raise _problem(told)
    facts: dict[str, Any] = told["facts"]
    return facts


def _killed(op: str, number: int) -> Finding:
    name = signal.Signals(number).name if number in set(signal.Signals) else "unknown"
    usual = "; a system does that to what takes more memory than there is" if number == signal.SIGKILL else ""
    return Finding("step-killed", f"{op} was killed by signal {number} ({name}){usual}")


def _problem(told: dict[str, Any]) -> Problem:
    from mlspec.runtime.gate import GateFailed

    plain = [{**fault, "route": tuple(fault["route"]), "severity": Severity(fault["severity"])} for fault in told["faults"]]
    faults = [Finding(**fault) for fault in plain]
    return (GateFailed if told["gate"] else Problem)(*faults)


def _texts(paths: Mapping[str, Path]) -> dict[str, str]:
    return {name: str(path) for name, path in paths.items()}


def _kill(process: subprocess.Popen[str], op: str) -> None:
    """Kill a child and all it started. What a container runs was not started by the child: that is asked to see to it."""
    if op == "container":
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _end_with(parent: int, op: str) -> None:
    """Kill this process, and all it started, once its parent is gone: nobody is left who would stop it in time."""
    while os.getppid() == parent:
        time.sleep(0.5)
    if op == "container":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
    os.killpg(0, signal.SIGKILL)


def _leave(number: int, frame: Any) -> None:
    """Let a signal end the process as an exception does, so that what holds something lets go of it."""
    sys.exit(128 + number)


def main(request: str, answer: str) -> None:
    """The child's side: read the request, run the op, write facts or faults."""
    from dataclasses import asdict

    from mlspec import runtime
    from mlspec.runtime.artifact import write_json

    asked = json.loads(Path(request).read_text(encoding="utf-8"))
    if asked["op"] == "container":
        signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with, args=(asked["parent"], asked["op"]), daemon=True).start()
    told: dict[str, Any]
    try:
        inputs, outputs = ({name: Path(path) for name, path in asked[side].items()} for side in ("inputs", "outputs"))
        told = {"facts": runtime.perform(asked["op"], inputs, outputs, asked["params"])}
    except Problem as problem:
        faults = [asdict(fault) for fault in problem.faults if isinstance(fault, Finding)]
        told = {"faults": faults, "gate": type(problem).__name__ == "GateFailed"}
    write_json(Path(answer), told)
