"""The user's own Keras model."""

from __future__ import annotations

from typing import ClassVar, Literal

from mlspec.families import CLASSIFICATION
from mlspec.families._keras import CustomKerasClassifier, CustomKerasRegressor, imported
from mlspec.families.torch_custom import OwnNetwork


class KerasCustom(OwnNetwork):
    """A keras.Model that your function builds, `build(task, inputs, outputs, **params)`, on PyTorch. An extra: `mlspec[keras]`.

    `inputs` is the number of features, or `shape` as a tuple; the model takes (rows, *shape) and gives (rows, outputs): a number
    for each class, before softmax, or one of the standardised target. How it is compiled is for `fit` to say. Chance comes from
    Python's, NumPy's and PyTorch's own generators, which are seeded. Settings in `~/.keras` do not count; weights that the
    function downloads are kept where `KERAS_HOME` says. Exports capture what the model does with a row, as for
    `torch.custom`.
    """

    distributions: ClassVar[tuple[str, ...]] = ("keras",)
    below: ClassVar[tuple[str, ...]] = ("torch",)
    kind: Literal["keras.custom"] = "keras.custom"

    def trainer(self, task: str) -> type[CustomKerasRegressor]:
        imported(self.kind)
        return CustomKerasClassifier if task == CLASSIFICATION else CustomKerasRegressor


MEMBER = KerasCustom
