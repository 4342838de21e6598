"""Run folders, as the guide lays them out: `runs/churn/run_001/` with config.yaml, model, metrics.json and logs/."""

from __future__ import annotations

import contextlib
import contextvars
import io
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TextIO

from mlspec.fan_out import MARK
from mlspec.runtime.artifact import write_json, write_text

SHOWN = {
    "evaluate.metrics": "metrics.json",
    "evaluate.predictions": "predictions.parquet",
    "decide.decision": "decision.json",
    "report.page": "report.html",
    "train.model": "model.joblib",
    "package.package": "package",
    "validate.quarantine": "quarantine.parquet",
    "split.manifest": "splits.json",
    "choose.chosen": "tuning.json",
    "summary.summary": "summary.json",
    "summary.page": "summary.html",
    "ship.page": "edge.html",
    "ship.decision": "edge.json",
}
"""Which outputs a run folder shows, under which name."""


def shown_as(output: str) -> str | None:
    """Return the name under which a run folder shows an output, if it does; what is for one item is in the item's folder."""
    step, _, port = output.partition(".")
    name, mark, item = step.partition(MARK)
    shown = SHOWN.get(f"{name}.{port}")
    return f"{item}/{shown}" if shown and mark else shown


_log: contextvars.ContextVar[IO[str] | None] = contextvars.ContextVar("log", default=None)


class Folder:
    """One run's folder. Its `run.json` says how the run stands; the lock says whether its process still lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs: dict[str, IO[str]] = {}
        self._lock: IO[str] | None = None

    def note(self, told: Mapping[str, Any]) -> None:
        write_json(self.path / "run.json", dict(told))

    def config(self, text: str) -> None:
        write_text(self.path / "config.yaml", text)

    def show(self, artifacts: Mapping[str, Path]) -> dict[str, Path]:
        """Copy the outputs that people look for out of the store; return where each lies now. Doing it again changes nothing."""
        shown = {}
        for output, source in artifacts.items():
            name = shown_as(output)
            if name is not None:
                shown[name] = self.path / name
                shown[name].parent.mkdir(exist_ok=True)
                _copy(source, shown[name])
        return shown

    def capture(self, step: str) -> contextvars.Context:
        """A context in which everything a step prints or logs goes to `logs/STEP.log`."""
        (self.path / "logs").mkdir(exist_ok=True)
        if step not in self.logs:
            self.logs[step] = (self.path / "logs" / f"{step}.log").open("a", encoding="utf-8", buffering=1)
        context = contextvars.copy_context()
        context.run(_log.set, self.logs[step])
        return context

    def close(self) -> None:
        for log in self.logs.values():
            log.close()
        if self._lock:
            self._lock.close()

    def claim(self) -> bool:
        """Take the folder for this process; False where another living process holds it."""
        import fcntl

        lock = (self.path / ".lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        self._lock = lock
        return True


def start(runs: Path, mark: str) -> Folder:
    """Return the folder for a run: that of an interrupted run of the same spec (`mark`) if there is one, else the next number."""
    runs.mkdir(parents=True, exist_ok=True)
    there = sorted(path for path in runs.glob("run_*") if path.name[4:].isdigit())
    if there:
        folder = Folder(there[-1])
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            told = json.loads((folder.path / "run.json").read_bytes())
            if told.get("state") == "running" and told.get("mark") == mark and folder.claim():
                return folder
    number = int(there[-1].name[4:]) if there else 0
    while True:
        number += 1
        with contextlib.suppress(FileExistsError):
            path = runs / f"run_{number:03d}"
            path.mkdir()
            folder = Folder(path)
            folder.claim()
            return folder


def latest(runs: Path) -> Path | None:
    """Return the newest run folder, or None."""
    there = sorted((path for path in runs.glob("run_*") if path.name[4:].isdigit()), key=lambda path: int(path.name[4:]))
    return there[-1] if there else None


def _copy(source: Path, target: Path) -> None:
    staged = target.with_name(f".{target.name}.{os.getpid()}")
    if source.is_dir():
        shutil.copytree(source, staged)
        shutil.rmtree(target, ignore_errors=True)
    else:
        shutil.copyfile(source, staged)
    os.replace(staged, target)


class _Fork(io.TextIOBase):
    """A stream that goes to the running step's log inside a step and to the real stream elsewhere."""

    def __init__(self, real: TextIO) -> None:
        self.real = real

    def write(self, text: str) -> int:
        return (_log.get() or self.real).write(text)

    def flush(self) -> None:
        (_log.get() or self.real).flush()

    def isatty(self) -> bool:
        return _log.get() is None and self.real.isatty()

    def fileno(self) -> int:
        return self.real.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.real.encoding


_forking = threading.Lock()


@contextlib.contextmanager
def captured() -> Iterator[None]:
    """While this holds, what steps print, warn or log goes to their own logs (see `Folder.capture`)."""
    import logging

    handler = logging.StreamHandler(_LogOnly())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    with _forking:
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Fork(sys.stdout), _Fork(sys.stderr)
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
            root.removeHandler(handler)
            root.setLevel(level)


class _LogOnly(io.TextIOBase):
    """Where log records go: the step's log, or nowhere outside of a step."""

    def write(self, text: str) -> int:
        log = _log.get()
        return log.write(text) if log else len(text)
