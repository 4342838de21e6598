"""Parts of `data` about people and keeping: labels, privacy, volume, collection, storage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlspec.fields import Guide
from mlspec.kinds import Section
from mlspec.quantity import Bytes, Duration
from mlspec.spec.text import Count, Number, Text


class Agreement(Section):
    """How far annotators agree."""

    metric: Literal["cohen_kappa", "fleiss_kappa", "krippendorff_alpha", "percent"] = Field(
        "cohen_kappa", description="How agreement is measured."
    )
    min: Number = Field(0.7, ge=-1, le=1, description="The least agreement.")


class HumanLevel(Section):
    """How well people do the task: the guide's ceiling."""

    metric: Text = Field(description="The metric.")
    value: Number = Field(description="What people reach.")
    method: Text | None = Field(None, description="How that was measured.")
    rows: Count | None = Field(None, description="On how many rows.")


class Labels(Section):
    """How labels came to be."""

    annotators: Count | None = Field(None, description="How many people label each row.")
    agreement: Agreement | None = Field(None, description="How far they must agree.")
    adjudication: Literal["majority", "expert", "discussion"] | None = Field(None, description="Who decides where they do not.")
    guidelines: Text | None = Field(None, description="Where the instructions are.")
    audit: Duration | None = Field(None, description="How often labels are audited.")
    human_level: HumanLevel | None = Field(None, description="How well people do the task.")
    delay: Duration | None = Field(None, description="How long after a prediction its truth is known.")


class Privacy(Section):
    """How long data is kept and why it may be used."""

    retention: Duration | None = Field(None, description="How long rows are kept.")
    lawful_basis: (
        Literal["consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests"] | None
    ) = Field(None, description="Article 6 GDPR: why it may be used.")
    mask: Literal["none", "hash", "drop"] = Field("none", description="What is done with personal columns before training.")


class Volume(Section):
    """How much data is expected."""

    rows: Count | None = Field(None, description="Rows.")
    size: Bytes | None = Field(None, description="Bytes.")


class Collection(Section):
    """How data is collected."""

    pilot: Annotated[Duration | None, Guide("Collection Strategy: start small, 2-7 days")] = Field(
        None, description="How long the first, small collection takes."
    )
    max_growth: Annotated[Number, Guide("Collection Strategy: at most 10x per iteration")] = Field(
        10.0, gt=0, description="How many times more data an iteration may bring."
    )


class Backup(Section):
    """What may be lost, and how fast it must be back."""

    recovery_point: Duration | None = Field(None, description="How much time's worth of data may be lost.")
    recovery_time: Duration | None = Field(None, description="How soon it must be back.")


class Storage(Section):
    """Where processed data is kept."""

    kind: Literal["local", "cloud", "warehouse", "lake"] = Field("local", description="The guide's storage type.")
    format: Annotated[Literal["parquet", "csv", "json", "hdf5"], Guide("File Formats: Parquet for large tabular data")] = Field(
        "parquet", description="How tables are written."
    )
    url: Text | None = Field(None, description="Where it is.")
    backup: Backup | None = Field(None, description="What may be lost.")
