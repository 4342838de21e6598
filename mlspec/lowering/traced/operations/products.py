"""Sums of products: dense layers, matrices, attention, and tables that are read by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

from mlspec.lowering import cannot
from mlspec.lowering.traced.capture import ROUTE
from mlspec.lowering.traced.layout import Laid, arranged, number, of_units, trailing
from mlspec.lowering.traced.operations.moves import expanded, raised, swapped, unsqueezed
from mlspec.lowering.traced.operations.numbers import as_float, combined
from mlspec.lowering.traced.operations.reductions import shares
from mlspec.tensor.program import Array, Program


def multiplied(program: Program, x: Laid, axis: int, weights: Array, bias: Array | float = 0.0) -> Laid:
    """Each place's numbers along an axis times weights (outputs, inputs): the axis has the outputs then."""
    axis = x.axis(axis)
    value, found, places = trailing(program, as_float(program, x), [axis])
    made = program.dense(value, weights[:, places], bias)
    outer = [unit for unit in found.units if unit[0] != axis]
    return of_units(made, [*outer, (axis, len(weights))], len(x.axes))


def _linear(program: Program, x: Any, *, weight: Any, bias: Any = None) -> Laid:
    if isinstance(weight, Laid):
        made = _matmul(program, x, other=swapped(weight, 0, 1))
        return made if bias is None else combined(program, "add", made, bias)
    if isinstance(bias, Laid):
        return combined(program, "add", multiplied(program, x, -1, number(weight)), bias)
    return multiplied(program, x, -1, number(weight), 0.0 if bias is None else number(bias))


def _matmul(program: Program, x: Any, *, other: Any) -> Laid:
    """The last two axes as matrices, all before them as many; a constant matrix is a dense layer."""
    if isinstance(other, Laid) and len(other.axes) == 1:
        made = _matmul(program, x, other=unsqueezed(other, 1))
        return Laid(made.value, made.sizes, made.axes[:-1])
    if isinstance(x, Laid) and len(x.axes) == 1:
        made = _matmul(program, unsqueezed(x, 0), other=other)
        return Laid(made.value, made.sizes, (*made.axes[:-2], made.axes[-1]))
    if not isinstance(other, Laid) and prod(other.shape[:-2]) == 1 and len(other.shape) <= len(x.axes):
        array = number(other)
        weights = array.reshape(1, -1) if array.ndim == 1 else array.reshape(array.shape[-2:]).T
        made = multiplied(program, x, -1, weights)
        return Laid(made.value, made.sizes, made.axes[:-1]) if array.ndim == 1 else made
    if not isinstance(x, Laid) and len(x.shape) > 1 and prod(x.shape[:-2]) == 1 and len(x.shape) <= len(other.axes):
        return multiplied(program, other, -2, number(x).reshape(x.shape[-2:]))
    return matrices(program, *(one if isinstance(one, Laid) else raised(program, one) for one in (x, other)))


def matrices(program: Program, x: Laid, y: Laid) -> Laid:
    """Matrices (…, a, b) times (…, b, c), as many as the axes before the last two have together."""
    rank = max(len(x.axes), len(y.axes))
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x, y = (expanded(program, as_float(program, one), (*batch, *one.shape[-2:])) for one in (x, y))
    many = [(axis, size) for axis, size in enumerate(batch) if size != 1]
    (high, inner), wide = x.shape[-2:], y.shape[-1]
    # where the second one's columns lie after its rows it can be read as it is
    order = y.order
    turned = rank - 2 in order and rank - 1 in order and order.index(rank - 1) < order.index(rank - 2)
    ends = [(rank - 1, wide), (rank - 2, inner)] if turned else [(rank - 2, inner), (rank - 1, wide)]
    count = prod(size for _, size in many)
    first = arranged(program, x, [*many, (rank - 2, high), (rank - 1, inner)])
    second = arranged(program, y, [*many, *ends])
    shape = (count,) if count > 1 else ()
    made = program.matmul(
        program.reshape(first, *shape, high, inner),
        program.reshape(second, *shape, *(size for _, size in ends)),
        transposed=turned,
    )
    return of_units(made, [*many, (rank - 2, high), (rank - 1, wide)], rank)


def _product(program: Program, x: Any, *, mat2: Any) -> Laid:
    return _matmul(program, x, other=mat2)


def _added(program: Program, x: Any, *, mat1: Any, mat2: Any, beta: float = 1, alpha: float = 1) -> Laid:
    """beta x + alpha mat1 @ mat2"""
    made = _matmul(program, mat1, other=mat2)
    made = made if alpha == 1 else combined(program, "mul", made, alpha)
    return combined(
        program, "add", made, x if beta == 1 else combined(program, "mul", x, beta) if isinstance(x, Laid) else x * beta
    )


def _added_each(program: Program, x: Any, *, batch1: Any, batch2: Any, beta: float = 1, alpha: float = 1) -> Laid:
    return _added(program, x, mat1=batch1, mat2=batch2, beta=beta, alpha=alpha)


def _attention(
    program: Program,
    query: Any,
    *,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Laid:
    """softmax(query keyᵀ scale + mask) value, over the last two axes; see `torch.nn.functional.scaled_dot_product_attention`."""
    if enable_gqa or dropout_p:
        raise cannot("attention with `enable_gqa`, or with dropout, has no form in tensor operations", ROUTE)
    query, key, value = (one if isinstance(one, Laid) else raised(program, one) for one in (query, key, value))
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    scores = matrices(program, combined(program, "mul", query, factor), swapped(key, -2, -1))
    if is_causal:
        attn_mask = np.tril(np.ones(scores.shape[-2:], dtype=bool))
    if attn_mask is not None:
        mask = number(attn_mask) if hasattr(attn_mask, "detach") else attn_mask
        truth = mask.value.type == "bool" if isinstance(mask, Laid) else mask.dtype == bool
        if truth and not isinstance(mask, Laid):
            mask, truth = np.where(mask, 0.0, -np.inf), False
        if truth:
            scores = combined(program, "where", mask, scores, -np.inf, kinds=("bool", "float32", "float32"))
        else:
            scores = combined(program, "add", scores, mask)
    return matrices(program, shares(program, scores, -1), value)


def _embedding(program: Program, weight: Any, *, indices: Any) -> Laid:
    """Rows of a table that is a constant, by whole numbers; a number that is no place of it is the device's fault."""
    if isinstance(weight, Laid):
        raise cannot("a table that depends on the row has no form in tensor operations", ROUTE)
    table = number(weight)
    flat = arranged(program, indices, units := [(axis, size) for axis, size in enumerate(indices.shape) if size != 1])
    places = flat if flat.type == "int32" else program.add("cast", flat, type="int32")
    read = program.add("lookup", program.constant(table), program.reshape(places, prod(indices.shape)))
    return of_units(read, [*units, (len(indices.axes), table.shape[1])], len(indices.axes) + 1)


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "linear": _linear,
    "matmul": _matmul,
    "mm": _product,
    "bmm": _product,
    "addmm": _added,
    "baddbmm": _added_each,
    "scaled_dot_product_attention": _attention,
    "embedding": _embedding,
}
