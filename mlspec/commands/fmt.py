"""`mlspec fmt`: puts a spec into its usual order and spacing, comments kept."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlspec.diagnostic import Diagnostic, Finding, Problem, Severity


@click.command("fmt")
@click.argument("specs", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--check", is_flag=True, help="Write nothing; name what would change, and exit 1 if there is any.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change, and exit 1 if there is any.")
@click.option("--stdin-filename", metavar="NAME", default="<stdin>", help="What `-`, standard input, is called in messages.")
def command(specs: tuple[Path, ...], check: bool, diff: bool, stdin_filename: str) -> int:
    """Order and space specs as is usual; what they say stays, and so do comments. `-` is standard input, to standard output.

    A folder is searched for specs. Exit code 1 where a spec cannot be read, or with --check and --diff where one would change.

    \b
    Examples:
      mlspec fmt specs/*.yaml
      mlspec fmt --check .
      mlspec fmt --diff churn.yaml
      mlspec fmt - < churn.yaml
    """
    from mlspec.commands.lint_run import files

    faults: list[Finding | Diagnostic] = []
    changed = total = 0
    for file in files(specs):
        total += 1
        try:
            old, new = _formatted(file, stdin_filename)
            changed += old != new
            _settle(file, old, new, check=check, diff=diff, name=stdin_filename)
        except Problem as problem:
            faults += problem.faults
    if faults:
        from mlspec.cli import show

        show(faults)
    if Path("-") not in specs:
        _sum_up(total, changed, check=check or diff)
    return int(bool(faults) or (changed > 0 and (check or diff)))


def _formatted(file: Path, name: str) -> tuple[str, str]:
    """Return a spec's text and the text it should have."""
    from mlspec import document, formatter

    read = document.decode(sys.stdin.buffer.read(), name) if file == Path("-") else document.read(file)
    wrong = [one for one in read.problems if one.finding.severity is Severity.ERROR]
    if wrong:
        raise Problem(*wrong)
    return read.text, formatter.format_text(read.text, read.name)


def _settle(file: Path, old: str, new: str, *, check: bool, diff: bool, name: str) -> None:
    from mlspec import repair

    shown = name if file == Path("-") else str(file)
    if diff:
        click.echo(repair.unified(shown, old, new), nl=False)
    elif check:
        if old != new:
            click.echo(f"would change {shown}")
    elif file == Path("-"):
        sys.stdout.buffer.write(new.encode("utf-8", "surrogatepass"))
        sys.stdout.buffer.flush()
    elif old != new:
        repair.write(str(file), old, new)


def _sum_up(total: int, changed: int, *, check: bool) -> None:
    would = "would change" if check else "changed"
    click.echo(f"{total} spec{'s' * (total != 1)} looked at, {changed} {would}", err=True)
