"""Text of C: indices, loops, numbers, and the constant arrays of a source file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from mlspec.tensor.program import ROWS, Array, Value

BYTES = {"float": 4, "int32_t": 4, "uint32_t": 4, "uint16_t": 2, "int16_t": 2, "uint8_t": 1, "int8_t": 1}
WHOLE = ("uint8_t", "int8_t", "uint16_t", "int16_t", "int32_t")


# the shapes of one row


def shape_of(value: Value) -> tuple[int, ...]:
    """Return the shape of a value for one row."""
    return tuple(1 if size == ROWS else size for size in value.shape)


def size_of(value: Value) -> int:
    """Return how many numbers a value has for one row."""
    return prod(shape_of(value))


# C text: an index is a whole number or an expression of loop variables


def plus(at: str, more: int) -> str:
    """Return an index that is so many places further."""
    return str(int(at) + more) if at.isdigit() else f"{at} + {more}" if more else at


def times(at: str, factor: int) -> str:
    """Return an index times a factor; where it is a sum it stands in parentheses already."""
    if at.isdigit() or not factor:
        return str(int(at) * factor if factor else 0)
    return f"{at} * {factor}" if factor != 1 else at


def within(at: str) -> str:
    """Return an index as it can stand in any other."""
    return at if at.isalnum() else f"({at})"


def loop(count: int, body: Callable[[str], str], variable: str = "i") -> str:
    """Return a statement for each index; a single one needs no loop."""
    return body("0") if count == 1 else f"for (int {variable} = 0; {variable} < {count}; {variable}++) {body(variable)}"


LOOPS = "ijkmnpqrstuvw"
"""What loops count with, from the outermost one on."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A loop: how many rounds it has, and how far each goes on in what is read, and in what is written."""

    rounds: int
    comes: int
    goes: int = 0


def strides(sizes: Sequence[int]) -> list[int]:
    """Return how far apart neighbours along each axis of an array lie."""
    return [prod(sizes[axis + 1 :]) for axis in range(len(sizes))]


def fewest(axes: Iterable[Axis]) -> list[Axis]:
    """Return loops that do the same: one of a single round is none, and two that go on where the inner one ends are one."""
    found: list[Axis] = []
    for one in axes:
        if one.rounds == 1:
            continue
        outer = found[-1] if found else None
        if outer and (outer.comes, outer.goes) == (one.comes * one.rounds, one.goes * one.rounds):
            found[-1] = Axis(outer.rounds * one.rounds, one.comes, one.goes)
        else:
            found.append(one)
    return found


def nested(axes: Sequence[Axis], body: Callable[[str, str], str], comes: str = "0", goes: str = "0", depth: int = 0) -> str:
    """Return loops in one another around a statement, which is made of where it reads and where it writes."""
    if not axes:
        return body(comes, goes)
    first, *others = axes

    def inner(at: str) -> str:
        return nested(others, body, added(comes, times(at, first.comes)), added(goes, times(at, first.goes)), depth + 1)

    return loop(first.rounds, inner, LOOPS[depth])


def added(one: str, other: str) -> str:
    """Return the sum of two indices."""
    return other if one == "0" else plus(one, int(other)) if other.isdigit() else f"{one} + {other}"


def literal(number: float) -> str:
    """Return a float32 in hexadecimal digits, which no compiler rounds."""
    if np.isnan(number):
        return "NAN"
    if np.isinf(number):
        return "INFINITY" if number > 0 else "-INFINITY"
    if number == int(number) and abs(number) < 1e6 and not (number == 0 and np.signbit(number)):
        return f"{int(number)}.0f"
    return re.sub(r"\.?0*p", "p", float(number).hex()) + "f"


def unsigned(most: int) -> str:
    """Return the smallest C type of whole numbers up to one."""
    return "uint8_t" if most < 1 << 8 else "uint16_t" if most < 1 << 16 else "uint32_t"


def fitting(numbers: Array) -> str | None:
    """Return the smallest C type of whole numbers that holds all numbers just as they are, if there is one."""
    if not np.isfinite(numbers).all() or (np.signbit(numbers) & (numbers == 0)).any() or (numbers != np.rint(numbers)).any():
        return None
    for kind in WHOLE:
        limits = np.iinfo(kind.removesuffix("_t"))
        if limits.min <= numbers.min() and numbers.max() <= limits.max:
            return kind
    return None


class Tables:
    """Constant arrays of the source file; equal ones are one."""

    def __init__(self) -> None:
        self.names: dict[tuple[str, str], str] = {}
        self.seen: dict[tuple[str, str, bytes], str] = {}
        self.bytes = 0
        self.has_nan = False

    def add(self, kind: str, numbers: Array) -> str:
        """Return the name of an array of numbers. A layer of many steps asks for its weights at each of them."""
        key = kind, str(numbers.dtype), numbers.tobytes()
        if key not in self.seen:
            texts = [literal(float(one)) if kind == "float" else str(int(one)) for one in numbers.reshape(-1)]
            self.has_nan |= kind == "float" and not np.isfinite(numbers).all()
            self.seen[key] = self._named(kind, ", ".join(texts), len(texts) * BYTES[kind])
        return self.seen[key]

    def record(self, kind: str, numbers: Sequence[int]) -> str:
        """Return the name of an array of one struct, whose fields are int32_t."""
        return self._named(kind, "{" + ", ".join(map(str, numbers)) + "}", len(numbers) * BYTES["int32_t"])

    def _named(self, kind: str, content: str, size: int) -> str:
        if (kind, content) not in self.names:
            self.names[kind, content] = f"table_{len(self.names)}"
            self.bytes += size
        return self.names[kind, content]

    def texts(self) -> list[str]:
        return [f"static const {kind} {name}[] = {{{_wrapped(content)}}};" for (kind, content), name in self.names.items()]


def _wrapped(content: str) -> str:
    """A list of numbers in lines: C99 promises no more than 4095 characters in one."""
    if len(content) < 90:
        return content
    lines, start = [], 0
    while len(content) - start > 120:
        end = content.rindex(" ", start, start + 120)
        lines.append(content[start:end])
        start = end + 1
    return "\n    " + "\n    ".join([*lines, content[start:]]) + "\n"
