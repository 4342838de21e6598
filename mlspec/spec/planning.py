"""Parts of `project` about planning: stakeholders, risks, timeline, feasibility, scoping."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from mlspec.fields import Guide, Later
from mlspec.kinds import Section
from mlspec.quantity import Duration
from mlspec.spec.text import Count, NotNegative, Number, Text

Level = Literal["low", "medium", "high"]
Cadence = Literal["daily", "weekly", "biweekly", "monthly", "quarterly", "never"]
Verdict = Annotated[
    Literal["yes", "partly", "no", "unknown"],
    BeforeValidator(lambda value: {True: "yes", False: "no"}[value] if isinstance(value, bool) else value),
]
"""YAML 1.1 reads a bare `yes` as true."""


Method = Literal[
    "literature_review",
    "proof_of_concept",
    "data_audit",
    "collection_cost_analysis",
    "skills_gap_analysis",
    "tool_evaluation",
    "project_breakdown",
    "risk_assessment",
    "architecture_review",
    "load_testing",
]


class Stakeholder(Section):
    """Somebody the project matters to."""

    role: Text = Field(
        description="The role, such as `business_sponsor`, `product_manager`, `data_scientist`, `engineer`, `end_user`."
    )
    contact: Text | None = Field(None, description="How to reach them.")
    approves: tuple[Literal["requirements", "data", "model", "production", "retraining"], ...] = Field(
        (), description="What needs their yes."
    )
    reports: Annotated[Cadence | None, Later("no report is sent")] = Field(None, description="How often they get a report.")


class Risk(Section):
    """What may go wrong and what is done about it."""

    risk: Text = Field(description="What may happen.")
    kind: Literal["data_quality", "model_performance", "integration", "scope_creep", "legal", "security", "other"] | None = Field(
        None, description="The guide's type of risk."
    )
    probability: Level = Field("medium", description="How likely it is.")
    impact: Level = Field("medium", description="How bad it would be.")
    mitigation: Text | None = Field(None, description="What is done about it.")
    owner: Text | None = Field(None, description="Who watches it.")


class Phase(Section):
    """When a phase of the lifecycle starts and ends, and what ends it."""

    start: datetime.date | None = Field(None, description="The first day.")
    end: datetime.date | None = Field(None, description="The last day.")
    exit: Text | None = Field(None, description="What must be there at the end.")


class Timeline(Section):
    """The plan: the guide's four phases and the length of an iteration."""

    scoping: Phase | None = Field(None, description="Problem, feasibility (guide: 1-2 weeks).")
    data: Phase | None = Field(None, description="Collection, cleaning, pipelines (guide: 2-4 weeks).")
    modeling: Phase | None = Field(None, description="Selection, training, tuning (guide: 2-6 weeks).")
    deployment: Phase | None = Field(None, description="Production, monitoring (guide: 1-3 weeks).")
    iteration: Annotated[Duration, Guide("Iteration Strategy: 2-4 week cycles")] = Field(
        Duration(14 * 86_400), description="How long one iteration takes."
    )


class Finding(Section):
    """An answer to one question of the feasibility study."""

    verdict: Verdict = Field(description="Whether it can be done.")
    method: Method | None = Field(None, description="How that was found out (the guide's assessment methods).")
    evidence: Text | None = Field(None, description="Where the evidence is.")


class Feasibility(Section):
    """The guide's five questions before the work starts."""

    technical: Finding | None = Field(None, description="Can the target performance be reached?")
    data: Finding | None = Field(None, description="Is there enough data of sufficient quality?")
    resources: Finding | None = Field(None, description="Are the right people and tools there?")
    timeline: Finding | None = Field(None, description="Can the deadline be met?")
    scalability: Finding | None = Field(None, description="Will it carry future growth?")


class Value(Section):
    """What the project is worth and costs, in one currency."""

    benefit: NotNegative | None = Field(None, description="What it brings over the horizon.")
    cost: NotNegative | None = Field(None, description="What it costs over the horizon.")
    currency: Text = Field("EUR", description="The currency.")
    horizon: Duration | None = Field(None, description="The time that both are for.")


class Role(Section):
    """People the project needs."""

    role: Text = Field(description="What they do.")
    count: Count = Field(1, description="How many.")
    share: Number = Field(1.0, gt=0, le=1, description="How much of their time.")


class ProjectResources(Section):
    """What the project may use."""

    people: tuple[Role, ...] = Field((), description="Who works on it.")
    budget: NotNegative | None = Field(None, description="Money, in `project.value.currency`.")
    compute: Text | None = Field(None, description="Machines, in words.")


class Scoping(Section):
    """The guide's scoping: what else was considered, what it is worth, whether it is right."""

    alternatives: tuple[Text, ...] = Field((), description="Other ways that were considered, with or without machine learning.")
    value: Value | None = Field(None, description="What it is worth and costs.")
    ethics: Finding | None = Field(None, description="The review for bias and fairness.")
    resources: ProjectResources | None = Field(None, description="People, money, machines.")
