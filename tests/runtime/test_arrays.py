"""Columns of arrays: from files to answers, as one column everywhere, with folders of real sounds and images."""

from __future__ import annotations

import json
import os
import wave
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from mlspec import runtime
from mlspec.diagnostic import Finding, Problem
from mlspec.kinds import load as kind
from mlspec.runtime import identity, pickled, predictor, rows, slices
from mlspec.runtime.artifact import digest, read_json
from mlspec.runtime.survey import separation
from mlspec.sources import Readable
from tests.runtime.training_data import featurized, packaged, trained

ROOT = Path(__file__).parent.parent.parent
SOUNDS = ROOT / "specs" / "data" / "spoken-digits"
TASK = {"kind": "classification", "target": "label"}
COLUMNS = {"label": {"role": "target"}, "file": {"role": "id"}}
IMAGES = {"kind": "images", "path": "digits", "pattern": "{label}/{number}.png", "size": [8, 8]}


def source(**wanted: Any) -> Readable:
    member = kind("mlspec.sources", wanted["kind"]).model_validate(wanted)
    assert isinstance(member, Readable)
    return member


def params(**more: Any) -> dict[str, Any]:
    base = {"transforms": [], "columns": COLUMNS, "task": TASK, "seed": 7}
    return {**base, "model": {"kind": "sklearn.logistic_regression", "params": {}}, **more}


def said(caught: pytest.ExceptionInfo[Problem]) -> tuple[str, str]:
    found = caught.value.faults[0]
    assert isinstance(found, Finding)
    return found.code, found.message


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder of PNG files for each of four digits."""
    place = tmp_path_factory.mktemp("images")
    images, labels = load_digits(return_X_y=True)
    for number, (image, label) in enumerate(zip(images[:240], labels[:240], strict=True)):
        if label < 4:
            folder = place / "digits" / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray((image.reshape(8, 8) * 15).astype(np.uint8)).save(folder / f"{number}.png")
    return place


@pytest.fixture(scope="module")
def frame(digits: Path) -> pl.DataFrame:
    return source(**IMAGES).scan(digits, {}).collect().drop("number")


def recording(place: Path, samples: np.ndarray[Any, Any], rate: int = 8000, channels: int = 1) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(place), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(samples.dtype.itemsize)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return place


def test_images_become_rows(digits: Path) -> None:
    found = source(**IMAGES).scan(digits, {}).collect()
    assert found.schema == {"label": pl.String, "number": pl.String, "image": pl.Array(pl.Float32, (8, 8, 1)), "file": pl.String}
    assert found["file"].to_list() == sorted(found["file"])
    one = found.row(0, named=True)
    assert one["file"] == f"{one['label']}/{one['number']}.png"
    expected = np.asarray(Image.open(digits / "digits" / one["file"]), dtype=np.float32) / 255
    np.testing.assert_array_equal(found["image"].to_numpy()[0, :, :, 0], expected)
    assert 0 <= found["image"].to_numpy().min() < found["image"].to_numpy().max() <= 1


def test_images_are_resized_and_made_grey_or_coloured(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGBA", (30, 10), (255, 0, 0, 255)).save(tmp_path / "in" / "red.png")
    wanted = {"kind": "images", "path": "in", "pattern": "{what}.png", "size": [4, 6]}
    [colour] = source(**wanted, channels=3).scan(tmp_path, {}).collect()["image"].to_numpy()
    assert colour.shape == (4, 6, 3)
    np.testing.assert_array_equal(colour.reshape(-1, 3), np.tile([1, 0, 0], (24, 1)))
    [grey] = source(**wanted).scan(tmp_path, {}).collect()["image"].to_numpy()
    np.testing.assert_allclose(grey, 76 / 255, atol=1e-6)  # ITU-R 601-2: 299/1000 of red


def test_sounds_become_rows(tmp_path: Path) -> None:
    ramp = np.arange(-400, 400, dtype=np.int16)
    recording(tmp_path / "in" / "a_1.wav", ramp)
    recording(tmp_path / "in" / "b_2.wav", np.repeat(ramp, 2), channels=2)
    wanted = {"kind": "audio", "path": "in", "pattern": "{word}_{take}.wav", "rate": 8000, "duration": "50 ms"}
    found = source(**wanted).scan(tmp_path, {}).collect()
    assert found.schema["audio"] == pl.Array(pl.Float32, 400)
    assert found.drop("audio").rows() == [("a", "1", "a_1.wav"), ("b", "2", "b_2.wav")]
    np.testing.assert_array_equal(found["audio"].to_numpy(), np.tile(ramp[:400] / np.float32(32768), (2, 1)))
    longer = source(**{**wanted, "duration": "200 ms"}).scan(tmp_path, {}).collect()["audio"].to_numpy()
    np.testing.assert_array_equal(longer[:, 800:], 0)


def test_another_rate_is_the_same_sound(tmp_path: Path) -> None:
    at = np.arange(16_000) / 16_000
    tone = np.round(20_000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16)
    recording(tmp_path / "in" / "a.wav", tone, rate=16_000)
    wanted = {"kind": "audio", "path": "in", "pattern": "*.wav", "rate": 8000, "duration": "1 s"}
    [found] = source(**wanted).scan(tmp_path, {}).collect()["audio"].to_numpy()
    assert np.abs(found[100:-100] - tone[200:-200:2] / 32768).max() < 0.002


@pytest.mark.parametrize(
    ("wanted", "code", "part"),
    [
        ({"pattern": "{word}.wav"}, "unreadable-file", "`bad.wav` cannot be read"),
        ({"pattern": "{word}.flac"}, "missing-file", "is called `{word}.flac`"),
        ({"path": "nowhere"}, "missing-folder", "no folder `nowhere`"),
        ({"kind": "images", "pattern": "{word}.wav", "size": [8, 8]}, "unreadable-file", "`bad.wav` cannot be read"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, wanted: dict[str, Any], code: str, part: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.wav").write_bytes(b"RIFF....WAVE")
    sound = {"kind": "audio", "path": "in", "pattern": "{word}.wav", "rate": 8000, "duration": "1 s"}
    with pytest.raises(Problem) as caught:
        source(**({**sound, **wanted} if "kind" not in wanted else {"path": "in", **wanted})).scan(tmp_path, {})
    assert said(caught)[0] == code
    assert part in said(caught)[1]
    assert str(tmp_path) not in said(caught)[1]


def test_a_name_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    place = os.fsencode(tmp_path / "in") + b"/\xff.wav"
    Path(os.fsdecode(place)).write_bytes(b"RIFF")
    with pytest.raises(Problem, match="is not UTF-8"):
        source(kind="audio", path="in", pattern="{word}.wav", rate=8000, duration="1 s").scan(tmp_path, {})


@pytest.mark.parametrize("pattern", ["{a}{b}.png", "{a}_{a}.png", "{image}.png", "{file}.png", "{a.png"])
def test_patterns_that_mean_nothing(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"brace|names two columns|column already|nothing stands between"):
        source(**{**IMAGES, "pattern": pattern})


def test_cache_keys_count_the_files(digits: Path, tmp_path: Path) -> None:
    wanted = source(**IMAGES)
    before = wanted.fingerprint(digits)
    assert len(wanted.files(digits)) == len(list(digits.glob("digits/*/*.png")))
    path = wanted.files(digits)[0]
    content = path.read_bytes()
    try:
        Image.new("L", (8, 8), 9).save(path)
        assert wanted.fingerprint(digits) != before
    finally:
        path.write_bytes(content)
    assert wanted.fingerprint(digits) == before


def ingested(folder: Path, sources: dict[str, Any], columns: dict[str, Any] | None = None) -> tuple[pl.DataFrame, Any]:
    outputs = {name: folder / name for name in ("data", "profile")}
    more: dict[str, Any] = {"columns": columns or {}, "join": [], "union": None, "data_root": str(folder)}
    runtime.run("ingest", outputs=outputs, params={"sources": sources, **more})
    return pl.read_parquet(folder / "data"), read_json(folder / "profile")


def test_lists_of_one_length_become_arrays(tmp_path: Path) -> None:
    pl.DataFrame({"a": [[1, 2, 3], None, [4, 5, 6]], "n": [1, 2, 3]}).write_parquet(tmp_path / "p")
    data, profile = ingested(tmp_path, {"t": {"kind": "parquet", "path": ["p"]}}, {"a": {"type": "array"}})
    assert data.schema["a"] == pl.Array(pl.Float32, 3)
    [one] = [column for column in profile["columns"] if column["name"] == "a"]
    assert {key: one[key] for key in ("type", "shape", "missing", "distinct", "min", "max", "mean")} == {
        "type": "array", "shape": [3], "missing": 1, "distinct": 2, "min": 1.0, "max": 6.0, "mean": 3.5,
    }  # fmt: skip
    assert one["histogram"] is one["median"] is one["top"] is None


@pytest.mark.parametrize(
    ("column", "declared", "code"),
    [([[1.0], [2.0, 3.0]], "array", "nested-column"), ([1, 2], "array", "array-or-not"), ([[1], [2]], "number", "array-or-not")],
)
def test_what_is_no_array_is_said(tmp_path: Path, column: list[Any], declared: str, code: str) -> None:
    pl.DataFrame({"a": column}).write_parquet(tmp_path / "p")
    with pytest.raises(Problem) as caught:
        ingested(tmp_path, {"t": {"kind": "parquet", "path": ["p"]}}, {"a": {"type": declared}})
    assert said(caught)[0] == code


def test_a_text_source_has_no_arrays(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(Problem) as caught:
        ingested(tmp_path, {"t": {"kind": "csv", "path": ["t.csv"]}}, {"a": {"type": "array"}})
    assert said(caught) == ("array-or-not", "`a` is declared array, and `csv` gives string")


def validated(folder: Path, frame: pl.DataFrame, columns: dict[str, Any], **more: Any) -> Any:
    frame.with_row_index("__row__").with_columns(pl.col("__row__").cast(pl.UInt64)).write_parquet(folder / "data")
    outputs = {name: folder / name for name in ("kept", "quarantine", "report")}
    outputs["data"] = outputs.pop("kept")
    given = {"columns": columns, "checks": [], "on_failure": "quarantine", "task": None, **more}
    runtime.run("validate", inputs={"data": folder / "data"}, outputs=outputs, params=given)
    return read_json(folder / "report")


def test_checks_take_an_array_as_one_value(tmp_path: Path) -> None:
    arrays = pl.Series("a", [[0.0, 1.0], [0.0, float("nan")], None, [0.0, 9.0], [0.0, 1.0]], dtype=pl.Array(pl.Float32, 2))
    declared = {"a": {"type": "array", "max": 5, "nullable": False, "unique": True}}
    report = validated(tmp_path, pl.DataFrame([arrays]), declared, checks=[{"kind": "missing", "columns": ["a"], "max": 1.0}])
    failing = {one["id"]: [example["row"] for example in one["examples"]] for one in report["checks"] if one["failing"]}
    assert failing == {"finite.a": [1], "present.a": [2], "max.a": [3], "unique.a": [4], "missing.a": [2]}
    assert report["kept"] == 1
    assert report["schema"]["a"]["type"] == "array"
    assert report["schema"]["a"]["shape"] == [2]
    assert {"an array", None} >= {example["value"] for one in report["checks"] for example in one["examples"]}


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"checks": [{"kind": "range", "columns": ["a"], "min": 0}]}, "not numbers"),
        ({"checks": [{"kind": "values", "columns": ["a"], "values": [1]}]}, "do not fit"),
        ({"checks": [{"kind": "expression", "that": "a > 1"}]}, "array"),
        ({"task": {"kind": "classification", "target": "a"}}, "one value a row"),
    ],
)
def test_what_cannot_take_an_array_says_so(tmp_path: Path, more: dict[str, Any], part: str) -> None:
    arrays = pl.Series("a", [[0.0, 1.0]], dtype=pl.Array(pl.Float32, 2))
    with pytest.raises(Problem) as caught:
        validated(tmp_path, pl.DataFrame([arrays]), {}, **more)
    assert part in str(caught.value)


def test_slices_and_features_alone_say_nothing_of_arrays(frame: pl.DataFrame) -> None:
    with pytest.raises(Problem, match="no values to slice by"):
        slices.by_column(frame, "image")
    assert separation(frame["image"], [np.arange(len(frame)) % 2 == 0], "classification") is None


def test_the_identity_of_an_array_is_specified() -> None:
    """Known answers: a change of them would move rows to other splits."""
    arrays = pl.Series("a", [[0.0, 1.0, 2.0], [0.0, 1.0, 3.0], [0.0, 1.0, 2.0], None], dtype=pl.Array(pl.Float32, 3))
    found = identity.column(arrays)
    assert found[0] == found[2] != found[1]
    assert [f"{one:016x}" for one in found[[0, 3]]] == ["b6910e80bb255db5", "b55a8fa067537a73"]


def test_what_is_left_is_spread_and_keeps_its_shape(tmp_path: Path, frame: pl.DataFrame) -> None:
    facts = featurized(tmp_path, params(), frame)
    found = pickled.read(tmp_path / "transformer")
    assert facts["added"] == "flatten: image; scale (standard): image[0] … image[63] (64)"
    assert found.feature_names_ == [f"image[{place}]" for place in range(64)]
    assert found.shape_ == (8, 8, 1)
    assert list(found.fields_) == ["image"]
    mixed = featurized(tmp_path, params(), frame.with_columns(pl.Series("n", np.arange(len(frame)) % 5)))
    assert mixed["features"] == 65
    assert pickled.read(tmp_path / "transformer").shape_ == ()


def test_eight_thousand_numbers_take_no_time(tmp_path: Path) -> None:
    sounds = pl.Series("audio", np.random.default_rng(0).normal(size=(40, 8000)).astype(np.float32))
    frame = pl.DataFrame({"label": ["a", "b"] * 20, "audio": sounds})
    assert featurized(tmp_path, params(), frame)["features"] == 8000
    found = pickled.read(tmp_path / "transformer")
    assert found.transform(frame.head(1).to_dicts()).shape == (1, 8000)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (None, "row 1, 'image': the array is missing, and `impute` is not for arrays"),
        ([float("nan")] * 64, "row 1, 'image': the array holds a number that is not finite"),
        ([0.0] * 63, "row 1, 'image' is no array of 8 × 8 × 1 numbers"),
        ("pixels", "row 1, 'image' is no array of 8 × 8 × 1 numbers"),
    ],
)
def test_rows_whose_array_is_missing_or_odd_are_refused(frame: pl.DataFrame, value: Any, part: str) -> None:
    fields = rows.fields_of(frame, COLUMNS, "label")
    whole = {"image": frame["image"][0].to_list()}
    with pytest.raises(Problem) as caught:
        rows.read([whole, {"image": value}], fields)
    assert part in str(caught.value)


def test_an_array_comes_in_many_forms(frame: pl.DataFrame) -> None:
    fields = rows.fields_of(frame, COLUMNS, "label")
    pandas = pytest.importorskip("pandas")
    some = frame.head(3)
    numbers = some["image"].to_numpy()
    flat = [{"image": row.reshape(-1).tolist()} for row in numbers]
    texts = pl.DataFrame({"image": [json.dumps(row["image"]) for row in flat]})
    lists = pl.DataFrame({"image": [row["image"] for row in flat]})
    for given in (
        some,
        flat,
        some.to_dicts(),
        texts,
        lists,
        pandas.DataFrame({"image": list(numbers)}),
        [{"image": row} for row in numbers],
    ):
        np.testing.assert_array_equal(rows.read(given, fields)["image"].to_numpy(), numbers)


def test_a_training_row_without_its_array_stops_with_its_number(tmp_path: Path, frame: pl.DataFrame) -> None:
    holed = frame.with_row_index("__row__", offset=100).with_columns(
        pl.when(pl.col("__row__") != 104).then(pl.col("image")).alias("image")
    )
    with pytest.raises(Problem, match="row 104, 'image': the array is missing"):
        featurized(tmp_path, params(), holed)


def test_from_files_to_a_package_that_serves(tmp_path: Path, frame: pl.DataFrame) -> None:
    numbered = frame.with_columns(plan=pl.col("label")).with_row_index("__row__").with_columns(pl.col("__row__").cast(pl.UInt64))
    given = params(columns={**COLUMNS, "plan": {"role": "ignore"}, "image": {"min": 0, "max": 1}})
    package = packaged(tmp_path, given, numbered)
    schema = read_json(package / "schema.json")["columns"]["image"]
    assert {key: schema[key] for key in ("type", "shape", "nullable")} == {"type": "array", "shape": [8, 8, 1], "nullable": False}
    assert "array of 8 × 8 × 1" in (package / "model_card.md").read_text()
    served = predictor.load(package)
    answers = served.predict(frame)
    assert (answers["predicted"] == frame["label"]).mean() > 0.95
    row = {"image": frame["image"][0].to_numpy().reshape(-1).tolist()}
    assert served.predict([row])["predicted"][0] == answers["predicted"][0]
    assert served.predict([]).height == 0
    with pytest.raises(Problem, match="row 0, 'image': the array holds a number above the maximum 1"):
        served.predict([{"image": [2.0, *row["image"][1:]]}])
    frame.write_parquet(tmp_path / "rows.parquet")
    assert predictor.predict_file(package, tmp_path / "rows.parquet") == answers.write_csv()
    importance = {"model": tmp_path / "model", "test": tmp_path / "test"}
    outputs = {"importance": tmp_path / "importance"}
    runtime.run("explain", inputs=importance, outputs=outputs, params={"metric": "accuracy", "task": TASK, "seed": 7})
    assert [one["name"] for one in read_json(tmp_path / "importance")["columns"]] == ["image"]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path, frame: pl.DataFrame) -> None:
    places = [tmp_path / name for name in ("one", "two")]
    for place in places:
        place.mkdir()
        featurized(place, params(), frame)
    assert digest(places[0] / "transformer") == digest(places[1] / "transformer")
    assert digest(places[0] / "features") == digest(places[1] / "features")


@pytest.mark.parametrize(
    ("kind", "more", "shape"),
    [
        ("torch.cnn", {"channels": [4]}, [8, 8, 1]),
        ("torch.cnn", {"channels": [4], "shape": [4, 16, 1]}, [4, 16, 1]),
        ("torch.mlp", {}, [64]),
    ],
)
def test_a_network_reads_the_one_array_in_its_own_shape(
    tmp_path: Path, frame: pl.DataFrame, kind: str, more: dict[str, Any], shape: list[int]
) -> None:
    model, _ = trained(tmp_path, params(model={"kind": kind, "params": {"epochs": 1, "device": "cpu", **more}}), frame)
    assert model.named_steps["model"].read_as_ == shape


def test_real_recordings_are_read_whole() -> None:
    pattern = "{digit}_{speaker}_{take}.wav"
    wanted = source(kind="audio", path=str(SOUNDS.relative_to(ROOT)), pattern=pattern, rate=8000, duration="1 s")
    found = wanted.scan(ROOT, {}).collect()
    assert found.height == 600
    assert found["digit"].unique().sort().to_list() == list("0123456789")
    assert found["speaker"].n_unique() == 6
    assert 0.3 < np.abs(found["audio"].to_numpy()).max() <= 1


@pytest.mark.parametrize("kind", ["torch.cnn", "sklearn.random_forest"])
def test_an_image_is_a_block_of_the_exported_inputs(tmp_path: Path, frame: pl.DataFrame, kind: str) -> None:
    """Beside a number, so that the block begins somewhere; scores are those of the model, from what the runner feeds."""
    from mlspec.lowering import lowered
    from mlspec.runtime.edge.device import runner
    from mlspec.runtime.edge.metadata import told
    from mlspec.tensor.program import run
    from mlspec.tensor.trees import walked

    alone = kind == "torch.cnn"
    given = frame if alone else frame.select("label", pl.Series("n", np.arange(len(frame)) % 5), "image", "file")
    asked = {"epochs": 1, "channels": [4], "device": "cpu"} if alone else {"n_estimators": 5}
    model, _ = trained(tmp_path, params(model={"kind": kind, "params": asked}), given)
    made = lowered(model)
    assert [(one.name, one.size) for one in made.inputs] == ([] if alone else [("n", 1)]) + [("image", 64)]
    fed = runner.feed(given.to_dicts(), {"inputs": [told(one) for one in made.inputs], "computed": []})
    assert fed.shape == (len(frame), 64 if alone else 65)
    assert np.abs(run(walked(made.program), fed) - model.predict_proba(given)).max() < 1e-5
