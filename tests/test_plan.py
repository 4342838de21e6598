"""What a plan says would run is what runs; it runs nothing and writes nothing; it names what changed, and what that takes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlspec import build, local
from mlspec.diagnostic import dotted
from mlspec.plan import past, plan, show
from mlspec.plan.forecast import Fate
from mlspec.runner import Event
from tests.test_runner import DIAMOND, project

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "specs" / "breast-cancer.yaml"


class Quiet:
    """A progress that shows nothing."""

    def __call__(self, event: Event) -> None:
        pass

    def close(self) -> None:
        pass


def planned(spec: Path, *sets: str, against: str = "last", **options: Any) -> plan.Plan:
    opened = build.open_spec(spec, sets=sets)
    pipeline = build.pipeline_of(opened)
    return plan.make(opened, pipeline, past.find(pipeline.name, Path("runs"), against), **options)


def fates(made: plan.Plan) -> dict[str, str]:
    return {one.step: one.fate.value for one in made.steps}


def run(spec: Path, *sets: str) -> dict[str, str]:
    """Run a spec in the current folder; return how each step ended."""
    opened = build.open_spec(spec, sets=sets)
    told = local.run(opened, build.pipeline_of(opened), Quiet(), runs=Path("runs"))  # type: ignore[arg-type]
    return {name: ended.state for name, ended in told.result.steps.items()}


def mlspec(folder: Path, *arguments: str, check: int | None = None) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run([sys.executable, "-m", "mlspec", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    assert check is None or ended.returncode == check, ended.stdout + ended.stderr
    return ended


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a small spec of own steps that has been run."""
    monkeypatch.chdir(tmp_path)
    spec = project(tmp_path, DIAMOND)
    mlspec(tmp_path, "run", spec.name, check=0)
    yield spec
    sys.modules.pop("work", None)


# -- own steps


def test_after_a_run_nothing_is_planned_and_nothing_written(steps: Path) -> None:
    before = tree(steps.parent)
    told = mlspec(steps.parent, "plan", steps.name, check=0)
    assert "Nothing changes" in told.stdout
    assert json.loads(mlspec(steps.parent, "plan", steps.name, "--json", check=0).stdout)["changed"] is False
    mlspec(steps.parent, "plan", steps.name, "--set", "steps.b.params.more=5", check=2)
    assert tree(steps.parent) == before


def test_without_a_run_everything_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = project(tmp_path, DIAMOND)
    told = mlspec(tmp_path, "plan", spec.name, check=2)
    assert "never run here" in told.stdout
    assert "+ a  first run" in told.stdout
    assert "4 to run (4 new)" in told.stdout
    assert set(fates(planned(spec)).values()) == {"runs"}
    assert not (tmp_path / ".mlspec").exists()
    assert not (tmp_path / "runs").exists()


def test_a_changed_parameter_names_its_line(steps: Path) -> None:
    steps.write_text(steps.read_text().replace('"name": "b"', '"name": "b",\n "more": 7'))
    made = planned(steps)
    assert fates(made) == {"a": "stored", "b": "runs", "c": "stored", "d": "may run"}
    [b] = [one for one in made.steps if one.step == "b"]
    assert [dotted(change.route) for change in b.causes] == ["steps.b.params.more"]
    told = mlspec(steps.parent, "plan", steps.name, check=2).stdout
    line = next(number for number, text in enumerate(steps.read_text().splitlines(), 1) if '"more": 7' in text)
    assert f"steps.b.params.more 7 {steps.name}:{line}" in told
    assert "may run: stored if b gives the same bytes" in told


def test_new_and_removed_steps(steps: Path) -> None:
    changed = {name: step for name, step in DIAMOND.items() if name not in ("d", "c")} | {"e": {"needs": ["b"]}}
    project(steps.parent, changed)
    made = planned(steps)
    assert fates(made) == {"a": "stored", "b": "stored", "e": "runs", "c": "removed", "d": "removed"}
    assert [one.step for one in made.steps if one.new] == ["e"]
    assert made.cost.unknown == ("e",)
    told = mlspec(steps.parent, "plan", steps.name, check=2).stdout
    assert "+ e" in told
    assert "- c" in told


def test_changed_code_is_told(steps: Path) -> None:
    (steps.parent / "work.py").write_text((steps.parent / "work.py").read_text() + "\n# edited\n")
    made = planned(steps)
    assert set(fates(made).values()) == {"runs"}
    assert all(one.why == ("your code work.py changed",) for one in made.steps)


def test_what_was_run_before_is_found_again(steps: Path) -> None:
    """Back and forth: the store still has the older result, and the plan says so."""
    mlspec(steps.parent, "run", steps.name, "--set", "steps.b.params.more=5", check=0)
    made = planned(steps)
    assert set(fates(made).values()) == {"stored"}
    assert made.meaning.changes  # the spec differs from the one that ran last, and no step has to run
    told = mlspec(steps.parent, "plan", steps.name, check=2).stdout
    assert "4 from the store" in told
    # `a` is new, and what comes after it may be one of two things that were made before
    unsure = planned(steps, "steps.a.params.value=9")
    assert fates(unsure) == {"a": "runs", "b": "may run", "c": "may run", "d": "may run"}


def test_costs_are_those_of_the_last_run(steps: Path) -> None:
    told = json.loads((steps.parent / "runs" / "steps" / "run_001" / "run.json").read_text())["steps"]
    made = planned(steps, "steps.b.params.more=5", "steps.b.resources={cpu: 4, accelerator: gpu, accelerators: 2}")
    b, d = told["b"]["seconds"], told["d"]["seconds"]
    assert made.cost.seconds == (pytest.approx(b), pytest.approx(b + d))
    assert made.cost.core_hours[0] == pytest.approx(4 * b / 3600)
    assert made.cost.accelerator_hours[1] == pytest.approx(2 * b / 3600)
    assert made.cost.money(3600)[1] == pytest.approx(b + d)
    told = json.loads(
        mlspec(steps.parent, "plan", steps.name, "--set", "steps.b.params.more=5", "--price", "3600", "--json").stdout
    )
    assert told["cost"]["money"]["most"] == pytest.approx(b + d, abs=1e-3)


def test_against(steps: Path) -> None:
    failing = ("--set", "steps.d.params.fail=true")
    mlspec(steps.parent, "run", steps.name, *failing, check=1)
    assert planned(steps, against="last").past.state == "failed"
    assert [dotted(one.route) for one in planned(steps, against="last").meaning.changes] == ["steps.d.params.fail"]
    assert planned(steps, against="succeeded").meaning.changes == ()
    assert planned(steps, against="run_001").past.path == "runs/steps/run_001"
    assert planned(steps, against="runs/steps/run_002").meaning.changes
    assert planned(steps, against=steps.name).past.kind == "spec"
    wrong = mlspec(steps.parent, "plan", steps.name, "--against", "run_009", check=1)
    assert "run_002" in wrong.stderr
    (steps.parent / "bare").mkdir()
    for words in (["plan", steps.name, "--against", "bare"], ["diff", "bare", steps.name]):
        assert "neither the folder of a run nor a compiled project" in mlspec(steps.parent, *words, check=1).stderr


def test_wrong_usage_is_1(steps: Path) -> None:
    for words in (
        [],
        ["absent.yaml"],
        [steps.name, "--nonsense"],
        [steps.name, "--backend", "kfp"],
        [steps.name, "--env", "prod"],
        [steps.name, "--backend", "kfp", "-o", steps.name],
        [steps.name, "--backend", "nonsense", "-o", "out"],
        [steps.name, "--price", "-1"],
        [steps.name, "--set", "nonsense"],
    ):
        mlspec(steps.parent, "plan", *words, check=1)


def test_a_broken_spec_is_1(steps: Path) -> None:
    steps.write_text("mlspec: 1\n")
    assert "project" in mlspec(steps.parent, "plan", steps.name, check=1).stderr


def test_color_only_where_it_is_wanted(steps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("plan", steps.name, "--set", "steps.b.params.more=5")
    assert "\x1b" not in mlspec(steps.parent, *words, check=2).stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[33m~\x1b[0m" in mlspec(steps.parent, *words, check=2).stdout


def test_an_approval_that_is_gone_is_risky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step that asks before a model is registered is asked for by the word `human` alone; the past is all that knows of it."""
    monkeypatch.chdir(tmp_path)
    spec = project(tmp_path, DIAMOND)
    mlspec(tmp_path, "run", spec.name, check=0)
    folder = tmp_path / "runs" / "steps" / "run_001"
    told = json.loads((folder / "run.json").read_text())
    told["steps"]["approve_release"] = {"state": "succeeded", "seconds": 1.0}
    (folder / "run.json").write_text(json.dumps(told))
    made = planned(spec)
    assert [one.code for one in made.meaning.judgements] == ["approval-removed"]
    assert [need.area for need in made.meaning.needs] == ["production"]
    ended = mlspec(tmp_path, "plan", spec.name, "--require-approval", check=1)
    assert "nobody may" in ended.stderr


def test_many_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    many: dict[str, dict[str, object]] = {"s0": {}} | {f"s{n}": {"needs": [f"s{(n - 1) // 2}"]} for n in range(1, 500)}
    spec = project(tmp_path, many)
    started = time.monotonic()
    made = planned(spec)
    assert time.monotonic() - started < 20
    assert len(made.steps) == 500
    assert show.plan_text(made, lambda route: "").count("\n") > 500


def test_files_of_a_compiled_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(SPEC, "spec.yaml")
    spec, out = Path("spec.yaml"), Path("out")
    first = planned(spec, backend="kfp", directory=out)
    assert first.files is not None
    assert "pipeline.yaml" in first.files.missing
    assert not out.exists()
    build.project_of(build.open_spec(spec), "kfp").bundle.write(out)
    changed = planned(spec, "splits.seed=8", backend="kfp", directory=out)
    assert changed.files is not None
    assert "pipeline.yaml" in changed.files.stale
    (out / "README.md").write_text("mine")
    told = mlspec(tmp_path, "plan", "spec.yaml", "--backend", "kfp", "-o", "out", check=2).stdout
    assert "? README.md  you have edited it" in told
    assert "pipeline.yaml" not in told
    assert (out / "README.md").read_text() == "mine"


# -- where nothing was run: on a machine that reviews


def compiled(spec: Path, out: Path, *sets: str) -> None:
    """Compile a spec as `mlspec compile` does, with the spec as it was understood."""
    opened = build.open_spec(spec, sets=sets)
    build.project_of(opened, "kfp").bundle.write(out)
    (out / past.CONFIG).write_text(build.config_text(build.resolve(opened.checked())))


def reviewed(spec: Path, out: Path, *sets: str) -> plan.Plan:
    opened = build.open_spec(spec, sets=sets)
    pipeline = build.pipeline_of(opened)
    before = past.find(pipeline.name, Path("runs"), None, out)
    return plan.make(opened, pipeline, before, backend="kfp", directory=out)


def test_against_what_was_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data need not be there, nor a run: a compiled project says what its steps do."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "specs" / "churn.yaml", "spec.yaml")
    spec, out = Path("spec.yaml"), Path("out")
    compiled(spec, out)
    same = reviewed(spec, out)
    assert (same.past.kind, same.stored, same.changes) == ("compiled", False, False)
    assert "all 16 steps are the same, and out is as it would be compiled" in show.plan_text(same, lambda route: "")
    made = reviewed(spec, out, "model.params.C=0.5", "evaluation.explain=none")
    told = fates(made)
    assert {step for step, fate in told.items() if fate == "stored"} == {"ingest", "validate", "check_data", "split"}
    assert (told["train"], told["evaluate"], told["explain"]) == ("runs", "may run", "removed")
    assert [one.step for one in made.steps if one.fate is Fate.RUNS and not (one.causes or one.why)] == []
    assert made.files is not None
    assert {"params.py", "pipeline.yaml"} <= set(made.files.stale)
    text = show.plan_text(made, lambda route: "")
    assert "against out (as it was compiled)" in text
    assert "may run: unchanged if train gives the same bytes" in text
    assert "4 unchanged, 1 removed." in text
    assert show.plan_json(made, lambda route: "")["steps_from"] == "spec"
    assert not (tmp_path / ".mlspec").exists()
    assert not mlspec(tmp_path, "diff", "out", "spec.yaml", check=0).stdout


def test_against_a_spec_where_nothing_was_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "specs" / "churn.yaml", "main.yaml")
    Path("mine.yaml").write_text(Path("main.yaml").read_text().replace(">= 0.83", ">= 0.80"))
    told = mlspec(tmp_path, "plan", "mine.yaml", "--against", "main.yaml", "--require-approval", check=1)
    assert "~ decide" in told.stdout
    assert "? gate" in told.stdout
    assert "11 unchanged" in told.stdout
    assert "mine.yaml:13" in told.stderr
    assert not mlspec(tmp_path, "plan", "main.yaml", "--against", "main.yaml", check=0).stderr


def test_changed_code_of_a_compiled_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = project(tmp_path, DIAMOND)
    compiled(spec, Path("out"))
    assert not reviewed(spec, Path("out")).changes
    (tmp_path / "work.py").write_text((tmp_path / "work.py").read_text() + "\n# edited\n")
    made = reviewed(spec, Path("out"))
    assert set(fates(made).values()) == {"runs"}
    assert all(one.why == ("your code work.py changed",) for one in made.steps)


def test_without_the_data_the_rest_is_still_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "specs" / "churn.yaml", "spec.yaml")
    told = mlspec(tmp_path, "plan", "spec.yaml", check=2).stdout
    [ingest] = [line for line in told.splitlines() if "ingest  " in line]
    assert ingest.startswith("  ? ingest")
    assert "cannot be told here: there is no `data/telco-customer-churn.csv`" in ingest
    assert "15 to run (15 new), 1 may run" in told


@pytest.mark.slow
def test_who_has_agreed_is_told(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    shutil.copytree(finished, folder)
    spec = folder / "spec.yaml"
    stakeholders = "stakeholders: [{role: owner, contact: o@example.com, approves: [data]}]"
    spec.write_text(spec.read_text().replace("\nproject:\n", f"\nproject:\n  {stakeholders}\n"))
    assert stakeholders in spec.read_text()
    words = ("plan", "spec.yaml", "--set", "splits.seed=99", "--require-approval")
    lacking = mlspec(folder, *words, check=1)
    assert "Approval needed (data, 1 risky change): owner <o@example.com>" in lacking.stdout
    assert "nobody has approved" in lacking.stderr
    assert "nobody may" not in lacking.stderr
    given = mlspec(folder, *words, "--approved-by", "O@example.com", check=2)
    assert "Approved (data, 1 risky change): owner <o@example.com>" in given.stdout
    assert json.loads(mlspec(folder, *words, "--approved-by", "owner", "--json", check=2).stdout)["approval"]["given"] is True


def test_a_family_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "specs" / "wine-by-colour.yaml", "spec.yaml")
    compiled(Path("spec.yaml"), Path("out"))
    text = show.plan_text(reviewed(Path("spec.yaml"), Path("out"), "splits.seed=3"), lambda route: "")
    assert "~ split × 2" in text
    [train] = [line for line in text.splitlines() if "? train × 2" in line]
    assert "unchanged if choose, featurize give the same bytes" in train
    assert "__red" not in text


# -- the real thing: what is planned is what runs

EDITS: dict[str, tuple[list[tuple[str, str]], set[str], set[str]]] = {
    # edit: (replacements in the spec), steps that must run, steps that must not
    "gate": ([('">= 0.99"', '">= 0.98"')], {"decide", "report", "package"}, {"train", "evaluate", "ingest", "split"}),
    "parameter": ([("max_iter: 1000", "max_iter: 900")], {"train", "cross_validate"}, {"ingest", "validate", "split"}),
    "split": ([("seed: 7, exact", "seed: 8, exact")], {"split"}, {"ingest", "validate"}),
    "transform": ([("[{kind: scale}]", "[{kind: scale, with: robust}]")], {"featurize"}, {"split"}),
    "fewer folds": ([("cross_validation: 5", "cross_validation: 4")], {"cross_validate"}, {"train", "evaluate"}),
    "no folds": ([("cross_validation: 5", "cross_validation: null")], {"decide"}, {"train", "evaluate"}),
    "family": ([("sklearn.logistic_regression, params: {max_iter: 1000}", "sklearn.naive_bayes")], {"train"}, {"split"}),
    "check": ([("\nsplits:", "\n  checks: [{kind: row_count, min: 100}]\nsplits:")], {"validate"}, {"ingest"}),
    "words": ([("ranked by risk", "sorted by risk")], {"report", "package"}, {"train", "evaluate", "decide", "gate"}),
    "monitoring": ([("\nsplits:", "\nmonitoring: {data_drift: {psi: 0.2}}\nsplits:")], {"package"}, {"train", "decide", "explain"}),
    "comment": ([("\nsplits:", "\n# a word\nsplits:")], set(), {"ingest", "train", "report", "package", "register"}),
    "explanation": ([("training:", "evaluation: {explain: none}\ntraining:")], {"report"}, {"train", "evaluate"}),
    "threshold": ([("training:", "evaluation: {threshold: 0.4}\ntraining:")], {"evaluate"}, {"split", "featurize"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the gallery's smallest spec has been run."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copy(SPEC, folder / "spec.yaml")
    mlspec(folder, "run", "spec.yaml", "--quiet", check=0)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
def test_what_is_planned_is_what_runs(name: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    shutil.copytree(finished, folder)
    monkeypatch.chdir(folder)
    spec = Path("spec.yaml")
    assert not planned(spec).changes
    replacements, must, must_not = EDITS[name]
    text = spec.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    spec.write_text(text)
    made = planned(spec)
    foreseen = fates(made)
    ended = run(spec)
    states = {
        "stored": {"cached"},
        "runs": {"succeeded", "failed", "skipped"},
        "may run": {"cached", "succeeded", "failed", "skipped"},
    }
    assert foreseen.keys() - ended.keys() == {step for step, fate in foreseen.items() if fate == "removed"}
    assert {step: state for step, state in ended.items() if state not in states[foreseen[step]]} == {}
    assert must <= {step for step, fate in foreseen.items() if fate == Fate.RUNS}
    assert must_not <= {step for step, fate in foreseen.items() if fate == Fate.STORED}
    assert all(one.causes or one.why or one.because for one in made.steps if one.fate in (Fate.RUNS, Fate.MAY))
    asked = {step for one in made.steps if (step := one.step) and one.causes}
    assert must <= asked  # each of them names the line that is to blame
    if set(ended.values()) <= {"succeeded", "cached"}:
        assert not planned(spec).changes


@pytest.mark.slow
def test_data_that_changed(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "specs" / "wine-quality.yaml", "spec.yaml")
    shutil.copytree(ROOT / "specs" / "data", "data")
    spec = Path("spec.yaml")
    run(spec)
    with Path("data/winequality-red.csv").open("a") as file:
        file.write(Path("data/winequality-red.csv").read_text().splitlines()[-1] + "\n")
    made = planned(spec)
    [ingest] = [one for one in made.steps if one.step == "ingest"]
    assert ingest.fate is Fate.RUNS
    assert any("changed" in why for why in ingest.why)
    assert not made.meaning.changes
    assert {one.fate for one in made.steps if one.step != "ingest"} == {Fate.MAY}
    told = show.plan_text(made, lambda route: "")
    assert "stored if ingest gives the same bytes" in told
