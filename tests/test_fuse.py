"""Fewer, larger steps that make the same: bytes, states, faults; and that groups never wait for each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec import backend, ops, runner, trace
from mlspec.diagnostic import Diagnostic, Finding
from mlspec.fuse import fused, gate_of
from mlspec.ir import Artifact, Pipeline, Port, Ref, Resources, Secret, Stage, Step
from mlspec.runtime.artifact import digest
from mlspec.store import Store
from tests.pipelines import breast_cancer

NUMBER = (Port("number", Artifact.FILE),)


def own(name: str, *needs: str, stage: Stage = Stage.MODELING, op: ops.Op = ops.PYTHON, **more: Any) -> Step:
    gives = (Port("report", Artifact.REPORT),) if op is ops.APPROVE else NUMBER
    fields: dict[str, Any] = {
        "id": name, "op": op, "stage": stage, "routes": (("steps", name),), "gives": gives,
        "inputs": {f"in_{need}": Ref(need, "number") for need in needs}, "takes": tuple(Port(f"in_{need}", Artifact.FILE) for need in needs),
        "params": {"entrypoint": "work:add", "params": {}},
    }  # fmt: skip
    return Step(**{**fields, **more})


def pipeline(*steps: Step, **more: Any) -> Pipeline:
    return Pipeline(name="steps", description="", steps=steps, **more)


def members(one: Pipeline) -> dict[str, list[str]]:
    return {step.id: [inner["id"] for inner in step.params["steps"]] for step in one.steps if step.op is ops.GROUP}


def go(one: Pipeline, folder: Path) -> tuple[runner.Result, backend.Outcome]:
    """Run here, and tell it as a backend's run is told."""
    store = Store(folder / "store")
    result = runner.run(one, store, {"registry_root": str(folder / "registry")})
    trace_file = folder / "trace.json"
    trace_file.write_text(json.dumps(trace.document(one, "here")))
    artifacts = {
        f"{name}.{port}": store.object(made)
        for name, ended in result.steps.items()
        for port, made in (ended.record.outputs if ended.record else {}).items()
    }
    states = {name: ended.state for name, ended in result.steps.items()}
    told = backend.Outcome("succeeded" if result.succeeded else "failed", states, artifacts)
    return result, backend.expanded(told, trace_file)


def messages(faults: tuple[Finding | Diagnostic, ...]) -> list[tuple[str, Any]]:
    return [(one.message, one.route) for one in faults if isinstance(one, Finding)]


@pytest.mark.slow
@pytest.mark.parametrize("target", [0.9, 1.1])
def test_fused_or_not_the_same(tmp_path: Path, target: float) -> None:
    """Every op of the lifecycle, with a gate that passes and with one that fails: equal states, faults, and evidence by byte."""
    whole = breast_cancer(target=target)
    result, plain = go(whole, tmp_path / "step")
    bytes_of = {name: digest(path) for name, path in plain.artifacts.items()}
    for granularity, count in (("stage", 5), ("single", 2)):
        joined = fused(whole, granularity)
        assert len(joined.steps) == count
        fused_result, told = go(joined, tmp_path / granularity)
        assert told.state == plain.state
        assert dict(told.steps) == dict(plain.steps)
        assert {name: digest(path) for name, path in told.artifacts.items()} == bytes_of
        assert messages(fused_result.faults) == messages(result.faults)
        again, _ = go(joined, tmp_path / granularity)
        gates = {step.id for step in joined.steps if step.op is ops.GATE}
        assert [name for name in again.ran() if name not in gates] == [], "a group is used again like any step"


def test_step_changes_nothing() -> None:
    whole = breast_cancer()
    assert fused(whole, "step") is whole


def test_what_stays_alone_parts_the_groups() -> None:
    one = pipeline(
        own("a"), own("b", "a"), own("box", "b", op=ops.CONTAINER), own("c", "box"), own("d", "c", "a"), own("e", "a"),
        own("ask", op=ops.APPROVE, inputs={}, takes=(), after=("d",)), own("f", "d", after=("ask",)), own("g", "f"),
    )  # fmt: skip
    joined = fused(one, "single")
    assert members(joined) == {"pipeline_steps": ["a", "b", "e"], "pipeline_steps_2": ["c", "d"], "pipeline_steps_3": ["f", "g"]}
    assert joined["box"].inputs == {"in_b": Ref("pipeline_steps", "b_number")}
    assert joined["ask"].after == ("pipeline_steps_2",)
    assert set(joined["pipeline_steps_3"].needs) == {"ask", "pipeline_steps_2"}


def test_a_group_of_one_is_the_step_itself() -> None:
    one = pipeline(own("a", stage=Stage.DATA), own("b", "a"), own("c", "b"))
    joined = fused(one, "stage")
    assert members(joined) == {"modeling_steps": ["b", "c"]}
    assert joined["a"] == one["a"]
    alone = pipeline(own("a", stage=Stage.DATA), own("b", "a"))
    assert fused(alone, "stage") is alone


def test_a_step_of_an_earlier_stage_that_comes_late_is_of_the_later() -> None:
    one = pipeline(own("a", stage=Stage.DATA), own("m", "a"), own("late", "m", stage=Stage.DATA), own("z", "late"))
    assert members(fused(one, "stage")) == {"modeling_steps": ["m", "late", "z"]}


def test_a_gate_on_its_own_stops_only_what_waits_for_it() -> None:
    """Three containers and a gate stay alone; of two steps that wait for the same containers only one waits for the gate."""
    box = {"op": ops.CONTAINER, "gives": (Port("number", Artifact.REPORT),)}
    gate = Step(
        id="gate",
        op=ops.GATE,
        stage=Stage.MODELING,
        routes=(("gate",),),
        inputs={"decision": Ref("one", "number")},
        params={"subject": "model"},
    )
    whole = pipeline(
        own("one", **box), own("two", **box), gate, own("free", "one", "two"), own("bound", "one", "two", after=("gate",))
    )
    for granularity in ("stage", "single"):
        assert members(fused(whole, granularity)) == {}


def test_groups_that_wait_for_more_come_later() -> None:
    ask = {"op": ops.APPROVE, "inputs": {}, "takes": (), "gives": (Port("report", Artifact.REPORT),)}
    steps = [own("first", **ask), own("second", **ask), own("box", op=ops.CONTAINER, after=("first",)), own("a", after=("box",))]
    steps += [own("b", "a"), own("c", "b", after=("second",)), own("d", "c")]
    whole = pipeline(steps[0], steps[1], *steps[2:])
    assert members(fused(whole, "single")) == {"pipeline_steps": ["a", "b"], "pipeline_steps_2": ["c", "d"]}


def test_what_two_steps_want_differently_keeps_them_apart() -> None:
    secret = {"TOKEN": Secret("secret", "a", "x")}
    other = {"TOKEN": Secret("secret", "b", "x")}
    gpu, tpu = Resources(cpu=2, memory=8, accelerator="gpu", accelerators=2, spot=True), Resources(cpu=4, accelerator="tpu")
    one = pipeline(
        own("a", secrets=secret), own("b", "a", secrets=other), own("c", secrets=secret, resources=gpu), own("d", resources=tpu),
        own("e", resources=Resources(memory=9, spot=True)),
    )  # fmt: skip
    joined = fused(one, "single")
    assert members(joined) == {"pipeline_steps": ["a", "c", "e"]}
    group = joined["pipeline_steps"]
    assert group.secrets == secret
    assert group.resources == Resources(cpu=2, memory=9, accelerator="gpu", accelerators=2, spot=True)


def test_names_that_are_taken() -> None:
    one = pipeline(own("modeling_steps"), own("modeling_steps_gate_", "modeling_steps"))
    joined = fused(one, "stage")
    [name] = members(joined)
    assert name != "modeling_steps"
    assert gate_of(name) != "modeling_steps_gate_"


def _gated(item: str) -> list[Step]:
    decide = own(f"decide_{item}", gives=(Port("decision", Artifact.REPORT),))
    gate = Step(
        id=f"gate_{item}", op=ops.GATE, stage=Stage.MODELING, routes=(("r", item),), inputs={"decision": Ref(decide.id, "decision")}, params={"subject": "model"}
    )  # fmt: skip
    package = own(f"package_{item}", stage=Stage.DEPLOYMENT, after=(gate.id,))
    return [decide, gate, package, own(f"register_{item}", f"package_{item}", stage=Stage.DEPLOYMENT)]


CODE = """
import json
def add(inputs, outputs, verdict="pass"):
    for place in outputs.values():
        wish = {"id": "f1", "name": "f1", "target": "f1 >= 1", "value": 0, "verdict": verdict, "route": []}
        place.write_text(json.dumps({"verdict": verdict, "requirements": [wish]}))
"""


def test_one_item_that_fails_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two models in one spec: the gate of one fails, the other is packaged all the same, as it is where nothing is fused."""
    (tmp_path / "work.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    steps = [*_gated("good"), *_gated("bad")]
    failing = {"entrypoint": "work:add", "params": {"verdict": "fail"}}
    steps = [replace(step, params=failing) if step.id == "decide_bad" else step for step in steps]
    whole = pipeline(*steps, code={"work.py": CODE})
    _, plain = go(whole, tmp_path / "plain")
    assert plain.steps["register_good"] == "succeeded"
    assert plain.steps["package_bad"] == "skipped"
    for granularity in ("stage", "single"):
        result, told = go(fused(whole, granularity), tmp_path / granularity)
        assert dict(told.steps) == dict(plain.steps), granularity
        assert not result.succeeded
        assert set(told.artifacts) == set(plain.artifacts)


def test_what_is_told_of_a_group_that_crashed_or_never_ran() -> None:
    one = fused(
        pipeline(
            own("a"),
            own("b", "a"),
            own("ask", op=ops.APPROVE, inputs={}, takes=(), after=("b",)),
            own("c", after=("ask",)),
            own("d", "c"),
        ),
        "single",
    )
    told = backend.Outcome("failed", {"pipeline_steps": "failed", "ask": "skipped", "pipeline_steps_2": "skipped"}, {})
    assert members(one)["pipeline_steps_2"] == ["c", "d"]
    found = backend.expanded(told, _trace(one))
    assert dict(found.steps) == {"pipeline_steps": "failed", "ask": "skipped", "c": "skipped", "d": "skipped"}


def _trace(one: Pipeline) -> Path:
    import tempfile

    file = Path(tempfile.mkdtemp(prefix="mlf"), "trace.json")
    file.write_text(json.dumps(trace.document(one, "here")))
    return file


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    """Any acyclic wiring of python steps, containers, approvals and gates in any stage."""
    steps: list[Step] = []
    for index in range(draw(st.integers(2, 14))):
        stage = draw(st.sampled_from(list(Stage)))
        giving = [step.id for step in steps if step.op in (ops.PYTHON, ops.CONTAINER)]
        needs = draw(st.lists(st.sampled_from(giving), max_size=3, unique=True)) if giving else []
        after = tuple(draw(st.lists(st.sampled_from([step.id for step in steps]), max_size=2, unique=True)) if steps else ())
        kind = draw(st.sampled_from(["python", "python", "python", "gate", "container", "approve"]))
        name = f"s{index}"
        if kind == "gate" and giving:
            steps.append(
                Step(id=name, op=ops.GATE, stage=stage, routes=((name,),), inputs={"decision": Ref(giving[-1], "number")}, params={"subject": "model"}, after=after)
            )  # fmt: skip
        elif kind == "approve":
            steps.append(own(name, op=ops.APPROVE, inputs={}, takes=(), after=after, stage=stage))
        else:
            steps.append(own(name, *needs, op=ops.CONTAINER if kind == "container" else ops.PYTHON, stage=stage, after=after))
    steps = [
        replace(step, gives=(Port("number", Artifact.REPORT),)) if step.op in (ops.PYTHON, ops.CONTAINER) else step
        for step in steps
    ]
    return pipeline(*steps)


@pytest.mark.slow
@given(pipelines(), st.sampled_from(["stage", "single"]), st.data())
@settings(max_examples=150, deadline=None)
def test_any_pipeline_fuses_and_fails_alike(whole: Pipeline, granularity: str, data: st.DataObject) -> None:
    """The laws hold (no cycle, no dangling reference), each step is once somewhere, and whichever gates fail, the same steps run."""
    joined = fused(whole, granularity)  # the laws are checked when it is made
    inside = members(joined)
    placed = [one for names in inside.values() for one in names] + [step.id for step in joined.steps if step.id not in inside]
    gates_of_groups = {gate_of(name) for name in inside}
    assert sorted(set(placed) - gates_of_groups) == sorted(step.id for step in whole.steps)
    gates = [step.id for step in whole.steps if step.op is ops.GATE]
    failing = set(data.draw(st.lists(st.sampled_from(gates), unique=True))) if gates else set()
    assert _simulated(joined, failing, _expected(whole, failing)) == _expected(whole, failing)


def _expected(whole: Pipeline, failing: set[str]) -> dict[str, str]:
    states: dict[str, str] = {}
    for step in whole.steps:
        ready = all(states[need] == "succeeded" for need in step.needs)
        states[step.id] = "skipped" if not ready else "failed" if step.id in failing else "succeeded"
    return states


def _simulated(joined: Pipeline, failing: set[str], expected: Mapping[str, str]) -> dict[str, str]:
    """How the steps end by the meaning of groups: what runs them is tested elsewhere.

    A step that stays alone waits for all gates of a group that could have left undone what it needs: it may be skipped where
    it would have run, and all that comes after it with it. Such a step counts as expected.
    """
    states: dict[str, str] = {}
    outer: dict[str, str] = {}
    for step in joined.steps:
        ready = all(outer[need] == "succeeded" for need in step.needs)
        if step.op is not ops.GROUP:
            failed = step.id in failing or (
                step.params.get("subject") == "group"
                and any(states.get(one) == "failed" for one in members(joined)[step.needs[0]])
            )
            outer[step.id] = "skipped" if not ready else "failed" if failed else "succeeded"
            if step.params.get("subject") != "group":
                behind = any(need.endswith("_gate") and outer[need] == "failed" for need in step.needs)
                if behind and all(outer[need] == "succeeded" for need in step.needs if not need.endswith("_gate")):
                    outer[step.id] = expected[step.id]
                states[step.id] = outer[step.id]
            continue
        outer[step.id] = "succeeded" if ready else "skipped"
        for inner in step.params["steps"]:
            needs = {one["step"] for one in inner["inputs"].values() if "step" in one} | set(inner["after"])
            needs |= {one["step"] for one in inner["elsewhere"]}
            done = ready and all(states[need] == "succeeded" for need in needs)
            states[inner["id"]] = "skipped" if not done else "failed" if inner["id"] in failing else "succeeded"
    return states
