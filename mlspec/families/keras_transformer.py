"""Small transformers (encoders) of Keras, for short series."""

from __future__ import annotations

from typing import Literal

from mlspec.families._keras import KerasFamily
from mlspec.families.torch_transformer import TransformerFamily


class Transformer(TransformerFamily, KerasFamily):
    """A small transformer of Keras: each step of a series looks at all others. It is an extra: `mlspec[keras]`."""

    kind: Literal["keras.transformer"] = "keras.transformer"


MEMBER = Transformer
