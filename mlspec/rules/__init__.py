"""Lint rules, a module a topic; a rule's docstring is its manual page, and its examples are its test."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from mlspec.diagnostic import Finding
from mlspec.rules._case import Case, DataFacts
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, Rule, entered, fault, rule

__all__ = [
    "ERROR",
    "INFO",
    "WARNING",
    "Case",
    "DataFacts",
    "Hit",
    "Rule",
    "catalogue",
    "fault",
    "find",
    "halts",
    "of_a_rule",
    "rule",
]


@cache
def catalogue() -> Mapping[str, Rule]:
    """Return every rule by its name, in the order of codes."""
    for topic in sorted(Path(__file__).parent.glob("[!_]*.py")):
        import_module(f"{__name__}.{topic.stem}")
    rules = sorted(entered().values(), key=lambda one: one.code)
    return {one.name: one for one in rules}


def find(word: str) -> Rule | None:
    """Return the rule with this name or code, however its letters are cased."""
    rules = catalogue()
    return rules.get(word.lower()) or next((one for one in rules.values() if one.code == word.upper()), None)


def of_a_rule(code: str) -> bool:
    """Whether findings with this code are a rule's; the others are found by the reader, the layers and the models."""
    found = catalogue().get(code)
    return found is not None and found.check is not None


def halts(finding: Finding) -> bool:
    """Whether a finding is an error of the language: it leaves no project, so that nobody can silence it or live with it."""
    return finding.severity is ERROR and not of_a_rule(finding.code)
