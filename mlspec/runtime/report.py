"""Draw the evidence of a run as one HTML page that opens offline."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

import mlspec
from mlspec.runtime import advice, evidence, glossary, listing
from mlspec.runtime.artifact import read_json, write_text
from mlspec.runtime.evidence import Evidence
from mlspec.runtime.figure import graph, marks
from mlspec.runtime.figure.canvas import number, percent
from mlspec.runtime.figure.compare import span

_LONGEST = 400  # characters of a value of the data that a page shows
# Half of a surrogate pair cannot be written as UTF-8, and browsers drop control characters.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write the page to `outputs["page"]`: no script, nothing fetched, the same bytes for the same inputs.

    `params` holds `about`, `task`, `graph` and `spec`; the layouts of the inputs are those of the ops that write them.
    Raises KeyError for an input that does not keep its layout, which is a bug of its producer.
    """
    found = _read(inputs, params)
    context = _context(found)
    size = write_page(outputs["page"], "page.html.j2", context)
    drawn = [*context["performance"], *(context[name] for name in ("slices", "importance", "folds") if context[name])]
    return {"verdict": found.decision["verdict"], "figures": len(drawn), "bytes": size}


def about(words: Mapping[str, str]) -> dict[str, str | None]:
    """Return the project's words as pages take them: None for what the spec leaves out."""
    return {**dict.fromkeys(("name", "version", "phase", "problem", "owner")), **words}


def write_page(place: Path, template: str, context: Mapping[str, Any]) -> int:
    """Fill a template of this folder and write the page; return its size in bytes."""
    page = _UNPRINTABLE.sub("\ufffd", _environment().get_template(template).render(context))
    write_text(place, page)
    return len(page.encode())


def _read(inputs: Mapping[str, Path], params: Mapping[str, Any]) -> Evidence:
    def optional(name: str) -> Any:
        return read_json(inputs[name]) if name in inputs else None

    needed = {name: read_json(inputs[name]) for name in ("profile", "validation", "manifest", "metrics", "curves", "decision")}
    return Evidence(
        **needed,
        predictions=inputs["predictions"],
        baseline=optional("baseline"),
        cross_validation=optional("cross_validation"),
        importance=optional("importance"),
        chosen=optional("chosen"),
        teacher=optional("teacher"),
        params=params,
    )


def _context(found: Evidence) -> dict[str, Any]:
    lines = list(listing.lines(listing.ordered(found.params.get("spec") or {})))
    anchors = listing.anchors(lines)
    rows = evidence.score_rows(found)
    return {
        "about": about(found.params.get("about") or {}),
        "task": found.params["task"],
        "verdict": found.decision["verdict"],
        "verdict_words": evidence.verdict_words(found),
        "confidence": evidence.confidence(found),
        "requirements": evidence.requirements(found, anchors),
        "tiles": evidence.headline(found, rows),
        "advice": advice.advise(found.decision, found.metrics, found.validation, found.manifest),
        "scores": rows,
        "taught": evidence.teacher_rows(found),
        "metrics": found.metrics,
        "has_baseline": found.baseline is not None,
        "performance": evidence.performance(found),
        "mistakes": evidence.mistakes(found),
        "slices": evidence.slices(found),
        "unscored": evidence.unscored_slices(found),
        "fairness": evidence.fairness(found),
        "importance": evidence.importance(found),
        "folds": evidence.folds(found),
        "search": evidence.search(found),
        "profile": found.profile,
        "columns": evidence.columns(found),
        "validation": found.validation,
        "checks": evidence.checks(found, anchors),
        "manifest": found.manifest,
        "splits": evidence.splits(found),
        "graph": evidence.pipeline(found),
        "steps": found.params.get("graph") or {"steps": [], "edges": []},
        "box": {"wide": graph.BOX, "tall": graph.TALL},
        "spec": lines,
        "anchor_of": anchors,
        "glossary": glossary,
    }


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_templates()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_compiled(),
    )
    environment.filters.update(
        number=number, percent=percent, clip=_clip, shown=_shown, gained=_gained, breakable=_breakable, ticked=_ticked
    )
    environment.globals.update(span=span, line_width=marks.WIDTH)
    return environment


def _compiled() -> Any:
    """Return where compiled templates are kept, as Python keeps compiled modules; None where nothing may be written there."""
    from jinja2 import FileSystemBytecodeCache

    place = Path(__file__).parent / "__pycache__"
    if sys.dont_write_bytecode or not os.access(place, os.W_OK):
        return None
    return FileSystemBytecodeCache(str(place), "%s.jinja")


def _templates() -> Path:
    """Return the folder of the page's templates: inside the package in a wheel, at the top of a checkout."""
    for place in mlspec.__path__:
        folder = Path(place) / "templates" / "report"
        if folder.is_dir():
            return folder
    raise FileNotFoundError("templates/report is neither in the package nor beside it")


def _gained(gain: float) -> str:
    """Write a gain with its sign and as many decimals as the scores beside it."""
    return (f"{gain:+.3f}" if abs(gain) < 10 else f"{gain:+,.4g}").replace("-", "−")


def _breakable(text: Any) -> Any:
    """Let a long name break where its parts meet."""
    return Markup(re.sub(r"([._])(?=\w)", r"\1<wbr>", str(escape(text))))  # noqa: S704 - escaped just before


def _clip(text: Any, most: int = _LONGEST) -> str:
    whole = str(text)
    return whole if len(whole) <= most else whole[: most - 1] + "…"


def _shown(value: Any) -> str:
    """Write a value of the data: numbers as numbers, the rest as it is."""
    if value is None:
        return "(missing)"
    if isinstance(value, float):
        return number(int(value) if value.is_integer() else value)
    return number(value) if isinstance(value, int) and not isinstance(value, bool) else _clip(value)


def _ticked(text: Any) -> Any:
    """Set what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped just before
