"""Parts of `evaluation` that put the model to harder trials: the model in use, worse inputs, load."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.kinds import Section
from mlspec.quantity import Duration, Percent, Rate
from mlspec.spec.text import NotNegative, Text


class Champion(Section):
    """The comparison with the model in use."""

    compare: Literal["registry"] = Field("registry", description="Where the model in use is found.")
    min_improvement: NotNegative = Field(0.0, description="How much better the new one must be on the primary metric.")


class Robustness(Section):
    """How little the model may lose when inputs get worse."""

    noise: Percent | None = Field(None, description="Noise on numbers, as a share of their standard deviation.")
    missing: Percent | None = Field(None, description="The share of values that goes missing.")
    edge_cases: tuple[Text, ...] = Field((), description="Files with rows that must be handled.")
    max_drop: Percent = Field(Percent(0.05), description="How much of the primary metric may be lost.")


class Stress(Section):
    """The load test of the service."""

    rate: Rate | None = Field(None, description="Requests; without it `requirements.service.throughput`.")
    duration: Duration = Field(Duration(60), description="For how long.")
