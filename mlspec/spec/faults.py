"""Turns pydantic's errors into findings: exact routes, plain words, one finding for one mistake."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from mlspec.diagnostic import Finding, Route
from mlspec.spec.shape import fields, owner

SYNONYMS = {
    "lr": "learning_rate",
    "eta": "learning_rate",
    "n_trees": "n_estimators",
    "trees": "n_estimators",
    "depth": "max_depth",
    "reg": "alpha",
    "label": "target",
    "y": "target",
    "target_column": "target",
    "outcome": "target",
    "positive_class": "positive",
    "pos_label": "positive",
    "cv": "cross_validation",
    "folds": "cross_validation",
    "k_folds": "cross_validation",
    "random_state": "seed",
    "random_seed": "seed",
    "file": "path",
    "filename": "path",
    "filepath": "path",
    "location": "path",
    "dsn": "connection",
    "sql": "query",
    "uri": "url",
    "type": "kind",
    "name": "kind",
    "estimator": "kind",
    "algorithm": "kind",
    "family": "kind",
    "dtype": "type",
    "mean": "description",
    "source": "sources",
    "datasets": "sources",
    "dataset": "data",
    "schema": "columns",
    "fields": "columns",
    "on_error": "on_failure",
    "split": "splits",
    "stratify": "strategy",
    "method": "strategy",
    "groups": "group_by",
    "group": "group_by",
    "embargo": "gap",
    "transforms": "features",
    "preprocessing": "features",
    "hyperparameters": "params",
    "parameters": "params",
    "args": "params",
    "kwargs": "params",
    "cron": "schedule",
    "tz": "timezone",
    "retry": "retries",
    "cpus": "cpu",
    "cores": "cpu",
    "ram": "memory",
    "mem": "memory",
    "gpu": "accelerator",
    "function": "entrypoint",
    "fn": "entrypoint",
    "module": "entrypoint",
    "depends_on": "after",
    "needs": "after",
    "threshold": "target",
    "min_value": "min",
    "max_value": "max",
    "minimum": "min",
    "maximum": "max",
    "enum": "values",
    "categories": "values",
    "regex": "pattern",
    "required": "nullable",
    "optional": "nullable",
    "authors": "owner",
    "author": "owner",
    "stage": "phase",
    "metric": "metrics",
}
"""What people write -> what the language calls it, where that key exists in the same place."""

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


def findings(errors: Iterable[dict[str, Any]], data: Any) -> list[Finding]:
    """Return one finding for each mistake that flattened pydantic errors tell of; `data` is what was validated."""
    if not isinstance(data, Mapping):
        return [Finding("wrong-type", "a spec is a mapping of sections", (), help="start with `mlspec: 1`")]
    placed = [(error, _route(error["loc"], data)) for error in errors]
    missing = [(error, route) for error, route in placed if error["type"] == "missing"]
    found: list[Finding] = []
    for error, route in placed:
        if error["type"] == "invalid_key":
            found.append(
                Finding(
                    "unknown-key", f"unknown key `{error['loc'][-1]}`: a key is text", _route(error["loc"][:-1], data), on="key"
                )
            )
        elif error["type"] == "extra_forbidden":
            meant = meant_key(
                route, owner(error["model"], error["inner"]), data, [one for one, where in missing if where == route[:-1]]
            )
            missing = [one for one in missing if one[0]["loc"][-1] != meant or one[1] != route[:-1]]
            found.append(_unknown_key(error, route, meant))
    found += [_missing(error, route) for error, route in missing]
    found += _values(
        [(error, route) for error, route in placed if error["type"] not in ("missing", "extra_forbidden", "invalid_key")], data
    )
    return found


def unharmed(found: list[Finding], damaged: Sequence[Route]) -> list[Finding]:
    """Leave out the findings that a damaged part may be the reason of: what is missing or empty there, or around it."""
    return [one for one in found if not any(one.route == route[: len(one.route)] for route in damaged)]


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


def meant_key(route: Route, model: type[BaseModel] | None, data: Any, missing: list[dict[str, Any]]) -> str | None:
    """Return the key that an unknown key was meant to be: one that is missing first, else one that may still be written."""
    word, taken = str(route[-1]), _at(route[:-1], data)
    lacking = [str(error["loc"][-1]) for error in missing]
    free = [name for name in (fields(model) if model else ()) if name not in taken]
    for candidates in (lacking, free):
        if SYNONYMS.get(word.lower()) in candidates:
            return SYNONYMS[word.lower()]
        alike = [name for name in candidates if _bare(name) == _bare(word)] or difflib.get_close_matches(
            word.lower(), candidates, n=1, cutoff=0.6
        )
        if alike:
            return alike[0]
    return None


def _bare(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


def _unknown_key(error: dict[str, Any], route: Route, meant: str | None) -> Finding:
    model = owner(error["model"], error["inner"])
    known = ", ".join(fields(model)) if model else ""
    help_text = f"did you mean `{meant}`?" if meant else f"known keys: {known}; your own start with `x-`"
    return Finding("unknown-key", f"unknown key `{route[-1]}`", route, help=help_text, on="key")


def _missing(error: dict[str, Any], route: Route) -> Finding:
    name, model = str(error["loc"][-1]), owner(error["model"], error["inner"])
    field = fields(model).get(name) if model else None
    return Finding("missing-key", f"`{name}` is missing", route, help=(field.description or "") if field else "", on="key")


def _values(placed: list[tuple[dict[str, Any], Route]], data: Any) -> list[Finding]:
    """One finding for each route: where a union was tried branch by branch, what each branch expected is told in one."""
    by_route: dict[Route, list[Finding]] = {}
    for error, route in placed:
        by_route.setdefault(route, []).append(_value(error, route, data))
    deepest = [route for route in by_route if not any(other != route and other[: len(route)] == route for other in by_route)]
    return [_merged(by_route[route]) for route in by_route if route in deepest]


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
        return Finding(sort, context["message"], route, help=context["help"], on=on)
    if sort == "kind_unknown":
        known = ", ".join(context["known"])
        help_text = f"did you mean `{context['close'][0]}`? Known: {known}" if context["close"] else f"known: {known}"
        return Finding("unknown-kind", f"there is no kind `{context['kind']}` here", (*route, "kind"), help=help_text)
    if sort == "kind_missing":
        return Finding("missing-key", "`kind` is missing", route, help=f"one of {', '.join(context['known'])}", on="key")
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
        return Finding("wrong-type", f"expected {expected}, found {_described(value)}", route, help=help_text)
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
    close = [name for name in known if _bare(name) == _bare(str(value))] or difflib.get_close_matches(
        str(value).lower(), known, n=1
    )
    shown = f"`{value}`" if value is not None else "null"
    help_text = f"did you mean `{close[0]}`? " if close else ""
    return Finding("unknown-value", f"{shown} is not one of {', '.join(known)}", route, help=help_text.strip())


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
