"""Files with one JSON object a line."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.sources._source import Source


class JsonLines(Source):
    """A JSON Lines file: each line is an object, each key a column."""

    realised = False

    kind: Literal["json_lines"] = "json_lines"
    path: str = Field(description="The file, relative to the data root.", min_length=1)


MEMBER = JsonLines
