"""Where the steps' files lie, when they may be used again, and how a step is run."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from mlspec import runtime
from mlspec.diagnostic import Problem
from mlspec.runner import code_digest, libraries
from mlspec.runtime.artifact import digest, read_json, write_json
from mlspec.runtime.child import TimedOut
from mlspec.runtime.gate import GateFailed
from prefect import get_run_logger
from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import Task
from prefect.transactions import get_transaction

SOURCE = Path(__file__).resolve().parent.parent / "src"

Files = dict[str, str]
"""What a task returns: the absolute path of each of its outputs, by name."""


@dataclass(frozen=True)
class Output:
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
    files, so that a result whose files are gone or changed is never used.
    """

    op: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """Return a key that is another run's only where its files can be used."""
        run = str(task_ctx.task_run.id)
        workspace = Path(inputs["workspace"]).resolve()
        bound = {
            name: value
            for name, value in inputs.items()
            if isinstance(value, str) and name != "workspace"
        }
        read = {
            name: value.path
            for name, value in inputs.items()
            if isinstance(value, Output)
        }
        params = {**self.params, **bound}
        try:
            content = self._content(params, bound, read)
            if content is None:
                return f"run-{run}"
            note = _note(workspace, content)
            if note is not None and self._usable(note, read, params):
                run = note["run"]
        except (OSError, Problem) as fault:
            # The step itself runs into this too, and says it properly.
            get_run_logger().info("Not looked for in the cache: %s", fault)
            return f"run-{run}"
        return f"{content}-{run}"

    def _content(
        self,
        params: Mapping[str, Any],
        bound: Mapping[str, str],
        read: Mapping[str, Path],
    ) -> str | None:
        module = import_module(f"mlspec.runtime.{self.op}")
        external = getattr(module, "external", None)
        if bound and not external and not hasattr(module, "fresh"):
            return None
        parts = {
            "op": self.op,
            "params": {
                name: value
                for name, value in params.items()
                if name not in bound or not external
            },
            "external": external(params, digest) if external else None,
            "inputs": {name: digest(path) for name, path in read.items()},
            "mlspec": code_digest(),
            "libraries": libraries(),
            "code": _source_digest(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _usable(
        self,
        note: Mapping[str, Any],
        read: Mapping[str, Path],
        params: Mapping[str, Any],
    ) -> bool:
        made = {name: Path(path) for name, (path, _) in note["files"].items()}
        if not all(
            path.exists() and digest(path) == note["files"][name][1]
            for name, path in made.items()
        ):
            return False
        fresh = getattr(import_module(f"mlspec.runtime.{self.op}"), "fresh", None)
        return fresh is None or bool(fresh(read, made, params))


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
    top = Path(workspace).resolve()
    place = top / "artifacts" / context.task.name / str(context.task_run.id)
    shutil.rmtree(place, ignore_errors=True)  # what an earlier try has left
    place.mkdir(parents=True)
    files = {name: str(place / file) for name, file in outputs.items()}
    try:
        facts = runtime.run(
            op,
            inputs={name: output.path for name, output in inputs.items()},
            outputs=files,
            params=params,
            timeout=timeout,
        )
    except TimedOut as late:
        # Prefect shows a builtin TimeoutError as the state TimedOut.
        raise TimeoutError(str(late)) from None
    _remember(top, files)
    get_run_logger().info("Facts: %s", json.dumps(facts, sort_keys=True))
    return Made(files, facts)


def worth_another_try(task: Task, task_run: TaskRun, state: State) -> bool:
    """Retry every failure but a gate's: a verdict does not change by asking again."""
    return not isinstance(state.data, GateFailed)


def _remember(workspace: Path, files: Files) -> None:
    """Note which run made the files for a content key, and what they hold."""
    transaction = get_transaction()
    content, _, run = ((transaction and transaction.key) or "run-").partition("-")
    if content == "run":  # a step that is never cached
        return
    made = {name: [path, digest(Path(path))] for name, path in files.items()}
    write_json(workspace / "keys" / f"{content}.json", {"run": run, "files": made})


def _note(workspace: Path, content: str) -> dict[str, Any] | None:
    try:
        note: dict[str, Any] = read_json(workspace / "keys" / f"{content}.json")
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return note


@cache
def _source_digest() -> str:
    """The digest of the user's own modules."""
    whole = hashlib.sha256()
    for file in sorted(SOURCE.rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            name = file.relative_to(SOURCE).as_posix()
            whole.update(f"{name}\0{digest(file)}\n".encode())
    return whole.hexdigest()
