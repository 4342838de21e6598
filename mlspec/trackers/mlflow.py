"""MLflow."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.kinds import Kind
from mlspec.secret import Template


class Mlflow(Kind):
    """Runs, parameters, metrics and artifacts in an MLflow server."""

    realised = False
    today = "runs are kept on this machine only"

    kind: Literal["mlflow"] = "mlflow"
    uri: Template | None = Field(None, description="The tracking server; without it MLflow's own environment variable counts.")
    experiment: str | None = Field(None, description="The experiment; without it the project's name.")


MEMBER = Mlflow
