from __future__ import annotations

import ast
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlspec.backends import prefect

from mlspec import ops
from mlspec.backend import NOTIONS
from mlspec.diagnostic import Problem, dotted
from mlspec.ir import Artifact, Distribution, Parameter, Pipeline, Port, Ref, Resources, Schedule, Secret, Stage, Step, Trigger
from mlspec.lower import APPROVALS_ROOT, approval
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


HOSTILE_MACHINE = Resources(2.0, 2**30, HOSTILE_TEXT, 2, True, ((HOSTILE_TEXT, HOSTILE_TEXT),))


def hostile() -> Pipeline:
    """Names that Python, Prefect or our own templates use, and text that tries to get out of every quotation."""
    steps = (
        python_step("class", params={"entrypoint": HOSTILE_TEXT, "params": {HOSTILE_TEXT: [HOSTILE_TEXT, 1e300, -0.0, None, True]}, "inputs": [], "outputs": ["out"]}),
        python_step("flow", inputs={"workspace": Ref("class", "out"), "class": Ref("class", "out"), "made": Ref("class", "out")}),
        python_step("flow_run", after=("flow", "class", "flow"), bindings={"data_root": "print"}),
        python_step("print", inputs={"params": Ref("flow_run", "out"), "out": Ref("class", "out")}, gives=()),
        python_step("futures", gives=("import", "out"), retries=100, timeout=0.5, max_age=60.0),
        python_step("a" * 63, inputs={"p" * 63: Ref("futures", "import")}, gives=("q" * 63,), resources=HOSTILE_MACHINE),
        python_step("wait", inputs={"step": Ref("futures", "out")}, environment={"PLAIN": HOSTILE_TEXT}, secrets={"A": Secret("secret", HOSTILE_TEXT, HOSTILE_TEXT), "B": Secret("env", "HOME")}),
        *(python_step(f"try{number}", params={"entrypoint": "work:make", "params": {"x": HOSTILE_TEXT}, "inputs": ["in"], "outputs": ["out"]}, inputs={"in": Ref("class", "out")}, family="try", label=HOSTILE_TEXT, routes=(("steps", "try"),)) for number in range(3)),
        python_step("after_all", inputs={f"i{number}": Ref(f"try{number}", "out") for number in range(3)}),
        approval("approval", HOSTILE_TEXT, [HOSTILE_TEXT], {"data": Ref("class", "out")}, routes=(("steps", HOSTILE_TEXT),)),
    )  # fmt: skip
    notify = Step(id="notify", op=ops.NOTIFY, stage=Stage.DEPLOYMENT, routes=(("pipeline", "notify"),), params={"channels": [], "about": {HOSTILE_TEXT: HOSTILE_TEXT}})  # fmt: skip
    parameters = (Parameter("print", HOSTILE_TEXT, HOSTILE_TEXT), APPROVALS_ROOT)
    code = {"flow_flow.py": "x = 1\n", "work.py": "def make(inputs, outputs):\n    pass\n"}
    return Pipeline(
        name=f"Flow {HOSTILE_TEXT}", description=HOSTILE_TEXT, steps=steps, parameters=parameters, schedule=Schedule("*/5 * * * *", "Asia/Kolkata"), code=code,
        about={"version": HOSTILE_TEXT}, image=HOSTILE_TEXT, exit=(notify,), distribution=Distribution("dask", 3, Secret("secret", "cluster", "address")),
        triggers=(Trigger("mlspec.data_drift", 60.0, True, ("retraining", "on", 0)), Trigger(HOSTILE_TEXT, 60.0, True, ("retraining", "on", 1))),
    )  # fmt: skip


def nameless() -> Pipeline:
    return Pipeline(name="日本", description="", steps=(python_step("only", gives=()),), code={"work.py": ""})


def told_at_the_end() -> Pipeline:
    """A notification with a secret, a cluster at an address that is put together, an event that a person lets through."""
    secret = {"PAGER": Secret("secret", "pager", "key")}
    notify = Step(id="notify", op=ops.NOTIFY, stage=Stage.DEPLOYMENT, routes=(("pipeline", "notify"),), params={"channels": [], "about": {}}, secrets=secret, retries=1)  # fmt: skip
    trigger = Trigger("mlspec.new_data", 5.0, True, ("retraining", "on", 0))
    distribution = Distribution("ray", 2, "ray://${env:HEAD}:10001")
    return breast_cancer(name="told", exit=(notify,), triggers=(trigger,), distribution=distribution)


PIPELINES = {"breast_cancer": breast_cancer, "hostile": hostile, "nameless": nameless, "told": told_at_the_end}


@pytest.fixture(scope="module", params=sorted(PIPELINES))
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    return PIPELINES[request.param]()


def package(pipeline: Pipeline) -> str:
    return next(path.split("/")[0] for path in prefect.emit(pipeline).files if path.endswith("/flow.py"))


def python(pipeline: Pipeline, module: str) -> dict[str, Any]:
    """The constants of an emitted module."""
    space: dict[str, Any] = {}
    exec(compile(prefect.emit(pipeline).files[f"{package(pipeline)}/{module}.py"], module, "exec"), space)
    return {name: value for name, value in space.items() if name.isupper()}


def flow_module(pipeline: Pipeline) -> ast.Module:
    return ast.parse(prefect.emit(pipeline).files[f"{package(pipeline)}/flow.py"])


def functions(pipeline: Pipeline) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in flow_module(pipeline).body if isinstance(node, ast.FunctionDef)}


def decorator(function: ast.FunctionDef) -> dict[str, ast.expr]:
    (call,) = function.decorator_list
    assert isinstance(call, ast.Call)
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def tasks(pipeline: Pipeline) -> dict[str, ast.FunctionDef]:
    """Each task by the name of its step or family."""
    made = functions(pipeline)
    flow = made.pop(package(pipeline))
    assert flow is not None
    return {ast.literal_eval(decorator(function)["name"]): function for function in made.values()}


def task_of(pipeline: Pipeline, step: Step) -> ast.FunctionDef:
    return tasks(pipeline)[step.family or step.id]


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


def submitted(pipeline: Pipeline) -> Iterator[tuple[str, str, dict[str, ast.expr], dict[str, Any] | None]]:
    """Yield step, task's function, arguments, and the row of the table for a step of a family, in the order of the calls."""
    flow = functions(pipeline)[package(pipeline)]
    made = ""
    for node in flow.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func).endswith(".submit"):
            arguments = {str(one.arg): one.value for one in node.value.keywords}
            function = ast.unparse(node.value.func).removesuffix(".submit")
            if isinstance(node.targets[0], ast.Subscript):
                yield ast.literal_eval(node.targets[0].slice), function, arguments, None
            else:
                made, kept = function, arguments
        elif isinstance(node, ast.Assign) and made:  # runs["long name"] = run
            assert isinstance(node.targets[0], ast.Subscript)
            yield ast.literal_eval(node.targets[0].slice), made, kept, None
            made = ""
        elif isinstance(node, ast.For):
            options, call = node.body
            assert isinstance(call, ast.Assign)
            assert isinstance(call.value, ast.Call)
            arguments = {str(one.arg): one.value for one in call.value.keywords}
            function = ast.unparse(options.value).partition(".")[0]  # type: ignore[attr-defined]
            table = ast.unparse(node.iter).removeprefix("wiring.").removesuffix(".items()")
            for step, row in python(pipeline, "wiring")[table].items():
                yield step, function, arguments, row


def reference(value: ast.expr, row: Mapping[str, Any] | None) -> Ref:
    """Output(runs["step"], "name"), or with the step looked up in the row."""
    assert isinstance(value, ast.Call)
    run, output = value.args
    assert isinstance(run, ast.Subscript)
    if isinstance(run.slice, ast.Constant):
        return Ref(ast.literal_eval(run.slice), ast.literal_eval(output))
    assert row is not None
    assert ast.unparse(run.slice).startswith("row['inputs']")
    return Ref(row["inputs"][ast.literal_eval(run.slice.slice)], ast.literal_eval(output))  # type: ignore[attr-defined]


def test_each_step_is_wired_as_the_pipeline_says(pipeline: Pipeline) -> None:
    calls = list(submitted(pipeline))
    assert sorted(step for step, *_ in calls) == sorted(step.id for step in pipeline.steps)
    done: set[str] = set()
    for name, function, arguments, row in calls:
        step, task = pipeline[name], functions(pipeline)[function]
        assert set(step.needs) <= done, "a step is called after what it needs"
        done.add(name)
        assert task is not None
        assert ast.literal_eval(decorator(task)["name"]) == (step.family or step.id)
        ports = ports_of(task)
        wired = {ports[one]: reference(value, row) for one, value in arguments.items() if isinstance(value, ast.Call)}
        assert wired == dict(step.inputs)
        bound = {
            ports[one]: value.id
            for one, value in arguments.items()
            if isinstance(value, ast.Name) and one not in ("workspace", "step")
        }
        assert bound == dict(step.bindings)
        waits = arguments.get("wait_for", ast.List(elts=[]))
        after = row["after"] if isinstance(waits, ast.ListComp) and row else [ast.literal_eval(one.slice) for one in waits.elts]  # type: ignore[attr-defined]
        assert set(after) == set(step.after)
        assert {one.arg for one in task.args.args} == {*arguments} - {"wait_for"}
    # The run fails with a step only if that step's run is waited for and its state returned.
    *_, news, last = [one for one in functions(pipeline)[package(pipeline)].body if not isinstance(one, ast.If)]
    assert ast.unparse(news) == "news = ending.reached(runs)"
    assert ast.unparse(last) == "return news.states"


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


def test_retries_limits_and_ages_are_those_of_the_step(pipeline: Pipeline) -> None:
    for step in (*pipeline.steps, *pipeline.exit):
        task = task_of(pipeline, step)
        options = decorator(task)
        assert ast.literal_eval(options["retries"]) if step.retries else "retries" not in options
        if step.retries:
            delays = ast.literal_eval(options["retry_delay_seconds"])
            assert delays == [min(2.0**attempt, 60.0) for attempt in range(len(delays))]
            assert len(delays) == step.retries or delays[-1] == 60.0
        call = next(node for node in ast.walk(task) if isinstance(node, ast.Call) and ast.unparse(node.func) == "perform")
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        timeout = given.get("timeout")
        assert (ast.literal_eval(timeout) if timeout else None) == step.timeout
        assert "timeout_seconds" not in options  # it does not interrupt a submitted task
        assert ("variables" in given) is bool(step.environment or step.secrets)
        assert ast.literal_eval(options["tags"]) == [step.stage.value]
        assert ("cache_expiration" in options) is (step.max_age is not None)
        if step.max_age is not None:
            assert ast.unparse(options["cache_expiration"]) == f"timedelta(seconds={step.max_age})"
            assert f"max_age={step.max_age}" in ast.unparse(options["cache_policy"])


def test_variables_are_texts_and_references(pipeline: Pipeline) -> None:
    having = {step.id: step for step in (*pipeline.steps, *pipeline.exit) if step.environment or step.secrets}
    if not having:
        assert f"{package(pipeline)}/variables.py" not in prefect.emit(pipeline).files
        return
    told = python(pipeline, "variables")
    for name, step in having.items():
        assert told[name.upper()]["plain"] == dict(step.environment)
        found = {one: Secret(at["store"], at["name"], at["key"]) for one, at in told[name.upper()]["secrets"].items()}
        assert found == dict(step.secrets)
        blocks = {one: at["block"] for one, at in told[name.upper()]["secrets"].items()}
        assert all(bool(block) is (step.secrets[one].store != "env") for one, block in blocks.items())
        assert all(re.fullmatch(r"[a-z][a-z0-9-]*", block) for block in blocks.values() if block)


def test_a_family_is_one_task_however_many_steps_it_has() -> None:
    def trials(count: int) -> Pipeline:
        steps = [python_step(f"trial_{number}", family="trial", routes=(("steps", "trial"),)) for number in range(count)]
        return Pipeline(name="many", description="", steps=tuple(steps), code={"work.py": ""})

    few, many = (prefect.emit(trials(count)).files for count in (2, 300))
    assert few["many_flow/flow.py"] == many["many_flow/flow.py"].replace("300", "2").replace("max_workers=64", "max_workers=2")
    assert len(python(trials(300), "wiring")["TRIAL"]) == 300
    assert len(python(trials(300), "params")["TRIAL"]) == 300


def test_a_family_whose_steps_need_each_other_is_called_in_turns() -> None:
    """A search that learns: the second round of trials waits for what the first has found."""
    made = [python_step("suggest_1", family="suggest", routes=(("x",),))]
    for number in (1, 2):
        made.append(python_step(f"trial_{number}", inputs={"by": Ref("suggest_1", "out")}, family="trial", routes=(("x",),)))
    made.append(python_step("again", inputs={"a": Ref("trial_1", "out"), "b": Ref("trial_2", "out")}))
    made.append(python_step("trial_3", inputs={"by": Ref("again", "out")}, family="trial", routes=(("x",),)))
    pipeline = Pipeline(name="search", description="", steps=tuple(made), code={"work.py": ""})
    assert [one for one, *_ in submitted(pipeline)] == ["suggest_1", "trial_1", "trial_2", "again", "trial_3"]
    assert [*python(pipeline, "wiring")] == ["SUGGEST", "TRIAL", "TRIAL_2"]


def params_of(pipeline: Pipeline) -> dict[str, Any]:
    told = python(pipeline, "params")
    many = {step.family for step in pipeline.steps if step.family}
    found = {step.id: told[step.id.upper()] for step in (*pipeline.steps, *pipeline.exit) if not step.family}
    return found | {name: value for one in many for name, value in told[one.upper()].items()}


def test_params_are_plain_values_that_read_back(pipeline: Pipeline) -> None:
    assert params_of(pipeline) == {step.id: dict(step.params) for step in (*pipeline.steps, *pipeline.exit)}


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
    assert not any("{{" in text for path, text in files.items() if path.endswith(".yaml"))


def load_yaml(text: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(text)


def test_each_file_describes_the_deployment_that_the_pipeline_says(pipeline: Pipeline) -> None:
    files = prefect.emit(pipeline).files
    for name in ("prefect.yaml", "prefect.docker.yaml", "prefect.kubernetes.yaml"):
        assert "{{" not in files[name]
        told = load_yaml(files[name])
        (deployment,) = told["deployments"]
        assert deployment["name"] == "production"
        file, _, function = deployment["entrypoint"].partition(":")
        assert file in files
        arguments = [one.arg for one in functions(pipeline)[function].args.args]
        assert [one for one in arguments if one != "ask_first"] == list(deployment["parameters"])
        if pipeline.schedule:
            wanted = {"cron": pipeline.schedule.cron, "timezone": pipeline.schedule.timezone, "active": True}
            assert deployment["schedules"] == [wanted]
        else:
            assert "schedules" not in deployment
        assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
        assert ("pull" in told) is (name != "prefect.yaml")
        assert ("job_variables" in deployment["work_pool"]) is (name != "prefect.yaml")


def base_job_templates() -> dict[str, Any]:
    """Prefect's own, as its server tells them with no network."""
    place = find_spec("prefect")
    assert place is not None
    assert place.origin is not None
    views = Path(place.origin).parent / "server" / "api" / "collections_data" / "views"
    told = json.loads((views / "aggregate-worker-metadata.json").read_text())
    return dict(told)


MACHINES = (
    Resources(),
    Resources(0.5, 2**20),
    Resources(2.0, 2**30, "gpu", 2, True, (("zone", "eu-1"),)),
    Resources(None, None, "example.com/npu", 1),
)


@pytest.mark.parametrize("machine", MACHINES, ids=str)
@pytest.mark.parametrize("sort", ["docker", "kubernetes"])
def test_job_variables_are_what_the_pools_know(machine: Resources, sort: str, tmp_path: Path) -> None:
    step = python_step("only", resources=machine)
    pipeline = Pipeline(name="x", description="", steps=(step,), code={"work.py": ""})
    prefect.emit(pipeline).write(tmp_path)
    place = spec_from_file_location("deploy", tmp_path / "deploy.py")
    assert place is not None
    assert place.loader is not None
    deploy = module_from_spec(place)
    place.loader.exec_module(deploy)
    template = deploy.base_job_template(sort, base_job_templates())
    (deployment,) = load_yaml((tmp_path / f"prefect.{sort}.yaml").read_text())["deployments"]
    told = deployment["work_pool"]["job_variables"]
    assert told.keys() <= template["variables"]["properties"].keys()
    jsonschema.Draft7Validator(template["variables"]).validate(told)
    if machine.memory:
        assert str(machine.memory) in (told.get("memory_request"), told.get("mem_limit", "").removesuffix("b"))
    if sort == "kubernetes":
        used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"])))
        assert told.keys() <= used, "a variable that no job takes would be lost"


def test_events_start_a_run_once_in_a_while() -> None:
    (deployment,) = load_yaml(prefect.emit(hostile()).files["prefect.yaml"])["deployments"]
    (told,) = deployment["triggers"]
    assert told["expect"][0] == "mlspec.data_drift"
    assert told["within"] == 60.0
    assert told["threshold"] == 1
    assert "parameters" not in told  # a step of the pipeline asks a person
    from prefect.events import DeploymentEventTrigger

    assert DeploymentEventTrigger.model_validate(told).within.total_seconds() == 60
    alone = dataclasses.replace(breast_cancer(), triggers=(Trigger("mlspec.new_data", 5.0, True, ("retraining",)),))
    (deployment,) = load_yaml(prefect.emit(alone).files["prefect.yaml"])["deployments"]
    assert deployment["triggers"][0]["parameters"] == {"ask_first": True}
    assert "ask_first" in [one.arg for one in functions(alone)[package(alone)].args.args]


@pytest.mark.parametrize(
    ("asked", "runner"),
    [
        (None, "ThreadPoolTaskRunner(max_workers=16)"),
        (Distribution("threads", 3), "ThreadPoolTaskRunner(max_workers=16)"),
        (Distribution("processes", 3), "ProcessPoolTaskRunner(max_workers=3)"),
        (
            Distribution("dask", 3),
            "DaskTaskRunner(cluster_kwargs={'dashboard_address': None, 'n_workers': 3, 'threads_per_worker': 1})",
        ),
        (Distribution("dask", 3, "tcp://there:8786"), "DaskTaskRunner(address='tcp://there:8786')"),
        (Distribution("dask", 3, Secret("env", "DASK")), "Cluster()"),
        (Distribution("ray", 3), "RayTaskRunner(init_kwargs={'include_dashboard': False, 'num_cpus': 3})"),
        (Distribution("ray", 3, "ray://there:10001"), "RayTaskRunner(address='ray://there:10001')"),
        (Distribution("ray", 3, "ray://${env:HEAD}:10001"), "Cluster()"),
    ],
)
def test_steps_run_where_the_pipeline_says(asked: Distribution | None, runner: str) -> None:
    pipeline = breast_cancer(distribution=asked)
    files = prefect.emit(pipeline).files
    assert ast.unparse(decorator(functions(pipeline)[package(pipeline)])["task_runner"]) == runner
    assert ("tumours_flow/cluster.py" in files) is (runner == "Cluster()")
    engine = asked.engine if asked else "threads"
    assert (f"prefect-{engine}==" in files["requirements.txt"]) is (engine in ("dask", "ray"))
    turns = files["tumours_flow/storage.py"].partition("TURNS = ")[2].partition("\n")[0]
    assert turns == f"threading.BoundedSemaphore({'max(2, os.cpu_count() or 1)' if asked is None else 3})"


def test_each_notion_is_told_of() -> None:
    assert prefect.REALISES.keys() | prefect.LACKS.keys() == NOTIONS.keys()


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
    for step in (*pipeline.steps, *pipeline.exit):
        assert f"| `{step.family or step.id}`" in told
    assert "\x00" not in told
    assert "\u202e" not in told


def test_what_prefect_lacks_is_told(pipeline: Pipeline) -> None:
    found = list(prefect.lacks(pipeline))
    asking = [step.id for step in pipeline.steps if step.resources != Resources()]
    assert len(found) == len({pipeline[one].resources for one in asking})
    assert all(any(one in finding.message for finding in found) for one in asking)


def test_machines_that_differ_are_told_of_where_the_spec_asks() -> None:
    one, two = Resources(1.0, node=(("zone", "a"),)), Resources(2.0, node=(("zone", "b"),))
    steps = (python_step("one", resources=one), python_step("two", resources=two), dataclasses.replace(breast_cancer()["ingest"], resources=one))  # fmt: skip
    pipeline = Pipeline(name="x", description="", steps=steps, parameters=breast_cancer().parameters, code={"work.py": ""})
    found = [(finding.code, finding.route) for finding in prefect.lacks(pipeline)]
    assert found == [
        ("resources-not-per-step", ("steps", "one", "resources")),
        ("resources-not-per-step", ("steps", "two", "resources")),
        ("nodes-differ", ("steps", "two", "resources", "node")),
    ]
    alike = Pipeline(name="x", description="", steps=(python_step("one", resources=one),), code={"work.py": ""})
    assert not list(prefect.lacks(alike)), "a job of its own is what the step asks for"


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
