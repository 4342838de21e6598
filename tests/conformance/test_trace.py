"""A failure on any runner says which lines of the spec it comes from, which row of the guide's table fits, and what to change."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.isolated import offline
from tests.conformance.test_gallery import ROOT, mlspec

pytestmark = pytest.mark.slow

SPEC = """\
mlspec: 1
project: {name: troubled}
requirements:
  metrics:
    - {metric: roc_auc, target: ">= 0.99999"}
task: {kind: classification, target: target, positive: malignant}
data:
  sources: {tumours: {kind: sklearn, dataset: breast_cancer}}
splits: {seed: 7}
model: {kind: sklearn.logistic_regression}
steps:
  collect: {entrypoint: "work:collect", outputs: {rows: table}}
"""
WORK = """\
def collect(inputs, outputs):
    raise ConnectionError("the warehouse does not answer")
"""
OF_THE_STEP = (
    "work:collect raised ConnectionError: the warehouse does not answer",
    "work.py:2: raise ConnectionError(",
    "Integration failures (API errors, timeouts): Better error handling; Monitoring; More tries, or more time",
    "to change: steps.collect.retries, steps.collect.timeout",
)
OF_THE_GATE = (
    "the requirement is >= 0.99999",
    "Underfitting (low train and validation score): A more complex model; Feature engineering",
    "to change: model.kind, features, requirements.metrics[0].target",
)
TRACED = (
    "step collect comes from steps.collect (spec.yaml:12)",
    "step gate comes from requirements.metrics[0].target",
    "(spec.yaml:5",
)
PLACED = ("spec.yaml:12:", "spec.yaml:5:")
"""How our own runner names the lines: under a caret."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory whose name is short: a server's socket paths have a limit."""
    with tempfile.TemporaryDirectory(prefix="t-", ignore_cleanup_errors=True) as name:
        place = Path(name).resolve()
        (place / "spec.yaml").write_text(SPEC, encoding="utf-8")
        (place / "work.py").write_text(WORK, encoding="utf-8")
        yield place


def lacking(said: str, *texts: str) -> list[str]:
    return [text for text in texts if text not in said]


def test_here(folder: Path) -> None:
    ran = mlspec(folder, "run", "spec.yaml")
    assert ran.returncode == 1
    assert lacking(ran.stdout + ran.stderr, *OF_THE_STEP, *OF_THE_GATE, *PLACED) == [], ran.stdout + ran.stderr


@pytest.mark.parametrize("backend", ["kfp", "prefect", "zenml", "airflow"])
def test_there(backend: str, folder: Path) -> None:
    """What `run.py` prints at its end, in the backend's own environment."""
    made = mlspec(folder, "compile", "spec.yaml", "--backend", backend, "-o", "project")
    assert made.returncode == 0, made.stderr
    python = ROOT / ".venvs" / backend / "bin" / "python"
    assert python.exists(), "`make envs` makes the backends' environments"
    command = offline([python, "run.py", "--workspace", folder / "workspace", "--data-root", folder])
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    ran = subprocess.run(command, cwd=folder / "project", capture_output=True, text=True, check=False, env=clean)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert lacking(ran.stdout, *OF_THE_STEP, *OF_THE_GATE, *TRACED) == [], ran.stdout + ran.stderr
