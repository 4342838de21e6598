"""`data`: where it comes from, what it looks like, and what must hold of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mlspec.fields import Frozen, Guide, Later, Many, fault, nothing
from mlspec.kinds import Kind, OneOf, Section, part
from mlspec.spec.text import Flag, Identifier, Label, Text

if TYPE_CHECKING:
    from mlspec.spec.care import Collection, Labels, Privacy, Storage, Volume
    from mlspec.spec.window import Window

    Check = Kind
    Source = Kind
else:
    Labels, Privacy, Storage = part("mlspec.spec.care:Labels"), part("mlspec.spec.care:Privacy"), part("mlspec.spec.care:Storage")
    Collection, Volume = part("mlspec.spec.care:Collection"), part("mlspec.spec.care:Volume")
    Window = part("mlspec.spec.window:Window")
    Source = Annotated[Any, OneOf("mlspec.sources")]
    Check = Annotated[Any, OneOf("mlspec.checks")]

Role = Literal["feature", "id", "target", "group", "time", "ignore"]
Type = Literal["integer", "number", "string", "category", "boolean", "date", "datetime", "array"]
NUMERIC = ("integer", "number")


class Join(Section):
    """Rows of two sources side by side."""

    left: Text = Field(description="The source whose rows come first.")
    right: Text = Field(description="The source that adds columns.")
    on: Annotated[tuple[Text, ...], Many(), Field(min_length=1)] = Field(
        description="The columns that both have and that must be equal."
    )
    how: Literal["inner", "left", "full"] = Field("left", description="Which rows stay: those of both, all of the left, or all.")


class Stack(Section):
    """Rows of all sources one below the other."""

    source_column: Text | None = Field(None, description="A new column that holds the name of the source a row came from.")


class Column(Section):
    """What is known of a column before the data is seen: the schema is fitted once and checked ever after."""

    role: Annotated[Role, Guide("Data Leakage: feature audit")] = Field(
        "feature", description="What the column is for; an id or ignored column is never a feature."
    )
    type: Type | None = Field(
        None, description="The type; without it, inferred from the data. An `array` is as many numbers in each row."
    )
    description: Text | None = Field(None, description="What it means: a line of the data dictionary.")
    unit: Text | None = Field(None, description="The unit of its numbers.")
    min: Label | None = Field(None, description="The smallest value.")
    max: Label | None = Field(None, description="The largest value.")
    values: tuple[Label, ...] | None = Field(
        None, description="Every value that may occur, in order if there is one.", min_length=1
    )
    pattern: Text | None = Field(None, description="A regular expression that every text must match as a whole.")
    nullable: Flag | None = Field(
        None, description="Whether values may be missing; without it, whether they are when the schema is fitted."
    )
    unique: Flag = Field(False, description="Whether no value occurs twice.")
    pii: Flag = Field(False, description="Whether it is personal data.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for bound in (self.min, self.max):
            if bound is not None and self.type in (*NUMERIC, "array") and (isinstance(bound, str | bool)):
                raise fault(
                    "wrong-type", f"the bounds of a column of type `{self.type}` are numbers", "write a number without quotes"
                )
            if bound is not None and self.type in ("string", "category", "boolean"):
                raise fault(
                    "contradiction", f"a column of type `{self.type}` has no `min` or `max`", "write `values`, or another type"
                )
        if isinstance(self.min, int | float) and isinstance(self.max, int | float) and self.min > self.max:
            raise fault("contradiction", f"`min` ({self.min}) is above `max` ({self.max})", "exchange them")
        if self.pattern is not None and self.type not in (None, "string", "category"):
            raise fault("contradiction", f"a column of type `{self.type}` has no `pattern`", "only text has one")
        if self.values is not None and self.type == "array":
            raise fault(
                "contradiction", "a column of type `array` has no `values`", "`min` and `max` hold for all of its numbers"
            )
        return self


class DataVersion(Section):
    """What names a state of the data."""

    engine: Annotated[
        Literal["content_hash", "dvc", "lakefs"], Later("the content hash is used instead", only=("dvc", "lakefs"))
    ] = Field("content_hash", description="Who keeps versions.")


class Data(Section):
    """Where the data comes from, what it looks like, and what must hold of it."""

    sources: Annotated[Mapping[Identifier, Source], Frozen(), Field(min_length=1)] = Field(description="The sources by name.")
    join: tuple[Join, ...] = Field((), description="How rows of several sources are put side by side, in this order.")
    union: Stack | None = Field(None, description="Stack the rows of all sources instead.")
    window: Window | None = Field(None, description="Make each row hold the last values of a series, to forecast from.")
    columns: Annotated[Mapping[Text, Column], Frozen()] = Field(
        default_factory=nothing, description="What is known of columns by name; the others are inferred features."
    )
    checks: tuple[Check, ...] = Field((), description="What must hold of every batch, beyond the schema.")
    on_failure: Annotated[Literal["stop", "quarantine", "warn"], Guide("Data Quality: validate before training")] = Field(
        "stop", description="What a failing check does: stop the run, set failing rows aside, or go on with a warning."
    )
    labels: Annotated[Labels | None, Later()] = Field(
        None, description="How labels came to be, and how well people agree on them."
    )
    privacy: Annotated[Privacy | None, Later()] = Field(None, description="How long data is kept and why it may be used.")
    volume: Annotated[Volume | None, Later()] = Field(None, description="How much data is expected.")
    collection: Annotated[Collection | None, Later()] = Field(None, description="How data is collected.")
    storage: Annotated[Storage | None, Later()] = Field(None, description="Where processed data is kept.")
    version: DataVersion = Field(default_factory=DataVersion.model_construct, description="What names a state of the data.")
    engine: Annotated[
        Literal["auto", "polars", "pandas", "spark", "dask", "ray"],
        Later("Polars does the work instead", only=("pandas", "spark", "dask", "ray")),
    ] = Field("auto", description="What processes tables; `auto` is Polars, streaming, on one machine.")
    validator: Annotated[
        Literal["builtin", "pandera", "great_expectations", "tfdv"],
        Later("the built-in checks are run instead", only=("pandera", "great_expectations", "tfdv")),
    ] = Field("builtin", description="What checks the data.")
