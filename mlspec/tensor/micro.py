"""A program in the operators that TensorFlow Lite Micro has, where it has fewer of them than LiteRT.

Measured with the package tflite-micro, which runs its kernels: GATHER and SELECT_V2 know no int32, and CONCATENATION takes ten
parts. Trees need the first (their nodes are numbered), models of many columns the last.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlspec.tensor.program import Node, Program, Value

PARTS = 10
"""How many values CONCATENATION takes at once."""

WHOLE = 2**24
"""Float32 holds each whole number up to here, and so do the tables that are read as float32."""

MOVES = {"columns": (0,), "lookup": (0,), "pick": (0,), "where": (1, 2)}
"""Operations that only move numbers, whose kernels have float32 and no int32, and which of what they take they move."""


def within(program: Program) -> Program:
    """Return the program with whole numbers moved as float32, and values put side by side ten at a time."""

    def write(made: Program, node: Node, takes: Sequence[Value]) -> Value:
        if node.operation == "concat":
            return _side_by_side(made, takes)
        moved = _moved(program, node)
        taken = [made.number(one) if place in moved else one for place, one in enumerate(takes)]
        value = made.add(node.operation, *taken, **node.settings)
        return made.add("cast", value, type="int32") if moved else value

    return program.rewritten(write)


def _moved(program: Program, node: Node) -> Sequence[int]:
    """The places of what an operation moves, where those are whole numbers (and none is too large for float32)."""
    places = MOVES.get(node.operation, ())
    taken = [node.takes[place] for place in places]
    if not taken or taken[-1].type != "int32":
        return ()
    held = [program.constants[one.index] for one in taken if one.index in program.constants]
    return places if all(np.abs(one).max(initial=0) <= WHOLE for one in held) else ()


def _side_by_side(program: Program, parts: Sequence[Value]) -> Value:
    """Ten at a time, and then the results: what is moved is the same."""
    while len(parts) > PARTS:
        parts = [program.concat(parts[at : at + PARTS]) for at in range(0, len(parts), PARTS)]
    return program.concat(parts)
