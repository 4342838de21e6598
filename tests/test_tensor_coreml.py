"""Core ML: what was written is read again and computed, operation by operation, as coremltools itself means it.

Core ML runs on Apple's systems only. coremltools has a meaning in NumPy for most operations, which it folds constants with; for
convolutions, pools and weights that are stored shorter the documentation's formulae are computed here with PyTorch.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspec import ops, runtime
from mlspec.bundle import lock
from mlspec.diagnostic import Problem
from mlspec.exports._export import load
from mlspec.lower import lower
from mlspec.runtime.edge import bundle
from mlspec.spec.project import validate
from mlspec.tensor import coreml
from mlspec.tensor.program import OPERATIONS, Array, Program, run
from tests.test_tensor_c import CASES, SIX

pytest.importorskip("coremltools")
pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")


def conv(x: Any, weight: Any, bias: Any, strides: Any, pad: Any, groups: Any, **rest: Any) -> Array:
    top, bottom, left, right = (int(one) for one in pad)
    wide = torch.nn.functional.pad(torch.tensor(x), (left, right, top, bottom))
    stride, group = tuple(int(one) for one in strides), int(groups)
    return np.asarray(torch.nn.functional.conv2d(wide, torch.tensor(weight), torch.tensor(bias), stride, groups=group))


def pool(most: bool) -> Any:
    """Windows by PyTorch's unfold; what lies beyond the edges is NaN, and counts nothing."""

    def pooled(x: Any, kernel_sizes: Any, strides: Any, pad: Any, **rest: Any) -> Array:
        top, bottom, left, right = (int(one) for one in pad)
        assert most or rest["exclude_padding_from_average"]
        wide = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=np.nan)
        high, across = (int(one) for one in kernel_sizes)
        seen = np.lib.stride_tricks.sliding_window_view(wide, (high, across), axis=(2, 3))[:, :, :: strides[0], :: strides[1]]
        found: Array = np.nanmax(seen, axis=(4, 5)) if most else np.nanmean(seen, axis=(4, 5), dtype=np.float32)
        return found

    return pooled


@pytest.fixture(scope="module", autouse=True)
def _many_objects() -> Iterator[None]:
    """Each conversion collects garbage, which takes half a second of all that the libraries hold."""
    with coreml.quiet():
        import coremltools  # noqa: F401
    gc.freeze()
    yield
    gc.unfreeze()


FORMULAE: dict[str, Any] = {
    "conv": conv,
    "max_pool": pool(most=True),
    "avg_pool": pool(most=False),
    "constexpr_cast": lambda source_val, output_dtype: source_val.astype(np.float32),
    "constexpr_affine_dequantize": lambda quantized_data, zero_point, scale, axis: (
        (quantized_data.astype(np.float32) - _along(zero_point, axis, quantized_data)) * _along(scale, axis, quantized_data)
    ).astype(np.float32),
}


def _along(numbers: Any, axis: Any, like: Any) -> Any:
    shape = [1] * like.ndim
    shape[int(axis)] = -1
    return np.asarray(numbers, np.float32).reshape(shape) if np.ndim(numbers) else np.float32(numbers)


def computed(place: Path, rows: Array) -> Array:
    """Read a package and compute what it gives for each row."""
    with coreml.quiet():
        import coremltools as ct
        from coremltools.converters.mil.frontend.milproto.load import load

        spec = ct.utils.load_spec(str(place))
        program = load(spec, spec.specificationVersion, str(place / coreml.PACKAGE / "weights"))
        return np.concatenate([_row(program.functions["main"], row[None]) for row in rows])


def _row(function: Any, row: Array) -> Array:
    from coremltools.converters.mil.mil import Builder, Function

    values: dict[str, Any] = dict.fromkeys(function.inputs, row)
    with Function({}, opset_version=function.opset_version):
        for op in function.operations:
            if op.op_type == "const":
                values[op.outputs[0].name] = _plain(op.outputs[0].val)
                continue
            given = {
                name: [values[each.name] for each in one] if isinstance(one, list | tuple) else values[one.name]
                for name, one in op.inputs.items()
                if one is not None
            }
            if op.op_type in FORMULAE:
                made = FORMULAE[op.op_type](**given)
            else:
                made = getattr(Builder, op.op_type)(**given).val
                assert made is not None, f"coremltools has no meaning of {op.op_type}"
            kind = op.outputs[0].dtype.__name__
            values[op.outputs[0].name] = np.asarray(made, dtype={"fp32": np.float32, "bool": bool}.get(kind, np.int32))
            assert values[op.outputs[0].name].shape == tuple(op.outputs[0].shape), op
    return np.asarray(values[function.outputs[0].name])


def written(place: Path, program: Program, quantize: str = "none") -> Path:
    coreml.written(program, place, {"mlspec": "{}"}, "input", "output", quantize)
    return place


def _plain(value: Any) -> Any:
    return bool(value) if isinstance(value, np.bool) else value


NOT_THERE = {"add": 1, "mean": 1, "min": 1, "pad": 2, "sum": 1}
"""Operations on truth values, or whole numbers, that Core ML lacks, and no model needs."""


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - {"trees"}))
def test_an_operation_is_what_it_means(operation: str, tmp_path: Path) -> None:
    refused = 0
    for place, program in enumerate(CASES[operation][-5:]):
        rows = np.random.default_rng(program.width).normal(size=(2, program.width)).astype(np.float32)
        if program.width == 6:
            rows = np.where(SIX == 0, 0, SIX).astype(np.float32)  # which infinity the root of -0 divides to is nobody's concern
        try:
            written(tmp_path / str(place), program)
        except ValueError:
            refused += 1
            continue
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(computed(tmp_path / str(place), rows), run(program, rows), rtol=1e-5, atol=1e-6)
    assert refused == NOT_THERE.get(operation, 0)


def network() -> Program:
    random = np.random.default_rng(3)
    program = Program(36)
    x = program.reshape(program.input, 6, 6, 1)
    x = program.conv2d(x, random.normal(size=(4, 3, 3, 1)), 0.1, activation="relu")
    x = program.pool("max_pool", program.conv2d(x, random.normal(size=(4, 3, 3, 4)), 0.1, (1, 1), "same", "relu6"), (2, 2))
    program.output = program.add("softmax", program.dense(program.reshape(x, 36), random.normal(size=(5, 36)) / 9))
    return program


SHORTER = [("none", 1e-6, {"float32": 373}), ("float16", 2e-3, {"float16": 360}), ("weights", 0.05, {"int8": 373})]


@pytest.mark.parametrize(("quantize", "most", "numbers"), SHORTER)
def test_a_network_in_fewer_bits(quantize: str, most: float, numbers: dict[str, int], tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(6, 36)).astype(np.float32)
    form = load({"kind": "coreml", "quantize": quantize})
    form.write(network(), tmp_path, '{"name": "<b>"}', rows)
    place = tmp_path / "model.mlpackage"
    assert np.abs(computed(place, rows) - run(network(), rows)).max() < most
    assert numbers.items() <= form.shortened(tmp_path).items()
    operators = form.operators(tmp_path)
    assert {"conv", "linear", "max_pool", "softmax"} <= set(operators)
    kinds = [one.type for one in coreml.operations(place)]
    assert kinds.count("transpose") == 2  # to the first convolution, and after the last
    import coremltools as ct

    spec = ct.utils.load_spec(str(place))
    assert [(one.name, list(one.type.multiArrayType.shape)) for one in spec.description.input] == [("input", [1, 36])]
    assert [(one.name, list(one.type.multiArrayType.shape)) for one in spec.description.output] == [("output", [1, 5])]
    assert spec.description.metadata.userDefined["mlspec"] == '{"name": "<b>"}'
    assert sorted(bundle.named(tmp_path)) == [
        f"model.mlpackage/{name}"
        for name in (
            "Data/com.apple.CoreML/model.mlmodel",
            "Data/com.apple.CoreML/weights/weight.bin",
            "Manifest.json",
        )
    ]


WRITE = """
import sys
from pathlib import Path
from mlspec.exports._export import load
from mlspec.runtime.edge import bundle
from mlspec.tensor.coreml import operations
from mlspec.tensor.program import Program
program = Program(8)
x = program.reshape(program.input, 2, 2, 2)
x = program.reshape(program.conv2d(x, [[[[1.0, 2.0], [3.0, 4.0]]]] * 3), 12)
program.output = program.add("softmax", program.dense(x, [[0.1] * 12, [0.3] * 12]))
for quantize in ("none", "weights"):
    place = Path(sys.argv[1], quantize)
    place.mkdir(parents=True)
    load({"kind": "coreml", "quantize": quantize}).write(program, place, "{}", None)
    assert operations(place / "model.mlpackage")
    print(bundle.files_digest(place))
"""


def test_the_same_program_is_the_same_bytes(tmp_path: Path) -> None:
    """In another process, whose hashes differ; and nothing is said of what coremltools lacks here."""
    found = []
    for seed in ("1", "2"):
        words = [sys.executable, "-c", WRITE, str(tmp_path / seed)]
        ended = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        assert ended.stderr == ""
        found.append(ended.stdout)
    assert found[0] == found[1]


def test_trees_have_nothing_to_shorten(tmp_path: Path) -> None:
    program = Program(2)
    program.output = program.add("exp", program.input)
    with pytest.raises(Problem, match="finds nothing to shorten"):
        load({"kind": "coreml", "quantize": "weights"}).write(program, tmp_path, "{}", np.zeros((1, 2)))


@pytest.mark.skipif(sys.platform == "darwin", reason="there it is run")
def test_what_cannot_be_run_is_unproven(tmp_path: Path) -> None:
    """The export of a run: sizes, operators and numbers are real; what needs a run says that it had none."""
    from tests.runtime.test_export import LIMITS, NETWORK, exported
    from tests.runtime.training_data import packaged, params

    packaged(tmp_path, {**params(), **NETWORK})
    limits = {"max_size": 10**6, "max_drop": 0.01, "max_latency_p95": 0.001, "memory": 10**9}
    found, place = exported(tmp_path, tmp_path / "made", {"kind": "coreml", "quantize": "weights"}, **limits)
    timing = json.loads((tmp_path / "made" / "timing").read_text())
    assert {one["name"]: one["verdict"] for one in found["requirements"]} == {
        "rows without a finite answer": "unproven",
        "label agreement with the model": "unproven",
        "shortened weights": "pass",
        "size in bytes": "pass",
        "drop of accuracy": "unproven",
    }
    assert all("Apple" in one["reason"] for one in found["requirements"] if one["verdict"] == "unproven")
    assert {name for name, one in found["parity"].items() if one is not None} == {"rows"}
    assert found["metrics"]["accuracy"]["source"]["value"] > 0.5
    assert found["metrics"]["accuracy"]["exported"]["value"] is None
    assert found["numbers"]["int8"] > 100
    ended = subprocess.run([sys.executable, place / "runner.py", "--check"], capture_output=True, text=True, check=False)
    assert ended.stdout == "all files are those that were shipped\n"
    ended = subprocess.run([sys.executable, place / "bench.py"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "Core ML runs on Apple's systems only\n")
    samples = json.loads((place / "samples.json").read_text())
    assert np.shape(samples["scores"]) == (16, 2)

    for name, source in (
        ("one", place),
        ("one_proof", tmp_path / "made" / "proof"),
        ("one_timing", tmp_path / "made" / "timing"),
    ):
        (tmp_path / name).symlink_to(source)
    export = {
        "name": "one",
        "route": ["exports", 0],
        "export": {"kind": "coreml", "device": None},
        "limits": {**LIMITS, **limits},
    }
    outputs = {name: tmp_path / f"shipped_{name}" for name in ("bundle", "decision", "page")}
    told = {"exports": [export], "about": {"name": "x"}, "registered": "x"}
    runtime.run(
        "ship", inputs={name: tmp_path / name for name in ("one", "one_proof", "one_timing")}, outputs=outputs, params=told
    )
    decision = json.loads(outputs["decision"].read_text())
    assert (decision["verdict"], decision["summary"]) == ("pass", {"passed": 2, "failed": 0, "unproven": 5})
    assert "it was written and not run" in outputs["page"].read_text()
    assert timing == {"unproven": found["unproven"]}


def test_a_project_needs_the_library_only_where_it_is_asked_for() -> None:
    spec: dict[str, Any] = {
        "mlspec": 1,
        "project": {"name": "x"},
        "task": {"kind": "classification", "target": "target"},
        "data": {"sources": {"images": {"kind": "sklearn", "dataset": "digits"}}},
        "model": {"kind": "sklearn.mlp"},
    }
    for kinds, parts in ((["onnx"], ("edge",)), (["coreml", "onnx"], ("edge", "coreml"))):
        project, found = validate({**spec, "exports": [{"kind": kind} for kind in kinds]})
        assert project is not None, found
        assert ops.extras(lower(project, {})) == parts
        assert ("coremltools==" in lock("prefect", *parts)) == ("coreml" in kinds)
