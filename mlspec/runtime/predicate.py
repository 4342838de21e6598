"""Conditions of a spec as Polars expressions: true, false, or null where a missing value leaves it open."""

from __future__ import annotations

import ast
import datetime as dt
import difflib
import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import polars as pl

from mlspec.diagnostic import Finding, Problem, Route
from mlspec.expression import BadExpression, parse

_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Mod: operator.mod,
}  # fmt: skip
_COMPARISON: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "abs": lambda x: x.abs(),
    "round": lambda x: x.round(0),
    "length": lambda x: x.str.len_chars(),
    "lower": lambda x: x.str.to_lowercase(),
    "upper": lambda x: x.str.to_uppercase(),
    "year": lambda x: x.dt.year(),
    "month": lambda x: x.dt.month(),
    "day": lambda x: x.dt.day(),
    "missing": lambda x: x.is_null(),
}


def predicate(text: str, schema: Mapping[str, Any], route: Route = ()) -> pl.Expr:
    """Return a condition (see `mlspec.expression`) as a Boolean expression over the columns of `schema` (name -> Polars type).

    A comparison with a missing value is neither true nor false: null. A text that stands against a date column is read as an
    ISO date. Raises Problem at `route` for a text that is no condition, an unknown column, or types that cannot be compared.
    """
    try:
        condition = parse(text)
    except BadExpression as bad:
        raise Problem(Finding("bad-expression", bad.message, route, help=bad.help)) from None
    for name in condition.columns:
        if name not in schema:
            close = difflib.get_close_matches(name, schema, n=1)
            help_text = f"did you mean `{close[0]}`?" if close else f"the columns are {', '.join(schema)}"
            raise Problem(Finding("unknown-column", f"`{text}` mentions `{name}`, which is not a column", route, help=help_text))
    try:
        expr = _Writer(schema).write(condition.tree)
        kind = pl.LazyFrame(schema=dict(schema)).select(expr.alias("condition")).collect().schema["condition"]
    except (pl.exceptions.PolarsError, ValueError, TypeError) as error:
        types = ", ".join(f"{name} is {_shown(schema[name])}" for name in condition.columns)
        message = f"`{text}` cannot be computed: {_first_line(error)}"
        raise Problem(Finding("bad-expression", message, route, help=f"compare like with like: {types}")) from None
    if kind != pl.Boolean:
        raise Problem(
            Finding("bad-expression", f"`{text}` is not true or false for a row", route, help="compare it with something")
        )
    return expr


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _shown(dtype: Any) -> str:
    return "text" if dtype == pl.String else str(dtype).lower()


class _Writer:
    """Writes a checked tree as an expression."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema

    def write(self, node: ast.expr) -> pl.Expr:
        method: Callable[[Any], pl.Expr] = getattr(self, f"_{type(node).__name__.lower()}")
        return method(node)

    def _name(self, node: ast.Name) -> pl.Expr:
        return pl.col(node.id)

    def _constant(self, node: ast.Constant) -> pl.Expr:
        return pl.lit(node.value)

    def _boolop(self, node: ast.BoolOp) -> pl.Expr:
        join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
        return reduce(join, (self.write(value) for value in node.values))

    def _unaryop(self, node: ast.UnaryOp) -> pl.Expr:
        value = self.write(node.operand)
        if isinstance(node.op, ast.Not):
            return ~value
        return -value if isinstance(node.op, ast.USub) else value

    def _binop(self, node: ast.BinOp) -> pl.Expr:
        return _ARITHMETIC[type(node.op)](self.write(node.left), self.write(node.right))  # type: ignore[no-any-return]

    def _call(self, node: ast.Call) -> pl.Expr:
        return _FUNCTIONS[node.func.id](self.write(node.args[0]))  # type: ignore[attr-defined]

    def _compare(self, node: ast.Compare) -> pl.Expr:
        sides = [node.left, *node.comparators]
        parts = [self._one(left, op, right) for left, op, right in zip(sides, node.ops, sides[1:], strict=False)]
        return reduce(operator.and_, parts)

    def _one(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pl.Expr:
        if isinstance(op, ast.Is | ast.IsNot):
            value = self.write(left)
            return value.is_null() if isinstance(op, ast.Is) else value.is_not_null()
        if isinstance(op, ast.In | ast.NotIn):
            items = [self._dated(item, left).value for item in right.elts]  # type: ignore[attr-defined]
            inside = self.write(left).is_in(items)
            return inside if isinstance(op, ast.In) else ~inside
        return _COMPARISON[type(op)](self.write(self._dated(left, right)), self.write(self._dated(right, left)))  # type: ignore[no-any-return]

    def _dated(self, node: Any, other: ast.expr) -> Any:
        """Read a text as a date or a point in time where a column of such a type stands on the other side."""
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and isinstance(other, ast.Name)):
            return node
        dtype = self.schema[other.id]
        if dtype == pl.Date:
            return ast.Constant(dt.date.fromisoformat(node.value))  # type: ignore[arg-type]
        if dtype == pl.Datetime:
            return ast.Constant(dt.datetime.fromisoformat(node.value))  # type: ignore[arg-type]
        return node
