"""What orchestrators get wrong, and what the generated projects do instead: docs/traps.md lists each trap with its tests.

Here are those that need no orchestrator; where one has to run, the page names the test that runs it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlspec import backend, build, ops
from mlspec.ir import LawBroken, Pipeline, Ref, Stage, Step
from mlspec.kit.case import cases
from tests.pipelines import breast_cancer

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "traps.md"
BACKENDS = ("kfp", "prefect", "zenml", "airflow")

SPEC = """\
mlspec: 1
project: {name: trapped, problem: "What orchestrators get wrong."}
requirements: {metrics: [{metric: roc_auc, target: ">= 0.9"}]}
task: {kind: classification, target: target, positive: malignant}
data:
  sources: {tumours: {kind: sklearn, dataset: breast_cancer}}
model: {kind: sklearn.logistic_regression, params: {max_iter: 500}}
steps:
  own: {entrypoint: "work:own", inputs: {metrics: evaluate.metrics}, outputs: {out: file}, params: {sizes: [1, 2.0]}, timeout: 1 min}
pipeline: {schedule: "0 3 * * 1", retries: 2}
"""


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Mapping[str, str]]:
    folder = tmp_path_factory.mktemp("trapped")
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    (folder / "work.py").write_text("def own(inputs, outputs, sizes): ...\n", encoding="utf-8")
    opened = build.open_spec(folder / "spec.yaml")
    return {name: build.project_of(opened, name).bundle.files for name in BACKENDS}


def generated(files: Mapping[str, str]) -> Iterator[tuple[str, ast.Module]]:
    """Each generated Python file; the user's own are none."""
    yield from ((path, ast.parse(text)) for path, text in files.items() if path.endswith(".py") and not path.startswith("src/"))


def called(tree: ast.AST) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def only(files: Mapping[str, str], ending: str) -> str:
    (found,) = [text for path, text in files.items() if path.endswith(ending)]
    return found


# dangling references, on the pipeline itself: kfp's loader and protocol buffers let them pass


def with_step(step_id: str, **fields: Any) -> Pipeline:
    """The breast cancer pipeline with a step that is another."""
    steps = [replace(one, **fields) if one.id == step_id else one for one in breast_cancer().steps]
    return breast_cancer(steps=tuple(steps))


def wired(step_id: str, **refs: Ref) -> Pipeline:
    return with_step(step_id, inputs={**breast_cancer()[step_id].inputs, **refs})


DANGLING = {
    "a producer that is not there": (lambda: wired("train", features=Ref("ghost", "features")), "from 'ghost', which does not exist"),
    "an output that nobody makes": (lambda: wired("train", features=Ref("featurize", "ghost")), "featurize has no output 'ghost'"),
    "an artifact of another kind": (lambda: wired("train", features=Ref("split", "manifest")), "wants a table"),
    "an input that the op has not": (lambda: wired("train", ghost=Ref("split", "train")), "train has no input 'ghost'"),
    "an input that is missing": (lambda: with_step("train", inputs={}), "train lacks its input"),
    "an order that leads nowhere": (lambda: with_step("train", after=("ghost",)), "comes after 'ghost', which does not exist"),
    "a parameter that is not declared": (lambda: breast_cancer(parameters=()), "which is not declared"),
    "steps in a circle": (lambda: with_step("ingest", after=("register",)), "wait for each other"),
    "two steps of one name": (lambda: breast_cancer(steps=breast_cancer().steps * 2), "share an id"),
    "a number that is none": (lambda: with_step("train", params={"x": float("nan")}), "not plain finite JSON"),
    "a value that is no JSON": (lambda: with_step("train", params={"x": {1, 2}}), "not plain finite JSON"),
    "a step at the exit that takes something": (
        lambda: breast_cancer(exit=(Step(id="notify", op=ops.NOTIFY, stage=Stage.DATA, routes=(("x",),), after=("train",)),)),
        "runs at the exit",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DANGLING)
def test_a_pipeline_that_dangles_cannot_be_made(name: str) -> None:
    make, told = DANGLING[name]
    with pytest.raises(LawBroken, match=re.escape(told)):
        make()


def test_what_kfp_lets_pass_is_what_we_refuse() -> None:
    """Why the check is ours: kfp's own schema takes a pipeline whose producer is a ghost."""
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    spec = next(yaml.safe_load_all(backend.load("kfp").emit(breast_cancer()).files["pipeline.yaml"]))
    task = spec["root"]["dag"]["tasks"]["train"]
    task["inputs"]["artifacts"]["features"]["taskOutputArtifact"]["producerTask"] = "ghost"
    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    with pytest.raises(LawBroken):
        wired("train", features=Ref("ghost", "features"))


# values


def test_a_list_of_integers_would_become_floats() -> None:
    """Why params travel as text: this is what carries lists and dicts between KFP's tasks."""
    from google.protobuf import json_format, struct_pb2

    carried = json_format.MessageToDict(json_format.ParseDict({"sizes": [500]}, struct_pb2.Struct()))
    assert repr(carried) == "{'sizes': [500.0]}"


@pytest.mark.parametrize("name", BACKENDS)
def test_integers_stay_integers(projects: dict[str, Mapping[str, str]], name: str) -> None:
    text = only(projects[name], "params.py")
    assert re.search(r'"max_iter": 500\b(?!\.)', text)
    assert re.search(r'"sizes": \[\s*1,\s*2\.0,?\s*\]', text)


# gates


@pytest.mark.parametrize("name", BACKENDS)
def test_no_orchestrator_compares_a_score(projects: dict[str, Mapping[str, str]], name: str) -> None:
    """A gate is a step that fails. `dsl.If` runs neither branch on NaN and takes the last of two conditions; others cannot branch."""
    branches = {
        "If",
        "Elif",
        "Else",
        "Condition",
        "OneOf",
        "branch",
        "short_circuit",
        "BranchPythonOperator",
        "ShortCircuitOperator",
    }
    for path, tree in generated(projects[name]):
        names = {ast.unparse(one.func).rpartition(".")[2] for one in called(tree)}
        names |= {ast.unparse(one).rpartition(".")[2] for node in ast.walk(tree) for one in getattr(node, "decorator_list", ())}
        assert not names & branches, path
        assert "dynamic" not in {keyword.arg for one in called(tree) for keyword in one.keywords}, path


# Prefect: what nobody waits for, and what is used again


def test_the_flow_returns_the_state_of_every_task(projects: dict[str, Mapping[str, str]]) -> None:
    """A task that was submitted, fails and is not waited for leaves the run COMPLETED."""
    flow = ast.parse(only(projects["prefect"], "/flow.py"))
    submitted = [node for node in called(flow) if isinstance(node.func, ast.Attribute) and node.func.attr == "submit"]
    kept = [
        node.value for node in ast.walk(flow) if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("runs[")
    ]
    assert len(submitted) == len(kept) > 10
    assert set(map(id, submitted)) == set(map(id, kept))
    body = next(
        node
        for node in flow.body
        if isinstance(node, ast.FunctionDef) and ast.unparse(node.decorator_list[0]).startswith("flow(")
    )
    assert [ast.unparse(one) for one in body.body[-2:]] == ["news = ending.reached(runs)", "return news.states"]


def test_each_prefect_task_is_cached_by_content_or_not_at_all(projects: dict[str, Mapping[str, str]]) -> None:
    """Prefect's own policies know a path, or the run: what is stale is used, or nothing is."""
    policies = [
        ast.unparse(keyword.value)
        for one in called(ast.parse(only(projects["prefect"], "/flow.py")))
        if ast.unparse(one.func) == "task"
        for keyword in one.keywords
        if keyword.arg == "cache_policy"
    ]
    assert len(policies) > 10
    assert all(one.startswith("ContentKey(") or one in ("NO_CACHE", "NONE") for one in policies), policies


def test_prefect_starts_no_server_by_the_way(projects: dict[str, Mapping[str, str]]) -> None:
    """A server that a flow starts by itself has 20 s to be there, and a pool of processes starts one each."""
    quiet = next(
        ast.literal_eval(node.value)
        for node in ast.parse(projects["prefect"]["run.py"]).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "QUIET"
    )
    assert quiet["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] == "false"
    assert quiet["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert re.search(
        r'"PREFECT_SERVER_DATABASE_TIMEOUT"\] = "60"', projects["prefect"]["run.py"]
    )  # "database is locked", under load


# what is read by looking at a function


@pytest.mark.parametrize("name", BACKENDS)
def test_annotations_are_what_they_say(projects: dict[str, Mapping[str, str]], name: str) -> None:
    """With `from __future__ import annotations` they are text: kfp reads none, Prefect's `serve` has no schema."""
    for path, tree in generated(projects[name]):
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "__future__"], path


def test_a_kfp_task_installs_nothing_and_carries_nothing(projects: dict[str, Mapping[str, str]]) -> None:
    """A pod that calls pip fails without a network; an embedded artifact holds a clock, so that two compilations differ."""
    keywords = {
        keyword.arg: keyword.value for one in called(ast.parse(projects["kfp"]["pipeline.py"])) for keyword in one.keywords
    }
    assert ast.literal_eval(keywords["install_kfp_package"]) is False
    assert not {"packages_to_install", "pip_index_urls", "target_image", "embedded_artifact_path"} & keywords.keys()
    assert "pip install" not in projects["kfp"]["pipeline.yaml"]
    assert "SubprocessRunner(use_venv=False)" in ast.unparse(ast.parse(projects["kfp"]["run.py"]))


# ZenML: what a file of its own overrules


def test_the_run_configuration_overrules_nothing(projects: dict[str, Mapping[str, str]]) -> None:
    """`enable_cache: true` in it would cache `ingest`, which must look each time; its parameters clash with those of the code."""
    told = yaml.safe_load(projects["zenml"]["production.yaml"])
    assert not {"enable_cache", "parameters", "steps"} & told.keys()


def test_no_step_of_zenml_is_found_outside_the_project(projects: dict[str, Mapping[str, str]]) -> None:
    """A step whose module lies elsewhere runs here and not on a remote stack: each is written into the project's own package."""
    pipeline, steps = (ast.parse(only(projects["zenml"], f"/{name}.py")) for name in ("pipeline", "steps"))
    made = {node.name for node in steps.body if isinstance(node, ast.FunctionDef) and node.decorator_list}
    (module,) = {path.partition("/")[0] for path in projects["zenml"] if path.endswith("/steps.py")}
    imported = {
        alias.name: node.module
        for node in ast.walk(pipeline)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(module)
        for alias in node.names
    }
    named = {name for name, where in imported.items() if where == f"{module}.steps"}
    assert named <= made or imported.get("steps") == module, imported


# Airflow


def test_a_dag_that_is_switched_on_does_not_catch_up(projects: dict[str, Mapping[str, str]]) -> None:
    dag = next(text for path, text in projects["airflow"].items() if path.endswith("_dag.py"))
    (options,) = [
        {keyword.arg: keyword.value for keyword in one.keywords}
        for one in called(ast.parse(dag))
        if ast.unparse(one.func) == "dag"
    ]
    assert ast.literal_eval(options["catchup"]) is False
    assert ast.literal_eval(options["max_active_runs"]) == 1
    assert ast.unparse(options["schedule"]) == "CronTriggerTimetable('0 3 * * 1', timezone='UTC')"  # others begin with a run


def test_each_task_of_airflow_says_its_own_id(projects: dict[str, Mapping[str, str]]) -> None:
    """The second call of a function would be `evaluate__1`: what a run says of a step would be of another."""
    dag = next(text for path, text in projects["airflow"].items() if path.endswith("_dag.py"))
    tasks = [one for one in called(ast.parse(dag)) if ast.unparse(one.func) == "task"]
    named = [ast.literal_eval(keyword.value) for one in tasks for keyword in one.keywords if keyword.arg == "task_id"]
    assert len(named) == len(set(named)) == len(tasks) > 10


# times


@pytest.mark.parametrize(("name", "ending", "told"), [
    ("kfp", "deploy.py", '"0 0 3 * * 1"'),
    ("prefect", "prefect.yaml", "0 3 * * 1"),
    ("zenml", "deploy.py", "0 3 * * 1"),
    ("airflow", "_dag.py", "0 3 * * 1"),
])  # fmt: skip
def test_only_kfp_counts_seconds(projects: dict[str, Mapping[str, str]], name: str, ending: str, told: str) -> None:
    """Five fields would run hourly there: `0 3 * * 1` is read as the third minute."""
    (text,) = [text for path, text in projects[name].items() if path.endswith(ending)]
    assert told in text
    assert ("0 0 3 * * 1" in text) is (name == "kfp")


@pytest.mark.parametrize("name", BACKENDS)
def test_a_time_limit_is_the_runtimes(projects: dict[str, Mapping[str, str]], name: str) -> None:
    """Prefect's stops no submitted task, kfp.local knows none: the step's process is killed, on every backend alike."""
    for _, tree in generated(projects[name]):
        keywords = {keyword.arg for one in called(tree) for keyword in one.keywords}
        assert not keywords & {"timeout_seconds", "execution_timeout"}
    told = [
        ast.literal_eval(keyword.value)
        for path, tree in generated(projects[name])
        if path.endswith(("pipeline.py", "flow.py", "steps.py", "_dag.py"))
        for one in called(tree)
        for keyword in one.keywords
        if keyword.arg == "timeout" and ast.unparse(one.func).rpartition(".")[2] in ("run", "perform")
    ]
    assert told == [60.0]


# the page


def rows() -> list[tuple[str, list[str]]]:
    """Each row of the page's tables: the trap, and what is named in its last column."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
    return [(one[0], re.findall(r"`([^`]+)`", one[-1])) for one in cells if one[0] != "trap"]


def test_each_trap_of_the_page_is_held_by_tests_that_exist() -> None:
    found = rows()
    assert len(found) > 20
    for trap, named in found:
        assert named, f"no test holds: {trap}"
        for one in named:
            assert exists(one), f"{one} is not there: {trap}"


def exists(name: str) -> bool:
    """`tests/x.py::test_y`, or a case of the conformance kit: `case gate_nan`."""
    if name.startswith("case "):
        return name.removeprefix("case ") in cases()
    path, _, function = name.partition("::")
    place = ROOT / path
    made = (
        [node.name for node in ast.walk(ast.parse(place.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)]
        if place.is_file()
        else []
    )
    return function.startswith("test_") and function in made


def test_each_test_of_this_file_is_on_the_page() -> None:
    named = {one.rpartition("::")[2] for _, tests in rows() for one in tests}
    here = {node.name for node in ast.parse(Path(__file__).read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}
    about_the_page = {"test_each_trap_of_the_page_is_held_by_tests_that_exist", "test_each_test_of_this_file_is_on_the_page"}
    assert {name for name in here if name.startswith("test_")} - about_the_page <= named
