"""Any address that takes a JSON document."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.alerts._alert import Alert
from mlspec.secret import Template


class Webhook(Alert):
    """A JSON document sent to an address."""

    kind: Literal["webhook"] = "webhook"
    url: Template = Field(description="The address; it may hold references to secrets.")


MEMBER = Webhook
