"""Emission is pure: the same spec gives the same bytes whatever the order of its keys, the process, the place or the clock."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlspec import backend, build
from mlspec.layers import load

ROOT = Path(__file__).parent.parent
SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.yaml"))
BACKENDS = backend.names()
TRACE = "trace.json"
"""It tells lines of the spec: another order of keys is another line."""

EMIT = """
import hashlib, sys
from pathlib import Path
for name in ("kfp", "prefect", "zenml", "airflow", "polars", "sklearn", "numpy"):
    sys.modules[name] = None  # as if it were not installed
from mlspec import backend, build
opened = build.open_spec(Path(sys.argv[1]))
pipeline = build.pipeline_of(opened)
for name in backend.names():
    print(name, hashlib.sha256(repr(sorted(build.bundle_of(pipeline, name).files.items())).encode()).hexdigest())
"""


def shuffled(value: Any, dice: random.Random) -> Any:
    """The same data with the keys of every mapping in another order."""
    if isinstance(value, dict):
        keys = list(value)
        dice.shuffle(keys)
        return {key: shuffled(value[key], dice) for key in keys}
    return [shuffled(one, dice) for one in value] if isinstance(value, list) else value


def emitted(spec: Path, *without: str) -> dict[str, str]:
    pipeline = build.pipeline_of(build.open_spec(spec))
    files = {name: build.bundle_of(pipeline, name).files for name in BACKENDS}
    return {
        name: hashlib.sha256(
            repr(sorted((path, text) for path, text in found.items() if path not in without)).encode()
        ).hexdigest()
        for name, found in files.items()
    }


@pytest.mark.parametrize("name", SPECS)
def test_the_order_of_keys_does_not_matter(name: str, tmp_path: Path) -> None:
    original = ROOT / "specs" / f"{name}.yaml"
    reference = emitted(original, TRACE)
    data = load(original).data
    for seed in range(3):
        other = tmp_path / f"{seed}.yaml"
        other.write_text(json.dumps(shuffled(data, random.Random(seed))))
        assert emitted(other, TRACE) == reference


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_process_place_and_time_do_not_matter(name: str, tmp_path: Path) -> None:
    """Other hash seeds, time zones, locales and directories; and no orchestrator, not even Polars, installed."""
    spec = ROOT / "specs" / f"{name}.yaml"
    copy = tmp_path / "else where" / spec.name
    copy.parent.mkdir()
    copy.write_bytes(spec.read_bytes())
    reference = "".join(f"{one} {digest}\n" for one, digest in emitted(spec).items())
    for seed, zone, path in (("1", "UTC", spec), ("4711", "Asia/Tokyo", copy)):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C", "USER": "somebody"}
        command = [sys.executable, "-c", EMIT, str(path)]
        ended = subprocess.run(command, cwd=copy.parent, env=environment, capture_output=True, text=True, check=False)
        assert ended.stdout == reference, ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKENDS)
def test_compile_keeps_what_the_user_edited(name: str, tmp_path: Path) -> None:
    def compile_again(*words: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "mlspec",
            "compile",
            str(ROOT / "specs" / "breast-cancer.yaml"),
            "--backend",
            name,
            "-o",
            "out",
            *words,
        ]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    first = compile_again()
    assert first.returncode == 0, first.stderr
    assert compile_again("--check").returncode == 0
    assert " 0 files written" in compile_again().stdout
    readme = tmp_path / "out" / "README.md"
    readme.write_text("mine\n")
    assert compile_again("--check").returncode == 1
    again = compile_again()
    assert again.returncode == 0
    assert readme.read_text() == "mine\n"
    assert "README.md" in again.stdout
    assert "breast-cancer" in (tmp_path / "out" / "README.md.new").read_text()
