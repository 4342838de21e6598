"""Values from the command line, `--set metrics[0].target='>= 0.9'`: read as a document of their own, laid over a spec."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlspec.composer import Node
from mlspec.diagnostic import Diagnostic, Finding, Route, Severity, dotted
from mlspec.document import Document, parse
from mlspec.lines import Lines
from mlspec.merge import Layer, Piece, merge, wrap
from mlspec.regex import lazy

NAME = "--set"  # of the document that all of them make, a line each
MAX_PARTS = 32
_PART = lazy(r"""(?:^|\.)(?:"([^"]*)"|'([^']*)'|([^.\[\]"'=\s]+))|\[(\d{1,6})\]""")


def lay(root: Piece, sets: Sequence[str]) -> tuple[Piece, list[Diagnostic]]:
    """Lay `ROUTE=VALUE` texts over a spec, in order; return it with what is wrong with them."""
    text = "\n".join(sets)
    problems: list[Diagnostic] = []
    begin = 0
    for one in sets:
        end = begin + len(one)
        route, after = _route(text[begin:end])
        if not route:
            advice = "write it like --set requirements.metrics[0].target='>= 0.9'"
            problems.append(_refused(text, begin, end, "bad-route", "this is not ROUTE=VALUE", advice))
        else:
            root, found = _laid(root, route, _document(text, begin, begin + after, end), (text, begin, begin + after, end))
            problems += found
        begin = end + 1
    return root, problems


def _laid(root: Piece, route: Route, document: Document, place: tuple[str, int, int, int]) -> tuple[Piece, Sequence[Diagnostic]]:
    text, begin, after, end = place
    if document.root is None and [problem.finding.code for problem in document.problems] == ["empty-file"]:
        advice = "write null to remove the key, or '\"\"' for an empty text"
        return root, [_refused(text, begin, end, "empty-value", f"no value follows `{text[begin:after]}`", advice)]
    if any(problem.finding.severity is Severity.ERROR for problem in document.problems):
        return root, document.problems
    try:
        return _assigned(root, route, _value(document)), document.problems
    except LookupError as error:
        advice = "name a key or a position that the spec has"
        return root, [_refused(text, begin, after - 1, "bad-route", str(error.args[0]), advice)]


def _route(text: str) -> tuple[Route, int]:
    """Read a route up to its `=`; return it, empty where it is none, and where the value begins."""
    route: list[str | int] = []
    at = 0
    while at < len(text) and text[at] != "=":
        found = _PART.match(text, at)
        if not found or len(route) == MAX_PARTS:
            return (), at
        key = next((part for part in found.group(1, 2, 3) if part is not None), None)
        route.append(int(found.group(4)) if key is None else key)
        at = found.end()
    return (tuple(route) if at < len(text) and route and isinstance(route[0], str) else ()), at + 1


def _document(text: str, begin: int, after: int, end: int) -> Document:
    """Parse one value, and make of it a document with one key: the route as it was written."""
    # everything but the value is blanked, so that its offsets are those of the whole text
    read = parse(re.sub(r"[^\r\n]", " ", text[:after]) + text[after:end], NAME, mend=False)
    if read.root is None:
        return Document(NAME, text, None, read.problems)
    key = text[begin : after - 1]
    root = Node({key: read.data}, begin, end, {key: (begin, after - 1, read.root)})
    return Document(NAME, text, root.value, read.problems, root)


def _value(document: Document) -> Piece:
    ((key, value),) = document.data.items()
    return wrap(Layer(document, NAME), (key,), value)


def _refused(text: str, begin: int, end: int, code: str, message: str, advice: str) -> Diagnostic:
    return Diagnostic(Finding(code, message, help=advice), NAME, Lines(text).span(begin, end))


def _assigned(root: Piece, route: Route, value: Piece) -> Piece:
    """Return the spec with one value laid over it; raise LookupError, with a sentence, where the route leads nowhere."""
    part, rest = route[0], route[1:]
    here = f"`{dotted(root.route)}`" if root.route else "the spec"
    below = root.part(part)
    if isinstance(part, int):
        if not isinstance(root.content, list):
            raise LookupError(f"{here} is not a list, so it has no [{part}]")
        if part > len(root.content):
            raise LookupError(
                f"{here} has {len(root.content)} item{'s' * (len(root.content) != 1)}, so there is none at [{part}]"
            )
        items = [*root.content[:part], _below(below, rest, value), *root.content[part + 1 :]]
        return Piece(root.layer, root.route, items)
    if root.content is not None and not isinstance(root.content, dict):
        kind = "a list" if isinstance(root.content, list) else "a single value"
        raise LookupError(f"{here} is {kind}, which has no key `{part}`")
    content = dict(root.content or {})
    if not rest and value.content is None and below is not None:
        del content[part]
    else:
        content[part] = _below(below, rest, value)
    return Piece(root.layer, root.route, content)


def _below(below: Piece | None, rest: Route, value: Piece) -> Piece:
    if rest:
        return _assigned(below or Piece(value.layer, value.route, [] if isinstance(rest[0], int) else {}), rest, value)
    return merge(below, value) if below else value
