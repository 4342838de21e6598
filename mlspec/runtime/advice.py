"""What to look at next: the guide's troubleshooting rows, chosen by the numbers of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlspec.runtime.figure.canvas import number, percent
from mlspec.runtime.figure.compare import span
from mlspec.runtime.figure.marks import target_of
from mlspec.runtime.glossary import metric_title
from mlspec.runtime.trouble import ROWS, fit, gap

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Advice:
    """A likely problem, the numbers that show it, and what the guide says to do."""

    title: str
    seen: str
    do: tuple[str, ...]
    source: str = ""

    @classmethod
    def of(cls, name: str, seen: str) -> Advice:
        """Return what a row of the guide's tables says, with the numbers that show it."""
        row = ROWS[name]
        return cls(row.title, seen, row.do, row.source)


def advise(decision: Json, metrics: Json, validation: Json, manifest: Json) -> list[Advice]:
    """Return what a reader should look at, the most likely cause first; empty for a clear pass without a gap."""
    return [
        *_leaks(manifest),
        *_bad_data(validation),
        *_fit(decision, metrics),
        *_by_requirement(decision),
        *_too_good(metrics),
        *_too_few_rows(decision, metrics),
    ]


def primary_metric(decision: Json, metrics: Json) -> str | None:
    """Return the metric that the first metric requirement names, else the first that was measured."""
    measured = metrics["metrics"]
    for requirement in sorted(decision["requirements"], key=lambda one: not one.get("primary")):
        if requirement["kind"] == "metric" and _metric_of(requirement) in measured:
            return _metric_of(requirement)
    usual = ("roc_auc", "f1_macro", "accuracy", "rmse", "mae")
    return next((name for name in (*usual, *sorted(measured)) if measured.get(name, {}).get("value") is not None), None)


def _leaks(manifest: Json) -> Iterator[Advice]:
    for proof in manifest.get("proofs", ()):
        if proof["verdict"] == "fail":
            yield Advice.of("leakage", f"{proof['statement'].rstrip('.')}: found {proof['found']:,} in {proof['checked']:,}.")


def _bad_data(validation: Json) -> Iterator[Advice]:
    failing = [check for check in validation.get("checks", ()) if check["verdict"] == "fail"]
    if failing:
        first = failing[0]
        more = f" and {len(failing) - 1} more" if len(failing) > 1 else ""
        yield Advice.of(
            "quality",
            f"“{first['description']}” fails on {first['failing']:,} rows "
            f"({percent(first['share'])}, allowed {percent(first['allowed'])}){more}.",
        )


def _fit(decision: Json, metrics: Json) -> Iterator[Advice]:
    name = primary_metric(decision, metrics)
    if name is None:
        return
    seen = {split: part["metrics"].get(name) for split, part in metrics["splits"].items()}
    train, held = seen.get("train"), seen.get("dev") if seen.get("dev") is not None else seen.get("test")
    if train is None or held is None:
        return
    better = 1 if metrics["metrics"][name].get("greater_is_better", True) else -1
    allowed = _allowed_gap(decision) if abs(train) <= 1 and better == 1 else gap(train, better)
    where = "dev" if seen.get("dev") is not None else "test"
    told = f"{metric_title(name)} is {number(train)} on the training rows and {number(held)} on the {where} rows"
    failed = _failed(decision, "metric", name)
    seen_well = "high train, lower validation score" if better == 1 else "low train, higher validation error"
    target = target_of(str(failed["target"])) if failed else None
    found = fit(train, held, better, allowed, target[1] if target else None)
    if found == "overfitting":
        yield Advice.of(found, f"{told}: {seen_well}.")
    elif found and failed:
        yield Advice.of(found, f"{told}: both miss {failed['target']}.")


def _allowed_gap(decision: Json) -> float:
    for requirement in decision["requirements"]:
        if requirement["kind"] == "overfitting" and (target := target_of(str(requirement["target"]))):
            return abs(target[1])
    return 0.05


def _failed(decision: Json, kind: str, metric: str | None = None) -> Json | None:
    for requirement in decision["requirements"]:
        if requirement["kind"] == kind and requirement["verdict"] == "fail" and metric in (None, _metric_of(requirement)):
            found: Json = requirement
            return found
    return None


def _by_requirement(decision: Json) -> Iterator[Advice]:
    if failed := _failed(decision, "beat_baseline"):
        yield Advice.of("baseline", _told(failed))
    if failed := _failed(decision, "worst_slice"):
        yield Advice.of("slice", _told(failed))
    if failed := _failed(decision, "fairness"):
        yield Advice.of("fairness", _told(failed))


def _told(failed: Json) -> str:
    value = "it is not a number" if failed["value"] is None else f"it is {number(failed['value'])}"
    return f"{failed['target']}: {value}{f' ({reason})' if (reason := failed.get('reason')) else ''}."


def _too_good(metrics: Json) -> Iterator[Advice]:
    for name in ("roc_auc", "accuracy", "r2"):
        value = metrics["metrics"].get(name, {}).get("value")
        if value is not None and value >= 0.999:
            yield Advice.of("too_good", f"{metric_title(name)} is {number(value)} on rows the model has not seen.")
            return


def _too_few_rows(decision: Json, metrics: Json) -> Iterator[Advice]:
    """Intervals shrink with the square root of the rows, which tells how many would settle an open verdict."""
    seen, do = [], []
    for requirement in decision["requirements"]:
        target, name = target_of(str(requirement["target"])), requirement["name"]
        low, high, value = requirement.get("low"), requirement.get("high"), requirement.get("value")
        if requirement.get("certainty") != "within the interval" or target is None or None in (low, high, value):
            continue
        rows = metrics["metrics"].get(_metric_of(requirement), {}).get("rows") or metrics["splits"].get("test", {}).get("rows")
        gap = abs(value - target[1])
        seen.append(f"{name} is {number(value)} ({span(low, high)}), which leaves {number(target[1])} open")
        need = rows * ((high - low) / 2 / gap) ** 2 if rows and gap else None
        if need and rows < need < 1e7:
            do.append(f"{name}: about {_round_up(need)} test rows would settle it (there are {rows:,})")
        else:
            do.append(f"{name}: too close to call")
    if seen:
        yield Advice("Too few test rows to be sure", "; ".join(seen) + ".", tuple(do))


def _metric_of(requirement: Json) -> str:
    return str(requirement.get("metric") or requirement["name"])


def _round_up(rows: float) -> str:
    size = 10 ** max(len(str(int(rows))) - 2, 0)
    return f"{-(-int(rows) // size) * size:,}"
