"""Put the verdicts on all items together, as data and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlspec.runtime import report
from mlspec.runtime.artifact import read_json, write_json
from mlspec.runtime.figure import marks
from mlspec.runtime.glossary import metric_title

Json = Mapping[str, Any]


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `summary` (JSON: the verdict on all items; of each its verdict, headline metric, missed requirements) and `page`.

    `items` names each item and its part of the run folder, by input: the decision on it. On the page failed ones come first.
    """
    items = [_item(one, read_json(inputs[port])) for port, one in params["items"].items()]
    items.sort(key=lambda one: params["order"].index(one["item"]))
    failed = [one for one in items if one["verdict"] != "pass"]
    verdict = "fail" if failed else "pass"
    counted = {"passed": len(items) - len(failed), "failed": len(failed)}
    write_json(outputs["summary"], {"verdict": verdict, "column": params["column"], "summary": counted, "items": items})
    report.write_page(outputs["page"], "summary.html.j2", _context(params, verdict, items, counted))
    return {"verdict": verdict, **counted}


def _item(named: Json, decision: Json) -> dict[str, Any]:
    missed = [one for one in decision["requirements"] if one["verdict"] != "pass"]
    return {
        "item": named["item"],
        "folder": named["folder"],
        "verdict": decision["verdict"],
        "headline": decision["headline"],
        "met": len(decision["requirements"]) - len(missed),
        "requirements": len(decision["requirements"]),
        "missed": [{name: one[name] for name in ("name", "target", "value", "reason")} for one in missed],
    }


def _context(params: Json, verdict: str, items: list[dict[str, Any]], counted: Mapping[str, int]) -> dict[str, Any]:
    headlines = [one["headline"] for one in items]
    placed = [(one["value"], one["low"], one["high"]) for one in headlines if one["value"] is not None]
    rows = []
    for one in sorted(items, key=lambda one: one["verdict"] == "pass"):
        told = one["headline"]
        mine = (told["value"], told["low"], told["high"])
        rows.append({**one, "line": marks.line([mine], beside=placed) if told["value"] is not None else None})
    return {
        "about": report.about(params["about"]),
        "task": params["task"],
        "column": params["column"],
        "metric": metric_title(headlines[0]["metric"]),
        "verdict": verdict,
        "items": rows,
        "counted": counted,
    }
