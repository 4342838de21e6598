"""MLPerf Tiny's four networks told as specs, as modules of the user's own: in int8 they are as small as the published ones."""

from __future__ import annotations

import importlib
import json
import math
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlspec import build
from mlspec.runtime.edge.metadata import inside

pytestmark = pytest.mark.slow

for library in ("torch", "ai_edge_litert", "ai_edge_quantizer"):
    pytest.importorskip(library)

SPECS = Path(__file__).parent / "mlperf_tiny"
PUBLISHED = {"resnet_8": 96_000, "ds_cnn": 52_500, "mobilenet": 325_000, "autoencoder": 270_000}
"""Sizes of the int8 models of MLPerf Tiny (Banbury et al., 2021)."""

SHAPES = {"resnet_8": (32, 32, 3), "ds_cnn": (49, 10, 1), "mobilenet": (96, 96, 3), "autoencoder": (640,)}
CLASSES = {"resnet_8": 10, "ds_cnn": 12, "mobilenet": 2, "autoencoder": 0}


def weights(name: str, shape: tuple[int, ...]) -> int:
    """How many numbers the layers of a network multiply by."""
    networks = importlib.import_module("networks")
    module = getattr(networks, name)("", shape if len(shape) > 1 else shape[0], max(CLASSES[name], 1))
    return sum(one.numel() for one in module.parameters() if one.ndim > 1)


def drawn(name: str, width: int, rows: int) -> tuple[Any, list[Any]]:
    """Rows around one centre for each class, and their classes; the answer to what has no classes is 0."""
    draw, classes = np.random.default_rng(7), CLASSES[name]
    which = np.arange(rows) % max(classes, 1)
    numbers = draw.normal(size=(max(classes, 1), width))[which] + draw.normal(size=(rows, width))
    return numbers.astype(np.float32), [f"c{one:02}" for one in which] if classes else [0.0] * rows


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for file in SPECS.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "networks", raising=False)
    return tmp_path


@pytest.mark.parametrize("name", ["ds_cnn", "autoencoder"])
def test_a_spec_runs_and_its_export_is_small(name: str, place: Path) -> None:
    """From a table to a proven int8 model with whole numbers at its ends, by `mlspec run`."""
    from click.testing import CliRunner

    from mlspec.cli import cli

    width = math.prod(SHAPES[name])
    numbers, target = drawn(name, width, 10 * max(CLASSES[name], 6))
    pl.DataFrame({**{f"x{at}": numbers[:, at] for at in range(width)}, "target": target}).write_parquet(f"{name}.parquet")
    ended = CliRunner().invoke(cli, ["run", f"{name}.yaml", "--json"])
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert {step["state"] for step in told["steps"].values()} == {"succeeded"}
    [export] = json.loads(Path(told["shown"]["edge.json"]).read_text())["exports"]
    proved = export["proof"]
    assert proved["size"] <= 1.03 * PUBLISHED[name]
    assert proved["numbers"]["int8"] == weights(name, SHAPES[name])
    assert proved["parity"].get("agreement", 1.0) == 1.0
    assert proved["parity"]["max_difference"] < 0.01
    assert not {"TRANSPOSE", "PAD"}.intersection(proved["operators"])


@pytest.mark.parametrize("name", ["resnet_8", "mobilenet"])
def test_what_is_too_wide_for_a_quick_test_is_exported_by_the_same_functions(name: str, place: Path) -> None:
    """Thousands of columns take a minute from a table to a model: the spec's estimator is fitted, and its export written."""
    from mlspec.lowering import handler
    from mlspec.runtime.edge.device import runner
    from mlspec.tensor.program import Program, run

    width = math.prod(SHAPES[name])
    project = build.open_spec(Path(f"{name}.yaml")).checked()
    assert project.model
    numbers, target = drawn(name, width, 40)
    estimator = project.model.estimator("classification", 7).fit(numbers, np.array(target))
    program = Program(width)
    columns: Any = SimpleNamespace(program=program, features=program.input)
    program.output = handler(estimator)(columns, estimator)
    (export,) = project.exports
    export.write(program, place, "{}", numbers[:16])
    size = (place / "model.tflite").stat().st_size
    assert size <= 1.03 * PUBLISHED[name]
    assert export.max_size is not None
    assert size <= export.max_size
    assert export.shortened(place)["int8"] == weights(name, SHAPES[name])
    meant, given = estimator.predict_proba(numbers), runner.litert(place, 1, "f32")(numbers)
    np.testing.assert_allclose(run(program, numbers), meant, atol=1e-5)
    np.testing.assert_allclose(given, meant, atol=0.02)


def test_columns_that_are_counted_are_one_entry_in_a_model_file() -> None:
    def inputs(*names: str) -> list[dict[str, Any]]:
        return [{"name": name, "type": "number", "values": []} for name in names]

    word = {"name": "x150", "type": "category", "values": ["a", "b"]}
    many = inputs(*(f"x{at}" for at in range(150)), *(f"p{at:03}" for at in range(8, 108)))
    few = [*inputs("x0", "x1", "x2"), word]
    told = json.loads(inside({"name": "n", "inputs": [*many, *few]}))
    assert told["name"] == "n"
    assert told["inputs"] == [{**many[0], "count": 150}, {**many[150], "count": 100}, *few]
