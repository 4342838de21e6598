"""The local registry: versions by content, an index in order, and nothing lost when several register at once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlspec import runtime
from mlspec.diagnostic import Problem
from mlspec.runtime import register
from mlspec.runtime.artifact import digest


def package(place: Path, word: str) -> Path:
    made = place / f"package-{word}"
    (made / "code").mkdir(parents=True)
    (made / "package.json").write_text(json.dumps({"word": word}))
    (made / "code" / "own.py").write_text(f"WORD = {word!r}\n")
    return made


def enter(place: Path, made: Path, name: str = "churn") -> dict[str, str]:
    entry = place / f"entry-{made.name}"
    runtime.run("register", inputs={"package": made}, outputs={"entry": entry}, params=given(place, name))
    told: dict[str, str] = json.loads(entry.read_text())
    return told


def given(place: Path, name: str = "churn") -> dict[str, str]:
    return {"name": name, "registry_root": str(place / "registry")}


def listed(place: Path) -> list[str]:
    return [one["version"] for one in json.loads((place / "registry" / "churn" / "versions.json").read_text())]


def test_a_version_is_the_start_of_the_content_digest(tmp_path: Path) -> None:
    made = package(tmp_path, "one")
    entry = enter(tmp_path, made)
    assert entry == {"name": "churn", "version": digest(made)[:12], "digest": digest(made), "path": f"churn/{digest(made)[:12]}"}
    assert digest(tmp_path / "registry" / entry["path"]) == entry["digest"]


def test_versions_are_in_order_and_latest_is_the_last_entered(tmp_path: Path) -> None:
    one, two = package(tmp_path, "one"), package(tmp_path, "two")
    versions = [enter(tmp_path, made)["version"] for made in (one, two, one)]
    assert listed(tmp_path) == versions[:2]
    assert (tmp_path / "registry" / "churn" / "latest").read_text().strip() == versions[0]


def test_the_same_package_is_entered_once(tmp_path: Path) -> None:
    made = package(tmp_path, "one")
    outputs, inputs = {"entry": tmp_path / "entry"}, {"package": made}
    assert register.run(inputs, outputs, given(tmp_path))["new"] is True
    first = (tmp_path / "entry").read_bytes()
    assert register.run(inputs, outputs, given(tmp_path)) == {
        "name": "churn",
        "version": digest(made)[:12],
        "new": False,
        "versions": 1,
    }
    assert (tmp_path / "entry").read_bytes() == first


def test_a_damaged_version_is_mended(tmp_path: Path) -> None:
    made = package(tmp_path, "one")
    place = tmp_path / "registry" / enter(tmp_path, made)["path"]
    (place / "code" / "own.py").write_text("WORD = 'changed'\n")
    enter(tmp_path, made)
    assert digest(place) == digest(made)
    assert listed(tmp_path) == [digest(made)[:12]]


def test_a_cached_result_holds_only_while_the_version_is_there(tmp_path: Path) -> None:
    made = package(tmp_path, "one")
    entry = enter(tmp_path, made)
    inputs, outputs = {"package": made}, {"entry": tmp_path / "entry-package-one"}
    place = tmp_path / "registry" / entry["path"]
    assert register.fresh(inputs, outputs, given(tmp_path))
    place.rename(place.with_name("gone"))
    assert not register.fresh(inputs, outputs, given(tmp_path))
    place.with_name("gone").rename(place)
    assert register.fresh(inputs, outputs, given(tmp_path))
    assert not register.fresh(inputs, outputs, {"name": "churn", "registry_root": str(tmp_path / "elsewhere")})
    enter(tmp_path, package(tmp_path, "two"))
    assert not register.fresh(inputs, outputs, given(tmp_path)), "another version is the latest now"


def test_threads_that_register_at_once_lose_nothing(tmp_path: Path) -> None:
    packages = [package(tmp_path, f"p{number}") for number in range(8)]
    threads = [threading.Thread(target=enter, args=(tmp_path, made)) for made in packages * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(listed(tmp_path)) == sorted(digest(made)[:12] for made in packages)
    assert not list((tmp_path / "registry" / "churn").glob(".writing-*"))


def test_processes_that_register_at_once_lose_nothing(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from mlspec.runtime import register\n"
        "for made in map(Path, sys.argv[2:]):\n"
        "    register.run({'package': made}, {'entry': made.with_suffix('.entry')}, {'name': 'churn', 'registry_root': sys.argv[1]})\n"
    )
    packages = [[package(tmp_path, f"p{process}x{number}") for number in range(5)] for process in range(3)]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    running = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path / "registry", *made], env=environment) for made in packages
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert sorted(listed(tmp_path)) == sorted(digest(made)[:12] for group in packages for made in group)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b"])
def test_a_name_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Problem, match="no name for a model"):
        enter(tmp_path, package(tmp_path, "one"), name)
