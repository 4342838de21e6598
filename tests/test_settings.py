"""Which rules count: the command line over `pyproject.toml`, the narrower word over the wider one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec import build, lint, settings
from mlspec.diagnostic import Problem, Severity
from mlspec.rules import Rule, find
from mlspec.settings import Policy, Selection, UnknownSelectorError, policy, selection

BASE = Path(__file__).parent / "data" / "rules" / "base.yaml"
NAME = "unique-column-as-feature"
FAULT = "extends: base.yaml\ndata: {columns: {customerID: {role: feature, unique: true}}}\n"


def rule(word: str = NAME) -> Rule:
    found = find(word)
    assert found
    return found


def project(folder: Path, toml: str, spec: str = FAULT) -> Path:
    (folder / "pyproject.toml").write_text(toml, encoding="utf-8")
    (folder / "base.yaml").write_bytes(BASE.read_bytes())
    path = folder / "specs" / "spec.yaml"
    path.parent.mkdir()
    path.write_text(spec.replace("base.yaml", "../base.yaml"), encoding="utf-8")
    return path


def codes(path: Path, said: Selection | None = None) -> set[str]:
    return {one.finding.code for one in lint.check(path, policy=policy(path, said)).diagnostics}


SELECTIONS = [
    (Selection(), True),
    (Selection(select=(NAME,)), True),
    (Selection(select=("LEA003",)), True),
    (Selection(select=("lea003",)), True),
    (Selection(select=("LEA",)), True),
    (Selection(select=("LEA0",)), True),
    (Selection(select=("leakage",)), True),
    (Selection(select=("all",)), True),
    (Selection(select=("LEA001",)), False),
    (Selection(select=()), False),
    (Selection(select=("SUP",)), False),
    (Selection(ignore=(NAME,)), False),
    (Selection(ignore=("leakage",)), False),
    (Selection(ignore=("all",)), False),
    (Selection(ignore=("LEA001",)), True),
    (Selection(select=("LEA",), ignore=("LEA003",)), False),
    (Selection(select=("LEA003",), ignore=("LEA",)), True),
    (Selection(select=("LEA003",), ignore=("LEA003",)), False),
    (Selection(select=("LEA001",), extend_select=("LEA003",)), True),
    (Selection(ignore=("all",), extend_select=("LEA",)), True),
]


@pytest.mark.parametrize(("said", "on"), SELECTIONS)
def test_the_narrower_word_wins(said: Selection, on: bool) -> None:
    assert (Policy((said,)).severity(rule(), "production", "a.yaml") is not None) is on


def test_the_command_line_comes_after_the_file() -> None:
    file = Selection(select=("SUP",), ignore=("LEA003",))
    for said, on in [
        (Selection(), False),
        (Selection(select=("LEA",)), True),
        (Selection(extend_select=("LEA003",)), True),
        (Selection(ignore=("SUP",)), False),
    ]:
        assert (Policy((file, said)).severity(rule(), "production", "a") is not None) is on, said


def test_who_asks_for_a_rule_by_name_gets_it_in_any_phase() -> None:
    off = next(one for one in settings._catalogue().values() if one.ladder[0] is None and one.ladder[2] is not None)
    early, late = "proof_of_concept", "production"
    assert Policy().severity(off, early, "a") is None
    assert Policy((Selection(select=(off.name,)),)).severity(off, early, "a") is Severity.INFO
    assert Policy((Selection(extend_select=(off.code,)),)).severity(off, early, "a") is Severity.INFO
    assert Policy((Selection(select=(off.code[:3],)),)).severity(off, early, "a") is None
    assert Policy((Selection(select=("all",)),)).severity(off, early, "a") is None
    assert Policy((Selection(select=(off.name,)),)).severity(off, late, "a") is off.severity(late)


def test_severities() -> None:
    info, warning, error = Severity.INFO, Severity.WARNING, Severity.ERROR
    for given, wanted in [
        ({NAME: info}, info),
        ({"LEA": info, NAME: error}, error),
        ({"all": warning, "leakage": info}, info),
        ({"LEA003": None}, None),
        ({"SUP": info}, rule().severity("pilot")),
    ]:
        assert Policy(severities=given).severity(rule(), "pilot", "a") is wanted


def test_words_are_checked() -> None:
    assert selection(["LEA,SUP001", "id-as-feature"]).select == ("LEA", "SUP001", "id-as-feature")
    assert selection().select is None
    assert selection(ignore=["LEA"], extend_ignore=["SUP"]).ignore == ("LEA", "SUP")
    for word, meant in [("id-as-featur", "id-as-feature"), ("LEA03", "LEA003"), ("leekage", "leakage")]:
        with pytest.raises(UnknownSelectorError, match=f"did you mean {meant}"):
            selection([word])
    with pytest.raises(UnknownSelectorError, match="there is no rule 'L'"):
        selection(ignore=["L"])


def test_the_file_says(tmp_path: Path) -> None:
    path = project(tmp_path, '[tool.mlspec]\nignore = ["LEA003"]\nlevel = "error"\nbaseline = "b.json"\n')
    found = policy(path)
    assert (found.level, found.baseline, found.home) == (Severity.ERROR, tmp_path / "b.json", tmp_path / "pyproject.toml")
    assert NAME not in codes(path)
    assert NAME in codes(path, Selection(extend_select=(NAME,)))
    assert policy(path, level=Severity.INFO).level is Severity.INFO


def test_the_nearest_file_with_something_to_say_counts(tmp_path: Path) -> None:
    path = project(tmp_path, '[tool.mlspec.severity]\nunique-column-as-feature = "off"\n')
    (path.parent / "pyproject.toml").write_text('[tool.other]\nname = "x"\n', encoding="utf-8")
    assert policy(path).home == tmp_path / "pyproject.toml"
    assert NAME not in codes(path)
    (path.parent / "pyproject.toml").write_text("[tool.mlspec]\n", encoding="utf-8")
    assert policy(path).home == path.parent / "pyproject.toml"
    assert NAME in codes(path)


@pytest.mark.parametrize(
    ("glob", "ignored"),
    [
        ("spec.yaml", True),
        ("specs/*.yaml", True),
        ("*.yaml", True),
        ("other/*.yaml", False),
        ("specs/spec.yml", False),
        ("base.yaml", False),
    ],
)
def test_per_file_ignores(tmp_path: Path, glob: str, ignored: bool) -> None:
    path = project(tmp_path, f'[tool.mlspec.per-file-ignores]\n"{glob}" = ["LEA"]\n')
    assert (NAME not in codes(path)) is ignored


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = project(tmp_path, '[tool.mlspec]\nignore = ["LEA"]\n')
    assert NAME not in codes(path)
    (tmp_path / "pyproject.toml").write_text("[tool.mlspec]\nignore = []\n# longer\n", encoding="utf-8")
    assert NAME in codes(path)


FAULTY = [
    ('[tool.mlspec]\nselct = ["LEA"]\n', "unknown-setting", 2, "did you mean `select`?"),
    ('[tool.mlspec]\nselect = [\n  "LEA",\n  "id-as-featur",\n]\n', "unknown-rule", 4, "did you mean `id-as-feature`?"),
    (
        '[tool.x]\nid-as-featur = 1\n[tool.mlspec.severity]\n# id-as-featur\nid-as-featur = "off"\n',
        "unknown-rule",
        5,
        "id-as-feature",
    ),
    ('[tool.mlspec.severity]\nid-as-feature = "fatal"\n', "bad-setting", 2, "error, warning, info or off"),
    ("[tool.mlspec]\nselect = 3\n", "bad-setting", 2, "write it like"),
    ('[tool.mlspec]\nlevel = "loud"\n', "bad-setting", 2, "error, warning or info"),
    ("[tool.mlspec]\nseverity = 1\n", "bad-setting", 2, ""),
    ("[tool.mlspec]\nbaseline = []\n", "bad-setting", 2, ""),
    ('[tool.mlspec.per-file-ignores]\n"*.yaml" = ["NOO"]\n', "unknown-rule", 2, ""),
    ("[tool.mlspec]\nselect = [\n", "bad-settings", 2, ""),
]


@pytest.mark.parametrize(("toml", "code", "line", "advice"), FAULTY)
def test_faults_of_the_file_have_their_line(tmp_path: Path, toml: str, code: str, line: int, advice: str) -> None:
    path = project(tmp_path, toml)
    (fault,) = policy(path).problems
    assert fault.span is not None
    assert (fault.finding.code, fault.finding.severity) == (code, Severity.WARNING)
    assert abs(fault.span.line - line) <= (code == "bad-settings")
    assert advice in fault.finding.help
    assert fault.file.endswith("pyproject.toml")
    assert code in codes(path)


def test_errors_of_the_language_can_be_lowered_but_compile_no_better(tmp_path: Path) -> None:
    spec = BASE.read_text(encoding="utf-8") + "\nnonsense: 1\n"
    path = project(tmp_path, "", spec)
    before = lint.check(path)
    (error,) = [one for one in before.errors if one.finding.code == "unknown-key"]
    assert before.halting
    for said, severity in [
        (Policy(severities={"unknown-key": Severity.WARNING}), Severity.WARNING),
        (Policy(severities={"unknown-key": None}), Severity.INFO),
        (Policy((Selection(ignore=("unknown-key",)),)), Severity.INFO),
        (Policy((Selection(select=("LEA",)),)), Severity.ERROR),
    ]:
        opened = lint.check(path, policy=said)
        told = [one.finding.severity for one in opened.diagnostics if one.finding.code == "unknown-key"]
        assert told == [severity]
        with pytest.raises(Problem, match="unknown-key"):
            opened.checked()
    assert error.finding.severity is Severity.ERROR


def test_run_and_compile_honour_the_file(tmp_path: Path) -> None:
    path = project(tmp_path, '[tool.mlspec.severity]\nLEA003 = "error"\n')
    with pytest.raises(Problem, match=NAME):
        build.open_spec(path).checked()
    (tmp_path / "pyproject.toml").write_text('[tool.mlspec]\nignore = ["LEA003"]\n', encoding="utf-8")
    assert NAME not in str([str(one) for one in build.open_spec(path).diagnostics])
