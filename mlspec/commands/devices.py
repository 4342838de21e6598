"""`mlspec devices`: the edge devices that are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mlspec.device import Profile


@click.command("devices")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, or the object of the device that is named.")
def command(name: str | None, as_json: bool) -> None:
    """List the edge devices that are known: name, title, memory and the formats they run; with NAME, all of one.

    NAME may be an alias, spelled loosely. `host` is this machine.

    \b
    Examples:
      mlspec devices
      mlspec devices raspberry_pi_4
      mlspec devices "RPi 4" --json
    """
    from mlspec import device

    if name is not None:
        profile = _named(name)
        click.echo(json.dumps(device.plain(profile), indent=1, ensure_ascii=False) if as_json else "\n".join(_whole(profile)))
        return
    profiles = [device.load(one) for one in device.names()]
    if as_json:
        click.echo(json.dumps([device.plain(one) for one in profiles], indent=1, ensure_ascii=False))
        return
    width, wide = max(len(one.name) for one in profiles), max(len(one.title) for one in profiles)
    for one in profiles:
        sizes = device.sizes(one.memory) or "-"
        click.echo(f"{one.name:<{width}}  {one.title:<{wide}}  {sizes:<17}  {' '.join(one.runs)}")


def _named(name: str) -> Profile:
    from difflib import get_close_matches

    from mlspec import device
    from mlspec.diagnostic import Finding, Problem

    profile = device.find(name)
    if profile is None:
        close = get_close_matches(device.normal(name), device.names(), n=1, cutoff=0.6)
        help_text = f"did you mean `{close[0]}`? " * bool(close) + "`mlspec devices` lists them"
        raise Problem(Finding("unknown-device", f"there is no device {name!r}", help=help_text))
    return device.here() if profile.name == "host" else profile


def _whole(profile: Profile) -> Iterator[str]:
    from mlspec import device

    yield f"{profile.name}: {profile.title}"
    yield ""
    for what, told in device.told(profile):
        yield f"  {what:<12} {told}"
    for note in profile.notes:
        yield f"\n  {note}"
    pages = list(device.pages(profile))
    if pages:
        yield "\nSources"
    for page in pages:
        yield f"  {', '.join(page.of)}: {page.title}"
        yield f"    {page.url}"
