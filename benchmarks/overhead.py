"""`mlspec run` on the churn spec against a script that does the same work by hand with the same libraries, in turn.

The script reads, checks, splits by hash, imputes, scales and encodes, fits logistic regression and a dummy, cross-validates in five folds,
scores three splits with bootstrap intervals and slices, permutes columns, draws the same figures and writes the same files. It has no spec,
no cache, no decision, no packaging: the ratio is what those cost.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Command, in_turn

ROOT = Path(__file__).parent.parent


def measure(rounds: int = 5) -> dict[str, float]:
    """CPU seconds of both."""
    with tempfile.TemporaryDirectory(prefix="mlspec-bench-") as name:
        top = Path(name)

        def fresh() -> None:
            shutil.rmtree(top / ".mlspec", ignore_errors=True)
            shutil.rmtree(top / "runs", ignore_errors=True)

        commands = {
            "script": Command([sys.executable, str(ROOT / "benchmarks" / "churn_by_hand.py"), str(ROOT / "specs" / "data"), "out"], top),
            "mlspec": Command([sys.executable, "-m", "mlspec", "run", str(ROOT / "specs" / "churn.yaml"), "--quiet"], top, fresh),
        }
        (top / "out").mkdir()
        return {tool: cost.cpu for tool, cost in in_turn(commands, rounds).items()}


def report(told: dict[str, float]) -> dict[str, float]:
    """The ratio that is promised."""
    return {"run / script (<= 1.15)": told["mlspec"] / told["script"]}


if __name__ == "__main__":
    figures = measure()
    print(json.dumps({"cpu_seconds": figures, "ratios": report(figures)}, indent=1))
