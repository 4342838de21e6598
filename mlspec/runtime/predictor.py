"""Serve a package: raw rows in, predictions out, each row checked against the schema first."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import pickled
from mlspec.runtime.artifact import read_json
from mlspec.runtime.labels import row_name, text_of_value
from mlspec.runtime.rows import read

MOST_FAULTS = 20


class Predictor:
    """A packaged model. `schema` is what a row must have, `about` what the model is."""

    def __init__(self, model: Any, schema: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        self.model = model
        self.schema = schema
        self.about = about

    def predict(self, rows: pl.DataFrame | Sequence[Mapping[str, Any]] | Any) -> pl.DataFrame:
        """Return `predicted`, and for classification `proba_<class>`, for each raw row, in order.

        `rows` is a Polars or pandas frame, or mappings, one a row. Columns beyond the schema are ignored. Raises Problem, with a
        finding for each fault, where rows break the schema.
        """
        frame = read(rows, self.model.named_steps["features"].fields_)
        faults = list(self._faults(frame, rows))
        if faults:
            raise Problem(*faults[:MOST_FAULTS])
        if not frame.height:
            return self._answers(np.zeros(0), np.zeros((0, len(self.about["classes"] or ()))))
        features, estimator = self.model[:-1].transform(frame), self.model[-1]
        if self.about["classes"] is None:
            return self._answers(estimator.predict(features), None)
        proba = np.asarray(estimator.predict_proba(features), dtype=float)
        return self._answers(self._classes(estimator, features, proba), proba)

    def _classes(self, estimator: Any, features: Any, proba: Any) -> Any:
        """Predict as evaluation did: by the threshold where the spec set one, else as the estimator does."""
        threshold, positive = self.about.get("threshold"), self.about.get("positive")
        if threshold in (None, 0.5) or positive is None:
            return np.asarray(estimator.predict(features)).astype(np.str_)
        place = self.about["classes"].index(positive)
        return np.asarray(self.about["classes"])[np.where(proba[:, place] >= threshold, place, 1 - place)]

    def _answers(self, predicted: Any, proba: Any) -> pl.DataFrame:
        classes = self.about["classes"]
        if classes is None:
            return pl.DataFrame({"predicted": pl.Series(predicted, dtype=pl.Float64)})
        columns = {f"proba_{name}": proba[:, index] for index, name in enumerate(classes)}
        return pl.DataFrame({"predicted": pl.Series(predicted.astype(np.str_).tolist(), dtype=pl.String), **columns})

    def _faults(self, frame: pl.DataFrame, rows: Any) -> Any:
        numbered = rows if isinstance(rows, pl.DataFrame) else frame
        for name in self.schema["order"]:
            column = self.schema["columns"][name]
            for law, broken, said in _laws(column):
                if law in column or law == "nullable":
                    for position in broken(frame[name]).fill_null(False).arg_true().head(MOST_FAULTS).to_list():
                        shown = "the array" if column["type"] == "array" else repr(frame[name][position])
                        row = row_name(numbered, position)
                        yield Finding("row-breaks-schema", f"row {row}, {name!r}: {shown} {said}", ("data", "columns", name))


def _laws(column: Mapping[str, Any]) -> Sequence[tuple[str, Callable[[pl.Series], pl.Series], str]]:
    """Return what the schema holds a column to: the key that says so, which values break it, and how to say it."""
    values = [text_of_value(one) for one in column.get("values") or ()]
    pattern = re.compile(column.get("pattern") or "")
    laws: list[tuple[str, Callable[[pl.Series], pl.Series], str]] = []
    if not column["nullable"]:
        laws.append(("nullable", lambda found: found.is_null(), "is missing, and it must not be"))
    if column["type"] == "array":
        return [
            ("min", lambda found: _ends(found, "min") < column["min"], f"holds a number below the minimum {column.get('min')}"),
            ("max", lambda found: _ends(found, "max") > column["max"], f"holds a number above the maximum {column.get('max')}"),
        ]
    if column["type"] == "integer":
        laws.append(("type", lambda found: found != found.round(), "is not a whole number"))
    laws += [
        ("min", lambda found: found < _limit(column["min"], found), f"is below the minimum {column.get('min')}"),
        ("max", lambda found: found > _limit(column["max"], found), f"is above the maximum {column.get('max')}"),
        ("values", lambda found: ~_words(found).is_in(values), f"is none of {', '.join(str(one) for one in values)}"),
        ("pattern", lambda found: ~_matches(found, pattern), f"does not match {column.get('pattern')}"),
    ]
    return laws


def _ends(arrays: pl.Series, end: str) -> pl.Series:
    """Return the least, or the largest, number of each array."""
    numbers = arrays.to_numpy()
    return pl.Series(getattr(numbers, end)(axis=tuple(range(1, numbers.ndim))))


def _limit(limit: Any, found: pl.Series) -> Any:
    """Return a declared limit as a value of the column: dates are written as text in a spec."""
    return (
        pl.Series([limit]).str.to_datetime().cast(found.dtype)[0]
        if isinstance(limit, str) and found.dtype.is_temporal()
        else limit
    )


def _words(found: pl.Series) -> pl.Series:
    return pl.Series([text_of_value(one) for one in found.to_list()], dtype=pl.String)


def _matches(found: pl.Series, pattern: re.Pattern[str]) -> pl.Series:
    return pl.Series([None if one is None else bool(pattern.fullmatch(str(one))) for one in found.to_list()], dtype=pl.Boolean)


def load(package: Path | str) -> Predictor:
    """Load a package that `mlspec.runtime.package` wrote, from a place you trust: the model is a pickle, which can run code."""
    place = Path(package)
    if not (place / "package.json").is_file():
        raise Problem(Finding("not-a-package", f"{place.name!r} is no package: it has no package.json"))
    code = place / "code"
    if code.is_dir() and str(code.resolve()) not in sys.path:
        sys.path.append(str(code.resolve()))
    try:
        model = pickled.read(place / "model.joblib")
    except (ImportError, OSError) as error:
        message = f"the model of {place.name!r} cannot be loaded here: {error}"
        raise Problem(Finding("missing-library", message, help="install the package's requirements.txt")) from None
    return Predictor(model, read_json(place / "schema.json"), read_json(place / "package.json"))


def predict_file(package: Path | str, data: Path | str) -> str:
    """Predict for each row of a CSV or Parquet file; return CSV.

    What stands for a missing value in CSV is what the spec's own sources say.
    """
    predictor, place = load(package), Path(data)
    try:
        with place.open("rb") as file:
            parquet = file.read(4) == b"PAR1"
    except OSError as error:
        raise Problem(Finding("missing-file", f"{place}: {error.strerror}")) from None
    sources = (read_json(Path(package) / "spec.json").get("data") or {}).get("sources") or {}
    blanks = sorted({text for source in sources.values() for text in source.get("null_values") or ()})
    try:
        rows = pl.read_parquet(place) if parquet else pl.read_csv(place, infer_schema=False, null_values=["", *blanks])
    except pl.exceptions.PolarsError as error:
        raise Problem(Finding("not-a-table", f"{place} is neither CSV nor Parquet: {str(error).splitlines()[0]}")) from None
    told: str = predictor.predict(rows).write_csv()
    return told
