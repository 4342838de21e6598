"""Where the steps' files lie, when they may be used again, and how a step is run."""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from mlspec import runtime
from mlspec.diagnostic import Problem
from mlspec.runtime import content
from mlspec.runtime.artifact import digest, read_json, write_json
from mlspec.runtime.child import TimedOut
from prefect import get_run_logger
from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import Task
from prefect.transactions import get_transaction

from breast_cancer_flow import params

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"

# Every process that runs a step imports this: it finds the user's own modules, and what
# says which lines of the spec a step is from.
sys.path.insert(0, str(SOURCE))
os.environ.setdefault("MLSPEC_TRACE", str(ROOT / "trace.json"))

TURNS = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))
"""How many steps do their work at the same time in this process."""

Files = dict[str, str]
"""What a task returns: the absolute path of each of its outputs, by name."""


class Output(NamedTuple):
    """One output of a step. Prefect puts the step's result in the future's place."""

    files: Files
    name: str

    @property
    def path(self) -> Path:
        """The file, or the directory, that the step wrote."""
        return Path(self.files[self.name])


@dataclass(frozen=True)
class Made:
    """What a step left: its files, and small facts about them."""

    files: Files
    facts: dict[str, Any]


@dataclass
class ContentKey(CachePolicy):
    """Cache by content: the op, its parameters, the bytes it reads, and the code.

    A step that reads or changes what is not among its inputs is asked what lies there;
    one that cannot say is never cached. Prefect's key also names the run that made the
    files, so that a result whose files are gone, changed or too old is never used.
    """

    op: str = ""
    constant: str = ""
    outputs: list[str] = field(default_factory=list)
    bound: dict[str, str] = field(default_factory=dict)
    max_age: float | None = None

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """Return a key that is another run's only where its files can be used."""
        run = str(task_ctx.task_run.id)
        read = {
            name: value.path
            for name, value in inputs.items()
            if isinstance(value, Output)
        }
        try:
            given = self._params(inputs)
            parts = self._parts(given, read)
            if parts is None:
                return f"run-{run}"
            made_by = content.key(parts)
            note = _note(Path(inputs["workspace"]).resolve(), made_by)
            if note is not None and self._usable(note, read, given):
                run = note["run"]
        except (OSError, Problem) as fault:
            # The step itself runs into this too, and says it properly.
            get_run_logger().info("Not looked for in the cache: %s", fault)
            return f"run-{run}"
        return f"{made_by}-{run}"

    def _params(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The step's parameters; a family keeps those of all its steps together."""
        told = getattr(params, self.constant)
        if "step" in inputs:
            told = told[inputs["step"]]
        return {**told, **{one: inputs[name] for one, name in self.bound.items()}}

    def _parts(
        self, given: Mapping[str, Any], read: Mapping[str, Path]
    ) -> dict[str, Any] | None:
        return content.parts(
            self.op,
            given,
            bound=self.bound,
            inputs={name: digest(path) for name, path in read.items()},
            outputs=self.outputs,
            code=content.tree_digests(SOURCE),
            file_digest=digest,
        )

    def _usable(
        self,
        note: Mapping[str, Any],
        read: Mapping[str, Path],
        given: Mapping[str, Any],
    ) -> bool:
        if self.max_age is not None and time.time() - note["made"] > self.max_age:
            return False
        made = {name: Path(path) for name, (path, _) in note["files"].items()}
        if not all(
            path.exists() and digest(path) == note["files"][name][1]
            for name, path in made.items()
        ):
            return False
        fresh = getattr(import_module(f"mlspec.runtime.{self.op}"), "fresh", None)
        return fresh is None or bool(fresh(read, made, given))


def perform(
    op: str,
    *,
    workspace: str,
    inputs: Mapping[str, Output],
    outputs: Mapping[str, str],
    params: Mapping[str, Any],
    timeout: float | None = None,
) -> Made:
    """Run a step of the pipeline and return what it made.

    `outputs` names the file for each output. With a `timeout` the step runs in a process
    of its own, which is killed when its time is up: Prefect's `timeout_seconds` cannot
    interrupt a task that was submitted to a thread.
    """
    context = TaskRunContext.get()
    assert context is not None, "a step is run by a task"
    step = context.task.name
    top = Path(workspace).resolve()
    place = top / "artifacts" / step / str(context.task_run.id)
    shutil.rmtree(place, ignore_errors=True)  # what an earlier try has left
    place.mkdir(parents=True)
    files = {name: str(place / file) for name, file in outputs.items()}
    try:
        with TURNS:
            facts = runtime.run(
                op,
                inputs={name: output.path for name, output in inputs.items()},
                outputs=files,
                params=params,
                timeout=timeout,
                step=step,
            )
    except TimedOut as late:
        # Prefect shows a builtin TimeoutError as the state TimedOut.
        raise TimeoutError(str(late)) from None
    _remember(top, files)
    get_run_logger().info("Facts: %s", json.dumps(facts, sort_keys=True))
    return Made(files, facts)


def worth_another_try(task: Task, task_run: TaskRun, state: State) -> bool:
    """Retry what may pass: not a gate's verdict, which stays what it is."""
    return runtime.worth_another_try(state.data)


def _remember(workspace: Path, files: Files) -> None:
    """Note which run made the files for a content key, when, and what they hold."""
    transaction = get_transaction()
    made_by, _, run = ((transaction and transaction.key) or "run-").partition("-")
    if made_by == "run":  # a step that is never cached
        return
    told = {name: [path, digest(Path(path))] for name, path in files.items()}
    note = {"run": run, "made": time.time(), "files": told}
    write_json(workspace / "keys" / f"{made_by}.json", note)


def _note(workspace: Path, made_by: str) -> dict[str, Any] | None:
    try:
        note: dict[str, Any] = read_json(workspace / "keys" / f"{made_by}.json")
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return note
