"""Diagnostics for other programs, a module a format: each has a function ``render(report)`` that returns the whole text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from mlspec.diagnostic import PAGES, Diagnostic, Span
from mlspec.lines import Lines

if TYPE_CHECKING:
    from mlspec.rules import Rule

NAMES = ("sarif", "github", "gitlab", "junit", "rdjson")


@dataclass(frozen=True)
class Report:
    """A finished run: the files that were checked, what was found, sorted, and what each file said."""

    files: Sequence[str]
    diagnostics: Sequence[Diagnostic]
    texts: Mapping[str, str] = field(default_factory=dict)
    home: Path = field(default_factory=Path)  # what fingerprints name files from

    cut: dict[str, Lines] = field(default_factory=dict, repr=False)

    def lines(self, file: str) -> Lines:
        if file not in self.cut:
            self.cut[file] = Lines(self.texts.get(file, ""))
        return self.cut[file]


def render(name: str, report: Report) -> str:
    """Tell a report in a format."""
    text: str = import_module(f"{__name__}.{name}").render(report)
    return text


def rule_of(one: Diagnostic) -> Rule | None:
    """Return the rule that a finding is of; None where no page has been written for it."""
    from mlspec.rules import catalogue

    return catalogue().get(one.finding.code)


def link(one: Diagnostic) -> str:
    """Return where the manual page of a finding is; empty where it has none."""
    return manual(one)[1]


def manual(one: Diagnostic) -> tuple[str, str]:
    """Return the code of a finding's rule and where its page is; two empty texts where it has none."""
    rule = rule_of(one)
    return (rule.code, f"{PAGES}#{rule.name}") if rule else ("", "")


def said(one: Diagnostic) -> str:
    """Return the message and, on lines of their own, the help."""
    return "\n".join(filter(None, [one.finding.message, one.finding.help]))


def placed(one: Diagnostic) -> Span:
    """Return a span, the file's first character where there is none."""
    return one.span or Span(1, 1, 1, 1)
