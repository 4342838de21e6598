"""Make the sample artifacts of this folder from scikit-learn's own data sets: `python tests/data/report/make.py`.

They keep the layouts of the ops without running them, so that a test of the page tests nothing but the page.
"""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets, metrics
from sklearn.calibration import calibration_curve
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mlspec.runtime.artifact import write_json

HERE = Path(__file__).parent
STEPS = [
    ("ingest", "ingest", "data", "Read every source, combine them, and write one typed table.", []),
    ("validate", "validate", "data", "Check every row against the schema and the checks; set failing rows aside.", ["ingest"]),
    ("data_gate", "gate", "data", "Fail the run unless the verdict it is given is a pass.", ["validate"]),
    ("split", "split", "data", "Deal the rows to train, dev and test by identity.", ["validate", "data_gate"]),
    ("enrich_with_weather", "python", "data", "Call the user's own function.", ["split"]),
    ("featurize", "featurize", "modeling", "Fit the feature transforms on the training rows and apply them.", ["split"]),
    ("train", "train", "modeling", "Fit the model on the training features.", ["featurize"]),
    ("train_baseline", "train", "modeling", "Fit the baseline on the training features.", ["featurize"]),
    ("cross_validate", "cross_validate", "modeling", "Refit transforms and model on folds of the training rows.", ["split"]),
    ("evaluate", "evaluate", "modeling", "Score the model on raw rows of every split.", ["train", "split"]),
    ("evaluate_baseline", "evaluate", "modeling", "Score the baseline on raw rows of every split.", ["train_baseline", "split"]),
    ("explain", "explain", "modeling", "Measure how much each raw column matters.", ["train", "split"]),
    ("decide", "decide", "modeling", "Hold every requirement against the evidence.", ["evaluate", "evaluate_baseline", "validate", "split", "cross_validate"]),
    ("report", "report", "modeling", "Draw the evidence as one page.", ["ingest", "validate", "split", "evaluate", "evaluate_baseline", "decide", "explain", "cross_validate"]),
    ("gate", "gate", "modeling", "Fail the run unless the verdict it is given is a pass.", ["decide"]),
    ("package", "package", "deployment", "Put model, schema, environment, spec and evidence together.", ["train", "validate", "evaluate", "decide", "gate"]),
    ("register", "register", "deployment", "Enter the package in the model registry.", ["package"]),
]  # fmt: skip


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def graph() -> dict[str, Any]:
    steps = [{"id": name, "op": op, "stage": stage, "summary": summary} for name, op, stage, summary, _ in STEPS]
    return {"steps": steps, "edges": [[need, name] for name, *_, needs in STEPS for need in needs]}


def bootstrap(score: Any, truth: Any, guess: Any) -> tuple[float, float]:
    generator = np.random.default_rng(7)
    values = []
    for _ in range(200):
        rows = generator.integers(0, len(truth), len(truth))
        if len(np.unique(truth[rows])) == len(np.unique(truth)) or truth.dtype == float:
            values.append(score(truth[rows], guess[rows]))
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def measure(score: Any, truth: Any, guess: Any, greater: bool = True) -> dict[str, Any]:
    low, high = bootstrap(score, truth, guess)
    return {
        "value": float(score(truth, guess)), "low": low, "high": high, "method": "bootstrap", "rows": len(truth), "reason": None,
        "greater_is_better": greater,
    }  # fmt: skip


def profile_column(name: str, values: Any, role: str = "feature") -> dict[str, Any]:
    if values.dtype.kind in "OU":
        labels, counts = np.unique(values.astype(str), return_counts=True)
        top = sorted(([str(a), int(b)] for a, b in zip(labels, counts, strict=True)), key=lambda one: (-one[1], one[0]))[:10]
        blank = dict.fromkeys(("min", "max", "mean", "std", "median", "histogram"))
        return {"name": name, "type": "category", "role": role, "missing": 0, "distinct": len(labels), "top": top, **blank}
    seen = values[~np.isnan(values)]
    counts, edges = np.histogram(seen, bins=20)
    return {
        "name": name, "type": "number", "role": role, "missing": int(np.isnan(values).sum()), "distinct": len(np.unique(seen)),
        "min": float(seen.min()), "max": float(seen.max()), "mean": float(seen.mean()), "std": float(seen.std()),
        "median": float(np.median(seen)), "histogram": {"edges": [round(float(e), 4) for e in edges], "counts": counts.tolist()}, "top": None,
    }  # fmt: skip


def manifest(sizes: dict[str, int], classes: dict[str, dict[str, float]] | None, strategy: str = "stratified") -> dict[str, Any]:
    total = sum(sizes.values())
    splits = {
        name: {
            "rows": rows,
            "share": rows / total,
            "classes": classes[name] if classes else None,
            "first": None,
            "last": None,
            "sha256": digest(name),
        }
        for name, rows in sizes.items()
    }
    proofs = [
        {"id": "no-shared-ids", "verdict": "pass", "checked": total, "found": 0, "statement": "No id occurs in two splits."},
        {
            "id": "no-shared-duplicates",
            "verdict": "pass",
            "checked": total,
            "found": 0,
            "statement": "No row occurs in two splits with the same features.",
        },
        {
            "id": "no-shared-groups",
            "verdict": "not_applicable",
            "checked": 0,
            "found": 0,
            "statement": "The spec names no group.",
        },
        {
            "id": "no-time-overlap",
            "verdict": "not_applicable",
            "checked": 0,
            "found": 0,
            "statement": "The split is not by time.",
        },
        {
            "id": "class-balance",
            "verdict": "pass",
            "checked": 3,
            "found": 0,
            "statement": "Class shares differ by 1.2 points at most.",
        },
    ]
    return {"strategy": strategy, "key": ["patient"], "seed": 7, "ratios": [0.7, 0.15, 0.15], "rule": "guide: under 1K rows -> 70/15/15", "exact": False,
            "splits": splits, "purged": 0, "proofs": proofs, "verdict": "pass"}  # fmt: skip


def requirement(name: str, kind: str, text: str, one: dict[str, Any], met: bool, route: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "id": name, "kind": kind, "name": name, "target": text, "value": one["value"], "low": one.get("low"), "high": one.get("high"),
        "verdict": "pass" if met else "fail", "certainty": "clear" if one.get("low") is not None else None, "reason": "", "route": route,
        "metric": name if kind in ("metric", "overfitting") else None, "primary": False, "supports": None, "step": "evaluate",
        "artifact": "evaluate.metrics", "digest": digest("evaluate.metrics"), **more,
    }  # fmt: skip


def decision(requirements: list[dict[str, Any]]) -> dict[str, Any]:
    passed = sum(one["verdict"] == "pass" for one in requirements)
    summary = {"passed": passed, "failed": len(requirements) - passed}
    return {"verdict": "pass" if passed == len(requirements) else "fail", "requirements": requirements, "summary": summary}


def check(
    name: str,
    kind: str,
    column: str | None,
    words: str,
    failing: int,
    rows: int,
    allowed: float,
    route: list[Any],
    examples: Any = (),
) -> dict[str, Any]:
    share = failing / rows
    return {"id": name, "kind": kind, "column": column, "description": words, "failing": failing, "share": share, "allowed": allowed,
            "verdict": "pass" if share <= allowed else "fail", "route": route, "examples": list(examples)}  # fmt: skip


def validation(rows: int, checks: list[dict[str, Any]], verdict: str = "pass", aside: int = 0) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "rows": rows,
        "kept": rows - aside,
        "quarantined": aside,
        "on_failure": "quarantine",
        "checks": checks,
        "schema": {},
    }


def rounded(values: Any) -> list[float]:
    return [round(float(value), 5) for value in values]


def importance(model: Any, x: Any, y: Any, names: list[str], metric: str) -> dict[str, Any]:
    found = permutation_importance(model, x, y, scoring=metric, n_repeats=5, random_state=7)
    rows = sorted(zip(names, found.importances_mean, found.importances_std, strict=True), key=lambda one: -one[1])
    return {"metric": metric, "repeats": 5, "columns": [{"name": a, "mean": float(b), "std": float(c)} for a, b, c in rows]}


def folds(model: Any, x: Any, y: Any, names: list[str]) -> dict[str, Any]:
    scores = {name: cross_val_score(model, x, y, cv=5, scoring=name) for name in names}
    return {
        "folds": 5,
        "metrics": {
            name: {"values": rounded(one), "mean": float(one.mean()), "std": float(one.std())} for name, one in scores.items()
        },
    }


def binary() -> dict[str, Any]:
    """A pass: breast cancer, a boosted model against logistic regression, slices, fairness, folds, a quarantine."""
    data = datasets.load_breast_cancer()
    x, y, names = data.data, data.target, [str(name) for name in data.feature_names]
    groups = np.random.default_rng(3).choice(["clinic north", "clinic south", "clinic west"], len(y), p=[0.5, 0.4, 0.1])
    x_fit, x_test, y_fit, y_test, _, g_test = train_test_split(x, y, groups, test_size=0.4, random_state=7, stratify=y)
    x_train, x_dev, y_train, y_dev = train_test_split(x_fit, y_fit, test_size=0.25, random_state=7, stratify=y_fit)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=500)).fit(x_train, y_train)
    old = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=2, random_state=7)).fit(x_train, y_train)
    scored = {
        "roc_auc": (metrics.roc_auc_score, "score"), "average_precision": (metrics.average_precision_score, "score"),
        "accuracy": (metrics.accuracy_score, "guess"), "f1": (metrics.f1_score, "guess"), "precision": (metrics.precision_score, "guess"),
        "recall": (metrics.recall_score, "guess"), "brier_score": (metrics.brier_score_loss, "score"),
    }  # fmt: skip

    def layout(fitted: Any) -> dict[str, Any]:
        def said(rows: Any, how: str) -> Any:
            return fitted.predict_proba(rows)[:, 1] if how == "score" else fitted.predict(rows)

        sets = {"train": (x_train, y_train), "dev": (x_dev, y_dev), "test": (x_test, y_test)}
        parts = {
            name: {
                "rows": len(truth),
                "metrics": {one: float(score(truth, said(rows, how))) for one, (score, how) in scored.items()},
            }
            for name, (rows, truth) in sets.items()
        }
        measured = {one: measure(score, y_test, said(x_test, how), one != "brier_score") for one, (score, how) in scored.items()}
        measured["log_loss"] = {"value": None, "low": None, "high": None, "method": "bootstrap", "rows": len(y_test),
                                "reason": "the model gives no probabilities", "greater_is_better": False}  # fmt: skip
        return {"task": {"kind": "classification", "target": "diagnosis", "positive": "benign"}, "classes": ["malignant", "benign"],
                "threshold": 0.5, "positive": "benign", "confidence": 0.95, "splits": parts, "metrics": measured, "slices": [], "fairness": []}  # fmt: skip

    found, baseline = layout(model), layout(old)
    score, guess = model.predict_proba(x_test)[:, 1], model.predict(x_test)
    parts = {f"site = {name}": g_test == name for name in np.unique(groups)}
    parts |= {
        "mean texture in 0 to 17": x_test[:, 1] < 17,
        "mean texture in 17 to 21": (x_test[:, 1] >= 17) & (x_test[:, 1] < 21),
    }
    for name, rows in parts.items():
        found["slices"].append(
            {
                "name": name,
                "column": "site",
                "rows": int(rows.sum()),
                "metrics": {"roc_auc": measure(metrics.roc_auc_score, y_test[rows], score[rows])},
            }
        )
    nothing = {
        "value": None,
        "low": None,
        "high": None,
        "method": None,
        "rows": 31,
        "reason": "all rows are malignant",
        "greater_is_better": True,
    }
    found["slices"].append({"name": "mean radius from 20", "column": "mean radius", "rows": 31, "metrics": {"roc_auc": nothing}})
    rates = {
        str(name): {
            "rows": int((g_test == name).sum()), "selection_rate": float(guess[g_test == name].mean()),
            "true_positive_rate": float(guess[(g_test == name) & (y_test == 1)].mean()), "false_positive_rate": float(guess[(g_test == name) & (y_test == 0)].mean()),
        }
        for name in np.unique(groups)
    }  # fmt: skip
    gap = max(one["true_positive_rate"] for one in rates.values()) - min(one["true_positive_rate"] for one in rates.values())
    found["fairness"] = [{"sensitive": "site", "metric": "equalized_odds_difference", "value": gap, "groups": rates}]
    fpr, tpr, _ = metrics.roc_curve(y_test, score)
    precision, recall, _ = metrics.precision_recall_curve(y_test, score)
    observed, predicted = calibration_curve(y_test, score, n_bins=10)
    counts = np.histogram(score, bins=10, range=(0, 1))[0]
    edges = np.linspace(0, 1, 21)
    curves = {
        "roc": {"fpr": rounded(fpr), "tpr": rounded(tpr)}, "pr": {"recall": rounded(recall[::-1]), "precision": rounded(precision[::-1])},
        "calibration": {"predicted": rounded(predicted), "observed": rounded(observed), "count": counts[counts > 0].tolist()},
        "confusion": {"labels": ["malignant", "benign"], "matrix": metrics.confusion_matrix(y_test, guess).tolist()},
        "score_histogram": {"edges": rounded(edges), "counts": {
            name: np.histogram(score[y_test == place], bins=edges)[0].tolist() for place, name in enumerate(("malignant", "benign"))}},
    }  # fmt: skip
    area, better = found["metrics"]["roc_auc"], found["metrics"]["roc_auc"]["value"] - baseline["metrics"]["roc_auc"]["value"]
    asked = [
        requirement("roc_auc", "metric", "roc_auc >= 0.97", area, True, ["requirements", "metrics", 0, "target"], primary=True),
        requirement("recall", "metric", "recall >= 0.97", found["metrics"]["recall"], True, ["requirements", "metrics", 1, "target"],
                    certainty="within the interval", supports="missed cancers"),
        requirement("beat_baseline", "beat_baseline", "gain of roc_auc over the baseline >= 0.02", {"value": better}, True, ["evaluation", "beat_baseline_by"]),
        requirement("fairness", "fairness", "equalized_odds_difference <= 0.1", {"value": gap}, gap <= 0.1, ["evaluation", "fairness", "max"]),
        requirement("data", "data", "the data pass their checks", {"value": 0.0}, True, ["data", "checks"], reason="3 checks passed", step="validate", artifact="validate.report"),
    ]  # fmt: skip
    spec = {
        "mlspec": 1, "project": {"name": "biopsy", "version": "1.4.0", "phase": "production", "owner": "pathology-ml@example.com"},
        "requirements": {"metrics": [{"metric": "roc_auc", "target": ">= 0.97", "primary": True}, {"metric": "recall", "target": ">= 0.97", "supports": "missed cancers"}]},
        "task": {"kind": "classification", "target": "diagnosis", "positive": "benign"},
        "data": {"sources": {"biopsies": {"kind": "csv", "path": "data/biopsies.csv"}}, "columns": {"patient": {"role": "id", "pii": True}},
                 "checks": [{"kind": "missing", "max": 0.05}, {"kind": "expression", "that": "mean area > mean radius", "max_failing": 0.01}], "on_failure": "quarantine"},
        "features": [{"kind": "scale", "columns": {"type": "number"}}], "model": {"kind": "sklearn.logistic_regression", "params": {"C": 0.5}},
        "evaluation": {"slices": ["site", {"column": "mean texture", "bins": [0, 17, 21]}], "worst_slice": {"min_rows": 50, "max_drop": 0.1},
                       "fairness": {"sensitive": ["site"], "max": 0.1}, "beat_baseline_by": 0.02},
    }  # fmt: skip
    patient = {
        "name": "patient",
        "type": "string",
        "role": "id",
        "missing": 0,
        "distinct": 569,
        **dict.fromkeys(("min", "max", "mean", "std", "median", "histogram")),
        "top": [["P-0001", 1]],
    }
    holes = x.copy()
    holes[::9, 3] = np.nan
    return {
        "profile": {"rows": 569, "columns": [patient, profile_column("diagnosis", np.where(y == 1, "benign", "malignant").astype(object), "target"),
                    profile_column("site", groups.astype(object), "sensitive"), *(profile_column(name, holes[:, place]) for place, name in enumerate(names))],
                    "sources": [{"name": "biopsies", "kind": "csv", "rows": 573, "bytes": 118_204, "sha256": digest("biopsies")}]},
        "validation": validation(573, [
            check("missing", "missing", "mean area", "at most 15 % of mean area are missing", 64, 573, 0.15, ["data", "checks", 0]),
            check("expression", "expression", None, "mean area > mean radius", 4, 573, 0.01, ["data", "checks", 1], [{"row": 17, "value": "mean area 9.1, mean radius 12.4"}, {"row": 230, "value": "mean area 0, mean radius 17.1"}]),
            check("unique", "unique", "patient", "patient is unique", 0, 573, 0.0, ["data", "columns", "patient"]),
        ], aside=4),
        "manifest": manifest({"train": len(y_train), "dev": len(y_dev), "test": len(y_test)}, {
            part: {"malignant": float((truth == 0).mean()), "benign": float((truth == 1).mean())} for part, truth in (("train", y_train), ("dev", y_dev), ("test", y_test))}),
        "metrics": found, "baseline": baseline, "curves": curves, "decision": decision(asked),
        "cross_validation": folds(make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=500)), x_fit, y_fit, ["roc_auc", "f1", "accuracy"]),
        "importance": importance(model, x_test, y_test, names, "roc_auc"),
        "predictions": {"__row__": list(range(len(y_test))), "actual": [("malignant", "benign")[one] for one in y_test], "predicted": [("malignant", "benign")[one] for one in guess],
                        "proba_malignant": rounded(1 - score), "proba_benign": rounded(score)},
        "params": {"about": {"name": "biopsy", "version": "1.4.0", "phase": "production", "owner": "pathology-ml@example.com",
                             "problem": "A second pair of eyes on 12,000 biopsies a year: rank them so that a pathologist sees the doubtful ones first."},
                   "task": spec["task"], "graph": graph(), "spec": spec},
    }  # fmt: skip


def multiclass() -> dict[str, Any]:
    """A fail: wine of three makers from two columns, overfitted, no baseline, no folds."""
    data = datasets.load_wine()
    labels = [str(one) for one in data.target_names]
    x, y = data.data[:, [1, 7]], data.target
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.4, random_state=7, stratify=y)
    model = HistGradientBoostingClassifier(max_iter=40, min_samples_leaf=2, random_state=7).fit(x_train, y_train)
    guess, proba = model.predict(x_test), model.predict_proba(x_test)

    def f1(truth: Any, said: Any) -> float:
        return float(metrics.f1_score(truth, said, average="macro"))

    scored = {"f1": f1, "accuracy": metrics.accuracy_score}
    measured = {name: measure(score, y_test, guess) for name, score in scored.items()}
    parts = {name: {"rows": len(truth), "metrics": {one: float(score(truth, model.predict(rows))) for one, score in scored.items()}}
             for name, rows, truth in (("train", x_train, y_train), ("test", x_test, y_test))}  # fmt: skip
    classes = {}
    for place, label in enumerate(labels):
        fpr, tpr, _ = metrics.roc_curve(y_test == place, proba[:, place])
        precision, recall, _ = metrics.precision_recall_curve(y_test == place, proba[:, place])
        observed, predicted = calibration_curve(y_test == place, proba[:, place], n_bins=5)
        counts = np.histogram(proba[:, place], bins=5, range=(0, 1))[0]
        classes[label] = {"roc": {"fpr": rounded(fpr), "tpr": rounded(tpr)}, "pr": {"recall": rounded(recall[::-1]), "precision": rounded(precision[::-1])},
                          "calibration": {"predicted": rounded(predicted), "observed": rounded(observed), "count": counts[counts > 0].tolist()}}  # fmt: skip
    met = measured["accuracy"]["value"] >= 0.9
    low, high = measured["accuracy"]["low"], measured["accuracy"]["high"]
    asked = [
        requirement("f1", "metric", "f1 >= 0.6", measured["f1"], True, ["requirements", "metrics", 1, "target"]),
        requirement("accuracy", "metric", "accuracy >= 0.9", measured["accuracy"], met, ["requirements", "metrics", 0, "target"],
                    certainty="within the interval" if low <= 0.9 <= high else "clear", primary=True),
        requirement("overfitting", "overfitting", "gap of accuracy from train to test <= 0.05", {"value": parts["train"]["metrics"]["accuracy"] - measured["accuracy"]["value"]}, False, ["evaluation", "overfitting", "max_gap"]),
    ]  # fmt: skip
    return {
        "profile": {"rows": len(y), "columns": [profile_column("maker", np.asarray(labels, dtype=object)[y], "target"), *(
            profile_column(name, x[:, place]) for place, name in enumerate(("malic acid", "flavanoids")))], "sources": []},
        "validation": validation(len(y), []),
        "manifest": manifest({"train": len(y_train), "test": len(y_test)}, {
            part: {label: float((truth == place).mean()) for place, label in enumerate(labels)} for part, truth in (("train", y_train), ("test", y_test))}),
        "metrics": {"task": {"kind": "classification", "target": "maker", "positive": None}, "classes": labels, "threshold": None, "confidence": 0.95,
                    "splits": parts, "metrics": measured, "slices": [], "fairness": []},
        "curves": {"classes": classes, "confusion": {"labels": labels, "matrix": metrics.confusion_matrix(y_test, guess).tolist()}},
        "decision": decision(asked),
        "predictions": {"__row__": list(range(len(y_test))), "actual": [labels[one] for one in y_test], "predicted": [labels[one] for one in guess],
                        **{f"proba_{label}": rounded(proba[:, place]) for place, label in enumerate(labels)}},
        "params": {"about": {"name": "cellar"}, "task": {"kind": "classification", "target": "maker", "positive": None}, "graph": graph(), "spec": {"mlspec": 1, "project": {"name": "cellar"}}},
    }  # fmt: skip


def regression() -> dict[str, Any]:
    """A fail: progression of diabetes, split by time, a check and a leak proof that fail."""
    data = datasets.load_diabetes(scaled=False)
    x, y, names = data.data, data.target.astype(float), [str(name) for name in data.feature_names]
    cut = int(len(y) * 0.6)
    x_train, x_test, y_train, y_test = x[:cut], x[cut:], y[:cut], y[cut:]
    model = RandomForestRegressor(60, min_samples_leaf=5, random_state=7).fit(x_train, y_train)
    old = make_pipeline(StandardScaler(), Ridge()).fit(x_train, y_train)
    scored = {"rmse": metrics.root_mean_squared_error, "mae": metrics.mean_absolute_error, "r2": metrics.r2_score}

    def layout(fitted: Any) -> dict[str, Any]:
        parts = {name: {"rows": len(truth), "metrics": {one: float(score(truth, fitted.predict(rows))) for one, score in scored.items()}}
                 for name, rows, truth in (("train", x_train, y_train), ("test", x_test, y_test))}  # fmt: skip
        return {"task": {"kind": "regression", "target": "progression", "positive": None}, "classes": None, "threshold": None, "confidence": 0.95, "splits": parts,
                "metrics": {name: measure(score, y_test, fitted.predict(x_test), name == "r2") for name, score in scored.items()}, "slices": [], "fairness": []}  # fmt: skip

    found, baseline, guess = layout(model), layout(old), model.predict(x_test)
    for name, rows in {"sex = 1": x_test[:, 1] == 1, "sex = 2": x_test[:, 1] == 2, "age in 60 to 80": x_test[:, 0] >= 60}.items():
        found["slices"].append(
            {
                "name": name,
                "column": "sex",
                "rows": int(rows.sum()),
                "metrics": {"rmse": measure(scored["rmse"], y_test[rows], guess[rows], False)},
            }
        )
    counts, edges = np.histogram(y_test - guess, bins=24)
    days = [(date(2024, 1, 1) + timedelta(days=3 * place)).isoformat() for place in range(len(y))]
    curves = {
        "predicted_actual": {"predicted": rounded(guess), "actual": rounded(y_test)}, "residuals": {"edges": rounded(edges), "counts": counts.tolist()},
        "residual_quantiles": {}, "over_time": {"time": days[cut:], "actual": rounded(y_test), "predicted": rounded(guess)},
    }  # fmt: skip
    proven = manifest({"train": cut, "test": len(y) - cut}, None, "temporal")
    for name, one in proven["splits"].items():
        one["first"], one["last"] = (days[0], days[cut]) if name == "train" else (days[cut], days[-1])
    proven["proofs"][3] = {
        "id": "no-time-overlap",
        "verdict": "fail",
        "checked": len(y),
        "found": 1,
        "statement": "1 training row is as late as the first test row.",
    }
    rmse = found["metrics"]["rmse"]
    asked = [
        requirement("rmse", "metric", "rmse <= 52", rmse, False, ["requirements", "metrics", 0, "target"], primary=True),
        requirement("beat_baseline", "beat_baseline", "gain of rmse over the baseline >= 2", {"value": baseline["metrics"]["rmse"]["value"] - rmse["value"]}, False, ["evaluation", "beat_baseline_by"]),
        requirement("split", "split", "nothing leaks between the splits", {"value": 1.0}, False, ["splits"], step="split", artifact="split.manifest", reason="no-time-overlap: 1 training row is as late as the first test row."),
    ]  # fmt: skip
    return {
        "profile": {"rows": len(y), "columns": [profile_column("progression", y, "target"), *(profile_column(name, x[:, place]) for place, name in enumerate(names))],
                    "sources": [{"name": "visits", "kind": "parquet", "rows": len(y), "bytes": None, "sha256": digest("visits")}]},
        "validation": validation(len(y), [check("bmi", "range", "bmi", "bmi is between 18 and 40", 9, len(y), 0.01, ["data", "columns", "bmi"], [{"row": 5, "value": 17.5}, {"row": 99, "value": None}])], "warn"),
        "manifest": proven, "metrics": found, "baseline": baseline, "curves": curves, "decision": decision(asked),
        "cross_validation": folds(Ridge(), x_train, y_train, ["r2"]), "importance": importance(model, x_test, y_test, names, "r2"),
        "predictions": {"__row__": list(range(len(guess))), "actual": y_test.tolist(), "predicted": rounded(guess)},
        "params": {"about": {"name": "progression", "version": "0.2.0", "phase": "pilot", "problem": "Plan visits by how the disease will go on."},
                   "task": {"kind": "regression", "target": "progression", "positive": None}, "graph": graph(),
                   "spec": {"mlspec": 1, "data": {"columns": {"bmi": {"type": "number", "min": 18, "max": 40}}}, "requirements": {"metrics": [{"metric": "rmse", "target": "<= 52"}]}}},
    }  # fmt: skip


if __name__ == "__main__":
    for sample in (binary, multiclass, regression):
        for port, value in sample().items():
            write_json(HERE / sample.__name__ / f"{port}.json", value)
