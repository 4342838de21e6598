"""Gradient boosting over histograms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import (
    CLASSIFICATION,
    REGRESSION,
    ClassWeight,
    Count,
    Family,
    Needs,
    NotNegative,
    Params,
    Positive,
    Share,
    wrong,
)

Loss = Literal["auto", "log_loss", "squared_error", "absolute_error", "gamma", "poisson", "quantile"]


class HistGradientBoostingParams(Params):
    """Parameters of HistGradientBoostingClassifier and HistGradientBoostingRegressor."""

    task_only: ClassVar = {"class_weight": CLASSIFICATION, "quantile": REGRESSION}
    task_values: ClassVar = {
        "loss": {
            CLASSIFICATION: frozenset({"log_loss"}),
            REGRESSION: frozenset({"squared_error", "absolute_error", "gamma", "poisson", "quantile"}),
        }
    }
    automatic: ClassVar = frozenset({"loss"})

    loss: Loss = Field("auto", description="What is minimised; auto is log_loss, or squared_error for regression.")
    quantile: float | None = Field(None, ge=0, le=1, description="Regression with `loss: quantile`: which quantile to predict.")
    learning_rate: Positive = Field(0.1, description="How much each tree counts.")
    max_iter: Count = Field(100, description="Most trees (per class, with more than two).")
    max_leaf_nodes: Annotated[int, Field(ge=2)] | None = Field(31, description="Most leaves of a tree; null is no limit.")
    max_depth: Count | None = Field(None, description="Most levels of a tree; null is no limit.")
    min_samples_leaf: Count = Field(20, description="Fewest rows in a leaf.")
    l2_regularization: NotNegative = Field(0.0, description="Strength of the L2 penalty on leaves.")
    max_features: Share = Field(1.0, description="Share of the features tried at each split.")
    max_bins: int = Field(255, ge=2, le=255, description="Most bins of a feature; also the most categories that are told apart.")
    interaction_cst: Literal["no_interactions", "pairwise"] | None = Field(None, description="Which features may meet in a tree.")
    early_stopping: bool | Literal["auto"] = Field(
        "auto", description="Hold rows back to stop early; auto does above 10,000 rows."
    )
    scoring: str | None = Field("loss", description="What early stopping watches: `loss` or a scikit-learn scorer.")
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] | Count | None = Field(
        0.1, description="Rows (or share of the training rows) held back for early stopping; null watches the training rows."
    )
    n_iter_no_change: Count = Field(10, description="Trees without progress after which growing stops.")
    tol: NotNegative = Field(1e-7, description="Least progress that counts.")
    class_weight: ClassWeight = Field(None, description="Classification: `balanced`, or a weight for each class.")

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if (self.loss == "quantile") != (self.quantile is not None) and task == REGRESSION:
            yield wrong(
                "quantile", "`loss: quantile` and `quantile` go together", "such as `loss: quantile` with `quantile: 0.9`"
            )


class HistGradientBoosting(Family):
    """Boosted trees on binned features: usually the best on tables; takes missing values and categories as they are."""

    kind: Literal["sklearn.hist_gradient_boosting"] = "sklearn.hist_gradient_boosting"
    params: HistGradientBoostingParams = Field(default_factory=HistGradientBoostingParams.model_construct)

    def needs(self) -> Needs:
        return Needs(missing=True, categories="codes", max_categories=self.params.max_bins)

    def estimator(self, task: str, seed: int) -> Any:
        from sklearn import ensemble

        name = "HistGradientBoosting" + ("Classifier" if task == CLASSIFICATION else "Regressor")
        return getattr(ensemble, name)(**self.params.arguments(task), random_state=seed, categorical_features=None)

    def settle(self, estimator: Any) -> None:
        """Forget how many threads there were: it is noted in the fitted bins and decides nothing (the trees are the same)."""
        bins: Any = getattr(estimator, "_bin_mapper", None)
        if hasattr(bins, "n_threads"):
            bins.n_threads = None


MEMBER = HistGradientBoosting
