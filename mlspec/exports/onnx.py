"""ONNX."""

from __future__ import annotations

from typing import Literal

from mlspec.exports._export import Export


class Onnx(Export):
    """An ONNX model, for ONNX Runtime on any platform."""

    kind: Literal["onnx"] = "onnx"


MEMBER = Onnx
