"""Intervals against textbook values, scipy, differences of scikit-learn's metrics, the brute-force bootstrap, and their coverage."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from mlspec.runtime import metric
from mlspec.runtime.interval import NONE, bootstrap, influence, interval, wilson
from mlspec.runtime.metric import Answers

EVERY = [*metric.CLASSIFICATION]


def binary(seed: int, rows: int) -> Answers:
    rng = np.random.default_rng(seed)
    truth = (rng.random(rows) < 0.35).astype(int)
    score = 1 / (1 + np.exp(-(1.5 * truth - 1 + rng.normal(size=rows)))).round(2)  # rounded, so that scores tie
    return Answers(truth, (score > 0.5).astype(int), np.column_stack([1 - score, score]), ("no", "yes"), 2, 1)


def many(seed: int, rows: int) -> Answers:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, rows)
    weight = rng.random((rows, 3)) + 0.6 * np.eye(3)[truth]
    proba = weight / weight.sum(axis=1, keepdims=True)
    return Answers(truth, proba.argmax(axis=1), proba, ("a", "b", "c"), 3)


def numbers(seed: int, rows: int) -> Answers:
    rng = np.random.default_rng(seed)
    truth = rng.normal(20, 3, rows)
    return Answers(truth, truth + rng.normal(0.2, 1, rows))


def test_wilson_of_the_textbook() -> None:
    """200 rows at 90 %: 4.2 points to each side, as everybody's rule of thumb says; and an independent computation of the formula."""
    low, high = wilson(180, 200, 0.95)
    assert (high - low) / 2 == pytest.approx(0.042, abs=0.0005)
    share, z, rows = 0.9, stats.norm.ppf(0.975), 200
    centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    reach = z / (1 + z**2 / rows) * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    assert (low, high) == (pytest.approx(centre - reach), pytest.approx(centre + reach))
    assert wilson(10, 10, 0.95) == (pytest.approx(0.7225, abs=1e-4), pytest.approx(1.0))  # Wilson 1927, p = 1
    answers = Answers(
        np.repeat([0, 1], 100), np.r_[np.repeat([0, 1], [90, 10]), np.repeat([0, 1], [10, 90])], None, ("a", "b"), 2, 1
    )
    assert interval("accuracy", answers, 0.9).low == pytest.approx(low)


@pytest.mark.parametrize(
    ("name", "count", "total"),
    [("accuracy", 13, 20), ("precision", 5, 8), ("recall", 5, 9), ("specificity", 8, 11), ("f1", 5, 12)],
)
def test_shares_count_the_right_rows(name: str, count: int, total: int) -> None:
    """TP 5, FN 4, FP 3, TN 8: each share has a denominator of its own; F1 is 2J/(1+J) of J = 5/12."""
    truth, said = np.repeat([1, 1, 0, 0], [5, 4, 3, 8]), np.repeat([1, 0, 1, 0], [5, 4, 3, 8])
    answers = Answers(truth, said, None, ("no", "yes"), 2, 1)
    found = interval(name, answers, metric.value(name, answers) or 0.0)
    ends = np.array(wilson(count, total, 0.95))
    assert [found.low, found.high] == pytest.approx(list(2 * ends / (1 + ends) if name == "f1" else ends))
    assert found.method == "wilson"


def _weighted(name: str) -> Callable[..., float]:
    """The metric as scikit-learn computes it from weighted rows."""

    def of(answers: Answers, weight: np.ndarray) -> float:
        truth, said, proba = answers.truth, answers.guess, answers.proba
        average = "macro" if answers.positive is None else "binary"
        if name in ("precision", "recall", "f1"):
            return float(getattr(sk, f"{name}_score")(truth, said, average=average, sample_weight=weight))
        if name == "specificity":
            labels = range(len(answers.labels)) if answers.positive is None else [1]
            return float(np.mean([sk.recall_score(truth != c, said != c, sample_weight=weight) for c in labels]))
        if name in ("roc_auc", "average_precision"):
            labels = range(len(answers.labels)) if answers.positive is None else [1]
            function = getattr(sk, f"{name}_score")
            return float(np.mean([function(truth == c, proba[:, c], sample_weight=weight) for c in labels]))  # type: ignore[index]
        if name == "log_loss":
            return float(sk.log_loss(truth, proba, sample_weight=weight))
        if name == "brier_score":
            each = ((proba - np.eye(len(answers.labels))[truth]) ** 2).sum(axis=1)
            return float(np.average(each / (1 if answers.positive is None else 2), weights=weight))
        plain = {"matthews_corrcoef": sk.matthews_corrcoef, "rmse": sk.root_mean_squared_error, "mse": sk.mean_squared_error}
        plain |= {"mae": sk.mean_absolute_error, "mape": sk.mean_absolute_percentage_error}
        return float(plain.get(name, getattr(sk, f"{name}_score", None))(truth, said, sample_weight=weight))

    return of


CASES = [(make, name) for make in (binary, many) for name in EVERY]
CASES += [(numbers, name) for name in ("rmse", "mse", "mae", "mape", "r2", "explained_variance")]


@pytest.mark.parametrize(("make", "name"), CASES)
def test_influence_is_the_derivative_of_scikit_learns_metric(make: Callable[[int, int], Answers], name: str) -> None:
    answers = make(5, 40)
    weighted, step = _weighted(name), 1e-4
    differences = []
    for row in range(len(answers)):
        moved = np.ones(len(answers))
        moved[row] += step
        up = weighted(answers, moved)
        moved[row] -= 2 * step
        differences.append((up - weighted(answers, moved)) / (2 * step))
    value = metric.value(name, answers)
    assert value == pytest.approx(weighted(answers, np.ones(len(answers))))
    found = influence(name, answers, value)
    assert found == pytest.approx(np.array(differences), abs=1e-6)
    assert found.sum() == pytest.approx(0, abs=1e-9)


def test_mean_of_losses_is_student() -> None:
    """Few rows: t of n - 1 degrees and the sample's standard deviation, on the log scale."""
    answers = numbers(8, 6)
    errors = np.abs(answers.truth - answers.guess)
    reach = stats.t.ppf(0.975, 5) * errors.std(ddof=1) / np.sqrt(6) / errors.mean()
    found = interval("mae", answers, errors.mean())
    assert (found.low, found.high) == (
        pytest.approx(errors.mean() * np.exp(-reach)),
        pytest.approx(errors.mean() * np.exp(reach)),
    )


def test_delong_variance_of_the_definition() -> None:
    """DeLong 1988 from all pairs of a positive and a negative row, without ranks."""
    answers = binary(1, 60)
    positive, negative = answers.score[answers.truth == 1], answers.score[answers.truth == 0]
    pairs = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    auc, m, n = pairs.mean(), len(positive), len(negative)
    variance = np.var(pairs.mean(axis=1)) / m + np.var(pairs.mean(axis=0)) / n
    found = influence("roc_auc", answers, float(auc))
    assert found @ found == pytest.approx(variance)
    assert interval("roc_auc", answers, float(auc)).method == "delong"


@pytest.mark.parametrize(("make", "name"), [case for case in CASES if case[1] != "mape"])
def test_close_to_the_bootstrap(make: Callable[[int, int], Answers], name: str) -> None:
    """The width is that of the percentile bootstrap, which knows nothing of derivatives, within its own noise."""
    answers = make(2, 400)
    value = metric.value(name, answers)
    assert value is not None
    found = interval(name, answers, value)
    rng = np.random.default_rng(0)
    drawn = [metric.value(name, answers.take(rng.integers(0, 400, 400))) for _ in range(150)]
    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / 3.92 == pytest.approx(np.std(drawn), rel=0.25)


def test_groups_widen_the_interval() -> None:
    """Ten copies of each row, as one group, tell no more than the row: the interval is that of the rows without copies."""
    answers, copies = binary(7, 60), np.repeat(np.arange(60), 10)
    every = answers.take(copies)
    for name in ("accuracy", "roc_auc", "log_loss", "f1", "cohen_kappa", "average_precision"):
        value = metric.value(name, every) or 0.0
        blind, aware = interval(name, every, value), interval(name, every, value, groups=copies)
        single = interval(name, answers, value, groups=np.arange(60))
        assert (aware.low, aware.high) == (pytest.approx(single.low), pytest.approx(single.high))
        assert blind.high - blind.low < 0.5 * (aware.high - aware.low)  # type: ignore[operator]


def test_coverage() -> None:
    """Of 200 samples of 60 rows about 95 % have intervals that hold the value of the whole population."""
    whole = binary(99, 100_000)
    for name in ("roc_auc", "average_precision", "f1", "balanced_accuracy", "log_loss", "matthews_corrcoef"):
        truth = metric.value(name, whole) or 0.0
        held = total = 0
        for seed in range(200):
            sample = whole.take(slice(seed * 60, seed * 60 + 60))  # type: ignore[arg-type]
            value = metric.value(name, sample)
            found = interval(name, sample, value) if value is not None else NONE
            if found.low is not None and found.high is not None:
                total += 1
                held += found.low <= truth <= found.high
        assert total >= 190, name
        assert 0.90 <= held / total <= 0.995, (name, held / total)


def test_perfect_scores_are_not_certain() -> None:
    truth = np.repeat([0, 1], [30, 10])
    proba = np.column_stack([1 - truth, truth]).astype(float)
    answers = Answers(truth, truth, proba, ("no", "yes"), 2, 1)
    assert interval("roc_auc", answers, 1.0).low == pytest.approx(wilson(10, 10, 0.95)[0])
    assert interval("roc_auc", answers, 1.0, groups=np.arange(40) // 5).low == pytest.approx(wilson(2, 2, 0.95)[0])
    assert interval("balanced_accuracy", answers, 1.0).low < 0.95  # type: ignore[operator]
    assert interval("matthews_corrcoef", answers, 1.0) == NONE
    assert interval("rmse", Answers(np.arange(5.0), np.arange(5.0)), 0.0) == NONE


def test_constant_predictions() -> None:
    truth = np.repeat([0, 1], [30, 10])
    answers = Answers(truth, np.zeros(40, dtype=int), np.tile([0.75, 0.25], (40, 1)), ("no", "yes"), 2, 1)
    assert (interval("roc_auc", answers, 0.5).low, interval("roc_auc", answers, 0.5).high) == (0.5, 0.5)
    assert interval("cohen_kappa", answers, 0.0) == NONE
    assert interval("balanced_accuracy", answers, 0.5).low < 0.5 < interval("balanced_accuracy", answers, 0.5).high  # type: ignore[operator]


def test_median_and_largest_error() -> None:
    answers = numbers(4, 101)
    errors = np.sort(np.abs(answers.truth - answers.guess))
    found = interval("median_absolute_error", answers, float(np.median(errors)))
    inside = stats.binom.cdf(np.searchsorted(errors, found.high), 101, 0.5) - stats.binom.cdf(
        np.searchsorted(errors, found.low), 101, 0.5
    )
    assert 0.95 <= inside <= 0.98
    assert interval("max_error", answers, float(errors[-1])) == NONE


def test_too_few_rows_claim_nothing() -> None:
    assert interval("rmse", numbers(1, 1), 1.0) == NONE
    assert interval("roc_auc", binary(1, 30), 0.8, groups=np.zeros(30, dtype=int)) == NONE
    assert (
        interval("median_absolute_error", numbers(1, 3), float(np.median(np.abs(numbers(1, 3).truth - numbers(1, 3).guess))))
        == NONE
    )


def test_confidence_widens() -> None:
    answers = binary(3, 80)
    for name in EVERY:
        value = metric.value(name, answers) or 0.0
        narrow, wide = interval(name, answers, value, 0.5), interval(name, answers, value, 0.99)
        assert wide.low < narrow.low < value < narrow.high < wide.high  # type: ignore[operator]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 25), st.booleans(), st.booleans())
@example(413, 19, True, False)  # scikit-learn's average precision is 1.0000000000000002
def test_contains_its_value_and_no_order(seed: int, rows: int, two: bool, grouped: bool) -> None:
    answers = (binary if two else many)(seed, rows)
    order = np.random.default_rng(seed).permutation(rows)
    groups = np.arange(rows) // 3 if grouped else None
    for name in EVERY:
        value = metric.value(name, answers)
        if value is None:
            continue
        found = interval(name, answers, value, groups=groups)
        again = interval(name, answers.take(order), value, groups=None if groups is None else groups[order])
        assert found.method == again.method
        if found.low is None or found.high is None:
            assert found == NONE
            continue
        assert found.low <= value <= found.high
        assert (found.low, found.high) == (pytest.approx(again.low), pytest.approx(again.high))
        if name not in ("log_loss", "brier_score", "matthews_corrcoef", "cohen_kappa"):
            assert found.low >= 0
            assert found.high <= 1


def test_bootstrap_of_an_unknown_metric() -> None:
    values = np.random.default_rng(0).normal(5, 2, 300)

    def mean(rows: np.ndarray) -> float:
        return float(values[rows].mean())

    found = bootstrap(mean, 300, values.mean(), 0.95, 7)
    reach = 1.96 * values.std() / np.sqrt(300)
    assert (found.low, found.high) == (
        pytest.approx(values.mean() - reach, abs=0.08),
        pytest.approx(values.mean() + reach, abs=0.08),
    )
    assert found == bootstrap(mean, 300, values.mean(), 0.95, 7)
    wide = bootstrap(mean, 300, values.mean(), 0.95, 7, np.arange(300) // 30)
    assert wide.method == "bootstrap"
    assert bootstrap(lambda rows: None, 300, 1.0, 0.95, 7) == NONE
    assert bootstrap(lambda rows: 1.0, 300, 1.0, 0.95, 7) == NONE
