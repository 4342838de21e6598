"""What we export, run by a device's own runtime on an emulated processor of its sort: `make emulators` puts one here."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import emulators

pytest.importorskip("ai_edge_litert")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not emulators.DONE.exists(), reason=emulators.WHEN_IT_IS_THERE),
]

ROWS = 40
RUN = """
import sys
from pathlib import Path
import numpy as np
import platform
sys.path.insert(0, sys.argv[1])
from runner import RUNTIMES
assert platform.machine() == "aarch64"
np.save(sys.argv[5], RUNTIMES[sys.argv[2]](Path(sys.argv[3]), 1, "f32")(np.load(sys.argv[4])))
"""
"""The runner that ships with a bundle, on the device's processor."""


def customers(family: str) -> tuple[Any, Any]:
    """A model of specs/churn.yaml's customers as a program, and rows as a device feeds them."""
    from mlspec.lowering import lowered
    from mlspec.runtime.edge.device import runner
    from mlspec.runtime.edge.metadata import device_rows
    from tests import test_lowering as given

    model, rows = given.fitted(given.FAMILIES[family], [{"kind": "drop", "columns": ["since"]}, given.SCALED], "Churn")
    made = lowered(model)
    return made.program, runner.feed(device_rows(model, made, rows), given.about(made, model))


def digits() -> tuple[Any, Any]:
    from tests.test_tensor_networks import digits as given

    program, _, test = given()
    return program, test


@cache
def source(name: str) -> tuple[Any, Any]:
    return digits() if name == "cnn" else customers(name)


FLOAT = 1e-6
CASES: list[tuple[str, dict[str, Any], float]] = [
    # the model, the export, how far an answer may be off: kernels of whole numbers give the same steps on any processor
    ("forest", {"kind": "tflite"}, FLOAT),
    ("mlp", {"kind": "tflite"}, FLOAT),
    ("cnn", {"kind": "tflite"}, FLOAT),
    ("cnn", {"kind": "tflite", "quantize": "int8", "io": "integer"}, 0),
    ("cnn", {"kind": "tflite", "quantize": "int8"}, FLOAT),
    ("cnn", {"kind": "tflite", "quantize": "int16x8", "io": "integer"}, 0),
    ("cnn", {"kind": "tflite", "quantize": "float16"}, FLOAT),
    ("cnn", {"kind": "tflite", "quantize": "dynamic"}, FLOAT),
    ("forest", {"kind": "onnx"}, FLOAT),
    ("mlp", {"kind": "onnx"}, FLOAT),
    ("cnn", {"kind": "onnx", "quantize": "int8"}, 0.02),  # ONNX Runtime's do not (measured: 0.009): each processor's round apart
    ("mlp", {"kind": "openvino"}, FLOAT),
]


def named(name: str, export: dict[str, Any]) -> str:
    return "-".join((name, *export.values()))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "export", "most"), CASES, ids=[named(name, export) for name, export, _ in CASES])
def test_a_cortex_a72_gives_the_same_answers(name: str, export: dict[str, Any], most: float, tmp_path: Path) -> None:
    from mlspec import kinds
    from mlspec.runtime.edge.bundle import DEVICE
    from mlspec.runtime.edge.device import runner

    program, fed = source(name)
    made: Any = kinds.load("mlspec.exports", export["kind"]).model_validate(export)
    made.write(program, tmp_path, "{}", fed[-200:])
    np.save(tmp_path / "fed.npy", fed[:ROWS])
    words = emulators.python("-c", RUN, DEVICE, export["kind"], tmp_path, tmp_path / "fed.npy", tmp_path / "found.npy")
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    meant = runner.RUNTIMES[export["kind"]](tmp_path, 1, "f32")(fed[:ROWS])
    found = np.load(tmp_path / "found.npy")
    assert found.shape == meant.shape
    print("largest difference:", np.abs(found - meant).max())
    assert np.abs(found - meant).max() <= most


def test_a_bundle_runs_as_it_is_shipped(tmp_path: Path) -> None:
    """Checksums, rows of JSON in, predictions out: what a Raspberry Pi would do."""
    from tests.runtime.test_export import exported
    from tests.runtime.training_data import packaged, params

    packaged(tmp_path, params(model="sklearn.random_forest"))
    _, bundle = exported(tmp_path, tmp_path / "made", {"kind": "tflite", "device": "raspberry_pi_4"})
    row = {"tenure": 3, "plan": "monthly", "level": 2, "cost": 20.5, "paperless": True, "city": "Oslo"}

    def said(*command: Any, rows: str = "") -> str:
        return subprocess.run(command, input=rows, capture_output=True, text=True, check=True, timeout=300).stdout

    assert said(*emulators.python(bundle / "runner.py", "--check")) == "all files are those that were shipped\n"
    [there] = said(*emulators.python(bundle / "runner.py"), rows=json.dumps(row)).splitlines()
    from mlspec.runtime.edge.device import runner

    [here] = runner.Model(bundle).predict([row])
    assert json.loads(there)["predicted"] == here["predicted"]
    assert json.loads(there)["probabilities"] == pytest.approx(here["probabilities"], abs=FLOAT)
