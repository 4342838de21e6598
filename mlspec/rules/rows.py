"""Rows: what `mlspec lint --data` sees in the rows themselves, held against what the spec says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from mlspec.diagnostic import Change, Fix, Route
from mlspec.expression import BadExpression, parse
from mlspec.rules._cadence import spoken
from mlspec.rules._case import Case, DataFacts
from mlspec.rules._columns import names_rows, seen, transformed
from mlspec.rules._place import place
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule

KEEPERS = frozenset({"impute", "scale", "log", "drop", "select"})
"""Transforms that give their columns the names they had."""

DECLARED = ("min", "max", "values", "pattern", "finite")
MISSING = ("missing", "present")
OWN = ("type", "unique", "target", *DECLARED, *MISSING)
SUSPICIOUS, COPY = 0.98, 0.9999
SUSPICIOUS_ORDER = 0.995
"""A feature alone that reaches this is looked at: of classes the area under its ROC curve, of numbers (1 + |rho|) / 2."""

LEAST_ROWS = 20
STAND_INS = frozenset({-9.0, -99.0, -999.0, -9999.0, -99999.0})
NO_DATES = frozenset({"1900-01-01", "1970-01-01", "9999-12-31"})


def _facts(case: Case) -> DataFacts:
    assert case.data is not None
    return case.data


def _features(case: Case) -> list[str]:
    """Return the columns of the rows that reach the model: those declared, and those that nobody declared."""
    named = [
        one.columns for one in case.project.features if one.kind == "select" and isinstance(getattr(one, "columns", None), list)
    ]
    dropped = {name for _, _, kind, name in transformed(case) if kind == "drop"}
    told = set(seen(case)) | (set(_facts(case).columns) - set(case.columns) - dropped)
    hidden = {case.target, case.project.splits.time, case.project.splits.group_by}
    return [
        name
        for name in _facts(case).columns
        if name in told - hidden and all(name in kept for kept in named if isinstance(kept, list))
    ]


def _at(case: Case, name: str) -> tuple[Route, str]:
    """Return the place that stands for a column: where it is declared, else the columns, else the data."""
    return place(case, "data", "columns", name)[0], "key"


def _failed(case: Case, *kinds: str) -> Iterator[Mapping[str, Any]]:
    """Yield the checks of these kinds that fail, unless failing rows are to be set aside."""
    if case.project.data is not None and case.project.data.on_failure == "quarantine":
        return
    for one in _facts(case).further["checks"]:
        if one["kind"] in kinds or (not kinds and one["kind"] not in OWN):
            yield one


def _fails(case: Case, one: Mapping[str, Any]) -> str:
    """Say how many rows fail a check, and show the first values that do."""
    shown = list(dict.fromkeys(str(example["value"]) for example in one["examples"] if example["value"] is not None))[:3]
    examples = f"; the first are {', '.join(shown)}" if shown else ""
    allowed = f"; {100 * one['allowed']:.3g} % may" if one["allowed"] else ""
    return f"{one['failing']:,} of {_facts(case).rows:,} rows fail this: {one['description']}{examples}{allowed}"


@rule("ROW001", ERROR, reads="data task splits", data=True)
def declared_column_not_in_rows(case: Case) -> Iterator[Hit]:
    """No source has a column that the spec declares.

    ## Why this is bad
    A run stops at its first step; or the column is there under another name, and what is declared of it is not held against it.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data:
      sources: {samples: {kind: sklearn, dataset: breast_cancer}}
      columns: {mean_radius: {type: number}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data:
      sources: {samples: {kind: sklearn, dataset: breast_cancer}}
      columns: {mean radius: {type: number}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    Unsafe: the key gets the name of the one column that is close to it.

    ## Source
    Guide, "Data Pipelines: Data Validation: check quality and schema".
    """
    for name in _facts(case).further["absent"]:
        from difflib import get_close_matches

        close = get_close_matches(name, [one for one in _facts(case).columns if one not in case.columns], n=1)
        route: Route = ("data", "columns", name)
        fix = (
            Fix(f"rename it `{close[0]}`", (Change("rename", route, close[0]),), safe=False)
            if close and name in case.columns
            else None
        )
        named = ("task", "target") if name == case.target else ("splits", "time") if name == case.project.splits.time else None
        where, on = (route, "key") if name in case.columns else (named or ("splits", "group_by"), "value")
        help_text = f"did you mean `{close[0]}`?" if close else f"the rows have {', '.join(list(_facts(case).columns)[:20])}"
        yield Hit(f"no source has a column `{name}`", where, help_text, on, fix=fix)


def _mentions(case: Case) -> Iterator[tuple[Route, str | None]]:
    """Yield the places that name a column which the data must have."""
    yield from ((("data", "columns", name), name) for name in case.columns)
    yield ("task", "target"), case.target
    yield ("splits", "time"), case.project.splits.time
    yield ("splits", "group_by"), case.project.splits.group_by


@rule("ROW002", ERROR, reads="data features evaluation requirements", data=True)
def named_column_not_in_rows(case: Case) -> Iterator[Hit]:
    """A transform, a slice, a fairness check or a situation to be covered names a column that the rows have not.

    ## Why this is bad
    A run stops at the step that looks for it, after the model was trained.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data: {sources: {samples: {kind: sklearn, dataset: breast_cancer}}}
    model: {kind: sklearn.logistic_regression}
    evaluation: {slices: [{column: mean_radius, bins: [0, 12, 40]}]}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data: {sources: {samples: {kind: sklearn, dataset: breast_cancer}}}
    model: {kind: sklearn.logistic_regression}
    evaluation: {slices: [{column: mean radius, bins: [0, 12, 40]}]}
    ```

    ## Fix safety
    Unsafe: the name becomes that of the one column that is close to it.

    ## Source
    Guide, "Data Pipelines: Data Validation: check quality and schema".
    """
    there = [*_facts(case).columns, *_facts(case).further["absent"]]
    for route, name, whole in _named(case):
        if name not in there:
            from difflib import get_close_matches

            close = get_close_matches(name, there, n=1)
            fix = Fix(f"write `{close[0]}`", (Change("set", route, close[0]),), safe=False) if close and whole else None
            help_text = f"did you mean `{close[0]}`?" if close else f"the rows have {', '.join(there[:20])}"
            yield Hit(f"the rows have no column `{name}`", route, help_text, fix=fix)


def _named(case: Case) -> Iterator[tuple[Route, str, bool]]:
    """Yield (route, column, whether it is the whole value) of each mention; names that an earlier transform may make aside."""
    made = next((index for index, one in enumerate(case.project.features) if one.kind not in KEEPERS), len(case.project.features))
    for index, place_, _, name in transformed(case):
        if index <= made:
            yield ("features", index, "columns", place_), name, True
    conditions: list[tuple[Route, str]] = []
    for index, one in enumerate(case.project.evaluation.slices):
        route: Route = ("evaluation", "slices", index)
        if one.column is not None:
            short = isinstance(case.written(*route), str)
            yield route if short else (*route, "column"), one.column, True
        if one.where is not None:
            conditions.append(((*route, "where"), one.where))
    fairness = case.project.evaluation.fairness
    for index, name in enumerate(fairness.sensitive if fairness else ()):
        several = isinstance(case.written("evaluation", "fairness", "sensitive"), list)
        yield ("evaluation", "fairness", "sensitive", *((index,) if several else ())), name, True
    conditions += [
        (("requirements", "coverage", index, "where"), one.where) for index, one in enumerate(case.project.requirements.coverage)
    ]
    for route, text in conditions:
        yield from ((route, name, False) for name in _columns_of(text))


def _columns_of(condition: str) -> tuple[str, ...]:
    try:
        return parse(condition).columns
    except BadExpression:
        return ()


@rule("ROW003", ERROR, reads="data task", data=True)
def type_not_that_of_rows(case: Case) -> Iterator[Hit]:
    """Values of a column are not of the type that is declared.

    ## Why this is bad
    The schema check fails, and the run stops; or the declaration is wrong, and serving refuses what training took.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data:
      sources: {samples: {kind: sklearn, dataset: breast_cancer}}
      columns: {mean radius: {type: integer}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data:
      sources: {samples: {kind: sklearn, dataset: breast_cancer}}
      columns: {mean radius: {type: number}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    Unsafe: an integer that is a number in the rows is declared as one; it may be the rows that are wrong.

    ## Source
    Guide, "Data Pipelines: Data Validation: check quality and schema".
    """
    for one in _failed(case, "type"):
        held = _facts(case).columns[one["column"]].type
        change = Change("set", tuple(one["route"]), held)
        fix = Fix(f"declare {held}", (change,), safe=False) if held == "number" else None  # text has no bounds
        help_text = f"the rows hold `{held}`: declare that, or mend the rows"
        yield Hit(_fails(case, one), tuple(one["route"]), help_text, fix=fix)


@rule("ROW004", ERROR, reads="data task", data=True)
def values_out_of_declaration(case: Case) -> Iterator[Hit]:
    """Values of a column lie outside what is declared: `min`, `max`, `values` or `pattern`; or they are infinite.

    ## Why this is bad
    The schema check fails, and the run stops. Either the rows are wrong, or what the spec says of them is.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data:
      sources: {samples: {kind: sklearn, dataset: breast_cancer}}
      columns: {mean radius: {type: number, min: 0, max: 20}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data:
      sources: {samples: {kind: sklearn, dataset: breast_cancer}}
      columns: {mean radius: {type: number, min: 0, max: 40}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    None: either the rows or the declaration is wrong.

    ## Source
    Guide, "Common Pitfalls to Avoid: Ignoring Data Quality": implement data validation pipelines.
    """
    for one in _failed(case, *DECLARED):
        facts = _facts(case).columns[one["column"]]
        bound = {"min": facts.min, "max": facts.max}.get(one["kind"])
        extreme = f"; the {'smallest' if one['kind'] == 'min' else 'largest'} is {bound}" if bound is not None else ""
        help_text = f"mend the rows, declare what they may hold, or write `on_failure: quarantine`{extreme}"
        yield Hit(_fails(case, one), tuple(one["route"]), help_text)


@rule("ROW005", ERROR, reads="data task", data=True)
def more_missing_than_allowed(case: Case) -> Iterator[Hit]:
    """More values of a column are missing than its check allows.

    ## Why this is bad
    The check fails, and the run stops.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}, checks: [{kind: missing, max: 5 %}]}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    size,rent
    30,410
    ,520
    55,610
    61,640
    ,700
    80,815
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}, checks: [{kind: missing, max: 35 %}]}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    size,rent
    30,410
    ,520
    55,610
    61,640
    ,700
    80,815
    ```

    ## Fix safety
    None: find out why they are missing first.

    ## Source
    Guide, "Common Pitfalls to Avoid: Ignoring Data Quality": implement data validation pipelines.
    """
    for one in _failed(case, *MISSING):
        missing = f"{one['failing']:,} of {_facts(case).rows:,} values of `{one['column']}` are missing"
        message = f"{missing} ({one['share']:.1%}), and {one['allowed']:.1%} may be"
        yield Hit(
            message, tuple(one["route"]), "find out why; then raise `max`, or name the columns that must be there in `columns`"
        )


@rule("ROW006", ERROR, reads="data task", data=True)
def key_that_comes_twice(case: Case) -> Iterator[Hit]:
    """A column that is declared unique has a value in several rows.

    ## Why this is bad
    The check fails, and the run stops: rows were delivered twice, or the column is not the key that it was taken for.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data:
      sources: {flats: {kind: csv, path: flats.csv}}
      columns: {flat: {role: id, type: string, unique: true}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    flat,size,rent
    a,30,410
    b,41,520
    c,55,610
    c,61,640
    d,68,700
    e,80,815
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data:
      sources: {flats: {kind: csv, path: flats.csv}}
      columns: {flat: {role: id, type: string, unique: true}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    flat,size,rent
    a,30,410
    b,41,520
    c,55,610
    d,61,640
    e,68,700
    f,80,815
    ```

    ## Fix safety
    None: either the rows or the declaration is wrong.

    ## Source
    Guide, "Data Pipelines: Data Validation: check quality and schema".
    """
    for one in _failed(case, "unique"):
        help_text = "leave the repeated rows out, or write `on_failure: quarantine`; if it is no key, take `unique` away"
        yield Hit(_fails(case, one), tuple(one["route"]), help_text)


@rule("ROW007", ERROR, reads="data task", data=True)
def check_fails_on_rows(case: Case) -> Iterator[Hit]:
    """The rows fail a check of the spec.

    Checks of your own code are not made here: lint runs none.

    ## Why this is bad
    The run stops before the split.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data:
      sources: {samples: {kind: sklearn, dataset: breast_cancer}}
      checks: [{kind: expression, that: "`worst radius` > `mean radius` * 1.2"}]
    model: {kind: sklearn.logistic_regression}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data:
      sources: {samples: {kind: sklearn, dataset: breast_cancer}}
      checks: [{kind: expression, that: "`worst radius` >= `mean radius`"}]
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    None: either the rows or the check is wrong.

    ## Source
    Guide, "Common Pitfalls to Avoid: Ignoring Data Quality": implement data validation pipelines.
    """
    for one in _failed(case):
        help_text = "mend the rows, say how many may fail, or write `on_failure: quarantine`"
        yield Hit(_fails(case, one), tuple(one["route"]), help_text)


@rule("ROW008", INFO, reads="data task", data=True)
def rows_set_aside(case: Case) -> Iterator[Hit]:
    """With `on_failure: quarantine`, rows fail their checks and are set aside.

    ## Why this is bad
    What is left differs from what is delivered. A few rows are what quarantine is for; many are a fault of the source.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data:
      sources: {samples: {kind: sklearn, dataset: breast_cancer}}
      columns: {mean radius: {type: number, max: 25}}
      on_failure: quarantine
    model: {kind: sklearn.logistic_regression}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data:
      sources: {samples: {kind: sklearn, dataset: breast_cancer}}
      columns: {mean radius: {type: number, max: 40}}
      on_failure: quarantine
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    None: look at the rows first.

    ## Source
    Guide, "Common Pitfalls to Avoid: Ignoring Data Quality".
    """
    aside = _facts(case).rows - _facts(case).further["kept"]
    if case.project.data is not None and case.project.data.on_failure == "quarantine" and aside:
        first = next((one["description"] for one in _facts(case).further["checks"]), "")
        message = f"{aside:,} of {_facts(case).rows:,} rows are set aside; the first check that fails is that {first}"
        yield Hit(message, ("data", "on_failure"), "`mlspec run` lists them, with the reason of each, in the quarantine table")


@rule("ROW009", WARNING, reads="data task", data=True)
def target_missing_in_rows(case: Case) -> Iterator[Hit]:
    """Rows have no target.

    ## Why this is bad
    They are set aside. If labels come late, it is the newest rows that are lost; if people are left out, it is not by chance.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    size,rent
    30,410
    41,520
    55,610
    61,
    68,700
    80,
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    size,rent
    30,410
    41,520
    55,610
    61,640
    68,700
    80,815
    ```

    ## Fix safety
    None: find the labels, or leave such rows out of the source.

    ## Source
    Guide, "Feedback Loop Issues: delayed feedback, selection bias".
    """
    column = _facts(case).columns.get(case.target or "")
    if column is not None and column.missing:
        share = column.missing / _facts(case).rows
        message = f"{column.missing:,} of {_facts(case).rows:,} rows ({share:.1%}) have no `{case.target}`, and are set aside"
        yield Hit(message, ("task", "target"), "find out why; if labels come late, say so in `data.labels.delay`")


def _judged(case: Case, low: float, high: float) -> Iterator[tuple[str, float]]:
    """Yield the features that tell the target better than `low` and no better than `high`."""
    if _facts(case).rows >= LEAST_ROWS:
        for name in _features(case):
            auc = _facts(case).columns[name].auc
            if auc is not None and low <= auc < high:
                yield name, auc


@rule("ROW010", ERROR, reads="data task features splits", data=True)
def feature_copies_target(case: Case) -> Iterator[Hit]:
    """A feature alone tells the target of every row.

    ## Why this is bad
    It is the target under another name, or is made of it. The model learns to look it up, and finds nothing in use.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    yearly,rent
    12,1
    24,2
    36,3
    48,4
    60,5
    72,6
    84,7
    96,8
    108,9
    120,10
    132,11
    144,12
    156,13
    168,14
    180,15
    192,16
    204,17
    216,18
    228,19
    240,20
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data: {sources: {samples: {kind: sklearn, dataset: breast_cancer}}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    Unsafe: the column gets the role ignore; only you know whether it is known in time.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage": feature audit; measured: single features of the gallery reach 0.50 to 0.976.
    """
    for name, auc in _judged(case, COPY, 2):
        route, on = _at(case, name)
        fix = Fix(f"ignore `{name}`", (Change("set", ("data", "columns", name, "role"), "ignore"),), safe=False)
        message = f"`{name}` alone tells `{case.target}` without a fault ({_measure(case, auc)})"
        help_text = f"declare it: `data.columns.{name}: {{role: ignore}}`"
        yield Hit(message, route, help_text, on, (("the target", ("task", "target")),), fix)


def _measure(case: Case, auc: float) -> str:
    return f"ROC AUC {auc:.4f}" if case.task == "classification" else f"a rank correlation of {2 * auc - 1:.4f}"


@rule("ROW011", WARNING, reads="data task features splits", data=True)
def feature_tells_target(case: Case) -> Iterator[Hit]:
    """A feature alone separates the target nearly without a fault.

    That is a ROC AUC of 0.98 (for several classes, the mean of each against the others), or a rank correlation of 0.99.

    ## Why this is bad
    Real features are seldom that good. Most often the column is filled in after the outcome, or computed from it.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: regression, target: mean radius}
    data: {sources: {samples: {kind: sklearn, dataset: breast_cancer}}}
    model: {kind: sklearn.ridge}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data: {sources: {samples: {kind: sklearn, dataset: breast_cancer}}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    Unsafe: the column gets the role ignore; only you know whether it is known in time.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage": feature audit; measured: single features of the gallery reach 0.50 to 0.976.
    """
    for name, auc in _judged(case, SUSPICIOUS if case.task == "classification" else SUSPICIOUS_ORDER, COPY):
        route, on = _at(case, name)
        fix = Fix(f"ignore `{name}`", (Change("set", ("data", "columns", name, "role"), "ignore"),), safe=False)
        message = f"`{name}` alone tells `{case.target}` nearly without a fault ({_measure(case, auc)})"
        help_text = "find out when its value is known; if after the outcome, give it `role: ignore`"
        yield Hit(message, route, help_text, on, (("the target", ("task", "target")),), fix)


@rule("ROW012", WARNING, reads="data task features splits", data=True)
def constant_column_in_rows(case: Case) -> Iterator[Hit]:
    """A feature has the same value in every row.

    ## Why this is bad
    It tells nothing today, and tomorrow's other value is one that the model has never seen.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    country,size,rent
    FR,30,410
    FR,41,520
    FR,55,610
    FR,61,640
    FR,68,700
    FR,80,815
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    country,size,rent
    FR,30,410
    DE,41,520
    FR,55,610
    DE,61,640
    FR,68,700
    FR,80,815
    ```

    ## Fix safety
    Unsafe: the column gets the role ignore.

    ## Source
    Guide, "Common Pitfalls to Avoid: Ignoring Data Quality"; Breck et al. (2017), "The ML test score".
    """
    for name in _features(case):
        facts = _facts(case).columns[name]
        if facts.distinct == 1 and not facts.missing:
            route, on = _at(case, name)
            fix = Fix(f"ignore `{name}`", (Change("set", ("data", "columns", name, "role"), "ignore"),), safe=False)
            value = f" ({facts.examples[0]})" if facts.examples else ""
            yield Hit(f"`{name}` has one value in all rows{value}", route, "give it `role: ignore`, or find out why", on, fix=fix)


@rule("ROW013", WARNING, reads="data task features splits", data=True)
def mostly_missing_column(case: Case) -> Iterator[Hit]:
    """A feature is missing in at least 60 % of the rows.

    ## Why this is bad
    What is filled in is then mostly a guess, and that a value is there at all may tell more than the value, until the way it is
    collected changes.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.hist_gradient_boosting}
    ```
    ```csv flats.csv
    garden,size,rent
    ,30,410
    ,41,520
    ,55,610
    12,61,640
    ,68,700
    ,80,815
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.hist_gradient_boosting}
    ```
    ```csv flats.csv
    garden,size,rent
    0,30,410
    0,41,520
    5,55,610
    12,61,640
    ,68,700
    20,80,815
    ```

    ## Fix safety
    None: leave the column out, or collect it.

    ## Source
    Guide, "Common Pitfalls to Avoid: Ignoring Data Quality"; Madley-Dowd et al. (2019): above such shares results rest on the
    imputation's assumptions.
    """
    for name in _features(case):
        facts = _facts(case).columns[name]
        share = facts.missing / _facts(case).rows
        if share >= 0.6:
            route, on = _at(case, name)
            message = f"`{name}` is missing in {facts.missing:,} of {_facts(case).rows:,} rows ({share:.0%})"
            yield Hit(message, route, "give it `role: ignore`, or a transform {kind: impute, add_indicator: true}", on)


@rule("ROW014", WARNING, reads="data task features splits", data=True)
def key_among_features(case: Case) -> Iterator[Hit]:
    """A feature has another value in every row: text, or whole numbers that count up or whose name sounds like a key.

    ## Why this is bad
    It names rows. A model learns it by heart, and a split does not know which row is which.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.hist_gradient_boosting}
    ```
    ```csv flats.csv
    flat,rent
    a1,4
    a2,5
    a3,9
    a4,7
    a5,3
    a6,8
    a7,6
    a8,4
    b1,4
    b2,5
    b3,9
    b4,7
    b5,3
    b6,8
    b7,6
    b8,4
    c1,5
    c2,6
    c3,7
    c4,4
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data: {sources: {samples: {kind: sklearn, dataset: breast_cancer}}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    Unsafe: the column gets the role id, which takes it from the model and makes it the key of the split.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage": feature audit; Kaufman, Rosset, Perlich (2012), "Leakage in data mining".
    """
    rows = _facts(case).rows
    if rows < LEAST_ROWS or (case.project.task is not None and case.project.task.modality != "tabular"):
        return
    for name in _features(case):
        facts = _facts(case).columns[name]
        counts_up = facts.type == "integer" and facts.min is not None and facts.max - facts.min == rows - 1
        is_key = facts.type in ("string", "category") or counts_up or (facts.type == "integer" and names_rows(name))
        if facts.distinct == rows and is_key:
            route, on = _at(case, name)
            fix = Fix(f"make `{name}` an id", (Change("set", ("data", "columns", name, "role"), "id"),), safe=False)
            yield Hit(
                f"`{name}` has another value in each of the {rows:,} rows", route, f"declare `{name}: {{role: id}}`", on, fix=fix
            )


@rule("ROW015", (INFO, WARNING, WARNING), reads="data task features splits", data=True)
def one_hot_of_many_values(case: Case) -> Iterator[Hit]:
    """A category with many values, and fewer than ten rows for each, becomes a column for each.

    ## Why this is bad
    Most of these columns are nearly empty: a linear model learns single rows by them, and the table grows wide. The mean of the
    target, learned crosswise, says the same in one column.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}, columns: {street: {type: category}}}
    splits: {strategy: random, exact: true}
    features: [{kind: encode, columns: [street], with: one_hot}]
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    street,rent
    a1,4
    a2,5
    a3,9
    a4,7
    a5,3
    a6,8
    a7,6
    a8,4
    b1,4
    b2,5
    b3,9
    b4,7
    b5,3
    b6,8
    b7,6
    b8,4
    c1,5
    c2,6
    c3,7
    c4,4
    c4,3
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}, columns: {street: {type: category}}}
    splits: {strategy: random, exact: true}
    features: [{kind: encode, columns: [street], with: target}]
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    street,rent
    a1,4
    a1,5
    a3,9
    a4,7
    a4,3
    a1,6
    a1,8
    ```

    ## Fix safety
    Unsafe: the column is encoded by the target's mean.

    ## Source
    Micci-Barreca (2001), "A preprocessing scheme for high-cardinality categorical attributes"; guide, "Structured Data
    Enhancement".
    """
    for index, transform in enumerate(case.project.features):
        named = getattr(transform, "columns", None)
        how = transform.model_dump(by_alias=True).get("with")
        if transform.kind != "encode" or how != "one_hot" or not isinstance(named, list):
            continue
        for position, name in enumerate(named):
            facts = _facts(case).columns.get(name)
            if facts is not None and facts.distinct >= 20 and _facts(case).rows / facts.distinct < 10:
                fix = Fix("encode by the target's mean", (Change("set", ("features", index, "with"), "target"),), safe=False)
                message = f"`{name}` has {facts.distinct:,} values in {_facts(case).rows:,} rows, and gets a column for each"
                help_text = "write `with: target`, or merge rare values"
                yield Hit(message, ("features", index, "columns", position), help_text, fix=fix)


@rule("ROW016", (INFO, WARNING, WARNING), reads="data task", data=True)
def repeated_rows(case: Case) -> Iterator[Hit]:
    """More than 1 % of the rows repeat an earlier one, ids aside, and no check says how many may.

    Rows with equal features never stand on two sides of the split: they are dealt as one, or left out of training. Tables of few
    columns with few values are not meant: their rows are alike by chance.

    ## Why this is bad
    A row that was delivered twice counts twice in every metric. Whether that is right, somebody should have decided.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    size,rent
    30,410
    41,520
    41,520
    55,610
    61,640
    68,700
    80,815
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    size,rent
    30,410
    41,520
    43,520
    55,610
    61,640
    68,700
    80,815
    ```

    ## Fix safety
    None: `checks: [{kind: duplicates, max: …}]` says how many may be; with `on_failure: quarantine` the others are set aside.

    ## Source
    Lee et al. (2022), "Deduplicating training data makes language models better"; guide, "Data Validation"; measured: 18 % of the
    rows of the UCI wine data repeat others.
    """
    facts, data = _facts(case), case.project.data
    share = facts.duplicates / facts.rows
    possible = prod(max(one.distinct, 1) for name, one in facts.columns.items() if name not in case.by_role("id"))
    if possible < 4 * facts.rows or data is None or share <= 0.01:
        return  # few columns with few values: rows are alike by chance
    if not any(check.kind == "duplicates" for check in data.checks):
        message = f"{facts.duplicates:,} of {facts.rows:,} rows ({share:.1%}) repeat an earlier one"
        ids = ", ".join(case.by_role("id"))
        wanted = "{kind: duplicates" + (f", ignore: [{ids}]" if ids else "") + f", max: {100 * share + 0.5:.0f} %}}"
        route, on = place(case, "data", "checks")
        yield Hit(message, route, f"say how many may: `checks: [{wanted}]`", on)


@rule("ROW017", ERROR, reads="data task", data=True)
def positive_label_not_in_rows(case: Case) -> Iterator[Hit]:
    """The label that is looked for is in no row.

    ## Why this is bad
    Recall, precision and ROC AUC are of a class that is not there: a run stops where it judges the model.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: Malignant}
    data: {sources: {samples: {kind: sklearn, dataset: breast_cancer}}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: tumours}
    task: {kind: classification, target: target, positive: malignant}
    data: {sources: {samples: {kind: sklearn, dataset: breast_cancer}}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    Unsafe: the label becomes the one that is close to it.

    ## Source
    Guide, "Technical ML Metrics"; the language: `positive` is a label of the target.
    """
    task, classes = case.project.task, _facts(case).classes
    if task is None or task.positive is None or not classes:
        return
    wanted = str(task.positive).lower() if isinstance(task.positive, bool) else str(task.positive)
    if wanted not in classes:
        alike = [label for label in classes if label.lower() == wanted.lower()]
        from difflib import get_close_matches

        close = alike or get_close_matches(wanted, classes, n=1)
        fix = Fix(f"write `{close[0]}`", (Change("set", ("task", "positive"), close[0]),), safe=False) if close else None
        labels = ", ".join(f"`{label}`" for label in list(classes)[:10])
        help_text = (f"did you mean `{close[0]}`? " if close else "") + f"the labels are {labels}"
        yield Hit(f"no row has the label `{task.positive}`", ("task", "positive"), help_text, fix=fix)


@rule("ROW018", WARNING, reads="data", data=True)
def volume_not_that_of_rows(case: Case) -> Iterator[Hit]:
    """There are half as many rows as `data.volume.rows` says, or fewer; or twice as many, or more.

    ## Why this is bad
    What follows from the number (the size of the test, the power of drift tests, memory) is then computed for other data.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: flowers}
    task: {kind: classification, target: target}
    data: {sources: {flowers: {kind: sklearn, dataset: iris}}, volume: {rows: 5000}}
    model: {kind: sklearn.random_forest}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: flowers}
    task: {kind: classification, target: target}
    data: {sources: {flowers: {kind: sklearn, dataset: iris}}, volume: {rows: 150}}
    model: {kind: sklearn.random_forest}
    ```

    ## Fix safety
    Unsafe: the number becomes that of the rows; the rows at hand may be a sample.

    ## Source
    Guide, "Data Requirements Assessment"; the language: `volume.rows` are the rows that are expected.
    """
    volume = case.project.data.volume if case.project.data else None
    rows = _facts(case).rows
    if volume is not None and volume.rows and not 0.5 < rows / volume.rows < 2:
        route = ("data", "volume", "rows")
        fix = Fix(f"write {rows}", (Change("set", route, rows),), safe=False)
        yield Hit(f"there are {rows:,} rows, not {volume.rows:,}", route, f"write {rows}, if these are all", fix=fix)


@rule("ROW019", WARNING, reads="data task features splits", data=True)
def numbers_kept_as_text(case: Case) -> Iterator[Hit]:
    """A column is text because a few of its values are words, such as `?` or `n/a`; the others are numbers.

    ## Why this is bad
    Each number becomes a category of its own, and 9 is as far from 10 as from 1000.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.hist_gradient_boosting}
    ```
    ```csv flats.csv
    size,rent
    30,410
    41,520
    ?,610
    61,640
    68,700
    80,815
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv, null_values: ["?"]}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.hist_gradient_boosting}
    ```
    ```csv flats.csv
    size,rent
    30,410
    41,520
    ?,610
    61,640
    68,700
    80,815
    ```

    ## Fix safety
    Unsafe: the words are added to the source's `null_values`, where it is one CSV source and they are at most three.

    ## Source
    Guide, "Data Pipelines: Data Validation: check quality and schema"; measured: `TotalCharges` of the Telco data is text for 11
    blanks among 7,043 rows.
    """
    sources = case.project.data.sources if case.project.data else {}
    for name, found in _facts(case).further["numbers_in_text"].items():
        if found["share"] < 0.8 or name not in _features(case):
            continue
        route, on = _at(case, name)
        words = ", ".join(f"`{word}`" for word in found["others"])
        fix, help_text = None, f"declare it: `data.columns.{name}: {{type: number}}`, and see to the other values"
        only = next(iter(sources)) if len(sources) == 1 else ""
        if only and sources[only].kind == "csv" and 0 < found["words"] <= 3 and len(found["others"]) == found["words"]:
            nulls = [*getattr(sources[only], "null_values", ()), *found["others"]]
            help_text = f"if they stand for a missing value: `null_values: {nulls}` at the source".replace("'", '"')
            fix = Fix(
                "read these words as missing", (Change("set", ("data", "sources", only, "null_values"), nulls),), safe=False
            )
        yield Hit(f"{found['share']:.1%} of `{name}` are numbers; the others are {words}", route, help_text, on, fix=fix)


@rule("ROW020", WARNING, reads="data task features splits", data=True)
def number_stands_for_missing(case: Case) -> Iterator[Hit]:
    """The smallest value of a column is -99, -999 or the like, or an end of its dates is one that stands for none.

    A column whose `min` is declared has been looked at, and is not meant.

    ## Why this is bad
    A mean, a scale and a linear model take the stand-in for a measured value, and the check of missing values does not see it.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.hist_gradient_boosting}
    ```
    ```csv flats.csv
    size,rent
    30,410
    41,520
    -999,610
    61,640
    68,700
    80,815
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent}
    data: {sources: {flats: {kind: csv, path: flats.csv, null_values: ["-999"]}}}
    splits: {strategy: random, exact: true}
    model: {kind: sklearn.hist_gradient_boosting}
    ```
    ```csv flats.csv
    size,rent
    30,410
    41,520
    -999,610
    61,640
    68,700
    80,815
    ```

    ## Fix safety
    None: only you know whether it is a measured value.

    ## Source
    Guide, "Common Pitfalls to Avoid: Ignoring Data Quality"; Pearson (2006), "The problem of disguised missing data".
    """
    for name in _features(case):
        facts, column = _facts(case).columns[name], case.columns.get(name)
        if column is not None and (column.min is not None or column.values is not None):
            continue
        ends = [end for end in (facts.min, facts.max) if str(end)[:10] in NO_DATES]
        ends += [facts.min] if facts.min in STAND_INS and (facts.max or 0) >= 0 else []
        if ends:
            route, on = _at(case, name)
            help_text = "read it as missing (`null_values` of a CSV source), or declare `min` if it is a measured value"
            yield Hit(f"{ends[0]} in `{name}` looks like a stand-in for a missing value", route, help_text, on)


@rule("ROW021", WARNING, reads="data task splits", data=True)
def test_shorter_than_season(case: Case) -> Iterator[Hit]:
    """The test of a temporal split covers less than one cycle of the declared seasonality.

    ## Why this is bad
    A model that is tested in summer may be good in summer only.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent, seasonality: 1 y}
    data: {sources: {flats: {kind: csv, path: flats.csv}}, columns: {month: {role: time, type: date}}}
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    month,size,rent
    2024-01-01,1,41
    2024-02-01,2,42
    2024-03-01,3,44
    2024-04-01,4,41
    2024-05-01,5,46
    2024-06-01,6,43
    2024-07-01,7,48
    2024-08-01,8,49
    2024-09-01,9,51
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: rents}
    task: {kind: regression, target: rent, seasonality: 7 d}
    data: {sources: {flats: {kind: csv, path: flats.csv}}, columns: {month: {role: time, type: date}}}
    model: {kind: sklearn.ridge}
    ```
    ```csv flats.csv
    month,size,rent
    2024-01-01,1,41
    2024-02-01,2,42
    2024-03-01,3,44
    2024-04-01,4,41
    2024-05-01,5,46
    2024-06-01,6,43
    2024-07-01,7,48
    2024-08-01,8,49
    2024-09-01,9,51
    ```

    ## Fix safety
    None: a longer history is needed, or a larger test.

    ## Source
    Hyndman, Athanasopoulos (2021), "Forecasting: principles and practice", chapter 5; guide, "Splitting Best Practices".
    """
    task, parts = case.project.task, _facts(case).further["parts"]
    if task is None or task.seasonality is None or case.project.splits.strategy != "temporal" or not parts:
        return
    length = _seconds(parts["test"]["first"], parts["test"]["last"])
    if length is not None and length < task.seasonality * 0.95:
        message = f"the test covers {spoken(length)}, from {parts['test']['first']} to {parts['test']['last']}"
        route, on = place(case, "splits", "ratios")
        related = (("the cycle is declared here", ("task", "seasonality")),)
        where = (route, on) if case.wrote("splits") else (("task", "seasonality"), "value")
        yield Hit(message, where[0], f"give the test at least {task.seasonality}", where[1], related)


def _seconds(first: Any, last: Any) -> float | None:
    """Return the time between two ends of a part, in seconds; None where they are neither dates nor numbers."""
    from datetime import datetime

    if isinstance(first, int | float) and isinstance(last, int | float):
        return float(last - first)
    try:
        return (datetime.fromisoformat(str(last)) - datetime.fromisoformat(str(first))).total_seconds()
    except ValueError:
        return None


@rule("ROW022", (None, INFO, WARNING), reads="data task features splits", data=True)
def feature_nobody_declared(case: Case) -> Iterator[Hit]:
    """Columns of the rows become features though the spec does not mention them.

    ## Why this is bad
    Nobody wrote down that they are known in time and may be used. The next column of the source is a feature, too.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: flowers, phase: pilot, problem: Gardeners want to name a flower by its measures., owner: flora@example.com}
    requirements: {metrics: [{metric: accuracy, target: ">= 0.8"}]}
    task: {kind: classification, target: target}
    data:
      sources: {flowers: {kind: sklearn, dataset: iris}}
      columns: {petal length (cm): {type: number}}
      checks: [{kind: missing}]
    splits: {strategy: stratified, exact: true}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: flowers, phase: pilot, problem: Gardeners want to name a flower by its measures., owner: flora@example.com}
    requirements: {metrics: [{metric: accuracy, target: ">= 0.8"}]}
    task: {kind: classification, target: target}
    data:
      sources: {flowers: {kind: sklearn, dataset: iris}}
      columns: {petal length (cm): {type: number}}
      checks: [{kind: missing}]
    splits: {strategy: stratified, exact: true}
    features: [{kind: select, columns: [petal length (cm)]}]
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    None: each column wants a look.

    ## Source
    Guide, "Common Pitfalls to Avoid: Data Leakage": feature audit; "Data Management: data dictionaries".
    """
    united = case.project.data.union.source_column if case.project.data and case.project.data.union else None
    unknown = [name for name in _features(case) if name not in case.columns and name != united]
    if unknown:
        shown = ", ".join(f"`{name}`" for name in unknown[:12]) + (f" and {len(unknown) - 12} more" if len(unknown) > 12 else "")
        route, _ = place(case, "data", "columns")
        message = f"{len(unknown)} columns are features that nobody declared: {shown}"
        yield Hit(message, route, "declare them, or keep the declared ones with {kind: select}", "key")
