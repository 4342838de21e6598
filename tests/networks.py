"""What the tests of PyTorch's networks and of Keras's have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mlspec.diagnostic import Problem
from mlspec.families import Family
from mlspec.runtime.featurizer import Featurizer

PLAIN = Featurizer()
"""Stands for one that has been fitted: features are there already, and are no array."""
PLAIN.shape_ = ()

WRONG: list[tuple[str, dict[str, Any], str, Any]] = [
    # the user's function, what else the spec says, what is said of it, where
    ("wrong_shape", {}, r"gives \(2, 11\) for 2 rows, and 10 numbers a row", ("model", "entrypoint")),
    ("breaks", {}, "no rows today", None),
    ("build", {"params": {"unit": 3}}, "unexpected keyword argument 'unit'", None),
    ("build", {"shape": [8, 9]}, "8 × 9 = 72", ("model", "shape")),
    ("nothing_here", {}, "has no 'nothing_here'", None),
]


def is_said(custom: Callable[..., Family], rows: tuple[Any, Any], name: str, more: dict[str, Any], said: str, route: Any) -> None:
    """A network that a function of the user's builds is wrong, and the Problem is of the user's lines, not of ours."""
    with pytest.raises(Problem, match=said) as caught:
        custom(name, **more).estimator("classification", 7).fit(*rows)
    assert "mlspec/" not in str(caught.value)
    if route:
        assert caught.value.faults[0].route == route  # type: ignore[union-attr]
