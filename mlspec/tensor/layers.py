"""Layers of neural networks in a program's operations: recurrent ones step by step, attention, and what stands around it.

Formulae, the order of gates and the shapes of weights are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlspec.tensor.program import Program, Value


def _gated(program: Program, x: Value, weights: Any, bias: Any, order: Sequence[int]) -> list[Value]:
    """What the input of each time step adds to the gates: (rows, gates × hidden) for each. All steps are multiplied at once."""
    steps = x.shape[1]
    made = program.dense(x, _ordered(weights, order), _ordered(bias, order))
    flat = program.reshape(made, steps * made.width)
    return [program.part(flat, (step * made.width,), (made.width,)) for step in range(steps)]


def _ordered(weights: Any, order: Sequence[int]) -> Any:
    """Gates in another order: neighbours that go through the same function go through it together."""
    numbers = np.asarray(weights, dtype=np.float64)
    return np.concatenate([np.split(numbers, len(order))[gate] for gate in order])


def _split(program: Program, gates: Value, hidden: int) -> list[Value]:
    return [program.part(gates, (start,), (hidden,)) for start in range(0, gates.width, hidden)]


def lstm(
    program: Program, x: Value, w_ih: Any, w_hh: Any, b_ih: Any = 0.0, b_hh: Any = 0.0, *, go_backwards: bool = False
) -> list[Value]:
    """Return the hidden state (rows, hidden) after each time step of `x` (rows, steps, features), from nothing on.

    `w_ih` is (4 hidden, features), `w_hh` (4 hidden, hidden), both biases (4 hidden,), the gates in, forget, cell, out. States
    stand in the order of time; with `go_backwards` the last step comes first, so that the final state is the first of them.
    """
    hidden = np.shape(w_hh)[1]
    order = (0, 1, 3, 2)  # the three that are shares lie together
    bias = np.broadcast_to(np.asarray(b_ih, dtype=np.float64) + b_hh, (4 * hidden,))
    h: Value | None = None
    c: Value | None = None
    states = []
    for gates in _turned(_gated(program, x, w_ih, bias, order), go_backwards):
        if h is not None:
            gates = program.add("add", gates, program.dense(h, _ordered(w_hh, order)))
        shares = program.add("sigmoid", program.part(gates, (0,), (3 * hidden,)))
        taken, kept, given = _split(program, shares, hidden)
        new = program.add("mul", taken, program.add("tanh", program.part(gates, (3 * hidden,), (hidden,))))
        c = new if c is None else program.add("add", program.add("mul", kept, c), new)
        h = program.add("mul", given, program.add("tanh", c))
        states.append(h)
    return _turned(states, go_backwards)


def gru(
    program: Program, x: Value, w_ih: Any, w_hh: Any, b_ih: Any = 0.0, b_hh: Any = 0.0, *, go_backwards: bool = False
) -> list[Value]:
    """Return the hidden state (rows, hidden) after each time step of `x` (rows, steps, features), from nothing on.

    `w_ih` is (3 hidden, features), `w_hh` (3 hidden, hidden), both biases (3 hidden,), the gates reset, update, new; the reset
    gate is applied after the multiplication. States stand in the order of time, see `lstm`.
    """
    hidden = np.shape(w_hh)[1]
    inner, outer = (np.broadcast_to(np.asarray(one, dtype=np.float64), (3 * hidden,)) for one in (b_hh, b_ih))
    # what is added to both shares can be added once; what the reset gate scales cannot
    together = outer + np.concatenate([inner[: 2 * hidden], np.zeros(hidden)])
    h: Value | None = None
    states = []
    for gates in _turned(_gated(program, x, w_ih, together, (0, 1, 2)), go_backwards):
        shares, new = program.part(gates, (0,), (2 * hidden,)), program.part(gates, (2 * hidden,), (hidden,))
        if h is None:
            remembered = program.row(inner[2 * hidden :])
        else:
            seen = program.dense(h, w_hh, np.concatenate([np.zeros(2 * hidden), inner[2 * hidden :]]))
            shares = program.add("add", shares, program.part(seen, (0,), (2 * hidden,)))
            remembered = program.part(seen, (2 * hidden,), (hidden,))
        reset, kept = _split(program, program.add("sigmoid", shares), hidden)
        n = program.add("tanh", program.add("add", new, program.add("mul", reset, remembered)))
        # (1 - kept) n + kept h
        h = program.add("sub", n, program.add("mul", kept, n if h is None else program.add("sub", n, h)))
        states.append(h)
    return _turned(states, go_backwards)


def _turned(steps: list[Value], turn: bool) -> list[Value]:
    return steps[::-1] if turn else steps


def sequence(program: Program, states: Sequence[Value]) -> Value:
    """States (rows, hidden) of each time step as one value (rows, steps, hidden)."""
    return program.reshape(program.concat(states), len(states), states[0].width)


def layer_norm(program: Program, x: Value, weight: Any = 1.0, bias: Any = 0.0, eps: float = 1e-5) -> Value:
    """Each place's numbers (the last axis) moved to mean 0 and scaled to variance 1, then `* weight + bias`."""
    moved = program.add("sub", x, program.mean(x, (-1,), keep=True))
    spread = program.mean(program.add("mul", moved, moved), (-1,), keep=True)
    scaled = program.add("mul", moved, program.add("rsqrt", program.add("add", spread, _numbers(program, eps, 1))))
    factor, shift = np.asarray(weight, dtype=np.float64), np.asarray(bias, dtype=np.float64)
    if (factor != 1).any():
        scaled = program.add("mul", scaled, _numbers(program, factor, x.width))
    return program.add("add", scaled, _numbers(program, shift, x.width)) if shift.any() else scaled


def _numbers(program: Program, numbers: Any, width: int) -> Value:
    """Numbers for the last axis, to be combined with a value of any rank."""
    return program.constant(np.broadcast_to(np.asarray(numbers, dtype=np.float64), (width,)))


def attention(
    program: Program,
    x: Value,
    in_weight: Any,
    in_bias: Any,
    out_weight: Any,
    out_bias: Any,
    heads: int,
    context: Value | None = None,
) -> Value:
    """What each place of `x` (rows, places, width) takes from all places of `context`, or of itself, with several heads.

    `in_weight` is (3 width, width): queries, keys, values; `out_weight` (width, width). The scale of the scores is part of the
    queries' weights: one multiplication less, and scores go to the softmax as they are.
    """
    source = x if context is None else context
    size = x.width // heads
    weights = np.split(np.asarray(in_weight, dtype=np.float64), 3)
    biases = np.split(np.broadcast_to(np.asarray(in_bias, dtype=np.float64), (3 * x.width,)), 3)
    scale = size**-0.5
    queries = _heads(program, program.dense(x, weights[0] * scale, biases[0] * scale), heads)
    keys, values = (_heads(program, program.dense(source, weights[one], biases[one]), heads) for one in (1, 2))
    shares = program.add("softmax", program.matmul(queries, keys, transposed=True))
    seen = program.transpose(program.matmul(shares, values), 0, 2, 1, 3)
    return program.dense(program.reshape(seen, x.shape[1], x.width), out_weight, out_bias)


def _heads(program: Program, x: Value, heads: int) -> Value:
    """(rows, places, width) as (rows, heads, places, width / heads)."""
    apart = program.reshape(x, x.shape[1], heads, x.width // heads)
    return program.transpose(apart, 0, 2, 1, 3)


ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
"""The error function to 1.5e-7 (Abramowitz and Stegun, 7.1.26): no runtime for microcontrollers has it."""


def gelu(program: Program, x: Value, *, tanh: bool = False) -> Value:
    """`x` times the share of a normal distribution below it; with `tanh` PyTorch's approximation of that, which is 5e-4 off."""

    def of(operation: str, one: Value, number: float) -> Value:
        return program.add(operation, one, _numbers(program, number, 1))

    if tanh:
        cube = program.add("mul", x, program.add("mul", x, x))
        bent = program.add("tanh", of("mul", program.add("add", x, of("mul", cube, 0.044715)), np.sqrt(2 / np.pi)))
        return program.add("mul", of("mul", x, 0.5), of("add", bent, 1.0))
    size = program.add("abs", x)
    t = program.add("div", _numbers(program, 1.0, 1), of("add", of("mul", size, 0.3275911 * 0.5**0.5), 1.0))
    polynomial = of("mul", t, ERF[-1])
    for factor in ERF[-2::-1]:
        polynomial = program.add("mul", t, of("add", polynomial, factor))
    tail = program.add("mul", polynomial, program.add("exp", of("mul", program.add("mul", x, x), -0.5)))
    # x (1 + erf(x / √2)) / 2, and x times the sign of x is its size
    return of("mul", program.add("add", x, program.add("sub", size, program.add("mul", size, tail))), 0.5)
