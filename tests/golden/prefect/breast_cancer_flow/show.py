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

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def _shown(show: Callable[..., None]) -> Callable[..., None]:
    """A step has done its work once its files are written: showing them cannot fail it."""

    @wraps(show)
    def safely(key: str, *args: Any) -> None:
        try:
            show(key, *args)
        except Exception:
            log = get_run_logger()
            log.exception("Could not show %s in the UI", key)

    return safely


@_shown
def facts(key: str, made: Made) -> None:
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
    create_table_artifact(key=key, table=rows)


@_shown
def metrics(key: str, path: str) -> None:
    """Show each metric with its interval; one that is not a number says why."""
    told = read_json(Path(path))
    rows = list(_scores("test", told["metrics"]))
    for part in told.get("slices", []):
        rows += _scores(part["name"], part["metrics"])
    for split, measured in sorted(told.get("splits", {}).items()):
        for name, value in sorted(measured["metrics"].items()):
            if split != "test":
                score = {"value": value, "rows": measured["rows"]}
                rows.append(_score(split, name, score))
    create_table_artifact(key=key, table=rows)


@_shown
def decision(key: str, path: str) -> None:
    """Show the verdict on every requirement."""
    told = read_json(Path(path))
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
    create_markdown_artifact(key=key, markdown="\n".join(lines))


@_shown
def checks(key: str, path: str) -> None:
    """Show what the data was checked for and how many rows failed."""
    told = read_json(Path(path))
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
    create_markdown_artifact(key=key, markdown="\n".join(lines))


@_shown
def page(key: str, path: str) -> None:
    """Link to a page that a step wrote."""
    create_link_artifact(key=key, link=Path(path).as_uri(), link_text=Path(path).name)


def _scores(rows_of: str, measured: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in sorted(measured):
        yield _score(rows_of, name, measured[name])


def _score(rows_of: str, name: str, measured: dict[str, Any]) -> dict[str, Any]:
    return {
        "on": rows_of,
        "metric": name,
        "value": measured.get("value"),
        "low": measured.get("low"),
        "high": measured.get("high"),
        "rows": measured.get("rows"),
        "reason": measured.get("reason") or "",
    }


def _row(*cells: Any) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(value: Any) -> str:
    """Text that stays in its cell of a Markdown table and is nothing but text there."""
    text = html.escape(" ".join(_text(value).split()), quote=False)
    return "".join(f"&#{ord(char)};" if char in "\\`*_[]|~" else char for char in text)


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
