"""What differs between two resolved specs, by route: the order of keys is no difference, items of a list are matched by name."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from mlspec.diagnostic import Route


class Absent:
    """What stands at a route that a spec does not have."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()

NAMES = ("metric", "name", "role", "risk", "file", "column", "where")
"""Keys that say which item of a list is meant: an item of another name is another item."""
MARKS = (*NAMES, "kind", "columns", "that", "left", "right", "entrypoint", "url", "channel", "to", "device")
"""Keys by which items are told apart first; where they differ, items of one kind are matched in order."""


class Move(StrEnum):
    """What happened at a route."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    REORDERED = "reordered"


@dataclass(frozen=True, slots=True)
class Change:
    """A difference: where it stands in each spec (None where it has no such place), and what stands there."""

    old_route: Route | None
    new_route: Route | None
    old: Any
    new: Any
    order: bool = False  # the items are the same, and stand in another order: `old` and `new` name them
    inside: Route | None = field(
        default=None, compare=False, repr=False
    )  # of what was removed, the part that it was removed from

    @property
    def route(self) -> Route:
        """Where it stands in the new spec; what was removed has its old place."""
        found = self.new_route if self.new_route is not None else self.old_route
        assert found is not None
        return found

    @property
    def place(self) -> Route:
        """Where to look in the new spec: its place there, or what it was removed from."""
        return self.inside if self.new_route is None and self.inside is not None else self.route

    @property
    def move(self) -> Move:
        if self.old is ABSENT:
            return Move.ADDED
        if self.new is ABSENT:
            return Move.REMOVED
        return Move.REORDERED if self.order else Move.CHANGED

    def turned(self) -> Change:
        """Return the change that undoes this one."""
        return Change(self.new_route, self.old_route, self.new, self.old, self.order)


def differences(old: Any, new: Any) -> list[Change]:
    """Return the smallest changes that make one resolved spec the other, in the order of the old one, what is new after it.

    A part that is only on one side is one change. A list of plain values is one value. The changes of `differences(new, old)` are
    those of `differences(old, new)`, turned.
    """
    return list(_walk(old, new, (), ()))


def leaves(change: Change) -> Iterator[Change]:
    """Take a change of a whole part apart into those of its values."""
    whole = change.new if change.old is ABSENT or change.old is None else change.old
    if isinstance(whole, Mapping) and whole and (_none(change.old) or _none(change.new)):
        for key in whole:
            old = change.old[key] if isinstance(change.old, Mapping) else change.old
            new = change.new[key] if isinstance(change.new, Mapping) else change.new
            yield from leaves(_part(change, key, old, new))
    elif isinstance(whole, list) and _of_mappings(whole) and (_none(change.old) or _none(change.new)):
        for index, item in enumerate(whole):
            old = item if isinstance(change.old, list) else ABSENT
            new = item if isinstance(change.new, list) else ABSENT
            yield _part(change, index, old, new)
    else:
        yield change


def same(old: Any, new: Any) -> bool:
    """Whether two plain values are equal; 1, 1.0 and true are three values, for parameters of libraries tell them apart."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(same(old[key], new[key]) for key in old)
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return len(old) == len(new) and all(map(same, old, new))
    return type(old) is type(new) and bool(old == new)


def _walk(old: Any, new: Any, at: Route, to: Route) -> Iterator[Change]:
    if same(old, new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        one_kind = same(old.get("kind"), new.get("kind"))  # else equal keys inside mean other things
        for key in dict.fromkeys((*old, *new)):
            if key not in new:
                yield Change((*at, key), None, old[key], ABSENT, inside=to)
            elif key not in old:
                yield Change(None, (*to, key), ABSENT, new[key])
            elif one_kind:
                yield from _walk(old[key], new[key], (*at, key), (*to, key))
            elif not same(old[key], new[key]):
                yield Change((*at, key), (*to, key), old[key], new[key])
    elif isinstance(old, list) and isinstance(new, list) and _of_mappings([*old, *new]):
        yield from _walk_list(old, new, at, to)
    else:
        yield Change(at, to, old, new)


def _walk_list(old: list[Any], new: list[Any], at: Route, to: Route) -> Iterator[Change]:
    pairs = _pairs(old, new)
    for index, place in sorted(pairs.items()):
        yield from _walk(old[index], new[place], (*at, index), (*to, place))
    for index, item in enumerate(old):
        if index not in pairs:
            yield Change((*at, index), None, item, ABSENT, inside=to)
    for place in sorted(set(range(len(new))) - set(pairs.values())):
        yield Change(None, (*to, place), ABSENT, new[place])
    kept = [place for _, place in sorted(pairs.items())]
    if kept != sorted(kept):
        before = [_mark(old[index]) for index in sorted(pairs)]
        yield Change(at, to, before, [_mark(new[place]) for place in sorted(kept)], order=True)


def _mark(item: Mapping[str, Any]) -> dict[str, Any]:
    """Say in short which item of a list is meant."""
    return {name: item[name] for name in MARKS if item.get(name) is not None}


def _pairs(old: Sequence[Any], new: Sequence[Any]) -> dict[int, int]:
    """Match items: equal ones first, then those of one name, then those of one kind; within each the first with the first."""
    pairs: dict[int, int] = {}
    for identity in (_exact, _named, _alike):
        taken = set(pairs.values())
        waiting: dict[str | None, deque[int]] = {}
        for place, item in enumerate(new):
            if place not in taken and (mark := identity(item)) is not None:
                waiting.setdefault(mark, deque()).append(place)
        for index, item in enumerate(old):
            if index not in pairs and waiting.get(mark := identity(item)):
                pairs[index] = waiting[mark].popleft()
    return pairs


def _exact(item: Any) -> str:
    return repr(_sorted_keys(item))


def _named(item: Mapping[str, Any]) -> str:
    return repr(sorted(_mark(item).items()))


def _alike(item: Mapping[str, Any]) -> str | None:
    if any(item.get(name) is not None for name in NAMES):
        return None
    return str(item.get("kind"))


def _sorted_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return [(key, _sorted_keys(value[key])) for key in sorted(value)]
    return [_sorted_keys(one) for one in value] if isinstance(value, list) else value


def _of_mappings(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(one, Mapping) for one in values)


def _none(value: Any) -> bool:
    return value is None or value is ABSENT


def _part(change: Change, key: str | int, old: Any, new: Any) -> Change:
    return Change(_below(change.old_route, key), _below(change.new_route, key), old, new, inside=change.inside)


def _below(route: Route | None, key: str | int) -> Route | None:
    return None if route is None else (*route, key)
