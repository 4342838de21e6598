"""HDF5 files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.sources._source import Source


class Hdf5(Source):
    """A table inside an HDF5 file."""

    realised = False

    kind: Literal["hdf5"] = "hdf5"
    path: str = Field(description="The file, relative to the data root.", min_length=1)
    dataset: str = Field(description="The path of the table inside the file.", min_length=1)


MEMBER = Hdf5
