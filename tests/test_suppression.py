"""Comments that silence: on a line, above a line, at the top; and what is told of those that do not."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as checking
from hypothesis import strategies as st

from mlspec import lint, repair, suppression
from mlspec.diagnostic import Diagnostic, Severity
from mlspec.document import parse
from mlspec.settings import Policy, Selection

BASE = Path(__file__).parent / "data" / "rules" / "base.yaml"
NAME = "unique-column-as-feature"
ONLY = Policy((Selection(select=(NAME, "suppressions")),))
HEAD = "extends: base.yaml\n"
FAULT = "data:\n  columns:\n    customerID: {role: feature, unique: true}"


def check(folder: Path, text: str, **options: Any) -> list[Diagnostic]:
    (folder / "base.yaml").write_bytes(BASE.read_bytes())
    path = folder / "spec.yaml"
    path.write_bytes(text.encode())
    found = lint.check(path, policy=options.pop("policy", ONLY), **options).diagnostics
    return [one for one in found if one.finding.code != "not-realised-yet"]


def codes(folder: Path, text: str, **options: Any) -> list[str]:
    return [one.finding.code for one in check(folder, text, **options)]


WHY = 'reason="it is known when asked"'
SILENT = [
    f"{HEAD}{FAULT}  # mlspec: ignore[{NAME}] {WHY}\n",
    f"{HEAD}{FAULT}  # mlspec: ignore[LEA003] {WHY}\n",
    f"{HEAD}{FAULT}  # mlspec: ignore[lea003] {WHY}\n",
    f"{HEAD}{FAULT}  #mlspec:ignore[LEA003] {WHY}\n",
    f"{HEAD}{FAULT} # checked. # mlspec: ignore[LEA003] {WHY}\n",
    f"{HEAD}{FAULT} # mlspec: ignore[LEA003] {WHY} # checked\n",
    f"{HEAD}{FAULT} # mlspec: ignore[LEA003] reason=known until=2030-01-02\n",
    f"{HEAD}{FAULT} # mlspec: ignore[LEA003] until=2030-01-02 reason='it is known'\n",
    HEAD + FAULT.replace("    customerID", f"    # mlspec: ignore[LEA003] {WHY}\n    customerID"),
    HEAD + FAULT.replace("    customerID", f"    # mlspec: ignore[LEA003] {WHY}\n\n  # another word\n    customerID"),
    f"# mlspec: ignore-file[LEA003] {WHY}\n{HEAD}{FAULT}\n",
    f"# about\n\n# mlspec: ignore-file[LEA003] {WHY}\n{HEAD}{FAULT}\n",
]


@pytest.mark.parametrize("text", SILENT)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_comment_silences(tmp_path: Path, text: str, ends: str) -> None:
    assert codes(tmp_path, text.replace("\n", ends), today=date(2030, 1, 2)) == []


def test_what_stands_elsewhere_is_not_silenced(tmp_path: Path) -> None:
    for text in (
        f"{HEAD}# mlspec: ignore[LEA003] {WHY}\n{FAULT}\n",  # the next line is `data:`, the fault is two below it
        f"{HEAD}{FAULT}\n# mlspec: ignore[LEA003] {WHY}\n",
        f"{HEAD}  # mlspec: ignore[LEA003] {WHY}\n{FAULT}\n",
    ):
        assert codes(tmp_path, text) == [NAME, "unused-suppression"]


@pytest.mark.parametrize(
    "value",
    [
        '"{}"',
        "'{}'",
        "|\n    {}\n    more",
        ">-\n    {}",
    ],
)
def test_text_is_text(tmp_path: Path, value: str) -> None:
    mark = "# mlspec: ignore[NOPE]"
    project = f"project:\n  problem: {value.replace('{}', mark)}\n"
    assert codes(tmp_path, HEAD + project) == []
    assert list(suppression.comments(parse(project, "f"))) == []
    assert list(suppression.comments(parse("a: b#mlspec:ignore[NOPE]", "f"))) == []


def test_a_comment_below_a_block_of_text_is_a_comment() -> None:
    text = "a: |\n  text # mlspec: ignore[A]\n# mlspec: ignore[B]\nb: 1 # mlspec: ignore[C]\n"
    assert [one.codes for one in suppression.comments(parse(text, "f"))] == [("B",), ("C",)]


def test_unused(tmp_path: Path) -> None:
    text = f"{HEAD}data: {{}}  # mlspec: ignore[LEA003, SUP001] {WHY}\n"
    (one,) = check(tmp_path, text)
    assert one.finding.code == "unused-suppression"
    assert one.finding.severity is Severity.WARNING
    assert one.finding.message == "nothing on line 2 is `LEA003` or `SUP001`"
    assert one.span is not None
    assert (one.span.line, one.span.column) == (2, 11)
    assert one.patch is not None
    assert repair.apply(text, one.file, [one.patch]) == f"{HEAD}data: {{}}\n"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_what_is_unused_is_removed_and_nothing_else(tmp_path: Path, ends: str) -> None:
    for text, wanted in [
        (f"{HEAD}# mlspec: ignore[LEA003] {WHY}\ntask: {{}}\n", f"{HEAD}task: {{}}\n"),
        (f"{HEAD}\n  # mlspec: ignore[LEA003] {WHY}  \n\ntask: {{}}\n", f"{HEAD}\n\ntask: {{}}\n"),
        (f"{HEAD}{FAULT} # mlspec: ignore[LEA003, LEA001] {WHY}\n", f"{HEAD}{FAULT} # mlspec: ignore[LEA003] {WHY}\n"),
    ]:
        text, wanted = text.replace("\n", ends), wanted.replace("\n", ends)
        policy = Policy((Selection(select=(NAME, "LEA001", "SUP")),))
        (one,) = check(tmp_path, text, policy=policy)
        assert one.patch is not None
        assert repair.apply(text, one.file, [one.patch]) == wanted


def test_a_rule_that_did_not_run_is_not_held_against_it(tmp_path: Path) -> None:
    text = f"{HEAD}data: {{}}  # mlspec: ignore[LEA003] {WHY}\n"
    assert codes(tmp_path, text, policy=Policy((Selection(select=("SUP",)),))) == []
    broken = f"{HEAD}data: {{nonsense: 1}}  # mlspec: ignore[LEA003] {WHY}\n"
    assert "unused-suppression" not in codes(tmp_path, broken)
    assert codes(tmp_path, text, sets=["splits.seed=3"]) == []
    overlay = f"{HEAD}environments:\n  prod:\n    splits: {{seed: 8}}  # mlspec: ignore[LEA003] {WHY}\n"
    assert codes(tmp_path, overlay) == []


def test_expired(tmp_path: Path) -> None:
    text = f"{HEAD}{FAULT}  # mlspec: ignore[LEA003] {WHY} until=2027-01-01\n"
    assert codes(tmp_path, text, today=date(2027, 1, 1)) == []
    assert codes(tmp_path, text, today=date(2027, 1, 2)) == [NAME, "expired-suppression"]
    idle = f"{HEAD}data: {{}}  # mlspec: ignore[LEA003] {WHY} until=2027-01-01\n"
    assert codes(tmp_path, idle, today=date(2027, 1, 2)) == ["unused-suppression"]


def test_unknown(tmp_path: Path) -> None:
    (one,) = check(tmp_path, f"{HEAD}data: {{}}  # mlspec: ignore[id-as-featur] {WHY}\n")
    assert one.finding.code == "unknown-suppression"
    assert one.finding.help == "did you mean `id-as-feature`?"
    found = codes(tmp_path, f"{HEAD}{FAULT}  # mlspec: ignore[LEA] {WHY}\n")
    assert found == [NAME, "unknown-suppression"], "a topic is not a rule: it would silence what nobody has seen"


def test_a_reason_is_asked_for_in_production(tmp_path: Path) -> None:
    text = f"{HEAD}{FAULT}  # mlspec: ignore[LEA003]\n"
    (one,) = check(tmp_path, text)
    assert (one.finding.code, one.finding.severity) == ("suppression-without-reason", Severity.INFO)
    assert codes(tmp_path, f"{text}project: {{phase: pilot}}\n") == []


@pytest.mark.parametrize(
    "comment",
    [
        "ignore",
        "ignore[]",
        "ignore LEA003",
        "ignore[LEA003",
        "ignore[LEA003] until=tomorrow",
        "ignore[LEA003] because=x",
        "ignore-file[LEA003]",
    ],
)
def test_malformed(tmp_path: Path, comment: str) -> None:
    assert codes(tmp_path, f"{HEAD}{FAULT}  # mlspec: {comment}\n") == [NAME, "malformed-suppression"]


def test_errors_of_the_language_are_not_silenced(tmp_path: Path) -> None:
    found = codes(tmp_path, f"{HEAD}nonsense: 1  # mlspec: ignore[unknown-key] {WHY}\n")
    assert found == ["unknown-key", "malformed-suppression"]


def test_the_files_that_it_extends_silence_their_own(tmp_path: Path) -> None:
    (tmp_path / "middle.yaml").write_text(f"{HEAD}{FAULT}  # mlspec: ignore[LEA003] {WHY}\n", encoding="utf-8")
    assert codes(tmp_path, "extends: middle.yaml\n") == []
    assert codes(tmp_path, "extends: middle.yaml\ndata: {columns: {customerID: {role: id}}}\n") == [], "it is told with that file"


PIECES = st.sampled_from(
    [
        "# mlspec: ignore",
        "[",
        "]",
        "LEA003",
        ",",
        " ",
        "reason=",
        '"',
        "'",
        "until=",
        "2027-01-01",
        "\n",
        "a: ",
        "- ",
        "|",
        ">",
        "#",
        "-file",
        "é",
        "\r\n",
        "  ",
    ]
)


@given(st.lists(PIECES, max_size=25).map("".join))
@checking(max_examples=300, deadline=None)
def test_any_text_is_read(text: str) -> None:
    document = parse(text, "f.yaml")
    for one in suppression.comments(document):
        assert text[one.start : one.end].startswith("#")
        assert 0 <= one.start < one.end <= len(text)
        assert "\n" not in text[one.start : one.end]
