"""Comments that silence a diagnostic: `# mlspec: ignore[CODE] reason="…" until=2027-01-01`."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from mlspec.diagnostic import Diagnostic, Finding, Patch, Replacement
from mlspec.regex import lazy
from mlspec.rules import catalogue, find, halts

if TYPE_CHECKING:
    from mlspec.composer import Node
    from mlspec.document import Document
    from mlspec.layers import Layered
    from mlspec.settings import Policy

_MARK = lazy(r"#[ \t]*mlspec:[ \t]*ignore")
_WHOLE = lazy(r"#[ \t]*mlspec:[ \t]*ignore(?P<file>-file)?[ \t]*\[(?P<codes>[^\]\r\n]*)\](?P<rest>[^\r\n]*)")
_OPTION = lazy(r"""[ \t]*(?:reason=(?P<reason>"[^"]*"|'[^']*'|\S+)|until=(?P<until>\S+)|(?P<other>#.*|\S+))""")
_FORM = 'write it like `# mlspec: ignore[CODE] reason="why" until=2027-01-01`'


@dataclass(eq=False)
class Suppression:
    """One comment. ``line`` is the line whose findings it silences, None for the whole file; offsets count characters."""

    file: str
    start: int
    end: int
    codes: tuple[str, ...]
    line: int | None
    reason: str = ""
    until: date | None = None
    fault: str = ""
    used: set[str] = field(default_factory=set)


def apply(
    found: Iterable[Diagnostic],
    layered: Layered,
    policy: Policy,
    *,
    phase: str = "proof_of_concept",
    today: date | None = None,
    alone: bool = True,
) -> list[Diagnostic]:
    """Return the diagnostics that no comment silences, and one for each comment that silences none.

    Not `alone` is a spec with an overlay or values of the command line: what is unused in it may be used without them.
    """
    found = list(found)
    texts = {name: text for name, text in layered.texts.items() if name in layered.files and _MARK.search(text)}
    if not texts:
        return found
    from mlspec.document import parse

    page = _Page(layered, policy, phase, today or date.today(), found)
    for name, text in texts.items():
        page.read(parse(text, name))
    kept = [one for one in found if not page.silences(one)]
    return [*kept, *page.faults(alone=alone)]


def comments(document: Document) -> Iterator[Suppression]:
    """Yield the suppressions of a document in order. What only looks like one inside a text is text."""
    stretches = sorted(_scalars(document.root)) if document.root else []
    starts = [start for start, _ in stretches]
    for mark in _MARK.finditer(document.text):
        at = mark.start()
        before = bisect_right(starts, at) - 1
        inside = before >= 0 and at < stretches[before][1]
        if not inside and (at == 0 or document.text[at - 1] in " \t\r\n"):
            yield _read(document, at, starts[0] if starts else len(document.text))


def _scalars(root: Node) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of every key and every value that has no parts; an alias stands where its anchor stands."""
    waiting = [root]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node.children) in seen:
            continue
        if isinstance(node.children, dict):
            seen.add(id(node.children))
            for start, end, inner in node.children.values():
                yield start, end
                waiting.append(inner)
        elif isinstance(node.children, list):
            seen.add(id(node.children))
            waiting += node.children
        else:
            yield node.start, node.end


def _read(document: Document, at: int, first: int) -> Suppression:
    text = document.text
    line = document.lines.place(at)[0]
    whole = _WHOLE.match(text, at)
    if whole is None:
        end = at + len(re.split(r"[\r\n]", text[at : at + 4000], maxsplit=1)[0].rstrip())
        return Suppression(document.name, at, end, (), None, fault="it does not say what to ignore")
    codes = tuple(word for word in re.split(r"[,\s]+", whole["codes"]) if word)
    begin = text.rfind("\n", 0, at) + 1
    target: int | None = line if text[begin:at].strip() else _next(document, line)
    one = Suppression(document.name, at, at + len(whole[0].rstrip()), codes, None if whole["file"] else target)
    _options(one, whole["rest"])
    if not codes:
        one.fault = "it does not say what to ignore"
    elif whole["file"] and at > first:
        one.fault = "`ignore-file` stands at the top of the file, above the first key"
    return one


def _options(one: Suppression, rest: str) -> None:
    for option in _OPTION.finditer(rest.rstrip()):
        if option["reason"] is not None:
            one.reason = option["reason"].strip("\"'").strip()
        elif option["until"] is not None:
            try:
                one.until = date.fromisoformat(option["until"])
            except ValueError:
                one.fault = f"`{option['until']}` is no date"
        elif option["other"].startswith("#"):
            break
        else:
            one.fault = f"`{option['other']}` is neither `reason=` nor `until=`"


def _next(document: Document, line: int) -> int:
    """Return the next line that is neither empty nor a comment."""
    total = document.lines.place(len(document.text))[0]
    for number in range(line + 1, total + 1):
        if re.match(r"\s*[^\s#]", document.lines.line(number)):
            return number
    return line


class _Page:
    """The suppressions of one spec, before its diagnostics."""

    def __init__(self, layered: Layered, policy: Policy, phase: str, today: date, found: list[Diagnostic]) -> None:
        self.layered, self.policy, self.phase, self.today = layered, policy, phase, today
        self.lasting = {one.finding.code for one in found if self._lasts(one)}
        self.told = {one.finding.code for one in found}
        self.suppressions: list[Suppression] = []
        self.documents: dict[str, Document] = {}

    def _lasts(self, one: Diagnostic) -> bool:
        """Whether a diagnostic is an error of the language: it leaves no project, so that nothing silences it."""
        return halts(one.finding)

    def read(self, document: Document) -> None:
        self.documents[document.name] = document
        self.suppressions += comments(document)

    def silences(self, one: Diagnostic) -> bool:
        silenced = False
        if self._lasts(one):
            return False
        for suppression in self.suppressions:
            if suppression.fault or suppression.file != one.file or not self._covers(suppression, one):
                continue
            for word in suppression.codes:
                rule = find(word)
                if (rule.name if rule else word) == one.finding.code:
                    suppression.used.add(word)
                    silenced |= not self._expired(suppression)
        return silenced

    @staticmethod
    def _covers(suppression: Suppression, one: Diagnostic) -> bool:
        return suppression.line is None or (one.span is not None and one.span.line == suppression.line)

    def _expired(self, suppression: Suppression) -> bool:
        return suppression.until is not None and suppression.until < self.today

    def faults(self, *, alone: bool) -> Iterator[Diagnostic]:
        """Yield what is wrong with the comments of the spec itself; those of the files it extends are checked with them."""
        for one in self.suppressions:
            if one.file != self.layered.name:
                continue
            if one.fault:
                yield from self._fault("malformed-suppression", one, f"this silences nothing: {one.fault}", _FORM)
                continue
            yield from self._unknown(one)
            if self._expired(one) and one.used:
                words = ", ".join(word for word in one.codes if word in one.used)
                message = f"this has not silenced {words} since {one.until}"
                yield from self._fault("expired-suppression", one, message, "mend the fault, or say until when it may stay")
            if alone and not self.lasting and not self._in_overlay(one):
                yield from self._unused(one)
            if not one.reason:
                yield from self._fault("suppression-without-reason", one, "this does not say why", 'add reason="…"')

    def _unknown(self, one: Suppression) -> Iterator[Diagnostic]:
        from mlspec.settings import suggestion

        for word in one.codes:
            rule = find(word)
            if (rule.name if rule else word) in self.lasting:
                message = f"`{word}` is an error of the language: it cannot be silenced"
                yield from self._fault("malformed-suppression", one, message, "mend it; without it there is no project")
            elif rule is None and word not in self.told:
                meant = suggestion(word, exact=True)
                advice = f"did you mean `{meant}`?" if meant else "`mlspec rules` lists the rules"
                yield from self._fault("unknown-suppression", one, f"there is no rule `{word}`", advice)

    def _unused(self, one: Suppression) -> Iterator[Diagnostic]:
        idle = [word for word in one.codes if word not in one.used and self._ran(word)]
        if not idle:
            return
        where = "this file" if one.line is None else f"line {one.line}"
        message = f"nothing on {where} is {' or '.join(f'`{word}`' for word in idle)}".replace("on this file", "in this file")
        advice = "remove it" if len(idle) == len(one.codes) else f"remove {', '.join(idle)} from the list"
        left = [word for word in one.codes if word not in idle]
        yield from self._fault("unused-suppression", one, message, advice, self._without(one, left))

    def _ran(self, word: str) -> bool:
        """Whether a rule was asked at all: who silences another one is not told that it is unused."""
        rule = find(word)
        if rule is None:
            return False
        return not rule.data and self.policy.severity(rule, self.phase, self.layered.name) is not None

    def _in_overlay(self, one: Suppression) -> bool:
        """Whether a comment stands in an overlay, which only `--env` lays over the spec."""
        root = self.documents[one.file].root
        children = root.children if root else None
        if not isinstance(children, dict) or "environments" not in children:
            return False
        start = children["environments"][0]
        after = [begin for begin, _, _ in children.values() if begin > start]
        return start <= one.start < min(after, default=len(self.documents[one.file].text))

    def _without(self, one: Suppression, left: list[str]) -> Patch:
        text = self.documents[one.file].text
        if left:
            start = text.index("[", one.start) + 1
            return Patch("remove what is unused", (Replacement(one.file, start, text.index("]", start), ", ".join(left)),))
        start, end = one.start, one.end
        begin = text.rfind("\n", 0, start) + 1
        if text[begin:start].strip():
            start = begin + len(text[begin:start].rstrip())
        else:
            start = begin
            end += len(text[end:]) - len(text[end:].lstrip(" \t\r"))
            end += text[end : end + 1] == "\n"
        return Patch("remove the comment", (Replacement(one.file, start, end, ""),))

    def _fault(self, name: str, one: Suppression, message: str, advice: str, patch: Patch | None = None) -> Iterator[Diagnostic]:
        rule = catalogue()[name]
        severity = self.policy.severity(rule, self.phase, one.file)
        if severity is None:
            return
        span = self.documents[one.file].lines.span(one.start, one.end)
        yield Diagnostic(Finding(name, message, (), severity, advice, why=rule.page.reason), one.file, span, patch=patch)
