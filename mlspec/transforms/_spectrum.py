"""Spectra of sounds, frame by frame: what `mel_spectrogram` and `mfcc` share.

A frame of `length` samples starts every `hop` samples; what is left at the end is no frame. It is weighted with a Hann window w,
filled up with zeros to the next power of two, N, and its discrete Fourier transform X gives the power of each frequency,

    P[k] = (2 |X[k]| / sum(w))²,     k = 0 … N/2, at k rate / N Hz,

so that a sine of full scale (samples between -1 and 1) has the power 1. Triangular filters sum it up, whose corners lie evenly on
the mel scale, mel(f) = 2595 log10(1 + f / 700), each 1 in its middle and 0 at its neighbours' (S. Young et al., The HTK Book,
version 3.4, 2006, section 5.4, equation 5.13). The result is log(max(power, floor)), a natural logarithm.

The coefficients of `mfcc` are the first of the discrete cosine transform of a frame's logarithms (type II, orthonormal): for M
mels

    c[i] = s(i) Σ_j log[j] cos(π i (j + ½) / M),     s(0) = √(1/M), s(i) = √(2/M)

(HTK's equation 5.14, but for s(0), and without liftering). Everything is linear but for the square and the logarithm, so that an
export computes it in the graph: see `mlspec.lowering.columns`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, StrictFloat, StrictInt

from mlspec.diagnostic import Finding, Problem, Route
from mlspec.quantity import Duration, Length
from mlspec.transforms import Context, Fitted, Transform

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    Array = np.ndarray[Any, Any]

AT_ONCE = 64  # rows whose frames are held at a time


def mel(hertz: float) -> float:
    """Return a frequency on HTK's mel scale."""
    return 2595 * math.log10(1 + hertz / 700)


@dataclass
class Spectrum:
    """How sounds become (frames, mels) logarithms of power, or (frames, coefficients) where `coefficients` are wanted.

    Lengths are in samples, frequencies in Hz.
    """

    rate: int
    length: int
    hop: int
    mels: int
    low: float
    high: float
    floor: float
    coefficients: int | None = None

    @property
    def size(self) -> int:
        """The points of the Fourier transform."""
        return 1 << (self.length - 1).bit_length()

    @property
    def width(self) -> int:
        """How many numbers a frame gives."""
        return self.coefficients or self.mels

    def frames(self, samples: int) -> int:
        """Return how many frames there are in so many samples."""
        return 1 + (samples - self.length) // self.hop

    @cached_property
    def window(self) -> Array:
        """The Hann window, scaled by 2 / its sum."""
        import numpy as np

        bell = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.length) / self.length)
        scaled: Array = 2 * bell / bell.sum()
        return scaled

    @cached_property
    def filters(self) -> Array:
        """The weight of each frequency of the transform in each filter: (mels, size / 2 + 1)."""
        import numpy as np

        corners = np.linspace(mel(self.low), mel(self.high), self.mels + 2)
        places = 2595 * np.log10(1 + np.arange(self.size // 2 + 1) * self.rate / self.size / 700)
        rising = (places - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
        falling = (corners[2:, None] - places) / (corners[2:] - corners[1:-1])[:, None]
        weights: Array = np.maximum(0.0, np.minimum(rising, falling))
        return weights

    @cached_property
    def cosines(self) -> Array | None:
        """The weight of each mel in each coefficient: (coefficients, mels)."""
        import numpy as np

        if self.coefficients is None:
            return None
        turns = np.arange(self.coefficients)[:, None] * (np.arange(self.mels) + 0.5) / self.mels
        scale = np.where(np.arange(self.coefficients) == 0, 1.0, 2.0) / self.mels
        return np.sqrt(scale)[:, None] * np.cos(np.pi * turns)

    def __getstate__(self) -> dict[str, Any]:
        """What follows from the rest is not kept."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def of(self, sounds: Array) -> Array:
        """Return the spectra of sounds: (rows, samples) give (rows, frames, width), float64."""
        import numpy as np

        made = np.empty((len(sounds), self.frames(sounds.shape[1]), self.width))
        for start in range(0, len(sounds), AT_ONCE):
            part = sounds[start : start + AT_ONCE].astype(np.float64)
            framed = np.lib.stride_tricks.sliding_window_view(part, self.length, axis=1)[:, :: self.hop]
            power = np.abs(np.fft.rfft(framed * self.window, self.size)) ** 2
            logs = np.log(np.maximum(power @ self.filters.T, self.floor))
            made[start : start + AT_ONCE] = logs if self.cosines is None else logs @ self.cosines.T
        return made

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        return pl.DataFrame([pl.Series(one.name, self.of(one.to_numpy())) for one in frame])


class Spectral(Transform):
    """What spectra of sounds have in common."""

    accepts: ClassVar = frozenset({"array"})
    after: ClassVar = "whole"

    rate: StrictInt = Field(description="Samples in a second: the `rate` of the source.", gt=0)
    frame_length: Length = Field(Duration(0.025), description="The length of a frame.", gt=0)
    hop_length: Length = Field(Duration(0.01), description="From the start of a frame to that of the next.", gt=0)
    mels: StrictInt = Field(40, description="Filters, evenly on the mel scale.", gt=0)
    low: StrictInt | StrictFloat = Field(20, description="Where the first filter begins, in Hz.", ge=0)
    high: StrictInt | StrictFloat | None = Field(
        None, description="Where the last filter ends, in Hz; null is half the rate.", gt=0
    )
    floor: StrictFloat = Field(
        1e-6, description="The least power that counts, a sine of full scale being 1: 1e-6 is 60 dB below it.", gt=0, lt=1
    )

    def wanted(self) -> int | None:
        """Return how many coefficients there are; None for the logarithms themselves."""
        return None

    def fit_transform(self, frame: pl.DataFrame, target: Array, context: Context) -> tuple[Fitted, pl.DataFrame]:
        fitted = Spectrum(
            self.rate,
            round(self.frame_length.seconds * self.rate),
            max(1, round(self.hop_length.seconds * self.rate)),
            self.mels,
            float(self.low),
            float(self.rate / 2 if self.high is None else self.high),
            self.floor,
            self.wanted(),
        )
        faults = [*_faults(fitted, frame, self.kind, context.route)]
        if faults:
            raise Problem(*faults)
        return fitted, fitted.transform(frame)


def _faults(wanted: Spectrum, frame: pl.DataFrame, kind: str, route: Route) -> Iterator[Finding]:
    """Yield what of the parameters does not go together, or with the arrays."""
    if not 0 <= wanted.low < wanted.high <= wanted.rate / 2:
        message = (
            f"filters from {wanted.low:g} to {wanted.high:g} Hz, and a rate of {wanted.rate} holds up to {wanted.rate / 2:g} Hz"
        )
        yield Finding(
            "wrong-frequencies", message, (*route, "high"), help="`low` is below `high`, and that at most half the rate"
        )
        return
    if wanted.length < 2:
        yield Finding("frame-too-short", f"a frame has {wanted.length} samples", (*route, "frame_length"))
        return
    empty = int((wanted.filters.max(axis=1) == 0).sum())
    if empty:
        message = f"{empty} of {wanted.mels} filters lie between two frequencies of frames of {wanted.length} samples"
        yield Finding("too-many-mels", message, (*route, "mels"), help="fewer `mels`, or a longer `frame_length`")
    for name, dtype in frame.schema.items():
        shape = dtype.shape  # type: ignore[attr-defined]
        if len(shape) != 1:
            message = f"`{kind}` takes a sound, one number after the other; {name!r} has the shape {' × '.join(map(str, shape))}"
            yield Finding("wrong-shape", message, (*route, "columns"), help="name the columns that hold sounds")
        elif shape[0] < wanted.length:
            message = f"{name!r} has {shape[0]} samples, and a frame {wanted.length}"
            yield Finding("frame-too-long", message, (*route, "frame_length"), help="a shorter frame")
