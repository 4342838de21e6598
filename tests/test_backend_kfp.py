"""Kubeflow: what is emitted is clean, deterministic, free of KFP's traps, and compiled exactly as kfp compiles it."""

from __future__ import annotations

import ast
import builtins
import json
import os
import re
import subprocess
import symtable
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from mlspec.backends import kubeflow
from mlspec.backends._kubeflow import compiled, naming
from mlspec.backends._kubeflow import text as texts
from mlspec.backends._kubeflow.text import cron

from mlspec import build, ops
from mlspec.diagnostic import Problem, Severity
from mlspec.ir import Artifact, Distribution, Parameter, Pipeline, Port, Ref, Resources, Schedule, Secret, Stage, Step, Trigger
from mlspec.runtime import argument
from tests.kfp_stub import Api, serving
from tests.pipelines import breast_cancer
from tests.test_hostile import pipelines

ROOT = Path(__file__).resolve().parent.parent


def step(step_id: str, **fields: Any) -> Step:
    given: dict[str, Any] = {
        "op": ops.PYTHON,
        "stage": Stage.DATA,
        "routes": (("steps", 0),),
        "params": {"entrypoint": "mine:run"},
    }
    return Step(id=step_id, **{**given, **fields})


def awkward() -> Pipeline:
    """Names that Python, kfp or our own emitted code want for themselves, and everything a step can ask for."""
    every = tuple(Port(artifact.value, artifact) for artifact in Artifact)
    words = tuple(
        Port(name, Artifact.FILE)
        for name in ("class", "params", "json", "runtime", "facts", "open", "data_root", "x_", "_y", "_1Z", "__")
    )
    return Pipeline(
        name="Très awkward: {{ 1 }}, and a name that fills up all the letters an image may have",
        description="",
        parameters=(Parameter("data_root", ".", "where"), Parameter("train", "a\nb", "# what")),
        steps=(
            step("json", gives=every, bindings={"data_root": "data_root", "odd key": "train"}, retries=3, timeout=1.5, params={"n": 1, "deep": [1, 2.0, {"k": [3]}]}),
            step("class", gives=words, resources=Resources(0.5, 4 * 2**30, "nvidia.com/gpu"), after=("json",)),
            step("open", takes=words, gives=words, inputs={port.name: Ref("class", port.name) for port in words}, resources=Resources(2, 1_000_001)),
            step("a_b", takes=every, inputs={port.name: Ref("json", port.name) for port in every}, resources=Resources(memory=2**10 * 3)),
            step("a__b", resources=Resources(cpu=1.25, memory=2**20, accelerator="example.com/" + "long-" * 15)),
            step("train", gives=(Port("out", Artifact.FILE),), params={}),
            step("train_task", takes=(Port("in", Artifact.FILE),), inputs={"in": Ref("train", "out")}, after=("a__b", "a_b", "train")),
            step("pipeline"),
            step("params"),
            step("text", params={"{{$}}": "{{{{ }}}}", "{": "{{{"}),
            step("dsl", takes=(Port("in", Artifact.FILE), Port("left_out", Artifact.TABLE, optional=True)), inputs={"in": Ref("train", "out")}),
        ),
    )  # fmt: skip


def contained(step_id: str, **fields: Any) -> Step:
    return step(step_id, **{"op": ops.CONTAINER, "params": {"image": "r/i:1", "command": ["true"]}, **fields})


def rich() -> Pipeline:
    """Everything at once: families that are wired alike and not, containers, secrets, machines, ages, an approval, an exit."""
    out = (Port("out", Artifact.FILE),)
    models = tuple(Port(name, Artifact.FILE) for name in ("data", "model"))
    family: dict[str, Any] = {
        "family": "trial",
        "gives": out,
        "takes": (Port("data", Artifact.FILE),),
        "inputs": {"data": Ref("read", "out")},
    }
    asks: dict[str, Any] = {
        "resources": Resources(2, 2**30, "gpu", 4, True, (("zone", "eu-1"), ("kind", "big"))),
        "environment": {"TOKENIZERS_PARALLELISM": "false", "EMPTY": ""},
        "secrets": {"PASSWORD": Secret("secret", "orders", "password"), "DSN": Secret("env", "ORDERS_DSN")},
        "retries": 2,
    }
    steps = (
        step("read", gives=out, max_age=3600.0, **asks),
        *(step(f"trial_{n}", label=f"depth {n}", params={"entrypoint": "mine:fit", "n": n}, **family, **asks) for n in (1, 2, 3)),
        *(
            step(
                f"score_{n}", family="score", takes=models, gives=out, after=("wait",), params={"entrypoint": "mine:score", "n": n}, max_age=60.0,
                inputs={"data": Ref("read", "out"), "model": Ref(f"trial_{n}", "out")},
            )
            for n in (1, 2, 3)
        ),
        *(step(f"site_{n}", op=ops.INGEST, family="site", params={"sources": {}, "n": n, "data_root": "."}, bindings={"data_root": "data_root"}) for n in "ab"),
        step("best", takes=(Port("a", Artifact.FILE), Port("b", Artifact.FILE)), gives=out, inputs={"a": Ref("score_1", "out"), "b": Ref("trial_2", "out")}),
        step("wait", op=ops.APPROVE, gives=(Port("report", Artifact.REPORT),), takes=(Port("it", Artifact.FILE),), inputs={"it": Ref("read", "out")},
             params={"step": "wait", "message": "?", "approvers": [], "inputs": ["it"], "seconds": 5, "approvals_root": "a"}, bindings={"approvals_root": "approvals_root"}, retries=3),
        contained("convert", takes=(Port("from", Artifact.FILE),), gives=(Port("class", Artifact.FILE),), inputs={"from": Ref("best", "out")}, timeout=90.4,
                  params={"image": "r/i@sha256:0", "command": ["sh", "-c", "cat {inputs.from} {x} > {outputs.class}", "{outputs.class}"]}, **asks),
        contained("alone", max_age=5.0),
        step("trial_2_2", takes=(Port("it", Artifact.FILE),), inputs={"it": Ref("convert", "class")}, params={"big": ["long " * 5] * 3000}),
    )  # fmt: skip
    told = Step(
        id="notify", op=ops.NOTIFY, stage=Stage.DEPLOYMENT, routes=(("pipeline", "notify"),), params={"channels": [], "about": {}}, timeout=9.0,
        secrets={"MLSPEC_SECRET_SLACK_URL": Secret("secret", "slack", "url")},
    )  # fmt: skip
    parameters = (Parameter("data_root", ".", "where"), Parameter("approvals_root", "approvals", "answers"))
    return Pipeline(
        name="rich", description="All of it.", steps=steps, exit=(told,), parameters=parameters, image="registry.example.com/rich:1",
        code={"mine.py": "def fit(): ...\n", "deep/er.py": "é\n", "notes.txt": "x"}, triggers=(Trigger("mlspec.data_drift", 60.0, False, ("retraining", "on", 0)),),
        distribution=Distribution("dask", 4),
    )  # fmt: skip


def several_exits() -> Pipeline:
    notify = rich().exit[0]
    other = replace(notify, id="notify_too", timeout=None, retries=1, secrets={}, environment={"A": "b"})
    return replace(breast_cancer(), exit=(notify, other))


SAMPLES = {"breast_cancer": breast_cancer(), "awkward": awkward(), "rich": rich(), "several_exits": several_exits()}
SAMPLE = pytest.mark.parametrize("pipeline", SAMPLES.values(), ids=SAMPLES)


@pytest.fixture(scope="module")
def hostile() -> list[Pipeline]:
    drawn: list[Pipeline] = []

    @settings(max_examples=8, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(pipelines())
    def draw(pipeline: Pipeline) -> None:
        drawn.append(pipeline)

    draw()
    return drawn


def documents_of(pipeline: Pipeline, path: str = "pipeline.yaml") -> list[dict[str, Any]]:
    return list(yaml.load_all(kubeflow.emit(pipeline).files[path], yaml.CSafeLoader))


def spec_of(pipeline: Pipeline) -> dict[str, Any]:
    return documents_of(pipeline)[0]


def tasks_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The tasks of a pipeline, wherever an exit handler has put them."""
    dag: dict[str, Any] = spec["components"].get("comp-exit-handler-1", spec["root"])["dag"]
    return dag["tasks"]


def task_of(spec: Mapping[str, Any], name: str) -> dict[str, Any]:
    task: dict[str, Any] = tasks_of(spec)[name]
    return task


def container_of(spec: Mapping[str, Any], name: str) -> dict[str, Any]:
    container: dict[str, Any] = spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"]
    return container


# -- emission


@SAMPLE
def test_the_same_pipeline_gives_the_same_bytes(pipeline: Pipeline) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: turned(item) for key, item in reversed(list(value.items()))}
        return [turned(item) for item in value] if isinstance(value, list) else value

    other = replace(
        pipeline,
        steps=tuple(
            replace(one, params=turned(one.params), bindings=turned(one.bindings), inputs=turned(one.inputs))
            for one in pipeline.steps
        ),
        about=turned(pipeline.about),
    )
    assert kubeflow.emit(other).files == kubeflow.emit(pipeline).files


def test_emission_imports_no_orchestrator_and_ignores_the_hash_seed() -> None:
    code = (
        "import sys; from tests.pipelines import breast_cancer; from mlspec.backends import kubeflow;"
        "print(kubeflow.emit(breast_cancer()).digest);"
        "sys.exit(bool({'kfp', 'yaml', 'prefect', 'zenml', 'polars', 'sklearn'} & set(sys.modules)))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert told == {kubeflow.emit(breast_cancer()).digest + "\n"}


def test_emitted_python_is_clean(tmp_path: Path, hostile: list[Pipeline]) -> None:
    for index, pipeline in enumerate([*SAMPLES.values(), *hostile]):
        kubeflow.emit(replace(pipeline, code={})).write(tmp_path / str(index))
    ruff = str(Path(sys.executable).with_name("ruff"))
    for command in (["format", "--diff"], ["check"]):
        for place in (tmp_path, tmp_path / "0"):  # seen from its own directory, params.py is a module of the project's
            ended = subprocess.run([ruff, *command, "--isolated", "."], cwd=place, capture_output=True, text=True, check=False)
            assert ended.returncode == 0, ended.stdout + ended.stderr


def test_files(tmp_path: Path) -> None:
    bundle = kubeflow.emit(breast_cancer(code={"churn/own.py": "x = 1\n", "churn/__init__.py": ""}))
    assert {
        "params.py",
        "pipeline.py",
        "pipeline.yaml",
        "run.py",
        "deploy.py",
        "cluster.py",
        "kubernetes.yaml",
        "trace.json",
        "README.md",
        "Dockerfile",
        ".dockerignore",
        "requirements.txt",
    } < set(bundle.files)
    assert bundle.files["src/churn/own.py"] == "x = 1\n"
    assert any(line.startswith("kfp==2.17.") for line in bundle.files["requirements.txt"].splitlines())
    assert f"kfp=={kubeflow.SDK}" in bundle.files["requirements.txt"].splitlines()
    trace = json.loads(bundle.files["trace.json"])
    assert trace["order"] == [one.id for one in breast_cancer().steps]
    assert trace["steps"]["decide"]["routes"] == ["requirements.metrics[0].target"]
    for one in breast_cancer().steps:
        assert f"| `{one.id}` |" in bundle.files["README.md"]


def test_code_outside_the_project_is_refused() -> None:
    with pytest.raises(Problem, match="unsafe-path"):
        kubeflow.emit(breast_cancer(code={"../x.py": ""}))


def test_every_artifact_has_a_type_that_kfp_knows() -> None:
    from kfp import dsl  # type: ignore[import-untyped]

    assert set(naming.TYPES) == set(Artifact)
    for kind in naming.TYPES.values():
        assert issubclass(getattr(dsl, kind), dsl.Artifact)


# -- the compiled pipeline

COMPILE = """
import importlib, sys
from pathlib import Path
import yaml
from google.protobuf import json_format
from kfp.compiler import Compiler
from kfp.compiler.compiler_utils import KubernetesManifestOptions

def here(place):
    sys.path.insert(0, place)
    return [importlib.import_module(name) for name in ("cluster", "pipeline", "deploy")]

def gone(place):
    sys.path.remove(place)
    for name in ("cluster", "pipeline", "deploy", "params"):
        sys.modules.pop(name, None)

for place in sys.argv[1:]:
    _, pipeline, deploy = here(place)
    Compiler().compile(pipeline.pipeline, place + "/kfp.yaml")
    if place not in (sys.argv[1], sys.argv[-1]):  # pyyaml writes slowly
        gone(place)
        continue
    options = KubernetesManifestOptions(pipeline_version_name=deploy.version(), include_pipeline_manifest=True)
    Compiler().compile(
        pipeline.pipeline, place + "/objects.yaml", kubernetes_manifest_format=True, kubernetes_manifest_options=options
    )
    deploy.HERE = Path(place, "written")
    deploy.HERE.mkdir()
    (deploy.HERE / "pipeline.yaml").write_bytes(Path(place, "pipeline.yaml").read_bytes())
    deploy.write()
    gone(place)

# the last with what a user says of his cluster
sys.path.insert(0, place)
import cluster
cluster.VOLUMES["/data"] = "claim"
cluster.PULL.append("registry")
cluster.ENVIRONMENT = "other"
cluster.SPOT_TOLERATIONS.clear()
cluster.SPOT_LABELS = {"eks.amazonaws.com/capacityType": "SPOT"}
import pipeline
told = json_format.MessageToDict(pipeline.pipeline.platform_spec)["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
Path(place, "cluster.yaml").write_text(yaml.safe_dump(told))
"""


@pytest.fixture(scope="module")
def compiled_by_kfp(tmp_path_factory: pytest.TempPathFactory, hostile: list[Pipeline]) -> list[Path]:
    """Projects, with what kfp makes of each; the last is of `rich`. One process, because kfp takes long to import."""
    top = tmp_path_factory.mktemp("compiled")
    places = []
    looped = build.pipeline_of(build.open_spec(ROOT / "specs" / "wine-by-colour.yaml"))
    for index, pipeline in enumerate((*SAMPLES.values(), looped, *hostile, rich())):
        # kfp repeats defaults in a YAML comment as they are; ours are paths.
        calm = replace(pipeline, parameters=tuple(replace(each, default=".") for each in pipeline.parameters))
        places.append(top / str(index))
        kubeflow.emit(calm).write(places[-1])
    subprocess.run([sys.executable, "-c", COMPILE, *map(str, places)], check=True)
    return places


def read(place: Path) -> list[Any]:
    return list(yaml.load_all(place.read_text(encoding="utf-8"), yaml.CSafeLoader))


@pytest.mark.slow
def test_pipeline_yaml_is_what_kfp_compiles(compiled_by_kfp: list[Path]) -> None:
    for place in compiled_by_kfp:
        assert read(place / "pipeline.yaml") == read(place / "kfp.yaml")


def test_the_objects_of_kubernetes_are_what_kfp_writes(compiled_by_kfp: list[Path]) -> None:
    for place in (compiled_by_kfp[0], compiled_by_kfp[-1]):
        ours = read(place / "kubernetes.yaml")
        assert [one["kind"] for one in ours] == ["Pipeline", "PipelineVersion"]
        assert ours == read(place / "objects.yaml") == read(place / "written" / "kubernetes.yaml")
        for one in ours:
            assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", one["metadata"]["name"])
        assert read(place / "written" / "pipeline.vertex.yaml") == read(place / "pipeline.yaml")[:1]


def test_what_the_user_says_of_his_cluster_counts(compiled_by_kfp: list[Path]) -> None:
    [executors] = read(compiled_by_kfp[-1] / "cluster.yaml")
    assert len(executors) == len(spec_of(rich())["deploymentSpec"]["executors"])
    for one in executors.values():
        assert [(mount["constant"], mount["mountPath"]) for mount in one["pvcMount"]] == [("claim", "/data")]
        assert one["imagePullSecret"][0]["secretName"] == "registry"
    trial = executors["exec-trial"]
    assert {one["secretName"] for one in trial["secretAsEnv"]} == {"orders", "other"}
    assert "tolerations" not in trial
    assert trial["nodeAffinity"][0]["matchExpressions"][0]["values"] == ["SPOT"]


@SAMPLE
def test_the_compiled_pipeline_is_sound(pipeline: Pipeline) -> None:
    from google.protobuf import json_format  # type: ignore[import-untyped]
    from kfp.pipeline_spec import pipeline_spec_pb2  # type: ignore[import-untyped]

    spec, *platform = documents_of(pipeline)
    assert list(faults(spec, *platform)) == []
    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())  # raises for a key that it does not know
    if platform:
        from kfp.kubernetes import kubernetes_executor_config_pb2  # type: ignore[import-untyped]

        for executor in platform[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
            json_format.ParseDict(executor, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    names = {task.step.id: task.task for task in naming.tasks(pipeline).steps}
    looks = {task.look for task in naming.tasks(pipeline).steps if task.look}
    found = {(need, name) for name, task in tasks_of(spec).items() for need in task.get("dependentTasks", [])}
    assert {edge for edge in found if not looks & set(edge)} == {(names[one], names[other]) for one, other in pipeline.edges}
    assert len(tasks_of(spec)) == len(pipeline.steps) + len(looks)


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "specs").glob("*.yaml")))
def test_the_gallery_is_sound(name: str) -> None:
    pipeline = build.pipeline_of(build.open_spec(ROOT / "specs" / f"{name}.yaml"))
    assert list(faults(*documents_of(pipeline))) == []
    assert not [finding for finding in kubeflow.lacks(pipeline) if finding.severity is Severity.ERROR]


def faults(spec: Mapping[str, Any], platform: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Yield what is wrong with a compiled pipeline that kfp's loader and protocol buffers accept: references to nothing, mostly."""
    components, executors = spec["components"], spec["deploymentSpec"]["executors"]
    graphs = {"root": spec["root"], **{name: one for name, one in components.items() if "dag" in one}}
    used = {task["componentRef"]["name"] for graph in graphs.values() for task in graph["dag"]["tasks"].values()}
    yield from (f"unused {name}" for name in sorted(components.keys() - used))
    labels = {one["executorLabel"] for one in components.values() if "dag" not in one}
    yield from (f"unused {name}" for name in sorted(executors.keys() - labels))
    asked = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if platform else {}
    yield from (f"Kubernetes is told of {name}" for name in sorted(asked.keys() - executors.keys()))
    for graph in graphs.values():
        yield from _of_graph(graph, components, executors)


def _of_graph(graph: Mapping[str, Any], components: Mapping[str, Any], executors: Mapping[str, Any]) -> Iterator[str]:
    tasks = graph["dag"]["tasks"]
    for name, task in tasks.items():
        component = components.get(task["componentRef"]["name"])
        if component is None or ("dag" not in component and component["executorLabel"] not in executors):
            yield f"{name}: no component or executor"
            continue
        yield from _bad_inputs(name, task, component, graph, components)
        yield from (f"{name}: needs {need}" for need in task.get("dependentTasks", []) if need not in tasks)
    yield from _cycles(tasks)


def _bad_inputs(
    name: str, task: Mapping[str, Any], component: Mapping[str, Any], graph: Mapping[str, Any], components: Mapping[str, Any]
) -> Iterator[str]:
    tasks = graph["dag"]["tasks"]
    for kind, one in (("parameters", "Parameter"), ("artifacts", "Artifact")):
        given, wanted = task.get("inputs", {}).get(kind, {}), component.get("inputDefinitions", {}).get(kind, {})
        declared = graph.get("inputDefinitions", {}).get(kind, {})
        if given.keys() != wanted.keys():
            yield f"{name}: {kind} {sorted(given.keys() ^ wanted.keys())}"
        for key, source in given.items():
            [(how, ref)] = source.items()
            if how == f"componentInput{one}" and ref not in declared:
                yield f"{name}.{key}: no {ref}"
            if how == "taskFinalStatus" and ref["producerTask"] not in tasks:
                yield f"{name}.{key}: the end of {ref}"
            if how == f"taskOutput{one}":
                made = tasks.get(ref["producerTask"], {}).get("componentRef", {}).get("name")
                outputs = components.get(made, {}).get("outputDefinitions", {}).get(kind, {})
                if ref[f"output{one}Key"] not in outputs:
                    yield f"{name}.{key}: nothing makes {ref}"
                elif ref["producerTask"] not in task.get("dependentTasks", []):
                    yield f"{name}.{key}: does not wait for {ref['producerTask']}"


def _cycles(tasks: Mapping[str, Any]) -> Iterator[str]:
    from graphlib import CycleError, TopologicalSorter

    try:
        TopologicalSorter({name: task.get("dependentTasks", []) for name, task in tasks.items()}).prepare()
    except CycleError as error:
        yield f"cycle {error.args[1]}"


@pytest.mark.parametrize(
    "path",
    [
        ("root", "dag", "tasks", "train", "inputs", "artifacts", "features", "taskOutputArtifact", "producerTask"),
        ("root", "dag", "tasks", "train", "inputs", "artifacts", "features", "taskOutputArtifact", "outputArtifactKey"),
        ("root", "dag", "tasks", "ingest", "inputs", "parameters", "data_root", "componentInputParameter"),
        ("root", "dag", "tasks", "train", "componentRef", "name"),
        ("root", "dag", "tasks", "train", "dependentTasks", 0),
        ("components", "comp-train", "executorLabel"),
        ("root", "dag", "tasks", "train", "inputs", "artifacts", "features"),
        ("root", "dag", "tasks", "train", "inputs", "parameters", "params"),
        ("root", "inputDefinitions", "parameters", "data_root"),
        ("root", "dag", "tasks", "train", "dependentTasks"),
        ("root", "dag", "tasks", "look"),
        ("root", "dag", "tasks", "ingest", "inputs", "parameters", "seen", "taskOutputParameter", "outputParameterKey"),
    ],
    ids=lambda path: ".".join(map(str, path[2:])),
)
def test_the_check_of_the_compiled_pipeline_can_fail(path: tuple[Any, ...]) -> None:
    spec: Any = deepcopy(spec_of(breast_cancer()))
    place = spec
    for part in path[:-1]:
        place = place[part]
    if isinstance(place[path[-1]], str):
        place[path[-1]] = "ghost"
    else:
        del place[path[-1]]
    assert list(faults(spec))


@pytest.mark.parametrize(
    "path",
    [
        ("components", "comp-exit-handler-1", "inputDefinitions", "parameters", "pipelinechannel--data_root"),
        (
            "components",
            "comp-exit-handler-1",
            "dag",
            "tasks",
            "best",
            "inputs",
            "artifacts",
            "a",
            "taskOutputArtifact",
            "producerTask",
        ),
        ("root", "dag", "tasks", "notify", "inputs", "parameters", "ended", "taskFinalStatus", "producerTask"),
        ("root", "dag", "tasks", "exit-handler-1"),
        ("deploymentSpec", "executors", "exec-trial-2"),
    ],
    ids=lambda path: ".".join(map(str, path[1:])),
)
def test_the_check_sees_into_an_exit_handler(path: tuple[Any, ...]) -> None:
    spec: Any
    spec, platform = documents_of(rich())
    place = spec
    for part in path[:-1]:
        place = place[part]
    if isinstance(place[path[-1]], str):
        place[path[-1]] = "ghost"
    else:
        del place[path[-1]]
    assert list(faults(spec, platform))


def test_a_cycle_is_found() -> None:
    spec = spec_of(breast_cancer())
    task_of(spec, "ingest")["dependentTasks"] = ["register"]
    assert any("cycle" in fault for fault in faults(spec))


# -- KFP's traps


@SAMPLE
def test_components_are_written_as_kfp_can_read_them(pipeline: Pipeline) -> None:
    tree = ast.parse(kubeflow.emit(pipeline).files["pipeline.py"])
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
        assert not (isinstance(node, ast.Name) and node.id in ("Literal", "Optional", "List", "Dict"))
        if isinstance(node, ast.arg):
            assert node.annotation is None or not isinstance(node.annotation, ast.BinOp)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "dsl.component":
            assert {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords} == {
                "base_image": "cluster.IMAGE",
                "install_kfp_package": "False",
            }


@SAMPLE
def test_components_use_nothing_of_their_module(pipeline: Pipeline) -> None:
    import typing

    from kfp import dsl

    source = kubeflow.emit(pipeline).files["pipeline.py"]
    known = {*dir(builtins), *dir(dsl), *typing.__all__, "kfp", "dsl"}
    components = compiled.functions(source)
    named = naming.tasks(pipeline)
    shipped = {task.function for task in (*named.steps, *filter(None, [named.exit])) if not task.contained}
    for function in shipped | ({"look"} & components.keys()):
        assert set(_globals(symtable.symtable(components[function], "component", "exec"))) <= known
        ast.parse(components[function])


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    for inner in table.get_children():
        yield from (symbol.get_name() for symbol in inner.get_symbols() if symbol.is_global())
        yield from _globals(inner)


@SAMPLE
def test_params_travel_as_text_that_kfp_leaves_alone(pipeline: Pipeline) -> None:
    spec = spec_of(pipeline)
    for one in [task for task in naming.tasks(pipeline).steps if not task.contained]:
        constant = task_of(spec, one.task)["inputs"]["parameters"]["params"]["runtimeValue"]["constant"]
        assert "{{" not in constant
        told = argument.read(constant)
        assert constant.startswith("{") == (len(json.dumps(one.step.params)) < 30_000)
        assert told == one.step.params
        assert repr(told) == repr(json.loads(json.dumps(one.step.params, sort_keys=True)))  # 1 stays 1, not 1.0


@SAMPLE
def test_params_are_written_in_a_module_of_their_own(pipeline: Pipeline) -> None:
    files = kubeflow.emit(pipeline).files
    space: dict[str, Any] = {}
    exec(compile(files["params.py"], "params.py", "exec"), space)
    named = naming.tasks(pipeline)
    constants: dict[str, Any] = {}
    for one in named.steps:
        if one.family:
            constants.setdefault(one.function.upper(), {})[one.step.id] = one.step.params
        else:
            constants[one.function.upper()] = one.step.params
    if named.exit:
        constants[named.exit.function.upper()] = compiled.exit_params(pipeline)
    labels = {one.id: one.label for one in pipeline.steps if one.label}
    assert space.pop("LABELS", {}) == labels
    assert {name: value for name, value in space.items() if name.isupper()} == constants
    read = {found.removeprefix("params.") for found in re.findall(r"params\.[A-Z]\w*", files["pipeline.py"])}
    assert read - {"LABELS"} == constants.keys()


def test_a_module_of_the_users_may_be_called_params() -> None:
    """Neither file of ours is in the image, and a task's text names neither."""
    files = kubeflow.emit(breast_cancer(code={"params.py": "x = 1\n"})).files
    assert files["src/params.py"] == "x = 1\n"
    assert files["params.py"] == kubeflow.emit(breast_cancer()).files["params.py"]
    assert not {"!params.py", "!pipeline.py"} & set(files[".dockerignore"].splitlines())
    for text in compiled.functions(files["pipeline.py"]).values():
        names = {alias.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for alias in node.names}
        assert not names & {"params", "pipeline", "cluster"}


def test_no_placeholder_reaches_the_source_of_a_component() -> None:
    spec = spec_of(replace(awkward(), steps=tuple(replace(one, routes=(("a", "{{$.inputs}}"),)) for one in awkward().steps)))
    for executor in spec["deploymentSpec"]["executors"].values():
        assert "{{" not in executor["container"]["command"][3]


def test_what_changes_the_world_is_never_cached_and_what_reads_it_is_told() -> None:
    tasks = tasks_of(spec_of(breast_cancer()))
    assert {name for name, task in tasks.items() if not task["cachingOptions"].get("enableCache")} == {"look", "register"}
    assert tasks["ingest"]["inputs"]["parameters"]["seen"] == {
        "taskOutputParameter": {"outputParameterKey": "seen", "producerTask": "look"}
    }
    tasks = tasks_of(spec_of(rich()))
    uncached = {name for name, task in tasks.items() if not task["cachingOptions"].get("enableCache")}
    assert {name for name in uncached if not name.startswith("look")} == {"wait", "alone"}
    assert uncached >= {"look", "look-2", "look-6"}


def test_an_age_is_counted_where_a_chain_begins() -> None:
    named = naming.tasks(rich())
    looks = {task.step.id: compiled.look_arguments(task.step)["seconds"] for task in named.steps if task.look}
    assert looks == {"read": "3600", "site_a": "0", "site_b": "0", "score_1": "60", "score_2": "60", "score_3": "60"}
    aged = replace(breast_cancer(), steps=tuple(replace(one, max_age=86_400.0) for one in breast_cancer().steps))
    assert [task.step.id for task in naming.tasks(aged).steps if task.look] == ["ingest"]
    assert "seconds: str" in kubeflow.emit(aged).files["pipeline.py"]


def test_a_change_of_code_is_a_change_of_the_tasks_that_call_it() -> None:
    before, after = rich(), replace(rich(), code={**rich().code, "mine.py": "def fit(): return 1\n"})
    old, new = tasks_of(spec_of(before)), tasks_of(spec_of(after))
    called = {task.task for task in naming.tasks(before).steps if task.coded}
    assert called == {"read", "trial", "trial-2", "trial-3", "score", "score-2", "score-3", "best"}
    assert {name for name in old if old[name] != new[name]} == called
    assert texts.code(replace(before, code={**before.code, "notes.txt": "y"})) == texts.code(before)


def test_monitoring_runs_no_training_again() -> None:
    """Every task but those that write the spec down is the same, with what it runs."""

    def compiled_from(monitoring: str) -> tuple[dict[str, Any], dict[str, Any]]:
        opened = build.open_spec(ROOT / "specs" / "churn.yaml", sets=[monitoring] if monitoring else [])
        spec = spec_of(build.pipeline_of(opened))
        return tasks_of(spec), spec["deploymentSpec"]["executors"]

    (tasks, executors), (others, changed) = compiled_from(""), compiled_from("monitoring.data_drift.window=3 d")
    assert executors == changed
    assert {name for name in tasks if tasks[name] != others[name]} == {"package", "report"}


def test_retries_and_time_limits() -> None:
    spec = spec_of(breast_cancer())
    assert task_of(spec, "ingest")["retryPolicy"]["maxRetryCount"] == 2
    assert "retryPolicy" not in task_of(spec, "validate")
    assert "timeout=600.0" in container_of(spec, "train")["command"][3]
    assert "timeout" not in container_of(spec, "evaluate")["command"][3]
    stubborn = tuple(replace(one, retries=3) for one in breast_cancer().steps)
    tasks = tasks_of(spec_of(replace(breast_cancer(), steps=stubborn)))
    assert {name for name, task in tasks.items() if "retryPolicy" not in task} == {"check-data", "gate", "look"}


def test_resources() -> None:
    spec = spec_of(awkward())
    assert container_of(spec_of(rich()), "trial-3")["resources"]["accelerator"] == {
        "count": "4",
        "resourceCount": "4",
        "resourceType": "nvidia.com/gpu",
        "type": "nvidia.com/gpu",
    }
    asked = container_of(spec, "class")["resources"]
    assert (asked["resourceCpuLimit"], asked["resourceMemoryRequest"], asked["accelerator"]["type"]) == (
        "0.5",
        "4Gi",
        "nvidia.com/gpu",
    )
    assert container_of(spec, "open")["resources"]["resourceMemoryLimit"] == "1000001"
    assert "resources" not in container_of(spec, "json")


def test_what_the_interface_shows() -> None:
    components = spec_of(breast_cancer())["components"]

    def types(name: str) -> dict[str, str]:
        outputs = components[f"comp-{name}"]["outputDefinitions"]["artifacts"]
        return {key: value["artifactType"]["schemaTitle"] for key, value in outputs.items()}

    assert types("evaluate") == {
        "metrics": "system.Metrics",
        "predictions": "system.Dataset",
        "curves": "system.Artifact",
        "plots": "system.ClassificationMetrics",
    }
    assert types("report") == {"page": "system.HTML"}
    assert types("decide") == {"decision": "system.Artifact", "summary": "system.Markdown"}
    assert types("train") == {"model": "system.Model"}


# -- the schedule


@pytest.mark.parametrize(
    ("five", "six"),
    [
        ("0 3 * * 1", "0 0 3 * * 1"),
        ("*/5 0-6 1,15 JAN-MAR *", "0 */5 0-6 1,15 JAN-MAR *"),
        ("0 3 * * 7", "0 0 3 * * 0"),
        ("0 3 * * 5-7", "0 0 3 * * 5,6,0"),
        ("0 3 * * 1-7/2", "0 0 3 * * 1,3,5,0"),
        ("0 3 * * 1,7", "0 0 3 * * 1,0"),
        ("0 3 * * MON-FRI", "0 0 3 * * MON-FRI"),
        ("0 3 * * */7", "0 0 3 * * */7"),
    ],
)
def test_cron_gets_seconds_and_one_sunday(five: str, six: str) -> None:
    assert cron(five) == six


def test_a_time_zone_is_told_not_converted() -> None:
    found = list(kubeflow.lacks(breast_cancer()))
    assert [(one.code, one.route) for one in found] == [("schedule-time-zone", ("pipeline", "timezone"))]
    readme = kubeflow.emit(breast_cancer()).files["README.md"]
    assert "`0 0 3 * * 1`" in readme
    assert 'CRON = "0 0 3 * * 1"' in kubeflow.emit(breast_cancer()).files["deploy.py"]
    assert "CRON_SCHEDULE_TIMEZONE" in readme
    for schedule in (None, Schedule("0 3 * * 1", "UTC")):
        assert list(kubeflow.lacks(breast_cancer(schedule=schedule))) == []
        assert "CRON_SCHEDULE_TIMEZONE" not in kubeflow.emit(breast_cancer(schedule=schedule)).files["README.md"]


# -- what the cluster is told


def test_secrets_are_named_and_never_told() -> None:
    _, platform = documents_of(rich())
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors) == {"exec-read", "exec-trial", "exec-trial-2", "exec-trial-3", "exec-convert", "exec-notify"}
    found = [(one["secretName"], *one["keyToEnv"][0].values()) for one in executors["exec-trial-2"]["secretAsEnv"]]
    assert found == [("rich-environment", "DSN", "ORDERS_DSN"), ("orders", "PASSWORD", "password")]
    assert all(one["optional"] is False for one in executors["exec-trial-2"]["secretAsEnv"])
    assert "| `trial_1` | `DSN` | `rich-environment` | `ORDERS_DSN` |" in kubeflow.emit(rich()).files["README.md"]
    told = [one for one in kubeflow.lacks(rich()) if one.code == "environment-is-a-secret"]
    assert told[0].severity is Severity.INFO
    assert "ORDERS_DSN is read from the secret rich-environment" in told[0].message


def test_machines() -> None:
    _, platform = documents_of(rich())
    told = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-convert"]
    assert told["nodeSelector"] == {"labels": {"zone": "eu-1", "kind": "big"}}
    spot = {"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"}
    assert told["tolerations"] == [spot]
    assert told["nodeAffinity"][0]["weight"] == 100
    assert told["activeDeadlineSeconds"] == "90"
    environment = container_of(spec_of(rich()), "convert")["env"]
    assert environment == [{"name": "EMPTY"}, {"name": "TOKENIZERS_PARALLELISM", "value": "false"}]


def test_containers_are_what_the_spec_says() -> None:
    found = container_of(spec_of(rich()), "convert")
    inside, outside = "{{$.inputs.artifacts['from_'].path}}", "{{$.outputs.artifacts['class_'].path}}"
    assert found["image"] == "r/i@sha256:0"
    assert found["command"] == ["sh", "-c", f"cat {inside} {{x}} > {outside}", outside]
    assert "args" not in found


def test_one_component_for_a_family() -> None:
    source = kubeflow.emit(rich()).files["pipeline.py"]
    assert source.count("def trial(") == source.count("= trial(") == 1
    assert source.count("def score(") == source.count("= score(") == 1
    spec = spec_of(rich())
    assert {task_of(spec, name)["taskInfo"]["name"] for name in ("trial", "trial-2", "trial-3")} == {
        "depth 1",
        "depth 2",
        "depth 3",
    }
    assert task_of(spec, "score-2")["inputs"]["artifacts"]["model"]["taskOutputArtifact"]["producerTask"] == "trial-2"
    assert task_of(spec, "score-2")["dependentTasks"] == ["look-5", "read", "trial-2", "wait"]


def test_what_runs_at_the_end() -> None:
    spec = spec_of(rich())
    assert set(spec["root"]["dag"]["tasks"]) == {"exit-handler-1", "notify"}
    last = spec["root"]["dag"]["tasks"]["notify"]
    assert last["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert last["inputs"]["parameters"]["ended"] == {"taskFinalStatus": {"producerTask": "exit-handler-1"}}
    both = spec_of(several_exits())["root"]["dag"]["tasks"]
    assert set(both) == {"exit-handler-1", "at-exit"}
    assert both["at-exit"]["retryPolicy"]["maxRetryCount"] == 1


# -- the other forms


def test_vertex_gets_one_document() -> None:
    files = kubeflow.emit(rich()).files
    assert [*yaml.safe_load_all(files["pipeline.vertex.yaml"])] == documents_of(rich())[:1]
    assert "submit `pipeline.vertex.yaml`" in files["README.md"]
    plain = kubeflow.emit(breast_cancer()).files
    assert "pipeline.vertex.yaml" not in plain
    assert len(list(yaml.safe_load_all(plain["pipeline.yaml"]))) == 1


# -- the scripts


DEPLOY = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
sys.path.insert(0, ".")
import deploy
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    said, code = io.StringIO(), 0
    with redirect_stdout(said), redirect_stderr(said):
        try:
            deploy.main()
        except SystemExit as end:
            code = end.code or 0
    print(json.dumps([code, said.getvalue()]))
"""


def deploy(place: Path, api: Api, *commands: list[str]) -> list[tuple[Any, str]]:
    """Run commands of deploy.py in one process (kfp takes long to import): how each ended, and what it said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KF", "ML_PIPELINE"))}
    environment |= {"KF_PIPELINES_ENDPOINT": api.address, "HOME": str(place), "NO_PROXY": "127.0.0.1"}
    script = [sys.executable, "-W", "ignore", "-c", DEPLOY, json.dumps(commands)]
    ended = subprocess.run(script, cwd=place, env=environment, capture_output=True, text=True, check=True)
    return [tuple(json.loads(line)) for line in ended.stdout.splitlines()]


def test_the_scripts_that_deploy(tmp_path: Path) -> None:
    """With kfp's own client, against a stand-in for the API."""
    kubeflow.emit(breast_cancer()).write(tmp_path)
    name = documents_of(breast_cancer(), "kubernetes.yaml")[1]["metadata"]["name"]
    with serving() as api:
        told = deploy(
            tmp_path,
            api,
            ["upload"],
            ["upload"],
            ["run", "--param", "data_root=/data=1", "--wait", "30"],
            ["run", "--param", "nothing=1"],
            ["schedule"],
            ["schedule", "--param", "registry_root=/r"],
            ["schedule", "--cron", "0 3 * * *"],
        )
    assert [code for code, _ in told if not isinstance(code, str)] == [0] * 5
    assert "has no parameter nothing" in told[3][0]
    assert "six fields" in told[6][0]
    [pipeline] = api.kept["pipelines"].values()
    assert sorted(one["display_name"] for one in api.kept["versions"].values()) == ["tumours", name]
    [body] = api.bodies("POST", "/pipelines/upload_version")
    assert (tmp_path / "pipeline.yaml").read_text() in body.replace("\r\n", "\n")
    [version] = [one for one in api.kept["versions"].values() if one["display_name"] == name]
    which = {"pipeline_id": pipeline["pipeline_id"], "pipeline_version_id": version["pipeline_version_id"]}

    assert "SUCCEEDED" in told[2][1]
    [run] = api.bodies("POST", "/runs")
    assert run["pipeline_version_reference"] == which
    assert run["runtime_config"]["parameters"] == {"data_root": "/data=1"}
    assert "pipeline_spec" not in run  # where a caching option of the whole run would be written in

    schedules = api.bodies("POST", "/recurringruns")
    for one in schedules:
        assert one["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * 1"
        assert (one["max_concurrency"], one["no_catchup"], one["mode"]) == (1, True, "ENABLE")
        assert one["pipeline_version_reference"] == which
    assert [one["runtime_config"].get("parameters") for one in schedules] == [{}, {"registry_root": "/r"}]
    [left] = api.kept["recurringruns"].values()
    assert left["runtime_config"] == schedules[1]["runtime_config"]
    assert len(api.kept["experiments"]) == 1


# -- limits


def test_what_a_cluster_would_refuse_is_told_before() -> None:
    def codes(**fields: Any) -> list[tuple[str, Severity]]:
        one = step("one", routes=(("steps", "one"),), **fields)
        return [(found.code, found.severity) for found in kubeflow.lacks(Pipeline(name="x", description="", steps=(one,)))]

    error, warning = Severity.ERROR, Severity.WARNING
    noise = [f"{number * 2654435761 % 2**32:08x}" for number in range(60_000)]
    assert codes() == []
    assert codes(params={"long": "x" * 10**6}) == []  # packed
    assert codes(params={"long": noise}) == [("too-large-for-kubeflow", error)]
    assert codes(secrets={"A": Secret("secret", "Not A Name", "k")}) == [("not-for-kubernetes", error)]
    assert codes(secrets={"A": Secret("secret", "ok", "not ok")}) == [("not-for-kubernetes", error)]
    assert codes(environment={"A": "$(HOME)"}) == [("kubeflow-expands", warning)]
    assert codes(resources=Resources(node=(("a b", "c"),))) == [("not-for-kubernetes", error)]
    assert codes(resources=Resources(node=(("a.b/c", "d"),), accelerator="gpu")) == []
    assert codes(resources=Resources(accelerator="two words")) == [("not-for-kubernetes", error)]
    command = {"op": ops.CONTAINER, "params": {"image": "i", "command": ["{{$.x}}"]}}
    assert codes(**command) == [("not-for-kubernetes", error)]
    [found] = kubeflow.lacks(Pipeline(name="x", description="", steps=(step("one", routes=(("steps", "one"),), **command),)))
    assert found.route == ("steps", "one", "command")
    default = Parameter("data_root", "x" * 10_000, "")
    assert [one.code for one in kubeflow.lacks(replace(rich(), parameters=(default, *rich().parameters[1:])))][
        -1
    ] == "too-large-for-kubeflow"


def many(count: int) -> Pipeline:
    """A chain of families: `count` steps in the end."""
    out = (Port("out", Artifact.FILE),)
    takes = (Port("a", Artifact.FILE), Port("data", Artifact.FILE))
    steps = [step("start", gives=out)]
    for number in range(count // 2):
        start, fitted = (
            {"a": Ref("start", "out"), "data": Ref("start", "out")},
            {"a": Ref(f"fit_{number}", "out"), "data": Ref("start", "out")},
        )
        params = {"entrypoint": "mine:run", "machine": f"m{number}", "columns": [f"sensor_{one}" for one in range(20)]}
        steps += [step(f"fit_{number}", family="fit", takes=takes, gives=out, inputs=start, params=params)]
        steps += [step(f"score_{number}", family="score", takes=takes, gives=out, inputs=fitted, params=params)]
    return Pipeline(name="many", description="", steps=tuple(steps))


def test_many_steps_take_as_much_longer_as_they_are_more() -> None:
    import time

    def seconds(count: int) -> float:
        pipeline = many(count)
        began = time.process_time()
        kubeflow.emit(pipeline)
        return time.process_time() - began

    seconds(10)
    few, more = min(seconds(100) for _ in range(3)), min(seconds(500) for _ in range(2))
    assert more < 5 * few * 2, (few, more)
    [found] = kubeflow.lacks(many(1200))
    assert (found.code, found.severity) == ("too-large-for-kubeflow", Severity.WARNING)


# -- what is said


def test_every_notion_is_realised_or_lacking() -> None:
    from mlspec.backend import NOTIONS

    assert set(NOTIONS) == kubeflow.REALISES.keys() | kubeflow.LACKS.keys()
    assert {one.code for one in kubeflow.lacks(rich())} == {
        "no-triggers",
        "no-cluster-of-workers",
        "exit-names-no-step",
        "environment-is-a-secret",
    }
    told = kubeflow.emit(rich()).files["README.md"]
    assert "nothing in Kubeflow Pipelines starts a run at mlspec.data" in told.replace("\\", "")
