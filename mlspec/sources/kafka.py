"""Apache Kafka."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.quantity import Duration
from mlspec.secret import Secret, Template
from mlspec.sources._source import Source


class Kafka(Source):
    """The messages of a topic over a window of time."""

    realised = False

    kind: Literal["kafka"] = "kafka"
    brokers: Template = Field(description="The brokers, `host:port`, separated by commas.")
    topic: str = Field(description="The topic.", min_length=1)
    window: Duration = Field(description="How far back a batch reaches, such as `1 d`: a stream has no end of its own.")
    format: Literal["json", "avro"] = Field("json", description="How the messages are written.")
    credentials: Secret | None = Field(None, description="The credentials.")


MEMBER = Kafka
