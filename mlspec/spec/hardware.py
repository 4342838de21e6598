"""`hardware`: what machines are asked for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlspec.fields import Later
from mlspec.kinds import Section
from mlspec.quantity import Bytes
from mlspec.spec.text import Flag, Number, Text


class Machine(Section):
    """What a step or service asks of a machine."""

    cpu: Number | None = Field(None, gt=0, description="Cores.")
    memory: Bytes | None = Field(None, description="Memory, such as `8 GiB`.")
    accelerator: Text | None = Field(None, description="The kind of accelerator, such as `gpu`.")


class TrainingMachine(Machine):
    """What training asks of a machine."""

    spot: Annotated[Flag, Later("machines that may be taken away are not asked for")] = Field(
        False, description="Whether it may be a cheaper machine that can be taken away."
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
    edge: Annotated[Edge | None, Later("no export is written")] = Field(None, description="The device at the edge.")
