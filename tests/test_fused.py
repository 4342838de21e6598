"""Operations that a layer can do by itself: what is left of a program, and that it means the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlspec.tensor.fused import fused
from mlspec.tensor.program import Program, Value, run

IMAGE = (6, 5, 3)
KERNEL, DEEP, WEIGHTS = (np.random.default_rng(1).normal(size=shape) for shape in ((4, 3, 3, 3), (1, 3, 3, 3), (4, 3)))
EACH = np.arange(1.0, 5.0)

Build = Callable[[Program, Value], Value]


def numbers(program: Program, *array: float) -> Value:
    return program.constant(array)


def padded(program: Program, x: Value) -> Value:
    return program.pad(x, ((1, 1), (1, 1), (0, 0)))


def twice(p: Program, x: Value) -> Value:
    """A layer that two operations read from."""
    y = p.conv2d(x, KERNEL)
    return p.concat([p.add("relu", y), p.add("mul", y, numbers(p, 2.0))])


PROGRAMS: dict[str, tuple[Build, list[str]]] = {
    "batch norm and relu": (lambda p, x: p.add("relu", p.add("add", p.add("mul", p.conv2d(x, KERNEL), numbers(p, *EACH)), numbers(p, *EACH))), ["conv2d"]),
    "of single channels": (lambda p, x: p.add("relu6", p.add("sub", p.add("div", p.depthwise_conv2d(x, DEEP, [1, 2, 3]), numbers(p, 1, 2, 3)), numbers(p, 0.5))), ["depthwise_conv2d"]),
    "of a dense layer": (lambda p, x: p.add("relu", p.add("mul", p.dense(x, WEIGHTS, EACH), numbers(p, *EACH))), ["dense_each"]),
    "relu6 of a dense layer stays": (lambda p, x: p.add("relu6", p.dense(x, WEIGHTS)), ["dense_each", "relu6"]),
    "nothing behind an activation": (lambda p, x: p.add("mul", p.conv2d(x, KERNEL, activation="relu"), numbers(p, *EACH)), ["conv2d", "mul"]),
    "one number for each place stays": (lambda p, x: p.add("mul", p.conv2d(x, KERNEL), p.constant(np.ones((6, 5, 1)) * 2)), ["conv2d", "mul"]),
    "what another one reads stays": (twice, ["conv2d", "relu", "mul", "concat"]),
    "zeros of same": (lambda p, x: p.conv2d(padded(p, x), KERNEL, 0.0, (1, 1), "valid"), ["conv2d"]),
    "zeros that same has at the other end stay": (lambda p, x: p.conv2d(padded(p, x), KERNEL, 0.0, (2, 2), "valid"), ["pad", "conv2d"]),
    "nothing is added": (lambda p, x: p.add("sub", p.add("mul", p.add("exp", x), numbers(p, 1.0)), numbers(p, 0.0, 0.0, 0.0)), ["exp"]),
    "a larger shape stays": (lambda p, x: p.add("add", p.part(x, (0, 0, 0), (6, 5, 1)), numbers(p, 0.0, 0.0, 0.0)), ["slice", "add"]),
    "computed twice": (lambda p, x: p.add("add", p.add("exp", x), p.add("exp", x)), ["exp", "add"]),
    "shares of logarithms of shares": (lambda p, x: p.add("softmax", p.add("log", p.add("softmax", x))), ["softmax"]),
    "a shape after another": (lambda p, x: p.reshape(p.reshape(x, 30, 3), 15, 6), []),
    "what nothing depends on": (lambda p, x: (p.add("exp", x), p.add("abs", x))[1], ["abs"]),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_fewer_operations_mean_the_same(name: str) -> None:
    build, left = PROGRAMS[name]
    program = Program(int(np.prod(IMAGE)))
    program.output = build(program, program.reshape(program.input, *IMAGE))
    rows: Any = np.random.default_rng(2).normal(size=(3, program.width)).astype(np.float32)
    made = fused(program)
    assert [node.operation for node in made.nodes if node.operation != "reshape"] == left
    np.testing.assert_allclose(run(made, rows), run(program, rows), rtol=1e-5, atol=1e-5)


def test_a_program_can_follow_another() -> None:
    first, second = Program(2), Program(3)
    first.output = first.dense(first.input, [[1, 2], [3, 4], [5, 6]])
    second.output = second.add("exp", second.input)
    first.output = first.followed(second, first.output)
    np.testing.assert_allclose(run(first, np.array([[1.0, -1.0]])), np.exp([[-1.0, -1.0, -1.0]]))
