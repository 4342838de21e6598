"""Turn categories into numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, StrictInt

from mlspec.transforms import Context, Fitted, Transform

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from mlspec.transforms._matrix import Matrix


class Encode(Transform):
    """Turn categories into numbers: a column for each value, an ordered code, or the target's mean."""

    accepts: ClassVar = frozenset({"category"})
    kind: Literal["encode"] = "encode"
    with_: Literal["one_hot", "ordinal", "target"] = Field(
        "one_hot",
        alias="with",
        description="one_hot; ordinal (in the declared order of values, else sorted); target (smoothed means, cross-fitted).",
    )
    min_frequency: StrictInt = Field(
        5, ge=1, description="A value in fewer training rows than this counts as rare; rare values share a column or code."
    )
    max_categories: StrictInt = Field(
        255, ge=2, description="Most columns or codes of a column; the least frequent values count as rare."
    )

    def leaves(self) -> str:
        return "unknown" if self.with_ == "ordinal" else "whole"

    def fit_transform(self, frame: pl.DataFrame, target: np.ndarray[Any, Any], context: Context) -> tuple[Fitted, pl.DataFrame]:
        from mlspec.transforms._matrix import Matrix, Parts, framed, matrix

        if not frame.width:
            return Parts([]), frame
        if self.with_ == "ordinal":
            coded = Parts([self._coded(frame.select(name), context.values.get(name)) for name in frame.columns])
            return coded, coded.transform(frame)
        encoder = self._one_hot(frame) if self.with_ == "one_hot" else _target(context)
        made = encoder.fit_transform(matrix(frame), target)
        names, truth = told_apart(encoder.get_feature_names_out(frame.columns)), self.with_ == "one_hot"
        return Matrix(frame.columns, encoder, names, truth), framed(made, names, truth=truth)

    def _one_hot(self, frame: pl.DataFrame) -> Any:
        """A value unseen in training counts as rare; where training had no rare values, none of the columns is set."""
        import numpy as np
        from sklearn.preprocessing import OneHotEncoder

        # scikit-learn counts Python objects one by one, which takes longer than all the rest of a fit: count first (measured)
        counts = [frame[name].value_counts(sort=False)["count"] for name in frame.columns]
        rare = any(len(one) > self.max_categories or (one < self.min_frequency).any() for one in counts)
        return OneHotEncoder(
            sparse_output=False,
            dtype=np.bool_,
            handle_unknown="infrequent_if_exist",
            min_frequency=self.min_frequency if rare else None,
            max_categories=self.max_categories if rare else None,
            feature_name_combiner=column_name,
        )

    def _coded(self, frame: pl.DataFrame, declared: Sequence[str] | None) -> Matrix:
        """A value unseen in training is missing. Declared values are an order: none of them is merged with another."""
        import numpy as np
        from sklearn.preprocessing import OrdinalEncoder

        from mlspec.transforms._matrix import Matrix, matrix

        encoder = OrdinalEncoder(
            categories=[list(declared)] if declared else "auto",
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            encoded_missing_value=np.nan,
            min_frequency=None if declared else self.min_frequency,
            max_categories=None if declared else self.max_categories,
        )
        return Matrix(frame.columns, encoder.fit(matrix(frame, nan=True)), frame.columns, nan=True)


def _target(context: Context) -> Any:
    """A value unseen in training gets the target's overall mean."""
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.preprocessing import TargetEncoder

    folds = StratifiedKFold if context.task == "classification" else KFold
    return TargetEncoder(cv=folds(5, shuffle=True, random_state=context.seed))


def column_name(column: Any, category: Any) -> str:
    """Name a one-hot column as people write it."""
    shown = "(missing)" if category is None else {"infrequent_sklearn": "(rare)"}.get(category, category)
    return f"{column}={shown}"


def told_apart(names: Iterable[Any]) -> list[str]:
    """Number names that occur again: value `c` of column `a=b` and value `b=c` of column `a` are written alike."""
    apart: dict[str, None] = {}
    for name in map(str, names):
        times, written = 1, name
        while written in apart:
            times += 1
            written = f"{name} ({times})"
        apart[written] = None
    return list(apart)


MEMBER = Encode
