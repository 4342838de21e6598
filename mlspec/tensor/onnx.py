"""A program as an ONNX model, in the standard operators; an ensemble of trees as `TreeEnsembleRegressor` where that is wanted.

A program's images have their channels last, ONNX's have them first. The writer knows in which of the two layouts it has a value,
and transposes it when an operation asks for the other one: between convolutions nothing is transposed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlspec.tensor.program import ROWS, Array, Node, Program, Value
from mlspec.tensor.trees import Trees
from mlspec.tensor.windows import edges

OPSET, TREES_OPSET, FORMAT = 17, 3, 9
"""Versions that runtimes of the last three years read."""

NAMES = {
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "exp": "Exp",
    "log": "Log",
    "abs": "Abs",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "min": "Min",
    "max": "Max",
    "equal": "Equal",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "not": "Not",
    "and": "And",
    "where": "Where",
    "sqrt": "Sqrt",
    "hard_swish": "HardSwish",
}
"""Operation on single numbers -> operator: it does not matter in which layout it meets them."""

EITHER_LAYOUT = {*NAMES, "cast", "relu6", "rsqrt", "concat", "mean", "pad"}
"""Operations that are written for both layouts."""

ROWS_NAME = "rows"
TO_FIRST, TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def written(program: Program, name: str, metadata: Mapping[str, str], input_name: str, output_name: str) -> bytes:
    """Return the bytes of an ONNX model: the input is rows × width, float32, with any number of rows."""
    import onnx
    from onnx import TensorProto, helper

    assert program.output is not None
    writer = _Writer(program, input_name, output_name)
    for node in program.needed:
        writer.add(node)
    writer.last(program.output)
    places = [
        helper.make_tensor_value_info(one, TensorProto.FLOAT, [ROWS_NAME if size == ROWS else size for size in value.shape])
        for one, value in ((input_name, program.input), (output_name, program.output))
    ]
    graph = helper.make_graph(writer.nodes, name, places[:1], places[1:], writer.constants())
    opsets = [helper.make_opsetid("", OPSET)]
    if any(one.domain for one in writer.nodes):
        opsets.append(helper.make_opsetid("ai.onnx.ml", TREES_OPSET))
    model = helper.make_model(graph, producer_name="mlspec", opset_imports=opsets, ir_version=FORMAT)
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    found: bytes = model.SerializeToString(deterministic=True)
    return found


class _Writer:
    """Writes operations as nodes; each name is that of the value's place in the program."""

    def __init__(self, program: Program, input_name: str, output_name: str) -> None:
        self.program = program
        self.names = {0: input_name}
        assert program.output is not None
        self.names[program.output.index] = output_name
        self.nodes: list[Any] = []
        self.first_only: set[int] = set()
        self.firsts: dict[int, str] = {}
        self._extra: dict[str, Array] = {}

    def name(self, value: Value) -> str:
        return self.names.setdefault(value.index, f"v{value.index}")

    def last(self, value: Value) -> str:
        """The name of a value with its channels last, as the program has it."""
        if value.index in self.first_only:
            self.first_only.remove(value.index)
            self._node("Transpose", [self.firsts[value.index]], self.name(value), perm=TO_LAST)
        return self.name(value)

    def first(self, value: Value) -> str:
        """The name of an image with its channels first."""
        if value.index not in self.firsts:
            name = self.firsts[value.index] = f"{self.name(value)}_first"
            if value.index in self.program.constants:
                array = self.program.constants[value.index]
                self._extra[name] = array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(TO_FIRST)
            else:
                self._node("Transpose", [self.name(value)], name, perm=TO_FIRST)
        return self.firsts[value.index]

    def gives_first(self, value: Value) -> str:
        """The name for an image that an operation gives with its channels first."""
        self.first_only.add(value.index)
        self.firsts[value.index] = f"{self.name(value)}_first"
        return self.firsts[value.index]

    def constants(self) -> list[Any]:
        from onnx import numpy_helper

        used = {name for node in self.nodes for name in node.input}
        named = {self.name(Value(index, array.shape, "float32")): array for index, array in self.program.constants.items()}
        arrays = {**named, **self._extra}.items()
        return [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in arrays if name in used]

    def _node(self, operator: str, takes: list[str], gives: str, **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, takes, [gives], name=gives, **attributes))

    def _numbers(self, *numbers: int) -> str:
        """The name of a constant list of whole numbers."""
        name = "numbers_" + "_".join(map(str, numbers))
        self._extra[name] = np.array(numbers, dtype=np.int64)
        return name

    def add(self, node: Node) -> None:
        if hasattr(self, f"_image_{node.operation}"):
            getattr(self, f"_image_{node.operation}")(node)
            return
        first = self._is_first(node)
        takes = [self.first(one) if first else self.last(one) for one in node.takes]
        # what is not an image any more, because its axes were averaged, has no layout
        gives = self.gives_first(node.gives) if first and len(node.gives.shape) == 4 else self.name(node.gives)
        special = getattr(self, f"_{node.operation}", None)
        if special is None:
            self._node(NAMES[node.operation], takes, gives)
        elif node.operation in ("concat", "mean", "pad"):
            special(node, takes, gives, TO_FIRST if first else tuple(range(len(node.takes[0].shape))))
        else:
            special(node, takes, gives)

    def _is_first(self, node: Node) -> bool:
        """Whether an operation takes images with their channels first: where one is there in this layout only."""
        made = [one for one in node.takes if one.index not in self.program.constants]
        images = all(len(one.shape) == 4 for one in made)
        return images and node.operation in EITHER_LAYOUT and any(one.index in self.first_only for one in made)

    # on images, channels first

    def _image_conv2d(self, node: Node) -> None:
        self._convolve(node, (0, 3, 1, 2))

    def _image_depthwise_conv2d(self, node: Node) -> None:
        self._convolve(node, (3, 0, 1, 2), group=node.takes[0].width)

    def _convolve(self, node: Node, order: tuple[int, ...], **attributes: int) -> None:
        x, kernel, bias = node.takes
        name = f"{self.name(kernel)}_kernel" + ("s" if attributes else "")
        array = self._extra[name] = self.program.constants[kernel.index].transpose(order)
        gives, activation = self.gives_first(node.gives), node.settings["activation"]
        takes = [self.first(x), name, self.last(bias)]
        windows = self._windows(node, kernel.shape[1:3])
        self._node("Conv", takes, f"{gives}_sum" if activation else gives, kernel_shape=array.shape[2:], **attributes, **windows)
        if activation:
            self._activate(activation, f"{gives}_sum", gives)

    def _windows(self, node: Node, size: tuple[int, ...]) -> dict[str, Any]:
        stride = node.settings["stride"]
        down, across = edges(node.takes[0].shape, (size[0], size[1]), stride, node.settings["padding"])
        return {"strides": stride, "pads": (down[0], across[0], down[1], across[1])}

    def _image_max_pool(self, node: Node) -> None:
        self._pool(node, "MaxPool")

    def _image_average_pool(self, node: Node) -> None:
        self._pool(node, "AveragePool")

    def _pool(self, node: Node, operator: str) -> None:
        takes, size = [self.first(node.takes[0])], node.settings["size"]
        self._node(operator, takes, self.gives_first(node.gives), kernel_shape=size, **self._windows(node, size))

    # in either layout: `order` are the axes of what is taken, in the order in which they lie

    def _concat(self, node: Node, takes: list[str], gives: str, order: tuple[int, ...]) -> None:
        self._node("Concat", takes, gives, axis=order.index(len(order) - 1))

    def _mean(self, node: Node, takes: list[str], gives: str, order: tuple[int, ...]) -> None:
        axes = sorted(order.index(axis) for axis in node.settings["axes"])
        self._node("ReduceMean", takes, gives, axes=axes, keepdims=int(node.settings["keep"]))

    def _pad(self, node: Node, takes: list[str], gives: str, order: tuple[int, ...]) -> None:
        around = [((0, 0), *node.settings["around"])[axis] for axis in order]
        self._node("Pad", [*takes, self._numbers(*(one for one, _ in around), *(one for _, one in around))], gives)

    def _activate(self, activation: str, takes: str, gives: str) -> None:
        if activation == "relu":
            self._node("Relu", [takes], gives)
        else:
            self._extra["zero"], self._extra["six"] = np.array(0, np.float32), np.array(6, np.float32)
            self._node("Clip", [takes, "zero", "six"], gives)

    def _relu6(self, node: Node, takes: list[str], gives: str) -> None:
        self._activate("relu6", takes[0], gives)

    def _rsqrt(self, node: Node, takes: list[str], gives: str) -> None:
        self._node("Sqrt", takes, f"{gives}_root")
        self._node("Reciprocal", [f"{gives}_root"], gives)

    # as the program has them

    def _dense(self, node: Node, takes: list[str], gives: str) -> None:
        rectified = node.settings["activation"] == "relu"
        self._node("Gemm", takes, f"{gives}_sum" if rectified else gives, transB=1)
        if rectified:
            self._node("Relu", [f"{gives}_sum"], gives)

    def _dense_each(self, node: Node, takes: list[str], gives: str) -> None:
        """Gemm has two axes only."""
        rectified = node.settings["activation"] == "relu"
        name = f"{takes[1]}_turned"
        self._extra[name] = self.program.constants[node.takes[1].index].T
        self._node("MatMul", [takes[0], name], f"{gives}_product")
        self._node("Add", [f"{gives}_product", takes[2]], f"{gives}_sum" if rectified else gives)
        if rectified:
            self._node("Relu", [f"{gives}_sum"], gives)

    def _matmul(self, node: Node, takes: list[str], gives: str) -> None:
        x, y = takes
        if node.settings["transposed"]:
            last, name = len(node.takes[1].shape) - 1, f"{gives}_turned"
            self._node("Transpose", [y], name, perm=[*range(last - 1), last, last - 1])
            y = name
        self._node("MatMul", [x, y], gives)

    def _transpose(self, node: Node, takes: list[str], gives: str) -> None:
        self._node("Transpose", takes, gives, perm=node.settings["order"])

    def _slice(self, node: Node, takes: list[str], gives: str) -> None:
        begin, size = node.settings["begin"], node.settings["size"]
        whole = node.takes[0].shape[1:]
        axes = [axis for axis, many in enumerate(size) if many != whole[axis]]
        parts = [begin[axis] for axis in axes], [begin[axis] + size[axis] for axis in axes], [axis + 1 for axis in axes]
        self._node("Slice", [*takes, *(self._numbers(*one) for one in parts)], gives)

    def _columns(self, node: Node, takes: list[str], gives: str) -> None:
        self._node("Gather", takes, gives, axis=len(node.takes[0].shape) - 1)

    def _lookup(self, node: Node, takes: list[str], gives: str) -> None:
        self._node("Gather", takes, gives, axis=0)

    def _pick(self, node: Node, takes: list[str], gives: str) -> None:
        self._node("GatherElements", takes, gives, axis=1)

    def _softmax(self, node: Node, takes: list[str], gives: str) -> None:
        self._node("Softmax", takes, gives, axis=-1)

    def _sum(self, node: Node, takes: list[str], gives: str) -> None:
        self._node("ReduceSum", [*takes, self._numbers(1)], gives, keepdims=0 if len(node.takes[0].shape) > 2 else 1)

    def _reshape(self, node: Node, takes: list[str], gives: str) -> None:
        shape = self._numbers(0, *node.settings["shape"])  # 0 keeps the number of rows
        self._node("Reshape", [*takes, shape], gives)

    def _cast(self, node: Node, takes: list[str], gives: str) -> None:
        from onnx import TensorProto

        self._node("Cast", takes, gives, to={"float32": TensorProto.FLOAT, "int32": TensorProto.INT32}[node.settings["type"]])

    def _trees(self, node: Node, takes: list[str], gives: str) -> None:
        trees: Trees = node.settings["trees"]
        self._node("TreeEnsembleRegressor", takes, gives, domain="ai.onnx.ml", **_ensemble(trees))


def _ensemble(trees: Trees) -> dict[str, Any]:
    """The attributes of TreeEnsembleRegressor. Nodes keep their numbers; each counts them within its tree."""
    ends = np.append(trees.roots[1:], len(trees.left))
    tree = np.repeat(np.arange(len(trees.roots)), ends - trees.roots)
    number = np.arange(len(trees.left)) - trees.roots[tree]
    leaf = trees.leaves
    left = np.where(leaf, 0, trees.left - trees.roots[tree])
    at = np.flatnonzero(leaf)
    if trees.value.ndim == 2:
        weights, targets = trees.value[at].reshape(-1), np.tile(np.arange(trees.outputs), len(at))
        at = np.repeat(at, trees.outputs)
    else:
        weights, targets = trees.value[at], tree[at] % trees.outputs
    return {
        "n_targets": trees.outputs,
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "nodes_treeids": tree.tolist(),
        "nodes_nodeids": number.tolist(),
        "nodes_featureids": trees.feature.tolist(),
        "nodes_modes": ["LEAF" if end else "BRANCH_LEQ" for end in leaf],
        "nodes_values": np.where(leaf, 0, trees.threshold).astype(np.float32).tolist(),
        "nodes_truenodeids": left.tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, left + 1).tolist(),
        "nodes_missing_value_tracks_true": (trees.missing_left & ~leaf).astype(int).tolist(),
        "target_treeids": tree[at].tolist(),
        "target_nodeids": number[at].tolist(),
        "target_ids": targets.tolist(),
        "target_weights": weights.astype(np.float32).tolist(),
    }
