"""Objects in cloud storage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlspec.fields import Pattern
from mlspec.secret import Secret
from mlspec.sources._source import Source

URL = Pattern(
    r"(?:s3|gs|az|abfs|abfss|https)://[^\s@]+", "an address of an object without credentials", "s3://bucket/orders.parquet"
)


class Blob(Source):
    """One object, or all that match a pattern, in S3, Google Cloud Storage, Azure Blob Storage or behind HTTPS."""

    realised = False

    kind: Literal["blob"] = "blob"
    url: Annotated[str, URL] = Field(description="The address; `*` stands for any text in the last part.")
    format: Literal["csv", "parquet", "json_lines"] = Field("parquet", description="How the objects are written.")
    credentials: Secret | None = Field(None, description="The credentials, where the machine has none of its own.")


MEMBER = Blob
