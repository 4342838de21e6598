"""The catalogue's numbers, computed by scikit-learn, with a reason wherever there is no number."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn import metrics as sk

from mlspec import metrics
from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import entrypoint
from mlspec.runtime.artifact import finite
from mlspec.runtime.labels import text_of, text_of_value

Array = NDArray[Any]


def positive_class(classes: Sequence[str], positive: str | None) -> str | None:
    """Return which of two classes is positive: the one that is named, else the last in sorted order. More classes have none.

    Sorted order is scikit-learn's own convention (Yes over No, 1 over 0, true over false). The rarer class is not used: which
    one is rarer can differ between the splits, and then precision would change its meaning from one split to the next.
    """
    if len(classes) != 2:
        return None
    return positive if positive is not None else max(classes)


@dataclass(frozen=True)
class Answers:
    """What was true and what a model said, row by row.

    Classification: `truth` and `guess` are positions in `labels`; `labels` starts with the model's classes, in the order of the
    columns of `proba`, and goes on with classes that only the truth has. Regression: `truth` and `guess` are floats.
    `positive` is a position in `labels` where there are two classes.
    """

    truth: Array
    guess: Array
    proba: Array | None = None
    labels: tuple[str, ...] = ()
    known: int = 0  # how many of `labels` the model knows
    positive: int | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: Array) -> Answers:
        """Return the answers for some rows: a mask or positions."""
        return replace(
            self, truth=self.truth[rows], guess=self.guess[rows], proba=None if self.proba is None else self.proba[rows]
        )

    @property
    def name_of_positive(self) -> str:
        return "" if self.positive is None else self.labels[self.positive]

    @cached_property
    def score(self) -> Array:
        """The probability of the positive class."""
        assert self.proba is not None
        assert self.positive is not None
        return self.proba[:, self.positive]

    @cached_property
    def confusion(self) -> Array:
        """Counts of truth (row) against guess (column), in the order of `labels`."""
        size = len(self.labels)
        return np.bincount(self.truth * size + self.guess, minlength=size * size).reshape(size, size)

    @cached_property
    def cells(self) -> tuple[Array, Array, Array]:
        """The confusion matrix as weighted rows (truth, guess, count): the same metric as over all rows, at a fixed cost.

        Where there are two classes the positive one is 1 and the other 0.
        """
        truth, guess = np.nonzero(self.confusion)
        count = self.confusion[truth, guess]
        if self.positive is not None:
            truth, guess = (truth == self.positive).astype(int), (guess == self.positive).astype(int)
        return truth, guess, count


def classified(y_true: Any, predicted: Any, proba: Array | None, classes: Sequence[str], positive: str | None = None) -> Answers:
    """Encode the answers of a classifier: labels as text, `proba` of shape (rows, classes) in the order of `classes`.

    Raises Problem where the truth is missing, or where it holds a third class beside two.
    """
    truth, guess = _text(y_true), _text(predicted)
    if truth.null_count():
        raise Problem(Finding("missing-target", f"{truth.null_count()} of {len(truth)} rows to score have no target"))
    unseen = sorted(set(truth.unique().to_list()) - set(classes))
    if unseen and len(classes) == 2:
        message = f"the rows to score hold the class {unseen[0]!r}; the model was trained on {classes[0]!r} and {classes[1]!r}"
        raise Problem(Finding("unknown-class", message, help="correct the labels, or use a stratified split"))
    labels = (*classes, *unseen)
    chosen = positive_class(classes, positive)
    if chosen is not None and chosen not in classes:
        message = f"the positive class {chosen!r} is not among the classes {', '.join(map(repr, classes))}"
        raise Problem(Finding("unknown-class", message, ("task", "positive"), help=f"write one of {', '.join(classes)}"))
    coded = pl.Enum(list(labels))
    return Answers(
        truth=truth.cast(coded).to_physical().to_numpy().astype(np.int64),
        guess=guess.cast(coded).to_physical().to_numpy().astype(np.int64),
        proba=None if proba is None else np.asarray(proba, dtype=float),
        labels=labels,
        known=len(classes),
        positive=None if chosen is None else labels.index(chosen),
    )


def measured(y_true: Any, predicted: Any) -> Answers:
    """Encode the answers of a regressor. Raises Problem where the truth is missing or not a number."""
    truth = y_true if isinstance(y_true, pl.Series) else pl.Series(y_true)
    try:
        numbers = truth.cast(pl.Float64)
    except pl.exceptions.PolarsError:
        message = f"regression needs a numeric target; this one holds {truth.dtype} values"
        raise Problem(Finding("target-not-numeric", message, ("task", "target"))) from None
    missing = len(numbers) - int(numbers.is_finite().fill_null(False).sum())
    if missing:
        raise Problem(
            Finding("missing-target", f"{missing} of {len(truth)} rows to score have no target, or one that is not finite")
        )
    return Answers(numbers.to_numpy(), np.asarray(predicted, dtype=float).ravel())


def _text(values: Any) -> pl.Series:
    if isinstance(values, np.ndarray) and values.dtype.kind == "U":
        return pl.Series(values)
    return text_of(values if isinstance(values, pl.Series) else pl.Series(list(values), strict=False))


def score(
    names: Sequence[str],
    task: str,
    y_true: Any,
    predicted: Any,
    proba: Array | None = None,
    classes: Sequence[str] | None = None,
    positive: Any = None,
    custom_metrics: Mapping[str, Any] | None = None,
) -> dict[str, float | None]:
    """Return each metric of the catalogue, or of the user's own, or None where it is not defined on these rows; never NaN.

    `task` is "classification" or "regression"; `proba` has a column for each of `classes`. Two classes: precision, recall,
    specificity, F1 and average precision are those of the positive class (see `positive_class`). More: their macro average
    over the classes that occur, a class that is never predicted counting as precision 0; ROC AUC and average precision are
    those of each class against the rest, averaged. mape is a share: 0.1 is 10 %.
    """
    if task == "regression":
        answers = measured(y_true, predicted)
    else:
        answers = classified(y_true, predicted, proba, classes or (), text_of_value(positive))
    own = custom_metrics or {}
    return {name: custom(name, own[name]["entrypoint"], answers)[0] if name in own else value(name, answers) for name in names}


def value(name: str, answers: Answers) -> float | None:
    """Return a metric of the catalogue, or None where it is not defined (`why_undefined` says why)."""
    if why_undefined(name, answers) is not None:
        return None
    return _compute(name, answers)


def explained(name: str, answers: Answers) -> tuple[float | None, str | None]:
    """Return a metric and None, or None and the reason why it is not a number."""
    reason = why_undefined(name, answers)
    if reason is not None:
        return None, reason
    number = _compute(name, answers)
    return number, None if number is not None else "it is not a finite number"


def _compute(name: str, answers: Answers) -> float | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they warn of is refused by `why_undefined` or documented in `score`
        return finite(CATALOGUE[name](answers))


def why_undefined(name: str, answers: Answers) -> str | None:
    """Return why a metric has no value on these rows, or None where it has one."""
    if name not in CATALOGUE:
        raise Problem(Finding("unknown-metric", f"there is no metric {name!r}", help=f"one of {', '.join(sorted(CATALOGUE))}"))
    if (name in CLASSIFICATION) != bool(answers.labels):
        kinds = ("regression", "classification")
        raise Problem(Finding("wrong-metric", f"{name} does not fit a {kinds[bool(answers.labels)]} task"))
    if len(answers) == 0:
        return "there are no rows"
    if not answers.labels:
        return _why_no_error(name, answers)
    if name in FROM_PROBABILITIES:
        return _why_no_probability(name, answers)
    return _why_no_class(name, answers)


def _why_no_error(name: str, answers: Answers) -> str | None:
    if not np.isfinite(answers.guess).all():
        return f"{int((~np.isfinite(answers.guess)).sum())} predictions are not finite numbers"
    if name in ("r2", "explained_variance"):
        if len(answers) < 2:
            return "there is one row; it takes two"
        if np.ptp(answers.truth) == 0:
            return f"every actual value is {answers.truth[0]:g}"
    if name == "mape" and not np.all(answers.truth):
        return f"{int((answers.truth == 0).sum())} actual values are zero, and there is no percentage of zero"
    return None


def _why_no_probability(name: str, answers: Answers) -> str | None:
    if answers.proba is None:
        return "the model gives no probabilities"
    if not np.isfinite(answers.proba).all():
        return "some probabilities are not finite numbers"
    present = np.bincount(answers.truth, minlength=len(answers.labels)) > 0
    if present[answers.known :].any():
        return f"the model was never trained on the class {answers.labels[answers.known]!r}"
    if name in ("log_loss", "brier_score"):
        return None
    if answers.positive is not None:
        if not present[answers.positive]:
            return f"no row is {answers.name_of_positive!r}"
        if name == "roc_auc" and present.sum() < 2:
            return f"every row is {answers.name_of_positive!r}"
        return None
    if not present.all():
        return f"no row is {answers.labels[int(np.argmin(present))]!r}"
    return f"every row is {answers.labels[0]!r}" if len(present) < 2 else None


def _why_no_class(name: str, answers: Answers) -> str | None:
    present = answers.confusion.sum(axis=1) > 0
    guessed = answers.confusion.sum(axis=0) > 0
    only = answers.labels[int(np.argmax(present))]
    if name in ("balanced_accuracy", "matthews_corrcoef", "cohen_kappa") and present.sum() < 2:
        return f"every row is {only!r}"
    if name == "specificity" and (
        present.sum() < 2 if answers.positive is None else present[answers.positive] and present.sum() == 1
    ):
        return f"every row is {only!r}"
    if answers.positive is None:
        return None
    true, said = present[answers.positive], guessed[answers.positive]
    if (name == "recall" and not true) or (name == "f1" and not (true or said)):
        return f"no row is {answers.name_of_positive!r}"
    if name == "precision" and not said:
        return f"no row is predicted {answers.name_of_positive!r}"
    return None


def _from_cells(compute: Callable[..., float], **options: Any) -> Callable[[Answers], float]:
    def metric(answers: Answers) -> float:
        truth, guess, count = answers.cells
        return compute(truth, guess, sample_weight=count, **options)

    return metric


def _averaged(compute: Callable[..., float], positive: int = 1) -> Callable[[Answers], float]:
    def metric(answers: Answers) -> float:
        truth, guess, count = answers.cells
        if answers.positive is None:
            return compute(truth, guess, sample_weight=count, average="macro", zero_division=0)
        return compute(truth, guess, sample_weight=count, average="binary", pos_label=positive, zero_division=0)

    return metric


def _specificity(answers: Answers) -> float:
    """Share of the rows of other classes that are not called this class: the recall of "not this class"."""
    if answers.positive is not None:
        return _averaged(sk.recall_score, positive=0)(answers)
    truth, guess, count = answers.cells
    tables = sk.multilabel_confusion_matrix(truth, guess, sample_weight=count)
    return float(np.mean(tables[:, 0, 0] / tables[:, 0].sum(axis=1)))


def _matthews(answers: Answers) -> float:
    """0 where every prediction is the same, scikit-learn's convention: such predictions go with nothing."""
    truth, guess, count = answers.cells
    return float(sk.matthews_corrcoef(truth, guess, sample_weight=count))


def _roc_auc(answers: Answers) -> float:
    if answers.positive is not None:
        return _ranked_rightly(answers.truth == answers.positive, answers.score)
    return float(np.mean([_ranked_rightly(answers.truth == one, _proba(answers)[:, one]) for one in range(answers.known)]))


def _ranked_rightly(positive: Array, score: Array) -> float:
    """Return the share of pairs of a positive and a negative row in which the positive one scores higher, a tie being half.

    It is what `sklearn.metrics.roc_auc_score` gives, from ranks (the U statistic of Mann and Whitney), which takes a twentieth of
    the time for a thousand rows (measured): shuffling columns asks for it a hundred times.
    """
    ranks, hits = rankdata(score), int(positive.sum())
    above = float(ranks[positive].sum()) - hits * (hits + 1) / 2
    return above / (hits * (len(positive) - hits))


def _average_precision(answers: Answers) -> float:
    """Average precision; scikit-learn's sum of steps may pass 1 by the last bit."""
    if answers.positive is not None:
        return min(float(sk.average_precision_score(answers.truth == answers.positive, answers.score)), 1.0)
    each = [sk.average_precision_score(answers.truth == label, _proba(answers)[:, label]) for label in range(answers.known)]
    return min(float(np.mean(each)), 1.0)


def _log_loss(answers: Answers) -> float:
    return float(sk.log_loss(answers.truth, _proba(answers), labels=np.arange(answers.known)))


def _brier(answers: Answers) -> float:
    """Mean squared distance of probability and outcome: 0 to 1 with two classes, summed over the classes (0 to 2) with more."""
    if answers.positive is not None:
        return float(sk.brier_score_loss(answers.truth == answers.positive, answers.score))
    return float(sk.brier_score_loss(answers.truth, _proba(answers), labels=np.arange(answers.known)))


def _proba(answers: Answers) -> Array:
    assert answers.proba is not None
    return answers.proba


def _from_errors(compute: Callable[[Array, Array], float]) -> Callable[[Answers], float]:
    return lambda answers: compute(answers.truth, answers.guess)


FROM_PROBABILITIES: dict[str, Callable[[Answers], float]] = {
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "log_loss": _log_loss,
    "brier_score": _brier,
}
CLASSIFICATION: dict[str, Callable[[Answers], float]] = {
    "accuracy": _from_cells(sk.accuracy_score),
    "balanced_accuracy": _from_cells(sk.balanced_accuracy_score),
    "precision": _averaged(sk.precision_score),
    "recall": _averaged(sk.recall_score),
    "specificity": _specificity,
    "f1": _averaged(sk.f1_score),
    "matthews_corrcoef": _matthews,
    "cohen_kappa": _from_cells(sk.cohen_kappa_score),
    **FROM_PROBABILITIES,
}
REGRESSION: dict[str, Callable[[Answers], float]] = {
    "rmse": _from_errors(sk.root_mean_squared_error),
    "mse": _from_errors(sk.mean_squared_error),
    "mae": _from_errors(sk.mean_absolute_error),
    "r2": _from_errors(sk.r2_score),
    "mape": _from_errors(sk.mean_absolute_percentage_error),
    "median_absolute_error": _from_errors(sk.median_absolute_error),
    "max_error": _from_errors(sk.max_error),
    "explained_variance": _from_errors(sk.explained_variance_score),
}
CATALOGUE = CLASSIFICATION | REGRESSION


DEFAULTS = {
    "classification": (
        "accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "average_precision", "log_loss", "brier_score",
    ),
    "regression": ("rmse", "mae", "r2", "mape", "median_absolute_error"),
}  # fmt: skip
"""The metrics that every evaluation of a task has, asked for or not."""


def greater_is_better(name: str, custom_metrics: Mapping[str, Any] | None = None) -> bool:
    """Return the direction of a metric of the catalogue or of the user's own."""
    if custom_metrics and name in custom_metrics:
        return bool(custom_metrics[name].get("greater_is_better", True))
    return metrics.CATALOGUE[name].greater_is_better


def custom(name: str, text: str, answers: Answers) -> tuple[float | None, str | None]:
    """Call the user's metric ``f(y_true, predicted, proba) -> float``; return its number and None, or None and why there is none.

    A classifier's labels are passed as text, `proba` with one column a class, in the order of the model's classes. What the
    function raises, or an answer that is no number, is a Problem.
    """
    function = entrypoint.load(text)
    labels = np.asarray(answers.labels, dtype=object)
    truth, guess = (labels[answers.truth], labels[answers.guess]) if answers.labels else (answers.truth, answers.guess)
    with entrypoint.blame(text):
        answer = function(truth, guess, answers.proba)
    try:
        number = float(answer)
    except (TypeError, ValueError):
        message = f"{text} returned {answer!r} for the metric {name!r}, which is not a number"
        raise Problem(Finding("user-code-failed", message, help="return one number")) from None
    return (number, None) if math.isfinite(number) else (None, f"{text} returned {number}")
