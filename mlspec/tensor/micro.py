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
    made = Program(program.width)
    now: dict[int, Value] = {0: made.input}
    for node in program.needed:
        moved = _moved(program, node)
        takes = [_taken(program, made, now, one, place in moved) for place, one in enumerate(node.takes)]
        if node.operation == "concat":
            now[node.gives.index] = _side_by_side(made, takes)
            continue
        value = made.add(node.operation, *takes, **node.settings)
        now[node.gives.index] = made.add("cast", value, type="int32") if moved else value
    assert program.output is not None
    made.output = now[program.output.index]
    return made


def _moved(program: Program, node: Node) -> Sequence[int]:
    """The places of what an operation moves, where those are whole numbers (and none is too large for float32)."""
    places = MOVES.get(node.operation, ())
    taken = [node.takes[place] for place in places]
    if not taken or taken[-1].type != "int32":
        return ()
    held = [program.constants[one.index] for one in taken if one.index in program.constants]
    return places if all(np.abs(one).max(initial=0) <= WHOLE for one in held) else ()


def _taken(program: Program, made: Program, now: dict[int, Value], value: Value, as_float: bool) -> Value:
    if value.index in program.constants:
        return made.constant(program.constants[value.index], "float32" if as_float else value.type)
    return made.add("cast", now[value.index], type="float32") if as_float else now[value.index]


def _side_by_side(program: Program, parts: Sequence[Value]) -> Value:
    """Ten at a time, and then the results: what is moved is the same."""
    while len(parts) > PARTS:
        parts = [program.concat(parts[at : at + PARTS]) for at in range(0, len(parts), PARTS)]
    return program.concat(parts)
