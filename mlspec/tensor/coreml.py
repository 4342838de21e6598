"""A program as a model of Core ML: an "ML program", which takes one row, in operations of macOS 13 and iOS 16.

A program's images have their channels last, Core ML's have them first. Each operation on images turns them there and back, and
coremltools takes out what cancels between two of them.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from mlspec.tensor import integers
from mlspec.tensor.program import ROWS, Array, Node, Program, Value
from mlspec.tensor.trees import walked
from mlspec.tensor.windows import edges

WEIGHTS = {"dense": "linear", "dense_each": "linear", "conv2d": "conv", "depthwise_conv2d": "conv", "matmul": "matmul"}
"""Layer -> the operation that it is written as."""

NAMES = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "div": "real_div",
    "min": "minimum",
    "max": "maximum",
    "equal": "equal",
    "less": "less",
    "less_equal": "less_equal",
    "greater": "greater",
    "greater_equal": "greater_equal",
    "and": "logical_and",
}
"""Operation on two numbers -> operation of Core ML, which takes them as `x` and `y`."""

SINGLE: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "exp": ("exp", {}),
    "log": ("log", {"epsilon": 0.0}),
    "abs": ("abs", {}),
    "tanh": ("tanh", {}),
    "sigmoid": ("sigmoid", {}),
    "relu": ("relu", {}),
    "relu6": ("relu6", {}),
    "sqrt": ("sqrt", {}),
    "rsqrt": ("rsqrt", {"epsilon": 0.0}),
    "not": ("logical_not", {}),
    "softmax": ("softmax", {"axis": -1}),
}
"""Operation on one number, or on the shares of one axis -> the same. By default some add a small number first; ours do not."""

ENDS = ("", "_sum", "_flat", "_flat_sum", "_first", "_first_sum")
"""What follows a value's name in that of its layer: before an activation, among flat rows, with channels first."""

TO_FIRST, TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)

PASSES = ("reduce_transposes", "const_deduplication", "dead_code_elimination")
"""What coremltools may change: nothing that moves a last bit, as a division made a product would."""

PACKAGE = "Data/com.apple.CoreML"
FILES = {"model.mlmodel": "CoreML Model Specification", "weights": "CoreML Model Weights"}
IDENTIFIERS = {name: f"00000000-0000-4000-8000-{place:012d}" for place, name in enumerate(FILES, start=1)}
"""The parts of a package are known by identifiers, which coremltools draws anew each time; any two will do."""


def written(
    program: Program, place: Path, metadata: Mapping[str, str], input_name: str, output_name: str, quantize: str = "none"
) -> None:
    """Write a package (a directory, which must not be there): the input is 1 × width, float32.

    With `quantize`, layers have their weights stored in float16 (`float16`), or in 8 bits with a scale for each output
    (`weights`); all is computed in float32.
    """
    with quiet():
        import coremltools as ct
        from coremltools.converters.mil.mil import Builder, Function, types
        from coremltools.converters.mil.mil import Program as MilProgram

        target = ct.target.iOS16
        simple = walked(program)
        function = Function({input_name: Builder.placeholder(shape=(1, simple.width), dtype=types.fp32)}, opset_version=target)
        with function:
            writer = _Writer(Builder, simple, function.inputs[input_name], quantize == "float16")
            for node in simple.needed:
                writer.add(node)
            assert simple.output is not None
            function.set_outputs([Builder.identity(x=writer.values[simple.output.index], name=output_name)])
        made = MilProgram()
        made.add_function("main", function)
        model = ct.convert(
            made,
            convert_to="mlprogram",
            minimum_deployment_target=target,
            compute_precision=ct.precision.FLOAT32,
            pass_pipeline=ct.PassPipeline([f"common::{name}" for name in PASSES]),
            skip_model_load=True,
        )
        if quantize == "weights":
            model = _in_8_bits(model, [f"v{node.gives.index}" for node in integers.exact(simple)])
        _store(model, place, metadata)


def _in_8_bits(model: Any, exact: Sequence[str]) -> Any:
    """Store the weights of layers in 8 bits, but of the exact ones, whose names are given."""
    from coremltools.optimize import coreml

    each = coreml.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8", granularity="per_channel", weight_threshold=0)
    stay = {f"{name}{end}": None for name in exact for end in ENDS}
    config = coreml.OptimizationConfig(op_type_configs=dict.fromkeys(sorted(set(WEIGHTS.values())), each), op_name_configs=stay)
    return coreml.linear_quantize_weights(model, config)


def _store(model: Any, place: Path, metadata: Mapping[str, str]) -> None:
    """Write a package as coremltools does, without what differs from one day, or one process, to the next."""
    spec = model.get_spec()
    told = spec.description.metadata.userDefined
    told.pop("com.github.apple.coremltools.conversion_date", None)
    for name, text in metadata.items():
        told[name] = text
    (place / PACKAGE / "weights").mkdir(parents=True)
    (place / PACKAGE / "model.mlmodel").write_bytes(spec.SerializeToString(deterministic=True))
    stored = Path(model.weights_dir, "weight.bin")
    if stored.is_file():
        (place / PACKAGE / "weights" / "weight.bin").write_bytes(stored.read_bytes())
    entries = {
        IDENTIFIERS[name]: {"author": "com.apple.CoreML", "description": about, "name": name, "path": f"com.apple.CoreML/{name}"}
        for name, about in FILES.items()
    }
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": entries,
        "rootModelIdentifier": IDENTIFIERS["model.mlmodel"],
    }
    (place / "Manifest.json").write_text(json.dumps(manifest, indent=4) + "\n", encoding="utf-8")


@contextmanager
def quiet() -> Iterator[None]:
    """Let coremltools say nothing of what it lacks here, such as Core ML itself, nor how far it is."""
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    with redirect_stderr(StringIO()):
        yield


class _Writer:
    """Adds operations to a function; each is named after the value that it gives."""

    def __init__(self, builder: Any, program: Program, start: Any, short: bool) -> None:
        self.builder, self.program, self.short = builder, program, short
        self.values: dict[int, Any] = {0: start}

    def value(self, one: Value) -> Any:
        """What stands for a value: a constant is an array."""
        constant = self.program.constants.get(one.index)
        return self.values[one.index] if constant is None else constant

    def add(self, node: Node) -> None:
        special: Callable[[Node, str], Any] | None = getattr(self, f"_{node.operation}", None)
        self.values[node.gives.index] = (special or self._plain)(node, f"v{node.gives.index}")

    def _plain(self, node: Node, name: str) -> Any:
        takes = [self.value(one) for one in node.takes]
        if node.operation in SINGLE:
            operation, more = SINGLE[node.operation]
            return getattr(self.builder, operation)(x=takes[0], name=name, **more)
        x, y = takes
        return getattr(self.builder, NAMES[node.operation])(x=x, y=y, name=name)

    # layers

    def _weights(self, array: Array, node: Node) -> Any:
        if not self.short or node.gives.index in self.program.exact:
            return array
        return self.builder.constexpr_cast(source_val=array.astype(np.float16), output_dtype="fp32")

    def _dense(self, node: Node, name: str) -> Any:
        x, weights, bias = (self.value(one) for one in node.takes)
        return self._activated(
            lambda **named: self.builder.linear(x=x, weight=self._weights(weights, node), bias=bias, **named), node, name
        )

    def _dense_each(self, node: Node, name: str) -> Any:
        """A linear operation takes two axes besides that of the features; with more of them, one row is made flat."""
        x, shape = self.value(node.takes[0]), _shape(node.gives)
        if len(shape) <= 3:
            return self._dense(node, name)
        _, weights, bias = (self.value(one) for one in node.takes)
        flat = self.builder.reshape(x=x, shape=(-1, node.takes[0].width))
        made = self._activated(
            lambda **named: self.builder.linear(x=flat, weight=self._weights(weights, node), bias=bias, **named),
            node,
            f"{name}_flat",
        )
        return self.builder.reshape(x=made, shape=shape, name=name)

    def _matmul(self, node: Node, name: str) -> Any:
        x, y = (self.value(one) for one in node.takes)
        if node.takes[1].index in self.program.constants:
            y = self._weights(y, node)
        return self.builder.matmul(x=x, y=y, transpose_y=node.settings["transposed"], name=name)

    def _activated(self, write: Callable[..., Any], node: Node, name: str) -> Any:
        activation = node.settings["activation"]
        if activation is None:
            return write(name=name)
        return getattr(self.builder, activation)(x=write(name=f"{name}_sum"), name=name)

    # on images

    def _conv2d(self, node: Node, name: str) -> Any:
        return self._convolve(node, name, TO_FIRST)

    def _depthwise_conv2d(self, node: Node, name: str) -> Any:
        return self._convolve(node, name, (3, 0, 1, 2), groups=node.takes[0].width)

    def _convolve(self, node: Node, name: str, order: Sequence[int], **more: int) -> Any:
        kernel, bias = (self.value(one) for one in node.takes[1:])
        weights = self._weights(np.ascontiguousarray(kernel.transpose(order)), node)
        how = {**self._windows(node, kernel.shape[1:3]), **more}
        return self._on_image(
            node,
            name,
            lambda x, inner: self._activated(
                lambda **named: self.builder.conv(x=x, weight=weights, bias=bias, **how, **named), node, inner
            ),
        )

    def _max_pool(self, node: Node, name: str) -> Any:
        return self._pool(node, name, self.builder.max_pool)

    def _average_pool(self, node: Node, name: str) -> Any:
        return self._pool(node, name, self.builder.avg_pool, exclude_padding_from_average=True)

    def _pool(self, node: Node, name: str, pool: Any, **more: Any) -> Any:
        size = node.settings["size"]
        how = {"kernel_sizes": size, **self._windows(node, size), **more}
        return self._on_image(node, name, lambda x, inner: pool(x=x, name=inner, **how))

    def _windows(self, node: Node, size: Sequence[int]) -> dict[str, Any]:
        stride = node.settings["stride"]
        down, across = edges(node.takes[0].shape, (size[0], size[1]), stride, node.settings["padding"])
        return {"strides": stride, "pad_type": "custom", "pad": (*down, *across)}

    def _on_image(self, node: Node, name: str, write: Callable[[Any, str], Any]) -> Any:
        x = self.builder.transpose(x=self.value(node.takes[0]), perm=TO_FIRST)
        return self.builder.transpose(x=write(x, f"{name}_first"), perm=TO_LAST, name=name)

    # as the program has them

    def _where(self, node: Node, name: str) -> Any:
        """What is chosen from is as wide as what comes out: the condition does not widen it."""
        condition, *others = node.takes
        shape = _shape(node.gives)
        a, b = (
            np.broadcast_to(self.value(one), shape) if one.index in self.program.constants else self.value(one) for one in others
        )
        return self.builder.select(cond=self.value(condition), a=a, b=b, name=name)

    def _hard_swish(self, node: Node, name: str) -> Any:
        x = self.value(node.takes[0])
        cut = self.builder.relu6(x=self.builder.add(x=x, y=np.float32(3)))
        return self.builder.real_div(x=self.builder.mul(x=x, y=cut), y=np.float32(6), name=name)

    def _mean(self, node: Node, name: str) -> Any:
        x, settings = self.value(node.takes[0]), node.settings
        return self.builder.reduce_mean(x=x, axes=settings["axes"], keep_dims=settings["keep"], name=name)

    def _sum(self, node: Node, name: str) -> Any:
        keep = len(node.takes[0].shape) == 2
        return self.builder.reduce_sum(x=self.value(node.takes[0]), axes=(1,), keep_dims=keep, name=name)

    def _pad(self, node: Node, name: str) -> Any:
        around = [0, 0, *(many for ends in node.settings["around"] for many in ends)]
        return self.builder.pad(x=self.value(node.takes[0]), pad=around, name=name)

    def _reshape(self, node: Node, name: str) -> Any:
        return self.builder.reshape(x=self.value(node.takes[0]), shape=_shape(node.gives), name=name)

    def _transpose(self, node: Node, name: str) -> Any:
        return self.builder.transpose(x=self.value(node.takes[0]), perm=node.settings["order"], name=name)

    def _slice(self, node: Node, name: str) -> Any:
        begin, size = (0, *node.settings["begin"]), (1, *node.settings["size"])
        return self.builder.slice_by_size(x=self.value(node.takes[0]), begin=begin, size=size, name=name)

    def _columns(self, node: Node, name: str) -> Any:
        x, places = (self.value(one) for one in node.takes)
        return self.builder.gather(x=x, indices=places, axis=-1, name=name)

    def _lookup(self, node: Node, name: str) -> Any:
        table, numbers = (self.value(one) for one in node.takes)
        return self.builder.gather(x=table, indices=numbers, axis=0, name=name)

    def _pick(self, node: Node, name: str) -> Any:
        x, numbers = (self.value(one) for one in node.takes)
        return self.builder.gather_along_axis(x=x, indices=numbers, axis=1, name=name)

    def _concat(self, node: Node, name: str) -> Any:
        return self.builder.concat(values=[self.value(one) for one in node.takes], axis=-1, name=name)

    def _cast(self, node: Node, name: str) -> Any:
        kind = {"float32": "fp32", "int32": "int32", "bool": "bool"}[node.settings["type"]]
        return self.builder.cast(x=self.value(node.takes[0]), dtype=kind, name=name)


def _shape(value: Value) -> tuple[int, ...]:
    """A value's shape for one row."""
    return tuple(1 if size == ROWS else size for size in value.shape)


# -- what was written


def operations(place: Path) -> list[Any]:
    """Return the operations of a written package, as its protocol buffer describes them."""
    with quiet():
        import coremltools as ct

        spec = ct.utils.load_spec(os.fspath(place))
    [block] = spec.mlProgram.functions["main"].block_specializations.values()
    return list(block.operations)


def stored(place: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the type, as the protocol buffer calls it, and the shape of each constant of a written package."""
    found = operations(place)
    from coremltools.proto import MIL_pb2

    for one in found:
        for name, value in one.attributes.items() if one.type == "const" or one.type.startswith("constexpr_") else ():
            kind = value.type.tensorType
            if name != "name":
                yield MIL_pb2.DataType.Name(kind.dataType), tuple(int(size.constant.size) for size in kind.dimensions)
