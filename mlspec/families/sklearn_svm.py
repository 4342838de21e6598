"""Support vector machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import (
    CLASSIFICATION,
    REGRESSION,
    ClassWeight,
    Family,
    Finite,
    Needs,
    NotNegative,
    Params,
    Positive,
    calibrated,
    wrong,
)


class SvmParams(Params):
    """Parameters of SVC and SVR, and of the calibration of its probabilities."""

    task_only: ClassVar = {
        **dict.fromkeys(("class_weight", "calibration", "calibration_folds"), CLASSIFICATION),
        "epsilon": REGRESSION,
    }

    C: Positive = Field(1.0, description="Inverse of the strength of the penalty.")
    kernel: Literal["linear", "poly", "rbf", "sigmoid"] = Field("rbf", description="Similarity of two rows.")
    degree: int = Field(3, ge=0, description="Degree of the poly kernel.")
    gamma: Literal["scale", "auto"] | NotNegative = Field(
        "scale", description="Reach of one row in the rbf, poly and sigmoid kernels."
    )
    coef0: Finite = Field(0.0, description="Constant of the poly and sigmoid kernels.")
    shrinking: bool = Field(True, description="Whether to use the shrinking heuristic.")
    tol: Positive = Field(1e-3, description="Tolerance of the stopping rule.")
    cache_size: Positive = Field(200.0, description="Memory for the kernel cache, in MB.")
    max_iter: int = Field(-1, ge=-1, description="Most iterations; -1 is no limit.")
    epsilon: NotNegative = Field(0.1, description="Regression: errors below this cost nothing.")
    class_weight: ClassWeight = Field(None, description="Classification: `balanced`, or a weight for each class.")
    calibration: Literal["sigmoid", "isotonic"] = Field("sigmoid", description="Classification: how scores become probabilities.")
    calibration_folds: int = Field(5, ge=2, description="Classification: folds of the training rows that calibrate.")

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if self.max_iter == 0:
            yield wrong("max_iter", "no iterations fit no model", "-1 is no limit")


class Svm(Family):
    """A maximum-margin model on kernels: strong on small tables; cost grows with the square of the rows."""

    wants: ClassVar[Needs] = Needs(scale=True)
    kind: Literal["sklearn.svm"] = "sklearn.svm"
    params: SvmParams = Field(default_factory=SvmParams.model_construct)

    def estimator(self, task: str, seed: int) -> Any:
        from sklearn import svm

        given = self.params.arguments(task)
        if task != CLASSIFICATION:
            return svm.SVR(**given)
        method, folds = given.pop("calibration"), given.pop("calibration_folds")
        return calibrated(svm.SVC(**given, random_state=seed), method, folds)


MEMBER = Svm
