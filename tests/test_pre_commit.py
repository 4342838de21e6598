"""The hooks, as the real pre-commit installs and runs them on a repository; packages come from a folder, not from an index."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WHEELS = ROOT / "build" / "wheelhouse"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="pre-commit clones a git repository"),
]


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    assert (WHEELS / ".done").exists(), "`make envs` fills build/wheelhouse"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "GIT_", "VIRTUAL_ENV"))}
    home = tmp_path_factory.mktemp("pre-commit-home")
    return kept | {"PRE_COMMIT_HOME": str(home), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS), "PRE_COMMIT_COLOR": "never"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "good.yaml").write_bytes((ROOT / "specs" / "churn.yaml").read_bytes())
    (tmp_path / "values.yaml").write_text("replicas: 2\n", encoding="utf-8")
    git(tmp_path, "add", "--all")
    return tmp_path


def hook(repository: Path, environment: dict[str, str], name: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pre_commit", "try-repo", str(ROOT), name, "--all-files", "--verbose", *words]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)


def test_hooks(repository: Path, environment: dict[str, str]) -> None:
    clean = hook(repository, environment, "mlspec-lint")
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert "1 spec checked" in clean.stdout, "values.yaml is no spec, and not asked about"
    formatted = hook(repository, environment, "mlspec-fmt")
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr

    spec = repository / "specs" / "good.yaml"
    spec.write_text(spec.read_text(encoding="utf-8").replace("strategy:", "strategie:"), encoding="utf-8")
    git(repository, "add", "--all")
    faulty = hook(repository, environment, "mlspec-lint")
    assert faulty.returncode == 1, faulty.stdout + faulty.stderr
    assert "unknown-key" in faulty.stdout
    assert "did you mean `strategy`?" in faulty.stdout
