"""`pipeline`: when the pipeline runs, and how it meets faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StrictInt

from mlspec.fields import Many
from mlspec.kinds import Kind, OneOf, Section
from mlspec.secret import Template
from mlspec.spec.text import Count, Cron, Period, Text, TimeZone

if TYPE_CHECKING:
    Alert = Kind
else:
    Alert = Annotated[Any, OneOf("mlspec.alerts")]


class StepCache(Section):
    """How long results of earlier runs count."""

    max_age: Period | None = Field(None, description="The oldest result that is used again; without it, any age.")


class Parallelism(Section):
    """What runs steps side by side where the orchestrator does not do so by itself (Prefect)."""

    engine: Literal["threads", "processes", "dask", "ray"] = Field(
        "threads", description="Threads or processes of one machine, or the workers of a Dask or Ray cluster."
    )
    workers: Count = Field(4, description="How many steps run at the same time.")
    address: Template | None = Field(None, description="A cluster that is there; without it one is started for the run.")


class Patch(Section):
    """A change to a generated file that is made anew whenever it is written."""

    file: Text = Field(description="The generated file, relative to the project that `compile` writes.")
    patch: Text = Field(description="The unified diff, a file beside the spec.")
    backend: Text | None = Field(
        None, description="The backend whose project it is for; without it, every one that has the file."
    )


class Schedule(Section):
    """When the pipeline runs, and how it meets faults."""

    schedule: Cron | None = Field(
        None, description="When it starts by itself: five cron fields, or hourly, daily, weekly, monthly."
    )
    timezone: TimeZone = Field("UTC", description="The time zone of the schedule, by its IANA name.")
    retries: Annotated[StrictInt, Field(ge=0, le=10)] = Field(0, description="How often a failed step is tried again.")
    timeout: Period | None = Field(None, description="The longest time for a step.")
    cache: StepCache | None = Field(None, description="How long results of earlier runs count.")
    granularity: Literal["step", "stage", "single"] = Field(
        "step", description="What is one step of the orchestrator: each step, each stage of the lifecycle, or everything."
    )
    fan_out: Annotated[tuple[Literal["folds"], ...], Many()] = Field(
        (), description="What becomes steps of their own: worth it where one takes longer than to start a step."
    )
    image: Text | None = Field(None, description="The container image of the steps; without it the project's name.")
    notify: tuple[Alert, ...] = Field(
        (), description="Who is told how a run ended: a failure is a warning, a success is an info (see `severity`)."
    )
    parallelism: Parallelism | None = Field(None, description="What runs steps side by side.")
    patches: tuple[Patch, ...] = Field((), description="Changes to generated files that are made anew at each compile.")
    owned: Annotated[tuple[Text, ...], Many()] = Field(
        (), description="Files of a compiled project that are yours: written once, and never again."
    )
