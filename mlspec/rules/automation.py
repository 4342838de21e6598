"""Rules about `requirements.automation`: how much the model decides by itself, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlspec.diagnostic import Change, Fix, Route
from mlspec.rules._case import Case
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule

if TYPE_CHECKING:
    from mlspec.spec.demands import Automation

AUTOMATION: Route = ("requirements", "automation")
LEVEL: Route = (*AUTOMATION, "level")
LEVELS = ("human_in_the_loop", "partial", "full")
MATRIX = {
    "criticality": {"low": 2, "medium": 1, "high": 0},
    "error_cost": {"low": 2, "medium": 1, "high": 0},
    "regulation": {"minimal": 2, "some": 1, "strict": 0},
}
"""The guide's table: up to which of LEVELS each factor allows to go. Its fourth factor, volume, asks for automation instead."""
OVERSURE = {
    "sklearn.naive_bayes": "measured, of the decisions it was 99 % sure of 71 % were right",
    "sklearn.k_neighbors": "measured, of the decisions it was 100 % sure of 91 % were right",
}


def _automation(case: Case) -> Automation | None:
    return case.project.requirements.automation


def _allowed(case: Case) -> tuple[int, str]:
    """Return the highest level that the written factors allow, and the factor that allows least; 2 and "" without any."""
    factors = [
        (table[value], name) for name, table in MATRIX.items() if (value := getattr(case.project.requirements, name)) is not None
    ]
    return min(factors, key=lambda one: one[0], default=(2, ""))


def _level(case: Case, level: str) -> Fix:
    """Return the fix that sets a level, and takes out the threshold where people decide everything."""
    changes = [Change("set", LEVEL, level)]
    if level == "human_in_the_loop" and case.wrote(*AUTOMATION, "accept_above"):
        changes.append(Change("remove", (*AUTOMATION, "accept_above")))
    return Fix(f"write {level}", tuple(changes), safe=False)


@rule("AUT001", (WARNING, WARNING, ERROR), reads="requirements")
def full_automation_of_critical_decisions(case: Case) -> Iterable[Hit]:
    """The model decides everything by itself where much hangs on a decision, an error is dear, or regulation is strict.

    ## Why this is bad
    No person sees a wrong decision before it takes effect. The GDPR and the EU's AI Act ask for human oversight of
    many such decisions.

    ## Bad
    ```yaml
    requirements: {criticality: high, automation: {level: full, accept_above: null, review: null}}
    ```

    ## Good
    ```yaml
    requirements: {criticality: high, automation: {level: human_in_the_loop, accept_above: null}}
    ```

    ## Fix safety
    Unsafe: people have to decide from then on.

    ## Source
    Guide, "Choosing Automation Level" (criticality high, cost of errors high, regulation strict: human in the loop). Regulation
    (EU) 2016/679 (2016), article 22; Regulation (EU) 2024/1689 (2024), article 14.
    """
    automation, (allowed, factor) = _automation(case), _allowed(case)
    if automation is not None and automation.level == "full" and allowed == 0:
        yield Hit(
            f"the model decides everything by itself, and `{factor}` is {getattr(case.project.requirements, factor)}",
            LEVEL,
            help="write `level: human_in_the_loop`",
            related=(("this is why", ("requirements", factor)),),
            fix=_level(case, "human_in_the_loop"),
        )


@rule("AUT002", (None, INFO, WARNING), reads="requirements")
def more_automation_than_the_guide(case: Case) -> Iterable[Hit]:
    """The model decides one level more by itself than the guide's table allows.

    ## Why this is bad
    The table takes the factor that asks for most care. A model that decides alone where people should look makes errors unseen.

    ## Bad
    ```yaml
    requirements: {criticality: high, automation: {level: partial, accept_above: 0.95}}
    ```

    ## Good
    ```yaml
    requirements: {criticality: medium, automation: {level: partial, accept_above: 0.95}}
    ```

    ## Fix safety
    Unsafe: people have to decide more cases.

    ## Source
    Guide, "Choosing Automation Level".
    """
    automation, (allowed, factor) = _automation(case), _allowed(case)
    if automation is not None and LEVELS.index(automation.level) == allowed + 1:
        value = getattr(case.project.requirements, factor)
        yield Hit(
            f"the level is {automation.level}; with `{factor}: {value}` the guide says {LEVELS[allowed]}",
            LEVEL,
            help=f"write `level: {LEVELS[allowed]}`",
            related=(("this is why", ("requirements", factor)),),
            fix=_level(case, LEVELS[allowed]),
        )


@rule("AUT003", WARNING, reads="requirements")
def partial_without_threshold(case: Case) -> Iterable[Hit]:
    """The model decides when it is sure, and nothing says how sure.

    ## Why this is bad
    Without the number nobody can tell how many cases people will have to decide, nor how often the model will be wrong alone.

    ## Bad
    ```yaml
    requirements: {automation: {level: partial, accept_above: null}}
    ```

    ## Good
    ```yaml
    requirements: {automation: {level: partial, accept_above: 0.85}}
    ```

    ## Fix safety
    None: the number follows from what an error costs.

    ## Source
    Guide, "Human Involvement Spectrum: partial automation, decides when confident".
    """
    automation = _automation(case)
    if automation is not None and automation.level == "partial" and automation.accept_above is None:
        yield Hit(
            "nothing says from which confidence the model decides",
            LEVEL,
            help="write `accept_above`: with an error that costs c times a review, start from 1 - 1/c, such as 0.95 for c = 20",
        )


@rule("AUT004", (INFO, WARNING, WARNING), reads="requirements")
def unsure_cases_go_nowhere(case: Case) -> Iterable[Hit]:
    """The model leaves cases to people, and nothing says where they wait.

    ## Why this is bad
    Cases that nobody gets are decided by nobody, and those are the difficult ones.

    ## Bad
    ```yaml
    requirements: {automation: {level: partial, accept_above: 0.85, review: null}}
    ```

    ## Good
    ```yaml
    requirements: {automation: {level: partial, accept_above: 0.85, review: {queue: postgres, deadline: 1 d}}}
    ```

    ## Fix safety
    None: only you know who looks.

    ## Source
    Guide, "Human Involvement Spectrum: partial automation, the human handles exceptions".
    """
    automation = _automation(case)
    if automation is not None and automation.level == "partial" and automation.review is None:
        yield Hit(
            "the model leaves cases to people, and nothing says where they wait",
            AUTOMATION,
            on="key",
            help="write `review: {queue: …, deadline: 1 d}`",
        )


@rule("AUT005", (INFO, WARNING, WARNING), reads="requirements")
def people_cannot_keep_up(case: Case) -> Iterable[Hit]:
    """Every decision waits for a person, and there are more decisions than people can make.

    ## Why this is bad
    Either cases pile up, or people confirm what the model says without looking, which is full automation with a scapegoat.

    ## Bad
    ```yaml
    requirements: {volume: very_high, automation: {level: human_in_the_loop, accept_above: null}}
    ```

    ## Good
    ```yaml
    requirements: {volume: low, automation: {level: human_in_the_loop, accept_above: null}}
    ```

    ## Fix safety
    None: fewer decisions or more automation, as the other factors allow.

    ## Source
    Guide, "Choosing Automation Level: volume low to medium for human in the loop, very high for full automation".
    """
    automation, wanted = _automation(case), case.project.requirements
    if automation is None or automation.level != "human_in_the_loop" or wanted.volume not in ("high", "very_high"):
        return
    rate = wanted.service.throughput if wanted.service else None
    people = f": at {rate} and a minute for each, {60 * rate:,.0f} people at any time" if rate else ""
    allowed, factor = _allowed(case)
    better = f"write `level: {LEVELS[min(1, allowed)]}`" if allowed else f"`{factor}` asks for a person: let fewer cases through"
    yield Hit(
        f"every decision waits for a person, and the volume is {wanted.volume.replace('_', ' ')}{people}",
        LEVEL,
        help=better,
        related=(("the volume", ("requirements", "volume")),),
    )


@rule("AUT006", WARNING, reads="requirements task data")
def threshold_accepts_everything(case: Case) -> Iterable[Hit]:
    """The confidence from which the model decides is one that every decision has.

    ## Why this is bad
    The likeliest of two classes has at least one half. At or below that nothing is left to people: it is full automation by
    another name.

    ## Bad
    ```yaml
    requirements: {automation: {level: partial, accept_above: 0.5}}
    ```

    ## Good
    ```yaml
    requirements: {automation: {level: partial, accept_above: 0.85}}
    ```

    ## Fix safety
    None: the number follows from what an error costs.

    ## Source
    Guide, "Human Involvement Spectrum: partial automation, decides when confident". Chow (1970), On Optimum Recognition Error and
    Reject Tradeoff: with k classes nothing is rejected at 1/k.
    """
    automation, task = _automation(case), case.project.task
    if automation is None or automation.level != "partial" or automation.accept_above is None or case.task != "classification":
        return
    column = case.columns.get(case.target or "")
    listed = len(column.values) if column is not None and column.values else 0
    classes = 2 if task is not None and task.positive is not None else listed
    least = 1 / classes if classes >= 2 else 0.0
    if automation.accept_above <= least:
        yield Hit(
            f"with {classes} classes every decision has a confidence of {least:.2g} or more: nothing is left to people",
            (*AUTOMATION, "accept_above"),
            help="write for instance `accept_above: 0.85`, or `level: full` if that is meant",
            related=(("the level", LEVEL),),
        )


@rule("AUT007", (None, INFO, WARNING), reads="requirements")
def review_without_deadline(case: Case) -> Iterable[Hit]:
    """Cases wait for a person, and nothing says how long they may.

    ## Why this is bad
    A queue without a deadline grows until somebody complains, and nobody notices that it does.

    ## Bad
    ```yaml
    requirements: {automation: {level: partial, accept_above: 0.85, review: {queue: postgres, deadline: null}}}
    ```

    ## Good
    ```yaml
    requirements: {automation: {level: partial, accept_above: 0.85, review: {queue: postgres, deadline: 1 d}}}
    ```

    ## Fix safety
    None: only you know how long a case can wait.

    ## Source
    Guide, "Human Involvement Spectrum: the human handles exceptions" and "Business Metrics: response time".
    """
    automation = _automation(case)
    if automation is not None and automation.review is not None and automation.review.deadline is None:
        yield Hit(
            f"cases in `{automation.review.queue}` may wait for ever",
            (*AUTOMATION, "review"),
            on="key",
            help="write `deadline`, such as `deadline: 1 d`",
        )


@rule("AUT008", (INFO, WARNING, WARNING), reads="requirements model task")
def confidence_not_calibrated(case: Case) -> Iterable[Hit]:
    """The model decides when it is sure, and its family is too sure of itself.

    ## Why this is bad
    The number of `accept_above` only means what it says where of the decisions with a confidence of 0.9 nine in ten are right.

    ## Bad
    ```yaml
    requirements: {automation: {level: partial, accept_above: 0.85}}
    model: {kind: sklearn.naive_bayes, params: null}
    ```

    ## Good
    ```yaml
    requirements: {automation: {level: partial, accept_above: 0.85}}
    model: {kind: sklearn.svm, params: null}
    ```

    ## Fix safety
    None: another family is another model.

    ## Source
    Guide, "Human Involvement Spectrum: decides when confident". Niculescu-Mizil and Caruana (2005), Predicting Good Probabilities
    with Supervised Learning. Measured on the churn data of the gallery, decisions with a confidence of 0.85 or more, mean of five
    splits (mean confidence → share that is right): naive Bayes 0.995 → 0.71, five nearest neighbours 1.00 → 0.91, logistic
    regression 0.953 → 0.946, perceptron 0.955 → 0.926, histogram boosting 0.955 → 0.921, forest 0.949 → 0.916.
    """
    automation, model = _automation(case), case.project.model
    if automation is None or automation.level != "partial" or automation.accept_above is None or model is None:
        return
    if model.kind in OVERSURE and case.task == "classification":
        yield Hit(
            f"`{model.kind}` is too sure of itself: {OVERSURE[model.kind]}",
            ("model", "kind"),
            help="choose `sklearn.logistic_regression`, whose confidence was right to 1 %, or `sklearn.svm`, which calibrates",
            related=(("the model decides from this confidence", (*AUTOMATION, "accept_above")),),
        )


@rule("AUT009", (None, INFO, WARNING), reads="requirements deployment")
def automation_not_said(case: Case) -> Iterable[Hit]:
    """Much hangs on the model's decisions, and nothing says whether a person makes them.

    ## Why this is bad
    Who is to blame for a wrong decision, and who could have stopped it, is found out after the first one.

    ## Bad
    ```yaml
    requirements: {criticality: high, automation: null}
    ```

    ## Good
    ```yaml
    requirements: {criticality: high, automation: {level: human_in_the_loop, accept_above: null}}
    ```

    ## Fix safety
    Unsafe: the level that the guide's table gives is written.

    ## Source
    Guide, "Choosing Automation Level".
    """
    allowed, factor = _allowed(case)
    if _automation(case) is None and allowed == 0:
        yield Hit(
            f"`{factor}` is {getattr(case.project.requirements, factor)}, and nothing says who decides",
            ("requirements", factor),
            help="add `automation: {level: human_in_the_loop}`",
            fix=Fix("let people decide", (Change("set", AUTOMATION, {"level": LEVELS[0]}),), safe=False),
        )


@rule("AUT010", WARNING, reads="requirements")
def threshold_without_effect(case: Case) -> Iterable[Hit]:
    """A confidence is given from which the model decides, at a level at which it decides always or never.

    ## Why this is bad
    The number does nothing. Whoever reads it believes that unsure cases go to a person, or that sure ones do not.

    ## Bad
    ```yaml
    requirements: {automation: {level: human_in_the_loop, accept_above: 0.85}}
    ```

    ## Good
    ```yaml
    requirements: {automation: {level: partial, accept_above: 0.85}}
    ```

    ## Fix safety
    Unsafe: the number is taken out; perhaps the level was not meant.

    ## Source
    Guide, "Human Involvement Spectrum": only partial automation decides by confidence.
    """
    automation = _automation(case)
    if automation is not None and automation.level != "partial" and automation.accept_above is not None:
        route = (*AUTOMATION, "accept_above")
        who = "the model decides every case" if automation.level == "full" else "a person decides every case"
        yield Hit(
            f"`accept_above` does nothing: at this level {who}",
            route,
            on="key",
            help="write `level: partial`, or leave it out",
            related=(("the level", LEVEL),),
            fix=Fix("leave it out", (Change("remove", route),), safe=False),
        )


@rule("AUT011", WARNING, reads="requirements task")
def confidence_of_a_number(case: Case) -> Iterable[Hit]:
    """The model is to decide by its confidence, and it predicts numbers, which have none.

    ## Why this is bad
    A regression gives one number for each row: nothing can be compared with the threshold, so each case or none is accepted.

    ## Bad
    ```yaml
    task: {kind: regression, target: MonthlyCharges, positive: null}
    requirements: {automation: {level: partial, accept_above: 0.85}}
    ```

    ## Good
    ```yaml
    requirements: {automation: {level: partial, accept_above: 0.85}}
    ```

    ## Fix safety
    None: the task, the level or another rule for the difficult cases may be meant.

    ## Source
    Guide, "Human Involvement Spectrum: decides when confident"; the language: families predict classes with probabilities,
    numbers without an interval.
    """
    automation = _automation(case)
    if automation is not None and automation.accept_above is not None and case.task in ("regression", "forecasting"):
        yield Hit(
            f"a {case.task} has no confidence that could be above {automation.accept_above:g}",
            (*AUTOMATION, "accept_above"),
            help="leave it out; say in `review` which cases people see",
            related=(("the task", ("task", "kind")),),
        )
