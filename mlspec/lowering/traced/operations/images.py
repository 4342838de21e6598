"""Operations that look at windows: convolutions and pools of series and of images, which lie with their channels last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Literal

import numpy as np

from mlspec.lowering import cannot
from mlspec.lowering.traced.capture import ROUTE
from mlspec.lowering.traced.layout import Laid, Unit, arranged, laid, number, of_units
from mlspec.lowering.traced.operations.moves import joined, part
from mlspec.lowering.traced.operations.numbers import as_float
from mlspec.lowering.traced.operations.reductions import averaged, largest
from mlspec.tensor import windows
from mlspec.tensor.program import Array, Node, Program, Value
from mlspec.tensor.windows import Pair

Ends = tuple[Pair, Pair]
NOTHING: Ends = ((0, 0), (0, 0))

NEVER_NEGATIVE = ("relu", "relu6", "sigmoid", "softmax", "abs", "exp", "sqrt")
KEEP_SIGNS = ("max_pool", "average_pool", "reshape", "transpose", "slice", "pad", "concat", "mean")


def image(program: Program, x: Laid) -> tuple[Value, Array]:
    """A tensor (1, channels, height, width) as (rows, height, width, channels), and the places of the channels as they lie.

    (1, channels, length) is an image of width 1.
    """
    x, rank = as_float(program, x), len(x.axes)
    if rank not in (3, 4) or x.shape[0] != 1:
        raise cannot("windows over several images of one row, or over none, have no form in tensor operations", ROUTE)
    sides = [(2, x.shape[2]), (3, x.shape[3]) if rank == 4 else (2, 1)]
    channels = x.shape[1]
    deep = [unit for unit in x.units if unit[0] == 1]
    shape = (sides[0][1], sides[1][1], channels)
    last = [place for place, (axis, _) in enumerate(x.units) if axis == 1]
    if len(deep) > 1 and last == list(range(len(x.sizes) - len(deep), len(x.sizes))):
        # channels in an order of their own, but behind each other: whoever has weights for them can follow
        places = np.arange(channels).reshape([x.sizes[place] for place in x.axes[1]])
        flat = Laid(x.value, (*x.sizes[: -len(deep)], channels), (*x.axes[:1], (len(x.sizes) - len(deep),), *x.axes[2:]))
        value = arranged(program, flat, [*(unit for unit in sides if unit[1] != 1), (1, channels)])
        return program.reshape(value, *shape), places.transpose([x.axes[1].index(place) for place in last]).reshape(-1)
    wanted = [unit for unit in sides if unit[1] != 1] + ([(1, channels)] if channels != 1 else [])
    return program.reshape(arranged(program, x, wanted), *shape), np.arange(channels)


def _ordered(program: Program, value: Value, places: Array) -> Value:
    """An image with its channels in the tensor's own order."""
    return program.columns(value, np.argsort(places))


def _back(value: Value, rank: int) -> Laid:
    """An image of a program as a tensor with channels first."""
    return of_units(value, [*_sides(value, rank), (1, value.width)], rank)


def _sides(value: Value, rank: int) -> list[Unit]:
    """The axes of a tensor that the sides of an image are: a series has but one."""
    return [(2, value.shape[1]), (3 if rank == 4 else 2, value.shape[2])]


def _pair(numbers: int | Sequence[int], rank: int, usual: int) -> Pair:
    """Two numbers, for height and width; a series has a height only."""
    known = [numbers] if isinstance(numbers, int) else list(numbers)
    if rank == 3:
        return known[0], usual
    return (known[0], known[-1])


def _convolution(
    program: Program,
    x: Laid,
    *,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Laid:
    """A dilated kernel is one with zeros between; groups are convolved each for itself, single channels all at once."""
    if isinstance(weight, Laid) or isinstance(bias, Laid):
        raise cannot("a convolution whose kernel depends on the row has no form in tensor operations", ROUTE)
    rank = len(x.axes)
    if rank != len(weight.shape):
        raise cannot("a convolution of tensors without an axis for rows has no form in tensor operations", ROUTE)
    value, places = image(program, x)
    kernel = _kernel(weight, dilation, rank)
    around = _margins(value, kernel.shape[2:], padding, rank)
    steps = _pair(stride, rank, 1)
    shift = np.zeros(len(kernel)) if bias is None else number(bias)
    value = program.pad(value, (*around, (0, 0)))
    if groups == 1:
        # (out, in, height, width), and a program's (out, height, width, in)
        turned = kernel[:, places].transpose(0, 2, 3, 1)
        return _back(program.conv2d(value, turned, shift, steps, "valid"), rank)
    if kernel.shape[1] == 1:
        return _by_channel(program, _ordered(program, value, places), kernel, shift, steps, rank)
    return _by_group(program, _ordered(program, value, places), kernel, shift, steps, groups, rank)


def _by_channel(program: Program, value: Value, kernel: Array, shift: Array, steps: Pair, rank: int) -> Laid:
    """Each channel for itself; several kernels for each are several convolutions, whose channels lie one kernel after another."""
    channels = value.width
    many = len(kernel) // channels
    joint = program.concat(
        [
            program.depthwise_conv2d(value, kernel[which::many, 0].transpose(1, 2, 0)[None], shift[which::many], steps, "valid")
            for which in range(many)
        ]
    )
    if many == 1:
        return _back(joint, rank)
    # the tensor's channels are (channels, many), and lie as (many, channels)
    sides = [unit for unit in _sides(joint, rank) if unit[1] != 1]
    place = len(sides)
    axes = [(place + 1, place), *(tuple(at for at, unit in enumerate(sides) if unit[0] == axis) for axis in range(2, rank))]
    return Laid(joint, (*(size for _, size in sides), many, channels), ((), *axes))


def _by_group(program: Program, value: Value, kernel: Array, shift: Array, steps: Pair, groups: int, rank: int) -> Laid:
    down, across, channels = value.shape[1:]
    inputs, outputs, made = channels // groups, len(kernel) // groups, []
    for group in range(groups):
        mine = slice(group * outputs, (group + 1) * outputs)
        some = program.part(value, (0, 0, group * inputs), (down, across, inputs))
        made.append(program.conv2d(some, kernel[mine].transpose(0, 2, 3, 1), shift[mine], steps, "valid"))
    return _back(program.concat(made), rank)


def _kernel(weight: Any, dilation: Any, rank: int) -> Array:
    """A kernel with four axes, and with zeros between its numbers where it is dilated."""
    kernel, (down, across) = number(weight), _pair(dilation, rank, 1)
    kernel = kernel if rank == 4 else kernel[..., None]
    if (down, across) == (1, 1):
        return kernel
    high, wide = kernel.shape[2:]
    made = np.zeros((*kernel.shape[:2], (high - 1) * down + 1, (wide - 1) * across + 1))
    made[:, :, ::down, ::across] = kernel
    return made


def _margins(value: Value, size: Sequence[int], padding: Any, rank: int) -> Ends:
    """The zeros around an image: so many at both ends, or the odd one at the far end."""
    if padding == "same":
        # strides are 1 with it
        return windows.edges(value.shape, (size[0], size[1]), (1, 1), "same")
    down, across = (0, 0) if padding == "valid" else _pair(padding, rank, 0)
    return (down, down), (across, across)


def _transposed(
    program: Program,
    x: Laid,
    *,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Laid:
    """A transposed convolution: zeros between the numbers, and a convolution with the kernel turned around."""
    rank = len(x.axes)
    if groups != 1 or isinstance(weight, Laid) or rank not in (3, 4):
        raise cannot("a transposed convolution in groups, or of more than two axes, has no form in tensor operations", ROUTE)
    value, places = image(program, x)
    kernel = _kernel(weight, dilation, rank)[places]
    steps, cut, more = _pair(stride, rank, 1), _pair(padding, rank, 0), _pair(output_padding, rank, 0)
    for axis in (0, 1):
        value = _zeros_between(program, value, axis, steps[axis])
    around, inside = [], []
    for axis in (0, 1):
        size = kernel.shape[2 + axis]
        ends = (size - 1 - cut[axis], size - 1 - cut[axis] + more[axis])
        around.append((max(ends[0], 0), max(ends[1], 0)))
        inside.append((max(-ends[0], 0), max(-ends[1], 0)))
    value = program.pad(value, (*around, (0, 0)))
    begin = (inside[0][0], inside[1][0], 0)
    size = tuple(value.shape[1 + axis] - sum(inside[axis]) for axis in (0, 1))
    value = program.part(value, begin, (*size, value.width))
    turned = kernel[:, :, ::-1, ::-1].transpose(1, 2, 3, 0)
    return _back(program.conv2d(value, turned, 0.0 if bias is None else number(bias), (1, 1), "valid"), rank)


def _zeros_between(program: Program, value: Value, axis: int, step: int) -> Value:
    """An image with `step - 1` lines of zeros between its lines."""
    if step == 1:
        return value
    sizes = list(value.shape[1:])
    before, behind = prod(sizes[:axis]), prod(sizes[axis + 1 :])
    apart = program.pad(program.reshape(value, before * sizes[axis], 1, behind), ((0, 0), (0, step - 1), (0, 0)))
    sizes[axis] *= step
    grown = program.reshape(apart, *sizes)
    # none behind the last line
    length = sizes[axis] - step + 1
    return program.part(grown, (0, 0, 0), [length if at == axis else size for at, size in enumerate(sizes)])


def _pool(
    program: Program,
    operation: Literal["max_pool", "average_pool"],
    x: Laid,
    size: Any,
    stride: Any,
    padding: Any,
    ceil: bool,
) -> Laid:
    rank = len(x.axes)
    windowed = _pair(size, rank, 1)
    steps = _pair(stride, rank, 1) if stride else windowed
    value = _ordered(program, *image(program, x))
    down, across = ((one, one) for one in _pair(padding, rank, 0))
    around: Ends = (down, across)
    if ceil:
        around = _rounded_up(value, windowed, steps, around)
    kind: windows.Padding = "valid"
    if around != NOTHING:
        if around == windows.edges(value.shape, windowed, steps, "same"):
            kind = "same"
        elif operation == "max_pool":
            value = _bordered(program, value, around)
        else:
            raise cannot("an average over windows that reach beyond the edges has no form in tensor operations", ROUTE)
    return _back(program.pool(operation, value, windowed, steps, kind), rank)


def _rounded_up(value: Value, size: Pair, stride: Pair, around: Ends) -> Ends:
    """Margins with which the windows that begin inside are whole."""
    made = []
    for axis in (0, 1):
        first, last = around[axis]
        length = value.shape[1 + axis]
        count = -(-(length + first + last - size[axis]) // stride[axis]) + 1
        if (count - 1) * stride[axis] >= length + first:
            count -= 1
        made.append((first, max((count - 1) * stride[axis] + size[axis] - length - first, last)))
    return made[0], made[1]


def _bordered(program: Program, value: Value, around: Ends) -> Value:
    """An image with its edges repeated, of which no window has a larger number; zeros, where no number is below."""
    if _never_negative(program, value):
        return program.pad(value, (*around, (0, 0)))
    x = laid(value, (1, 2, 3), 4)
    for axis, (first, last) in enumerate(around, 1):
        ends = [part(program, x, axis, place, 1) for place in (0, x.shape[axis] - 1)]
        x = joined(program, [*[ends[0]] * first, x, *[ends[1]] * last], axis)
    return program.reshape(arranged(program, x, x.units), *x.shape[1:])


def _never_negative(program: Program, value: Value) -> bool:
    made: dict[int, Node] = {node.gives.index: node for node in program.nodes}
    waiting = [value]
    while waiting:
        node = made.get(waiting.pop().index)
        if node is None:
            return False
        if node.operation in KEEP_SIGNS:
            waiting += node.takes
        elif node.operation not in NEVER_NEGATIVE:
            return False
    return True


def _max_pool(
    program: Program, x: Laid, *, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Laid:
    if _pair(dilation, 4, 1) != (1, 1):
        raise cannot("a pool with `dilation` has no form in tensor operations", ROUTE)
    return _pool(program, "max_pool", x, kernel_size, stride, padding, ceil_mode)


def _average_pool(
    program: Program,
    x: Laid,
    *,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Laid:
    rank = len(x.axes)
    margin = _pair(padding, rank, 0)
    if divisor_override is not None or (ceil_mode and count_include_pad and any(margin)):
        raise cannot(
            "an average over windows with `divisor_override`, or zeros and `ceil_mode`, has no form in tensor operations", ROUTE
        )
    if any(margin) and count_include_pad:
        value = _ordered(program, *image(program, x))
        x = _back(program.pad(value, ((margin[0], margin[0]), (margin[1], margin[1]), (0, 0))), rank)
        padding = 0
    return _pool(program, "average_pool", x, kernel_size, stride, padding, ceil_mode)


def _adaptive(
    program: Program, operation: Literal["max_pool", "average_pool"], x: Laid, output_size: int | Sequence[int | None]
) -> Laid:
    """So many windows: one is all of an axis; several, where they divide it."""
    rank = len(x.axes)
    sides = x.shape[2:]
    known = [output_size] if isinstance(output_size, int) else list(output_size)
    wanted = [
        size if one is None else one for one, size in zip(known * len(sides) if len(known) == 1 else known, sides, strict=True)
    ]
    if all(one == 1 for one in wanted):
        axes = range(2, rank)
        return (
            averaged(program, x, axes, keepdim=True) if operation == "average_pool" else largest(program, x, axes, keepdim=True)
        )
    if any(size % one for one, size in zip(wanted, sides, strict=True)):
        told = "a pool to a size that does not divide the image's has no form in tensor operations"
        raise cannot(told, ROUTE, "a size that divides the image's, or a pool of windows of one size")
    size = [size // one for one, size in zip(wanted, sides, strict=True)]
    return _pool(program, operation, x, size, size, 0, False)


def _nearest(
    program: Program, x: Laid, *, output_size: Any = None, input_size: Any = None, scale_factors: Any = None, **_: Any
) -> Laid:
    """Each line so many times."""
    value = _ordered(program, *image(program, x))
    rank, sides = len(x.axes), x.shape[2:]
    asked = output_size or input_size
    times = [wanted / size for wanted, size in zip(asked, sides, strict=True)] if asked else list(scale_factors)
    if any(one != int(one) for one in times):
        raise cannot("an image made larger by no whole factor has no form in tensor operations", ROUTE)
    for axis, count in enumerate(times):
        sizes = list(value.shape[1:])
        before, behind = prod(sizes[: axis + 1]), prod(sizes[axis + 1 :])
        line = program.reshape(value, before, behind)
        sizes[axis] *= int(count)
        value = program.reshape(program.concat([line] * int(count)), *sizes)
    return _back(value, rank)


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(("conv1d", "conv2d"), _convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d"), _transposed),
    **dict.fromkeys(("max_pool1d", "max_pool2d"), _max_pool),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d"), _average_pool),
    **{
        f"adaptive_{short}_pool{rank}d": lambda program, x, *, output_size, operation=operation: _adaptive(
            program, operation, x, output_size
        )
        for rank in (1, 2)
        for short, operation in (("avg", "average_pool"), ("max", "max_pool"))
    },
    **dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d"), _nearest),
}
