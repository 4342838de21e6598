"""Fitted models as programs of tensor operations, preprocessing and all: a file for each sort of estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from math import prod
from pkgutil import iter_modules
from typing import Any

from mlspec.diagnostic import Finding, Problem, Route

HOLD_NO_ESTIMATORS = ("columns", "sounds", "tables")


@dataclass(frozen=True, slots=True)
class Input:
    """What the device feeds, in the order of the model's input: a raw column, or one that is computed from them.

    It is one number, NaN where it is missing, or all numbers of an array of a `shape`, the last axis first. `values` are the
    words of a category: the device feeds the place of a word in this list, or -1 for a word that is not in it. A truth value is 0
    or 1.
    """

    name: str
    type: str  # number, boolean, category, array
    values: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers it is."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Computed:
    """Inputs that the device computes before the model: a step of the spec's features that no runtime has operations for."""

    kind: str  # dates, custom, tfidf
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    how: Mapping[str, Any]
    route: Route = ()


@dataclass(frozen=True, slots=True)
class Lowered:
    """A model as a program, what to feed it, and what the device has to compute first."""

    program: Any  # a mlspec.tensor.program.Program
    inputs: tuple[Input, ...]
    computed: tuple[Computed, ...]
    classes: tuple[str, ...]


def lowered(model: Any) -> Lowered:
    """Return a fitted pipeline (steps "features" and "model") as a program that gives probabilities, or a prediction.

    Its input has a column for each number of `inputs`; its output one for each class, or one. Raises Problem for a model that has
    no such form, saying why.
    """
    from mlspec.lowering.columns import Columns

    estimator = model.named_steps["model"]
    columns = Columns(model.named_steps["features"])
    columns.program.output = handler(estimator)(columns, estimator)
    classes = getattr(estimator, "classes_", None)
    named = () if classes is None else tuple(str(one) for one in classes)
    return Lowered(columns.program, columns.inputs, columns.computed, named)


def handler(estimator: Any) -> Callable[[Any, Any], Any]:
    """Return what lowers an estimator: a function of the features (`Columns`) and the estimator that returns a value."""
    name = type(estimator).__name__
    for module in sorted(one.name for one in iter_modules(__path__)):
        if module not in HOLD_NO_ESTIMATORS:
            found: Callable[[Any, Any], Any] | None = import_module(f"{__name__}.{module}").ESTIMATORS.get(name)
            if found is not None:
                return found
    raise cannot(f"a {name} has no form in tensor operations", help_text="another family of models, or `kind: custom`")


def cannot(reason: str, route: Route = ("model", "kind"), help_text: str = "") -> Problem:
    """Return the problem that a model, or a part of it, cannot be exported."""
    return Problem(Finding("cannot-export", reason, route, help=help_text))
