"""Write the model in another format, prove that it still is the model, and put what a device needs beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlspec.diagnostic import Finding, Problem
from mlspec.exports._export import Export, load
from mlspec.exports.tflite import Tflite
from mlspec.lowering import Lowered, lowered
from mlspec.runtime import evaluate, pickled
from mlspec.runtime.artifact import read_json, whole, write_json
from mlspec.runtime.edge import bundle, micro, proof, verdicts
from mlspec.runtime.edge.device import runner
from mlspec.runtime.edge.metadata import device_rows, inside, metadata
from mlspec.runtime.slices import slices
from mlspec.tensor.cost import macs
from mlspec.tensor.program import run as run_program
from mlspec.tensor.trees import walked

Json = dict[str, Any]
NEEDED = {
    "tflite": ("ai_edge_litert", "ai_edge_quantizer"),
    "onnx": ("onnx", "onnxruntime"),
    "openvino": ("openvino", "onnx", "nncf"),
    "coreml": ("coremltools",),
}

MEASURED = 0.5
"""Seconds of predictions that are timed, for the export, and for the same format without quantization."""


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `bundle` (a directory for a device), `proof` (JSON: how it differs from the model, on every test row) and `timing`.

    The bundle and the proof are the same on every machine that computes alike; `timing` is of this one. Raises Problem where the
    model has no such form, or the format's libraries are not there, or the written file does not run.
    """
    export = _member(params)
    model = pickled.read(inputs["model"])
    _refuse_unaware(export, model, params)
    metrics = read_json(inputs["metrics"])
    train, test = pl.read_parquet(inputs["train"]), pl.read_parquet(inputs["test"])
    made = lowered(model)
    about = metadata(model, made, export, params, metrics)
    fed = runner.feed(device_rows(model, made, spread(train, export.calibration_rows)), about)
    with whole(outputs["bundle"]) as place:
        write(export, made, place, about, fed)
        picked = bundle.samples(fed, int(params["seed"]))
        scores = run_program(walked(made.program), picked) if export.elsewhere() else made_scores(place, picked, about)
        more = {"micro": micro.tried(place, picked, scores)} if isinstance(export, Tflite) and export.on_micro else {}
        proved = {**_proof(export, place, model, made, about, test, params), **more}
        proved["requirements"] += verdicts.of_micro(proved, list(params["route"]))
        bundle.write_samples(place, picked, scores)
        write_json(place / "proof.json", proved)
        bundle.seal(place)
        timing = _timing(export, place, made, about)
        write_json(outputs["timing"], timing)
        write_json(outputs["proof"], proved)
    told = {name: one for name, one in proved["parity"].items() if one is not None}
    return {
        "format": export.kind,
        "quantize": export.quantize,
        "size": proved["size"],
        **told,
        "p95_ms": timing["exported"]["latency_ms"]["p95"] if "exported" in timing else None,
    }


def external(params: Mapping[str, Any], file_digest: Any) -> dict[str, Any]:
    """Return what decides besides the params, for cache keys: the versions of what writes and runs the format."""
    export = load(params["export"], params["limits"]["max_drop"])
    names = [name.replace("_", "-") for name in NEEDED.get(export.kind, ())]
    micros = [micro.PACKAGE] if isinstance(export, Tflite) and export.on_micro else []
    return {**{name: _version(name) for name in (*names, *micros)}, **({"elsewhere": why} if (why := export.elsewhere()) else {})}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def lacking(kind: str) -> str:
    """Say which libraries a format needs that are not installed here; nothing where all are."""
    absent = [name for name in NEEDED.get(kind, ()) if find_spec(name) is None]
    return f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed" if absent else ""


def install(kind: str) -> str:
    """Return the command that installs what a format needs."""
    return f"pip install 'mlspec[{'coreml' if kind == 'coreml' else 'edge'}]'"


def _member(params: Mapping[str, Any]) -> Export:
    export = load(params["export"], params["limits"]["max_drop"])
    if absent := lacking(export.kind):
        message = f"`kind: {export.kind}` cannot be written: {absent}"
        raise Problem(Finding("missing-library", message, (*params["route"], "kind"), help=install(export.kind)))
    return export


def _refuse_unaware(export: Export, model: Any, params: Mapping[str, Any]) -> None:
    """Raise Problem where an export is to be of a model that was trained for int8, and this one was not."""
    if export.quantize == "int8_aware" and not hasattr(model.named_steps["model"], "quantize_aware_"):
        message = f"`quantize: int8_aware` is of networks that are trained for it, and `{params['model']['kind']}` is not"
        help_text = "`quantize: int8`, which quantizes after training"
        raise Problem(Finding("cannot-quantize", message, (*params["route"], "quantize"), help=help_text))


def spread(table: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return so many rows, evenly from the whole table."""
    if table.height <= count:
        return table
    places = np.linspace(0, table.height - 1, count).round().astype(int)
    return table.select(pl.all().gather(pl.Series(places)))


def write(export: Export, made: Lowered, place: Path, about: Json, fed: np.ndarray[Any, Any]) -> None:
    """Write the files of an export, and what a device needs beside them. Raises Problem where it cannot be written."""
    from mlspec.runtime.fitting import one_blas_thread

    try:
        with one_blas_thread():
            export.write(made.program, place, inside(about), fed)
    except Problem as problem:  # a format knows its own fields, and not where in the spec it stands
        faults = [one for one in problem.faults if isinstance(one, Finding)]
        raise Problem(*(replace(one, route=(*about["route"], *one.route)) for one in faults)) from None
    bundle.complete(place, about, export)


def made_scores(place: Path, fed: np.ndarray[Any, Any], about: Json) -> np.ndarray[Any, Any]:
    """What the written model answers to rows that are already numbers."""
    return proof.scores(place, [dict(_named(row.tolist(), about["inputs"])) for row in fed])


def _named(numbers: Sequence[float], inputs: Sequence[Json]) -> Iterator[tuple[str, Any]]:
    """Yield the columns of a row that is fed as numbers."""
    place = 0
    for one in inputs:
        size = one.get("size", 1)
        yield one["name"], numbers[place : place + size] if "size" in one else _back(numbers[place], one)
        place += size


def _back(number: float, column: Json) -> Any:
    """The value that is fed as a number; what no value is fed as (an unknown word) is a word that nobody knows."""
    if number != number:
        return None
    if column["type"] != "category":
        return number
    return column["values"][int(number)] if number >= 0 else "\0"


def _proof(
    export: Export, place: Path, model: Any, made: Lowered, about: Json, test: pl.DataFrame, params: Mapping[str, Any]
) -> Json:
    source = evaluate.answer(model, test, params["task"], params.get("threshold"))
    judge = evaluate.Judge(evaluate.wanted(params), params, evaluate.groups(test, params.get("group_by")))
    parts = slices(test, params.get("slices") or ())
    if unproven := export.elsewhere():
        compared = {**proof.uncompared(judge, source, parts), "unproven": unproven}
    else:
        rows = device_rows(model, made, test)
        found = proof.scores(place, rows)
        exported = proof.answers(found, source, about)
        parity = proof.parity(source, exported, found, about["threshold"])
        compared = {"parity": parity, **proof.compared(judge, source, exported, parts)}
    files = {name: one.stat().st_size for name, one in bundle.named(place).items()}
    told = {
        "name": params["name"],
        "format": export.kind,
        "quantize": export.quantize,
        "primary": params["primary"],
        **compared,
        "files": files,
        "size": sum(files.values()),
        "download": bundle.download(bundle.model_files(place)),
        "numbers": dict(sorted(export.shortened(place).items())),
        "operators": export.operators(place),
        "operations": len(made.program.nodes),
        "macs": macs(made.program),
        "runtime": about["runtime"],
        "computed": [{key: one[key] for key in ("kind", "takes", "gives")} for one in about["computed"]],
        **export.remarks(place),
    }
    if pruned := getattr(model.named_steps["model"], "pruned_", None):
        told["pruned"] = dict(pruned)
    if aware := getattr(model.named_steps["model"], "quantize_aware_", None):
        told["quantize_aware"] = dict(aware)
    if export.kind == "openvino":
        default = proof.scores(place, rows, "default")
        told["device_default"] = {"max_difference": float(np.abs(default.astype(float) - found).max(initial=0.0))}
    told["requirements"] = list(verdicts.of_proof(told, params["limits"], list(params["route"])))
    return told


def _timing(export: Export, place: Path, made: Lowered, about: Json) -> Json:
    """Measure the export here, and what it is quantized from: one that is slower than that is told of."""
    if unproven := export.elsewhere():
        return {"unproven": unproven}
    told: Json = {"exported": proof.timing(place, MEASURED)}
    if export.quantize == "none":
        return told
    plain = type(export).model_validate(
        {"kind": export.kind, "device": export.device}
    )  # what else it says is of how numbers are shortened
    with tempfile.TemporaryDirectory(prefix="mlspec-") as name:
        there = Path(name)
        write(plain, made, there, {**about, "quantize": "none"}, np.zeros((1, made.program.width), dtype=np.float32))
        shutil.copyfile(place / "samples.json", there / "samples.json")
        bundle.seal(there)
        told["float"] = proof.timing(there, MEASURED)
    before, after = (told[one]["latency_ms"]["p50"] for one in ("float", "exported"))
    told["slower_than_float"] = after > 1.05 * before
    return told
