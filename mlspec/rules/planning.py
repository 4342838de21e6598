"""Rules about the plan: risks, dates, feasibility, money, and who says yes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from mlspec.diagnostic import Change, Fix, Route
from mlspec.rules._case import Case
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule

WEEKS = {"scoping": (1, 2), "data": (2, 4), "modeling": (2, 6), "deployment": (1, 3)}
"""How many weeks a phase takes by the guide."""

GRAVE = {("high", "high"), ("high", "medium"), ("medium", "high")}
"""Probability and impact of a risk that needs an answer."""


@rule("PLA001", (INFO, WARNING, WARNING), reads="project")
def high_risk_unmitigated(case: Case) -> Iterator[Hit]:
    """A risk that is likely and bad has no mitigation.

    ## Why this is bad
    A risk that is written down and met with nothing is only a prediction.

    ## Bad
    ```yaml
    project: {risks: [{risk: labels arrive late, probability: high, impact: high, owner: data team}]}
    ```

    ## Good
    ```yaml
    project: {risks: [{risk: labels arrive late, probability: high, impact: high, owner: data team, mitigation: a proxy label}]}
    ```

    ## Fix safety
    None: what to do about a risk is for people to say.

    ## Source
    The guide, "Risk Management: mitigation strategy".
    """
    for index, one in enumerate(case.project.project.risks):
        if (one.probability, one.impact) in GRAVE and one.mitigation is None:
            yield Hit(
                f"nothing is done about `{one.risk[:60]}` (probability {one.probability}, impact {one.impact})",
                ("project", "risks", index, "risk"),
                help="add `mitigation`: what makes it less likely, or less bad",
            )


@rule("PLA002", (None, INFO, WARNING), reads="project")
def high_risk_unowned(case: Case) -> Iterator[Hit]:
    """Nobody watches a risk that is likely and bad.

    ## Why this is bad
    A risk of everybody is noticed by nobody until it has happened.

    ## Bad
    ```yaml
    project: {risks: [{risk: labels arrive late, probability: high, impact: high, mitigation: a proxy label}]}
    ```

    ## Good
    ```yaml
    project: {risks: [{risk: labels arrive late, probability: high, impact: high, owner: data team, mitigation: a proxy label}]}
    ```

    ## Fix safety
    None: only you know who watches it.

    ## Source
    The guide, "Risk Management".
    """
    for index, one in enumerate(case.project.project.risks):
        if (one.probability, one.impact) in GRAVE and one.owner is None:
            yield Hit(
                f"nobody watches `{one.risk[:60]}` (probability {one.probability}, impact {one.impact})",
                ("project", "risks", index, "risk"),
                help="add `owner`",
            )


@rule("PLA003", INFO, reads="project")
def phase_over_the_guide(case: Case) -> Iterator[Hit]:
    """A phase of the plan is longer than such phases are.

    ## Why this is bad
    A long phase finds out late that its premise was wrong; short ones, run through again, find out early.

    ## Bad
    ```yaml
    project: {timeline: {data: {start: 2026-01-05, end: 2026-03-27, exit: dataset frozen}}}
    ```

    ## Good
    ```yaml
    project: {timeline: {data: {start: 2026-01-05, end: 2026-01-30, exit: dataset frozen}}}
    ```

    ## Fix safety
    None: a plan is made by people.

    ## Source
    The guide, "Phase Breakdown: scoping 1-2, data 2-4, modeling 2-6, deployment 1-3 weeks".
    """
    timeline = case.project.project.timeline
    for name, (low, high) in WEEKS.items() if timeline else ():
        phase = getattr(timeline, name)
        if phase is None or phase.start is None or phase.end is None:
            continue
        days = (phase.end - phase.start).days + 1
        if days > high * 7:
            yield Hit(
                f"`{name}` takes {days / 7:.0f} weeks; such a phase takes {low} to {high}",
                ("project", "timeline", name),
                on="key",
                help=f"end it after {high} weeks at most with something to show, and plan another round",
            )


@rule("PLA004", ERROR, reads="project")
def phase_ends_before_it_starts(case: Case) -> Iterator[Hit]:
    """A phase of the plan ends before it starts.

    ## Why this is bad
    One of the two dates is wrong, and every chart drawn from the plan with it.

    ## Bad
    ```yaml
    project: {timeline: {scoping: {start: 2026-02-02, end: 2026-01-12}}}
    ```

    ## Good
    ```yaml
    project: {timeline: {scoping: {start: 2026-01-12, end: 2026-01-23}}}
    ```

    ## Fix safety
    None: either date may be the wrong one.

    ## Source
    The guide, "Phase Breakdown"; the language: `start` is the first day, `end` the last.
    """
    timeline = case.project.project.timeline
    for name in WEEKS if timeline else ():
        phase = getattr(timeline, name)
        if phase and phase.start and phase.end and phase.end < phase.start:
            yield Hit(
                f"`{name}` ends on {phase.end} and starts on {phase.start}",
                ("project", "timeline", name, "end"),
                help="exchange the dates, or mend the year",
                related=(("it starts here", ("project", "timeline", name, "start")),),
            )


@rule("PLA005", WARNING, reads="project")
def phases_out_of_order(case: Case) -> Iterator[Hit]:
    """A phase of the plan is over before the phase that it builds on starts.

    Phases may overlap; only what cannot be is told.

    ## Why this is bad
    A model cannot be deployed before there is one: the plan promises what cannot be kept.

    ## Bad
    ```yaml
    project: {timeline: {data: {start: 2026-03-02, end: 2026-03-27}, modeling: {start: 2026-02-02, end: 2026-02-20}}}
    ```

    ## Good
    ```yaml
    project: {timeline: {data: {start: 2026-02-02, end: 2026-02-27}, modeling: {start: 2026-02-23, end: 2026-03-20}}}
    ```

    ## Fix safety
    None: a plan is made by people.

    ## Source
    The guide, "ML Project Lifecycle: scoping, data, modeling, deployment".
    """
    timeline = case.project.project.timeline
    dated = [(name, getattr(timeline, name)) for name in WEEKS if getattr(timeline, name, None)]
    for (before, first), (after, second) in pairwise(dated):
        if first.start and second.end and second.end < first.start:
            yield Hit(
                f"`{after}` is over on {second.end}, before `{before}` starts on {first.start}",
                ("project", "timeline", after, "end"),
                help=f"move `{after}` behind `{before}`",
                related=((f"`{before}` starts here", ("project", "timeline", before, "start")),),
            )


@rule("PLA006", INFO, reads="project")
def iteration_too_long(case: Case) -> Iterator[Hit]:
    """An iteration takes more than four weeks.

    ## Why this is bad
    Users see a result, and say what is wrong with it, once in an iteration: a long one learns seldom.

    ## Bad
    ```yaml
    project: {timeline: {iteration: 8 w}}
    ```

    ## Good
    ```yaml
    project: {timeline: {iteration: 2 w}}
    ```

    ## Fix safety
    None: a plan is made by people.

    ## Source
    The guide, "Iteration Strategy: 2-4 week cycles".
    """
    timeline = case.project.project.timeline
    if timeline and timeline.iteration > 28 * 86_400:
        yield Hit(
            f"an iteration takes {timeline.iteration / 604_800:.0f} weeks",
            ("project", "timeline", "iteration"),
            help="write `2 w` to `4 w`: less in each, and feedback after each",
        )


@rule("PLA007", (None, INFO, WARNING), reads="project")
def verdict_without_evidence(case: Case) -> Iterator[Hit]:
    """A question of the feasibility study is answered, and nothing shows why.

    ## Why this is bad
    A verdict without evidence is an opinion; when it turns out wrong nobody can see which premise failed.

    ## Bad
    ```yaml
    project: {feasibility: {data: {verdict: "yes", evidence: null}}}
    ```

    ## Good
    ```yaml
    project: {feasibility: {data: {verdict: "yes", method: data_audit, evidence: docs/audit.md}}}
    ```

    ## Fix safety
    None: only you know where the evidence is.

    ## Source
    The guide, "Feasibility Assessment Framework: assessment methods".
    """
    for route, name, verdict, evidence in _verdicts(case):
        if verdict in ("yes", "partly") and evidence is None:
            yield Hit(
                f"nothing shows why `{name}` is `{verdict}`",
                (*route, "verdict"),
                help="add `evidence`: where the study, the audit or the proof of concept is",
            )


def _verdicts(case: Case) -> Iterator[tuple[Route, str, str, str | None]]:
    """Yield (route, question, verdict, evidence) of the feasibility study and the ethics review."""
    about = case.project.project
    for name in ("technical", "data", "resources", "timeline", "scalability") if about.feasibility else ():
        one = getattr(about.feasibility, name)
        if one is not None:
            yield ("project", "feasibility", name), name, one.verdict, one.evidence
    if about.scoping and about.scoping.ethics:
        yield ("project", "scoping", "ethics"), "ethics", about.scoping.ethics.verdict, about.scoping.ethics.evidence


@rule("PLA008", (None, INFO, WARNING), reads="project")
def unanswered_feasibility(case: Case) -> Iterator[Hit]:
    """The project goes on although a question of its feasibility is answered with no, or not at all.

    ## Why this is bad
    Either the answer is out of date or the project is: both mislead whoever reads the spec.

    ## Bad
    ```yaml
    project: {feasibility: {data: {verdict: unknown}}}
    ```

    ## Good
    ```yaml
    project: {feasibility: {data: {verdict: "yes", evidence: docs/audit.md}}}
    ```

    ## Fix safety
    None: the answer must be found out.

    ## Source
    The guide, "Feasibility Assessment Framework" and "Ethics Review".
    """
    for route, name, verdict, _ in _verdicts(case):
        if verdict in ("no", "unknown"):
            yield Hit(
                f"the phase is {case.phase}, and the answer to `{name}` is `{verdict}`",
                (*route, "verdict"),
                help="find out and write the answer with its evidence, or go back to `proof_of_concept`",
                related=(("the phase is set here", ("project", "phase")),),
            )


@rule("PLA009", (None, None, WARNING), reads="project")
def feasibility_not_studied(case: Case) -> Iterator[Hit]:
    """A project beyond the proof of concept has not asked whether it can be done.

    ## Why this is bad
    Most projects that fail do so over data or resources that a short study would have missed at the start.

    ## Bad
    ```yaml
    project: {feasibility: null}
    ```

    ## Good
    ```yaml
    project:
      feasibility:
        technical: {verdict: "yes", method: proof_of_concept, evidence: docs/poc.md}
        data: {verdict: "yes", method: data_audit, evidence: docs/audit.md}
    ```

    ## Fix safety
    None: the study must be made.

    ## Source
    The guide, "Feasibility Assessment Framework" and "Scoping Process: feasibility study".
    """
    found = case.project.project.feasibility
    lacking = [name for name in ("technical", "data") if getattr(found, name, None) is None]
    if lacking and case.project.task is not None:
        route: Route = ("project", "feasibility") if found else ("project",)
        yield Hit(
            f"nothing says whether the project can be done: {' and '.join(lacking)} not studied",
            route,
            on="key",
            help=f'add `feasibility: {{{lacking[0]}: {{verdict: "yes", evidence: …}}}}`',
        )


@rule("PLA010", (None, None, WARNING), reads="project")
def nobody_approves_production(case: Case) -> Iterator[Hit]:
    """A spec is in production, and no stakeholder is named who says yes to that.

    ## Why this is bad
    A release that nobody had to approve is a release that nobody checked.

    ## Bad
    ```yaml
    project: {stakeholders: [{role: engineer, contact: ops@example.com}]}
    ```

    ## Good
    ```yaml
    project: {stakeholders: [{role: business_sponsor, contact: cro@example.com, approves: [production]}]}
    ```

    ## Fix safety
    None: only you know who approves.

    ## Source
    The guide, "Pre-Deployment Checklist: stakeholder approval obtained".
    """
    people = case.project.project.stakeholders
    if not any("production" in one.approves for one in people):
        yield Hit(
            "no stakeholder approves production",
            ("project", "stakeholders") if people else ("project",),
            on="key",
            help="add `approves: [production]` to the stakeholder who says yes",
        )


@rule("PLA011", (None, None, INFO), reads="project")
def no_alternatives(case: Case) -> Iterator[Hit]:
    """No other way to solve the problem was considered.

    ## Why this is bad
    A rule of thumb that nobody tried may do the job; and whoever reviews the spec cannot see that it was thought of.

    ## Bad
    ```yaml
    project: {scoping: {alternatives: null}}
    ```

    ## Good
    ```yaml
    project: {scoping: {alternatives: [call everybody, "rules: contract ends in 30 days"]}}
    ```

    ## Fix safety
    None: only you know what was considered.

    ## Source
    The guide, "Scoping Process: brainstorming, AI solutions" and "Common Pitfalls to Avoid: Complex First Solutions".
    """
    scoping = case.project.project.scoping
    if case.project.task is not None and not (scoping and scoping.alternatives):
        yield Hit(
            "no alternative was considered, with or without machine learning",
            ("project", "scoping") if scoping else ("project",),
            on="key",
            help="add `scoping.alternatives`, such as `[call everybody, a rule of thumb]`",
        )


@rule("PLA012", (None, INFO, WARNING), reads="project data evaluation requirements")
def no_ethics_review(case: Case) -> Iterator[Hit]:
    """A model is about people, and nobody has asked whether it treats them fairly.

    A model is about people where columns are personal, groups are compared, or a law on personal data applies.

    ## Why this is bad
    What a model does to people is found by a review beforehand, or by a newspaper afterwards.

    ## Bad
    ```yaml
    project: {scoping: {ethics: null}}
    ```

    ## Good
    ```yaml
    project: {scoping: {ethics: {verdict: "yes", evidence: docs/ethics.md}}}
    ```

    ## Fix safety
    None: the review must be held.

    ## Source
    The guide, "Scoping Process: ethics review: check for bias and fairness issues".
    """
    scoping = case.project.project.scoping
    if scoping and scoping.ethics:
        return
    reason = _about_people(case)
    if reason:
        yield Hit(
            "this is about people, and no ethics review is written",
            ("project", "scoping") if scoping else ("project",),
            on="key",
            help="add `scoping.ethics` with its `verdict` and `evidence`",
            related=(("people are meant here", reason),),
        )


def _about_people(case: Case) -> Route:
    personal = next((name for name, column in case.columns.items() if column.pii), None)
    if personal is not None:
        return ("data", "columns", personal, "pii")
    if case.project.evaluation.fairness:
        return ("evaluation", "fairness")
    laws = [index for index, name in enumerate(case.project.requirements.compliance) if name.lower() in ("gdpr", "hipaa", "ccpa")]
    return ("requirements", "compliance", laws[0]) if laws else ()


@rule("PLA013", WARNING, reads="project")
def costs_more_than_it_brings(case: Case) -> Iterator[Hit]:
    """The project costs more than it is worth, by its own numbers.

    ## Why this is bad
    A project that loses money by its own estimate should be stopped, or its estimate mended.

    ## Bad
    ```yaml
    project: {scoping: {value: {benefit: 90000, cost: 150000}}}
    ```

    ## Good
    ```yaml
    project: {scoping: {value: {benefit: 2100000, cost: 150000}}}
    ```

    ## Fix safety
    None: either number may be wrong.

    ## Source
    The guide, "Scoping Process: value assessment: calculate ROI".
    """
    scoping = case.project.project.scoping
    value = scoping.value if scoping else None
    if value and value.benefit is not None and value.cost and value.benefit < value.cost:
        gain = (value.benefit - value.cost) / value.cost
        yield Hit(
            f"it brings {value.benefit:,.0f} {value.currency} and costs {value.cost:,.0f}: a return of {gain:.0%}",
            ("project", "scoping", "value", "benefit"),
            help=f"a benefit above {value.cost:,.0f} pays for it; compare both over the same `horizon`",
            related=(("the cost is written here", ("project", "scoping", "value", "cost")),),
        )


@rule("PLA014", WARNING, reads="project")
def budget_below_the_cost(case: Case) -> Iterator[Hit]:
    """The budget is smaller than the cost that is expected.

    ## Why this is bad
    The money runs out before the work does: usually before monitoring, which comes last.

    ## Bad
    ```yaml
    project: {scoping: {resources: {budget: 80000}}}
    ```

    ## Good
    ```yaml
    project: {scoping: {resources: {budget: 160000}}}
    ```

    ## Fix safety
    None: either number may be wrong.

    ## Source
    The guide, "Resource Planning: define timeline, team, and budget".
    """
    scoping = case.project.project.scoping
    if scoping is None or scoping.resources is None or scoping.value is None:
        return
    budget, cost = scoping.resources.budget, scoping.value.cost
    if budget is not None and cost is not None and budget < cost:
        yield Hit(
            f"the budget of {budget:,.0f} {scoping.value.currency} does not cover the cost of {cost:,.0f}",
            ("project", "scoping", "resources", "budget"),
            help=f"{cost - budget:,.0f} more are needed, or a smaller project",
            related=(("the cost is written here", ("project", "scoping", "value", "cost")),),
        )


@rule("PLA015", (None, INFO, WARNING), reads="project")
def approver_out_of_reach(case: Case) -> Iterator[Hit]:
    """Somebody must approve, and nothing says how to reach them.

    ## Why this is bad
    An approval that waits for a person without an address waits for ever, or is skipped.

    ## Bad
    ```yaml
    project: {stakeholders: [{role: business_sponsor, approves: [production]}]}
    ```

    ## Good
    ```yaml
    project: {stakeholders: [{role: business_sponsor, contact: cro@example.com, approves: [production]}]}
    ```

    ## Fix safety
    None: only you know the address.

    ## Source
    The guide, "Stakeholder Management: communication frequency".
    """
    for index, one in enumerate(case.project.project.stakeholders):
        if one.approves and one.contact is None:
            yield Hit(
                f"`{one.role}` approves {', '.join(one.approves)}, and nothing says how to reach them",
                ("project", "stakeholders", index, "approves"),
                help="add `contact`",
            )


@rule("PLA016", (None, None, INFO), reads="project")
def no_risks_known(case: Case) -> Iterator[Hit]:
    """A project in production knows of no risk.

    ## Why this is bad
    Every such project has some, bad data first of all; none written down means that none was looked for.

    ## Bad
    ```yaml
    project: {risks: []}
    ```

    ## Good
    ```yaml
    project: {risks: [{risk: the feed stops, kind: data_quality, probability: low, impact: medium, mitigation: a second feed}]}
    ```

    ## Fix safety
    None: people must look for them.

    ## Source
    The guide, "Risk Management: data quality issues, model performance, integration problems, scope creep".
    """
    if not case.project.project.risks:
        route: Route = ("project", "risks") if case.wrote("project", "risks") else ("project",)
        yield Hit(
            "no risk is written",
            route,
            on="key",
            help="add `risks`; the guide's four: data quality, performance, integration, scope",
        )


@rule("PLA017", (None, INFO, INFO), reads="project")
def value_without_time(case: Case) -> Iterator[Hit]:
    """A benefit or a cost is written without the time it is for.

    ## Why this is bad
    Two million a year and two million in ten years are not one value; without a horizon nobody can compare them with a cost.

    ## Bad
    ```yaml
    project: {scoping: {value: {horizon: null}}}
    ```

    ## Good
    ```yaml
    project: {scoping: {value: {benefit: 2100000, cost: 150000, horizon: 1 y}}}
    ```

    ## Fix safety
    Unsafe: one year is written, which is what such numbers mostly mean.

    ## Source
    The guide, "Scoping Process: value assessment: calculate ROI".
    """
    scoping = case.project.project.scoping
    value = scoping.value if scoping else None
    if value and value.horizon is None and (value.benefit is not None or value.cost is not None):
        route: Route = ("project", "scoping", "value")
        fix = Fix("count for one year", (Change("set", (*route, "horizon"), "1 y"),), safe=False)
        yield Hit("nothing says which time these numbers are for", route, on="key", help="add `horizon: 1 y`", fix=fix)
