"""Runs the flow in this process and writes down how it ended, as the server tells it."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from mlspec.runtime.artifact import read_json, write_json
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State, TaskRun

from breast_cancer_flow.ending import step_of
from breast_cancer_flow.flow import breast_cancer_flow

PARAMETERS = [
    "data_root",
    "registry_root",
    "workspace",
]

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

TRACE = Path(__file__).resolve().parent.parent / "trace.json"
NEEDS = {name: one["needs"] for name, one in read_json(TRACE)["steps"].items()}

PATIENCE = 60.0
"""Seconds for the server to learn the last states: tasks report theirs as events."""


def main() -> int:
    """Run the flow once; return the exit code."""
    parser = argparse.ArgumentParser()
    for name in PARAMETERS:
        parser.add_argument(f"--{name.replace('_', '-')}", required=True)
    chosen = vars(parser.parse_args())
    state = breast_cancer_flow(**chosen, return_state=True)
    assert state.state_details.flow_run_id is not None
    flow_run, runs = read_back(state.state_details.flow_run_id)
    steps = {step: ending(runs[step].state if step in runs else None) for step in STEPS}
    well = bool(flow_run.state and flow_run.state.is_completed())
    well = well and all(one in ("succeeded", "cached") for one in steps.values())
    outcome = {
        "state": "succeeded" if well else "failed",
        "steps": steps,
        "artifacts": artifacts(runs),
    }
    write_json(Path(chosen["workspace"]) / "outcome.json", outcome)
    for step, ended in steps.items():
        told = runs[step].state if step in runs else None
        well_or_unsaid = told is None or told.is_completed() or not told.message
        why = "" if well_or_unsaid else f": {told.message}"
        print(f"{step}: {ended}{why}", flush=True)
    print(f"run: {outcome['state']}", flush=True)
    return 0 if well else 1


def read_back(run: UUID) -> tuple[FlowRun, dict[str, TaskRun]]:
    """Read a flow run and its task runs, by step, once all of them are told as ended."""
    only = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
    until = time.monotonic() + PATIENCE
    with get_client(sync_client=True) as client:
        while True:
            flow_run = client.read_flow_run(run)
            found: list[TaskRun] = []
            while page := client.read_task_runs(
                flow_run_filter=only, offset=len(found)
            ):
                found += page
            runs = {str(step_of(one.name)): one for one in found}
            if have_ended(runs) or time.monotonic() > until:
                return flow_run, runs
            time.sleep(0.2)


def have_ended(runs: dict[str, TaskRun]) -> bool:
    """Say whether each step has ended. One that was never begun, as what it needs has
    not succeeded, may be unknown to the server.
    """
    well: dict[str, bool] = {}
    for step in STEPS:
        run = runs.get(step)
        begun = all(well[need] for need in NEEDS[step])
        if (run is None and begun) or (run is not None and not has_ended(run.state)):
            return False
        well[step] = run is not None and bool(run.state and run.state.is_completed())
    return True


def has_ended(state: State | None) -> bool:
    """Say whether a state is a last one; a task whose need failed stays NotReady."""
    return state is not None and (state.is_final() or state.name == "NotReady")


def ending(state: State | None) -> str:
    """Say in one word how a step ended. One that never said it had ended has failed."""
    if state is None or state.name == "NotReady":
        return "skipped"
    if state.is_completed():
        return "cached" if state.name == "Cached" else "succeeded"
    return "failed"


def artifacts(runs: dict[str, TaskRun]) -> dict[str, str]:
    """Return where each output lies, from the results of the tasks that completed."""
    found: dict[str, Any] = {}
    for step in STEPS:
        state = runs[step].state if step in runs else None
        if state is None or not state.is_completed():
            continue
        for name, path in state.result().items():
            if Path(path).exists():
                found[f"{step}.{name}"] = path
    return found


if __name__ == "__main__":
    sys.exit(main())
