"""Layers of Keras, made from the descriptions that `mlspec.runtime.networks.layers` is made from, and read back as its layers.

Each kind of layer is Keras's own of that meaning: epsilon and momentum of a norm, the form of an activation and the padding are
those of `layers`, so that what Keras has trained is what is kept, exported and proven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from mlspec.runtime.networks import layers
from mlspec.runtime.networks.layers import EPSILON, MOMENTUM, Layer

Seeds = Iterator[int]
Kept = Callable[[], Layer]
"""Gives a layer as `layers` has it, with the arrays that Keras has learned until then."""

LAST = "channels_last"

ACTIVATIONS: dict[str | None, Any] = {
    None: None,
    "relu": "relu",
    "tanh": "tanh",
    "silu": "silu",
    "gelu": lambda x: keras.activations.gelu(x, approximate=True),
}


class Affine(keras.layers.Layer):  # type: ignore[misc]  # Keras is not read by mypy here
    """Moves and scales each number by one of its own, in float32: raw numbers may be far from 0."""

    def __init__(self, shift: Any, factor: Any) -> None:
        super().__init__(dtype="float32")
        self.fixed = {"shift": shift, "factor": factor}

    def build(self, shape: Any) -> None:
        for name, one in self.fixed.items():
            start = keras.initializers.Constant(one)
            setattr(self, name, self.add_weight(shape=one.shape, initializer=start, trainable=False, name=name))

    def call(self, x: Any) -> Any:
        return (x - self.shift) * self.factor


class Table(keras.layers.Layer):  # type: ignore[misc]
    """Adds a table of numbers, a row a step, which is learned or not."""

    def __init__(self, table: Any, learned: bool) -> None:
        super().__init__()
        self.start, self.learned = table, learned

    def build(self, shape: Any) -> None:
        start = keras.initializers.Constant(self.start)
        self.table = self.add_weight(shape=self.start.shape, initializer=start, trainable=self.learned, name="table")

    def call(self, x: Any) -> Any:
        return x + keras.ops.cast(self.table, x.dtype)


def built(body: Sequence[Mapping[str, Any]], outputs: int, rows: Any, seeds: Seeds) -> tuple[Any, list[Kept]]:
    """Return the model that a description means, and what its layers are once it has learned.

    Weights are drawn as Keras draws them, dropout from `seeds`. The last layer computes in float32, whatever the others do.
    """
    start = keras.Input((rows.shape[1],))
    x, kept = _several(body, start, rows, seeds)
    end = keras.layers.Dense(outputs, dtype="float32")
    return keras.Model(start, end(x)), [*kept, lambda: _linear("dense", end, None)]


def _several(body: Sequence[Mapping[str, Any]], x: Any, rows: Any, seeds: Seeds) -> tuple[Any, list[Kept]]:
    kept = []
    for one in body:
        x, found = BUILD[one["kind"]](one, x, rows, seeds)
        kept.append(found)
    return x, kept


def _array(variable: Any) -> Any:
    return np.array(keras.ops.convert_to_numpy(variable.value), dtype=np.float32)


def _first(one: Mapping[str, Any]) -> str:
    """How weights are drawn: He et al. (2015) before what cuts off the negative half, Glorot & Bengio (2010) else."""
    halved = one.get("leads_to", one["activation"]) in ("relu", "silu", "gelu")
    return "he_uniform" if halved else "glorot_uniform"


def _linear(kind: str, layer: Any, activation: str | None) -> Layer:
    return {"kind": kind, "weights": _array(layer.kernel).T, "bias": _array(layer.bias), "activation": activation}


def _standardise(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    affine, _ = layers.BUILD["standardise"](one, (x.shape[1],), layers.Chance(0), rows)
    found = layers.fitted([affine])[0]
    return Affine(found["shift"], found["factor"])(x), lambda: found


def _reshape(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    return keras.layers.Reshape(tuple(one["shape"]))(x), lambda: {"kind": "reshape", "shape": list(one["shape"])}


def _dense(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    made = keras.layers.Dense(one["units"], ACTIVATIONS[one["activation"]], kernel_initializer=_first(one))
    return made(x), lambda: _linear("dense", made, one["activation"])


def _convolution(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    same = {"strides": one["stride"], "padding": "same", "data_format": LAST, "activation": ACTIVATIONS[one["activation"]]}
    deep = one["kind"] == "depthwise_conv2d"
    if deep:
        made = keras.layers.DepthwiseConv2D(one["size"], depthwise_initializer=_first(one), **same)
    else:
        made = keras.layers.Conv2D(one["channels"], one["size"], kernel_initializer=_first(one), **same)

    def kept() -> Layer:
        kernel = _array(made.kernel)
        return {
            "kind": one["kind"],
            "kernel": kernel[None, ..., 0] if deep else kernel.transpose(3, 0, 1, 2),
            "bias": _array(made.bias),
            "stride": [one["stride"], one["stride"]],
            "padding": "same",
            "activation": one["activation"],
        }

    return made(x), kept


def _batch_norm(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    made = keras.layers.BatchNormalization(momentum=1 - MOMENTUM, epsilon=EPSILON)
    after = keras.layers.Activation(ACTIVATIONS[one["activation"]] or "linear")

    def kept() -> Layer:
        learned = {"weight": _array(made.gamma), "bias": _array(made.beta)}
        means = {"mean": _array(made.moving_mean), "variance": _array(made.moving_variance)}
        return {"kind": "batch_norm", **learned, **means, "activation": one["activation"]}

    return after(made(x)), kept


def _layer_norm(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    made = keras.layers.LayerNormalization(epsilon=EPSILON)
    return made(x), lambda: {
        "kind": "layer_norm",
        "weight": _array(made.gamma),
        "bias": _array(made.beta),
        "epsilon": EPSILON,
    }


def _pool(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    made = {"max_pool": keras.layers.MaxPooling2D, "average_pool": keras.layers.AveragePooling2D}[one["kind"]]
    return made(tuple(one["size"]), data_format=LAST)(x), lambda: {"kind": one["kind"], "size": list(one["size"])}


def _mean(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    made = keras.layers.GlobalAveragePooling2D if len(x.shape) == 4 else keras.layers.GlobalAveragePooling1D
    return made(data_format=LAST)(x), lambda: {"kind": "mean"}


def _flatten(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    return keras.layers.Flatten(data_format=LAST)(x), lambda: {"kind": "flatten"}


def _dropout(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    return keras.layers.Dropout(one["rate"], seed=next(seeds))(x), lambda: {"kind": "dropout"}


def _recurrent(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    cell = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[one["kind"]]
    read = {"lstm": _of_lstm, "gru": _of_gru}[one["kind"]]
    made = []
    for index in range(one["layers"]):
        if index and one["dropout"]:
            x = keras.layers.Dropout(one["dropout"], seed=next(seeds))(x)
        made.append(cell(one["units"], return_sequences=True))
        x = made[-1](x)
    about = {"kind": one["kind"], "units": one["units"], "bidirectional": False}
    return x, lambda: {**about, "layers": [read(layer.cell) for layer in made]}


def _of_lstm(cell: Any) -> Layer:
    """Keras's gates are in PyTorch's order: input, forget, cell, output. It has one bias, PyTorch two that are added."""
    bias = _array(cell.bias)
    weights = {"input_weights": _array(cell.kernel).T, "hidden_weights": _array(cell.recurrent_kernel).T}
    return {**weights, "input_bias": bias, "hidden_bias": np.zeros_like(bias)}


def _of_gru(cell: Any) -> Layer:
    """Keras has the update gate first, PyTorch the reset gate; `reset_after` is how PyTorch resets."""

    def ordered(gates: Any) -> Any:
        update, reset, new = np.split(gates, 3)
        return np.concatenate([reset, update, new])

    into, hidden = _array(cell.bias)
    weights = {"input_weights": _array(cell.kernel).T, "hidden_weights": _array(cell.recurrent_kernel).T}
    return {name: ordered(one) for name, one in {**weights, "input_bias": into, "hidden_bias": hidden}.items()}


def _position(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    start, _ = layers.BUILD["position"](one, x.shape[1:], layers.Chance(0), rows)
    made = Table(start["table"].detach().numpy(), one["learned"])
    return made(x), lambda: {"kind": "position", "table": _array(made.table)}


def _attention(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    width = x.shape[-1]
    seed = next(seeds) if one["dropout"] else None
    made = keras.layers.MultiHeadAttention(one["heads"], width // one["heads"], dropout=one["dropout"], seed=seed)

    def part(layer: Any) -> Layer:
        return {"weights": _array(layer.kernel).reshape(width, width).T, "bias": _array(layer.bias).reshape(width)}

    def kept() -> Layer:
        parts = {"query": made.query_dense, "key": made.key_dense, "value": made.value_dense, "output": made.output_dense}
        return {"kind": "attention", "heads": one["heads"], **{name: part(layer) for name, layer in parts.items()}}

    return made(x, x), kept


def _residual(one: Any, x: Any, rows: Any, seeds: Seeds) -> tuple[Any, Kept]:
    inner, kept = _several(one["layers"], x, rows, seeds)
    return keras.layers.Add()([x, inner]), lambda: {"kind": "residual", "layers": [layer() for layer in kept]}


BUILD: dict[str, Callable[[Any, Any, Any, Seeds], tuple[Any, Kept]]] = {
    "standardise": _standardise,
    "reshape": _reshape,
    "dense": _dense,
    "conv2d": _convolution,
    "depthwise_conv2d": _convolution,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "max_pool": _pool,
    "average_pool": _pool,
    "mean": _mean,
    "last": lambda one, x, rows, seeds: (x[:, -1], lambda: {"kind": "last"}),
    "flatten": _flatten,
    "dropout": _dropout,
    "lstm": _recurrent,
    "gru": _recurrent,
    "position": _position,
    "attention": _attention,
    "residual": _residual,
}
