"""The kit's options for pytest (an entry point in the group `pytest11`): nothing heavy is imported unless one is given."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

FOUND = pytest.StashKey[dict[str, dict[str, str]]]()
PROPERTY = "mlspec-conformance"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the kit is told."""
    group = parser.getgroup("mlspec", "conformance of mlspec's backends")
    group.addoption("--mlspec-backend", action="append", default=[], metavar="NAME", help="a backend to check; can be repeated")
    group.addoption(
        "--mlspec-python",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="the interpreter that has a backend's orchestrator",
    )
    group.addoption("--mlspec-results", metavar="FILE", help="write what passed on which runner, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the results."""
    config.stash[FOUND] = {}
    wrong = [one for one in config.getoption("--mlspec-python") if not one.partition("=")[2]]
    if wrong:
        raise pytest.UsageError(f"--mlspec-python takes NAME=PATH, not {wrong[0]}")


def chosen(config: pytest.Config) -> tuple[str, ...]:
    """Return the backends that were asked for."""
    return tuple(dict.fromkeys(config.getoption("--mlspec-backend")))


def interpreters(config: pytest.Config) -> Mapping[str, str]:
    """Return the interpreter of each backend that was given one; every other has this one."""
    told = dict(one.split("=", 1) for one in config.getoption("--mlspec-python"))
    return {name: told.get(name, sys.executable) for name in (*chosen(config), *told)}


class Gather:
    """Keeps what each case came to; also what the workers of pytest-xdist send."""

    def __init__(self, config: pytest.Config) -> None:
        self.found = config.stash[FOUND]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == PROPERTY and (report.when == "call" or not report.passed):
                case, runner, lacks = str(value).split(" ")
                came = "lacks" if lacks == "lacks" and report.passed else report.outcome
                self.found.setdefault(case, {})[runner] = came


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Listen to reports, where they are wanted."""
    if session.config.getoption("--mlspec-results"):
        session.config.pluginmanager.register(Gather(session.config), "mlspec-gather")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the results: `cases` (what each is about), `runners`, and `results` (case -> runner -> passed, failed or lacks)."""
    wanted = session.config.getoption("--mlspec-results")
    if not wanted or hasattr(session.config, "workerinput"):
        return
    from mlspec.kit.case import cases

    found = session.config.stash[FOUND]
    about = {name: case.about for name, case in cases().items() if name in found}
    runners = list(dict.fromkeys(runner for results in found.values() for runner in results))
    told = {"cases": about, "runners": sorted(runners, key=_rank), "results": {name: found[name] for name in about}}
    place = Path(wanted)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _rank(runner: str) -> tuple[bool, str]:
    return runner != "local", runner
