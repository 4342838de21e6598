"""Recurrent networks of Keras, for short series."""

from __future__ import annotations

from typing import Literal

from mlspec.families._keras import KerasFamily
from mlspec.families.torch_rnn import RnnFamily


class Rnn(RnnFamily, KerasFamily):
    """A recurrent network of Keras, LSTM or GRU: rows are series, step by step. It is an extra: `mlspec[keras]`."""

    kind: Literal["keras.rnn"] = "keras.rnn"


MEMBER = Rnn
