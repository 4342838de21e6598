"""JUnit's XML, as CI servers read it: a suite a file, a test case a finding; information does not fail."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from mlspec.diagnostic import Diagnostic, Severity
from mlspec.display import visible
from mlspec.formats import Report


def render(report: Report) -> str:
    """Return one document with a suite for each file that was checked or that a finding is in."""
    files = dict.fromkeys([*report.files, *(one.file for one in report.diagnostics)])
    suites = [_suite(file, [one for one in report.diagnostics if one.file == file]) for file in files]
    failed = sum(one.finding.severity is not Severity.INFO for one in report.diagnostics)
    tests = sum(max(sum(one.file == file for one in report.diagnostics), 1) for file in files)
    head = f'<testsuites name="mlspec" tests="{tests}" failures="{failed}" errors="0">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *suites, "</testsuites>"])


def _suite(file: str, found: list[Diagnostic]) -> str:
    failed = sum(one.finding.severity is not Severity.INFO for one in found)
    cases = [_case(one) for one in found] or [f'  <testcase name="lint" classname={_attribute(file)} time="0"/>']
    head = f' <testsuite name={_attribute(file)} tests="{len(cases)}" failures="{failed}" errors="0" time="0">'
    return "\n".join([head, *cases, " </testsuite>"])


def _case(one: Diagnostic) -> str:
    finding = one.finding
    place = f"{one.span.line}:{one.span.column}" if one.span else "file"
    text = "\n".join(filter(None, [f"{one.file}:{place}: {finding.message}", finding.why, finding.help]))
    body = escape(_clean(text))
    if finding.severity is Severity.INFO:
        inner = f"<system-out>{body}</system-out>"
    else:
        inner = f'<failure type="{finding.severity}" message={_attribute(finding.message)}>{body}</failure>'
    name = _attribute(f"{finding.code} at {place}")
    return f'  <testcase name={name} classname={_attribute(one.file)} time="0">{inner}</testcase>'


def _attribute(text: str) -> str:
    return quoteattr(visible(text))


def _clean(text: str) -> str:
    """Write out what has no glyph: no XML document can hold most of it."""
    return "\n".join(map(visible, text.split("\n")))
