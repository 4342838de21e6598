"""What `mlspec run specs/churn.yaml` makes, written by hand with the same libraries: the yardstick for the runner's own cost.

    python benchmarks/churn_by_hand.py DATA OUT

One process and one pass through memory, in the order in which a person would write it; where there was a choice between two
ways, the cheaper one was taken (measured). It reads and describes the table, checks it, deals rows by a hash of their id, drops
copies and proves that none is left, fits the model and a baseline, cross-validates with everything refitted, scores three splits
with intervals and slices, permutes columns, draws the same eight figures, and writes tables, model, numbers and one page.

It leaves out what mlspec is for and does besides: a spec that is checked and told about in its own lines, errors in the user's
terms, a cache, requirements and a verdict on each, the model card, the package that serves the model, the registry, pictures
inside the page's tables, logs, and bytes that are the same on every machine.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

if "--blas-as-it-comes" not in sys.argv:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported, which the rest of this script begins with

import jinja2
import joblib
import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from scipy import stats
from sklearn import metrics as m
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ID, TARGET, POSITIVE = "customerID", "Churn", "Yes"
NUMBERS = ["tenure", "MonthlyCharges", "TotalCharges"]
VALUES = {
    "SeniorCitizen": ["0", "1"],
    "Contract": ["Month-to-month", "One year", "Two year"],
    "Churn": ["No", "Yes"],
}
RANGES = {"tenure": (0, 72), "MonthlyCharges": (0, None), "TotalCharges": (0, None)}
SEED, FOLDS, REPEATS, THRESHOLD, CONFIDENCE = 7, 5, 5, 0.3, 0.95
SPLITS = ("train", "dev", "test")

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>churn</title>
<style>body{font:16px/1.5 sans-serif;max-width:60rem;margin:auto}table{border-collapse:collapse}td,th{padding:.2rem .6rem}</style>
<h1>churn</h1><p>{{ rows }} rows, sha256 {{ sha256 }}</p>
{% for title, head, body in tables %}<h2>{{ title }}</h2><table><tr>{% for name in head %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in body %}<tr>{% for cell in row %}<td>{{ "%.3f" % cell if cell is float else cell }}</td>{% endfor %}</tr>
{% endfor %}</table>{% endfor %}
{% for title, svg in figures.items() %}<h2>{{ title }}</h2><figure>{{ svg | safe }}</figure>{% endfor %}</html>
"""


def read(source: Path, out: Path) -> tuple[pl.DataFrame, str]:
    with source.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    table = pl.read_csv(source, null_values=[" "], schema_overrides={"SeniorCitizen": pl.String}).with_row_index("__row__")
    table.write_parquet(out / "data.parquet")
    return table, sha256


def profile(table: pl.DataFrame) -> list[dict[str, Any]]:
    described = []
    for column in table.drop("__row__"):
        one: dict[str, Any] = {"name": column.name, "type": str(column.dtype), "missing": column.null_count()}
        known = column.drop_nulls()
        one["distinct"] = known.n_unique()
        if column.dtype.is_numeric():
            one |= {name: getattr(known, name)() for name in ("min", "max", "mean", "std", "median")}
            counts, edges = np.histogram(known.to_numpy(), 20)
            one["histogram"] = {"edges": edges.tolist(), "counts": counts.tolist()}
        else:
            one["top"] = known.value_counts(sort=True).head(10).rows()
        described.append(one)
    return described


def check(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Count the rows that break each rule and name the first of them; stop where a rule does not hold."""
    rules: dict[str, tuple[pl.Expr, float]] = {f"{ID} unique": (pl.col(ID).is_duplicated(), 0)}
    rules |= {f"{name} known": (~pl.col(name).is_in(values), 0) for name, values in VALUES.items()}
    for name, (low, high) in RANGES.items():
        rules[f"{name} at least {low}"] = (pl.col(name) < low, 0)
        if high is not None:
            rules[f"{name} at most {high}"] = (pl.col(name) > high, 0)
    rules |= {f"{name} given": (pl.col(name).is_null(), 0.01) for name in table.columns}
    rules["total at least a month"] = (pl.col("TotalCharges") < pl.col("MonthlyCharges") * 0.9, 0.01)
    broken = table.select(failing.fill_null(False).alias(name) for name, (failing, _) in rules.items())
    report = []
    for name, (_, allowed) in rules.items():
        rows = broken[name].arg_true()
        share = len(rows) / table.height
        report.append({"check": name, "failing": len(rows), "share": share, "allowed": allowed, "rows": rows.head(5).to_list()})
        assert share <= allowed, report[-1]
    return report


def split(table: pl.DataFrame, out: Path) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
    """Deal 70/15/15 by a hash of the id; training rows that copy the features of a later split are dropped."""
    lot = pl.col(ID).hash(SEED) / 2.0**64
    features = [name for name in table.columns if name not in ("__row__", ID, TARGET)]
    dealt = table.with_columns(
        pl.when(lot < 0.7).then(0).when(lot < 0.85).then(1).otherwise(2).alias("part"), pl.struct(features).hash().alias("print")
    )
    train, dev, test = (dealt.filter(pl.col("part") == part) for part in range(3))
    dev = dev.filter(~pl.col("print").is_in(test["print"].implode()))
    train = train.filter(~pl.col("print").is_in(pl.concat([dev["print"], test["print"]]).implode()))
    parts = dict(zip(SPLITS, (train, dev, test), strict=True))
    share = (table[TARGET] == POSITIVE).mean()
    assert isinstance(share, float)
    manifest: dict[str, Any] = {"purged": table.height - sum(part.height for part in parts.values()), "splits": {}, "shared": {}}
    for name, part in parts.items():
        own = (part[TARGET] == POSITIVE).mean()
        assert isinstance(own, float)
        assert abs(own - share) <= 4 * math.sqrt(share * (1 - share) / part.height)
        ids = hashlib.sha256("\n".join(part[ID].sort()).encode()).hexdigest()
        manifest["splits"][name] = {"rows": part.height, "positive": own, "sha256": ids}
        part.write_parquet(out / f"{name}.parquet")
    for first, second in (("train", "dev"), ("train", "test"), ("dev", "test")):
        for what in (ID, "print"):
            shared = int(parts[first][what].is_in(parts[second][what].implode()).sum())
            manifest["shared"][f"{first}, {second}: {what}"] = shared
            assert shared == 0
    return parts, manifest


def pipeline(model: Any, words: list[str]) -> Pipeline:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return Pipeline(
        [("features", ColumnTransformer([("numbers", numbers, NUMBERS), ("words", encode, words)])), ("model", model)]
    )


def measure(truth: Any, score: Any) -> dict[str, float]:
    said = score >= THRESHOLD
    return {
        "accuracy": m.accuracy_score(truth, said),
        "balanced_accuracy": m.balanced_accuracy_score(truth, said),
        "precision": m.precision_score(truth, said, zero_division=0),
        "recall": m.recall_score(truth, said),
        "f1": m.f1_score(truth, said),
        "roc_auc": m.roc_auc_score(truth, score),
        "average_precision": m.average_precision_score(truth, score),
        "log_loss": m.log_loss(truth, score),
        "brier_score": m.brier_score_loss(truth, score),
    }


def wilson(count: int, total: int) -> tuple[float, float]:
    found = stats.binomtest(count, total).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def around(value: float, error: float, rows: int, *, logit: bool) -> tuple[float, float] | None:
    """The t interval on the logit or the log scale."""
    if error == 0 or (logit and value in (0, 1)):
        return None
    slope, middle = (1 / (value * (1 - value)), math.log(value / (1 - value))) if logit else (1 / value, math.log(value))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, rows - 1)) * error * slope
    low, high = middle - reach, middle + reach
    return (1 / (1 + math.exp(-low)), 1 / (1 + math.exp(-high))) if logit else (math.exp(low), math.exp(high))


def intervals(truth: Any, score: Any, values: dict[str, float]) -> dict[str, tuple[float, float] | None]:
    """Wilson for shares, MOVER for balanced accuracy, DeLong for ROC AUC, the delta method for the rest."""
    said = score >= THRESHOLD
    hits, alarms, positives, rows = int((truth & said).sum()), int(said.sum()), int(truth.sum()), len(truth)
    quiet = rows - positives - alarms + hits
    found: dict[str, tuple[float, float] | None] = {"accuracy": wilson(hits + quiet, rows), "recall": wilson(hits, positives)}
    found["precision"] = wilson(hits, alarms) if alarms else None
    low, high = wilson(hits, positives + alarms - hits)
    found["f1"] = (2 * low / (1 + low), 2 * high / (1 + high))
    rates = [(hits / positives, *wilson(hits, positives)), (quiet / (rows - positives), *wilson(quiet, rows - positives))]
    balanced = values["balanced_accuracy"]
    found["balanced_accuracy"] = (
        balanced - math.hypot(*(rate - low for rate, low, _ in rates)) / 2,
        balanced + math.hypot(*(high - rate for rate, _, high in rates)) / 2,
    )
    _, place = np.unique(score, return_inverse=True)
    yes = np.bincount(place, weights=truth)
    no = np.bincount(place) - yes
    right = np.where(truth, (np.cumsum(no) - no / 2)[place] / no.sum(), (yes.sum() - np.cumsum(yes) + yes / 2)[place] / yes.sum())
    area = (right - values["roc_auc"]) / np.where(truth, yes.sum(), no.sum())
    new, called = yes[::-1], np.cumsum((yes + no)[::-1])
    share = np.cumsum(new) / called
    gain, loss = np.cumsum((new / called)[::-1])[::-1], np.cumsum((new * share / called)[::-1])[::-1]
    where = len(new) - 1 - place
    ranked = (truth * (share[where] - values["average_precision"] + gain[where]) - loss[where]) / yes.sum()
    surprise = -np.log(np.clip(np.where(truth, score, 1 - score), 1e-15, 1))
    influences = {
        "roc_auc": area,
        "average_precision": ranked,
        "log_loss": (surprise - surprise.mean()) / rows,
        "brier_score": ((score - truth) ** 2 - values["brier_score"]) / rows,
    }
    for name, one in influences.items():
        error = math.sqrt(float(one @ one) * rows / (rows - 1))
        found[name] = around(values[name], error, rows, logit=name in ("roc_auc", "average_precision"))
    return found


def judge(truth: Any, score: Any) -> dict[str, Any]:
    values = measure(truth, score)
    ends = intervals(truth, score, values)
    return {name: {"value": value, "interval": ends[name]} for name, value in values.items()}


def slices(test: pl.DataFrame) -> dict[str, Any]:
    masks = {f"Contract = {value}": test["Contract"] == value for value in VALUES["Contract"]}
    edges = [0, 12, 48, 72]
    masks |= {f"tenure {low} to {high}": test["tenure"].is_between(low, high, closed="left") for low, high in pairwise(edges)}
    masks |= {"tenure from 72": test["tenure"] >= 72, "new customers": test["tenure"] < 3}
    return {name: mask.to_numpy() for name, mask in masks.items()}


def evaluate(model: Pipeline, parts: dict[str, pl.DataFrame], *, sliced: bool) -> tuple[dict[str, Any], Any]:
    told: dict[str, Any] = {"splits": {}}
    for name, part in parts.items():
        score = model.predict_proba(part)[:, 1]
        truth = (part[TARGET] == POSITIVE).to_numpy()
        told["splits"][name] = measure(truth, score)
    told["test"] = judge(truth, score)  # the test split came last
    if sliced:
        told["slices"] = {
            name: {"rows": int(rows.sum()), "metrics": judge(truth[rows], score[rows])}
            for name, rows in slices(parts["test"]).items()
        }
    return told, score


def cross_validate(train: pl.DataFrame, words: list[str]) -> dict[str, list[float]]:
    truth = (train[TARGET] == POSITIVE).to_numpy()
    found: dict[str, list[float]] = {"f1": [], "recall": [], "roc_auc": []}
    for learned, held in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(truth, truth):
        model = pipeline(LogisticRegression(max_iter=1000), words).fit(train[learned], truth[learned])
        score = model.predict_proba(train[held])[:, 1]
        said = score >= THRESHOLD
        found["f1"].append(m.f1_score(truth[held], said))
        found["recall"].append(m.recall_score(truth[held], said))
        found["roc_auc"].append(m.roc_auc_score(truth[held], score))
    return found


def importance(model: Pipeline, test: pl.DataFrame, columns: list[str], whole: float) -> list[tuple[str, float, float]]:
    """How much ROC AUC falls when a column is shuffled. One prediction for a column's repeats costs less than five."""
    truth = (test[TARGET] == POSITIVE).to_numpy()
    shuffles = np.random.default_rng(SEED).permuted(np.tile(np.arange(len(test)), (REPEATS, 1)), axis=1)
    found = []
    for name in columns:
        rows = pl.concat([test.with_columns(test[name].gather(shuffle)) for shuffle in shuffles])
        scores = np.split(model.predict_proba(rows)[:, 1], REPEATS)
        losses = [whole - m.roc_auc_score(truth, score) for score in scores]
        found.append((name, float(np.mean(losses)), float(np.std(losses))))
    return sorted(found, key=lambda one: -one[1])


def curves(truth: Any, score: Any) -> dict[str, Any]:
    false_alarms, hits, _ = m.roc_curve(truth, score)
    precision, recall, _ = m.precision_recall_curve(truth, score)
    bucket = np.minimum((score * 10).astype(int), 9)
    count = np.bincount(bucket, minlength=10)
    filled = count > 0
    edges = np.linspace(0, 1, 21)
    return {
        "roc": {"fpr": thin(false_alarms), "tpr": thin(hits)},
        "pr": {"recall": thin(recall[::-1]), "precision": thin(precision[::-1])},
        "calibration": {
            "predicted": (np.bincount(bucket, score, 10)[filled] / count[filled]).tolist(),
            "observed": (np.bincount(bucket, truth, 10)[filled] / count[filled]).tolist(),
            "count": count[filled].tolist(),
        },
        "confusion": m.confusion_matrix(truth, score >= THRESHOLD).tolist(),
        "scores": {
            "edges": edges.tolist(),
            **{str(one): np.histogram(score[truth == one], edges)[0].tolist() for one in (False, True)},
        },
    }


def thin(values: Any) -> list[float]:
    places = np.linspace(0, len(values) - 1, min(len(values), 400)).round().astype(int)
    return [float(value) for value in values[places]]


def figures(told: dict[str, Any], drawn: dict[str, Any], folds: Any, ranking: Any, positive: float) -> dict[str, str]:
    mpl.rcParams.update({"svg.fonttype": "none", "axes.grid": True, "axes.spines.top": False, "axes.spines.right": False})
    return {
        "ROC curve": curve(drawn["roc"]["fpr"], drawn["roc"]["tpr"], "false alarms", "hits", [0, 1]),
        "Precision and recall": curve(drawn["pr"]["recall"], drawn["pr"]["precision"], "recall", "precision", [positive] * 2),
        "Calibration": calibration(drawn["calibration"]),
        "Confusion matrix": confusion(drawn["confusion"]),
        "Scores by actual class": histogram(drawn["scores"]),
        "ROC AUC by slice": forest(told["slices"], told["test"]["roc_auc"]),
        "What the model relies on": bars(ranking[:16]),
        "Scores of the folds": strips(folds, told["test"]),
    }


def canvas(width: float = 380, height: float = 300, rows: int = 1) -> tuple[Figure, Any]:
    figure = Figure((width / 72, height / 72), layout=None)
    FigureCanvasSVG(figure)
    figure.subplots_adjust(left=0.13, right=0.97, top=0.9, bottom=0.15, hspace=1)
    return figure, figure.subplots(rows)


def svg(figure: Figure) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg")
    return file.getvalue()


def curve(x: list[float], y: list[float], across: str, up: str, guess: list[float]) -> str:
    figure, axes = canvas()
    axes.plot([0, 1], guess, color="grey", linestyle="--", linewidth=1)
    axes.annotate("guessing", (0.6, guess[0] * 0.4 + guess[1] * 0.6))
    axes.plot(x, y)
    axes.set(xlabel=across, ylabel=up, xlim=(-0.01, 1.01), ylim=(0, 1.02))
    return svg(figure)


def calibration(told: dict[str, Any]) -> str:
    figure, axes = canvas()
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
    axes.plot(told["predicted"], told["observed"])
    axes.scatter(told["predicted"], told["observed"], s=[12 + 60 * one / max(told["count"]) for one in told["count"]])
    axes.set(xlabel="probability the model gave", ylabel="how often it happened", xlim=(-0.01, 1.01), ylim=(0, 1.02))
    return svg(figure)


def confusion(matrix: list[list[int]]) -> str:
    figure, axes = canvas()
    axes.grid(False)
    axes.imshow(matrix, cmap="Blues")
    for (down, across), count in np.ndenumerate(matrix):
        axes.text(across, down, f"{count}\n{count / sum(matrix[down]):.1%}", ha="center", va="center")
    axes.set(xlabel="predicted", ylabel="actual")
    axes.set_xticks([0, 1], VALUES[TARGET])
    axes.set_yticks([0, 1], VALUES[TARGET])
    return svg(figure)


def histogram(told: dict[str, Any]) -> str:
    figure, axes = canvas()
    for name, label in (("False", "No"), ("True", "Yes")):
        axes.stairs([100 * one / sum(told[name]) for one in told[name]], told["edges"], fill=True, alpha=0.4, label=label)
    axes.axvline(THRESHOLD, color="black")
    axes.annotate("threshold", (THRESHOLD, 1), xycoords=("data", "axes fraction"))
    axes.set(xlabel="score the model gave", ylabel="% of the class")
    axes.legend()
    return svg(figure)


def forest(parts: dict[str, Any], overall: dict[str, Any]) -> str:
    figure, axes = canvas(height=66 + 40 * len(parts))
    axes.axvline(overall["value"], color="black")
    axes.axvspan(*overall["interval"], alpha=0.07)
    for place, (name, told) in enumerate(sorted(parts.items(), key=lambda one: one[1]["metrics"]["roc_auc"]["value"])):
        one = told["metrics"]["roc_auc"]
        axes.plot(one["interval"], [place, place], color="C0")
        axes.plot([one["value"]], [place], "o", color="C0")
        axes.text(0, place - 0.28, f"{name}: {one['value']:.3f} ({told['rows']} rows)", transform=axes.get_yaxis_transform())
    axes.set_yticks([])
    axes.invert_yaxis()
    return svg(figure)


def bars(ranking: list[tuple[str, float, float]]) -> str:
    figure, axes = canvas(height=48 + 40 * len(ranking))
    names, means, spreads = zip(*ranking, strict=True)
    axes.barh(range(len(names)), means, height=0.3, xerr=spreads)
    for place, (name, mean, _) in enumerate(ranking):
        axes.text(0, place - 0.28, f"{name}: {mean:.4f}", transform=axes.get_yaxis_transform())
    axes.set_yticks([])
    axes.invert_yaxis()
    return svg(figure)


def strips(folds: dict[str, list[float]], test: dict[str, Any]) -> str:
    figure, every = canvas(height=76 * len(folds), rows=len(folds))
    for axes, (name, values) in zip(every, folds.items(), strict=True):
        mean, spread = np.mean(values), np.std(values, ddof=1)
        axes.axvspan(mean - spread, mean + spread, alpha=0.14)
        axes.axvline(mean)
        axes.plot(values, [0] * len(values), "o")
        axes.plot([test[name]["value"]], [0], "D", color="C1", markerfacecolor="none")
        axes.set_yticks([])
        axes.set_title(f"{name}: {mean:.3f} ± {spread:.3f}", fontsize=10)
    return svg(figure)


def tables(found: dict[str, Any]) -> list[tuple[str, list[str], list[list[Any]]]]:
    def ends(one: dict[str, Any]) -> str:
        return "–" if one["interval"] is None else "{:.3f} to {:.3f}".format(*one["interval"])

    told, old = found["metrics"], found["baseline"]
    scores = [
        [
            name,
            f"{one['value']:.3f}",
            ends(one),
            f"{old['test'][name]['value']:.3f}",
            *(f"{told['splits'][s][name]:.3f}" for s in SPLITS),
        ]
        for name, one in told["test"].items()
    ]
    parts = [
        [name, one["rows"], metric, f"{value['value']:.3f}", ends(value)]
        for name, one in told["slices"].items()
        for metric, value in one["metrics"].items()
    ]
    keys = ["name", "type", "missing", "distinct", "min", "median", "max"]
    columns = [[one.get(key, "") for key in keys] for one in found["profile"]]
    folds = [[name, ", ".join(f"{value:.3f}" for value in values)] for name, values in found["folds"].items()]
    checks = [[one["check"], one["failing"], one["allowed"]] for one in found["checks"]]
    splits = [[name, one["rows"], one["positive"]] for name, one in found["splits"]["splits"].items()]
    return [
        ("Scores", ["metric", "test", "interval", "baseline", *SPLITS], scores),
        ("Slices", ["slice", "rows", "metric", "value", "interval"], parts),
        ("Importance", ["column", "loss", "spread"], [list(one) for one in found["importance"]]),
        ("Folds", ["metric", "values"], folds),
        ("Columns", keys, columns),
        ("Checks", ["check", "failing", "allowed"], checks),
        ("Splits", ["split", "rows", "positive"], splits),
    ]


def main(data: Path, out: Path) -> None:
    table, sha256 = read(data / "telco-customer-churn.csv", out)
    found: dict[str, Any] = {"profile": profile(table), "checks": check(table)}
    parts, found["splits"] = split(table, out)
    columns = [name for name in table.columns if name not in ("__row__", ID, TARGET)]
    words = [name for name in columns if name not in NUMBERS]
    train, test = parts["train"], parts["test"]
    churned = (train[TARGET] == POSITIVE).to_numpy()
    model = pipeline(LogisticRegression(max_iter=1000), words).fit(train, churned)
    baseline = pipeline(DummyClassifier(strategy="prior"), words).fit(train, churned)
    found["folds"] = cross_validate(train, words)
    found["metrics"], score = evaluate(model, parts, sliced=True)
    found["baseline"], _ = evaluate(baseline, parts, sliced=False)
    found["importance"] = importance(model, test, columns, found["metrics"]["test"]["roc_auc"]["value"])
    truth = (test[TARGET] == POSITIVE).to_numpy()
    found["curves"] = curves(truth, score)
    joblib.dump(model, out / "model.joblib")
    joblib.dump(baseline, out / "baseline.joblib")
    answers = pl.DataFrame({"__row__": test["__row__"], "actual": test[TARGET], "predicted": score >= THRESHOLD, "score": score})
    answers.write_parquet(out / "predictions.parquet")
    for name, one in found.items():
        (out / f"{name}.json").write_text(json.dumps(one, indent=1, sort_keys=True, allow_nan=False), encoding="utf-8")
    drawn = figures(found["metrics"], found["curves"], found["folds"], found["importance"], float(truth.mean()))
    page = jinja2.Environment(autoescape=True).from_string(PAGE)
    shown = page.render(rows=table.height, sha256=sha256, tables=tables(found), figures=drawn)
    (out / "report.html").write_text(shown, encoding="utf-8")
    (out / "data.sha256").write_text(sha256, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
