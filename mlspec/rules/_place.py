"""Where a finding stands whose value may be a default, and how its shares are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlspec.diagnostic import Route

if TYPE_CHECKING:
    from mlspec.rules._case import Case


def percent(share: float, digits: int = 0) -> str:
    """Write a share as people do: ``33 %``."""
    return f"{share * 100:.{digits}f} %"


def place(case: Case, *route: str | int) -> tuple[Route, str]:
    """Return the route of what is written at a route, and "value"; else that of the closest thing above it, and "key"."""
    if case.wrote(*route):
        return route, "value"
    above = route[:-1]
    while len(above) > 1 and not case.wrote(*above):
        above = above[:-1]
    return above, "key"
