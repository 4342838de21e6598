"""`augmentation`: rows made from training rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mlspec.fields import Frozen, fault, nothing
from mlspec.kinds import Section
from mlspec.spec.text import Entrypoint, Fraction


class Review(Section):
    """The guide's criteria of a good augmentation."""

    human_label_accuracy: Fraction | None = Field(None, description="How well people label augmented rows.")
    hard_for_model: Fraction | None = Field(None, description="The share that the present model gets wrong.")


class Augmentation(Section):
    """A way to make new training rows from old ones."""

    kind: Literal[
        "rotate",
        "scale",
        "flip",
        "crop",
        "color",
        "noise",
        "speed",
        "pitch",
        "paraphrase",
        "back_translate",
        "oversample",
        "custom",
    ] = Field(description="What is done.")
    probability: Fraction = Field(0.5, description="How often it is done to a row.")
    strength: Fraction = Field(0.5, description="How much is changed.")
    entrypoint: Entrypoint | None = Field(None, description="`custom`: the function that does it.")
    params: Annotated[Mapping[str, Any], Frozen()] = Field(default_factory=nothing, description="Its further arguments.")
    review: Review | None = Field(None, description="What a check of samples found.")

    @model_validator(mode="after")
    def _own_code(self) -> Self:
        if (self.kind == "custom") != (self.entrypoint is not None):
            raise fault("contradiction", "`kind: custom` and `entrypoint` belong together", "write both or neither")
        return self
