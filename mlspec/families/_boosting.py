"""What XGBoost and LightGBM share: parameters, and an estimator whose classes are text and which stops early by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import CLASSIFICATION, REGRESSION, ClassWeight, Count, NotNegative, Params, Share, wrong
from mlspec.families._estimator import Classifying, Estimator

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Quantile = Annotated[float, Field(gt=0, lt=1)]
TweediePower = Annotated[float, Field(ge=1, lt=2)]


class BoostingParams(Params):
    """Parameters that both libraries have, and those of ours that stop them early."""

    task_only: ClassVar[Mapping[str, str]] = {"class_weight": CLASSIFICATION, "tweedie_variance_power": REGRESSION}
    automatic: ClassVar[frozenset[str]] = frozenset({"objective"})

    belongs: ClassVar[Mapping[str, tuple[frozenset[str], float | None]]] = {}
    """Parameter -> the objectives that read it, and a value to show where one of them needs it and has no default of its own."""

    n_estimators: Count = Field(100, description="Most rounds; each adds one tree (per class, with more than two).")
    subsample: Share = Field(1.0, description="Share of the rows drawn for a tree.")
    colsample_bytree: Share = Field(1.0, description="Share of the features drawn for a tree.")
    colsample_bynode: Share = Field(1.0, description="Share of the features drawn for a split.")
    reg_alpha: NotNegative = Field(0.0, description="Strength of the L1 penalty on leaves.")
    max_bin: int = Field(256, ge=2, le=65_535, description="Most bins of a feature.")
    tweedie_variance_power: TweediePower | None = Field(
        None, description="Regression with a Tweedie objective: from 1 (Poisson) towards 2 (gamma); null is 1.5."
    )
    class_weight: ClassWeight = Field(None, description="Classification: `balanced`, or a weight for each class.")
    early_stopping_rounds: Count | None = Field(
        None, description="Rounds without progress on rows held back after which growing stops; null grows all."
    )
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Share of the training rows held back with `early_stopping_rounds`; null is 0.1."
    )

    def arguments(self, task: str) -> dict[str, Any]:
        """Leave out what is null: the library's default counts."""
        return {name: value for name, value in super().arguments(task).items() if value is not None}

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if self.validation_fraction is not None and self.early_stopping_rounds is None:
            message = "`validation_fraction` has no effect without `early_stopping_rounds`"
            yield wrong("validation_fraction", message, "such as `early_stopping_rounds: 10`")
        objective: str = getattr(self, "objective", "auto")
        for name, (objectives, needed) in self.belongs.items():
            there, reads = getattr(self, name) is not None, objective in objectives
            words = " or ".join(f"`objective: {one}`" for one in sorted(objectives))
            if there and not reads and task == REGRESSION:
                yield wrong(name, f"`{name}` is read with {words} only")
            elif reads and not there and needed is not None:
                yield wrong(name, f"`objective: {objective}` needs `{name}`", f"such as `{name}: {needed}`")


@dataclass(frozen=True)
class Rows:
    """Rows to learn from or to watch: features, answers as numbers, and weights if there are any."""

    features: Array
    answers: Array
    weights: Array | None

    def part(self, rows: Array) -> Rows:
        return Rows(self.features[rows], self.answers[rows], None if self.weights is None else self.weights[rows])


class Boosted(Estimator):
    """A regressor around one of a library's own, which holds rows back to stop early.

    Once fitted, `model_` is the library's estimator, and `n_iter_` the rounds that its predictions use.
    """

    takes_missing: ClassVar[bool] = True

    not_below: ClassVar[Mapping[str, float]] = {}
    """Objective -> the least answer that it takes; `above` are the objectives that do not take that one itself."""
    above: ClassVar[frozenset[str]] = frozenset()

    model_: Any
    n_iter_: int
    n_features_in_: int

    def __init__(
        self,
        *,
        class_weight: Mapping[str, float] | str | None = None,
        early_stopping_rounds: int | None = None,
        validation_fraction: float | None = None,
        random_state: int = 0,
        **params: Any,
    ) -> None:
        self.class_weight = class_weight
        self.early_stopping_rounds = early_stopping_rounds
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.params = params

    @property
    def n_estimators(self) -> int:
        """Most rounds of boosting."""
        return int(self.params["n_estimators"])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        own = ("class_weight", "early_stopping_rounds", "validation_fraction", "random_state")
        return {**{name: getattr(self, name) for name in own}, **self.params}

    def set_params(self, **params: Any) -> Self:
        self.__init__(**{**self.get_params(), **params})  # type: ignore[misc]
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def fit(self, features: Array, target: Array) -> Self:
        """Grow trees until there are enough, or until rows that are held back show no more progress."""
        rows = self._rows(features, target)
        self._refuse(rows.answers)
        kept, held = self._split(rows) if self.early_stopping_rounds is not None else (rows, None)
        self.model_, self.n_iter_ = self._grown(kept, held)
        self.n_features_in_ = features.shape[1]
        return self

    def predict(self, features: Array) -> Array:
        import numpy as np

        return np.asarray(self.model_.predict(features), dtype=np.float64)

    def _rows(self, features: Array, target: Array) -> Rows:
        return Rows(features, target, None)

    def _refuse(self, answers: Array) -> None:
        """Raise ValueError for answers that the objective does not take: the libraries print it, or say it with a stack trace."""
        objective = self.params.get("objective", "")
        least, lowest = self.not_below.get(objective), answers.min()
        if least is not None and (lowest < least or (lowest == least and objective in self.above)):
            allowed = f"above {least:g}" if objective in self.above else f"of {least:g} or more"
            raise ValueError(f"`objective: {objective}` takes answers {allowed}, and one is {lowest:g}")

    def _split(self, rows: Rows) -> tuple[Rows, Rows]:
        """Hold rows back: the same ones for the same seed, and of each class as many as its share is."""
        import numpy as np
        from sklearn.model_selection import train_test_split

        kept, held = train_test_split(
            np.arange(len(rows.answers)),
            test_size=self.validation_fraction or 0.1,
            random_state=self.random_state,
            stratify=rows.answers if self.kind == "classifier" else None,
        )
        return rows.part(np.sort(kept)), rows.part(np.sort(held))

    def _grown(self, rows: Rows, held: Rows | None) -> tuple[Any, int]:
        """Return the library's estimator, fitted, and the number of rounds that its predictions use."""
        raise NotImplementedError


class BoostedClassifier(Classifying, Boosted):
    """A classifier around one of a library's own."""

    two_classes: ClassVar[str] = ""
    more_classes: ClassVar[str] = ""
    """The objectives for two classes and for more."""

    def shares(self, features: Array) -> Array:
        import numpy as np

        return np.asarray(self.model_.predict_proba(features), dtype=np.float64)

    def _rows(self, features: Array, target: Array) -> Rows:
        return Rows(features, *self.coded(target, self.class_weight))

    def _refuse(self, answers: Array) -> None:
        classes, objective = len(self.classes_), self.params.get("objective")
        if objective == self.two_classes and classes != 2:
            raise ValueError(f"`objective: {objective}` is for two classes, and there are {classes}")
        if objective == self.more_classes and classes == 2:
            raise ValueError(f"`objective: {objective}` is for more than two classes, and there are 2")
