"""What a rule sees of a spec: the project, what was written, and the rows' facts where they were looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from mlspec.diagnostic import Route

if TYPE_CHECKING:
    from mlspec.spec.data import Column
    from mlspec.spec.project import Project
    from mlspec.spec.requirements import MetricTarget


SMALL, LARGE = 1_000, 100_000
"""The guide's sizes of data: small below the first, large above the second."""


def guide(rows: int) -> tuple[float, float, float]:
    """Return the guide's shares of train, dev and test for so many rows (Split Strategy for Different Data Sizes)."""
    return (0.6, 0.2, 0.2) if rows < SMALL else (0.7, 0.15, 0.15) if rows <= LARGE else (0.8, 0.1, 0.1)


class SplitRows(NamedTuple):
    """How many rows each part has, or is expected to have."""

    train: int
    dev: int
    test: int


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What the rows say of a column. ``auc`` is that of the column alone as a score, either way round: 0.5 to 1, or unknown.

    ``type`` is integer, number, string, category, boolean, date or datetime; ``missing``, ``distinct`` and ``zeros`` count rows.
    """

    type: str
    missing: int
    distinct: int
    zeros: int = 0
    min: Any = None
    max: Any = None
    auc: float | None = None
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What `mlspec lint --data` found in the rows. ``classes`` counts the target's labels, None where the target is a number."""

    rows: int
    columns: Mapping[str, ColumnFacts]
    duplicates: int
    classes: Mapping[str, int] | None = None
    splits: SplitRows | None = None
    further: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A spec before a rule. Sections in ``broken`` have faults of their own and are missing, or stand at their defaults."""

    project: Project
    raw: Mapping[str, Any]
    broken: frozenset[str] = frozenset()
    data: DataFacts | None = None

    @property
    def phase(self) -> str:
        return self.project.project.phase

    @property
    def task(self) -> str | None:
        """The kind of task."""
        return self.project.task.kind if self.project.task else None

    @property
    def target(self) -> str | None:
        return self.project.task.target if self.project.task else None

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """The columns that the spec declares."""
        return self.project.data.columns if self.project.data else {}

    def by_role(self, role: str) -> list[str]:
        return [name for name, column in self.columns.items() if column.role == role]

    @cached_property
    def features(self) -> list[str]:
        """The declared columns that the model sees; the rows may hold more."""
        return [name for name in self.by_role("feature") if name != self.target]

    @property
    def primary(self) -> MetricTarget | None:
        """The metric that models are compared by: the one marked so, else the first."""
        wanted = self.project.requirements.metrics
        return next((one for one in wanted if one.primary), wanted[0] if wanted else None)

    @cached_property
    def rows(self) -> int | None:
        """How many rows there are: counted, else what `data.volume.rows` says."""
        if self.data is not None:
            return self.data.rows
        volume = self.project.data.volume if self.project.data else None
        return volume.rows if volume else None

    @cached_property
    def split_rows(self) -> SplitRows | None:
        """How many rows train, dev and test get; None where nobody says how many there are."""
        if self.data is not None and self.data.splits is not None:
            return self.data.splits
        if self.rows is None:
            return None
        ratios = self.project.splits.ratios
        if ratios == "auto":
            ratios = guide(self.rows)
        dev, test = int(self.rows * ratios[1]), int(self.rows * ratios[2])
        return SplitRows(self.rows - dev - test, dev, test)

    def wrote(self, *route: str | int) -> bool:
        """Whether the spec, with its layers, writes something at a route (and not null)."""
        return self.written(*route) is not None

    def written(self, *route: str | int) -> Any:
        """Return the plain data that the spec writes at a route; None where it writes nothing."""
        value: Any = self.raw
        for part in route:
            value = _part(value, part)
        return value

    def texts(self, *route: str | int) -> Iterator[tuple[Route, str]]:
        """Yield (route, text) of every text that the spec writes below a route, keys aside."""
        if not route:
            return iter(self._texts)
        length = len(route)
        return ((at, text) for at, text in self._texts if at[:length] == route)

    @cached_property
    def _texts(self) -> list[tuple[Route, str]]:
        found: list[tuple[Route, str]] = []
        _collect(self.raw, (), found)
        return found

    def says(self, *words: str) -> bool:
        """Whether any of some words, in small letters, stands in any text of the spec."""
        return any(word in self.folded for word in words)

    @cached_property
    def folded(self) -> str:
        """Every text of the spec as one, in small letters: one look leaves out most rules that search for a word."""
        return "\n".join(text for _, text in self._texts).casefold()


def _part(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(str(part))
    return value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None


def _collect(value: Any, route: Route, found: list[tuple[Route, str]]) -> None:
    """Add every text below a value; the reader has limited how deep values nest."""
    if type(value) is str:
        found.append((route, value))
    elif isinstance(value, dict):
        for key, inner in value.items():
            _collect(inner, (*route, key), found)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _collect(inner, (*route, index), found)
