"""OpenVINO's int8 under accuracy control: layers that lose too much go back to float32, and the proof says how many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspec.diagnostic import Problem
from mlspec.exports._export import load
from mlspec.runtime.edge import bundle
from mlspec.runtime.ship import _controlled
from mlspec.spec.project import validate
from mlspec.tensor.program import Array, Program, run

pytest.importorskip("nncf")
pytestmark = pytest.mark.slow

ABOUT = {"classes": ["a", "b"], "positive": None, "threshold": None}
NUMBER = {**ABOUT, "classes": []}
ROWS = np.random.default_rng(1).normal(size=(240, 8)).astype(np.float32)
SEEN, UNSEEN = ROWS[:120], ROWS[120:]


def cancelling(*, number: bool = False) -> Program:
    """What decides is the difference of two large numbers: 256 steps of their range do not show it. The layers around are tame."""
    random = np.random.default_rng(2)
    program = Program(8)
    parts = program.dense(program.input, random.normal(size=(2, 8)))
    shift, small = program.columns(parts, [0]), program.columns(parts, [1])
    large = program.add("mul", shift, program.row([300.0]))
    x = program.concat([program.add("add", large, small), program.add("sub", large, small)])
    x = program.dense(x, [[0.5, -0.5], [-0.5, 0.5]], 1.0, activation="relu")
    x = program.dense(x, [[1.0, 0.0]] if number else [[1.0, -0.3], [0.2, 0.9]])
    program.output = x if number else program.add("softmax", x)
    return program


def written(place: Path, program: Program, about: dict[str, Any] = ABOUT, max_drop: float = 0.01, **more: Any) -> Any:
    place.mkdir(exist_ok=True)
    form = load({"kind": "openvino", "quantize": "int8", **more}, max_drop)
    form.write(program, place, json.dumps(about), SEEN)
    return form


def answers(place: Path) -> Array:
    from mlspec.runtime.edge.device.runner import open_vino

    return open_vino(place, 1, "f32")(UNSEEN)


def agreement(place: Path, program: Program) -> float:
    return float((answers(place).argmax(axis=1) == run(program, UNSEEN).argmax(axis=1)).mean())


def test_layers_that_lose_too_much_go_back(tmp_path: Path) -> None:
    program = cancelling()
    written(tmp_path / "plain", program)
    assert agreement(tmp_path / "plain", program) < 0.9
    form = written(tmp_path / "controlled", program, accuracy_control=True)
    assert agreement(tmp_path / "controlled", program) >= 0.99
    told = form.remarks(tmp_path / "controlled")["accuracy_control"]
    assert told["layers"] == 3
    assert 0 < told["in_float"] < 3
    assert form.shortened(tmp_path / "controlled")["int8"] > 0
    assert list(_controlled({"accuracy_control": told})) == [
        f"accuracy control: {told['in_float']} of 3 layers went back to float32"
    ]
    written(tmp_path / "again", program, accuracy_control=True)
    assert bundle.files_digest(tmp_path / "again") == bundle.files_digest(tmp_path / "controlled")


def test_a_number_is_judged_by_its_distance(tmp_path: Path) -> None:
    program = cancelling(number=True)
    wanted = run(program, UNSEEN)
    apart = {}
    for name, more in (("plain", {}), ("controlled", {"accuracy_control": True})):
        written(tmp_path / name, program, NUMBER, **more)
        apart[name] = float(np.abs(answers(tmp_path / name) - wanted).mean() / wanted.std())
    assert apart["controlled"] < 0.05 < apart["plain"]


def test_what_keeps_its_accuracy_stays_whole(tmp_path: Path) -> None:
    """And labels are those of the spec's threshold."""
    program = Program(8)
    program.output = program.add("softmax", program.dense(program.input, np.outer([1, -1], np.ones(8))))
    about = {**ABOUT, "positive": "b", "threshold": 0.3}
    form = written(tmp_path, program, about, max_drop=0.05, accuracy_control=True)
    assert form.remarks(tmp_path) == {"accuracy_control": {"layers": 1, "in_float": 0}}


def test_one_row_cannot_find_ranges_and_judge(tmp_path: Path) -> None:
    form = load({"kind": "openvino", "quantize": "int8", "accuracy_control": True}, 0.01)
    with pytest.raises(Problem, match="every second calibration row"):
        form.write(cancelling(), tmp_path, json.dumps(ABOUT), SEEN[:1])


WRONG = [
    ({"quantize": "weights", "max_drop": "1 %"}, "`accuracy_control` is of `quantize: int8`"),
    ({"quantize": "int8"}, "`accuracy_control` needs a `max_drop` to keep"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
def test_what_controls_nothing_is_refused(fields: dict[str, Any], message: str) -> None:
    _, found = validate(
        {
            "mlspec": 1,
            "project": {"name": "x"},
            "task": {"kind": "classification", "target": "target"},
            "data": {"sources": {"images": {"kind": "sklearn", "dataset": "digits"}}},
            "model": {"kind": "torch.mlp"},
            "exports": [{"kind": "openvino", "accuracy_control": True, **fields}],
        }
    )
    assert [(one.message, one.route) for one in found] == [(message, ("exports", 0, "accuracy_control"))]
