"""Hold every requirement against the evidence: a verdict for each, with the number, its certainty and the artifact it is from."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlspec.runtime.artifact import digest, finite, read_json, write_json

Json = Mapping[str, Any]
OPS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}
_DIGITS = 12  # a difference of two scores is rounded to these decimals: 0.9 - 0.85 is 0.05 and not 0.05000000000000004


@dataclass(frozen=True, slots=True)
class Held:
    """What the evidence says of one requirement: the number that was compared, by what, with what."""

    name: str
    op: str
    target: float
    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    words: str = ""  # the requirement, where it is not name, op and target
    port: str = "metrics"
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.value is not None and OPS[self.op](self.value, self.target)

    @property
    def certainty(self) -> str | None:
        """Say "clear" where the whole interval has the value's verdict, else "within the interval"; None without one."""
        if self.value is None or self.low is None or self.high is None:
            return None
        if self.op == "==":
            same = not self.low <= self.target <= self.high or self.low == self.high
        else:
            same = all(OPS[self.op](end, self.target) == self.passed for end in (self.low, self.high))
        return "clear" if same else "within the interval"


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write the decision: "pass" only where every requirement passes; what is not a number, or not there, fails."""
    evidence = {port: read_json(path) for port, path in inputs.items()}
    digests = {port: digest(path) for port, path in inputs.items()}
    entries = [
        _entry(one, CHECKS[one["kind"]](one, evidence), params.get("names") or {}, digests) for one in params["requirements"]
    ]
    failed = sum(one["verdict"] == "fail" for one in entries)
    passed = len(entries) - failed
    summary = {"passed": passed, "failed": failed, "statement": _statement(passed, failed)}
    decision = {"verdict": "fail" if failed else "pass", "requirements": entries, "summary": summary}
    if params.get("headline"):
        decision["headline"] = _headline(params["headline"], evidence)
    write_json(outputs["decision"], decision)
    return {"verdict": decision["verdict"], "passed": passed, "failed": failed}


def _headline(metric: str, evidence: Json) -> dict[str, Any]:
    """The metric that models are compared by, for who compares them: it need not be one of the requirements."""
    found = evidence["metrics"]["metrics"].get(metric) or {}
    return {"metric": metric, **{name: finite(found.get(name)) for name in ("value", "low", "high")}}


def _statement(passed: int, failed: int) -> str:
    if passed + failed == 0:
        return "0 requirements held: nothing was demanded"
    return f"{passed} of {passed + failed} requirements held"


def _entry(wish: Json, found: Held, names: Mapping[str, str], digests: Mapping[str, str]) -> dict[str, Any]:
    artifact = names.get(found.port, found.port)
    return {
        "id": wish["id"],
        "kind": wish["kind"],
        "metric": wish.get("metric"),
        "primary": bool(wish.get("primary")),
        "supports": wish.get("supports"),
        "name": found.name,
        "target": found.words or f"{found.name} {found.op} {found.target:g}",
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "verdict": "pass" if found.passed else "fail",
        "certainty": found.certainty,
        "reason": found.reason,
        "route": list(wish["route"]),
        "step": artifact.partition(".")[0],
        "artifact": artifact,
        "digest": digests.get(found.port),
        **found.extra,
    }


def _metric(wish: Json, evidence: Json) -> Held:
    """The metric's value on the test rows against the target."""
    name, target = wish["metric"], float(wish["value"])
    score = _score(evidence["metrics"], name)
    train, held, _ = _learned(evidence["metrics"], name)
    return Held(name, wish["op"], target, score.value, score.low, score.high, score.reason, extra={"train": train, "held": held})


def _learned(metrics: Json, name: str) -> tuple[float | None, float | None, str]:
    """Return a metric on the rows the model learned from and on others: dev, or test where dev has no number; and which."""
    splits = metrics.get("splits") or {}
    train, dev, test = (finite((splits.get(split) or {}).get("metrics", {}).get(name)) for split in ("train", "dev", "test"))
    return (train, dev, "dev") if dev is not None else (train, test, "test")


@dataclass(frozen=True, slots=True)
class _Score:
    """A metric as evaluate wrote it, or the reason why it is not a number."""

    value: float | None
    low: float | None
    high: float | None
    reason: str
    sign: int  # 1 where more is better, -1 where less is

    @property
    def reaches(self) -> tuple[float, float] | None:
        """How far the interval reaches to the worse and to the better side."""
        if self.value is None or self.low is None or self.high is None:
            return None
        down, up = self.value - self.low, self.high - self.value
        return (down, up) if self.sign > 0 else (up, down)


def _score(metrics: Json, name: str, whose: str = "") -> _Score:
    one = (metrics.get("metrics") or {}).get(name)
    if one is None:
        return _Score(None, None, None, f"{whose}{name} was not measured", 1)
    sign = 1 if one.get("greater_is_better", True) else -1
    value = finite(one.get("value"))
    if value is None:
        return _Score(None, None, None, f"{whose}{name} is not a number: {one.get('reason') or 'no reason was given'}", sign)
    return _Score(value, finite(one.get("low")), finite(one.get("high")), "", sign)


def _beat_baseline(wish: Json, evidence: Json) -> Held:
    """How much better than the baseline the model is, in the metric's own unit.

    The interval joins those of both (Zou & Donner 2008) as if they were independent; they share their rows, so it is too wide
    rather than too narrow.
    """
    name, by = wish["metric"], float(wish["by"])
    label = f"gain of {name} over the baseline"
    if "baseline" not in evidence:
        return Held(label, ">=", by, None, reason="there is no baseline to compare with")
    new, old = _score(evidence["metrics"], name), _score(evidence["baseline"], name, "the baseline's ")
    if new.value is None or old.value is None:
        return Held(label, ">=", by, None, reason=new.reason or old.reason)
    gain = new.sign * (new.value - old.value)
    low = high = None
    if new.reaches and old.reaches:
        (worse, better), (old_worse, old_better) = new.reaches, old.reaches
        low = round(gain - math.hypot(worse, old_better), _DIGITS)
        high = round(gain + math.hypot(better, old_worse), _DIGITS)
    reason = f"{name} is {new.value:.4g}, the baseline's {old.value:.4g}"
    return Held(label, ">=", by, round(gain, _DIGITS), low, high, reason, extra={"baseline": old.value})


def _overfitting(wish: Json, evidence: Json) -> Held:
    """How much better the model is on the rows it learned from than on dev rows, or on test rows where dev has no number."""
    name, limit = wish["metric"], float(wish["max_gap"])
    train, held, other = _learned(evidence["metrics"], name)
    label = f"gap of {name} from train to {other}"
    if train is None or held is None:
        return Held(label, "<=", limit, None, reason=f"{name} is not a number on the {'train' if train is None else 'test'} rows")
    gap = round(_score(evidence["metrics"], name).sign * (train - held), _DIGITS)
    return Held(label, "<=", limit, gap, reason=f"{name} is {train:.4g} on train and {held:.4g} on {other}")


def _worst_slice(wish: Json, evidence: Json) -> Held:
    """The largest loss of a slice, as a share of the score over all test rows; slices with too few rows do not count."""
    name, limit, least = wish["metric"], float(wish["max_drop"]), int(wish["min_rows"])
    label = f"drop of {name} in the worst slice"
    whole = _score(evidence["metrics"], name)
    judged = [one for one in evidence["metrics"].get("slices") or () if one["rows"] >= least]
    if whole.value is None:
        return Held(label, "<=", limit, None, reason=whole.reason)
    if not judged:
        return Held(label, "<=", limit, None, reason=f"no slice has {least} test rows, so nothing was compared")
    if whole.value == 0:
        return Held(label, "<=", limit, None, reason=f"{name} is 0 over all rows, so no slice can be compared with it")

    drops: dict[str, float] = {}
    scores = {one["name"]: _score(one, name) for one in judged}
    for slice_name, score in scores.items():
        if score.value is None:
            return Held(label, "<=", limit, None, reason=f"{slice_name}: {score.reason}", extra={"slice": slice_name})
        drops[slice_name] = whole.sign * (whole.value - score.value) / abs(whole.value)
    worst = max(drops, key=lambda one: (drops[one], one))
    drop, reaches = drops[worst], scores[worst].reaches
    low, high = (None, None) if reaches is None else (drop - reaches[1] / abs(whole.value), drop + reaches[0] / abs(whole.value))
    reason = f"{worst}: {name} is {scores[worst].value:.4g}, over all rows {whole.value:.4g}"
    return Held(label, "<=", limit, round(drop, _DIGITS), low, high, reason, extra={"slice": worst})


def _fairness(wish: Json, evidence: Json) -> Held:
    """The largest difference that any sensitive column shows."""
    name, limit = wish["metric"], float(wish["max"])
    found = [one for one in evidence["metrics"].get("fairness") or () if one["metric"] == name]
    if not found:
        return Held(name, "<=", limit, None, reason=f"{name} was not measured")
    for one in found:
        if finite(one["value"]) is None:
            return Held(name, "<=", limit, None, reason=f"{one['sensitive']}: {one.get('reason') or 'it is not a number'}")
    worst = max(found, key=lambda one: (one["value"], one["sensitive"]))
    value = round(worst["value"], _DIGITS)
    return Held(
        name, "<=", limit, value, reason=f"between the groups of {worst['sensitive']}", extra={"sensitive": worst["sensitive"]}
    )


def _data(wish: Json, evidence: Json) -> Held:
    """The verdict of the validation: a failed check fails it, unless the spec sets such rows aside or only warns."""
    report = evidence["validation"]
    verdict, checks = report.get("verdict"), report.get("checks") or ()
    failed = [one for one in checks if one.get("verdict") == "fail"]
    told = "; ".join(f"{one.get('description') or one['id']}: {one['failing']} rows" for one in failed)
    if verdict in ("pass", "warn"):
        broken, reason = 0, told or f"{len(checks)} checks passed"
    else:
        broken, reason = max(1, len(failed)), told or f"the validation's verdict is {verdict!r}"
    return Held("data", "<=", 0.0, float(broken), reason=reason, words="the data pass their checks", port="validation")


def _split(wish: Json, evidence: Json) -> Held:
    """The proofs of the split: each must hold, or not apply, and there must be one."""
    manifest = evidence["manifest"]
    verdict, proofs = manifest.get("verdict"), manifest.get("proofs") or ()
    failed = [one for one in proofs if one.get("verdict") not in ("pass", "not_applicable")]
    broken = len(failed)
    reason = "; ".join(f"{one['id']}: {one.get('statement', '')}" for one in failed) or f"{len(proofs)} proofs hold"
    if not failed and (verdict != "pass" or not proofs):
        broken, reason = 1, f"the split's verdict is {verdict!r}" if proofs else "the split was not proven"
    return Held("split", "<=", 0.0, float(broken), reason=reason, words="nothing leaks between the splits", port="manifest")


CHECKS: dict[str, Callable[[Json, Json], Held]] = {
    "metric": _metric,
    "beat_baseline": _beat_baseline,
    "overfitting": _overfitting,
    "worst_slice": _worst_slice,
    "fairness": _fairness,
    "data": _data,
    "split": _split,
}
