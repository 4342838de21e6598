"""Ten tasks in a chain on Kubeflow Pipelines, run by kfp.local: one component a step, an artifact between two."""

import os
import sys
import tempfile
from pathlib import Path

from kfp import dsl, local
from kfp.dsl import Artifact, Input, Output

FITS = int(sys.argv[1])


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def first(fits: int, number: Output[Artifact]):
    """Make the first number."""
    from pathlib import Path

    from work import step

    number.metadata.update(step({}, {"number": Path(number.path)}, fits))


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def following(fits: int, before: Input[Artifact], number: Output[Artifact]):
    """Add one to a number."""
    from pathlib import Path

    from work import step

    number.metadata.update(step({"number": Path(before.path)}, {"number": Path(number.path)}, fits))


@dsl.pipeline(name="by-hand")
def pipeline(fits: int):
    """Chain ten tasks."""
    task = first(fits=fits)
    for _ in range(9):
        task = following(fits=fits, before=task.outputs["number"])


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent)
    with tempfile.TemporaryDirectory() as place:
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=place)
        pipeline(fits=FITS)
