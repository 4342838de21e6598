"""Convolutional networks of Keras, for small images."""

from __future__ import annotations

from typing import Literal

from mlspec.families._keras import KerasFamily
from mlspec.families.torch_cnn import CnnFamily


class Cnn(CnnFamily, KerasFamily):
    """A convolutional network of Keras: rows are images, a feature a pixel. It is an extra: `mlspec[keras]`."""

    kind: Literal["keras.cnn"] = "keras.cnn"


MEMBER = Cnn
