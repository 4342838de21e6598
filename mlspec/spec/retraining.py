"""`retraining` and `feedback`: how the model is kept up, and what it does to its own future data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlspec.fields import Guide, Later, Many
from mlspec.kinds import Section
from mlspec.quantity import Duration, Percent
from mlspec.spec.text import Cron, Flag, Number, Text


class ABTest(Section):
    """A comparison of two models on live traffic."""

    split: Percent = Field(Percent(0.5), description="The share that the new model gets.")
    metric: Text | None = Field(None, description="What is compared; without it the primary metric.")
    min_effect: Number = Field(gt=0, description="The smallest difference that matters.")
    power: Number = Field(0.8, gt=0, lt=1, description="The chance to find it.")
    significance: Number = Field(0.05, gt=0, lt=1, description="The chance to find what is not there.")
    max_duration: Duration | None = Field(None, description="When it ends in any case.")


class Retraining(Section):
    """When the model is trained anew, and how."""

    on: Annotated[tuple[Literal["data_drift", "concept_drift", "label_drift", "data_quality", "new_data"], ...], Many()] = Field(
        (), description="What starts it."
    )
    schedule: Cron | None = Field(
        None, description="When it starts in any case: five cron fields, or hourly, daily, weekly, monthly."
    )
    maintenance: Annotated[Literal["reactive", "scheduled", "proactive"], Later()] = Field(
        "proactive", description="The guide's type of maintenance."
    )
    strategy: Annotated[
        Literal["full", "incremental", "transfer"],
        Later("training starts afresh", only=("incremental", "transfer")),
        Guide("Retraining Strategies: full is best for major drift"),
    ] = Field("full", description="Whether training starts afresh.")
    cooldown: Duration = Field(Duration(86_400), description="The least time between two.")
    approve: Literal["human", "automatic"] = Field("human", description="Who lets the new model into production.")
    ab_test: Annotated[ABTest | None, Later("the gates decide alone")] = Field(
        None, description="A comparison on live traffic first."
    )


class Feedback(Section):
    """What is done about the model's influence on its own future data."""

    exploration: Annotated[Percent, Guide("Feedback Loop Issues: add randomization")] = Field(
        Percent(0.0), description="The share of decisions made by chance."
    )
    holdout: Percent = Field(Percent(0.0), description="The share of cases that the model does not touch.")
    natural_labels: Flag = Field(False, description="Whether the truth comes by itself.")
    proxy: Text | None = Field(None, description="What stands for the truth until it is known.")
