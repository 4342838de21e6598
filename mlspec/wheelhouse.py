"""mlspec as a wheel, made from the installed copy: for images and machines where no package index has it."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import mlspec
from mlspec.diagnostic import Finding, Problem

CARRIED = ("backends", "templates", "requirements")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can tell: the same content gives the same bytes


def build(folder: Path) -> Path:
    """Write `mlspec-VERSION-py3-none-any.whl` to a folder and return its path; the bytes depend on our own files only."""
    try:
        about = distribution("mlspec")
    except PackageNotFoundError:
        help_text = "install it first: pip install ."
        message = "mlspec runs from a bare checkout, which has no package metadata"
        raise Problem(Finding("not-installed", message, help=help_text)) from None
    info = f"mlspec-{about.version}.dist-info"
    content = dict(_files())
    content[f"{info}/METADATA"] = (about.read_text("METADATA") or "").encode()
    content[f"{info}/entry_points.txt"] = (about.read_text("entry_points.txt") or "").encode()
    content[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: mlspec\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(f"{name},sha256={_hash(data)},{len(data)}\n" for name, data in sorted(content.items()))
    content[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"mlspec-{about.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in sorted(content.items()):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)
    return wheel


def _files() -> Iterator[tuple[str, bytes]]:
    """Yield (path inside the wheel, bytes); what stands beside the package in a checkout goes inside it."""
    package = Path(mlspec.__file__).parent
    for file in _kept(package):
        yield f"mlspec/{file.relative_to(package).as_posix()}", file.read_bytes()
    for place in map(Path, mlspec.__path__):
        for name in CARRIED if place != package else ():
            for file in _kept(place / name):
                yield f"mlspec/{file.relative_to(place).as_posix()}", file.read_bytes()


def _kept(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
