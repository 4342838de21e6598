"""OpenVINO."""

from __future__ import annotations

from typing import Literal

from mlspec.exports._export import Export


class Openvino(Export):
    """An OpenVINO model, for Intel processors."""

    kind: Literal["openvino"] = "openvino"


MEMBER = Openvino
