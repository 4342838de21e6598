"""`deployment`: where and how the model answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mlspec.fields import Guide, fault
from mlspec.kinds import Kind, OneOf, Section
from mlspec.quantity import Duration
from mlspec.spec.text import Count, Flag, Text, Whole

if TYPE_CHECKING:
    Rollout = Kind
else:
    Rollout = Annotated[Any, OneOf("mlspec.rollouts")]


class Scale(Section):
    """How many replicas there are."""

    min: Whole = Field(2, description="The fewest.")
    max: Count = Field(2, description="The most.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise fault("contradiction", f"`min` ({self.min}) is above `max` ({self.max})", "raise `max`")
        return self


class Batching(Section):
    """Requests that are answered together."""

    max_size: Count = Field(32, description="The most requests in a batch.")
    wait: Duration = Field(Duration(0.005), description="How long a request waits for others.")


class AnswerCache(Section):
    """Answers that are kept for equal requests."""

    ttl: Duration = Field(Duration(60), description="How long.")


class Security(Section):
    """What protects the service."""

    authentication: Literal["none", "token", "mutual_tls"] = Field("token", description="Who may ask.")
    network: Literal["open", "restricted"] = Field("restricted", description="Who may connect.")
    scan: Flag = Field(True, description="Whether dependencies and images are scanned.")


class Deployment(Section):
    """Where and how the model answers."""

    environment: Literal["cloud", "on_premises", "edge", "hybrid"] = Field("cloud", description="The guide's environment.")
    platform: Text | None = Field(None, description="The provider, such as `aws`, `gcp`, `azure`.")
    region: Text | None = Field(None, description="Where it may run.")
    target: Literal["local", "compose", "kubernetes", "kserve"] = Field("compose", description="What carries it.")
    serve: Annotated[Literal["online", "batch", "stream"], Guide("Deployment Decision Tree: real-time predictions needed?")] = (
        Field("online", description="Whether requests are answered one by one, in batches, or as a stream.")
    )
    pattern: Rollout | None = Field(None, description="How a new model takes over.")
    scale: Scale | None = Field(None, description="How many replicas there are.")
    batching: Batching | None = Field(None, description="Requests that are answered together.")
    cache: AnswerCache | None = Field(None, description="Answers that are kept.")
    asynchronous: Flag = Field(False, description="Whether a request gets a ticket and the answer comes later.")
    security: Security | None = Field(None, description="What protects the service.")
