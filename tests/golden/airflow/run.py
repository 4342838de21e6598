"""Runs the DAG on this machine: an Airflow of its own, one run, outcome.json.

Everything is kept under the workspace: Airflow's home with its database (SQLite) and
the steps' files. An AIRFLOW_HOME that MLSPEC_AIRFLOW_HOME names is used as it is.
Exit code: 0 where every step succeeded, 1 where one did not, 2 where nothing was run.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent

PARAMETERS = [
    "data_root",
    "registry_root",
    "workspace",
]
"""What the DAG takes."""

STEPS = [
    "ingest",
    "validate",
    "check_data",
    "split",
    "featurize",
    "cross_validate",
    "train",
    "train_baseline",
    "evaluate",
    "evaluate_baseline",
    "explain",
    "decide",
    "report",
    "gate",
    "package",
    "register",
]
"""Each step in order; those that run at the end last."""

DIRECTORIES = ("data_root", "registry_root", "approvals_root", "workspace")
"""What this takes, whether the DAG does or not: relative to where it is called."""

WORDS = {"success": "succeeded", "failed": "failed"}
"""How we call the states of Airflow's tasks; every other never started."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Nothing leaves the machine, nothing is looked for that a run does not need.
BUNDLE = {
    "name": "breast-cancer",
    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
    "kwargs": {"path": str(ROOT / "dags")},
}
SETTINGS = {
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([BUNDLE]),
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "airflow=ERROR,py.warnings=ERROR,task=CRITICAL",
    "AIRFLOW__SCHEDULER__ENABLE_JOB_HEARTBEAT": "False",
    "AIRFLOW__SCHEDULER__ENABLE_TRACEMALLOC": "False",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "DO_NOT_TRACK": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "SCARF_ANALYTICS": "false",
}


class Stopped(BaseException):
    """Somebody asked us to stop."""


def main(arguments: list[str] | None = None) -> int:
    """Run the DAG once and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data-root",
        default=".",
        help="Directory that the paths of the data sources are relative to.",
    )
    parser.add_argument(
        "--registry-root",
        default="registry",
        help="Directory of the model registry.",
    )
    parser.add_argument(
        "--workspace",
        default="workspace",
        help="Directory of the steps' files and of what is used again.",
    )
    parser.add_argument(
        "--approvals-root",
        default="approvals",
        help="Not used by this DAG.",
    )
    chosen = vars(parser.parse_args(arguments))
    for name in DIRECTORIES:
        chosen[name] = str(Path(chosen[name]).resolve())
    workspace = Path(chosen["workspace"])
    workspace.mkdir(parents=True, exist_ok=True)
    (workspace / "outcome.json").unlink(missing_ok=True)
    for one in SIGNALS:
        signal.signal(one, _stop)
    try:
        with server(workspace, os.environ) as environment:
            os.environ.update(environment)
            return run(chosen)
    except Stopped as stopped:
        print(f"run.py: {stopped}", file=sys.stderr, flush=True)
        return 1
    except ImportError as error:
        told = "pip install -r requirements.txt"
        print(f"run.py: {error}: {told}", file=sys.stderr, flush=True)
        return 2


@contextlib.contextmanager
def server(workspace: Path, given: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Give the environment of an Airflow with a database; other runs may use it, too."""
    named = given.get("MLSPEC_AIRFLOW_HOME")
    home = Path(named) if named else workspace / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    settings = {**SETTINGS, "AIRFLOW_HOME": str(home), "MLSPEC_AIRFLOW_HOME": str(home)}
    # Settings of another Airflow (its database, its executor) are not ours.
    for name in [one for one in os.environ if one.startswith("AIRFLOW__")]:
        del os.environ[name]
    os.environ.update(settings)
    if not (home / "ready").exists():
        from airflow.utils.db import upgradedb

        upgradedb()
        (home / "ready").touch()
    asyncio.run(_ready())
    yield settings


async def _ready() -> None:
    """Have what tasks talk to made: it takes seconds, and runs that share us share it."""
    import httpx
    from airflow.sdk.execution_time.supervisor import in_process_api_server

    here = httpx.ASGITransport(app=in_process_api_server().app)
    async with httpx.AsyncClient(transport=here, base_url="http://here") as client:
        await client.get("/health")


def run(chosen: Mapping[str, str]) -> int:
    """Run the DAG, print how each step ended, and write it all down."""
    sys.path.insert(0, str(ROOT / "dags"))
    import breast_cancer_dag

    dag = breast_cancer_dag.breast_cancer_dag()
    conf = {name: chosen[name] for name in PARAMETERS}
    ended = dag.test(run_conf=conf)
    states = {one.task_id: str(one.state) for one in ended.get_task_instances()}
    told = xcoms(ended.run_id)
    outcome: dict[str, Any] = {"state": "failed", "steps": {}, "artifacts": {}}
    for step in STEPS:
        state = WORDS.get(states.get(step, ""), "skipped")
        if state == "succeeded":
            made = told.get((step, "return_value")) or {}
            outcome["artifacts"] |= {f"{step}.{name}": made[name] for name in made}
            state = "cached" if (step, "mlspec.cached") in told else state
        outcome["steps"][step] = state
        why = f": {told.get((step, 'mlspec.fault'), 'see the log')}"
        print(f"{step}: {state}{why if state == 'failed' else ''}", flush=True)
    if ended.state == "success":
        outcome["state"] = "succeeded"
    print(f"run: {outcome['state']}", flush=True)
    place = Path(chosen["workspace"]) / "outcome.json"
    part = place.with_suffix(".part")
    part.write_text(f"{json.dumps(outcome, indent=1, sort_keys=True)}\n", "utf-8")
    part.replace(place)
    return 0 if outcome["state"] == "succeeded" else 1


def xcoms(run: str) -> dict[tuple[str, str], Any]:
    """Return what the tasks of a run have said, by task and key."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    query = select(XComModel).where(XComModel.dag_id == "breast-cancer")
    with create_session() as session:
        rows = session.scalars(query.where(XComModel.run_id == run)).all()
        return {
            (one.task_id, one.key): XComModel.deserialize_value(one) for one in rows
        }


def _stop(number: int, frame: object) -> None:
    raise Stopped(f"stopped by {signal.Signals(number).name}")


if __name__ == "__main__":
    sys.exit(main())
