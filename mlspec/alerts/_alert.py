"""What every alert channel may say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.kinds import Kind

Severity = Literal["info", "warning", "critical"]


class Alert(Kind):
    """A channel that alerts go to."""

    severity: Severity = Field("warning", description="The mildest alert that goes here.")
