"""The small data sets that come with scikit-learn."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from mlspec.entrypoint import imported
from mlspec.sources import Columns, Readable


class Sklearn(Readable):
    """A bundled data set as a table: features under scikit-learn's names, then `target`; a class is its name, not a number."""

    kind: Literal["sklearn"] = "sklearn"
    dataset: Literal["breast_cancer", "diabetes", "digits", "iris", "wine"] = Field(description="Which one.")

    def files(self, root: Path) -> list[Path]:
        return []

    def scan(self, root: Path, columns: Columns) -> Any:
        return self._table().lazy()

    def fingerprint(self, root: Path) -> str:
        return hashlib.sha256(self._table().write_csv().encode()).hexdigest()

    def _table(self) -> Any:
        datasets = imported("sklearn.datasets")  # and NumPy with it
        import numpy as np
        import polars as pl

        bunch: Any = getattr(datasets, f"load_{self.dataset}")()
        names = [str(name) for name in bunch.feature_names]
        table = pl.DataFrame({name: pl.Series(bunch.data[:, index]) for index, name in enumerate(names)})
        labels = bunch.get("target_names")
        target = (
            bunch.target if labels is None else np.asarray([str(label) for label in labels], dtype=object)[bunch.target].tolist()
        )
        return table.with_columns(target=pl.Series(target))


MEMBER = Sklearn
