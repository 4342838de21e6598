"""The conformance matrix: every case of the kit on the local runner and on each backend, and what the kit asks of emission."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mlspec.kit.suite import *  # noqa: F403 - the tests themselves

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
AIRFLOW = ROOT / ".venvs" / "airflow" / "bin" / "python"
RUNNERS = ("local", "kfp", "prefect", "zenml", "airflow")


@pytest.fixture(scope="session")
def interpreters() -> Iterator[Mapping[str, str]]:
    """This environment has all orchestrators but Airflow, which has one of its own; both see the checkout, not its wheel."""
    if not AIRFLOW.exists():
        pytest.skip("Airflow's environment is not there: make envs")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), before)))
    yield {name: str(AIRFLOW) if name == "airflow" else sys.executable for name in RUNNERS}
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
