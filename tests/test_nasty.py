"""Texts made to break a reader, and the YAML test suite, through the whole of lint: findings inside the file, never a crash."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import fuzz
from mlspec import lint
from mlspec.diagnostic import Diagnostic, Severity
from mlspec.document import MAX_SIZE, decode, parse
from mlspec.lines import Lines
from tests.test_document import BOTH, check, codes

pytestmark = pytest.mark.slow

DATA = Path(__file__).parent / "data"
WHOLE = (DATA / "spec" / "whole.yaml").read_text(encoding="utf-8")
START = "mlspec: 1\nproject: {name: x}\n"
MEMORY = 300 * 2**20


def bomb(join: str) -> str:
    lines = ["x-a0: &a0 {k0: [1, 2, 3, 4, 5, 6, 7, 8]}"]
    for level in range(1, 14):
        lines.append(f"x-a{level}: &a{level} " + join.format(", ".join([f"*a{level - 1}"] * 10)))
    return START + "\n".join(lines) + "\n"


def merges(count: int) -> str:
    first = "x-m0: &m0 {" + ", ".join(f"k{one}: {one}" for one in range(200)) + "}\n"
    return START + first + "".join(f"x-m{one}: &m{one} {{<<: *m{one - 1}, n{one}: 1}}\n" for one in range(1, count))


NASTY: dict[str, Callable[[], str]] = {
    "100k brackets": lambda: START + "data: " + "[" * 100_000 + "]" * 100_000,
    "100k open brackets": lambda: START + "data: " + "[" * 100_000,
    "100k braces": lambda: START + "data: " + "{a: " * 100_000,
    "100k dashes": lambda: START + "data:\n" + "- " * 100_000,
    "100k question marks": lambda: "? " * 100_000,
    "a staircase": lambda: START + "data:\n" + "".join(" " * one + f"k{one}:\n" for one in range(1, 3000)),
    "a bomb of lists": lambda: bomb("[{}]"),
    "a bomb of mappings": lambda: bomb("{{k: [{}]}}"),
    "a bomb of merges": lambda: bomb("{{<<: [{}]}}"),
    "deep merges": lambda: merges(1000),
    "an alias of itself": lambda: START + "data: &a {columns: {x: *a}}\n",
    "byte order marks": lambda: "\ufeff" + WHOLE.replace("\n", "\n\ufeff"),
    "two byte order marks": lambda: "\ufeff\ufeff" + WHOLE,
    "lone surrogates": lambda: WHOLE.replace("churn", "ch\ud800urn"),
    "escaped surrogates": lambda: START + 'task: {target: "\\ud800", kind: "\\udfff"}',
    "NUL": lambda: WHOLE.replace(" ", "\0"),
    "one NUL": lambda: WHOLE[:400] + "\0" + WHOLE[400:],
    "an escaped NUL": lambda: START + 'task: {target: "a\\0b", kind: classification}',
    "a line of 1 MB": lambda: START + "x-note: " + "a" * 2**20 + "\n",
    "a key of 1 MB": lambda: START + "a" * 2**20 + ": 1\n",
    "a line of 1 MB of keys": lambda: START + "data: {" + ", ".join(f"k{one}: {one}" for one in range(80_000)) + "}\n",
    "a line of 1 MB that is not closed": lambda: START + "data: {" + "a: 1, " * 180_000 + "\n",
    "a quote of 1 MB": lambda: START + 'project: "' + "a b\n" * 2**18,
    "python tags": lambda: START + 'data: !!python/object/apply:os.system ["echo x"]\ntask: !!python/name:os.system x\n',
    "tags of every kind": lambda: START + "data: !<tag:yaml.org,2002:set> {a, b}\ntask: !!binary aGk=\nmodel: !!omap [a: 1]\nx-y: !ruby/object:X {}\n",
    "8 MB of text": lambda: START + ("# " + "x" * 97 + "\n") * ((MAX_SIZE - 100) // 100),
    "8 MB of keys": lambda: START + "".join(f"k{one:07}: {{a: [1, 2, 3], b: 'x'}}\n" for one in range(MAX_SIZE // 32)),
    "8 MB of columns": lambda: START + "data:\n  columns:\n" + "".join(f"    k{one:07}: {{role: featuer}}\n" for one in range(60_000)),
    "more than 8 MB": lambda: "a" * (MAX_SIZE + 1),
    "8 MB of one value": lambda: START + "x-note: " + "a" * (MAX_SIZE - 100),
    "8 MB of colons": lambda: ":" * MAX_SIZE,
    "huge numbers": lambda: START + f"splits: {{seed: {'9' * 5000}, gap: {'1' * 3000} d, ratios: [1e400, -1e999, 0x{'f' * 999}]}}\n",
    "huge exponents": lambda: START + "splits: {gap: 1e308 d}\nrequirements: {service: {latency_p95: 1e999999999 ms, throughput: 9e307 /s}}\n",
    "infinite numbers": lambda: START + "splits: {seed: .inf, ratios: [.nan, .nan, -.inf], gap: .inf}\n",
    "CRLF": lambda: WHOLE.replace("\n", "\r\n"),
    "CR": lambda: WHOLE.replace("\n", "\r"),
    "mixed breaks": lambda: re.sub(r"\n(.)", lambda found: "\r\n\n\r\r"[ord(found[1]) % 4] + found[1], WHOLE),
    "U+0085": lambda: WHOLE.replace("\n", "\x85"),
    "U+2028": lambda: WHOLE.replace(": ", ":\u2028"),
    "tabs": lambda: WHOLE.replace("  ", "\t"),
    "wide characters": lambda: WHOLE.replace("churn", "\U0001f600e\u0301日本"),
    "right to left": lambda: WHOLE.replace("churn", "\u202eabc\u2066"),
    "only dashes": lambda: "---\n" * 10_000,
    "only anchors": lambda: "&a " * 10_000,
    "many anchors": lambda: START + "x-a: [" + ", ".join(f"&a{one} {one}" for one in range(50_000)) + "]\n",
    "many unknown aliases": lambda: START + "x-a: [" + ", ".join(f"*a{one}" for one in range(50_000)) + "]\n",
    "alike anchors": lambda: START + "x-a: [" + ", ".join(f"&{'a' * 400}{one} 1" for one in range(2_000)) + f"]\nx-b: *{'a' * 400}b\n",
    "many duplicates": lambda: START + "project: {}\n" * 20_000,
    "many unknown keys": lambda: START + "".join(f"unknown{one}: 1\n" for one in range(20_000)),
    "many syntax errors": lambda: START + "a: ]\n" * 20_000,
    "a long unknown key": lambda: START + f"{'project' * 140}: 1\n",
    "many close names": lambda: START + "data: {columns: {" + ", ".join(f"column{one}: {{}}" for one in range(5_000)) + "}}\ntask: {kind: regression, target: colunm}\n",
    "a secret regex": lambda: START + f"data: {{columns: {{a: {{pattern: '(a+)+$', examples: {'a' * 3000}b}}}}}}\n",
    "a schedule": lambda: START + f"pipeline: {{schedule: '{'* ' * 5000}', timezone: {'../' * 999}etc/passwd}}\n",
    "a deep condition": lambda: START + f"data: {{checks: [{{kind: expression, that: '{'(' * 20_000}a > 1{')' * 20_000}'}}]}}\n",
    "a long condition": lambda: START + f"data: {{checks: [{{kind: expression, that: '{'a > 1 and ' * 20_000} b < 1'}}]}}\n",
    "a long quantity": lambda: START + f"splits: {{gap: '{'1' * 100_000} {'d' * 100_000}'}}\n",
    "a file that extends itself": lambda: "extends: [nasty.yaml, ., /, /dev/null, '\\0', https://x.y/z]\n" + START,
    "escapes for the terminal": lambda: START + 'task: {kind: "\\e[31mred\\e]0;title\\a", target: "\\r\\n\\b"}\n',
    "names of ours": lambda: START + "__class__: 1\nmodel_config: {}\nmodel_fields: 1\nself: 1\nproject:\n  __init__: x\n",
    "nothing": lambda: "",
}  # fmt: skip


def inside(found: list[Diagnostic] | tuple[Diagnostic, ...], texts: dict[str, str]) -> None:
    """Every span lies in its file."""
    ends = {name: Lines(text).place(len(text)) for name, text in texts.items()}
    for one in found:
        for file, span in [(one.file, one.span), *((file, span) for _, file, span in one.related)]:
            assert span is not None
            assert (1, 1) <= (span.line, span.column) <= (span.end_line, span.end_column) <= ends[file], str(one)


@pytest.mark.parametrize("name", NASTY)
def test_nasty_texts(name: str, tmp_path: Path) -> None:
    """In this process; never an exception, every span inside."""
    started = time.perf_counter()
    opened = lint.check(tmp_path / "nasty.yaml", text=NASTY[name]())
    print(f"{name}: {time.perf_counter() - started:.2f} s, {len(opened.diagnostics)} findings")
    inside(opened.diagnostics, opened.layered.texts)
    if name not in ("CRLF", "CR", "mixed breaks"):
        assert opened.diagnostics
    assert not [one for one in opened.diagnostics if one.finding.code == "rule-crashed"], opened.diagnostics


FEW = {
    "100k brackets", "a bomb of merges", "lone surrogates", "one NUL", "a line of 1 MB of keys", "python tags", "8 MB of keys",
    "8 MB of columns", "8 MB of one value", "more than 8 MB", "huge numbers", "U+0085", "many syntax errors", "many unknown keys",
}  # fmt: skip


@pytest.mark.parametrize("name", [pytest.param(one, marks=() if one in FEW else pytest.mark.slow) for one in NASTY])
def test_nasty_files_on_the_command_line(name: str, tmp_path: Path) -> None:
    """Exit code 0 or 1, no traceback, within 300 MB; the time is printed, and is the machine's."""
    spec = tmp_path / "nasty.yaml"
    spec.write_bytes(NASTY[name]().encode("utf-8", "surrogatepass"))
    code, peak, spent, error = measured(spec)
    print(f"{name}: exit {code}, {peak / 2**20:.0f} MB, {spent:.2f} s")
    assert code in (0, 1), error[-2000:]
    assert "Traceback" not in error
    assert peak < MEMORY


def measured(spec: Path) -> tuple[int, int, float, str]:
    """Lint a file in a process of its own; return its exit code, its peak of memory in bytes, seconds of CPU, and what it says."""
    code = (
        "import resource, sys; from benchmarks.fuzz import peak; from mlspec.cli import entry; sys.argv = ['mlspec', 'lint', sys.argv[1]]; ended = entry();"
        "used = resource.getrusage(resource.RUSAGE_SELF);"
        "print(ended, peak(), used.ru_utime + used.ru_stime)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(spec)], capture_output=True, text=True, check=False, timeout=300, cwd=DATA.parent.parent
    )
    last = ended.stdout.strip().rpartition("\n")[2].split()
    assert len(last) == 3, ended.stderr[-2000:]
    return int(last[0]), int(last[1]), float(last[2]), ended.stderr


def test_memory_is_measured() -> None:
    """The number above is the peak of this process, in bytes."""
    before = fuzz.peak()
    held = b"x" * (before + 50 * 2**20)
    assert fuzz.peak() >= len(held) > before > 20 * 2**20


@pytest.mark.parametrize(
    "data", [b"\xff" * 1000, b"\xff\xfe", "mlspec: 1\nproject: {name: é}".encode("latin-1"), b"\x80", b"\0" * 5000]
)
def test_nasty_bytes(data: bytes, tmp_path: Path) -> None:
    check(decode(data, "x"))
    spec = tmp_path / "x.yaml"
    spec.write_bytes(data)
    opened = lint.check(spec)
    inside(opened.diagnostics, opened.layered.texts)
    assert "not-utf-8" in {one.finding.code for one in opened.diagnostics} or b"\0" in data


# the YAML test suite

SUITE: dict[str, dict[str, Any]] = json.loads((DATA / "yaml" / "yaml-test-suite.json").read_text(encoding="utf-8"))

# what this language refuses of valid YAML: several documents, keys that are no text, tags, keys written twice, files that say nothing
OUR_LIMITS = {
    "several-documents", "complex-key", "key-not-text", "unsupported-tag", "wrong-tag", "duplicate-key", "alias-loop", "empty-file",
}  # fmt: skip

# valid YAML 1.2 that libyaml 0.2.5 does not read, by what is in it
NOT_READ = {
    "a tab where indentation could be": "6BCT 6CA3 96NN-0 96NN-1 A2M4 DK95-0 DK95-3 DK95-4 Q5MG R4YG Y79Y-1 Y79Y-10",
    "a directive that YAML reserves": "2LFX 6LVF BEC7 MUS6-5 MUS6-6 W4TN M7A3",
    "a colon or comma that touches a flow value": "4MUZ-0 4MUZ-1 4MUZ-2 58MP 5MUD 5T43 9SA2 CFD4 DBG4 HM87-0 K3WX NJ66 QT73 UT92 VJP3-1 4ABK FRK4",
    "a colon that is part of an anchor or alias": "2SXE 8XYN W5VH",
    "empty nodes, `---` with a value behind it, blocks that are not indented": "2JQS 6M2F 7Z25 DK3J FP8R HWV9 M2N8-0 NHX8 NKF9 S3PD SM9W-1 UKK6-0",
}  # fmt: skip
LIBYAML = {one for ids in NOT_READ.values() for one in ids.split()}

# not YAML, but libyaml 0.2.5 reads it: a comment without a space before it, tabs and dedents inside flow collections and quotes
READ = {"9C9N", "9JBA", "CVW2", "DK95-1", "G5U8", "QB6E", "S98Z", "SU5Z", "X4QW", "Y79Y-3", "YJV2"}

# where the parser in Python still differs: %YAML 1.3, %YAML twice, a comma right behind a tag, a comment right behind `>`
PURE = {"BEC7", "MUS6-3", "WZ62", "X4QW"}

# data that libyaml reads otherwise: `?x` and `-x` in flow, blanks at the end of a text, an anchor with a colon in it
OTHERWISE = {"652Z", "HM87-1", "L24T-1", "Y2GN"}


@BOTH
@pytest.mark.parametrize("name", SUITE)
def test_yaml_test_suite(name: str, pure: bool) -> None:
    case = SUITE[name]
    document = parse(case["yaml"], "x", pure=pure)
    check(document)
    errors = {one.finding.code for one in document.problems if one.finding.severity is Severity.ERROR}
    if pure and name in PURE:
        return
    if case.get("fail"):
        assert bool(errors) != (name in READ), errors
    else:
        assert bool(errors - OUR_LIMITS) == (name in LIBYAML), errors
    if not errors and "json" in case and case["json"].strip() and not case.get("fail"):
        assert (document.data == json.loads(case["json"])) != (name in OTHERWISE)


def test_yaml_test_suite_through_lint(tmp_path: Path) -> None:
    assert len(SUITE) > 350
    for case in SUITE.values():
        opened = lint.check(tmp_path / "x.yaml", text=case["yaml"])
        assert opened.errors
        inside(opened.diagnostics, opened.layered.texts)
        assert codes(parse(case["yaml"], "x")) == codes(parse(case["yaml"], "x"))


# mutated specs: a taste of `python -m benchmarks.fuzz`


@pytest.mark.parametrize("shard", range(4))
def test_mutated_specs(shard: int) -> None:
    seen: set[str] = set()
    for number in range(shard * 75, shard * 75 + 75):
        verdict = fuzz.judge(fuzz.mutant(7, number))
        assert not verdict.wrong or verdict.wrong.startswith(("took", "the process")), (
            f"mutant {number} of seed 7: {verdict.wrong}"
        )
        seen |= set(verdict.codes)
    assert len(seen) > 30, "the mutants are too alike"
