"""Parts of `training` beyond one fit: the search for hyperparameters, early stopping, checkpoints, several machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlspec.fields import Frozen, Guide, Later, fault
from mlspec.kinds import Section
from mlspec.quantity import Duration
from mlspec.spec.text import Count, Flag, Label, NotNegative, Number, Period, Text


class Range(Section):
    """The values a parameter may take in the search: between two ends, or one of a list."""

    low: Number | None = Field(None, description="The lower end.")
    high: Number | None = Field(None, description="The upper end.")
    log: Flag = Field(False, description="Whether the search is even over orders of magnitude.")
    step: Number | None = Field(None, description="The distance of two values.", gt=0)
    values: tuple[Label, ...] | None = Field(None, description="The values, instead of ends.", min_length=1)

    @model_validator(mode="after")
    def _ends_or_values(self) -> Self:
        if (self.values is None) == (self.low is None or self.high is None):
            raise fault(
                "contradiction", "a range has either `low` and `high` or `values`", "write for instance `{low: 0.01, high: 0.3}`"
            )
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise fault("contradiction", f"`low` ({self.low:g}) is not below `high` ({self.high:g})", "exchange them")
        if self.log and self.low is not None and self.low <= 0:
            raise fault("contradiction", "a logarithmic range starts above 0", "raise `low`")
        return self


class Tuning(Section):
    """The search for good hyperparameters."""

    method: Annotated[
        Literal["grid", "random", "bayesian", "population"],
        Later("trials are drawn at random", only=("population",)),
        Guide("Hyperparameter Tuning Methods"),
    ] = Field("bayesian", description="How the next trial is chosen.")
    space: Annotated[Mapping[Text, Range], Frozen(), Field(min_length=1)] = Field(description="What is searched, by parameter.")
    trials: Count = Field(30, description="How many are tried.")
    timeout: Period | None = Field(
        None,
        description="When the search stops in any case: each trial gets its share, and one that takes longer is left out.",
    )
    metric: Text | None = Field(None, description="What is improved; without it the primary metric.")
    parallel: Count | None = Field(
        None,
        description="Trials at the same time; without it one for `bayesian`, which learns from earlier ones, and no limit for"
        " the others.",
    )

    @property
    def count(self) -> int:
        """How many trials there are: where all combinations are fewer than `trials`, each is tried once."""
        from mlspec.runtime.hyperparameters import combinations

        if self.method == "bayesian":
            return self.trials
        return combinations({name: one.model_dump(mode="json") for name, one in self.space.items()}, self.trials)

    @property
    def together(self) -> int:
        """How many trials run at the same time."""
        return self.parallel or (1 if self.method == "bayesian" else self.trials)


class EarlyStopping(Section):
    """When training ends before its last round."""

    patience: Count = Field(10, description="Rounds without a gain.")
    min_delta: NotNegative = Field(0.0, description="The least that counts as a gain.")


class Checkpoint(Section):
    """States of training that are kept, to go on from after a break."""

    every: Duration = Field(Duration(300), description="How often; Keras keeps them between epochs only.")
    keep: Count = Field(2, description="How many.")
    resume: Flag = Field(True, description="Whether training goes on from the last one.")


class Distributed(Section):
    """Training on several machines or accelerators."""

    strategy: Literal["data", "model", "pipeline"] = Field(
        "data", description="What is divided: rows, the model's parts, or its stages."
    )
    workers: Count = Field(2, description="How many take part.")
    compression: Literal["none", "float16", "powersgd"] = Field("none", description="How gradients are shortened on the way.")
    synchronization: Literal["synchronous", "asynchronous"] = Field("synchronous", description="Whether all wait for each other.")
