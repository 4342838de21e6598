"""`mlspec diff`: what differs between two specs, by meaning."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from mlspec.commands._telling import CHANGES, SAME, Telling
from mlspec.diagnostic import Problem


@click.command("diff", cls=Telling)
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--env-a", metavar="NAME", help="Lay the overlay `environments.NAME` over A.")
@click.option("--env-b", metavar="NAME", help="Lay the overlay `environments.NAME` over B.")
@click.option("--approved-by", multiple=True, metavar="WHO", help="A role or contact of `project.stakeholders` who has agreed.")
@click.option("--require-approval", is_flag=True, help="Exit 1 where a risky change has nobody's yes who may give it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def command(
    a: Path,
    b: Path,
    env_a: str | None,
    env_b: str | None,
    approved_by: tuple[str, ...],
    require_approval: bool,
    as_json: bool,
) -> int:
    """Say what differs from A to B, and what that means. Each is a spec, or the folder of a run or of a compiled project.

    Defaults are filled in first: what is written out and what is left out are the same where they mean the same, and so are
    `60 s` and `1 min`. The order of keys, and comments, are no difference. Exit code 0 where nothing differs, 2 where something
    does, 1 where it cannot be said.

    \b
    Examples:
      mlspec diff runs/churn/run_003 churn.yaml
      mlspec diff churn.yaml churn.yaml --env-b prod
      mlspec diff main/churn.yaml churn.yaml --json
    """
    from mlspec import stream
    from mlspec.plan import past, plan, show

    old, new = past.read(a, env=env_a), past.read(b, env=env_b)
    meaning = plan.compare(old, new)
    layered = past.layered(b, env=env_b)

    def line(route: tuple[str | int, ...]) -> str:
        return plan.line_of(layered, route)

    if as_json:
        click.echo(json.dumps(show.diff_json(meaning, line, approved_by), indent=1, ensure_ascii=False))
    else:
        color = stream.colored(sys.stdout)
        click.echo(show.diff_text(meaning, line, by=approved_by, color=color), nl=False, color=color)
    if require_approval or approved_by:
        lacking = plan.unapproved(meaning, approved_by)
        if lacking:
            raise Problem(*map(layered.place_finding, lacking))
    return CHANGES if meaning.changes else SAME
