"""YAML's events, read by libyaml where PyYAML has it, and its syntax errors said so that a person knows what to write."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Fault(NamedTuple):
    """Something wrong with a stretch of text, by offsets: what, where, what to write, and the other place that explains it."""

    code: str
    message: str
    start: int
    end: int
    help: str = ""
    related: tuple[str, int, int] | None = None


class SyntaxFaultError(Exception):
    """Raised where the text stops being YAML."""

    def __init__(self, fault: Fault, at: int | None = None, start: int | None = None, near: tuple[int, ...] = ()) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.at = fault.start if at is None else at  # where the parser could not go on
        self.start = self.at if start is None else start  # where the thing begins that it was reading
        self.near = near  # where the last things begin that it had read


def events(text: str, *, pure: bool = False) -> Iterator[Any]:
    """Yield the events of a YAML text, with marks whose ``index`` counts characters; raise SyntaxFaultError at a syntax error.

    Both parsers are streams: nothing here recurses, however deep the text nests.
    PyYAML rather than ruamel.yaml: the libyaml inside ruamel.yaml.clib 0.2 and clibz 0.3 is 0.1.7, which rejects
    ``{entrypoint: package.module:name}`` and ``[https://example.com]``; PyYAML 6 carries 0.2.5, which follows YAML 1.2 there.
    """
    from yaml.error import MarkedYAMLError
    from yaml.events import MappingEndEvent, MappingStartEvent, SequenceEndEvent, SequenceStartEvent
    from yaml.reader import ReaderError

    starts, ends = (MappingStartEvent, SequenceStartEvent), (MappingEndEvent, SequenceEndEvent)
    try:
        parser = _parser(pure)(text)
    except ReaderError as error:  # a character that YAML forbids; the parser in Python looks at them first
        raise SyntaxFaultError(_forbidden(text, error)) from None
    opened: list[int] = []  # where the flow collections begin that are not closed yet
    recent: deque[Any] = deque(maxlen=3)
    while True:
        try:
            event = parser.get_event()
        except MarkedYAMLError as error:
            at = min(error.problem_mark.index, len(text)) if error.problem_mark else len(text)
            start = error.context_mark.index if error.context_mark else at
            near = (*(one.start_mark.index for one in recent), *opened[-2:])
            raise SyntaxFaultError(explain(error, text, opened), at, start, near) from None
        except ReaderError as error:
            raise SyntaxFaultError(_forbidden(text, error)) from None
        except (ValueError, OverflowError):  # the parser in Python converts "\UFFFFFFFF" without looking
            raise SyntaxFaultError(bad_escape(text, max(text.rfind("\\U", 0, parser.index + 1), 0))) from None
        if event is None:
            return
        recent.append(event)
        sort = type(event)
        if sort in starts:
            if event.flow_style:
                opened.append(event.end_mark.index - 1)
        elif opened and sort in ends and text[event.start_mark.index : event.end_mark.index] in ("]", "}"):
            opened.pop()
        yield event


def _forbidden(text: str, error: Any) -> Fault:
    at = error.position if isinstance(error.position, int) and 0 <= error.position < len(text) else 0
    return Fault("control-character", "a character stands here that YAML forbids", at, min(at + 1, len(text)), "remove it")


def _parser(pure: bool) -> Callable[[str], Any]:
    if not pure:
        try:
            from yaml.cyaml import CParser

            return CParser  # type: ignore[no-any-return, unused-ignore]
        except ImportError:
            pass
    from mlspec.pure_yaml import PureParser

    return PureParser


class _Error(NamedTuple):
    """A parser's error, with what the explanations below need to see of the text around it."""

    text: str
    context: str
    problem: str
    start: int  # where the thing begins that the parser was reading
    at: int  # where it could not go on
    opened: list[int]

    @property
    def char(self) -> str:
        return self.text[self.at : self.at + 1]

    @property
    def at_end(self) -> bool:
        return not self.text[self.at :].strip()

    def line_start(self, offset: int) -> int:
        return max(self.text.rfind("\n", 0, offset), self.text.rfind("\r", 0, offset)) + 1

    def first_on_line(self, offset: int) -> bool:
        return not self.text[self.line_start(offset) : offset].strip(" \t")

    def line_end(self, offset: int) -> int:
        """Return where the words of the line end that ``offset`` is on, without a comment."""
        line = re.split(r"[\r\n]", self.text[offset : offset + 2000], maxsplit=1)[0]
        return offset + max(len(re.split(r"\s#", line, maxsplit=1)[0].rstrip()), 1)

    def word(self, offset: int) -> str:
        """Return the text that stands at ``offset`` up to where a flow collection or the line would end it."""
        return re.split(r"[,\]}]", self.text[offset : self.line_end(offset)], maxsplit=1)[0].strip()


def explain(error: Any, text: str, opened: list[int]) -> Fault:
    """Turn an error of either parser into a fault of the text."""
    at = error.problem_mark.index if error.problem_mark else len(text)
    start = error.context_mark.index if error.context_mark else at
    found = _Error(text, error.context or "", str(error.problem or "the text is not YAML"), start, min(at, len(text)), opened)
    for pattern, explanation in _EXPLANATIONS:
        if re.search(pattern, f"{found.context}: {found.problem}"):
            return explanation(found)
    return Fault("yaml-syntax", f"the text is not YAML: {found.problem}", found.at, found.at + 1)


_ESCAPE_HELP = "double the backslash, or use single quotes, inside which it is plain"


def _tab(error: _Error) -> Fault:
    end = error.at + len(error.text[error.at :]) - len(error.text[error.at :].lstrip("\t"))
    return Fault("tab-indent", "a tab cannot indent YAML", error.at, max(end, error.at + 1), "indent with spaces, two a level")


def _cannot_start(error: _Error) -> Fault:
    return _tab(error) if error.char == "\t" else _unquoted(error, error.at)


def _indicator(error: _Error) -> Fault:
    return _unquoted(error, error.start)


def _unquoted(error: _Error, at: int) -> Fault:
    word = error.word(at)
    quoted = f'"{word}"' if '"' not in word and "\\" not in word else "'" + word.replace("'", "''") + "'"
    why = _MEANS.get(word[:1], "has a meaning of its own in YAML")
    return Fault(
        "unquoted-value", f"a plain value cannot start with `{word[:1]}`, which {why}", at, at + len(word), f"quote it: {quoted}"
    )


_MEANS = {
    "*": "refers to an anchor",
    "&": "names an anchor",
    "!": "starts a tag",
    "|": "starts a block of text",
    ">": "starts a block of text",
    "%": "starts a directive",
    "@": "YAML keeps for itself",
    "`": "YAML keeps for itself",
}


def _colon(error: _Error) -> Fault:
    begin = error.line_start(error.at)
    line = error.text[begin : error.at]
    key = begin + len(line) - len(line.lstrip())
    if len(line) > 1024:
        return Fault("key-too-long", "a key cannot be longer than 1,024 characters", key, error.at, "write a shorter key")
    if re.search(r":\s", line):
        message, instead = "a second `: ` stands inside a plain value", 'quote the whole value: "…"'
        return Fault("unexpected-colon", message, error.at, error.at + 1, instead)
    if "\t" in error.text[begin:key]:
        return _tab(error._replace(at=begin + error.text[begin:key].index("\t")))
    above = error.text[:begin].rstrip()
    start = error.line_start(len(above)) if above else 0
    above = above[start:]
    if above and not re.search(r":(\s|$)", above) and not above.lstrip().startswith(("- ", "#")):
        start += len(above) - len(above.lstrip())
        return missing_colon(error.text, start, error.line_end(start))
    message = "this key is indented deeper than the key above, which already has a value"
    instead = "give both the same indentation, or move the value above to this level"
    return Fault("unexpected-colon", message, key, max(error.at, key + 1), instead)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _flow_colon(error: _Error) -> Fault:
    return Fault(
        "unexpected-colon", "a `:` here needs a space after it", error.at, error.at + 1, "write `key: value`, or quote the value"
    )


def _dash(error: _Error) -> Fault:
    instead = "start the list on its own line, below its key, or write [a, b]"
    return Fault("unexpected-dash", "a list item cannot start here", error.at, error.at + 1, instead)


def _question(error: _Error) -> Fault:
    return Fault(
        "unexpected-question-mark", "`?` starts a key, and none can stand here", error.at, error.at + 1, "quote the value"
    )


def _no_colon(error: _Error) -> Fault:
    if error.opened or error.text[error.start : error.start + 1] in ("[", "{"):
        at = error.opened[-1] if error.opened else error.start
        return _never_closed(error, at)
    return missing_colon(error.text, error.start, error.line_end(error.start))


def missing_colon(text: str, start: int, end: int) -> Fault:
    """Return the fault of a stretch that ought to be a key."""
    word = text[start:end]
    message = f"`{_short(word)}` stands where a key is expected, and no `:` follows it"
    instead = "write `key: value`, or indent it to continue the text above"
    if re.match(r"[\w.-]+:\S", word):
        message = f"`{_short(word)}` stands where a key is expected, and no space follows its `:`"
        instead = f"write `{word.replace(':', ': ', 1)}`" if len(word) <= 40 else "write `key: value`"
    return Fault("missing-colon", message, start, end, instead)


def _quote(error: _Error) -> Fault:
    quote = error.text[error.start : error.start + 1]
    return Fault(
        "unclosed-quote",
        f"`{quote}` opens a text that is never closed",
        error.start,
        error.line_end(error.start),
        f"close it with `{quote}`",
    )


def _escape(error: _Error) -> Fault:
    at = error.text.rfind("\\", error.start, error.at + 1)
    return bad_escape(error.text, error.at if at < 0 else at)


def bad_escape(text: str, at: int) -> Fault:
    """Return the fault of the escape that begins at an offset."""
    shown = text[at : at + 2]
    message = "needs the number of a character after it" if shown[1:] in ("x", "u", "U") else "is no escape that YAML knows"
    return Fault("bad-escape", f"`{shown}` {message}", at, at + len(shown), _ESCAPE_HELP)


def _bracket(error: _Error) -> Fault:
    opening = error.start
    kind = error.text[opening : opening + 1]
    close = {"[": "]", "{": "}"}.get(kind, "]")
    later = error.line_start(error.at) > opening
    if error.at_end or (later and (error.char == ":" or (error.first_on_line(error.at) and error.char not in "]}"))):
        return _never_closed(error, opening)
    if error.text[error.at - 1 : error.at + 1] == "${":
        end = error.text.find("}", error.at) + 1 or error.at + 1
        message = f"inside `{kind}{close}` a reference needs quotes"
        return Fault("unquoted-value", message, error.at - 1, end, f'quote it: "{error.text[error.at - 1 : end]}"')
    related = (f"the `{kind}` it belongs to", opening, opening + 1)
    return Fault(
        "missing-comma",
        f"expected `,` or `{close}` here",
        error.at,
        error.at + 1,
        f"put a `,` between two entries, or `{close}` at the end",
        related,
    )


def _never_closed(error: _Error, opening: int) -> Fault:
    kind = error.text[opening : opening + 1]
    close = {"[": "]", "{": "}"}.get(kind, "]")
    return Fault("unclosed-bracket", f"`{kind}` is never closed", opening, opening + 1, f"close it with `{close}`")


def _no_content(error: _Error) -> Fault:
    if error.opened and error.at_end:
        return _never_closed(error, error.opened[-1])
    message = f"expected a value before `{error.char}`" if error.char.strip() else "expected a value here"
    return Fault("missing-value", message, error.at, error.at + 1, "write the value, or quote it where the sign is meant")


def _block(error: _Error) -> Fault:
    listed = "collection" in error.context or "sequence" in error.context
    related = ("the list begins here" if listed else "the mapping begins here", error.start, error.start + 1)
    if not error.first_on_line(error.at):
        message, instead = (
            "this cannot follow a value that is already complete",
            "quote the whole value, or write `#` before a comment",
        )
        return Fault("unexpected-text", message, error.at, error.line_end(error.at), instead, related)
    if listed:
        message = "expected `- ` here: the lines above are the items of a list"
    elif error.char == "-":
        message = "a list item stands among the keys of a mapping"
    elif error.char in ("]", "}"):
        message = f"`{error.char}` closes nothing"
    else:
        message = "the indentation of this line fits no block above it"
    instead = "give it the same indentation as the lines that it belongs with"
    return Fault("bad-indentation", message, error.at, error.line_end(error.at), instead, related)


def _after_end(error: _Error) -> Fault:
    message = "this cannot follow the value that the file begins with"
    return Fault(
        "unexpected-text",
        message,
        error.at,
        error.line_end(error.at),
        "write the file as one mapping: `key: value`, a key a line",
    )


def _directive(error: _Error) -> Fault:
    start = error.line_start(error.at) if error.text[error.start : error.start + 1] != "%" else error.start
    return Fault(
        "bad-directive",
        "a line that starts with `%` is a directive of YAML, and this is none",
        start,
        error.line_end(start),
        "quote it",
    )


def _tag(error: _Error) -> Fault:
    return Fault(
        "unsupported-tag",
        "a value cannot start with a tag such as this one",
        error.start,
        error.line_end(error.start),
        "leave it out, or quote the value",
    )


# The first pattern that fits "context: problem" explains it; libyaml and PyYAML word the same fault in two ways.
_EXPLANATIONS: tuple[tuple[str, Callable[[_Error], Fault]], ...] = (
    (r"cannot start any token", _cannot_start),
    (r"found a tab", _tab),
    (r"mapping values are not allowed", _colon),
    (r"found unexpected ':'", _flow_colon),
    (r"sequence entries are not allowed", _dash),
    (r"mapping keys are not allowed", _question),
    (r"could not find expected ':'", _no_colon),
    (r"found unexpected (end of stream|document)", _quote),
    (r"quoted scalar: .*(escape|hexdecimal|Unicode)", _escape),
    (r"scanning an (alias|anchor)", _indicator),
    (r"scanning a block scalar", _indicator),
    (r"directive|incompatible YAML document", _directive),
    (r"(scanning|parsing) an? tag|undefined tag handle|%TAG", _tag),
    (r"parsing a flow (sequence|mapping): .*expected ','", _bracket),
    (r"expected (the )?node content", _no_content),
    (r"parsing a block (mapping|collection|sequence)", _block),
    (r"<document start>", _after_end),
)
