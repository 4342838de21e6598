"""Layers as plain dicts, channels last: built from a description, run by PyTorch, written as arrays for NumPy and for export.

A description (`body`) says what layers there are: `{"kind": "dense", "units": 64, "activation": "relu"}`. Built for a shape, a
layer holds tensors: `{"kind": "dense", "weights": …, "bias": …, "activation": "relu"}`. Fitted, it holds arrays; batch norm is
part of the layer before it then, and dropout is gone. One function runs them all, in training and after, so that what is exported
is what was trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

Layer = dict[str, Any]
Shape = tuple[int, ...]

EPSILON = 1e-5
MOMENTUM = 0.1
"""How much a batch counts in the means that batch norm keeps for later."""


class Chance:
    """A generator of our own: PyTorch's belongs to the whole process, where other steps train at the same time."""

    def __init__(self, seed: int, device: str = "cpu") -> None:
        self.generator = torch.Generator(device).manual_seed(seed)

    def uniform(self, size: Sequence[int], bound: float) -> Any:
        drawn = torch.rand(tuple(size), generator=self.generator, device=self.generator.device)
        return torch.nn.Parameter((drawn * 2 - 1) * bound)

    def kept(self, x: Any, rate: float) -> Any:
        """Drop a share of the numbers and raise the others by as much."""
        drawn = torch.rand(x.shape, generator=self.generator, device=x.device)
        return x * (drawn >= rate) / (1 - rate)


class Network(torch.nn.Module):  # type: ignore[misc]  # PyTorch is not read by mypy here
    """Layers as a module, so that an optimizer and a device find their tensors."""

    def __init__(self, layers: list[Layer]) -> None:
        super().__init__()
        self.layers = layers
        self.chance: Chance | None = None
        for name, tensor in _tensors(layers):
            self.register_parameter(name, tensor)

    def forward(self, x: Any) -> Any:
        return run(self.layers, x, self.chance if self.training else None)


def _tensors(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        place = f"{name}/{key}" if name else str(key)
        if isinstance(one, torch.nn.Parameter):
            yield place, one
        yield from _tensors(one, place)


# -- from a description to tensors


def built(body: Sequence[Mapping[str, Any]], shape: Shape, chance: Chance, rows: Any) -> tuple[list[Layer], Shape]:
    """Return the layers of a description for rows of a shape, and the shape of what they give. `rows` are the training rows."""
    layers = []
    for one in body:
        layer, shape = BUILD[one["kind"]](one, shape, chance, rows)
        layers.append(layer)
    return layers, shape


def _weights(size: Sequence[int], fan_in: int, fan_out: int, activation: str | None, chance: Chance) -> Any:
    """He et al. (2015) before what cuts off the negative half, Glorot & Bengio (2010) else."""
    halved = activation in ("relu", "silu", "gelu")
    return chance.uniform(size, math.sqrt(6 / (fan_in if halved else fan_in + fan_out)))


def _filled(size: Sequence[int], value: float, *, learned: bool = True) -> Any:
    return torch.nn.Parameter(torch.full(tuple(size), value), requires_grad=learned)


def _standardise(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    """Each channel by the mean and spread of all its numbers in the training rows."""
    channels = one["channels"]
    numbers = rows.numpy().astype(np.float64).reshape(-1, channels)
    spread = numbers.std(axis=0)
    repeat = shape[0] // channels
    shift = np.tile(numbers.mean(axis=0), repeat)
    factor = np.tile(1 / np.where(spread > 0, spread, 1.0), repeat)
    fixed = {
        name: torch.nn.Parameter(torch.from_numpy(array.astype(np.float32)), requires_grad=False)
        for name, array in (("shift", shift), ("factor", factor))
    }
    return {"kind": "affine", **fixed}, shape


def _reshape(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    return {"kind": "reshape", "shape": list(one["shape"])}, tuple(one["shape"])


def _linear(units: int, width: int, activation: str | None, chance: Chance) -> Layer:
    return {"weights": _weights((units, width), width, units, activation, chance), "bias": _filled((units,), 0.0)}


def _dense(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    made = _linear(one["units"], shape[-1], one.get("leads_to", one["activation"]), chance)
    return {"kind": "dense", **made, "activation": one["activation"]}, (*shape[:-1], one["units"])


def _conv2d(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    size, stride, channels = one["size"], one["stride"], one["channels"]
    fans = size * size * shape[-1], size * size * channels
    kernel = _weights((channels, size, size, shape[-1]), *fans, one.get("leads_to", one["activation"]), chance)
    layer = {"kind": "conv2d", "kernel": kernel, "bias": _filled((channels,), 0.0), "stride": [stride, stride]}
    return {**layer, "padding": "same", "activation": one["activation"]}, (*_shrunk(shape, stride), channels)


def _depthwise(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    size, stride = one["size"], one["stride"]
    kernel = _weights((1, size, size, shape[-1]), size * size, size * size, one.get("leads_to", one["activation"]), chance)
    layer = {"kind": "depthwise_conv2d", "kernel": kernel, "bias": _filled((shape[-1],), 0.0), "stride": [stride, stride]}
    return {**layer, "padding": "same", "activation": one["activation"]}, (*_shrunk(shape, stride), shape[-1])


def _shrunk(shape: Shape, stride: int) -> Shape:
    return tuple(-(-size // stride) for size in shape[:2])


def _batch_norm(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    width = (shape[-1],)
    kept = {"mean": _filled(width, 0.0, learned=False), "variance": _filled(width, 1.0, learned=False)}
    learned = {"weight": _filled(width, 1.0), "bias": _filled(width, 0.0)}
    return {"kind": "batch_norm", **learned, **kept, "activation": one["activation"]}, shape


def _layer_norm(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    learned = {"weight": _filled((shape[-1],), 1.0), "bias": _filled((shape[-1],), 0.0)}
    return {"kind": "layer_norm", **learned, "epsilon": EPSILON}, shape


def _pool(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    high, wide = one["size"]
    return {"kind": one["kind"], "size": [high, wide]}, (shape[0] // high, shape[1] // wide, shape[2])


def _to_channels(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    return {"kind": one["kind"]}, (shape[-1],)


def _flatten(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    return {"kind": "flatten"}, (math.prod(shape),)


def _dropout(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    return {"kind": "dropout", "rate": one["rate"]}, shape


def _recurrent(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    """PyTorch's order of gates; the forget gate of an LSTM begins open (Jozefowicz et al., 2015)."""
    gates, units, width, layers = {"lstm": 4, "gru": 3}[one["kind"]], one["units"], shape[-1], []
    bound = 1 / math.sqrt(units)
    for _ in range(one["layers"]):
        bias = torch.zeros(gates * units)
        if one["kind"] == "lstm":
            bias[units : 2 * units] = 1
        layers.append(
            {
                "input_weights": chance.uniform((gates * units, width), bound),
                "hidden_weights": chance.uniform((gates * units, units), bound),
                "input_bias": torch.nn.Parameter(bias),
                "hidden_bias": _filled((gates * units,), 0.0),
            }
        )
        width = units
    layer = {"kind": one["kind"], "layers": layers, "units": units, "bidirectional": False, "dropout": one["dropout"]}
    return layer, (shape[0], units)


def _position(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    """Vaswani et al. (2017): sines and cosines of the place; learned, they are where it begins."""
    steps, width = shape
    angles = np.arange(steps)[:, None] / 10_000 ** (np.arange(0, width, 2) / width)
    table = np.zeros((steps, width), np.float32)
    table[:, 0::2], table[:, 1::2] = np.sin(angles), np.cos(angles)[:, : width // 2]
    return {"kind": "position", "table": torch.nn.Parameter(torch.from_numpy(table), requires_grad=one["learned"])}, shape


def _attention(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    parts = {name: _linear(shape[-1], shape[-1], None, chance) for name in ("query", "key", "value", "output")}
    return {"kind": "attention", "heads": one["heads"], **parts, "dropout": one["dropout"]}, shape


def _residual(one: Any, shape: Shape, chance: Chance, rows: Any) -> tuple[Layer, Shape]:
    layers, _ = built(one["layers"], shape, chance, rows)
    return {"kind": "residual", "layers": layers}, shape


BUILD: dict[str, Callable[[Any, Shape, Chance, Any], tuple[Layer, Shape]]] = {
    "standardise": _standardise,
    "reshape": _reshape,
    "dense": _dense,
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "max_pool": _pool,
    "average_pool": _pool,
    "mean": _to_channels,
    "last": _to_channels,
    "flatten": _flatten,
    "dropout": _dropout,
    "lstm": _recurrent,
    "gru": _recurrent,
    "position": _position,
    "attention": _attention,
    "residual": _residual,
}


# -- what they compute


def run(layers: Sequence[Mapping[str, Any]], x: Any, chance: Chance | None = None) -> Any:
    """Run layers on rows; with `chance` as in training: numbers are dropped, and batch norm goes by the batch."""
    for layer in layers:
        x = RUN[layer["kind"]](layer, x, chance)
    return x


ACTIVATIONS: dict[str | None, Callable[[Any], Any]] = {
    None: lambda x: x,
    "relu": functional.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "gelu": lambda x: functional.gelu(x, approximate="tanh"),  # the exact one needs the error function, which devices lack
}


def _run_linear(part: Any, x: Any) -> Any:
    return functional.linear(x, part["weights"], part["bias"])


def _run_dense(layer: Any, x: Any, chance: Chance | None) -> Any:
    return ACTIVATIONS[layer["activation"]](_run_linear(layer, x))


def _padded(x: Any, size: Shape, stride: Sequence[int]) -> Any:
    """Zeros around, as "same" means at the edge: the further one where their number is odd."""
    pads: list[int] = []
    for length, window, step in zip(x.shape[1:3], size, stride, strict=True):
        total = max((-(-length // step) - 1) * step + window - length, 0)
        pads = [total // 2, total - total // 2, *pads]
    return functional.pad(x, (0, 0, *pads))


def _run_conv2d(layer: Any, x: Any, chance: Chance | None) -> Any:
    kernel, stride = layer["kernel"], tuple(layer["stride"])
    x = _padded(x, kernel.shape[1:3], stride).permute(0, 3, 1, 2)
    made = functional.conv2d(x, kernel.permute(0, 3, 1, 2), layer["bias"], stride)
    return ACTIVATIONS[layer["activation"]](made.permute(0, 2, 3, 1))


def _run_depthwise(layer: Any, x: Any, chance: Chance | None) -> Any:
    kernel, stride = layer["kernel"], tuple(layer["stride"])
    x = _padded(x, kernel.shape[1:3], stride).permute(0, 3, 1, 2)
    made = functional.conv2d(x, kernel.permute(3, 0, 1, 2), layer["bias"], stride, groups=kernel.shape[3])
    return ACTIVATIONS[layer["activation"]](made.permute(0, 2, 3, 1))


def _run_batch_norm(layer: Any, x: Any, chance: Chance | None) -> Any:
    flat = x.reshape(-1, x.shape[-1])
    kept = layer["mean"], layer["variance"]
    made = functional.batch_norm(flat, *kept, layer["weight"], layer["bias"], chance is not None, MOMENTUM, EPSILON)
    return ACTIVATIONS[layer["activation"]](made.reshape(x.shape))


def _run_max_pool(layer: Any, x: Any, chance: Chance | None) -> Any:
    return functional.max_pool2d(x.permute(0, 3, 1, 2), tuple(layer["size"])).permute(0, 2, 3, 1)


def _run_average_pool(layer: Any, x: Any, chance: Chance | None) -> Any:
    return functional.avg_pool2d(x.permute(0, 3, 1, 2), tuple(layer["size"])).permute(0, 2, 3, 1)


def _run_recurrent(layer: Any, x: Any, chance: Chance | None) -> Any:
    """One layer at a time: dropout between them is ours."""
    for index, part in enumerate(layer["layers"]):
        if index and chance is not None and layer["dropout"]:
            x = chance.kept(x, layer["dropout"])
        weights = [part[name] for name in ("input_weights", "hidden_weights", "input_bias", "hidden_bias")]
        start = x.new_zeros(1, len(x), layer["units"])
        if layer["kind"] == "lstm":
            x = torch.lstm(x, (start, start), weights, True, 1, 0.0, chance is not None, False, True)[0]
        else:
            x = torch.gru(x, start, weights, True, 1, 0.0, chance is not None, False, True)[0]
    return x


def _run_attention(layer: Any, x: Any, chance: Chance | None) -> Any:
    rows, steps, width = x.shape
    heads = layer["heads"]
    query, key, value = (
        _run_linear(layer[name], x).reshape(rows, steps, heads, width // heads).transpose(1, 2)
        for name in ("query", "key", "value")
    )
    shares = torch.softmax(query @ key.transpose(2, 3) / math.sqrt(width // heads), dim=-1)
    if chance is not None and layer["dropout"]:
        shares = chance.kept(shares, layer["dropout"])
    return _run_linear(layer["output"], (shares @ value).transpose(1, 2).reshape(rows, steps, width))


RUN: dict[str, Callable[[Any, Any, Chance | None], Any]] = {
    "affine": lambda layer, x, chance: (x - layer["shift"]) * layer["factor"],
    "reshape": lambda layer, x, chance: x.reshape(len(x), *layer["shape"]),
    "dense": _run_dense,
    "conv2d": _run_conv2d,
    "depthwise_conv2d": _run_depthwise,
    "batch_norm": _run_batch_norm,
    "layer_norm": lambda layer, x, chance: functional.layer_norm(
        x, (x.shape[-1],), layer["weight"], layer["bias"], layer["epsilon"]
    ),
    "max_pool": _run_max_pool,
    "average_pool": _run_average_pool,
    "mean": lambda layer, x, chance: x.mean(dim=tuple(range(1, x.ndim - 1))),
    "last": lambda layer, x, chance: x[:, -1],
    "flatten": lambda layer, x, chance: x.flatten(1),
    "dropout": lambda layer, x, chance: x if chance is None else chance.kept(x, layer["rate"]),
    "lstm": _run_recurrent,
    "gru": _run_recurrent,
    "position": lambda layer, x, chance: x + layer["table"],
    "attention": _run_attention,
    "residual": lambda layer, x, chance: x + run(layer["layers"], x, chance),
    "softmax": lambda layer, x, chance: torch.softmax(x, dim=-1),
}


# -- from tensors to arrays, and back


def fitted(layers: Sequence[Layer], scale: float = 1.0, shift: float = 0.0) -> list[Layer]:
    """Return layers as plain arrays. What the last one gives is multiplied by `scale` and moved by `shift`."""
    found: list[Layer] = []
    for layer in layers:
        if layer["kind"] == "batch_norm":
            _fold(found[-1], _arrays(layer))
        elif layer["kind"] == "residual":
            found.append({"kind": "residual", "layers": fitted(layer["layers"])})
        elif layer["kind"] != "dropout":
            found.append(_arrays({name: value for name, value in layer.items() if name != "dropout"}))
    if (scale, shift) != (1.0, 0.0):
        last = found[-1]
        last["weights"] = (last["weights"].astype(np.float64) * scale).astype(np.float32)
        last["bias"] = (last["bias"].astype(np.float64) * scale + shift).astype(np.float32)
    return found


def _fold(before: Layer, norm: Layer) -> None:
    """Make batch norm part of the layer before it, whose outputs it scales and moves."""
    factor = norm["weight"].astype(np.float64) / np.sqrt(norm["variance"].astype(np.float64) + EPSILON)
    name = "weights" if before["kind"] == "dense" else "kernel"
    by_output = factor if before["kind"] == "depthwise_conv2d" else factor.reshape(-1, *[1] * (before[name].ndim - 1))
    before[name] = (before[name] * by_output).astype(np.float32)
    before["bias"] = ((before["bias"] - norm["mean"].astype(np.float64)) * factor + norm["bias"]).astype(np.float32)
    before["activation"] = norm["activation"]


def _arrays(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return np.array(value.detach().cpu().numpy(), dtype=np.float32)
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value, dtype=np.float32)
    if isinstance(value, dict):
        return {name: _arrays(one) for name, one in value.items()}
    return [_arrays(one) for one in value] if isinstance(value, list) else value


def loaded(value: Any) -> Any:
    """Return fitted layers with tensors in the place of arrays."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, dict):
        return {name: loaded(one) for name, one in value.items()}
    return [loaded(one) for one in value] if isinstance(value, list) else value
