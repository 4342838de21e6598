"""Slack."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.alerts._alert import Alert
from mlspec.secret import Secret


class Slack(Alert):
    """A message in a Slack channel."""

    kind: Literal["slack"] = "slack"
    url: Secret = Field(description="The incoming webhook, as a reference to a secret.")
    channel: str | None = Field(None, description="The channel, where it is not the webhook's own.")


MEMBER = Slack
