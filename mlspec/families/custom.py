"""The user's own estimator."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictStr

from mlspec.diagnostic import Finding, Problem
from mlspec.families import CLASSIFICATION, Family, Needs, Params
from mlspec.fields import ENTRYPOINT


class CustomParams(Params):
    """Anything: it is handed to the user's function as keyword arguments."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Custom(Family):
    """An estimator that your function builds, `build(task, seed, **params)`: fit, predict and, for classes, predict_proba."""

    own: ClassVar[bool] = True
    kind: Literal["custom"] = "custom"
    entrypoint: Annotated[StrictStr, ENTRYPOINT] = Field(description="The function, as package.module:name.")
    params: CustomParams = Field(default_factory=CustomParams.model_construct, description="Keyword arguments of the function.")
    missing: StrictBool = Field(False, description="Whether the estimator takes missing values (NaN).")
    scale: StrictBool = Field(False, description="Whether numbers without a `scale` transform are standardised for it.")

    def needs(self) -> Needs:
        return Needs(missing=self.missing, scale=self.scale)

    def estimator(self, task: str, seed: int) -> Any:
        from mlspec.entrypoint import blame, load

        build = load(self.entrypoint)
        with blame(self.entrypoint):
            estimator = build(task, seed, **self.params.arguments(task))
        wanted = ["fit", "predict", *(["predict_proba"] if task == CLASSIFICATION else [])]
        lacking = [name for name in wanted if not hasattr(estimator, name)]
        if lacking:
            message = f"{self.entrypoint} gave {type(estimator).__name__}, which has no {' and no '.join(lacking)}"
            help_text = "return an unfitted scikit-learn estimator"
            raise Problem(Finding("not-an-estimator", message, ("model", "entrypoint"), help=help_text))
        return estimator


MEMBER = Custom
