"""Folders of images, sounds or texts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlspec.sources._source import Source


class Folder(Source):
    """A folder of files: each file is a row, its path is a column, and its label is the folder it lies in or in its name."""

    realised = False
    today = "a run stops at `ingest`, which cannot read it; `kind: images` and `kind: audio` make rows of files"

    kind: Literal["folder"] = "folder"
    path: str = Field(description="The folder, relative to the data root.", min_length=1)
    pattern: str = Field("**/*", description="Which files count.", min_length=1)
    label: Literal["parent", "name", "none"] = Field("parent", description="Where a file's label stands.")


MEMBER = Folder
