"""The rules of operations compute what they say: borders, numbers in messages, how often a schedule fires, and when they keep quiet."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest

from mlspec import lint
from mlspec.diagnostic import Diagnostic
from mlspec.rules._cadence import SECONDS, counted, period, spoken

BASE = Path(__file__).parent.parent / "data" / "rules" / "base.yaml"


def found(overlay: str, folder: Path, code: str) -> list[Diagnostic]:
    """Return the findings of one rule in the example project with something laid over it."""
    spec = folder / "spec.yaml"
    spec.write_text(f"extends: {os.path.relpath(BASE, folder)}\n{overlay}\n", encoding="utf-8")
    opened = lint.check(spec)
    assert opened.project is not None, opened.diagnostics
    diagnostics = opened.diagnostics
    assert not [one for one in diagnostics if one.finding.code == "rule-crashed"]
    return [one for one in diagnostics if one.finding.code == code]


BORDERS = [
    ("canary-starts-too-wide", "deployment: {{pattern: {{steps: [{}, 100 %]}}}}", "10 %", "10.1 %"),
    ("canary-jumps", "deployment: {{pattern: {{steps: [{}, 100 %]}}}}", "10 %", "9 %"),
    ("canary-never-finishes", "deployment: {{pattern: {{steps: [10 %, {}]}}}}", "100 %", "99 %"),
    ("high-availability-one-replica", "deployment: {{scale: {{min: {}}}}}", "2", "1"),
    ("high-availability-one-replica", "deployment: {{scale: {{min: 1}}}}\nrequirements: {{service: {{availability: {}}}}}", "99 %", "99.9 %"),
    ("many-errors-allowed", "requirements: {{service: {{error_rate: {}}}}}", "0.1 %", "0.11 %"),
    ("slower-than-real-time", "requirements: {{service: {{latency_p95: {}}}}}", "100 ms", "101 ms"),
    ("latencies-out-of-order", "requirements: {{service: {{latency_p99: {}}}}}", "50 ms", "49 ms"),
    ("batching-eats-latency", "deployment: {{batching: {{wait: {}}}}}", "24 ms", "25 ms"),
    ("stale-answers", "deployment: {{cache: {{ttl: {}}}}}", "59 min", "1 h"),
    ("gentle-stress-test", "evaluation: {{stress: {{rate: {}}}}}", "200 /s", "199 /s"),
    ("replica-too-small", "hardware: {{serving: {{memory: {}}}}}", "165 MB", "164 MB"),
    ("looser-than-the-guide", "monitoring: {{concept_drift: {{max_drop: {}}}}}", "5 %", "5.1 %"),
    ("looser-than-the-guide", "monitoring: {{system: {{memory: {}}}}}", "80 %", "81 %"),
    ("drift-threshold-too-high", "monitoring: {{data_drift: {{psi: {}}}}}", "0.25", "0.26"),
    ("window-longer-than-retraining", "monitoring: {{data_drift: {{window: {}}}}}", "7 d", "8 d"),
    ("watched-looser-than-required", "monitoring: {{concept_drift: {{max_drop: {}}}}}", "40 %", "41 %"),
    ("cooldown-longer-than-schedule", "retraining: {{cooldown: {}}}", "7 d", "8 d"),
    ("too-much-left-to-chance", "feedback: {{exploration: {}}}", "19 %", "20 %"),
    ("threshold-accepts-everything", "requirements: {{automation: {{accept_above: {}}}}}", "0.51", "0.5"),
    ("rollout-slower-than-retraining", "deployment: {{pattern: {{hold: {}}}}}", "2 d", "3 d"),
    ("more-automation-than-the-guide", "requirements: {{error_cost: {}}}", "medium", "high"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "overlay", "well", "badly"), BORDERS, ids=lambda one: one if "{" not in one else "")
def test_a_border(code: str, overlay: str, well: str, badly: str, tmp_path: Path) -> None:
    assert not found(overlay.format(well), tmp_path, code), well
    assert len(found(overlay.format(badly), tmp_path, code)) == 1, badly


NUMBERS = [
    ("high-availability-one-replica", "deployment: {scale: {min: 1}}", "43.8 min a month"),
    ("single-machine-availability", "deployment: {target: compose, scale: null}", "43.8 min a month"),
    ("many-errors-allowed", "requirements: {service: {error_rate: 1 %}}", "172,800 a day at 200 /s"),
    ("no-time-to-repair", "requirements: {service: {availability: 99.99 %, mean_time_between_failures: 1 d}}", "leave 8.64 s"),
    ("users-cannot-ask-that-often", "requirements: {service: {concurrent_users: 5, latency_p50: 40 ms}}", "at most 125 times"),
    ("batches-of-one", "deployment: {batching: {wait: 5 ms}}\nrequirements: {service: {throughput: 10 /s}}", "gets 0.025 further"),
    ("rolling-leaves-no-replica",
     "deployment: {scale: {min: 1}, pattern: {kind: rolling, steps: null, hold: null, rollback: null, max_surge: 0 %, max_unavailable: 10 %}}",
     "an update takes 1 away"),
    ("people-cannot-keep-up", "requirements: {volume: high, automation: {level: human_in_the_loop}}", "12,000 people"),
    ("approval-asked-too-often", "retraining: {schedule: hourly, cooldown: 2 h}", "about 12 times a day"),
    ("rollout-slower-than-retraining", "deployment: {pattern: {hold: 3 d}}", "a rollout takes 9 d"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "overlay", "words"), NUMBERS, ids=[code for code, _, _ in NUMBERS])
def test_a_number(code: str, overlay: str, words: str, tmp_path: Path) -> None:
    (one,) = found(overlay, tmp_path, code)
    assert words in one.finding.message


QUIET = [
    ("rolling-leaves-no-replica", "deployment: {scale: {min: 4}, pattern: {kind: rolling, steps: null, hold: null, rollback: null, max_unavailable: 99 %}}"),
    ("no-latency-target", "deployment: {asynchronous: true}\nrequirements: {service: {latency_p95: null}}"),
    ("big-bang-rollout", "deployment: {serve: batch, pattern: null}"),
    ("throughput-beyond-capacity", "requirements: {service: {throughput: 100000 /s}}\nhardware: {serving: {accelerator: gpu}}"),
    ("trained-on-its-own-decisions", "feedback: {holdout: 0 %, natural_labels: true}"),
    ("cooldown-shorter-than-label-delay", "retraining: {on: [concept_drift]}"),
    ("family-cannot-learn-on", "model: {kind: sklearn.naive_bayes, params: null}\nretraining: {strategy: incremental}"),
    ("detector-misses-slow-drift", "monitoring: {concept_drift: {expected: [sudden], detector: ddm}}"),
    ("shadow-ends-before-the-truth", "deployment: {pattern: {kind: shadow, steps: null, hold: null, rollback: null, duration: 15 d, exit: recall}}"),
    ("no-monitoring", "project: {phase: proof_of_concept}\nmonitoring: null"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "overlay"), QUIET, ids=[code for code, _ in QUIET])
def test_nothing_is_said(code: str, overlay: str, tmp_path: Path) -> None:
    assert not found(overlay, tmp_path, code)


def starts(minutes: set[int], hours: set[int], days: set[int], months: set[int], weekdays: set[int], either: bool) -> int:
    """Count a schedule's starts in the four years from 2024, day by day."""
    count = 0
    for number in range(1461):
        day = datetime.date(2024, 1, 1) + datetime.timedelta(number)
        dated, named = day.day in days, day.isoweekday() % 7 in weekdays
        if day.month in months and ((dated or named) if either else (dated and named)):
            count += len(minutes) * len(hours)
    return count


EVERY_DAY, EVERY_MONTH, EVERY_WEEKDAY = set(range(1, 32)), set(range(1, 13)), set(range(7))
SCHEDULES = {
    "0 3 * * 1": ({0}, {3}, EVERY_DAY, EVERY_MONTH, {1}, False),
    "*/5 * * * *": (set(range(0, 60, 5)), set(range(24)), EVERY_DAY, EVERY_MONTH, EVERY_WEEKDAY, False),
    "30 2 1,15 * *": ({30}, {2}, {1, 15}, EVERY_MONTH, EVERY_WEEKDAY, False),
    "0 0 1 1 *": ({0}, {0}, {1}, {1}, EVERY_WEEKDAY, False),
    "15 */6 * jan-mar *": ({15}, {0, 6, 12, 18}, EVERY_DAY, {1, 2, 3}, EVERY_WEEKDAY, False),
    "0 9-17 * * mon-fri": ({0}, set(range(9, 18)), EVERY_DAY, EVERY_MONTH, {1, 2, 3, 4, 5}, False),
    "0 0 1 * 1": ({0}, {0}, {1}, EVERY_MONTH, {1}, True),
    "0 0 * * tue-sat/2": ({0}, {0}, EVERY_DAY, EVERY_MONTH, {2, 4, 6}, False),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_fires_as_often_as_the_calendar_says(schedule: str) -> None:
    counted_by_day = 1461 * 86_400 / starts(*SCHEDULES[schedule])
    assert period(schedule) == pytest.approx(counted_by_day, rel=0.02)


def test_words_for_schedules_and_numbers() -> None:
    assert [period(word) for word in SECONDS] == list(SECONDS.values())
    assert [spoken(one) for one in (0, 0.005, 0.5, 90, 2630, 86_400, 200 * 86_400)] == [
        "0 ms", "5 ms", "500 ms", "1.5 min", "43.8 min", "1 d", "200 d",
    ]  # fmt: skip
    assert [counted(one) for one in (0.0001, 0.25, 3.456, 9900)] == ["less than 0.01", "0.25", "3.46", "9,900"]
