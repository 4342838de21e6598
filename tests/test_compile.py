"""`mlspec compile`: patches are made anew or refuse by name, the user's files are left alone, --check tells what is stale."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from mlspec import patches
from mlspec.bundle import MANIFEST
from mlspec.cli import cli
from mlspec.diagnostic import Problem
from tests import test_docs as shown

ROOT = Path(__file__).parent.parent

SPEC = """\
mlspec: 1
project: {name: nightly}
steps:
  collect: {entrypoint: "work:collect", outputs: {rows: table}}
  publish: {entrypoint: "work:publish", inputs: {rows: collect.rows}}
"""
WORK = "def collect(inputs, outputs): ...\n\n\ndef publish(inputs, outputs): ...\n"
FROM = """\
--- a/Dockerfile
+++ b/Dockerfile
@@ -0,0 +1 @@
+# our registry
"""

Compile = Callable[..., Result]


@pytest.fixture
def compile_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compile:
    """Write a spec with some lines at its end, and compile it, in this process."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work.py").write_text(WORK, encoding="utf-8")

    def run(*words: str, more: str = "", backend: str = "kfp") -> Result:
        (tmp_path / "spec.yaml").write_text(SPEC + more, encoding="utf-8")
        return CliRunner().invoke(cli, ["compile", "spec.yaml", "--backend", backend, "-o", "out", *words], standalone_mode=False)

    return run


def problem(result: Result) -> str:
    assert isinstance(result.exception, Problem), result.output
    return str(result.exception)


def of(result: Result) -> Any:
    assert result.exception is None, result.exception
    return json.loads(result.stdout)


def code(result: Result) -> int:
    assert result.exception is None, result.exception
    return int(result.return_value)


# patches


def test_a_patch_is_made_at_each_compile(compile_: Compile, tmp_path: Path) -> None:
    more = "pipeline: {patches: [{file: Dockerfile, patch: image.diff}]}\n"
    (tmp_path / "image.diff").write_text(FROM)
    first = of(compile_("--json", more=more))
    dockerfile = tmp_path / "out" / "Dockerfile"
    assert dockerfile.read_text().startswith("# our registry\n")
    assert list(first["patched"]) == ["Dockerfile"]
    assert first["patched"]["Dockerfile"][0].startswith("image.diff sha256:")
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["patched"] == first["patched"]
    assert code(compile_("--check", more=more)) == 0
    (tmp_path / "image.diff").write_text(FROM.replace("our", "another"))
    stale = of(compile_("--check", "--json", more=more))
    assert (stale["state"], stale["stale"], stale["edited"]) == ("stale", ["Dockerfile"], [])
    again = of(compile_("--json", more=more))
    assert again["written"] == ["Dockerfile"]
    assert dockerfile.read_text().startswith("# another registry\n")


def test_a_hunk_that_does_not_fit_is_told_on_the_spec_and_nothing_is_written(compile_: Compile, tmp_path: Path) -> None:
    more = "pipeline:\n  patches:\n    - {file: Dockerfile, patch: image.diff}\n"
    (tmp_path / "image.diff").write_text(f"{FROM}@@ -3 +4 @@\n-FROM nowhere\n+FROM here\n")
    told = problem(compile_(more=more))
    assert "hunk 2 of image.diff (line 3) does not fit Dockerfile any more" in told
    assert "spec.yaml:8:" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("diff", "told"),
    [
        ("not a diff", "holds no change"),
        ("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n", "no unified diff"),
        (FROM + FROM.replace("Dockerfile", "other"), "changes 2 files, not one"),
        (None, "there is no file `image.diff`"),
    ],
)
def test_what_is_no_patch_is_refused(compile_: Compile, tmp_path: Path, diff: str | None, told: str) -> None:
    if diff is not None:
        (tmp_path / "image.diff").write_text(diff)
    assert told in problem(compile_(more="pipeline: {patches: [{file: Dockerfile, patch: image.diff}]}\n"))


def test_a_patch_for_one_backend(compile_: Compile, tmp_path: Path) -> None:
    (tmp_path / "image.diff").write_text(FROM)
    of(compile_("--json", more="pipeline: {patches: [{file: Dockerfile, patch: image.diff, backend: zenml}]}\n"))
    assert "our registry" not in (tmp_path / "out" / "Dockerfile").read_text()
    told = problem(compile_(more="pipeline: {patches: [{file: nothing.py, patch: image.diff, backend: kfp}]}\n"))
    assert "kfp writes no file `nothing.py`" in told
    either = compile_("--json", more="pipeline: {patches: [{file: nothing.py, patch: image.diff}], owned: [mine.py]}\n")
    assert [one["code"] for one in of(either)["diagnostics"] if one["code"] == "not-generated"] == ["not-generated"] * 2


TEXT = "".join(f"line {number}\n" for number in range(1, 21))


def diff_of(before: str, after: str, context: int = 3) -> str:
    import difflib

    return "".join(difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), "a", "b", n=context))


@pytest.mark.parametrize("context", [0, 1, 3])
def test_patches_do_what_patch_does(context: int) -> None:
    after = TEXT.replace("line 3\n", "").replace("line 9\n", "nine\nand a half\n").replace("line 20\n", "end\n")
    assert patches.patch(TEXT, diff_of(TEXT, after, context), "d", "f") == after
    assert patches.patch(after, diff_of(after, TEXT, context), "d", "f") == TEXT


def test_hunks_follow_their_lines() -> None:
    after = TEXT.replace("line 9\n", "nine\n")
    assert patches.patch("new\n" * 5 + TEXT, diff_of(TEXT, after), "d", "f") == "new\n" * 5 + after
    with pytest.raises(Problem, match=r"hunk 1 of d .* does not fit f"):  # it is there twice: which is meant?
        patches.patch("new\n" + TEXT + TEXT, diff_of(TEXT, after), "d", "f")


@pytest.mark.parametrize(
    ("before", "after"), [("a\nb", "a\nc"), ("a\nb", "a\nb\n"), ("a\nb\n", "a\nb"), ("", "a\n"), ("a\n", "")]
)
def test_the_end_of_the_last_line(before: str, after: str, tmp_path: Path) -> None:
    for name, text in (("before", before), ("after", after)):
        (tmp_path / name).write_bytes(text.encode())
    made = subprocess.run(["diff", "-u", "before", "after"], cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert patches.patch(before, made, "d", "f") == after


# files of the user's own


def test_an_owned_file_is_written_once(compile_: Compile, tmp_path: Path) -> None:
    more = "pipeline: {owned: Dockerfile}\n"
    assert "Dockerfile" in of(compile_("--json", more=more))["written"]
    place = tmp_path / "out" / "Dockerfile"
    place.write_text("FROM mine\n")
    assert code(compile_("--check", more=more)) == 0
    assert of(compile_("--json", more=more))["kept"] == []
    assert place.read_text() == "FROM mine\n"
    assert not (tmp_path / "out" / "Dockerfile.new").exists()
    place.unlink()  # what is yours you may take away
    assert code(compile_("--check", more=more)) == 0
    compile_(more=more)
    assert not place.exists()


def test_it_is_told_when_an_owned_file_has_moved_on(compile_: Compile, tmp_path: Path) -> None:
    (tmp_path / "image.diff").write_text(FROM)
    patched = "pipeline: {owned: Dockerfile, patches: [{file: Dockerfile, patch: image.diff}]}\n"
    compile_(more="pipeline: {owned: Dockerfile}\n")
    (tmp_path / "out" / "Dockerfile").write_text("FROM mine\n")
    assert "Dockerfile is yours and was left alone" in compile_(more=patched).output
    assert of(compile_("--json", more=patched))["moved"] == []  # it is told once
    assert (tmp_path / "out" / "Dockerfile").read_text() == "FROM mine\n"


def test_a_generated_file_that_becomes_owned_and_back(compile_: Compile, tmp_path: Path) -> None:
    compile_()
    place = tmp_path / "out" / "Dockerfile"
    place.write_text("FROM mine\n")
    assert of(compile_("--json", more="pipeline: {owned: Dockerfile}\n"))["kept"] == []
    assert of(compile_("--json"))["kept"] == ["Dockerfile"]
    assert (tmp_path / "out" / "Dockerfile.new").exists()


# --check


def test_check_tells_each_way_of_being_stale(compile_: Compile, tmp_path: Path) -> None:
    step = '  later: {entrypoint: "work:publish", inputs: {rows: collect.rows}}\n'
    out = tmp_path / "out"
    before = of(compile_("--check", "--json"))
    assert before["state"] == "stale"
    assert "run.py" in before["missing"]
    compile_()
    assert code(compile_("--check")) == 0
    (out / "run.py").unlink()
    (out / "README.md").write_text("mine\n")
    manifest = json.loads((out / MANIFEST).read_text())
    (out / "old.txt").write_text("old\n")
    import hashlib

    manifest["files"]["old.txt"] = hashlib.sha256(b"old\n").hexdigest()
    (out / MANIFEST).write_text(json.dumps(manifest))
    told = of(compile_("--check", "--json", more=step))
    assert (told["missing"], told["edited"], told["removed"]) == (["run.py"], ["README.md"], ["old.txt"])
    assert "trace.json" in told["stale"]
    short = compile_("--check", more=step)
    assert code(short) == 1
    assert "  edited    README.md\n  goes      old.txt\n" in short.stdout.replace("\r", "")
    assert not (out / "README.md.new").exists(), "a check writes nothing"
    assert "old.txt is no longer generated: removed" in compile_(more=step).output


@pytest.mark.slow
def test_a_project_that_is_ejected_and_back(compile_: Compile, tmp_path: Path) -> None:
    """The copy of the runtime is ours as any generated file is: renewed, checked, kept where it was edited, and taken away."""
    vendored = tmp_path / "out" / "src" / "mlspec"
    compile_("--eject")
    assert code(compile_("--eject", "--check")) == 0
    assert of(compile_("--check", "--json"))["removed"][0] == "src/mlspec/LICENSE"
    (vendored / "runtime" / "gate.py").write_text("mine\n")
    assert of(compile_("--eject", "--json"))["kept"] == ["src/mlspec/runtime/gate.py"]
    assert of(compile_("--json"))["kept"] == ["src/mlspec/runtime/gate.py"]
    assert [path.relative_to(vendored).as_posix() for path in vendored.rglob("*") if path.is_file()] == ["runtime/gate.py"]


def test_the_hook_is_the_check(compile_: Compile, tmp_path: Path) -> None:
    """pre-commit starts the hook's entry with the user's args, in the repository."""
    (hook,) = [
        one for one in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()) if one["id"] == "mlspec-compile-check"
    ]
    program, *words = shlex.split(hook["entry"])
    assert (program, hook["pass_filenames"]) == ("mlspec", False)
    compile_()

    def starts(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", program, *words, *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    args = ("spec.yaml", "--backend", "kfp", "--output", "out")
    assert (starts(*args).returncode, starts(*args).stdout) == (0, "out is up to date\n")
    (tmp_path / "out" / "run.py").write_text("mine\n")
    ended = starts(*args)
    assert (ended.returncode, ended.stdout) == (1, "out is stale\n  edited    run.py\n")


# the page


@pytest.mark.slow
def test_what_the_page_shows_is_what_is_printed(tmp_path: Path) -> None:
    """Each console block of docs/own-it.md, in order, in a copy of the specs."""
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    environment = shown.mlspec(tmp_path)
    text = "".join(shown.blocks(ROOT / "docs" / "own-it.md", "console"))
    commands = re.findall(r"(?m)^\$ (.*)\n((?:(?!\$ ).*\n)*)", text)
    assert len(commands) > 15
    for command, wanted in commands:
        said = shown.say(command, tmp_path, environment)
        assert counted(said) == counted(wanted.splitlines()), f"$ {command}\n" + "\n".join(said)


def counted(lines: list[str]) -> list[str]:
    """What is printed, whatever the number of files; there are more with each module of the runtime."""
    return [re.sub(r"\d+ (files written|unchanged)", r"# \1", line) for line in shown.stable(lines)]


def test_wrong_usage_and_wrong_specs(compile_: Compile, tmp_path: Path) -> None:
    assert "there is no backend 'nothing'" in problem(compile_(backend="nothing"))
    assert "splits" in problem(compile_(more="splits: {seed: x}\n"))
    command = [sys.executable, "-m", "mlspec", "compile", "spec.yaml"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "--backend" in ended.stderr


@pytest.mark.parametrize("command", ["compile SPEC --backend kfp -o file/project", "graph SPEC -o file/picture.svg"])
def test_a_place_that_cannot_be_written_to_is_an_error_not_a_bug(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = command.replace("SPEC", str(ROOT / "specs" / "breast-cancer.yaml")).split()
    ended = subprocess.run([sys.executable, "-m", "mlspec", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "cannot write" in ended.stderr
    assert "bug" not in ended.stderr
