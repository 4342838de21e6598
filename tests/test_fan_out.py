"""What one part of a spec asks for many times: its steps, their names, and that one item's failure is its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mlspec import build, lint
from mlspec.diagnostic import Problem
from mlspec.fan_out import LONGEST, items, items_of, rounds, slug
from mlspec.ir import IDENTIFIER, LawBroken, Pipeline
from mlspec.lower import lower
from mlspec.spec.project import resolved

SPEC = """\
mlspec: 1
project: {name: sites}
requirements: {metrics: [{metric: rmse, target: "<= 1000"}]}
task: {kind: regression, target: made}
data: {sources: {rows: {kind: csv, path: rows.csv}}}
model: {kind: sklearn.ridge}
training: {cross_validation: null}
evaluation: {explain: none}
"""


def opened(folder: Path, more: str = "", spec: str = SPEC) -> lint.Opened:
    (folder / "spec.yaml").write_text(spec + more, encoding="utf-8")
    return build.open_spec(folder / "spec.yaml")


def pipeline(folder: Path, more: str = "", spec: str = SPEC) -> Pipeline:
    return build.pipeline_of(opened(folder, more, spec))


def tuned(text: str) -> str:
    return SPEC.replace("cross_validation: null", f"cross_validation: null, tuning: {{{text}}}")


SPACE = "space: {alpha: {low: 0.1, high: 10, log: true}}"


# trials


@pytest.mark.parametrize(
    ("tuning", "count"),
    [
        (f"method: random, trials: 4, {SPACE}", 4),
        ("method: grid, trials: 30, space: {alpha: {values: [1, 2, 3]}, tol: {low: 0.1, high: 0.3, step: 0.1}}", 9),
        ("method: grid, trials: 5, space: {alpha: {values: [1, 2, 3]}, tol: {low: 0.1, high: 0.3, step: 0.1}}", 5),
        ("method: random, trials: 30, space: {alpha: {values: [1, 2, 3]}}", 3),
        (f"method: bayesian, trials: 12, parallel: 5, {SPACE}", 12),
    ],
)
def test_there_are_as_many_trials_as_can_be(tmp_path: Path, tuning: str, count: int) -> None:
    made = pipeline(tmp_path, spec=tuned(tuning))
    trials = [step for step in made.steps if step.op.name == "trial"]
    assert len(trials) == count
    assert {step.family for step in trials} == {"trial"}
    assert len(made["choose"].inputs) == count
    for step in trials:
        assert {ref.output for ref in step.inputs.values()} == {"train", "dev", "trials"}, "never the test rows"
        assert step.params["index"] < made[step.inputs["trials"].step].params["count"]
    for name in ("featurize", "train", "package", "report"):
        assert made[name].inputs["chosen"].step == "choose"


def test_the_rounds_of_a_bayesian_search_follow_each_other(tmp_path: Path) -> None:
    made = pipeline(tmp_path, spec=tuned(f"method: bayesian, trials: 12, parallel: 5, {SPACE}"))
    assert [(step.id, step.params["first"], step.params["count"]) for step in made.steps if step.op.name == "suggest"] == [
        ("suggest_1", 1, 5), ("suggest_2", 6, 5), ("suggest_3", 11, 2),
    ]  # fmt: skip
    assert made["suggest_3"].needs == ("suggest_2", "trial_06", "trial_07", "trial_08", "trial_09", "trial_10")
    assert made["trial_06"].inputs["trials"].step == "suggest_2"
    edges = len(pipeline(tmp_path, spec=tuned(f"method: bayesian, trials: 100, {SPACE}")).edges)
    assert edges < 800, "each round takes what the one before knew, not all scores"


def test_no_more_trials_run_at_once_than_asked(tmp_path: Path) -> None:
    made = pipeline(tmp_path, spec=tuned(f"method: random, trials: 5, parallel: 2, {SPACE}"))
    assert [made[f"trial_{n}"].after for n in range(1, 6)] == [
        ("suggest",),
        ("suggest",),
        ("trial_1",),
        ("trial_2",),
        ("trial_3",),
    ]
    assert not pipeline(tmp_path, spec=tuned(f"method: random, trials: 5, {SPACE}"))["trial_5"].after


@pytest.mark.parametrize(("more", "limit"), [("", 60.0), (", parallel: 5", 300.0), (", parallel: 2", 100.0)])
def test_the_time_of_a_search_is_shared_out(tmp_path: Path, more: str, limit: float) -> None:
    made = pipeline(tmp_path, spec=tuned(f"method: random, trials: 5, timeout: 5 min{more}, {SPACE}"))
    assert {step.params["limit"] for step in made.steps if step.op.name == "trial"} == {limit}


@pytest.mark.parametrize(
    ("family", "name", "text", "whole"),
    [
        ("sklearn.hist_gradient_boosting", "max_leaf_nodes", "{low: 8, high: 64}", True),
        ("sklearn.hist_gradient_boosting", "learning_rate", "{low: 1, high: 2}", False),
        ("sklearn.random_forest", "max_features", "{low: 0.2, high: 1}", False),
        ("sklearn.random_forest", "max_features", "{low: 2, high: 9}", True),
        ("sklearn.random_forest", "n_estimators", "{low: 10, high: 20, step: 5}", True),
        ("sklearn.ridge", "alpha", "{low: 1, high: 3, step: 0.5}", False),
        ("xgboost", "max_depth", "{low: 2, high: 9}", True),
        ("xgboost", "min_child_weight", "{low: 1, high: 9}", False),
        ("lightgbm", "num_leaves", "{low: 8, high: 64}", True),
    ],
)
def test_whole_numbers_are_drawn_where_the_family_takes_no_others(
    tmp_path: Path, family: str, name: str, text: str, whole: bool
) -> None:
    spec = tuned(f"method: random, trials: 9, space: {{{name}: {text}}}").replace("sklearn.ridge", family)
    assert pipeline(tmp_path, spec=spec)["suggest"].params["space"][name]["whole"] is whole


def test_a_grid_without_steps_is_an_error_of_lint(tmp_path: Path) -> None:
    found = opened(tmp_path, spec=tuned(f"method: grid, trials: 5, {SPACE}")).errors
    assert [one.finding.code for one in found] == ["grid-without-steps"]


# items


@given(some.lists(some.text(min_size=1), min_size=1, max_size=8, unique=True))
def test_slugs_are_names_and_different_letters_stay_different(texts: list[str]) -> None:
    for text in texts:
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", slug(text))
        assert len(slug(text)) <= LONGEST
        assert IDENTIFIER.fullmatch(items([text], ("for_each", "values"))[0].step("featurize_baseline"))
        assert slug(text) == slug(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [("m-001", "m_001"), ("Müller & Söhne", "muller_sohne"), ("7", "7"), ("--", "item_[0-9a-f]{8}"), ("Ørsted", "rsted_[0-9a-f]{8}"),
     ("北京", "item_[0-9a-f]{8}"), ("x" * 80, "x{31}_[0-9a-f]{8}")],
)  # fmt: skip
def test_slugs(text: str, found: str) -> None:
    assert re.fullmatch(found, slug(text))


@pytest.mark.parametrize(
    ("table", "part"),
    [
        (None, "no such file"), ("site,owner\n", "is empty"), ("name\na\n", "has no column `site`"), ("", "it is empty"),
        ("site\na\nb\na\n", "listed twice"), ("site\nA 1\na-1\n", "both be called `a_1`"), ("site\n\xff\n", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_told_on_its_line(tmp_path: Path, table: str | None, part: str) -> None:
    if table is not None:
        (tmp_path / "sites.csv").write_bytes(table.encode("latin-1" if "\xff" in table else "utf-8"))
    [error] = opened(tmp_path, "for_each: {column: site, table: sites.csv}\n").errors
    assert error.finding.route == ("for_each", "table")
    assert error.span is not None
    assert error.span.line == 9
    assert part in f"{error.finding.message} {error.finding.help}"


def test_a_table_may_have_a_mark_blank_lines_and_other_columns(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text("\ufeffowner,site\nx, m 1\n,\ny,m 2\n", encoding="utf-8")
    made = opened(tmp_path, "for_each: {column: site, table: sites.csv}\n").checked()
    assert made.for_each is not None
    assert [one.text for one in items_of(made.for_each, tmp_path)] == ["m 1", "m 2"]
    (tmp_path / "sites.csv").unlink()
    with pytest.raises(Problem):
        items_of(made.for_each, tmp_path)


def test_each_item_has_the_pipeline_from_the_split_on(tmp_path: Path) -> None:
    made = pipeline(tmp_path, "for_each: {column: site, values: [a, b-1]}\n")
    one = pipeline(tmp_path)
    assert len(made.steps) == 3 + 2 * (len(one.steps) - 3 + 1) + 1
    assert {step.id for step in made.steps if "__" not in step.id} == {"ingest", "validate", "check_data", "summary"}
    assert {step.family for step in made.steps if "__" in step.id} == {step.id for step in one.steps[3:]} | {"pick"}
    assert made["register__b_1"].params["name"] == "sites-b-1"
    assert made["report__a"].params["about"]["name"] == "sites: a"
    assert made["package__a"].params["spec"]["for_each"] == {"column": "site", "values": ["a"]}
    names = {step["id"] for step in made["report__a"].params["graph"]["steps"]}
    assert names == {"ingest", "validate", "check_data"} | {step.family for step in made.steps if step.family}
    assert all(name.endswith((".metrics", ".report", ".manifest")) for name in made["decide__a"].params["names"].values())
    assert made["decide__a"].params["names"]["metrics"] == "evaluate__a.metrics"
    assert list(made["summary"].inputs) == ["decision_a", "decision_b_1"]


def test_another_item_changes_no_step_of_the_others(tmp_path: Path) -> None:
    few = {step.id: step for step in pipeline(tmp_path, "for_each: {column: site, values: [a, b]}\n").steps}
    more = {step.id: step for step in pipeline(tmp_path, "for_each: {column: site, values: [a, b, c]}\n").steps}
    changed = {name for name in few if few[name].params != more[name].params or few[name].inputs != more[name].inputs}
    assert changed == {"summary"}


def test_long_names_of_models_keep_their_item(tmp_path: Path) -> None:
    spec = SPEC.replace("name: sites", f"name: {'s' * 60}")
    made = pipeline(tmp_path, f"for_each: {{column: site, values: [a, {'b' * 60}]}}\n", spec)
    names = [step.params["name"] for step in made.steps if step.op.name == "register"]
    assert len(set(names)) == 2
    assert all(len(name) <= 63 for name in names)


STEPS = """\
for_each: {column: site, values: [a, b]}
steps:
  tell: {entrypoint: "own:tell", inputs: {summary: summary.summary, metrics: evaluate__a.metrics}, outputs: {told: file}, after: [register]}
  ask: {kind: approval, message: "May they?", before: [register]}
"""


def test_own_steps_name_steps_of_an_item_in_full_and_of_all_by_their_family(tmp_path: Path) -> None:
    made = pipeline(tmp_path, STEPS)
    assert made["tell"].needs == ("evaluate__a", "register__a", "register__b", "summary")
    assert made["register__a"].after == made["register__b"].after == ("ask",)
    wrong = opened(tmp_path, STEPS.replace("evaluate__a.metrics", "evaluate__c.metrics")).errors
    assert [one.finding.code for one in wrong] == ["unknown-step"]


def test_a_release_that_a_person_approves_is_asked_for_each_item(tmp_path: Path) -> None:
    made = pipeline(tmp_path, "for_each: {column: site, values: [a, b]}\nretraining: {on: new_data, approve: human}\n")
    assert made["register__a"].after == ("approve_release__a",)
    assert made["approve_release__a"].params["step"] == "approve_release__a"
    assert "sites: a" in made["approve_release__a"].params["message"]


def test_a_step_with_the_name_of_a_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="the name of a family"):
        pipeline(tmp_path, 'for_each: {column: site, values: [a]}\nsteps: {train: {entrypoint: "own:tell"}}\n')


def test_steps_of_a_family_are_of_one_shape(tmp_path: Path) -> None:
    from dataclasses import replace

    made = pipeline(tmp_path, spec=tuned(f"method: random, trials: 2, {SPACE}"))
    steps = tuple(replace(step, retries=3) if step.id == "trial_2" else step for step in made.steps)
    with pytest.raises(LawBroken, match="not of one shape"):
        replace(made, steps=steps)


def test_five_hundred_steps_are_lowered_in_linear_time(tmp_path: Path) -> None:
    def seconds(count: int) -> float:
        project = opened(tmp_path, f"for_each: {{column: site, values: {[f'm-{n:03d}' for n in range(count)]}}}\n").checked()
        spec, best = resolved(project), 9.0
        for _ in range(3):
            begun = time.process_time()
            made = lower(project, spec)
            best = min(best, time.process_time() - begun)
        assert len(made.steps) == 4 + 12 * count
        return best

    small, large = seconds(40), seconds(160)
    assert small < 0.5
    assert large < 8 * small


def test_rounds() -> None:
    assert rounds("bayesian", 5, 2) == [2, 2, 1]
    assert rounds("random", 5, 2) == [5]


# a run


def run(folder: Path, *words: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "mlspec", "run", "spec.yaml", "--json", *words]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 1), ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.returncode, json.loads(ended.stdout)


@pytest.mark.slow
def test_an_item_that_misses_its_gate_stops_its_own_release_only(tmp_path: Path) -> None:
    """Site `b` makes noise. The others are released, the run has failed, and the summary says which."""
    rows = ["site,hours,made"]
    for n in range(300):
        rows += [
            f"a,{n / 3:.3f},{n + n % 5 / 9:.3f}",
            f"7,{n / 7:.3f},{2 * n + n % 7 / 9:.3f}",
            f"b,{n / 9:.3f},{(n * 7919) % 1000}",
        ]
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    (tmp_path / "sites.csv").write_text("site\na\nb\n7\n")
    spec = SPEC.replace("<= 1000", "<= 5").replace("explain: none", "explain: none, beat_baseline_by: 0.01")
    opened(tmp_path, "for_each: {column: site, table: sites.csv}\n", spec)
    code, told = run(tmp_path)
    assert code == 1
    states = {name: step["state"] for name, step in told["steps"].items()}
    assert {name for name, state in states.items() if state == "failed"} == {"gate__b"}
    assert {name for name, state in states.items() if state == "skipped"} == {"package__b", "register__b"}
    summary = json.loads((tmp_path / told["folder"] / "summary.json").read_text())
    assert [(one["item"], one["verdict"]) for one in summary["items"]] == [("a", "pass"), ("b", "fail"), ("7", "pass")]
    assert summary["verdict"] == "fail"
    assert all(one["headline"]["metric"] == "rmse" for one in summary["items"])
    page = (tmp_path / told["folder"] / "summary.html").read_text()
    assert "2 of 3 models met their requirements" in page
    assert {path.name for path in (tmp_path / ".mlspec" / "registry").iterdir()} == {"sites-a", "sites-7"}
    assert (tmp_path / told["folder"] / "7" / "report.html").exists()
    assert not (tmp_path / told["folder"] / "b" / "package").exists()
    (tmp_path / "sites.csv").write_text("site\na\n7\nc\n")
    code, told = run(tmp_path)
    states = {name: step["state"] for name, step in told["steps"].items()}
    assert {name for name, state in states.items() if state == "failed"} == {"pick__c"}
    assert states["register__a"] == states["register__7"] == "cached"


@pytest.mark.slow
def test_folds_that_are_steps_of_their_own_give_the_same_report(tmp_path: Path) -> None:
    spec = """\
mlspec: 1
project: {name: folds}
task: {kind: classification, target: target, positive: malignant}
data: {sources: {cells: {kind: sklearn, dataset: breast_cancer}}}
model: {kind: sklearn.logistic_regression}
training: {cross_validation: 3, tuning: {method: bayesian, trials: 3, parallel: 2, space: {C: {low: 0.01, high: 10, log: true}}}}
evaluation: {explain: none}
"""
    opened(tmp_path, spec=spec)
    code, one = run(tmp_path)
    assert code == 0
    code, many = run(tmp_path, "--set", "pipeline.fan_out=[folds]")
    assert code == 0
    whole, apart = (json.loads((tmp_path / told["folder"] / "run.json").read_text())["steps"] for told in (one, many))
    assert apart.keys() - whole.keys() == {"fold_1", "fold_2", "fold_3"}
    assert apart["cross_validate"]["outputs"] == whole["cross_validate"]["outputs"]
    assert apart["train"]["state"] == "cached"
    chosen = json.loads((tmp_path / one["folder"] / "tuning.json").read_text())
    package = json.loads((tmp_path / one["folder"] / "package" / "package.json").read_text())
    assert package["model"]["params"]["C"] == chosen["params"]["C"]
    assert package["tuning"] == chosen
    assert f"Trial {chosen['trial']} of 3" in (tmp_path / one["folder"] / "package" / "model_card.md").read_text()
    assert chosen["measured_on"] == "3 folds of the training rows"
    assert 'id="search"' in (tmp_path / one["folder"] / "report.html").read_text()
