"""Every rule's page: its bad example has the fault, its good one has not, and its evidence is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlspec import lint
from mlspec.diagnostic import Diagnostic, Severity
from mlspec.rules import Rule, catalogue
from mlspec.rules._page import Example

BASE = Path(__file__).parent.parent / "data" / "rules" / "base.yaml"
EVERY = list(catalogue().values())
WITHOUT_EXAMPLE = {"rule-crashed"}  # no spec is known that makes a rule crash; tests/rules/test_language.py has a rule that does

# a file that is huge or not text, or what came by the command line: tests/test_document.py and tests/test_layers_of_spec.py have them
HARDLY_SHOWN = {
    "not-utf-8", "too-large", "too-many-problems", "key-too-long", "too-many-files", "yaml-syntax",
    "unknown-environment", "bad-route", "empty-value",
}  # fmt: skip


def linted(example: Example, folder: Path, *, data: bool = False) -> list[Diagnostic]:
    """Lint an example where it stands: alone if it is a whole spec, else laid over the example project."""
    for name, text in example.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    whole = re.search(r"^mlspec:", example.spec, flags=re.MULTILINE)
    (folder / "base.yaml").write_bytes(BASE.read_bytes())
    spec = folder / "spec.yaml"
    shown = example.spec.replace("\N{RIGHTWARDS ARROW}", "\t")  # a docstring cannot hold a tab
    spec.write_text(shown if whole else f"extends: base.yaml\n{shown}", encoding="utf-8")
    return list(lint.check(spec, data=data).diagnostics)


def codes(found: list[Diagnostic]) -> list[str]:
    return [one.finding.code for one in found]


@pytest.mark.parametrize(
    "rule", [one for one in EVERY if one.name not in WITHOUT_EXAMPLE | HARDLY_SHOWN], ids=lambda rule: rule.name
)
def test_a_page(rule: Rule, tmp_path: Path) -> None:
    page = rule.page
    assert page.summary.endswith("."), "the first paragraph is a sentence"
    assert page.why, "nobody follows a rule without a reason"
    assert re.search(r"[Gg]uide|[Mm]easured|http|et al|\(\d{4}\)|YAML|language", page.source), (
        "evidence: the guide, a paper, a measurement"
    )
    (tmp_path / "bad").mkdir()
    (tmp_path / "good").mkdir()
    bad = linted(page.bad, tmp_path / "bad", data=rule.data)
    assert rule.name in codes(bad), f"the bad example has {codes(bad)}"
    if rule.check is not None:
        assert all(one.span and one.span.line > 0 for one in bad if one.finding.code == rule.name)
    good = linted(page.good, tmp_path / "good", data=rule.data)
    assert rule.name not in codes(good), "the good example has the fault"
    wrong = [str(one) for one in good if one.finding.severity is Severity.ERROR]
    assert not wrong, f"the good example has errors: {wrong}"


def test_codes_are_stable_names() -> None:
    assert len({one.code for one in EVERY}) == len(EVERY)
    for one in EVERY:
        assert re.fullmatch(r"[A-Z]{3}\d{3}", one.code), one.code
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", one.name), one.name
    prefixes = {(one.topic, one.code[:3]) for one in EVERY}
    assert len(prefixes) == len({topic for topic, _ in prefixes}) == len({prefix for _, prefix in prefixes})


def test_the_example_project_is_clean() -> None:
    found = [str(one) for one in lint.check(BASE).diagnostics if one.finding.code != "not-realised-yet"]
    assert not found
