"""The sorts of text and number that several sections hold."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from mlspec.fields import ENTRYPOINT, Pattern, Scalar, fault
from mlspec.quantity import Duration

# YAML says what is a number and what is text, so `"5"` is no number and `1` no truth value: everything is strict.
Text = Annotated[StrictStr, Field(min_length=1)]
Flag = StrictBool
Number = StrictFloat
Count = Annotated[StrictInt, Field(ge=1)]
Whole = Annotated[StrictInt, Field(ge=0)]
Seed = Annotated[StrictInt, Field(ge=0, lt=2**32)]
Fraction = Annotated[StrictFloat, Field(ge=0, le=1)]
NotNegative = Annotated[StrictFloat, Field(ge=0)]
Label = Annotated[Any, Scalar()]
"""A value of a column: text, number or truth value."""

Slug = Annotated[
    StrictStr, Pattern(r"[a-z][a-z0-9_-]{0,62}", "a name: a lower-case letter, then letters, digits, - and _", "churn-eu")
]
Identifier = Annotated[
    StrictStr,
    Pattern(r"[a-z][a-z0-9_]{0,62}", "an identifier: a lower-case letter, then letters, digits and _", "score_customers"),
]
Variable = Annotated[StrictStr, Pattern(r"[A-Za-z_][A-Za-z0-9_]{0,127}", "the name of an environment variable", "DATABASE_URL")]
Entrypoint = Annotated[StrictStr, ENTRYPOINT]
Output = Annotated[StrictStr, Pattern(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", "an output of a step, `step.output`", "split.train")]

RANGES = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NAMES = {name: number for number, name in enumerate(MONTHS, 1)} | {name: number for number, name in enumerate(DAYS)}
CADENCES = ("hourly", "daily", "weekly", "monthly")


def _in_cron_range(text: str, low: int, high: int) -> bool:
    """Whether one item of a cron field (``*``, ``3``, ``1-5``, each perhaps with ``/2``) lies in its range."""
    span, slash, step = text.partition("/")
    if slash and not (step.isdecimal() and 0 < int(step) <= high):
        return False
    if span == "*":
        return True
    ends = [NAMES.get(end.lower(), int(end) if end.isdecimal() and len(end) < 4 else -1) for end in span.split("-")]
    return len(ends) <= 2 and all(low <= end <= high for end in ends) and ends == sorted(ends)


def _cron(value: str) -> str:
    if value in CADENCES:
        return value
    fields = value.split()
    if len(fields) != len(RANGES):
        help_text = (
            f'write minute, hour, day of month, month and day of week, such as "0 3 * * 1", or one of {", ".join(CADENCES)}'
        )
        raise fault("bad-schedule", f"a schedule has five fields; this has {len(fields)}", help_text)
    for text, (what, low, high) in zip(fields, RANGES, strict=True):
        if not all(_in_cron_range(item, low, high) for item in text.split(",")):
            raise fault(
                "bad-schedule",
                f"`{text}` is not a {what}",
                f"it goes from {low} to {high}; `*`, `1-5`, `1,3` and `*/2` are allowed",
            )
    return " ".join(fields)


def _time_zone(value: str) -> str:
    """Refuse a time zone that this machine's database lacks; without a database, only what cannot be a name."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    help_text = "write a name of the IANA database, such as `Europe/Paris` or `UTC`"
    try:
        ZoneInfo(value)
    except ZoneInfoNotFoundError:
        from zoneinfo import available_timezones

        if available_timezones():
            raise fault("unknown-timezone", f"there is no time zone `{value}`", help_text) from None
    except (ValueError, OSError):
        raise fault("unknown-timezone", f"`{value}` is not a time zone", help_text) from None
    return value


def _some_time(value: Duration) -> Duration:
    if value <= 0:
        raise fault("out-of-range", "this must be longer than nothing", "write it like `50 ms` or `2 h`")
    return value


Cron = Annotated[StrictStr, AfterValidator(_cron)]
TimeZone = Annotated[StrictStr, AfterValidator(_time_zone)]
Period = Annotated[Duration, AfterValidator(_some_time)]
"""A duration that is not zero."""
