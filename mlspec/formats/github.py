"""Workflow commands of GitHub Actions: each finding becomes an annotation on the changed file."""

from __future__ import annotations

from mlspec.diagnostic import Diagnostic, Severity
from mlspec.display import visible
from mlspec.formats import Report, said

LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: Report) -> str:
    """Return a workflow command for each finding, on a line of its own."""
    return "\n".join(map(_command, report.diagnostics))


def _command(one: Diagnostic) -> str:
    words = {"file": one.file, "title": f"mlspec {one.finding.code}"}
    if one.span:
        words |= {"line": str(one.span.line), "endLine": str(one.span.end_line)}
        if one.span.line == one.span.end_line:  # GitHub drops the place of an annotation that has columns on several lines
            words |= {"col": str(one.span.column), "endColumn": str(one.span.end_column)}
    properties = ",".join(f"{name}={_property(value)}" for name, value in words.items())
    return f"::{LEVEL[one.finding.severity]} {properties}::{_data(said(one))}"


def _data(text: str) -> str:
    """Escape a message. Line breaks are kept, other characters without a glyph are written out."""
    lines = text.replace("%", "%25").split("\n")
    return "%0A".join("%0D".join(visible(part) for part in line.split("\r")) for line in lines)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
