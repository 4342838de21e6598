"""`requirements`: what the model and the service must achieve. Each number is written here once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mlspec.fields import Later
from mlspec.kinds import Section, part
from mlspec.quantity import Target
from mlspec.spec.text import Flag, Text

Level = Literal["low", "medium", "high"]

if TYPE_CHECKING:
    from mlspec.spec.demands import Automation, BusinessTarget, Constraint, Maintainability, Service
else:
    BusinessTarget, Service = part("mlspec.spec.demands:BusinessTarget"), part("mlspec.spec.demands:Service")
    Automation, Constraint = part("mlspec.spec.demands:Automation"), part("mlspec.spec.demands:Constraint")
    Maintainability = part("mlspec.spec.demands:Maintainability")


class MetricTarget(Section):
    """A target for a metric of the model on the test rows: a gate."""

    metric: Text = Field(description="The metric's name, or that of one of `evaluation.metrics`.")
    target: Target = Field(description='What it must reach, such as `">= 0.84"`.')
    primary: Flag = Field(False, description="Whether this is the metric that models are compared by.")
    supports: Text | None = Field(None, description="The business target (`requirements.business`) that it serves.")


class Scenario(Section):
    """A situation that the model must handle: it becomes a slice of the evaluation."""

    name: Text = Field(description="What it is called.")
    where: Text = Field(description="The rows it is about, such as `tenure < 3`.")


class Requirements(Section):
    """What the model and the service must achieve."""

    metrics: tuple[MetricTarget, ...] = Field((), description="Targets for the model's metrics: each is a gate.")
    business: Annotated[tuple[BusinessTarget, ...], Later()] = Field((), description="Targets of the business.")
    service: Annotated[Service | None, Later("no load test, alert or rollout uses it yet")] = Field(
        None, description="Latency, throughput, availability."
    )
    interpretability: Literal["none", "preferred", "required"] = Field(
        "none", description="Whether people must be able to follow a decision: `required` forbids `evaluation.explain: none`."
    )
    automation: Annotated[Automation | None, Later()] = Field(None, description="How much the model decides by itself.")
    criticality: Level | None = Field(None, description="How much hangs on one decision.")
    volume: Literal["low", "medium", "high", "very_high"] | None = Field(None, description="How many decisions there are.")
    error_cost: Level | None = Field(None, description="What a wrong decision costs.")
    regulation: Literal["minimal", "some", "strict"] | None = Field(None, description="How strictly it is regulated.")
    compliance: Annotated[tuple[Text, ...], Later()] = Field((), description="Rules that apply, such as `gdpr` or `hipaa`.")
    coverage: tuple[Scenario, ...] = Field((), description="Situations the model must handle: each is a slice of the evaluation.")
    constraints: Annotated[tuple[Constraint, ...], Later()] = Field((), description="What must not be done.")
    maintainability: Annotated[Maintainability | None, Later()] = Field(None, description="Limits on your own code.")
