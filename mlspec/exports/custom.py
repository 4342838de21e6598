"""The user's own format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from mlspec.exports._export import Export
from mlspec.fields import ENTRYPOINT, Frozen, nothing


class Custom(Export):
    """A file that the user's own function writes."""

    kind: Literal["custom"] = "custom"
    entrypoint: Annotated[str, ENTRYPOINT] = Field(description="The function, as `package.module:name`.")
    params: Annotated[Mapping[str, Any], Frozen()] = Field(default_factory=nothing, description="Its further arguments.")


MEMBER = Custom
