"""Lint beside the tools that people check YAML with.

    python -m benchmarks.lint [--node FOLDER]

FOLDER holds `node_modules/yaml-language-server` (`npm install --prefix FOLDER yaml-language-server`); without it our server
is measured alone. CPU seconds, medians of paired runs in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

from benchmarks.measure import ENVIRONMENT, Command, Promise, in_turn

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
NODE = ROOT / ".venvs" / "node"  # where `make bench` puts yaml-language-server
SPEC = ROOT / "specs" / "churn.yaml"
FILES = 1_000
ROUNDS = 9
CHANGES = 60


def forget(folder: Path) -> None:
    """Make lint forget what it found clean."""
    shutil.rmtree(folder / ".mlspec", ignore_errors=True)


def files() -> tuple[list[Promise], dict[str, Any]]:
    """Measure one file and a thousand."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(SPEC, folder / "one.yaml")
        schema = ROOT / "docs" / "schema" / "mlspec-1.schema.json"
        text = SPEC.read_text(encoding="utf-8")
        for index in range(FILES):  # a thousand texts, not one text a thousand times
            (folder / f"spec{index}.yaml").write_text(text.replace("seed: 7", f"seed: {index}"), encoding="utf-8")
        many = [f"spec{index}.yaml" for index in range(FILES)]
        subprocess.run([BIN / "mlspec", "lint", "one.yaml"], cwd=folder, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
        relaxed = "{extends: relaxed, rules: {line-length: disable}}"
        one = in_turn(
            {
                "pass": Command([sys.executable, "-c", "pass"], folder),
                "unchanged": Command([str(BIN / "mlspec"), "lint", "one.yaml"], folder),
            },
            rounds=4 * ROUNDS,
        )
        changed = in_turn(
            {
                "changed": Command([str(BIN / "mlspec"), "lint", "one.yaml"], folder, lambda: forget(folder)),
                "check-jsonschema": Command([str(BIN / "check-jsonschema"), "--schemafile", str(schema), "one.yaml"], folder),
            },
            rounds=ROUNDS,
        )
        cold = in_turn(
            {
                "cold": Command([str(BIN / "mlspec"), "lint", *many], folder, lambda: forget(folder)),
                "yamllint": Command([str(BIN / "yamllint"), "-d", relaxed, *many], folder),
            },
            rounds=3,
        )
        again = in_turn(
            {
                "pass": Command([sys.executable, "-c", "pass"], folder),
                "unchanged": Command([str(BIN / "mlspec"), "lint", *many], folder),
            },
            rounds=2 * ROUNDS,
        )
    promises = [
        Promise("one unchanged file / python -c pass", one["unchanged"].cpu / one["pass"].cpu, 1.2),
        Promise("one changed file / check-jsonschema", changed["changed"].cpu / changed["check-jsonschema"].cpu, 0.5),
        Promise(f"{FILES} files, cold / yamllint", cold["cold"].cpu / cold["yamllint"].cpu, 0.25),
        Promise(f"{FILES} files, unchanged / python -c pass", again["unchanged"].cpu / again["pass"].cpu, 3.0),
    ]
    seconds = {
        "one": {name: cost.cpu for name, cost in (one | changed).items()},
        "thousand": {name: cost.cpu for name, cost in (again | cold).items()},
    }
    return promises, seconds


class Typist:
    """A client that has a spec open and changes a character again and again."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.command = command
        self.uri = (folder / "one.yaml").as_uri()
        self.schema = (ROOT / "docs" / "schema" / "mlspec-1.schema.json").as_uri()

    async def type(self) -> float:
        """Return the server's CPU seconds a change."""
        client = LanguageClient("typist", "1")
        published: asyncio.Queue[Any] = asyncio.Queue()

        @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def told(params: lsp.PublishDiagnosticsParams) -> None:
            published.put_nowait(params)

        @client.feature(lsp.WORKSPACE_CONFIGURATION)
        def configuration(params: lsp.ConfigurationParams) -> list[Any]:
            wanted = {"validate": True, "schemas": {self.schema: "*.yaml"}}
            return [wanted if one.section == "yaml" else None for one in params.items]

        @client.feature(lsp.CLIENT_REGISTER_CAPABILITY)
        def register(params: lsp.RegistrationParams) -> None:
            return None

        await client.start_io(*self.command)
        server = client._server  # the process, to ask the kernel what it cost
        assert server is not None
        capabilities = lsp.ClientCapabilities(workspace=lsp.WorkspaceClientCapabilities(configuration=True))
        await client.initialize_async(lsp.InitializeParams(capabilities=capabilities, root_uri=None))
        client.initialized(lsp.InitializedParams())
        text = SPEC.read_text(encoding="utf-8")
        client.text_document_did_open(
            lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(self.uri, lsp.LanguageKind.Yaml, 1, text))
        )
        await asyncio.wait_for(published.get(), 60)
        for number in range(10):
            await self.change(client, published, text, number + 2)
        before = self.cpu(server.pid)
        for number in range(CHANGES):
            await self.change(client, published, text, number + 12)
        spent = self.cpu(server.pid) - before
        await client.shutdown_async(None)
        client.exit(None)
        await client.stop()
        return spent / CHANGES

    async def change(self, client: LanguageClient, published: asyncio.Queue[Any], text: str, number: int) -> None:
        """Change a value to a wrong one and back, and wait for what the server says of it."""
        changed = text.replace("strategy: stratified", f"strategy: stratified{number}") if number % 2 else text
        whole = lsp.TextDocumentContentChangeWholeDocument(changed)
        identifier = lsp.VersionedTextDocumentIdentifier(number, self.uri)
        client.text_document_did_change(lsp.DidChangeTextDocumentParams(identifier, [whole]))
        told = await asyncio.wait_for(published.get(), 60)
        assert bool([one for one in told.diagnostics if one.severity == lsp.DiagnosticSeverity.Error]) == bool(number % 2)
        await asyncio.sleep(0.02)

    @staticmethod
    def cpu(process: int) -> float:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def servers(node: Path | None) -> tuple[list[Promise], dict[str, Any]]:
    """Measure the language servers, in turn."""
    contestants = {"mlspec lsp": [str(BIN / "mlspec"), "lsp"]}
    if node is not None:
        contestants["yaml-language-server"] = ["node", str(node / "node_modules" / ".bin" / "yaml-language-server"), "--stdio"]
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(3):
            for name, command in contestants.items():
                spent[name].append(asyncio.run(Typist(command, Path(folder)).type()))
    medians = {name: statistics.median(one) for name, one in spent.items()}
    promises = []
    if node is not None:
        ratio = medians["mlspec lsp"] / medians["yaml-language-server"]
        promises = [Promise("language server, CPU a change / yaml-language-server", ratio, 0.3)]
    return promises, medians


def main(node: Path | None = None) -> dict[str, Any]:
    kept, seconds = files()
    more, changes = servers(node)
    return {
        "versions": {name: version(name) for name in ("check-jsonschema", "yamllint", "pygls")},
        "seconds": seconds,
        "seconds_per_change": changes,
        "promises": [asdict(one) for one in (*kept, *more)],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--node", type=Path)
    print(json.dumps(main(parser.parse_args().node), indent=1))
