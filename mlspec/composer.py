"""From YAML's events to nodes: plain data, with the offsets of every key and value, and the faults found on the way."""

from __future__ import annotations

import re
from typing import Any

from mlspec.diagnostic import Severity
from mlspec.scalar import TooLargeError, caution, resolve
from mlspec.syntax import Fault, SyntaxFaultError, bad_escape

MAX_DEPTH = 64
MAX_NODES = 50_000  # with each alias counted as what it stands for
MAX_PROBLEMS = 100

_TAGS = {f"tag:yaml.org,2002:{name}": name for name in ("str", "int", "float", "bool", "null", "map", "seq")}


class Node:
    """A value, the offsets it stands between, and its children: ``{key: (start, end, node)}``, a list of nodes, or None."""

    __slots__ = ("children", "end", "height", "size", "start", "value")

    def __init__(self, value: Any, start: int, end: int, children: Any = None) -> None:
        self.value = value
        self.start = start
        self.end = end
        self.children: dict[str, tuple[int, int, Node]] | list[Node] | None = children
        self.size = 1
        self.height = 0 if children is None else 1


class EnoughError(Exception):
    """Raised to stop reading: what follows cannot be read, or not within the limits."""


class _Frame:
    """A mapping or list that is being read."""

    __slots__ = ("anchor", "as_key", "flow", "is_key_next", "key", "merges", "node", "tag")

    def __init__(self, node: Node, event: Any, as_key: bool) -> None:
        self.node = node
        self.anchor: str | None = event.anchor
        self.tag: str | None = event.tag
        self.flow: bool = bool(event.flow_style)
        self.as_key = as_key
        self.is_key_next = True
        self.key: tuple[str, int, int] | None = None  # None while its value is to be dropped
        self.merges: list[Node] = []


_MERGE = "\0<<"  # the place of a merge key among keys: no text of a document has this character


class Composer:
    """Builds nodes from events with a stack of its own, so that no depth of nesting can exhaust Python's."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.faults: list[tuple[Fault, Severity]] = []
        self.stack: list[_Frame] = []
        self.anchors: dict[str, Node | None] = {}  # None while the anchored value is not complete
        self.nodes = 0
        self.documents = 0
        self.root: Node | None = None
        self._handlers = {
            "ScalarEvent": self._scalar,
            "AliasEvent": self._alias,
            "MappingStartEvent": self._open,
            "SequenceStartEvent": self._open,
            "MappingEndEvent": self._close,
            "SequenceEndEvent": self._close,
            "DocumentStartEvent": self._document,
        }

    def report(self, fault: Fault, severity: Severity = Severity.ERROR) -> None:
        if len(self.faults) == MAX_PROBLEMS:
            message = f"more than {MAX_PROBLEMS} problems: the rest is not read"
            self.faults.append((Fault("too-many-problems", message, fault.start, fault.end), Severity.ERROR))
        if len(self.faults) > MAX_PROBLEMS:
            raise EnoughError
        self.faults.append((fault, severity))

    def take(self, event: Any) -> None:
        handler = self._handlers.get(type(event).__name__)
        if handler:
            handler(event)

    def finish(self) -> Node | None:
        """Return the root, with what a syntax error left open closed where it is."""
        while self.stack:
            try:
                self._completed(self.stack.pop())
            except EnoughError:
                continue
        return self.root

    def _document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            start = event.start_mark.index
            self.report(
                Fault(
                    "several-documents",
                    "a second document begins here; a spec is one",
                    start,
                    max(event.end_mark.index, start + 1),
                    "remove the `---`, or keep the second document in a file of its own and name it in `extends`",
                )
            )
            raise EnoughError

    # values

    def _scalar(self, event: Any) -> None:
        start, end, text = event.start_mark.index, event.end_mark.index, event.value
        plain = event.style is None or event.style == ""
        if not plain and event.style in "|>":
            end = start + len(self.text[start:end].rstrip())
        elif not text.isascii() and re.search("[\ud800-\udfff]", text):
            # half a character: libyaml refuses it; the parser in Python lets it pass
            escapes = re.finditer(r"\\(?:(u|U0000)[dD][89a-fA-F]|.)", self.text[start:end], re.DOTALL)
            at = next((start + found.start() for found in escapes if found.group(1)), start)
            raise SyntaxFaultError(bad_escape(self.text, at))
        if "\0" in text:
            self.report(Fault("control-character", "the character U+0000 cannot stand in a value", start, end, "remove it"))
            text = text.replace("\0", "\ufffd")
        frame = self.stack[-1] if self.stack else None
        if frame and frame.is_key_next and isinstance(frame.node.children, dict):
            return self._key(event, text, start, end, plain)
        if start == end and frame and frame.key and isinstance(frame.node.children, dict):
            start = end = frame.key[2]  # nothing stands there: right behind the key, whichever parser says where
        node = Node(self._resolved(event.tag, text, plain, start, end), start, end)
        self._count(node)
        if self.documents == 1 and not self.stack and start == end:
            return None  # an empty document
        return self._place(node, event.anchor)

    def _resolved(self, tag: str | None, text: str, plain: bool, start: int, end: int) -> Any:
        try:
            if tag is None or tag == "!":
                if not plain or tag == "!":
                    return text
                if warning := caution(text):
                    self.report(Fault(warning.code, warning.message, start, end, warning.help), Severity.WARNING)
                return resolve(text)
            return self._tagged(tag, text, start, end)
        except TooLargeError:
            message = f"the number {text[:20]}{'…' * (len(text) > 20)} does not fit 64 bits"
            self.report(Fault("number-too-large", message, start, end, "quote it where it is text"))
            return text

    def _tagged(self, tag: str, text: str, start: int, end: int) -> Any:
        kind = _TAGS.get(tag)
        if kind == "str":
            return text
        value = resolve(text)
        if kind == "float" and type(value) is int:
            return float(value)
        if kind in (None, "map", "seq"):
            self._refuse_tag(tag, start)
        elif type(value).__name__ != ("NoneType" if kind == "null" else kind):
            self.report(Fault("wrong-tag", f"this value is not what its tag !!{kind} says", start, end, "leave the tag out"))
        return value

    def _refuse_tag(self, tag: str, start: int) -> None:
        written = re.search(r"![^\s,\[\]{}]*", self.text[start : start + 200])
        begin, end = (start + written.start(), start + written.end()) if written else (start, start + 1)
        shown = self.text[begin:end]
        self.report(
            Fault("unsupported-tag", f"the tag {shown} means nothing here", begin, end, "leave it out, or quote the value")
        )

    def _alias(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        node = Node(None, start, end)
        target = self.anchors.get(event.anchor)
        if event.anchor not in self.anchors:
            from mlspec.spelling import guess

            meant = guess(event.anchor, self.anchors, {})
            advice = f"did you mean *{meant.word}?" if meant else f"mark a value above with &{event.anchor}, or quote the text"
            self.report(Fault("undefined-alias", f"no anchor &{event.anchor} stands above", start, end, advice))
        elif target is None:
            self.report(Fault("alias-loop", f"*{event.anchor} stands inside the value that it refers to", start, end))
        elif len(self.stack) + target.height > MAX_DEPTH:
            self.report(Fault("too-deep", f"this alias nests values deeper than {MAX_DEPTH}", start, end))
        else:
            node.value, node.children, node.size, node.height = target.value, target.children, target.size, target.height
        frame = self.stack[-1] if self.stack else None
        if frame and frame.is_key_next and isinstance(frame.node.children, dict):
            if isinstance(node.value, str):
                return self._name(node.value, start, end)
            frame.is_key_next, frame.key = False, None
            if target:
                self.report(Fault("complex-key", "a key is a text; this alias stands for something else", start, end))
            return None
        self._count(node)
        return self._place(node, None)

    def _count(self, node: Node) -> None:
        """Count a node, an alias as all that it stands for, against the limit that stops alias bombs."""
        self.nodes += node.size
        if self.nodes > MAX_NODES:
            what = "aliases expand to" if node.size > 1 else "the file has"
            self.report(
                Fault("too-many-values", f"{what} more than {MAX_NODES:,} values", node.start, max(node.end, node.start + 1))
            )
            raise EnoughError

    # keys

    def _key(self, event: Any, text: str, start: int, end: int, plain: bool) -> None:
        if event.anchor:
            self.anchors[event.anchor] = Node(text, start, end)
        if event.tag and event.tag not in ("!", "tag:yaml.org,2002:str"):
            self._refuse_tag(event.tag, start)
        elif plain and not event.tag:
            if text == "<<":
                return self._name(_MERGE, start, end)
            self._refuse_value_as_key(text, start, end)
        return self._name(text, start, end)

    def _refuse_value_as_key(self, text: str, start: int, end: int) -> None:
        try:
            value = resolve(text)
        except TooLargeError:
            value = 0
        if not isinstance(value, str):
            what = "empty" if not text else "null" if value is None else "a boolean" if isinstance(value, bool) else "a number"
            shown = f"the key {text} is {what}" if text else "the key is empty"
            self.report(
                Fault("key-not-text", f"{shown}; keys are text", start, max(end, start + 1), f'write "{text}"' if text else "")
            )

    def _name(self, text: str, start: int, end: int) -> None:
        """Make this the key that the next value belongs to."""
        frame = self.stack[-1]
        children = frame.node.children
        assert isinstance(children, dict)
        frame.is_key_next = False
        first = children.get(text)
        frame.key = None if first else (text, start, end)
        if first:
            shown = "<<" if text == _MERGE else text
            related = ("it is first written here", first[0], first[1])
            advice = "write one `<<: [*a, *b]`" if text == _MERGE else "keep one of the two"
            self.report(Fault("duplicate-key", f"the key `{shown}` is written twice", start, end, advice, related))

    # mappings and lists

    def _open(self, event: Any) -> None:
        start = event.start_mark.index
        parent = self.stack[-1] if self.stack else None
        as_key = bool(parent and parent.is_key_next and isinstance(parent.node.children, dict))
        if as_key:
            self.report(
                Fault(
                    "complex-key",
                    "a key is a text, not a list or a mapping",
                    start,
                    event.end_mark.index,
                    "write one word, or quote it",
                )
            )
        if len(self.stack) == MAX_DEPTH:
            self.report(Fault("too-deep", f"values nest deeper than {MAX_DEPTH}", start, start + 1, "write less deeply"))
            raise EnoughError
        mapping = type(event).__name__ == "MappingStartEvent"
        node = Node({} if mapping else [], start, event.end_mark.index, {} if mapping else [])
        self._count(node)
        if event.anchor:
            self.anchors[event.anchor] = None
        frame = _Frame(node, event, as_key)
        self.stack.append(frame)
        if frame.tag and _TAGS.get(frame.tag) != ("map" if mapping else "seq") and frame.tag != "!":
            self._refuse_tag(frame.tag, start)

    def _close(self, event: Any) -> None:
        frame = self.stack.pop()
        if frame.flow:
            frame.node.end = event.end_mark.index
        self._completed(frame)

    def _completed(self, frame: _Frame) -> None:
        node = frame.node
        if isinstance(node.children, dict):
            node.children.pop(_MERGE, None)
            for merged in frame.merges:
                self._merge(node, merged)
        if frame.as_key:
            self.stack[-1].is_key_next, self.stack[-1].key = False, None
        else:
            self._place(node, frame.anchor)

    def _place(self, node: Node, anchor: str | None) -> None:
        """Give a complete value to the mapping or list it stands in."""
        if anchor:
            self.anchors[anchor] = node
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        parent = frame.node
        if not frame.flow:
            parent.end = max(parent.end, node.end)
        if isinstance(parent.children, list):
            parent.children.append(node)
            parent.value.append(node.value)
        else:
            frame.is_key_next = True
            if frame.key is None:
                return
            (key, start, end), frame.key = frame.key, None
            assert isinstance(parent.children, dict)
            parent.children[key] = (start, end, node)
            if key == _MERGE:
                self._collect(frame, node)
                return
            parent.value[key] = node.value
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)

    def _collect(self, frame: _Frame, node: Node) -> None:
        wanted = node.children if isinstance(node.children, list) else [node]
        for one in wanted:
            if isinstance(one.children, dict):
                frame.merges.append(one)
            elif one.value is not None or one.start == one.end:
                self.report(
                    Fault(
                        "bad-merge",
                        "`<<` merges mappings, and this is none",
                        one.start,
                        one.end,
                        "write `<<: *name` of a mapping",
                    )
                )

    def _merge(self, node: Node, merged: Node) -> None:
        """Add the keys of another mapping that this one lacks; they keep their own places."""
        assert isinstance(node.children, dict)
        assert isinstance(merged.children, dict)
        self._count(merged)
        for key, entry in merged.children.items():
            if key not in node.children:
                node.children[key] = entry
                node.value[key] = entry[2].value
                node.size += entry[2].size
                node.height = max(node.height, entry[2].height + 1)
