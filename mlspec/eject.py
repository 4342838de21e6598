"""Puts the part of mlspec that runs into a compiled project, so that it needs neither mlspec nor a network."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import mlspec
from mlspec.bundle import Bundle

WHERE = "src"
"""Every project puts this directory on the path, before what is installed."""

ROOTS = ("mlspec.runtime", "mlspec.trace")
"""What generated code calls."""

DATA = ("templates/report", "devices")
"""What the runtime reads beside its code."""

COPIED = re.compile(r"(?m)^COPY wheels/? .*\n")
INSTALLED = re.compile(r"(?m)^RUN pip install [^\n&]*wheels/\*\.whl\n| \\\n && pip install [^\n&]*wheels/\*\.whl")
TOLD = re.compile(r"(?m)^(# [^\n]*?)\. [^\n.]*wheel.*\n")
"""What a Dockerfile does with mlspec's wheel, and what it says of it."""

FINDS = """\
import sys
from pathlib import Path

# The copy of mlspec in src/ comes before one that may be installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[{depth}] / "{where}"))
"""
"""What a module begins with through which ours is imported: a backend's own modules may be later than that import."""

README = """
## This project is ejected

What runs of mlspec lies in `src/mlspec/`, with its licence: mlspec itself is not needed, nor a wheel in `wheels/`, whatever is
said above. `pip install -r requirements.txt` installs the rest. Compile with `--eject` again to renew it, or change it: an
edited file is never overwritten.
"""


def vendor(bundle: Bundle) -> None:
    """Add mlspec's own code below `src/mlspec` and take the wheel out of the image and the README."""
    for path, text in files().items():
        bundle.add(f"{WHERE}/mlspec/{path}", text)
    for path in sorted(set(_doors(bundle.files))):
        bundle.replace(path, _with_path(path, bundle.files[path]))
    for path, text in dict(bundle.files).items():
        if path.startswith("wheels/"):
            bundle.remove(path)
        elif path.rpartition("/")[2].startswith("Dockerfile"):
            bundle.replace(path, _without_wheel(text))
        elif path == "README.md":
            bundle.replace(path, text.rstrip("\n") + "\n" + README)


def _doors(found: Mapping[str, str]) -> Iterator[str]:
    """Yield the generated modules that are run before any import of ours: the outermost `__init__`, or the script itself."""
    for path, text in found.items():
        if path.endswith(".py") and not path.startswith(f"{WHERE}/") and _imports_ours(ast.parse(text)):
            packages = [f"{parent}/__init__.py" for parent in map(str, PurePosixPath(path).parents)]
            yield next((one for one in reversed(packages) if one in found), path)


def _imports_ours(node: ast.AST) -> bool:
    """Say whether ours is imported where this runs. A function with a decorator may be sent elsewhere as text (kfp)."""
    if isinstance(node, ast.FunctionDef) and node.decorator_list:
        return False
    named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    named += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
    return any(name.split(".")[0] == "mlspec" for name in named) or any(map(_imports_ours, ast.iter_child_nodes(node)))


def _with_path(path: str, text: str) -> str:
    """Put our directory on the path after a module's docstring, before its first import."""
    lines, at = text.splitlines(keepends=True), 0
    for node in ast.parse(text).body:
        first = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not first and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            break
        at = node.end_lineno or at
    finds = FINDS.format(depth=path.count("/"), where=WHERE)
    head, rest = "".join(lines[:at]), "".join(lines[at:]).lstrip("\n")
    return "\n".join(part for part in (head, finds, rest) if part)


def _without_wheel(text: str) -> str:
    return TOLD.sub(r"\1.\n", INSTALLED.sub("", COPIED.sub("", text)))


def files() -> dict[str, str]:
    """Return what must be there, by path below the package: the import closure of the runtime and of every open union it
    reads, the templates of the report, and the licence.
    """
    modules = closure()
    found = {path: file.read_text(encoding="utf-8") for path, file in modules.items()}
    for folder in DATA:
        for place in map(Path, mlspec.__path__):
            for file in sorted((place / folder).glob("*")):
                found.setdefault(f"{folder}/{file.name}", file.read_text(encoding="utf-8"))
    found["LICENSE"] = licence()
    return dict(sorted(found.items()))


def closure() -> dict[str, Path]:
    """Return the source files, by path below the package, that the roots import, at their top or when they run.

    A package comes whole: ops, kinds and figures are imported by name. A union is named by a text, `"mlspec.checks"`.
    """
    waiting, done = [*ROOTS], dict[str, Path]()
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        for one in _with_parents(name):
            if one in seen:
                continue
            seen.add(one)
            for path, file in _sources(one).items():
                done[path] = file
                waiting += _named(file)
    return dict(sorted(done.items()))


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:size]) for size in range(1, len(parts) + 1))


def _sources(name: str) -> dict[str, Path]:
    """Return a module's file, or a package's files; nothing for a name inside a module. Our own top has only its `__init__`."""
    top = Path(mlspec.__file__).parent
    place = top.joinpath(*name.split(".")[1:])
    if name == "mlspec":
        return {"__init__.py": top / "__init__.py"}
    single = place.with_suffix(".py")
    if single.is_file():
        return {single.relative_to(top).as_posix(): single}
    return {file.relative_to(top).as_posix(): file for file in sorted(place.rglob("*.py"))}


def _named(file: Path) -> Iterator[str]:
    """Yield what a file imports of mlspec when it runs, and the packages of ours that it names as a text.

    What stands under `if TYPE_CHECKING` is never imported.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    skipped = {id(inner) for node in ast.walk(tree) for one in _for_types(node) for inner in ast.walk(one)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "mlspec")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mlspec" and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"mlspec(\.\w+)+", node.value):
            yield node.value


def _for_types(node: ast.AST) -> list[ast.stmt]:
    only = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return node.body if only and isinstance(node, ast.If) else []


def licence() -> str:
    """Return the text of our licence, from the checkout or the installed package."""
    for place in mlspec.__path__:
        file = Path(place) / "LICENSE"
        if file.is_file():
            return file.read_text(encoding="utf-8")
    from importlib.metadata import distribution

    for path in distribution("mlspec").files or ():
        if path.name == "LICENSE":
            return path.read_text()
    raise FileNotFoundError("the licence of mlspec")
