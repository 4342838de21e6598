"""Operations that look at windows of images, in NumPy. Images are rows × height × width × channels.

With padding "same" there is a window for each `stride` numbers, and what windows lack at the edges is shared between both ends,
the odd one at the far end, as TensorFlow has it. With "valid" windows lie inside; PyTorch's `padding=1` is a `pad` before that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Padding = Literal["same", "valid"]
Pair = tuple[int, int]

ACTIVATIONS = (None, "relu", "relu6")
"""What a convolution can do with what it has summed up."""


def count(size: int, window: int, stride: int, padding: Padding) -> int:
    """Return how many windows there are along an axis."""
    return -(-size // stride) if padding == "same" else (size - window) // stride + 1


def margins(size: int, window: int, stride: int, padding: Padding) -> Pair:
    """Return how many places that are not there the first window, and the last, look at."""
    if padding == "valid":
        return 0, 0
    lacks = max((count(size, window, stride, padding) - 1) * stride + window - size, 0)
    return lacks // 2, lacks - lacks // 2


def counts(shape: Sequence[int], size: Pair, stride: Pair, padding: Padding) -> Pair:
    """Return how many windows an image of this shape (rows, height, width, channels) has, down and across."""
    down, across = (count(shape[axis + 1], size[axis], stride[axis], padding) for axis in (0, 1))
    return down, across


def edges(shape: Sequence[int], size: Pair, stride: Pair, padding: Padding) -> tuple[Pair, Pair]:
    """Return the margins of an image of this shape, down and across."""
    down, across = (margins(shape[axis + 1], size[axis], stride[axis], padding) for axis in (0, 1))
    return down, across


def _windows(x: Array, size: Pair, stride: Pair, padding: Padding, fill: float) -> Array:
    """Each window: (rows, down, across, channels, height of a window, its width)."""
    around = ((0, 0), *edges(x.shape, size, stride, padding), (0, 0))
    wide = np.pad(x, around, constant_values=fill)
    found = np.lib.stride_tricks.sliding_window_view(wide, size, axis=(1, 2))
    return found[:, :: stride[0], :: stride[1]]


def activated(x: Array, activation: str | None) -> Array:
    """Return what an activation makes of numbers."""
    if activation is None:
        return x
    return np.clip(x, np.float32(0), np.float32(6)) if activation == "relu6" else np.maximum(x, np.float32(0))


def conv2d(x: Array, kernel: Array, bias: Array, stride: Pair, padding: Padding, activation: str | None) -> Array:
    """Convolve with a kernel (out, height, width, in): rows × down × across × out."""
    out, high, wide, channels = kernel.shape
    seen = _windows(x, (high, wide), stride, padding, 0.0)
    flat = seen.reshape(*seen.shape[:3], -1)
    made = flat @ kernel.transpose(3, 1, 2, 0).reshape(channels * high * wide, out) + bias
    return activated(made, activation)


def depthwise_conv2d(x: Array, kernel: Array, bias: Array, stride: Pair, padding: Padding, activation: str | None) -> Array:
    """Convolve each channel for itself with a kernel (1, height, width, channels): rows × down × across × channels."""
    seen = _windows(x, kernel.shape[1:3], stride, padding, 0.0)
    return activated(np.einsum("rdachw,hwc->rdac", seen, kernel[0]) + bias, activation)


def max_pool(x: Array, size: Pair, stride: Pair, padding: Padding) -> Array:
    """Return the largest number of each window, by channel."""
    found: Array = _windows(x, size, stride, padding, -np.inf).max(axis=(4, 5))
    return found


def average_pool(x: Array, size: Pair, stride: Pair, padding: Padding) -> Array:
    """Return the mean of what is there in each window, by channel: places beyond an edge do not count."""
    there = _windows(np.ones_like(x[:1, :, :, :1]), size, stride, padding, 0.0).sum(axis=(4, 5), dtype=np.float32)
    found: Array = _windows(x, size, stride, padding, 0.0).sum(axis=(4, 5), dtype=np.float32) / there
    return found
