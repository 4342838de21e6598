"""Which rules count, and how much: the policy that command line and `pyproject.toml` set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlspec.diagnostic import Severity
from mlspec.rules import Rule


@dataclass(frozen=True, slots=True)
class Policy:
    """Which rules count, and how much."""

    severities: Mapping[str, Severity] = field(default_factory=dict)

    def severity(self, rule: Rule, phase: str, file: str) -> Severity | None:
        """Return how bad a rule's fault is in a file of a project in a phase; None where it does not count."""
        return self.severities.get(rule.name, rule.severity(phase))
