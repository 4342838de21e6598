"""Compiles all cases for a backend, runs them with one interpreter, and says how each of them ended."""

from __future__ import annotations

import contextlib
import fcntl
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlspec import backend as backends
from mlspec import build
from mlspec.diagnostic import Problem
from mlspec.kit.case import Case

LOCAL = "local"
HERE = Path(__file__).parent
LIMIT = 300
"""Seconds that a run of a case may take before it is killed."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How one run of a case ended. `texts` are the outputs that the case looks at, `digests` all of them."""

    code: int
    state: str = ""
    steps: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, Any] = field(default_factory=dict)
    tries: Mapping[str, int] = field(default_factory=dict)
    told: Sequence[Mapping[str, Any]] = ()
    posted: Sequence[Mapping[str, Any]] = ()
    seconds: float = 0.0
    log: str = ""
    fault: str = ""  # why there is nothing to run: it does not compile


def ran(name: str, chosen: Sequence[Case], folder: Path, python: str) -> dict[str, list[Ran]]:
    """Return how each case's runs ended, from a file where another process of this test run has done it already."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{name}.json"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            found = _run(name, chosen, folder / name, python)
            told = {case: [{slot: getattr(one, slot) for slot in Ran.__slots__} for one in runs] for case, runs in found.items()}
            kept.write_text(json.dumps(told), encoding="utf-8")
    return {case: [Ran(**one) for one in runs] for case, runs in json.loads(kept.read_text(encoding="utf-8")).items()}


def _run(name: str, chosen: Sequence[Case], folder: Path, python: str) -> dict[str, list[Ran]]:
    faults: dict[str, str] = {}
    runs: list[dict[str, Any]] = []
    with hook() as (address, posted):
        for case in chosen:
            try:
                script, words = _project(name, case, folder)
            except Problem as problem:
                faults[case.name] = str(problem)
                continue
            runs += [
                _asked(case, index, folder, script, words, f"{address}/{case.name}/{index}") for index in range(len(case.runs))
            ]
        answers = _driven(name, runs, folder, python) if runs else {}
        return {
            case.name: [Ran(1, fault=faults[case.name])] if case.name in faults else _read(case, folder, answers, posted)
            for case in chosen
        }


def _project(name: str, case: Case, folder: Path) -> tuple[Path, list[str]]:
    """Write a case's spec and, for a backend, its project; return the script that runs it, and that script's first words."""
    opened = build.open_spec(case.write(folder / "specs" / case.name))
    opened.checked()
    if name == LOCAL:
        return HERE / "reference.py", ["--spec", str(opened.path)]
    project = folder / "projects" / case.name
    build.bundle_of(build.compiled(opened), name).write(project)
    return project / "run.py", []


def _asked(case: Case, index: int, folder: Path, script: Path, words: list[str], address: str) -> dict[str, Any]:
    place, answers = folder / "places" / case.name, folder / "answers" / case.name
    place.mkdir(parents=True, exist_ok=True)
    answers.mkdir(parents=True, exist_ok=True)
    for step, answer in case.answers.items():
        (answers / f"{step}.json").write_text(json.dumps(answer), encoding="utf-8")
    roots = {
        "workspace": folder / "workspace",
        "data-root": folder / "specs" / case.name,
        "registry-root": folder / "registry" / case.name,
    }
    arguments = [word for name, path in {**roots, "approvals-root": answers}.items() for word in (f"--{name}", str(path))]
    return {
        "id": f"{case.name}/{index}",
        "script": str(script),
        "folder": str(script.parent),
        "arguments": [*words, *arguments],
        "environment": {**case.environment, "KIT_PLACE": str(place), "KIT_HOOK": address},
        "log": str(folder / f"{case.name}.{index}.log"),
        "look": sorted(case.runs[index].outputs),
    }


def _driven(name: str, runs: Sequence[Mapping[str, Any]], folder: Path, python: str) -> dict[str, Any]:
    """Run the requests with an interpreter; return the answer to each, by its id, with what it left."""
    workspace = folder / "workspace"
    preload = ["mlspec.runtime"] if name == LOCAL else [*backends.load(name).REQUIRES, "mlspec.runtime"]
    quiet = {
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "DO_NOT_TRACK": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
    request = {"preload": preload, "environment": quiet, "workspace": str(workspace), "limit": LIMIT, "runs": list(runs)}
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    workspace.mkdir(parents=True, exist_ok=True)
    with (folder / "driver.log").open("w") as log:
        command = [python, str(HERE / "driver.py"), str(folder / "request.json"), str(folder / "answers.jsonl")]
        subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder, check=False)
    told = folder / "answers.jsonl"
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    return {one["id"]: one for one in map(json.loads, lines)}


def _read(case: Case, folder: Path, answers: Mapping[str, Any], posted: Mapping[str, list[Any]]) -> list[Ran]:
    found = []
    for index in range(len(case.runs)):
        name = f"{case.name}/{index}"
        told = dict(answers.get(name, {"code": 70}))
        text = _tail(folder / f"{case.name}.{index}.log") + ("" if name in answers else _tail(folder / "driver.log"))
        told.pop("id", None)
        found.append(Ran(**told, posted=posted.get(f"/{case.name}/{index}", []), log=text))
    return found


def _tail(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")[-4000:] if file.exists() else ""


@contextlib.contextmanager
def hook() -> Iterator[tuple[str, dict[str, list[Any]]]]:
    """Listen on a free port of this machine; yield the address, and what is posted, by path."""
    posted: dict[str, list[Any]] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            posted.setdefault(self.path, []).append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *told: Any) -> None:
            """Say nothing."""

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}", posted
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
