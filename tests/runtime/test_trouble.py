"""A failure says which lines of the spec it comes from, which row of the guide's table fits, and what to change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlspec import runtime
from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import trouble

TRACE = {
    "steps": {
        "train": {"op": "train", "routes": ["model", "training"], "places": ["spec.yaml:7", "spec.yaml:9"]},
        "collect": {"op": "python", "routes": ["steps.collect"], "places": ["spec.yaml:12"]},
        "gate": {"op": "gate", "routes": ["requirements"], "places": []},
    }
}


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "trace.json"
    place.write_text(json.dumps(TRACE))
    monkeypatch.setenv(trouble.TRACE, str(place))
    return place


def explained(error: Exception, op: str, step: str, inputs: Any = None) -> list[str]:
    return list(trouble.explain(error, op, step, inputs or {}))


MEMORY = "Memory issues (out of memory errors): Batch size reduction; Model pruning; A machine with more memory [guide: troubleshooting]"
CALLS = "Integration failures (API errors, timeouts): Better error handling; Monitoring; More tries, or more time [guide: troubleshooting]"


def test_a_step_of_ours(traced: Path) -> None:
    assert explained(MemoryError(), "train", "train") == [
        "step train comes from model, training (spec.yaml:7, spec.yaml:9)",
        MEMORY,
        "to change: hardware.training.memory, model.params, data.sources",
    ]


def test_a_step_of_the_users_is_blamed_itself(traced: Path) -> None:
    assert explained(TimeoutError(), "python", "collect") == [
        "step collect comes from steps.collect (spec.yaml:12)",
        CALLS,
        "to change: steps.collect.retries, steps.collect.timeout",
    ]
    assert explained(KeyError("x"), "python", "collect")[1:] == ["to change: steps.collect"]


def test_without_a_trace_the_rest_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(trouble.TRACE, raising=False)
    assert explained(TimeoutError(), "python", "collect") == [CALLS, "to change: steps.collect.retries, steps.collect.timeout"]
    assert explained(MemoryError(), "train", "train")[0] == MEMORY


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"steps": {"train": 1}}', '{"steps": {"train": {"op": "split", "routes": ["x"]}}}']
)
def test_a_trace_of_another_project_says_nothing(traced: Path, text: str) -> None:
    traced.write_text(text)
    assert explained(ValueError("x"), "train", "train") == []


@pytest.mark.parametrize(
    ("error", "row"),
    [
        (MemoryError(), "memory"),
        (ConnectionRefusedError(), "integration"),
        (Problem(Finding("step-timed-out", "it took too long")), "integration"),
        (Problem(Finding("step-killed", "it was killed")), "memory"),
        (Problem(Finding("user-code-failed", "work:collect raised ConnectionResetError: gone")), "integration"),
        (RuntimeError("a child said\nurllib.error.URLError: no route"), "integration"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_raised_leads_to_a_row(traced: Path, error: Exception, row: str) -> None:
    assert explained(error, "train", "train")[1].startswith(f"{trouble.ROWS[row].title} (")


def test_a_cause_leads_to_a_row_and_a_circle_of_causes_ends(traced: Path) -> None:
    first, last = OSError("x"), ValueError("y")
    first.__cause__, last.__cause__ = MemoryError(), first
    assert MEMORY in explained(last, "train", "train")
    first.__cause__ = last
    assert explained(last, "train", "train") == ["step train comes from model, training (spec.yaml:7, spec.yaml:9)"]


def one(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "verdict": "fail", **more}


@pytest.mark.parametrize(
    ("requirement", "row"),
    [
        (one("overfitting"), "overfitting"),
        (one("beat_baseline"), "baseline"),
        (one("worst_slice"), "slice"),
        (one("fairness"), "fairness"),
        (one("metric", target=">= 0.9", train=0.8, held=0.79), "underfitting"),
        (one("metric", target=">= 0.9", train=0.99, held=0.8), "overfitting"),
        (one("metric", target="<= 2", train=1.0, held=3.0), "overfitting"),
        (one("metric", target=">= 0.9", train=0.95, held=0.93), None),
        (one("metric", target=">= 0.9", train=None, held=None), None),
    ],
)
def test_a_missed_requirement_leads_to_a_row(traced: Path, tmp_path: Path, requirement: dict[str, Any], row: str | None) -> None:
    decision = tmp_path / "decision.json"
    decision.write_text(json.dumps({"verdict": "fail", "requirements": [{"kind": "fairness", "verdict": "pass"}, requirement]}))
    missed = Problem(Finding("gate-failed", "missed", ("requirements", "metrics", 0)))
    told = explained(missed, "gate", "gate", {"decision": decision})
    rows = [trouble.ROWS[row].title] if row else []
    assert [line.partition(" (")[0] for line in told[1:-1]] == rows
    assert told[-1].startswith("to change: ")
    assert told[-1].endswith("requirements.metrics[0]")


def test_the_same_exception_carries_it(traced: Path) -> None:
    """Through the door that every runner uses: a fault of ours in its help, any other exception as a note."""
    with pytest.raises(Problem) as caught:
        runtime.run("python", params={"entrypoint": "nowhere:at_all", "params": {}, "inputs": [], "outputs": []}, step="collect")
    assert "step collect comes from steps.collect (spec.yaml:12)" in str(caught.value)
    with pytest.raises(KeyError) as plain:
        runtime.run("train", step="train")
    assert any("step train comes from model, training" in note for note in plain.value.__notes__)
    with pytest.raises(KeyError) as silent:
        runtime.run("train")
    assert not hasattr(silent.value, "__notes__")


def test_every_word_of_the_tables_leads_somewhere() -> None:
    for name in (*trouble.KINDS.values(), *trouble.CODES.values(), *trouble.RAISED.values()):
        assert trouble.ROWS[name].do
