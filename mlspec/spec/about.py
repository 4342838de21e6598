"""`project`: what the project is for and who stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mlspec.fields import Guide, Later
from mlspec.kinds import Section, part
from mlspec.spec.text import Slug, Text

KEPT = Later("it is checked and kept in the packaged spec; no page of the report shows it")
if TYPE_CHECKING:
    from mlspec.spec.planning import Feasibility, Risk, Scoping, Stakeholder, Timeline
else:
    Stakeholder, Risk = part("mlspec.spec.planning:Stakeholder"), part("mlspec.spec.planning:Risk")
    Timeline, Feasibility = part("mlspec.spec.planning:Timeline"), part("mlspec.spec.planning:Feasibility")
    Scoping = part("mlspec.spec.planning:Scoping")


class About(Section):
    """What the project is for and who stands behind it."""

    name: Slug = Field(description="The project's name; steps, images and the registered model are named after it.")
    version: Text = Field("0.1.0", description="The version of this spec, in your own scheme.")
    phase: Annotated[Literal["proof_of_concept", "pilot", "production"], Guide("Development Stages: proof of concept first")] = (
        Field("proof_of_concept", description="How far the project is: lint is strict in production.")
    )
    profile: Annotated[Literal["startup", "medium", "enterprise"] | None, Later("it changes no default yet")] = Field(
        None, description="The guide's tools by company size, as defaults."
    )
    approach: Annotated[Literal["data_centric", "model_centric"], KEPT, Guide("Iteration Strategy: data-centric approach")] = (
        Field("data_centric", description="What an iteration improves first.")
    )
    problem: Text | None = Field(None, description="The problem that is solved, in a sentence or two.")
    owner: Text | None = Field(None, description="Who answers for it.")
    stakeholders: tuple[Stakeholder, ...] = Field((), description="Who it matters to, and whose yes `mlspec plan` asks for.")
    risks: Annotated[tuple[Risk, ...], KEPT] = Field((), description="What may go wrong.")
    timeline: Annotated[Timeline | None, KEPT] = Field(None, description="When what is done.")
    feasibility: Annotated[Feasibility | None, KEPT] = Field(None, description="Whether it can be done.")
    scoping: Annotated[Scoping | None, KEPT] = Field(None, description="Alternatives, value, ethics, resources.")
