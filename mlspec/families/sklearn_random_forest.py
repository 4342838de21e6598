"""Random forests."""

from __future__ import annotations

from typing import ClassVar, Literal

from mlspec.families._forest import Forest


class RandomForest(Forest):
    """The mean of many deep trees, each grown on its own sample of the rows: robust, little to tune."""

    ensemble: ClassVar[str] = "RandomForest"
    kind: Literal["sklearn.random_forest"] = "sklearn.random_forest"


MEMBER = RandomForest
