"""`mlspec bench`: what a device measured, held against the limits of the spec."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path)


@click.command("bench")
@click.argument("bundle", type=FILE)
@click.argument("result", type=FILE, required=False)
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=3.0, show_default=True, help="Without RESULT: how long to measure."
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts and the result as JSON.")
def command(bundle: Path, result: Path | None, seconds: float, as_json: bool) -> None:
    """Verify what BUNDLE's own bench.py measured on a device: the files, the answers, and the limits of the spec.

    BUNDLE is the directory of one export, such as package/edge/tflite_int8. RESULT is the result.json that bench.py wrote there;
    without one, bench.py is run on this machine. The exit code is 1 where a verdict is not a pass.

    \b
    Examples:
      scp -r package/edge/tflite_int8 pi: && ssh pi python tflite_int8/bench.py && scp pi:tflite_int8/result.json .
      mlspec bench package/edge/tflite_int8 result.json
      mlspec bench package/edge/onnx
    """
    from mlspec.runtime.edge import proof, verify

    about = verify.bundle_of(bundle)
    found = verify.result_of(result) if result is not None else proof.timing(bundle, seconds)
    entries = verify.verified(about, found)
    if as_json:
        click.echo(json.dumps({"verdicts": entries, "result": found}, indent=1))
    else:
        _tell(about, found, entries)
    if any(one["verdict"] != "pass" for one in entries):
        sys.exit(1)


def _tell(about: dict[str, Any], found: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    latency = found["latency_ms"]
    where = found.get("processor") or found.get("machine")
    click.echo(f"{about['name']} {about['version']}, {about['format']}, on {where}")
    click.echo(f"  {latency['p50']:.3g} ms, 95 % within {latency['p95']:.3g} ms; {found['memory_mib']:g} MiB")
    for one in entries:
        mark = click.style("✓", fg="green") if one["verdict"] == "pass" else click.style("✗", fg="red")
        value = "" if one["value"] is None else f" {one['value']:.4g},"
        line = f"  {mark} {one['name']}:{value} wanted {one['target']}"
        click.echo(line + (f" ({one['reason']})" if one["reason"] else ""))
