"""Ten tasks in a chain on Airflow, paths through XCom, run by `dag.test()` on the metadata base of AIRFLOW_HOME.

It lies in the folder of DAGs, where Airflow reads it again; the two variables tell it the same then.
"""

import os
import sys
import tempfile
from pathlib import Path

from airflow.sdk import dag, task
from work import step


@task
def number(index: int, place: str, fits: int, before: str | None = None) -> str:
    """Add one to a number."""
    target = Path(place) / str(index)
    step({"number": Path(before)} if before else {}, {"number": target}, fits)
    return str(target)


def by_hand(fits: int, place: str):
    """Return the graph of ten tasks."""

    @dag(dag_id="by_hand", schedule=None)
    def chain():
        path = number.override(task_id="number_0")(0, place, fits)
        for index in range(1, 10):
            path = number.override(task_id=f"number_{index}")(index, place, fits, path)

    return chain()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(BY_HAND_FITS=sys.argv[1], BY_HAND_PLACE=folder)
        by_hand(int(sys.argv[1]), folder).test()
else:
    found = by_hand(int(os.environ["BY_HAND_FITS"]), os.environ["BY_HAND_PLACE"])
