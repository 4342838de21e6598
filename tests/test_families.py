"""Every family, for every task, with its defaults and with each parameter set: the library gets what the spec says and fits it."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning

from mlspec import families, kinds
from mlspec.diagnostic import Problem
from mlspec.families import BOTH, Family

KINDS = [
    kind
    for kind in kinds.names("mlspec.families")
    if kind not in ("custom", "persistence") and not kind.startswith(("keras.", "torch."))
]  # those have a file of their own
TASKS = sorted(BOTH)
BOOSTED = {"lightgbm": "LGBM", "xgboost": "XGB"}

SET_BY_THE_RUNTIME = {"random_state", "n_jobs", "verbose", "warm_start", "copy_X"}
LEFT_OUT = {
    "sklearn.logistic_regression": {"penalty"},  # deprecated: l1_ratio and C say it
    "sklearn.random_forest": {"oob_score", "monotonic_cst"},
    "sklearn.extra_trees": {"oob_score", "monotonic_cst"},
    "sklearn.hist_gradient_boosting": {
        "categorical_features",
        "monotonic_cst",
    },  # positions of features that a spec does not know
    "sklearn.svm": {"probability", "decision_function_shape", "break_ties"},  # deprecated; without effect once calibrated
    "sklearn.naive_bayes": {"priors", "class_prior", "force_alpha"},
    "sklearn.k_neighbors": {"metric_params"},
}
OURS = {"calibration", "calibration_folds", "distribution"}

# For each parameter a value that is not its default, with what else it takes to fit.
OTHER: dict[str, dict[str, list[dict[str, Any]]]] = {
    "sklearn.linear_regression": {
        "fit_intercept": [{"fit_intercept": False}],
        "tol": [{"tol": 1e-3}],
        "positive": [{"positive": True}],
    },
    "sklearn.logistic_regression": {
        "C": [{"C": 0.5}, {"C": None}],
        "l1_ratio": [{"l1_ratio": 1.0, "solver": "liblinear"}, {"l1_ratio": 0.5, "solver": "saga"}],
        "dual": [{"dual": True, "solver": "liblinear"}],
        "tol": [{"tol": 1e-2}],
        "fit_intercept": [{"fit_intercept": False}],
        "intercept_scaling": [{"intercept_scaling": 2.0, "solver": "liblinear"}],
        "class_weight": [{"class_weight": "balanced"}, {"class_weight": {"a": 2.0, "b": 1.0}}],
        "solver": [{"solver": one} for one in ("liblinear", "newton-cg", "newton-cholesky", "sag", "saga")],
        "max_iter": [{"max_iter": 50}],
    },
    "sklearn.ridge": {
        "alpha": [{"alpha": 0.1}],
        "fit_intercept": [{"fit_intercept": False}],
        "max_iter": [{"max_iter": 500, "solver": "saga"}],
        "tol": [{"tol": 1e-2}],
        "solver": [{"solver": one} for one in ("svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga")]
        + [{"solver": "lbfgs", "positive": True}],
        "positive": [{"positive": True}],
        "class_weight": [{"class_weight": "balanced"}],
        "calibration": [{"calibration": "isotonic"}],
        "calibration_folds": [{"calibration_folds": 3}],
    },
    "sklearn.random_forest": {
        "n_estimators": [{"n_estimators": 3}],
        "criterion": [
            {"criterion": one} for one in ("gini", "entropy", "log_loss", "squared_error", "absolute_error", "poisson")
        ],
        "max_depth": [{"max_depth": 2}],
        "min_samples_split": [{"min_samples_split": 5}, {"min_samples_split": 0.2}],
        "min_samples_leaf": [{"min_samples_leaf": 3}, {"min_samples_leaf": 0.1}],
        "min_weight_fraction_leaf": [{"min_weight_fraction_leaf": 0.1}],
        "max_features": [{"max_features": one} for one in (2, 0.5, "sqrt", "log2", None)],
        "max_leaf_nodes": [{"max_leaf_nodes": 4}],
        "min_impurity_decrease": [{"min_impurity_decrease": 0.01}],
        "bootstrap": [{"bootstrap": False}],
        "class_weight": [{"class_weight": "balanced"}, {"class_weight": "balanced_subsample"}],
        "ccp_alpha": [{"ccp_alpha": 0.01}],
        "max_samples": [
            {"max_samples": 20, "bootstrap": True},
            {"max_samples": 0.5, "bootstrap": True},
            {"max_samples": 1.0, "bootstrap": True},
        ],
    },
    "sklearn.hist_gradient_boosting": {
        "loss": [{"loss": one} for one in ("log_loss", "squared_error", "absolute_error", "gamma", "poisson")],
        "quantile": [{"quantile": 0.9, "loss": "quantile"}],
        "learning_rate": [{"learning_rate": 0.5}],
        "max_iter": [{"max_iter": 3}],
        "max_leaf_nodes": [{"max_leaf_nodes": 4}, {"max_leaf_nodes": None}],
        "max_depth": [{"max_depth": 2}],
        "min_samples_leaf": [{"min_samples_leaf": 5}],
        "l2_regularization": [{"l2_regularization": 1.0}],
        "max_features": [{"max_features": 0.5}],
        "max_bins": [{"max_bins": 16}],
        "interaction_cst": [{"interaction_cst": "pairwise"}, {"interaction_cst": "no_interactions"}],
        "early_stopping": [{"early_stopping": True}, {"early_stopping": False}],
        "scoring": [{"scoring": None, "early_stopping": True}],
        "validation_fraction": [
            {"validation_fraction": 20, "early_stopping": True},
            {"validation_fraction": None, "early_stopping": True},
        ],
        "n_iter_no_change": [{"n_iter_no_change": 2}],
        "tol": [{"tol": 1e-3}],
        "class_weight": [{"class_weight": "balanced"}],
    },
    "sklearn.svm": {
        "C": [{"C": 2.0}],
        "kernel": [{"kernel": one} for one in ("linear", "poly", "sigmoid")],
        "degree": [{"degree": 2, "kernel": "poly"}],
        "gamma": [{"gamma": "auto"}, {"gamma": 0.1}],
        "coef0": [{"coef0": 1.0, "kernel": "poly"}],
        "shrinking": [{"shrinking": False}],
        "tol": [{"tol": 1e-2}],
        "cache_size": [{"cache_size": 50.0}],
        "max_iter": [{"max_iter": 1000}],
        "epsilon": [{"epsilon": 0.2}],
        "class_weight": [{"class_weight": {"a": 2.0, "b": 1.0}}],
        "calibration": [{"calibration": "isotonic"}],
        "calibration_folds": [{"calibration_folds": 3}],
    },
    "sklearn.naive_bayes": {
        "distribution": [{"distribution": one} for one in ("bernoulli", "multinomial", "complement")],
        "var_smoothing": [{"var_smoothing": 1e-6}],
        "alpha": [{"alpha": 0.5, "distribution": "multinomial"}],
        "fit_prior": [{"fit_prior": False, "distribution": "multinomial"}],
        "binarize": [{"binarize": 0.5, "distribution": "bernoulli"}],
        "norm": [{"norm": True, "distribution": "complement"}],
    },
    "sklearn.k_neighbors": {
        "n_neighbors": [{"n_neighbors": 3}],
        "weights": [{"weights": "distance"}],
        "algorithm": [{"algorithm": one} for one in ("ball_tree", "kd_tree", "brute")],
        "leaf_size": [{"leaf_size": 10}],
        "p": [{"p": 1.0}],
        "metric": [
            {"metric": one}
            for one in ("euclidean", "manhattan", "chebyshev", "canberra", "braycurtis", "hamming", "cosine", "correlation")
        ],
    },
    "sklearn.mlp": {
        "loss": [{"loss": "poisson"}],
        "hidden_layer_sizes": [{"hidden_layer_sizes": [4, 3]}],
        "activation": [{"activation": one} for one in ("identity", "logistic", "tanh")],
        "solver": [{"solver": "sgd"}, {"solver": "lbfgs"}],
        "alpha": [{"alpha": 0.1}],
        "batch_size": [{"batch_size": 16}],
        "learning_rate": [{"learning_rate": "adaptive", "solver": "sgd"}, {"learning_rate": "invscaling", "solver": "sgd"}],
        "learning_rate_init": [{"learning_rate_init": 0.01}],
        "power_t": [{"power_t": 0.4, "solver": "sgd", "learning_rate": "invscaling"}],
        "max_iter": [{"max_iter": 5}],
        "shuffle": [{"shuffle": False}],
        "tol": [{"tol": 1e-2}],
        "momentum": [{"momentum": 0.5, "solver": "sgd"}],
        "nesterovs_momentum": [{"nesterovs_momentum": False, "solver": "sgd"}],
        "early_stopping": [{"early_stopping": True}],
        "validation_fraction": [{"validation_fraction": 0.3, "early_stopping": True}],
        "beta_1": [{"beta_1": 0.8}],
        "beta_2": [{"beta_2": 0.9}],
        "epsilon": [{"epsilon": 1e-6}],
        "n_iter_no_change": [{"n_iter_no_change": 2}],
        "max_fun": [{"max_fun": 100, "solver": "lbfgs"}],
    },
    "sklearn.dummy": {
        "strategy": [{"strategy": one} for one in ("prior", "most_frequent", "stratified", "uniform", "mean", "median")],
        "constant": [{"constant": "a", "strategy": "constant"}, {"constant": 3.5, "strategy": "constant"}],
        "quantile": [{"quantile": 0.9, "strategy": "quantile"}],
    },
}
OTHER["xgboost"] = {
    "n_estimators": [{"n_estimators": 3}],
    "objective": [{"objective": one} for one in ("binary:logistic", "reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror",
                                                 "reg:gamma", "reg:tweedie", "count:poisson")],
    "quantile_alpha": [{"quantile_alpha": 0.9, "objective": "reg:quantileerror"}],
    "huber_slope": [{"huber_slope": 2.0, "objective": "reg:pseudohubererror"}],
    "tweedie_variance_power": [{"tweedie_variance_power": 1.2, "objective": "reg:tweedie"}],
    "learning_rate": [{"learning_rate": 0.1}],
    "max_depth": [{"max_depth": 2}, {"max_depth": None}],
    "max_leaves": [{"max_leaves": 4}, {"max_leaves": 4, "grow_policy": "lossguide", "max_depth": None}],
    "grow_policy": [{"grow_policy": "lossguide"}],
    "tree_method": [{"tree_method": "exact"}, {"tree_method": "approx"}],
    "max_bin": [{"max_bin": 16}, {"max_bin": 16, "tree_method": "approx"}],
    "min_child_weight": [{"min_child_weight": 0.0}],
    "gamma": [{"gamma": 0.5}],
    "max_delta_step": [{"max_delta_step": 1.0}],
    "subsample": [{"subsample": 0.5}],
    "colsample_bytree": [{"colsample_bytree": 0.5}],
    "colsample_bylevel": [{"colsample_bylevel": 0.5}, {"colsample_bylevel": 0.5, "tree_method": "exact"}],
    "colsample_bynode": [{"colsample_bynode": 0.5}],
    "reg_alpha": [{"reg_alpha": 1.0}],
    "reg_lambda": [{"reg_lambda": 0.0}],
    "scale_pos_weight": [{"scale_pos_weight": 3.0}],
    "num_parallel_tree": [{"num_parallel_tree": 3, "subsample": 0.5}],
    "class_weight": [{"class_weight": "balanced"}, {"class_weight": {"a": 2.0, "b": 1.0}}],
    "early_stopping_rounds": [{"early_stopping_rounds": 2}],
    "validation_fraction": [{"validation_fraction": 0.3, "early_stopping_rounds": 2}],
}  # fmt: skip
OTHER["lightgbm"] = {
    "n_estimators": [{"n_estimators": 3}],
    "objective": [{"objective": one} for one in ("binary", "regression", "regression_l1", "fair", "poisson", "mape", "gamma", "tweedie")],
    "alpha": [{"alpha": 0.8, "objective": "quantile"}, {"alpha": 2.0, "objective": "huber"}],
    "fair_c": [{"fair_c": 2.0, "objective": "fair"}],
    "tweedie_variance_power": [{"tweedie_variance_power": 1.2, "objective": "tweedie"}],
    "boosting_type": [{"boosting_type": "dart"}],
    "learning_rate": [{"learning_rate": 0.5}],
    "num_leaves": [{"num_leaves": 4}],
    "max_depth": [{"max_depth": 2}],
    "min_child_samples": [{"min_child_samples": 5}, {"min_child_samples": 0}],
    "min_child_weight": [{"min_child_weight": 1.0}],
    "min_split_gain": [{"min_split_gain": 0.1}],
    "max_bin": [{"max_bin": 16}],
    "subsample": [{"subsample": 0.5, "subsample_freq": 1}],
    "subsample_freq": [{"subsample": 0.5, "subsample_freq": 2}],
    "subsample_for_bin": [{"subsample_for_bin": 50}],
    "colsample_bytree": [{"colsample_bytree": 0.5}],
    "colsample_bynode": [{"colsample_bynode": 0.5}],
    "reg_alpha": [{"reg_alpha": 1.0}],
    "reg_lambda": [{"reg_lambda": 1.0}],
    "class_weight": [{"class_weight": "balanced"}, {"class_weight": {"a": 2.0, "b": 1.0}}],
    "early_stopping_rounds": [{"early_stopping_rounds": 2}],
    "validation_fraction": [{"validation_fraction": 0.3, "early_stopping_rounds": 2}],
}  # fmt: skip
OTHER["sklearn.extra_trees"] = {**OTHER["sklearn.random_forest"], "bootstrap": [{"bootstrap": True}]}
SMALL = {
    "sklearn.random_forest": {"n_estimators": 4},
    "sklearn.extra_trees": {"n_estimators": 4},
    "sklearn.hist_gradient_boosting": {"max_iter": 4},
    "sklearn.mlp": {"max_iter": 10},
    "lightgbm": {"n_estimators": 4},
    "xgboost": {"n_estimators": 4},
}


def rows() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    features = random.uniform(0.1, 3.0, size=(60, 4))
    signal = features[:, 0] + features[:, 1] * features[:, 2] + random.normal(scale=0.3, size=60)
    return features, {"classification": np.where(signal > np.median(signal), "a", "b"), "regression": np.abs(signal) + 0.1}


FEATURES, TARGETS = rows()


def fitted(family: Family, task: str) -> Any:
    estimator = family.estimator(task, 7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)  # a few iterations are enough to see that it runs
        estimator.fit(FEATURES, TARGETS[task])
        estimator.predict(FEATURES)
        if task == "classification":
            proba = estimator.predict_proba(FEATURES)
            assert proba.shape == (60, 2)
            np.testing.assert_allclose(proba.sum(axis=1), 1)
            assert [str(one) for one in estimator.classes_] == ["a", "b"]
    return estimator


KEPT = {"class_weight", "early_stopping_rounds", "validation_fraction"}
"""What the boosting families do themselves."""


def passed(kind: str, value: Any) -> Any:
    return 0 if kind == "xgboost" and value is None else value  # no limit


def inner(estimator: Any) -> Any:
    return estimator.estimator if isinstance(estimator, CalibratedClassifierCV) else estimator


def member(kind: str, params: dict[str, Any] | None = None) -> Family:
    found = kinds.load("mlspec.families", kind).model_validate({"kind": kind, "params": params or {}})
    assert isinstance(found, Family)
    return found


def pairs() -> Iterator[tuple[str, str]]:
    for kind in KINDS:
        yield from ((kind, task) for task in TASKS if task in member(kind).tasks)


def cases() -> Iterator[Any]:
    for kind in KINDS:
        for name, settings in OTHER[kind].items():
            yield from (pytest.param(kind, name, setting, id=f"{kind}-{name}-{index}") for index, setting in enumerate(settings))


@pytest.mark.parametrize(("kind", "task"), [one for one in pairs() if one[0] not in BOOSTED])
def test_defaults_fit_and_are_scikit_learns_own_but_for_the_ones_that_say_so(kind: str, task: str) -> None:
    estimator = inner(member(kind).estimator(task, 7))
    fitted(member(kind, SMALL.get(kind)), task)
    standard = {name: one.default for name, one in inspect.signature(type(estimator)).parameters.items()}
    differing = {
        name for name, value in estimator.get_params().items() if value != standard[name] and value is not standard[name]
    }
    told = {"sklearn.logistic_regression": {"max_iter"}, "sklearn.hist_gradient_boosting": {"categorical_features"}}
    assert differing - {"random_state", "n_jobs"} == told.get(kind, set())
    assert estimator.get_params().get("random_state", 7) == 7


def boosted(kind: str, task: str, **params: Any) -> Any:
    """The library's own estimator, as little told as may be."""
    quiet = {"lightgbm": {"verbosity": -1, "deterministic": True, "force_row_wise": True}}.get(kind, {})
    name = BOOSTED[kind] + ("Classifier" if task == "classification" else "Regressor")
    return getattr(import_module(kind), name)(random_state=7, n_jobs=1, **quiet, **params)


@pytest.mark.parametrize(("kind", "task"), [one for one in pairs() if one[0] in BOOSTED])
@pytest.mark.parametrize("params", [{}, {"max_depth": 3, "colsample_bytree": 0.5}])
def test_boosted_trees_are_those_that_the_library_grows_by_itself(kind: str, task: str, params: dict[str, Any]) -> None:
    ours = fitted(member(kind, params), task)
    theirs = boosted(kind, task, **params).fit(
        FEATURES, np.unique(TARGETS[task], return_inverse=True)[1] if task == "classification" else TARGETS[task]
    )
    if task == "classification":
        np.testing.assert_allclose(ours.predict_proba(FEATURES), theirs.predict_proba(FEATURES), rtol=1e-6)
        assert ours.predict(FEATURES).tolist() == ["ab"[one] for one in theirs.predict(FEATURES)]
    else:
        np.testing.assert_array_equal(ours.predict(FEATURES), theirs.predict(FEATURES))
    assert ours.n_iter_ == 100


@pytest.mark.parametrize(
    ("kind", "left_out", "more"),
    [
        # positions of features, other boosters and devices, and what the wrapper does itself
        ("xgboost", {"base_score", "booster", "callbacks", "device", "enable_categorical", "eval_metric", "feature_types", "feature_weights",
                     "importance_type", "interaction_constraints", "max_cat_threshold", "max_cat_to_onehot", "missing",
                     "monotone_constraints", "multi_strategy", "sampling_method", "validate_parameters", "verbosity"},
         {"class_weight", "huber_slope", "quantile_alpha", "tweedie_variance_power", "validation_fraction"}),
        ("lightgbm", {"importance_type"}, {"alpha", "colsample_bynode", "early_stopping_rounds", "fair_c", "max_bin",
                                           "tweedie_variance_power", "validation_fraction"}),
    ],
)  # fmt: skip
def test_every_parameter_of_a_boosting_library_is_there_or_left_out(kind: str, left_out: set[str], more: set[str]) -> None:
    theirs = set(boosted(kind, "classification").get_params()) & set(boosted(kind, "regression").get_params())
    ours = set(type(member(kind).params).model_fields)
    theirs -= {"deterministic", "force_row_wise", "verbosity"} if kind == "lightgbm" else set()
    assert theirs - ours == left_out | {"random_state", "n_jobs"}
    assert ours - theirs == more
    assert set(OTHER[kind]) == ours, "a parameter has no case"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in BOOSTED])
def test_every_parameter_of_scikit_learn_is_there_or_left_out_for_a_reason(kind: str) -> None:
    theirs: set[str] = set()
    variants = [{}, *OTHER[kind].get("distribution", [])]
    for task in member(kind).tasks:
        theirs |= {
            name for one in variants for name in inspect.signature(type(inner(member(kind, one).estimator(task, 7)))).parameters
        }
    ours = set(type(member(kind).params).model_fields)
    assert ours - OURS == theirs - SET_BY_THE_RUNTIME - LEFT_OUT.get(kind, set())
    assert set(OTHER[kind]) == ours, "a parameter has no case"


@pytest.mark.parametrize(("kind", "name", "setting"), list(cases()))
def test_each_parameter_reaches_the_estimator_and_fits(kind: str, name: str, setting: dict[str, Any]) -> None:
    family = member(kind, {**SMALL.get(kind, {}), **setting})
    assert getattr(family.params, name) != type(family.params).model_fields[name].get_default()
    fitting = [task for task in sorted(family.tasks) if family.refuses(task) is None]
    if setting.get("constant") == 3.5:
        fitting.remove("classification")  # no class of these rows is called that
    assert fitting, [family.refuses(task) for task in family.tasks]
    for task in fitting:
        estimator = fitted(family, task)
        if name in OURS:
            continue
        if kind in BOOSTED:
            assert (estimator.get_params() if name in KEPT else estimator.model_.get_params())[name] == passed(
                kind, setting[name]
            )
            continue
        if kind == "sklearn.svm" and name == "class_weight":
            assert inner(estimator).get_params()[name] == {"a": 2.0, "b": 1.0, 0: 2.0, 1: 1.0}  # see `families.calibrated`
            continue
        wanted = {"C": math.inf}.get(name) if setting[name] is None else setting[name]
        given = inner(estimator).get_params()[name]
        assert given == (tuple(wanted) if isinstance(wanted, list) else wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dump_through_json_makes_the_same_family(kind: str) -> None:
    family = member(kind)
    task = min(family.tasks)
    again = families.load(family.model_dump(mode="json"), task)
    assert again == family


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["alhpa", "random_state", "n_jobs", "verbose", "warm_start"])
def test_unknown_parameters_are_refused(kind: str, name: str) -> None:
    with pytest.raises(Problem, match=name) as caught:
        families.load({"kind": kind, "params": {name: 1}}, min(member(kind).tasks))
    assert caught.value.faults[0].route == ("model", "params", name)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "task", "params", "said"),
    [
        ("sklearn.linear_regression", "classification", {}, "not for classification"),
        ("sklearn.logistic_regression", "regression", {}, "not for regression"),
        ("sklearn.naive_bayes", "regression", {}, "not for regression"),
        ("sklearn.random_forest", "regression", {"criterion": "gini"}, "criterion: gini"),
        ("sklearn.random_forest", "classification", {"criterion": "poisson"}, "criterion: poisson"),
        ("sklearn.random_forest", "regression", {"class_weight": "balanced"}, "class_weight"),
        ("sklearn.random_forest", "regression", {"bootstrap": False, "max_samples": 0.5}, "max_samples"),
        ("sklearn.hist_gradient_boosting", "classification", {"loss": "poisson"}, "loss: poisson"),
        ("sklearn.hist_gradient_boosting", "regression", {"loss": "quantile"}, "go together"),
        ("sklearn.logistic_regression", "classification", {"l1_ratio": 0.5}, "saga"),
        ("sklearn.logistic_regression", "classification", {"dual": True}, "liblinear"),
        ("sklearn.logistic_regression", "classification", {"C": None, "solver": "liblinear"}, "penalty"),
        ("sklearn.ridge", "regression", {"solver": "lbfgs"}, "positive"),
        ("sklearn.ridge", "regression", {"calibration_folds": 3}, "calibration_folds"),
        ("sklearn.svm", "classification", {"epsilon": 0.5}, "epsilon"),
        ("sklearn.mlp", "regression", {"solver": "lbfgs", "early_stopping": True}, "early stopping"),
        ("sklearn.mlp", "classification", {"loss": "poisson"}, "loss"),
        ("sklearn.k_neighbors", "classification", {"algorithm": "kd_tree", "metric": "cosine"}, "cosine"),
        ("sklearn.naive_bayes", "classification", {"alpha": 0.5}, "gaussian"),
        ("sklearn.dummy", "regression", {"strategy": "prior"}, "strategy: prior"),
        ("sklearn.dummy", "classification", {"strategy": "constant"}, "go together"),
        ("sklearn.dummy", "regression", {"strategy": "constant", "constant": "a"}, "not a number"),
        ("xgboost", "regression", {"objective": "binary:logistic"}, "objective: binary:logistic"),
        ("xgboost", "classification", {"objective": "reg:gamma"}, "objective: reg:gamma"),
        ("xgboost", "regression", {"class_weight": "balanced"}, "class_weight"),
        ("xgboost", "regression", {"scale_pos_weight": 2.0}, "scale_pos_weight"),
        ("xgboost", "classification", {"scale_pos_weight": 2.0, "class_weight": "balanced"}, "both weigh"),
        ("xgboost", "classification", {"quantile_alpha": 0.9}, "quantile_alpha"),
        ("xgboost", "regression", {"quantile_alpha": 0.9}, "is read with `objective: reg:quantileerror`"),
        ("xgboost", "regression", {"objective": "reg:quantileerror"}, "needs `quantile_alpha`"),
        ("xgboost", "regression", {"huber_slope": 2.0}, "huber_slope"),
        ("xgboost", "regression", {"tweedie_variance_power": 1.2}, "tweedie_variance_power"),
        ("xgboost", "regression", {"validation_fraction": 0.2}, "early_stopping_rounds"),
        ("xgboost", "regression", {"tree_method": "exact", "max_depth": None}, "needs a `max_depth`"),
        ("xgboost", "regression", {"tree_method": "exact", "max_leaves": 8}, "max_leaves"),
        ("xgboost", "regression", {"tree_method": "exact", "grow_policy": "lossguide"}, "grow_policy"),
        ("xgboost", "regression", {"tree_method": "exact", "max_bin": 64}, "max_bin"),
        ("xgboost", "regression", {"tree_method": "exact", "colsample_bynode": 0.5}, "colsample_bynode"),
        ("lightgbm", "regression", {"objective": "binary"}, "objective: binary"),
        ("lightgbm", "classification", {"objective": "huber", "alpha": 0.9}, "alpha"),
        ("lightgbm", "regression", {"objective": "huber"}, "needs `alpha`"),
        ("lightgbm", "regression", {"objective": "quantile", "alpha": 1.5}, "below 1"),
        ("lightgbm", "regression", {"alpha": 0.9}, "`objective: huber` or `objective: quantile`"),
        ("lightgbm", "regression", {"fair_c": 2.0}, "fair_c"),
        ("lightgbm", "regression", {"subsample": 0.8}, "without `subsample_freq`"),
        ("lightgbm", "regression", {"subsample_freq": 1}, "without `subsample`"),
        ("lightgbm", "regression", {"boosting_type": "dart", "early_stopping_rounds": 5}, "cannot stop early"),
        ("lightgbm", "regression", {"validation_fraction": 0.2}, "early_stopping_rounds"),
    ],
)
def test_what_does_not_fit_the_task_is_refused_before_anything_runs(
    kind: str, task: str, params: dict[str, Any], said: str
) -> None:
    family = member(kind, params)
    assert said in str(family.refuses(task))
    with pytest.raises(Problem) as caught:
        families.load({"kind": kind, "params": params}, task)
    assert all(fault.route[0] == "model" for fault in caught.value.faults)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("sklearn.ridge", {"alpha": -1.0}),
        ("sklearn.ridge", {"alpha": "1"}),
        ("sklearn.ridge", {"fit_intercept": 1}),
        ("sklearn.svm", {"C": 0.0}),
        ("sklearn.svm", {"C": math.inf}),
        ("sklearn.random_forest", {"n_estimators": 0}),
        ("sklearn.random_forest", {"n_estimators": 2.5}),
        ("sklearn.random_forest", {"n_estimators": True}),
        ("sklearn.random_forest", {"max_features": 1.5}),
        ("sklearn.hist_gradient_boosting", {"max_bins": 256}),
        ("sklearn.mlp", {"hidden_layer_sizes": [0]}),
        ("sklearn.mlp", {"momentum": 1.5}),
        ("xgboost", {"n_estimators": 0}),
        ("xgboost", {"learning_rate": 1.5}),
        ("xgboost", {"max_bin": 1}),
        ("xgboost", {"max_leaves": 1}),
        ("xgboost", {"objective": "reg:quantileerror", "quantile_alpha": 1.0}),
        ("xgboost", {"tree_method": "gpu_hist"}),
        ("lightgbm", {"num_leaves": 1}),
        ("lightgbm", {"num_leaves": 200_000}),
        ("lightgbm", {"max_depth": -1}),
        ("lightgbm", {"subsample": 0.0}),
        ("lightgbm", {"boosting_type": "rf"}),
        ("lightgbm", {"early_stopping_rounds": True}),
    ],
)
def test_values_out_of_scikit_learns_range_are_refused(kind: str, params: dict[str, Any]) -> None:
    with pytest.raises(Problem):
        families.load({"kind": kind, "params": params}, "classification")


def test_class_weights_are_keyed_by_text_whatever_yaml_read() -> None:
    family = member("sklearn.logistic_regression", {"class_weight": {0: 1.0, True: 2.0}})
    assert family.params.arguments("classification")["class_weight"] == {"0": 1.0, "true": 2.0}


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(Problem, match="sklearn\\.ridge"):
        families.load({"kind": "sklearn.lasso"}, "regression")


def test_the_same_seed_gives_the_same_probabilities() -> None:
    for kind in ("sklearn.svm", "sklearn.ridge", "sklearn.mlp", "sklearn.random_forest"):
        one, other = (fitted(member(kind, SMALL.get(kind)), "classification").predict_proba(FEATURES) for _ in range(2))
        np.testing.assert_array_equal(one, other)


CODE = """
from sklearn.linear_model import LogisticRegression, Ridge

def build(task, seed, *, strength=1.0):
    if strength < 0:
        raise ValueError("strength is negative")
    return LogisticRegression(C=strength, random_state=seed) if task == "classification" else Ridge(alpha=strength)

def without_probabilities(task, seed):
    return Ridge()
"""


@pytest.fixture
def own(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_family_for_test.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)


def custom(entrypoint: str, **params: Any) -> Family:
    dump = {"kind": "custom", "entrypoint": f"own_family_for_test:{entrypoint}", "params": params}
    return families.load(dump, "classification")


@pytest.mark.usefixtures("own")
def test_a_custom_family_is_built_by_the_users_function() -> None:
    family = custom("build", strength=0.25)
    assert family.needs().categories == "one_hot"
    assert fitted(family, "classification").get_params()["C"] == 0.25
    assert fitted(family, "regression").get_params()["alpha"] == 0.25


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("entrypoint", "params", "said"),
    [
        ("nothing_here", {}, "has no 'nothing_here'"),
        ("build", {"strength": -1.0}, "own_family_for_test.py:6: raise ValueError"),
        ("build", {"strnegth": 1.0}, "unexpected keyword argument"),
        ("without_probabilities", {}, "no predict_proba"),
    ],
)
def test_what_is_wrong_with_a_custom_family_is_said(entrypoint: str, params: dict[str, Any], said: str) -> None:
    with pytest.raises(Problem) as caught:
        custom(entrypoint, **params).estimator("classification", 7)
    assert said in str(caught.value)
    assert "mlspec/" not in str(caught.value)
