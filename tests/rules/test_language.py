"""Every code that is reported when a spec is linted has a page, and a rule that crashes is told as the page says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlspec import lint
from mlspec import rules as package
from mlspec.diagnostic import Fix, Severity, dotted
from mlspec.fan_out import MARK
from mlspec.rules import catalogue
from mlspec.spec.across import implied
from mlspec.spec.project import validate
from tests.test_spec import changed

ROOT = Path(__file__).parent.parent.parent
LANGUAGE = [
    *sorted((ROOT / "mlspec" / "spec").glob("*.py")),
    *(
        ROOT / "mlspec" / f"{name}.py"
        for name in ("lint", "fan_out", "patches", "kinds", "fields", "quantity", "secret", "families/__init__")
    ),
]
"""Modules that speak when a spec is linted."""

UNIONS = [
    file
    for union in ("sources", "transforms", "families", "checks", "exports", "rollouts", "alerts", "trackers", "registries")
    for file in sorted((ROOT / "mlspec" / union).glob("*.py"))
]
"""Members of unions: their validators, which raise `fault`, speak when a spec is linted; what they do with rows is for a run."""

MAKERS = {"Finding", "fault", "QuantityError", "_unknown"}
CODE = re.compile(r"[a-z]+(-[a-z0-9]+)+|malformed|contradiction")
ELSEWHERE = {
    "bad-value",  # of plain data of a step, which lowering has written: only a run reports it
    *("not-generated", "patch-does-not-fit", "patch-malformed"),  # of what `compile` writes, which lint does not look at
    "rows-not-looked-at",  # only with `--data`, which examples of a page without a check are not linted with
}


def reported(file: Path, makers: set[str]) -> Iterator[str]:
    """Yield the codes that a module writes in a call that makes a finding, or gives to a name `code` or `CODE`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        written: list[ast.AST] = []
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in makers:
            written = list(node.args) if getattr(node.func, "id", None) == "_unknown" else list(node.args[:1])
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "").lower() == "code":
            written = [node.value]
        for part in written:
            for one in ast.walk(part) if not isinstance(part, ast.JoinedStr) else ():
                if isinstance(one, ast.Constant) and isinstance(one.value, str) and CODE.fullmatch(one.value):
                    yield one.value


def test_every_code_of_the_language_has_a_page() -> None:
    codes = {code for file in LANGUAGE for code in reported(file, MAKERS)}
    codes |= {code for file in UNIONS for code in reported(file, {"fault"})}
    assert len(codes) > 35, "the scan finds them"
    assert {"unknown-key", "inline-secret", "missing-unit", "unknown-source", "not-realised-yet", "rule-crashed"} <= codes
    assert codes - ELSEWHERE <= catalogue().keys()


def test_no_page_is_left_over() -> None:
    """A page of the language stands for a code that something reports."""
    text = "".join(file.read_text(encoding="utf-8") for file in [*LANGUAGE, *UNIONS])
    pages = [rule.name for rule in catalogue().values() if rule.topic == "language"]
    assert len(pages) > 35
    assert [name for name in pages if f'"{name}"' not in text] == []


def test_a_rule_that_crashes_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(case: object) -> None:
        raise ZeroDivisionError("division by zero")

    rules = dict(catalogue())
    victim = next(name for name, rule in rules.items() if rule.check is not None and not rule.data and rule.ladder[0])
    rules[victim] = replace(rules[victim], check=crash)  # type: ignore[arg-type]
    monkeypatch.setattr(package, "catalogue", lambda: rules)
    monkeypatch.setattr(lint, "_usual", lint._usual.__wrapped__)  # what was found of the true catalogue is remembered
    before = [one.finding.code for one in lint.check(ROOT / "specs" / "churn.yaml").diagnostics]
    crashed = [one for one in lint.check(ROOT / "specs" / "churn.yaml").diagnostics if one.finding.code == "rule-crashed"]
    assert [one.finding.severity for one in crashed] == [Severity.WARNING]
    assert victim in crashed[0].finding.message
    assert "ZeroDivisionError" in crashed[0].finding.message
    assert set(before) >= {"rule-crashed"}


@pytest.mark.parametrize("path", sorted((ROOT / "specs").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_steps_that_own_steps_may_name_are_those_of_the_pipeline(path: Path) -> None:
    from mlspec.lower import lower
    from mlspec.spec.across import _implied
    from mlspec.spec.project import resolved

    project = lint.check(path).checked()
    made = {step.id: {port.name for port in step.output_ports} for step in lower(project, resolved(project)).steps}
    assert _implied(project) == made
    bases = {re.sub(r"^(export)_.*|_\d+$", r"\1", name.partition(MARK)[0]) for name in made}
    assert bases <= implied().keys() | {"pick", "summary"}


ONE = [
    # change of the smallest spec, route, part of message and help, the fix: (what it writes, whether it is safe)
    ("{seed: 3}", "seed", "`seed` belongs to `splits` or `training`", None),
    ("{training: {learning_rate: 0.1}, model: {kind: sklearn.hist_gradient_boosting}}", "training.learning_rate", "`learning_rate` belongs to `model.params`", None),
    ("{data: {splits: {seed: 1}}}", "data.splits", "`splits` belongs to the top of the spec", None),
    ("{data: {project: {name: x}}, project: '~'}", "data.project", "move it to the top of the spec", None),
    ("{data: {model: {kind: sklearn.ridge}}, model: '~'}", "data.model", "`model` belongs to the top of the spec", None),
    ("{model: {C: 3}}", "model.C", "`C` belongs to `model.params`", None),
    ("{evaluation: {C: 3}}", "evaluation.C", "`C` belongs to `model.params`", None),
    ("{target: Churn, task: {target: '~'}}", "target", "`target` belongs to `task`", None),
    ("{data: {columns: {checks: [{kind: missing}]}}}", "data.columns.checks", "it belongs to `data`: indent it one level less", None),
    ("{splits: {seed: 1, sede: 2}}", "splits.sede", "`seed` is written already: keep one", None),
    ("{splits: {Seed: 1}}", "splits.Seed", "did you mean `seed`?", ("seed", True)),
    ("{splits: {sede: 1}}", "splits.sede", "did you mean `seed`?", ("seed", True)),
    ("{splits: {random-state: 1}}", "splits.random-state", "did you mean `seed`?", ("seed", False)),
    ("{splits: {stratify: auto}}", "splits.stratify", "did you mean `strategy`?", ("strategy", False)),
    ("{splits: {seed: '7'}}", "splits.seed", "write `7`, without quotes", (7, True)),
    ("{splits: {seed: '7.5'}}", "splits.seed", "expected a whole number", None),
    ("{evaluation: {threshold: '0.40'}}", "evaluation.threshold", "without quotes", (0.4, True)),
    ("{splits: {exact: 'true'}}", "splits.exact", "write `true`", (True, True)),
    ("{splits: {exact: 'yes'}}", "splits.exact", "write `true`", (True, False)),
    ("{project: {version: 3}}", "project.version", 'quote it: "3"', ("3", False)),
    ("{project: {name: My Churn}}", "project.name", "did you mean `my_churn`?", ("my_churn", False)),
    ("{model: {kind: '~', type: sklearn.ridge}}", "model.type", "did you mean `kind`?", ("kind", False)),
    ("{model: {kind: '~', knd: sklearn.ridge}}", "model.knd", "did you mean `kind`?", ("kind", True)),
    ("{model: {kind: lgbm}}", "model.kind", "did you mean `lightgbm`?", ("lightgbm", False)),
    ("{steps: {a: {knd: container, image: r, command: [x]}}}", "steps.a.knd", "did you mean `kind`?", ("kind", True)),
    ("{steps: {a: {entrypoint: 'm:f', inputs: {x: evaluat.metrics}}}}", "steps.a.inputs.x", "did you mean `evaluate.metrics`?", ("evaluate.metrics", False)),
    ("{steps: {a: {entrypoint: 'm:f', inputs: {x: evaluate.metric}}}}", "steps.a.inputs.x", "did you mean `evaluate.metrics`?", ("evaluate.metrics", False)),
    ("{steps: {a: {entrypoint: 'm:f', after: [registr]}}}", "steps.a.after[0]", "did you mean `register`?", ("register", False)),
    ("{steps: {a: {entrypoint: 'm:f', inputs: {x: explain.importance}}}, evaluation: {explain: none}}", "steps.a.inputs.x", "no step `explain`", None),
    ("{training: {tuning: {space: {c: {low: 1, high: 2}}}}}", "training.tuning.space.c", "did you mean `C`?", ("C", True)),
    ("{data: {columns: {tenure: {}}}, features: [{kind: scale, columns: [tenur]}]}", "features[0].columns[0]", "did you mean `tenure`?", ("tenure", False)),
    ("{data: {columns: {tenure: {}}}, evaluation: {slices: [{name: new, where: tenur < 3}]}}", "evaluation.slices[0].where", "`tenur` is not declared", ("tenure < 3", False)),
    ("{evaluation: {slices: [{name: new, where: tenure <}]}}", "evaluation.slices[0].where", "is not a condition", None),
    ("{monitoring: {concept_drift: {metric: auc}}}", "monitoring.concept_drift.metric", "did you mean `roc_auc`?", ("roc_auc", False)),
]  # fmt: skip


@pytest.mark.parametrize(("change", "route", "part", "fix"), ONE, ids=[case[0] for case in ONE])
def test_one_mistake_is_one_finding(change: str, route: str, part: str, fix: tuple[object, bool] | None) -> None:
    _, found = validate(changed(change))
    assert [dotted(one.route) for one in found] == [route]
    assert part in f"{found[0].message} {found[0].help}"
    made: Fix | None = found[0].fix
    assert (None if made is None else (made.changes[0].value, made.safe)) == fix


def test_a_contradiction_points_at_the_other_place() -> None:
    _, found = validate(changed("{splits: {strategy: random, group_by: household}}"))
    assert [one.related for one in found] == [(("the strategy is chosen here", ("splits", "strategy")),)]
    _, found = validate(changed("{data: {sources: {customers: {refresh: 5}}}, pipeline: {timeout: 50}}"))
    assert {one.why != "" for one in found if one.code == "missing-unit"} == {True}
