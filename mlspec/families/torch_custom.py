"""The user's own PyTorch module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StrictBool, StrictStr

from mlspec.diagnostic import Finding, Route
from mlspec.families import CLASSIFICATION, Count, Family, Needs
from mlspec.families._estimator import library
from mlspec.families._network import CustomNetworkClassifier, CustomNetworkRegressor, Learning, instructed
from mlspec.families.custom import CustomParams
from mlspec.fields import ENTRYPOINT


class OwnNetwork(Family):
    """A network that a function of the user's builds, whatever trains it."""

    distributions: ClassVar[tuple[str, ...]] = ("torch",)
    own: ClassVar[bool] = True
    entrypoint: Annotated[StrictStr, ENTRYPOINT] = Field(description="The function, as package.module:name.")
    params: CustomParams = Field(default_factory=CustomParams.model_construct, description="Keyword arguments of the function.")
    fit: Learning = Field(default_factory=Learning.model_construct, description="How the module is trained.")
    shape: Annotated[tuple[Count, ...], Field(min_length=1)] | None = Field(
        None, description="How a row is read, such as height, width and channels; null is features side by side."
    )
    scale: StrictBool = Field(True, description="Whether numbers without a `scale` transform are standardised for it.")

    def needs(self) -> Needs:
        return Needs(scale=self.scale, places=self.shape is not None)

    def trainer(self, task: str) -> type[CustomNetworkRegressor]:
        """Return the class of a task's estimator; raise Problem where the library that trains it is not here."""
        library("torch", self.kind)
        return CustomNetworkClassifier if task == CLASSIFICATION else CustomNetworkRegressor

    def estimator(self, task: str, seed: int) -> Any:
        return self.trainer(task)(
            entrypoint=self.entrypoint,
            arguments=self.params.arguments(task),
            shape=None if self.shape is None else list(self.shape),
            random_state=seed,
            **self.fit.settings(),
        )

    def instruct(self, estimator: Any, training: Mapping[str, Any], states: Any) -> None:
        instructed(estimator, training, states)

    def findings(self, task: str, route: Route = ()) -> list[Finding]:
        own = [Finding(one.code, one.message, (*route, "fit", *one.route[1:]), help=one.help) for one in self.fit.findings(task)]
        return [*super().findings(task, route), *own]


class TorchCustom(OwnNetwork):
    """A torch.nn.Module that your function builds, `build(task, inputs, outputs, **params)`. It is an extra: `mlspec[torch]`.

    `inputs` is the number of features, or `shape` as a tuple; the module takes (rows, *shape) and gives (rows, outputs): a number
    for each class, before softmax, or one of the standardised target. Chance comes from PyTorch's own generator, which is seeded.
    Exports capture what `forward` does with a row: docs/edge.md says which operations have a form there.
    """

    kind: Literal["torch.custom"] = "torch.custom"


MEMBER = TorchCustom
