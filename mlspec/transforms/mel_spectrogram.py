"""Mel spectrograms."""

from __future__ import annotations

from typing import Literal

from mlspec.transforms._spectrum import Spectral


class MelSpectrogram(Spectral):
    """Replace a sound by the logarithms of its power in mel filters, frame by frame: an array of frames × mels."""

    kind: Literal["mel_spectrogram"] = "mel_spectrogram"


MEMBER = MelSpectrogram
