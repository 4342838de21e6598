"""The reader of YAML: exact spans, a diagnostic for every fault, and one meaning under both parsers."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec import display
from mlspec.composer import MAX_NODES, MAX_PROBLEMS, Node
from mlspec.diagnostic import Problem, Route, Severity, Span
from mlspec.document import MAX_SIZE, Document, decode, parse, read
from mlspec.lines import Lines
from mlspec.scalar import TooLargeError, caution, resolve
from mlspec.syntax import events

FAULTS = Path(__file__).parent / "data" / "yaml" / "faults"
BOTH = pytest.mark.parametrize("pure", [False, True], ids=["libyaml", "pure"])


def codes(document: Document) -> list[str]:
    return [one.finding.code for one in document.problems]


def cut(document: Document, span: Span | None) -> str:
    """Return the text that a span covers."""
    assert span is not None
    lines = Lines(document.text)
    return document.text[lines.offset(span.line, span.column) : lines.offset(span.end_line, span.end_column)]


def nodes(document: Document) -> Iterator[tuple[Route, int, int, Node]]:
    """Yield (route, key start, key end, node), from the top."""
    stack: list[tuple[Route, int, int, Node]] = [((), 0, 0, document.root)] if document.root else []
    while stack:
        route, start, end, node = stack.pop()
        yield route, start, end, node
        if isinstance(node.children, dict):
            stack += [((*route, key), *entry) for key, entry in node.children.items()]
        else:
            stack += [((*route, index), one.start, one.end, one) for index, one in enumerate(node.children or [])]


def shape(document: Document) -> list[tuple[Any, ...]]:
    return [(route, start, end, node.start, node.end, repr(node.value)) for route, start, end, node in nodes(document)]


# data and spans

TEXT = """\
# a comment
mlspec: 1
project: {name: churn, "owner": 'it''s me'}
requirements:
  metrics:
    - {metric: roc_auc, target: ">= 0.84"}
    - metric: recall
      target: |
        two
        lines

empty:
list: [1, 2.5, true, ~, -.inf]
entry: {call: churn.features:ratios, url: http://a.b/?c=d}
"""


@BOTH
def test_data_and_spans(pure: bool) -> None:
    document = parse(TEXT, "spec.yaml", pure=pure)
    assert document.problems == ()
    assert document.data["project"] == {"name": "churn", "owner": "it's me"}
    assert document.data["requirements"]["metrics"][1] == {"metric": "recall", "target": "two\nlines\n"}
    assert document.data["list"] == [1, 2.5, True, None, -math.inf]
    assert document.data["entry"] == {"call": "churn.features:ratios", "url": "http://a.b/?c=d"}
    metric: Route = ("requirements", "metrics", 0, "target")
    assert document.value_span(metric) == Span(6, 33, 6, 42)
    assert document.key_span(metric) == Span(6, 25, 6, 31)
    assert cut(document, document.value_span(("project",))) == """{name: churn, "owner": 'it''s me'}"""
    assert cut(document, document.key_span(("project", "owner"))) == '"owner"'
    assert cut(document, document.value_span(("requirements", "metrics", 1, "target"))) == "|\n        two\n        lines"
    assert cut(document, document.value_span(("requirements",))).endswith("lines")
    assert cut(document, document.value_span(("requirements", "metrics", 1))).startswith("metric: recall")
    assert document.value_span(("empty",)) == Span(12, 6, 12, 6)
    assert cut(document, document.value_span(())).startswith("mlspec: 1")


@BOTH
def test_spans_fall_back_to_what_exists(pure: bool) -> None:
    document = parse("a: {b: [1]}", "x", pure=pure)
    assert document.has(("a", "b", 0))
    routes: list[Route] = [("a", "b", 1), ("a", "b", -1), ("a", "b", "c"), ("a", "b", 0, "deeper")]
    for route in routes:
        assert not document.has(route)
        assert cut(document, document.value_span(route)) in ("[1]", "1")
    assert document.value_span(("nothing",)) == document.value_span(())
    assert document.key_span((0,)) == Span(1, 1, 1, 12)
    assert parse("", "x").value_span(("a",)) == Span(1, 1, 1, 1)
    assert not parse("", "x").has(())


@BOTH
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_columns_count_characters(pure: bool, newline: str) -> None:
    document = parse(newline.join(["ключ: 1", "e\u0301\U0001f600: {日本: x}"]), "x", pure=pure)
    assert document.data == {"ключ": 1, "e\u0301\U0001f600": {"日本": "x"}}
    assert document.value_span(("e\u0301\U0001f600", "日本")) == Span(2, 11, 2, 12)


@BOTH
def test_aliases_and_merge_keys_point_at_the_anchor(pure: bool) -> None:
    text = "base: &base {cpu: 1, memory: 2 GiB}\na: *base\nb:\n  <<: *base\n  cpu: 4\nc: {<<: [{cpu: 8}, *base]}\n"
    document = parse(text, "x", pure=pure)
    assert document.problems == ()
    assert document.data["a"] == {"cpu": 1, "memory": "2 GiB"}
    assert document.data["b"] == {"cpu": 4, "memory": "2 GiB"}
    assert document.data["c"] == {"cpu": 8, "memory": "2 GiB"}
    assert document.value_span(("a",)) == Span(2, 4, 2, 9)
    assert document.value_span(("a", "cpu")) == document.value_span(("base", "cpu")) == Span(1, 19, 1, 20)
    assert document.value_span(("b", "memory")) == Span(1, 30, 1, 35)
    assert document.key_span(("b", "memory")) == Span(1, 22, 1, 28)
    assert document.value_span(("b", "cpu")) == Span(5, 8, 5, 9)
    assert parse('"<<": 1', "x", pure=pure).data == {"<<": 1}
    assert parse("k: &k name\n*k : 1", "x", pure=pure).data == {"k": "name", "name": 1}
    assert parse("&k name: 1\nother: *k", "x", pure=pure).data == {"name": 1, "other": "name"}


@BOTH
def test_tags_of_the_core_schema(pure: bool) -> None:
    text = 'a: !!str 5\nb: !!float 5\nc: !!int "5"\nd: ! 5\ne: !!map {}\nf: !!seq []\ng: !!null ""\nh: !!bool "true"'
    document = parse(text, "x", pure=pure)
    assert document.problems == ()
    assert document.data == {"a": "5", "b": 5.0, "c": 5, "d": "5", "e": {}, "f": [], "g": None, "h": True}
    assert isinstance(document.data["b"], float)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("nULL", "nULL"),
        ("true", True), ("TRUE", True), ("tRUE", "tRUE"), ("yes", "yes"), ("Off", "Off"),
        ("0", 0), ("-12", -12), ("+3", 3), ("007", 7), ("0o17", 15), ("0x1F", 31), ("0o8", "0o8"), ("0x", "0x"), ("-0x1", "-0x1"),
        ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0), ("-1.5E-3", -0.0015), (".inf", math.inf), ("-.INF", -math.inf), ("+.inf", math.inf),
        (".", "."), ("-", "-"), ("+-1", "+-1"), ("--1", "--1"), ("1e", "1e"), ("e5", "e5"), ("1_000", "1_000"), ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"), ("1.4.0", "1.4.0"), ("99.9 %", "99.9 %"), ("٣", "٣"), ("inf", "inf"), ("nan", "nan"), ("0b1", "0b1"),
        ("18446744073709551615", 2**64 - 1), ("-9223372036854775808", -(2**63)), ("0" * 5000 + "1", 1), ("0x" + "0" * 50 + "f", 15),
    ],
)  # fmt: skip
def test_core_schema(text: str, value: Any) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_core_schema_not_a_number() -> None:
    assert math.isnan(resolve(".nan"))


@pytest.mark.parametrize(
    "text", ["18446744073709551616", "-9223372036854775809", "9" * 5000, "0x1" + "0" * 16, "0o" + "7" * 30, "1e999", "-1e999"]
)
def test_numbers_that_are_too_large(text: str) -> None:
    with pytest.raises(TooLargeError):
        resolve(text)
    document = parse(f"a: {text}", "x")
    assert codes(document) == ["number-too-large"]
    assert cut(document, document.problems[0].span) == text


@pytest.mark.parametrize("word", ["yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"])
@BOTH
def test_old_booleans_stay_text_and_warn(word: str, pure: bool) -> None:
    document = parse(f"{word}: {word}\nlist: ['{word}', {word}]", "x", pure=pure)
    assert document.data == {word: word, "list": [word, word]}
    assert codes(document) == ["yaml-1-1-boolean"] * 2
    assert {one.finding.severity for one in document.problems} == {Severity.WARNING}
    assert [cut(document, one.span) for one in document.problems] == [word, word]


@pytest.mark.parametrize(("text", "warned"), [("010", True), ("-007", True), ("1:30", True), ("12:30:45", True), ("1_000", True), ("0", False),
                                              ("0.5", False), ("10", False), ("a:1", False), ("1:a", False), ("_1", False), ("08:00 UTC", False), ("", False)])  # fmt: skip
def test_old_numbers_warn(text: str, warned: bool) -> None:
    assert (caution(text) is not None) is warned


# faults


@pytest.mark.parametrize("path", sorted(FAULTS.glob("*.yaml")), ids=lambda path: path.stem)
@BOTH
def test_faults_are_told(path: Path, pure: bool, request: pytest.FixtureRequest) -> None:
    """Each file in data/yaml/faults is told exactly as the text beside it says, whichever parser reads it."""
    text = path.read_bytes().decode()
    told = display.text(parse(text, path.name, pure=pure).problems, {path.name: text}) + "\n"
    golden = path.with_suffix(".txt")
    if request.config.getoption("--update-golden", default=False):
        golden.write_text(told, encoding="utf-8", newline="")
    assert told == golden.read_bytes().decode()


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("a: b: c", "unexpected-colon", ":"),
        ("a: b\n c: d", "unexpected-colon", "c"),
        ("a:b\nc: d", "missing-colon", "a:b"),
        ("a" * 1100 + ": b", "key-too-long", "a" * 1100),
        ("a: {b:}", "unexpected-colon", ":"),
        ("a: [1,", "unclosed-bracket", "["),
        ("a: [1 2", "unclosed-bracket", "["),
        ("a: {b: c, d", "unclosed-bracket", "{"),
        ("a: [1\nb: 2", "unclosed-bracket", "["),
        ("a: ['x' 'y']", "missing-comma", "'"),
        ("a: [b, , c]", "missing-value", ","),
        ("a: ]", "missing-value", "]"),
        ("a: 'x", "unclosed-quote", "'x"),
        ("a: \"x\n---\nb", "unclosed-quote", '"x'),
        ("a: `x` # y", "unquoted-value", "`x`"),
        ("a: @x", "unquoted-value", "@x"),
        ("a: {b: %x, c: d}", "unquoted-value", "%x"),
        ("a: > 0.8", "unquoted-value", "> 0.8"),
        ("a: |x", "unquoted-value", "|x"),
        ("a: {b: |x}", "unquoted-value", "|x"),
        ("a: *", "unquoted-value", "*"),
        ("a: & x", "unquoted-value", "& x"),
        ("a: {b: ${env:X}}", "unquoted-value", "${env:X}"),
        ("a:\n  b: 1\n c: 2", "bad-indentation", "c: 2"),
        ("- a\nb: c", "bad-indentation", "b: c"),
        ("a: b\n- c", "bad-indentation", "- c"),
        ('a: "b" c', "unexpected-text", "c"),
        ("{a: b}}", "unexpected-text", "}"),
        ("a: 1\nbbb\nc: 2", "missing-colon", "bbb"),
        ("a: 1\nbbb", "missing-colon", "bbb"),
        ("a: - b", "unexpected-dash", "-"),
        ("a: ? b", "unexpected-question-mark", "?"),
        ('a: "\\q"', "bad-escape", "\\q"),
        ('a: "\\xzz"', "bad-escape", "\\x"),
        ('a: "\\\\ \\ud800"', "bad-escape", "\\u"),
        ('a: "\\U00110000"', "bad-escape", "\\U"),
        ('a: "\\UFFFFFFFF"', "bad-escape", "\\U"),
        ("\ta: 1", "tab-indent", "\t"),
        ("a:\n\t\tb: 1", "tab-indent", "\t\t"),
        ("a: |\n\tb", "tab-indent", "\t"),
        ("%FOO bar\n---\na: 1", "bad-directive", "%FOO bar"),
        ("a: !b!c d", "unsupported-tag", "!b!c d"),
        ("a: !b d", "unsupported-tag", "!b"),
        ("a: !b {c: d}", "unsupported-tag", "!b"),
        ("!b a: 1", "unsupported-tag", "!b"),
        ("a: !!timestamp 2024-01-01", "unsupported-tag", "!!timestamp"),
        ("a: !!map [1]", "unsupported-tag", "!!map"),
        ("a: !!int x", "wrong-tag", "!!int x"),
        ("a: *b", "undefined-alias", "*b"),
        ("a: &a {b: *a}", "alias-loop", "*a"),
        ("a: {<<: 5}", "bad-merge", "5"),
        ("a: {<<: [{}, 5]}", "bad-merge", "5"),
        ("a: 1\n'a': 2", "duplicate-key", "'a'"),
        ("a: &x {}\nb: {<<: *x, <<: *x}", "duplicate-key", "<<"),
        ("1: a", "key-not-text", "1"),
        ("null: a", "key-not-text", "null"),
        ("true: a", "key-not-text", "true"),
        ("? [a]\n: b", "complex-key", "["),
        ("a: {{b}}", "complex-key", "{"),
        ("a: &x [1]\nb: {*x : 1}", "complex-key", "*x"),
        ("a: 1\n---\nb: 2", "several-documents", "---"),
        ("---\n---\nb: 2", "several-documents", "---"),
        ("a: \x00b", "control-character", "\x00"),
        ("a: \u2028b", "control-character", "\u2028"),
        ("a: b\ufeff", "control-character", "\ufeff"),
        ("a: b\ud800", "control-character", "\ud800"),
        ('a: "\\0"', "control-character", '"\\0"'),
        ("", "empty-file", ""),
        (" \n# only a comment\n", "empty-file", ""),
        ("--- # nothing", "empty-file", ""),
    ],
)  # fmt: skip
@BOTH
def test_every_fault_has_its_code_and_place(text: str, code: str, where: str, pure: bool) -> None:
    document = parse(text, "x", pure=pure)
    assert code in codes(document)
    fault = next(one for one in document.problems if one.finding.code == code)
    assert cut(document, fault.span) == where
    assert fault.finding.severity is Severity.ERROR


def test_duplicate_keys_keep_the_first_and_name_it() -> None:
    document = parse("a: 1\nb: 2\na: 3", "x")
    assert document.data == {"a": 1, "b": 2}
    assert document.problems[0].related == (("it is first written here", "x", Span(1, 1, 1, 2)),)


@BOTH
def test_what_stands_around_a_syntax_error_is_kept(pure: bool) -> None:
    document = parse("a: 1\nb: {c: [2, 3\nd: 4\n", "x", pure=pure)
    assert document.data == {"a": 1, "b": None, "d": 4}
    assert document.damaged == (("b",),)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "{", "!!seq [", "&a [", "a: ["])
@BOTH
def test_depth_is_limited(opening: str, pure: bool) -> None:
    document = parse(opening * 100_000, "x", pure=pure)
    assert document.problems
    assert document.problems[-1].finding.severity is Severity.ERROR
    if opening in ("[", "- ", "{a: ", "!!seq [", "&a ["):
        assert codes(document)[-1] == "too-deep"


@BOTH
def test_sixty_four_levels_are_fine(pure: bool) -> None:
    assert codes(parse("[" * 64 + "]" * 64, "x", pure=pure)) == []
    assert codes(parse("[" * 65 + "]" * 65, "x", pure=pure)) == ["too-deep"]


def test_aliases_cannot_nest_deeper_than_text() -> None:
    lines = ["a0: &a0 [1]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 100))]
    assert "too-deep" in codes(parse("\n".join(lines), "x"))


@pytest.mark.parametrize("join", ["[{}]", "{{<<: [{}]}}"])
def test_alias_bombs_go_out(join: str) -> None:
    lines = ["a0: &a0 {k0: [1, 2, 3, 4, 5, 6, 7, 8]}"]
    for i in range(1, 12):
        bomb = ", ".join([f"*a{i - 1}"] * 10)
        inner = f"{{k: [{bomb}], m: {join.format(bomb)}}}"
        lines.append(f"a{i}: &a{i} {inner}")
    document = parse("\n".join(lines), "x")
    assert "too-many-values" in codes(document)


def test_a_large_file_is_refused_before_it_fills_the_memory() -> None:
    assert codes(parse("- \n" * (MAX_NODES + 1), "x")) == ["too-many-values"]
    assert codes(parse("a" * (MAX_SIZE + 1), "x")) == ["too-large"]


def test_problems_are_limited() -> None:
    for text in ("\x01" * 1000, "[" + "*a, " * 1000 + "]", "[" + "yes, " * 1000 + "]"):
        document = parse(text, "x")
        assert len(document.problems) == MAX_PROBLEMS + 1
        assert codes(document)[-1] == "too-many-problems"


# bytes and files


def test_bytes() -> None:
    assert decode(b"\xef\xbb\xbfa: 1", "x").data == {"a": 1}
    assert decode(b"\xef\xbb\xbfa: 1", "x").value_span(("a",)) == Span(1, 4, 1, 5)
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"):
        assert codes(decode("mlspec: 1".encode(encoding), "x")) == ["not-utf-8"]
    for mark in (b"", b"\xef\xbb\xbf"):
        document = decode(mark + "é: 1\nname: caf".encode() + b"\xe9\nc: 2", "x")
        assert codes(document) == ["not-utf-8"]
        assert document.problems[0].span == Span(2, 10, 2, 11)
        assert "0xE9" in document.problems[0].finding.message
        assert document.data == {"é": 1, "name": "caf\ufffd", "c": 2}


def test_files(tmp_path: Path) -> None:
    spec = tmp_path / "churn.yaml"
    spec.write_bytes(b"a: 1\n")
    assert read(spec).data == {"a": 1}
    assert read(spec).name == str(spec)
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(MAX_SIZE + 1)
    assert codes(read(large)) == ["too-large"]
    for path, code in [
        (tmp_path / "chrun.yaml", "missing-file"),
        (tmp_path, "not-a-file"),
        (spec / "x", "unreadable-file"),
        (tmp_path / "a\0b", "unreadable-file"),
        (tmp_path / ("x" * 5000), "unreadable-file"),
    ]:
        with pytest.raises(Problem) as caught:
            read(path)
        (fault,) = caught.value.faults
        assert fault.finding.code == code  # type: ignore[union-attr]
        assert fault.file == str(path)  # type: ignore[union-attr]
        if code == "missing-file":
            assert fault.finding.help == f"did you mean {spec}?"  # type: ignore[union-attr]


def test_reading_is_light() -> None:
    """Importing the reader imports no YAML library, and reading imports just the one."""
    code = "import sys, mlspec.document as d; assert 'yaml' not in sys.modules; d.parse('a: 1', 'x'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "yaml._yaml" in loaded
    assert not {"ruamel.yaml", "pydantic", "mlspec.pure_yaml"} & set(loaded)


def test_libyaml_reads_where_it_is() -> None:
    from yaml.cyaml import CParser

    assert type(next(iter(events("a: 1"))).start_mark) is type(CParser("a: 1").get_event().start_mark)
    assert type(next(iter(events("a: 1", pure=True))).start_mark) is yaml.Mark


# properties

FRAGMENTS = ["a", "b: ", "c: d", "\n", "\n  ", "\n    ", "- ", "[", "]", "{", "}", ", ", ": ", ":", "? ", "?", "#", "# x", "'", '"', "|\n", "> \n", "|-\n",
             "&a ", "*a", "*a ", "!!str ", "!x ", "~", "1", "\t", "  ", " ", "é", "---\n", "...\n", "%YAML 1.2\n", "%", "@", "`", "<<: ", "\\", "key: val\n",
             "\r\n", "\r", "x:y", "http://z", "*.csv", "0.5", "|2\n", "\U0001f600", "\x00", "\u2028", "yes", "010", "${env:X}"]  # fmt: skip


def check(document: Document) -> None:
    """What holds of any document whatsoever."""
    end = Lines(document.text).place(len(document.text))
    for one in document.problems:
        assert one.span is not None
        assert (1, 1) <= (one.span.line, one.span.column) <= (one.span.end_line, one.span.end_column) <= end
        assert one.finding.message
        assert len(one.finding.message) < 300
    for route, _, _, node in nodes(document):
        here = document.data
        for part in route:
            here = here[part]
        assert here is node.value
        assert 0 <= node.start <= node.end <= len(document.text)
    display.text(document.problems, {document.name: document.text})


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes(data: bytes) -> None:
    check(decode(data, "x"))


@given(st.text(st.characters(), max_size=100))
@settings(max_examples=200, deadline=None)
def test_any_text(text: str) -> None:
    for pure in (False, True):
        check(parse(text, "x", pure=pure))


def agree(text: str) -> None:
    """Both parsers accept the same texts, and give them the same data, spans and warnings."""
    left, right = parse(text, "x"), parse(text, "x", pure=True)
    check(left)
    check(right)
    bad = [any(one.finding.severity is Severity.ERROR for one in document.problems) for document in (left, right)]
    assert bad[0] == bad[1], (codes(left), codes(right))
    if not bad[0]:
        assert shape(left) == shape(right)
        assert left.problems == right.problems


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join))
@settings(max_examples=1500, deadline=None)
def test_parsers_agree_on_fragments(text: str) -> None:
    agree(text)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_parsers_agree_on_mutated_specs(data: st.DataObject) -> None:
    text = TEXT
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(at, min(at + 8, len(text))))
        text = text[:at] + data.draw(st.sampled_from(["", *FRAGMENTS])) + text[end:]
    agree(text)


class Dumper(yaml.SafeDumper):
    """PyYAML's dumper, which decides about quotes by YAML 1.1, made to quote what YAML 1.2 reads as something else too."""

    style: str | None = None

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: Dumper, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=dumper.style if isinstance(resolve(text), str) else '"')


Dumper.add_representer(str, _represent_text)

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x85\u2028\u2029\ufeff"), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | TEXTS
    | st.sampled_from(FRAGMENTS[:-6])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXTS | st.sampled_from(["a", "yes", "<<", "1"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.data(),
    VALUES,
    st.sampled_from([None, "'", '"', "|"]),
    st.sampled_from([True, False, None]),
    st.integers(20, 200),
    st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_dumped_data_comes_back_with_its_spans(
    data: st.DataObject, value: Any, style: str | None, flow: bool | None, width: int, pure: bool
) -> None:
    dumper = type("Styled", (Dumper,), {"style": style})
    text = yaml.dump(
        value, Dumper=dumper, default_flow_style=flow, width=width, allow_unicode=data.draw(st.booleans()), sort_keys=False
    )
    document = parse(text, "x", pure=pure)
    assert not [one for one in document.problems if one.finding.severity is Severity.ERROR], text
    assert repr(document.data) == repr(value), text
    for route, start, end, node in nodes(document):
        if node.children is None and text[node.start : node.start + 1] != "|":  # what `|2` says depends on what stands around it
            assert repr(parse(cut(document, document.value_span(route)), "x").data) == repr(node.value)
        if route and isinstance(route[-1], str) and text[start] != "|":
            assert cut(document, document.key_span(route)) == text[start:end]
            assert str(parse(f"- {text[start:end]}", "x").root.children[0].value) == route[-1] or text[start] not in "'\""  # type: ignore[union-attr, index]
