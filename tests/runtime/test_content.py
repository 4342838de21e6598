"""Content keys: what changes one, and what does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlspec.runtime import content
from mlspec.runtime.artifact import digest

PYTHON: dict[str, Any] = {"entrypoint": "work:start", "params": {"value": 1}, "inputs": ["n"], "outputs": ["number"]}


def key(op: str = "python", params: dict[str, Any] = PYTHON, **more: Any) -> str:
    given: dict[str, Any] = {"inputs": {"n": "aa"}, "outputs": ["number"], "file_digest": digest, **more}
    parts = content.parts(op, params, **given)
    assert parts is not None
    return content.key(parts)


CHANGES: dict[str, dict[str, Any]] = {
    "a param": {"params": {**PYTHON, "params": {"value": 2}}},
    "the op": {"op": "container"},
    "an input": {"inputs": {"n": "ab"}},
    "another port": {"inputs": {"m": "aa"}},
    "an output": {"outputs": ["number", "more"]},
    "the user's code": {"code": {"work.py": "cc"}},
    "a variable": {"environment": {"MODE": "fast"}},
    "a secret's reference": {"secrets": {"TOKEN": ("secret", "api", "token")}},
}


def test_each_part_counts() -> None:
    keys = {name: key(**change) for name, change in CHANGES.items()}
    assert len({key(), *keys.values()}) == len(CHANGES) + 1, keys


def test_the_value_of_a_secret_does_not_count_and_is_not_in_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"TOKEN": ("env", "OUR_TOKEN", "")}
    monkeypatch.setenv("OUR_TOKEN", "hush-hush")
    before = key(secrets=secrets)
    parts = content.parts("python", PYTHON, inputs={}, outputs=[], file_digest=digest, secrets=secrets)
    assert "hush" not in json.dumps(parts)
    monkeypatch.setenv("OUR_TOKEN", "other")
    assert key(secrets=secrets) == before


def test_code_counts_where_a_step_calls_it() -> None:
    code, plain = {"work.py": "cc"}, {"subject": "data"}
    assert key("gate", plain, code=code) == key("gate", plain)
    nested = {"steps": [{"params": {"transforms": [{"entrypoint": "a:b"}]}}]}
    assert list(content.entrypoints(nested)) == ["a:b"]
    assert key("gate", nested, code=code) != key("gate", nested)


@given(st.permutations(["a", "b", "c", "d"]))
def test_order_does_not_count(names: list[str]) -> None:
    def named(order: list[str]) -> str:
        return key(params={name: name for name in order}, inputs=dict.fromkeys(order, "x"), outputs=order)

    assert named(names) == named(["a", "b", "c", "d"])


def _ingest(root: str) -> dict[str, Any]:
    return {"sources": {"rows": {"kind": "csv", "path": "rows.csv"}}, "join": [], "union": None, "columns": {}, "data_root": root}


def test_what_a_run_is_given_counts_by_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    here = key("ingest", _ingest("."), bound=["data_root"])
    assert key("ingest", _ingest(str(tmp_path)), bound=["data_root"]) == here
    (tmp_path / "rows.csv").write_text("a,b\n1,3\n")
    assert key("ingest", _ingest("."), bound=["data_root"]) != here


def test_what_nobody_can_know_has_no_key(tmp_path: Path) -> None:
    asked = {"step": "sign_off", "message": "?", "approvals_root": str(tmp_path)}
    common: dict[str, Any] = {"inputs": {}, "outputs": ["report"], "file_digest": digest}
    assert content.parts("approve", asked, bound=["approvals_root"], **common) is None
    (tmp_path / "sign_off.json").write_text('{"approved": true}')
    assert content.parts("approve", asked, bound=["approvals_root"], **common) is not None
    assert content.parts("notify", {"channels": []}, **common) is None
    assert content.parts("python", PYTHON, bound=["somewhere"], **common) is None


def test_the_users_modules_are_told_alike_from_text_and_from_files(tmp_path: Path) -> None:
    code = {"work.py": "x = 1\n", "package/inner.py": "y = 2\n"}
    for name, text in code.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert content.tree_digests(tmp_path) == content.code_digests(code)


def test_our_own_code_counts() -> None:
    assert len(content.code_digest()) == 64
    assert content.code_digest() != content.code_digest(own=False)
    assert set(content.libraries()) == set(content.LIBRARIES)
