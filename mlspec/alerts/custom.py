"""The user's own channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from mlspec.alerts._alert import Alert
from mlspec.fields import ENTRYPOINT, Frozen, nothing


class Custom(Alert):
    """A call of the user's own function with the alert."""

    kind: Literal["custom"] = "custom"
    entrypoint: Annotated[str, ENTRYPOINT] = Field(description="The function, as `package.module:name`.")
    params: Annotated[Mapping[str, Any], Frozen()] = Field(default_factory=nothing, description="Its further arguments.")


MEMBER = Custom
