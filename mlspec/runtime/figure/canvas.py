"""A Matplotlib figure that becomes inline SVG: the page's colours and fonts, the same bytes for the same numbers."""

from __future__ import annotations

import html
import io
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from mlspec.runtime.figure.words import columns, shorten

INK, MUTED, RULE = "#14171c", "#5a6472", "#d9dee5"
BLUE, ORANGE, GREEN, PURPLE, BROWN, GREY = "#0b62b5", "#c25a00", "#00785a", "#8a3f86", "#7a5c00", "#77808c"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, BROWN, GREY)
"""Told apart by the colour-blind (Okabe and Ito's hues, darker), and never the only mark: dashes differ as well."""
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (8, 3)), (0, (3, 3)))

_VARIABLE = {
    INK: "ink", MUTED: "muted", RULE: "rule", BLUE: "c1", ORANGE: "c2", GREEN: "c3", PURPLE: "c4", BROWN: "c5", GREY: "c6"
}  # fmt: skip
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: selectable, searchable, in the reader's own font
    "svg.hashsalt": "mlspec",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],  # ships with Matplotlib; only its widths are used
    "font.size": 12,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 11.5,
    "ytick.labelsize": 11.5,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 2,
    "legend.frameon": False,
}
# Matplotlib's settings belong to the whole process, and a runner may draw two reports at once.
_ONE_AT_A_TIME = threading.Lock()
_FIRST_STAND_IN = 0x2800  # Braille patterns: 256 of them, all in DejaVu Sans, and never written by Matplotlib itself


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture with what it says in words (`alt`), how to read it, and its numbers as a table."""

    title: str
    svg: str
    alt: str
    reading: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    wide: bool = False


class Labels:
    """Keeps the data's own words out of Matplotlib, where `$` is mathematics and an emoji is a missing glyph.

    `stand_in` gives a text of the same width to draw with; `put_back` replaces it in the SVG by the escaped words.
    """

    def __init__(self) -> None:
        self._texts: list[tuple[str, str]] = []

    def stand_in(self, text: Any, width: int = 22) -> str:
        shown = shorten(str(text), width) or "(empty)"
        if len(self._texts) == 256:
            raise ValueError("a figure has room for 256 labels")
        self._texts.append((shown, str(text)))
        return chr(_FIRST_STAND_IN + len(self._texts) - 1) + "n" * max(columns(shown) - 1, 0)

    def put_back(self, svg: str) -> str:
        return re.sub("([\u2800-\u28ff])n*", self._words, svg)

    def _words(self, match: re.Match[str]) -> str:
        shown, whole = self._texts[ord(match[1]) - _FIRST_STAND_IN]
        title = f"<title>{html.escape(whole)}</title>" if shown != whole else ""
        return html.escape(shown) + title


def draw(name: str, width: float, height: float, paint: Callable[[Figure, Labels], None]) -> str:
    """Return an `<svg>` of `width` by `height` page pixels that `paint` fills; every id in it starts with `name`.

    The same numbers and the same Matplotlib give the same bytes: settings are Matplotlib's own defaults and ours, whatever
    the user's matplotlibrc says, and there is no date, no version and no random id.
    """
    labels = Labels()
    buffer = io.StringIO()
    with _ONE_AT_A_TIME, mpl.rc_context():
        mpl.rcParams.update({key: value for key, value in mpl.rcParamsDefault.items() if key not in _PROCESS_WIDE})
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        paint(figure, labels)
        figure.patch.set_visible(False)
        for axes in figure.axes:
            axes.patch.set_visible(False)
        FigureCanvasSVG(figure).print_svg(buffer, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return labels.put_back(_inline(buffer.getvalue(), name, width, height))


_PROCESS_WIDE = {"backend", "backend_fallback", "interactive", "toolbar", "timezone", "tk.window_focus", "webagg.port"}


def _inline(svg: str, name: str, width: float, height: float) -> str:
    """Make a standalone SVG document part of a page: own ids, theme colours, the page's font, no prologue."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = re.sub(r"#[0-9a-f]{6}\b", lambda found: f"var(--{_VARIABLE[found[0]]})" if found[0] in _VARIABLE else found[0], body)
    body = body.replace("xlink:href=", "href=")
    used = dict.fromkeys(re.findall(r"(?:url\(|href=\")#([\w-]+)", body))
    new = {old: f"{name}-{place}" for place, old in enumerate(used)}
    body = re.sub(r'\sid="([\w.-]+)"', lambda found: f' id="{new[found[1]]}"' if found[1] in new else "", body)
    body = re.sub(r"(url\(|href=\")#([\w-]+)", lambda found: f"{found[1]}#{new[found[2]]}", body)
    body = re.sub(r"\n\s*", "\n", body)
    opening = (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" aria-hidden="true" focusable="false">'
    )
    return re.sub(r"<svg.*?>", opening, body, count=1, flags=re.DOTALL).strip()


def axes_in(figure: Figure, *, left: float = 44, right: float = 12, top: float = 30, bottom: float = 44) -> Any:
    """Return axes that leave these margins, in pixels, inside the figure."""
    width, height = (side * 72 for side in figure.get_size_inches())
    return figure.add_axes((left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height))


def name_axes(axes: Any, x: str, y: str) -> None:
    """Name both axes; the vertical one along the top, where it can be read without turning the head."""
    axes.set_xlabel(x, fontsize=12, labelpad=6)
    axes.annotate(y, (0, 1), (-34, 12), xycoords="axes fraction", textcoords="offset points", fontsize=12, color=MUTED)


def thin(values: Sequence[Any], most: int) -> list[Any]:
    """Return at most about `most` values at an even stride, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    step = (len(values) - 1) / (most - 1)
    return [values[round(place * step)] for place in range(most)]


def number(value: float | None) -> str:
    """Write a number for people: three decimals or the figures that matter, thousands apart, a real minus sign."""
    if value is None:
        return "–"
    size = abs(value)
    if isinstance(value, int) or (size >= 1000 and size < 1e15):
        text = f"{value:,.0f}"
    elif size == 0 or 0.01 <= size < 10:
        text = f"{value:.3f}"
    elif size < 0.01:
        text = f"{value:.2g}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", "−")


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share as a percentage."""
    if share is None:
        return "–"
    text = f"{100 * share:.{digits}f}"
    if share > 0 and float(text) == 0:
        return f"< {10**-digits:g} %"
    return f"{text.removesuffix('.0')} %".replace("-", "−")
