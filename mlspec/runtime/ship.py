"""Put the exports together: one directory for the devices, the manifest that updates over the air go by, and the verdict."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlspec.runtime import report
from mlspec.runtime.artifact import digest, read_json, whole, write_json
from mlspec.runtime.edge import bundle, picture, verdicts

Json = dict[str, Any]


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `bundle` (a directory for each export, `manifest.json`, SHA256SUMS), `decision` (the verdicts) and `page`.

    `params["exports"]` names each export with its route and limits; its inputs are `<name>`, `<name>_proof` and `<name>_timing`.
    What cannot be known here (the speed of a device that is elsewhere) is `unproven`: it is told, and fails nothing.
    """
    exports = [_export(one, inputs) for one in params["exports"]]
    entries = [entry for one in exports for entry in one["requirements"]]
    judged = [one for one in entries if one["verdict"] != "unproven"]
    unproven = [one for one in entries if one["verdict"] == "unproven"]
    failed = sum(one["verdict"] == "fail" for one in judged)
    verdict = "fail" if failed else "pass"
    counted = {"passed": len(judged) - failed, "failed": failed, "unproven": len(unproven)}
    decision = {"verdict": verdict, "requirements": judged, "unproven": unproven, "summary": counted, "exports": exports}
    write_json(outputs["decision"], decision)
    told = {"about": report.about(params["about"]), "verdict": verdict, "counted": counted, "exports": exports}
    report.write_page(outputs["page"], "edge.html.j2", {**told, "drawing": picture.of_exports(exports)})
    with whole(outputs["bundle"]) as place:
        for one in params["exports"]:
            shutil.copytree(inputs[one["name"]], place / one["name"])
        write_json(place / "manifest.json", _manifest(params, inputs))
        bundle.seal(place)
    return {"verdict": verdict, **counted}


def _export(one: Json, inputs: Mapping[str, Path]) -> Json:
    proof, timing = read_json(inputs[f"{one['name']}_proof"]), read_json(inputs[f"{one['name']}_timing"])
    found = [
        *proof["requirements"],
        *verdicts.of_timing(proof, timing, one["limits"], one["export"]["device"], list(one["route"])),
    ]
    found += [
        *verdicts.of_room(proof, one["export"]["device"], list(one["route"])),
        *verdicts.of_memory(proof, timing, one["limits"]),
    ]
    named = [{**entry, "name": f"{one['name']}: {entry['name']}"} for entry in found]
    warnings = [*_pruned(proof), *_controlled(proof)]
    if unproven := proof.get("unproven"):
        warnings.append(f"{unproven}: it was written and not run; run bench.py there, then `mlspec bench`")
    if timing.get("slower_than_float"):
        before, after = (timing[part]["latency_ms"]["p50"] for part in ("float", "exported"))
        warnings.append(f"it is slower here than the same model in float32: {after:.3g} ms against {before:.3g} ms")
    default = (proof.get("device_default") or {}).get("max_difference", 0.0)
    if default > 1e-3:
        warnings.append(f"by default this processor computes less precisely: {default:.2g} off; runner.py asks for float32")
    return {
        "name": one["name"],
        "device": one["export"]["device"],
        "verdict": verdicts.verdict(found),
        "requirements": named,
        "warnings": warnings,
        "proof": {name: value for name, value in proof.items() if name != "requirements"},
        "timing": timing,
    }


def _pruned(proof: Json) -> Iterator[str]:
    """Say what pruning has brought here: bytes that are delivered count, and zeros are delivered too."""
    told = proof.get("pruned")
    if told is None:
        return
    before, after = told["weights_before"], told["weights_after"]
    if told["structured"]:
        yield f"pruned by whole units: {after:,} of {before:,} weights are left, and size and latency are of what is left"
    else:
        yield (
            f"pruned by single weights: {told['zeros']:,} of {before:,} are zero; the files are as large and as slow as before, "
            "and only their compressed download is smaller"
        )


def _controlled(proof: Json) -> Iterator[str]:
    told = proof.get("accuracy_control")
    if told is not None:
        yield f"accuracy control: {told['in_float']} of {told['layers']} layers went back to float32"


def _manifest(params: Mapping[str, Any], inputs: Mapping[str, Path]) -> Json:
    """Return what a device asks before an update: what is new, whether it is whole, and what to do where it does not work."""
    artifacts = {}
    for one in params["exports"]:
        place = inputs[one["name"]]
        files = sorted(file for file in place.rglob("*") if file.is_file())
        artifacts[one["name"]] = {
            "format": one["export"]["kind"],
            "device": one["export"]["device"],
            "digest": digest(place),
            "files": [
                {
                    "path": f"{one['name']}/{file.relative_to(place).as_posix()}",
                    "bytes": file.stat().st_size,
                    "sha256": digest(file),
                }
                for file in files
            ],
        }
    return {
        "format": 1,
        "name": params["registered"],
        "version": params["about"].get("version", ""),
        "artifacts": artifacts,
        "install": {
            "verify": "sha256 of each file, then `python bench.py`",
            "activate": "when files_as_shipped and max_difference is small",
        },
        "rollback": {
            "to": "the version before",
            "when": ["a checksum differs", "bench.py fails", "max_difference exceeds 0.001 for float32"],
        },
    }
