"""The user's own steps: called with paths, and blamed at their own lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlspec import runtime
from mlspec.diagnostic import Problem

CODE = """
import json, sys
from mlspec.diagnostic import Finding, Problem

def count(inputs, outputs, *, word="a"):
    number = inputs["text"].read_text().count(word)
    outputs["table"].write_text(json.dumps({word: number}))
    return {"found": number, "ok": True, "share": 0.5, "nothing": None}

def silent(inputs, outputs):
    outputs["table"].mkdir()

def deeper(numbers):
    return numbers[3] / 0

def failing(inputs, outputs):
    return deeper([1, 2, 3, 4])

def through_a_library(inputs, outputs):
    json.loads("{")

def stops(inputs, outputs):
    sys.exit("no more")

def needs(inputs, outputs):
    import surely_not_installed_anywhere

def refuses(inputs, outputs):
    raise Problem(Finding("my-own-code", "the data is from the future"))

def forgets(inputs, outputs):
    return {}

def not_finite(inputs, outputs):
    outputs["table"].touch()
    return {"share": float("nan")}

def nested(inputs, outputs):
    outputs["table"].touch()
    return {"rows": [1, 2]}

def not_a_mapping(inputs, outputs):
    outputs["table"].touch()
    return 3

NUMBER = 3
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_steps_for_test.py").write_text(CODE)
    (tmp_path / "own_broken_for_test.py").write_text("def f(:\n    pass\n")
    (tmp_path / "own_import_for_test.py").write_text("VALUE = 1 / 0\n")
    (tmp_path / "text").write_text("banana")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def call(place: Path, name: str, module: str = "own_steps_for_test", **params: Any) -> dict[str, Any]:
    given = {"entrypoint": f"{module}:{name}", "params": params, "inputs": ["text"], "outputs": ["table"]}
    return runtime.run("python", inputs={"text": place / "text"}, outputs={"table": place / "table"}, params=given)


def test_the_function_gets_paths_and_its_params_and_gives_facts(project: Path) -> None:
    assert call(project, "count", word="an") == {"found": 2, "ok": True, "share": 0.5, "nothing": None}
    assert (project / "table").read_text() == '{"an": 2}'


def test_it_may_return_nothing_and_write_a_directory(project: Path) -> None:
    assert call(project, "silent") == {}
    assert (project / "table").is_dir()


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("failing", "user-code-failed", ["ZeroDivisionError: division by zero", "own_steps_for_test.py:17: return deeper([1, 2, 3, 4])", "own_steps_for_test.py:14: return numbers[3] / 0"]),
        ("through_a_library", "user-code-failed", ["JSONDecodeError", 'own_steps_for_test.py:20: json.loads("{")']),
        ("stops", "user-code-failed", ["SystemExit: no more", ":23:"]),
        ("needs", "user-code-failed", ["ModuleNotFoundError", "own_steps_for_test.py:26"]),
        ("refuses", "my-own-code", ["the data is from the future"]),
        ("forgets", "output-not-written", ["did not write its output table"]),
        ("not_finite", "bad-facts", ["not finite"]),
        ("nested", "bad-facts", ["'rows': list"]),
        ("not_a_mapping", "bad-facts", ["returned int"]),
        ("nothing_here", "entrypoint-not-found", ["has no 'nothing_here'", "count"]),
        ("NUMBER", "not-a-function", ["cannot be called"]),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_told_by_the_users_lines(project: Path, name: str, code: str, said: list[str]) -> None:
    with pytest.raises(Problem) as caught:
        call(project, name)
    text = str(caught.value)
    assert caught.value.faults[0].code == code  # type: ignore[union-attr]
    assert all(one in text for one in said), text
    assert "python.py" not in text
    assert "decoder.py" not in text
    assert str(project) not in text


def test_arguments_it_does_not_take_are_said_before_it_is_called(project: Path) -> None:
    with pytest.raises(Problem, match="does not take these arguments: got an unexpected keyword argument 'wrod'"):
        call(project, "count", wrod="a")


def test_a_module_that_cannot_be_imported(project: Path) -> None:
    with pytest.raises(Problem, match=r"put own_absent_for_test.py beside the spec"):
        call(project, "f", "own_absent_for_test")
    with pytest.raises(Problem, match=r"own_broken_for_test.py:1: def f\(:"):
        call(project, "f", "own_broken_for_test")
    with pytest.raises(Problem, match=r"own_import_for_test.py:1: VALUE = 1 / 0"):
        call(project, "f", "own_import_for_test")
