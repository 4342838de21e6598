"""Runs the flow on this machine: a Prefect server of its own, one run, outcome.json.

Everything is kept under the workspace: the server's database and log, the results and
the steps' files. A server that PREFECT_API_URL names is used as it is.
"""

import argparse
import base64
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent

LOCAL = "breast_cancer_flow.local"

PARAMETERS = [
    "data_root",
    "registry_root",
    "workspace",
]
"""What the flow takes."""

DIRECTORIES = ("data_root", "registry_root", "approvals_root", "workspace")
"""What this takes, whether the flow does or not: relative to where it is called."""

START = 300.0
"""Seconds a server may take: its first start writes a database, on a busy machine slowly."""

GRACE = 8.0
"""Seconds in which what we started may end by itself before it is killed."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

os.environ.setdefault("MLSPEC_TRACE", str(ROOT / "trace.json"))

# Nothing leaves the machine, and a proxy is not asked for the way to it.
QUIET = {
    "DO_NOT_TRACK": "1",
    "NO_PROXY": "127.0.0.1,localhost",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    "no_proxy": "127.0.0.1,localhost",
}

# What one run on a server of its own has no use for. Fewer writers, fewer waits for SQLite.
IDLE = (
    "CANCELLATION_CLEANUP",
    "FOREMAN",
    "LATE_RUNS",
    "PAUSE_EXPIRATIONS",
    "SCHEDULER",
    "TRIGGERS",
)

OURS = "MLSPEC_PREFECT_SERVER"
"""The variable that names a server which a run.py has started, to others that use it."""


class Stopped(BaseException):
    """Somebody asked us to stop."""


class NotStarted(Exception):
    """There is no server, so that nothing was run."""


def main(arguments: list[str] | None = None) -> int:
    """Run the flow once and return the exit code.

    It is 0 where every step succeeded, 1 where one did not, 2 where nothing was run.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data-root",
        default=".",
        help="Directory that the paths of the data sources are relative to.",
    )
    parser.add_argument(
        "--registry-root",
        default="registry",
        help="Directory of the model registry.",
    )
    parser.add_argument(
        "--workspace",
        default="workspace",
        help="Directory of the steps' files and of what is cached.",
    )
    parser.add_argument(
        "--approvals-root",
        default="approvals",
        help="Not used by this flow.",
    )
    chosen = vars(parser.parse_args(arguments))
    for name in DIRECTORIES:
        chosen[name] = str(Path(chosen[name]).resolve())
    workspace = Path(chosen["workspace"])
    workspace.mkdir(parents=True, exist_ok=True)
    (workspace / "outcome.json").unlink(missing_ok=True)
    for one in SIGNALS:
        signal.signal(one, _stop)
    try:
        with server(workspace, os.environ) as environment:
            words = []
            for name in PARAMETERS:
                words.append(f"--{name.replace('_', '-')}={chosen[name]}")
            return run(environment, words)
    except NotStarted as reason:
        print(f"run.py: {reason}", file=sys.stderr)
        return 2
    except Stopped as stopped:
        print(f"run.py: {stopped}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def server(workspace: Path, given: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Give the environment in which Prefect finds a server, and stop ours afterwards."""
    home = workspace / "prefect"
    home.mkdir(parents=True, exist_ok=True)
    if given.get("PREFECT_API_URL"):
        yield {"PREFECT_HOME": str(home), **QUIET, **given}
        return
    # Settings of another server (its database, its authentication) are not ours.
    kept = {name: value for name, value in given.items() if not _foreign(name)}
    environment = {**kept, **QUIET, "PREFECT_HOME": str(home)}
    environment |= {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in IDLE}
    # What the server keeps of secrets cannot be read once it has ended.
    key = base64.urlsafe_b64encode(os.urandom(32)).decode()
    environment["PREFECT_SERVER_ENCRYPTION_KEY"] = key
    environment["PREFECT_SERVER_DATABASE_TIMEOUT"] = "60"  # seconds, on a busy machine
    with (home / "server.log").open("ab") as log, contextlib.ExitStack() as started:
        for _ in range(3):  # another program may take the port before the server does
            port = _free_port()
            command = [sys.executable, "-m", "prefect", "server", "start"]
            command += ["--host", "127.0.0.1", "--port", str(port)]
            # The UI asks port 4200 otherwise, whatever port the server has.
            environment["PREFECT_SERVER_UI_API_URL"] = f"http://127.0.0.1:{port}/api"
            process = started.enter_context(
                _process(command, environment, log.fileno())
            )
            if _healthy(process, f"http://127.0.0.1:{port}/api/health"):
                break
        else:
            raise NotStarted(f"the Prefect server did not start: see {log.name}")
        print(f"run.py: Prefect is at http://127.0.0.1:{port}", flush=True)
        address = f"http://127.0.0.1:{port}/api"
        yield {**environment, "PREFECT_API_URL": address, OURS: address}


def run(environment: Mapping[str, str], words: list[str]) -> int:
    """Run the flow in a process that can be stopped whatever it is doing."""
    command = [sys.executable, "-m", LOCAL, *words]
    with _process(command, environment) as process:
        code = process.wait()
    return 0 if code == 0 else 1


@contextlib.contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], output: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process in a session of its own; when this ends, nothing of it is left."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        before = {one: signal.signal(one, signal.SIG_IGN) for one in SIGNALS}
        _end(process)
        for one, handler in before.items():
            signal.signal(one, handler)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _healthy(process: subprocess.Popen[bytes], address: str) -> bool:
    until = time.monotonic() + START
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), direct.open(address, timeout=5) as answer:
            if answer.read() == b"true":
                return True
        time.sleep(0.1)
    return False


def _foreign(name: str) -> bool:
    return name.startswith("PREFECT_") and not name.startswith("PREFECT_LOGGING_")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _stop(number: int, frame: object) -> None:
    raise Stopped(f"stopped by {signal.Signals(number).name}")


if __name__ == "__main__":
    sys.exit(main())
