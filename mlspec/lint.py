"""A spec on disk to its checked project and every diagnostic: the language's own checks first, then the rules."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mlspec import layers
from mlspec.diagnostic import BUGS, Diagnostic, Finding, Problem, Severity

if TYPE_CHECKING:
    from datetime import date

    from mlspec.layers import Layered
    from mlspec.rules import DataFacts, Rule
    from mlspec.settings import Policy
    from mlspec.spec.project import Inspection, Project

PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
LOADER = "pydantic.plugin._loader"


@dataclass(frozen=True, slots=True)
class Opened:
    """A spec that has been read: its layers, what is wrong with it, and the project, or None where it is too wrong for one."""

    path: Path
    layered: Layered
    diagnostics: tuple[Diagnostic, ...]
    project: Project | None
    halting: tuple[Diagnostic, ...] = ()  # errors of the language as they are, however low a policy has them told

    @property
    def folder(self) -> Path:
        return self.path.resolve().parent

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(one for one in self.diagnostics if one.finding.severity is Severity.ERROR)

    def checked(self) -> Project:
        """Return the project; raise Problem with every error where there is one."""
        if self.errors or self.halting or self.project is None:
            raise Problem(*(self.errors or self.halting))
        return self.project


def check(
    path: Path,
    *,
    text: str | None = None,
    env: str | None = None,
    sets: Sequence[str] = (),
    policy: Policy | None = None,
    data: bool = False,
    today: date | None = None,
    texts: Mapping[str, str] | None = None,
) -> Opened:
    """Read a spec with its layers and check it. Faults are in `diagnostics`; only a file that is not there is a Problem.

    `text` stands in for what the file says (an editor's buffer, standard input), `texts` for files by their real paths. With
    `data`, the rows are looked at, too.
    `today` is the day that suppressions expire against.
    """
    from mlspec import patches, settings, suppression
    from mlspec.spec.project import inspect, unrealised

    policy = policy or settings.Policy()
    layered = layers.load(path, text=text, env=env, sets=sets, texts=texts)
    with _without_plugins():
        inspection = inspect(layered.data, layered.damaged)
        found = [*layered.problems, *map(layered.place_finding, inspection.findings)]
        if inspection.project:
            found += map(layered.place_finding, unrealised(inspection.project))
            found += map(layered.place_finding, patches.missing(inspection.project, path.resolve().parent))
            found += map(layered.place_finding, _items(inspection.project, path.resolve().parent))
        facts = None
        if data and inspection.project and not any(one.finding.severity is Severity.ERROR for one in found):
            facts, faults = _facts(inspection.project, path)
            found += map(layered.place_finding, faults)
        found += map(layered.place_finding, rule_findings(inspection, layered, policy, facts))
    halting, told = _told(found, policy)
    told = _superseded(told)
    phase = inspection.best.project.phase if inspection.best else "proof_of_concept"
    settled = suppression.apply(told, layered, policy, phase=phase, today=today, alone=not (env or sets))
    return Opened(path, layered, (*policy.problems, *settled), inspection.project, halting)


def _told(found: list[Diagnostic], policy: Policy) -> tuple[tuple[Diagnostic, ...], list[Diagnostic]]:
    """Return the errors of the language, which leave no project, and all that is found as the policy has it told."""
    from mlspec.rules import halts, of_a_rule

    graded = (one if of_a_rule(one.finding.code) else policy.of_language(one) for one in found)
    return tuple(one for one in found if halts(one.finding)), [one for one in graded if one]


def rule_findings(inspection: Inspection, layered: Layered, policy: Policy, facts: DataFacts | None) -> Iterator[Finding]:
    """Yield what the rules find. A rule that crashes is a finding that asks for a report; the others go on."""
    from mlspec.rules import Case

    if inspection.best is None:
        return
    case = Case(inspection.best, layered.data, inspection.broken, facts)
    for rule, severity in _due(policy, case.phase, layered.name):
        if rule.check is None or rule.reads & case.broken or (rule.data and facts is None):
            continue
        try:
            hits = list(rule.check(case))
        except Exception as error:
            yield _crashed(rule.name, error)
            continue
        for hit in hits:
            if any(hit.route == route[: len(hit.route)] for route in layered.damaged):
                continue  # what it misses may have been on the lines that are lost
            yield Finding(rule.name, hit.message, hit.route, severity, hit.help, hit.on, rule.page.reason, hit.related, hit.fix)


def _due(policy: Policy, phase: str, name: str) -> tuple[tuple[Rule, Severity], ...]:
    """Return the rules that count for a file, each with how bad its fault is."""
    return _usual(phase) if policy.usual else _graded(policy, phase, name)


@cache
def _usual(phase: str) -> tuple[tuple[Rule, Severity], ...]:
    """Return the rules that count where no settings say otherwise: the same for every file of a phase."""
    from mlspec.settings import Policy

    return _graded(Policy(), phase, "")


def _graded(policy: Policy, phase: str, name: str) -> tuple[tuple[Rule, Severity], ...]:
    from mlspec.rules import catalogue

    graded = ((rule, policy.severity(rule, phase, name)) for rule in catalogue().values() if rule.check is not None)
    return tuple((rule, severity) for rule, severity in graded if severity is not None)


def _crashed(name: str, error: Exception) -> Finding:
    message = f"the rule {name} has a bug: {type(error).__name__}: {error}"
    return Finding("rule-crashed", message, (), Severity.WARNING, f"please report it, with this spec, at {BUGS}")


def _superseded(found: list[Diagnostic]) -> list[Diagnostic]:
    """Leave out what the language says where a rule knows more: `kind: neptune` is unknown because it is dead.

    What the rule says is an error there: the language cannot read the section. An `inline-secret` is told once.
    """
    from mlspec.rules import catalogue

    rules = catalogue()
    known = {one.finding.route: one for one in found if (rule := rules.get(one.finding.code)) and rule.topic == "tools"}
    refused = {one.finding.route for one in found if one.finding.code == "inline-secret"}
    dead = {one.finding.route for one in found if one.finding.code in ("unknown-kind", "unknown-value")} & known.keys()
    kept = []
    for one in found:
        code, route = one.finding.code, one.finding.route
        if (route in dead and code in ("unknown-kind", "unknown-value")) or (route in refused and code == "secret-in-spec"):
            continue
        raised = route in dead and one is known[route]
        kept.append(replace(one, finding=replace(one.finding, severity=Severity.ERROR)) if raised else one)
    return kept


def _items(project: Project, folder: Path) -> tuple[Finding, ...]:
    """Return what is wrong with a table of items: those that the spec itself lists have been looked at."""
    if project.for_each is None or project.for_each.table is None:
        return ()
    from mlspec import fan_out

    try:
        fan_out.items_of(project.for_each, folder)
    except Problem as problem:
        return tuple(fault for fault in problem.faults if isinstance(fault, Finding))
    return ()


def _facts(project: Project, path: Path) -> tuple[DataFacts | None, list[Finding]]:
    """Look at the rows that a spec is about, read as a run reads them; what a run would stop at are findings."""
    from mlspec.lower import data_params

    own = [*_own_sources(project)]
    if project.task is None or project.data is None or own:
        return None, own
    steps = data_params(project)
    checks = steps["validate"]["checks"]
    steps["validate"]["checks"] = [one for one in checks if one["kind"] != "custom"]  # lint runs no code of the user's
    try:
        from mlspec.runtime.survey import survey

        told, faults = survey(steps, path.resolve().parent)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("numpy", "polars", "sklearn"):
            return None, [_crashed("survey", missing)]
        message = f"looking at the rows needs {missing.name}, which is not installed"
        return None, [Finding("rows-not-looked-at", message, ("data",), Severity.WARNING, 'pip install "mlspec[local]"', "key")]
    except Exception as error:
        return None, [_crashed("survey", error)]
    faults = [replace(one, severity=Severity.WARNING) if one.code == "not-realised" else one for one in faults]
    return (_as_facts(told) if told else None), faults


def _own_sources(project: Project) -> Iterator[Finding]:
    """Yield a finding for each source that is a function of the user's: lint calls none."""
    for name, source in project.data.sources.items() if project.data else ():
        if source.kind == "custom":
            message = f"`{name}` is a function of yours, which lint does not call: its rows were not looked at"
            help_text = "`mlspec run` calls it and checks the rows"
            yield Finding("rows-not-looked-at", message, ("data", "sources", name), Severity.INFO, help_text, "key")


def _as_facts(told: dict[str, Any]) -> DataFacts:
    """Bring what the survey found to the form that rules read."""
    from mlspec.rules import DataFacts
    from mlspec.rules._case import ColumnFacts, SplitRows

    further = dict(told)
    columns = {}
    for name, one in further.pop("columns").items():
        examples = tuple(str(value) for value, _ in one["top"])
        columns[name] = ColumnFacts(**{key: value for key, value in one.items() if key != "top"}, examples=examples)
    further["top"] = {name: one["top"] for name, one in told["columns"].items() if one["top"]}
    parts = told["parts"]
    splits = SplitRows(*(parts[name]["rows"] for name in ("train", "dev", "test"))) if parts else None
    return DataFacts(further.pop("rows"), columns, further.pop("duplicates"), further.pop("classes"), splits, further)


@contextlib.contextmanager
def _without_plugins() -> Iterator[None]:
    """Keep pydantic from looking for plugins while our own models are built: it reads a file of every installed package.

    A module that knows of no plugin stands in for its loader, too, as importing that costs a twentieth of a lint (measured).
    """
    before = os.environ.get(PLUGINS)
    os.environ[PLUGINS] = "__all__"
    stand_in = ModuleType(LOADER)
    stand_in.get_plugins = tuple  # type: ignore[attr-defined]
    sys.modules.setdefault(LOADER, stand_in)
    try:
        yield
    finally:
        if sys.modules.get(LOADER) is stand_in:
            del sys.modules[LOADER]
        if before is None:
            del os.environ[PLUGINS]
        else:
            os.environ[PLUGINS] = before
