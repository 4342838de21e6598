"""Whether a model runs on TensorFlow Lite Micro: its kernels are in the wheel tflite-micro, and run it here, without a board.

That shows which operators there are, what they answer, and how much memory they work in. It does not show how long they take.
"""

from __future__ import annotations

import json
import re
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from mlspec.runtime.artifact import finite
from mlspec.runtime.edge import proof
from mlspec.runtime.edge.bundle import DEVICE

Array = np.ndarray[Any, Any]
Json = dict[str, Any]

PACKAGE = "tflite-micro"

NOISE = re.compile(r"Traceback|\s|$|Failed to get registration|Failed starting model|\[RecordingMicroAllocator\]")
"""Lines of standard error that say nothing of why."""

ABSENT = re.compile(r"Didn't find op for builtin opcode '(\w+)'")


def tried(place: Path, fed: Array, expected: Array) -> Json:
    """Run the model in a directory on rows, in a process of its own; `expected` is what LiteRT answers to them.

    Returns `unproven` (why nothing is known), or `refused` (why it does not run), or what was found; and by which version.
    """
    try:
        by = {"package": PACKAGE, "version": version(PACKAGE)}
    except PackageNotFoundError:
        return {"unproven": f"{PACKAGE} is not installed, which has the kernels: pip install 'mlspec[micro]'"}
    with tempfile.TemporaryDirectory(prefix="mlspec-") as name:
        rows, answers, told = (Path(name, file) for file in ("fed.npy", "answers.npy", "told.json"))
        np.save(rows, fed)
        ended = proof.started(DEVICE / "micro.py", [str(place / "model.tflite"), str(rows), str(answers), str(told)])
        if ended is None:
            return {**by, "refused": f"it took longer than {proof.TIME_LIMIT:g} s and was stopped"}
        if ended.returncode:
            return {**by, "refused": reason(ended.returncode, ended.stderr)}
        step = json.loads(told.read_text(encoding="utf-8"))["step"]
        return {**by, "rows": len(fed), "arena": arena(ended.stderr), **apart(expected, np.load(answers), step)}


def reason(code: int, said: str) -> str:
    """Return why the kernels did not run a model, from what they said before the end."""
    absent = ABSENT.search(said)
    if absent:
        return f"it has no {absent.group(1)}"
    lines = [line for line in said.splitlines() if not NOISE.match(line)]
    # a path of its build says less than what follows
    return re.sub(r"^\S*/(\w+)\.cc(:\d+)? ", r"\1: ", lines[0]) if lines else f"the process ended with {code}"


def arena(said: str) -> Json:
    """Return the bytes of the arena: all, and those of `tensors` alone, which are as many on any processor.

    The others hold pointers, which take twice as much here: on a microcontroller there are fewer.
    """
    found = dict(re.findall(r"Arena allocation (total|head) (\d+) bytes", said))
    return {"bytes": int(found["total"]), "tensors": int(found["head"])}


def apart(expected: Array, found: Array, step: float | None) -> Json:
    """Return the largest difference, as a share of the largest number where that is above 1, and in steps of a whole output.

    Rows to which LiteRT has no finite answer are left out: another verdict is on them.
    """
    known = np.isfinite(expected).all(axis=1)
    before, after = expected[known].astype(float), found[known].astype(float)
    worst = float(np.where(np.isfinite(after), np.abs(after - before), np.inf).max(initial=0.0))
    scale = max(1.0, float(np.abs(before).max(initial=0.0)))
    # the answers are float32: near 1 they hold a step of int16 to some thousandths
    steps = None if step is None or not np.isfinite(worst) else round(worst / step)
    return {"max_difference": finite(worst / scale), "max_steps": steps}
