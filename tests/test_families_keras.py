"""The networks of Keras: what it learned is what is kept, equal bytes in every process and after every break."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from docs import edge_matrix
from mlspec import families, lint, ops
from mlspec.diagnostic import Problem
from mlspec.lower import lower
from mlspec.lowering import handler
from mlspec.runtime import fitting, package, pickled, predictor
from mlspec.spec.project import unrealised, validate
from mlspec.tensor import program as tensor
from tests.networks import PLAIN, WRONG, is_said
from tests.runtime.training_data import CLASSIFY, REGRESS, packaged, params, table, trained
from tests.test_families_torch import FIT, OTHER, ROOT, SMALL, diabetes, digits

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")

KINDS = ("keras.cnn", "keras.mlp", "keras.rnn", "keras.transformer")
TASK = {"kind": "classification", "target": "digit"}


def twin(kind: str) -> str:
    return kind.replace("keras", "torch")


def small(kind: str, **more: Any) -> dict[str, Any]:
    return {**SMALL[twin(kind)], "epochs": 1, **more}


def built(kind: str, task: str = "classification", seed: int = 7, **more: Any) -> Any:
    return families.load({"kind": kind, "params": more}, task).estimator(task, seed)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The models that Keras has trained, as it left them."""
    from mlspec.families._keras import imported

    imported("keras.mlp")
    from mlspec.runtime.networks import keras_estimators

    found: list[Any] = []
    learned = keras_estimators.learned
    monkeypatch.setattr(keras_estimators, "learned", lambda model, *others: (found.append(model), learned(model, *others))[1])
    return found


# -- what is kept


def cases() -> list[Any]:
    return [
        pytest.param(kind, one, id=f"{kind}-{index}")
        for kind in KINDS
        for index, one in enumerate([{}, *OTHER[twin(kind)]])
        if not {"schedule", "device"} & set(one)  # those say nothing of layers
    ]


def moved(model: Any) -> None:
    """Give each weight another value: what a norm starts with, or a bias, would say nothing."""
    chance = np.random.default_rng(3)
    for one in model.weights:
        if one.name not in ("shift", "factor"):
            one.assign(
                np.abs(one.numpy() + chance.normal(scale=0.1, size=one.shape))
                if "var" in one.name
                else one.numpy() + chance.normal(scale=0.1, size=one.shape)
            )


@pytest.mark.parametrize(("kind", "more"), cases())
def test_what_is_kept_says_what_keras_says(
    kind: str, more: dict[str, Any], models: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlspec.runtime.networks import keras_estimators

    learned = keras_estimators.learned
    monkeypatch.setattr(keras_estimators, "learned", lambda model, *others: (learned(model, *others), moved(model))[0])
    features, target = (one[:80] for one in digits())
    estimator = built(kind, **small(kind, **more)).fit(features, target)
    given = torch.softmax(torch.from_numpy(models[0].predict(features, verbose=0)), dim=1).numpy()
    np.testing.assert_allclose(estimator.predict_proba(features), given, atol=1e-5)
    assert given.std() > 0.01
    program = tensor.Program(features.shape[1])
    columns: Any = SimpleNamespace(program=program, features=program.input)
    program.output = handler(estimator)(columns, estimator)
    np.testing.assert_allclose(tensor.run(program, features), given, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_its_layers_are_those_of_pytorch(kind: str) -> None:
    features, target = (one[:80] for one in digits())
    ours, theirs = (built(one, **small(kind)).fit(features, target).layers_ for one in (kind, twin(kind)))

    def shape(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.shape, value.dtype, value.flags.c_contiguous
        if isinstance(value, dict):
            return {name: shape(one) for name, one in value.items()}
        return [shape(one) for one in value] if isinstance(value, list) else value

    assert shape(ours) == shape(theirs)


# -- what is learned


def test_digits_are_learned_and_the_best_epoch_counts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    features, target = digits()
    more = {"hidden": [64], "epochs": 30, "learning_rate": 0.02, "early_stopping_rounds": 2, "batch_size": 128}
    model = built("keras.mlp", **more).fit(features[:1200], target[:1200])
    watched = [one["validation_loss"] for one in model.history_]
    assert np.mean(model.predict(features[1200:]) == target[1200:]) > 0.85
    assert model.best_epoch_ == int(np.argmin(watched)) + 1 == model.n_iter_ - 2 < 28
    assert [one["epoch"] for one in model.history_] == list(range(1, model.n_iter_ + 1))
    assert f"epoch {model.n_iter_} of 30: train loss" in caplog.text
    again = built("keras.mlp", **{**more, "epochs": model.best_epoch_}).fit(features[:1200], target[:1200])
    np.testing.assert_array_equal(model.predict_proba(features), again.predict_proba(features))


@pytest.mark.parametrize(
    ("loss", "schedule"), [("squared_error", "cosine"), ("absolute_error", "plateau"), ("huber", "constant")]
)
def test_numbers_are_learned(loss: str, schedule: str) -> None:
    features, target = diabetes()
    more = {"epochs": 12, "learning_rate": 0.01, "batch_size": 128, "gradient_clip": 5.0, "schedule": schedule}
    model = built("keras.mlp", "regression", loss=loss, **more).fit(features[:300], target[:300])
    assert 1 - np.var(target[300:] - model.predict(features[300:])) / np.var(target[300:]) > 0.3
    assert model.history_[-1]["train_rmse"] == pytest.approx(np.std(target[:300] - model.predict(features[:300])), rel=0.2)


def test_class_weights_count() -> None:
    chance = np.random.default_rng(0)
    features = chance.normal(size=(300, 2))
    target = np.where(features[:, 0] + chance.normal(size=300) > 1.5, "rare", "usual")
    more = {"epochs": 8, "hidden": [16], "learning_rate": 0.01}
    found = [
        np.mean(built("keras.mlp", class_weight=weight, **more).fit(features, target).predict(features) == "rare")
        for weight in (None, "balanced", {"rare": 20.0, "usual": 1.0})
    ]
    assert found[0] < found[1] < found[2]


@pytest.mark.parametrize("loss", ["log_loss", "huber"])
def test_a_teacher_counts_as_for_pytorch(loss: str, models: list[Any]) -> None:
    from mlspec.runtime.networks import keras_training, training

    chance = torch.Generator().manual_seed(1)
    given = torch.randn((5, 3 if loss == "log_loss" else 1), generator=chance)
    lessons = torch.softmax(torch.randn(given.shape, generator=chance), dim=1) if loss == "log_loss" else given + 2
    answers = torch.tensor([0, 1, 2, 1, 0])
    plan = training.Plan(1, 5, 0.1, "constant", 0.0, None, None, 0.0, "cpu", "off", 7, loss, temperature=2.0, labels=0.3)
    rows = training.Rows(given, answers if loss == "log_loss" else answers.float(), torch.ones(5), lessons)
    meant = training._Training(torch.nn.Linear(1, 1), rows, None, plan, None, {})._losses(given, rows)
    known = keras_training.Batches(rows, 5, plan, ordered=True)[0][1]
    torch.testing.assert_close(keras_training.Loss(plan).call(known, given), meant)


def test_a_student_learns_from_its_teacher() -> None:
    features, target = (one[:200] for one in digits())
    estimator = built("keras.mlp", **small("keras.mlp", epochs=3))
    estimator.set_params(distill={"temperature": 2.0, "labels": 0.0})
    estimator.lessons = np.eye(10)[(np.unique(target, return_inverse=True)[1] + 1) % 10]
    plain = built("keras.mlp", **small("keras.mlp", epochs=3)).fit(features, target)
    assert np.mean(estimator.fit(features, target).predict(features) == target) < np.mean(plain.predict(features) == target)


def test_short_numbers_are_used_where_they_are_asked_for(models: list[Any]) -> None:
    features, target = (one[:80] for one in digits())
    estimator = built("keras.cnn", **small("keras.cnn")).set_params(mixed_precision="on").fit(features, target)
    policies = {type(layer).__name__: layer.compute_dtype for layer in models[0].layers}
    assert policies["Conv2D"] == "bfloat16"
    assert policies["Affine"] == policies["Dense"] == "float32"
    assert estimator.layers_[2]["kernel"].dtype == np.float32


# -- what is told


def test_training_that_diverges_is_told() -> None:
    features, target = (one[:100] for one in digits())
    family = families.load({"kind": "keras.mlp", "params": {"learning_rate": 1e30, "epochs": 3}}, "classification")
    with pytest.raises(Problem, match="has diverged in epoch"):
        fitting._fit(family, family.estimator("classification", 7), features, target)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is such a device")
def test_a_device_that_is_not_there_is_told() -> None:
    features, target = (one[:50] for one in digits())
    with pytest.raises(Problem, match="finds no such device"):
        built("keras.mlp", device="cuda").fit(features, target)


@pytest.mark.parametrize("there", [True, False])
def test_keras_on_something_else_is_told(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    if there:
        monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(backend=SimpleNamespace(backend=lambda: "jax")))
    else:
        monkeypatch.delitem(sys.modules, "keras", raising=False)
        monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(Problem, match="Keras runs on jax here") as caught:
        built("keras.mlp")
    assert caught.value.faults[0].route == ("model", "kind")  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["keras", "torch"])
def test_a_library_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if name == "keras":
        monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Problem, match=rf"the kind keras\.mlp needs the library {name}") as caught:
        built("keras.mlp")
    assert f"mlspec[{name}]" in caught.value.faults[0].help  # type: ignore[union-attr]


def test_a_package_needs_pytorch_and_for_a_model_of_the_users_keras() -> None:
    def brought(model: dict[str, Any]) -> list[str]:
        return list(package._brought({"model": model, "task": {"kind": "classification"}}))

    assert brought({"kind": "keras.mlp"}) == ["torch"]
    assert brought({"kind": "keras.custom", "entrypoint": "own:build"}) == ["torch", "keras"]


# -- in a pipeline, and on devices


@pytest.mark.parametrize("task", [CLASSIFY, REGRESS], ids=lambda one: one["kind"])
def test_it_learns_from_a_table_and_is_packaged(tmp_path: Path, task: dict[str, Any]) -> None:
    given = params(task, model="keras.mlp")
    given["model"]["params"] = {"epochs": 12, "learning_rate": 0.01, "hidden": [32]}
    given["training"] = {"early_stopping": {"patience": 5, "min_delta": 0.0}}
    frame = table(400)
    model, facts = trained(tmp_path, given, frame.head(300))
    assert facts["family"] == "keras.mlp"
    assert facts["iterations"] <= 12
    assert model.named_steps["model"].settings["early_stopping_rounds"] == 5
    answers = predictor.load(packaged(tmp_path, given)).predict(frame.tail(100))
    if task is CLASSIFY:
        assert np.mean(answers["predicted"].to_numpy() == frame.tail(100)["churn"].to_numpy()) > 0.7
    else:
        truth = frame.tail(100)["spend"].to_numpy()
        assert 1 - np.var(truth - answers["predicted"].to_numpy()) / np.var(truth) > 0.3


def test_it_unpickles_and_answers_without_keras_but_for_a_model_of_the_users(tmp_path: Path, own: Path) -> None:
    features, target = (one[:100] for one in digits())
    made = built("keras.mlp", **small("keras.mlp")), custom(fit={"epochs": 1}).estimator("classification", 7)
    pickled.write(tmp_path / "models.joblib", [one.fit(features, target) for one in made])
    np.save(tmp_path / "rows.npy", features[:5])
    code = (
        "import sys; sys.modules['keras'] = None; import json, numpy as np\n"
        "from mlspec.runtime import pickled\n"
        "models, rows = pickled.read(sys.argv[1] + '/models.joblib'), np.load(sys.argv[1] + '/rows.npy')\n"
        "first = models[0].predict_proba(rows).tolist(); del sys.modules['keras']\n"
        "print(json.dumps([first, models[1].predict_proba(rows).tolist()]))"
    )
    variables = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(own)])
    ended = subprocess.run([sys.executable, "-c", code, tmp_path], env=variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == [one.predict_proba(features[:5]).tolist() for one in made]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("keras.cnn", {"params": {"shape": [8, 8, 1], "epochs": 4, "learning_rate": 0.01}}),
        ("keras.rnn", {"params": {"shape": [8, 8], "units": 16, "epochs": 4, "learning_rate": 0.01}}),
        (
            "keras.custom",
            {"entrypoint": "docs.edge_matrix:own_model", "shape": [8, 8], "fit": {"epochs": 4, "learning_rate": 0.01}},
        ),
    ],
)
def test_it_is_exported_and_says_the_same(kind: str, more: dict[str, Any], tmp_path: Path) -> None:
    one = edge_matrix.prepared(edge_matrix.Case("digits", {"kind": kind, **more}))
    for quantize, difference, agreement in (("none", 1e-5, 1.0), ("int8", 1.0, 0.97)):
        (tmp_path / quantize).mkdir()
        told = edge_matrix.written(one, "tflite", quantize, tmp_path / quantize).figures
        assert told["max_difference"] <= difference, quantize
        assert told["agreement"] >= agreement, quantize


SPEC: dict[str, Any] = {
    "mlspec": 1,
    "project": {"name": "x"},
    "task": {"kind": "classification", "target": "y"},
    "data": {"sources": {"s": {"kind": "csv", "path": "s.csv"}}},
    "training": {"early_stopping": {"patience": 3}, "checkpoint": {"every": "5 min"}, "mixed_precision": "on"},
}


def test_sections_that_networks_go_by_are_not_put_off_and_pruning_is() -> None:
    compress = {"prune": {}, "distill": {"teacher": {"kind": "sklearn.random_forest"}}}
    project, faults = validate({**SPEC, "model": {"kind": "keras.mlp"}, "compress": compress})
    assert project is not None, faults
    assert [one.route for one in unrealised(project)] == [("compress", "prune")]


@pytest.mark.parametrize(
    ("kind", "extras"), [("keras.rnn", ("edge", "keras")), ("torch.rnn", ("edge", "torch")), ("sklearn.mlp", ("edge",))]
)
def test_a_pipeline_needs_the_lock_of_what_trains_it(kind: str, extras: tuple[str, ...]) -> None:
    project, faults = validate({**SPEC, "model": {"kind": kind}, "exports": [{"kind": "onnx"}]})
    assert project is not None, faults
    assert ops.extras(lower(project, project.model_dump(mode="json"))) == extras


@pytest.mark.parametrize(
    ("model", "training", "rows", "name"),
    [
        ({"params": {"learning_rate": 0.5}}, {}, 50_000, "learning-rate-too-high"),
        ({}, {}, 900, "network-on-few-rows"),
        ({"params": {"epochs": 5}}, {"early_stopping": {"patience": 9}}, 50_000, "patience-beyond-the-end"),
        ({}, {}, 50_000, "opaque-model-for-explained-decisions"),
    ],
)
def test_rules_know_the_networks(model: dict[str, Any], training: dict[str, Any], rows: int, name: str, tmp_path: Path) -> None:
    spec = {**SPEC, "requirements": {"interpretability": "required"}, "model": {"kind": "keras.mlp", **model}}
    spec["data"] = {**SPEC["data"], "volume": {"rows": rows}}
    (tmp_path / "spec.yaml").write_text(json.dumps({**spec, "training": training}))
    assert name in {one.finding.code for one in lint.check(tmp_path / "spec.yaml").diagnostics}


# -- a model of the user's

OWN = """
import keras


def build(task, inputs, outputs, *, units=16, rate=0.2):
    layers = keras.layers
    return keras.Sequential([layers.Dense(units), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(rate), layers.Dense(outputs)])


def image(task, inputs, outputs):
    x = start = keras.Input(inputs)
    x = keras.layers.Conv2D(4, 3, activation="relu")(x)
    return keras.Model(start, keras.layers.Dense(outputs)(keras.layers.Flatten()(x)))


def separable(task, inputs, outputs):
    layers, start = keras.layers, keras.Input(inputs)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(start)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.add([layers.SeparableConv2D(8, 3, padding="same", activation="silu")(x), layers.Conv2D(8, 1, strides=2)(start)])
    return keras.Model(start, layers.Dense(outputs)(layers.GlobalAveragePooling2D()(layers.AveragePooling2D(2)(x))))


def windows(task, inputs, outputs):
    layers = keras.layers
    wide = layers.Conv1D(8, 3, activation="elu")
    return keras.Sequential([keras.Input(inputs), wide, layers.MaxPooling1D(2), layers.Bidirectional(layers.LSTM(6)), layers.Dense(outputs)])


def attention(task, inputs, outputs):
    layers, start = keras.layers, keras.Input(inputs)
    x = layers.Dense(16)(start)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 8)(x, x))
    return keras.Model(start, layers.Dense(outputs)(layers.GlobalMaxPooling1D()(layers.GRU(8, return_sequences=True)(x))))


def wrong_shape(task, inputs, outputs):
    return keras.Sequential([keras.layers.Dense(outputs + 1)])


def no_model(task, inputs, outputs):
    return keras.layers.Dense(outputs)


class Broken(keras.Model):
    def call(self, x):
        raise ValueError("no rows today")


def breaks(task, inputs, outputs):
    return Broken()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_keras_for_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def custom(name: str = "build", task: str = "classification", **more: Any) -> Any:
    return families.load({"kind": "keras.custom", "entrypoint": f"own_keras_for_test:{name}", **more}, task)


@pytest.mark.usefixtures("own")
def test_a_model_of_the_users_is_trained(tmp_path: Path) -> None:
    features, target = digits()
    family = custom(params={"units": 64}, fit={"epochs": 6, "learning_rate": 0.01})
    model = family.estimator("classification", 7).fit(features[:1200], target[:1200])
    assert np.mean(model.predict(features[1200:]) == target[1200:]) > 0.85
    assert model.weights_["2/gamma"].shape == (64,)
    pickled.write(tmp_path / "model.joblib", model)
    np.testing.assert_array_equal(
        pickled.read(tmp_path / "model.joblib").predict_proba(features[:9]), model.predict_proba(features[:9])
    )
    numbers, answers = diabetes()
    numbers = numbers / numbers.std(axis=0)
    model = custom(task="regression", fit={"epochs": 10, "learning_rate": 0.01}).estimator("regression", 7).fit(numbers, answers)
    assert 1 - np.var(answers - model.predict(numbers)) / np.var(answers) > 0.3
    shaped = custom("image", shape=[8, 8, 1], fit={"epochs": 1})
    assert shaped.needs().places
    assert shaped.estimator("classification", 7).fit(features[:99], target[:99]).predict(features[:3]).shape == (3,)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "more", "said", "route"),
    [*WRONG, ("no_model", {}, r"gave Dense, which is no keras\.Model", ("model", "entrypoint"))],
)
def test_what_is_wrong_with_a_model_of_the_users_is_said(name: str, more: dict[str, Any], said: str, route: Any) -> None:
    is_said(custom, digits(), name, more, said, route)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "shape"),
    [("build", None), ("image", [8, 8, 1]), ("separable", [8, 8, 1]), ("windows", [8, 8]), ("attention", [8, 8])],
)
def test_a_model_of_the_users_is_its_program(name: str, shape: Any) -> None:
    features, target = (one[:80] for one in digits())
    estimator = custom(name, fit={"epochs": 1}, **({"shape": shape} if shape else {})).estimator("classification", 7)
    said = estimator.fit(features, target).predict_proba(features)
    program = tensor.Program(features.shape[1])
    columns: Any = SimpleNamespace(program=program, features=program.input)
    program.output = handler(estimator)(columns, estimator)
    np.testing.assert_allclose(tensor.run(program, features), said, atol=1e-5)


@pytest.mark.usefixtures("own")
def test_a_function_that_builds_another_model_now_is_told() -> None:
    features, target = (one[:50] for one in digits())
    model = custom(fit={"epochs": 1}).estimator("classification", 7).fit(features, target)
    model.arguments = {"units": 8}
    with pytest.raises(Problem, match="is not the one that was trained") as caught:
        model.predict(features)
    assert caught.value.faults[0].route == ("model", "entrypoint")  # type: ignore[union-attr]


# -- equal bytes

MORE = {"epochs": 2, "dropout": 0.2, "early_stopping_rounds": 2}
MODELS: list[dict[str, Any]] = [
    *({"kind": kind, "params": {**SMALL[twin(kind)], **MORE}} for kind in KINDS),
    {"kind": "keras.custom", "entrypoint": "own_keras_for_test:build", "fit": {"epochs": 2}},
]


def test_another_process_gives_the_same_bytes(tmp_path: Path, own: Path) -> None:
    features, target = digits()
    features, target = features[:400], np.array([one.removeprefix("digit ") for one in target[:400]])
    made = []
    for model in MODELS:
        family = families.load(model, "classification")
        made.append(fitting.fit(family, TASK, 7, PLAIN, features, target, {}).named_steps["model"])
        made[-1].predict(features)  # leaves nothing in what is kept
    pickled.write(tmp_path / "here", made)
    variables = {
        **os.environ,
        "HOME": str(tmp_path / "home"),
        "OMP_NUM_THREADS": "3",
        "PYTHONHASHSEED": "2",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(own)]),
    }
    variables.pop("KERAS_BACKEND", None)
    (tmp_path / "home").mkdir()
    command = [sys.executable, "-c", FIT, json.dumps({"models": MODELS, "params": {}}), tmp_path / "there"]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    assert (tmp_path / "there").read_bytes() == (tmp_path / "here").read_bytes()
    assert not (tmp_path / "home" / ".keras").exists()


def test_chance_and_settings_of_the_process_are_left_alone(models: list[Any]) -> None:
    import keras

    def state() -> list[Any]:
        return [
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
            keras.config.dtype_policy().name,
        ]  # type: ignore[index]

    features, target = (one[:80] for one in digits())
    before = state()
    model = built("keras.mlp", **small("keras.mlp"), dropout=0.5).set_params(mixed_precision="on").fit(features, target)
    assert state() == before
    assert not torch.are_deterministic_algorithms_enabled()
    np.testing.assert_array_equal(clone(model).fit(features, target).predict_proba(features), model.predict_proba(features))


class Broke(Exception):
    pass


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    "model",
    [
        {
            "kind": "keras.mlp",
            "params": {
                "hidden": [8],
                "epochs": 7,
                "dropout": 0.3,
                "norm": "batch",
                "schedule": "plateau",
                "learning_rate": 0.05,
                "early_stopping_rounds": 5,
            },
        },
        {"kind": "keras.custom", "entrypoint": "own_keras_for_test:build", "fit": {"epochs": 5, "schedule": "cosine"}},
    ],
    ids=["mlp", "custom"],
)
def test_a_training_goes_on_where_it_was(
    tmp_path: Path, model: dict[str, Any], models: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from mlspec.runtime.networks.keras_training import Watch

    features, target = (one[:120] for one in digits())
    family = families.load(model, "classification")
    states = {"checkpoint": {"every": 0.0, "keep": 2, "resume": True}}
    given = {"training": states, "checkpoints": str(tmp_path / "states"), "task": TASK, "seed": 7}

    def fit() -> Any:
        return fitting.fit(family, TASK, 7, PLAIN, features, target, given).named_steps["model"]

    pickled.write(tmp_path / "whole", fit())
    begin = Watch.on_epoch_begin

    def breaks(self: Any, epoch: int, logs: Any = None) -> None:
        if epoch == 4:
            raise Broke
        begin(self, epoch, logs)

    monkeypatch.setattr(Watch, "on_epoch_begin", breaks)
    with pytest.raises((Broke, Problem)):
        fit()
    assert [one.stem for one in sorted(tmp_path.glob("states/*/*.state"))] == [f"{2 * epochs:012d}" for epochs in (3, 4)]
    monkeypatch.setattr(Watch, "on_epoch_begin", begin)
    caplog.set_level("INFO")
    pickled.write(tmp_path / "resumed", fit())
    assert "training goes on in epoch 5 of" in caplog.text
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()
    assert not list((tmp_path / "states").glob("*/*"))
