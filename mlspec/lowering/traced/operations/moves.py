"""Operations that move numbers: other shapes, orders of axes, parts of tensors, and tensors side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from mlspec.lowering import cannot
from mlspec.lowering.traced.capture import ROUTE
from mlspec.lowering.traced.layout import Laid, Unit, arranged, in_place, number, of_units, permuted, viewed
from mlspec.lowering.traced.operations.numbers import as_float, combined
from mlspec.tensor.program import Program


def whole(x: Laid, *axes: int) -> list[Unit]:
    """The parts of axes in the order in which they lie, some axes in one piece: where their first part is."""
    units: list[Unit] = []
    for one, size in x.units:
        if one not in axes:
            units.append((one, size))
        elif all(known != one for known, _ in units):
            units.append((one, x.shape[one]))
    return units


def raised(program: Program, tensor: Any) -> Laid:
    """A constant as a tensor that each row has: nothing, made of the row's first number, and the constant."""
    first = program.part(program.input, (0,), (1,))
    nothing = program.number(program.add("less", first, first))
    rank = len(tensor.shape)
    return combined(program, "add", Laid(nothing, (), ((),) * rank), tensor)


def _view(program: Program, x: Laid, *, size: Sequence[int]) -> Laid:
    return viewed(program, x, size)


def _reshape(program: Program, x: Laid, *, shape: Sequence[int]) -> Laid:
    return viewed(program, x, shape)


def _flatten(program: Program, x: Laid, *, start_dim: int = 0, end_dim: int = -1) -> Laid:
    first, last = x.axis(start_dim), x.axis(end_dim)
    return viewed(program, x, (*x.shape[:first], prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))


def _unflatten(program: Program, x: Laid, *, dim: int, sizes: Sequence[int]) -> Laid:
    axis, known = x.axis(dim), -prod(sizes)
    sizes = [x.shape[axis] // known if size == -1 else size for size in sizes]
    return viewed(program, x, (*x.shape[:axis], *sizes, *x.shape[axis + 1 :]))


def _permute(program: Program, x: Laid, *, dims: Sequence[int]) -> Laid:
    return permuted(x, dims)


def swapped(x: Laid, one: int, other: int) -> Laid:
    """Two axes in each other's place."""
    order = list(range(len(x.axes)))
    order[x.axis(one)], order[x.axis(other)] = x.axis(other), x.axis(one)
    return permuted(x, order)


def _transpose(program: Program, x: Laid, *, dim0: int, dim1: int) -> Laid:
    return swapped(x, dim0, dim1)


def _turn(program: Program, x: Laid) -> Laid:
    return swapped(x, 0, 1) if len(x.axes) > 1 else x


def _squeeze(program: Program, x: Laid, *, dim: int | Sequence[int] | None = None) -> Laid:
    asked = range(len(x.axes)) if dim is None else [dim] if isinstance(dim, int) else dim
    gone = {x.axis(one) for one in asked if x.shape[x.axis(one)] == 1}
    return Laid(x.value, x.sizes, tuple(places for axis, places in enumerate(x.axes) if axis not in gone))


def unsqueezed(x: Laid, axis: int) -> Laid:
    """A tensor with one axis more, of length 1."""
    place = axis % (len(x.axes) + 1)
    return Laid(x.value, x.sizes, (*x.axes[:place], (), *x.axes[place:]))


def part(program: Program, x: Laid, axis: int, begin: int, length: int) -> Laid:
    """So many places of an axis."""
    units = whole(x, axis)
    place = next((place for place, (one, _) in enumerate(units) if one == axis), None)
    if place is None or length == x.shape[axis]:
        return x
    behind = prod(size for _, size in units[place + 1 :])
    value = arranged(program, x, units)
    before = prod(size for _, size in units[:place])
    width = x.shape[axis] * behind
    value = program.reshape(value, *((before, width) if before > 1 else (width,)))
    begins, lengths = (begin * behind,), (length * behind,)
    taken = program.part(value, ((0, *begins) if before > 1 else begins), ((before, *lengths) if before > 1 else lengths))
    units[place] = (axis, length)
    return of_units(taken, units, len(x.axes))


def _slice(program: Program, x: Laid, *, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Laid:
    axis = x.axis(dim)
    places = range(x.shape[axis])[slice(start, end, step)]
    if not places:
        raise cannot("a part of a tensor that holds nothing has no form in tensor operations", ROUTE)
    if step == 1:
        return part(program, x, axis, places[0], len(places))
    return picked(program, x, axis, list(places))


def _select(program: Program, x: Laid, *, dim: int, index: int) -> Laid:
    axis = x.axis(dim)
    return _squeeze(program, part(program, x, axis, index % x.shape[axis], 1), dim=axis)


def _narrow(program: Program, x: Laid, *, dim: int, start: int, length: int) -> Laid:
    return part(program, x, x.axis(dim), start % x.shape[x.axis(dim)], length)


def picked(program: Program, x: Laid, axis: int, places: Sequence[int]) -> Laid:
    """Places of an axis, in any order, any number of times."""
    units = [*(unit for unit in x.units if unit[0] != axis), (axis, x.shape[axis])]
    value = program.columns(arranged(program, x, units), [place % x.shape[axis] for place in places])
    return of_units(value, [*units[:-1], (axis, len(places))], len(x.axes))


def _index_select(program: Program, x: Laid, *, dim: int, index: Any) -> Laid:
    return picked(program, x, x.axis(dim), _places(index))


def _index(program: Program, x: Laid, *, indices: Sequence[Any]) -> Laid:
    """One axis by a list of places that is no matter of the row."""
    asked = [(axis, index) for axis, index in enumerate(indices) if index is not None]
    if len(asked) != 1 or len(asked[0][1].shape) != 1:
        raise cannot("`aten.index` by more than one list of places has no form in tensor operations", ROUTE)
    return picked(program, x, asked[0][0], _places(asked[0][1]))


def _places(index: Any) -> list[int]:
    if isinstance(index, Laid):
        raise cannot("places that depend on the row have no form in tensor operations", ROUTE)
    array = number(index)
    return [int(place) for place in (np.flatnonzero(array) if array.dtype == bool else array)]


def _flip(program: Program, x: Laid, *, dims: Sequence[int]) -> Laid:
    for axis in dims:
        x = picked(program, x, x.axis(axis), list(range(x.shape[axis]))[::-1])
    return x


def _split(program: Program, x: Laid, *, split_size: Any, dim: int = 0) -> list[Laid]:
    axis = x.axis(dim)
    length = x.shape[axis]
    sizes = [min(split_size, length - at) for at in range(0, length, split_size)] if isinstance(split_size, int) else split_size
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    return [part(program, x, axis, start, size) for start, size in zip(starts, sizes, strict=True)]


def _split_sizes(program: Program, x: Laid, *, split_sizes: Sequence[int], dim: int = 0) -> list[Laid]:
    return _split(program, x, split_size=split_sizes, dim=dim)


def _chunk(program: Program, x: Laid, *, chunks: int, dim: int = 0) -> list[Laid]:
    return _split(program, x, split_size=-(-x.shape[x.axis(dim)] // chunks), dim=dim)


def _unbind(program: Program, x: Laid, *, dim: int = 0) -> list[Laid]:
    return [_select(program, x, dim=dim, index=place) for place in range(x.shape[x.axis(dim)])]


def joined(program: Program, parts: Sequence[Any], axis: int) -> Laid:
    """Tensors behind each other along an axis; what no tensor has to be moved for lies as the largest of them."""
    tensors = [one if isinstance(one, Laid) else raised(program, one) for one in parts]
    if any(one.value.type != "float32" for one in tensors):
        tensors = [as_float(program, one) for one in tensors]
    lead = max(tensors, key=lambda one: prod(one.shape))
    rank, axis = len(lead.axes), lead.axis(axis)
    units = whole(lead, axis)
    if all(one != axis for one, _ in units):
        units = sorted([*units, (axis, 1)]) if units == sorted(units) else [*units, (axis, 1)]
    place = [one for one, _ in units].index(axis)
    before, behind = (prod(size for _, size in side) for side in (units[:place], units[place + 1 :]))
    values = [arranged(program, one, [(at, one.shape[axis] if at == axis else size) for at, size in units]) for one in tensors]
    if behind > 1:
        widths = [one.shape[axis] * behind for one in tensors]
        shapes = [(before, width) if before > 1 else (width,) for width in widths]
        values = [program.reshape(value, *shape) for value, shape in zip(values, shapes, strict=True)]
    units[place] = (axis, sum(one.shape[axis] for one in tensors))
    return of_units(program.concat(values), units, rank)


def _cat(program: Program, tensors: Sequence[Any], *, dim: int = 0) -> Laid:
    return joined(program, [one for one in tensors if prod(one.shape)], dim)


def _stack(program: Program, tensors: Sequence[Any], *, dim: int = 0) -> Laid:
    wide = [unsqueezed(one, dim) if isinstance(one, Laid) else one.unsqueeze(dim) for one in tensors]
    return joined(program, wide, dim)


def _repeat(program: Program, x: Laid, *, repeats: Sequence[int]) -> Laid:
    while len(x.axes) < len(repeats):
        x = unsqueezed(x, 0)
    for axis, times in enumerate(repeats):
        if times > 1:
            x = joined(program, [x] * times, axis)
    return x


def expanded(program: Program, x: Any, shape: Sequence[int]) -> Any:
    """A tensor whose axes of length 1 are repeated: what combines it with others need not do that, but nothing else can."""
    if not isinstance(x, Laid):
        return x.expand(*shape)
    more = len(shape) - len(x.axes)
    now = (1,) * more + x.shape
    wanted = tuple(old if new == -1 else new for old, new in zip(now, shape, strict=True))
    if wanted == now:
        return Laid(x.value, x.sizes, ((),) * more + x.axes)
    return combined(program, "mul", x, np.ones(wanted))


def _expand(program: Program, x: Laid, *, size: Sequence[int]) -> Any:
    return expanded(program, x, size)


def _expand_as(program: Program, x: Any, *, other: Any) -> Any:
    return expanded(program, x, other.shape)


def _full(program: Program, x: Laid, *, fill_value: float = 0.0, size: Sequence[int] | None = None) -> Any:
    """A constant as large as a tensor, or of a size of its own."""
    import torch

    return torch.full(tuple(x.shape if size is None else size), fill_value)


def padded(program: Program, x: Laid, around: Mapping[int, tuple[int, int]], filled: float = 0.0) -> Laid:
    """Put a number around a tensor: how many before, and how many behind, by axis."""
    grown = [axis for axis, ends in around.items() if any(ends)]
    units = whole(x, *grown)
    units += [(axis, 1) for axis in grown if x.shape[axis] == 1]
    value, held = in_place(program, as_float(program, x), units)
    ends = [around.get(axis, (0, 0)) for axis, _ in held]
    sizes = [(axis, size + sum(more)) for (axis, size), more in zip(held, ends, strict=True)]
    found = of_units(program.pad(value, ends), sizes, len(x.axes))
    if filled == 0:
        return found
    outside = np.pad(np.zeros(x.shape), [around.get(axis, (0, 0)) for axis in range(len(x.axes))], constant_values=filled)
    return combined(program, "add", found, outside)


def _unfold(program: Program, x: Laid, *, dimension: int, size: int, step: int) -> Laid:
    """Windows of an axis; the places in a window are a new axis, the last."""
    axis = x.axis(dimension)
    count = (x.shape[axis] - size) // step + 1
    taken = picked(program, x, axis, [first * step + place for first in range(count) for place in range(size)])
    apart = viewed(program, taken, (*x.shape[:axis], count, size, *x.shape[axis + 1 :]))
    return permuted(apart, [one for one in range(len(apart.axes)) if one != axis + 1] + [axis + 1])


BORDERS: Mapping[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""What PyTorch calls a border, and what NumPy does."""


def _pad(program: Program, x: Laid, *, pad: Sequence[int], value: float | None = 0.0, mode: str = "constant") -> Laid:
    rank = len(x.axes)
    around = {rank - 1 - place: (pad[2 * place], pad[2 * place + 1]) for place in range(len(pad) // 2)}
    if mode != "constant":
        for axis, ends in around.items():
            x = picked(program, x, axis, [int(one) for one in np.pad(np.arange(x.shape[axis]), ends, mode=BORDERS[mode])])
        return x
    for axis, ends in around.items():
        if min(ends) < 0:
            before, behind = (max(-one, 0) for one in ends)
            x = part(program, x, axis, before, x.shape[axis] - before - behind)
            around[axis] = (max(ends[0], 0), max(ends[1], 0))
    return padded(program, x, around, value or 0.0)


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "view": _view,
    "_unsafe_view": _view,
    "reshape": _reshape,
    "flatten": _flatten,
    "unflatten": _unflatten,
    "permute": _permute,
    "transpose": _transpose,
    "t": _turn,
    "numpy_T": _turn,
    "squeeze": _squeeze,
    "unsqueeze": lambda program, x, *, dim: unsqueezed(x, dim),
    "slice": _slice,
    "select": _select,
    "narrow": _narrow,
    "index_select": _index_select,
    "index": _index,
    "flip": _flip,
    "split": _split,
    "split_with_sizes": _split_sizes,
    "chunk": _chunk,
    "unbind": _unbind,
    "cat": _cat,
    "stack": _stack,
    "repeat": _repeat,
    "expand": _expand,
    "expand_as": _expand_as,
    **dict.fromkeys(("full_like", "zeros_like", "new_full", "new_zeros"), _full),
    **dict.fromkeys(("ones_like", "new_ones"), lambda program, x, *, size=None: _full(program, x, fill_value=1.0, size=size)),
    "copy": lambda program, x, *, src: expanded(program, src, x.shape),
    "unfold": _unfold,
    "pad": _pad,
    "constant_pad_nd": _pad,
}
