"""OpenVINO."""

from __future__ import annotations

import logging
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding, Problem
from mlspec.exports._export import INPUT, METADATA, OUTPUT, Export, equalised, nothing_to_quantize

if TYPE_CHECKING:
    import numpy as np

    from mlspec.tensor.program import Program

FILE = "model.xml"


class Openvino(Export):
    """An OpenVINO model, for Intel processors."""

    realised: ClassVar[bool] = True
    quantizes: ClassVar = ("float16", "int8", "weights")
    runtime: ClassVar[str] = "openvino"
    kind: Literal["openvino"] = "openvino"
    preset: Literal["mixed", "performance"] = Field(
        "mixed",
        description="How `int8` cuts the range of what layers take: around its own middle, which loses less, or around 0.",
    )

    @classmethod
    def variants(cls, program: Program) -> Iterator[dict[str, Any]]:
        for one in super().variants(program):
            yield one
            if one["quantize"] == "int8":
                yield {**one, "preset": "performance"}

    def write(self, program: Program, place: Path, about: str, calibration: np.ndarray[Any, Any]) -> None:
        import openvino

        from mlspec.tensor import integers, onnx
        from mlspec.tensor.trees import walked

        if self.preset != "mixed" and self.quantize != "int8":
            message = f"`preset: {self.preset}` is of `quantize: int8`, and this is `quantize: {self.quantize}`"
            raise Problem(Finding("cannot-quantize", message, ("preset",), help="`quantize: int8`, or leave it out"))
        if self.quantize != "none" and not integers.layers(program):
            raise nothing_to_quantize(self.quantize)
        simple = equalised(walked(program), self.quantize, calibration)
        model = openvino.Core().read_model(onnx.written(simple, "model", {}, INPUT, OUTPUT))
        _fold(model)
        with tempfile.TemporaryDirectory() as name:
            # what is quantized is what is on disk: a model in memory can behave otherwise than the same one read again
            float_file = Path(name, FILE)
            openvino.save_model(model, float_file, compress_to_fp16=False)
            # it shows how far it is, and a command's output may be JSON
            with redirect_stdout(StringIO()):
                read = openvino.Core().read_model(float_file)
                model = _shortened(read, self.quantize, calibration, self.preset, _exact(simple, read))
            model.set_rt_info(about, [METADATA])
            _name(model)
            openvino.save_model(model, place / FILE, compress_to_fp16=self.quantize == "float16")

    def shortened(self, place: Path) -> Mapping[str, int]:
        import openvino

        found = Counter[str]()
        for node in openvino.Core().read_model(place / FILE).get_ops():
            if node.get_type_name() == "Constant":
                kind = node.get_element_type().get_type_name()
                found[TYPES.get(kind, kind)] += prod(node.output(0).get_shape())
        return dict(found)

    def operators(self, place: Path) -> list[str]:
        import openvino

        kinds = {node.get_type_name() for node in openvino.Core().read_model(place / FILE).get_ops()}
        return sorted(kinds - {"Constant", "Parameter", "Result"})


def _fold(model: Any) -> None:
    """Compute what is constant: weights that are still to be reshaped when the model runs could not be stored in 8 bits."""
    from openvino.passes import ConstantFolding, Manager

    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(model)


def _name(model: Any) -> None:
    """Name what the library names by how much it has made before in this process: the same model is the same bytes."""
    for place, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() not in ("Parameter", "Result"):
            node.set_friendly_name(f"{node.get_type_name()}_{place}")


TYPES = {"f32": "float32", "f16": "float16", "i8": "int8", "u8": "uint8", "i32": "int32", "i64": "int64", "boolean": "bool"}


LAYERS = ("MatMul", "Convolution", "GroupConvolution")


def _exact(program: Program, model: Any) -> list[str]:
    """The nodes of preprocessing that are like layers; each is named after its value in the program."""
    from mlspec.tensor import integers

    values = {f"v{node.gives.index}" for node in integers.exact(program)}
    named = (node.get_friendly_name() for node in model.get_ops() if node.get_type_name() in LAYERS)
    return sorted(name for name in named if re.split("[_/]", name)[0] in values)


def _shortened(model: Any, quantize: str, calibration: np.ndarray[Any, Any], preset: str, exact: Sequence[str]) -> Any:
    """Shorten the numbers of the layers but the exact ones; ranges are the least and largest number seen (the default clips)."""
    if quantize in ("none", "float16"):
        return model
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    nncf.set_log_level(logging.ERROR)
    if quantize == "weights":
        mode = nncf.CompressWeightsMode.INT8_SYM
        return nncf.compress_weights(model, mode=mode, ignored_scope=nncf.IgnoredScope(names=[*exact]))
    rows = nncf.Dataset([calibration[row : row + 1] for row in range(len(calibration))])
    others = sorted({node.get_type_name() for node in model.get_ops()} - {*LAYERS, "Constant", "Parameter", "Result"})
    return nncf.quantize(
        model,
        rows,
        subset_size=len(calibration),
        preset=nncf.QuantizationPreset(preset),
        ignored_scope=nncf.IgnoredScope(names=[*exact], types=others, validate=False),
        advanced_parameters=AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
            # it takes an image to be alike everywhere, and moves biases by what padding does at the edges of one that is not
            # (measured: 1 % of the labels of digits changed, and 81 % of those of spoken digits; without it, none and 1 %)
            disable_bias_correction=True,
        ),
    )


MEMBER = Openvino
