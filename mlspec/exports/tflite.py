"""TensorFlow Lite (LiteRT)."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mlspec import device as devices
from mlspec.diagnostic import Finding, Problem
from mlspec.exports._export import INPUT, METADATA, OUTPUT, Export, equalised, nothing_to_quantize

if TYPE_CHECKING:
    import numpy as np

    from mlspec.tensor.program import Node, Program

FILE = "model.tflite"
WITH_RANGES = ("int8", "int16x8")
"""Ways of `quantize` that compute in whole numbers, for which ranges must be known."""

WITH_GRANULARITY = (*WITH_RANGES, "dynamic", "weights")
"""Ways of `quantize` that store weights as steps of a scale."""

NOT_IN_16_BITS = ("hard_swish",)

MICRO = "microcontroller"
"""The sort of device on which TensorFlow Lite Micro runs the format."""


class Tflite(Export):
    """A TensorFlow Lite model, for phones and small boards."""

    realised: ClassVar[bool] = True
    quantizes: ClassVar = ("dynamic", "float16", "int8", "int16x8", "weights")
    runtime: ClassVar[str] = "ai-edge-litert"
    kind: Literal["tflite"] = "tflite"
    io: Literal["float", "integer"] = Field(
        "float",
        description="What the model takes and gives: float32, or the whole numbers of `int8` and `int16x8`, for devices that "
        "have no others. `runner.py` converts either way.",
    )

    granularity: Literal["auto", "per_tensor", "per_channel"] = Field(
        "auto",
        description="Whether all weights of a layer share a scale, or those of each of its outputs have one. `auto` is the "
        "second, but for dense layers of `int8` and `int16x8` whose outputs are about equally large.",
    )
    layers: Literal["all", "dense", "convolution"] = Field(
        "all", description="Which layers are shortened; the others, and what lies beside them, stay in float32."
    )

    @classmethod
    def variants(cls, program: Program) -> Iterator[dict[str, Any]]:
        from mlspec.tensor import integers

        here = {node.operation for node in integers.layers(program)}
        for one in super().variants(program):
            yield one
            if one["quantize"] in WITH_GRANULARITY:
                others = ("per_tensor", "per_channel") if one["quantize"] in WITH_RANGES else ("per_tensor",)
                yield from ({**one, "granularity": granularity} for granularity in others)
            if one["quantize"] in WITH_RANGES and here.intersection(integers.DENSE) and here - {*integers.DENSE}:
                yield {**one, "layers": "dense"}
            if one["quantize"] in WITH_RANGES and here.intersection(integers.CONVOLUTIONS) and here - {*integers.CONVOLUTIONS}:
                yield {**one, "layers": "convolution"}

    @property
    def on_micro(self) -> bool:
        """Whether the device runs TensorFlow Lite Micro, which has fewer operators than LiteRT."""
        if self.device is None:
            return False
        profile, sort = devices.find(self.device), devices.sort_of(self.device)
        return (profile.sort if profile else sort.name if sort else None) == MICRO

    def write(self, program: Program, place: Path, about: str, calibration: np.ndarray[Any, Any]) -> None:
        from mlspec.tensor import micro, tflite
        from mlspec.tensor.trees import walked

        if self.io == "integer" and self.way not in WITH_RANGES:
            message = (
                f"`io: integer` needs the ranges that `quantize: int8` finds; with `quantize: {self.quantize}` there are none"
            )
            raise Problem(Finding("cannot-quantize", message, ("io",), help="`quantize: int8`, or `io: float`"))
        self._refuse_odd()
        simple = micro.within(walked(program)) if self.on_micro else walked(program)
        simple = equalised(simple, self.quantize, calibration)
        data = tflite.written(simple, "main", {METADATA: about}, INPUT, OUTPUT)
        if self.quantize != "none":
            data = quantized(
                simple,
                data,
                self.way,
                calibration,
                ends=self.io == "integer",
                granularity=self._granularity(),
                sort=self.layers,
            )
        (place / FILE).write_bytes(data)

    def _granularity(self) -> str:
        """TensorFlow Lite Micro makes floats of stored weights by one scale, the first: where there are more, it errs."""
        return "per_tensor" if self.on_micro and (self.quantize, self.granularity) == ("weights", "auto") else self.granularity

    def _refuse_odd(self) -> None:
        """Raise Problem for a way to shorten numbers that means nothing beside the others."""
        if self.granularity != "auto" and self.way not in WITH_GRANULARITY:
            message = f"`granularity: {self.granularity}` is of scales, and `quantize: {self.quantize}` has none"
            raise Problem(Finding("cannot-quantize", message, ("granularity",), help="`quantize: int8`, or leave it out"))
        if self.layers != "all" and (self.quantize == "none" or self.io == "integer"):
            why = "nothing is shortened" if self.quantize == "none" else "`io: integer` wants whole numbers from end to end"
            raise Problem(Finding("cannot-quantize", f"`layers: {self.layers}` has no meaning where {why}", ("layers",)))

    def shortened(self, place: Path) -> Mapping[str, int]:
        from mlspec.tensor import tflite

        model, found = tflite.unpacked((place / FILE).read_bytes()), Counter[str]()
        for tensor in model.subgraphs[0].tensors:
            stored = model.buffers[tensor.buffer].data
            if tensor.buffer and stored is not None and len(stored):
                found[tflite.NUMBERS.get(tensor.type, "other")] += prod(int(size) for size in tensor.shape)
        return dict(found)

    def operators(self, place: Path) -> list[str]:
        from mlspec.tensor import tflite

        return tflite.operators_of((place / FILE).read_bytes())


def quantized(
    program: Program,
    data: bytes,
    quantize: str,
    calibration: np.ndarray[Any, Any],
    *,
    ends: bool = False,
    granularity: str = "auto",
    sort: str = "all",
) -> bytes:
    """Shorten the numbers of a program's layers, and of what lies between layers only: see `mlspec.tensor.integers.between`.

    Ranges are the least and the largest number seen. (The quantizer's own default, a moving average, clips: measured, a network
    lost 5.6 points of accuracy to it.)
    """
    from ai_edge_quantizer import calibrator, quantizer
    from ai_edge_quantizer.utils import qsv_utils

    from mlspec.tensor.tflite import SIGNATURE, compact

    recipe = _recipe(program, quantize, ends, granularity, sort)
    # it prints what it does, and a command's output may be JSON
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = quantizer.Quantizer(data)
        made.load_quantization_recipe(recipe.get_quantization_recipe())
        ranges = None
        if quantize in WITH_RANGES:
            seen = calibrator.Calibrator(data, num_threads=1, qsv_update_func=qsv_utils.min_max_update)
            rows = [{INPUT: calibration[row : row + 1]} for row in range(len(calibration))]
            seen.calibrate({SIGNATURE: rows}, made._recipe_manager)
            ranges = seen.get_model_qsvs()
        return compact(bytes(made.quantize(ranges).quantized_model))


def _recipe(program: Program, quantize: str, ends: bool, granularity: str, sort: str) -> Any:
    """Name to the quantizer each operation that it is to shorten; it knows them by what they give."""
    from ai_edge_quantizer import recipe_manager
    from ai_edge_quantizer.qtyping import TFLOperationName

    from mlspec.tensor import integers
    from mlspec.tensor.tflite import BUILTINS, joined, named

    recipe = recipe_manager.RecipeManager()
    wanted = {"all": integers.LAYERS, "dense": integers.DENSE, "convolution": integers.CONVOLUTIONS}[sort]
    nodes = [node for node in integers.layers(program) if node.operation in wanted]
    chosen = {node.gives.index for node in nodes if quantize in WITH_RANGES or _is_stored(program, node, quantize)}
    if not chosen:
        raise nothing_to_quantize(quantize)
    if quantize in WITH_RANGES:
        chosen |= integers.between(program, ends=ends, chosen=chosen)
    for node in joined(program):
        if node.gives.index in chosen and not (quantize == "int16x8" and node.operation in NOT_IN_16_BITS):
            only = f"^{named(program, node.gives, OUTPUT)};?$"
            _shorten(
                recipe,
                only,
                TFLOperationName(BUILTINS[node.operation][0]),
                quantize,
                _granularity(program, node, quantize, granularity),
            )
    for end in ("INPUT", "OUTPUT") if ends else ():
        _shorten(recipe, ".*", TFLOperationName(end), quantize, "CHANNELWISE")
    return recipe


def _is_stored(program: Program, node: Node, quantize: str) -> bool:
    """Whether a layer's weights lie in the file: only those can be shortened where what is computed is not."""
    return node.takes[1].index in program.constants and not (quantize == "float16" and node.operation == "matmul")


def _shorten(recipe: Any, only: str, operation: Any, quantize: str, granularity: str) -> None:
    from ai_edge_quantizer.qtyping import QuantGranularity

    scales = QuantGranularity[granularity]
    if quantize == "dynamic":
        recipe.add_dynamic_config(regex=only, operation_name=operation, num_bits=8, granularity=scales)
    elif quantize == "weights":
        recipe.add_weight_only_config(regex=only, operation_name=operation, num_bits=8, granularity=scales)
    elif quantize == "float16":
        recipe.add_quantization_config(regex=only, operation_name=operation, **_float16())
    else:
        recipe.add_static_config(
            regex=only,
            operation_name=operation,
            activation_num_bits=16 if quantize == "int16x8" else 8,
            weight_num_bits=8,
            weight_granularity=scales,
        )


def _granularity(program: Program, node: Node, quantize: str, asked: str) -> str:
    """Whether the outputs of a layer each have a scale of their own.

    For convolutions they have. For a dense layer 24 bytes an output are much beside its weights, and kernels older than 2024 know
    of one scale only: it gets more where one would leave its smaller outputs, the lower half of them, less than a quarter of it.
    """
    import numpy as np

    if asked != "auto":
        return "TENSORWISE" if asked == "per_tensor" else "CHANNELWISE"
    if node.operation not in ("dense", "dense_each") or quantize not in WITH_RANGES:
        return "CHANNELWISE"
    sizes = np.abs(program.constants[node.takes[1].index]).max(axis=1)
    return "TENSORWISE" if np.median(sizes) * 4 >= sizes.max() else "CHANNELWISE"


def _float16() -> dict[str, Any]:
    from ai_edge_quantizer import algorithm_manager, qtyping

    weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=weights, compute_precision=qtyping.ComputePrecision.FLOAT, explicit_dequantize=True
    )
    return {"op_config": config, "algorithm_key": algorithm_manager.AlgorithmName.FLOAT_CASTING}


MEMBER = Tflite
