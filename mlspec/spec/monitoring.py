"""`monitoring`: what is watched when the model is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from mlspec.fields import Guide, Many
from mlspec.kinds import Kind, OneOf, Section
from mlspec.quantity import Duration, Percent
from mlspec.spec.text import Count, NotNegative, Number, Text

if TYPE_CHECKING:
    Alert = Kind
else:
    Alert = Annotated[Any, OneOf("mlspec.alerts")]


class System(Section):
    """How busy the machines may be. Latency and errors come from `requirements.service`."""

    cpu: Annotated[Percent, Guide("Performance Monitoring: below 80 % CPU and memory")] = Field(
        Percent(0.8), description="The highest use of processors."
    )
    memory: Annotated[Percent, Guide("Performance Monitoring: below 80 % CPU and memory")] = Field(
        Percent(0.8), description="The highest use of memory."
    )


class DataDrift(Section):
    """Whether inputs still look like those of training."""

    tests: Annotated[
        tuple[Literal["ks", "psi", "chi2", "wasserstein"], ...],
        Many(),
        Field(min_length=1),
        Guide("Data Drift Detection: KS and PSI"),
    ] = Field(("ks", "psi"), description="How distributions are compared.")
    psi: Annotated[NotNegative, Guide("Data Drift Detection: PSI > 0.1")] = Field(
        0.1, description="The population stability index that is drift."
    )
    p_value: Annotated[Number, Guide("Data Drift Detection: p < 0.05")] = Field(
        0.05, gt=0, lt=1, description="The p-value below which there is drift."
    )
    correction: Literal["none", "bonferroni", "holm", "benjamini_hochberg"] = Field(
        "holm",
        description="What is done about testing many columns: without it 30 stable ones alarm in three windows of four.",
    )
    window: Duration = Field(Duration(86_400), description="The time whose rows are compared.")
    min_rows: Count = Field(
        1000, description="The fewest rows: with 200 rows PSI exceeds 0.1 without any drift in 38 % of windows."
    )
    columns: Annotated[tuple[Text, ...], Many()] = Field((), description="The columns; without it, every feature.")


class ConceptDrift(Section):
    """Whether the model still fits what it predicts."""

    metric: Text | None = Field(None, description="The metric; without it the primary one.")
    max_drop: Annotated[Percent, Guide("Key Metrics to Monitor: a drop above 5 % triggers an alert")] = Field(
        Percent(0.05), description="How much of it may be lost."
    )
    detector: Literal["threshold", "page_hinkley", "adwin", "ddm"] = Field("threshold", description="How a change is found.")
    expected: tuple[Literal["sudden", "gradual", "recurring", "incremental"], ...] = Field(
        (), description="The guide's patterns that are expected."
    )
    proxy: Text | None = Field(None, description="What is watched until the truth is known.")


class LabelDrift(Section):
    """Whether predictions and labels are still distributed as in training."""

    test: Literal["chi2", "psi"] = Field("chi2", description="How distributions are compared.")


class DataQuality(Section):
    """Whether inputs are still what the schema says."""

    max_anomalies: Annotated[Percent, Guide("Key Metrics to Monitor: above a 10 % anomaly rate")] = Field(
        Percent(0.1), description="The share of rows that may break the schema."
    )


class Business(Section):
    """Whether the business targets are met."""

    cadence: Annotated[Literal["daily", "weekly", "monthly"], Guide("Monitoring Levels: business metrics daily or weekly")] = (
        Field("weekly", description="How often.")
    )


class Monitoring(Section):
    """What is watched when the model is in use."""

    system: System | None = Field(None, description="Machines.")
    data_drift: DataDrift | None = Field(None, description="Inputs.")
    concept_drift: ConceptDrift | None = Field(None, description="What the model has learnt.")
    label_drift: LabelDrift | None = Field(None, description="Predictions and labels.")
    data_quality: DataQuality | None = Field(None, description="The schema.")
    business: Business | None = Field(None, description="The business targets.")
    alerts: tuple[Alert, ...] = Field((), description="Where alerts go.")
    dashboards: Literal["none", "grafana"] = Field("grafana", description="What is drawn.")
    logs: Literal["json", "elk", "splunk"] = Field("json", description="How requests are logged.")
