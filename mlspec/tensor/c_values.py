"""Values in C: which are stored, and where; which are computed where they are read; which are other names of a place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from math import prod
from operator import itemgetter, mul

import numpy as np

from mlspec.diagnostic import Finding, Problem
from mlspec.tensor.c_helpers import CODE, ENTRY, HELPERS, NEEDS_MATH, PER_OPERATION, WINDOWED, WINDOWS
from mlspec.tensor.c_text import BYTES, Tables, fitting, literal, plus, shape_of, size_of, strides, times, within
from mlspec.tensor.program import Array, Node, Program, Value

FLOAT = {"float32": "float", "int32": "int32_t", "bool": "uint8_t"}
ARENAS = {"float32": "real", "int32": "whole", "bool": "truth"}
"""Type -> the static array that values of this type lie in."""


def cannot(what: str) -> Problem:
    """Return the problem that C cannot hold an operation."""
    message = f"`kind: c` has no code for {what}"
    return Problem(Finding("cannot-export", message, ("kind",), help="`kind: tflite`, `kind: onnx` or `kind: openvino`"))


# operations on single numbers, as C expressions; they are computed where they are read, if they are read once

INFIX = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "equal": "{} == {}",
    "less": "{} < {}",
    "less_equal": "{} <= {}",
    "greater": "{} > {}",
    "greater_equal": "{} >= {}",
    "and": "{} && {}",
    "where": "{} ? {} : {}",
    "rsqrt": "1.0f / sqrtf({})",
}
CALLS = {
    "exp": "expf({})",
    "log": "logf({})",
    "tanh": "tanhf({})",
    "sigmoid": "sigmoid({})",
    "sqrt": "sqrtf({})",
    "relu": "rectified({})",
    "relu6": "capped({})",
    "hard_swish": "hard_swish({})",
    "abs": "absolute({})",
    "min": "smaller({}, {})",
    "max": "larger({}, {})",
    "not": "!{}",
}
OF_WHOLE = {
    "min": "{0} < {1} ? {0} : {1}",
    "max": "{0} > {1} ? {0} : {1}",
    "abs": "{0} < 0 ? -{0} : {0}",
    "relu": "{0} > 0 ? {0} : 0",
}
OF_TRUTH = {"add": "{} || {}", "mul": "{} && {}", "max": "{} || {}", "min": "{} && {}", "relu": "{}", "abs": "{}"}
CASTS = {("int32", "float32"): "(float){}", ("bool", "float32"): "(float){}", ("float32", "int32"): "whole_number({})"}
SINGLE = {*INFIX, *CALLS, "cast"}
READ_ONCE = {"concat", "sum", "mean", "pad", "slice", "transpose"}
"""Operations besides those on single numbers that read each number that they take once."""

MOST_NESTED = 20
"""How many operations are computed within one another: compilers need not take more than 63 parentheses, and some do not."""


@dataclass(frozen=True, slots=True)
class Size:
    """What a model takes of a device, in bytes: constants and static buffers exactly, code about (Thumb-2, -Os).

    Padding between arrays, the stack, and exp, log and tanh of the C library come on top.
    """

    tables: int
    code: int
    ram: int

    @property
    def flash(self) -> int:
        return self.tables + self.code


@dataclass(slots=True)
class _Free:
    """What is free of a static array."""

    taken: list[tuple[int, int]] = field(default_factory=list)
    length: int = 0

    def take(self, size: int) -> int:
        at = 0
        for start, end in sorted(self.taken):
            if start - at >= size:
                break
            at = max(at, end)
        self.taken.append((at, at + size))
        self.length = max(self.length, at + size)
        return at


class Source:
    """A source file that is being written: what it holds so far, where its values lie, and how they are read.

    All text in it comes from here and from `mlspec.tensor.c_operations`; none from a spec.
    """

    def __init__(self, program: Program) -> None:
        assert program.output is not None
        self.program, self.output = program, program.output
        self.tables = Tables()
        self.helpers: dict[str, str] = {}
        self.functions: list[str] = []
        self.lines: list[str] = []
        self.code = ENTRY
        self.ranks = 0
        self.types = {0: program.input, **{node.gives.index: node.gives for node in program.nodes}}
        # what is computed where it is read, and what is only another name of a place in a stored value
        self.inlined: dict[int, Node] = {}
        self.aliases: dict[int, tuple[Value, int]] = {}
        self.readers: dict[int, list[Node]] = {}
        needed = program.needed
        for node in needed:
            for one in node.takes:
                self.readers.setdefault(one.index, []).append(node)
        self.depths: dict[int, int] = {}
        self.stored = [node for node in needed if not self._is_inlined(node) and not self._is_alias(node)]
        self.last = self._last_reads()
        self.places: dict[int, int] = {}
        self.arenas = {kind: _Free() for kind in ARENAS}

    @property
    def size(self) -> Size:
        ram = self.ranks + sum(free.length * BYTES[FLOAT[kind]] for kind, free in self.arenas.items())
        return Size(self.tables.bytes, self.code + sum(CODE.get(name, CODE["dense"]) for name in self._called()), ram)

    def _called(self) -> list[str]:
        """The helpers that statements call: a compiler warns of one that nothing does."""
        text = "\n".join([*self.lines, *self.functions])
        return [name for name in self.helpers if re.search(rf"\b{name}\(", text)]

    @property
    def needs_math(self) -> bool:
        calls = re.search(r"\b(expf|logf|tanhf|sqrtf)\(", "\n".join(self.lines))
        return bool(calls) or self.tables.has_nan or bool(NEEDS_MATH.intersection(self._called()))

    def parts(self) -> list[str]:
        """What stands before the entry."""
        called = self._called()
        arenas = [f"static {FLOAT[kind]} {ARENAS[kind]}[{free.length}];" for kind, free in self.arenas.items() if free.length]
        windows = [WINDOWS] if any(name in WINDOWED for name in called) else []
        return [*windows, *self.tables.texts(), *arenas, "", *(self.helpers[one] for one in called), *self.functions]

    # where values lie

    def _is_inlined(self, node: Node) -> bool:
        readers = self.readers.get(node.gives.index, [])
        if node.operation not in SINGLE or len(readers) != 1 or node.gives.index == self.output.index:
            return False
        (reader,) = readers
        depth = 1 + max(self.depths.get(one.index, 0) for one in node.takes)
        once = reader.operation in READ_ONCE and self._names(reader) is None
        if depth > MOST_NESTED or not (once or (reader.operation in SINGLE and size_of(reader.gives) == size_of(node.gives))):
            return False
        self.inlined[node.gives.index], self.depths[node.gives.index] = node, depth
        return True

    def _is_alias(self, node: Node) -> bool:
        """Whether an operation only names what lies somewhere else already."""
        offset = self._names(node)
        if offset is None:
            return False
        root, start = self.aliases.get(node.takes[0].index, (node.takes[0], 0))
        self.aliases[node.gives.index] = root, start + offset
        return True

    def _names(self, node: Node) -> int | None:
        """Where in what it takes lies what an operation gives, if it lies there number by number."""
        if node.operation == "reshape":
            return 0
        sizes = shape_of(node.takes[0])
        if node.operation == "transpose":
            order = [axis for axis in node.settings["order"] if sizes[axis] > 1]
            return 0 if order == sorted(order) else None
        if node.operation == "slice":
            begin, many = (0, *node.settings["begin"]), (1, *node.settings["size"])
            start = next((axis for axis, count in enumerate(many) if count > 1), len(many))
            return sum(map(mul, begin, strides(sizes))) if many[start + 1 :] == sizes[start + 1 :] else None
        if node.operation == "columns" and prod(shape_of(node.gives)[:-1]) == 1:
            places = self.constant(node, 1)
            return int(places[0]) if (np.diff(places) == 1).all() and places[0] >= 0 else None
        return None

    def _reads(self, node: Node) -> Iterable[tuple[Value, int, int]]:
        """What an operation reads: a stored value, the place in it, and how many numbers."""
        for one in node.takes:
            if one.index in self.inlined:
                yield from self._reads(self.inlined[one.index])
            else:
                yield (*self.aliases.get(one.index, (one, 0)), size_of(one))

    def _last_reads(self) -> dict[int, int]:
        last = {root.index: step for step, node in enumerate(self.stored) for root, _, _ in self._reads(node)}
        last[self.aliases.get(self.output.index, (self.output, 0))[0].index] = len(self.stored)
        return last

    def is_output(self, value: Value) -> bool:
        """Whether a value is written where the caller wants the output."""
        return value.index == self.output.index and value.type == "float32" and self._is_made(value)

    def _is_made(self, value: Value) -> bool:
        return value.index != 0 and value.index not in self.program.constants and value.index not in self.aliases

    def allot(self, step: int, node: Node) -> None:
        """Find a place for what an operation gives, where nothing lies that is still to be read."""
        value = node.gives
        for kind, free in self.arenas.items():
            live = [one for one in self.places if self.types[one].type == kind and self.last[one] >= step]
            free.taken = [(self.places[one], self.places[one] + size_of(self.types[one])) for one in live]
        if self.is_output(value):
            return
        heir = self._inherits(step, node)
        self.places[value.index] = self.arenas[value.type].take(size_of(value)) if heir is None else self.places[heir]

    def _inherits(self, step: int, node: Node) -> int | None:
        """A value that is read here for the last time, number by number: its place is written over."""
        if node.operation not in SINGLE and node.operation != "softmax":
            return None
        reads, size = list(self._reads(node)), size_of(node.gives)
        for root, _, _ in reads:
            mine = {(offset, count) for other, offset, count in reads if other.index == root.index}
            whole = mine == {(0, size)} and size_of(root) == size
            if whole and root.index in self.places and root.type == node.gives.type and self.last[root.index] == step:
                return root.index
        return None

    def _base(self, value: Value) -> tuple[str, int]:
        """The array that a value lies in, and where."""
        root, offset = self.aliases.get(value.index, (value, 0))
        if root.index == 0:
            return "input", offset
        if self.is_output(root):
            return "output", offset
        return ARENAS[root.type], self.places[root.index] + offset

    def constant(self, node: Node, place: int) -> Array:
        """Return what an operation takes at a place, which has to be known here."""
        value = node.takes[place]
        if value.index not in self.program.constants:
            raise cannot(f"the operation {node.operation} of numbers that are not known before a row comes")
        return self.program.constants[value.index]

    def pointer(self, value: Value, at: str = "0") -> str:
        """Return where the numbers of a value lie, from the number `at` on."""
        root, offset = self.aliases.get(value.index, (value, 0))
        if root.index in self.program.constants:
            base = self.tables.add("float", self.program.constants[root.index])
        else:
            base, offset = self._base(value)
        place = plus(at, offset)
        return base if place == "0" else f"{base} + {place}"

    def target(self, value: Value, at: str) -> str:
        """Return the number `at` of a value that is stored."""
        base, offset = self._base(value)
        return f"{base}[{plus(at, offset)}]"

    # what is computed

    def element(self, value: Value, at: str, *, alone: bool = False) -> str:
        """One number of a value, as an expression that can stand in any other, or only `alone`."""
        if value.index in self.inlined:
            node = self.inlined[value.index]
            text = self.expression(node, at)
            return text if alone or (node.operation in CALLS and value.type == "float32") else f"({text})"
        root, offset = self.aliases.get(value.index, (value, 0))
        if root.index in self.program.constants:
            return self._constant(root, plus(at, offset))
        return self.target(value, at)

    def _constant(self, value: Value, at: str) -> str:
        numbers = self.program.constants[value.index]
        if (numbers.size == 1 or (numbers == numbers.flat[0]).all()) and not np.signbit(numbers[numbers == 0]).any():
            first = numbers.flat[0]
            self.tables.has_nan |= bool(np.isnan(first))
            return literal(float(first)) if value.type == "float32" else str(int(first))
        kind = fitting(numbers)
        if value.type != "float32":
            return f"{self.tables.add(kind or 'int32_t', numbers)}[{at}]"
        return f"{self.tables.add('float', numbers)}[{at}]" if kind is None else f"(float){self.tables.add(kind, numbers)}[{at}]"

    def expression(self, node: Node, at: str) -> str:
        """Return the number `at` of what an operation on single numbers gives."""
        self.code += PER_OPERATION
        if node.operation == "cast":
            return self._cast(node, at)
        kind, name = node.gives.type, node.operation
        template = {"bool": OF_TRUTH, "int32": OF_WHOLE, "float32": {}}[kind].get(name) or INFIX.get(name) or CALLS[name]
        alone = template.endswith(")")
        takes = [self.element(one, _broadcast(one, node.gives, at), alone=alone) for one in node.takes]
        self.help(template.partition("(")[0])
        return template.format(*takes)

    def _cast(self, node: Node, at: str) -> str:
        (x,) = node.takes
        return self.cast(self.element(x, at), x.type, node.settings["type"])

    def cast(self, text: str, was: str, becomes: str) -> str:
        """Return a number of one type, which can stand in any expression, as one of another type."""
        if was == becomes:
            return text
        template = "{} != 0" if becomes == "bool" else CASTS.get((was, becomes), "{}")
        self.help(template.partition("(")[0])
        return template.format(text)

    def help(self, name: str) -> None:
        """Have a function written, if it is one of ours."""
        if name in HELPERS:
            self.helpers[name] = HELPERS[name]


def _broadcast(value: Value, gives: Value, at: str) -> str:
    """The index of the number of a value that meets the number `at` of what an operation gives."""
    if size_of(value) == 1:
        return "0"
    if size_of(value) == size_of(gives):
        return at
    whole = shape_of(gives)
    mine = (1,) * (len(whole) - len(shape_of(value))) + shape_of(value)
    terms, inner, stride = [], 1, 1
    # neighbouring axes that are both there, or both not, are one
    for there, axes in groupby(
        ((own > 1, size) for own, size in zip(mine[::-1], whole[::-1], strict=True) if size > 1), itemgetter(0)
    ):
        size = prod(one for _, one in axes)
        if there:
            text = within(at) if inner == 1 else f"{within(at)} / {inner}"
            whole_rest = inner * size == size_of(gives)
            terms.append(times(f"({text})" if whole_rest else f"({text} % {size})", stride))
            stride *= size
        inner *= size
    return terms[0] if len(terms) == 1 else f"({' + '.join(terms[::-1])})"
