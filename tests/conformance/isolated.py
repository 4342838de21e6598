"""Commands without a network: in a namespace of their own where only the loopback interface is up."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LOOPBACK = """
import fcntl, os, socket, struct, sys
# SIOCSIFFLAGS with IFF_UP on lo: a new namespace has it down
with socket.socket() as one:
    fcntl.ioctl(one, 0x8914, struct.pack("16sh14x", b"lo", 1))
os.execv(sys.argv[1], sys.argv[1:])
"""


@functools.cache
def can_isolate() -> bool:
    """Whether this machine lets us make a network namespace (Linux does, macOS does not)."""
    return (
        bool(shutil.which("unshare"))
        and subprocess.run(["unshare", "-rn", "true"], check=False, capture_output=True).returncode == 0
    )


def offline(words: Sequence[str | Path]) -> list[str]:
    """Return the command that runs `words` with no network; `words[0]` is a path. Where that cannot be had, `words` as they are."""
    if not can_isolate():
        return [str(word) for word in words]
    return ["unshare", "-rn", sys.executable, "-c", LOOPBACK, *map(str, words)]
