"""Lint many mutated specs: `python -m benchmarks.fuzz --count 200000 --seed 1 --processes 2`.

Each is linted in process. Promised: no exception, no crashed rule, every span inside its file, within bounds of time and memory.
Exit code 1 where one breaks a promise.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import re
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mlspec import lint
from mlspec.lines import Lines

ROOT = Path(__file__).parent.parent
SECONDS = 2.0  # of CPU, for one spec
MEMORY = 300 * 2**20  # the peak of a process
BATCH = 200

VALUES = [
    "null", "~", "true", "0", "-1", "1e999", "99999999999999999999", ".nan", ".inf", "0.5", "5 %", "-3 d",
    "1 / 0", "''", '"\\0"', '"\\ud800"', "[]",
    "{}", "[[]]", "[null]", "{kind: null}", "{kind: python}", "{kind: [1]}", "*a", "&a x", "!!str 5",
    "!!python/name:os.system x", "<<", "x-y", "yes",
    "2026-02-30", "00:60", "a.b.c:d", "${env:X}", "${secret:a/b}", "${", "../../etc/passwd", "s3://b", "{{ x }}",
    "é", "\U0001f600", "|\n  a\n", "> b",
    "([", "* * * * *", "Mars/Olympus", "'it''s'", "a" * 3000, "[" * 70, "-", "?", ":", "# x", "[1, {a: b}]",
    "{a: {b: {c: []}}}", "1_000", "0x1F", "010",
]  # fmt: skip
TOKENS = [
    "\n", "  ", " ", "\t", ": ", ":", "- ", "[", "]", "{", "}", ", ", '"', "'", "#", "&a ", "*a", "!!", "|", ">",
    "%", "@", "`", "\\", "\r\n", "\r", "\x85",
    "\u2028", "\ufeff", "\0", "\ud800", "---\n", "...\n", "<<: *a\n", "? ", "~", "\x07",
]  # fmt: skip


@cache
def seeds() -> tuple[str, ...]:
    """Return the specs that are mutated: the gallery, and those that use the whole language."""
    folders = (ROOT / "specs", ROOT / "tests" / "data" / "spec", ROOT / "tests" / "data" / "rules")
    return tuple(file.read_text(encoding="utf-8") for folder in folders for file in sorted(folder.glob("*.yaml")))


def _byte(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(["", chr(rng.randrange(256)), chr(rng.randrange(0x11000))]) + text[at + rng.randrange(3) :]


def _token(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(TOKENS) * rng.choice([1, 1, 1, 2, 80]) + text[at + rng.choice([0, 0, 1, 4]) :]


def _line(text: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    way = rng.randrange(6)
    if way == 0:
        del lines[at]
    elif way == 1:
        lines.insert(at, lines[other])
    elif way == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif way == 3:
        lines[at] = " " * rng.randrange(1, 5) + lines[at]
    elif way == 4:
        lines[at] = lines[at][rng.randrange(1, 4) :]
    else:
        lines[at] = "\t" + lines[at]
    return "".join(lines)


def _structure(text: str, rng: random.Random) -> str:
    """Move, double, drop or nest a block with all that is indented below it."""
    lines = text.splitlines(keepends=True) or [""]
    at = rng.randrange(len(lines))
    indent = len(lines[at]) - len(lines[at].lstrip())
    end = at + 1
    while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent):
        end += 1
    block, rest = lines[at:end], lines[:at] + lines[end:]
    to, by = rng.randrange(len(rest) + 1), rng.choice([-2, 0, 0, 2, 4])
    moved = [" " * max(len(line) - len(line.lstrip()) + by, 0) + line.lstrip(" ") for line in block]
    kept = rest if rng.random() < 0.6 else lines
    return "".join([*kept[:to], *moved * rng.choice([0, 1, 1, 2]), *kept[to:]])


def _value(text: str, rng: random.Random) -> str:
    found = list(re.finditer(r"(?<=: )[^\s,\[\]{}][^,\n\[\]{}]*|[\w.-]+(?=:)|\[[^\[\]\n]*\]|\{[^{}\n]*\}", text))
    if not found:
        return text + rng.choice(VALUES)
    one, other = rng.choice(found), rng.choice(found)
    put = rng.choice([rng.choice(VALUES), rng.choice(VALUES), other.group(), one.group()[:-1], one.group() * 2])
    return text[: one.start()] + put + text[one.end() :]


def _splice(text: str, rng: random.Random) -> str:
    """Go on as another spec does, from a line or a section on."""
    other = rng.choice(seeds())
    cuts = [found.start() for found in re.finditer(rng.choice([r"^\w", r"^ *[\w-]"]), text, re.MULTILINE)] or [0]
    begins = [found.start() for found in re.finditer(rng.choice([r"^\w", r"^ *[\w-]"]), other, re.MULTILINE)] or [0]
    return text[: rng.choice(cuts)] + other[rng.choice(begins) :]


MUTATIONS: Sequence[Callable[[str, random.Random], str]] = (_byte, _token, _line, _structure, _value, _value, _splice)


def mutant(seed: int, number: int) -> str:
    """Return the mutated spec of this number: the same each time."""
    rng = random.Random(f"{seed}:{number}")
    text = rng.choice(seeds())
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 5, 12])):
        text = rng.choice(MUTATIONS)(text, rng)
    return text


class Verdict(NamedTuple):
    """What came of one spec: what is wrong with how it was linted, or nothing; CPU seconds; the codes that were told."""

    wrong: str
    seconds: float
    codes: tuple[str, ...]


def judge(text: str, name: str = "fuzz.yaml") -> Verdict:
    """Lint a text and check what is promised of any text whatsoever."""
    started = time.process_time()
    try:
        opened = lint.check(ROOT / "specs" / name, text=text)
    except Exception:
        return Verdict(traceback.format_exc(limit=-8), time.process_time() - started, ())
    seconds = time.process_time() - started
    ends = {file: Lines(said).place(len(said)) for file, said in opened.layered.texts.items()}
    wrong = ""
    for one in opened.diagnostics:
        if one.finding.code == "rule-crashed":
            wrong = one.finding.message
        for file, span in ((one.file, one.span), *((file, span) for _, file, span in one.related)):
            if span is None:
                wrong = f"no span: {one}"
            elif not (1, 1) <= (span.line, span.column) <= (span.end_line, span.end_column) <= ends[file]:
                wrong = f"{span} is outside {file}, which ends at {ends[file]}: {one}"
    if seconds > SECONDS:
        wrong = wrong or f"took {seconds:.1f} s"
    if peak() > MEMORY:
        wrong = wrong or f"the process has used {peak() / 2**20:.0f} MiB"
    return Verdict(wrong, seconds, tuple(one.finding.code for one in opened.diagnostics))


def peak() -> int:
    """Return the most memory that this process has used, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` counts, on Linux, what the parent had before the process began
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _batch(job: tuple[int, int, int]) -> dict[str, Any]:
    seed, first, last = job
    failures, slowest, codes = [], (0.0, 0), Counter[str]()
    for number in range(first, last):
        verdict = judge(mutant(seed, number))
        codes.update(set(verdict.codes))
        slowest = max(slowest, (verdict.seconds, number))
        if verdict.wrong:
            failures.append((number, verdict.wrong))
    return {"count": last - first, "failures": failures, "slowest": slowest, "codes": codes, "peak": peak()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description="Lint mutated specs.")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first mutant")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--save", type=Path, default=Path("build/fuzz"), help="where specs that break a promise are written")
    given = parser.parse_args()
    last = given.first + given.count
    jobs = [(given.seed, at, min(at + BATCH, last)) for at in range(given.first, last, BATCH)]
    started, told, codes = time.perf_counter(), [], Counter[str]()
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        for one in pool.imap_unordered(_batch, jobs):
            told.append(one)
            codes.update(one["codes"])
            for number, wrong in one["failures"]:
                given.save.mkdir(parents=True, exist_ok=True)
                file = given.save / f"{given.seed}-{number}"
                file.with_suffix(".yaml").write_bytes(mutant(given.seed, number).encode("utf-8", "surrogatepass"))
                file.with_suffix(".txt").write_text(wrong, encoding="utf-8", errors="backslashreplace")
                sys.stderr.write(f"mutant {number}: {wrong.strip().splitlines()[-1][:200]}\n")
    seconds = time.perf_counter() - started
    failed = sum(len(one["failures"]) for one in told)
    slowest = max((one["slowest"] for one in told), default=(0.0, 0))
    report = {
        "specs": given.count,
        "seed": given.seed,
        "failed": failed,
        "specs_per_second": round(given.count / seconds, 1),
        "slowest_seconds": round(slowest[0], 3),
        "slowest": slowest[1],
        "peak_mib": round(max((one["peak"] for one in told), default=0) / 2**20),
        "codes_seen": len(codes),
        "most_told": dict(codes.most_common(12)),
    }
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
