"""`data.window`: rows of a table in time as windows of a series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mlspec.fields import Many
from mlspec.kinds import Section
from mlspec.quantity import Duration
from mlspec.spec.text import Count, Text

if TYPE_CHECKING:
    from mlspec.spec.project import Project


class Window(Section):
    """Forecast by windows: a row's features are the last values of a series, and its target is the value some steps later.

    `values: [Temp]` with `size: 28` gives the numbers `Temp[-27]` to `Temp[0]`, which is the present, and the target's column
    holds its value `ahead` steps later. Other columns stay as they are at present. Rows come in the order of time; two of one
    time in a series are an error. Rows without a full window, or without a value ahead, are left out and counted.
    """

    time: Text | None = Field(
        None, description="The column of time; without it, the one that `splits.time` names, or of that role."
    )
    values: Annotated[tuple[Text, ...], Many(), Field(min_length=1)] = Field(
        description="The columns of numbers to look back on."
    )
    size: Annotated[Count, Field(le=1000)] = Field(
        description="How many of the last values a row holds, the present one included."
    )
    ahead: Count = Field(1, description="How many steps later the target is.")
    every: Duration | None = Field(
        None, description="The time between two rows: no window reaches over a gap. Without it, each row is the next step."
    )
    by: Text | None = Field(
        None, description="The column that tells several series apart; no window reaches from one into another."
    )


def time_of(project: Project) -> str | None:
    """Return the column of time that the windows of a spec go by; None where nothing names one."""
    assert project.data is not None
    assert project.data.window is not None
    by_role = (name for name, column in project.data.columns.items() if column.role == "time")
    return project.data.window.time or project.splits.time or next(by_role, None)
