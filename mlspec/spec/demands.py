"""Parts of `requirements` beyond the model: the business, the service, automation, constraints."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from mlspec.fields import Guide
from mlspec.kinds import OneOf, Section
from mlspec.quantity import Duration, Percent, Rate, Target
from mlspec.spec.text import Count, Fraction, Text


class BusinessTarget(Section):
    """A target of the business that the model serves."""

    name: Text = Field(description="The number's name.")
    kind: Literal["revenue", "customer", "conversion", "efficiency", "operations"] = Field(description="The guide's category.")
    target: Target = Field(description='What it must reach, such as `">= 92 %"`.')
    measured_by: Annotated[Any, OneOf("mlspec.sources")] | None = Field(None, description="The source that gives the number.")


class Service(Section):
    """What the service that answers requests must hold."""

    latency_p50: Duration | None = Field(None, description="Half of all answers come within this time.")
    latency_p95: Annotated[Duration | None, Guide("Performance Monitoring: below 100 ms for real-time")] = Field(
        None, description="95 % of all answers come within this time."
    )
    latency_p99: Duration | None = Field(None, description="99 % of all answers come within this time.")
    throughput: Rate | None = Field(None, description="Requests that are answered, such as `200 /s`.")
    availability: Percent | None = Field(None, description="The share of time that it answers.")
    error_rate: Annotated[Percent | None, Guide("Performance Monitoring: below 0.1 %")] = Field(
        None, description="The share of requests that may fail."
    )
    mean_time_between_failures: Duration | None = Field(None, description="How long it runs between two failures.")
    concurrent_users: Count | None = Field(None, description="How many people use it at once.")


class Review(Section):
    """Where a person looks at what the model does not decide."""

    queue: Text = Field(description="Where the cases wait.")
    deadline: Duration | None = Field(None, description="How soon somebody looks.")
    reviewers: tuple[Text, ...] = Field((), description="Who looks.")


class Automation(Section):
    """How much the model decides by itself."""

    level: Literal["human_in_the_loop", "partial", "full"] = Field(description="The guide's level of automation.")
    accept_above: Fraction | None = Field(None, description="Partial: the confidence from which the model decides.")
    review: Review | None = Field(None, description="Where the other cases go.")


class Constraint(Section):
    """What must not be done, and what sees to it."""

    kind: Literal["technical", "business", "legal"] = Field(description="The guide's type of constraint.")
    statement: Text = Field(description="The constraint, in words.")
    enforced_by: Text | None = Field(None, description="The route in this spec that enforces it, such as `deployment.region`.")


class Maintainability(Section):
    """Limits on the user's own code."""

    max_complexity: Count | None = Field(None, description="The highest cyclomatic complexity of a function.")
