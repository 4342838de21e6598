"""A registry in a folder."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.kinds import Kind


class Local(Kind):
    """Versions of a model in a folder, chosen when a run starts (`registry_root`)."""

    kind: Literal["local"] = "local"
    name: str | None = Field(None, description="The model's name; without it the project's name.", min_length=1)


MEMBER = Local
