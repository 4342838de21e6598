"""Rules about metrics and their targets: what a number can hide, and targets that cannot mean what they say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mlspec.diagnostic import Change, Fix, Route
from mlspec.metrics import CATALOGUE, meant
from mlspec.rules._case import Case
from mlspec.rules._place import percent
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule
from mlspec.spelling import guess

if TYPE_CHECKING:
    from mlspec.spec.requirements import MetricTarget

WRITTEN_BACKWARDS = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}
AT_CHANCE = {"roc_auc": 0.5, "matthews_corrcoef": 0.0, "cohen_kappa": 0.0, "r2": 0.0, "explained_variance": 0.0}
"""What a model that looks at no feature gets, whatever the data are."""


def _targets(case: Case) -> Iterator[tuple[int, MetricTarget, Route]]:
    for index, wanted in enumerate(case.project.requirements.metrics):
        yield index, wanted, ("requirements", "metrics", index)


def _names(case: Case) -> set[str]:
    return {wanted.metric for wanted in case.project.requirements.metrics}


def _greater_is_better(case: Case, name: str) -> bool | None:
    own = case.project.evaluation.metrics.get(name)
    if own is not None:
        return own.greater_is_better
    known = CATALOGUE.get(name)
    return known.greater_is_better if known else None


def _binary(case: Case) -> bool:
    """Whether the target is known to have two classes."""
    task, column = case.project.task, case.columns.get(case.target or "")
    if task is None or task.kind != "classification":
        return False
    if case.data is not None and case.data.classes is not None:
        return len(case.data.classes) == 2
    return task.positive is not None or (column is not None and column.values is not None and len(column.values) == 2)


def _majority(case: Case) -> tuple[str, float] | None:
    """The most frequent class and its share of the rows, where the rows were counted."""
    classes = case.data.classes if case.data is not None else None
    if not classes or case.task != "classification":
        return None
    label = max(classes, key=lambda one: classes[one])
    return label, classes[label] / max(1, sum(classes.values()))


@rule("MET001", INFO, reads="requirements task")
def accuracy_alone(case: Case) -> Iterable[Hit]:
    """Accuracy is the only metric of a search for one of two classes.

    ## Why this is bad
    With 90 % of the rows in one class, a model that always names that class is right in 90 % of all rows and finds nothing.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: accuracy, target: ">= 0.9", primary: true}]}
    ```

    ## Good
    ```yaml
    requirements:
      metrics:
        - {metric: average_precision, target: ">= 0.6", primary: true}
        - {metric: accuracy, target: ">= 0.9"}
    ```

    ## Fix safety
    None: which errors cost most is for you to say.

    ## Source
    Guide, "Technical ML Metrics": accuracy and F1 are the primary ones, precision, recall and AUC stand beside them.
    """
    task = case.project.task
    if task is not None and task.positive is not None and _names(case) == {"accuracy"}:
        yield Hit(
            f"accuracy alone does not say whether `{task.positive}` is found",
            ("requirements", "metrics", 0, "metric"),
            help="add a target for `average_precision`, `recall` or `f1`",
            related=(("this label is looked for", ("task", "positive")),),
        )


@rule("MET002", WARNING, reads="requirements task", data=True)
def accuracy_on_imbalanced_classes(case: Case) -> Iterable[Hit]:
    """Models are compared by accuracy although one class has most of the rows.

    Imbalanced means here that the most frequent class has at least four rows of five.

    ## Why this is bad
    A model that always names the largest class gets its share as accuracy without having learnt anything.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: fraud}
    requirements: {metrics: [{metric: accuracy, target: ">= 0.95", primary: true}]}
    task: {kind: classification, target: fraud}
    data: {sources: {payments: {kind: csv, path: data.csv}}}
    splits: {exact: true}
    model: {kind: sklearn.logistic_regression}
    ```
    ```csv data.csv
    amount,fraud
    1,no
    2,no
    3,no
    4,no
    5,no
    6,no
    7,no
    8,no
    9,no
    10,no
    11,no
    12,no
    13,no
    14,no
    15,no
    16,no
    17,no
    18,yes
    19,yes
    20,yes
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: fraud}
    requirements: {metrics: [{metric: balanced_accuracy, target: ">= 0.8", primary: true}]}
    task: {kind: classification, target: fraud}
    data: {sources: {payments: {kind: csv, path: data.csv}}}
    splits: {exact: true}
    model: {kind: sklearn.logistic_regression}
    ```
    ```csv data.csv
    amount,fraud
    1,no
    2,no
    3,no
    4,no
    5,no
    6,no
    7,no
    8,no
    9,no
    10,no
    11,no
    12,no
    13,no
    14,no
    15,no
    16,no
    17,no
    18,yes
    19,yes
    20,yes
    ```

    ## Fix safety
    None: another metric needs another target.

    ## Source
    Guide, "Splitting Best Practices: use stratified sampling for imbalanced datasets"; He & Garcia (2009), Learning from
    Imbalanced Data.
    """
    largest, primary = _majority(case), case.primary
    if largest is None or primary is None or primary.metric != "accuracy" or largest[1] < 0.8:
        return
    index = case.project.requirements.metrics.index(primary)
    yield Hit(
        f"`{largest[0]}` has {percent(largest[1], 1)} of the rows, so always answering it gives an accuracy of {largest[1]:.3f}",
        ("requirements", "metrics", index, "metric"),
        help="compare models by `balanced_accuracy`, `average_precision` or `matthews_corrcoef`",
    )


@rule("MET003", WARNING, reads="requirements data task")
def mape_with_zeros(case: Case) -> Iterable[Hit]:
    """MAPE measures errors of a target that may be zero or negative.

    ## Why this is bad
    MAPE divides by the truth: one row whose truth is 0 makes it infinite, and small truths drown all other rows.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: sales}
    requirements: {metrics: [{metric: mape, target: "<= 10 %", primary: true}]}
    task: {kind: regression, target: sales}
    data: {sources: {shops: {kind: csv, path: shops.csv}}, columns: {sales: {role: target, type: number, min: 0}}}
    model: {kind: sklearn.ridge}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: sales}
    requirements: {metrics: [{metric: mae, target: "<= 12", primary: true}]}
    task: {kind: regression, target: sales}
    data: {sources: {shops: {kind: csv, path: shops.csv}}, columns: {sales: {role: target, type: number, min: 0}}}
    model: {kind: sklearn.ridge}
    ```

    ## Fix safety
    None: another metric needs another target.

    ## Source
    Guide, "Technical ML Metrics": MAPE is a secondary metric; Hyndman & Koehler (2006), Another look at measures of forecast
    accuracy.
    """
    column = case.columns.get(case.target or "")
    facts = case.data.columns.get(case.target or "") if case.data is not None else None
    if facts is not None:
        why = f"{facts.zeros:,} of its values are 0" if facts.zeros else ""
    else:
        low = column.min if column is not None else None
        why = f"its `min` is {low}" if isinstance(low, int | float) and low <= 0 else ""
    for _, wanted, route in _targets(case) if why else ():
        if wanted.metric == "mape":
            related = (("its smallest value is declared here", ("data", "columns", str(case.target), "min")),)
            yield Hit(
                f"mape divides by `{case.target}`, and {why}",
                (*route, "metric"),
                help="write `mae` or `rmse`, in the target's own unit",
                related=related if facts is None else (),
            )


@rule("MET004", INFO, reads="requirements task")
def share_of_variance_alone(case: Case) -> Iterable[Hit]:
    """A regression is judged by the share of variance it explains and by nothing in the target's unit.

    ## Why this is bad
    R² depends on how widely the target varies: the same errors give 0.9 on a varied sample and 0.3 on a narrow one.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: sales}
    requirements: {metrics: [{metric: r2, target: ">= 0.6", primary: true}]}
    task: {kind: regression, target: sales}
    data: {sources: {shops: {kind: csv, path: shops.csv}}, columns: {sales: {role: target, type: number}}}
    model: {kind: sklearn.ridge}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: sales}
    requirements: {metrics: [{metric: rmse, target: "<= 12", primary: true}, {metric: r2, target: ">= 0.6"}]}
    task: {kind: regression, target: sales}
    data: {sources: {shops: {kind: csv, path: shops.csv}}, columns: {sales: {role: target, type: number}}}
    model: {kind: sklearn.ridge}
    ```

    ## Fix safety
    None: how large an error may be is for you to say.

    ## Source
    Guide, "Technical ML Metrics": RMSE and MAE are the primary metrics of a regression, R² and MAPE secondary.
    """
    names = _names(case)
    if case.task == "regression" and names and names <= {"r2", "explained_variance"}:
        yield Hit(
            f"{' and '.join(sorted(names))}: neither one nor both say how large the errors of `{case.target}` are"
            if len(names) > 1
            else f"{next(iter(names))} does not say how large the errors of `{case.target}` are",
            ("requirements", "metrics", 0, "metric"),
            help="add a target for `rmse` or `mae`, in the target's own unit",
        )


@rule("MET005", (INFO, WARNING, WARNING), reads="requirements data")
def target_above_human_level(case: Case) -> Iterable[Hit]:
    """A target asks for more than people reach.

    ## Why this is bad
    Labels come from people. What they disagree on is noise to a model, so beyond their level it learns the labels' errors.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: recall, target: ">= 0.97", primary: true}, {metric: precision, target: ">= 0.5"}]}
    data: {labels: {human_level: {metric: recall, value: 0.93, rows: 2000}}}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: recall, target: ">= 0.9", primary: true}, {metric: precision, target: ">= 0.5"}]}
    data: {labels: {human_level: {metric: recall, value: 0.93, rows: 2000}}}
    ```

    ## Fix safety
    None: lower the target, or measure people anew.

    ## Source
    Guide, "Human-Level Performance": it sets the ceiling and gives realistic targets.
    """
    labels = case.project.data.labels if case.project.data else None
    human = labels.human_level if labels else None
    for _, wanted, route in _targets(case) if human is not None else ():
        better = _greater_is_better(case, wanted.metric)
        if human is None or wanted.metric != human.metric or better is None:
            continue
        beyond = wanted.target.value - human.value if better else human.value - wanted.target.value
        if beyond > 0 and (wanted.target.op in (">=", ">")) == better:
            yield Hit(
                f"people reach {wanted.metric} {human.value:g}, and the target is {wanted.target}",
                (*route, "target"),
                help=f"aim at {human.value:g} first: improve the labels before the model",
                related=(("the human level is written here", ("data", "labels", "human_level", "value")),),
            )


@rule("MET006", WARNING, reads="requirements task")
def target_met_by_chance(case: Case) -> Iterable[Hit]:
    """A target is met by a model that has learnt nothing.

    ## Why this is bad
    A gate that a coin passes stops no bad model; its green light is worth nothing.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.5", primary: true}]}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84", primary: true}]}
    ```

    ## Fix safety
    None: how good is good enough is for you to say.

    ## Source
    Guide, "Common Pitfalls: No Clear Success Metrics"; Fawcett (2006), An introduction to ROC analysis: 0.5 is a random order.
    """
    for _, wanted, route in _targets(case):
        chance = _chance(case, wanted.metric)
        right = (wanted.target.op[0] == ">") == _greater_is_better(case, wanted.metric)
        if chance is None or not right or not wanted.target.holds(chance):
            continue
        yield Hit(
            f"a model that looks at no feature gets {wanted.metric} {chance:.3g}, which meets {wanted.target}",
            (*route, "target"),
            help=f"ask for {'more' if _greater_is_better(case, wanted.metric) else 'less'} than {chance:.3g}",
        )


def _chance(case: Case, metric: str) -> float | None:
    if metric in case.project.evaluation.metrics:
        return None
    if _binary(case) and metric in ("balanced_accuracy", "log_loss"):
        return 0.5 if metric == "balanced_accuracy" else math.log(2)
    return AT_CHANCE.get(metric)


@rule("MET007", WARNING, reads="requirements task", data=True)
def target_below_majority_share(case: Case) -> Iterable[Hit]:
    """The target of accuracy is met by always naming the most frequent class.

    ## Why this is bad
    The gate passes a model that looks at no feature.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: fraud}
    requirements: {metrics: [{metric: f1, target: ">= 0.5", primary: true}, {metric: accuracy, target: ">= 0.85"}]}
    task: {kind: classification, target: fraud}
    data: {sources: {payments: {kind: csv, path: data.csv}}}
    splits: {exact: true}
    model: {kind: sklearn.logistic_regression}
    ```
    ```csv data.csv
    amount,fraud
    1,no
    2,no
    3,no
    4,no
    5,no
    6,no
    7,no
    8,no
    9,no
    10,no
    11,no
    12,no
    13,no
    14,no
    15,no
    16,no
    17,no
    18,yes
    19,yes
    20,yes
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: fraud}
    requirements: {metrics: [{metric: f1, target: ">= 0.5", primary: true}, {metric: accuracy, target: ">= 0.95"}]}
    task: {kind: classification, target: fraud}
    data: {sources: {payments: {kind: csv, path: data.csv}}}
    splits: {exact: true}
    model: {kind: sklearn.logistic_regression}
    ```
    ```csv data.csv
    amount,fraud
    1,no
    2,no
    3,no
    4,no
    5,no
    6,no
    7,no
    8,no
    9,no
    10,no
    11,no
    12,no
    13,no
    14,no
    15,no
    16,no
    17,no
    18,yes
    19,yes
    20,yes
    ```

    ## Fix safety
    None: how good is good enough is for you to say.

    ## Source
    Guide, "Training Best Practices: start with simple baseline models".
    """
    largest = _majority(case)
    for _, wanted, route in _targets(case) if largest else ():
        if largest and wanted.metric == "accuracy" and wanted.target.op in (">=", ">") and wanted.target.holds(largest[1]):
            yield Hit(
                f"always answering `{largest[0]}` gives an accuracy of {largest[1]:.3f}, which meets {wanted.target}",
                (*route, "target"),
                help=f"ask for more than {largest[1]:.3f}, or for `balanced_accuracy`",
            )


@rule("MET008", (INFO, INFO, WARNING), reads="requirements")
def no_primary_metric(case: Case) -> Iterable[Hit]:
    """Several metrics have targets and none is marked as the one that models are compared by.

    ## Why this is bad
    Baseline, slices and the overfitting limit are held against one metric; it is the first, and moving a line changes it.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84"}, {metric: recall, target: ">= 0.7"}]}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84", primary: true}, {metric: recall, target: ">= 0.7"}]}
    ```

    ## Fix safety
    Safe: the first metric is the primary one already; the fix writes it down.

    ## Source
    Guide, "Technical ML Metrics": primary and secondary metrics; "Common Pitfalls: No Clear Success Metrics".
    """
    wanted = case.project.requirements.metrics
    if len(_names(case)) > 1 and not any(one.primary for one in wanted):
        yield Hit(
            f"none of {len(wanted)} metrics is the primary one, so models are compared by the first, {wanted[0].metric}",
            ("requirements", "metrics"),
            help=f"write `primary: true` at {wanted[0].metric}, or at the one that matters most",
            on="key",
            fix=Fix(
                f"make {wanted[0].metric} the primary metric",
                (Change("set", ("requirements", "metrics", 0, "primary"), True),),
            ),
        )


ONE_SIDED = {
    "recall": "calling every row positive gives a recall of 1",
    "precision": "calling only the surest row positive gives a precision near 1",
    "specificity": "calling no row positive gives a specificity of 1",
}


@rule("MET009", WARNING, reads="requirements")
def one_sided_metric(case: Case) -> Iterable[Hit]:
    """The only target is one that moving the threshold meets, such as recall without precision.

    ## Why this is bad
    Recall and precision trade against each other: a target for one alone is met by a useless model.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: recall, target: ">= 0.9", primary: true}]}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: recall, target: ">= 0.9", primary: true}, {metric: precision, target: ">= 0.3"}]}
    ```

    ## Fix safety
    None: what the other side may cost is for you to say.

    ## Source
    Guide, "Technical ML Metrics"; Davis & Goadrich (2006), The relationship between precision-recall and ROC curves.
    """
    names = _names(case) - case.project.evaluation.metrics.keys()
    if len(_names(case)) == 1 and names <= ONE_SIDED.keys() and case.task == "classification":
        for name in names:
            other = "recall" if name == "precision" else "precision"
            yield Hit(
                f"{name} is the only metric, and {ONE_SIDED[name]}",
                ("requirements", "metrics", 0, "metric"),
                help=f"add a target for `{other}`, `f1` or `average_precision`",
            )


AT_A_THRESHOLD = ("precision", "recall", "specificity", "f1")


@rule("MET010", (None, INFO, INFO), reads="requirements evaluation task")
def threshold_not_chosen(case: Case) -> Iterable[Hit]:
    """Errors are costly, a metric depends on the threshold, and nobody has chosen one.

    ## Why this is bad
    0.5 is right only where a false alarm costs as much as a miss. Where errors are costly that is seldom so.

    ## Bad
    ```yaml
    requirements: {error_cost: high}
    ```

    ## Good
    ```yaml
    requirements: {error_cost: high}
    evaluation: {threshold: 0.3}
    ```

    ## Fix safety
    None: choose it on dev rows, by what a false alarm and a miss cost.

    ## Source
    Guide, "Choosing Automation Level: cost of errors"; Elkan (2001), The foundations of cost-sensitive learning.
    """
    if case.project.requirements.error_cost != "high" or case.wrote("evaluation", "threshold") or not _binary(case):
        return
    for _, wanted, route in _targets(case):
        if wanted.metric in AT_A_THRESHOLD and wanted.metric not in case.project.evaluation.metrics:
            yield Hit(
                f"{wanted.metric} depends on the threshold, which is 0.5 because none is written",
                (*route, "metric"),
                help="write `evaluation.threshold`: the cost of a false alarm over that of a false alarm and a miss together",
                related=(("errors are costly", ("requirements", "error_cost")),),
            )
            return


@rule("MET011", WARNING, reads="requirements")
def perfect_target(case: Case) -> Iterable[Hit]:
    """A target can only be met by a model without a single error.

    ## Why this is bad
    Real labels have errors. A model that makes none has seen the answers, so the gate lets only leaks through.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 1.0", primary: true}]}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.9", primary: true}]}
    ```

    ## Fix safety
    None: how good is good enough is for you to say.

    ## Source
    Guide, "Human-Level Performance: realistic targets"; Kaufman et al. (2012), Leakage in data mining.
    """
    for _, wanted, route in _targets(case):
        known = CATALOGUE.get(wanted.metric)
        if known is None or wanted.metric in case.project.evaluation.metrics:
            continue
        best = known.high if known.greater_is_better else known.low
        if wanted.target.value == best and wanted.target.op == (">=" if known.greater_is_better else "<="):
            yield Hit(
                f"only a model without a single error reaches {wanted.metric} {best:g}",
                (*route, "target"),
                help="ask for what people or the present system reach",
            )


PROBABILITIES = ("log_loss", "brier_score")
UNCALIBRATED = {
    "sklearn.naive_bayes": "naive Bayes pushes probabilities towards 0 and 1",
    "sklearn.k_neighbors": "nearest neighbours answer 0 or 1 where all neighbours agree",
}


@rule("MET012", (INFO, WARNING, WARNING), reads="requirements model")
def probabilities_of_an_uncalibrated_family(case: Case) -> Iterable[Hit]:
    """Probabilities are judged, and the family's probabilities are known to be off.

    ## Why this is bad
    Log loss and the Brier score punish a sure wrong answer hardest, and these families are too sure.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: log_loss, target: "<= 0.4", primary: true}]}
    model: {kind: sklearn.naive_bayes, params: {learning_rate: null}}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: log_loss, target: "<= 0.4", primary: true}]}
    model: {kind: sklearn.logistic_regression, params: {learning_rate: null}}
    baseline: {kind: sklearn.dummy}
    ```

    ## Fix safety
    None: which family fits is for you to say.

    ## Source
    Niculescu-Mizil & Caruana (2005), Predicting good probabilities with supervised learning.
    """
    model = case.project.model
    for _, wanted, route in _targets(case) if model is not None and model.kind in UNCALIBRATED else ():
        if model is not None and wanted.metric in PROBABILITIES:
            yield Hit(
                f"{wanted.metric} judges probabilities, and {UNCALIBRATED[model.kind]}",
                (*route, "metric"),
                help="take `sklearn.logistic_regression` or `sklearn.hist_gradient_boosting`, or judge by `roc_auc`",
                related=(("the family is chosen here", ("model", "kind")),),
            )


@rule("MET013", (INFO, WARNING, WARNING), reads="requirements model")
def probabilities_of_weighted_classes(case: Case) -> Iterable[Hit]:
    """Probabilities are judged, and class weights have moved them.

    ## Why this is bad
    Weights make rare classes count for more, so the model says too high a probability for them; log loss punishes that.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: brier_score, target: "<= 0.2", primary: true}]}
    model: {params: {class_weight: balanced}}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: brier_score, target: "<= 0.2", primary: true}]}
    evaluation: {threshold: 0.3}
    ```

    ## Fix safety
    None: leaving the weights out changes the model.

    ## Source
    Elkan (2001), The foundations of cost-sensitive learning; van den Goorbergh et al. (2022), The harm of class imbalance
    corrections for risk prediction models.
    """
    model = case.project.model
    weights = getattr(model.params, "class_weight", None) if model is not None else None
    # the weights of these two act before their probabilities are calibrated on rows as they are
    if model is None or not weights or model.kind in ("sklearn.svm", "sklearn.ridge"):
        return
    for _, wanted, route in _targets(case):
        if wanted.metric in PROBABILITIES:
            yield Hit(
                f"{wanted.metric} judges probabilities, and `class_weight` shifts them towards rare classes",
                (*route, "metric"),
                help="leave `class_weight` out and choose `evaluation.threshold` instead",
                related=(("the weights are set here", ("model", "params", "class_weight")),),
            )


@rule("MET014", ERROR, reads="requirements")
def contradictory_targets(case: Case) -> Iterable[Hit]:
    """Two targets of one metric cannot both be met.

    ## Why this is bad
    Every run fails its gate, whatever the model.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84", primary: true}, {metric: roc_auc, target: "<= 0.8"}]}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84", primary: true}, {metric: roc_auc, target: "<= 0.99"}]}
    ```

    ## Fix safety
    None: which of the two is meant is for you to say.

    ## Source
    The language: every target is a gate, and a run passes when all of them do.
    """
    for index, wanted, route in _targets(case):
        for first, other, before in _targets(case):
            if first >= index or other.metric != wanted.metric or wanted.target.op[0] == other.target.op[0]:
                continue
            low, high = (wanted.target, other.target) if wanted.target.op[0] == ">" else (other.target, wanted.target)
            if low.value > high.value or (low.value == high.value and not (low.holds(low.value) and high.holds(low.value))):
                yield Hit(
                    f"no {wanted.metric} is {low} and {high}",
                    (*route, "target"),
                    help="keep one of the two",
                    related=(("the other target is here", (*before, "target")),),
                )


@rule("MET015", WARNING, reads="requirements")
def metric_named_twice(case: Case) -> Iterable[Hit]:
    """One metric has two targets in the same direction.

    ## Why this is bad
    Only the stricter one counts; whoever changes the other wonders why nothing happens.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84", primary: true}, {metric: roc_auc, target: ">= 0.8"}]}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84", primary: true}]}
    ```

    ## Fix safety
    Unsafe: the laxer target is taken out; what it was for is lost.

    ## Source
    The language: every target is a gate, and a run passes when all of them do.
    """
    seen: dict[tuple[str, str], int] = {}
    for index, wanted, route in _targets(case):
        key = (wanted.metric, wanted.target.op[0])
        if key not in seen:
            seen[key] = index
            continue
        first = case.project.requirements.metrics[seen[key]]
        stricter_here = first.target.value < wanted.target.value if key[1] == ">" else first.target.value > wanted.target.value
        laxer = seen[key] if stricter_here else index
        fix = None
        if not case.project.requirements.metrics[laxer].primary:
            removal = Change("remove", ("requirements", "metrics", laxer))
            fix = Fix("take the laxer target out", (removal,), safe=False)
        yield Hit(
            f"{wanted.metric} has the target {first.target} already, and only the stricter of the two counts",
            (*route, "metric"),
            help="keep the stricter one",
            related=(("the other target is here", ("requirements", "metrics", seen[key], "target")),),
            fix=fix,
        )


@rule("MET016", ERROR, reads="requirements evaluation")
def target_points_the_wrong_way(case: Case) -> Iterable[Hit]:
    """A target asks for at most so much of a metric that is better the higher it is, or the other way round.

    A metric that also has a target in the right direction may have such a bound: too good to be true is a sign of a leak.

    ## Why this is bad
    The gate passes bad models and stops good ones.

    ## Bad
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: "<= 0.84", primary: true}]}
    ```

    ## Good
    ```yaml
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.84", primary: true}]}
    ```

    ## Fix safety
    Unsafe: the comparison is turned round, which changes what passes.

    ## Source
    Guide, "Functional Requirements: performance targets: specific accuracy or error rate goals".
    """
    right = set()
    for _, wanted, _ in _targets(case):
        if _greater_is_better(case, wanted.metric) == (wanted.target.op[0] == ">"):
            right.add(wanted.metric)
    for _, wanted, route in _targets(case):
        better = _greater_is_better(case, wanted.metric)
        if better is None or wanted.metric in right:
            continue
        op = WRITTEN_BACKWARDS[wanted.target.op]
        meant = str(wanted.target).replace(wanted.target.op, op, 1)
        yield Hit(
            f"{wanted.metric} is better the {'higher' if better else 'lower'} it is, and {wanted.target} passes the worst model",
            (*route, "target"),
            help=f'write "{meant}"',
            fix=Fix(f"write {meant}", (Change("set", (*route, "target"), meant),), safe=False),
        )


@rule("MET017", (None, INFO, WARNING), reads="requirements exports evaluation")
def export_may_miss_the_target(case: Case) -> Iterable[Hit]:
    """An export may lose so much that a model at its target falls below it.

    Losses up to 1 % are taken as rounding.

    ## Why this is bad
    The gate of the export is looser than the requirement: what reaches the device need not be what was asked for.

    ## Bad
    ```yaml
    exports: [{kind: onnx, max_drop: 5 %}]
    ```

    ## Good
    ```yaml
    exports: [{kind: onnx, max_drop: 0.5 %}]
    ```

    ## Fix safety
    None: lower `max_drop`, or raise the target by as much.

    ## Source
    Guide, "Functional Requirements: performance targets"; "Pre-Deployment Checklist: model performance meets requirements".
    """
    primary = case.primary
    if primary is None or _greater_is_better(case, primary.metric) is not True or primary.target.op[0] != ">":
        return
    index = case.project.requirements.metrics.index(primary)
    for position, export in enumerate(case.project.exports):
        drop = getattr(export, "max_drop", None)
        if drop is not None and drop > 0.01 and primary.target.value > 0:
            left = primary.target.value * (1 - drop)
            yield Hit(
                f"the export may lose {drop} of {primary.metric}, so it passes at {left:.3g}; the target is {primary.target}",
                ("exports", position, "max_drop"),
                help=f"allow 1 % at most, or ask the model for {primary.target.value / (1 - drop):.3g}",
                related=(("the target is here", ("requirements", "metrics", index, "target")),),
            )


@rule("MET018", INFO, reads="requirements")
def gate_implied_by_another(case: Case) -> Iterable[Hit]:
    """A target is met by every model that meets another one.

    No error is larger on average than the root of the mean square (mae ≤ rmse), mse is the square of rmse, r2 never exceeds
    explained_variance, and F1 lies between precision and recall.

    ## Why this is bad
    The gate has no effect: it reads like a second safeguard and is none.

    ## Bad
    ```yaml
    requirements:
      metrics:
        - {metric: recall, target: ">= 0.8", primary: true}
        - {metric: precision, target: ">= 0.7"}
        - {metric: f1, target: ">= 0.7"}
    ```

    ## Good
    ```yaml
    requirements:
      metrics:
        - {metric: recall, target: ">= 0.8", primary: true}
        - {metric: precision, target: ">= 0.7"}
        - {metric: f1, target: ">= 0.78"}
    ```

    ## Fix safety
    None: leave it out, or make it stricter.

    ## Source
    Willmott & Matsuura (2005), Advantages of the mean absolute error over the root mean square error; the rest is arithmetic.
    """
    bounds: dict[str, float] = {}
    for _, wanted, _ in _targets(case):
        known = CATALOGUE.get(wanted.metric)
        if known is not None and known.greater_is_better == (wanted.target.op[0] == ">"):
            bounds[wanted.metric] = wanted.target.value
    if case.project.task is not None and case.project.task.positive is None:
        bounds.pop("recall", None)  # with more than two classes F1 is an average and need not lie between the other two
    for _, wanted, route in _targets(case):
        implied = _implied(wanted.metric, bounds) if wanted.metric in bounds and wanted.target.op in (">=", "<=") else None
        if implied is None:
            continue
        by, value = implied
        greater = CATALOGUE[wanted.metric].greater_is_better
        if (value >= wanted.target.value) if greater else (value <= wanted.target.value):
            yield Hit(
                f"whatever meets the target of {by} has {wanted.metric} {'>=' if greater else '<='} {value:.3g}: {wanted.target}"
                " stops no model",
                (*route, "target"),
                help=f"leave it out, or ask for {'more' if greater else 'less'} than {value:.3g}",
            )


def _implied(metric: str, bounds: dict[str, float]) -> tuple[str, float] | None:
    """Return which targets imply a bound of a metric, and that bound."""
    if metric == "mae" and "rmse" in bounds:
        return "rmse", bounds["rmse"]
    if metric == "mse" and "rmse" in bounds:
        return "rmse", bounds["rmse"] ** 2
    if metric == "explained_variance" and "r2" in bounds:
        return "r2", bounds["r2"]
    if metric == "f1" and {"precision", "recall"} <= bounds.keys() and min(bounds["precision"], bounds["recall"]) > 0:
        return "precision and recall", 2 / (1 / bounds["precision"] + 1 / bounds["recall"])
    return None


@rule("MET019", INFO, reads="requirements task", data=True)
def roc_auc_on_a_rare_class(case: Case) -> Iterable[Hit]:
    """ROC AUC is the only word on how good the model is, and the rarer class has less than 10 % of the rows.

    ## Why this is bad
    Among 1,000 rows with 10 positive ones, 50 false alarms move ROC AUC by 0.05 and precision from 1 to 0.17.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: fraud}
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.9", primary: true}]}
    task: {kind: classification, target: fraud}
    data: {sources: {payments: {kind: csv, path: data.csv}}}
    splits: {exact: true}
    model: {kind: sklearn.logistic_regression}
    ```
    ```csv data.csv
    amount,fraud
    1,no
    2,no
    3,no
    4,no
    5,no
    6,no
    7,no
    8,no
    9,no
    10,no
    11,no
    12,no
    13,no
    14,no
    15,no
    16,no
    17,no
    18,no
    19,no
    20,no
    21,no
    22,no
    23,no
    24,no
    25,no
    26,no
    27,no
    28,no
    29,no
    30,no
    31,no
    32,yes
    33,yes
    34,yes
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: fraud}
    requirements: {metrics: [{metric: roc_auc, target: ">= 0.9", primary: true}, {metric: average_precision, target: ">= 0.3"}]}
    task: {kind: classification, target: fraud}
    data: {sources: {payments: {kind: csv, path: data.csv}}}
    splits: {exact: true}
    model: {kind: sklearn.logistic_regression}
    ```
    ```csv data.csv
    amount,fraud
    1,no
    2,no
    3,no
    4,no
    5,no
    6,no
    7,no
    8,no
    9,no
    10,no
    11,no
    12,no
    13,no
    14,no
    15,no
    16,no
    17,no
    18,no
    19,no
    20,no
    21,no
    22,no
    23,no
    24,no
    25,no
    26,no
    27,no
    28,no
    29,no
    30,no
    31,no
    32,yes
    33,yes
    34,yes
    ```

    ## Fix safety
    None: another metric needs another target.

    ## Source
    Saito & Rehmsmeier (2015), The precision-recall plot is more informative than the ROC plot on imbalanced data.
    """
    classes, primary = case.data.classes if case.data else None, case.primary
    if not classes or len(classes) != 2 or primary is None or primary.metric != "roc_auc":
        return
    rare = min(classes, key=lambda one: classes[one])
    share = classes[rare] / max(1, sum(classes.values()))
    if share < 0.1 and not _names(case) & {"average_precision", "precision", "f1", "matthews_corrcoef"}:
        index = case.project.requirements.metrics.index(primary)
        yield Hit(
            f"`{rare}` has {percent(share, 1)} of the rows, and roc_auc does not show what its false alarms cost",
            ("requirements", "metrics", index, "metric"),
            help="add a target for `average_precision`",
        )


@rule("MET020", (INFO, INFO, WARNING), reads="requirements data evaluation")
def human_level_of_an_unjudged_metric(case: Case) -> Iterable[Hit]:
    """The human level is known in a metric that the model has no target in.

    ## Why this is bad
    Nobody can say whether the model is above or below people: the ceiling cannot be compared with anything.

    ## Bad
    ```yaml
    data: {labels: {human_level: {metric: accuracy, value: 0.93, rows: 2000}}}
    ```

    ## Good
    ```yaml
    data: {labels: {human_level: {metric: recall, value: 0.93, rows: 2000}}}
    ```

    ## Fix safety
    None: measure people by the model's metric, or give the model a target in theirs.

    ## Source
    Guide, "Human-Level Performance: set performance ceiling".
    """
    labels = case.project.data.labels if case.project.data else None
    human = labels.human_level if labels else None
    names = _names(case)
    if human is None or not names or human.metric in names:
        return
    known = [*CATALOGUE, *case.project.evaluation.metrics]
    near = None if human.metric in known else guess(human.metric, known)
    word = meant(human.metric) or (near.word if near else None)
    yield Hit(
        f"people are measured by {human.metric}, and the model by {', '.join(sorted(names))}",
        ("data", "labels", "human_level", "metric"),
        help=f"did you mean `{word}`?" if word and word != human.metric else f"add a target for `{human.metric}`",
    )
