"""What differs between two specs and what it means: nothing is missed, nothing is invented, and the way it went is right."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.diagnostic import Route, dotted
from mlspec.plan import approval, past, table
from mlspec.plan.difference import ABSENT, Change, Move, differences, leaves, same
from mlspec.plan.plan import compare
from mlspec.plan.show import diff_text, short
from mlspec.spec.project import inspect, resolved

ROOT = Path(__file__).parent.parent
GALLERY = sorted((ROOT / "specs").glob("*.yaml"))

SPEC: dict[str, Any] = {
    "mlspec": 1,
    "project": {
        "name": "churn",
        "stakeholders": [
            {"role": "product_manager", "contact": "pm@example.com", "approves": ["requirements"]},
            {"role": "data_owner", "approves": ["data"]},
            {"role": "head_of_operations", "approves": ["production", "retraining"]},
        ],
    },
    "requirements": {
        "metrics": [{"metric": "roc_auc", "target": ">= 0.9", "primary": True}, {"metric": "recall", "target": ">= 0.8"}],
        "coverage": [{"name": "new", "where": "tenure < 3"}],
        "service": {"latency_p95": "80 ms", "availability": "99.9 %", "error_rate": "0.1 %", "throughput": "200 /s"},
        "automation": {"level": "human_in_the_loop"},
    },
    "task": {"kind": "classification", "target": "churn", "positive": "yes"},
    "data": {
        "sources": {"customers": {"kind": "csv", "path": "customers.csv"}},
        "columns": {
            "id": {"role": "id"},
            "email": {"role": "ignore", "pii": True},
            "tenure": {"type": "integer", "min": 0, "max": 72, "nullable": False},
            "plan": {"values": ["a", "b"], "unique": False},
        },
        "checks": [{"kind": "missing", "max": "1 %"}, {"kind": "range", "columns": ["tenure"], "min": 0, "max": 72}],
        "privacy": {"mask": "drop", "retention": "1 y", "lawful_basis": "consent"},
    },
    "splits": {"strategy": "stratified", "seed": 7},
    "features": [{"kind": "impute"}, {"kind": "scale"}],
    "model": {"kind": "sklearn.logistic_regression", "params": {"C": 1.0}},
    "evaluation": {
        "beat_baseline_by": 0.1,
        "overfitting": {"max_gap": 0.05},
        "worst_slice": {"max_drop": "10 %", "min_rows": 50},
        "slices": ["plan"],
        "fairness": {"sensitive": ["plan"], "max": 0.1},
    },
    "monitoring": {
        "data_drift": {"psi": 0.1, "tests": ["ks", "psi"]},
        "concept_drift": {"max_drop": "5 %"},
        "alerts": [{"kind": "email", "to": ["a@example.com"], "server": "${env:MAIL}", "severity": "info"}],
    },
    "retraining": {"approve": "human", "on": ["data_drift"], "schedule": "daily"},
    "deployment": {"security": {"authentication": "token"}},
    "hardware": {"training": {"cpu": 2, "memory": "4 GiB"}},
    "exports": [{"kind": "onnx", "max_drop": "1 %"}],
    "pipeline": {"retries": 1, "timeout": "60 s"},
    "steps": {
        "agree": {"kind": "approval", "message": "Go?", "before": ["register"], "approvers": ["product_manager"]},
        "extra": {"entrypoint": "work:extra", "outputs": {"out": "file"}, "environment": {"KEY": "${secret:orders/key}"}},
    },
}


def resolve(data: Any) -> dict[str, Any]:
    inspection = inspect(data)
    assert inspection.project is not None, [str(one) for one in inspection.findings]
    return resolved(inspection.project)


def edited(*edits: tuple[str, Any]) -> dict[str, Any]:
    """Return the spec with values set (or, for `...`, removed) at routes written with dots."""
    spec = copy.deepcopy(SPEC)
    for route, value in edits:
        *parents, last = [int(part) if part.isdigit() else part for part in route.split("/")]
        inside: Any = spec
        for part in parents:
            inside = inside[part]
        if value is ...:
            del inside[last]
        else:
            inside[last] = value
    return spec


# -- what an edit means: the edit, and every finding that it makes (code, level)

EDITS: list[tuple[list[tuple[str, Any]], dict[str, str]]] = [
    ([("requirements/metrics/0/target", ">= 0.85")], {"gate-laxer": "risky"}),
    ([("requirements/metrics/0/target", ">= 0.95")], {"gate-stricter": "safe"}),
    ([("requirements/metrics/0/target", "> 0.9")], {"gate-stricter": "safe"}),
    ([("requirements/metrics/0/target", "<= 0.9")], {"gate-laxer": "risky"}),
    ([("requirements/metrics/1", ...)], {"gate-removed": "risky"}),
    ([("requirements/metrics/1", {"metric": "f1", "target": ">= 0.7"})], {"gate-removed": "risky", "gate-added": "safe"}),
    ([("requirements/coverage", [])], {"gate-removed": "risky"}),
    ([("requirements/service/latency_p95", "0.2 s")], {"service-laxer": "risky"}),
    ([("requirements/service/latency_p95", "0.05 s")], {"service-stricter": "safe"}),
    ([("requirements/service/error_rate", ...)], {"service-removed": "risky"}),
    ([("requirements/service/availability", "99 %")], {"service-laxer": "risky"}),
    ([("requirements/service/throughput", "12000 /min")], {}),
    ([("requirements/automation/level", "full")], {"approval-laxer": "risky"}),
    ([("evaluation/beat_baseline_by", 0.05)], {"gate-laxer": "risky"}),
    ([("evaluation/beat_baseline_by", ...)], {"gate-removed": "risky"}),
    ([("evaluation/overfitting/max_gap", 0.2)], {"gate-laxer": "risky"}),
    ([("evaluation/overfitting", ...)], {"gate-removed": "risky"}),
    ([("evaluation/worst_slice/max_drop", "20 %")], {"gate-laxer": "risky"}),
    ([("evaluation/worst_slice/min_rows", 500)], {"gate-laxer": "risky"}),
    ([("evaluation/worst_slice", ...)], {"gate-removed": "risky"}),
    ([("evaluation/slices", [])], {"gate-removed": "notable"}),
    ([("evaluation/fairness/max", 0.3)], {"fairness-laxer": "risky"}),
    ([("evaluation/fairness", ...)], {"fairness-removed": "risky"}),
    ([("evaluation/threshold", 0.3)], {"evaluation-changed": "risky"}),
    ([("data/on_failure", "warn")], {"data-check-laxer": "risky"}),
    ([("data/checks/0/max", "5 %")], {"data-check-laxer": "risky"}),
    ([("data/checks/0/max", "0.5 %")], {"data-check-stricter": "safe"}),
    ([("data/checks/0/columns", ["plan"])], {"data-check-laxer": "risky"}),
    ([("data/checks", [])], {"data-check-removed": "risky"}),
    ([("data/checks/1/max", 100)], {"data-check-laxer": "risky"}),
    ([("data/columns/tenure/min", ...)], {"data-check-removed": "risky"}),
    ([("data/columns/tenure/nullable", True)], {"data-check-laxer": "risky"}),
    ([("data/columns/tenure", ...)], {"data-check-removed": "risky", "feature-removed": "notable"}),
    ([("data/columns/plan/values", ["a", "b", "c"])], {"data-check-laxer": "risky"}),
    ([("data/columns/email/role", "feature")], {"privacy-added": "risky", "feature-added": "risky"}),
    ([("data/columns/email/pii", False)], {"privacy-removed": "risky"}),
    ([("data/columns/email", ...)], {"privacy-removed": "risky", "feature-added": "risky"}),
    ([("data/columns/id", ...)], {"feature-added": "risky"}),
    ([("data/columns/plan/pii", True)], {"privacy-added": "risky"}),
    ([("data/columns/phone", {"pii": True})], {"privacy-added": "risky", "feature-added": "safe"}),
    ([("data/privacy/mask", "hash")], {"privacy-laxer": "risky"}),
    ([("data/privacy/retention", "2 y")], {"privacy-laxer": "risky"}),
    ([("data/privacy/retention", "12 month")], {}),
    ([("data/privacy", ...)], {"privacy-removed": "risky"}),
    ([("data/sources/customers/path", "other.csv")], {"source-changed": "risky"}),
    ([("splits/seed", 8)], {"split-changed": "risky"}),
    ([("splits/strategy", "random")], {"split-changed": "risky"}),
    ([("splits/rationale", "because")], {"words-changed": "safe"}),
    ([("task/positive", "no")], {"problem-changed": "risky"}),
    ([("model/params/C", 2.0)], {"model-changed": "notable"}),
    ([("model", {"kind": "sklearn.random_forest"})], {"model-changed": "notable"}),
    ([("features", [{"kind": "scale"}, {"kind": "impute"}])], {"model-changed": "notable"}),
    ([("monitoring", ...)], {"monitor-removed": "risky"}),
    ([("monitoring/data_drift", ...)], {"monitor-removed": "risky"}),
    ([("monitoring/data_drift/psi", 0.3)], {"monitor-laxer": "risky"}),
    ([("monitoring/data_drift/tests", ["ks"])], {"monitor-laxer": "risky"}),
    ([("monitoring/data_drift/columns", ["plan"])], {"monitor-laxer": "risky"}),
    ([("monitoring/concept_drift/max_drop", "1 %")], {"monitor-stricter": "safe"}),
    ([("monitoring/alerts", [])], {"alert-removed": "risky"}),
    ([("monitoring/alerts/0/severity", "critical")], {"alert-laxer": "risky"}),
    ([("retraining/approve", "automatic")], {"approval-laxer": "risky"}),
    ([("retraining/schedule", "0 3 * * *")], {}),
    ([("deployment/security/authentication", "none")], {"protection-laxer": "risky"}),
    ([("deployment/security", ...)], {"protection-removed": "risky"}),
    ([("exports/0/max_drop", "5 %")], {"export-laxer": "risky"}),
    ([("hardware/training/memory", "8 GiB")], {"operation-changed": "notable"}),
    ([("hardware/training/memory", "4096 MiB")], {}),
    ([("pipeline/timeout", "1 min")], {}),
    ([("pipeline/timeout", "2 min")], {"operation-changed": "notable"}),
    ([("pipeline/notify", [{"kind": "email", "to": ["a@example.com"], "server": "${env:MAIL}"}])], {"alert-added": "safe"}),
    ([("steps/agree", ...)], {"approval-removed": "risky"}),
    ([("steps/agree/before", [])], {"approval-laxer": "risky"}),
    ([("steps/agree/approvers", [])], {"approval-changed": "risky"}),
    ([("steps/extra", ...)], {"step-removed": "notable"}),
    ([("steps/extra/environment/KEY", "${secret:other/key}")], {"secret-changed": "notable"}),
    ([("project/stakeholders/0/approves", [])], {"people-changed": "risky"}),
    ([("project/problem", "words")], {"words-changed": "safe"}),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "expected"), EDITS, ids=lambda value: str(value)[:60])
def test_what_an_edit_means(edits: list[tuple[str, Any]], expected: dict[str, str]) -> None:
    meaning = compare(resolve(SPEC), resolve(edited(*edits)))
    told_of = reversed(meaning.judgements)  # the riskiest of a code stays
    assert {one.code: one.level.value for one in told_of} == expected
    assert bool(meaning.changes) == bool(expected)
    risky = [one for one in meaning.judgements if one.level is table.RISKY]
    to_agree_to = [one for need in meaning.needs for one in need.judgements]
    assert sorted(map(repr, to_agree_to)) == sorted(map(repr, risky))  # values of a spec have no hash
    assert all(one.area == need.area for need in meaning.needs for one in need.judgements)
    told = diff_text(meaning, lambda route: "spec.yaml:1")
    assert all(one.message in told and one.topic.why in told for one in risky)


@pytest.mark.parametrize(("edits", "expected"), EDITS, ids=lambda value: str(value)[:60])
def test_what_is_undone_goes_the_other_way(edits: list[tuple[str, Any]], expected: dict[str, str]) -> None:
    """What was laxer is stricter when it is taken back; what cannot be compared stays a change."""
    forth = compare(resolve(SPEC), resolve(edited(*edits))).judgements
    back = compare(resolve(edited(*edits)), resolve(SPEC)).judgements
    turned = {"laxer": "stricter", "stricter": "laxer", "removed": "added", "added": "removed", "changed": "changed"}
    ways = [
        {one.code.rpartition("-")[2] for one in found if one.topic.name not in ("feature", "privacy")} for found in (forth, back)
    ]
    if edits[0][0] != "requirements/metrics/0/target" or edits[0][1] != "<= 0.9":  # another direction is laxer both ways
        assert {turned[way] for way in ways[0]} == ways[1]


def test_every_row_of_the_table_is_one_of_the_language() -> None:
    """A route that the language does not have could never be found: the table would be silent where it should speak."""
    from mlspec.spec import shape
    from mlspec.spec.project import Project

    for row in table.ROWS:
        standing = [shape.Place(Project)]
        for part in [
            part for one in row.route.split(".") for part in (one.removesuffix("[]"), *(["[]"] if one.endswith("[]") else []))
        ]:
            below: list[Any] = []
            for one in standing:
                if part in ("[]", "*"):
                    inner = shape.element(one)
                    below += (
                        [inner]
                        if inner
                        else [shape.place(field) for model in shape.models(one) for field in shape.fields(model).values()]
                    )
                else:
                    below += list(shape.below(one, part))
            standing = below
            if not standing:
                break
        assert standing or row.route == "x", row.route


def test_rows_say_only_levels_that_their_topic_can_bear() -> None:
    for row in table.ROWS:
        if table.RISKY in (row.lax if row.stricter else row.other, row.strict):
            assert row.topic.why, row.route
            assert row.topic.guide, row.route
        assert re.fullmatch(r"[\w.\[\]*]+", row.route)


# -- nothing is missed, nothing is invented


def values(data: Any, route: Route = ()) -> Iterator[tuple[Route, Any]]:
    if isinstance(data, dict) and data:
        for key, inner in data.items():
            yield from values(inner, (*route, key))
    elif isinstance(data, list) and any(isinstance(one, dict) for one in data):
        for index, inner in enumerate(data):
            yield from values(inner, (*route, index))
    else:
        yield route, data


def other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, list):
        return [*value, "more"]
    return f"{value}x" if isinstance(value, str) else "something"


def put(data: Any, route: Route, value: Any) -> Any:
    whole = copy.deepcopy(data)
    inside = whole
    for part in route[:-1]:
        inside = inside[part]
    inside[route[-1]] = value
    return whole


@pytest.mark.parametrize("spec", [*GALLERY, None], ids=lambda spec: spec.stem if spec else "whole")
def test_each_value_of_a_spec_is_named_when_it_changes(spec: Path | None) -> None:
    before = past.read(spec) if spec else resolve(SPEC)
    assert compare(before, before).changes == ()
    for route, value in values(before):
        after = put(before, route, other(value))
        meaning = compare(before, after)
        told = [change.route for change in meaning.changes]
        # a name that changes makes another item: the old one is gone, the new one is there
        assert any(route[: len(one)] == one for one in told), route
        assert all(any(route[: len(one)] == one for one in told) or one[:-1] == route[: len(one) - 1] for one in told), (
            route,
            told,
        )
        assert meaning.judgements, route
        assert all(one.message and one.level for one in meaning.judgements)
        shown = diff_text(meaning, lambda route: "")
        assert all(dotted(change.route) in shown for change in meaning.changes)


PLAIN = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2).map(lambda one: one + 0.0) | st.text("ab ", max_size=3)
TREES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["kind", "name", "metric", "a", "b"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(TREES)
@settings(max_examples=150, deadline=None)
def test_nothing_differs_from_itself(tree: Any) -> None:
    assert differences({"top": tree}, {"top": copy.deepcopy(tree)}) == []


@given(TREES, TREES)
@settings(max_examples=300, deadline=None)
def test_differences_are_the_same_from_both_sides(old: Any, new: Any) -> None:
    forth, back = differences({"top": old}, {"top": new}), differences({"top": new}, {"top": old})
    assert sorted(map(repr, (change.turned() for change in forth))) == sorted(map(repr, back))
    assert bool(forth) == (not same(old, new))
    for change in forth:
        assert change.move in Move
        assert list(leaves(change))


@given(TREES, TREES)
@settings(max_examples=200, deadline=None)
def test_each_side_of_a_difference_stands_where_it_says(old: Any, new: Any) -> None:
    def at(tree: Any, route: Route | None) -> Any:
        inside: Any = {"top": tree}
        for part in route or ():
            inside = inside[part]
        return inside

    for change in differences({"top": old}, {"top": new}):
        if change.move is not Move.REORDERED:
            assert change.old is ABSENT if change.old_route is None else same(at(old, change.old_route), change.old)
            assert change.new is ABSENT if change.new_route is None else same(at(new, change.new_route), change.new)


def test_items_are_matched_by_what_they_are_called() -> None:
    old = [{"metric": "a", "target": 1}, {"metric": "b", "target": 2}]
    [change] = differences({"m": old}, {"m": [{"metric": "c", "target": 0}, *old]})
    assert (change.move, change.route) == (Move.ADDED, ("m", 0))
    [change] = differences({"m": old}, {"m": [{"metric": "b", "target": 3}]})[:1]
    assert (change.old_route, change.new_route, change.old, change.new) == (("m", 1, "target"), ("m", 0, "target"), 2, 3)
    [change] = differences({"m": old}, {"m": old[::-1]})
    assert change.move is Move.REORDERED


def test_what_is_told_stands_under_its_own_change() -> None:
    """The second requirement goes, another takes its place in the list: each has its own line, and the removed one no place."""
    new = edited(("requirements/metrics/1", {"metric": "f1", "target": ">= 0.7"}))
    meaning = compare(resolve(SPEC), resolve(new))
    told = diff_text(meaning, dotted).splitlines()
    gone = next(index for index, line in enumerate(told) if line.startswith("  - requirements.metrics[1]"))
    came = next(index for index, line in enumerate(told) if line.startswith("  + requirements.metrics[1]"))
    assert told[gone].endswith("  requirements.metrics")
    assert "removed: the requirement on recall" in told[gone + 1]
    assert told[came].endswith("  requirements.metrics[1]")
    assert "new: the requirement on f1" in told[came + 1]


def test_values_are_shown_so_that_they_differ() -> None:
    assert [short(value) for value in ("a", "", " ", None, True, 1.0, [" "], {"a": None, "b": 2})] == [
        "a", '""', '" "', "none", "true", "1.0", '[" "]', "{b: 2}",
    ]  # fmt: skip


def test_a_column_that_may_be_missing_was_not_checked_before() -> None:
    told = compare(resolve(SPEC), resolve(edited(("data/columns/plan/nullable", True)))).judgements
    assert [(one.code, one.level.value) for one in told] == [("data-check-changed", "notable")]


# -- who may agree


def test_who_may_agree_is_who_could_before_the_change() -> None:
    lets_himself_in = edited(
        ("project/stakeholders/0/approves", []),
        ("project/stakeholders/2", {"role": "me", "approves": ["requirements", "production"]}),
        ("requirements/metrics/0/target", ">= 0.1"),
    )
    meaning = compare(resolve(SPEC), resolve(lets_himself_in))
    who = {need.area: [person.role for person in need.who] for need in meaning.needs}
    assert who == {"requirements": ["product_manager"], "production": ["head_of_operations"]}
    assert approval.lacking(meaning.needs, ["me"])
    assert not approval.lacking(meaning.needs, ["PM@example.com", "head_of_operations"])


def test_where_nobody_may_it_says_so() -> None:
    meaning = compare(resolve(SPEC), resolve(edited(("evaluation/threshold", 0.3))))
    [finding] = approval.lacking(meaning.needs, ["product_manager"])
    assert "nobody may" in finding.help
    assert "`model`" in finding.help
    assert "nobody may" in diff_text(meaning, lambda route: "")
    assert approval.lacking(meaning.needs, [""])


# -- the command


def mlspec(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run([sys.executable, "-m", "mlspec", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(json.dumps(SPEC))
    turned = dict(reversed(SPEC.items()))
    (tmp_path / "b.yaml").write_text("# a comment\n" + json.dumps({**turned, "pipeline": {"timeout": "1 min", "retries": 1}}))
    (tmp_path / "c.yaml").write_text(
        json.dumps(edited(("requirements/metrics/0/target", ">= 0.8")) | {"environments": {"x": {"splits": {"seed": 8}}}})
    )
    none = mlspec(tmp_path, "diff", "a.yaml", "b.yaml")
    assert (none.returncode, none.stdout) == (0, "")
    told = mlspec(tmp_path, "diff", "a.yaml", "c.yaml")
    assert told.returncode == 2
    assert ">= 0.9 -> >= 0.8  c.yaml:1" in told.stdout
    assert "product_manager <pm@example.com>" in told.stdout
    assert "\x1b" not in told.stdout
    machine = json.loads(mlspec(tmp_path, "diff", "a.yaml", "c.yaml", "--env-b", "x", "--json").stdout)
    assert (machine["version"], machine["changed"], machine["level"]) == (1, True, "risky")
    assert [one["route"] for one in machine["differences"]] == ["requirements.metrics[0].target", "splits.seed"]
    assert machine["differences"][1]["old"] == 7
    assert {one["code"] for one in machine["findings"]} == {"gate-laxer", "split-changed"}
    assert [one["area"] for one in machine["approval"]["needed"]] == ["requirements", "data"]
    lacking = mlspec(tmp_path, "diff", "a.yaml", "c.yaml", "--require-approval")
    assert lacking.returncode == 1
    assert "nobody has approved 1 risky change of requirements" in lacking.stderr
    assert mlspec(tmp_path, "diff", "a.yaml", "c.yaml", "--require-approval", "--approved-by", "pm@example.com").returncode == 2
    assert mlspec(tmp_path, "diff", "a.yaml", "c.yaml", "--approved-by", "data_owner").returncode == 1


def test_wrong_usage_is_not_a_difference(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(json.dumps(SPEC))
    (tmp_path / "broken.yaml").write_text("mlspec: 1\nproject: [")
    assert mlspec(tmp_path, "diff", "a.yaml").returncode == 1
    assert mlspec(tmp_path, "diff", "a.yaml", "a.yaml", "--sideways").returncode == 1
    assert mlspec(tmp_path, "diff", "a.yaml", "absent.yaml").returncode == 1
    assert mlspec(tmp_path, "diff", "a.yaml", "broken.yaml").returncode == 1


def test_hostile_text_stays_text() -> None:
    old = resolve(edited(("project/problem", "a")))
    new = resolve(edited(("project/problem", "\x1b[31mred\n$(rm)"), ("data/columns/\x1b]0;x\x07", {"unit": "\x1b[2J"})))
    told = diff_text(compare(old, new), lambda route: "")
    assert "\x1b" not in told
    assert "\x07" not in told


def test_change_is_its_own_turn() -> None:
    change = Change(("a",), ("b",), 1, 2)
    assert change.turned().turned() == change
