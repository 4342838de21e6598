"""Regular expressions that are compiled when they are first used: compiling all of lint's takes a tenth of a lint (measured)."""

from __future__ import annotations

import re
from typing import Any, cast

_METHODS = ("search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split", "pattern", "flags")


class _Lazy:
    """Stands for a pattern; what is asked of it first compiles it, and from then on it is as quick as the pattern itself."""

    def __init__(self, pattern: str, flags: int) -> None:
        self._source = (pattern, flags)

    def __getattr__(self, name: str) -> Any:
        if name not in _METHODS:
            raise AttributeError(name)
        compiled = re.compile(*self._source)
        vars(self).update({each: getattr(compiled, each) for each in _METHODS})
        return getattr(compiled, name)


def lazy(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return a pattern that compiles itself when it is used. Use its own methods: `re.sub(pattern, …)` takes it for none."""
    return cast("re.Pattern[str]", _Lazy(pattern, flags))
