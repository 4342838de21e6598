"""Convolutional networks of PyTorch, for small images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import Count, Needs, wrong
from mlspec.families._network import SEQUENCE, Activation, Body, Learning, NetworkFamily, Rate, dense, dropped, normed

Sizes = Annotated[tuple[Count, ...], Field(strict=False)]


class CnnParams(Learning):
    """Layers of a convolutional network, and how it is trained."""

    shape: Annotated[tuple[Count, Count, Count], Field(strict=False)] | None = Field(
        None,
        description="Height, width and channels of an image, channels last; null is the shape of the array that features are "
        "of, or a square of one channel.",
    )
    channels: Sizes = Field((16, 32), min_length=1, description="Channels of each block: convolution, batch norm, pooling.")
    kernel: Count = Field(3, description="Height and width of a convolution.")
    convolutions: Count = Field(1, description="Convolutions of a block.")
    separable: bool = Field(
        False,
        description="Whether each convolution but the first is one by channel and one across channels: smaller and quicker.",
    )
    pool: Literal["max", "average", "none"] = Field("max", description="How a block halves height and width.")
    norm: Literal["none", "batch"] = Field("batch", description="What convolutions are normalised by.")
    activation: Activation = Field("relu", description="Activation of the hidden units.")
    head: Literal["mean", "flatten"] = Field("flatten", description="How the last map becomes numbers: mean by channel, or all.")
    hidden: Sizes = Field((), description="Units of each fully connected layer after that.")
    dropout: Rate = Field(0.0, description="Share of the numbers after the last map that a step leaves out.")

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if self.shape is None or self.pool == "none":
            return
        least, blocks = min(self.shape[:2]), len(self.channels)
        if least < 2**blocks:
            most = least.bit_length() - 1
            message = f"{blocks} blocks halve an image {blocks} times, and its shorter side is {least}"
            yield wrong("channels", message, f"{most} block{'s' * (most != 1)}, or `pool: none`")


class CnnFamily(NetworkFamily):
    """A convolutional network, whatever trains it."""

    wants: ClassVar[Needs] = SEQUENCE
    usual: ClassVar[Literal["row", "sequence", "image"]] = "image"
    params: CnnParams = Field(default_factory=CnnParams.model_construct)

    def body(self) -> Body:
        return list(self._layers())

    def _layers(self) -> Iterator[dict[str, Any]]:
        params = self.params
        for block, channels in enumerate(params.channels):
            for index in range(params.convolutions):
                # an image has few channels: one filter for each of them would see next to nothing
                yield from self._convolution(channels, params.separable and block + index > 0)
            if params.pool != "none":
                yield {"kind": f"{params.pool}_pool", "size": [2, 2]}
        yield {"kind": params.head}
        yield from dropped(params.dropout)
        for units in params.hidden:
            yield from dense(units, params.activation, "none", params.dropout)

    def _convolution(self, channels: int, separable: bool) -> Iterator[dict[str, Any]]:
        params = self.params
        activation = None if params.norm == "batch" else params.activation
        last = {"stride": 1, "activation": activation, "leads_to": params.activation}
        if separable:
            yield {"kind": "depthwise_conv2d", "size": params.kernel, **last}
            yield from normed(params.activation, params.norm)
            yield {"kind": "conv2d", "channels": channels, "size": 1, **last}
        else:
            yield {"kind": "conv2d", "channels": channels, "size": params.kernel, **last}
        yield from normed(params.activation, params.norm)


class Cnn(CnnFamily):
    """A convolutional network in PyTorch: rows are images, a feature a pixel. It is an extra: `mlspec[torch]`."""

    kind: Literal["torch.cnn"] = "torch.cnn"


MEMBER = Cnn
