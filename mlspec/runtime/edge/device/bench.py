"""Measure the model that lies beside this file on this machine, and write result.json.

    python bench.py                    # then, where mlspec is: mlspec bench BUNDLE result.json

It needs what runner.py needs. It checks the files against SHA256SUMS, runs the sample rows, whose answers are known, and times
single predictions after a warm-up. Times are in milliseconds; memory is what the process grew by, in MiB.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import numpy as np  # noqa: E402
from runner import Model, Numbers, Run, check  # noqa: E402


def memory() -> float:
    """Return the most memory that this process has had so far, in MiB.

    Linux counts in ru_maxrss what the process that started this one had, too; VmHWM is this one's.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def timed(run: Run, row: Numbers, warm_up: int, seconds: float) -> Numbers:
    """Return how long each of many predictions of one row took, in seconds."""
    for _ in range(warm_up):
        run(row)
    took: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(took) < 50:
        start = time.perf_counter()
        run(row)
        took.append(time.perf_counter() - start)
    return np.array(took)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the model that lies beside this file on this machine.")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to measure")
    parser.add_argument("--warm-up", type=int, default=50, help="predictions before that")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="f32", choices=["f32", "default"], help="OpenVINO, Core ML: what it computes in")
    parser.add_argument("--out", default=str(HERE / "result.json"))
    given = parser.parse_args()
    wrong = check(HERE)
    before = memory()
    start = time.perf_counter()
    model = Model(threads=given.threads, precision=given.precision)
    loaded = time.perf_counter() - start
    samples = json.loads((HERE / "samples.json").read_text(encoding="utf-8"))
    fed = np.array(samples["fed"], dtype=object).astype(np.float32)
    answers = model.run(fed)
    off = float(np.abs(answers - np.array(samples["scores"], dtype=np.float64)).max())
    took = 1e3 * timed(model.run, fed[:1], given.warm_up, given.seconds)
    result = {
        "model": model.about["name"],
        "version": model.about["version"],
        "digest": model.about["digest"],
        "files_as_shipped": not wrong,
        "max_difference": off,
        "latency_ms": {name: round(float(np.percentile(took, share)), 6) for name, share in (("p50", 50), ("p95", 95))},
        "predictions": len(took),
        "warm_up": given.warm_up,
        "threads": given.threads,
        "precision": given.precision,
        "load_ms": round(1e3 * loaded, 3),
        "memory_mib": round(memory() - before, 2),
        "machine": platform.machine(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    Path(given.out).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    return int(bool(wrong))


def processor() -> str:
    """Return the processor's name, or the board's."""
    for place, mark in (("/proc/device-tree/model", ""), ("/proc/cpuinfo", "model name")):
        try:
            lines = Path(place).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith(mark):
                return line.partition(":")[2].strip() if mark else line.strip("\0 ")
    return platform.processor()


if __name__ == "__main__":
    sys.exit(main())
