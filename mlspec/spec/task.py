"""`task`: what is predicted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlspec.fields import Later
from mlspec.kinds import Section
from mlspec.quantity import Duration
from mlspec.spec.text import Count, Label, Text

KINDS = ("classification", "regression", "clustering", "anomaly", "forecasting", "recommendation")
NOTHING = "nothing trains such a model; a run stops (a forecast is `regression` with `data.window`)"
UNTRAINED = Later(NOTHING, only=("clustering", "anomaly", "forecasting", "recommendation"))


class ColdStart(Section):
    """What a recommender does before it knows somebody or something."""

    new_user: Literal["content", "popular", "ask"] = Field("content", description="For a new user.")
    new_item: Literal["content", "explore"] = Field("content", description="For a new item.")
    new_system: Literal["popular", "content"] = Field("popular", description="At the start.")


class Task(Section):
    """What is predicted."""

    kind: Annotated[
        Literal["classification", "regression", "clustering", "anomaly", "forecasting", "recommendation"], UNTRAINED
    ] = Field(description="The guide's problem type.")
    target: Text | None = Field(None, description="The column that is predicted.")
    positive: Label | None = Field(None, description="Classification into two: the label that is looked for.")
    modality: Literal["tabular", "image", "text", "audio", "timeseries"] = Field(
        "tabular", description="What a row of the data is."
    )
    horizon: Annotated[Count | None, Later()] = Field(None, description="Forecasting: how many steps ahead.")
    seasonality: Annotated[Duration | None, Later()] = Field(None, description="Forecasting: the length of a cycle.")
    user: Annotated[Text | None, Later()] = Field(None, description="Recommendation: the column of the user.")
    item: Annotated[Text | None, Later()] = Field(None, description="Recommendation: the column of the item.")
    cold_start: Annotated[ColdStart | None, Later()] = Field(None, description="Recommendation: what is done for the unknown.")
