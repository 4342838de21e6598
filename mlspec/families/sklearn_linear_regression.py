"""Ordinary least squares."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from mlspec.families import REGRESSION, Family, Needs, NotNegative, Params


class LinearRegressionParams(Params):
    """Parameters of LinearRegression."""

    fit_intercept: bool = Field(True, description="Whether to fit a constant term.")
    tol: NotNegative = Field(1e-6, description="Precision of the solution on sparse data and with `positive`.")
    positive: bool = Field(False, description="Whether to force every coefficient to be positive.")


class LinearRegression(Family):
    """Least squares without a penalty; the plainest model of a number, easy to read."""

    tasks: ClassVar[frozenset[str]] = frozenset({REGRESSION})
    wants: ClassVar[Needs] = Needs(scale=True)
    kind: Literal["sklearn.linear_regression"] = "sklearn.linear_regression"
    params: LinearRegressionParams = Field(default_factory=LinearRegressionParams.model_construct)

    def estimator(self, task: str, seed: int) -> Any:
        from sklearn.linear_model import LinearRegression as Estimator

        return Estimator(**self.params.arguments(task))


MEMBER = LinearRegression
