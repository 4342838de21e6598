"""Channels of one size before layers in 8 bits: in float32 the very same numbers, in int8 more of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspec import kinds
from mlspec.runtime.edge.device import runner
from mlspec.tensor import layers
from mlspec.tensor.equalise import equalised, powers
from mlspec.tensor.program import Program, Value, run

pytestmark = pytest.mark.slow

Build = Callable[[Program, Value], Value]
LOUD = np.array([40.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 25.0])
"""Two channels of eight that are large where they are not 0, as pixels at the edge of images are once they are standardised."""


def some(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def rows(count: int = 200) -> Any:
    draw = np.random.default_rng(3)
    numbers = draw.normal(size=(count, 6, 8))
    numbers[:, :, LOUD > 1] *= draw.uniform(size=(count, 6, 2)) < 0.02  # nearly always 0
    return numbers.reshape(count, 48).astype(np.float32)


def program_of(build: Build) -> Program:
    program = Program(48)
    scaled = program.affine(program.input, 0.0, np.tile(LOUD, 6))
    program.output = build(program, program.reshape(scaled, 6, 8))
    return program


def series(p: Program, x: Value) -> Value:
    return p.add("softmax", p.dense(layers.gru(p, x, some(48, 8), some(48, 16), some(48), some(48))[-1], some(5, 16)))


def learned(p: Program, x: Value) -> Value:
    """Training leaves small weights for channels that are large."""
    return p.mean(p.dense(x, some(5, 8) / LOUD, some(5)), (1,))


def steps(p: Program, x: Value) -> Value:
    return p.mean(p.dense(x, some(5, 8), some(5)), (1,))


def flat(p: Program, x: Value) -> Value:
    return p.dense(p.reshape(x, 48), some(5, 48), some(5), "relu")


def normed(p: Program, x: Value) -> Value:
    return p.mean(p.dense(layers.layer_norm(p, x, LOUD, some(8)), some(5, 8), some(5)), (1,))


CHANGED = {"series": series, "learned": learned, "steps": steps, "flat": flat, "normed": normed}


@pytest.mark.parametrize("name", CHANGED)
def test_in_float_nothing_changes(name: str) -> None:
    program = program_of(CHANGED[name])
    made = equalised(program, rows())
    assert made.nodes != program.nodes
    np.testing.assert_array_equal(run(made, rows()), run(program, rows()))


@pytest.mark.parametrize("name", CHANGED)
def test_channels_are_nearer_to_each_other(name: str) -> None:
    def apart(program: Program) -> float:
        layer = next(node for node in program.nodes if node.operation in ("dense", "dense_each"))
        taken = Program(program.width, program.nodes, program.constants, layer.takes[0])
        seen = np.abs(run(taken, rows())).reshape(-1, program.constants[layer.takes[1].index].shape[1]).max(axis=0)
        return float(seen.max() / np.median(seen))

    program = program_of(CHANGED[name])
    assert apart(equalised(program, rows())) < 0.5 * apart(program)


KEPT: dict[str, Build] = {
    # what is scaled is read by something else, too
    "a residual": lambda p, x: p.add("add", x, p.dense(x, some(8, 8))),
    "another layer": lambda p, x: p.add("add", p.dense(x, some(4, 8)), p.dense(x, some(4, 8) + 1)),
    # between lies what does not leave channels as they are
    "an activation": lambda p, x: p.dense(p.add("tanh", x), some(5, 8)),
    "a softmax": lambda p, x: p.dense(p.add("softmax", x), some(5, 8)),
    "channels that are moved": lambda p, x: p.dense(p.transpose(x, 0, 2, 1), some(5, 6)),
    # no constants
    "scaled by itself": lambda p, x: p.dense(p.add("mul", x, x), some(5, 8)),
    "weights that are made": lambda p, x: p.matmul(x, x, transposed=True),
    "no layer": lambda p, x: x,
}


@pytest.mark.parametrize("name", KEPT)
def test_what_cannot_be_scaled_stays(name: str) -> None:
    program = program_of(KEPT[name])
    made = equalised(program, rows())
    assert made.nodes == program.nodes
    assert made.output == program.output


def test_what_is_always_nothing_stays() -> None:
    assert powers(np.array([0.0, 1.0, 256.0, 3.0]), np.array([1.0, 1.0, 1.0, 0.0])).tolist() == [1, 0.25, 4, 1]
    assert powers(np.zeros(3), np.ones(3)).tolist() == [1, 1, 1]


def test_a_missing_number_says_nothing_of_its_channel() -> None:
    program = program_of(steps)
    some_missing = rows()
    some_missing[0] = np.nan
    assert [one.takes for one in equalised(program, some_missing).nodes] == [
        one.takes for one in equalised(program, rows()).nodes
    ]


@pytest.mark.parametrize("kind", ["tflite", "onnx", "openvino"])
def test_int8_is_nearer_to_the_model(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip({"tflite": "ai_edge_quantizer", "onnx": "onnxruntime", "openvino": "nncf"}[kind])
    program, seen, unseen = program_of(learned), rows(300), rows(500)[300:]

    def error(place: Path) -> float:
        place.mkdir()
        export: Any = kinds.load("mlspec.exports", kind).model_validate({"kind": kind, "quantize": "int8"})
        export.write(program, place, "{}", seen)
        return float(np.abs(runner.RUNTIMES[kind](place, 1, "f32")(unseen) - run(program, unseen)).mean())

    found = error(tmp_path / "equalised")
    monkeypatch.setattr("mlspec.tensor.equalise.equalised", lambda program, rows: program)
    assert found < 0.6 * error(tmp_path / "plain")
