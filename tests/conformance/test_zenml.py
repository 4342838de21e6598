"""ZenML: emitted projects run for real, each by its own `run.py` on ZenML's local stack, and are read back with ZenML's client."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from mlspec.backends import zenml

from mlspec import ops, runtime
from mlspec.ir import Artifact, Parameter, Pipeline, Port, Ref, Resources, Secret, Stage, Step
from mlspec.runtime.artifact import digest
from tests.pipelines import PARAMETERS, breast_cancer
from tests.test_backend_zenml import hostile, rich

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
SERVER = ROOT / ".venvs" / "zenml-server" / "bin" / "python"

WORK = '''
import json, os, sys, time
from pathlib import Path

def make(inputs, outputs, text="made"):
    """Write what is read, and a word."""
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

def note(inputs, outputs, **params):
    """Write down what was given, and what lies in the temporary directory."""
    import tempfile
    told = {"params": params, "inputs": sorted(inputs), "temporary": sorted(p.name for p in Path(tempfile.gettempdir()).glob("mlspec-*")),
            "text": {name: Path(place).read_text(errors="replace")[:200] for name, place in inputs.items()}}
    for place in outputs.values():
        Path(place).write_text(json.dumps(told, sort_keys=True))
    return {"letters": 3, "nothing": None}

def variables(inputs, outputs, names):
    """Say what of the environment is here; of a secret only whether it is right."""
    told = {name: os.environ.get(name) for name in names}
    told = {name: text == "-".join(("s3cr3t", "value")) if name.startswith("SECRET_") else text for name, text in told.items()}
    Path(outputs["out"]).write_text(json.dumps(told))

def tell(alert, place):
    """A channel of `notify`: keep what it is told, and whether it knows its secret."""
    told = [alert["state"], alert["failed"], os.environ.get("SECRET_HOOK") == "-".join(("s3cr3t", "value"))]
    with open(place, "a") as file:
        file.write(json.dumps(told) + "\\n")

def silent(alert):
    raise OSError("channel down")

def leave(inputs, outputs):
    sys.exit("I am off")

def wait(inputs, outputs, mark):
    with open(mark, "a") as file:
        file.write("x")
    Path(outputs["out"]).write_text("half")
    if len(Path(mark).read_text()) < 2 or not mark.endswith(".twice"):
        time.sleep(600)

def deaf(inputs, outputs, mark):
    with open(mark, "a") as file:
        file.write("x")
    import ctypes, signal
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    ctypes.CDLL(None).sleep(600)  # no Python runs here that could hear of a signal

def measured(inputs, outputs, value):
    """The evidence that `decide` takes, for a metric that is `value`."""
    metric = {"value": value, "low": value, "high": value, "method": "none", "rows": 9, "greater_is_better": True}
    metric["reason"] = "nothing to divide by" if value is None else None
    part = {"rows": 9, "metrics": {"roc_auc": value}}
    metrics = {"task": {"kind": "classification", "target": "y", "positive": "a"}, "classes": ["a", "b"], "threshold": 0.5, "confidence": 0.95,
               "splits": {name: part for name in ("train", "dev", "test")}, "metrics": {"roc_auc": metric}, "slices": [], "fairness": []}
    validation = {"verdict": "pass", "rows": 9, "kept": 9, "quarantined": 0, "on_failure": "stop", "checks": [], "schema": {}}
    manifest = {"strategy": "random", "key": ["content"], "seed": 7, "ratios": [0.6, 0.2, 0.2], "rule": "given", "exact": False, "splits": {}, "purged": 0,
                "proofs": [], "verdict": "pass"}
    for name, told in (("metrics", metrics), ("validation", validation), ("manifest", manifest)):
        Path(outputs[name]).write_text(json.dumps(told))
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
    """A step that calls a function of `work.py`."""
    ports = gives if gives is not None else (Port("out", Artifact.FILE),)
    told = {
        "entrypoint": f"work:{function}",
        "params": dict(params or {}),
        "inputs": sorted(inputs or {}),
        "outputs": [port.name for port in ports],
    }
    takes = tuple(Port(name, Artifact.FILE) for name in (inputs or {}))
    shared: dict[str, Any] = {"id": step_id, "op": ops.PYTHON, "stage": Stage.DATA, "routes": (("steps", step_id),)}
    return Step(**shared | {"inputs": inputs or {}, "takes": takes, "gives": ports, "params": told} | fields)


def approve(step_id: str, seconds: float | None = None, **fields: Any) -> Step:
    """A step that waits for a person."""
    params = {
        "step": step_id,
        "message": "May it?",
        "approvers": [],
        "inputs": [],
        "seconds": seconds,
        "approvals_root": "approvals",
    }
    gives = (Port("report", Artifact.REPORT),)
    shared: dict[str, Any] = {"id": step_id, "op": ops.APPROVE, "stage": Stage.DEPLOYMENT, "routes": (("steps", step_id),)}
    return Step(**shared | {"gives": gives, "params": params, "bindings": {"approvals_root": "approvals_root"}} | fields)


def exits(step_id: str, function: str, **params: Any) -> Step:
    """A step that runs at the end in any case."""
    channel = {"kind": "custom", "entrypoint": f"work:{function}", "severity": "info", "params": params}
    return Step(
        id=step_id, op=ops.NOTIFY, stage=Stage.DEPLOYMENT, routes=(("pipeline", "notify"),), params={"channels": [channel], "about": {}},
        secrets={"SECRET_HOOK": HOOK},
    )  # fmt: skip


ORDERS, HOOK = Secret("secret", "orders", "dsn"), Secret("env", "HOOK_URL")
VALUE = "s3cr3t-value"


APPROVALS = Parameter("approvals_root", "approvals", "Where answers lie.")


def judged(value: float | None) -> tuple[Step, ...]:
    """A verdict on a metric that a user's step measured: evidence, decision, report beside it, gate, and what the gate guards."""
    route = ["requirements", "metrics", 0, "target"]
    wanted = {
        "id": "roc_auc", "kind": "metric", "metric": "roc_auc", "op": ">=", "value": 0.5, "route": route, "supports": None, "primary": True,
    }  # fmt: skip
    gives = (Port("metrics", Artifact.METRICS), Port("validation", Artifact.REPORT), Port("manifest", Artifact.REPORT))
    evidence = {port.name: Ref("measure", port.name) for port in gives}
    told = {"requirements": [wanted], "names": {one: f"measure.{one}" for one in evidence}}
    of: dict[str, Any] = {"stage": Stage.MODELING, "routes": (("requirements",),)}
    decision = {"decision": Ref("decide", "decision")}
    return (
        call("measure", "measured", gives=gives, params={"value": value}),
        Step(id="decide", op=ops.DECIDE, inputs=evidence, params=told, **of),
        call("report", inputs=decision),
        Step(id="gate", op=ops.GATE, inputs=decision, params={"subject": "model"}, retries=3, **of),
        call("package", inputs={"gate": Ref("gate", "report")}),
    )


def cut_off() -> list[str]:
    """The words before a command that take the network from it, where this system lets us."""
    words = ["unshare", "--user", "--map-root-user", "--net"]
    can = shutil.which("unshare") and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
    return words if can else []


def of(name: str, *steps: Step, **fields: Any) -> Pipeline:
    return Pipeline(**{"name": name, "description": "For a test.", "steps": steps, "code": {"work.py": WORK}, **fields})


class Ran:
    """How one run of an emitted project ended."""

    def __init__(self, place: Place, pipeline: Pipeline, ended: subprocess.CompletedProcess[str]) -> None:
        self.code, self.said, self.place = ended.returncode, ended.stdout, place
        self.order = [step.id for step in (*pipeline.steps, *pipeline.exit)]
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
        secrets = {"MLSPEC_SECRET_ORDERS_DSN": VALUE, "HOOK_URL": VALUE}
        self.environment = {**os.environ, **foreign, **secrets, "HOME": str(self.home)}
        self.environment.pop("XDG_CACHE_HOME", None)

    def emit(self, pipeline: Pipeline) -> Path:
        project = self.top / zenml.render.slug(pipeline.name)
        zenml.emit(pipeline).write(project)
        return project

    def command(self) -> list[str]:
        places = {"workspace": self.workspace, "data-root": self.top, "registry-root": self.top / "registry"}
        places["approvals-root"] = self.top / "approvals"
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

    @property
    def home_of_zenml(self) -> dict[str, str]:
        home = self.workspace / "zenml"
        return {
            "ZENML_CONFIG_PATH": str(home / "config"),
            "ZENML_LOCAL_STORES_PATH": str(home / "stores"),
            "ZENML_ANALYTICS_OPT_IN": "false",
            "UV_NO_CACHE": "1",
        }

    def ask(self, code: str) -> Any:
        """What ZenML's client says: the value of `told` after some code."""
        script = self.top / "ask.py"  # ZenML wants to know the main module's file
        script.write_text(f"import json\nfrom zenml.client import Client\nclient = Client()\n{code}\nprint(json.dumps(told))\n")
        environment = {name: value for name, value in self.environment.items() if not name.startswith("ZENML_")}
        environment |= self.home_of_zenml | {"ZENML_LOGGING_VERBOSITY": "ERROR"}
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


@pytest.fixture(scope="module")
def stopped(again: Ran) -> Ran:
    """With a gate that cannot pass; nothing is in the registry before."""
    shutil.rmtree(again.place.top / "registry")
    return again.place.run(breast_cancer(target=1.1))


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


def test_a_gate_that_fails(stopped: Ran) -> None:
    assert (stopped.code, stopped.state) == (1, "failed")
    assert stopped.states("failed") == {"gate"}
    assert stopped.states("skipped") == {"package", "register"}
    assert "report.page" in stopped.artifacts
    assert stopped.note("decide.decision")["verdict"] == "fail"
    assert not {"gate.report", "package.package", "register.entry"} & set(stopped.artifacts)
    assert not (stopped.place.top / "registry").exists()
    at = stopped.summary.index("gate: failed")
    assert stopped.summary[at + 1].startswith("    requirements.metrics[0].target: roc_auc is 0.99")
    assert "the requirement is >= 1.1" in stopped.summary[at + 1]
    assert stopped.summary[-3:] == ["package: skipped", "register: skipped", "run: failed"]


def test_what_zenml_shows(stopped: Ran, again: Ran) -> None:
    """Read back after a run that passed, one that was cached, and one that a gate stopped."""
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
        [version.number, sorted(version.model_artifacts), sorted(version.data_artifacts), version.stage, dict(version.run_metadata)]
        for version in client.list_model_versions("tumours", sort_by="asc:number", hydrate=True)
    ],
    "parameters": first.steps["split"].config.parameters,
    "docs": first.steps["split"].docstring,
}
"""
    )
    assert told["runs"] == ["completed", "completed", "failed"]
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
    assert [version[0] for version in told["versions"]] == [1, 2, 3]
    # Promotion is the gates' to give: the run that was stopped has a version of the model, and it has no stage.
    assert [version[3] for version in told["versions"]] == ["archived", "staging", None]
    for _, models, data, _, metadata in told["versions"][:2]:
        assert {"tumours_train_model", "tumours_package_package"} <= set(models)
        assert "tumours_split_test" in data
        assert metadata["roc_auc"] == pytest.approx(score)
        assert metadata["registry_version"] == again.note("register.entry")["version"]
    assert "tumours_package_package" not in told["versions"][2][1]
    assert not told["versions"][2][4]
    assert told["parameters"]["params"] == json.loads(json.dumps(dict(breast_cancer()["split"].params)))
    assert "From the spec's splits." in told["docs"]


AWKWARD = {
    "whole": 500,
    "part": 500.0,
    "big": 2**70,
    "list": [1, 2.0, None, True, -0.0, 1e300],
    "deep": {"n": {"m": [7]}},
    "text": "{{secret.key}} ${HOME} {date} \"'\\ \n 🦀 $HOME `id` \x00 ${NOPE} $\\{x}",
    "${NOPE}": ["${HOME}"],
    "long": "x" * 100_000,  # a pipeline of ZenML's other kind would keep so long a parameter as an artifact
}


def everything(name: str, place: Path) -> Pipeline:
    """Awkward names and values, a family, variables and secrets, an approval, a retry, and two steps at the exit."""
    ports = tuple(Port(one, Artifact.FILE) for one in ("class", "params", "json"))
    taken = {
        one: Ref("json", "class")
        for one in ("self", "id", "after", "start_after", "args", "kwargs", "cls", "model", "schema", "made")
    }
    trials = tuple(
        call(
            f"trial_{number}", "note", family="trial", label=str(number), inputs={"data": Ref("json", ("json", "class")[number % 2])},
            params={"number": number, "same": [1]},
        )
        for number in range(3)
    )  # fmt: skip
    names = ["PLAIN", "FILLED", "SECRET_DSN"]
    plain = {"PLAIN": "a b", "FILLED": "${HOME} $\\{x}"}
    return of(
        name,
        call("json", "note", params=AWKWARD, gives=ports, bindings={"root": "data_root"}),
        call("class", "note", inputs=taken, after=("silent",)),
        call("silent", gives=(), after=("json",)),
        *trials,
        call("collect", "note", inputs={f"n{number}": Ref(f"trial_{number}", "out") for number in range(3)}),
        call("a" * 63, "note", inputs={"p" * 63: Ref("json", "params")}, gives=(Port("q" * 63, Artifact.FILE),)),
        call(
            "step",
            "note",
            inputs={"it": Ref("a" * 63, "q" * 63)},
            resources=Resources(0.5, 2**28, "any", 2, True, (("zone", "1"),)),
        ),
        call("surrounded", "variables", params={"names": names}, environment=plain, secrets={"SECRET_DSN": ORDERS}),
        call("second", "second_try", params={"tries": str(place / "second")}, retries=2),
        approve("release", inputs={"it": Ref("collect", "out")}, takes=(Port("it", Artifact.FILE),)),
        call("after_release", inputs={"yes": Ref("release", "report")}),
        exit=(exits("notify", "tell", place=str(place / "told")), exits("mute", "silent")),
        parameters=(*PARAMETERS, APPROVALS),
        description="It costs ${NOPE} {date}.",
    )


@pytest.fixture(scope="module")
def all_well(small: Place) -> Ran:
    (small.top / "approvals").mkdir()
    (small.top / "approvals" / "release.json").write_text('{"approved": true, "by": "ada", "note": "well done"}')
    return small.run(everything("{{secret.key}} {date} class", small.top))


def test_awkward_names_and_values_arrive(all_well: Ran) -> None:
    assert all_well.state == "succeeded", all_well.said
    assert repr(all_well.note("json.class")["params"]) == repr(dict(sorted(AWKWARD.items())))
    assert "a" * 63 + "." + "q" * 63 in all_well.artifacts
    # A step's temporary directory is gone once its outputs are stored: a later step sees only its own.
    assert all(len(all_well.note(name)["temporary"]) == 1 for name in ("json.class", "class.out", "step.out"))


def test_one_function_of_a_family_is_called_for_each_member(all_well: Ran) -> None:
    assert [all_well.note(f"trial_{number}.out")["params"] for number in range(3)] == [
        {"number": n, "same": [1]} for n in range(3)
    ]
    collected = all_well.note("collect.out")["text"]
    assert all(f'"number": {n}, "same"' in collected[f"n{n}"] for n in range(3))


def test_variables_and_secrets_reach_the_step_and_no_file(all_well: Ran) -> None:
    assert all_well.note("surrounded.out") == {"PLAIN": "a b", "FILLED": "${HOME} $\\{x}", "SECRET_DSN": True}
    for place in (all_well.place.top, all_well.place.home):
        assert [file for file in place.rglob("*") if file.is_file() and VALUE.encode() in file.read_bytes()] == []
    assert VALUE not in all_well.said


def test_a_yes_lets_the_run_go_on(all_well: Ran) -> None:
    assert all_well.note("release.report") == {"approved": True, "by": "ada", "note": "well done"}
    assert all_well.steps["after_release"] == "succeeded"


def test_what_runs_at_the_end_is_told_of_the_success(all_well: Ran) -> None:
    assert (all_well.steps["notify"], all_well.steps["mute"], all_well.state) == ("succeeded", "failed", "succeeded")
    assert [json.loads(line) for line in (all_well.place.top / "told").read_text().splitlines()] == [["succeeded", [], True]]


TRIES = "told = [one.status.value for one in client.list_run_steps(name={name!r}, sort_by='asc:created')]"


def test_failures_of_every_sort(small: Place) -> None:
    """Tries that are used up, a limit, a step that leaves, a metric that is no number, a no, a secret that is not there."""
    tries = {name: str(small.top / name) for name in ("again", "never", "pid", "told_of_failures")}
    (small.top / "approvals").mkdir(exist_ok=True)
    (small.top / "approvals" / "refused.json").write_text('{"approved": false, "by": "bob", "note": "not yet"}')
    pipeline = of(
        "faults",
        call("broken", "never", params={"tries": tries["never"]}, retries=1),
        call("after_broken", inputs={"it": Ref("broken", "out")}),
        call("late", after=("after_broken",)),
        call("again", "second_try", params={"tries": tries["again"]}, retries=2),
        call("behind", inputs={"it": Ref("again", "out")}),
        call("slow", "sleep", params={"mark": tries["pid"]}, timeout=3.0),
        call("leaving", "leave"),
        call("unwritten", "note", gives=(Port("out", Artifact.FILE),), params={"inputs": 1}),
        *judged(None),  # whose gate may be tried four times
        approve("refused"),
        approve("unanswered", seconds=0.5),
        call("after_refused", inputs={"yes": Ref("refused", "report")}),
        call("lacking", secrets={"SECRET_DSN": Secret("secret", "nobody", "knows")}),
        call("last", after=("behind",)),
        exit=(exits("notify", "tell", place=tries["told_of_failures"]),),
        parameters=(APPROVALS,),
    )
    ran = small.run(pipeline)
    assert (ran.code, ran.state) == (1, "failed")
    failed = ["broken", "slow", "leaving", "unwritten", "refused", "unanswered", "lacking", "gate"]
    assert ran.states("failed") == set(failed)
    assert ran.states("skipped") == {"after_broken", "late", "package", "after_refused"}
    assert ran.states("succeeded") == {"again", "behind", "measure", "decide", "report", "last", "notify"}
    assert set(ran.artifacts) == {f"{one}.out" for one in ("again", "behind", "report", "last")} | {
        "measure.metrics", "measure.validation", "measure.manifest", "decide.decision",
    }  # fmt: skip
    assert Path(tries["never"]).read_text() == "xx"
    assert Path(tries["again"]).read_text() == "xx"
    deadline = time.monotonic() + 10
    while alive(int(Path(tries["pid"]).read_text())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(int(Path(tries["pid"]).read_text()))
    asked = "; ".join(f"{TRIES.format(name=name)}; every.append(told)" for name in ("again", "broken", "gate", "refused"))
    assert small.ask(f"every = []; {asked}; told = every") == [
        ["retried", "completed"],
        ["retried", "failed"],
        ["failed"],
        ["failed"],
    ]
    # One line a step, and under a failed one what was wrong, without where.
    heads = [line for line in ran.summary if not line.startswith(" ")]
    assert heads == [f"{step}: {ran.steps[step]}" for step in ran.order] + ["run: failed"]
    text = "\n".join(ran.summary)
    assert "Traceback" not in text
    assert "    work:never raised OSError: no" in text
    assert "python ran longer than its limit of 3 s and was stopped [step-timed-out]" in text
    assert "I am off" in text
    assert "nothing to divide by" in text
    assert "refused was refused by bob: not yet" in text
    assert "unanswered had no answer within" in text
    assert "zenml secret create nobody --knows" in text
    # Each failure is told where it happens, with what has failed until then; the last has them all.
    messages = [json.loads(line) for line in Path(tries["told_of_failures"]).read_text().splitlines()]
    assert [state for state, _, _ in messages] == ["failed"] * len(failed)
    assert sorted(messages[-1][1]) == sorted(failed)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def reading(text: str = "made", code: str = WORK) -> Pipeline:
    """A step that reads a file from outside, and steps that go by its content; one of them for a second only."""
    ingest = Step(
        id="ingest", op=ops.INGEST, stage=Stage.DATA, routes=(("data", "sources"),), bindings={"data_root": "data_root"},
        params={"sources": {"rows": {"kind": "csv", "path": "rows.csv"}}, "join": [], "union": None, "columns": {}, "data_root": "."},
    )  # fmt: skip
    steps = (
        call("count", "note", inputs={"data": Ref("ingest", "data")}),
        call("first", inputs={"x": Ref("count", "out")}, params={"text": text}),
        call("second", inputs={"x": Ref("count", "out")}, environment={"MODE": "a"}),
        call("aged", inputs={"x": Ref("count", "out")}, max_age=1.5),
    )
    return of("cached", ingest, *steps, parameters=PARAMETERS, code={"work.py": code})


def test_caching_goes_by_content(small: Place) -> None:
    data = small.top / "rows.csv"
    data.write_text("a,b\n1,x\n2,y\n")
    everyone = {"ingest", "count", "first", "second", "aged"}
    assert small.run(reading()).states("succeeded") == everyone
    # The same bytes are read again; another parameter of one step; what is too old is made again.
    data.write_text("a,b\n1,x\n2,y\n")
    ran = small.run(reading("other"))
    assert ran.states("succeeded") == {"ingest", "first", "aged"}
    assert ran.states("cached") == {"count", "second"}
    # An artifact that somebody has deleted from the store.
    ran.artifacts["count.out"].unlink()
    ran = small.run(reading("new"))
    assert ran.states("failed") == {"first", "aged"}
    assert any("the artifact store no longer has the input x" in line for line in ran.summary), ran.summary
    # Other data, and then another version of the user's code.
    data.write_text("a,b\n1,x\n2,z\n")
    assert small.run(reading()).states("succeeded") == everyone
    assert small.run(reading(code=WORK + "\n# edited\n")).states("succeeded") == everyone


@pytest.mark.parametrize(("number", "timeout"), [(signal.SIGINT, None), (signal.SIGTERM, 300.0)])
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


def test_a_run_that_is_killed_goes_on_where_it_was(small: Place) -> None:
    mark = small.top / "killed.twice"
    waiting = call(
        "waiting", "wait", params={"mark": str(mark)}, inputs={"x": Ref("before", "out")}, secrets={"SECRET_DSN": ORDERS}
    )
    pipeline = of("killed", call("before"), waiting, call("after", inputs={"x": Ref("waiting", "out")}))
    _, process = start(small, pipeline, mark)
    process.kill()
    process.communicate(timeout=60)
    for left in (small.workspace / "zenml").glob("tmp-*"):  # nobody was there to take them away
        shutil.rmtree(left)
    ran = small.run(pipeline)
    assert (ran.state, ran.steps) == ("succeeded", {"before": "cached", "waiting": "succeeded", "after": "succeeded"}), ran.said
    assert mark.read_text() == "xx"


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


@pytest.mark.parametrize("fault", ["raise SystemExit(3)", "def ("])
def test_a_pipeline_that_cannot_be_built(small: Place, fault: str) -> None:
    pipeline = of("unbuilt", call("one"), call("two"), exit=(exits("notify", "silent"),))
    project = small.emit(pipeline)
    (module,) = project.glob("*/pipeline.py")
    module.write_text(module.read_text() + f"\n{fault}\n")
    ran = small.run(pipeline)
    assert (ran.code, ran.state, ran.artifacts) == (1, "failed", {})
    assert ran.steps == {"one": "skipped", "two": "skipped", "notify": "skipped"}
    assert "Traceback" not in ran.said
    assert ran.summary[0:3] == ["one: skipped", "two: skipped", "notify: skipped"]
    assert ran.summary[3].startswith("run.py: ")
    assert ran.summary[-1] == "run: failed"


BROKEN = """\
enable_cache: true
retries: 2
parameters: {data_root: here, nothing: 1}
settings:
  docker:
    dockerfile: Dockerfile
    requirement: [polars]
    build_config:
      build_options: {anything: goes}
      docker_ignore: x
    dockerfile: Other
  resource: {cpu_count: 1}
  orchestrator.kubernetes:
    pod_settings: {node_selector: {zone: 1}}
    synchronous: true
  orchestrator.nobodys: {anything: 1}
steps:
  ingest: {enable_cache: true, cache_policy: {expires_afters: 3}}
  trian: {}
  train:
    enable_cache: true
    parameters: {params: {}}
    settings: {resources: {memory: 4GiB, gpu_counts: 1}}
"""
FAULTS = [
    "broken.yaml:1: enable_cache would cache ingest, check_data, gate, register too: leave it out",
    "broken.yaml:2: ZenML knows no retries; did you mean retry?",
    "broken.yaml:3: ZenML knows no parameters.nothing",
    "broken.yaml:3: parameters.data_root is an option of deploy.py: give it there",
    "broken.yaml:7: ZenML knows no settings.docker.requirement; did you mean requirements?",
    "broken.yaml:10: ZenML knows no settings.docker.build_config.docker_ignore; did you mean dockerignore?",
    "broken.yaml:11: settings.docker.dockerfile stands here twice",
    "broken.yaml:12: ZenML knows no settings.resource; did you mean resources?",
    "broken.yaml:14: ZenML knows no settings.orchestrator.kubernetes.pod_settings.node_selector; did you mean node_selectors?",
    "broken.yaml:18: ZenML knows no steps.ingest.cache_policy.expires_afters; did you mean expires_after?",
    "broken.yaml:18: steps.ingest.enable_cache: this step must run each time; leave it out",
    "broken.yaml:19: ZenML knows no steps.trian; did you mean train?",
    "broken.yaml:22: steps.train.parameters come from the spec: change them there",
    "broken.yaml:23: ZenML knows no steps.train.settings.resources.gpu_counts; did you mean gpu_count?",
]

ASKED = """
import gc, os, shutil, sys, tempfile
from importlib import import_module
from pathlib import Path
import yaml
from zenml import pipeline, step
from zenml.config import DockerSettings, ResourceSettings
from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
from zenml.config.resource_settings import ByteUnit
from zenml.config.schedule import Schedule
from zenml.enums import StackComponentType
from zenml.io.filesystem import BaseFilesystem
from zenml.io.filesystem_registry import default_filesystem_registry
from zenml.steps import BaseStep
from zenml.steps.step_invocation import StepInvocation
TOP = Path(__file__).parent
told = {"projects": {}}
for name in ("tumours", "hostile", "rich"):
    project = TOP / name
    read = PipelineRunConfiguration.from_yaml(str(project / "production.yaml"))
    docker = DockerSettings.model_validate(read.settings["docker"].model_dump())
    sys.path.insert(0, str(project))
    (package,) = [one.parent.name for one in project.glob("*/steps.py")]
    steps, flow = import_module(f"{package}.steps"), import_module(f"{package}.pipeline")
    os.chdir(project)
    found = {}
    for one in [one for one in vars(steps).values() if isinstance(one, BaseStep)]:
        config = one.configuration
        resources = ResourceSettings.model_validate(config.settings["resources"].model_dump() if "resources" in config.settings else {})
        found[config.name] = {
            "retry": config.retry and config.retry.max_retries,
            "cache": config.enable_cache,
            "policy": config.cache_policy.cache_func and config.cache_policy.cache_func.attribute,
            "age": config.cache_policy.expires_after,
            "resources": [resources.cpu_count, resources.gpu_count, resources.get_memory(ByteUnit.B)],
            "outputs": list(one.entrypoint_definition.outputs),
            "inputs": sorted(one.entrypoint_definition.inputs),
        }
    made = getattr(flow, package)
    made.prepare()
    wired = {
        called: {"upstream": sorted(one.upstream_steps), "inputs": len(one.input_artifacts), "parameters": sorted(one.parameters), "external": len(one.external_artifacts)}
        for called, one in made.invocations.items()
    }
    configuration = import_module(f"{package}.configuration")
    told["projects"][name] = {
        "docker": docker.model_dump(exclude_unset=True), "steps": found, "wired": wired, "hook": str(made.configuration.failure_hook_source),
        "faults": configuration.faults(Path("production.yaml")), "unchecked": configuration.unchecked(Path("production.yaml")),
        "unreadable": configuration.faults(Path("nothing.yaml")),
    }
# A broken run configuration: what ZenML says of it, and what we do.
(TOP / "tumours" / "broken.yaml").write_text(BROKEN)
os.chdir(TOP / "tumours")
from tumours_pipeline import configuration
told["faults"] = configuration.faults(Path("broken.yaml"))
told["unchecked"] = configuration.unchecked(Path("broken.yaml"))
Path("wrong.yaml").write_text("enable_step_logs: false\\nsteps:\\n  train:\\n    retry:\\n      max_retries: few\\n")
told["wrong"] = configuration.faults(Path("wrong.yaml"))
Path("ignored.yaml").write_text("enable_cach: false\\nsettings:\\n  docker:\\n    dockerfil: x\\n")
told["ignored by ZenML"] = PipelineRunConfiguration.from_yaml("ignored.yaml").enable_cache is None
# ZenML's traps.
@step(enable_cache=False)
def always() -> int: return 1
@step
def number(given: int) -> int: return given
@pipeline
def trapped(many: int = 1): number(always())
trapped.prepare()
before = trapped.with_options(enable_cache=True)
Path("cache.yaml").write_text("enable_cache: true\\n")
after = trapped.with_options(config_path="cache.yaml")
told["step says no cache"] = always.configuration.enable_cache
snapshot = after._compile(config_path="cache.yaml")[0]
told["the file says cache"] = snapshot.step_configurations["always"].config.enable_cache
@pipeline
def branching():
    if always() > 0: number(1)
try: branching.prepare()
except TypeError as error: told["branch"] = str(error)
# What a stack lacks.
from deploy import lacking
from zenml.stack import Stack
told["local"] = [lacking(client.active_stack, Path("production.yaml"), scheduled=one) for one in (False, True)]
client.create_stack_component("far", flavor="kubernetes", component_type=StackComponentType.ORCHESTRATOR, configuration={"kubernetes_context": "far"})
client.create_stack("far", components={StackComponentType.ORCHESTRATOR: "far", StackComponentType.ARTIFACT_STORE: "default"})
stack = Stack.from_model(client.get_stack("far"))
told["far"] = [lacking(stack, Path("production.yaml"), scheduled=True), lacking(stack, TOP / "rich" / "production.yaml", scheduled=False)]
told["cron"] = Schedule(cron_expression="0 3 * * 1").cron_expression
# A file system that is not this machine's: what a remote artifact store is to the materializer.
from tumours_pipeline.files import File, FileMaterializer
THERE = TOP / "there"
def here(path): return str(path).replace("there:/", str(THERE))
class There(BaseFilesystem):
    SUPPORTED_SCHEMES = {"there://"}
    open = staticmethod(lambda path, mode="r": (os.makedirs(os.path.dirname(here(path)), exist_ok=True), open(here(path), mode))[1])
    copyfile = staticmethod(lambda src, dst, overwrite=False: shutil.copyfile(here(src), here(dst)))
    exists = staticmethod(lambda path: os.path.exists(here(path)))
    isdir = staticmethod(lambda path: os.path.isdir(here(path)))
    listdir = staticmethod(lambda path: os.listdir(here(path)))
    makedirs = staticmethod(lambda path: os.makedirs(here(path), exist_ok=True))
    mkdir = glob = remove = rename = rmtree = stat = size = walk = staticmethod(lambda *a: 1 / 0)
default_filesystem_registry.register(There)
told["remote"] = []
for name in ("made", "one"):
    materializer = FileMaterializer(f"there://{name}", artifact_store=client.active_stack.artifact_store)
    os.makedirs(THERE / name, exist_ok=True)
    materializer.save(File(TOP / name))
    loaded = materializer.load(File)
    files = sorted([loaded.path]) if loaded.path.is_file() else sorted(p for p in loaded.path.rglob("*") if p.is_file())
    told["remote"].append([[p.name for p in files], [p.read_bytes().hex() for p in files], materializer.compute_content_hash(loaded)])
    place = loaded.path
    del loaded
    gc.collect()
    told["remote"][-1].append(place.exists())
"""


@pytest.fixture(scope="module")
def asked(all_well: Ran) -> dict[str, Any]:
    """What ZenML's own classes say of three projects, of run configurations and of stacks, in one process."""
    place = all_well.place
    for name, pipeline in (("tumours", breast_cancer()), ("hostile", hostile()), ("rich", rich())):
        zenml.emit(pipeline).write(place.top / name)
    (place.top / "made" / "deep").mkdir(parents=True)
    (place.top / "made" / "deep" / "file").write_bytes(b"\x00text")
    (place.top / "one").write_bytes(b"1")
    told: dict[str, Any] = place.ask(f"BROKEN = {BROKEN!r}\n{ASKED}")
    return told


@pytest.mark.parametrize("name", ["tumours", "hostile", "rich"])
def test_zenml_reads_the_steps_as_they_are_meant(asked: dict[str, Any], name: str) -> None:
    pipeline = {"tumours": breast_cancer, "hostile": hostile, "rich": rich}[name]()
    told = asked["projects"][name]
    steps: Mapping[str, Any] = told["steps"]
    assert set(steps) == {step.family or step.id for step in (*pipeline.steps, *pipeline.exit)}
    for step in pipeline.steps:
        one, wired = steps[step.family or step.id], told["wired"][step.id]
        assert len(one["outputs"]) == len(step.output_ports)
        assert len(one["inputs"]) == len(step.inputs) + len(step.bindings) + 1 + bool(step.family)
        assert (one["retry"] or 0) == step.retries
        external = step.op.name in ("approve", "ingest", "register", "gate") or bool(step.bindings)
        assert one["cache"] is (False if external else None)
        assert (one["policy"] or "").startswith(("code_version", "version_")) is not external
        # The edges, as ZenML found them; and whatever the size of the parameters, none became an artifact.
        assert wired["upstream"] == list(step.needs)
        assert wired["inputs"] == len(step.inputs)
        assert wired["external"] == 0
    assert told["faults"] == []
    assert told["unchecked"] == []
    assert told["unreadable"][0].startswith("nothing.yaml: ")


def test_zenml_reads_machines_images_ages_and_hooks_as_they_are_meant(asked: dict[str, Any]) -> None:
    told = {name: one["steps"] for name, one in asked["projects"].items()}
    assert told["hostile"]["a" * 63]["resources"] == [0.5, 1, 2**20]
    assert told["hostile"]["print"]["resources"] == [None, None, None]
    assert told["rich"]["trial"]["resources"] == [2.0, 2, 2**30]
    assert asked["projects"]["tumours"]["docker"] == {"dockerfile": "Dockerfile", "build_context_root": "."}
    assert asked["projects"]["rich"]["docker"] == {"parent_image": "registry.example/churn:1", "skip_build": True}
    assert "at_failure" in asked["projects"]["rich"]["hook"]
    assert asked["cron"] == "0 3 * * 1"


def test_a_run_configuration_with_keys_that_zenml_would_ignore_is_refused(asked: dict[str, Any]) -> None:
    assert asked["ignored by ZenML"] is True
    assert asked["faults"] == FAULTS
    assert asked["unchecked"] == ["orchestrator.nobodys"]
    assert asked["wrong"] == [
        "wrong.yaml:5: steps.train.retry.max_retries: Input should be a valid integer, unable to parse string as an integer"
    ]


def test_traps_of_zenml_are_what_we_think_they_are(asked: dict[str, Any]) -> None:
    assert asked["step says no cache"] is False
    assert asked["the file says cache"] is True  # so that our check refuses it
    assert "not supported between instances of" in asked["branch"]  # so that a gate is a step that fails


def test_what_a_stack_lacks_is_said_before_anything_is_built(asked: dict[str, Any]) -> None:
    assert asked["local"] == [[], ["the orchestrator default (local) takes no schedules: set a stack whose orchestrator does"]]
    far = "the orchestrator far (kubernetes) needs"
    assert asked["far"][0] == [
        f"{far} a container registry in the stack",
        f"{far} an image builder in the stack",
        f"{far} an artifact store that it can reach",
        f"{far} a ZenML server: zenml login",
    ]
    assert f"{far} an image builder in the stack" not in asked["far"][1]  # there the image is taken as it is


def test_files_in_a_remote_store_are_copied_both_ways(asked: dict[str, Any], small: Place) -> None:
    assert asked["remote"] == [
        [["file"], [b"\x00text".hex()], digest(small.top / "made"), False],
        [["content"], [b"1".hex()], digest(small.top / "one"), False],
    ]


def test_the_deployment_runs_on_the_stack_that_is_set(all_well: Ran) -> None:
    small = all_well.place
    pipeline = of(
        "deployed",
        call("only", "note", bindings={"root": "where"}),
        parameters=(Parameter("where", "{date}", "100 % of it"),),
        schedule=breast_cancer().schedule,
    )
    project = small.emit(pipeline)
    (project / "staging.yaml").write_text("enable_step_log: false\n")
    environment = {name: value for name, value in small.environment.items() if not name.startswith("ZENML_")}
    environment |= small.home_of_zenml | {"PYTHONDONTWRITEBYTECODE": "1"}
    said = {}
    for arguments in (["--where", "there"], ["--schedule"], ["--config", "staging.yaml"]):
        command = [*cut_off(), sys.executable, str(project / "deploy.py"), *arguments]
        ended = subprocess.run(command, cwd=small.home, env=environment, capture_output=True, text=True, check=False)
        said[arguments[0]] = (ended.returncode, ended.stdout + ended.stderr)
    assert said["--where"][0] == 0, said["--where"][1]
    assert said["--schedule"][0] == 2
    assert said["--schedule"][1].splitlines()[-1].startswith("deploy.py: the orchestrator default (local) takes no schedules")
    assert said["--config"][0] == 2
    assert "deploy.py: staging.yaml:1: ZenML knows no enable_step_log; did you mean enable_step_logs?" in said["--config"][1]
    told = small.ask(
        "runs = client.list_pipeline_runs(pipeline='deployed', hydrate=True)\n"
        "told = [[run.status.value, run.config.parameters, sorted(run.config.settings)] for run in runs]"
    )
    assert told == [["completed", {"where": "there"}, ["docker"]]]


class Server:
    """A ZenML server of this machine on a free port, with a home of its own."""

    def __init__(self, top: Path) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ZENML_")}
        self.clean = clean | {
            "ZENML_ANALYTICS_OPT_IN": "false",
            "ZENML_LOCAL_STORES_PATH": str(top / "stores"),
            "UV_NO_CACHE": "1",
        }
        self.url, self.top = f"http://127.0.0.1:{self.port}", top

    @property
    def client(self) -> dict[str, str]:
        """The variables by which ZenML's client finds the server."""
        return self.clean | {
            "AUTO_OPEN_DASHBOARD": "false",
            "PYTHONPATH": str(ROOT),
            "ZENML_CONFIG_PATH": str(self.top / "client"),
            "ZENML_STORE_PASSWORD": "",
            "ZENML_STORE_TYPE": "rest",
            "ZENML_STORE_URL": self.url,
            "ZENML_STORE_USERNAME": "default",
        }

    def start(self) -> subprocess.Popen[bytes]:
        told = {
            "ZENML_CONFIG_PATH": str(self.top / "server"), "ZENML_SERVER": "true", "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS": "true",
            "ZENML_SERVER_AUTH_SCHEME": "NO_AUTH", "ZENML_SERVER_AUTO_ACTIVATE": "True", "ZENML_SERVER_DEPLOYMENT_TYPE": "local",
        }  # fmt: skip
        words = ["-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self.top / "server.log").open("wb") as log:
            process = subprocess.Popen([SERVER, *words], cwd=self.top, env=self.clean | told, stdout=log, stderr=log)
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                    return process
            except OSError:
                time.sleep(0.3)
        process.kill()
        process.wait()
        raise AssertionError((self.top / "server.log").read_text()[-2000:])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not SERVER.exists():
        pytest.skip("the environment of ZenML's server is not there: make envs")
    found = Server(tmp_path_factory.mktemp("server"))
    process = found.start()
    yield found
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


READ_BACK = """
import json
from zenml.client import Client
client = Client()
run = client.list_pipeline_runs(pipeline="tumours", hydrate=True)[0]
version = client.list_model_versions("tumours", hydrate=True)[0]
model = run.steps["train"].outputs["tumours_train_model"][0]
told = {
    "url": client.zen_store.url, "state": run.status.value, "steps": {name: step.status.value for name, step in run.steps.items()},
    "version": [version.number, version.stage, version.run_metadata["registry_version"], version.run_metadata["roc_auc"]],
    "linked": sorted(one.name for one in client.list_artifact_versions(model_version_id=version.id, size=1000)),
    "model": [model.name, model.type.value, model.content_hash, dict(model.run_metadata)], "from": model.uri,
    "file": model.load().path.is_file(), "secrets": [one.name for one in client.list_secrets()], "exit": dict(run.run_metadata),
}
print(json.dumps(told))
"""


def test_a_deployment_to_a_server_is_approved_and_read_back(server: Server, tmp_path: Path) -> None:
    """Secrets that are missing, then a run that waits for a person, who answers by `approve.py`; the model comes to production."""
    told = call(
        "told", "variables", params={"names": ["SECRET_DSN", "SECRET_HOOK"]}, secrets={"SECRET_DSN": ORDERS, "SECRET_HOOK": HOOK}
    )
    release = approve("release", seconds=240, inputs={"it": Ref("decide", "decision")}, takes=(Port("it", Artifact.FILE),))
    plain = breast_cancer()
    steps = [*(step for step in plain.steps if step.id != "register"), told, release]
    register = plain["register"]
    pipeline = breast_cancer(
        steps=(*steps, Step(**{name: getattr(register, name) for name in register.__slots__} | {"after": ("release",)})),
        exit=(exits("notify", "tell", place=str(tmp_path / "told")),),
        parameters=(*PARAMETERS, APPROVALS),
        code={"work.py": WORK},
    )
    zenml.emit(pipeline).write(tmp_path / "project")
    (tmp_path / "project" / "read.py").write_text(READ_BACK)
    project, environment = tmp_path / "project", server.client | {"HOOK_URL": VALUE}

    def run(*words: str | Path, cwd: Path = project) -> subprocess.CompletedProcess[str]:
        return subprocess.run([SERVER, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False)

    refused = run("deploy.py", "--check")
    assert refused.returncode == 2, refused.stderr
    assert "the key dsn of the secret orders is not known" in refused.stderr
    assert "zenml secret create orders --dsn" in refused.stderr
    created = run("-c", f"from zenml.client import Client; Client().create_secret('orders', {{'dsn': {VALUE!r}}})", cwd=tmp_path)
    assert created.returncode == 0, created.stderr
    places = [
        "--data-root",
        str(tmp_path),
        "--registry-root",
        str(tmp_path / "registry"),
        "--approvals-root",
        str(tmp_path / "approvals"),
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([SERVER, "deploy.py", *places], cwd=project, env=environment, stdout=log, stderr=log)
    try:
        waiting = tmp_path / "approvals" / "release.asked.json"
        deadline = time.monotonic() + 240
        while not waiting.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.3)
        assert waiting.exists(), (tmp_path / "log").read_text()[-4000:]
        answered = run("approve.py", "release", "--note", "well done")
        assert (answered.returncode, answered.stdout.splitlines()[-1:]) == (0, ["release: approved"]), answered.stderr
        process.wait(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, (tmp_path / "log").read_text()[-4000:]
    read = run("read.py")
    assert read.returncode == 0, read.stderr
    told_back = json.loads(read.stdout.splitlines()[-1])
    assert told_back["url"] == server.url
    assert told_back["state"] == "completed"
    assert told_back["steps"] == dict.fromkeys([*(step.id for step in pipeline.steps), "notify"], "completed")
    number, stage, version, score = told_back["version"]
    assert (number, stage) == (1, "production")
    assert (tmp_path / "registry" / "tumours" / version / "package.json").is_file()
    assert 0.9 < score <= 1
    assert {"tumours_train_model", "tumours_package_package", "tumours_evaluate_metrics"} <= set(told_back["linked"])
    assert told_back["model"][:2] == ["tumours_train_model", "ModelArtifact"]
    assert told_back["model"][2] == digest(Path(told_back["from"]) / "content")
    assert told_back["file"]
    assert sorted(told_back["secrets"]) == ["orders", "tumours-environment"]
    assert told_back["exit"] == {"exit notify": "succeeded"}
    assert json.loads((tmp_path / "told").read_text()) == ["succeeded", [], True]
    late = run("approve.py", "release")
    assert (late.returncode, late.stderr.splitlines()[-1]) == (2, "approve.py: no run waits at release")
