"""`mlspec lsp`: diagnostics as you type, explanations, completion, definitions, renaming and quick fixes, for any editor."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp
from pygls import uris
from pygls.lsp.server import LanguageServer
from pygls.workspace import PositionCodec

from mlspec import __version__, cursor, lint, names, settings
from mlspec.diagnostic import PAGES, Diagnostic, Problem, Severity, Span
from mlspec.document import Document, parse
from mlspec.lines import Lines

if TYPE_CHECKING:
    from mlspec.lint import Opened

PAUSE = 0.05  # seconds of quiet before a changed text is checked
IS_SPEC = re.compile(r"^mlspec\s*:", re.MULTILINE)
_SEVERITY = {
    Severity.ERROR: lsp.DiagnosticSeverity.Error,
    Severity.WARNING: lsp.DiagnosticSeverity.Warning,
    Severity.INFO: lsp.DiagnosticSeverity.Information,
}
_ITEM = {
    "key": lsp.CompletionItemKind.Property,
    "value": lsp.CompletionItemKind.EnumMember,
    "kind": lsp.CompletionItemKind.Class,
    "name": lsp.CompletionItemKind.Reference,
}


class Buffer:
    """A text as an editor shows it, with the conversion between its positions and ours."""

    def __init__(self, uri: str, text: str, codec: PositionCodec) -> None:
        self.uri = uri
        self.path = Path(uris.to_fs_path(uri) or "untitled.yaml")
        self.text = text.removeprefix("\ufeff")
        self.codec = codec

    @cached_property
    def document(self) -> Document:
        return parse(self.text, str(self.path))

    @cached_property
    def lines(self) -> Lines:
        return Lines(self.text)

    def offset(self, position: lsp.Position) -> int:
        """Return the offset of an editor's position, which counts code units; the end of the line where it lies behind that."""
        lines = self.lines
        line = lines.line(position.line + 1)
        units = 0
        for column, char in enumerate(line):
            if units >= position.character:
                return lines.offset(position.line + 1, column + 1)
            units += self.codec.client_num_units(char)
        return min(lines.offset(min(position.line + 1, lines.place(len(self.text))[0]), len(line) + 1), len(self.text))

    def range(self, start: int, end: int) -> lsp.Range:
        return _range(self.lines.span(start, end), self.lines, self.codec)


def _range(span: Span, lines: Lines, codec: PositionCodec) -> lsp.Range:
    def position(line: int, column: int) -> lsp.Position:
        return lsp.Position(line - 1, codec.client_num_units(lines.line(line)[: column - 1]))

    return lsp.Range(position(span.line, span.column), position(span.end_line, span.end_column))


class Server(LanguageServer):
    """The server, and what it last found in each open file."""

    def __init__(self) -> None:
        super().__init__("mlspec", __version__, text_document_sync_kind=lsp.TextDocumentSyncKind.Full)
        self.opened: dict[str, Opened] = {}
        self.waiting: dict[str, asyncio.TimerHandle] = {}

    def buffer(self, uri: str) -> Buffer:
        return Buffer(uri, self.workspace.get_text_document(uri).source, self.workspace.position_codec)

    def later(self, uri: str) -> None:
        """Check a file once nobody has typed for a moment."""
        if uri in self.waiting:
            self.waiting.pop(uri).cancel()
        self.waiting[uri] = asyncio.get_running_loop().call_later(PAUSE, self.check, uri)

    def check(self, uri: str) -> None:
        self.waiting.pop(uri, None)
        document = self.workspace.get_text_document(uri)
        told = list(self.diagnostics(uri)) if IS_SPEC.search(document.source) else []
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, told, document.version))

    def diagnostics(self, uri: str) -> Iterator[lsp.Diagnostic]:
        buffer = self.buffer(uri)
        try:
            opened = lint.check(
                buffer.path, text=self.workspace.get_text_document(uri).source, policy=settings.policy(buffer.path)
            )
        except Problem as problem:  # a file that it extends is not there, or its settings are wrong
            for fault in problem.faults:
                message = fault.finding.message if isinstance(fault, Diagnostic) else fault.message
                yield lsp.Diagnostic(_top(), message, lsp.DiagnosticSeverity.Error, source="mlspec")
            return
        self.opened[uri] = opened
        for one in opened.diagnostics:
            yield self.told(one, buffer, opened)

    def told(self, one: Diagnostic, buffer: Buffer, opened: Opened) -> lsp.Diagnostic:
        """Return a diagnostic as editors take it. One of another file stands at the top, and says where it is."""
        finding = one.finding
        here = one.file == opened.layered.name
        message = (
            finding.message + (f"\n{finding.why}" if finding.why else "") + (f"\nhelp: {finding.help}" if finding.help else "")
        )
        related = []
        for text, file, span in one.related:
            lines = Lines(opened.layered.texts.get(file, ""))
            uri = buffer.uri if file == opened.layered.name else uris.from_fs_path(str(Path(file).resolve()))
            related.append(lsp.DiagnosticRelatedInformation(lsp.Location(uri or "", _range(span, lines, buffer.codec)), text))
        return lsp.Diagnostic(
            _range(one.span, buffer.lines, buffer.codec) if here and one.span else _top(),
            message if here else f"{one.file}: {message}",
            _SEVERITY[finding.severity],
            finding.code,
            lsp.CodeDescription(f"{PAGES}#{finding.code}"),
            "mlspec",
            related_information=related or None,
        )


def _top() -> lsp.Range:
    return lsp.Range(lsp.Position(0, 0), lsp.Position(0, 0))


def build() -> Server:
    """Return a server with every feature."""
    server = Server()
    _follow(server)
    _explain(server)
    _name(server)
    return server


def _follow(server: Server) -> None:
    """Check what is open."""

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        server.check(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        server.later(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        for uri in list(server.opened):  # another open file may extend this one
            server.check(uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.opened.pop(uri, None)
        server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))


def _explain(server: Server) -> None:
    """Say what stands somewhere, what could, and what would mend it."""

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        buffer = server.buffer(params.text_document.uri)
        found = cursor.explained(buffer.document, buffer.offset(params.position))
        if found is None:
            return None
        text, place = found
        content = lsp.MarkupContent(lsp.MarkupKind.Markdown, text.replace("\n", "  \n"))
        return lsp.Hover(content, buffer.range(place.start, place.end))

    @server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=[" ", ":", "{", "[", ","]))
    def complete(params: lsp.CompletionParams) -> lsp.CompletionList:
        buffer = server.buffer(params.text_document.uri)
        found = cursor.completions(buffer.text, buffer.offset(params.position), str(buffer.path))
        return lsp.CompletionList(False, [_item(one, index) for index, one in enumerate(found)])

    @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions([lsp.CodeActionKind.QuickFix]))
    def actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        return list(_actions(server, params))


def _name(server: Server) -> None:
    """Find and rename what the spec names."""

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def definition(params: lsp.DefinitionParams) -> list[lsp.Location] | None:
        buffer = server.buffer(params.text_document.uri)
        found = _named(buffer, params.position)
        return [lsp.Location(buffer.uri, buffer.range(one.start, one.end)) for one in found if one.defines] or None

    @server.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    def references(params: lsp.ReferenceParams) -> list[lsp.Location]:
        buffer = server.buffer(params.text_document.uri)
        return [lsp.Location(buffer.uri, buffer.range(one.start, one.end)) for one in _named(buffer, params.position)]

    @server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
    def prepare_rename(params: lsp.PrepareRenameParams) -> lsp.Range | None:
        buffer = server.buffer(params.text_document.uri)
        here = _occurrence(buffer, params.position)
        return buffer.range(here.start, here.end) if here else None

    @server.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))
    def rename(params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
        buffer = server.buffer(params.text_document.uri)
        edits = [lsp.TextEdit(buffer.range(one.start, one.end), params.new_name) for one in _named(buffer, params.position)]
        return lsp.WorkspaceEdit(changes={buffer.uri: edits}) if edits else None


def _item(one: cursor.Choice, index: int) -> lsp.CompletionItem:
    return lsp.CompletionItem(
        one.word,
        kind=_ITEM[one.sort],
        detail=one.detail,
        documentation=one.explanation or None,
        sort_text=f"{index:04}",
        insert_text=f"{one.word}: " if one.sort == "key" else one.word,
    )


def _occurrence(buffer: Buffer, position: lsp.Position) -> names.Occurrence | None:
    offset = buffer.offset(position)
    return next((one for one in names.occurrences(buffer.document) if one.start <= offset <= one.end), None)


def _named(buffer: Buffer, position: lsp.Position) -> list[names.Occurrence]:
    """Return every place of the name at a position, in the order of the text."""
    here = _occurrence(buffer, position)
    found = [one for one in names.occurrences(buffer.document) if here and (one.sort, one.name) == (here.sort, here.name)]
    return sorted(found, key=lambda one: one.start)


def _actions(server: Server, params: lsp.CodeActionParams) -> Iterator[lsp.CodeAction]:
    from mlspec.repair import placed

    uri = params.text_document.uri
    opened = server.opened.get(uri)
    if opened is None:
        return
    buffer = server.buffer(uri)
    if opened.layered.texts.get(opened.layered.name) != buffer.text:
        return  # what was found is about an older text: its offsets mean nothing now
    for one in opened.diagnostics:
        told = server.told(one, buffer, opened)
        if one.file != opened.layered.name or not _touch(told.range, params.range):
            continue
        patch = placed(one, opened.layered)
        if patch is not None and all(each.file == one.file for each in patch.replacements):
            edits: list[Any] = [lsp.TextEdit(buffer.range(each.start, each.end), each.text) for each in patch.replacements]
            yield lsp.CodeAction(
                patch.title,
                lsp.CodeActionKind.QuickFix,
                [told],
                is_preferred=patch.safe,
                edit=lsp.WorkspaceEdit(changes={uri: edits}),
            )


def _touch(one: lsp.Range, other: lsp.Range) -> bool:
    def key(position: lsp.Position) -> tuple[int, int]:
        return position.line, position.character

    return key(one.start) <= key(other.end) and key(other.start) <= key(one.end)
