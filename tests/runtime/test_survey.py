"""Survey: what the rows say of a spec, against figures made by hand or by scikit-learn; and `lint --data` end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from mlspec import lint
from mlspec.diagnostic import Severity
from mlspec.lower import data_params
from mlspec.runtime.survey import separation, survey

ROOT = Path(__file__).parent.parent.parent
SPECS = sorted((ROOT / "specs").glob("*.yaml"))
ROWS = 400


def facts_of(spec: Path) -> dict[str, Any]:
    project = lint.check(spec).project
    assert project is not None
    found, findings = survey(data_params(project), spec.parent)
    assert found is not None
    assert not findings, findings
    return found


def written(folder: Path, rows: str, spec: str) -> Path:
    (folder / "rows.csv").write_text(rows, encoding="utf-8")
    path = folder / "spec.yaml"
    path.write_text(f"mlspec: 1\nproject: {{name: p}}\nmodel: {{kind: sklearn.random_forest}}\n{spec}", encoding="utf-8")
    return path


def codes(path: Path) -> list[str]:
    return [one.finding.code for one in lint.check(path, data=True).diagnostics]


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_the_gallery_says_nothing_wrong_of_its_rows(spec: Path) -> None:
    found = [one for one in lint.check(spec, data=True).diagnostics if one.finding.severity is Severity.ERROR]
    assert not found
    facts = facts_of(spec)
    json.dumps(facts)  # plain data
    assert facts["checks"] == []
    parts = sum(one["rows"] for one in facts["parts"].values())
    assert facts["rows"] - 100 <= parts + facts["purged"] <= facts["rows"]  # a temporal split leaves rows of its gap out


def test_the_churn_data() -> None:
    """Figures that `awk` gives of the file, too."""
    facts = facts_of(ROOT / "specs" / "churn.yaml")
    assert (facts["rows"], facts["duplicates"], facts["classes"]) == (7043, 22, {"No": 5174, "Yes": 1869})
    total, tenure = facts["columns"]["TotalCharges"], facts["columns"]["tenure"]
    assert (total["type"], total["missing"], total["min"], total["max"]) == ("number", 11, 18.8, 8684.8)
    assert (tenure["distinct"], tenure["zeros"]) == (73, 11)
    assert facts["columns"]["customerID"]["auc"] is None  # no feature


def test_separation_of_numbers_is_the_area_under_the_roc_curve() -> None:
    random = np.random.default_rng(3)
    truth = random.random(ROWS) < 0.3
    score = np.round(random.normal(truth * 1.0, 1.0), 1)  # with ties
    for values, wanted in ((score, roc_auc_score(truth, score)), (-score, roc_auc_score(truth, score))):
        found = separation(pl.Series(values), [truth], "classification")
        assert found == pytest.approx(wanted, abs=1e-6)


def test_separation_by_missing_values() -> None:
    truth = np.arange(ROWS) % 4 == 0
    values = pl.Series([None if one else float(index % 7) for index, one in enumerate(truth)])
    assert separation(values, [truth], "classification") == 1.0
    assert separation(pl.Series([None] * ROWS, dtype=pl.Float64), [truth], "classification") is None


def test_separation_of_categories() -> None:
    random = np.random.default_rng(4)
    truth = random.random(ROWS) < 0.5
    copy = pl.Series(np.where(truth, "left", "stays"))
    between = pl.Series([2 if one else random.choice([1, 3]) for one in truth])  # a code whose order says nothing
    key = pl.Series([f"c{index}" for index in range(ROWS)])
    assert separation(copy, [truth], "classification") == 1.0
    assert separation(between, [truth], "classification") == 1.0
    found = separation(key, [truth], "classification")
    assert found is not None
    assert found < 0.6, "a column of ids tells nothing"


def test_separation_of_several_classes_wants_them_all() -> None:
    labels = np.arange(ROWS) % 4
    truths = [labels == one for one in range(4)]
    first_alone = pl.Series((labels == 0).astype(float) + np.random.default_rng(5).random(ROWS) / 2)
    assert separation(pl.Series(labels), truths, "classification") == 1.0
    found = separation(first_alone, truths, "classification")
    assert found is not None
    assert 0.6 < found < 0.9


def test_separation_of_a_quantity() -> None:
    ranks = pl.Series(np.random.default_rng(6).normal(size=ROWS)).rank().to_numpy()
    assert separation(pl.Series(np.exp(-ranks / 100)), [ranks], "regression") == 1.0
    noise = separation(pl.Series(np.random.default_rng(7).normal(size=ROWS)), [ranks], "regression")
    assert noise is not None
    assert noise < 0.6


def test_absent_columns_and_words_among_numbers(tmp_path: Path) -> None:
    rows = "id,size,note,rent\n" + "".join(f"{n},{n % 9 if n % 10 else '?'},x,{n}\n" for n in range(40))
    spec = written(
        tmp_path,
        rows,
        "task: {kind: regression, target: rent}\n"
        "data: {sources: {r: {kind: csv, path: rows.csv}}, columns: {id: {role: id}, siize: {type: number}, nota: {pii: true}}}\n",
    )
    facts = facts_of(spec)
    assert sorted(facts["absent"]) == ["nota", "siize"]
    assert facts["numbers_in_text"] == {"size": {"share": 0.9, "others": ["?"], "words": 1}}
    assert facts["columns"]["note"]["distinct"] == 1
    diagnostics = [one for one in lint.check(spec, data=True).diagnostics if one.finding.code == "declared-column-not-in-rows"]
    assert [(one.finding.help, one.finding.on) for one in diagnostics] == [
        ("did you mean `note`?", "key"),
        ("did you mean `size`?", "key"),
    ]
    assert "numbers-kept-as-text" in codes(spec)


def test_duplicates_leave_ids_aside_and_personal_values_are_not_told(tmp_path: Path) -> None:
    rows = "id,name,size,rent\n" + "".join(f"{n},ann{n // 2},{n // 2},{n // 2}\n" for n in range(30))
    spec = written(
        tmp_path,
        rows,
        "task: {kind: regression, target: rent}\n"
        "data: {sources: {r: {kind: csv, path: rows.csv}}, columns: {id: {role: id}, name: {type: string, pii: true}}}\n",
    )
    facts = facts_of(spec)
    assert facts["duplicates"] == 15
    assert "ann" not in json.dumps(facts)


@pytest.mark.parametrize(
    ("source", "code", "severity"),
    [
        ("{kind: csv, path: other.csv}", "missing-file", "error"),
        ("{kind: csv, path: rows.csv, separator: ;}", "wrong-separator", "error"),
        ("{kind: parquet, path: rows.csv}", "not-parquet", "error"),
        ("{kind: blob, url: 's3://bucket/rows.parquet'}", "not-realised", "warning"),
        ("{kind: custom, entrypoint: 'mine:rows'}", "rows-not-looked-at", "info"),
    ],
)
def test_sources_that_cannot_be_read_are_findings(tmp_path: Path, source: str, code: str, severity: str) -> None:
    spec = written(tmp_path, "a,b\n1,2\n", f"task: {{kind: regression, target: b}}\ndata: {{sources: {{r: {source}}}}}\n")
    found = [one for one in lint.check(spec, data=True).diagnostics if one.finding.code == code]
    assert [one.finding.severity for one in found] == [severity]
    assert found[0].span is not None
    assert found[0].span.line == 5


def test_a_split_that_cannot_be_made_is_a_finding(tmp_path: Path) -> None:
    rows = "x,y\n" + "".join(f"{n},{'rare' if n == 5 else 'usual'}\n" for n in range(60))
    spec = written(tmp_path, rows, "task: {kind: classification, target: y}\ndata: {sources: {r: {kind: csv, path: rows.csv}}}\n")
    assert "class-too-small" in codes(spec)


def test_without_the_libraries_lint_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "mlspec.runtime.survey", raising=False)
    monkeypatch.setitem(sys.modules, "polars", None)
    found = [one for one in lint.check(SPECS[0], data=True).diagnostics if one.finding.code == "rows-not-looked-at"]
    assert len(found) == 1
    assert "mlspec[local]" in found[0].finding.help


def test_failing_checks_are_told_with_their_values(tmp_path: Path) -> None:
    rows = "size,rent\n" + "".join(f"{n},{n}\n" for n in range(30))
    spec = written(
        tmp_path,
        rows,
        "task: {kind: regression, target: rent}\n"
        "data: {sources: {r: {kind: csv, path: rows.csv}}, columns: {size: {type: integer, max: 26}}}\n",
    )
    found = [one.finding for one in lint.check(spec, data=True).diagnostics if one.finding.code == "values-out-of-declaration"]
    assert [one.route for one in found] == [("data", "columns", "size", "max")]
    assert "3 of 30 rows" in found[0].message
    assert "the first are 27, 28, 29" in found[0].message
