"""Ensembles of trees: their arrays, and what is made of the sum of their leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlspec.lowering.columns import Columns
from mlspec.lowering.linear import probabilities
from mlspec.tensor.program import Array, Value
from mlspec.tensor.trees import MOST, Tree, at_most, joined, meant, meant_at_most

Double = np.dtype(np.float64)
Single = np.dtype(np.float32)
ROUNDED = {Single: at_most, Double: meant_at_most}
"""How a threshold becomes a float32, by the precision in which the source model compares."""


def summed(columns: Columns, trees: Sequence[Tree], outputs: int, seen_as: np.dtype[Any], extra: Sequence[Value] = ()) -> Value:
    """The sum of the trees' leaves. `seen_as` is the precision in which the source model compares a feature.

    Trees number the features in their order, and go on with the columns of `extra`. A feature that is a bent function of a raw
    number (scaled, or its logarithm) would be rounded in float32 and send rows to another leaf: the thresholds are brought back
    to the raw number instead, where the comparison is exact.
    """
    now = [columns.now[name] for name in columns.featurizer.feature_names_]
    bent = {place for place, one in enumerate(now) if one.bent and one.follows}
    if not bent:
        x = columns.program.concat([columns.features, *extra])
        near = [replace(one, threshold=ROUNDED[seen_as](one.threshold)) for one in trees]
        return columns.program.add("trees", x, trees=joined(near, outputs))
    raw = columns.program.width
    kept = [place for place in range(len(now)) if place not in bent]
    parts = [columns.program.input, *([columns.gathered([now[place] for place in kept])] if kept else []), *extra]
    places = {place: raw + index for index, place in enumerate(kept)}
    places |= {place: columns.places[now[place].follows] for place in bent}
    width = raw + len(kept)
    places |= {len(now) + index: width + index for index in range(sum(one.width for one in extra))}
    whole = _Unbent(columns, trees, bent, seen_as)
    unbent = joined([whole.tree(one, places) for one in trees], outputs)
    return columns.program.add("trees", columns.program.concat(parts), trees=unbent)


class _Unbent:
    """Thresholds on bent features as thresholds on the raw numbers that these follow."""

    def __init__(self, columns: Columns, trees: Sequence[Tree], bent: set[int], seen_as: np.dtype[Any]) -> None:
        self.rounded = ROUNDED[seen_as]
        self.missing: dict[int, float] = {}
        self.found: dict[tuple[int, float], float] = {}
        names = columns.featurizer.feature_names_
        for place in sorted(bent):
            wanted = {float(one) for tree in trees for one in tree.threshold[(tree.left >= 0) & (tree.feature == place)]}
            if wanted:
                self._search(columns, place, names[place], np.array(sorted(wanted)), seen_as)

    def _search(self, columns: Columns, place: int, name: str, thresholds: Array, seen_as: np.dtype[Any]) -> None:
        """Find for each threshold the largest float32 that the featurizer brings to at most it: halving finds it in 33 steps."""

        def low_enough(raw: Array) -> Array:
            # a logarithm is not defined below -1: what is there is as low as can be
            safe = np.maximum(meant(raw), lowest)
            found: Array = columns.transformed(name, safe).astype(seen_as) <= thresholds
            return found | (raw < lowest)

        self.missing[place] = float(columns.transformed(name, np.array([np.nan]))[0].astype(seen_as))
        lowest = -float(MOST) if _defined(columns, name, -1e30) else float(np.nextafter(np.float32(-1), np.float32(0)))
        low, high = np.full(len(thresholds), _key(-MOST)), np.full(len(thresholds), _key(MOST))
        for _ in range(33):
            middle = (low + high) // 2
            below = low_enough(_number(middle))
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        for threshold, raw in zip(thresholds, _number(low), strict=True):
            self.found[place, float(threshold)] = float(raw)

    def tree(self, tree: Tree, places: dict[int, int]) -> Tree:
        threshold, left = self.rounded(tree.threshold), np.array(tree.missing_left, dtype=bool)
        feature = np.array(tree.feature)
        for node in np.flatnonzero(tree.left >= 0):
            place, wanted = int(tree.feature[node]), float(tree.threshold[node])
            feature[node] = places[place]
            if place in self.missing:
                threshold[node] = self.found[place, wanted]
                if not np.isnan(self.missing[place]):
                    left[node] = self.missing[place] <= wanted
        return replace(tree, feature=feature, threshold=threshold, missing_left=left)


def _defined(columns: Columns, name: str, number: float) -> bool:
    from mlspec.diagnostic import Problem

    try:
        columns.transformed(name, np.array([number]))
    except Problem:
        return False
    return True


def _key(number: Any) -> int:
    """Float32 numbers in their order as whole numbers without gaps."""
    bits = int(np.asarray(number, dtype=np.float32).view(np.int32))
    return -(bits & 0x7FFFFFFF) if bits < 0 else bits


def _number(keys: Array) -> Array:
    bits = np.where(keys < 0, (-keys) | 0x80000000, keys).astype(np.uint32)
    return bits.view(np.float32)


def of_sklearn(tree: Any, value: Callable[[Array], Array]) -> Tree:
    """A tree of scikit-learn's forests and gradient boosting; `value` makes a leaf's numbers of those in the tree."""
    missing = getattr(tree, "missing_go_to_left", np.zeros(tree.node_count))
    return Tree(
        tree.feature,
        tree.threshold,
        tree.children_left,
        tree.children_right,
        np.asarray(missing, dtype=bool),
        value(tree.value[:, 0, :]),
    )


def forest(columns: Columns, estimator: Any) -> Value:
    """The mean of the trees; those of a classifier hold counts, or shares, of classes."""
    count, classes = len(estimator.estimators_), hasattr(estimator, "classes_")

    def value(held: Array) -> Array:
        shares: Array = held / held.sum(axis=1, keepdims=True) if classes else held
        return shares / count

    trees = [of_sklearn(one.tree_, value) for one in estimator.estimators_]
    return summed(columns, trees, trees[0].value.shape[1], Single)


def hist_gradient_boosting(columns: Columns, estimator: Any) -> Value:
    """What all trees add to the baseline, and what the loss makes of it."""
    sets = _Sets(columns, estimator)
    trees = [sets.tree(one) for each in estimator._predictors for one in each]
    total = summed(columns, trees, len(estimator._predictors[0]), Double, sets.columns())
    margins = columns.program.add("add", total, columns.program.row(np.asarray(estimator._baseline_prediction)))
    if hasattr(estimator, "classes_"):
        return probabilities(columns.program, margins)
    return columns.program.add("exp", margins) if estimator.loss in ("poisson", "gamma") else margins


class _Sets:
    """Splits of codes by sets. Each set is a column of its own: 0 for the codes that go left, 1 for the others.

    scikit-learn has the columns of codes first, and numbers the codes that it has seen.
    """

    def __init__(self, columns: Columns, estimator: Any) -> None:
        self.program, self.all = columns.program, columns
        coded = estimator.is_categorical_
        count = len(columns.featurizer.feature_names_)
        codes = np.flatnonzero(coded) if coded is not None else np.zeros(0, dtype=int)
        self.order = np.concatenate([codes, np.setdiff1d(np.arange(count), codes)])
        encoder = estimator._preprocessor.named_transformers_["encoder"] if len(codes) else None
        self.seen = [np.asarray(one, dtype=float) for one in encoder.categories_] if encoder is not None else []
        self.first = count
        self.sets: dict[tuple[int, bytes], int] = {}

    def tree(self, predictor: Any) -> Tree:
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        feature, threshold = self.order[nodes["feature_idx"].astype(np.int64)], nodes["num_threshold"].copy()
        for node in np.flatnonzero(nodes["is_categorical"] & ~leaf):
            mapped = int(nodes["feature_idx"][node])
            feature[node] = self._set(mapped, predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]], nodes[node])
            threshold[node] = 0.5
        left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
        return Tree(feature, threshold, left, right, nodes["missing_go_to_left"].astype(bool), nodes["value"] * leaf)

    def _set(self, mapped: int, bits: Array, node: Any) -> int:
        """The number of the column that tells what a node does with each code, and with none."""
        seen = self.seen[mapped]
        seen = seen[~np.isnan(seen)]
        away = float(not node["missing_go_to_left"])
        table = np.full(int(seen.max()) + 2 if len(seen) else 1, away)  # the last place is for a missing one
        for number, code in enumerate(seen):
            table[int(code)] = float(not (int(bits[number // 32]) >> (number % 32)) & 1)
        return self.first + self.sets.setdefault((mapped, table.tobytes()), len(self.sets))

    def columns(self) -> list[Value]:
        made: list[tuple[Value, int]] = [(self.program.input, 0)] * len(self.sets)
        for mapped in sorted({mapped for mapped, _ in self.sets}):
            mine = [(content, place) for (which, content), place in self.sets.items() if which == mapped]
            table = np.stack([np.frombuffer(content) for content, _ in mine], axis=1)
            name = self.all.featurizer.feature_names_[self.order[mapped]]
            code = self.all.gathered([self.all.now[name]])
            known = self.program.add("where", self.program.missing(code), self.program.row([len(table) - 1]), code)
            found = self.program.add("lookup", self.program.constant(table), self.program.add("cast", known, type="int32"))
            value = self.program.add("reshape", found, shape=(len(mine),))
            for index, (_, place) in enumerate(mine):
                made[place] = (value, index)
        return [self.program.gathered(made)] if made else []


ESTIMATORS = {
    "RandomForestClassifier": forest,
    "RandomForestRegressor": forest,
    "ExtraTreesClassifier": forest,
    "ExtraTreesRegressor": forest,
    "HistGradientBoostingClassifier": hist_gradient_boosting,
    "HistGradientBoostingRegressor": hist_gradient_boosting,
}
