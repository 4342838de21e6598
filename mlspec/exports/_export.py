"""What every export may demand of itself, and what a format does to write one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mlspec import kinds
from mlspec.diagnostic import Finding, Problem
from mlspec.kinds import Kind
from mlspec.quantity import Bytes, Duration, Percent

if TYPE_CHECKING:
    import numpy as np

    from mlspec.tensor.program import Program

Quantize = Literal["none", "dynamic", "float16", "int8", "int16x8", "weights", "int8_aware"]

INPUT, OUTPUT = "input", "output"
"""How the ends of an exported model are called."""

METADATA = "mlspec"
"""The entry of a model file's own metadata that holds what `metadata.json` says."""


class Export(Kind):
    """A model in another format, with the limits that gate it."""

    realised: ClassVar[bool] = False
    today: ClassVar[str] = "no file in this format is written"

    quantizes: ClassVar[tuple[str, ...]] = ()
    """The ways of `quantize` besides none that this format has."""

    runtime: ClassVar[str] = ""
    """The distribution that runs the format, and is asked of the device."""

    anywhere: ClassVar[bool] = True
    """Whether the format runs on the systems that mlspec itself runs on; if not, `elsewhere` says where."""

    device: str | None = Field(None, description="The device it is meant for, such as `raspberry_pi_4`.", min_length=1)
    quantize: Quantize = Field(
        "none",
        description="How numbers are shortened: `int8` and `int16x8` use training rows to find ranges, `weights` and `dynamic` "
        "store weights in 8 bits only, `int8_aware` trains with them.",
    )
    calibration_rows: int = Field(500, description="Training rows that find the ranges of `int8` and `int16x8`.", gt=0)
    max_size: Bytes | None = Field(None, description="The largest file that passes.")
    max_latency_p95: Duration | None = Field(None, description="The longest time that 95 % of single predictions may take.")
    max_drop: Percent | None = Field(None, description="How much of the primary metric may be lost against the source model.")

    @property
    def way(self) -> str:
        """How numbers are written: what was trained for int8 is written as int8."""
        return "int8" if self.quantize == "int8_aware" else self.quantize

    @classmethod
    def variants(cls, program: Program) -> Iterator[dict[str, Any]]:
        """Yield the fields of each way to write a program in this format, the plain one first: what `mlspec optimize` tries."""
        from mlspec.tensor import integers

        yield {"quantize": "none"}
        if integers.layers(program):
            yield from ({"quantize": one} for one in cls.quantizes)

    @classmethod
    def elsewhere(cls) -> str:
        """Say why this machine cannot run the format, though it may write it; nothing where it can."""
        return ""

    def write(self, program: Program, place: Path, about: str, calibration: np.ndarray[Any, Any]) -> None:
        """Write the files of the model into a directory. `about` is the JSON text that travels as its metadata.

        `calibration` holds training rows as the program takes them. Raises Problem where the format, or its way to shorten
        numbers, does not suit the program.
        """
        raise NotImplementedError

    def shortened(self, place: Path) -> Mapping[str, int]:
        """Count the stored numbers of the written model by type, such as {"float32": 120, "int8": 4000}."""
        raise NotImplementedError

    def operators(self, place: Path) -> list[str]:
        """Return the operators that the written model needs of its runtime, sorted."""
        raise NotImplementedError

    def remarks(self, place: Path) -> dict[str, Any]:
        """Return what else its proof tells of the written model, as plain JSON."""
        return {}


def load(asked: Mapping[str, Any], max_drop: float | None = None) -> Export:
    """Return the export that plain JSON describes; raise KeyError or ValidationError for what lowering cannot have written.

    Limits travel beside an export; `max_drop` is the one that some ways of writing go by.
    """
    limit = {} if max_drop is None else {"max_drop": Percent(max_drop)}
    member = kinds.load(__package__, str(asked["kind"])).model_validate({**asked, **limit})
    assert isinstance(member, Export), member
    return member


def equalised(program: Program, quantize: str, calibration: np.ndarray[Any, Any]) -> Program:
    """Return a program as `int8` takes it, the same in float32: channels that share a scale are of about equal size.

    What was trained for int8 has learned with the channels as they are.
    """
    from mlspec.tensor import equalise

    return equalise.equalised(program, calibration) if quantize == "int8" else program


def nothing_to_quantize(quantize: str) -> Problem:
    """Return the problem that a model has no layer, whose numbers alone are shortened."""
    message = f"`quantize: {quantize}` finds nothing to shorten: the model has no dense layers and no convolutions"
    help_text = "`quantize: none`; the thresholds and leaves of trees decide which way a row goes, and stay as they are"
    return Problem(Finding("cannot-quantize", message, ("quantize",), help=help_text))
