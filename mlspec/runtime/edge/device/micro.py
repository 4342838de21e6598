"""Run a TensorFlow Lite model with the kernels of TensorFlow Lite Micro, on this machine.

    python micro.py model.tflite fed.npy answers.npy told.json

It needs NumPy and tflite-micro, and is in no bundle: a microcontroller runs no Python. What the kernels say of memory, and of
what they refuse, they write to standard error, from C++; a fault of theirs may end the process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))  # where PYTHONSAFEPATH is set, it is not there by itself

import numpy as np
from runner import Numbers, real, whole
from tflite_micro.python.tflite_micro import runtime

ARENA = 64 * 2**20
"""Bytes to work in, more than any microcontroller has: how many of them a model needs does not depend on how many there are."""


def main(model: str, rows: str, answers: str, told: str) -> None:
    interpreter = runtime.Interpreter.from_file(model, arena_size=ARENA)
    taken, given = end(interpreter.get_input_details(0)), end(interpreter.get_output_details(0))
    fed = np.load(rows)
    steps = [answer(interpreter, row[None]) for row in whole(fed, taken)]
    found: Numbers = real(np.concatenate(steps), given)
    np.save(answers, found)
    scale = None if given["dtype"] == np.float32 else float(given["quantization"][0])
    Path(told).write_text(json.dumps({"step": scale}), encoding="utf-8")
    interpreter.print_allocations()


def answer(interpreter: Any, row: Numbers) -> Numbers:
    interpreter.set_input(row, 0)
    interpreter.invoke()
    found: Numbers = interpreter.get_output(0)
    return found


def end(details: Any) -> dict[str, Any]:
    """What runner.py asks of the end of a model, from how this library tells it."""
    scales, zeros = (details["quantization_parameters"][name] for name in ("scales", "zero_points"))
    return {"dtype": np.dtype(details["dtype"]), "quantization": (scales[0], zeros[0]) if len(scales) else (0.0, 0)}


if __name__ == "__main__":
    main(*sys.argv[1:])
