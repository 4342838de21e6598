"""TensorBoard."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.kinds import Kind


class Tensorboard(Kind):
    """Event files for TensorBoard."""

    realised = False
    today = "runs are kept on this machine only"

    kind: Literal["tensorboard"] = "tensorboard"
    path: str = Field("tensorboard", description="The folder of the event files, in the workspace.", min_length=1)


MEMBER = Tensorboard
