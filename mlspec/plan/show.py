"""A plan, or a difference of two specs, as people read it and as machines do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlspec.diagnostic import Route, dotted
from mlspec.plan.difference import ABSENT, Change
from mlspec.plan.forecast import Fate, Outlook
from mlspec.plan.plan import Meaning, Plan
from mlspec.plan.risk import Judgement
from mlspec.plan.table import NOTABLE, RISKY, SAFE
from mlspec.render import visible
from mlspec.runtime.content import LIBRARIES

if TYPE_CHECKING:
    from mlspec.bundle import Differences

VERSION = 1
"""Of the layout of `--json`; a key may come, none goes or changes its meaning without another number."""

_COLOR = {"+": "32", "-": "31", "~": "33", "?": "36", "!": "1;31", "*": "1;33", "bold": "1", "dim": "2"}
_LEVEL = {RISKY: "!", NOTABLE: "*", SAFE: "dim"}
_LONGEST = 48

Line = Callable[[Route], str]
"""Where a route stands in the new spec, as `file:line`."""


class _Page:
    def __init__(self, color: bool) -> None:
        self.color = color
        self.lines: list[str] = []

    def paint(self, text: str, style: str) -> str:
        return f"\x1b[{_COLOR[style]}m{text}\x1b[0m" if self.color and text else text

    def add(self, text: str = "") -> None:
        self.lines.append(text.rstrip())

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


def plan_text(
    plan: Plan, line: Line, *, price: float | None = None, currency: str = "", by: Sequence[str] = (), color: bool = False
) -> str:
    """Tell a plan: what the change means, what runs again, what it costs, which files change, who must agree."""
    page = _Page(color)
    page.add(page.paint(_title(plan), "bold"))
    if plan.meaning.changes or plan.meaning.judgements:
        page.add()
        _meaning(page, plan.meaning, line)
    told = [one for one in plan.steps if one.fate is not Fate.STORED]
    if told:
        page.add()
        _steps(page, told, plan, line)
    if plan.files:
        page.add()
        _files(page, plan)
    page.add()
    _needs(page, plan.meaning, by)
    for text in _summary(plan, price, currency):
        page.add(text)
    return page.text()


def diff_text(meaning: Meaning, line: Line, *, by: Sequence[str] = (), color: bool = False) -> str:
    """Tell what differs between two specs; the empty text where nothing does."""
    if not meaning.changes:
        return ""
    page = _Page(color)
    _meaning(page, meaning, line)
    page.add()
    _needs(page, meaning, by)
    page.add(f"{_count(len(meaning.changes), 'difference')}, {meaning.level}.")
    return page.text()


def _title(plan: Plan) -> str:
    past = plan.past
    against = {
        "none": "never run here, there is nothing to compare with",
        "run": f"against {past.path} ({past.state})",
        "compiled": f"against {past.path} (as it was compiled)",
        "spec": f"against {past.path}",
    }[past.kind]
    return visible(f"{plan.name}: {against}")


def _meaning(page: _Page, meaning: Meaning, line: Line) -> None:
    page.add(page.paint("Spec", "bold"))
    by_change = _by_change(meaning)
    for change, judgements in by_change:
        sign = "+" if _nothing(change.old) else "-" if _nothing(change.new) else "~"
        where = line(change.place)
        page.add(
            f"  {page.paint(sign, sign)} {visible(dotted(change.route))}  {_values(change)}"
            f"{'  ' + page.paint(visible(where), 'dim') if where else ''}"
        )
        for one in judgements:
            level = page.paint(f"{one.level.value:<7}", _LEVEL[one.level])
            page.add(f"      {level}  {visible(one.message)}")
            if one.topic.why and one.level is RISKY:
                page.add(f"               {page.paint(f'{one.topic.why} (guide: {one.topic.guide})', 'dim')}")


def _by_change(meaning: Meaning) -> list[tuple[Change, list[Judgement]]]:
    """Put judgements to the change that they are about, the riskiest change first; one about none has a line of its own."""
    found: dict[int, list[Judgement]] = {index: [] for index in range(len(meaning.changes))}
    alone = []
    for one in meaning.judgements:
        index = next((index for index, change in enumerate(meaning.changes) if _about(one, change)), None)
        if index is None:
            alone.append((one.change, [one]))
        else:
            found[index].append(one)
    pairs = [(meaning.changes[index], told) for index, told in found.items()] + alone
    return sorted(pairs, key=lambda pair: -max((one.level.rank for one in pair[1]), default=0))


def _about(judgement: Judgement, change: Change) -> bool:
    """Whether a judgement is about a change: at its route, inside it, or about the whole column that it is part of."""
    mine, its = judgement.route, change.route
    if mine[:2] == ("data", "columns") and len(mine) == 3 and its[:3] == mine:
        return True
    sides = zip((judgement.change.old_route, judgement.change.new_route), (change.old_route, change.new_route), strict=True)
    return mine[: len(its)] == its and all((one is None) == (other is None) for one, other in sides)


def _values(change: Change) -> str:
    """Write what stands on both sides; of a part that came or went, the one that there is."""
    came, gone = _nothing(change.old), _nothing(change.new)
    if ABSENT in (change.old, change.new) or ((came or gone) and isinstance(change.new if came else change.old, Mapping)):
        return short(change.new if came else change.old)
    return f"{short(change.old)} -> {short(change.new)}"


def _nothing(value: Any) -> bool:
    return value is None or value is ABSENT


def short(value: Any) -> str:
    """Write a plain value on one line, cut where it is long; text as it is, nothing as `none`."""
    if value is None or value is ABSENT:
        return "none"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key}: {short(one)}" for key, one in value.items() if one is not None and one not in ([], {}))
        text = f"{{{inner}}}"
    elif isinstance(value, list):
        text = f"[{', '.join(map(short, value))}]"
    else:
        plain = isinstance(value, str) and value == value.strip() != ""
        text = value if plain else json.dumps(value)
    text = visible(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _steps(page: _Page, told: Sequence[Outlook], plan: Plan, line: Line) -> None:
    rows = list(_families(told))
    signs = [_sign(one) for one, _, _ in rows]
    legend = ", ".join(f"{page.paint(sign, sign)} {means}" for sign, means in _MEANS.items() if sign in signs)
    page.add(f"{page.paint('Steps', 'bold')}  {legend}")
    family = {one.step: one.family for one in plan.steps}
    same = "stored" if plan.stored else "unchanged"
    wide = min(max(len(name) for _, name, _ in rows), 40)
    timed = any(taken is not None for _, _, taken in rows)
    for (one, name, taken), sign in zip(rows, signs, strict=True):
        seconds = "" if taken is None or one.fate is Fate.REMOVED else _seconds(taken)
        reason = _why(page, one, _together(one.because, family, several=name != one.step), same, line)
        page.add(f"  {page.paint(sign, sign)} {name:<{wide}}  {f'{seconds:>8}  ' * timed}{reason}")


def _together(steps: Sequence[str], family: Mapping[str, str], *, several: bool) -> list[str]:
    """Name steps, those of a family by its name: where there are several of it, or `several` families are spoken of."""
    names = [family.get(step) or step for step in steps]
    return list(
        dict.fromkeys(name if several or names.count(name) > 1 else step for name, step in zip(names, steps, strict=True))
    )


_MEANS = {"+": "new", "~": "runs again", "?": "may run", "-": "removed"}


def _sign(one: Outlook) -> str:
    if one.fate is Fate.REMOVED:
        return "-"
    return "+" if one.new and one.fate is Fate.RUNS else "?" if one.fate is Fate.MAY else "~"


def _families(told: Sequence[Outlook]) -> Iterator[tuple[Outlook, str, float | None]]:
    """Yield steps with what they took; those of one family to which the same happens are told once, by the first of them."""
    groups: dict[Any, list[Outlook]] = {}
    for one in told:
        groups.setdefault((one.family, one.fate, one.new) if one.family else one.step, []).append(one)
    for group in groups.values():
        first, known = group[0], [one.seconds for one in group if one.seconds is not None]
        yield first, first.step if len(group) == 1 else f"{first.family} × {len(group)}", sum(known) if known else None


def _why(page: _Page, one: Outlook, makers: Sequence[str], same: str, line: Line) -> str:
    if one.fate is Fate.REMOVED:
        return "is no longer part of the pipeline"
    reasons = [_cause(page, change, line) for change in one.causes]
    told = [visible(why) for why in one.why if not one.causes or not _of_the_spec(why)]
    reasons = [*reasons, *told] if one.fate is Fate.RUNS or makers else [*told, *reasons]
    if len(reasons) > 2:
        reasons = [*reasons[:2], f"and {len(reasons) - 2} more"]
    if one.fate is Fate.MAY and makers:
        named = ", ".join(makers[:3]) + (" …" if len(makers) > 3 else "")
        reasons.append(f"may run: {same} if {named} give{'s' * (len(makers) == 1)} the same bytes")
    return "; ".join(reasons)


def _cause(page: _Page, change: Change, line: Line) -> str:
    """Name a change, with its values where they are short: what is longer stands under `Spec`."""
    told = [visible(dotted(change.route))]
    if not any(isinstance(value, Mapping | list) for value in (change.old, change.new)):
        told.append(_values(change))
    where = visible(line(change.place))
    return " ".join([*told, page.paint(where, "dim")] if where else told)


def _of_the_spec(why: str) -> bool:
    """Whether the runner's own words are about a parameter, which a change of the spec says better."""
    return " -> " in why and not why.startswith(tuple(f"{name} " for name in LIBRARIES))


def _files(page: _Page, plan: Plan) -> None:
    files = plan.files
    assert files is not None
    page.add(page.paint(visible(f"Files of {plan.directory} ({plan.backend})"), "bold"))
    rows = [
        ("+", files.missing, "  is written"),
        ("~", files.stale, "  is written anew"),
        ("?", files.edited, "  you have edited it: kept, the new text beside it"),
    ]
    rows += [("-", files.removed, "  is removed"), ("?", files.unsettled, "  waits to be merged")]
    for sign, paths, note in rows:
        for path in paths:
            page.add(f"  {page.paint(sign, sign)} {visible(path)}{note}")


def _needs(page: _Page, meaning: Meaning, by: Sequence[str]) -> None:
    for need in meaning.needs:
        about = f"({need.area}, {_count(len(need.judgements), 'risky change')})"
        if given := need.given_by(by):
            page.add(f"{page.paint('Approved', '+')} {about}: {', '.join(visible(str(person)) for person in given)}")
            continue
        who = ", ".join(visible(str(person)) for person in need.who)
        told = who or f"nobody may: no one in `project.stakeholders` approves `{need.area}`"
        page.add(f"{page.paint('Approval needed', '!')} {about}: {told}")


def _summary(plan: Plan, price: float | None, currency: str) -> Iterator[str]:
    if not plan.changes:
        same = f", and {plan.directory} is as it would be compiled" if plan.directory else ""
        yield visible(f"Nothing changes: all {len(plan.steps)} steps are {'in the store' if plan.stored else 'the same'}{same}.")
        return
    count = {fate: sum(one.fate is fate for one in plan.steps) for fate in Fate}
    new = sum(one.new and one.fate is Fate.RUNS for one in plan.steps)
    parts = [f"{count[Fate.RUNS]} to run" + (f" ({new} new)" if new else "")]
    parts += [f"{count[Fate.MAY]} may run"] if count[Fate.MAY] else []
    parts += [f"{count[Fate.STORED]} {'from the store' if plan.stored else 'unchanged'}"]
    parts += [f"{count[Fate.REMOVED]} removed"] if count[Fate.REMOVED] else []
    yield f"Plan: {', '.join(parts)}."
    if plan.files is not None:
        yield f"Files: {_filed(plan.files)}."
    yield from _costs(plan, price, currency)


def _filed(files: Differences) -> str:
    counted = (
        (files.missing, "to write"),
        (files.stale, "to write anew"),
        (files.removed, "to remove"),
        (files.edited, "kept as edited"),
        (files.unsettled, "to merge"),
    )
    return ", ".join(f"{len(paths)} {means}" for paths, means in counted if paths) or "none changes"


def _costs(plan: Plan, price: float | None, currency: str) -> Iterator[str]:
    taken = plan.cost
    if taken.seconds[1]:
        told = [f"{_between(taken.seconds, _seconds)} of work"]
        told += [f"{_between(taken.core_hours, _plain)} core hours"] if taken.core_hours[1] else []
        told += [f"{_between(taken.accelerator_hours, _plain)} accelerator hours"] if taken.accelerator_hours[1] else []
        told += (
            [" ".join(f"{_between(taken.money(price), _money)} {visible(currency)} at {price:g} an hour".split())]
            if price is not None
            else []
        )
        yield f"Cost: {', '.join(told)}, as the last runs took it."
    if taken.unknown:
        unknown = _together(taken.unknown, {one.step: one.family for one in plan.steps}, several=False)
        names = ", ".join(unknown[:3]) + (" …" if len(unknown) > 3 else "")
        yield f"Cost unknown: {_count(len(taken.unknown), 'step')} never ran here ({names})."


def _between(pair: tuple[float, float], write: Callable[[float], str]) -> str:
    low, high = map(write, pair)
    return low if low == high else f"{low} to {high}"


def _money(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 or not value else f"{value:.2g}"


def _plain(value: float) -> str:
    return f"{value:.3g}"


def _seconds(value: float) -> str:
    if value < 60:
        return f"{value:.2g} s"
    return f"{value / 60:.1f} min" if value < 3600 else f"{value / 3600:.1f} h"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


# -- for machines


def plan_json(
    plan: Plan, line: Line, *, price: float | None = None, currency: str = "", by: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a plan as plain data, in the layout that docs/plan.md describes."""
    taken, files = plan.cost, plan.files
    return {
        "version": VERSION,
        "name": plan.name,
        "against": {"kind": plan.past.kind, "path": plan.past.path, "state": plan.past.state},
        "changed": plan.changes,
        **_meaning_json(plan.meaning, line, by),
        "steps": [_step_json(one, line) for one in plan.steps],
        "exit": list(plan.exit),
        "cost": {
            "seconds": _pair(taken.seconds),
            "core_hours": _pair(taken.core_hours),
            "accelerator_hours": _pair(taken.accelerator_hours),
            "money": {**_pair(taken.money(price)), "currency": currency} if price is not None else None,
            "unknown": list(taken.unknown),
        },
        "steps_from": "store" if plan.stored else "spec",
        "files": None
        if files is None
        else {
            "backend": plan.backend,
            "directory": str(plan.directory),
            "written": list(files.missing),
            "changed": list(files.stale),
            "kept": list(files.edited),
            "removed": list(files.removed),
            "unsettled": list(files.unsettled),
        },
    }


def diff_json(meaning: Meaning, line: Line, by: Sequence[str] = ()) -> dict[str, Any]:
    """Return a difference of two specs as plain data, in the layout that docs/plan.md describes."""
    return {"version": VERSION, "changed": bool(meaning.changes), **_meaning_json(meaning, line, by)}


def _meaning_json(meaning: Meaning, line: Line, by: Sequence[str]) -> dict[str, Any]:
    return {
        "level": meaning.level,
        "differences": [_change_json(change, line) for change in meaning.changes],
        "findings": [
            {
                "code": one.code,
                "level": one.level.value,
                "message": one.message,
                "route": dotted(one.route),
                **_sides(one.change),
                "place": line(one.place),
                "area": one.area,
                "why": one.topic.why,
                "guide": one.topic.guide,
            }
            for one in meaning.judgements
        ],
        "approval": {
            "needed": [
                {
                    "area": need.area,
                    "routes": [dotted(one.route) for one in need.judgements],
                    "who": [{"role": person.role, "contact": person.contact} for person in need.who],
                    "given": bool(need.given_by(by)),
                }
                for need in meaning.needs
            ],
            "by": list(by),
            "given": all(bool(need.given_by(by)) for need in meaning.needs),
        },
    }


def _change_json(change: Change, line: Line) -> dict[str, Any]:
    old_route = {} if change.old_route in (None, change.route) else {"old_route": dotted(change.old_route or ())}
    return {"route": dotted(change.route), **old_route, "move": change.move.value, **_sides(change), "place": line(change.place)}


def _sides(change: Change) -> dict[str, Any]:
    """Return what stands on each side; the key of a side that has no such place is left out."""
    sides = (("old", change.old), ("new", change.new))
    return {name: value for name, value in sides if value is not ABSENT}


def _step_json(one: Outlook, line: Line) -> dict[str, Any]:
    return {
        "id": one.step,
        "fate": one.fate.value,
        "new": one.new,
        "why": list(one.why),
        "causes": [{"route": dotted(change.route), "place": line(change.place)} for change in one.causes],
        "because": list(one.because),
        "seconds": one.seconds,
    }


def _pair(pair: Iterable[float]) -> dict[str, float]:
    return dict(zip(("least", "most"), (round(one, 6) for one in pair), strict=True))
