"""The forecast that nothing changes: what any model of a series has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, StrictStr

from mlspec.diagnostic import Finding, Problem
from mlspec.families import REGRESSION, Family, Needs, Params
from mlspec.families._estimator import Estimator

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

UNCHANGED = ("impute", "select")
"""Transforms after which a number that was there still is what it was."""


class Persistence(Estimator):
    """Answers with one feature as it is; `place` is where that stands."""

    def __init__(self, column: str = "", place: int = 0) -> None:
        self.column, self.place = column, place

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"column": self.column, "place": self.place}

    def set_params(self, **params: Any) -> Self:
        vars(self).update(params)
        return self

    def fit(self, features: Array, target: Array) -> Self:
        self.n_features_in_ = features.shape[1]
        return self

    def predict(self, features: Array) -> Array:
        said: Array = features[:, self.place].copy()
        return said


class PersistenceParams(Params):
    """What is taken to stay as it is."""

    column: StrictStr = Field(
        description="The column whose value is the forecast: `Temp[0]`, the last value (the naive forecast); or, where a step is "
        "a day and the next one is forecast, `Temp[-6]`, that of the same day a week before (the seasonal naive forecast)."
    )


class PersistenceFamily(Family):
    """Says that a value stays what it is, or that a season comes again: the simple baseline of a forecast."""

    tasks: ClassVar[frozenset[str]] = frozenset({REGRESSION})
    wants: ClassVar[Needs] = Needs(missing=True)
    kind: Literal["persistence"] = "persistence"
    params: PersistenceParams

    def estimator(self, task: str, seed: int) -> Any:
        return Persistence(self.params.column)

    def inform(self, estimator: Any, featurizer: Any) -> None:
        column = self.params.column
        if column not in featurizer.feature_names_:
            from difflib import get_close_matches

            close = get_close_matches(column, featurizer.feature_names_, n=1)
            there = ", ".join(featurizer.feature_names_[:30])
            help_text = f"did you mean {close[0]!r}?" if close else f"there are {there}"
            raise Problem(
                Finding("unknown-column", f"there is no feature {column!r}, which is to be the forecast", help=help_text)
            )
        changed = [one.kind for one in featurizer.steps_ if column in one.takes and one.kind not in UNCHANGED]
        if changed:
            message = f"`{changed[0]}` changes {column!r}, which is to be the forecast as it is"
            help_text = "name other columns in that transform; a family that wants numbers on one scale brings them there itself"
            raise Problem(Finding("column-changed", message, help=help_text))
        estimator.set_params(place=featurizer.feature_names_.index(column))


MEMBER = PersistenceFamily
