"""C source."""

from __future__ import annotations

from typing import Literal

from mlspec.exports._export import Export


class C(Export):
    """Integer C code without a runtime, for microcontrollers."""

    kind: Literal["c"] = "c"


MEMBER = C
