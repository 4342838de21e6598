"""Modules of PyTorch that somebody else wrote: their captured graph, operation by operation, as part of a program.

A graph is captured for one row and stands for what happens to each: rows are outside of it. So a module whose rows depend on each
other is not what the program is, which is seen when both are run on several rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from mlspec.diagnostic import Problem
from mlspec.lowering import cannot
from mlspec.lowering.columns import Columns
from mlspec.lowering.traced.capture import ROUTE, captured, constants_of, name_of
from mlspec.lowering.traced.layout import Absent, Laid, laid, natural
from mlspec.lowering.traced.operations import OPERATIONS
from mlspec.lowering.traced.operations.numbers import as_float
from mlspec.tensor.fused import fused
from mlspec.tensor.program import Array, Program, Value, run

ROWS = 4
"""How many rows a program is run on, to see whether it is the module."""

CLOSE = 1e-4
"""How far what a program gives may be off, as a share of the largest number that the module gives."""


def custom(columns: Columns, estimator: Any) -> Value:
    """Return what a module of the user's makes of the features: probabilities, or a number in the target's own unit."""
    return lowered(columns.program, columns.features, estimator.answering(), tuple(estimator.read_as_))


def lowered(program: Program, x: Value, module: Any, shape: Sequence[int]) -> Value:
    """Append to a program what a torch.nn.Module gives for `x`: (rows, width), read as (rows, *shape).

    The module takes a tensor (rows, *shape) of float32 and gives one, whose row is the row's own matter. Raises Problem, code
    "cannot-export", where the module cannot be captured, does what has no form in tensor operations, or is not its graph.
    """
    part = fused(traced(module, shape))
    checked(part, module, shape)
    return program.followed(part, x)


def traced(module: Any, shape: Sequence[int]) -> Program:
    """Return a module as a program, operation by operation; see `lowered`."""
    import torch

    found = captured(module, shape, OPERATIONS)
    program = Program(prod(shape))
    start = laid(program.reshape(program.input, *shape), range(1, len(shape) + 1), len(shape) + 1)
    values: dict[str, Any] = constants_of(found)
    for node in found.graph.nodes:
        if node.op == "placeholder":
            values.setdefault(node.name, start)
        elif node.op == "output":
            return _ended(program, [values[name] for name in found.graph_signature.user_outputs])
        elif node.op == "call_function":
            args, kwargs = torch.fx.map_arg((node.args, node.kwargs), lambda one: values[one.name])
            values[node.name] = _called(program, node.target, args, kwargs)
        else:
            raise cannot(f"the module has a part that is no operation of ATen: {node.target}", ROUTE)
    raise cannot("the module gives nothing", ROUTE)


def _called(program: Program, operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What an operation gives: PyTorch's own answer where it takes nothing but constants, or only picks one of several."""
    import torch

    leaves = torch.utils._pytree.tree_leaves((args, kwargs))
    picks = not isinstance(operation, torch._ops.OpOverload)
    if picks or not any(isinstance(one, Laid | Absent) for one in leaves):
        return operation(*args, **kwargs)
    for one in leaves:
        if isinstance(one, Absent):
            raise cannot(f"{one.name} has no form in tensor operations", ROUTE)
    name = name_of(operation)
    if name.startswith("_assert"):
        return None  # what PyTorch knows already of shapes and types
    write = OPERATIONS.get(name)
    if write is None:
        raise cannot(
            f"`{operation}` has no form in tensor operations", ROUTE, "other operations, or an export with `kind: custom`"
        )
    schema = operation._schema.arguments
    named = dict(zip((one.name for one in schema), args, strict=False)) | dict(kwargs)
    first = named.pop(schema[0].name)
    known, usual = inspect.signature(write).parameters, {one.name: one.default_value for one in schema if one.has_default_value()}
    odd = [name for name in named if name not in known and name not in WITHOUT_MEANING and named[name] != usual.get(name)]
    if odd:
        told = ", ".join(f"{name}={named[name]}" for name in odd)
        raise cannot(f"`{operation}` with {told} has no form in tensor operations", ROUTE)
    try:
        return write(program, first, **{name: value for name, value in named.items() if name in known})
    except Problem:
        raise
    except Exception as error:  # shapes and settings that an operation of ours was not written for
        reason = f"`{operation}` is used in a way that has no form in tensor operations: {type(error).__name__}: {error}"
        raise cannot(reason, ROUTE, "other operations, or an export with `kind: custom`") from error


WITHOUT_MEANING = {
    *("memory_format", "non_blocking", "copy", "device", "layout", "pin_memory", "implicit", "cudnn_enable", "cudnn_enabled"),
    *("momentum", "train", "dropout", "generator", "half_to_float", "padding_idx", "scale_grad_by_freq", "sparse"),
}
"""What operations are told that changes no number outside of training."""


def _ended(program: Program, outputs: Sequence[Any]) -> Program:
    (given, *others) = outputs
    if others or not isinstance(given, Laid):
        raise cannot("the module does not give one tensor that depends on its rows", ROUTE)
    # the first axis is the one row
    whole = natural(program, given)
    program.output = program.reshape(as_float(program, whole).value, *(given.shape[1:] or (1,)))
    return program


def checked(program: Program, module: Any, shape: Sequence[int]) -> None:
    """Raise Problem where a program does not give what a module gives for several rows at once."""
    own = "a row's answer must be its own, whatever rows come with it, and no matter of chance"
    for rows in _rows(shape):
        meant = _answer(module, rows, shape)
        if meant is None or not np.isfinite(meant).any():
            continue
        given = run(program, rows)
        if given.shape != meant.shape:
            raise cannot(
                f"the module gives {meant.shape} for {len(rows)} rows at once, and {given.shape[1:]} for each", ROUTE, own
            )
        there = np.isfinite(meant)
        off = np.abs(given - meant, where=there, out=np.zeros_like(given)).max()
        if not off <= CLOSE * np.abs(meant[there]).max():
            raise cannot(f"the module's graph of operations gives something else than the module, by {off:.2g}", ROUTE, own)
        return
    raise cannot("the module takes none of the rows that were tried: random, positive, and whole numbers", ROUTE)


def _rows(shape: Sequence[int]) -> list[Array]:
    """Rows to try: standardised numbers, shares, and for a module that looks numbers up in a table, small whole ones."""
    draw, size = np.random.default_rng(0), (ROWS, prod(shape))
    drawn: list[Array] = [draw.normal(size=size), draw.uniform(size=size), draw.integers(0, 2, size)]
    return [one.astype(np.float32) for one in drawn]


def _answer(module: Any, rows: Array, shape: Sequence[int]) -> Array | None:
    """What a module gives, or None where it cannot take these rows."""
    import torch

    try:
        with torch.no_grad():
            found: Array = module.eval()(torch.from_numpy(rows).reshape(-1, *shape)).float().cpu().numpy()
    except Exception:  # whatever a module of the user's raises for numbers that it does not know
        return None
    return found


ESTIMATORS = {
    "CustomNetworkClassifier": custom,
    "CustomNetworkRegressor": custom,
    "CustomKerasClassifier": custom,
    "CustomKerasRegressor": custom,
}
