"""A bundle writes what changed, keeps what a person edited, and never leaves its directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.bundle import MANIFEST, Bundle, Changes, lock
from mlspec.diagnostic import Problem


def bundle(**files: str) -> Bundle:
    made = Bundle()
    for path, text in files.items():
        made.add(path.replace("__", "/").replace("_", "."), text)
    return made


def tree(directory: Path) -> dict[str, str]:
    return {
        file.relative_to(directory).as_posix(): file.read_text(encoding="utf-8")
        for file in sorted(directory.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "./a",
        "a/.",
        "",
        ".",
        "..",
        "a\\b",
        "C:/x",
        "a\nb",
        "a\0b",
        " a",
        "a ",
        "a.",
        "a/",
        MANIFEST,
        "a\u2028",
        "\ud800",
        "*",
        "a|b",
    ],
)
def test_refuses_unsafe_paths(path: str) -> None:
    with pytest.raises(Problem, match="unsafe-path"):
        Bundle().add(path, "")


@pytest.mark.parametrize("second", ["a/b", "A/B", "a", "a/b/c", "A/b/c"])
def test_refuses_doubles_and_files_that_are_directories(second: str) -> None:
    made = Bundle()
    made.add("a/b", "")
    with pytest.raises(Problem, match="unsafe-path"):
        made.add(second, "")


def test_files_are_sorted_and_the_digest_ignores_order() -> None:
    one, two = bundle(b="2", a="1"), bundle(a="1", b="2")
    assert list(one.files) == ["a", "b"]
    assert one.digest == two.digest != bundle(a="1", b="3").digest
    assert bundle(a="1").digest != bundle(b="1").digest
    outer = Bundle()
    outer.mount("x/y", one)
    assert list(outer.files) == ["x/y/a", "x/y/b"]


def test_first_write_then_nothing_to_do(tmp_path: Path) -> None:
    made = bundle(a="1\n", b__c="é\r\n")
    assert made.write(tmp_path) == Changes(written=("a", "b/c"))
    assert (tmp_path / "b/c").read_bytes() == "é\r\n".encode()
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file() and file.name != MANIFEST}
    assert made.write(tmp_path) == Changes(unchanged=("a", "b/c"))
    assert before == {file: file.stat().st_mtime_ns for file in before}


def test_our_own_text_is_replaced_and_what_we_no_longer_emit_is_removed(tmp_path: Path) -> None:
    bundle(a="1", b__c__d="2").write(tmp_path)
    assert bundle(a="3").write(tmp_path) == Changes(written=("a",), removed=("b/c/d",))
    assert tree(tmp_path) == {"a": "3"}
    assert not (tmp_path / "b").exists()


def test_edited_files_are_kept_and_ours_lies_beside(tmp_path: Path) -> None:
    bundle(a="1", b="1").write(tmp_path)
    (tmp_path / "a").write_text("mine")
    assert bundle(a="2", b="2").write(tmp_path) == Changes(written=("b",), kept=("a",))
    assert tree(tmp_path) == {"a": "mine", "a.new": "2", "b": "2"}
    assert bundle(a="3", b="2").write(tmp_path) == Changes(unchanged=("b",), kept=("a",))
    assert tree(tmp_path)["a.new"] == "3"
    (tmp_path / "a").write_text("3")  # the person takes our text: `a.new` has done its work
    assert bundle(a="3", b="2").write(tmp_path) == Changes(unchanged=("a", "b"), removed=("a.new",))
    assert bundle(a="4", b="2").write(tmp_path) == Changes(written=("a",), unchanged=("b",))


def test_an_edit_that_is_undone_makes_the_file_ours_again(tmp_path: Path) -> None:
    bundle(a="1").write(tmp_path)
    (tmp_path / "a").write_text("mine")
    bundle(a="2").write(tmp_path)
    (tmp_path / "a").write_text("1")
    assert bundle(a="2").write(tmp_path) == Changes(written=("a",), removed=("a.new",))


def test_files_that_we_never_wrote_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("theirs")
    (tmp_path / "other").write_text("theirs")
    assert bundle(a="1").write(tmp_path) == Changes(kept=("a",))
    assert tree(tmp_path) == {"a": "theirs", "a.new": "1", "other": "theirs"}


def test_edited_files_that_we_no_longer_emit_are_kept(tmp_path: Path) -> None:
    bundle(a="1", b="1").write(tmp_path)
    (tmp_path / "b").write_text("mine")
    assert bundle(a="1").write(tmp_path) == Changes(unchanged=("a",), kept=("b",))
    assert tree(tmp_path) == {"a": "1", "b": "mine"}


@pytest.mark.parametrize(
    "manifest", ["", "nonsense", "[]", '{"files": 3}', '{"files": {"../victim": "SHA"}}', '{"files": {"a": 7}}']
)
def test_a_manifest_that_lies_makes_nothing_disappear(tmp_path: Path, manifest: str) -> None:
    import hashlib

    (tmp_path / "victim").write_text("x")
    project = tmp_path / "project"
    bundle(a="1").write(project)
    (project / "a").write_text("mine")
    (project / MANIFEST).write_text(manifest.replace("SHA", hashlib.sha256(b"x").hexdigest()))
    bundle(a="2").write(project)
    assert tree(tmp_path) == {"victim": "x", "project/a": "mine", "project/a.new": "2"}


@pytest.mark.parametrize("link", ["src", "src/a"])
def test_links_out_of_the_directory_are_not_followed(tmp_path: Path, link: str) -> None:
    outside, project = tmp_path / "outside", tmp_path / "project"
    outside.mkdir()
    (project / link).parent.mkdir(parents=True)
    (project / link).symlink_to(outside if link == "src" else outside / "a")
    with pytest.raises(Problem, match="link"):
        bundle(src__a="1").write(project)
    assert tree(outside) == {}


texts = st.dictionaries(st.sampled_from(["a", "b", "c/d", "c/e"]), st.sampled_from(["1", "2", "3"]), max_size=4)


@settings(max_examples=60, deadline=None)
@given(history=st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_no_edit_is_ever_lost(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[dict[str, str], dict[str, str]]]
) -> None:
    directory = tmp_path_factory.mktemp("bundle")
    for files, edits in history:
        made = Bundle()
        for path, text in files.items():
            made.add(path, text)
        before = tree(directory) if directory.exists() else {}
        ours = json.loads((directory / MANIFEST).read_text())["files"] if (directory / MANIFEST).exists() else {}
        changes = made.write(directory)
        after = tree(directory)
        import hashlib

        for path, text in before.items():
            if ours.get(path) != hashlib.sha256(text.encode()).hexdigest() and not path.endswith(".new"):
                assert after[path] == text
        for path, text in files.items():
            assert after[path] == text or (path in changes.kept and after[f"{path}.new"] == text)
        for path, text in edits.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(f"edited {text}")


def test_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "x.txt").write_text("a==1\n")
    monkeypatch.setattr("mlspec.__path__", [str(tmp_path)])
    assert lock("x") == "a==1\n"
    with pytest.raises(KeyError):
        lock("y")
