"""SIGKILL at each step of a real spec, one after the other in the same store: no finished step runs again, and the end is the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# the local runner as `mlspec run` uses it, with a listener that kills the process when a step starts or ends
KILLER = """
import json, os, signal, sys
from pathlib import Path
from mlspec import build, local
victim, moment, spec = sys.argv[1:4]

class Listener:
    def __call__(self, event):
        with open("events.jsonl", "a") as file:
            file.write(json.dumps([event.step, event.state]) + "\\n")
        if (event.step, event.state) == (victim, moment):
            os.kill(os.getpid(), signal.SIGKILL)

    def close(self):
        pass

opened = build.open_spec(Path(spec))
local.run(opened, build.pipeline_of(opened), Listener(), runs=Path("runs"), workers=1)
"""


def run(folder: Path, victim: str, moment: str) -> tuple[int, list[list[str]]]:
    """Run until the victim's moment; return the exit code and what happened."""
    (folder / "events.jsonl").unlink(missing_ok=True)
    command = [sys.executable, "-c", KILLER, victim, moment, str(ROOT / "specs" / "breast-cancer.yaml")]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def shown(folder: Path) -> dict[str, bytes]:
    names = ("metrics.json", "predictions.parquet", "splits.json", "decision.json", "report.html", "model.joblib")
    return {name: (folder / "runs" / "breast-cancer" / "run_001" / name).read_bytes() for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["started", "succeeded"])
def test_killed_at_every_step(moment: str, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    code, events = run(tmp_path / "whole", "", "")
    assert code == 0
    steps = [step for step, state in events if state == "succeeded"]
    assert len(steps) >= 16
    finished: set[str] = set()
    for victim in steps:
        code, events = run(tmp_path / "killed", victim, moment)
        assert code == -signal.SIGKILL
        again = {step for step, state in events if state == "started"} & finished
        assert not again, f"{again} ran again after a kill at {victim}"
        finished |= {step for step, state in events if state in ("succeeded", "cached")}
    code, events = run(tmp_path / "killed", "", "")
    assert code == 0
    assert not {step for step, state in events if state == "started"} & finished
    assert shown(tmp_path / "killed") == shown(tmp_path / "whole")
    assert not list((tmp_path / "killed" / ".mlspec" / "tmp").iterdir())
