"""XGBoost and LightGBM: their trees as arrays, read from what the libraries tell of themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mlspec.lowering import cannot
from mlspec.lowering.columns import Columns
from mlspec.lowering.ensembles import Double, Single, summed
from mlspec.lowering.linear import probabilities
from mlspec.tensor.program import Value
from mlspec.tensor.trees import Tree

EXPONENTIAL = ("count:poisson", "reg:gamma", "reg:tweedie", "poisson", "gamma", "tweedie")
"""Objectives whose trees add up to a logarithm."""


def boosted(columns: Columns, estimator: Any) -> Value:
    """The sum of the trees, on what the library starts from."""
    read = {"xgboost": _xgboost, "lightgbm": _lightgbm}.get(type(estimator.model_).__module__.partition(".")[0])
    if read is None:
        raise cannot(f"a {type(estimator.model_).__name__} has no form in tensor operations")
    trees, start, objective, seen_as = read(estimator.model_)
    margins = columns.program.add("add", summed(columns, trees, len(start), seen_as), columns.program.row(start))
    if hasattr(estimator, "classes_"):
        return probabilities(columns.program, margins)
    if objective in EXPONENTIAL:
        return columns.program.add("exp", margins)
    return margins


def _xgboost(model: Any) -> tuple[list[Tree], np.ndarray[Any, Any], str, Any]:
    """XGBoost sees numbers as float32 and goes left where they are less; classes take turns, a tree each."""
    booster = model.get_booster()
    learner = json.loads(booster.save_config())["learner"]
    settings = learner["learner_model_param"]
    outputs = max(1, int(settings["num_class"]))
    start = np.atleast_1d(np.asarray(json.loads(settings["base_score"]), dtype=np.float64))
    objective = str(learner["objective"]["name"])
    if objective.startswith("binary:") or objective == "reg:logistic":
        start = np.log(start / (1 - start))
    elif objective in EXPONENTIAL:
        start = np.log(start)
    dumped = booster.get_dump(dump_format="json")
    return [_of_xgboost(json.loads(one)) for one in dumped], np.broadcast_to(start, (outputs,)).copy(), objective, Single


def _of_xgboost(root: Mapping[str, Any]) -> Tree:
    nodes = sorted(_below(root), key=lambda one: int(one["nodeid"]))
    place = {int(one["nodeid"]): index for index, one in enumerate(nodes)}
    count = len(nodes)
    feature, threshold, value = np.zeros(count, dtype=np.int64), np.zeros(count), np.zeros(count)
    left, right, missing = np.full(count, -1), np.full(count, -1), np.zeros(count, dtype=bool)
    for index, one in enumerate(nodes):
        if "leaf" in one:
            value[index] = one["leaf"]
            continue
        feature[index] = int(str(one["split"]).lstrip("f"))
        # less than a float32 is at most the float32 below it
        threshold[index] = np.nextafter(np.float32(one["split_condition"]), np.float32(-np.inf))
        left[index], right[index] = place[int(one["yes"])], place[int(one["no"])]
        missing[index] = one["missing"] == one["yes"]
    return Tree(feature, threshold, left, right, missing, value)


def _below(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += one.get("children", [])


def _lightgbm(model: Any) -> tuple[list[Tree], np.ndarray[Any, Any], str, Any]:
    """LightGBM compares in float64 and goes left where a number is at most the threshold; classes take turns, a tree each."""
    booster = model.booster_
    told = booster.dump_model(num_iteration=booster.best_iteration if booster.best_iteration > 0 else None)
    objective = str(told.get("objective", "")).split(" ")[0]
    if "sqrt" in str(told.get("objective", "")).split(" ")[1:]:
        raise cannot("LightGBM's reg_sqrt has no form in tensor operations", ("model", "params", "reg_sqrt"))
    trees = [_of_lightgbm(one["tree_structure"]) for one in told["tree_info"]]
    return trees, np.zeros(int(told["num_tree_per_iteration"])), objective, Double


def _of_lightgbm(root: Mapping[str, Any]) -> Tree:
    feature: list[int] = []
    threshold: list[float] = []
    left: list[int] = []
    right: list[int] = []
    missing: list[bool] = []
    value: list[float] = []
    waiting: list[tuple[Mapping[str, Any], int, list[int]]] = [(root, 0, [])]
    while waiting:
        node, parent, side = waiting.pop()
        here = len(feature)
        if side:
            side[parent] = here
        leaf = "leaf_value" in node
        if not leaf and node["decision_type"] != "<=":
            raise cannot(f"LightGBM's split by `{node['decision_type']}` has no form in tensor operations")
        feature.append(0 if leaf else int(node["split_feature"]))
        threshold.append(0.0 if leaf else float(node["threshold"]))
        # without a type for missing values LightGBM takes NaN for 0
        kind = "" if leaf else node.get("missing_type", "None")
        missing.append(False if leaf else bool(node["default_left"]) if kind != "None" else node["threshold"] >= 0)
        value.append(float(node["leaf_value"]) if leaf else 0.0)
        left.append(-1)
        right.append(-1)
        if not leaf:
            waiting += [(node["right_child"], here, right), (node["left_child"], here, left)]
    return Tree(np.array(feature), np.array(threshold), np.array(left), np.array(right), np.array(missing), np.array(value))


ESTIMATORS = {
    "XGBoostClassifier": boosted,
    "XGBoostRegressor": boosted,
    "LightGBMClassifier": boosted,
    "LightGBMRegressor": boosted,
}
