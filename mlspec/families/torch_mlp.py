"""Fully connected networks of PyTorch."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlspec.families import Count, Needs
from mlspec.families._network import Activation, Body, Learning, NetworkFamily, Rate, dense


class MlpParams(Learning):
    """Layers of a fully connected network, and how it is trained."""

    hidden: tuple[Count, ...] = Field((128, 64), strict=False, description="Units of each hidden layer.")
    activation: Activation = Field("relu", description="Activation of the hidden units.")
    norm: Literal["none", "batch", "layer"] = Field("none", description="What hidden layers are normalised by.")
    dropout: Rate = Field(0.0, description="Share of the hidden units that a step leaves out.")


class MlpFamily(NetworkFamily):
    """A fully connected network, whatever trains it."""

    wants: ClassVar[Needs] = Needs(scale=True)
    params: MlpParams = Field(default_factory=MlpParams.model_construct)

    def body(self) -> Body:
        params = self.params
        return [layer for units in params.hidden for layer in dense(units, params.activation, params.norm, params.dropout)]


class Mlp(MlpFamily):
    """A fully connected network in PyTorch: smooth functions of many features. It is an extra: `mlspec[torch]`."""

    kind: Literal["torch.mlp"] = "torch.mlp"


MEMBER = Mlp
