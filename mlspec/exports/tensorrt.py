"""TensorRT."""

from __future__ import annotations

from typing import Literal

from mlspec.exports._export import Export


class Tensorrt(Export):
    """A TensorRT engine, for NVIDIA GPUs."""

    kind: Literal["tensorrt"] = "tensorrt"


MEMBER = Tensorrt
