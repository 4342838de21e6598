"""`mlspec lsp`: the language server for editors."""

from __future__ import annotations

import gc

import click

from mlspec.diagnostic import Finding, Problem


@click.command("lsp")
def command() -> None:
    """Serve an editor over standard input and output: diagnostics, completion, explanations, renaming, quick fixes.

    docs/editors.md says how to set up VS Code, Neovim and PyCharm.

    \b
    Examples:
      pip install 'mlspec[lsp]'
      mlspec lsp
    """
    try:
        import pygls  # noqa: F401
    except ImportError:
        help_text = "pip install 'mlspec[lsp]'"
        raise Problem(Finding("missing-extra", "the language server needs pygls", help=help_text)) from None
    from mlspec.language_server import build

    server = build()
    gc.freeze()  # what is loaded by now stays: looking through it again and again is part of the cost of each change
    server.start_io()
