"""Programs as C: compiled here and run, on this machine and on an emulated Cortex-M4, against what the program means."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import datasets

from mlspec import families
from mlspec.diagnostic import Problem
from mlspec.lowering import lowered
from mlspec.runtime import fitting
from mlspec.runtime.featurizer import Featurizer
from mlspec.tensor import c, c_text, c_trees, layers
from mlspec.tensor import program as tensor
from mlspec.tensor.program import OPERATIONS, Program, Value, run
from mlspec.tensor.trees import MOST, Tree, Trees, joined, walked

FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2"]
Predict = Callable[[Any], Any]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc")]


def compiled(files: dict[str, str], folder: Path, name: str, outputs: int) -> Predict:
    for file, text in files.items():
        (folder / file).write_text(text)
    library = folder / "model.so"
    done = subprocess.run(
        ["gcc", *FLAGS, "-fPIC", "-shared", "model.c", "-o", library, "-lm"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    predict = getattr(ctypes.CDLL(str(library)), f"{name}_predict")
    floats = ctypes.POINTER(ctypes.c_float)

    def of(rows: Any) -> Any:
        rows, found = np.ascontiguousarray(rows, dtype=np.float32), np.full((len(rows), outputs), 7, dtype=np.float32)
        for row, made in zip(rows, found, strict=True):
            assert predict(row.ctypes.data_as(floats), made.ctypes.data_as(floats)) == 0
        return found

    return of


@pytest.fixture
def in_c(tmp_path: Path) -> Iterator[Callable[[Program], Predict]]:
    made = 0

    def of(program: Program) -> Predict:
        nonlocal made
        made += 1
        folder = tmp_path / str(made)  # a library that is loaded must not be written over
        folder.mkdir()
        return compiled(c.written(program, "m", {}), folder, "m", int(np.prod(program.output.shape[1:])))  # type: ignore[union-attr]

    return of


def bits(numbers: Any) -> Any:
    return np.ascontiguousarray(numbers, dtype=np.float32).view(np.uint32)


def same(one: Any, other: Any) -> bool:
    """To the bit, but for what a NaN holds."""
    return bool(((bits(one) == bits(other)) | (np.isnan(one) & np.isnan(other))).all())


def walked_in_float32(x: Any, trees: Trees) -> Any:
    """Each row from root to leaf, comparing in float32; leaves are summed in float32 from 0 on, in the trees' order."""
    sums = np.zeros((len(x), trees.outputs), dtype=np.float32)
    leaves, values = trees.leaves, trees.value.astype(np.float32)
    for row, total in zip(x, sums, strict=True):
        for tree, root in enumerate(trees.roots):
            node = root
            while not leaves[node]:
                number = row[trees.feature[node]]
                left = trees.missing_left[node] if np.isnan(number) else number <= trees.threshold[node]
                node = trees.left[node] + (not left)
            if values.ndim == 2:
                total += values[node]
            else:
                total[tree % trees.outputs] += values[node]
    return sums


def ensemble(trees: Trees, width: int) -> Program:
    program = Program(width)
    program.output = program.add("trees", program.input, trees=trees)
    return program


# fitted models

SCALED: list[dict[str, Any]] = [{"kind": "scale"}]
MODELS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], Callable[[], Any], str]] = {
    "forest": ({"kind": "sklearn.random_forest", "params": {"n_estimators": 12, "max_depth": 8}}, [], datasets.load_digits, "classification"),
    "deep forest": ({"kind": "sklearn.random_forest", "params": {"n_estimators": 8}}, SCALED, datasets.load_diabetes, "regression"),
    "extra trees": ({"kind": "sklearn.extra_trees", "params": {"n_estimators": 10}}, [], datasets.load_wine, "classification"),
    "boosting": ({"kind": "sklearn.hist_gradient_boosting", "params": {"max_iter": 10}}, [], datasets.load_breast_cancer, "classification"),
    "boosting, 3 classes": ({"kind": "sklearn.hist_gradient_boosting", "params": {"max_iter": 10}}, [], datasets.load_wine, "classification"),
    "logistic regression": ({"kind": "sklearn.logistic_regression"}, SCALED, datasets.load_breast_cancer, "classification"),
    "ridge": ({"kind": "sklearn.ridge"}, SCALED, datasets.load_diabetes, "regression"),
    "network": ({"kind": "sklearn.mlp", "params": {"hidden_layer_sizes": [16, 8], "max_iter": 40, "activation": "tanh"}}, SCALED, datasets.load_wine, "classification"),
    "rectified network": ({"kind": "sklearn.mlp", "params": {"hidden_layer_sizes": [12], "max_iter": 40}}, SCALED, datasets.load_iris, "classification"),
    "naive Bayes": ({"kind": "sklearn.naive_bayes"}, [], datasets.load_iris, "classification"),
    "support vectors": ({"kind": "sklearn.svm"}, SCALED, datasets.load_iris, "classification"),
}  # fmt: skip


def fitted(model: dict[str, Any], transforms: list[dict[str, Any]], frame: pl.DataFrame, y: Any, task: str) -> Any:
    target = {"kind": task, "target": "y"}
    family = families.load(model, task)
    featurizer = Featurizer(transforms, {"y": {"role": "target"}}, target, asdict(family.needs()), 0)
    made = fitting.fit(family, target, 0, featurizer, featurizer.fit_transform(frame, y), y)
    return lowered(made)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_a_fitted_model_gives_in_c_what_its_program_means(name: str, in_c: Callable[[Program], Predict]) -> None:
    model, transforms, load, task = MODELS[name]
    data = load()
    y = data.target.astype(str) if task == "classification" else data.target.astype(float)
    frame = pl.DataFrame({f"f{place}": column for place, column in enumerate(data.data.T)})
    low = fitted(model, transforms, frame, y, task)
    rows = data.data[::3, [int(one.name[1:]) for one in low.inputs]].astype(np.float32)
    meant, found = run(low.program, rows), in_c(low.program)(rows)
    assert np.abs(found - meant).max() <= 1e-6 * max(1, np.abs(meant).max())
    last = low.program.nodes[-1]
    assert (last.operation == "trees") == (name in {"forest", "deep forest", "extra trees"})
    if last.operation == "trees":
        assert same(found, walked_in_float32(run_up_to(low.program, rows), last.settings["trees"]))


def run_up_to(program: Program, rows: Any) -> Any:
    """What the last operation takes."""
    before = Program(program.width, program.nodes[:-1], program.constants, program.nodes[-1].takes[0])
    return run(before, rows)


@pytest.mark.filterwarnings("ignore")
def test_codes_and_missing_values_go_where_the_model_sends_them(in_c: Callable[[Program], Predict]) -> None:
    draw = np.random.default_rng(0)
    words, size = np.array(["a", "b", "c", "d", "e"]), 400
    code = draw.integers(0, 5, size)
    number = np.where(draw.random(size) < 0.2, np.nan, draw.normal(size=size).round(2))
    other = np.where(draw.random(size) < 0.2, np.nan, draw.lognormal(size=size).round(2))
    y = np.where(np.nan_to_num(number) + (code % 2) + np.isnan(other) > 0.5, "yes", "no")
    word = [None if draw.random() < 0.1 else str(words[one]) for one in code]
    frame = pl.DataFrame({"word": word, "number": pl.Series(number).fill_nan(None), "other": pl.Series(other).fill_nan(None)})
    for model, transforms in (
        ({"kind": "sklearn.hist_gradient_boosting", "params": {"max_iter": 12}}, []),
        ({"kind": "sklearn.random_forest", "params": {"n_estimators": 9}}, [{"kind": "scale", "columns": ["number"]}]),
        (
            {"kind": "sklearn.logistic_regression"},
            [{"kind": "impute", "add_indicator": True}, {"kind": "encode", "with": "target"}],
        ),
    ):
        low = fitted(model, transforms, frame, y, "classification")  # type: ignore[arg-type]
        columns = {"number": number, "other": other}
        for one in low.inputs:
            if one.type == "category":
                columns[one.name] = np.array([np.nan if word is None else one.values.index(word) for word in frame[one.name]])
        rows = np.stack([columns[one.name] for one in low.inputs], axis=1).astype(np.float32)
        rows[::7, [one.type == "category" for one in low.inputs]] = -1
        meant, found = run(low.program, rows), in_c(low.program)(rows)
        assert np.abs(found - meant).max() <= 1e-6
        assert np.isnan(rows).any()


# ensembles of trees

EDGES = np.array([0.0, -0.0, 1e-45, -1e-45, 1.1754944e-38, -1e-39, 1.0, -1.0, MOST, -MOST, 0.1, 3.5], dtype=np.float32)


def a_tree(draw: np.random.Generator, features: int, size: int, values: Callable[[], Any], chain: float) -> Tree:
    """A random tree of about `size` inner nodes; `chain` is how often the newest leaf is the one to be split."""
    rows: list[list[Any]] = [[0, 0.0, -1, -1, False, values()]]
    leaves = [0]
    for _ in range(size):
        node = leaves.pop(-1 if draw.random() < chain else int(draw.integers(len(leaves))))
        threshold = draw.choice(EDGES) if draw.random() < 0.5 else draw.normal()
        rows[node][:5] = [int(draw.integers(features)), float(threshold), len(rows), len(rows) + 1, bool(draw.integers(2))]
        leaves += [len(rows), len(rows) + 1] if draw.random() < 0.5 else [len(rows) + 1, len(rows)]
        rows += [[0, 0.0, -1, -1, False, values()] for _ in range(2)]
    return Tree(*(np.array(column) for column in zip(*rows, strict=True)))


def some_rows(draw: np.random.Generator, count: int, features: int, trees: Trees) -> Any:
    """Rows with numbers on thresholds, next to them, at the ends of float32, and none."""
    near = np.concatenate([trees.threshold, np.nextafter(trees.threshold, MOST), np.nextafter(trees.threshold, -MOST), EDGES])
    pool = np.concatenate([near, draw.normal(size=50).astype(np.float32), [np.nan] * 9, [np.inf, -np.inf]])
    return draw.choice(pool.astype(np.float32), size=(count, features))


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    features=st.sampled_from([1, 2, 5, 60, 300]),
    sizes=st.lists(st.sampled_from([0, 1, 2, 9, 40, 300]), min_size=1, max_size=6),
    outputs=st.integers(1, 4),
    together=st.booleans(),
    few=st.booleans(),
    way=st.sampled_from([None, True, False]),
    chain=st.sampled_from([0.0, 0.9, 1.0]),
)
def test_any_ensemble_is_walked_to_the_bit(
    seed: int, features: int, sizes: list[int], outputs: int, together: bool, few: bool, way: bool | None, chain: float, in_c: Any
) -> None:
    draw = np.random.default_rng(seed)
    count = outputs if together else 1
    if not together:
        sizes = sizes * outputs  # trees take turns

    def values() -> Any:
        made = (
            draw.choice([0.0, 0.1, -0.0, 1e-42, 3.0], size=count) if few else draw.normal(size=count) * (draw.random(count) < 0.5)
        )
        return made if together else made[0]

    trees = joined([a_tree(draw, features, size, values, chain) for size in sizes], outputs)
    if way is not None:
        trees.missing_left[:] = way
    rows = some_rows(draw, 60, features, trees)
    program = ensemble(trees, features)
    assert same(in_c(program)(rows), walked_in_float32(rows, trees))


def test_leaves_that_share_rows_or_numbers_or_are_mostly_0_come_out_alike(in_c: Callable[[Program], Predict]) -> None:
    draw, ways = np.random.default_rng(5), set()
    pool = draw.normal(size=9)
    for make in (
        lambda: draw.normal(size=6),
        lambda: [0.25, 1, 2, 3, 4, 5] if draw.random() < 0.5 else [5, 4.5, 3.5, 2.5, 1.5, 0.5],
        lambda: draw.choice(pool, size=6),
        lambda: np.where(np.arange(6) == draw.integers(6), draw.normal(), 0),
        lambda: np.where(np.arange(6) == draw.integers(6), draw.integers(90), 0),
    ):
        trees = joined([a_tree(draw, 3, 200, make, 0.2) for _ in range(3)], 6)
        ways.add(c_trees.Leaves(trees).way)
        rows = some_rows(draw, 50, 3, trees)
        assert same(in_c(ensemble(trees, 3))(rows), walked_in_float32(rows, trees))
    assert ways == {"plain", "rows", "numbers", "sparse", "sparse_numbers"}


def test_layouts_of_every_width_agree(in_c: Callable[[Program], Predict]) -> None:
    """Ranks of one and of two bytes, nodes of one to five bytes, a swapped chain, thresholds without ranks."""
    draw, seen = np.random.default_rng(8), set()
    for features, sizes, spread, chain in (
        (1, [3], 3, 0),
        (2, [300] * 3, 0, 0),
        (1, [900], 900, 1),
        (700, [30_000], 60, 0),
        (90, [60] * 30, 4, 0.1),
    ):
        built = [a_tree(draw, features, size, draw.normal, chain) for size in sizes]
        if spread:
            for one in built:
                one.threshold[:] = draw.integers(0, spread, len(one.threshold)) / 8
        trees = joined(built, 1)
        layout = c_trees.Ensemble(trees, "t", c_text.Tables()).layout
        seen |= {("ranked", layout.ranked), ("swapped", layout.swap), ("bytes", layout.record)}
        rows = draw.choice(np.append(np.arange(-1, spread + 9) / 8, [np.nan, np.inf]), size=(40, features)).astype(np.float32)
        assert same(in_c(ensemble(trees, features))(rows), walked_in_float32(rows, trees))
    assert {("ranked", True), ("ranked", False), ("swapped", True), ("swapped", False), ("bytes", 1), ("bytes", 4)} <= seen, seen


def test_keys_rise_as_numbers_rise() -> None:
    draw = np.random.default_rng(1)
    numbers = np.sort(np.append(draw.integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32), EDGES))
    numbers = numbers[~np.isnan(numbers)]
    found = c_trees.keys(numbers)
    assert ((np.diff(found) > 0) == (np.diff(numbers.astype(np.float64)) > 0)).all()
    assert (np.diff(found) >= 0).all()


def test_small_boosted_trees_take_few_bytes_a_node() -> None:
    draw = np.random.default_rng(2)
    built = [a_tree(draw, 20, 31, draw.normal, 0.0) for _ in range(100)]
    for one in built:
        one.threshold[:] = draw.integers(0, 200, len(one.threshold)) / 16
    size = c.estimated(ensemble(joined(built, 1), 20))
    assert size.flash < 5 * 100 * 63
    assert size.ram == 20


# operations one by one


def of(operation: str, width: int, *takes: Any, **given: Any) -> Program:
    """A program of one operation, whose output is brought to numbers."""
    program = Program(width)
    values = [one(program) if callable(one) else one for one in takes]
    made = program.add(operation, *values, **given)
    program.output = made if made.type == "float32" else program.number(made)
    return program


def x(program: Program) -> Any:
    return program.input


def half(program: Program) -> Any:
    return program.columns(program.input, [3, 4, 5])


def first(program: Program) -> Any:
    return program.columns(program.input, [0])


def row(*numbers: float) -> Callable[[Program], Any]:
    return lambda program: program.row(numbers)


def constant(numbers: Any, kind: Any = "float32") -> Callable[[Program], Any]:
    return lambda program: program.constant(np.array(numbers), kind)


def truth(program: Program) -> Any:
    return program.add("greater", program.input, program.row([0.5]))


def places(program: Program) -> Any:
    size = program.add("abs", program.input)
    return program.add("cast", program.add("min", size, program.row([3.0])), type="int32")


def cube(program: Program) -> Any:
    return program.add("reshape", program.input, shape=(3, 2))


Build = Callable[[Program, Value], Value]


def shaped(shape: tuple[int, ...], build: Build) -> Program:
    """A program whose input is rows of as many numbers as the shape has; `build` sees them in that shape."""
    program = Program(int(np.prod(shape)))
    made = build(program, program.reshape(program.input, *shape))
    program.output = made if made.type == "float32" else program.number(made)
    return program


def some(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def above(p: Program, x: Value, number: float = 0.5) -> Value:
    return p.add("greater", x, p.constant([number]))


def whole(p: Program, x: Value) -> Value:
    return p.add("cast", p.add("mul", x, p.constant([9.0])), type="int32")


IMAGE, WIDE, STEPS = (7, 5, 3), (9, 6, 4), (6, 4)
TABLE = np.arange(12).reshape(4, 3) * 0.7
SIX = np.array(
    [[0.5, -1.5, 0.0, 2.25, -0.25, 7.0], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [-3, 3, -3, 3, 1e-3, 100], [1e-40, -0.0, 0, 1, 2, 3]]
)
CASES: dict[str, list[Program]] = {
    "dense": [of("dense", 6, x, constant(np.cos(np.arange(12)).reshape(2, 6)), constant(shift), activation=kind) for kind in (None, "relu") for shift in ([0.5, -2], [0, 0])]
    + [of("dense", 6, x, constant([[1, 0, -1, 0, 2, 100]]), constant([1]), activation=None)],
    "columns": [of("columns", 6, x, constant(w, "int32")) for w in ([5, 0, 0], [2], [1, 2, 3], [4, 4])],
    "concat": [of("concat", 6, x, first), of("concat", 6, half, lambda p: p.add("exp", first(p)), x)],
    "lookup": [of("lookup", 6, constant(TABLE[:, 0]), places), of("lookup", 6, constant(np.arange(4) * 3), places), of("lookup", 6, constant(np.full(4, 2.5)), places), of("lookup", 6, constant(range(4), "int32"), places)],
    "pick": [of("pick", 6, x, places)],
    "sum": [of("sum", 6, x), of("sum", 6, places), of("sum", 6, lambda p: p.add("mul", x(p), row(*SIX[0])(p)))],
    "reshape": [of("reshape", 6, x, shape=(6,))],
    "cast": [of("cast", 6, truth, type="float32"), of("cast", 6, x, type="int32"), of("cast", 6, truth, type="int32"), of("cast", 6, places, type="float32"), of("cast", 6, x, type="float32"), of("cast", 6, x, type="bool"), of("cast", 6, places, type="bool")],
    "softmax": [of("softmax", 6, x), of("softmax", 6, lambda p: p.add("sub", x(p), first(p)))],
    "not": [of("not", 6, truth)],
    "and": [of("and", 6, truth, lambda p: p.add("less", x(p), p.row([2.0])))],
    "where": [of("where", 6, truth, x, row(9.5)), of("where", 6, truth, row(*range(6)), x), of("where", 6, truth, places, places)],
    "trees": [],  # see above
    "dense_each": [shaped(STEPS, lambda p, x: p.dense(x, some(5, 4), some(5), "relu")), shaped(IMAGE, lambda p, x: p.dense(x, some(2, 3))), shaped((3, 1, 4), lambda p, x: p.dense(x, np.rint(some(5, 4) * 9)))],
    "conv2d": [
        shaped(IMAGE, lambda p, x: p.conv2d(x, some(6, 3, 3, 3), some(6))),
        shaped(IMAGE, lambda p, x: p.conv2d(x, some(6, 3, 2, 3), some(6), (2, 2), activation="relu")),
        shaped(WIDE, lambda p, x: p.conv2d(x, some(5, 4, 3, 4), 0.0, (3, 2))),
        shaped(WIDE, lambda p, x: p.conv2d(x, some(5, 2, 2, 4), 0.0, (4, 3))),
        shaped(IMAGE, lambda p, x: p.conv2d(x, some(2, 3, 3, 3), some(2), (2, 1), "valid", "relu6")),
        shaped(IMAGE, lambda p, x: p.conv2d(x, some(8, 1, 1, 3), some(8))),
        shaped((2, 2, 1), lambda p, x: p.conv2d(x, some(3, 5, 5, 1))),
        shaped(WIDE, lambda p, x: p.add("relu", p.add("add", x, p.conv2d(p.conv2d(x, some(4, 3, 3, 4), activation="relu"), some(4, 3, 3, 4))))),
    ],
    "depthwise_conv2d": [
        shaped(IMAGE, lambda p, x: p.depthwise_conv2d(x, some(1, 3, 3, 3), some(3))),
        shaped(WIDE, lambda p, x: p.depthwise_conv2d(x, some(1, 3, 3, 4), some(4), (2, 2), activation="relu6")),
        shaped(WIDE, lambda p, x: p.depthwise_conv2d(x, some(1, 2, 4, 4), 0.0, (1, 2), "valid", "relu")),
        shaped((2, 2, 2), lambda p, x: p.depthwise_conv2d(x, some(1, 5, 5, 2))),
    ],
    **{name: [
        shaped(IMAGE, lambda p, x, name=name: p.pool(name, x, (3, 2), (2, 2), "same")),
        shaped(WIDE, lambda p, x, name=name: p.pool(name, x, (2, 2))),
        shaped(WIDE, lambda p, x, name=name: p.pool(name, x, (4, 3), (2, 1))),
        shaped((2, 3, 1), lambda p, x, name=name: p.pool(name, x, (2, 2), (1, 1), "same")),
    ] for name in ("max_pool", "average_pool")},
    "mean": [
        shaped(IMAGE, lambda p, x: p.mean(p.conv2d(x, some(4, 3, 3, 3)), (1, 2))),
        *(shaped(IMAGE, lambda p, x, axes=axes, keep=keep: p.mean(x, axes, keep=keep)) for axes in ((2,), (-1,), (1, 3), (1, 2, 3)) for keep in (True, False)),
        shaped(IMAGE, lambda p, x: p.mean(p.add("mul", x, p.constant(some(5, 1))), (-1,))),
        shaped(IMAGE, lambda p, x: p.mean(whole(p, x), (1,))),
        shaped(IMAGE, lambda p, x: p.mean(above(p, x), (1,))),
        shaped((5,), lambda p, x: p.mean(x, (1,))),
    ],
    "pad": [
        shaped(IMAGE, lambda p, x: p.pad(x, ((1, 2), (0, 1), (0, 0)))),
        shaped(IMAGE, lambda p, x: p.pad(p.add("exp", x), ((1, 0), (0, 0), (2, 1)))),
        shaped((5,), lambda p, x: p.pad(x, ((2, 1),))),
        *(shaped(STEPS, lambda p, x, kind=kind: p.pad(kind(p, x), ((0, 1), (1, 0)))) for kind in (whole, above)),
    ],
    "transpose": [
        *(shaped(IMAGE, lambda p, x, order=order: p.transpose(x, *order)) for order in ((0, 3, 1, 2), (0, 2, 1, 3), (0, 1, 3, 2), (0, 3, 2, 1))),
        shaped((2, 3, 2, 2), lambda p, x: p.transpose(p.add("mul", x, p.constant(some(3, 1, 2))), 0, 3, 1, 4, 2)),
        shaped((5, 1, 4), lambda p, x: p.add("exp", p.transpose(x, 0, 2, 1, 3))),
        *(shaped(STEPS, lambda p, x, kind=kind: p.transpose(kind(p, x), 0, 2, 1)) for kind in (whole, above)),
    ],
    "slice": [
        shaped((9,), lambda p, x: p.part(x, (2,), (5,))),
        shaped(WIDE, lambda p, x: p.part(p.add("tanh", x), (1, 2, 1), (6, 3, 2))),
        shaped(WIDE, lambda p, x: p.dense(p.reshape(p.part(x, (1, 2, 0), (1, 3, 4)), 12), some(3, 12))),
        shaped(STEPS, lambda p, x: p.part(p.dense(x, some(5, 4)), (4, 0), (2, 5))),
        shaped(STEPS, lambda p, x: p.part(whole(p, x), (0, 1), (6, 1))),
        shaped(STEPS, lambda p, x: p.part(p.add("add", p.constant(some(1, 6, 4)), x), (2, 3), (1, 1))),
    ],
    "matmul": [
        shaped(STEPS, lambda p, x: p.matmul(p.part(x, (0, 0), (2, 4)), p.part(x, (2, 0), (4, 4)))),
        shaped(STEPS, lambda p, x: p.matmul(x, p.part(x, (1, 0), (3, 4)), transposed=True)),
        shaped((3, 5, 4), lambda p, x: p.matmul(x, p.transpose(x, 0, 1, 3, 2))),
        shaped((3, 5, 4), lambda p, x: p.matmul(x, x, transposed=True)),
        shaped(STEPS, lambda p, x: p.matmul(x, p.constant(some(4, 7)))),
        shaped((3, 5, 4), lambda p, x: p.matmul(x, p.constant(some(7, 4)), transposed=True)),
    ],
    **{name: [of(name, 6, x), of(name, 6, lambda p: p.add("mul", x(p), p.row([0.3])))] for name in ("exp", "log", "abs", "tanh", "sigmoid", "relu", "relu6", "hard_swish", "sqrt", "rsqrt")},
    **{name: [of(name, 6, x, row(*SIX[1])), of(name, 6, x, first), of(name, 6, first, x), of(name, 6, half, row(0.25)), of(name, 6, x, x)] for name in ("add", "sub", "mul", "div", "min", "max", "equal", "less", "less_equal", "greater", "greater_equal")},
}  # fmt: skip
CASES["softmax"] += [
    shaped(STEPS, lambda p, x: p.add("softmax", x)),
    shaped(IMAGE, lambda p, x: p.add("softmax", p.conv2d(x, some(4, 3, 3, 3)))),
    shaped((1, 5), lambda p, x: p.add("softmax", x)),
]
CASES["columns"] += [
    shaped(IMAGE, lambda p, x: p.columns(p.add("exp", x), [2, 0, 0, 1])),
    shaped((1, 5), lambda p, x: p.columns(x, [1, 2])),
    shaped(STEPS, lambda p, x: p.columns(x, [3, 3])),
]
CASES["concat"] += [shaped(IMAGE, lambda p, x: p.concat([x, p.add("exp", x), p.pool("max_pool", x, (3, 3), (1, 1), "same")]))]
CASES["sum"] += [
    shaped(IMAGE, lambda p, x, kind=kind: p.add("sum", kind(p, x))) for kind in (whole, above, lambda p, x: p.add("abs", x))
]
CASES["div"] += [
    of("div", 6, x, lambda p: p.add("rsqrt", p.add("abs", x(p)))),
    of("div", 6, lambda p: p.add("rsqrt", p.add("abs", x(p))), x),
]
CASES["mul"] += [
    shaped(IMAGE, lambda p, x: p.add("mul", y := p.conv2d(x, some(4, 3, 3, 3)), p.add("sigmoid", p.mean(y, (1, 2), keep=True)))),
    *(
        shaped((2, 3, 4, 5), lambda p, x, shape=shape: p.add("mul", p.add("exp", x), p.constant(some(*shape))))
        for shape in ((5,), (4, 1), (3, 1, 1), (3, 4, 1), (3, 1, 5), (2, 1, 4, 1), (1, 2, 1, 1, 5), (2, 3, 1, 1))
    ),
    shaped((3, 4), lambda p, x: p.add("mul", p.part(x, (0, 0), (3, 1)), p.part(x, (2, 0), (1, 4)))),
]
CASES["min"] += [of("min", 6, places, places), of("min", 6, truth, truth)]
CASES["max"] += [of("max", 6, places, places)]
CASES["add"] += [of("add", 6, places, constant([[1, 2, 3, 4, 5, 600]], "int32")), of("add", 6, truth, truth)]
CASES["abs"] += [of("abs", 6, lambda p: p.add("sub", places(p), p.constant([[2]], "int32")))]


def test_every_operation_has_a_case() -> None:
    assert set(CASES) == set(OPERATIONS)


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - {"trees"}))
def test_an_operation_is_what_it_means(operation: str, in_c: Callable[[Program], Predict]) -> None:
    for program in CASES[operation]:
        given = SIX.astype(np.float32)
        if program.width != 6:
            given = np.random.default_rng(program.width).normal(size=(3, program.width)).astype(np.float32)
            check(program, in_c(program), given, 1e-5)
            if "cast" not in {node.operation for node in program.nodes}:
                given[1:, ::4] = np.nan  # in each row but the first, at other places of each window
                check(program, in_c(program), given, 1e-5)
            continue
        if operation not in {"cast", "lookup", "pick"} and all(
            one.operation != "cast" or one.settings["type"] != "int32" for one in program.nodes
        ):
            edges = [np.full(6, np.nan), [1, np.nan, -2, 3, np.inf, -np.inf]]
            given = np.vstack([given, *edges]).astype(np.float32)
        check(program, in_c(program), given, 1e-6)


def check(program: Program, found: Predict, rows: Any, off: float) -> None:
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(found(rows), run(program, rows).reshape(len(rows), -1), rtol=off, atol=off)


def test_what_is_wider_than_a_row_is_computed_in_place(in_c: Callable[[Program], Predict]) -> None:
    """Three axes: sums over the second one, columns and parts of the last one, operands that are spread over one of them."""
    rows, made = SIX.astype(np.float32), []
    program = Program(6)
    spread = program.add("mul", cube(program), program.constant([[[2.0], [3.0], [4.0]]]))
    made.append(program.add("sum", program.add("add", spread, program.constant([[[0.5, -0.5]]]))))
    made.append(program.add("reshape", program.columns(spread, [1, 0, 1]), shape=(9,)))
    made.append(program.add("reshape", program.concat([spread, cube(program)]), shape=(12,)))
    table = program.add("lookup", program.constant(TABLE), places(program))
    made += [program.add("reshape", table, shape=(18,)), program.add("sum", table)]
    program.output = program.concat(made)
    np.testing.assert_allclose(in_c(program)(rows), run(program, rows), rtol=1e-6, atol=1e-5)


def test_a_walk_of_gathers_gives_the_same_bits(in_c: Callable[[Program], Predict]) -> None:
    draw = np.random.default_rng(3)
    for outputs, count in ((1, 1), (3, 3), (3, 1)):
        trees = joined([a_tree(draw, 4, 12, lambda count=count: draw.normal(size=count) if count > 1 else draw.normal(), 0.0) for _ in range(6)], outputs)  # fmt: skip
        rows = some_rows(draw, 60, 4, trees)
        rows = rows[~np.isinf(rows).any(axis=1)]  # in gathers an infinite number goes on behind a leaf
        program = ensemble(trees, 4)
        assert same(in_c(walked(program))(rows), in_c(program)(rows))


def test_buffers_are_used_again_and_hold_what_is_still_read(in_c: Callable[[Program], Predict]) -> None:
    draw = np.random.default_rng(4)
    for _ in range(10):
        program = Program(5)
        known = [program.input]
        for _ in range(25):
            one, other = (known[int(draw.integers(max(0, len(known) - 6), len(known)))] for _ in range(2))
            kind = draw.choice(["add", "sub", "min", "tanh", "columns", "dense", "softmax", "first", "where"])
            if kind in ("add", "sub", "min"):
                made = program.add("tanh", program.add(kind, one, other))
            elif kind == "columns":
                made = program.columns(one, draw.integers(0, 5, 5))
            elif kind == "dense":
                made = program.dense(one, draw.normal(size=(5, 5)))
            elif kind == "first":
                made = program.add("sub", one, program.columns(one, [int(draw.integers(5))]))
            elif kind == "where":
                made = program.add("where", program.add("less", one, other), other, program.row([0.5]))
            else:
                made = program.add(kind, one)
            known.append(made)
        program.output = program.concat(known[-3:])
        rows = draw.normal(size=(9, 5)).astype(np.float32)
        np.testing.assert_allclose(in_c(program)(rows), run(program, rows), rtol=1e-4, atol=1e-5)
        assert c.estimated(program).ram < 4 * 5 * 20


def test_images_and_sequences_share_buffers_too(in_c: Callable[[Program], Predict]) -> None:
    """Parts, other orders and means of what is still read, or is written over, or is computed where it is read."""
    draw, shape = np.random.default_rng(9), (4, 3, 2)
    ways: dict[str, Callable[[Program, Value, Value], Value]] = {
        "add": lambda p, x, y: p.add("add", x, p.add("tanh", y)),
        "turned": lambda p, x, y: p.add("sub", p.reshape(p.transpose(x, 0, 3, 1, 2), *shape), y),
        "convolved": lambda p, x, y: p.conv2d(x, draw.normal(size=(2, 3, 2, 2)) / 3, 0.1, activation="relu6"),
        "filtered": lambda p, x, y: p.depthwise_conv2d(p.add("tanh", x), draw.normal(size=(1, 2, 2, 2)) / 2, 0.1),
        "pooled": lambda p, x, y: p.pool("max_pool", x, (2, 2), (1, 1), "same"),
        "centred": lambda p, x, y: p.add("sub", x, p.mean(y, (int(draw.integers(1, 4)),), keep=True)),
        "moved": lambda p, x, y: p.part(p.pad(p.add("exp", p.add("min", x, y)), ((1, 0), (0, 2), (0, 0))), (0, 1, 0), shape),
        "halves": lambda p, x, y: p.reshape(p.concat([p.reshape(p.part(one, at, (2, 3, 2)), 12) for one, at in ((x, (2, 0, 0)), (y, (0, 0, 0)))]), *shape),
        "shares": lambda p, x, y: p.add("softmax", x),
        "products": lambda p, x, y: p.reshape(p.matmul(p.add("softmax", p.matmul(p.reshape(x, 2, 3, 4), p.reshape(y, 2, 3, 4), transposed=True)), p.reshape(y, 2, 3, 4)), *shape),
        "dense": lambda p, x, y: p.dense(x, draw.normal(size=(2, 2)), 0.5, "relu"),
        "summed": lambda p, x, y: p.add("mul", p.reshape(p.add("sum", p.add("mul", x, y)), 1, 3, 2), x),
    }  # fmt: skip
    for _ in range(12):

        def build(p: Program, x: Value) -> Value:
            known = [p.add("tanh", x), x]
            for name in draw.choice(list(ways), 20):
                one, other = (known[int(draw.integers(max(0, len(known) - 5), len(known)))] for _ in range(2))
                made = ways[name](p, one, other)
                known.append(p.add("tanh", made) if draw.random() < 0.7 else made)
            return p.concat(known[-3:])

        program = shaped(shape, build)
        rows = draw.normal(size=(7, 24)).astype(np.float32)
        check(program, in_c(program), rows, 2e-4)
        assert c.estimated(program).ram < 4 * 24 * 20


def test_a_long_chain_of_operations_is_not_one_expression(in_c: Callable[[Program], Predict]) -> None:
    program = Program(2)
    made = program.input
    for number in range(300):
        made = program.add("sub", made, program.row([number / 300]))
    program.output = made
    check(program, in_c(program), np.ones((2, 2)), 1e-5)
    lines = c.written(program, "m", {})["model.c"].splitlines()
    assert max(line.count("(") for line in lines) < 63
    assert c.estimated(program).ram == 8


def test_what_only_names_a_place_takes_none() -> None:
    """Gates of a recurrent layer, a single time step, axes of one number, an image as a row."""

    def build(p: Program, x: Value) -> Value:
        flat = p.reshape(p.transpose(p.reshape(x, 6, 1, 4), 0, 2, 1, 3), 24)
        parts = [p.part(flat, (start,), (6,)) for start in (0, 6, 12)]
        parts += [p.reshape(p.part(x, (2, 1), (1, 3)), 3)]
        return p.dense(p.concat(parts), some(1, 21))

    assert c.estimated(shaped(STEPS, build)).ram == 4 * 21


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda p, x: p.add("fourier", x), "the operation fourier"),
        (lambda p, x: p.add("dense_each", x, p.part(x, (0, 0), (4, 4)), p.constant([0.0] * 4), activation=None), "dense_each of numbers that are not known"),
        (lambda p, x: p.add("softmax", whole(p, x)), "softmax of int32 numbers"),
        (lambda p, x: p.add("pick", x, whole(p, x)), "pick of more than one axis"),
    ],
)  # fmt: skip
def test_what_c_cannot_hold_is_a_problem_that_names_it(build: Build, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tensor.OPERATIONS, "fourier", OPERATIONS["exp"])
    program = shaped(STEPS, build)
    for way in (lambda: c.written(program, "m", {}), lambda: c.estimated(program)):
        with pytest.raises(Problem, match=said) as caught:
            way()
        assert caught.value.faults[0].route == ("kind",)  # type: ignore[union-attr]


# networks


def transformer(p: Program, x: Value) -> Value:
    x = p.add("add", p.dense(x, some(8, x.width) / 3), p.constant(some(1, x.shape[1], 8)))
    seen = layers.attention(p, x, some(24, 8) / 3, some(24), some(8, 8) / 3, some(8), 2)
    x = layers.layer_norm(p, p.add("add", x, seen), some(8), some(8))
    y = p.dense(layers.gelu(p, p.dense(x, some(16, 8) / 3, some(16))), some(8, 16) / 4)
    return p.add("softmax", p.dense(p.mean(layers.layer_norm(p, p.add("add", x, y)), (1,)), some(5, 8)))


def recurrent(cell: Callable[..., list[Value]], gates: int) -> Build:
    def build(p: Program, x: Value) -> Value:
        states = cell(p, x, some(gates * 6, x.width) / 3, some(gates * 6, 6) / 3, some(gates * 6), some(gates * 6))
        back = cell(p, x, some(gates * 6, x.width) / 3, some(gates * 6, 6) / 3, go_backwards=True)
        return p.add("softmax", p.dense(p.concat([p.mean(layers.sequence(p, states), (1,)), back[0]]), some(5, 12)))

    return build


def convolutional(p: Program, x: Value) -> Value:
    x = p.conv2d(p.affine(x, np.full(1, 0.1), np.full(1, 0.5)), some(8, 3, 3, 1) / 3, some(8), activation="relu")
    x = p.pool("max_pool", x, (2, 2))
    y = p.conv2d(p.depthwise_conv2d(x, some(1, 3, 3, 8) / 3, some(8), activation="relu6"), some(8, 1, 1, 8) / 3, some(8))
    return p.add("softmax", p.dense(p.mean(p.add("hard_swish", p.add("add", x, y)), (1, 2)), some(5, 8)))


NETWORKS: dict[str, tuple[tuple[int, ...], Build]] = {
    "convolutional": ((8, 8, 1), convolutional),
    "lstm": ((8, 3), recurrent(layers.lstm, 4)),
    "gru": ((8, 3), recurrent(layers.gru, 3)),
    "transformer": ((6, 3), transformer),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_what_its_program_means(name: str, in_c: Callable[[Program], Predict]) -> None:
    program = shaped(*NETWORKS[name])
    check(program, in_c(program), some(50, program.width), 1e-5)
    size = c.estimated(program)
    held = {one.index for node in program.needed for one in node.takes if one.index in program.constants}
    assert size.tables <= sum(4 * program.constants[index].size for index in held) + 44 * 4
    most = max(int(np.prod(node.gives.shape[1:])) for node in program.needed)
    assert size.ram <= 4 * 4 * most


TRAINED: dict[str, dict[str, Any]] = {
    "torch.cnn": {},
    "torch.cnn, separable": {"separable": True, "head": "mean", "activation": "silu", "pool": "average"},
    "torch.mlp": {"norm": "layer", "activation": "gelu"},
    "torch.rnn, lstm": {"shape": [8, 8], "layers": 2},
    "torch.rnn, gru": {"shape": [8, 8], "cell": "gru", "head": "mean"},
    "torch.transformer": {"shape": [8, 8]},
}


@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_network_is_what_its_program_means(name: str, in_c: Callable[[Program], Predict]) -> None:
    pytest.importorskip("torch")
    data = datasets.load_digits()
    frame = pl.DataFrame({f"f{place}": column for place, column in enumerate(data.data.T)})
    model = {"kind": name.partition(",")[0], "params": {**TRAINED[name], "epochs": 1}}
    low = fitted(model, [], frame, data.target.astype(str), "classification")
    check(low.program, in_c(low.program), data.data[::9, [int(one.name[1:]) for one in low.inputs]], 1e-5)


def test_an_output_that_is_the_input_or_a_part_of_it_or_a_constant_is_copied(in_c: Callable[[Program], Predict]) -> None:
    rows = SIX.astype(np.float32)
    for make in (x, half, row(1, 2, 3.5)):
        program = Program(6)
        program.output = make(program)
        assert same(in_c(program)(rows), np.broadcast_to(run(program, rows), (len(rows), program.output.width)))


def test_a_number_outside_a_table_reads_its_end(in_c: Callable[[Program], Predict]) -> None:
    program = Program(1)
    code = program.add("cast", program.input, type="int32")
    program.output = program.add("lookup", program.constant([0.5, 1.5, 2.5]), code)
    found = in_c(program)(np.array([[-1e30], [-5], [0], [2], [3], [1e30], [np.nan], [np.inf]], dtype=np.float32))
    assert found.ravel().tolist() == [0.5, 0.5, 0.5, 2.5, 2.5, 2.5, 0.5, 2.5]


# text


def small() -> Program:
    program = Program(2)
    program.output = program.dense(program.input, [[0.1, 0.2]], [0.5])
    return program


HOSTILE = [
    "*/ int x; /*",
    "a\nb",
    "??/\n",
    "\\\n",
    "/*",
    "é",
    "\ud800",
    "",
    "int",
    "9lives",
    "_x",
    "__FILE__",
    'a"b',
    "%s{}",
    "x" * 5000,
    "\u202e",
    "#define a",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_never_becomes_code(text: str, tmp_path: Path) -> None:
    name = c.identifier(text)
    files = c.written(small(), text, {text: text, "b": text})
    assert all(re.fullmatch(r"[ -~\n]*", one) for one in files.values())
    found = compiled(files, tmp_path, name, 1)(np.ones((1, 2)))
    assert found[0, 0] == pytest.approx(0.8)


@given(st.text(max_size=200), st.text(max_size=200))
def test_comments_stay_comments(key: str, text: str) -> None:
    files, plain = c.written(small(), text, {key: text}), c.written(small(), text, {})
    for file, made in files.items():
        bare = re.sub(r"/\*.*?\*/", "", made, flags=re.DOTALL)
        assert bare == re.sub(r"/\*.*?\*/", "", plain[file], flags=re.DOTALL)
        assert made.count("*/") == plain[file].count("*/")
        assert made.count("/*") == plain[file].count("/*")
        assert made.isascii()
        assert max(map(len, made.splitlines())) < 200
    assert re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,50}", c.identifier(text))


def test_the_same_program_gives_the_same_bytes_and_says_what_it_takes() -> None:
    trees = joined([a_tree(np.random.default_rng(0), 3, 9, np.random.default_rng(1).normal, 0.0)], 1)
    one, other = (c.written(ensemble(trees, 3), "churn model", {"b": "2", "a": "1"}, 2) for _ in range(2))
    assert one == other
    header = one["model.h"]
    assert "#define CHURN_MODEL_INPUTS 3\n#define CHURN_MODEL_OUTPUTS 1\n#define CHURN_MODEL_CLASSES 2\n" in header
    assert header.index("a: 1") < header.index("b: 2")
    size = c.estimated(ensemble(trees, 3))
    assert f"Flash: {size.tables} bytes of tables" in header
    assert f"RAM: {size.ram} bytes" in header
    assert "math.h" not in one["model.c"]


def test_null_pointers_are_refused(tmp_path: Path) -> None:
    for file, text in c.written(small(), "m", {}).items():
        (tmp_path / file).write_text(text)
    subprocess.run(["gcc", *FLAGS, "-fPIC", "-shared", "model.c", "-o", "m.so"], cwd=tmp_path, check=True)
    predict = ctypes.CDLL(str(tmp_path / "m.so")).m_predict
    assert predict(None, None) == -1


def forest() -> Program:
    draw = np.random.default_rng(6)
    return ensemble(joined([a_tree(draw, 9, 40, lambda: draw.normal(size=3), 0.0) for _ in range(20)], 3), 9)


@pytest.mark.parametrize("name", ["trees", *NETWORKS])
def test_tables_and_buffers_take_what_is_stated(name: str, tmp_path: Path) -> None:
    program = forest() if name == "trees" else shaped(*NETWORKS[name])
    for file, text in c.written(program, "m", {}).items():
        (tmp_path / file).write_text(text)
    source, size = (tmp_path / "model.c").read_text(), c.estimated(program)
    checks = []
    for names, stated in (
        (re.findall(r"^static const [\w ]+ (table_\d+)\[\]", source, flags=re.MULTILINE), size.tables),
        (
            re.findall(r"^static (?:float|int32_t|uint8_t) (\w+)\[\d+\];", source, flags=re.MULTILINE),
            size.ram if name != "trees" else 0,
        ),
    ):
        checks.append(f"({' + '.join(f'sizeof {one}' for one in names) or 0}) == {stated}")
    wrong = f"static const int check[{' && '.join(checks)} ? 1 : -1] = {{0}};"
    (tmp_path / "model.c").write_text(source + wrong + "\nint used(void); int used(void) { return check[0]; }\n")
    subprocess.run(["gcc", *FLAGS, "-c", "model.c"], cwd=tmp_path, check=True)


# an emulated Cortex-M4

CORTEX = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Os", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
MAP = """
MEMORY { ROM (rx) : ORIGIN = 0, LENGTH = 4M  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 4M }
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) } > ROM
  .data : { *(.data*) } > RAM
  .bss : { *(.bss*) *(COMMON) } > RAM
  end = .;
}
"""
MAIN = """
#include <stdint.h>
#include "model.h"

void start(void);
const void *const vectors[2] __attribute__((section(".vectors"), used)) = {(void *)0x20100000, (void *)start};
static const uint32_t rows[][M_INPUTS] = {%s};

static void ask(int operation, const void *what)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = what;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

int main(void)
{
    static union { uint32_t bits[M_INPUTS]; float numbers[M_INPUTS]; } row;
    static union { uint32_t bits[M_OUTPUTS]; float numbers[M_OUTPUTS]; } made;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int j = 0; j < M_INPUTS; j++)
            row.bits[j] = rows[i][j];
        m_predict(row.numbers, made.numbers);
        for (int j = 0; j < M_OUTPUTS; j++) {
            char text[10];
            for (int k = 0; k < 8; k++)
                text[k] = "0123456789abcdef"[made.bits[j] >> (28 - 4 * k) & 15];
            text[8] = '\\n';
            text[9] = 0;
            ask(4, text);
        }
    }
    ask(24, (void *)0x20026);
    return 0;
}

void start(void)
{
    *(volatile uint32_t *)0xe000ed88 |= 0xf << 20; /* the floating-point unit is off after a reset */
    __asm__ volatile("dsb\\n\\tisb");
    main();
    for (;;)
        ;
}
"""
needs_arm = pytest.mark.skipif(
    not all(map(shutil.which, ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"))),
    reason="a Cortex-M4 needs gcc-arm-none-eabi, libnewlib-arm-none-eabi and qemu-system-arm",
)


def on_cortex(program: Program, rows: Any, folder: Path) -> tuple[Any, int]:
    """What a Cortex-M4 gives, and how many bytes of flash the model takes."""
    folder.mkdir()
    for file, text in c.written(program, "m", {}).items():
        (folder / file).write_text(text)
    (folder / "map.ld").write_text(MAP)
    (folder / "main.c").write_text(MAIN % ", ".join("{" + ", ".join(f"{one:#x}" for one in row) + "}" for row in bits(rows)))

    def call(*words: str) -> str:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    call("arm-none-eabi-gcc", *CORTEX, "-c", "model.c")
    flash = int(call("arm-none-eabi-size", "model.o").splitlines()[1].split()[0])
    libraries = ["-nostartfiles", "-T", "map.ld", "-lm"]
    call("arm-none-eabi-gcc", *CORTEX, "main.c", "model.o", *libraries, "-o", "m.elf")
    emulator = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none"]
    said = call(*emulator, "-semihosting-config", "enable=on,target=native", "-kernel", "m.elf")
    words = [int(one, 16) for one in said.split() if re.fullmatch("[0-9a-f]{8}", one)]
    return np.array(words, dtype=np.uint32).view(np.float32).reshape(len(rows), -1), flash


@pytest.mark.slow
@needs_arm
def test_a_cortex_m4_walks_trees_to_the_same_bits(in_c: Callable[[Program], Predict], tmp_path: Path) -> None:
    draw = np.random.default_rng(7)
    for case, (features, size, outputs, count) in enumerate(((5, 40, 1, 1), (40, 300, 3, 3), (2, 9, 4, 1))):
        trees = joined([a_tree(draw, features, size, lambda count=count: draw.normal(size=count) if count > 1 else draw.normal(), 0.3) for _ in range(8)], outputs)  # fmt: skip
        rows = some_rows(draw, 60, features, trees)
        program = ensemble(trees, features)
        found, flash = on_cortex(program, rows, tmp_path / f"cortex{case}")
        assert same(found, in_c(program)(rows))
        assert same(found, walked_in_float32(rows, trees))
        assert c.estimated(program).flash == pytest.approx(flash, rel=0.05, abs=80)


@pytest.mark.slow
@needs_arm
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["boosting", "logistic regression", "network", "support vectors"])
def test_a_cortex_m4_gives_the_same_numbers(name: str, tmp_path: Path) -> None:
    model, transforms, load, task = MODELS[name]
    data = load()
    frame = pl.DataFrame({f"f{place}": column for place, column in enumerate(data.data.T)})
    low = fitted(model, transforms, frame, data.target.astype(str), task)
    rows = data.data[::5, [int(one.name[1:]) for one in low.inputs]].astype(np.float32)
    found, flash = on_cortex(low.program, rows, tmp_path / "cortex")
    assert np.abs(found - run(low.program, rows)).max() <= 1e-6
    assert c.estimated(low.program).flash == pytest.approx(flash, rel=0.3)


@pytest.mark.slow
@needs_arm
@pytest.mark.parametrize("name", NETWORKS)
def test_a_cortex_m4_runs_networks(name: str, tmp_path: Path) -> None:
    program = shaped(*NETWORKS[name])
    rows = some(5, program.width).astype(np.float32)
    found, flash = on_cortex(program, rows, tmp_path / "cortex")
    np.testing.assert_allclose(found, run(program, rows), atol=1e-5)
    assert c.estimated(program).flash == pytest.approx(flash, rel=0.15)
