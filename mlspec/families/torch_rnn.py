"""Recurrent networks of PyTorch, for short series."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from mlspec.families import Count, Needs
from mlspec.families._network import SEQUENCE, Activation, Body, Learning, NetworkFamily, Rate, dense, dropped


class RnnParams(Learning):
    """Layers of a recurrent network, and how it is trained."""

    shape: Annotated[tuple[Count, Count], Field(strict=False)] | None = Field(
        None, description="Steps and channels of a series; null is those of the array that features are of, or a step a feature."
    )
    cell: Literal["lstm", "gru"] = Field("lstm", description="The recurrent cell.")
    units: Count = Field(64, description="Units of each recurrent layer.")
    layers: Count = Field(1, description="Recurrent layers, one above the other.")
    head: Literal["last", "mean"] = Field("last", description="What of the steps counts: the last, or the mean of all.")
    hidden: Annotated[tuple[Count, ...], Field(strict=False)] = Field(
        (), description="Units of each fully connected layer after that."
    )
    activation: Activation = Field("relu", description="Activation of the fully connected layers.")
    dropout: Rate = Field(0.0, description="Share of the numbers that a step leaves out: between layers, and at the end.")


class RnnFamily(NetworkFamily):
    """A recurrent network, whatever trains it."""

    wants: ClassVar[Needs] = SEQUENCE
    usual: ClassVar[Literal["row", "sequence", "image"]] = "sequence"
    params: RnnParams = Field(default_factory=RnnParams.model_construct)

    def body(self) -> Body:
        params = self.params
        recurrent: dict[str, Any] = {
            "kind": params.cell,
            "units": params.units,
            "layers": params.layers,
            "dropout": params.dropout,
        }
        ends = [layer for units in params.hidden for layer in dense(units, params.activation, "none", params.dropout)]
        return [recurrent, {"kind": params.head}, *dropped(params.dropout), *ends]


class Rnn(RnnFamily):
    """A recurrent network in PyTorch (LSTM or GRU): rows are series, step by step. It is an extra: `mlspec[torch]`."""

    kind: Literal["torch.rnn"] = "torch.rnn"


MEMBER = Rnn
