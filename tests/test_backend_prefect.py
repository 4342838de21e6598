from __future__ import annotations

import ast
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlspec.backends import prefect

from mlspec import ops
from mlspec.diagnostic import Problem, dotted
from mlspec.ir import Artifact, Parameter, Pipeline, Port, Ref, Resources, Schedule, Stage, Step
from tests.pipelines import breast_cancer

ROOT = Path(__file__).resolve().parent.parent


def python_step(
    step_id: str,
    *,
    after: tuple[str, ...] = (),
    inputs: Mapping[str, Ref] | None = None,
    gives: tuple[str, ...] = ("out",),
    **fields: Any,
) -> Step:
    given_params = {"entrypoint": "work:make", "params": {}, "inputs": sorted(inputs or {}), "outputs": list(gives)}
    return Step(
        id=step_id, op=ops.PYTHON, stage=Stage.DATA, inputs=inputs or {}, after=after,
        takes=tuple(Port(name, Artifact.FILE) for name in (inputs or {})), gives=tuple(Port(name, Artifact.FILE) for name in gives),
        **{"params": given_params, "routes": (("steps", step_id),), **fields},
    )  # fmt: skip


HOSTILE_TEXT = "\"\"\"'''\\ {{ $HOME }} {{ prefect.blocks.secret.token }} {% raw %} | <b> \n# ```\n\x00\u202e %s 日本"


def hostile() -> Pipeline:
    """Names that Python, Prefect or our own templates use, and text that tries to get out of every quotation."""
    steps = (
        python_step("class", params={"entrypoint": HOSTILE_TEXT, "params": {HOSTILE_TEXT: [HOSTILE_TEXT, 1e300, -0.0, None, True]}, "inputs": [], "outputs": ["out"]}),
        python_step("flow", inputs={"workspace": Ref("class", "out"), "class": Ref("class", "out"), "made": Ref("class", "out")}),
        python_step("flow_run", after=("flow", "class", "flow"), bindings={"data_root": "print"}),
        python_step("print", inputs={"params": Ref("flow_run", "out"), "out": Ref("class", "out")}, gives=()),
        python_step("futures", gives=("import", "out"), retries=100, timeout=0.5),
        python_step("a" * 63, inputs={"p" * 63: Ref("futures", "import")}, gives=("q" * 63,), resources=Resources(cpu=2.0)),
    )  # fmt: skip
    parameters = (Parameter("print", HOSTILE_TEXT, HOSTILE_TEXT),)
    code = {"flow_flow.py": "x = 1\n", "work.py": "def make(inputs, outputs):\n    pass\n"}
    return Pipeline(
        name=f"Flow {HOSTILE_TEXT}", description=HOSTILE_TEXT, steps=steps, parameters=parameters, schedule=Schedule("*/5 * * * *", "Asia/Kolkata"), code=code,
        about={"version": HOSTILE_TEXT},
    )  # fmt: skip


def nameless() -> Pipeline:
    return Pipeline(name="日本", description="", steps=(python_step("only", gives=()),), code={"work.py": ""})


PIPELINES = {"breast_cancer": breast_cancer, "hostile": hostile, "nameless": nameless}


@pytest.fixture(scope="module", params=sorted(PIPELINES))
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    return PIPELINES[request.param]()


def package(pipeline: Pipeline) -> str:
    return next(path.split("/")[0] for path in prefect.emit(pipeline).files if path.endswith("/flow.py"))


def flow_module(pipeline: Pipeline) -> ast.Module:
    return ast.parse(prefect.emit(pipeline).files[f"{package(pipeline)}/flow.py"])


def functions(pipeline: Pipeline) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in flow_module(pipeline).body if isinstance(node, ast.FunctionDef)}


def decorator(function: ast.FunctionDef) -> dict[str, ast.expr]:
    (call,) = function.decorator_list
    assert isinstance(call, ast.Call)
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def test_python_is_as_ruff_would_leave_it(pipeline: Pipeline, tmp_path: Path) -> None:
    prefect.emit(pipeline).write(tmp_path)
    shutil.rmtree(tmp_path / "src", ignore_errors=True)  # the user's own code is the user's
    for file in tmp_path.rglob("*.py"):
        compile(file.read_text(encoding="utf-8"), file, "exec")
    for command in (["format", "--diff"], ["check"]):
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_same_pipeline_gives_the_same_bytes_anywhere() -> None:
    def reversed_mappings(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: reversed_mappings(value[name]) for name in reversed(list(value))}
        return [reversed_mappings(one) for one in value] if isinstance(value, list) else value

    pipeline = breast_cancer()
    shuffled = [
        dataclasses.replace(
            step,
            params=reversed_mappings(step.params),
            inputs=reversed_mappings(step.inputs),
            bindings=reversed_mappings(step.bindings),
        )
        for step in pipeline.steps
    ]
    digest = prefect.emit(pipeline).digest
    assert prefect.emit(dataclasses.replace(pipeline, steps=tuple(shuffled))).digest == digest
    # In another process, with another hash seed, from another directory; and without the orchestrator.
    code = (
        "import sys; from tests.pipelines import breast_cancer; from mlspec.backends import prefect as b; print(b.emit(breast_cancer()).digest);"
        "print(sorted({'prefect', 'polars', 'sklearn', 'numpy', 'fastapi'} & sys.modules.keys()))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4", "PYTHONPATH": str(ROOT)}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=environment, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert told[:2] == [digest, "[]"]


def test_each_step_is_wired_as_the_pipeline_says(pipeline: Pipeline) -> None:
    made = functions(pipeline)
    by_step = {
        ast.literal_eval(decorator(function)["name"]): function for name, function in made.items() if name != package(pipeline)
    }
    assert sorted(by_step) == sorted(step.id for step in pipeline.steps)
    step_of = {function.name: step for step, function in by_step.items()}
    futures: dict[str, str] = {}
    for node in made[package(pipeline)].body:
        if not (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and isinstance(node.value.func, ast.Attribute)
            and node.value.func.attr == "submit"
        ):
            continue
        assert isinstance(node.value.func.value, ast.Name)
        assert isinstance(node.targets[0], ast.Name)
        step = pipeline[step_of[node.value.func.value.id]]
        arguments = {keyword.arg: keyword.value for keyword in node.value.keywords}
        ports = ports_of(by_step[step.id])
        wired = {}
        for argument, value in arguments.items():
            if isinstance(value, ast.Call):
                future, output = value.args
                assert isinstance(future, ast.Name)
                wired[ports[str(argument)]] = Ref(futures[future.id], ast.literal_eval(output))
        assert wired == dict(step.inputs)
        bound = {
            ports[str(name)]: value.id for name, value in arguments.items() if isinstance(value, ast.Name) and name != "workspace"
        }
        assert bound == dict(step.bindings)
        waits = arguments.get("wait_for", ast.List(elts=[]))
        assert isinstance(waits, ast.List)
        assert {futures[one.id] for one in waits.elts if isinstance(one, ast.Name)} == set(step.after)
        assert node.targets[0].id not in futures
        futures[node.targets[0].id] = step.id
    assert sorted(futures.values()) == sorted(by_step)
    # The run fails with a step only if that step's future is waited for and its state returned.
    gathered = next(
        node.value
        for node in ast.walk(made[package(pipeline)])
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "futures"
    )
    assert isinstance(gathered, ast.Dict)
    assert {
        ast.literal_eval(key): futures[ast.unparse(value)]
        for key, value in zip(gathered.keys, gathered.values, strict=True)
        if key
    } == {one: one for one in by_step}
    assert ast.unparse(made[package(pipeline)].body[-1]) == "return [future.state for future in futures.values()]"


def ports_of(function: ast.FunctionDef) -> dict[str, str]:
    """Argument -> the port, or the parameter, that the task's body gives it to."""
    call = next(node for node in ast.walk(function) if isinstance(node, ast.Call) and ast.unparse(node.func) == "perform")
    told: dict[str, str] = {}
    for keyword in call.keywords:
        if keyword.arg in ("inputs", "params") and isinstance(keyword.value, ast.Dict):
            told |= {
                ast.unparse(value): ast.literal_eval(key)
                for key, value in zip(keyword.value.keys, keyword.value.values, strict=True)
                if key
            }
    return told


def test_retries_and_timeouts_are_those_of_the_step(pipeline: Pipeline) -> None:
    by_step = {
        ast.literal_eval(decorator(one)["name"]): one for name, one in functions(pipeline).items() if name != package(pipeline)
    }
    for step in pipeline.steps:
        options = decorator(by_step[step.id])
        assert ast.literal_eval(options["retries"]) if step.retries else "retries" not in options
        if step.retries:
            delays = ast.literal_eval(options["retry_delay_seconds"])
            assert delays == [min(2.0**attempt, 60.0) for attempt in range(len(delays))]
            assert len(delays) == step.retries or delays[-1] == 60.0
        call = next(
            node for node in ast.walk(by_step[step.id]) if isinstance(node, ast.Call) and ast.unparse(node.func) == "perform"
        )
        timeout = {keyword.arg: keyword.value for keyword in call.keywords}.get("timeout")
        assert (ast.literal_eval(timeout) if timeout else None) == step.timeout
        assert "timeout_seconds" not in options  # it does not interrupt a submitted task


def params_of(pipeline: Pipeline) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(compile(prefect.emit(pipeline).files[f"{package(pipeline)}/params.py"], "params.py", "exec"), space)
    return {step.id: space[step.id.upper()] for step in pipeline.steps}


def test_params_are_plain_values_that_read_back(pipeline: Pipeline) -> None:
    assert params_of(pipeline) == {step.id: dict(step.params) for step in pipeline.steps}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(name=st.text(max_size=60), text=st.text(max_size=120), params=st.dictionaries(st.text(), JSON, max_size=4))
def test_no_text_gets_out_of_its_quotation(name: str, text: str, params: dict[str, Any]) -> None:
    step = python_step("only", params=params, routes=(("steps", text),))
    pipeline = Pipeline(
        name=name, description=text, steps=(step,), parameters=(Parameter("data_root", text, text),), about={"owner": text}
    )
    files = prefect.emit(pipeline).files
    for path, content in files.items():
        if path.endswith(".py"):
            ast.parse(content)
    assert params_of(pipeline) == {"only": params}
    flow = functions(pipeline)[package(pipeline)]
    assert sorted(functions(pipeline)) == sorted(["only", package(pipeline)])
    assert ast.literal_eval(decorator(flow)["description"]) == text
    assert [ast.literal_eval(default) for default in flow.args.defaults] == [text, "workspace"]
    assert "{{" not in files["prefect.yaml"]


def load_yaml(text: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(text)


def test_the_deployment_says_what_the_pipeline_says(pipeline: Pipeline) -> None:
    told = load_yaml(prefect.emit(pipeline).files["prefect.yaml"])
    (deployment,) = told["deployments"]
    file, _, function = deployment["entrypoint"].partition(":")
    assert file in prefect.emit(pipeline).files
    assert function in functions(pipeline)
    arguments = functions(pipeline)[function].args
    assert list(deployment["parameters"]) == [one.arg for one in arguments.args]
    if pipeline.schedule:
        assert deployment["schedules"] == [
            {"cron": pipeline.schedule.cron, "timezone": pipeline.schedule.timezone, "active": True}
        ]
    else:
        assert "schedules" not in deployment
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
    assert "{{" not in prefect.emit(pipeline).files["prefect.yaml"]


def test_trace_leads_back_to_the_spec(pipeline: Pipeline) -> None:
    told = json.loads(prefect.emit(pipeline).files["trace.json"])
    assert told["order"] == [step.id for step in pipeline.steps]
    assert {one: told["steps"][one]["routes"] for one in told["order"]} == {
        step.id: [dotted(route) for route in step.routes] for step in pipeline.steps
    }


def test_the_users_modules_are_carried_and_shadowed_by_nothing() -> None:
    files = prefect.emit(hostile()).files
    assert files["src/work.py"] == hostile().code["work.py"]
    assert "src/flow_flow.py" in files
    assert package(hostile()) not in ("flow_flow", "work")


def test_readme_names_each_step_and_each_route(pipeline: Pipeline) -> None:
    files = prefect.emit(pipeline).files
    told = files["README.md"]
    for step in pipeline.steps:
        assert f"| `{step.id}` |" in told
    assert "\x00" not in told
    assert "\u202e" not in told


def test_what_prefect_lacks_is_told(pipeline: Pipeline) -> None:
    found = list(prefect.lacks(pipeline))
    asking = [step.id for step in pipeline.steps if step.resources != Resources()]
    assert len(found) == len({pipeline[one].resources for one in asking})
    assert all(any(one in finding.message for finding in found) for one in asking)
    assert all(finding.route == ("hardware", "training") for finding in found)


def test_a_parameter_of_our_own_name_is_refused() -> None:
    pipeline = Pipeline(name="x", description="", steps=(python_step("only"),), parameters=(Parameter("workspace", "", ""),))
    with pytest.raises(Problem, match="workspace"):
        prefect.emit(pipeline)


def test_the_lock_avoids_what_breaks_prefects_server() -> None:
    pins = dict(re.findall(r"(?m)^([a-z0-9-]+)==([0-9.]+)", prefect.emit(breast_cancer()).files["requirements.txt"]))
    version = {name: tuple(int(part) for part in pins[name].split(".")[:2]) for name in ("prefect", "fastapi", "sqlalchemy")}
    assert version["prefect"] >= (3, 8)
    assert version["fastapi"] < (0, 151)  # 0.154 half-works, 0.155 does not start
    assert version["sqlalchemy"] < (2, 1)  # with 2.1 no scheduled run is ever created
