"""Exports: written, run by what ships with them, proven on every row, and refused where they are not the model any more."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlspec import runtime
from mlspec.diagnostic import Finding, Problem, Severity
from mlspec.runtime import ship
from mlspec.runtime.artifact import digest
from mlspec.runtime.edge import proof, verdicts, verify
from tests.runtime.training_data import REGRESS, packaged, params

ROOT = Path(__file__).parent.parent.parent
DEVICE = ROOT / ".venvs" / "device" / "bin" / "python"
LIMITS = {"max_size": None, "max_latency_p95": None, "max_drop": None, "memory": None}
NETWORK = {"model": {"kind": "sklearn.mlp", "params": {"hidden_layer_sizes": [16], "max_iter": 60}}}


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("forest")
    packaged(place, params(model="sklearn.random_forest"))
    return place


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("network")
    packaged(place, {**params(), **NETWORK})
    return place


def exported(
    source: Path, place: Path, export: Mapping[str, Any], given: Mapping[str, Any] | None = None, **limits: Any
) -> tuple[dict[str, Any], Path]:
    """Run the op; return the proof and the bundle."""
    inputs = {name: source / name for name in ("model", "train", "test", "metrics")}
    outputs = {name: place / name for name in ("bundle", "proof", "timing")}
    asked = {"calibration_rows": 100, "quantize": "none", "device": None, **export}
    more = {"name": "one", "export": asked, "route": ["exports", 0], "about": {"name": "churn", "version": "1.2.0"}}
    more |= {
        "limits": {**LIMITS, **limits},
        "primary": "accuracy",
        "metrics": [],
        "slices": [{"column": "plan"}],
        "confidence": 0.95,
    }
    runtime.run("export", inputs=inputs, outputs=outputs, params={**(given or params()), **more})
    return json.loads((place / "proof").read_text()), place / "bundle"


def failed(found: Mapping[str, Any]) -> list[str]:
    return [one["name"] for one in found["requirements"] if one["verdict"] != "pass"]


WAYS = [
    # the model, the export, how far a probability may be off
    ("forest", {"kind": "onnx"}, 1e-6),
    ("forest", {"kind": "tflite"}, 1e-6),
    ("forest", {"kind": "openvino"}, 1e-6),
    ("forest", {"kind": "c"}, 1e-6),
    ("network", {"kind": "tflite"}, 1e-5),
    ("network", {"kind": "tflite", "quantize": "float16"}, 5e-3),
    ("network", {"kind": "tflite", "quantize": "int8"}, 0.2),
    ("network", {"kind": "onnx", "quantize": "int8"}, 0.2),
    ("network", {"kind": "openvino", "quantize": "int8"}, 0.2),
    ("network", {"kind": "c"}, 1e-5),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "export", "most"), WAYS, ids=[f"{model}-{'-'.join(export.values())}" for model, export, _ in WAYS]
)
def test_it_is_the_model(model: str, export: dict[str, Any], most: float, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    found, bundle = exported(request.getfixturevalue(model), tmp_path, export)
    assert failed(found) == []
    assert found["parity"]["max_difference"] <= most
    assert found["parity"]["not_finite"] == 0
    assert len(found["slices"]) == 2
    timing = json.loads((tmp_path / "timing").read_text())
    assert timing["exported"]["files_as_shipped"]
    assert timing["exported"]["max_difference"] < 1e-6
    assert (bundle / "labels.txt").read_text() == "no\nyes\n"
    assert json.loads((bundle / "metadata.json").read_text())["quantize"] == export.get("quantize", "none")
    again, other = exported(request.getfixturevalue(model), tmp_path / "again", export)
    assert again == found
    assert digest(other) == digest(bundle)


@pytest.mark.slow
@pytest.mark.skipif(not DEVICE.exists(), reason="the environment of a device is not there: make envs")
@pytest.mark.parametrize("kind", ["onnx", "tflite", "openvino"])
def test_a_device_needs_the_bundle_and_its_runtime_only(network: Path, tmp_path: Path, kind: str) -> None:
    """An environment with NumPy and the runtimes, no mlspec, no scikit-learn: rows as JSON in, predictions out."""
    _, bundle = exported(network, tmp_path, {"kind": kind})
    rows = [{"tenure": 3, "plan": "monthly", "level": 2, "cost": 20.5, "paperless": True, "city": "Oslo"}]
    rows += [{"tenure": 60, "plan": "yearly", "level": 1.0, "cost": None, "paperless": False, "city": "nowhere"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    ended = subprocess.run([DEVICE, "-I", bundle / "runner.py"], input=lines, capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    from mlspec.runtime import pickled

    wanted = pickled.read(network / "model").predict_proba(pl.DataFrame(rows, strict=False))
    assert [one["predicted"] for one in told] == [["no", "yes"][int(one.argmax())] for one in wanted]
    assert np.abs(np.array([list(one["probabilities"].values()) for one in told]) - wanted).max() < 1e-5
    result = tmp_path / "result.json"
    subprocess.run([DEVICE, bundle / "bench.py", "--seconds", "0.1", "--out", result], capture_output=True, check=True)
    assert json.loads(result.read_text())["files_as_shipped"]


@pytest.mark.slow
def test_a_file_that_was_changed_on_the_way_is_told(forest: Path, tmp_path: Path) -> None:
    _, bundle = exported(forest, tmp_path, {"kind": "onnx"})
    copy = shutil.copytree(bundle, tmp_path / "copy")
    with (copy / "model.onnx").open("ab") as file:
        file.write(b"\0")
    ended = subprocess.run([sys.executable, copy / "runner.py", "--check"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "model.onnx is not the file that was shipped\n")


CRASHES = "import ctypes\n\nprint('a line that nobody asked for')\nctypes.string_at(0)\n"
HANGS = "import time\n\ntime.sleep(600)\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "code", "told"),
    [(CRASHES, "step-killed", "signal 11 (SIGSEGV)"), (HANGS, "step-timed-out", "its limit of 3 s")],
    ids=["crashes", "hangs"],
)
def test_a_converter_that_breaks_breaks_nothing_else(
    forest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, code: str, told: str
) -> None:
    """A vendor's library takes down the process that it is in, or never ends: the export has failed, and we go on."""
    (tmp_path / "onnx.py").write_text(library)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(runtime.APART, "export", 3.0 if library == HANGS else None)
    with pytest.raises(Problem) as raised:
        exported(forest, tmp_path, {"kind": "onnx"})
    [fault] = raised.value.faults
    assert isinstance(fault, Finding)
    assert (fault.code, told in fault.message) == (code, True)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.slow
def test_a_limit_that_is_missed_names_the_numbers_and_the_line(network: Path, tmp_path: Path) -> None:
    found, _ = exported(network, tmp_path, {"kind": "onnx"}, max_size=100)
    [missed] = [one for one in found["requirements"] if one["verdict"] == "fail"]
    assert missed["route"] == ["exports", 0, "max_size"]
    assert missed["value"] == found["size"]
    assert f"the limit is 100 bytes, the files have {found['size']:,}: {found['size'] - 100:,} too many" in missed["reason"]


@pytest.mark.slow
def test_ranges_of_the_wrong_rows_fail(network: Path, tmp_path: Path) -> None:
    """Calibrated on rows that are all alike, int8 clips what every other row has."""
    bad = tmp_path / "bad"
    bad.mkdir()
    for name in ("model", "test", "metrics"):
        shutil.copy(network / name, bad / name)
    train = pl.read_parquet(network / "train")
    one = train.filter(pl.col("plan") == "yearly").head(1)
    pl.concat([one] * 50).write_parquet(bad / "train")
    found, _ = exported(bad, tmp_path, {"kind": "tflite", "quantize": "int8"}, max_drop=0.01)
    assert "label agreement with the model" in failed(found)
    good, _ = exported(network, tmp_path / "good", {"kind": "tflite", "quantize": "int8"}, max_drop=0.01)
    assert good["parity"]["agreement"] > found["parity"]["agreement"]


@pytest.mark.slow
def test_it_computes_in_float32_whatever_the_processor_prefers(network: Path, tmp_path: Path) -> None:
    """OpenVINO takes bfloat16 by itself where a processor has it: what ships asks for float32, and what else it were is told."""
    found, _ = exported(network, tmp_path, {"kind": "openvino"})
    assert found["parity"]["max_difference"] <= 1e-5
    default = found["device_default"]["max_difference"]
    assert default >= found["parity"]["max_difference"] / 2
    if "avx512_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        assert default > 1e-4


WARNINGS = [
    # what a proof and a measurement say, and what the page makes of it
    ({}, {}, []),
    ({"device_default": {"max_difference": 0.044}}, {}, ["by default this processor computes less precisely: 0.044 off"]),
    ({"device_default": {"max_difference": 0.0001}}, {}, []),
    (
        {},
        {"slower_than_float": True, "float": {"latency_ms": {"p50": 0.1}}},
        ["it is slower here than the same model in float32: 0.3 ms against 0.1 ms"],
    ),
]


@pytest.mark.parametrize(("proved", "timed", "said"), WARNINGS)
def test_what_is_no_fault_and_no_good_either(
    proved: dict[str, Any], timed: dict[str, Any], said: list[str], tmp_path: Path
) -> None:
    sound = {"requirements": [], "format": "openvino", "quantize": "int8", "size": 10, "macs": 10}
    measured = {"exported": {"latency_ms": {"p50": 0.3, "p95": 0.4}, "memory_mib": 12, "threads": 1}}
    for name, told in (("one_proof", sound | proved), ("one_timing", measured | timed)):
        (tmp_path / name).write_text(json.dumps(told), encoding="utf-8")
    asked = {"name": "one", "route": ["exports", 0], "limits": LIMITS, "export": {"device": None}}
    found = ship._export(asked, {name: tmp_path / name for name in ("one_proof", "one_timing")})
    assert [one.partition(";")[0] for one in found["warnings"]] == said


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tflite", "onnx", "openvino"])
def test_trees_are_not_quantized(forest: Path, tmp_path: Path, kind: str) -> None:
    with pytest.raises(Problem, match="finds nothing to shorten") as raised:
        exported(forest, tmp_path, {"kind": kind, "quantize": "int8"})
    [fault] = raised.value.faults
    assert isinstance(fault, Finding)
    assert fault.route == ("exports", 0, "quantize")
    assert fault.severity is Severity.ERROR  # it came out of another process


@pytest.mark.slow
def test_a_number_is_predicted_too(tmp_path: Path) -> None:
    given = params(REGRESS, model="sklearn.hist_gradient_boosting")
    packaged(tmp_path, given)
    found, bundle = exported(tmp_path, tmp_path / "made", {"kind": "tflite"}, {**given, "primary": "r2"})
    assert failed(found) == []
    assert "agreement" not in found["parity"]
    assert not (bundle / "labels.txt").exists()


@pytest.mark.slow
def test_nothing_of_the_data_is_in_a_bundle(forest: Path, tmp_path: Path) -> None:
    """Sample rows are put together from many rows: no row of the bundle is one of the data."""
    _, bundle = exported(forest, tmp_path, {"kind": "onnx"})
    from mlspec.lowering import lowered
    from mlspec.runtime import pickled
    from mlspec.runtime.edge.device import runner
    from mlspec.runtime.edge.metadata import device_rows

    model = pickled.read(forest / "model")
    about = json.loads((bundle / "metadata.json").read_text())
    fed = runner.feed(device_rows(model, lowered(model), pl.read_parquet(forest / "train")), about)
    known = {tuple(row) for row in np.nan_to_num(fed, nan=-9).tolist()}
    samples = json.loads((bundle / "samples.json").read_text())["fed"]
    assert not known & {tuple(-9 if one is None else np.float32(one).item() for one in row) for row in samples}


GOOD = {"rows": 100, "not_finite": 0, "max_difference": 1e-7, "mean_difference": 1e-8, "rows_off": 0, "agreement": 1.0}


def told(quantize: str = "none", numbers: Mapping[str, int] | None = None, **parity: Any) -> list[str]:
    drop = {"source": {"value": 0.9}, "exported": {"value": 0.8}, "drop": 0.11}
    found = {
        "parity": {**GOOD, **parity},
        "quantize": quantize,
        "numbers": numbers or {"float32": 10},
        "size": 10,
        "primary": "f1",
    }
    entries = list(verdicts.of_proof({**found, "metrics": {"f1": drop}}, {**LIMITS, "max_drop": 0.05}, ["exports", 0]))
    return [one["name"] for one in entries if one["verdict"] != "pass"]


VERDICTS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["drop of f1"]),
    (
        {"not_finite": 1, "max_difference": None},
        ["rows without a finite answer", "largest difference from the model", "drop of f1"],
    ),
    # agreement alone hides probabilities that are wrong
    ({"max_difference": 0.8}, ["largest difference from the model", "drop of f1"]),
    ({"agreement": 0.9985}, ["label agreement with the model", "drop of f1"]),
    # a "quantized" file that is plain float
    ({"quantize": "dynamic"}, ["shortened weights", "drop of f1"]),
    ({"quantize": "dynamic", "numbers": {"int8": 3, "float32": 7}, "max_difference": 0.2}, ["drop of f1"]),
]


@pytest.mark.parametrize(("case", "missed"), VERDICTS)
def test_verdicts(case: dict[str, Any], missed: list[str]) -> None:
    assert told(**case) == missed


PROOF = {"macs": 2_660_000, "format": "tflite", "quantize": "int8", "size": 50_000}


def test_what_is_not_here_is_unproven() -> None:
    timing = {"exported": {"latency_ms": {"p50": 0.1, "p95": 0.2}, "threads": 1, "memory_mib": 12}}
    limits = {**LIMITS, "max_latency_p95": 0.001}
    assert [one["verdict"] for one in verdicts.of_timing(PROOF, timing, limits, None, ["exports", 0])] == ["pass"]
    assert [
        one["verdict"] for one in verdicts.of_timing(PROOF, timing, {**limits, "max_latency_p95": 0.0001}, None, ["exports", 0])
    ] == ["fail"]
    [elsewhere] = verdicts.of_timing(PROOF, timing, limits, "raspberry_pi_4", ["exports", 0])
    assert elsewhere["verdict"] == "unproven"
    assert "bench.py" in elsewhere["reason"]


ESTIMATED = [
    # a board with published results, the limit in seconds, the verdict: MLPerf Tiny's keyword spotting takes it about 75 ms
    ("nucleo_l4r5zi", 1.0, "pass"),
    ("nucleo_l4r5zi", 0.08, "unproven"),
    ("nucleo_l4r5zi", 0.001, "fail"),
]


@pytest.mark.parametrize(("board", "limit", "verdict"), ESTIMATED)
def test_an_estimate_passes_where_its_upper_bound_does(board: str, limit: float, verdict: str) -> None:
    timing = {"exported": {"latency_ms": {"p50": 0.1, "p95": 0.2}, "threads": 1, "memory_mib": 12}}
    [found] = verdicts.of_timing(PROOF, timing, {**LIMITS, "max_latency_p95": limit}, board, ["exports", 0])
    assert found["verdict"] == verdict
    assert "an estimate for" in found["reason"]


RESULT = {"model": "churn", "version": "1.2.0", "digest": "abc", "files_as_shipped": True, "max_difference": 1e-7} | {
    "latency_ms": {"p50": 1.0, "p95": 2.0}, "memory_mib": 10.0, "threads": 1, "predictions": 100, "machine": "aarch64",
}  # fmt: skip
ABOUT = {"name": "churn", "version": "1.2.0", "digest": "abc", "format": "tflite", "quantize": "none", "route": ["exports", 0]}
VERIFIED: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {}, []),
    ({}, {"digest": "def"}, ["the model that was measured"]),
    ({}, {"files_as_shipped": False}, ["files are those that were shipped"]),
    ({}, {"max_difference": float("nan")}, ["largest difference on the samples"]),
    ({}, {"max_difference": 0.01}, ["largest difference on the samples"]),
    ({"quantize": "int8"}, {"max_difference": 0.01}, []),
    ({"limits": {**LIMITS, "max_latency_p95": 0.002}}, {}, []),
    ({"limits": {**LIMITS, "max_latency_p95": 0.001}}, {}, ["95th percentile of latency in ms"]),
    ({"limits": {**LIMITS, "memory": 2**20}}, {}, ["memory in bytes"]),
]


@pytest.mark.parametrize(("bundle", "result", "missed"), VERIFIED)
def test_what_a_device_measured_is_verified(bundle: dict[str, Any], result: dict[str, Any], missed: list[str]) -> None:
    found = verify.verified({**ABOUT, "limits": LIMITS, **bundle}, {**RESULT, **result})
    assert [one["name"] for one in found if one["verdict"] != "pass"] == missed


def test_undecided_rows_agree_with_either_label() -> None:
    from mlspec.runtime import metric

    truth = np.array(["a", "b", "b"])
    half = np.array([[0.5, 0.5], [0.4, 0.6], [0.9, 0.1]])
    source = metric.classified(truth, np.array(["a", "b", "a"]), half, ["a", "b"], "b")
    other = metric.classified(truth, np.array(["b", "b", "b"]), half, ["a", "b"], "b")
    assert proof.agreement(source, other, None) == pytest.approx(2 / 3)


BAD = [
    # metadata.json, result.json, what is said
    ("{", "{}", "no metadata of an export"),
    ('{"name": "x"}', "{}", "no metadata of an export: version: Field required"),
    (None, "{", "no result of bench.py"),
    (None, "[1]", "no result of bench.py"),
    (None, {"latency_ms": {}}, "no result of bench.py: latency_ms.p50: Field required"),
    (None, {"memory_mib": "much"}, "no result of bench.py: memory_mib: Input should be a valid number"),
]


@pytest.mark.parametrize(("bundle", "result", "said"), BAD)
def test_a_file_that_is_no_measurement_is_told(
    bundle: str | None, result: str | dict[str, Any], said: str, tmp_path: Path
) -> None:
    whole = json.dumps({**ABOUT, "limits": LIMITS})
    (tmp_path / "metadata.json").write_text(bundle or whole)
    (tmp_path / "result.json").write_text(result if isinstance(result, str) else json.dumps({**RESULT, **result}))
    with pytest.raises(Problem, match=said):
        verify.verified(verify.bundle_of(tmp_path), verify.result_of(tmp_path / "result.json"))


def test_a_measurement_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="is no bundle of an export"):
        verify.bundle_of(tmp_path)
    with pytest.raises(Problem, match="No such file"):
        verify.result_of(tmp_path / "result.json")
    (tmp_path / "metadata.json").write_text(json.dumps({**ABOUT, "limits": LIMITS}))
    (tmp_path / "result.json").write_text(json.dumps(RESULT))
    found = verify.verified(verify.bundle_of(tmp_path), verify.result_of(tmp_path / "result.json"))
    assert {one["verdict"] for one in found} == {"pass"}
