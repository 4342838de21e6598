"""Scores, slices, fairness and curves of models that the real ops trained, against scikit-learn called on the predictions."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sk

from mlspec.diagnostic import Problem
from mlspec.runtime import run
from mlspec.runtime.artifact import read_json
from mlspec.runtime.fairness import unfairness
from mlspec.runtime.interval import wilson
from mlspec.runtime.slices import by_column, slices

TASK = {"kind": "classification", "target": "left", "positive": "Yes"}
COLUMNS = {"key": {"role": "id"}, "gender": {"role": "sensitive"}, "when": {"role": "time"}}
SPLITS = {"train": 400, "dev": 100, "test": 200}


def table(rows: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    tenure, contract = rng.integers(0, 73, rows), rng.choice(["month", "year", "two years"], rows)
    odds = 1.2 - 0.06 * tenure + np.where(contract == "month", 1, -1) + rng.normal(0, 0.8, rows)
    return pl.DataFrame(
        {
            "__row__": np.arange(rows, dtype=np.uint64) + 1000 * seed,
            "key": [f"k{seed}-{row}" for row in range(rows)],
            "tenure": tenure,
            "contract": contract,
            "gender": rng.choice(["f", "m"], rows),
            "when": [dt.date(2024, 1, 1) + dt.timedelta(days=int(day)) for day in rng.integers(0, 300, rows)],
            "left": np.where(odds > 0, "Yes", "No"),
            "spend": 10.0 + 3 * tenure + rng.normal(0, 5, rows),
            "kind": np.where(odds > 1, "gone", np.where(odds > -1, "wavers", "stays")),
        }
    )


def trained(place: Path, task: Mapping[str, Any], kind: str, drop: tuple[str, ...]) -> Path:
    for seed, (split, rows) in enumerate(SPLITS.items(), 1):
        table(rows, seed).drop(drop).write_parquet(place / split)
    common = {"task": dict(task), "columns": COLUMNS, "seed": 7, "model": {"kind": kind, "params": {}}, "transforms": []}
    made = {"transformer": place / "transformer", "features": place / "features"}
    run("featurize", inputs={"train": place / "train"}, outputs=made, params=common)
    run("train", inputs=made, outputs={"model": place / "model"}, params=common)
    return place


def evaluated(place: Path, task: Mapping[str, Any] = TASK, **params: Any) -> tuple[dict[str, Any], dict[str, Any], pl.DataFrame]:
    outputs = {name: place / f"out-{name}" for name in ("metrics", "predictions", "curves")}
    given = {
        "task": dict(task),
        "columns": COLUMNS,
        "metrics": [],
        "slices": [],
        "fairness": None,
        "seed": 7,
        "confidence": 0.95,
        "custom_metrics": {},
    }
    facts = run("evaluate", inputs={name: place / name for name in ("model", *SPLITS)}, outputs=outputs, params=given | params)
    found = read_json(outputs["metrics"])
    assert facts["rows"] == SPLITS["test"]
    assert {name: value for name, value in facts.items() if name != "rows"} == {
        name: one["value"] for name, one in found["metrics"].items() if one["value"] is not None
    }
    return found, read_json(outputs["curves"]), pl.read_parquet(outputs["predictions"])


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("binary"), TASK, "sklearn.logistic_regression", ("spend", "kind"))


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("several"), SEVERAL, "sklearn.random_forest", ("spend", "left"))


@pytest.fixture(scope="module")
def amount(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("amount"), AMOUNT, "sklearn.ridge", ("left", "kind"))


SEVERAL = {"kind": "classification", "target": "kind", "positive": None}
AMOUNT = {"kind": "regression", "target": "spend", "positive": None}


def test_scores_and_predictions(binary: Path) -> None:
    found, _, predictions = evaluated(binary, metrics=["specificity"])
    test = pl.read_parquet(binary / "test")
    assert predictions.columns == ["__row__", "actual", "predicted", "proba_No", "proba_Yes"]
    assert predictions["__row__"].to_list() == test["__row__"].to_list()
    assert predictions["actual"].to_list() == test["left"].to_list()
    assert predictions["predicted"].to_list() == np.where(predictions["proba_Yes"] >= 0.5, "Yes", "No").tolist()
    truth, said, score = predictions["actual"], predictions["predicted"], predictions["proba_Yes"]
    assert found["metrics"]["roc_auc"]["value"] == pytest.approx(sk.roc_auc_score(truth == "Yes", score))
    assert found["metrics"]["f1"]["value"] == pytest.approx(sk.f1_score(truth, said, pos_label="Yes"))
    assert found["metrics"]["specificity"]["value"] == pytest.approx(sk.recall_score(truth, said, pos_label="No"))
    assert found["splits"]["test"]["metrics"]["roc_auc"] == found["metrics"]["roc_auc"]["value"]
    assert {split: one["rows"] for split, one in found["splits"].items()} == SPLITS
    assert found["splits"]["train"]["metrics"]["accuracy"] != found["splits"]["dev"]["metrics"]["accuracy"]
    right = int((truth == said).sum())
    assert [found["metrics"]["accuracy"][end] for end in ("low", "high")] == pytest.approx(list(wilson(right, 200, 0.95)))
    assert found["classes"] == ["No", "Yes"]
    assert (found["positive"], found["threshold"], found["confidence"], found["task"]) == ("Yes", 0.5, 0.95, TASK)
    assert not found["metrics"]["log_loss"]["greater_is_better"]


def test_same_bytes_again_and_any_row_order(binary: Path, tmp_path: Path) -> None:
    wish = {
        "slices": [{"column": "contract"}],
        "fairness": {"sensitive": ["gender"], "metric": "equalized_odds_difference", "max": 0.1},
    }
    first, _, _ = evaluated(binary, **wish)
    before = {name: (binary / f"out-{name}").read_bytes() for name in ("metrics", "predictions", "curves")}
    evaluated(binary, **wish)
    assert before == {name: (binary / f"out-{name}").read_bytes() for name in before}
    for name in ("model", *SPLITS):
        (tmp_path / name).write_bytes((binary / name).read_bytes())
    pl.read_parquet(binary / "test").reverse().write_parquet(tmp_path / "test")
    other, _, _ = evaluated(tmp_path, **wish)
    assert _rounded(other) == _rounded(first)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 9) if isinstance(value, float) else value


def test_threshold_moves_the_labels_and_not_the_ranks(binary: Path) -> None:
    usual, _, _ = evaluated(binary)
    bold, _, predictions = evaluated(binary, threshold=0.2)
    assert bold["threshold"] == 0.2
    assert (predictions["predicted"] == "Yes").to_list() == (predictions["proba_Yes"] >= 0.2).to_list()
    assert bold["metrics"]["recall"]["value"] > usual["metrics"]["recall"]["value"]
    assert bold["metrics"]["roc_auc"] == usual["metrics"]["roc_auc"]


def test_slices(binary: Path) -> None:
    wishes = [
        {"column": "contract"},
        {"column": "tenure", "bins": [0, 12, 48]},
        {"name": "new", "where": "tenure < 3"},
        {"column": "gender"},
    ]
    found, _, predictions = evaluated(binary, slices=wishes)
    test = pl.read_parquet(binary / "test").with_columns(predicted=predictions["predicted"])
    parts = {
        "contract = month": pl.col("contract") == "month",
        "contract = two years": pl.col("contract") == "two years",
        "contract = year": pl.col("contract") == "year",
        "tenure [0, 12)": pl.col("tenure") < 12,
        "tenure [12, 48)": (pl.col("tenure") >= 12) & (pl.col("tenure") < 48),
        "tenure >= 48": pl.col("tenure") >= 48,
        "new": pl.col("tenure") < 3,
        "gender = f": pl.col("gender") == "f",
        "gender = m": pl.col("gender") == "m",
    }
    assert [one["name"] for one in found["slices"]] == list(parts)
    for one in found["slices"]:
        rows = test.filter(parts[one["name"]])
        right = int((rows["left"] == rows["predicted"]).sum())
        accuracy = one["metrics"]["accuracy"]
        assert (one["rows"], accuracy["rows"]) == (len(rows), len(rows))
        assert accuracy["value"] == pytest.approx(right / len(rows))
        assert accuracy["low"] == pytest.approx(wilson(right, len(rows), 0.95)[0])
    assert [one["column"] for one in found["slices"]][-3:] == [None, "gender", "gender"]


def test_a_slice_of_one_class_is_undefined_and_says_why(binary: Path) -> None:
    found, _, _ = evaluated(binary, slices=[{"name": "stayed", "where": "left == 'No'"}])
    (one,) = found["slices"]
    assert one["metrics"]["roc_auc"]["value"] is None
    assert one["metrics"]["roc_auc"]["low"] is None
    assert one["metrics"]["roc_auc"]["reason"] == "no row is 'Yes'"
    assert one["metrics"]["accuracy"]["value"] is not None


def test_slices_of_columns() -> None:
    frame = pl.DataFrame(
        {"n": [float(one) for one in range(40)], "s": ["a", None, "b", ""] * 10, "c": [1, 2] * 20, "b": [True, False] * 20}
    )
    frame = frame.with_columns(n=pl.when(pl.col("n") == 39).then(math.nan).otherwise(pl.col("n")))
    assert [(one.name, int(one.rows.sum())) for one in by_column(frame, "s")] == [
        ("s = (empty)", 10),
        ("s = a", 10),
        ("s = b", 10),
        ("s is missing", 10),
    ]
    assert [(one.name, int(one.rows.sum())) for one in by_column(frame, "c")] == [("c = 1", 20), ("c = 2", 20)]
    assert [one.name for one in by_column(frame, "b")] == ["b = false", "b = true"]
    quartiles = slices(frame, [{"column": "n"}])
    assert [one.name for one in quartiles] == ["n [0, 9.5)", "n [9.5, 19)", "n [19, 28.5)", "n >= 28.5", "n is missing"]
    assert [int(one.rows.sum()) for one in quartiles] == [10, 9, 10, 10, 1]
    low = slices(frame, [{"column": "n", "bins": [10, 20]}])
    assert [(one.name, int(one.rows.sum())) for one in low] == [
        ("n < 10", 10),
        ("n [10, 20)", 10),
        ("n >= 20", 19),
        ("n is missing", 1),
    ]


def test_a_column_of_very_many_values() -> None:
    values = [f"v{place:03}" for place in range(60)] + [f"v{place:03}" for place in range(10, 60)]
    found = by_column(pl.DataFrame({"v": values}), "v")
    assert len(found) == 51
    assert found[0].name == "v = v010"
    assert (found[-1].name, int(found[-1].rows.sum())) == ("v = (one of 10 others)", 10)
    assert sum(int(one.rows.sum()) for one in found) == len(values)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"column": "kontract"}, "there is no column 'kontract'"),
        ({"column": "contract", "bins": [1, 2]}, "bins need a numeric column"),
        ({"name": "x", "where": "kontract == 'a'"}, "kontract"),
    ],
)
def test_slices_that_cannot_be(binary: Path, wish: dict[str, Any], message: str) -> None:
    with pytest.raises(Problem, match=message) as caught:
        evaluated(binary, slices=[{"column": "gender"}, wish])
    assert caught.value.faults[0].route[:3] == ("evaluation", "slices", 1)


@pytest.mark.parametrize("name", ["demographic_parity_difference", "equalized_odds_difference", "equal_opportunity_difference"])
def test_fairness(binary: Path, name: str) -> None:
    found, _, predictions = evaluated(binary, fairness={"sensitive": ["gender"], "metric": name, "max": 0.1})
    gender = pl.read_parquet(binary / "test")["gender"].to_numpy()
    truth, said = (predictions[column].to_numpy() == "Yes" for column in ("actual", "predicted"))
    selection, hits, alarms = {}, {}, {}
    for group in "fm":
        selection[group] = said[gender == group].mean()
        hits[group] = said[(gender == group) & truth].mean()
        alarms[group] = said[(gender == group) & ~truth].mean()
    gaps = [abs(rate["f"] - rate["m"]) for rate in (selection, hits, alarms)]
    wanted = {
        "demographic_parity_difference": gaps[0],
        "equalized_odds_difference": max(gaps[1:]),
        "equal_opportunity_difference": gaps[1],
    }
    (one,) = found["fairness"]
    assert one["value"] == pytest.approx(wanted[name])
    for group in "fm":
        assert one["groups"][group]["selection_rate"] == pytest.approx(selection[group])
        assert one["groups"][group]["true_positive_rate"] == pytest.approx(hits[group])
        assert one["groups"][group]["false_positive_rate"] == pytest.approx(alarms[group])
    assert (one["sensitive"], one["metric"], one["groups"]["f"]["rows"]) == ("gender", name, int((gender == "f").sum()))


def test_fairness_of_the_textbook() -> None:
    """Fairlearn's quickstart numbers in small: rates 0.5, 0.25 and 0.75."""
    groups = {
        "a": {"selection_rate": 0.5, "true_positive_rate": 0.8, "false_positive_rate": 0.1},
        "b": {"selection_rate": 0.25, "true_positive_rate": 0.6, "false_positive_rate": 0.4},
        "c": {"selection_rate": 0.75, "true_positive_rate": 0.7, "false_positive_rate": 0.2},
    }
    assert unfairness("demographic_parity_difference", groups) == (0.5, None)
    assert unfairness("demographic_parity_ratio", groups) == (pytest.approx(1 / 3), None)
    assert unfairness("equalized_odds_difference", groups) == (pytest.approx(0.3), None)
    assert unfairness("equalized_odds_ratio", groups) == (pytest.approx(0.25), None)
    assert unfairness("equal_opportunity_difference", groups) == (pytest.approx(0.2), None)
    groups["c"]["true_positive_rate"] = None  # type: ignore[assignment]
    assert unfairness("equalized_odds_difference", groups) == (
        None,
        "the group 'c' has no positive rows, so no true positive rate",
    )
    assert unfairness("demographic_parity_difference", {"a": groups["a"]}) == (None, "there are fewer than two groups")


def test_fairness_needs_two_classes(several: Path, amount: Path) -> None:
    wish = {"sensitive": ["gender"], "metric": "equalized_odds_difference", "max": 0.1}
    found, _, _ = evaluated(several, SEVERAL, fairness=wish)
    assert (found["fairness"][0]["value"], found["fairness"][0]["reason"]) == (
        None,
        "the rates of groups need a task with two classes",
    )
    with pytest.raises(Problem, match="fairness compares rates of classes"):
        evaluated(amount, AMOUNT, fairness=wish)


def test_curves_of_two_classes(binary: Path) -> None:
    _, curves, predictions = evaluated(binary)
    truth, score = predictions["actual"].to_numpy() == "Yes", predictions["proba_Yes"].to_numpy()
    false_alarms, hits, _ = sk.roc_curve(truth, score)
    assert curves["roc"]["fpr"] == pytest.approx(false_alarms)
    assert curves["roc"]["tpr"] == pytest.approx(hits)
    assert np.trapezoid(curves["roc"]["tpr"], curves["roc"]["fpr"]) == pytest.approx(sk.roc_auc_score(truth, score))
    assert curves["pr"]["recall"][0] == 0
    assert curves["pr"]["recall"][-1] == 1
    assert curves["confusion"]["labels"] == ["No", "Yes"]
    assert curves["confusion"]["matrix"] == sk.confusion_matrix(predictions["actual"], predictions["predicted"]).tolist()
    calibration = curves["calibration"]
    assert sum(calibration["count"]) == 200
    assert np.average(calibration["predicted"], weights=calibration["count"]) == pytest.approx(score.mean())
    assert np.average(calibration["observed"], weights=calibration["count"]) == pytest.approx(truth.mean())
    lowest = score < 0.1
    assert calibration["predicted"][0] == pytest.approx(score[lowest].mean())
    assert calibration["observed"][0] == pytest.approx(truth[lowest].mean())
    assert sum(curves["score_histogram"]["counts"]["Yes"]) == truth.sum()
    assert len(curves["score_histogram"]["edges"]) == len(curves["score_histogram"]["counts"]["No"]) + 1


def test_several_classes(several: Path) -> None:
    found, curves, predictions = evaluated(several, SEVERAL)
    proba = predictions.select("proba_gone", "proba_stays", "proba_wavers").to_numpy()
    assert found["metrics"]["roc_auc"]["value"] == pytest.approx(
        sk.roc_auc_score(predictions["actual"], proba, multi_class="ovr")
    )
    assert (found["positive"], found["threshold"]) == (None, None)
    assert sorted(curves["classes"]) == ["gone", "stays", "wavers"]
    assert curves["classes"]["stays"]["roc"]["area"] == pytest.approx(
        sk.roc_auc_score(predictions["actual"] == "stays", proba[:, 1])
    )


def test_regression(amount: Path) -> None:
    found, curves, predictions = evaluated(amount, AMOUNT, metrics=["max_error"])
    actual, said = predictions["actual"].to_numpy(), predictions["predicted"].to_numpy()
    assert found["metrics"]["rmse"]["value"] == pytest.approx(np.sqrt(np.mean((actual - said) ** 2)))
    assert (found["classes"], found["threshold"]) == (None, None)
    assert found["metrics"]["max_error"]["low"] is None
    assert sorted(curves["predicted_actual"]["actual"]) == pytest.approx(sorted(actual))
    assert sum(curves["residuals"]["counts"]) == 200
    assert curves["residuals"]["edges"][0] == pytest.approx((actual - said).min())
    assert curves["residual_quantiles"]["0.5"] == pytest.approx(np.median(actual - said))
    time = curves["over_time"]
    assert time["time"] == sorted(time["time"])
    assert (
        len(time["time"]) == pl.read_parquet(amount / "test")["when"].n_unique() == len(time["actual"]) == len(time["predicted"])
    )
    first = pl.read_parquet(amount / "test")["when"].cast(pl.String) == time["time"][0]
    assert time["actual"][0] == pytest.approx(actual[first.to_numpy()].mean())


def test_groups_are_resampled_as_one(binary: Path, tmp_path: Path) -> None:
    """Each test row five times over: intervals by group stay those of the single rows, intervals by row shrink."""
    for name in ("model", "train", "dev"):
        (tmp_path / name).write_bytes((binary / name).read_bytes())
    rows = pl.read_parquet(binary / "test").head(40)
    pl.concat([rows] * 5).write_parquet(tmp_path / "test")
    aware, _, _ = evaluated(tmp_path, group_by="key", slices=[{"column": "gender"}])
    blind, _, _ = evaluated(tmp_path)
    for name in ("accuracy", "roc_auc", "log_loss"):
        wide, narrow = (one["metrics"][name] for one in (aware, blind))
        assert wide["value"] == narrow["value"]
        assert wide["high"] - wide["low"] > 1.8 * (narrow["high"] - narrow["low"])
    slice_ = aware["slices"][0]["metrics"]["accuracy"]
    assert slice_["high"] - slice_["low"] > wide["high"] - wide["low"]
    with pytest.raises(Problem, match="no column 'household' to group by"):
        evaluated(tmp_path, group_by=["key", "household"])


def test_custom_metric(binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "costs.py").write_text(
        "import numpy as np\n"
        "def each(y_true, predicted, proba):\n    return float(np.mean(5 * (y_true == 'Yes') * (predicted == 'No')))\n"
        "def nothing(y_true, predicted, proba):\n    return float('nan')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = {name: {"entrypoint": f"costs:{name}", "greater_is_better": False} for name in ("each", "nothing")}
    found, _, predictions = evaluated(binary, metrics=["each"], custom_metrics=own)
    missed = ((predictions["actual"] == "Yes") & (predictions["predicted"] == "No")).sum()
    one = found["metrics"]["each"]
    assert one["value"] == pytest.approx(5 * missed / 200)
    assert one["low"] <= one["value"] <= one["high"]
    assert (one["method"], one["greater_is_better"]) == ("bootstrap", False)
    assert found["metrics"]["nothing"]["reason"] == "costs:nothing returned nan"
    assert found["splits"]["train"]["metrics"]["nothing"] is None
    by_group, _, _ = evaluated(binary, group_by="gender", custom_metrics=own)  # two groups: a resample is one of four
    group = by_group["metrics"]["each"]
    assert group["method"] == "bootstrap"
    assert (group["low"], group["high"]) != (one["low"], one["high"])


def test_faults_of_the_input_are_problems(binary: Path, amount: Path, tmp_path: Path) -> None:
    for name in ("model", *SPLITS):
        (tmp_path / name).write_bytes((binary / name).read_bytes())
    test = pl.read_parquet(binary / "test")
    for change, message in (
        (test.with_columns(left=pl.lit(None, dtype=pl.String)), "have no 'left'"),
        (test.with_columns(left=pl.lit("Maybe")), "hold the class 'Maybe'"),
        (test.drop("left"), "no column 'left'"),
        (test.drop("tenure"), "tenure"),
        (test.clear(), "the test split is empty"),
    ):
        change.write_parquet(tmp_path / "test")
        with pytest.raises(Problem, match=message):
            evaluated(tmp_path)
    for name in ("model", *SPLITS):
        (tmp_path / name).write_bytes((amount / name).read_bytes())
    pl.read_parquet(amount / "test").with_columns(spend=pl.lit("a lot")).write_parquet(tmp_path / "test")
    with pytest.raises(Problem, match="regression learns a number"):
        evaluated(tmp_path, AMOUNT)


def test_an_empty_dev_split_has_no_numbers(binary: Path, tmp_path: Path) -> None:
    for name in ("model", *SPLITS):
        (tmp_path / name).write_bytes((binary / name).read_bytes())
    pl.read_parquet(binary / "dev").clear().write_parquet(tmp_path / "dev")
    found, _, _ = evaluated(tmp_path)
    assert found["splits"]["dev"]["rows"] == 0
    assert set(found["splits"]["dev"]["metrics"].values()) == {None}
