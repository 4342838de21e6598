"""Every gallery spec on every runner: the same metrics, predictions, split manifest and decision, byte for byte.

Each backend runs the compiled project in an environment of its own lock with mlspec's wheel, not the source tree, and no network.
"""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlspec.runtime.artifact import digest
from tests.conformance.isolated import offline

ROOT = Path(__file__).parent.parent.parent
SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.yaml"))
BACKENDS = ("kfp", "prefect", "zenml")
EVIDENCE = ("evaluate.metrics", "evaluate.predictions", "split.manifest", "decide.decision", "train.model", "report.page")
FURTHER = ("choose.chosen", "summary.summary", "summary.page", "export.proof", "ship.bundle")
"""Evidence of specs that search, that make a model for each item, or that export it."""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Ran:
    """How a run ended on some runner, and the bytes of the evidence it left."""

    state: str
    steps: dict[str, str]
    evidence: dict[str, bytes]


def of_all(name: str) -> str:
    """Return an output's name without the item that its step is for."""
    step, _, output = name.partition(".")
    family = "export" if step.startswith("export_") else step.partition("__")[0]
    return f"{family}.{output}"


def content(place: Path) -> bytes:
    return digest(place).encode() if place.is_dir() else place.read_bytes()


def mlspec(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder)} | (env or {})
    return subprocess.run(
        [sys.executable, "-m", "mlspec", *words], cwd=folder, capture_output=True, text=True, check=False, env=clean
    )


def here(folder: Path, spec: Path, *words: str) -> Ran:
    """Run with the local runner."""
    ended = mlspec(folder, "run", str(spec), "--json", *words)
    assert ended.returncode in (0, 1), ended.stderr
    told = json.loads(ended.stdout)
    record = json.loads((folder / told["folder"] / "run.json").read_text())["steps"]
    evidence = {}
    for step, one in record.items():
        for output, known in one.get("outputs", {}).items():
            if of_all(f"{step}.{output}") in (*EVIDENCE, *FURTHER):
                evidence[f"{step}.{output}"] = content(folder / ".mlspec" / "objects" / known[:2] / known)
    return Ran(told["state"], {name: step["state"] for name, step in told["steps"].items()}, evidence)


def there(folder: Path, backend: str, spec: Path, *words: str) -> Ran:
    """Compile, and run the project as a user of it would: its own environment, the wheel, no network."""
    ended = mlspec(folder, "compile", str(spec), "--backend", backend, "-o", "project", *words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    python = ROOT / ".venvs" / backend / "bin" / "python"
    assert python.exists(), "`make envs` makes the backends' environments"
    workspace = folder / "workspace"
    command = [python, "run.py", "--workspace", workspace, "--data-root", spec.parent, "--registry-root", folder / "registry"]
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONHASHSEED": "123", "TZ": "Asia/Tokyo"}
    ran = subprocess.run(offline(command), cwd=folder / "project", capture_output=True, text=True, check=False, env=clean)
    place = workspace / "outcome.json"
    assert place.exists(), ran.stdout + ran.stderr
    told = json.loads(place.read_text())
    assert ran.returncode == int(told["state"] != "succeeded"), ran.stdout + ran.stderr
    if told["state"] != "succeeded":
        assert "Traceback" not in ran.stdout.splitlines()[-1]
    evidence = {name: content(Path(place)) for name, place in told["artifacts"].items() if of_all(name) in (*EVIDENCE, *FURTHER)}
    return Ran(told["state"], told["steps"], evidence)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory whose name is short: a server's socket paths have a limit."""
    with tempfile.TemporaryDirectory(prefix="c-", ignore_cleanup_errors=True) as name:
        yield Path(name)


KERAS = ("--set", "model.kind=keras.cnn", "--set", "exports=[]")
"""The network of a spec, trained by Keras."""

PAIRS: list[tuple[str, str, tuple[str, ...]]] = [(backend, spec, ()) for backend in BACKENDS for spec in SPECS]
PAIRS += [("airflow", "breast-cancer", ()), ("airflow", "churn", ()), ("kfp", "digits", KERAS)]
"""Airflow takes half a minute for each: the small one and the one with all types of columns stand for the others."""


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all processes of this test run have in common."""
    place = tmp_path_factory.getbasetemp()
    return place.parent if "PYTEST_XDIST_WORKER" in os.environ else place


def reference_of(spec: Path, words: tuple[str, ...], folder: Path, shared: Path) -> Ran:
    """What the local runner makes of a spec: run once, whichever process asks first."""
    name = "-".join((spec.stem, *words)).replace("/", "_")
    kept = shared / f"{name}.ran"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_bytes(pickle.dumps(here(folder, spec, *words)))
    ran: Ran = pickle.loads(kept.read_bytes())
    return ran


@pytest.mark.parametrize(
    ("backend", "spec", "words"), PAIRS, ids=["-".join((backend, spec, *words[1::2])) for backend, spec, words in PAIRS]
)
def test_the_same_everywhere(backend: str, spec: str, words: tuple[str, ...], folder: Path, shared: Path) -> None:
    path = ROOT / "specs" / f"{spec}.yaml"
    (folder / "here").mkdir()
    (folder / "there").mkdir()
    reference = reference_of(path, words, folder / "here", shared)
    assert reference.state == "succeeded"
    assert {of_all(name) for name in reference.evidence} >= set(EVIDENCE)
    compared = there(folder / "there", backend, path, *words)
    assert compared.state == "succeeded"
    assert set(compared.steps) == set(reference.steps)
    assert set(compared.steps.values()) == {"succeeded"}
    different = [name for name in reference.evidence if compared.evidence.get(name) != reference.evidence[name]]
    assert not different


NAN = """
import math

def undefined(actual, predicted, scores):
    return math.nan
"""


def gated(folder: Path, kind: str) -> tuple[Path, list[str]]:
    """The breast cancer spec with a gate that it passes, misses, or whose metric is not a number."""
    text = (ROOT / "specs" / "breast-cancer.yaml").read_text()
    if kind == "missed":
        text = text.replace('target: ">= 0.99", primary: true', 'target: ">= 0.99999", primary: true')
        assert "0.99999" in text
    if kind == "undefined":
        (folder / "scores.py").write_text(NAN)
        text = text.replace(
            "requirements:\n  metrics:\n", 'requirements:\n  metrics:\n    - {metric: oddity, target: ">= 0.5"}\n'
        )
        text += "evaluation: {metrics: {oddity: {entrypoint: 'scores:undefined', greater_is_better: true}}}\n"
        assert "oddity, target" in text
    (folder / "spec.yaml").write_text(text)
    return folder / "spec.yaml", []


@pytest.mark.parametrize("kind", ["missed", "undefined"])
@pytest.mark.parametrize("runner", ["local", *BACKENDS])
def test_a_gate_that_is_missed(runner: str, kind: str, folder: Path) -> None:
    """The run fails, nothing is released, and the evidence is all there; a metric that is not a number is a failure too."""
    spec, words = gated(folder, kind)
    ran = here(folder, spec, *words) if runner == "local" else there(folder, runner, spec, *words)
    assert ran.state == "failed"
    assert ran.steps["gate"] == "failed"
    assert {ran.steps[name] for name in ("package", "register")} == {"skipped"}
    assert {state for name, state in ran.steps.items() if name not in ("gate", "package", "register")} == {"succeeded"}
    decision = json.loads(ran.evidence["decide.decision"])
    assert decision["verdict"] == "fail"
    [failed] = [one for one in decision["requirements"] if one["verdict"] == "fail"]
    if kind == "undefined":
        assert failed["name"] == "oddity" or failed["id"] == "oddity"
        assert failed["value"] is None
        assert "not a" in failed["reason"]
    assert b"<html" in ran.evidence["report.page"]
    assert not list((folder / "registry").glob("*/*")), "nothing may be registered"


def test_a_missed_gate_names_number_target_and_line(folder: Path) -> None:
    spec, words = gated(folder, "missed")
    ended = mlspec(folder, "run", str(spec), *words)
    assert ended.returncode == 1
    line = next(number for number, text in enumerate(spec.read_text().splitlines(), 1) if "0.99999" in text)
    assert f"spec.yaml:{line}:" in ended.stderr
    assert ">= 0.99999" in ended.stderr
    assert "roc_auc is 0.99" in ended.stderr
