"""The user's own transform."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StrictStr

from mlspec.diagnostic import Finding, Problem, Route
from mlspec.fields import ENTRYPOINT
from mlspec.transforms import Context, Fitted, Transform, types_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


@dataclass
class Called:
    """A function of the user's, called on each frame."""

    entrypoint: str
    params: dict[str, Any]
    route: Route

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        from mlspec.entrypoint import blame, load

        function = load(self.entrypoint)
        with blame(self.entrypoint):
            made = function(frame, **self.params)
        return checked(made, frame, self)


@dataclass
class Asked:
    """A fitted object of the user's."""

    entrypoint: str
    object: Any
    route: Route

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        from mlspec.entrypoint import blame

        with blame(self.entrypoint):
            made = self.object.transform(frame)
        return checked(made, frame, self)


class Custom(Transform):
    """Your own code: a function of a Polars frame (row by row), or a class with fit and transform (learns from training rows).

    A function is called as `ratios(frame, **params)` whenever rows come, in training as in serving. A class is made with
    `**params`; its `fit(frame, target)` sees training rows once, its `transform(frame)` is called whenever rows come. Both take
    and give a Polars frame: numbers as Float64, categories as String. What they give stands in the place of the columns they got.
    """

    kind: Literal["custom"] = "custom"
    entrypoint: Annotated[StrictStr, ENTRYPOINT] = Field(description="The function or class, as package.module:name.")
    params: dict[str, Any] = Field(default_factory=dict, description="Keyword arguments of the function, or of the class.")

    def fit_transform(self, frame: pl.DataFrame, target: np.ndarray[Any, Any], context: Context) -> tuple[Fitted, pl.DataFrame]:
        from mlspec.entrypoint import blame, load

        code = load(self.entrypoint)
        if not inspect.isclass(code):
            called = Called(self.entrypoint, dict(self.params), context.route)
            made = called.transform(frame)
            _must_look_at_rows_alone(called, frame, made)
            return called, made
        with blame(self.entrypoint):
            thing: Any = code(**self.params)
            thing.fit(frame, target)
        asked = Asked(self.entrypoint, thing, context.route)
        return asked, asked.transform(frame)


def checked(made: Any, frame: pl.DataFrame, by: Called | Asked) -> pl.DataFrame:
    """Return what user code made, in the dtypes that stand between transforms; raise Problem unless it has the same rows."""
    import polars as pl

    if not isinstance(made, pl.DataFrame):
        raise Problem(Finding("not-a-frame", f"{by.entrypoint} gave {type(made).__name__}, not a polars.DataFrame", by.route))
    if made.width and made.height != frame.height:
        message = f"{by.entrypoint} gave {made.height} rows for {frame.height}"
        raise Problem(
            Finding("rows-changed", message, by.route, help="a transform makes columns; leave rows out with a check or a step")
        )
    types = types_of(made)
    for name, dtype in made.schema.items():
        if name not in types:
            message = f"{by.entrypoint} gave {name!r} as {dtype}; a feature is a number, text, truth value, date or array"
            raise Problem(Finding("column-type", message, by.route))
    numbers = [name for name, kind in types.items() if kind == "number"]
    texts = [name for name, kind in types.items() if kind == "category"]
    return made.with_columns(pl.col(numbers).cast(pl.Float64).fill_nan(None), pl.col(texts).cast(pl.String))


def _must_look_at_rows_alone(called: Called, frame: pl.DataFrame, made: pl.DataFrame) -> None:
    """A function that looks at other rows (a mean, a shift) answers otherwise for one request than it did in training."""
    from polars.testing import assert_frame_equal

    last = frame.tail(3)
    if frame.height <= last.height:
        return
    try:
        assert_frame_equal(called.transform(last), made.tail(3), rel_tol=1e-9)
    except AssertionError:
        message = (
            f"{called.entrypoint} looks at other rows: for the last 3 alone it gives other values than for all {frame.height}"
        )
        help_text = "make it a class: fit learns from training rows, transform looks at each row alone"
        raise Problem(Finding("not-row-by-row", message, called.route, help=help_text)) from None


MEMBER = Custom
