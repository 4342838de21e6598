"""Airflow's own command runs what is emitted: `airflow dags test`, with a database of its own and no `run.py`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlspec import build

ROOT = Path(__file__).parent.parent.parent.parent
AIRFLOW = ROOT / ".venvs" / "airflow" / "bin" / "airflow"

SPEC = """
mlspec: 1
project: {name: two-steps}
steps:
  verdict: {entrypoint: "work:verdict", outputs: {report: report}, params: {told: VERDICT}}
  judge: {kind: gate, verdict: verdict.report}
  behind: {entrypoint: "work:last", after: [judge], outputs: {out: file}}
"""
WORK = """
import json


def verdict(inputs, outputs, told):
    one = {"name": "score", "target": ">= 0.8", "value": 0.5, "verdict": told, "reason": None}
    outputs["report"].write_text(json.dumps({"verdict": told, "requirements": [one]}))


def last(inputs, outputs):
    outputs["out"].write_text("done")
"""


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of a new Airflow."""
    if not AIRFLOW.exists():
        pytest.skip("Airflow's environment is not there: make envs")
    home = tmp_path_factory.mktemp("airflow")
    told = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "PYTHONPATH": str(ROOT),
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")} | told
    subprocess.run([AIRFLOW, "db", "migrate"], env=environment, check=True, capture_output=True)
    return environment


@pytest.mark.slow
@pytest.mark.parametrize(("verdict", "code"), [("pass", 0), ("fail", 1)])
def test_airflow_runs_the_dag(verdict: str, code: int, variables: Mapping[str, str], tmp_path: Path) -> None:
    """A run that succeeds is exit code 0; one whose gate fails is 1, and what stands behind the gate was not run."""
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "spec.yaml").write_text(SPEC.replace("VERDICT", verdict))
    build.project_of(build.open_spec(tmp_path / "spec.yaml"), "airflow").bundle.write(tmp_path / "project")
    dags = {"name": "dags", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle"}
    bundles = json.dumps([dags | {"kwargs": {"path": str(tmp_path / "project" / "dags")}}])
    environment = {**variables, "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": bundles}
    environment |= {"AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "project" / "dags")}
    conf = json.dumps({"workspace": str(tmp_path / "workspace")})
    command = [AIRFLOW, "dags", "test", "two-steps", "--conf", conf]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stdout[-3000:] + ended.stderr[-3000:]
    made = sorted(path.parent.name for path in (tmp_path / "workspace" / "runs").rglob("*") if path.is_file())
    assert ("behind" in made) is (code == 0)
    assert "verdict" in made
