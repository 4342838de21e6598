"""One spec from several layers: the files it extends, itself, an environment's overlay and `--set`, each value traceable."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

from mlspec import override
from mlspec.diagnostic import Diagnostic, Finding, Problem, Route, Span
from mlspec.document import parse, read
from mlspec.merge import Layer, Piece, merge, wrap

MAX_FILES = 64


@dataclass(frozen=True, eq=False)
class Layered:
    """A merged spec. ``files`` are the paths read, in order; ``texts`` what each said, by the names that diagnostics use."""

    name: str
    data: dict[str, Any]
    problems: tuple[Diagnostic, ...]
    files: tuple[str, ...]
    texts: dict[str, str]
    root: Piece = field(repr=False)
    damaged: tuple[Route, ...] = ()  # the mappings and lists of ``data`` that a syntax error has cost a part

    def place(self, route: Route, *, on: str = "value") -> tuple[str, Span, str]:
        """Return (document, span, layer) of the value at a route, or of its key; the nearest ancestor where there is none."""
        piece = self.root
        missing = False
        for name in route:
            part = piece.part(name)
            if part is None:
                missing = True
                break
            piece = part
        document = piece.layer.document
        if missing and piece is self.root:
            span = Span(1, 1, 1, 1)  # the whole file would be underlined
        elif missing or on == "key":
            span = document.key_span(piece.route)  # what a mapping lacks is told at the mapping's key
        else:
            span = document.value_span(piece.route)
        return document.name, span, self._describe(piece)

    def place_finding(self, finding: Finding) -> Diagnostic:
        """Give a finding its place in the file that set the value."""
        name, span, layer = self.place(finding.route, on=finding.on)
        related = []
        for message, route in finding.related:
            other, at, _ = self.place(route)
            related.append((message, other, at))
        return Diagnostic(finding, name, span, tuple(related), layer if layer != self.name else "")

    @staticmethod
    def _describe(piece: Piece) -> str:
        if len(piece.route) > 1 and piece.route[0] == "environments":
            return f"environment {piece.route[1]} of {piece.layer.document.name}"
        return piece.layer.description


def load(
    path: Path | str,
    *,
    text: str | None = None,
    env: str | None = None,
    sets: Sequence[str] = (),
    texts: Mapping[str, str] | None = None,
) -> Layered:
    """Read a spec and lay over it, lowest first: what it extends, itself, the overlay ``environments.<env>``, ``sets``.

    Mappings merge key by key, everything else is replaced, and null removes a key
    that a lower layer has. `extends` and `environments` are not part of ``data``. ``text`` stands in for what ``path`` says,
    ``texts`` for what files say by their real paths.

    Raises Problem where ``path`` itself cannot be read; every other fault of the user's is in ``problems``.
    """
    stack = _Stack(texts or {})
    root = stack.file(Path(path), None, text)
    assert isinstance(root.content, dict)  # `_Stack.file` sees to it
    environments = root.content.pop("environments", None)
    overlays = stack.overlays(environments)
    damaged = [route for route in stack.damaged if route[:1] != ("environments",)]
    if env in overlays:
        root = merge(root, overlays[env], owner=root)
        damaged += [route[2:] for route in stack.damaged if route[:2] == ("environments", env)]
    elif env is not None and not any(route in ((), ("environments",)) for route in stack.damaged):
        stack.problems.append(_no_environment(env, environments, overlays, stack.names[0]))
    if sets:
        stack.texts[override.NAME] = "\n".join(sets)
        root, problems = override.lay(root, sets)
        stack.problems += problems
    return Layered(stack.names[0], root.data, tuple(stack.problems), tuple(stack.names), stack.texts, root, tuple(damaged))


def _no_environment(env: str, environments: Piece | None, overlays: dict[str, Piece], name: str) -> Diagnostic:
    from mlspec.spelling import guess

    meant = guess(env, overlays)
    listed = f"the spec has {', '.join(overlays)}" if overlays else "the spec has no `environments`"
    advice = f"did you mean `{meant.word}`?" if meant else listed
    finding = Finding("unknown-environment", f"there is no environment `{env}`", ("environments",), help=advice, on="key")
    if environments is None:
        return Diagnostic(finding, name, Span(1, 1, 1, 1))
    document = environments.layer.document
    return Diagnostic(finding, document.name, document.key_span(environments.route))


class _Stack:
    """The layers read so far, and what is wrong with them."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given
        self.problems: list[Diagnostic] = []
        self.names: list[str] = []
        self.texts: dict[str, str] = {}
        self.open: list[str] = []  # the files that extend one another, from the top: one that comes again is a cycle
        self.read: dict[str, Piece] = {}
        self.damaged: dict[Route, None] = {}

    def report(self, piece: Piece, code: str, message: str, advice: str = "", *, on: str = "value") -> None:
        document = piece.layer.document
        span = document.key_span(piece.route) if on == "key" else document.value_span(piece.route)
        self.problems.append(Diagnostic(Finding(code, message, piece.route, help=advice, on=on), document.name, span))

    def file(self, path: Path, parent: str | None, text: str | None = None) -> Piece:
        """Read a file with all that it extends; raise Problem where it cannot be read."""
        identity = os.path.realpath(path)
        if identity in self.read:
            return self.read[identity]
        text = self.given.get(identity) if text is None else text
        document = read(path) if text is None else parse(text, str(path))
        self.names.append(document.name)
        self.texts[document.name] = document.text
        self.problems += document.problems
        self.damaged.update(dict.fromkeys(document.damaged))
        layer = Layer(document, document.name if parent is None else f"{document.name}, which {parent} extends")
        piece = wrap(layer, (), document.data)
        if not isinstance(piece.content, dict):
            if not document.problems:
                self.report(piece, "not-a-mapping", "a spec is a mapping of sections", "begin with `mlspec: 1`")
            piece.content = {}
            self.damaged[()] = None
        self.open.append(identity)
        extends = piece.content.pop("extends", None)
        if ("extends",) in document.damaged:
            self._lacks_a_layer(piece)
            extends = None
        piece = reduce(merge, [*self._bases(path, extends, document.name), piece])
        self.open.pop()
        self.read[identity] = piece
        return piece

    def _bases(self, path: Path, extends: Piece | None, name: str) -> Iterator[Piece]:
        if extends is None:
            return
        for one in extends.content if isinstance(extends.content, list) else [extends]:
            if not isinstance(one.content, str) or not one.content:
                advice = "write a path relative to this file"
                self.report(one, "bad-extends", "`extends` names a file, or a list of files", advice)
                continue
            base = Path(os.path.normpath(path.parent / one.content))
            if os.path.realpath(base) in self.open:
                self.report(one, "extends-cycle", f"{base} extends this file in turn", "remove one of the two")
            elif len(self.names) >= MAX_FILES:
                self.report(one, "too-many-files", f"the spec is made of more than {MAX_FILES} files")
            else:
                try:
                    yield self.file(base, name)
                except Problem as problem:
                    self._lacks_a_layer(extends)
                    for fault in problem.faults:
                        found = fault.finding if isinstance(fault, Diagnostic) else fault
                        self.report(one, found.code, found.message, found.help)

    def _lacks_a_layer(self, piece: Piece) -> None:
        """Count every mapping of a document as one that may lack a part: what it extends could not be read."""
        waiting: list[tuple[Route, Any]] = [((), piece.layer.document.data)]
        while waiting:
            route, value = waiting.pop()
            if isinstance(value, dict):
                self.damaged[route] = None
                waiting += [((*route, key), inner) for key, inner in value.items()]

    def overlays(self, environments: Piece | None) -> dict[str, Piece]:
        """Return the overlays of a spec by name, without those that are none; each is checked, chosen or not."""
        if environments is None or environments.content is None:
            return {}
        if not isinstance(environments.content, dict):
            advice = "write `environments: {prod: {…}}`"
            self.report(environments, "bad-environments", "`environments` is a mapping of overlays", advice)
            return {}
        found = {}
        for name, overlay in environments.content.items():
            if name.startswith("x-"):
                continue
            if isinstance(overlay.content, dict):
                found[name] = overlay
                self._check(overlay.content)
            elif overlay.content is None:
                found[name] = Piece(overlay.layer, overlay.route, {})
            else:
                advice = "write the keys that it changes"
                self.report(overlay, "bad-environments", f"the overlay `{name}` is not a mapping", advice)
        return found

    def _check(self, overlay: dict[str, Piece]) -> None:
        for key in ("extends", "environments"):
            misplaced = overlay.pop(key, None)
            if misplaced:
                advice = f"move `{key}` to the top of the file"
                self.report(misplaced, "misplaced-key", f"an overlay cannot hold `{key}`", advice, on="key")
