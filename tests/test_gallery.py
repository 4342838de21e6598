"""The gallery's promises: each spec lints clean, and its gates are where a plain scikit-learn script of the same model gets."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from mlspec import build
from mlspec.metrics import CATALOGUE

ROOT = Path(__file__).parent.parent
SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.yaml"))


def reference() -> Any:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "specs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", SPECS)
def test_lints_clean(name: str) -> None:
    opened = build.open_spec(ROOT / "specs" / f"{name}.yaml")
    assert opened.diagnostics == ()
    assert opened.project is not None


def test_what_is_asked_for_is_there() -> None:
    assert {"churn", "wine-quality", "temperatures", "breast-cancer"} <= set(SPECS)
    assert set(reference().SCRIPTS) == set(SPECS)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_targets_are_what_a_plain_script_gets(name: str) -> None:
    """No gate is looser than the script's mean less two standard deviations, nor stricter than its mean."""
    found = reference().summary(name, 12)
    project = build.open_spec(ROOT / "specs" / f"{name}.yaml").checked()
    assert {wanted.metric for wanted in project.requirements.metrics} <= set(found)
    for wanted in project.requirements.metrics:
        sign = 1 if CATALOGUE[wanted.metric].greater_is_better else -1
        mean, std = found[wanted.metric]["mean"], max(found[wanted.metric]["std"], 0.02 * abs(found[wanted.metric]["mean"]))
        assert sign * wanted.target.value >= sign * mean - 2 * std, f"{wanted.metric}: a plain script gets {mean:.3f} ± {std:.3f}"
        assert sign * wanted.target.value <= sign * mean + 0.5 * std, (
            f"{wanted.metric}: a plain script gets {mean:.3f} ± {std:.3f}"
        )
