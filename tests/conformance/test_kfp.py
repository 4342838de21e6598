"""Kubeflow: emitted projects run for real, their compiled pipeline task by task, on kfp's own local runner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mlspec.backends import kubeflow

from mlspec import ops, runtime
from mlspec.backend import Outcome, execute
from mlspec.diagnostic import Problem
from mlspec.ir import Artifact, Parameter, Pipeline, Port, Ref, Secret, Stage, Step
from mlspec.runtime.artifact import digest
from tests.pipelines import breast_cancer

pytestmark = pytest.mark.slow

MINE = '''
import json
import os
import time
from pathlib import Path

from params import NOTHING


def note(inputs, outputs, **params):
    """Write down what was given."""
    text = json.dumps({"params": params, "inputs": {name: Path(place).read_text() for name, place in inputs.items()}}, sort_keys=True)
    for place in outputs.values():
        Path(place).write_text(text)
    return {"letters": len(text), "nothing": NOTHING}


def second_try(inputs, outputs, tries):
    with open(tries, "a") as file:
        file.write("x")
    if Path(tries).read_text() == "x":
        raise OSError("not yet")
    return note(inputs, outputs)


def never(inputs, outputs, tries):
    with open(tries, "a") as file:
        file.write("x")
    raise OSError("no, and no again")


def sleep(inputs, outputs, mark):
    time.sleep(60)
    Path(mark).write_text("woke up")


def refuses(inputs, outputs):
    raise OSError("no")


def secret(inputs, outputs):
    """Say whether the variables are there, and nothing of what they hold."""
    told = {name: len(os.environ.get(name, "")) for name in ("PASSWORD", "DSN", "PLAIN")}
    return note(inputs, outputs, **told)


def tell(alert, place):
    Path(place).write_text(json.dumps({name: alert[name] for name in ("state", "failed")}))


def measured(inputs, outputs, value):
    """Evidence as `decide` takes it, for a metric that is `value`."""
    reason = "there is one class only" if value is None else None
    metric = {"value": value, "low": value, "high": value, "method": "none", "rows": 9, "reason": reason, "greater_is_better": True}
    part = {"rows": 9, "metrics": {"roc_auc": value}}
    metrics = {"task": {"kind": "classification", "target": "y", "positive": "a"}, "classes": ["a", "b"], "threshold": 0.5, "confidence": 0.95,
               "splits": {name: part for name in ("train", "dev", "test")}, "metrics": {"roc_auc": metric}, "slices": [], "fairness": []}
    validation = {"verdict": "pass", "rows": 9, "kept": 9, "quarantined": 0, "on_failure": "stop", "checks": [], "schema": {}}
    manifest = {"strategy": "random", "key": ["content"], "seed": 7, "ratios": [0.6, 0.2, 0.2], "rule": "given", "exact": False, "splits": {},
                "purged": 0, "proofs": [], "verdict": "pass"}
    for name, told in (("metrics", metrics), ("validation", validation), ("manifest", manifest)):
        Path(outputs[name]).write_text(json.dumps(told))
    return {"score": value}
'''
OWN = {"pipeline.py": MINE, "params.py": "NOTHING = None\n"}  # the names of our own modules, on purpose
OUT = (Port("out", Artifact.FILE),)


def call(step_id: str, function: str = "note", *, params: Mapping[str, Any] | None = None, inputs: Mapping[str, Ref] | None = None, gives: tuple[Port, ...] = OUT, **fields: Any) -> Step:  # fmt: skip
    """A step of the user's own that calls a function of MINE."""
    told = {
        "entrypoint": f"pipeline:{function}",
        "params": dict(params or {}),
        "inputs": sorted(inputs or {}),
        "outputs": [port.name for port in gives],
    }
    takes = tuple(Port(name, Artifact.FILE) for name in (inputs or {}))
    return Step(
        id=step_id,
        op=ops.PYTHON,
        stage=Stage.DATA,
        routes=(("steps", step_id),),
        inputs=inputs or {},
        takes=takes,
        gives=gives,
        params=told,
        **fields,
    )


def of(*steps: Step, **fields: Any) -> Pipeline:
    return Pipeline(**{"name": "conform", "description": "", "steps": steps, "code": OWN, **fields})


class Ran:
    """An emitted project and how its run ended."""

    def __init__(self, pipeline: Pipeline, place: Path) -> None:
        self.project, self.workspace = place / "project", place / "work space"
        kubeflow.emit(pipeline).write(self.project)
        before = self.tree()
        self.outcome: Outcome = execute(self.project, workspace=self.workspace, data_root=place, registry_root=place / "registry")
        assert self.tree() == before, "a run writes nothing beside the project"

    def tree(self) -> dict[Path, bytes]:
        files = (file for file in self.project.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
        return {file: file.read_bytes() for file in files}

    def metadata(self, task: str, key: str) -> dict[str, Any]:
        """What KFP's interface shows of an artifact."""
        [place] = (self.workspace / "artifacts").glob(f"*/{task}/executor_output.json")
        told: dict[str, Any] = json.loads(place.read_text(), parse_constant=lambda text: pytest.fail(text))["artifacts"][key][
            "artifacts"
        ][0]["metadata"]
        return told

    def note(self, name: str) -> Any:
        return json.loads(self.outcome.artifacts[name].read_text())


def states(outcome: Outcome, state: str) -> set[str]:
    return {step for step, ended in outcome.steps.items() if ended == state}


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(breast_cancer(), tmp_path_factory.mktemp("passing"))


def test_a_whole_pipeline(passing: Ran) -> None:
    assert passing.outcome.state == "succeeded"
    assert states(passing.outcome, "succeeded") == {step.id for step in breast_cancer().steps}
    assert set(passing.outcome.artifacts) == {
        f"{step.id}.{port.name}" for step in breast_cancer().steps for port in step.output_ports
    }
    assert list((passing.workspace.parent / "registry").rglob("*"))


def test_the_same_bits_as_without_kfp(passing: Ran, tmp_path: Path) -> None:
    places: dict[str, Path] = {}
    for step in breast_cancer().steps:
        outputs = {port.name: tmp_path / step.id / port.name for port in step.output_ports}
        roots = {"data_root": str(passing.workspace.parent), "registry_root": str(tmp_path / "registry")}
        runtime.run(
            step.op.name,
            inputs={name: places[f"{ref.step}.{ref.output}"] for name, ref in step.inputs.items()},
            outputs=outputs,
            params={**step.params, **{name: roots[parameter] for name, parameter in step.bindings.items()}},
            timeout=300,  # in a process of its own, as with kfp: pickles say which strings were one object
        )
        places |= {f"{step.id}.{name}": place for name, place in outputs.items()}
    differ = [name for name, place in places.items() if digest(place) != digest(passing.outcome.artifacts[name])]
    assert differ == []


def test_what_the_interface_shows(passing: Ran) -> None:
    scores = passing.metadata("evaluate", "metrics")
    assert scores["roc_auc"] == pytest.approx(passing.note("evaluate.metrics")["metrics"]["roc_auc"]["value"])
    plots = passing.metadata("evaluate", "plots")
    curve = plots["confidenceMetrics"]
    assert [row["row"] for row in plots["confusionMatrix"]["rows"]] == passing.note("evaluate.curves")["confusion"]["matrix"]
    assert len(curve) > 3
    assert all(0 <= point[name] <= 1 for point in curve for name in ("confidenceThreshold", "falsePositiveRate", "recall"))
    assert curve[-1]["recall"] == 1
    [summary] = (passing.workspace / "artifacts").glob("*/decide/summary")
    assert "| roc_auc | roc_auc >= 0.9 |" in summary.read_text()
    assert passing.outcome.artifacts["report.page"].read_text().lower().startswith("<!doctype html>")


def test_a_gate_that_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = Ran(breast_cancer(target=1.1), tmp_path)
    assert ran.outcome.state == "failed"
    assert states(ran.outcome, "failed") == {"gate"}
    assert states(ran.outcome, "skipped") == {"package", "register"}
    assert {"report.page", "decide.decision"} < set(ran.outcome.artifacts)
    assert not {"package.package", "register.entry"} & set(ran.outcome.artifacts)
    assert not (tmp_path / "registry").exists()
    told = capfd.readouterr().err  # what a project says goes to standard error
    assert "gate: failed" in told
    assert "the requirement is >= 1.1" in told


@pytest.mark.parametrize(("value", "verdict"), [(None, "failed"), (0.9, "succeeded")])
def test_a_metric_that_is_not_a_number_fails_the_gate(tmp_path: Path, value: float | None, verdict: str) -> None:
    gives = (Port("metrics", Artifact.METRICS), Port("validation", Artifact.REPORT), Port("manifest", Artifact.REPORT))
    evidence = {port.name: Ref("measure", port.name) for port in gives}
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
    names = {name: f"measure.{name}" for name in evidence}
    modeling = Stage.MODELING
    pipeline = of(
        call("measure", "measured", params={"value": value}, gives=gives),
        Step(id="decide", op=ops.DECIDE, stage=modeling, routes=(("requirements",),), inputs=evidence, params={"requirements": [wanted], "names": names}),
        Step(id="gate", op=ops.GATE, stage=modeling, routes=(("requirements",),), inputs={"decision": Ref("decide", "decision")}, params={"subject": "model"}, retries=3),
        call("beside", inputs={"decision": Ref("decide", "decision")}),
        call("behind", inputs={"gate": Ref("gate", "report")}),
    )  # fmt: skip
    ran = Ran(pipeline, tmp_path)
    assert ran.outcome.state == verdict
    assert ran.outcome.steps["gate"] == verdict
    assert ran.outcome.steps["beside"] == "succeeded"
    assert ran.outcome.steps["behind"] == ("succeeded" if verdict == "succeeded" else "skipped")
    assert "nan" not in json.dumps(ran.metadata("measure", "metrics")).lower()


def test_faults_retries_limits_and_awkward_values(tmp_path: Path) -> None:
    values = {
        "whole": 500,
        "part": 500.0,
        "list": [1, 2.0, None, True],
        "deep": {"n": {"m": [7]}},
        "text": "{{$.inputs}} {{$}} \"'\\ \n 🦀 $HOME `id`",
    }
    tries = {name: str(tmp_path / name) for name in ("second", "never", "woke")}
    ports = tuple(Port(name, Artifact.FILE) for name in ("class", "params", "json", "_x"))
    pipeline = of(
        call("broken", "never", params={"tries": tries["never"]}, retries=1),
        call("after_broken", inputs={"it": Ref("broken", "out")}),
        call("late", after=("after_broken",)),
        call("second", "second_try", params={"tries": tries["second"]}, retries=1),
        call("slow", "sleep", params={"mark": tries["woke"]}, timeout=1.0),
        call("json", params=values, gives=ports, bindings={"data_root": "data_root"}),
        call(
            "class",
            inputs={"a": Ref("json", "class"), "params": Ref("json", "params"), "from": Ref("json", "_x")},
            after=("second",),
        ),
        call("silent", gives=()),
        parameters=(Parameter("data_root", ".", ""), Parameter("unused", "x", "")),
    )
    ran = Ran(pipeline, tmp_path)
    assert ran.outcome.state == "failed"
    assert states(ran.outcome, "failed") == {"broken", "slow"}
    assert states(ran.outcome, "skipped") == {"after_broken", "late"}
    assert states(ran.outcome, "succeeded") == {"second", "json", "class", "silent"}
    assert Path(tries["never"]).read_text() == "xx"
    assert Path(tries["second"]).read_text() == "xx"
    assert not Path(tries["woke"]).exists()
    assert repr(ran.note("json.class")["params"]) == repr(dict(sorted(values.items())))
    assert set(ran.note("class.out")["inputs"]) == {"a", "params", "from"}
    keys = json.loads((ran.project / "trace.json").read_text())["steps"]["json"]["artifacts"]
    assert set(keys) == {"class", "params", "json", "_x"}
    for key in keys.values():
        assert set(ran.metadata("json", key)) == {"letters"}


def telling(place: Path) -> Step:
    channel = {"kind": "custom", "entrypoint": "pipeline:tell", "severity": "info", "params": {"place": str(place)}}
    params = {"channels": [channel], "about": {"name": "conform"}}
    return Step(id="notify", op=ops.NOTIFY, stage=Stage.DEPLOYMENT, routes=(("pipeline", "notify"),), params=params)


def asking(step_id: str, **fields: Any) -> Step:
    params = {"step": step_id, "message": "?", "approvers": [], "inputs": [], "seconds": 1.0, "approvals_root": "approvals"}
    gives = (Port("report", Artifact.REPORT),)
    bindings = {"approvals_root": "approvals_root"}
    given = {"op": ops.APPROVE, "params": params, "gives": gives, "bindings": bindings}
    return Step(id=step_id, stage=Stage.DEPLOYMENT, routes=(("steps", step_id),), **given, **fields)


def test_families_secrets_answers_and_the_end_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What passes between them, what is skipped, what is told at the end; then again: what is not made anew."""
    trials = [
        call(f"trial_{n}", family="trial", label=f"n = {n}", params={"n": n}, inputs={"it": Ref("start", "out")})
        for n in range(3)
    ]
    scores = [call(f"score_{n}", family="score", inputs={"it": Ref(f"trial_{n}", "out")}, after=("yes",)) for n in range(3)]
    hidden = {"PASSWORD": Secret("secret", "orders", "password"), "DSN": Secret("env", "ORDERS_DSN")}
    pipeline = of(
        call("start", params={"n": 500}),
        *trials,
        *scores,
        call("hidden", "secret", secrets=hidden, environment={"PLAIN": "four"}),
        call("lost", "secret", secrets={"PASSWORD": Secret("secret", "nowhere", "password")}),
        call("long", params={"long": ["many words"] * 20_000}, gives=()),
        asking("yes"),
        asking("no"),
        asking("nobody"),
        call("after_no", after=("no",)),
        call("refuses", "refuses"),
        parameters=(Parameter("approvals_root", "approvals", ""),),
        exit=(telling(tmp_path / "told"),),
    )
    answers = tmp_path / "work space" / "approvals"
    answers.mkdir(parents=True)
    for name, approved in (("yes", True), ("no", False)):
        (answers / f"{name}.json").write_text(json.dumps({"approved": approved, "by": "ada", "note": "n"}))
    monkeypatch.setenv("MLSPEC_SECRET_ORDERS_PASSWORD", "hunter22222")
    monkeypatch.setenv("ORDERS_DSN", "postgres://x")
    ran = Ran(pipeline, tmp_path)
    assert ran.outcome.state == "failed"
    assert states(ran.outcome, "failed") == {"no", "nobody", "refuses", "lost"}
    assert states(ran.outcome, "skipped") == {"after_no"}
    assert ran.outcome.steps["notify"] == "succeeded"
    for n in range(3):
        assert ran.note(f"trial_{n}.out")["params"] == {"n": n}
        assert json.loads(ran.note(f"score_{n}.out")["inputs"]["it"])["params"] == {"n": n}
    assert ran.note("yes.report") == {"approved": True, "by": "ada", "note": "n"}
    assert ran.note("hidden.out")["params"] == {"PASSWORD": 11, "DSN": 12, "PLAIN": 4}
    told = json.loads((tmp_path / "told").read_text())
    assert told == {"state": "failed", "failed": ["lost", "refuses", "no", "nobody"]} or set(told["failed"]) == states(
        ran.outcome, "failed"
    )
    kept = [file for file in ran.workspace.rglob("*") if file.is_file()]
    assert not [file for file in kept if b"hunter22222" in file.read_bytes()]

    again = execute(ran.project, workspace=ran.workspace, data_root=tmp_path, registry_root=tmp_path / "registry")
    assert states(again, "cached") == {"start", "long", "hidden", *(f"{one}_{n}" for one in ("trial", "score") for n in range(3))}
    assert states(again, "succeeded") == {"yes", "notify"}
    assert again.artifacts["score_1.out"] == ran.outcome.artifacts["score_1.out"]


def test_what_changed_is_made_anew_and_nothing_else(tmp_path: Path) -> None:
    """Data, code and params: KFP's cache is told of all three. Data that are read anew and are the same are none."""
    data = tmp_path / "rows.csv"
    data.write_text("a,b\n1,2\n3,4\n")
    params = {
        "sources": {"rows": {"kind": "csv", "path": "rows.csv"}},
        "join": [],
        "union": None,
        "columns": {},
        "data_root": ".",
    }
    read = Step(
        id="ingest", op=ops.INGEST, stage=Stage.DATA, routes=(("data",),), params=params, bindings={"data_root": "data_root"}
    )

    def of_all(number: int = 1, code: str = MINE) -> Pipeline:
        own = call("own", params={"n": number}, inputs={"it": Ref("ingest", "profile")})
        last = call("last", inputs={"it": Ref("own", "out")})
        return of(read, own, last, parameters=(Parameter("data_root", ".", ""),), code={**OWN, "pipeline.py": code})

    def made(pipeline: Pipeline) -> set[str]:
        project = tmp_path / "project"
        kubeflow.emit(pipeline).write(project)
        ended = execute(project, workspace=tmp_path / "w", data_root=tmp_path, registry_root=tmp_path / "r")
        assert states(ended, "succeeded") | states(ended, "cached") == {"ingest", "own", "last"}
        return states(ended, "succeeded")

    assert made(of_all()) == {"ingest", "own", "last"}
    os.utime(data, (1, 1))
    assert made(of_all()) == set()
    data.write_text("a,b\n1,2\n3,5\n")
    assert made(of_all()) == {"ingest", "own", "last"}
    assert made(of_all(2)) == {"own", "last"}
    assert made(of_all(2, MINE + "\n# another\n")) == {"own", "last"}


ENGINE = """#!/bin/sh
# What docker does with the words it is given, without a container: mounts become links below a directory.
[ "$1" = version ] && exit 0
[ "$1" = rm ] && exit 0
exec python3 - "$@" <<'PY'
import os, re, subprocess, sys, tempfile
words = sys.argv[1:]
inside = tempfile.mkdtemp()
for word in words:
    if "source=" in word:
        source, target = re.search("source=(.*),target=/([^,]*)", word).groups()
        os.makedirs(os.path.dirname(os.path.join(inside, target)), exist_ok=True)
        os.symlink(source, os.path.join(inside, target))
at = words.index("--entrypoint")
command = [words[at + 1], *(word.replace("/mlspec/", "mlspec/") for word in words[at + 3 :])]
sys.exit(subprocess.run(command, cwd=inside).returncode)
PY
"""


@pytest.mark.parametrize("engine", [True, False])
def test_containers(tmp_path: Path, engine: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """A command that stands for docker shows what it is told; without one, nothing is run and it is said why."""
    params = {"image": "r/i:1", "command": ["sh", "-c", "cat {inputs.it} > {outputs.out}; printf $PLAIN >> {outputs.out}"]}
    ports: dict[str, Any] = {"takes": (Port("it", Artifact.FILE),), "gives": OUT, "inputs": {"it": Ref("start", "out")}}
    convert = Step(
        id="convert", op=ops.CONTAINER, stage=Stage.DATA, routes=(("steps", "convert"),), params={**params, "inputs": ["it"], "outputs": ["out"]},
        environment={"PLAIN": "plain"}, **ports,
    )  # fmt: skip
    pipeline = of(call("start", params={"n": 1}), convert, call("after", inputs={"it": Ref("convert", "out")}))
    script = tmp_path / "engine"
    script.write_text(ENGINE)
    script.chmod(0o755)
    monkeypatch.setenv("MLSPEC_CONTAINER_ENGINE", str(script))
    if not engine:
        monkeypatch.delenv("MLSPEC_CONTAINER_ENGINE")
        monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
        kubeflow.emit(pipeline).write(tmp_path / "project")
        with pytest.raises(Problem, match="exit code 2"):
            execute(tmp_path / "project", workspace=tmp_path / "w", data_root=tmp_path, registry_root=tmp_path)
        assert "neither docker nor podman" in capfd.readouterr().err
        return
    ran = Ran(pipeline, tmp_path)
    assert ran.outcome.state == "succeeded"
    text = ran.outcome.artifacts["convert.out"].read_text()
    assert text == ran.outcome.artifacts["start.out"].read_text() + "plain"
    assert ran.note("after.out")["inputs"]["it"] == text


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [("params.py", '"n": 1', '"n": 2'), ("pipeline.py", "params=text(params.ONE)", 'params=text(params.ONE).replace("1", "2")')],
)
def test_a_pipeline_that_was_edited_and_not_compiled_is_not_run(tmp_path: Path, file: str, before: str, after: str) -> None:
    kubeflow.emit(of(call("one", params={"n": 1}))).write(tmp_path)
    source = tmp_path / file
    assert before in source.read_text()
    source.write_text(source.read_text().replace(before, after))
    with pytest.raises(Problem, match="exit code 2"):
        execute(tmp_path, workspace=tmp_path / "w", data_root=tmp_path, registry_root=tmp_path)
    subprocess.run([sys.executable, "pipeline.py"], cwd=tmp_path, check=True)
    ran = execute(tmp_path, workspace=tmp_path / "w", data_root=tmp_path, registry_root=tmp_path)
    assert json.loads(ran.artifacts["one.out"].read_text())["params"] == {"n": 2}
