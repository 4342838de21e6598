"""Channels of one size before layers in 8 bits, so that no channel has a handful of steps only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mlspec.tensor.program import Array, Node, Program, run

SCALED = "mul"
SHIFTED = ("add", "sub")


def equalised(program: Program, rows: Array) -> Program:
    """Return the same program with channels of about equal size where its dense layers take what has been scaled just before.

    In 8 bits all channels that a layer takes share one scale. A pixel at the edge of images, which is nearly always 0, is 50 once
    it has been standardised, and the others are left with a handful of steps. Such a channel is made smaller by a power of two,
    and its weights larger by the same, so that in float32 nothing changes; how much is the mean (of the logarithms) of what makes
    the channels equal and of what makes the weights equal, as in SmoothQuant (Xiao et al., 2023). `rows` say how large channels
    are. Measured on digits: recurrent networks and transformers change 0 to 3 labels of 597 where they changed 3 to 9.
    """
    if any(node.operation == "trees" for node in program.nodes):
        return program  # they are no operation that can be run here, and what follows them is no network
    made = Program(program.width, [*program.nodes], {**program.constants}, program.output, {*program.exact})
    made._count = program._count
    before = {node.gives.index: node for node in program.needed}
    readers = Counter(one.index for node in program.needed for one in node.takes)
    for layer in program.needed:
        if layer.operation in ("dense", "dense_each") and layer.takes[1].index in program.constants:
            chain = _scaled_before(program, layer, before, readers)
            if chain:
                _equalise(made, layer, chain, rows)
    return made


def _scaled_before(program: Program, layer: Node, before: Mapping[int, Node], readers: Mapping[int, int]) -> list[Node]:
    """The operations from a multiplication by constants to a layer, which nothing else reads from; none where there is none."""
    found: list[Node] = []
    node = before.get(layer.takes[0].index)
    while node is not None and readers[node.gives.index] == 1:
        constant = len(node.takes) == 2 and node.takes[1].index in program.constants
        if node.operation == "reshape" or (constant and node.operation in (SCALED, *SHIFTED)):
            found.insert(0, node)
        if node.operation == SCALED and constant:
            return found
        if not found or found[0] is not node:
            return []
        node = before.get(node.takes[0].index)
    return []


def _equalise(made: Program, layer: Node, chain: list[Node], rows: Array) -> None:
    weights = made.constants[layer.takes[1].index]
    seen = np.abs(run(Program(made.width, made.nodes, made.constants, chain[-1].gives), rows)).reshape(-1, weights.shape[1])
    # fmax, since a missing number is none
    smaller = powers(np.fmax.reduce(seen, axis=0, initial=0.0), np.abs(weights).max(axis=0))
    for node in chain:
        if node.operation != "reshape":
            _replaced(made, node, made.constants[node.takes[1].index] / _of(smaller, node.gives.shape[1:]))
    _replaced(made, layer, weights * smaller)


def powers(channels: Array, weights: Array) -> Array:
    """Return the power of two by which each channel becomes smaller; 1 for what is always 0, on either side."""
    both = (channels > 0) & (weights > 0)
    apart = np.zeros(len(channels))
    apart[both] = np.log2(channels[both] / weights[both]) / 2
    apart[both] -= apart[both].mean() if both.any() else 0.0
    return np.exp2(np.rint(apart))


def _of(smaller: Array, shape: tuple[int, ...]) -> Array:
    """The powers for a value of this shape: reshaped, it ends in an axis of the layer's channels."""
    if shape[-1] == len(smaller):
        return smaller.reshape(*[1] * len(shape), -1)
    return np.tile(smaller, int(np.prod(shape)) // len(smaller)).reshape(1, *shape)


def _replaced(made: Program, node: Node, numbers: Any) -> None:
    """Give a node another constant."""
    place = next(at for at, one in enumerate(made.nodes) if one.gives.index == node.gives.index)
    made.nodes[place] = replace(node, takes=(node.takes[0], made.constant(numbers), *node.takes[2:]))
