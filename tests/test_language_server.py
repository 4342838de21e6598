"""The language server, driven by a real client over standard input and output."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

from mlspec.document import parse
from mlspec.names import occurrences

ROOT = Path(__file__).parent.parent
CHURN = (ROOT / "specs" / "churn.yaml").read_text(encoding="utf-8")


class Editor:
    """An editor with one file open."""

    def __init__(self, client: LanguageClient, uri: str) -> None:
        self.client = client
        self.uri = uri
        self.version = 1
        self.published: asyncio.Queue[lsp.PublishDiagnosticsParams] = asyncio.Queue()

    async def open(self, text: str) -> list[lsp.Diagnostic]:
        self.text = text
        item = lsp.TextDocumentItem(self.uri, lsp.LanguageKind.Yaml, self.version, text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        return list((await asyncio.wait_for(self.published.get(), 60)).diagnostics)

    async def change(self, text: str) -> list[lsp.Diagnostic]:
        self.text = text
        self.version += 1
        identifier = lsp.VersionedTextDocumentIdentifier(self.version, self.uri)
        whole = lsp.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(identifier, [whole]))
        while True:
            told = await asyncio.wait_for(self.published.get(), 60)
            if told.version == self.version:
                return list(told.diagnostics)

    @property
    def identifier(self) -> lsp.TextDocumentIdentifier:
        return lsp.TextDocumentIdentifier(self.uri)

    def position(self, before: str) -> lsp.Position:
        """Return the position right behind the first occurrence of some text."""
        offset = self.text.index(before) + len(before)
        line = self.text.count("\n", 0, offset)
        column = self.text[self.text.rfind("\n", 0, offset) + 1 : offset]
        return lsp.Position(line, len(column.encode("utf-16-le")) // 2)

    async def complete(self, text: str, before: str) -> list[str]:
        await self.change(text)
        params = lsp.CompletionParams(self.identifier, self.position(before))
        found = await self.client.text_document_completion_async(params)
        assert isinstance(found, lsp.CompletionList)
        return [one.label for one in found.items]

    def edited(self, edits: Any) -> str:
        """Return the text with edits made."""
        lines = self.text.splitlines(keepends=True)
        starts = [sum(map(len, lines[:index])) for index in range(len(lines) + 1)]
        text = self.text
        for edit in sorted(edits, key=lambda one: (one.range.start.line, one.range.start.character), reverse=True):
            start, end = (starts[at.line] + at.character for at in (edit.range.start, edit.range.end))
            text = text[:start] + edit.new_text + text[end:]
        return text


def with_editor(path: Path, scene: Callable[[Editor], Awaitable[None]]) -> None:
    async def play() -> None:
        client = LanguageClient("test", "1")
        editor = Editor(client, path.as_uri())
        client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(lambda told: editor.published.put_nowait(told))
        await client.start_io(sys.executable, "-m", "mlspec", "lsp")
        capabilities = lsp.ClientCapabilities()
        result = await client.initialize_async(lsp.InitializeParams(capabilities=capabilities, root_uri=path.parent.as_uri()))
        assert result.capabilities.rename_provider
        client.initialized(lsp.InitializedParams())
        await scene(editor)
        await client.shutdown_async(None)
        client.exit(None)
        await client.stop()

    asyncio.run(play())


def test_diagnostics_follow_what_is_typed(tmp_path: Path) -> None:
    async def scene(editor: Editor) -> None:
        clean = [one for one in await editor.open(CHURN) if one.severity != lsp.DiagnosticSeverity.Information]
        assert not clean
        (found,) = [
            one
            for one in await editor.change(CHURN.replace("strategy: stratified", "strategie: stratified"))
            if one.severity == lsp.DiagnosticSeverity.Error
        ]
        assert found.code == "unknown-key"
        assert "strategy" in found.message
        line = CHURN[: CHURN.index("strategy:")].count("\n")
        assert (found.range.start.line, found.range.end.line) == (line, line)
        broken = await editor.change(CHURN.replace("problem: Monthly", 'problem: "Monthly').replace("seed: 7", "sead: 7", 1))
        codes = {one.code for one in broken}
        assert {"unclosed-quote", "unknown-key"} <= codes, "a syntax error does not hide the rest"
        assert not list(await editor.change("a: b\n")), "a file that is no spec is left alone"

    with_editor(tmp_path / "churn.yaml", scene)


def test_columns_count_as_editors_count(tmp_path: Path) -> None:
    async def scene(editor: Editor) -> None:
        text = CHURN.replace("splits: {strategy: stratified", 'splits: {rationale: "\U0001f600\U0001f600", strategy: stratifed')
        (found,) = [one for one in await editor.open(text) if one.severity == lsp.DiagnosticSeverity.Error]
        line = text.splitlines()[found.range.start.line]
        units = line.encode("utf-16-le")
        shown = units[2 * found.range.start.character : 2 * found.range.end.character].decode("utf-16-le")
        assert shown == "stratifed"

    with_editor(tmp_path / "churn.yaml", scene)


def test_completion(tmp_path: Path) -> None:
    async def scene(editor: Editor) -> None:
        await editor.open(CHURN)
        assert "ratios" in await editor.complete(CHURN.replace("stratified, ", "stratified, r, "), "stratified, r")
        assert "temporal" in await editor.complete(CHURN.replace("strategy: stratified", "strategy: "), "strategy: ")
        assert "sklearn.ridge" in await editor.complete(CHURN, "model: {kind: sklearn.")
        assert "deployment" in await editor.complete(CHURN + "\ndep", "\ndep")
        assert "tenure" in await editor.complete(CHURN.replace("target: Churn", "target: "), "{kind: classification, target: ")
        assert "roc_auc" in await editor.complete(CHURN, "{metric: r")
        taken = await editor.complete(CHURN.replace("on_failure: stop", "on_failure: stop\n  x"), "on_failure: stop\n  x")
        assert "labels" in taken
        assert "sources" not in taken, "a key that is there already is not offered"

    with_editor(tmp_path / "churn.yaml", scene)


def test_hover_tells_the_reason_of_a_default(tmp_path: Path) -> None:
    async def scene(editor: Editor) -> None:
        await editor.open(CHURN)
        params = lsp.HoverParams(editor.identifier, editor.position("splits: {strat"))
        told = await editor.client.text_document_hover_async(params)
        assert told is not None
        assert isinstance(told.contents, lsp.MarkupContent)
        assert "default: auto" in told.contents.value
        assert "guide:" in told.contents.value
        nothing = await editor.client.text_document_hover_async(lsp.HoverParams(editor.identifier, lsp.Position(0, 3)))
        assert nothing is None, "a comment says nothing"

    with_editor(tmp_path / "churn.yaml", scene)


def test_definition_and_rename(tmp_path: Path) -> None:
    async def scene(editor: Editor) -> None:
        await editor.open(CHURN)
        params = lsp.DefinitionParams(editor.identifier, editor.position("slices: [Con"))
        found = await editor.client.text_document_definition_async(params)
        assert isinstance(found, list)
        assert isinstance(found[0], lsp.Location)
        assert editor.text.splitlines()[found[0].range.start.line].lstrip().startswith("Contract:")
        params_of = lsp.RenameParams(text_document=editor.identifier, position=editor.position("    tenu"), new_name="months")
        edit = await editor.client.text_document_rename_async(params_of)
        assert edit is not None
        assert edit.changes is not None
        renamed = editor.edited(edit.changes[editor.uri])
        left = {one.name for one in occurrences(parse(renamed, "renamed")) if one.sort == "column"}
        assert "months" in left
        assert "tenure" not in left
        assert 'where: "months < 3"' in renamed, "conditions are renamed, too"
        assert renamed.replace("months", "tenure") == CHURN

    with_editor(tmp_path / "churn.yaml", scene)


def test_quick_fix(tmp_path: Path) -> None:
    async def scene(editor: Editor) -> None:
        found = await editor.open(CHURN.replace("on_failure: stop", "on_faliure: stop"))
        (wrong,) = [one for one in found if one.severity == lsp.DiagnosticSeverity.Error]
        params = lsp.CodeActionParams(editor.identifier, wrong.range, lsp.CodeActionContext([wrong]))
        actions = await editor.client.text_document_code_action_async(params)
        assert actions
        assert isinstance(actions[0], lsp.CodeAction)
        assert actions[0].edit is not None
        assert actions[0].edit.changes is not None
        assert editor.edited(actions[0].edit.changes[editor.uri]) == CHURN

    with_editor(tmp_path / "churn.yaml", scene)
