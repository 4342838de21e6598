"""GitLab's code quality report, a subset of Code Climate's: an array of issues with fingerprints."""

from __future__ import annotations

import json
import os
from typing import Any

from mlspec.baseline import fingerprints
from mlspec.diagnostic import Diagnostic, Severity
from mlspec.formats import Report, placed, said

LEVEL = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info"}


def render(report: Report) -> str:
    """Return the report as JSON."""
    prints = fingerprints(report.diagnostics, report.home)
    return json.dumps([_issue(one, mark) for one, mark in zip(report.diagnostics, prints, strict=True)], indent=1)


def _issue(one: Diagnostic, mark: str) -> dict[str, Any]:
    span = placed(one)
    return {
        "description": said(one),
        "check_name": one.finding.code,
        "fingerprint": mark,
        "severity": LEVEL[one.finding.severity],
        "location": {
            "path": one.file.replace(os.sep, "/").removeprefix("./"),
            "positions": {
                "begin": {"line": span.line, "column": span.column},
                "end": {"line": span.end_line, "column": span.end_column},
            },
        },
    }
