"""Extremely randomised trees."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlspec.families._forest import Forest, ForestParams


class ExtraTreesParams(ForestParams):
    """Parameters of a forest, each tree seeing all rows by default."""

    bootstrap: bool = Field(False, description="Whether each tree sees rows drawn with replacement, or all of them.")


class ExtraTrees(Forest):
    """A forest whose splits are drawn at random: faster to grow than a random forest, and smoother."""

    ensemble: ClassVar[str] = "ExtraTrees"
    kind: Literal["sklearn.extra_trees"] = "sklearn.extra_trees"
    params: ExtraTreesParams = Field(default_factory=ExtraTreesParams.model_construct)


MEMBER = ExtraTrees
