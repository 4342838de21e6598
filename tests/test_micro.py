"""TensorFlow Lite Micro: the operators that it has, models that are written for it, and the verdict on them."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspec.runtime.edge import micro, verdicts
from mlspec.tensor.micro import PARTS, within
from mlspec.tensor.program import Program, Value, run
from tests import test_lowering as lowering

needs_kernels = pytest.mark.skipif(
    find_spec("tflite_micro") is None, reason="its kernels are not here: pip install 'mlspec[micro]'"
)
Build = Callable[[Program, Value], Value]
TABLE = np.arange(40)[::-1]


def program_of(width: int, build: Build) -> Program:
    program = Program(width)
    program.output = build(program, program.input)
    return program


def whole(p: Program, x: Value) -> Value:
    return p.add("cast", p.add("abs", x), type="int32")


REWRITTEN: dict[str, Build] = {
    "many side by side": lambda p, x: p.concat([p.columns(x, [place % 6]) for place in range(123)]),
    "a table of whole numbers": lambda p, x: p.number(p.add("lookup", p.constant(TABLE, "int32"), whole(p, x))),
    "columns of whole numbers": lambda p, x: p.number(p.columns(whole(p, x), [5, 0, 0, 3])),
    "whole numbers picked": lambda p, x: p.number(p.add("pick", whole(p, x), whole(p, x))),
    "whole numbers chosen": lambda p, x: p.number(
        p.add("where", p.missing(x), p.constant(TABLE[None, :6], "int32"), whole(p, x))
    ),
}


def rows_for(width: int) -> Any:
    return np.random.default_rng(1).uniform(0, 5, size=(20, width)).astype(np.float32)


@pytest.mark.parametrize("name", REWRITTEN)
def test_it_means_the_same(name: str) -> None:
    program = program_of(6, REWRITTEN[name])
    made, rows = within(program), rows_for(6)
    assert (run(made, rows) == run(program, rows)).all()
    for node in made.nodes:
        assert node.operation != "concat" or len(node.takes) <= PARTS
        assert node.operation not in ("lookup", "pick", "columns", "where") or node.gives.type == "float32"
        assert node.operation != "cast" or node.takes[0].index not in made.constants


def test_numbers_that_float32_does_not_hold_stay_whole() -> None:
    program = program_of(6, lambda p, x: p.number(p.add("lookup", p.constant([2**24 + 1] * 6, "int32"), whole(p, x))))
    assert [node.operation for node in within(program).nodes] == [node.operation for node in program.nodes]


SAID = [
    # what the kernels say on standard error, the reason that is given
    ("Didn't find op for builtin opcode 'GELU'\nFailed to get registration from op code GELU\n \n", "it has no GELU"),
    (
        "tensorflow/lite/micro/kernels/conv_common.cc Hybrid models are not supported on TFLite Micro.\nNode CONV_2D failed\n",
        "conv_common: Hybrid models are not supported on TFLite Micro.",
    ),
    (
        "tensorflow/lite/micro/kernels/concatenation.cc:156 num_inputs <= kMaxInputNum was not true.\n",
        "concatenation: num_inputs <= kMaxInputNum was not true.",
    ),
    ("Traceback (most recent call last):\n  File\nRuntimeError: it broke\n", "RuntimeError: it broke"),
    ("", "the process ended with -11"),
]


@pytest.mark.parametrize(("said", "reason"), SAID)
def test_why_it_is_refused(said: str, reason: str) -> None:
    assert micro.reason(-11, said) == reason


RAN = {"rows": 16, "arena": {"bytes": 9000, "tensors": 4000}, "max_difference": 0.0, "max_steps": None}
FOUND: list[tuple[str, dict[str, Any] | None, list[str], str]] = [
    # how numbers are shortened, what was found, the verdicts, what the first reason that is given says
    ("int8", None, [], ""),
    ("int8", {"unproven": "it is not installed"}, ["unproven"], "it is not installed"),
    ("int8", {"refused": "it has no GELU"}, ["fail"], "its kernels do not take the model (it has no GELU)"),
    ("dynamic", {"refused": "Hybrid"}, ["fail"], "computes in float32 or int8 or int16x8, not in int8 weights and float"),
    ("float16", {"refused": "was not true"}, ["fail"], "computes in float32 or int8 or int16x8, not in float16"),
    ("none", RAN, ["pass", "pass"], ""),
    ("none", {**RAN, "max_difference": 2e-4}, ["pass", "fail"], ""),
    ("none", {**RAN, "max_difference": None}, ["pass", "fail"], ""),
    ("int8", {**RAN, "max_difference": 0.03, "max_steps": 8}, ["pass", "pass"], "8 of the steps of its whole numbers"),
    ("int8", {**RAN, "max_difference": 0.2, "max_steps": 51}, ["pass", "fail"], "51 of the steps of its whole numbers"),
    ("weights", {**RAN, "max_difference": 0.01}, ["pass", "fail"], ""),
]


@pytest.mark.parametrize(("quantize", "found", "words", "reason"), FOUND)
def test_the_verdict(quantize: str, found: dict[str, Any] | None, words: list[str], reason: str) -> None:
    proof = {"format": "tflite", "quantize": quantize, **({} if found is None else {"micro": found})}
    entries = list(verdicts.of_micro(proof, ["exports", 0]))
    assert [one["verdict"] for one in entries] == words
    assert all(one["route"] == ["exports", 0, "device"] for one in entries)
    assert reason in next((one["reason"] for one in entries if one["reason"]), "")


@pytest.mark.parametrize(("memory", "word"), [(9000, "pass"), (8999, "unproven"), (3999, "fail")])
def test_an_arena_is_an_upper_bound(memory: int, word: str) -> None:
    [entry] = verdicts.of_arena({"micro": RAN}, memory, ["hardware", "edge", "memory"])
    assert entry["verdict"] == word
    assert list(verdicts.of_arena({"micro": {"unproven": "no"}}, memory, [])) == []


@pytest.mark.parametrize(
    ("device", "micros"), [("cortex_m4", True), ("STM32F7", True), ("rp2040", True), ("raspberry_pi_4", False), (None, False)]
)
def test_which_devices_run_it(device: str | None, micros: bool) -> None:
    from mlspec.exports.tflite import Tflite

    assert Tflite(device=device).on_micro is micros


# by its kernels


def by_kernels(data: bytes, rows: Any) -> Any:
    from tflite_micro.python.tflite_micro import runtime

    interpreter, found = runtime.Interpreter.from_bytes(data, arena_size=2**22), []
    for row in rows:
        interpreter.set_input(row[None], 0)
        interpreter.invoke()
        found.append(interpreter.get_output(0)[0])
    return np.array(found)


@needs_kernels
@pytest.mark.slow
def test_each_operation_that_is_written_has_a_kernel() -> None:
    from mlspec.tensor import tflite
    from tests import test_tensor_networks as networks

    written, refused = set(), {}
    images = {name: (int(np.prod(shape)), _shaped(shape, build)) for name, (shape, build) in networks.OPERATIONS.items()}
    for name, (width, build) in {**images, **{name: (6, build) for name, build in {**PLAIN, **REWRITTEN}.items()}}.items():
        program, rows = within(program_of(width, build)), rows_for(width)
        written |= {node.operation for node in program.needed}
        try:
            found = by_kernels(tflite.written(program, "main", {}, "input", "output"), rows)
        except RuntimeError as error:
            refused[name] = str(error)
        else:
            np.testing.assert_allclose(found, run(program, rows), rtol=1e-5, atol=1e-4, err_msg=name)
    assert refused == {}
    assert set(tflite.BUILTINS) - written == set()


def _shaped(shape: tuple[int, ...], build: Build) -> Build:
    """An operation on rows of a shape; what it gives is made flat again, as a model's answers are."""

    def flat(p: Program, x: Value) -> Value:
        found = build(p, p.reshape(x, *shape))
        return p.reshape(found, int(np.prod(found.shape[1:])))

    return flat


def _compared(p: Program, x: Value, one: str) -> Value:
    return p.number(p.add(one, x, p.row(np.arange(6))))


PLAIN: dict[str, Build] = {
    "functions": lambda p, x: _each(p, x, "exp", "tanh", "sigmoid", "sqrt", "rsqrt", "abs", "relu", "relu6", "hard_swish", "softmax"),
    "logarithm": lambda p, x: p.add("log", p.add("add", x, p.row([1.0]))),
    "arithmetic": lambda p, x: p.add("max", p.add("min", p.add("div", p.add("mul", x, x), p.row([3.0])), x), p.add("sub", x, p.row([2.0]))),
    "comparisons": lambda p, x: p.concat([_compared(p, x, one) for one in ("equal", "less", "less_equal", "greater", "greater_equal")]),
    "truth": lambda p, x: p.number(p.add("and", p.add("not", p.missing(x)), p.add("less", x, p.row([2.0])))),
    "missing": lambda p, x: p.add("where", p.add("less", x, p.row([2.0])), p.row([2.0]), x),
    "a sum": lambda p, x: p.concat([p.add("sum", x), p.columns(x, [1, 4])]),
    "a table": lambda p, x: p.add("sum", p.add("lookup", p.constant(np.arange(24.0).reshape(6, 4)), whole(p, x))),
    "picked": lambda p, x: p.add("pick", x, whole(p, x)),
}  # fmt: skip


def _each(p: Program, x: Value, *names: str) -> Value:
    return p.concat([p.add(one, x) for one in names])


QUANTIZED = [
    # the way to shorten a network, whether it runs there, the largest difference from LiteRT
    ({"quantize": "none"}, True, 1e-5),
    ({"quantize": "int8"}, True, 0.1),
    ({"quantize": "int8", "io": "integer"}, True, 0.1),
    ({"quantize": "int16x8", "io": "integer"}, True, 1e-3),
    ({"quantize": "weights"}, True, 1e-5),
    ({"quantize": "dynamic"}, False, None),
    ({"quantize": "float16"}, False, None),
]


@needs_kernels
@pytest.mark.slow
@pytest.mark.parametrize(("fields", "runs", "most"), QUANTIZED, ids=["-".join(fields.values()) for fields, _, _ in QUANTIZED])
def test_a_network_in_fewer_bits(fields: dict[str, Any], runs: bool, most: float | None, tmp_path: Path) -> None:
    from tests import test_tensor_networks as networks

    program, train, test = networks.digits()
    networks.exported(program, tmp_path, train[:300], device="cortex_m7", **fields)
    found = micro.tried(tmp_path, test[:20], networks.ran(tmp_path, test[:20]))
    assert ("refused" not in found) is runs
    if most is not None:
        assert found["max_difference"] <= most
        assert (found["max_steps"] is not None) is (fields.get("io") == "integer")
        assert 0 < found["arena"]["tensors"] < found["arena"]["bytes"] < 100_000


TINY = {
    # MLPerf Tiny's networks -> bytes of arena, as measured for the same architectures written by TensorFlow; there each output of
    # the autoencoder's dense layers has a scale of its own, which takes 13,300 more
    "resnet_8": 55_900,
    "ds_cnn": 24_200,
    "mobilenet": 103_500,
    "autoencoder": 17_300 - 13_300,
}


def by_reference(place: Path, rows: Any) -> Any:
    """What LiteRT's reference kernels answer: those of TensorFlow Lite Micro were made from them."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from mlspec.runtime.edge.device import runner

    how = OpResolverType.BUILTIN_REF
    interpreter = Interpreter(str(place / "model.tflite"), num_threads=1, experimental_op_resolver_type=how)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    found = []
    for row in runner.whole(rows, taken):
        interpreter.set_tensor(taken["index"], row[None])
        interpreter.invoke()
        found.append(interpreter.get_tensor(given["index"])[0].copy())
    return runner.real(np.array(found), given)


@needs_kernels
@pytest.mark.slow
@pytest.mark.parametrize("network", TINY)
def test_networks_of_mlperf_tiny(network: str, tmp_path: Path) -> None:
    from tests import test_tensor_networks as networks

    program = getattr(networks, network)()
    rows = networks.rows_of(program, 8)
    networks.exported(program, tmp_path, rows, quantize="int8", io="integer", device="cortex_m4")
    found = micro.tried(tmp_path, rows, by_reference(tmp_path, rows))
    assert found["max_steps"] <= 2
    assert found["arena"]["bytes"] == pytest.approx(TINY[network], rel=0.05)


MODELS = [
    # trees number their nodes; encoders by tables, and ensembles of many columns, put more than ten values side by side
    *((family, "scaled") for family in lowering.FAMILIES),
    ("hist gradient boosting", "as they are"),
    ("hist gradient boosting", "target means"),
    ("logistic regression", "ordinal"),
    ("logistic regression", "ranges"),
]


@needs_kernels
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("family", "features"), MODELS)
def test_each_family_runs_there(family: str, features: str, tmp_path: Path) -> None:
    from mlspec.exports.tflite import Tflite
    from mlspec.lowering import lowered
    from mlspec.runtime.edge.device import runner
    from mlspec.runtime.edge.metadata import device_rows

    transforms = [{"kind": "drop", "columns": ["since"]}, *lowering.FEATURES[features]]
    model, rows = lowering.fitted(lowering.FAMILIES[family], transforms, "Churn", 400)
    made = lowered(model)
    fed = runner.feed(device_rows(model, made, rows[:30]), lowering.about(made, model))
    Tflite(device="cortex_m4").write(made.program, tmp_path, "{}", fed)
    found = by_kernels((tmp_path / "model.tflite").read_bytes(), fed)
    np.testing.assert_allclose(found, runner.litert(tmp_path, 1, "f32")(fed), atol=1e-5)


@pytest.mark.slow
def test_an_export_for_a_microcontroller_says_whether_it_runs_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole op: proven where the kernels are here, unproven where they are not, and the same each time."""
    from tests.runtime.test_export import exported
    from tests.runtime.training_data import packaged, params

    packaged(tmp_path, params() | {"model": {"kind": "sklearn.random_forest", "params": {"n_estimators": 10}}})
    export = {"kind": "tflite", "device": "nucleo_l4r5zi"}
    found, _ = exported(tmp_path, tmp_path / "one", export)
    word = {one["name"]: one["verdict"] for one in found["requirements"]}["runs on TensorFlow Lite Micro"]
    if find_spec("tflite_micro") is None:
        assert word == "unproven"
        assert re.search(r"not installed.*mlspec\[micro\]", found["micro"]["unproven"])
    else:
        assert word == "pass"
        assert found["micro"]["max_difference"] <= 1e-6
    monkeypatch.setenv("PYTHONSAFEPATH", "1")  # as Kubeflow's runner sets it
    again, _ = exported(tmp_path, tmp_path / "two", export)
    assert again == found
    elsewhere, _ = exported(tmp_path, tmp_path / "three", {**export, "device": "raspberry_pi_4"})
    assert "micro" not in elsewhere


def test_the_kernels_count_for_cache_keys() -> None:
    """Who installs them later is told what they say, and not what was there before."""
    from mlspec.runtime import export

    def told(device: str | None) -> dict[str, Any]:
        return export.external({"export": {"kind": "tflite", "device": device}, "limits": {"max_drop": None}}, None)

    assert set(told("cortex_m4")) - set(told(None)) == {"tflite-micro"}
    assert (told("cortex_m4")["tflite-micro"] == "absent") is (find_spec("tflite_micro") is None)
