"""The lines of a text: from character offsets to the lines and columns that people and editors count."""

from __future__ import annotations

import re
from bisect import bisect_right

from mlspec.diagnostic import Span

_BREAK = re.compile("\r\n|\r|\n")


class Lines:
    """A text cut into lines where editors cut it: at ``\\n``, ``\\r\\n`` and a lone ``\\r``, and nowhere else."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(found.end() for found in _BREAK.finditer(text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and column, both from 1, of the character at ``offset``."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def span(self, start: int, end: int) -> Span:
        """Return the span of ``text[start:end]``."""
        return Span(*self.place(start), *self.place(max(start, end)))

    def line(self, number: int) -> str:
        """Return a line without its line break; the empty text where there is no such line."""
        if not 1 <= number <= len(self._starts):
            return ""
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[self._starts[number - 1] : end].rstrip("\r\n")

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a line and column: the inverse of `place`."""
        return self._starts[line - 1] + column - 1
