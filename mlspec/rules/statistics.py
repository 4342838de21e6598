"""Rules of statistical feasibility: whether the rows and requests there are can show what a gate, a test or an alarm asks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from mlspec.diagnostic import Change, Fix, Route
from mlspec.metrics import CATALOGUE
from mlspec.rules import _power
from mlspec.rules._case import Case
from mlspec.rules._place import percent, place
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule

if TYPE_CHECKING:
    from mlspec.spec.monitoring import DataDrift

WIDE = 0.05
"""An interval that reaches further than this to each side leaves a target open: 5 points."""

BINS = 10
"""Our PSI counts rows in ten bins at deciles of the reference."""


class _Judged(NamedTuple):
    """The primary metric as a number to be measured: its name, the value it is expected near, and how sure one wants to be."""

    metric: str
    value: float
    positive: float | None
    confidence: float

    def half_width(self, rows: float) -> float | None:
        return _power.half_width(self.metric, self.value, rows, self.positive, self.confidence)

    def rows_for(self, half: float) -> int | None:
        return _power.rows_for(self.metric, self.value, half, self.positive, self.confidence)

    def told(self, half: float) -> str:
        least = "" if self.positive is not None or self.metric == "accuracy" else " at best"
        return f"{self.metric} near {self.value:g} to ±{half:.3f}{least}"


def _positive_share(case: Case) -> float | None:
    """The share of positive rows, where the rows were counted."""
    classes = case.data.classes if case.data is not None else None
    if not classes or len(classes) != 2 or case.project.task is None:
        return None
    named = str(case.project.task.positive) if case.project.task.positive is not None else max(classes)
    return classes[named] / max(1, sum(classes.values())) if classes.get(named) else None


def _judged(case: Case) -> _Judged | None:
    """The primary metric where a formula for its precision is known."""
    primary = case.primary
    if primary is None or primary.metric in case.project.evaluation.metrics or case.task != "classification":
        return None
    found = _Judged(primary.metric, primary.target.value, _positive_share(case), case.project.evaluation.confidence)
    return found if found.half_width(1000) is not None else None


def _in_all(case: Case, rows: int | None, part: int) -> str:
    """Say how many rows there must be for a part to have so many."""
    if rows is None or case.rows is None or part == 0:
        return ""
    return f" ({math.ceil(rows * case.rows / part):,} rows in all)"


def _rows_are_here(case: Case) -> tuple[tuple[str, Route], ...]:
    route: Route = ("data", "volume", "rows")
    return ((f"there are {case.rows:,} rows", route),) if case.data is None and case.wrote(*route) else ()


@rule("STA001", (INFO, INFO, WARNING), reads="requirements data splits evaluation task")
def test_rows_too_few(case: Case) -> Iterable[Hit]:
    """The test rows cannot show whether a target is met: the interval of the metric is wider than 5 points to each side.

    The interval is the normal one for shares of rows and Hanley & McNeil's for ROC AUC. Where the share of positive rows is
    unknown, the best case counts.

    ## Why this is bad
    With 200 test rows an accuracy of 0.9 is known to ±4.2 points: whether the gate opens is partly luck.

    ## Bad
    ```yaml
    data: {volume: {rows: 1000}}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 70000}}
    ```

    ## Fix safety
    None: more test rows are needed, or a target that leaves room.

    ## Source
    Measured: n = 200 at accuracy 0.9 gives ±4.2 points. Hanley & McNeil (1982), The meaning and use of the area under a
    receiver operating characteristic curve.
    """
    split = case.split_rows
    if split is None or split.test < 100 or case.task != "classification":
        return
    for index, wanted in enumerate(case.project.requirements.metrics):
        if wanted.metric in case.project.evaluation.metrics:
            continue
        one = _Judged(wanted.metric, wanted.target.value, _positive_share(case), case.project.evaluation.confidence)
        half = one.half_width(split.test)
        if half is None or half <= WIDE:
            continue
        enough = one.rows_for(WIDE)
        yield Hit(
            f"{split.test:,} test rows show {one.told(half)}",
            ("requirements", "metrics", index, "target"),
            help=f"{enough:,} test rows would show it to ±{WIDE}{_in_all(case, enough, split.test)}" if enough else "",
            related=_rows_are_here(case),
        )


def _below_noise(case: Case, wanted: float | None, rows: int, route: Route, what: str) -> Iterable[Hit]:
    """Yield a hit where a difference that a gate asks for is smaller than the noise of the primary metric on so many rows."""
    one = _judged(case)
    half = one.half_width(rows) if one is not None else None
    if one is None or half is None or not wanted or wanted >= half:
        return
    enough = one.rows_for(wanted)
    yield Hit(
        f"{what} {wanted:g}, and {rows:,} rows show {one.told(half)}",
        route,
        help=f"ask for {half:.2g} or more" + (f", or use {enough:,} rows{_in_all(case, enough, rows)}" if enough else ""),
        related=_rows_are_here(case),
    )


@rule("STA002", (INFO, WARNING, WARNING), reads="requirements data splits evaluation task")
def baseline_margin_below_noise(case: Case) -> Iterable[Hit]:
    """The margin over the baseline is smaller than what chance moves the metric on the test rows.

    Both models are judged on the same rows, which makes their difference surer than two single scores; the half width of one
    score is what a difference has when half of its noise is shared.

    ## Why this is bad
    The gate opens and shuts by the luck of the draw of test rows.

    ## Bad
    ```yaml
    data: {volume: {rows: 2000}}
    evaluation: {beat_baseline_by: 0.01}
    ```

    ## Good
    ```yaml
    evaluation: {beat_baseline_by: 0.02}
    ```

    ## Fix safety
    None: ask for a larger margin, or use more rows.

    ## Source
    Guide, "Training Best Practices: start with simple baseline models"; Dietterich (1998), Approximate statistical tests for
    comparing supervised classification learning algorithms.
    """
    if case.split_rows is not None:
        yield from _below_noise(
            case,
            case.project.evaluation.beat_baseline_by,
            case.split_rows.test,
            ("evaluation", "beat_baseline_by"),
            "the margin over the baseline is",
        )


@rule("STA003", (INFO, WARNING, WARNING), reads="requirements data splits evaluation task")
def champion_margin_below_noise(case: Case) -> Iterable[Hit]:
    """The improvement over the model in use is smaller than what chance moves the metric on the test rows.

    A margin of 0 asks for no improvement and is left alone.

    ## Why this is bad
    Models replace each other by luck, and each replacement is a risk without a gain.

    ## Bad
    ```yaml
    data: {volume: {rows: 2000}}
    evaluation: {champion: {min_improvement: 0.01}}
    ```

    ## Good
    ```yaml
    evaluation: {champion: {min_improvement: 0.01}}
    ```

    ## Fix safety
    None: ask for a larger improvement, or use more rows.

    ## Source
    Guide, "Automated Retraining Pipeline: model validation"; Dietterich (1998), Approximate statistical tests for comparing
    supervised classification learning algorithms.
    """
    champion = case.project.evaluation.champion
    if case.split_rows is not None and champion is not None:
        yield from _below_noise(
            case,
            champion.min_improvement,
            case.split_rows.test,
            ("evaluation", "champion", "min_improvement"),
            "the improvement over the model in use is",
        )


@rule("STA004", (None, INFO, WARNING), reads="requirements data splits evaluation task")
def overfitting_limit_below_noise(case: Case) -> Iterable[Hit]:
    """The limit on overfitting is smaller than what chance moves the metric on the dev rows.

    ## Why this is bad
    The gap between train and dev exceeds the limit by chance, and sound models fail.

    ## Bad
    ```yaml
    data: {volume: {rows: 2000}}
    evaluation: {overfitting: {max_gap: 0.01}}
    ```

    ## Good
    ```yaml
    evaluation: {overfitting: {max_gap: 0.05}}
    ```

    ## Fix safety
    None: allow a larger gap, or use more dev rows.

    ## Source
    Guide, "Training Best Practices: monitor for overfitting with validation curves"; Hanley & McNeil (1982).
    """
    limit = case.project.evaluation.overfitting
    if case.split_rows is not None and limit is not None:
        route, _ = place(case, "evaluation", "overfitting", "max_gap")
        yield from _below_noise(case, limit.max_gap, case.split_rows.dev, route, "the largest gap from train to dev is")


@rule("STA005", (INFO, WARNING, WARNING), reads="requirements data splits evaluation task training")
def tuning_picks_noise(case: Case) -> Iterable[Hit]:
    """So many trials are compared on so few rows that the best one is expected to look more than 5 points too good.

    Trials are compared on the folds of the training rows, or on the dev rows without cross-validation. The best of k equally
    good trials exceeds their mean by about the k-th normal quantile, in standard errors.

    ## Why this is bad
    The winner is the trial that fits the noise of these rows best; on new rows its lead is gone.

    ## Bad
    ```yaml
    data: {volume: {rows: 400}}
    training: {tuning: {trials: 100, space: {learning_rate: {low: 0.01, high: 0.3, log: true}}}}
    ```

    ## Good
    ```yaml
    training: {tuning: {trials: 30, space: {learning_rate: {low: 0.01, high: 0.3, log: true}}}}
    ```

    ## Fix safety
    None: fewer trials, cross-validation or more rows.

    ## Source
    Guide, "Common Pitfalls: Overfitting to Test Set"; Cawley & Talbot (2010), On over-fitting in model selection.
    """
    tuning, split, one = case.project.training.tuning, case.split_rows, _judged(case)
    if tuning is None or split is None or one is None:
        return
    rows, where = (split.dev, "dev") if case.project.training.cross_validation is None else (split.train, "training")
    half = one.half_width(rows)
    if half is None:
        return
    error = half / _power.z(one.confidence)
    lead = _power.best_of(tuning.trials) * error
    if lead > WIDE:
        help_text = "set `training.cross_validation: 5` to compare them on all training rows" if where == "dev" else ""
        route, on = place(case, "training", "tuning", "trials")
        yield Hit(
            f"the best of {tuning.trials} trials on {rows:,} {where} rows looks up to {lead:.3f} better than it is",
            route,
            help=help_text or "try fewer, or collect more rows",
            on=on,
            related=_rows_are_here(case),
        )


def _parts(case: Case, column: str, bins: tuple[float, ...] | None) -> int | None:
    """How many slices a column surely makes."""
    if bins:
        return len(bins) - 1
    declared = case.columns.get(column)
    return len(declared.values) if declared is not None and declared.values is not None else None


@rule("STA006", (INFO, WARNING, WARNING), reads="data splits evaluation")
def slices_too_small(case: Case) -> Iterable[Hit]:
    """A column is cut into so many slices that some must have fewer test rows than the gate on slices counts.

    ## Why this is bad
    Slices with fewer rows than `min_rows` are left out without a word: the groups one worries about most are not judged.

    ## Bad
    ```yaml
    data: {volume: {rows: 3000}}
    evaluation: {slices: [Contract], worst_slice: {min_rows: 200}}
    ```

    ## Good
    ```yaml
    evaluation: {slices: [Contract], worst_slice: {min_rows: 200}}
    ```

    ## Fix safety
    None: fewer slices, more test rows, or a lower `min_rows`.

    ## Source
    Guide, "Audit Process: slice-based evaluation". Where k slices share n rows, the smallest has n/k or fewer: language of
    pigeonholes.
    """
    worst, split = case.project.evaluation.worst_slice, case.split_rows
    if worst is None or split is None:
        return
    for index, one in enumerate(case.project.evaluation.slices):
        parts = _parts(case, one.column, one.bins) if one.column else None
        if parts and split.test < parts * worst.min_rows:
            enough = parts * worst.min_rows
            yield Hit(
                f"{parts} slices share {split.test:,} test rows, so some have fewer than the {worst.min_rows:,} that count",
                ("evaluation", "slices", index),
                help=f"{enough:,} test rows are the least{_in_all(case, enough, split.test)}; or cut `{one.column}` less finely",
                related=_rows_are_here(case),
            )


@rule("STA007", (None, INFO, WARNING), reads="requirements evaluation task")
def slice_limit_below_noise(case: Case) -> Iterable[Hit]:
    """Slices of the fewest rows that count move by chance more than they are allowed to fall behind.

    ## Why this is bad
    The worst of many small slices is mostly the unluckiest: the gate fails sound models.

    ## Bad
    ```yaml
    evaluation: {worst_slice: {min_rows: 30, max_drop: 5 %}}
    ```

    ## Good
    ```yaml
    evaluation: {worst_slice: {min_rows: 600, max_drop: 5 %}}
    ```

    ## Fix safety
    Unsafe: slices between the old and the new `min_rows` are judged no more.

    ## Source
    Guide, "Audit Process: slice-based evaluation"; Hanley & McNeil (1982) for ROC AUC.
    """
    worst, one = case.project.evaluation.worst_slice, _judged(case)
    if worst is None or one is None:
        return
    allowed = worst.max_drop * one.value
    half = one.half_width(worst.min_rows)
    if half is None or allowed <= 0 or half <= allowed:
        return
    enough = one.rows_for(allowed)
    route, on = place(case, "evaluation", "worst_slice", "min_rows")
    yield Hit(
        f"a slice of {worst.min_rows:,} rows shows {one.told(half)}, and it may fall behind by {allowed:.3f}",
        route,
        help=f"write `min_rows: {enough}`" if enough else "",
        on=on,
        fix=Fix(
            f"count slices from {enough} rows", (Change("set", ("evaluation", "worst_slice", "min_rows"), enough),), safe=False
        )
        if enough
        else None,
    )


@rule("STA008", (INFO, WARNING, WARNING), reads="data splits evaluation")
def fairness_groups_too_small(case: Case) -> Iterable[Hit]:
    """Groups are so small that their rates differ by chance more than the limit on fairness allows.

    The best case counts: groups of equal size, as many rows of each class, and rates of 0.9.

    ## Why this is bad
    A fair model fails the gate by chance, and an unfair one may pass it: the check says nothing about fairness.

    ## Bad
    ```yaml
    data: {volume: {rows: 1000}}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 70000}}
    ```

    ## Fix safety
    None: more test rows are needed, or fewer groups.

    ## Source
    Guide, "Pre-Deployment Checklist: bias testing across different groups"; Newcombe (1998), Interval estimation for the
    difference between independent proportions.
    """
    fairness, split = case.project.evaluation.fairness, case.split_rows
    if fairness is None or split is None or fairness.max <= 0:
        return
    by_class = 1 if fairness.metric == "demographic_parity_difference" else 2
    wide = _power.z(case.project.evaluation.confidence)
    for index, column in enumerate(fairness.sensitive):
        groups = max(2, _parts(case, column, None) or 2)
        rows = split.test / (groups * by_class)
        half = wide * math.sqrt(2 * 0.9 * 0.1 / max(1.0, rows))
        if half <= fairness.max:
            continue
        enough = math.ceil(groups * by_class * 2 * 0.09 * (wide / fairness.max) ** 2)
        many = isinstance(case.written("evaluation", "fairness", "sensitive"), list)
        yield Hit(
            f"{groups} groups of `{column}` share {split.test:,} test rows: their rates differ by ±{half:.2f} by chance,"
            f" and {fairness.max:g} is allowed",
            ("evaluation", "fairness", "sensitive", index) if many else ("evaluation", "fairness", "sensitive"),
            help=f"{enough:,} test rows are the least{_in_all(case, enough, split.test)}",
            related=_rows_are_here(case),
        )


FEWEST_IN_A_FOLD = 30


@rule("STA009", (INFO, WARNING, WARNING), reads="data splits training")
def folds_too_small(case: Case) -> Iterable[Hit]:
    """Cross-validation leaves fewer than 30 rows in a fold.

    ## Why this is bad
    A score on so few rows is noise (an accuracy of 0.8 on 20 rows is known to ±17 points), so folds seem to differ that do not.

    ## Bad
    ```yaml
    data: {volume: {rows: 300}}
    training: {cross_validation: 20}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 300}}
    training: {cross_validation: 5}
    ```

    ## Fix safety
    Unsafe: another number of folds gives other scores.

    ## Source
    Guide, "Training Best Practices: use cross-validation for robust evaluation"; Kohavi (1995), A study of cross-validation:
    ten folds or fewer.
    """
    folds, split = case.project.training.cross_validation, case.split_rows
    if folds is None or split is None or split.train / folds >= FEWEST_IN_A_FOLD:
        return
    fewer = split.train // FEWEST_IN_A_FOLD
    route, on = place(case, "training", "cross_validation")
    if not case.wrote("training"):
        route, on = (("data", "volume", "rows"), "value") if case.wrote("data", "volume", "rows") else (("model",), "key")
    yield Hit(
        f"{folds} folds of {split.train:,} training rows have {split.train // folds} rows each",
        route,
        help=f"write `cross_validation: {fewer}`" if fewer >= 2 else "there are too few rows to hold any back",
        on=on,
        related=_rows_are_here(case),
        fix=Fix(f"use {fewer} folds", (Change("set", ("training", "cross_validation"), fewer),), safe=False)
        if fewer >= 2
        else None,
    )


DRIFT: Route = ("monitoring", "data_drift")


def _drift(case: Case) -> DataDrift | None:
    return case.project.monitoring.data_drift if case.project.monitoring else None


def _watched(case: Case, drift: DataDrift) -> list[str]:
    """The columns that are known to be watched; there may be more."""
    return list(drift.columns) if drift.columns else case.features


@rule("STA010", (INFO, WARNING, WARNING), reads="monitoring data")
def drift_tests_without_correction(case: Case) -> Iterable[Hit]:
    """So many columns are tested for drift without a correction that one window of four or more alarms in vain.

    ## Why this is bad
    With 30 stable columns at p < 0.05, 77 % of all windows alarm; after a week nobody looks at the alarms.

    ## Bad
    ```yaml
    monitoring:
      data_drift: {tests: [ks], correction: none, columns: [a1, a2, a3, a4, a5, a6, a7, a8, a9, a10]}
    ```

    ## Good
    ```yaml
    monitoring:
      data_drift: {tests: [ks], correction: holm, columns: [a1, a2, a3, a4, a5, a6, a7, a8, a9, a10]}
    ```

    ## Fix safety
    Unsafe: small drifts of single columns are found later.

    ## Source
    Measured: 30 stable columns at KS p < 0.05 alarm in 77 % of windows (1 - 0.95^30 = 79 %). Holm (1979), A simple sequentially
    rejective multiple test procedure.
    """
    drift = _drift(case)
    if drift is None or drift.correction != "none" or not {"ks", "chi2"} & set(drift.tests):
        return
    columns = len(_watched(case, drift))
    alarms = _power.family_alarms(columns, drift.p_value)
    if alarms > 0.25:
        yield Hit(
            f"{columns} stable columns at p < {drift.p_value:g} alarm in {percent(alarms)} of all windows",
            (*DRIFT, "correction"),
            help="write `correction: holm`; without one,"
            f" {_power.tests_for_alarms(drift.p_value, 0.25)} columns are the most for one window of four",
            fix=Fix("correct for many tests", (Change("set", (*DRIFT, "correction"), "holm"),), safe=False),
        )


@rule("STA011", (INFO, WARNING, WARNING), reads="monitoring data splits")
def psi_on_few_rows(case: Case) -> Iterable[Hit]:
    """The population stability index is taken on so few rows that it alarms without any drift.

    PSI of two samples of one distribution is about (1/n + 1/m) times chi-square with nine degrees, for ten bins. Where the
    number of training rows is unknown, the reference counts as as large as the window. One window of twenty may alarm in vain.

    ## Why this is bad
    With 200 rows against 200, PSI exceeds 0.1 without any drift in 38 % of windows.

    ## Bad
    ```yaml
    data: {volume: {rows: 1000}}
    monitoring: {data_drift: {tests: [psi], min_rows: 200}}
    ```

    ## Good
    ```yaml
    monitoring: {data_drift: {tests: [psi], min_rows: 2000}}
    ```

    ## Fix safety
    Unsafe: windows with fewer rows are judged no more.

    ## Source
    Measured: two samples of 200 rows, ten bins, no drift: 38 % of PSI above 0.1 (the formula says 35 %). Yurdakul & Naranjo
    (2020), Statistical properties of the population stability index.
    """
    drift = _drift(case)
    if drift is None or "psi" not in drift.tests or drift.psi <= 0:
        return
    reference = case.split_rows.train if case.split_rows else None
    columns = max(1, len(_watched(case, drift)))
    one = _power.psi_false_alarms(drift.psi, reference or drift.min_rows, drift.min_rows, BINS)
    alarms = _power.family_alarms(columns, one)
    if alarms <= 0.05:
        return
    enough = _power.psi_rows(drift.psi, reference, 1 - 0.95 ** (1 / columns), BINS)
    route, on = place(case, *DRIFT, "min_rows")
    several = f", in one of {columns} columns or more" if columns > 1 else ""
    yield Hit(
        f"PSI of {drift.min_rows:,} rows exceeds {drift.psi:g} without any drift in {percent(alarms)} of windows{several}",
        route,
        help=f"write `min_rows: {enough}`" if enough else "collect more reference rows, or raise `psi`",
        on=on,
        fix=Fix(f"judge windows from {enough} rows", (Change("set", (*DRIFT, "min_rows"), enough),), safe=False)
        if enough
        else None,
    )


@rule("STA012", (INFO, WARNING, WARNING), reads="monitoring data")
def chi_square_on_few_rows(case: Case) -> Iterable[Hit]:
    """A chi-square test gets so few rows that some value is expected fewer than five times.

    ## Why this is bad
    The p-value of a chi-square test is wrong where cells are nearly empty; it alarms when one rare value comes twice.

    ## Bad
    ```yaml
    monitoring: {data_drift: {tests: [chi2], min_rows: 10}}
    ```

    ## Good
    ```yaml
    monitoring: {data_drift: {tests: [chi2], min_rows: 2000}}
    ```

    ## Fix safety
    Unsafe: windows with fewer rows are judged no more.

    ## Source
    Cochran (1954), Some methods for strengthening the common chi-square tests: at least five expected in each cell.
    """
    drift = _drift(case)
    if drift is None or "chi2" not in drift.tests:
        return
    for name in _watched(case, drift):
        column = case.columns.get(name)
        values = len(column.values) if column is not None and column.values is not None else 0
        if drift.min_rows < 5 * values:
            route, on = place(case, *DRIFT, "min_rows")
            yield Hit(
                f"{drift.min_rows:,} rows over {values} values of `{name}` leave some expected fewer than 5 times",
                route,
                help=f"write `min_rows: {5 * values}` or more",
                on=on,
                related=((f"the {values} values are declared here", ("data", "columns", name, "values")),),
                fix=Fix(f"judge windows from {5 * values} rows", (Change("set", (*DRIFT, "min_rows"), 5 * values),), safe=False),
            )


def _throughput(case: Case) -> float | None:
    service = case.project.requirements.service
    return float(service.throughput) if service is not None and service.throughput else None


THROUGHPUT: Route = ("requirements", "service", "throughput")


LONGEST = 366 * 86_400.0


def _minutes(seconds: float) -> str | None:
    """Write a length of time, rounded up to whole minutes, hours or days; None for more than a year, which nobody waits."""
    if seconds > LONGEST:
        return None
    for unit, size in (("d", 86_400), ("h", 3_600)):
        if seconds >= 2 * size:
            return f"{math.ceil(seconds / size)} {unit}"
    return f"{max(1, math.ceil(seconds / 60))} min"


def _longer(time: str | None, route: Route, title: str) -> Fix | None:
    """Return the fix that gives something more time, where that much is bearable."""
    return Fix(f"{title} {time}", (Change("set", route, time),), safe=False) if time else None


@rule("STA013", (WARNING, WARNING, ERROR), reads="monitoring requirements")
def drift_window_never_full(case: Case) -> Iterable[Hit]:
    """Even at full throughput a window has fewer rows than the drift tests ask for.

    ## Why this is bad
    No window is ever judged: drift is watched on paper only.

    ## Bad
    ```yaml
    requirements: {service: {throughput: 20 /h}}
    monitoring: {data_drift: {window: 1 d, min_rows: 2000}}
    ```

    ## Good
    ```yaml
    requirements: {service: {throughput: 20 /h}}
    monitoring: {data_drift: {window: 7 d, min_rows: 2000}}
    ```

    ## Fix safety
    Unsafe: a longer window finds drift later.

    ## Source
    Guide, "Data Drift Detection". The rest is arithmetic of the language: throughput times window.
    """
    drift, rate = _drift(case), _throughput(case)
    if drift is None or rate is None:
        return
    rows = rate * drift.window.seconds
    if rows < drift.min_rows:
        enough = _minutes(drift.min_rows / rate)
        route, on = place(case, *DRIFT, "window")
        yield Hit(
            f"{drift.window} has at most {rows:,.0f} requests, and a window counts from {drift.min_rows:,} rows",
            route,
            help=f"write `window: {enough}`" if enough else "compare fewer columns, on fewer rows",
            on=on,
            related=(("this is the throughput", THROUGHPUT),),
            fix=_longer(enough, (*DRIFT, "window"), "compare windows of"),
        )


TRIFLE = 0.05
"""A shift of a twentieth of a standard deviation changes no prediction that matters."""


@rule("STA014", (None, INFO, WARNING), reads="monitoring requirements data splits")
def p_values_on_many_rows(case: Case) -> Iterable[Hit]:
    """A p-value decides about drift on so many rows that trifles are significant.

    The Kolmogorov-Smirnov and chi-square tests answer whether there is any difference at all. The rule speaks where the KS test
    alarms at a shift of less than 0.05 standard deviations.

    ## Why this is bad
    With 100,000 rows a shift of 0.02 standard deviations has p = 1.6e-6 while PSI is 0.0007: every window alarms, for nothing.

    ## Bad
    ```yaml
    monitoring: {data_drift: {tests: [ks], window: 1 d}}
    ```

    ## Good
    ```yaml
    monitoring: {data_drift: {tests: [psi], window: 1 d}}
    ```

    ## Fix safety
    Unsafe: other tests find other drifts.

    ## Source
    Measured: n = 100,000, a shift of 0.02 standard deviations: KS p = 1.6e-6, PSI = 0.0007. Lin, Lucas & Shmueli (2013), Too
    big to fail: large samples and the p-value problem.
    """
    drift, rate = _drift(case), _throughput(case)
    tests = [name for name in drift.tests if name in ("ks", "chi2")] if drift else []
    if drift is None or not tests:
        return
    rows = max(float(drift.min_rows), (rate or 0.0) * drift.window.seconds)
    reference = case.split_rows.train if case.split_rows else rows
    level = drift.p_value / max(1, len(_watched(case, drift))) if drift.correction != "none" else drift.p_value
    shift = _power.shift_of(_power.ks_limit(reference, rows, level))
    if shift >= TRIFLE:
        return
    written = case.written(*DRIFT, "tests")
    index = written.index(tests[0]) if isinstance(written, list) and tests[0] in written else None
    route, on = place(case, *DRIFT, "tests")
    yield Hit(
        f"{tests[0]} compares {rows:,.0f} rows with {reference:,.0f} and alarms at a shift of {shift:.3f} standard deviations",
        (*route, index) if index is not None else route,
        help="judge by the size of the drift: `tests: [psi]`",
        on=on,
        related=(("at this throughput", THROUGHPUT),) if rate and rows > drift.min_rows else (),
        fix=Fix("judge drift by its size", (Change("set", (*DRIFT, "tests"), ["psi"]),), safe=False),
    )


@rule("STA015", (INFO, WARNING, WARNING), reads="deployment requirements")
def canary_step_too_short(case: Case) -> Iterable[Hit]:
    """The first step of a canary sees too few requests to notice that the rate of errors has doubled.

    The chance is that of a one-sided test at 0.05 against the requests that the old model answers meanwhile, at full throughput;
    a sound step has a chance of 80 %.

    ## Why this is bad
    5 % of 100 requests a second for ten minutes notice errors of 0.2 % instead of 0.1 % with a chance of 33 %: the step
    is waited for in vain.

    ## Bad
    ```yaml
    requirements: {service: {throughput: 100 /s, error_rate: 0.1 %}}
    deployment: {pattern: {kind: canary, steps: [5 %, 25 %, 100 %], hold: 10 min}}
    ```

    ## Good
    ```yaml
    requirements: {service: {throughput: 100 /s, error_rate: 0.1 %}}
    deployment: {pattern: {kind: canary, steps: [5 %, 25 %, 100 %], hold: 45 min}}
    ```

    ## Fix safety
    Unsafe: each step takes longer.

    ## Source
    Guide, "Canary Deployment Process: monitor key metrics closely". Measured: 5 % of 100 /s for 10 min has a power of 0.33 for
    errors of 0.1 % against 0.2 %; 13,000 requests are needed.
    """
    deployment, service, rate = case.project.deployment, case.project.requirements.service, _throughput(case)
    pattern: Any = deployment.pattern if deployment is not None else None
    if pattern is None or pattern.kind != "canary" or service is None or not service.error_rate or rate is None:
        return
    share, limit = float(pattern.steps[0]), float(service.error_rate)
    if not 0 < share < 1 or limit >= 0.5:
        return
    seen = share * rate * pattern.hold.seconds
    if seen <= 0:
        return
    power = _power.two_share_power(limit, 2 * limit, seen * (1 - share) / share, seen)
    needed = _power.requests_for_power(limit, 2 * limit, share)
    if power >= 0.8 or needed is None:
        return
    hold = _minutes(needed / (share * rate))
    route, on = place(case, "deployment", "pattern", "hold")
    is_mapping = not isinstance(case.written("deployment", "pattern"), str)
    yield Hit(
        f"the first step sees at most {seen:,.0f} requests: a doubled error rate is noticed with a chance of {percent(power)}",
        route,
        help=f"{needed:,} requests would do: " + (f"write `hold: {hold}`, or " if hold else "") + "start with a larger share",
        on=on,
        related=(("this rate of errors is guarded", ("requirements", "service", "error_rate")), ("at this rate", THROUGHPUT)),
        fix=_longer(hold, ("deployment", "pattern", "hold"), "hold each step for") if is_mapping else None,
    )


AB_TEST: Route = ("retraining", "ab_test")


@rule("STA016", (INFO, WARNING, WARNING), reads="retraining requirements evaluation")
def ab_test_underpowered(case: Case) -> Iterable[Hit]:
    """An A/B test ends before it can have seen enough requests for the effect it looks for.

    The number is that of a two-sided test of two shares, near the target of the metric, at full throughput.

    ## Why this is bad
    The test ends without an answer, and "no difference found" is read as "no difference".

    ## Bad
    ```yaml
    requirements:
      metrics: [{metric: accuracy, target: ">= 0.84", primary: true}, {metric: recall, target: ">= 0.7"}]
      service: {throughput: 10 /min}
    retraining: {ab_test: {min_effect: 0.01, max_duration: 1 d}}
    data: {labels: {delay: 1 h}}
    ```

    ## Good
    ```yaml
    requirements:
      metrics: [{metric: accuracy, target: ">= 0.84", primary: true}, {metric: recall, target: ">= 0.7"}]
      service: {throughput: 10 /min}
    retraining: {ab_test: {min_effect: 0.01, max_duration: 7 d}}
    data: {labels: {delay: 1 h}}
    ```

    ## Fix safety
    Unsafe: the test takes longer.

    ## Source
    Guide, "Handling Feedback Loops: implement A/B testing"; Fleiss, Levin & Paik (2003), Statistical methods for rates and
    proportions, chapter 4.
    """
    test, rate = case.project.retraining.ab_test if case.project.retraining else None, _throughput(case)
    if test is None or test.max_duration is None or rate is None or not 0 < test.split < 1:
        return
    wanted = case.primary
    if test.metric is not None:
        wanted = next((one for one in case.project.requirements.metrics if one.metric == test.metric), None)
    if wanted is None or wanted.metric not in _power.SHARES or wanted.metric in case.project.evaluation.metrics:
        return
    old = wanted.target.value
    new = old + test.min_effect if old + test.min_effect < 1 else old - test.min_effect
    if not (0 < old < 1 and 0 < new < 1):
        return
    seen = test.split * rate * test.max_duration.seconds
    needed = _power.requests_for_power(old, new, test.split, test.power, test.significance, sides=2)
    if needed is not None and seen < needed:
        longer = _minutes(needed / (test.split * rate))
        yield Hit(
            f"the new model gets at most {seen:,.0f} requests; to tell {wanted.metric} {old:g} from {new:.4g} takes {needed:,}",
            (*AB_TEST, "max_duration"),
            help=(f"write `max_duration: {longer}`, or " if longer else "") + "look for a larger effect",
            related=(("this effect is looked for", (*AB_TEST, "min_effect")), ("at this rate", THROUGHPUT)),
            fix=_longer(longer, (*AB_TEST, "max_duration"), "run it for"),
        )


@rule("STA017", (WARNING, WARNING, ERROR), reads="retraining data evaluation")
def ab_test_ends_before_truth(case: Case) -> Iterable[Hit]:
    """An A/B test on a metric of the model ends before the truth of its first request is known.

    ## Why this is bad
    The metric needs labels, and at the end of the test there is none yet.

    ## Bad
    ```yaml
    data: {labels: {delay: 14 d}}
    retraining: {ab_test: {min_effect: 0.01, max_duration: 7 d}}
    ```

    ## Good
    ```yaml
    data: {labels: {delay: 14 d}}
    retraining: {ab_test: {min_effect: 0.01, max_duration: 28 d}}
    ```

    ## Fix safety
    None: run it longer, or compare something that is known at once.

    ## Source
    Guide, "Feedback Loop Issues: delayed feedback: proxy metrics, short-term indicators".
    """
    test = case.project.retraining.ab_test if case.project.retraining else None
    labels = case.project.data.labels if case.project.data else None
    if test is None or test.max_duration is None or labels is None or labels.delay is None:
        return
    of_the_model = test.metric is None or test.metric in CATALOGUE or test.metric in case.project.evaluation.metrics
    if of_the_model and test.max_duration <= labels.delay:
        yield Hit(
            f"the test ends after {test.max_duration}, and the truth is known after {labels.delay}",
            (*AB_TEST, "max_duration"),
            help=f"run it for clearly more than {labels.delay}, or compare a number that is known at once (`ab_test.metric`)",
            related=(("the truth comes this late", ("data", "labels", "delay")),),
        )


@rule("STA018", (None, WARNING, WARNING), reads="monitoring data feedback")
def late_truth_without_proxy(case: Case) -> Iterable[Hit]:
    """Concept drift is watched by a metric whose truth comes late, and nothing is watched until then.

    Late is more than a window of drift tests, and more than a day.

    ## Why this is bad
    A metric of today needs the truth of today. If that comes in 14 days, a broken model works on for 14 days.

    ## Bad
    ```yaml
    data: {labels: {delay: 14 d}}
    monitoring: {concept_drift: {proxy: null}}
    feedback: {proxy: null}
    ```

    ## Good
    ```yaml
    data: {labels: {delay: 14 d}}
    monitoring: {concept_drift: {proxy: calls to support}}
    ```

    ## Fix safety
    None: what can stand for the truth is for you to say.

    ## Source
    Guide, "Monitoring Levels: accuracy hourly or daily"; "Feedback Loop Issues: delayed feedback: proxy metrics".
    """
    monitoring, feedback = case.project.monitoring, case.project.feedback
    labels = case.project.data.labels if case.project.data else None
    concept = monitoring.concept_drift if monitoring else None
    if monitoring is None or concept is None or labels is None or labels.delay is None:
        return
    if concept.proxy is not None or (feedback is not None and feedback.proxy is not None):
        return
    window = monitoring.data_drift.window.seconds if monitoring.data_drift else 0.0
    if labels.delay.seconds > max(window, 86_400.0):
        yield Hit(
            f"the truth is known after {labels.delay}; until then nothing tells that the model has become worse",
            ("monitoring", "concept_drift"),
            help="write `proxy`: something that is known at once and moves with the truth",
            on="key",
            related=(("the truth comes this late", ("data", "labels", "delay")),),
        )


@rule("STA019", (INFO, WARNING, WARNING), reads="data")
def human_level_on_few_rows(case: Case) -> Iterable[Hit]:
    """The human level was measured on so few rows that it is known no better than to 5 points.

    ## Why this is bad
    Targets are set by this ceiling; 50 rows place it anywhere between 0.83 and 0.97.

    ## Bad
    ```yaml
    data: {labels: {human_level: {metric: accuracy, value: 0.92, rows: 50}}}
    ```

    ## Good
    ```yaml
    data: {labels: {human_level: {metric: accuracy, value: 0.92, rows: 500}}}
    ```

    ## Fix safety
    None: more rows must be judged by people.

    ## Source
    Guide, "Human-Level Performance: expert annotation comparison"; Wilson (1927), Probable inference.
    """
    labels = case.project.data.labels if case.project.data else None
    human = labels.human_level if labels else None
    if human is None or human.rows is None or human.metric not in _power.SHARES or not 0 < human.value < 1:
        return
    low, high = _power.wilson(human.value, human.rows)
    enough = _power.rows_for(human.metric, human.value, WIDE)
    if (high - low) / 2 > WIDE and enough is not None:
        yield Hit(
            f"{human.rows} rows place the human level between {low:.2f} and {high:.2f}",
            ("data", "labels", "human_level", "rows"),
            help=f"{enough:,} rows would show it to ±{WIDE}",
        )


@rule("STA020", (INFO, WARNING, WARNING), reads="data splits task", data=True)
def class_too_rare_to_judge(case: Case) -> Iterable[Hit]:
    """A class has fewer than 30 rows among the test rows.

    ## Why this is bad
    Its recall is known to ±18 points at best, and one more row found moves it by 3 points or more.

    ## Bad
    ```yaml
    mlspec: 1
    project: {name: flowers}
    requirements: {metrics: [{metric: f1, target: ">= 0.9", primary: true}]}
    task: {kind: classification, target: target}
    data: {sources: {samples: {kind: sklearn, dataset: iris}}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Good
    ```yaml
    mlspec: 1
    project: {name: flowers}
    requirements: {metrics: [{metric: f1, target: ">= 0.9", primary: true}]}
    task: {kind: classification, target: target}
    data: {sources: {samples: {kind: sklearn, dataset: breast_cancer}}}
    model: {kind: sklearn.logistic_regression}
    ```

    ## Fix safety
    None: collect more rows of the class, or join it with another.

    ## Source
    Guide, "Split Strategy for Different Data Sizes: ensure balanced splits"; Wilson (1927), Probable inference.
    """
    classes, split = case.data.classes if case.data else None, case.split_rows
    if not classes or split is None or not case.rows or case.task != "classification":
        return
    rare = min(classes, key=lambda one: classes[one])
    expected = classes[rare] * split.test / case.rows
    if expected < 30:
        enough = math.ceil(30 * case.rows / max(1, classes[rare]))
        yield Hit(
            f"`{rare}` has about {expected:.0f} of {split.test:,} test rows",
            ("task", "target"),
            help=f"30 are the least to judge a class by: {enough:,} test rows with the present shares",
        )


@rule("STA021", (None, INFO, WARNING), reads="evaluation requirements")
def load_test_too_short(case: Case) -> Iterable[Hit]:
    """A load test sends too few requests to show the latency or the rate of errors that is demanded.

    A percentile needs ten requests beyond it. A rate of errors needs three divided by it, without one error.

    ## Why this is bad
    A load test without an error on 600 requests is no sign of an error rate of 0.1 %: at 0.5 % it would be clean one time in 20.

    ## Bad
    ```yaml
    requirements: {service: {throughput: 10 /s, error_rate: 0.1 %}}
    evaluation: {stress: {rate: 10 /s, duration: 1 min}}
    ```

    ## Good
    ```yaml
    requirements: {service: {throughput: 10 /s, error_rate: 0.1 %}}
    evaluation: {stress: {rate: 10 /s, duration: 10 min}}
    ```

    ## Fix safety
    Unsafe: the test takes longer.

    ## Source
    Guide, "Audit Process: stress testing"; Hanley & Lippman-Hand (1983), If nothing goes wrong, is everything all right?
    """
    stress, service = case.project.evaluation.stress, case.project.requirements.service
    rate = (stress.rate if stress is not None else None) or _throughput(case)
    if stress is None or service is None or not rate:
        return
    needs: list[tuple[int, str]] = []
    if service.error_rate and service.error_rate < 1:
        needs.append((_power.clean_requests(float(service.error_rate)), "error_rate"))
    for name, beyond in (("latency_p99", 100), ("latency_p95", 20)):
        if getattr(service, name) is not None:
            needs.append((10 * beyond, name))
    needed, why = max(needs, default=(0, ""))
    sent = float(rate) * stress.duration.seconds
    if sent < needed:
        longer = _minutes(needed / float(rate))
        route, on = place(case, "evaluation", "stress", "duration")
        yield Hit(
            f"the load test sends {sent:,.0f} requests; {why} takes {needed:,} to show",
            route,
            help=f"write `duration: {longer}`" if longer else "send more requests",
            on=on,
            related=(("this is to be shown", ("requirements", "service", why)),),
            fix=_longer(longer, ("evaluation", "stress", "duration"), "test for"),
        )
