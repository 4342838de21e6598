"""Rules about what the project promises: goals, targets, limits, and who answers for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlspec.diagnostic import Change, Fix, Route, dotted
from mlspec.regex import lazy
from mlspec.rules._case import Case
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule

UNFINISHED = lazy(
    r"\W*(?:(?:TODO|TBD|TBA|FIXME|XXX+)\b|(?:todo|tbd|tba|fixme|lorem ipsum|placeholder)\b\s*(?:[:,.]|$)"
    r"|to be (?:defined|determined|decided|done|added|written)\b|\W*$)"
)
"""How a text begins that somebody meant to write later."""

PROSE = frozenset(
    {
        "statement", "owner", "contact", "risk", "mitigation", "exit", "evidence", "rationale", "guidelines", "license",
        "proxy", "benefit", "compute", "queue", "enforced_by", "description",
    }
)  # fmt: skip
"""Keys whose text people read. Values of columns and code may well say `TODO`."""

COMPLIANCE = (
    "gdpr", "hipaa", "ccpa", "cpra", "pci_dss", "sox", "soc_2", "iso_27001", "ferpa", "glba", "lgpd", "pipeda", "coppa",
    "eu_ai_act", "nis_2", "dora", "hitech", "fedramp",
)  # fmt: skip


def bare(word: str) -> str:
    """Write a name without what people spell differently: ``PCI-DSS`` as ``pcidss``."""
    return re.sub(r"[\W_]+", "", word).lower()


def unfinished(text: str) -> bool:
    """Whether a text is a placeholder, or nothing but punctuation."""
    return UNFINISHED.match(text) is not None


@rule("REQ001", (INFO, WARNING, ERROR), reads="requirements task")
def no_success_metrics(case: Case) -> Iterator[Hit]:
    """A model is trained and nothing says how good it must be.

    ## Why this is bad
    Without a number that was agreed on beforehand every result looks like success, and no gate can stop a bad model.

    ## Bad
    ```yaml
    requirements: {metrics: null}
    ```

    ## Good
    ```yaml
    requirements:
      metrics: [{metric: roc_auc, target: ">= 0.84", primary: true, supports: retention_rate}]
    ```

    ## Fix safety
    None: only the people who use the model know what is good enough.

    ## Source
    The guide, "Common Pitfalls to Avoid: No Clear Success Metrics" and "Problem Definition Framework: KPIs and targets".
    """
    if case.project.task is not None and case.project.model is not None and not case.project.requirements.metrics:
        route: Route = ("requirements",) if case.wrote("requirements") else ("task",)
        example = 'rmse, target: "<= 2.5"' if case.task in ("regression", "forecasting") else 'roc_auc, target: ">= 0.8"'
        yield Hit(
            f"nothing says how good this {case.task} must be",
            route,
            on="key",
            help=f"write at least one target: `requirements: {{metrics: [{{metric: {example}}}]}}`",
        )


@rule("REQ002", (None, WARNING, WARNING), reads="project")
def no_problem_statement(case: Case) -> Iterator[Hit]:
    """The spec does not say which problem it solves.

    ## Why this is bad
    Whoever reviews a target or a trade-off must know what it is for; in a year nobody remembers.

    ## Bad
    ```yaml
    project: {problem: null}
    ```

    ## Good
    ```yaml
    project: {problem: Growth needs a ranked list of customers at risk each Monday.}
    ```

    ## Fix safety
    None: only a person knows the problem.

    ## Source
    The guide, "Problem Definition Framework: clear problem statement".
    """
    if not case.wrote("project", "problem"):
        yield Hit(
            "nothing says which problem is solved", ("project",), on="key", help="write `project.problem`, a sentence or two"
        )


@rule("REQ003", (WARNING, WARNING, ERROR), reads="project")
def vague_problem(case: Case) -> Iterator[Hit]:
    """The problem statement is a placeholder or a word or two.

    ## Why this is bad
    A placeholder passes every check for a missing statement and tells a reader nothing.

    ## Bad
    ```yaml
    project: {problem: "TODO: describe"}
    ```

    ## Good
    ```yaml
    project: {problem: Growth needs a ranked list of customers at risk each Monday.}
    ```

    ## Fix safety
    None: only a person knows the problem.

    ## Source
    The guide, "Problem Definition Framework: clear problem statement".
    """
    problem = case.project.project.problem
    if problem is None:
        return
    help_text = "say who has which problem, and what changes when it is solved: a sentence or two"
    if unfinished(problem):
        yield Hit(f"the problem is still to be written: `{problem[:40]}`", ("project", "problem"), help=help_text)
    elif problem.isascii() and len(problem.split()) < 3:  # other scripts may do without spaces
        yield Hit(f"`{problem[:40]}` names a subject, not a problem", ("project", "problem"), help=help_text)


@rule("REQ004", (None, INFO, WARNING))
def unfinished_text(case: Case) -> Iterator[Hit]:
    """A text that people rely on is a placeholder, such as TODO or TBD.

    Looked at are texts for people: owners, mitigations, evidence, rationales, descriptions. Values of columns are not.

    ## Why this is bad
    The key is there, so every checklist counts it as done.

    ## Bad
    ```yaml
    splits: {rationale: TBD}
    ```

    ## Good
    ```yaml
    splits: {rationale: a customer is one row}
    ```

    ## Fix safety
    None: only a person knows what belongs there.

    ## Source
    The guide, "Common Pitfalls to Avoid: Poor Documentation".
    """
    for route, text in case.texts():
        if route[-1] in PROSE and unfinished(text):
            yield Hit(
                f"`{dotted(route)}` is still to be written: `{text[:40]}`", route, help="write it, or take the key out until then"
            )


@rule("REQ005", (None, None, WARNING), reads="requirements task")
def no_business_target(case: Case) -> Iterator[Hit]:
    """A model in production serves no target of the business.

    ## Why this is bad
    A model can gain in AUC for years and change nothing that anybody pays for.

    ## Bad
    ```yaml
    requirements:
      metrics: [{metric: roc_auc, target: ">= 0.84"}]
      business: null
    ```

    ## Good
    ```yaml
    requirements:
      business: [{name: retention_rate, kind: customer, target: ">= 92 %", measured_by: {kind: parquet, path: kpi.parquet}}]
    ```

    ## Fix safety
    None: the business sets its own targets.

    ## Source
    The guide, "Business Metrics" and "Pre-Production Checklist: business requirements clearly defined and approved".
    """
    wanted = case.project.requirements
    if wanted.metrics and not wanted.business:
        yield Hit(
            "no target of the business is written: nothing says what a better model is worth",
            ("requirements",),
            on="key",
            help='add `business: [{name: …, kind: customer, target: ">= 92 %"}]`, and `supports: …` to the primary metric',
        )


@rule("REQ006", (None, INFO, WARNING), reads="requirements")
def metric_supports_nothing(case: Case) -> Iterator[Hit]:
    """There are business targets, and the primary metric does not say which of them it serves.

    ## Why this is bad
    When the metric and the business part ways nobody notices, because nothing ties one to the other.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84", primary: true}]}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84", primary: true, supports: retention_rate}]}
    ```

    ## Fix safety
    Unsafe: where there is one business target, it is named; whether the metric serves it is for a person to say.

    ## Source
    The guide, "Success Metrics: KPIs and targets".
    """
    wanted, primary = case.project.requirements, case.primary
    if primary is None or not wanted.business or any(one.supports for one in wanted.metrics):
        return
    route: Route = ("requirements", "metrics", wanted.metrics.index(primary))
    names = [one.name for one in wanted.business]
    fix = Fix(f"say that it supports {names[0]}", (Change("set", (*route, "supports"), names[0]),), safe=False)
    yield Hit(
        f"nothing says which business target `{primary.metric}` serves",
        (*route, "metric"),
        help=f"add `supports: {' or '.join(names)}`",
        related=(("the business target is here", ("requirements", "business", 0, "name")),),
        fix=fix if len(names) == 1 else None,
    )


@rule("REQ007", (None, INFO, WARNING), reads="requirements")
def business_target_unmeasured(case: Case) -> Iterator[Hit]:
    """A business target has no source that gives its number.

    ## Why this is bad
    A target that nobody can read off is never met and never missed.

    ## Bad
    ```yaml
    requirements: {business: [{name: retention_rate, kind: customer, target: ">= 92 %"}]}
    ```

    ## Good
    ```yaml
    requirements:
      business: [{name: retention_rate, kind: customer, target: ">= 92 %", measured_by: {kind: parquet, path: kpi.parquet}}]
    ```

    ## Fix safety
    None: only you know where the number is kept.

    ## Source
    The guide, "Post-Production Checklist: business metrics tracking".
    """
    for index, one in enumerate(case.project.requirements.business):
        if one.measured_by is None:
            yield Hit(
                f"nothing measures `{one.name}`, so nobody can tell whether it is {one.target}",
                ("requirements", "business", index, "name"),
                help="add `measured_by`, a source such as `{kind: sql, connection: …, query: …}`",
            )


@rule("REQ008", (None, INFO, WARNING), reads="requirements")
def constraint_not_enforced(case: Case) -> Iterator[Hit]:
    """A constraint does not say what in this spec sees to it.

    ## Why this is bad
    A constraint in words holds as long as everybody remembers it.

    ## Bad
    ```yaml
    requirements: {constraints: [{kind: legal, statement: data stays in the EU}]}
    ```

    ## Good
    ```yaml
    requirements: {constraints: [{kind: legal, statement: data stays in the EU, enforced_by: deployment.region}]}
    ```

    ## Fix safety
    None: only you know what enforces it.

    ## Source
    The guide, "Problem Definition Framework: technical and business constraints".
    """
    for index, one in enumerate(case.project.requirements.constraints):
        if one.enforced_by is None:
            yield Hit(
                f"nothing enforces the {one.kind} constraint `{one.statement[:60]}`",
                ("requirements", "constraints", index, "statement"),
                help="add `enforced_by` with a route of this spec, such as `deployment.region`",
            )


@rule("REQ009", (WARNING, WARNING, ERROR), reads="requirements")
def enforced_by_nothing(case: Case) -> Iterator[Hit]:
    """A constraint is said to be enforced by a part of this spec that is not there.

    ## Why this is bad
    Everybody takes the constraint for enforced, and nothing enforces it.

    ## Bad
    ```yaml
    requirements: {constraints: [{kind: legal, statement: data stays in the EU, enforced_by: deployment.regoin}]}
    ```

    ## Good
    ```yaml
    requirements: {constraints: [{kind: legal, statement: data stays in the EU, enforced_by: deployment.region}]}
    ```

    ## Fix safety
    Unsafe: the route that looks most like it is written; it may not be the one that was meant.

    ## Source
    The guide, "Problem Definition Framework: technical and business constraints"; the language: `enforced_by` is a route.
    """
    for index, one in enumerate(case.project.requirements.constraints):
        if one.enforced_by is None or unfinished(one.enforced_by):
            continue
        parts = _parts(one.enforced_by)
        if parts and str(parts[0]) in case.broken:
            continue
        at: Route = ("requirements", "constraints", index, "enforced_by")
        if not parts:
            yield Hit(
                f"`{one.enforced_by[:60]}` is not a route of this spec",
                at,
                help="write a route such as `deployment.region`; people who see to it stand in `statement`",
            )
        elif not case.wrote(*parts) and not _has(case.project, parts):
            from difflib import get_close_matches

            close = get_close_matches(one.enforced_by, _routes(case.raw), n=1, cutoff=0.75)
            fix = Fix(f"write {close[0]}", (Change("set", at, close[0]),), safe=False) if close else None
            hint = f"did you mean `{close[0]}`?" if close else "name a part that is written, or write it"
            yield Hit(f"`{one.enforced_by}` is not written in this spec", at, help=hint, fix=fix)


ROUTE = lazy(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[\d+\])*")


def _parts(text: str) -> Route:
    if len(text) > 200 or not ROUTE.fullmatch(text):
        return ()
    return tuple(int(part) if part.isdecimal() and len(part) < 10 else part for part in re.findall(r"[\w-]+", text))


def _has(value: Any, route: Route) -> bool:
    """Whether the project with its defaults has something at a route."""
    for part in route:
        if isinstance(part, int):
            value = value[part] if isinstance(value, tuple | list) and part < len(value) else None
        else:
            value = value.get(part) if hasattr(value, "get") else getattr(value, part, None)
        if value is None or callable(value):
            return False
    return True


def _routes(data: Any, route: Route = ()) -> list[str]:
    """Return the routes of mappings and values that are written, down to the third level."""
    if not isinstance(data, dict) or len(route) == 3:
        return []
    found = [(*route, str(name)) for name in data]
    return [dotted(one) for one in found] + [deeper for one in found for deeper in _routes(data[one[-1]], one)]


@rule("REQ010", (INFO, WARNING, WARNING), reads="requirements task")
def coverage_over_the_target(case: Case) -> Iterator[Hit]:
    """A situation that the model must handle is told apart by the target.

    ## Why this is bad
    The target is not known when the model is asked, so nobody can tell that the situation is there; and among rows of one class
    recall, precision and AUC mean something else, or nothing.

    ## Bad
    ```yaml
    requirements: {coverage: [{name: leavers, where: "Churn == 'Yes'"}]}
    ```

    ## Good
    ```yaml
    requirements: {coverage: [{name: new customers, where: "tenure < 3"}]}
    ```

    ## Fix safety
    None: only you know how the situation shows in the features.

    ## Source
    The guide, "Functional Requirements: coverage" and "Data Leakage: future information".
    """
    target = case.target
    if target is None:
        return
    for index, one in enumerate(case.project.requirements.coverage):
        words = re.sub(r"'[^']*'|\"[^\"]*\"", " ", one.where)
        if re.search(rf"(?<![\w.]){re.escape(target)}(?!\w)", words):
            yield Hit(
                f"`{one.name}` is told apart by the target `{target}`, which nobody knows when the model is asked",
                ("requirements", "coverage", index, "where"),
                help="describe the situation by features, or take it out: metrics already compare the classes",
                related=(("the target is declared here", ("task", "target")),),
            )


@rule("REQ011", (None, WARNING, WARNING), reads="requirements")
def unexplained_where_it_matters(case: Case) -> Iterator[Hit]:
    """Much hangs on a decision, or rules are strict, and nobody needs to be able to follow it.

    ## Why this is bad
    Who is turned down may ask why, and a reviewer cannot catch a wrong reason that is not shown.

    ## Bad
    ```yaml
    requirements: {criticality: high, interpretability: none}
    ```

    ## Good
    ```yaml
    requirements: {criticality: high, interpretability: required}
    ```

    ## Fix safety
    Unsafe: `preferred` is written, which asks for less than `required`.

    ## Source
    The guide, "Non-Functional Requirements: Interpretability" and "Choosing Automation Level"; GDPR Article 22,
    https://eur-lex.europa.eu/eli/reg/2016/679/oj.
    """
    wanted = case.project.requirements
    reasons = [
        (key, value)
        for key, value, bad in (("criticality", wanted.criticality, "high"), ("regulation", wanted.regulation, "strict"))
        if value == bad
    ]
    if reasons and wanted.interpretability == "none":
        written = case.wrote("requirements", "interpretability")
        route: Route = ("requirements", "interpretability" if written else reasons[0][0])
        yield Hit(
            f"`{reasons[0][0]}` is {reasons[0][1]}, and no decision needs to be explained",
            route,
            help="write `interpretability: required` (or `preferred`)",
            fix=Fix("explain decisions", (Change("set", ("requirements", "interpretability"), "preferred"),), safe=False),
        )


@rule("REQ012", (None, WARNING, WARNING), reads="project")
def nobody_answers(case: Case) -> Iterator[Hit]:
    """Nobody is named who answers for the project.

    ## Why this is bad
    At three in the morning an alert needs a person, and an approval needs one every week.

    ## Bad
    ```yaml
    project: {owner: nobody}
    ```

    ## Good
    ```yaml
    project: {owner: growth-ml@example.com}
    ```

    ## Fix safety
    None: only you know who answers.

    ## Source
    The guide, "Stakeholder Management" and "Post-Production Checklist: incident response procedures in place".
    """
    owner = case.project.project.owner
    if owner is None:
        yield Hit(
            "nobody is named who answers for this project",
            ("project",),
            on="key",
            help="write `project.owner`, best with an address",
        )
    elif bare(owner) in (
        "nobody",
        "none",
        "unknown",
        "na",
        "me",
        "someone",
        "somebody",
        "anyone",
        "everyone",
        "everybody",
        "all",
        "team",
    ):
        yield Hit(
            f"`{owner}` is nobody one can call", ("project", "owner"), help="write a person or a team with an address they read"
        )


@rule("REQ013", (INFO, WARNING, WARNING), reads="requirements")
def regulated_by_nothing(case: Case) -> Iterator[Hit]:
    """The project is said to be regulated, and no rules are named.

    ## Why this is bad
    Checks of privacy, region and retention go by the names of the rules; without a name they keep quiet.

    ## Bad
    ```yaml
    requirements: {regulation: strict, compliance: null}
    ```

    ## Good
    ```yaml
    requirements: {regulation: some, compliance: [gdpr]}
    ```

    ## Fix safety
    None: only you know which rules apply.

    ## Source
    The guide, "Data Requirements Assessment: Privacy & Compliance".
    """
    wanted = case.project.requirements
    if wanted.regulation in ("some", "strict") and not wanted.compliance:
        yield Hit(
            f"`regulation: {wanted.regulation}`, and nothing says which rules apply",
            ("requirements", "regulation"),
            help="add `compliance`, such as `[gdpr]`; where no rule applies, write `regulation: minimal`",
        )


@rule("REQ014", WARNING, reads="requirements")
def misspelt_compliance(case: Case) -> Iterator[Hit]:
    """A rule that applies is written almost, but not quite, as it is called.

    ## Why this is bad
    Checks go by the name: `gpdr` switches all of them off.

    ## Bad
    ```yaml
    requirements: {compliance: [gpdr]}
    ```

    ## Good
    ```yaml
    requirements: {compliance: [gdpr]}
    ```

    ## Fix safety
    Unsafe: the name that looks most like it is written; there may be a rule that is called as you wrote.

    ## Source
    The guide, "Data Requirements Assessment: GDPR, HIPAA"; the language: checks go by the name.
    """
    known = {bare(name): name for name in COMPLIANCE}
    for index, name in enumerate(case.project.requirements.compliance):
        word = bare(name[:100])
        from difflib import get_close_matches

        close = [] if word in known or len(word) < 4 else get_close_matches(word, known, n=1, cutoff=0.75)
        if close:
            meant, route = known[close[0]], ("requirements", "compliance", index)
            yield Hit(
                f"no rule is called `{name}`",
                route,
                help=f"did you mean `{meant}`?",
                fix=Fix(f"write {meant}", (Change("set", route, meant),), safe=False),
            )


@rule("REQ015", (None, None, INFO), reads="project")
def unstable_version_in_production(case: Case) -> Iterator[Hit]:
    """A spec in production has a version that promises nothing, 0.x.

    ## Why this is bad
    By the custom of semantic versions 0.x may change in any way at any time; people who rely on the model read it so.

    ## Bad
    ```yaml
    project: {version: 0.3.0}
    ```

    ## Good
    ```yaml
    project: {version: 1.0.0}
    ```

    ## Fix safety
    None: the version is part of how you release.

    ## Source
    Semantic Versioning 2.0.0, clause 4, https://semver.org; the guide, "Code Quality: Version Control".
    """
    about = case.project.project
    if re.match(r"v?0\.\d", about.version):
        written = case.wrote("project", "version")
        default = "" if written else ", the default,"
        message = f"version {about.version}{default} says that anything may change, and the phase is production"
        yield Hit(message, ("project", "version" if written else "phase"), help="write `version: 1.0.0`, and count up from there")


@rule("REQ016", (WARNING, None, None), reads="project deployment")
def deployed_proof_of_concept(case: Case) -> Iterator[Hit]:
    """A proof of concept is deployed for real.

    ## Why this is bad
    The checks are mild with a proof of concept: no alert, no rollback and no owner are asked for. What people rely on deserves
    the checks of its phase.

    ## Bad
    ```yaml
    project: {phase: proof_of_concept}
    deployment: {target: kubernetes}
    ```

    ## Good
    ```yaml
    project: {phase: production}
    ```

    ## Fix safety
    Unsafe: `phase: pilot` is written, and the stricter checks then find more.

    ## Source
    The guide, "Development Stages: Proof of Concept and Production".
    """
    deployment = case.project.deployment
    if deployment is None or not (deployment.target in ("kubernetes", "kserve") or deployment.pattern is not None):
        return
    if deployment.pattern is not None and deployment.pattern.kind == "shadow":
        return  # a shadow serves nobody: it is how a proof of concept is tried
    written = case.wrote("project", "phase")
    yield Hit(
        f"this is deployed ({deployment.target}), and the phase is{'' if written else ' by default'} `proof_of_concept`",
        ("project", "phase") if written else ("deployment",),
        on="value" if written else "key",
        help="write `project.phase: pilot` or `production`",
        related=(("it is deployed here", ("deployment",)),) if written else (),
        fix=Fix("call it a pilot", (Change("set", ("project", "phase"), "pilot"),), safe=False),
    )
