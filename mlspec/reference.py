"""The language explained from its models: `markdown` writes docs/spec.md, `explain` answers for one route."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mlspec.diagnostic import Route, dotted
from mlspec.fields import Guide, Later, Many, Pattern, Scalar, Short
from mlspec.kinds import Among, Kind, OneOf, Section
from mlspec.quantity import Growth, Quantity, Target
from mlspec.secret import Secret, Template
from mlspec.spec.shape import Place, choices, element, fields, models, place, union

WORDS: dict[Any, str] = {
    Secret: "reference to a secret",
    Template: "text, with references to secrets if need be",
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Any: "anything",
    type(None): "null",
}

OPENING = """# The spec language

Generated from the models by `mlspec.reference`; do not edit. Each table is a mapping: its keys, what they take, what counts
when they are left out, and what they mean. Keys that start with `x-` are your own, anywhere.

- **required** marks a key without a default.
- *later* marks what may be written today and that nothing realises yet; `mlspec lint` reports it where it is used.
- A quantity is written with its unit: a length of time (`50 ms`, `2 h`, `7 d`), a size (`8 GiB`), a share (`5 %`),
  a rate (`200 /s`), a growth (`5 %/month`). A target is a comparison with a number or a quantity (`">= 0.84"`, `"<= 50 ms"`).
- A secret never stands in a spec: write `${env:NAME}` or `${secret:name/key}`.
"""


def words(where: Place) -> str:
    """Say what a place takes, as people do: ``list of text``, ``one of `stop`, `warn` ``."""
    said = [word for one in choices(where) for word in _words(one)]
    return " or ".join(dict.fromkeys(said))


def _words(one: Place) -> Iterator[str]:
    if one.marker(Short) or one.marker(Many):
        yield "text"
    said = _marked(one) or _held(one) or _plain(one.annotation)
    yield said


def _marked(one: Place) -> str | None:
    """What a marker says of a place."""
    if found := one.marker(Among):
        return f"mapping with a [kind](#{_anchor(_union_title(found))})"
    if one.marker(Scalar):
        return "text, number or truth value"
    if pattern := one.marker(Pattern):
        return f"text, `{pattern.example}`"
    return next((str(marker.says) for marker in one.markers if hasattr(marker, "says")), None)


def _held(one: Place) -> str | None:
    """What a place that holds other places is."""
    origin, inner = get_origin(one.annotation), element(one)
    if any(models(one)):
        return "mapping"
    if origin is Literal:
        return " \\| ".join(f"`{value}`" for value in get_args(one.annotation))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of {_plural(words(inner)) if inner else 'anything'} by name"
    if origin in (list, tuple):
        return f"list of {_plural(words(inner)) if inner else 'anything'}"
    return None


def _plain(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Quantity | Growth | Target):
        return f"{getattr(annotation, 'WHAT', '') or annotation.__name__.lower()}, `{annotation.EXAMPLE}`"
    return WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _plural(what: str) -> str:
    plain = {"text": "texts", "number": "numbers", "whole number": "whole numbers"}
    return plain.get(what, re.sub(r"^mapping", "mappings", what))


def _union_title(found: Among) -> str:
    package = found.package if isinstance(found, OneOf) else "mlspec.steps"
    return f"Kinds of {package.rpartition('.')[2]}"


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def default(field: FieldInfo) -> str:
    """Write a field's default as a spec would hold it; the empty text where it must be given."""
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return f"`kind: {value.kind}`" if isinstance(value, Kind) else "its defaults"
    if value is None or value == () or value == {} or (isinstance(value, Mapping) and not value):
        return "none"
    return f"`{_spelled(value)}`"


def _spelled(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_spelled(one) for one in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def markdown() -> str:
    """Return docs/spec.md: a table for each mapping of the language, in the order of the language, then the open unions."""
    from mlspec.spec.project import Project

    unions: dict[str, Among] = {}
    parts = [OPENING, "## The whole\n", _table(Project)]
    for name, field in fields(Project).items():
        told = _by_model(_nested(name, place(field), unions))
        if told:
            parts += [f"## `{name}`\n", f"{field.description}\n"]
        for model, routes in told.items():
            parts += [_table(model)] if routes == [name] else _section("###", routes, model)
    done: set[str] = set()
    while pending := sorted(title for title in unions if title not in done):
        for title in pending:
            done.add(title)
            parts += [f"## {title}\n", *_kinds(unions[title], unions)]
    return "\n".join(parts).rstrip("\n") + "\n"


def _by_model(told: Iterable[tuple[str, type[BaseModel]]]) -> dict[type[BaseModel], list[str]]:
    """A model that stands at several places is told once."""
    by_model: dict[type[BaseModel], list[str]] = {}
    for route, model in told:
        by_model.setdefault(model, []).append(route)
    return by_model


def _nested(route: str, where: Place, unions: dict[str, Among]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield each mapping at and below a place with its route; members of unions are told elsewhere."""
    found = union(where)
    if found is not None:
        unions.setdefault(_union_title(found), found)
    else:
        for model in models(where):
            yield route, model
            for name, field in fields(model).items():
                yield from _nested(f"{route}.{name}", place(field), unions)
    if (inner := element(where)) is not None:
        kind = next((get_origin(one.annotation) for one in choices(where) if get_origin(one.annotation)), None)
        yield from _nested(f"{route}[]" if kind in (list, tuple) else f"{route}.<name>", inner, unions)


def _section(heading: str, routes: list[str], model: type[BaseModel], of: str = "") -> list[str]:
    named = ", ".join(f"`{route}`" for route in routes)
    return [f"{heading} {named}{of}\n", f"{_summary(model)}\n", _table(model)]


def _summary(model: type[BaseModel]) -> str:
    text = (model.__doc__ or "").strip()
    return "" if text == (Section.__doc__ or "").strip() or text.startswith("!!! abstract") else " ".join(text.split())


def _table(model: type[BaseModel]) -> str:
    rows = ["| key | takes | default | meaning |", "|---|---|---|---|"]
    for name, field in fields(model).items():
        if name == "kind" and issubclass(model, Kind):
            continue
        where = place(field)
        meaning = [(field.description or "").strip()]
        if guide := where.marker(Guide):
            meaning.append(f"Guide: {guide.rule}.")
        if later := where.marker(Later):
            only = f" for {', '.join(f'`{value}`' for value in later.only)}" if later.only else ""
            but = f" (but for {', '.join(f'`{kind}`…' for kind in later.but)})" if later.but else ""
            meaning.append(f"*later*{only}{but}: {later.today}.")
        shown = default(field) or "**required**"
        rows.append(f"| `{name}` | {words(where)} | {shown} | {_cell(' '.join(meaning))} |")
    return "\n".join(rows) + "\n" if len(rows) > 2 else "It has no further keys.\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _kinds(found: Among, unions: dict[str, Among]) -> Iterator[str]:
    if isinstance(found, OneOf):
        yield "An open union: a member is one file of a package, or comes from an installed plug-in.\n"
    for name in found.names():
        member = found.load(name)
        yield f"### `kind: {name}`\n"
        yield _summary(member) + ("" if member.realised else f" *later*: {member.today}.") + "\n"
        yield _table(member)
        nested = (one for key, field in fields(member).items() for one in _nested(key, place(field), unions))
        for model, routes in _by_model(nested).items():
            yield from _section("####", routes, model, f" of `{name}`")


def parse(route: str) -> Route:
    """Read ``requirements.metrics[0].target``; positions may be left out or empty (``metrics[]``)."""
    parts: list[str | int] = []
    for word in re.findall(r"sklearn\.\w+|[^.\[\]]+|\[\d*\]", route):
        parts.append(int(word[1:-1] or 0) if word.startswith("[") else word)
    return tuple(parts)


def explain(route: str) -> str | None:
    """Say what stands at a route, what it takes, its default, and the rule that chose it; None where nothing can stand.

    A member of a union is named by its kind where the document has a name or position: ``model``, ``data.sources.csv.path``.
    """
    from mlspec.spec.project import Project

    where: list[tuple[Place, FieldInfo | None]] = [(Place(Project), None)]
    parts = parse(route)
    for part in parts:
        where = [step for one, _ in where for step in _step(one, part)]
        if not where:
            return None
    told = dict.fromkeys(text for one, field in where for text in _explained(one, field))
    return "\n".join([dotted(parts), *told]) if told else None


def describe(where: Place, field: FieldInfo | None) -> list[str]:
    """Say what a place is for, what it takes, its default and the rule that chose it, a line each."""
    return [line.strip() for line in _explained(where, field)]


def _step(where: Place, part: str | int) -> Iterator[tuple[Place, FieldInfo | None]]:
    inner = element(where)
    for model in models(where):
        known = fields(model)
        if part in known:
            yield place(known[str(part)]), known[str(part)]
    for holder in (where, inner):
        found = union(holder) if holder is not None else None
        if found is not None and part in found.names():
            yield Place(found.load(str(part))), None
            return
    if inner is not None:
        if isinstance(part, str) and not _named(where):  # a position was left out: metrics.target
            yield from _step(inner, part)
        else:
            yield inner, None


def _named(where: Place) -> bool:
    return any(isinstance(origin := get_origin(one.annotation), type) and issubclass(origin, Mapping) for one in choices(where))


def _explained(where: Place, field: FieldInfo | None) -> Iterator[str]:
    if field is not None:
        if field.description:
            yield f"  {field.description}"
        yield f"  takes: {words(where).replace(chr(92) + '|', '|')}"
        yield f"  default: {default(field).strip('`') or 'none: it must be given'}"
        for marker in where.markers:
            if isinstance(marker, Guide):
                yield f"  guide: {marker.rule}"
            if isinstance(marker, Later):
                only = f" (for {', '.join(str(value) for value in marker.only)})" if marker.only else ""
                but = f" (but for {', '.join(f'{kind}…' for kind in marker.but)})" if marker.but else ""
                yield f"  not realised yet{only}{but}: {marker.today}"
    found = union(where) or (union(inner) if (inner := element(where)) is not None else None)
    if found is not None:
        for name in found.names():
            member = found.load(name)
            yield f"  kind {name}: {_summary(member)}" + ("" if member.realised else f" (not realised yet: {member.today})")
        return
    for model in models(where):
        yield f"  {_summary(model)}"
        if issubclass(model, Kind) and not model.realised:
            yield f"  not realised yet: {model.today}"
        yield f"  keys: {', '.join(fields(model))}"


def suggestion(route: str) -> str | None:
    """Return the route that a route that leads nowhere was meant to be, as far as its first wrong key."""
    from mlspec.spec.project import Project

    where: list[Place] = [Place(Project)]
    good: list[str | int] = []
    for part in parse(route):
        further = [found for one in where for found, _ in _step(one, part)]
        if not further:
            known = [name for one in where for model in models(one) for name in fields(model)]
            close = difflib.get_close_matches(str(part), known, n=1)
            return dotted((*good, close[0])) if close else None
        good.append(part)
        where = further
    return None
