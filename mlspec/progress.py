"""How a run is told while it goes: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mlspec.ir import Pipeline
    from mlspec.runner import Event

MARKS = {"succeeded": "✓", "cached": "=", "failed": "✗", "skipped": "-", "started": "…", "retrying": "↻"}
COLORS = {"succeeded": "green", "cached": "cyan", "failed": "red", "skipped": "yellow", "started": "blue", "retrying": "yellow"}


class Progress(Protocol):
    """Something that a run tells its events to."""

    def __call__(self, event: Event) -> None: ...

    def close(self) -> None: ...


def words(event: Event) -> str:
    """What is worth saying of an event beside its step and state."""
    if event.state in ("succeeded", "cached") and event.facts:
        shown = [f"{name} {_number(value)}" for name, value in event.facts.items() if isinstance(value, str | int | float)]
        return ", ".join(shown[:4])
    return event.detail.splitlines()[0] if event.detail else ""


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


class Silent:
    """Says nothing: for `--json` and `--quiet`."""

    def __call__(self, event: Event) -> None: ...

    def close(self) -> None: ...


class Lines:
    """One plain line for each step that ends, starts over, or cannot start; why a step runs where that is not obvious."""

    def __init__(self, pipeline: Pipeline, say: Callable[[str], None]) -> None:
        self.width = max((len(step.id) for step in pipeline.steps), default=0)
        self.say = say
        self.why: dict[str, str] = {}
        self.lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        if event.state == "started":
            self.why[event.step] = event.detail
            return
        took = "" if event.state in ("cached", "skipped") else f"{event.seconds:6.2f} s"
        why = self.why.get(event.step, "")
        reason = f"  [{why}]" if why not in ("", "first run") and event.state == "succeeded" else ""
        with self.lock:
            self.say(
                f"  {MARKS[event.state]} {event.step:<{self.width}}  {event.state:<9} {took:>8}  {words(event)}{reason}".rstrip()
            )

    def close(self) -> None: ...


class Live:
    """A table of all steps that redraws itself; needs `rich`."""

    def __init__(self, pipeline: Pipeline) -> None:
        from rich.live import Live as RichLive

        self.order = [step.id for step in pipeline.steps]
        self.events: dict[str, Event] = {}
        self.since: dict[str, float] = {}
        self.live = RichLive(get_renderable=self._table, refresh_per_second=8)
        self.live.start()

    def __call__(self, event: Event) -> None:
        if event.state == "started":
            self.since[event.step] = time.monotonic()
        self.events[event.step] = event

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for name in self.order:
            event = self.events.get(name)
            if event is None:
                table.add_row(Text("·", style="dim"), Text(name, style="dim"), "", "")
                continue
            going = event.state in ("started", "retrying")
            seconds = time.monotonic() - self.since.get(name, time.monotonic()) if going else event.seconds
            took = "" if event.state in ("cached", "skipped") else f"{seconds:.1f} s"
            style = COLORS[event.state]
            table.add_row(
                Text(MARKS[event.state], style=style),
                Text(name, style="bold" if going else ""),
                Text(took, style="dim"),
                Text(words(event), no_wrap=True, overflow="ellipsis"),
            )
        return table

    def close(self) -> None:
        self.live.refresh()
        self.live.stop()


def choose(pipeline: Pipeline, *, terminal: bool, quiet: bool, say: Callable[[str], None]) -> Progress:
    """Return the way to tell a run that suits where it is told."""
    if quiet:
        return Silent()
    if terminal:
        try:
            return Live(pipeline)
        except ImportError:
            pass
    return Lines(pipeline, say)
