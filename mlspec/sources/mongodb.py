"""MongoDB."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.secret import Secret
from mlspec.sources._source import Source


class Mongodb(Source):
    """The documents of a MongoDB collection."""

    realised = False

    kind: Literal["mongodb"] = "mongodb"
    connection: Secret = Field(description="The connection string with its credentials, as a reference to a secret.")
    database: str = Field(description="The database.", min_length=1)
    collection: str = Field(description="The collection.", min_length=1)


MEMBER = Mongodb
