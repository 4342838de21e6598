"""`mlspec compile`: writes the pipeline as a project for an orchestrator, or says whether one is up to date."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlspec.diagnostic import Problem

if TYPE_CHECKING:
    from mlspec.build import Compiled


@click.command("compile")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--env", metavar="NAME", help="Lay the overlay `environments.NAME` over the spec.")
@click.option("--set", "sets", multiple=True, metavar="ROUTE=VALUE", help="Set a value, such as --set splits.seed=3.")
@click.option("--backend", required=True, metavar="NAME", help="The orchestrator to write for, as `mlspec backends` names it.")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The directory to write the project to.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if the directory is not what would be written.")
@click.option("--eject", is_flag=True, help="Put what runs of mlspec into the project, which then needs no mlspec.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object about what was written, and nothing else.")
def command(
    spec: Path,
    env: str | None,
    sets: tuple[str, ...],
    backend: str,
    output: Path,
    check: bool,
    eject: bool,
    as_json: bool,
) -> int:
    """Write the pipeline as a project for an orchestrator. The same spec gives the same bytes on any machine.

    A file that you have edited is never overwritten: the new text goes beside it as NAME.new. The diffs of `pipeline.patches`
    are made anew; the files of `pipeline.owned` are written once and then left to you.

    \b
    Examples:
      mlspec compile specs/churn.yaml --backend kfp -o build/kfp
      mlspec compile specs/churn.yaml --backend prefect -o build/prefect --check
      mlspec compile specs/churn.yaml --backend zenml -o build/zenml --eject
    """
    from mlspec import build
    from mlspec.cli import serious, show

    opened = build.open_spec(spec, env=env, sets=sets)
    if opened.errors:
        raise Problem(*opened.errors)
    made = build.project_of(opened, backend, eject=eject)
    if not as_json:
        show([*serious(opened.diagnostics), *made.told], opened.layered.texts)
    return _check(made, output, as_json) if check else _write(made, backend, output, as_json)


def _check(made: Compiled, output: Path, as_json: bool) -> int:
    found = made.bundle.compare(output)
    if as_json:
        _print_json({"state": "stale" if found else "current", **asdict(found)}, made)
    elif not found:
        click.echo(f"{output} is up to date")
    else:
        click.echo(f"{output} is stale")
        for word, paths in asdict(found).items():
            for path in paths:
                click.echo(f"  {WORDS[word]:<9} {path}")
    return int(bool(found))


WORDS = {"missing": "missing", "stale": "changes", "edited": "edited", "removed": "goes", "unsettled": "unmerged"}
"""What each list of `bundle.Differences` is called in the short list of --check."""


def _write(made: Compiled, backend: str, output: Path, as_json: bool) -> int:
    changes = made.bundle.write(output)
    if as_json:
        _print_json({"state": "written", **asdict(changes), "patched": dict(made.bundle.patched)}, made)
        return 0
    name, counts = made.pipeline.name, f"{len(changes.written)} files written, {len(changes.unchanged)} unchanged"
    click.echo(f"{name} for {backend}: {counts} in {output}")
    for path in changes.kept:
        beside = f"the new text is in {path}.new" if path in made.bundle.files else "no longer generated"
        click.echo(f"  you have edited {path}: it is kept, {beside}")
    for path in changes.moved:
        click.echo(f"  {path} is yours and was left alone; what would be generated has changed since it was last told")
    for path in changes.removed:
        click.echo(f"  {path} is no longer generated: removed")
    return 0


def _print_json(told: dict[str, Any], made: Compiled) -> None:
    from mlspec import display

    click.echo(json.dumps(told | {"diagnostics": display.as_json(made.told)}, indent=1, ensure_ascii=False))
