"""Canary."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlspec.fields import Guide, fault
from mlspec.quantity import Duration, Percent
from mlspec.rollouts._rollout import Rollout


class Canary(Rollout):
    """The new model gets a small share of the traffic, then more, as long as all is well."""

    kind: Literal["canary"] = "canary"
    steps: Annotated[tuple[Percent, ...], Guide("Canary Deployment Process: a small user subset (5-10%) first")] = Field(
        (Percent(0.05), Percent(0.25), Percent(0.5), Percent(1.0)),
        description="The shares of traffic, one after the other.",
        min_length=1,
    )
    hold: Duration = Field(Duration(600), description="How long each share is watched.")
    rollback: Literal["automatic", "manual"] = Field("automatic", description="Who goes back when a target is missed.")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.steps) != sorted(set(self.steps)):
            raise fault("bad-steps", "the shares of a canary must rise", "write for instance `[5 %, 25 %, 50 %, 100 %]`")
        return self


MEMBER = Canary
