"""`training`: how the model is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StrictInt

from mlspec.fields import NETWORKS, Guide, Later
from mlspec.kinds import Section, part
from mlspec.spec.text import Seed

if TYPE_CHECKING:
    from mlspec.spec.tuning import Checkpoint, Distributed, EarlyStopping, Tuning
else:
    Tuning, EarlyStopping = part("mlspec.spec.tuning:Tuning"), part("mlspec.spec.tuning:EarlyStopping")
    Checkpoint, Distributed = part("mlspec.spec.tuning:Checkpoint"), part("mlspec.spec.tuning:Distributed")


class Training(Section):
    """How the model is fitted."""

    cross_validation: Annotated[StrictInt | None, Field(ge=2, le=100), Guide("Training Best Practices: use cross-validation")] = (
        Field(5, description="Folds of the training rows that show how much a score moves; null for none.")
    )
    seed: Seed = Field(7, description="What chance in training depends on.")
    tuning: Tuning | None = Field(None, description="The search for hyperparameters; each trial is a step of its own.")
    early_stopping: Annotated[EarlyStopping | None, Later("the model family's own setting counts", but=NETWORKS)] = Field(
        None, description="When to stop early."
    )
    checkpoint: Annotated[
        Checkpoint | None,
        Later("training starts afresh after a break", but=NETWORKS),
        Guide("Save checkpoints during long training runs"),
    ] = Field(None, description="States that are kept.")
    mixed_precision: Annotated[Literal["auto", "on", "off"], Later("scikit-learn trains in full precision", but=NETWORKS)] = (
        Field("auto", description="Whether short numbers are used where they do; `auto` uses them on a GPU that has them.")
    )
    distributed: Annotated[Distributed | None, Later("training stays on one machine")] = Field(
        None, description="Training on several machines."
    )
