"""Engines for tests of containers: podman with a store of its own where that works here, and a stand-in that needs nothing."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

IMAGE = "localhost/mlspec-test:1"

STAND_IN = """
    #!{python}
    # An engine that runs the command here: with the container's paths put where the mounts say, the variables it was given by
    # name and no other, and a record of what it was told.
    import json, os, pathlib, signal, subprocess, sys
    told, here = sys.argv[1:], pathlib.Path(__file__).parent
    with (here / "told.jsonl").open("a") as file:
        file.write(json.dumps(told) + "\\n")
    if told[0] == "version":
        sys.exit(0)
    if told[0] in ("kill", "rm"):
        try:
            os.killpg(int((here / told[-1]).read_text()), signal.SIGKILL)
        except (OSError, ValueError):
            pass
        sys.exit(0)
    mounts, variables, name, command, rest = {{}}, {{}}, "", [], told[1:]
    while rest:
        one = rest.pop(0)
        if one == "--mount":
            fields = dict(field.partition("=")[::2] for field in rest.pop(0).split(","))
            mounts[fields["target"]] = fields["source"]
        elif one == "--env":
            variable = rest.pop(0)
            variables[variable] = os.environ[variable]
        elif one == "--name":
            name = rest.pop(0)
        elif one == "--entrypoint":
            command = [rest.pop(0)]
        elif one in ("--security-opt", "--user", "--network"):
            rest.pop(0)
        elif not one.startswith("-"):
            image, command = one, command + rest
            break
    if image == "absent":
        print("no such image")
        sys.exit(125)
    inside = here / f"inside-{{name}}"
    for target, source in mounts.items():
        link = inside / target.removeprefix("/mlspec/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(source)
    command = [part.replace("/mlspec/", f"{{inside}}/") for part in command]
    process = subprocess.Popen(command, env={{"PATH": os.environ["PATH"], **variables}}, start_new_session=True)
    (here / name).write_text(str(process.pid))
    sys.exit(process.wait())
"""


def stand_in(folder: Path) -> Path:
    """Write the stand-in and return its path; `told.jsonl` beside it has what it was told."""
    place = folder / "engine"
    place.write_text(textwrap.dedent(STAND_IN).format(python=sys.executable).lstrip())
    place.chmod(place.stat().st_mode | stat.S_IXUSR)
    return place


@contextmanager
def podman() -> Iterator[dict[str, str] | None]:
    """Yield the variables with which podman runs here, with `IMAGE` (busybox, nothing else) in a store of its own, or None.

    It needs the Debian packages podman, runc and busybox-static. The limits are ours, as a container of its own may not raise
    them.
    """
    busybox = shutil.which("busybox")
    if not (shutil.which("podman") and busybox):
        yield None
        return
    top = Path(tempfile.mkdtemp(prefix="mlc"))
    try:
        yield _prepared(top, Path(busybox))
    finally:
        if os.getuid():
            subprocess.run(["podman", "unshare", "rm", "-rf", str(top / "root")], capture_output=True, check=False)
        shutil.rmtree(top, ignore_errors=True)


def _prepared(top: Path, busybox: Path) -> dict[str, str] | None:
    files = min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    storage = f'[storage]\ndriver = "vfs"\nrunroot = "{top}/run"\ngraphroot = "{top}/root"\n'
    runtime = 'runtime = "runc"\n' if shutil.which("runc") else ""
    limits = f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc=1000:1000"]\n'
    (top / "storage.conf").write_text(storage)
    (top / "containers.conf").write_text(f'{limits}[engine]\nevents_logger = "none"\ncgroup_manager = "cgroupfs"\n{runtime}')
    variables = {"CONTAINERS_STORAGE_CONF": f"{top}/storage.conf", "CONTAINERS_CONF": f"{top}/containers.conf"}
    (top / "image" / "bin").mkdir(parents=True)
    (top / "image" / "tmp").mkdir()
    shutil.copyfile(busybox, top / "image" / "bin" / "busybox")
    (top / "image" / "bin" / "busybox").chmod(0o755)
    for tool in ("sh", "cat", "sleep", "env", "wc"):
        (top / "image" / "bin" / tool).symlink_to("busybox")
    subprocess.run(["tar", "-C", str(top / "image"), "-cf", str(top / "image.tar"), "."], check=True)
    for command in (
        ["import", str(top / "image.tar"), IMAGE],
        ["run", "--rm", "--network", "none", IMAGE, "/bin/sh", "-c", "true"],
    ):
        ended = subprocess.run(["podman", *command], env=os.environ | variables, capture_output=True, text=True, check=False)
        if ended.returncode:
            print(f"podman {command[0]} does not work here: {ended.stderr.strip()}")
            return None
    return variables
