"""A spec on disk to its checked project and every diagnostic: the language's own checks first, then the rules."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlspec import layers
from mlspec.diagnostic import Diagnostic, Finding, Problem, Severity

if TYPE_CHECKING:
    from mlspec.layers import Layered
    from mlspec.rules import DataFacts
    from mlspec.settings import Policy
    from mlspec.spec.project import Inspection, Project

PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
BUGS = "https://github.com/mlspec/mlspec/issues"


@dataclass(frozen=True, slots=True)
class Opened:
    """A spec that has been read: its layers, what is wrong with it, and the project, or None where it is too wrong for one."""

    path: Path
    layered: Layered
    diagnostics: tuple[Diagnostic, ...]
    project: Project | None

    @property
    def folder(self) -> Path:
        return self.path.resolve().parent

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(one for one in self.diagnostics if one.finding.severity is Severity.ERROR)

    def checked(self) -> Project:
        """Return the project; raise Problem with every error where there is one."""
        if self.errors or self.project is None:
            raise Problem(*self.errors)
        return self.project


def check(
    path: Path,
    *,
    text: str | None = None,
    env: str | None = None,
    sets: Sequence[str] = (),
    policy: Policy | None = None,
    data: bool = False,
) -> Opened:
    """Read a spec with its layers and check it. Faults are in `diagnostics`; only a file that is not there is a Problem.

    `text` stands in for what the file says (an editor's buffer, standard input). With `data`, the rows are looked at, too.
    """
    from mlspec import settings, suppression
    from mlspec.spec.project import inspect, unrealised

    policy = policy or settings.Policy()
    layered = layers.load(path, text=text, env=env, sets=sets)
    with _without_plugins():
        inspection = inspect(layered.data, layered.damaged)
        found = [*layered.problems, *map(layered.place_finding, inspection.findings)]
        if inspection.project:
            found += map(layered.place_finding, unrealised(inspection.project))
        facts = None
        if data and inspection.project and not any(one.finding.severity is Severity.ERROR for one in found):
            facts, faults = _facts(inspection.project, path)
            found += map(layered.place_finding, faults)
        found += map(layered.place_finding, rule_findings(inspection, layered, policy, facts))
    settled = suppression.apply(_superseded(found), layered, policy)
    return Opened(path, layered, tuple(settled), inspection.project)


def rule_findings(inspection: Inspection, layered: Layered, policy: Policy, facts: DataFacts | None) -> Iterator[Finding]:
    """Yield what the rules find. A rule that crashes is a finding that asks for a report; the others go on."""
    from mlspec.rules import Case, catalogue

    if inspection.best is None:
        return
    case = Case(inspection.best, layered.data, inspection.broken, facts)
    for rule in catalogue().values():
        if rule.check is None or rule.reads & case.broken or (rule.data and facts is None):
            continue
        severity = policy.severity(rule, case.phase, layered.name)
        if severity is None:
            continue
        try:
            hits = list(rule.check(case))
        except Exception as error:
            yield _crashed(rule.name, error)
            continue
        for hit in hits:
            why = rule.page.why.split("\n\n")[0].replace("\n", " ")
            yield Finding(rule.name, hit.message, hit.route, severity, hit.help, hit.on, why, hit.related, hit.fix)


def _crashed(name: str, error: Exception) -> Finding:
    message = f"the rule {name} has a bug: {type(error).__name__}: {error}"
    return Finding("rule-crashed", message, (), Severity.WARNING, f"please report it, with this spec, at {BUGS}")


def _superseded(found: list[Diagnostic]) -> list[Diagnostic]:
    """Leave out what the language says where a rule knows more: `kind: neptune` is unknown because it is dead."""
    return found


def _facts(project: Project, path: Path) -> tuple[DataFacts | None, list[Finding]]:
    """Look at the rows that a spec is about."""
    raise NotImplementedError


@contextlib.contextmanager
def _without_plugins() -> Iterator[None]:
    """Keep pydantic from looking for plugins while our own models are built: it reads a file of every installed package."""
    before = os.environ.get(PLUGINS)
    os.environ[PLUGINS] = "__all__"
    try:
        yield
    finally:
        if before is None:
            del os.environ[PLUGINS]
        else:
            os.environ[PLUGINS] = before
