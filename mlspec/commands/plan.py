"""`mlspec plan`: what a run, or a compilation, would do now, and how risky the change of the spec is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from mlspec.commands._telling import CHANGES, SAME, Telling
from mlspec.diagnostic import Problem


@click.command("plan", cls=Telling)
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--env", metavar="NAME", help="Lay the overlay `environments.NAME` over the spec.")
@click.option("--set", "sets", multiple=True, metavar="ROUTE=VALUE", help="Set a value, such as --set splits.seed=3.")
@click.option(
    "--against",
    metavar="WHAT",
    help="What to compare with: `last` or `succeeded` (the newest such run), a run's name or folder, a compiled directory, or a "
    "spec.  [default: what is compiled in --output, else the last run]",
)
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where run folders are.")
@click.option("--backend", metavar="NAME", help="Say, too, which files `compile` would write for this orchestrator.")
@click.option("--output", "-o", type=click.Path(path_type=Path, file_okay=False), help="The directory of the compiled project.")
@click.option("--price", type=click.FloatRange(0), metavar="AMOUNT", help="What an hour of a step's machine costs.")
@click.option("--approved-by", multiple=True, metavar="WHO", help="A role or contact of `project.stakeholders` who has agreed.")
@click.option("--require-approval", is_flag=True, help="Exit 1 where a risky change has nobody's yes who may give it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def command(
    spec: Path,
    env: str | None,
    sets: tuple[str, ...],
    against: str | None,
    runs: Path,
    backend: str | None,
    output: Path | None,
    price: float | None,
    approved_by: tuple[str, ...],
    require_approval: bool,
    as_json: bool,
) -> int:
    """Say what a run would do now: which steps run again and why, what that takes, and what the change of the spec means.

    Nothing is run and nothing is written. Exit code 0 where nothing changes, 2 where something does, 1 where it cannot be said,
    or a risky change lacks the yes of a stakeholder who may give it (see --require-approval and --approved-by).

    \b
    Examples:
      mlspec plan churn.yaml
      mlspec plan churn.yaml --set model.params.C=0.5 --price 3.06
      mlspec plan churn.yaml --backend kfp -o build/kfp
      mlspec plan churn.yaml --against main/churn.yaml --require-approval --approved-by product_manager
    """
    from mlspec import build, stream
    from mlspec.plan import past, plan, show

    if (backend is None) != (output is None):
        raise click.UsageError("--backend and --output belong together")
    opened = build.open_spec(spec, env=env, sets=sets)
    pipeline = build.pipeline_of(opened)
    before = past.find(pipeline.name, runs, against, output)
    made = plan.make(opened, pipeline, before, backend=backend, directory=output)
    currency = _currency(build.resolve(opened.checked()))

    def line(route: tuple[str | int, ...]) -> str:
        return plan.line_of(opened.layered, route)

    if as_json:
        told = show.plan_json(made, line, price=price, currency=currency, by=approved_by)
        click.echo(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        color = stream.colored(sys.stdout)
        text = show.plan_text(made, line, price=price, currency=currency, by=approved_by, color=color)
        click.echo(text, nl=False, color=color)
    if require_approval or approved_by:
        lacking = plan.unapproved(made.meaning, approved_by)
        if lacking:
            raise Problem(*(build.placed(opened, one) for one in lacking))
    return CHANGES if made.changes else SAME


def _currency(config: dict[str, object]) -> str:
    from mlspec.plan.risk import at

    return str(at(config, ("project", "scoping", "value", "currency")) or "")
