"""Weights & Biases."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.kinds import Kind
from mlspec.secret import Secret


class Wandb(Kind):
    """Runs in Weights & Biases."""

    realised = False
    today = "runs are kept on this machine only"

    kind: Literal["wandb"] = "wandb"
    entity: str | None = Field(None, description="The team or user.")
    project: str | None = Field(None, description="The project there; without it the project's name.")
    api_key: Secret | None = Field(None, description="The key, as a reference to a secret.")


MEMBER = Wandb
