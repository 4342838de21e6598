"""What neural networks share: how they are trained, and estimators that hold them as plain arrays once they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from mlspec.diagnostic import Finding, Route
from mlspec.families import CLASSIFICATION, REGRESSION, ClassWeight, Count, Family, Needs, NotNegative, Params, Positive, wrong
from mlspec.families._estimator import Classifying, Estimator, library

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Rate = Annotated[float, Field(ge=0, lt=1)]
Activation = Literal["relu", "tanh", "silu", "gelu"]
Body = list[dict[str, Any]]


class Learning(Params):
    """How a network is trained, whatever its layers."""

    task_only: ClassVar[Mapping[str, str]] = {"loss": REGRESSION, "class_weight": CLASSIFICATION}

    epochs: Count = Field(50, description="Most passes over the training rows.")
    batch_size: Count = Field(64, description="Rows in a step.")
    learning_rate: Positive = Field(1e-3, description="Step size of AdamW.")
    schedule: Literal["constant", "cosine", "plateau"] = Field(
        "constant",
        description="How the step size changes: not, along half a cosine to 0, or halved after 3 epochs without a gain.",
    )
    weight_decay: NotNegative = Field(0.01, description="AdamW: how fast weights shrink.")
    gradient_clip: Positive | None = Field(None, description="Largest norm of the gradient; null is no limit.")
    loss: Literal["squared_error", "absolute_error", "huber"] = Field(
        "squared_error", description="Regression: what is minimised, of the standardised target."
    )
    class_weight: ClassWeight = Field(None, description="Classification: `balanced`, or a weight for each class.")
    early_stopping_rounds: Count | None = Field(
        None,
        description="Epochs without progress on rows held back after which training stops; the best one counts. Null does all.",
    )
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Share of the training rows held back with `early_stopping_rounds`; null is 0.1."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="What computes; auto is a GPU where there is one. Each device has its own last bits."
    )

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if self.validation_fraction is not None and self.early_stopping_rounds is None:
            message = "`validation_fraction` has no effect without `early_stopping_rounds`"
            yield wrong("validation_fraction", message, "such as `early_stopping_rounds: 10`")

    def settings(self) -> dict[str, Any]:
        """Return what an estimator takes besides its layers."""
        return {name: getattr(self, name) for name in Learning.model_fields}


class NetworkFamily(Family):
    """A family of networks that PyTorch trains: a member says which layers there are, and how a row is read."""

    distributions: ClassVar[tuple[str, ...]] = ("torch",)
    usual: ClassVar[Literal["row", "sequence", "image"]] = "row"
    """How a row is read where `shape` does not say it."""

    params: Learning

    def body(self) -> Body:
        """Return the layers, but for the last one, as `mlspec.runtime.networks.layers` describes them; after `reshaped`."""
        raise NotImplementedError

    def trainer(self, task: str) -> type[NetworkRegressor]:
        """Return the class of a task's estimator; raise Problem where the library that trains it is not here."""
        library("torch", self.kind)
        return NetworkClassifier if task == CLASSIFICATION else NetworkRegressor

    def estimator(self, task: str, seed: int) -> Any:
        shape = getattr(self.params, "shape", None)
        return self.trainer(task)(
            body=self.body(),
            shape=None if shape is None else list(shape),
            usual=self.usual,
            random_state=seed,
            **self.params.settings(),
        )

    def inform(self, estimator: Any, featurizer: Any) -> None:
        """A row that is one array is read in its own shape, where `shape` does not say another."""
        shape: Sequence[int] = featurizer.shape_
        wanted = {"row": (), "sequence": (2,), "image": (2, 3)}[self.usual]
        if estimator.shape is None and len(shape) in wanted:
            estimator.set_params(shape=[*shape, 1] if len(shape) < max(wanted) else [*shape])

    def instruct(self, estimator: Any, training: Mapping[str, Any], states: Any) -> None:
        instructed(estimator, training, states)


def instructed(estimator: Any, training: Mapping[str, Any], states: Any) -> None:
    """Tell an estimator what the spec's `training` says: it comes before what the family's own parameters say."""
    stopping = training.get("early_stopping")
    if stopping:
        estimator.set_params(early_stopping_rounds=int(stopping["patience"]), min_delta=float(stopping["min_delta"]))
    if training.get("mixed_precision"):
        estimator.set_params(mixed_precision=training["mixed_precision"])
    estimator.set_params(**{name: training[name] for name in ("prune", "distill", "quantize_aware") if training.get(name)})
    estimator.states = states


def dense(units: int, activation: str, norm: str, dropout: float) -> Iterator[dict[str, Any]]:
    """Yield a fully connected layer, with what stands behind it."""
    inner = None if norm == "batch" else activation
    yield {"kind": "dense", "units": units, "activation": inner, "leads_to": activation}
    yield from normed(activation, norm)
    yield from dropped(dropout)


def normed(activation: str, norm: str) -> Iterator[dict[str, Any]]:
    if norm == "batch":
        yield {"kind": "batch_norm", "activation": activation}
    elif norm == "layer":
        yield {"kind": "layer_norm"}


def dropped(rate: float) -> Iterator[dict[str, Any]]:
    if rate:
        yield {"kind": "dropout", "rate": rate}


SEQUENCE = Needs(places=True)
"""Steps and pixels are standardised by channel, inside the network: each place by itself would lose what they have in common."""

OWN: dict[str, Any] = {"min_delta": 0.0, "mixed_precision": "auto", "prune": None, "distill": None, "quantize_aware": None}
"""Settings that only the spec's `training` and `compress` have."""

PARTS = ("states", "lessons", "_ready")
"""What an estimator has while it works, and no pickle does."""


class NetworkRegressor(Estimator):
    """A network that gives a number.

    `body` describes its layers and `shape` how a row is read. Once fitted, `layers_` are its layers as plain dicts with NumPy
    arrays, channels last, so that PyTorch is needed to predict but not to unpickle; `history_` has the loss and a metric of each
    epoch, on training rows and on those held back; `n_iter_` are the epochs that were trained, of which `best_epoch_` counts.
    `lessons` are what a teacher says of the training rows, a column a class; one that was pruned has `pruned_`, one that was
    trained for int8 `quantize_aware_`.
    """

    layers_: Body
    history_: list[dict[str, float | int | None]]
    n_iter_: int
    best_epoch_: int
    n_features_in_: int
    device_: str

    def __init__(
        self,
        *,
        body: Sequence[Mapping[str, Any]] = (),
        shape: Any = None,
        usual: str = "row",
        random_state: int = 0,
        **settings: Any,
    ) -> None:
        self.body, self.shape, self.usual, self.random_state = body, shape, usual, random_state
        self.settings = {**Learning.model_construct().settings(), **OWN, **settings}
        self.states: Any = None
        self.lessons: Any = None

    device_route: ClassVar[Route] = ("model", "params", "device")
    shape_route: ClassVar[Route] = ("model", "params", "shape")

    @property
    def max_iter(self) -> int:
        """Most epochs."""
        return int(self.settings["epochs"])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in self._own()}, **self.settings}

    def _own(self) -> tuple[str, ...]:
        return ("body", "shape", "usual", "random_state")

    def set_params(self, **params: Any) -> Self:
        for name, value in params.items():
            if name in self._own():
                setattr(self, name, value)
            elif name in self.settings:
                self.settings[name] = value
            else:
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}")
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in PARTS}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self.states = self.lessons = None

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")

    def fit(self, features: Array, target: Array) -> Self:
        """Train on a matrix of features; the same rows give the same bytes, on any number of cores."""
        from mlspec.runtime.networks import estimators

        answers, weights = self._answers(target)
        vars(self).pop("_ready", None)
        self.read_as_ = list(estimators.shape_of(self.shape, features.shape[1], self.usual, self.shape_route))
        estimators.fit(self, features, answers, weights)
        self.n_features_in_ = features.shape[1]
        return self

    def predict(self, features: Array) -> Array:
        numbers: Array = self._given(features)[:, 0]
        return numbers

    def learn(self, rows: Any, held: Any, plan: Any, outputs: int) -> tuple[Any, Any]:
        """Return a network that has learned from these rows, and how that went; called by `mlspec.runtime.networks.estimators`,
        as is `keep`.
        """
        from mlspec.runtime.networks import estimators

        return estimators.learn(self, self.network(rows.features, outputs), rows, held, plan)

    def network(self, rows: Any, outputs: int) -> Any:
        """Return the module to train on these rows."""
        from mlspec.runtime.networks import estimators

        return estimators.made_of_layers(self.whole(), outputs, self.random_state, rows)

    def whole(self) -> Body:
        """Return the layers but for the last one, with those before the body, which read a row as it is meant."""
        start: Body = []
        if len(self.read_as_) > 1:
            start = [{"kind": "standardise", "channels": self.read_as_[-1]}, {"kind": "reshape", "shape": self.read_as_}]
        return [*start, *map(dict, self.body)]

    def keep(self, network: Any, scale: float, shift: float) -> None:
        from mlspec.runtime.networks import estimators

        self.layers_ = estimators.kept_layers(network, scale, shift)

    def _answers(self, target: Array) -> tuple[Array, Array | None]:
        import numpy as np

        return np.asarray(target, dtype=np.float64), None

    def _given(self, features: Array) -> Array:
        from mlspec.runtime.networks import estimators

        return estimators.by_layers(self.layers_, features)


class _Answering(Classifying):
    """A network that answers by classes."""

    settings: dict[str, Any]

    def _answers(self, target: Array) -> tuple[Array, Array | None]:
        return self.coded(target, self.settings["class_weight"])


class NetworkClassifier(_Answering, NetworkRegressor):
    """A network that gives probabilities."""

    def shares(self, features: Array) -> Array:
        return self._given(features)

    def keep(self, network: Any, scale: float, shift: float) -> None:
        super().keep(network, scale, shift)
        self.layers_.append({"kind": "softmax"})


class CustomNetworkRegressor(NetworkRegressor):
    """A module of the user's that gives a number; `weights_` are what it has learned, by name."""

    task: ClassVar[str] = REGRESSION
    device_route: ClassVar[Route] = ("model", "fit", "device")
    shape_route: ClassVar[Route] = ("model", "shape")

    weights_: dict[str, Array]

    def __init__(self, *, entrypoint: str = "", arguments: Mapping[str, Any] | None = None, **others: Any) -> None:
        super().__init__(**others)
        self.entrypoint, self.arguments = entrypoint, arguments

    def _own(self) -> tuple[str, ...]:
        return ("entrypoint", "arguments", *super()._own())

    def network(self, rows: Any, outputs: int) -> Any:
        from mlspec.runtime.networks import estimators

        return estimators.Shaped(self._module(outputs), self.read_as_, self.entrypoint, rows, outputs)

    def _module(self, outputs: int) -> Any:
        from mlspec.runtime.networks import estimators

        shape = tuple(self.read_as_)
        return estimators.made_by_user(self.entrypoint, self.task, shape, outputs, self.arguments or {}, self.random_state)

    def keep(self, network: Any, scale: float, shift: float) -> None:
        from mlspec.runtime.networks import estimators

        self.weights_, self.scale_, self.shift_ = estimators.kept_weights(network.module), scale, shift

    def module(self, outputs: int) -> Any:
        """Return the module as it was after training."""
        from mlspec.runtime.networks import estimators

        return estimators.with_weights(self._module(outputs), self.weights_)

    def answering(self) -> Any:
        """Return a torch.nn.Module that answers as the estimator does: (rows, *read_as_) to shares of classes, or (rows, 1)."""
        from mlspec.runtime.networks import estimators

        return estimators.Answering(self._fitted(), self.scale_, self.shift_, isinstance(self, Classifying)).eval()

    def _fitted(self) -> Any:
        if not hasattr(self, "_ready"):
            self._ready = self.module(len(self.classes_) if isinstance(self, Classifying) else 1)
        return self._ready

    def _given(self, features: Array) -> Array:
        from mlspec.runtime.networks import estimators

        given = estimators.by_module(self._fitted(), self.entrypoint, tuple(self.read_as_), features)
        return given * self.scale_ + self.shift_


class CustomNetworkClassifier(_Answering, CustomNetworkRegressor):
    """A module of the user's that gives a number for each class, before softmax."""

    task: ClassVar[str] = CLASSIFICATION

    def shares(self, features: Array) -> Array:
        import numpy as np

        margins = self._given(features)
        raised = np.exp(margins - margins.max(axis=1, keepdims=True))
        shares: Array = raised / raised.sum(axis=1, keepdims=True)
        return shares
