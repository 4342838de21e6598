"""The receipt: a plain run is answered from it while nothing has changed, and by nothing else; whatever has changed, it is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MODULE = """
import json, os
from package import amount

def first(inputs, outputs, token):
    outputs["number"].write_text("1")

def second(inputs, outputs):
    outputs["number"].write_text(json.dumps(json.loads(inputs["number"].read_text()) + amount.MORE))
"""

BASE = """
mlspec: 1
project: {name: receipt, owner: somebody}
"""

SPEC = """
extends: base.yaml
steps:
  one: {entrypoint: "package.work:first", outputs: {number: file}, params: {token: "${env:RECEIPT_TOKEN}"}}
  two: {entrypoint: "package.work:second", inputs: {number: one.number}, outputs: {number: file}}
"""

LEARNING = """
mlspec: 1
project: {name: learning}
task: {kind: classification, target: y}
data: {sources: {rows: {kind: csv, path: "rows/*.csv"}}}
model: {kind: sklearn.logistic_regression}
training: {cross_validation: null}
evaluation: {explain: none}
"""


def start(
    folder: Path, words: tuple[str, ...], code: Path, variables: dict[str, str], before: str = "pass"
) -> subprocess.CompletedProcess[str]:
    """Run `mlspec` from a checkout, in a folder, after a line of Python."""
    environment = {name: value for name, value in os.environ.items() if name != "RECEIPT_TOKEN"}
    environment |= {"PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    program = f"import sys; {before}; from mlspec.__main__ import main; sys.argv[0] = 'mlspec'; main()"
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def mlspec(folder: Path, *words: str, code: Path = ROOT, **variables: str) -> str:
    """Return what a run said; anything but success is a failure."""
    ended = start(folder, words, code, variables)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def is_short(folder: Path, *words: str, code: Path = ROOT, **variables: str) -> bool:
    """Say whether a run is answered from its receipt: then it can do without the command line."""
    ended = start(folder, words, code, variables, before="sys.modules['mlspec.cli'] = None")
    assert ended.returncode == 0 or "mlspec.cli" in ended.stderr, ended.stderr
    return ended.returncode == 0


def settle() -> None:
    """Wait until what was just written is older than a run that begins now: younger files get no receipt."""
    time.sleep(0.05)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A spec of own steps that has been run, in `spec/`, run from its parent."""
    spec = tmp_path / "spec"
    (spec / "package").mkdir(parents=True)
    (spec / "package" / "__init__.py").touch()
    (spec / "package" / "amount.py").write_text("MORE = 1\n")
    (spec / "package" / "work.py").write_text(MODULE)
    (spec / "base.yaml").write_text(BASE)
    (spec / "spec.yaml").write_text(SPEC)
    settle()
    mlspec(tmp_path, "run", "spec/spec.yaml", RECEIPT_TOKEN="a")
    return tmp_path


def short(folder: Path, *words: str, **variables: str) -> bool:
    return is_short(folder, "run", *(words or ("spec/spec.yaml",)), **{"RECEIPT_TOKEN": "a", **variables})


def test_nothing_to_do_is_said_from_the_receipt(project: Path) -> None:
    assert short(project)
    said = mlspec(project, "run", "spec/spec.yaml", RECEIPT_TOKEN="a")
    assert said == "receipt: nothing to do, all 2 steps are up to date\n  folder    runs/receipt/run_001\n"


def object_of(folder: Path, step: str) -> Path:
    told = json.loads((folder / "runs/receipt/run_001/run.json").read_text())
    digest = told["steps"][step]["outputs"]["number"]
    return folder / ".mlspec" / "objects" / digest[:2] / digest


CHANGES: dict[str, Callable[[Path], object]] = {
    "the spec": lambda top: (top / "spec/spec.yaml").write_text(SPEC + "# more\n"),
    "the spec, to the same size": lambda top: (top / "spec/spec.yaml").write_text(SPEC.replace("one", "uno")),
    "a base layer": lambda top: (top / "spec/base.yaml").write_text(BASE.replace("somebody", "nobody")),
    "a base layer is gone": lambda top: (top / "spec/base.yaml").unlink(),
    "a user module": lambda top: (top / "spec/package/work.py").write_text(MODULE + "# more\n"),
    "a module that a user module imports": lambda top: (top / "spec/package/amount.py").write_text("MORE = 2\n"),
    "a new module in a package": lambda top: (top / "spec/package/new.py").touch(),
    "a deleted store object": lambda top: object_of(top, "one").unlink(),
    "an edited store object": lambda top: object_of(top, "two").write_text("7"),
    "a deleted file of the run folder": lambda top: (top / "runs/receipt/run_001/config.yaml").unlink(),
    "an edited file of the run folder": lambda top: (top / "runs/receipt/run_001/run.json").write_text("{}"),
    "a deleted run folder": lambda top: shutil.rmtree(top / "runs"),
    "a deleted store": lambda top: shutil.rmtree(top / ".mlspec/objects"),
    "an older file with an old time": lambda top: replaced(top / "spec/base.yaml"),
}


def replaced(path: Path) -> None:
    """Put another file of the same size and time in a file's place, as `cp -p` and `mv` do."""
    stat = path.stat()
    other = path.with_suffix(".other")
    other.write_text(BASE.replace("somebody", "anybodys"))
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert other.stat().st_size == stat.st_size
    other.replace(path)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_takes_the_long_way(project: Path, change: str) -> None:
    assert short(project)
    CHANGES[change](project)
    assert not short(project)


def test_another_environment_takes_the_long_way(project: Path) -> None:
    assert short(project, RECEIPT_TOKEN="a", ANOTHER="b")
    assert not short(project, RECEIPT_TOKEN="b")
    assert not is_short(project, "run", "spec/spec.yaml")  # not set at all


def test_another_folder_or_word_takes_the_long_way(project: Path) -> None:
    for words in (
        ["./spec/spec.yaml"],
        ["spec/spec.yaml", "--quiet"],
        ["spec/spec.yaml", "--runs", "others"],
        ["spec/spec.yaml", "--set", "project.owner=me"],
        ["spec/spec.yaml", "--json"],
        ["spec/spec.yaml", "--force", "one"],
        ["spec/spec.yaml", "--force=one"],
    ):
        assert not short(project, *words), words
    assert not short(project / "spec", "spec.yaml")
    for verb in ("compile", "explain"):
        assert not is_short(project, verb, "spec/spec.yaml", RECEIPT_TOKEN="a"), verb
    assert short(project)


def test_a_forced_or_json_run_leaves_no_receipt(project: Path) -> None:
    for words in (["--force=one"], ["--json"]):
        mlspec(project, "run", "spec/spec.yaml", *words, RECEIPT_TOKEN="a")
        assert not short(project, "spec/spec.yaml", *words)


def test_mlspec_itself_counts(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("mlspec", "backends", "templates", "requirements"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "pyproject.toml").touch()
    settle()
    assert not is_short(project, "run", "spec/spec.yaml", code=copy, RECEIPT_TOKEN="a")  # the receipt is that of another copy
    mlspec(project, "run", "spec/spec.yaml", code=copy, RECEIPT_TOKEN="a")
    assert is_short(project, "run", "spec/spec.yaml", code=copy, RECEIPT_TOKEN="a")
    with (copy / "mlspec/runtime/train.py").open("a") as file:
        file.write("# more\n")
    assert not is_short(project, "run", "spec/spec.yaml", code=copy, RECEIPT_TOKEN="a")
    settle()
    mlspec(project, "run", "spec/spec.yaml", code=copy, RECEIPT_TOKEN="a")
    with (copy / "templates/report/style.css.j2").open("a") as file:
        file.write("/* more */\n")
    assert not is_short(project, "run", "spec/spec.yaml", code=copy, RECEIPT_TOKEN="a")


def test_what_is_written_while_a_run_goes_gets_no_receipt(tmp_path: Path) -> None:
    """The run may have read it before or after: only the next run knows."""
    (tmp_path / "work.py").write_text(
        "from pathlib import Path\n"
        "def first(inputs, outputs):\n"
        "    outputs['number'].write_text('1')\n"
        "    with Path('spec.yaml').open('a') as file: file.write('# more\\n')\n"
    )
    spec = {
        "mlspec": 1,
        "project": {"name": "edited"},
        "steps": {"one": {"entrypoint": "work:first", "outputs": {"number": "file"}}},
    }
    (tmp_path / "spec.yaml").write_text(json.dumps(spec) + "\n")
    settle()
    mlspec(tmp_path, "run", "spec.yaml")
    assert not is_short(tmp_path, "run", "spec.yaml")
    settle()
    mlspec(tmp_path, "run", "spec.yaml")
    assert is_short(tmp_path, "run", "spec.yaml")


def test_damaged_receipts_are_not_believed(project: Path) -> None:
    (receipt,) = (project / ".mlspec/receipts").iterdir()
    whole = receipt.read_bytes()
    for damaged in (
        b"",
        b"\0",
        whole[: len(whole) // 2],
        whole.replace(b"receipt 2", b"receipt 0"),
        b"\xff\xfe\0\0\0\0",
        whole + b"\0x",
    ):
        receipt.write_bytes(damaged)
        assert not short(project), damaged[:40]
    receipt.write_bytes(whole)
    assert short(project)


def test_warnings_are_told_again(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text("def first(inputs, outputs):\n    outputs['number'].write_text('1')\n")
    spec = {
        "mlspec": 1,
        "project": {"name": "warned"},
        "steps": {"one": {"entrypoint": "work:first", "outputs": {"number": "file"}}},
    }
    spec["monitoring"] = {}
    (tmp_path / "spec.yaml").write_text(json.dumps(spec))
    settle()
    words = [sys.executable, "-m", "mlspec", "run", "spec.yaml"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    first = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "warning" in first.stderr
    again = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "nothing to do" in again.stdout
    assert again.stderr == first.stderr


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model learned from two files that a pattern names."""
    top = tmp_path_factory.mktemp("learned")
    (top / "rows").mkdir()
    for part in range(2):
        rows = "".join(f"{i * 2 + part},{i % 7},{'yes' if i % 7 > 3 else 'no'}\n" for i in range(150))
        (top / "rows" / f"{part}.csv").write_text(f"a,b,y\n{rows}")
    (top / "spec.yaml").write_text(LEARNING)
    settle()
    mlspec(top, "run", "spec.yaml")
    return top


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        "a data file",
        "a new file that matches",
        "a registered version",
        "a registry index",
        "a file in the package",
        "a shown file",
    ],
)
def test_a_change_around_a_model_takes_the_long_way(learned: Path, tmp_path: Path, change: str) -> None:
    top = tmp_path / "top"
    shutil.copytree(learned, top, ignore=shutil.ignore_patterns(".mlspec", "runs"))
    settle()
    mlspec(top, "run", "spec.yaml")
    assert is_short(top, "run", "spec.yaml")
    registry = top / ".mlspec/registry/learning"
    (version,) = (path for path in registry.iterdir() if path.is_dir())
    paths = {
        "a data file": top / "rows/0.csv",
        "a new file that matches": top / "rows/2.csv",
        "a registered version": version / "package.json",
        "a registry index": registry / "versions.json",
        "a file in the package": top / "runs/learning/run_001/package/model.joblib",
        "a shown file": top / "runs/learning/run_001/metrics.json",
    }
    with paths[change].open("a") as file:
        file.write(" ")
    assert not is_short(top, "run", "spec.yaml")


def test_the_end_of_the_process_is_not_cut_short(tmp_path: Path) -> None:
    """Threads that a step leaves end, and what it registers for the end runs, though objects are not freed one by one."""
    (tmp_path / "work.py").write_text(
        "import atexit, threading, time\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from pathlib import Path\n"
        "def late():\n"
        "    time.sleep(0.5)\n"
        "    Path('thread.txt').touch()\n"
        "def first(inputs, outputs):\n"
        "    outputs['number'].write_text('1')\n"
        "    ThreadPoolExecutor(2).submit(print, 'idle ever after')\n"
        "    threading.Thread(target=late).start()\n"
        "    atexit.register(Path('atexit.txt').touch)\n"
    )
    spec = {
        "mlspec": 1,
        "project": {"name": "ending"},
        "steps": {"one": {"entrypoint": "work:first", "outputs": {"number": "file"}}},
    }
    (tmp_path / "spec.yaml").write_text(json.dumps(spec))
    assert "succeeded" in mlspec(tmp_path, "run", "spec.yaml")
    assert (tmp_path / "thread.txt").exists()
    assert (tmp_path / "atexit.txt").exists()
