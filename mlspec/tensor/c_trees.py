"""Ensembles of trees in C: tables of bit fields, a few bytes for each inner node, and a function that walks them.

Nodes lie in preorder, so that the first child follows its parent; a node holds how many inner nodes its first subtree has, which
is how far away the second one lies and how many leaves lie between: leaves have no nodes. A comparison `x <= threshold` of
float32 numbers is made between whole numbers and is exact for every x, ±0, denormal and infinite ones included: numbers are
brought to an int32 that rises as they rise. Where it is smaller, a node holds the rank of its threshold among those of its
feature, and each feature of a row is ranked once before the walk. NaN goes where the tree sends it.

Each output starts at 0, and trees add their leaves (float32) in the order of `Trees.roots`: the result is, to the bit, that of a
float32 walk that sums in this order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlspec.tensor.c_text import BYTES, Tables, loop, times, unsigned
from mlspec.tensor.program import Array
from mlspec.tensor.trees import MOST, Trees


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a node's bits."""

    start: int
    width: int

    def of(self, word: str) -> str:
        if not self.width:
            return "0"
        shifted = f"{word} >> {self.start}" if self.start else word
        return f"({shifted} & {(1 << self.width) - 1:#x}u)"


@dataclass(frozen=True, slots=True)
class _Order:
    """The inner nodes and the leaves of all trees in preorder, and how many inner nodes each node's first subtree has.

    With `swapped`, the smaller subtree comes first, whichever side it is on.
    """

    nodes: Array
    leaves: Array
    first: Array
    swapped: Array

    @classmethod
    def of(cls, trees: Trees, *, swap: bool) -> _Order:
        below, swapped = _counts(trees), np.zeros(len(trees.left), dtype=bool)
        if swap:
            inner = np.flatnonzero(~trees.leaves)
            swapped[inner] = below[trees.left[inner] + 1] < below[trees.left[inner]]
        nodes, leaves = [], []
        left, is_leaf = trees.left.tolist(), trees.leaves.tolist()
        stack = trees.roots.tolist()[::-1]
        while stack:
            node = stack.pop()
            if is_leaf[node]:
                leaves.append(node)
            else:
                nodes.append(node)
                pair = left[node], left[node] + 1
                stack += pair if swapped[node] else pair[::-1]
        order = np.array(nodes, dtype=np.int64)
        first = below[trees.left[order] + swapped[order]] if nodes else np.zeros(0, dtype=np.int64)
        return cls(order, np.array(leaves, dtype=np.int64), first, swapped[order])


def _counts(trees: Trees) -> Array:
    """How many inner nodes each subtree has; children stand after their parents."""
    counts, leaves = [0] * len(trees.left), trees.leaves
    left = trees.left.tolist()
    for node in range(len(left) - 1, -1, -1):
        if not leaves[node]:
            assert left[node] > node, "a node stands before its children"
            counts[node] = 1 + counts[left[node]] + counts[left[node] + 1]
    return np.array(counts, dtype=np.int64)


def keys(numbers: Array) -> Array:
    """Return whole numbers that rise as float32 numbers rise; both zeros are 0."""
    bits = np.ascontiguousarray(numbers, dtype=np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


class Ensemble:
    """An ensemble as tables and a function. Of several layouts the smallest is taken."""

    def __init__(self, trees: Trees, name: str, tables: Tables) -> None:
        self.trees, self.name, self.tables = trees, name, tables
        inner = ~trees.leaves
        self.inner = int(inner.sum())
        self.used = np.unique(trees.feature[inner])
        ways = {bool(one) for one in trees.missing_left[inner]}
        self.mixed, self.always_left = len(ways) == 2, ways == {True}
        self.thresholds = [np.unique(keys(trees.threshold[inner & (trees.feature == one)])) for one in self.used]
        self.leaves = Leaves(trees)
        self.code = 100 + self.leaves.code
        self.ram = 0
        orders = {swap: _Order.of(trees, swap=swap) for swap in (False, True)}
        layouts = [_Layout(self, order, swap=swap, ranked=ranked) for swap, order in orders.items() for ranked in (True, False)]
        self.layout = min(layouts, key=lambda one: one.bytes)
        if self.inner and self.layout.ranked:
            self.code += 56
            self.ram = len(self.used) * BYTES[self.layout.rank_type]

    def text(self) -> str:
        """The function that adds up the leaves that a row reaches."""
        lines = [
            *(self.layout.prepare() if self.inner else ["(void)x;"]),
            loop(self.trees.outputs, lambda i: f"sums[{i}] = 0.0f;"),
            *(["uint32_t first = 0;"] if self.inner else []),
            *(["uint32_t turn = 0;"] if self.leaves.turns else []),
            f"for (uint32_t tree = 0; tree < {len(self.trees.roots)}; tree++) {{",
            *(f"    {line}" for line in (self._walk() if self.inner else ["uint32_t leaf = tree;"])),
            *(f"    {line}" for line in self.leaves.added(self.layout.order.leaves, self.tables)),
            "}",
        ]
        body = "".join(f"    {line}\n" for line in lines)
        return f"static void {self.name}(const float *x, float *sums)\n{{\n{body}}}\n"

    def _walk(self) -> list[str]:
        """A tree has a leaf more than inner nodes: before its first leaf lie those of the trees before it."""
        sizes = _counts(self.trees)[self.trees.roots]
        table = self.tables.add(unsigned(int(sizes.max())), sizes)
        return [f"uint32_t size = {table}[tree], at = first, leaf = first + tree;", "first += size;", *self.layout.walk()]


class _Layout:
    """One way to lay out nodes: with or without swapped subtrees, with ranks or with the thresholds themselves."""

    def __init__(self, ensemble: Ensemble, order: _Order, *, swap: bool, ranked: bool) -> None:
        self.ensemble, self.order, self.ranked, self.swap = ensemble, order, ranked, swap
        counts = [len(one) for one in ensemble.thresholds]
        most = int(self.order.first.max()) if ensemble.inner else 0
        start, self.fields = 0, {}
        for name, width in (
            ("first", most.bit_length()),
            ("feature", (len(ensemble.used) - 1).bit_length() if ensemble.inner else 0),
            ("rank", (max(counts, default=1) - 1).bit_length() if ranked else 0),
            ("missing", int(ensemble.mixed)),
            ("swapped", int(swap)),
        ):
            self.fields[name] = _Field(start, width)
            start += width
        self.record = -(-start // 8)
        # the last number of all is for a missing one
        self.rank_type = unsigned(max(counts, default=0) + ensemble.mixed)
        total = sum(counts)
        extra = total * 4 + (len(counts) + 1) * BYTES[unsigned(total)] + 56 if ranked else ensemble.inner * 4
        self.bytes = ensemble.inner * self.record + extra + swap * 8

    def _keys(self) -> Array:
        return keys(self.ensemble.trees.threshold[self.order.nodes])

    def _features(self) -> Array:
        return np.searchsorted(self.ensemble.used, self.ensemble.trees.feature[self.order.nodes])

    def _nodes(self) -> str:
        """The table of nodes, the lowest byte of each first."""
        trees, nodes = self.ensemble.trees, self.order.nodes
        features, found = self._features(), self._keys()
        ranks = np.zeros(len(nodes), dtype=np.int64)
        for place, thresholds in enumerate(self.ensemble.thresholds):
            mine = features == place
            ranks[mine] = np.searchsorted(thresholds, found[mine])
        parts = {
            "first": self.order.first,
            "feature": features,
            "rank": ranks,
            "missing": trees.missing_left[nodes],
            "swapped": self.order.swapped,
        }
        words = np.zeros(len(nodes), dtype=np.uint64)
        for name, bits in self.fields.items():
            if bits.width:
                words |= parts[name].astype(np.uint64) << np.uint64(bits.start)
        each = words.reshape(-1, 1) >> (8 * np.arange(self.record, dtype=np.uint64))
        return self.tables.add("uint8_t", (each & np.uint64(255)).astype(np.int64))

    @property
    def tables(self) -> Tables:
        return self.ensemble.tables

    def _x(self, place: str) -> str:
        """The number of the feature at this place among those that the trees ask for."""
        used = self.ensemble.used
        if len(used) == int(used[-1]) + 1:
            return f"x[{place}]"
        return f"x[{self.tables.add(unsigned(int(used[-1])), used)}[{place}]]"

    def prepare(self) -> list[str]:
        """What comes before the walk: the rank of each feature among the thresholds, all those below it being counted."""
        if not self.ranked:
            return []
        thresholds = self.ensemble.thresholds
        ends = np.cumsum([0, *(len(one) for one in thresholds)])
        starts = self.tables.add(unsigned(int(ends[-1])), ends)
        sorted_ = self.tables.add("int32_t", np.concatenate(thresholds))
        kind = self.rank_type
        rank = f"low - {starts}[i]"
        if self.ensemble.mixed:
            rank = f"number == MISSING ? {(1 << 8 * BYTES[kind]) - 1}u : {rank}"
        elif self.ensemble.always_left:
            rank = f"number == MISSING ? 0 : {rank}"
        return [
            f"static {kind} rank[{len(thresholds)}];",
            f"for (uint32_t i = 0; i < {len(thresholds)}; i++) {{",
            f"    int32_t number = key({self._x('i')});",
            f"    uint32_t low = {starts}[i], high = {starts}[i + 1];",
            "    while (low < high) {",
            "        uint32_t middle = (low + high) / 2;",
            f"        if ({sorted_}[middle] < number)",
            "            low = middle + 1;",
            "        else",
            "            high = middle;",
            "    }",
            f"    rank[i] = ({kind})({rank});",
            "}",
        ]

    def walk(self) -> list[str]:
        """From the root of a tree to a leaf: `size` is how many inner nodes the subtree has whose root is the node `at`."""
        fields = {name: bits.of("word") for name, bits in self.fields.items()}
        if self.ranked:
            number, threshold = f"rank[{fields['feature']}]", fields["rank"]
            missing = str((1 << 8 * BYTES[self.rank_type]) - 1) + "u"
        else:
            number = f"key({self._x(fields['feature'])})"
            threshold, missing = f"{self.tables.add('int32_t', self._keys())}[at]", "MISSING"
        goes = f"number <= {threshold}"
        if self.ensemble.mixed:
            goes = f"number == {missing} ? {fields['missing']} : {goes}"
        elif self.ensemble.always_left and not self.ranked:
            goes = f"number == MISSING || {goes}"
        if self.swap:
            goes = f"({goes}) != {fields['swapped']}"
        return [
            "while (size) {",
            *(f"    {line}" for line in self._word()),
            f"    {'uint32_t' if self.ranked else 'int32_t'} number = {number};",
            f"    uint32_t beside = {fields['first']};",
            f"    if ({goes}) {{",
            "        at += 1;",
            "        size = beside;",
            "    } else {",
            "        at += beside + 1;",
            "        leaf += beside + 1;",
            "        size -= beside + 1;",
            "    }",
            "}",
        ]

    def _word(self) -> list[str]:
        if not self.record:
            return []
        nodes = self._nodes()
        if self.record == 1:
            return [f"uint32_t word = {nodes}[at];"]
        kind = "uint32_t" if self.record <= 4 else "uint64_t"
        parts = [f"({kind})node[{place}] << {8 * place}" for place in range(1, self.record)]
        return [f"const uint8_t *node = {nodes} + at * {self.record};", f"{kind} word = node[0] | {' | '.join(parts)};"]


class Leaves:
    """The numbers of leaves: as they are; each different row once; each different number once; or what is not 0 in a row."""

    def __init__(self, trees: Trees) -> None:
        self.trees = trees
        self.value = np.clip(trees.value, -float(MOST), float(MOST)).astype(np.float32)
        self.rows = self.value.reshape(len(self.value), -1)
        self.width = self.rows.shape[1]
        self.turns = trees.value.ndim == 1 and trees.outputs > 1
        at = np.flatnonzero(trees.leaves)
        self.different, found = np.unique(self.rows[at].view(np.uint32), axis=0, return_inverse=True)
        self.which = np.zeros(len(self.rows), dtype=np.int64)
        self.which[at] = found.reshape(-1)
        self.numbers = np.unique(self.different)
        index, inner = BYTES[unsigned(len(self.different) - 1)], BYTES[unsigned(len(self.numbers) - 1)]
        self.filled = self.different != 0
        entries = int(self.filled.sum())
        rows, numbers = len(self.different), 4 * len(self.numbers)
        column = BYTES[unsigned(self.width - 1)]
        starts = (rows + 1) * BYTES[unsigned(entries)]
        costs = {
            "plain": 4 * self.width * len(at),
            "rows": index * len(at) + 4 * self.width * rows,
            "numbers": index * len(at) + inner * self.width * rows + numbers + 8,
            "sparse": index * len(at) + starts + entries * (column + 4) + 24,
            "sparse_numbers": index * len(at) + starts + entries * (column + inner) + numbers + 32,
        }
        self.way = min(costs, key=lambda one: costs[one])
        self.code = 16 + (0 if self.way == "plain" else 24)

    def added(self, leaves: Array, tables: Tables) -> list[str]:
        """Statements that add the numbers of the leaf `leaf` to `sums`."""
        if self.way == "plain":
            row, numbers = "leaf", tables.add("float", self.rows[leaves])
        else:
            which = tables.add(unsigned(len(self.different) - 1), self.which[leaves])
            row, numbers = f"{which}[leaf]", ""
        if self.way.startswith("sparse"):
            return self._sparse(row, tables)
        if self.way == "rows":
            numbers = tables.add("float", self.different.view(np.float32))
        lines = [f"uint32_t row = {times(row, self.width)};"]  # the first number of the leaf
        if self.width == 1:
            place = "turn" if self.turns else "0"
            lines.append(f"sums[{place}] += {self._number('row', numbers, tables)};")
            return [*lines, *([f"turn = turn + 1 == {self.trees.outputs} ? 0 : turn + 1;"] if self.turns else [])]
        return [
            *lines,
            f"for (uint32_t i = 0; i < {self.width}; i++)",
            f"    sums[i] += {self._number('row + i', numbers, tables)};",
        ]

    def _number(self, at: str, numbers: str, tables: Tables) -> str:
        if self.way != "numbers":
            return f"{numbers}[{at}]"
        place = tables.add(unsigned(len(self.numbers) - 1), np.searchsorted(self.numbers, self.different))
        return f"{tables.add('float', self.numbers.view(np.float32))}[{place}[{at}]]"

    def _sparse(self, row: str, tables: Tables) -> list[str]:
        """A number that is 0 is not added: sums start at 0 and never become -0, so that it would change nothing."""
        ends = np.cumsum([0, *self.filled.sum(axis=1)])
        starts = tables.add(unsigned(int(ends[-1])), ends)
        columns = tables.add(unsigned(self.width - 1), np.nonzero(self.filled)[1])
        held = self.different[self.filled]
        if self.way == "sparse":
            number = f"{tables.add('float', held.view(np.float32))}[i]"
        else:
            place = tables.add(unsigned(len(self.numbers) - 1), np.searchsorted(self.numbers, held))
            number = f"{tables.add('float', self.numbers.view(np.float32))}[{place}[i]]"
        return [
            f"uint32_t row = {row};",
            f"for (uint32_t i = {starts}[row]; i < {starts}[row + 1]; i++)",
            f"    sums[{columns}[i]] += {number};",
        ]
