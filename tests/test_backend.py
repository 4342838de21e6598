"""Backends by name: ours, plug-ins, and plug-ins that are broken."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from mlspec import backend
from mlspec.diagnostic import Problem

WHOLE = """
NAME, TITLE, REQUIRES, REALISES, LACKS = "mine", "Mine", (), {}, {}
def emit(pipeline): ...
def lacks(pipeline): return iter(())
"""


def plug_in(folder: Path, text: str, name: str = "mine", module: str = "mine_backend") -> None:
    """Lay down a distribution as an installer leaves it."""
    (folder / f"{module}.py").write_text(dedent(text))
    info = folder / f"{module}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[mlspec.backends]\n{name} = {module}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine_backend", raising=False)
    return tmp_path


def test_ours_come_first_and_a_plug_in_is_named_with_its_distribution(site: Path) -> None:
    plug_in(site, WHOLE)
    assert backend.names()[:3] == ("kfp", "prefect", "zenml")
    assert "mine" in backend.names()
    assert backend.load("mine").TITLE == "Mine"
    assert (backend.origin("mine"), backend.origin("kfp")) == ("mine_backend 1.2", "mlspec")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nothing_of_that_name", "cannot be loaded: ModuleNotFoundError"),
        ("raise RuntimeError('no')", "cannot be loaded: RuntimeError: no"),
        ("NAME = 'mine'", "lacks TITLE, REQUIRES, REALISES, LACKS, emit, lacks"),
        (WHOLE.replace('"mine"', '"other"'), "calls itself 'other'"),
    ],
)
def test_a_broken_plug_in_is_a_problem_that_names_it(site: Path, text: str, told: str) -> None:
    plug_in(site, text)
    assert "mine" in backend.names()  # naming it does not import it
    with pytest.raises(Problem) as found:
        backend.load("mine")
    assert told in str(found.value)
    assert "mine_backend 1.2" in str(found.value)
    assert "broken-backend" in str(found.value)


def test_a_plug_in_cannot_take_the_place_of_ours(site: Path) -> None:
    plug_in(site, WHOLE, name="kfp")
    assert backend.names().count("kfp") == 1
    assert backend.load("kfp").TITLE != "Mine"


def test_a_name_that_nobody_has(site: Path) -> None:
    with pytest.raises(Problem, match="choose one of kfp, prefect, zenml"):
        backend.load("luigi")
