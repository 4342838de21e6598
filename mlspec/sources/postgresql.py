"""PostgreSQL."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.secret import Secret
from mlspec.sources._source import Source


class Postgresql(Source):
    """The rows that a query to a PostgreSQL database gives."""

    realised = False

    kind: Literal["postgresql"] = "postgresql"
    connection: Secret = Field(description="The connection string with its credentials, as a reference to a secret.")
    query: str = Field(description="The query whose rows are read.", min_length=1)


MEMBER = Postgresql
