"""Try every way to write a model for devices, on rows that no proof will use, and choose the smallest and the fastest of them.

Which one is chosen depends on rows of the dev split: who chose by the test rows would prove nothing with them afterwards.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlspec import device as devices
from mlspec import kinds, runtime
from mlspec.diagnostic import Finding, Problem
from mlspec.exports._export import Export, load
from mlspec.lowering import Lowered, lowered
from mlspec.runtime import evaluate, export, metric, pickled
from mlspec.runtime.artifact import finite, read_json
from mlspec.runtime.edge import bundle, proof, verdicts
from mlspec.runtime.edge.device import runner
from mlspec.runtime.edge.metadata import device_rows, metadata
from mlspec.runtime.metric import Answers

Json = dict[str, Any]
Array = np.ndarray[Any, Any]
Tell = Callable[[str], None]

BLOCK, TURNS = 20, 12
"""Variants are timed in turns, so many predictions at a time: what else the machine does meanwhile then hits all alike."""

ALIKE = 1.05
"""A smaller difference of latency is noise here: of variants as fast as that the smallest is taken."""

LIMITS: Json = {"max_size": None, "max_latency_p95": None, "memory": None}
ROUTE: list[str | int] = ["exports"]


@dataclass(slots=True)
class Tried:
    """A variant: its name, the export that it is, and what was found of it."""

    name: str
    asked: Json
    told: Json
    run: Callable[[Array], Array] | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What all variants have in common: the model, its program, and rows as a device feeds them."""

    model: Any
    made: Lowered
    params: Json
    metrics: Json
    calibration: Array
    fed: Array
    source: Answers
    judge: evaluate.Judge


def search(
    sources: Mapping[str, Path],
    params: Mapping[str, Any],
    *,
    max_drop: float,
    formats: Sequence[str] = (),
    device: str | None = None,
    turns: int = TURNS,
    tell: Tell = lambda line: None,
) -> Json:
    """Return what was tried and found. `sources` are the artifacts model, metrics, train, dev and test; `params` an export's.

    A variant that cannot be written, or does not run, is one that failed; the search goes on. Only what was chosen is proven on
    the test rows, as an export of a run is. Raises Problem for a model that has no form for devices at all, or no rows to choose
    by.
    """
    whole = {**params, "limits": {**LIMITS, "max_drop": max_drop}}
    with tempfile.TemporaryDirectory(prefix="mlspec-") as name:
        place = Path(name)
        given = _given(sources, whole)
        skipped = dict(_skipped(formats, device))
        tried = []
        for kind in _formats(formats):
            if kind not in skipped:
                tried += list(_of_format(kind, given, place, device, tell))
        _time([one for one in tried if one.run is not None], given, turns)
        chosen = _chosen(tried)
        found = {}
        for one in dict.fromkeys(chosen.values()):
            tell(f"{one}: proving it on the test rows")
            found[one] = _proven(next(each for each in tried if each.name == one), sources, whole, place)
    return {
        "primary": params["primary"],
        "max_drop": max_drop,
        "rows": len(given.fed),
        "device": device,
        "skipped": skipped,
        "variants": [{"name": one.name, "export": one.asked, **one.told} for one in tried],
        "chosen": chosen,
        "proofs": found,
    }


def _formats(asked: Sequence[str]) -> list[str]:
    """The formats that are written here, in the order of their names."""
    known = [name for name in kinds.names("mlspec.exports") if kinds.load("mlspec.exports", name).realised]
    odd = sorted(set(asked) - set(known))
    if odd:
        raise Problem(Finding("unknown-kind", f"there is no format `{odd[0]}`", help=f"one of {', '.join(known)}"))
    return [name for name in known if name in asked or not asked]


def _skipped(formats: Sequence[str], device: str | None) -> Iterator[tuple[str, str]]:
    """Yield (format, why) for those that cannot be tried."""
    profile = None if device is None else devices.find(device)
    for kind in _formats(formats):
        if absent := export.lacking(kind):
            yield kind, f"{absent}: {export.install(kind)}"
        elif elsewhere := _member(kind).elsewhere():
            yield kind, elsewhere
        elif profile is not None and (why := devices.supports(profile, kind)):
            yield kind, why


def _given(sources: Mapping[str, Path], params: Json) -> Given:
    model, found = pickled.read(sources["model"]), read_json(sources["metrics"])
    train, dev = pl.read_parquet(sources["train"]), pl.read_parquet(sources["dev"])
    if not len(dev):
        message = "the dev split has no rows, and to choose by the test rows would prove nothing with them afterwards"
        raise Problem(Finding("no-dev-rows", message, ("splits", "ratios"), help="such as `ratios: [0.6, 0.2, 0.2]`"))
    made = lowered(model)
    plain = {"kind": "c"}
    about = metadata(model, made, load(plain), {**params, "export": plain, "route": ROUTE}, found)
    calibration = runner.feed(device_rows(model, made, export.spread(train, load(plain).calibration_rows)), about)
    return Given(
        model,
        made,
        params,
        found,
        calibration,
        runner.feed(device_rows(model, made, dev), about),
        evaluate.answer(model, dev, params["task"], params.get("threshold")),
        evaluate.Judge([params["primary"]], params),
    )


def _of_format(kind: str, given: Given, place: Path, device: str | None, tell: Tell) -> Iterator[Tried]:
    member = _member(kind)
    profile = None if device is None else devices.find(device)
    for fields in member.variants(given.made.program):
        one = Tried(_named(kind, fields), {"kind": kind, **fields, **({"device": device} if device else {})}, {})
        refused = None if profile is None else devices.supports(profile, kind, fields["quantize"])
        if refused:
            one.told = _failed(refused)
        else:
            tell(one.name)
            _try(one, given, place / one.name.replace(" ", "_"))
        yield one


def _member(kind: str) -> type[Export]:
    member = kinds.load("mlspec.exports", kind)
    assert issubclass(member, Export)
    return member


def _named(kind: str, fields: Mapping[str, Any]) -> str:
    """Such as `tflite int8 per_channel`, `tflite int8 dense layers`; the plain one is called like its format."""
    words = [_word(name, value) for name, value in fields.items() if value != "none"]
    return " ".join([kind, *words])


def _word(name: str, value: Any) -> str:
    return name.replace("_", " ") if value is True else f"{value} layers" if name == "layers" else str(value)


def _try(one: Tried, given: Given, place: Path) -> None:
    """Write a variant, read it back and run it on the dev rows, in this process; a fault of it is what is told of it.

    Libraries of vendors raise what they like, and the runner ends with SystemExit where it lacks something.
    """
    place.mkdir()
    try:
        one.told, one.run = _measured(one, given, place)
    except Problem as problem:
        one.told = _failed("; ".join(str(getattr(fault, "message", fault)) for fault in problem.faults))
    except (Exception, SystemExit) as error:
        said = next(iter(str(error).strip().splitlines()), "")
        one.told = _failed(f"{type(error).__name__}: {said}" if said else type(error).__name__)


def _failed(why: str) -> Json:
    return {"verdict": "fail", "reason": why}


def _measured(one: Tried, given: Given, place: Path) -> tuple[Json, Callable[[Array], Array]]:
    form = load(one.asked, given.params["limits"]["max_drop"])
    about = metadata(given.model, given.made, form, {**given.params, "export": one.asked, "route": ROUTE}, given.metrics)
    export.write(form, given.made, place, about, given.calibration)
    run = runner.Model(place).run
    found = np.asarray(run(given.fed))
    exported = proof.answers(found, given.source, about)
    files = bundle.model_files(place)
    told: Json = {
        "quantize": form.quantize,
        "primary": given.params["primary"],
        "parity": proof.parity(given.source, exported, found, about["threshold"]),
        "metrics": {given.params["primary"]: _compared(given, exported)},
        "size": sum(file.stat().st_size for file in files),
        "download": bundle.download(files),
        "numbers": dict(sorted(form.shortened(place).items())),
    }
    entries = list(verdicts.of_proof(told, given.params["limits"], ROUTE))
    missed = [entry for entry in entries if entry["verdict"] != "pass"]
    told |= {"verdict": verdicts.verdict(entries), "reason": "; ".join(_missed(entry) for entry in missed)}
    return {**told, "drop": _drop(told)}, run


def _drop(told: Mapping[str, Any]) -> float | None:
    """What is lost of the primary metric, in as many digits as anybody reads: a hundred-millionth is nothing, not -0."""
    found = told["metrics"].get(told["primary"], {}).get("drop")
    return None if found is None else round(found, 6) + 0.0


def _missed(entry: Mapping[str, Any]) -> str:
    value = "no number" if entry["value"] is None else f"{entry['value']:.4g}"
    return f"{entry['name']} is {value}, wanted {entry['target']}" + (f" ({entry['reason']})" if entry["reason"] else "")


def _compared(given: Given, exported: Answers) -> Json:
    """The primary metric of both on the same rows. There are no intervals: that is for the proof of the few that are chosen."""
    name = given.params["primary"]
    before, after = (given.judge.explained(name, one)[0] for one in (given.source, exported))
    greater = metric.greater_is_better(name, given.judge.custom)
    pair = {"value": before, "greater_is_better": greater}, {"value": after}
    return {"source": {"value": before}, "exported": {"value": after}, "drop": proof.drop(*pair)}


def _time(tried: Sequence[Tried], given: Given, turns: int) -> None:
    """Measure single predictions of all variants, each for a moment, again and again, there and back."""
    row = given.fed[:1]
    took: dict[str, list[float]] = {one.name: [] for one in tried}
    for turn in range(turns + 1):
        for one in tried if turn % 2 else reversed(tried):
            assert one.run is not None
            for _ in range(3):  # what another variant has put out of the caches
                one.run(row)
            for _ in range(BLOCK):
                start = time.perf_counter()
                one.run(row)
                if turn:  # the first turn warms up
                    took[one.name].append(1e3 * (time.perf_counter() - start))
    for one in tried:
        one.told["latency_ms"] = {name: finite(float(np.percentile(took[one.name], share))) for name, share in SHARES}


SHARES = (("p50", 50), ("p95", 95))


def _chosen(tried: Sequence[Tried]) -> dict[str, str]:
    """Return the names of the smallest and of the fastest variant that pass; of those as fast as the fastest, the smallest."""
    good = [one for one in tried if one.told["verdict"] == "pass" and one.run is not None]
    if not good:
        return {}

    def latency(one: Tried) -> float:
        return float(one.told["latency_ms"]["p50"])

    least = min(latency(one) for one in good)
    # of equals the first, which is the plainest
    smallest = min(good, key=lambda one: one.told["size"])
    fastest = min((one for one in good if latency(one) <= ALIKE * least), key=lambda one: one.told["size"])
    return {"smallest": smallest.name, "fastest": fastest.name}


def _proven(one: Tried, sources: Mapping[str, Path], params: Json, place: Path) -> Json:
    """Prove a variant as an export of a run is proven: written in another process, run there by its own runner, on test rows."""
    outputs = {name: place / f"proven {one.name}" / name for name in ("bundle", "proof", "timing")}
    inputs = {name: sources[name] for name in ("model", "train", "test", "metrics")}
    asked = {**load(one.asked, params["limits"]["max_drop"]).model_dump(mode="json"), **one.asked}
    asked = {name: value for name, value in asked.items() if name not in params["limits"]}
    more = {"name": "chosen", "export": asked, "route": ROUTE}
    try:
        runtime.run("export", inputs=inputs, outputs=outputs, params={**params, **more})
    except Problem as problem:
        return _failed("; ".join(str(getattr(fault, "message", fault)) for fault in problem.faults))
    proved, timing = read_json(outputs["proof"]), read_json(outputs["timing"])
    missed = [entry for entry in proved["requirements"] if entry["verdict"] != "pass"]
    return {
        "verdict": verdicts.verdict(proved["requirements"]),
        "reason": "; ".join(_missed(entry) for entry in missed),
        "rows": proved["parity"]["rows"],
        "size": proved["size"],
        "download": proved["download"],
        "agreement": proved["parity"].get("agreement"),
        "max_difference": proved["parity"]["max_difference"],
        "drop": _drop(proved),
        "metric": proved["metrics"].get(params["primary"]),
        "latency_ms": timing["exported"]["latency_ms"],
        "memory_mib": timing["exported"]["memory_mib"],
        "processor": timing["exported"]["processor"],
        "slower_than_float": timing.get("slower_than_float", False),
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return the lines of YAML for `exports:` of what was chosen and did not fail, with limits that it keeps by a tenth."""
    told = {one["name"]: one for one in found["variants"]}
    made = []
    for name, proved in found["proofs"].items():
        if proved["verdict"] != "fail":
            asked = told[name]["export"]
            told_of = [(key, "true" if value is True else value) for key, value in asked.items()]
            fields = [f"{key}: {value}" for key, value in told_of if key != "device" and value != "none"]
            fields += [f"device: {json.dumps(asked['device'])}"] if "device" in asked else []
            fields += [f"max_size: {-(-proved['size'] * 11 // 10_000)} kB", f"max_drop: {100 * found['max_drop']:g} %"]
            made.append(f"  - {{{', '.join(fields)}}}")
    return ["exports:", *made] if made else []
