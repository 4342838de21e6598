"""The building: each module imports only from floors below it, and the compiler never imports what is heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FLOORS = [
    # ground: knows nothing of machine learning
    {"diagnostic", "spelling", "scalar", "lines", "pure_yaml", "document", "layers", "composer", "recovery", "merge", "override", "syntax", "display", "bundle", "render", "fields", "kinds", "quantity", "secret", "entrypoint", "expression", "regex", "stream"},
    # the shape of work
    {"ir", "ops", "metrics", "device", "trace", "fan_out", "windows"},
    # models as tensor operations, and the files that hold them
    {"tensor"},
    # open unions
    {"sources", "transforms", "families", "checks", "exports", "rollouts", "alerts", "trackers", "registries", "monitors"},
    # what each op does
    {"lowering"},
    {"runtime"},
    # the spec, and what it means
    {"spec", "backend"},
    {"backends", "schema", "reference"},
    {"lower", "unroll", "fuse", "coverage", "patches", "eject", "rules", "store", "settings", "suppression", "baseline", "formats"},
    # the verbs
    {"lint", "concrete", "amend", "mending", "repair", "formatter", "names", "cursor", "glossary", "manual"},
    {"folder", "runner", "build", "progress", "wheelhouse"},
    {"local", "remote", "receipt", "seen", "plan", "graph"},
    {"language_server", "kit"},
    {"cli", "commands"},
    {"__main__"},
]  # fmt: skip
HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
HEAVY = {
    "numpy",
    "pandas",
    "polars",
    "sklearn",
    "xgboost",
    "lightgbm",
    "scipy",
    "joblib",
    "matplotlib",
    "torch",
    "keras",
    "tensorflow",
    "openvino",
    "onnx",
    "onnxruntime",
    "nncf",
    "ai_edge_litert",
    "ai_edge_quantizer",
    "kfp",
    "prefect",
    "zenml",
    "jinja2",
    "rich",
}


def modules() -> Iterator[tuple[str, Path]]:
    for folder in ("mlspec", "backends"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield (
                ".".join(("mlspec", *file.relative_to(ROOT if folder == "backends" else ROOT / "mlspec").with_suffix("").parts)),
                file,
            )


def imports(file: Path, *, top_only: bool) -> Iterator[str]:
    """Dotted names a module imports; with `top_only`, those that importing it executes (not under TYPE_CHECKING)."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes: list[ast.AST] = list(tree.body) if top_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            if node.module == "mlspec":
                yield from (f"mlspec.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@pytest.mark.parametrize(("name", "file"), list(modules()), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_go_down(name: str, file: Path) -> None:
    here = room(name)
    if here == "__init__":
        return
    assert here in HEIGHT, f"{name} has no floor: give it one in this test"
    for imported in imports(file, top_only=True):
        there = room(imported) if imported.startswith("mlspec.") else here
        if there not in (here, "__version__") and there in HEIGHT:
            assert HEIGHT[there] <= HEIGHT[here], f"{name} imports {imported}, which is above it"


@pytest.mark.parametrize(("name", "file"), list(modules()), ids=lambda value: value if isinstance(value, str) else "")
def test_the_compiler_imports_nothing_heavy(name: str, file: Path) -> None:
    if room(name) in ("runtime", "lowering", "tensor"):  # what works on fitted models
        return
    heavy = {imported.split(".")[0] for imported in imports(file, top_only=True)} & HEAVY
    assert not heavy, f"{name} imports {heavy} at its top"


@pytest.mark.parametrize(("name", "file"), list(modules()), ids=lambda value: value if isinstance(value, str) else "")
def test_doors_that_stay_shut(name: str, file: Path) -> None:
    """Rules that hold for imports inside functions too."""
    everything = set(imports(file, top_only=False))
    inside = {room(one) for one in everything if one.startswith("mlspec.")}
    here = room(name)
    if here not in ("backends",):
        assert not [one for one in everything if one.startswith("mlspec.backends.")], f"{name} imports a backend by name"
    if here == "backends":
        assert inside <= {"ir", "ops", "bundle", "render", "diagnostic", "trace", "backends"}, (
            f"{name} sees more than a pipeline: {inside}"
        )
    if here == "runtime":
        assert not inside & {"render", "lint", "backends", "backend", "cli", "spec", "document", "rules", "build"}, (
            f"{name}: {inside}"
        )
    if here == "ir":
        assert "pydantic" not in {one.split(".")[0] for one in everything}
    if name not in (
        "mlspec.cli",
        "mlspec.__main__",
        "mlspec.runtime.child",
        "mlspec.runtime.edge.device.bench",
        "mlspec.runtime.edge.device.runner",
    ):  # the child hands on what a step of the user's prints; the others are scripts for a device
        calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        printed = [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
        assert not printed, f"{name} prints on lines {printed}"


def test_lint_is_light(tmp_path: Path) -> None:
    """`python -X importtime -m mlspec lint` names no heavy library."""
    command = [sys.executable, "-X", "importtime", "-m", "mlspec", "lint", str(ROOT / "specs" / "churn.yaml")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    imported = {
        line.rsplit("|", 1)[1].strip().split(".")[0] for line in ended.stderr.splitlines() if line.startswith("import time:")
    }
    assert "pydantic" in imported  # else the test looks at nothing
    assert not imported & HEAVY
