"""`mlspec graph`: the pipeline as a picture."""

from __future__ import annotations

from pathlib import Path

import click

EDGES, CHARACTERS = 500, 50_000
"""What Mermaid draws at most as it is set by default, on GitHub too: `maxEdges` and `maxTextSize`."""

FORMATS = {"mermaid": (".mmd", ".mermaid"), "svg": (".svg",), "html": (".html", ".htm")}


@click.command("graph")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--env", metavar="NAME", help="Lay the overlay `environments.NAME` over the spec.")
@click.option("--set", "sets", multiple=True, metavar="ROUTE=VALUE", help="Set a value, such as --set splits.seed=3.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), help="How it is drawn.  [default: by the file's name]")
@click.option("--all", "whole", is_flag=True, help="Show each step of a family, such as the trials of a search.")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="The file; without it, standard output.")
def command(spec: Path, env: str | None, sets: tuple[str, ...], form: str | None, whole: bool, output: Path | None) -> None:
    """Draw the pipeline that a spec implies: its steps by stage, with the spec's lines that asked for each.

    Gates, approvals and what runs at the end have shapes of their own; steps of one family are one box. SVG and HTML open
    offline and are readable on light and dark.

    \b
    Examples:
      mlspec graph churn.yaml
      mlspec graph churn.yaml -o churn.svg
      mlspec graph churn.yaml --all -o churn.html
    """
    from importlib import import_module

    from mlspec import build
    from mlspec.graph.picture import picture
    from mlspec.runtime.artifact import write_text

    opened = build.open_spec(spec, env=env, sets=sets)
    drawn = picture(build.pipeline_of(opened), whole=whole)
    chosen = form or _form(output)
    text: str = import_module(f"mlspec.graph.{'page' if chosen == 'html' else chosen}").text(drawn)
    if chosen == "mermaid" and (len(drawn.edges) + len(drawn.turns) > EDGES or len(text) > CHARACTERS):
        less = "leave --all out, or draw it" if whole else "draw it"
        click.echo(f"note: Mermaid refuses so large a picture unless it is told otherwise; {less} as SVG or HTML", err=True)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)


def _form(output: Path | None) -> str:
    ending = output.suffix.lower() if output else ""
    found = next((form for form, endings in FORMATS.items() if ending in endings), None)
    if found is None and output is not None:
        known = ", ".join(ending for endings in FORMATS.values() for ending in endings)
        raise click.UsageError(f"{output.name} does not say how to draw; write --format, or a name that ends in {known}")
    return found or "mermaid"
