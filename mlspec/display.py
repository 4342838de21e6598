"""Diagnostics as people read them, with the line and a caret under the fault, and as machines do."""

from __future__ import annotations

import textwrap
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mlspec.diagnostic import Diagnostic, Severity, Span
from mlspec.lines import Lines

_COLOR = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.INFO: "1;36"}
_SECRET = frozenset({"secret-in-spec", "secret-as-fallback", "inline-secret", "bad-reference"})
_TAB = 4
_WIDTH = 120

Manual = Callable[[Diagnostic], tuple[str, str]]
"""Returns the code of a finding's rule and the address of its page; empty texts where there is none."""


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sort by file, place and severity, and drop doubles; what has no place in its file comes first."""
    unique = {(one.file, one.span, one.finding.code, one.finding.message): one for one in diagnostics}
    return sorted(unique.values(), key=_rank)


def _rank(one: Diagnostic) -> tuple[Any, ...]:
    span = one.span or Span(0, 0, 0, 0)
    finding = one.finding
    return (
        one.file,
        span.line,
        span.column,
        finding.severity.rank,
        finding.code,
        finding.message,
        span.end_line,
        span.end_column,
    )


def text(
    diagnostics: Iterable[Diagnostic],
    sources: Mapping[str, str],
    *,
    color: bool = False,
    width: int | None = None,
    manual: Manual | None = None,
    cap: int | None = None,
) -> str:
    """Tell diagnostics with the lines they are about, taken from ``sources`` by file, and a count at the end.

    With a ``manual``, the first finding of each code says why it is one, and where more is said. With a ``cap``, a file tells no
    more findings of one code than that; the count at the end is of all. Nothing of the user's text reaches the terminal as a
    control character. Without diagnostics, the empty text.
    """
    found = ordered(diagnostics)
    if not found:
        return ""
    page = _Page(
        {name: Lines(source) for name, source in _masked(sources, found).items()}, color, max(width or _WIDTH, 40), manual
    )
    return "\n\n".join([*_blocks(found, page, cap), page.paint(summary(found), "1")])


def _masked(sources: Mapping[str, str], found: list[Diagnostic]) -> dict[str, str]:
    """Return the texts with every secret that was found in them written as dots: a log of a build is read by many."""
    masked = dict(sources)
    for one in found:
        if one.finding.code in _SECRET and one.span and (text := masked.get(one.file)):
            lines, span = Lines(text), one.span
            start, end = lines.offset(span.line, span.column), lines.offset(span.end_line, span.end_column)
            dots = "".join(char if char in "\r\n" else "•" for char in text[start:end])
            masked[one.file] = text[:start] + dots + text[end:]
    return masked


def _blocks(found: list[Diagnostic], page: _Page, cap: int | None) -> Iterator[str]:
    totals = Counter((one.file, one.finding.code) for one in found)
    shown: Counter[tuple[str, str]] = Counter()
    for one in found:
        kind = (one.file, one.finding.code)
        shown[kind] += 1
        if cap is None or shown[kind] <= cap:
            yield page.block(one)
        elif shown[kind] == cap + 1:
            yield f"… and {totals[kind] - cap} more {visible(kind[1])}, --no-cap shows them"


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """Count diagnostics: ``2 errors, 1 warning``."""
    severities = [one.finding.severity for one in diagnostics]
    counts = [(severities.count(severity), severity) for severity in Severity]
    return ", ".join(f"{count} {word}{'s' * (count > 1 and word != Severity.INFO)}" for count, word in counts if count)


def concise(diagnostics: Iterable[Diagnostic]) -> str:
    """Tell diagnostics in a line each: ``file:line:column: severity[code] message``."""
    return "\n".join(
        f"{_place(one.file, one.span)}: {one.finding.severity}[{one.finding.code}] {visible(one.finding.message)}"
        for one in ordered(diagnostics)
    )


def as_json(diagnostics: Iterable[Diagnostic], manual: Manual = lambda one: ("", "")) -> list[dict[str, Any]]:
    """Return diagnostics as plain data; every key is always there, and lines and columns count from 1."""
    return [
        {
            "file": one.file,
            **_span(one.span),
            "severity": str(one.finding.severity),
            "code": one.finding.code,
            "rule": manual(one)[0],
            "message": one.finding.message,
            "why": one.finding.why,
            "help": one.finding.help,
            "url": manual(one)[1],
            "layer": one.layer,
            "route": list(one.finding.route),
            "related": [{"message": message, "file": file, **_span(span)} for message, file, span in one.related],
            "fix": _fix(one),
        }
        for one in ordered(diagnostics)
    ]


def _fix(one: Diagnostic) -> dict[str, Any] | None:
    if one.patch is None:
        return None
    replacements = [
        {"file": part.file, "start": part.start, "end": part.end, "text": part.text} for part in one.patch.replacements
    ]
    return {"title": one.patch.title, "safe": one.patch.safe, "replacements": replacements}


def _span(span: Span | None) -> dict[str, int | None]:
    names = ("line", "column", "end_line", "end_column")
    return {name: getattr(span, name) if span else None for name in names}


def _place(file: str, span: Span | None) -> str:
    return f"{visible(file)}:{span.line}:{span.column}" if span else visible(file)


def visible(text: str) -> str:
    """Write out the characters that have no glyph: controls, escapes, line breaks, marks that turn the direction of text."""
    return "".join(_glyph(char) for char in text)


def _glyph(char: str) -> str:
    if char.isascii():
        return char if char.isprintable() else f"\\x{ord(char):02x}"
    if char == "\u3000" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"):
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def _columns(glyph: str) -> int:
    """Return how many columns of a terminal a glyph takes."""
    if len(glyph) > 1 or glyph.isascii():
        return len(glyph)
    if unicodedata.category(glyph) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(glyph) in "WF" else 1


class _Page:
    """What all blocks of one text share."""

    def __init__(self, sources: Mapping[str, Lines], color: bool, width: int, manual: Manual | None) -> None:
        self.sources = sources
        self.color = color
        self.width = width
        self.manual = manual
        self.explained: set[str] = set()

    def paint(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.color and text else text

    def block(self, one: Diagnostic) -> str:
        finding = one.finding
        style = _COLOR[finding.severity]
        spans = [(one.file, one.span), *((file, span) for _, file, span in one.related)]
        margin = max([len(str(span.line)) for _, span in spans if span], default=0)
        first, *rest = [visible(line) for line in finding.message.split("\n")]  # a user's own error may have several
        head = self.paint(f"{finding.severity}[{finding.code}]", style) + self.paint(f": {first}", "1")
        head += "".join(f"\n    {line.strip()}" for line in rest)
        lines = [head, *self._snippet(one.file, one.span, margin, "^", style)]
        lines += [
            f"{' ' * margin} {self.paint('=', '1;34')} {self.paint(f'{word}:', '1')} {line}" if word else f"{' ' * margin} {line}"
            for word, line in self._remarks(one, margin)
        ]
        for message, file, span in one.related:
            lines.append(f"{self.paint('note', '1;36')}: {visible(message)}")
            lines += self._snippet(file, span, margin, "-", "1;34")
        return "\n".join(lines)

    def _remarks(self, one: Diagnostic, margin: int) -> Iterator[tuple[str, str]]:
        """Yield (word, line) of what is to be said below a snippet; a line that goes on has no word."""
        finding = one.finding
        first = self.manual is not None and finding.code not in self.explained
        self.explained.add(finding.code)
        if first and finding.why:
            start, *more = textwrap.wrap(visible(finding.why), max(self.width - margin - 8, 24)) or [""]
            yield "why", start
            yield from (("", f"{' ' * 7}{line}") for line in more)
        yield from (("help", visible(line.strip())) for line in finding.help.splitlines())
        if one.layer:
            yield "set by", visible(one.layer)
        if one.patch:
            yield "fix", f"{visible(one.patch.title)} ({'--fix' if one.patch.safe else '--unsafe-fixes'})"
        address = self.manual(one)[1] if first and self.manual else ""
        if address:
            yield "see", visible(address)

    def _snippet(self, file: str, span: Span | None, margin: int, mark: str, style: str) -> list[str]:
        bar = self.paint("|", "1;34")
        lines = [f"{' ' * margin}{self.paint('-->', '1;34')} {_place(file, span)}"]
        source = self.sources.get(file)
        if span is None or source is None or not source.line(span.line):
            return lines
        shown, under = _underlined(source.line(span.line), span, mark, self.width - margin - 3)
        number = self.paint(str(span.line).rjust(margin), "1;34")
        return [
            *lines,
            f"{' ' * margin} {bar}",
            f"{number} {bar} {shown}",
            f"{' ' * margin} {bar} {self.paint_under(under, style)}",
        ]

    def paint_under(self, under: str, style: str) -> str:
        blank = len(under) - len(under.lstrip())
        return under[:blank] + self.paint(under[blank:], style)


def _underlined(line: str, span: Span, mark: str, width: int) -> tuple[str, str]:
    """Return a line as it can be shown in ``width`` columns, and the marks to write below it."""
    start = min(span.column - 1, len(line))
    end = len(line.rstrip()) if span.end_line > span.line else min(span.end_column - 1, len(line))
    more = f" … to line {span.end_line}" if span.end_line > span.line else ""
    near, far = max(start - 4 * width, 0), start + 4 * width  # what stands further off is never shown, and may be megabytes
    cut = line[near:far]
    start, end = start - near, min(end - near, len(cut))
    glyphs = _glyphs(cut)
    sizes = [sum(map(_columns, glyph)) for glyph in glyphs]
    left, right = _window(sizes, start, max(end, start + 1), width - len(more))
    before = "… " if left or near else ""
    after = " …" if right < len(cut) or far < len(line) else ""
    indent = len(before) + sum(sizes[left:start])
    length = max(sum(sizes[start : min(end, right)]), 1)
    return f"{before}{''.join(glyphs[left:right])}{after}".rstrip(), f"{' ' * indent}{mark * length}{more}"


def _glyphs(line: str) -> list[str]:
    """Return what to show for each character: tabs as spaces up to the next stop, controls written out."""
    glyphs: list[str] = []
    column = 0
    for char in line:
        glyph = " " * (_TAB - column % _TAB) if char == "\t" else _glyph(char)
        column += sum(map(_columns, glyph))
        glyphs.append(glyph)
    return glyphs


def _window(sizes: list[int], start: int, end: int, width: int) -> tuple[int, int]:
    """Choose which characters to show: all that fit, else the span with some of what stands around it."""
    if sum(sizes) <= width:
        return 0, len(sizes)
    room = width - 4  # for the two ellipses
    left = right = min(start, len(sizes))
    used = 0
    while right < min(end, len(sizes)) and used + sizes[right] <= room:
        used += sizes[right]
        right += 1
    context = used + (room - used) // 2
    while left and used + sizes[left - 1] <= context:
        left -= 1
        used += sizes[left]
    while right < len(sizes) and used + sizes[right] <= room:
        used += sizes[right]
        right += 1
    while left and used + sizes[left - 1] <= room:
        left -= 1
        used += sizes[left]
    return left, right
