"""PagerDuty."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.alerts._alert import Alert
from mlspec.secret import Secret


class Pagerduty(Alert):
    """An incident in PagerDuty."""

    kind: Literal["pagerduty"] = "pagerduty"
    routing_key: Secret = Field(description="The integration key of the service, as a reference to a secret.")


MEMBER = Pagerduty
