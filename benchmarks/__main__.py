"""Measure all that is promised, and print one JSON: `python -m benchmarks [ROWS]`. Exit code 1 where a promise is not kept.

ROWS is the size of the table for ingest, validate and split: ten million unless another number is given, 0 to leave it out.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import backends, data_10m, lint, overhead, trivial_steps
from benchmarks.measure import ENVIRONMENT

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ROOT / ".venv" / "bin" / "python"
"""What runs the exports' benchmark: the libraries of models and runtimes are not in the benchmarks' own environment."""


def table(rows: int) -> dict[str, Any]:
    """Run the benchmark of the data steps."""
    command = [sys.executable, data_10m.__file__, "--rows", str(rows)]
    told = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True).stdout
    return dict(json.loads(told))


def edge() -> dict[str, Any]:
    """Run the benchmark of exports where their libraries are: the environment of the tests. One thread, from the start."""
    if not LIBRARIES.exists():
        return {}
    words = [str(LIBRARIES), "-m", "benchmarks.edge"]
    told = subprocess.run(
        words, cwd=ROOT, env=ENVIRONMENT | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(told.stdout))


def main() -> int:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    told: dict[str, Any] = {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    }
    told["trivial_steps"] = trivial_steps.main()
    told["overhead"] = overhead.main()
    told["lint"] = lint.main(lint.NODE if lint.NODE.exists() else None)
    told["backends"] = backends.main()
    told["edge"] = edge()
    if rows:
        told["data"] = table(rows)
    print(json.dumps(told, indent=1))
    promises = [one for part in told.values() for one in part.get("promises", ())]
    return int(not all(one["kept"] for one in promises))


if __name__ == "__main__":
    sys.exit(main())
