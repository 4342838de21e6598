"""Comments that silence a diagnostic: `# mlspec: ignore[CODE] reason="…" until=2027-01-01`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlspec.diagnostic import Diagnostic

if TYPE_CHECKING:
    from mlspec.layers import Layered
    from mlspec.settings import Policy


def apply(found: Iterable[Diagnostic], layered: Layered, policy: Policy) -> list[Diagnostic]:
    """Return the diagnostics that no comment silences, and one for each comment that silences none."""
    return list(found)
