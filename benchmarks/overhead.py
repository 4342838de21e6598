"""`mlspec run` on the churn spec against a script that does the same work by hand with the same libraries, in turn.

    python -m benchmarks.overhead

What the script does and leaves out stands in `churn_by_hand.py`. It holds BLAS to one thread, as mlspec does: without that, as
most people would write it, threads wait for each other at full speed, and it costs a quarter to a half more. Both are measured;
the promise is about the cheaper one.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import Command, Promise, in_turn

ROOT = Path(__file__).parent.parent


def measure(rounds: int = 7) -> dict[str, float]:
    """CPU seconds of each."""
    with tempfile.TemporaryDirectory(prefix="mlspec-bench-") as name:
        top = Path(name)

        def fresh() -> None:
            shutil.rmtree(top / ".mlspec", ignore_errors=True)
            shutil.rmtree(top / "runs", ignore_errors=True)

        script = [sys.executable, str(ROOT / "benchmarks" / "churn_by_hand.py"), str(ROOT / "specs" / "data"), "out"]
        mlspec = [str(Path(sys.executable).parent / "mlspec"), "run", str(ROOT / "specs" / "churn.yaml"), "--quiet"]
        commands = {
            "script": Command(script, top),
            "script, BLAS as it comes": Command([*script, "--blas-as-it-comes"], top),
            "mlspec run": Command(mlspec, top, fresh),
        }
        (top / "out").mkdir()
        return {tool: cost.cpu for tool, cost in in_turn(commands, rounds).items()}


def main() -> dict[str, Any]:
    """Measure, and return figures and the promise."""
    figures = measure()
    promise = Promise("churn, mlspec run / script", figures["mlspec run"] / figures["script"], 1.15)
    return {"cpu_seconds": figures, "promises": [asdict(promise)]}


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
