"""A person's yes, no and silence; an answer for other evidence is none."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mlspec import runtime
from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import approve


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    (tmp_path / "decision").write_text('{"verdict": "pass"}')
    return tmp_path / "decision"


def ask(root: Path, evidence: Path, **params: Any) -> dict[str, Any]:
    asked = {
        "step": "sign_off", "message": "May it go out?", "approvers": ["owner"], "inputs": ["decision"], "seconds": 0.0,
        "approvals_root": str(root / "answers"),
    }  # fmt: skip
    facts = runtime.run("approve", inputs={"decision": evidence}, outputs={"report": root / "report"}, params=asked | params)
    assert facts["approved"] is True
    report: dict[str, Any] = json.loads((root / "report").read_text())
    return report


def code(caught: pytest.ExceptionInfo[Problem]) -> str:
    [fault] = caught.value.faults
    assert isinstance(fault, Finding)
    return fault.code


def test_a_yes_is_the_report(tmp_path: Path, evidence: Path) -> None:
    approve.answer(tmp_path / "answers", "sign_off", approved=True, by="anna", note="fine")
    assert ask(tmp_path, evidence) == {"approved": True, "by": "anna", "note": "fine"}


def test_the_orchestrator_may_have_asked(tmp_path: Path, evidence: Path) -> None:
    assert ask(tmp_path, evidence, answer={"approved": True, "by": "bo"}) == {"approved": True, "by": "bo", "note": ""}
    with pytest.raises(Problem) as caught:
        ask(tmp_path, evidence, answer={"approved": False, "by": "bo", "note": "too bad"})
    assert code(caught) == "approval-refused"
    assert "by bo: too bad" in str(caught.value)
    with pytest.raises(Problem) as caught:
        ask(tmp_path, evidence, answer={"approved": True, "evidence": "of another run"})
    assert code(caught) == "approval-missing"


def test_a_no_and_no_answer(tmp_path: Path, evidence: Path) -> None:
    with pytest.raises(Problem) as caught:
        ask(tmp_path, evidence, seconds=0.2)
    assert code(caught) == "approval-missing"
    with pytest.raises(Problem) as caught:
        ask(tmp_path, evidence, wait=False, seconds=None)
    assert code(caught) == "approval-pending"
    assert not runtime.worth_another_try(caught.value)
    approve.answer(tmp_path / "answers", "sign_off", approved=False, by="cy")
    with pytest.raises(Problem) as caught:
        ask(tmp_path, evidence)
    assert code(caught) == "approval-refused"
    assert not (tmp_path / "report").exists()


def test_an_answer_counts_for_what_was_asked(tmp_path: Path, evidence: Path) -> None:
    root = tmp_path / "answers"
    with pytest.raises(Problem):
        ask(tmp_path, evidence, wait=False)
    [question] = approve.asked(root).values()
    assert (question["message"], question["approvers"]) == ("May it go out?", ["owner"])
    approve.answer(root, "sign_off", approved=True, by="anna", evidence=question["evidence"])
    assert ask(tmp_path, evidence)["approved"]
    evidence.write_text('{"verdict": "pass", "but": "other"}')
    with pytest.raises(Problem) as caught:
        ask(tmp_path, evidence, wait=False)
    assert code(caught) == "approval-pending"
    assert approve.asked(root)["sign_off"]["evidence"] != question["evidence"]


def test_it_waits_for_an_answer_that_comes_later(tmp_path: Path, evidence: Path) -> None:
    later = threading.Timer(0.6, approve.answer, (tmp_path / "answers", "sign_off"), {"approved": True, "by": "dee"})
    later.start()
    started = time.monotonic()
    assert ask(tmp_path, evidence, seconds=30.0)["by"] == "dee"
    assert 0.5 < time.monotonic() - started < 20
    later.join()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"yes"', '{"approved": "true"}', '{"approved": 1}', '{"approved": true, "by": 3}', "{}", "\xff"]
)
def test_what_is_no_answer_is_no_yes(tmp_path: Path, evidence: Path, text: str) -> None:
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "sign_off.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(Problem) as caught:
        ask(tmp_path, evidence)
    assert code(caught) == "bad-approval"
