"""What every export may demand of itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.kinds import Kind
from mlspec.quantity import Bytes, Duration, Percent


class Export(Kind):
    """A model in another format, with the limits that gate it."""

    realised = False
    today = "no file in this format is written"

    device: str | None = Field(None, description="The device it is meant for, such as `raspberry_pi_4`.", min_length=1)
    quantize: Literal["none", "dynamic", "float16", "int8", "int8_aware"] = Field(
        "none", description="How numbers are shortened; `int8` uses training rows to find ranges, `int8_aware` trains with them."
    )
    calibration_rows: int = Field(500, description="Training rows that find the ranges of `int8`.", gt=0)
    max_size: Bytes | None = Field(None, description="The largest file that passes.")
    max_latency_p95: Duration | None = Field(None, description="The longest time that 95 % of single predictions may take.")
    max_drop: Percent | None = Field(None, description="How much of the primary metric may be lost against the source model.")
