"""Which operations of a program can compute in whole numbers, once its layers do."""

from __future__ import annotations

from collections.abc import Collection

from mlspec.tensor.program import Node, Program

LAYERS = ("dense", "dense_each", "conv2d", "depthwise_conv2d", "matmul")
"""Operations that multiply by many numbers: theirs are shortened."""

DENSE, CONVOLUTIONS = ("dense", "dense_each"), ("conv2d", "depthwise_conv2d")
"""Sorts of layers: the one may lose in 8 bits what the other does not."""

BETWEEN = {
    "add",
    "average_pool",
    "concat",
    "hard_swish",
    "max_pool",
    "mean",
    "pad",
    "relu",
    "reshape",
    "sigmoid",
    "slice",
    "softmax",
    "tanh",
    "transpose",
}
"""Operations that lose little in 8 bits, where all around them is in 8 bits as well."""


def layers(program: Program) -> list[Node]:
    """Return the operations whose numbers are shortened."""
    return [node for node in program.needed if node.operation in LAYERS and node.gives.index not in program.exact]


def exact(program: Program) -> list[Node]:
    """Return the operations that are like layers, but belong to preprocessing: their numbers are not shortened."""
    return [node for node in program.needed if node.operation in LAYERS and node.gives.index in program.exact]


def between(program: Program, *, ends: bool, chosen: Collection[int] | None = None) -> set[int]:
    """Return which values besides those of layers can be whole numbers: nothing needs to be converted for them.

    An operation is one of them where all that it takes, and all that is made of what it gives, is in whole numbers. So a whole
    convolutional network is, but not what lies before and after layers: features of 0.01 and of 20,000, or the state of a
    recurrent layer and the sums that a layer norm takes apart, whose small parts one scale of 256 steps would lose. With `ends`
    the program's input and output are whole numbers too; without, the last softmax keeps its digits. `chosen` are the layers (by
    the value that they give) that are shortened, where not all are.
    """
    assert program.output is not None
    nodes, last = program.needed, program.output.index
    readers: dict[int, list[Node]] = {}
    for node in nodes:
        for one in node.takes:
            readers.setdefault(one.index, []).append(node)
    whole = {node.gives.index for node in nodes if node.operation in BETWEEN}
    fixed = {node.gives.index for node in layers(program)} if chosen is None else set(chosen)
    if ends:
        fixed.add(0)
        whole |= _leading(program)

    def stays(node: Node) -> bool:
        made = (one.index for one in node.takes if one.index not in program.constants)
        read = (one.gives.index for one in readers.get(node.gives.index, ()))
        return (ends or node.gives.index != last) and all(one in whole or one in fixed for one in (*made, *read))

    while True:
        kept = {node.gives.index for node in nodes if node.gives.index in whole and stays(node)}
        if kept == whole:
            return kept
        whole = kept


def _leading(program: Program) -> set[int]:
    """What moves and scales the input, before anything else."""
    found = {0}
    for node in program.needed:
        first, *others = node.takes
        plain = all(one.index in program.constants for one in others)
        if node.operation in ("sub", "mul", "reshape") and first.index in found and plain:
            found.add(node.gives.index)
    return found - {0}
