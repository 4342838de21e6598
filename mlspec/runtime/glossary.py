"""What the words of a report mean, one line each, for someone who has never trained a model."""

from __future__ import annotations

from mlspec.metrics import CATALOGUE

METRICS: dict[str, tuple[str, str]] = {
    "roc_auc": (
        "ROC AUC",
        "The chance that a random positive gets a higher score than a random negative. 0.5 is guessing, 1 is perfect.",
    ),
    "average_precision": (
        "Average precision",
        "Precision averaged over all levels of recall; guessing reaches the share of positives.",
    ),
    "accuracy": ("Accuracy", "The share of rows predicted rightly. Misleading where one class is rare."),
    "balanced_accuracy": (
        "Balanced accuracy",
        "Accuracy of each class, averaged, so that a rare class counts as much as a common one.",
    ),
    "precision": ("Precision", "Of the rows the model flags, the share that are truly positive."),
    "recall": ("Recall", "Of the rows that are truly positive, the share the model finds."),
    "specificity": ("Specificity", "Of the rows that are truly negative, the share the model leaves alone."),
    "f1": ("F1", "One number for precision and recall; low when either is low."),
    "log_loss": ("Log loss", "How wrong the probabilities are; being sure and wrong costs most. Lower is better."),
    "brier_score": ("Brier score", "Mean squared distance of the probability from what happened. Lower is better."),
    "matthews_corrcoef": (
        "Matthews correlation",
        "Correlation of prediction and truth; 0 is guessing, 1 is perfect, also for rare classes.",
    ),
    "cohen_kappa": ("Cohen's kappa", "Agreement with the truth beyond what chance alone gives."),
    "mae": ("Mean absolute error", "How far off a prediction is on average, in the units of the target."),
    "rmse": ("Root mean squared error", "Typical error in the units of the target; large errors count more."),
    "mse": ("Mean squared error", "Mean of the squared errors; large errors count much more."),
    "median_absolute_error": ("Median absolute error", "Half of the predictions are closer than this."),
    "max_error": ("Largest error", "The error of the worst prediction."),
    "mape": ("Mean absolute percentage error", "Error as a share of the true value, on average."),
    "r2": ("R²", "The share of the target's variation that the model explains. 0 is as good as the mean, 1 is perfect."),
    "explained_variance": (
        "Explained variance",
        "The share of the target's variation that the model follows, a constant error aside.",
    ),
}

PROOFS: dict[str, str] = {
    "no-shared-ids": "No id may be in two splits",
    "no-shared-groups": "No group may be in two splits",
    "no-shared-duplicates": "No identical rows may be in two splits",
    "no-time-overlap": "No split may look into another's future",
    "class-balance": "Classes must be dealt evenly",
}

TERMS: tuple[tuple[str, str], ...] = (
    (
        "Train, dev, test",
        "Train rows teach the model, dev rows choose between versions of it, test rows judge it once, for the verdict.",
    ),
    (
        "Interval",
        "The range the true score lies in with the stated confidence. More test rows make it narrower.",
    ),
    (
        "Clear, within the interval",
        "A verdict is clear when the whole interval is on one side of the target; otherwise luck could have turned it.",
    ),
    ("Baseline", "A simpler model trained on the same rows. A model that does not beat it is not worth its upkeep."),
    ("Slice", "A part of the rows, such as new customers. A model can be good on average and bad for a part."),
    (
        "Leakage",
        "Information that will not be there when it counts, such as a test row among the training rows. It flatters the score.",
    ),
    (
        "Overfitting",
        "The model remembers its training rows instead of learning the rule: high train score, lower dev and test score.",
    ),
    ("Underfitting", "The model is too simple for the task: low scores on train and test alike."),
    ("Gate", "A step that fails the run unless the verdict is a pass; nothing after it happens."),
    ("Digest", "The first characters of the SHA-256 of a file: the same digest means the same bytes."),
)


def metric_title(name: str) -> str:
    """Return a metric's name as people write it."""
    return METRICS[name][0] if name in METRICS else name.replace("_", " ")


def metric_meaning(name: str) -> str:
    """Return one sentence on a metric, empty for a user's own."""
    if name in METRICS:
        return METRICS[name][1]
    return CATALOGUE[name].summary if name in CATALOGUE else ""
