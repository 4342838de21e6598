"""Operations on single numbers, of one tensor or of several that are broadcast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from mlspec.lowering import cannot
from mlspec.lowering.traced.capture import ROUTE
from mlspec.lowering.traced.layout import Laid, Unit, arranged, constant, lowest, number, of_units
from mlspec.tensor import layers
from mlspec.tensor.program import Program, Type, Value


def alone(program: Program, operation: str, x: Laid) -> Laid:
    """An operation on the numbers of one tensor, wherever they lie."""
    return Laid(program.add(operation, as_float(program, x).value), x.sizes, x.axes)


def as_float(program: Program, x: Laid) -> Laid:
    """Truth values and whole numbers as 0.0, 1.0, …"""
    return x if x.value.type == "float32" else Laid(program.number(x.value), x.sizes, x.axes)


def combined(program: Program, operation: str, *parts: Any, kinds: Sequence[Type] = ()) -> Laid:
    """An operation on tensors, constants and plain numbers, each broadcast to the shape that they have together.

    They are taken as float32, or as `kinds` says. The result lies as the largest of them.
    """
    tensors = [one for one in parts if isinstance(one, Laid)]
    shape = broadcast(*(_shape(one) for one in parts))
    lead = max(tensors, key=lambda one: prod(one.shape))
    units = _units(lead, shape, parts)
    held = lead.value.shape[1:]
    full = all(prod(_shape(one)) == 1 if not isinstance(one, Laid) else _shape(one) == shape for one in parts)
    if full or (lead.shape == shape and [size for size in held if size != 1] == [size for _, size in units]):
        dims = held  # an image stays one
    else:
        dims = tuple(size for _, size in units) or (1,)
    wanted = kinds or ["float32"] * len(parts)
    takes = [_taken(program, one, units, shape, dims, kind) for one, kind in zip(parts, wanted, strict=True)]
    return of_units(program.add(operation, *takes), units, len(shape))


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that tensors of several shapes have together."""
    return tuple(np.broadcast_shapes(*shapes))


def _shape(one: Any) -> tuple[int, ...]:
    return tuple(one.shape) if hasattr(one, "shape") else ()


def _units(lead: Laid, shape: tuple[int, ...], parts: Any) -> list[Unit]:
    """The parts of axes in the order in which the result has them: that of the first tensor, and what only others have."""
    more = len(shape) - len(lead.axes)
    units = [(axis + more, size) for axis, size in lead.units]
    mine = {axis for axis, _ in units}
    lacking = [(axis, size) for axis, size in enumerate(shape) if size != 1 and axis not in mine]
    in_order = [axis for axis, _ in units] == sorted(mine)
    return sorted([*units, *lacking]) if in_order and len(mine) == len(units) else [*units, *lacking]


def _taken(program: Program, one: Any, units: list[Unit], shape: tuple[int, ...], dims: tuple[int, ...], kind: Type) -> Value:
    """An operand in the order of the units, in the shape of `dims` but for the axes that it does not have."""
    if not isinstance(one, Laid):
        array = number(one) if hasattr(one, "detach") else np.asarray(one)
        found = constant(array, shape, units)
        sizes = iter(found.shape)
        if found.size > 1:
            found = found.reshape([next(sizes) if size != 1 else 1 for size in dims])
        return program.constant(lowest(found), kind)
    more = len(shape) - len(one.axes)
    wide = Laid(one.value, one.sizes, ((),) * more + one.axes)
    own = [(axis, size) for axis, size in units if wide.axes[axis]]
    value = arranged(program, as_float(program, wide) if kind == "float32" else wide, own)
    here = iter([size if wide.axes[axis] else 1 for axis, size in units])
    if len(own) == len(units):
        return program.reshape(value, *dims)
    return program.reshape(value, *(next(here) if size != 1 else 1 for size in dims))


def _numeric(operation: str) -> Callable[..., Laid]:
    def write(program: Program, x: Any, *, other: Any, alpha: Any = 1) -> Laid:
        scaled = other if alpha == 1 else (combined(program, "mul", other, alpha) if isinstance(other, Laid) else other * alpha)
        if operation in ("add", "mul", "min", "max") and not isinstance(x, Laid):
            x, scaled = scaled, x
        return combined(program, operation, x, scaled)

    return write


def _compare(operation: str) -> Callable[..., Laid]:
    return lambda program, x, *, other: combined(program, operation, x, other)


def _unary(operation: str) -> Callable[..., Laid]:
    return lambda program, x: alone(program, operation, x)


def _same(program: Program, x: Any, **_: Any) -> Any:
    return x


def _divided(program: Program, x: Any, *, other: Any, rounding_mode: str | None = None) -> Laid:
    if rounding_mode is not None:
        raise cannot(f"a division that is rounded (`{rounding_mode}`) has no form in tensor operations", ROUTE)
    if not isinstance(other, Laid):
        return combined(program, "mul", x, 1 / (number(other) if hasattr(other, "detach") else other))
    return combined(program, "div", x, other)


def _reversed(program: Program, x: Any, *, other: Any, alpha: Any = 1) -> Laid:
    return _numeric("sub")(program, other, other=x, alpha=alpha)


def clamped(program: Program, x: Laid, *, min: Any = None, max: Any = None) -> Laid:  # noqa: A002 - the names of ATen
    """Numbers held between bounds."""
    if (min, max) in ((0, 6), (0, None)):
        return alone(program, "relu6" if max else "relu", x)
    low = x if min is None else combined(program, "max", x, min)
    return low if max is None else combined(program, "min", low, max)


def _hardtanh(program: Program, x: Laid, *, min_val: float = -1, max_val: float = 1) -> Laid:
    return clamped(program, x, min=min_val, max=max_val)


def _leaky(program: Program, x: Laid, *, negative_slope: float = 0.01) -> Laid:
    return _parametric(program, x, weight=negative_slope)


def _parametric(program: Program, x: Laid, *, weight: Any) -> Laid:
    """Negative numbers times a weight: relu(x) - weight relu(-x)."""
    if hasattr(weight, "detach"):
        weight = number(weight)
        weight = weight.reshape(-1, *[1] * (len(x.axes) - 2)) if weight.size > 1 else float(weight.reshape(-1)[0])
    below = alone(program, "relu", combined(program, "mul", x, -1.0))
    return combined(program, "sub", alone(program, "relu", x), combined(program, "mul", below, weight))


def _elu(program: Program, x: Laid, *, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Laid:
    """scale (relu(x) + alpha (exp(min(input_scale x, 0)) - 1))"""
    below = alone(
        program, "exp", combined(program, "min", combined(program, "mul", x, input_scale) if input_scale != 1 else x, 0.0)
    )
    bent = combined(program, "mul", combined(program, "sub", below, 1.0), alpha * scale)
    above = alone(program, "relu", x)
    return combined(program, "add", combined(program, "mul", above, scale) if scale != 1 else above, bent)


def _silu(program: Program, x: Laid) -> Laid:
    return combined(program, "mul", x, alone(program, "sigmoid", x))


def _gelu(program: Program, x: Laid, *, approximate: str = "none") -> Laid:
    return Laid(layers.gelu(program, as_float(program, x).value, tanh=approximate == "tanh"), x.sizes, x.axes)


def _hard_sigmoid(program: Program, x: Laid) -> Laid:
    return combined(program, "mul", alone(program, "relu6", combined(program, "add", x, 3.0)), 1 / 6)


def _softplus(program: Program, x: Laid, *, beta: float = 1, threshold: float = 20) -> Laid:
    """log(1 + exp(x)) as relu(x) + log(1 + exp(-|x|)), whose numbers never grow too large; `threshold` needs no care then."""
    scaled = combined(program, "mul", x, beta) if beta != 1 else x
    tail = alone(program, "exp", combined(program, "mul", alone(program, "abs", scaled), -1.0))
    made = combined(program, "add", alone(program, "relu", scaled), alone(program, "log", combined(program, "add", tail, 1.0)))
    return combined(program, "mul", made, 1 / beta) if beta != 1 else made


def _mish(program: Program, x: Laid) -> Laid:
    return combined(program, "mul", x, alone(program, "tanh", _softplus(program, x)))


def _reciprocal(program: Program, x: Laid) -> Laid:
    return combined(program, "div", 1.0, x)


def _log1p(program: Program, x: Laid) -> Laid:
    return alone(program, "log", combined(program, "add", x, 1.0))


def _expm1(program: Program, x: Laid) -> Laid:
    return combined(program, "sub", alone(program, "exp", x), 1.0)


def _negative(program: Program, x: Laid) -> Laid:
    return combined(program, "mul", x, -1.0)


def _sign(program: Program, x: Laid) -> Laid:
    above, below = (as_float(program, combined(program, one, x, 0.0)) for one in ("greater", "less"))
    return combined(program, "sub", above, below)


def _power(program: Program, x: Any, *, exponent: Any) -> Laid:
    known = {0.5: "sqrt", -0.5: "rsqrt"}
    if not isinstance(x, Laid) or isinstance(exponent, Laid) or hasattr(exponent, "detach"):
        raise cannot("a power whose exponent is no plain number has no form in tensor operations", ROUTE)
    if exponent in known:
        return alone(program, known[exponent], x)
    if exponent != int(exponent) or not 1 <= abs(exponent) <= 8:
        raise cannot(f"numbers to the power of {exponent} have no form in tensor operations", ROUTE)
    made = x
    for _ in range(abs(int(exponent)) - 1):
        made = combined(program, "mul", made, x)
    return made if exponent > 0 else _reciprocal(program, made)


def _where(program: Program, condition: Any, *, self: Any, other: Any) -> Laid:
    return combined(program, "where", condition, self, other, kinds=("bool", "float32", "float32"))


def _filled(program: Program, x: Any, *, mask: Any, value: Any) -> Laid:
    return _where(program, mask, self=value, other=x)


def _cast(program: Program, x: Laid, *, dtype: Any = None) -> Laid:
    """Whole numbers lose what is behind the point; all fractions are float32 here."""
    name = str(dtype).removeprefix("torch.")
    if dtype is None or name.startswith(("float", "bfloat", "double", "half")):
        return as_float(program, x)
    if name == "bool":
        return _unequal(program, x, other=0.0)
    if x.value.type == "int32":
        return x
    return Laid(program.add("cast", as_float(program, x).value, type="int32"), x.sizes, x.axes)


def _not(program: Program, x: Laid) -> Laid:
    return Laid(program.add("not", x.value), x.sizes, x.axes)


def _unequal(program: Program, x: Laid, *, other: Any) -> Laid:
    return _not(program, combined(program, "equal", x, other))


def _and(program: Program, x: Any, *, other: Any) -> Laid:
    return combined(program, "and", x, other, kinds=("bool", "bool"))


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    **{name: _unary(name) for name in ("relu", "relu6", "tanh", "sigmoid", "exp", "log", "abs", "sqrt", "rsqrt")},
    **{name: _numeric(name) for name in ("add", "sub", "mul")},
    "minimum": _numeric("min"),
    "maximum": _numeric("max"),
    "div": _divided,
    "rsub": _reversed,
    "eq": _compare("equal"),
    "lt": _compare("less"),
    "le": _compare("less_equal"),
    "gt": _compare("greater"),
    "ge": _compare("greater_equal"),
    "ne": _unequal,
    **dict.fromkeys(("logical_not", "bitwise_not"), _not),
    **dict.fromkeys(("logical_and", "bitwise_and"), _and),
    **dict.fromkeys(("clamp", "clamp_min", "clamp_max"), clamped),
    "hardtanh": _hardtanh,
    "hardswish": _unary("hard_swish"),
    "hardsigmoid": _hard_sigmoid,
    "leaky_relu": _leaky,
    "prelu": _parametric,
    "elu": _elu,
    "silu": _silu,
    "gelu": _gelu,
    "softplus": _softplus,
    "mish": _mish,
    "reciprocal": _reciprocal,
    "log1p": _log1p,
    "expm1": _expm1,
    "neg": _negative,
    "sign": _sign,
    "pow": _power,
    "square": lambda program, x: combined(program, "mul", x, x),
    "where": _where,
    "masked_fill": _filled,
    "to": _cast,
    "_to_copy": _cast,
    "type_as": lambda program, x, *, other: x,
    **dict.fromkeys(("contiguous", "clone", "alias", "detach", "lift_fresh_copy"), _same),
}
