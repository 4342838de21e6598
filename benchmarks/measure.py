"""CPU time and peak memory of commands, and times of calls, taken in turn: a machine whose speed drifts treats them alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Command:
    """A command, where it runs, and what is done before each run (not measured)."""

    words: Sequence[str]
    folder: Path
    before: Callable[[], None] = lambda: None


# As on a user's machine: bytecode is kept between runs, and no setting of the Python that measures reaches those it measures.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of CPU (user + system, children included) and peak resident bytes."""

    cpu: float
    peak: int


@dataclass(frozen=True)
class Promise:
    """A ratio and the most it may be."""

    what: str
    ratio: float
    most: float
    kept: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kept", self.ratio <= self.most)


def once(command: Command) -> Cost:
    """Run a command, waiting for it with the operating system's own accounting; it must succeed."""
    command.before()
    process = subprocess.Popen(
        command.words, cwd=command.folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command.words)} ended with {process.returncode}:\n{said}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def in_turn(commands: Mapping[str, Command], rounds: int) -> dict[str, Cost]:
    """Run every command once to warm up, then `rounds` times in turn; return the median CPU and the highest peak of each."""
    for command in commands.values():
        once(command)
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            costs[name].append(once(command))
    return {name: Cost(statistics.median(one.cpu for one in told), max(one.peak for one in told)) for name, told in costs.items()}


def blocks_in_turn(
    calls: Mapping[str, Callable[[], object]], rounds: int, seconds: float, least: int = 5
) -> dict[str, list[float]]:
    """Call each for a block of `seconds`, and at least so often, block after block in turn; return the median seconds of a call
    for each block.

    Blocks, not single calls in turn: what was called before leaves caches full of its own, and what takes a microsecond would be
    measured as five of them after something large.
    """
    found: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(_block(call, seconds, least))
    return found


def _block(call: Callable[[], object], seconds: float, least: int) -> float:
    took: list[float] = []
    call()
    end = time.perf_counter() + seconds
    while len(took) < least or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        took.append(time.perf_counter() - start)
    return statistics.median(took)


def ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """The median of the ratios of two contestants, round by round: what slows a whole round down slows both."""
    return statistics.median(mine / theirs for mine, theirs in zip(one, other, strict=True))
