"""Ensembles of decision trees as arrays, and how a program walks them with nothing but gathers and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlspec.tensor.program import OPERATIONS, ROWS, Array, Node, Operation, Program, Value

MOST = np.finfo(np.float32).max
LEAST = np.finfo(np.float32).smallest_normal


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree, a row for each node, the root first: a row goes left where its `feature` is at most `threshold` (float32).

    `left` and `right` are places of nodes, -1 at a leaf. `missing_left` says where NaN goes. `value` is what a leaf gives, one
    number or one for each output.
    """

    feature: Array
    threshold: Array
    left: Array
    right: Array
    missing_left: Array
    value: Array


@dataclass(frozen=True, slots=True)
class Trees:
    """An ensemble whose trees are summed. Where `value` has one column and there are several outputs, trees take turns.

    Nodes of all trees lie in one array, in an order in which the right child follows the left one. A leaf is its own left child
    and has an infinite threshold, so that a walk of `depth` steps ends at a leaf however short its path.
    """

    feature: Array  # int32
    threshold: Array  # float32
    left: Array  # int32
    missing_left: Array  # bool
    value: Array  # (nodes, outputs) or (nodes,)
    roots: Array  # int32
    outputs: int
    depth: int

    @property
    def leaves(self) -> Array:
        found: Array = self.left == np.arange(len(self.left))
        return found


def joined(trees: Sequence[Tree], outputs: int) -> Trees:
    """Put trees into one array."""
    parts, offset, depth = [], 0, 0
    for tree in trees:
        part, levels = _ordered(tree)
        parts.append(replace(part, left=part.left + offset))
        offset += len(part.left)
        depth = max(depth, levels)
    roots = np.cumsum([0, *(len(one.left) for one in parts[:-1])])
    merged = {name: np.concatenate([getattr(one, name) for one in parts]) for name in Tree.__slots__}
    return Trees(
        feature=merged["feature"].astype(np.int32),
        threshold=merged["threshold"].astype(np.float32),
        left=merged["left"].astype(np.int32),
        missing_left=merged["missing_left"].astype(bool),
        value=merged["value"].astype(np.float64),
        roots=roots.astype(np.int32),
        outputs=outputs,
        depth=depth,
    )


def _ordered(tree: Tree) -> tuple[Tree, int]:
    """Return a tree with its nodes level by level, the right child after the left, and how many levels lie below the root."""
    order, place, levels, level = [0], {0: 0}, 0, [0]
    while level:
        below = []
        for node in level:
            if tree.left[node] >= 0:
                for child in (int(tree.left[node]), int(tree.right[node])):
                    place[child] = len(order)
                    order.append(child)
                    below.append(child)
        level, levels = below, levels + bool(below)
    leaf = np.asarray(tree.left)[order] < 0
    left = np.array([place[node] if end else place[int(tree.left[node])] for node, end in zip(order, leaf, strict=True)])
    inner = np.minimum(np.asarray(tree.threshold, dtype=np.float32)[order], np.nextafter(MOST, np.float32(0)))
    # OpenVINO takes denormal numbers for 0, and "less than 0" is "at most the denormal below it": go to the next normal one
    inner = np.where(np.abs(inner) < LEAST, np.where(inner < 0, -LEAST, np.float32(0)), inner)
    return Tree(
        feature=np.where(leaf, 0, np.asarray(tree.feature)[order]),
        threshold=np.where(leaf, np.float32(np.inf), inner),
        left=left,
        right=left,
        missing_left=np.where(leaf, True, np.asarray(tree.missing_left)[order]),
        value=np.asarray(tree.value)[order],
    ), levels


def at_most(numbers: Array) -> Array:
    """Return the largest float32 that is at most each float64: for a float32 x, x <= t exactly where x <= at_most(t)."""
    wide = np.asarray(numbers, dtype=np.float64)
    near = np.clip(wide, -float(MOST), float(MOST)).astype(np.float32)
    return np.where(near.astype(np.float64) > wide, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float32)


def meant(numbers: Array) -> Array:
    """Return the float64 that each float32 most likely stands for: the shortest decimal number that rounds to it.

    Data are decimal numbers of few digits, and a device feeds 53.45 as the float32 next to it. A source model that compares in
    float64 saw 53.45.
    """
    found: Array = np.asarray(numbers, dtype=np.float32).astype("U").astype(np.float64)
    return found


def meant_at_most(numbers: Array) -> Array:
    """Return the largest float32 that stands for a number that is at most each float64 (see `meant`)."""
    wide = np.asarray(numbers, dtype=np.float64)
    near = np.clip(wide, -float(MOST), float(MOST)).astype(np.float32)
    return np.where(meant(near) > wide, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float32)


def _gives(takes: Sequence[Value], settings: dict[str, Trees]) -> tuple[tuple[int, ...], str]:
    return (ROWS, settings["trees"].outputs), "float32"


OPERATIONS["trees"] = Operation(_gives, lambda x, trees: _meant(x, trees))  # type: ignore[arg-type]


def _meant(x: Array, trees: Trees) -> Array:
    """What an ensemble gives, in float64: the meaning of the operation, which `walked` writes in simpler ones."""
    at = np.broadcast_to(trees.roots, (len(x), len(trees.roots)))
    for _ in range(trees.depth):
        numbers = np.take_along_axis(x, trees.feature[at], axis=1)
        right = np.where(np.isnan(numbers), ~trees.missing_left[at], numbers > trees.threshold[at])
        at = trees.left[at] + right
    found = trees.value[at]
    turns = found if found.ndim == 3 else found.reshape(len(x), -1, trees.outputs)
    total: Array = turns.sum(axis=1)
    return total


def walked(program: Program) -> Program:
    """Return the program with each ensemble written as `depth` rounds of gathers and a comparison, for runtimes without trees."""

    def write(made: Program, node: Node, takes: Sequence[Value]) -> Value:
        if node.operation == "trees":
            return _walk(made, takes[0], node.settings["trees"])
        return made.add(node.operation, *takes, **node.settings)

    return program.rewritten(write)


def _walk(program: Program, x: Value, trees: Trees) -> Value:
    """A missing number is read from a copy of the row in which it is the largest, or the smallest, number there is."""
    inner = ~trees.leaves
    missing, copies, feature = program.missing(x), [], trees.feature
    if (inner & ~trees.missing_left).any() or not inner.any():
        copies.append(program.add("where", missing, program.row([MOST]), x))
    if (inner & trees.missing_left).any():
        feature = feature + np.where(inner & trees.missing_left, x.width * len(copies), 0)
        copies.append(program.add("where", missing, program.row([-MOST]), x))
    numbers = program.concat(copies)
    if not trees.depth:
        return _alike(program, numbers, trees)
    first = trees.roots
    right = program.add("greater", program.columns(numbers, feature[first]), program.row(trees.threshold[first]))
    step = program.add("cast", right, type="int32")
    at = program.add("add", program.constant(trees.left[first].reshape(1, -1), "int32"), step)
    features, thresholds = program.constant(feature, "int32"), program.constant(trees.threshold)
    lefts = program.constant(trees.left, "int32")
    for _ in range(trees.depth - 1):
        seen = program.add("pick", numbers, program.add("lookup", features, at))
        right = program.add("greater", seen, program.add("lookup", thresholds, at))
        at = program.add("add", program.add("lookup", lefts, at), program.add("cast", right, type="int32"))
    found = program.add("lookup", program.constant(trees.value), at)
    if len(found.shape) == 2:
        found = program.add("reshape", found, shape=(found.width // trees.outputs, trees.outputs))
    return program.add("sum", found)


def _alike(program: Program, numbers: Value, trees: Trees) -> Value:
    """Trees that are one leaf each give the same to every row."""
    nothing = program.add("mul", program.columns(numbers, [0]), program.row([0.0]))
    found = trees.value[trees.roots]
    turns = found if found.ndim == 2 else found.reshape(-1, trees.outputs)
    return program.add("add", nothing, program.row(turns.sum(axis=0)))
