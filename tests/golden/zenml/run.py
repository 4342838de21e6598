"""Runs the pipeline on this machine, on ZenML's local stack, and leaves outcome.json.

Everything is kept under the workspace: ZenML's configuration, its database and the
artifacts. Nothing is sent anywhere.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent

PARAMETERS = [
    "data_root",
    "registry_root",
]
"""What the pipeline takes of what is chosen here."""

TRACE = json.loads((ROOT / "trace.json").read_text(encoding="utf-8"))
"""Each step in order, and which port each artifact that it makes stands for."""

WORDS = {"completed": "succeeded", "cached": "cached"}
"""How we call the states of ZenML's steps; every other is a failure."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

GRACE = 8
"""Seconds in which ZenML may end a run that was stopped, before it is killed."""


class Stopped(BaseException):
    """Somebody asked us to stop."""


def main() -> int:
    """Run the pipeline once; return 0 where every step succeeded, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", default="workspace")
    parser.add_argument("--data-root", default=".")
    parser.add_argument("--registry-root", default="registry")
    parser.add_argument("--approvals-root", default="approvals")
    chosen = vars(parser.parse_args())
    places = {name: str(Path(place).resolve()) for name, place in chosen.items()}
    workspace = Path(places["workspace"])
    workspace.mkdir(parents=True, exist_ok=True)
    (workspace / "outcome.json").unlink(missing_ok=True)
    try:
        with _signals(), _home(workspace):
            outcome = run({name: places[name] for name in PARAMETERS})
            _write(workspace / "outcome.json", outcome)
    except Stopped as stopped:
        print(f"run.py: {stopped}", file=sys.stderr, flush=True)
        return 1
    return 0 if outcome["state"] == "succeeded" else 1


def run(arguments: Mapping[str, str]) -> dict[str, Any]:
    """Run the pipeline, print how each step ended, and return it all."""
    name = f"run-{os.urandom(6).hex()}"
    faults: list[str] = []
    try:
        from breast_cancer_pipeline import pipeline

        chosen = pipeline.breast_cancer_pipeline
        chosen.with_options(run_name=name)(**arguments)
    except (Exception, SystemExit) as error:
        faults.append(f"{type(error).__name__}: {error}")
    outcome: dict[str, Any] = {"state": "", "steps": {}, "artifacts": {}}
    try:
        found, exits = _found(name)
    except Exception as error:
        found, exits = {}, {}
        faults.append(f"{type(error).__name__}: {error}")
    for step in TRACE["order"]:
        state, lines, ports = "skipped", [], TRACE["steps"][step]["ports"]
        if step in found:
            state = WORDS.get(found[step].status.value, "failed")
            lines = _reason(found[step]) if state == "failed" else []
            outcome["artifacts"] |= _artifacts(step, ports, found[step])
        outcome["steps"][step] = state
        print(f"{step}: {state}", *lines, sep="\n    ", flush=True)
    states = set(outcome["steps"].values())
    well = not faults and states <= {"succeeded", "cached"}
    outcome["state"] = "succeeded" if well else "failed"
    for step in TRACE["exit"]:
        outcome["steps"][step] = exits.get(f"exit {step}", "skipped")
        print(f"{step}: {outcome['steps'][step]}", flush=True)
    if "failed" not in states:  # it is not a step that tells what is wrong
        for fault in faults:
            print(f"run.py: {fault}", flush=True)
    print(f"run: {outcome['state']}", flush=True)
    return outcome


def _found(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what ZenML knows of each step of a run after its last try, and what the
    steps that run at the end in any case have noted on the run."""
    from zenml.client import Client

    runs = Client().list_pipeline_runs(name=name, hydrate=True)
    return (dict(runs[0].steps), dict(runs[0].run_metadata)) if len(runs) else ({}, {})


def _reason(step: Any) -> list[str]:
    """Say why a step failed: what was raised, without where."""
    told = step.exception_info
    if told is None:
        return [f"ZenML calls it {step.status.value}"]
    kind = (told.source or "").rpartition(".")[2]
    ours = (told.source or "").startswith("mlspec.")
    text = told.message or kind
    return (text if ours or not kind else f"{kind}: {text}").splitlines()


def _artifacts(step: str, ports: Mapping[str, str], told: Any) -> dict[str, str]:
    artifacts = {}
    for output, versions in told.outputs.items():
        place = Path(versions[0].uri) / "content"
        if output in ports and place.exists():
            artifacts[f"{step}.{ports[output]}"] = str(place)
    return artifacts


def _write(place: Path, outcome: Mapping[str, Any]) -> None:
    text = json.dumps(outcome, indent=1, sort_keys=True)
    part = place.with_suffix(".part")
    part.write_text(f"{text}\n", encoding="utf-8")
    part.replace(place)


@contextlib.contextmanager
def _home(workspace: Path) -> Iterator[None]:
    """Give ZenML a home in the workspace; it reads these when it is imported."""
    home = workspace / "zenml"
    home.mkdir(exist_ok=True)
    temporary = tempfile.mkdtemp(prefix="tmp-", dir=home)
    # The settings of another server, stack or project are not ours.
    for name in [one for one in os.environ if _foreign(one)]:
        del os.environ[name]
    path = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ |= {
        "AUTO_OPEN_DASHBOARD": "false",
        "MLSPEC_TRACE": str(ROOT / "trace.json"),
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(path),
        "TMPDIR": temporary,
        "UV_NO_CACHE": "1",  # ZenML asks uv what is installed
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_CONFIG_PATH": str(home / "config"),
        "ZENML_CUSTOM_SOURCE_ROOT": str(ROOT),
        "ZENML_ENABLE_REPO_INIT_WARNINGS": "false",
        "ZENML_ENABLE_RICH_TRACEBACK": "false",
        "ZENML_LOCAL_STORES_PATH": str(home / "stores"),
        "ZENML_LOGGING_COLORS_DISABLED": "true",
        "ZENML_REPOSITORY_PATH": str(home),
    }
    tempfile.tempdir = None  # it is looked up again
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(ROOT / "src"))
    os.chdir(ROOT)
    try:
        yield
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _foreign(name: str) -> bool:
    return name.startswith("ZENML_") and not name.startswith("ZENML_LOGGING_")


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let a signal end the run whatever it is doing.

    ZenML tries an interrupted step again, and a library may not listen at all. So
    a signal is repeated each second, and after a time of grace all is over.
    """
    done = threading.Event()
    listen, tell = os.pipe()
    os.set_blocking(tell, False)

    def watch() -> None:
        number = os.read(listen, 1)[0]
        for _ in range(GRACE):
            if done.wait(1):
                return
            os.kill(os.getpid(), number)
        if not done.wait(1):
            shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
            print("run.py: killed, it did not stop", file=sys.stderr, flush=True)
            os._exit(1)

    for one in SIGNALS:
        signal.signal(one, _stop)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        done.set()


def _stop(number: int, frame: object) -> None:
    raise Stopped(f"stopped by {signal.Signals(number).name}")


if __name__ == "__main__":
    sys.exit(main())
