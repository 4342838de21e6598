"""Words as codes: which words a model knows, and what its transformers make of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlspec.tensor.program import Array, Program, Value

UNSEEN = "\0 a word that no row of the training data has"


def domain(steps: Sequence[Any]) -> Mapping[str, tuple[str, ...]]:
    """Return, for each column of words, the words that any of its transformers tells apart, sorted."""
    found: dict[str, set[str]] = {}
    for step in steps:
        for part in getattr(step.fitted, "parts", None) or [step.fitted]:
            for name, words in _words(part):
                found.setdefault(name, set()).update(words)
    return {name: tuple(sorted(words)) for name, words in found.items()}


def _words(part: Any) -> list[tuple[str, list[str]]]:
    transformer = getattr(part, "transformer", None)
    categories = getattr(transformer, "categories_", None)
    if categories is not None:
        return [
            (name, [str(one) for one in known if isinstance(one, str)])
            for name, known in zip(part.columns, categories, strict=True)
        ]
    statistics = getattr(transformer, "statistics_", None)
    if statistics is not None and statistics.dtype == object:
        return [(name, [str(fill)]) for name, fill in zip(part.columns, statistics, strict=True) if isinstance(fill, str)]
    return []


def encoded(program: Program, codes: Value, words: Sequence[Sequence[str]], part: Any) -> Value:
    """What a fitted transformer of words makes of codes (rows × columns; NaN is missing, -1 a word that is not known).

    The transformer is asked about each word of each column, about a missing one and about one it has never seen.
    """
    base = _asked(part, [[UNSEEN] * len(words)])[0]
    probes = [_probe(part, words, place) for place in range(len(words))]
    present = _with_places(program, codes, words)
    places: dict[int, tuple[Value, int]] = {}
    singles: list[tuple[int, int, int]] = []  # output, column, the code that sets it
    for column, table in enumerate(probes):
        mine = [out for out in range(len(base)) if _decides(probes, column, out, base)]
        single = {out: int(np.flatnonzero(table[:, out])[0]) for out in mine if _is_single(table[:, out])}
        singles += [(out, column, code) for out, code in single.items()]
        rest = [out for out in mine if out not in single]
        if rest:
            number = program.add("cast", program.columns(present, [column]), type="int32")
            found = program.add("lookup", program.constant(table[:, rest]), number)
            value = program.add("reshape", found, shape=(len(rest),))
            places |= {out: (value, place) for place, out in enumerate(rest)}
    if singles:
        codes_of = program.columns(present, [column for _, column, _ in singles])
        value = program.number(program.add("equal", codes_of, program.row([code for _, _, code in singles])))
        places |= {out: (value, place) for place, (out, _, _) in enumerate(singles)}
    return program.gathered(places[out] for out in range(len(base)))


def _decides(probes: Sequence[Array], column: int, out: int, base: Array) -> bool:
    """Whether a column decides an output. One that nothing decides is put down to the first column."""
    if not _same(probes[column][:, out], base[out]):
        return True
    return column == 0 and all(_same(one[:, out], base[out]) for one in probes)


def _with_places(program: Program, codes: Value, words: Sequence[Sequence[str]]) -> Value:
    """Codes with a place of their own for what is missing (after the words) and for what is not known (after that)."""
    after = [len(one) for one in words]
    there = program.add("where", program.missing(codes), program.row(after), codes)
    known = program.add("less", there, program.row([0.0]))
    return program.add("where", known, program.row([one + 1 for one in after]), there)


def _asked(part: Any, rows: list[list[Any]]) -> Array:
    values = np.empty((len(rows), len(rows[0])), dtype=object)
    for index, row in enumerate(rows):
        values[index] = [np.nan if word is None and part.nan else word for word in row]
    made = part.transformer.transform(values)
    return np.asarray(made.toarray() if hasattr(made, "toarray") else made, dtype=np.float64)


def _probe(part: Any, words: Sequence[Sequence[str]], place: int) -> Array:
    """What the outputs are for each word of one column, a missing one and an unseen one, all other columns being unseen."""
    rows = []
    for word in (*words[place], None, UNSEEN):
        row: list[Any] = [UNSEEN] * len(words)
        row[place] = word
        rows.append(row)
    return _asked(part, rows)


def _same(numbers: Array, number: Any) -> bool:
    return bool(np.array_equal(numbers, np.full(len(numbers), number), equal_nan=True))


def _is_single(numbers: Array) -> bool:
    """Whether an output is 1 for one code and 0 for all others."""
    return bool(((numbers == 0) | (numbers == 1)).all() and (numbers == 1).sum() == 1)
