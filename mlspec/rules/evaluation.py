"""Rules about how a model is judged: what is left out, and limits that stop nothing or everything."""

from __future__ import annotations

from collections.abc import Iterable

from mlspec.diagnostic import Change, Fix, Route
from mlspec.metrics import CATALOGUE
from mlspec.rules._case import Case
from mlspec.rules._place import percent, place
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule

COIN = {"roc_auc": 0.5, "balanced_accuracy": 0.5}
"""What a model that has learnt nothing gets in metrics between 0 and 1 that do not depend on class shares."""


def _judges(case: Case) -> bool:
    """Whether there is a model to judge."""
    return case.project.model is not None and case.task in ("classification", "regression")


@rule("EVA001", ERROR, reads="evaluation requirements")
def worst_slice_of_nothing(case: Case) -> Iterable[Hit]:
    """There is a gate on the worst slice, and there are no slices.

    ## Why this is bad
    The gate finds nothing to compare, and what cannot be judged fails: no model ever passes.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: churn}
    requirements: {metrics: [{metric: f1, target: ">= 0.6"}]}
    task: {kind: classification, target: Churn}
    data: {sources: {customers: {kind: csv, path: customers.csv}}}
    model: {kind: sklearn.logistic_regression}
    evaluation: {worst_slice: {max_drop: 10 %}}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: churn}
    requirements: {metrics: [{metric: f1, target: ">= 0.6"}]}
    task: {kind: classification, target: Churn}
    data: {sources: {customers: {kind: csv, path: customers.csv}}}
    model: {kind: sklearn.logistic_regression}
    evaluation: {slices: [Contract], worst_slice: {max_drop: 10 %}}
    ```

    ## Fix safety
    None: which parts matter is for you to say.

    ## Source
    Guide, "Audit Process: slice-based evaluation: test on data subsets".
    """
    evaluation = case.project.evaluation
    if evaluation.worst_slice is not None and not evaluation.slices and not case.project.requirements.coverage:
        yield Hit(
            "there are no slices, so the worst one cannot be judged and the gate fails",
            ("evaluation", "worst_slice"),
            help="name columns in `evaluation.slices`, or situations in `requirements.coverage`",
            on="key",
        )


@rule("EVA002", (None, None, INFO), reads="evaluation requirements")
def slices_without_a_limit(case: Case) -> Iterable[Hit]:
    """Slices are judged and nothing says how far one may fall behind.

    ## Why this is bad
    A model that fails a group or a situation is released, with the failure in its report.

    ## Bad
    ```yaml
    evaluation: {worst_slice: null}
    ```

    ## Good
    ```yaml
    evaluation: {worst_slice: {min_rows: 200, max_drop: 10 %}}
    ```

    ## Fix safety
    Unsafe: a new gate may fail models that passed.

    ## Source
    Guide, "Audit Process: slice-based evaluation"; "Functional Requirements: coverage: scenarios the model should handle".
    """
    evaluation, coverage = case.project.evaluation, case.project.requirements.coverage
    if evaluation.worst_slice is not None or not (evaluation.slices or coverage):
        return
    route: Route = ("evaluation", "slices") if evaluation.slices else ("requirements", "coverage")
    what = "slices are" if evaluation.slices else "situations that must be handled are"
    limit = Change("set", ("evaluation", "worst_slice"), {"min_rows": 200, "max_drop": "10 %"})
    yield Hit(
        f"{what} judged, and none can fail the model",
        route,
        help="write `evaluation.worst_slice: {min_rows: 200, max_drop: 10 %}`",
        on="key",
        fix=Fix("limit how far the worst slice may fall behind", (limit,), safe=False),
    )


@rule("EVA003", (None, None, WARNING), reads="evaluation requirements model task")
def no_slices(case: Case) -> Iterable[Hit]:
    """A model in production is judged over all rows at once only.

    ## Why this is bad
    One good average hides the group or the situation in which the model is useless.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: churn, phase: production}
    requirements: {metrics: [{metric: f1, target: ">= 0.6"}]}
    task: {kind: classification, target: Churn}
    data: {sources: {customers: {kind: csv, path: customers.csv}}}
    model: {kind: sklearn.logistic_regression}
    evaluation: {beat_baseline_by: 0.05}
    ```

    ## Good
    ```yaml
    evaluation: {slices: [Contract], worst_slice: {min_rows: 200}}
    ```

    ## Fix safety
    None: which parts matter is for you to say.

    ## Source
    Guide, "Audit Process: slice-based evaluation"; Chung et al. (2019), Slice Finder.
    """
    if _judges(case) and not case.project.evaluation.slices and not case.project.requirements.coverage:
        written = case.wrote("evaluation")
        yield Hit(
            "no part of the rows is judged by itself",
            ("evaluation",) if written else ("model",),
            help="name columns in `evaluation.slices`, or situations in `requirements.coverage`",
            on="key",
        )


@rule("EVA004", (INFO, WARNING, WARNING), reads="evaluation requirements task model")
def no_fairness_check(case: Case) -> Iterable[Hit]:
    """Much hangs on a decision, or rules are strict, and no groups of people are compared.

    ## Why this is bad
    Unfair treatment is found by those who suffer it, or by the authority, after the release.

    ## Bad
    ```yaml
    requirements: {criticality: high}
    evaluation: {fairness: null}
    ```

    ## Good
    ```yaml
    requirements: {criticality: high}
    evaluation: {fairness: {sensitive: [gender], max: 0.1}}
    ```

    ## Fix safety
    None: which groups must not be disadvantaged is for you to say.

    ## Source
    Guide, "Pre-Deployment Checklist: bias testing across different groups"; "Audit Process: bias detection".
    """
    wanted = case.project.requirements
    if case.project.evaluation.fairness is not None or case.task != "classification" or case.project.model is None:
        return
    for name, value, grave in (
        ("criticality", wanted.criticality, "high"),
        ("regulation", wanted.regulation, "strict"),
    ):
        if value == grave:
            yield Hit(
                f"`{name}` is {grave}, and no groups are compared",
                ("requirements", name),
                help="write `evaluation.fairness: {sensitive: [column]}`; a column with the role `ignore` will do",
            )
            return


@rule("EVA005", (None, INFO, WARNING), reads="evaluation model task")
def no_overfitting_limit(case: Case) -> Iterable[Hit]:
    """Nothing limits how much better the model may be on rows it has seen.

    ## Why this is bad
    A model that has learnt its training rows by heart may pass today's gate and fails on tomorrow's rows.

    ## Bad
    ```yaml
    evaluation: {overfitting: null}
    ```

    ## Good
    ```yaml
    evaluation: {overfitting: {max_gap: 0.05}}
    ```

    ## Fix safety
    Unsafe: a new gate may fail models that passed.

    ## Source
    Guide, "Training Best Practices: monitor for overfitting with validation curves"; "Common Issues: model overfitting".
    """
    if _judges(case) and case.project.evaluation.overfitting is None:
        bounded = _ends(case) is not None
        limit = Change("set", ("evaluation", "overfitting"), {"max_gap": 0.05})
        yield Hit(
            "nothing limits the gap between training and dev rows",
            ("evaluation",) if case.wrote("evaluation") else ("model",),
            help="write `evaluation.overfitting: {max_gap: …}`, in the unit of the primary metric",
            on="key",
            fix=Fix("allow a gap of 0.05", (limit,), safe=False) if bounded else None,
        )


def _ends(case: Case) -> tuple[float, float] | None:
    """The range of the primary metric, where it has two ends."""
    primary = case.primary
    known = CATALOGUE.get(primary.metric) if primary else None
    if known is None or known.high == float("inf") or known.low == -float("inf"):
        return None
    return known.low, known.high


@rule("EVA006", (None, None, WARNING), reads="evaluation retraining")
def no_champion_comparison(case: Case) -> Iterable[Hit]:
    """Models are retrained and a new one is not compared with the one in use.

    ## Why this is bad
    A new model that meets its targets may still be worse than the one it replaces.

    ## Bad
    ```yaml
    evaluation: {champion: null}
    ```

    ## Good
    ```yaml
    evaluation: {champion: {compare: registry, min_improvement: 0.0}}
    ```

    ## Fix safety
    None: how much better a new model must be is for you to say.

    ## Source
    Guide, "Automated Retraining Pipeline: trigger retraining → model validation → A/B testing → deployment".
    """
    retraining = case.project.retraining
    if retraining is None or retraining.approve == "automatic" or retraining.strategy == "incremental":
        return  # retrained-model-unchecked and may-forget-unseen say more
    if case.project.evaluation.champion is None:
        yield Hit(
            "the model is retrained, and the new one is not compared with the one in use",
            ("retraining",),
            help="write `evaluation.champion: {compare: registry}`",
            on="key",
        )


@rule("EVA007", WARNING, reads="evaluation requirements")
def explanation_switched_off(case: Case) -> Iterable[Hit]:
    """Explanations are preferred and switched off.

    ## Why this is bad
    The report says nothing of which columns matter, although somebody wants to know.

    ## Bad
    ```yaml
    requirements: {interpretability: preferred}
    evaluation: {explain: none}
    ```

    ## Good
    ```yaml
    requirements: {interpretability: preferred}
    evaluation: {explain: permutation}
    ```

    ## Fix safety
    Safe: a run takes a little longer and reports more.

    ## Source
    Guide, "Non-Functional Requirements: interpretability: feature importance, SHAP values".
    """
    if case.project.requirements.interpretability == "preferred" and case.project.evaluation.explain == "none":
        yield Hit(
            "`requirements.interpretability` is `preferred`, and nothing is explained",
            ("evaluation", "explain"),
            help="write `permutation`",
            related=(("explanations are wanted here", ("requirements", "interpretability")),),
            fix=Fix("measure the importance of columns", (Change("set", ("evaluation", "explain"), "permutation"),)),
        )


@rule("EVA008", (None, INFO, WARNING), reads="evaluation requirements model")
def no_robustness_check(case: Case) -> Iterable[Hit]:
    """Much hangs on a decision, and the model never sees inputs that are worse than the test rows.

    ## Why this is bad
    Sensors fail and people mistype. A model that turns round at the first missing value does so on the worst day.

    ## Bad
    ```yaml
    requirements: {criticality: high}
    ```

    ## Good
    ```yaml
    requirements: {criticality: high}
    evaluation: {robustness: {missing: 10 %, noise: 5 %}}
    ```

    ## Fix safety
    None: how bad inputs get is for you to say.

    ## Source
    Guide, "Pre-Deployment Checklist: edge case handling validated".
    """
    if case.project.requirements.criticality == "high" and case.project.evaluation.robustness is None and case.project.model:
        yield Hit(
            "`criticality` is high, and the model is not tried on worse inputs",
            ("requirements", "criticality"),
            help="write for instance `evaluation.robustness: {missing: 10 %, noise: 5 %}`",
        )


@rule("EVA009", WARNING, reads="evaluation")
def robustness_without_a_trial(case: Case) -> Iterable[Hit]:
    """Robustness is demanded and nothing makes the inputs worse.

    ## Why this is bad
    The model is compared with itself on the same rows, and the limit is always met.

    ## Bad
    ```yaml
    evaluation: {robustness: {max_drop: 5 %}}
    ```

    ## Good
    ```yaml
    evaluation: {robustness: {missing: 10 %, max_drop: 5 %}}
    ```

    ## Fix safety
    None: how bad inputs get is for you to say.

    ## Source
    Guide, "Pre-Deployment Checklist: edge case handling validated".
    """
    robustness = case.project.evaluation.robustness
    if robustness is not None and not (robustness.noise or robustness.missing or robustness.edge_cases):
        yield Hit(
            "nothing makes the inputs worse, so nothing can be lost",
            ("evaluation", "robustness"),
            help="write `noise`, `missing` or `edge_cases`",
            on="key",
        )


@rule("EVA010", (None, INFO, WARNING), reads="evaluation requirements deployment")
def latency_without_load(case: Case) -> Iterable[Hit]:
    """A service promises a latency, and neither a throughput nor a load test says under which load.

    ## Why this is bad
    Any service answers its only request quickly. What counts is the latency under load, and nobody measures it.

    ## Bad
    ```yaml
    requirements: {service: {throughput: null}}
    evaluation: {stress: null}
    ```

    ## Good
    ```yaml
    requirements: {service: {throughput: null}}
    evaluation: {stress: {rate: 400 /s, duration: 2 min}}
    ```

    ## Fix safety
    None: the load to expect is for you to say.

    ## Source
    Guide, "Audit Process: stress testing: high load scenarios"; "Non-Functional Requirements: milliseconds, requests/second".
    """
    deployment, service = case.project.deployment, case.project.requirements.service
    if deployment is None or deployment.serve == "batch" or service is None or case.project.evaluation.stress is not None:
        return
    promised = [name for name in ("latency_p95", "latency_p99", "latency_p50") if getattr(service, name) is not None]
    if promised and service.throughput is None:
        yield Hit(
            f"`{promised[0]}` is promised, and nothing says under which load",
            ("requirements", "service", promised[0]),
            help="write `requirements.service.throughput`, and `evaluation.stress` to try it",
        )


@rule("EVA011", (None, INFO, WARNING), reads="evaluation model task")
def no_margin_over_the_baseline(case: Case) -> Iterable[Hit]:
    """The model need not be better than the baseline.

    ## Why this is bad
    A complex model that is no better than a simple one costs more to run, to explain and to mend, for nothing.

    ## Bad
    ```yaml
    evaluation: {beat_baseline_by: null}
    ```

    ## Good
    ```yaml
    evaluation: {beat_baseline_by: 0.02}
    ```

    ## Fix safety
    None: how much better it must be is for you to say.

    ## Source
    Guide, "Algorithm Selection Guide: start simple, add complexity if needed"; "Common Pitfalls: Complex First Solutions".
    """
    if _judges(case) and case.project.evaluation.beat_baseline_by is None:
        baseline = case.wrote("baseline")
        yield Hit(
            "nothing says how much better than the baseline the model must be",
            ("baseline",) if baseline else ("evaluation",) if case.wrote("evaluation") else ("model",),
            help="write `evaluation.beat_baseline_by`, in the unit of the primary metric",
            on="key",
        )


@rule("EVA012", WARNING, reads="evaluation")
def confidence_too_low(case: Case) -> Iterable[Hit]:
    """Intervals have a confidence below 80 %.

    ## Why this is bad
    At 50 %, every second interval misses the truth: narrow intervals look like certainty.

    ## Bad
    ```yaml
    evaluation: {confidence: 0.5}
    ```

    ## Good
    ```yaml
    evaluation: {confidence: 0.95}
    ```

    ## Fix safety
    Unsafe: intervals become wider.

    ## Source
    Cumming (2014), The new statistics: why and how; 95 % is what readers expect.
    """
    confidence = case.project.evaluation.confidence
    if confidence < 0.8:
        yield Hit(
            f"{percent(1 - confidence)} of the intervals miss the truth",
            ("evaluation", "confidence"),
            help="write 0.95",
            fix=Fix("write 0.95", (Change("set", ("evaluation", "confidence"), 0.95),), safe=False),
        )


@rule("EVA013", WARNING, reads="evaluation data task")
def threshold_of_many_classes(case: Case) -> Iterable[Hit]:
    """A threshold is set, and the target has more than two classes.

    ## Why this is bad
    A threshold divides two classes. With more of them the most likely one is the answer, and the number does nothing.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: contracts}
    requirements: {metrics: [{metric: f1, target: ">= 0.6"}]}
    task: {kind: classification, target: contract}
    data:
      sources: {customers: {kind: csv, path: customers.csv}}
      columns: {contract: {role: target, values: [monthly, yearly, none]}}
    model: {kind: sklearn.logistic_regression}
    evaluation: {threshold: 0.3}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: contracts}
    requirements: {metrics: [{metric: f1, target: ">= 0.6"}]}
    task: {kind: classification, target: contract}
    data:
      sources: {customers: {kind: csv, path: customers.csv}}
      columns: {contract: {role: target, values: [monthly, yearly, none]}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    Safe: the number does nothing.

    ## Source
    The language: `threshold` is the probability from which a row is called positive, of two classes.
    """
    column = case.columns.get(case.target or "")
    declared = len(column.values) if column is not None and column.values is not None else 0
    counted = len(case.data.classes) if case.data is not None and case.data.classes is not None else 0
    classes = counted or declared
    if case.task == "classification" and classes > 2 and case.wrote("evaluation", "threshold"):
        related = (("they are declared here", ("data", "columns", str(case.target), "values")),) if declared else ()
        yield Hit(
            f"`{case.target}` has {classes} classes, and a threshold divides two",
            ("evaluation", "threshold"),
            help="leave it out",
            on="key",
            related=related,
            fix=Fix("take the threshold out", (Change("remove", ("evaluation", "threshold")),)),
        )


@rule("EVA014", (INFO, WARNING, WARNING), reads="evaluation requirements")
def overfitting_limit_too_wide(case: Case) -> Iterable[Hit]:
    """The gap between training and dev rows may be so large that the limit stops nothing.

    Too large is half of what parts a perfect model from one that has learnt nothing, in metrics between 0 and 1.

    ## Why this is bad
    A model that knows its training rows by heart and half of the rest passes.

    ## Bad
    ```yaml
    evaluation: {overfitting: {max_gap: 0.5}}
    ```

    ## Good
    ```yaml
    evaluation: {overfitting: {max_gap: 0.05}}
    ```

    ## Fix safety
    None: how large a gap may be is for you to say.

    ## Source
    Guide, "Common Issues: model overfitting: high train, low validation accuracy".
    """
    limit, ends, primary = case.project.evaluation.overfitting, _ends(case), case.primary
    if limit is None or ends is None or primary is None:
        return
    floor = COIN.get(primary.metric, ends[0])
    most = (ends[1] - floor) / 2
    if limit.max_gap >= most:
        yield Hit(
            f"a useful {primary.metric} lies between {floor:g} and {ends[1]:g}: a gap of {limit.max_gap:g} stops almost nothing",
            place(case, "evaluation", "overfitting", "max_gap")[0],
            help="0.05 is usual",
        )


@rule("EVA015", (INFO, WARNING, WARNING), reads="evaluation requirements")
def slice_limit_too_wide(case: Case) -> Iterable[Hit]:
    """The worst slice may fall so far behind that the model may be useless there.

    Useless is what a coin reaches for ROC AUC and balanced accuracy, and half of the whole for any other metric.

    ## Why this is bad
    The gate passes a model that serves one group and fails another.

    ## Bad
    ```yaml
    evaluation: {worst_slice: {max_drop: 45 %}}
    ```

    ## Good
    ```yaml
    evaluation: {worst_slice: {max_drop: 10 %}}
    ```

    ## Fix safety
    Unsafe: models that passed may fail.

    ## Source
    Guide, "Key Metrics to Monitor: a drop above 5 % triggers an alert".
    """
    worst, primary = case.project.evaluation.worst_slice, case.primary
    if worst is None or primary is None:
        return
    left = primary.target.value * (1 - worst.max_drop)
    coin = COIN.get(primary.metric) if primary.metric not in case.project.evaluation.metrics else None
    useless = coin is not None and primary.target.value > coin and left <= coin
    if useless or worst.max_drop >= 0.5:
        yield Hit(
            f"at its target of {primary.target.value:g}, the model may have {primary.metric} {left:.3g} in a slice"
            if primary.target.op[0] == ">"
            else f"the worst slice may be worse by {worst.max_drop}",
            place(case, "evaluation", "worst_slice", "max_drop")[0],
            help="10 % is usual",
            fix=Fix("allow 10 %", (Change("set", ("evaluation", "worst_slice", "max_drop"), "10 %"),), safe=False),
        )


@rule("EVA016", (INFO, WARNING, WARNING), reads="evaluation")
def fairness_limit_too_wide(case: Case) -> Iterable[Hit]:
    """Groups may be treated more differently than the four-fifths rule lets pass.

    ## Why this is bad
    A gate that allows a difference of 0.3 passes a model that finds 90 % of one group's cases and 60 % of another's.

    ## Bad
    ```yaml
    evaluation: {fairness: {max: 0.4}}
    ```

    ## Good
    ```yaml
    evaluation: {fairness: {max: 0.1}}
    ```

    ## Fix safety
    None: what is fair is for you to say.

    ## Source
    Guide, "Audit Process: bias detection"; Feldman et al. (2015), Certifying and removing disparate impact: the four-fifths rule.
    """
    fairness = case.project.evaluation.fairness
    if fairness is not None and fairness.max > 0.2:
        yield Hit(
            f"groups may differ by {fairness.max:g}",
            ("evaluation", "fairness", "max"),
            help="write 0.1, or 0.2 at most (four fifths)",
        )


@rule("EVA017", WARNING, reads="evaluation data task")
def groups_that_are_no_groups(case: Case) -> Iterable[Hit]:
    """Slices or fairness groups are taken from a column that cannot group rows: an id, or the target as a sensitive column.

    ## Why this is bad
    Each id is a group of one row. Groups by the target hold one class each, so their rates and AUC are no numbers.

    ## Bad
    ```yaml
    evaluation: {fairness: {sensitive: [customerID]}}
    ```

    ## Good
    ```yaml
    evaluation: {fairness: {sensitive: [gender]}}
    ```

    ## Fix safety
    None: which groups matter is for you to say.

    ## Source
    Guide, "Audit Process: slice-based evaluation; bias detection"; Hardt et al. (2016), Equality of opportunity.
    """
    evaluation = case.project.evaluation
    named: list[tuple[str, Route]] = [
        (one.column, ("evaluation", "slices", index)) for index, one in enumerate(evaluation.slices) if one.column is not None
    ]
    if evaluation.fairness is not None:
        many = isinstance(case.written("evaluation", "fairness", "sensitive"), list)
        route: Route = ("evaluation", "fairness", "sensitive")
        named += [(name, (*route, index) if many else route) for index, name in enumerate(evaluation.fairness.sensitive)]
    for name, where in named:
        column = case.columns.get(name)
        bins = where[1] == "slices" and evaluation.slices[int(where[2])].bins is not None
        if where[1] == "fairness" and name == case.target:
            yield Hit(f"`{name}` is the target: each group holds one class", where, help="name another column")
        elif column is not None and (column.unique or column.role == "id") and not bins:
            yield Hit(
                f"`{name}` names single rows: each group holds one",
                where,
                help="name a column whose values many rows share",
                related=(("it is declared here", ("data", "columns", name)),),
            )


@rule("EVA018", ERROR, reads="evaluation requirements baseline task")
def margin_that_cannot_be_reached(case: Case) -> Iterable[Hit]:
    """No model can be so much better than the baseline, because the metric ends before.

    A baseline that looks at no feature has a ROC AUC of 0.5.

    ## Why this is bad
    Every run fails its gate, whatever the model.

    ## Bad
    ```yaml
    baseline: {kind: sklearn.dummy}
    evaluation: {beat_baseline_by: 0.6}
    ```

    ## Good
    ```yaml
    baseline: {kind: sklearn.dummy}
    evaluation: {beat_baseline_by: 0.2}
    ```

    ## Fix safety
    None: how much better it must be is for you to say.

    ## Source
    Fawcett (2006), An introduction to ROC analysis: a random order has an area of 0.5. The language: the margin is in the
    metric's own unit.
    """
    margin, primary, ends = case.project.evaluation.beat_baseline_by, case.primary, _ends(case)
    if margin is None or primary is None or ends is None or primary.metric in case.project.evaluation.metrics:
        return
    baseline = case.project.baseline
    low = ends[0]
    dummy = baseline is None or baseline.kind == "sklearn.dummy"
    if dummy and primary.metric == "roc_auc":
        low = 0.5
    if margin > ends[1] - low:
        yield Hit(
            f"{primary.metric} ends at {ends[1]:g}"
            + (f", the baseline has {low:g}" if low > ends[0] else "")
            + f": no model is better by {margin:g}",
            ("evaluation", "beat_baseline_by"),
            help=f"write less than {ends[1] - low:g}",
        )
