"""What the statistical rules say of the figures we have measured, what they leave alone, and numbers at the edge of sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec import lint
from mlspec.diagnostic import Finding

BASE = Path(__file__).parent.parent / "data" / "rules" / "base.yaml"
TOPICS = ("MET", "STA", "EVA", "MOD", "TRA")


def findings(text: str, folder: Path) -> dict[str, Finding]:
    """Lint a text laid over the example project; the last finding of each code."""
    (folder / "base.yaml").write_bytes(BASE.read_bytes())
    spec = folder / "spec.yaml"
    spec.write_text(f"extends: base.yaml\n{text}", encoding="utf-8")
    return {one.finding.code: one.finding for one in lint.check(spec).diagnostics}


def test_the_canary_that_was_measured(tmp_path: Path) -> None:
    text = """
requirements: {service: {throughput: 100 /s, error_rate: 0.1 %}}
deployment: {pattern: {kind: canary, steps: [5 %, 25 %, 100 %], hold: HOLD}}
"""
    found = findings(text.replace("HOLD", "10 min"), tmp_path)["canary-step-too-short"]
    assert "3,000 requests" in found.message
    assert "33 %" in found.message
    assert "12,666 requests would do" in found.help
    assert found.fix is not None
    assert found.fix.changes[0].value == "43 min"
    assert "canary-step-too-short" not in findings(text.replace("HOLD", "43 min"), tmp_path)


def test_the_test_rows_that_were_measured(tmp_path: Path) -> None:
    text = """
requirements: {metrics: [{metric: accuracy, target: ">= 0.9", primary: true}, {metric: recall, target: ">= 0.7"}]}
data: {volume: {rows: 1340}}
evaluation: {beat_baseline_by: 0.02}
"""
    found = findings(text, tmp_path)["baseline-margin-below-noise"]
    assert "201 rows show accuracy near 0.9 to ±0.041" in found.message
    assert "865 rows" in found.help


def test_the_columns_that_were_measured(tmp_path: Path) -> None:
    columns = ", ".join(f"c{index}" for index in range(30))
    text = f"monitoring: {{data_drift: {{tests: [ks], correction: none, columns: [{columns}]}}}}"
    assert "79 %" in findings(text, tmp_path)["drift-tests-without-correction"].message
    assert "drift-tests-without-correction" not in findings(text.replace("none", "holm"), tmp_path)


def test_the_psi_that_was_measured(tmp_path: Path) -> None:
    """The reference is 200 training rows, the window 200 rows, and there is one column."""
    text = """
data: {volume: {rows: 334}}
monitoring: {data_drift: {tests: [psi], min_rows: 200, columns: [tenure]}}
"""
    found = findings(text, tmp_path)["psi-on-few-rows"]
    assert "35 %" in found.message


def test_p_values_on_as_many_rows_as_were_measured(tmp_path: Path) -> None:
    text = """
data: {volume: {rows: 125000}}
requirements: {service: {throughput: 70 /min}}
monitoring: {data_drift: {tests: [psi, ks], correction: none, columns: [tenure], window: 1 d}}
"""
    found = findings(text, tmp_path)["p-values-on-many-rows"]
    assert found.route == ("monitoring", "data_drift", "tests", 1)
    assert "a shift of 0.015" in found.message


@pytest.mark.parametrize(
    "text",
    [
        "data: {volume: null}\nevaluation: {beat_baseline_by: 0.0001, overfitting: {max_gap: 0.0001}}",
        "requirements: {service: {throughput: null}}\ndeployment: {pattern: {kind: canary, hold: 1 s}}",
        "requirements: {service: {error_rate: null}}\ndeployment: {pattern: {kind: canary, hold: 1 s}}",
    ],
)
def test_what_nobody_knows_is_not_guessed(text: str, tmp_path: Path) -> None:
    from mlspec.rules import catalogue

    assert not [code for code in findings(text, tmp_path) if code in catalogue() and catalogue()[code].code.startswith("STA")]


@pytest.mark.parametrize(
    "text",
    [
        "data: {volume: {rows: 1}}",
        "data: {volume: {rows: 7}}\ntraining: {cross_validation: 100}",
        "data: {volume: {rows: 999999999999999999999999999999}}",
        "evaluation: {confidence: 0.9999999999999999, fairness: {max: 0.0000000001}}\ndata: {volume: {rows: 500}}",
        "evaluation: {confidence: 0.0000000000000001}\ndata: {volume: {rows: 500}}",
        "evaluation: {worst_slice: {min_rows: 1, max_drop: 100 %}, overfitting: {max_gap: 1.0e+300}}",
        "evaluation: {worst_slice: {min_rows: 1, max_drop: 0 %}, beat_baseline_by: 1.0e-300}\ndata: {volume: {rows: 500}}",
        "requirements: {service: {throughput: 0 /s}}",
        "requirements: {service: {throughput: 0.00000000000000000001 /d, error_rate: 0.00000000000000000001 %}}",
        "requirements: {service: {throughput: 99999999999999999999999999999 /s, error_rate: 100 %}}",
        "deployment: {pattern: {kind: canary, steps: [0 %, 100 %], hold: 0 s}}",
        "deployment: {pattern: canary}",
        "monitoring: {data_drift: {tests: [ks, psi, chi2], correction: none, p_value: 1.0e-320, psi: 1.0e-320, min_rows: 1}}",
        "monitoring: {data_drift: {tests: [ks, psi, chi2], p_value: 0.9999999999999999, window: 0 s, min_rows: 99999999999}}",
        "retraining: {ab_test: {min_effect: 1.0e-300, max_duration: 0 s, split: 0 %}}",
        "retraining: {ab_test: {min_effect: 5, max_duration: 1 y, power: 0.9999999999999999, significance: 1.0e-320}}",
        "requirements: {metrics: [{metric: accuracy, target: '< -3'}, {metric: mae, target: '>= 100 %'}]}",
        "requirements: {metrics: []}\nevaluation: {worst_slice: {}}",
        "training: {tuning: {method: grid, space: {a: {low: -1.0e+300, high: 1.0e+300, step: 1.0e-300}}}}",
        "training: {tuning: {trials: 1, space: {learning_rate: {low: 1.0e-300, high: 1.0e+300}}}}",
        "training: {tuning: {space: {max_iter: {values: [true, x, 1.5, -3]}}}}",
        "model: {params: {learning_rate: 1.0e+300, max_iter: 999999999}}",
        "model: {params: {learning_rate: 1.0e-300, min_samples_leaf: 99999999999}}",
        "evaluation: {stress: {rate: 0 /s, duration: 0 s}}",
        "data: {labels: {human_level: {metric: accuracy, value: 1, rows: 1}}}",
        "data: {labels: {human_level: {metric: '', value: -1.0e+300, rows: 1}}}",
    ],
)
def test_no_number_crashes_a_rule(text: str, tmp_path: Path) -> None:
    found = findings(text, tmp_path)
    assert "rule-crashed" not in found, found["rule-crashed"]
