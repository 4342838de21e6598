"""How a run ends: which steps did what they should."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.exceptions import UpstreamTaskError
from prefect.futures import PrefectFuture
from prefect.states import Pending

# A task run has the step's name, and in a family a label; one that never started has
# the name that Prefect gives first, `step-1a2`.
NAME = re.compile(r"([a-z][a-z0-9_]*)(-[0-9a-f]{3}| \(.*\))?", re.DOTALL)


@dataclass(frozen=True)
class News:
    """How the steps of a run have ended."""

    states: list[State]
    state: str
    failed: list[str]
    ran: bool


def reached(runs: Mapping[str, PrefectFuture[Any]]) -> News:
    """Wait until every step has ended, log how it has, and sum it up."""
    states = {step: state_of(run) for step, run in runs.items()}
    for step, state in states.items():
        get_run_logger().info("%s: %s", step, state.name)
    well = all(state.is_completed() for state in states.values())
    return News(
        states=list(states.values()),
        state="succeeded" if well else "failed",
        failed=[step for step, state in states.items() if has_failed(state)],
        ran=any(state.name not in ("Cached", "NotReady") for state in states.values()),
    )


def state_of(run: PrefectFuture[Any]) -> State:
    """Wait for a run and return how it has ended.

    One that was never handed to another process, as what it needs has failed, has no
    state of its own.
    """
    try:
        run.wait()
        return run.state
    except UpstreamTaskError as reason:
        return Pending(name="NotReady", message=str(reason))


def has_failed(state: State | None) -> bool:
    """Say whether a step has failed; one that was not ready was never tried."""
    if state is None or state.name == "NotReady":
        return False
    return not state.is_completed()


def step_of(task_run: str) -> str | None:
    """Return the step that a task run is of, by its name."""
    found = NAME.fullmatch(task_run)
    return found[1] if found else None
