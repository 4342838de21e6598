"""Fully connected networks of Keras."""

from __future__ import annotations

from typing import Literal

from mlspec.families._keras import KerasFamily
from mlspec.families.torch_mlp import MlpFamily


class Mlp(MlpFamily, KerasFamily):
    """A fully connected network of Keras: smooth functions of many features. It is an extra: `mlspec[keras]`."""

    kind: Literal["keras.mlp"] = "keras.mlp"


MEMBER = Mlp
