"""Splits: how rows are dealt to train, dev and test, and what the parts can tell."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.diagnostic import Change, Fix, Route
from mlspec.rules._case import LARGE, SMALL, Case, guide
from mlspec.rules._power import rows_for, share_half_width
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule
from mlspec.spec.data import Column

NAMES = ("train", "dev", "test")
UNTIMELY = ("string", "category", "boolean")
LEAST = 100
"""Rows of a test below which a share is known no better than to 8 points (at 80 %) or 10 (at 50 %)."""


def _off(share: float, rows: int) -> str:
    """Say how far a share that is counted on so many rows may be off, with 95 % confidence."""
    return f"{100 * share_half_width(share, max(rows, 1)):.1f} points"


def _told(case: Case, key: str) -> tuple[Route, str]:
    """Return the place of a key of `splits`; where it is not written that of `splits`, else of the task."""
    if case.wrote("splits", key):
        return ("splits", key), "value"
    return (("splits",) if case.wrote("splits") else ("task",)), "key"


def _why_rows(case: Case) -> tuple[tuple[str, Route], ...]:
    """Point to the place that says how many rows there are, where it was not counted."""
    written = case.data is None and case.wrote("data", "volume", "rows")
    return (("the number of rows is given here", ("data", "volume", "rows")),) if written else ()


@rule("SPL001", WARNING, reads="task data splits retraining")
def small_data_not_stratified(case: Case) -> Iterator[Hit]:
    """Fewer than 1,000 rows with classes are dealt at random.

    ## Why this is bad
    In a small part chance moves the share of a class by several points, so that train and test are not alike. The guide asks for
    balanced splits of small data.

    ## Bad
    ```yaml
    data: {volume: {rows: 600}}
    splits: {strategy: random}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 600}}
    splits: {strategy: stratified, exact: true}
    ```

    ## Fix safety
    Unsafe: the strategy becomes stratified; other rows are then tested.

    ## Source
    Guide, "Split Strategy for Different Data Sizes": small data, ensure balanced splits.
    """
    if case.task != "classification" or case.project.splits.strategy != "random" or case.rows is None or case.rows >= SMALL:
        return
    parts = case.split_rows
    off = _off(0.5, parts.test if parts else case.rows // 5)
    exactly = () if _growth(case) else (Change("set", ("splits", "exact"), True),)
    fix = Fix("stratify", (Change("set", ("splits", "strategy"), "stratified"), *exactly), safe=False)
    message = f"{case.rows:,} rows are dealt at random: the share of a class in the test may be off by {off}"
    help_text = "write `strategy: stratified`" + (" and `exact: true`" if exactly else "")
    route, on = _told(case, "strategy")
    yield Hit(message, route, help_text, on, _why_rows(case), fix)


@rule("SPL002", (INFO, INFO, WARNING), reads="task data splits retraining")
def small_split_not_exact(case: Case) -> Iterator[Hit]:
    """Fewer than 1,000 rows are stratified by lot, without exact class shares.

    Without `exact`, each row draws a lot by its identity: class shares are right on average, and chance moves them. Data that
    grows is not meant: with `exact`, new rows would move old ones.

    ## Why this is bad
    With few rows, chance moves the share of a class by points between train and test; with `exact` it does not.

    ## Bad
    ```yaml
    data: {volume: {rows: 800}}
    splits: {strategy: stratified}
    retraining: null
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 800}}
    splits: {strategy: stratified, exact: true}
    retraining: null
    ```

    ## Fix safety
    Unsafe: `exact: true` is set; some rows change their part.

    ## Source
    Guide, "Split Strategy for Different Data Sizes": small data, ensure balanced splits; measured: half the width of a 95 %
    interval of a class's share, 1.96 · sqrt(0.25 / n).
    """
    splits, parts = case.project.splits, case.split_rows
    small = parts is not None and case.rows is not None and case.rows < SMALL
    if parts is None or not small or splits.strategy != "stratified" or splits.exact or _growth(case):
        return
    route, on = _told(case, "exact" if case.wrote("splits", "exact") else "strategy")
    message = f"chance may move the share of a class by {_off(0.5, parts.test)} in a test of {parts.test:,} rows"
    fix = Fix("deal exact class shares", (Change("set", ("splits", "exact"), True),), safe=False)
    yield Hit(message, route, "write `exact: true`", on, _why_rows(case), fix)


@rule("SPL003", INFO, reads="task data splits")
def ratios_off_the_guide(case: Case) -> Iterator[Hit]:
    """The shares of train, dev and test are not those that the guide gives for so many rows.

    Told where the test's share is more than 5 points off, with what that does to its precision.

    ## Why this is bad
    A larger test takes rows from training; a smaller one makes every figure less certain. The guide's shares are a good
    compromise for their size.

    ## Bad
    ```yaml
    splits: {ratios: [0.5, 0.2, 0.3]}
    ```

    ## Good
    ```yaml
    splits: {ratios: auto}
    ```

    ## Fix safety
    Unsafe: `ratios: auto` follows the number of rows; rows change their part.

    ## Source
    Guide, "Split Strategy for Different Data Sizes": below 1K 60/20/20, 1K-100K 70/15/15, above 100K 80/10/10.
    """
    ratios = case.project.splits.ratios
    if ratios == "auto" or case.rows is None or case.split_rows is None or (case.data is not None and case.split_rows.test == 0):
        return
    wanted = guide(case.rows)
    if abs(ratios[2] - wanted[2]) <= 0.05 + 1e-9:
        return
    test, usual = int(case.rows * ratios[2]), int(case.rows * wanted[2])
    advised = "/".join(f"{100 * share:.0f}" for share in wanted)
    message = (
        f"the guide's shares for {case.rows:,} rows are {advised}: a metric near 80 % is known to "
        f"±{_off(0.8, usual)} then, to ±{_off(0.8, test)} with a test of {test:,} rows"
    )
    fix = Fix("follow the number of rows", (Change("set", ("splits", "ratios"), "auto"),), safe=False)
    yield Hit(message, ("splits", "ratios"), "write `ratios: auto`, or say why in `rationale`", related=_why_rows(case), fix=fix)


@rule("SPL004", (INFO, WARNING, WARNING), reads="task data splits")
def tiny_test_part(case: Case) -> Iterator[Hit]:
    """The test has fewer than 100 rows.

    ## Why this is bad
    A share measured on 100 rows is known to ±8 points at best guess: a good model and a poor one look the same.

    ## Bad
    ```yaml
    data: {volume: {rows: 400}}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 4000}}
    ```

    ## Fix safety
    None: more rows are needed, or a larger share for the test.

    ## Source
    Measured: half the width of a 95 % interval at 0.8 is 1.96 · sqrt(0.16 / 100) = 7.8 points, that of an RMSE of normal errors
    1.96 / sqrt(2 · 100) = 14 %; guide, "Common Pitfalls to Avoid: Overfitting to Test Set".
    """
    parts = case.split_rows
    if parts is None or case.rows is None or not 0 < parts.test < LEAST:
        return
    route, on = (("data", "volume", "rows"), "value") if case.wrote("data", "volume", "rows") else _told(case, "ratios")
    for_five = rows_for("accuracy", 0.8, 0.05)
    classes = case.task == "classification"
    known = (
        f"a metric near 80 % is known to ±{_off(0.8, parts.test)}"
        if classes
        else f"an RMSE is known to ±{139 / parts.test**0.5:.0f} %"
    )
    message = f"the test has {parts.test:,} of {case.rows:,} rows: {known}"
    better = f"{for_five:,} test rows make it ±5.0 points" if classes else "770 test rows make it ±5 %"
    help_text = f"{better}; until then, look at cross-validation first"
    yield Hit(message, route, help_text, on)


@rule("SPL005", WARNING, reads="task data splits evaluation training")
def tiny_dev_part(case: Case) -> Iterator[Hit]:
    """The dev part has fewer than 50 rows, and something is decided on it.

    That is the search for hyperparameters without cross-validation, early stopping, and the gate on overfitting.

    ## Why this is bad
    A choice between candidates on so few rows is a choice by chance.

    ## Bad
    ```yaml
    data: {volume: {rows: 3000}}
    splits: {ratios: [0.89, 0.01, 0.1]}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 3000}}
    splits: {ratios: auto}
    ```

    ## Fix safety
    Unsafe: `ratios: auto` follows the number of rows; rows change their part.

    ## Source
    Guide, "Split Strategy for Different Data Sizes": a dev part of 10 to 20 %.
    """
    parts, training = case.split_rows, case.project.training
    if parts is None or not 0 < parts.dev < 50:
        return
    uses = [
        ("the gate on overfitting", ("evaluation", "overfitting"), case.project.evaluation.overfitting is not None),
        ("early stopping", ("training", "early_stopping"), training.early_stopping is not None),
        ("tuning", ("training", "tuning"), training.tuning is not None and not training.cross_validation),
    ]
    for what, place, used in uses:
        if used:
            route, on = _told(case, "ratios")
            fix = Fix("follow the number of rows", (Change("set", ("splits", "ratios"), "auto"),), safe=False)
            safe_fix = fix if case.wrote("splits", "ratios") else None
            message = f"the dev part has {parts.dev} rows, and {what} is decided on it"
            related = (("it is asked for here", place), *_why_rows(case))
            yield Hit(message, route, "write `ratios: auto`, or collect more rows", on, related, safe_fix)
            return


@rule("SPL006", WARNING, reads="splits")
def little_left_to_train_on(case: Case) -> Iterator[Hit]:
    """Less than half of the rows are for training.

    ## Why this is bad
    Most models learn from every row more. A part that is only measured on needs enough rows, not most of them.

    ## Bad
    ```yaml
    splits: {ratios: [0.4, 0.3, 0.3]}
    ```

    ## Good
    ```yaml
    splits: {ratios: [0.7, 0.15, 0.15]}
    ```

    ## Fix safety
    Unsafe: `ratios: auto` follows the number of rows; rows change their part.

    ## Source
    Guide, "Split Strategy for Different Data Sizes": train has 60 to 80 %.
    """
    ratios = case.project.splits.ratios
    if ratios != "auto" and ratios[0] < 0.5:
        order = sorted(ratios, reverse=True)
        meant = ", ".join(f"{share:g}" for share in order)
        swapped = f"; did you mean [{meant}]? The order is train, dev, test" if order[0] >= 0.5 else ""
        fix = Fix("follow the number of rows", (Change("set", ("splits", "ratios"), "auto"),), safe=False)
        yield Hit(
            f"{100 * ratios[0]:g} % of the rows are for training", ("splits", "ratios"), f"write `ratios: auto`{swapped}", fix=fix
        )


@rule("SPL007", WARNING, reads="data splits retraining evaluation")
def exact_split_of_growing_data(case: Case) -> Iterator[Hit]:
    """Exact class shares are asked for where the data grows from run to run.

    ## Why this is bad
    With `exact`, appended rows move old rows near a cut: a row that the model in use was trained on becomes a test row of the
    next one, and the two cannot be compared.

    ## Bad
    ```yaml
    splits: {exact: true}
    ```

    ## Good
    ```yaml
    splits: {exact: false}
    ```

    ## Fix safety
    Unsafe: `exact` is taken away; rows change their part once, and never again.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage"; the language: `splits.exact` may move a few old rows near a boundary.
    """
    grows = _growth(case)
    if case.project.splits.exact and case.project.splits.strategy != "temporal" and grows is not None:
        message = "new rows will move old ones between train and test"
        fix = Fix("deal by lot", (Change("remove", ("splits", "exact")),), safe=False)
        yield Hit(message, ("splits", "exact"), "leave `exact` out", related=(("the data grows", grows),), fix=fix)


def _growth(case: Case) -> Route | None:
    """Return the place that says that more data will come, if one does."""
    if case.project.retraining is not None:
        return ("retraining",)
    for name, source in case.project.data.sources.items() if case.project.data else ():
        if getattr(source, "growth", None) is not None:
            return ("data", "sources", name, "growth")
        if getattr(source, "refresh", None) not in (None, "never"):
            return ("data", "sources", name, "refresh")
    return None


@rule("SPL008", INFO, reads="task data splits")
def exact_split_of_large_data(case: Case) -> Iterator[Hit]:
    """Exact class shares are asked for with more than 100,000 rows.

    ## Why this is bad
    Lots already make class shares right to a fraction of a point; `exact` costs a sort of all rows and their stable places.

    ## Bad
    ```yaml
    data: {volume: {rows: 2000000}}
    splits: {exact: true}
    retraining: null
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 2000000}}
    splits: {exact: false}
    retraining: null
    ```

    ## Fix safety
    Unsafe: `exact` is taken away; rows change their part once.

    ## Source
    Measured: half the width of a 95 % interval of a class's share in 10,000 rows is at most 1.0 point, in 200,000 rows 0.2.
    """
    parts = case.split_rows
    if not case.project.splits.exact or parts is None or case.rows is None or case.rows <= LARGE:
        return
    moved = _off(0.5, parts.test)
    message = f"without `exact`, chance moves a class's share by at most {moved} in {parts.test:,} test rows"
    fix = Fix("deal by lot", (Change("remove", ("splits", "exact")),), safe=False)
    yield Hit(message, ("splits", "exact"), "leave `exact` out", related=_why_rows(case), fix=fix)


@rule("SPL009", (None, None, WARNING), reads="task splits")
def split_not_explained(case: Case) -> Iterator[Hit]:
    """In production, nothing says why rows are split as they are.

    ## Why this is bad
    Whoever reads the figures must know what they hold for: new customers, the next month, or rows like those in training.

    ## Bad
    ```yaml
    splits: {rationale: null}
    ```

    ## Good
    ```yaml
    splits: {rationale: a customer is one row and never comes again}
    ```

    ## Fix safety
    None: only you know why.

    ## Source
    Guide, "Splitting Best Practices: document splitting methodology".
    """
    if case.project.model is not None and case.project.splits.rationale is None:
        route: Route = ("splits",) if case.wrote("splits") else ("task",)
        message = f"nothing says why rows are split `{case.project.splits.strategy}`"
        yield Hit(message, route, "write a sentence in `splits.rationale`", "key")


@rule("SPL010", WARNING, reads="data splits")
def groups_of_one_row(case: Case) -> Iterator[Hit]:
    """The split keeps groups together by a column that has another value in every row.

    ## Why this is bad
    Each group is one row, so that nothing is kept together: the split is a random one with another name.

    ## Bad
    ```yaml
    splits: {strategy: group, group_by: customerID}
    ```

    ## Good
    ```yaml
    data: {columns: {household: {role: group, type: string}}}
    splits: {strategy: group}
    ```

    ## Fix safety
    None: name the column that several rows share, or take another strategy.

    ## Source
    Guide, "Splitting Best Practices"; the language: `group_by` is the column whose equal values stay together.
    """
    name, column = _grouping(case)
    if name is not None and column is not None and column.unique:
        route: Route = (
            ("splits", "group_by")
            if case.project.splits.group_by and case.wrote("splits", "group_by")
            else ("data", "columns", name)
        )
        related = (("it is declared unique here", ("data", "columns", name, "unique")),)
        message = f"`{name}` is unique: each group has one row"
        on = "value" if route[0] == "splits" else "key"
        yield Hit(message, route, "name the column that several rows share", on, related)


def _grouping(case: Case) -> tuple[str | None, Column | None]:
    splits = case.project.splits
    name = splits.group_by if splits.strategy == "group" else None
    return name, case.columns.get(name) if name else None


@rule("SPL011", WARNING, reads="task data splits")
def few_rows_per_class(case: Case) -> Iterator[Hit]:
    """The test has fewer than ten rows for each class, if classes were even.

    ## Why this is bad
    A class with a handful of test rows has no recall worth the name, and a part without any row of a class stops the run.

    ## Bad
    ```yaml
    task: {target: grade, positive: null}
    data: {volume: {rows: 500}, columns: {Churn: null, grade: {role: target, values: [a, b, c, d, e, f, g, h, i, j, k, l]}}}
    requirements: {metrics: [{metric: f1, target: ">= 0.7"}]}
    ```

    ## Good
    ```yaml
    task: {target: grade, positive: null}
    data: {volume: {rows: 10000}, columns: {Churn: null, grade: {role: target, values: [a, b, c, d, e, f, g, h, i, j, k, l]}}}
    requirements: {metrics: [{metric: f1, target: ">= 0.7"}]}
    ```

    ## Fix safety
    None: collect rows, or merge rare classes.

    ## Source
    Guide, "Splitting Best Practices: maintain class balance across splits"; measured: with 10 rows, a recall of 0.8 is known to
    ±25 points.
    """
    column = case.columns.get(case.target or "")
    parts = case.split_rows
    if case.task != "classification" or column is None or not column.values or parts is None or case.data is not None:
        return
    each = parts.test / len(column.values)
    if each < 10:
        needed = round(10 * len(column.values) * (case.rows or 0) / max(parts.test, 1))
        message = f"{parts.test:,} test rows for {len(column.values)} classes are {each:.0f} each, if classes were even"
        related = (("the classes are listed here", ("data", "columns", case.target or "", "values")),)
        yield Hit(message, ("data", "volume", "rows"), f"{needed:,} rows give 10 each; or merge rare classes", related=related)


@rule("SPL012", ERROR, reads="data splits")
def time_is_no_time(case: Case) -> Iterator[Hit]:
    """The column that orders a temporal split is declared as text, a category or a truth value.

    ## Why this is bad
    Text does not order rows in time, so a run stops at the split.

    ## Bad
    ```yaml
    data: {columns: {month: {role: time, type: string}}}
    splits: {strategy: temporal, gap: 14 d}
    ```

    ## Good
    ```yaml
    data: {columns: {month: {role: time, type: date}}}
    splits: {strategy: temporal, gap: 14 d}
    ```

    ## Fix safety
    Unsafe: the type becomes date; datetime, or a number of seconds, may be right.

    ## Source
    Guide, "Splitting Best Practices: consider temporal aspects"; the language: `splits.time` orders rows.
    """
    name = case.project.splits.time
    column = case.columns.get(name or "")
    if name is None or column is None or case.project.splits.strategy != "temporal" or column.type not in UNTIMELY:
        return
    route = ("data", "columns", name, "type")
    fix = Fix("declare a date", (Change("set", route, "date"),), safe=False)
    help_text = "write `type: date` or `type: datetime`; texts in the rows must be ISO, such as 2026-11-30"
    yield Hit(f"`{name}` orders the split, and is declared as {column.type}", route, help_text, fix=fix)


@rule("SPL013", WARNING, reads="data splits")
def time_may_be_missing(case: Case) -> Iterator[Hit]:
    """The column that orders a temporal split may be missing.

    ## Why this is bad
    A row without a time belongs neither before nor after: a run stops at the first one.

    ## Bad
    ```yaml
    data: {columns: {month: {role: time, type: date, nullable: true}}}
    splits: {strategy: temporal, gap: 14 d}
    ```

    ## Good
    ```yaml
    data: {columns: {month: {role: time, type: date, nullable: false}}}
    splits: {strategy: temporal, gap: 14 d}
    ```

    ## Fix safety
    Unsafe: `nullable: false` makes rows without a time fail their check.

    ## Source
    Guide, "Splitting Best Practices: consider temporal aspects"; the language: a temporal split needs a time for each row.
    """
    name = case.project.splits.time
    column = case.columns.get(name or "")
    if name is not None and column is not None and case.project.splits.strategy == "temporal" and column.nullable:
        route = ("data", "columns", name, "nullable")
        fix = Fix("demand a time", (Change("set", route, False),), safe=False)
        help_text = "write `nullable: false`, and `data.on_failure: quarantine` to set such rows aside"
        yield Hit(f"`{name}` orders the split, and may be missing", route, help_text, fix=fix)


@rule("SPL014", WARNING, reads="data splits")
def group_may_be_missing(case: Case) -> Iterator[Hit]:
    """The column that keeps groups together may be missing.

    ## Why this is bad
    All rows without a group are taken for one group and go the same way, however many they are.

    ## Bad
    ```yaml
    data: {columns: {household: {role: group, type: string, nullable: true}}}
    splits: {strategy: group}
    ```

    ## Good
    ```yaml
    data: {columns: {household: {role: group, type: string, nullable: false}}}
    splits: {strategy: group}
    ```

    ## Fix safety
    Unsafe: `nullable: false` makes rows without a group fail their check.

    ## Source
    Guide, "Splitting Best Practices"; the language: equal values of `group_by` stay together, and missing values are equal.
    """
    name, column = _grouping(case)
    if name is not None and column is not None and column.nullable:
        route = ("data", "columns", name, "nullable")
        fix = Fix("demand a group", (Change("set", route, False),), safe=False)
        message = f"rows without a `{name}` are one large group to the split"
        yield Hit(message, route, "write `nullable: false`, or give such rows a key of their own", fix=fix)


@rule("SPL015", (None, INFO, WARNING), reads="data splits retraining evaluation task")
def rows_without_identity(case: Case) -> Iterator[Hit]:
    """The model is trained again and again, and no column says which row is which.

    Without an id or a group, the split knows a row by the content of its features.

    ## Why this is bad
    A customer whose tenure grew is a new row to the split and may move from train to test: the next model is tested on what the
    last one learned, and champion and challenger cannot be compared.

    ## Bad
    ```yaml
    data: {columns: {customerID: {role: ignore}}}
    ```

    ## Good
    ```yaml
    data: {columns: {customerID: {role: id}}}
    ```

    ## Fix safety
    None: name the column that identifies a row.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage"; the language: rows are dealt by their identity, so that appended rows move no
    old row.
    """
    retrained = case.project.retraining is not None
    if not retrained and case.project.evaluation.champion is None:
        return
    if case.project.splits.strategy == "temporal" or case.by_role("id") or case.by_role("group") or case.project.splits.group_by:
        return
    why: Route = ("retraining",) if retrained else ("evaluation", "champion")
    message = "no column has the role id: a row whose features change may move between train and test"
    help_text = "give the column that names the row `role: id`"
    route: Route = ("data", "columns") if case.wrote("data", "columns") else ("data",)
    yield Hit(message, route, help_text, "key", (("models are compared over time", why),))
