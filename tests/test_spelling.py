"""What somebody meant who wrote a word that is not known."""

from __future__ import annotations

from typing import Literal, get_args, get_origin

import pytest

from mlspec import kinds, metrics
from mlspec.kinds import Among
from mlspec.spec.shape import choices, element, fields, place
from mlspec.spelling import SYNONYMS, close, distance, guess

FAMILIES = kinds.names("mlspec.families")


def fields_of(kind: str) -> list[str]:
    return list(kinds.load("mlspec.families", kind).model_fields["params"].annotation.model_fields)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("word", "words", "meant"),
    [
        ("lr", ["max_iter", "learning_rate"], "learning_rate"),
        ("lr", FAMILIES, "sklearn.logistic_regression"),
        ("xgb", FAMILIES, "xgboost"),
        ("XGBRegressor", FAMILIES, "xgboost"),
        ("XGBoost", FAMILIES, "xgboost"),
        ("lgbm", FAMILIES, "lightgbm"),
        ("catboost", FAMILIES, "sklearn.hist_gradient_boosting"),
        ("eta", fields_of("xgboost"), "learning_rate"),
        ("num_boost_round", fields_of("xgboost"), "n_estimators"),
        ("lambda", fields_of("xgboost"), "reg_lambda"),
        ("num_leaves", fields_of("xgboost"), "max_leaves"),
        ("bagging_fraction", fields_of("lightgbm"), "subsample"),
        ("feature_fraction", fields_of("lightgbm"), "colsample_bytree"),
        ("min_data_in_leaf", fields_of("lightgbm"), "min_child_samples"),
        ("early_stopping", fields_of("lightgbm"), "early_stopping_rounds"),
        ("RandomForestClassifier", FAMILIES, "sklearn.random_forest"),
        ("ridge", FAMILIES, "sklearn.ridge"),
        ("sklearn.logistic", FAMILIES, "sklearn.logistic_regression"),
        ("tflite-runtime", kinds.names("mlspec.exports"), "tflite"),
        ("cv", ["cross_validation", "seed"], "cross_validation"),
        ("postgres", kinds.names("mlspec.sources"), "postgresql"),
        ("one-hot", kinds.names("mlspec.transforms"), "encode"),
        ("ROC-AUC", list(metrics.CATALOGUE), "roc_auc"),
        ("splti", ["split", "splits", "spots"], "split"),
        ("emdian", ["mean", "median"], "median"),
        ("blueGreen", ["blue_green", "canary"], "blue_green"),
        ("zebra", ["min", "max", "mean"], None),
        ("", ["min"], None),
        ("___", ["min"], None),
        ("é" * 400, FAMILIES, None),
        ("word", [], None),
    ],
)
def test_what_is_meant(word: str, words: list[str], meant: str | None) -> None:
    found = guess(word, words)
    assert (found.word if found else None) == meant


def test_how_sure_it_is() -> None:
    assert guess("Learning-Rate", ["learning_rate"]) == ("learning_rate", True, True)
    assert guess("learnig_rate", ["learning_rate", "max_iter"]) == ("learning_rate", True, False)
    either = guess("mix", ["min", "max"])
    assert either is not None
    assert not either.sure, "one letter from both"


@pytest.mark.parametrize(
    ("word", "words", "meant"),
    [
        ("tenur", ["tenure", "Churn"], "tenure"),
        ("churn", ["Churn"], "Churn"),
        ("age2", ["age1", "age3"], None),
        ("x", ["y", "z"], None),
        ("pH", ["pg"], None),
        ("monthly", ["MonthlyCharges"], None),
        ("net_income", ["gross_income"], None),
    ],
)
def test_a_slip_is_told_from_another_name(word: str, words: list[str], meant: str | None) -> None:
    found = close(word, words)
    assert (found.word if found else None) == meant


def test_distance_is_that_of_a_typist() -> None:
    assert (
        distance("spilts", "splits") < distance("splots", "splits") < distance("splats", "splits") < distance("sports", "splits")
    )
    assert distance("patience", "patience") == 0
    assert distance("commmit", "commit") < distance("comxmit", "commit")
    assert 0 < distance("Kind", "kind") < 0.1


def test_each_synonym_leads_to_a_word_of_the_language() -> None:
    from mlspec.spec.project import Project

    words = set(metrics.CATALOGUE)
    waiting, seen = [place(field) for field in fields(Project).values()], set()
    words |= fields(Project).keys()
    from mlspec.spec.shape import models

    while waiting:
        where = waiting.pop()
        for one in choices(where):
            words |= set(map(str, get_args(one.annotation))) if get_origin(one.annotation) is Literal else set()
            union = one.marker(Among)
            words |= set(union.names()) if union else set()
        for model in models(where):
            if model not in seen:
                seen.add(model)
                words |= fields(model).keys()
                waiting += [place(field) for field in fields(model).values()]
        waiting += [inner] if (inner := element(where)) is not None else []
    unknown = {name for names in SYNONYMS.values() for name in names} - words
    assert not unknown
