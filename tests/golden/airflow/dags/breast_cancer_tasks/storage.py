"""Where the steps' files lie, when they may be used again, and how a step is run."""

import json
import os
import re
import shutil
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow.sdk import Variable, get_current_context
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.sdk.log import mask_secret
from mlspec import runtime
from mlspec.diagnostic import Problem
from mlspec.runtime import content, secret
from mlspec.runtime.artifact import digest, read_json, write_json

from breast_cancer_tasks.params import STEPS

PROJECT = Path(__file__).resolve().parent.parent.parent

Files = dict[str, str]
"""What a task returns: the absolute path of each of its outputs, by name."""

FACTS, FAULT, CACHED = "mlspec.facts", "mlspec.fault", "mlspec.cached"
"""XComs of each task beside its outputs: small facts about them; why it failed; which
run made what it used again."""


def perform(
    op: str,
    *,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    bindings: Mapping[str, str] | None = None,
    timeout: float | None = None,
    max_age: float | None = None,
    environment: Mapping[str, str] | None = None,
    secrets: Mapping[str, Sequence[str]] | None = None,
    ending: bool = False,
    more: Mapping[str, Any] | None = None,
) -> Files:
    """Run the step that the current task is, or use again what an earlier run has made.

    `outputs` names the file for each output, `bindings` which parameter of the run sets
    a param. A step at the `ending` is told how the others have ended. A task is not
    tried again where that cannot help.
    """
    context = get_current_context()
    task = context["ti"]
    os.environ["MLSPEC_TRACE"] = str(PROJECT / "trace.json")
    top = Path(context["params"]["workspace"]).resolve()
    bound = {
        param: context["params"][parameter]
        for param, parameter in (bindings or {}).items()
    }
    params = {**STEPS[task.task_id], **bound, **(more or {})}
    if ending:
        params |= _ended(context)
    read = {name: Path(path) for name, path in inputs.items()}
    place = top / "runs" / _plain(context["run_id"]) / task.task_id
    try:
        key = _key(op, params, bound, read, outputs, environment, secrets)
        known = _usable(top, key, read, params, op, max_age)
        if known:
            print(f"Used again: what the run {known['run']} has made")
            task.xcom_push(CACHED, known["run"])
            found = {name: path for name, (path, _) in known["files"].items()}
            _show(context, op, known["facts"], found)
            return found
        shutil.rmtree(place, ignore_errors=True)  # what an earlier try has left
        place.mkdir(parents=True)
        files = {name: str(place / file) for name, file in outputs.items()}
        facts = runtime.run(
            op,
            inputs=read,
            outputs=files,
            params=params,
            timeout=timeout,
            environment=_variables(environment or {}, secrets or {}) or None,
            step=task.task_id,
        )
    except Exception as error:
        if not isinstance(error, Problem):
            task.xcom_push(FAULT, f"{type(error).__name__}: {error}")
            traceback.print_exc()
            raise
        task.xcom_push(FAULT, str(error))
        again = runtime.worth_another_try(error)
        kind = AirflowException if again else AirflowFailException
        raise kind(str(error)) from None
    _remember(top, key, files, facts, context["run_id"])
    _show(context, op, facts, files)
    return files


def _ended(context: Mapping[str, Any]) -> dict[str, Any]:
    """Say how the run's other tasks have ended."""
    run = context["run_id"]
    found = context["ti"].get_task_states(dag_id=context["dag"].dag_id, run_ids=[run])
    states = found.get(run, {})
    failed = [step for step in STEPS if states.get(step) == "failed"]
    failed = [step for step in failed if not context["dag"].get_task(step).is_teardown]
    return {"state": "failed" if failed else "succeeded", "failed": failed}


def _variables(
    plain: Mapping[str, str], secrets: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Return a step's variables. A secret is an Airflow Variable `<name>_<key>`, from
    whatever backend Airflow has, else what any machine has of that name.
    """
    here: dict[str, Sequence[str]] = {}
    found = dict(plain)
    for variable, (store, name, key) in secrets.items():
        value = None
        if store == "secret":
            value = Variable.get(f"{name}_{key}", default=None)
        if value is None:
            here[variable] = (store, name, key)
        else:
            found[variable] = value
    found |= secret.environment({}, here)
    for variable in secrets:
        mask_secret(found[variable])
    return found


def _key(
    op: str,
    params: Mapping[str, Any],
    bound: Mapping[str, str],
    read: Mapping[str, Path],
    outputs: Mapping[str, str],
    environment: Mapping[str, str] | None,
    secrets: Mapping[str, Sequence[str]] | None,
) -> str | None:
    """Return the content key of a step; None where what it makes cannot be known."""
    try:
        parts = content.parts(
            op,
            params,
            bound=bound,
            inputs={name: digest(path) for name, path in read.items()},
            outputs=sorted(outputs),
            code=_source(),
            file_digest=digest,
            environment=environment,
            secrets=secrets,
        )
    except (OSError, Problem):
        return None  # the step itself runs into this too, and says it properly
    return content.key(parts) if parts is not None else None


def _usable(
    top: Path,
    key: str | None,
    read: Mapping[str, Path],
    params: Mapping[str, Any],
    op: str,
    max_age: float | None,
) -> dict[str, Any] | None:
    """Return the note of an earlier run whose files are there, unchanged and young."""
    if key is None:
        return None
    try:
        note: dict[str, Any] = read_json(top / "keys" / f"{key}.json")
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    made = {name: Path(path) for name, (path, _) in note["files"].items()}
    if max_age is not None and time.time() - note["made"] > max_age:
        return None
    if not all(
        path.exists() and digest(path) == note["files"][name][1]
        for name, path in made.items()
    ):
        return None
    fresh = getattr(import_module(f"mlspec.runtime.{op}"), "fresh", None)
    return note if fresh is None or fresh(read, made, params) else None


def _remember(
    top: Path, key: str | None, files: Files, facts: Mapping[str, Any], run: str
) -> None:
    """Note where the files for a content key lie, and what they hold."""
    if key is not None:
        made = {name: [path, digest(Path(path))] for name, path in files.items()}
        note = {"run": run, "made": time.time(), "files": made, "facts": facts}
        write_json(top / "keys" / f"{key}.json", note)


def _show(
    context: Mapping[str, Any], op: str, facts: Mapping[str, Any], files: Files
) -> None:
    """Show facts where Airflow shows such things: in the log, as an XCom, and with
    assets. A decision is there in the log, requirement by requirement.
    """
    for name, fact in facts.items():
        print(f"{name}: {fact}")
    if op == "decide":
        for one in read_json(Path(files["decision"]))["requirements"]:
            value = "not a number" if one["value"] is None else f"{one['value']:.4g}"
            why = f" ({one['reason']})" if one.get("reason") else ""
            print(" ".join(f"{one['verdict']}: {one['target']}: {value}{why}".split()))
    context["ti"].xcom_push(FACTS, dict(facts))
    for asset in context["task"].outlets:
        context["outlet_events"][asset].extra = dict(facts)


@cache
def _source() -> dict[str, str]:
    """The digests of the user's own modules."""
    return content.tree_digests(PROJECT / "src")


def _plain(text: str) -> str:
    """Make a directory's name of a run's id."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)
