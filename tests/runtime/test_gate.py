"""What a gate lets through, which is a pass and nothing else, and what it says when it does not."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from mlspec.diagnostic import Problem
from mlspec.runtime import run
from mlspec.runtime.artifact import read_json
from mlspec.runtime.gate import GateFailed

GOOD = {
    "id": "auc",
    "name": "roc_auc",
    "target": "roc_auc >= 0.84",
    "value": 0.88,
    "low": 0.85,
    "high": 0.9,
    "verdict": "pass",
    "reason": "",
    "route": ["requirements", "metrics", 0, "target"],
}
BAD = GOOD | {"value": 0.81, "low": 0.78, "high": 0.84, "verdict": "fail"}
NO_NUMBER = GOOD | {
    "value": None,
    "low": None,
    "high": None,
    "verdict": "fail",
    "reason": "roc_auc is not a number: no row is 'Yes'",
}
LEAK = {
    "id": "split",
    "name": "split",
    "target": "nothing leaks between the splits",
    "value": 2.0,
    "verdict": "fail",
    "reason": "no-shared-ids: 2 found",
    "route": ["splits"],
}
CHECK = {
    "id": "sum",
    "description": "total >= monthly",
    "failing": 7,
    "share": 0.07,
    "allowed": 0.01,
    "verdict": "fail",
    "route": ["data", "checks", 0],
}


def gate(tmp_path: Path, subject: str, found: Any) -> dict[str, Any]:
    (tmp_path / "decision").write_text(found if isinstance(found, str) else json.dumps(found))
    run("gate", inputs={"decision": tmp_path / "decision"}, outputs={"report": tmp_path / "report"}, params={"subject": subject})
    report: dict[str, Any] = read_json(tmp_path / "report")
    return report


def test_a_pass_is_let_through(tmp_path: Path) -> None:
    report = gate(tmp_path, "model", {"verdict": "pass", "requirements": [GOOD]})
    digest = hashlib.sha256((tmp_path / "decision").read_bytes()).hexdigest()
    assert report == {"verdict": "pass", "subject": "model", "decision_digest": digest, "warnings": []}
    assert gate(tmp_path, "model", {"verdict": "pass", "requirements": []})["verdict"] == "pass"
    assert gate(tmp_path, "data", {"verdict": "pass", "rows": 9, "checks": []})["subject"] == "data"


def test_data_may_warn(tmp_path: Path) -> None:
    report = gate(tmp_path, "data", {"verdict": "warn", "rows": 100, "checks": [CHECK]})
    assert (report["verdict"], report["warnings"]) == ("pass", ["total >= monthly: 7 of 100 rows fail"])


def test_one_finding_for_each_failed_requirement(tmp_path: Path) -> None:
    with pytest.raises(GateFailed) as caught:
        gate(tmp_path, "model", {"verdict": "fail", "requirements": [GOOD, BAD, NO_NUMBER, LEAK]})
    assert isinstance(caught.value, Problem)
    assert [(one.code, one.message, one.route) for one in caught.value.faults] == [
        ("gate-failed", "roc_auc is 0.81 (0.78 to 0.84), the requirement is >= 0.84", ("requirements", "metrics", 0, "target")),
        (
            "gate-failed",
            "roc_auc is not a number: no row is 'Yes'; the requirement is >= 0.84",
            ("requirements", "metrics", 0, "target"),
        ),
        ("gate-failed", "it is required that nothing leaks between the splits: no-shared-ids: 2 found", ("splits",)),
    ]
    assert not (tmp_path / "report").exists()


def test_one_finding_for_each_failed_check(tmp_path: Path) -> None:
    with pytest.raises(GateFailed) as caught:
        gate(tmp_path, "data", {"verdict": "fail", "rows": 100, "checks": [CHECK | {"verdict": "pass"}, CHECK]})
    (one,) = caught.value.faults
    assert one.message == "total >= monthly: 7 of 100 rows fail (7 %, allowed 1 %)"
    assert one.route == ("data", "checks", 0)


@pytest.mark.parametrize("subject", ["model", "data"])
@pytest.mark.parametrize("verdict", ["fail", "PASS", "passed", "", None, True, 1, ["pass"], {"pass": 1}])
def test_any_other_verdict_fails(tmp_path: Path, subject: str, verdict: Any) -> None:
    with pytest.raises(GateFailed, match="not 'pass'"):
        gate(tmp_path, subject, {"verdict": verdict, "requirements": [], "checks": []})


@pytest.mark.parametrize("subject", ["model", "data"])
@pytest.mark.parametrize(
    "found",
    [
        "",
        "{",
        "[]",
        "null",
        '"pass"',
        "{}",
        '{"verdict": "pass"}',
        '{"verdict": "pass", "requirements": {}, "checks": {}}',
        '{"verdict": "pass", "requirements": [3], "checks": ["x"]}',
    ],
)
def test_a_garbled_verdict_fails(tmp_path: Path, subject: str, found: str) -> None:
    with pytest.raises(GateFailed):
        gate(tmp_path, subject, found)
    assert not (tmp_path / "report").exists()


def test_a_pass_whose_parts_say_otherwise_fails(tmp_path: Path) -> None:
    with pytest.raises(GateFailed, match=r"roc_auc is 0\.81"):
        gate(tmp_path, "model", {"verdict": "pass", "requirements": [GOOD, BAD]})
    with pytest.raises(GateFailed):
        gate(tmp_path, "model", {"verdict": "pass", "requirements": [{**GOOD, "verdict": "passed"}]})
    with pytest.raises(GateFailed):
        gate(tmp_path, "model", {"verdict": "warn", "requirements": []})


def test_the_failure_survives_a_process_boundary(tmp_path: Path) -> None:
    with pytest.raises(GateFailed) as caught:
        gate(tmp_path, "model", {"verdict": "fail", "requirements": [BAD]})
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.faults, str(again)) == (GateFailed, caught.value.faults, str(caught.value))
