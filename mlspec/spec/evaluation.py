"""`evaluation`: how the model is judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_serializer, model_validator

from mlspec.fields import Frozen, Guide, Later, Many, Short, fault, nothing
from mlspec.kinds import Section, part
from mlspec.quantity import Percent
from mlspec.spec.text import Count, Entrypoint, Flag, Fraction, Identifier, NotNegative, Number, Text

if TYPE_CHECKING:
    from mlspec.spec.trials import Champion, Robustness, Stress
else:
    Champion, Robustness, Stress = (
        part("mlspec.spec.trials:Champion"),
        part("mlspec.spec.trials:Robustness"),
        part("mlspec.spec.trials:Stress"),
    )


class Slice(Section):
    """A part of the rows that is judged by itself: each value of a column, or the rows for which something holds."""

    column: Text | None = Field(None, description="A column: each of its values is a slice.")
    bins: tuple[Number, ...] | None = Field(None, description="Numbers: the ends of the slices.", min_length=2)
    name: Text | None = Field(None, description="What it is called.")
    where: Text | None = Field(None, description="The rows it is about, such as `tenure < 3`, instead of a column.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.column is None) == (self.where is None):
            raise fault(
                "contradiction", "a slice has either `column` or `where`", "write a column's name, or `{name: …, where: …}`"
            )
        if self.where is not None and self.bins is not None:
            raise fault("contradiction", "`bins` divide a column, not `where`", "write `column`, or leave `bins` out")
        if self.bins is not None and any(low >= high for low, high in zip(self.bins, self.bins[1:], strict=False)):
            raise fault("contradiction", "`bins` must rise", "write them from the smallest to the largest")
        return self

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, inner: Any) -> dict[str, Any]:
        return {name: value for name, value in inner(self).items() if value is not None}


class WorstSlice(Section):
    """How far the worst slice may fall behind the whole: a gate."""

    min_rows: Count = Field(50, description="Slices with fewer test rows do not count.")
    max_drop: Annotated[Percent, Guide("Key Metrics to Monitor: domain-specific")] = Field(
        Percent(0.1), description="How much lower the primary metric may be, as a share of the whole's."
    )


class Fairness(Section):
    """How far the model may treat groups of people differently: a gate."""

    sensitive: Annotated[tuple[Text, ...], Many(), Field(min_length=1)] = Field(description="The columns that name the groups.")
    metric: Literal["equalized_odds_difference", "demographic_parity_difference", "equal_opportunity_difference"] = Field(
        "equalized_odds_difference", description="How difference is measured (definitions as in Fairlearn)."
    )
    max: Fraction = Field(0.1, description="The largest difference.")


class Overfitting(Section):
    """How much better the model may be on rows it has seen: a gate."""

    max_gap: NotNegative = Field(0.05, description="The largest gap of the primary metric between train and dev.")


class CustomMetric(Section):
    """A metric of the user's own."""

    entrypoint: Entrypoint = Field(description="The function, as `package.module:name`.")
    greater_is_better: Flag = Field(True, description="Which direction is better.")


class Evaluation(Section):
    """How the model is judged."""

    metrics: Annotated[Mapping[Identifier, CustomMetric], Frozen()] = Field(
        default_factory=nothing, description="Metrics of your own by name."
    )
    slices: tuple[Annotated[Slice, Short("column")], ...] = Field(
        (), description="Parts of the rows that are judged by themselves: a column's name, or a mapping."
    )
    worst_slice: WorstSlice | None = Field(None, description="How far the worst slice may fall behind: a gate.")
    fairness: Fairness | None = Field(None, description="How far groups may be treated differently: a gate.")
    beat_baseline_by: NotNegative | None = Field(
        None, description="How much better than the baseline the primary metric must be: a gate."
    )
    champion: Annotated[Champion | None, Later("no comparison with the registered model is made")] = Field(
        None, description="The comparison with the model in use."
    )
    overfitting: Overfitting | None = Field(None, description="How much better the model may be on rows it has seen: a gate.")
    robustness: Annotated[Robustness | None, Later("inputs are not made worse")] = Field(
        None, description="How little worse inputs may cost."
    )
    stress: Annotated[Stress | None, Later("no load is put on the service")] = Field(
        None, description="The load test of the service."
    )
    explain: Annotated[
        Literal["permutation", "shap", "none"],
        Later("no explanation is made", only=("shap",)),
        Guide("Interpretability: feature importance"),
    ] = Field("permutation", description="How the importance of columns is measured.")
    threshold: Number = Field(
        0.5, gt=0, lt=1, description="Classification into two: the probability from which a row is called positive."
    )
    confidence: Number = Field(0.95, gt=0, lt=1, description="The confidence of all intervals.")
