"""Blue-green."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.quantity import Duration
from mlspec.rollouts._rollout import Rollout


class BlueGreen(Rollout):
    """The new model stands complete beside the old one, and all traffic switches at once."""

    kind: Literal["blue_green"] = "blue_green"
    hold: Duration = Field(Duration(3600), description="How long the old model is kept for a quick way back.")
    smoke: str | None = Field(None, description="A command that must succeed before the switch.")
    promote: Literal["automatic", "manual"] = Field("manual", description="Who switches.")


MEMBER = BlueGreen
