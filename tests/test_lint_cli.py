"""`mlspec lint`, `mlspec fmt` and `mlspec rules` as people and pipelines call them."""

from __future__ import annotations

import io
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mlspec import cli, stream
from mlspec.rules import catalogue

BASE = Path(__file__).parent / "data" / "rules" / "base.yaml"
GALLERY = Path(__file__).parent.parent / "specs"
NAME = "unique-column-as-feature"
FAULT = "extends: base.yaml\nmlspec: 1\ndata: {columns: {customerID: {role: feature, unique: true}}}\n"
CLEAN = "extends: base.yaml\nmlspec: 1\n"


class Ended(NamedTuple):
    """What a command returned and said."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in a folder with a project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    base = BASE.read_text(encoding="utf-8")
    (tmp_path / "base.yaml").write_text(base, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[tool.mlspec]\nignore = ["not-realised-yet"]\n', encoding="utf-8")

    def command(*words: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "argv", ["mlspec", *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = cli.entry()
        return Ended(code, *capsys.readouterr())

    return command


def spec(folder: Path, text: str = FAULT, name: str = "s.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


ONLY = ("--select", NAME)


def test_exit_codes(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec(tmp_path)
    spec(tmp_path, CLEAN, "clean.yaml")
    assert run("lint", "clean.yaml", *ONLY) == Ended(0, "1 spec checked: all good\n", "")
    assert run("lint", "clean.yaml", *ONLY, "--quiet") == Ended(0, "", "")
    found = run("lint", "s.yaml", *ONLY)
    assert found.code == 1
    assert f"[{NAME}]" in found.out
    (tmp_path / "pyproject.toml").write_text('[tool.mlspec.severity]\nLEA003 = "info"\n', encoding="utf-8")
    information = run("lint", "s.yaml", *ONLY)
    assert (information.code, information.out.count("info[")) == (0, 1)
    assert run("lint", "missing.yaml").code == 1
    for wrong in (
        ["lint"],
        ["lint", "s.yaml", "--format", "xml"],
        ["lint", "s.yaml", "--nope"],
        ["lint", "--stdin-filename", "x", "s.yaml"],
    ):
        assert run(*wrong).code == 2, wrong
    unknown = run("lint", "s.yaml", "--select", "id-as-featur")
    assert (unknown.code, "did you mean id-as-feature?" in unknown.err) == (2, True)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("mlspec.lint.check", broken)
    crash = run("lint", "s.yaml")
    assert (crash.code, "mlspec has a bug: RuntimeError: boom" in crash.err) == (3, True)


def test_one_file_that_is_missing_does_not_hide_the_others(run: Any, tmp_path: Path) -> None:
    spec(tmp_path)
    out = run("lint", "missing.yaml", "s.yaml", "--format", "concise", *ONLY).out
    assert [line.split()[1] for line in out.splitlines()] == ["error[missing-file]", f"{kind()}[{NAME}]"]


def kind() -> str:
    return str(catalogue()[NAME].severity("production"))


def test_levels(run: Any, tmp_path: Path) -> None:
    spec(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.mlspec.severity]\nLEA003 = "warning"\n', encoding="utf-8")
    assert run("lint", "s.yaml", *ONLY).code == 1
    assert run("lint", "s.yaml", *ONLY, "--level", "warning").code == 1
    assert run("lint", "s.yaml", *ONLY, "--level", "error") == Ended(0, "1 spec checked: all good\n", "")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.mlspec]\nlevel = "error"\n[tool.mlspec.severity]\nLEA003 = "warning"\n', encoding="utf-8"
    )
    assert run("lint", "s.yaml", *ONLY).code == 0
    assert run("lint", "s.yaml", *ONLY, "--level", "info").code == 1


def test_folders_are_searched(run: Any, tmp_path: Path) -> None:
    spec(tmp_path, CLEAN, "specs/a.yaml")
    for name in ("specs/deep/b.yml", "specs/.hidden/c.yaml", "specs/d.txt"):
        spec(tmp_path, CLEAN.replace("base", "../" * (name.count("/") - 1) + "base"), name)
    spec(tmp_path, "kind: Deployment\n", "specs/k8s.yaml")
    (tmp_path / "specs" / "base.yaml").write_bytes(BASE.read_bytes())
    suites = ET.fromstring(run("lint", "specs", "specs/a.yaml", "--select", "SUP", "--format", "junit").out)
    assert [suite.get("name") for suite in suites] == ["specs/a.yaml", "specs/base.yaml", "specs/deep/b.yml"]
    (tmp_path / "empty").mkdir()
    assert run("lint", "empty").code == 2


def test_standard_input(run: Any, tmp_path: Path) -> None:
    found = run("lint", "-", "--format", "concise", *ONLY, stdin=FAULT.encode())
    assert found.out.startswith("<stdin>:3:")
    (tmp_path / "sub").mkdir()
    spec(tmp_path, '[tool.mlspec]\nignore = ["all"]\n', "sub/pyproject.toml")
    text = FAULT.replace("base", "../base").encode()
    assert run("lint", "-", "--stdin-filename", "sub/x.yaml", stdin=text).code == 0
    assert run("lint", "-", "--stdin-filename", "x.yaml", "--format", "concise", *ONLY, stdin=FAULT.encode()).out.startswith(
        "x.yaml:3:"
    )
    assert run("lint", "-", stdin=b"a: \xff\xfe").code == 1
    assert run("lint", "-", "--fix", stdin=b"").code == 2


FORMATS = ("text", "concise", "json", "sarif", "github", "gitlab", "junit", "rdjson")


@pytest.mark.parametrize("form", FORMATS)
def test_formats_and_output(run: Any, tmp_path: Path, form: str) -> None:
    spec(tmp_path)
    shown = run("lint", "s.yaml", *ONLY, "--format", form)
    assert shown.code == 1
    assert NAME in shown.out
    told = run("lint", "s.yaml", *ONLY, "--format", form, "--output", "out/found.txt")
    assert (told.code, told.out.endswith(" written to out/found.txt\n")) == (1, True)
    assert (tmp_path / "out" / "found.txt").read_text(encoding="utf-8") == shown.out
    spec(tmp_path, CLEAN)
    assert run("lint", "s.yaml", *ONLY, "--format", form).code == 0
    if form in ("json", "sarif", "gitlab", "rdjson"):
        json.loads(run("lint", "s.yaml", *ONLY, "--format", form).out)


def test_colors(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec(tmp_path)

    def colored() -> bool:
        return "\x1b[" in run("lint", "s.yaml", *ONLY).out

    assert not colored()
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert colored()
    run("lint", "s.yaml", *ONLY, "--output", "o.txt")
    assert "\x1b" not in (tmp_path / "o.txt").read_text(encoding="utf-8")
    monkeypatch.setenv("FORCE_COLOR", "0")
    assert not colored()
    monkeypatch.setattr(stream, "terminal", lambda _: True)
    assert colored()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colored()
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not colored()


def test_progress_on_a_terminal_only(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        spec(tmp_path, CLEAN, f"s{number}.yaml")
    names = [f"s{number}.yaml" for number in range(20)]
    assert run("lint", *names, "--select", "SUP") == Ended(0, "20 specs checked: all good\n", "")
    monkeypatch.setattr(stream, "terminal", lambda _: True)
    assert "checking 7 of 20" in run("lint", *names, "--select", "SUP").err
    assert run("lint", *names, "--select", "SUP", "--quiet").err == ""


def test_statistics(run: Any, tmp_path: Path) -> None:
    spec(tmp_path)
    spec(tmp_path, name="t.yaml")
    words = ("lint", "s.yaml", "t.yaml", *ONLY, "--statistics")
    assert run(*words).out.split()[:3] == ["2", "LEA003", NAME]
    assert run(*words).code == 1
    (row,) = json.loads(run(*words, "--json").out)
    assert (row["count"], row["rule"], row["code"]) == (2, "LEA003", NAME)


def test_the_reason_and_the_page_are_told_once(run: Any, tmp_path: Path) -> None:
    spec(tmp_path)
    spec(tmp_path, name="t.yaml")
    out = run("lint", "s.yaml", "t.yaml", *ONLY).out
    assert (out.count(f"[{NAME}]"), out.count("= why:"), out.count("= see:")) == (2, 1, 1)
    assert f"= see: https://github.com/mlspec/mlspec/blob/main/docs/rules.md#{NAME}\n" in out


def test_a_cap_on_many_of_a_kind(run: Any, tmp_path: Path) -> None:
    columns = ", ".join(f"c{number}: {{role: feature, unique: true}}" for number in range(14))
    spec(tmp_path, f"{CLEAN}data: {{columns: {{{columns}}}}}\n")
    out = run("lint", "s.yaml", *ONLY).out
    assert out.count(f"[{NAME}]") == 10
    assert f"… and 4 more {NAME}, --no-cap shows them" in out
    assert run("lint", "s.yaml", *ONLY, "--no-cap").out.count(f"[{NAME}]") == 14
    assert len(json.loads(run("lint", "s.yaml", *ONLY, "--json").out)) == 14


def test_fixing(run: Any, tmp_path: Path) -> None:
    text = f'{CLEAN}splits: {{seed: 7}}  # mlspec: ignore[{NAME}] reason="old"\n'
    path = spec(tmp_path, text)
    words = ("lint", "s.yaml", "--select", f"{NAME},SUP")
    told = run(*words)
    assert "= fix: remove the comment (--fix)" in told.out
    assert told.out.endswith("1 warning; can be mended: 1 with --fix\n")
    diff = run(*words, "--diff")
    assert (diff.code, path.read_text(encoding="utf-8")) == (1, text)
    assert "-splits: {seed: 7}  # mlspec" in diff.out
    assert "+splits: {seed: 7}\n" in diff.out
    assert "1 finding would be mended" in diff.err
    mended = run(*words, "--fix")
    assert (mended.code, mended.err) == (0, "1 finding mended\n")
    assert path.read_text(encoding="utf-8") == f"{CLEAN}splits: {{seed: 7}}\n"
    assert run(*words, "--diff") == Ended(0, "", "nothing would be mended\n")


def test_unsafe_fixes_are_asked_for(run: Any, tmp_path: Path) -> None:
    path = spec(tmp_path)
    words = ("lint", "s.yaml", *ONLY)
    safe = run(*words, "--fix")
    assert (safe.code, path.read_text(encoding="utf-8")) == (1, FAULT)
    assert "1 can be with --unsafe-fixes" in safe.err
    assert run(*words, "--unsafe-fixes").code == 0
    assert "role: feature" not in path.read_text(encoding="utf-8")


def test_a_baseline(run: Any, tmp_path: Path) -> None:
    path = spec(tmp_path)
    written = run("lint", "s.yaml", *ONLY, "--write-baseline", "agreed.json")
    assert written == Ended(0, "1 finding written to agreed.json\n", "")
    assert run("lint", "s.yaml", *ONLY, "--baseline", "agreed.json").code == 0
    path.write_text("# moved\n\n" + FAULT, encoding="utf-8")
    assert run("lint", "s.yaml", *ONLY, "--baseline", "agreed.json").code == 0
    (tmp_path / "pyproject.toml").write_text('[tool.mlspec]\nbaseline = "agreed.json"\n', encoding="utf-8")
    assert run("lint", "s.yaml", *ONLY).code == 0
    path.write_text(FAULT.replace("customerID", "other"), encoding="utf-8")
    fresh = run("lint", "s.yaml", *ONLY)
    assert fresh.code == 1
    assert "baseline-entry-gone" in fresh.out
    path.write_text(CLEAN, encoding="utf-8")
    gone = run("lint", "s.yaml", *ONLY)
    assert (gone.code, "is no longer found in s.yaml" in gone.out) == (0, True)
    assert run("lint", "s.yaml", *ONLY, "--write-baseline", "agreed.json").out == "0 findings written to agreed.json\n"
    assert run("lint", "s.yaml", *ONLY).out == "1 spec checked: all good\n"
    assert run("lint", "s.yaml", "--baseline", "missing.json").code == 1


def test_a_baseline_holds_no_errors_of_the_language(run: Any, tmp_path: Path) -> None:
    spec(tmp_path, f"{CLEAN}nonsense: 1\n")
    written = run("lint", "s.yaml", *ONLY, "--write-baseline", "agreed.json")
    assert written.code == 1
    assert written.out.startswith("0 findings written to agreed.json\nerror[unknown-key]")


def test_settings_that_are_wrong_are_findings(run: Any, tmp_path: Path) -> None:
    spec(tmp_path, CLEAN)
    (tmp_path / "pyproject.toml").write_text('[tool.mlspec]\nignore = ["not-realised-yet"]\nselct = []\n', encoding="utf-8")
    found = run("lint", "s.yaml", *ONLY)
    assert found.code == 1
    assert "pyproject.toml:3:1" in found.out
    assert "3 | selct = []" in found.out
    assert "= help: did you mean `select`?" in found.out


def test_what_is_clean_is_remembered_and_what_changes_is_seen(run: Any, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.mlspec]\nselect = ["{NAME}"]\nignore = ["not-realised-yet"]\n', encoding="utf-8"
    )
    path = spec(tmp_path, CLEAN)
    first = run("lint", "s.yaml")
    assert run("lint", "s.yaml") == first
    path.write_text(FAULT, encoding="utf-8")
    assert run("lint", "s.yaml").code == 1
    assert run("lint", "s.yaml").code == 1


def test_run_and_compile_tell_no_information(run: Any, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.mlspec.severity]\nall = "info"\n', encoding="utf-8")
    ended = run("compile", str(GALLERY / "churn.yaml"), "--backend", "kfp", "-o", "out")
    assert ended.code == 0
    assert "info[" not in ended.err


# fmt


def test_fmt(run: Any, tmp_path: Path) -> None:
    text = "splits:   {seed: 7}   # dealt\nmlspec: 1\n"
    path = spec(tmp_path, text)
    assert run("fmt", "--check", "s.yaml") == Ended(1, "would change s.yaml\n", "1 spec looked at, 1 would change\n")
    diff = run("fmt", "--diff", "s.yaml")
    assert (diff.code, path.read_text(encoding="utf-8")) == (1, text)
    assert "-splits:   {seed: 7}   # dealt\n mlspec: 1\n+" in diff.out
    piped = run("fmt", "-", stdin=text.encode())
    assert run("fmt", "s.yaml").code == 0
    formatted = path.read_text(encoding="utf-8")
    assert formatted.startswith("mlspec: 1\n")
    assert "# dealt" in formatted
    assert piped.out == formatted
    assert run("fmt", "--check", "s.yaml").code == 0
    assert run("fmt", "missing.yaml").code == 1
    (tmp_path / "latin.yaml").write_bytes(b"splits:   {seed: 7}\nmlspec: 1 # \xe9\n")
    assert "not-utf-8" in run("fmt", "latin.yaml").err
    broken = spec(tmp_path, "a: [1\nb: }\n", "broken.yaml")
    assert run("fmt", "broken.yaml", "s.yaml").code == 1
    assert broken.read_text(encoding="utf-8") == "a: [1\nb: }\n"


# rules


def test_rules(run: Any) -> None:
    listed = run("rules").out.splitlines()
    assert len(listed) == len(catalogue())
    assert any(line.startswith("SUP001  unused-suppression ") for line in listed)
    told = json.loads(run("rules", "--json").out)
    assert [rule["name"] for rule in told] == list(catalogue())
    assert all(rule["severity"].keys() == {"proof_of_concept", "pilot", "production"} for rule in told)


@pytest.mark.parametrize("command", ["lint", "fmt", "rules", "run", "compile", "explain"])
def test_help_has_examples(run: Any, command: str) -> None:
    said = run(command, "--help")
    assert said.code == 0
    assert f"  mlspec {command} " in said.out or f"  mlspec {command}\n" in said.out
    assert command in run("--help").out
