"""Which change of a spec changes which step: each change is taken back by itself, and the lowering says what that alters."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Problem, Route
from mlspec.ir import Pipeline, Step
from mlspec.plan.difference import ABSENT, Change, Move

MOST = 2000  # steps that are lowered to find out; beyond, changes of one section are taken back together


def blame(changes: Sequence[Change], old: Mapping[str, Any], new: Mapping[str, Any], folder: Path) -> dict[str, list[Change]]:
    """Return the changes that alter each step's parameters, by step; `folder` is the spec's.

    A change that leaves no valid spec when it is taken back alone is taken back with the others of its section.
    """
    now = lowered(new, folder) if changes else None
    if now is None:
        return {}
    one_by_one = len(changes) * len(now.steps) <= MOST
    found: dict[str, list[Change]] = {}
    together: list[Change] = []
    for group in [[change] for change in changes] if one_by_one else _by_section(changes):
        altered = _altered(group, old, new, now, folder)
        if altered is None:
            together += group
        else:
            _note(found, altered, group)
    sections = {change.route[0] for change in together}
    for group in _by_section(change for change in changes if change.route[0] in sections):
        _note(found, _altered(group, old, new, now, folder) or (), [change for change in group if change in together])
    return found


def _by_section(changes: Iterable[Change]) -> list[list[Change]]:
    sections: dict[str, list[Change]] = {}
    for change in changes:
        sections.setdefault(str(change.route[0]), []).append(change)
    return list(sections.values())


def _note(found: dict[str, list[Change]], altered: Iterable[str], group: Sequence[Change]) -> None:
    for step in altered:
        found.setdefault(step, []).extend(group)


def _altered(
    group: Sequence[Change], old: Mapping[str, Any], new: Mapping[str, Any], now: Pipeline, folder: Path
) -> list[str] | None:
    reverted = copy.deepcopy(dict(new))
    for change in sorted(group, key=lambda one: _place(one.route), reverse=True):
        _take_back(change, old, reverted)
    before = lowered(reverted, folder)
    if before is None:
        return None
    known = {step.id: shape(step) for step in before.steps}
    return [step.id for step in now.steps if known.get(step.id) != shape(step)]


def _place(route: Route) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (0, part) for part in route]


def shape(step: Step) -> tuple[Any, ...]:
    """Return what of a step decides what it makes, its inputs aside."""
    params = {name: value for name, value in step.params.items() if name not in step.bindings}
    return step.op.name, params, dict(step.environment), dict(step.secrets), step.output_ports, step.input_ports


def lowered(config: Mapping[str, Any], folder: Path) -> Pipeline | None:
    """Return the pipeline that a resolved spec implies; None where it is no spec of today."""
    from mlspec.lower import lower
    from mlspec.spec.project import inspect, resolved

    project = inspect(dict(config)).project
    if project is None:
        return None
    try:
        return lower(project, resolved(project), folder=folder)
    except Problem:
        return None


def _take_back(change: Change, old: Mapping[str, Any], spec: Any) -> None:
    """Put what the old spec has at a change's route where it stands in the new one."""
    if change.move is Move.REORDERED:
        assert change.old_route is not None
        value: Any = old
        for part in change.old_route:
            value = value[part]
        _put(spec, change.route, copy.deepcopy(value))
    elif change.old is ABSENT:
        inside, last = _parent(spec, change.route)
        del inside[last]
    elif change.new is ABSENT and isinstance(change.route[-1], int):
        inside, last = _parent(spec, change.route)
        inside.insert(min(last, len(inside)), copy.deepcopy(change.old))
    else:
        _put(spec, change.route, copy.deepcopy(change.old))


def _put(spec: Any, route: Route, value: Any) -> None:
    inside, last = _parent(spec, route)
    inside[last] = value


def _parent(spec: Any, route: Route) -> tuple[Any, Any]:
    for part in route[:-1]:
        spec = spec[part]
    return spec, route[-1]
