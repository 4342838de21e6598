"""TensorFlow Lite (LiteRT)."""

from __future__ import annotations

from typing import Literal

from mlspec.exports._export import Export


class Tflite(Export):
    """A TensorFlow Lite model, for phones and small boards."""

    kind: Literal["tflite"] = "tflite"


MEMBER = Tflite
