"""`pipeline`: when the pipeline runs, and how it meets faults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from mlspec.fields import Later
from mlspec.kinds import Section
from mlspec.spec.text import Cron, Period, TimeZone


class StepCache(Section):
    """How long results of earlier runs count."""

    max_age: Period | None = Field(None, description="The oldest result that is used again; without it, any age.")


class Schedule(Section):
    """When the pipeline runs, and how it meets faults."""

    schedule: Cron | None = Field(
        None, description="When it starts by itself: five cron fields, or hourly, daily, weekly, monthly."
    )
    timezone: TimeZone = Field("UTC", description="The time zone of the schedule, by its IANA name.")
    retries: Annotated[StrictInt, Field(ge=0, le=10)] = Field(0, description="How often a failed step is tried again.")
    timeout: Period | None = Field(None, description="The longest time for a step.")
    cache: Annotated[StepCache | None, Later("a result counts as long as nothing that made it has changed")] = Field(
        None, description="How long results of earlier runs count."
    )
    granularity: Annotated[Literal["step", "stage"], Later("each step is a step of the orchestrator", only=("stage",))] = Field(
        "step", description="What is one step of the orchestrator."
    )
