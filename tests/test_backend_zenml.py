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
from mlspec.backends import zenml

from mlspec import ops
from mlspec.diagnostic import Problem, dotted
from mlspec.ir import Artifact, Parameter, Pipeline, Port, Ref, Resources, Schedule, Stage, Step
from tests.pipelines import breast_cancer
from tests.test_backend_prefect import HOSTILE_TEXT as PREFECTS_HOSTILE_TEXT
from tests.test_backend_prefect import JSON, python_step

ROOT = Path(__file__).resolve().parent.parent
HOSTILE_TEXT = PREFECTS_HOSTILE_TEXT + "${NOPE} $\\{x} {date}"
LONGEST_NAME = 255  # zenml.constants.STR_FIELD_MAX_LENGTH


def hostile() -> Pipeline:
    """Names that Python, ZenML or our own templates use, and text that tries to get out of every quotation."""
    anything = {HOSTILE_TEXT: [HOSTILE_TEXT, 1e300, -0.0, None, True]}
    told = {"entrypoint": HOSTILE_TEXT, "params": anything, "inputs": [], "outputs": ["out"]}
    out = Ref("class", "out")
    steps = (
        python_step("class", params=told),
        python_step("step", inputs=dict.fromkeys(("after", "args", "class", "id", "kwargs", "made", "self", "start_after"), out)),
        python_step("print", after=("step", "class", "step"), bindings={"data_root": "print", "params": "text"}),
        python_step("perform", inputs={"params": Ref("print", "out"), "out": out, "file": out}, gives=()),
        python_step("pipeline", after=("perform",), gives=("import", "out"), retries=10, timeout=0.5),
        python_step(
            "a" * 63, inputs={"p" * 63: Ref("pipeline", "import")}, gives=("q" * 63,), resources=Resources(0.5, 1, "any")
        ),
    )
    parameters = (Parameter("print", HOSTILE_TEXT, HOSTILE_TEXT), Parameter("text", "", "%s"))
    code = {"step_pipeline.py": "x = 1\n", "work.py": "def make(inputs, outputs):\n    pass\n"}
    return Pipeline(
        name=f"Step {HOSTILE_TEXT}", description=HOSTILE_TEXT * 1000, steps=steps, parameters=parameters,
        schedule=Schedule("*/5 * * * *", "Asia/Kolkata"), code=code, about={"version": HOSTILE_TEXT},
    )  # fmt: skip


def nameless() -> Pipeline:
    return Pipeline(name="日本", description="", steps=(python_step("only", gives=()),), code={"work.py": ""})


def external() -> Pipeline:
    """Nothing to cache, nothing to try again."""
    step = breast_cancer()["ingest"]
    return Pipeline(name="external", description="", steps=(dataclasses.replace(step, retries=0, bindings={}),))


PIPELINES = {"breast_cancer": breast_cancer, "external": external, "hostile": hostile, "nameless": nameless}


@pytest.fixture(scope="module", params=sorted(PIPELINES))
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    return PIPELINES[request.param]()


def package(pipeline: Pipeline) -> str:
    return next(path.split("/")[0] for path in zenml.emit(pipeline).files if path.endswith("/steps.py"))


def tree(pipeline: Pipeline, module: str) -> ast.Module:
    return ast.parse(zenml.emit(pipeline).files[f"{package(pipeline)}/{module}.py"])


def by_step(pipeline: Pipeline) -> dict[str, ast.FunctionDef]:
    made = [node for node in tree(pipeline, "steps").body if isinstance(node, ast.FunctionDef)]
    return {ast.literal_eval(decorator(one)["name"]): one for one in made}


def decorator(function: ast.FunctionDef) -> dict[str, ast.expr]:
    (call,) = function.decorator_list
    assert isinstance(call, ast.Call)
    return keywords(call)


def keywords(call: ast.expr) -> dict[str, ast.expr]:
    assert isinstance(call, ast.Call)
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def performed(function: ast.FunctionDef) -> dict[str, ast.expr]:
    """What the step's body gives to `perform`."""
    return keywords(next(one for one in ast.walk(function) if isinstance(one, ast.Call) and ast.unparse(one.func) == "perform"))


def names_of(mapping: ast.expr) -> dict[str, str]:
    """The keys of a literal mapping by the name that each stands for."""
    if not isinstance(mapping, ast.Dict):
        return {}
    return {ast.unparse(value): ast.literal_eval(key) for key, value in zip(mapping.keys, mapping.values, strict=True) if key}


def artifacts_of(function: ast.FunctionDef) -> list[str]:
    """The names of the artifacts that a step's annotation promises, in order."""
    configs = [one for one in ast.walk(function.returns or ast.Pass()) if isinstance(one, ast.Call)]
    return [ast.literal_eval(keywords(one)["name"]) for one in configs]


def flow_of(pipeline: Pipeline) -> ast.FunctionDef:
    (found,) = [node for node in tree(pipeline, "pipeline").body if isinstance(node, ast.FunctionDef)]
    return found


def test_python_is_as_ruff_would_leave_it(pipeline: Pipeline, tmp_path: Path) -> None:
    zenml.emit(pipeline).write(tmp_path)
    shutil.rmtree(tmp_path / "src", ignore_errors=True)  # the user's own code is the user's
    for file in tmp_path.rglob("*.py"):
        compile(file.read_text(encoding="utf-8"), file, "exec")
    # A text of the spec may be longer than a line; our own lines are not.
    rules = "E,F,I" if pipeline.name == "tumours" else "E4,E7,E9,F,I"
    for command in (["format", "--diff"], ["check", "--select", rules]):
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
        dataclasses.replace(step, **{name: reversed_mappings(getattr(step, name)) for name in ("params", "inputs", "bindings")})
        for step in pipeline.steps
    ]
    digest = zenml.emit(pipeline).digest
    assert zenml.emit(dataclasses.replace(pipeline, steps=tuple(shuffled))).digest == digest
    # In another process: another hash seed, directory, time zone; and without the orchestrator.
    code = (
        "import sys; from tests.pipelines import breast_cancer; from mlspec.backends import zenml as b; print(b.emit(breast_cancer()).digest);"
        "print(sorted({'zenml', 'polars', 'sklearn', 'numpy', 'sqlalchemy'} & sys.modules.keys()))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4", "TZ": "Asia/Kolkata", "PYTHONPATH": str(ROOT)}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=environment, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert told[:2] == [digest, "[]"]


def test_each_step_is_wired_as_the_pipeline_says(pipeline: Pipeline) -> None:
    functions = by_step(pipeline)
    assert list(functions) == [step.id for step in pipeline.steps]
    step_of = {function.name: step for step, function in functions.items()}
    made: dict[str, Ref] = {}
    called = []
    for node in flow_of(pipeline).body[1:]:
        assert isinstance(node, ast.Assign | ast.Expr)
        call = node.value
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Attribute)
        assert ast.unparse(call.func.value) == "steps"
        step = pipeline[step_of[call.func.attr]]
        called.append(step.id)
        function, given = functions[step.id], keywords(call)
        after = ast.literal_eval(given.pop("after")) if step.after else []
        assert sorted(after) == sorted(set(step.after))
        inputs, params = names_of(performed(function)["inputs"]), names_of(performed(function)["params"])
        arguments = [one.arg for one in function.args.args]
        assert sorted(given) == sorted(arguments)
        assert not {"self", "id", "after", "start_after"} & set(arguments)  # they mean something to ZenML
        texts = {argument: ast.unparse(value) for argument, value in given.items()}
        assert {inputs[argument]: made[texts[argument]] for argument in inputs} == dict(step.inputs)
        assert {params[argument]: texts[argument] for argument in params} == dict(step.bindings)
        (rest,) = set(arguments) - set(inputs) - set(params)
        assert texts[rest] == f"inert(params.{step.id.upper()})"  # ZenML would fill in ${NAME}
        assert f"restored({rest})" in ast.unparse(performed(function)["params"])
        if isinstance(node, ast.Assign):
            (target,) = node.targets
            variables = [ast.unparse(one) for one in target.elts] if isinstance(target, ast.Tuple) else [ast.unparse(target)]
            assert len(variables) == len(step.output_ports)
            assert not made.keys() & set(variables)
            made |= {name: Ref(step.id, port.name) for name, port in zip(variables, step.output_ports, strict=True)}
    assert called == [step.id for step in pipeline.steps]
    assert [one.arg for one in flow_of(pipeline).args.args] == [one.name for one in pipeline.parameters]
    assert [ast.literal_eval(one) for one in flow_of(pipeline).args.defaults] == [one.default for one in pipeline.parameters]


def test_each_output_is_returned_under_its_artifacts_name(pipeline: Pipeline) -> None:
    names = []
    (ports,) = [
        ast.literal_eval(node.value)
        for node in ast.parse(zenml.emit(pipeline).files["run.py"]).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STEPS"
    ]
    assert list(ports) == [step.id for step in pipeline.steps]
    for step in pipeline.steps:
        function = by_step(pipeline)[step.id]
        artifacts = artifacts_of(function)
        assert [ports[step.id][one] for one in artifacts] == [port.name for port in step.output_ports]
        returned = re.findall(r"made\['(\w+)'\]", ast.unparse(function.body[-1]))
        assert returned == [port.name for port in step.output_ports]
        assert ast.literal_eval(performed(function)["outputs"]) == {port.name: port.artifact.value for port in step.output_ports}
        names += artifacts
    assert len(names) == len(set(names))
    # zenml.models: at most 255 characters, no control characters; ArtifactConfig: no placeholder in braces.
    options = decorator(flow_of(pipeline))
    names += [ast.literal_eval(options["name"]), ast.literal_eval(keywords(options["model"])["name"])]
    assert all(re.fullmatch(r"[a-z][a-z0-9_-]*", name) and len(name) <= LONGEST_NAME for name in names)
    description = ast.literal_eval(keywords(options["model"])["description"])
    assert pipeline.description.replace("${", "$ {").startswith(description[:15_000])
    assert "${" not in description
    assert len(description.encode()) < 65_535
    assert ast.unparse(options["execution_mode"]) == "ExecutionMode.CONTINUE_ON_FAILURE"


def test_retries_timeouts_resources_and_caching_are_those_of_the_step(pipeline: Pipeline) -> None:
    for step in pipeline.steps:
        function = by_step(pipeline)[step.id]
        options = decorator(function)
        if step.retries:
            retry = {name: ast.literal_eval(value) for name, value in keywords(options["retry"]).items()}
            pauses = [retry["delay"] * retry["backoff"] ** turn for turn in range(step.retries)]
            assert retry["max_retries"] == step.retries
            assert sum(pauses) <= 300
        else:
            assert "retry" not in options
        timeout = performed(function).get("timeout")
        assert (ast.literal_eval(timeout) if timeout else None) == step.timeout
        external = step.op.name in ("ingest", "register", "gate") or bool(step.bindings)
        assert (ast.unparse(options["enable_cache"]) == "False") if external else "enable_cache" not in options
        assert ("cache_policy" in options) is not external
        assert ("settings" in options) is (step.resources != Resources())


def test_a_gate_is_never_tried_again() -> None:
    steps = tuple(dataclasses.replace(step, retries=3) for step in breast_cancer().steps)
    functions = by_step(breast_cancer(steps=steps))
    assert {step for step, function in functions.items() if "retry" not in decorator(function)} == {"check_data", "gate"}


def test_resources_are_asked_for_in_zenmls_units() -> None:
    asked = {
        "cores": (Resources(cpu=0.5), "cpu_count=0.5"),
        "memory": (Resources(memory=3 * 2**30), "memory='3072MiB'"),
        "rounded": (Resources(memory=2**20 + 1), "memory='2MiB'"),
        "all_of_it": (Resources(2.0, 2**20, "nvidia-l4"), "cpu_count=2.0, gpu_count=1, memory='1MiB'"),
    }
    steps = tuple(python_step(name, resources=resources) for name, (resources, _) in asked.items())
    pipeline = Pipeline(name="x", description="", steps=steps)
    for name, (_, wanted) in asked.items():
        text = ast.unparse(decorator(by_step(pipeline)[name])["settings"])
        assert text == f"{{'resources': ResourceSettings({wanted})}}"
    (lack,) = zenml.lacks(pipeline)
    assert "nvidia-l4" in lack.message
    assert "all_of_it" in lack.message


def params_of(pipeline: Pipeline) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(compile(zenml.emit(pipeline).files[f"{package(pipeline)}/params.py"], "params.py", "exec"), space)
    return {step.id: space[step.id.upper()] for step in pipeline.steps}


def test_params_are_plain_values_that_read_back(pipeline: Pipeline) -> None:
    assert params_of(pipeline) == {step.id: dict(step.params) for step in pipeline.steps}


@settings(max_examples=40, deadline=None)
@given(name=st.text(max_size=60), text=st.text(max_size=120), params=st.dictionaries(st.text(), JSON, max_size=4))
def test_no_text_gets_out_of_its_quotation(name: str, text: str, params: dict[str, Any]) -> None:
    step = python_step("only", params=params, routes=(("steps", text),))
    pipeline = Pipeline(
        name=name, description=text, steps=(step,), parameters=(Parameter("data_root", text, text),),
        schedule=Schedule(text, text), about={"owner": text},
    )  # fmt: skip
    files = zenml.emit(pipeline).files
    for path, content in files.items():
        if path.endswith(".py"):
            ast.parse(content)
    assert params_of(pipeline) == {"only": params}
    assert list(by_step(pipeline)) == ["only"]
    options = decorator(flow_of(pipeline))
    assert ast.literal_eval(keywords(options["model"])["description"]) == text.replace("${", "$ {")
    assert [ast.literal_eval(one) for one in flow_of(pipeline).args.defaults] == [text]
    assert "{" not in ast.literal_eval(options["name"])  # ZenML fills in {placeholders} of names


def test_user_steps_give_nothing_one_thing_or_many() -> None:
    steps = (
        python_step("nothing", gives=()),
        python_step("one", gives=("a",), after=("nothing",)),
        python_step("many", gives=("a", "b", "c"), after=("nothing", "one")),
    )
    functions = by_step(Pipeline(name="x", description="", steps=steps))
    returns = {name: ast.unparse(function.returns or ast.Pass()) for name, function in functions.items()}
    assert returns["nothing"] == "None"
    assert returns["one"].startswith("Annotated[File, ")
    assert returns["many"].startswith("tuple[Annotated[File, ")
    assert len(artifacts_of(functions["many"])) == 3
    # ZenML takes a step for one of many outputs by the tuple that it sees written out.
    assert isinstance(functions["many"].body[-1], ast.Return)
    assert isinstance(functions["many"].body[-1].value, ast.Tuple)


def test_trace_leads_back_to_the_spec(pipeline: Pipeline) -> None:
    told = json.loads(zenml.emit(pipeline).files["trace.json"])
    assert [(one["id"], one["routes"]) for one in told["steps"]] == [
        (step.id, [dotted(route) for route in step.routes]) for step in pipeline.steps
    ]


def test_the_users_modules_are_carried_and_shadowed_by_nothing() -> None:
    files = zenml.emit(hostile()).files
    assert files["src/work.py"] == hostile().code["work.py"]
    assert "src/step_pipeline.py" in files
    assert package(hostile()) not in ("step_pipeline", "work")


def test_readme_names_each_step_and_what_is_lacking(pipeline: Pipeline) -> None:
    told = zenml.emit(pipeline).files["README.md"]
    assert all(f"| `{step.id}` |" in told for step in pipeline.steps)
    assert "\x00" not in told
    assert "\u202e" not in told
    assert ("Nothing that this spec asks for." in told) is (not list(zenml.lacks(pipeline)))


def test_what_zenml_lacks_is_told() -> None:
    assert [one.code for one in zenml.lacks(breast_cancer())] == ["schedule-without-time-zone"]
    assert not list(zenml.lacks(breast_cancer(schedule=Schedule("0 3 * * 1", "UTC"))))
    assert not list(zenml.lacks(breast_cancer(schedule=None)))
    assert [one.code for one in zenml.lacks(hostile())] == ["schedule-without-time-zone", "accelerator-by-count"]


def test_the_schedule_is_an_option_of_the_deployment() -> None:
    told = zenml.emit(breast_cancer()).files["deploy.py"]
    assert "Schedule(cron_expression='0 3 * * 1')" in ast.unparse(ast.parse(told))
    assert "schedule" not in zenml.emit(breast_cancer(schedule=None)).files["deploy.py"].lower()


@pytest.mark.parametrize("name", sorted(zenml.TAKEN))
def test_a_parameter_of_our_own_name_is_refused(name: str) -> None:
    pipeline = Pipeline(name="x", description="", steps=(python_step("only"),), parameters=(Parameter(name, "", ""),))
    with pytest.raises(Problem, match=name):
        zenml.emit(pipeline)


def test_the_lock_holds_zenml_with_its_local_store() -> None:
    pins = dict(re.findall(r"(?m)^([a-z0-9-]+)(?:\[[^\]]*\])?==([0-9.]+)", zenml.emit(breast_cancer()).files["requirements.txt"]))
    assert pins["zenml"].startswith("0.98.")
    assert "sqlalchemy-utils" in pins  # without zenml[local] no stack can be loaded
    assert tuple(int(part) for part in pins["sqlalchemy"].split(".")[:2]) < (2, 1)


def test_each_artifact_has_a_type_of_zenmls() -> None:
    assert set(zenml.TYPES) == set(Artifact)
    steps = tuple(
        Step(
            id=one.value,
            op=ops.PYTHON,
            stage=Stage.DATA,
            routes=(("steps",),),
            gives=(Port("out", one),),
            params={"entrypoint": "a:b"},
        )
        for one in Artifact
    )
    for name, function in by_step(Pipeline(name="x", description="", steps=steps)).items():
        assert f"artifact_type=ArtifactType.{zenml.TYPES[Artifact(name)].upper()})" in ast.unparse(function)
