"""How wide a text is, and a text cut to a width: what figures of any sort need to know, without drawing anything."""

from __future__ import annotations

import unicodedata


def shorten(text: str, width: int) -> str:
    """Cut a text to a width in columns; East Asian wide characters and emoji take two."""
    text = " ".join(text.split())
    taken = 0
    for place, character in enumerate(text):
        taken += columns(character)
        if taken > width:
            return text[: max(place - 1, 1)] + "…"
    return text


def columns(text: str) -> int:
    """Return how many columns a text takes."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 0 if unicodedata.combining(one) else 1 for one in text)
