"""Logistic regression."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import CLASSIFICATION, ClassWeight, Count, Family, Needs, NotNegative, Params, Positive, wrong

Solver = Literal["lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"]


class LogisticRegressionParams(Params):
    """Parameters of LogisticRegression."""

    C: Positive | None = Field(1.0, description="Inverse of the strength of the penalty; null is no penalty.")
    l1_ratio: float = Field(0.0, ge=0, le=1, description="0 is the L2 penalty, 1 the L1 penalty, between them elastic net.")
    dual: bool = Field(False, description="Solve the dual problem (liblinear with the L2 penalty only).")
    tol: NotNegative = Field(1e-4, description="Tolerance of the stopping rule.")
    fit_intercept: bool = Field(True, description="Whether to fit a constant term.")
    intercept_scaling: Positive = Field(1.0, description="Scale of the constant term under liblinear.")
    class_weight: ClassWeight = Field(None, description="`balanced`, or a weight for each class.")
    solver: Solver = Field("lbfgs", description="Algorithm; `saga` takes every penalty, `liblinear` L1 and L2 for two classes.")
    max_iter: Count = Field(1000, description="Most iterations; scikit-learn's own 100 often stops before it has converged.")

    def arguments(self, task: str) -> dict[str, Any]:
        given = super().arguments(task)
        return given | {"C": math.inf if self.C is None else self.C}

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if 0 < self.l1_ratio < 1 and self.solver != "saga":
            yield wrong("l1_ratio", f"an elastic-net penalty needs `solver: saga`, not {self.solver}")
        if self.l1_ratio == 1 and self.solver not in ("saga", "liblinear"):
            yield wrong("l1_ratio", f"the L1 penalty needs `solver: saga` or `liblinear`, not {self.solver}")
        if self.dual and (self.solver != "liblinear" or self.l1_ratio != 0):
            yield wrong("dual", "the dual problem needs `solver: liblinear` and the L2 penalty (`l1_ratio: 0`)")
        if self.C is None and self.solver == "liblinear":
            yield wrong("C", "liblinear cannot do without a penalty", "another solver, or a large `C`")


class LogisticRegression(Family):
    """A linear model of the classes' log-odds: fast, calibrated, and easy to read."""

    tasks: ClassVar[frozenset[str]] = frozenset({CLASSIFICATION})
    wants: ClassVar[Needs] = Needs(scale=True)
    kind: Literal["sklearn.logistic_regression"] = "sklearn.logistic_regression"
    params: LogisticRegressionParams = Field(default_factory=LogisticRegressionParams.model_construct)

    def estimator(self, task: str, seed: int) -> Any:
        from sklearn.linear_model import LogisticRegression as Estimator

        return Estimator(**self.params.arguments(task), random_state=seed)


MEMBER = LogisticRegression
