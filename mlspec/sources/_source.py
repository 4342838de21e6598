"""What every data source may say about itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlspec.fields import Later
from mlspec.kinds import Kind
from mlspec.quantity import Growth

Refresh = Literal["continuous", "hourly", "daily", "weekly", "monthly", "yearly", "never"]
WORDS = "it is checked and kept in the packaged spec; no rule or report uses it"


class Source(Kind):
    """Where data comes from. Description, origin and licence go with the model: the packaged spec holds them."""

    today = "a run stops at `ingest`, which cannot read it"

    description: str | None = Field(None, description="What the data is and how it was collected.")
    origin: Literal["internal", "public", "purchased", "crowdsourced", "synthetic"] | None = Field(
        None, description="The guide's type of source."
    )
    license: str | None = Field(None, description="The terms under which the data may be used.")
    refresh: Annotated[Refresh | None, Later(WORDS)] = Field(None, description="How often new data arrives.")
    growth: Annotated[Growth | None, Later(WORDS)] = Field(None, description="How fast the data grows.")
