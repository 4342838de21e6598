"""Bring numbers to one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mlspec.transforms import Context, Fitted, Transform

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

SCALERS = {"standard": "StandardScaler", "minmax": "MinMaxScaler", "robust": "RobustScaler"}


class Scale(Transform):
    """Bring numbers to one scale, learned on the training rows; missing values stay missing."""

    accepts: ClassVar = frozenset({"number"})
    after: ClassVar = "same"
    kind: Literal["scale"] = "scale"
    with_: Literal["standard", "minmax", "robust", "none"] = Field(
        "standard",
        alias="with",
        description="Mean 0 and deviation 1; 0 to 1; median 0 and quartiles; or none, which keeps numbers as they are.",
    )

    def fit_transform(self, frame: pl.DataFrame, target: np.ndarray[Any, Any], context: Context) -> tuple[Fitted, pl.DataFrame]:
        from sklearn import preprocessing

        from mlspec.transforms._matrix import Matrix, Same, framed, matrix

        if self.with_ == "none" or not frame.width:
            return Same(), frame
        scaler = getattr(preprocessing, SCALERS[self.with_])()
        return Matrix(frame.columns, scaler, frame.columns), framed(scaler.fit_transform(matrix(frame)), frame.columns)


MEMBER = Scale
