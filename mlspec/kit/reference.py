"""Runs a spec with the local runner and leaves outcome.json, as an emitted project's `run.py` does: what others are held to."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run the spec `--spec`; return 0 where every step succeeded, else 1."""
    from mlspec import build, local, runner
    from mlspec.store import Store

    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("spec", "workspace", "data-root", "registry-root", "approvals-root"):
        parser.add_argument(f"--{name}", required=True)
    chosen = parser.parse_args(arguments)
    opened = build.open_spec(Path(chosen.spec))
    pipeline = build.pipeline_of(opened)
    workspace = Path(chosen.workspace)
    store = Store(workspace / "store")
    sys.path.insert(0, str(opened.folder))
    roots = {"data_root": chosen.data_root, "registry_root": chosen.registry_root, "approvals_root": chosen.approvals_root}
    result = runner.run(pipeline, store, roots, wait_approvals=True)
    outcome = {
        "state": "succeeded" if result.succeeded else "failed",
        "steps": {name: ended.state for name, ended in result.steps.items()},
        "artifacts": {name: str(place) for name, place in local.artifacts(store, result)},
    }
    (workspace / "outcome.json").write_text(json.dumps(outcome), encoding="utf-8")
    for fault in result.faults:
        sys.stdout.write(f"{fault}\n")
    return 0 if result.succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
