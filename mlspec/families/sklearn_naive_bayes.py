"""Naive Bayes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import CLASSIFICATION, Family, Finite, Needs, NotNegative, Params, wrong

ESTIMATORS = {"gaussian": "GaussianNB", "bernoulli": "BernoulliNB", "multinomial": "MultinomialNB", "complement": "ComplementNB"}
COUNTS = frozenset({"bernoulli", "multinomial", "complement"})


class NaiveBayesParams(Params):
    """Parameters of GaussianNB, BernoulliNB, MultinomialNB and ComplementNB."""

    used_by: ClassVar[Mapping[str, frozenset[str]]] = {
        "var_smoothing": frozenset({"gaussian"}),
        "alpha": COUNTS,
        "fit_prior": COUNTS,
        "binarize": frozenset({"bernoulli"}),
        "norm": frozenset({"complement"}),
    }

    distribution: Literal["gaussian", "bernoulli", "multinomial", "complement"] = Field(
        "gaussian", description="Distribution of a feature within a class; multinomial and complement are for counts."
    )
    var_smoothing: NotNegative = Field(1e-9, description="gaussian: share of the largest variance added to all of them.")
    alpha: NotNegative = Field(1.0, description="All but gaussian: additive smoothing.")
    fit_prior: bool = Field(True, description="All but gaussian: learn how frequent classes are, else take them as equal.")
    binarize: Finite | None = Field(0.0, description="bernoulli: what exceeds this is a one; null where features are 0 and 1.")
    norm: bool = Field(False, description="complement: whether weights are normalised twice.")

    def arguments(self, task: str) -> dict[str, Any]:
        given = super().arguments(task)
        return {name: given[name] for name, users in self.used_by.items() if self.distribution in users}

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        for name, users in self.used_by.items():
            if self.distribution not in users and getattr(self, name) != type(self).model_fields[name].default:
                yield wrong(
                    name,
                    f"`{name}` does nothing with `distribution: {self.distribution}`",
                    f"it is for {', '.join(sorted(users))}",
                )


class NaiveBayes(Family):
    """Takes features as independent within a class: very fast, a good first word on small data."""

    tasks: ClassVar[frozenset[str]] = frozenset({CLASSIFICATION})
    wants: ClassVar[Needs] = Needs()
    kind: Literal["sklearn.naive_bayes"] = "sklearn.naive_bayes"
    params: NaiveBayesParams = Field(default_factory=NaiveBayesParams.model_construct)

    def estimator(self, task: str, seed: int) -> Any:
        from sklearn import naive_bayes

        return getattr(naive_bayes, ESTIMATORS[self.params.distribution])(**self.params.arguments(task))


MEMBER = NaiveBayes
