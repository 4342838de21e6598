"""Networks that mlspec trains: the layers that their estimators hold, channels last, one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlspec.lowering.columns import Columns
from mlspec.tensor import layers
from mlspec.tensor.program import Program, Value

Layer = Mapping[str, Any]


def network(columns: Columns, estimator: Any) -> Value:
    """Return what the layers of an estimator make of the features."""
    return lowered(columns.program, columns.features, estimator.layers_)


def lowered(program: Program, x: Value, found: Sequence[Layer]) -> Value:
    """Append layers to a program and return what the last gives."""
    for layer in found:
        x = LAYERS[layer["kind"]](program, x, layer)
    return x


def activated(program: Program, x: Value, activation: str | None) -> Value:
    """Append an activation that a layer cannot do by itself."""
    if activation in (None, "relu"):
        return x
    if activation == "silu":
        return program.add("mul", x, program.add("sigmoid", x))
    return layers.gelu(program, x, tanh=True) if activation == "gelu" else program.add(str(activation), x)


def _own(activation: str | None) -> str | None:
    """What a dense layer or a convolution does by itself."""
    return "relu" if activation == "relu" else None


def _dense(program: Program, x: Value, layer: Layer) -> Value:
    made = program.dense(x, layer["weights"], layer["bias"], _own(layer["activation"]))
    return activated(program, made, layer["activation"])


def _convolution(program: Program, x: Value, layer: Layer) -> Value:
    add: Callable[..., Value] = getattr(program, layer["kind"])
    stride, activation = tuple(layer["stride"]), layer["activation"]
    made = add(x, layer["kernel"], layer["bias"], stride, layer["padding"], _own(activation))
    return activated(program, made, activation)


def _recurrent(program: Program, x: Value, layer: Layer) -> Value:
    cell = layers.lstm if layer["kind"] == "lstm" else layers.gru
    for part in layer["layers"]:
        weights = (part[name] for name in ("input_weights", "hidden_weights", "input_bias", "hidden_bias"))
        x = layers.sequence(program, cell(program, x, *weights))
    return x


def _last(program: Program, x: Value, layer: Layer) -> Value:
    steps, width = x.shape[1:]
    return program.reshape(program.part(x, (steps - 1, 0), (1, width)), width)


def _attention(program: Program, x: Value, layer: Layer) -> Value:
    into = [layer[name] for name in ("query", "key", "value")]
    weights, bias = (np.concatenate([part[name] for part in into]) for name in ("weights", "bias"))
    out = layer["output"]
    return layers.attention(program, x, weights, bias, out["weights"], out["bias"], layer["heads"])


def _residual(program: Program, x: Value, layer: Layer) -> Value:
    return program.add("add", x, lowered(program, x, layer["layers"]))


LAYERS: dict[str, Callable[[Program, Value, Layer], Value]] = {
    "affine": lambda program, x, layer: program.affine(x, layer["shift"], layer["factor"]),
    "reshape": lambda program, x, layer: program.reshape(x, *layer["shape"]),
    "dense": _dense,
    "conv2d": _convolution,
    "depthwise_conv2d": _convolution,
    "layer_norm": lambda program, x, layer: layers.layer_norm(program, x, layer["weight"], layer["bias"], layer["epsilon"]),
    "max_pool": lambda program, x, layer: program.pool("max_pool", x, tuple(layer["size"])),
    "average_pool": lambda program, x, layer: program.pool("average_pool", x, tuple(layer["size"])),
    "mean": lambda program, x, layer: program.mean(x, tuple(range(1, len(x.shape) - 1))),
    "last": _last,
    "flatten": lambda program, x, layer: program.reshape(x, int(np.prod(x.shape[1:]))),
    "lstm": _recurrent,
    "gru": _recurrent,
    "position": lambda program, x, layer: program.add("add", x, program.constant(layer["table"][None])),
    "attention": _attention,
    "residual": _residual,
    "softmax": lambda program, x, layer: program.add("softmax", x),
}


ESTIMATORS = {
    "NetworkClassifier": network,
    "NetworkRegressor": network,
    "KerasClassifier": network,
    "KerasRegressor": network,
}
