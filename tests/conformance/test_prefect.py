from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from mlspec.backends import prefect

from mlspec import ops
from mlspec.backend import Outcome, execute
from mlspec.ir import Artifact, Parameter, Pipeline, Port, Ref, Schedule, Stage, Step
from tests.pipelines import breast_cancer

pytestmark = pytest.mark.slow

WORK = '''
import os, time
from pathlib import Path

def make(inputs, outputs, text="made"):
    """Write what is read, and a word."""
    print("the word is", text)
    for place in outputs.values():
        Path(place).write_text(text + "".join(Path(inputs[name]).read_text() for name in sorted(inputs)))
    return {"letters": len(text)}

def second_try(inputs, outputs, tries):
    with open(tries, "a") as file:
        file.write("x")
    if len(Path(tries).read_text()) < 2:
        raise OSError("not yet")
    return make(inputs, outputs)

def never(inputs, outputs, tries):
    with open(tries, "a") as file:
        file.write("x")
    raise OSError("no")

def sleep(inputs, outputs, mark):
    Path(mark).write_text(str(os.getpid()))
    time.sleep(600)

def measured(inputs, outputs, value):
    """The evidence that `decide` takes, for a metric that is `value`."""
    import json
    metric = {"value": value, "low": value, "high": value, "method": "none", "rows": 9, "greater_is_better": True}
    metric["reason"] = "nothing to divide by" if value is None else None
    part = {"rows": 9, "metrics": {"roc_auc": value}}
    metrics = {"task": {"kind": "classification", "target": "y", "positive": "a"}, "classes": ["a", "b"], "threshold": 0.5, "confidence": 0.95,
               "splits": {name: part for name in ("train", "dev", "test")}, "metrics": {"roc_auc": metric}, "slices": [], "fairness": []}
    validation = {"verdict": "pass", "rows": 9, "kept": 9, "quarantined": 0, "on_failure": "stop", "checks": [], "schema": {}}
    manifest = {"strategy": "random", "key": ["content"], "seed": 7, "ratios": [0.6, 0.2, 0.2], "rule": "given", "exact": False, "splits": {}, "purged": 0,
                "proofs": [], "verdict": "pass"}
    for name, told in (("metrics", metrics), ("validation", validation), ("manifest", manifest)):
        outputs[name].write_text(json.dumps(told))
'''


def call(
    step_id: str,
    function: str = "make",
    *,
    inputs: Mapping[str, Ref] | None = None,
    gives: tuple[Port, ...] | None = None,
    params: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Step:
    ports = gives if gives is not None else (Port("out", Artifact.FILE),)
    told = {
        "entrypoint": f"work:{function}",
        "params": dict(params or {}),
        "inputs": sorted(inputs or {}),
        "outputs": [port.name for port in ports],
    }
    takes = tuple(Port(name, Artifact.FILE) for name in (inputs or {}))
    return Step(
        id=step_id,
        op=ops.PYTHON,
        stage=Stage.DATA,
        routes=(("steps", step_id),),
        inputs=inputs or {},
        takes=takes,
        gives=ports,
        params=told,
        **fields,
    )


def of(name: str, *steps: Step, **fields: Any) -> Pipeline:
    return Pipeline(**{"name": name, "description": "For a test.", "steps": steps, "code": {"work.py": WORK}, **fields})


def judged(name: str, value: float | None) -> Pipeline:
    """A verdict on a metric that a user's step measured: evidence, decision, report beside it, gate, and what the gate guards."""
    route = ["requirements", "metrics", 0, "target"]
    wanted = {
        "id": "roc_auc",
        "kind": "metric",
        "metric": "roc_auc",
        "op": ">=",
        "value": 0.5,
        "route": route,
        "supports": None,
        "primary": True,
    }
    gives = (Port("metrics", Artifact.METRICS), Port("validation", Artifact.REPORT), Port("manifest", Artifact.REPORT))
    evidence = {port.name: Ref("measure", port.name) for port in gives}
    return of(
        name,
        call("measure", "measured", gives=gives, params={"value": value}),
        Step(id="decide", op=ops.DECIDE, stage=Stage.MODELING, routes=(("requirements",),), inputs=evidence, params={"requirements": [wanted], "names": {one: f"measure.{one}" for one in evidence}}),
        call("report", inputs={"decision": Ref("decide", "decision")}),
        Step(id="gate", op=ops.GATE, stage=Stage.MODELING, routes=(("requirements",),), inputs={"decision": Ref("decide", "decision")}, params={"subject": "model"}, retries=3),
        call("package", inputs={"gate": Ref("gate", "report")}),
    )  # fmt: skip


class Server:
    """A real Prefect server, and what it says about the runs."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.api = self.environment["PREFECT_API_URL"]

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.api}/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def last_run(self, flow: str) -> Any:
        return self.ask("flow_runs/filter", {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_DESC", "limit": 1})[0]

    def task(self, flow: str, step: str) -> Any:
        found = self.ask("task_runs/filter", {"flow_runs": {"id": {"any_": [self.last_run(flow)["id"]]}}})
        return next(one for one in found if one["name"].partition("-")[0] == step)

    def logs(self, flow: str) -> str:
        """A run's log. Lines arrive in batches, some after the run has ended."""
        found = self.ask("logs/filter", {"logs": {"flow_run_id": {"any_": [self.last_run(flow)["id"]]}}, "limit": 200})
        return "\n".join(one["message"] for one in found)

    def prefect(self, *arguments: str, cwd: Path) -> str:
        ended = subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests, started by a generated project's own `run.py`."""
    place = tmp_path_factory.mktemp("server")
    prefect.emit(of("server", call("only"))).write(place / "project")
    module = load(place / "project" / "run.py")
    given = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with module.server(place / "workspace", given) as environment:
        yield Server(environment)


def load(path: Path) -> Any:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Emit a pipeline and run it on the session's server. The same workspace serves all runs of a test."""
    for name, value in server.environment.items():
        if name.startswith("PREFECT_"):
            monkeypatch.setenv(name, value)

    def once(pipeline: Pipeline) -> Outcome:
        prefect.emit(pipeline).write(tmp_path / "project")
        return execute(
            tmp_path / "project", workspace=tmp_path / "workspace", data_root=tmp_path, registry_root=tmp_path / "registry"
        )

    return once


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc").is_dir() else True


def test_every_op_passes_and_a_second_run_is_cached(run: Any, server: Server) -> None:
    pipeline = breast_cancer()
    first = run(pipeline)
    assert first.state == "succeeded"
    assert dict(first.steps) == {step.id: "succeeded" for step in pipeline.steps}
    assert sorted(first.artifacts) == sorted(f"{step.id}.{port.name}" for step in pipeline.steps for port in step.output_ports)
    assert all(path.is_absolute() and path.exists() for path in first.artifacts.values())
    assert server.last_run("tumours")["state"]["type"] == "COMPLETED"
    shown = {
        one["key"]: one for one in server.ask("artifacts/latest/filter", {"limit": 200}) if one["key"].startswith("tumours-")
    }
    table = {(row["on"], row["metric"]): row["value"] for row in json.loads(shown["tumours-evaluate-metrics"]["data"])}
    measured = json.loads(first.artifacts["evaluate.metrics"].read_text())
    assert table["test", "roc_auc"] == measured["metrics"]["roc_auc"]["value"]
    assert table["train", "roc_auc"] == measured["splits"]["train"]["metrics"]["roc_auc"]
    assert "# PASS" in shown["tumours-decide-decision"]["data"]
    assert "# PASS" in shown["tumours-validate-report"]["data"]
    assert first.artifacts["report.page"].as_uri() in shown["tumours-report-page"]["data"]
    rows = {row["fact"]: row["value"] for row in json.loads(shown["tumours-ingest"]["data"])}
    assert rows["data: file"] == str(first.artifacts["ingest.data"])
    assert rows["rows"] == "569"

    second = run(pipeline)
    assert second.state == "succeeded"
    rerun = {step for step, state in second.steps.items() if state != "cached"}
    assert rerun <= {"ingest"}  # it reads what lies outside the pipeline: cached where it can say what it read
    assert {name: path for name, path in second.artifacts.items() if name.split(".")[0] not in rerun} == {
        name: path for name, path in first.artifacts.items() if name.split(".")[0] not in rerun
    }


def test_a_failing_gate_fails_the_run_and_the_report_is_still_made(run: Any, server: Server) -> None:
    outcome = run(breast_cancer(target=1.1, name="tumours gated"))
    assert outcome.state == "failed"
    ended = {state: {step for step, one in outcome.steps.items() if one == state} for state in ("failed", "skipped")}
    assert ended == {"failed": {"gate"}, "skipped": {"package", "register"}}
    assert outcome.artifacts["report.page"].read_text().lstrip().lower().startswith("<!doctype html")
    assert not {"gate.report", "package.package", "register.entry"} & outcome.artifacts.keys()
    assert server.last_run("tumours-gated")["state"]["type"] == "FAILED"
    assert "1.1" in server.task("tumours-gated", "gate")["state"]["message"]
    shown = {one["key"]: one["data"] for one in server.ask("artifacts/latest/filter", {"limit": 200})}
    assert "# FAIL" in shown["tumours-gated-decide-decision"]


@pytest.mark.parametrize(("value", "state"), [(0.9, "succeeded"), (0.1, "failed"), (None, "failed")])
def test_a_verdict_is_kept_and_a_metric_that_is_no_number_fails(
    run: Any, server: Server, value: float | None, state: str
) -> None:
    name = f"judged-{state}-{'nan' if value is None else str(value).replace('.', '')}"
    outcome = run(judged(name, value))
    assert outcome.state == state
    assert outcome.steps["report"] == "succeeded"
    assert outcome.steps["gate"] == state
    assert outcome.steps["package"] == ("succeeded" if state == "succeeded" else "skipped")
    assert server.last_run(name)["state"]["type"] == ("COMPLETED" if state == "succeeded" else "FAILED")
    assert server.task(name, "gate")["run_count"] == 1  # a verdict does not change by asking again
    if value is None:
        assert "nothing to divide by" in server.task(name, "gate")["state"]["message"]


def test_a_step_that_fails_once_is_tried_again_and_one_that_always_fails_stops_what_needs_it(
    run: Any, server: Server, tmp_path: Path
) -> None:
    outcome = run(
        of(
            "retried",
            call("flaky", "second_try", retries=2, params={"tries": str(tmp_path / "flaky")}),
            call("after", inputs={"x": Ref("flaky", "out")}),
            call("hopeless", "never", retries=1, params={"tries": str(tmp_path / "hopeless")}),
            call("dependent", inputs={"x": Ref("hopeless", "out")}),
            call("later", after=("hopeless",)),
        )
    )
    assert dict(outcome.steps) == {
        "flaky": "succeeded",
        "after": "succeeded",
        "hopeless": "failed",
        "dependent": "skipped",
        "later": "skipped",
    }
    assert outcome.state == "failed"
    assert [(tmp_path / name).read_text() for name in ("flaky", "hopeless")] == ["xx", "xx"]
    assert outcome.artifacts["after.out"].read_text() == "mademade"
    assert server.last_run("retried")["state"]["type"] == "FAILED"
    assert server.task("retried", "flaky")["run_count"] == 2


def test_a_step_whose_time_is_up_is_interrupted(run: Any, server: Server, tmp_path: Path) -> None:
    started = time.monotonic()
    outcome = run(
        of(
            "timed",
            call("slow", "sleep", timeout=4.0, params={"mark": str(tmp_path / "pid")}),
            call("quick", timeout=60.0, params={"text": "overheard"}),
            call("dependent", inputs={"x": Ref("slow", "out")}),
        )
    )
    assert dict(outcome.steps) == {"slow": "failed", "quick": "succeeded", "dependent": "skipped"}
    assert outcome.state == "failed"
    assert time.monotonic() - started < 120
    assert not alive(int((tmp_path / "pid").read_text()))
    assert server.task("timed", "slow")["state"]["name"] == "TimedOut"
    assert server.last_run("timed")["state"]["type"] == "FAILED"
    deadline = time.monotonic() + 20
    while "the word is overheard" not in server.logs("timed") and time.monotonic() < deadline:
        time.sleep(0.5)
    assert "the word is overheard" in server.logs("timed")  # what a step prints in a process of its own


def test_what_is_cached_depends_on_content_and_on_files_that_are_there(run: Any) -> None:
    def pipeline(code: str = WORK, word: str = "one") -> Pipeline:
        first, second = call("first", params={"text": word}), call("second", inputs={"x": Ref("first", "out")})
        return of("cached", first, second, call("third", inputs={"x": Ref("second", "out")}), code={"work.py": code})

    assert set(run(pipeline()).steps.values()) == {"succeeded"}
    told = run(pipeline())
    assert set(told.steps.values()) == {"cached"}
    # A file that is gone is made again, and not what needs it: its content is as before.
    told.artifacts["second.out"].unlink()
    told = run(pipeline())
    assert dict(told.steps) == {"first": "cached", "second": "succeeded", "third": "cached"}
    assert set(run(pipeline()).steps.values()) == {"cached"}
    # A file that somebody has changed is not used either.
    told.artifacts["first.out"].write_text("two")
    told = run(pipeline())
    assert dict(told.steps) == {"first": "succeeded", "second": "cached", "third": "cached"}
    assert told.artifacts["first.out"].read_text() == "one"
    # Another parameter, and then other code.
    told = run(pipeline(word="other"))
    assert set(told.steps.values()) == {"succeeded"}
    assert told.artifacts["third.out"].read_text() == "mademadeother"
    assert set(run(pipeline(WORK + "\n# edited\n")).steps.values()) == {"succeeded"}


def test_the_deployment_is_accepted_scheduled_and_run_by_a_worker(server: Server, tmp_path: Path) -> None:
    parameters = (Parameter("data_root", "{{ $HOME }}/data", "Where the data lies."),)
    step = call("only", bindings={"data_root": "data_root"})
    pipeline = of(
        "Deployed one",
        step,
        parameters=parameters,
        schedule=Schedule("30 4 * * 2", "Europe/Paris"),
        description="Text {{ $HOME }} | # : 'x'",
    )
    project = tmp_path / "project"
    prefect.emit(pipeline).write(project)
    server.prefect("work-pool", "create", "deployed-one", "--type", "process", cwd=project)
    server.prefect("--no-prompt", "deploy", "--all", cwd=project)
    told = server.ask("deployments/name/deployed-one/production")
    assert [(one["schedule"]["cron"], one["schedule"]["timezone"], one["active"]) for one in told["schedules"]] == [
        ("30 4 * * 2", "Europe/Paris", True)
    ]
    assert told["work_pool_name"] == "deployed-one"
    assert told["enforce_parameter_schema"] is True
    assert told["global_concurrency_limit"]["limit"] == 1
    assert told["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    assert told["parameters"] == {"data_root": "{ { $HOME } }/data", "workspace": "workspace"}
    assert told["description"] == "Text { { $HOME } } | # : 'x'"
    schema = told["parameter_openapi_schema"]["properties"]
    assert sorted(schema) == ["data_root", "workspace"]
    assert "Where the data lies." in schema["data_root"]["description"]
    with pytest.raises(AssertionError, match=r"(?s)validat|valid|type"):
        server.prefect("deployment", "run", "deployed-one/production", "--param", "workspace=7", cwd=project)

    # In an image the code lies where Prefect looks for it by itself, which is the Dockerfile's WORKDIR.
    server.prefect("work-pool", "create", "containers", "--type", "kubernetes", cwd=project)
    arguments = ("--pool", "containers", "--job-variable", "image=registry.example/one:1")
    server.prefect("--no-prompt", "deploy", "--name", "production", *arguments, cwd=project)
    (pull,) = server.ask("deployments/name/deployed-one/production")["pull_steps"]
    directory = pull["prefect.deployments.steps.set_working_directory"]["directory"]
    assert f"\nWORKDIR {directory}\n" in (project / "Dockerfile").read_text()
    server.prefect("--no-prompt", "deploy", "--all", cwd=project)

    workspace = tmp_path / "workspace"
    server.prefect("deployment", "run", "deployed-one/production", "--param", f'workspace="{workspace}"', cwd=project)
    server.prefect("worker", "start", "--pool", "deployed-one", "--run-once", cwd=tmp_path)
    deadline = time.monotonic() + 120
    while (last := server.last_run("deployed-one"))["state"]["type"] not in (
        "COMPLETED",
        "FAILED",
        "CRASHED",
    ) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert last["state"]["type"] == "COMPLETED", last["state"]
    assert [path.read_text() for path in workspace.glob("artifacts/only/*/out")] == ["made"]


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(stat.parent.name))
    return found + [one for child in found for one in children(child)]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_of_its_own_is_started_and_stopped_with_all_else(tmp_path: Path, number: signal.Signals) -> None:
    prefect.emit(of("stopped", call("slow", "sleep", params={"mark": str(tmp_path / "pid")}, timeout=300.0))).write(
        tmp_path / "project"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    command = [sys.executable, "run.py", "--workspace", str(tmp_path / "workspace")]
    process = subprocess.Popen(
        command,
        cwd=tmp_path / "project",
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    deadline = time.monotonic() + 240
    while not (tmp_path / "pid").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    started = children(process.pid)
    assert len(started) >= 3  # the server, the flow, the step
    process.send_signal(number)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert f"stopped by {number.name}" in said.decode()
    deadline = time.monotonic() + 20  # the step's process looks after its parent itself
    while any(alive(one) for one in started) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not [one for one in started if alive(one)]
    assert not (tmp_path / "workspace" / "outcome.json").exists()


def test_a_server_of_its_own_runs_a_flow_and_keeps_everything_in_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # a proxy that nobody answers at
    prefect.emit(of("own", call("only"))).write(tmp_path / "project")
    outcome = execute(tmp_path / "project", workspace=tmp_path / "workspace", data_root=tmp_path, registry_root=tmp_path)
    assert outcome.state == "succeeded"
    assert (tmp_path / "workspace" / "prefect" / "prefect.db").exists()
    assert not (home / ".prefect").exists()
