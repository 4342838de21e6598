"""Spectra of sounds as part of a program."""

from __future__ import annotations

import numpy as np

from mlspec.tensor.program import Program, Value
from mlspec.transforms._spectrum import Spectrum


def spectrum(program: Program, sounds: Value, wanted: Spectrum) -> Value:
    """Append what `wanted` makes of sounds (rows × samples) and return it: rows × (frames · width). It stays in float32.

    The Fourier transform of all frames is one convolution along the samples, with the window in its kernel, and only for the
    frequencies that some filter weighs. To square its real and imaginary parts and to sum them up by filter is one layer more.
    """
    begun = len(program.nodes)
    samples, frames = sounds.width, wanted.frames(sounds.width)
    heard = np.flatnonzero(wanted.filters.any(axis=0))
    turns = 2 * np.pi * heard[:, None] * np.arange(wanted.length) / wanted.size
    waves = np.concatenate([np.cos(turns), np.sin(turns)]) * wanted.window
    kernel = waves.reshape(len(waves), 1, wanted.length, 1)
    x = program.conv2d(program.reshape(sounds, 1, samples, 1), kernel, stride=(1, wanted.hop), padding="valid")
    x = program.reshape(x, frames, len(waves))
    power = program.dense(program.add("mul", x, x), np.tile(wanted.filters[:, heard], 2))
    logs = program.add("log", program.add("max", power, program.constant(np.full((1, 1, 1), wanted.floor))))
    made = logs if wanted.cosines is None else program.dense(logs, wanted.cosines)
    flat = program.reshape(made, frames * wanted.width)
    program.exact |= {node.gives.index for node in program.nodes[begun:]}
    return flat
