"""A clean, unchanged file is recognised before anything heavy is imported; whatever decides what lint says makes it look anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlspec import seen

ROOT = Path(__file__).parent.parent
CHURN = (ROOT / "specs" / "churn.yaml").read_text(encoding="utf-8")
REMEMBERS = "import sys; sys.modules.update({'click': None, 'pydantic': None, 'yaml': None})"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {
    "PYTHONPATH": str(ROOT),
    "PYTHONDONTWRITEBYTECODE": "1",  # else our own folder changes between the two runs
}


def lint(folder: Path, *words: str, before: str = "import sys") -> subprocess.CompletedProcess[str]:
    code = f"{before}; sys.argv = ['mlspec', 'lint', *{list(words)!r}]; from mlspec.__main__ import main; main()"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def remembered(folder: Path, *words: str) -> bool:
    """Say whether lint answers without click, pydantic and yaml."""
    ended = lint(folder, *words, before=REMEMBERS)
    return ended.returncode == 0 and "all good" in ended.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spec.yaml").write_text(CHURN, encoding="utf-8")
    ended = lint(tmp_path, "spec.yaml")
    assert ended.stdout == "1 spec checked: all good\n", ended.stdout + ended.stderr
    return tmp_path


def test_a_clean_file_is_remembered(folder: Path) -> None:
    assert remembered(folder, "spec.yaml")
    assert lint(folder, "spec.yaml", before=REMEMBERS).stdout == lint(folder, "spec.yaml").stdout


def test_what_changes_is_looked_at_anew(folder: Path) -> None:
    spec = folder / "spec.yaml"
    spec.write_text(CHURN.replace("strategy:", "strategie:"), encoding="utf-8")
    assert not remembered(folder, "spec.yaml")
    assert lint(folder, "spec.yaml").returncode == 1
    assert not remembered(folder, "spec.yaml"), "a finding is always found anew"
    spec.write_text(CHURN, encoding="utf-8")
    assert remembered(folder, "spec.yaml"), "the content counts, not the time"
    assert not remembered(folder, "spec.yaml", "--level", "warning"), "options take the long way"
    assert not remembered(folder, "spec.yaml", "other.yaml")


@pytest.mark.parametrize("table", ["[tool.mlspec]", '[tool."mlspec"]', "[ tool . mlspec ]"])
def test_settings_count_however_they_are_written_and_wherever(folder: Path, table: str) -> None:
    inner = folder / "inner"
    inner.mkdir()
    (inner / "spec.yaml").write_text(CHURN, encoding="utf-8")
    (inner / "pyproject.toml").write_text('[project]\nname = "a"\ndependencies = ["mlspec"]\n', encoding="utf-8")
    assert lint(inner, "spec.yaml").returncode == 0
    assert remembered(inner, "spec.yaml")
    (folder / "pyproject.toml").write_text(f'{table}\nlevel = "warning"\n', encoding="utf-8")
    assert not remembered(inner, "spec.yaml"), "the settings stand above a file that only names mlspec"


def test_settings_count(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.mlspec]\nseverity = {"no-alternatives" = "error"}\n', encoding="utf-8")
    assert not remembered(folder, "spec.yaml")
    (folder / "pyproject.toml").write_text("[tool.other]\n", encoding="utf-8")
    assert remembered(folder, "spec.yaml"), "settings of other tools do not"


def test_the_files_that_a_spec_extends_count(folder: Path) -> None:
    (folder / "base.yaml").write_text(CHURN, encoding="utf-8")
    (folder / "over.yaml").write_text("extends: base.yaml\nsplits: {seed: 8}\n", encoding="utf-8")
    assert lint(folder, "over.yaml").returncode == 0
    assert remembered(folder, "over.yaml")
    (folder / "base.yaml").write_text(CHURN.replace("strategy:", "strategie:"), encoding="utf-8")
    assert not remembered(folder, "over.yaml")


def test_a_file_whose_comment_may_expire_is_not_remembered(folder: Path) -> None:
    (folder / "spec.yaml").write_text(CHURN + "# mlspec: ignore-file[no-owner] until=2999-01-01\n", encoding="utf-8")
    lint(folder, "spec.yaml")
    assert not remembered(folder, "spec.yaml")


@pytest.mark.parametrize("content", ["", "mlspec lint 1\n", "mlspec lint 1\nold state\nabc\n", "\0\0", "x\ty\n"])
def test_a_broken_memory_is_no_memory(folder: Path, content: str) -> None:
    (folder / seen.INDEX).write_text(content, encoding="utf-8")
    assert not remembered(folder, "spec.yaml")
    assert lint(folder, "spec.yaml").stdout == "1 spec checked: all good\n"
    assert remembered(folder, "spec.yaml")
