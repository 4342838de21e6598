"""C source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mlspec.exports._export import Export

if TYPE_CHECKING:
    import numpy as np

    from mlspec.tensor.program import Program


class C(Export):
    """C code without a runtime, for microcontrollers: trees as whole numbers that lose nothing, everything else in float."""

    realised: ClassVar[bool] = True
    kind: Literal["c"] = "c"

    def write(self, program: Program, place: Path, about: str, calibration: np.ndarray[Any, Any]) -> None:
        from mlspec.tensor import c

        told = json.loads(about)
        shown = {key: str(told[key]) for key in ("name", "version", "spec_hash")}
        if told["computed"]:
            before = [f"{one['kind']} of {', '.join(one['takes'])}" for one in told["computed"]]
            shown["computed before this, by the device"] = f"{'; '.join(before)} (metadata.json says how, runner.py does it)"
        for name, text in c.written(program, "model", shown, len(told["classes"])).items():
            (place / name).write_text(text, encoding="utf-8")

    def shortened(self, place: Path) -> Mapping[str, int]:
        return {}

    def operators(self, place: Path) -> list[str]:
        return []


MEMBER = C
