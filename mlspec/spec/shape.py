"""Reads the models themselves: which models can stand where. Suggestions, explanations and the reference go by it."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mlspec.kinds import Among, Kind, Part


class Place(NamedTuple):
    """A type with the markers that annotate it."""

    annotation: Any
    markers: tuple[Any, ...] = ()

    def marker(self, sort: type[Any]) -> Any:
        """Return the first marker of a sort, or None."""
        return next((marker for marker in self.markers if isinstance(marker, sort)), None)


def key(name: str, field: FieldInfo) -> str:
    """Return what a field is called in a spec."""
    return field.alias or name


def fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return a model's fields by the keys of a spec."""
    return {key(name, field): field for name, field in model.model_fields.items()}


def place(field: FieldInfo) -> Place:
    """Return the place that a field is."""
    return Place(field.annotation, tuple(field.metadata))


def choices(where: Place) -> Iterator[Place]:
    """Yield what stands at a place when `Annotated` and the branches of a union are taken apart; `None` is left out."""
    if get_origin(where.annotation) is Annotated:
        inner, *markers = get_args(where.annotation)
        yield from choices(Place(inner, (*where.markers, *markers)))
    elif get_origin(where.annotation) in (Union, types.UnionType):
        for branch in get_args(where.annotation):
            yield from choices(Place(branch, where.markers))
    elif where.annotation is not type(None):
        yield where


def models(where: Place) -> Iterator[type[BaseModel]]:
    """Yield each model whose value may stand at a place itself (not in a list or mapping there)."""
    for one in choices(where):
        union, lazy = one.marker(Among), one.marker(Part)
        if union is not None:
            yield from (union.load(name) for name in union.names())
        elif lazy is not None:
            yield lazy.model
        elif isinstance(one.annotation, type) and issubclass(one.annotation, BaseModel):
            yield one.annotation


def union(where: Place) -> Among | None:
    """Return the union of kinds that stands at a place, if one does."""
    return next((found for one in choices(where) if (found := one.marker(Among)) is not None), None)


def element(where: Place) -> Place | None:
    """Return what the items of a list, or the values of a mapping, at a place are."""
    for one in choices(where):
        origin, arguments = get_origin(one.annotation), get_args(one.annotation)
        if isinstance(origin, type) and arguments and issubclass(origin, Mapping):
            return Place(arguments[1])
        if origin in (list, tuple) and arguments:
            return Place(arguments[0])
    return None


def owner(model: type[BaseModel] | None, route: tuple[str | int, ...]) -> type[BaseModel] | None:
    """Return the model whose field, or unknown key, the last part of a route names, starting from a model."""
    if model is None or not route:
        return None
    standing: list[Place] = [Place(model)]
    for part in route[:-1]:
        standing = [found for one in standing for found in below(one, part)]
    return next((found for one in standing for found in models(one) if not issubclass(found, Kind)), None) or next(
        (found for one in standing for found in models(one)), None
    )


def below(where: Place, part: str | int) -> Iterator[Place]:
    """Yield the places that a key or position leads to."""
    for model in models(where):
        if part in (known := fields(model)):
            yield place(known[str(part)])
    if (inner := element(where)) is not None:
        yield inner


def homes(word: str, model: type[BaseModel] | None, route: tuple[str | int, ...]) -> list[str]:
    """Return the dotted places, nearest first, that know a key which `model`, at the end of a route, does not: "" is the top.

    Where none is near, or very many are, nothing is said.
    """
    here = tuple("[]" if isinstance(part, int) else part for part in route)
    below_here = [(*here, *one) for one in _places(word, Place(model), 2)] if model else []
    if below_here:
        return [_shown(one) for one in below_here]
    ranked = sorted({one: _apart(one, here) for one in _everywhere().get(word, ())}.items(), key=lambda pair: pair[1])
    nearest = [one for one, far in ranked if far == ranked[0][1]]
    return [_shown(one) for one in nearest] if ranked and (ranked[0][1] <= 2 or len(nearest) <= 3) else []


def knows(route: tuple[str | int, ...], word: str) -> bool | None:
    """Whether the mapping at a route has a key of this name; None where its keys are names of the user's own."""
    from mlspec.spec.project import Project

    model = owner(Project, (*route, ""))
    return None if model is None else word in fields(model)


def _places(word: str, where: Place, deep: int) -> Iterator[tuple[str, ...]]:
    for model in models(where) if deep else ():
        for name, field in fields(model).items():
            inner = place(field)
            if union(inner) is None:
                if any(word in fields(one) for one in models(inner)):
                    yield (name,)
                yield from ((name, *rest) for rest in _places(word, inner, deep - 1))


@cache
def _everywhere() -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """Return each key of the language, members of unions aside, with the routes of the mappings that have it."""
    from mlspec.spec.project import Project

    found: dict[str, list[tuple[str, ...]]] = {}
    waiting: list[tuple[tuple[str, ...], Place]] = [((), Place(Project))]
    while waiting:
        route, where = waiting.pop()
        for model in models(where) if union(where) is None and len(route) < 5 else ():
            for name, field in fields(model).items():
                found.setdefault(name, []).append(route)
                waiting.append(((*route, name), place(field)))
        if (inner := element(where)) is not None:
            waiting.append(((*route, "[]" if _is_list(where) else "<name>"), inner))
    return {name: tuple(routes) for name, routes in found.items()}


def _is_list(where: Place) -> bool:
    return any(get_origin(one.annotation) in (list, tuple) for one in choices(where))


def _apart(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    common = 0
    while common < min(len(one), len(other)) and (one[common] == other[common] or one[common] == "<name>"):
        common += 1
    return len(one) + len(other) - 2 * common


def _shown(route: tuple[str, ...]) -> str:
    return ".".join(route).replace(".[]", "[]")
