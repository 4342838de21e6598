"""The local runner, on pipelines of the user's own steps: what runs, what does not, what is said, and what a kill leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MODULE = """
    import json, os, time
    from pathlib import Path

    def _note(name):
        with open("ran.txt", "a") as file:
            file.write(name + "\\n")

    def start(inputs, outputs, name, value=1):
        _note(name)
        outputs["number"].write_text(json.dumps(value))

    def add(inputs, outputs, name, more=1, wait=0.0, fail=False, flaky=False):
        _note(name)
        print("this is", name)
        time.sleep(wait)
        if fail:
            raise ValueError("told to fail")
        if flaky and not Path("tried.txt").exists():
            Path("tried.txt").write_text("once")
            raise RuntimeError("not yet")
        total = sum(json.loads(path.read_text()) for path in inputs.values())
        outputs["number"].write_text(json.dumps(total + more))
        return {"total": total + more}

    def meet(inputs, outputs, name):
        Path(f"here-{name}").touch()
        deadline = time.monotonic() + 20
        while len(list(Path().glob("here-*"))) < 2:
            if time.monotonic() > deadline:
                raise RuntimeError("nobody came")
            time.sleep(0.01)
        outputs["number"].write_text("1")

    def kill_self(inputs, outputs, name):
        _note(name)
        if not Path("killed.txt").exists():
            Path("killed.txt").write_text("yes")
            os.kill(os.getpid(), 9)
        outputs["number"].write_text("0")
"""


def project(folder: Path, steps: dict[str, dict[str, object]], **sections: object) -> Path:
    """Write a spec of own steps; each takes the `number` of those named in `needs`."""
    told = {}
    for name, step in steps.items():
        step = dict(step)
        needs = step.pop("needs", [])
        function = step.pop("function", "add" if needs else "start")
        params = {"name": name, **step.pop("params", {})}  # type: ignore[dict-item]
        told[name] = {
            "entrypoint": f"work:{function}",
            "inputs": {f"in_{need}": f"{need}.number" for need in needs},  # type: ignore[attr-defined]
            "outputs": {"number": "file"},
            "params": params,
            **step,
        }
    (folder / "work.py").write_text(textwrap.dedent(MODULE))
    spec = folder / "spec.yaml"
    spec.write_text(json.dumps({"mlspec": 1, "project": {"name": "steps"}, "steps": told, **sections}, indent=1))
    return spec


def mlspec(folder: Path, *arguments: str, check: int | None = 0) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run([sys.executable, "-m", "mlspec", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    if check is not None:
        assert ended.returncode == check, ended.stdout + ended.stderr
    return ended


def ran(folder: Path) -> list[str]:
    file = folder / "ran.txt"
    names = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return names


DIAMOND: dict[str, dict[str, object]] = {"a": {}, "b": {"needs": ["a"]}, "c": {"needs": ["a"]}, "d": {"needs": ["b", "c"]}}


def outcome(ended: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {name: step["state"] for name, step in json.loads(ended.stdout)["steps"].items()}


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    spec = project(tmp_path, DIAMOND)
    mlspec(tmp_path, "run", spec.name)
    assert sorted(ran(tmp_path)) == ["a", "b", "c", "d"]
    again = mlspec(tmp_path, "run", spec.name)
    assert ran(tmp_path) == []
    assert "nothing to do" in again.stdout
    told = mlspec(tmp_path, "run", spec.name, "--json")  # not answered from the receipt
    assert set(outcome(told).values()) == {"cached"}


def test_what_changed_is_run_and_said(tmp_path: Path) -> None:
    spec = project(tmp_path, DIAMOND)
    mlspec(tmp_path, "run", spec.name)
    ran(tmp_path)
    told = mlspec(tmp_path, "run", spec.name, "--set", "steps.b.params.more=5")
    assert ran(tmp_path) == ["b", "d"]
    assert "more: null -> 5" in told.stdout
    assert "input in_b changed" in told.stdout


def test_edited_code_runs_again(tmp_path: Path) -> None:
    spec = project(tmp_path, DIAMOND)
    mlspec(tmp_path, "run", spec.name)
    ran(tmp_path)
    (tmp_path / "work.py").write_text((tmp_path / "work.py").read_text() + "\n# edited\n")
    told = mlspec(tmp_path, "run", spec.name)
    assert "your code work.py changed" in told.stdout
    assert ran(tmp_path)[0] == "a"


def test_a_failure_stops_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    steps = {"a": {}, "bad": {"needs": ["a"], "params": {"fail": True}}, "after": {"needs": ["bad"]}, "other": {"needs": ["a"]}}
    spec = project(tmp_path, steps)
    told = mlspec(tmp_path, "run", spec.name, "--json", check=1)
    assert outcome(told) == {"a": "succeeded", "bad": "failed", "after": "skipped", "other": "succeeded"}
    [fault] = json.loads(told.stdout)["diagnostics"]
    assert "told to fail" in fault["message"]
    assert fault["file"].endswith("spec.yaml")
    text = mlspec(tmp_path, "run", spec.name, check=1)
    assert "told to fail" in text.stderr
    assert "spec.yaml:" in text.stderr


def test_retries(tmp_path: Path) -> None:
    spec = project(tmp_path, {"a": {}, "b": {"needs": ["a"], "params": {"flaky": True}, "retries": 1}})
    assert outcome(mlspec(tmp_path, "run", spec.name, "--json")) == {"a": "succeeded", "b": "succeeded"}
    assert ran(tmp_path).count("b") == 2


def test_a_time_limit_stops_the_step(tmp_path: Path) -> None:
    spec = project(tmp_path, {"a": {}, "slow": {"needs": ["a"], "params": {"wait": 60}, "timeout": "1 s"}})
    started = time.monotonic()
    told = mlspec(tmp_path, "run", spec.name, "--json", check=1)
    assert time.monotonic() - started < 30
    assert outcome(told) == {"a": "succeeded", "slow": "failed"}
    assert "limit of 1 s" in json.loads(told.stdout)["diagnostics"][0]["message"]


def test_branches_run_side_by_side(tmp_path: Path) -> None:
    steps: dict[str, dict[str, object]] = {"a": {}, "b": {"needs": ["a"]}, "c": {"needs": ["a"]}}
    for step in ("b", "c"):
        steps[step]["function"] = "meet"  # each waits until the other has begun: one after the other would never end
    told = json.loads(mlspec(tmp_path, "run", project(tmp_path, steps).name, "--json", "--workers", "2").stdout)
    assert told["state"] == "succeeded"


def test_logs_are_per_step(tmp_path: Path) -> None:
    told = json.loads(mlspec(tmp_path, "run", project(tmp_path, DIAMOND).name, "--json").stdout)
    assert "this is b" in (tmp_path / told["folder"] / "logs" / "b.log").read_text()
    assert "this is" not in mlspec(tmp_path, "run", "spec.yaml", "--force", "all").stdout


@pytest.mark.parametrize("victim", ["a", "b", "c", "d"])
def test_killed_at_each_step_and_resumed(tmp_path: Path, victim: str) -> None:
    """SIGKILL inside each step in turn: what was finished is not run again, and the result is that of a run left alone."""
    chain: dict[str, dict[str, object]] = {
        "a": {"function": "kill_self"},
        "b": {"needs": ["a"]},
        "c": {"needs": ["b"]},
        "d": {"needs": ["c"]},
    }
    for name, step in chain.items():
        if name == victim:
            step["function"] = "kill_self"
        elif name == "a":
            step["function"] = "start"
    spec = project(tmp_path, chain)
    ended = mlspec(tmp_path, "run", spec.name, "--json", check=None)
    assert ended.returncode == -signal.SIGKILL
    before = ran(tmp_path)
    finished = before[:-1]
    told = json.loads(mlspec(tmp_path, "run", spec.name, "--json").stdout)
    after = ran(tmp_path)
    assert not set(finished) & set(after), "a finished step ran again"
    assert told["folder"].endswith("run_001"), "the interrupted run goes on in its folder"
    assert {name: step["state"] for name, step in told["steps"].items()} == {
        name: "cached" if index < list(chain).index(victim) else "succeeded" for index, name in enumerate(chain)
    }
    assert not list((tmp_path / ".mlspec" / "tmp").iterdir())


@pytest.mark.slow
def test_killed_from_outside_at_any_moment(tmp_path: Path) -> None:
    """Kills spread over a run: the store never names what is not there, and the end is the same."""
    steps: dict[str, dict[str, object]] = {
        f"s{i}": {"needs": [f"s{i - 1}"], "params": {"wait": 0.05}} if i else {} for i in range(6)
    }
    spec = project(tmp_path, steps)
    for delay in (0.15, 0.3, 0.4, 0.5, 0.6):
        process = subprocess.Popen(
            [sys.executable, "-m", "mlspec", "run", spec.name, "--json"], cwd=tmp_path, stdout=subprocess.PIPE
        )
        time.sleep(delay)
        process.kill()
        process.wait()
        for record in (tmp_path / ".mlspec" / "steps").glob("*.json"):
            for digest in json.loads(record.read_text())["outputs"].values():
                assert (tmp_path / ".mlspec" / "objects" / digest[:2] / digest).exists()
    told = json.loads(mlspec(tmp_path, "run", spec.name, "--json").stdout)
    assert told["state"] == "succeeded"
    last = json.loads((tmp_path / told["folder"] / "run.json").read_text())["steps"]["s5"]
    assert last["facts"] == {"total": 6}


def test_interrupt_keeps_what_is_finished(tmp_path: Path) -> None:
    spec = project(tmp_path, {"a": {}, "slow": {"needs": ["a"], "params": {"wait": 30}}})
    process = subprocess.Popen(
        [sys.executable, "-m", "mlspec", "run", spec.name], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "ran.txt").exists() or "slow" not in (tmp_path / "ran.txt").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    ran(tmp_path)
    mlspec(tmp_path, "run", spec.name, "--set", "steps.slow.params.wait=0")
    assert ran(tmp_path) == ["slow"]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ({"a": {"inputs": {"x": "nothing.here"}}}, "there is no step `nothing`"),
        ({"a": {}, "b": {"inputs": {"x": "a.wrong"}}}, "no output `wrong`"),
        ({"a": {"inputs": {"x": "b.number"}}, "b": {"inputs": {"x": "a.number"}}}, "wait for each other"),
        ({"a": {"entrypoint": "absent:function"}}, "cannot import 'absent'"),
        ({"a": {"entrypoint": "work:absent"}}, "has no 'absent'"),
    ],
)
def test_bad_wiring_is_told_at_the_step(tmp_path: Path, steps: dict[str, dict[str, object]], said: str) -> None:
    spec = project(tmp_path, steps)
    ended = mlspec(tmp_path, "run", spec.name, check=1)
    assert said in ended.stderr
    assert "spec.yaml:" in ended.stderr
