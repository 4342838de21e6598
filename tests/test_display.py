"""Diagnostics as text and as data: aligned under any script, harmless to any terminal, in a stable order."""

from __future__ import annotations

import json
import re
import time
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec import display
from mlspec.diagnostic import Diagnostic, Finding, Patch, Severity, Span
from mlspec.document import parse


def diagnostic(
    span: Span | None,
    message: str = "message",
    severity: Severity = Severity.ERROR,
    file: str = "f.yaml",
    code: str = "code",
    advice: str = "",
) -> Diagnostic:
    return Diagnostic(Finding(code, message, ("a", 0), severity, advice), file, span)


def columns(text: str) -> int:
    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def snippet(line: str, span: Span, width: int | None = None) -> tuple[str, str]:
    """Return the line as shown and the marks below it."""
    shown = display.text([diagnostic(span)], {"f.yaml": line}, width=width).splitlines()
    return shown[3][4:], shown[4][4:]


def test_a_whole_page() -> None:
    text = "a: 1\nb:\n  c: 2\na: 3\n"
    found = [
        *parse(text, "f.yaml").problems,
        diagnostic(Span(2, 1, 3, 7), "two lines", Severity.WARNING, advice="first\nsecond"),
        diagnostic(None, "no place", Severity.INFO, file="g.yaml"),
    ]
    assert display.text(found, {"f.yaml": text}) == (
        "warning[code]: two lines\n"
        " --> f.yaml:2:1\n"
        "  |\n"
        "2 | b:\n"
        "  | ^^ … to line 3\n"
        "  = help: first\n"
        "  = help: second\n"
        "\n"
        "error[duplicate-key]: the key `a` is written twice\n"
        " --> f.yaml:4:1\n"
        "  |\n"
        "4 | a: 3\n"
        "  | ^\n"
        "  = help: keep one of the two\n"
        "note: it is first written here\n"
        " --> f.yaml:1:1\n"
        "  |\n"
        "1 | a: 1\n"
        "  | -\n"
        "\n"
        "info[code]: no place\n"
        "--> g.yaml\n"
        "\n"
        "1 error, 1 warning, 1 info"
    )
    assert display.concise(found) == (
        "f.yaml:2:1: warning[code] two lines\nf.yaml:4:1: error[duplicate-key] the key `a` is written twice\ng.yaml: info[code] no place"
    )
    assert display.text([], {}) == display.concise([]) == ""
    assert display.as_json([]) == []


def test_reasons_layers_fixes_and_pages() -> None:
    text = "a: 1\nb: 2\n"
    reason = "It leaks, and so the score is too good; in use it will be far worse than anybody was told before."
    finding = Finding("leak", "`a` leaks", help="remove it", why=reason)
    patch = Patch("remove it", (), safe=False)
    found = [
        Diagnostic(finding, "f", Span(1, 1, 1, 2), (("seen here", "f", Span(2, 1, 2, 2)),), "base.yaml", patch),
        Diagnostic(finding, "f", Span(2, 1, 2, 2), patch=replace(patch, safe=True)),
    ]
    shown = display.text(found, {"f": text}, width=60, manual=lambda one: ("LEA001", f"https://x/{one.finding.code}"))
    assert shown == (
        "error[leak]: `a` leaks\n"
        " --> f:1:1\n"
        "  |\n"
        "1 | a: 1\n"
        "  | ^\n"
        "  = why: It leaks, and so the score is too good; in use it\n"
        "         will be far worse than anybody was told before.\n"
        "  = help: remove it\n"
        "  = set by: base.yaml\n"
        "  = fix: remove it (--unsafe-fixes)\n"
        "  = see: https://x/leak\n"
        "note: seen here\n"
        " --> f:2:1\n"
        "  |\n"
        "2 | b: 2\n"
        "  | -\n"
        "\n"
        "error[leak]: `a` leaks\n"
        " --> f:2:1\n"
        "  |\n"
        "2 | b: 2\n"
        "  | ^\n"
        "  = help: remove it\n"
        "  = fix: remove it (--fix)\n"
        "\n"
        "2 errors"
    )
    assert max(map(len, shown.splitlines())) <= 60


def test_many_findings_of_one_code_are_capped() -> None:
    found = [diagnostic(Span(line, 1, line, 2), f"m{line}") for line in range(1, 18)]
    found += [diagnostic(Span(30, 1, 30, 2), "other", code="other"), diagnostic(Span(1, 1, 1, 2), "elsewhere", file="g.yaml")]
    shown = display.text(found, {}, cap=10)
    assert shown.count("error[code]") == 11
    assert "\n\n… and 7 more code, --no-cap shows them\n\n" in shown
    assert shown.endswith("19 errors")
    assert display.text(found, {}).count("error[code]") == 18


def test_line_numbers_share_a_margin() -> None:
    text = "a: 1\n" * 120
    one = Diagnostic(Finding("code", "m", help="h"), "f", Span(112, 1, 112, 2), (("related", "f", Span(9, 1, 9, 2)),))
    assert display.text([one], {"f": text}).splitlines()[1:11] == [
        "   --> f:112:1",
        "    |",
        "112 | a: 1",
        "    | ^",
        "    = help: h",
        "note: related",
        "   --> f:9:1",
        "    |",
        "  9 | a: 1",
        "    | -",
    ]


@pytest.mark.parametrize(
    ("line", "span", "marks"),
    [
        ("abc", Span(1, 2, 1, 3), " ^"),
        ("abc", Span(1, 4, 1, 4), "   ^"),
        ("abc", Span(1, 9, 1, 12), "   ^"),
        ("日本: x", Span(1, 5, 1, 6), "      ^"),
        ("日本: x", Span(1, 1, 1, 3), "^^^^"),
        ("e\u0301e\u0301: x", Span(1, 7, 1, 8), "    ^"),
        ("\ta", Span(1, 2, 1, 3), "    ^"),
        ("ab\tc", Span(1, 4, 1, 5), "    ^"),
        ("\x1b[31m", Span(1, 2, 1, 3), "    ^"),
        ("\u202eab", Span(1, 2, 1, 3), "      ^"),
        ("\U0001f600x", Span(1, 2, 1, 3), "  ^"),
    ],
)
def test_marks_stand_under_the_span(line: str, span: Span, marks: str) -> None:
    assert snippet(line, span)[1] == marks


def test_long_lines_are_cropped_around_the_span() -> None:
    line = "k: " + "v" * 500 + "HERE" + "w" * 500
    shown, marks = snippet(line, Span(1, 504, 1, 508), 80)
    assert shown.startswith("… v")
    assert shown.endswith("w …")
    assert len(shown) <= 76
    assert shown[marks.index("^") : marks.index("^") + 4] == "HERE"
    assert marks.count("^") == 4
    shown, marks = snippet("x" * 1000, Span(1, 1, 1, 1001), 80)
    assert len(marks) <= 76
    assert shown.endswith("x …")


def test_a_line_of_megabytes_is_no_burden() -> None:
    text = "[" + "yes, " * 1_000_000 + "]"
    found = parse(text, "f").problems
    began = time.process_time()
    shown = display.text(found, {"f": text}, width=80)
    assert time.process_time() - began < 2
    assert max(map(len, shown.splitlines())) <= 90


def test_order_and_doubles() -> None:
    a, b = diagnostic(Span(2, 1, 2, 2), file="b"), diagnostic(Span(10, 1, 10, 2), file="b")
    c, d = diagnostic(Span(2, 1, 2, 2), "w", Severity.WARNING, file="b"), diagnostic(None, file="b")
    e = diagnostic(Span(9, 9, 9, 9), file="a")
    assert display.ordered([c, b, a, d, e, a, b]) == [e, d, a, c, b]
    assert display.summary([a, a, c, d]) == "3 errors, 1 warning"


def test_color_only_adds_escapes() -> None:
    text = "a: 1\na: yes\n"
    found = parse(text, "f").problems
    plain, colored = (display.text(found, {"f": text}, color=color) for color in (False, True))
    assert "\x1b[" not in plain
    assert "\x1b[1;31m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_json_is_plain_and_complete() -> None:
    text = "a: 1\na: 2\n"
    (told,) = display.as_json(parse(text, "f.yaml").problems)
    assert json.loads(json.dumps(told)) == {
        "file": "f.yaml",
        "line": 2,
        "column": 1,
        "end_line": 2,
        "end_column": 2,
        "severity": "error",
        "code": "duplicate-key",
        "rule": "",
        "message": "the key `a` is written twice",
        "why": "",
        "help": "keep one of the two",
        "url": "",
        "layer": "",
        "fix": None,
        "route": [],
        "related": [
            {"message": "it is first written here", "file": "f.yaml", "line": 1, "column": 1, "end_line": 1, "end_column": 2}
        ],
    }
    (placeless,) = display.as_json([diagnostic(None)])
    assert placeless["line"] is None
    assert placeless["route"] == ["a", 0]


SPANS = st.builds(
    lambda line, column, lines, length: Span(line, column, line + lines, column + length),
    st.integers(1, 4),
    st.integers(1, 60),
    st.integers(0, 2),
    st.integers(0, 30),
)


@given(st.text(st.characters(), max_size=150), SPANS, st.text(st.characters(), max_size=20), st.integers(0, 100))
@settings(max_examples=300, deadline=None)
def test_nothing_harmful_reaches_the_terminal(source: str, span: Span, words: str, width: int) -> None:
    one = Diagnostic(Finding("some-code", words, (), help=words), words, span, ((words, words, span),))
    shown = display.text([one], {words: source}, width=width) + display.concise([one])
    bad = {char for char in shown if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char != "\n"}
    assert not bad
    assert "\n" not in display.concise([one])
    json.dumps(display.as_json([one])).encode()


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=120),
    st.integers(0, 119),
    st.integers(1, 8),
    st.integers(40, 130),
)
@settings(max_examples=300, deadline=None)
def test_marks_are_aligned_in_any_script(line: str, start: int, length: int, width: int) -> None:
    start = min(start, len(line) - 1)
    shown, marks = snippet(line, Span(1, start + 1, 1, min(start + length, len(line)) + 1), width)
    assert columns(shown) <= width - 4
    assert columns(marks) <= width - 4
    spanned = display.visible(line[start : start + length])
    if "\t" not in line and spanned.strip() and columns(spanned):  # a mark without a width of its own still gets a caret
        before = marks.index("^")
        cells = [char for char in shown for _ in range(columns(char))]  # one entry a column; a combining mark has none
        wanted = [char for char in spanned for _ in range(columns(char))]
        assert cells[before : before + marks.count("^")] == wanted[: marks.count("^")]
        assert marks.count("^") <= max(len(wanted), 1)
