"""Nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import CLASSIFICATION, Count, Family, Needs, Params, Positive, wrong

Metric = Literal["minkowski", "euclidean", "manhattan", "chebyshev", "canberra", "braycurtis", "hamming", "cosine", "correlation"]


class KNeighborsParams(Params):
    """Parameters of KNeighborsClassifier and KNeighborsRegressor."""

    n_neighbors: Count = Field(5, description="How many neighbours answer.")
    weights: Literal["uniform", "distance"] = Field("uniform", description="Whether nearer neighbours count for more.")
    algorithm: Literal["auto", "ball_tree", "kd_tree", "brute"] = Field("auto", description="How neighbours are found.")
    leaf_size: Count = Field(30, description="Rows in a leaf of the search tree: speed and memory only.")
    p: Positive = Field(2.0, description="Power of the minkowski metric: 1 is manhattan, 2 euclidean.")
    metric: Metric = Field("minkowski", description="Distance of two rows.")

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if self.algorithm in ("kd_tree", "ball_tree") and self.metric in ("cosine", "correlation"):
            yield wrong("algorithm", f"{self.algorithm} cannot search by {self.metric}", "`algorithm: auto` or `brute`")
        if self.algorithm == "kd_tree" and self.metric in ("canberra", "braycurtis", "hamming"):
            yield wrong("algorithm", f"kd_tree cannot search by {self.metric}", "`algorithm: auto`, `ball_tree` or `brute`")
        if self.metric == "minkowski" and self.p < 1 and self.algorithm != "brute":
            yield wrong("p", "below 1 the minkowski distance is no metric", "`algorithm: brute` takes it all the same")


class KNeighbors(Family):
    """Answers with the rows most like the one asked about: no training, but it carries all training rows with it."""

    wants: ClassVar[Needs] = Needs(scale=True)
    kind: Literal["sklearn.k_neighbors"] = "sklearn.k_neighbors"
    params: KNeighborsParams = Field(default_factory=KNeighborsParams.model_construct)

    def estimator(self, task: str, seed: int) -> Any:
        from sklearn import neighbors

        name = "KNeighbors" + ("Classifier" if task == CLASSIFICATION else "Regressor")
        return getattr(neighbors, name)(**self.params.arguments(task))


MEMBER = KNeighbors
