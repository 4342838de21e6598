"""What the Airflow backend emits, without Airflow; it is run for real by the conformance matrix."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlspec_airflow as airflow
import pytest

from mlspec import ops
from mlspec.diagnostic import Problem
from mlspec.ir import (
    Artifact,
    Distribution,
    Parameter,
    Pipeline,
    Port,
    Ref,
    Resources,
    Secret,
    Stage,
    Step,
    Trigger,
)
from tests.pipelines import breast_cancer

ALLOWED = {"mlspec", "mlspec.ir", "mlspec.ops", "mlspec.bundle", "mlspec.render", "mlspec.diagnostic", "mlspec.trace"}


def step(name: str, **fields: Any) -> Step:
    told = {"op": ops.PYTHON, "stage": Stage.MODELING, "routes": (("steps", name),), "gives": (Port("out", Artifact.FILE),)}
    params = {"entrypoint": "work:make", "params": {"text": name}, "inputs": [], "outputs": ["out"]}
    return Step(**{"id": name, "params": params, **told, **fields})


def dag_of(pipeline: Pipeline) -> str:
    files = airflow.emit(pipeline).files
    return files[next(name for name in files if name.startswith("dags/") and name.count("/") == 1 and name.endswith(".py"))]


def test_a_plug_in_imports_what_a_third_party_may() -> None:
    tree = ast.parse(Path(airflow.__file__).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module} - {"mlspec"}
    modules |= {
        f"mlspec.{name.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "mlspec"
        for name in node.names
    }
    assert {name for name in modules if name.startswith("mlspec")} <= ALLOWED
    assert not {name for name in modules if name.startswith("airflow")}


@pytest.fixture(scope="module")
def everything() -> Pipeline:
    """A pipeline that uses each part of the templates."""
    long = "a" + "_123456789" * 6
    ask = {
        "step": "ok",
        "message": "May it?",
        "approvers": ["lead"],
        "inputs": ["it"],
        "seconds": 60.0,
        "approvals_root": "approvals",
    }
    family = {"family": "trial", "retries": 1, "takes": (Port("it", Artifact.FILE),)}
    steps = (
        step("a", stage=Stage.DATA, retries=3, timeout=1.5, max_age=60.0, environment={"X": "y"}, secrets={"DSN": Secret("secret", "orders", "dsn"), "T": Secret("env", "TOKEN")}),
        step(long, gives=(Port(long, Artifact.TABLE),), resources=Resources(2.5, 2**31, "gpu", 2, False, (("zone", "eu"),))),
        step("b", inputs={"it": Ref(long, long)}, takes=(Port("it", Artifact.FILE),), after=("a",)),
        *(step(f"trial_{number}", inputs={"it": Ref("a", "out")}, label=f"trial {number}", **family) for number in range(3)),
        step("ok", op=ops.APPROVE, gives=(Port("report", Artifact.REPORT),), takes=(Port("it", Artifact.FILE),), inputs={"it": Ref("b", "out")}, params=ask, bindings={"approvals_root": "approvals_root"}),
        step("task", stage=Stage.DEPLOYMENT, after=("ok",)),
    )  # fmt: skip
    ending = step("notify", op=ops.NOTIFY, gives=(), params={"channels": [], "about": {}})
    return Pipeline(
        name="Everything & more", description="All of it.", steps=steps, exit=(ending,), about={"owner": "ml@example.com"}, image="registry.example.com/x:1",
        parameters=(Parameter("approvals_root", "approvals", "Where answers lie."),), distribution=Distribution("threads", 4), code={"work.py": "x = 1\n"},
        triggers=(Trigger("mlspec.data_drift", 60.0, True, ("retraining", "on", 0)), Trigger("mlspec.new_data", 0.0, False, ("retraining", "on", 1))),
    )  # fmt: skip


@pytest.mark.parametrize("which", ["everything", "scheduled", "plain"])
def test_code_is_as_ruff_leaves_it(which: str, everything: Pipeline, tmp_path: Path) -> None:
    scheduled = replace(everything, schedule=breast_cancer().schedule)
    pipeline = {"everything": everything, "scheduled": scheduled, "plain": breast_cancer()}[which]
    airflow.emit(pipeline).write(tmp_path)
    for command in (["format", "--diff"], ["check"]):
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "."], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    for file in tmp_path.rglob("*.py"):
        compile(file.read_text(), file.name, "exec")


def test_the_dag_says_what_the_spec_asked_for(everything: Pipeline) -> None:
    text = dag_of(replace(everything, schedule=breast_cancer().schedule))
    for part in (
        'timezone="Europe/Paris"',
        "catchup=False",
        "max_active_runs=1",
        "max_active_tasks=4",
        "AssetOrTimeSchedule(",
        'Asset("mlspec.data_drift")',
        "retries=3",
        "timeout=1.5",
        "max_age=60.0",
        'image="registry.example.com/x:1"',
        "accelerators=2",
        "as_teardown(on_failure_fail_dagrun=False)",
        "response_timeout=timedelta(seconds=60.0)",
        'TaskGroup("Data", prefix_group_id=False)',
    ):
        assert part in text, part
    assert "s3cret" not in text


def test_a_family_is_one_function_called_for_each_member(everything: Pipeline) -> None:
    text = dag_of(everything)
    assert text.count("def trial(") == 1
    assert [f'task_id="trial_{number}"' in text for number in range(3)] == [True] * 3
    assert text.count("trial.override(") == 3


def test_five_hundred_steps_take_five_hundred_calls() -> None:
    """What is written grows by a call a step, and so does the time it takes."""
    members = tuple(step(f"t{number}", family="trial", label=str(number)) for number in range(500))
    text = dag_of(Pipeline(name="many", description="", steps=members))
    assert text.count("\n") < 500 * 6 + 200
    assert text.count(".override(") == 500


def test_findings_say_what_is_lacking(everything: Pipeline) -> None:
    spot = step("cheap", resources=Resources(spot=True))
    box = step("box", op=ops.CONTAINER, params={"image": "x", "command": ["y"], "inputs": [], "outputs": ["out"]})
    pipeline = replace(everything, steps=(*everything.steps, spot, box), distribution=Distribution("dask", 4))
    found = {one.code: one.route for one in airflow.lacks(pipeline)}
    assert found == {
        "approvers-not-enforced": ("steps", "ok"),
        "container-on-worker": ("steps", "box"),
        "no-spot-machines": ("steps", "cheap"),
        "no-task-runner": ("pipeline", "parallelism"),
        "trigger-at-once": ("retraining", "cooldown"),
    }
    unasked = replace(breast_cancer(), triggers=everything.triggers)
    assert {one.code: one.route for one in airflow.lacks(unasked)}["trigger-unasked"] == ("retraining", "approve")
    assert not list(airflow.lacks(breast_cancer()))


def test_names_that_are_airflows_own_are_refused() -> None:
    with pytest.raises(Problem, match="return_value"):
        airflow.emit(Pipeline(name="x", description="", steps=(step("a", gives=(Port("return_value", Artifact.FILE),)),)))
    taken = Parameter("workspace", "x", "y")
    with pytest.raises(Problem, match="workspace"):
        airflow.emit(Pipeline(name="x", description="", steps=(step("a"),), parameters=(taken,)))


def test_a_task_asks_kubernetes_for_its_machine(everything: Pipeline, tmp_path: Path) -> None:
    """The module of the emitted project, with the real client's models."""
    client = pytest.importorskip("kubernetes.client")
    files = airflow.emit(everything).files
    place = tmp_path / "machine.py"
    place.write_text(next(text for name, text in files.items() if name.endswith("/machine.py")))
    spec = importlib.util.spec_from_file_location("machine_of_project", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.machine(image="x:1", cpu=2.5, memory=2**31, accelerator="GPU", accelerators=2, node={"zone": "eu"})
    told = client.ApiClient().sanitize_for_serialization(config["pod_override"])
    asked = {"cpu": "2500m", "memory": "2147483648"}
    base = {"name": "base", "image": "x:1", "resources": {"requests": asked, "limits": {**asked, "nvidia.com/gpu": "2"}}}
    assert told == {"spec": {"containers": [base], "nodeSelector": {"zone": "eu"}}}


def test_trace_and_lock() -> None:
    files = airflow.emit(breast_cancer()).files
    assert json.loads(files["trace.json"])["steps"]["decide"]["routes"] == ["requirements.metrics[0].target"]
    assert "apache-airflow==3.3.2" in files["requirements.txt"].splitlines()
    assert files["dags/.airflowignore"] == "tumours_tasks/\n"
