"""What the answers of an exported model mean, and when they are its source's: for what writes exports, and what proves them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

EQUAL = 1e-6
"""Two probabilities of the source that differ by no more are equal: its sums in float64 have no more meaning than that."""

AGREEING = 0.99
"""The least share of labels that a model in fewer bits has to have in common with its source."""


def classes_of(scores: Array, about: Mapping[str, Any]) -> Array:
    """Return which class each row of scores (rows × classes) means, as its place in the metadata's `classes`.

    It is that of the largest score, or of two classes the `positive` one where its score is at least the `threshold`.
    """
    import numpy as np

    classes, positive, threshold = (about[name] for name in ("classes", "positive", "threshold"))
    found: Array = scores.argmax(axis=1)
    if threshold is not None and positive in classes:
        place = classes.index(positive)
        found = np.where(scores[:, place] >= threshold, place, 1 - place)
    return found
