"""Ridge regression, and the ridge classifier with calibrated probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import CLASSIFICATION, ClassWeight, Count, Family, Needs, NotNegative, Params, calibrated, wrong

Solver = Literal["auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"]


class RidgeParams(Params):
    """Parameters of Ridge and RidgeClassifier, and of the calibration of its probabilities."""

    task_only: ClassVar = dict.fromkeys(("class_weight", "calibration", "calibration_folds"), CLASSIFICATION)

    alpha: NotNegative = Field(1.0, description="Strength of the L2 penalty.")
    fit_intercept: bool = Field(True, description="Whether to fit a constant term.")
    max_iter: Count | None = Field(None, description="Most iterations of an iterative solver; null is the solver's own.")
    tol: NotNegative = Field(1e-4, description="Precision of the coefficients.")
    solver: Solver = Field("auto", description="Algorithm; `lbfgs` is for `positive`.")
    positive: bool = Field(False, description="Whether to force every coefficient to be positive.")
    class_weight: ClassWeight = Field(None, description="Classification: `balanced`, or a weight for each class.")
    calibration: Literal["sigmoid", "isotonic"] = Field("sigmoid", description="Classification: how scores become probabilities.")
    calibration_folds: int = Field(5, ge=2, description="Classification: folds of the training rows that calibrate.")

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if self.positive and self.solver not in ("auto", "lbfgs"):
            yield wrong("solver", f"`positive` needs `solver: lbfgs` or `auto`, not {self.solver}")
        if self.solver == "lbfgs" and not self.positive:
            yield wrong("solver", "`solver: lbfgs` is only for `positive: true`")


class Ridge(Family):
    """Least squares with an L2 penalty; for classes, on targets of -1 and 1, with probabilities calibrated on folds."""

    wants: ClassVar[Needs] = Needs(scale=True)
    kind: Literal["sklearn.ridge"] = "sklearn.ridge"
    params: RidgeParams = Field(default_factory=RidgeParams.model_construct)

    def estimator(self, task: str, seed: int) -> Any:
        from sklearn import linear_model

        given = self.params.arguments(task)
        if task != CLASSIFICATION:
            return linear_model.Ridge(**given, random_state=seed)
        method, folds = given.pop("calibration"), given.pop("calibration_folds")
        return calibrated(linear_model.RidgeClassifier(**given, random_state=seed), method, folds)


MEMBER = Ridge
