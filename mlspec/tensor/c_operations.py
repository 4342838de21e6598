"""Operations as statements in C, those on single numbers excepted: they are expressions, see `mlspec.tensor.c_values`.

Layers call a function that all of their kind share; what only moves numbers is loops around one assignment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from mlspec.tensor import windows
from mlspec.tensor.c_helpers import CALL, DENSE, LOOP, PER_OPERATION
from mlspec.tensor.c_text import (
    Axis,
    added,
    fewest,
    fitting,
    loop,
    nested,
    plus,
    shape_of,
    size_of,
    strides,
    times,
    unsigned,
)
from mlspec.tensor.c_trees import Ensemble
from mlspec.tensor.c_values import CALLS, FLOAT, SINGLE, Source, cannot
from mlspec.tensor.program import Node, Value


def state(source: Source, node: Node) -> None:
    """Append the statements of an operation to a source file."""
    source.code += LOOP
    source.lines += _statement(source, node).split("\n")


def _statement(source: Source, node: Node) -> str:
    if node.operation in SINGLE:
        return loop(size_of(node.gives), lambda i: f"{source.target(node.gives, i)} = {source.expression(node, i)};")
    if node.operation not in STATEMENTS:
        raise cannot(f"the operation {node.operation}")
    for one in node.takes:
        if node.operation in OF_FLOATS and one.type != "float32":
            raise cannot(f"the operation {node.operation} of {one.type} numbers")
    return STATEMENTS[node.operation](source, node)


# layers


def _dense(source: Source, node: Node) -> str:
    x = node.takes[0]
    numbers, shift = source.constant(node, 1), source.constant(node, 2)
    kind = fitting(numbers)
    kind = kind if kind in ("int8_t", "uint8_t") else "float"
    name = "dense" if kind == "float" else f"dense_{kind.removesuffix('_t')}"
    source.helpers[name] = DENSE.format(name=name, kind=kind)
    source.code += CALL
    outputs, inputs = numbers.shape
    weights, moves = source.tables.add(kind, numbers), source.tables.add("float", shift) if shift.any() else "0"

    def one(i: str) -> str:
        comes, goes = source.pointer(x, times(i, inputs)), source.pointer(node.gives, times(i, outputs))
        return f"{name}({comes}, {inputs}, {weights}, {moves}, {goes}, {outputs});"

    return _activated(source, node, loop(size_of(x) // inputs, one))


def _activated(source: Source, node: Node, text: str) -> str:
    """What a layer does with its sums: its function knows nothing of it."""
    activation = node.settings["activation"]
    if activation is None:
        return text
    template = CALLS[activation]
    source.help(template.partition("(")[0])
    source.code += LOOP + PER_OPERATION

    def one(i: str) -> str:
        number = source.target(node.gives, i)
        return f"{number} = {template.format(number)};"

    return f"{text}\n{loop(size_of(node.gives), one)}"


def _convolution(source: Source, node: Node) -> str:
    kernel, shift = source.constant(node, 1), source.constant(node, 2)
    moves = source.tables.add("float", shift) if shift.any() else "0"
    takes = [source.tables.add("float", kernel), moves, source.pointer(node.gives)]
    if node.operation == "conv2d":
        takes.append(str(len(kernel)))
    return _activated(source, node, _over_windows(source, node, (kernel.shape[1], kernel.shape[2]), takes))


def _pool(source: Source, node: Node) -> str:
    return _over_windows(source, node, node.settings["size"], [source.pointer(node.gives)])


def _over_windows(source: Source, node: Node, size: windows.Pair, takes: Sequence[str]) -> str:
    (x, *_), stride = node.takes, node.settings["stride"]
    above, before = (margin for margin, _ in windows.edges(x.shape, size, stride, node.settings["padding"]))
    at = source.tables.record("struct windows", [*x.shape[1:], *node.gives.shape[1:3], *size, *stride, above, before])
    source.help(node.operation)
    source.code += CALL
    return f"{node.operation}({source.pointer(x)}, {at}, {', '.join(takes)});"


def _matmul(source: Source, node: Node) -> str:
    x, y = node.takes
    shared = len(y.shape) == 2
    sizes = shape_of(x)
    # one matrix for all: the rows of all others lie behind one another
    rows = prod(sizes[:-1]) if shared else sizes[-2]
    inner, outer = x.width, node.gives.width
    down, across = (1, inner) if node.settings["transposed"] else (outer, 1)
    source.help("matmul")
    source.code += CALL

    def one(i: str) -> str:
        comes, goes = source.pointer(x, times(i, rows * inner)), source.pointer(node.gives, times(i, rows * outer))
        return (
            f"matmul({comes}, {source.pointer(y, times(i, inner * outer))}, {goes}, {rows}, {inner}, {outer}, {down}, {across});"
        )

    return loop(1 if shared else prod(sizes[:-2]), one)


def _softmax(source: Source, node: Node) -> str:
    (x,) = node.takes
    source.help("softmax")

    def one(i: str) -> str:
        at = times(i, x.width)
        return f"softmax({source.pointer(x, at)}, {source.pointer(node.gives, at)}, {x.width});"

    return loop(size_of(x) // x.width, one)


def _trees(source: Source, node: Node) -> str:
    (x,) = node.takes
    ensemble = Ensemble(node.settings["trees"], f"trees_{len(source.functions)}", source.tables)
    if ensemble.inner:
        source.help("key")
    source.functions.append(ensemble.text())
    source.code += ensemble.code + CALL
    source.ranks += ensemble.ram
    return f"{ensemble.name}({source.pointer(x)}, {source.pointer(node.gives)});"


# what moves numbers


def _moved(source: Source, x: Value, gives: Value, axes: Sequence[Axis], comes: int = 0, goes: int = 0) -> str:
    """Numbers brought from one place to another, along these axes."""
    loops = fewest(axes)
    source.code += LOOP * max(len(loops) - 1, 0)

    def one(where: str, to: str) -> str:
        return f"{source.target(gives, plus(to, goes))} = {source.element(x, plus(where, comes), alone=True)};"

    return nested(loops, one)


def _concat(source: Source, node: Node) -> str:
    rows, width, made, offset = prod(shape_of(node.gives)[:-1]), node.gives.width, [], 0
    for part in node.takes:
        source.code += LOOP
        axes = [Axis(rows, part.width, width), Axis(part.width, 1, 1)]
        made.append(_moved(source, part, node.gives, axes, goes=offset))
        offset += part.width
    return "\n".join(made)


def _transpose(source: Source, node: Node) -> str:
    (x,) = node.takes
    sizes, comes, goes = shape_of(x), strides(shape_of(x)), strides(shape_of(node.gives))
    axes = [Axis(sizes[axis], comes[axis], goes[place]) for place, axis in enumerate(node.settings["order"])]
    return _moved(source, x, node.gives, axes)


def _slice(source: Source, node: Node) -> str:
    (x,) = node.takes
    comes, sizes = strides(shape_of(x)), shape_of(node.gives)
    start = sum(first * step for first, step in zip(node.settings["begin"], comes[1:], strict=True))
    return _moved(source, x, node.gives, list(map(Axis, sizes, comes, strides(sizes))), comes=start)


def _pad(source: Source, node: Node) -> str:
    (x,) = node.takes
    sizes, goes = shape_of(x), strides(shape_of(node.gives))
    start = sum(before * step for (before, _), step in zip(node.settings["around"], goes[1:], strict=True))
    source.code += LOOP
    zero = "0.0f" if x.type == "float32" else "0"
    empty = loop(size_of(node.gives), lambda i: f"{source.target(node.gives, i)} = {zero};")
    return f"{empty}\n{_moved(source, x, node.gives, list(map(Axis, sizes, strides(sizes), goes)), goes=start)}"


def _columns(source: Source, node: Node) -> str:
    x, _ = node.takes
    places = source.constant(node, 1).astype(np.int64)
    places = np.where(places < 0, places + x.width, places)
    rows, count = prod(shape_of(node.gives)[:-1]), len(places)
    table = "" if (places == places[0]).all() else source.tables.add(unsigned(int(places.max())), places)

    def one(row: str, i: str) -> str:
        at = f"{table}[{i}]" if table else str(places[0])
        goes = added(times(row, count), i)
        return f"{source.target(node.gives, goes)} = {source.element(x, added(times(row, x.width), at))};"

    return loop(rows, lambda row: loop(count, lambda i: one(row, i)), "row")


def _lookup(source: Source, node: Node) -> str:
    table, numbers = node.takes
    rows, width = shape_of(table)[0], prod(shape_of(table)[1:])
    source.help("place")

    def one(i: str, j: str) -> str:
        row = times(f"place({source.element(numbers, i)}, {rows})", width)
        return f"{source.target(node.gives, added(times(i, width), j))} = {source.element(table, added(row, j))};"

    return loop(size_of(numbers), lambda i: loop(width, lambda j: one(i, j), "j"))


def _pick(source: Source, node: Node) -> str:
    x, numbers = node.takes
    if len(x.shape) > 2:
        raise cannot("the operation pick of more than one axis")
    source.help("place")

    def one(i: str) -> str:
        at = f"place({source.element(numbers, i)}, {x.width})"
        return f"{source.target(node.gives, i)} = {source.element(x, at)};"

    return loop(size_of(numbers), one)


# sums


def _sum(source: Source, node: Node) -> str:
    return _summed(source, node, (1,), "sum")


def _mean(source: Source, node: Node) -> str:
    (x,) = node.takes
    axes = node.settings["axes"]
    return _summed(source, node, axes, f"sum / {prod(x.shape[axis] for axis in axes)}.0f")


def _summed(source: Source, node: Node, over: Sequence[int], result: str) -> str:
    """Sums over some axes, in their order; `result` says what becomes of a sum, which is whole if its numbers are."""
    (x,) = node.takes
    sizes, comes = shape_of(x), strides(shape_of(x))
    goes = strides([1 if axis in over else size for axis, size in enumerate(sizes)])
    kept = fewest([Axis(sizes[axis], comes[axis], goes[axis]) for axis in range(len(sizes)) if axis not in over])
    summed = fewest([Axis(sizes[axis], comes[axis]) for axis in over])
    source.code += LOOP * max(len(kept) + len(summed) - 1, 0)
    mean = result != "sum"
    of = "float32" if mean else "int32" if x.type == "bool" else x.type
    made = source.cast(f"({result})" if mean and x.type != "float32" else result, of, node.gives.type)

    def one(where: str, to: str) -> str:
        add = nested(summed, lambda at, _: f"sum += {source.element(x, at, alone=True)};", where, depth=len(kept))
        return f"{{\n    {FLOAT[of]} sum = 0;\n    {add}\n    {source.target(node.gives, to)} = {made};\n}}"

    return nested(kept, one)


STATEMENTS: dict[str, Callable[[Source, Node], str]] = {
    "dense": _dense,
    "dense_each": _dense,
    "conv2d": _convolution,
    "depthwise_conv2d": _convolution,
    "max_pool": _pool,
    "average_pool": _pool,
    "matmul": _matmul,
    "softmax": _softmax,
    "trees": _trees,
    "concat": _concat,
    "transpose": _transpose,
    "slice": _slice,
    "pad": _pad,
    "columns": _columns,
    "lookup": _lookup,
    "pick": _pick,
    "sum": _sum,
    "mean": _mean,
}
OF_FLOATS = {"dense", "dense_each", "conv2d", "depthwise_conv2d", "max_pool", "average_pool", "matmul", "softmax", "trees"}
"""Operations whose functions take arrays of float."""
