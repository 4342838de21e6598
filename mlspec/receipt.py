"""The proof that nothing has changed since a run succeeded, so that the next one can end at once.

This module is on the path of every `mlspec run`: it imports nothing that a starting Python has not imported already.
"""

from __future__ import annotations

import os
import sys

FOLDER = ".mlspec/receipts"
LAYOUT, END = "mlspec receipt 2", "end"
_SAME_TICK = 10_000_000  # ns: the clock of a file system stands still for so long

started = 0
"""When this process began, in nanoseconds since the epoch."""


def show(words: list[str]) -> tuple[str, str] | None:
    """Return what to say of a run with these words, as output and warnings, if nothing has changed since it last succeeded."""
    if _asks_for_more(words):
        return None
    name = _name(words)
    try:
        with open(_place(name), encoding="utf-8", errors="surrogateescape", newline="") as file:
            layout, named, said, warned, until, variables, *rest, end = file.read().split("\0")
        count, until_ns = 2 * int(variables), int(until)
    except (OSError, ValueError):
        return None
    if (layout, named, end) != (LAYOUT, name, END) or len(rest) % 2 or 0 < until_ns <= started:
        return None
    for variable, value in zip(rest[:count:2], rest[1:count:2], strict=True):
        if _value(variable) != value:
            return None
    for path, mark in zip(rest[count::2], rest[count + 1 :: 2], strict=True):
        if _mark(path) != mark:
            return None
    return said, warned


def write(
    words: list[str],
    read: list[str],
    left: list[str],
    variables: list[str],
    said: str,
    warned: str = "",
    until: float | None = None,
) -> bool:
    """Note a success, and return whether that could be done: not where a file was written after the run began.

    `read` are the files and folders that decide what the run does, besides mlspec itself; `left` are those it made, folders with
    all that is in them; `variables` are the environment variables that the spec names. After `until` (seconds since the epoch)
    a result is too old to be used again.
    """
    read = sorted({*read, *_own_files()})
    marks = {path: _mark(path) for path in read}
    if not started or _asks_for_more(words) or any(_time(mark) > started - _SAME_TICK for mark in marks.values()):
        return False
    marks |= {path: _mark(path) for path in sorted(_whole(left))}
    name = _name(words)
    fields = [LAYOUT, name, said, warned, str(int((until or 0) * 1e9)), str(len(variables))]
    for variable in variables:
        fields += [variable, _value(variable)]
    for path, mark in marks.items():
        fields += [path, mark]
    os.makedirs(FOLDER, exist_ok=True)
    staged = f"{_place(name)}.{os.getpid()}"
    with open(staged, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write("\0".join([*fields, END]))
    os.replace(staged, _place(name))
    return True


def _asks_for_more(words: list[str]) -> bool:
    """Say whether the words ask for something that a receipt cannot give."""
    return any(word.startswith(("--json", "--force")) for word in words)


def _name(words: list[str]) -> str:
    """What a receipt is for: these words, in this folder, with this Python and this mlspec."""
    return repr([os.getcwd(), sys.executable, __file__, *words])


def _place(name: str) -> str:
    """A file for each name. Two names with one number would push each other out: the name itself is in the file."""
    return f"{FOLDER}/{int.from_bytes(name.encode('utf-8', 'surrogateescape'), 'big') % (2**61 - 1):x}"


def _value(variable: str) -> str:
    """A mark of a variable's value. It may be a secret: two bytes of a digest tell that it has changed, and not what it is."""
    value = os.environ.get(variable)
    if value is None:
        return ""
    from _blake2 import blake2b  # what hashlib hands on; importing that takes longer than all the rest here

    return f"={blake2b(value.encode('utf-8', 'surrogateescape'), digest_size=2).hexdigest()}"


def _mark(path: str) -> str:
    """What changes when a file does: size, times of content and of inode, inode. Of a folder, what comes and goes in it."""
    try:
        stat = os.stat(path)
    except OSError:
        return ""
    return f"{stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_size} {stat.st_ino}"


def _time(mark: str) -> int:
    return int(mark.partition(" ")[0] or 0)


def _own_files() -> list[str]:
    """Everything whose change can change what a run means though no spec says so: our own code and the installed libraries."""
    here = os.path.dirname(os.path.abspath(__file__))
    beside = os.path.join(os.path.dirname(here), "templates", "report")  # in a checkout; a wheel has it inside
    libraries = [path for path in sys.path if path.endswith("-packages")]  # what is installed or removed changes its time
    return libraries + _whole([here, beside])


def _whole(paths: list[str]) -> list[str]:
    """Return the paths, and of folders all that is in them."""
    found = list(paths)
    for path in paths:
        for folder, folders, files in os.walk(path):
            folders[:] = [one for one in folders if one != "__pycache__"]
            found += [os.path.join(folder, one) for one in files]
    return found
