"""Commands that tell by their exit code whether something changes, as `terraform plan -detailed-exitcode` does."""

from __future__ import annotations

from typing import Any

import click

SAME, WRONG, CHANGES = 0, 1, 2


class Telling(click.Command):
    """A command whose exit code 2 says that something changes: wrong usage has to be 1 then."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as wrong:
            wrong.show()
            raise click.exceptions.Exit(WRONG) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as wrong:
            wrong.show()
            raise click.exceptions.Exit(WRONG) from None
