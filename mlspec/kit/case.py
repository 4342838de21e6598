"""A case of the kit: a spec, what stands beside it, and how its run must end on every runner."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BIG = "0123456789abcdef\n" * 18_000
"""What `@BIG@` stands for in a case: 300 kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How a run must end. `steps` and `outputs` name what is looked at; all else must be as the local runner has it.

    `outputs` are texts, JSON (a mapping), or for a directory a mapping of file to text. `tries` counts the marks that
    `work:fails` leaves, `told` and `posted` what reached `work:alert` and the webhook.
    """

    state: str
    steps: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    tries: Mapping[str, int] = field(default_factory=dict)
    told: tuple[Mapping[str, Any], ...] = ()
    posted: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case. A backend that realises one of the notions it `needs` in no way must say so with a finding, and need not run it."""

    name: str
    about: str
    spec: str
    expect: Expected
    again: Expected | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[Expected, ...]:
        return (self.expect,) if self.again is None else (self.expect, self.again)

    def write(self, folder: Path) -> Path:
        """Write the spec and what stands beside it; return the spec's path."""
        folder.mkdir(parents=True, exist_ok=True)
        head = f"mlspec: 1\nproject: {{name: kit_{self.name}}}\n"
        (folder / "spec.yaml").write_text(head + _filled(self.spec), encoding="utf-8")
        # Another text for each case: cases share a workspace, and none may find what another has made.
        code = (HERE / "work.py").read_text(encoding="utf-8") + f"\nCASE = {self.name!r}\n"
        tables = {name: TABLES[table]() for name, table in self.tables.items()}
        for name, text in {"work.py": code, **self.files, **tables}.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        return folder / "spec.yaml"


@cache
def cases() -> Mapping[str, Case]:
    """Every case by name."""
    found = {case.name: case for file in sorted((HERE / "cases").glob("*.yaml")) for case in _read(file)}
    return dict(found)


def _read(file: Path) -> Iterator[Case]:
    import yaml

    told = yaml.safe_load(file.read_text(encoding="utf-8"))
    for name, case in told.items():
        again = _expected(case.pop("again")) if "again" in case else None
        needs = tuple(case.pop("needs", ()))
        yield Case(**{**case, "name": name, "expect": _expected(case["expect"]), "again": again, "needs": needs})


def _expected(told: Mapping[str, Any]) -> Expected:
    outputs = {name: _filled(one) if isinstance(one, str) else one for name, one in told.get("outputs", {}).items()}
    lists = {name: tuple(told.get(name, ())) for name in ("told", "posted")}
    return Expected(**{**told, "outputs": outputs, **lists})


def _filled(text: str) -> str:
    return text.replace("@BIG@", BIG if text == "@BIG@" else BIG.replace("\n", "\\n"))


def _customers() -> str:
    """240 customers of whom those with high charges and monthly contracts leave, mostly."""
    dice = random.Random(7)  # noqa: S311 - data of a test
    lines = ["customer,tenure,charge,contract,left"]
    for number in range(240):
        tenure, charge = dice.randint(0, 72), round(dice.uniform(15, 110), 2)
        contract = dice.choice(("month", "year"))
        risk = 0.15 + 0.4 * (contract == "month") + 0.004 * charge - 0.006 * tenure
        left = "yes" if dice.random() < risk else "no"
        told = "" if dice.random() < 0.02 else str(charge)
        lines.append(f"c{number:04},{tenure},{told},{contract},{left}")
    return "\n".join(lines) + "\n"


def _days() -> str:
    """A year of temperatures, each day with the next one's."""
    import datetime
    import math

    dice = random.Random(7)  # noqa: S311 - data of a test
    first = datetime.date(2023, 1, 1)
    warm = [round(10 - 9 * math.cos(day / 58) + dice.gauss(0, 2), 1) for day in range(301)]
    lines = [f"{first + datetime.timedelta(days=day)},{warm[day]},{warm[day + 1]}" for day in range(300)]
    return "\n".join(["day,today,tomorrow", *lines]) + "\n"


TABLES = {"customers": _customers, "days": _days}
