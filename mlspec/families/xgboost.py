"""XGBoost's boosted trees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from mlspec.diagnostic import Finding
from mlspec.families import CLASSIFICATION, REGRESSION, Count, Family, Needs, NotNegative, Positive, Share, wrong
from mlspec.families._boosting import Boosted, BoostedClassifier, BoostingParams, Quantile, Rows
from mlspec.families._estimator import library

Objective = Literal[
    "auto",
    "binary:logistic",
    "multi:softprob",
    "reg:squarederror",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "reg:gamma",
    "reg:tweedie",
    "count:poisson",
]


_AROUND = re.compile(r"^\[[\d:]+\] \S+:\d+: (?:Check failed: .*?: ?)?")


class XGBoostParams(BoostingParams):
    """Parameters of XGBClassifier and XGBRegressor, and how much is held back to stop early."""

    task_only: ClassVar = {
        **BoostingParams.task_only,
        "scale_pos_weight": CLASSIFICATION,
        "quantile_alpha": REGRESSION,
        "huber_slope": REGRESSION,
    }
    task_values: ClassVar = {
        "objective": {
            CLASSIFICATION: frozenset({"binary:logistic", "multi:softprob"}),
            REGRESSION: frozenset(
                {
                    "reg:squarederror",
                    "reg:absoluteerror",
                    "reg:pseudohubererror",
                    "reg:quantileerror",
                    "reg:gamma",
                    "reg:tweedie",
                    "count:poisson",
                }
            ),
        }
    }
    belongs: ClassVar = {
        "quantile_alpha": (frozenset({"reg:quantileerror"}), 0.9),
        "huber_slope": (frozenset({"reg:pseudohubererror"}), None),
        "tweedie_variance_power": (frozenset({"reg:tweedie"}), None),
    }

    objective: Objective = Field("auto", description="What is minimised; auto is the log loss, or squared errors for regression.")
    quantile_alpha: Quantile | None = Field(None, description="With `reg:quantileerror`: which quantile to predict.")
    huber_slope: Positive | None = Field(None, description="With `reg:pseudohubererror`: where errors turn linear; null is 1.")
    learning_rate: Positive = Field(0.3, le=1, description="How much each tree counts.")
    max_depth: Count | None = Field(6, description="Most levels of a tree; null is no limit.")
    max_leaves: int | None = Field(None, ge=2, description="Most leaves of a tree; null is no limit.")
    grow_policy: Literal["depthwise", "lossguide"] = Field(
        "depthwise", description="What is split next: a node nearest the root, or the one that gains most."
    )
    tree_method: Literal["hist", "approx", "exact"] = Field(
        "hist", description="How splits are found: in bins made once, in bins made for each tree, or among all values."
    )
    min_child_weight: NotNegative = Field(1.0, description="Least weight (sum of second derivatives) of a leaf.")
    gamma: NotNegative = Field(0.0, description="Least gain for which a node is split.")
    max_delta_step: NotNegative = Field(0.0, description="Largest step of a leaf; 0 is no limit.")
    colsample_bylevel: Share = Field(1.0, description="Share of the features drawn for a level of a tree.")
    reg_lambda: NotNegative = Field(1.0, description="Strength of the L2 penalty on leaves.")
    scale_pos_weight: Positive | None = Field(
        None,
        description="Two classes: weight of the one that comes last in order of text; null is 1. `class_weight` names classes.",
    )
    num_parallel_tree: Count = Field(1, description="Trees of a round: more than one boosts forests.")

    def findings(self, task: str) -> Iterator[Finding]:
        yield from super().findings(task)
        if self.scale_pos_weight is not None and self.class_weight is not None:
            yield wrong("scale_pos_weight", "`scale_pos_weight` and `class_weight` both weigh the classes", "leave one out")
        if self.tree_method != "exact":
            return
        if self.max_depth is None:
            yield wrong("max_depth", "`tree_method: exact` needs a `max_depth`", "such as 6")
        for name in ("max_leaves", "grow_policy", "max_bin", "colsample_bynode"):
            if getattr(self, name) != type(self).model_fields[name].default:
                yield wrong(name, f"`tree_method: exact` does not go by `{name}`", "write `tree_method: hist`")


class XGBoost(Family):
    """Boosted trees with a penalty on their leaves. Takes missing values as they are; categories become one-hot columns.

    Trees grow on one core: with more, what threads add up could differ in the last bits. It is an extra: `mlspec[xgboost]`.
    """

    distributions: ClassVar[tuple[str, ...]] = ("xgboost-cpu", "xgboost")
    wants: ClassVar[Needs] = Needs(missing=True)
    kind: Literal["xgboost"] = "xgboost"
    params: XGBoostParams = Field(default_factory=XGBoostParams.model_construct)

    def estimator(self, task: str, seed: int) -> Any:
        library("xgboost")
        build = XGBoostClassifier if task == CLASSIFICATION else XGBoostRegressor
        return build(**self.params.arguments(task), random_state=seed)


class _XGBoost(Boosted):
    not_below: ClassVar = {"count:poisson": 0.0, "reg:tweedie": 0.0, "reg:gamma": 0.0}
    above: ClassVar = frozenset({"reg:gamma"})

    def _grown(self, rows: Rows, held: Rows | None) -> tuple[Any, int]:
        xgboost = library("xgboost")
        build = xgboost.XGBClassifier if self.kind == "classifier" else xgboost.XGBRegressor
        # 0 is what means "no limit" to XGBoost; left out, it would be the default
        params = {"max_depth": 0, **self.params}
        stop = []
        if held is not None:
            stop = [xgboost.callback.EarlyStopping(rounds=self.early_stopping_rounds, save_best=True)]
        model = build(**params, random_state=self.random_state, n_jobs=1, verbosity=0, device="cpu", callbacks=stop or None)
        try:
            model.fit(
                rows.features,
                rows.answers,
                sample_weight=rows.weights,
                eval_set=None if held is None else [(held.features, held.answers)],
                sample_weight_eval_set=None if held is None or held.weights is None else [held.weights],
                verbose=False,
            )
        except xgboost.core.XGBoostError as error:
            # around what is wrong stand the time, a place in XGBoost's source, the check, and a stack of addresses
            raise ValueError(_AROUND.sub("", str(error).splitlines()[0])) from None
        model.set_params(callbacks=None)  # it is done, and would be pickled
        return model, int(model.get_booster().num_boosted_rounds())


class XGBoostRegressor(_XGBoost):
    """XGBRegressor."""


class XGBoostClassifier(BoostedClassifier, _XGBoost):
    """XGBClassifier, with labels of any kind."""

    two_classes: ClassVar[str] = "binary:logistic"
    more_classes: ClassVar[str] = "multi:softprob"

    def _refuse(self, answers: Any) -> None:
        super()._refuse(answers)
        if "scale_pos_weight" in self.params and len(self.classes_) != 2:
            raise ValueError(f"`scale_pos_weight` is for two classes, and there are {len(self.classes_)}: write `class_weight`")


MEMBER = XGBoost
