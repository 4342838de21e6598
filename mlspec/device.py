"""Edge devices as data: what each is, what runs on it, and how long a model takes there, as far as that can be said honestly.

One YAML file a device in `devices/`, each figure with the page it comes from. Nothing is read before it is asked for: a sort
costs one file (`_sorts.yaml`), an alias or a misspelt name all of them.

How far estimates of latency are off was measured on the published results of MLPerf Tiny, closed division, v0.5 to v1.3
(https://github.com/mlcommons/tiny_results_v1.3 and its predecessors): 56 systems that have a processor and no accelerator, four
models each. `tests/test_device.py` repeats it for the boards that have a file here.
"""

from __future__ import annotations

import math
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

PLACE = Path(__file__).parent / "devices"

Method = Literal["calibrated", "roofline", "none"]
Verdict = Literal["pass", "fail", "unproven"]

NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        "none": "float32",
        "float16": "float16",
        "dynamic": "hybrid",
        "int8": "int8",
        "int8_aware": "int8",
        "int16x8": "int16x8",
        "weights": "float32",
    }
)
"""`quantize` of an export, and the numbers that the runtime then computes in: `hybrid` is int8 weights with float activations,
`int16x8` int8 weights with int16 activations; weights that are only stored in int8 become float before anything is computed."""

SAME_RUNTIME = 1.7
"""Multiply and divide by it: a model from the three others on the same board with the same runtime; 96 % of 224 lie within."""

OTHER_RUNTIME = 3.0
"""The same where the three others ran with another runtime; 95 % of 1688 lie within, and the worst is off by 5.2."""

CALIBRATED = 1.4
"""A model's time on another microcontroller, scaled by a second model that ran on both; 96 % of 756 lie within, 66 % in 1.1."""

SMALLER, LARGER = 10.1, 1.7
"""How far below and above the measured models the back-test reaches (2.66 to 0.264 million, 7.49 to 12.5): beyond it, none."""

TESTED = "microcontroller"
"""The sort of device that the factors hold for. On x86-64 with LiteRT the same method was off by up to 3.5 times (measured)."""

_SIZES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_CLOCKS = {"MHz": 1.0, "GHz": 1000.0}


@dataclass(frozen=True)
class Source:
    """A public page, and which figures of a file are from it."""

    title: str
    url: str
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Runtime:
    """What runs a format on a sort of device."""

    format: str
    title: str
    numbers: tuple[str, ...] = ()
    """What it computes in; empty where nothing is known to be refused."""
    lacks: tuple[str, ...] = ()
    """Operators that it does not have, as far as is known."""
    peak: int | None = None
    """Peak memory in MB (10^6 bytes) of a process that loads one small model and answers, measured on x86-64."""
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Sort:
    """A sort of device: what all of them run, and what none of them can."""

    name: str
    title: str
    pattern: re.Pattern[str]
    examples: tuple[str, ...]
    runs: Mapping[str, Runtime]
    refuses: Mapping[str, str]
    """Format -> why it cannot run there."""
    better: str
    """What to write instead of a format that is refused."""


@dataclass(frozen=True)
class Result:
    """Published inferences per second of the models of MLPerf Tiny on one board with one runtime, one inference at a time."""

    runtime: str
    format: str
    number: str
    inferences_per_second: Mapping[str, float]
    source: Source


@dataclass(frozen=True)
class Profile:
    """What is known of one device; what is not known is None or empty."""

    name: str
    title: str
    sort: str
    aliases: tuple[str, ...] = ()
    isa: str | None = None
    core: str | None = None
    cores: int | None = None
    clock_mhz: float | None = None
    memory: tuple[int, ...] = ()
    """Bytes of memory of each size that it is sold with, the smallest first."""
    flash: int | None = None
    """Bytes of flash, where that limits the model."""
    runs: Mapping[str, Runtime] = field(default_factory=dict)
    """Format -> what runs it."""
    refuses: Mapping[str, str] = field(default_factory=dict)
    accelerator: str | None = None
    boards: tuple[str, ...] = ()
    """Devices with this core that have a file of their own, where this is a core and not a board."""
    notes: tuple[str, ...] = ()
    results: tuple[Result, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Estimate:
    """A latency in milliseconds for one inference, what it lies between, and why one may believe it."""

    estimate_ms: float | None
    low_ms: float | None
    high_ms: float | None
    method: Method
    evidence: str


@dataclass(frozen=True)
class Calibration:
    """Another model that ran on both devices with one runtime, and this model on the reference; milliseconds an inference."""

    reference: Profile
    runtime: str
    this_there_ms: float
    other_there_ms: float
    other_here_ms: float


# reading


def _mapping(file: str) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML was built with it: ten times as fast
    told: dict[str, Any] = yaml.load((PLACE / file).read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 both are safe loaders
    return told


def _sources(told: Iterable[Mapping[str, Any]]) -> tuple[Source, ...]:
    return tuple(Source(one["title"], one["url"], tuple(one.get("of", ()))) for one in told)


@cache
def sorts() -> Mapping[str, Sort]:
    """Return the sorts of devices by name; the first whose pattern fits a name is that of the device."""
    told = _mapping("_sorts.yaml")
    runtimes = {name: _runtime(one) for name, one in told["runtimes"].items()}
    return MappingProxyType({name: _sort(name, one, runtimes) for name, one in told["sorts"].items()})


def _runtime(told: Mapping[str, Any]) -> Runtime:
    sources = _sources(told.get("sources", ()))
    return Runtime(
        told["format"], told["title"], tuple(told.get("numbers", ())), tuple(told.get("lacks", ())), told.get("peak"), sources
    )


def _sort(name: str, told: Mapping[str, Any], runtimes: Mapping[str, Runtime]) -> Sort:
    runs = {runtimes[one].format: runtimes[one] for one in told["runs"]}
    pattern = re.compile("|".join(told["names"]))
    examples = tuple(told.get("examples", ()))
    return Sort(name, told["title"], pattern, examples, MappingProxyType(runs), MappingProxyType(told["refuses"]), told["better"])


def runtimes() -> Mapping[str, Runtime]:
    """Return the runtimes whose peak memory is measured by their format, the smallest first."""
    measured = {one for sort in sorts().values() for one in sort.runs.values() if one.peak is not None}
    return {one.format: one for one in sorted(measured, key=lambda one: one.peak or 0)}


@cache
def macs_of_models() -> Mapping[str, int]:
    """Return the multiply-accumulates of one inference of each model of MLPerf Tiny."""
    return MappingProxyType({name: one["macs"] for name, one in _mapping("_mlperf_tiny.yaml")["models"].items()})


@cache
def names() -> tuple[str, ...]:
    """Return the names of all devices that have a file; none of the files is read."""
    return tuple(sorted(file.stem for file in PLACE.glob("[!_]*.yaml")))


@cache
def load(name: str) -> Profile:
    """Return a device by its name, one of `names()`."""
    told = _mapping(f"{name}.yaml")
    sort = sorts()[told["sort"]]
    chosen = told.get("formats", sort.runs)
    return Profile(
        name=name,
        title=told["title"],
        sort=sort.name,
        aliases=tuple(told.get("aliases", ())),
        isa=told.get("isa"),
        core=told.get("core"),
        cores=told.get("cores"),
        clock_mhz=_measure(told["clock"], _CLOCKS) if "clock" in told else None,
        memory=tuple(int(_measure(one, _SIZES)) for one in told.get("memory", ())),
        flash=int(_measure(told["flash"], _SIZES)) if "flash" in told else None,
        runs=MappingProxyType({form: runtime for form, runtime in sort.runs.items() if form in chosen}),
        refuses=sort.refuses,
        accelerator=told.get("accelerator"),
        boards=tuple(told.get("boards", ())),
        notes=tuple(told.get("notes", ())),
        results=tuple(map(_result, told.get("results", ()))),
        sources=_sources(told["sources"]),
    )


def _result(told: Mapping[str, Any]) -> Result:
    [source] = _sources([told["source"]])
    return Result(told["runtime"], told["format"], told["number"], MappingProxyType(told["inferences_per_second"]), source)


def _measure(text: str, units: Mapping[str, float]) -> float:
    number, unit = text.split()
    return float(number) * units[unit]


# finding


def normal(text: str) -> str:
    """Return a name as patterns and files have it: small letters, digits and single underscores."""
    return re.sub(r"[\W_]+", "_", text.lower()).strip("_")


def sort_of(text: str | None) -> Sort | None:
    """Return which sort of device a name means, or None."""
    if text is None or len(text) > 100:
        return None
    name = normal(text)
    return next((sort for sort in sorts().values() if sort.pattern.fullmatch(name)), None)


def known() -> tuple[str, ...]:
    """Return the words that a misspelt name may have meant: the devices that have a file, and examples of each sort."""
    return tuple(dict.fromkeys((*names(), *(one for sort in sorts().values() for one in sort.examples))))


@cache
def _aliases() -> Mapping[str, str]:
    """Return the name of a device by its letters and digits alone, and by those of each alias: ``RPi 4`` is ``rpi_4``."""
    found = {alias: name for name in names() for alias in load(name).aliases}
    return {normal(word).replace("_", ""): name for word, name in ({name: name for name in names()} | found).items()}


def find(text: str) -> Profile | None:
    """Return the device of this name or alias, however its letters are cased and its words are joined, or None."""
    if len(text) > 100:
        return None
    name = normal(text)
    if name not in names():
        name = _aliases().get(name.replace("_", ""), "")
    return load(name) if name else None


def here() -> Profile:
    """Return the profile of this machine with what it has: architecture, cores and memory, as its system tells."""
    memory: tuple[int, ...] = ()
    if hasattr(os, "sysconf") and {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys():
        memory = (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),)
    return replace(load("host"), isa=platform.machine() or None, cores=os.cpu_count(), memory=memory)


# judging


def supports(profile: Profile, kind: str, quantize: str = "none") -> str | None:
    """Return why a device cannot run an export of this kind with these numbers, or None where nothing is known against it."""
    refused = profile.refuses.get(kind)
    if refused:
        return refused
    return refused_numbers(profile.runs.get(kind), quantize)


def refused_numbers(runtime: Runtime | None, quantize: str) -> str | None:
    """Return why a runtime cannot compute with the numbers that `quantize` of an export leaves, or None."""
    if runtime is None or not runtime.numbers or NUMBERS[quantize] in runtime.numbers:
        return None
    asked = "int8 weights and float activations" if quantize == "dynamic" else NUMBERS[quantize]
    return f"{runtime.title} computes in {' or '.join(runtime.numbers)}, not in {asked}"


def fits(profile: Profile, file_bytes: int, working_bytes: int | None = None, memory_bytes: int | None = None) -> str | None:
    """Return why a model has no room on a device, or None where nothing is known against it.

    `file_bytes` is the model's file, `working_bytes` what the runtime needs besides: the arena of a microcontroller, the resident
    memory of a process elsewhere. `memory_bytes` is what the model may use, where that is known better than from the largest
    size that the device is sold with. What the system and the rest of the program take is not counted.
    """
    memory = memory_bytes if memory_bytes is not None else max(profile.memory, default=None)
    if profile.flash is not None and file_bytes > profile.flash:
        return f"the file has {spoken(file_bytes)}, and the flash of {profile.title} {spoken(profile.flash)}"
    if memory is None:
        return None
    # a microcontroller reads the model where it lies, in flash; elsewhere the file is read into memory
    wanted = max(working_bytes or 0, 0 if profile.sort == TESTED else file_bytes)
    return f"the model needs {spoken(wanted)} of memory, and {profile.title} has {spoken(memory)}" if wanted > memory else None


def spoken(size: int) -> str:
    """Return a size in bytes as people say it, in powers of 1024: in a unit that it is a whole number of, if there is one."""
    fitting = [unit for unit in ("GiB", "MiB", "KiB") if size >= _SIZES[unit]]
    unit = next((unit for unit in fitting if size % _SIZES[unit] == 0 and size < 10_000 * _SIZES[unit]), (*fitting, None)[0])
    return f"{size / _SIZES[unit]:.4g} {unit}" if unit else f"{size} B"


def estimate(
    profile: Profile,
    macs: float | None,
    kind: str,
    quantize: str,
    *,
    runtime: str | None = None,
    calibration: Calibration | None = None,
) -> Estimate:
    """Return how long one inference takes on a device that is not at hand, in milliseconds, with the bounds that a gate goes by.

    `macs` are the multiply-accumulates of one inference, `kind` and `quantize` those of the export. `runtime` is what will run it
    there (`X-CUBE-AI 7.3`): where the published results have the same, the bounds are `SAME_RUNTIME`, else `OTHER_RUNTIME`.
    """
    why = supports(profile, kind, quantize) or _untested(profile)
    if why:
        return _nothing(why)
    if calibration is not None:
        return _calibrated(profile, calibration)
    if macs is None or not 0 < macs < math.inf:
        return _nothing("the multiply-accumulates of the model are not counted")
    return _roofline(
        profile, macs, [one for one in profile.results if (one.format, one.number) == (kind, NUMBERS[quantize])], runtime
    )


def _untested(profile: Profile) -> str | None:
    if profile.sort == "host":
        return "this machine is at hand: measure it"
    if profile.sort != TESTED:
        return f"nobody has shown how far an estimate for {profile.title} is off: measure it on the device"
    if profile.boards:
        return (
            f"{profile.title} is a core, not a board: name the board, such as {' or '.join(f'`{one}`' for one in profile.boards)}"
        )
    return None


def _nothing(why: str) -> Estimate:
    return Estimate(None, None, None, "none", why)


def _around(ms: float, factor: float, method: Method, evidence: str) -> Estimate:
    return Estimate(ms, ms / factor, ms * factor, method, f"{evidence}; off by at most {factor:g} times in 95 of 100 cases")


def _calibrated(profile: Profile, by: Calibration) -> Estimate:
    if by.reference.sort != TESTED:
        return _nothing(f"nobody has shown how times on {by.reference.title} carry over to {profile.title}")
    if min(by.this_there_ms, by.other_there_ms, by.other_here_ms) <= 0:
        return _nothing("a measured time is not positive")
    ms = by.this_there_ms * by.other_here_ms / by.other_there_ms
    evidence = f"{by.this_there_ms:g} ms on {by.reference.title}, scaled by another model that ran on both with {by.runtime}"
    return _around(ms, CALIBRATED, "calibrated", evidence)


def _roofline(profile: Profile, macs: float, results: list[Result], runtime: str | None) -> Estimate:
    if not results:
        return _nothing(f"no result is published for {profile.title} in this format with these numbers")
    own = [one for one in results if runtime and normal(one.runtime) == normal(runtime)]
    used = own or results
    counted = macs_of_models()
    measured = [counted[model] for one in used for model in one.inferences_per_second]
    if not min(measured) / SMALLER <= macs <= max(measured) * LARGER:
        return _nothing(f"{macs:,.0f} multiply-accumulates are too far from the {min(measured):,} to {max(measured):,} measured")
    rates = [counted[model] * each for one in used for model, each in one.inferences_per_second.items()]
    ms = 1000 * macs / math.exp(math.fsum(map(math.log, rates)) / len(rates))
    ran = " and ".join(dict.fromkeys(one.runtime for one in used))
    whose = "" if own else f", and what will run it is {'another runtime' if runtime else 'not known'}"
    evidence = f"{macs:,.0f} multiply-accumulates at the rate of MLPerf Tiny on this board with {ran}{whose}"
    return _around(ms, SAME_RUNTIME if own else OTHER_RUNTIME, "roofline", evidence)


def verdict(limit_ms: float, estimate: Estimate) -> Verdict:
    """Return what an estimate proves of a limit in milliseconds: its upper bound passes it, its lower bound fails it."""
    if estimate.low_ms is None or estimate.high_ms is None:
        return "unproven"
    return "pass" if estimate.high_ms <= limit_ms else "fail" if estimate.low_ms > limit_ms else "unproven"


# telling


def sizes(memory: Iterable[int]) -> str:
    """Return the sizes of memory that a device is sold with as people say them: ``1, 2, 4 or 8 GiB``."""
    said = [spoken(one) for one in memory]
    if len({one.split()[1] for one in said}) == 1:
        said = [*(one.split()[0] for one in said[:-1]), said[-1]]
    return " or ".join(filter(None, (", ".join(said[:-1]), said[-1]))) if said else ""


def told(profile: Profile) -> Iterator[tuple[str, str]]:
    """Yield what is known of a device, each with the word for it."""
    core = " ".join(filter(None, (f"{profile.cores} x" if profile.cores and profile.core else "", profile.core)))
    clock = f"{profile.clock_mhz:g} MHz" if profile.clock_mhz else ""
    cores = f"{profile.cores} cores" if profile.cores and not profile.core else ""
    known = {
        "sort": sorts()[profile.sort].title,
        "also called": ", ".join(profile.aliases),
        "processor": ", ".join(filter(None, (core, profile.isa, cores, clock))),
        "memory": sizes(profile.memory),
        "flash": spoken(profile.flash) if profile.flash else "",
        "accelerator": profile.accelerator or "",
        "boards": ", ".join(profile.boards),
    }
    yield from ((what, said) for what, said in known.items() if said)
    yield from ((form, with_numbers(runtime)) for form, runtime in profile.runs.items())
    yield from ((form, f"no: {why}") for form, why in profile.refuses.items())
    for one in profile.results:
        each = ", ".join(f"{model} {rate:g}" for model, rate in one.inferences_per_second.items())
        yield "measured", f"{one.runtime}, `{one.format}` in {one.number}, inferences a second: {each}"


def with_numbers(runtime: Runtime) -> str:
    """Return what a runtime is called, the numbers that it computes in, and the operators that it lacks."""
    numbers = f", in {' or '.join(runtime.numbers)}" if runtime.numbers else ""
    return f"{runtime.title}{numbers}" + (f"; it lacks {', '.join(runtime.lacks)}" if runtime.lacks else "")


def pages(profile: Profile) -> Iterator[Source]:
    """Yield where the figures of a device are from, those of its runtimes and results too."""
    yield from profile.sources
    for runtime in profile.runs.values():
        yield from (replace(one, of=(f"{runtime.title} ({', '.join(one.of)})",)) for one in runtime.sources)
    yield from (replace(one.source, of=("measured",)) for one in profile.results)


def plain(profile: Profile) -> dict[str, Any]:
    """Return a device as JSON has it: sizes in bytes, the clock in MHz."""
    return {
        "name": profile.name,
        "title": profile.title,
        "sort": profile.sort,
        "aliases": list(profile.aliases),
        "isa": profile.isa,
        "core": profile.core,
        "cores": profile.cores,
        "clock_mhz": profile.clock_mhz,
        "memory_bytes": list(profile.memory),
        "flash_bytes": profile.flash,
        "accelerator": profile.accelerator,
        "boards": list(profile.boards),
        "formats": {
            form: {"runtime": one.title, "numbers": list(one.numbers) or None, "lacks": list(one.lacks)}
            for form, one in profile.runs.items()
        },
        "refused": dict(profile.refuses),
        "notes": list(profile.notes),
        "results": [
            {
                "runtime": one.runtime,
                "format": one.format,
                "number": one.number,
                "inferences_per_second": dict(one.inferences_per_second),
            }
            for one in profile.results
        ],
        "sources": [{"title": one.title, "url": one.url, "of": list(one.of)} for one in pages(profile)],
    }
