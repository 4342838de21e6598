"""Every kind of requirement, passing and failing, at its edge, and with evidence that is missing or not a number."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlspec.runtime import run
from mlspec.runtime.artifact import read_json
from mlspec.runtime.decide import OPS, Held


def score(
    value: float | None, low: float | None = None, high: float | None = None, better: bool = True, reason: str | None = None
) -> dict[str, Any]:
    return {
        "value": value,
        "low": low,
        "high": high,
        "method": "wilson",
        "rows": 200,
        "reason": reason,
        "greater_is_better": better,
    }


def part(name: str, rows: int, **metrics: Any) -> dict[str, Any]:
    return {"name": name, "column": "c", "rows": rows, "metrics": metrics}


METRICS = {
    "splits": {"train": {"rows": 900, "metrics": {"auc": 0.9, "rmse": 2.0}}, "dev": {"rows": 100, "metrics": {"auc": 0.85, "rmse": 2.5}}, "test": {"rows": 200, "metrics": {"auc": 0.88, "rmse": 2.4}}},
    "metrics": {"auc": score(0.88, 0.84, 0.91), "rmse": score(2.4, 2.1, 2.8, better=False), "mcc": score(None, reason="every row is 'No'")},
    "slices": [part("c = a", 80, auc=score(0.8, 0.7, 0.88), rmse=score(2.2, 1.9, 2.6, better=False)), part("c = b", 60, auc=score(0.9, 0.8, 0.95), rmse=score(3.0, 2.5, 3.6, better=False)), part("c = rare", 9, auc=score(0.2, 0.0, 0.5), rmse=score(9.0, 5.0, 20.0, better=False))],
    "fairness": [{"sensitive": "gender", "metric": "equalized_odds_difference", "value": 0.06, "groups": {}}, {"sensitive": "age", "metric": "equalized_odds_difference", "value": 0.12, "groups": {}}],
}  # fmt: skip
BASELINE = {"metrics": {"auc": score(0.8, 0.76, 0.83), "rmse": score(3.0, 2.6, 3.5, better=False), "mcc": score(0.1)}}
VALIDATION = {
    "verdict": "pass",
    "rows": 100,
    "checks": [
        {
            "id": "missing",
            "description": "tenure: at most 5 % missing",
            "failing": 0,
            "share": 0.0,
            "allowed": 0.05,
            "verdict": "pass",
            "route": ["data"],
        }
    ],
}
BAD_CHECK = {
    "id": "sum",
    "description": "total >= monthly",
    "failing": 7,
    "share": 0.07,
    "allowed": 0.01,
    "verdict": "fail",
    "route": ["data", "checks", 0],
}
MANIFEST = {
    "verdict": "pass",
    "proofs": [
        {"id": "no-shared-ids", "verdict": "pass", "checked": 9, "found": 0, "statement": "no id is in two splits"},
        {"id": "no-time-overlap", "verdict": "not_applicable", "checked": 0, "found": 0, "statement": ""},
    ],
}
LEAK = {"id": "no-shared-groups", "verdict": "fail", "checked": 9, "found": 2, "statement": "2 groups are in two splits"}


def decide(tmp_path: Path, *requirements: dict[str, Any], **evidence: Any) -> dict[str, Any]:
    files = {"metrics": METRICS, "baseline": BASELINE, "validation": VALIDATION, "manifest": MANIFEST} | evidence
    inputs = {}
    for port, content in files.items():
        if content is not None:
            inputs[port] = tmp_path / port
            inputs[port].write_text(json.dumps(content))
    params = {
        "requirements": list(requirements),
        "names": {
            "metrics": "evaluate.metrics",
            "baseline": "evaluate_baseline.metrics",
            "validation": "validate.report",
            "manifest": "split.manifest",
        },
    }
    facts = run("decide", inputs=inputs, outputs={"decision": tmp_path / "decision"}, params=params)
    found: dict[str, Any] = read_json(tmp_path / "decision")
    assert facts == {"verdict": found["verdict"], "passed": found["summary"]["passed"], "failed": found["summary"]["failed"]}
    return found


def wish(kind: str, **fields: Any) -> dict[str, Any]:
    return {"id": fields.get("metric", kind), "kind": kind, "route": ["somewhere", 0, kind], **fields}


def metric(name: str, op: str, value: float) -> dict[str, Any]:
    return wish("metric", metric=name, op=op, value=value)


CASES: list[tuple[dict[str, Any], dict[str, Any], str, float | None, str | None, str]] = [
    # requirement, evidence that differs, verdict, value, certainty, a part of the reason
    (metric("auc", ">=", 0.8), {}, "pass", 0.88, "clear", ""),
    (metric("auc", ">=", 0.86), {}, "pass", 0.88, "within the interval", ""),
    (metric("auc", ">=", 0.9), {}, "fail", 0.88, "within the interval", ""),
    (metric("auc", ">=", 0.95), {}, "fail", 0.88, "clear", ""),
    (metric("auc", ">=", 0.88), {}, "pass", 0.88, "within the interval", ""),
    (metric("auc", ">", 0.88), {}, "fail", 0.88, "within the interval", ""),
    (metric("rmse", "<=", 2.9), {}, "pass", 2.4, "clear", ""),
    (metric("rmse", "<=", 2.4), {}, "pass", 2.4, "within the interval", ""),
    (metric("rmse", "<", 2.4), {}, "fail", 2.4, "within the interval", ""),
    (metric("rmse", "<=", 2.0), {}, "fail", 2.4, "clear", ""),
    (metric("rmse", "==", 2.4), {}, "pass", 2.4, "within the interval", ""),
    (metric("rmse", "==", 1.0), {}, "fail", 2.4, "clear", ""),
    (metric("mcc", ">=", -1), {}, "fail", None, None, "mcc is not a number: every row is 'No'"),
    (metric("auc", ">=", 0), {"metrics": METRICS | {"metrics": {"auc": score(float("nan"))}}}, "fail", None, None, "auc is not a number"),
    (metric("f1", ">=", 0), {}, "fail", None, None, "f1 was not measured"),
    (wish("beat_baseline", metric="auc", by=0.08), {}, "pass", 0.08, "within the interval", "auc is 0.88, the baseline's 0.8"),
    (wish("beat_baseline", metric="auc", by=0.01), {}, "pass", 0.08, "clear", ""),
    (wish("beat_baseline", metric="auc", by=0.081), {}, "fail", 0.08, "within the interval", ""),
    (wish("beat_baseline", metric="rmse", by=0.6), {}, "pass", 0.6, "within the interval", ""),
    (wish("beat_baseline", metric="rmse", by=0.7), {}, "fail", 0.6, "within the interval", ""),
    (wish("beat_baseline", metric="mcc", by=0.0), {}, "fail", None, None, "mcc is not a number"),
    (wish("beat_baseline", metric="auc", by=0.0), {"baseline": None}, "fail", None, None, "there is no baseline"),
    (wish("beat_baseline", metric="auc", by=0.0), {"baseline": {"metrics": {"auc": score(None, reason="no row is 'Yes'")}}}, "fail", None, None, "the baseline's auc is not a number: no row is 'Yes'"),
    (wish("overfitting", metric="auc", max_gap=0.05), {}, "pass", 0.05, None, "auc is 0.9 on train and 0.85 on dev"),
    (wish("overfitting", metric="auc", max_gap=0.04), {}, "fail", 0.05, None, ""),
    (wish("overfitting", metric="rmse", max_gap=0.5), {}, "pass", 0.5, None, ""),
    (wish("overfitting", metric="rmse", max_gap=0.4), {}, "fail", 0.5, None, ""),
    (wish("overfitting", metric="auc", max_gap=0.05), {"metrics": METRICS | {"splits": METRICS["splits"] | {"dev": {"rows": 0, "metrics": {"auc": None}}}}}, "pass", 0.02, None, "0.88 on test"),
    (wish("overfitting", metric="mcc", max_gap=0.5), {}, "fail", None, None, "mcc is not a number on the train rows"),
    (wish("worst_slice", metric="auc", min_rows=50, max_drop=0.1), {}, "pass", 0.0909, "within the interval", "c = a: auc is 0.8, over all rows 0.88"),
    (wish("worst_slice", metric="auc", min_rows=50, max_drop=0.05), {}, "fail", 0.0909, "within the interval", "c = a"),
    (wish("worst_slice", metric="auc", min_rows=50, max_drop=0.25), {}, "pass", 0.0909, "clear", "c = a"),
    (wish("worst_slice", metric="auc", min_rows=9, max_drop=0.1), {}, "fail", 0.7727, "clear", "c = rare"),
    (wish("worst_slice", metric="rmse", min_rows=50, max_drop=0.25), {}, "pass", 0.25, "within the interval", "c = b"),
    (wish("worst_slice", metric="rmse", min_rows=50, max_drop=0.2), {}, "fail", 0.25, "within the interval", "c = b"),
    (wish("worst_slice", metric="auc", min_rows=500, max_drop=0.1), {}, "fail", None, None, "no slice has 500 test rows"),
    (wish("worst_slice", metric="auc", min_rows=5, max_drop=0.1), {"metrics": METRICS | {"slices": [part("c = z", 50, auc=score(None, reason="no row is 'Yes'"))]}}, "fail", None, None, "c = z: auc is not a number: no row is 'Yes'"),
    (wish("fairness", metric="equalized_odds_difference", max=0.12), {}, "pass", 0.12, None, "between the groups of age"),
    (wish("fairness", metric="equalized_odds_difference", max=0.1), {}, "fail", 0.12, None, "between the groups of age"),
    (wish("fairness", metric="demographic_parity_difference", max=0.1), {}, "fail", None, None, "was not measured"),
    (wish("fairness", metric="equalized_odds_difference", max=1), {"metrics": METRICS | {"fairness": [{"sensitive": "g", "metric": "equalized_odds_difference", "value": None, "reason": "few"}]}}, "fail", None, None, "g: few"),
    (wish("data"), {}, "pass", 0, None, "1 checks passed"),
    (wish("data"), {"validation": VALIDATION | {"verdict": "warn", "checks": [BAD_CHECK]}}, "pass", 0, None, "total >= monthly: 7 rows"),
    (wish("data"), {"validation": VALIDATION | {"verdict": "fail", "checks": [BAD_CHECK, BAD_CHECK]}}, "fail", 2, None, "total >= monthly: 7 rows"),
    (wish("data"), {"validation": {"checks": []}}, "fail", 1, None, "verdict is None"),
    (wish("data"), {"validation": {"verdict": "PASS", "checks": []}}, "fail", 1, None, "verdict is 'PASS'"),
    (wish("split"), {}, "pass", 0, None, "2 proofs hold"),
    (wish("split"), {"manifest": {"verdict": "pass", "proofs": [*MANIFEST["proofs"], LEAK]}}, "fail", 1, None, "no-shared-groups: 2 groups are in two splits"),
    (wish("split"), {"manifest": {"verdict": "fail", "proofs": MANIFEST["proofs"]}}, "fail", 1, None, "verdict is 'fail'"),
    (wish("split"), {"manifest": {"verdict": "pass", "proofs": []}}, "fail", 1, None, "not proven"),
]  # fmt: skip


@pytest.mark.parametrize(("requirement", "evidence", "verdict", "value", "certainty", "reason"), CASES)
def test_requirement(
    tmp_path: Path,
    requirement: dict[str, Any],
    evidence: dict[str, Any],
    verdict: str,
    value: float | None,
    certainty: str | None,
    reason: str,
) -> None:
    found = decide(tmp_path, requirement, **evidence)
    (one,) = found["requirements"]
    assert (found["verdict"], one["verdict"], one["certainty"]) == (verdict, verdict, certainty)
    assert one["value"] == (None if value is None else pytest.approx(value, abs=1e-4))
    assert reason in one["reason"]
    assert found["summary"]["passed"] == (verdict == "pass")
    assert (one["route"], one["kind"], one["id"]) == (requirement["route"], requirement["kind"], requirement["id"])


def test_provenance(tmp_path: Path) -> None:
    found = decide(tmp_path, metric("auc", ">=", 0.8) | {"primary": True, "supports": "retention"}, wish("data"), wish("split"))
    one, data, split = found["requirements"]
    assert (one["step"], one["artifact"]) == ("evaluate", "evaluate.metrics")
    assert one["digest"] == hashlib.sha256((tmp_path / "metrics").read_bytes()).hexdigest()
    assert (one["name"], one["target"], one["low"], one["high"]) == ("auc", "auc >= 0.8", 0.84, 0.91)
    assert (one["primary"], one["supports"]) == (True, "retention")
    assert (data["step"], data["artifact"], split["artifact"]) == ("validate", "validate.report", "split.manifest")
    assert split["digest"] == hashlib.sha256((tmp_path / "manifest").read_bytes()).hexdigest()


def test_gain_joins_both_intervals(tmp_path: Path) -> None:
    """Zou & Donner: lower distance from the model's lower and the baseline's upper end; for errors the other way round."""
    (one,) = decide(tmp_path, wish("beat_baseline", metric="auc", by=0))["requirements"]
    assert one["low"] == pytest.approx(0.08 - (0.04**2 + 0.03**2) ** 0.5)
    assert one["high"] == pytest.approx(0.08 + (0.03**2 + 0.04**2) ** 0.5)
    (one,) = decide(tmp_path, wish("beat_baseline", metric="rmse", by=0))["requirements"]
    assert one["low"] == pytest.approx(0.6 - (0.4**2 + 0.4**2) ** 0.5)
    assert one["high"] == pytest.approx(0.6 + (0.3**2 + 0.5**2) ** 0.5)


def test_one_failure_fails_the_whole(tmp_path: Path) -> None:
    found = decide(tmp_path, metric("auc", ">=", 0.8), metric("rmse", "<=", 1.0), wish("data"))
    assert found["verdict"] == "fail"
    assert found["summary"] == {"passed": 2, "failed": 1, "statement": "2 of 3 requirements held"}


def test_nothing_demanded_passes_and_says_so(tmp_path: Path) -> None:
    found = decide(tmp_path)
    assert found["verdict"] == "pass"
    assert found["summary"] == {"passed": 0, "failed": 0, "statement": "0 requirements held: nothing was demanded"}


@given(st.sampled_from(list(OPS)), st.integers(-6, 6), st.integers(-6, 6), st.integers(0, 5), st.integers(0, 5))
def test_certainty_means_that_every_value_of_the_interval_agrees(op: str, target: int, value: int, down: int, up: int) -> None:
    held = Held("m", op, target, value, value - down, value + up)
    halves = [half / 2 for half in range(2 * (value - down), 2 * (value + up) + 1)]  # between two of them nothing changes
    verdicts = {OPS[op](one, target) for one in halves}
    assert held.passed == OPS[op](value, target)
    assert held.certainty == ("clear" if verdicts == {held.passed} else "within the interval")
