"""Edge devices as data: each figure has a source, each name means one device, and estimates are held against published results."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from mlspec import device
from mlspec.commands.devices import command
from mlspec.exports import c, coreml, onnx, openvino, tensorrt, tflite
from mlspec.rules.edge import sort_of

ROOT = Path(__file__).parent.parent
CASES = yaml.safe_load((ROOT / "tests" / "data" / "devices" / "cases.yaml").read_text(encoding="utf-8"))
FILES = sorted(device.PLACE.glob("*.yaml"))
FIGURES = {"isa", "core", "cores", "clock", "memory", "flash", "formats", "accelerator"}
WORDS = FIGURES | {"title", "sort", "aliases", "boards", "notes", "results", "sources"}
MEASURED = ("nucleo_l4r5zi", "nucleo_h7a3zi_q", "nrf5340")
KINDS = {one.MEMBER.model_fields["kind"].default for one in (c, coreml, onnx, openvino, tensorrt, tflite)}


def written(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((device.PLACE / f"{name}.yaml").read_text(encoding="utf-8")))


# the files


@pytest.mark.parametrize("name", device.names())
def test_each_figure_of_a_device_names_its_source(name: str) -> None:
    told, profile = written(name), device.load(name)
    assert told.keys() <= WORDS, "a word that nothing reads"
    covered = [figure for source in profile.sources for figure in source.of]
    assert FIGURES & told.keys() <= set(covered), "a figure without a source"
    assert set(covered) <= told.keys(), "a source for a figure that is not there"
    for source in device.pages(profile):
        assert re.fullmatch(r"https://[a-z0-9.-]+/\S*", source.url), source
        assert source.title
        assert source.of
    assert profile.title
    assert list(profile.memory) == sorted(profile.memory)
    assert set(told.get("formats", ())) <= device.sorts()[profile.sort].runs.keys()
    assert profile.runs, "a device that runs nothing"
    assert all(note.endswith(".") for note in profile.notes), "a comma has split a note"


def test_the_files_are_all_of_them() -> None:
    assert {file.stem for file in FILES} == {*device.names(), "_sorts", "_mlperf_tiny"}
    asked = {
        "raspberry_pi_zero_2", "raspberry_pi_3", "raspberry_pi_4", "raspberry_pi_5", "jetson_nano", "jetson_orin_nano", "intel_nuc",
        "intel_igpu", "android_phone", "coral_dev_board", "coral_usb", "cortex_m4", "cortex_m7", "cortex_m33", "nrf5340", "esp32",
        "rp2040", "host",
    }  # fmt: skip
    assert asked <= set(device.names())


def test_each_name_and_alias_means_one_device_and_its_sort() -> None:
    said: dict[str, str] = {}
    for name in device.names():
        profile = device.load(name)
        for word in (name, *profile.aliases):
            assert said.setdefault(device.normal(word).replace("_", ""), name) == name, f"{word} means two devices"
            assert sort_of(word) == profile.sort, word
            assert device.find(word) is device.load(name)
        for board in profile.boards:
            assert device.load(board).core == profile.core


def test_sorts_tell_of_formats_that_there_are() -> None:
    for sort in device.sorts().values():
        assert {*sort.runs, *sort.refuses} <= KINDS
        assert not sort.runs.keys() & sort.refuses.keys()
        assert all(sort_of(word) == sort.name for word in sort.examples)
        assert all(set(runtime.numbers) <= set(device.NUMBERS.values()) for runtime in sort.runs.values())
        advised = re.findall(r"`([a-z0-9]+)`", sort.better)
        assert set(advised) <= sort.runs.keys(), f"{sort.name} is told to use what it does not run"


def test_numbers_of_every_quantization_are_known() -> None:
    annotation = tflite.MEMBER.model_fields["quantize"].annotation
    assert set(annotation.__args__) <= set(device.NUMBERS)  # type: ignore[union-attr]


# finding, and what runs and fits


@pytest.mark.parametrize(("text", "name"), CASES["find"].items())
def test_find(text: str, name: str | None) -> None:
    profile = device.find(text)
    assert (profile.name if profile else None) == name


def test_what_is_too_long_is_no_device() -> None:
    assert device.find("x" * 101) is None
    assert device.sort_of("x" * 101) is None


@pytest.mark.parametrize(("name", "kind", "quantize", "reason"), CASES["supports"])
def test_supports(name: str, kind: str, quantize: str, reason: str | None) -> None:
    told = device.supports(device.load(name), kind, quantize)
    assert told is None if reason is None else told is not None and reason in told


@pytest.mark.parametrize(("name", "file", "working", "memory", "reason"), CASES["fits"])
def test_fits(name: str, file: int, working: int | None, memory: int | None, reason: str | None) -> None:
    told = device.fits(device.load(name), file, working, memory)
    assert told is None if reason is None else told is not None and reason in told


def test_this_machine_is_looked_up() -> None:
    machine = device.here()
    assert machine.isa
    assert machine.cores
    assert machine.memory == () or machine.memory[0] > 2**28
    assert device.load("host").memory == ()


# estimates


def without(profile: device.Profile, model: str) -> device.Profile:
    """The device as if nobody had published what the model takes there."""
    results = tuple(
        replace(
            one,
            inferences_per_second=MappingProxyType(
                {name: rate for name, rate in one.inferences_per_second.items() if name != model}
            ),
        )
        for one in profile.results
    )
    return replace(profile, results=results)


def left_out(names: tuple[str, ...], runtime: str | None = "") -> list[tuple[float, device.Estimate]]:
    """The time that each published model takes, and its estimate from the three others; `runtime` is that of the result, or given."""
    found = []
    for name in names:
        profile = device.load(name)
        for result in profile.results:
            for model, rate in result.inferences_per_second.items():
                chosen = result.runtime if runtime == "" else runtime
                macs = device.macs_of_models()[model]
                found.append((1000 / rate, device.estimate(without(profile, model), macs, "tflite", "int8", runtime=chosen)))
    return found


def within(pairs: list[tuple[float, device.Estimate]]) -> float:
    return sum(
        one.low_ms is not None and one.high_ms is not None and one.low_ms <= true <= one.high_ms for true, one in pairs
    ) / len(pairs)


def test_published_models_lie_within_their_estimates() -> None:
    """Three boards, four models, each left out in turn: the 12 points that the bounds were first measured on."""
    pairs = left_out(MEASURED)
    assert len(pairs) == 12
    assert within(pairs) >= 0.95
    off = [one.estimate_ms / true for true, one in pairs if one.estimate_ms]
    assert (round(min(off), 2), round(max(off), 2)) == (0.81, 1.59)


def test_all_results_in_the_files_lie_within_their_estimates() -> None:
    published = tuple(name for name in device.names() if device.load(name).results)
    assert within(left_out(published)) >= 0.95
    assert within(left_out(published, runtime=None)) >= 0.95
    assert all(one.method == "roofline" for _, one in left_out(published))


def test_bounds_are_wider_where_the_runtime_is_another() -> None:
    board = device.load("nucleo_l4r5zi")
    own, other, unknown = (
        device.estimate(board, 2e6, "tflite", "int8", runtime=one) for one in ("x-cube-ai 7.3", "TensorFlow Lite Micro", None)
    )
    assert own.estimate_ms == other.estimate_ms == unknown.estimate_ms
    for one, factor in ((own, device.SAME_RUNTIME), (other, device.OTHER_RUNTIME), (unknown, device.OTHER_RUNTIME)):
        assert one.estimate_ms
        assert one.high_ms == one.estimate_ms * factor
        assert one.low_ms == one.estimate_ms / factor
        assert "X-CUBE-AI 7.3" in one.evidence
    assert "another runtime" in other.evidence
    assert "not known" in unknown.evidence


def test_one_board_calibrates_another_with_the_same_runtime() -> None:
    """What a model takes on one board, and a second model on both, says what the first takes on the other."""
    for here, there in permutations([device.load("nucleo_l4r5zi"), device.load("nucleo_h7a3zi_q")]):
        (result,), (reference,) = here.results, there.results
        time = {name: 1000 / rate for name, rate in result.inferences_per_second.items()}
        away = {name: 1000 / rate for name, rate in reference.inferences_per_second.items()}
        for this, other in permutations(time, 2):
            by = device.Calibration(there, result.runtime, away[this], away[other], time[other])
            told = device.estimate(here, None, "tflite", "int8", calibration=by)
            assert told.method == "calibrated"
            assert told.estimate_ms
            assert told.low_ms
            assert told.high_ms
            assert told.low_ms < time[this] < told.high_ms
            assert 0.92 < told.estimate_ms / time[this] < 1.09
            assert told.high_ms == told.estimate_ms * device.CALIBRATED


@pytest.mark.parametrize(
    ("reference", "times", "why"), [("host", (1, 1, 1), "nobody has shown"), ("nrf5340", (1, 0, 1), "not positive")]
)
def test_what_calibrates_nothing(reference: str, times: tuple[float, float, float], why: str) -> None:
    by = device.Calibration(device.load(reference), "X-CUBE-AI 7.3", *times)
    told = device.estimate(device.load("nucleo_l4r5zi"), 1e6, "tflite", "int8", calibration=by)
    assert told.method == "none"
    assert why in told.evidence


@pytest.mark.parametrize(("name", "macs", "kind", "quantize", "why"), CASES["nothing"])
def test_no_estimate_where_none_is_honest(name: str, macs: float | str | None, kind: str, quantize: str, why: str) -> None:
    told = device.estimate(device.load(name), None if macs is None else float(macs), kind, quantize)
    assert (told.estimate_ms, told.low_ms, told.high_ms, told.method) == (None, None, None, "none")
    assert why in told.evidence
    assert device.verdict(1e9, told) == "unproven"


@pytest.mark.parametrize(("limit", "low", "high", "verdict"), CASES["verdict"])
def test_verdict(limit: float, low: float | None, high: float | None, verdict: str) -> None:
    middle = None if low is None or high is None else (low + high) / 2
    assert device.verdict(limit, device.Estimate(middle, low, high, "roofline", "")) == verdict


def test_a_verdict_is_never_wrong_of_what_is_published() -> None:
    """A gate that goes by an estimate of these boards passes and fails only what really does."""
    for true, told in left_out(MEASURED):
        for limit in (true / 4, true / 1.5, true * 0.999, true, true * 1.5, true * 4):
            assert device.verdict(limit, told) in ("unproven", "pass" if true <= limit else "fail")


# what it costs


def test_lint_reads_no_device_where_none_is_named(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom mlspec import device, lint\n"
        "read = []\nreal = device._mapping\ndevice._mapping = lambda file: read.append(file) or real(file)\n"
        "lint.check(Path(sys.argv[1]))\nprint(sorted(set(read)))\n"
    )

    def read_of(spec: Path) -> str:
        ended = subprocess.run(
            [sys.executable, "-c", script, str(spec)], capture_output=True, text=True, check=True, cwd=tmp_path
        )
        return ended.stdout.strip()

    assert read_of(ROOT / "specs" / "churn.yaml") == "[]"
    named = tmp_path / "named.yaml"
    base = (ROOT / "tests" / "data" / "rules" / "base.yaml").read_text(encoding="utf-8")
    named.write_text(base + "\nexports: [{kind: onnx, device: cortex_m4}]\n", encoding="utf-8")
    assert read_of(named) == "['_sorts.yaml']", "a device that is known by its sort costs that file alone"


# the command


def test_the_command_lists_all() -> None:
    ended = CliRunner().invoke(command, [])
    assert ended.exit_code == 0
    assert [line.split()[0] for line in ended.output.splitlines()] == list(device.names())
    assert re.search(
        r"^raspberry_pi_4 +Raspberry Pi 4 Model B +1, 2, 4 or 8 GiB +tflite onnx openvino c$", ended.output, flags=re.M
    )


def test_the_command_shows_one_with_its_sources() -> None:
    said = CliRunner().invoke(command, ["NUCLEO L4R5ZI"]).output
    for part in ("640 KiB", "2 MiB", "1 x Cortex-M4, Armv7E-M, 120 MHz", "X-CUBE-AI 7.3", "it lacks GELU"):
        assert part in said
    assert all(source.url in said for source in device.pages(device.load("nucleo_l4r5zi")))


def test_the_command_gives_json() -> None:
    told = json.loads(CliRunner().invoke(command, ["--json"]).output)
    assert [one["name"] for one in told] == list(device.names())
    [board] = [one for one in told if one["name"] == "nucleo_l4r5zi"]
    assert json.loads(CliRunner().invoke(command, ["nucleo_l4r5zi", "--json"]).output) == board
    assert (board["memory_bytes"], board["flash_bytes"], board["clock_mhz"]) == ([655_360], 2_097_152, 120)
    assert board["formats"]["tflite"]["numbers"] == ["float32", "int8", "int16x8"]
    assert board["formats"]["c"]["numbers"] is None
    assert json.loads(CliRunner().invoke(command, ["host", "--json"]).output)["cores"] == device.here().cores


def test_the_command_says_what_was_meant() -> None:
    from mlspec.diagnostic import Problem

    ended = CliRunner().invoke(command, ["rasberry_pi_4"])
    assert isinstance(ended.exception, Problem)
    assert "did you mean `raspberry_pi_4`?" in (ended.exception.faults[0].help or "")
