"""Modules of PyTorch as programs: what is captured gives what the module gives, and what cannot be is refused by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from mlspec import families  # noqa: E402
from mlspec.diagnostic import Problem  # noqa: E402
from mlspec.lowering import handler, traced  # noqa: E402
from mlspec.tensor.program import Program, run  # noqa: E402

pytestmark = pytest.mark.slow  # PyTorch's export alone takes seconds to import

Shape = tuple[int, ...]


class Told(nn.Module):  # type: ignore[misc]
    """A module of parts and of what `forward` does with them."""

    def __init__(self, does: Callable[[Any, Any], Any], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.does = does

    def forward(self, x: Any) -> Any:
        return self.does(self, x)


def first(x: Any) -> Any:
    """Channels first."""
    return x.permute(0, 3, 1, 2)


def layer(inputs: int, outputs: int, size: int = 3, stride: int = 1, groups: int = 1) -> Any:
    kernel = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(kernel, nn.BatchNorm2d(outputs), nn.ReLU())


def excited(m: Any, x: Any) -> Any:
    x = m.layer(first(x))
    share = torch.sigmoid(m.up(functional.relu(m.down(x.mean((2, 3))))))
    return m.end((x * share[:, :, None, None]).flatten(1))


def up_and_down(m: Any, x: Any) -> Any:
    high = m.high(first(x))
    low = m.low(functional.max_pool2d(high, 2))
    joint = torch.cat([high, functional.interpolate(low, scale_factor=2), m.up(low)], 1)
    return m.end(joint).mean((2, 3))


def patches(m: Any, x: Any) -> Any:
    seen = m.cut(first(x)).flatten(2).transpose(1, 2)
    seen = torch.cat([m.start.expand(len(x), -1, -1), seen], 1) + m.places
    return m.end(m.layer(seen)[:, 0])


def transformer(**more: Any) -> Any:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **more)


def step_by_step(m: Any, x: Any) -> Any:
    state = cells = x.new_zeros(len(x), 5)
    for step in range(x.shape[1]):
        state, cells = m.cell(x[:, step], (state, cells))
    return state


def windows_and_borders(m: Any, x: Any) -> Any:
    """What few modules do: windows, borders that repeat what is there, the largest number, places that are written to."""
    wide = functional.pad(x.transpose(1, 2), (1, 2), mode="reflect").unfold(2, 3, 2)
    told = torch.zeros(len(x), 3)
    told[:] = wide.max(3)[0].amin(2)
    masked = x.masked_fill(x > 0, 0.5) * (torch.arange(5) < 3)[None, :, None] + x.roll(2, 1)
    return told + masked.sum(1) + functional.normalize(x[:, 0]) + torch.ones_like(told)


ACTIVATIONS = nn.Sequential(
    *[nn.Linear(6, 6), nn.ELU(), nn.Linear(6, 6), nn.LeakyReLU(), nn.Hardswish(), nn.Linear(6, 6), nn.Hardsigmoid()],
    *[nn.Softplus(), nn.Mish(), nn.SELU(), nn.CELU(), nn.PReLU(), nn.Hardtanh(-0.5, 2), nn.Softsign(), nn.LogSigmoid()],
)
START, PLACES = nn.Parameter(torch.ones(1, 1, 8)), nn.Parameter(torch.linspace(-1, 1, 40).reshape(1, 5, 8))
CAUSAL = nn.Transformer.generate_square_subsequent_mask(6)

MODULES: dict[str, tuple[Shape, Any]] = {
    "mlp, gelu": ((12,), nn.Sequential(nn.Linear(12, 16), nn.BatchNorm1d(16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 3))),
    "activations": ((6,), ACTIVATIONS),
    "convolutions": ((8, 8, 3), Told(lambda m, x: m.end(m.layers(first(x)).flatten(1)), layers=nn.Sequential(layer(3, 4), nn.MaxPool2d(2), layer(4, 6, 3, 2)), end=nn.Linear(24, 3))),
    "a connection around": ((8, 8, 3), Told(lambda m, x: m.end(functional.relu(m.one(first(x)) + m.other(first(x))).mean((2, 3))), one=nn.Sequential(layer(3, 4), nn.Conv2d(4, 4, 3, 1, 1), nn.BatchNorm2d(4)), other=nn.Conv2d(3, 4, 1), end=nn.Linear(4, 3))),
    "separable": ((8, 8, 4), Told(lambda m, x: m.end(functional.adaptive_avg_pool2d(m.layers(first(x)), 1)[:, :, 0, 0]), layers=nn.Sequential(layer(4, 4, groups=4), layer(4, 8, 1), nn.ReLU6()), end=nn.Linear(8, 3))),
    "groups": ((8, 8, 4), Told(lambda m, x: m.layers(first(x)).mean((2, 3)), layers=nn.Sequential(nn.Conv2d(4, 8, 3, groups=4), nn.Conv2d(8, 6, 1), nn.Conv2d(6, 4, 3, groups=2), nn.ChannelShuffle(2), nn.Conv2d(4, 4, 3, groups=4)))),
    "squeeze and excite": ((4, 4, 3), Told(excited, layer=layer(3, 4), down=nn.Linear(4, 2), up=nn.Linear(2, 4), end=nn.Linear(64, 2))),
    "up and down": ((8, 8, 2), Told(up_and_down, high=layer(2, 4), low=layer(4, 5), up=nn.ConvTranspose2d(5, 3, 3, 2, 1, 1), end=nn.Conv2d(12, 2, 1))),
    "pools and norms": ((5, 5, 6), Told(lambda m, x: m.layers(first(x)).flatten(1), layers=nn.Sequential(nn.Conv2d(6, 6, 2), nn.GroupNorm(3, 6), nn.InstanceNorm2d(6, affine=True), nn.MaxPool2d(2, 2, 1), nn.AvgPool2d(3, 1, 1), nn.MaxPool2d(2, ceil_mode=True), nn.PixelShuffle(1)))),
    "a series": ((10, 3), Told(lambda m, x: m.end(m.layers(x.transpose(1, 2)).amax(2)), layers=nn.Sequential(nn.Conv1d(3, 4, 3, padding="same", dilation=2), nn.SiLU(), nn.MaxPool1d(2), nn.Conv1d(4, 5, 3)), end=nn.Linear(5, 2))),
    "lstm": ((6, 3), Told(lambda m, x: m.end(m.layers(x)[0][:, -1]), layers=nn.LSTM(3, 5, 2, batch_first=True), end=nn.Linear(5, 2))),
    "gru, its last state": ((6, 3), Told(lambda m, x: m.end(m.layers(x)[1][-1]), layers=nn.GRU(3, 5, batch_first=True, bias=False), end=nn.Linear(5, 2))),
    "both ways, time first": ((6, 3), Told(lambda m, x: m.end(m.layers(x.transpose(0, 1))[0].mean(0)), layers=nn.LSTM(3, 5, bidirectional=True), end=nn.Linear(10, 2))),
    "rnn": ((6, 3), Told(lambda m, x: m.layers(x)[0][:, -1], layers=nn.RNN(3, 5, batch_first=True))),
    "transformer": ((6, 8), Told(lambda m, x: m.end(m.layers(x).mean(1)), layers=transformer(activation="gelu"), end=nn.Linear(8, 2))),
    "attention, with its weights": ((6, 8), Told(lambda m, x: m.end(m.inner(x, x, x)[0].flatten(1)), inner=nn.MultiheadAttention(8, 2, batch_first=True), end=nn.Linear(48, 2))),
    "attention, causal": ((6, 8), Told(lambda m, x: m.end(m.inner(x, x, x, need_weights=False, is_causal=True, attn_mask=CAUSAL)[0].flatten(1)), inner=nn.MultiheadAttention(8, 2, batch_first=True), end=nn.Linear(48, 2))),
    "patches of images": ((8, 8, 3), Told(patches, cut=nn.Conv2d(3, 8, 4, 4), layer=transformer(norm_first=True), end=nn.Linear(8, 2), start=START, places=PLACES)),
    "cells, step by step": ((6, 3), Told(step_by_step, cell=nn.LSTMCell(3, 5))),
    "windows and borders": ((5, 3), Told(windows_and_borders)),
    "words by number": ((6,), Told(lambda m, x: m.end(m.table(x.abs().clamp(max=9).long()).mean(1)), table=nn.Embedding(10, 4), end=nn.Linear(4, 2))),
    "matrices and choices": ((4, 6), Told(lambda m, x: torch.einsum("btc,btd->bcd", x, x).flatten(1)[:, ::2] + torch.where(x > 0, x, -x).std(1).sum(1, keepdim=True))),
    "logarithms of shares": ((5,), nn.Sequential(nn.Linear(5, 3), nn.LogSoftmax(1))),
}  # fmt: skip
"""The shape of a row, channels last, and a module that takes rows of it."""


def ready(name: str) -> tuple[Shape, Any]:
    """A module whose norms have seen something."""
    shape, module = MODULES[name]
    torch.manual_seed(1)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
        if "Norm" in type(part).__name__:
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.normal_(part.bias)
    return shape, module.eval()


def lowered(shape: Shape, module: Any) -> Program:
    program = Program(int(np.prod(shape)))
    program.output = traced.lowered(program, program.input, module, shape)
    return program


def rows_of(program: Program, count: int = 5) -> Any:
    return np.random.default_rng(3).normal(size=(count, program.width)).astype(np.float32)


def operations(program: Program) -> Counter[str]:
    return Counter(node.operation for node in program.nodes)


@pytest.mark.parametrize("name", MODULES)
def test_a_program_gives_what_the_module_gives(name: str) -> None:
    shape, module = ready(name)
    program = lowered(shape, module)
    rows = rows_of(program)
    with torch.no_grad():
        meant = module(torch.from_numpy(rows).reshape(-1, *shape)).numpy()
    found = run(program, rows)
    assert found.shape == meant.shape
    np.testing.assert_allclose(found, meant, atol=1e-5 * max(1.0, np.abs(meant).max()))


@pytest.mark.parametrize("name", ["a connection around", "groups", "both ways, time first", "patches of images"])
def test_every_runtime_gives_the_same(name: str) -> None:
    for library in ("onnxruntime", "openvino", "ai_edge_litert", "ai_edge_quantizer"):
        pytest.importorskip(library)
    from tests.test_tensor_networks import RUNTIMES

    program = lowered(*ready(name))
    for count in (1, 4):
        rows = rows_of(program, count)
        meant = run(program, rows)
        for runtime in RUNTIMES.values():
            np.testing.assert_allclose(runtime(program, rows), meant, atol=1e-5)


def test_a_module_is_always_the_same_program() -> None:
    shape, module = ready("transformer")
    one, other = lowered(shape, module), lowered(shape, module)
    assert one.nodes == other.nodes
    assert all(np.array_equal(one.constants[index], other.constants[index]) for index in one.constants)


def test_nothing_moves_that_need_not() -> None:
    """Norms and activations are part of layers, axes that are turned around and back do not move, and weights follow channels."""
    left = {
        "convolutions": {"conv2d": 2, "max_pool": 1, "pad": 1, "dense": 1},
        "a connection around": {"conv2d": 3, "add": 1, "relu": 1, "mean": 1, "dense": 1},
        "separable": {"conv2d": 1, "depthwise_conv2d": 1, "relu6": 1, "mean": 1, "dense": 1},
    }
    for name, wanted in left.items():
        found = operations(lowered(*ready(name)))
        del found["reshape"]
        assert found == wanted, name


ROUTE = ("model", "entrypoint")
REFUSED: dict[str, tuple[Shape, Any, str]] = {
    "rows that know of each other": ((4,), Told(lambda m, x: x - x.mean(0)), "gives something else than the module"),
    "statistics of a batch": ((4,), nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, track_running_stats=False)), "cannot capture"),
    "a way that depends on numbers": ((4,), Told(lambda m, x: x[:, :2] if x.sum() > 0 else x[:, 2:]), "cannot capture what the module does"),
    "chance": ((4,), Told(lambda m, x: x + torch.randn(4)), "gives something else than the module"),
    "an operation that is not known": ((4,), Told(lambda m, x: x.sort(1)[0]), "`aten.sort.default` has no form"),
    "an operation in an unknown variant": ((4,), Told(lambda m, x: torch.div(x, x + 9, rounding_mode="floor")), "rounded"),
    "states of cells": ((6, 3), Told(lambda m, x: m.layers(x)[1][1][0], layers=nn.LSTM(3, 5, batch_first=True)), "state of an LSTM's cells"),
    "fewer rows than there were": ((4,), Told(lambda m, x: x.sum(0, keepdim=True)), "rows at once"),
    "first states": ((6, 3), Told(lambda m, x: m.layers(x, torch.ones(1, len(x), 5))[1][0], layers=nn.GRU(3, 5, batch_first=True)), "first state is not zero"),
    "weights of a norm that are the row's": ((4,), Told(lambda m, x: nn.functional.group_norm(x, 2, weight=x[0])), "norm whose weights depend"),
    "several results": ((4,), Told(lambda m, x: (x, x)), "does not give one tensor"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(name: str) -> None:
    shape, module, said = REFUSED[name]
    with pytest.raises(Problem, match=said) as caught:
        lowered(shape, module.eval())
    (fault,) = caught.value.faults
    assert fault.code == "cannot-export"
    assert fault.route == ROUTE  # type: ignore[union-attr]
    assert "\n" not in fault.message


OWN = """
import torch

def build(task, inputs, outputs):
    return torch.nn.Sequential(torch.nn.Linear(inputs, 6), torch.nn.Tanh(), torch.nn.Linear(6, outputs))
"""


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_an_estimator_is_exported_with_what_makes_answers_of_its_numbers(
    task: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_module_to_export.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    numbers = np.random.default_rng(5).normal(size=(60, 4))
    target = np.where(numbers[:, 0] > 0, "yes", "no") if task == "classification" else 1000 + 200 * numbers[:, 0]
    asked = {"kind": "torch.custom", "entrypoint": "own_module_to_export:build", "fit": {"epochs": 2, "device": "cpu"}}
    estimator = families.load(asked, task).estimator(task, 7).fit(numbers, target)
    program = Program(4)
    columns: Any = SimpleNamespace(program=program, features=program.input)
    program.output = handler(estimator)(columns, estimator)
    found = run(program, numbers)
    if task == "classification":
        np.testing.assert_allclose(found, estimator.predict_proba(numbers), atol=1e-6)
    else:
        np.testing.assert_allclose(found[:, 0], estimator.predict(numbers), rtol=1e-6)
        assert operations(program) == {"dense": 2, "tanh": 1}
