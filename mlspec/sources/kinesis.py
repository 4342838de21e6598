"""AWS Kinesis."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.quantity import Duration
from mlspec.secret import Secret
from mlspec.sources._source import Source


class Kinesis(Source):
    """The records of a stream over a window of time."""

    realised = False

    kind: Literal["kinesis"] = "kinesis"
    stream: str = Field(description="The stream.", min_length=1)
    region: str = Field(description="The AWS region.", min_length=1)
    window: Duration = Field(description="How far back a batch reaches, such as `1 d`: a stream has no end of its own.")
    credentials: Secret | None = Field(None, description="The credentials.")


MEMBER = Kinesis
