"""Rules about `retraining` and `feedback`: when a model is trained anew, and what it does to its own data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlspec.diagnostic import Change, Fix
from mlspec.rules._cadence import period, spoken
from mlspec.rules._case import Case
from mlspec.rules._families import classical
from mlspec.rules._place import place
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule

if TYPE_CHECKING:
    from mlspec.spec.monitoring import ConceptDrift
    from mlspec.spec.retraining import Feedback, Retraining

DAY = 86_400.0
LEARN_ON = {"sklearn.mlp", "sklearn.naive_bayes"}
"""Our families whose estimators have `partial_fit`."""
CHAMPION = Change("set", ("evaluation", "champion"), {"min_improvement": 0.0})


def _retraining(case: Case) -> Retraining | None:
    return case.project.retraining


def _feedback(case: Case) -> Feedback | None:
    return case.project.feedback


def _concept_drift(case: Case) -> ConceptDrift | None:
    return case.project.monitoring.concept_drift if case.project.monitoring else None


@rule("RET001", (None, INFO, WARNING), reads="monitoring retraining")
def drift_without_retraining(case: Case) -> Iterable[Hit]:
    """Drift is watched, and nothing says how the model is trained anew.

    ## Why this is bad
    An alarm without an action is noise: somebody has to find out each time what to do, while the model gets worse.

    ## Bad
    ```yaml
    retraining: null
    ```

    ## Good
    ```yaml
    retraining: {on: [data_drift], cooldown: 3 d, approve: human}
    ```

    ## Fix safety
    Unsafe: drift starts a training; a person still lets the model in.

    ## Source
    Guide, "Automated Retraining Pipeline: drift detection, trigger retraining" and "Monitoring Levels: retraining triggers".
    """
    monitoring = case.project.monitoring
    if monitoring is None or _retraining(case) is not None:
        return
    seen = [name for name in ("data_drift", "concept_drift") if getattr(monitoring, name) is not None]
    if seen:
        yield Hit(
            f"`{seen[0]}` is watched, and `retraining` is missing: nothing follows from it",
            ("monitoring", seen[0]),
            on="key",
            help=f"write `retraining: {{on: [{', '.join(seen)}], cooldown: 3 d}}`",
            fix=Fix("train anew on drift", (Change("set", ("retraining",), {"on": seen, "cooldown": "3 d"}),), safe=False),
        )


@rule("RET002", WARNING, reads="monitoring retraining")
def trigger_not_watched(case: Case) -> Iterable[Hit]:
    """Retraining waits for something that nobody watches.

    ## Why this is bad
    The trigger never fires, and everybody believes that the model looks after itself.

    ## Bad
    ```yaml
    monitoring: {label_drift: null}
    retraining: {on: [label_drift]}
    ```

    ## Good
    ```yaml
    monitoring: {label_drift: {test: chi2}}
    retraining: {on: [label_drift]}
    ```

    ## Fix safety
    Unsafe: what is waited for is watched, with the guide's limits, and starts trainings.

    ## Source
    Guide, "Automated Retraining Pipeline: data monitoring, drift detection, trigger retraining".
    """
    retraining, monitoring = _retraining(case), case.project.monitoring
    for index, name in enumerate(retraining.on if retraining else ()):
        if name == "new_data" or getattr(monitoring, name, None) is not None:
            continue
        route, on = place(case, "retraining", "on", index)
        if case.written("retraining", "on") == name:
            route, on = ("retraining", "on"), "value"  # one trigger, written without a list
        yield Hit(
            f"`monitoring.{name}` is missing: this never starts anything",
            route,
            on=on,
            help=f"write `monitoring: {{{name}: {{}}}}`, or take `{name}` out",
            fix=Fix(f"watch {name}", (Change("set", ("monitoring", name), {}),), safe=False),
        )


@rule("RET003", (INFO, WARNING, WARNING), reads="retraining evaluation")
def retrained_model_unchecked(case: Case) -> Iterable[Hit]:
    """A new model goes into production by itself, and nothing compares it with the one in use.

    ## Why this is bad
    A bad batch of data trains a bad model, which replaces a good one overnight. It may pass every fixed target and still
    be worse.

    ## Bad
    ```yaml
    evaluation: {champion: null}
    retraining: {approve: automatic}
    ```

    ## Good
    ```yaml
    evaluation: {champion: {compare: registry, min_improvement: 0.0}}
    retraining: {approve: automatic}
    ```

    ## Fix safety
    Unsafe: a model that is worse than the present one no longer goes into production.

    ## Source
    Guide, "Automated Retraining Pipeline: model validation, A/B testing, deployment".
    """
    retraining = _retraining(case)
    if retraining is not None and retraining.approve == "automatic" and case.project.evaluation.champion is None:
        yield Hit(
            "the new model replaces the one in use, and nothing compares the two",
            ("retraining", "approve"),
            help="add `evaluation: {champion: {min_improvement: 0.0}}`, or write `approve: human`",
            fix=Fix("compare with the model in use", (CHAMPION,), safe=False),
        )


@rule("RET004", (INFO, WARNING, WARNING), reads="retraining requirements")
def critical_model_approved_by_itself(case: Case) -> Iterable[Hit]:
    """Much hangs on the model's decisions, and no person lets a new model into production.

    ## Why this is bad
    Nobody can be asked why this model decides since last night. Strict regulation asks for a person who can.

    ## Bad
    ```yaml
    requirements: {regulation: strict, automation: {level: human_in_the_loop, accept_above: null}}
    retraining: {approve: automatic}
    ```

    ## Good
    ```yaml
    requirements: {regulation: strict, automation: {level: human_in_the_loop, accept_above: null}}
    retraining: {approve: human}
    ```

    ## Fix safety
    Unsafe: new models wait for a person.

    ## Source
    Guide, "Choosing Automation Level" and "Pre-Deployment Checklist: stakeholder approval obtained".
    """
    retraining, wanted = _retraining(case), case.project.requirements
    if retraining is None or retraining.approve != "automatic":
        return
    reasons = (("criticality", "high"), ("error_cost", "high"), ("regulation", "strict"))
    reason = next(((key, value) for key, value in reasons if getattr(wanted, key) == value), None)
    if reason is not None:
        route = ("retraining", "approve")
        yield Hit(
            f"`{reason[0]}` is {reason[1]}, and no person lets a new model in",
            route,
            help="write `approve: human`",
            related=(("this is why", ("requirements", reason[0])),),
            fix=Fix("let a person approve", (Change("set", route, "human"),), safe=False),
        )


@rule("RET005", (WARNING, WARNING, ERROR), reads="retraining model")
def family_cannot_learn_on(case: Case) -> Iterable[Hit]:
    """The model is to go on learning from new rows, and its family can only start afresh.

    ## Why this is bad
    A fitted model of this family cannot take further rows: each training forgets all before it, whatever the strategy is called.

    ## Bad
    ```yaml
    retraining: {strategy: incremental}
    ```

    ## Good
    ```yaml
    retraining: {strategy: full}
    ```

    ## Fix safety
    Unsafe: each training then reads all rows, and costs as much.

    ## Source
    Guide, "Retraining Strategies: incremental learning". scikit-learn: of our families only the multi-layer perceptron (not with
    `lbfgs`) and naive Bayes have `partial_fit`.
    """
    retraining, model = _retraining(case), case.project.model
    if retraining is None or retraining.strategy != "incremental" or model is None or not classical(model):
        return
    params: Any = getattr(model, "params", None)
    lbfgs = model.kind == "sklearn.mlp" and getattr(params, "solver", "") == "lbfgs"
    if model.kind not in LEARN_ON or lbfgs:
        route = ("retraining", "strategy")
        yield Hit(
            f"`{model.kind}`{' with `solver: lbfgs`' if lbfgs else ''} cannot go on learning: it has no `partial_fit`",
            route,
            help=f"write `strategy: full`, or choose one of {', '.join(sorted(LEARN_ON))}",
            related=(("the family", ("model", "kind")),),
            fix=Fix("train on all rows", (Change("set", route, "full"),), safe=False),
        )


@rule("RET006", (INFO, WARNING, WARNING), reads="retraining evaluation")
def may_forget_unseen(case: Case) -> Iterable[Hit]:
    """A model goes on learning from new rows, and nothing holds it against the old ones.

    ## Why this is bad
    What is learnt last can overwrite what was learnt before. On the newest rows alone the model looks better and better.

    ## Bad
    ```yaml
    model: {kind: sklearn.mlp, params: null}
    evaluation: {champion: null}
    retraining: {strategy: incremental}
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.mlp, params: null}
    evaluation: {champion: {compare: registry, min_improvement: 0.0}}
    retraining: {strategy: incremental}
    ```

    ## Fix safety
    Unsafe: a model that has become worse on the test rows no longer goes into production.

    ## Source
    Guide, "Retraining Strategies: incremental learning, risk of catastrophic forgetting". McCloskey and Cohen (1989).
    """
    retraining = _retraining(case)
    if retraining is not None and retraining.strategy == "incremental" and case.project.evaluation.champion is None:
        yield Hit(
            "the model goes on learning, and nothing compares it with what it was",
            ("retraining", "strategy"),
            help="add `evaluation: {champion: {min_improvement: 0.0}}` and keep rows of all times among the test rows",
            fix=Fix("compare with the model in use", (CHAMPION,), safe=False),
        )


@rule("RET007", (WARNING, WARNING, ERROR), reads="retraining model")
def transfer_from_nothing(case: Case) -> Iterable[Hit]:
    """The model is to take over what another one has learnt, and its family cannot.

    ## Why this is bad
    Transfer needs a network that was trained elsewhere. The families of scikit-learn start from nothing each time.

    ## Bad
    ```yaml
    retraining: {strategy: transfer}
    ```

    ## Good
    ```yaml
    retraining: {strategy: full}
    ```

    ## Fix safety
    Unsafe: each training reads all rows.

    ## Source
    Guide, "Retraining Strategies: transfer learning, new but related domains".
    """
    retraining, model = _retraining(case), case.project.model
    if retraining is None or retraining.strategy != "transfer" or model is None or not classical(model):
        return
    route = ("retraining", "strategy")
    yield Hit(
        f"`{model.kind}` starts from nothing: there is no model it could take over",
        route,
        help="write `strategy: full`, or a `custom` family that loads the model to start from",
        related=(("the family", ("model", "kind")),),
        fix=Fix("train on all rows", (Change("set", route, "full"),), safe=False),
    )


@rule("RET008", (INFO, WARNING, WARNING), reads="retraining monitoring data feedback")
def cooldown_shorter_than_label_delay(case: Case) -> Iterable[Hit]:
    """A lost metric starts retraining again before one label of the new model is known.

    ## Why this is bad
    The metric still is that of the old model, so it starts the next training, and the next, until labels arrive.

    ## Bad
    ```yaml
    data: {labels: {delay: 14 d}}
    monitoring: {concept_drift: {proxy: null}}
    feedback: {proxy: null}
    retraining: {on: [concept_drift], cooldown: 3 d}
    ```

    ## Good
    ```yaml
    data: {labels: {delay: 14 d}}
    monitoring: {concept_drift: {proxy: null}}
    feedback: {proxy: null}
    retraining: {on: [concept_drift], cooldown: 21 d, schedule: monthly}
    ```

    ## Fix safety
    None: a longer pause and a proxy both help.

    ## Source
    Guide, "Feedback Loop Issues: delayed feedback; proxy metrics, short-term indicators".
    """
    retraining, data, concept, feedback = _retraining(case), case.project.data, _concept_drift(case), _feedback(case)
    delay = data.labels.delay if data and data.labels else None
    if retraining is None or delay is None or "concept_drift" not in retraining.on or concept is None:
        return
    if concept.proxy or (feedback and feedback.proxy):
        return
    if retraining.cooldown < delay:
        route, on = place(case, "retraining", "cooldown")
        yield Hit(
            f"after {retraining.cooldown} the metric is still that of the old model: labels come after {delay}",
            route,
            on=on,
            help=f"write a `cooldown` above {delay}, or a `proxy` that is known sooner",
            related=(("labels come this late", ("data", "labels", "delay")),),
        )


@rule("RET009", (None, INFO, WARNING), reads="retraining monitoring")
def known_cycle_waited_for(case: Case) -> Iterable[Hit]:
    """Drift is expected to come again and again, and each time somebody waits until the model is worse.

    ## Why this is bad
    What recurs is known beforehand. Waiting for the loss means the same loss in every cycle.

    ## Bad
    ```yaml
    monitoring: {concept_drift: {expected: [recurring]}}
    retraining: {maintenance: reactive, schedule: null}
    ```

    ## Good
    ```yaml
    monitoring: {concept_drift: {expected: [recurring]}}
    retraining: {maintenance: scheduled, schedule: weekly}
    ```

    ## Fix safety
    None: only you know the cycle.

    ## Source
    Guide, "Concept Drift Patterns: recurring, cyclical changes" and "Maintenance Types: reactive, effort high".
    """
    retraining, concept = _retraining(case), _concept_drift(case)
    if retraining is None or concept is None or retraining.maintenance != "reactive" or retraining.schedule is not None:
        return
    if "recurring" in concept.expected:
        yield Hit(
            "recurring drift is expected, and retraining waits until the model is worse",
            ("retraining", "maintenance"),
            help="write `maintenance: scheduled` and a `schedule` that fits the cycle",
            related=(("what is expected", ("monitoring", "concept_drift", "expected")),),
        )


@rule("RET010", WARNING, reads="retraining")
def retraining_never_starts(case: Case) -> Iterable[Hit]:
    """There is a section about retraining, and nothing that starts it.

    ## Why this is bad
    It reads as if the model were kept up, and it is not.

    ## Bad
    ```yaml
    retraining: {on: [], schedule: null}
    ```

    ## Good
    ```yaml
    retraining: {on: [data_drift], schedule: monthly}
    ```

    ## Fix safety
    None: only you know what should start it.

    ## Source
    Guide, "Maintenance Types: performance drop, time-based, drift detection".
    """
    retraining = _retraining(case)
    if retraining is not None and not retraining.on and retraining.schedule is None:
        yield Hit(
            "nothing starts retraining: `on` is empty, and there is no `schedule`",
            ("retraining",),
            on="key",
            help="write for instance `on: [data_drift]`, or `schedule: monthly`",
        )


@rule("RET011", (INFO, WARNING, WARNING), reads="retraining")
def maintenance_without_its_trigger(case: Case) -> Iterable[Hit]:
    """The type of maintenance says what starts retraining, and that is not there.

    ## Why this is bad
    Scheduled maintenance needs a schedule, proactive maintenance a drift to watch for. One of the two lines is not meant.

    ## Bad
    ```yaml
    retraining: {maintenance: scheduled, schedule: null}
    ```

    ## Good
    ```yaml
    retraining: {maintenance: scheduled, schedule: monthly}
    ```

    ## Fix safety
    None: either line may be the one that is not meant.

    ## Source
    Guide, "Maintenance Types" (scheduled: time-based; proactive: drift detection).
    """
    retraining = _retraining(case)
    if retraining is None or not (retraining.on or retraining.schedule) or not case.wrote("retraining", "maintenance"):
        return
    drift = any(name != "new_data" for name in retraining.on)
    lacking = {
        "scheduled": (retraining.schedule is None, "`schedule`", "schedule: monthly"),
        "proactive": (not drift, "a drift in `on`", "on: [data_drift]"),
    }
    missing, what, write = lacking.get(retraining.maintenance, (False, "", ""))
    if missing:
        yield Hit(
            f"maintenance is {retraining.maintenance}, and {what} is missing",
            ("retraining", "maintenance"),
            help=f"write for instance `{write}`",
        )


@rule("RET012", (INFO, WARNING, WARNING), reads="retraining")
def cooldown_longer_than_schedule(case: Case) -> Iterable[Hit]:
    """Retraining is scheduled more often than the pause between two trainings allows.

    ## Why this is bad
    Most of the scheduled starts fall into the pause and do nothing: the schedule says one thing, what happens is another.

    ## Bad
    ```yaml
    retraining: {schedule: weekly, cooldown: 30 d}
    ```

    ## Good
    ```yaml
    retraining: {schedule: weekly, cooldown: 3 d}
    ```

    ## Fix safety
    None: only you know which of the two is meant.

    ## Source
    Guide, "Maintenance Types: scheduled, weekly/monthly".
    """
    retraining = _retraining(case)
    if retraining is None or retraining.schedule is None:
        return
    every = period(retraining.schedule)
    if retraining.cooldown > every * 1.05:
        route, on = place(case, "retraining", "cooldown")
        skipped = 1 - every / retraining.cooldown
        yield Hit(
            f"a training starts every {spoken(every)}, and the pause is {retraining.cooldown}: {100 * skipped:.0f} % are skipped",
            route,
            on=on,
            help=f"write a `cooldown` below {spoken(every)}, or a rarer `schedule`",
            related=(("the schedule", ("retraining", "schedule")),),
        )


@rule("RET013", (None, INFO, WARNING), reads="retraining")
def approval_asked_too_often(case: Case) -> Iterable[Hit]:
    """A person is to approve a new model several times a day.

    ## Why this is bad
    Who is asked that often approves without looking, at night as well; that is automatic approval without its safeguards.

    ## Bad
    ```yaml
    retraining: {schedule: hourly, approve: human, cooldown: 1 h}
    ```

    ## Good
    ```yaml
    retraining: {schedule: weekly, approve: human, cooldown: 3 d}
    ```

    ## Fix safety
    None: either the rhythm or the approval is not meant.

    ## Source
    Guide, "Maintenance Types: scheduled, weekly/monthly" and "Human Involvement Spectrum".
    """
    retraining = _retraining(case)
    if retraining is None or retraining.schedule is None or retraining.approve != "human":
        return
    every = max(period(retraining.schedule), retraining.cooldown)
    if every < DAY * 0.95:
        yield Hit(
            f"a person is asked about {DAY / every:.0f} times a day to approve a model",
            ("retraining", "schedule"),
            help="write `schedule: weekly`, or `approve: automatic` with `evaluation.champion`",
        )


@rule("RET014", (INFO, WARNING, WARNING), reads="feedback task")
def recommendation_without_exploration(case: Case) -> Iterable[Hit]:
    """A recommender only ever shows what it already believes in.

    ## Why this is bad
    What is not shown is not clicked, so it is never learnt that it would have been: the model confirms itself.

    ## Bad
    ```yaml
    task: {kind: recommendation, target: null, positive: null, user: customerID, item: Contract, cold_start: {new_user: popular}}
    feedback: {exploration: 0 %, holdout: 0 %}
    ```

    ## Good
    ```yaml
    task: {kind: recommendation, target: null, positive: null, user: customerID, item: Contract, cold_start: {new_user: popular}}
    requirements: {metrics: [{metric: ndcg, target: ">= 0.3"}]}
    model: {kind: custom, entrypoint: "recommender:build", params: null}
    baseline: null
    data: {columns: {Churn: null}}
    splits: {strategy: random}
    evaluation: {fairness: null}
    monitoring: {concept_drift: {metric: null}}
    feedback: {exploration: 5 %}
    ```

    ## Fix safety
    Unsafe: one recommendation in twenty is made by chance.

    ## Source
    Guide, "Handling Feedback Loops: introduce randomization in recommendations". Chaney et al. (2018), How Algorithmic
    Confounding in Recommendation Systems Increases Homogeneity.
    """
    feedback = _feedback(case)
    if case.task == "recommendation" and (feedback is None or (feedback.exploration <= 0 and feedback.holdout <= 0)):
        route, on = place(case, "feedback", "exploration") if feedback is not None else (("task", "kind"), "value")
        yield Hit(
            "nothing is ever shown by chance, so the model only learns about what it already shows",
            route,
            on=on,
            help="write `feedback: {exploration: 5 %}`",
            fix=Fix("explore 5 %", (Change("set", ("feedback", "exploration"), "5 %"),), safe=False),
        )


@rule("RET015", (None, INFO, WARNING), reads="feedback retraining requirements")
def trained_on_its_own_decisions(case: Case) -> Iterable[Hit]:
    """The model decides, is trained on what follows, and no case is left untouched to compare with.

    ## Why this is bad
    Who was called did not leave: the next model learns that such customers never leave. Only cases without the model's
    influence show what would have happened.

    ## Bad
    ```yaml
    requirements: {automation: {level: partial}}
    feedback: {holdout: 0 %, exploration: 0 %}
    ```

    ## Good
    ```yaml
    requirements: {automation: {level: partial}}
    feedback: {holdout: 1 %}
    ```

    ## Fix safety
    Unsafe: one case in a hundred is decided without the model.

    ## Source
    Guide, "Feedback Loop Issues: degenerate feedback, selection bias". Lakkaraju et al. (2017), The Selective Labels Problem.
    """
    feedback, automation = _feedback(case), case.project.requirements.automation
    if _retraining(case) is None or automation is None or automation.level == "human_in_the_loop":
        return
    if feedback is not None and (feedback.holdout > 0 or feedback.exploration > 0 or feedback.natural_labels):
        return
    route, on = place(case, "feedback", "holdout") if feedback is not None else (("retraining",), "key")
    yield Hit(
        "the model is trained on what its own decisions led to, and no case is kept free of them",
        route,
        on=on,
        help="write `feedback: {holdout: 1 %}`; or `natural_labels: true` if the truth does not depend on the decision",
        related=(("the model decides", ("requirements", "automation", "level")),),
        fix=Fix("keep 1 % untouched", (Change("set", ("feedback", "holdout"), "1 %"),), safe=False),
    )


@rule("RET016", (INFO, WARNING, WARNING), reads="feedback")
def too_much_left_to_chance(case: Case) -> Iterable[Hit]:
    """More than a fifth of the decisions are made by chance or without the model.

    ## Why this is bad
    A few per cent are enough to see what the model does not show. The rest is what the model was built to do better.

    ## Bad
    ```yaml
    feedback: {exploration: 40 %}
    ```

    ## Good
    ```yaml
    feedback: {exploration: 5 %}
    ```

    ## Fix safety
    Unsafe: fewer cases show what chance would have brought.

    ## Source
    Guide, "Handling Feedback Loops: introduce randomization". Li et al. (2010), A Contextual-Bandit Approach: a small random
    share of traffic is enough to compare models.
    """
    feedback = _feedback(case)
    if feedback is None or feedback.exploration + feedback.holdout <= 0.2 + 1e-9:
        return
    key = "exploration" if feedback.exploration >= feedback.holdout else "holdout"
    route = ("feedback", key)
    yield Hit(
        f"{100 * (feedback.exploration + feedback.holdout):.3g} % of the decisions are not the model's",
        route,
        help=f"write `{key}: 5 %`",
        fix=Fix("write 5 %", (Change("set", route, "5 %"),), safe=False),
    )


@rule("RET017", (WARNING, WARNING, WARNING), reads="feedback requirements")
def chance_in_critical_decisions(case: Case) -> Iterable[Hit]:
    """Decisions of which each is critical or dear are made by chance.

    ## Why this is bad
    Exploration decides against what is known, on purpose. Where one wrong decision does harm, nobody may be the experiment.

    ## Bad
    ```yaml
    requirements: {criticality: high, automation: {level: human_in_the_loop, accept_above: null}}
    feedback: {exploration: 5 %}
    ```

    ## Good
    ```yaml
    requirements: {criticality: high, automation: {level: human_in_the_loop, accept_above: null}}
    feedback: {exploration: 0 %, holdout: 1 %}
    ```

    ## Fix safety
    Unsafe: nothing is learnt any more about what the model does not choose.

    ## Source
    Guide, "Choosing Automation Level: decision criticality high" and "Feedback Loop Issues: add randomization". Bird et al.
    (2016), Exploring or Exploiting? Social and Ethical Implications of Autonomous Experimentation.
    """
    feedback, wanted = _feedback(case), case.project.requirements
    if feedback is None or feedback.exploration <= 0:
        return
    reason = next((key for key in ("criticality", "error_cost") if getattr(wanted, key) == "high"), None)
    if reason is not None:
        route = ("feedback", "exploration")
        yield Hit(
            f"{feedback.exploration} of the decisions are made by chance, and `{reason}` is high",
            route,
            help="write `exploration: 0 %`; a `holdout` that people decide serves the same end",
            related=(("this is why", ("requirements", reason)),),
            fix=Fix("decide nothing by chance", (Change("set", route, "0 %"),), safe=False),
        )
