"""`steps`: the user's own steps and where they stand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictInt

from mlspec.fields import Frozen, Many, fault, nothing
from mlspec.kinds import Kind
from mlspec.secret import Template
from mlspec.spec.hardware import TrainingMachine
from mlspec.spec.text import Entrypoint, Identifier, Output, Period, Text, Variable

Artifact = Literal["table", "report", "metrics", "transformer", "model", "html", "package", "file"]


def _plain(value: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        json.dumps(dict(value), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise fault(
            "wrong-type", f"the parameters are not plain data: {error}", "write text, finite numbers, lists and mappings"
        ) from None
    return value


class OwnStep(Kind):
    """What every step of the user's own says."""

    inputs: Annotated[Mapping[Identifier, Output], Frozen()] = Field(
        default_factory=nothing, description="What it takes: name to `step.output`."
    )
    after: Annotated[tuple[Identifier, ...], Many()] = Field(
        (), description="Steps that must be done before, beyond those it takes from."
    )
    before: Annotated[tuple[Identifier, ...], Many()] = Field(
        (), description="Steps that wait for it, though they take nothing from it, such as `register`."
    )
    timeout: Period | None = Field(None, description="The longest time it takes; without it `pipeline.timeout`.")
    description: Text | None = Field(None, description="What it does.")

    @property
    def gives(self) -> Mapping[str, str]:
        """What it gives, name to the sort of artifact; a gate and an approval declare nothing."""
        return {}

    @property
    def tries_again(self) -> bool:
        return False


class WorkStep(OwnStep):
    """What every step says that does something, on some machine."""

    outputs: Annotated[Mapping[Identifier, Artifact], Frozen()] = Field(
        default_factory=nothing, description="What it gives: name to the sort of artifact."
    )
    retries: Annotated[StrictInt | None, Field(ge=0, le=10)] = Field(
        None, description="How often it is tried again; without it `pipeline.retries`."
    )
    environment: Annotated[Mapping[Variable, Template], Frozen()] = Field(
        default_factory=nothing, description="Variables of its environment: a text, or a reference to a secret."
    )
    resources: TrainingMachine | None = Field(None, description="The machine it asks for.")

    @property
    def gives(self) -> Mapping[str, str]:
        return self.outputs

    @property
    def tries_again(self) -> bool:
        return bool(self.retries)


class PythonStep(WorkStep):
    """A call of the user's function: `function(inputs={name: Path}, outputs={name: Path}, **params)`."""

    kind: Literal["python"] = "python"
    entrypoint: Entrypoint = Field(description="The function, as `package.module:name`.")
    params: Annotated[Mapping[str, Any], Frozen(), AfterValidator(_plain)] = Field(
        default_factory=nothing, description="Its further arguments."
    )


class ContainerStep(WorkStep):
    """A command in a container, for code that is not Python."""

    kind: Literal["container"] = "container"
    image: Text = Field(description="The image, best with its digest.")
    command: tuple[Text, ...] = Field(
        min_length=1, description="The command; `{inputs.name}` and `{outputs.name}` stand for paths."
    )


class GateStep(OwnStep):
    """A verdict of the user's own: the run fails unless it is a pass."""

    kind: Literal["gate"] = "gate"
    verdict: Output = Field(
        description='The report: JSON, `{"verdict": "pass", "requirements": [{"name", "target", "verdict"}]}`.'
    )


class ApprovalStep(OwnStep):
    """A person's yes. A no, or no answer in time, fails the run; what comes after does not start."""

    kind: Literal["approval"] = "approval"
    message: Text = Field(description="What is asked.")
    approvers: Annotated[tuple[Text, ...], Many()] = Field(
        (), description="Who may answer: roles of `project.stakeholders`, or addresses. Without it, anybody."
    )
