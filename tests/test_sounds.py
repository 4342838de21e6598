"""Spectra of sounds: their formulas, and the same numbers inside an exported graph, in float32 whatever is shortened."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import fft, signal

from mlspec import build, families
from mlspec.diagnostic import Problem
from mlspec.exports._export import load as export
from mlspec.lowering import Lowered, lowered
from mlspec.runtime import fitting
from mlspec.runtime.artifact import read_json
from mlspec.runtime.edge.device import runner
from mlspec.runtime.edge.metadata import told
from mlspec.runtime.featurizer import Featurizer
from mlspec.tensor import integers
from mlspec.tensor.program import run
from mlspec.transforms import Context, load
from mlspec.transforms._spectrum import Spectrum
from tests.runtime.test_export import exported

RATE, SAMPLES = 4000, 1000
TASK = {"kind": "classification", "target": "word"}
MFCC = {"kind": "mfcc", "rate": RATE, "frame_length": "32 ms", "hop_length": "20 ms", "mels": 12, "coefficients": 6}
RUNTIMES = {"tflite": runner.litert, "onnx": runner.onnx_runtime, "openvino": runner.open_vino}


def sounds(rows: int = 120, seed: int = 0) -> pl.DataFrame:
    """Chirps that rise, that fall, and that stay, in noise; as in recordings, the end may be silent."""
    draw = np.random.default_rng(seed)
    at, kinds = np.arange(SAMPLES) / RATE, np.arange(rows) % 3
    base = draw.uniform(300, 900, (rows, 1))
    sweep = np.array([0.0, 1500.0, -800.0])[kinds][:, None]
    heard = draw.uniform(0.1, 0.9, (rows, 1)) * np.sin(2 * np.pi * (base * at + sweep * at**2))
    heard = np.where(np.arange(SAMPLES) < draw.integers(600, 1000, (rows, 1)), heard + draw.normal(0, 0.003, heard.shape), 0)
    words = np.array(["same", "up", "down"])[kinds].tolist()
    return pl.DataFrame({"word": words, "audio": pl.Series(heard.astype(np.float32))})


def spectrum(**wanted: Any) -> tuple[Spectrum, np.ndarray[Any, Any]]:
    frame = sounds(8).select("audio")
    fitted, made = load({**MFCC, **wanted}).fit_transform(frame, np.zeros(8), Context("classification", 0))
    assert isinstance(fitted, Spectrum)
    np.testing.assert_array_equal(fitted.transform(frame)["audio"].to_numpy(), made["audio"].to_numpy())
    return fitted, made["audio"].to_numpy()


def test_a_mel_spectrogram_is_what_its_formulas_say() -> None:
    """Against SciPy's short-time Fourier transform, and filters written down once more, one by one."""
    mels = {"kind": "mel_spectrogram", **{key: value for key, value in MFCC.items() if key not in ("kind", "coefficients")}}
    frame = sounds(8).select("audio")
    _, found = load(mels).fit_transform(frame, np.zeros(8), Context("classification", 0))
    window = signal.get_window("hann", 128)
    transform = signal.ShortTimeFFT(window, 80, RATE, mfft=128)
    for row, logs in zip(frame["audio"].to_numpy().astype(float), found["audio"].to_numpy(), strict=True):
        # its slices are centred: the first that lies inside begins at sample 0
        power = np.abs(transform.stft(row, p0=1, p1=1 + len(logs), k_offset=-16)) ** 2 * (2 / window.sum()) ** 2
        corners = np.linspace(2595 * np.log10(1 + 20 / 700), 2595 * np.log10(1 + 2000 / 700), 14)
        for mel in range(12):
            low, middle, high = corners[mel : mel + 3]
            places = 2595 * np.log10(1 + np.arange(65) * RATE / 128 / 700)
            weights = np.clip(np.minimum((places - low) / (middle - low), (high - places) / (high - middle)), 0, None)
            np.testing.assert_allclose(logs[:, mel], np.log(np.maximum(weights @ power, 1e-6)), atol=1e-9)


def test_coefficients_are_the_cosine_transform_of_the_logarithms() -> None:
    _, logs = spectrum(coefficients=12)
    _, found = spectrum()
    plain = fft.idct(logs, type=2, norm="ortho", axis=2)
    np.testing.assert_allclose(found, fft.dct(plain, type=2, norm="ortho", axis=2)[:, :, :6], atol=1e-9)
    assert found.shape == (8, 11, 6)


def test_a_sine_of_full_scale_has_the_power_one() -> None:
    tone = np.sin(2 * np.pi * 500 * np.arange(SAMPLES) / RATE)[None]
    one = Spectrum(RATE, 128, 80, 12, 20.0, 2000.0, 1e-6)
    loudest = one.of(tone).max()
    weight = one.filters[:, 16].max()  # 500 Hz is the 16th frequency; its neighbours have a quarter each, as Hann has it
    assert loudest == pytest.approx(np.log(weight + 0.25 * (one.filters[one.filters[:, 16].argmax(), [15, 17]]).sum()), abs=1e-6)


def test_it_is_pickled_as_its_parameters() -> None:
    fitted, made = spectrum()
    again = pickle.loads(pickle.dumps(fitted))
    assert set(vars(again)) == set(Spectrum.__dataclass_fields__)
    np.testing.assert_array_equal(again.of(sounds(8)["audio"].to_numpy()), made)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"high": 2001}, "wrong-frequencies"),
        ({"low": 900, "high": 900}, "wrong-frequencies"),
        ({"mels": 200}, "too-many-mels"),
        ({"frame_length": "1 s"}, "frame-too-long"),
        ({"frame_length": "0.2 ms"}, "frame-too-short"),
        ({"coefficients": 13}, "bad-value"),
    ],
)
def test_what_does_not_go_together_is_said(wanted: dict[str, Any], code: str) -> None:
    with pytest.raises(Problem) as caught:
        spectrum(**wanted)
    assert {fault.code for fault in caught.value.faults} == {code}  # type: ignore[union-attr]


def test_an_image_is_no_sound() -> None:
    frame = pl.DataFrame({"image": pl.Series(np.zeros((2, 4, 4, 1), dtype=np.float32))})
    with pytest.raises(Problem, match="has the shape 4 × 4 × 1"):
        load(MFCC).fit_transform(frame, np.zeros(2), Context("classification", 0))


def fitted(kind: str = "torch.cnn", transforms: Any = (MFCC,), **params: Any) -> Any:
    frame = sounds()
    family = families.load({"kind": kind, "params": params}, "classification")
    featurizer = Featurizer([*transforms], {}, TASK, asdict(family.needs()))
    words = frame["word"].to_numpy().astype(str)
    return fitting.fit(family, TASK, 0, featurizer, featurizer.fit_transform(frame, words), words)


@pytest.fixture(scope="module")
def network() -> tuple[Any, Lowered]:
    model = fitted(channels=[4, 8], epochs=12, learning_rate=0.01, batch_size=16, device="cpu")
    return model, lowered(model)


def test_a_sound_is_one_block_of_inputs(network: tuple[Any, Lowered]) -> None:
    model, made = network
    assert [(one.name, one.type, one.size) for one in made.inputs] == [("audio", "array", SAMPLES)]
    frame = sounds(40, seed=1)
    assert np.abs(run(made.program, frame["audio"].to_numpy()) - model.predict_proba(frame)).max() < 1e-5
    assert [node.operation for node in integers.exact(made.program)] == ["conv2d", "dense_each", "dense_each"]
    assert [node.operation for node in integers.layers(made.program)] == ["conv2d", "conv2d", "dense"]


@pytest.mark.parametrize("kind", ["sklearn.logistic_regression", "sklearn.random_forest"])
def test_other_families_and_columns_beside_a_sound(kind: str) -> None:
    frame = sounds().with_columns(
        number=pl.Series(np.random.default_rng(3).normal(size=120)), plan=pl.Series(["a", "b", "a"] * 40)
    )
    family = families.load({"kind": kind}, "classification")
    featurizer = Featurizer([MFCC, {"kind": "scale"}], {}, TASK, asdict(family.needs()))
    words = frame["word"].to_numpy().astype(str)
    model = fitting.fit(family, TASK, 0, featurizer, featurizer.fit_transform(frame, words), words)
    made = lowered(model)
    fed = runner.feed(frame.to_dicts(), {"inputs": [told(one) for one in made.inputs], "computed": []})
    from mlspec.tensor.trees import walked

    assert np.abs(run(walked(made.program), fed) - model.predict_proba(frame)).max() < 1e-4


WAYS = [
    ("tflite", "none", 1e-5), ("onnx", "none", 1e-5), ("openvino", "none", 1e-5),
    ("tflite", "int8", 0.2), ("tflite", "dynamic", 0.2), ("onnx", "int8", 0.2), ("onnx", "dynamic", 0.2),
    ("openvino", "int8", 0.2), ("openvino", "weights", 0.2),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "quantize", "most"), WAYS)
def test_what_is_exported_is_the_model_and_its_spectrum_stays_float(
    network: tuple[Any, Lowered], tmp_path: Path, kind: str, quantize: str, most: float
) -> None:
    model, made = network
    frame = sounds(60, seed=1)
    fed = frame["audio"].to_numpy()
    wanted = export({"kind": kind, "quantize": quantize})
    wanted.write(made.program, tmp_path, json.dumps({"quantize": quantize}), sounds(60, seed=2)["audio"].to_numpy())
    scores, expected = RUNTIMES[kind](tmp_path, 1, "f32")(fed), model.predict_proba(frame)
    assert np.abs(scores - expected).max() < most
    assert (scores.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.94
    exact = sum(made.program.constants[node.takes[1].index].size for node in integers.exact(made.program))
    layers = sum(made.program.constants[node.takes[1].index].size for node in integers.layers(made.program))
    counts = wanted.shortened(tmp_path)
    assert counts["float32"] >= exact
    if quantize != "none":
        assert 0.9 * layers <= counts["int8"] <= 1.2 * layers + 100


@pytest.mark.parametrize(("quantize", "short"), [("float16", "float16"), ("weights", "int8")])
def test_a_spectrum_stays_float_in_core_ml(network: tuple[Any, Lowered], tmp_path: Path, quantize: str, short: str) -> None:
    _, made = network
    wanted = export({"kind": "coreml", "quantize": quantize})
    wanted.write(made.program, tmp_path, "{}", np.zeros((1, made.program.width), dtype=np.float32))
    exact, layers = (
        sum(made.program.constants[node.takes[1].index].size for node in found(made.program))
        for found in (integers.exact, integers.layers)
    )
    counts = wanted.shortened(tmp_path)
    assert counts["float32"] >= exact
    assert layers <= counts[short] <= 1.2 * layers


SPEC = """\
mlspec: 1
project: {name: words}
task: {kind: classification, target: word, modality: audio}
data:
  sources: {in: {kind: audio, path: in, pattern: "{word}_{take}.wav", rate: 8000, duration: 1 s}}
  columns: {file: {role: id}, take: {role: ignore}}
features: [{kind: mfcc, rate: 16000, columns: [audio]}]
splits: {group_by: speaker, seed: 7}
model: {kind: sklearn.svm}
"""


def test_lint_knows_the_columns_of_a_folder_and_the_rate_of_its_sounds(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    found = {(one.finding.code, one.finding.message) for one in build.open_spec(tmp_path / "spec.yaml").diagnostics}
    assert ("contradiction", "sounds are read at 8000 samples a second, and `rate` says 16000") in found
    assert ("unknown-column", "no source has a column `speaker`") in found
    assert "not-realised" not in {code for code, _ in found}


@pytest.mark.slow
def test_a_bundle_takes_lists_and_proves_itself(tmp_path: Path) -> None:
    """The whole op: metadata, samples, the runner on JSON rows, and its measure, in processes of their own."""
    from mlspec.runtime import pickled

    model = fitted(channels=[4], epochs=8, learning_rate=0.01, batch_size=16, device="cpu")
    pickled.write(tmp_path / "model", model)
    frame = sounds(60, seed=1).with_row_index("__row__").with_columns(pl.col("__row__").cast(pl.UInt64), plan=pl.lit("a"))
    for name in ("train", "test"):
        frame.write_parquet(tmp_path / name)
    (tmp_path / "metrics").write_text(json.dumps({"metrics": {}, "positive": None, "threshold": None}))
    given = {
        "task": TASK,
        "columns": {"plan": {"role": "ignore"}},
        "transforms": [MFCC],
        "model": {"kind": "torch.cnn"},
        "seed": 7,
    }
    found, bundle = exported(tmp_path, tmp_path / "out", {"kind": "onnx"}, given)
    assert found["parity"]["max_difference"] < 1e-4
    about = read_json(bundle / "metadata.json")
    assert about["inputs"] == [{"name": "audio", "type": "array", "values": [], "size": SAMPLES, "shape": [SAMPLES]}]
    samples = read_json(bundle / "samples.json")
    assert np.shape(samples["fed"]) == (16, SAMPLES)
    answers = runner.Model(bundle).predict(frame.head(2).drop("__row__").to_dicts())
    assert [one["predicted"] for one in answers] == model.predict(frame.head(2)).tolist()
    with pytest.raises(SystemExit, match="has 2 numbers, and the model takes 1000"):
        runner.Model(bundle).predict([{"audio": [0.0, 1.0]}])
