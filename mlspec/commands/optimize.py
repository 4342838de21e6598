"""`mlspec optimize`: which format, and which way to shorten numbers, makes the smallest and the fastest file of a model."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mlspec.fan_out import Item
    from mlspec.ir import Pipeline
    from mlspec.lint import Opened
    from mlspec.spec.project import Project

USUAL = 0.01
"""What may be lost of the primary metric where neither the spec nor the command line says it."""

TAKEN = {"model": ("train", "model"), "metrics": ("evaluate", "metrics")} | {
    name: ("split", name) for name in ("train", "dev", "test")
}


@click.command("optimize")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--env", metavar="NAME", help="Lay the overlay `environments.NAME` over the spec.")
@click.option("--set", "sets", multiple=True, metavar="ROUTE=VALUE", help="Set a value, such as --set splits.seed=3.")
@click.option(
    "--max-drop",
    metavar="SHARE",
    help="How much of the primary metric may be lost, such as 0.5%.  [default: the least that the spec's exports allow, "
    "else 1 %]",
)
@click.option("--format", "formats", multiple=True, metavar="KIND", help="Try this format only, such as tflite; again for more.")
@click.option("--device", metavar="NAME", help="Leave out what does not run there.  [default: that of `hardware.edge`]")
@click.option("--item", metavar="VALUE", help="Whose model, where the spec has `for_each`.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="The page.  [default: runs/NAME/optimize.html]"
)
@click.option("--quiet", "-q", is_flag=True, help="Do not tell what is being tried.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def command(
    spec: Path,
    env: str | None,
    sets: tuple[str, ...],
    max_drop: str | None,
    formats: tuple[str, ...],
    device: str | None,
    item: str | None,
    output: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Try every format and every way to shorten numbers on the spec's model; find the smallest and the fastest that still is it.

    The model is that of the last run; where that is not there, or the spec has changed since, it is made first. Each variant is
    written, read back and measured on this machine, and judged on rows of the dev split. What is chosen is then proven on the
    test split, as an export is. Exit code 1 where nothing stays within --max-drop, or the proof of what was chosen fails.

    \b
    Examples:
      mlspec optimize specs/digits.yaml
      mlspec optimize specs/digits.yaml --format tflite --max-drop 0.5%
      mlspec optimize specs/digits.yaml --json > variants.json
    """
    from mlspec import build
    from mlspec.diagnostic import Problem

    opened = build.open_spec(spec, env=env, sets=sets)
    if opened.errors:
        raise Problem(*opened.errors)
    project = opened.checked()
    most = _most(project, max_drop)
    whose = _item(project, opened, item)

    def tell(line: str) -> None:
        if not (quiet or as_json):
            click.echo(f"  {line}", err=True)

    sources = _sources(opened, build.pipeline_of(opened), whose)
    found = _search(opened, project, sources, most, formats, device, whose, tell)
    place = output or Path("runs") / _slug(project) / (f"optimize_{whose.slug}.html" if whose else "optimize.html")
    _draw(found, place)
    if as_json:
        click.echo(json.dumps({**found, "page": str(place)}, indent=1, ensure_ascii=False))
    else:
        click.echo("\n".join(_table(found, place)))
    if not found["proofs"] or any(one["verdict"] == "fail" for one in found["proofs"].values()):
        sys.exit(1)


def _most(project: Project, asked: str | None) -> float:
    if asked is not None:
        from mlspec.quantity import Percent, QuantityError

        try:
            return float(Percent.parse(asked))
        except QuantityError as error:
            raise click.BadParameter(f"{error.message}; {error.help}", param_hint="--max-drop") from None
    told = [float(one.max_drop) for one in project.exports if getattr(one, "max_drop", None) is not None]  # type: ignore[attr-defined]
    return min(told, default=USUAL)


def _item(project: Project, opened: Opened, asked: str | None) -> Item | None:
    """Return whose model is meant; raise a fault of the command line where that is not said, or not known."""
    if project.for_each is None:
        if asked is not None:
            raise click.BadParameter("the spec has no `for_each`: there is one model", param_hint="--item")
        return None
    from mlspec.fan_out import items_of

    items = items_of(project.for_each, opened.folder)
    found = next((one for one in items if asked in (one.text, one.slug)), None)
    if found is None:
        some = ", ".join(one.text for one in items[:8]) + (" …" if len(items) > 8 else "")
        raise click.BadParameter(f"say whose model is meant: {some}", param_hint="--item")
    return found


def _slug(project: Project) -> str:
    from mlspec.lower import slug

    return slug(project.project.name)


def _sources(opened: Opened, pipeline: Pipeline, item: Item | None) -> dict[str, Path]:
    """Return where the model and its rows lie. What the last run has made is taken from the store; the rest is made now."""
    from mlspec import local, runner
    from mlspec.diagnostic import Finding, Problem
    from mlspec.folder import Folder, captured
    from mlspec.store import HOME, Store

    refs = {name: (item.step(step) if item else step, port) for name, (step, port) in TAKEN.items()}
    known = {step.id for step in pipeline.steps}
    if not {step for step, _ in refs.values()} <= known:
        raise Problem(Finding("nothing-trained", "the spec trains no model: there are only steps of your own", ("steps",)))
    wanted = set(_with_needs(pipeline, {step for step, _ in refs.values()}))
    # who is told how a run ends is told of runs; this is none
    part = replace(pipeline, steps=tuple(step for step in pipeline.steps if step.id in wanted), exit=())
    store = Store(HOME)
    if str(opened.folder) not in sys.path:
        sys.path.insert(0, str(opened.folder))  # the user's own modules lie beside the spec
    with tempfile.TemporaryDirectory(prefix="mlspec-") as name:
        place = Folder(Path(name))
        try:
            with captured():
                result = runner.run(part, store, local.arguments(opened, pipeline), capture=place.capture)
        finally:
            place.close()
    if not result.succeeded:
        raise Problem(*local.faults(opened, result))
    records = {step: result.steps[step].record for step, _ in refs.values()}
    found = {}
    for name, (step, port) in refs.items():
        record = records[step]
        assert record is not None
        found[name] = store.object(record.outputs[port])
    return found


def _with_needs(pipeline: Pipeline, steps: Iterable[str]) -> Iterator[str]:
    """Yield steps and all that they need."""
    seen: set[str] = set()
    waiting = list(steps)
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            yield one
            waiting += pipeline[one].needs


def _search(
    opened: Opened,
    project: Project,
    sources: Mapping[str, Path],
    most: float,
    formats: tuple[str, ...],
    device: str | None,
    item: Item | None,
    tell: Any,
) -> dict[str, Any]:
    from mlspec import build
    from mlspec.diagnostic import Finding, Problem
    from mlspec.folder import captured
    from mlspec.lower import export_params
    from mlspec.runtime.edge import search

    there = device or (project.hardware.edge.device if project.hardware.edge else None)
    if device is not None:
        from mlspec import device as devices

        if devices.find(device) is None:
            raise Problem(Finding("unknown-device", f"there is no device {device!r}", help="`mlspec devices` lists them"))
    params = json.loads(json.dumps(export_params(project, item)))  # as every runner passes them
    try:
        with captured():
            found = search.search(sources, params, max_drop=most, formats=formats, device=there, tell=tell)
    except Problem as problem:
        raise Problem(*(build.placed(opened, fault) for fault in problem.faults)) from None
    name = f"{project.project.name}: {item.text}" if item else project.project.name
    return {"name": name, "version": project.project.version, **found, "yaml": search.lines(found)}


def _draw(found: Mapping[str, Any], place: Path) -> None:
    from mlspec.runtime import report
    from mlspec.runtime.edge import picture
    from mlspec.runtime.edge.device.bench import processor

    failed = not found["proofs"] or any(one["verdict"] == "fail" for one in found["proofs"].values())
    told = {"about": {"name": found["name"], "version": found["version"]}, "failed": failed}
    drawn = {"drawings": picture.of_search(found), "processor": processor()}
    report.write_page(place, "optimize.html.j2", {**found, **told, **drawn, "yaml": "\n".join(found["yaml"])})


def _table(found: Mapping[str, Any], place: Path) -> Iterator[str]:
    variants = found["variants"]
    formats = len({one["export"]["kind"] for one in variants})
    lost = f"{100 * found['max_drop']:g} %"
    tried = f"{len(variants)} variant{'s' * (len(variants) != 1)} of {formats} format{'s' * (formats != 1)}"
    yield f"{found['name']} {found['version']}: {tried}, judged on {found['rows']:,} dev rows"
    yield f"at most {lost} of {found['primary']} may be lost; times are of this machine"
    yield ""
    width = max((len(one["name"]) for one in variants), default=0)
    yield f"  {'variant':<{width}}  {'size':>9}  {'p50':>10}  {'agreement':>9}  {'lost':>7}  verdict"
    for one in sorted(variants, key=lambda one: (one["verdict"] != "pass", one.get("size", 0))):
        yield f"  {one['name']:<{width}}  {_numbers(one)}  {_mark(one)}"
    if any(one["export"]["kind"] == "c" for one in variants):
        yield "  (c is counted as source text: what it takes compiled depends on the processor)"
    for kind, why in found["skipped"].items():
        yield f"  {kind} was not tried: {why}"
    yield ""
    yield from _chosen(found)
    yield f"  page      {place}"


def _numbers(one: Mapping[str, Any]) -> str:
    if "size" not in one:
        return f"{'-':>9}  {'-':>10}  {'-':>9}  {'-':>7}"
    agreement = one["parity"].get("agreement")
    drop = one["drop"]
    agreed, lost = "-" if agreement is None else f"{agreement:.4f}", "-" if drop is None else f"{100 * drop:.2f} %"
    return f"{one['size'] / 1000:>6.1f} kB  {one['latency_ms']['p50']:>7.4f} ms  {agreed:>9}  {lost:>7}"


def _mark(one: Mapping[str, Any]) -> str:
    word = click.style("pass", fg="green") if one["verdict"] == "pass" else click.style(one["verdict"], fg="red")
    return f"{word}  {one['reason']}" if one["reason"] else word


def _chosen(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["chosen"]:
        yield "nothing stays within what may be lost"
        return
    for word, name in found["chosen"].items():
        one = found["proofs"][name]
        if "size" not in one:
            yield f"  {word:<9} {name}: {_mark(one)}"
            continue
        drop = one["drop"]
        lost = "" if drop is None else f", {100 * drop:.2f} % of {found['primary']} lost"
        yield (
            f"  {word:<9} {name}: {one['size'] / 1000:.1f} kB ({one['download'] / 1000:.1f} compressed), "
            f"{one['latency_ms']['p50']:.4f} ms{lost} on {one['rows']:,} test rows: {_mark(one)}"
        )
    if found["yaml"]:
        yield ""
        yield "for the spec:"
        yield ""
        yield from found["yaml"]
        yield ""
