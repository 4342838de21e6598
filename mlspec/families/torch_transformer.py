"""Small transformers (encoders) of PyTorch, for short series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import Count, Needs, wrong
from mlspec.families._network import SEQUENCE, Activation, Body, Learning, NetworkFamily, Rate, dropped


class TransformerParams(Learning):
    """Layers of a transformer, and how it is trained."""

    shape: Annotated[tuple[Count, Count], Field(strict=False)] | None = Field(
        None, description="Steps and channels of a series; null is those of the array that features are of, or a step a feature."
    )
    width: Count = Field(32, description="Numbers that stand for a step.")
    heads: Count = Field(4, description="Heads of attention, which share the width.")
    layers: Count = Field(2, description="Layers of attention, each with a fully connected part.")
    feedforward: Count = Field(64, description="Units of the fully connected part.")
    positions: Literal["learned", "sinusoidal"] = Field("learned", description="How a step knows its place.")
    head: Literal["mean", "last"] = Field("mean", description="What of the steps counts: the mean of all, or the last.")
    activation: Activation = Field("relu", description="Activation of the fully connected part.")
    dropout: Rate = Field(0.0, description="Share of the numbers that a step leaves out.")

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if self.width % self.heads:
            whole = [one for one in range(1, self.heads + 1) if self.width % one == 0][-1]
            message = f"{self.heads} heads cannot share a width of {self.width} evenly"
            yield wrong("heads", message, f"such as `heads: {whole}`, or `width: {-(-self.width // self.heads) * self.heads}`")


class TransformerFamily(NetworkFamily):
    """A small transformer, whatever trains it."""

    wants: ClassVar[Needs] = SEQUENCE
    usual: ClassVar[Literal["row", "sequence", "image"]] = "sequence"
    params: TransformerParams = Field(default_factory=TransformerParams.model_construct)

    def body(self) -> Body:
        return list(self._layers())

    def _layers(self) -> Iterator[dict[str, Any]]:
        """Yield the layers with the norm before each part, which trains without a warm-up (Xiong et al., 2020)."""
        params = self.params
        drop = list(dropped(params.dropout))
        yield {"kind": "dense", "units": params.width, "activation": None}
        yield {"kind": "position", "learned": params.positions == "learned"}
        yield from drop
        for _ in range(params.layers):
            attention = {"kind": "attention", "heads": params.heads, "dropout": params.dropout}
            yield {"kind": "residual", "layers": [{"kind": "layer_norm"}, attention, *drop]}
            inner = {"kind": "dense", "units": params.feedforward, "activation": params.activation}
            outer = {"kind": "dense", "units": params.width, "activation": None}
            yield {"kind": "residual", "layers": [{"kind": "layer_norm"}, inner, *drop, outer, *drop]}
        yield {"kind": "layer_norm"}
        yield {"kind": params.head}


class Transformer(TransformerFamily):
    """A small transformer in PyTorch: each step of a series looks at all others. It is an extra: `mlspec[torch]`."""

    kind: Literal["torch.transformer"] = "torch.transformer"


MEMBER = Transformer
