"""What a program costs: multiplications and additions of one row."""

from __future__ import annotations

from math import prod

from mlspec.tensor.program import ROWS, Node, Program


def macs(program: Program) -> int:
    """Return the multiply-accumulates of the layers of one row, which estimates of latency go by; nothing else counts."""
    return sum(_of(node) for node in program.nodes)


def _of(node: Node) -> int:
    """Each number that a layer gives is a sum over the weights of one of its outputs."""
    given = prod(size for size in node.gives.shape if size != ROWS)
    if node.operation in ("dense", "dense_each", "conv2d"):
        return given * prod(node.takes[1].shape[1:])
    if node.operation == "depthwise_conv2d":
        return given * prod(node.takes[1].shape[1:3])
    return given * node.takes[0].width if node.operation == "matmul" else 0
