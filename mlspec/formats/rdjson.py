"""Reviewdog's diagnostic format, rdjson; its columns count bytes of UTF-8."""

from __future__ import annotations

import json
from typing import Any

from mlspec.diagnostic import SITE, Diagnostic, Severity, Span
from mlspec.formats import Report, link, placed, said

LEVEL = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.INFO: "INFO"}


def render(report: Report) -> str:
    """Return a DiagnosticResult as JSON."""
    told = {
        "source": {"name": "mlspec", "url": SITE},
        "diagnostics": [_diagnostic(one, report) for one in report.diagnostics],
    }
    return json.dumps(told, indent=1)


def _diagnostic(one: Diagnostic, report: Report) -> dict[str, Any]:
    url = link(one)
    told: dict[str, Any] = {
        "message": said(one),
        "location": {"path": one.file, "range": _range(one.file, placed(one), report)},
        "severity": LEVEL[one.finding.severity],
        "code": {"value": one.finding.code, **({"url": url} if url else {})},
    }
    patch = one.patch
    if patch and all(part.file == one.file in report.texts for part in patch.replacements):
        lines = report.lines(one.file)
        told["suggestions"] = [
            {"range": _range(one.file, lines.span(part.start, part.end), report), "text": part.text}
            for part in patch.replacements
        ]
    return told


def _range(file: str, span: Span, report: Report) -> dict[str, Any]:
    return {
        "start": _position(file, span.line, span.column, report),
        "end": _position(file, span.end_line, span.end_column, report),
    }


def _position(file: str, line: int, column: int, report: Report) -> dict[str, int]:
    before = report.lines(file).line(line)[: column - 1]
    missing = column - 1 - len(before)
    return {"line": line, "column": len(before.encode("utf-8", "replace")) + missing + 1}
