"""Rules about fitting: searches that cannot find what they look for, and settings without effect."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from mlspec.diagnostic import Change, Fix, Route
from mlspec.rules._case import Case
from mlspec.rules._families import ROUNDS
from mlspec.rules._place import percent, place
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule

if TYPE_CHECKING:
    from mlspec.spec.tuning import Range, Tuning

TUNING: Route = ("training", "tuning")
SPACE: Route = (*TUNING, "space")
UNCOUNTED = 10.0**12


def _tuning(case: Case) -> Tuning | None:
    return case.project.training.tuning


def _choices(one: Range) -> int | None:
    """How many values a range has; None where they cannot be counted."""
    if one.values is not None:
        return len(set(map(str, one.values)))
    if one.step is not None and one.low is not None and one.high is not None:
        return math.floor(min((one.high - one.low) / one.step, UNCOUNTED) + 1e-9) + 1
    return None


def _combinations(tuning: Tuning) -> int | None:
    counts = [_choices(one) for one in tuning.space.values()]
    return math.prod(count for count in counts if count is not None) if None not in counts else None


def _rows_are_here(case: Case) -> tuple[tuple[str, Route], ...]:
    route: Route = ("data", "volume", "rows")
    return ((f"there are {case.rows:,} rows", route),) if case.data is None and case.wrote(*route) else ()


@rule("TRA001", WARNING, reads="training")
def grid_explosion(case: Case) -> Iterable[Hit]:
    """A grid has more combinations than are tried, or more than 1,000.

    ## Why this is bad
    A grid that is cut off has searched one corner only; each further parameter multiplies the work.

    ## Bad
    ```yaml
    training:
      tuning:
        method: grid
        trials: 30
        space: {learning_rate: {values: [0.01, 0.03, 0.1, 0.3]}, max_leaf_nodes: {low: 10, high: 100, step: 10}}
    ```

    ## Good
    ```yaml
    training:
      tuning:
        method: random
        trials: 30
        space: {learning_rate: {values: [0.01, 0.03, 0.1, 0.3]}, max_leaf_nodes: {low: 10, high: 100, step: 10}}
    ```

    ## Fix safety
    Unsafe: other combinations are tried.

    ## Source
    Guide, "Hyperparameter Tuning Methods: grid search: small parameter space"; Bergstra & Bengio (2012), Random search for
    hyper-parameter optimization.
    """
    tuning = _tuning(case)
    wanted = _combinations(tuning) if tuning is not None and tuning.method == "grid" else None
    if tuning is None or wanted is None or wanted <= min(tuning.trials, 1_000):
        return
    few = wanted > tuning.trials
    yield Hit(
        f"the grid has {wanted:,} combinations" + (f", and {tuning.trials:,} are tried" if few else ""),
        (*TUNING, "method"),
        help="write `method: random` or `bayesian`, which spread their trials over the whole space",
        related=(("so many are tried", (*TUNING, "trials")),) if few and case.wrote(*TUNING, "trials") else (),
        fix=Fix("search at random", (Change("set", (*TUNING, "method"), "random"),), safe=False)
        if tuning.trials >= 5 * len(tuning.space)
        else None,
    )


@rule("TRA002", ERROR, reads="training")
def grid_without_steps(case: Case) -> Iterable[Hit]:
    """A grid is to be laid over a range that has neither steps nor values.

    ## Why this is bad
    Between two numbers lie infinitely many: nothing says which of them the grid has.

    ## Bad
    ```yaml
    training: {tuning: {method: grid, trials: 5, space: {learning_rate: {low: 0.01, high: 0.3}}}}
    ```

    ## Good
    ```yaml
    training: {tuning: {method: grid, trials: 5, space: {learning_rate: {values: [0.01, 0.03, 0.1, 0.3]}}}}
    ```

    ## Fix safety
    None: which values are worth a trial is for you to say.

    ## Source
    Guide, "Hyperparameter Tuning Methods: grid search: small parameter space".
    """
    tuning = _tuning(case)
    for name, one in tuning.space.items() if tuning is not None and tuning.method == "grid" else ():
        if _choices(one) is None:
            yield Hit(
                f"`{name}` has no steps between {one.low:g} and {one.high:g}",
                (*SPACE, name),
                help="write `values`, or a `step`",
                on="key",
                related=(("a grid is laid here", (*TUNING, "method")),),
            )


@rule("TRA003", (None, INFO, WARNING), reads="training")
def too_few_trials(case: Case) -> Iterable[Hit]:
    """A search has fewer than five trials for each parameter.

    ## Why this is bad
    Trials at random hit the best twentieth of a space with a chance of 1 - 0.95^n: 23 % for five, 79 % for thirty.

    ## Bad
    ```yaml
    training:
      tuning:
        trials: 6
        space: {learning_rate: {low: 0.01, high: 0.3, log: true}, max_leaf_nodes: {low: 8, high: 64}}
    ```

    ## Good
    ```yaml
    training:
      tuning:
        trials: 30
        space: {learning_rate: {low: 0.01, high: 0.3, log: true}, max_leaf_nodes: {low: 8, high: 64}}
    ```

    ## Fix safety
    Unsafe: the search takes longer.

    ## Source
    Bergstra & Bengio (2012), Random search for hyper-parameter optimization; guide, "Hyperparameter Tuning Methods".
    """
    tuning = _tuning(case)
    if tuning is None or tuning.method == "grid":
        return
    wanted, combinations = 5 * len(tuning.space), _combinations(tuning)
    if tuning.trials < wanted and (combinations is None or tuning.trials < combinations):
        hit = 1 - 0.95**tuning.trials
        enough = max(wanted, min(60, 10 * len(tuning.space)))
        enough = enough if combinations is None else min(enough, combinations)
        route, on = place(case, *TUNING, "trials")
        yield Hit(
            f"{tuning.trials} trials for {len(tuning.space)} parameters: at random they find the best twentieth with a"
            f" chance of {percent(hit)}",
            route,
            help=f"write `trials: {enough}`",
            on=on,
            fix=Fix(f"try {enough}", (Change("set", (*TUNING, "trials"), enough),), safe=False),
        )


@rule("TRA004", INFO, reads="training")
def more_trials_than_combinations(case: Case) -> Iterable[Hit]:
    """A search has more trials than there are combinations.

    ## Why this is bad
    Combinations are tried twice, and the time is lost.

    ## Bad
    ```yaml
    training: {tuning: {method: random, trials: 30, space: {learning_rate: {values: [0.01, 0.03, 0.1, 0.3]}}}}
    ```

    ## Good
    ```yaml
    training: {tuning: {method: grid, trials: 4, space: {learning_rate: {values: [0.01, 0.03, 0.1, 0.3]}}}}
    ```

    ## Fix safety
    Unsafe: another method chooses the trials.

    ## Source
    Guide, "Hyperparameter Tuning Methods: grid search: small parameter space".
    """
    tuning = _tuning(case)
    wanted = _combinations(tuning) if tuning is not None and tuning.method != "grid" else None
    if tuning is not None and wanted is not None and 1 < wanted < tuning.trials:
        route, on = place(case, *TUNING, "trials")
        changes = (Change("set", (*TUNING, "method"), "grid"), Change("set", (*TUNING, "trials"), wanted))
        yield Hit(
            f"there are {wanted} combinations, and {tuning.trials} trials",
            route,
            help=f"write `method: grid` and `trials: {wanted}`",
            on=on,
            fix=Fix("try each combination once", changes, safe=False),
        )


@rule("TRA005", WARNING, reads="training model")
def tuned_parameter_also_set(case: Case) -> Iterable[Hit]:
    """A parameter is both set and searched.

    ## Why this is bad
    Only one of the two can count, and a reader cannot tell which.

    ## Bad
    ```yaml
    model: {params: {learning_rate: 0.1}}
    training: {tuning: {trials: 10, space: {learning_rate: {low: 0.01, high: 0.3, log: true}}}}
    ```

    ## Good
    ```yaml
    model: {params: {learning_rate: null}}
    training: {tuning: {trials: 10, space: {learning_rate: {low: 0.01, high: 0.3, log: true}}}}
    ```

    ## Fix safety
    Unsafe: as long as nothing is searched, the family's default counts then.

    ## Source
    Guide, "Training Best Practices: document all hyperparameter choices".
    """
    tuning = _tuning(case)
    for name in tuning.space if tuning is not None else ():
        route: Route = ("model", "params", name)
        if case.wrote(*route):
            yield Hit(
                f"`{name}` is set to {case.written(*route)} and searched as well",
                route,
                help="take it out of `model.params`, or out of the search",
                on="key",
                related=(("it is searched here", (*SPACE, name)),),
                fix=Fix(f"leave `{name}` to the search", (Change("remove", route),), safe=False),
            )


def _tried(name: str, one: Range) -> Iterator[tuple[Route, Any]]:
    """Yield the values that a search surely tries of a range, with their routes."""
    if one.values is not None:
        yield from (((*SPACE, name, "values", index), value) for index, value in enumerate(one.values))
        return
    for key in ("low", "high"):
        value = getattr(one, key)
        yield (*SPACE, name, key), int(value) if float(value).is_integer() else value


@rule("TRA006", ERROR, reads="training model")
def value_that_the_family_refuses(case: Case) -> Iterable[Hit]:
    """A search tries values that the parameter cannot have.

    ## Why this is bad
    The trial stops with an error, in the middle of the search.

    ## Bad
    ```yaml
    model: {params: {learning_rate: null}}
    training: {tuning: {trials: 10, space: {learning_rate: {low: 0, high: 0.3}}}}
    ```

    ## Good
    ```yaml
    model: {params: {learning_rate: null}}
    training: {tuning: {trials: 10, space: {learning_rate: {low: 0.01, high: 0.3}}}}
    ```

    ## Fix safety
    None: which values are worth a trial is for you to say.

    ## Source
    The language: the same checks as for `model.params`.
    """
    tuning, model = _tuning(case), case.project.model
    if tuning is None or model is None or model.own:
        return
    known = type(model.params).model_fields
    for name, one in tuning.space.items():
        for route, value in _tried(name, one) if name in known else ():
            reason = _refused(type(model.params), name, value)
            if reason:
                yield Hit(
                    f"`{name}` cannot be {value}: {reason}",
                    route,
                    help=f"`{name}`: {known[name].description or 'see the family'}",
                    related=(("the family is chosen here", ("model", "kind")),),
                )


def _refused(params: Any, name: str, value: Any) -> str:
    for meant in (value, float(value)) if isinstance(value, int) and not isinstance(value, bool) else (value,):
        try:
            params.model_validate({name: meant})
        except ValidationError as error:
            reason = str(error.errors(include_url=False, include_context=False)[0]["msg"])
        else:
            return ""
    return f"{reason[0].lower()}{reason[1:]}"


@rule("TRA007", INFO, reads="training")
def range_without_log(case: Case) -> Iterable[Hit]:
    """A range spans two orders of magnitude or more, and the search is not even over them.

    ## Why this is bad
    Between 0.001 and 1, nine trials of ten are above 0.1: the small values are never tried.

    ## Bad
    ```yaml
    model: {params: {learning_rate: null}}
    training: {tuning: {trials: 30, space: {learning_rate: {low: 0.001, high: 0.5}}}}
    ```

    ## Good
    ```yaml
    model: {params: {learning_rate: null}}
    training: {tuning: {trials: 30, space: {learning_rate: {low: 0.001, high: 0.5, log: true}}}}
    ```

    ## Fix safety
    Unsafe: other values are tried.

    ## Source
    Bergstra & Bengio (2012), Random search for hyper-parameter optimization: learning rates and penalties are drawn evenly over
    orders of magnitude.
    """
    tuning = _tuning(case)
    for name, one in tuning.space.items() if tuning is not None else ():
        if one.low is None or one.high is None or one.log or one.step is not None:
            continue
        if one.low > 0 and one.high / one.low >= 100:
            route: Route = (*SPACE, name)
            yield Hit(
                f"`{name}` spans {math.log10(one.high) - math.log10(one.low):.1f} orders of magnitude, and"
                f" {percent(0.9 * one.high / (one.high - one.low))} of the trials are in the last",
                route,
                help="add `log: true`",
                on="key",
                fix=Fix("search evenly over orders of magnitude", (Change("set", (*route, "log"), True),), safe=False),
            )


@rule("TRA008", WARNING, reads="training")
def nothing_to_search(case: Case) -> Iterable[Hit]:
    """A parameter of the search has one value only.

    ## Why this is bad
    Nothing is searched; it reads as if there were a choice.

    ## Bad
    ```yaml
    model: {params: {learning_rate: null}}
    training: {tuning: {trials: 10, space: {learning_rate: {values: [0.1]}, max_leaf_nodes: {low: 8, high: 64}}}}
    ```

    ## Good
    ```yaml
    model: {params: {learning_rate: 0.1}}
    training: {tuning: {trials: 10, space: {max_leaf_nodes: {low: 8, high: 64}}}}
    ```

    ## Fix safety
    None: move it to `model.params`, or add values.

    ## Source
    Guide, "Training Best Practices: document all hyperparameter choices".
    """
    tuning = _tuning(case)
    for name, one in tuning.space.items() if tuning is not None else ():
        if _choices(one) == 1:
            yield Hit(
                f"`{name}` has one value",
                (*SPACE, name),
                help=f"write it in `model.params.{name}`, or add values",
                on="key",
            )


@rule("TRA009", WARNING, reads="training")
def trials_that_learn_nothing(case: Case) -> Iterable[Hit]:
    """All trials of a Bayesian search run at the same time.

    ## Why this is bad
    The method chooses a trial by the results of earlier ones. Without earlier ones it draws at random.

    ## Bad
    ```yaml
    model: {params: {learning_rate: null}}
    training: {tuning: {method: bayesian, trials: 20, parallel: 20, space: {learning_rate: {low: 0.01, high: 0.3, log: true}}}}
    ```

    ## Good
    ```yaml
    model: {params: {learning_rate: null}}
    training: {tuning: {method: bayesian, trials: 20, parallel: 4, space: {learning_rate: {low: 0.01, high: 0.3, log: true}}}}
    ```

    ## Fix safety
    Unsafe: the search takes longer.

    ## Source
    Guide, "Hyperparameter Tuning Methods: Bayesian optimization"; Snoek, Larochelle & Adams (2012), Practical Bayesian
    optimization.
    """
    tuning = _tuning(case)
    if tuning is not None and tuning.method == "bayesian" and tuning.trials > 1 and tuning.together >= tuning.trials:
        fewer = max(1, tuning.trials // 5)
        yield Hit(
            f"{tuning.together} of {tuning.trials} trials run at once, so none is chosen by an earlier result",
            (*TUNING, "parallel"),
            help=f"write `parallel: {fewer}`, or `method: random`",
            fix=Fix(f"run {fewer} at once", (Change("set", (*TUNING, "parallel"), fewer),), safe=False),
        )


@rule("TRA010", WARNING, reads="training model")
def population_without_rounds(case: Case) -> Iterable[Hit]:
    """Population-based training is chosen for a family that is not trained in rounds.

    ## Why this is bad
    The method changes parameters while a model is being trained. A model that is fitted at once has no "while".

    ## Bad
    ```yaml
    model: {kind: sklearn.random_forest, params: {learning_rate: null}}
    training: {tuning: {method: population, trials: 20, space: {max_depth: {low: 3, high: 20}}}}
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.random_forest, params: {learning_rate: null}}
    training: {tuning: {method: bayesian, trials: 20, space: {max_depth: {low: 3, high: 20}}}}
    ```

    ## Fix safety
    Unsafe: another method chooses the trials.

    ## Source
    Guide, "Hyperparameter Tuning Methods: population-based: large-scale training"; Jaderberg et al. (2017), Population based
    training of neural networks.
    """
    tuning, model = _tuning(case), case.project.model
    if tuning is None or model is None or tuning.method != "population":
        return
    if model.kind not in ROUNDS and model.kind.startswith("sklearn."):
        yield Hit(
            f"{model.kind} is fitted at once: there are no rounds in which a population could change",
            (*TUNING, "method"),
            help="write `method: bayesian`",
            related=(("the family is chosen here", ("model", "kind")),),
            fix=Fix("search by Bayesian optimisation", (Change("set", (*TUNING, "method"), "bayesian"),), safe=False),
        )


STOPPING: Route = ("training", "early_stopping")


@rule("TRA011", WARNING, reads="training model")
def early_stopping_without_rounds(case: Case) -> Iterable[Hit]:
    """Early stopping is asked for, and the family is not trained in rounds.

    ## Why this is bad
    It has no effect, and a reader believes that overfitting is taken care of.

    ## Bad
    ```yaml
    model: {kind: sklearn.random_forest, params: {learning_rate: null}}
    training: {early_stopping: {patience: 5}}
    ```

    ## Good
    ```yaml
    training: {early_stopping: {patience: 5}}
    ```

    ## Fix safety
    Safe: the key has no effect.

    ## Source
    Guide, "Training Best Practices: monitor for overfitting"; Prechelt (1998), Early stopping: but when?
    """
    model = case.project.model
    if case.project.training.early_stopping is None or model is None or not model.kind.startswith("sklearn."):
        return
    at_once = model.kind not in ROUNDS
    lbfgs = model.kind == "sklearn.mlp" and getattr(model.params, "solver", "") == "lbfgs"
    if at_once or lbfgs:
        yield Hit(
            f"{model.kind} {'with `solver: lbfgs` ' if lbfgs else ''}is fitted at once: there is no round to stop at",
            STOPPING,
            help="leave it out",
            on="key",
            related=(("the family is chosen here", ("model", "kind")),),
            fix=Fix("take early stopping out", (Change("remove", STOPPING),)),
        )


@rule("TRA012", WARNING, reads="training model")
def patience_beyond_the_end(case: Case) -> Iterable[Hit]:
    """Early stopping waits for as many rounds as there are, or more.

    ## Why this is bad
    Training ends before patience does: it never stops early.

    ## Bad
    ```yaml
    model: {params: {max_iter: 100}}
    training: {early_stopping: {patience: 200}}
    ```

    ## Good
    ```yaml
    model: {params: {max_iter: 1000}}
    training: {early_stopping: {patience: 20}}
    ```

    ## Fix safety
    None: more rounds, or less patience.

    ## Source
    Prechelt (1998), Early stopping: but when?; guide, "Training Best Practices: monitor for overfitting".
    """
    stopping, model = case.project.training.early_stopping, case.project.model
    if stopping is None or model is None or model.kind not in ROUNDS:
        return
    rounds = getattr(model.params, ROUNDS[model.kind])
    if stopping.patience >= rounds:
        written = case.wrote("model", "params", ROUNDS[model.kind])
        yield Hit(
            f"training has {rounds:,} rounds at most, and patience lasts {stopping.patience:,}",
            place(case, *STOPPING, "patience")[0],
            help=f"write `patience: {max(1, rounds // 10)}`, or raise `{ROUNDS[model.kind]}`",
            related=(("so many rounds", ("model", "params", ROUNDS[model.kind])),) if written else (),
        )


@rule("TRA013", WARNING, reads="training model")
def early_stopping_contradicted(case: Case) -> Iterable[Hit]:
    """Early stopping is asked for in `training` and switched off in the parameters of the family.

    ## Why this is bad
    Only one of the two can count, and a reader cannot tell which.

    ## Bad
    ```yaml
    model: {params: {early_stopping: false}}
    training: {early_stopping: {patience: 5}}
    ```

    ## Good
    ```yaml
    training: {early_stopping: {patience: 5}}
    ```

    ## Fix safety
    Unsafe: which of the two is meant is for you to say; the fix takes the parameter out.

    ## Source
    Guide, "Training Best Practices: document all hyperparameter choices".
    """
    route: Route = ("model", "params", "early_stopping")
    if case.project.training.early_stopping is not None and case.written(*route) is False:
        yield Hit(
            "`training.early_stopping` asks for what is switched off here",
            route,
            help="take one of the two out",
            related=(("it is asked for here", STOPPING),),
            fix=Fix("take the parameter out", (Change("remove", route),), safe=False),
        )


LONG = 2 * 3600


@rule("TRA014", (None, INFO, WARNING), reads="training")
def long_training_without_checkpoint(case: Case) -> Iterable[Hit]:
    """A search may take two hours or more, or training runs on several machines, and no state is kept.

    ## Why this is bad
    One machine that fails costs all the work so far; the more machines and hours, the likelier that is.

    ## Bad
    ```yaml
    model: {params: {learning_rate: null}}
    training: {tuning: {timeout: 12 h, space: {learning_rate: {low: 0.01, high: 0.3, log: true}}}}
    pipeline: {timeout: 1 d}
    ```

    ## Good
    ```yaml
    model: {params: {learning_rate: null}}
    training:
      tuning: {timeout: 12 h, space: {learning_rate: {low: 0.01, high: 0.3, log: true}}}
      checkpoint: {every: 10 min}
    pipeline: {timeout: 1 d}
    ```

    ## Fix safety
    None: how often states are worth keeping is for you to say.

    ## Source
    Guide, "Training Best Practices: save checkpoints during long training runs"; "Distributed Training Challenges: fault
    tolerance: checkpointing".
    """
    training = case.project.training
    if training.checkpoint is not None:
        return
    if training.tuning is not None and training.tuning.timeout is not None and training.tuning.timeout >= LONG:
        yield Hit(
            f"the search may take {training.tuning.timeout}, and no state is kept",
            (*TUNING, "timeout"),
            help="write `training.checkpoint: {every: 10 min}`",
        )
    elif training.distributed is not None and training.distributed.workers > 1:
        yield Hit(
            f"{training.distributed.workers} machines train together, and no state is kept",
            ("training", "distributed"),
            help="write `training.checkpoint: {every: 10 min}`",
            on="key",
        )


@rule("TRA015", WARNING, reads="training pipeline")
def checkpoint_after_the_end(case: Case) -> Iterable[Hit]:
    """States are kept less often than the time that training may take at most.

    ## Why this is bad
    The step is ended before the first state is written: none is ever kept.

    ## Bad
    ```yaml
    training: {checkpoint: {every: 6 h}}
    pipeline: {timeout: 2 h}
    ```

    ## Good
    ```yaml
    training: {checkpoint: {every: 10 min}}
    pipeline: {timeout: 2 h}
    ```

    ## Fix safety
    Unsafe: states are written more often.

    ## Source
    Guide, "Training Best Practices: save checkpoints during long training runs".
    """
    checkpoint, longest = case.project.training.checkpoint, case.project.pipeline.timeout
    if checkpoint is not None and longest is not None and checkpoint.every >= longest:
        route, on = place(case, "training", "checkpoint", "every")
        yield Hit(
            f"the first state would be kept after {checkpoint.every}, and a step ends after {longest}",
            route,
            help="write `every: 10 min`",
            on=on,
            related=(("a step ends here", ("pipeline", "timeout")),),
            fix=Fix("keep a state every 10 min", (Change("set", ("training", "checkpoint", "every"), "10 min"),), safe=False)
            if longest > 600
            else None,
        )


@rule("TRA016", WARNING, reads="training pipeline")
def search_longer_than_its_step(case: Case) -> Iterable[Hit]:
    """The search for hyperparameters may take longer than a step of the pipeline.

    ## Why this is bad
    The step is ended first, and the search with it: all its trials are lost.

    ## Bad
    ```yaml
    model: {params: {learning_rate: null}}
    training: {tuning: {timeout: 12 h, space: {learning_rate: {low: 0.01, high: 0.3, log: true}}}, checkpoint: {every: 10 min}}
    pipeline: {timeout: 2 h}
    ```

    ## Good
    ```yaml
    model: {params: {learning_rate: null}}
    training: {tuning: {timeout: 1 h, space: {learning_rate: {low: 0.01, high: 0.3, log: true}}}}
    pipeline: {timeout: 2 h}
    ```

    ## Fix safety
    None: a shorter search, or a longer step.

    ## Source
    Guide, "Hyperparameter Tuning Methods". The rest follows from the language: `pipeline.timeout` is the longest time for a step.
    """
    tuning, longest = _tuning(case), case.project.pipeline.timeout
    if tuning is not None and tuning.timeout is not None and longest is not None and tuning.timeout >= longest:
        yield Hit(
            f"the search may take {tuning.timeout}, and a step ends after {longest}",
            (*TUNING, "timeout"),
            help=f"write less than {longest}, or raise `pipeline.timeout`",
            related=(("a step ends here", ("pipeline", "timeout")),),
        )


@rule("TRA017", (INFO, WARNING, WARNING), reads="training data")
def distributed_on_few_rows(case: Case) -> Iterable[Hit]:
    """Training on 100,000 rows or fewer is spread over several machines.

    ## Why this is bad
    One machine is done before several have agreed on how to begin; each adds traffic, cost and a way to fail.

    ## Bad
    ```yaml
    data: {volume: {rows: 70000}}
    training: {distributed: {workers: 4}, checkpoint: {every: 10 min}}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 50000000}}
    training: {distributed: {workers: 4}, checkpoint: {every: 10 min}}
    ```

    ## Fix safety
    Unsafe: training takes place on one machine.

    ## Source
    Guide, "Distributed Training Challenges: communication overhead"; "Split Strategy for Different Data Sizes: large: above
    100K".
    """
    distributed, rows, task = case.project.training.distributed, case.rows, case.project.task
    if distributed is None or distributed.workers < 2 or task is None or task.modality != "tabular":
        return
    if rows is not None and rows <= 100_000:
        yield Hit(
            f"{distributed.workers} machines share {rows:,} rows",
            ("training", "distributed"),
            help="leave it out: one machine is faster",
            on="key",
            related=_rows_are_here(case),
            fix=Fix("train on one machine", (Change("remove", ("training", "distributed")),), safe=False),
        )


@rule("TRA018", WARNING, reads="training")
def distributed_alone(case: Case) -> Iterable[Hit]:
    """Training is distributed over one worker.

    ## Why this is bad
    There is nobody to share with; only the overhead remains.

    ## Bad
    ```yaml
    training: {distributed: {workers: 1}}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 50000000}}
    training: {distributed: {workers: 4}, checkpoint: {every: 10 min}}
    ```

    ## Fix safety
    Safe: one machine trains either way.

    ## Source
    Guide, "Parallelization Strategies: data, model and pipeline parallelism".
    """
    distributed = case.project.training.distributed
    if distributed is not None and distributed.workers == 1:
        yield Hit(
            "one worker has nobody to share with",
            ("training", "distributed", "workers"),
            help="leave `distributed` out, or write 2 or more",
            fix=Fix("train on one machine", (Change("remove", ("training", "distributed")),)),
        )


@rule("TRA019", (INFO, WARNING, WARNING), reads="training data")
def no_cross_validation_on_few_rows(case: Case) -> Iterable[Hit]:
    """Cross-validation is switched off, and there are fewer than 10,000 rows.

    ## Why this is bad
    One split of few rows is luck; folds show how far a score moves, and few rows make them cheap.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: churn}
    requirements: {metrics: [{metric: f1, target: ">= 0.6"}]}
    task: {kind: classification, target: Churn}
    data: {sources: {customers: {kind: csv, path: customers.csv}}, volume: {rows: 5000}}
    model: {kind: sklearn.logistic_regression}
    training: {cross_validation: null}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: churn}
    requirements: {metrics: [{metric: f1, target: ">= 0.6"}]}
    task: {kind: classification, target: Churn}
    data: {sources: {customers: {kind: csv, path: customers.csv}}, volume: {rows: 5000}}
    model: {kind: sklearn.logistic_regression}
    training: {cross_validation: 5}
    ```

    ## Fix safety
    Safe: a run takes longer and reports more; no gate depends on it.

    ## Source
    Guide, "Training Best Practices: use cross-validation for robust evaluation"; Kohavi (1995), A study of cross-validation.
    """
    rows = case.rows
    if case.project.training.cross_validation is None and case.project.model is not None and rows is not None and rows < 10_000:
        folded = Change("set", ("training", "cross_validation"), 5)
        yield Hit(
            f"cross-validation is switched off for {rows:,} rows",
            ("training", "cross_validation"),
            help="write `cross_validation: 5`",
            related=_rows_are_here(case),
            fix=Fix("use five folds", (folded,)) if rows >= 300 else None,
        )


@rule("TRA020", INFO, reads="training requirements")
def tuned_for_another_metric(case: Case) -> Iterable[Hit]:
    """The search improves another metric than the one that models are compared by.

    ## Why this is bad
    The best trial need not be the best model: one number is improved, another decides.

    ## Bad
    ```yaml
    model: {params: {learning_rate: null}}
    training: {tuning: {metric: accuracy, space: {learning_rate: {low: 0.01, high: 0.3, log: true}}}}
    ```

    ## Good
    ```yaml
    model: {params: {learning_rate: null}}
    training: {tuning: {metric: roc_auc, space: {learning_rate: {low: 0.01, high: 0.3, log: true}}}}
    ```

    ## Fix safety
    Unsafe: the search prefers other trials.

    ## Source
    Guide, "Technical ML Metrics: primary metrics"; "Common Pitfalls: No Clear Success Metrics".
    """
    tuning, primary = _tuning(case), case.primary
    if tuning is None or primary is None or tuning.metric is None or tuning.metric == primary.metric:
        return
    index = case.project.requirements.metrics.index(primary)
    yield Hit(
        f"trials are compared by {tuning.metric}, and models by {primary.metric}",
        (*TUNING, "metric"),
        help=f"leave it out, and {primary.metric} counts",
        related=(("models are compared by this", ("requirements", "metrics", index, "metric")),),
        fix=Fix(f"tune for {primary.metric}", (Change("remove", (*TUNING, "metric")),), safe=False),
    )
