"""The metrics a spec may name, as data: their tasks, the better direction, their range. `mlspec.runtime` computes them."""

from __future__ import annotations

from dataclasses import dataclass

INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that tells how good a model is. `low` and `high` bound it; synonyms are what people write instead of its name."""

    name: str
    summary: str
    tasks: tuple[str, ...]
    greater_is_better: bool = True
    low: float = 0.0
    high: float = 1.0
    synonyms: tuple[str, ...] = ()
    realised: bool = True


_CLASSIFICATION = ("classification",)
_REGRESSION = ("regression", "forecasting")
_RANKED = ("classification", "anomaly")
_CLUSTERING = ("clustering",)
_RECOMMENDATION = ("recommendation",)

_ALL = (
    Metric("accuracy", "Share of rows that are right.", _CLASSIFICATION, synonyms=("acc", "accuracy_score")),
    Metric("balanced_accuracy", "Mean of the recalls of all classes.", _CLASSIFICATION, synonyms=("bacc", "balanced_acc", "uar")),
    Metric(
        "precision", "Of the rows called positive, the share that is.", _RANKED, synonyms=("ppv", "positive_predictive_value")
    ),
    Metric(
        "recall",
        "Of the positive rows, the share that is found.",
        _RANKED,
        synonyms=("sensitivity", "tpr", "true_positive_rate", "hit_rate"),
    ),
    Metric(
        "specificity",
        "Of the negative rows, the share that is left alone.",
        _CLASSIFICATION,
        synonyms=("tnr", "selectivity", "true_negative_rate"),
    ),
    Metric(
        "f1",
        "Harmonic mean of precision and recall.",
        _RANKED,
        synonyms=("f1_score", "f_score", "fscore", "f_measure", "f1_macro"),
    ),
    Metric(
        "roc_auc",
        "Chance that a positive row scores above a negative one.",
        _RANKED,
        synonyms=("auc", "auroc", "auc_roc", "rocauc", "area_under_curve"),
    ),
    Metric(
        "average_precision",
        "Area under the precision-recall curve.",
        _RANKED,
        synonyms=("pr_auc", "auprc", "auc_pr", "aupr", "ap"),
    ),
    Metric(
        "log_loss",
        "Mean surprise at the true class.",
        _CLASSIFICATION,
        False,
        high=INFINITY,
        synonyms=("logloss", "cross_entropy", "nll", "bce"),
    ),
    Metric(
        "brier_score",
        "Mean squared error of the probability.",
        _CLASSIFICATION,
        False,
        high=2.0,
        synonyms=("brier", "brier_loss", "brier_score_loss"),
    ),
    Metric(
        "matthews_corrcoef",
        "Correlation of truth and prediction.",
        _CLASSIFICATION,
        low=-1.0,
        synonyms=("mcc", "matthews", "phi"),
    ),
    Metric(
        "cohen_kappa",
        "Agreement beyond chance.",
        _CLASSIFICATION,
        low=-1.0,
        synonyms=("kappa", "cohens_kappa", "cohen_kappa_score"),
    ),
    Metric(
        "rmse", "Root of the mean squared error.", _REGRESSION, False, high=INFINITY, synonyms=("root_mean_squared_error", "rms")
    ),
    Metric("mae", "Mean absolute error.", _REGRESSION, False, high=INFINITY, synonyms=("mean_absolute_error", "l1")),
    Metric("mse", "Mean squared error.", _REGRESSION, False, high=INFINITY, synonyms=("mean_squared_error", "l2")),
    Metric(
        "r2",
        "Share of the variance that is explained.",
        _REGRESSION,
        low=-INFINITY,
        synonyms=("r_squared", "rsquared", "r2_score", "r^2", "r²"),
    ),
    Metric(
        "mape",
        "Mean absolute error as a share of the truth.",
        _REGRESSION,
        False,
        high=INFINITY,
        synonyms=("mean_absolute_percentage_error",),
    ),
    Metric(
        "median_absolute_error",
        "Median of the absolute errors.",
        _REGRESSION,
        False,
        high=INFINITY,
        synonyms=("medae", "median_ae"),
    ),
    Metric("max_error", "Largest absolute error.", _REGRESSION, False, high=INFINITY, synonyms=("maximum_error",)),
    Metric(
        "explained_variance",
        "Share of the variance that is explained, bias aside.",
        _REGRESSION,
        low=-INFINITY,
        synonyms=("explained_variance_score",),
    ),
    Metric(
        "top_k_accuracy",
        "Share of rows whose class is among the k best.",
        _CLASSIFICATION,
        synonyms=("top_k", "top5_accuracy"),
        realised=False,
    ),
    Metric("silhouette", "How far clusters stand apart.", _CLUSTERING, low=-1.0, synonyms=("silhouette_score",), realised=False),
    Metric(
        "davies_bouldin",
        "Spread of clusters over their distance.",
        _CLUSTERING,
        False,
        high=INFINITY,
        synonyms=("davies_bouldin_index", "dbi"),
        realised=False,
    ),
    Metric(
        "smape", "Symmetric percentage error.", ("forecasting",), False, high=2.0, synonyms=("symmetric_mape",), realised=False
    ),
    Metric("mase", "Error over that of the naive forecast.", ("forecasting",), False, high=INFINITY, realised=False),
    Metric("ndcg", "Quality of a ranking, best first.", _RECOMMENDATION, synonyms=("ndcg_at_k",), realised=False),
    Metric(
        "map_at_k",
        "Mean average precision of the k best.",
        _RECOMMENDATION,
        synonyms=("mean_average_precision_at_k",),
        realised=False,
    ),
    Metric("recall_at_k", "Share of wanted items among the k best.", _RECOMMENDATION, realised=False),
    Metric(
        "mean_average_precision", "Detection quality over all classes.", _CLASSIFICATION, synonyms=("map", "m_ap"), realised=False
    ),
    Metric(
        "iou",
        "Overlap of found and true region.",
        _CLASSIFICATION,
        synonyms=("jaccard", "intersection_over_union"),
        realised=False,
    ),
    Metric("bleu", "Overlap of n-grams with a reference.", _CLASSIFICATION, synonyms=("bleu_score",), realised=False),
    Metric(
        "rouge", "Share of a reference's n-grams that appear.", _CLASSIFICATION, synonyms=("rouge_l", "rouge1"), realised=False
    ),
    Metric(
        "perplexity",
        "Exponential of the mean surprise.",
        _CLASSIFICATION,
        False,
        low=1.0,
        high=INFINITY,
        synonyms=("ppl",),
        realised=False,
    ),
    Metric("meteor", "Aligned overlap with a reference.", _CLASSIFICATION, realised=False),
)

CATALOGUE: dict[str, Metric] = {metric.name: metric for metric in _ALL}
SYNONYMS: dict[str, str] = {synonym: metric.name for metric in _ALL for synonym in metric.synonyms}

FAIRNESS = (
    "equalized_odds_difference",
    "demographic_parity_difference",
    "equal_opportunity_difference",
    "demographic_parity_ratio",
    "equalized_odds_ratio",
)
"""The fairness metrics a spec may name (definitions as in Fairlearn): a difference is best at 0, a ratio at 1."""

DEFAULT = {
    "classification": "f1",
    "regression": "rmse",
    "forecasting": "rmse",
    "clustering": "silhouette",
    "anomaly": "average_precision",
}
"""The guide's primary metric of each task; for anomalies, which are rare, the one that rarity does not flatter."""


def normal(word: str) -> str:
    """Write a metric's name as the catalogue does: ``F1-Score`` -> ``f1_score``."""
    return word.strip().lower().replace("-", "_").replace(" ", "_")


def meant(word: str) -> str | None:
    """Return the catalogue's name for a name or a synonym in any spelling, or None."""
    name = normal(word)
    return name if name in CATALOGUE else SYNONYMS.get(name)
