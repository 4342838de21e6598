"""Numbers with a unit: ``50 ms``, ``8 GiB``, ``99.9 %``, ``200 /s``, ``5 %/month``, and targets such as ``>= 92 %``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer
from pydantic_core import core_schema

from mlspec.fields import fault

Factor = tuple[int, int]  # a fraction, so that 99.9 % is the float nearest to 0.999 and not 99.9 / 100

LONGEST = 400  # characters; the longest canonical form of a float has about 340
NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)"
YEAR = 31_557_600  # 365.25 days; a month is a twelfth of it


class QuantityError(ValueError):
    """A text that is no quantity of the wanted sort."""

    def __init__(self, code: str, message: str, help_text: str) -> None:
        super().__init__(message)
        self.code, self.message, self.help = code, message, help_text


def _value(number: str, factor: Factor) -> float:
    """Return the float nearest to a decimal text times a factor: a quotient of integers is rounded once, correctly."""
    whole, _, decimals = number.partition(".")
    mantissa = int(f"{whole}{decimals}")
    try:
        return float(mantissa * factor[0] / (factor[1] * 10 ** len(decimals)))
    except OverflowError:
        raise QuantityError("out-of-range", f"`{number[:20]}…` is too large", "write a smaller number") from None


def _decimal(value: float, factor: Factor) -> str:
    """Write a float in a unit whose factor is a power of ten, without an exponent, so that reading it gives the same float."""
    text = format(Decimal(repr(value)) * factor[1] / factor[0], "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class Quantity:
    """A number in its base unit that reads and writes itself with a unit. It cannot be changed; equal values are equal."""

    __slots__ = ()

    UNITS: ClassVar[dict[str, Factor]] = {}
    CANONICAL: ClassVar[tuple[str, ...]] = ()
    """The units `str` chooses from: the one that gives the smallest whole number."""
    PLAIN: ClassVar[str] = ""
    """The unit `str` writes where no whole number fits: its factor is a power of ten."""
    WHAT: ClassVar[str] = ""
    EXAMPLE: ClassVar[str] = ""
    HIGHEST: ClassVar[float | None] = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``50 ms``; raise QuantityError, which says which units fit, for anything else."""
        return cls._checked(cls._base(*cls._parts(text)), text.strip())

    @classmethod
    def _checked(cls, value: float, text: str) -> Self:
        made = cls(value)  # type: ignore[call-arg]
        if value < 0 or (cls.HIGHEST is not None and value > cls.HIGHEST):
            top = "" if cls.HIGHEST is None else f" and at most {cls(cls.HIGHEST)}"  # type: ignore[call-arg]
            raise QuantityError("out-of-range", f"`{text[:40]}` is out of range", f"{cls.WHAT} is at least 0{top}")
        return made

    @classmethod
    def _base(cls, number: str, unit: str) -> float:
        return _value(number, cls.UNITS[unit])

    @classmethod
    def _parts(cls, text: str) -> tuple[str, str]:
        found = re.fullmatch(rf"\s*({NUMBER})\s*(\S.*?)?\s*", text) if len(text) <= LONGEST else None
        if found is None:
            raise QuantityError("malformed", f"`{text[:40]}` is not {cls.WHAT}", f"write it like `{cls.EXAMPLE}`; {cls._fit()}")
        number, unit = found[1], found[2] or ""
        if unit and unit.startswith("/") and len(unit) > 1:
            unit = f"/{unit[1:].strip()}"
        if not unit:
            raise QuantityError(
                "missing-unit", f"`{number}` has no unit", f"write `{number} {cls.PLAIN}` if that is meant; {cls._fit()}"
            )
        if unit not in cls.UNITS:
            alike = next((known for known in cls.UNITS if known.lower() == unit.lower()), "")
            hint = f"did you mean `{number} {alike}`? " if alike else ""
            raise QuantityError("unknown-unit", f"`{unit}` is not a unit of {cls.WHAT}", f"{hint}{cls._fit()}")
        return number, unit

    @classmethod
    def _fit(cls) -> str:
        return f"units that fit: {', '.join(cls.UNITS)}"

    def __str__(self) -> str:
        value = float(self)  # type: ignore[arg-type]
        whole: list[tuple[int, str]] = []
        for unit in self.CANONICAL:
            top, bottom = self.UNITS[unit]
            number = round(value * bottom / top) if value <= 2**53 else 0
            if number >= 1 and self._base(str(number), unit) == value:
                whole.append((number, unit))
        if whole:
            number, unit = min(whole, key=lambda pair: pair[0])
            return f"{number} {unit}"
        return f"{_decimal(value, self.UNITS[self.PLAIN])} {self.PLAIN}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    @classmethod
    def _validate(cls, value: Any) -> Self:
        if isinstance(value, cls):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise fault("wrong-type", f"expected {cls.WHAT} with its unit, such as {cls.EXAMPLE}", cls._fit())
        try:
            return cls.parse(value)
        except QuantityError as bad:
            raise fault(bad.code, bad.message, bad.help) from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        dump = core_schema.plain_serializer_function_ser_schema(cls.plain, when_used="json")
        return core_schema.no_info_plain_validator_function(cls._validate, serialization=dump)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        units = "|".join(re.escape(unit) for unit in cls.UNITS)
        return {"type": "string", "pattern": rf"^\s*{NUMBER}\s*(?:{units})\s*$", "examples": [cls.EXAMPLE]}

    def plain(self) -> Any:
        """Return the number in its base unit, for JSON."""
        return float(self)  # type: ignore[arg-type]


class Duration(Quantity, float):
    """A length of time, in seconds."""

    __slots__ = ()
    UNITS: ClassVar = {
        "ms": (1, 1000), "s": (1, 1), "min": (60, 1), "h": (3600, 1), "d": (86_400, 1), "w": (604_800, 1),
        "month": (YEAR // 12, 1), "y": (YEAR, 1),
    }  # fmt: skip
    CANONICAL = ("y", "month", "d", "h", "min", "s", "ms")
    PLAIN, WHAT, EXAMPLE = "s", "a length of time", "50 ms"

    @property
    def seconds(self) -> float:
        return float(self)


Length = Annotated[Duration, PlainSerializer(str, return_type=str, when_used="json")]
"""A length of time that JSON holds with its unit: what a step is told is read by the spec's own model again."""


class Bytes(Quantity, int):
    """An amount of memory or storage, in bytes."""

    __slots__ = ()
    UNITS: ClassVar = {
        "B": (1, 1), "kB": (10**3, 1), "MB": (10**6, 1), "GB": (10**9, 1), "TB": (10**12, 1),
        "KiB": (2**10, 1), "MiB": (2**20, 1), "GiB": (2**30, 1), "TiB": (2**40, 1),
    }  # fmt: skip
    CANONICAL = ("TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB", "kB", "B")
    PLAIN, WHAT, EXAMPLE = "B", "a size", "8 GiB"
    HIGHEST = 2.0**53  # 8 PiB: every whole number up to here is a float, too

    @classmethod
    def _checked(cls, value: float, text: str) -> Self:
        if value != int(value):
            raise QuantityError("malformed", f"`{text[:40]}` is not a whole number of bytes", f"write it like `{cls.EXAMPLE}`")
        return super()._checked(value, text)

    @property
    def bytes(self) -> int:
        return int(self)

    def plain(self) -> int:
        return int(self)


class Percent(Quantity, float):
    """A share, from 0 to 1; it is written in percent."""

    __slots__ = ()
    UNITS: ClassVar = {"%": (1, 100)}
    PLAIN, WHAT, EXAMPLE = "%", "a share in percent", "5 %"
    HIGHEST = 1.0

    @classmethod
    def _parts(cls, text: str) -> tuple[str, str]:
        try:
            return super()._parts(text)
        except QuantityError as bad:
            if bad.code != "missing-unit" or not 0 < float(text) < 1:
                raise
            meant = _decimal(float(text), (1, 100))  # who writes 0.05 means 5 %
            raise QuantityError(bad.code, bad.message, f"write `{meant} %`; {cls._fit()}") from None


class Rate(Quantity, float):
    """So many in a time, per second."""

    __slots__ = ()
    UNITS: ClassVar = {"/s": (1, 1), "/min": (1, 60), "/h": (1, 3600), "/d": (1, 86_400)}
    CANONICAL = ("/s", "/min", "/h", "/d")
    PLAIN, WHAT, EXAMPLE = "/s", "a rate", "200 /s"


@dataclass(frozen=True, slots=True)
class Growth:
    """A share that is added in each period, such as ``5 %/month``; JSON holds the fraction and the period in seconds."""

    fraction: float
    per: str

    PERIODS: ClassVar = ("d", "w", "month", "y")
    EXAMPLE: ClassVar = "5 %/month"

    @classmethod
    def parse(cls, text: str) -> Self:
        found = re.fullmatch(rf"\s*({NUMBER})\s*%\s*/\s*({'|'.join(cls.PERIODS)})\s*", text) if len(text) <= LONGEST else None
        if found is None:
            help_text = f"write it like `{cls.EXAMPLE}`; periods that fit: {', '.join(cls.PERIODS)}"
            raise QuantityError("malformed", f"`{text[:40]}` is not a growth", help_text)
        return cls(_value(found[1], (1, 100)), found[2])

    def __str__(self) -> str:
        return f"{_decimal(self.fraction, (1, 100))} %/{self.per}"

    @classmethod
    def _validate(cls, value: Any) -> Self:
        if isinstance(value, cls):
            return value
        try:
            return cls.parse(str(value))
        except QuantityError as bad:
            raise fault(bad.code, bad.message, bad.help) from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        dump = core_schema.plain_serializer_function_ser_schema(cls.plain, when_used="json")
        return core_schema.no_info_plain_validator_function(cls._validate, serialization=dump)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": rf"^\s*{NUMBER}\s*%\s*/\s*({'|'.join(cls.PERIODS)})\s*$", "examples": [cls.EXAMPLE]}

    def plain(self) -> dict[str, float]:
        return {"fraction": self.fraction, "seconds": float(Duration.parse(f"1 {self.per}"))}


SORTS: tuple[type[Duration] | type[Bytes] | type[Percent] | type[Rate], ...] = (Percent, Duration, Rate, Bytes)
BASE_UNITS: dict[type[Duration] | type[Bytes] | type[Percent] | type[Rate], str] = {
    Percent: "fraction",
    Duration: "s",
    Rate: "/s",
    Bytes: "B",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a number is held against: ``>= 0.84``, ``<= 50 ms``. `value` is in base units; `unit` names them, or is None."""

    op: str
    value: float
    unit: str | None = None

    OPS: ClassVar = (">=", "<=", ">", "<")
    EXAMPLE: ClassVar = ">= 0.84"

    @classmethod
    def parse(cls, text: str) -> Self:
        found = re.fullmatch(rf"\s*(>=|<=|>|<|≥|≤)\s*({NUMBER})\s*(\S.*?)?\s*", text) if len(text) <= LONGEST else None
        if found is None:
            lone = re.fullmatch(rf"\s*({NUMBER})\s*(\S.*?)?\s*", text[:LONGEST])
            meant = (
                f"write `>= {text.strip()}` or `<= {text.strip()}`" if lone else f"write it like `{cls.EXAMPLE}` or `<= 50 ms`"
            )
            raise QuantityError("malformed", f"`{text[:40]}` is not a target: a comparison and a number", meant)
        op = {"≥": ">=", "≤": "<="}.get(found[1], found[1])
        number, unit = found[2], (found[3] or "").replace("/ ", "/")
        if not unit:
            return cls(op, _value(number, (1, 1)))
        for sort in SORTS:
            if unit in sort.UNITS:
                return cls(op, _value(number, sort.UNITS[unit]), BASE_UNITS[sort])
        known = ", ".join(name for sort in SORTS for name in sort.UNITS)
        raise QuantityError("unknown-unit", f"`{unit}` is not a unit", f"units that fit: none, {known}")

    def holds(self, value: float) -> bool:
        """Whether a value in base units meets the target. NaN meets none."""
        return bool(
            {">=": value >= self.value, "<=": value <= self.value, ">": value > self.value, "<": value < self.value}[self.op]
        )

    def __str__(self) -> str:
        for sort, unit in BASE_UNITS.items():
            if unit == self.unit and self.value >= 0 and (sort is not Bytes or self.value == int(self.value)):
                return f"{self.op} {sort(self.value)}"
            if unit == self.unit:
                return f"{self.op} {_decimal(self.value, sort.UNITS[sort.PLAIN])} {sort.PLAIN}"
        return f"{self.op} {_decimal(self.value, (1, 1))}"

    @classmethod
    def _validate(cls, value: Any) -> Self:
        if isinstance(value, cls):
            return value
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise fault("wrong-type", "expected a target: a comparison and a number", f'write it like "{cls.EXAMPLE}"')
        try:
            return cls.parse(str(value))
        except QuantityError as bad:
            raise fault(bad.code, bad.message, bad.help) from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        dump = core_schema.plain_serializer_function_ser_schema(cls.plain, when_used="json")
        return core_schema.no_info_plain_validator_function(cls._validate, serialization=dump)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": rf"^\s*(>=|<=|>|<|≥|≤)\s*{NUMBER}\s*(\S.*)?$", "examples": [cls.EXAMPLE, "<= 50 ms"]}

    def plain(self) -> dict[str, Any]:
        return {"op": self.op, "value": self.value, "unit": self.unit}
