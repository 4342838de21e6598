"""SARIF 2.1.0: the static analysis results interchange format of OASIS, which code scanning services read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlspec import __version__
from mlspec.baseline import fingerprints
from mlspec.diagnostic import SITE, Diagnostic, Patch, Severity, Span
from mlspec.formats import Report, link, placed, rule_of

LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LINK = re.compile(r"\[[^\]]*\]\(")


def render(report: Report) -> str:
    """Return one SARIF log with one run."""
    codes = list(dict.fromkeys(one.finding.code for one in report.diagnostics))
    first = {one.finding.code: one for one in reversed(report.diagnostics)}
    prints = fingerprints(report.diagnostics, report.home)
    run = {
        "tool": {
            "driver": {
                "name": "mlspec",
                "version": __version__,
                "informationUri": SITE,
                "rules": [_rule(first[code]) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": _location(file)} for file in report.files],
        "results": [
            _result(one, codes.index(one.finding.code), mark, report)
            for one, mark in zip(report.diagnostics, prints, strict=True)
        ],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1)


def _rule(one: Diagnostic) -> dict[str, Any]:
    code, rule = one.finding.code, rule_of(one)
    told: dict[str, Any] = {"id": code}
    if rule is None:
        return {**told, "shortDescription": {"text": code.replace("-", " ")}}
    page = rule.page
    why = f"## Why this is bad\n\n{page.why}"
    good = f"## Write instead\n\n```yaml\n{page.good.spec}```"
    return {
        **told,
        "name": "".join(part.title() for part in code.split("-")),
        "shortDescription": {"text": _plain(page.summary)},
        "fullDescription": {"text": _plain(page.what)},
        "help": {"text": _plain(f"{page.what}\n\n{page.why}"), "markdown": f"{page.what}\n\n{why}\n\n{good}"},
        "helpUri": link(one),
        "defaultConfiguration": {"level": LEVEL[rule.severity("production") or Severity.INFO]},
        "properties": {"code": rule.code, "topic": rule.topic, "tags": [rule.topic]},
    }


def _result(one: Diagnostic, index: int, mark: str, report: Report) -> dict[str, Any]:
    finding = one.finding
    told: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": LEVEL[finding.severity],
        "message": _message("\n".join(filter(None, [finding.message, finding.why, finding.help]))),
        "locations": [_place(one.file, placed(one))],
        "partialFingerprints": {"mlspec/v1": mark},
    }
    if one.related:
        told["relatedLocations"] = [
            {"id": number, **_place(file, span), "message": _message(message)}
            for number, (message, file, span) in enumerate(one.related, 1)
        ]
    if one.patch and all(one.file in report.texts for one in one.patch.replacements):
        told["fixes"] = [_fix(one.patch, report)]
    return told


def _plain(text: str) -> str:
    """Escape what would be read as a link in a plain message."""
    return re.sub(r"[\\\[\]]", r"\\\g<0>", text) if _LINK.search(text) else text


def _message(text: str) -> dict[str, str]:
    return {"text": _plain(text)}


def _location(file: str) -> dict[str, str]:
    try:
        path = os.fsencode(file)
    except UnicodeEncodeError:  # no file has this name
        path = file.encode("utf-8", "replace")
    if Path(file).is_absolute():
        return {"uri": f"file://{quote(path)}"}
    return {"uri": quote(path.replace(os.sep.encode(), b"/")), "uriBaseId": "%SRCROOT%"}


def _place(file: str, span: Span) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": _location(file), "region": _region(span)}}


def _region(span: Span) -> dict[str, int]:
    return {"startLine": span.line, "startColumn": span.column, "endLine": span.end_line, "endColumn": span.end_column}


def _fix(patch: Patch, report: Report) -> dict[str, Any]:
    files = dict.fromkeys(one.file for one in patch.replacements)
    return {
        "description": _message(patch.title),
        "artifactChanges": [
            {"artifactLocation": _location(file), "replacements": _replacements(patch, file, report)} for file in files
        ],
    }


def _replacements(patch: Patch, file: str, report: Report) -> Sequence[dict[str, Any]]:
    lines = report.lines(file)
    return [
        {"deletedRegion": _region(lines.span(one.start, one.end)), "insertedContent": {"text": one.text}}
        for one in patch.replacements
        if one.file == file
    ]
