"""In which order the flow calls its tasks: each step after what it needs, the steps of a family together where that can be."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlspec.ir import Pipeline, Step

from .naming import Group


@dataclass(frozen=True, slots=True)
class Batch:
    """Steps of one group that can be called one after the other, with nothing between them."""

    group: Group
    steps: tuple[Step, ...]


def batches(pipeline: Pipeline, group_of: Mapping[str, Group]) -> Iterator[Batch]:
    """Yield the calls of a pipeline, in linear time.

    A family is called in one loop unless some of its steps need others of it.
    """
    ready = _Ready(pipeline.steps, group_of)
    while (batch := ready.next()) is not None:
        yield batch


@dataclass(slots=True)
class _Waiting:
    """What of a group can be called now, and how much of it cannot yet."""

    ready: list[int] = field(default_factory=list)
    blocked: int = 0


class _Ready:
    def __init__(self, steps: Sequence[Step], group_of: Mapping[str, Group]) -> None:
        self.steps, self.group_of = steps, group_of
        self.place = {step.id: index for index, step in enumerate(steps)}
        self.lacking = [len(step.needs) for step in steps]
        self.dependents: list[list[int]] = [[] for _ in steps]
        self.waiting: dict[str, _Waiting] = {}
        self.whole: list[int] = []  # the first step of a group of which nothing is blocked
        self.partial: list[int] = []  # a step of a group of which something is
        for index, step in enumerate(steps):
            self._group(step).blocked += 1
            for need in step.needs:
                self.dependents[self.place[need]].append(index)
        for index, lacking in enumerate(self.lacking):
            if not lacking:
                self._unblock(index)

    def next(self) -> Batch | None:
        for heap in (self.whole, self.partial):
            while heap:
                group = self.group_of[self.steps[heapq.heappop(heap)].id]
                waiting = self.waiting[group.constant]
                if waiting.ready:  # else it was called with others of its group
                    return self._call(group, waiting)
        return None

    def _call(self, group: Group, waiting: _Waiting) -> Batch:
        called, waiting.ready = sorted(waiting.ready), []
        for index in called:
            for dependent in self.dependents[index]:
                self.lacking[dependent] -= 1
                if not self.lacking[dependent]:
                    self._unblock(dependent)
        return Batch(group, tuple(self.steps[index] for index in called))

    def _unblock(self, index: int) -> None:
        waiting = self._group(self.steps[index])
        waiting.blocked -= 1
        waiting.ready.append(index)
        heapq.heappush(self.partial if waiting.blocked else self.whole, index)

    def _group(self, step: Step) -> _Waiting:
        return self.waiting.setdefault(self.group_of[step.id].constant, _Waiting())
