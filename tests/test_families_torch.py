"""The networks of PyTorch: what they learn, equal bytes in every process and after every break, and what they are as programs."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from mlspec import families, kinds
from mlspec.diagnostic import Problem
from mlspec.lowering import networks as lowering
from mlspec.runtime import fitting, package, pickled, predictor
from mlspec.spec.project import unrealised, validate
from mlspec.tensor import program as tensor
from tests.networks import PLAIN, WRONG, is_said
from tests.runtime.training_data import CLASSIFY, REGRESS, packaged, params, table, trained

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parent.parent
KINDS = ("torch.cnn", "torch.mlp", "torch.rnn", "torch.transformer")
SMALL: dict[str, dict[str, Any]] = {
    "torch.cnn": {"channels": [4], "epochs": 2},
    "torch.mlp": {"hidden": [8], "epochs": 2},
    "torch.rnn": {"shape": [8, 8], "units": 6, "epochs": 2},
    "torch.transformer": {"shape": [8, 8], "width": 8, "heads": 2, "layers": 1, "feedforward": 8, "epochs": 2},
}
SERIES = {
    "torch.cnn": {"shape": [2, 5, 1], "channels": [8]},
    "torch.rnn": {"shape": [5, 2]},
    "torch.transformer": {"shape": [5, 2]},
}

# Each parameter with another value than its default.
OTHER: dict[str, list[dict[str, Any]]] = {
    "torch.cnn": [
        {"channels": [4, 6], "kernel": 5, "convolutions": 2, "pool": "average", "activation": "gelu"},
        {"separable": True, "convolutions": 2, "head": "mean", "hidden": [5], "dropout": 0.2, "pool": "none"},
        {"norm": "none", "activation": "silu", "shape": [4, 4, 4], "kernel": 2},
        {"separable": True, "channels": [4, 6], "norm": "none", "activation": "tanh", "shape": [4, 16, 1]},
    ],
    "torch.mlp": [
        {"hidden": [8, 6], "norm": "batch", "activation": "tanh", "dropout": 0.3},
        {"norm": "layer", "activation": "gelu"},
        {"hidden": [], "activation": "silu"},
        {"schedule": "cosine", "learning_rate": 0.01, "weight_decay": 0.0, "gradient_clip": 1.0, "batch_size": 50},
        {"schedule": "plateau", "early_stopping_rounds": 1, "validation_fraction": 0.3, "epochs": 6, "learning_rate": 0.05},
        {"device": "cpu"},
    ],
    "torch.rnn": [
        {"cell": "gru", "layers": 2, "dropout": 0.2, "head": "mean", "hidden": [5]},
        {"layers": 2, "activation": "gelu", "hidden": [5]},
        {"cell": "gru", "shape": None, "units": 3},
    ],
    "torch.transformer": [
        {"layers": 2, "positions": "sinusoidal", "head": "last", "activation": "gelu", "dropout": 0.1},
        {"width": 9, "heads": 3, "shape": [16, 4]},
    ],
}


def digits() -> tuple[Any, Any]:
    features, target = load_digits(return_X_y=True)
    return features, np.array([f"digit {one}" for one in target])


def diabetes() -> tuple[Any, Any]:
    return load_diabetes(return_X_y=True)


def built(kind: str, task: str = "classification", seed: int = 7, **more: Any) -> Any:
    return families.load({"kind": kind, "params": more}, task).estimator(task, seed)


def cases() -> list[Any]:
    return [pytest.param(kind, one, id=f"{kind}-{index}") for kind in KINDS for index, one in enumerate([{}, *OTHER[kind]])]


def test_every_parameter_has_a_case() -> None:
    from mlspec.families._network import Learning

    for kind in KINDS:
        known = set(type(kinds.load("mlspec.families", kind).model_validate({"kind": kind}).params).model_fields)  # type: ignore[attr-defined]
        shared = set(Learning.model_fields) if kind != "torch.mlp" else {"loss", "class_weight"}  # those have tests below
        assert {name for one in (SMALL[kind], *OTHER[kind]) for name in one} >= known - shared


@pytest.mark.parametrize(
    ("kind", "least", "more"),
    [
        ("torch.cnn", 0.97, {"epochs": 12, "learning_rate": 0.005, "schedule": "cosine"}),
        (
            "torch.cnn",
            0.97,
            {"epochs": 12, "learning_rate": 0.005, "schedule": "cosine", "separable": True, "channels": [32, 64], "hidden": [32]},
        ),
        ("torch.mlp", 0.96, {"epochs": 30, "learning_rate": 0.003, "early_stopping_rounds": 5}),
        ("torch.rnn", 0.94, {"epochs": 12, "shape": [8, 8], "learning_rate": 0.005}),
        ("torch.transformer", 0.92, {"epochs": 12, "shape": [8, 8], "learning_rate": 0.003}),
    ],
)
def test_digits_are_learned(kind: str, least: float, more: dict[str, Any]) -> None:
    features, target = digits()
    seen, unseen, known, truth = train_test_split(features, target, random_state=3)
    model = built(kind, **more).fit(seen, known)
    assert model.classes_.tolist() == sorted(set(target))
    assert np.mean(model.predict(unseen) == truth) >= least
    proba = model.predict_proba(unseen)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-15)
    assert (model.classes_[proba.argmax(axis=1)] == model.predict(unseen)).all()
    assert model.history_[-1]["train_loss"] < model.history_[0]["train_loss"]
    assert is_classifier(model)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_numbers_are_learned(kind: str, loss: str) -> None:
    features, target = diabetes()
    seen, unseen, known, truth = train_test_split(features, target, random_state=3)
    more = {"epochs": 20, "learning_rate": 0.003, "weight_decay": 0.1, **SERIES.get(kind, {})}
    model = built(kind, "regression", loss=loss, **more).fit(seen, known)
    assert 1 - np.var(truth - model.predict(unseen)) / np.var(truth) > 0.25
    assert model.predict(unseen).dtype == np.float64
    assert is_regressor(model)
    assert model.history_[-1]["train_rmse"] == pytest.approx(np.std(known - model.predict(seen)), rel=0.2)


@pytest.mark.parametrize(("kind", "more"), cases())
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_each_parameter_fits_and_the_program_says_the_same(kind: str, more: dict[str, Any], task: str) -> None:
    features, labels = (one[:200] for one in digits())
    target = labels if task == "classification" else features.sum(axis=1)
    estimator = built(kind, task, **{**SMALL[kind], **more}).fit(features, target)
    assert all(layer["kind"] not in ("dropout", "batch_norm") for layer in estimator.layers_)
    program = tensor.Program(features.shape[1])
    columns: Any = SimpleNamespace(program=program, features=program.input)
    program.output = lowering.ESTIMATORS[type(estimator).__name__](columns, estimator)
    told = tensor.run(program, features)
    if task == "classification":
        np.testing.assert_allclose(told, estimator.predict_proba(features), atol=1e-5)
    else:
        np.testing.assert_allclose(told[:, 0], estimator.predict(features), rtol=1e-4, atol=1e-3)


def test_what_is_folded_is_what_was_trained() -> None:
    from mlspec.runtime.networks import estimators, layers

    features, target = (one[:200] for one in digits())
    estimator = built("torch.cnn", channels=[4, 6], separable=True, dropout=0.3, epochs=2)
    kept = {}
    keep = estimator.keep
    estimator.keep = lambda network, scale, shift: (kept.update(network=network), keep(network, scale, shift))
    estimator.fit(features, target)
    with torch.no_grad():
        given = kept["network"].eval()(torch.from_numpy(features.astype(np.float32))).softmax(dim=1).numpy()
    del estimator.keep
    np.testing.assert_allclose(estimator.predict_proba(features), given, atol=1e-6)
    assert isinstance(kept["network"], layers.Network)
    assert estimators.by_layers(estimator.layers_, features).shape == (200, 10)


def test_early_stopping_keeps_the_best_epoch() -> None:
    features, target = (one[:300] for one in digits())
    model = built("torch.mlp", early_stopping_rounds=3, epochs=200, learning_rate=0.03).fit(features, target)
    watched = [one["validation_loss"] for one in model.history_]
    assert model.n_iter_ == len(watched) < 200
    assert model.best_epoch_ == int(np.argmin(watched)) + 1 == model.n_iter_ - 3
    assert all(0 <= one["validation_accuracy"] <= 1 for one in model.history_)
    again = built("torch.mlp", early_stopping_rounds=3, epochs=model.best_epoch_, learning_rate=0.03).fit(features, target)
    np.testing.assert_array_equal(model.predict_proba(features), again.predict_proba(features))


def test_class_weights_count() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(400, 2))
    target = np.where(features[:, 0] + random.normal(size=400) > 1.5, "rare", "usual")
    found = [
        np.mean(built("torch.mlp", epochs=15, class_weight=weight).fit(features, target).predict(features) == "rare")
        for weight in (None, "balanced", {"rare": 20.0, "usual": 1.0})
    ]
    assert found[0] < found[1] < found[2]


@pytest.mark.parametrize(
    ("kind", "params", "said"),
    [
        ("torch.cnn", {"shape": [8, 9, 1]}, "8 × 9 × 1 = 72 features a row, and there are 64"),
        ("torch.rnn", {"shape": [8, 7]}, "8 × 7 = 56"),
        ("torch.transformer", {"shape": [64, 2]}, "64 × 2 = 128"),
    ],
)
def test_a_shape_that_features_do_not_fill_is_told_on_its_line(kind: str, params: dict[str, Any], said: str) -> None:
    features, target = digits()
    with pytest.raises(Problem, match=said) as caught:
        built(kind, **params).fit(features, target)
    assert caught.value.faults[0].route == ("model", "params", "shape")  # type: ignore[union-attr]


def test_features_that_are_no_square_are_no_image_by_themselves() -> None:
    features, target = digits()
    with pytest.raises(Problem, match="63 features are no square image"):
        built("torch.cnn").fit(features[:, 1:], target)


@pytest.mark.parametrize(
    ("kind", "task", "params", "said"),
    [
        ("torch.cnn", "classification", {"shape": [8, 8, 1], "channels": [4, 4, 4, 4]}, "halve an image 4 times"),
        ("torch.transformer", "classification", {"width": 10}, "4 heads cannot share a width of 10"),
        ("torch.mlp", "classification", {"loss": "huber"}, "loss"),
        ("torch.mlp", "regression", {"class_weight": "balanced"}, "class_weight"),
        ("torch.mlp", "regression", {"validation_fraction": 0.2}, "early_stopping_rounds"),
        ("torch.mlp", "regression", {"hidden": [0]}, "greater than or equal to 1"),
        ("torch.mlp", "regression", {"n_jobs": 1}, "Extra inputs"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(kind: str, task: str, params: dict[str, Any], said: str) -> None:
    with pytest.raises(Problem, match=said) as caught:
        families.load({"kind": kind, "params": params}, task)
    assert all(fault.route[:2] == ("model", "params") for fault in caught.value.faults)  # type: ignore[union-attr]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is such a device")
def test_a_device_that_is_not_there_is_told() -> None:
    features, target = (one[:50] for one in digits())
    with pytest.raises(Problem, match="finds no such device"):
        built("torch.mlp", device="cuda").fit(features, target)


def test_training_that_diverges_is_told() -> None:
    features, target = (one[:100] for one in digits())
    family = families.load({"kind": "torch.mlp", "params": {"learning_rate": 1e30, "epochs": 3}}, "classification")
    with pytest.raises(Problem, match="has diverged in epoch"):
        fitting._fit(family, family.estimator("classification", 7), features, target)


def test_it_is_an_estimator_as_scikit_learn_asks() -> None:
    features, target = (one[:100] for one in digits())
    model = built("torch.mlp", **SMALL["torch.mlp"])
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    again = clone(model)
    assert again.get_params() == model.get_params()
    check_is_fitted(again.fit(features, target))
    with pytest.raises(ValueError, match="no parameter 'epoch'"):
        model.set_params(epoch=1)


def test_it_unpickles_without_pytorch(tmp_path: Path) -> None:
    features, target = (one[:100] for one in digits())
    pickled.write(tmp_path / "model.joblib", built("torch.mlp", **SMALL["torch.mlp"]).fit(features, target))
    code = "import sys; sys.modules['torch'] = None\nfrom mlspec.runtime import pickled\nprint(len(pickled.read(sys.argv[1]).layers_))"
    ended = subprocess.run([sys.executable, "-c", code, tmp_path / "model.joblib"], capture_output=True, text=True, check=False)
    assert ended.stdout.strip() == "3", ended.stderr


def test_the_generator_of_pytorch_is_left_alone() -> None:
    features, target = (one[:100] for one in digits())
    torch.manual_seed(1)
    before = torch.get_rng_state()
    built("torch.mlp", **SMALL["torch.mlp"], dropout=0.5).fit(features, target)
    assert (torch.get_rng_state() == before).all()
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.usefixtures("own")
def test_steps_that_train_at_the_same_time_do_not_meet() -> None:
    """PyTorch's generator and its choice of algorithms are the process's."""
    features, target = (one[:200] for one in digits())
    wanted = [built("torch.cnn", **SMALL["torch.cnn"], dropout=0.5), custom(fit={"epochs": 3}).estimator("classification", 7)] * 3
    alone = [clone(one).fit(features, target).predict_proba(features) for one in wanted[:2]]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda one: clone(one).fit(features, target).predict_proba(features), wanted))
    for index, one in enumerate(together):
        np.testing.assert_array_equal(one, alone[index % 2])
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("model", "training", "rows", "name"),
    [
        ({"params": {"learning_rate": 0.5}}, {}, 50_000, "learning-rate-too-high"),
        ({}, {}, 900, "network-on-few-rows"),
        ({"params": {"epochs": 5}}, {"early_stopping": {"patience": 9}}, 50_000, "patience-beyond-the-end"),
        ({}, {}, 50_000, "opaque-model-for-explained-decisions"),
    ],
)
def test_rules_know_the_networks(tmp_path: Path, model: dict[str, Any], training: dict[str, Any], rows: int, name: str) -> None:
    spec = {
        "mlspec": 1,
        "project": {"name": "x"},
        "requirements": {"interpretability": "required"},
        "task": {"kind": "classification", "target": "y"},
        "data": {"sources": {"s": {"kind": "csv", "path": "s.csv"}}, "volume": {"rows": rows}},
        "model": {"kind": "torch.mlp", **model},
        "training": training,
    }
    (tmp_path / "spec.yaml").write_text(json.dumps(spec))
    command = [sys.executable, "-m", "mlspec", "lint", "--format", "json", "spec.yaml"]
    ended = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert name in ended.stdout, ended.stdout + ended.stderr


# -- equal bytes

FIT = """
import json, sys
from pathlib import Path
import numpy as np
from sklearn.datasets import load_digits
from mlspec import families
from mlspec.runtime import fitting, pickled
from mlspec.runtime.checkpoints import opened
from tests.networks import PLAIN

asked = json.loads(sys.argv[1])
features, target = load_digits(return_X_y=True)
features, target = features[:400], np.array([str(one) for one in target[:400]])
made = []
for model in asked["models"]:
    family = families.load(model, "classification")
    pipeline = fitting.fit(family, {"kind": "classification", "target": "digit"}, 7, PLAIN, features, target, asked["params"])
    made.append(pipeline.named_steps["model"])
pickled.write(Path(sys.argv[2]), made)
"""


def fit(place: Path, models: list[dict[str, Any]], environment: dict[str, str] | None = None, **params: Any) -> list[Any]:
    asked = json.dumps({"models": models, "params": params})
    path = os.pathsep.join([str(ROOT), str(place.parent), os.environ.get("PYTHONPATH", "")])
    return [[sys.executable, "-c", FIT, asked, place], {**os.environ, "PYTHONPATH": path, **(environment or {})}]


def fitted(place: Path, models: list[dict[str, Any]], environment: dict[str, str] | None = None, **params: Any) -> bytes:
    command, variables = fit(place, models, environment, **params)
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return place.read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("own")
def test_two_processes_give_the_same_bytes(tmp_path: Path) -> None:
    more = {"epochs": 3, "dropout": 0.2, "early_stopping_rounds": 2}
    models = [{"kind": kind, "params": {**SMALL[kind], **more}} for kind in KINDS]
    models.append({"kind": "torch.custom", "entrypoint": "own_net_for_test:build", "fit": {"epochs": 3}})
    one = fitted(tmp_path / "one", models, {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1"})
    assert one == fitted(tmp_path / "other", models, {"OMP_NUM_THREADS": "3", "PYTHONHASHSEED": "2"})


OWN = """
import torch


class Net(torch.nn.Module):
    def __init__(self, inputs, outputs, units, dropout):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(inputs, units), torch.nn.BatchNorm1d(units), torch.nn.ReLU(), torch.nn.Dropout(dropout), torch.nn.Linear(units, outputs)
        )

    def forward(self, x):
        return self.layers(x)


def build(task, inputs, outputs, *, units=16, dropout=0.2):
    return Net(inputs, outputs, units, dropout)


def image(task, inputs, outputs):
    high, wide, channels = inputs
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(high * wide * channels, outputs))


def wrong_shape(task, inputs, outputs):
    return torch.nn.Linear(inputs, outputs + 1)


def no_module(task, inputs, outputs):
    return None


def breaks(task, inputs, outputs):
    return Broken()


class Broken(torch.nn.Module):
    def forward(self, x):
        raise ValueError("no rows today")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_net_for_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def custom(name: str = "build", task: str = "classification", **more: Any) -> Any:
    return families.load({"kind": "torch.custom", "entrypoint": f"own_net_for_test:{name}", **more}, task)


@pytest.mark.usefixtures("own")
def test_a_module_of_the_users_is_trained() -> None:
    features, target = digits()
    seen, unseen, known, truth = train_test_split(features, target, random_state=3)
    family = custom(params={"units": 64}, fit={"epochs": 15})
    state = torch.get_rng_state()
    models = [family.estimator("classification", 7).fit(seen / 16, known) for _ in range(2)]
    assert (torch.get_rng_state() == state).all()
    np.testing.assert_array_equal(*[one.predict_proba(unseen / 16) for one in models])
    assert np.mean(models[0].predict(unseen / 16) == truth) > 0.95
    numbers, answers = diabetes()
    model = custom(task="regression", fit={"epochs": 40}).estimator("regression", 7).fit(numbers, answers)
    assert 1 - np.var(answers - model.predict(numbers)) / np.var(answers) > 0.4
    shaped = custom("image", shape=[8, 8, 1], fit={"epochs": 2})
    assert shaped.needs().places
    assert shaped.estimator("classification", 7).fit(features, target).predict(features[:3]).shape == (3,)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(("name", "more", "said", "route"), [*WRONG, ("no_module", {}, "gave NoneType", ("model", "entrypoint"))])
def test_what_is_wrong_with_a_module_of_the_users_is_said(name: str, more: dict[str, Any], said: str, route: Any) -> None:
    is_said(custom, digits(), name, more, said, route)


def test_settings_of_a_module_of_the_users_are_checked() -> None:
    with pytest.raises(Problem, match="early_stopping_rounds") as caught:
        custom(fit={"validation_fraction": 0.2})
    assert caught.value.faults[0].route == ("model", "fit", "validation_fraction")  # type: ignore[union-attr]


# -- a break and what comes after it

ALL_STATES = {"checkpoint": {"every": 0.0, "keep": 2, "resume": True}}
INTERRUPTED: dict[str, dict[str, Any]] = {
    "mlp": {
        "kind": "torch.mlp",
        "params": {
            "epochs": 8,
            "batch_size": 32,
            "dropout": 0.3,
            "norm": "batch",
            "schedule": "plateau",
            "early_stopping_rounds": 6,
        },
    },
    "custom": {"kind": "torch.custom", "entrypoint": "own_net_for_test:build", "fit": {"epochs": 6, "schedule": "cosine"}},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", INTERRUPTED)
def test_killed_in_the_middle_and_resumed_it_gives_the_same_bytes(tmp_path: Path, own: Path, name: str) -> None:
    model, states = INTERRUPTED[name], tmp_path / "states"
    whole = fitted(tmp_path / "whole", [model])
    slow = {**ALL_STATES, "mixed_precision": "auto"}
    command, variables = fit(tmp_path / "killed", [model], training=slow, checkpoints=str(states))
    process = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE)
    wanted, until = 40 if name == "mlp" else 20, time.monotonic() + 120
    while not any(int(file.stem) >= wanted for file in states.glob("*/*.state")):
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < until
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "killed").exists()
    left = sorted(int(file.stem) for file in states.glob("*/*.state"))
    assert len(left) in (2, 3)  # killed between a new one and the end of an old one
    resumed = fitted(tmp_path / "resumed", [model], training=slow, checkpoints=str(states))
    assert resumed == whole
    assert not list(states.glob("*/*"))


class Broken(Exception):
    pass


def test_a_training_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A break within an epoch, without a process: the state has the batches behind it."""
    from mlspec.runtime.networks import training

    features, target = (one[:200] for one in digits())
    family = families.load({"kind": "torch.cnn", "params": {**SMALL["torch.cnn"], "epochs": 4, "dropout": 0.3}}, "classification")
    task = {"kind": "classification", "target": "digit"}
    given = {"training": ALL_STATES, "checkpoints": str(tmp_path), "task": task, "seed": 7}
    whole = fitting.fit(family, task, 7, PLAIN, features, target, given).named_steps["model"]
    steps, step = [], training._Training._step
    monkeypatch.setattr(
        training._Training, "_step", lambda self, places: (steps.append(1), broken(len(steps)), step(self, places))
    )

    def broken(count: int) -> None:
        if count == 11:  # 4 batches an epoch
            raise Broken

    with pytest.raises(Broken):
        fitting.fit(family, task, 7, PLAIN, features, target, given)
    newest = max(tmp_path.glob("*/*.state"))
    assert newest.stem == f"{10:012d}"
    newest.write_bytes(newest.read_bytes()[:-1])  # torn by a full disk: the one before counts
    caplog.set_level("INFO")
    again = fitting.fit(family, task, 7, PLAIN, features, target, given).named_steps["model"]
    assert len(steps) == 11 + 7
    assert "training goes on in epoch 3 of 4, after 1 batches" in caplog.text
    assert again.history_ == whole.history_
    np.testing.assert_array_equal(again.predict_proba(features), whole.predict_proba(features))
    other = {**given, "seed": 8}
    fitting.fit(family, task, 8, PLAIN, features, target, other)


def test_without_a_place_for_states_it_is_said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlspec.runtime.checkpoints import opened

    monkeypatch.delenv("MLSPEC_CHECKPOINTS", raising=False)
    for name, value in (("disabled", False), ("propagate", True)):  # libraries that set up logging may have left it otherwise
        monkeypatch.setattr(logging.getLogger("mlspec.run"), name, value)
    monkeypatch.setattr(logging.root.manager, "disable", 0)
    caplog.set_level(logging.WARNING, logger="mlspec.run")
    family = families.load({"kind": "torch.mlp"}, "classification")
    assert opened(family, {"training": ALL_STATES}) is None
    assert "set MLSPEC_CHECKPOINTS" in caplog.text


def test_what_training_says_reaches_the_estimator() -> None:
    family = families.load({"kind": "torch.mlp"}, "classification")
    estimator = family.estimator("classification", 7)
    family.instruct(estimator, {"early_stopping": {"patience": 4, "min_delta": 0.01}, "mixed_precision": "on"}, None)
    told = estimator.get_params()
    assert (told["early_stopping_rounds"], told["min_delta"], told["mixed_precision"]) == (4, 0.01, "on")
    features, target = (one[:200] for one in digits())
    assert estimator.set_params(epochs=2).fit(features, target).predict_proba(features).shape == (200, 10)


# -- in a pipeline


@pytest.mark.parametrize("task", [CLASSIFY, REGRESS], ids=lambda one: one["kind"])
def test_it_learns_from_a_table_and_is_packaged(tmp_path: Path, task: dict[str, Any]) -> None:
    given = params(task, model="torch.mlp")
    given["model"]["params"] = {"epochs": 20, "learning_rate": 0.005}
    given["training"] = {"early_stopping": {"patience": 5, "min_delta": 0.0}}
    frame = table(400)
    model, facts = trained(tmp_path, given, frame.head(300))
    assert facts["iterations"] <= 20
    assert model.named_steps["model"].settings["early_stopping_rounds"] == 5
    if task is CLASSIFY:
        assert np.mean(model.predict(frame.tail(100)) == frame.tail(100)["churn"].to_numpy()) > 0.75


def test_a_pixel_that_says_nothing_keeps_its_place() -> None:
    from mlspec.runtime.featurize import unfitted

    frame = pl.DataFrame({"a": [1.0, 2.0], "b": [0.0, 0.0], "c": [3.0, 1.0], "y": ["u", "v"]})
    task = {"kind": "classification", "target": "y"}
    for kind, names in (("torch.cnn", ["a", "b", "c"]), ("torch.mlp", ["a", "c"])):
        given = {"transforms": [], "columns": {}, "task": task, "seed": 7, "model": {"kind": kind}}
        featurizer = unfitted(given)
        featurizer.fit(frame, frame["y"])
        assert featurizer.feature_names_ == names


def test_sections_that_networks_go_by_are_no_longer_put_off() -> None:
    spec = {
        "mlspec": 1,
        "project": {"name": "x"},
        "task": {"kind": "classification", "target": "y"},
        "data": {"sources": {"s": {"kind": "csv", "path": "s.csv"}}},
        "training": {"early_stopping": {"patience": 3}, "checkpoint": {"every": "5 min"}, "mixed_precision": "on"},
    }
    for kind, routes in (("torch.mlp", []), ("sklearn.mlp", ["early_stopping", "checkpoint", "mixed_precision"])):
        project, faults = validate({**spec, "model": {"kind": kind}})
        assert project is not None, faults
        assert [one.route[-1] for one in unrealised(project)] == routes


def test_a_library_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(Problem, match=r"the kind torch\.mlp needs the library torch") as caught:
        built("torch.mlp")
    assert "mlspec[torch]" in caught.value.faults[0].help  # type: ignore[union-attr]


def test_a_package_names_pytorch_without_its_build() -> None:
    (name,) = package._brought({"model": {"kind": "torch.mlp", "params": {}}, "task": {"kind": "classification"}})
    assert name == "torch"
    assert (
        "+" not in package._environment({"model": {"kind": "torch.mlp"}, "task": {"kind": "classification"}})["packages"]["torch"]
    )


def test_a_package_predicts(tmp_path: Path) -> None:
    given = params(CLASSIFY, model="torch.mlp")
    given["model"]["params"] = {"epochs": 3}
    trained(tmp_path, given, table(200))
    place = packaged(tmp_path, given)
    answers = predictor.load(place).predict(table(10))
    assert answers.columns == ["predicted", "proba_no", "proba_yes"]
