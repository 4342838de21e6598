"""Folders of sounds."""

from __future__ import annotations

import math
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, StrictInt

from mlspec.quantity import Length
from mlspec.sources._files import Files, Unreadable

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


class Audio(Files):
    """A folder of WAV files: a row each, with the samples as the array `audio`, the names in `pattern` as columns, and `file`.

    Samples are between -1 and 1, of one channel (the mean of several), at one rate (resampled by a polyphase filter), and as long
    as `duration`: zeros follow a shorter recording, and a longer one is cut off at the end.
    """

    gives: ClassVar = "audio"
    kind: Literal["audio"] = "audio"
    rate: StrictInt = Field(description="Samples in a second.", gt=0)
    duration: Length = Field(description="How long each sound is, such as `1 s`.", gt=0)

    def shape(self) -> tuple[int, ...]:
        return (max(1, round(self.rate * self.duration.seconds)),)

    def read(self, path: Path) -> Array:
        import numpy as np

        rate, samples = _samples(path)
        if rate != self.rate:
            from scipy.signal import resample_poly

            common = math.gcd(rate, self.rate)
            samples = resample_poly(samples, self.rate // common, rate // common)
        made = np.zeros(self.shape(), dtype=np.float32)
        kept = samples[: len(made)]
        made[: len(kept)] = kept
        return made


def _samples(path: Path) -> tuple[int, Array]:
    """Return the rate and the samples of a WAV file, float64 between -1 and 1, the mean of its channels."""
    import numpy as np
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks that are no sound
            rate, held = wavfile.read(path)
    except (ValueError, EOFError, IndexError, struct.error) as error:
        raise Unreadable(str(error) or "it is no WAV file") from None
    if not rate or not held.size:
        raise Unreadable("it has no samples")
    if held.dtype == np.uint8:
        samples = (held.astype(np.float64) - 128) / 128
    elif held.dtype.kind == "i":
        samples = held.astype(np.float64) / -float(np.iinfo(held.dtype).min)
    else:
        samples = held.astype(np.float64)
    if not np.isfinite(samples).all():
        raise Unreadable("a sample is not a finite number")
    return int(rate), samples if samples.ndim == 1 else samples.mean(axis=1)


MEMBER = Audio
