"""What is wrong, where, and what to write instead: routes, spans, findings and the one exception users see."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

SITE = "https://github.com/mlspec/mlspec"
BUGS = f"{SITE}/issues"
PAGES = f"{SITE}/blob/main/docs/rules.md"
"""Where the page of each code is, as an anchor."""

Route = tuple[str | int, ...]
"""A path of keys and list positions from the top of a spec, such as ``("model", "params", "alpha")``."""


def dotted(route: Route) -> str:
    """Write a route as people do: ``requirements.metrics[0].target``."""
    text = ""
    for part in route:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class Severity(StrEnum):
    """How bad a finding is. Errors stop the compiler; warnings fail ``mlspec lint``; information does neither."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text: lines and columns count characters from 1; the end column is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a spec, by route: `set` gives a value (or adds it), `rename` gives a key another name, `remove` takes away.

    `value` is plain data: the new value, or the new key; a removed key takes its own comment with it and nothing else.
    """

    action: Literal["set", "rename", "remove"]
    route: Route
    value: Any = None


@dataclass(frozen=True, slots=True)
class Fix:
    """What would mend a fault. A safe fix keeps what the spec means, or makes it what it can only have meant."""

    title: str
    changes: tuple[Change, ...]
    safe: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault at a route, before anyone knows which line that is. Rules, lowering and the runtime speak in findings.

    `why` says what comes of it, `help` what to write instead, `related` which other places of the spec explain it.
    """

    code: str
    message: str
    route: Route = ()
    severity: Severity = Severity.ERROR
    help: str = ""
    on: str = "value"  # "key" or "value": which of the two the caret stands under
    why: str = ""
    related: tuple[tuple[str, Route], ...] = ()
    fix: Fix | None = None

    def __str__(self) -> str:
        where = f"{dotted(self.route)}: " if self.route else ""
        return f"{where}{self.message} [{self.code}]" + (f"\n  help: {self.help}" if self.help else "")


@dataclass(frozen=True, slots=True)
class Replacement:
    """Text to put in the place of ``text[start:end]`` of a file; offsets count characters."""

    file: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Patch:
    """A fix that has been placed in files. Its replacements do not overlap; either all are made or none."""

    title: str
    replacements: tuple[Replacement, ...]
    safe: bool = True


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A finding that has been placed in a file. `layer` is set where another layer than the file itself set the value."""

    finding: Finding
    file: str
    span: Span | None = None
    related: tuple[tuple[str, str, Span], ...] = field(default=())  # (message, file, span)
    layer: str = ""
    patch: Patch | None = None  # faults of the text itself bring theirs; a finding's fix is placed when it is asked for

    def __str__(self) -> str:
        place = f"{self.file}:{self.span.line}:{self.span.column}" if self.span else self.file
        return f"{place}: {self.finding.severity}: {self.finding}"


class Problem(Exception):
    """A fault of the user's input, told as findings or diagnostics; every other exception is a bug of ours."""

    def __init__(self, *faults: Finding | Diagnostic) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults
