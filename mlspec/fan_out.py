"""How one part of a spec becomes several steps: the items of `for_each`, trials and folds, and how their steps are called.

On the path of every lint: what few specs need is imported where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Finding, Problem, Route

MARK = "__"
"""Stands between the name of a step and the item that it is for: `train__m_001`."""

LONGEST = 40
"""The longest slug: with it the longest name of a step of ours has fewer than 63 signs, which is what orchestrators take."""

VALUES: Route = ("for_each", "values")
TABLE: Route = ("for_each", "table")


@dataclass(frozen=True, slots=True)
class Item:
    """What gets a model of its own: its value as people write it, how it is called in names, and where the spec says so."""

    text: str
    slug: str
    route: Route

    def step(self, name: str) -> str:
        """Return what a step is called that is for this item."""
        return f"{name}{MARK}{self.slug}"

    @property
    def dashed(self) -> str:
        return self.slug.replace("_", "-")


def slug(text: str) -> str:
    """Return lower-case letters, digits and `_` for any text; where letters are lost or it is long, with a part of its digest."""
    import hashlib
    import unicodedata

    plain = unicodedata.normalize("NFKD", text)
    lost = any(sign.isalnum() and not sign.isascii() for sign in plain)
    kept = re.sub(r"[^a-z0-9]+", "_", "".join(sign for sign in plain.lower() if not unicodedata.combining(sign))).strip("_")
    if kept and not lost and len(kept) <= LONGEST:
        return kept
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{kept[: LONGEST - len(mark) - 1].strip('_') or 'item'}_{mark}"


def written(value: Any) -> str:
    """Write the value of an item as the runtime writes categories: `true`, `7` for 7 and 7.0 alike."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def items(values: Iterable[Any], route: Route) -> tuple[Item, ...]:
    """Return the items of a list; `route` is that of the list in the spec, or of the table that they were read from."""
    texts = [written(value) for value in values]
    return tuple(Item(text, slug(text), (*route, place) if route == VALUES else route) for place, text in enumerate(texts))


def collisions(found: Sequence[Item]) -> Iterator[Finding]:
    """Yield a finding for each item that is listed twice, or that would be called like another."""
    first: dict[str, Item] = {}
    for one in found:
        other = first.setdefault(one.slug, one)
        if other is one:
            continue
        related = ((f"`{other.text}` is here", other.route),) if other.route != one.route else ()
        if other.text == one.text:
            yield Finding("contradiction", f"`{one.text}` is listed twice", one.route, help="keep one", related=related)
        else:
            message = f"`{other.text}` and `{one.text}` would both be called `{one.slug}`"
            help_text = (
                "steps and models are named with lower-case letters, digits and `_`: write one of the two otherwise in the data"
            )
            yield Finding("item-collision", message, one.route, help=help_text, related=related)


def read_table(folder: Path, name: str, column: str) -> list[str]:
    """Return the values of a column of a CSV file beside the spec, blank ones left out. Raises Problem where there are none."""
    import csv

    try:
        with (folder / name).open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            heads = [head for head in rows.fieldnames or () if head]
            if column not in heads:
                help_text = f"it has {', '.join(heads)}" if heads else "it is empty"
                raise Problem(Finding("items-unknown", f"`{name}` has no column `{column}`", TABLE, help=help_text))
            values = [(row[column] or "").strip() for row in rows]
    except OSError as error:
        help_text = "the path is relative to the spec"
        raise Problem(
            Finding("items-unknown", f"`{name}`: {(error.strerror or str(error)).lower()}", TABLE, help=help_text)
        ) from None
    except (csv.Error, ValueError) as error:
        raise Problem(Finding("items-unknown", f"`{name}` is no CSV file in UTF-8: {error}", TABLE)) from None
    found = [value for value in values if value]
    if not found:
        raise Problem(Finding("items-unknown", f"the column `{column}` of `{name}` is empty", TABLE))
    return found


def items_of(for_each: Any, folder: Path | None) -> tuple[Item, ...]:
    """Return the items of a spec's `for_each`; those of a table are read in `folder`. Raises Problem for items that clash."""
    if for_each.values is not None:
        found = items(for_each.values, VALUES)
    elif folder is None:
        raise Problem(Finding("items-unknown", "nobody says which folder the table is in", TABLE))
    else:
        found = items(read_table(folder, for_each.table, for_each.column), TABLE)
    faults = list(collisions(found))
    if faults:
        raise Problem(*faults)
    return found


def numbered(name: str, count: int) -> list[str]:
    """Return the names of so many steps of a kind: `trial_01` to `trial_12`."""
    return [f"{name}_{place:0{len(str(count))}d}" for place in range(1, count + 1)]


def rounds(method: str, count: int, together: int) -> list[int]:
    """Return how many trials are drawn at once: all, but for a search that learns from those before."""
    if method != "bayesian":
        return [count]
    return [min(together, count - done) for done in range(0, count, together)]


def suggestions(found: Sequence[int]) -> list[str]:
    """Return the names of the steps that draw trials, one a round."""
    return ["suggest"] if len(found) == 1 else numbered("suggest", len(found))


def exports(asked: Iterable[Any]) -> Iterator[tuple[int, str]]:
    """Yield (place in the list, name) of the exports that are realised: `tflite_int8`, and `tflite_int8_2` for another."""
    taken: set[str] = set()
    for index, one in enumerate(asked):
        if one.realised:
            plain = one.kind if one.quantize == "none" else f"{one.kind}_{one.quantize}"
            name, count = plain, 1
            while name in taken:
                count += 1
                name = f"{plain}_{count}"
            taken.add(name)
            yield index, name
