from __future__ import annotations

import ast
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mlspec.backends import zenml
from mlspec.backends._zenml.steps import TYPES

from mlspec import ops, trace
from mlspec.backend import NOTIONS
from mlspec.diagnostic import Problem, dotted
from mlspec.ir import Artifact, Distribution, Parameter, Pipeline, Port, Ref, Resources, Schedule, Secret, Stage, Step, Trigger
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


LONG = "f" * 60
ASKED = Resources(2.0, 2**30, "nvidia-l4", 2, True, (("zone", "${EU}"),))


def rich() -> Pipeline:
    """Families, an approval, steps at the exit, secrets, variables, ages, machines, an image: everything that a pipeline can ask."""
    trials = tuple(
        python_step(
            f"trial_{number}", family="trial", label=str(number), inputs={"data": Ref("class", "out")}, gives=("score",), max_age=86400.5,
            params={"entrypoint": "work:make", "params": {"n": number, "x": 1.0 if number == 1 else 1}, "inputs": ["data"], "outputs": ["score"]},
            routes=(("steps", "trial", number),), resources=ASKED, bindings={"where": "approvals_root"},
        )
        for number in range(12)
    )  # fmt: skip
    folds = tuple(
        python_step(
            f"{LONG}_{number}", family=LONG, inputs={"self": Ref("class", "out"), "score": Ref(f"trial_{number}", "score")},
            gives=("a", "b" * 60), timeout=4.0, secrets={"DSN": Secret("secret", "orders", "dsn")},
        )
        for number in range(3)
    )  # fmt: skip
    # Members of one family that need each other, and differ in what they come after.
    chained = tuple(
        python_step(f"link_{number}", family="link", inputs={"data": Ref(of, "out")}, gives=("out", "more"), after=after)
        for number, of, after in ((1, "class", ("class",)), (2, "link_1", ("class", "link_1")), (3, "link_1", ("class",)), (4, "link_1", ("link_2",)))
    )  # fmt: skip
    every = {f"n{number}": Ref(f"trial_{number}", "score") for number in range(12)}
    every |= {f"m{number}": Ref(f"{LONG}_{number}", "b" * 60) for number in range(3)}
    release = Step(
        id="release", op=ops.APPROVE, stage=Stage.DEPLOYMENT, routes=(("retraining", "approve"),), inputs={"it": Ref("collect", "out")},
        takes=(Port("it", Artifact.FILE),), gives=(Port("report", Artifact.REPORT),), bindings={"approvals_root": "approvals_root"},
        params={"step": "release", "message": "May it?", "approvers": [], "inputs": ["it"], "seconds": 60, "approvals_root": "approvals"},
    )  # fmt: skip
    told = {"stage": Stage.DEPLOYMENT, "routes": (("pipeline", "notify"),), "timeout": 30.0, "environment": {"A": "${HOME}"}}
    secrets = {"HOOK": Secret("env", "HOOK_URL"), "T": Secret("secret", "alerts", "token")}
    return Pipeline(
        name="rich", description="", image="registry.example/churn:1", code={"work.py": ""}, distribution=Distribution("dask", 4),
        steps=(
            python_step("class", environment={"MODE": "${HOME} $\\{x}", "N": "1"}, secrets={"DSN": Secret("secret", "orders", "dsn")}),
            *trials, *folds, *chained, python_step("collect", inputs=every), release, python_step("last", inputs={"x": Ref("release", "report")}),
        ),
        exit=(
            Step(id="notify", op=ops.NOTIFY, params={"channels": [], "about": {}, "${HOME}": "$\\{x}"}, secrets=secrets, **told),
            Step(id="at_failure", op=ops.NOTIFY, params={"channels": []}, **told),
        ),
        parameters=(Parameter("approvals_root", "approvals", "Where answers lie."),),
        triggers=(Trigger("mlspec.data_drift", 60.0, True, ("retraining", "on", 0)),),
    )  # fmt: skip


PIPELINES = {"breast_cancer": breast_cancer, "external": external, "hostile": hostile, "nameless": nameless, "rich": rich}


@pytest.fixture(scope="module", params=sorted(PIPELINES))
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    return PIPELINES[request.param]()


def package(pipeline: Pipeline) -> str:
    return next(path.split("/")[0] for path in zenml.emit(pipeline).files if path.endswith("/steps.py"))


def tree(pipeline: Pipeline, module: str) -> ast.Module:
    return ast.parse(zenml.emit(pipeline).files[f"{package(pipeline)}/{module}.py"])


def by_step(pipeline: Pipeline) -> dict[str, ast.FunctionDef]:
    """The function of each step; of a family all have one."""
    made = [node for node in tree(pipeline, "steps").body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    named = {ast.literal_eval(decorator(one)["name"]): one for one in made}
    return {step.id: named[step.family or step.id] for step in pipeline.steps}


def decorator(function: ast.FunctionDef) -> dict[str, ast.expr]:
    (call,) = function.decorator_list
    assert isinstance(call, ast.Call)
    return keywords(call)


def keywords(call: ast.expr) -> dict[str, ast.expr]:
    assert isinstance(call, ast.Call)
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def performed(function: ast.FunctionDef) -> dict[str, ast.expr]:
    """What the step's body gives to `perform`."""
    names = ("approved", "perform")
    return keywords(next(one for one in ast.walk(function) if isinstance(one, ast.Call) and ast.unparse(one.func) in names))


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


class Recorded:
    """What stands for `steps` where a pipeline's body is run by itself: it keeps what each function was called with."""

    def __init__(self, outputs: Mapping[str, int]) -> None:
        self.outputs, self.calls = outputs, dict[str, tuple[str, dict[str, Any]]]()
        self.at_failure = None

    def __getattr__(self, function: str) -> Any:
        def called(**given: Any) -> Any:
            name = given.pop("id", function)
            assert name not in self.calls
            self.calls[name] = (function, given)
            made = tuple((name, number) for number in range(self.outputs[function]))
            return made[0] if len(made) == 1 else made or None

        called.with_options = lambda substitutions: lambda **given: self._member(called, substitutions, given)  # type: ignore[attr-defined]
        return called

    def _member(self, called: Any, substitutions: dict[str, str], given: dict[str, Any]) -> Any:
        assert substitutions == {"step": given["id"]}  # the names of its artifacts hold it
        return called(**given)


def wired(pipeline: Pipeline) -> dict[str, tuple[str, dict[str, Any]]]:
    """Run the body of the pipeline's function, and return what each step was called with."""
    parsed = tree(pipeline, "pipeline")
    parsed.body = [node for node in parsed.body if not isinstance(node, ast.ImportFrom)]
    recorded = Recorded(
        {function.name: len(artifacts_of(function)) for function in by_step(pipeline).values()}
        | dict.fromkeys(("notify", "at_failure_"), 0)
    )
    space: dict[str, Any] = {"steps": recorded, "params": SimpleNamespace(**constants_of(pipeline)), "Model": dict, "Any": Any}
    space |= {"inert": lambda value: ("inert", value), "ExecutionMode": SimpleNamespace(CONTINUE_ON_FAILURE=1)}
    space["pipeline"] = lambda **options: lambda function: function
    exec(compile(parsed, "pipeline.py", "exec"), space)
    space[flow_of(pipeline).name]()
    return recorded.calls


def test_each_step_is_wired_as_the_pipeline_says(pipeline: Pipeline) -> None:
    functions, calls = by_step(pipeline), {}
    known = {functions[step.id].name: step.id for step in pipeline.steps if not step.family}
    for name, called in wired(pipeline).items():
        calls[known.get(name, name)] = called
    own = {ast.literal_eval(one["name"]) for one in map(decorator, exits_of(pipeline))}
    assert len(calls) == len(pipeline.steps) + len(own)
    defaults = {one.name: one.default for one in pipeline.parameters}
    for step in pipeline.steps:
        function, asked = functions[step.id], calls[step.id][1]
        assert calls[step.id][0] == function.name
        assert sorted(asked.pop("after", [])) == sorted(set(step.after))
        inputs, params = names_of(performed(function)["inputs"]), names_of(performed(function)["params"])
        arguments = [one.arg for one in function.args.args]
        assert sorted(asked) == sorted(arguments)
        assert not {"self", "id", "after", "start_after"} & set(arguments)  # they mean something to ZenML
        made = {argument: asked.pop(argument) for argument in inputs}
        found = {}
        for argument, (variable, number) in made.items():
            maker = known.get(variable, variable)
            found[inputs[argument]] = Ref(maker, pipeline[maker].output_ports[number].name)
        assert found == dict(step.inputs)
        assert {params[argument]: asked.pop(argument) for argument in params} == {
            param: defaults[parameter] for param, parameter in step.bindings.items()
        }
        identity = ast.unparse(performed(function)["step"])
        assert (asked.pop(identity) if step.family else ast.literal_eval(identity)) == step.id
        ((rest, value),) = asked.items()
        assert value[0] == "inert"  # ZenML would fill in ${NAME}
        assert json.dumps(value[1], sort_keys=True) == json.dumps(step.params, sort_keys=True)  # 1 stays 1, 1.0 stays 1.0
        assert f"restored({rest})" in ast.unparse(performed(function)["params"])
    assert [one.arg for one in flow_of(pipeline).args.args] == [one.name for one in pipeline.parameters]
    assert [ast.literal_eval(one) for one in flow_of(pipeline).args.defaults] == [one.default for one in pipeline.parameters]


def exits_of(pipeline: Pipeline) -> list[ast.FunctionDef]:
    made = [node for node in tree(pipeline, "steps").body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    return [one for one in made if ast.literal_eval(decorator(one)["name"]) in {step.id for step in pipeline.exit}]


def test_what_runs_at_the_end_comes_last_and_when_a_step_has_failed() -> None:
    pipeline = rich()
    calls = wired(pipeline)
    for function in ("notify", "at_failure_"):
        assert set(calls[function][1]["after"]) == {"last", "link_3", "link_4", *(f"trial_{n}" for n in ())} | set()
    hook = next(one for one in tree(pipeline, "steps").body if isinstance(one, ast.FunctionDef) and one.name == "at_failure")
    assert [ast.unparse(one) for one in hook.body[1:]] == [
        "notify.entrypoint(inert(every.NOTIFY))",
        "at_failure_.entrypoint(inert(every.AT_FAILURE))",
    ]
    assert ast.unparse(decorator(flow_of(pipeline))["on_failure"]) == "steps.at_failure"
    assert "on_failure" not in decorator(flow_of(breast_cancer()))


def test_each_output_is_returned_under_its_artifacts_name(pipeline: Pipeline) -> None:
    names = []
    told = json.loads(zenml.emit(pipeline).files["trace.json"])
    assert told["order"] == [step.id for step in pipeline.steps]
    ports = {name: told["steps"][name]["ports"] for name in told["order"]}
    for step in pipeline.steps:
        function = by_step(pipeline)[step.id]
        artifacts = [one.replace("{step}", step.id) for one in artifacts_of(function)]
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
        external = step.op.name in ("approve", "ingest", "register", "gate") or bool(step.bindings)
        assert (ast.unparse(options["enable_cache"]) == "False") if external else "enable_cache" not in options
        assert ("cache_policy" in options) is not external
        assert ("settings" in options) is (step.resources != Resources())
        secrets = performed(function).get("secrets")
        wanted = {name: [one.store, one.name, one.key] for name, one in step.secrets.items()}
        assert (ast.literal_eval(secrets) if secrets else {}) == wanted
        plain = ast.literal_eval(options["environment"]) if "environment" in options else {}
        assert {name: re.sub(r"\$(\\*)\\\{", r"$\1{", text) for name, text in plain.items()} == step.environment
        assert "${" not in "".join(plain.values())  # ZenML would fill it in


def test_a_gate_is_never_tried_again() -> None:
    steps = tuple(dataclasses.replace(step, retries=3) for step in breast_cancer().steps)
    functions = by_step(breast_cancer(steps=steps))
    assert {step for step, function in functions.items() if "retry" not in decorator(function)} == {"check_data", "gate"}


def test_resources_are_asked_for_in_zenmls_units() -> None:
    asked = {
        "cores": (Resources(cpu=0.5), "cpu_count=0.5"),
        "memory": (Resources(memory=3 * 2**30), "memory='3072MiB'"),
        "rounded": (Resources(memory=2**20 + 1), "memory='2MiB'"),
        "all_of_it": (Resources(2.0, 2**20, "nvidia-l4", 3), "cpu_count=2.0, gpu_count=3, memory='1MiB'"),
    }
    steps = tuple(python_step(name, resources=resources) for name, (resources, _) in asked.items())
    pipeline = Pipeline(name="x", description="", steps=steps)
    for name, (_, wanted) in asked.items():
        text = ast.unparse(decorator(by_step(pipeline)[name])["settings"])
        assert text == f"{{'resources': ResourceSettings({wanted})}}"
    (lack,) = zenml.lacks(pipeline)
    assert "nvidia-l4" in lack.message
    assert "all_of_it" in lack.message


def constants_of(pipeline: Pipeline) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(compile(zenml.emit(pipeline).files[f"{package(pipeline)}/params.py"], "params.py", "exec"), space)
    return {name: value for name, value in space.items() if not name.startswith("__")}


def params_of(pipeline: Pipeline) -> dict[str, Any]:
    return {step.id: constants_of(pipeline)[step.id.upper()] for step in pipeline.steps}


def test_params_are_plain_values_that_read_back(pipeline: Pipeline) -> None:
    if any(step.family for step in pipeline.steps):
        return  # the params of a family are put together where it is called: see how steps are wired
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
    plain = trace.document(pipeline, "zenml")
    assert {**told, "steps": {name: {**one, "ports": None} for name, one in told["steps"].items()}} == {
        **plain,
        "steps": {name: {**one, "ports": None} for name, one in plain["steps"].items()},
    }
    assert all(told["steps"][step.id]["routes"] == [dotted(route) for route in step.routes] for step in pipeline.steps)


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
    found = [(one.code, dotted(one.route)) for one in zenml.lacks(rich())]
    assert found == [
        ("distribution-by-orchestrator", "pipeline.parallelism"),
        ("trigger-not-dispatched", "retraining.on[0]"),
        ("accelerator-by-count", "steps.trial.resources.accelerator"),
        ("placement-by-kubernetes", "steps.trial.resources.node"),
    ]


def test_each_notion_is_realised_or_lacking() -> None:
    assert NOTIONS.keys() == zenml.REALISES.keys() | zenml.LACKS.keys()
    assert all(text and text == text.strip() for text in (*zenml.REALISES.values(), *zenml.LACKS.values()))


def test_a_release_that_a_person_approves_is_for_production() -> None:
    def stage(pipeline: Pipeline) -> str:
        (found,) = re.findall(r'stage="(\w+)"', zenml.emit(pipeline).files[f"{package(pipeline)}/steps.py"])
        return str(found)

    assert stage(breast_cancer()) == "staging"
    release = dataclasses.replace(rich()["release"], inputs={"it": Ref("decide", "decision")})
    steps = [dataclasses.replace(one, after=("release",)) if one.id == "register" else one for one in breast_cancer().steps]
    parameters = (*breast_cancer().parameters, *rich().parameters)
    assert stage(breast_cancer(steps=(*steps, release), parameters=parameters)) == "production"


def test_the_run_configuration_says_image_and_machines() -> None:
    told = yaml.safe_load(zenml.emit(rich()).files["production.yaml"])
    assert told["settings"] == {"docker": {"parent_image": "registry.example/churn:1", "skip_build": True}}
    assert told["steps"].keys() == {f"trial_{number}" for number in range(12)}
    pod = told["steps"]["trial_3"]["settings"]["orchestrator.kubernetes"]["pod_settings"]
    assert pod["node_selectors"] == {"zone": "$ {EU}"}
    assert [one["key"] for one in pod["tolerations"]] == ["cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority"]
    plain = yaml.safe_load(zenml.emit(breast_cancer()).files["production.yaml"])
    assert plain == {"settings": {"docker": {"dockerfile": "Dockerfile", "build_context_root": "."}}}


def test_many_steps_are_few_lines_and_take_linear_time() -> None:
    def many(count: int) -> Pipeline:
        trials = [
            python_step(f"trial_{n}", family="trial", inputs={"x": Ref("first", "out")}, gives=("score",), params={"entrypoint": "a:b", "n": n})
            for n in range(count)
        ]  # fmt: skip
        return Pipeline(name="many", description="", steps=(python_step("first"), *trials))

    seconds = {}
    for count in (125, 500):
        pipeline = many(count)
        started = time.process_time()
        files = zenml.emit(pipeline).files
        seconds[count] = time.process_time() - started
        assert len(files["many_pipeline/steps.py"].splitlines()) < 120
        assert len(files["many_pipeline/pipeline.py"].splitlines()) < count + 80
    assert seconds[500] < 10 * seconds[125] + 0.5


def test_the_schedule_is_an_option_of_the_deployment() -> None:
    told = zenml.emit(breast_cancer()).files["deploy.py"]
    assert "Schedule(cron_expression='0 3 * * 1')" in ast.unparse(ast.parse(told))
    plain = zenml.emit(breast_cancer(schedule=None)).files["deploy.py"]
    assert "--schedule" not in plain
    assert "Schedule" not in plain


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
    assert set(TYPES) == set(Artifact)
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
        assert f"artifact_type=ArtifactType.{TYPES[Artifact(name)].upper()})" in ast.unparse(function)
