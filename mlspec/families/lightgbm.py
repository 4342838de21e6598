"""LightGBM's boosted trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import CLASSIFICATION, REGRESSION, Count, Family, Needs, NotNegative, Positive, wrong
from mlspec.families._boosting import Boosted, BoostedClassifier, BoostingParams, Rows
from mlspec.families._estimator import library

Objective = Literal[
    "auto",
    "binary",
    "multiclass",
    "regression",
    "regression_l1",
    "huber",
    "fair",
    "poisson",
    "quantile",
    "mape",
    "gamma",
    "tweedie",
]


class LightGBMParams(BoostingParams):
    """Parameters of LGBMClassifier and LGBMRegressor, and how much is held back to stop early."""

    task_only: ClassVar = {**BoostingParams.task_only, "alpha": REGRESSION, "fair_c": REGRESSION}
    task_values: ClassVar = {
        "objective": {
            CLASSIFICATION: frozenset({"binary", "multiclass"}),
            REGRESSION: frozenset(
                {"regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie"}
            ),
        }
    }
    belongs: ClassVar = {
        "alpha": (frozenset({"huber", "quantile"}), 0.9),
        "fair_c": (frozenset({"fair"}), None),
        "tweedie_variance_power": (frozenset({"tweedie"}), None),
    }

    objective: Objective = Field("auto", description="What is minimised; auto is the log loss, or squared errors for regression.")
    alpha: Positive | None = Field(
        None, description="With `quantile`: which quantile to predict; with `huber`: where errors turn linear."
    )
    fair_c: Positive | None = Field(None, description="With `fair`: where errors turn linear; null is 1.")
    boosting_type: Literal["gbdt", "dart"] = Field(
        "gbdt", description="Plain boosting, or trees that are dropped at random while others grow (DART)."
    )
    learning_rate: Positive = Field(0.1, description="How much each tree counts.")
    num_leaves: int = Field(31, ge=2, le=131_072, description="Most leaves of a tree.")
    max_depth: Count | None = Field(None, description="Most levels of a tree; null is no limit.")
    min_child_samples: int = Field(20, ge=0, description="Fewest rows in a leaf.")
    min_child_weight: NotNegative = Field(1e-3, description="Least weight (sum of second derivatives) of a leaf.")
    min_split_gain: NotNegative = Field(0.0, description="Least gain for which a node is split.")
    subsample_freq: int = Field(0, ge=0, description="Rows are drawn anew after so many trees; 0 draws none.")
    subsample_for_bin: Count = Field(200_000, description="Rows from which bins are made.")
    reg_lambda: NotNegative = Field(0.0, description="Strength of the L2 penalty on leaves.")
    max_bin: int = Field(255, ge=2, le=65_535, description="Most bins of a feature.")

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if self.subsample < 1 and not self.subsample_freq:
            yield wrong("subsample", "`subsample` has no effect without `subsample_freq`", "such as `subsample_freq: 1`")
        if self.subsample_freq and self.subsample == 1:
            yield wrong("subsample_freq", "`subsample_freq` has no effect without `subsample`", "such as `subsample: 0.8`")
        if self.boosting_type == "dart" and self.early_stopping_rounds is not None:
            message = "`boosting_type: dart` cannot stop early: later trees change what earlier ones count"
            yield wrong("early_stopping_rounds", message, "write `boosting_type: gbdt`, or leave it out")
        if self.objective == "quantile" and self.alpha is not None and self.alpha >= 1:
            yield wrong("alpha", "a quantile is below 1", "such as `alpha: 0.9`")


class LightGBM(Family):
    """Boosted trees that grow where most is gained. Takes missing values as they are; categories become one-hot columns.

    Trees grow on one core: with more, what threads add up could differ in the last bits. It is an extra: `mlspec[lightgbm]`.
    """

    distributions: ClassVar[tuple[str, ...]] = ("lightgbm",)
    wants: ClassVar[Needs] = Needs(missing=True)
    kind: Literal["lightgbm"] = "lightgbm"
    params: LightGBMParams = Field(default_factory=LightGBMParams.model_construct)

    def estimator(self, task: str, seed: int) -> Any:
        library("lightgbm")
        build = LightGBMClassifier if task == CLASSIFICATION else LightGBMRegressor
        return build(**self.params.arguments(task), random_state=seed)


class _LightGBM(Boosted):
    not_below: ClassVar = {"poisson": 0.0, "tweedie": 0.0, "gamma": 0.0}
    above: ClassVar = frozenset({"gamma"})

    def _grown(self, rows: Rows, held: Rows | None) -> tuple[Any, int]:
        lightgbm = library("lightgbm")
        build = lightgbm.LGBMClassifier if self.kind == "classifier" else lightgbm.LGBMRegressor
        model = build(
            **self.params,
            random_state=self.random_state % 2**31,  # LightGBM's seeds have 31 bits
            n_jobs=1,
            deterministic=True,
            force_row_wise=True,
            verbosity=-1,
        )
        watched = {}
        if held is not None:
            watched = {
                "eval_X": (held.features,),
                "eval_y": (held.answers,),
                "eval_sample_weight": None if held.weights is None else [held.weights],
                "callbacks": [lightgbm.early_stopping(self.early_stopping_rounds, verbose=False)],
            }
        try:
            model.fit(rows.features, rows.answers, sample_weight=rows.weights, **watched)
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(str(error)) from None
        booster = model.booster_
        # predictions, dumps and texts of a booster end at its best iteration by themselves
        return model, int(booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration())


class LightGBMRegressor(_LightGBM):
    """LGBMRegressor."""


class LightGBMClassifier(BoostedClassifier, _LightGBM):
    """LGBMClassifier, with labels of any kind."""

    two_classes: ClassVar[str] = "binary"
    more_classes: ClassVar[str] = "multiclass"


MEMBER = LightGBM
