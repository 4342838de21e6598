"""Run the user's own command in a container of this machine, with docker or podman."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime.child import VARIABLES

ENGINE, OPTIONS = "MLSPEC_CONTAINER_ENGINE", "MLSPEC_CONTAINER_OPTIONS"
"""Variables: the command to use in the place of docker or podman; further options of it, such as `--network none --gpus all`."""

PLACEHOLDER = re.compile(r"\{(inputs|outputs)\.([A-Za-z_][A-Za-z0-9_]*)\}")
INSIDE = "/mlspec"
TAIL = 20  # lines of what the command said that an error repeats


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Run `params["command"]` in `params["image"]`; `{inputs.NAME}` and `{outputs.NAME}` in it become paths in the container.

    The command takes the place of the image's entrypoint, as on Kubernetes. Inputs are read-only; what it writes belongs to the
    user who runs this. Variables of the step are handed over by name, so that no value is on a command line. The container is
    killed when this ends, however it ends. Raises Problem where there is no engine, the image is not there, the command fails
    or leaves an output unwritten.
    """
    image, engine = str(params["image"]), find_engine()
    if image.startswith("-"):
        raise Problem(Finding("bad-image", f"{image!r} is not the name of an image"))
    command = [filled(str(part), inputs, outputs) for part in params["command"]]
    top = next(iter(outputs.values())).parent if outputs else None
    with tempfile.TemporaryDirectory(prefix="mlspec-", dir=top) as made:
        name = f"mlspec-{uuid.uuid4().hex[:12]}"
        code, said = _run(arguments(engine, name, image, command, inputs, Path(made)), engine, name)
        if code:
            raise Problem(_failed(image, command, code, said))
        for port, place in outputs.items():
            source = Path(made, port)
            if not source.exists():
                message = f"{command[0]} in {image} did not write its output {port}"
                raise Problem(Finding("output-not-written", message, help=f"write a file at {{outputs.{port}}}"))
            shutil.move(source, place)
    return {"image": image}


def filled(text: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> str:
    """Put the container's paths where a part of the command names an input or an output; raise Problem for an unknown one."""

    def path(found: re.Match[str]) -> str:
        side, port = found.groups()
        if port not in (inputs if side == "inputs" else outputs):
            raise Problem(Finding("unknown-port", f"the command names {found.group()}, which the step does not have"))
        return f"{INSIDE}/{side}/{port}"

    return PLACEHOLDER.sub(path, text)


def arguments(
    engine: Sequence[str], name: str, image: str, command: Sequence[str], inputs: Mapping[str, Path], made: Path
) -> list[str]:
    """Return the command line that runs the container. It holds the names of variables and none of their values."""
    told = [*engine, "run", "--rm", "--name", name, "--security-opt", "label=disable", *_user(engine)]
    for port, place in sorted(inputs.items()):
        told += ["--mount", _mount(place, f"{INSIDE}/inputs/{port}", readonly=True)]
    told += ["--mount", _mount(made, f"{INSIDE}/outputs", readonly=False)]
    for variable in filter(None, os.environ.get(VARIABLES, "").split(",")):
        told += ["--env", variable]
    told += [*shlex.split(os.environ.get(OPTIONS, "")), "--entrypoint", command[0], image, *command[1:]]
    return told


@cache
def find_engine() -> tuple[str, ...]:
    """Return the command of the engine that works here; raise Problem where there is none."""
    named = os.environ.get(ENGINE)
    if named:
        return tuple(shlex.split(named))
    found = {name: shutil.which(name) for name in ("docker", "podman")}
    said = []
    for name, place in found.items():
        if place:
            tried = subprocess.run([place, "version"], capture_output=True, text=True, check=False)
            if tried.returncode == 0:
                return (place,)
            said.append(f"{name}: {(tried.stderr.strip() or tried.stdout.strip()).splitlines()[-1:] or ['it does not work']}")
    told = "; ".join(said) or "neither docker nor podman is on the PATH"
    help_text = f"install podman, or start docker, or set {ENGINE}; an orchestrator on Kubernetes needs neither"
    raise Problem(Finding("missing-engine", f"no container can be run here: {told}", help=help_text))


def _user(engine: Sequence[str]) -> list[str]:
    """Run as ourselves, so that we may read and remove what is made; podman without root has to be told so."""
    if not hasattr(os, "getuid"):
        return []
    own = ["--user", f"{os.getuid()}:{os.getgid()}"]
    return ["--userns=keep-id", *own] if "podman" in Path(engine[0]).name and os.getuid() else own


def _mount(source: Path, target: str, *, readonly: bool) -> str:
    """Write a mount as both engines read it: fields of a line of CSV."""
    place = f"source={source.resolve()}"
    if any(sign in place for sign in ',"\n'):
        raise Problem(Finding("bad-path", f"no container can be given {source}: its path has a comma or a quote"))
    return ",".join(["type=bind", place, f"target={target}", *(["readonly"] if readonly else [])])


def _run(told: Sequence[str], engine: Sequence[str], name: str) -> tuple[int, str]:
    """Run the engine, hand on what it says as it comes, and see to it that the container does not outlive us."""
    last: deque[str] = deque(maxlen=TAIL)
    with _killed(engine, name):
        process = subprocess.Popen(
            told, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line)
            sys.stdout.write(line)
        return process.wait(), "".join(last)


@contextlib.contextmanager
def _killed(engine: Sequence[str], name: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for ending in (["kill", name], ["rm", "--force", name]):  # podman's rm alone would first wait for ten seconds
            subprocess.run([*engine, *ending], capture_output=True, check=False, timeout=20)
        raise


def _failed(image: str, command: Sequence[str], code: int, said: str) -> Finding:
    reasons = {
        125: "the engine could not run it; is the image there?",
        126: f"{command[0]} cannot be run",
        127: f"there is no {command[0]} in the image",
    }
    told = f": {reasons[code]}" if code in reasons else ""
    lines = "".join(f"\n  {line}" for line in said.splitlines())
    return Finding("container-failed", f"{command[0]} in {image} ended with exit code {code}{told}{lines}")
