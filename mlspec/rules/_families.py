"""What rules know of model families besides their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlspec.families import Family

HISTOGRAMS = "sklearn.hist_gradient_boosting"
BOOSTING = frozenset({HISTOGRAMS, "lightgbm", "xgboost"})
FORESTS = frozenset({"sklearn.random_forest", "sklearn.extra_trees"})
TREES = BOOSTING | FORESTS

DEEP = frozenset(f"{library}.{name}" for library in ("keras", "torch") for name in ("cnn", "mlp", "rnn", "transformer"))
"""Networks of ours that Keras or PyTorch trains; `keras.custom` and `torch.custom` are the user's."""
NETWORKS = DEEP | {"sklearn.mlp", "keras.custom", "torch.custom"}

ROUNDS = {
    HISTOGRAMS: "max_iter",
    "lightgbm": "n_estimators",
    "sklearn.mlp": "max_iter",
    "xgboost": "n_estimators",
    **dict.fromkeys(sorted(DEEP), "epochs"),
}
"""Families that are fitted in rounds that can be stopped early, and the parameter that counts them."""

LEAST_IN_A_LEAF = {**dict.fromkeys((HISTOGRAMS, *FORESTS), "min_samples_leaf"), "lightgbm": "min_child_samples"}
"""Families of trees whose leaves hold so many rows at the least, by a parameter of this name."""


def classical(family: Family | None) -> bool:
    """Whether a model is one of ours: they are fitted from nothing, on processors, and answer on processors."""
    return family is not None and (family.kind.startswith("sklearn.") or family.kind in BOOSTING)
