"""A command in a container: run for real by podman where it works, and everywhere by a stand-in for the engine.

The stand-in really runs the command, without a container around it: paths, variables, outputs, faults and the end are the same.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlspec import runtime
from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import container
from tests.runtime import engines


@pytest.fixture(scope="module")
def real() -> Iterator[dict[str, str] | None]:
    with engines.podman() as variables:
        yield variables


@pytest.fixture(params=["stand-in", "podman"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    container.find_engine.cache_clear()
    if request.param == "podman":
        variables = request.getfixturevalue("real")
        if variables is None:
            pytest.skip("podman, runc and busybox-static are not here, or may not start a container")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv(container.ENGINE, "podman")
    else:
        monkeypatch.setenv(container.ENGINE, str(engines.stand_in(tmp_path)))
    monkeypatch.setenv(container.OPTIONS, "--network none")
    yield request.param
    container.find_engine.cache_clear()


def run(folder: Path, *command: str, inputs: dict[str, Path] | None = None, image: str = engines.IMAGE, **more: Any) -> Path:
    params = {"image": image, "command": list(command), "inputs": list(inputs or {}), "outputs": ["made"]}
    outputs = {"made": folder / "out" / "made"}
    runtime.run("container", inputs=inputs or {}, outputs=outputs, params=params, **more)
    return outputs["made"]


def fault(caught: pytest.ExceptionInfo[Problem]) -> Finding:
    [one] = caught.value.faults
    assert isinstance(one, Finding)
    return one


def test_files_go_in_and_come_out_as_ours(engine: str, tmp_path: Path) -> None:
    (tmp_path / "a dir, no").mkdir()
    source = tmp_path / "text: with 'signs"
    source.write_text("one two\n")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "leaf").write_text("three\n")
    script = "cat {inputs.text} {inputs.tree}/leaf > {outputs.made}; echo told; echo '{inputs.}' '{other}'"
    made = run(tmp_path, "/bin/sh", "-c", script, inputs={"text": source, "tree": tmp_path / "tree"})
    assert made.read_text() == "one two\nthree\n"
    assert made.stat().st_uid == os.getuid()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["made"]


def test_a_directory_may_be_made(engine: str, tmp_path: Path) -> None:
    script = 'd="{outputs.made}"; busybox mkdir -p "$d/sub" 2>/dev/null || mkdir -p "$d/sub"; echo x > "$d/sub/file"'
    assert (run(tmp_path, "/bin/sh", "-c", script) / "sub" / "file").read_text() == "x\n"


def test_variables_are_handed_over_and_no_other(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_MACHINE", "ours")
    environment = {"TOKEN": "hush $HOME 'x'", "PLAIN": "a=b,c"}
    made = run(tmp_path, "/bin/sh", "-c", 'env > "{outputs.made}"', environment=environment)
    found = dict(line.partition("=")[::2] for line in made.read_text().splitlines())
    assert {name: found.get(name) for name in environment} == environment
    assert "OF_THE_MACHINE" not in found


@pytest.mark.parametrize("engine", ["podman"], indirect=True)  # only an engine mounts
def test_inputs_are_read_only(engine: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("kept\n")
    run(tmp_path, "/bin/sh", "-c", "echo x > {inputs.text}; echo x > {outputs.made}", inputs={"text": tmp_path / "text"})
    assert (tmp_path / "text").read_text() == "kept\n"


def test_what_fails_says_so(engine: str, tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        run(tmp_path, "/bin/sh", "-c", "echo working; echo 'it is broken' >&2; exit 3")
    assert fault(caught).code == "container-failed"
    assert "exit code 3" in fault(caught).message
    assert "it is broken" in fault(caught).message
    with pytest.raises(Problem) as caught:
        run(tmp_path, "/bin/sh", "-c", "true")
    assert fault(caught).code == "output-not-written"
    with pytest.raises(Problem) as caught:
        run(tmp_path, "/bin/sh", "-c", "cat {inputs.nothing}")
    assert fault(caught).code == "unknown-port"
    with pytest.raises(Problem, match="is the image there"):
        run(tmp_path, "/bin/true", image="absent" if engine == "stand-in" else "localhost/absent:1")
    with pytest.raises(Problem, match="not the name of an image"):
        run(tmp_path, "/bin/true", image="--privileged")


def _beats(file: Path, seconds: float = 0.0) -> int:
    time.sleep(seconds)
    return file.stat().st_size if file.exists() else 0


def test_a_limit_ends_the_container(engine: str, tmp_path: Path) -> None:
    script = "while true; do echo x >> {outputs.made}; sleep 0.1; done"
    started = time.monotonic()
    with pytest.raises(Problem, match="longer than its limit"):
        run(tmp_path, "/bin/sh", "-c", script, timeout=2.0)
    assert time.monotonic() - started < 20
    time.sleep(0.5)
    assert not list((tmp_path / "out").glob("*")), "what writes there still lives, or what it wrote was left"
    if engine == "podman":
        assert not subprocess.run(["podman", "ps", "-aq"], capture_output=True, text=True, check=True).stdout.strip()


def test_it_ends_with_us(engine: str, tmp_path: Path) -> None:
    program = f"""
from mlspec import runtime
runtime.run("container", outputs={{"made": {str(tmp_path / "out" / "made")!r}}}, params={{
    "image": {engines.IMAGE!r}, "command": ["/bin/sh", "-c", "while true; do echo x >> {{outputs.made}}; sleep 0.1; done"]}})
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 30
    while not [path for path in (tmp_path / "out").glob("*/made") if _beats(path)]:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 20
    while list((tmp_path / "out").glob("*/made")):
        assert time.monotonic() < deadline, "the container goes on without us"
        time.sleep(0.2)


def test_no_value_is_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSPEC_STEP_VARIABLES", "TOKEN,OTHER")
    monkeypatch.setenv("TOKEN", "hush-hush")
    told = container.arguments(("podman",), "name", "image:1", ["tool", "--flag", "a b"], {"n": tmp_path / "n"}, tmp_path)
    assert "hush" not in " ".join(told)
    assert told[told.index("--entrypoint") :] == ["--entrypoint", "tool", "image:1", "--flag", "a b"]
    assert [told[at + 1] for at, one in enumerate(told) if one == "--env"] == ["TOKEN", "OTHER"]
    assert f"type=bind,source={tmp_path}/n,target=/mlspec/inputs/n,readonly" in told
    assert [one for one in told if one.startswith("--user")] == ["--user"] or os.getuid()


def test_without_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(container.ENGINE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    container.find_engine.cache_clear()
    with pytest.raises(Problem, match="neither docker nor podman"):
        container.find_engine()
    broken = tmp_path / "docker"
    broken.write_text(f"#!{shutil.which('sh', path=os.defpath)}\necho 'Cannot connect to the Docker daemon' >&2; exit 1\n")
    broken.chmod(0o755)
    with pytest.raises(Problem, match="Cannot connect to the Docker daemon"):
        container.find_engine()
    with pytest.raises(Problem) as caught:
        container.find_engine()
    assert not runtime.worth_another_try(caught.value)
    container.find_engine.cache_clear()
