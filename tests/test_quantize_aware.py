"""Quantization-aware training: a network that learns to answer the same with the roundings of int8."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest

from mlspec.diagnostic import Problem
from mlspec.exports._export import load
from mlspec.lower import lower
from mlspec.runtime.export import _refuse_unaware
from mlspec.spec.project import unrealised, validate
from mlspec.tensor.program import Program, run
from tests.test_compress import SPEC, built, digits

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")

from mlspec.lowering import networks as lowering  # noqa: E402
from mlspec.runtime.networks import rounding  # noqa: E402
from mlspec.runtime.networks.estimators import made_of_layers  # noqa: E402

AWARE = {"epochs": 4}


def test_numbers_at_their_steps() -> None:
    weights = torch.nn.Parameter(torch.tensor([[1.27, 0.004, -0.006], [0.0, 0.0, 0.0]]))
    rounded = rounding.in_steps(weights, 0)
    assert torch.allclose(rounded, torch.tensor([[1.27, 0.0, -0.01], [0.0, 0.0, 0.0]]))
    rounded.sum().backward()
    assert weights.grad.tolist() == [[1.0] * 3] * 2  # as if nothing had been rounded
    x = torch.tensor([-2.0, -0.5, 0.0, 0.3, 9.0], requires_grad=True)
    found = rounding.in_range(x, (-0.55, 2.0))
    assert torch.allclose(found, torch.tensor([-0.55, -0.5, 0.0, 0.3, 2.0]))
    found.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("kind", "more"),
    [("torch.mlp", {"hidden": [24], "norm": "batch", "dropout": 0.1}), ("torch.cnn", {"channels": [6], "separable": True})],
)
def test_int8_holds_what_was_learned(kind: str, more: dict[str, Any], tmp_path: Path) -> None:
    """Weights are whole steps; the program is the model; the same rows give the same bytes."""
    features, target = digits()

    def trained(epochs: int | None) -> Any:
        model = built(kind, epochs=4, learning_rate=0.01, **more)
        return model.set_params(quantize_aware=epochs and {"epochs": epochs}).fit(features, target)

    plain, model = trained(None), trained(4)
    assert (plain.n_iter_, model.n_iter_, model.quantize_aware_) == (4, 8, AWARE)
    assert joblib.hash(trained(4).layers_) == joblib.hash(model.layers_)
    for layer in model.layers_:
        name = rounding.WEIGHTS.get(layer["kind"])
        if name is not None:
            weights = np.moveaxis(layer[name], rounding.OUTPUTS[layer["kind"]], 0).reshape(layer["bias"].size, -1)
            steps = weights / np.abs(weights).max(axis=1, keepdims=True) * 127
            assert np.abs(steps - np.rint(steps)).max() < 1e-3
    assert np.mean(model.predict(features) == plain.predict(features)) > 0.98
    program = Program(64)
    program.output = lowering.lowered(program, program.input, model.layers_)
    rows = features[:200].astype(np.float32)
    meant = run(program, rows)
    np.testing.assert_allclose(meant, model.predict_proba(features[:200]), atol=1e-5)
    pytest.importorskip("ai_edge_quantizer")
    from mlspec.runtime.edge.device.runner import litert

    form = load({"kind": "tflite", "quantize": "int8_aware"})
    form.write(program, tmp_path, json.dumps({"quantize": "int8_aware"}), rows)
    assert form.shortened(tmp_path)["int8"] > 500
    assert np.mean(litert(tmp_path, 1, "f32")(rows).argmax(axis=1) == meant.argmax(axis=1)) >= 0.99


def test_what_is_learned_is_to_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 7 steps for a weight rounding harms; the network that has learned with it answers more like the one before."""
    monkeypatch.setattr(rounding, "STEPS", 3)
    features, target = digits()
    rows = torch.from_numpy(features.astype(np.float32))
    model = built("torch.mlp", hidden=[16], epochs=20, learning_rate=0.01).fit(features, target)
    aware = built("torch.mlp", hidden=[16], epochs=20, learning_rate=0.01)
    aware.set_params(quantize_aware={"epochs": 10}).fit(features, target)
    network = made_of_layers(built("torch.mlp", hidden=[16]).body, 10, 7, rows)
    for layer, fitted in zip(network.layers, model.layers_, strict=False):
        for name in ("weights", "bias"):
            layer[name].data = torch.from_numpy(fitted[name])
    with torch.no_grad():
        untrained = rounding.Rounding(network, rows).rounded()(rows).argmax(dim=1).numpy()
    labels = model.predict(features)
    before, after = np.mean(model.classes_[untrained] == labels), np.mean(aware.predict(features) == labels)
    assert after > before + 0.01


def test_what_was_pruned_stays_zero() -> None:
    features, target = digits()
    model = built("torch.mlp", hidden=[16], epochs=3, learning_rate=0.01)
    model.set_params(prune={"sparsity": 0.8, "structured": False, "epochs": 1}, quantize_aware={"epochs": 2}).fit(
        features, target
    )
    assert all((layer["weights"] == 0).mean() > 0.79 for layer in model.layers_ if "weights" in layer)


def test_a_number() -> None:
    features, _ = digits()
    numbers = features[:, 20] * 100 + features[:, 30]
    model = built("torch.mlp", "regression", hidden=[16], epochs=15, learning_rate=0.01)
    model.set_params(quantize_aware={"epochs": 3}).fit(features, numbers)
    assert 1 - np.var(model.predict(features) - numbers) / np.var(numbers) > 0.9


ASKED = [
    # the model, compress, exports, epochs
    ("torch.mlp", {}, ["int8_aware"], 10),
    ("torch.mlp", {"quantize_aware": {"epochs": 3}}, ["int8_aware"], 3),
    ("torch.cnn", {"quantize_aware": {}}, [], 10),
    ("torch.mlp", {}, ["int8"], None),
    ("torch.rnn", {"quantize_aware": {}}, [], None),
]


@pytest.mark.parametrize(("kind", "compress", "ways", "epochs"), ASKED)
def test_what_asks_for_it(kind: str, compress: dict[str, Any], ways: list[str], epochs: int | None) -> None:
    exports = [{"kind": "tflite", "quantize": one, "max_drop": "1 %"} for one in ways]
    project, found = validate({**SPEC, "model": {"kind": kind}, "compress": compress, "exports": exports})
    assert project is not None, found
    told = {step.id: step for step in lower(project, {}).steps}["train"].params["training"].get("quantize_aware")
    assert told == (epochs and {"epochs": epochs})
    assert ["compress.quantize_aware" for _ in unrealised(project)] == (
        ["compress.quantize_aware"] if kind == "torch.rnn" else []
    )


def test_a_model_that_was_not_trained_for_it_is_refused() -> None:
    export = load({"kind": "onnx", "quantize": "int8_aware"})
    with pytest.raises(Problem, match="networks that are trained for it"):
        _refuse_unaware(
            export, SimpleNamespace(named_steps={"model": object()}), {"model": {"kind": "sklearn.mlp"}, "route": ("exports", 0)}
        )
