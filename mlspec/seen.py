"""Which files lint found clean: an unchanged file is recognised by its content, before anything heavy is imported.

This module is on the path of every `mlspec lint`: it imports nothing that a starting Python has not imported already, but for
one hash function in C. A file counts as the same when its bytes, those of the files it extends, the settings in
`pyproject.toml` and mlspec's own files are.
"""

from __future__ import annotations

import os

from mlspec import receipt

try:
    from _blake2 import blake2b  # what hashlib gives, without OpenSSL: importing that costs more than all else here
except ImportError:
    from hashlib import blake2b

FOLDER = ".mlspec"
INDEX = f"{FOLDER}/lint"
LAYOUT = "mlspec lint 1"
MOST = 20_000  # entries that are kept


def show(words: list[str]) -> str | None:
    """Return what to say of these arguments of `mlspec lint` when each is a file that was found clean and has not changed."""
    if not words or any(word.startswith("-") for word in words):
        return None
    if len(clean(words)) < len(words):
        return None
    return told(len(words))


def told(count: int) -> str:
    """Say that so many specs are clean."""
    return f"{count} spec{'s' * (count > 1)} checked: all good\n"


def clean(names: list[str]) -> set[str]:
    """Return those of the files that are known to be clean."""
    entries = _read(state := _state())
    if not entries:
        return set()
    settings: dict[str, bytes | None] = {}
    return {name for name in names if _same(name, entries, settings, state)}


def remember(found: dict[str, list[str]]) -> None:
    """Note files that were found clean, each with the files that it extends. A file that cannot be told apart is left out."""
    state = _state()
    entries = _read(state)
    settings: dict[str, bytes | None] = {}
    for name, bases in found.items():
        key = _key(name, settings, state)
        digests = [(base, _digest(base)) for base in bases]
        if key is None or not all(digest for _, digest in digests):
            continue
        entries.pop(key, None)
        entries[key] = [(base, digest) for base, digest in digests if digest]
    lines = ["\t".join([key, *(part for pair in pairs for part in pair)]) for key, pairs in list(entries.items())[-MOST:]]
    try:
        os.makedirs(FOLDER, exist_ok=True)
        staged = f"{INDEX}.{os.getpid()}"
        with open(staged, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            file.write("\n".join([LAYOUT, state, *lines, ""]))
        os.replace(staged, INDEX)
    except OSError:
        return  # nothing is lost where nothing can be kept


def _read(state: str) -> dict[str, list[tuple[str, str]]]:
    try:
        with open(INDEX, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            layout, known, *lines = file.read().split("\n")
    except (OSError, ValueError):
        return {}
    if (layout, known) != (LAYOUT, state):
        return {}
    entries: dict[str, list[tuple[str, str]]] = {}
    for line in lines[:-1]:
        key, *parts = line.split("\t")
        entries[key] = list(zip(parts[::2], parts[1::2], strict=False))
    return entries


def _same(name: str, entries: dict[str, list[tuple[str, str]]], settings: dict[str, bytes | None], state: str) -> bool:
    key = _key(name, settings, state)
    if key is None or key not in entries:
        return False
    return all(_digest(base) == digest for base, digest in entries[key])


def _key(name: str, settings: dict[str, bytes | None], state: str) -> str | None:
    """Name a file by its bytes, its path and the settings that hold there; None where that does not tell it apart."""
    folder = os.path.dirname(name)
    if folder not in settings:
        settings[folder] = _settings(os.path.abspath(folder))
    set_here = settings[folder]
    if set_here is None or "\t" in name or "\n" in name:
        return None
    try:
        with open(name, "rb") as file:
            content = file.read()
    except (OSError, ValueError):
        return None
    if b"mlspec: ignore" in content or b"mlspec:ignore" in content:
        return None  # a comment may expire: what is clean today may not be tomorrow
    return blake2b(b"\0".join([name.encode("utf-8", "surrogateescape"), set_here, content]), digest_size=16).hexdigest()


def _digest(name: str) -> str | None:
    try:
        with open(name, "rb") as file:
            return blake2b(file.read(), digest_size=16).hexdigest()
    except (OSError, ValueError):
        return None


def _settings(folder: str) -> bytes | None:
    """Return the bytes of every `pyproject.toml` above that may hold settings of ours; None where they name a further file.

    Which of them does hold some is a question for a reader of TOML: `[tool."mlspec"]` is a way to write it.
    """
    found = b""
    while True:
        try:
            with open(os.path.join(folder, "pyproject.toml"), "rb") as file:
                content = file.read()
        except OSError:
            content = b""
        if b"mlspec" in content:
            if b"baseline" in content:
                return None
            found += b"\0" + content
        above = os.path.dirname(folder)
        if above == folder:
            return found
        folder = above


_known_state = ""


def _state() -> str:
    """What changes when mlspec, its plug-ins or Python do. One process runs one state of them: it is looked up once."""
    global _known_state
    if not _known_state:
        marks = "\0".join([receipt._mark(path) for path in receipt._own_files()])
        _known_state = blake2b(marks.encode(), digest_size=16).hexdigest()
    return _known_state
