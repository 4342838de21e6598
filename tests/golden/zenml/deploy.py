"""Runs the pipeline on the stack that is set in ZenML."""

import argparse
import os
import sys
from pathlib import Path

from breast_cancer_pipeline import pipeline

ROOT = Path(__file__).resolve().parent


def main() -> None:
    """Hand the pipeline to ZenML, with the images that production.yaml describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data-root",
        dest="data_root",
        default=".",
        help="Directory that the paths of the data sources are relative to.",
    )
    parser.add_argument(
        "--registry-root",
        dest="registry_root",
        default="registry",
        help="Directory of the model registry.",
    )
    arguments = vars(parser.parse_args())
    os.chdir(ROOT)  # production.yaml names files that lie here
    sys.path.insert(0, str(ROOT / "src"))
    chosen = pipeline.breast_cancer_pipeline
    configured = chosen.with_options(config_path="production.yaml")
    configured(**arguments)


if __name__ == "__main__":
    main()
