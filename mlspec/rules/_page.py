"""A rule's manual page, read from its docstring with fixed headings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass

HEADINGS = ("Why this is bad", "Bad", "Good", "Fix safety", "Source")


@dataclass(frozen=True, slots=True)
class Example:
    """A spec, or what stands in one laid over the example project; ``files`` are further files by name, such as its data."""

    spec: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """A manual page. ``summary`` is the first paragraph of ``what``, in one line; examples are run as tests."""

    summary: str
    what: str
    why: str
    bad: Example
    good: Example
    fix: str
    source: str

    @property
    def reason(self) -> str:
        """Why the fault is bad in a sentence or two, on one line: what is said below a diagnostic."""
        return self.why.split("\n\n")[0].replace("\n", " ")


def parse(name: str, doc: str) -> Page:
    """Read a rule's docstring. Raises ValueError, naming the rule, where a heading is missing, doubled or out of order."""
    text = inspect.cleandoc(doc)
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    if tuple(parts[1::2]) != HEADINGS:
        raise ValueError(f"the page of {name} has the headings {parts[1::2]}, not {list(HEADINGS)}")
    what, why, bad, good, fix, source = (parts[0].strip(), *(part.strip() for part in parts[2::2]))
    return Page(what.split("\n\n")[0].replace("\n", " "), what, why, _example(bad, name), _example(good, name), fix, source)


def _example(text: str, rule: str) -> Example:
    blocks = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    specs = [block for sort, file, block in blocks if sort == "yaml" and not file]
    if len(specs) != 1:
        raise ValueError(f"an example of {rule} has {len(specs)} blocks of yaml, not one")
    return Example(specs[0], {file: block for _, file, block in blocks if file})
