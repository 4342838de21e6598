"""Any database that SQLAlchemy knows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.secret import Secret
from mlspec.sources._source import Source


class Sql(Source):
    """The rows that a query gives."""

    realised = False

    kind: Literal["sql"] = "sql"
    connection: Secret = Field(description="The database's address with its credentials, as a reference to a secret.")
    query: str = Field(description="The query whose rows are read.", min_length=1)


MEMBER = Sql
