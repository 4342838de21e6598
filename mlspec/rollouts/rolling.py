"""Rolling update."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.quantity import Percent
from mlspec.rollouts._rollout import Rollout


class Rolling(Rollout):
    """Replicas are replaced few at a time; old and new answer side by side meanwhile."""

    kind: Literal["rolling"] = "rolling"
    max_surge: Percent = Field(Percent(0.25), description="Replicas that may be there beyond the wanted number.")
    max_unavailable: Percent = Field(Percent(0.0), description="Replicas that may be missing from the wanted number.")


MEMBER = Rolling
