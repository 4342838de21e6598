"""Kubeflow: what is emitted is clean, deterministic, free of KFP's traps, and compiled exactly as kfp compiles it."""

from __future__ import annotations

import ast
import builtins
import json
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

from mlspec import ops
from mlspec.bundle import Bundle
from mlspec.diagnostic import Problem
from mlspec.ir import Artifact, Parameter, Pipeline, Port, Ref, Resources, Schedule, Stage, Step
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


SAMPLES = {"breast_cancer": breast_cancer(), "awkward": awkward()}
SAMPLE = pytest.mark.parametrize("pipeline", SAMPLES.values(), ids=SAMPLES)


@pytest.fixture(scope="module")
def hostile() -> list[Pipeline]:
    drawn: list[Pipeline] = []

    @settings(max_examples=12, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(pipelines())
    def draw(pipeline: Pipeline) -> None:
        drawn.append(pipeline)

    draw()
    return drawn


def spec_of(pipeline: Pipeline) -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load(kubeflow.emit(pipeline).files["pipeline.yaml"])
    return spec


def task_of(spec: Mapping[str, Any], name: str) -> dict[str, Any]:
    task: dict[str, Any] = spec["root"]["dag"]["tasks"][name]
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
        bundle = Bundle()
        for path, text in kubeflow.emit(replace(pipeline, code={})).files.items():
            bundle.add(path, text)
        bundle.write(tmp_path / str(index))
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

    assert set(kubeflow.TYPES) == set(Artifact)
    for kind in kubeflow.TYPES.values():
        assert issubclass(getattr(dsl, kind), dsl.Artifact)


# -- the compiled pipeline

COMPILE = """
import sys
from kfp import compiler
for place in sys.argv[1:]:
    sys.path.insert(0, place)
    import pipeline
    compiler.Compiler().compile(pipeline.pipeline, place + "/kfp.yaml")
    sys.path.remove(place)
    del sys.modules["pipeline"]
    sys.modules.pop("params", None)
"""


def test_pipeline_yaml_is_what_kfp_compiles(tmp_path: Path, hostile: list[Pipeline]) -> None:
    places = []
    # kfp repeats defaults in a YAML comment as they are; ours are paths.
    calm = [
        replace(one, parameters=tuple(replace(each, default=".") for each in one.parameters))
        for one in (*SAMPLES.values(), *hostile)
    ]
    for index, pipeline in enumerate(calm):
        places.append(tmp_path / str(index))
        kubeflow.emit(pipeline).write(places[-1])
    subprocess.run([sys.executable, "-c", COMPILE, *map(str, places)], check=True)
    for place in places:
        ours, theirs = (
            list(yaml.safe_load_all((place / name).read_text(encoding="utf-8"))) for name in ("pipeline.yaml", "kfp.yaml")
        )
        assert ours == theirs


@SAMPLE
def test_the_compiled_pipeline_is_sound(pipeline: Pipeline) -> None:
    from google.protobuf import json_format  # type: ignore[import-untyped]
    from kfp.pipeline_spec import pipeline_spec_pb2  # type: ignore[import-untyped]

    spec = spec_of(pipeline)
    assert list(faults(spec)) == []
    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())  # raises for a key that it does not know
    names = {one.id: task for one, task in zip(pipeline.steps, [task.task for task in kubeflow._tasks(pipeline)], strict=True)}
    found = {(need, name) for name, task in spec["root"]["dag"]["tasks"].items() for need in task.get("dependentTasks", [])}
    assert found == {(names[one], names[other]) for one, other in pipeline.edges}


def faults(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a compiled pipeline that kfp's loader and protocol buffers accept: references to nothing, mostly."""
    tasks, components = spec["root"]["dag"]["tasks"], spec["components"]
    executors = spec["deploymentSpec"]["executors"]
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    yield from (
        f"unused {name}" for name in sorted(components.keys() - {task["componentRef"]["name"] for task in tasks.values()})
    )
    yield from (f"unused {name}" for name in sorted(executors.keys() - {one["executorLabel"] for one in components.values()}))
    for name, task in tasks.items():
        component = components.get(task["componentRef"]["name"])
        if component is None or component["executorLabel"] not in executors:
            yield f"{name}: no component or executor"
            continue
        yield from _bad_inputs(name, task, component, tasks, components, declared)
        yield from (f"{name}: needs {need}" for need in task.get("dependentTasks", []) if need not in tasks)
    yield from _cycles(tasks)


def _bad_inputs(
    name: str,
    task: Mapping[str, Any],
    component: Mapping[str, Any],
    tasks: Mapping[str, Any],
    components: Mapping[str, Any],
    declared: Mapping[str, Any],
) -> Iterator[str]:
    for kind in ("parameters", "artifacts"):
        given, wanted = task["inputs"].get(kind, {}), component.get("inputDefinitions", {}).get(kind, {})
        yield from (f"{name}: {kind} {sorted(given.keys() ^ wanted.keys())}" for _ in [0] if given.keys() != wanted.keys())
        for key, source in given.items():
            if "componentInputParameter" in source and source["componentInputParameter"] not in declared:
                yield f"{name}.{key}: no parameter {source['componentInputParameter']}"
            if ref := source.get("taskOutputArtifact"):
                made = tasks.get(ref["producerTask"], {}).get("componentRef", {}).get("name")
                outputs = components.get(made, {}).get("outputDefinitions", {}).get("artifacts", {})
                if ref["outputArtifactKey"] not in outputs:
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
                "base_image": "IMAGE",
                "install_kfp_package": "False",
            }


@SAMPLE
def test_components_use_nothing_of_their_module(pipeline: Pipeline) -> None:
    import typing

    from kfp import dsl

    source = kubeflow.emit(pipeline).files["pipeline.py"]
    known = {*dir(builtins), *dir(dsl), *typing.__all__, "kfp", "dsl"}
    components = kubeflow._functions(source)
    for one in kubeflow._tasks(pipeline):
        assert set(_globals(symtable.symtable(components[one.function], "component", "exec"))) <= known
        ast.parse(components[one.function])


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    for inner in table.get_children():
        yield from (symbol.get_name() for symbol in inner.get_symbols() if symbol.is_global())
        yield from _globals(inner)


@SAMPLE
def test_params_travel_as_text_that_kfp_leaves_alone(pipeline: Pipeline) -> None:
    spec = spec_of(pipeline)
    for one in kubeflow._tasks(pipeline):
        constant = task_of(spec, one.task)["inputs"]["parameters"]["params"]["runtimeValue"]["constant"]
        assert "{{" not in constant
        told = json.loads(constant)
        assert told == one.step.params
        assert repr(told) == repr(json.loads(json.dumps(one.step.params, sort_keys=True)))  # 1 stays 1, not 1.0


@SAMPLE
def test_params_are_written_in_a_module_of_their_own(pipeline: Pipeline) -> None:
    files = kubeflow.emit(pipeline).files
    space: dict[str, Any] = {}
    exec(compile(files["params.py"], "params.py", "exec"), space)
    constants = {one.function.upper(): one.step.params for one in kubeflow._tasks(pipeline)}
    assert {name: value for name, value in space.items() if name.isupper()} == constants
    read = {found.removeprefix("params.") for found in re.findall(r"params\.[A-Z]\w*", files["pipeline.py"])}
    assert read == constants.keys()


def test_a_module_of_the_users_may_be_called_params() -> None:
    """Neither file of ours is in the image, and a task's text names neither."""
    files = kubeflow.emit(breast_cancer(code={"params.py": "x = 1\n"})).files
    assert files["src/params.py"] == "x = 1\n"
    assert files["params.py"] == kubeflow.emit(breast_cancer()).files["params.py"]
    assert not {"!params.py", "!pipeline.py"} & set(files[".dockerignore"].splitlines())
    for text in kubeflow._functions(files["pipeline.py"]).values():
        names = {alias.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for alias in node.names}
        assert names <= {"json"}


def test_no_placeholder_reaches_the_source_of_a_component() -> None:
    spec = spec_of(replace(awkward(), steps=tuple(replace(one, routes=(("a", "{{$.inputs}}"),)) for one in awkward().steps)))
    for executor in spec["deploymentSpec"]["executors"].values():
        assert "{{" not in executor["container"]["command"][3]


def test_what_reads_or_changes_the_world_is_never_cached() -> None:
    tasks = spec_of(breast_cancer())["root"]["dag"]["tasks"]
    assert {name for name, task in tasks.items() if not task["cachingOptions"].get("enableCache")} == {"ingest", "register"}
    assert "enableCache" not in task_of(spec_of(awkward()), "class")["cachingOptions"]


def test_retries_and_time_limits() -> None:
    spec = spec_of(breast_cancer())
    assert task_of(spec, "ingest")["retryPolicy"]["maxRetryCount"] == 2
    assert "retryPolicy" not in task_of(spec, "validate")
    assert "timeout=600.0" in container_of(spec, "train")["command"][3]
    assert "timeout" not in container_of(spec, "evaluate")["command"][3]
    stubborn = tuple(replace(one, retries=3) for one in breast_cancer().steps)
    tasks = spec_of(replace(breast_cancer(), steps=stubborn))["root"]["dag"]["tasks"]
    assert {name for name, task in tasks.items() if "retryPolicy" not in task} == {"check-data", "gate"}


def test_resources() -> None:
    spec = spec_of(awkward())
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
    assert kubeflow.cron(five) == six


def test_a_time_zone_is_told_not_converted() -> None:
    found = list(kubeflow.lacks(breast_cancer()))
    assert [(one.code, one.route) for one in found] == [("schedule-time-zone", ("pipeline", "timezone"))]
    readme = kubeflow.emit(breast_cancer()).files["README.md"]
    assert "--cron-expression '0 0 3 * * 1'" in readme
    assert "CRON_SCHEDULE_TIMEZONE" in readme
    for schedule in (None, Schedule("0 3 * * 1", "UTC")):
        assert list(kubeflow.lacks(breast_cancer(schedule=schedule))) == []
        assert "CRON_SCHEDULE_TIMEZONE" not in kubeflow.emit(breast_cancer(schedule=schedule)).files["README.md"]
