"""Mel-frequency cepstral coefficients."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, StrictInt, model_validator

from mlspec.fields import fault
from mlspec.transforms._spectrum import Spectral


class Mfcc(Spectral):
    """Replace a sound by its mel-frequency cepstral coefficients, frame by frame: an array of frames × coefficients."""

    kind: Literal["mfcc"] = "mfcc"
    coefficients: StrictInt = Field(13, description="How many, from the 0th on, which is the frame's loudness.", gt=0)

    @model_validator(mode="after")
    def _no_more_than_mels(self) -> Self:
        if self.coefficients > self.mels:
            message = f"{self.coefficients} coefficients of {self.mels} mels"
            raise fault("contradiction", message, "there are at most as many coefficients as mels")
        return self

    def wanted(self) -> int | None:
        return self.coefficients


MEMBER = Mfcc
