"""`splits`: how rows are dealt to train, dev and test."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from mlspec.fields import Guide, fault
from mlspec.kinds import Section
from mlspec.quantity import Duration
from mlspec.spec.text import Flag, Seed, Text

HOW = "write `auto`, or three numbers for train, dev and test, such as `[0.7, 0.15, 0.15]`"


class _Ratios:
    """``auto``, or three numbers above 0 that sum to 1."""

    says = "`auto` or a list of three numbers"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        share = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
        return {"anyOf": [{"const": "auto"}, {"type": "array", "items": share, "minItems": 3, "maxItems": 3}]}

    @staticmethod
    def check(value: Any) -> str | tuple[float, float, float]:
        if value == "auto":
            return "auto"
        if not isinstance(value, list | tuple) or len(value) != 3 or not all(type(one) in (int, float) for one in value):
            raise fault("wrong-type", "expected the shares of train, dev and test", HOW)
        if not all(0 < one < 1 for one in value):
            raise fault("out-of-range", "each share is above 0 and below 1", HOW)
        if abs(sum(value) - 1) > 1e-9:
            raise fault("bad-ratios", f"the shares sum to {sum(value):.12g}, not to 1", HOW)
        return float(value[0]), float(value[1]), float(value[2])


class Splits(Section):
    """How rows are dealt to train, dev and test: by their identity, so that appended rows move no old row."""

    strategy: Annotated[
        Literal["auto", "random", "stratified", "group", "temporal"],
        Guide("Splitting Best Practices: keep class balance, respect time"),
    ] = Field(
        "auto",
        description="`auto` is temporal where a time is named, group where a group is, stratified for classes, else random.",
    )
    ratios: Annotated[
        Any, _Ratios(), Guide("Split Strategy for Different Data Sizes: <1K 60/20/20, 1K-100K 70/15/15, >100K 80/10/10")
    ] = Field("auto", description="The shares of train, dev and test; `auto` goes by the number of rows.")
    group_by: Text | None = Field(None, description="The column whose equal values stay together.")
    time: Text | None = Field(None, description="The column that orders rows: train comes before dev, dev before test.")
    gap: Duration = Field(Duration(0), description="Temporal: the time between two parts whose rows are left out.")
    seed: Seed = Field(7, description="What the deal depends on, beyond the rows.")
    exact: Flag = Field(
        False, description="Exact class shares, at the price that appended rows may move a few old rows near a boundary."
    )
    rationale: Text | None = Field(None, description="Why it is done this way.")
