"""Folders of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StrictInt

from mlspec.sources._files import Files, Unreadable

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Side = Annotated[StrictInt, Field(gt=0)]


class Images(Files):
    """A folder of images: a row each, with the array `image`, the names in `pattern` as columns, and `file`.

    An image is an array of height × width × channels, its numbers between 0 and 1. It is turned upright as its EXIF data says,
    made grey or RGB, and resized bilinearly, whatever its proportions. Any format that Pillow knows is read, of 8 bits a channel.
    """

    gives: ClassVar = "image"
    kind: Literal["images"] = "images"
    size: Annotated[tuple[Side, Side], Field(strict=False)] = Field(description="Height and width, in pixels.")
    channels: Literal[1, 3] = Field(1, description="1 for grey, 3 for red, green and blue.")

    def shape(self) -> tuple[int, ...]:
        return (*self.size, self.channels)

    def read(self, path: Path) -> Array:
        import numpy as np
        from PIL import Image, ImageOps

        height, width = self.size
        try:
            with Image.open(path) as opened:
                if opened.mode.startswith(("I", "F")):
                    raise Unreadable("it has more than 8 bits a channel")
                made = ImageOps.exif_transpose(opened).convert("L" if self.channels == 1 else "RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise Unreadable(str(error).replace(str(path), path.name)) from None
        if made.size != (width, height):
            made = made.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(made, dtype=np.float32).reshape(self.shape()) / 255


MEMBER = Images
