"""Other values for the values of a spec: what the leaf-mutation test changes, one at a time."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from mlspec.diagnostic import Route
from mlspec.kinds import Kind
from mlspec.spec.project import Project
from mlspec.spec.shape import Place, choices, element, fields, models, place, union

POOL: tuple[Any, ...] = (
    True, False, 1, 2, 3, 7, 0.5, 0.25, "a_name", "1 h", "2 d", "1 GiB", "10 %", "10 /s", ">= 0.5", "0 4 * * 2", "Europe/Rome",
    "own.module:name", "tenure", "customers", "split.dev", "f1", "image", "file.txt", "${secret:a/b}", ["a_name"], ["tenure"], [1, 2], {"a_name": "text"}, {},
    ";", "latin-1", "utf-16", "5 %/month", [0.5, 0.25, 0.25], {"latency_p95": "50 ms"}, {"technical": {"verdict": "yes", "method": "proof_of_concept"}},
    {"max_age": "1 d"}, {"rows": 10}, {"annotators": 2}, {"max_complexity": 9}, "x", 0.0, -1, 1.5, {"start": "2026-01-01", "end": "2026-02-01"},
    "utf8-lossy", {"alternatives": ["a rule"]}, [{"metric": "rmse", "target": "<= 3"}], {"space": {"alpha": {"low": 0.1, "high": 1.0}}},
    {"space": {"C": {"low": 0.1, "high": 1.0}}}, ["folds"], ["ingest"], {"a": "split.dev"}, "retention_rate", "colour", "Date", "machine", [0, 1], ["machine"],
)  # fmt: skip
"""What a key may take that no model lists: the first that lint takes counts."""


def get(data: Any, route: Route) -> Any:
    for part in route:
        data = data[part]
    return data


def put(data: Any, route: Route, value: Any) -> Any:
    """Return plain data with another value at a route; what is not changed is shared."""
    if not route:
        return value
    changed = copy.copy(data)
    changed[route[0]] = put(data[route[0]], route[1:], value)
    return changed


def without(data: Any, route: Route) -> Any:
    changed = copy.copy(get(data, route[:-1]))
    del changed[route[-1]]
    return put(data, route[:-1], changed)


def pruned(value: Any) -> Any:
    """Return plain data without what is null or empty: it asks for nothing."""
    if isinstance(value, Mapping):
        inner = {name: pruned(one) for name, one in value.items()}
        return {name: one for name, one in inner.items() if one is not None and one != {} and one != []}
    return [pruned(one) for one in value] if isinstance(value, list) else value


def pattern(project: Project, route: Route) -> str:
    """Name the field of a model that a route leads to: names of the user's own and positions do not count, kinds do."""
    parts: list[str] = []
    value: Any = project
    for part in route:
        if isinstance(value, BaseModel):
            parts.append(f"({value.kind}){part}" if isinstance(value, Kind) else str(part))
            value = getattr(value, next(name for name, field in type(value).model_fields.items() if part in (name, field.alias)))
        else:
            parts.append("*")
            value = value[part]
    return ".".join(parts)


def standing(project: Project, route: Route) -> Place | None:
    """Return the place in the models that a route leads to, if it is a field or in one."""
    value: Any = project
    found: Place | None = None
    for part in route:
        if isinstance(value, BaseModel):
            found = place(fields(type(value))[str(part)])
            value = getattr(value, next(name for name, field in type(value).model_fields.items() if part in (name, field.alias)))
        else:
            found = element(found) if found else None
            value = value[part]
    return found


def words(where: Place | None) -> list[Any]:
    """Return the values that a place lists: those of a `Literal`, or the kinds of a union."""
    found: list[Any] = []
    for one in choices(where) if where else ():
        if get_origin(one.annotation) is Literal:
            found += get_args(one.annotation)
    return found


def minimal(where: Place | None) -> Iterator[Any]:
    """Yield mappings that a place may take: of each model its required keys, with the first value that fits."""
    among = union(where) if where else None
    for model in models(where) if where else ():
        base: dict[str, Any] = {"kind": next(name for name in among.names() if among.load(name) is model)} if among else {}
        yield from _filled(model, base)
    inner = element(where) if where else None
    if inner is not None:
        for one in minimal(inner):
            yield [one]
            yield {"a_name": one}


def _filled(model: type[BaseModel], base: dict[str, Any]) -> Iterator[dict[str, Any]]:
    required = [(name, field) for name, field in fields(model).items() if field.is_required() and name not in base]
    if not required:
        yield base
    yield from _each(model, base, required)


def _each(model: type[BaseModel], base: dict[str, Any], required: list[Any]) -> Iterator[dict[str, Any]]:
    """Fill required keys one by one: a value fits where the model has no fault at its key any more."""
    from pydantic import ValidationError

    def faults(data: dict[str, Any]) -> set[str]:
        try:
            model.model_validate(data)
        except ValidationError as error:
            return {str(one["loc"][0]) if one["loc"] else "" for one in error.errors(include_url=False)}
        return set()

    filled = dict(base)
    for name, field in required:
        for value in (*words(place(field)), *POOL):
            if name not in faults({**filled, name: value}):
                filled[name] = value
                break
    if not faults(filled):
        yield filled
        for name, _ in required:
            for value in POOL:
                yield {**filled, name: value}


def others(data: Any, project: Project, route: Route) -> Iterator[Any]:
    """Yield the whole spec with another value at a route, the likely ones first; most are for lint to refuse."""
    value, where = get(data, route), standing(project, route)
    for other in (*words(where), *_near(value), *POOL, *minimal(where), None):
        if type(other) is not type(value) or other != value:
            yield put(data, route, other)
    if route[-1] == "kind":
        for whole in minimal(standing(project, route[:-1])):
            if isinstance(whole, dict):
                yield put(data, route[:-1], whole)
    if isinstance(get(data, route[:-1]), list):
        yield without(data, route)


def _near(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1, value * 2, value // 2)
    elif isinstance(value, float):
        yield from (value + 0.01, value - 0.01, value * 1.5, value / 2)
    elif isinstance(value, str):
        number, _, unit = value.partition(" ")
        if re.fullmatch(r"\d+(\.\d+)?", number):
            yield from (f"{float(number) + 1:g} {unit}", f"{float(number) / 2:g} {unit}")
        head, _, tail = value.rpartition(" ")
        if head and re.fullmatch(r"-?\d+(\.\d+)?", tail):
            yield f"{head} {float(tail) + 0.01:g}"
        yield from (f"{value}x", f"x{value}", f"{value}.x", value.replace("s", "z", 1))
    elif isinstance(value, Mapping) and not value:
        yield {"a_name": {"entrypoint": "own.module:name"}}
