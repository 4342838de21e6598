"""Core ML."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mlspec.diagnostic import Finding, Problem
from mlspec.exports._export import INPUT, METADATA, OUTPUT, Export, nothing_to_quantize

if TYPE_CHECKING:
    import numpy as np

    from mlspec.tensor.program import Program

FOLDER = "model.mlpackage"
TYPES = {"FLOAT32": "float32", "FLOAT16": "float16", "INT8": "int8", "UINT8": "uint8", "INT32": "int32", "BOOL": "bool"}


class Coreml(Export):
    """A Core ML model, for Apple's devices. It is written anywhere and runs on theirs only: elsewhere what it answers, and how
    fast, stays unproven.
    """

    realised: ClassVar[bool] = True
    anywhere: ClassVar[bool] = False
    quantizes: ClassVar = ("float16", "weights")
    runtime: ClassVar[str] = "coremltools"
    kind: Literal["coreml"] = "coreml"

    @classmethod
    def elsewhere(cls) -> str:
        here = platform.system()
        return "" if here == "Darwin" else f"Core ML runs on Apple's systems only, and this is {here}"

    def write(self, program: Program, place: Path, about: str, calibration: np.ndarray[Any, Any]) -> None:
        from mlspec.tensor import coreml, integers

        if self.quantize != "none" and not integers.layers(program):
            raise nothing_to_quantize(self.quantize)
        try:
            coreml.written(program, place / FOLDER, {METADATA: about}, INPUT, OUTPUT, self.quantize)
        except (ValueError, NotImplementedError) as error:  # how coremltools says that it has no such operation
            message = f"Core ML does not have an operation of the model: {str(error).splitlines()[0]}"
            raise Problem(Finding("cannot-export", message, ("kind",), help="another format, such as `tflite`")) from None

    def shortened(self, place: Path) -> Mapping[str, int]:
        from mlspec.tensor import coreml

        found = Counter[str]()
        for name, shape in coreml.stored(place / FOLDER):
            if name in TYPES:
                found[TYPES[name]] += prod(shape)
        return dict(found)

    def operators(self, place: Path) -> list[str]:
        from mlspec.tensor import coreml

        return sorted({one.type for one in coreml.operations(place / FOLDER)} - {"const"})


MEMBER = Coreml
