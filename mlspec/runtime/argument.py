"""Parameters of a step as one text, as orchestrators carry them: JSON, or packed where an argument would be too long."""

from __future__ import annotations

import base64
import bz2
import json
from typing import Any


def read(text: str) -> dict[str, Any]:
    """Return the parameters that a text holds: JSON, or Base64 of what bz2 makes of JSON (the emitted `text` writes them)."""
    plain = text if text.startswith("{") else bz2.decompress(base64.b64decode(text, validate=True)).decode()
    found: dict[str, Any] = json.loads(plain)
    return found
