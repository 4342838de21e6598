"""`compress`: how the model is made smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from mlspec.fields import NETWORKS, Later, fault
from mlspec.kinds import OneOf, Section
from mlspec.quantity import Percent
from mlspec.spec.text import Count, Flag, Number

if TYPE_CHECKING:
    from mlspec.spec.project import Project

PRUNED = ("torch.mlp", "torch.cnn")
"""What can be pruned: whole units of a recurrent layer, or of attention, hang together otherwise."""


AWARE = PRUNED
"""What can be trained for int8: layers that are dense or convolutions, one after the other."""


class Prune(Section):
    """Weights that matter little are left out, and the others are trained on."""

    sparsity: Percent = Field(
        Percent(0.5), description="The share that is left out of each layer: units, or weights where not `structured`."
    )
    structured: Flag = Field(
        True,
        description="Whether whole units go, those with the least sum of absolute weights: only that makes a model smaller "
        "and faster. Without it single weights become zero: the file stays as large, and only its compressed download shrinks.",
    )
    epochs: Count = Field(10, description="Passes over the training rows after that, in which the rest makes up for what went.")

    @field_validator("sparsity", mode="after")
    @classmethod
    def _something_stays(cls, value: Percent) -> Percent:
        if value >= 1:
            raise fault("out-of-range", "100 % leaves nothing to predict with", "such as `sparsity: 50 %`")
        return value


class Distill(Section):
    """A small model learns from a large one, which is fitted to the same training rows."""

    teacher: Annotated[Any, OneOf("mlspec.families")] = Field(description="The large model, of any kind.")
    temperature: Number = Field(
        2.0, gt=0, description="How soft the teacher's probabilities are made; 1 leaves them as they are."
    )
    labels: Percent = Field(
        Percent(0.5),
        description="How much the labels count beside the teacher's answers. Trials of a search, and folds, go by labels alone.",
    )


class QuantizeAware(Section):
    """After training the network learns to answer the same with the roundings of int8; its weights are what int8 holds."""

    epochs: Count = Field(10, description="Passes over the training rows, in which the network before is the teacher.")


class ArchitectureSearch(Section):
    """A search for a better structure."""

    trials: Count = Field(30, description="How many are tried.")


class Compress(Section):
    """How the model is made smaller."""

    prune: Annotated[Prune | None, Later("the model keeps all its weights", but=PRUNED)] = Field(
        None, description="Leave weights out."
    )
    distill: Annotated[Distill | None, Later("the model learns from the labels alone", but=NETWORKS)] = Field(
        None, description="Learn from a larger model. It is no gain by itself: compare with a run without it."
    )
    quantize_aware: Annotated[QuantizeAware | None, Later("the model is trained without roundings", but=AWARE)] = Field(
        None, description="Train for int8, which an export with `quantize: int8_aware` does anyway."
    )
    search: Annotated[ArchitectureSearch | None, Later("the structure is the one that the spec gives")] = Field(
        None, description="Search for a better structure."
    )


def pruned(project: Project) -> Prune | None:
    """Return how the model of a spec is pruned, where it can be."""
    compress, model = project.compress, project.model
    return compress.prune if compress and model and model.kind in PRUNED else None


def distilled(project: Project) -> Distill | None:
    """Return how the model of a spec learns from a teacher, where it can."""
    compress, model = project.compress, project.model
    return compress.distill if compress and model and model.kind.startswith(NETWORKS) else None


def aware(project: Project) -> QuantizeAware | None:
    """Return how the model of a spec is trained for int8, where it can be and something asks for it."""
    compress, model = project.compress, project.model
    if model is None or model.kind not in AWARE:
        return None
    if compress and compress.quantize_aware:
        return compress.quantize_aware
    wanted: tuple[Any, ...] = project.exports
    return QuantizeAware.model_construct() if any(one.quantize == "int8_aware" for one in wanted) else None
