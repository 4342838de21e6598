"""`for_each`: one model for each item of a list, such as a machine or a site."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from mlspec.fields import Many, fault
from mlspec.kinds import Section
from mlspec.spec.text import Label, Text


class ForEach(Section):
    """The items that get a model of their own each. The data is read and checked once, for all of them."""

    column: Text = Field(description="The column that says which item a row is about.")
    values: Annotated[tuple[Label, ...] | None, Many()] = Field(
        None, description="The items: values of that column.", min_length=1
    )
    table: Text | None = Field(
        None, description="A CSV file beside the spec that lists the items in a column of that name, instead of `values`."
    )

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if (self.values is None) == (self.table is None):
            raise fault("contradiction", "the items are in `values` or in `table`", "write one of the two")
        return self
