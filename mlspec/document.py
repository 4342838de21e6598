"""YAML text to plain data and the span of every key and value, with each fault as a diagnostic at its place."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspec.composer import Composer, EnoughError, Node
from mlspec.diagnostic import Diagnostic, Finding, Problem, Route, Severity, Span
from mlspec.lines import Lines
from mlspec.syntax import Fault, SyntaxFaultError, events

if TYPE_CHECKING:
    from mlspec.recovery import Mender

MAX_SIZE = 8 * 1024 * 1024  # characters, and bytes of a file

# What YAML 1.2 forbids, and what its readers disagree on: byte order marks inside, and U+0085, U+2028 and U+2029,
# which break lines in YAML 1.1 only.
_FORBIDDEN = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]"
_ASCII = bytes([9, 10, 13, *range(32, 127)])


@dataclass(frozen=True, eq=False)
class Document:
    """A YAML file as data. ``problems`` holds an error wherever ``data`` is not all that the file says."""

    name: str
    text: str
    data: Any
    problems: tuple[Diagnostic, ...] = ()
    root: Node | None = field(default=None, repr=False)
    damaged: tuple[Route, ...] = ()  # the mappings and lists of ``data`` that a syntax error has cost a part

    @cached_property
    def lines(self) -> Lines:
        return Lines(self.text)

    def has(self, route: Route) -> bool:
        """Whether the document itself writes a value at this route."""
        return len(self._path(route)) == len(route) + 1

    def value_span(self, route: Route) -> Span:
        """Return where the value at a route stands, or its nearest ancestor that exists. Through an alias: the anchor's text."""
        path = self._path(route)
        return self.lines.span(path[-1][2].start, path[-1][2].end) if path else Span(1, 1, 1, 1)

    def key_span(self, route: Route) -> Span:
        """Return where a route's last key stands, or its nearest ancestor's; an item of a list is its own key."""
        path = self._path(route)
        return self.lines.span(path[-1][0], path[-1][1]) if path else Span(1, 1, 1, 1)

    def _path(self, route: Route) -> list[tuple[int, int, Node]]:
        """Return (key start, key end, node) from the top to the last part of the route that exists; empty without a root."""
        if self.root is None:
            return []
        path = [(self.root.start, self.root.end, self.root)]
        for part in route:
            children = path[-1][2].children
            if isinstance(children, dict) and isinstance(part, str) and part in children:
                path.append(children[part])
            elif isinstance(children, list) and isinstance(part, int) and 0 <= part < len(children):
                path.append((children[part].start, children[part].end, children[part]))
            else:
                break
        return path


def read(path: Path | str) -> Document:
    """Read and parse a file of UTF-8. Raises Problem where there is no file that can be read."""
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        raise Problem(Diagnostic(_unreadable(Path(path), error), name)) from None
    if len(data) > MAX_SIZE:
        return _refused(name, Fault("too-large", f"the file is larger than {MAX_SIZE // 2**20} MiB", 0, 0))
    return decode(data, name)


def decode(data: bytes, name: str) -> Document:
    """Parse bytes that ought to be UTF-8, with or without a byte order mark."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or (len(data) > 3 and b"\0\0" in (data[0:4:2], data[1:4:2])):
        return _refused(name, Fault("not-utf-8", "the file is UTF-16 or UTF-32", 0, 0, "save it as UTF-8"))
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return parse(data.decode(), name)
    except UnicodeDecodeError as error:
        at = len(data[: error.start].decode())
        fault = Fault("not-utf-8", f"the byte 0x{data[error.start]:02X} is not UTF-8", at, at + 1, "save the file as UTF-8")
        return _parse(data.decode(errors="replace"), name, (fault,), pure=False)


def _unreadable(path: Path, error: Exception) -> Finding:
    if isinstance(error, FileNotFoundError):
        from mlspec.spelling import guess

        near: list[str] = []
        with suppress(OSError):
            near = sorted(one.name for one in path.parent.iterdir() if one.is_file())
        meant = guess(path.name, near, {})
        return Finding(
            "missing-file", f"there is no file {path}", help=f"did you mean {path.parent / meant.word}?" if meant else ""
        )
    if isinstance(error, IsADirectoryError):
        return Finding("not-a-file", f"{path} is a folder, not a file", help="name the YAML file in it")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Finding("unreadable-file", f"{path} cannot be read: {reason}")


def parse(text: str, name: str, *, pure: bool = False, mend: bool = True) -> Document:
    """Parse YAML 1.2. Never raises: what is wrong is in ``problems``, and ``data`` is what remains without the lines at fault.

    With ``pure``, the parser written in Python reads even where libyaml is there; both give the same document. Without
    ``mend``, nothing behind a syntax error is read.
    """
    return _parse(text.removeprefix("\ufeff"), name, (), pure=pure, mend=mend)


def _parse(text: str, name: str, known: tuple[Fault, ...], *, pure: bool, mend: bool = True) -> Document:
    if len(text) > MAX_SIZE:
        return _refused(name, Fault("too-large", f"the text is longer than {MAX_SIZE} characters", 0, 0))
    composer, mender = _composed(text, text, known, None, pure)
    while mend and mender and mender.again:
        composer, mender = _composed(text, mender.text, known, mender, pure)
    root = composer.finish()
    if root is None and not composer.faults:
        composer.report(Fault("empty-file", "the file is empty", 0, 0, "a spec begins with `mlspec: 1`"))
    document = Document(name, text, root.value if root else None, root=root)
    damaged: tuple[Route, ...] = ()
    if mender:
        from mlspec.recovery import damage

        composer.faults = mender.joined(composer.faults)
        damaged = damage(root, mender)
    problems = tuple(_placed(document, fault, severity) for fault, severity in composer.faults)
    return replace(document, problems=problems, damaged=damaged)


def _composed(
    text: str, mended: str, known: tuple[Fault, ...], mender: Mender | None, pure: bool
) -> tuple[Composer, Mender | None]:
    """Read a text once; where it stops being YAML, return what says which lines to read it without."""
    composer = Composer(text)
    if mender:
        mender.again = False
    with suppress(EnoughError):
        for fault in known:
            composer.report(fault)
        cleaned = _cleaned(text, composer)
        if mender is not None:
            cleaned = mended
            composer.text = mended
        try:
            for event in events(cleaned, pure=pure):
                composer.take(event)
        except SyntaxFaultError as error:
            from mlspec.recovery import Mender

            mender = mender or Mender(cleaned, pure=pure)
            mender.mend(error)
    return composer, mender


def _refused(name: str, fault: Fault) -> Document:
    return Document(name, "", None, (_placed(Document(name, "", None), fault, Severity.ERROR),))


def _placed(document: Document, fault: Fault, severity: Severity) -> Diagnostic:
    lines = document.lines
    related: tuple[tuple[str, str, Span], ...] = ()
    if fault.related:
        message, start, end = fault.related
        related = ((message, document.name, lines.span(start, end)),)
    end = min(max(fault.start, fault.end), len(document.text))
    finding = Finding(fault.code, fault.message, (), severity, fault.help)
    return Diagnostic(finding, document.name, lines.span(min(fault.start, end), end), related)


def _cleaned(text: str, composer: Composer) -> str:
    """Report the characters that YAML forbids and put U+FFFD in their places, so that the rest can be read."""
    if text.isascii() and not text.encode("ascii").translate(None, _ASCII):
        return text
    pattern = re.compile(_FORBIDDEN)
    for found in pattern.finditer(text):
        code = ord(found.group())
        message = f"the character U+{code:04X} cannot stand in a YAML file as it is"
        escape = f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
        instead = "remove it" if code == 0 or 0xD800 <= code < 0xE000 else f'remove it, or write "{escape}" inside double quotes'
        composer.report(Fault("control-character", message, found.start(), found.end(), instead))
    return pattern.sub("\ufffd", text)
