"""Judges the differences of two specs: what became laxer or stricter, how risky that is, why it matters, and who must agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlspec.diagnostic import Route, dotted
from mlspec.plan.difference import ABSENT, Change, Move, leaves
from mlspec.plan.table import (
    APPROVAL,
    LEAK,
    NOTABLE,
    PRIVACY,
    RISKY,
    SAFE,
    SECRET,
    STEP,
    WORDS,
    Area,
    Level,
    Row,
    Topic,
    deeper,
    exact,
    find,
    stars,
)
from mlspec.quantity import SORTS, QuantityError, Target
from mlspec.secret import REFERENCE

LAXER, STRICTER, OTHER, GONE, NEW = "laxer", "stricter", "changed", "removed", "added"

KEEPS_OUT = ("id", "ignore", "target", "group", "time")
"""Roles of columns that are never features."""

RELEASE = "approve_release"
"""The step that asks before a model is registered, where the spec asks for one without having written a step."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a change means: a sentence, how much care it takes, and which way it went."""

    code: str  # topic-way, such as gate-laxer
    level: Level
    message: str
    change: Change
    topic: Topic

    @property
    def route(self) -> Route:
        return self.change.route

    @property
    def place(self) -> Route:
        """Where to look in the new spec."""
        return self.change.place

    @property
    def area(self) -> Area:
        return self.topic.area


def judge(changes: Iterable[Change], old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Judgement]:
    """Say what each change means; the riskiest first, else in the order of the changes. Nothing is left out."""
    found: list[Judgement] = []
    columns: dict[str, Change] = {}
    for change in changes:
        if change.route[:2] == ("data", "columns") and len(change.route) > 2:
            columns.setdefault(str(change.route[2]), change)
        for one in _parted(change):
            found += _one(one, old, new)
    for name, change in columns.items():
        found += _column(name, change, old, new)
    return sorted(found, key=lambda one: -one.level.rank)


def _parted(change: Change) -> Iterator[Change]:
    """Yield a change of a whole part as one, or those of its values where there are rows for these and none for the part."""
    inside = [] if exact(change.route) or not deeper(change.route) else list(leaves(change))
    if not inside or inside == [change]:
        yield change
        return
    for one in inside:
        if _says(one.old) or _says(one.new):
            yield from _parted(one)


def _says(value: Any) -> bool:
    """Whether a value says something; 0 does."""
    return not (value is ABSENT or value is None or value is False or value in ([], {}))


def _one(change: Change, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Judgement]:
    route = change.route
    if isinstance(change.old, str) and isinstance(change.new, str) and REFERENCE.search(f"{change.old} {change.new}"):
        yield _told(SECRET, OTHER, NOTABLE, f"`{dotted(route)}` refers to another secret or variable", change)
        return
    if route[:2] == ("data", "columns") and (len(route) == 3 or route[-1] in ("role", "pii")):
        return  # judged as a whole, by `_column`
    if route[0] == "steps" and (len(route) == 2 or route[-1] in ("before", "kind")):
        yield from _step(change, old, new)
        return
    row = find(route)
    if row is None:
        yield _told(WORDS, OTHER, NOTABLE, f"`{dotted(route)}` changes", change)
        return
    way = _way(row, change)
    levels = {LAXER: row.lax, GONE: row.lax, STRICTER: row.strict, NEW: row.strict} if row.stricter else {}
    level = levels.get(way, row.other)
    yield _told(row.topic, way, level, _sentence(row, way, change, old, new), change)


def _told(topic: Topic, way: str, level: Level, message: str, change: Change) -> Judgement:
    return Judgement(f"{topic.name}-{way}", level, message, change, topic)


_WORDS = {LAXER: "laxer", STRICTER: "stricter", GONE: "removed", NEW: "new", OTHER: "changed"}


def _sentence(row: Row, way: str, change: Change, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    words = _Words(_item(change, new if change.new_route is not None else old))
    words["*"] = stars(row, change.route)
    told = " ".join(row.what.format_map(words).split())
    moved = ", in another order" if change.move is Move.REORDERED else ""
    inside = f", `{dotted(change.route)}`" if exact(change.route) is None else ""
    return f"{_WORDS[way]}: {told}{inside}{moved}"


class _Words(dict[str, str]):
    """The words of an item that a sentence may name; one that it does not have is left out."""

    def __missing__(self, key: str) -> str:
        return ""


def _item(change: Change, spec: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of the nearest mapping at or above a route."""
    whole = change.new if isinstance(change.new, Mapping) else change.old
    if not isinstance(whole, Mapping):
        whole = {}
        value: Any = spec
        for part in change.route[:-1]:
            value = at(value, (part,))
            if isinstance(value, Mapping):
                whole = value
    plain = {key: ", ".join(map(str, value)) if isinstance(value, list) else value for key, value in whole.items()}
    return {key: str(value) for key, value in plain.items() if value is not None}


def at(value: Any, route: Route) -> Any:
    """Return what stands at a route of plain data, or None."""
    for part in route:
        if isinstance(value, Mapping):
            value = value.get(part)
        else:
            value = value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None
    return value


# -- which way a value went


def _way(row: Row, change: Change) -> str:
    if row.stricter == "here":
        return _presence(change)
    if not row.stricter:
        return _presence(change) if ABSENT in (change.old, change.new) else OTHER
    old, new = (None if one is ABSENT else one for one in (change.old, change.new))
    if row.unset == "strictest" and [] in (old, new):  # no names: all of them
        old, new = (None if one == [] else one for one in (old, new))
    if None in (old, new) and (row.unset or row.stricter not in ("true", "false")):
        return _against_none(row, new is None)
    way = _compare(row, old, new)
    return OTHER if way is None or way == 0 else STRICTER if way > 0 else LAXER


def _presence(change: Change) -> str:
    gone, came = (one is ABSENT or one is None for one in (change.new, change.old))
    return GONE if gone else NEW if came else OTHER


def _against_none(row: Row, gone: bool) -> str:
    if not row.unset:
        return OTHER
    if row.unset == "strictest":
        return STRICTER if gone else LAXER
    return GONE if gone else NEW


def _compare(row: Row, old: Any, new: Any) -> float | None:
    """Return a positive number where the new value is stricter, a negative one where it is laxer, None where nobody can say."""
    way = row.stricter
    if isinstance(way, tuple):
        return way.index(old) - way.index(new) if old in way and new in way else None
    return _COMPARE[way](old, new)


def _higher(old: Any, new: Any) -> float | None:
    before, after = amount(old), amount(new)
    return None if before is None or after is None else after - before


def _lower(old: Any, new: Any) -> float | None:
    way = _higher(old, new)
    return None if way is None else -way


def _more(old: Any, new: Any) -> float | None:
    before, after = ({str(one) for one in value or ()} for value in (old, new))
    if before < after:
        return 1
    return -1 if before - after else 0


def _fewer(old: Any, new: Any) -> float | None:
    return _more(new, old)


def _target(old: Any, new: Any) -> float | None:
    try:
        before, after = Target.parse(str(old)), Target.parse(str(new))
    except QuantityError:
        return None
    if before.op[0] != after.op[0] or before.unit != after.unit:
        return -1  # another direction: what was demanded is demanded no more
    if before.value == after.value:
        return len(before.op) - len(after.op)  # `>` is stricter than `>=`
    return (after.value - before.value) * (1 if after.op[0] == ">" else -1)


_COMPARE: dict[str, Callable[[Any, Any], float | None]] = {
    "higher": _higher,
    "lower": _lower,
    "more": _more,
    "fewer": _fewer,
    "target": _target,
    "true": lambda old, new: float(new is True) - float(old is True),
    "false": lambda old, new: float(new is False) - float(old is False),
    "known": lambda old, new: None,
}


def amount(value: Any) -> float | None:
    """Return a number or a quantity in base units; of the words `true` and `false`, and of any other text, None."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        for sort in SORTS:
            try:
                return float(sort.parse(value))
            except QuantityError:
                continue
    return None


# -- what needs a look at more than one value


def _column(name: str, change: Change, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Judgement]:
    """A column that becomes a feature, or personal data that does, whichever of its keys changed. Without a word, it is one."""
    before, after = (_declared(spec, name) for spec in (old, new))
    was, now = before["role"], after["role"]
    routes = _column_route(name, change.old_route), _column_route(name, change.new_route)
    whole = Change(*routes, was, now, inside=change.inside)
    personal = Change(*routes, _privacy(before), _privacy(after), inside=change.inside)
    if after["pii"] and now == "feature" and not (before["pii"] and was == "feature"):
        yield _told(PRIVACY, NEW, RISKY, f"personal data, {name}, is a feature", personal)
    elif before["pii"] and not after["pii"]:
        yield _told(PRIVACY, GONE, RISKY, f"{name} is not marked as personal data any more", personal)
    elif after["pii"] and not before["pii"]:
        yield _told(PRIVACY, STRICTER, SAFE, f"{name} is marked as personal data", personal)
    if was != now:
        if was in KEEPS_OUT and now == "feature":
            yield _told(LEAK, NEW, RISKY, f"{name}, which was kept out as `{was}`, becomes a feature", whole)
        else:
            yield _told(LEAK, OTHER, NOTABLE, f"the role of {name} changes", whole)
    elif change.route[2:] == (name,) and change.move in (Move.ADDED, Move.REMOVED):
        gone = change.move is Move.REMOVED
        level, word = (NOTABLE, "is not declared any more: its checks are gone") if gone else (SAFE, "is declared")
        yield _told(LEAK, GONE if gone else NEW, level, f"{name} {word}", change)


def _column_route(name: str, route: Route | None) -> Route | None:
    return None if route is None else ("data", "columns", name)


def _privacy(column: Mapping[str, Any]) -> str:
    return f"{column['role']}{', personal' if column['pii'] else ''}"


def _declared(spec: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the role and mark of a column; what `task` and `splits` name is no feature."""
    column = ((spec.get("data") or {}).get("columns") or {}).get(name) or {}
    role = column.get("role") or "feature"
    if role == "feature":
        splits, task = spec.get("splits") or {}, spec.get("task") or {}
        named = {task.get("target"): "target", splits.get("time"): "time", splits.get("group_by"): "group"}
        role = named.get(name, role)
    return {"role": role, "pii": bool(column.get("pii"))}


def _step(change: Change, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Judgement]:
    name = str(change.route[1])
    before, after = (at(spec, ("steps", name)) or {} for spec in (old, new))
    watch = {"gate": "the gate", "approval": "the approval"}
    kind = before.get("kind")
    topic = APPROVAL if "approval" in (kind, after.get("kind")) else STEP
    called = f"{watch.get(str(kind or after.get('kind')), 'the step')} {name}"
    if change.route[-1] == "before":
        was, now = (set(one.get("before") or ()) for one in (before, after))
        if was - now and kind in watch:
            yield _told(topic, LAXER, RISKY, f"{', '.join(sorted(was - now))} no longer waits for {called}", change)
        elif kind in watch:
            yield _told(topic, STRICTER, SAFE, f"{', '.join(sorted(now - was))} waits for {called}", change)
        else:
            yield _told(topic, OTHER, NOTABLE, f"what waits for {called} changes", change)
    elif change.route[-1] == "kind":
        level = RISKY if kind in watch else NOTABLE
        yield _told(topic, OTHER, level, f"{called} becomes a step of kind {after.get('kind')}", change)
    elif not after:
        yield _told(topic, GONE, RISKY if kind in watch else NOTABLE, f"{called} is removed", change)
    else:
        yield _told(topic, NEW, SAFE if after.get("kind") in watch else NOTABLE, f"{called} is new", change)


def without_release(route: Route) -> Judgement:
    """The approval that the spec asked for without a step of its own is not asked for any more."""
    change = Change(route, None, "human", ABSENT)
    return _told(APPROVAL, GONE, RISKY, f"nobody is asked any more before the model is registered ({RELEASE})", change)
