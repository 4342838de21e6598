"""What an export is held to: parity with the model, the limits of the spec, and that its numbers really were shortened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlspec import device as devices
from mlspec.runtime.edge.proof import TOLERANCES

Json = Mapping[str, Any]
HOST = "host"
ROUNDED = 0.1
"""How far kernels of whole numbers may be apart, as a share. Those of TensorFlow Lite Micro give what LiteRT's reference kernels
give, to a step or two; the fast ones that LiteRT takes round otherwise (measured: 13 steps of 256 at most, which is 0.05)."""
ORDER = ("fail", "unproven", "pass")


def entry(
    name: str, target: str, value: float | None, passed: bool | None, route: list[str | int], reason: str = ""
) -> dict[str, Any]:
    """Return one verdict; `passed` None is unproven: no number here says how it is on the device."""
    word = "unproven" if passed is None else "pass" if passed else "fail"
    return {"name": name, "target": target, "value": value, "verdict": word, "route": route, "reason": reason}


def of_proof(proof: Json, limits: Json, route: list[str | int]) -> Iterator[dict[str, Any]]:
    """Yield the verdicts that are the same on every machine. What an export answers is unproven where it could not be run."""
    unproven = proof.get("unproven")
    for one in _of_answers(proof, route):
        yield {**one, "value": None, "verdict": "unproven", "reason": unproven} if unproven else one
    if proof["quantize"] != "none":
        stored = sum(count for kind, count in proof["numbers"].items() if kind in ("int8", "uint8", "int4", "float16"))
        reason = "" if stored else "the file holds no shortened weights: nothing was quantized"
        yield entry("shortened weights", "> 0", stored, stored > 0, [*route, "quantize"], reason)
    if limits["max_size"] is not None:
        size, most = proof["size"], limits["max_size"]
        reason = f"the limit is {most:,} bytes, the files have {size:,}: {size - most:,} too many" if size > most else ""
        yield entry("size in bytes", f"<= {most}", size, size <= most, [*route, "max_size"], reason)
    if limits["max_drop"] is not None:
        drop = _drop(proof, float(limits["max_drop"]), [*route, "max_drop"])
        yield {**drop, "verdict": "unproven", "reason": unproven} if unproven else drop


def _of_answers(proof: Json, route: list[str | int]) -> Iterator[dict[str, Any]]:
    found, quantize = proof["parity"], proof["quantize"]
    tolerance = TOLERANCES[quantize]
    how: list[str | int] = [*route, "quantize" if quantize != "none" else "kind"]
    broken = found["not_finite"]
    yield entry(
        "rows without a finite answer", "<= 0", broken, not broken, how, f"of {found['rows']} test rows" if broken else ""
    )
    if "agreement" in found:
        agreement = found["agreement"]
        passed = agreement is not None and agreement >= tolerance.agreement
        yield entry("label agreement with the model", f">= {tolerance.agreement:g}", agreement, passed, how)
    if tolerance.difference is not None:
        worst = found["max_difference"]
        passed = worst is not None and worst <= tolerance.difference
        yield entry("largest difference from the model", f"<= {tolerance.difference:g}", worst, passed, how)


def _drop(proof: Json, most: float, route: list[str | int]) -> dict[str, Any]:
    name = proof["primary"]
    found = proof["metrics"].get(name)
    label, target = f"drop of {name}", f"<= {most:g}"
    if found is None or found["drop"] is None:
        return entry(label, target, None, False, route, f"{name} has no number for both models")
    before, after = found["source"]["value"], found["exported"]["value"]
    return entry(
        label, target, found["drop"], found["drop"] <= most, route, f"the model has {before:.4g}, the export {after:.4g}"
    )


def of_micro(proof: Json, route: list[str | int]) -> Iterator[dict[str, Any]]:
    """Yield the verdict on running on a microcontroller, where the export is for one, and its kernels were asked."""
    found = proof.get("micro")
    if found is None:
        return
    place: list[str | int] = [*route, "device"]
    name, target = "runs on TensorFlow Lite Micro", "all operators"
    if "unproven" in found:
        yield entry(name, target, None, None, place, found["unproven"])
        return
    if "refused" in found:
        runtime = devices.sorts()[devices.TESTED].runs.get(proof["format"])
        why = devices.refused_numbers(runtime, proof["quantize"]) or "its kernels do not take the model"
        yield entry(name, target, None, False, place, f"{why} ({found['refused']})")
        return
    yield entry(name, target, None, True, place)
    floats = devices.NUMBERS[proof["quantize"]] == "float32"
    most, worst, steps = TOLERANCES["none"].difference if floats else ROUNDED, found["max_difference"], found["max_steps"]
    reason = "" if steps is None else f"{steps} of the steps of its whole numbers"
    assert most is not None
    passed = worst is not None and worst <= most
    yield entry("largest difference of TensorFlow Lite Micro from LiteRT", f"<= {most:g}", worst, passed, place, reason)


def of_arena(proof: Json, memory: int, place: list[str | int]) -> Iterator[dict[str, Any]]:
    """Yield the verdict on what TensorFlow Lite Micro works in. Here its pointers are twice as long as on a microcontroller:
    what fits with them fits there, and what exceeds the memory without them does not."""
    found = proof.get("micro", {}).get("arena")
    if found is None:
        return
    passed = True if found["bytes"] <= memory else False if found["tensors"] > memory else None
    reason = f"{found['tensors']:,} of them are numbers, the others hold pointers of 64 bits: on the device there are fewer"
    yield entry("arena in bytes", f"<= {memory}", found["bytes"], passed, place, reason)


def of_memory(proof: Json, timing: Json, limits: Json) -> Iterator[dict[str, Any]]:
    """Yield the verdict on `hardware.edge.memory`: files that exceed it fail; what a process takes here proves nothing there."""
    most = limits["memory"]
    if most is None:
        return
    size = proof["size"]
    place: list[str | int] = ["hardware", "edge", "memory"]
    if size > most:
        yield entry("size in bytes", f"<= {most}", size, False, place, "the files alone need more memory than there is")
        return
    if proof.get("micro", {}).get("arena"):
        yield from of_arena(proof, most, place)
        return
    if "unproven" in timing:
        yield entry(
            "memory in bytes", f"<= {most}", None, None, place, f"{timing['unproven']}: run bench.py there, then `mlspec bench`"
        )
        return
    here = timing["exported"]["memory_mib"]
    reason = f"the process took {here:g} MiB here, above an interpreter with NumPy: bench.py measures it on the device"
    yield entry("memory in bytes", f"<= {most}", None, None, place, reason)


def of_timing(proof: Json, timing: Json, limits: Json, device: str | None, route: list[str | int]) -> Iterator[dict[str, Any]]:
    """Yield the verdicts on speed. A device that is not here cannot be measured: what is not known of it is unproven."""
    most = limits["max_latency_p95"]
    if most is None:
        return
    limit, place = 1e3 * most, [*route, "max_latency_p95"]
    name, target = "95th percentile of latency in ms", f"<= {limit:g}"
    if "unproven" in timing:
        yield entry(name, target, None, None, place, f"{timing['unproven']}: run bench.py there, then `mlspec bench`")
        return
    measured = timing["exported"]["latency_ms"]["p95"]
    profile = None if device is None else devices.find(device)
    if device is None or (profile is not None and profile.name == HOST):
        reason = f"measured here, one row at a time, {timing['exported']['threads']} thread"
        yield entry(name, target, measured, measured <= limit, place, reason)
        return
    estimate = None if profile is None else devices.estimate(profile, proof["macs"], proof["format"], proof["quantize"])
    if estimate is not None and estimate.estimate_ms is not None:
        word = devices.verdict(limit, estimate)
        between = f"{estimate.low_ms:.3g} to {estimate.high_ms:.3g} ms"
        reason = f"an estimate for {device}, {between}: {estimate.evidence}"
        yield entry(name, target, estimate.estimate_ms, {"pass": True, "fail": False}.get(word), place, reason)
        return
    reason = f"{device} is not here (on this machine {measured:.3g} ms): run bench.py on it, then `mlspec bench`"
    yield entry(name, target, None, None, place, reason)


def of_room(proof: Json, device: str | None, route: list[str | int]) -> Iterator[dict[str, Any]]:
    """Yield a failure where the files have no room on the device, as far as its profile knows."""
    profile = None if device is None else devices.find(device)
    why = None if profile is None else devices.fits(profile, proof["size"])
    if why:
        yield entry("room on the device", "the files fit", proof["size"], False, [*route, "device"], why)
    if profile is not None and profile.memory:
        yield from of_arena(proof, max(profile.memory), [*route, "device"])


def verdict(entries: list[dict[str, Any]]) -> str:
    """The worst of several verdicts."""
    found = {one["verdict"] for one in entries}
    return next((word for word in ORDER if word in found), "pass")
