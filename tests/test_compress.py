"""Networks made smaller: whole units that go, weights that become zero, and what a small model learns from a large one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from mlspec import families, kinds, runtime
from mlspec.lower import lower
from mlspec.runtime import pickled
from mlspec.spec.project import unrealised, validate
from mlspec.tensor.program import Program, run
from tests.runtime.training_data import CLASSIFY, REGRESS, featurized, params, table

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")

from mlspec.lowering import networks as lowering  # noqa: E402
from mlspec.runtime.networks import layers as network_layers  # noqa: E402
from mlspec.runtime.networks import pruning, training  # noqa: E402
from mlspec.runtime.networks.estimators import made_of_layers  # noqa: E402

PRUNE = {"sparsity": 0.5, "structured": True, "epochs": 4}
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("torch.mlp", {"hidden": [16, 8]}),
    ("torch.mlp", {"hidden": [16, 8], "norm": "batch", "dropout": 0.1}),
    ("torch.mlp", {"hidden": [8], "norm": "layer"}),
    ("torch.mlp", {"hidden": []}),
    ("torch.cnn", {"channels": [4, 6], "norm": "none"}),
    ("torch.cnn", {"channels": [8, 12], "convolutions": 2, "separable": True, "hidden": [16]}),
    ("torch.cnn", {"channels": [6], "head": "mean", "hidden": [5], "pool": "average"}),
]


def digits() -> tuple[Any, Any]:
    features, target = load_digits(return_X_y=True)
    return features / 16, np.array([f"digit {one}" for one in target])


def built(kind: str, task: str = "classification", **more: Any) -> Any:
    return families.load({"kind": kind, "params": {"device": "cpu", **more}}, task).estimator(task, 7)


def shapes(layers: list[dict[str, Any]]) -> list[tuple[int, ...]]:
    return [layer[name].shape for layer in layers for name in ("weights", "kernel") if name in layer]


@pytest.mark.parametrize(("kind", "more"), BODIES)
def test_units_that_give_nothing_leave_no_gap(kind: str, more: dict[str, Any]) -> None:
    """Half of each layer's units are made to give 0; those are the ones that go, and the network answers as before."""
    rows = torch.from_numpy(digits()[0][:50].astype(np.float32))
    family = families.load({"kind": kind, "params": {**more, "dropout": 0.0}}, "classification")
    start = [{"kind": "reshape", "shape": [8, 8, 1]}] if kind == "torch.cnn" else []
    network = made_of_layers([*start, *family.body()], 10, 3, rows)  # type: ignore[attr-defined]
    network.eval()
    hidden = [layer for layer in network.layers if layer["kind"] in ("dense", "conv2d")][:-1]
    with torch.no_grad():
        for layer in hidden:
            gone = torch.arange(len(layer["bias"])) % 2 == 0
            layer[pruning.WEIGHTS[layer["kind"]]][gone] = 0
            if more.get("norm") == "layer":  # what is 0 moves the mean of the others: no such unit can go without a trace
                layer[pruning.WEIGHTS[layer["kind"]]][:] = layer[pruning.WEIGHTS[layer["kind"]]][1]
    found = pruning.smaller(network, 0.5)
    before, after = (sum(one.numel() for one in each.parameters()) for each in (network, found.network))
    assert found.told(network) == {"weights_before": before, "weights_after": after, "zeros": 0}
    assert (after < before) == bool(hidden)
    if more.get("norm") != "layer":
        with torch.no_grad():
            assert torch.allclose(network(rows), found.network.eval()(rows), atol=1e-5)


@pytest.mark.parametrize(("kind", "more"), [BODIES[1], BODIES[5]])
def test_pruned_layers_are_smaller_and_the_program_is_the_model(kind: str, more: dict[str, Any]) -> None:
    features, target = digits()
    whole = built(kind, epochs=3, learning_rate=0.01, **more).fit(features, target)
    model = built(kind, epochs=3, learning_rate=0.01, **more).set_params(prune=PRUNE).fit(features, target)
    for (wide, *_), (narrow, *_) in zip(shapes(whole.layers_)[:-1], shapes(model.layers_)[:-1], strict=True):
        assert narrow in (wide // 2, wide, 1)  # a filter by channel has its channels on the last axis
    assert model.pruned_["weights_after"] < 0.6 * model.pruned_["weights_before"]
    assert model.n_iter_ == 7
    assert [one["epoch"] for one in model.history_] == list(range(1, 8))
    program = Program(64)
    program.output = lowering.lowered(program, program.input, model.layers_)
    np.testing.assert_allclose(run(program, features.astype(np.float32)), model.predict_proba(features), atol=1e-5)
    again = built(kind, epochs=3, learning_rate=0.01, **more).set_params(prune=PRUNE).fit(features, target)
    assert joblib.hash(again.layers_) == joblib.hash(model.layers_)
    assert np.mean(model.predict(features) == target) > 0.6


def test_pruned_weights_stay_zero() -> None:
    features, target = digits()
    asked = {"sparsity": 0.8, "structured": False, "epochs": 3}
    model = built("torch.mlp", hidden=[32], epochs=6, learning_rate=0.01).set_params(prune=asked).fit(features, target)
    assert shapes(model.layers_) == [(32, 64), (10, 32)]
    for layer in model.layers_[:-1]:
        if "weights" in layer:
            zeros = layer["weights"] == 0
            assert zeros.sum() >= round(0.8 * zeros.size)
            assert not np.signbit(layer["weights"][zeros]).any()
    assert model.pruned_["weights_after"] == model.pruned_["weights_before"]
    assert model.pruned_["zeros"] == round(0.8 * 32 * 64) + round(0.8 * 320)
    assert np.mean(model.predict(features) == target) > 0.8


@pytest.mark.slow
def test_what_pruning_saves_is_what_is_delivered(tmp_path: Path) -> None:
    """Half the units: about a quarter of the file. Most weights zero: the file is as large, and only its download shrinks."""
    pytest.importorskip("ai_edge_litert")
    from mlspec.runtime.edge import bundle

    features, target = digits()
    more: dict[str, Any] = {"hidden": [128, 128], "epochs": 4, "learning_rate": 0.01}
    found = {}
    for name, prune in (
        ("whole", None),
        ("units", {"sparsity": 0.5, "structured": True, "epochs": 2}),
        ("weights", {"sparsity": 0.8, "structured": False, "epochs": 2}),
    ):
        model = built("torch.mlp", **more).set_params(prune=prune).fit(features, target)
        program = Program(64)
        program.output = lowering.lowered(program, program.input, model.layers_)
        place = tmp_path / name
        place.mkdir()
        kinds.load("mlspec.exports", "tflite").model_validate({"kind": "tflite"}).write(program, place, "{}", features[:1])  # type: ignore[attr-defined]
        files = bundle.model_files(place)
        found[name] = sum(one.stat().st_size for one in files), bundle.download(files)
    assert found["units"][0] < 0.45 * found["whole"][0]
    assert found["weights"][0] == found["whole"][0]
    assert found["weights"][1] < 0.5 * found["whole"][1]


def plan(**more: Any) -> training.Plan:
    usual = {"epochs": 1, "batch_size": 8, "learning_rate": 0.1, "schedule": "constant", "weight_decay": 0.0}
    usual |= {"gradient_clip": None, "patience": None, "min_delta": 0.0, "device": "cpu", "mixed_precision": "off", "seed": 1}
    return training.Plan(**{**usual, "loss": "log_loss", **more})


def losses(given: Any, lessons: Any, answers: Any, **more: Any) -> Any:
    """The losses of rows, as training counts them."""
    network = network_layers.Network([{"kind": "dense", **network_layers._linear(2, 2, None, network_layers.Chance(1))}])
    rows = training.Rows(torch.zeros(len(given), 2), answers, torch.ones(len(given)), lessons)
    return training._Training(network, rows, None, plan(**more), None, {})._losses(given, rows)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_who_answers_like_the_teacher_has_no_loss(temperature: float) -> None:
    shares = torch.tensor([[0.7, 0.3], [0.05, 0.95]])
    told = losses(shares.log(), shares, torch.tensor([0, 0]), temperature=temperature, labels=0.0)
    assert told.abs().max() < 1e-6
    other = losses(shares.flip(1).log(), shares, torch.tensor([0, 0]), temperature=temperature, labels=0.0)
    assert other.min() > 0.01


def test_labels_are_mixed_in() -> None:
    shares, answers = torch.tensor([[0.7, 0.3]]), torch.tensor([1])
    given = torch.tensor([[0.2, 0.1]])
    parts = [float(losses(given, shares, answers, labels=one, temperature=2.0)) for one in (0.0, 0.5, 1.0)]
    assert parts[1] == pytest.approx((parts[0] + parts[2]) / 2)
    assert parts[2] == pytest.approx(float(losses(given, None, answers)))


def test_a_teacher_of_numbers() -> None:
    given, lessons = torch.tensor([[1.0], [2.0]]), torch.tensor([[1.5], [2.0]])
    told = losses(given, lessons, torch.tensor([9.0, 9.0]), labels=0.0, loss="squared_error")
    assert told.tolist() == [0.25, 0.0]


def taught(place: Path, teacher: str, task: dict[str, Any] = CLASSIFY, **distill: Any) -> tuple[Any, Any]:
    """Train a teacher and its student with the ops, as a run does."""
    place.mkdir(exist_ok=True)
    for name in ("teacher", "student"):
        (place / name).mkdir()
    given = params(task, teacher)
    featurized(place / "teacher", given)
    made = {name: place / "teacher" / name for name in ("features", "transformer")}
    runtime.run("train", inputs=made, outputs={"model": place / "teacher" / "model"}, params=given)
    given = params(task, "torch.mlp")
    given["model"]["params"] = {"hidden": [16], "epochs": 40, "learning_rate": 0.01, "device": "cpu"}
    featurized(place / "student", given)
    inputs = {name: place / "student" / name for name in ("features", "transformer", "train")}
    learning = {"training": {"distill": {"temperature": 1.0, "labels": 0.0, **distill}}}
    outputs = {"model": place / "student" / "model"}
    runtime.run("train", inputs={**inputs, "teacher": place / "teacher" / "model"}, outputs=outputs, params={**given, **learning})
    return pickled.read(place / "teacher" / "model"), pickled.read(outputs["model"])


TEACHERS = ["sklearn.random_forest", "sklearn.logistic_regression", "torch.mlp", "xgboost"]


@pytest.mark.parametrize("teacher", TEACHERS)
def test_a_student_answers_like_its_teacher(teacher: str, tmp_path: Path) -> None:
    if teacher == "xgboost":
        pytest.importorskip("xgboost")
    big, small = taught(tmp_path, teacher)
    rows = table()
    apart = np.abs(big.predict_proba(rows) - small.predict_proba(rows)).mean()
    assert apart < 0.15
    assert small.named_steps["model"].lessons is None  # no part of a pickle
    again = taught(tmp_path / "again", teacher)[1]
    assert joblib.hash(again.named_steps["model"].layers_) == joblib.hash(small.named_steps["model"].layers_)


def test_a_student_of_numbers(tmp_path: Path) -> None:
    big, small = taught(tmp_path, "sklearn.random_forest", REGRESS)
    rows = table()
    wanted, told = big.predict(rows), small.predict(rows)
    assert 1 - np.var(wanted - told) / np.var(wanted) > 0.7


@pytest.mark.slow
def test_a_teacher_alone_is_better_than_no_labels_at_all() -> None:
    """What the student learns comes from the teacher: of labels alone, which count nothing here, it would know nothing."""
    features, target = digits()
    seen, unseen, known, truth = train_test_split(features, target, random_state=3)
    teacher = built("torch.mlp", hidden=[64], epochs=20, learning_rate=0.01).fit(seen, known)
    student = built("torch.mlp", hidden=[16], epochs=20, learning_rate=0.01)
    student.set_params(distill={"temperature": 2.0, "labels": 0.0})
    student.lessons = teacher.predict_proba(seen)
    student.fit(seen, np.random.default_rng(0).permutation(known))  # labels of other rows
    assert np.mean(student.predict(unseen) == truth) > 0.9


SPEC: dict[str, Any] = {
    "mlspec": 1,
    "project": {"name": "digits"},
    "task": {"kind": "classification", "target": "target"},
    "data": {"sources": {"images": {"kind": "sklearn", "dataset": "digits"}}},
    "model": {"kind": "torch.mlp", "params": {"hidden": [16], "epochs": 3}},
    "training": {"cross_validation": None},
}
DISTILL = {"teacher": {"kind": "sklearn.random_forest", "params": {"n_estimators": 20}}}
TEACHING = ["evaluate_teacher", "featurize_teacher", "train_teacher"]


def steps(compress: dict[str, Any], **more: Any) -> dict[str, Any]:
    project, found = validate(json.loads(json.dumps({**SPEC, "compress": compress, **more})))
    assert project is not None, found
    return {step.id: step for step in lower(project, {}).steps}


def test_a_teacher_is_steps_of_its_own() -> None:
    found, plain = steps({"distill": DISTILL}), steps({})
    assert sorted(set(found) - set(plain)) == TEACHING
    train = found["train"]
    assert train.inputs["teacher"].step == "train_teacher"
    assert train.params["training"]["distill"] == {"temperature": 2.0, "labels": 0.5}
    assert found["train_teacher"].params["model"]["kind"] == "sklearn.random_forest"
    assert "distill" not in plain["train"].params["training"]


def test_every_training_prunes() -> None:
    found = steps({"prune": {"sparsity": "25 %"}}, training={"cross_validation": 3})
    for name in ("train", "cross_validate"):
        assert found[name].params["training"]["prune"] == {"sparsity": 0.25, "structured": True, "epochs": 10}


NOT_YET = [
    ("sklearn.logistic_regression", {"distill": DISTILL, "prune": {}}, ["compress.prune", "compress.distill"]),
    ("torch.rnn", {"distill": DISTILL, "prune": {}}, ["compress.prune"]),
    ("torch.cnn", {"distill": DISTILL, "prune": {}}, []),
    ("torch.mlp", {"search": {"trials": 3}}, ["compress.search"]),
]


@pytest.mark.parametrize(("kind", "compress", "told"), NOT_YET)
def test_what_no_family_does_is_told(kind: str, compress: dict[str, Any], told: list[str]) -> None:
    project, _ = validate({**SPEC, "compress": compress, "model": {"kind": kind}})
    assert project is not None
    assert [".".join(map(str, one.route)) for one in unrealised(project)] == told
    names = {step.id for step in lower(project, {}).steps}
    assert (set(TEACHING) <= names) == (kind != "sklearn.logistic_regression" and "distill" in compress)


WRONG = [
    ({"distill": {"teacher": {"kind": "sklearn.linear_regression"}}}, "compress.distill.teacher.kind"),
    ({"prune": {"sparsity": "100 %"}}, "compress.prune.sparsity"),
    ({"distill": {**DISTILL, "temperature": 0.0}}, "compress.distill.temperature"),
]


@pytest.mark.parametrize(("compress", "route"), WRONG)
def test_what_cannot_be_is_refused(compress: dict[str, Any], route: str) -> None:
    project, found = validate({**SPEC, "compress": compress})
    assert project is None
    assert route in [".".join(map(str, one.route)) for one in found]


@pytest.mark.slow
def test_a_run_of_a_student_that_is_pruned(tmp_path: Path) -> None:
    asked = {**SPEC, "compress": {"distill": DISTILL, "prune": {"epochs": 2}}, "exports": [{"kind": "c"}]}
    (tmp_path / "spec.yaml").write_text(json.dumps(asked))
    command = [sys.executable, "-m", "mlspec", "run", "spec.yaml", "--json"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert all(told["steps"][name]["state"] == "succeeded" for name in (*TEACHING, "train", "ship"))
    page = Path(tmp_path, told["shown"]["report.html"]).read_text()
    assert "Next to its teacher" in page
    [export] = json.loads(Path(tmp_path, told["shown"]["edge.json"]).read_text())["exports"]
    assert export["proof"]["pruned"]["weights_after"] < export["proof"]["pruned"]["weights_before"]
    assert export["warnings"][0].startswith("pruned by whole units: ")
    assert export["proof"]["download"] < export["proof"]["size"]
    assert "Size and latency" in Path(tmp_path, told["shown"]["edge.html"]).read_text()


@pytest.mark.parametrize("granularity", ["step", "stage", "single"])
def test_a_teacher_for_each_item_and_in_groups(granularity: str) -> None:
    from mlspec import fuse

    asked = {**SPEC, "compress": {"distill": DISTILL}, "for_each": {"column": "kind", "values": ["a", "b"]}}
    project, found = validate(json.loads(json.dumps(asked)))
    assert project is not None, found
    pipeline = lower(project, {})
    assert pipeline["train__b"].inputs["teacher"].step == "train_teacher__b"
    assert pipeline["train__b"].inputs["train"].step == "split__b"
    if granularity != "step":
        assert len(fuse.fused(pipeline, granularity).steps) < len(pipeline.steps)


def test_a_break_while_the_rest_is_trained_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlspec.runtime.checkpoints import States

    features, target = digits()
    more: dict[str, Any] = {"hidden": [16], "epochs": 3, "learning_rate": 0.01}
    whole = built("torch.mlp", **more).set_params(prune=PRUNE).fit(features, target)

    def broken(network: Any, share: float) -> Any:
        raise KeyboardInterrupt

    again = built("torch.mlp", **more).set_params(prune=PRUNE)
    again.states = States(tmp_path / "states", every=0.0, keep=2, resume=True)
    with monkeypatch.context() as patch:
        patch.setattr(pruning, "smaller", broken)
        with pytest.raises(KeyboardInterrupt):
            again.fit(features, target)
    assert list((tmp_path / "states").glob("*.state"))
    again.fit(features, target)
    assert joblib.hash(again.layers_) == joblib.hash(whole.layers_)
    assert again.history_ == whole.history_
