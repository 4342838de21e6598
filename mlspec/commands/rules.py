"""`mlspec rules`: the catalogue of rules."""

from __future__ import annotations

import json

import click


@click.command("rules")
@click.option("--json", "as_json", is_flag=True, help="Print them as a JSON array.")
def command(as_json: bool) -> None:
    """List the rules of lint: code, name, how bad the fault is in each phase, and what it is.

    `mlspec explain NAME` shows a rule's page.

    \b
    Examples:
      mlspec rules
      mlspec rules --json
    """
    from mlspec.rules import catalogue
    from mlspec.rules._rule import PHASES

    rules = catalogue().values()
    if as_json:
        told = [
            {
                "code": rule.code,
                "name": rule.name,
                "topic": rule.topic,
                "severity": {phase: str(rule.severity(phase) or "off") for phase in PHASES},
                "data": rule.data,
                "summary": rule.page.summary,
            }
            for rule in rules
        ]
        click.echo(json.dumps(told, indent=1, ensure_ascii=False))
        return
    width = max(len(rule.name) for rule in rules)
    for rule in rules:
        grades = "/".join(dict.fromkeys(str(rule.severity(phase) or "off") for phase in PHASES))
        click.echo(f"{rule.code}  {rule.name:<{width}}  {grades:<18}  {rule.page.summary}")
