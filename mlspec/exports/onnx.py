"""ONNX."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mlspec.exports._export import INPUT, METADATA, OUTPUT, Export, equalised, nothing_to_quantize

if TYPE_CHECKING:
    import numpy as np

    from mlspec.tensor.program import Program

FILE = "model.onnx"
GRAPH = "model"

LAYERS = ["Conv", "Gemm", "MatMul"]
BETWEEN = ["Add", "AveragePool", "Concat", "MaxPool", "Relu"]
"""What ONNX Runtime has in whole numbers, and what then is smaller and faster (measured: up to a third)."""


class Onnx(Export):
    """An ONNX model, for ONNX Runtime on any platform."""

    realised: ClassVar[bool] = True
    quantizes: ClassVar = ("dynamic", "int8")
    runtime: ClassVar[str] = "onnxruntime"
    kind: Literal["onnx"] = "onnx"

    def write(self, program: Program, place: Path, about: str, calibration: np.ndarray[Any, Any]) -> None:
        from mlspec.tensor import onnx

        program = equalised(program, self.quantize, calibration)
        data = onnx.written(program, GRAPH, {METADATA: about}, INPUT, OUTPUT)
        (place / FILE).write_bytes(data)
        if self.quantize != "none":
            from mlspec.tensor import integers

            if not integers.layers(program):
                raise nothing_to_quantize(self.quantize)
            quantized(program, place / FILE, self.way, calibration)

    def shortened(self, place: Path) -> Mapping[str, int]:
        import onnx

        found = Counter[str]()
        for one in onnx.load(place / FILE).graph.initializer:
            kind = onnx.TensorProto.DataType.Name(one.data_type).lower()
            found["float32" if kind == "float" else kind] += prod(one.dims)
        return dict(found)

    def operators(self, place: Path) -> list[str]:
        import onnx

        return sorted({node.op_type for node in onnx.load(place / FILE).graph.node})


def quantized(program: Program, path: Path, quantize: str, calibration: np.ndarray[Any, Any]) -> None:
    """Shorten the numbers of the layers of a program's model file, and of what lies between layers only, in its place."""
    import onnx
    from onnxruntime import quantization

    if quantize == "dynamic":
        quantization.quantize_dynamic(
            path,
            path,
            op_types_to_quantize=LAYERS,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=_exact(program, onnx.load(path)),
        )
    else:
        quantization.quantize_static(
            path,
            path,
            _Rows(calibration),
            op_types_to_quantize=[*LAYERS, *BETWEEN],
            nodes_to_exclude=[*_excluded(program, onnx.load(path)), *_exact(program, onnx.load(path))],
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
    # the quantizer leaves the order of what it adds to chance in places, and drops nothing of ours
    model = onnx.load(path)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _excluded(program: Program, model: Any) -> list[str]:
    """The nodes between that stay as they are."""
    from mlspec.tensor import integers

    layers = {node.gives.index for node in integers.layers(program)}
    between = integers.between(program, ends=False)

    def stays(node: Any) -> bool:
        value = _value(program, node.name)
        return value not in between and not (node.op_type == "Relu" and value in layers)

    return [node.name for node in model.graph.node if node.op_type in BETWEEN and stays(node)]


def _exact(program: Program, model: Any) -> list[str]:
    """The nodes of preprocessing that would be shortened."""
    from mlspec.tensor import integers

    values = {node.gives.index for node in integers.exact(program)}
    return [node.name for node in model.graph.node if node.op_type in LAYERS and _value(program, node.name) in values]


def _value(program: Program, name: str) -> int:
    """The place of the value that a node is named after; what follows says what the node does to it."""
    assert program.output is not None
    value = name.partition("_")[0]
    return program.output.index if value == OUTPUT else int(value.removeprefix("v"))


class _Rows:
    """Calibration rows, one at a time, as ONNX Runtime asks for them."""

    def __init__(self, rows: np.ndarray[Any, Any]) -> None:
        self.rows = iter(rows[at : at + 1] for at in range(len(rows)))

    def get_next(self) -> dict[str, Any] | None:
        row = next(self.rows, None)
        return None if row is None else {INPUT: row}


MEMBER = Onnx
