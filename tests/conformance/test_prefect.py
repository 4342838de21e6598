from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
from mlspec.backends import prefect

from mlspec import ops
from mlspec.backend import Outcome, execute
from mlspec.diagnostic import Problem
from mlspec.ir import Artifact, Distribution, Parameter, Pipeline, Port, Ref, Resources, Schedule, Secret, Stage, Step, Trigger
from mlspec.lower import APPROVALS_ROOT, approval
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

def hold(inputs, outputs, mark, wait):
    """Stay until somebody writes the file `wait`."""
    Path(mark).write_text(str(os.getpid()))
    while not Path(wait).exists():
        time.sleep(0.1)
    return make(inputs, outputs)

def told(inputs, outputs, variables):
    """Write the lengths of variables, not what they hold."""
    for place in outputs.values():
        Path(place).write_text(",".join(f"{name}:{len(os.environ.get(name, ''))}" for name in variables))

def alert(alert, place):
    with open(place, "a") as file:
        file.write(f"{alert['state']}:{','.join(alert['failed'])} {len(os.environ.get('PAGER', ''))}\\n")

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


EVIDENCE = (Port("metrics", Artifact.METRICS), Port("validation", Artifact.REPORT), Port("manifest", Artifact.REPORT))
WANTED = {
    "id": "roc_auc",
    "kind": "metric",
    "metric": "roc_auc",
    "op": ">=",
    "value": 0.5,
    "route": ["requirements", "metrics", 0, "target"],
    "supports": None,
    "primary": True,
}


def judged(name: str, value: float | None) -> Iterator[Step]:
    """A verdict on a metric that a user's step measured: evidence, decision, report beside it, gate, and what the gate guards."""
    evidence = {port.name: Ref(f"measure_{name}", port.name) for port in EVIDENCE}
    decision = {"decision": Ref(f"decide_{name}", "decision")}
    required: Any = {"stage": Stage.MODELING, "routes": (("requirements",),)}
    params = {"requirements": [WANTED], "names": {one: f"measure_{name}.{one}" for one in evidence}}
    yield call(f"measure_{name}", "measured", gives=EVIDENCE, params={"value": value})
    yield Step(id=f"decide_{name}", op=ops.DECIDE, inputs=evidence, params=params, **required)
    yield call(f"report_{name}", inputs=decision)
    yield Step(id=f"gate_{name}", op=ops.GATE, inputs=decision, params={"subject": "model"}, retries=3, **required)
    yield call(f"package_{name}", inputs={"gate": Ref(f"gate_{name}", "report")})


def notify(place: Path, **fields: Any) -> Step:
    channel = {"kind": "custom", "severity": "info", "entrypoint": "work:alert", "params": {"place": str(place)}}
    params = {"channels": [channel], "about": {"name": "a test"}}
    return Step(id="notify", op=ops.NOTIFY, stage=Stage.DEPLOYMENT, routes=(("pipeline", "notify"),), params=params, **fields)


class Server:
    """A real Prefect server, and what it says about the runs."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.api = self.environment["PREFECT_API_URL"]

    def ask(self, path: str, body: Mapping[str, Any] | None = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.api}/{path}", data, {"Content-Type": "application/json"}, method=method)
        for waits in (1, 2, 4, 8):  # 503: its SQLite is locked; Prefect's own client tries again, too
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.loads(answer.read() or "null")
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
                time.sleep(waits)
        raise AssertionError(f"the server is not available: {path}")

    def runs(self, flow: str) -> Any:
        """The runs of a flow, the last one first."""
        return self.ask("flow_runs/filter", {"flows": {"name": {"any_": [flow]}}, "sort": "EXPECTED_START_TIME_DESC"})

    def task(self, flow: str, step: str, run: str | None = None) -> Any:
        """The task run of a step, in the last run of a flow unless another is named. The server hears of it a little later."""
        last = run or self.runs(flow)[0]["id"]

        def told() -> Any:
            found = self.ask("task_runs/filter", {"flow_runs": {"id": {"any_": [last]}}, "limit": 200})
            return [one for one in found if one["name"].partition("-")[0].partition(" ")[0] == step]

        found = until(90, told)
        assert found, step
        return found[0]

    def logs(self, flow: str) -> str:
        """A run's log. Lines arrive in batches, some after the run has ended."""
        found = self.ask("logs/filter", {"logs": {"flow_run_id": {"any_": [self.runs(flow)[0]["id"]]}}, "limit": 200})
        return "\n".join(one["message"] for one in found)

    def artifacts(self, flow: str) -> dict[str, Any]:
        found = self.ask("artifacts/latest/filter", {"limit": 200, "artifacts": {"key": {"like_": f"{flow}-%"}}})
        return {one["key"]: one["data"] for one in found}

    def command(self, *words: str, cwd: Path, **extra: str) -> str:
        ended = subprocess.run(
            [sys.executable, *words], cwd=cwd, env={**self.environment, **extra}, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


def until(seconds: float, holds: Callable[[], Any]) -> Any:
    """Wait until something holds, and return what it gives then; what it gives at last where it never does."""
    deadline = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests, started by a generated project's own `run.py`, with what schedules and triggers runs."""
    place = tmp_path_factory.mktemp("server")
    prefect.emit(of("server", call("only"))).write(place / "project")
    module = load(place / "project" / "run.py")
    module.IDLE = ("CANCELLATION_CLEANUP", "FOREMAN", "LATE_RUNS")
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
    """Emit a pipeline and run it on the module's server. The same workspace serves all runs of a test."""
    for name, value in server.environment.items():
        if name.startswith("PREFECT_"):
            monkeypatch.setenv(name, value)

    def once(pipeline: Pipeline) -> Outcome:
        prefect.emit(pipeline).write(tmp_path / "project")
        return execute(
            tmp_path / "project",
            workspace=tmp_path / "workspace",
            data_root=tmp_path,
            registry_root=tmp_path / "registry",
            approvals_root=tmp_path / "approvals",
        )

    return once


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc").is_dir() else True


@pytest.fixture(scope="module")
def deployed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project that is deployed in the beginning, with a worker: its schedule has fired once the other tests are through."""
    place = tmp_path_factory.mktemp("deployed")
    parameters = (Parameter("data_root", "{{ $HOME }}/data", "Where the data lies."),)
    secret = {"TOKEN": Secret("secret", "orders", "token"), "HERE": Secret("env", "MLSPEC_TEST_HERE")}
    pipeline = of(
        "Deployed one",
        call("only", bindings={"data_root": "data_root"}),
        call("secret", "told", params={"variables": ["TOKEN", "HERE", "PLAIN"]}, secrets=secret, environment={"PLAIN": "abc"}),
        call("hold", "hold", params={"mark": str(place / "pid"), "wait": str(place / "go")}, after=("only", "secret")),
        parameters=parameters,
        schedule=Schedule("* * * * *", "Europe/Paris"),
        triggers=(Trigger("mlspec.data_drift", 3600.0, True, ("retraining", "on", 0)),),
        description="Text {{ $HOME }} | # : 'x'",
        exit=(notify(place / "news"),),
    )
    prefect.emit(pipeline).write(place / "project")
    said = server.command("deploy.py", "process", cwd=place / "project", MLSPEC_SECRET_ORDERS_TOKEN="t0k3n-of-orders")
    assert "deployed-one/production" in said
    words = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "deployed-one"]
    environment = {**server.environment, "MLSPEC_TEST_HERE": "12345", "PREFECT_WORKER_QUERY_SECONDS": "2"}
    with (place / "worker.log").open("w") as log:
        worker = subprocess.Popen(words, cwd=place, env=environment, stdout=log, stderr=log, start_new_session=True)
        yield place
        worker.terminate()
        try:
            worker.wait(20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)


def test_the_deployment_is_what_the_spec_says(server: Server, deployed: Path) -> None:
    told = server.ask("deployments/name/deployed-one/production")
    assert [(one["schedule"]["cron"], one["schedule"]["timezone"], one["active"]) for one in told["schedules"]] == [
        ("* * * * *", "Europe/Paris", True)
    ]
    assert told["work_pool_name"] == "deployed-one"
    assert told["enforce_parameter_schema"] is True
    assert told["global_concurrency_limit"]["limit"] == 1
    assert told["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    assert told["parameters"] == {"data_root": "{ { $HOME } }/data", "workspace": "workspace"}
    assert told["description"] == "Text { { $HOME } } | # : 'x'"
    schema = told["parameter_openapi_schema"]["properties"]
    assert sorted(schema) == ["ask_first", "data_root", "workspace"]
    assert "Where the data lies." in schema["data_root"]["description"]
    wrong = {"parameters": {"workspace": 7}}
    with pytest.raises(urllib.error.HTTPError, match=r"409|422"):
        server.ask(f"deployments/{told['id']}/create_flow_run", wrong)


def test_a_pool_of_containers_takes_the_deployment(server: Server, deployed: Path, tmp_path: Path) -> None:
    """The same project as another, so that the schedule of the deployed one stays."""
    prefect.emit(of("boxed", call("only", resources=Resources(2.5, 3 * 2**30, "gpu", 2, True, (("zone", "a"),))), image="registry.example/one:1")).write(tmp_path)  # fmt: skip
    server.command("deploy.py", "kubernetes", cwd=tmp_path)
    told = server.ask("deployments/name/boxed/production")
    assert told["work_pool_name"] == "boxed-kubernetes"
    assert told["job_variables"]["image"] == "registry.example/one:1"
    (pull,) = told["pull_steps"]
    directory = pull["prefect.deployments.steps.set_working_directory"]["directory"]
    assert f"\nWORKDIR {directory}\n" in (tmp_path / "Dockerfile").read_text()
    template = server.ask("work_pools/boxed-kubernetes")["base_job_template"]
    assert told["job_variables"].keys() <= template["variables"]["properties"].keys()
    jsonschema.Draft7Validator(template["variables"]).validate(told["job_variables"])
    job = manifest(template, told["job_variables"])
    pod = job["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"zone": "a"}
    assert pod["tolerations"][0]["key"] == "cloud.google.com/gke-spot"
    assert pod["containers"][0]["resources"] == {
        "limits": {"memory": str(3 * 2**30), "nvidia.com/gpu": "2"},
        "requests": {"cpu": "2.5", "memory": str(3 * 2**30)},
    }
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "boxed-workspace"}


def manifest(template: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    """The Kubernetes job that a worker would make, as the client of Kubernetes reads it."""
    from kubernetes.client import ApiClient
    from prefect.utilities.templating import apply_values

    told = {name: one["default"] for name, one in template["variables"]["properties"].items() if "default" in one} | variables
    job: Any = apply_values(template["job_configuration"]["job_manifest"], told)

    class Answer:
        data = json.dumps(job)

    for name in ("parallelism", "completions"):
        del job["spec"]["template"]["spec"][name]  # Prefect's template has them in the pod, where Kubernetes does not look
    client = ApiClient()
    assert client.sanitize_for_serialization(client.deserialize(Answer(), "V1Job")) == job
    return job


def test_every_op_passes_and_a_second_run_is_cached(run: Any, server: Server, deployed: Path) -> None:
    pipeline = breast_cancer()
    first = run(pipeline)
    assert first.state == "succeeded"
    assert dict(first.steps) == {step.id: "succeeded" for step in pipeline.steps}
    assert sorted(first.artifacts) == sorted(f"{step.id}.{port.name}" for step in pipeline.steps for port in step.output_ports)
    assert all(path.is_absolute() and path.exists() for path in first.artifacts.values())
    assert server.runs("tumours")[0]["state"]["type"] == "COMPLETED"
    assert server.task("tumours", "train")["tags"] == ["modeling"]
    shown = server.artifacts("tumours")
    table = {(row["on"], row["metric"]): row["value"] for row in json.loads(shown["tumours-evaluate-metrics"])}
    measured = json.loads(first.artifacts["evaluate.metrics"].read_text())
    assert table["test", "roc_auc"] == measured["metrics"]["roc_auc"]["value"]
    assert table["train", "roc_auc"] == measured["splits"]["train"]["metrics"]["roc_auc"]
    assert "# PASS" in shown["tumours-decide-decision"]
    assert "# PASS" in shown["tumours-validate-report"]
    assert first.artifacts["report.page"].as_uri() in shown["tumours-report-page"]
    rows = {row["fact"]: row["value"] for row in json.loads(shown["tumours-ingest"])}
    assert rows["data: file"] == str(first.artifacts["ingest.data"])
    assert rows["rows"] == "569"

    second = run(pipeline)
    assert second.state == "succeeded"
    rerun = {step for step, state in second.steps.items() if state != "cached"}
    assert rerun <= {"ingest"}  # it reads what lies outside the pipeline: cached where it can say what it read
    assert {name: path for name, path in second.artifacts.items() if name.split(".")[0] not in rerun} == {
        name: path for name, path in first.artifacts.items() if name.split(".")[0] not in rerun
    }


def family(name: str, count: int, **fields: Any) -> Iterator[Step]:
    """A fan-out: steps that differ in a parameter and a label."""
    for number in range(1, count + 1):
        yield call(f"{name}_{number}", params={"text": f"{name} {number}"}, family=name, label=f"{{{name}}} = {number}", **fields)


def test_each_fault_ends_as_it_does_elsewhere(run: Any, server: Server, deployed: Path, tmp_path: Path) -> None:
    """One run with everything that can go wrong in it, in branches that do not know of each other."""
    answers, waiting = tmp_path / "approvals", {"approvals_root": APPROVALS_ROOT.name}
    answers.mkdir()
    (answers / "granted.json").write_text('{"approved": true, "by": "Ada", "note": "fine"}')
    (answers / "refused.json").write_text('{"approved": false, "by": "Bob", "note": "not yet"}')
    (answers / "stale.json").write_text('{"approved": true, "by": "Ada", "evidence": "of another run"}')

    def asks(name: str, **given: Any) -> Step:
        return approval(name, f"May {name}?", ["Ada"], {"x": Ref("made", "out")}, routes=(("steps", name),), **given)

    first = list(family("trial", 3))
    steps = (
        call("flaky", "second_try", retries=2, params={"tries": str(tmp_path / "flaky")}),
        call("after_flaky", inputs={"x": Ref("flaky", "out")}),
        call("hopeless", "never", retries=1, params={"tries": str(tmp_path / "hopeless")}),
        call("dependent", inputs={"x": Ref("hopeless", "out")}),
        call("later", after=("hopeless",)),
        call("slow", "sleep", timeout=4.0, params={"mark": str(tmp_path / "pid")}),
        call("after_slow", inputs={"x": Ref("slow", "out")}),
        call("quick", timeout=60.0, params={"text": "overheard"}),
        *judged("passed", 0.9),
        *judged("missed", 0.1),
        *judged("undefined", None),
        call("made"),
        asks("granted"),
        call("after_granted", inputs={"x": Ref("granted", "report")}),
        asks("refused"),
        call("after_refused", inputs={"x": Ref("refused", "report")}),
        asks("stale", seconds=3.0),
        call("after_stale", after=("stale",)),
        *first,
        call("best", inputs={step.id: Ref(step.id, "out") for step in first}),
        call("secretive", "told", params={"variables": ["TOKEN"]}, secrets={"TOKEN": Secret("secret", "not there", "key")}, retries=2),
        call("plain", "told", params={"variables": ["PLAIN", "HERE"]}, environment={"PLAIN": "abc"}, secrets={"HERE": Secret("env", "HOME")}),
    )  # fmt: skip
    assert asks("granted").bindings == waiting
    news = tmp_path / "news"
    pipeline = of("faulty", *steps, parameters=(APPROVALS_ROOT,), exit=(notify(news),))
    started = time.monotonic()
    outcome = run(pipeline)
    assert time.monotonic() - started < 120
    assert outcome.state == "failed"
    assert not alive(int((tmp_path / "pid").read_text()))
    failed = ["gate_missed", "gate_undefined", "hopeless", "refused", "secretive", "slow", "stale"]
    skipped = ["dependent", "later", "after_slow", "after_refused", "after_stale", "package_missed", "package_undefined"]
    wanted = dict.fromkeys((step.id for step in steps), "succeeded") | dict.fromkeys(failed, "failed")
    assert dict(outcome.steps) == wanted | dict.fromkeys(skipped, "skipped") | {"notify": "succeeded"}
    told, _, length = news.read_text().strip().rpartition(" ")
    assert told.partition(":")[0] == "failed"
    assert sorted(told.partition(":")[2].split(",")) == failed
    assert length == "0"
    assert [(tmp_path / name).read_text() for name in ("flaky", "hopeless")] == ["xx", "xx"]
    assert outcome.artifacts["after_flaky.out"].read_text() == "mademade"
    assert outcome.artifacts["best.out"].read_text() == "madetrial 1trial 2trial 3"
    assert outcome.artifacts["plain.out"].read_text() == f"PLAIN:3,HERE:{len(os.environ['HOME'])}"
    assert json.loads(outcome.artifacts["granted.report"].read_text()) == {"approved": True, "by": "Ada", "note": "fine"}

    assert server.runs("faulty")[0]["state"]["type"] == "FAILED"
    assert server.task("faulty", "flaky")["run_count"] == 2
    assert server.task("faulty", "slow")["state"]["name"] == "TimedOut"
    for name in ("gate_missed", "gate_undefined", "secretive"):
        assert server.task("faulty", name)["run_count"] == 1  # another try would meet the same
    assert "nothing to divide by" in server.task("faulty", "gate_undefined")["state"]["message"]
    assert "Secret block" in server.task("faulty", "secretive")["state"]["message"]
    assert "refused by Bob: not yet" in server.task("faulty", "refused")["state"]["message"]
    assert "no answer within 3 s" in server.task("faulty", "stale")["state"]["message"]
    assert server.task("faulty", "trial_2")["name"] == "trial_2 ({trial} = 2)"
    assert {one["name"]: one["state"]["type"] for one in server.runs("faulty-approval")} == {
        "granted": "COMPLETED",
        "refused": "COMPLETED",
        "stale": "FAILED",
    }
    assert float(server.artifacts("faulty")["faulty-trial-progress"]) == 100.0
    # what a step prints in a process of its own
    assert until(90, lambda: "the word is overheard" in server.logs("faulty"))


def test_what_is_cached_depends_on_content_and_age_and_a_killed_run_is_resumed(run: Any, server: Server, deployed: Path, tmp_path: Path) -> None:  # fmt: skip
    mark, go = tmp_path / "mark", tmp_path / "go"

    def pipeline(code: str = WORK, word: str = "one") -> Pipeline:
        return of(
            "cached",
            call("first", params={"text": word}),
            call(
                "second",
                "hold",
                inputs={"x": Ref("first", "out")},
                params={"mark": str(mark), "wait": str(go)},
                after=("kept_1", "kept_2"),
            ),
            call("third", inputs={"x": Ref("second", "out")}),
            *family("aged", 2, max_age=0.001),
            *family("kept", 2, max_age=3600.0),
            code={"work.py": code},
        )

    steps = {step.id: "cached" for step in pipeline().steps} | {"aged_1": "succeeded", "aged_2": "succeeded"}

    def killed() -> None:
        with pytest.raises(Problem, match=r"crashed|exit code"):
            run(pipeline())

    thread = threading.Thread(target=killed)
    thread.start()
    assert until(240, lambda: mark.exists() and mark.read_text())
    os.kill(int(mark.read_text()), signal.SIGKILL)  # the flow's own process: the step has no time limit
    thread.join()
    go.touch()
    resumed = run(pipeline())
    assert dict(resumed.steps) == steps | {"second": "succeeded", "third": "succeeded"}
    # A file that is gone is made again, and not what needs it: its content is as before. One that was changed is not used either.
    resumed.artifacts["second.out"].unlink()
    resumed.artifacts["kept_1.out"].write_text("two")
    told = run(pipeline())
    assert dict(told.steps) == steps | {"second": "succeeded", "kept_1": "succeeded"}
    assert told.artifacts["kept_1.out"].read_text() == "kept 1"
    # Another parameter, and then other code.
    told = run(pipeline(word="other"))
    assert dict(told.steps) == steps | dict.fromkeys(("first", "second", "third"), "succeeded")
    assert told.artifacts["third.out"].read_text() == "mademadeother"
    assert set(run(pipeline(WORK + "\n# edited\n")).steps.values()) == {"succeeded"}


@pytest.mark.parametrize("engine", ["processes", "dask"])
def test_steps_run_where_the_spec_says(run: Any, server: Server, deployed: Path, tmp_path: Path, engine: str) -> None:
    first = list(family("trial", 3))
    outcome = run(
        of(
            f"spread {engine}",
            *first,
            call("best", inputs={step.id: Ref(step.id, "out") for step in first}),
            call("never", "never", params={"tries": str(tmp_path / "tries")}),
            call("after", inputs={"x": Ref("never", "out")}),
            call("later", after=("never",)),
            distribution=Distribution(engine, 2),
        )
    )
    assert dict(outcome.steps) == {step.id: "succeeded" for step in first} | {
        "best": "succeeded",
        "never": "failed",
        "after": "skipped",
        "later": "skipped",
    }
    assert outcome.artifacts["best.out"].read_text() == "madetrial 1trial 2trial 3"


def test_a_schedule_fires_a_killed_run_is_told_of_and_an_event_starts_another(server: Server, deployed: Path) -> None:
    """The worker has started the scheduled run, which holds; its process is killed, and the worker does what is left to do.

    What follows needs that run: parallel workers may run two tests of a module apart, each with a server of its own.
    """
    assert until(240, (deployed / "pid").exists), (deployed / "worker.log").read_text()
    scheduled = [one for one in server.runs("deployed-one") if one["auto_scheduled"] and one["state"]["type"] == "RUNNING"]
    assert len(scheduled) == 1, "one at a time"
    deployment = server.ask("deployments/name/deployed-one/production")
    (schedule,) = deployment["schedules"]
    server.ask(f"deployments/{deployment['id']}/schedules/{schedule['id']}", {"active": False}, "PATCH")
    ended = ("only", "secret")  # the flow's process tells the server so, a little later
    held = scheduled[0]["id"]
    assert until(90, lambda: all(server.task("deployed-one", one, held)["state"]["type"] == "COMPLETED" for one in ended))
    os.kill(int((deployed / "pid").read_text()), signal.SIGKILL)
    run = until(240, lambda: [one for one in server.runs("deployed-one") if one["state"]["type"] == "CRASHED"])
    assert [one["id"] for one in run] == [held], (deployed / "worker.log").read_text()
    assert until(90, (deployed / "news").exists), (deployed / "worker.log").read_text()
    assert (deployed / "news").read_text() == "failed:hold 0\n"
    _an_event_starts_a_run_that_asks_first_and_goes_on_where_the_killed_one_was(server, deployed)


def _an_event_starts_a_run_that_asks_first_and_goes_on_where_the_killed_one_was(server: Server, deployed: Path) -> None:
    (deployed / "go").touch()
    (deployed / "news").unlink(missing_ok=True)
    before = {one["id"] for one in server.runs("deployed-one")}
    event = {"event": "mlspec.data_drift", "occurred": "", "id": "", "payload": {}, "related": []}
    for resource in ("mlspec.project.other", "mlspec.project.deployed-one", "mlspec.project.deployed-one"):
        now = datetime.now(UTC).isoformat()
        server.ask("events", [{**event, "resource": {"prefect.resource.id": resource}, "occurred": now, "id": str(uuid4())}])
    asked = until(240, lambda: [one for one in server.runs("deployed-one-approval") if one["state"]["type"] == "PAUSED"])
    assert [one["name"] for one in asked] == ["begin"], (deployed / "worker.log").read_text()
    server.ask(f"flow_runs/{asked[0]['id']}/resume", {"run_input": {"approved": True, "by": "Ada"}})
    # a scheduled run that waited for its turn behind the killed one may end, too
    run = until(240, lambda: [one for one in server.runs("deployed-one") if one["state"]["type"] == "COMPLETED" and not one["auto_scheduled"]])  # fmt: skip
    new = [one for one in server.runs("deployed-one") if one["id"] not in before and not one["auto_scheduled"]]
    assert [one["id"] for one in new] == [one["id"] for one in run], "one run for two events, and none for another project's"
    assert run[0]["parameters"]["ask_first"] is True
    wanted = {"hold": "Completed", "notify": "Completed", "secret": "Cached"}  # what the killed run had made is used again
    until(90, lambda: {name: server.task("deployed-one", name, new[0]["id"])["state"]["name"] for name in wanted} == wanted)
    assert {name: server.task("deployed-one", name, new[0]["id"])["state"]["name"] for name in wanted} == wanted
    (made,) = [path.read_text() for path in deployed.rglob("artifacts/secret/*/out")][-1:]
    assert made == "TOKEN:15,HERE:5,PLAIN:3"
    assert (deployed / "news").read_text() == "succeeded: 0\n"
    assert "t0k3n-of-orders" not in (deployed / "worker.log").read_text()


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(stat.parent.name))
    return found + [one for child in found for one in children(child)]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_server_of_its_own_is_started_and_stopped_with_all_else(tmp_path: Path) -> None:
    prefect.emit(of("stopped", call("slow", "sleep", params={"mark": str(tmp_path / "pid")}, timeout=300.0))).write(
        tmp_path / "project"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    process = subprocess.Popen(
        [sys.executable, "run.py", "--workspace", str(tmp_path / "workspace")],
        cwd=tmp_path / "project",
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    until(240, lambda: (tmp_path / "pid").exists() or process.poll() is not None)
    started = children(process.pid)
    assert len(started) >= 3  # the server, the flow, the step
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert "stopped by SIGTERM" in said.decode()
    # the step's process looks after its parent itself
    assert until(90, lambda: not any(alive(one) for one in started))
    assert not (tmp_path / "workspace" / "outcome.json").exists()


def test_a_server_of_its_own_runs_a_flow_and_keeps_everything_in_the_workspace_but_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # a proxy that nobody answers at
    monkeypatch.setenv("MLSPEC_SECRET_ORDERS_TOKEN", "t0k3n-of-orders")
    secrets = {"TOKEN": Secret("secret", "orders", "token")}
    pipeline = of(
        "own",
        call("only", "told", params={"variables": ["TOKEN"]}, secrets=secrets),
        exit=(notify(tmp_path / "news", secrets={"PAGER": Secret("secret", "orders", "token")}),),
    )
    prefect.emit(pipeline).write(tmp_path / "project")
    outcome = execute(tmp_path / "project", workspace=tmp_path / "workspace", data_root=tmp_path, registry_root=tmp_path)
    assert dict(outcome.steps) == {"only": "succeeded", "notify": "succeeded"}
    assert outcome.artifacts["only.out"].read_text() == "TOKEN:15"
    assert (tmp_path / "news").read_text() == "succeeded: 15\n"
    assert (tmp_path / "workspace" / "prefect" / "prefect.db").exists()
    assert not (home / ".prefect").exists()
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"t0k3n-of-orders" in file.read_bytes()]
