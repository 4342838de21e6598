"""Runs many projects with one interpreter, a process each: what an orchestrator needs is imported and started once.

A script for the interpreter that has the orchestrator: the standard library, and what the projects' `run.py` import.
`python driver.py REQUEST.json ANSWER.json`; the request's layout is that of `mlspec.kit.batch.request`.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def main(request: str, answer: str) -> None:
    """Run each project in turn; the answer grows by one line with each."""
    asked = json.loads(Path(request).read_text(encoding="utf-8"))
    os.environ.update(asked["environment"])
    with server(asked) as environment, Path(answer).open("a", encoding="utf-8") as told:
        for name in asked["preload"]:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        for run in asked["runs"]:
            started = time.monotonic()
            code = one(run, environment, asked["limit"])
            line = {"id": run["id"], "code": code, "seconds": round(time.monotonic() - started, 3)}
            outcome = Path(asked["workspace"], "outcome.json")
            if outcome.exists():
                line |= left(outcome, run)
                outcome.unlink()
            told.write(json.dumps(line) + "\n")
            told.flush()


def left(outcome: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run has left: how each step ended, what it made, and the marks of the kit's own functions."""
    from mlspec.backend import Outcome, expanded
    from mlspec.runtime.artifact import digest

    told = json.loads(outcome.read_text(encoding="utf-8"))
    artifacts = {name: Path(path) for name, path in told["artifacts"].items()}
    ended = expanded(Outcome(told["state"], told["steps"], artifacts), Path(run["script"]).with_name("trace.json"))
    place = Path(run["environment"]["KIT_PLACE"])
    marks = place / "tries"
    alerts = place / "alerts"
    return {
        "state": ended.state,
        "steps": dict(ended.steps),
        "digests": {name: digest(path) for name, path in ended.artifacts.items() if path.exists()},
        "texts": {name: text(ended.artifacts[name]) for name in run["look"] if name in ended.artifacts},
        "tries": {one.name: len(one.read_text()) for one in marks.iterdir()} if marks.is_dir() else {},
        "told": [json.loads(line) for line in alerts.read_text().splitlines()] if alerts.exists() else [],
    }


def text(path: Path) -> str | dict[str, str] | None:
    """Return a file's text; of a directory, each file's, by name."""
    if not path.is_dir():
        return path.read_text(encoding="utf-8") if path.exists() else None
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_text(encoding="utf-8") for file in files}


@contextlib.contextmanager
def server(asked: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    """Start what the runs share, where the projects' run.py knows such a thing: `server(workspace, environment)`."""
    script = Path(asked["runs"][0]["script"])
    spec = importlib.util.spec_from_file_location("run", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "server"):
        yield {}
        return
    workspace = Path(asked["workspace"])
    workspace.mkdir(parents=True, exist_ok=True)
    with module.server(workspace, dict(os.environ)) as environment:
        yield environment


def one(run: Mapping[str, Any], environment: Mapping[str, str], limit: float) -> int:
    """Run a script as `python run.py …` would, in a process of its own; return its exit code, 124 where its time was up."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        os.setsid()
        code = 70
        try:
            code = inside(run, environment)
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    until = time.monotonic() + limit
    pause = 0.01
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # what a run has started must not outlive it
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 124


def inside(run: Mapping[str, Any], environment: Mapping[str, str]) -> int:
    """Be that process."""
    log = os.open(run["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    script = Path(run["script"])
    os.environ.update(environment)
    os.environ.update(run["environment"])
    os.chdir(run["folder"])
    sys.argv = [str(script), *run["arguments"]]
    sys.path.insert(0, str(script.parent))
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 70
    return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
