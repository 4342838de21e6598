"""The four networks of MLPerf Tiny (Banbury et al., 2021) as PyTorch modules, built as `kind: torch.custom` asks for.

Images come with their channels last and are turned around; strides of 2 begin at the first pixel, as in the benchmark's models.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]


def layer(inputs: int, outputs: int, size: tuple[int, int], sides: Shape, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution and its batch norm; of the zeros around, the odd one is at the far end."""
    lacks = [max((-(-side // stride) - 1) * stride + one - side, 0) for side, one in zip(sides, size, strict=True)]
    down, across = ((one // 2, one - one // 2) for one in lacks)
    kernel = nn.Conv2d(inputs, outputs, size, stride, groups=groups, bias=False)
    return nn.Sequential(nn.ZeroPad2d((*across, *down)), kernel, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """Two convolutions, and a connection around them."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int) -> None:
        super().__init__()
        after = side // stride
        self.inner = nn.Sequential(
            layer(inputs, outputs, (3, 3), (side, side), stride), nn.ReLU(), layer(outputs, outputs, (3, 3), (after, after))
        )
        self.around = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.inner(x) + self.around(x))


class Convolutional(nn.Module):
    """Layers of an image, the mean of each channel, and a number for each class."""

    def __init__(self, layers: Iterator[nn.Module], width: int, outputs: int) -> None:
        super().__init__()
        self.layers, self.end = nn.Sequential(*layers), nn.Linear(width, outputs)

    def forward(self, rows: Tensor) -> Tensor:
        return self.end(self.layers(rows.permute(0, 3, 1, 2)).mean((2, 3)))


def resnet_8(task: str, inputs: Shape, outputs: int) -> nn.Module:
    """Image classification."""

    def layers() -> Iterator[nn.Module]:
        yield from (layer(inputs[2], 16, (3, 3), inputs[:2]), nn.ReLU())
        yield Block(16, 16, 32, 1)
        yield Block(16, 32, 32, 2)
        yield Block(32, 64, 16, 2)

    return Convolutional(layers(), 64, outputs)


def separable(inputs: int, outputs: int, sides: Shape, stride: int = 1) -> Iterator[nn.Module]:
    """Each channel for itself, and then each pixel for itself."""
    yield from (layer(inputs, inputs, (3, 3), sides, stride, groups=inputs), nn.ReLU())
    yield from (layer(inputs, outputs, (1, 1), sides), nn.ReLU())


def ds_cnn(task: str, inputs: Shape, outputs: int) -> nn.Module:
    """Keyword spotting."""

    def layers() -> Iterator[nn.Module]:
        yield from (layer(inputs[2], 64, (10, 4), inputs[:2], 2), nn.ReLU(), nn.Dropout(0.2))
        for _ in range(4):
            yield from separable(64, 64, (25, 5))
        yield nn.Dropout(0.4)

    return Convolutional(layers(), 64, outputs)


def mobilenet(task: str, inputs: Shape, outputs: int) -> nn.Module:
    """Visual wake words: MobileNet, a quarter as wide."""
    steps = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]

    def layers() -> Iterator[nn.Module]:
        yield from (layer(inputs[2], 8, (3, 3), inputs[:2], 2), nn.ReLU())
        channels, side = 8, inputs[0] // 2
        for wide, stride in steps:
            yield from separable(channels, wide, (side, side), stride)
            channels, side = wide, side // stride

    return Convolutional(layers(), 256, outputs)


class Autoencoder(nn.Module):
    """How far a spectrogram is off what can be told of it by eight numbers: the mean of the squares."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = [width, 128, 128, 128, 128, 8, 128, 128, 128, 128]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], width))

    def forward(self, rows: Tensor) -> Tensor:
        return (rows - self.layers(rows)).square().mean(1, keepdim=True)


def autoencoder(task: str, inputs: int, outputs: int) -> nn.Module:
    """Anomaly detection."""
    return Autoencoder(inputs)
