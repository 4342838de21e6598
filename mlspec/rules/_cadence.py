"""How often a schedule fires, and lengths of time as people say them: what several topics of rules compute with."""

from __future__ import annotations

from mlspec.spec.text import NAMES, RANGES

SECONDS = {"hourly": 3_600.0, "daily": 86_400.0, "weekly": 604_800.0, "monthly": 2_629_800.0}
UNITS = ((31_557_600, "y"), (86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"), (0.001, "ms"))


def _values(field: str, low: int, high: int) -> int:
    """How many values a field of a cron schedule takes."""
    count = 0
    for item in field.split(","):
        span, _, step = item.partition("/")
        first, dash, last = (NAMES.get(part.lower(), part) for part in span.partition("-"))
        width = high - low + 1 if span == "*" else int(last) - int(first) + 1 if dash else 1
        count += -(-width // (int(step) if step else 1))
    return max(1, min(count, high - low + 1))


def period(schedule: str) -> float:
    """Return the mean time between two starts of a valid schedule, in seconds."""
    if schedule in SECONDS:
        return SECONDS[schedule]
    fields = schedule.split()
    minutes, hours, days, months, weekdays = (
        _values(field, low, high) for field, (_, low, high) in zip(fields, RANGES, strict=True)
    )
    by_date, by_weekday = days / 30.44, min(weekdays, 7) / 7
    if fields[2] == "*" or fields[4] == "*":
        share = (1.0 if fields[2] == "*" else by_date) * (1.0 if fields[4] == "*" else by_weekday)
    else:  # cron starts where either fits
        share = 1 - (1 - by_date) * (1 - by_weekday)
    return 86_400 / (minutes * hours * share * months / 12)


def spoken(seconds: float) -> str:
    """Write a length of time with two digits or three, in the unit that suits: ``43 min``, ``8.6 s``, ``3.5 d``."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds / size < 100 else f"{seconds / size:,.0f} {unit}"
    return f"{seconds * 1000:.2g} ms"


def counted(number: float) -> str:
    """Write a number with three digits, as people do: ``0.25``, ``3.5``, ``9,900``."""
    if number < 0.01:
        return "less than 0.01"
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
