"""Secrets are found by variable and by file, and what is missing is told without a word of what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec import lower
from mlspec.diagnostic import Problem
from mlspec.runtime import secret
from mlspec.secret import Reference


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(secret.FOLDER, str(tmp_path))
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "dsn").write_text("from a file\n")
    return tmp_path


def test_a_variable_wins_over_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert secret.resolve("secret", "orders", "dsn") == "from a file"
    monkeypatch.setenv("MLSPEC_SECRET_ORDERS_DSN", "from a variable")
    assert secret.resolve("secret", "orders", "dsn") == "from a variable"


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_TOKEN", "")
    assert secret.resolve("env", "OUR_TOKEN") == ""  # set, though to nothing


@pytest.mark.parametrize(("store", "name", "key"), [("env", "NOBODY_SET_THIS", ""), ("secret", "api-eu", "the.token")])
def test_what_is_missing_says_how_to_give_it(store: str, name: str, key: str) -> None:
    with pytest.raises(Problem) as caught:
        secret.resolve(store, name, key)
    [fault] = caught.value.faults
    assert "secret-missing" in str(fault)
    assert secret.variable_of(store, name, key) in str(fault)


@pytest.mark.parametrize(("name", "key"), [("..", "passwd"), (".", "x"), ("orders", "../../x"), ("", "")])
def test_a_name_leads_nowhere_else(folder: Path, name: str, key: str) -> None:
    (folder.parent / "passwd").write_text("no")
    with pytest.raises(Problem):
        secret.resolve("secret", name, key)


def test_all_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_TOKEN", "hush-hush")
    with pytest.raises(Problem) as caught:
        secret.environment({"A": "b"}, {"T": ("env", "OUR_TOKEN", ""), "U": ("env", "NO_U", ""), "V": ("secret", "v", "v")})
    assert len(caught.value.faults) == 2
    assert "hush" not in str(caught.value)
    assert secret.environment({"A": "b"}, {"T": ("env", "OUR_TOKEN", "")}) == {"A": "b", "T": "hush-hush"}


def test_texts_are_filled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "a\\1.b${env:HOST}")  # neither a group of the pattern nor a reference to be filled once more
    assert secret.fill("https://${env:HOST}/${secret:orders/dsn}?x=${y}") == "https://a\\1.b${env:HOST}/from a file?x=${y}"


@pytest.mark.parametrize("text", ["${env:A_B}", "${secret:orders/dsn}", "${secret:a.b-c/D_e.f}", "${secret:x/tok_}"])
def test_lowering_and_runtime_know_one_name(text: str) -> None:
    reference = Reference.read(text)
    assert lower.variable_of(reference) == secret.variable_of(*reference)
