"""Models of other libraries as estimators of scikit-learn, whose `BaseEstimator` must not be imported where a spec is read."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from mlspec.diagnostic import Finding, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    Array = np.ndarray[Any, Any]


def library(name: str, kind: str = "") -> Any:
    """Import the library of a family; raise Problem, which says how it is installed, where it cannot be."""
    try:
        return import_module(name)
    except (ImportError, OSError) as error:  # what it needs of the system may be missing, too
        gomp = "libgomp" in str(error)
        message = f"the kind {kind or name} needs the library {name}, which cannot be imported here: {error}"
        help_text = "apt-get install libgomp1, or what your system calls it" if gomp else f"pip install 'mlspec[{name}]'"
        raise Problem(Finding("missing-library", message, ("model", "kind"), help=help_text)) from None


class Estimator:
    """An estimator around a model of another library. A subclass has `get_params`, `set_params`, `fit` and `predict`."""

    kind: ClassVar[str] = "regressor"

    takes_missing: ClassVar[bool] = False
    """Whether NaN is a number to it like others."""

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type=self.kind,
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if self.kind == "classifier" else None,
            regressor_tags=RegressorTags() if self.kind == "regressor" else None,
            input_tags=InputTags(allow_nan=self.takes_missing),
        )


class Classifying:
    """What makes an estimator a classifier: classes are any labels, sorted; what it stands around sees 0, 1, 2 …"""

    kind: ClassVar[str] = "classifier"

    classes_: Array

    def predict(self, features: Array) -> Array:
        labels: Array = self.classes_[self.predict_proba(features).argmax(axis=1)]
        return labels

    def predict_proba(self, features: Array) -> Array:
        """Return a column a class, in the order of `classes_`; rows add up to 1 as float64 does, not as float32."""
        shares = self.shares(features)
        made: Array = shares / shares.sum(axis=1, keepdims=True)
        return made

    def shares(self, features: Array) -> Array:
        """Return the probabilities as what it stands around gives them."""
        raise NotImplementedError

    def coded(self, target: Array, weights: Mapping[str, float] | str | None) -> tuple[Array, Array | None]:
        """Note the classes of a target; return the number of each row's class, and its weight, where classes have some."""
        import numpy as np
        from sklearn.utils.class_weight import compute_sample_weight

        self.classes_, codes = np.unique(target, return_inverse=True)
        return codes, None if weights is None else compute_sample_weight(weights, target)
