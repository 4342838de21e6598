"""Who must agree to risky changes: the stakeholders who may, as the spec named them before the change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlspec.diagnostic import Finding
from mlspec.plan.risk import Judgement
from mlspec.plan.table import RISKY, Area


@dataclass(frozen=True, slots=True)
class Person:
    """A stakeholder: the role, and how to reach them."""

    role: str
    contact: str | None = None

    def __str__(self) -> str:
        return f"{self.role} <{self.contact}>" if self.contact else self.role

    def is_called(self, name: str) -> bool:
        """Whether a name is the role or the contact; case does not matter."""
        return name.strip().casefold() in (self.role.casefold(), (self.contact or "").casefold())


@dataclass(frozen=True, slots=True)
class Need:
    """A sort of risky changes, and who may agree to them; nobody, where the spec names nobody who may."""

    area: Area
    judgements: tuple[Judgement, ...]
    who: tuple[Person, ...]

    def given_by(self, names: Iterable[str]) -> list[Person]:
        """Return those of the people named who may agree."""
        known = [name for name in names if name.strip()]
        return [person for person in self.who if any(map(person.is_called, known))]


def needs(judgements: Sequence[Judgement], old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[Need]:
    """Return what must be agreed to, by area. Who may is what the spec said before, so that nobody lets himself in by the change;
    where it named nobody for an area, those whom the new spec names count.
    """
    areas: dict[Area, list[Judgement]] = {}
    for one in judgements:
        if one.level is RISKY:
            areas.setdefault(one.area, []).append(one)
    return [Need(area, tuple(found), _who(area, old or {}) or _who(area, new)) for area, found in areas.items()]


def _who(area: Area, spec: Mapping[str, Any]) -> tuple[Person, ...]:
    people = (spec.get("project") or {}).get("stakeholders") or ()
    return tuple(Person(one["role"], one.get("contact")) for one in people if area in (one.get("approves") or ()))


def lacking(needed: Sequence[Need], names: Sequence[str]) -> list[Finding]:
    """Return a finding for each area that none of the people named may approve."""
    found = []
    for need in needed:
        if not need.given_by(names):
            routes = [one.place for one in need.judgements]
            may = ", ".join(map(str, need.who))
            by = f"{', '.join(names)} may not approve" if names else "nobody has approved"
            help_text = f"{may} may" if may else f"nobody may: name somebody in `project.stakeholders` who approves `{need.area}`"
            message = f"{by} {len(routes)} risky change{'s' * (len(routes) > 1)} of {need.area}"
            found.append(Finding("approval-needed", message, routes[0], help=help_text, on="key"))
    return found
