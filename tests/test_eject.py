"""An ejected project carries what runs of mlspec: it needs neither mlspec nor a network, and makes the same bytes."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlspec import backend, build, eject
from mlspec.bundle import Bundle
from tests.conformance.isolated import offline
from tests.conformance.test_gallery import EVIDENCE, here

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "specs" / "breast-cancer.yaml"

GUARD = """
import os, sys
from importlib.machinery import PathFinder

class Guard:
    # As if mlspec were not installed: only a copy inside the project counts. Each import of one is noted.
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "mlspec":
            return None
        found = PathFinder.find_spec(name)
        origin = os.path.realpath(found.origin) if found and found.origin else ""
        if not origin.startswith(os.environ["EJECTED"] + os.sep):
            raise ModuleNotFoundError(f"mlspec is not installed (found {origin or 'nothing'})", name=name)
        with open(os.environ["NOTED"], "a", encoding="utf-8") as file:
            file.write(origin + "\\n")
        return found

sys.meta_path.insert(0, Guard)
"""


def test_the_vendored_code_is_what_runs_and_nothing_else() -> None:
    files = eject.files()
    rooms = {path.partition("/")[0].removesuffix(".py") for path in files if path.endswith(".py")}
    assert {"runtime", "families", "transforms", "sources", "checks"} <= rooms
    assert not rooms & {"spec", "rules", "lint", "lower", "build", "backend", "backends", "cli", "commands", "document", "render"}
    assert "Apache License" in files["LICENSE"]
    assert any(path.startswith("templates/report/") for path in files)
    whole = sum(file.stat().st_size for file in (ROOT / "mlspec").rglob("*.py"))
    assert sum(map(len, files.values())) < whole / 2


def test_the_vendored_code_needs_nothing_of_ours_beside_itself(tmp_path: Path) -> None:
    """Every import of mlspec in it, at any depth, is of a module that is there."""
    files = eject.files()
    known = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in files if path.endswith(".py")}
    for path, text in files.items():
        if path.endswith(".py"):
            for node in ast.walk(ast.parse(text)):
                module = node.module if isinstance(node, ast.ImportFrom) else None
                if module and module.startswith("mlspec."):
                    lacking = module.removeprefix("mlspec.") not in known
                    assert not lacking or _for_types_only(text, module), f"{path} imports {module}"


def _for_types_only(text: str, module: str) -> bool:
    return any(
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
        and module in ast.unparse(node)
        for node in ast.walk(ast.parse(text))
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", backend.names())
def test_no_wheel_is_left(name: str) -> None:
    made = build.project_of(build.open_spec(SPEC), name, eject=True).bundle
    assert "src/mlspec/runtime/__init__.py" in made.files
    assert not [path for path in made.files if path.startswith("wheels/")]
    for path, text in made.files.items():
        if path.rpartition("/")[2].startswith("Dockerfile"):
            assert "wheel" not in text
            assert re.search(r"pip install .*(-r|--requirement) requirements\.txt", text), "what is not ours is installed still"
            assert not [line for line in text.splitlines() if line.startswith(" && ") and "\\" not in before(text, line)], text
    assert "## This project is ejected" in made.files["README.md"]


def before(text: str, line: str) -> str:
    lines = text.splitlines()
    return lines[lines.index(line) - 1]


def test_a_module_called_mlspec_of_the_user_is_refused() -> None:
    from mlspec.diagnostic import Problem

    bundle = Bundle()
    bundle.add("src/mlspec.py", "")
    bundle.add("src/mlspec/__init__.py", "")
    with pytest.raises(Problem, match="the path is taken"):
        eject.vendor(bundle)


SCRIPT = """\
\"\"\"A script.\"\"\"

from __future__ import annotations

import json


def main():
    import mlspec

    print(json.dumps(mlspec.__file__))


main()
"""


def test_our_copy_is_found_before_anything_of_ours_is_imported(tmp_path: Path) -> None:
    """A backend's modules may import ours before they put `src/` on the path; a function that kfp sends as text stays as it is."""
    sent = "@component\ndef train():\n    from mlspec import runtime\n"
    bundle = Bundle()
    for path, text in (("deploy.py", SCRIPT), ("flow/__init__.py", ""), ("flow/deep/__init__.py", ""), ("pipeline.py", sent)):
        bundle.add(path, text)
    bundle.add("flow/deep/show.py", "import mlspec.runtime\n\nprint(mlspec.__file__)\n")
    eject.vendor(bundle)
    assert bundle.files["pipeline.py"] == sent
    assert bundle.files["flow/deep/__init__.py"] == ""
    bundle.write(tmp_path)
    for words in (["deploy.py"], ["-m", "flow.deep.show"]):
        ran = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert str(tmp_path / "src" / "mlspec" / "__init__.py") in ran.stdout, ran.stderr


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    ran = here(tmp_path_factory.mktemp("here"), SPEC)
    assert ran.state == "succeeded"
    return ran.evidence


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="e-", ignore_cleanup_errors=True) as name:
        yield Path(name).resolve()


def ejected(folder: Path, name: str) -> tuple[Path, dict[str, str]]:
    """Compile and eject; return the project and the environment in which only its own copy of mlspec can be imported."""
    project, guard = folder / "project", folder / "guard"
    build.project_of(build.open_spec(SPEC), name, eject=True).bundle.write(project)
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(guard), "PYTHONDONTWRITEBYTECODE": "1"}
    return project, clean | {"EJECTED": str(project / "src"), "NOTED": str(folder / "noted.txt")}


def test_the_guard_keeps_what_is_installed_out(folder: Path) -> None:
    _, clean = ejected(folder, "kfp")
    ended = subprocess.run([sys.executable, "-c", "import mlspec"], env=clean, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "mlspec is not installed" in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kfp", "prefect", "zenml", "airflow"])
def test_it_runs_without_mlspec_and_without_a_network(name: str, folder: Path, reference: dict[str, bytes]) -> None:
    python = ROOT / ".venvs" / name / "bin" / "python"
    assert python.exists(), "`make envs` makes the backends' environments"
    project, clean = ejected(folder, name)
    workspace = folder / "workspace"
    roots = ["--data-root", SPEC.parent, "--registry-root", folder / "registry"]
    command = offline([python, "run.py", "--workspace", workspace, *roots])
    ran = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env=clean)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = json.loads((workspace / "outcome.json").read_text())
    different = [one for one in EVIDENCE if Path(told["artifacts"][one]).read_bytes() != reference[one]]
    assert not different
    noted = set((folder / "noted.txt").read_text().splitlines())
    assert noted == {str(project / "src" / "mlspec" / "__init__.py")}
