"""Conditions over the columns of one row, such as ``TotalCharges >= MonthlyCharges``: read and checked, never run as Python."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass

from mlspec.regex import lazy

LONGEST = 2000  # characters
DEEPEST = 40  # levels of brackets and operators

FUNCTIONS: dict[str, int] = {
    "abs": 1, "round": 1, "length": 1, "lower": 1, "upper": 1, "year": 1, "month": 1, "day": 1, "missing": 1,
}  # fmt: skip
"""The functions of the language and how many arguments they take."""

GRAMMAR = "columns, numbers, 'texts', + - * / %, == != < <= > >=, in [..], is None, and, or, not, " + ", ".join(
    f"{f}()" for f in FUNCTIONS
)

_TOKEN = lazy(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?P<column>[^`]*)`""")
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod)
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Is, ast.IsNot)
_WORDS = {"true": True, "false": False, "null": None, "none": None}


class BadExpression(ValueError):
    """A text that is no condition of this language."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = advice or f"a condition may use {GRAMMAR}; write a column's odd name in `backticks`"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that has been read: its tree holds only what this module allows, with columns as ``ast.Name``."""

    text: str
    tree: ast.expr
    columns: tuple[str, ...]


def parse(text: str) -> Condition:
    """Read a condition; raise BadExpression for anything that is not one.

    The grammar is a small part of Python's, so precedence and chains (``0 <= age < 120``) mean what they mean there. Nothing
    can be called but `FUNCTIONS`, nothing has attributes, and nothing is ever evaluated by Python.
    """
    if len(text) > LONGEST:
        raise BadExpression(f"the condition has {len(text)} characters; at most {LONGEST} are read")
    names: list[str] = []

    def placeholder(found: re.Match[str]) -> str:
        if found["column"] is None:
            return found[0]
        names.append(found["column"])
        return f"__column_{len(names) - 1}__"

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of "\d" in a text; it is the user's text
            tree = ast.parse(_TOKEN.sub(placeholder, text).replace("\n", " ").strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadExpression(f"`{text}` is not a condition{_why(text, error)}") from None
    reader = _Reader(names)
    tree = reader.read(tree, 0)
    if not reader.columns:
        raise BadExpression(f"`{text}` mentions no column")
    return Condition(text, tree, tuple(dict.fromkeys(reader.columns)))


def _why(text: str, error: Exception) -> str:
    bare = _TOKEN.sub("", text)
    if re.search(r"(?<![=<>!])=(?!=)", bare):
        return ": write == to compare"
    if re.search(r"\b(AND|OR|NOT|IN|IS|NULL|BETWEEN)\b", bare):
        return ": write and, or, not, in, is None in lower case"
    if "<>" in bare:
        return ": write != for unequal"
    return f" ({error.msg})" if isinstance(error, SyntaxError) else ""


class _Reader:
    """Rebuilds a tree out of allowed nodes only."""

    def __init__(self, names: list[str]) -> None:
        self.names, self.columns = names, list[str]()

    def read(self, node: ast.expr, depth: int) -> ast.expr:
        if depth > DEEPEST:
            raise BadExpression(f"the condition is nested more than {DEEPEST} levels deep")
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise BadExpression(f"`{_source(node)}` cannot stand in a condition")
        read: ast.expr = method(node, depth + 1)
        return read

    def _name(self, node: ast.Name, depth: int) -> ast.expr:
        if node.id in _WORDS:
            return ast.Constant(_WORDS[node.id])
        found = re.fullmatch(r"__column_(\d+)__", node.id)
        name = self.names[int(found[1])] if found and int(found[1]) < len(self.names) else node.id
        self.columns.append(name)
        return ast.Name(name)

    def _constant(self, node: ast.Constant, depth: int) -> ast.expr:
        if not isinstance(node.value, bool | int | float | str | None):
            raise BadExpression(f"`{_source(node)}` cannot stand in a condition")
        if isinstance(node.value, int) and not -(2**63) <= node.value < 2**63:
            raise BadExpression("a whole number in a condition has at most 63 bits")
        return node

    def _list(self, node: ast.List | ast.Tuple, depth: int) -> ast.expr:
        items = [self.read(item, depth) for item in node.elts]
        if not items or not all(isinstance(item, ast.Constant) and item.value is not None for item in items):
            raise BadExpression(f"`{_source(node)}` must list numbers or texts")
        return ast.List(items)

    _tuple = _list

    def _boolop(self, node: ast.BoolOp, depth: int) -> ast.expr:
        return ast.BoolOp(node.op, [self.read(value, depth) for value in node.values])

    def _unaryop(self, node: ast.UnaryOp, depth: int) -> ast.expr:
        if isinstance(node.op, ast.Invert):
            raise BadExpression("write `not`, not `~`")
        value = self.read(node.operand, depth)
        if isinstance(node.op, ast.USub) and isinstance(value, ast.Constant) and type(value.value) in (int, float):
            return ast.Constant(-value.value)  # type: ignore[operator]  # so that a list may hold -1
        return ast.UnaryOp(node.op, value)

    def _binop(self, node: ast.BinOp, depth: int) -> ast.expr:
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            raise BadExpression("write `and` and `or`, not `&` and `|`")
        if not isinstance(node.op, _OPERATORS):
            raise BadExpression(f"`{_source(node)}`: the operators are + - * / %")
        return ast.BinOp(self.read(node.left, depth), node.op, self.read(node.right, depth))

    def _compare(self, node: ast.Compare, depth: int) -> ast.expr:
        sides = [node.left, *node.comparators]
        for op, right in zip(node.ops, node.comparators, strict=True):
            if not isinstance(op, _COMPARISONS):
                raise BadExpression(f"`{_source(node)}` is not a comparison")
            if isinstance(op, ast.In | ast.NotIn) != isinstance(right, ast.List | ast.Tuple):
                raise BadExpression(f"`{_source(node)}`: write a list after `in`, and only there")
        read = [self.read(side, depth) for side in sides]
        for op, right in zip(node.ops, read[1:], strict=True):
            if isinstance(op, ast.Is | ast.IsNot) != (isinstance(right, ast.Constant) and right.value is None):
                raise BadExpression(f"`{_source(node)}`: write `is None` or `is not None` to ask for missing values")
        if isinstance(read[0], ast.Constant | ast.List) and len(read) == 2 and isinstance(read[1], ast.Constant | ast.List):
            raise BadExpression(f"`{_source(node)}` compares two constants")
        return ast.Compare(read[0], node.ops, read[1:])

    def _call(self, node: ast.Call, depth: int) -> ast.expr:
        name = node.func.id if isinstance(node.func, ast.Name) else _source(node.func)
        if name not in FUNCTIONS or node.keywords:
            raise BadExpression(f"there is no function `{name}`", f"the functions are {', '.join(FUNCTIONS)}")
        if len(node.args) != FUNCTIONS[name]:
            raise BadExpression(f"`{name}` takes {FUNCTIONS[name]} argument, not {len(node.args)}")
        return ast.Call(ast.Name(name), [self.read(argument, depth) for argument in node.args], [])


def _source(node: ast.expr) -> str:
    """Write a part of a condition as text, shortened."""
    try:
        text = ast.unparse(node)
    except (ValueError, RecursionError):
        text = "…"
    return text if len(text) <= 60 else text[:59] + "…"
