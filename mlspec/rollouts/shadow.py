"""Shadow mode."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.quantity import Duration, Percent
from mlspec.rollouts._rollout import Rollout


class Shadow(Rollout):
    """The new model sees the traffic beside the present system, and nobody sees its answers."""

    kind: Literal["shadow"] = "shadow"
    duration: Duration = Field(description="How long the shadow runs: without an end it is a cost for ever.")
    compare_with: Literal["current", "human"] = Field("current", description="Whose answers it is compared with.")
    traffic: Percent = Field(Percent(1.0), description="The share of requests that is mirrored.")
    exit: str | None = Field(None, description="What must hold at the end, such as `agreement >= 95 %`.")


MEMBER = Shadow
