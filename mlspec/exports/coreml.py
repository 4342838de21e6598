"""Core ML."""

from __future__ import annotations

from typing import Literal

from mlspec.exports._export import Export


class Coreml(Export):
    """A Core ML model, for Apple's devices."""

    kind: Literal["coreml"] = "coreml"


MEMBER = Coreml
