"""A program as a TensorFlow Lite (LiteRT) model, in its builtin operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlspec.tensor.program import ROWS, Array, Node, Program, Value

BUILTINS: Mapping[str, tuple[str, str | None, int]] = {
    "dense": ("FULLY_CONNECTED", "FullyConnectedOptions", 1),
    "dense_each": ("FULLY_CONNECTED", "FullyConnectedOptions", 5),
    "conv2d": ("CONV_2D", "Conv2DOptions", 1),
    "depthwise_conv2d": ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", 1),
    "max_pool": ("MAX_POOL_2D", "Pool2DOptions", 1),
    "average_pool": ("AVERAGE_POOL_2D", "Pool2DOptions", 1),
    "mean": ("MEAN", "ReducerOptions", 1),
    "pad": ("PAD", None, 1),
    "transpose": ("TRANSPOSE", None, 1),
    "slice": ("SLICE", None, 1),
    "matmul": ("BATCH_MATMUL", "BatchMatMulOptions", 1),
    "relu6": ("RELU6", None, 1),
    "hard_swish": ("HARD_SWISH", None, 1),
    "sqrt": ("SQRT", None, 1),
    "rsqrt": ("RSQRT", None, 1),
    "columns": ("GATHER", "GatherOptions", 1),
    "lookup": ("GATHER", "GatherOptions", 1),
    "pick": ("GATHER", "GatherOptions", 5),
    "concat": ("CONCATENATION", "ConcatenationOptions", 1),
    "sum": ("SUM", "ReducerOptions", 1),
    "reshape": ("RESHAPE", "ReshapeOptions", 1),
    "cast": ("CAST", "CastOptions", 1),
    "softmax": ("SOFTMAX", "SoftmaxOptions", 1),
    "add": ("ADD", "AddOptions", 1),
    "sub": ("SUB", "SubOptions", 1),
    "mul": ("MUL", "MulOptions", 1),
    "div": ("DIV", "DivOptions", 1),
    "min": ("MINIMUM", "MaximumMinimumOptions", 1),
    "max": ("MAXIMUM", "MaximumMinimumOptions", 1),
    "exp": ("EXP", "ExpOptions", 1),
    "log": ("LOG", None, 1),
    "abs": ("ABS", "AbsOptions", 1),
    "tanh": ("TANH", None, 1),
    "sigmoid": ("LOGISTIC", None, 1),
    "relu": ("RELU", None, 1),
    "equal": ("EQUAL", "EqualOptions", 1),
    "less": ("LESS", "LessOptions", 1),
    "less_equal": ("LESS_EQUAL", "LessEqualOptions", 1),
    "greater": ("GREATER", "GreaterOptions", 1),
    "greater_equal": ("GREATER_EQUAL", "GreaterEqualOptions", 1),
    "not": ("LOGICAL_NOT", "LogicalNotOptions", 1),
    "and": ("LOGICAL_AND", "LogicalAndOptions", 1),
    "where": ("SELECT_V2", "SelectV2Options", 1),
}
"""Operation -> builtin operator, its options, and the version of it that has what we use."""

TYPES = {"float32": "FLOAT32", "int32": "INT32", "bool": "BOOL"}
SIGNATURE = "serving_default"
IDENTIFIER = b"TFL3"


def written(program: Program, name: str, metadata: Mapping[str, str], input_name: str, output_name: str) -> bytes:
    """Return the bytes of a model for one row at a time, that can be resized to any number of rows."""
    from ai_edge_litert import schema_py_generated as schema

    assert program.output is not None
    writer = _Writer(schema)
    writer.tensor(program.input, input_name)
    writer.names[program.output.index] = output_name
    for index, array in program.constants.items():
        writer.arrays[index] = array
    for node in joined(program):
        writer.add(node)
    graph = schema.SubGraphT()
    graph.name = name.encode()
    graph.tensors, graph.operators = writer.tensors, writer.operators
    graph.inputs, graph.outputs = [writer.places[0]], [writer.places[program.output.index]]
    model = schema.ModelT()
    model.version = 3
    model.description = b"mlspec"
    model.operatorCodes, model.buffers, model.subgraphs = writer.codes, writer.buffers, [graph]
    model.signatureDefs = [_signature(schema, (input_name, graph.inputs[0]), (output_name, graph.outputs[0]))]
    return packed(with_metadata(model, metadata))


def joined(program: Program) -> list[Node]:
    """The operations that are written: an operator can rectify what it has added, so that the sum needs no range of its own."""
    made = {node.gives.index: node for node in program.needed}
    read = Counter(one.index for node in made.values() for one in node.takes)
    found: dict[int, Node] = {}
    for index, node in made.items():
        first = made.get(node.takes[0].index)
        if (
            node.operation in ("relu", "relu6")
            and first
            and first.operation in ("add", "sub", "mul")
            and read[first.gives.index] == 1
        ):
            del found[first.gives.index]
            found[index] = Node(first.operation, first.takes, node.gives, {"activation": node.operation})
        else:
            found[index] = node
    return list(found.values())


def named(program: Program, value: Value, output_name: str) -> str:
    """Return what `written` calls a value that an operation gives."""
    assert program.output is not None
    return output_name if value.index == program.output.index else f"v{value.index}"


def packed(model: Any) -> bytes:
    """Return the bytes of a model in the schema's object form, with what buffers hold at multiples of 16.

    The schema asks for that, and kernels on microcontrollers read numbers where they lie; the library itself does not do it.
    """
    import flatbuffers

    class Builder(flatbuffers.Builder):  # type: ignore[misc]
        def StartVector(self, size: int, count: int, alignment: int) -> Any:  # noqa: N802 - the library's name
            return super().StartVector(size, count, 16 if size == 1 else alignment)

    builder = Builder(1024)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def compact(data: bytes) -> bytes:
    """Return the same model, with what its buffers hold in them, equal ones once, and no buffer that nothing uses.

    The quantizer puts large buffers behind the model, where older runtimes, and TensorFlow Lite Micro, do not look.
    """
    model = unpacked(data)
    held = [_held(buffer, data) for buffer in model.buffers]
    places: dict[bytes, int] = {b"": 0}
    users = [*(tensor for graph in model.subgraphs for tensor in graph.tensors), *(model.metadata or [])]
    kept = model.buffers[:1]
    for user in users:
        content = held[user.buffer]
        if content not in places:
            places[content] = len(kept)
            buffer = model.buffers[user.buffer]
            buffer.data, buffer.offset, buffer.size = np.frombuffer(content, dtype=np.uint8), 0, 0
            kept.append(buffer)
        user.buffer = places[content]
    model.buffers = kept
    return packed(model)


def _held(buffer: Any, data: bytes) -> bytes:
    if buffer.offset > 1:  # 0 and 1 stand for "in the buffer itself"
        return data[buffer.offset : buffer.offset + buffer.size]
    return b"" if buffer.data is None else bytes(buffer.data)


def unpacked(data: bytes) -> Any:
    """Return the object form of a model's bytes."""
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))


def with_metadata(model: Any, metadata: Mapping[str, str]) -> Any:
    """Put texts into a model's metadata, in the place of what it has under the same names."""
    from ai_edge_litert import schema_py_generated as schema

    kept = [one for one in model.metadata or [] if _text(one.name) not in metadata]
    for name, text in sorted(metadata.items()):
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(text.encode(), dtype=np.uint8)
        entry = schema.MetadataT()
        entry.name, entry.buffer = name.encode(), len(model.buffers)
        model.buffers.append(buffer)
        kept.append(entry)
    model.metadata = kept
    return model


def metadata_of(data: bytes) -> dict[str, str]:
    """Return the texts in a model's metadata."""
    model = unpacked(data)
    found = {}
    for one in model.metadata or []:
        content = model.buffers[one.buffer].data
        found[_text(one.name)] = bytes(content if content is not None else b"").decode(errors="replace")
    return found


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _signature(schema: Any, *ends: tuple[str, int]) -> Any:
    maps = []
    for name, place in ends:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name.encode(), place
        maps.append(entry)
    signature = schema.SignatureDefT()
    signature.inputs, signature.outputs = maps[:1], maps[1:]
    signature.signatureKey, signature.subgraphIndex = SIGNATURE.encode(), 0
    return signature


class _Writer:
    """Writes operations as operators; a constant becomes a tensor when it is first used."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[Any] = []
        self.buffers: list[Any] = [schema.BufferT()]  # the first is empty by convention
        self.places: dict[int, int] = {}
        self.names: dict[int, str] = {}
        self.arrays: dict[int, Array] = {}
        self._codes: dict[tuple[str, int], int] = {}
        self._whole: dict[tuple[tuple[int, ...], bytes], int] = {}

    def tensor(self, value: Value, name: str, array: Array | None = None) -> int:
        made = self.schema.TensorT()
        made.name = name.encode()
        made.type = getattr(self.schema.TensorType, TYPES[value.type])
        made.shape = [1 if size == ROWS else size for size in value.shape]
        made.buffer = 0
        if array is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(array).tobytes(), dtype=np.uint8)
            made.buffer = len(self.buffers)
            self.buffers.append(buffer)
        elif ROWS in value.shape:
            made.shapeSignature = list(value.shape)
        self.tensors.append(made)
        self.places[value.index] = len(self.tensors) - 1
        return len(self.tensors) - 1

    def place(self, value: Value) -> int:
        if value.index not in self.places:
            self.tensor(value, self.names.get(value.index, f"v{value.index}"), self.arrays.get(value.index))
        return self.places[value.index]

    def whole(self, numbers: Array) -> int:
        """The place of a constant of whole numbers: axes, sizes, margins. Equal ones are one."""
        array = np.ascontiguousarray(numbers, dtype=np.int32)
        key = (array.shape, array.tobytes())
        if key not in self._whole:
            index = -2 - len(self._whole)  # no value of a program has such a place
            self._whole[key] = self.tensor(Value(index, array.shape, "int32"), f"n{-index - 2}", array)
        return self._whole[key]

    def numbers(self, *numbers: int) -> int:
        """The place of a constant list of whole numbers."""
        return self.whole(np.array(numbers))

    def add(self, node: Node) -> None:
        builtin, options, version = BUILTINS[node.operation]
        made = self.schema.OperatorT()
        made.opcodeIndex = self._code(builtin, version)
        made.inputs = [self.place(one) for one in node.takes]
        if options is not None:
            made.builtinOptionsType = getattr(self.schema.BuiltinOptions, options)
            made.builtinOptions = getattr(self.schema, f"{options}T")()
        special = getattr(self, f"_{node.operation}", None)
        if special is not None:
            special(node, made)
        made.outputs = [self.place(node.gives)]
        self.operators.append(made)

    def _code(self, builtin: str, version: int) -> int:
        if (builtin, version) not in self._codes:
            code = self.schema.OperatorCodeT()
            code.builtinCode = getattr(self.schema.BuiltinOperator, builtin)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)  # older readers look here; 127 says "look there"
            code.version = version
            self._codes[builtin, version] = len(self.codes)
            self.codes.append(code)
        return self._codes[builtin, version]

    def _dense(self, node: Node, made: Any) -> None:
        self._activate(node, made)

    def _dense_each(self, node: Node, made: Any) -> None:
        self._activate(node, made)
        made.builtinOptions.keepNumDims = True

    def _activate(self, node: Node, made: Any) -> None:
        kinds = self.schema.ActivationFunctionType
        activation = node.settings.get("activation") or "none"
        made.builtinOptions.fusedActivationFunction = getattr(kinds, activation.upper())

    def _add(self, node: Node, made: Any) -> None:
        self._activate(node, made)
        made.builtinOptions.potScaleInt16 = False  # scales of 16 bits need not be powers of two

    def _sub(self, node: Node, made: Any) -> None:
        self._add(node, made)

    def _mul(self, node: Node, made: Any) -> None:
        self._activate(node, made)

    def _conv2d(self, node: Node, made: Any) -> None:
        self._activate(node, made)
        self._strides(node, made)

    def _depthwise_conv2d(self, node: Node, made: Any) -> None:
        self._conv2d(node, made)
        made.builtinOptions.depthMultiplier = 1

    def _strides(self, node: Node, made: Any) -> None:
        made.builtinOptions.padding = getattr(self.schema.Padding, node.settings["padding"].upper())
        made.builtinOptions.strideH, made.builtinOptions.strideW = node.settings["stride"]

    def _max_pool(self, node: Node, made: Any) -> None:
        self._strides(node, made)
        made.builtinOptions.filterHeight, made.builtinOptions.filterWidth = node.settings["size"]

    def _average_pool(self, node: Node, made: Any) -> None:
        self._max_pool(node, made)

    def _mean(self, node: Node, made: Any) -> None:
        made.inputs = [*made.inputs, self.numbers(*node.settings["axes"])]
        made.builtinOptions.keepDims = node.settings["keep"]

    def _pad(self, node: Node, made: Any) -> None:
        made.inputs = [*made.inputs, self.whole(np.array([(0, 0), *node.settings["around"]]))]

    def _transpose(self, node: Node, made: Any) -> None:
        made.inputs = [*made.inputs, self.numbers(*node.settings["order"])]

    def _slice(self, node: Node, made: Any) -> None:
        made.inputs = [*made.inputs, self.numbers(0, *node.settings["begin"]), self.numbers(-1, *node.settings["size"])]

    def _matmul(self, node: Node, made: Any) -> None:
        made.builtinOptions.adjY = node.settings["transposed"]

    def _columns(self, node: Node, made: Any) -> None:
        made.builtinOptions.axis = len(node.gives.shape) - 1

    def _concat(self, node: Node, made: Any) -> None:
        made.builtinOptions.axis = len(node.gives.shape) - 1

    def _pick(self, node: Node, made: Any) -> None:
        made.builtinOptions.axis, made.builtinOptions.batchDims = 1, 1

    def _sum(self, node: Node, made: Any) -> None:
        made.inputs = [*made.inputs, self.numbers(1)]
        made.builtinOptions.keepDims = len(node.takes[0].shape) == 2

    def _reshape(self, node: Node, made: Any) -> None:
        shape = (-1, *node.settings["shape"])
        made.inputs = [*made.inputs, self.numbers(*shape)]
        made.builtinOptions.newShape = list(shape)

    def _cast(self, node: Node, made: Any) -> None:
        kinds = self.schema.TensorType
        made.builtinOptions.inDataType = getattr(kinds, TYPES[node.takes[0].type])
        made.builtinOptions.outDataType = getattr(kinds, TYPES[node.gives.type])

    def _softmax(self, node: Node, made: Any) -> None:
        made.builtinOptions.beta = 1.0


NUMBERS = {0: "float32", 1: "float16", 2: "int32", 4: "int64", 6: "bool", 7: "int16", 9: "int8", 17: "int4"}
"""The schema's numbers of types."""


def operators_of(data: bytes) -> list[str]:
    """Return the names of the builtin operators that a model's bytes need, sorted."""
    from ai_edge_litert import schema_py_generated as schema

    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    return sorted({names.get(code.builtinCode, str(code.builtinCode)) for code in unpacked(data).operatorCodes})
