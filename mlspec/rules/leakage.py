"""Leakage: what a model must not see, and rows that must not stand on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePath

from mlspec.diagnostic import Change, Fix, Route
from mlspec.quantity import Duration
from mlspec.rules._case import Case
from mlspec.rules._columns import HISTORY, beyond, names_entity, names_rows, says, seen, transformed, words
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule
from mlspec.spec.data import Column

CATEGORIES = ("string", "category", "integer", None)
COPIES = frozenset({
    "label", "flag", "encoded", "enc", "binary", "bool", "num", "numeric", "code", "copy", "class", "cat", "dummy", "indicator",
    "is", "was", "has", "did", "y", "target",
})  # fmt: skip
WHEN_AND_WHY = frozenset({"date", "at", "on", "time", "timestamp", "day", "month", "reason"})
"""Said of the target of classes, they are about the event itself; a date of sales orders rows."""

GUESSES = frozenset(["pred", "prediction", "predictions", "predicted", "proba", "probability", "prob", "score", "yhat"])
WHOLE_GUESSES = frozenset(
    {"prediction", "predictions", "y pred", "y hat", "yhat", "model score", "predicted label", "predicted class"}
)
LATE = (
    "cancelled at", "canceled at", "cancellation date", "cancellation reason", "cancel date", "closed at", "close reason",
    "resolved at", "settled at", "settlement amount", "chargeback date", "refunded at", "refund date", "deactivated at",
    "terminated at", "termination date", "termination reason", "exit reason", "discharge date", "date of death", "death date",
    "default date", "recovery amount", "collection recovery fee", "ground truth",
)  # fmt: skip
WHOLE_LATE = frozenset({"outcome", "label", "labels", "final outcome", "final status", "result", "recoveries"})
TEST_WORDS = frozenset(["test", "holdout"])
FITTING = frozenset({"tune", "tuned", "tuning", "calibrate", "optimize", "optimise", "optimization", "hyperparameters"})
CHOOSING = frozenset({"pick", "choose", "find", "select", "set"})
CHOSEN = frozenset({"threshold", "thresholds", "cutoff", "model", "features", "params", "parameters"})
STRATEGIES = ("random", "stratified")


def _ignore(name: str, role: str = "ignore") -> Fix:
    change = Change("set", ("data", "columns", name, "role"), role)
    return Fix(f"give `{name}` the role {role}", (change,), safe=False)


def _place(case: Case, name: str) -> tuple[Route, str]:
    """Return where a column's role is told: its value, else the column's key."""
    route: Route = ("data", "columns", name)
    return ((*route, "role"), "value") if case.wrote(*route, "role") else (route, "key")


def _taken_out(case: Case, transform: int, place: int) -> Fix:
    """Return the fix that takes a column out of a transform's list; a transform of no other column goes with it."""
    columns = getattr(case.project.features[transform], "columns", ())
    whole: Route = ("features", transform)
    route = (*whole, "columns", place) if len(columns) > 1 else whole
    return Fix(f"take `{columns[place]}` out", (Change("remove", route),), safe=False)


@rule("LEA001", ERROR, reads="task features")
def target_among_features(case: Case) -> Iterator[Hit]:
    """A transform takes the target as one of its columns.

    ## Why this is bad
    A model that sees what it predicts scores perfectly in training and knows nothing in use: the target is not there then.
    The runtime keeps the target from the features, so that a run stops at this transform.

    ## Bad
    ```yaml
    features: [{kind: scale, columns: [tenure]}, {kind: encode, columns: [Contract, Churn]}]
    ```

    ## Good
    ```yaml
    features: [{kind: scale, columns: [tenure]}, {kind: encode, columns: [Contract]}]
    ```

    ## Fix safety
    Unsafe: the column is taken out of the list; the target may have been named in the place of another column.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage", feature audit.
    """
    for index, place, kind, name in transformed(case):
        if name == case.target and kind != "drop":
            route = ("features", index, "columns", place)
            related = (("the target is declared here", ("task", "target")),)
            fix = _taken_out(case, index, place)
            yield Hit(f"`{name}` is the target, and no feature", route, "leave it out", related=related, fix=fix)


@rule("LEA002", ERROR, reads="data features splits")
def hidden_column_transformed(case: Case) -> Iterator[Hit]:
    """A transform names a column whose role keeps it from the model.

    ## Why this is bad
    Ids, groups and ignored columns never reach a transform, so that they cannot leak: a run stops at the name.

    ## Bad
    ```yaml
    features: [{kind: encode, columns: [Contract, gender]}]
    ```

    ## Good
    ```yaml
    features: [{kind: encode, columns: [Contract]}]
    ```

    ## Fix safety
    Unsafe: the name is taken out of the list; it may be the role that is wrong.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage", feature audit; the language: "an id or ignored column is never a feature".
    """
    for index, place, _, name in transformed(case):
        column = case.columns.get(name)
        grouped = name == case.project.splits.group_by
        if name == case.target or column is None or not (grouped or column.role in ("id", "group", "ignore")):
            continue
        role = "group" if grouped else column.role
        route = ("features", index, "columns", place)
        declared: Route = ("splits", "group_by") if grouped else ("data", "columns", name, "role")
        fix = _taken_out(case, index, place)
        help_text = "leave it out here, or give the column `role: feature`"
        yield Hit(
            f"`{name}` has the role {role}: no transform sees it", route, help_text, related=(("its role", declared),), fix=fix
        )


@rule("LEA003", ERROR, reads="task data features splits")
def unique_column_as_feature(case: Case) -> Iterator[Hit]:
    """A column that has another value in every row is used as a feature.

    Numbers with a fraction and times may well differ in every row, and are not meant.

    ## Why this is bad
    Such a column names rows. A model learns it by heart and meets none of its values again in use.

    ## Bad
    ```yaml
    data: {columns: {customerID: {role: feature, unique: true}}}
    ```

    ## Good
    ```yaml
    data: {columns: {customerID: {role: id, unique: true}}}
    ```

    ## Fix safety
    Unsafe: the column gets the role id, which takes it from the model and makes it the key of the split.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage", feature audit; Kaufman, Rosset, Perlich (2012), "Leakage in data mining".
    """
    for name in seen(case):
        column = case.columns[name]
        if column.unique and column.type in CATEGORIES:
            route, on = _place(case, name)
            message = f"`{name}` is unique in every row, and a feature"
            related = (("it is declared unique here", ("data", "columns", name, "unique")),)
            yield Hit(message, route, "write `role: id`", on, related, _ignore(name, "id"))


@rule("LEA004", (INFO, WARNING, WARNING), reads="task data features splits")
def id_as_feature(case: Case) -> Iterator[Hit]:
    """A column whose name ends like a key (`customer_id`, `uuid`) is used as a feature.

    A column with `values`, or with `type: category`, has been looked at, and is not meant.

    ## Why this is bad
    Keys tell rows apart and often tell when a row was made: a model learns the rows instead of the rule behind them.

    ## Bad
    ```yaml
    data: {columns: {ticket_id: {type: integer}}}
    ```

    ## Good
    ```yaml
    data: {columns: {ticket_id: {type: integer, role: ignore}}}
    ```

    ## Fix safety
    Unsafe: the column gets the role ignore; where it names the row, `id` is right. None for a key of people or things that come
    in several rows, such as `patient_id`: the split should keep these rows together.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage", feature audit; Kaufman, Rosset, Perlich (2012), "Leakage in data mining".
    """
    for name in seen(case):
        column = case.columns[name]
        looked_at = column.unique or column.values is not None or column.type == "category"
        if names_rows(name) and not looked_at and column.type in CATEGORIES:
            route, on = _place(case, name)
            help_text = (
                "write `role: id` if it names the row, `group` if it names several, else `ignore`; `type: category` keeps it"
            )
            fix = None if names_entity(name) else _ignore(name)
            yield Hit(f"`{name}` sounds like a key, and is a feature", route, help_text, on, fix=fix)


@rule("LEA005", WARNING, reads="task data features splits")
def target_copied_in_feature(case: Case) -> Iterator[Hit]:
    """A feature has the target's name and a word such as flag, label, code, date or reason.

    ## Why this is bad
    Columns that are made with the target (its code, its date, its reason) give it away, and are not there at prediction time.

    ## Bad
    ```yaml
    data: {columns: {churn_reason: {type: category}}}
    ```

    ## Good
    ```yaml
    data: {columns: {churn_reason: {type: category, role: ignore}}}
    ```

    ## Fix safety
    Unsafe: the column gets the role ignore; only you know whether it is known in time.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage", future information in training; Kapoor, Narayanan (2023), "Leakage and the
    reproducibility crisis": illegitimate features are among its eight types.
    """
    for name, rest in _like_target(case):
        if rest <= (COPIES | WHEN_AND_WHY if case.task == "classification" else COPIES):
            route, on = _place(case, name)
            related = (("the target is declared here", ("task", "target")),)
            message = f"`{name}` sounds as if it was made of the target `{case.target}`"
            help_text = "write `role: ignore`, unless its value is known when a prediction is asked for"
            yield Hit(message, route, help_text, on, related, _ignore(name))


def _like_target(case: Case) -> Iterator[tuple[str, set[str]]]:
    """Yield the features whose names hold the target's, with their further words; columns of an earlier time aside."""
    if case.target is None or not words(case.target):
        return
    for name in seen(case):
        rest = beyond(name, case.target)
        if rest is not None and not rest & HISTORY:
            yield name, rest


@rule("LEA006", WARNING, reads="task data features splits")
def feature_known_too_late(case: Case) -> Iterator[Hit]:
    """A feature's name says that it is known only after the outcome: `cancelled_at`, `outcome`, `settlement_amount`.

    ## Why this is bad
    In training the column tells what happened; when a prediction is asked for it is still empty. Scores are high until the first
    day of use.

    ## Bad
    ```yaml
    data: {columns: {cancellation_date: {type: date}}}
    ```

    ## Good
    ```yaml
    data: {columns: {cancellation_date: {type: date, role: ignore}}}
    ```

    ## Fix safety
    Unsafe: the column gets the role ignore; only you know whether it is known in time.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage", future information in training.
    """
    for name in seen(case):
        spoken = words(name)
        late = " ".join(spoken) in WHOLE_LATE or any(says(name, phrase) for phrase in LATE)
        if late and not HISTORY & set(spoken):
            route, on = _place(case, name)
            help_text = "write `role: ignore`, unless its value is known when a prediction is asked for"
            message = f"`{name}` sounds like something that is known only after the outcome"
            yield Hit(message, route, help_text, on, fix=_ignore(name))


@rule("LEA007", WARNING, reads="task data features splits")
def earlier_prediction_as_feature(case: Case) -> Iterator[Hit]:
    """A feature is what an earlier model said of the same target: `y_pred`, `churn_score`.

    ## Why this is bad
    The new model copies the old one, and each retraining copies the copy. If the old model was trained on these rows, it also
    carries their truth with it.

    ## Bad
    ```yaml
    data: {columns: {churn_score: {type: number}}}
    ```

    ## Good
    ```yaml
    data: {columns: {churn_score: {type: number, role: ignore}}}
    ```

    ## Fix safety
    Unsafe: the column gets the role ignore.

    ## Source
    Guide, "Feedback Loop Issues: degenerate feedback"; Sculley et al. (2015), "Hidden technical debt", direct feedback loops.
    """
    alike = {name for name, rest in _like_target(case) if rest & GUESSES and rest <= GUESSES | COPIES}
    for name in seen(case):
        if name in alike or " ".join(words(name)) in WHOLE_GUESSES:
            route, on = _place(case, name)
            help_text = "write `role: ignore`, or say in its description which model it comes from and on what it was trained"
            yield Hit(f"`{name}` sounds like the prediction of an earlier model", route, help_text, on, fix=_ignore(name))


@rule("LEA008", ERROR, reads="task data splits")
def random_split_of_time_series(case: Case) -> Iterator[Hit]:
    """Rows in time are dealt to train and test by chance.

    That is so where a column has the role time and the strategy is random or stratified, and where the task is forecasting, the
    modality is a time series or rows are windows of one, and the strategy is not temporal.

    ## Why this is bad
    The model is trained on days after those it is tested on, and neighbours in time are alike: the test tells how well it fills
    gaps, not how well it foresees.

    ## Bad
    ```yaml
    data: {columns: {month: {role: time, type: date}}}
    splits: {strategy: stratified}
    ```

    ## Good
    ```yaml
    data: {columns: {month: {role: time, type: date}}}
    splits: {strategy: temporal, gap: 14 d}
    ```

    ## Fix safety
    Unsafe: the strategy becomes temporal where a column has the role time; other rows are then tested.

    ## Source
    Guide, "Splitting Best Practices: consider temporal aspects for time-series data"; Cerqueira, Torgo, Mozetič (2020),
    "Evaluating time series forecasting models".
    """
    task, splits = case.project.task, case.project.splits
    times = case.by_role("time")
    windows = case.project.data is not None and case.project.data.window is not None
    series = windows or (task is not None and (task.kind == "forecasting" or task.modality == "timeseries"))
    if splits.strategy == "temporal" or not (series or (times and splits.strategy in STRATEGIES)):
        return
    asked = case.wrote("splits", "strategy")
    route: Route = ("splits", "strategy") if asked else ("splits",) if case.wrote("splits") else ("task", "kind")
    what = "the task is a series in time" if series else f"`{times[0]}` has the role time"
    of_task: Route = ("data", "window") if windows else ("task", "modality" if task and task.modality == "timeseries" else "kind")
    why: Route = of_task if series else ("data", "columns", times[0], "role")
    delay = case.project.data.labels.delay if case.project.data and case.project.data.labels else None
    gap = (Change("set", ("splits", "gap"), str(delay)),) if delay else ()
    fix = Fix("split by time", (Change("set", ("splits", "strategy"), "temporal"), *gap), safe=False) if times else None
    help_text = "write `strategy: temporal`" + ("" if times else " and name the column of time with `time`")
    yield Hit(f"{what}, and rows are dealt `{splits.strategy}`", route, help_text, related=(("this is why", why),), fix=fix)


@rule("LEA009", (None, INFO, INFO), reads="task data features splits")
def dates_without_temporal_split(case: Case) -> Iterator[Hit]:
    """A feature is a date or a time, and rows are not split by time.

    Dates of birth are not meant.

    ## Why this is bad
    Where rows come in time, a split by chance trains on the future. If the date says when a row was made, it should order the
    split.

    ## Bad
    ```yaml
    data: {columns: {signed_on: {type: date}}}
    ```

    ## Good
    ```yaml
    data: {columns: {signed_on: {type: date, role: time}}}
    splits: {strategy: temporal, gap: 14 d}
    ```

    ## Fix safety
    None: whether the date orders the rows only you know.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage", careful temporal splitting.
    """
    if case.project.splits.strategy == "temporal" or case.by_role("time"):
        return
    for name in seen(case):
        spoken = set(words(name))
        if case.columns[name].type in ("date", "datetime") and not spoken & {"birth", "born", "dob", "birthday", "birthdate"}:
            message = (
                f"`{name}` is a {case.columns[name].type}, and the split `{case.project.splits.strategy}` does not look at time"
            )
            help_text = "write `role: time` if it says when a row was made, and `splits.strategy: temporal`"
            yield Hit(message, ("data", "columns", name), help_text, "key")


@rule("LEA010", (WARNING, WARNING, ERROR), reads="data splits")
def gap_below_label_delay(case: Case) -> Iterator[Hit]:
    """A temporal split leaves less time between its parts than a label takes to be known.

    ## Why this is bad
    The last training rows have labels that nobody knew when the first test row was made: in use, the model cannot be trained on
    them.

    ## Bad
    ```yaml
    data: {columns: {month: {role: time, type: date}}, labels: {delay: 30 d}}
    splits: {strategy: temporal, gap: 1 d}
    ```

    ## Good
    ```yaml
    data: {columns: {month: {role: time, type: date}}, labels: {delay: 30 d}}
    splits: {strategy: temporal, gap: 30 d}
    ```

    ## Fix safety
    Unsafe: the gap becomes the delay, and the rows within it are left out.

    ## Source
    Guide, "Feedback Loop Issues: delayed feedback"; de Prado (2018), "Advances in Financial Machine
    Learning", chapter 7: embargo.
    """
    labels = case.project.data.labels if case.project.data else None
    splits = case.project.splits
    if splits.strategy != "temporal" or labels is None or labels.delay is None or splits.gap >= labels.delay:
        return
    written = case.wrote("splits", "gap")
    route: Route = ("splits", "gap") if written else ("splits", "strategy") if case.wrote("splits", "strategy") else ("splits",)
    message = f"a label is known after {labels.delay}, and the gap between train, dev and test is {splits.gap}"
    fix = Fix(f"make the gap {labels.delay}", (Change("set", ("splits", "gap"), str(labels.delay)),), safe=False)
    related = (("the delay is declared here", ("data", "labels", "delay")),)
    yield Hit(message, route, f"write `gap: {labels.delay}`", related=related, fix=fix)


@rule("LEA011", WARNING, reads="task data splits")
def entity_across_splits(case: Case) -> Iterator[Hit]:
    """A column names people or things that come in several rows, and the split does not keep their rows together.

    Meant are columns with the role group under a random or stratified split, and names such as `patient_id` with the role
    ignore, or with the role id beside another id: then both together are the key of the split.

    ## Why this is bad
    Rows of one patient are alike. With some in train and some in test, the test tells how well the model knows these patients,
    not how well it does for new ones.

    ## Bad
    ```yaml
    data: {columns: {household_id: {type: string, role: ignore}}}
    ```

    ## Good
    ```yaml
    data: {columns: {household_id: {type: string, role: group}}}
    splits: {strategy: group}
    ```

    ## Fix safety
    Unsafe: the column gets the role group and the strategy becomes group; other rows are then tested.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage"; Saeb et al. (2017), "The need to approximate the use-case in clinical
    machine learning": record-wise splits understate the error.
    """
    strategy = case.project.splits.strategy
    if strategy not in STRATEGIES:
        return
    for name in case.by_role("group"):
        by_group = Fix("keep groups together", (Change("set", ("splits", "strategy"), "group"),), safe=False)
        message = f"`{name}` has the role group, and the split `{strategy}` deals its rows to train and test alike"
        related = (("its role", ("data", "columns", name, "role")),)
        yield Hit(message, ("splits", "strategy"), "write `strategy: group`", related=related, fix=by_group)
        return
    several = len(case.by_role("id")) > 1
    for name, column in case.columns.items():
        if names_entity(name) and _comes_again(column) and (column.role == "ignore" or (several and column.role == "id")):
            route: Route = ("data", "columns", name, "role")
            changes = (Change("set", route, "group"), Change("set", ("splits", "strategy"), "group"))
            fix = Fix(f"keep the rows of each `{name}` together", changes, safe=False)
            message = f"rows of one `{name}` may stand in train and in test"
            help_text = "write `role: group` and `splits.strategy: group`; or `unique: true` if it never comes again"
            yield Hit(message, route, help_text, fix=fix)


def _comes_again(column: Column) -> bool:
    return not column.unique and column.values is None and column.type in CATEGORIES


@rule("LEA012", WARNING, reads="data")
def test_file_stacked(case: Case) -> Iterator[Hit]:
    """A file that is called test is stacked on the others and dealt out anew.

    ## Why this is bad
    Somebody kept these rows back. Stacked, most of them become training rows, and figures cannot be compared with those that
    others measured on the same test.

    ## Bad
    ```yaml
    data:
      sources: {held_back: {kind: parquet, path: data/customers_test.parquet, origin: internal, description: kept back}}
      union: {}
    ```

    ## Good
    ```yaml
    data:
      sources: {second: {kind: parquet, path: data/customers_2025.parquet, origin: internal, description: the second year}}
      union: {}
    ```

    ## Fix safety
    None: leave the source out, or rename it if its name misleads.

    ## Source
    Guide, "Common Pitfalls to Avoid: Overfitting to Test Set": use proper train/dev/test splits.
    """
    data = case.project.data
    if data is None or data.union is None or len(data.sources) < 2:
        return
    for name, source in data.sources.items():
        stem = PurePath(_paths(source)[0]).stem if _paths(source) else ""
        if TEST_WORDS & (set(words(name)) | set(words(stem))):
            message = f"`{name}` sounds like rows that were kept back for a test, and `union` deals them out anew"
            help_text = "leave it out, and judge the finished model on it; or rename it"
            related = (("sources are stacked here", ("data", "union")),)
            yield Hit(message, ("data", "sources", name), help_text, "key", related)


def _is_synthetic(source: object) -> bool:
    return getattr(source, "origin", None) == "synthetic"


def _paths(source: object) -> tuple[str, ...]:
    paths = getattr(source, "path", None) or ()
    return (paths,) if isinstance(paths, str) else tuple(paths)


@rule("LEA013", ERROR, reads="data")
def synthetic_rows_in_test(case: Case) -> Iterator[Hit]:
    """Synthetic rows are stacked on real ones and dealt to train and test alike.

    ## Why this is bad
    A test that holds made-up rows tells how well the model knows the generator. And where synthetic rows were made from real
    ones, their likenesses stand on both sides of the split.

    ## Bad
    ```yaml
    data:
      sources: {made: {kind: parquet, path: data/made.parquet, origin: synthetic, description: rows of a simulator}}
      union: {source_column: origin}
    ```

    ## Good
    ```yaml
    augmentation: [{kind: oversample, review: {human_label_accuracy: 0.95}}]
    ```

    ## Fix safety
    None: make synthetic rows after the split, from training rows, with `augmentation`.

    ## Source
    Guide, "Data Sources Comparison: Synthetic Data" (controlled quality) and "Augmentation Quality Criteria".
    """
    data = case.project.data
    if data is None or data.union is None:
        return
    made = [name for name, source in data.sources.items() if _is_synthetic(source)]
    if len(made) == len(data.sources):
        return
    for name in made:
        message = f"the rows of `{name}` are synthetic, and `union` deals them to dev and test, too"
        help_text = "leave the source out; `augmentation` makes rows of training rows only"
        related = (("sources are stacked here", ("data", "union")),)
        yield Hit(message, ("data", "sources", name, "origin"), help_text, related=related)


@rule("LEA014", (None, WARNING, WARNING), reads="data")
def only_synthetic_data(case: Case) -> Iterator[Hit]:
    """Every source is synthetic, so that the test is, too.

    ## Why this is bad
    The figures hold for the generator. How the model does on what really happens, nobody has measured.

    ## Bad
    ```yaml
    data: {sources: {customers: {origin: synthetic}}}
    ```

    ## Good
    ```yaml
    data: {sources: {customers: {origin: internal}}}
    ```

    ## Fix safety
    None: real rows are needed, at least for the test.

    ## Source
    Guide, "Data Sources Comparison: Synthetic Data".
    """
    sources = case.project.data.sources if case.project.data else {}
    if sources and all(_is_synthetic(source) for source in sources.values()):
        first = next(iter(sources))
        message = f"all data is synthetic, and the project is in the phase {case.phase}"
        yield Hit(message, ("data", "sources", first, "origin"), "test on real rows before real decisions hang on it")


@rule("LEA015", ERROR, reads="steps")
def step_learns_from_test(case: Case) -> Iterator[Hit]:
    """A step of your own takes the test rows and fits, tunes or picks something with them.

    Meant is a step that takes `split.test` and gives a model or a transformer, or whose name says so: tune, calibrate, optimize,
    or pick a threshold, a model, features or parameters.

    ## Why this is bad
    Whatever was chosen on the test rows has seen them: the test no longer says how the model does on new rows.

    ## Bad
    ```yaml
    steps:
      pick_threshold: {entrypoint: "mine:pick", inputs: {rows: split.test, model: train.model}, outputs: {threshold: report}}
    ```

    ## Good
    ```yaml
    steps:
      pick_threshold: {entrypoint: "mine:pick", inputs: {rows: split.dev, model: train.model}, outputs: {threshold: report}}
    ```

    ## Fix safety
    Unsafe: the step takes the dev rows instead.

    ## Source
    Guide, "Common Pitfalls to Avoid: Overfitting to Test Set".
    """
    for name, step in case.project.steps.items():
        spoken = set(words(name))
        learns = (
            spoken & FITTING or (spoken & CHOOSING and spoken & CHOSEN) or {"model", "transformer"} & set(step.gives.values())
        )
        for port, text in step.inputs.items():
            if text == "split.test" and learns:
                route = ("steps", name, "inputs", port)
                fix = Fix("take the dev rows", (Change("set", route, "split.dev"),), safe=False)
                yield Hit(f"the step `{name}` learns from the test rows", route, "write `split.dev`", fix=fix)


@rule("LEA016", ERROR, reads="steps")
def fit_before_split(case: Case) -> Iterator[Hit]:
    """A step of your own fits a model or a transformer on all rows, before the split.

    ## Why this is bad
    What is fitted on all rows (a mean, a vocabulary, a scale) carries the test rows into training.

    ## Bad
    ```yaml
    steps:
      embed: {entrypoint: "mine:embed", inputs: {rows: validate.data}, outputs: {vocabulary: transformer}}
    ```

    ## Good
    ```yaml
    steps:
      embed: {entrypoint: "mine:embed", inputs: {rows: split.train}, outputs: {vocabulary: transformer}}
    ```

    ## Fix safety
    Unsafe: the step takes the training rows instead.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage"; Kapoor, Narayanan (2023): pre-processing on training and test set.
    """
    for name, step in case.project.steps.items():
        fitted = [sort for sort in step.gives.values() if sort in ("model", "transformer")]
        for port, text in step.inputs.items():
            if fitted and text in ("ingest.data", "validate.data"):
                route = ("steps", name, "inputs", port)
                fix = Fix("take the training rows", (Change("set", route, "split.train"),), safe=False)
                message = f"the step `{name}` fits a {fitted[0]} on all rows, those of the test among them"
                yield Hit(message, route, "write `split.train`", fix=fix)


@rule("LEA017", WARNING, reads="task evaluation requirements")
def slice_by_target(case: Case) -> Iterable[Hit]:
    """A slice of the evaluation is cut by the target itself.

    ## Why this is bad
    In such a slice every row has the same truth: ranking metrics are undefined there, and no request in use can be put in it.

    ## Bad
    ```yaml
    evaluation: {slices: [Contract, Churn]}
    ```

    ## Good
    ```yaml
    evaluation: {slices: [Contract]}
    ```

    ## Fix safety
    Unsafe: the slice is taken out.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage"; measured: roc_auc needs both classes, recall in such a slice is that of the
    class.
    """
    if case.task != "classification":
        return
    for index, one in enumerate(case.project.evaluation.slices):
        if one.column is not None and one.column == case.target:
            route = ("evaluation", "slices", index)
            fix = Fix("take the slice out", (Change("remove", route),), safe=False)
            related = (("the target is declared here", ("task", "target")),)
            help_text = "slice by what is known beforehand; the confusion matrix shows each class by itself"
            yield Hit(
                f"`{one.column}` is the target: each slice would hold one class", route, help_text, related=related, fix=fix
            )


@rule("LEA018", (WARNING, ERROR, ERROR), reads="data splits")
def gap_below_horizon(case: Case) -> Iterator[Hit]:
    """A temporal split leaves less time between its parts than a forecast looks ahead.

    A row of `data.window` stands at the time of its last value; its target is `ahead` steps later. The windows themselves may
    reach back over a cut: what a test row knows of the past, it knows in use, too.

    ## Why this is bad
    The last training rows are answered by values that lie after the start of the test: when the first test row is forecast,
    nobody knows them yet. With one step ahead there are none, and no gap is needed; with `ahead` steps there are `ahead` - 1.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: sales}
    task: {kind: regression, target: sales}
    data:
      sources: {days: {kind: csv, path: sales.csv}}
      columns: {day: {role: time, type: date}}
      window: {values: [sales], size: 14, ahead: 7, every: 1 d}
    splits: {strategy: temporal, gap: 1 d}
    model: {kind: sklearn.ridge}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: sales}
    task: {kind: regression, target: sales}
    data:
      sources: {days: {kind: csv, path: sales.csv}}
      columns: {day: {role: time, type: date}}
      window: {values: [sales], size: 14, ahead: 7, every: 1 d}
    splits: {strategy: temporal, gap: 6 d}
    model: {kind: sklearn.ridge}
    ```

    ## Fix safety
    Unsafe: the gap becomes that long, and the rows within it are left out.

    ## Source
    de Prado (2018), "Advances in Financial Machine Learning", chapter 7: purging and embargo; Cerqueira, Torgo, Mozetič (2020),
    "Evaluating time series forecasting models".
    """
    splits = case.project.splits
    window = case.project.data.window if case.project.data else None
    if splits.strategy != "temporal" or window is None or window.ahead == 1:
        return
    if splits.gap >= (window.every or 0.0) * (window.ahead - 1) and splits.gap > 0:
        return
    route: Route = (
        ("splits", "gap") if case.wrote("splits", "gap") else ("splits",) if case.wrote("splits") else ("data", "window")
    )
    message = f"the target is {window.ahead} steps ahead, and the gap between train, dev and test is {splits.gap}"
    related = (("the target is set so far ahead here", ("data", "window", "ahead")),)
    if window.every is None:
        yield Hit(message, route, f"write a `gap` as long as {window.ahead - 1} steps", related=related)
        return
    wanted = Duration(window.every * (window.ahead - 1))
    fix = Fix(f"make the gap {wanted}", (Change("set", ("splits", "gap"), str(wanted)),), safe=False)
    yield Hit(message, route, f"write `gap: {wanted}`", related=related, fix=fix)
