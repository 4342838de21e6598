"""Makes single faults in good specs, each with the place where it must be reported and, for a typing error, the right word."""

from __future__ import annotations

import random
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel

from mlspec import metrics, ops
from mlspec.diagnostic import Route
from mlspec.document import Document, parse
from mlspec.kinds import Among, Part
from mlspec.quantity import Bytes, Duration, Growth, Percent, Quantity, Rate, Target
from mlspec.spec.project import Project
from mlspec.spec.shape import Place, choices, element, fields, place

SORTS = (
    "key", "word", "kind", "metric", "column", "reference",  # typing errors
    "type", "dangling", "duplicate", "unit", "range", "indent", "missing",
)  # fmt: skip
TYPED = SORTS[:6]


@dataclass(frozen=True, slots=True)
class Fault:
    """One spec with one fault in it. ``line`` and ``column`` are where it must be told; ``right`` is the word that was there."""

    sort: str
    file: Path
    what: str
    text: str
    line: int
    column: int
    right: str | None = None


class Spot(NamedTuple):
    """A value of a spec: its route, what may stand there, its text's offsets, and its key's where it has one."""

    route: Route
    where: list[Place]
    start: int
    end: int
    key: tuple[int, int] | None
    value: Any


# --- typing errors ---

KEYBOARD = {
    "a": "s",
    "c": "v",
    "e": "r",
    "i": "o",
    "l": "k",
    "m": "n",
    "n": "m",
    "o": "p",
    "r": "t",
    "s": "d",
    "t": "y",
    "u": "i",
}


def swap(word: str, at: int, chance: random.Random) -> str:
    return word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]


def drop(word: str, at: int, chance: random.Random) -> str:
    return word[:at] + word[at + 1 :]


def double(word: str, at: int, chance: random.Random) -> str:
    return word[: at + 1] + word[at:]


def replace(word: str, at: int, chance: random.Random) -> str:
    letter = KEYBOARD.get(word[at].lower()) if chance.random() < 0.5 else None
    return word[:at] + (letter or chance.choice(string.ascii_lowercase)) + word[at + 1 :]


def case(word: str, at: int, chance: random.Random) -> str:
    return chance.choice([word.upper(), word.capitalize(), word[:at] + word[at].swapcase() + word[at + 1 :]])


def hyphen(word: str, at: int, chance: random.Random) -> str:
    return chance.choice([word.replace("_", "-"), word.replace("_", ""), "".join(part.title() for part in word.split("_"))])


SLIPS: tuple[Callable[[str, int, random.Random], str], ...] = (swap, drop, double, replace, case, hyphen)


def mistyped(word: str, chance: random.Random) -> Iterator[str]:
    """Yield the word with each sort of slip once, at a place that chance chooses."""
    for slip in SLIPS:
        if slip is hyphen and "_" not in word:
            continue
        yield slip(word, chance.randrange(len(word)), chance)


# --- the spec as spots ---


def concrete(where: Place, value: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a written value is of: of a union the member that it names."""
    for one in choices(where):
        union, lazy = one.marker(Among), one.marker(Part)
        if union is not None:
            kind = value.get("kind", union._default) if isinstance(value, Mapping) else None
            if kind in union.names():
                yield union.load(kind)
        elif lazy is not None:
            yield lazy.model
        elif isinstance(one.annotation, type) and issubclass(one.annotation, BaseModel):
            yield one.annotation


@dataclass
class Spec:
    """A good spec and its text, from which faults are made; what turns out to be no fault is counted as discarded."""

    file: Path
    chance: random.Random
    discarded: Counter[str] = field(default_factory=Counter)

    @cached_property
    def text(self) -> str:
        return self.file.read_text(encoding="utf-8")

    @cached_property
    def document(self) -> Document:
        return parse(self.text, str(self.file))

    @cached_property
    def spots(self) -> list[Spot]:
        found: list[Spot] = []
        assert self.document.root is not None
        waiting: list[tuple[Route, list[Place], Any, tuple[int, int] | None]] = [((), [Place(Project)], self.document.root, None)]
        while waiting:
            route, where, node, key = waiting.pop()
            if "environments" in route or (key and not key[0] <= node.start):  # an alias: its text is elsewhere
                continue
            found.append(Spot(route, where, node.start, node.end, key, node.value))
            children = node.children
            if isinstance(children, dict):
                known = {
                    name: one for place_ in where for model in concrete(place_, node.value) for name, one in fields(model).items()
                }
                inner = [one for place_ in where if (one := element(place_)) is not None]
                for name, (start, end, below) in children.items():
                    places = [place(known[name])] if name in known else inner
                    waiting.append(((*route, name), places, below, (start, end)))
            elif isinstance(children, list):
                inner = [one for place_ in where if (one := element(place_)) is not None]
                waiting += [((*route, index), inner, below, None) for index, below in enumerate(children)]
        return sorted(found, key=lambda spot: (spot.start, len(spot.route)))

    @cached_property
    def by_route(self) -> dict[Route, Spot]:
        return {spot.route: spot for spot in self.spots}

    def models(self, route: Route) -> list[type[BaseModel]]:
        spot = self.by_route[route]
        return [model for one in spot.where for model in concrete(one, spot.value)]

    def known(self, route: Route) -> set[str]:
        return {name for model in self.models(route) for name in fields(model)}

    # --- making faults ---

    def put(self, sort: str, what: str, start: int, end: int, new: str, right: str | None = None, at: int | None = None) -> Fault:
        """Return the fault of a text in the place of text[start:end], told at its start or at another offset of the new text."""
        text = self.text[:start] + new + self.text[end:]
        offset = start if at is None else at
        line_start = text.rfind("\n", 0, offset) + 1
        return Fault(sort, self.file, what, text, text.count("\n", 0, offset) + 1, offset - line_start + 1, right)

    def written(self, spot: Spot, word: str) -> str:
        """Write a word as the spot's old one is: quoted or not."""
        sign = self.text[spot.start]
        return f"{sign}{word}{sign}" if sign in "\"'" else word

    def says(self, fault: Fault, route: Route, word: str) -> bool:
        """Whether the faulty text is well-formed and has the word at a route: `on` for `no` may be read as something else."""
        document = parse(fault.text, "")
        value: Any = document.data
        for part in route:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return False
        return bool(value == word) and not any(one.finding.severity == "error" for one in document.problems)

    def typed(self, sort: str, spot: Spot, right: str, taken: set[str], make: Callable[[str], str] = str) -> Iterator[Fault]:
        """Yield the typing errors of a value; those that make one of the `taken` words are right by chance."""
        for word in mistyped(right, self.chance):
            written = self.written(spot, make(word))
            told = right if sort == "column" else make(right)
            fault = self.put(sort, f"{right} -> {word}", spot.start, spot.end, written, told)
            if word in taken or word == right or not self.says(fault, spot.route, make(word)):
                self.discarded[sort] += 1
            else:
                yield fault

    def faults(self) -> Iterator[Fault]:
        """Yield every fault that can be made of this spec."""
        for spot in self.spots:
            for sort in (
                self.keys,
                self.words,
                self.kinds,
                self.types,
                self.units,
                self.ranges,
                self.twice,
                self.indents,
                self.lacks,
            ):
                yield from sort(spot)
        yield from self.metrics()
        yield from self.columns()
        yield from self.references()

    def keys(self, spot: Spot) -> Iterator[Fault]:
        if spot.key is None or not (known := self.known(spot.route[:-1])) or spot.route[-1] not in known:
            return
        right, (start, end) = str(spot.route[-1]), spot.key
        for word in mistyped(right, self.chance):
            fault = self.put("key", f"{right} -> {word}", start, end, word, right)
            if word in known or not word or not self.says_key(fault, spot, word):
                self.discarded["key"] += 1
            else:
                yield fault

    def says_key(self, fault: Fault, spot: Spot, word: str) -> bool:
        return self.says(fault, (*spot.route[:-1], word), spot.value)

    def words(self, spot: Spot) -> Iterator[Fault]:
        known = self.literals(spot)
        if isinstance(spot.value, str) and spot.value in known and not self.is_kind(spot):
            yield from self.typed("word", spot, spot.value, known)

    def literals(self, spot: Spot) -> set[str]:
        """Return the words that may stand in a spot; none where any text may."""
        branches = [one for where in spot.where for one in choices(where)]
        known = {str(word) for one in branches if get_origin(one.annotation) is Literal for word in get_args(one.annotation)}
        return set() if any(one.annotation in (str, Any) for one in branches) else known

    def is_kind(self, spot: Spot) -> bool:
        return self.union(spot) is not None

    def union(self, spot: Spot) -> Among | None:
        if spot.key is None or spot.route[-1] != "kind":
            return None
        above = self.by_route[spot.route[:-1]]
        return next((found for where in above.where for one in choices(where) if (found := one.marker(Among))), None)

    def kinds(self, spot: Spot) -> Iterator[Fault]:
        if (union := self.union(spot)) is not None:
            yield from self.typed("kind", spot, spot.value, set(union.names()))

    def types(self, spot: Spot) -> Iterator[Fault]:
        if not spot.route or not spot.where:
            return
        for new in self.of_another_type(spot):
            if "\n" in self.text[spot.start : spot.end] and self.text[spot.start] not in "{[":
                tail = "\n" if self.text[spot.end - 1 : spot.end] == "\n" else ""
                new += tail
            yield self.put("type", f"{'.'.join(map(str, spot.route))}: {new}", spot.start, spot.end, new)

    def of_another_type(self, spot: Spot) -> Iterator[str]:
        branches = [one for where in spot.where for one in choices(where)]
        names = {getattr(one.annotation, "__name__", str(get_origin(one.annotation))) for one in branches}
        if self.is_kind(spot) or spot.route == ("mlspec",):
            return
        if self.models(spot.route) and isinstance(spot.value, Mapping):
            yield "[1, 2]"
            yield "7"
        elif names <= {"int", "float"} and names:
            yield from ('"5"', "many", "[1]", "{a: 1}")
        elif names == {"bool"}:
            yield from ('"true"', "3", "[true]")
        elif names == {"str"}:
            yield from ("12.5", "[1]", "{a: 1}", "true")
        elif names and all(isinstance(one.annotation, type) and issubclass(one.annotation, Quantity) for one in branches):
            yield from ("[1]", "{a: 1}", "true")
        elif isinstance(spot.value, list) and not self.models(spot.route):
            yield "{a: 1}"
            yield "7"

    def units(self, spot: Spot) -> Iterator[Fault]:
        wrong = {
            Duration: ("50 mb", "5 %", "50", "50 sec", "3 /s"),
            Percent: ("5", "5 ms", "5 pct", "0.05"),
            Bytes: ("8", "8 s", "8 gigs", "8 %"),
            Rate: ("200", "200 s", "200 rps", "5 %"),
            Growth: ("5 %", "5 /month", "5"),
            Target: (">= 5 parsecs", "0.84", "84 %"),
        }
        for where in spot.where:
            for one in choices(where):
                for new in wrong.get(one.annotation, ()) if isinstance(one.annotation, type) else ():
                    quoted = f'"{new}"' if one.annotation is Target else new
                    yield self.put("unit", f"{'.'.join(map(str, spot.route))}: {new}", spot.start, spot.end, quoted)

    def ranges(self, spot: Spot) -> Iterator[Fault]:
        for new in self.outside(spot):
            yield self.put("range", f"{'.'.join(map(str, spot.route))}: {new}", spot.start, spot.end, str(new))

    def outside(self, spot: Spot) -> Iterator[Any]:
        for where in spot.where:
            whole = any(one.annotation is int for one in choices(where))
            for one in choices(where):
                if one.annotation is Percent:
                    yield from ("120 %", "-3 %")
                elif one.annotation in (Duration, Bytes, Rate):
                    yield {Duration: "-5 s", Bytes: "-8 MB", Rate: "-2 /s"}[one.annotation]
                bounds = [*one.markers, *(inner for marker in one.markers for inner in getattr(marker, "metadata", ()))]
                yield from self.beyond(bounds, whole=whole) if one.annotation in (int, float) else ()

    @staticmethod
    def beyond(bounds: list[Any], *, whole: bool) -> Iterator[Any]:
        step = 1 if whole else 0.5
        for bound in bounds:
            if isinstance(bound, Ge):
                yield bound.ge - step
            elif isinstance(bound, Gt):
                yield bound.gt
            elif isinstance(bound, Le):
                yield bound.le + step
            elif isinstance(bound, Lt):
                yield bound.lt

    def twice(self, spot: Spot) -> Iterator[Fault]:
        if spot.key is None or "\n" in self.text[spot.key[0] : spot.end].rstrip("\n"):
            return
        pair = self.text[spot.key[0] : spot.end]
        if self.in_flow(spot):
            yield self.put("duplicate", pair, spot.end, spot.end, f", {pair}", at=spot.end + 2)
        elif (indent := self.indent(spot)) is not None:
            end = self.line_end(spot.end)
            yield self.put("duplicate", pair, end, end, f"\n{indent}{pair}", at=end + 1 + len(indent))

    def in_flow(self, spot: Spot) -> bool:
        above = self.by_route[spot.route[:-1]]
        return self.text[above.start] == "{"

    def indent(self, spot: Spot) -> str | None:
        """Return the spaces before a key that begins its line."""
        assert spot.key is not None
        before = self.text[self.text.rfind("\n", 0, spot.key[0]) + 1 : spot.key[0]]
        return before if not before.strip() else None

    def line_end(self, offset: int) -> int:
        end = self.text.find("\n", max(offset - 1, 0))
        return len(self.text) if end < 0 else end

    def lines_of(self, spot: Spot) -> tuple[int, int]:
        """Return the offsets of the whole lines that a key of a block and its value take up."""
        assert spot.key is not None
        begin = self.text.rfind("\n", 0, spot.key[0]) + 1
        value_end = spot.start + len(self.text[spot.start : spot.end].rstrip())
        return begin, self.line_end(value_end) + 1

    def indents(self, spot: Spot) -> Iterator[Fault]:
        """A key of a block, with all below it, stands one level too deep, or too far out."""
        if spot.key is None or self.in_flow(spot) or (indent := self.indent(spot)) is None or len(spot.route) > 3:
            return
        names = list(self.by_route[spot.route[:-1]].value)
        place_among = names.index(spot.route[-1])
        begin, end = self.lines_of(spot)
        block = self.text[begin:end]
        if place_among > 0:
            deeper = re.sub(r"^(?=.)", "  ", block, flags=re.MULTILINE)
            yield self.put("indent", f"{spot.route} in", begin, end, deeper, at=begin + len(indent) + 2)
        if indent and place_among == len(names) - 1 and place_among:
            out = re.sub(r"^  ", "", block, flags=re.MULTILINE)
            if spot.route[-1] in self.known(spot.route[:-2]):
                self.discarded["indent"] += 1
            else:
                yield self.put("indent", f"{spot.route} out", begin, end, out, at=begin + len(indent) - 2)

    def lacks(self, spot: Spot) -> Iterator[Fault]:
        """A key that must be written is not. It is told at the mapping's key, or at the item of a list, or at the very top."""
        if spot.key is None or not self.must(spot):
            return
        cut = self.cut(spot)
        if cut is None:
            self.discarded["missing"] += 1
            return
        above = self.by_route[spot.route[:-1]]
        fault = self.put("missing", ".".join(map(str, spot.route)), *cut, "")
        at = above.key[0] if above.key else above.start if above.route else re.search(r"^\w", fault.text, re.MULTILINE).start()  # type: ignore[union-attr]
        yield self.put("missing", fault.what, *cut, "", at=at)

    def must(self, spot: Spot) -> bool:
        if (union := self.union(spot)) is not None:
            return union._default is None
        required = {name for model in self.models(spot.route[:-1]) for name, one in fields(model).items() if one.is_required()}
        return spot.route[-1] in required or spot.route in (("task",), ("data",), ("model",), ("task", "target"))

    def cut(self, spot: Spot) -> tuple[int, int] | None:
        """Return the offsets of a key, its value and the comma beside them, or of their lines; None where other text shares them."""
        assert spot.key is not None
        if self.in_flow(spot):
            after = re.compile(r"\s*,\s*").match(self.text, spot.end)
            before = re.search(r",\s*$", self.text[: spot.key[0]])
            if after:
                return spot.key[0], after.end()
            return (before.start() if before else spot.key[0]), spot.end
        if self.indent(spot) is None or len(self.by_route[spot.route[:-1]].value) < 2:
            return None
        return self.lines_of(spot)

    # --- references ---

    def at(self, pattern: str) -> Iterator[Spot]:
        """Yield the spots of texts whose dotted route matches a pattern as a whole."""
        for spot in self.spots:
            if isinstance(spot.value, str) and re.fullmatch(pattern, ".".join(map(str, spot.route))):
                yield spot

    def metrics(self) -> Iterator[Fault]:
        own = set(self.document.data.get("evaluation", {}).get("metrics", {}))
        for spot in self.at(r"requirements\.metrics\.\d+\.metric|monitoring\.concept_drift\.metric|training\.tuning\.metric"):
            yield from self.typed("metric", spot, spot.value, own | metrics.CATALOGUE.keys())
            yield self.put("dangling", f"{spot.value} -> elegance", spot.start, spot.end, "elegance")

    def columns(self) -> Iterator[Fault]:
        """Columns that are declared, where they are named. (Not every column must be declared: others are known to the rows only.)"""
        declared = set(self.document.data.get("data", {}).get("columns", {}))
        lists = r"features\.\d+\.columns\.\d+|evaluation\.slices\.\d+(\.column)?|evaluation\.fairness\.sensitive\.\d+"
        for spot in self.at(rf"{lists}|splits\.(time|group_by)|task\.target|monitoring\.data_drift\.columns\.\d+"):
            if spot.value in declared:
                yield from self.typed("column", spot, spot.value, declared)
        for spot in self.at(r"requirements\.coverage\.\d+\.where|evaluation\.slices\.\d+\.where|data\.checks\.\d+\.that"):
            for name in sorted(declared):
                parts = re.split(rf"\b{re.escape(name)}\b", spot.value, maxsplit=1)
                if len(parts) == 2 and name.isidentifier():
                    yield from self.typed("column", spot, name, declared, lambda word, parts=parts: word.join(parts))  # type: ignore[misc]

    def references(self) -> Iterator[Fault]:
        data = self.document.data
        sources, steps = set(data.get("data", {}).get("sources", {})), data.get("steps", {})
        for spot in self.at(r"data\.join\.\d+\.(left|right)"):
            yield from self.typed("reference", spot, spot.value, sources)
            yield self.put("dangling", "source", spot.start, spot.end, "warehouse_of_old")
        targets = {one["name"] for one in data.get("requirements", {}).get("business", ())}
        for spot in self.at(r"requirements\.metrics\.\d+\.supports"):
            yield from self.typed("reference", spot, spot.value, targets)
            yield self.put("dangling", "business target", spot.start, spot.end, "happiness")
        for spot in self.at(r"steps\.\w+\.inputs\.\w+"):
            step, _, output = spot.value.partition(".")
            yield from self.typed("reference", spot, step, set(steps), lambda word, rest=output: f"{word}.{rest}")  # type: ignore[misc]
            given = {port.name for port in ops.ALL[step].outputs} if step in ops.ALL else set()
            yield from self.typed("reference", spot, output, given, lambda word, first=step: f"{first}.{word}")  # type: ignore[misc]
            yield self.put("dangling", "step", spot.start, spot.end, "nowhere.table")
            yield self.put("dangling", "output", spot.start, spot.end, f"{step}.nothing")
        for spot in self.at(r"steps\.\w+\.after\.\d+"):
            yield from self.typed("reference", spot, spot.value, set(steps))
            yield self.put("dangling", "step", spot.start, spot.end, "nowhere")
        labels = {
            str(one)
            for one in data.get("data", {}).get("columns", {}).get(data.get("task", {}).get("target"), {}).get("values", ())
        }
        for spot in self.at(r"task\.positive"):
            if labels:
                yield from self.typed("reference", spot, spot.value, labels)
                yield self.put("dangling", "label", spot.start, spot.end, self.written(spot, "perhaps"))


def generated(files: list[Path], most: Mapping[str, int], seed: int) -> tuple[list[Fault], Counter[str]]:
    """Return faults of these specs, at most so many of a sort, and how many attempts made no fault, by sort."""
    found: dict[str, list[Fault]] = {sort: [] for sort in SORTS}
    discarded: Counter[str] = Counter()
    for file in files:
        spec = Spec(file, random.Random(f"{seed} {file.name}"))
        for fault in spec.faults():
            found[fault.sort].append(fault)
        discarded += spec.discarded
    chance = random.Random(seed)
    chosen = [one for sort in SORTS for one in chance.sample(found[sort], min(most[sort], len(found[sort])))]
    return chosen, discarded
