"""What is emitted is compared with what lies in tests/golden, byte for byte: a change of a template shows in a diff that is read.

`pytest tests/test_golden.py --update-golden` (`make golden`) writes it anew. One small spec is kept whole for each backend; of the
others the digest of each file is kept. The lock is left out: it changes with `make lock`, and is compared with that.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from pathlib import Path

import pytest

from mlspec import build, ops
from mlspec.bundle import lock
from mlspec.ir import Pipeline

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden"
SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.yaml"))
BACKENDS = ("kfp", "prefect", "zenml", "airflow")
WHOLE = "breast-cancer"
LOCK = "requirements.txt"


@pytest.fixture(scope="module", params=SPECS)
def lowered(request: pytest.FixtureRequest) -> tuple[str, Pipeline]:
    opened = build.open_spec(ROOT / "specs" / f"{request.param}.yaml")
    assert opened.diagnostics == ()
    return request.param, build.pipeline_of(opened)


def emitted(pipeline: Pipeline, backend: str) -> dict[str, str]:
    files = dict(build.bundle_of(pipeline, backend).files)
    assert files.pop(LOCK) == lock(backend, *ops.extras(pipeline))
    return files


def kept(backend: str) -> dict[str, str]:
    """The files that are kept whole. Bytes, so that no end of a line is changed on the way."""
    top = GOLDEN / backend
    return {file.relative_to(top).as_posix(): file.read_bytes().decode() for file in sorted(top.rglob("*")) if file.is_file()}


def keep(backend: str, files: dict[str, str]) -> None:
    top = GOLDEN / backend
    for path in kept(backend).keys() - files.keys():
        (top / path).unlink()
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(text.encode())


@pytest.mark.parametrize("backend", BACKENDS)
def test_digests(lowered: tuple[str, Pipeline], backend: str, request: pytest.FixtureRequest) -> None:
    spec, pipeline = lowered
    found = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in emitted(pipeline, backend).items()}
    place = GOLDEN / f"{spec}.json"
    known = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    if request.config.getoption("--update-golden"):
        known[backend] = found
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    differ = sorted(path for path in found.keys() | known[backend].keys() if found.get(path) != known[backend].get(path))
    assert not differ, f"emitted anew for {backend}: {', '.join(differ)}; if that is meant: make golden"


@pytest.mark.parametrize("backend", BACKENDS)
def test_whole_project(backend: str, request: pytest.FixtureRequest) -> None:
    files = emitted(build.pipeline_of(build.open_spec(ROOT / "specs" / f"{WHOLE}.yaml")), backend)
    if request.config.getoption("--update-golden"):
        keep(backend, files)
    golden = kept(backend)
    assert files.keys() == golden.keys(), "if that is meant: make golden"
    for path, text in files.items():
        lines = difflib.unified_diff(golden[path].splitlines(), text.splitlines(), f"golden/{path}", path, lineterm="", n=1)
        assert text == golden[path], "\n".join([*list(lines)[:60], "if that is meant: make golden"])


def test_digests_are_kept_of_each_spec_and_of_no_other() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == SPECS
