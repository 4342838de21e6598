"""Run the model that lies beside this file. It needs NumPy and the model's runtime (requirements.txt), nothing else.

    python runner.py rows.jsonl              # a JSON object for each row: what is predicted, and the probabilities

    from runner import Model
    model = Model()
    model.predict([{"tenure": 3, "Contract": "Month-to-month"}])

A row is a mapping of column names to values: numbers, text, true or false, dates as ISO text, arrays as lists of numbers; null or
an absent key is missing. Weights of the terms of a text are computed here, or given as a list of numbers in its place.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

Row = Mapping[str, Any]
Numbers = np.ndarray[Any, Any]
Run = Callable[[Numbers], Numbers]

HERE = Path(__file__).resolve().parent
DIGITS = 9
ROUNDS = "DYNAMIC_QUANTIZATION_GROUP_SIZE"
WORD = re.compile(r"\b\w\w+\b")
PERIODS = {"month": 12.0, "day_of_week": 7.0, "day_of_year": 365.2425, "hour": 24.0}


class Model:
    """The model in a directory. `precision` is for OpenVINO and Core ML: "f32", or "default" for what the device prefers."""

    def __init__(self, place: Path | str = HERE, threads: int = 1, precision: str = "f32") -> None:
        self.place = Path(place)
        self.about = json.loads((self.place / "metadata.json").read_text(encoding="utf-8"))
        self.run = RUNTIMES[self.about["format"]](self.place, threads, precision)

    def scores(self, rows: Sequence[Row]) -> Numbers:
        """Return a probability for each class, or one number, for each row."""
        return self.run(feed(rows, self.about))

    def predict(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Return `predicted` and, for classes, `probabilities` for each row."""
        return [self._told(row) for row in self.scores(rows)]

    def _told(self, scores: Numbers) -> dict[str, Any]:
        classes = self.about["classes"]
        if not classes:
            return {"predicted": float(scores[0])}
        place = int(scores.argmax())
        if self.about["threshold"] is not None and self.about["positive"] in classes:
            positive = classes.index(self.about["positive"])
            place = positive if scores[positive] >= self.about["threshold"] else 1 - positive
        return {
            "predicted": classes[place],
            "probabilities": {name: float(one) for name, one in zip(classes, scores, strict=True)},
        }


def feed(rows: Sequence[Row], about: Mapping[str, Any]) -> Numbers:
    """Return the numbers that a model takes, a row for each: NaN where missing, for a word its place, -1 if unknown."""
    inputs = [(one, {word: at for at, word in enumerate(one["values"])}) for one in about["inputs"]]
    steps = [{**one, "known": known_terms(one["how"])} if one["kind"] == "tfidf" else one for one in about["computed"]]
    fed = np.empty((len(rows), sum(one.get("size", 1) for one, _ in inputs)), dtype=np.float32)
    for at, row in enumerate(rows):
        known = {**row, **computed(row, steps)} if steps else row
        place = 0
        for one, words in inputs:
            size = one.get("size", 1)
            fed[at, place : place + size] = array(known, one) if one["type"] == "array" else number(known, one, words)
            place += size
    return fed


def array(row: Row, wanted: Mapping[str, Any]) -> Numbers:
    """Return the numbers of an array, one after the other; NaN for each where it is missing."""
    value = row.get(wanted["name"])
    if value is None:
        return np.full(wanted["size"], math.nan)
    try:
        numbers = np.array(value, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise SystemExit(f"{wanted['name']} is not a list of numbers") from None
    if len(numbers) != wanted["size"]:
        raise SystemExit(f"{wanted['name']} has {len(numbers)} numbers, and the model takes {wanted['size']}")
    return numbers


def number(row: Row, wanted: Mapping[str, Any], words: Mapping[str, int]) -> float:
    """Return what a model takes for one column of a row."""
    value = row.get(wanted["name"])
    if value is None or value != value:
        return math.nan
    if wanted["type"] == "category":
        return words.get(text(value), -1)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SystemExit(f"{wanted['name']} is {value!r}, which is not a {wanted['type']}") from None


def text(value: object) -> str:
    """Write a value as the training data did: 2 and 2.0 are one category, and so are true and "true"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def computed(row: Row, steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the columns that are computed before the model sees a row: parts of dates, weights of the terms of texts."""
    found: dict[str, Any] = {}
    for step in steps:
        for name in step["takes"]:
            if step["kind"] == "dates":
                found.update(parts_of(row.get(name), name, step["how"]))
            elif step["kind"] == "tfidf" and not isinstance(row.get(name), list):  # a list is what would be computed here
                found[name] = weights_of(row.get(name), step["how"], *step["known"][name])
    return found


def known_terms(how: Mapping[str, Any]) -> dict[str, tuple[dict[str, int], Numbers]]:
    """Return for each text column the place of each term, and its inverse document frequency."""
    found = {}
    for name, lines in how["terms"].items():
        counts, _, terms = zip(*(line.partition(" ") for line in lines.split("\n")), strict=True)
        rarity = np.log((1.0 + how["documents"]) / (1.0 + np.array(counts, dtype=np.float64))) + 1.0
        found[name] = {term: at for at, term in enumerate(terms)}, rarity
    return found


def weights_of(value: object, how: Mapping[str, Any], places: Mapping[str, int], rarity: Numbers) -> Numbers:
    """Return the weight of each term in a text, as scikit-learn's TfidfVectorizer does; a missing text is the empty one."""
    counts = np.zeros(len(rarity))
    for term in terms_of("" if value is None or value != value else text(value), how):
        if term in places:
            counts[places[term]] += 1.0
    there = counts > 0
    if how["sublinear_tf"]:
        counts[there] = np.log(counts[there]) + 1.0
    weights: Numbers = counts * rarity
    length = {"l2": np.sqrt(weights @ weights), "l1": weights.sum(), None: 1.0}[how["norm"]]
    return weights / length if there.any() else weights


def terms_of(written: str, how: Mapping[str, Any]) -> Iterator[str]:
    """Yield the terms of a text: runs of words, or (char_wb) runs of letters of each word with a space around it."""
    if how["lowercase"]:
        written = written.lower()
    lengths = range(how["ngram_range"][0], how["ngram_range"][1] + 1)
    if how["analyzer"] == "word":
        words = WORD.findall(written)
        for length in lengths:
            yield from (" ".join(words[at : at + length]) for at in range(len(words) - length + 1))
        return
    for word in written.split():
        padded = f" {word} "
        for length in lengths:
            yield from (padded[at : at + length] for at in range(max(1, len(padded) - length + 1)))
            if len(padded) <= length:  # a short word counts once
                break


def parts_of(value: object, name: str, how: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of one date, by the names that the model's inputs have; none where it is missing."""
    if value is None:
        return {}
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    moment = in_zone(moment, how["zones"].get(name))
    first = datetime.fromisoformat(how["origins"][name])
    plain = {
        "year": moment.year,
        "month": moment.month,
        "day": moment.day,
        "day_of_week": moment.isoweekday(),
        "day_of_year": moment.timetuple().tm_yday,
        "hour": moment.hour + moment.minute / 60,
        "elapsed": (moment.replace(tzinfo=None) - first).total_seconds() / 86_400,
    }
    found: dict[str, float] = {}
    for part in how["parts"]:
        if part not in PERIODS or not how["harmonics"]:
            found[f"{name}.{part}"] = plain[part]
            continue
        for turn in range(1, how["harmonics"] + 1):
            angle = plain[part] * (2 * math.pi * turn / PERIODS[part])
            found[f"{name}.{part}.sin{turn}"] = round(math.sin(angle), DIGITS)
            found[f"{name}.{part}.cos{turn}"] = round(math.cos(angle), DIGITS)
    return found


def in_zone(moment: datetime, zone: str | None) -> datetime:
    """Bring a moment to the zone of the training data; one without a zone is taken to be in it."""
    if zone is None or moment.tzinfo is None:
        return moment
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo(zone))


def litert(place: Path, threads: int, precision: str) -> Run:
    """Run a TensorFlow Lite model, one row after the other."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:  # its predecessor, on boards that have it
        from tflite_runtime.interpreter import Interpreter
    interpreter = Interpreter(model_path=str(place / "model.tflite"), num_threads=threads)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    put, invoke, get, into, out = (
        interpreter.set_tensor,
        interpreter.invoke,
        interpreter.get_tensor,
        taken["index"],
        given["index"],
    )
    plain = taken["dtype"] == given["dtype"] == np.float32

    def run(numbers: Numbers) -> Numbers:
        if plain and len(numbers) == 1:  # as a device asks: to make and to fill arrays takes as long as a small model
            put(into, numbers)
            invoke()
            row: Numbers = get(out)
            return row
        fed = whole(numbers, taken)
        made = np.empty((len(fed), given["shape"][-1]), dtype=given["dtype"])
        for at in range(len(fed)):
            put(into, fed[at : at + 1])
            invoke()
            made[at] = get(out)[0]
        found = real(made, given)
        if fed is not numbers:
            found[np.isnan(numbers).any(axis=1)] = np.nan  # no whole number says that one is missing
        return found

    return run


def whole(numbers: Numbers, end: Mapping[str, Any]) -> Numbers:
    """Return numbers as a model takes them: as they are, or as steps of a scale where it takes whole numbers."""
    if end["dtype"] == np.float32:
        return numbers
    scale, zero = end["quantization"]
    limits = np.iinfo(end["dtype"])
    steps = np.rint(np.nan_to_num(numbers.astype(np.float64) / scale)) + zero
    taken: Numbers = np.clip(steps, limits.min, limits.max).astype(end["dtype"])
    return taken


def real(steps: Numbers, end: Mapping[str, Any]) -> Numbers:
    """Return what a model gives as numbers, whatever it gives them in."""
    if end["dtype"] == np.float32:
        return steps
    scale, zero = end["quantization"]
    given: Numbers = ((steps.astype(np.float64) - zero) * scale).astype(np.float32)
    return given


def onnx_runtime(place: Path, threads: int, precision: str) -> Run:
    """Run an ONNX model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(place / "model.onnx"), options, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map.get("mlspec", "{}"))

    def run(numbers: Numbers) -> Numbers:
        made: Numbers = session.run(None, {"input": numbers})[0]
        return made

    def alone(numbers: Numbers) -> Numbers:
        """Row by row: where ranges are found on the way they are of all rows at once, and a row would depend on the others."""
        return np.concatenate([run(numbers[at : at + 1]) for at in range(len(numbers))]) if len(numbers) > 1 else run(numbers)

    return alone if about.get("quantize") == "dynamic" else run


def open_vino(place: Path, threads: int, precision: str) -> Run:
    """Run an OpenVINO model. Unless told not to, it computes in float32.

    By default some processors would take bfloat16, and round to 8 bits what meets weights that are stored in 8 bits.
    """
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    if precision != "default":
        settings["INFERENCE_PRECISION_HINT"] = precision
        if ROUNDS in core.get_property("CPU", "SUPPORTED_PROPERTIES"):
            settings[ROUNDS] = 0
    model = core.compile_model(str(place / "model.xml"), "CPU", settings)
    request = model.create_infer_request()
    return lambda numbers: np.array(request.infer({0: numbers})[model.outputs[0]])


def compiled(place: Path, threads: int, precision: str) -> Run:
    """Compile the C code with this machine's compiler, and call it: it is the code that a microcontroller would run."""
    import ctypes
    import shutil
    import subprocess
    import tempfile

    compiler = next((one for one in ("cc", "gcc", "clang") if shutil.which(one)), None)
    if compiler is None:
        raise SystemExit("there is no C compiler here (cc, gcc or clang): the code cannot be tried")
    about = json.loads((place / "metadata.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "model.so")
        words = [compiler, "-std=c99", "-O2", "-shared", "-fPIC", "-o", str(library), str(place / "model.c"), "-lm"]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise SystemExit(f"{compiler} does not compile model.c: {ended.stderr.strip()}")
        call = ctypes.CDLL(str(library)).model_predict
    call.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    width = max(1, len(about["classes"]))

    def run(numbers: Numbers) -> Numbers:
        taken = np.ascontiguousarray(numbers, dtype=np.float32)
        made = np.empty((len(taken), width), dtype=np.float32)
        for at in range(len(taken)):
            call(taken[at].ctypes.data, made[at].ctypes.data)
        return made

    return run


def core_ml(place: Path, threads: int, precision: str) -> Run:
    """Run a Core ML model, one row after the other; the processor computes in float32, other parts of the device in float16."""
    if sys.platform != "darwin":
        raise SystemExit("Core ML runs on Apple's systems only")
    import coremltools

    units = coremltools.ComputeUnit.ALL if precision == "default" else coremltools.ComputeUnit.CPU_ONLY
    model = coremltools.models.MLModel(str(place / "model.mlpackage"), compute_units=units)

    def run(numbers: Numbers) -> Numbers:
        rows = (model.predict({"input": np.ascontiguousarray(numbers[at : at + 1])}) for at in range(len(numbers)))
        made: Numbers = np.concatenate([np.asarray(one["output"], dtype=np.float32) for one in rows])
        return made

    return run


RUNTIMES = {"tflite": litert, "onnx": onnx_runtime, "openvino": open_vino, "c": compiled, "coreml": core_ml}


def check(place: Path) -> list[str]:
    """Return the files whose content is not what SHA256SUMS says."""
    wrong = []
    for line in (place / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        file = place / name
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            wrong.append(name)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the model that lies beside this file on rows of JSON.")
    parser.add_argument("rows", nargs="?", help="a file with a JSON object on each line; standard input without it")
    parser.add_argument("--scores", help="write the bare scores to this file (.npy) instead of printing predictions")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="f32", choices=["f32", "default"], help="OpenVINO, Core ML: what it computes in")
    parser.add_argument("--check", action="store_true", help="only check that the files are those that were shipped")
    given = parser.parse_args()
    if given.check:
        wrong = check(HERE)
        print("\n".join(f"{name} is not the file that was shipped" for name in wrong) or "all files are those that were shipped")
        return int(bool(wrong))
    lines = Path(given.rows).read_text(encoding="utf-8") if given.rows else sys.stdin.read()
    rows = [json.loads(line) for line in lines.splitlines() if line.strip()]
    model = Model(threads=given.threads, precision=given.precision)
    if given.scores:
        np.save(given.scores, model.scores(rows) if rows else np.zeros((0, 1), dtype=np.float32))
    else:
        for told in model.predict(rows):
            print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
