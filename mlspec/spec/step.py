"""`steps`: the user's own steps and where they stand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictInt

from mlspec.fields import Frozen, Many, fault, nothing
from mlspec.kinds import Kind
from mlspec.spec.text import Entrypoint, Identifier, Output, Period, Text

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
    outputs: Annotated[Mapping[Identifier, Artifact], Frozen()] = Field(
        default_factory=nothing, description="What it gives: name to the sort of artifact."
    )
    after: Annotated[tuple[Identifier, ...], Many()] = Field(
        (), description="Steps that must be done before, beyond those it takes from."
    )
    retries: Annotated[StrictInt | None, Field(ge=0, le=10)] = Field(
        None, description="How often it is tried again; without it `pipeline.retries`."
    )
    timeout: Period | None = Field(None, description="The longest time it takes; without it `pipeline.timeout`.")
    description: Text | None = Field(None, description="What it does.")


class PythonStep(OwnStep):
    """A call of the user's function: `function(inputs={name: Path}, outputs={name: Path}, **params)`."""

    kind: Literal["python"] = "python"
    entrypoint: Entrypoint = Field(description="The function, as `package.module:name`.")
    params: Annotated[Mapping[str, Any], Frozen(), AfterValidator(_plain)] = Field(
        default_factory=nothing, description="Its further arguments."
    )


class ContainerStep(OwnStep):
    """A command in a container, for code that is not Python."""

    realised = False
    today = "such a step cannot be run or compiled; a build stops"

    kind: Literal["container"] = "container"
    image: Text = Field(description="The image, best with its digest.")
    command: tuple[Text, ...] = Field((), description="The command; `{inputs.name}` and `{outputs.name}` stand for paths.")
