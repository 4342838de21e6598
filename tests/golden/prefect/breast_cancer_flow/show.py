"""What a run shows in Prefect's UI: metrics, verdicts, the report, facts about data."""

import html
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

from mlspec.runtime.artifact import digest, read_json
from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from breast_cancer_flow.storage import Made

PIPELINE = "breast-cancer"

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def _shown(show: Callable[..., None]) -> Callable[..., None]:
    """A step has done its work once its files are written: showing them cannot fail it."""

    @wraps(show)
    def safely(*args: Any) -> None:
        try:
            show(*args)
        except Exception:
            log = get_run_logger()
            log.exception("Could not show it in the UI")

    return safely


@_shown
def facts(step: str, made: Made) -> None:
    """Show what a step says about its outputs, then the outputs themselves."""
    told = sorted(made.facts.items())
    rows = [{"fact": name, "value": _text(value)} for name, value in told]
    for name, path in sorted(made.files.items()):
        place = Path(path)
        rows += [
            {"fact": f"{name}: file", "value": path},
            {"fact": f"{name}: size", "value": _size(place)},
            {"fact": f"{name}: sha256", "value": digest(place)},
        ]
    create_table_artifact(key=_key(step), table=rows, description=_summary(made))


@_shown
def metrics(step: str, port: str, made: Made) -> None:
    """Show each metric with its interval; one that is not a number says why."""
    told = read_json(Path(made.files[port]))
    rows = list(_scores("test", told["metrics"]))
    for part in told.get("slices", []):
        rows += _scores(part["name"], part["metrics"])
    for split, measured in sorted(told.get("splits", {}).items()):
        for name, value in sorted(measured["metrics"].items()):
            if split != "test":
                score = {"value": value, "rows": measured["rows"]}
                rows.append(_score(split, name, score))
    if not any(row["reason"] for row in rows):
        for row in rows:
            del row["reason"]
    key = _key(step, port)
    create_table_artifact(key=key, table=rows, description=_summary(made))


@_shown
def decision(step: str, port: str, made: Made) -> None:
    """Show the verdict on every requirement."""
    told = read_json(Path(made.files[port]))
    lines = [
        f"# {told['verdict'].upper()}",
        "",
        "| requirement | value | interval | verdict | reason |",
        "| --- | --- | --- | --- | --- |",
    ]
    for one in told["requirements"]:
        value, interval = _number(one.get("value")), _interval(one)
        cells = (one["target"], value, interval, one["verdict"], one.get("reason"))
        lines.append(_row(*cells))
    create_markdown_artifact(
        key=_key(step, port), markdown="\n".join(lines), description=_summary(made)
    )


@_shown
def checks(step: str, port: str, made: Made) -> None:
    """Show what the data was checked for and how many rows failed."""
    told = read_json(Path(made.files[port]))
    lines = [
        f"# {told['verdict'].upper()}",
        "",
        f"{told['kept']} of {told['rows']} rows kept, {told['quarantined']} set aside.",
        "",
        "| check | failing | allowed | verdict |",
        "| --- | --- | --- | --- |",
    ]
    for one in told["checks"]:
        failing = f"{one['failing']} ({_number(one['share'])})"
        allowed = _number(one["allowed"])
        lines.append(_row(one["description"], failing, allowed, one["verdict"]))
    create_markdown_artifact(
        key=_key(step, port), markdown="\n".join(lines), description=_summary(made)
    )


@_shown
def page(step: str, port: str, made: Made) -> None:
    """Link to a page that a step wrote, by its path: browsers do not follow a link from
    a server's page to a file, so that it is there to be copied.
    """
    place = Path(made.files[port])
    create_link_artifact(
        key=_key(step, port),
        link=place.as_uri(),
        link_text=_cell(place),
        description=_summary(made),
    )


def _key(step: str, port: str = "") -> str:
    """The name of an artifact: letters, digits and dashes."""
    words = (PIPELINE, step, port)
    return "-".join(word for word in words if word).replace("_", "-")


def _summary(made: Made) -> str:
    """What a step says about its outputs, in one line of Markdown."""
    told = {name: one for name, one in made.facts.items() if one is not None}
    return ", ".join(
        f"{_cell(name)} {_cell(_number(one) if isinstance(one, float) else one)}"
        for name, one in told.items()
    )


def _scores(rows_of: str, measured: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in sorted(measured):
        yield _score(rows_of, name, measured[name])


def _score(rows_of: str, name: str, measured: dict[str, Any]) -> dict[str, Any]:
    return {
        "on": rows_of,
        "metric": name,
        "value": measured.get("value"),
        "interval": _interval(measured),
        "rows": measured.get("rows"),
        "reason": measured.get("reason") or "",
    }


def _row(*cells: Any) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(value: Any) -> str:
    """Text that stays in its cell of a Markdown table and is nothing but text there.

    By backslashes: one of Prefect's two UIs does not read `&#95;` and the like.
    """
    text = html.escape(" ".join(_text(value).split()), quote=False)
    return "".join(f"\\{char}" if char in "\\`*_[]|~" else char for char in text)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: float | None) -> str:
    return "not a number" if value is None else f"{value:.4g}"


def _interval(one: dict[str, Any]) -> str:
    if one.get("low") is None or one.get("high") is None:
        return ""
    return f"{_number(one['low'])} to {_number(one['high'])}"


def _size(place: Path) -> str:
    files = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
    size, unit = float(sum(file.stat().st_size for file in files)), 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {UNITS[unit]}"
