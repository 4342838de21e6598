"""Models that look at no feature: what any other has to beat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import CLASSIFICATION, REGRESSION, Family, Finite, Needs, Params, wrong

Strategy = Literal["auto", "prior", "most_frequent", "stratified", "uniform", "mean", "median", "quantile", "constant"]


class DummyParams(Params):
    """What is always answered."""

    task_only: ClassVar = {"quantile": REGRESSION}
    task_values: ClassVar = {
        "strategy": {
            CLASSIFICATION: frozenset({"prior", "most_frequent", "stratified", "uniform", "constant"}),
            REGRESSION: frozenset({"mean", "median", "quantile", "constant"}),
        }
    }
    automatic: ClassVar = frozenset({"strategy"})

    strategy: Strategy = Field("auto", description="What is always answered; auto is prior, or mean for regression.")
    constant: str | Finite | None = Field(None, description="The answer of `strategy: constant`: a class, or a number.")
    quantile: float | None = Field(None, ge=0, le=1, description="Regression: the quantile of `strategy: quantile`.")

    def arguments(self, task: str) -> dict[str, Any]:
        given = super().arguments(task)
        if task == CLASSIFICATION and self.constant is not None:
            given["constant"] = str(self.constant)  # classes are text
        return given

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if (self.strategy == "constant") != (self.constant is not None):
            yield wrong("constant", "`strategy: constant` and `constant` go together")
        if (self.strategy == "quantile") != (self.quantile is not None) and task == REGRESSION:
            yield wrong("quantile", "`strategy: quantile` and `quantile` go together")
        if isinstance(self.constant, str) and task == REGRESSION:
            yield wrong("constant", f"{self.constant!r} is not a number")


class Dummy(Family):
    """Always gives the most frequent class (or classes as often as they occur), or the mean: the guide's simple baseline."""

    wants: ClassVar[Needs] = Needs(missing=True)
    kind: Literal["sklearn.dummy"] = "sklearn.dummy"
    params: DummyParams = Field(default_factory=DummyParams.model_construct)

    def estimator(self, task: str, seed: int) -> Any:
        from sklearn import dummy

        if task == CLASSIFICATION:
            return dummy.DummyClassifier(**self.params.arguments(task), random_state=seed)
        return dummy.DummyRegressor(**self.params.arguments(task))


MEMBER = Dummy
