"""OpenVINO."""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from io import StringIO
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from mlspec.diagnostic import Finding, Problem
from mlspec.exports._answers import AGREEING, EQUAL, classes_of
from mlspec.exports._export import INPUT, METADATA, OUTPUT, Export, equalised, nothing_to_quantize
from mlspec.fields import fault

if TYPE_CHECKING:
    import numpy as np

    from mlspec.tensor.program import Program

FILE = "model.xml"

TELLING = 1e-4
"""How much probabilities count beside labels where layers are ranked: less than a row of any number that is judged."""


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

    accuracy_control: bool = Field(
        False,
        description="Whether layers go back to float32, the most harmful ones first, until `max_drop` is kept on every second "
        "calibration row; the others find the ranges of `int8`.",
    )

    @field_validator("accuracy_control", mode="after")
    @classmethod
    def _controls_something(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("quantize", "int8") not in ("int8", "int8_aware"):
            raise fault("contradiction", "`accuracy_control` is of `quantize: int8`", "write `quantize: int8`, or leave it out")
        if value and info.data.get("max_drop", "") is None:
            raise fault("contradiction", "`accuracy_control` needs a `max_drop` to keep", "such as `max_drop: 1 %`")
        return value

    @classmethod
    def variants(cls, program: Program) -> Iterator[dict[str, Any]]:
        for one in super().variants(program):
            yield one
            if one["quantize"] == "int8":
                yield {**one, "preset": "performance"}
                yield {**one, "accuracy_control": True}

    def write(self, program: Program, place: Path, about: str, calibration: np.ndarray[Any, Any]) -> None:
        import openvino

        from mlspec.tensor import integers, onnx
        from mlspec.tensor.trees import walked

        if self.preset != "mixed" and self.way != "int8":
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
                model = self._shortened(float_file, simple, calibration, json.loads(about))
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

    def remarks(self, place: Path) -> dict[str, Any]:
        if not self.accuracy_control:
            return {}
        import openvino

        layers = [node for node in openvino.Core().read_model(place / FILE).get_ops() if node.get_type_name() in LAYERS]
        return {"accuracy_control": {"layers": len(layers), "in_float": sum(not _is_whole(node) for node in layers)}}

    def _shortened(self, path: Path, program: Program, calibration: np.ndarray[Any, Any], about: Mapping[str, Any]) -> Any:
        """Shorten the numbers of layers but the exact ones; ranges are the least and largest number seen (the default clips)."""
        import openvino

        model = openvino.Core().read_model(path)
        if self.quantize in ("none", "float16"):
            return model
        import nncf
        from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        nncf.set_log_level(logging.ERROR)
        exact = _exact(program, model)
        if self.quantize == "weights":
            mode = nncf.CompressWeightsMode.INT8_SYM
            return nncf.compress_weights(model, mode=mode, ignored_scope=nncf.IgnoredScope(names=exact))
        others = sorted({node.get_type_name() for node in model.get_ops()} - {*LAYERS, "Constant", "Parameter", "Result"})
        advanced = AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
            # it takes an image to be alike everywhere, and moves biases by what padding does at the edges of one that is not
            # (measured: 1 % of the labels of digits changed, and 81 % of those of spoken digits; without it, none and 1 %)
            disable_bias_correction=True,
        )
        ranging = calibration[::2] if self.accuracy_control else calibration
        how = {
            "subset_size": len(ranging),
            "preset": nncf.QuantizationPreset(self.preset),
            "ignored_scope": nncf.IgnoredScope(names=exact, types=others, validate=False),
        }
        rows = nncf.Dataset(_singly(ranging))
        if not self.accuracy_control:
            return nncf.quantize(model, rows, **how, advanced_parameters=advanced)
        judge = _Judge(path, calibration[1::2], about)
        assert self.max_drop is not None
        return nncf.quantize_with_accuracy_control(
            model,
            rows,
            nncf.Dataset(judge.items, lambda item: item[0]),
            judge,
            max_drop=judge.most(float(self.max_drop)),
            **how,
            advanced_quantization_parameters=advanced,
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(num_ranking_workers=1),
        )


def _singly(rows: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    return [rows[at : at + 1] for at in range(len(rows))]


def _is_whole(node: Any) -> bool:
    """Whether a layer computes in whole numbers: then what it takes is brought to steps."""
    return bool(node.input_value(0).get_node().get_type_name() == "FakeQuantize")


class _Judge:
    """Says how near a model is to the float one on rows that found no ranges: no label of the data is needed for it.

    Of classes that is the share of rows with the same label, less next to nothing for how far probabilities are apart: that says
    which layer harms most where no label tells. Of numbers it is how far they are apart on average, as a share of their spread,
    taken from 1.
    """

    def __init__(self, path: Path, rows: np.ndarray[Any, Any], about: Mapping[str, Any]) -> None:
        import openvino
        from openvino.properties.hint import inference_precision

        if not len(rows):
            message = "`accuracy_control` judges by every second calibration row, and there is one"
            raise Problem(Finding("cannot-quantize", message, ("calibration_rows",), help="100 to 1,000 rows do"))
        self.about = about
        plain = openvino.Core().compile_model(path, "CPU", {inference_precision: openvino.Type.f32})
        self.wanted = _scores(plain, _singly(rows))
        self.items = list(zip(_singly(rows), self.wanted, strict=True))
        """Rows, each with what the float model answers."""

    def most(self, max_drop: float) -> float:
        """Return how much less than 1 is enough."""
        # whatever `max_drop` is, the proof allows no more labels to change
        return min(max_drop, round(1 - AGREEING, 6)) + TELLING if self.about["classes"] else max_drop

    def __call__(self, model: Any, items: Iterable[tuple[Any, Any]]) -> tuple[float, list[float]]:
        """Judge some of the items, as NNCF asks for it: as a whole, and each."""
        import numpy as np

        chosen = list(items)
        found = _scores(model, [row for row, _ in chosen])
        each = self._near(np.stack([wanted for _, wanted in chosen]), found)
        return float(each.mean()), each.tolist()

    def _near(self, wanted: np.ndarray[Any, Any], found: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        import numpy as np

        apart: np.ndarray[Any, Any] = np.abs(found - wanted).mean(axis=1)
        if not self.about["classes"]:
            return 1.0 - apart / (self.wanted.std() or 1.0)
        labels = classes_of(found, self.about)
        same = labels == classes_of(wanted, self.about)
        if self.about["threshold"] is None:
            same |= wanted[np.arange(len(labels)), labels] >= wanted.max(axis=1) - EQUAL
        near: np.ndarray[Any, Any] = same - TELLING * apart
        return near


def _scores(model: Any, rows: Iterable[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    import numpy as np

    request = model.create_infer_request()
    found: np.ndarray[Any, Any] = np.concatenate([np.array(request.infer({0: row})[model.outputs[0]]) for row in rows])
    return found


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


MEMBER = Openvino
