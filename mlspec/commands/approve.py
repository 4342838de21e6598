"""`mlspec approve`: a person's answer to a step that waits for one."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlspec.diagnostic import Finding, Problem

if TYPE_CHECKING:
    from mlspec.ir import Pipeline, Step
    from mlspec.lint import Opened


@click.command("approve")
@click.argument("spec", type=click.Path(path_type=Path))
@click.argument("step", required=False)
@click.option("--env", metavar="NAME", help="Lay the overlay `environments.NAME` over the spec.")
@click.option("--set", "sets", multiple=True, metavar="ROUTE=VALUE", help="Set a value, such as --set splits.seed=3.")
@click.option("--refuse", is_flag=True, help="Say no.")
@click.option("--by", metavar="WHO", help="Who answers: a role or an address that the step names. [default: your login name]")
@click.option("--note", default="", metavar="TEXT", help="Why; it is kept with the answer.")
@click.option("--ahead", is_flag=True, help="Answer before the step has asked, whatever it will be given.")
@click.option("--list", "listing", is_flag=True, help="Say what is asked and what has been answered, and answer nothing.")
def command(
    spec: Path,
    step: str | None,
    env: str | None,
    sets: tuple[str, ...],
    refuse: bool,
    by: str | None,
    note: str,
    ahead: bool,
    listing: bool,
) -> int:
    """Answer a step that waits for a person. The answer counts for what the step was given when it asked, and for nothing else.

    Without STEP, say what is asked. Then run the spec again: it goes on from there.

    \b
    Examples:
      mlspec approve specs/churn.yaml
      mlspec approve specs/churn.yaml approve_release --by owner@example.com
      mlspec approve specs/churn.yaml approve_release --refuse --note "the worst slice is too bad"
    """
    from mlspec import build, local, ops

    opened = build.open_spec(spec, env=env, sets=sets)
    pipeline = build.pipeline_of(opened)  # raises the spec's errors
    steps = {one.id: one for one in pipeline.steps if one.op is ops.APPROVE}
    root = local.approvals_root(pipeline)
    if listing or step is None:
        return _list(pipeline, steps, root)
    if step not in steps:
        known = ", ".join(steps) or "none does"
        raise Problem(Finding("unknown-step", f"there is no step {step!r} that waits for a person", help=f"these do: {known}"))
    try:
        return _answer(opened, steps[step], root, refuse=refuse, by=by, note=note, ahead=ahead)
    except Problem as problem:
        raise Problem(*(build.placed(opened, fault) for fault in problem.faults)) from None


def _answer(opened: Opened, step: Step, root: Path, *, refuse: bool, by: str | None, note: str, ahead: bool) -> int:
    from mlspec.runtime import approve

    who = _checked(opened, step, by or getpass.getuser())
    question = approve.asked(root).get(step.id)
    if question is None and not ahead:
        told = f"{step.id} has not asked yet: the run has not come so far"
        raise Problem(Finding("not-asked", told, step.routes[0], help="run the spec first, or answer for any evidence: --ahead"))
    evidence = None if ahead or question is None else question["evidence"]
    approve.answer(root, step.id, approved=not refuse, by=who, note=note, evidence=evidence)
    click.echo(f"{step.id}: {'refused' if refuse else 'approved'} by {who}; run the spec again to go on")
    return 0


def _checked(opened: Opened, step: Step, who: str) -> str:
    """Raise Problem where the step names who may answer, and this is none of them: by role, by the role's contact, by address."""
    approvers = list(step.params["approvers"])
    contacts = {one.role: one.contact for one in opened.checked().project.stakeholders}
    allowed = [*approvers, *(contacts[role] for role in approvers if contacts.get(role))]
    if approvers and who not in allowed:
        told = f"{who} is not among those who may approve {step.id}"
        raise Problem(Finding("not-an-approver", told, step.routes[0], help=f"--by one of {', '.join(allowed)}"))
    return who


def _list(pipeline: Pipeline, steps: dict[str, Step], root: Path) -> int:
    from mlspec.runtime import approve

    if not steps:
        click.echo(f"{pipeline.name}: no step waits for a person")
    questions = approve.asked(root)
    for name, step in steps.items():
        answer = approve.answered(root, name)
        click.echo(f"{name}: {_standing(questions.get(name), answer)}")
        click.echo(f"  {step.params['message']}")
        if step.params["approvers"]:
            click.echo(f"  who may answer: {', '.join(step.params['approvers'])}")
    return 0


def _standing(question: dict[str, Any] | None, answer: dict[str, Any] | None) -> str:
    if answer is not None and (question is None or answer.get("evidence", question["evidence"]) == question["evidence"]):
        by, note = f" by {answer['by']}" if answer["by"] else "", f": {answer['note']}" if answer["note"] else ""
        return f"{'approved' if answer['approved'] else 'refused'}{by}{note}"
    if question is None:
        return "not asked yet"
    return "waits for an answer" + (" (the one that is there is for other evidence)" if answer is not None else "")
