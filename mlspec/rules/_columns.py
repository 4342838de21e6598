"""Which columns a model sees, and what their names say."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from mlspec.regex import lazy

if TYPE_CHECKING:
    from mlspec.rules._case import Case

_WORD = lazy(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_ENDINGS = ("", "s", "d", "ed", "er", "ers", "ing")

HISTORY = frozenset({
    "previous", "prev", "prior", "last", "past", "lag", "lagged", "before", "history", "historical", "first", "avg",
    "average", "mean", "median", "rolling", "count",
})  # fmt: skip
"""Words that say that a value is of an earlier time or of many rows, so that it may be known in time."""

_KEYS = frozenset(["id", "uuid", "guid", "rowid", "pk"])
_JOINED = frozenset({
    "userid", "customerid", "clientid", "patientid", "accountid", "orderid", "sessionid", "deviceid", "recordid", "memberid",
    "employeeid", "productid",
})  # fmt: skip
_ENTITIES = frozenset({
    "patient", "user", "customer", "client", "subject", "session", "household", "account", "device", "person", "member",
    "student", "employee", "machine", "vehicle", "speaker", "author", "driver", "company", "supplier", "passenger",
    "animal",
})  # fmt: skip


@lru_cache(maxsize=4096)
def words(name: str) -> tuple[str, ...]:
    """Return the words of a column's name in lower case: ``customerID`` and ``customer_id`` are customer, id."""
    return tuple(word.lower() for word in _WORD.findall(name))


def says(name: str, phrase: str) -> bool:
    """Tell whether the words of a phrase stand in a name, one after the other."""
    return f" {phrase} " in f" {' '.join(words(name))} "


def names_rows(name: str) -> bool:
    """Tell whether a name sounds like a key: it ends with id, uuid or the like."""
    spoken = words(name)
    return bool(spoken) and (spoken[-1] in _KEYS or spoken[-1] in _JOINED or spoken in (("index",), ("row", "number")))


def names_entity(name: str) -> bool:
    """Tell whether a name sounds like the key of somebody or something that comes in several rows, such as a patient."""
    spoken = words(name)
    return names_rows(name) and (bool(_ENTITIES & set(spoken)) or (spoken[-1] in _JOINED and spoken[-1][:-2] in _ENTITIES))


def beyond(name: str, target: str) -> set[str] | None:
    """Return the words that a name has beyond those of the target; None where it lacks one of the target's."""
    rest = set(words(name))
    for word in words(target):
        found = {one for one in rest if one.startswith(word) and one[len(word) :] in _ENDINGS}
        if not found:
            return None
        rest -= found
    return rest


def seen(case: Case) -> list[str]:
    """Return the declared columns that reach the model: features that no transform leaves out."""
    splits = case.project.splits
    left = [name for name in case.features if name not in (splits.time, splits.group_by)]
    for transform in case.project.features:
        named = getattr(transform, "columns", None)
        if not isinstance(named, list | tuple):
            continue
        if transform.kind == "drop":
            left = [name for name in left if name not in named]
        elif transform.kind == "select":
            left = [name for name in left if name in named]
    return left


def transformed(case: Case) -> Iterator[tuple[int, int, str, str]]:
    """Yield (transform, position, kind, column) of every column that a transform names."""
    for index, transform in enumerate(case.project.features):
        named = getattr(transform, "columns", None)
        if isinstance(named, list | tuple):
            for place, name in enumerate(named):
                yield index, place, transform.kind, name
