"""What a lint rule is: a function that yields hits, its code, name and severities, and its page in the docstring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlspec.diagnostic import Fix, Route, Severity

if TYPE_CHECKING:
    from mlspec.rules._case import Case
    from mlspec.rules._page import Page

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
Ladder = tuple[Severity | None, Severity | None, Severity | None]
"""How bad a fault is in a proof of concept, a pilot and in production; None is: not yet a fault."""

PHASES = ("proof_of_concept", "pilot", "production")


@dataclass(frozen=True, slots=True)
class Hit:
    """One fault that a rule found. The linter adds the rule's name, severity and reason."""

    message: str
    route: Route = ()
    help: str = ""
    on: str = "value"
    related: tuple[tuple[str, Route], ...] = ()
    fix: Fix | None = None


@dataclass(frozen=True)
class Rule:
    """A rule. `reads` names the sections whose damage silences it; with `data` it needs the rows themselves.

    A rule without `check` stands for a fault that is found elsewhere (by the reader of YAML, the models, the layers): it gives
    that fault its code and its page.
    """

    code: str
    name: str
    ladder: Ladder
    reads: frozenset[str]
    data: bool
    check: Callable[[Case], Iterable[Hit]] | None
    doc: str
    topic: str

    def severity(self, phase: str) -> Severity | None:
        return self.ladder[PHASES.index(phase)]

    @cached_property
    def page(self) -> Page:
        from mlspec.rules._page import parse

        return parse(self.name, self.doc)


Check = Callable[["Case"], Iterable[Hit]]
_ENTERED: dict[str, Rule] = {}


def rule(code: str, severity: Severity | Ladder, *, reads: str = "", data: bool = False) -> Callable[[Check], Check]:
    """Enter a function as the rule of its name, ``target_among_features`` as ``target-among-features``.

    `severity` is one for all phases, or a ladder; `reads` lists sections, separated by spaces.
    """

    def enter(check: Check) -> Check:
        _add(code, severity, frozenset(reads.split()), data, check, check)
        return check

    return enter


def fault(code: str, severity: Severity | Ladder = ERROR) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a function without a body as the page of a fault that is found elsewhere under the function's name."""

    def enter(page: Callable[[], None]) -> Callable[[], None]:
        _add(code, severity, frozenset(), False, None, page)
        return page

    return enter


def _add(
    code: str, severity: Severity | Ladder, reads: frozenset[str], data: bool, check: Check | None, page: Callable[..., object]
) -> None:
    name = page.__name__.rstrip("_").replace("_", "-")
    ladder = (severity, severity, severity) if isinstance(severity, Severity) else severity
    assert name not in _ENTERED, f"two rules are called {name}"
    _ENTERED[name] = Rule(code, name, ladder, reads, data, check, page.__doc__ or "", page.__module__.rpartition(".")[2])


def entered() -> Mapping[str, Rule]:
    """Return the rules that have been entered, by name."""
    return MappingProxyType(_ENTERED)
