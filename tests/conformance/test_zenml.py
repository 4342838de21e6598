"""ZenML: emitted projects run for real, each by its own `run.py` on ZenML's local stack, and are read back with ZenML's client."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mlspec.backends import zenml

from mlspec import ops, runtime
from mlspec.ir import Artifact, Parameter, Pipeline, Port, Ref, Resources, Stage, Step
from mlspec.runtime.artifact import digest
from tests.conformance.test_prefect import WORK, call, judged
from tests.pipelines import PARAMETERS, breast_cancer
from tests.test_backend_zenml import hostile

pytestmark = pytest.mark.slow

MINE = (
    WORK
    + '''
def note(inputs, outputs, **params):
    """Write down what was given, and what lies in the temporary directory."""
    import json, tempfile
    told = {"params": params, "inputs": sorted(inputs), "temporary": sorted(p.name for p in Path(tempfile.gettempdir()).glob("mlspec-*")),
            "text": {name: Path(place).read_text(errors="replace")[:200] for name, place in inputs.items()}}
    for place in outputs.values():
        Path(place).write_text(json.dumps(told, sort_keys=True))
    return {"letters": 3, "nothing": None}

def leave(inputs, outputs):
    import sys
    sys.exit("I am off")

def wait(inputs, outputs, mark):
    with open(mark, "a") as file:
        file.write("x")
    Path(outputs["out"]).write_text("half")
    time.sleep(600)

def deaf(inputs, outputs, mark):
    with open(mark, "a") as file:
        file.write("x")
    import ctypes, signal
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    ctypes.CDLL(None).sleep(600)  # no Python runs here that could hear of a signal
'''
)


def cut_off() -> list[str]:
    """The words before a command that take the network from it, where this system lets us."""
    words = ["unshare", "--user", "--map-root-user", "--net"]
    can = shutil.which("unshare") and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
    return words if can else []


def of(name: str, *steps: Step, **fields: Any) -> Pipeline:
    return Pipeline(**{"name": name, "description": "For a test.", "steps": steps, "code": {"work.py": MINE}, **fields})


class Ran:
    """How one run of an emitted project ended."""

    def __init__(self, place: Place, pipeline: Pipeline, ended: subprocess.CompletedProcess[str]) -> None:
        self.code, self.said, self.place = ended.returncode, ended.stdout, place
        self.order = [step.id for step in pipeline.steps]
        told = json.loads((place.workspace / "outcome.json").read_text())
        self.state: str = told["state"]
        self.steps: dict[str, str] = told["steps"]
        self.artifacts = {name: Path(path) for name, path in told["artifacts"].items()}

    def note(self, name: str) -> Any:
        return json.loads(self.artifacts[name].read_text())

    def states(self, state: str) -> set[str]:
        return {step for step, ended in self.steps.items() if ended == state}

    @property
    def summary(self) -> list[str]:
        """The last lines of what was said: from the first step's on."""
        lines = self.said.splitlines()
        return lines[max(at for at, line in enumerate(lines) if line.startswith(f"{self.order[0]}: ")) :]


class Place:
    """A directory with a workspace, in which projects are run one after the other."""

    def __init__(self, top: Path) -> None:
        self.top, self.workspace, self.home = top, top / "work space", top / "home"
        self.home.mkdir()
        # Somebody else's ZenML, and a time zone: neither is ours.
        foreign = {"ZENML_STORE_URL": "https://zenml.invalid", "ZENML_ACTIVE_STACK_ID": "nobody's", "TZ": "Asia/Kolkata"}
        self.environment = {**os.environ, **foreign, "HOME": str(self.home)}
        self.environment.pop("XDG_CACHE_HOME", None)

    def emit(self, pipeline: Pipeline) -> Path:
        project = self.top / zenml.render.slug(pipeline.name)
        zenml.emit(pipeline).write(project)
        return project

    def command(self) -> list[str]:
        places = {"workspace": self.workspace, "data-root": self.top, "registry-root": self.top / "registry"}
        return [*cut_off(), sys.executable, "run.py", *(f"--{name}={path}" for name, path in places.items())]

    def run(self, pipeline: Pipeline) -> Ran:
        project = self.emit(pipeline)
        before = tree(project)
        ended = subprocess.run(
            self.command(),
            cwd=project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        assert (self.workspace / "outcome.json").exists(), ended.stdout
        assert tree(project) == before, "a run writes nothing beside the project"
        assert not list(self.home.rglob("*")), "nor in the home directory"
        assert not list((self.workspace / "zenml").glob("tmp-*")), "nor leaves temporary files"
        return Ran(self, pipeline, ended)

    def ask(self, code: str) -> Any:
        """What ZenML's client says: the value of `told` after some code."""
        script = self.top / "ask.py"  # ZenML wants to know the main module's file
        script.write_text(f"import json\nfrom zenml.client import Client\nclient = Client()\n{code}\nprint(json.dumps(told))\n")
        environment = {name: value for name, value in self.environment.items() if not name.startswith("ZENML_")}
        home = self.workspace / "zenml"
        environment |= {
            "ZENML_CONFIG_PATH": str(home / "config"),
            "ZENML_LOCAL_STORES_PATH": str(home / "stores"),
            "ZENML_ANALYTICS_OPT_IN": "false",
            "ZENML_LOGGING_VERBOSITY": "ERROR",
        }
        ended = subprocess.run(
            [*cut_off(), sys.executable, str(script)],
            cwd=self.home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout.splitlines()[-1])


def tree(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One workspace for many small pipelines: its first use writes ZenML's database."""
    return Place(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def passing(whole: Place) -> Ran:
    return whole.run(breast_cancer())


@pytest.fixture(scope="module")
def again(passing: Ran) -> Ran:
    """The same once more, in the same workspace."""
    return passing.place.run(breast_cancer())


ALL_STEPS = {step.id for step in breast_cancer().steps}
ALL_ARTIFACTS = {f"{step.id}.{port.name}" for step in breast_cancer().steps for port in step.output_ports}


def test_a_whole_pipeline(passing: Ran) -> None:
    assert (passing.code, passing.state) == (0, "succeeded"), passing.said
    assert passing.states("succeeded") == ALL_STEPS
    assert set(passing.artifacts) == ALL_ARTIFACTS
    assert all(path.is_relative_to(passing.place.workspace) for path in passing.artifacts.values())
    assert passing.summary == [f"{step.id}: succeeded" for step in breast_cancer().steps] + ["run: succeeded"]
    assert list((passing.place.top / "registry").rglob("*"))


@pytest.mark.skipif(not cut_off(), reason="this system does not let us take the network from a process")
def test_no_network_is_needed(passing: Ran) -> None:
    command = [*cut_off(), sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 9))"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "unreachable" in ended.stderr  # not even the loopback: this is how every run here was run
    assert passing.state == "succeeded"


def test_the_same_bits_as_without_zenml(passing: Ran, tmp_path: Path) -> None:
    places: dict[str, Path] = {}
    for step in breast_cancer().steps:
        outputs = {port.name: tmp_path / step.id / port.name for port in step.output_ports}
        roots = {"data_root": str(tmp_path), "registry_root": str(tmp_path / "registry")}
        runtime.run(
            step.op.name,
            inputs={name: places[f"{ref.step}.{ref.output}"] for name, ref in step.inputs.items()},
            outputs=outputs,
            params={**step.params, **{name: roots[parameter] for name, parameter in step.bindings.items()}},
            timeout=step.timeout,
        )
        places |= {f"{step.id}.{name}": place for name, place in outputs.items()}
    assert [name for name, place in places.items() if digest(place) != digest(passing.artifacts[name])] == []


def test_a_second_run_is_cached_but_for_what_looks_or_reaches_outside(again: Ran, passing: Ran) -> None:
    assert (again.code, again.state) == (0, "succeeded"), again.said
    assert again.states("succeeded") == {"ingest", "check_data", "gate", "register"}
    assert again.states("cached") == ALL_STEPS - again.states("succeeded")
    assert set(again.artifacts) == ALL_ARTIFACTS
    assert {name for name in ALL_ARTIFACTS if again.artifacts[name] == passing.artifacts[name]} == {
        name for name in ALL_ARTIFACTS if again.steps[name.split(".")[0]] == "cached"
    }


def test_what_zenml_shows(again: Ran) -> None:
    told = again.place.ask(
        """
from zenml.artifacts.utils import load_artifact_visualization
runs = client.list_pipeline_runs(pipeline="tumours", sort_by="asc:created", hydrate=True)
first = runs[0]
def of(step, name):
    return first.steps[step].outputs[f"tumours_{step}_{name}"][0]
def shown(step, name):
    version = of(step, name)
    (one,) = version.visualizations
    return [one.type.value, load_artifact_visualization(version).value]
told = {
    "runs": [run.status.value for run in runs],
    "types": {name: of(*name.split(".")).type.value for name in ("train.model", "evaluate.metrics", "split.train", "report.page")},
    "hashes": {name: of(*name.split(".")).content_hash for name in ("train.model", "package.package")},
    "artifact metadata": dict(of("train", "model").run_metadata),
    "step metadata": dict(first.steps["evaluate"].run_metadata),
    "metrics facts": dict(of("evaluate", "metrics").run_metadata),
    "page": shown("report", "page"),
    "decision": shown("decide", "decision"),
    "metrics": shown("evaluate", "metrics"),
    "manifest": shown("split", "manifest"),
    "models": [model.name for model in client.list_models()],
    "versions": [
        [version.number, sorted(version.model_artifacts), sorted(version.data_artifacts)]
        for version in client.list_model_versions("tumours", sort_by="asc:number", hydrate=True)
    ],
    "parameters": first.steps["split"].config.parameters,
    "docs": first.steps["split"].docstring,
}
"""
    )
    assert told["runs"] == ["completed", "completed"]
    assert told["types"] == {
        "train.model": "ModelArtifact",
        "evaluate.metrics": "DataAnalysisArtifact",
        "split.train": "DataArtifact",
        "report.page": "DataAnalysisArtifact",
    }
    assert told["hashes"] == {name: digest(again.artifacts[name]) for name in ("train.model", "package.package")}
    score = again.note("evaluate.metrics")["metrics"]["roc_auc"]["value"]
    assert told["step metadata"]["roc_auc"] == pytest.approx(score)
    assert told["metrics facts"]["roc_auc"] == pytest.approx(score)
    assert told["artifact metadata"]
    kind, page = told["page"]
    assert kind == "html"
    assert page.lower().startswith("<!doctype html>")
    kind, decision = told["decision"]
    assert kind == "markdown"
    assert decision.startswith("# pass\n")
    assert "| roc_auc >= 0.9 |" in decision
    kind, metrics = told["metrics"]
    assert kind == "markdown"
    assert f"| roc_auc | {score:.4g} |" in metrics.replace("&#95;", "_")
    kind, manifest = told["manifest"]
    assert kind == "json"
    assert json.loads(manifest)["verdict"] == "pass"
    assert told["models"] == ["tumours"]
    assert [version[0] for version in told["versions"]] == [1, 2]
    for _, models, data in told["versions"]:
        assert {"tumours_train_model", "tumours_package_package"} <= set(models)
        assert "tumours_split_test" in data
    assert told["parameters"]["params"] == json.loads(json.dumps(dict(breast_cancer()["split"].params)))
    assert "From the spec's splits." in told["docs"]


def test_a_gate_that_fails(again: Ran) -> None:
    shutil.rmtree(again.place.top / "registry")
    ran = again.place.run(breast_cancer(target=1.1))
    assert (ran.code, ran.state) == (1, "failed")
    assert ran.states("failed") == {"gate"}
    assert ran.states("skipped") == {"package", "register"}
    assert "report.page" in ran.artifacts
    assert ran.note("decide.decision")["verdict"] == "fail"
    assert not {"gate.report", "package.package", "register.entry"} & set(ran.artifacts)
    assert not (again.place.top / "registry").exists()
    at = ran.summary.index("gate: failed")
    assert ran.summary[at + 1].startswith("    requirements.metrics[0].target: roc_auc is 0.99")
    assert "the requirement is >= 1.1" in ran.summary[at + 1]
    assert ran.summary[-3:] == ["package: skipped", "register: skipped", "run: failed"]
    assert again.place.ask("told = client.list_pipeline_runs(sort_by='desc:created')[0].status.value") == "failed"


TRIES = "told = [one.status.value for one in client.list_run_steps(name={name!r}, sort_by='asc:created')]"


@pytest.mark.parametrize(("value", "verdict"), [(None, "failed"), (0.9, "succeeded")])
def test_a_metric_that_is_not_a_number_fails_the_gate(small: Place, value: float | None, verdict: str) -> None:
    pipeline = judged(f"judged {value}", value)  # whose gate may be tried four times
    ran = small.run(pipeline)
    assert ran.state == verdict
    assert ran.steps["gate"] == verdict
    assert ran.steps["report"] == "succeeded"
    assert ran.steps["package"] == ("succeeded" if verdict == "succeeded" else "skipped")
    name = zenml.render.slug(pipeline.name)
    run = f"run = client.list_pipeline_runs(pipeline={name!r})[0]\n"
    tries = "told = [run.status.value, [one.status.value for one in client.list_run_steps(pipeline_run_id=run.id, name='gate')]]"
    ended = "completed" if verdict == "succeeded" else "failed"
    assert small.ask(run + tries) == [ended, [ended]]
    if value is None:
        assert any("nothing to divide by" in line for line in ran.summary)


def test_retries_limits_and_what_fails_besides(small: Place) -> None:
    tries = {name: str(small.top / name) for name in ("second", "never", "pid")}
    pipeline = of(
        "faults",
        call("broken", "never", params={"tries": tries["never"]}, retries=1),
        call("after_broken", inputs={"it": Ref("broken", "out")}),
        call("late", after=("after_broken",)),
        call("second", "second_try", params={"tries": tries["second"]}, retries=2),
        call("behind", inputs={"it": Ref("second", "out")}),
        call("slow", "sleep", params={"mark": tries["pid"]}, timeout=3.0),
        call("leaving", "leave"),
        call("unwritten", "note", gives=(Port("out", Artifact.FILE),), params={"inputs": 1}),
        call("last", after=("behind",)),
    )
    ran = small.run(pipeline)
    assert (ran.code, ran.state) == (1, "failed")
    assert ran.states("failed") == {"broken", "slow", "leaving", "unwritten"}
    assert ran.states("skipped") == {"after_broken", "late"}
    assert ran.states("succeeded") == {"second", "behind", "last"}
    assert set(ran.artifacts) == {"second.out", "behind.out", "last.out"}
    assert Path(tries["never"]).read_text() == "xx"
    assert Path(tries["second"]).read_text() == "xx"
    deadline = time.monotonic() + 10
    while alive(int(Path(tries["pid"]).read_text())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(int(Path(tries["pid"]).read_text()))
    assert small.ask(TRIES.format(name="second")) == ["retried", "completed"]
    assert small.ask(TRIES.format(name="broken")) == ["retried", "failed"]
    # One line a step, and under a failed one what was wrong, without where.
    heads = [line for line in ran.summary if not line.startswith(" ")]
    assert heads == [f"{step}: {ran.steps[step]}" for step in ran.order] + ["run: failed"]
    text = "\n".join(ran.summary)
    assert "Traceback" not in text
    assert "    work:never raised OSError: no" in text
    assert "python ran longer than its limit of 3 s and was stopped [step-timed-out]" in text
    assert "I am off" in text


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_awkward_names_and_values_arrive(small: Place) -> None:
    values = {
        "whole": 500,
        "part": 500.0,
        "big": 2**70,
        "list": [1, 2.0, None, True, -0.0, 1e300],
        "deep": {"n": {"m": [7]}},
        "text": "{{secret.key}} ${HOME} {date} \"'\\ \n 🦀 $HOME `id` \x00 ${NOPE} $\\{x}",
        "${NOPE}": ["${HOME}"],
    }
    ports = tuple(Port(name, Artifact.FILE) for name in ("class", "params", "json"))
    taken = {
        name: Ref("json", "class")
        for name in ("self", "id", "after", "start_after", "args", "kwargs", "cls", "model", "schema", "made")
    }
    pipeline = of(
        "{{secret.key}} {date} class",
        call("json", "note", params=values, gives=ports, bindings={"root": "data_root"}),
        call("class", "note", inputs=taken, after=("silent",)),
        call("silent", gives=(), after=("json",)),
        call("a" * 63, "note", inputs={"p" * 63: Ref("json", "params")}, gives=(Port("q" * 63, Artifact.FILE),)),
        call("step", "note", inputs={"it": Ref("a" * 63, "q" * 63)}, resources=Resources(0.5, 2**28)),
        parameters=PARAMETERS,
        description="It costs ${NOPE} {date}.",
    )
    ran = small.run(pipeline)
    assert ran.state == "succeeded", ran.said
    assert repr(ran.note("json.class")["params"]) == repr(dict(sorted(values.items())))
    assert ran.note("class.out")["inputs"] == sorted(taken)
    assert set(ran.artifacts) == {"json.class", "json.params", "json.json", "class.out", f"{'a' * 63}.{'q' * 63}", "step.out"}
    # A step's temporary directory is gone once its outputs are stored: a later step sees only its own.
    assert all(len(ran.note(name)["temporary"]) == 1 for name in ("json.class", "class.out", "step.out"))


def reading(name: str, second: str = "made") -> Pipeline:
    """A step that reads a file from outside, and two that go by its content."""
    ingest = Step(
        id="ingest", op=ops.INGEST, stage=Stage.DATA, routes=(("data", "sources"),), bindings={"data_root": "data_root"},
        params={"sources": {"rows": {"kind": "csv", "path": "rows.csv"}}, "join": [], "union": None, "columns": {}, "data_root": "."},
    )  # fmt: skip
    steps = (call("first", inputs={"x": Ref("first_note", "out")}, params={"text": second}),)
    count = call("first_note", "note", inputs={"data": Ref("ingest", "data")})
    return of(name, ingest, count, *steps, parameters=PARAMETERS)


def test_caching_goes_by_content(small: Place) -> None:
    data = small.top / "rows.csv"
    data.write_text("a,b\n1,x\n2,y\n")
    assert small.run(reading("cached")).states("succeeded") == {"ingest", "first_note", "first"}
    # The same bytes: read again, and nothing else is done.
    data.write_text("a,b\n1,x\n2,y\n")
    assert small.run(reading("cached")).steps == {"ingest": "succeeded", "first_note": "cached", "first": "cached"}
    # Another parameter of the last step.
    assert small.run(reading("cached", "other")).steps == {"ingest": "succeeded", "first_note": "cached", "first": "succeeded"}
    # Other data, and then another version of the user's code.
    data.write_text("a,b\n1,x\n2,z\n")
    assert small.run(reading("cached")).states("succeeded") == {"ingest", "first_note", "first"}
    edited = reading("cached")
    edited = Pipeline(
        name="cached", description="", steps=edited.steps, parameters=PARAMETERS, code={"work.py": MINE + "\n# edited\n"}
    )
    ran = small.run(edited)
    assert ran.states("succeeded") == {"ingest", "first_note", "first"}
    # An artifact that somebody has deleted from the store.
    ran.artifacts["first_note.out"].unlink()
    steps = tuple(
        call("first", inputs={"x": Ref("first_note", "out")}, params={"text": "new"}) if one.id == "first" else one
        for one in edited.steps
    )
    ran = small.run(Pipeline(name="cached", description="", steps=steps, parameters=PARAMETERS, code=edited.code))
    assert ran.steps["first"] == "failed"
    assert any("the artifact store no longer has the input x" in line for line in ran.summary), ran.summary


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("timeout", [None, 300.0])
def test_a_run_that_is_stopped(small: Place, number: signal.Signals, timeout: float | None) -> None:
    name = f"stopped {number.name} {timeout}"
    mark = small.top / f"{name}.mark"
    pipeline = of(name, call("waiting", "wait", params={"mark": str(mark)}, retries=3, timeout=timeout), call("beside"))
    started, process = start(small, pipeline, mark)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert said.splitlines()[-1] == f"run.py: stopped by {number.name}"
    assert mark.read_text() == "x"  # ZenML itself would have tried again
    assert not (small.workspace / "outcome.json").exists()
    assert not list((small.workspace / "zenml").glob("tmp-*"))
    assert time.monotonic() - started < 60
    assert "Traceback" not in said
    found = f"run = client.list_pipeline_runs(pipeline={zenml.render.slug(name)!r})[0]\n"
    told = small.ask(found + "told = [run.status.value, {name: step.status.value for name, step in run.steps.items()}]")
    assert told[0] == "failed"
    assert told[1]["beside"] == "completed"
    assert told[1]["waiting"] in ("retrying", "failed")
    stored = [
        path
        for path in (small.workspace / "zenml" / "stores").rglob("content")
        if path.is_file() and path.read_text(errors="replace") == "half"
    ]
    assert stored == []


def test_a_step_that_does_not_listen_is_killed(small: Place) -> None:
    mark = small.top / "deaf.mark"
    started, process = start(small, of("deaf", call("deaf", "deaf", params={"mark": str(mark)})), mark)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert said.splitlines()[-1] == "run.py: killed, it did not stop"
    assert not (small.workspace / "outcome.json").exists()
    assert not list((small.workspace / "zenml").glob("tmp-*"))
    assert time.monotonic() - started < 60


def start(place: Place, pipeline: Pipeline, mark: Path) -> tuple[float, subprocess.Popen[str]]:
    """Start a run and return once its step has begun. Not cut off: a signal would only reach `unshare`."""
    project = place.emit(pipeline)
    command = place.command()[len(cut_off()) :]
    process = subprocess.Popen(
        command, cwd=project, env=place.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 120
    while not mark.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.3)
    return time.monotonic(), process


@pytest.mark.parametrize(
    "fault", ["raise RuntimeError('not like this')", "import nothing_of_that_name", "raise SystemExit(3)", "def ("]
)
def test_a_pipeline_that_cannot_be_built(small: Place, fault: str) -> None:
    project = small.emit(of("unbuilt", call("one"), call("two")))
    (module,) = project.glob("*/pipeline.py")
    module.write_text(module.read_text() + f"\n{fault}\n")
    ran = small.run(of("unbuilt", call("one"), call("two")))
    assert (ran.code, ran.state, ran.artifacts) == (1, "failed", {})
    assert ran.steps == {"one": "skipped", "two": "skipped"}
    assert "Traceback" not in ran.said
    assert ran.summary[0:2] == ["one: skipped", "two: skipped"]
    assert ran.summary[2].startswith("run.py: ")
    assert ran.summary[-1] == "run: failed"


def test_what_zenmls_own_classes_say(small: Place, tmp_path: Path) -> None:
    small.run(of("classes", call("only")))  # ZenML has a database to start with
    zenml.emit(breast_cancer()).write(tmp_path / "project")
    zenml.emit(hostile()).write(tmp_path / "hostile")
    code = f"""
import sys
from importlib import import_module
from pathlib import Path
import yaml
from zenml.config import DockerSettings, ResourceSettings
from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
from zenml.config.resource_settings import ByteUnit
from zenml.config.schedule import Schedule
from zenml.steps import BaseStep
told = {{}}
for project in map(Path, {[str(tmp_path / "project"), str(tmp_path / "hostile")]!r}):
    path = project / "production.yaml"
    raw = yaml.safe_load(path.read_text())
    # ZenML ignores keys that it does not know: they are held against its fields here.
    unknown = sorted(set(raw) - set(PipelineRunConfiguration.model_fields))
    unknown += sorted(set(raw["settings"]) - {{"docker"}}) + sorted(set(raw["settings"]["docker"]) - set(DockerSettings.model_fields))
    read = PipelineRunConfiguration.from_yaml(str(path))
    docker = DockerSettings.model_validate(read.settings["docker"].model_dump())
    files = [(project / docker.dockerfile).is_file(), (project / docker.build_context_root / "requirements.txt").is_file()]
    sys.path.insert(0, str(project))
    (name,) = [one.parent.name for one in project.glob("*/steps.py")]
    steps = import_module(f"{{name}}.steps")
    found = {{}}
    for one in [one for one in vars(steps).values() if isinstance(one, BaseStep)]:
        config = one.configuration
        asked = config.settings["resources"].model_dump() if "resources" in config.settings else {{}}
        unknown += sorted(set(asked) - set(ResourceSettings.model_fields))
        resources = ResourceSettings.model_validate(asked)
        found[config.name] = {{
            "retry": config.retry and config.retry.max_retries,
            "cache": config.enable_cache,
            "policy": config.cache_policy.cache_func and config.cache_policy.cache_func.import_path,
            "resources": [resources.cpu_count, resources.gpu_count, resources.get_memory(ByteUnit.B)],
            "outputs": list(one.entrypoint_definition.outputs),
            "inputs": sorted(one.entrypoint_definition.inputs),
        }}
    told[project.name] = {{"unknown": unknown, "files": files, "steps": found}}
told["cron"] = Schedule(cron_expression={breast_cancer().schedule.cron!r}).cron_expression
"""
    told = small.ask(code)
    for project, pipeline in (("project", breast_cancer()), ("hostile", hostile())):
        assert told[project]["unknown"] == []
        assert told[project]["files"] == [True, True]
        steps: Mapping[str, Any] = told[project]["steps"]
        assert set(steps) == {step.id for step in pipeline.steps}
        for step in pipeline.steps:
            one = steps[step.id]
            assert len(one["outputs"]) == len(step.output_ports)
            assert len(one["inputs"]) == len(step.inputs) + len(step.bindings) + 1
            assert (one["retry"] or 0) == step.retries
            external = step.op.name in ("ingest", "register", "gate") or bool(step.bindings)
            assert one["cache"] is (False if external else None)
            assert (one["policy"] or "").endswith(".files.code_version") is not external
    assert told["hostile"]["steps"]["a" * 63]["resources"] == [0.5, 1, 2**20]
    assert told["hostile"]["steps"]["print"]["resources"] == [None, None, None]
    assert told["cron"] == "0 3 * * 1"


def test_the_deployment_runs_on_the_stack_that_is_set(small: Place) -> None:
    pipeline = of(
        "deployed",
        call("only", "note", bindings={"root": "where"}),
        parameters=(Parameter("where", "{date}", "100 % of it"),),
        schedule=breast_cancer().schedule,
    )
    small.run(pipeline)
    project = small.emit(pipeline)
    home = small.workspace / "zenml"
    environment = {name: value for name, value in small.environment.items() if not name.startswith("ZENML_")}
    environment |= {
        "ZENML_CONFIG_PATH": str(home / "config"),
        "ZENML_LOCAL_STORES_PATH": str(home / "stores"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "UV_NO_CACHE": "1",
    }
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
    said = {}
    for arguments in (["--help"], ["--where", "there"], ["--schedule"]):
        ended = subprocess.run(
            [*cut_off(), sys.executable, str(project / "deploy.py"), *arguments],
            cwd=small.home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said[arguments[0]] = (ended.returncode, ended.stdout + ended.stderr)
    assert said["--help"][0] == 0
    assert "100 % of it" in said["--help"][1]
    assert said["--where"][0] == 0, said["--where"][1]
    assert said["--schedule"][0] != 0
    assert "scheduling" in said["--schedule"][1].splitlines()[-1]  # the local orchestrator says that it has none
    told = small.ask(
        "runs = client.list_pipeline_runs(pipeline='deployed', sort_by='asc:created', hydrate=True)\ntold = [[run.status.value, run.config.parameters, sorted(run.config.settings)] for run in runs]"
    )
    assert [one[0] for one in told[:2]] == ["completed", "completed"]
    assert told[1][1] == {"where": "there"}
    assert told[1][2] == ["docker"]


def test_files_in_a_remote_store_are_copied_both_ways(small: Place, tmp_path: Path) -> None:
    """A file system that is not this machine's (``there://``): what a remote artifact store is to the materializer."""
    small.run(of("remote", call("only")))
    project = small.emit(of("remote", call("only")))
    (tmp_path / "made" / "deep").mkdir(parents=True)
    (tmp_path / "made" / "deep" / "file").write_bytes(b"\x00text")
    (tmp_path / "one").write_bytes(b"1")
    code = f"""
import gc, os, shutil, sys
from pathlib import Path
from zenml.io.filesystem import BaseFilesystem
from zenml.io.filesystem_registry import default_filesystem_registry
sys.path.insert(0, {str(project)!r})
from remote_pipeline.files import File, FileMaterializer
TOP = {str(tmp_path / "there")!r}
def here(path): return str(path).replace("there:/", TOP)
class There(BaseFilesystem):
    SUPPORTED_SCHEMES = {{"there://"}}
    open = staticmethod(lambda path, mode="r": (os.makedirs(os.path.dirname(here(path)), exist_ok=True), open(here(path), mode))[1])
    copyfile = staticmethod(lambda src, dst, overwrite=False: shutil.copyfile(here(src), here(dst)))
    exists = staticmethod(lambda path: os.path.exists(here(path)))
    isdir = staticmethod(lambda path: os.path.isdir(here(path)))
    listdir = staticmethod(lambda path: os.listdir(here(path)))
    makedirs = staticmethod(lambda path: os.makedirs(here(path), exist_ok=True))
    mkdir = glob = remove = rename = rmtree = stat = size = walk = staticmethod(lambda *a: 1 / 0)
default_filesystem_registry.register(There)
told = []
for name in ("made", "one"):
    materializer = FileMaterializer(f"there://{{name}}", artifact_store=client.active_stack.artifact_store)
    os.makedirs(TOP + f"/{{name}}", exist_ok=True)
    materializer.save(File(Path({str(tmp_path)!r}) / name))
    loaded = materializer.load(File)
    files = sorted([loaded.path]) if loaded.path.is_file() else sorted(p for p in loaded.path.rglob("*") if p.is_file())
    told.append([[p.name for p in files], [p.read_bytes().hex() for p in files], materializer.compute_content_hash(loaded)])
    place = loaded.path
    del loaded
    gc.collect()
    told[-1].append(place.exists())
"""
    told = small.ask(code)
    assert told == [
        [["file"], [b"\x00text".hex()], digest(tmp_path / "made"), False],
        [["content"], [b"1".hex()], digest(tmp_path / "one"), False],
    ]
