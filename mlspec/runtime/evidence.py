"""The artifacts of a run as the rows, figures and sentences that the report shows, ready for its template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Route, dotted
from mlspec.runtime import listing
from mlspec.runtime.advice import primary_metric
from mlspec.runtime.figure import compare, errors, graph, marks, scores
from mlspec.runtime.figure.canvas import Drawing, percent
from mlspec.runtime.figure.compare import Estimate
from mlspec.runtime.glossary import metric_meaning, metric_title

Json = Mapping[str, Any]
_SMALL = 50  # rows under which a slice is greyed where the spec names no number of its own
_MOST_MISTAKES = 8
_REQUIREMENT = dict.fromkeys(("value", "low", "high", "certainty", "reason", "supports", "step", "artifact", "digest"))
_SCORE = dict.fromkeys(("value", "low", "high", "reason"))
_COLUMN: dict[str, Any] = dict.fromkeys(("role", "distinct", "min", "max", "mean", "median", "histogram")) | {"estimated": ()}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the report's op was given; what a run does not have is None."""

    profile: Json
    validation: Json
    manifest: Json
    metrics: Json
    curves: Json
    decision: Json
    predictions: Path
    baseline: Json | None
    cross_validation: Json | None
    importance: Json | None
    params: Json
    chosen: Json | None = None
    teacher: Json | None = None

    @property
    def primary(self) -> str | None:
        return primary_metric(self.decision, self.metrics)

    @property
    def target(self) -> str:
        return str(self.params.get("task", self.metrics.get("task", {})).get("target", "target"))

    @property
    def positive(self) -> str:
        return str(self.metrics.get("positive") or self.params["task"].get("positive") or "the positive class")

    @property
    def private(self) -> frozenset[str]:
        """Columns that the spec marks as personal: their values stay out of the page."""
        columns = ((self.params.get("spec") or {}).get("data") or {}).get("columns") or {}
        return frozenset(name for name, column in columns.items() if isinstance(column, Mapping) and column.get("pii"))


def requirements(evidence: Evidence, anchors: Mapping[Route, str]) -> list[dict[str, Any]]:
    """Return the requirements, failed ones first, each with its line of marks and a link to what asked for it."""
    rows = []
    for one in evidence.decision["requirements"]:
        target = marks.target_of(str(one["target"]))
        value = one.get("value")
        placed = (
            [(value, one.get("low"), one.get("high"))] if isinstance(value, int | float) and not isinstance(value, bool) else []
        )
        route = tuple(one.get("route") or ())
        rows.append(
            {
                **_REQUIREMENT,
                **one,
                "route": dotted(route),
                "anchor": listing.anchor(route, anchors),
                "line": marks.line(placed, target) if target else None,
            }
        )
    return sorted(rows, key=lambda row: row["verdict"] == "pass")


def score_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """Return a row for each test metric: those of the requirements first, next to the baseline and the other splits."""
    asked = {
        str(one.get("metric") or one["name"]): place
        for place, one in reversed(list(enumerate(evidence.decision["requirements"])))
    }
    measured, old = evidence.metrics["metrics"], (evidence.baseline or {}).get("metrics", {})
    splits = evidence.metrics["splits"]
    rows = []
    for name in sorted(measured, key=lambda one: (one != evidence.primary, asked.get(one, 1000), one)):
        new, before = measured[name], old.get(name)
        placed = [(one["value"], one.get("low"), one.get("high")) for one in (new, before) if one and one["value"] is not None]
        gain = _gain(new, before)
        rows.append({
            "name": name, "title": metric_title(name), "meaning": metric_meaning(name), **_SCORE, **new, "asked": name in asked,
            "baseline": before, "gain": gain,
            "line": marks.line(placed) if new["value"] is not None else None,
            **{split: splits.get(split, {}).get("metrics", {}).get(name) for split in ("train", "dev")},
        })  # fmt: skip
    return rows


def teacher_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """Return a row for each test metric that both have, of a model that learned from another: its score, the other's, the gap."""
    if evidence.teacher is None:
        return []
    mine, theirs = evidence.metrics["metrics"], evidence.teacher["metrics"]
    names = sorted(mine.keys() & theirs.keys(), key=lambda one: (one != evidence.primary, one))
    return [
        {"title": metric_title(name), "student": mine[name], "teacher": theirs[name], "gain": _gain(mine[name], theirs[name])}
        for name in names
    ]


def _gain(new: Json, before: Json | None) -> float | None:
    """Return how much better a score is than the baseline's, positive where it is, whichever direction of the metric that is."""
    if before is None or new["value"] is None or before["value"] is None:
        return None
    return float(new["value"] - before["value"]) * (1 if new.get("greater_is_better", True) else -1)


def headline(evidence: Evidence, rows: Sequence[Json]) -> list[dict[str, Any]]:
    """Return the few numbers that stand under the verdict."""
    tiles: list[dict[str, Any]] = []
    first = next((row for row in rows if row["name"] == evidence.primary), None)
    if first and first["value"] is not None:
        note = compare.span(first.get("low"), first.get("high"))
        tiles.append(
            {
                "kind": "number",
                "label": first["title"],
                "value": first["value"],
                "note": f"between {note.replace(' to ', ' and ')}" if note != "–" else "",
            }
        )
    if first and first["gain"] is not None:
        tiles.append(
            {
                "kind": "gain",
                "label": "against the baseline",
                "value": first["gain"],
                "before": first["baseline"]["value"],
            }
        )
    summary = evidence.decision.get("summary") or {}
    if evidence.decision["requirements"]:
        tiles.append(
            {
                "kind": "count",
                "label": "requirements met",
                "value": summary.get("passed", 0),
                "of": len(evidence.decision["requirements"]),
            }
        )
    tiles.append(
        {
            "kind": "rows",
            "label": "rows",
            "value": evidence.profile["rows"],
            "tests": evidence.metrics["splits"].get("test", {}).get("rows"),
        }
    )
    return tiles


def performance(evidence: Evidence) -> list[Drawing]:
    """Return the figures on how the model performs on the test rows."""
    curves = evidence.curves
    if str(evidence.params["task"]["kind"]) == "classification":
        return list(_classification(evidence, curves))
    return list(_regression(evidence, curves))


def _classification(evidence: Evidence, curves: Json) -> Iterator[Drawing]:
    measured = evidence.metrics["metrics"]

    def area(name: str, curve_sets: Mapping[str, Any]) -> dict[str, float | None]:
        return {
            label: measured.get(name, {}).get("value") if not label else curve.get("area") for label, curve in curve_sets.items()
        }

    if roc := _per_class(curves, "roc", "fpr"):
        yield scores.roc(roc, area("roc_auc", roc))
    if pr := _per_class(curves, "pr", "recall"):
        yield scores.precision_recall(pr, area("average_precision", pr), _prevalence(evidence) if len(pr) == 1 else None)
    if calibration := _per_class(curves, "calibration", "predicted"):
        yield scores.calibration(calibration)
    if curves.get("confusion"):
        yield scores.confusion([str(label) for label in curves["confusion"]["labels"]], curves["confusion"]["matrix"])
    histogram = curves.get("score_histogram")
    if histogram and histogram.get("counts"):
        yield scores.score_histogram(
            histogram["edges"], histogram["counts"], evidence.metrics.get("threshold"), evidence.positive
        )


def _per_class(curves: Json, name: str, key: str) -> dict[str, Any]:
    """Return the curve under the empty name for two classes, one for each class where there are more."""
    one = curves.get(name) or {}
    if key in one:
        return {"": one}
    return {str(label): curve[name] for label, curve in (curves.get("classes") or {}).items() if curve.get(name, {}).get(key)}


def _prevalence(evidence: Evidence) -> float | None:
    shares = (evidence.manifest["splits"].get("test") or {}).get("classes") or {}
    share = shares.get(evidence.positive)
    return float(share) if share is not None else None


def _regression(evidence: Evidence, curves: Json) -> Iterator[Drawing]:
    pairs = curves.get("predicted_actual") or {}
    if pairs.get("predicted"):
        yield errors.predicted_actual(pairs["predicted"], pairs["actual"], evidence.target)
    if curves.get("residuals"):
        yield errors.residuals(curves["residuals"]["edges"], curves["residuals"]["counts"])
    if pairs.get("predicted"):
        yield errors.by_prediction(pairs["predicted"], pairs["actual"])
    time = curves.get("over_time") or {}
    if len(time.get("time") or ()) > 1:
        yield errors.over_time(time["time"], time["actual"], time["predicted"], evidence.target)


def mistakes(evidence: Evidence) -> dict[str, Any] | None:
    """Return the test rows that the model got most wrong: sure of the wrong class, or farthest off."""
    import polars as pl

    table = pl.scan_parquet(evidence.predictions)
    if str(evidence.params["task"]["kind"]) == "classification":
        probabilities = [name for name in table.collect_schema().names() if name.startswith("proba_")]
        size = pl.max_horizontal(probabilities) if probabilities else pl.lit(None, dtype=pl.Float64)
        wrong = table.filter(pl.col("actual").cast(pl.String) != pl.col("predicted").cast(pl.String))
    else:
        size, wrong = (pl.col("actual") - pl.col("predicted")).abs(), table
    found = wrong.select("__row__", "actual", "predicted", size.alias("size"))
    total = found.select(pl.len()).collect().item()
    rows = found.sort(["size", "__row__"], descending=[True, False], nulls_last=True).head(_MOST_MISTAKES).collect().to_dicts()
    hidden = evidence.target in evidence.private
    return {"rows": rows, "total": total, "of": table.select(pl.len()).collect().item(), "hidden": hidden} if rows else None


def slices(evidence: Evidence) -> Drawing | None:
    """Return the forest plot of the primary metric, worst slice first."""
    name, found = evidence.primary, evidence.metrics.get("slices") or []
    whole = evidence.metrics["metrics"].get(name) if name else None
    if not found or name is None or whole is None or whole["value"] is None:
        return None
    least = (((evidence.params.get("spec") or {}).get("evaluation") or {}).get("worst_slice") or {}).get("min_rows") or _SMALL
    estimates = [
        Estimate(str(one["name"]), one["rows"], score["value"], score.get("low"), score.get("high"), one["rows"] < least)
        for one in found
        if (score := one["metrics"].get(name)) and score["value"] is not None
    ]
    if not estimates:
        return None
    better = 1 if whole.get("greater_is_better", True) else -1
    estimates.sort(key=lambda one: (one.small, better * one.value, one.name))
    overall = Estimate("all rows", whole.get("rows") or 0, whole["value"], whole.get("low"), whole.get("high"))
    return compare.forest(estimates, overall, metric_title(name))


def unscored_slices(evidence: Evidence) -> list[tuple[str, int, str]]:
    """Return slices without a number, and why."""
    name = evidence.primary
    without = []
    for one in evidence.metrics.get("slices") or []:
        score = one["metrics"].get(name) or {}
        if score.get("value") is None:
            without.append((str(one["name"]), one["rows"], str(score.get("reason") or "not measured")))
    return without


def fairness(evidence: Evidence) -> list[dict[str, Any]]:
    """Return a table for each sensitive column: groups down, rates across."""
    tables = []
    for one in evidence.metrics.get("fairness") or []:
        rates = sorted({name for group in one["groups"].values() for name in group if name != "rows"})
        rows = [(name, group.get("rows"), [group.get(rate) for rate in rates]) for name, group in one["groups"].items()]
        tables.append({**one, "title": metric_title(one["metric"]), "rates": rates, "table": rows})
    return tables


def importance(evidence: Evidence) -> Drawing | None:
    """Return the bars of permutation importance."""
    columns = (evidence.importance or {}).get("columns") or []
    measured = [(str(one["name"]), one["mean"], one.get("std") or 0.0) for one in columns if one["mean"] is not None]
    if not measured or evidence.importance is None:
        return None
    return compare.importance(measured, metric_title(evidence.importance["metric"]))


def folds(evidence: Evidence) -> Drawing | None:
    """Return the dots of cross-validation."""
    found = (evidence.cross_validation or {}).get("metrics") or {}
    kept = {metric_title(name): [value for value in one["values"] if value is not None] for name, one in sorted(found.items())}
    kept = {name: values for name, values in kept.items() if values}
    test = {metric_title(name): one["value"] for name, one in evidence.metrics["metrics"].items()}
    return compare.folds(kept, test) if kept else None


def search(evidence: Evidence) -> dict[str, Any] | None:
    """Return the trials of the search for hyperparameters, best first, each with its score on a scale that all share."""
    found = evidence.chosen
    if found is None:
        return None
    placed = [(one["score"], None, None) for one in found["trials"] if one["score"] is not None]
    sign = -1 if found["greater_is_better"] else 1
    rows = [
        {**one, "line": marks.line([(one["score"], None, None)], beside=placed) if one["score"] is not None else None}
        for one in sorted(found["trials"], key=lambda one: (one["score"] is None, sign * (one["score"] or 0), one["trial"]))
    ]
    best = found["trial"]
    return {**found, "title": metric_title(found["metric"]), "names": sorted(found["params"]), "rows": rows, "best": best}


def columns(evidence: Evidence) -> list[dict[str, Any]]:
    """Return the profile's columns with bars for the histogram or the top values; a personal column shows neither."""
    rows = evidence.profile["rows"] or 1
    return [
        {**_COLUMN, **one, "missing_share": one["missing"] / rows, **_marks(one, rows, evidence.private)}
        for one in evidence.profile["columns"]
    ]


def _marks(column: Json, rows: int, private: frozenset[str]) -> dict[str, Any]:
    if column["name"] in private:
        return {
            "bars": None,
            "shares": None,
            "note": "personal: values are not shown",
            "min": None,
            "max": None,
            "mean": None,
            "median": None,
        }
    histogram, top = column.get("histogram"), column.get("top")
    bars = shares = None
    if histogram and (most := max(histogram["counts"], default=0)):
        bars = [round(24 * count / most, 1) for count in histogram["counts"]]
    elif top and column.get("role") != "id":
        shares = [(value, count / rows) for value, count in top[:3]]
    return {"bars": bars, "shares": shares, "note": column.get("note") or ""}


def checks(evidence: Evidence, anchors: Mapping[Route, str]) -> list[dict[str, Any]]:
    """Return the validation checks, failed ones first, with examples where they are not personal."""
    rows = []
    for check in evidence.validation.get("checks", ()):
        route = tuple(check.get("route") or ())
        private = check.get("column") in evidence.private
        examples = [{**one, "value": "(personal)" if private else one["value"]} for one in check.get("examples") or ()]
        rows.append({**check, "examples": examples, "route": dotted(route), "anchor": listing.anchor(route, anchors)})
    return sorted(rows, key=lambda row: (row["verdict"] == "pass", not row["failing"]))


def splits(evidence: Evidence) -> list[dict[str, Any]]:
    """Return train, dev and test with their class shares."""
    return [
        {"name": name, **evidence.manifest["splits"][name]}
        for name in ("train", "dev", "test")
        if name in evidence.manifest["splits"]
    ]


def pipeline(evidence: Evidence) -> graph.Graph | None:
    """Return the laid-out graph of steps."""
    found = evidence.params.get("graph") or {}
    return graph.layout(found["steps"], found["edges"]) if found.get("steps") else None


def verdict_words(evidence: Evidence) -> str:
    """Return the sentence under the verdict."""
    found = evidence.decision["requirements"]
    failed = [one for one in found if one["verdict"] != "pass"]
    if not found:
        return "The spec sets no requirement, so nothing could fail. Set a target to make this a verdict."
    if failed:
        names = ", ".join(str(one["name"]) for one in failed[:3]) + (f" and {len(failed) - 3} more" if len(failed) > 3 else "")
        return f"{len(failed)} of {len(found)} requirements {'is' if len(failed) == 1 else 'are'} not met: {names}."
    open_ones = sum(one.get("certainty") == "within the interval" for one in found)
    luck = f" {open_ones} of them within the margin of error." if open_ones else ""
    return f"{'All ' if len(found) > 1 else ''}{len(found)} requirement{'s are' if len(found) > 1 else ' is'} met.{luck}"


def confidence(evidence: Evidence) -> str:
    """Return the level of the intervals as people write it."""
    return percent(evidence.metrics.get("confidence", 0.95))
