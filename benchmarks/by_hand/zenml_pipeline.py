"""Ten steps in a chain on ZenML's local stack, each with a number as its artifact."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

from work import step as work
from zenml import log_metadata, pipeline, step


def add(before: int | None, fits: int) -> int:
    """Do the work on files, as every step does it."""
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place) / "before", Path(place) / "after"
        if before is not None:
            source.write_text(str(before))
        inputs = {} if before is None else {"number": source}
        log_metadata(metadata=work(inputs, {"number": target}, fits))
        return int(target.read_text())


@step(enable_cache=False)
def first(fits: int) -> Annotated[int, "number"]:
    """Make the first number."""
    return add(None, fits)


@step(enable_cache=False)
def following(before: int, fits: int) -> Annotated[int, "number"]:
    """Add one to a number."""
    return add(before, fits)


@pipeline
def by_hand(fits: int):
    """Chain ten steps."""
    number = first(fits)
    for index in range(9):
        number = following(number, fits, id=f"following_{index}")


if __name__ == "__main__":
    by_hand(int(sys.argv[1]))
