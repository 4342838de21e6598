"""Ten tasks in a chain on Prefect, each with its file and a persisted result, on the server of PREFECT_API_URL."""

import sys
import tempfile
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from work import step


@task(
    persist_result=True,
    result_serializer="json",
    cache_policy=NO_CACHE,
    log_prints=True,
)
def number(index: int, place: str, fits: int, before: str | None = None) -> str:
    """Add one to a number."""
    target = Path(place) / str(index)
    facts = step({"number": Path(before)} if before else {}, {"number": target}, fits)
    rows = [{"fact": name, "value": value} for name, value in facts.items()]
    create_table_artifact(key=f"number-{index}", table=rows)
    return str(target)


@flow
def by_hand(fits: int, place: str):
    """Chain ten tasks."""
    futures = [number.submit(0, place, fits)]
    for index in range(1, 10):
        futures.append(number.submit(index, place, fits, futures[-1]))
    return [future.result() for future in futures]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        by_hand(int(sys.argv[1]), place)
