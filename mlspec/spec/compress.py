"""`compress`: how the model is made smaller."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from mlspec.kinds import OneOf, Section
from mlspec.quantity import Percent
from mlspec.spec.text import Count, Flag, Number


class Prune(Section):
    """Weights that matter little are left out."""

    sparsity: Percent = Field(Percent(0.5), description="The share that is left out.")
    structured: Flag = Field(True, description="Whether whole units go: only that makes a model smaller and faster everywhere.")


class Distill(Section):
    """A small model learns from a large one."""

    teacher: Annotated[Any, OneOf("mlspec.families")] = Field(description="The large model.")
    temperature: Number = Field(2.0, gt=0, description="How soft the teacher's answers are.")


class ArchitectureSearch(Section):
    """A search for a better structure."""

    trials: Count = Field(30, description="How many are tried.")


class Compress(Section):
    """How the model is made smaller."""

    prune: Prune | None = Field(None, description="Leave weights out.")
    distill: Distill | None = Field(None, description="Learn from a larger model.")
    search: ArchitectureSearch | None = Field(None, description="Search for a better structure.")
