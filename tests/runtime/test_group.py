"""Several steps as one: order, skips, retries, gates that keep the evidence, crashes that are told."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlspec import runtime
from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import content, gate, group
from mlspec.runtime.artifact import digest

CODE = """
import json, os
from pathlib import Path

def note(inputs, outputs, name="", fail=False, flaky=""):
    if fail:
        outputs["number"].write_text("half")
        raise ValueError("told to fail")
    if flaky and not Path(flaky).exists():
        Path(flaky).write_text("once")
        raise RuntimeError("not yet")
    outputs["number"].write_text(name + "".join(sorted(path.read_text() for path in inputs.values())) + os.environ.get("MODE", ""))
    return {"name": name}

def decide(inputs, outputs, verdict="pass"):
    wish = {"id": "f1", "name": "f1", "target": "f1 >= 0.8", "value": 0.7, "verdict": verdict, "route": ["requirements", 0]}
    outputs["decision"].write_text(json.dumps({"verdict": verdict, "requirements": [wish]}))
"""


@pytest.fixture(autouse=True)
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "group_work.py").write_text(textwrap.dedent(CODE))
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("group_work", None)


def step(
    name: str, *needs: str, op: str = "python", function: str = "note", gives: str = "number", **more: Any
) -> dict[str, Any]:
    inputs = {f"in_{need}": {"step": need, "output": gives} for need in needs if op == "python"}
    params: dict[str, Any] = {"entrypoint": f"group_work:{function}", "params": {"name": name} if function == "note" else {}}
    params["params"] |= more.pop("params", {})
    told = {
        "id": name, "op": op, "inputs": inputs, "outputs": [gives], "params": params, "bindings": {}, "after": [], "elsewhere": [],
        "retries": 0, "timeout": None, "environment": {}, "route": ["steps", name], "label": "",
    }  # fmt: skip
    return told | more


def gated(verdict: str, name: str = "gate") -> list[dict[str, Any]]:
    decide = step(f"decide_{name}", function="decide", gives="decision", params={"verdict": verdict})
    asked = step(name, op="gate", gives="report", inputs={"decision": {"step": f"decide_{name}", "output": "decision"}})
    return [decide, asked | {"params": {"subject": "model"}}]


def run(
    folder: Path, *steps: dict[str, Any], inputs: dict[str, Path] | None = None, gives: tuple[str, ...] = (), **params: Any
) -> Any:
    out = folder / "out"
    outputs = {name: out / name for name in ("files", "outcome", *gives)}
    told = {port: dict(zip(("step", "output"), port.split("__"), strict=True)) for port in gives}
    return runtime.run("group", inputs=inputs or {}, outputs=outputs, params={"steps": list(steps), "gives": told, **params})


def outcome(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "out" / "outcome").read_text())
    return told


def states(folder: Path) -> dict[str, str]:
    return {name: told["state"] for name, told in outcome(folder)["steps"].items()}


def test_steps_run_in_order_and_hand_on(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_text("g")
    second = step("b", "a")
    second["inputs"]["more"] = {"group": "a_port"}
    facts = run(tmp_path, step("a"), second, inputs={"a_port": given}, gives=("b__number",))
    assert (tmp_path / "out" / "b__number").read_text() == "bag"
    assert (tmp_path / "out" / "files" / "a" / "number").read_text() == "a"
    assert facts == {"verdict": "pass", "a_name": "a", "b_name": "b"}
    assert states(tmp_path) == {"a": "succeeded", "b": "succeeded"}


def test_a_gate_that_fails_keeps_the_evidence(tmp_path: Path) -> None:
    after = step("after", after=["gate"])
    facts = run(tmp_path, *gated("fail"), after, step("other"), gives=("after__number",))
    assert facts["verdict"] == "fail"
    assert states(tmp_path) == {"decide_gate": "succeeded", "gate": "failed", "after": "skipped", "other": "succeeded"}
    assert (tmp_path / "out" / "files" / "decide_gate" / "decision").exists()
    assert (tmp_path / "out" / "after__number").read_bytes() == b""
    params = {"subject": "group"}
    with pytest.raises(gate.GateFailed) as caught:
        runtime.run("gate", inputs={"decision": tmp_path / "out" / "outcome"}, outputs={"report": tmp_path / "r"}, params=params)
    [fault] = caught.value.faults
    assert isinstance(fault, Finding)
    assert fault.message == "f1 is 0.7, the requirement is >= 0.8"
    assert fault.route == ("requirements", 0)


def test_the_gate_behind_a_group_lets_through_what_passed_and_nothing_else(tmp_path: Path) -> None:
    run(tmp_path, *gated("pass"))
    facts = runtime.run(
        "gate", inputs={"decision": tmp_path / "out" / "outcome"}, outputs={"report": tmp_path / "r"}, params={"subject": "group"}
    )
    assert facts["verdict"] == "pass"
    for broken in ({}, {"verdict": "pass"}, {"verdict": "warn", "faults": []}, {"faults": []}):
        (tmp_path / "broken").write_text(json.dumps(broken))
        with pytest.raises(gate.GateFailed):
            runtime.run(
                "gate", inputs={"decision": tmp_path / "broken"}, outputs={"report": tmp_path / "r"}, params={"subject": "group"}
            )


def test_a_crash_fails_the_group_when_all_that_can_has_run(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        run(tmp_path, step("bad", params={"fail": True}, label="eu"), step("after", "bad"), step("other"), *gated("fail"))
    assert states(tmp_path) == {
        "bad": "failed",
        "after": "skipped",
        "other": "succeeded",
        "decide_gate": "succeeded",
        "gate": "failed",
    }
    first = caught.value.faults[0]
    assert isinstance(first, Finding)
    assert first.message.startswith("eu: ")
    assert "told to fail" in first.message
    assert first.route == ("steps", "bad")
    assert not (tmp_path / "out" / "files" / "bad").exists(), "half an output is none"
    assert "gate-failed" in str(caught.value)


def test_retries_and_variables_are_each_steps_own(tmp_path: Path) -> None:
    flaky = step("flaky", params={"flaky": str(tmp_path / "tried")}, retries=1)
    run(tmp_path, flaky, step("a", environment={"MODE": "!"}), step("b"))
    assert states(tmp_path) == {"flaky": "succeeded", "a": "succeeded", "b": "succeeded"}
    assert [(tmp_path / "out" / "files" / name / "number").read_text() for name in ("a", "b")] == ["a!", "b"]


def test_a_limit_is_the_steps_own(tmp_path: Path) -> None:
    (tmp_path / "group_slow.py").write_text("import time\ndef wait(inputs, outputs):\n    time.sleep(60)\n")
    slow = step("slow", timeout=1.0)
    slow["params"] = {"entrypoint": "group_slow:wait", "params": {}}
    with pytest.raises(Problem, match="limit of 1 s"):
        run(tmp_path, slow, step("other"))
    assert states(tmp_path) == {"slow": "failed", "other": "succeeded"}


def test_what_another_group_left_undone_is_skipped(tmp_path: Path) -> None:
    told = tmp_path / "told"
    told.write_text(json.dumps({"steps": {"x": {"state": "skipped"}, "y": {"state": "succeeded"}}}))
    steps = [step(name, elsewhere=[{"outcome": "told", "step": name.removeprefix("of_")}]) for name in ("of_x", "of_y")]
    run(tmp_path, *steps, inputs={"told": told})
    assert states(tmp_path) == {"of_x": "skipped", "of_y": "succeeded"}


def test_what_was_chosen_for_the_run_reaches_the_steps(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    sources = {"rows": {"kind": "csv", "path": "rows.csv"}}
    params = {"sources": sources, "join": [], "union": None, "columns": {}, "data_root": "nowhere"}
    ingest = step("ingest", op="ingest", bindings={"data_root": "where"}) | {"params": params, "outputs": ["data", "profile"]}
    run(tmp_path, ingest, where=str(tmp_path))
    assert states(tmp_path) == {"ingest": "succeeded"}

    def key() -> str:
        whole = {"steps": [ingest], "gives": {}, "where": str(tmp_path)}
        parts = content.parts("group", whole, bound=["where"], inputs={}, outputs=["files", "outcome"], file_digest=digest)
        assert parts is not None
        return content.key(parts)

    before = key()
    assert key() == before
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,5\n")
    assert key() != before


def test_what_a_group_did_outside_is_asked_for(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "package.json").write_text("{}")
    entry = step("register", op="register", bindings={"registry_root": "registry_root"}, inputs={"package": {"group": "package"}})
    entry |= {"params": {"name": "m", "registry_root": ""}, "outputs": ["entry"]}
    given = {"steps": [entry], "gives": {}, "registry_root": str(tmp_path / "registry")}
    run(tmp_path, entry, inputs={"package": package}, registry_root=given["registry_root"])
    outputs = {name: tmp_path / "out" / name for name in ("files", "outcome")}
    assert group.fresh({"package": package}, outputs, given)
    (tmp_path / "registry" / "m" / "latest").unlink()
    assert not group.fresh({"package": package}, outputs, given)
