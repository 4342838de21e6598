"""CPU time and peak memory of commands, taken in turn so that a machine whose speed drifts treats them alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
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
