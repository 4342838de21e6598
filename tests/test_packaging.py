"""The package works from a wheel, an sdist, an editable install and a bare checkout, and emits the same bytes from each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EMIT = """
import hashlib, sys
sys.path[:0] = [path for path in sys.argv[2:]]
import mlspec
from mlspec import backend
sys.path.append(sys.argv[1])
from tests.pipelines import breast_cancer
assert {"kfp", "prefect", "zenml"} <= set(backend.names()), backend.names()
for name in ("kfp", "prefect", "zenml"):
    files = backend.load(name).emit(breast_cancer()).files
    print(name, len(files), hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest())
"""


def run(*words: str | Path, cwd: Path, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    ended = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False, env=clean | environment
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git would give: the tracked files and those that it does not ignore."""
    target = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file() and not name.startswith("specs/data"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    if not listed:
        pytest.skip("this is not a git checkout")
    return target


@pytest.fixture(scope="session")
def emitted(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The bytes a bare checkout emits: no install, only its path."""
    return run(sys.executable, "-S", "-c", EMIT, checkout, checkout, *_libraries(), cwd=tmp_path_factory.mktemp("bare"))


def _libraries() -> list[str]:
    return [path for path in sys.path if path.endswith("site-packages")]


def _build(checkout: Path, target: Path, *what: str) -> Path:
    script = "import hatchling.build as b, os, sys; os.chdir(sys.argv[1]); print(getattr(b, 'build_' + sys.argv[3])(sys.argv[2]))"
    name = run(sys.executable, "-c", script, checkout, target, *what, cwd=target).split()[-1]
    return target / name


@pytest.mark.slow
def test_wheel(checkout: Path, emitted: str, tmp_path: Path) -> None:
    wheel = _build(checkout, tmp_path, "wheel")
    names = zipfile.ZipFile(wheel).namelist()
    assert "mlspec/backends/kubeflow.py" in names
    assert any(name.startswith("mlspec/templates/report/") for name in names)
    assert "mlspec/requirements/kfp.txt" in names
    assert {f"mlspec/devices/{file.name}" for file in (ROOT / "mlspec" / "devices").glob("*.yaml")} <= set(names)
    assert not [name for name in names if name.startswith(("tests", "specs", "backends/"))]
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    assert run(sys.executable, "-S", "-c", EMIT, checkout, tmp_path / "installed", *_libraries(), cwd=tmp_path) == emitted


@pytest.mark.slow
def test_sdist_builds_the_same_wheel(checkout: Path, emitted: str, tmp_path: Path) -> None:
    sdist = _build(checkout, tmp_path, "sdist")
    shutil.unpack_archive(sdist, tmp_path / "unpacked", filter="data")
    [source] = (tmp_path / "unpacked").iterdir()
    zipfile.ZipFile(_build(source, tmp_path, "wheel")).extractall(tmp_path / "installed")
    assert run(sys.executable, "-S", "-c", EMIT, checkout, tmp_path / "installed", *_libraries(), cwd=tmp_path) == emitted


@pytest.mark.slow
def test_editable(checkout: Path, emitted: str, tmp_path: Path) -> None:
    wheel = _build(checkout, tmp_path, "editable")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    [pth] = (tmp_path / "installed").glob("*.pth")
    places = pth.read_text().split()
    assert run(sys.executable, "-S", "-c", EMIT, checkout, *places, *_libraries(), cwd=tmp_path) == emitted


@pytest.mark.slow
def test_mlspec_makes_its_own_wheel(checkout: Path, emitted: str, tmp_path: Path) -> None:
    """`mlspec wheel` gives, byte for byte every time, a wheel that emits what we emit."""
    first = run(sys.executable, "-m", "mlspec", "wheel", "-o", tmp_path / "one", cwd=tmp_path).strip()
    second = run(sys.executable, "-m", "mlspec", "wheel", "-o", tmp_path / "two", cwd=tmp_path).strip()
    assert Path(first).read_bytes() == Path(second).read_bytes()
    zipfile.ZipFile(first).extractall(tmp_path / "installed")
    assert run(sys.executable, "-S", "-c", EMIT, checkout, tmp_path / "installed", *_libraries(), cwd=tmp_path) == emitted


def test_core_dependencies_are_five() -> None:
    import tomllib

    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert sorted(name.split(">")[0].split("<")[0] for name in told["dependencies"]) == [
        "click",
        "jinja2",
        "pydantic",
        "pyyaml",
        "unidiff",
    ]
