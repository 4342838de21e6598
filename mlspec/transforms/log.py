"""Logarithms of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mlspec.diagnostic import Finding, Problem, Route
from mlspec.transforms import Context, Fitted, Transform

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


@dataclass
class Log1p:
    """log(1 + x) of each column; raises Problem where x is -1 or less."""

    route: Route

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        for name in frame.columns:
            low = frame[name].min()
            if isinstance(low, float) and low <= -1:
                message = f"{name!r} has the value {low:g}, which has no logarithm: log(1 + x) needs more than -1"
                raise Problem(
                    Finding("log-domain", message, self.route, help="give the column a `min`, or leave it out of `log`")
                )
        return frame.select(pl.all().log1p())


class Log(Transform):
    """Replace a number x by log(1 + x): for amounts and counts with a long tail."""

    accepts: ClassVar = frozenset({"number"})
    after: ClassVar = "same"
    kind: Literal["log"] = "log"

    def fit_transform(self, frame: pl.DataFrame, target: np.ndarray[Any, Any], context: Context) -> tuple[Fitted, pl.DataFrame]:
        fitted = Log1p(context.route)
        return fitted, fitted.transform(frame)


MEMBER = Log
