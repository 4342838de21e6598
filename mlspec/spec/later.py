"""Finds what a spec asks for and nothing realises yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mlspec.diagnostic import Finding, Route, Severity, dotted
from mlspec.fields import Later
from mlspec.kinds import Kind
from mlspec.spec.shape import key

CODE = "not-realised-yet"
LEAVES = (str, int, float, type(None))
"""What holds no fields and no kinds: most values, and to walk into each would take a tenth of the time of a file (measured)."""


def unrealised(value: Any, route: Route = (), family: str = "") -> Iterator[Finding]:
    """Yield a warning for each field that is set to something else than its default, and each kind, that nothing realises.

    `family` is the kind of the model, by which some fields work and some do not.
    """
    if isinstance(value, LEAVES):
        return
    if isinstance(value, BaseModel):
        yield from _model(value, route, family)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from unrealised(inner, (*route, str(name)), family)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from unrealised(inner, (*route, index), family)


def _model(value: BaseModel, route: Route, family: str) -> Iterator[Finding]:
    if isinstance(value, Kind) and not value.realised:
        yield _finding(f"nothing realises the kind `{value.kind}` yet", (*route, "kind"), value.today, on="value")
        return
    written = value.model_fields_set
    for name, field, shown, later in _fields(type(value)):
        if name in written and (later or not isinstance(getattr(value, name), LEAVES)):
            yield from _field(field, later, getattr(value, name), (*route, shown), family)


@cache
def _fields(model: type[BaseModel]) -> tuple[tuple[str, FieldInfo, str, Later | None], ...]:
    """Return (name, field, key, mark) of a model's fields; they are the same in every spec."""
    own = model.model_fields.items()
    marks = {name: next((one for one in field.metadata if isinstance(one, Later)), None) for name, field in own}
    return tuple((name, field, key(name, field), marks[name]) for name, field in own)


def _field(field: FieldInfo, later: Later | None, value: Any, route: Route, family: str) -> Iterator[Finding]:
    if later is None or (later.only and value not in later.only) or later.works_for(family):
        yield from unrealised(value, route, family)
    elif later.only:
        yield _finding(f"nothing realises `{dotted(route)}: {value}` yet", route, later.today, on="value")
    elif value != field.get_default(call_default_factory=True):
        yield _finding(f"nothing realises `{dotted(route)}` yet", route, later.today, on="key")


def _finding(message: str, route: Route, today: str, on: str) -> Finding:
    return Finding(CODE, message, route, Severity.WARNING, help=f"today: {today}", on=on)
