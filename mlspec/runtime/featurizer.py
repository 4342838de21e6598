"""Raw rows -> feature matrix: the transforms of the spec in the order written, then what the model's family still needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator, TransformerMixin

from mlspec.diagnostic import Finding, Problem, Route
from mlspec.families import Needs
from mlspec.runtime.labels import text_of_value
from mlspec.runtime.rows import Field, fields_of, read
from mlspec.transforms import Context, Fitted, Transform, load, types_of
from mlspec.transforms._matrix import matrix

Matrix = np.ndarray[Any, Any]


@dataclass
class Step:
    """A transform that has been fitted: on which columns, giving which, and where it comes from."""

    kind: str
    takes: list[str]
    gives: list[str]
    fitted: Fitted
    how: dict[str, Any]
    added: bool

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        return replaced(frame, self.takes, self.fitted.transform(frame.select(self.takes)))


class Featurizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A scikit-learn transformer of raw rows (Polars or pandas frames, or mappings) to a C-ordered float64 matrix.

    After the written `transforms` come, for what they leave: dates are refused; arrays become a feature for each number;
    categories become one-hot columns (or codes, for families that treat them as unordered themselves); missing truth values
    become the most frequent one and missing numbers the median, unless the family takes missing values; numbers are standardised
    if the family wants one scale, no `scale` was written and no transform gave them on one; truth values become 0 and 1. Columns
    that say nothing (no value, or one value, in the training rows) and that no transform names are left out, and so are
    categories without a value in `min_frequency` training rows.

    Fitted attributes: `fields_` (the raw columns that rows must have), `feature_names_`, `codes_` (positions of features that
    are codes of unordered categories), `left_out_` (name -> reason), `steps_`, `shape_` (of the one array that all features are
    of, else empty).
    """

    def __init__(
        self,
        transforms: Sequence[Mapping[str, Any]] = (),
        columns: Mapping[str, Mapping[str, Any]] | None = None,
        task: Mapping[str, Any] | None = None,
        needs: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.transforms = transforms
        self.columns = columns
        self.task = task
        self.needs = needs
        self.seed = seed

    def fit(self, rows: pl.DataFrame, y: Any = None) -> Featurizer:
        self.fit_transform(rows, y)
        return self

    def fit_transform(self, rows: pl.DataFrame, y: Any = None) -> Matrix:
        """Fit on a training table (a Polars frame) and its target; return its features. Raises Problem."""
        if not rows.height:
            raise Problem(Finding("no-rows", "there are no training rows", ("splits",)))
        fields = fields_of(rows, self.columns or {}, (self.task or {}).get("target", ""))
        frame = read(rows, fields)
        self.left_out_: dict[str, str] = {}
        written = [load(one, ("features", index)) for index, one in enumerate(self.transforms)]
        frame = self._informative(frame, written, fields)
        self.steps_: list[Step] = []
        self._whole: set[str] = set()
        self._on_one_scale: set[str] = set()
        for index, transform in enumerate(written):
            frame = self._fitted(transform, frame, y, ("features", index))
        frame = self._finished(frame, y, scaled=any(one.kind == "scale" for one in written))
        del self._whole, self._on_one_scale
        if not frame.width:
            raise Problem(Finding("no-features", "no column is left to learn from", ("features",), help=self._why_none()))
        self.feature_names_ = frame.columns
        self.fields_ = {name: fields[name] for name in fields if name in self._needed(fields)}
        self.feature_names_in_ = np.array(list(self.fields_), dtype=np.str_)
        self.n_features_in_ = len(self.fields_)
        return matrix(frame)

    def transform(self, rows: Any) -> Matrix:
        """Return the features of raw rows, in the order of `feature_names_`. Raises Problem for a row that cannot be read."""
        frame = read(rows, self.fields_)
        for step in self.steps_:
            frame = step.apply(frame)
        return matrix(frame.select(self.feature_names_))

    def get_feature_names_out(self, input_features: Any = None) -> Matrix:
        return np.array(self.feature_names_, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "feature_names_")

    def manifest(self) -> dict[str, Any]:
        """Say in plain JSON what happens to which column, what was added to the spec's list, and what was left out."""
        return {
            "columns": {name: asdict(field) for name, field in self.fields_.items()},
            "steps": [
                {"kind": one.kind, "how": one.how, "takes": one.takes, "gives": one.gives, "added": one.added}
                for one in self.steps_
            ],
            "left_out": dict(self.left_out_),
            "features": list(self.feature_names_),
        }

    def _informative(self, frame: pl.DataFrame, written: Sequence[Transform], fields: Mapping[str, Field]) -> pl.DataFrame:
        """Drop columns that say nothing, unless a transform names them or places count; dates, time columns wait for `dates`."""
        named = {name for one in written if isinstance(one.columns, list) for name in one.columns}
        for name in frame.columns:
            if name in named or frame.height < 2:
                continue
            if frame[name].null_count() == frame.height:
                self.left_out_[name] = "no value in the training rows"
            elif fields[name].type == "array":
                continue
            elif frame[name].n_unique() == 1 and not (self.needs or {}).get("places"):
                self.left_out_[name] = "one value in the training rows"
        dated = any(one.kind == "dates" and not isinstance(one.columns, list) for one in written)
        unused = [name for name in fields if self._is_time(name) and name not in named and not dated]
        for name in unused:
            self.left_out_.pop(name, None)  # its role says that it is no feature, so there is nothing to tell
        return frame.drop(*self.left_out_, *unused)

    def _is_time(self, name: str) -> bool:
        return (self.columns or {}).get(name, {}).get("role") == "time"

    def _fitted(self, transform: Transform, frame: pl.DataFrame, y: Any, route: Route, *, added: bool = False) -> pl.DataFrame:
        """Fit one transform and return the frame that it leaves."""
        takes = transform.chosen(types_of(frame), route)
        if not takes:
            return frame
        task = (self.task or {}).get("kind", "")
        # What is added codes categories that the family takes as unordered, so that the declared order means nothing there.
        context = Context(task, self.seed, {} if added else self._declared(), route)
        try:
            fitted, made = transform.fit_transform(frame.select(takes), y, context)
        except ValueError as error:
            raise Problem(Finding("transform-failed", f"`{transform.kind}` on {', '.join(takes)}: {error}", route)) from error
        after = replaced(frame, takes, made, route)
        how = transform.model_dump(mode="json", exclude={"kind", "columns"})
        self.steps_.append(Step(transform.kind, takes, made.columns, fitted, how, added))
        self._whole = (self._whole - set(takes)) | self._without_gaps(transform, takes, made.columns)
        self._on_one_scale = (self._on_one_scale - set(takes)) | set(made.columns if transform.on_one_scale() else ())
        return after

    def _without_gaps(self, transform: Transform, takes: Sequence[str], gives: Sequence[str]) -> set[str]:
        """Return which of the columns that a transform gave can have no missing value."""
        leaves = transform.leaves()
        if leaves == "whole" or (leaves == "same" and self._whole.issuperset(takes)):
            return set(gives)
        return self._whole.intersection(gives) if leaves == "same" else set()

    def _declared(self) -> dict[str, list[str]]:
        found = {
            name: [text_of_value(one) for one in column.get("values") or ()] for name, column in (self.columns or {}).items()
        }
        return {name: [one for one in values if one is not None] for name, values in found.items() if values}

    def _finished(self, frame: pl.DataFrame, y: Any, *, scaled: bool) -> pl.DataFrame:
        """Add what the family needs; the frame that comes back holds numbers and truth values only."""
        needs = Needs(**(self.needs or {}))
        dates = [name for name, kind in types_of(frame).items() if kind == "date"]
        frame = frame.drop(*(name for name in dates if self._is_time(name)))
        dates = [name for name in dates if not self._is_time(name)]
        if dates:
            help_text = f"add `{{kind: dates, columns: [{', '.join(dates)}]}}` to `features`, or give them `role: ignore`"
            message = f"{', '.join(dates)}: a date is no number a model can learn from as it is"
            raise Problem(Finding("date-without-transform", message, ("features",), help=help_text))
        frame = self._flat(self._frequent_enough(frame), y)
        codes = [name for name, kind in types_of(frame).items() if kind == "category"]
        for wanted in self._tail(frame, needs, scaled):
            frame = self._fitted(load(wanted), frame, y, ("features",), added=True)
        self.codes_ = [frame.columns.index(name) for name in codes] if needs.categories == "codes" else []
        return frame

    def _flat(self, frame: pl.DataFrame, y: Any) -> pl.DataFrame:
        """Spread the arrays that are left, and keep the shape where they are all there is."""
        arrays = [name for name, kind in types_of(frame).items() if kind == "array"]
        self.shape_ = tuple(frame.schema[arrays[0]].shape) if arrays == frame.columns and len(arrays) == 1 else ()  # type: ignore[attr-defined]
        return self._fitted(load({"kind": "flatten"}), frame, y, ("features",), added=True) if arrays else frame

    def _tail(self, frame: pl.DataFrame, needs: Needs, scaled: bool) -> Iterator[dict[str, Any]]:
        """Yield the transforms that stand at the end; each goes by the columns as they were before the first of them."""
        named: dict[str, list[str]] = {"category": [], "boolean": [], "number": []}
        for name, kind in types_of(frame).items():
            named[kind].append(name)
        if not needs.missing:
            for kind, fill in (("boolean", "most_frequent"), ("number", "median")):
                missing = [name for name in named[kind] if name not in self._whole]
                if missing:
                    yield {"kind": "impute", "with": fill, "columns": missing}
        apart = [name for name in named["number"] if name not in self._on_one_scale]
        if needs.scale and not scaled and apart:
            yield {"kind": "scale", "columns": apart}
        if named["category"]:
            way = "one_hot" if needs.categories == "one_hot" else "ordinal"
            yield {"kind": "encode", "with": way, "columns": named["category"], "max_categories": needs.max_categories}

    def _frequent_enough(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Leave out categories none of whose values occurs often enough to have a column of its own: identifiers, free text."""
        least = load({"kind": "encode"}).min_frequency  # type: ignore[attr-defined]
        for name, kind in types_of(frame).items():
            if kind != "category":
                continue
            counts = frame[name].value_counts()["count"]
            if (counts < least).all():
                self.left_out_[name] = f"{len(counts)} values in {frame.height} training rows, none in {least} of them"
        return frame.drop(*(name for name in self.left_out_ if name in frame.columns))

    def _needed(self, fields: Mapping[str, Field]) -> set[str]:
        """Return the raw columns that a prediction depends on, and have steps that drop columns drop only what is there."""
        alive = set(self.feature_names_)
        for step in reversed(self.steps_):
            if alive.intersection(step.gives):
                alive = (alive - set(step.gives)) | set(step.takes)
        needed = alive.intersection(fields)
        there, steps = set(needed), []
        for step in self.steps_:  # a step that drops columns drops those that will still be there
            takes = step.takes if step.gives else [name for name in step.takes if name in there]
            there = (there - set(takes)) | set(step.gives)
            if takes:
                steps.append(replace(step, takes=takes))
        self.steps_ = steps
        return needed

    def _why_none(self) -> str:
        told = "; ".join(f"{name}: {reason}" for name, reason in self.left_out_.items())
        return told or "every column has a role that is no feature, or was dropped"


def replaced(frame: pl.DataFrame, takes: Sequence[str], made: pl.DataFrame, route: Route = ()) -> pl.DataFrame:
    """Return the frame with what a transform made in the place of what it took; columns of the same name keep their position."""
    given, taken = frozenset(made.columns), frozenset(takes)  # thousands of them, in an image
    rest = frame.drop(*(name for name in takes if name not in given))
    double = sorted(given.intersection(rest.columns) - taken)
    if double:
        message = f"two features are called {double[0]!r}"
        raise Problem(Finding("duplicate-feature", message, route, help="rename the column, or what your transform gives"))
    return rest.with_columns(made.get_columns())
