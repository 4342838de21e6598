"""The directory of one export: model files, metadata, labels, the runner, samples and checksums."""

from __future__ import annotations

import bz2
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlspec.exports._export import Export
from mlspec.runtime.artifact import digest, write_json, write_text

DEVICE = Path(__file__).resolve().parent / "device"
SAMPLES, LEAST, MOST_NUMBERS = 16, 4, 32_768
"""Rows to test a device with, and as many at least, where all of them are more numbers than that."""

SUMS = "SHA256SUMS"
EXTRAS = {"model.h": "model.tflite"}
"""Files that only repeat another one, for whoever wants it in C."""


def complete(place: Path, about: Mapping[str, Any], export: Export) -> None:
    """Put beside the model's files what a device needs to run them, and to measure itself."""
    write_json(place / "metadata.json", {**about, "digest": files_digest(place)})
    if about["classes"]:
        write_text(place / "labels.txt", "".join(f"{json.dumps(name)[1:-1]}\n" for name in about["classes"]))
    runtime = f"{export.runtime}=={about['runtime']['version']}\n" if export.runtime else ""
    write_text(place / "requirements.txt", f"numpy\n{runtime}")
    for name in ("runner.py", "bench.py"):
        shutil.copyfile(DEVICE / name, place / name)
    if (place / "model.tflite").is_file():
        write_text(place / "model.h", header((place / "model.tflite").read_bytes()))


def files_digest(place: Path) -> str:
    """Return the SHA-256 of the model's own files, by name."""
    whole = hashlib.sha256()
    for name, file in named(place).items():
        whole.update(f"{name}\0{digest(file)}\n".encode())
    return whole.hexdigest()


def model_files(place: Path) -> list[Path]:
    """Return the files that are the model, by name; a format may be a directory of them."""
    found = [one for top in sorted(place.glob("model.*")) for one in (sorted(top.rglob("*")) if top.is_dir() else [top])]
    return [one for one in found if one.is_file() and (one.name not in EXTRAS or not (place / EXTRAS[one.name]).is_file())]


def named(place: Path) -> dict[str, Path]:
    """Return the files that are the model by where they lie."""
    return {one.relative_to(place).as_posix(): one for one in model_files(place)}


def download(files: Sequence[Path]) -> int:
    """Return how many bytes files are compressed: what an update over the air costs, and all that weights of zero save.

    By bzip2, which gives the same bytes everywhere; those of zlib depend on who built it.
    """
    return len(bz2.compress(b"".join(one.read_bytes() for one in files)))


def seal(place: Path) -> None:
    """Write the checksums of all files in a directory."""
    files = sorted(one for one in place.rglob("*") if one.is_file() and one.name != SUMS)
    lines = [f"{digest(one)}  {one.relative_to(place).as_posix()}\n" for one in files]
    write_text(place / SUMS, "".join(lines))


def samples(fed: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """Return rows to test a device with: each column's numbers drawn from those of the training rows, each for itself.

    No row is one of the data: who holds the bundle does not hold somebody's record. There are fewer of rows that are large.
    """
    draw = np.random.default_rng(seed)
    count = min(SAMPLES, max(LEAST, MOST_NUMBERS // fed.shape[1]))
    found: np.ndarray[Any, Any] = np.stack([draw.permutation(column)[:count] for column in fed.T], axis=1)
    return found


def write_samples(place: Path, fed: np.ndarray[Any, Any], scores: np.ndarray[Any, Any]) -> None:
    """Write sample rows and what the model answers to them; a missing number is null."""
    rows: Sequence[Sequence[float | None]] = [[None if one != one else float(one) for one in row] for row in fed]
    write_json(place / "samples.json", {"fed": rows, "scores": scores.astype(float).tolist()})


def header(model: bytes) -> str:
    """Return a C header that holds a model's bytes, aligned as TensorFlow Lite Micro wants them."""
    lines = [", ".join(f"0x{byte:02x}" for byte in model[at : at + 16]) for at in range(0, len(model), 16)]
    body = ",\n  ".join(lines)
    return (
        "#ifndef MLSPEC_MODEL_H\n#define MLSPEC_MODEL_H\n\n#include <stdalign.h>\n\n"
        f"#define MODEL_TFLITE_LEN {len(model)}u\n\n"
        f"alignas(16) static const unsigned char model_tflite[MODEL_TFLITE_LEN] = {{\n  {body}\n}};\n\n#endif\n"
    )
