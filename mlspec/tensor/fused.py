"""Neighbouring operations as the one that can do both: numbers fold into a layer's weights, and activations into the layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlspec.tensor import windows
from mlspec.tensor.program import OUTPUTS, Array, Node, Program, Value

SAME_WITH = {"add": 0.0, "sub": 0.0, "mul": 1.0, "div": 1.0}
"""The second number with which an operation leaves the first as it is."""

ACTIVATIONS = {"dense": ("relu",), "dense_each": ("relu",), "conv2d": ("relu", "relu6"), "depthwise_conv2d": ("relu", "relu6")}


def fused(program: Program) -> Program:
    """Return a program of the same meaning with fewer operations, without those that nothing depends on.

    A layer takes up what each of its outputs is multiplied with and what is added to it (so that batch norm is no operation of
    its own), a "relu" or "relu6" that it can do, and zeros around an image that its windows look at anyhow. What is computed
    twice is computed once, and what changes nothing not at all. Only float32's last digits change.
    """
    return _Fuser(program).made


class _Fuser:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.nodes: dict[int, Node] = {}
        self.once = {index for index, count in _readers(program).items() if count == 1}
        self.seen: dict[Any, Value] = {}
        grown = program.rewritten(self._written)
        # once more, for what is left over of operations that are now part of others
        self.made = grown.rewritten(lambda made, node, takes: made.add(node.operation, *takes, **node.settings))

    def _written(self, made: Program, node: Node, takes: Sequence[Value]) -> Value:
        value = self._needless(made, node, takes) or self._joined(made, node, takes)
        if value is None:
            key = (node.operation, tuple(one.index for one in takes), tuple(sorted(node.settings.items())))
            value = self.seen.get(key)
            if value is None:
                value = self.seen[key] = made.add(node.operation, *takes, **node.settings)
        if made.nodes and made.nodes[-1].gives is value:
            self.nodes[value.index] = made.nodes[-1]
        return value

    def _needless(self, made: Program, node: Node, takes: Sequence[Value]) -> Value | None:
        """What has the result already, or as good as; None where the operation does something."""
        if node.operation in SAME_WITH and takes[1].index in made.constants and node.gives.shape == takes[0].shape:
            changes = made.constants[takes[1].index] != SAME_WITH[node.operation]
            return None if changes.any() else takes[0]
        before = self.nodes.get(takes[0].index)
        if node.operation == "softmax" and before and before.operation == "log":
            # shares of the logarithms of shares are the shares
            shares = self.nodes.get(before.takes[0].index)
            return shares.gives if shares and shares.operation == "softmax" else None
        if node.operation == "reshape" and before and before.operation == "reshape":
            return made.reshape(before.takes[0], *node.settings["shape"])
        return None

    def _joined(self, made: Program, node: Node, takes: Sequence[Value]) -> Value | None:
        """The operation as part of the one before it, which nothing else reads from; None where it stays by itself."""
        before = self.nodes.get(takes[0].index)
        if before is None or node.takes[0].index not in self.once:
            return None
        if node.operation in ("conv2d", "depthwise_conv2d") and before.operation == "pad":
            return self._padded(made, node, before, takes)
        if before.operation not in OUTPUTS or before.settings["activation"] is not None:
            return None
        if node.operation in ACTIVATIONS[before.operation]:
            return made.add(before.operation, *before.takes, **{**before.settings, "activation": node.operation})
        if node.operation in ("add", "sub", "mul", "div") and takes[1].index in made.constants:
            return self._folded(made, node.operation, before, made.constants[takes[1].index])
        return None

    def _folded(self, made: Program, operation: str, layer: Node, numbers: Array) -> Value | None:
        outputs = layer.gives.width
        if numbers.size not in (1, outputs) or numbers.shape[-1] != numbers.size or len(numbers.shape) > len(layer.gives.shape):
            return None
        x, weights, bias = layer.takes
        if not {weights.index, bias.index} <= made.constants.keys():
            return None
        wide = np.broadcast_to(numbers.reshape(-1), (outputs,)).astype(np.float64)
        kernel, shift = (made.constants[one.index].astype(np.float64) for one in (weights, bias))
        if operation in ("add", "sub"):
            shift = shift + (wide if operation == "add" else -wide)
        else:
            factor = wide if operation == "mul" else 1 / wide
            axis = OUTPUTS[layer.operation]
            kernel = kernel * factor.reshape([-1 if at == axis else 1 for at in range(kernel.ndim)])
            shift = shift * factor
        return made.add(layer.operation, x, made.constant(kernel), made.constant(shift), **layer.settings)

    def _padded(self, made: Program, node: Node, pad: Node, takes: Sequence[Value]) -> Value | None:
        """A convolution of what has zeros around, where those are the zeros that "same" puts there."""
        x, (down, across, *deep) = pad.takes[0], pad.settings["around"]
        size, stride = node.takes[1].shape[1:3], node.settings["stride"]
        if any(map(any, deep)) or node.settings["padding"] != "valid":
            return None
        if (down, across) != windows.edges(x.shape, (size[0], size[1]), stride, "same"):
            return None
        return made.add(node.operation, x, *takes[1:], **{**node.settings, "padding": "same"})


def _readers(program: Program) -> Counter[int]:
    """How often each value is read; what the program gives is read by who runs it."""
    assert program.output is not None
    return Counter([program.output.index, *(one.index for node in program.needed for one in node.takes)])
