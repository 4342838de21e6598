"""Fill missing values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from mlspec.transforms import Context, Fitted, Transform, types_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from mlspec.transforms._matrix import Matrix


class Impute(Transform):
    """Fill missing values with what the training rows suggest, or with a constant."""

    after: ClassVar = "whole"
    kind: Literal["impute"] = "impute"
    with_: Literal["mean", "median", "most_frequent", "constant"] = Field(
        "median", alias="with", description="Mean and median are for numbers; most_frequent for any type but dates."
    )
    value: StrictBool | StrictInt | StrictFloat | StrictStr | None = Field(
        None, description="What `with: constant` fills in; its type says which columns."
    )
    add_indicator: StrictBool = Field(False, description="Add a truth value for each column that has missing values in training.")

    @model_validator(mode="after")
    def _value_goes_with_constant(self) -> Impute:
        if (self.with_ == "constant") != (self.value is not None):
            raise ValueError("`value` and `with: constant` go together")
        return self

    def takes(self) -> frozenset[str]:
        if self.with_ == "most_frequent":
            return frozenset({"number", "boolean", "category"})
        if isinstance(self.value, bool):
            return frozenset({"boolean"})
        return frozenset({"category"} if isinstance(self.value, str) else {"number"})

    def fit_transform(self, frame: pl.DataFrame, target: np.ndarray[Any, Any], context: Context) -> tuple[Fitted, pl.DataFrame]:
        from mlspec.transforms._matrix import Matrix, Parts

        parts: list[Matrix] = []
        types = types_of(frame)
        for kind in ("number", "boolean", "category"):
            names = [name for name, one in types.items() if one == kind]
            if names:
                parts += self._filled(frame, names, kind)
            missing = [name for name in names if frame[name].null_count()] if self.add_indicator else []
            if missing:
                parts.append(
                    Matrix(
                        missing,
                        _indicator(kind).fit(_values(frame, missing)),
                        [f"{one} is missing" for one in missing],
                        truth=True,
                    )
                )
        fitted = Parts(parts)
        return fitted, fitted.transform(frame)

    def _filled(self, frame: pl.DataFrame, names: list[str], kind: str) -> Iterator[Matrix]:
        """Yield one matrix for the columns; a category without any value has no most frequent one, and becomes `(missing)`."""
        from sklearn.impute import SimpleImputer

        from mlspec.transforms._matrix import Matrix

        empty = [name for name in names if kind == "category" and frame[name].null_count() == frame.height]
        some = [name for name in names if name not in empty]
        if empty:
            fill = SimpleImputer(
                strategy="constant", fill_value=self.value or "(missing)", missing_values=None, keep_empty_features=True
            )
            yield Matrix(empty, fill.fit(_values(frame, empty)), empty)
        if some:
            yield Matrix(some, self._imputer(kind).fit(_values(frame, some)), some, truth=kind == "boolean")

    def _imputer(self, kind: str) -> Any:
        import numpy as np
        from sklearn.impute import SimpleImputer

        fill = None if self.value is None else float(self.value) if kind == "boolean" else self.value
        missing = None if kind == "category" else np.nan
        return SimpleImputer(strategy=self.with_, fill_value=fill, missing_values=missing, keep_empty_features=True)


def _indicator(kind: str) -> Any:
    import numpy as np
    from sklearn.impute import MissingIndicator

    return MissingIndicator(features="all", missing_values=None if kind == "category" else np.nan)


def _values(frame: pl.DataFrame, names: list[str]) -> Any:
    from mlspec.transforms._matrix import matrix

    return matrix(frame.select(names))


MEMBER = Impute
