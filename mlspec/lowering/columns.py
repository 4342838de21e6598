"""The features of a model as part of its program: each fitted transform in tensor operations, from raw columns on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
import polars as pl

from mlspec.lowering import Computed, Input, cannot
from mlspec.lowering.sounds import spectrum
from mlspec.lowering.tables import domain, encoded
from mlspec.tensor.program import Array, Program, Value, shared
from mlspec.transforms import bin as bins

ON_THE_DEVICE = ("dates", "custom", "tfidf")
"""Transforms that no runtime has operations for: the device computes them before it feeds the model."""

IN_ARRAYS = ("tfidf",)
"""Those of them that make so many numbers of a column that the device feeds them as one array, under the column's name."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where a column lies, and what it is: the words that its codes stand for, and the raw number it follows.

    An array begins there, and has a `shape`. `follows` is the input of which the column is a rising function; `bent` says that it
    is another function than the input itself, which float32 would round (see `Columns.folded`).
    """

    value: Value
    place: int
    type: str
    words: tuple[str, ...] = ()
    follows: str = ""
    bent: bool = False
    shape: tuple[int, ...] = ()


class Columns:
    """The columns between transforms, and at last the features: `program` grows as they are asked for.

    `inputs` and `computed` say what the device feeds, and what it computes before; `places` is where each input begins.
    """

    def __init__(self, featurizer: Any) -> None:
        self.featurizer = featurizer
        self.computed = tuple(_computed(featurizer.steps_))
        arrays = _arrays(featurizer.steps_)
        self.inputs = tuple(_inputs(featurizer, self.computed, arrays))
        *starts, width = accumulate((one.size for one in self.inputs), initial=0)
        self.places = dict(zip((one.name for one in self.inputs), starts, strict=True))
        self.program = Program(width)
        x = self.program.input
        self.now: dict[str, Column] = {}
        for one in self.inputs:
            first = self.places[one.name]
            if one.name in arrays:
                self.now |= {name: Column(x, first + at, "number") for at, name in enumerate(arrays[one.name])}
            else:
                follows = one.name if one.type == "number" else ""
                self.now[one.name] = Column(x, first, one.type, one.values, follows, shape=one.shape)
        for step in featurizer.steps_:
            if step.kind not in ON_THE_DEVICE:
                self._apply(step)

    @property
    def features(self) -> Value:
        """The features as one value, in the order in which the estimator takes them."""
        return self.gathered([self.now[name] for name in self.featurizer.feature_names_])

    def gathered(self, columns: Sequence[Column]) -> Value:
        """Columns side by side."""
        return self.program.gathered((one.value, one.place) for one in columns)

    def _apply(self, step: Any) -> None:
        name = type(step.fitted).__name__
        known: dict[str, Callable[[], list[dict[str, Column]]]] = {
            "Parts": lambda: [self._matrix(one) for one in step.fitted.parts],
            "Matrix": lambda: [self._matrix(step.fitted)],
            "Products": lambda: [self._products(step.fitted)],
            "Log1p": lambda: [self._log(step.takes)],
            "Cuts": lambda: [self._cuts(step.fitted)],
            "Flat": lambda: [self._numbers(step.fitted, name) for name in step.takes],
            "Spectrum": lambda: [self._spectrum(step.fitted, name) for name in step.takes],
            "Same": lambda: [{name: self.now[name] for name in step.takes}],
            "Nothing": list,
        }
        apply = known.get(name)
        if apply is None:
            raise cannot(f"the transform `{step.kind}` has no form in tensor operations", ("features",))
        made = {key: column for part in apply() for key, column in part.items()}
        kept = {key: column for key, column in self.now.items() if key not in step.takes}
        self.now = kept | {key: made[key] for key in step.gives}

    def _spread(
        self, value: Value, names: Sequence[str], kind: str, old: Sequence[Column] = (), *, bent: bool = False
    ) -> dict[str, Column]:
        """Name the columns of a value. What follows a raw number still does, where `old` has one column for each."""
        follows = [one.follows for one in old] if len(old) == len(names) else [""] * len(names)
        was = [one.bent for one in old] if len(old) == len(names) else [False] * len(names)
        return {name: Column(value, place, kind, (), follows[place], bent or was[place]) for place, name in enumerate(names)}

    def _numbers(self, fitted: Any, name: str) -> dict[str, Column]:
        """The numbers of an array, a column each."""
        array = self.now[name]
        return {one: Column(array.value, array.place + at, "number") for at, one in enumerate(fitted.names(name))}

    def _spectrum(self, fitted: Any, name: str) -> dict[str, Column]:
        array = self.now[name]
        samples = self.program.part(array.value, (array.place,), (prod(array.shape),))
        return {
            name: Column(spectrum(self.program, samples, fitted), 0, "array", shape=(fitted.frames(samples.width), fitted.width))
        }

    def _matrix(self, part: Any) -> dict[str, Column]:
        columns = [self.now[name] for name in part.columns]
        if any(one.type == "category" for one in columns):
            return self._of_words(part, columns)
        transformer, x = part.transformer, self.gathered(columns)
        name = type(transformer).__name__
        if name == "SimpleImputer":
            fills = self.program.row(shared(np.asarray(transformer.statistics_)))
            filled = self.program.add("where", self.program.missing(x), fills, x)
            return self._spread(filled, part.names, columns[0].type, columns)
        if name == "MissingIndicator":
            return self._spread(self.program.number(self.program.missing(x)), part.names, "boolean")
        if name in SCALERS:
            return self._spread(self.program.affine(x, *SCALERS[name](transformer)), part.names, "number", columns, bent=True)
        raise cannot(f"scikit-learn's {name} has no form in tensor operations", ("features",))

    def _of_words(self, part: Any, columns: Sequence[Column]) -> dict[str, Column]:
        """What a transformer makes of words: it is asked about each word there is, so that whatever it does is done exactly."""
        name = type(part.transformer).__name__
        if name == "SimpleImputer":
            fills = [one.words.index(str(fill)) for one, fill in zip(columns, part.transformer.statistics_, strict=True)]
            x = self.gathered(columns)
            filled = self.program.add("where", self.program.missing(x), self.program.row(fills), x)
            return {
                given: replace(column, value=filled, place=place)
                for place, (given, column) in enumerate(zip(part.names, columns, strict=True))
            }
        value = encoded(self.program, self.gathered(columns), [one.words for one in columns], part)
        return self._spread(value, part.names, "boolean" if part.truth else "number")

    def _products(self, fitted: Any) -> dict[str, Column]:
        one, other = (self.gathered([self.now[pair[end]] for pair in fitted.pairs]) for end in (0, 1))
        product = self.program.add("mul", one, other)
        made = self._spread(product, [f"{first}*{second}" for first, second in fitted.pairs], "number")
        kept = {name for pair in fitted.pairs for name in pair}
        return {name: self.now[name] for name in self.now if name in kept} | made

    def _log(self, names: Sequence[str]) -> dict[str, Column]:
        columns = [self.now[name] for name in names]
        x = self.program.add("add", self.gathered(columns), self.program.row([1.0]))
        return self._spread(self.program.add("log", x), names, "number", columns, bent=True)

    def _cuts(self, fitted: Any) -> dict[str, Column]:
        """The number of edges that a number reaches: a float32 does where the decimal number that it stands for does."""
        from mlspec.tensor.trees import meant_at_most

        made = {}
        for name, edges in fitted.edges.items():
            x = self.gathered([self.now[name]])
            if edges:
                repeated = self.program.columns(x, [0] * len(edges))
                reached = self.program.add("greater_equal", repeated, self.program.row(-meant_at_most(-np.asarray(edges))))
                count = self.program.add("sum", self.program.number(reached))
            else:
                count = self.program.add("mul", x, self.program.row([0.0]))
            code = self.program.add("where", self.program.missing(x), x, count)
            made[name] = Column(code, 0, "category", tuple(bins.labels(edges)))
        return made

    def transformed(self, feature: str, numbers: Array) -> Array:
        """What the featurizer itself makes of raw numbers in the column that a feature follows, float64; NaN is missing."""
        raw = self.now[feature].follows
        place = self.featurizer.feature_names_.index(feature)
        fields = self.featurizer.fields_
        nothing = {name: np.zeros(field.shape).tolist() if field.shape else None for name, field in fields.items()}
        frame = pl.DataFrame({name: pl.Series([nothing[name]] * len(numbers), dtype=one.dtype) for name, one in fields.items()})
        frame = frame.with_columns(pl.Series(raw, numbers.astype(np.float64)).fill_nan(None))
        found: Array = self.featurizer.transform(frame)[:, place]
        return found


def _standard(one: Any) -> tuple[Array, Array]:
    return np.asarray(one.mean_), 1 / np.asarray(one.scale_)


def _minmax(one: Any) -> tuple[Array, Array]:
    low = one.feature_range[0]
    return np.asarray(one.data_min_) - low / np.asarray(one.scale_), np.asarray(one.scale_)


def _robust(one: Any) -> tuple[Array, Array]:
    return np.asarray(one.center_), 1 / np.asarray(one.scale_)


SCALERS = {"StandardScaler": _standard, "MinMaxScaler": _minmax, "RobustScaler": _robust}
"""What each scaler subtracts, and what it then multiplies with."""


def _computed(steps: Sequence[Any]) -> list[Computed]:
    """What the device computes: it can take raw columns, and what it has computed before."""
    in_graph: set[str] = set()
    found = []
    for step in steps:
        if step.kind not in ON_THE_DEVICE:
            in_graph |= set(step.gives)
            continue
        late = sorted(in_graph.intersection(step.takes))
        if late:
            reason = (
                f"`{step.kind}` takes {', '.join(late)}, which an earlier transform made: the device would have to compute both"
            )
            raise cannot(reason, ("features",), f"put `{step.kind}` before the transforms of {', '.join(late)}")
        gives = step.takes if step.kind in IN_ARRAYS else step.gives
        found.append(Computed(step.kind, tuple(step.takes), tuple(gives), HOW[step.kind](step)))
    return found


def _how_dates(step: Any) -> Mapping[str, Any]:
    calendar = step.fitted
    return {
        "parts": list(calendar.parts),
        "harmonics": calendar.harmonics,
        "origins": {name: origin.isoformat() for name, origin in calendar.origins.items()},
    }


def _how_tfidf(step: Any) -> Mapping[str, Any]:
    """What makes the weights: a line for each term, with how many of the documents hold it; no term has a line break."""
    kept = ("analyzer", "ngram_range", "lowercase", "sublinear_tf", "norm")
    lines = {
        name: "\n".join(f"{count} {term}" for count, term in zip(step.fitted.frequencies[name], terms, strict=True))
        for name, terms in step.fitted.terms.items()
    }
    return {**{name: step.how[name] for name in kept}, "documents": step.fitted.documents, "terms": lines}


HOW: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {
    "dates": _how_dates,
    "custom": lambda step: {"entrypoint": step.how["entrypoint"]},
    "tfidf": _how_tfidf,
}
"""What the device has to know of a step that it computes."""


def _arrays(steps: Sequence[Any]) -> dict[str, list[str]]:
    """The columns in whose place the device feeds an array, and the features that this holds. Raises Problem for one twice."""
    found: dict[str, list[str]] = {}
    for step in steps:
        for name, given in step.fitted.given().items() if step.kind in IN_ARRAYS else ():
            if name in found:
                raise cannot(f"`{step.kind}` takes two columns that are called {name!r}", ("features",), "rename one of them")
            found[name] = given
    return found


def _inputs(featurizer: Any, computed: Sequence[Computed], arrays: Mapping[str, Sequence[str]]) -> list[Input]:
    """What the program takes: columns that a transform in it takes, or that are features as they are; arrays in their place."""
    made_there = {name for one in computed if one.kind not in IN_ARRAYS for name in one.gives}
    used: set[str] = set()
    made: set[str] = set()
    for step in featurizer.steps_:
        if step.kind not in ON_THE_DEVICE:
            used |= set(step.takes) - made
            made |= set(step.gives)
    used |= set(featurizer.feature_names_) - made
    words = domain(featurizer.steps_)
    columns = [
        _input(name, featurizer, words)
        for name in (*featurizer.fields_, *sorted(made_there))
        if name in used and name not in arrays
    ]
    return columns + [Input(name, "array", (), (len(held),)) for name, held in arrays.items() if not used.isdisjoint(held)]


def _input(name: str, featurizer: Any, words: Mapping[str, tuple[str, ...]]) -> Input:
    field = featurizer.fields_.get(name)
    if field is not None and field.type == "category":
        return Input(name, "category", words.get(name, ()))
    if field is not None and field.type == "array":
        return Input(name, "array", shape=field.shape)
    return Input(name, field.type if field is not None else "category" if name in words else "number", words.get(name, ()))
