"""Finds what a spec asks for and nothing realises yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mlspec.diagnostic import Finding, Route, Severity, dotted
from mlspec.fields import Later
from mlspec.kinds import Kind
from mlspec.spec.shape import key

CODE = "not-realised-yet"


def unrealised(value: Any, route: Route = ()) -> Iterator[Finding]:
    """Yield a warning for each field that is set to something else than its default, and each kind, that nothing realises."""
    if isinstance(value, BaseModel):
        if isinstance(value, Kind) and not value.realised:
            yield _finding(f"nothing realises the kind `{value.kind}` yet", (*route, "kind"), value.today, on="value")
            return
        for name, field in type(value).model_fields.items():
            if name in value.model_fields_set:
                yield from _field(field, getattr(value, name), (*route, key(name, field)))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from unrealised(inner, (*route, str(name)))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from unrealised(inner, (*route, index))


def _field(field: FieldInfo, value: Any, route: Route) -> Iterator[Finding]:
    later = next((marker for marker in field.metadata if isinstance(marker, Later)), None)
    if later is None or (later.only and value not in later.only):
        yield from unrealised(value, route)
    elif later.only:
        yield _finding(f"nothing realises `{dotted(route)}: {value}` yet", route, later.today, on="value")
    elif value != field.get_default(call_default_factory=True):
        yield _finding(f"nothing realises `{dotted(route)}` yet", route, later.today, on="key")


def _finding(message: str, route: Route, today: str, on: str) -> Finding:
    return Finding(CODE, message, route, Severity.WARNING, help=f"today: {today}", on=on)
