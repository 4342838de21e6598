"""Operations and layers of neural networks: what NumPy says they mean, and what each runtime makes of the files we write."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspec.tensor import layers
from mlspec.tensor.program import Program, Value, run

pytestmark = pytest.mark.slow

pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("ai_edge_quantizer")

Build = Callable[[Program, Value], Value]
draw = np.random.default_rng(7)


def some(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def program_of(shape: tuple[int, ...], build: Build) -> Program:
    """A program whose input is rows of as many numbers as the shape has; `build` sees them in that shape."""
    program = Program(int(np.prod(shape)))
    program.output = build(program, program.reshape(program.input, *shape))
    return program


# runtimes


def in_onnx_runtime(program: Program, rows: Any) -> Any:
    import onnxruntime

    from mlspec.tensor import onnx

    session = onnxruntime.InferenceSession(onnx.written(program, "m", {}, "input", "output"), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": rows})[0]


def in_openvino(program: Program, rows: Any) -> Any:
    import openvino

    from mlspec.tensor import onnx

    core = openvino.Core()
    model = core.read_model(onnx.written(program, "m", {}, "input", "output"))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    return np.array(compiled(rows)[0])


def in_litert(program: Program, rows: Any) -> Any:
    from mlspec.tensor import tflite

    return litert(tflite.written(program, "m", {}, "input", "output"), rows, len(rows))


def litert(data: bytes, rows: Any, batch: int = 1) -> Any:
    """Run a model, so many rows at a time; whole numbers at its ends are what the runner makes of them."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(taken["index"], [batch, rows.shape[1]])
    interpreter.allocate_tensors()
    found = []
    for at in range(0, len(rows), batch):
        interpreter.set_tensor(taken["index"], rows[at : at + batch])
        interpreter.invoke()
        found.append(interpreter.get_tensor(given["index"]))
    return np.concatenate(found)


RUNTIMES = {"ONNX Runtime": in_onnx_runtime, "OpenVINO": in_openvino, "LiteRT": in_litert}


# each operation

IMAGE, WIDE = (7, 5, 3), (9, 6, 4)
OPERATIONS: dict[str, tuple[tuple[int, ...], Build]] = {
    "conv2d, same": (IMAGE, lambda p, x: p.conv2d(x, some(6, 3, 3, 3), some(6))),
    "conv2d, same, stride 2": (IMAGE, lambda p, x: p.conv2d(x, some(6, 3, 2, 3), some(6), (2, 2), activation="relu")),
    "conv2d, odd kernel and strides": (WIDE, lambda p, x: p.conv2d(x, some(5, 4, 3, 4), some(5), (3, 2))),
    "conv2d, valid": (IMAGE, lambda p, x: p.conv2d(x, some(2, 3, 3, 3), some(2), (2, 1), "valid", "relu6")),
    "conv2d, 1 × 1": (IMAGE, lambda p, x: p.conv2d(x, some(8, 1, 1, 3))),
    "conv2d, kernel beyond the image": ((2, 2, 1), lambda p, x: p.conv2d(x, some(3, 5, 5, 1))),
    "conv2d, two, and a skip": (WIDE, lambda p, x: p.add("relu", p.add("add", x, p.conv2d(p.conv2d(x, some(4, 3, 3, 4), activation="relu"), some(4, 3, 3, 4))))),
    "depthwise, same": (IMAGE, lambda p, x: p.depthwise_conv2d(x, some(1, 3, 3, 3), some(3))),
    "depthwise, same, stride 2": (WIDE, lambda p, x: p.depthwise_conv2d(x, some(1, 3, 3, 4), some(4), (2, 2), activation="relu6")),
    "depthwise, valid": (WIDE, lambda p, x: p.depthwise_conv2d(x, some(1, 2, 4, 4), some(4), (1, 2), "valid", "relu")),
    "separable": (WIDE, lambda p, x: p.conv2d(p.depthwise_conv2d(x, some(1, 3, 3, 4), activation="relu"), some(9, 1, 1, 4))),
    "max_pool, same": (IMAGE, lambda p, x: p.pool("max_pool", x, (3, 3), (2, 2), "same")),
    "max_pool, valid": (WIDE, lambda p, x: p.pool("max_pool", x, (2, 2))),
    "average_pool, same": (IMAGE, lambda p, x: p.pool("average_pool", x, (3, 2), (2, 2), "same")),
    "average_pool, valid": (WIDE, lambda p, x: p.pool("average_pool", x, (4, 3), (2, 1))),
    "conv2d, pooled twice": (WIDE, lambda p, x: p.pool("average_pool", p.pool("max_pool", p.conv2d(x, some(5, 3, 3, 4)), (2, 2)), (2, 3))),
    "mean, global": (IMAGE, lambda p, x: p.mean(p.conv2d(x, some(4, 3, 3, 3)), (1, 2))),
    "mean, global, kept": (IMAGE, lambda p, x: p.mean(p.conv2d(x, some(4, 3, 3, 3)), (1, 2), keep=True)),
    "mean, one axis": (IMAGE, lambda p, x: p.mean(x, (2,))),
    "mean, channels": (IMAGE, lambda p, x: p.mean(p.conv2d(x, some(4, 3, 3, 3)), (-1,))),
    "mean, rank 3": ((5, 4), lambda p, x: p.mean(x, (1,))),
    "pad": (IMAGE, lambda p, x: p.pad(x, ((1, 2), (0, 1), (0, 0)))),
    "pad, conv2d": (WIDE, lambda p, x: p.conv2d(p.pad(p.conv2d(x, some(4, 1, 1, 4)), ((1, 1), (1, 1), (0, 2))), some(2, 3, 3, 6), 0.0, (2, 2), "valid")),
    "pad, rank 2": ((5,), lambda p, x: p.pad(x, ((2, 1),))),
    "reshape, flat after conv2d": (IMAGE, lambda p, x: p.dense(p.reshape(p.conv2d(x, some(4, 3, 3, 3)), 140), some(6, 140), some(6))),
    "reshape, rank 3": (IMAGE, lambda p, x: p.reshape(x, 15, 7)),
    "transpose, rank 4": (IMAGE, lambda p, x: p.transpose(p.conv2d(x, some(4, 3, 3, 3)), 0, 3, 1, 2)),
    "transpose, rank 3": ((5, 4), lambda p, x: p.transpose(x, 0, 2, 1)),
    "slice, rank 2": ((9,), lambda p, x: p.part(x, (2,), (5,))),
    "slice, rank 4": (WIDE, lambda p, x: p.part(p.conv2d(x, some(4, 3, 3, 4)), (1, 2, 0), (6, 3, 4))),
    "slice, rank 3": ((5, 4), lambda p, x: p.part(x, (4, 0), (1, 3))),
    "matmul": ((6, 4), lambda p, x: p.matmul(p.part(x, (0, 0), (2, 4)), p.part(x, (2, 0), (4, 4)))),
    "matmul, transposed": ((6, 4), lambda p, x: p.matmul(x, p.part(x, (1, 0), (3, 4)), transposed=True)),
    "matmul, rank 4": ((3, 5, 4), lambda p, x: p.matmul(x, p.transpose(x, 0, 1, 3, 2))),
    "matmul, constant": ((6, 4), lambda p, x: p.matmul(x, p.constant(some(4, 7)))),
    "matmul, constant, transposed": ((3, 5, 4), lambda p, x: p.matmul(x, p.constant(some(7, 4)), transposed=True)),
    "dense, rank 3": ((6, 4), lambda p, x: p.dense(x, some(5, 4), some(5), "relu")),
    "dense, rank 4": (IMAGE, lambda p, x: p.dense(p.conv2d(x, some(4, 3, 3, 3)), some(5, 4), some(5))),
    "softmax, rank 3": ((6, 4), lambda p, x: p.add("softmax", x)),
    "softmax, rank 4": (IMAGE, lambda p, x: p.add("softmax", p.conv2d(x, some(4, 3, 3, 3)))),
    "softmax, rank 2": ((9,), lambda p, x: p.add("softmax", x)),
    "relu6": (IMAGE, lambda p, x: p.add("relu6", p.conv2d(x, some(4, 3, 3, 3)))),
    "hard_swish": (IMAGE, lambda p, x: p.add("hard_swish", p.conv2d(x, some(4, 3, 3, 3)))),
    "sqrt": ((9,), lambda p, x: p.add("sqrt", p.add("abs", x))),
    "rsqrt": (IMAGE, lambda p, x: p.add("rsqrt", p.add("add", p.add("abs", p.conv2d(x, some(4, 3, 3, 3))), p.constant([1.0])))),
    "concat of channels": (IMAGE, lambda p, x: p.concat([x, p.conv2d(x, some(4, 3, 3, 3)), p.pool("max_pool", x, (3, 3), (1, 1), "same")])),
    "channels scaled by what they are": (IMAGE, lambda p, x: p.add("mul", y := p.conv2d(x, some(4, 3, 3, 3)), p.add("sigmoid", p.mean(y, (1, 2), keep=True)))),
    "constants of lower rank": (IMAGE, lambda p, x: p.add("mul", p.add("sub", p.conv2d(x, some(4, 3, 3, 3)), p.constant(some(4))), p.constant(some(5, 1)))),
    "columns, rank 4": (IMAGE, lambda p, x: p.columns(p.conv2d(x, some(4, 3, 3, 3)), [3, 0, 0])),
    "an image among others": (IMAGE, lambda p, x: p.add("max", x, p.conv2d(x, some(3, 3, 3, 3)))),
    "read in both layouts": (IMAGE, lambda p, x: p.dense(p.concat([p.reshape(y := p.conv2d(x, some(2, 3, 3, 3)), 70), p.mean(y, (1, 2))]), some(3, 72))),
    "layer_norm": ((6, 4), lambda p, x: layers.layer_norm(p, x, some(4), some(4))),
    "layer_norm, rank 2": ((9,), lambda p, x: layers.layer_norm(p, x)),
    "attention": ((5, 6), lambda p, x: layers.attention(p, x, some(18, 6), some(18), some(6, 6), some(6), 2)),
    "lstm": ((4, 3), lambda p, x: layers.sequence(p, layers.lstm(p, x, some(20, 3), some(20, 5), some(20), some(20)))),
    "lstm, backwards": ((4, 3), lambda p, x: layers.lstm(p, x, some(8, 3), some(8, 2), go_backwards=True)[0]),
    "gru": ((4, 3), lambda p, x: layers.sequence(p, layers.gru(p, x, some(15, 3), some(15, 5), some(15), some(15)))),
    "gru, backwards": ((4, 3), lambda p, x: layers.gru(p, x, some(6, 3), some(6, 2), go_backwards=True)[0]),
    "gelu": ((9,), lambda p, x: layers.gelu(p, x)),
    "gelu, tanh": ((9,), lambda p, x: layers.gelu(p, x, tanh=True)),
}  # fmt: skip


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_gives_what_it_means(name: str, runtime: str) -> None:
    program = program_of(*OPERATIONS[name])
    for batch in (1, 7):
        rows = np.random.default_rng(batch).normal(size=(batch, program.width)).astype(np.float32)
        meant = run(program, rows)
        assert meant.shape == (batch, *program.output.shape[1:])  # type: ignore[union-attr]
        np.testing.assert_allclose(RUNTIMES[runtime](program, rows), meant, rtol=1e-4, atol=2e-5 * max(1.0, np.abs(meant).max()))


def test_values_know_their_shapes() -> None:
    for name, (shape, build) in OPERATIONS.items():
        program = program_of(shape, build)
        rows = np.random.default_rng(0).normal(size=(3, program.width)).astype(np.float32)
        for node in program.nodes:
            program.output = node.gives
            assert run(program, rows).shape == (3, *node.gives.shape[1:]), (name, node.operation)


def transposes(program: Program) -> int:
    import onnx as library

    from mlspec.tensor import onnx

    nodes = library.load_from_string(onnx.written(program, "m", {}, "input", "output")).graph.node
    return Counter(node.op_type for node in nodes)["Transpose"]


@pytest.mark.parametrize(
    ("build", "count"),
    [
        (lambda p, x: p.reshape(x, 105), 0),
        (lambda p, x: p.mean(p.conv2d(p.conv2d(x, some(4, 3, 3, 3)), some(4, 3, 3, 4)), (1, 2)), 1),
        (lambda p, x: p.conv2d(p.pool("max_pool", p.add("relu", p.conv2d(x, some(4, 3, 3, 3))), (2, 2)), some(4, 3, 3, 4)), 2),
        (lambda p, x: p.add("add", p.conv2d(x, some(3, 3, 3, 3)), p.depthwise_conv2d(x, some(1, 3, 3, 3))), 2),
        (lambda p, x: p.concat([p.pad(p.conv2d(x, some(3, 3, 3, 3)), ((0, 0), (0, 0), (1, 1))), x]), 2),
    ],
)  # fmt: skip
def test_onnx_transposes_no_image_twice(build: Build, count: int) -> None:
    assert transposes(program_of(IMAGE, build)) == count


@pytest.mark.parametrize(
    "wrong",
    [
        lambda p, x: p.mean(x, (0,)),
        lambda p, x: p.transpose(x, 1, 0, 2, 3),
        lambda p, x: p.reshape(x, 104),
        lambda p, x: p.part(x, (0, 0, 0), (8, 5, 3)),
        lambda p, x: p.conv2d(x, some(4, 3, 3, 2)),
        lambda p, x: p.depthwise_conv2d(x, some(1, 3, 3, 2)),
        lambda p, x: p.conv2d(x, some(4, 3, 3, 3), activation="gelu"),
        lambda p, x: p.matmul(x, p.constant(some(4, 4))),
    ],
)
def test_what_does_not_fit_is_refused(wrong: Build) -> None:
    with pytest.raises(AssertionError):
        program_of(IMAGE, wrong)


# layers, against PyTorch


def weights_of(module: Any) -> dict[str, Any]:
    return {name: one.detach().numpy().astype(np.float64) for name, one in module.named_parameters()}


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_recurrent_layers_are_pytorchs(kind: str, bias: bool, go_backwards: bool) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](3, 5, batch_first=True, bias=bias, bidirectional=True)
    end = "_reverse" if go_backwards else ""
    held = weights_of(module)
    names = [f"{one}_l0{end}" for one in ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if bias else ()))]
    layer = getattr(layers, kind)
    program = program_of(
        (7, 3), lambda p, x: layers.sequence(p, layer(p, x, *(held[one] for one in names), go_backwards=go_backwards))
    )
    rows = np.random.default_rng(2).normal(size=(4, 21)).astype(np.float32)
    meant = module(torch.tensor(rows.reshape(4, 7, 3)))[0].detach().numpy()
    np.testing.assert_allclose(run(program, rows), meant[..., 5:] if go_backwards else meant[..., :5], atol=1e-6)


def test_a_transformer_layer_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    module = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation="gelu", batch_first=True).eval()
    held = weights_of(module)
    with torch.no_grad():
        for one in module.parameters():
            one.add_(0.1 * torch.randn_like(one))

    def build(p: Program, x: Value) -> Value:
        taken = (held["self_attn.in_proj_weight"], held["self_attn.in_proj_bias"])
        given = (held["self_attn.out_proj.weight"], held["self_attn.out_proj.bias"])
        x = layers.layer_norm(
            p, p.add("add", x, layers.attention(p, x, *taken, *given, 2)), held["norm1.weight"], held["norm1.bias"]
        )
        y = layers.gelu(p, p.dense(x, held["linear1.weight"], held["linear1.bias"]))
        y = p.dense(y, held["linear2.weight"], held["linear2.bias"])
        return layers.layer_norm(p, p.add("add", x, y), held["norm2.weight"], held["norm2.bias"])

    held = weights_of(module)
    rows = np.random.default_rng(2).normal(size=(4, 48)).astype(np.float32)
    meant = module(torch.tensor(rows.reshape(4, 6, 8))).detach().numpy()
    np.testing.assert_allclose(run(program_of((6, 8), build), rows), meant, atol=2e-6)


def test_convolutions_and_pools_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    x, kernel, bias, deep = (one.astype(np.float32) for one in (some(2, 9, 6, 4), some(5, 3, 3, 4), some(5), some(1, 3, 3, 4)))

    def first(images: Any) -> Any:
        return torch.tensor(np.ascontiguousarray(images)).permute(0, 3, 1, 2)

    f = torch.nn.functional
    ways: list[tuple[Build, Any]] = [
        (lambda p, x: p.conv2d(p.pad(x, ((1, 1), (1, 1), (0, 0))), kernel, bias, (2, 2), "valid"), lambda x: f.conv2d(x, first(kernel), torch.tensor(bias), 2, 1)),
        (lambda p, x: p.depthwise_conv2d(p.pad(x, ((1, 1), (1, 1), (0, 0))), deep, 0.0, (1, 1), "valid"), lambda x: f.conv2d(x, first(deep).transpose(0, 1), groups=4, padding=1)),
        (lambda p, x: p.pool("max_pool", x, (3, 2), (2, 2)), lambda x: f.max_pool2d(x, (3, 2), 2)),
        (lambda p, x: p.pool("average_pool", x, (3, 2), (2, 2)), lambda x: f.avg_pool2d(x, (3, 2), 2)),
        (lambda p, x: p.add("hard_swish", x), f.hardswish),
        (lambda p, x: p.add("relu6", x), f.relu6),
        (lambda p, x: layers.gelu(p, x), f.gelu),
        (lambda p, x: layers.gelu(p, x, tanh=True), lambda x: f.gelu(x, approximate="tanh")),
    ]  # fmt: skip
    for build, meant in ways:
        found = run(program_of((9, 6, 4), build), x.reshape(2, -1))
        np.testing.assert_allclose(found, meant(first(x)).permute(0, 2, 3, 1).numpy(), atol=1e-5)


# layers, against their formulae


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def test_an_lstm_is_its_formula() -> None:
    w, u, b, c = some(20, 3), some(20, 5), some(20), some(20)
    program = program_of((4, 3), lambda p, x: layers.lstm(p, x, w, u, b, c)[-1])
    rows = np.random.default_rng(3).normal(size=(2, 12)).astype(np.float32)
    h = s = np.zeros((2, 5))
    for x in rows.reshape(2, 4, 3).transpose(1, 0, 2):
        i, f, g, o = np.split(x @ w.T + b + h @ u.T + c, 4, axis=1)
        s = sigmoid(f) * s + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(s)
    np.testing.assert_allclose(run(program, rows), h, atol=1e-5)


def test_a_gru_is_its_formula() -> None:
    w, u, b, c = some(15, 3), some(15, 5), some(15), some(15)
    program = program_of((4, 3), lambda p, x: layers.gru(p, x, w, u, b, c)[-1])
    rows = np.random.default_rng(3).normal(size=(2, 12)).astype(np.float32)
    h = np.zeros((2, 5))
    for x in rows.reshape(2, 4, 3).transpose(1, 0, 2):
        (ir, iz, i), (hr, hz, n) = np.split(x @ w.T + b, 3, axis=1), np.split(h @ u.T + c, 3, axis=1)
        z = sigmoid(iz + hz)
        h = (1 - z) * np.tanh(i + sigmoid(ir + hr) * n) + z * h
    np.testing.assert_allclose(run(program, rows), h, atol=1e-5)


def test_layer_norm_and_attention_are_their_formulae() -> None:
    w, b, v, c = some(18, 6), some(18), some(6, 6), some(6)
    rows = np.random.default_rng(3).normal(size=(2, 30)).astype(np.float32)
    x = rows.reshape(2, 5, 6)
    normed = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * c + v[0]
    np.testing.assert_allclose(run(program_of((5, 6), lambda p, x: layers.layer_norm(p, x, c, v[0])), rows), normed, atol=1e-5)
    queries, keys, values = (np.split(one, 2, axis=-1) for one in np.split(x @ w.T + b, 3, axis=-1))
    parts = []
    for query, key, value in zip(queries, keys, values, strict=True):
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(3)
        raised = np.exp(scores - scores.max(-1, keepdims=True))
        parts.append(raised / raised.sum(-1, keepdims=True) @ value)
    meant = np.concatenate(parts, axis=-1) @ v.T + c
    found = run(program_of((5, 6), lambda p, x: layers.attention(p, x, w, b, v, c, 2)), rows)
    np.testing.assert_allclose(found, meant, atol=1e-4)


# fewer bits: networks of the shapes of MLPerf Tiny, with random weights


class Network:
    """Builds a program of layers with random weights, as batch norm leaves them."""

    def __init__(self, *shape: int) -> None:
        self.draw = np.random.default_rng(len(shape))
        self.program = Program(int(np.prod(shape)))
        self.start = self.program.reshape(self.program.input, *shape)

    def weights(self, inputs: int, *shape: int) -> Any:
        return self.draw.normal(0, (2 / inputs) ** 0.5, shape)

    def bias(self, count: int) -> Any:
        return self.draw.normal(0, 0.1, count)

    def conv(self, x: Value, out: int, size: tuple[int, int], stride: int = 1, activation: str | None = "relu") -> Value:
        kernel = self.weights(size[0] * size[1] * x.width, out, *size, x.width)
        return self.program.conv2d(x, kernel, self.bias(out), (stride, stride), "same", activation)

    def separable(self, x: Value, out: int, stride: int = 1) -> Value:
        kernel = self.weights(9, 1, 3, 3, x.width)
        x = self.program.depthwise_conv2d(x, kernel, self.bias(x.width), (stride, stride), "same", "relu")
        return self.conv(x, out, (1, 1))

    def dense(self, x: Value, out: int, activation: str | None = None) -> Value:
        return self.program.dense(x, self.weights(x.width, out, x.width), self.bias(out), activation)

    def ended(self, x: Value, classes: int) -> Program:
        x = self.program.pool("average_pool", x, (x.shape[1], x.shape[2]))
        self.program.output = self.program.add("softmax", self.dense(self.program.reshape(x, x.width), classes))
        return self.program


def resnet_8() -> Program:
    net = Network(32, 32, 3)
    x = net.conv(net.start, 16, (3, 3))
    for out, stride in ((16, 1), (32, 2), (64, 2)):
        y = net.conv(net.conv(x, out, (3, 3), stride), out, (3, 3), 1, None)
        x = net.conv(x, out, (1, 1), stride, None) if stride > 1 else x
        x = net.program.add("relu", net.program.add("add", x, y))
    return net.ended(x, 10)


def ds_cnn() -> Program:
    net = Network(49, 10, 1)
    x = net.conv(net.start, 64, (10, 4), 2)
    for _ in range(4):
        x = net.separable(x, 64)
    return net.ended(x, 12)


def mobilenet() -> Program:
    net = Network(96, 96, 3)
    x = net.conv(net.start, 8, (3, 3), 2)
    for out, stride in [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]:
        x = net.separable(x, out, stride)
    return net.ended(x, 2)


def autoencoder() -> Program:
    net = Network(640)
    x = net.start
    for out in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = net.dense(x, out, "relu")
    net.program.output = net.dense(x, 640)
    return net.program


PUBLISHED = {resnet_8: 96_000, ds_cnn: 52_500, mobilenet: 325_000, autoencoder: 270_000}
"""Sizes of the int8 models of MLPerf Tiny (Banbury et al., 2021)."""


def rows_of(program: Program, count: int) -> Any:
    return np.random.default_rng(5).normal(size=(count, program.width)).astype(np.float32)


def exported(program: Program, place: Path, calibration: Any, **fields: Any) -> Any:
    from mlspec.exports.tflite import Tflite

    export = Tflite.model_validate({"kind": "tflite", **fields})
    export.write(program, place, "{}", calibration)
    return export


def ran(place: Path, rows: Any) -> Any:
    """What the runner of the bundle makes of a model."""
    from mlspec.runtime.edge.device import runner

    return runner.litert(place, 1, "f32")(rows)


def operators(place: Path) -> Counter[str]:
    from ai_edge_litert import schema_py_generated as schema

    from mlspec.tensor import tflite

    model = tflite.unpacked((place / "model.tflite").read_bytes())
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    return Counter(names[model.operatorCodes[one.opcodeIndex].builtinCode] for one in model.subgraphs[0].operators)


@pytest.mark.parametrize("io", ["float", "integer"])
@pytest.mark.parametrize("network", PUBLISHED, ids=lambda one: one.__name__)
def test_int8_networks_are_as_small_as_published_ones(network: Callable[[], Program], io: str, tmp_path: Path) -> None:
    program = network()
    rows = rows_of(program, 24)
    export = exported(program, tmp_path, rows[:12], quantize="int8", io=io)
    size = (tmp_path / "model.tflite").stat().st_size
    assert size <= 1.03 * PUBLISHED[network]
    weights = sum(program.constants[node.takes[1].index].size for node in program.nodes if len(node.takes) == 3)
    assert export.shortened(tmp_path)["int8"] == weights
    found = operators(tmp_path)
    assert found["QUANTIZE"] + found["DEQUANTIZE"] == (2 if io == "float" else 0)
    meant, got = run(program, rows), ran(tmp_path, rows)
    assert (
        np.abs(got - meant).max() <= 0.1 * np.abs(meant).max()
        if network is not autoencoder
        else np.corrcoef(got.ravel(), meant.ravel())[0, 1] > 0.99
    )


# fewer bits: a small network that has learned something


KERNELS = {
    "first": (32, 3, 3, 1),
    "second": (32, 3, 3, 32),
    "deep": (1, 3, 3, 32),
    "third": (64, 1, 1, 32),
    "fourth": (32, 1, 1, 64),
    "last": (10, 384),
}


def small_network(held: dict[str, Any]) -> Program:
    """A network of all that lies between the layers of others: a skip, pools, a depthwise convolution, channels side by side."""
    p = Program(64)
    x = p.reshape(p.affine(p.input, 8.0, 1 / 8), 8, 8, 1)
    x = p.conv2d(x, held["first"], held["first bias"], activation="relu")
    x = p.add("relu", p.add("add", x, p.conv2d(x, held["second"], held["second bias"])))
    x = p.depthwise_conv2d(p.pool("max_pool", x, (2, 2)), held["deep"], held["deep bias"], activation="relu")
    x = p.conv2d(x, held["third"], held["third bias"], activation="relu")
    x = p.concat([x, p.conv2d(x, held["fourth"], held["fourth bias"], activation="relu6")])
    x = p.reshape(p.pool("average_pool", x, (2, 2)), 384)
    p.output = p.add("softmax", p.dense(x, held["last"], held["last bias"]))
    return p


def trained(held: dict[str, Any], numbers: Any, labels: Any) -> dict[str, Any]:
    """The same numbers after some epochs in PyTorch."""
    torch = pytest.importorskip("torch")
    f, threads = torch.nn.functional, torch.get_num_threads()
    torch.set_num_threads(1)
    own = {name: torch.tensor(one, dtype=torch.float32, requires_grad=True) for name, one in held.items()}

    def conv(x: Any, name: str, groups: int = 1) -> Any:
        kernel = own[name].permute(*((3, 0, 1, 2) if groups > 1 else (0, 3, 1, 2)))
        return f.conv2d(x, kernel, own[f"{name} bias"], padding="same", groups=groups)

    def network(x: Any) -> Any:
        x = f.relu(conv((x.reshape(-1, 1, 8, 8) - 8) / 8, "first"))
        x = f.max_pool2d(f.relu(x + conv(x, "second")), 2)
        x = f.relu(conv(f.relu(conv(x, "deep", 32)), "third"))
        x = f.avg_pool2d(torch.cat([x, f.relu6(conv(x, "fourth"))], 1), 2)
        return f.linear(x.permute(0, 2, 3, 1).flatten(1), own["last"], own["last bias"])

    optimizer = torch.optim.Adam(own.values(), 2e-3)
    given, wanted = torch.tensor(numbers), torch.tensor(labels)
    for epoch in range(12):
        for batch in torch.randperm(len(given), generator=torch.Generator().manual_seed(epoch)).split(48):
            optimizer.zero_grad()
            f.cross_entropy(network(given[batch]), wanted[batch]).backward()
            optimizer.step()
    torch.set_num_threads(threads)
    return {name: one.detach().numpy() for name, one in own.items()}


@cache
def digits() -> tuple[Program, Any, Any]:
    """A network that reads digits, and rows to train and to test it; without PyTorch only its last layer has learned."""
    from sklearn.datasets import load_digits

    numbers, labels = load_digits(return_X_y=True)
    draw = np.random.default_rng(4)
    order, many = draw.permutation(len(labels)), 1200  # the last third is by other writers
    numbers, labels = numbers[order].astype(np.float32), labels[order]
    held = {
        name: draw.normal(0, (2 / np.prod(shape[1:3] if shape[0] == 1 else shape[1:])) ** 0.5, shape)
        for name, shape in KERNELS.items()
    }
    held |= {f"{name} bias": np.zeros(shape[3] if shape[0] == 1 else shape[0]) for name, shape in KERNELS.items()}
    if find_spec("torch") is not None:
        program = small_network(trained(held, numbers[:many], labels[:many]))
    else:
        program = small_network(held)
        program.output = program.nodes[-2].takes[0]  # what the last layer sees
        known = np.column_stack([run(program, numbers[:many]), np.ones(many)]).astype(np.float64)
        wanted = 10.0 * (labels[:many, None] == np.arange(10))  # 10 for the right class, 0 for others, by least squares
        fitted = np.linalg.solve(known.T @ known + 3 * np.eye(known.shape[1]), known.T @ wanted)
        program = small_network({**held, "last": fitted[:-1].T, "last bias": fitted[-1]})
    assert (run(program, numbers[many:]).argmax(axis=1) == labels[many:]).mean() > 0.9
    return program, numbers[:many], numbers[many:]


def agreement(found: Any, meant: Any) -> float:
    return float((found.argmax(axis=1) == meant.argmax(axis=1)).mean())


@pytest.mark.parametrize("io", ["float", "integer"])
@pytest.mark.parametrize("quantize", ["none", "float16", "int8", "int16x8", "dynamic", "weights"])
def test_a_network_in_fewer_bits_is_the_same_network(quantize: str, io: str, tmp_path: Path) -> None:
    from mlspec.diagnostic import Problem

    program, train, test = digits()
    if io == "integer" and quantize not in ("int8", "int16x8"):
        with pytest.raises(Problem, match="io: integer"):
            exported(program, tmp_path, train[:300], quantize=quantize, io=io)
        return
    exported(program, tmp_path, train[:300], quantize=quantize, io=io)
    assert agreement(ran(tmp_path, test), run(program, test)) >= 0.99
    found = operators(tmp_path)
    if quantize in ("int8", "int16x8"):
        assert found["QUANTIZE"] + found["DEQUANTIZE"] <= (2 if io == "float" else 0)
    if quantize not in ("int8", "int16x8") or io == "float":
        data = (tmp_path / "model.tflite").read_bytes()
        np.testing.assert_allclose(litert(data, test[:21], 7), ran(tmp_path, test[:21]), atol=1e-5)


def test_a_missing_number_stays_missing(tmp_path: Path) -> None:
    program, train, test = digits()
    exported(program, tmp_path, train[:100], quantize="int8", io="integer")
    rows = test[:2].copy()
    rows[1, 3] = np.nan
    found = ran(tmp_path, rows)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize(
    ("kind", "quantize"),
    [("onnx", "dynamic"), ("onnx", "int8"), ("openvino", "float16"), ("openvino", "int8"), ("openvino", "weights")],
)
def test_other_formats_in_fewer_bits_are_the_same_network(kind: str, quantize: str, tmp_path: Path) -> None:
    from mlspec import kinds
    from mlspec.runtime.edge.device import runner

    program, train, test = digits()
    export = kinds.load("mlspec.exports", kind).model_validate({"kind": kind, "quantize": quantize})
    export.write(program, tmp_path, "{}", train[:300])  # type: ignore[attr-defined]
    found = {"onnx": runner.onnx_runtime, "openvino": runner.open_vino}[kind](tmp_path, 1, "f32")(test)
    assert agreement(found, run(program, test)) >= 0.99
    stored = export.shortened(tmp_path)  # type: ignore[attr-defined]
    weights = sum(program.constants[node.takes[1].index].size for node in program.nodes if len(node.takes) == 3)
    assert stored["float16" if quantize == "float16" else "int8"] >= weights


def test_a_row_does_not_depend_on_those_beside_it(tmp_path: Path) -> None:
    """ONNX Runtime finds the ranges of `dynamic` over all rows that it gets at once: a large one would leave others no steps."""
    from mlspec.exports.onnx import Onnx
    from mlspec.runtime.edge.device import runner

    program, _, test = digits()
    Onnx.model_validate({"kind": "onnx", "quantize": "dynamic"}).write(program, tmp_path, '{"quantize": "dynamic"}', test[:1])
    run = runner.onnx_runtime(tmp_path, 1, "f32")
    np.testing.assert_array_equal(run(np.concatenate([test[:20], 100 * test[:1]]))[:20], run(test[:20]))


def test_what_meets_stored_weights_stays_float32(tmp_path: Path) -> None:
    """OpenVINO would round it to 8 bits on the way: beside a large number a small one would be nothing."""
    from mlspec.exports.openvino import Openvino
    from mlspec.runtime.edge.device import runner

    weights = some(32, 64)
    weights[:, 0] = 0
    program = program_of((64,), lambda p, x: p.dense(x, weights))
    rows = np.zeros((1, 64), dtype=np.float32)
    rows[0, :2] = 1000, 1
    Openvino.model_validate({"kind": "openvino", "quantize": "weights"}).write(program, tmp_path, "{}", rows)
    np.testing.assert_allclose(runner.open_vino(tmp_path, 1, "f32")(rows)[0], weights[:, 1], atol=0.03)


def test_only_what_lies_between_layers_is_whole() -> None:
    """A recurrent layer's state, the sums of a layer norm and features of many scales keep their digits."""
    from mlspec.tensor import integers

    def kinds(build: Build, *, ends: bool = False) -> list[str]:
        program = program_of((6, 8), build)
        whole = integers.between(program, ends=ends)
        return [node.operation for node in program.nodes if node.gives.index in whole]

    def mixed(p: Program, x: Value) -> Value:
        return p.dense(p.add("softmax", p.dense(p.reshape(x, 48), some(4, 48))), some(2, 4))

    assert kinds(mixed) == ["softmax"]
    assert kinds(mixed, ends=True) == ["reshape", "reshape", "softmax"]
    assert kinds(lambda p, x: layers.lstm(p, x, some(8, 8), some(8, 2))[-1]) == []
    assert kinds(lambda p, x: p.dense(layers.layer_norm(p, p.dense(x, some(8, 8))), some(3, 8))) == []
    assert set(kinds(lambda p, x: layers.attention(p, x, some(24, 8), 0.0, some(8, 8), 0.0, 2))) == {
        "softmax",
        "reshape",
        "transpose",
    }


@pytest.mark.parametrize("quantize", ["dynamic", "weights", "float16", "int8", "int16x8"])
def test_attention_and_recurrence_in_fewer_bits(quantize: str, tmp_path: Path) -> None:
    def build(p: Program, x: Value) -> Value:
        y = layers.layer_norm(p, p.add("add", x, layers.attention(p, x, some(24, 8) / 4, some(24), some(8, 8) / 4, some(8), 2)))
        return p.concat([p.mean(y, (1,)), layers.lstm(p, y, some(24, 8) / 3, some(24, 6) / 3)[-1]])

    program = program_of((6, 8), build)
    rows = rows_of(program, 60)
    exported(program, tmp_path, rows[:40], quantize=quantize)
    meant, found = run(program, rows), ran(tmp_path, rows)
    assert np.corrcoef(found.ravel(), meant.ravel())[0, 1] > 0.995


def test_what_the_output_does_not_need_is_not_written(tmp_path: Path) -> None:
    program = program_of((6, 8), lambda p, x: p.dense(x, some(3, 8)))
    before = [RUNTIMES[name](program, rows_of(program, 2)) for name in RUNTIMES]
    program.add("softmax", program.conv2d(program.reshape(program.input, 6, 4, 2), some(3, 3, 3, 2)))
    program.conv2d(program.reshape(program.input, 6, 4, 2), some(3, 3, 3, 2))
    assert all(
        (RUNTIMES[name](program, rows_of(program, 2)) == found).all() for name, found in zip(RUNTIMES, before, strict=True)
    )
    exported(program, tmp_path, rows_of(program, 20), quantize="int8")
    assert operators(tmp_path)["CONV_2D"] == 0


def test_a_model_without_layers_has_nothing_to_shorten(tmp_path: Path) -> None:
    from mlspec.diagnostic import Problem

    program = program_of((6, 8), lambda p, x: p.reshape(p.matmul(x, x, transposed=True), 36))
    with pytest.raises(Problem, match="finds nothing to shorten"):
        exported(program, tmp_path, rows_of(program, 4), quantize="weights")


WRITE = """
import hashlib, sys
from pathlib import Path
from tests.test_tensor_networks import digits, exported
program, train, _ = digits()
for quantize in ("none", "int8"):
    exported(program, Path(sys.argv[1]), train[:50], quantize=quantize)
    print(hashlib.sha256(Path(sys.argv[1], "model.tflite").read_bytes()).hexdigest())
from mlspec import kinds
for kind in ("onnx", "openvino"):
    export = kinds.load("mlspec.exports", kind).model_validate({"kind": kind, "quantize": "int8"})
    export.write(program, Path(sys.argv[1]), "{}", train[:50])
for file in ("model.onnx", "model.xml", "model.bin"):
    print(hashlib.sha256(Path(sys.argv[1], file).read_bytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_same_program_is_the_same_bytes(tmp_path: Path) -> None:
    told = []
    for seed in ("1", "2"):
        words = [sys.executable, "-c", WRITE, str(tmp_path)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        told.append(subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout.splitlines())
    assert len(told[0]) == 5
    assert told[0] == told[1]


def test_the_same_program_is_the_same_bytes_twice_in_one_process(tmp_path: Path) -> None:
    digests = set()
    for _ in range(2):
        exported(resnet_8(), tmp_path, rows_of(resnet_8(), 4), quantize="int8")
        digests.add(hashlib.sha256((tmp_path / "model.tflite").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_what_a_model_holds_lies_in_it_where_old_runtimes_look_and_is_aligned(tmp_path: Path) -> None:
    from mlspec.tensor import tflite

    exported(autoencoder(), tmp_path, rows_of(autoencoder(), 4), quantize="int8")
    data = (tmp_path / "model.tflite").read_bytes()
    held = [bytes(one.data) for one in tflite.unpacked(data).buffers if one.data is not None]
    assert sum(map(len, held)) > 264_000
    assert len(set(held)) == len(held)
    assert all(data.find(one) % 16 == 0 for one in held if len(one) > 256)


def test_dense_layers_whose_outputs_differ_much_have_a_scale_for_each(tmp_path: Path) -> None:
    def scales(factors: Any) -> int:
        from mlspec.tensor import tflite

        program = program_of((8,), lambda p, x: p.dense(x, some(6, 8) * np.reshape(factors, (6, 1))))
        exported(program, tmp_path, rows_of(program, 8), quantize="int8")
        tensors = tflite.unpacked((tmp_path / "model.tflite").read_bytes()).subgraphs[0].tensors
        return max(
            len(one.quantization.scale) for one in tensors if one.quantization is not None and one.quantization.scale is not None
        )

    assert scales([1, 1, 1, 1, 1, 1]) == 1
    assert scales([1, 1, 1, 1, 100, 100]) == 6
