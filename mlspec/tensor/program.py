"""A program of tensor operations: what a fitted model computes, in the operations that every runtime at the edge has.

Numbers are float32, as the runtimes compute with them. The first axis of a value is the row; its length is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlspec.tensor import windows
from mlspec.tensor.windows import Padding, Pair

Array = NDArray[Any]
Type = Literal["float32", "int32", "bool"]
ROWS = -1
"""Stands for the number of rows in a shape."""

OUTPUTS = {"dense": 0, "dense_each": 0, "conv2d": 0, "depthwise_conv2d": 3}
"""The axis of a layer's weights that its outputs lie on."""


@dataclass(frozen=True, slots=True)
class Value:
    """What an operation gives: its place in the program, its shape (`ROWS` first) and type. A constant has no rows."""

    index: int
    shape: tuple[int, ...]
    type: Type

    @property
    def width(self) -> int:
        return self.shape[-1]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: its name in `OPERATIONS`, what it takes and gives, and its settings."""

    operation: str
    takes: tuple[Value, ...]
    gives: Value
    settings: Mapping[str, Any]


@dataclass(slots=True)
class Program:
    """Operations in the order in which they can run, from one input (rows × `width`, float32) to one output.

    `exact` are the values of operations that are computed in float32 whatever is shortened: preprocessing, not layers of a model.
    """

    width: int
    nodes: list[Node] = field(default_factory=list)
    constants: dict[int, Array] = field(default_factory=dict)
    output: Value | None = None
    exact: set[int] = field(default_factory=set)
    _known: dict[tuple[str, tuple[int, ...], bytes], Value] = field(default_factory=dict, repr=False)
    _count: int = 1

    @property
    def input(self) -> Value:
        return Value(0, (ROWS, self.width), "float32")

    @property
    def needed(self) -> list[Node]:
        """The operations that the output depends on."""
        assert self.output is not None, "a program ends in an output"
        wanted, found = {self.output.index}, []
        for node in reversed(self.nodes):
            if node.gives.index in wanted:
                found.append(node)
                wanted.update(one.index for one in node.takes)
        return found[::-1]

    def rewritten(self, write: Callable[[Program, Node, Sequence[Value]], Value]) -> Program:
        """Return a program of the same meaning: `write` adds to it what stands for an operation, given what that takes there."""
        made = Program(self.width)
        made.output = made.followed(self, made.input, write)
        return made

    def followed(self, part: Program, x: Value, write: Callable[[Program, Node, Sequence[Value]], Value] | None = None) -> Value:
        """Append what another program makes of its input, with `x` in the place of that, and return it; see `rewritten`."""
        assert x.shape == part.input.shape, f"{x.shape} is no input of {part.width} numbers"
        now: dict[int, Value] = {0: x}
        for node in part.needed:
            takes = [
                self.constant(part.constants[one.index], one.type) if one.index in part.constants else now[one.index]
                for one in node.takes
            ]
            now[node.gives.index] = write(self, node, takes) if write else self.add(node.operation, *takes, **node.settings)
            if node.gives.index in part.exact:
                self.exact.add(now[node.gives.index].index)
        assert part.output is not None
        return now[part.output.index]

    def constant(self, array: Any, kind: Type = "float32") -> Value:
        """Return a constant; equal ones are one. Numbers beyond float32 become its largest."""
        made = np.asarray(array)
        if kind == "float32":
            most = np.finfo(np.float32).max
            wide = made.astype(np.float64)
            made = np.where(np.isinf(wide), wide, np.clip(wide, -most, most))
        made = np.ascontiguousarray(made, dtype=kind)
        key = (kind, made.shape, made.tobytes())
        if key not in self._known:
            value = self._known[key] = Value(self._count, made.shape, kind)
            self.constants[value.index] = made
            self._count += 1
        return self._known[key]

    def add(self, operation: str, *takes: Value, **settings: Any) -> Value:
        """Append an operation and return what it gives."""
        shape, kind = OPERATIONS[operation].gives(takes, settings)
        value = Value(self._count, shape, kind)
        self._count += 1
        self.nodes.append(Node(operation, takes, value, settings))
        return value

    def dense(self, x: Value, weights: Any, bias: Any = 0.0, activation: str | None = None) -> Value:
        """`x @ weights.T + bias`, `weights` with a row for each output; `activation` is None or "relu".

        `x` is (rows, …, inputs): where there are axes between, each of their places is multiplied for itself ("dense_each").
        """
        assert activation in (None, "relu"), f"a dense layer cannot do {activation}"
        rows = np.atleast_2d(np.asarray(weights, dtype=np.float64))
        operation = "dense" if len(x.shape) == 2 else "dense_each"
        return self.add(operation, x, self.constant(rows), self._bias(bias, rows.shape[0]), activation=activation)

    def _bias(self, bias: Any, outputs: int) -> Value:
        return self.constant(np.broadcast_to(np.asarray(bias, dtype=np.float64), (outputs,)))

    def conv2d(
        self,
        x: Value,
        kernel: Any,
        bias: Any = 0.0,
        stride: Pair = (1, 1),
        padding: Padding = "same",
        activation: str | None = None,
    ) -> Value:
        """Convolve (rows, height, width, in) with a kernel (out, height, width, in); `activation` is None, "relu" or "relu6"."""
        return self._convolution("conv2d", x, kernel, bias, stride=stride, padding=padding, activation=activation)

    def depthwise_conv2d(
        self,
        x: Value,
        kernel: Any,
        bias: Any = 0.0,
        stride: Pair = (1, 1),
        padding: Padding = "same",
        activation: str | None = None,
    ) -> Value:
        """Convolve each channel of (rows, height, width, channels) for itself: the kernel is (1, height, width, channels)."""
        return self._convolution("depthwise_conv2d", x, kernel, bias, stride=stride, padding=padding, activation=activation)

    def _convolution(self, operation: str, x: Value, kernel: Any, bias: Any, **settings: Any) -> Value:
        assert settings["activation"] in windows.ACTIVATIONS, f"a convolution cannot do {settings['activation']}"
        numbers = np.asarray(kernel)
        return self.add(operation, x, self.constant(numbers), self._bias(bias, numbers.shape[OUTPUTS[operation]]), **settings)

    def pool(
        self,
        operation: Literal["max_pool", "average_pool"],
        x: Value,
        size: Pair,
        stride: Pair | None = None,
        padding: Padding = "valid",
    ) -> Value:
        """The largest number, or the mean, of each window of (rows, height, width, channels), by channel."""
        return self.add(operation, x, size=size, stride=stride or size, padding=padding)

    def mean(self, x: Value, axes: Sequence[int], *, keep: bool = False) -> Value:
        """The mean over axes, counted from the rows (axis 0, which stays); with `keep` they stay as well, of length 1."""
        wanted = tuple(sorted(axis % len(x.shape) for axis in axes))
        assert 0 not in wanted, "rows are not averaged"
        return self.add("mean", x, axes=wanted, keep=keep)

    def pad(self, x: Value, around: Sequence[Pair]) -> Value:
        """Put zeros around: for each axis but the rows how many before, and how many behind."""
        assert len(around) == len(x.shape) - 1, "each axis but the rows has two ends"
        return self.add("pad", x, around=tuple(around)) if any(map(any, around)) else x

    def reshape(self, x: Value, *shape: int) -> Value:
        """Each row's numbers in another shape."""
        assert np.prod(shape) == np.prod(x.shape[1:]), f"{x.shape[1:]} does not fill {shape}"
        return x if shape == x.shape[1:] else self.add("reshape", x, shape=shape)

    def transpose(self, x: Value, *order: int) -> Value:
        """The axes in another order; the rows stay first."""
        assert order[0] == 0, "rows come first"
        assert sorted(order) == list(range(len(x.shape))), f"{order} is no order of the axes of {x.shape}"
        return x if list(order) == sorted(order) else self.add("transpose", x, order=order)

    def part(self, x: Value, begin: Sequence[int], size: Sequence[int]) -> Value:
        """A part of each row: for each axis but the rows where it begins, and how many there are."""
        ends = zip(begin, size, x.shape[1:], strict=True)
        assert all(first >= 0 < many and first + many <= length for first, many, length in ends), "a slice lies inside"
        return x if tuple(size) == x.shape[1:] else self.add("slice", x, begin=tuple(begin), size=tuple(size))

    def matmul(self, x: Value, y: Value, *, transposed: bool = False) -> Value:
        """(rows, …, a, b) × (rows, …, b, c), or × a constant (b, c); with `transposed`, the last two axes of `y` are turned."""
        assert len(x.shape) > 2, "two axes besides the rows are multiplied; `dense` is for one"
        return self.add("matmul", x, y, transposed=transposed)

    def columns(self, x: Value, places: Sequence[int] | Array) -> Value:
        """The columns of `x` at these places, in this order."""
        wanted = np.asarray(places, dtype=np.int64)
        if wanted.size == x.width and (wanted == np.arange(x.width)).all():
            return x
        return self.add("columns", x, self.constant(wanted, "int32"))

    def concat(self, parts: Sequence[Value]) -> Value:
        """Values side by side."""
        return parts[0] if len(parts) == 1 else self.add("concat", *parts)

    def gathered(self, places: Iterable[tuple[Value, int]]) -> Value:
        """Columns of several values, side by side; those that lie in one value are taken out of it at once."""
        parts: list[tuple[Value, list[int]]] = []
        for value, place in places:
            if not parts or parts[-1][0] is not value:
                parts.append((value, []))
            parts[-1][1].append(place)
        return self.concat([self.columns(value, wanted) for value, wanted in parts])

    def row(self, numbers: Any) -> Value:
        """A constant of one row, to be combined with any number of rows."""
        return self.constant(np.asarray(numbers, dtype=np.float64).reshape(1, -1))

    def affine(self, x: Value, shift: Any, factor: Any) -> Value:
        """`(x - shift) * factor`, by column: to centre first keeps more digits in float32 than `x * factor + offset`."""
        moved, scaled = np.asarray(shift, dtype=np.float64), np.asarray(factor, dtype=np.float64)
        if moved.any():
            x = self.add("sub", x, self.row(shared(moved)))
        return x if (scaled == 1).all() else self.add("mul", x, self.row(shared(scaled)))

    def missing(self, x: Value) -> Value:
        """Which numbers are NaN."""
        return self.add("not", self.add("equal", x, x))

    def number(self, x: Value) -> Value:
        """Truth values, or whole numbers, as 0.0, 1.0, …; a constant is one at once."""
        if x.index in self.constants:
            return self.constant(self.constants[x.index])
        return self.add("cast", x, type="float32")


def shared(numbers: Array) -> Array:
    """Return one number for all columns, where it is the same for all: those of an image are thousands."""
    flat = numbers.reshape(-1)
    return flat[:1] if (flat == flat[0]).all() else flat


Shape = tuple[tuple[int, ...], Type]


@dataclass(frozen=True, slots=True)
class Operation:
    """The shape and type of what an operation gives, and its meaning in NumPy."""

    gives: Callable[[Sequence[Value], Mapping[str, Any]], Shape]
    run: Callable[..., Array]


def _broadcast(takes: Sequence[Value]) -> tuple[int, ...]:
    rank = max(len(one.shape) for one in takes)
    shapes = [(1,) * (rank - len(one.shape)) + one.shape for one in takes]
    return tuple(ROWS if ROWS in sizes else max(sizes) for sizes in zip(*shapes, strict=True))


def _like(takes: Sequence[Value], settings: Mapping[str, Any]) -> Shape:
    return _broadcast(takes), takes[-1].type


def _truth(takes: Sequence[Value], settings: Mapping[str, Any]) -> Shape:
    return _broadcast(takes), "bool"


def _dense(x: Array, weights: Array, bias: Array, activation: str | None) -> Array:
    made = x @ weights.T + bias
    return np.maximum(made, 0) if activation == "relu" else made


def _softmax(x: Array) -> Array:
    raised = np.exp(x - x.max(axis=-1, keepdims=True))
    shares: Array = raised / raised.sum(axis=-1, keepdims=True)
    return shares


def _like_first(takes: Sequence[Value], settings: Mapping[str, Any]) -> Shape:
    return takes[0].shape, takes[0].type


def _of_windows(takes: Sequence[Value], settings: Mapping[str, Any]) -> Shape:
    x = takes[0]
    size = takes[1].shape[1:3] if len(takes) > 1 else settings["size"]
    down, across = windows.counts(x.shape, (size[0], size[1]), settings["stride"], settings["padding"])
    return (ROWS, down, across, x.width), "float32"


def _convolved(takes: Sequence[Value], settings: Mapping[str, Any]) -> Shape:
    x, kernel, _ = takes
    assert x.width == kernel.width, f"a kernel for {kernel.width} channels meets {x.width}"
    return (*_of_windows(takes, settings)[0][:3], kernel.shape[0]), "float32"


def _filtered(takes: Sequence[Value], settings: Mapping[str, Any]) -> Shape:
    x, kernel, _ = takes
    assert (1, x.width) == (kernel.shape[0], kernel.width), f"a kernel of shape {kernel.shape} meets {x.width} channels"
    return _of_windows(takes, settings)


def _averaged(takes: Sequence[Value], settings: Mapping[str, Any]) -> Shape:
    (x,) = takes
    axes, keep = settings["axes"], settings["keep"]
    sizes = (1 if axis in axes else size for axis, size in enumerate(x.shape) if keep or axis not in axes)
    return tuple(sizes), x.type


def _padded(takes: Sequence[Value], settings: Mapping[str, Any]) -> Shape:
    (x,) = takes
    grown = (size + sum(ends) for size, ends in zip(x.shape[1:], settings["around"], strict=True))
    return (ROWS, *grown), x.type


def _part(x: Array, begin: Sequence[int], size: Sequence[int]) -> Array:
    return x[(slice(None), *(slice(first, first + many) for first, many in zip(begin, size, strict=True)))]


def _multiplied(takes: Sequence[Value], settings: Mapping[str, Any]) -> Shape:
    x, y = takes
    inner, outer = y.shape[-2:][::-1] if settings["transposed"] else y.shape[-2:]
    assert x.width == inner, f"{x.shape} cannot be multiplied with {y.shape}"
    assert len(y.shape) == 2 or y.shape[:-2] == x.shape[:-2], f"{x.shape} cannot be multiplied with {y.shape}"
    return (*x.shape[:-1], outer), "float32"


def _sigmoid(x: Array) -> Array:
    return np.float32(1) / (np.float32(1) + np.exp(-x))


def _elementwise(run: Callable[..., Array]) -> Operation:
    return Operation(_like, run)


OPERATIONS: dict[str, Operation] = {
    "dense": Operation(lambda t, s: ((ROWS, t[1].shape[0]), "float32"), _dense),
    "dense_each": Operation(lambda t, s: ((*t[0].shape[:-1], t[1].shape[0]), "float32"), _dense),
    "conv2d": Operation(_convolved, windows.conv2d),
    "depthwise_conv2d": Operation(_filtered, windows.depthwise_conv2d),
    "max_pool": Operation(_of_windows, windows.max_pool),
    "average_pool": Operation(_of_windows, windows.average_pool),
    "mean": Operation(_averaged, lambda x, axes, keep: x.mean(axis=axes, keepdims=keep, dtype=np.float32)),
    "pad": Operation(_padded, lambda x, around: np.pad(x, ((0, 0), *around))),
    "transpose": Operation(
        lambda t, s: (tuple(t[0].shape[axis] for axis in s["order"]), t[0].type), lambda x, order: x.transpose(order)
    ),
    "slice": Operation(lambda t, s: ((ROWS, *s["size"]), t[0].type), _part),
    "matmul": Operation(_multiplied, lambda x, y, transposed: x @ (np.swapaxes(y, -1, -2) if transposed else y)),
    "columns": Operation(lambda t, s: ((*t[0].shape[:-1], t[1].width), t[0].type), lambda x, places: x[..., places]),
    "concat": Operation(
        lambda t, s: ((*t[0].shape[:-1], sum(one.width for one in t)), t[0].type), lambda *parts: np.concatenate(parts, axis=-1)
    ),
    # rows of a table, by number: (rows, n) numbers of an (m, k) table give (rows, n, k), those of an (m,) table (rows, n)
    "lookup": Operation(lambda t, s: ((*t[1].shape, *t[0].shape[1:]), t[0].type), lambda table, numbers: table[numbers]),
    # in each row the columns whose numbers stand in the same row of the second value
    "pick": Operation(lambda t, s: (t[1].shape, t[0].type), lambda x, numbers: np.take_along_axis(x, numbers, axis=1)),
    "sum": Operation(
        lambda t, s: ((t[0].shape[0], *t[0].shape[2:]) if len(t[0].shape) > 2 else (ROWS, 1), t[0].type),
        lambda x: x.sum(axis=1, dtype=np.float32) if x.ndim > 2 else x.sum(axis=1, keepdims=True, dtype=np.float32),
    ),
    # each row's numbers in another shape
    "reshape": Operation(lambda t, s: ((ROWS, *s["shape"]), t[0].type), lambda x, shape: x.reshape(len(x), *shape)),
    "cast": Operation(lambda t, s: (t[0].shape, s["type"]), lambda x, **wanted: x.astype(wanted["type"])),
    "add": _elementwise(np.add),
    "sub": _elementwise(np.subtract),
    "mul": _elementwise(np.multiply),
    "div": _elementwise(np.divide),
    "min": _elementwise(np.minimum),
    "max": _elementwise(np.maximum),
    "exp": _elementwise(np.exp),
    "log": _elementwise(np.log),
    "abs": _elementwise(np.abs),
    "tanh": _elementwise(np.tanh),
    "sigmoid": _elementwise(_sigmoid),
    "relu": _elementwise(lambda x: np.maximum(x, np.float32(0))),
    "relu6": _elementwise(lambda x: windows.activated(x, "relu6")),
    "hard_swish": _elementwise(lambda x: x * np.clip(x + np.float32(3), np.float32(0), np.float32(6)) / np.float32(6)),
    "sqrt": _elementwise(np.sqrt),
    "rsqrt": _elementwise(lambda x: np.float32(1) / np.sqrt(x)),
    # the shares of the last axis
    "softmax": Operation(_like_first, _softmax),
    "equal": Operation(_truth, np.equal),
    "less": Operation(_truth, np.less),
    "less_equal": Operation(_truth, np.less_equal),
    "greater": Operation(_truth, np.greater),
    "greater_equal": Operation(_truth, np.greater_equal),
    "not": Operation(_truth, np.logical_not),
    "and": Operation(_truth, np.logical_and),
    "where": _elementwise(np.where),
}


def run(program: Program, rows: Array) -> Array:
    """Run a program in NumPy on rows × width numbers: its meaning, which every format is held to.

    Ensembles of trees are walked: see `mlspec.tensor.trees.walked`, which must have been called where there are any.
    """
    values: dict[int, Array] = {0: np.asarray(rows, dtype=np.float32), **program.constants}
    with np.errstate(all="ignore"):
        for node in program.nodes:
            made = OPERATIONS[node.operation].run(*(values[one.index] for one in node.takes), **node.settings)
            values[node.gives.index] = made.astype(node.gives.type, copy=False)
    assert program.output is not None, "a program ends in an output"
    return values[program.output.index]
