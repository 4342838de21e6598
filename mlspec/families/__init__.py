"""Model families: one file a member, each giving the unfitted scikit-learn estimator of a task and what it needs of features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from mlspec import kinds
from mlspec.diagnostic import Finding, Problem, Route
from mlspec.kinds import Kind, Section

CLASSIFICATION, REGRESSION = "classification", "regression"
BOTH = frozenset({CLASSIFICATION, REGRESSION})

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Finite = float
Share = Annotated[float, Field(gt=0, le=1)]


def _keys_as_text(value: Any) -> Any:
    """Classes are text to the runtime; YAML may read `0` or `true` as a number or a truth value."""
    if not isinstance(value, Mapping):
        return value
    return {str(key).lower() if isinstance(key, bool) else str(key): weight for key, weight in value.items()}


ClassWeight = Annotated[dict[str, Positive], BeforeValidator(_keys_as_text)] | Literal["balanced"] | None


@dataclass(frozen=True, slots=True)
class Needs:
    """What a family asks of its features: the automatic end of the feature pipeline goes by this.

    `missing`: it takes NaN. `scale`: it works best with numbers on one scale. `categories`: "one_hot" columns, or "codes" that it
    treats as unordered by itself, of at most `max_categories` values. `places`: a feature is told by its place, as a pixel is, so
    that one which says nothing stays where it is.
    """

    missing: bool = False
    scale: bool = False
    categories: Literal["one_hot", "codes"] = "one_hot"
    max_categories: int = 255
    places: bool = False


class Params(Section):
    """Constructor parameters of an estimator, named as scikit-learn names them.

    The seed, parallelism, verbosity and warm starts are not among them: the runtime sets what reproducibility needs.
    """

    model_config = ConfigDict(strict=True)  # YAML says what is a number and what is text

    task_only: ClassVar[Mapping[str, str]] = {}
    """Parameters that only one task's estimator has."""

    task_values: ClassVar[Mapping[str, Mapping[str, frozenset[str]]]] = {}
    """Parameter -> task -> the words it takes there, for parameters whose choice depends on the task."""

    automatic: ClassVar[frozenset[str]] = frozenset()
    """Parameters whose value "auto" leaves the choice to scikit-learn's default for the task."""

    def arguments(self, task: str) -> dict[str, Any]:
        """Return the keyword arguments for the task's estimator."""
        return {name: value for name, value in self if self._applies(name, value, task)}

    def _applies(self, name: str, value: Any, task: str) -> bool:
        return self.task_only.get(name, task) == task and not (name in self.automatic and value == "auto")

    def findings(self, task: str) -> Iterator[Finding]:
        """Yield what a task's estimator would not take, at routes below the family; members add what joins two parameters."""
        for name, only in self.task_only.items():
            if only != task and getattr(self, name) != type(self).model_fields[name].get_default(call_default_factory=True):
                yield wrong(name, f"`{name}` is for {only}, not {task}")
        for name, choices in self.task_values.items():
            value = getattr(self, name)
            if isinstance(value, str) and value != "auto" and value not in choices[task]:
                known = ", ".join(sorted(choices[task])) or "auto"
                yield wrong(name, f"`{name}: {value}` is not for {task}", f"one of {known}")


def wrong(parameter: str, message: str, help_text: str = "") -> Finding:
    """Return a finding about one parameter of a family."""
    return Finding("parameter-does-not-fit", message, ("params", parameter), help=help_text)


class Family(Kind):
    """A family of models. A member narrows `params`, says which tasks it is for and builds the estimator."""

    tasks: ClassVar[frozenset[str]] = BOTH
    wants: ClassVar[Needs] = Needs()

    own: ClassVar[bool] = False
    """Whether a function of the user's builds its models: `params` are what that function takes, and it may be anything."""

    distributions: ClassVar[tuple[str, ...]] = ()
    """The library of its models where that is not scikit-learn: the distributions that bring it, of which one is installed."""

    below: ClassVar[tuple[str, ...]] = ()
    """Distributions that this library does not bring itself, and computes with."""

    params: Params = Field(default_factory=Params)

    def needs(self) -> Needs:
        """Return what this member asks of its features."""
        return self.wants

    def estimator(self, task: str, seed: int) -> Any:
        """Return the unfitted estimator: it fits a float64 matrix, and gives `predict_proba` where the task is classification."""
        raise NotImplementedError

    def instruct(self, estimator: Any, training: Mapping[str, Any], states: Any) -> None:
        """Tell an unfitted estimator what the spec's `training` asks for, where a family is trained in rounds of ours.

        `states` (a `mlspec.runtime.checkpoints.States`, or None) is where it keeps states to go on from after a break.
        """

    def inform(self, estimator: Any, featurizer: Any) -> None:
        """Tell an unfitted estimator which features there are (`Featurizer`); raise Problem where one is lacking."""

    def settle(self, estimator: Any) -> None:
        """Remove from a fitted estimator what the machine left in it, so that its bytes depend on rows and parameters alone."""

    def findings(self, task: str, route: Route = ()) -> list[Finding]:
        """Return every reason why this cannot be fitted for a task, each at its route below `route`."""
        if task not in self.tasks:
            message = f"{self.kind} is not for {task}"
            return [
                Finding("family-not-for-task", message, (*route, "kind"), help=f"it is for {' and '.join(sorted(self.tasks))}")
            ]
        return [Finding(one.code, one.message, (*route, *one.route), help=one.help) for one in self.params.findings(task)]

    def refuses(self, task: str) -> str | None:
        """Return the first reason why this cannot be fitted for a task, or None."""
        return next((finding.message for finding in self.findings(task)), None)


def load(dump: Mapping[str, Any], task: str, route: Route = ("model",)) -> Family:
    """Return the family that plain JSON describes; raise Problem for one that is unknown, wrong, or not for the task."""
    try:
        member = kinds.load(__name__, str(dump.get("kind")))
    except KeyError:
        message = f"there is no model kind {dump.get('kind')!r}"
        raise Problem(Finding("unknown-kind", message, route, help=f"one of {', '.join(kinds.names(__name__))}")) from None
    try:
        family = member.model_validate(dict(dump))
    except ValidationError as error:
        raise Problem(*(_finding(one, route) for one in error.errors(include_url=False))) from None
    assert isinstance(family, Family), member
    faults = family.findings(task, route)
    if faults:
        raise Problem(*faults)
    return family


def _finding(error: Any, route: Route) -> Finding:
    code = "unknown-key" if error["type"] == "extra_forbidden" else "bad-value"
    return Finding(code, error["msg"], (*route, *error["loc"]))


def calibrated(estimator: Any, method: str, folds: int) -> Any:
    """Give a classifier without probabilities calibrated ones (Platt 1999, or isotonic), from folds of the training rows.

    This is what scikit-learn puts in the place of `SVC(probability=True)`; the folds are stratified and not shuffled, so the
    result depends on the rows alone. Weights by class must name every class.
    """
    from sklearn.calibration import CalibratedClassifierCV

    weights = estimator.class_weight
    if isinstance(weights, dict):
        # The folds see classes as numbers in sorted order (`cross_val_predict` encodes them), the last fit sees their labels.
        estimator.set_params(class_weight={**weights, **{code: weights[label] for code, label in enumerate(sorted(weights))}})
    return CalibratedClassifierCV(estimator, method=method, cv=folds, ensemble=False)
