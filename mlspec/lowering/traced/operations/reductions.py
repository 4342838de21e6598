"""Operations that make one number of several, and those that bring the numbers of an axis to one scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from mlspec.lowering import cannot
from mlspec.lowering.traced.capture import ROUTE
from mlspec.lowering.traced.layout import Absent, Laid, in_place, number, of_units, trailing, viewed
from mlspec.lowering.traced.operations.numbers import alone, as_float, combined
from mlspec.tensor import layers
from mlspec.tensor.program import Array, Program

STATISTICS = Absent("what a norm remembers of its rows")
Axes = int | Sequence[int] | None


def _asked(x: Laid, dim: Axes) -> list[int]:
    named = [dim] if isinstance(dim, int) else list(dim or range(len(x.axes)))
    return [x.axis(axis) for axis in named]


def averaged(program: Program, x: Laid, dim: Axes = None, *, keepdim: bool = False) -> Laid:
    """The mean over axes, wherever they lie."""
    gone, x = set(_asked(x, dim)), as_float(program, x)
    kept = [unit for unit in x.units if unit[0] not in gone]
    value = x.value
    if len(kept) < len(x.units):
        value, held = in_place(program, x, x.units)
        value = program.mean(value, [place for place, (axis, size) in enumerate(held, 1) if axis in gone], keep=not kept)
        value = program.reshape(value, *([size for _, size in kept] or [1]))
    found = of_units(value, kept, len(x.axes))
    return found if keepdim else _without(found, gone)


def _without(x: Laid, gone: set[int]) -> Laid:
    return Laid(x.value, x.sizes, tuple(places for axis, places in enumerate(x.axes) if axis not in gone))


def _mean(program: Program, x: Laid, *, dim: Axes = None, keepdim: bool = False) -> Laid:
    return averaged(program, x, dim, keepdim=keepdim)


def _sum(program: Program, x: Laid, *, dim: Axes = None, keepdim: bool = False) -> Laid:
    count = prod(x.shape[axis] for axis in _asked(x, dim))
    return combined(program, "mul", averaged(program, x, dim, keepdim=keepdim), float(count))


def _variance(program: Program, x: Laid, *, dim: Axes = None, correction: Any = 1, keepdim: bool = False) -> Laid:
    axes = _asked(x, dim)
    count = prod(x.shape[axis] for axis in axes)
    moved = combined(program, "sub", x, averaged(program, x, axes, keepdim=True))
    spread = averaged(program, combined(program, "mul", moved, moved), axes, keepdim=keepdim)
    lost = 1 if correction is None else correction
    return combined(program, "mul", spread, count / (count - lost)) if lost else spread


def _deviation(program: Program, x: Laid, *, dim: Axes = None, correction: Any = 1, keepdim: bool = False) -> Laid:
    return alone(program, "sqrt", _variance(program, x, dim=dim, correction=correction, keepdim=keepdim))


def largest(program: Program, x: Laid, dim: Axes = (), *, keepdim: bool = False) -> Laid:
    """The largest number over axes: that of one window, which all runtimes can find in 8 bits as well."""
    gone = _asked(x, dim)
    width = prod(x.shape[axis] for axis in gone)
    kept = [unit for unit in x.units if unit[0] not in gone]
    many = prod(size for _, size in kept)
    if x.order and [axis in gone for axis in x.order] == sorted((axis in gone for axis in x.order), reverse=True):
        value, shape, window = as_float(program, x).value, (width, 1, many), (width, 1)
    else:
        value, shape, window = trailing(program, as_float(program, x), gone)[0], (many, width, 1), (1, width)
    made = program.pool("max_pool", program.reshape(value, *shape), window)
    found = of_units(program.reshape(made, *([size for _, size in kept] or [1])), kept, len(x.axes))
    return found if keepdim else _without(found, set(gone))


def _least(program: Program, x: Laid, *, dim: Axes = (), keepdim: bool = False) -> Laid:
    turned = largest(program, combined(program, "mul", x, -1.0), dim, keepdim=keepdim)
    return combined(program, "mul", turned, -1.0)


def shares(program: Program, x: Laid, axis: int) -> Laid:
    """The softmax over an axis."""
    value, found, _ = trailing(program, as_float(program, x), [x.axis(axis)])
    return Laid(program.add("softmax", value), found.sizes, found.axes)


def _most(program: Program, x: Laid, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """The largest number, of all or along an axis; where it is has no form."""
    found = largest(program, x, () if dim is None else dim, keepdim=keepdim)
    return found if dim is None else (found, Absent("the place of the largest number"))


def _smallest(program: Program, x: Laid, *, dim: int | None = None, keepdim: bool = False) -> Any:
    found = _least(program, x, dim=() if dim is None else dim, keepdim=keepdim)
    return found if dim is None else (found, Absent("the place of the smallest number"))


def _softmax(program: Program, x: Laid, *, dim: int) -> Laid:
    return shares(program, x, dim)


def _log_softmax(program: Program, x: Laid, *, dim: int) -> Laid:
    return alone(program, "log", shares(program, x, dim))


def _layer_norm(
    program: Program, x: Laid, *, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Laid:
    axes = range(len(x.axes) - len(normalized_shape), len(x.axes))
    value, found, places = trailing(program, as_float(program, x), axes)
    factor, shift = (usual if one is None else _learned(one)[places] for one, usual in ((weight, 1.0), (bias, 0.0)))
    return Laid(layers.layer_norm(program, value, factor, shift, eps), found.sizes, found.axes)


def _learned(tensor: Any) -> Array:
    """The numbers of a norm, side by side."""
    if isinstance(tensor, Laid):
        raise cannot("a norm whose weights depend on the row has no form in tensor operations", ROUTE)
    return number(tensor).reshape(-1)


def _given(*tensors: Any) -> list[Array | None]:
    return [None if one is None else _learned(one) for one in tensors]


def _by_channel(program: Program, x: Laid, weight: Array | None, bias: Array | None) -> Laid:
    """Each channel, the second axis, times a weight and plus another; None is neither."""
    for operation, one in (("mul", weight), ("add", bias)):
        if one is not None:
            x = combined(program, operation, x, one.reshape(-1, *[1] * (len(x.axes) - 2)))
    return x


def _learned_norm(
    program: Program, x: Laid, *, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> tuple[Laid, Absent, Absent]:
    """Batch norm by what was learned: a factor and a shift for each channel. What comes beside it serves training only."""
    factor = (1.0 if weight is None else _learned(weight)) / np.sqrt(_learned(running_var) + eps)
    shift = (0.0 if bias is None else _learned(bias)) - _learned(running_mean) * factor
    return _by_channel(program, x, factor, shift), STATISTICS, STATISTICS


def _own_norm(
    program: Program, x: Laid, *, weight: Any = None, bias: Any = None, training: bool = True, eps: float = 1e-5
) -> tuple[Laid, Absent, Absent]:
    """Each channel brought to mean 0 and variance 1 by itself: what an instance norm becomes."""
    axes = [axis for axis in range(len(x.axes)) if axis != 1]
    spread = _variance(program, x, dim=axes, correction=0, keepdim=True)
    moved = combined(program, "sub", x, averaged(program, x, axes, keepdim=True))
    scaled = combined(program, "mul", moved, alone(program, "rsqrt", combined(program, "add", spread, eps)))
    return _by_channel(program, scaled, *_given(weight, bias)), STATISTICS, STATISTICS


def _group_norm(program: Program, x: Laid, *, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Laid:
    parts = viewed(program, x, (x.shape[0], num_groups, -1))
    normed = viewed(program, _layer_norm(program, parts, normalized_shape=parts.shape[2:], eps=eps), x.shape)
    return _by_channel(program, normed, *_given(weight, bias))


def _length(program: Program, x: Laid, *, p: Any = 2, dim: Axes = None, ord: Any = 2, keepdim: bool = False) -> Laid:  # noqa: A002
    if p != 2 or ord != 2:
        raise cannot("norms other than the Euclidean one have no form in tensor operations", ROUTE)
    return alone(program, "sqrt", _sum(program, combined(program, "mul", x, x), dim=dim, keepdim=keepdim))


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "mean": _mean,
    "sum": _sum,
    "var": _variance,
    "std": _deviation,
    "amax": lambda program, x, *, dim=(), keepdim=False: largest(program, x, dim, keepdim=keepdim),
    "amin": _least,
    "max": _most,
    "min": _smallest,
    "softmax": _softmax,
    "_softmax": _softmax,
    "log_softmax": _log_softmax,
    "_log_softmax": _log_softmax,
    "layer_norm": _layer_norm,
    "_native_batch_norm_legit_no_training": _learned_norm,
    "_native_batch_norm_legit": _own_norm,
    "group_norm": _group_norm,
    "linalg_vector_norm": _length,
}
