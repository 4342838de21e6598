"""Turns pydantic's errors into findings: exact routes, plain words, one finding for one mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from mlspec import kinds
from mlspec.diagnostic import Change, Finding, Fix, Route, dotted
from mlspec.spec.shape import fields, homes, knows, owner
from mlspec.spelling import SYNONYMS, Guess, distance, guess

EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "finite_number": "a finite number",
    "string": "text",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "iterable": "a list",
    "dict": "a mapping",
    "mapping": "a mapping",
    "model": "a mapping",
    "model_attributes": "a mapping",
    "dataclass": "a mapping",
    "none_required": "null",
    "date": "a date such as 2026-11-30",
    "datetime": "a date and time",
    "is_instance_of": "another type",
}
BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}


Placed = tuple[dict[str, Any], Route]


MAX_ERRORS = 200  # that are told of one spec: nobody reads more, and a hostile one has fifty thousand


def findings(errors: Iterable[dict[str, Any]], data: Any) -> list[Finding]:
    """Return one finding for each mistake that flattened pydantic errors tell of; `data` is what was validated."""
    if not isinstance(data, Mapping):
        return [Finding("wrong-type", "a spec is a mapping of sections", (), help="start with `mlspec: 1`")]
    errors = list(errors)
    placed = [(error, _route(error["loc"], data)) for error in errors[:MAX_ERRORS]]
    missing = [(error, route) for error, route in placed if error["type"] in ("missing", "kind_missing")]
    found: list[Finding] = []
    for at, (error, where) in enumerate(missing):
        if error["type"] == "kind_missing" and (slip := _kind_misspelt(where, _at(where, data), error["ctx"]["known"])):
            found.append(slip)
            missing[at] = ({"type": "told"}, where)
    missing = [one for one in missing if one[0]["type"] != "told"]
    for error, route in placed:
        if error["type"] == "invalid_key":
            message = f"unknown key `{error['loc'][-1]}`: a key is text"
            found.append(Finding("unknown-key", message, _route(error["loc"][:-1], data), on="key"))
        elif error["type"] == "extra_forbidden":
            one, explained = _unknown_key(error, route, data, missing)
            missing = [other for other in missing if other not in explained]
            found.append(one)
    found += [_missing(error, route) for error, route in missing]
    keys = ("missing", "kind_missing", "extra_forbidden", "invalid_key")
    found = _without_kind(found)
    values = _values([(error, route) for error, route in placed if error["type"] not in keys], data)
    inner = [one.route for one in found]  # where one branch of a union looks inside a value, no other one fits it
    if len(errors) > MAX_ERRORS:
        message = f"the spec has more than {MAX_ERRORS} faults: the rest is not told"
        return [
            *found + [one for one in values if not any(one.route == route[: len(one.route)] != route for route in inner)],
            Finding("too-many-problems", message, (), help="mend the first ones"),
        ]
    return found + [one for one in values if not any(one.route == route[: len(one.route)] != route for route in inner)]


def _without_kind(found: list[Finding]) -> list[Finding]:
    """Leave out what was said of a mapping whose `kind` is misspelt: it was held against another kind."""
    unsaid = [one.route[:-1] for one in found if one.code == "unknown-key" and one.help == "did you mean `kind`?"]
    return [one for one in found if one.help == "did you mean `kind`?" or not {one.route, one.route[:-1]} & set(unsaid)]


WHY = {
    "missing-unit": "a bare number may be read as seconds by one reader and as milliseconds by another",
    "inline-secret": "a spec is kept in version control and packed with the model: who reads either has the secret",
    "suspicious-column": "a column that the data lacks stops the run, or is left out of a slice without a word",
    "unused-source": "it would be read and thrown away",
    "sources-not-combined": "a model is trained on one table",
    "metric-of-another-task": "nothing can compute it from such predictions",
    "bad-ratios": "rows would be left out, or stand in two parts",
    "bad-steps": "a rollout that goes back sends users from the new model to the old one and forth",
    "unknown-label": "no row would be positive, and every metric of the positive class would be 0",
    "unknown-parameter": "the search would try values that no model takes",
}
"""Why a fault matters, by code, where its message does not say so already."""


def reasoned(found: Iterable[Finding]) -> list[Finding]:
    """Give findings their reason where they have none."""
    return [replace(one, why=WHY[one.code]) if not one.why and one.code in WHY else one for one in found]


def unharmed(found: list[Finding], damaged: Sequence[Route]) -> list[Finding]:
    """Leave out the findings that a damaged part may be the reason of: keys missing there, and what is wrong there or around."""
    lost = set(damaged)
    return [
        one
        for one in found
        if one.route not in lost
        and (one.code == "missing-key" or not any(one.route == route[: len(one.route)] for route in damaged))
    ]


def _route(location: Route, data: Any) -> Route:
    """Keep of a location what is a key or position in the data: the rest is pydantic's, such as the branch of a union."""
    route: list[str | int] = []
    for part in location:
        is_key = isinstance(data, Mapping) and part in data
        if is_key or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            route.append(part)
            data = data[part]
    return tuple(route)


def _at(route: Route, data: Any) -> Any:
    for part in route:
        data = data[part]
    return data


def meant_key(route: Route, model: type[BaseModel] | None, data: Any, missing: list[dict[str, Any]]) -> Guess | None:
    """Return the key that an unknown key was meant to be: one that is missing first, else one that may still be written."""
    word, taken = str(route[-1]), _at(route[:-1], data)
    lacking = [_lacks(error) for error in missing]
    free = [name for name in (fields(model) if model else ()) if name not in taken]
    near = guess(word, lacking)
    every = guess(word, dict.fromkeys([*lacking, *free]))
    return near if near and (near.same or near.sure or every is None or every.word == near.word) else every


def _kind_misspelt(route: Route, value: Mapping[str, Any], known: list[str]) -> Finding | None:
    """Return the finding of the key that was meant to be `kind`: it is nearly called so, or means the same and names a kind."""
    for word, named in value.items():
        meant = guess(str(word), ["kind"])
        names_one = isinstance(named, str) and guess(named, known) is not None
        near = distance(str(word), "kind") <= 1.3
        if meant is None or not (near or meant.same or (names_one and meant.sure)):
            continue
        fix = Fix("write `kind`", (Change("rename", (*route, word), "kind"),), safe=meant.same or (near and named in known))
        return Finding("unknown-key", f"unknown key `{word}`", (*route, word), help="did you mean `kind`?", on="key", fix=fix)
    return None


def _lacks(error: dict[str, Any]) -> str:
    """Return the key that an error says is missing."""
    return "kind" if error["type"] == "kind_missing" else str(error["loc"][-1])


def _unknown_key(error: dict[str, Any], route: Route, data: Any, missing: list[Placed]) -> tuple[Finding, list[Placed]]:
    """Return the finding of an unknown key, and which missing keys it is the reason of: it may be misspelt, or misplaced."""
    model, word, message = owner(error["model"], error["inner"]), str(route[-1]), f"unknown key `{route[-1]}`"
    strayed = [(one, where) for one, where in missing if _lacks(one) == word and where != route[:-1]]
    if strayed:
        where = strayed[0][1]
        message = f"`{word}` stands in the wrong place"
        place = f"`{dotted(where)}`" if where else "the top of the spec"
        related = (("it is missing here", where),) if where else ()
        help_text = f"move it to {place}: its indentation says what it belongs to"
        return Finding("unknown-key", message, route, help=help_text, on="key", related=related), strayed[:1]
    meant = meant_key(route, model, data, [one for one, where in missing if where == route[:-1]])
    places = [] if meant and (meant.same or meant.sure) else homes(word, model, route[:-1]) or _of_models(word, data)
    if places:
        help_text = f"`{word}` belongs to {' or '.join(f'`{one}`' if one else 'the top of the spec' for one in places[:3])}"
        return Finding("unknown-key", message, route, help=help_text, on="key"), []
    if meant is None:
        return _no_such_key(route, model, data), []
    fix = Fix(f"write `{meant.word}`", (Change("rename", route, meant.word),), safe=_only_a_slip(word, meant))
    explained = [(one, where) for one, where in missing if where == route[:-1] and _lacks(one) == meant.word]
    help_text = f"did you mean `{meant.word}`?"
    return Finding("unknown-key", message, route, help=help_text, on="key", fix=fix if meant.sure else None), explained


def _of_models(word: str, data: Any) -> list[str]:
    """Return the params of the model and the baseline where their family has a parameter of this name."""
    found = []
    for section in ("model", "baseline"):
        written = data.get(section)
        kind = written.get("kind") if isinstance(written, Mapping) else None
        if isinstance(kind, str) and kind in kinds.names("mlspec.families"):
            params = kinds.load("mlspec.families", kind).model_fields["params"].annotation
            if isinstance(params, type) and issubclass(params, BaseModel) and word in fields(params):
                found.append(f"{section}.params")
    return found


def _no_such_key(route: Route, model: type[BaseModel] | None, data: Any) -> Finding:
    """Return the finding of a key that is like none that may still be written; perhaps it is like one that is written already."""
    word, known = str(route[-1]), list(fields(model)) if model else []
    again = guess(word, [name for name in known if name in _at(route[:-1], data)], {})
    if again is not None and (again.same or again.sure):
        help_text, related = f"`{again.word}` is written already: keep one", (("it is here", (*route[:-1], again.word)),)
        return Finding("unknown-key", f"unknown key `{word}`", route, help=help_text, on="key", related=related)
    help_text = f"known keys: {', '.join(known)}; your own start with `x-`"
    return Finding("unknown-key", f"unknown key `{word}`", route, help=help_text, on="key")


def _only_a_slip(word: str, meant: Guess) -> bool:
    """Whether a word is another one mistyped, and no synonym of it: then nothing but that can be meant."""
    return meant.same or (meant.sure and word.lower() not in SYNONYMS and distance(word, meant.word) <= 2)


def _missing(error: dict[str, Any], route: Route) -> Finding:
    if error["type"] == "kind_missing":
        known = ", ".join(error["ctx"]["known"])
        return Finding("missing-key", "`kind` is missing", route, help=f"one of {known}", on="key")
    name, model = str(error["loc"][-1]), owner(error["model"], error["inner"])
    field = fields(model).get(name) if model else None
    return Finding("missing-key", f"`{name}` is missing", route, help=(field.description or "") if field else "", on="key")


def _values(placed: list[tuple[dict[str, Any], Route]], data: Any) -> list[Finding]:
    """One finding for each route: where a union was tried branch by branch, what each branch expected is told in one."""
    by_route: dict[Route, list[Finding]] = {}
    for error, route in placed:
        by_route.setdefault(route, []).append(_value(error, route, data))
    deepest = [route for route in by_route if not any(other != route and other[: len(route)] == route for other in by_route)]
    return [_too_deep(route, data) or _merged(by_route[route]) for route in by_route if route in deepest]


def _too_deep(route: Route, data: Any) -> Finding | None:
    """Return the finding of a value that is wrong because it is the value of a key one level up, such as `columns.checks`."""
    if len(route) < 2 or not isinstance(route[-1], str) or route[-1] in _at(route[:-2], data):
        return None
    if knows(route[:-1], route[-1]) is not None or not knows(route[:-2], route[-1]):
        return None
    place = f"`{dotted(route[:-2])}`" if route[:-2] else "the top of the spec"
    message, help_text = f"`{route[-1]}` stands in the wrong place", f"it belongs to {place}: indent it one level less"
    return Finding("unknown-key", message, route, help=help_text, on="key")


def _merged(alike: list[Finding]) -> Finding:
    """One finding for what the branches of a union said of one value: the branch that nearly fits, or all that would fit."""
    unlike = list({(one.code, one.message): one for one in alike}.values())
    specific = [one for one in unlike if one.code != "wrong-type"]
    if len(unlike) == 1 or len(specific) == 1:
        return (specific or unlike)[0]
    if not specific:
        wanted = dict.fromkeys(one.message.removeprefix("expected ").partition(", found ")[0] for one in unlike)
        if "a number" in wanted:
            wanted.pop("a whole number", None)
        return replace(unlike[0], message=f"expected {' or '.join(wanted)}, found {unlike[0].message.partition(', found ')[2]}")
    value, words = (
        specific[0].message.split(" is not one of ")[0],
        [one.message.partition(" is not one of ")[2] for one in specific],
    )
    message = f"{value} is not one of {', '.join(words)}" if all(words) else "; ".join(one.message for one in specific)
    return replace(specific[0], message=message)


def _value(error: dict[str, Any], route: Route, data: Any) -> Finding:
    sort, context, value = error["type"], error.get("ctx") or {}, _at(route, data)
    on = "key" if error["loc"] and error["loc"][-1] == "[key]" else "value"
    if "message" in context and "help" in context:
        fix = (
            Fix(f"write `{context['meant']}`", (Change("set", route, context["meant"]),), safe=False)
            if "meant" in context
            else None
        )
        return Finding(sort, context["message"], route, help=context["help"], on=on, fix=fix if on == "value" else None)
    if sort == "kind_unknown":
        known = ", ".join(context["known"])
        meant, where = guess(context["kind"], context["known"]), (*route, "kind")
        help_text = f"did you mean `{meant.word}`? Known: {known}" if meant else f"known: {known}"
        return Finding(
            "unknown-kind", f"there is no kind `{context['kind']}` here", where, help=help_text, fix=_written(meant, where)
        )
    if sort == "literal_error":
        return _not_among(value, context, route)
    if sort in BOUNDS:
        words, name = BOUNDS[sort]
        return Finding("out-of-range", f"`{value}` is out of range: this is {words} {context[name]}", route)
    if sort in ("too_short", "string_too_short"):
        least = context.get("min_length", 1)
        return Finding("out-of-range", "this must not be empty" if least == 1 else f"at least {least} are needed", route)
    if sort in ("too_long", "string_too_long"):
        return Finding("out-of-range", f"at most {context.get('max_length')} are allowed", route)
    expected = EXPECTED.get(sort) or EXPECTED.get(sort.rpartition("_")[0]) or EXPECTED.get(sort.split("_")[0])
    if expected and sort != "string_pattern_mismatch":
        help_text = f'quote it: "{value}"' if expected == "text" and isinstance(value, int | float) else ""
        fix = _retyped(expected, value, route) if on == "value" else None
        help_text = help_text or (fix.title if fix else "")
        return Finding("wrong-type", f"expected {expected}, found {_described(value)}", route, help=help_text, fix=fix)
    if sort == "string_pattern_mismatch":
        return Finding(
            "malformed", f"`{value}` does not have the form it must have", route, help=f"it must match {context['pattern']}"
        )
    message = str(context["error"]) if "error" in context else error["msg"]
    return Finding("invalid-value", message, route)


def _not_among(value: Any, context: dict[str, Any], route: Route) -> Finding:
    known = [word.strip("'\"") for word in context["expected"].replace(" or ", ", ").split(", ")]
    if route == ("mlspec",):
        return Finding(
            "unsupported-version", f"version `{value}` of the language is not known", route, help="this program reads `mlspec: 1`"
        )
    if isinstance(value, bool) and not {"on", "off", "yes", "no"}.isdisjoint(known):
        return Finding(
            "unknown-value",
            f"`{value}` is not one of {', '.join(known)}",
            route,
            help="quote the word: YAML reads it as a truth value",
        )
    if isinstance(value, Mapping | list):
        return Finding("wrong-type", f"expected one of {', '.join(known)}, found {_described(value)}", route)
    meant = guess(str(value), known)
    shown = f"`{value}`" if value is not None else "null"
    help_text = f"did you mean `{meant.word}`?" if meant else ""
    message = f"{shown} is not one of {', '.join(known)}"
    return Finding("unknown-value", message, route, help=help_text, fix=_written(meant, route))


def _written(meant: Guess | None, route: Route) -> Fix | None:
    """Return the fix that puts a word in its place, where it is certain which."""
    if meant is None or not meant.sure:
        return None
    return Fix(f"write `{meant.word}`", (Change("set", route, meant.word),), safe=meant.same)


def _retyped(expected: str, value: Any, route: Route) -> Fix | None:
    """Return the fix of a value that is of another type than it says: a quoted number or truth value, one item for a list."""
    if expected in ("a number", "a whole number", "a finite number") and isinstance(value, str):
        return _unquoted(expected, value.strip(), route)
    if expected == "true or false" and isinstance(value, str):
        truth = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}.get(value.strip().lower())
        safe = value.strip().lower() in ("true", "false")
        return None if truth is None else Fix(f"write `{str(truth).lower()}`", (Change("set", route, truth),), safe=safe)
    if expected == "text" and type(value) is int:
        return Fix("quote it", (Change("set", route, str(value)),), safe=False)  # 007 was read as 7
    return None


def _unquoted(expected: str, text: str, route: Route) -> Fix | None:
    number: int | float | None = None
    if re.fullmatch(r"[-+]?(0|[1-9]\d{0,17})", text):
        number = int(text)
    elif expected != "a whole number" and re.fullmatch(r"[-+]?\d{1,15}\.\d{1,15}", text):
        number = float(text)
    return None if number is None else Fix(f"write `{number}`, without quotes", (Change("set", route, number),))


def _described(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        return f'the text "{value if len(value) <= 40 else value[:39] + "…"}"'
    return f"`{value}`"
