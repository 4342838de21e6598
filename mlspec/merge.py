"""Values laid over values: plain data in which each part remembers the document that set it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlspec.diagnostic import Route
from mlspec.document import Document


@dataclass(frozen=True, slots=True)
class Layer:
    """A document that takes part in a spec, and what people call it."""

    document: Document
    description: str


class Piece:
    """A merged value: the layer that set it, its route in that layer's document, and its parts as pieces."""

    __slots__ = ("content", "layer", "route")

    def __init__(self, layer: Layer, route: Route, content: Any) -> None:
        self.layer = layer
        self.route = route
        self.content: dict[str, Piece] | list[Piece] | Any = content

    @property
    def data(self) -> Any:
        """Plain data. Keys that start with ``x-`` are still in it: what is a key and what a name (a column's) the models know."""
        if isinstance(self.content, dict):
            return {key: piece.data for key, piece in self.content.items()}
        return [piece.data for piece in self.content] if isinstance(self.content, list) else self.content

    def part(self, name: str | int) -> Piece | None:
        """Return the part with this key or at this position; None where there is none."""
        if isinstance(self.content, dict):
            return self.content.get(name) if isinstance(name, str) else None
        if isinstance(self.content, list) and isinstance(name, int) and 0 <= name < len(self.content):
            return self.content[name]
        return None


def wrap(layer: Layer, route: Route, value: Any) -> Piece:
    """Make pieces of a document's data; its depth is limited, so this recursion is too."""
    if isinstance(value, dict):
        return Piece(layer, route, {key: wrap(layer, (*route, key), one) for key, one in value.items()})
    if isinstance(value, list):
        return Piece(layer, route, [wrap(layer, (*route, index), one) for index, one in enumerate(value)])
    return Piece(layer, route, value)


def merge(low: Piece, high: Piece, *, owner: Piece | None = None) -> Piece:
    """Lay one value over another: mappings merge key by key, everything else is replaced.

    Null removes a key that the lower value has, and stays null where it has none, so that a file does not change its
    meaning when it begins to extend another. The merged mapping counts as set by ``owner``, by default the higher of the two.
    """
    if not isinstance(low.content, dict) or not isinstance(high.content, dict):
        return high
    content = dict(low.content)
    for key, piece in high.content.items():
        if key not in content:
            content[key] = piece
        elif piece.content is None:
            del content[key]
        else:
            content[key] = merge(content[key], piece)
    owner = owner or high
    return Piece(owner.layer, owner.route, content)
