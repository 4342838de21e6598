"""PyYAML's event parser in Python, brought to what libyaml 0.2.5 accepts: tabs between tokens and `?` inside flow values."""

from __future__ import annotations

from typing import Any

from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError
from yaml.tokens import ScalarToken

_BLANK_OR_END = "\0 \t\r\n"
_FLOW_END = ",[]{}"


class PureParser(Reader, Scanner, Parser):  # type: ignore[misc]
    """The parser where PyYAML was built without libyaml. Each override follows a function of libyaml's scanner.c."""

    allow_simple_key: bool
    column: int
    indent: int

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def scan_to_next_token(self) -> None:
        while True:
            while self.peek() == " " or (self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)):
                self.forward()
            if self.peek() == "#":
                while self.peek() not in "\0\r\n":
                    self.forward()
            if not self.scan_line_break():
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def scan_directive(self) -> Any:
        token = super().scan_directive()
        if token.name not in ("YAML", "TAG"):
            raise ScannerError("while scanning a directive", token.start_mark, "found unknown directive name", token.end_mark)
        return token

    def scan_plain(self) -> Any:
        start = end = self.get_mark()
        chunks: list[str] = []
        spaces: list[str] | None = []
        while self.peek() != "#" and spaces is not None:
            length = self._plain_length(start)
            if not length:
                break
            self.allow_simple_key = False
            chunks += [*spaces, self.prefix(length)]
            self.forward(length)
            end = self.get_mark()
            if self.peek() not in " \t\r\n" or self.peek() == "\0":
                break
            spaces = self.scan_plain_spaces(self.indent + 1, start)
            if not self.flow_level and self.column < self.indent + 1:
                break
        return ScalarToken("".join(chunks), True, start, end)

    def _plain_length(self, start: Any) -> int:
        length = 0
        while (char := self.peek(length)) not in _BLANK_OR_END:
            following = self.peek(length + 1)
            if char == ":" and self.flow_level and following in ",?[]{}":
                self.forward(length)
                raise ScannerError("while scanning a plain scalar", start, "found unexpected ':'", self.get_mark())
            if (char == ":" and following in _BLANK_OR_END) or (self.flow_level and char in _FLOW_END):
                break
            length += 1
        return length

    def scan_plain_spaces(self, indent: int, start_mark: Any) -> list[str] | None:
        """Read white space inside a plain scalar; None at a document separator."""
        blanks = ""
        breaks: list[str] = []
        while self.peek() in " \t\r\n" and self.peek() != "\0":
            if self.peek() in "\r\n":
                breaks.append(self.scan_line_break())
                self.allow_simple_key = True
                if self.prefix(3) in ("---", "...") and self.peek(3) in _BLANK_OR_END:
                    return None
                continue
            if breaks and self.column < indent and self.peek() == "\t":
                problem = "found a tab character that violates indentation"
                raise ScannerError("while scanning a plain scalar", start_mark, problem, self.get_mark())
            blanks += self.peek()
            self.forward()
        return [blanks] if not breaks else [" "] if len(breaks) == 1 else breaks[1:]

    def scan_block_scalar_indentation(self) -> Any:
        start = self.get_mark()
        found = super().scan_block_scalar_indentation()
        self._refuse_tab(start)
        return found

    def scan_block_scalar_breaks(self, indent: int) -> Any:
        start = self.get_mark()
        found = super().scan_block_scalar_breaks(indent)
        if self.column < indent:
            self._refuse_tab(start)
        return found

    def _refuse_tab(self, start: Any) -> None:
        if self.peek() == "\t":
            problem = "found a tab character where an indentation space is expected"
            raise ScannerError("while scanning a block scalar", start, problem, self.get_mark())
