"""Runs the pipeline on the stack that is set in ZenML."""

import argparse
import os
import sys
from pathlib import Path

from zenml.client import Client
from zenml.stack import Stack

from breast_cancer_pipeline import configuration, pipeline

ROOT = Path(__file__).resolve().parent

HARDWARE = []
"""Steps that ask for cores, memory or accelerators."""


def main() -> int:
    """Check the configuration, the stack, then hand the pipeline to ZenML;
    return 2 where something is amiss and nothing was run."""
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
    parser.add_argument(
        "--config",
        dest="run configuration",
        default="production.yaml",
        help="the run configuration, a file beside this one",
    )
    parser.add_argument(
        "--check",
        dest="only check",
        action="store_true",
        help="say what is amiss, and run nothing",
    )
    arguments = vars(parser.parse_args())
    config = arguments.pop("run configuration")
    checking = arguments.pop("only check")
    os.chdir(ROOT)  # the configuration names files that lie here
    sys.path.insert(0, str(ROOT / "src"))
    found = configuration.faults(Path(config))
    if not found:
        for key in configuration.unchecked(Path(config)):
            print(f"deploy.py: {config}: {key} cannot be checked here", file=sys.stderr)
        stack = Client().active_stack
        found += lacking(stack, Path(config), scheduled=False)
    for told in found:
        print(f"deploy.py: {told}", file=sys.stderr)
    if found or checking:
        return 2 if found else 0
    chosen = pipeline.breast_cancer_pipeline
    configured = chosen.with_options(config_path=config)
    configured(**arguments)
    return 0


def lacking(stack: Stack, config: Path, *, scheduled: bool) -> list[str]:
    """Say what the pipeline needs and the active stack has not."""
    runner = stack.orchestrator
    title = f"the orchestrator {runner.name} ({runner.flavor})"
    found = []
    if scheduled and not runner.config.is_schedulable:
        found.append(f"{title} takes no schedules: set a stack whose orchestrator does")
    if runner.config.is_remote:
        if stack.container_registry is None:
            found.append(f"{title} needs a container registry in the stack")
        if stack.image_builder is None and configuration.image_is_built(config):
            found.append(f"{title} needs an image builder in the stack")
        if stack.artifact_store.config.is_local:
            found.append(f"{title} needs an artifact store that it can reach")
        if Client().zen_store.is_local_store():
            found.append(f"{title} needs a ZenML server: zenml login")
    elif runner.config.is_local and HARDWARE:
        steps = f"{', '.join(HARDWARE[:3])}{' …' if len(HARDWARE) > 3 else ''}"
        told = f"{title} gives no step the hardware that it asks for: {steps}"
        print(f"deploy.py: {told}", file=sys.stderr)
    return found


if __name__ == "__main__":
    sys.exit(main())
