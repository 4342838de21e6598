"""`hardware`: what machines are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from mlspec.fields import Frozen, Later, nothing
from mlspec.kinds import Section
from mlspec.quantity import Bytes
from mlspec.spec.text import Count, Flag, Number, Text


class Machine(Section):
    """What a step or service asks of a machine."""

    cpu: Number | None = Field(None, gt=0, description="Cores.")
    memory: Bytes | None = Field(None, description="Memory, such as `8 GiB`.")
    accelerator: Text | None = Field(None, description="The kind of accelerator, such as `gpu`.")
    accelerators: Count = Field(1, description="How many of them.")


class TrainingMachine(Machine):
    """What training asks of a machine."""

    spot: Flag = Field(False, description="Whether it may be a cheaper machine that can be taken away.")
    node: Annotated[Mapping[Text, Text], Frozen()] = Field(
        default_factory=nothing, description="Labels that the machine must have, such as `zone: eu-1`."
    )


class Edge(Section):
    """The device at the edge."""

    device: Text = Field(description="The device, such as `raspberry_pi_4`.")
    memory: Bytes | None = Field(None, description="The memory that the model may use.")


class Hardware(Section):
    """What machines are asked for."""

    training: TrainingMachine | None = Field(None, description="For steps that train and evaluate.")
    serving: Annotated[Machine | None, Later("no deployment is written")] = Field(
        None, description="For each replica of the service."
    )
    edge: Edge | None = Field(None, description="The device at the edge.")
