"""`mlspec optimize`: every variant is a row, the choice is made on dev rows, the proof on test rows, and the lines can be used."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from mlspec import kinds
from mlspec.diagnostic import Problem
from mlspec.runtime import export, report
from mlspec.runtime.edge import picture, search
from mlspec.runtime.edge.search import Tried
from mlspec.tensor.program import Program
from tests.runtime.training_data import packaged, params, table

ROOT = Path(__file__).parent.parent
NETWORK = {"model": {"kind": "sklearn.mlp", "params": {"hidden_layer_sizes": [16], "max_iter": 40}}}
MORE = {"about": {"name": "churn", "version": "1.2.0"}, "primary": "accuracy", "metrics": [], "slices": [], "confidence": 0.95}


def convolutional() -> Program:
    """A convolution, then a dense layer."""
    random = np.random.default_rng(3)
    program = Program(36)
    x = program.reshape(program.input, 6, 6, 1)
    kernel = random.normal(size=(4, 3, 3, 1)).astype(np.float32)
    made = program.add("conv2d", x, program.constant(kernel), program.constant(np.zeros(4)), stride=(1, 1), padding="same")
    flat = program.reshape(program.add("relu", made), 144)
    program.output = program.dense(flat, random.normal(size=(5, 144)) * random.uniform(0.01, 1, (5, 1)), np.zeros(5))
    return program


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("network")
    packaged(place, {**params(), **NETWORK})
    return place


def sources(place: Path) -> dict[str, Path]:
    return {name: place / name for name in ("model", "metrics", "train", "dev", "test")}


def searched(place: Path, *formats: str, max_drop: float = 0.05, **more: Any) -> dict[str, Any]:
    given = {**params(), **NETWORK, **MORE}
    return search.search(sources(place), given, max_drop=max_drop, formats=formats, turns=1, **more)


@pytest.mark.slow
def test_each_way_is_tried_and_the_choice_is_proven(network: Path) -> None:
    told: list[str] = []
    found = searched(network, "onnx", "c", tell=told.append)
    assert [one["name"] for one in found["variants"]] == ["c", "onnx", "onnx dynamic", "onnx int8"]
    assert found["rows"] == pl.read_parquet(network / "dev").height
    assert found["skipped"] == {}
    good = [one for one in found["variants"] if one["verdict"] == "pass"]
    assert found["chosen"]["smallest"] == min(good, key=lambda one: one["size"])["name"]
    for name, proved in found["proofs"].items():
        assert proved["verdict"] == "pass", proved
        assert proved["rows"] == pl.read_parquet(network / "test").height
        assert proved["size"] == next(one["size"] for one in good if one["name"] == name)  # the same file, made anew
        assert proved["download"] < proved["size"]
    lines = search.lines(found)
    asked = yaml.safe_load("\n".join(lines))["exports"]
    assert len(asked) == len(found["proofs"])
    for one in asked:
        member = kinds.load("mlspec.exports", one["kind"]).model_validate(one)
        assert float(member.max_drop) == 0.05  # type: ignore[attr-defined]
        assert int(member.max_size.bytes) >= min(one["size"] for one in found["proofs"].values())  # type: ignore[attr-defined]
    assert "onnx int8" in told


@pytest.mark.slow
@pytest.mark.parametrize("error", [RuntimeError("the converter gave up\nat line 3"), SystemExit("there is no compiler")])
def test_a_variant_that_fails_is_a_row(network: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    real = export.write

    def write(form: Any, *given: Any) -> None:
        if form.quantize == "dynamic":
            raise error
        real(form, *given)

    monkeypatch.setattr(export, "write", write)
    monkeypatch.setattr(search, "_proven", lambda *given: {"verdict": "pass", "size": 1})
    found = searched(network, "onnx")
    [failed] = [one for one in found["variants"] if one["name"] == "onnx dynamic"]
    assert failed["verdict"] == "fail"
    assert failed["reason"] == f"{type(error).__name__}: {str(error).splitlines()[0]}"
    assert len(found["variants"]) == 3
    assert found["chosen"]


@pytest.mark.slow
def test_a_format_without_its_library_is_told(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_proven", lambda *given: {"verdict": "pass", "size": 1})
    monkeypatch.setitem(export.NEEDED, "onnx", ("onnx", "no_such_library"))
    found = searched(network, "onnx", "c")
    assert found["skipped"] == {"onnx": "no_such_library is not installed: pip install 'mlspec[edge]'"}
    assert [one["name"] for one in found["variants"]] == ["c"]


@pytest.mark.slow
def test_what_a_device_does_not_run_is_told(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_proven", lambda *given: {"verdict": "pass", "size": 1})
    found = searched(network, "c", "openvino", device="cortex_m7")
    assert set(found["skipped"]) == {"openvino"}
    assert 'device: "cortex_m7"' in search.lines(found)[1]


@pytest.mark.slow
def test_nothing_stays_within_what_no_file_can(network: Path) -> None:
    found = searched(network, "onnx", max_drop=-1.0)
    assert found["chosen"] == {}
    assert search.lines(found) == []
    assert all("drop of accuracy" in one["reason"] for one in found["variants"])


def test_without_dev_rows_there_is_nothing_to_choose_by(network: Path, tmp_path: Path) -> None:
    for name in ("model", "metrics", "train", "test"):
        shutil.copy(network / name, tmp_path / name)
    pl.read_parquet(network / "dev").head(0).write_parquet(tmp_path / "dev")
    with pytest.raises(Problem, match="the dev split has no rows"):
        searched(tmp_path, "c")


def test_an_unknown_format(network: Path) -> None:
    with pytest.raises(Problem, match="there is no format `caffe`"):
        searched(network, "caffe")


def tried(name: str, size: int, ms: float, verdict: str = "pass") -> Tried:
    return Tried(name, {"kind": name}, {"size": size, "latency_ms": {"p50": ms}, "verdict": verdict}, lambda rows: rows)


CHOICES = [
    # what was tried, the smallest, the fastest
    ([tried("a", 10, 1.0), tried("b", 20, 0.5)], "a", "b"),
    # smaller and faster, and not the model any more
    ([tried("a", 10, 1.0), tried("b", 5, 0.5, "fail")], "a", "a"),
    # as fast as the fastest: the smaller one
    ([tried("a", 10, 0.51), tried("b", 20, 0.5)], "a", "a"),
    # equals: the first, which is the plainest
    ([tried("a", 10, 0.5), tried("b", 10, 0.49)], "a", "a"),
]


@pytest.mark.parametrize(("rows", "smallest", "fastest"), CHOICES)
def test_the_choice(rows: list[Tried], smallest: str, fastest: str) -> None:
    assert search._chosen(rows) == {"smallest": smallest, "fastest": fastest}


def test_nothing_good_is_no_choice() -> None:
    assert search._chosen([tried("a", 10, 1.0, "fail"), Tried("b", {}, {"verdict": "fail", "reason": "no"})]) == {}


FOUND: dict[str, Any] = {
    "primary": "accuracy",
    "max_drop": 0.01,
    "rows": 100,
    "device": None,
    "skipped": {"openvino": "nncf is not installed"},
    "variants": [
        {"name": "onnx", "export": {"kind": "onnx", "quantize": "none"}, "verdict": "pass", "reason": "", "size": 4000}
        | {"latency_ms": {"p50": 0.01, "p95": 0.02}, "drop": 0.0, "parity": {"agreement": 1.0}},
        {"name": "onnx int8", "export": {"kind": "onnx", "quantize": "int8"}, "verdict": "fail", "reason": "<b>lost</b>"},
        {"name": "c", "export": {"kind": "c"}, "verdict": "fail", "reason": "drop", "size": 900, "drop": 0.2}
        | {"latency_ms": {"p50": 0.3, "p95": 0.5}, "parity": {}},
    ],
    "chosen": {"smallest": "onnx", "fastest": "onnx"},
    "proofs": {"onnx": {"verdict": "fail", "reason": "drop of accuracy is 0.02, wanted <= 0.01"}},
}


def test_a_choice_whose_proof_fails_is_for_no_spec() -> None:
    assert search.lines(FOUND) == []
    proved = {"onnx": {"verdict": "pass", "reason": "", "size": 3950}}
    assert search.lines({**FOUND, "proofs": proved}) == ["exports:", "  - {kind: onnx, max_size: 5 kB, max_drop: 1 %}"]


def test_the_page(tmp_path: Path) -> None:
    told = {"about": {"name": "a<b", "version": "1.0"}, "failed": True, "processor": "some", "yaml": ""}
    drawn = picture.of_search(FOUND)
    assert [one.title for one in drawn] == ["Size and latency", "Size and loss of accuracy"]
    assert drawn == picture.of_search(FOUND)
    report.write_page(tmp_path / "page.html", "optimize.html.j2", {**FOUND, **told, "drawings": drawn})
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "openvino was not tried: nncf is not installed" in page
    assert "&lt;b&gt;lost&lt;/b&gt;" in page
    assert "smallest, fastest" in page  # the ring has a name


TFLITE = [
    # how it is shortened, the number of float32 that stay: layers of 36 and 720 weights
    ({"quantize": "int8"}, 0),
    ({"quantize": "int8", "layers": "dense"}, 36),
    ({"quantize": "int8", "layers": "convolution"}, 720),
]


def shortened(tmp_path: Path, **fields: Any) -> tuple[dict[str, int], int]:
    pytest.importorskip("ai_edge_quantizer")
    form = kinds.load("mlspec.exports", str(fields.get("kind", "tflite"))).model_validate({"kind": "tflite", **fields})
    rows = np.random.default_rng(0).normal(size=(20, 36)).astype(np.float32)
    form.write(convolutional(), tmp_path, "{}", rows)  # type: ignore[attr-defined]
    return dict(form.shortened(tmp_path)), (tmp_path / "model.tflite").stat().st_size  # type: ignore[attr-defined]


@pytest.mark.parametrize(("fields", "stay"), TFLITE)
def test_which_layers_are_shortened(fields: dict[str, Any], stay: int, tmp_path: Path) -> None:
    numbers, _ = shortened(tmp_path, **fields)
    assert numbers["int8"] == 756 - stay
    assert numbers.get("float32", 0) in range(stay, stay + 12)  # biases of what stays


@pytest.mark.parametrize("quantize", ["int8", "dynamic", "weights"])
def test_a_scale_for_each_output_takes_more_room(quantize: str, tmp_path: Path) -> None:
    sizes = {}
    for granularity in ("per_tensor", "per_channel"):
        place = tmp_path / granularity
        place.mkdir()
        sizes[granularity] = shortened(place, quantize=quantize, granularity=granularity)[1]
    assert sizes["per_tensor"] < sizes["per_channel"]


ODD = [
    ({"kind": "tflite", "granularity": "per_tensor"}, "is of scales"),
    ({"kind": "tflite", "granularity": "per_channel", "quantize": "float16"}, "is of scales"),
    ({"kind": "tflite", "layers": "dense"}, "nothing is shortened"),
    ({"kind": "tflite", "layers": "dense", "quantize": "int8", "io": "integer"}, "from end to end"),
    ({"kind": "openvino", "preset": "performance"}, "is of `quantize: int8`"),
]


@pytest.mark.parametrize(("fields", "message"), ODD)
def test_what_means_nothing_is_refused(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    form = kinds.load("mlspec.exports", fields["kind"]).model_validate(fields)
    with pytest.raises(Problem, match=message):
        form.write(convolutional(), tmp_path, "{}", np.zeros((2, 36), np.float32))  # type: ignore[attr-defined]


def test_trees_have_one_variant_a_format() -> None:
    program = Program(1)
    program.output = program.add("relu", program.input)
    for kind in ("c", "onnx", "openvino", "tflite"):
        assert list(kinds.load("mlspec.exports", kind).variants(program)) == [{"quantize": "none"}]  # type: ignore[attr-defined]
    names = [search._named("tflite", one) for one in kinds.load("mlspec.exports", "tflite").variants(convolutional())]  # type: ignore[attr-defined]
    assert len(names) == len(set(names)) == 16


SPEC = """\
mlspec: 1
project: {name: churn, version: 1.2.0}
requirements: {metrics: [{metric: accuracy, target: ">= 0.6", primary: true}]}
task: {kind: classification, target: churn, positive: "yes"}
data:
  sources: {rows: {kind: csv, path: rows.csv}}
  columns: {spend: {role: ignore}, seen: {role: ignore}, shop: {role: ignore}, id: {role: id}, note: {role: ignore}, nickname: {role: ignore}, empty: {role: ignore}}
splits: {strategy: stratified, ratios: [0.6, 0.2, 0.2]}
model: {kind: sklearn.logistic_regression}
training: {cross_validation: null}
exports: [{kind: onnx, max_drop: 2 %}, {kind: c, max_drop: 5 %}]
"""


def optimized(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlspec", "optimize", "spec.yaml", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    table(400).drop("__row__", "constant").write_csv(tmp_path / "rows.csv")
    (tmp_path / "spec.yaml").write_text(SPEC)
    ended = optimized(tmp_path, "--format", "c", "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = json.loads(ended.stdout)  # nothing else is printed
    assert found["max_drop"] == 0.02  # the strictest of the spec
    assert found["chosen"] == {"smallest": "c", "fastest": "c"}
    assert (tmp_path / found["page"]).is_file()
    assert not list((tmp_path / "runs").glob("*/run_*"))  # it is no run
    told = optimized(tmp_path, "--format", "c", "--max-drop", "3%", "-o", "page.html")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "1 variants of 1 format" not in told.stdout
    assert "at most 3 % of accuracy may be lost" in told.stdout
    assert "  - {kind: c, max_size: " in told.stdout
    assert (tmp_path / "page.html").is_file()
    wrong = optimized(tmp_path, "--max-drop", "much")
    assert (wrong.returncode, "is not a share" in wrong.stderr) == (2, True)
    wrong = optimized(tmp_path, "--item", "a")
    assert (wrong.returncode, "there is one model" in wrong.stderr) == (2, True)
