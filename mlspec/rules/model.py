"""Rules about the choice of the model and its baseline, and about parameters that cannot work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlspec.diagnostic import Change, Fix, Route
from mlspec.rules._case import Case
from mlspec.rules._families import BOOSTING, DEEP, FORESTS, LEAST_IN_A_LEAF, NETWORKS, ROUNDS, TREES
from mlspec.rules._place import percent
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule

if TYPE_CHECKING:
    from mlspec.families import Family

DUMMY = "sklearn.dummy"
COMPLEXITY = {
    DUMMY: 0,
    "sklearn.linear_regression": 1,
    "sklearn.ridge": 1,
    "sklearn.logistic_regression": 1,
    "sklearn.naive_bayes": 1,
    "sklearn.k_neighbors": 2,
    "sklearn.random_forest": 2,
    "sklearn.extra_trees": 2,
    "sklearn.svm": 2,
    **dict.fromkeys(BOOSTING, 3),
    **dict.fromkeys(sorted(NETWORKS), 3),
}
"""The guide's trade-off, simple (1), medium (2) and complex (3): how hard a model is to train, to follow and to keep up."""

KIND: Route = ("model", "kind")
SMALL, LARGE = 1_000, 100_000
"""The guide's small and large data, in rows."""


def _params(family: Any, name: str) -> Any:
    return getattr(family.params, name, None)


def _rows_are_here(case: Case) -> tuple[tuple[str, Route], ...]:
    route: Route = ("data", "volume", "rows")
    return ((f"there are {case.rows:,} rows", route),) if case.data is None and case.wrote(*route) else ()


def _parameter(case: Case, name: str) -> tuple[Route, str]:
    """Where a parameter of the model is written; else the kind, whose default it is."""
    return (("model", "params", name), "value") if case.wrote("model", "params", name) else (KIND, "value")


@rule("MOD001", (INFO, WARNING, WARNING), reads="model requirements")
def opaque_model_for_explained_decisions(case: Case) -> Iterable[Hit]:
    """People must be able to follow a decision, and the model is a network or works on a curved kernel.

    Trees, forests and boosting are left alone: their decisions can be taken apart by splits.

    ## Why this is bad
    Importances say which columns matter over all rows. Why this customer was refused, such a model cannot say.

    ## Bad
    ```yaml
    requirements: {interpretability: required}
    model: {kind: sklearn.mlp, params: {learning_rate: null}}
    ```

    ## Good
    ```yaml
    requirements: {interpretability: required}
    model: {kind: sklearn.logistic_regression, params: {learning_rate: null}}
    baseline: {kind: sklearn.dummy}
    ```

    ## Fix safety
    None: another family is another model.

    ## Source
    Guide, "Model Complexity Trade-offs: complex: low interpretability"; Rudin (2019), Stop explaining black box models for high
    stakes decisions.
    """
    model = case.project.model
    if model is None or case.project.requirements.interpretability != "required":
        return
    curved = model.kind == "sklearn.svm" and _params(model, "kernel") != "linear"
    if model.kind in NETWORKS or curved:
        yield Hit(
            f"`interpretability` is required, and nobody can follow a decision of {model.kind}",
            KIND,
            help="take a linear model or trees" + (", or `kernel: linear`" if curved else ""),
            related=(("it is demanded here", ("requirements", "interpretability")),),
        )


def _rank(family: Family | None) -> int | None:
    return COMPLEXITY.get(family.kind) if family is not None else None


@rule("MOD002", (INFO, WARNING, WARNING), reads="model baseline")
def complex_first(case: Case) -> Iterable[Hit]:
    """The first model is a complex one, and no simple model is named to compare it with.

    Without `baseline` the model is held against one that always gives the same answer.

    ## Why this is bad
    Without a simple model nobody knows what the complexity is worth; often it is nothing.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: churn}
    requirements: {metrics: [{metric: f1, target: ">= 0.6"}]}
    task: {kind: classification, target: Churn}
    data: {sources: {customers: {kind: csv, path: customers.csv}}}
    model: {kind: sklearn.mlp}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: churn}
    requirements: {metrics: [{metric: f1, target: ">= 0.6"}]}
    task: {kind: classification, target: Churn}
    data: {sources: {customers: {kind: csv, path: customers.csv}}}
    model: {kind: sklearn.mlp}
    baseline: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    Unsafe: a margin over the baseline is measured against the new baseline from then on.

    ## Source
    Guide, "Common Pitfalls: Complex First Solutions: begin with simple baselines".
    """
    model, rank = case.project.model, _rank(case.project.model)
    if model is None or rank is None or rank < 2 or case.project.baseline is not None:
        return
    simple = {"classification": "sklearn.logistic_regression", "regression": "sklearn.ridge"}.get(case.task or "")
    if simple:
        yield Hit(
            f"{model.kind} is compared with nothing but a constant answer",
            KIND,
            help=f"write `baseline: {{kind: {simple}}}`",
            fix=Fix(f"compare with {simple}", (Change("set", ("baseline",), {"kind": simple}),), safe=False),
        )


@rule("MOD003", (INFO, WARNING, WARNING), reads="model baseline")
def baseline_as_complex_as_the_model(case: Case) -> Iterable[Hit]:
    """The baseline is no simpler than the model.

    ## Why this is bad
    Beating it says nothing about whether the complexity is worth its price.

    ## Bad
    ```yaml
    model: {kind: sklearn.random_forest, params: {learning_rate: null}}
    baseline: {kind: sklearn.extra_trees}
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.random_forest, params: {learning_rate: null}}
    baseline: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    None: which model is simple enough is for you to say.

    ## Source
    Guide, "Algorithm Selection Guide: simple baseline, advanced options"; "Model Complexity Trade-offs".
    """
    model, baseline = case.project.model, case.project.baseline
    one, other = _rank(model), _rank(baseline)
    if model is None or baseline is None or one is None or other is None or model.kind == baseline.kind:
        return
    if other > one or (other == one and other >= 2):
        simple = "`sklearn.logistic_regression`" if case.task == "classification" else "`sklearn.ridge`"
        yield Hit(
            f"{baseline.kind} is no simpler than {model.kind}",
            ("baseline", "kind"),
            help=f"take {simple}" if one > 1 else "take `sklearn.dummy`",
            related=(("the model is chosen here", KIND),),
        )


@rule("MOD004", WARNING, reads="model baseline")
def baseline_is_the_model(case: Case) -> Iterable[Hit]:
    """The baseline is the model itself, with the same parameters.

    ## Why this is bad
    The gain over it is 0 in every run, so a margin fails every model and no margin stops none.

    ## Bad
    ```yaml
    model: {kind: sklearn.logistic_regression, params: {learning_rate: null}}
    baseline: {kind: sklearn.logistic_regression}
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.logistic_regression, params: {learning_rate: null}}
    baseline: {kind: sklearn.dummy}
    ```

    ## Fix safety
    Unsafe: the margin over the baseline is measured against a constant answer from then on.

    ## Source
    Guide, "Training Best Practices: start with simple baseline models".
    """
    model, baseline = case.project.model, case.project.baseline
    if model is None or baseline is None or model.kind != baseline.kind or model.kind in ("custom", DUMMY):
        return
    if dict(model.params) == dict(baseline.params):
        dummy = Change("set", ("baseline",), {"kind": DUMMY})
        yield Hit(
            f"model and baseline are both {model.kind} with the same parameters",
            ("baseline", "kind"),
            help="name a simpler one, such as `sklearn.dummy`",
            related=(("the model is chosen here", KIND),),
            fix=Fix("compare with a constant answer", (dummy,), safe=False),
        )


@rule("MOD005", (INFO, WARNING, WARNING), reads="model data splits")
def network_on_few_rows(case: Case) -> Iterable[Hit]:
    """A network learns from fewer than 1,000 rows.

    ## Why this is bad
    It has thousands of weights and learns the rows by heart; on small tables linear models and trees are better and steadier.

    ## Bad
    ```yaml
    data: {volume: {rows: 900}}
    model: {kind: sklearn.mlp, params: {learning_rate: null}}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 900}}
    model: {kind: sklearn.logistic_regression, params: {learning_rate: null}}
    baseline: {kind: sklearn.dummy}
    ```

    ## Fix safety
    None: another family is another model.

    ## Source
    Guide, "Model Selection Guide: tabular data: small dataset → Logistic Regression, Random Forest"; Grinsztajn et al. (2022),
    Why do tree-based models still outperform deep learning on tabular data.
    """
    model, split = case.project.model, case.split_rows
    if model is not None and model.kind in NETWORKS and not model.own and split is not None and split.train < SMALL:
        yield Hit(
            f"a network learns from {split.train:,} rows",
            KIND,
            help="the guide for small tables: "
            + ("`sklearn.logistic_regression`, `sklearn.random_forest`" if case.task == "classification" else "`sklearn.ridge`"),
            related=_rows_are_here(case),
        )


@rule("MOD006", (INFO, WARNING, WARNING), reads="model data splits")
def neighbours_of_many_rows(case: Case) -> Iterable[Hit]:
    """Nearest neighbours are looked for among more than 100,000 rows.

    ## Why this is bad
    The model is its training rows: it is as large as they are, and each answer searches all of them.

    ## Bad
    ```yaml
    data: {volume: {rows: 2000000}}
    model: {kind: sklearn.k_neighbors, params: {learning_rate: null}}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 20000}}
    model: {kind: sklearn.k_neighbors, params: {learning_rate: null}}
    ```

    ## Fix safety
    None: another family is another model.

    ## Source
    Measured: 20 columns, one answer among 100,000 rows takes 138 ms on two cores, among 10,000 rows 21 ms. Guide, "Model
    Selection Guide: large dataset → XGBoost, LightGBM".
    """
    model, split = case.project.model, case.split_rows
    if model is not None and model.kind == "sklearn.k_neighbors" and split is not None and split.train > LARGE:
        yield Hit(
            f"each answer searches {split.train:,} rows, and the model carries all of them",
            KIND,
            help="take boosted trees, such as `lightgbm` or `xgboost`, which are as large however many rows they have seen",
            related=_rows_are_here(case),
        )


@rule("MOD007", (INFO, WARNING, WARNING), reads="model data splits")
def kernel_machine_on_many_rows(case: Case) -> Iterable[Hit]:
    """A support vector machine is fitted on more than 100,000 rows.

    ## Why this is bad
    Its time grows with the square of the rows or faster: ten times the rows take a hundred times as long, and six fits for
    classes (five folds calibrate).

    ## Bad
    ```yaml
    data: {volume: {rows: 1000000}}
    model: {kind: sklearn.svm, params: {learning_rate: null, kernel: linear}}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 20000}}
    model: {kind: sklearn.svm, params: {learning_rate: null, kernel: linear}}
    ```

    ## Fix safety
    None: another family is another model.

    ## Source
    Measured: one fit on 20 columns takes 0.5 s for 8,000 rows and 2.2 s for 16,000. Guide, "Model Selection Guide: large
    dataset → XGBoost, LightGBM".
    """
    model, split = case.project.model, case.split_rows
    if model is not None and model.kind == "sklearn.svm" and split is not None and split.train > LARGE:
        other = "sklearn.logistic_regression" if case.task == "classification" else "sklearn.ridge"
        yield Hit(
            f"the time of {model.kind} grows with the square of {split.train:,} rows",
            KIND,
            help=f"take boosted trees, such as `lightgbm` or `xgboost`, or `{other}` for a linear model",
            related=_rows_are_here(case),
        )


@rule("MOD008", ERROR, reads="model features")
def counts_model_on_scaled_numbers(case: Case) -> Iterable[Hit]:
    """Naive Bayes for counts gets numbers that a transform has made negative.

    ## Why this is bad
    Counts are never negative: the fit stops with an error.

    ## Bad
    ```yaml
    features: [{kind: scale, with: standard}]
    model: {kind: sklearn.naive_bayes, params: {learning_rate: null, distribution: multinomial}}
    ```

    ## Good
    ```yaml
    features: [{kind: scale, with: minmax}]
    model: {kind: sklearn.naive_bayes, params: {learning_rate: null, distribution: multinomial}}
    ```

    ## Fix safety
    Unsafe: `minmax` gives other numbers.

    ## Source
    Rennie et al. (2003), Tackling the poor assumptions of naive Bayes text classifiers: the multinomial model is one of counts.
    """
    model = case.project.model
    if (
        model is None
        or model.kind != "sklearn.naive_bayes"
        or _params(model, "distribution") not in ("multinomial", "complement")
    ):
        return
    scales = [(index, one) for index, one in enumerate(case.project.features) if one.kind == "scale"]
    if not scales:
        return
    index, last = scales[-1]
    how = getattr(last, "with_", None)
    after = {one.kind for one in case.project.features[index + 1 :]}
    if how in ("standard", "robust") and not after & {"bin", "custom", "drop", "select"}:
        route: Route = ("features", index, "with")
        yield Hit(
            f"`{how}` gives negative numbers, and the distribution `{_params(model, 'distribution')}` is one of counts",
            route if case.wrote(*route) else ("features", index),
            help="write `with: minmax`, or `distribution: gaussian`",
            related=(("the distribution is chosen here", ("model", "params", "distribution")),),
            fix=Fix("scale to 0 and 1", (Change("set", route, "minmax"),), safe=False),
        )


@rule("MOD009", INFO, reads="model evaluation")
def class_weight_and_threshold(case: Case) -> Iterable[Hit]:
    """Rare classes are favoured twice: by weights in training and by a threshold below one half.

    ## Why this is bad
    Both move the same line. Together they call far more rows positive than either was chosen for.

    ## Bad
    ```yaml
    model: {params: {class_weight: balanced}}
    evaluation: {threshold: 0.3}
    ```

    ## Good
    ```yaml
    evaluation: {threshold: 0.3}
    ```

    ## Fix safety
    Unsafe: the model changes.

    ## Source
    Elkan (2001), The foundations of cost-sensitive learning: weights and thresholds are two ways to the same decision.
    """
    model = case.project.model
    if model is None or case.project.evaluation.threshold >= 0.5 or not _params(model, "class_weight"):
        return
    if model.kind in ("sklearn.svm", "sklearn.ridge"):  # their probabilities are calibrated after the weights have acted
        return
    route: Route = ("model", "params", "class_weight")
    yield Hit(
        f"the classes are weighted, and the threshold is {case.project.evaluation.threshold:g}: both favour the rare one",
        route,
        help="keep the threshold, which can be chosen anew without training",
        related=(("the threshold is set here", ("evaluation", "threshold")),),
        fix=Fix("leave the weights out", (Change("remove", route),), safe=False),
    )


@rule("MOD010", INFO, reads="model")
def more_trees_than_help(case: Case) -> Iterable[Hit]:
    """A forest has more than 1,000 trees.

    ## Why this is bad
    Size and the time of each answer grow with every tree, and beyond some hundred trees nothing is gained.

    ## Bad
    ```yaml
    model: {kind: sklearn.random_forest, params: {learning_rate: null, n_estimators: 5000}}
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.random_forest, params: {learning_rate: null, n_estimators: 300}}
    ```

    ## Fix safety
    Unsafe: the model changes a little.

    ## Source
    Measured: 3,000 rows, three folds: ROC AUC 0.877 with 100 trees, 0.879 with 300, 0.881 with 1,000 at nine times the time of
    100. Oshiro, Perez & Baranauskas (2012), How many trees in a random forest?
    """
    model = case.project.model
    if model is not None and model.kind in FORESTS and _params(model, "n_estimators") > 1_000:
        route: Route = ("model", "params", "n_estimators")
        yield Hit(
            f"{_params(model, 'n_estimators'):,} trees answer each request",
            route,
            help="300 are nearly as good",
            fix=Fix("grow 300 trees", (Change("set", route, 300),), safe=False),
        )


@rule("MOD011", WARNING, reads="model")
def learning_rate_too_high(case: Case) -> Iterable[Hit]:
    """The learning rate is far above what the method is made for.

    That is above 0.5 for boosting and above 0.1 for a network.

    ## Why this is bad
    Each step overshoots: boosting fits noise with its first trees, a network does not settle.

    ## Bad
    ```yaml
    model: {params: {learning_rate: 0.9}}
    ```

    ## Good
    ```yaml
    model: {params: {learning_rate: 0.1}}
    ```

    ## Fix safety
    Unsafe: the model changes.

    ## Source
    Friedman (2001), Greedy function approximation: shrinkage of 0.1 or less; Kingma & Ba (2015), Adam: 0.001.
    """
    model = case.project.model
    if model is None:
        return
    name, most, usual = ("learning_rate", 0.5, 0.1) if model.kind in BOOSTING else ("learning_rate_init", 0.1, 0.001)
    name = "learning_rate" if model.kind in DEEP else name
    rate = _params(model, name)
    if model.kind in {"sklearn.mlp", *BOOSTING, *DEEP} and isinstance(rate, int | float) and rate > most:
        route: Route = ("model", "params", name)
        yield Hit(
            f"a step of {rate:g} overshoots",
            route,
            help=f"{usual:g} is usual",
            fix=Fix(f"write {usual:g}", (Change("set", route, usual),), safe=False),
        )


@rule("MOD012", WARNING, reads="model")
def boosting_stops_too_early(case: Case) -> Iterable[Hit]:
    """Boosting has so few trees of so little weight that most of the error must remain.

    Even if every tree fitted what is left without fault, (1 - learning rate) to the power of the trees would remain (of squared
    errors' roots; of log-odds it is a rule of thumb). The rule speaks above 20 %.

    ## Why this is bad
    The model stays close to a constant answer, and its score looks as if the data held no more.

    ## Bad
    ```yaml
    model: {params: {learning_rate: 0.001, max_iter: 100}}
    ```

    ## Good
    ```yaml
    model: {params: {learning_rate: 0.05, max_iter: 300}}
    ```

    ## Fix safety
    None: more trees, or a higher rate.

    ## Source
    Friedman (2001), Greedy function approximation: the smaller the rate, the more trees; guide, "Common Issues: model
    underfitting".
    """
    model = case.project.model
    if model is None or model.kind not in BOOSTING:
        return
    rounds = ROUNDS[model.kind]
    rate, trees = float(_params(model, "learning_rate")), int(_params(model, rounds))
    left = max(0.0, 1 - rate) ** trees
    if left > 0.2:
        route, on = _parameter(case, "learning_rate" if case.wrote("model", "params", "learning_rate") else rounds)
        yield Hit(
            f"{trees:,} trees at a learning rate of {rate:g} leave {percent(left)} of the error, however well they fit",
            route,
            help=f"raise `{rounds}` or `learning_rate`: their product should be 3 or more",
            on=on,
        )


@rule("MOD013", INFO, reads="model data requirements")
def boosting_on_few_rows(case: Case) -> Iterable[Hit]:
    """Boosting is the model, and there are fewer than 1,000 rows.

    ## Why this is bad
    The guide's tree for tables says: small dataset → Logistic Regression, Random Forest. Boosting needs rows to hold back and to
    tune on.

    ## Bad
    ```yaml
    data: {volume: {rows: 600}}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 600}}
    model: {kind: sklearn.random_forest, params: {learning_rate: null}}
    ```

    ## Fix safety
    None: another family is another model.

    ## Source
    Guide, "Model Selection Guide: tabular data: small dataset → Logistic Regression, Random Forest".
    """
    model, rows = case.project.model, case.rows
    if model is not None and model.kind in BOOSTING and rows is not None and rows < SMALL:
        other = (
            "Logistic Regression, Random Forest" if case.task == "classification" else "Linear/Ridge Regression, Random Forest"
        )
        yield Hit(
            f"boosting learns from {rows:,} rows",
            KIND,
            help=f"the guide says for small tables: {other}",
            related=_rows_are_here(case),
        )


@rule("MOD014", INFO, reads="model data requirements")
def simple_model_on_many_rows(case: Case) -> Iterable[Hit]:
    """A simple model is trained on more than 100,000 rows, and nobody asks that people can follow it.

    ## Why this is bad
    The guide's tree for tables says: large dataset → XGBoost, LightGBM. With so many rows a simple model leaves much unlearnt.

    ## Bad
    ```yaml
    requirements: {interpretability: none}
    data: {volume: {rows: 5000000}}
    model: {kind: sklearn.logistic_regression, params: {learning_rate: null}}
    baseline: {kind: sklearn.dummy}
    ```

    ## Good
    ```yaml
    requirements: {interpretability: none}
    data: {volume: {rows: 5000000}}
    ```

    ## Fix safety
    None: another family is another model.

    ## Source
    Guide, "Model Selection Guide: tabular data: large dataset → XGBoost, LightGBM".
    """
    model, rows = case.project.model, case.rows
    if _rank(model) != 1 or rows is None or rows <= LARGE or case.project.requirements.interpretability != "none":
        return
    yield Hit(
        f"a simple model learns from {rows:,} rows",
        KIND,
        help="the guide says for large tables: boosting, here `xgboost` or `lightgbm`, with this model as the baseline",
        related=_rows_are_here(case),
    )


@rule("MOD015", (INFO, WARNING, ERROR), reads="model")
def model_that_learns_nothing(case: Case) -> Iterable[Hit]:
    """The model is the one that always gives the same answer.

    ## Why this is bad
    It looks at no feature. It is what others are compared with, and no model to be used.

    ## Bad
    ```yaml
    model: {kind: sklearn.dummy, params: {learning_rate: null}}
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.logistic_regression, params: {learning_rate: null}}
    baseline: {kind: sklearn.dummy}
    ```

    ## Fix safety
    None: which model is right is for you to say.

    ## Source
    Guide, "Training Best Practices: start with simple baseline models": a baseline is where one starts.
    """
    if case.project.model is not None and case.project.model.kind == DUMMY:
        simple = "sklearn.logistic_regression" if case.task == "classification" else "sklearn.ridge"
        yield Hit(f"{DUMMY} looks at no feature", KIND, help=f"train `{simple}`, and make {DUMMY} the baseline")


@rule("MOD016", (INFO, WARNING, WARNING), reads="model features")
def scaling_switched_off(case: Case) -> Iterable[Hit]:
    """Scaling is switched off for a family that works on distances or sums of columns.

    Without a `scale` transform such a family gets standardised numbers by itself.

    ## Why this is bad
    The column with the largest numbers decides alone: an income in euros drowns an age in years.

    ## Bad
    ```yaml
    features: [{kind: scale, with: none}]
    model: {kind: sklearn.k_neighbors, params: {learning_rate: null}}
    ```

    ## Good
    ```yaml
    features: [{kind: scale, with: standard}]
    model: {kind: sklearn.k_neighbors, params: {learning_rate: null}}
    ```

    ## Fix safety
    Unsafe: the model changes.

    ## Source
    Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, sections 3.4 and 13.3: standardise the inputs.
    """
    model = case.project.model
    if model is None or not model.needs().scale or model.kind == "sklearn.linear_regression":
        return
    for index, one in enumerate(case.project.features):
        chosen = getattr(one, "columns", None)
        if (
            one.kind == "scale"
            and getattr(one, "with_", "") == "none"
            and (not chosen or getattr(chosen, "type", "") == "number")
        ):
            route: Route = ("features", index, "with")
            yield Hit(
                f"{model.kind} weighs columns by how large their numbers are, and they are not scaled",
                route,
                help="write `with: standard`",
                related=(("the family is chosen here", KIND),),
                fix=Fix("standardise numbers", (Change("set", route, "standard"),), safe=False),
            )


@rule("MOD017", (INFO, WARNING, WARNING), reads="model features splits task")
def trees_cannot_extrapolate(case: Case) -> Iterable[Hit]:
    """Trees predict a number of the future from the year or the time that has passed.

    ## Why this is bad
    Trees answer with what they saw on either side of a split: every future year gets the answer of the last one, so a trend ends
    where training ends.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: sales}
    requirements: {metrics: [{metric: rmse, target: "<= 12"}]}
    task: {kind: regression, target: sales}
    data:
      sources: {shops: {kind: csv, path: shops.csv}}
      columns: {day: {role: time, type: date}, sales: {role: target, type: number}}
    splits: {strategy: temporal, time: day}
    features: [{kind: dates, columns: [day], parts: [elapsed, day_of_year]}]
    model: {kind: sklearn.hist_gradient_boosting}
    baseline: {kind: sklearn.ridge}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: sales}
    requirements: {metrics: [{metric: rmse, target: "<= 12"}]}
    task: {kind: regression, target: sales}
    data:
      sources: {shops: {kind: csv, path: shops.csv}}
      columns: {day: {role: time, type: date}, sales: {role: target, type: number}}
    splits: {strategy: temporal, time: day}
    features: [{kind: dates, columns: [day], parts: [day_of_year]}]
    model: {kind: sklearn.hist_gradient_boosting}
    baseline: {kind: sklearn.ridge}
    ```

    ## Fix safety
    None: leave these parts out, predict the change, or take a linear model.

    ## Source
    Guide, "Algorithm Selection Guide: time series: consider seasonality and trends"; Hastie, Tibshirani & Friedman (2009),
    section 9.2: a tree is constant in each region.
    """
    model = case.project.model
    if model is None or model.kind not in TREES or case.task != "regression":
        return
    if case.project.splits.strategy != "temporal":
        return
    for index, one in enumerate(case.project.features):
        growing = [part for part in getattr(one, "parts", ()) if part in ("elapsed", "year")] if one.kind == "dates" else []
        if growing:
            route: Route = ("features", index, "parts")
            yield Hit(
                f"{model.kind} has seen no later `{growing[0]}` than the last of training, and answers all of them alike",
                route if case.wrote(*route) else ("features", index),
                help="write only `parts` that come round again, such as `[month, day_of_week]`, or take a linear model",
                related=(("the family is chosen here", KIND),),
            )


@rule("MOD018", ERROR, reads="model data splits")
def more_neighbours_than_rows(case: Case) -> Iterable[Hit]:
    """More neighbours are asked for than there are training rows.

    ## Why this is bad
    There are not so many to be found: the first prediction stops with an error.

    ## Bad
    ```yaml
    data: {volume: {rows: 500}}
    model: {kind: sklearn.k_neighbors, params: {learning_rate: null, n_neighbors: 400}}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 500}}
    model: {kind: sklearn.k_neighbors, params: {learning_rate: null, n_neighbors: 15}}
    ```

    ## Fix safety
    None: how many are right is for you to say; the square root of the rows is usual.

    ## Source
    The language: scikit-learn's own limit. Hall, Park & Samworth (2008), Choice of neighbor order in nearest-neighbor
    classification.
    """
    model, split = case.project.model, case.split_rows
    if model is None or model.kind != "sklearn.k_neighbors" or split is None:
        return
    asked = _params(model, "n_neighbors")
    if asked > split.train:
        yield Hit(
            f"{asked:,} neighbours are asked for among {split.train:,} training rows",
            _parameter(case, "n_neighbors")[0],
            help=f"about {max(1, round(split.train**0.5))} is usual",
            related=_rows_are_here(case),
        )


@rule("MOD019", (WARNING, WARNING, ERROR), reads="model data splits")
def leaves_larger_than_the_data(case: Case) -> Iterable[Hit]:
    """Leaves must hold so many rows that no tree can be split even once.

    ## Why this is bad
    Every tree is a single leaf: the model gives the same answer to every row.

    ## Bad
    ```yaml
    data: {volume: {rows: 2000}}
    model: {params: {min_samples_leaf: 1000}}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 2000}}
    model: {params: {min_samples_leaf: 20}}
    ```

    ## Fix safety
    None: how large leaves should be is for you to say.

    ## Source
    Guide, "Common Issues: model underfitting". The rest is arithmetic of the language: a split makes two leaves.
    """
    model, split = case.project.model, case.split_rows
    if model is None or model.kind not in LEAST_IN_A_LEAF or split is None:
        return
    name = LEAST_IN_A_LEAF[model.kind]
    least = _params(model, name)
    if isinstance(least, int) and 2 * least > split.train:
        yield Hit(
            f"two leaves of {least:,} rows need more than the {split.train:,} training rows: no tree is ever split",
            _parameter(case, name)[0],
            help=f"write {max(1, split.train // 50)} or less",
            related=_rows_are_here(case),
        )
