"""The MLflow model registry."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.kinds import Kind
from mlspec.secret import Template


class Mlflow(Kind):
    """Versions of a model in MLflow's registry."""

    realised = False
    today = "versions are entered in the local registry folder instead"

    kind: Literal["mlflow"] = "mlflow"
    uri: Template | None = Field(None, description="The registry's server; without it MLflow's own environment variable counts.")
    name: str | None = Field(None, description="The model's name; without it the project's name.", min_length=1)


MEMBER = Mlflow
