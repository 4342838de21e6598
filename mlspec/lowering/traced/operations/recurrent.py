"""Recurrent layers, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from mlspec.lowering import cannot
from mlspec.lowering.traced.capture import ROUTE
from mlspec.lowering.traced.layout import Absent, Laid, arranged, number, of_units
from mlspec.lowering.traced.operations.numbers import as_float
from mlspec.tensor import layers
from mlspec.tensor.program import Program, Value

Cell = Callable[..., list[Value]]


def _recurrent(
    cell: Cell,
    program: Program,
    x: Laid,
    *,
    hx: Any,
    params: Sequence[Any],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Laid, Laid, Absent]:
    """What each step gives, and the last states: (layers × directions, 1, hidden)."""
    starts = hx if isinstance(hx, list | tuple) else [hx]
    if any(isinstance(one, Laid) or number(one).any() for one in starts):
        raise cannot("a recurrent layer whose first state is not zero has no form in tensor operations", ROUTE)
    time = 1 if batch_first else 0
    if len(x.axes) != 3 or x.shape[1 - time] != 1:
        raise cannot("a recurrent layer over more than one series at once has no form in tensor operations", ROUTE)
    value = program.reshape(arranged(program, as_float(program, x), _series(x, time)), x.shape[time], x.shape[2])
    weights = [number(one) for one in params]
    count, last = 4 if has_biases else 2, []
    for _ in range(num_layers):
        ways = []
        for backwards in (False, True) if bidirectional else (False,):
            own, weights = weights[:count], weights[count:]
            states = cell(program, value, *own, go_backwards=backwards)
            last.append(states[0] if backwards else states[-1])
            ways.append(layers.sequence(program, states))
        value = program.concat(ways)
    given = of_units(value, [(time, value.shape[1]), (2, value.shape[2])], 3)
    final = of_units(program.concat(last), [(0, len(last)), (2, last[0].width)], 3)
    return given, final, Absent("the state of an LSTM's cells after the last step")


def _series(x: Laid, time: int) -> list[tuple[int, int]]:
    return [(axis, x.shape[axis]) for axis in (time, 2) if x.shape[axis] != 1]


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "lstm": partial(_recurrent, layers.lstm),
    "gru": partial(_recurrent, layers.gru),
}
