"""Packages: made by the real ops, complete, the same bytes again, and served from raw rows."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlspec.diagnostic import Problem
from mlspec.runtime import pickled, predictor
from mlspec.runtime.artifact import digest
from tests.runtime.training_data import CLASSIFY, REGRESS, packaged, params, table

ROW = {"tenure": 12, "plan": "yearly", "level": 2, "cost": 20.5, "paperless": True, "city": "Oslo"}
FILES = {
    "model.joblib", "schema.json", "features.json", "package.json", "environment.json", "requirements.txt",
    "spec.json", "metrics.json", "decision.json", "model_card.md",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packaged(tmp_path_factory.mktemp("package"), params())


def test_it_holds_what_it_takes_to_serve_and_to_trust(made: Path) -> None:
    assert {one.name for one in made.iterdir()} == FILES
    schema = json.loads((made / "schema.json").read_text())
    assert schema["order"] == list(ROW)
    assert schema["columns"]["tenure"] == {
        "type": "integer", "nullable": True, "unit": "month", "min": 0, "max": 72, "observed": {"min": 0, "max": 72},
    }  # fmt: skip
    assert schema["columns"]["plan"]["nullable"] is False
    assert schema["columns"]["plan"]["values"] == ["monthly", "yearly"]
    assert "values" not in schema["columns"]["city"]
    environment = json.loads((made / "environment.json").read_text())
    assert {"mlspec", "scikit-learn", "polars", "numpy", "joblib"} <= set(environment["packages"])
    pins = (made / "requirements.txt").read_text().splitlines()
    assert pins == sorted(pins)
    assert all("==" in one for one in pins)


def test_the_model_card_says_what_the_numbers_say(made: Path) -> None:
    card, metrics = (made / "model_card.md").read_text(), json.loads((made / "metrics.json").read_text())
    for name, one in metrics["metrics"].items():
        assert f"| {name} | {one['value']:.4g} | {one['low']:.4g} to {one['high']:.4g} |" in card
    for part in metrics["slices"]:
        assert part["name"] in card
    assert "# churn 1.2.0" in card
    assert "| accuracy | accuracy >= 0.6 |" in card
    assert "`nickname` (" in card
    assert str(made.parent) not in card


def test_the_same_inputs_give_the_same_bytes(made: Path, tmp_path: Path) -> None:
    again = packaged(tmp_path, params())
    assert digest(again) == digest(made)
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".writing")]


def test_a_package_that_is_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "old").write_text("old")
    assert not (packaged(tmp_path, params()) / "old").exists()


def test_predictions_are_the_models_own_for_raw_rows_in_any_shape(made: Path) -> None:
    frame = table(600)
    served = predictor.load(made)
    answers = served.predict(frame)
    model = pickled.read(made.parent / "model")
    assert answers.columns == ["predicted", "proba_no", "proba_yes"]
    assert answers["predicted"].to_list() == model.predict(frame).tolist()
    np.testing.assert_array_equal(answers["proba_yes"].to_numpy(), model.predict_proba(frame)[:, 1])
    assert served.predict(frame.to_dicts()[:7]).equals(answers.head(7))
    tested = pl.read_parquet(made.parent / "predictions")
    assert served.predict(pl.read_parquet(made.parent / "test"))["predicted"].to_list() == tested["predicted"].to_list()
    assert served.predict([]).height == 0


def test_it_serves_where_the_project_is_not(made: Path, tmp_path: Path) -> None:
    script = (
        "import sys, json; from mlspec.runtime.predictor import load\n"
        "print(json.dumps(load(sys.argv[1]).predict([json.loads(sys.argv[2])]).to_dicts()))"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", script, str(made), json.dumps(ROW)]
    told = json.loads(
        subprocess.run(command, check=True, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True).stdout
    )
    assert told == predictor.load(made).predict([ROW]).to_dicts()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ROW, {**ROW, "tenure": 73}], ["row 1, 'tenure': 73.0 is above the maximum 72"]),
        ([{**ROW, "tenure": -1}], ["row 0, 'tenure': -1.0 is below the minimum 0"]),
        ([{**ROW, "tenure": 1.5}], ["'tenure': 1.5 is not a whole number"]),
        ([{**ROW, "plan": "weekly"}], ["'plan': 'weekly' is none of monthly, yearly"]),
        ([{**ROW, "plan": None}], ["'plan': None is missing"]),
        ([{**ROW, "level": 4}], ["'level': '4' is none of 1, 2, 3"]),
        ([{**ROW, "tenure": 99, "plan": "weekly"}], ["'tenure'", "'plan'"]),
        ([{**ROW, "cost": "much"}], ["row 0, 'cost': 'much' is not of type number"]),
        ([{name: ROW[name] for name in ROW if name != "city"}], ["row 0 has no 'city'"]),
        (table(30).with_columns(pl.lit(80).alias("tenure"), (pl.col("__row__") + 1000).alias("__row__")), ["row 1000, 'tenure'"]),
    ],
)
def test_a_row_that_breaks_the_schema_is_named(made: Path, rows: Any, said: list[str]) -> None:
    with pytest.raises(Problem) as caught:
        predictor.load(made).predict(rows)
    assert all(one in str(caught.value) for one in said)


def test_what_was_never_seen_is_answered(made: Path) -> None:
    answers = predictor.load(made).predict([{**ROW, "city": "Atlantis", "cost": 1e6}, {**dict.fromkeys(ROW), "plan": "monthly"}])
    assert answers["proba_yes"].is_between(0, 1).all()


@pytest.mark.slow
def test_limits_on_dates_patterns_and_regression(tmp_path: Path) -> None:
    columns = params(REGRESS)["columns"] | {
        "seen": {"role": "feature", "type": "date", "min": "2024-01-01", "max": "2025-12-31"},
        "city": {"role": "feature", "type": "category", "pattern": "[A-Z][a-z]+", "pii": True},
    }
    given = params(
        REGRESS, "sklearn.hist_gradient_boosting", columns=columns, transforms=[{"kind": "dates", "columns": ["seen"]}]
    )
    served = predictor.load(packaged(tmp_path, given))
    row = {**ROW, "seen": "2024-05-05"}
    assert served.predict([row]).schema == {"predicted": pl.Float64}
    assert served.predict([{**row, "seen": date(2024, 5, 5)}]).equals(served.predict([row]))
    assert "observed" not in served.schema["columns"]["city"]
    with pytest.raises(Problem, match="above the maximum 2025-12-31"):
        served.predict([{**row, "seen": "2026-01-01"}])
    with pytest.raises(Problem, match=r"'city': 'oslo' does not match"):
        served.predict([{**row, "city": "oslo"}])
    assert "personal data: `city`" in (tmp_path / "package" / "model_card.md").read_text()


def test_a_threshold_is_served_as_it_was_evaluated(made: Path) -> None:
    served = predictor.load(made)
    strict = predictor.Predictor(served.model, served.schema, {**served.about, "threshold": 0.9})
    answers = strict.predict(table(600))
    assert ((answers["proba_yes"] >= 0.9) == (answers["predicted"] == "yes")).all()


CODE = """
import polars as pl
from .names import NEW

def ratio(frame):
    return frame.with_columns((pl.col("cost") / (pl.col("tenure") + 1)).alias(NEW))
"""


def test_the_users_code_goes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, place = tmp_path / "project", tmp_path / "run"
    (project / "own_package_for_test").mkdir(parents=True)
    place.mkdir()
    for name, text in (("__init__", ""), ("ratios", CODE), ("names", "NEW = 'ratio'\n")):
        (project / "own_package_for_test" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(project)
    entrypoint = "own_package_for_test.ratios:ratio"
    given = params(CLASSIFY, transforms=[{"kind": "custom", "entrypoint": entrypoint, "columns": ["cost", "tenure"]}])
    made = packaged(place, given, entrypoints=[entrypoint])
    copied = {one.relative_to(made / "code").as_posix() for one in (made / "code").rglob("*.py")}
    assert copied == {f"own_package_for_test/{name}.py" for name in ("__init__", "ratios", "names")}
    script = f"from mlspec.runtime.predictor import load; print(load({str(made)!r}).predict([{ROW!r}]).width)"
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout.strip() == "3"


def test_what_is_no_package_is_said(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="is no package"):
        predictor.load(tmp_path)
