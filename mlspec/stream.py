"""What a stream can show: colors, or lines that change."""

from __future__ import annotations

import os
from typing import Any


def colored(stream: Any) -> bool:
    """Whether to write colors: NO_COLOR forbids them, FORCE_COLOR asks for them, else a terminal gets them."""
    if os.environ.get("NO_COLOR"):
        return False
    return os.environ.get("FORCE_COLOR", "") not in ("", "0") or terminal(stream)


def terminal(stream: Any) -> bool:
    """Whether a stream is a terminal that can show more than lines."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"
