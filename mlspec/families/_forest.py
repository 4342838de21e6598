"""What random forests and extra trees share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import CLASSIFICATION, REGRESSION, ClassWeight, Count, Family, Needs, NotNegative, Params, Share, wrong

Criterion = Literal["auto", "gini", "entropy", "log_loss", "squared_error", "absolute_error", "poisson"]
BelowOne = Annotated[float, Field(gt=0, lt=1)]


class ForestParams(Params):
    """Parameters of the forests' classifiers and regressors."""

    task_only: ClassVar = {"class_weight": CLASSIFICATION}
    task_values: ClassVar = {
        "criterion": {
            CLASSIFICATION: frozenset({"gini", "entropy", "log_loss"}),
            REGRESSION: frozenset({"squared_error", "absolute_error", "poisson"}),
        }
    }
    automatic: ClassVar = frozenset({"criterion", "max_features"})

    n_estimators: Count = Field(100, description="Number of trees.")
    criterion: Criterion = Field("auto", description="Measure of a split; auto is gini, or squared_error for regression.")
    max_depth: Count | None = Field(None, description="Most levels of a tree; null is no limit.")
    min_samples_split: Annotated[int, Field(ge=2)] | Share = Field(
        2, description="Fewest rows (or share) that are split further."
    )
    min_samples_leaf: Count | BelowOne = Field(1, description="Fewest rows (or share of rows) in a leaf.")
    min_weight_fraction_leaf: float = Field(0.0, ge=0, le=0.5, description="Smallest share of the total weight in a leaf.")
    max_features: Count | Share | Literal["auto", "sqrt", "log2"] | None = Field(
        "auto", description="Features tried at a split; auto is sqrt, or all for regression; null is all."
    )
    max_leaf_nodes: Annotated[int, Field(ge=2)] | None = Field(None, description="Most leaves of a tree; null is no limit.")
    min_impurity_decrease: NotNegative = Field(0.0, description="Smallest gain for which a node is split.")
    bootstrap: bool = Field(True, description="Whether each tree sees rows drawn with replacement, or all of them.")
    class_weight: ClassWeight | Literal["balanced_subsample"] = Field(
        None, description="Classification: `balanced`, `balanced_subsample`, or a weight for each class."
    )
    ccp_alpha: NotNegative = Field(0.0, description="Strength of minimal cost-complexity pruning.")
    max_samples: Count | Share | None = Field(None, description="Rows (or share) drawn for a tree with `bootstrap`; null is all.")

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if self.max_samples is not None and not self.bootstrap:
            yield wrong("max_samples", "`max_samples` needs `bootstrap: true`")


class Forest(Family):
    """A forest of the class that `ensemble` names in sklearn.ensemble."""

    ensemble: ClassVar[str]
    params: ForestParams = Field(default_factory=ForestParams.model_construct)

    def needs(self) -> Needs:
        return Needs(missing=self.params.criterion != "absolute_error")  # the one criterion that has no rule for NaN

    def estimator(self, task: str, seed: int) -> Any:
        from sklearn import ensemble

        suffix = "Classifier" if task == CLASSIFICATION else "Regressor"
        return getattr(ensemble, self.ensemble + suffix)(**self.params.arguments(task), random_state=seed, n_jobs=-1)

    def settle(self, estimator: Any) -> None:
        """Predict on one core: trees are grown alike on any number of them, but what threads add up differs in the last bits."""
        estimator.set_params(n_jobs=None)
