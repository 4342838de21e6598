"""How the values of a program hold the tensors of a captured graph: PyTorch has channels first, a program has them last.

Nothing is moved until an operation asks for an order of axes. Views, permutations and axes of length 1 are bookkeeping, so that
those of a module which turns images around, convolves them and turns them back cancel out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from math import prod
from typing import Any

import numpy as np

from mlspec.tensor.program import Array, Program, Value

Unit = tuple[int, int]
"""An axis of a tensor, and the length of a part of it: an axis of 6 is one unit, or two of 2 and 3."""


NO_UNIT: Unit = (-1, 1)
"""An axis of length 1 that a value has, and no tensor needs."""


@dataclass(frozen=True, slots=True)
class Laid:
    """A tensor of one row, and the value that holds its numbers.

    Read in its order, `value` is an array of `sizes` (none of them 1), whatever its own shape. Each axis of the tensor is made of
    some of these, in their order, the last one changing fastest: `axes` has their places; an axis of length 1 has none.
    """

    value: Value
    sizes: tuple[int, ...]
    axes: tuple[tuple[int, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(prod(self.sizes[place] for place in axis) for axis in self.axes)

    @property
    def order(self) -> tuple[int, ...]:
        """The axis that each of `sizes` belongs to."""
        owner = {place: axis for axis, places in enumerate(self.axes) for place in places}
        return tuple(owner[place] for place in range(len(self.sizes)))

    @property
    def units(self) -> list[Unit]:
        return list(zip(self.order, self.sizes, strict=True))

    def axis(self, number: int) -> int:
        """An axis, which may be counted from the end."""
        return number % len(self.axes) if self.axes else 0


@dataclass(frozen=True, slots=True)
class Absent:
    """A result of an operation that has no form; it does not matter until something asks for it."""

    name: str


def laid(value: Value, order: Sequence[int], rank: int) -> Laid:
    """Return a tensor of `rank` axes whose value has the axis `order[i]` at its place i, rows not counted; the others are 1."""
    return of_units(value, list(zip(order, value.shape[1:], strict=True)), rank)


def of_units(value: Value, units: Iterable[Unit], rank: int) -> Laid:
    """Return a tensor of `rank` axes whose value has these parts of axes in its order."""
    kept = [unit for unit in units if unit[1] != 1]
    joined: list[Unit] = []
    for axis, size in kept:
        if joined and joined[-1][0] == axis:
            joined[-1] = (axis, joined[-1][1] * size)
        else:
            joined.append((axis, size))
    axes = tuple(tuple(place for place, (one, _) in enumerate(joined) if one == axis) for axis in range(rank))
    return Laid(value, tuple(size for _, size in joined), axes)


def natural(program: Program, x: Laid) -> Laid:
    """Return the tensor with its numbers in its own order."""
    units = [(axis, size) for axis, size in enumerate(x.shape) if size != 1]
    return of_units(arranged(program, x, units), units, len(x.axes))


def permuted(x: Laid, order: Sequence[int]) -> Laid:
    """Return the tensor with its axes in another order."""
    return replace(x, axes=tuple(x.axes[x.axis(axis)] for axis in order))


def viewed(program: Program, x: Laid, shape: Sequence[int]) -> Laid:
    """Return the tensor in another shape: nothing happens where the new axes are made of whole parts of the old ones."""
    lengths = list(shape)
    if -1 in lengths:
        known = prod(size for size in lengths if size != -1)
        lengths[lengths.index(-1)] = prod(x.shape) // known if known else 0
    flat = Laid(x.value, x.sizes, (tuple(place for axis in x.axes for place in axis),))
    cut = _cut(flat, [[size for size in lengths if size != 1]])
    if cut is None:
        whole = natural(program, x)
        return laid(program.reshape(whole.value, *lengths), range(len(lengths)), len(lengths))
    places, axes = list(cut.axes[0]), []
    for size in lengths:
        here: list[int] = []
        while prod(cut.sizes[place] for place in here) < size:
            here.append(places.pop(0))
        axes.append(tuple(here))
    return replace(cut, axes=tuple(axes))


def arranged(program: Program, x: Laid, units: Sequence[Unit]) -> Value:
    """Return the numbers as a value of (rows, *sizes of the units): the parts of all axes, in the order wanted."""
    cut = _cut(x, [[size for one, size in units if one == axis] for axis in range(len(x.axes))])
    if cut is None:
        cut = _cut(natural(program, x), [[size for one, size in units if one == axis] for axis in range(len(x.axes))])
        assert cut is not None, "a whole axis can be cut at will"
    left = [list(places) for places in cut.axes]
    wanted: list[int] = []
    for axis, size in units:
        taken: list[int] = []
        while prod(cut.sizes[place] for place in taken) < size:
            taken.append(left[axis].pop(0))
        wanted += taken
    assert not any(left), f"units {units} do not name all of {x.shape}"
    turned = _turned(program, cut, wanted)
    return program.reshape(turned, *(size for _, size in units))


def in_place(program: Program, x: Laid, units: Sequence[Unit]) -> tuple[Value, list[Unit]]:
    """Return a value of the units and the unit of each of its axes: its own shape is kept, where only axes of 1 are more."""
    own = x.value.shape[1:]
    if list(units) != x.units or [size for size in own if size != 1] != list(x.sizes):
        return arranged(program, x, units), list(units)
    left = iter(units)
    return x.value, [next(left) if size != 1 else NO_UNIT for size in own]


def _turned(program: Program, x: Laid, wanted: Sequence[int]) -> Value:
    """The numbers with `sizes` in another order; those that stay neighbours move as one axis, so that there are few."""
    if list(wanted) == sorted(wanted):
        return x.value
    runs = [[place for _, place in run] for _, run in groupby(enumerate(wanted), key=lambda one: one[1] - one[0])]
    old = sorted(runs)
    together = program.reshape(x.value, *(prod(x.sizes[place] for place in run) for run in old))
    return program.transpose(together, 0, *(old.index(run) + 1 for run in runs))


def _cut(x: Laid, wanted: Sequence[Sequence[int]]) -> Laid | None:
    """Cut `sizes` so that each of the wanted lengths of an axis is made of whole ones; None where that cannot be."""
    pieces: dict[int, list[int]] = {}
    for places, lengths in zip(x.axes, wanted, strict=True):
        cuts = {prod(lengths[at:]) for at in range(len(lengths))}
        stride = 1
        for place in reversed(places):
            end = stride * x.sizes[place]
            inside = sorted(cut for cut in cuts if stride < cut < end)
            bounds = [stride, *inside, end]
            if any(upper % lower for lower, upper in pairwise(bounds)):
                return None
            pieces[place] = [upper // lower for lower, upper in pairwise(bounds)][::-1]
            stride = end
    starts: dict[int, int] = {}
    sizes: list[int] = []
    for place in range(len(x.sizes)):
        starts[place] = len(sizes)
        sizes += pieces[place]
    axes = tuple(tuple(starts[place] + one for place in places for one in range(len(pieces[place]))) for places in x.axes)
    return Laid(x.value, tuple(sizes), axes)


def trailing(program: Program, x: Laid, inner: Sequence[int]) -> tuple[Value, Laid, Array]:
    """Return a value of (rows, …, n) whose last axis holds some axes of a tensor, n numbers.

    Also how that lies, and the places of these n numbers in the tensor's own order: whoever has a weight for each can put the
    weights into the order of the numbers, and leave the numbers alone.
    """
    mine = [place for axis in inner for place in x.axes[axis]]
    outer = [place for place in range(len(x.sizes)) if place not in mine]
    width = prod(x.sizes[place] for place in mine)
    if outer + sorted(mine) == list(range(len(x.sizes))):
        value, units, last = x.value, x.units, sorted(mine)
    else:
        last = mine
        value = _turned(program, x, [*outer, *mine])
        units = [x.units[place] for place in (*outer, *mine)]
    length = prod(x.sizes[place] for place in outer)
    if value.shape[-1] != width or (length == 1) != (len(value.shape) == 2):
        value = program.reshape(value, *((length, width) if length > 1 else (width,)))
    numbers = np.arange(width).reshape([x.sizes[place] for place in mine])
    places = numbers.transpose([mine.index(place) for place in last]).reshape(-1)
    return value, of_units(value, units, len(x.axes)), places


def constant(array: Array, shape: Sequence[int], units: Sequence[Unit]) -> Array:
    """Return numbers that a tensor of `shape` is combined with in the order of the tensor's units: axes of length 1 stay so."""
    aligned = np.asarray(array).reshape((1,) * (len(shape) - np.ndim(array)) + np.shape(array))
    by_axis = [[place for place, (one, _) in enumerate(units) if one == axis] for axis in range(len(shape))]
    sizes = [[units[place][1] if aligned.shape[axis] != 1 else 1 for place in places] for axis, places in enumerate(by_axis)]
    parts = aligned.reshape([size for one in sizes for size in one])
    places = [place for one in by_axis for place in one]
    return parts.transpose([places.index(place) for place in range(len(units))])


def lowest(array: Array) -> Array:
    """Return an array without the leading axes of length 1, down to one axis."""
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    return array.reshape(1) if array.ndim == 0 else array


def number(tensor: Any) -> Array:
    """Return a tensor of PyTorch as an array: truth values as they are, all else as float64."""
    found: Array = np.asarray(tensor.detach().cpu().numpy())
    return found if found.dtype == bool else found.astype(np.float64)
